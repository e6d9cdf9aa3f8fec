//! The records in plain files for another place, and a new ledger from such files.
//!
//! The files are segments like those of the archive (see `archive`), and a row of them may be written in
//! parts: each part goes on where the one before ended. Every record is looked at on its way out and on
//! its way in, its checksum and its place in the chain: what is damaged is not carried on as if it were
//! sound.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::ids::Seq;

use crate::archive::{self, Writer};
use crate::record::{self, GENESIS};
use crate::{Hash, LedgerError, SledLog, Store, check};

/// Records held in memory at once.
const CHUNK: u64 = 256;

/// Memory for pages of the log while it is written.
const CACHE: u64 = 16 << 20;

/// A row of records in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The newest record.
    pub head: Seq,
    /// Its hash, which stands for all before it.
    pub hash: Hash,
    /// The files in order, each with the number of its first record.
    pub files: Vec<(Seq, PathBuf)>,
}

/// Why a row of records was not carried on.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log, or the new ledger, does not go along.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file cannot be read or written.
    #[error("cannot {doing}")]
    Io {
        /// What was being done, and to which file.
        doing: String,
        /// In the system's words.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is damaged: {what}", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// What was found.
        what: String,
    },
    /// Whoever wanted it does not want it any more.
    #[error("it was called off")]
    CalledOff,
}

fn io_error(doing: impl Into<String>) -> impl FnOnce(io::Error) -> ExportError {
    let doing = doing.into();
    move |source| ExportError::Io { doing, source }
}

impl Store {
    /// The hash of the record `seq`; none when there is no such record.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hash_at(&self, seq: Seq) -> Result<Option<Hash>, LedgerError> {
        if seq == Seq(0) {
            return Ok(Some(GENESIS));
        }
        Ok(self.log().read_sealed(seq, 1)?.first().map(|sealed| sealed.hash))
    }

    /// Writes the records from `from` up to `until` into new segments in `folder`, which is empty, and syncs
    /// them. `go_on` is asked now and then. Writers are not held up.
    ///
    /// # Errors
    /// The first record that cannot be read or is not sound, by its number; what the disk says.
    pub fn export(
        &self,
        from: Seq,
        until: Seq,
        folder: &Path,
        go_on: impl Fn() -> bool,
    ) -> Result<Exported, ExportError> {
        let damaged = |what: String| {
            let dir = self.dir().unwrap_or(Path::new("memory")).to_owned();
            ExportError::Ledger(LedgerError::Corrupt { dir, what })
        };
        let mut last = Seq(from.0.saturating_sub(1));
        let before = self.hash_at(last)?;
        let mut hash = before.ok_or_else(|| damaged(format!("record {last} is missing")))?;
        let mut writer = Writer::begin(folder, last);
        let writing = || io_error(format!("write the records into {}", folder.display()));
        while last < until {
            if !go_on() {
                return Err(ExportError::CalledOff);
            }
            let rows =
                check::rows(self.log(), last.next(), (until.0 - last.0).min(CHUNK)).map_err(damaged)?;
            if rows.is_empty() {
                return Err(damaged(format!("record {} is missing", last.next())));
            }
            for bytes in &rows {
                last = last.next();
                hash = continued(last, bytes, &hash).map_err(damaged)?;
            }
            writer.append(&rows).map_err(writing())?;
        }
        writer.finish().map_err(writing())?;
        let files = archive::segments(folder).map_err(writing())?;
        Ok(Exported { head: last, hash, files })
    }
}

/// The hash of the record `seq` in `bytes`, if it is sound and continues the one whose hash is `before`.
fn continued(seq: Seq, bytes: &[u8], before: &Hash) -> Result<Hash, String> {
    let sealed = record::decode(seq, bytes).map_err(|error| error.to_string())?;
    if sealed.prev != *before {
        return Err(format!("record {seq} does not continue the record before it"));
    }
    Ok(sealed.hash)
}

/// Reads `files`, which hold all records from the first on, and hands them over in rows; returns the newest
/// and its hash.
///
/// # Errors
/// The first file that does not hold what it should.
pub fn read(
    files: &[(Seq, PathBuf)],
    mut take: impl FnMut(&[Vec<u8>], &Hash) -> Result<(), ExportError>,
) -> Result<(Seq, Hash), ExportError> {
    let (mut last, mut hash) = (Seq(0), GENESIS);
    for (first, file) in files {
        let damaged = |what: String| ExportError::Damaged { file: file.clone(), what };
        let segment = archive::read_segment(file, *first)
            .map_err(|source| io_error(format!("read {}", file.display()))(source))?;
        if let Some((_, what)) = segment.broken.into_iter().next() {
            return Err(damaged(what));
        }
        if segment.torn {
            return Err(damaged("its end is missing".to_owned()));
        }
        let mut row = Vec::new();
        for framed in segment.frames {
            if framed.seq != last.next() {
                let what = format!("it has record {} where {} was expected", framed.seq, last.next());
                return Err(damaged(what));
            }
            hash = continued(framed.seq, &framed.bytes, &hash).map_err(damaged)?;
            last = framed.seq;
            row.push(framed.bytes);
            if row.len() as u64 == CHUNK {
                take(&std::mem::take(&mut row), &hash)?;
            }
        }
        if !row.is_empty() {
            take(&row, &hash)?;
        }
    }
    Ok((last, hash))
}

