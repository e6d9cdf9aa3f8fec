//! Whether a town has anything left to do by itself, and what only a person can do.

use std::collections::{BTreeMap, BTreeSet};

use ledger::views::Board;
use model::agent::AgentState;
use model::bead::Status;
use model::hook::Hook;
use model::ids::RigName;
use model::merge::MergeState;

use crate::standstill;

/// What is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// What the town will do by itself, one line each.
    pub busy: Vec<String>,
    /// What waits for a person, one line each.
    pub attention: Vec<String>,
}

impl Left {
    /// Looks at everything that was slung, hangs on a hook, is in a queue or in the post. `rigs` are those
    /// that are configured: nobody works for one that is not.
    pub fn of(board: &Board, rigs: &BTreeSet<RigName>) -> Left {
        let mut left = Left::default();
        let idle_rig = |rig: Option<&RigName>| rig.is_some_and(|rig| !rigs.contains(rig));
        let stopped =
            |rig: Option<&RigName>| rig.and_then(|rig| board.rigs.get(rig)).is_some_and(|rig| rig.stopped);
        left.attention.extend(standstill::frozen(board));
        // By rig: somebody wants it so, and a thousand lines would say no more than one.
        let mut closed: BTreeMap<String, usize> = BTreeMap::new();
        for waiting in board.hooks.all_waiting() {
            let Some(bead) = board.beads.get(&waiting.bead) else { continue };
            let blockers = board.beads.blockers(bead);
            if idle_rig(Some(&waiting.rig)) {
                left.attention.push(format!(
                    "{} waits for rig {}, whose configuration is missing or wrong",
                    bead.id, waiting.rig
                ));
            } else if bead.status != Status::Open {
                left.attention.push(format!("{} was slung but is {}", bead.id, bead.status));
            } else if board.trials.of(&bead.id).is_some_and(|trial| trial.is_spent()) {
                left.attention.push(format!("{} has failed too often: see `gastown why {0}`", bead.id));
            } else if let Some(why) = board.rigs.get(&waiting.rig).and_then(standstill::closed) {
                *closed.entry(why).or_default() += 1;
            } else if blockers.is_empty() {
                left.busy.push(format!("{} waits for a worker of {}", bead.id, waiting.rig));
            } else {
                let under_way = |id| board.hooks.waiting(id).is_some() || board.hooks.holder(id).is_some();
                let line = format!(
                    "{} waits for {}",
                    bead.id,
                    blockers.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
                );
                // What nobody works at will not finish by itself.
                let stuck = blockers.iter().any(|id| !under_way(id));
                if stuck { left.attention.push(line) } else { left.busy.push(line) }
            }
        }
        left.attention.extend(closed.into_iter().map(|(why, count)| match count {
            1 => format!("a bead waits: {why}"),
            _ => format!("{count} beads wait: {why}"),
        }));
        for hook in board.hooks.iter() {
            let agent = board.agents.get(&hook.agent);
            let state = board.agents.state(&hook.agent);
            let line = format!("{} is at {} ({})", hook.agent, hook.bead, hook.stage.as_str());
            let note = agent.and_then(|agent| agent.note.clone()).unwrap_or_default();
            if idle_rig(hook.agent.rig()) {
                left.attention.push(format!("{line}, and the configuration of its rig is missing or wrong"));
            } else if let Some(why) = closed_to(board, hook) {
                left.attention.push(format!("{line}: {why}"));
            } else if agent.is_some_and(|agent| agent.held) && hook.stage.wants_session() {
                left.attention.push(format!("{} is held back at {}", hook.agent, hook.bead));
            } else if state == AgentState::Failed {
                left.attention.push(format!("{} has failed at {}: {note}", hook.agent, hook.bead));
            } else if state == AgentState::Waiting {
                left.attention.push(format!("{} asks a person about {}: {note}", hook.agent, hook.bead));
            } else if state == AgentState::Starting && told(board, &hook.agent) {
                left.attention.push(format!("{} cannot start at {}: {note}", hook.agent, hook.bead));
            } else {
                // What holds it up is told with its request.
                let held = board.merges.of_bead(&hook.bead).is_some_and(|merge| {
                    matches!(merge.state, MergeState::Held { .. })
                        || merge.state.is_open() && crate::queue::needs_somebody(board, merge).is_some()
                });
                if !held {
                    left.busy.push(line);
                }
            }
        }
        for (address, agent) in board.agents.iter().filter(|(address, _)| board.hooks.of(address).is_none()) {
            let Some(sandbox) = &agent.sandbox else { continue };
            match &agent.leaving.at_risk {
                Some(risk) => left.attention.push(format!(
                    "work of {address} at {0} cannot be saved ({1}): see `gastown why {0}`, then `gastown recover {0}`",
                    sandbox.bead, risk.why
                )),
                None if idle_rig(address.rig()) => {}
                None if agent.given_up => left.attention.push(format!(
                    "the worktree of {address} for {} waits for its worker, which was given up: gastown agent start {address}",
                    sandbox.bead
                )),
                None => left.busy.push(format!("the worktree of {address} for {} is put in safety", sandbox.bead)),
            }
        }
        for merge in board.merges.iter() {
            match &merge.state {
                MergeState::Held { why, hint } => {
                    let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                    left.attention.push(format!("{} of {} cannot land: {why}{hint}", merge.id, merge.bead));
                }
                state if state.is_open() && idle_rig(Some(&merge.rig)) => {
                    left.attention.push(format!(
                        "{} waits for rig {}, whose configuration is missing or wrong",
                        merge.id, merge.rig
                    ));
                }
                state if state.is_open() && stopped(Some(&merge.rig)) => {
                    left.attention
                        .push(format!("{} waits for rig {}, which is stopped", merge.id, merge.rig));
                }
                state if state.is_open() && crate::queue::needs_somebody(board, merge).is_some() => {
                    let why = crate::queue::needs_somebody(board, merge).unwrap_or_default();
                    left.attention.push(format!("{} of {} waits: {why}", merge.id, merge.bead));
                }
                state if state.is_open() => left.busy.push(format!("{} is {}", merge.id, state.as_str())),
                _ => {}
            }
        }
        let unhandled = board.mail.all_unacked().filter(|post| post.letter.kind.is_for_code());
        let at_rest = |rig: Option<&RigName>| idle_rig(rig) || stopped(rig);
        for post in unhandled.filter(|post| !at_rest(post.letter.to.rig())) {
            left.busy.push(format!("{} to {} is not handled", post.letter.kind.name(), post.letter.to));
        }
        for (address, open) in crate::agents::without_verdict(board, |agent| !at_rest(agent.rig())) {
            left.busy.push(format!("session {} of {address} has no verdict", open.id));
        }
        // What is held stands above already.
        let held = |bead| {
            board.merges.of_bead(bead).is_some_and(|merge| matches!(merge.state, MergeState::Held { .. }))
        };
        for escalation in board.escalations.open().filter(|known| !known.bead.as_ref().is_some_and(held)) {
            left.attention.push(format!("[{}] {}", escalation.severity, escalation.subject));
        }
        left.attention.extend(crate::escalations::undelivered(board));
        left.busy.extend(crate::escalations::untold(board));
        left
    }
}

/// Why the worker of `hook` is not to go on with it, when its rig is halted and its session is over.
fn closed_to(board: &Board, hook: &Hook) -> Option<String> {
    let rig = board.rigs.get(hook.agent.rig()?)?;
    let over = board.agents.get(&hook.agent).is_none_or(|agent| agent.session.is_none());
    let waits = over && rig.is_halted() && hook.stage.wants_session();
    if waits || rig.stopped { standstill::closed(rig) } else { None }
}

/// Whether a person has been told that something is wrong with `agent`, and has not taken note.
fn told(board: &Board, agent: &model::role::Address) -> bool {
    board.escalations.open().any(|escalation| escalation.agent.as_ref() == Some(agent))
}
