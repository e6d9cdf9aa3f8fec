//! What stands at a worktree's path, and the entry that git keeps of it in the shared repository.
//!
//! Two files point at each other: `<path>/.git` names the entry `<repo>/worktrees/<id>`, and its `gitdir`
//! names `<path>/.git`. Between any two steps of git a kill can leave one without the other; a town that
//! was moved or copied has both, and both wrong. Here they are read, mended where nothing can be lost by
//! it, and otherwise moved aside.
//!
//! Entries are also made here, not by `git worktree add`: that writes them file by file in the shared
//! repository, and a fetch that comes by meanwhile fails on the half of one ("bad object"). Ours appear and
//! disappear by one rename.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use git2::Oid;

use crate::{Error, Repo, Result, program::path_from, sweep};

/// Where entries are made, and go to be deleted.
const ASIDE: &str = "worktrees.aside";

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing, or an empty folder.
    Vacant,
    /// A worktree of this repository, with git's entry of it.
    Ours { entry: PathBuf },
    /// A worktree of this repository that git had not finished making.
    HalfMade { entry: PathBuf },
    /// Anything else.
    Foreign,
}

/// Looks at `path`, and mends the two pointers if the worktree or the repository has been moved.
pub(crate) fn look(repo: &Repo, path: &Path) -> Result<Place> {
    let reading = || Error::io(format!("look at {}", path.display()));
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Place::Vacant),
        Err(e) => return Err(reading()(e)),
        Ok(found) if !found.is_dir() => return Ok(Place::Foreign),
        Ok(_) => {}
    }
    if fs::read_dir(path).map_err(reading())?.next().is_none() {
        return Ok(Place::Vacant);
    }
    let Some(named) = entry_named_by(path) else { return Ok(Place::Foreign) };
    let Some(id) = named.file_name() else { return Ok(Place::Foreign) };
    let entry = repo.path().join("worktrees").join(id);
    if !entry.join("HEAD").is_file() {
        return Ok(Place::Foreign);
    }
    let ours = fs::canonicalize(&named).is_ok_and(|named| named == entry);
    let back = place_named_by(&entry);
    let answered = back.as_deref().is_some_and(|back| same(back, path));
    if !(ours && answered) {
        // Another folder that is linked with the entry both ways has the better claim.
        let rival = back.as_deref().filter(|back| !same(back, path));
        let taken = rival.and_then(entry_named_by).and_then(|e| fs::canonicalize(e).ok());
        if taken.is_some_and(|taken| taken == entry) {
            return Ok(Place::Foreign);
        }
        link(&entry, path)?;
    }
    let initializing =
        fs::read(entry.join("locked")).is_ok_and(|reason| reason.trim_ascii() == b"initializing");
    Ok(if initializing || !entry.join("index").exists() {
        Place::HalfMade { entry }
    } else {
        Place::Ours { entry }
    })
}

/// Puts aside every entry that stands in the way of a new worktree at `path` on `branch`: entries of this
/// path, and entries that hold the branch for a folder that is gone.
pub(crate) fn retire_entries(repo: &Repo, path: &Path, branch: Option<&str>) -> Result<()> {
    for entry in entries(repo) {
        // An entry without `gitdir` may just be in the making, for another worktree; git passes it over.
        let holds = branch.is_some_and(|branch| branch_of(&entry).as_deref() == Some(branch));
        let Some(place) = place_named_by(&entry) else {
            // One whose `gitdir` is empty was left by a kill.
            if holds && entry.join("gitdir").exists() {
                retire(repo, &entry)?;
            }
            continue;
        };
        let gone = fs::symlink_metadata(&place).is_err();
        let kept = fs::read(entry.join("locked")).is_ok_and(|why| why.trim_ascii() != b"initializing");
        if same(&place, path) || (gone && holds && !kept) {
            retire(repo, &entry)?;
        }
    }
    Ok(())
}

/// What a new worktree is on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On<'a> {
    Branch(&'a str),
    Commit(Oid),
}

/// Makes a worktree at `path`, which must be vacant, and checks its files out.
pub(crate) fn make(repo: &Repo, path: &Path, on: On<'_>) -> Result<()> {
    let doing = || format!("make the worktree {}", path.display());
    fs::create_dir_all(path).map_err(Error::io(doing()))?;
    let entry = new_entry(repo, path, on).map_err(Error::io(doing()))?;
    let checked_out = link(&entry, path).and_then(|()| {
        repo.git_in(path, doing()).args(["reset", "--quiet", "--hard", "--no-recurse-submodules"]).run()
    });
    if let Err(e) = checked_out {
        // Nobody has worked here yet: all that is in the folder came from git.
        let _ = remove_tree(path);
        let _ = drop_entry(repo, &entry);
        return Err(e);
    }
    fs::remove_file(entry.join("locked")).map_err(Error::io(doing()))
}

