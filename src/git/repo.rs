//! One repository: what its references and commits say, without asking the remote.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};

use crate::{CancelToken, Error, Result, program::Git};

/// A repository on disk, by its absolute path. Opened anew by each call, so it never shows stale state.
#[derive(Debug, Clone)]
pub struct Repo {
    path: PathBuf,
    cancel: Option<CancelToken>,
}

/// One commit as `Repo::first_parent_log` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub oid: Oid,
    pub tree: Oid,
    pub parents: Vec<Oid>,
    pub author_name: String,
    pub author_email: String,
    /// Seconds since 1970 of the author date.
    pub authored_at: i64,
    /// The whole message, trailers included.
    pub message: String,
}

/// How much differs between two commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiffStat {
    pub files: usize,
    pub insertions: usize,
    pub deletions: usize,
}

impl LogEntry {
    /// Returns the first line of the message.
    pub fn summary(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

impl Repo {
    /// Opens what stands at `path` itself; folders above are not searched.
    pub fn open(path: impl AsRef<Path>) -> Result<Repo> {
        let path = path.as_ref();
        let repo = Repo { path: path.to_owned(), cancel: None };
        repo.library()?;
        let path = path.canonicalize().map_err(Error::io(format!("find {}", path.display())))?;
        Ok(Repo { path, ..repo })
    }

    /// Returns the same repository, whose running git programs end when `token` is cancelled.
    pub fn with_cancel(self, token: CancelToken) -> Repo {
        Repo { cancel: Some(token), ..self }
    }

    /// Returns where the repository lies; absolute, symbolic links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn library(&self) -> Result<Repository> {
        open_library(&self.path)
    }

    /// Returns a call of the program in this repository.
    pub(crate) fn git(&self, doing: impl Into<String>) -> Git<'_> {
        self.git_in(&self.path, doing)
    }

    /// Returns a call of the program in one of its worktrees.
    pub(crate) fn git_in(&self, cwd: &Path, doing: impl Into<String>) -> Git<'_> {
        Git::new(cwd, doing).cancel(self.cancel.as_ref())
    }

    /// Returns the head of a local branch, or `None` if there is no such branch.
    pub fn branch_head(&self, branch: &str) -> Result<Option<Oid>> {
        self.reference(&format!("refs/heads/{branch}"))
    }

    /// Returns where the remote's branch stood at the last fetch.
    pub fn tracked_head(&self, branch: &str) -> Result<Option<Oid>> {
        self.reference(&format!("refs/remotes/origin/{branch}"))
    }

    /// Returns the local branches whose names begin with `prefix`, sorted, with their heads.
    pub fn branches(&self, prefix: &str) -> Result<Vec<(String, Oid)>> {
        self.references("refs/heads/", prefix)
    }

    /// Returns whether `descendant` contains `ancestor`; a commit contains itself. A commit that this
    /// repository does not have is contained in nothing.
    pub fn is_ancestor(&self, ancestor: Oid, descendant: Oid) -> Result<bool> {
        let library = self.library()?;
        if ancestor == descendant {
            return Ok(true);
        }
        if library.find_commit(ancestor).is_err() {
            return Ok(false);
        }
        library
            .graph_descendant_of(descendant, ancestor)
            .map_err(Error::library(format!("compare {ancestor} and {descendant}")))
    }

    /// Returns up to `n` commits from `from` on, newest first, following first parents only.
    pub fn first_parent_log(&self, from: Oid, n: usize) -> Result<Vec<LogEntry>> {
        let library = self.library()?;
        let mut log = Vec::new();
        let mut next = Some(from);
        while let Some(oid) = next.filter(|_| log.len() < n) {
            let commit = library.find_commit(oid).map_err(Error::library(format!("read commit {oid}")))?;
            next = commit.parent_ids().next();
            let author = commit.author();
            log.push(LogEntry {
                oid,
                tree: commit.tree_id(),
                parents: commit.parent_ids().collect(),
                author_name: String::from_utf8_lossy(author.name_bytes()).into_owned(),
                author_email: String::from_utf8_lossy(author.email_bytes()).into_owned(),
                authored_at: author.when().seconds(),
                message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
            });
        }
        Ok(log)
    }

    /// Returns the commits that `head` has and `base` has not, newest first, at most `n`.
    pub fn log_between(&self, base: Oid, head: Oid, n: usize) -> Result<Vec<Oid>> {
        let doing = || format!("list {base}..{head}");
        let library = self.library()?;
        let mut walk = library.revwalk().map_err(Error::library(doing()))?;
        walk.push(head).and_then(|()| walk.hide(base)).map_err(Error::library(doing()))?;
        walk.take(n).collect::<Result<_, _>>().map_err(Error::library(doing()))
    }

    /// Returns what `head` changes since it left `base` (as `git diff --stat base...head`).
    pub fn diff_stat(&self, base: Oid, head: Oid) -> Result<DiffStat> {
        let doing = || format!("compare {base} and {head}");
        let library = self.library()?;
        let fork = library.merge_base(base, head).unwrap_or(base);
        let tree = |oid| library.find_commit(oid).and_then(|commit| commit.tree());
        let stats = tree(fork)
            .and_then(|from| library.diff_tree_to_tree(Some(&from), Some(&tree(head)?), None))
            .and_then(|mut diff| {
                diff.find_similar(None)?;
                diff.stats()
            })
            .map_err(Error::library(doing()))?;
        Ok(DiffStat {
            files: stats.files_changed(),
            insertions: stats.insertions(),
            deletions: stats.deletions(),
        })
    }

    /// Returns the tree of a commit: two commits with one tree hold the same files.
    pub fn tree_of(&self, commit: Oid) -> Result<Oid> {
        let library = self.library()?;
        let found = library.find_commit(commit).map_err(Error::library(format!("read commit {commit}")))?;
        Ok(found.tree_id())
    }

    pub(crate) fn reference(&self, name: &str) -> Result<Option<Oid>> {
        let library = self.library()?;
        let found = match library.find_reference(name) {
            Ok(reference) => reference.peel_to_commit().map(|commit| Some(commit.id())),
            Err(e) if matches!(e.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => Ok(None),
            Err(e) => Err(e),
        };
        found.map_err(Error::library(format!("read {name}")))
    }

    /// Returns the references below `space` whose remaining names begin with `prefix`.
    pub(crate) fn references(&self, space: &str, prefix: &str) -> Result<Vec<(String, Oid)>> {
        let doing = || format!("list {space}{prefix}*");
        let library = self.library()?;
        let mut found = Vec::new();
        for reference in library.references().map_err(Error::library(doing()))? {
            let reference = reference.map_err(Error::library(doing()))?;
            let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            let Some(short) = name.strip_prefix(space).filter(|short| short.starts_with(prefix)) else {
                continue;
            };
            if let Some(oid) = reference.target() {
                found.push((short.to_owned(), oid));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// Opens exactly `path`, telling apart what is no repository from what is broken.
pub(crate) fn open_library(path: &Path) -> Result<Repository> {
    Repository::open(path).map_err(|source| match source.code() {
        ErrorCode::NotFound => Error::NotARepository { place: path.display().to_string() },
        _ => Error::Library { doing: format!("open the repository {}", path.display()), source },
    })
}
