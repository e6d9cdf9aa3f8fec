//! A merge result, made in memory: no worktree is touched, nothing is pushed.
//!
//! The commit depends on nothing but its arguments and the two heads. The same call after a restart gives
//! the same commit, so a push of it that was under way when the runtime died is recognised.

use git2::{Commit, MergeOptions, Oid, Repository, Signature, Time};

use crate::{Error, Repo, Result, repo::LogEntry};

/// Who is named in a merge commit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    pub email: String,
    /// Seconds since 1970, UTC.
    pub at: i64,
}

/// What a merge of one head would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prepared {
    /// A merge commit whose first parent is `base`, the target's head at the remote a moment ago.
    Merge { base: Oid, commit: Oid, tree: Oid },
    /// The two change the same lines. `files` are sorted.
    Conflict { base: Oid, files: Vec<String> },
    /// The target has it: `commit` is the first on its first-parent line that contains the head.
    AlreadyMerged { commit: Oid },
    /// The head brings nothing: no commit of its own, or none that changes a file.
    Empty { base: Oid },
}

/// Fetches `target` and makes the two-parent commit that merges `head` into it, never a fast-forward.
///
/// `trailers` (`Key`, `value`) follow the message in the order given. Author and committer are `author`.
///
/// # Errors
/// `NoSuchBranch`, `Unreachable`; `Unrelated` when the histories have nothing in common.
pub fn prepare(
    repo: &Repo,
    target: &str,
    head: Oid,
    message: &str,
    author: &Identity,
    trailers: &[(&str, &str)],
) -> Result<Prepared> {
    let base = repo.fetch_branch(target)?;
    if repo.is_ancestor(head, base)? {
        return already(repo, base, head);
    }
    let library = repo.library()?;
    let doing = || Error::library(format!("merge {head} into {target}"));
    if library.merge_base(base, head).is_err() {
        return Err(Error::Unrelated { head, target: target.to_owned() });
    }
    let ours = library.find_commit(base).map_err(doing())?;
    let theirs = library.find_commit(head).map_err(doing())?;
    let mut options = MergeOptions::new();
    options.find_renames(true);
    let mut index = library.merge_commits(&ours, &theirs, Some(&options)).map_err(doing())?;
    if index.has_conflicts() {
        return Ok(Prepared::Conflict { base, files: conflicts(&index).map_err(doing())? });
    }
    let tree = index.write_tree_to(&library).map_err(doing())?;
    if tree == ours.tree_id() {
        return Ok(Prepared::Empty { base });
    }
    let message = full_message(message, trailers);
    let commit = write(&library, [&ours, &theirs], tree, &message, author).map_err(doing())?;
    Ok(Prepared::Merge { base, commit, tree })
}

/// The files that conflict, sorted.
pub(crate) fn conflicts(index: &git2::Index) -> Result<Vec<String>, git2::Error> {
    let mut files = Vec::new();
    for conflict in index.conflicts()? {
        let conflict = conflict?;
        let sides = [conflict.our, conflict.their, conflict.ancestor];
        files
            .extend(sides.into_iter().flatten().map(|side| String::from_utf8_lossy(&side.path).into_owned()));
    }
    files.sort();
    files.dedup();
    Ok(files)
}

