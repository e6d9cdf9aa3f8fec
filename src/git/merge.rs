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
        let mut files = Vec::new();
        for conflict in index.conflicts().map_err(doing())? {
            let conflict = conflict.map_err(doing())?;
            let sides = [conflict.our, conflict.their, conflict.ancestor];
            files.extend(
                sides.into_iter().flatten().map(|side| String::from_utf8_lossy(&side.path).into_owned()),
            );
        }
        files.sort();
        files.dedup();
        return Ok(Prepared::Conflict { base, files });
    }
    let tree = index.write_tree_to(&library).map_err(doing())?;
    if tree == ours.tree_id() {
        return Ok(Prepared::Empty { base });
    }
    let message = full_message(message, trailers);
    let commit = write(&library, [&ours, &theirs], tree, &message, author).map_err(doing())?;
    Ok(Prepared::Merge { base, commit, tree })
}

fn write(
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
fn already(repo: &Repo, base: Oid, head: Oid) -> Result<Prepared> {
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
fn full_message(message: &str, trailers: &[(&str, &str)]) -> String {
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
