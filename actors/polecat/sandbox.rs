//! A worker's worktree: made for an assignment, looked at when the work is handed in, saved, removed.
//!
//! All of this blocks and touches only git; what it means is recorded by the worker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::paths::TownPaths;
use git::left::Left;
use git::publish::Published;
use git::rescue::Saved;
use git::worktree::{How, Removal};
use git::{CancelToken, Oid, Repo};
use ledger::views::agents::Sandbox;
use model::agent::Exit;
use model::ids::{AgentName, BeadId, RigName};
use model::refusal::{Class, Refusal};
use model::role::Address;
use model::story::Kept;

use crate::furnish::Furnishing;

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

    /// Sees to it that the worktree for `bead` is there. `known` is what the ledger knows of it, `left` where an
    /// earlier assignment has left its work.
    ///
    /// # Errors
    /// What git says; `Dirty` when another assignment's work is still in the folder.
    pub fn ensure(
        &self,
        bead: &BeadId,
        known: Option<&Sandbox>,
        left: Option<&Kept>,
        label: &str,
        cancel: CancelToken,
    ) -> git::Result<Made> {
        let repo = self.open(cancel)?;
        let known = known.filter(|known| known.bead == *bead);
        // Work that came from another worker stays on the branch that it began on.
        let branch = known.map_or_else(|| self.branch(bead), |known| known.branch.clone());
        let taken_up = self.take_up(&repo, &branch, known.is_some(), left)?;
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
        let base = match taken_up.filter(|_| known.is_none()) {
            Some(head) => git::left::parted(&repo, head, base)?,
            None => base,
        };
        let mut rescued = None;
        let mut made = git::worktree::ensure(&repo, &self.folder, &branch, base)?;
        if known.is_none() && made.how == How::FoundElsewhere {
            // What stands here is of an assignment that the ledger does not know.
            let name = self.name.as_str();
            let (saved, removal) =
                git::clear::save_and_remove(&repo, &self.folder, name, label, &self.bundles)?;
            if removal != Removal::Removed {
                return Err(git::Error::Dirty { path: self.folder.clone(), files: Vec::new() });
            }
            rescued = saved;
            made = git::worktree::ensure(&repo, &self.folder, &branch, base)?;
        }
        let aside = match made.how {
            How::Repaired { rescued: Some(aside) } if !git::worktree::discard_copy(&aside, &self.folder) => {
                Some(aside)
            }
            _ => None,
        };
        let sandbox = Sandbox { bead: bead.clone(), branch, base: base.to_string(), at: None };
        Ok(Made { sandbox, aside, rescued })
    }

    /// Lets `branch` begin where an earlier assignment has stopped; returns that head. A branch of this assignment
    /// that is gone here is looked for at the remote.
    fn take_up(
        &self,
        repo: &Repo,
        branch: &str,
        begun: bool,
        left: Option<&Kept>,
    ) -> git::Result<Option<Oid>> {
        if begun && repo.branch_head(branch)?.is_some() {
            return Ok(None);
        }
        let own = Left { branch, commit: None, bundle: None };
        let earlier = left.map(|left| Left {
            branch: &left.branch,
            commit: left.commit.as_deref().and_then(|commit| Oid::from_str(commit).ok()),
            bundle: left.bundle.as_deref().map(Path::new),
        });
        for left in begun.then_some(own).into_iter().chain(earlier) {
            match git::left::find(repo, &left)? {
                Some(head) if git::left::take_up(repo, branch, head)? => return Ok(Some(head)),
                _ => tracing::warn!(branch, left = left.branch, "what was left there cannot be gone on with"),
            }
        }
        Ok(None)
    }

    /// Files of the worktree, and what has been begun there, that are neither committed nor saved.
    ///
    /// # Errors
    /// What git says.
    pub fn unsaved(&self) -> git::Result<Vec<String>> {
        if !self.folder.exists() || !git::rescue::is_pending(&self.folder, self.name.as_str())? {
            return Ok(Vec::new());
        }
        let state = git::status::status(&self.folder)?;
        let mut unsaved = state.files();
        unsaved.extend(state.stashes.iter().map(|stash| format!("stash: {}", stash.message)));
        unsaved.extend(state.in_progress.iter().map(|begun| format!("{begun:?} in progress")));
        if unsaved.is_empty() {
            unsaved.push("commits on no branch".to_owned());
        }
        Ok(unsaved)
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
        label: &str,
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
            _ => self.save(&repo, label).map_err(broken)?,
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

    fn save(&self, repo: &Repo, label: &str) -> git::Result<Option<Saved>> {
        git::rescue::save(repo, &self.folder, self.name.as_str(), label, &self.bundles)
    }

    /// Saves what is nowhere else, then removes the worktree. The branch stays, if it has work of its own.
    ///
    /// * `label` - a name for what is saved: when.
    ///
    /// # Errors
    /// What git says; then the worktree stands as it stood.
    pub fn clear(&self, sandbox: &Sandbox, label: &str, cancel: CancelToken) -> git::Result<Cleared> {
        let repo = self.open(cancel)?;
        let name = self.name.as_str();
        // Also where the folder is gone: a removal that was cut short has leavings beside it.
        let (saved, removal) = git::clear::save_and_remove(&repo, &self.folder, name, label, &self.bundles)?;
        let left = match removal {
            Removal::Removed => git::left::forget_if_empty(&repo, &sandbox.branch, &self.target)?,
            Removal::Refused(_) => None,
        };
        let mut saved: Vec<Saved> = saved.into_iter().collect();
        // A runtime that died may have saved it and not have said so.
        for (branch, oid) in git::rescue::of_branch(&repo, name, &sandbox.branch)? {
            if saved.iter().all(|known| known.oid != oid) {
                let bundle = git::rescue::bundle_of(&branch, oid, &self.bundles);
                saved.push(Saved { branch, oid, pushed: bundle.is_none(), bundle, why: None });
            }
        }
        Ok(Cleared { saved, removal, left: left.map(|head| head.to_string()) })
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
        (commit, target): (&str, &str),
        label: &str,
        cancel: CancelToken,
    ) -> Result<CleanedUp, git::Error> {
        let repo = self.open(cancel)?;
        repo.fetch_branch(target)?;
        let mut saved = Vec::new();
        let landed = Oid::from_str(commit)
            .map_err(|source| git::Error::Library { doing: format!("read the commit {commit}"), source })?;
        if let Removal::Refused(why) = git::worktree::remove(&repo, &self.folder, landed)? {
            tracing::warn!(?why, folder = %self.folder.display(), "more was left than has landed; saving it");
            let cleared = self.clear(sandbox, label, CancelToken::new())?;
            saved = cleared.saved;
            if let Removal::Refused(why) = cleared.removal {
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

/// What a worktree needs besides the files of its branch, and how its set-up is run.
#[derive(Debug)]
pub(crate) struct Outfit {
    /// What the rig's configuration says.
    pub furnishing: Furnishing,
    /// For the set-up.
    pub env: BTreeMap<String, String>,
    /// Where the output of the set-up goes.
    pub log: PathBuf,
}

impl Outfit {
    /// Brings all of it to the worktree at `place`.
    ///
    /// # Errors
    /// The refusal of the session that was to begin there.
    pub(crate) fn put_on(mut self, place: &Place, cancel: &CancelToken) -> Result<(), Refusal> {
        let repo = Repo::open(&place.repo).map_err(broken)?.with_cancel(cancel.clone());
        self.furnishing.bring(&repo, &place.folder, false).map_err(broken)?;
        self.env.extend(self.furnishing.ports(&repo, &place.folder).map_err(broken)?);
        self.furnishing.set_up(&repo, &place.folder, (&self.env, &self.log), cancel)
    }
}

/// A worktree that is there.
#[derive(Debug)]
pub struct Made {
    /// The worktree.
    pub sandbox: Sandbox,
    /// Where files went that stood in its place and are nowhere else.
    pub aside: Option<PathBuf>,
    /// What was saved of another worktree that stood in its place.
    pub rescued: Option<Saved>,
}

/// What a worker's hand-in came to.
#[derive(Debug)]
pub struct HandIn {
    /// Where the branch is; none when there is nothing new on it.
    pub published: Option<Published>,
    /// Where unsaved files went, for work that is left unfinished.
    pub saved: Option<Saved>,
}

/// What became of a worktree that had to go.
#[derive(Debug)]
pub struct Cleared {
    /// What was saved out of it, now or before.
    pub saved: Vec<Saved>,
    /// Whether it is gone.
    pub removal: Removal,
    /// The head of its branch, if that has work that has not landed.
    pub left: Option<String>,
}

/// What cleaning up came to.
#[derive(Debug)]
pub struct CleanedUp {
    /// Work that came after the landed head.
    pub saved: Vec<Saved>,
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
