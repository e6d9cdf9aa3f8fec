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
    let answer = repo.push(&push);
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
