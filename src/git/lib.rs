//! Worktrees and merges: everything that a town does with git.
//!
//! One bare repository per rig (`Repo`) is shared by all its worktrees. Its local branches are the town's
//! alone; what the remote has stands under `refs/remotes/origin/*`, as of the last fetch. What *is* at the
//! remote is never taken from there but asked for (`Repo::remote_head`).
//!
//! - Owns: how git is asked, and how an answer of git is read.
//! - Does not own: directory names (it is given absolute paths), policy, retries, time.
//! - All calls block: actors make them on a blocking thread. `Repo` is a path and a cancel token, so it is
//!   `Send`, `Sync` and cheap to clone.
//!
//! Two tools, each for what it does well. `git2` reads and makes objects and references: it needs no
//! process and touches no working tree. The `git` program does what depends on a person's set-up
//! (credentials, ssh, filters): clone, fetch, push, `ls-remote`, worktrees, checkout, status.
//!
//! The rule above all others: a working tree with work in it is neither reset nor removed. What must go
//! is saved first (`rescue`), what is in the way is moved aside (`worktree::ensure`).

pub mod clear;
mod clone;
pub mod copy;
pub mod fence;
pub mod gate;
pub mod landing;
pub mod left;
pub mod merge;
mod place;
mod process;
mod program;
pub mod publish;
mod record;
mod remote;
mod repo;
pub mod rescue;
pub mod scratch;
mod snapshot;
pub mod status;
mod sweep;
pub mod sync;
#[cfg(test)]
mod testing;
pub mod train;
mod unsaved;
pub mod worktree;

use std::{io, path::PathBuf, time::Duration};

pub use git2::Oid;
pub use process::{Brake, CancelToken};
pub use program::version;
pub use repo::{DiffStat, LogEntry, Repo};

/// What broke between us and git. Answers with a reason (a dirty worktree, a target that has moved on) are
/// values of their own, not errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The place exists or answers, but there is no git repository.
    #[error("{place} is not a git repository")]
    NotARepository { place: String },
    /// The remote did not answer, or did not let us in; git's own words in `detail`.
    #[error("cannot reach {url}: {detail}")]
    Unreachable { url: String, detail: String },
    /// The remote has no commit yet.
    #[error("{url} has no commit yet")]
    EmptyRepository { url: String },
    /// There is no such branch at `place`; `known` holds some that are there.
    #[error("there is no branch {branch} in {place}")]
    NoSuchBranch { branch: String, place: String, known: Vec<String> },
    /// The remote's HEAD names no branch that exists.
    #[error("{url} does not say which branch is its default")]
    NoDefaultBranch { url: String },
    /// The branch is checked out in another worktree.
    #[error("branch {branch} is checked out in {}", at.display())]
    BranchInUse { branch: String, at: PathBuf },
    /// A worktree that should be ours to move holds changes.
    #[error("{} has changes that nobody has saved: {}", path.display(), files.join(", "))]
    Dirty { path: PathBuf, files: Vec<String> },
    /// Some program has a file of a worktree that is to go open for writing.
    #[error("process {pid} ({program}) is writing in {}", path.display())]
    InUse { path: PathBuf, pid: i32, program: String },
    /// A folder that is to be saved cannot be read.
    #[error("cannot read all of {}: {detail}", path.display())]
    Unreadable { path: PathBuf, detail: String },
    /// The two commits have no common ancestor.
    #[error("{head} and {target} have no history in common")]
    Unrelated { head: Oid, target: String },
    /// The `git` program could not be started.
    #[error("cannot start git")]
    NoGit {
        #[source]
        source: io::Error,
    },
    /// The `git` program said no; its last lines in `detail`.
    #[error("git could not {doing}: {detail}")]
    Git { doing: String, detail: String },
    /// The `git` program was silent for too long and was ended.
    #[error("git did not {doing} in {} s: {detail}", after.as_secs())]
    TimedOut { doing: String, after: Duration, detail: String },
    /// The call was cancelled through its `CancelToken`.
    #[error("stopped while git was to {doing}")]
    Cancelled { doing: String },
    /// libgit2 failed.
    #[error("cannot {doing}")]
    Library {
        doing: String,
        #[source]
        source: git2::Error,
    },
    /// A file or folder beside git's own failed.
    #[error("cannot {doing}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Returns what the person can do about it, where we know.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Error::NotARepository { place } if !place.starts_with('/') => {
                "check the address, and that you may read it; a path on this machine works as well".to_owned()
            }
            Error::NotARepository { place } => {
                format!("give the path or URL of a git repository, or run `git init` in {place} and commit")
            }
            Error::Unreachable { url, .. } => {
                format!("try `git ls-remote {url}` in a terminal: it must work without asking for a password")
            }
            Error::EmptyRepository { .. } => {
                "make a first commit there (`git commit --allow-empty -m start`) and push it".to_owned()
            }
            Error::NoSuchBranch { known, .. } if known.is_empty() => return None,
            Error::NoSuchBranch { known, .. } => format!("branches that are there: {}", known.join(", ")),
            Error::NoDefaultBranch { .. } => "name the branch to land on with `--branch`".to_owned(),
            Error::BranchInUse { at, .. } => format!("check out another branch in {}", at.display()),
            Error::InUse { pid, .. } => format!("end process {pid}, or let it end; it is tried again"),
            Error::Unreadable { path, .. } => {
                format!("let the town's user read it: chmod -R u+rwX {}", path.display())
            }
            Error::Io { source, doing } if source.kind() == io::ErrorKind::PermissionDenied => {
                format!("let the town's user do that: {doing}")
            }
            Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "the disk is full: make room; it is tried again".to_owned()
            }
            Error::Dirty { path, .. } => format!("commit what is in {}, or move it away", path.display()),
            Error::NoGit { .. } => "install git, and see that it is on PATH".to_owned(),
            Error::TimedOut { .. } => {
                "git may be waiting for a passphrase: load the key into ssh-agent, or use a credential helper"
                    .to_owned()
            }
            Error::Git { detail, .. } if detail.contains("dubious ownership") => {
                "the repository belongs to another user: see `safe.directory` in `git help config`".to_owned()
            }
            Error::Library { source, .. } if source.code() == git2::ErrorCode::Owner => {
                "the repository belongs to another user: see `safe.directory` in `git help config`".to_owned()
            }
            _ => return None,
        })
    }

    /// Returns whether the same call may well succeed later, with nothing changed here.
    pub fn may_pass(&self) -> bool {
        matches!(self, Error::Unreachable { .. } | Error::TimedOut { .. } | Error::Cancelled { .. })
    }

    pub(crate) fn library(doing: impl Into<String>) -> impl FnOnce(git2::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Library { doing, source }
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Io { doing, source }
    }
}

/// What the calls of this room return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