/// Makes git's entry of a worktree, whole before it can be seen, and locked until the files are there.
fn new_entry(repo: &Repo, path: &Path, on: On<'_>) -> io::Result<PathBuf> {
    let new = aside(repo, "new")?;
    fs::create_dir_all(&new)?;
    let head = match on {
        On::Branch(name) => format!("ref: refs/heads/{name}\n"),
        On::Commit(oid) => format!("{oid}\n"),
    };
    let mut pointer = real(path).join(".git").into_os_string().into_vec();
    pointer.push(b'\n');
    fs::write(new.join("HEAD"), head)?;
    fs::write(new.join("commondir"), "../..\n")?;
    fs::write(new.join("gitdir"), pointer)?;
    fs::write(new.join("locked"), "initializing\n")?;
    let all = repo.path().join("worktrees");
    fs::create_dir_all(&all)?;
    let id = path.file_name().unwrap_or_default();
    let mut entry = all.join(id);
    for n in 1.. {
        match fs::rename(&new, &entry) {
            Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
                let mut name = id.to_owned();
                name.push(n.to_string());
                entry = all.join(name);
            }
            other => return other.map(|()| entry),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Deletes an entry; git sees it whole or not at all.
pub(crate) fn drop_entry(repo: &Repo, entry: &Path) -> io::Result<()> {
    let gone = aside(repo, "gone")?;
    fs::rename(entry, &gone)?;
    fs::remove_dir_all(gone)
}

/// Returns a free name in a folder of the repository that git does not know. What a kill leaves there goes
/// with the next `clear_stale_locks`.
fn aside(repo: &Repo, what: &str) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = repo.path().join(ASIDE);
    fs::create_dir_all(&folder)?;
    let unique = format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Ok(free_sibling(&folder.join(unique), ""))
}

/// Moves an entry out of git's sight; its index and its log of HEAD stay readable.
pub(crate) fn retire(repo: &Repo, entry: &Path) -> Result<()> {
    if !entry.join("index").exists() {
        return drop_entry(repo, entry).map_err(Error::io(format!("clear {}", entry.display())));
    }
    let attic = repo.path().join("worktrees.rescued");
    fs::create_dir_all(&attic).map_err(Error::io(format!("make the folder {}", attic.display())))?;
    let aside = free_sibling(&attic.join(entry.file_name().unwrap_or_default()), "");
    fs::rename(entry, &aside).map_err(Error::io(format!("move {} aside", entry.display())))
}

/// Moves what stands at `path` to a sibling `<path>.rescued-N` and returns that; an empty folder, or one
/// that holds nothing but the pointer to git's entry, is simply removed.
pub(crate) fn move_aside(path: &Path) -> Result<Option<PathBuf>> {
    let moving = || Error::io(format!("move {} aside", path.display()));
    let found = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(moving())?,
    };
    let pointer = path.join(".git");
    if found.is_dir() {
        let bare =
            fs::read_dir(path).map_err(moving())?.all(|entry| entry.is_ok_and(|e| e.file_name() == ".git"));
        if bare && (pointer.is_file() || fs::symlink_metadata(&pointer).is_err()) {
            fs::remove_dir_all(path).map_err(moving())?;
            return Ok(None);
        }
    }
    let aside = free_sibling(path, ".rescued");
    fs::rename(path, &aside).map_err(moving())?;
    let pointer = aside.join(".git");
    if pointer.is_file() {
        // Else git commands in the folder would work on the worktree that takes its place.
        fs::rename(&pointer, aside.join(".git.rescued")).map_err(moving())?;
    }
    Ok(Some(aside))
}

/// Returns the branch that a worktree is on: also while a rebase of it has HEAD detached.
pub(crate) fn branch_of(entry: &Path) -> Option<String> {
    let read = |name: &str| fs::read_to_string(entry.join(name)).ok();
    let head = read("HEAD")?;
    let named = head.trim().strip_prefix("ref: ").map(str::to_owned);
    named
        .or_else(|| read("rebase-merge/head-name"))
        .or_else(|| read("rebase-apply/head-name"))
        .and_then(|name| name.trim().strip_prefix("refs/heads/").map(str::to_owned))
}

/// Returns the folder in which `branch` is checked out now.
pub(crate) fn checked_out_at(repo: &Repo, branch: &str) -> Option<PathBuf> {
    let holds = |entry: &PathBuf| branch_of(entry).as_deref() == Some(branch);
    entries(repo).into_iter().filter(holds).find_map(|entry| place_named_by(&entry).filter(|p| p.exists()))
}

