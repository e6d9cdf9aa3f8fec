//! A worktree's files and its index as trees, byte for byte and without touching either.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use git2::{Commit, Index, IndexEntry, IndexTime, Oid, Repository};

use crate::{
    Error, Result,
    status::{Listing, is_nested},
};

/// Returns the tree of the files as they lie in the folder.
pub(crate) fn tree_of_files(
    library: &Repository,
    worktree: &Path,
    head: Option<&Commit<'_>>,
    listing: &Listing,
) -> Result<Oid> {
    let doing = |path: &Path| Error::library(format!("save {}", worktree.join(path).display()));
    let mut index = Index::new().map_err(doing(Path::new("")))?;
    if let Some(head) = head {
        head.tree().and_then(|tree| index.read_tree(&tree)).map_err(doing(Path::new("")))?;
    }
    // All removals first: a folder may have taken the place of a file, or the other way round.
    for change in &listing.changes {
        let _ = index.remove(&change.path, 0);
    }
    for change in &listing.changes {
        add(library, &mut index, worktree, &change.path, &change.path)?;
    }
    for path in &listing.untracked {
        let plain = if is_nested(path) { PathBuf::from(path.components().as_path()) } else { path.clone() };
        add(library, &mut index, worktree, &plain, &plain)?;
    }
    index.write_tree_to(library).map_err(doing(Path::new("")))
}

/// Adds the file at `path`, or all below it, to the index under the name `shown`.
///
/// A repository inside the worktree would become a mere link, and its content be lost: its files are saved
/// one by one, its `.git` under a name that trees may hold.
fn add(library: &Repository, index: &mut Index, root: &Path, path: &Path, shown: &Path) -> Result<()> {
    let full = root.join(path);
    let reading = || Error::io(format!("read {}", full.display()));
    let found = match fs::symlink_metadata(&full) {
        Ok(found) => found,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(e) => return Err(reading()(e)),
    };
    if found.is_dir() {
        for inner in fs::read_dir(&full).map_err(reading())? {
            let name = inner.map_err(reading())?.file_name();
            let kept = if name == ".git" { ".git.rescued".into() } else { name.clone() };
            add(library, index, root, &path.join(name), &shown.join(kept))?;
        }
        return Ok(());
    }
    let saving = || Error::library(format!("save {}", full.display()));
    let (id, mode) = if found.is_symlink() {
        let target = fs::read_link(&full).map_err(reading())?;
        (library.blob(target.as_os_str().as_bytes()).map_err(saving())?, 0o120_000)
    } else if found.is_file() {
        let runs = found.permissions().mode() & 0o100 != 0;
        // `blob_path` would run the filters of a worktree; a writer without a hint writes what it is given.
        let mut file = fs::File::open(&full).map_err(reading())?;
        let mut writer = library.blob_writer(None).map_err(saving())?;
        std::io::copy(&mut file, &mut writer).map_err(reading())?;
        (writer.commit().map_err(saving())?, if runs { 0o100_755 } else { 0o100_644 })
    } else {
        return Ok(()); // Sockets and pipes hold nothing.
    };
    index.add(&entry(shown, id, mode)).map_err(saving())
}

fn entry(path: &Path, id: Oid, mode: u32) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_os_str().as_bytes().to_vec(),
    }
}

/// Returns the tree of what is staged; of a conflicted file, our side stands for it.
pub(crate) fn tree_of_index(library: &Repository) -> Result<Option<Oid>, git2::Error> {
    /// Set by `git add -N`: the file is only announced, there is nothing staged of it.
    const INTENT_TO_ADD: u16 = 1 << 13;
    let index = library.index()?;
    let mut plain = Index::new()?;
    for mut entry in index.iter() {
        let stage = (entry.flags >> 12) & 3;
        if (stage == 0 || stage == 2) && entry.flags_extended & INTENT_TO_ADD == 0 {
            entry.flags &= !(3 << 12);
            entry.flags_extended = 0;
            plain.add(&entry)?;
        }
    }
    if plain.is_empty() { Ok(None) } else { plain.write_tree_to(library).map(Some) }
}
