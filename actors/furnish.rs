//! What worktrees of a rig get besides the files of their branch, as its configuration says (`worktree`).
//!
//! Workers' worktrees and those of gate runs have copied files, submodules, and ports; the set-up is for workers alone,
//! since a gate is a command anyway. All of this blocks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::paths::TownPaths;
use config::rig::{RigConfig, WorktreeRules};
use git::gate::Verdict;
use git::{CancelToken, Repo};
use model::refusal::Refusal;
use model::role::Address;

use crate::tools::Tools;

/// Lines of a set-up's output that a person is told.
const EXCERPT: usize = 12;

/// What is done in each worktree of one rig.
#[derive(Debug, Clone)]
pub(crate) struct Furnishing {
    rules: WorktreeRules,
    /// Where copied files are looked for.
    sources: Vec<PathBuf>,
}

impl Furnishing {
    /// What `config` says.
    pub(crate) fn of(paths: &TownPaths, config: &RigConfig) -> Self {
        let mut sources = vec![paths.rig(&config.name).files()];
        let origin = Path::new(&config.git_url);
        // A folder on this machine with a working tree: what is beside its files is at hand.
        if origin.is_absolute() && origin.join(".git").exists() {
            sources.push(origin.to_owned());
        }
        Self { rules: config.worktree.clone(), sources }
    }

    /// Brings what the worktree at `folder` needs and has not got.
    ///
    /// * `force` - whether changes in submodules go: only where nobody works.
    ///
    /// # Errors
    /// What git says; `NoSource` when a file is nowhere.
    pub(crate) fn bring(&self, repo: &Repo, folder: &Path, force: bool) -> git::Result<()> {
        git::furnish::bring(repo, folder, &self.rules.copy, &self.sources)?;
        if self.rules.submodules {
            git::furnish::submodules(repo, folder, force)?;
        }
        Ok(())
    }

    /// The variables that tell what runs in `folder` which ports are its own; none when ports are not given out.
    pub(crate) fn ports(&self, repo: &Repo, folder: &Path) -> git::Result<BTreeMap<String, String>> {
        let Some(ports) = self.rules.ports else { return Ok(BTreeMap::new()) };
        let range = ports.of(git::furnish::number(repo, folder)?);
        if range.is_none() {
            tracing::warn!(folder = %folder.display(), "no ports are left for a worktree");
        }
        let range = range.into_iter().flat_map(|(first, last)| {
            [
                ("GASTOWN_PORT".to_owned(), first.to_string()),
                ("GASTOWN_PORT_LAST".to_owned(), last.to_string()),
            ]
        });
        Ok(range.collect())
    }

    /// Runs the set-up in a worker's worktree, if that was not done there yet.
    ///
    /// # Errors
    /// The refusal of the session that was to begin there.
    pub(crate) fn set_up(
        &self,
        repo: &Repo,
        folder: &Path,
        (env, log): (&BTreeMap<String, String>, &Path),
        cancel: &CancelToken,
    ) -> Result<(), Refusal> {
        let Some(setup) = &self.rules.setup else { return Ok(()) };
        if git::furnish::is_set_up(repo, folder, setup) {
            return Ok(());
        }
        let run = git::gate::run(setup, folder, env, self.rules.setup_timeout, log, Some(cancel));
        let said = match run.verdict {
            Verdict::Passed => {
                return git::furnish::note_set_up(repo, folder, setup)
                    .map_err(crate::polecat::sandbox::broken);
            }
            Verdict::Cancelled => return Err(Refusal::failed("stopping", "the set-up was ended")),
            Verdict::Failed { code } => format!("exit code {code}"),
            Verdict::Signalled { signal } => format!("signal {signal}"),
            Verdict::TimedOut => format!("timed out after {} s", self.rules.setup_timeout.as_secs()),
            Verdict::CannotStart { error } => error,
        };
        let text = format!("its set-up failed: {said}\n{}", git::gate::excerpt(log, EXCERPT));
        let hint = format!(
            "mend `worktree.setup` in the rig's config.json or what it needs; it is tried again. Log: {}",
            log.display()
        );
        Err(Refusal::failed("setup_failed", text).hint(hint))
    }
}

/// The ports of a worker's worktree, as its sessions find them in their environment.
pub(crate) fn ports(tools: &Tools, agent: &Address, folder: &Path) -> BTreeMap<String, String> {
    let Address::Polecat(rig, _) = agent else { return BTreeMap::new() };
    let town = tools.town();
    let Ok(config) = town.rig(rig) else { return BTreeMap::new() };
    let furnishing = Furnishing::of(&tools.paths, config);
    if furnishing.rules.ports.is_none() {
        return BTreeMap::new();
    }
    let asked = Repo::open(tools.paths.rig(rig).repo_git()).and_then(|repo| furnishing.ports(&repo, folder));
    asked.unwrap_or_else(|error| {
        tracing::warn!(%error, %agent, "a worker has no ports of its own");
        BTreeMap::new()
    })
}
