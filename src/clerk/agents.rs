//! Agents: sessions begun and ended, states, verdicts.

use ledger::views::Board;
use model::agent::{AgentState, SessionEnd, Verdict};
use model::event::Event;
use model::ids::{BeadId, SessionId};
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;

use crate::draft::Draft;

/// Sessions of one assignment that may fail before a person is asked.
pub const MAX_FAILURES: u32 = 3;

/// What is known of a session that begins.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Whose.
    pub agent: Address,
    /// Which.
    pub session: SessionId,
    /// The preset that it runs.
    pub preset: String,
    /// What it is for.
    pub bead: Option<BeadId>,
    /// Why it was started.
    pub reason: String,
}

/// Records that a session begins, before its program is started: what was started and not recorded
/// could be started twice.
///
/// # Errors
/// `session_open` when the agent has a session without a verdict: never two at once.
pub fn begun(draft: &mut Draft<'_>, begun: Begun) -> Result<(), Refusal> {
    let agent = &begun.agent;
    if let Some(open) = draft.board.agents.get(agent).and_then(|agent| agent.session.as_ref()) {
        return Err(Refusal::forbidden("session_open", format!("{agent} has session {} already", open.id)));
    }
    draft.push(Event::AgentStarted {
        agent: agent.clone(),
        session: begun.session.clone(),
        preset: begun.preset,
        bead: begun.bead.clone(),
        reason: begun.reason,
    });
    state(draft, agent, AgentState::Starting, None);
    if let (Some(rig), Some(bead), Address::Polecat(..)) = (agent.rig(), begun.bead, agent) {
        let kind = Kind::PolecatStarted { bead, session: begun.session };
        draft.send(&Address::Witness(rig.clone()), kind);
    }
    Ok(())
}

/// Records another state of an agent, if it is another.
pub fn state(draft: &mut Draft<'_>, agent: &Address, to: AgentState, note: Option<&str>) {
    let (from, before) =
        draft.board.agents.get(agent).map_or((AgentState::Parked, None), |a| (a.state, a.note.as_deref()));
    // What this draft has said already counts.
    let last = draft.events().filter_map(|event| match event {
        Event::AgentState { agent: of, to, note, .. } if of == agent => Some((*to, note.as_deref())),
        _ => None,
    });
    let (from, before) = last.last().unwrap_or((from, before));
    if from != to || before != note {
        draft.push(Event::AgentState { agent: agent.clone(), from, to, note: note.map(str::to_owned) });
    }
}

/// Records how a session ended. What that means is the verdict of whoever watches the agent.
///
/// # Errors
/// `no_such_session` when it is not the agent's open session, or its end is recorded already.
pub fn ended(
    draft: &mut Draft<'_>,
    agent: &Address,
    session: &SessionId,
    end: SessionEnd,
) -> Result<(), Refusal> {
    let open = draft.board.agents.get(agent).and_then(|agent| agent.session.as_ref());
    if open.is_none_or(|open| open.id != *session || open.end.is_some()) {
        return Err(Refusal::no_such("session", session.as_str(), []));
    }
    draft.push(Event::AgentStopped { agent: agent.clone(), session: session.clone(), end });
    Ok(())
}

/// Sessions in `of` that have ended and have no verdict.
pub fn without_verdict<'a>(
    board: &'a Board,
    of: impl Fn(&Address) -> bool + 'a,
) -> impl Iterator<Item = (&'a Address, &'a ledger::views::agents::OpenSession)> {
    board.agents.iter().filter(move |(address, _)| of(address)).filter_map(|(address, agent)| {
        agent.session.as_ref().filter(|open| open.end.is_some()).map(|open| (address, open))
    })
}

/// Records what the end of a session means, and what follows for the agent.
///
/// # Errors
/// `no_such_session` when the session has its verdict already: exactly one each.
pub fn judged(
    draft: &mut Draft<'_>,
    agent: &Address,
    session: &SessionId,
    verdict: Verdict,
    detail: &str,
    context: Option<String>,
) -> Result<(), Refusal> {
    let board = draft.board;
    let view = board.agents.get(agent);
    let open = view.and_then(|agent| agent.session.as_ref()).filter(|open| open.id == *session);
    let Some(open) = open else { return Err(Refusal::no_such("session", session.as_str(), [])) };
    let bead = open.bead.clone();
    draft.push(Event::AgentVerdict {
        agent: agent.clone(),
        session: session.clone(),
        bead: bead.clone(),
        verdict,
        detail: detail.to_owned(),
        context: context.clone(),
    });
    let failures = view.map_or(0, |agent| agent.failures) + u32::from(verdict.is_failure());
    let wanted = board.hooks.of(agent).is_some_and(|hook| hook.stage.wants_session());
    if verdict.is_failure() && wanted && failures >= MAX_FAILURES {
        state(draft, agent, AgentState::Failed, Some(&format!("{failures} sessions failed: {detail}")));
        let about = bead.as_ref().map_or_else(|| agent.to_string(), BeadId::to_string);
        let body = format!(
            "The last session ended with {detail}.\n{}\n\nTo let it try again: gastown agent start {agent}\n\
             To take the bead back: gastown unsling {about} --force",
            context.as_deref().unwrap_or("Its screen was empty.")
        );
        draft.escalate(
            "critical",
            (bead, Some(agent.clone())),
            format!("{agent} failed {failures} times at {about}: {detail}"),
            body,
            &[Address::Mayor, Address::Overseer],
        );
    } else if view.is_some_and(|agent| agent.held) {
        state(draft, agent, AgentState::Parked, Some("held back"));
    } else if wanted {
        state(draft, agent, AgentState::Starting, Some(&format!("to be started again: {detail}")));
    } else if board.hooks.of(agent).is_some() {
        state(draft, agent, AgentState::Done, None);
    } else {
        state(draft, agent, AgentState::Parked, None);
    }
    Ok(())
}

/// Holds an agent back, or lets it go again, on a person's word.
pub fn hold(draft: &mut Draft<'_>, agent: &Address, held: bool, reason: &str) {
    let is =
        draft.board.agents.get(agent).is_some_and(|agent| agent.held || agent.state == AgentState::Failed);
    if is != held {
        draft.push(Event::AgentHeld { agent: agent.clone(), held, reason: reason.to_owned() });
    }
    if !held && draft.board.agents.state(agent) == AgentState::Failed {
        state(draft, agent, AgentState::Parked, None);
    }
}
