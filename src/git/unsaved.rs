//! What is only in a worktree, as a commit that no reference names.
//!
//! The commit is made beside the worktree's own state. Files are read as they are, without filters, into the
//! shared repository; an index in memory makes the tree. Branch, index, files and an operation in progress
//! stay as they were, so an agent may even go on working.

use std::{fs, path::Path};

use git2::{Commit, Oid, Repository, Signature, Time};

use crate::{
    Error, Result,
    repo::open_library,
    rescue::clean_name,
    snapshot::{tree_of_files, tree_of_index},
    status::{self, Cleanliness},
};

/// What a worktree holds beside its branch, with the trees already written.
pub(crate) struct Beside {
    pub(crate) library: Repository,
    state: Cleanliness,
    pub(crate) head: Option<Oid>,
    tree: Oid,
    staged: Option<Oid>,
    parents: Vec<Oid>,
    /// Whether any of it is not in HEAD.
    pub(crate) any: bool,
}

impl Beside {
    pub(crate) fn of(worktree: &Path) -> Result<Beside> {
        let doing = || Error::library(format!("save what is in {}", worktree.display()));
        let listing = status::list(worktree)?;
        let state = status::status(worktree)?;
        let library = open_library(worktree)?;
        let head = listing.head.map(|oid| library.find_commit(oid)).transpose().map_err(doing())?;
        let tree = tree_of_files(&library, worktree, head.as_ref(), &listing)?;
        let staged = tree_of_index(&library).map_err(doing())?;
        let head_tree = head.as_ref().map(Commit::tree_id);
        drop(head);
        let mut parents: Vec<Oid> = listing.head.into_iter().collect();
        for extra in begun(&library, &state).map_err(doing())? {
            if !parents.contains(&extra) {
                parents.push(extra);
            }
        }
        parents.extend(state.stashes.iter().map(|stash| stash.oid));
        let staged = staged.filter(|staged| *staged != tree && Some(*staged) != head_tree);
        let any = Some(tree) != head_tree || staged.is_some() || parents.len() > 1;
        Ok(Beside { library, state, head: listing.head, tree, staged, parents, any })
    }

    pub(crate) fn key(&self) -> String {
        rescue_key(self.tree, self.staged, &self.parents)
    }

    /// Writes the commit; no reference names it yet. `at` is when it is said to be made, now if none.
    pub(crate) fn write(&self, agent: &str, worktree: &Path, at: Option<Time>) -> Result<Oid> {
        let doing = || Error::library(format!("save what is in {}", worktree.display()));
        let name = clean_name(agent);
        let address = format!("{}@gastown.invalid", name.replace('/', "."));
        let who = match at {
            Some(at) => Signature::new(&name, &address, &at),
            None => Signature::now(&name, &address),
        };
        let who = who.map_err(doing())?;
        let commit = |tree: Oid, parents: &[Oid], message: &str| {
            let parents: Result<Vec<_>, _> =
                parents.iter().map(|oid| self.library.find_commit(*oid)).collect();
            let parents = parents?;
            let parents: Vec<_> = parents.iter().collect();
            self.library.commit(None, &who, &who, message, &self.library.find_tree(tree)?, &parents)
        };
        let mut parents = self.parents.clone();
        if let Some(staged) = self.staged {
            let under: Vec<Oid> = self.head.into_iter().collect();
            let text = format!("rescue: what {agent} had staged\n");
            parents.push(commit(staged, &under, &text).map_err(doing())?);
        }
        commit(self.tree, &parents, &message(agent, worktree, &self.state, &self.key())).map_err(doing())
    }
}

/// Makes the commit of what `worktree` holds beside its branch, without any reference to it; none when it
/// holds nothing. The same state gives the same commit.
pub(crate) fn unsaved(worktree: &Path, agent: &str) -> Result<Option<Oid>> {
    let beside = Beside::of(worktree)?;
    if !beside.any {
        return Ok(None);
    }
    let at = match beside.head {
        Some(head) => {
            let reading = Error::library(format!("read the head of {}", worktree.display()));
            beside.library.find_commit(head).map_err(reading)?.time()
        }
        None => Time::new(0, 0),
    };
    beside.write(agent, worktree, Some(at)).map(Some)
}

fn message(agent: &str, worktree: &Path, state: &Cleanliness, key: &str) -> String {
    let mut text = format!("rescue: what {agent} had in its worktree\n\nWorktree: {}\n", worktree.display());
    if let Some(branch) = &state.branch {
        text += &format!("Branch: {branch}\n");
    }
    if let Some(doing) = state.in_progress {
        text += &format!("In progress: {doing:?}\n");
    }
    for stash in &state.stashes {
        text += &format!("Stash: {} {}\n", stash.oid, stash.message.replace('\n', " "));
    }
    text + key + "\n"
}

/// A line in the message by which the same state is known again, whenever it is saved.
fn rescue_key(tree: Oid, staged: Option<Oid>, parents: &[Oid]) -> String {
    let staged = staged.map_or_else(|| "-".to_owned(), |oid| oid.to_string());
    let parents: Vec<String> = parents.iter().map(Oid::to_string).collect();
    format!("State: {tree} {staged} {}", parents.join(" "))
}

/// Returns the commits that an operation in progress is about and that HEAD does not lead to.
fn begun(library: &Repository, state: &Cleanliness) -> Result<Vec<Oid>, git2::Error> {
    const NOTES: &[&str] = &[
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "REBASE_HEAD",
        "MERGE_AUTOSTASH",
        "rebase-merge/orig-head",
        "rebase-merge/stopped-sha",
        "rebase-merge/autostash",
        "rebase-apply/orig-head",
        "rebase-apply/autostash",
    ];
    let mut found: Vec<Oid> = Vec::new();
    let mut consider = |oid: Oid| {
        if library.find_commit(oid).is_err() || found.contains(&oid) {
            return Ok(());
        }
        let known = match state.head {
            Some(head) => head == oid || library.graph_descendant_of(head, oid)?,
            None => false,
        };
        if !known {
            found.push(oid);
        }
        Ok::<(), git2::Error>(())
    };
    for note in NOTES {
        let text = fs::read_to_string(library.path().join(note)).unwrap_or_default();
        for line in text.lines() {
            if let Ok(oid) = Oid::from_str(line.trim()) {
                consider(oid)?;
            }
        }
    }
    if let Some(branch) = &state.branch
        && let Ok(reference) = library.find_reference(&format!("refs/heads/{branch}"))
        && let Some(oid) = reference.target()
    {
        consider(oid)?;
    }
    Ok(found)
}
