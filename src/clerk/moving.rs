//! A bead that goes, with its worktree, from one hook to another: because somebody says so, or because its worker
//! is gone.
//!
//! Nobody's consent is needed but the ledger's: the worker that has it ends its session when it sees that its hook
//! is empty, the one that gets it begins when that session is gone. So a worker can hand its work to a neighbour
//! when no Witness lives.

use ledger::views::Board;
use model::agent::AgentState;
use model::answer::{Answer, ReassignedReport};
use model::command::Origin;
use model::event::Event;
use model::hook::Hook;
use model::ids::{AgentName, BeadId, RigName};
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::{Address, Role};

use crate::agents;
use crate::beads;
use crate::draft::Draft;
use crate::hooks;
use crate::names;
use crate::strategy::{self, Rules};

/// Gives `bead` to another worker of its rig: to `to`, or to whoever of `pool` is free.
///
/// # Errors
/// `not_hooked`, `not_yours`, `already_submitted`, `hook_taken`, `other_rig`, `already_there`; `no_such_bead`,
/// `no_such_agent` with near matches.
pub fn reassign(
    draft: &mut Draft<'_>,
    origin: &Origin,
    bead: &BeadId,
    to: Option<&str>,
    reason: Option<&str>,
    pool: &[AgentName],
) -> Result<Answer, Refusal> {
    let board = draft.board;
    beads::find(board, bead)?;
    let Some(hook) = board.hooks.on(bead) else {
        return Err(Refusal::forbidden("not_hooked", format!("{bead} hangs on nobody's hook"))
            .hint(format!("hand it out with `gastown sling {bead} RIG/WORKER`")));
    };
    let from = hook.agent.clone();
    let (Address::Polecat(rig, _), actor) = (&from, origin.actor()) else {
        return Err(Refusal::forbidden("not_a_worker", format!("{from} is no worker of a rig"))
            .hint(format!("take it back first: gastown unsling {bead} --force")));
    };
    let may = match origin {
        Origin::Operator { .. } | Origin::Actor(_) => true,
        Origin::Session { agent, .. } => {
            *agent == from
                || matches!(agent.role(), Role::Mayor | Role::Deacon)
                || *agent == Address::Witness(rig.clone())
        }
    };
    if !may {
        return Err(Refusal::forbidden(
            "not_yours",
            format!("{bead} hangs on the hook of {from}, not on yours"),
        )
        .hint(format!("ask for it: gt mail send {from} --kind help -s SUBJECT -m BODY")));
    }
    if !hook.stage.wants_session() {
        return Err(Refusal::forbidden(
            "already_submitted",
            format!("{bead} has been handed in: the merge queue has it"),
        )
        .hint("see `gastown mq list`"));
    }
    let to = match to {
        Some(text) => worker(board, rig, text)?,
        None => hooks::another_worker(board, &from, pool, draft.now)
            .ok_or_else(|| Refusal::forbidden("hook_taken", format!("nobody is free in {rig}")))?,
    };
    if to == from {
        return Err(Refusal::forbidden("already_there", format!("{bead} hangs on the hook of {to} already"))
            .hint("name another worker, or none to let the rig choose"));
    }
    if !hooks::is_free(board, &to) {
        let why = match board.hooks.of(&to) {
            Some(hook) => format!("{} hangs on its hook", hook.bead),
            None => "it is held back, or its last worktree is still there".to_owned(),
        };
        return Err(Refusal::forbidden("hook_taken", format!("{to} is not free: {why}"))
            .hint(format!("without a name, whoever is free takes it: gastown agent reassign {bead}")));
    }
    let why = reason.map_or_else(|| format!("reassigned by {actor}"), |why| format!("{actor}: {why}"));
    go(draft, hook, &to, &why);
    // On another's word the failures of those before do not stand in the way.
    if board.trials.of(bead).is_some_and(|trial| trial.strategy.is_some()) {
        draft.recovered(bead, &why);
    }
    let subject = format!("{bead} comes to you from {from}");
    draft.send(&to, Kind::Note { subject, body: format!("{why}\n\nIts worktree comes along, as it is.") });
    Ok(Answer::Reassigned(ReassignedReport { bead: bead.clone(), from, to }))
}

/// The worker of `rig` that `text` means: an address, `rig/name`, or its bare name.
fn worker(board: &Board, rig: &RigName, text: &str) -> Result<Address, Refusal> {
    let address = match text.contains('/') {
        false => text.parse().ok().map(|name| Address::Polecat(rig.clone(), name)),
        true => text.parse().ok(),
    };
    match address {
        Some(Address::Polecat(of, name)) if of == *rig => {
            Ok(board.agents.successor(&Address::Polecat(of, name)).clone())
        }
        Some(Address::Polecat(of, _)) => Err(Refusal::forbidden(
            "other_rig",
            format!("its worktree is one of {rig}, and {text} is of {of}"),
        )
        .hint(format!("name a worker of {rig}"))),
        _ => Err(names::address(board, text).err().unwrap_or_else(|| {
            Refusal::usage(format!("{text} is no worker")).hint(format!("name a worker of {rig}"))
        })),
    }
}

