//! A polecat's branch, brought to the remote before anybody is asked to merge it.

use std::path::{Path, PathBuf};

use git2::Oid;

use crate::{
    Error, Repo, Result,
    remote::{Push, Pushed},
    rescue,
};

/// Where a published branch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// At the remote, which has been asked again. `saved` names the branch there that keeps what stood under
    /// this name before, if the new head does not contain it.
    Pushed { oid: Oid, saved: Option<String> },
    /// In a file, because the remote could not be reached or did not take it.
    Bundled { path: PathBuf, oid: Oid, why: String },
}

/// Brings the local `branch` to the remote, or into a bundle in `bundle_dir`.
///
/// A branch that was rewritten replaces the remote's, after the old head has been given a branch of its own
/// there (`rescue/<agent>/<bead>/<n>` for `polecat/<agent>/<bead>`).
///
/// # Errors
/// `NoSuchBranch` when there is no such local branch; `Cancelled`.
pub fn publish(repo: &Repo, branch: &str, bundle_dir: &Path) -> Result<Published> {
    let oid = repo.branch_head(branch)?.ok_or_else(|| Error::NoSuchBranch {
        branch: branch.to_owned(),
        place: repo.path().display().to_string(),
        known: Vec::new(),
    })?;
    let why = match attempt(repo, branch, oid) {
        Ok(Ok(saved)) => return Ok(Published::Pushed { oid, saved }),
        Ok(Err(why)) => why,
        Err(e @ (Error::Cancelled { .. } | Error::NoGit { .. })) => return Err(e),
        Err(e) => e.to_string(),
    };
    faults::pass("git.bundle");
    let path = rescue::bundle(repo, branch, oid, bundle_dir)?;
    Ok(Published::Bundled { path, oid, why })
}

/// Pushes until the remote has `oid`; answers with why it has not.
fn attempt(repo: &Repo, branch: &str, oid: Oid) -> Result<Result<Option<String>, String>> {
    let mut saved = None;
    let mut why = String::new();
    // The branch may be moved between our look and our push; the lease tells, and we look again.
    for _ in 0..3 {
        faults::pass("git.publish");
        let there = repo.remote_head(branch)?;
        if there == Some(oid) {
            return Ok(Ok(saved));
        }
        if let Some(old) = there {
            if !repo.is_ancestor(old, oid)? {
                repo.fetch_branch(branch)?;
            }
            if !repo.is_ancestor(old, oid)? {
                match keep(repo, branch, old)? {
                    Ok(name) => saved = Some(name),
                    Err(reason) => return Ok(Err(reason)),
                }
            }
        }
        let push = Push { commit: Some(oid), branch, expected: there, moves_checkout: false };
        if let Pushed::Declined(reason) = repo.push(&push)? {
            why = reason;
        }
        if repo.remote_head(branch)? == Some(oid) {
            return Ok(Ok(saved));
        }
    }
    Ok(Err(if why.is_empty() { "the remote's branch keeps moving".to_owned() } else { why }))
}

