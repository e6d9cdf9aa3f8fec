//! One file on a branch of its own: for what is kept in git and is no code.
//!
//! The branch begins without history, so that it never holds anything else. No worktree is needed: blob, tree
//! and commit are made in the repository itself. A file that is as it was makes no commit.

use git2::{Oid, Repository, Signature};

use crate::{
    Error, Repo, Result, place,
    remote::{Push, Pushed},
};

/// What is to be kept, and where.
#[derive(Debug, Clone, Copy)]
pub struct Keep<'a> {
    /// The branch.
    pub branch: &'a str,
    /// The file's path in its tree.
    pub path: &'a str,
    /// The file.
    pub content: &'a [u8],
    /// The commit's message.
    pub message: &'a str,
    /// Who asked for it.
    pub author: &'a str,
}

/// How a push of such a branch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// The remote has it; it was asked again.
    There,
    /// The remote has commits on that branch which this repository's branch does not contain.
    Apart { theirs: Oid },
    /// The remote did not take it, in git's words.
    Declined(String),
}

/// Returns the content of `path` at the head of `commit`, if it has such a file.
pub fn content(repo: &Repo, commit: Oid, path: &str) -> Result<Option<Vec<u8>>> {
    let library = repo.library()?;
    let found = blob(&library, commit, path).map_err(Error::library(format!("read {path} of {commit}")))?;
    let content = found.map(|oid| library.find_blob(oid).map(|blob| blob.content().to_vec())).transpose();
    content.map_err(Error::library(format!("read {path} of {commit}")))
}

/// Commits the file on its branch; returns the branch's head and whether that is new.
///
/// With `theirs` the commit also continues that one, and keeps its other files: whoever calls has seen to it
/// that nothing in it is lost.
///
/// # Errors
/// `BranchInUse` when somebody has the branch checked out, whose files would no longer fit.
pub fn keep(repo: &Repo, keep: &Keep<'_>, theirs: Option<Oid>) -> Result<(Oid, bool)> {
    let Keep { branch, path, content, .. } = *keep;
    let head = repo.branch_head(branch)?;
    let doing = || Error::library(format!("commit {path} on {branch}"));
    let library = repo.library()?;
    let fresh = library.blob(content).map_err(doing())?;
    if let (Some(head), None) = (head, theirs)
        && blob(&library, head, path).map_err(doing())? == Some(fresh)
    {
        return Ok((head, false));
    }
    if let Some(at) = place::checked_out_at(repo, branch) {
        return Err(Error::BranchInUse { branch: branch.to_owned(), at });
    }
    let oid = commit(&library, keep, fresh, head, theirs).map_err(doing())?;
    let reference = format!("refs/heads/{branch}");
    let moved = match head {
        Some(head) => library.reference_matching(&reference, oid, true, head, "beads"),
        None => library.reference(&reference, oid, false, "beads"),
    };
    moved.map_err(doing())?;
    Ok((oid, true))
}

fn commit(
    library: &Repository,
    keep: &Keep<'_>,
    fresh: Oid,
    head: Option<Oid>,
    theirs: Option<Oid>,
) -> std::result::Result<Oid, git2::Error> {
    let parents = head.into_iter().chain(theirs).map(|oid| library.find_commit(oid));
    let parents = parents.collect::<std::result::Result<Vec<_>, _>>()?;
    let base = match theirs.or(head) {
        Some(oid) => Some(library.find_commit(oid)?.tree()?),
        None => None,
    };
    let mut update = git2::build::TreeUpdateBuilder::new();
    update.upsert(keep.path, fresh, git2::FileMode::Blob);
    let base = match base {
        Some(tree) => tree,
        None => library.find_tree(library.treebuilder(None)?.write()?)?,
    };
    let tree = library.find_tree(update.create_updated(library, &base)?)?;
    let name: String = keep.author.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect();
    let mail = format!("{}@gastown.invalid", name.trim_matches('/').replace(['/', ' '], "."));
    let who = Signature::now(name.trim_matches('/'), &mail)?;
    library.commit(None, &who, &who, keep.message, &tree, &parents.iter().collect::<Vec<_>>())
}

