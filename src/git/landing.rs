//! The push of a merge result, and the look at the remote that alone decides whether it has landed.
//!
//! What `git push` says is not believed, for better or worse: a connection can break after the remote has
//! taken the commit. After each push the remote is asked where the branch stands.

use git2::Oid;

use crate::{
    Error, Repo, Result, place,
    remote::{Push, Pushed},
};

/// How a landing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// The remote's target contains the commit. `now` is its head, which may be later.
    Landed { now: Oid },
    /// Somebody else moved the target first: prepare again on `now`.
    Moved { now: Oid },
    /// The remote does not take it.
    Refused { reason: String, hint: String },
}

/// Pushes `commit` to `target` if that still stands at `base`, and looks at the remote afterwards.
///
/// Never forces: `commit` must contain `base`. A remote that is a folder with `target` checked out moves
/// along, as by a pull, if it is clean. Calling it again for a commit that is there already is `Landed`.
///
/// # Errors
/// Whether it has landed is unknown when the remote cannot be asked (`Unreachable`, `TimedOut`): `look` later.
pub fn land(repo: &Repo, target: &str, base: Oid, commit: Oid) -> Result<Landing> {
    if !repo.is_ancestor(base, commit)? {
        return Err(Error::Git {
            doing: format!("land {commit} on {target}"),
            detail: format!("it does not contain {base}, and landing never rewrites"),
        });
    }
    let push = Push { commit: Some(commit), branch: target, expected: Some(base), moves_checkout: true };
    faults::pass("git.push");
    let answer = repo.push(&push);
    faults::pass("git.pushed");
    let Some(now) = repo.remote_head(target)? else { return Err(repo.no_such_remote_branch(target)?) };
    if now == commit || (now != base && contains(repo, target, commit)?) {
        return Ok(Landing::Landed { now });
    }
    if now != base {
        return Ok(Landing::Moved { now });
    }
    match answer? {
        Pushed::Declined(reason) => {
            let hint = hint(repo, target, &reason)?;
            Ok(Landing::Refused { reason, hint })
        }
        Pushed::Taken => Ok(Landing::Refused {
            reason: format!("the push was taken, but {target} still stands at {base}"),
            hint: "look for a hook or a mirror at the remote that sets the branch back".to_owned(),
        }),
    }
}

/// Returns whether the remote's `target` contains `commit` now. For after a restart.
pub fn look(repo: &Repo, target: &str, commit: Oid) -> Result<bool> {
    contains(repo, target, commit)
}

/// Why a branch was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Its head is not in the remote's target.
    Unmerged { head: Oid },
    /// It stands somewhere else than expected; `local` tells which of the two.
    Moved { now: Oid, local: bool },
    /// It is checked out.
    CheckedOut { at: std::path::PathBuf },
    /// The remote does not delete it.
    Refused { reason: String },
}

/// Deletes `branch` here and at the remote, if it stands at `expected` and the remote's `target` contains
/// that. Branches that are gone already count as deleted.
pub fn delete_branch(repo: &Repo, branch: &str, expected: Oid, target: &str) -> Result<Result<(), Kept>> {
    let there = repo.remote_head(branch)?;
    let here = repo.branch_head(branch)?;
    for (now, local) in [(there, false), (here, true)] {
        if let Some(now) = now.filter(|now| *now != expected) {
            return Ok(Err(Kept::Moved { now, local }));
        }
    }
    if there.is_none() && here.is_none() {
        return Ok(Ok(()));
    }
    if !contains(repo, target, expected)? {
        return Ok(Err(Kept::Unmerged { head: expected }));
    }
    if let Some(at) = place::checked_out_at(repo, branch) {
        return Ok(Err(Kept::CheckedOut { at }));
    }
    if there.is_some() {
        let push = Push { commit: None, branch, expected: Some(expected), moves_checkout: false };
        let answer = repo.push(&push)?;
        if let (Some(_), Pushed::Declined(reason)) = (repo.remote_head(branch)?, answer) {
            return Ok(Err(Kept::Refused { reason }));
        }
    }
    if here.is_some() {
        repo.git(format!("delete branch {branch}"))
            .args(["update-ref", "-d", &format!("refs/heads/{branch}"), &expected.to_string()])
            .run()?;
    }
    Ok(Ok(()))
}

