//! What the layer under the store has written down, read back.

use std::error::Error;

/// One call that changed something below the folder. Files and folders go by their inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A process begins; the folder itself.
    Begin { folder: u64 },
    /// A new, empty file.
    Create { file: u64, path: String },
    /// Bytes in a file.
    Write { file: u64, at: u64, data: Vec<u8> },
    /// A file's new length; zeros where it was shorter.
    Length { file: u64, length: u64 },
    /// A sync of a file or folder that went well.
    Sync { file: u64 },
    /// One that did not: from then on the system takes for clean what it did not write.
    SyncFailed { file: u64 },
    /// A new name.
    Rename { from: String, to: String },
    /// A name that is gone, of a file or an empty folder.
    Remove { path: String },
    /// A new folder.
    Folder { folder: u64, path: String },
    /// A second name.
    Link { from: String, to: String },
}

const MAGIC: u32 = 0x6774_0a01;

/// Reads a journal whole.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Entry>, Box<dyn Error>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (head, body) = rest.split_at_checked(32).ok_or("a torn entry in the journal")?;
        let word = |at: usize| head[at..at + 4].try_into().map(u32::from_ne_bytes);
        let long = |at: usize| head[at..at + 8].try_into().map(u64::from_ne_bytes);
        if word(0)? != MAGIC {
            return Err("no entry where one should begin in the journal".into());
        }
        let (kind, file, at, length) = (word(4)?, long(8)?, long(16)?, usize::try_from(long(24)?)?);
        let (body, next) = body.split_at_checked(length).ok_or("a torn entry in the journal")?;
        rest = next;
        let name = || -> Result<(String, String), Box<dyn Error>> {
            let text = std::str::from_utf8(body)?;
            let (one, other) = text.split_once('\0').ok_or("a name without an end")?;
            Ok((one.to_owned(), other.to_owned()))
        };
        entries.push(match kind {
            1 => Entry::Begin { folder: file },
            2 => Entry::Create { file, path: name()?.0 },
            3 => Entry::Write { file, at, data: body.to_vec() },
            4 => Entry::Length { file, length: at },
            5 => Entry::Sync { file },
            6 => Entry::SyncFailed { file },
            7 => {
                let (from, to) = name()?;
                Entry::Rename { from, to }
            }
            8 | 10 => Entry::Remove { path: name()?.0 },
            9 => Entry::Folder { folder: file, path: name()?.0 },
            11 => {
                let (from, to) = name()?;
                Entry::Link { from, to }
            }
            kind => return Err(format!("an entry of kind {kind} in the journal").into()),
        });
    }
    Ok(entries)
}
