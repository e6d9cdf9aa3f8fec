//! The runtime's own worktree, in which merge results are gated.
//!
//! It is nobody's place of work: what a gate leaves there is thrown away, but for ignored files. Those are
//! build caches, and keeping them is what makes the next gate quick.

use std::path::Path;

use git2::Oid;

use crate::{Error, Repo, Result, place, worktree};

/// Puts the files of `commit` into the scratch worktree at `path`, on no branch; makes it when missing.
///
/// Untracked files that are not ignored are removed, changes are undone, ignored files stay. What stands at
/// the path and is no worktree of this repository is moved aside, as in `worktree::ensure`.
pub fn checkout(repo: &Repo, path: &Path, commit: Oid) -> Result<()> {
    worktree::detached(repo, path, commit)?;
    clean(repo, path, &["-ffdq"])?;
    if let Err(first) = put(repo, path, commit) {
        // A file of this commit stands where an earlier gate had an ignored folder. The caches have to go.
        tracing::info!(path = %path.display(), "clearing ignored files for a checkout: {first}");
        clean(repo, path, &["-ffdxq"])?;
        put(repo, path, commit)?;
    }
    // Again, by the rules of the commit that is here now: it may ignore less than the one before.
    clean(repo, path, &["-ffdq"])?;
    let head = crate::repo::open_library(path)?.head().ok().and_then(|head| head.target());
    if head != Some(commit) {
        return Err(Error::Git {
            doing: format!("check out {commit} in {}", path.display()),
            detail: "HEAD is elsewhere afterwards".to_owned(),
        });
    }
    Ok(())
}

fn put(repo: &Repo, path: &Path, commit: Oid) -> Result<()> {
    let doing = format!("check out {commit} in {}", path.display());
    repo.git_in(path, doing)
        .args(["checkout", "--quiet", "--force", "--detach", &commit.to_string()])
        .run()?;
    Ok(())
}

fn clean(repo: &Repo, path: &Path, how: &[&str]) -> Result<()> {
    let git = || repo.git_in(path, format!("clean {}", path.display())).arg("clean").args(how);
    if git().ask()?.success() {
        return Ok(());
    }
    // Some tools leave folders that even their owner cannot change.
    place::unlock_folders(path).map_err(Error::io(format!("clean {}", path.display())))?;
    git().run().map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::{Lab, commit_file};

    #[test]
    fn a_checkout_leaves_the_commit_s_files_and_the_caches() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.path("refinery/the rig");
        let ignoring = commit_file(&lab.seed, ".gitignore", "target\n", "ignore");
        let tracked = {
            fs::remove_file(lab.seed.join(".gitignore")).unwrap();
            commit_file(&lab.seed, "target", "now a file\n", "a file where the cache was")
        };
        lab.push_seed("main");
        repo.fetch().unwrap();

        checkout(&repo, &path, ignoring).unwrap();
        fs::create_dir_all(path.join("target/deep")).unwrap();
        fs::write(path.join("target/deep/cache"), "c").unwrap();
        fs::write(path.join("left over"), "x").unwrap();
        fs::create_dir(path.join("inner")).unwrap();
        lab.git(&path.join("inner"), &["init", "--quiet"]);
        fs::write(path.join("a.txt"), "changed by a gate").unwrap();
        lab.git(&path, &["checkout", "--quiet", "-b", "strange"]);
        fs::write(repo.path().join("worktrees/the rig/index.lock"), "").unwrap_or_default();
        checkout(&repo, &path, ignoring).unwrap();
        assert!(path.join("target/deep/cache").exists());
        assert!(!path.join("left over").exists());
        assert!(!path.join("inner").exists());
        assert!(fs::read_to_string(path.join("a.txt")).unwrap().starts_with("one\n"));
        assert_eq!(repo.branch_head("strange").unwrap(), Some(ignoring), "no branch is moved");

        checkout(&repo, &path, tracked).unwrap();
        assert_eq!(fs::read_to_string(path.join("target")).unwrap(), "now a file\n");
        checkout(&repo, &path, lab.first).unwrap();
        assert!(!path.join("target").exists());
        assert!(crate::status::status(&path).unwrap().is_clean());
    }

    #[test]
    fn a_conflicted_leftover_is_no_hindrance() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.conflicted_worktree(&repo);
        checkout(&repo, &path, lab.first).unwrap();
        let state = crate::status::status(&path).unwrap();
        assert!(state.is_clean(), "{state:?}");
        assert_eq!((state.head, state.branch), (Some(lab.first), None));
    }
}
