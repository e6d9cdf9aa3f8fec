//! Taking a project in: clone, folders, configuration, record. Shared by the living town and the
//! offline carrier; blocks.

use clerk::capacity::Limits;
use clerk::draft::Draft;
use clerk::waits::Known;
use config::live::{LiveConfig, TownConfig};
use config::paths::TownPaths;
use config::rig::{Gate, RigConfig};
use git::{CancelToken, Repo};
use ledger::views::Board;
use model::answer::{Answer, RigRow};
use model::command::NewRig;
use model::event::Event;
use model::ids::{Prefix, RigName};
use model::refusal::{Class, Refusal};
use model::time::Timestamp;

/// What has been prepared on disk and is now to be recorded.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The rig as it will be configured.
    pub config: RigConfig,
}

/// Looks whether the rig can be taken in at all, before anything is cloned.
///
/// # Errors
/// `rig_exists`, `prefix_in_use`.
pub fn check(config: &LiveConfig, new: &NewRig) -> Result<Prefix, Refusal> {
    let town = config.current();
    if town.rigs.contains_key(&new.name) {
        return Err(Refusal::forbidden("rig_exists", format!("there is a rig called {} already", new.name))
            .hint("see `gastown rig list`"));
    }
    for gate in &new.gates {
        if gate.name.trim().is_empty() || gate.cmd.trim().is_empty() {
            return Err(Refusal::usage("a gate is NAME=COMMAND").hint("for instance --gate 'test=make test'"));
        }
    }
    let mut names: Vec<&str> = new.gates.iter().map(|gate| gate.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Refusal::usage(format!("two gates are called {:?}", twice[0])));
    }
    if let Some(preset) = &new.preset {
        town.presets.get(preset)?;
    }
    if new.max_workers == Some(0) {
        return Err(Refusal::usage("a rig needs at least one worker at a time"));
    }
    match &new.prefix {
        Some(prefix) => {
            if *prefix == Prefix::town() {
                return Err(Refusal::forbidden("prefix_in_use", "the prefix hq belongs to the town itself"));
            }
            town.check_prefix(prefix)?;
            Ok(prefix.clone())
        }
        None => suggest(&town, new),
    }
}

/// A prefix from the name; when that is taken, the whole name, then numbered.
fn suggest(town: &config::live::TownConfig, new: &NewRig) -> Result<Prefix, Refusal> {
    let short = Prefix::suggest(&new.name);
    let long: String = new.name.as_str().to_lowercase().replace('_', "-").chars().take(16).collect();
    let candidates =
        std::iter::once(short.to_string()).chain([long]).chain((2..100).map(|n| format!("{short}{n}")));
    let mut last = None;
    for candidate in candidates {
        let Ok(prefix) = candidate.trim_end_matches('-').parse::<Prefix>() else { continue };
        if prefix == Prefix::town() {
            continue;
        }
        match town.check_prefix(&prefix) {
            Ok(()) => return Ok(prefix),
            Err(refusal) => last = Some(refusal),
        }
    }
    Err(last
        .unwrap_or_else(|| Refusal::usage("no prefix can be made from the name"))
        .hint("give one with --prefix"))
}

/// Clones the project and writes its folders and configuration. What fails leaves nothing behind.
///
/// # Errors
/// What git or the disk says, as a refusal with a hint.
pub fn prepare(
    paths: &TownPaths,
    new: &NewRig,
    prefix: Prefix,
    cancel: CancelToken,
    progress: &mut dyn FnMut(&str),
) -> Result<Prepared, Refusal> {
    config::install::create_rig_folders(paths, &new.name)?;
    let rig = paths.rig(&new.name);
    let made = fill(paths, new, prefix, cancel, progress);
    if made.is_err() {
        // Only what this call has made: the folder did not exist before it.
        if let Err(error) = std::fs::remove_dir_all(rig.root()) {
            tracing::warn!(%error, folder = %rig.root().display(), "cannot remove what was begun");
        }
    }
    made
}

