//! A worker's worktree: made for an assignment, looked at when the work is handed in, saved, removed.
//!
//! All of this blocks and touches only git; what it means is recorded by the worker.

use std::path::PathBuf;

use config::paths::TownPaths;
use git::publish::Published;
use git::rescue::Saved;
use git::worktree::{How, Removal};
use git::{CancelToken, Oid, Repo};
use ledger::views::agents::Sandbox;
use model::agent::Exit;
use model::ids::{AgentName, BeadId, RigName};
use model::refusal::{Class, Refusal};
use model::role::Address;

/// Where one worker's worktree is, and what belongs to it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The shared repository.
    pub repo: PathBuf,
    /// The worktree.
    pub folder: PathBuf,
    /// Where bundles go.
    pub bundles: PathBuf,
    /// The worker's name.
    pub name: AgentName,
    /// The branch that its work lands on.
    pub target: String,
    /// Where the worktree stands that came with the hook of another worker, until it is moved.
    pub came_from: Option<PathBuf>,
}

impl Place {
    /// The place of `name` in `rig`, with what the ledger knows of its worktree.
    pub fn of(
        paths: &TownPaths,
        rig: &RigName,
        name: &AgentName,
        target: &str,
        known: Option<&Sandbox>,
    ) -> Self {
        let rig = paths.rig(rig);
        let came_from = match known.and_then(|known| known.at.as_ref()) {
            Some(Address::Polecat(_, before)) => Some(rig.polecat(before)),
            _ => None,
        };
        Place {
            came_from,
            repo: rig.repo_git(),
            folder: rig.polecat(name),
            bundles: rig.bundles(),
            name: name.clone(),
            target: target.to_owned(),
        }
    }

    /// The branch for `bead`.
    pub fn branch(&self, bead: &BeadId) -> String {
        format!("polecat/{}/{bead}", self.name)
    }

    /// Opens the repository; a worktree that came from another worker stands in its new place then.
    fn open(&self, cancel: CancelToken) -> git::Result<Repo> {
        let repo = Repo::open(&self.repo)?.with_cancel(cancel);
        if let Some(before) = &self.came_from {
            git::worktree::relocate(&repo, before, &self.folder)?;
        }
        Ok(repo)
    }

    /// Sees to it that the worktree for `bead` is there. `known` is what the ledger knows of it.
    ///
    /// # Errors
    /// What git says; `Dirty` when another assignment's work is still in the folder.
    pub fn ensure(&self, bead: &BeadId, known: Option<&Sandbox>, cancel: CancelToken) -> git::Result<Made> {
        let repo = self.open(cancel)?;
        let known = known.filter(|known| known.bead == *bead);
        // Work that came from another worker stays on the branch that it began on.
        let branch = known.map_or_else(|| self.branch(bead), |known| known.branch.clone());
        // A first start works on what stands at the remote now, if that can be asked; what was fetched
        // last is good enough otherwise, since the merge is made on the remote's head in any case.
        let base = match known.and_then(|known| Oid::from_str(&known.base).ok()) {
            Some(base) => base,
            None => match repo.fetch_branch(&self.target) {
                Ok(head) => head,
                Err(error) if error.may_pass() => {
                    tracing::warn!(%error, "the remote does not answer; starting from what was fetched last");
                    repo.tracked_head(&self.target)?.ok_or(error)?
                }
                Err(error) => return Err(error),
            },
        };
        let made = git::worktree::ensure(&repo, &self.folder, &branch, base)?;
        let aside = match made.how {
            How::Repaired { rescued: Some(aside) } if !git::worktree::discard_copy(&aside, &self.folder) => {
                Some(aside)
            }
            _ => None,
        };
        Ok(Made { sandbox: Sandbox { bead: bead.clone(), branch, base: base.to_string(), at: None }, aside })
    }

