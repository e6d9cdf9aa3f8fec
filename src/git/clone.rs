//! The rig's repository, cloned: whole or not at all.

use std::{fs, path::Path};

use crate::{
    CancelToken, Error, Repo, Result,
    program::{Git, NETWORK, hide_secrets},
    remote::{FETCH, ask_default_branch, cannot_read, record_default_branch},
};

/// The local branches stay ours alone; what the remote has goes here.
const REFSPEC: &str = "+refs/heads/*:refs/remotes/origin/*";

impl Repo {
    /// Clones `url` (or a path on this machine) into a new bare repository at `path` and tells git's
    /// progress line by line. Local branches: none; `refs/remotes/origin/*`: all that the remote has.
    ///
    /// The clone appears at `path` whole or not at all; what an earlier, killed call left beside it is
    /// replaced.
    ///
    /// # Errors
    /// `NotARepository`, `Unreachable`, `EmptyRepository`.
    pub fn clone_bare(url: &str, path: impl AsRef<Path>, progress: &mut dyn FnMut(&str)) -> Result<Repo> {
        Self::clone_bare_until(url, path, progress, None)
    }

    /// As `clone_bare`, and gives up when the token is cancelled.
    pub fn clone_bare_until(
        url: &str,
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(&str),
        cancel: Option<CancelToken>,
    ) -> Result<Repo> {
        let path = path.as_ref();
        let url = absolute_url(url)?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(Error::io(format!("make the folder {}", parent.display())))?;
        if path.exists() {
            return Err(Error::Git {
                doing: format!("clone to {}", path.display()),
                detail: "there is something already".to_owned(),
            });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = parent.join(format!(".{name}.partial"));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(Error::io(format!("clear {}", partial.display())))?;
        }
        let attempt = fill(&url, &partial, progress, cancel.clone());
        if attempt.is_err() {
            let _ = fs::remove_dir_all(&partial);
        }
        attempt?;
        fs::rename(&partial, path).map_err(Error::io(format!("move the clone to {}", path.display())))?;
        let repo = Repo::open(path)?;
        Ok(match cancel {
            Some(token) => repo.with_cancel(token),
            None => repo,
        })
    }
}

/// Makes the bare repository at `partial` and fetches everything into it.
fn fill(
    url: &str,
    partial: &Path,
    progress: &mut dyn FnMut(&str),
    cancel: Option<CancelToken>,
) -> Result<()> {
    let parent = partial.parent().unwrap_or(Path::new("/"));
    let shown = hide_secrets(url);
    Git::new(parent, "make a repository")
        .args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main"])
        .arg(partial)
        .run()?;
    let mut repo = Repo::open(partial)?;
    if let Some(token) = cancel {
        repo = repo.with_cancel(token);
    }
    let set = |name: &str, value: &str| {
        repo.git(format!("set {name}")).args(["config", name, value]).run().map(drop)
    };
    set("remote.origin.url", url)?;
    set("remote.origin.fetch", REFSPEC)?;
    // Who moved which branch, and from where, can be looked up: rescue of last resort.
    set("core.logAllRefUpdates", "always")?;
    let answer = repo
        .git(format!("clone {shown}"))
        .args(FETCH)
        .args(["origin"])
        .limit(NETWORK)
        .progress(progress)
        .ask()?;
    if !answer.success() {
        return Err(cannot_read(url, &answer));
    }
    if repo.references("refs/remotes/origin/", "")?.is_empty() {
        return Err(Error::EmptyRepository { url: shown });
    }
    match ask_default_branch(&repo, url) {
        Ok(branch) => record_default_branch(&repo, &branch),
        // Not an error of the clone: the person may name a branch.
        Err(Error::NoDefaultBranch { .. }) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Makes a path on this machine absolute: the clone is used from many working directories.
fn absolute_url(url: &str) -> Result<String> {
    if url.contains("://") {
        return Ok(url.to_owned());
    }
    let path = Path::new(url);
    if path.exists() {
        let path = path.canonicalize().map_err(Error::io(format!("find {url}")))?;
        return Ok(path.to_string_lossy().into_owned());
    }
    // `host:path` is ssh's short form, as git decides it: a colon before any slash.
    let colon = url.find(':');
    if colon.is_some_and(|at| !url[..at].contains('/')) {
        return Ok(url.to_owned());
    }
    Err(Error::NotARepository { place: url.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lab;

    #[test]
    fn places_without_a_repository_or_a_commit_are_told_apart() {
        let lab = Lab::new();
        let to = lab.path("clone.git");
        let clone = |url: &Path| Repo::clone_bare(url.to_str().unwrap(), &to, &mut |_| {}).unwrap_err();
        let plain = lab.path("plain folder");
        fs::create_dir(&plain).unwrap();
        assert!(matches!(clone(&plain), Error::NotARepository { .. }));
        assert!(matches!(clone(&lab.path("missing")), Error::NotARepository { .. }));
        let empty = lab.path("empty.git");
        lab.git(lab.root(), &["init", "--bare", "empty.git"]);
        let error = clone(&empty);
        assert!(matches!(error, Error::EmptyRepository { .. }));
        assert!(error.hint().is_some());
        let error = Repo::clone_bare("http://127.0.0.1:1/x.git", &to, &mut |_| {}).unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(!to.exists());
        assert!(!lab.path(".clone.git.partial").exists());
        assert!(matches!(Repo::open(&plain).unwrap_err(), Error::NotARepository { .. }));
    }

    #[test]
    fn a_clone_of_limited_depth_can_be_cloned_and_landed_on() {
        let lab = Lab::new();
        let tip = crate::testing::commit_file(&lab.seed, "b.txt", "b\n", "b");
        lab.push_seed("main");
        let url = format!("file://{}", lab.origin.display());
        lab.git(lab.root(), &["clone", "--quiet", "--depth=1", &url, "shallow"]);
        let repo =
            Repo::clone_bare(lab.path("shallow").to_str().unwrap(), lab.path("r.git"), &mut |_| {}).unwrap();
        let path = crate::worktree::ensure(&repo, &lab.path("nux"), "polecat/nux/a", tip).unwrap().path;
        let head = crate::testing::commit_file(&path, "c.txt", "c\n", "c");
        let who = crate::merge::Identity { name: "n".to_owned(), email: "n@example.com".to_owned(), at: 1 };
        match crate::merge::prepare(&repo, "main", head, "m", &who, &[]).unwrap() {
            crate::merge::Prepared::Merge { base, commit, .. } => {
                let landed = crate::landing::land(&repo, "main", base, commit).unwrap();
                assert_eq!(landed, crate::landing::Landing::Landed { now: commit });
            }
            other => panic!("{other:?}"),
        }
    }
}