fn contains(repo: &Repo, target: &str, commit: Oid) -> Result<bool> {
    let now = repo.fetch_branch(target)?;
    repo.is_ancestor(commit, now)
}

/// Returns what the person can do about a refusal.
fn hint(repo: &Repo, target: &str, reason: &str) -> Result<String> {
    let said = reason.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if any(&["working directory", "working tree", "uncommitted", "unstaged", "staged changes", "untracked"])
        && let Some(path) = repo.remote_checkout()?
    {
        let path = path.display();
        return Ok(format!("commit or stash your changes in {path}, or check out another branch there"));
    }
    Ok(
        if any(&["permission", "denied to", "403", "401", "authentication", "read-only", "unable to create"])
        {
            "see that you may push there: `git push` from a clone of your own must work".to_owned()
        } else if any(&["hook", "protected"]) {
            format!("a rule of the remote declined it: allow pushes to {target}, or land on another branch")
        } else {
            "read the reason above; nothing was changed at the remote".to_owned()
        },
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        merge::{Identity, Prepared, prepare},
        testing::{Lab, commit_file},
        worktree,
    };

    const BRANCH: &str = "polecat/nux/a";

    /// A worktree's one commit, and the merge of it that is ready to land.
    fn ready(lab: &Lab, repo: &Repo) -> (Oid, Oid, Oid) {
        let path = worktree::ensure(repo, &lab.path("nux"), BRANCH, lab.first).unwrap().path;
        let head = commit_file(&path, "b.txt", "b\n", "b");
        let (base, commit) = merge(repo, head);
        (head, base, commit)
    }

    fn merge(repo: &Repo, head: Oid) -> (Oid, Oid) {
        let who = Identity { name: "nux".to_owned(), email: "nux@example.com".to_owned(), at: 1 };
        match prepare(repo, "main", head, "m", &who, &[]).unwrap() {
            Prepared::Merge { base, commit, .. } => (base, commit),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_merge_lands_once_and_is_known_as_landed_ever_after() {
        let lab = Lab::new();
        let repo = lab.clone();
        let (_, base, commit) = ready(&lab, &repo);
        assert!(!look(&repo, "main", commit).unwrap());
        assert_eq!(land(&repo, "main", base, commit).unwrap(), Landing::Landed { now: commit });
        assert_eq!(lab.origin_head("main"), commit);
        assert_eq!(land(&repo, "main", base, commit).unwrap(), Landing::Landed { now: commit });
        lab.git(&lab.seed, &["pull", "--quiet", "origin", "main"]);
        let now = commit_file(&lab.seed, "later.txt", "x", "later");
        lab.push_seed("main");
        assert_eq!(land(&repo, "main", base, commit).unwrap(), Landing::Landed { now });
        assert!(look(&repo, "main", commit).unwrap());
        assert!(!look(&repo, "main", Oid::from_str(&"12".repeat(20)).unwrap()).unwrap());
    }

    #[test]
    fn a_target_that_moved_is_left_as_it_is() {
        let lab = Lab::new();
        let repo = lab.clone();
        let (head, base, commit) = ready(&lab, &repo);
        let now = commit_file(&lab.seed, "c.txt", "c\n", "c");
        lab.push_seed("main");
        assert_eq!(land(&repo, "main", base, commit).unwrap(), Landing::Moved { now });
        assert_eq!(lab.origin_head("main"), now);
        let (base, commit) = merge(&repo, head);
        assert_eq!(base, now);
        assert_eq!(land(&repo, "main", base, commit).unwrap(), Landing::Landed { now: commit });
        assert!(land(&repo, "main", base, lab.first).is_err(), "never backwards");
        assert!(matches!(land(&repo, "nowhere", base, commit), Err(Error::NoSuchBranch { .. })));
    }

    #[test]
    fn a_remote_that_declines_says_why() {
        let lab = Lab::new();
        let repo = lab.clone();
        let (_, base, commit) = ready(&lab, &repo);
        lab.decline_pushes();
        match land(&repo, "main", base, commit).unwrap() {
            Landing::Refused { reason, hint } => {
                assert!(reason.contains("pushes are closed today"), "{reason}");
                assert!(hint.contains("rule of the remote"), "{hint}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(lab.origin_head("main"), lab.first);
        fs::rename(&lab.origin, lab.path("away")).unwrap();
        land(&repo, "main", base, commit).unwrap_err();
    }

    #[test]
    fn a_clean_checkout_of_a_person_moves_along_and_a_dirty_one_is_not_touched() {
        let lab = Lab::new();
        let repo = lab.clone_of_seed();
        let (head, base, commit) = ready(&lab, &repo);
        let config = fs::read(lab.seed.join(".git/config")).unwrap();
        fs::write(lab.seed.join("a.txt"), "a person's work\n").unwrap();
        match land(&repo, "main", base, commit).unwrap() {
            Landing::Refused { hint, .. } => {
                let seed = lab.seed.canonicalize().unwrap();
                assert!(hint.starts_with("commit or stash your changes in"), "{hint}");
                assert!(hint.contains(seed.to_str().unwrap()), "{hint}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_to_string(lab.seed.join("a.txt")).unwrap(), "a person's work\n");
        assert_eq!(lab.git(&lab.seed, &["rev-parse", "main"]), lab.first.to_string());

        lab.git(&lab.seed, &["add", "a.txt"]);
        assert!(
            matches!(land(&repo, "main", base, commit).unwrap(), Landing::Refused { hint, .. } if hint.contains("stash"))
        );
        lab.git(&lab.seed, &["checkout", "--quiet", "HEAD", "--", "a.txt"]);
        fs::write(lab.seed.join("b.txt"), "in the way").unwrap();
        assert!(
            matches!(land(&repo, "main", base, commit).unwrap(), Landing::Refused { hint, .. } if hint.contains("stash"))
        );
        assert_eq!(fs::read_to_string(lab.seed.join("b.txt")).unwrap(), "in the way");
        fs::remove_file(lab.seed.join("b.txt")).unwrap();

        assert_eq!(land(&repo, "main", base, commit).unwrap(), Landing::Landed { now: commit });
        assert_eq!(fs::read_to_string(lab.seed.join("b.txt")).unwrap(), "b\n");
        assert_eq!(lab.git(&lab.seed, &["status", "--porcelain"]), "");
        assert_eq!(fs::read(lab.seed.join(".git/config")).unwrap(), config);
        assert!(look(&repo, "main", head).unwrap());
    }

    #[test]
    fn a_branch_is_deleted_only_when_the_remote_s_target_has_it() {
        let lab = Lab::new();
        let repo = lab.clone();
        let (head, base, commit) = ready(&lab, &repo);
        crate::publish::publish(&repo, BRANCH, &lab.path("bundles")).unwrap();
        let delete = || delete_branch(&repo, BRANCH, head, "main").unwrap();
        assert_eq!(delete(), Err(Kept::Unmerged { head }));
        land(&repo, "main", base, commit).unwrap();
        assert_eq!(delete(), Err(Kept::CheckedOut { at: lab.path("nux") }));
        worktree::remove(&repo, &lab.path("nux"), commit).unwrap();
        let other = delete_branch(&repo, BRANCH, lab.first, "main").unwrap();
        assert_eq!(other, Err(Kept::Moved { now: head, local: false }));
        assert_eq!(delete(), Ok(()));
        assert_eq!(repo.branch_head(BRANCH).unwrap(), None);
        assert_eq!(repo.remote_head(BRANCH).unwrap(), None);
        assert_eq!(delete(), Ok(()), "once more is no error");
    }
}