fn fill(
    paths: &TownPaths,
    new: &NewRig,
    prefix: Prefix,
    cancel: CancelToken,
    progress: &mut dyn FnMut(&str),
) -> Result<Prepared, Refusal> {
    let rig = paths.rig(&new.name);
    let repo = Repo::clone_bare_until(&new.url, rig.repo_git(), progress, Some(cancel)).map_err(refusal)?;
    let branch = match &new.branch {
        Some(branch) => branch.clone(),
        None => repo.default_branch().map_err(refusal)?,
    };
    let head = repo.fetch_branch(&branch).map_err(refusal)?;
    git::worktree::reference(&repo, &rig.mayor_rig(), head).map_err(refusal)?;
    let url = repo.remote_url().map_err(refusal)?;
    let mut config = RigConfig::new(new.name.clone(), url, prefix);
    config.default_branch = branch;
    config.gates = new.gates.iter().map(|gate| Gate::new(gate.name.trim(), gate.cmd.trim())).collect();
    if let Some(most) = new.max_workers {
        config.max_workers = u32::try_from(most).unwrap_or(u32::MAX);
    }
    config.agent.clone_from(&new.preset);
    config.write(paths)?;
    Ok(Prepared { config })
}

/// The refusal for git that broke.
fn refusal(error: git::Error) -> Refusal {
    let (class, code) = match &error {
        git::Error::NotARepository { .. } => (Class::NotFound, "not_a_repository"),
        git::Error::EmptyRepository { .. } => (Class::Failed, "empty_repository"),
        git::Error::NoSuchBranch { .. } => (Class::NotFound, "no_such_branch"),
        git::Error::Unreachable { .. } => (Class::Failed, "unreachable"),
        _ => (Class::Failed, "git_failed"),
    };
    let refusal = Refusal::new(class, code, error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// The event that takes the rig in.
pub fn record(draft: &mut Draft<'_>, prepared: &Prepared) {
    let config = &prepared.config;
    draft.push(Event::RigAdded {
        rig: config.name.clone(),
        git_url: config.git_url.clone(),
        prefix: config.prefix().clone(),
        branch: config.default_branch.clone(),
    });
}

/// Enters the rig in the town's list, after it is recorded.
///
/// # Errors
/// What the disk says.
pub fn register(paths: &TownPaths, prepared: &Prepared, now: Timestamp) -> Result<(), Refusal> {
    Ok(config::town::register_rig(paths, &prepared.config, now)?)
}

/// Rigs that the configuration has and the ledger does not know yet: discovered folders.
pub fn undiscovered(board: &Board, config: &LiveConfig) -> Vec<RigConfig> {
    let town = config.current();
    town.rigs.values().filter(|rig| board.rigs.get(&rig.name).is_none()).cloned().collect()
}

/// What is wrong with the configuration, one line each, for `status`.
pub fn complaints(config: &LiveConfig) -> Vec<String> {
    let told =
        |complaint: config::live::Complaint| format!("{}: {}", complaint.file.display(), complaint.text);
    config.complaints().into_iter().map(told).collect()
}

/// A rig as data.
pub fn row(config: &RigConfig) -> RigRow {
    RigRow {
        name: config.name.clone(),
        git_url: config.git_url.clone(),
        prefix: config.prefix().to_string(),
        default_branch: config.default_branch.clone(),
        max_workers: config.max_workers as usize,
        parked: false,
        pause: None,
        stopped: false,
        working: 0,
        open: 0,
        waiting: 0,
        gates: config.gates.iter().map(|gate| gate.name.clone()).collect(),
    }
}

/// What the board does not know of a rig, as `why` wants it; none when it is not configured.
pub fn known(town: &TownConfig, rig: &RigName, memory: Option<String>) -> Option<Known> {
    let delay = town.rig(rig).ok()?.worker_spawn_delay;
    Some(Known { limits: limits(town, rig).ok()?, delay, memory })
}

/// How many workers of `rig` may be at work, and of all rigs together.
///
/// # Errors
/// `no_such_rig`, when it is not configured.
pub fn limits(town: &TownConfig, rig: &RigName) -> Result<Limits, Refusal> {
    let most = |most: u32| usize::try_from(most).unwrap_or(usize::MAX);
    Ok(Limits { rig: most(town.rig(rig)?.max_workers), town: town.town.max_workers.map(most) })
}

/// The answer to `rig add`.
pub fn answer(prepared: &Prepared) -> Answer {
    Answer::Rig(row(&prepared.config))
}