/// Records that what hangs on `hook` goes to `to`.
pub(crate) fn go(draft: &mut Draft<'_>, hook: &Hook, to: &Address, reason: &str) {
    let (from, bead) = (&hook.agent, &hook.bead);
    draft.push(Event::HookMoved {
        from: from.clone(),
        to: to.clone(),
        bead: bead.clone(),
        reason: reason.to_owned(),
    });
    // Whose session lives goes through its own states to the end.
    if draft.board.agents.get(from).is_none_or(|agent| agent.session.is_none()) {
        agents::state(draft, from, AgentState::Parked, Some(&format!("{bead} went to {to}: {reason}")));
    }
    agents::state(draft, to, AgentState::Starting, Some(&format!("takes {bead} over from {from}")));
}

/// Hooks of `rig` whose worker is gone for good: its actor was given up, and nobody wakes it.
pub fn orphans<'a>(board: &'a Board, rig: &'a RigName) -> impl Iterator<Item = &'a Hook> {
    board.hooks.in_rig(rig).filter(|hook| {
        hook.stage.wants_session() && board.agents.get(&hook.agent).is_some_and(|agent| agent.given_up)
    })
}

/// Takes what hangs on `hook` from a worker that is gone, and tells the Deacon. Another one goes on with it when it
/// has rested; after the last failure that a bead may have, nobody does.
///
/// The acting one is the Witness of its rig.
pub fn reset(draft: &mut Draft<'_>, hook: &Hook, reason: &str, rules: &Rules, pool: &[AgentName]) {
    let board = draft.board;
    let Some(to) = hooks::another_worker(board, &hook.agent, pool, draft.now) else { return };
    let failures = board.trials.of(&hook.bead).map_or(0, |trial| trial.failures) + 1;
    let spent = failures >= rules.max_failures;
    let rest = rules.redispatch_after.max(strategy::wait_after(failures, hook.bead.as_str(), draft.now));
    let until = (!spent).then(|| draft.now.plus(rest));
    go(draft, hook, &to, reason);
    draft.push(Event::BeadReset {
        bead: hook.bead.clone(),
        from: hook.agent.clone(),
        reason: reason.to_owned(),
        until,
    });
    if spent {
        agents::state(draft, &to, AgentState::Failed, Some(&format!("{failures} failures: {reason}")));
    }
    let kind = Kind::RecoveredBead {
        bead: hook.bead.clone(),
        worker: hook.agent.clone(),
        why: match until {
            Some(until) => format!("{reason}; {to} goes on with it at {until}"),
            None => format!("{reason}; it has failed {failures} times, and nobody goes on with it"),
        },
    };
    draft.send(&Address::Deacon, kind);
}

/// What the Deacon does about a letter RECOVERED_BEAD: the first time it only takes note, from the second on it
/// tells the Mayor, and a person as well when nobody goes on.
pub fn recovered(draft: &mut Draft<'_>, bead: &BeadId, worker: &Address, why: &str) {
    let Some(trial) = draft.board.trials.of(bead) else { return };
    let spent = trial.is_spent();
    if trial.resets < 2 && !spent {
        return;
    }
    let subject = match spent {
        true => format!("{bead} has lost its worker {} times, and nobody goes on with it", trial.resets),
        false => format!("{bead} has lost its worker {} times", trial.resets),
    };
    if draft.board.escalations.open().any(|known| known.subject == subject) {
        return;
    }
    let severity = if spent { "critical" } else { "medium" };
    let told: &[Address] = if spent { &[Address::Mayor, Address::Overseer] } else { &[Address::Mayor] };
    let body = format!(
        "Last {worker}: {why}\n\nThe whole of it: gastown why {bead}\nTo let it go on: gastown recover {bead}"
    );
    draft.escalate(severity, (Some(bead.clone()), Some(worker.clone())), subject, body, told);
}

/// Agents with work that cannot be saved, and of which the Deacon has not been told.
pub fn at_risk<'a>(
    board: &'a Board,
    rig: &'a RigName,
) -> impl Iterator<Item = (&'a Address, BeadId, String)> {
    board.agents.in_rig(rig).filter(|(_, agent)| !agent.leaving.told).filter_map(|(address, agent)| {
        let risk = agent.leaving.at_risk.as_ref()?;
        let bead = agent.sandbox.as_ref()?.bead.clone();
        Some((address, bead, format!("{}: {}", risk.folder, risk.why)))
    })
}

/// What the Deacon does about a letter RECOVERY_NEEDED: a person is told, once, what lies where and why.
pub fn recovery_needed(draft: &mut Draft<'_>, bead: &BeadId, worker: &Address, why: &str) {
    let still = draft.board.agents.get(worker).is_some_and(|agent| agent.leaving.at_risk.is_some());
    let subject = format!("work of {worker} at {bead} cannot be saved");
    if !still || draft.board.escalations.open().any(|known| known.subject == subject) {
        return;
    }
    let body = format!(
        "{why}\n\nNothing is removed, and {worker} gets no new work, until it is saved. It is tried again from time \
         to time. When what is in the way is gone: gastown recover {bead}"
    );
    draft.escalate("high", (Some(bead.clone()), Some(worker.clone())), subject, body, &[Address::Overseer]);
}
