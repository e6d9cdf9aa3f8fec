//! One worktree and one branch per assignment: made, found again, removed.
//!
//! `ensure` is the only way to a worktree, for the first start and for every restart after it: whatever a
//! kill left behind, the same call gives the same worktree, and nothing that was in the folder is lost.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use git2::Oid;

use crate::{
    Error, Repo, Result,
    place::{self, Place},
    status::{self, Stash},
};

/// A worktree as `ensure` left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    pub path: PathBuf,
    /// The commit that is checked out.
    pub head: Oid,
    /// The branch that is checked out; `None` when detached.
    pub branch: Option<String>,
    pub how: How,
}

/// What `ensure` had to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// There was nothing; now there is a worktree.
    Made,
    /// It was there and has not been touched.
    Found,
    /// It was there and has not been touched, but another branch (or none) is checked out than was asked for:
    /// the agent moved, or the folder still belongs to an earlier assignment.
    FoundElsewhere,
    /// Something else or something half made was there. It is now at `rescued`, if it held any file.
    Repaired { rescued: Option<PathBuf> },
}

/// Why a worktree was not removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Changed or unknown files, or an operation in progress.
    Dirty { files: Vec<String> },
    /// Stashes made on its branch.
    Stashed { stashes: Vec<Stash> },
    /// Its head is not in what has landed.
    Unmerged { head: Oid },
    /// What stands at the path is not a worktree of this repository.
    NotOurs,
}

/// How `remove` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// The folder is gone, or was gone already.
    Removed,
    Refused(Refusal),
}

/// Returns the worktree at `path`, which is an absolute path: made on `branch`, or found as it was.
///
/// A branch that does not exist begins at `start`; one that does is taken as it stands, so that work of an
/// earlier session goes on. Locks that a killed git left in a found worktree are removed: call this only
/// while no agent works there.
///
/// # Errors
/// `BranchInUse` when another folder has the branch.
pub fn ensure(repo: &Repo, path: &Path, branch: &str, start: Oid) -> Result<Worktree> {
    let rescued = match place::look(repo, path)? {
        Place::Ours { entry } => {
            place::clear_locks(repo, path, &entry);
            let on = place::branch_of(&entry);
            let how = if on.as_deref() == Some(branch) { How::Found } else { How::FoundElsewhere };
            return describe(path, on, how);
        }
        Place::Vacant => None,
        Place::HalfMade { .. } | Place::Foreign => Some(place::move_aside(path)?),
    };
    place::retire_entries(repo, path, Some(branch))?;
    if let Some(at) = place::checked_out_at(repo, branch) {
        return Err(Error::BranchInUse { branch: branch.to_owned(), at });
    }
    let git = repo.git(format!("make the worktree {}", path.display())).args(["worktree", "add", "--quiet"]);
    match repo.branch_head(branch)? {
        Some(_) => git.arg(path).arg(branch),
        None => git.args(["--no-track", "-b", branch]).arg(path).arg(start.to_string()),
    }
    .run()?;
    let how = rescued.map_or(How::Made, |rescued| How::Repaired { rescued });
    describe(path, Some(branch.to_owned()), how)
}

/// Returns a worktree for reading at `path`, at `commit`, on no branch; its files cannot be written by
/// accident. Called again with another commit, it moves there.
///
/// # Errors
/// `Dirty` when somebody has changed it nevertheless: it is left alone.
pub fn reference(repo: &Repo, path: &Path, commit: Oid) -> Result<Worktree> {
    let tree = detached(repo, path, commit)?;
    // Says that a checkout of ours has begun: what then looks changed is only half written.
    let moving = crate::repo::open_library(path)?.path().join("gastown-moving");
    if tree.how == How::Found && !moving.exists() {
        let found = status::list(path)?;
        let files: Vec<String> = (found.changes.iter().map(|change| &change.path))
            .chain(&found.untracked)
            .map(|file| file.to_string_lossy().into_owned())
            .collect();
        if !files.is_empty() {
            return Err(Error::Dirty { path: path.to_owned(), files });
        }
    }
    if tree.head != commit || moving.exists() {
        fs::write(&moving, "").map_err(Error::io(format!("write {}", moving.display())))?;
        repo.git_in(path, format!("check out {commit} in {}", path.display()))
            .args(["checkout", "--quiet", "--force", "--detach", &commit.to_string()])
            .run()?;
        fs::remove_file(&moving).map_err(Error::io(format!("remove {}", moving.display())))?;
    }
    protect(path)?;
    Ok(Worktree { head: commit, branch: None, ..tree })
}

