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
    Error, Repo, Result, clear,
    place::{self, On, Place, remove_tree},
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
    clear::put_back(repo, path)?;
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
    if repo.branch_head(branch)?.is_none() {
        let library = repo.library()?;
        let making = || Error::library(format!("make branch {branch} at {start}"));
        let start = library.find_commit(start).map_err(making())?;
        library.branch(branch, &start, false).map_err(making())?;
        faults::pass("git.branch.made");
    }
    faults::pass("git.worktree.add");
    place::make(repo, path, On::Branch(branch))?;
    faults::pass("git.worktree.added");
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

/// Moves the worktree at `from` to `to`, with all that is in it; what else stands at `to` goes aside. Called
/// again after a kill, it ends what it has begun. Returns whether there was anything to move.
///
/// Only while nobody works there.
pub fn relocate(repo: &Repo, from: &Path, to: &Path) -> Result<bool> {
    let moved = match place::look(repo, from)? {
        Place::Ours { .. } => {
            if place::look(repo, to)? != Place::Vacant {
                place::move_aside(to)?;
            }
            let moving = || Error::io(format!("move {} to {}", from.display(), to.display()));
            let _ = fs::remove_dir(to);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(moving())?;
            }
            faults::point("git.worktree.relocate").map_err(moving())?;
            fs::rename(from, to).map_err(moving())?;
            faults::pass("git.worktree.relocated");
            true
        }
        Place::Vacant | Place::HalfMade { .. } | Place::Foreign => false,
    };
    // Mends the pointers between the folder and git's entry of it.
    if let Place::Ours { entry } = place::look(repo, to)? {
        mend_submodules(&entry, from, to)?;
    }
    Ok(moved)
}

/// Tells the repositories of a worktree's submodules that it does not stand at `from` any more but at `to`.
pub(crate) fn mend_submodules(entry: &Path, from: &Path, to: &Path) -> Result<()> {
    let mut folders = vec![entry.join("modules")];
    while let Some(folder) = folders.pop() {
        let config = folder.join("config");
        if folder.join("HEAD").is_file() && config.is_file() {
            let mending = || Error::library(format!("mend {}", config.display()));
            let mut config = git2::Config::open(&config).map_err(mending())?;
            let Ok(works_at) = config.get_string("core.worktree") else { continue };
            let works_at = place::plain(&folder.join(works_at));
            if let Ok(below) = works_at.strip_prefix(from) {
                let now = to.join(below).display().to_string();
                config.set_str("core.worktree", &now).map_err(mending())?;
            }
            // Submodules of submodules stand below.
            folders.push(folder.join("modules"));
            continue;
        }
        let inner = fs::read_dir(&folder).into_iter().flatten().flatten().map(|found| found.path());
        folders.extend(inner.filter(|path| path.is_dir()));
    }
    Ok(())
}

/// Deletes the folder `aside`, if every file in it stands with the same bytes in `worktree` too: what was
/// moved aside was only a copy that somebody had begun. Returns whether it is gone.
pub fn discard_copy(aside: &Path, worktree: &Path) -> bool {
    if !is_copy(aside, worktree, true) {
        return false;
    }
    match fs::remove_dir_all(aside) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, folder = %aside.display(), "cannot delete what was begun and is a copy");
            false
        }
    }
}

fn is_copy(copy: &Path, whole: &Path, top: bool) -> bool {
    let Ok(mut entries) = fs::read_dir(copy) else { return false };
    entries.all(|entry| {
        let Ok(entry) = entry else { return false };
        // The pointer to git's own folder is not anybody's work.
        if top && entry.file_name() == ".git" {
            return true;
        }
        let (here, there) = (entry.path(), whole.join(entry.file_name()));
        match (entry.file_type(), fs::symlink_metadata(&there)) {
            (Ok(kind), Ok(other)) if kind.is_dir() => other.is_dir() && is_copy(&here, &there, false),
            (Ok(kind), Ok(other)) if kind.is_symlink() => {
                other.is_symlink() && fs::read_link(&here).ok() == fs::read_link(&there).ok()
            }
            (Ok(kind), Ok(other)) if kind.is_file() && other.is_file() => {
                matches!((fs::read(&here), fs::read(&there)), (Ok(a), Ok(b)) if a == b)
            }
            _ => false,
        }
    })
}