    /// Looks at the worktree when its worker says that it is finished, and brings the branch to safety.
    ///
    /// Returns what is handed in; none when there is nothing to hand in.
    ///
    /// # Errors
    /// The refusal for the worker: uncommitted files, another branch, nothing done and no reason given.
    pub fn hand_in(
        &self,
        sandbox: &Sandbox,
        exit: Exit,
        has_reason: bool,
        cancel: CancelToken,
    ) -> Result<HandIn, Refusal> {
        let repo = self.open(cancel).map_err(broken)?;
        let state = git::status::status(&self.folder).map_err(broken)?;
        if exit == Exit::Completed {
            if let Some(what) = &state.in_progress {
                return Err(Refusal::forbidden(
                    "unfinished",
                    format!("a {what:?} is in progress in your worktree"),
                )
                .hint("finish or abort it, then say `gt done` again"));
            }
            let files = state.files();
            if !files.is_empty() {
                let shown: Vec<&str> = files.iter().take(8).map(String::as_str).collect();
                let more = files.len().saturating_sub(shown.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                return Err(Refusal::forbidden(
                    "dirty_worktree",
                    format!("there are uncommitted files: {}{more}", shown.join(", ")),
                )
                .hint("commit them (or remove what does not belong there), then say `gt done` again"));
            }
            if state.branch.as_deref() != Some(&sandbox.branch) {
                return Err(Refusal::forbidden(
                    "wrong_branch",
                    format!(
                        "your worktree is not on {} but on {}",
                        sandbox.branch,
                        state.branch.as_deref().unwrap_or("no branch")
                    ),
                )
                .hint(format!("bring your commits there: git checkout -B {} HEAD", sandbox.branch)));
            }
        }
        let saved = match exit {
            Exit::Completed => None,
            _ => self.save(&repo, &sandbox.bead).map_err(broken)?,
        };
        let head = repo.branch_head(&sandbox.branch).map_err(broken)?;
        let target = repo.tracked_head(&self.target).map_err(broken)?;
        let new = match (head, target) {
            (Some(head), Some(target)) => !repo.is_ancestor(head, target).map_err(broken)?,
            (head, _) => head.is_some(),
        };
        if !new {
            if exit == Exit::Completed && !has_reason {
                return Err(Refusal::forbidden(
                    "nothing_to_submit",
                    format!("{} has no commit of its own", sandbox.branch),
                )
                .hint("commit your work; if there is nothing to do, say why: gt done --reason \"...\""));
            }
            return Ok(HandIn { published: None, saved });
        }
        let published = git::publish::publish(&repo, &sandbox.branch, &self.bundles).map_err(broken)?;
        Ok(HandIn { published: Some(published), saved })
    }

    fn save(&self, repo: &Repo, bead: &BeadId) -> git::Result<Option<Saved>> {
        git::rescue::save(repo, &self.folder, self.name.as_str(), bead.as_str(), &self.bundles)
    }

    /// Saves what is nowhere else, then removes the worktree. The branch stays.
    ///
    /// # Errors
    /// What git says.
    pub fn clear(
        &self,
        sandbox: &Sandbox,
        cancel: CancelToken,
    ) -> Result<(Option<Saved>, Removal), git::Error> {
        let repo = self.open(cancel)?;
        let (mut saved, mut head) = (None, repo.branch_head(&sandbox.branch)?);
        if self.folder.exists() {
            let (name, bead) = (self.name.as_str(), sandbox.bead.as_str());
            saved = git::clear::save_and_empty(&repo, &self.folder, name, bead, &self.bundles)?;
            head = git::status::status(&self.folder)?.head;
        }
        // Also where the folder is gone: a removal that was cut short has leavings beside it.
        let removal = match head {
            Some(head) => git::worktree::remove(&repo, &self.folder, head)?,
            None => Removal::Removed,
        };
        Ok((saved, removal))
    }

    /// Removes worktree and branch of what has landed as `commit` on `target`.
    ///
    /// Work that came after the head that landed is saved first.
    ///
    /// # Errors
    /// What git says.
    pub fn clean_up(
        &self,
        sandbox: &Sandbox,
        commit: &str,
        target: &str,
        cancel: CancelToken,
    ) -> Result<CleanedUp, git::Error> {
        let repo = self.open(cancel)?;
        repo.fetch_branch(target)?;
        let mut saved = None;
        let landed = Oid::from_str(commit)
            .map_err(|source| git::Error::Library { doing: format!("read the commit {commit}"), source })?;
        if let Removal::Refused(why) = git::worktree::remove(&repo, &self.folder, landed)? {
            tracing::warn!(?why, folder = %self.folder.display(), "more was left than has landed; saving it");
            let (rescued, removal) = self.clear(sandbox, CancelToken::new())?;
            saved = rescued;
            if let Removal::Refused(why) = removal {
                return Ok(CleanedUp { saved, left: Some(format!("{why:?}")) });
            }
        }
        if let Some(head) = repo.branch_head(&sandbox.branch)?
            && let Err(kept) = git::landing::delete_branch(&repo, &sandbox.branch, head, target)?
        {
            tracing::warn!(?kept, branch = %sandbox.branch, "the branch is kept");
        }
        Ok(CleanedUp { saved, left: None })
    }
}

/// A worktree that is there.
#[derive(Debug)]
pub struct Made {
    /// The worktree.
    pub sandbox: Sandbox,
    /// Where files went that stood in its place and are nowhere else.
    pub aside: Option<PathBuf>,
}

/// What a worker's hand-in came to.
#[derive(Debug)]
pub struct HandIn {
    /// Where the branch is; none when there is nothing new on it.
    pub published: Option<Published>,
    /// Where unsaved files went, for work that is left unfinished.
    pub saved: Option<Saved>,
}

/// What cleaning up came to.
#[derive(Debug)]
pub struct CleanedUp {
    /// Work that came after the landed head.
    pub saved: Option<Saved>,
    /// Why the folder is still there.
    pub left: Option<String>,
}

/// The refusal for git that broke.
pub fn broken(error: git::Error) -> Refusal {
    let refusal = Refusal::new(Class::Failed, "git_failed", error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal.hint("nothing was handed in; say it again when that is repaired"),
    }
}