/// Removes the worktree at `path`, if it is clean and its head is contained in `landed_in`.
///
/// Its branch stays. A folder that is gone already counts as removed.
pub fn remove(repo: &Repo, path: &Path, landed_in: Oid) -> Result<Removal> {
    clear_leavings(path);
    let refuse = |refusal| Ok(Removal::Refused(refusal));
    let entry = match place::look(repo, path)? {
        Place::Vacant => {
            place::retire_entries(repo, path, None)?;
            let _ = fs::remove_dir(path);
            return Ok(Removal::Removed);
        }
        Place::HalfMade { .. } | Place::Foreign => return refuse(Refusal::NotOurs),
        Place::Ours { entry } => entry,
    };
    let state = status::status(path)?;
    if !state.changed.is_empty() || !state.untracked.is_empty() || state.in_progress.is_some() {
        return refuse(Refusal::Dirty { files: state.files() });
    }
    if !state.stashes.is_empty() {
        return refuse(Refusal::Stashed { stashes: state.stashes });
    }
    if let Some(head) = state.head
        && !repo.is_ancestor(head, landed_in)?
    {
        return refuse(Refusal::Unmerged { head });
    }
    // The rename decides: a kill in the middle of deleting must not leave a worktree that looks dirty.
    let doing = || Error::io(format!("remove {}", path.display()));
    fs::rename(path, place::free_sibling(&hidden(path), "")).map_err(doing())?;
    fs::remove_dir_all(&entry).map_err(doing())?;
    clear_leavings(path);
    Ok(Removal::Removed)
}

/// Returns a worktree on no branch: made at `commit`, or found wherever it is.
pub(crate) fn detached(repo: &Repo, path: &Path, commit: Oid) -> Result<Worktree> {
    let rescued = match place::look(repo, path)? {
        Place::Ours { entry } => {
            place::clear_locks(repo, path, &entry);
            return describe(path, place::branch_of(&entry), How::Found);
        }
        Place::Vacant => None,
        Place::HalfMade { .. } => {
            // Nobody works in a worktree without a branch: what is there came from git alone.
            remove_tree(path).map_err(Error::io(format!("clear {}", path.display())))?;
            None
        }
        Place::Foreign => Some(place::move_aside(path)?),
    };
    place::retire_entries(repo, path, None)?;
    repo.git(format!("make the worktree {}", path.display()))
        .args(["worktree", "add", "--quiet", "--detach"])
        .arg(path)
        .arg(commit.to_string())
        .run()?;
    describe(path, None, rescued.map_or(How::Made, |rescued| How::Repaired { rescued }))
}

fn describe(path: &Path, branch: Option<String>, how: How) -> Result<Worktree> {
    let library = crate::repo::open_library(path)?;
    let head = library
        .head()
        .and_then(|head| head.peel_to_commit())
        .map_err(Error::library(format!("read the head of {}", path.display())))?
        .id();
    Ok(Worktree { path: path.to_owned(), head, branch, how })
}

/// Takes the right to write from every tracked file; folders keep it, so that git can replace them.
fn protect(path: &Path) -> Result<()> {
    let library = crate::repo::open_library(path)?;
    let index = library.index().map_err(Error::library(format!("read the index of {}", path.display())))?;
    for entry in index.iter() {
        let file = path.join(crate::program::path_from(&entry.path));
        let Ok(found) = fs::symlink_metadata(&file) else { continue };
        let mode = found.permissions().mode();
        if found.is_file() && mode & 0o222 != 0 {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode & !0o222))
                .map_err(Error::io(format!("protect {}", file.display())))?;
        }
    }
    Ok(())
}

/// The name under which a worktree waits to be deleted.
fn hidden(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.removed"))
}

/// Deletes what earlier removals of this path had no time to delete. All of it was found clean and landed.
fn clear_leavings(path: &Path) {
    let hidden = hidden(path);
    let name = format!("{}-", hidden.file_name().unwrap_or_default().to_string_lossy());
    for found in path.parent().and_then(|parent| fs::read_dir(parent).ok()).into_iter().flatten().flatten() {
        let number = found.file_name().to_string_lossy().strip_prefix(&name).map(str::to_owned);
        if number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit())) {
            if let Err(e) = remove_tree(&found.path()) {
                tracing::warn!(path = %found.path().display(), "cannot delete a removed worktree: {e}");
            }
        }
    }
}

/// Deletes a folder, also one whose own folders are read-only (module caches are).
pub(crate) fn remove_tree(path: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            unlock_folders(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

/// Gives the right to write to all folders below `path`.
pub(crate) fn unlock_folders(path: &Path) -> std::io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(found.permissions().mode() | 0o700))?;
    for inner in fs::read_dir(path)? {
        unlock_folders(&inner?.path())?;
    }
    Ok(())
}
