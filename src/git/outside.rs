//! Who has moved the target branch, when it was not the town.

use git2::{Oid, Sort};

use crate::{Error, Repo, Result};

/// A commit on the first-parent line of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Which.
    pub commit: Oid,
    /// Who has committed it, as the commit says.
    pub by: String,
    /// Its first line.
    pub subject: String,
}

/// The commits that came to the first-parent line between `since` and `head`, oldest first, `most` of the newest at most.
/// After a push that was forced these are all that `since` does not have.
///
/// # Errors
/// When `head` is not here. A `since` that is not here any more counts as nothing: then only `head` is named.
pub fn strangers(repo: &Repo, since: Oid, head: Oid, most: usize) -> Result<Vec<Stranger>> {
    let library = repo.library()?;
    let doing = || Error::library(format!("see how {head} came to be"));
    let mut walk = library.revwalk().map_err(doing())?;
    walk.set_sorting(Sort::TOPOLOGICAL).map_err(doing())?;
    walk.simplify_first_parent().map_err(doing())?;
    walk.push(head).map_err(doing())?;
    let most = if walk.hide(since).is_ok() { most } else { 1 };
    let mut found = Vec::new();
    for commit in walk.take(most) {
        let commit = library.find_commit(commit.map_err(doing())?).map_err(doing())?;
        found.push(Stranger {
            commit: commit.id(),
            by: String::from_utf8_lossy(commit.committer().name_bytes()).into_owned(),
            subject: String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned(),
        });
    }
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, commit_file};

    #[test]
    fn what_came_to_the_target_is_named_with_who_committed_it() {
        let lab = Lab::new();
        let repo = lab.clone();
        let one = commit_file(&lab.seed, "b.txt", "b\n", "one");
        let two = commit_file(&lab.seed, "c.txt", "c\n", "two");
        lab.push_seed("main");
        let head = repo.fetch_branch("main").unwrap();
        let found = strangers(&repo, lab.first, head, 10).unwrap();
        let seen: Vec<_> = found.iter().map(|one| (one.commit, one.subject.as_str())).collect();
        assert_eq!(seen, [(one, "one"), (two, "two")]);
        assert!(found.iter().all(|one| !one.by.is_empty()));
        assert_eq!(strangers(&repo, lab.first, head, 1).unwrap()[0].commit, two);
        assert!(strangers(&repo, head, head, 10).unwrap().is_empty());
        // Nobody knows what it stood on before.
        let gone = Oid::from_str("1111111111111111111111111111111111111111").unwrap();
        assert_eq!(strangers(&repo, gone, head, 10).unwrap().len(), 1);
    }
}