/// Removes the worktree at `path`, if it is clean and its head is contained in `landed_in`.
///
/// Its branch stays. A folder that is gone already counts as removed.
pub fn remove(repo: &Repo, path: &Path, landed_in: Oid) -> Result<Removal> {
    clear_leavings(path);
    let refuse = |refusal| Ok(Removal::Refused(refusal));
    let entry = match place::look(repo, path)? {
        Place::Vacant => return forget(repo, path),
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
    discard(repo, path, path, &entry)?;
    Ok(Removal::Removed)
}

/// What stands at a place for a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// Nothing, or an empty folder.
    Vacant,
    /// A worktree that was being removed when somebody was killed; it has not been deleted.
    Leaving,
    /// A worktree of this repository, on this branch.
    Whole { branch: Option<String> },
    /// One that was not made to the end.
    HalfMade,
    /// Anything else.
    Foreign,
}

/// Looks what stands at `path`. Asks no git program, and mends only pointers between a worktree and its entry.
pub fn stands(repo: &Repo, path: &Path) -> Stands {
    match place::look(repo, path) {
        Ok(Place::Vacant) if fs::symlink_metadata(leaving(path)).is_ok() => Stands::Leaving,
        Ok(Place::Vacant) => Stands::Vacant,
        Ok(Place::Ours { entry }) => Stands::Whole { branch: place::branch_of(&entry) },
        Ok(Place::HalfMade { .. }) => Stands::HalfMade,
        Ok(Place::Foreign) | Err(_) => Stands::Foreign,
    }
}

/// Whether what stands at `path` is a worktree of this repository that was made to the end.
pub fn is_whole(repo: &Repo, path: &Path) -> bool {
    matches!(place::look(repo, path), Ok(Place::Ours { .. }))
}

/// Moves what stands at `path` aside as it is, and returns where to; none when there is nothing. Does not ask git.
///
/// # Errors
/// When the folder cannot be renamed.
pub fn set_aside(path: &Path) -> Result<Option<PathBuf>> {
    let leaving = leaving(path);
    if fs::symlink_metadata(path).is_err() && fs::symlink_metadata(&leaving).is_ok() {
        fs::rename(&leaving, path).map_err(Error::io(format!("put {} back", path.display())))?;
    }
    place::move_aside(path)
}

/// Forgets a worktree whose folder is gone.
pub(crate) fn forget(repo: &Repo, path: &Path) -> Result<Removal> {
    clear_leavings(path);
    place::retire_entries(repo, path, None)?;
    let _ = fs::remove_dir(path);
    Ok(Removal::Removed)
}

/// Deletes the folder `at` of the worktree whose place is `path`, and git's entry of it. Everything in it is safe.
pub(crate) fn discard(repo: &Repo, path: &Path, at: &Path, entry: &Path) -> Result<()> {
    // The rename decides: a kill in the middle of deleting must not leave a worktree that looks dirty.
    let doing = || Error::io(format!("remove {}", path.display()));
    faults::point("git.worktree.remove").map_err(doing())?;
    fs::rename(at, place::free_sibling(&hidden(path), "")).map_err(doing())?;
    faults::pass("git.worktree.renamed");
    if has_own_in_submodules(entry) {
        // The only copy of what was committed in submodules may be in there.
        place::retire(repo, entry)?;
    } else {
        place::drop_entry(repo, entry).map_err(doing())?;
    }
    faults::pass("git.worktree.removed");
    clear_leavings(path);
    Ok(())
}

/// Whether git's entry of a worktree holds a submodule's repository with something that its remote does not have.
fn has_own_in_submodules(entry: &Path) -> bool {
    let mut folders = vec![entry.join("modules")];
    while let Some(folder) = folders.pop() {
        if folder.join("HEAD").is_file() {
            // What cannot be looked at is kept.
            if has_own(&folder).unwrap_or(true) {
                return true;
            }
            folders.push(folder.join("modules"));
            continue;
        }
        let inner = fs::read_dir(&folder).into_iter().flatten().flatten().map(|found| found.path());
        folders.extend(inner.filter(|path| path.is_dir()));
    }
    false
}