pub(crate) fn write(
    library: &Repository,
    parents: [&Commit<'_>; 2],
    tree: Oid,
    message: &str,
    author: &Identity,
) -> Result<Oid, git2::Error> {
    let who = Signature::new(&author.name, &author.email, &Time::new(author.at, 0))?;
    library.commit(None, &who, &who, message, &library.find_tree(tree)?, &parents)
}

/// Tells apart a head that was merged from one that never left the target's own line.
pub(crate) fn already(repo: &Repo, base: Oid, head: Oid) -> Result<Prepared> {
    let mut line: Vec<LogEntry> = Vec::new();
    let mut from = base;
    loop {
        // In pieces: what was merged lately is found without reading all of a long history.
        line.extend(repo.first_parent_log(from, 256)?);
        let Some(oldest) = line.last() else { break };
        if !repo.is_ancestor(head, oldest.oid)? || oldest.parents.is_empty() {
            break;
        }
        from = oldest.parents[0];
    }
    if line.iter().any(|entry| entry.oid == head) {
        return Ok(Prepared::Empty { base });
    }
    // Who contains the head stands before who does not: the border can be found by halving.
    let mut failed = None;
    let border = line.partition_point(|entry| {
        repo.is_ancestor(head, entry.oid).unwrap_or_else(|e| {
            failed = Some(e);
            false
        })
    });
    if let Some(e) = failed {
        return Err(e);
    }
    let commit = border.checked_sub(1).map_or(base, |at| line[at].oid);
    Ok(Prepared::AlreadyMerged { commit })
}

/// Puts trailers below a message as git expects them: a paragraph of their own, a line each.
pub(crate) fn full_message(message: &str, trailers: &[(&str, &str)]) -> String {
    let mut text = message.trim_end().replace('\0', "");
    text.push('\n');
    if !trailers.is_empty() {
        text.push('\n');
    }
    for (key, value) in trailers {
        let value: Vec<&str> = value.split(['\n', '\r', '\0']).map(str::trim).collect();
        text += &format!("{key}: {}\n", value.join(" ").trim());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        testing::{A_TXT, Lab, commit_file},
        worktree,
    };

    fn someone() -> Identity {
        Identity { name: "nux".to_owned(), email: "nux@example.com".to_owned(), at: 1_700_000_000 }
    }

    fn merge(repo: &Repo, head: Oid) -> Prepared {
        prepare(repo, "main", head, "Land a-1: do it", &someone(), &[("Bead", "a-1"), ("Agent", "web/nux")])
            .unwrap()
    }

    fn tree(lab: &Lab, repo: &Repo, name: &str) -> PathBuf {
        worktree::ensure(repo, &lab.path(name), &format!("polecat/{name}/a"), lab.first).unwrap().path
    }

    #[test]
    fn a_merge_has_two_parents_its_trailers_and_the_same_name_each_time() {
        let lab = Lab::new();
        let repo = lab.clone();
        let head = commit_file(&tree(&lab, &repo, "nux"), "b.txt", "b\n", "b");
        let first = merge(&repo, head);
        let Prepared::Merge { base, commit, tree } = first.clone() else { panic!("{first:?}") };
        assert_eq!(base, lab.first);
        assert_eq!(merge(&repo, head), first);
        let log = repo.first_parent_log(commit, 1).unwrap();
        assert_eq!(log[0].parents, [lab.first, head], "even where a fast-forward would do");
        assert_eq!(log[0].tree, tree);
        assert_eq!(log[0].message, "Land a-1: do it\n\nBead: a-1\nAgent: web/nux\n");
        assert_eq!((log[0].author_name.as_str(), log[0].authored_at), ("nux", 1_700_000_000));

        // The target moves: a merge on what is there now, without being told.
        let next = commit_file(&lab.seed, "c.txt", "c\n", "c");
        lab.push_seed("main");
        assert!(matches!(merge(&repo, head), Prepared::Merge { base, .. } if base == next));
    }

    #[test]
    fn changes_of_the_same_lines_are_a_conflict_with_the_files_named() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = tree(&lab, &repo, "nux");
        commit_file(&path, "a.txt", &A_TXT.replace("two", "ours"), "ours");
        let head = commit_file(&path, "dir/both new.txt", "ours\n", "ours");
        commit_file(&lab.seed, "a.txt", &A_TXT.replace("two", "theirs"), "theirs");
        let base = commit_file(&lab.seed, "dir/both new.txt", "theirs\n", "theirs");
        lab.push_seed("main");
        let files = vec!["a.txt".to_owned(), "dir/both new.txt".to_owned()];
        assert_eq!(merge(&repo, head), Prepared::Conflict { base, files });
    }

    #[test]
    fn a_change_follows_a_renamed_file() {
        let lab = Lab::new();
        let repo = lab.clone();
        let head =
            commit_file(&tree(&lab, &repo, "nux"), "a.txt", &A_TXT.replace("seven", "SEVEN"), "change");
        lab.git(&lab.seed, &["mv", "a.txt", "moved.txt"]);
        commit_file(&lab.seed, "moved.txt", &A_TXT.replace("one", "ONE"), "rename");
        lab.push_seed("main");
        let Prepared::Merge { commit, .. } = merge(&repo, head) else { panic!() };
        let text = lab.git(repo.path(), &["show", &format!("{commit}:moved.txt")]);
        assert_eq!(text, A_TXT.replace("one", "ONE").replace("seven", "SEVEN").trim_end());
    }

    #[test]
    fn what_has_landed_and_what_brings_nothing_are_told_apart() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = tree(&lab, &repo, "nux");
        assert_eq!(merge(&repo, lab.first), Prepared::Empty { base: lab.first }, "no commit at all");
        let head = commit_file(&path, "b.txt", "b\n", "b");
        let Prepared::Merge { commit, .. } = merge(&repo, head) else { panic!() };
        crate::landing::land(&repo, "main", lab.first, commit).unwrap();
        lab.git(&lab.seed, &["pull", "--quiet", "origin", "main"]);
        for n in 0..5 {
            commit_file(&lab.seed, "later.txt", &n.to_string(), "later");
        }
        lab.push_seed("main");
        assert_eq!(merge(&repo, head), Prepared::AlreadyMerged { commit });

        let twin = tree(&lab, &repo, "twin");
        let same = commit_file(&twin, "b.txt", "b\n", "the same once more");
        assert!(matches!(merge(&repo, same), Prepared::Empty { .. }), "the change is there already");
    }

    #[test]
    fn strangers_are_not_merged() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = tree(&lab, &repo, "nux");
        lab.git(&path, &["checkout", "--quiet", "--orphan", "stranger"]);
        let head = commit_file(&path, "b.txt", "b\n", "b");
        let error = prepare(&repo, "main", head, "m", &someone(), &[]).unwrap_err();
        assert!(matches!(error, Error::Unrelated { .. }));
    }

    #[test]
    fn trailers_are_one_line_each() {
        let text = full_message("Subject\n\nBody\n\n", &[("Bead", "a\nEvil: yes"), ("X", "y")]);
        assert_eq!(text, "Subject\n\nBody\n\nBead: a Evil: yes\nX: y\n");
    }
}