/// Makes a new ledger in `dest`, a new or empty folder, of the records in `files`; returns the newest and its
/// hash.
///
/// # Errors
/// As [`read`]; what the disk says.
pub fn import(files: &[(Seq, PathBuf)], dest: &Path) -> Result<(Seq, Hash), ExportError> {
    fs::create_dir_all(dest).map_err(io_error(format!("make the folder {}", dest.display())))?;
    let log = SledLog::open(&dest.join("sled"), CACHE)?;
    read(files, |rows, hash| Ok(log.append_raw(rows, *hash)?))
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;

    use super::*;
    use crate::Limits;
    use crate::testing::{entry, limits};

    fn filled(dir: &Path, records: usize) -> Store {
        let store = Store::open(dir, Limits { snapshot_every: 1_000_000, ..limits() }).unwrap();
        more(&store, records);
        store
    }

    fn more(store: &Store, records: usize) {
        let said = (0..records).map(|n| (entry(n).actor, entry(n).event)).collect();
        store.write_one(Timestamp::from_millis(1), |_, _| Ok((said, ()))).unwrap();
    }

    fn out(store: &Store, from: u64, folder: &Path) -> Exported {
        fs::create_dir_all(folder).unwrap();
        store.export(Seq(from), store.head(), folder, || true).unwrap()
    }

    #[test]
    fn what_goes_out_in_parts_comes_in_as_the_same_ledger() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(&dir.path().join("one"), 700);
        let mut files = out(&store, 1, &dir.path().join("a")).files;
        more(&store, 3);
        let second = out(&store, 701, &dir.path().join("b"));
        files.extend(second.files);
        let check = store.check();
        assert_eq!(check::hex(&second.hash), check.hash);

        let (head, hash) = import(&files, &dir.path().join("two")).unwrap();
        assert_eq!((head, hash), (Seq(703), second.hash));
        let copy = Store::open(&dir.path().join("two"), limits()).unwrap();
        assert!(copy.check().sound);
        assert_eq!(copy.check().hash, check.hash);
        assert_eq!(store.hash_at(Seq(703)).unwrap(), Some(hash));
        assert_eq!(store.hash_at(Seq(704)).unwrap(), None);
    }

    #[test]
    fn a_flipped_byte_a_cut_and_a_gap_are_named_and_nothing_is_carried_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(&dir.path().join("one"), 600);
        let exported = out(&store, 1, &dir.path().join("a"));
        let file = &exported.files[0].1;
        let good = fs::read(file).unwrap();
        let refused = |what: &str| {
            let dest = dir.path().join(what);
            let error = import(&exported.files, &dest).unwrap_err().to_string();
            assert!(error.contains("0001.seg is damaged"), "{error}");
        };
        for at in (0..good.len()).step_by(good.len() / 9) {
            let mut bytes = good.clone();
            bytes[at] ^= 4;
            fs::write(file, bytes).unwrap();
            refused(&format!("flip {at}"));
        }
        fs::write(file, &good[..good.len() - 3]).unwrap();
        refused("cut");
        fs::write(file, &good).unwrap();
        let late = out(&store, 200, &dir.path().join("b"));
        assert!(read(&late.files, |_, _| Ok(())).unwrap_err().to_string().contains("where 1 was expected"));
    }

    #[test]
    fn a_log_that_is_damaged_does_not_go_out_as_if_it_were_sound() {
        let dir = tempfile::tempdir().unwrap();
        let one = dir.path().join("one");
        filled(&one, 300).close().unwrap();
        SledLog::open(&one.join("sled"), 1 << 20).unwrap().spoil(Seq(100), |bytes| bytes[20] ^= 1);
        // It opens from the snapshot, without a look at the old records.
        let store = Store::open(&one, limits()).unwrap();
        let folder = dir.path().join("b");
        fs::create_dir(&folder).unwrap();
        let error = store.export(Seq(1), Seq(300), &folder, || true).unwrap_err();
        assert!(error.to_string().contains("record 100 fails its checksum"), "{error}");

        let store = filled(&dir.path().join("two"), 10);
        let folder = dir.path().join("a");
        fs::create_dir(&folder).unwrap();
        let error = store.export(Seq(1), Seq(11), &folder, || true).unwrap_err();
        assert!(error.to_string().contains("record 11 is missing"), "{error}");
        assert!(matches!(store.export(Seq(1), Seq(5), &folder, || false), Err(ExportError::CalledOff)));
    }
}
