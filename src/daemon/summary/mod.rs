//! What came of a run: read from the event log afterwards, not remembered on the way.

mod chronicle;
mod text;

use std::collections::BTreeSet;
use std::fmt;

use clerk::idle::Left;
use clerk::reports::cannot_read;
use config::{LiveConfig, TownPaths};
use ledger::Store;
use ledger::feed::CHUNK;
use ledger::views::Board;
use model::bead::Status;
use model::ids::{BeadId, MergeId, RigName, Seq};
use model::merge::MergeState;
use model::refusal::Refusal;
use model::role::Address;
use serde::Serialize;

use chronicle::Chronicle;

/// Commits of a target branch that are listed.
const COMMITS: usize = 100;

/// What came of a run, as `--json` prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Where the town lies.
    pub(crate) town: String,
    /// The exit code that follows from this.
    pub(crate) exit: u8,
    /// What landed during the run, in this order.
    pub(crate) landed: Vec<Landed>,
    /// What was to land and has not.
    pub(crate) not_landed: Vec<NotLanded>,
    /// What needs a person, one line each.
    pub(crate) attention: Vec<String>,
    /// What to type to look at it.
    pub(crate) commands: Vec<String>,
    /// From the first record of the run to the last.
    pub(crate) duration_ms: u64,
    /// The commits of the target branches on their first-parent line, newest first.
    pub(crate) first_parent: Vec<String>,
}

/// A bead that landed, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Landed {
    /// Which.
    pub(crate) bead: BeadId,
    /// Its title.
    pub(crate) title: String,
    /// Where.
    pub(crate) rig: Option<RigName>,
    /// On which branch.
    pub(crate) target: String,
    /// Who made it.
    pub(crate) polecat: Address,
    /// Its merge request.
    pub(crate) merge: MergeId,
    /// The commit on the target branch.
    pub(crate) merge_commit: String,
    /// How often it was handed in.
    pub(crate) attempts: u32,
    /// Why it was given back, once for each time.
    pub(crate) given_back: Vec<String>,
    /// From the sling to the hook.
    pub(crate) waiting_ms: u64,
    /// On the hook, until handed in; all attempts together.
    pub(crate) work_ms: u64,
    /// In the merge queue without the gates; all attempts together.
    pub(crate) queued_ms: u64,
    /// In gates; all attempts together.
    pub(crate) gate_ms: u64,
    /// From the sling to the landing.
    pub(crate) total_ms: u64,
}

/// A bead that was to land and has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NotLanded {
    /// Which.
    pub(crate) bead: BeadId,
    /// Its title.
    pub(crate) title: String,
    /// How far it has come.
    pub(crate) state: String,
    /// What is in the way.
    pub(crate) why: String,
}

/// What a run was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Until nothing is left to do.
    Idle,
    /// That every bead lands.
    AllLand,
}

impl Summary {
    /// Reads the log of `store`: what happened after the record `since`, and how it stands now.
    ///
    /// # Errors
    /// `cannot_read`, when the log cannot be read.
    pub(crate) fn of(store: &Store, config: &LiveConfig, since: Seq, aim: Aim) -> Result<Summary, Refusal> {
        let paths = config.paths();
        let rigs = config.current().rigs.keys().cloned().collect();
        let mut chronicle = Chronicle::since(since);
        let mut next = Seq(1);
        loop {
            let records = store.events(next, CHUNK).map_err(|error| cannot_read(&error))?;
            let Some(last) = records.last() else { break };
            next = last.seq.next();
            records.iter().for_each(|record| chronicle.take(record));
        }
        let mut summary = store.read(|board| Self::told(&chronicle, board, &rigs, aim));
        summary.town = paths.root().display().to_string();
        summary.first_parent = first_parent(store, paths);
        summary.commands = commands(&summary, paths);
        Ok(summary)
    }