/// Gives the remote's old head a branch of its own there, unless it has one; returns its name.
fn keep(repo: &Repo, branch: &str, old: Oid) -> Result<Result<String, String>> {
    let base = format!("rescue/{}/", branch.strip_prefix("polecat/").unwrap_or(branch));
    let taken = repo.remote_refs(&format!("refs/heads/{base}*"))?;
    let name_of = |reference: &str| reference.strip_prefix("refs/heads/").map(str::to_owned);
    if let Some(name) = taken.iter().find(|(_, oid)| *oid == old).and_then(|(name, _)| name_of(name)) {
        return Ok(Ok(name));
    }
    let mut free = (1_u32..).map(|n| format!("{base}{n}"));
    let is_taken = |name: &String| taken.iter().any(|(found, _)| name_of(found).as_ref() == Some(name));
    let Some(name) = free.find(|name| !is_taken(name)) else {
        return Ok(Err("no name is free for the old head".to_owned()));
    };
    let push = Push { commit: Some(old), branch: &name, expected: None, moves_checkout: false };
    let answer = repo.push(&push)?;
    Ok(match (repo.remote_head(&name)? == Some(old), answer) {
        (true, _) => Ok(name),
        (false, Pushed::Declined(why)) => Err(why),
        (false, Pushed::Taken) => Err(format!("{name} is not at the remote after a push")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Lab, commit_file},
        worktree,
    };

    #[test]
    fn a_branch_goes_up_and_up_again_and_a_rewritten_one_leaves_its_old_head_behind() {
        let lab = Lab::new();
        let repo = lab.clone();
        let bundles = lab.path("bundles");
        let tree = worktree::ensure(&repo, &lab.path("nux"), "polecat/nux/a-1", lab.first).unwrap().path;
        let one = commit_file(&tree, "b.txt", "b\n", "b");
        let up = |oid, saved| Published::Pushed { oid, saved };
        assert_eq!(publish(&repo, "polecat/nux/a-1", &bundles).unwrap(), up(one, None));
        assert_eq!(publish(&repo, "polecat/nux/a-1", &bundles).unwrap(), up(one, None));
        let two = commit_file(&tree, "b.txt", "bb\n", "bb");
        assert_eq!(publish(&repo, "polecat/nux/a-1", &bundles).unwrap(), up(two, None));
        assert_eq!(lab.origin_head("polecat/nux/a-1"), two);

        lab.git(&tree, &["reset", "--quiet", "--hard", "HEAD~2"]);
        let other = commit_file(&tree, "c.txt", "c\n", "c");
        let saved = Some("rescue/nux/a-1/1".to_owned());
        assert_eq!(publish(&repo, "polecat/nux/a-1", &bundles).unwrap(), up(other, saved));
        assert_eq!(lab.origin_head("polecat/nux/a-1"), other);
        assert_eq!(lab.origin_head("rescue/nux/a-1/1"), two);

        // Somebody else pushes to it: what they did is kept as well.
        lab.git(&lab.seed, &["fetch", "--quiet", "origin"]);
        lab.git(&lab.seed, &["checkout", "--quiet", "-b", "theirs", "origin/polecat/nux/a-1"]);
        let theirs = commit_file(&lab.seed, "d.txt", "d\n", "d");
        lab.push_seed("polecat/nux/a-1");
        let last = commit_file(&tree, "e.txt", "e\n", "e");
        let saved = Some("rescue/nux/a-1/2".to_owned());
        assert_eq!(publish(&repo, "polecat/nux/a-1", &bundles).unwrap(), up(last, saved));
        assert_eq!(lab.origin_head("rescue/nux/a-1/2"), theirs);
    }

    #[test]
    fn a_branch_that_the_remote_does_not_take_goes_into_a_bundle() {
        let lab = Lab::new();
        let repo = lab.clone();
        lab.decline_pushes();
        let tree = worktree::ensure(&repo, &lab.path("nux"), "polecat/nux/a", lab.first).unwrap().path;
        let head = commit_file(&tree, "b.txt", "b\n", "b");
        let again = publish(&repo, "polecat/nux/a", &lab.path("to bundle")).unwrap();
        let Published::Bundled { path, oid, why } = &again else { panic!("{again:?}") };
        assert_eq!(*oid, head);
        assert!(why.contains("pushes are closed today"), "{why}");
        lab.git(&lab.seed, &["fetch", "--quiet", path.to_str().unwrap(), "polecat/nux/a"]);
        assert_eq!(lab.git(&lab.seed, &["rev-parse", "FETCH_HEAD"]), head.to_string());
        assert_eq!(publish(&repo, "polecat/nux/a", &lab.path("to bundle")).unwrap(), again);

        std::fs::rename(&lab.origin, lab.path("away")).unwrap();
        let away = publish(&repo, "polecat/nux/a", &lab.path("to bundle")).unwrap();
        assert!(matches!(away, Published::Bundled { .. }), "{away:?}");
        assert!(matches!(publish(&repo, "polecat/x/y", &lab.path("b")), Err(Error::NoSuchBranch { .. })));
    }
}