/// Removes the locks that a killed git left in a worktree, unless some git is at work in it.
pub(crate) fn clear_locks(repo: &Repo, path: &Path, entry: &Path) {
    let mut locks = vec![entry.join("index.lock"), entry.join("HEAD.lock")];
    if let Some(branch) = branch_of(entry) {
        locks.push(repo.path().join("refs/heads").join(branch + ".lock"));
    }
    // All processes are looked at only when there is a lock.
    locks.retain(|lock| lock.exists());
    if !locks.is_empty() && !sweep::git_works_in(&[path]) {
        remove_locks(locks);
    }
}

impl Repo {
    /// Removes locks that killed git programs left in the shared repository: for the start of a runtime,
    /// before anything else works here. Leaves all as it is while some git is at work in it. Returns what it removed.
    pub fn clear_stale_locks(&self) -> Vec<PathBuf> {
        let names = ["HEAD.lock", "packed-refs.lock", "config.lock", "shallow.lock", "FETCH_HEAD.lock"];
        let mut locks: Vec<PathBuf> = names.iter().map(|name| self.path().join(name)).collect();
        locks.retain(|lock| lock.exists());
        let mut folders = vec![self.path().join("refs")];
        while let Some(folder) = folders.pop() {
            for found in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = found.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "lock") {
                    locks.push(path);
                }
            }
        }
        if locks.is_empty() && !self.path().join(ASIDE).exists() {
            return Vec::new();
        }
        let mut places: Vec<PathBuf> =
            entries(self).iter().filter_map(|entry| place_named_by(entry)).collect();
        places.push(self.path().to_owned());
        if sweep::git_works_in(&places) {
            return Vec::new();
        }
        let removed = remove_locks(locks);
        let _ = fs::remove_dir_all(self.path().join(ASIDE));
        removed
    }
}

fn remove_locks(mut locks: Vec<PathBuf>) -> Vec<PathBuf> {
    locks.retain(|lock| fs::remove_file(lock).is_ok());
    for lock in &locks {
        tracing::warn!(lock = %lock.display(), "removed a lock that a killed git had left");
    }
    locks
}

/// Returns `<path><word>-N` for the first N that is free.
pub(crate) fn free_sibling(path: &Path, word: &str) -> PathBuf {
    (1_u32..)
        .map(|n| {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!("{word}-{n}"));
            path.with_file_name(name)
        })
        .find(|candidate| fs::symlink_metadata(candidate).is_err())
        .unwrap_or_else(|| path.with_extension("rescued"))
}

pub(crate) fn entries(repo: &Repo) -> Vec<PathBuf> {
    let found = fs::read_dir(repo.path().join("worktrees")).into_iter().flatten().flatten();
    found.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Returns the entry that `<path>/.git` names.
fn entry_named_by(path: &Path) -> Option<PathBuf> {
    let text = fs::read(path.join(".git")).ok()?;
    let named = text.strip_prefix(b"gitdir: ")?;
    Some(path.join(path_from(named.trim_ascii_end())))
}

/// Returns the worktree that an entry names.
pub(crate) fn place_named_by(entry: &Path) -> Option<PathBuf> {
    let text = fs::read(entry.join("gitdir")).ok()?;
    let named = text.trim_ascii_end();
    if named.is_empty() {
        return None;
    }
    let pointer = entry.join(path_from(named));
    pointer.parent().map(Path::to_owned)
}

fn link(entry: &Path, path: &Path) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let pointer = real(path).join(".git");
    let write = |file: &Path, before: &[u8], what: &Path| {
        let mut text = before.to_vec();
        text.extend_from_slice(what.as_os_str().as_bytes());
        text.push(b'\n');
        fs::write(file, text)
    };
    let mending = |file: &Path| Error::io(format!("mend {}", file.display()));
    let gitdir = entry.join("gitdir");
    // Never half of it: an entry that names nothing would hold its branch.
    let fresh = entry.join("gitdir.new");
    write(&fresh, b"", &pointer).and_then(|()| fs::rename(&fresh, &gitdir)).map_err(mending(&gitdir))?;
    write(&pointer, b"gitdir: ", entry).map_err(mending(&pointer))
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || real(one) == real(other)
}

/// Returns the path with symbolic links resolved, also when its last part does not exist.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            fs::canonicalize(parent).unwrap_or_else(|_| parent.to_owned()).join(name)
        }
        _ => path.to_owned(),
    })
}

/// A path without `.` and `..`, as it is written: what it names need not exist.
pub(crate) fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// Deletes a folder, also one whose own folders are read-only (module caches are).
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            unlock_folders(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

/// Gives the right to write to all folders below `path`.
pub(crate) fn unlock_folders(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(found.permissions().mode() | 0o700))?;
    for inner in fs::read_dir(path)? {
        unlock_folders(&inner?.path())?;
    }
    Ok(())
}