    fn told(chronicle: &Chronicle, board: &Board, rigs: &BTreeSet<RigName>, aim: Aim) -> Summary {
        let title = |bead: &BeadId| board.beads.get(bead).map(|bead| bead.title.clone()).unwrap_or_default();
        let landed =
            chronicle.landed().map(|landed| Landed { title: title(&landed.bead), ..landed }).collect();
        let not_landed: Vec<NotLanded> =
            chronicle.begun().filter_map(|bead| stands(board, bead, chronicle.last_reason(bead))).collect();
        let left = Left::of(board, rigs);
        let clean = left.busy.is_empty() && left.attention.is_empty();
        let exit = match aim {
            Aim::Idle => u8::from(!clean),
            Aim::AllLand => u8::from(!clean || !not_landed.is_empty()),
        };
        Summary {
            exit,
            landed,
            not_landed,
            attention: left.attention,
            duration_ms: chronicle.duration_ms(),
            ..Summary::default()
        }
    }
}

/// How a bead stands that was to land; none when it is closed, or was taken back and waits for nobody.
fn stands(board: &Board, id: &BeadId, reason: Option<&str>) -> Option<NotLanded> {
    let bead = board.beads.get(id).filter(|bead| bead.status != Status::Closed)?;
    let (hook, waiting) = (board.hooks.on(id), board.hooks.waiting(id));
    if hook.is_none() && waiting.is_none() && bead.status == Status::Open {
        return None;
    }
    let merge = board.merges.of_bead(id).filter(|_| hook.is_some());
    let note = hook.and_then(|hook| board.agents.get(&hook.agent)).and_then(|agent| agent.note.clone());
    let why = match merge.map(|merge| &merge.state) {
        Some(MergeState::Rejected { rejection }) => Some(rejection.headline()),
        Some(MergeState::Held { why, .. } | MergeState::Withdrawn { why }) => Some(why.clone()),
        _ => None,
    };
    let blockers = board.beads.blockers(bead);
    let waits = (!blockers.is_empty())
        .then(|| format!("waits for {}", blockers.iter().map(BeadId::as_str).collect::<Vec<_>>().join(", ")));
    let state = match (hook, waiting) {
        (Some(hook), _) => format!("{} at {}", hook.stage.as_str(), hook.agent),
        (None, Some(waiting)) => format!("waiting for a worker of {}", waiting.rig),
        (None, None) => bead.status.to_string(),
    };
    Some(NotLanded {
        bead: id.clone(),
        title: bead.title.clone(),
        state,
        why: why.or(note).or(waits).or(reason.map(str::to_owned)).unwrap_or_default(),
    })
}

/// The first-parent lines of all rigs' target branches, as last seen at the remote.
fn first_parent(store: &Store, paths: &TownPaths) -> Vec<String> {
    let rigs = store.read(|board| {
        board.rigs.iter().map(|rig| (rig.name.clone(), rig.branch.clone())).collect::<Vec<_>>()
    });
    let line = |(rig, branch): &(RigName, String)| -> git::Result<Vec<String>> {
        let repo = git::Repo::open(paths.rig(rig).repo_git())?;
        let Some(head) = repo.tracked_head(branch)? else { return Ok(Vec::new()) };
        Ok(repo.first_parent_log(head, COMMITS)?.into_iter().map(|entry| entry.oid.to_string()).collect())
    };
    rigs.iter()
        .flat_map(|rig| {
            line(rig).unwrap_or_else(|error| {
                tracing::warn!(rig = %rig.0, %error, "cannot read the commits of a rig");
                Vec::new()
            })
        })
        .collect()
}

/// What to type to look at the town: its own `bin` is named, since the program need not be on PATH.
fn commands(summary: &Summary, paths: &TownPaths) -> Vec<String> {
    let mut commands =
        vec![format!("cd {}", quoted(&paths.root().display().to_string())), "bin/gastown status".to_owned()];
    if let Some(bead) = summary.not_landed.first().map(|bead| &bead.bead) {
        commands.push(format!("bin/gastown why {bead}"));
    } else if let Some(landed) = summary.landed.iter().max_by_key(|landed| landed.attempts) {
        commands.push(format!("bin/gastown why {}", landed.bead));
    }
    if let Some(Landed { rig: Some(rig), target, .. }) = summary.landed.first() {
        let repo = paths.rig(rig).repo_git();
        let repo = repo.strip_prefix(paths.root()).unwrap_or(&repo).display().to_string();
        commands.push(format!("git -C {} log --graph --oneline origin/{target}", quoted(&repo)));
    }
    commands.push("bin/gastown events".to_owned());
    commands
}

/// `text` for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::render(self, f)
    }
}

#[cfg(test)]
mod tests;
