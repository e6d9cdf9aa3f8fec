//! Work that an earlier assignment has left on a branch: found again, taken up, or forgotten when there is none.

use std::path::Path;

use git2::Oid;

use crate::{Error, Repo, Result, place};

/// Where such work is said to be.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    /// Its branch, here or at the remote.
    pub branch: &'a str,
    /// Its head, where that is known.
    pub commit: Option<Oid>,
    /// The bundle that holds it, if it was not pushed.
    pub bundle: Option<&'a Path>,
}

/// Returns the head of what was left: from the branch here, else from the remote, else from the bundle. None when
/// it is nowhere.
///
/// # Errors
/// What git says of this repository; a remote that does not answer is no error while there is another place.
pub fn find(repo: &Repo, left: &Left<'_>) -> Result<Option<Oid>> {
    if let Some(head) = repo.branch_head(left.branch)? {
        return Ok(Some(head));
    }
    if let Some(commit) = left.commit
        && repo.tree_of(commit).is_ok()
    {
        return Ok(Some(commit));
    }
    if let Ok(head) = repo.fetch_branch(left.branch) {
        return Ok(Some(head));
    }
    let Some(bundle) = left.bundle.filter(|bundle| bundle.is_file()) else { return Ok(None) };
    let name = format!("refs/heads/{}", left.branch);
    repo.git(format!("read the bundle {}", bundle.display()))
        .args(["fetch", "--quiet", "--no-tags"])
        .arg(bundle)
        .arg(format!("{name}:{name}"))
        .run()?;
    repo.branch_head(left.branch)
}

/// Makes `branch` begin at `head`, or go on there if it stands before it. Returns whether it leads to `head` now.
///
/// A branch that is checked out somewhere, or that has gone another way, is left as it is.
pub fn take_up(repo: &Repo, branch: &str, head: Oid) -> Result<bool> {
    let before = match repo.branch_head(branch)? {
        Some(now) if repo.is_ancestor(head, now)? => return Ok(true),
        Some(now) if !repo.is_ancestor(now, head)? => return Ok(false),
        Some(now) => now,
        None => Oid::ZERO_SHA1,
    };
    if place::checked_out_at(repo, branch).is_some() {
        return Ok(false);
    }
    repo.git(format!("take {head} up on {branch}"))
        .args(["update-ref", &format!("refs/heads/{branch}"), &head.to_string(), &before.to_string()])
        .run()?;
    faults::pass("git.left.taken_up");
    Ok(true)
}

/// Deletes the local `branch` if the remote's `target` has all of it, as of the last fetch. Returns its head if it
/// stays, because there is work on it.
pub fn forget_if_empty(repo: &Repo, branch: &str, target: &str) -> Result<Option<Oid>> {
    let Some(head) = repo.branch_head(branch)? else { return Ok(None) };
    let landed = match repo.tracked_head(target)? {
        Some(target) => repo.is_ancestor(head, target)?,
        None => false,
    };
    if !landed || place::checked_out_at(repo, branch).is_some() {
        return Ok(Some(head).filter(|_| !landed));
    }
    repo.git(format!("delete branch {branch}"))
        .args(["update-ref", "-d", &format!("refs/heads/{branch}"), &head.to_string()])
        .run()?;
    Ok(None)
}

/// The commit at which two lines of history parted.
///
/// # Errors
/// `Unrelated` when they have nothing in common.
pub fn parted(repo: &Repo, one: Oid, other: Oid) -> Result<Oid> {
    repo.library()?
        .merge_base(one, other)
        .map_err(|_| Error::Unrelated { head: one, target: other.to_string() })
}

/// A merge commit that was found on a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The merge commit.
    pub commit: Oid,
    /// The head that it merged.
    pub head: Oid,
    /// The trailers of its message.
    pub trailers: Vec<(String, String)>,
}

