//! What a worktree holds that is nowhere else yet.
//!
//! The program is asked, not the library: filters of a person's set-up (large files, line ends) decide what
//! counts as changed, and only the program runs them.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use git2::{Oid, RepositoryState};

use crate::{
    Error, Result,
    program::{Git, path_from},
    repo::open_library,
};

/// The state of a worktree. Paths are relative to it, lossy where they are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleanliness {
    /// Tracked files that differ from HEAD, in the index or in the folder; conflicted ones included.
    pub changed: Vec<String>,
    /// Files that git does not know and does not ignore; a folder ends in `/` when it is a repository.
    pub untracked: Vec<String>,
    /// The changed files that are in conflict.
    pub conflicted: Vec<String>,
    /// Stashes made on this worktree's branch.
    pub stashes: Vec<Stash>,
    /// The commit that is checked out; `None` before the first.
    pub head: Option<Oid>,
    /// The branch that is checked out, also while it is being rebased; `None` when detached.
    pub branch: Option<String>,
    /// What has been begun and not ended.
    pub in_progress: Option<InProgress>,
}

/// An operation that git has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InProgress {
    Merge,
    Rebase,
    CherryPick,
    Revert,
    Bisect,
    ApplyMailbox,
}

/// One stash. The stack of stashes is shared by all worktrees of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stash {
    pub oid: Oid,
    /// As `git stash list` shows it, without its number.
    pub message: String,
}

impl Cleanliness {
    /// Returns whether nothing here would be lost by removing the folder, as far as files and stashes go;
    /// whether `head` is safe elsewhere is another question.
    pub fn is_clean(&self) -> bool {
        self.changed.is_empty()
            && self.untracked.is_empty()
            && self.stashes.is_empty()
            && self.in_progress.is_none()
    }

    /// Returns the names of all files that are not as in HEAD.
    pub fn files(&self) -> Vec<String> {
        self.changed.iter().chain(&self.untracked).cloned().collect()
    }
}

/// Looks at the worktree at `path`. Takes no lock: an agent may work there meanwhile.
pub fn status(path: &Path) -> Result<Cleanliness> {
    let listing = list(path)?;
    let library = open_library(path)?;
    let branch = listing.branch.or_else(|| crate::place::branch_of(library.path()));
    let shown = |path: &PathBuf| path.to_string_lossy().into_owned();
    let conflicted = listing.changes.iter().filter(|change| change.conflicted);
    Ok(Cleanliness {
        changed: listing.changes.iter().map(|change| shown(&change.path)).collect(),
        conflicted: conflicted.map(|change| shown(&change.path)).collect(),
        untracked: listing.untracked.iter().map(shown).collect(),
        stashes: stashes(&library, branch.as_deref())?,
        head: listing.head,
        in_progress: match library.state() {
            RepositoryState::Clean => None,
            RepositoryState::Merge => Some(InProgress::Merge),
            RepositoryState::Revert | RepositoryState::RevertSequence => Some(InProgress::Revert),
            RepositoryState::CherryPick | RepositoryState::CherryPickSequence => Some(InProgress::CherryPick),
            RepositoryState::Bisect => Some(InProgress::Bisect),
            RepositoryState::ApplyMailbox => Some(InProgress::ApplyMailbox),
            RepositoryState::Rebase
            | RepositoryState::RebaseInteractive
            | RepositoryState::RebaseMerge
            | RepositoryState::ApplyMailboxOrRebase => Some(InProgress::Rebase),
        },
        branch,
    })
}

/// What the worktree at `path` holds that `base` does not, as `git diff --stat` shows it, with the files that
/// git does not know behind it; empty when there is nothing. Takes no lock.
pub fn diff_stat(path: &Path, base: Oid) -> Result<String> {
    let stat = Git::new(path, format!("compare {} with {base}", path.display()))
        .args(["-c", "core.fsmonitor=false", "--no-optional-locks", "diff", "--stat=100"])
        .args(["--no-ext-diff", "--no-textconv", "--end-of-options", &base.to_string(), "--"])
        .ask()?
        .ok()?
        .text();
    let untracked = list(path)?.untracked;
    let names = untracked.iter().map(|file| format!(" {} (not added)\n", file.to_string_lossy()));
    Ok(stat.trim_end().lines().map(|line| format!("{line}\n")).chain(names).collect())
}

/// What `git status` lists, with paths byte for byte.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) head: Option<Oid>,
    pub(crate) branch: Option<String>,
    pub(crate) changes: Vec<Change>,
    /// Ends in `/` for a repository inside the worktree.
    pub(crate) untracked: Vec<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    pub(crate) conflicted: bool,
}