/// Whether a repository holds a commit, or a stash, that was not fetched.
fn has_own(repository: &Path) -> Result<bool, git2::Error> {
    let library = git2::Repository::open_bare(repository)?;
    let mut walk = library.revwalk()?;
    for reference in library.references()? {
        let reference = reference?;
        let Some(commit) = reference.resolve().ok().and_then(|direct| direct.target()) else { continue };
        let fetched = reference.name_bytes().starts_with(b"refs/remotes/");
        let is_commit = library.find_object(commit, None)?.peel_to_commit().is_ok();
        match (is_commit, fetched) {
            (true, true) => walk.hide(commit)?,
            (true, false) => walk.push(commit)?,
            (false, _) => {}
        }
    }
    if let Ok(head) = library.head().and_then(|head| head.peel_to_commit()) {
        walk.push(head.id())?;
    }
    Ok(walk.next().is_some())
}

/// The name under which a worktree stands while it is looked at for the last time.
pub(crate) fn leaving(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.leaving"))
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
    place::make(repo, path, On::Commit(commit))?;
    describe(path, None, rescued.map_or(How::Made, |rescued| How::Repaired { rescued }))
}

pub(crate) fn describe(path: &Path, branch: Option<String>, how: How) -> Result<Worktree> {
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
        if number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
            && let Err(e) = remove_tree(&found.path())
        {
            tracing::warn!(path = %found.path().display(), "cannot delete a removed worktree: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, commit_file};

    const BRANCH: &str = "polecat/nux/a-1";

    fn contents(path: &Path) -> Vec<String> {
        let names = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn only_a_copy_of_what_is_there_is_discarded() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = ensure(&repo, &lab.path("docs"), "polecat/docs/a", lab.first).unwrap().path;
        let aside = lab.path("docs.rescued-1");
        fs::create_dir_all(aside.join(".git")).unwrap();
        fs::copy(path.join("a.txt"), aside.join("a.txt")).unwrap();
        fs::write(aside.join("own.txt"), "mine").unwrap();
        assert!(!discard_copy(&aside, &path) && aside.join("own.txt").exists());
        fs::remove_file(aside.join("own.txt")).unwrap();
        assert!(discard_copy(&aside, &path) && !aside.exists());
        assert!(path.join("a.txt").exists());
    }

    #[test]
    fn a_worktree_is_found_again_with_all_that_is_in_it() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("polecats/nux one");
        let made = ensure(&repo, &path, BRANCH, lab.first).unwrap();
        assert_eq!((made.how, made.head), (How::Made, lab.first));
        let head = commit_file(&path, "b.txt", "b\n", "b");
        fs::write(path.join("new.txt"), "new").unwrap();
        let found = ensure(&repo, &path, BRANCH, lab.first).unwrap();
        assert_eq!((found.how, found.head, found.branch.as_deref()), (How::Found, head, Some(BRANCH)));
        assert_eq!(fs::read_to_string(path.join("new.txt")).unwrap(), "new");
        assert_eq!(contents(path.parent().unwrap()), ["nux one"]);
        lab.git(&path, &["checkout", "--quiet", "-b", "elsewhere"]);
        let found = ensure(&repo, &path, BRANCH, lab.first).unwrap();
        assert_eq!((found.how, found.branch.as_deref()), (How::FoundElsewhere, Some("elsewhere")));
    }

    #[test]
    fn a_worktree_goes_to_another_place_with_all_that_is_in_it() {
        let lab = Lab::new();
        let repo = lab.clone();
        let (old, new) = (lab.path("polecats/nux one"), lab.path("polecats/toast"));
        ensure(&repo, &old, BRANCH, lab.first).unwrap();
        let head = commit_file(&old, "b.txt", "b\n", "b");
        fs::write(old.join("new.txt"), "new").unwrap();
        fs::write(old.join("a.txt"), "changed").unwrap();
        assert!(relocate(&repo, &old, &new).unwrap() && !old.exists());
        assert!(!relocate(&repo, &old, &new).unwrap(), "again, it does nothing");
        let found = ensure(&repo, &new, BRANCH, lab.first).unwrap();
        assert_eq!((found.how, found.head, found.branch.as_deref()), (How::Found, head, Some(BRANCH)));
        let state = status::status(&new).unwrap();
        assert_eq!((state.changed, state.untracked), (vec!["a.txt".into()], vec!["new.txt".into()]));
        // Its old place is free for another assignment, whatever git calls the entry.
        let other = ensure(&repo, &old, "polecat/nux/a-2", lab.first).unwrap();
        assert_eq!(other.how, How::Made);
        assert_eq!(status::status(&new).unwrap().head, Some(head));
        // A kill between the rename and the pointers: the next call ends it.
        fs::rename(&new, old.with_file_name("third")).unwrap();
        assert!(!relocate(&repo, &new, &old.with_file_name("third")).unwrap());
        assert_eq!(status::status(&old.with_file_name("third")).unwrap().head, Some(head));
    }

    #[test]
    fn work_goes_on_where_the_branch_stands() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("nux");
        ensure(&repo, &path, BRANCH, lab.first).unwrap();
        let head = commit_file(&path, "b.txt", "b\n", "b");
        fs::remove_dir_all(&path).unwrap();
        let again = ensure(&repo, &path, BRANCH, lab.first).unwrap();
        assert_eq!((again.how, again.head), (How::Made, head));
        // The same branch at another path: refused while the first is there, taken over when it is gone.
        let other = lab.path("toast");
        let error = ensure(&repo, &other, BRANCH, lab.first).unwrap_err();
        assert!(matches!(error, Error::BranchInUse { at, .. } if at == path));
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(ensure(&repo, &other, BRANCH, lab.first).unwrap().head, head);
    }

    #[test]
    fn a_worktree_whose_making_was_killed_is_made_afresh_and_its_files_are_kept() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("nux");
        ensure(&repo, &path, BRANCH, lab.first).unwrap();
        let entry = repo.path().join("worktrees/nux");
        fs::write(entry.join("locked"), "initializing\n").unwrap();
        fs::write(entry.join("index.lock"), "").unwrap();
        fs::remove_file(entry.join("index")).unwrap();
        fs::remove_file(path.join("a.txt")).unwrap();
        fs::write(path.join("from somebody.txt"), "kept").unwrap();

        let made = ensure(&repo, &path, BRANCH, lab.first).unwrap();
        let How::Repaired { rescued: Some(aside) } = made.how else { panic!("{made:?}") };
        assert_eq!(aside, lab.path("nux.rescued-1"));
        assert_eq!(fs::read_to_string(aside.join("from somebody.txt")).unwrap(), "kept");
        assert_eq!(contents(&path), [".git", "a.txt"]);
        assert!(status::status(&path).unwrap().is_clean());
        assert_eq!(ensure(&repo, &path, BRANCH, lab.first).unwrap().how, How::Found);

        // Killed before it had any file: nothing to keep, nothing to report.
        fs::remove_file(path.join("a.txt")).unwrap();
        fs::remove_file(entry.join("index")).unwrap();
        assert_eq!(ensure(&repo, &path, BRANCH, lab.first).unwrap().how, How::Repaired { rescued: None });
        fs::remove_dir_all(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(ensure(&repo, &path, BRANCH, lab.first).unwrap().how, How::Made);
        assert_eq!(lab.git(&path, &["worktree", "list"]).lines().count(), 2, "the repository and this one");
    }

    #[test]
    fn an_entry_that_a_kill_left_without_a_place_does_not_hold_its_branch() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("nux");
        ensure(&repo, &path, BRANCH, lab.first).unwrap();
        let entry = repo.path().join("worktrees/nux");
        fs::write(entry.join("gitdir"), "").unwrap();
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(ensure(&repo, &path, BRANCH, lab.first).unwrap().how, How::Made);
        assert!(status::status(&path).unwrap().is_clean());
        assert_eq!(lab.git(&path, &["worktree", "list"]).lines().count(), 2, "the repository and this one");
    }

    #[test]
    fn a_checkout_that_fails_leaves_nothing() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("nux");
        commit_file(&lab.seed, ".gitattributes", "z.txt filter=broken\n", "attributes");
        let start = commit_file(&lab.seed, "z.txt", "z\n", "z");
        lab.push_seed("main");
        repo.fetch().unwrap();
        lab.git(repo.path(), &["config", "filter.broken.smudge", "false"]);
        lab.git(repo.path(), &["config", "filter.broken.required", "true"]);
        ensure(&repo, &path, BRANCH, start).unwrap_err();
        assert!(!path.exists());
        lab.git(repo.path(), &["config", "filter.broken.smudge", "cat"]);
        assert_eq!(ensure(&repo, &path, BRANCH, start).unwrap().how, How::Made);
    }

    #[test]
    fn what_is_no_worktree_is_moved_aside() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("nux");
        fs::create_dir(&path).unwrap();
        assert_eq!(
            ensure(&repo, &path, BRANCH, lab.first).unwrap().how,
            How::Made,
            "an empty folder is none"
        );
        fs::remove_file(path.join(".git")).unwrap();
        let again = ensure(&repo, &path, BRANCH, lab.first).unwrap();
        assert_eq!(again.how, How::Repaired { rescued: Some(lab.path("nux.rescued-1")) });
        fs::remove_dir_all(repo.path().join("worktrees/nux")).unwrap();
        let again = ensure(&repo, &path, BRANCH, lab.first).unwrap();
        assert_eq!(again.how, How::Repaired { rescued: Some(lab.path("nux.rescued-2")) });
        assert_eq!(contents(&lab.path("nux.rescued-2")), [".git.rescued", "a.txt"]);
        // A clone of somebody's stays a repository.
        fs::rename(&path, lab.path("away")).unwrap();
        fs::rename(&lab.seed, &path).unwrap();
        let again = ensure(&repo, &path, BRANCH, lab.first).unwrap();
        assert_eq!(again.how, How::Repaired { rescued: Some(lab.path("nux.rescued-3")) });
        assert!(lab.path("nux.rescued-3/.git/HEAD").exists());
    }

    #[test]
    fn a_town_that_was_moved_or_copied_finds_its_own_worktrees() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("rig/polecats/nux");
        ensure(&repo, &path, BRANCH, lab.first).unwrap();
        fs::write(path.join("new.txt"), "new").unwrap();
        let copied =
            std::process::Command::new("cp").arg("-r").arg(lab.path("rig")).arg(lab.path("copy")).status();
        assert!(copied.unwrap().success());
        let copy = Repo::open(lab.path("copy/repo.git")).unwrap();
        let in_copy = lab.path("copy/polecats/nux");
        assert_eq!(ensure(&copy, &in_copy, BRANCH, lab.first).unwrap().how, How::Found);
        let head = commit_file(&in_copy, "c.txt", "c", "only in the copy");
        assert_eq!(copy.branch_head(BRANCH).unwrap(), Some(head));
        assert_eq!(repo.branch_head(BRANCH).unwrap(), Some(lab.first));
        assert_eq!(ensure(&repo, &path, BRANCH, lab.first).unwrap().how, How::Found);

        fs::rename(lab.path("rig"), lab.path("moved")).unwrap();
        let moved = Repo::open(lab.path("moved/repo.git")).unwrap();
        let path = lab.path("moved/polecats/nux");
        assert_eq!(ensure(&moved, &path, BRANCH, lab.first).unwrap().how, How::Found);
        assert_eq!(status::status(&path).unwrap().untracked, ["new.txt"]);
    }

    #[test]
    fn a_lock_of_a_killed_git_is_removed_when_the_worktree_is_found() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("nux");
        ensure(&repo, &path, BRANCH, lab.first).unwrap();
        fs::write(repo.path().join("worktrees/nux/index.lock"), "").unwrap();
        fs::write(repo.path().join("refs/heads").join(format!("{BRANCH}.lock")), "").unwrap();
        fs::write(repo.path().join("packed-refs.lock"), "").unwrap();
        ensure(&repo, &path, BRANCH, lab.first).unwrap();
        repo.clear_stale_locks();
        commit_file(&path, "b.txt", "b\n", "b");
        assert!(!repo.path().join("packed-refs.lock").exists());
    }

    #[test]
    fn a_worktree_goes_only_when_nothing_goes_with_it() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("nux one");
        ensure(&repo, &path, BRANCH, lab.first).unwrap();
        let refused = |landed| match remove(&repo, &path, landed).unwrap() {
            Removal::Refused(why) => why,
            Removal::Removed => panic!("removed"),
        };
        fs::write(path.join("new.txt"), "new").unwrap();
        assert_eq!(refused(lab.first), Refusal::Dirty { files: vec!["new.txt".to_owned()] });
        lab.git(&path, &["add", "new.txt"]);
        lab.git(&path, &["stash"]);
        assert!(matches!(refused(lab.first), Refusal::Stashed { stashes } if stashes.len() == 1));
        lab.git(&path, &["stash", "pop"]);
        let head = commit_file(&path, "new.txt", "new", "new");
        assert_eq!(refused(lab.first), Refusal::Unmerged { head });
        fs::write(repo.path().join("info/exclude"), "cache\n").unwrap_or_else(|_| {
            fs::create_dir(repo.path().join("info")).unwrap();
            fs::write(repo.path().join("info/exclude"), "cache\n").unwrap();
        });
        fs::create_dir(path.join("cache")).unwrap();
        fs::write(path.join("cache/x"), "x").unwrap();
        assert_eq!(remove(&repo, &path, head).unwrap(), Removal::Removed);
        assert!(!path.exists());
        assert!(!contents(lab.root()).iter().any(|name| name.starts_with(".nux")));
        assert_eq!(remove(&repo, &path, head).unwrap(), Removal::Removed, "once more is no error");
        assert_eq!(repo.branch_head(BRANCH).unwrap(), Some(head), "the branch stays");
        assert_eq!(ensure(&repo, &path, BRANCH, head).unwrap().how, How::Made);
        assert_eq!(remove(&repo, &lab.seed, head).unwrap(), Removal::Refused(Refusal::NotOurs));
    }

    #[test]
    fn many_worktrees_are_made_and_fetched_into_at_once() {
        let lab = Lab::new();
        let repo = lab.clone();
        commit_file(&lab.seed, "b.txt", "b\n", "b");
        lab.push_seed("main");
        std::thread::scope(|scope| {
            for n in 0..6 {
                let (repo, path) = (&repo, lab.path(&format!("polecats/{n}")));
                let first = lab.first;
                scope.spawn(move || {
                    repo.fetch().unwrap();
                    let made = ensure(repo, &path, &format!("polecat/{n}/a"), first).unwrap();
                    assert_eq!(made.how, How::Made);
                    commit_file(&path, "c.txt", &n.to_string(), "c");
                    assert!(matches!(remove(repo, &path, first).unwrap(), Removal::Refused(_)));
                });
            }
        });
        assert_eq!(repo.branches("polecat/").unwrap().len(), 6);
    }

    #[test]
    fn a_removal_that_was_killed_is_ended_by_the_next() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("nux");
        ensure(&repo, &path, BRANCH, lab.first).unwrap();
        fs::rename(&path, lab.path(".nux.removed-1")).unwrap();
        assert_eq!(remove(&repo, &path, lab.first).unwrap(), Removal::Removed);
        assert!(!lab.path(".nux.removed-1").exists());
        assert_eq!(place::checked_out_at(&repo, BRANCH), None);
    }

    #[test]
    fn a_reference_follows_and_is_not_written_to() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("mayor/rig");
        reference(&repo, &path, lab.first).unwrap();
        let file = path.join("a.txt");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o222, 0);
        let next = commit_file(&lab.seed, "a.txt", "new\n", "next");
        lab.push_seed("main");
        repo.fetch().unwrap();
        assert_eq!(reference(&repo, &path, next).unwrap().head, next);
        assert_eq!(fs::read_to_string(&file).unwrap(), "new\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o222, 0);
        fs::write(path.join("note.txt"), "a person's").unwrap();
        let error = reference(&repo, &path, lab.first).unwrap_err();
        assert!(matches!(error, Error::Dirty { files, .. } if files == ["note.txt"]));
        // A checkout of ours that was killed half way is no change of anybody's.
        fs::remove_file(path.join("note.txt")).unwrap();
        fs::remove_file(&file).unwrap();
        fs::write(repo.path().join("worktrees/rig/gastown-moving"), "").unwrap();
        reference(&repo, &path, lab.first).unwrap();
        assert!(fs::read_to_string(&file).unwrap().starts_with("one\n"));
    }
}