/// The newest merge commit on the first-parent line from `head` that carries the trailer `name: value`; at most
/// `most` commits are looked at.
pub fn landed_with(
    repo: &Repo,
    head: Oid,
    (name, value): (&str, &str),
    most: usize,
) -> Result<Option<Landed>> {
    let library = repo.library()?;
    let reading = || Error::library(format!("read what has landed in {}", repo.path().display()));
    let mut at = Some(head);
    for _ in 0..most {
        let Some(oid) = at else { break };
        let commit = library.find_commit(oid).map_err(reading())?;
        at = commit.parent_id(0).ok();
        if commit.parent_count() < 2 {
            continue;
        }
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let Ok(found) = git2::message_trailers_strs(&message) else { continue };
        let trailers: Vec<(String, String)> =
            found.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        if trailers.iter().any(|(key, is)| key == name && is == value) {
            let merged = commit.parent_id(1).map_err(reading())?;
            return Ok(Some(Landed { commit: oid, head: merged, trailers }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Lab, commit_file},
        worktree,
    };

    const OLD: &str = "polecat/docs/a";

    /// A branch with a commit of its own, in a worktree that is gone again.
    fn left(lab: &Lab, repo: &Repo) -> Oid {
        let path = worktree::ensure(repo, &lab.path("docs"), OLD, lab.first).unwrap().path;
        let head = commit_file(&path, "b.txt", "b", "b");
        assert_eq!(worktree::remove(repo, &path, head).unwrap(), worktree::Removal::Removed);
        head
    }

    #[test]
    fn what_was_left_is_found_here_at_the_remote_and_in_a_bundle() {
        let lab = Lab::new();
        let repo = lab.clone();
        let head = left(&lab, &repo);
        let at = |commit, bundle| Left { branch: OLD, commit, bundle };
        assert_eq!(find(&repo, &at(None, None)).unwrap(), Some(head));
        let bundle = crate::rescue::bundle(&repo, OLD, head, &lab.path("bundles")).unwrap();
        lab.git(repo.path(), &["update-ref", "-d", &format!("refs/heads/{OLD}")]);
        assert_eq!(
            find(&repo, &at(Some(head), None)).unwrap(),
            Some(head),
            "the commit itself is still there"
        );
        assert_eq!(find(&repo, &at(None, None)).unwrap(), None);
        assert_eq!(find(&repo, &at(None, Some(&bundle))).unwrap(), Some(head));
        crate::publish::publish(&repo, OLD, &lab.path("bundles")).unwrap();
        lab.git(repo.path(), &["update-ref", "-d", &format!("refs/heads/{OLD}")]);
        assert_eq!(find(&repo, &at(None, None)).unwrap(), Some(head), "the remote has it");
    }

    #[test]
    fn a_branch_goes_on_where_another_has_stopped_and_never_back() {
        let lab = Lab::new();
        let repo = lab.clone();
        let head = left(&lab, &repo);
        let new = "polecat/tests/a";
        assert!(take_up(&repo, new, lab.first).unwrap());
        assert!(take_up(&repo, new, head).unwrap());
        assert_eq!(repo.branch_head(new).unwrap(), Some(head));
        assert!(take_up(&repo, new, lab.first).unwrap(), "it leads there already");
        assert_eq!(repo.branch_head(new).unwrap(), Some(head));
        let other = worktree::ensure(&repo, &lab.path("other"), "polecat/x/b", lab.first).unwrap().path;
        let elsewhere = commit_file(&other, "c.txt", "c", "c");
        assert!(!take_up(&repo, new, elsewhere).unwrap(), "they have parted");
        assert_eq!(parted(&repo, head, elsewhere).unwrap(), lab.first);
    }

    #[test]
    fn a_branch_without_work_is_forgotten_and_one_with_work_stays() {
        let lab = Lab::new();
        let repo = lab.clone();
        let head = left(&lab, &repo);
        assert_eq!(forget_if_empty(&repo, OLD, "main").unwrap(), Some(head));
        take_up(&repo, "polecat/x/empty", lab.first).unwrap();
        assert_eq!(forget_if_empty(&repo, "polecat/x/empty", "main").unwrap(), None);
        assert_eq!(repo.branch_head("polecat/x/empty").unwrap(), None);
    }

    #[test]
    fn a_landing_is_found_by_its_trailer() {
        let lab = Lab::new();
        lab.git(&lab.seed, &["checkout", "--quiet", "-b", "work"]);
        let work = commit_file(&lab.seed, "b.txt", "b", "b");
        lab.git(&lab.seed, &["checkout", "--quiet", "main"]);
        let message = "Merge web-1: b\n\nGastown-Agent: web/polecats/docs\nGastown-Bead: web-1\n";
        lab.git(&lab.seed, &["merge", "--quiet", "--no-ff", "-m", message, "work"]);
        let merge: Oid = lab.git(&lab.seed, &["rev-parse", "HEAD"]).parse().unwrap();
        commit_file(&lab.seed, "c.txt", "c", "Speaks of it\n\nGastown-Bead: web-1");
        lab.push_seed("main");
        let repo = lab.clone();
        let head = repo.tracked_head("main").unwrap().unwrap();
        let look = |bead, most| landed_with(&repo, head, ("Gastown-Bead", bead), most).unwrap();
        let found = look("web-1", 100).unwrap();
        assert_eq!((found.commit, found.head), (merge, work));
        assert_eq!(found.trailers[0], ("Gastown-Agent".to_owned(), "web/polecats/docs".to_owned()));
        assert_eq!((look("web-11", 100), look("web-1", 1)), (None, None));
    }
}