fn blob(library: &Repository, commit: Oid, path: &str) -> std::result::Result<Option<Oid>, git2::Error> {
    match library.find_commit(commit)?.tree()?.get_path(std::path::Path::new(path)) {
        Ok(entry) => Ok(Some(entry.id())),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Brings the local `branch` to the remote, which is asked before and after. Never forces.
///
/// # Errors
/// `NoSuchBranch` when there is no such local branch, besides what asking the remote can meet.
pub fn bring(repo: &Repo, branch: &str) -> Result<Brought> {
    let oid = repo.branch_head(branch)?.ok_or_else(|| Error::NoSuchBranch {
        branch: branch.to_owned(),
        place: repo.path().display().to_string(),
        known: Vec::new(),
    })?;
    let there = repo.remote_head(branch)?;
    if let Some(theirs) = there {
        if theirs == oid {
            return Ok(Brought::There);
        }
        repo.fetch_branch(branch)?;
        if !repo.is_ancestor(theirs, oid)? {
            return Ok(Brought::Apart { theirs });
        }
    }
    let push = Push { commit: Some(oid), branch, expected: there, moves_checkout: false };
    let answer = repo.push(&push)?;
    Ok(match (repo.remote_head(branch)? == Some(oid), answer) {
        (true, _) => Brought::There,
        (false, Pushed::Declined(why)) => Brought::Declined(why),
        (false, Pushed::Taken) => Brought::Declined("the push was taken, and the branch is elsewhere".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, commit_file};

    fn beads(content: &[u8]) -> Keep<'_> {
        Keep {
            branch: "beads-sync",
            path: ".beads/issues.jsonl",
            content,
            message: "beads: 1\n",
            author: "web/polecats/nux",
        }
    }

    #[test]
    fn a_file_has_a_branch_without_code_and_a_commit_for_each_change() {
        let lab = Lab::new();
        let repo = lab.clone();
        let main = lab.origin_head("main");
        let (one, new) = keep(&repo, &beads(b"a\n"), None).unwrap();
        assert!(new);
        assert_eq!(keep(&repo, &beads(b"a\n"), None).unwrap(), (one, false));
        assert_eq!(bring(&repo, "beads-sync").unwrap(), Brought::There);
        let (two, new) = keep(&repo, &beads(b"b\n"), None).unwrap();
        assert!(new && two != one);
        assert_eq!(bring(&repo, "beads-sync").unwrap(), Brought::There);
        assert_eq!(bring(&repo, "beads-sync").unwrap(), Brought::There);
        assert_eq!(lab.origin_head("beads-sync"), two);
        assert_eq!(lab.origin_head("main"), main);
        let log = repo.first_parent_log(two, 9).unwrap();
        assert_eq!(log.len(), 2);
        assert_eq!(
            (log[0].author_name.as_str(), log[0].author_email.as_str()),
            ("web/polecats/nux", "web.polecats.nux@gastown.invalid")
        );
        let files = lab.git(&lab.origin, &["ls-tree", "-r", "--name-only", "beads-sync"]);
        assert_eq!(files, ".beads/issues.jsonl");
        assert_eq!(content(&repo, two, ".beads/issues.jsonl").unwrap().unwrap(), b"b\n");
        assert_eq!(content(&repo, two, "nothing").unwrap(), None);
    }

    #[test]
    fn what_others_have_pushed_is_neither_forced_away_nor_lost_when_both_are_joined() {
        let lab = Lab::new();
        let repo = lab.clone();
        lab.git(&lab.seed, &["checkout", "--quiet", "--orphan", "beads-sync"]);
        let theirs = commit_file(&lab.seed, "theirs.txt", "t\n", "theirs");
        lab.push_seed("beads-sync");
        keep(&repo, &beads(b"a\n"), None).unwrap();
        assert_eq!(bring(&repo, "beads-sync").unwrap(), Brought::Apart { theirs });
        let (joined, new) = keep(&repo, &beads(b"a\n"), Some(theirs)).unwrap();
        assert!(new && repo.is_ancestor(theirs, joined).unwrap());
        assert_eq!(bring(&repo, "beads-sync").unwrap(), Brought::There);
        assert!(content(&repo, joined, "theirs.txt").unwrap().is_some());
        lab.decline_pushes();
        keep(&repo, &beads(b"c\n"), None).unwrap();
        let refused = bring(&repo, "beads-sync").unwrap();
        assert!(matches!(&refused, Brought::Declined(why) if why.contains("closed today")), "{refused:?}");
    }
}
