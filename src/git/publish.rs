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
    let path = rescue::bundle(repo, branch, oid, bundle_dir)?;
    Ok(Published::Bundled { path, oid, why })
}

/// Pushes until the remote has `oid`; answers with why it has not.
fn attempt(repo: &Repo, branch: &str, oid: Oid) -> Result<Result<Option<String>, String>> {
    let mut saved = None;
    let mut why = String::new();
    // The branch may be moved between our look and our push; the lease tells, and we look again.
    for _ in 0..3 {
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
    let free = (1_u32..).map(|n| format!("{base}{n}"));
    let is_taken = |name: &String| taken.iter().any(|(found, _)| name_of(found).as_ref() == Some(name));
    let Some(name) = free.skip_while(|name| is_taken(name)).next() else {
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