pub(crate) fn list(path: &Path) -> Result<Listing> {
    let answer = ask(path)?;
    let malformed = || Error::Git {
        doing: format!("look at {}", path.display()),
        detail: "it answered in a form that we do not know".to_owned(),
    };
    let mut listing = Listing::default();
    for record in answer.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
        // The path is the field after a number of others that depends on the kind of record.
        let field = |n: usize| record.splitn(n + 1, |byte| *byte == b' ').nth(n).map(path_from);
        match record[0] {
            b'#' => {
                let text = String::from_utf8_lossy(record);
                if let Some(oid) = text.strip_prefix("# branch.oid ") {
                    listing.head = Oid::from_str(oid).ok();
                } else if let Some(name) = text.strip_prefix("# branch.head ")
                    && name != "(detached)"
                {
                    listing.branch = Some(name.to_owned());
                }
            }
            b'1' => {
                listing.changes.push(Change { path: field(8).ok_or_else(malformed)?, conflicted: false });
            }
            b'u' => {
                listing.changes.push(Change { path: field(10).ok_or_else(malformed)?, conflicted: true });
            }
            b'?' => listing.untracked.push(field(1).ok_or_else(malformed)?),
            _ => return Err(malformed()),
        }
    }
    Ok(listing)
}

/// Returns the raw answer of `git status`: two equal ones mean that nothing has happened in between.
pub(crate) fn ask(path: &Path) -> Result<Vec<u8>> {
    let answer = Git::new(path, format!("look at {}", path.display()))
        .args(["-c", "core.fsmonitor=false", "--no-optional-locks", "status", "--porcelain=v2", "-z"])
        .args(["--branch", "--untracked-files=all", "--no-renames", "--ignore-submodules=none"])
        .ask()?;
    if !answer.success() && answer.stderr.contains("not a git repository") {
        return Err(Error::NotARepository { place: path.display().to_string() });
    }
    // Git passes over a folder that it may not read, as if nothing were in it.
    if let Some(warning) = answer.stderr.lines().find(|line| line.contains("could not open directory")) {
        return Err(Error::Unreadable { path: path.to_owned(), detail: warning.to_owned() });
    }
    Ok(answer.ok()?.stdout)
}

fn stashes(library: &git2::Repository, branch: Option<&str>) -> Result<Vec<Stash>> {
    if library.find_reference("refs/stash").is_err() {
        return Ok(Vec::new());
    }
    let log = library.reflog("refs/stash").map_err(Error::library("read the stashes"))?;
    let on = branch.unwrap_or("(no branch)");
    let belongs = |message: &str| {
        let rest = message.strip_prefix("WIP on ").or_else(|| message.strip_prefix("On "));
        rest.and_then(|rest| rest.strip_prefix(on)).is_some_and(|rest| rest.starts_with(':'))
    };
    Ok(log
        .iter()
        .filter_map(|entry| {
            let message = String::from_utf8_lossy(entry.message_bytes()?).into_owned();
            belongs(&message).then(|| Stash { oid: entry.id_new(), message })
        })
        .collect())
}

/// Returns whether a listed path is a repository inside the worktree.
pub(crate) fn is_nested(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{testing::Lab, worktree};

    #[test]
    fn what_differs_from_a_base_is_counted_with_what_git_does_not_know() {
        let lab = Lab::new();
        let repo = lab.clone();
        let tree = worktree::ensure(&repo, &lab.path("nux one"), "polecat/nux/a", lab.first).unwrap().path;
        assert_eq!(diff_stat(&tree, lab.first).unwrap(), "");
        crate::testing::commit_file(&tree, "b.txt", "b\n", "b");
        fs::write(tree.join("a.txt"), "other\n").unwrap();
        fs::write(tree.join("c.txt"), "c").unwrap();
        let stat = diff_stat(&tree, lab.first).unwrap();
        for piece in [" a.txt |", " b.txt |", "2 files changed", " c.txt (not added)"] {
            assert!(stat.contains(piece), "{stat}");
        }
    }

    #[test]
    fn a_worktree_tells_what_is_only_in_it() {
        let lab = Lab::new();
        let repo = lab.clone();
        let tree = worktree::ensure(&repo, &lab.path("nux one"), "polecat/nux/a", lab.first).unwrap().path;
        let clean = status(&tree).unwrap();
        assert!(clean.is_clean());
        assert_eq!(clean.head, Some(lab.first));
        assert_eq!(clean.branch.as_deref(), Some("polecat/nux/a"));

        fs::write(tree.join("a.txt"), "changed\n").unwrap();
        fs::write(tree.join("staged file.txt"), "s").unwrap();
        lab.git(&tree, &["add", "staged file.txt"]);
        fs::create_dir(tree.join("new")).unwrap();
        fs::write(tree.join("new/é \n.txt"), "n").unwrap();
        let dirty = status(&tree).unwrap();
        assert_eq!(dirty.changed, ["a.txt", "staged file.txt"]);
        assert_eq!(dirty.untracked, ["new/é \n.txt"]);

        lab.git(&tree, &["stash", "push", "-m", "later"]);
        let stashed = status(&tree).unwrap();
        assert_eq!(stashed.stashes.len(), 1);
        assert_eq!(stashed.changed, [""; 0]);
        let other = worktree::ensure(&repo, &lab.path("other"), "polecat/nux/b", lab.first).unwrap().path;
        assert_eq!(status(&other).unwrap().stashes, []);
    }

    #[test]
    fn a_merge_that_stopped_in_conflict_is_in_progress() {
        let lab = Lab::new();
        let repo = lab.clone();
        let tree = lab.conflicted_worktree(&repo);
        let found = status(&tree).unwrap();
        assert_eq!(found.in_progress, Some(InProgress::Merge));
        assert_eq!(found.conflicted, ["a.txt"]);
        assert_eq!(found.changed, ["a.txt"]);
    }
}
