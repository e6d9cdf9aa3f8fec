//! A worktree emptied, after everything in it has been saved.

use std::path::Path;

use git2::{Oid, Repository};

use crate::{
    Error, Repo, Result,
    repo::open_library,
    rescue::{self, Saved},
    status::{self, InProgress},
};

/// Saves everything in `worktree` as [`rescue::save`] does, and then empties it: changes are undone, unknown files
/// and the branch's stashes go, what has been begun is ended. Ignored files and the branch itself stay.
///
/// It is emptied only when a second look finds exactly what was saved; an agent that still writes there
/// makes it an error, and nothing is lost.
///
/// # Errors
/// `Dirty` when the worktree changed while it was being saved.
pub fn save_and_empty(
    repo: &Repo,
    worktree: &Path,
    agent: &str,
    label: &str,
    bundle_dir: &Path,
) -> Result<Option<Saved>> {
    let Some(saved) = rescue::save(repo, worktree, agent, label, bundle_dir)? else { return Ok(None) };
    let again = rescue::commit(repo, worktree, agent, label)?;
    if again.is_none_or(|(_, oid)| oid != saved.oid) {
        let files = status::status(worktree)?.files();
        return Err(Error::Dirty { path: worktree.to_owned(), files });
    }
    let state = status::status(worktree)?;
    let git = |args: &[&str]| {
        repo.git_in(worktree, format!("empty the worktree {}", worktree.display())).args(args).run().map(drop)
    };
    match state.in_progress {
        Some(InProgress::Rebase) => git(&["rebase", "--quit"])?,
        Some(InProgress::ApplyMailbox) => git(&["am", "--quit"])?,
        Some(InProgress::Bisect) => git(&["bisect", "reset"])?,
        Some(InProgress::Merge | InProgress::CherryPick | InProgress::Revert) | None => {}
    }
    git(&["reset", "--quiet", "--hard"])?;
    git(&["clean", "-ffdq"])?;
    let mut library = open_library(worktree)?;
    for stash in &state.stashes {
        drop_stash(&mut library, stash.oid)
            .map_err(Error::library(format!("drop a saved stash of {}", worktree.display())))?;
    }
    Ok(Some(saved))
}

/// Takes one stash off the stack, by what it is: its number may have changed.
fn drop_stash(library: &mut Repository, wanted: Oid) -> std::result::Result<(), git2::Error> {
    let mut number = None;
    library.stash_foreach(|at, _, oid| {
        if *oid == wanted {
            number = Some(at);
        }
        number.is_none()
    })?;
    match number {
        Some(number) => library.stash_drop(number),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        testing::Lab,
        worktree::{self, Removal},
    };

    #[test]
    fn a_worktree_is_emptied_only_into_safety_and_can_be_removed_then() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = worktree::ensure(&repo, &lab.path("docs"), "polecat/docs/a", lab.first).unwrap().path;
        fs::write(path.join("a.txt"), "stashed").unwrap();
        lab.git(&path, &["stash"]);
        fs::write(path.join("a.txt"), "changed").unwrap();
        fs::write(path.join("new.txt"), "new").unwrap();

        let save = || save_and_empty(&repo, &path, "docs", "a", &lab.path("bundles"));
        let saved = save().unwrap().expect("there is something to save");
        assert_eq!(lab.origin_head(&saved.branch), saved.oid);
        assert_eq!(lab.git(repo.path(), &["show", &format!("{}:new.txt", saved.branch)]), "new");
        assert!(status::status(&path).unwrap().is_clean());
        assert_eq!(save().unwrap(), None, "nothing is left to save");
        assert_eq!(worktree::remove(&repo, &path, lab.first).unwrap(), Removal::Removed);
    }

    #[test]
    fn a_merge_that_was_begun_is_ended_after_it_is_saved() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = worktree::ensure(&repo, &lab.path("docs"), "polecat/docs/a", lab.first).unwrap().path;
        crate::testing::commit_file(&path, "a.txt", "ours", "ours");
        lab.git(&path, &["checkout", "--quiet", "-b", "other", "HEAD~1"]);
        crate::testing::commit_file(&path, "a.txt", "theirs", "theirs");
        lab.git(&path, &["checkout", "--quiet", "polecat/docs/a"]);
        let merged = crate::testing::command(&path, &["merge", "other"]).output().unwrap();
        assert!(!merged.status.success(), "it conflicts");

        let saved = save_and_empty(&repo, &path, "docs", "a", &lab.path("bundles")).unwrap();
        assert!(saved.is_some());
        assert!(status::status(&path).unwrap().is_clean());
    }
}
