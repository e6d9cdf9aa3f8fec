//! Agents: sessions begun and ended, states, verdicts.

use ledger::views::Board;
use ledger::views::trials::Trial;
use model::agent::{AgentState, SessionEnd, Verdict};
use model::event::Event;
use model::hook::Hook;
use model::ids::{AgentName, BeadId, SessionId};
use model::mail::Kind;
use model::recovery::{Failure, Strategy, Symptom};
use model::refusal::Refusal;
use model::role::Address;

use crate::draft::Draft;
use crate::strategy::{self, Case, Next, Rules};
use crate::{hooks, judgement};

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
/// `session_open` when the agent has a session without a verdict: never two at once. `bead_in_session` when another
/// agent's session for the same bead lives: never two at one bead.
pub fn begun(draft: &mut Draft<'_>, begun: Begun) -> Result<(), Refusal> {
    let agent = &begun.agent;
    if let Some(open) = draft.board.agents.get(agent).and_then(|agent| agent.session.as_ref()) {
        return Err(Refusal::forbidden("session_open", format!("{agent} has session {} already", open.id)));
    }
    let held = |bead: &BeadId| {
        let mut leases = draft.board.agents.leases();
        leases.find(|(_, open)| open.bead.as_ref() == Some(bead)).map(|(other, _)| other.clone())
    };
    if let Some((bead, other)) = begun.bead.as_ref().and_then(|bead| Some((bead, held(bead)?))) {
        return Err(Refusal::forbidden("bead_in_session", format!("{other} still has a session for {bead}")));
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

/// How a session ended, as its own actor saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How its program ended.
    pub end: SessionEnd,
    /// What else was seen.
    pub symptom: Option<Symptom>,
    /// What it was doing, as far as it said so.
    pub doing: Option<String>,
}

impl From<SessionEnd> for Ended {
    fn from(end: SessionEnd) -> Self {
        Ended { end, symptom: None, doing: None }
    }
}

/// Records how a session ended. What that means is the verdict of whoever watches the agent.
///
/// # Errors
/// `no_such_session` when it is not the agent's open session, or its end is recorded already.
pub fn ended(draft: &mut Draft<'_>, agent: &Address, session: &SessionId, end: Ended) -> Result<(), Refusal> {
    let open = draft.board.agents.get(agent).and_then(|agent| agent.session.as_ref());
    if open.is_none_or(|open| open.id != *session || open.end.is_some()) {
        return Err(Refusal::no_such("session", session.as_str(), []));
    }
    let Ended { end, symptom, doing } = end;
    draft.push(Event::AgentStopped { agent: agent.clone(), session: session.clone(), end, symptom, doing });
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

/// What is known of an ended session when it is judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Whose.
    pub agent: Address,
    /// Which.
    pub session: SessionId,
    /// What its end means.
    pub verdict: Verdict,
    /// How it ended, in a few words.
    pub detail: String,
    /// The last lines on its terminal.
    pub output: Option<String>,
    /// What its worktree holds that the target branch does not.
    pub diff: Option<String>,
}

/// Records what the end of a session means, and what follows for the agent.
///
/// * `rules` - what the town has set.
/// * `pool` - names of workers, for work that goes to another one.
///
/// # Errors
/// `no_such_session` when the session has its verdict already: exactly one each.
pub fn judged(
    draft: &mut Draft<'_>,
    judged: Judged,
    rules: &Rules,
    pool: &[AgentName],
) -> Result<(), Refusal> {
    let board = draft.board;
    let agent = &judged.agent;
    let view = board.agents.get(agent);
    let open = view.and_then(|agent| agent.session.as_ref()).filter(|open| open.id == judged.session);
    let Some(open) = open else { return Err(Refusal::no_such("session", judged.session.as_str(), [])) };
    let (verdict, bead) = (judged.verdict, open.bead.clone());
    let (exit_code, signal) = open.end.as_ref().map_or((None, None), Failure::status);
    let hook = board.hooks.of(agent).filter(|hook| hook.stage.wants_session());
    // A seat without a hook is tried again for the letters that wait for it.
    let seat = Trial { failures: view.map_or(0, |agent| agent.failures), ..Trial::default() };
    let (about, before) = match hook {
        Some(hook) => (hook.bead.to_string(), board.trials.of(&hook.bead)),
        None => (agent.to_string(), Some(&seat)),
    };
    let wanted = hook.is_some() || judgement::asked(board, agent).next().is_some();
    let case = Case { verdict, signal, symptom: open.symptom, about: &about, before, now: draft.now };
    let next = wanted.then(|| strategy::follow(&case, rules));
    let doing = open.doing.clone().or_else(|| doing(board, agent));
    draft.push(Event::AgentVerdict {
        agent: agent.clone(),
        session: judged.session.clone(),
        bead: bead.clone(),
        verdict,
        detail: judged.detail.clone(),
        context: judged.output.clone().filter(|_| verdict.is_abnormal()),
        exit_code,
        signal,
        doing: doing.clone().filter(|_| verdict.is_abnormal()),
        diff: judged.diff.clone().filter(|_| verdict.is_abnormal()),
        strategy: next.map(|next| next.strategy),
        until: next.and_then(|next| next.until),
    });
    if let Some(rest) = view.filter(|_| verdict.is_failure() && matches!(agent, Address::Polecat(..))) {
        suspect(draft, agent, rest.marks + 1, rules);
    }
    let Some(next) = next else {
        let hung = board.hooks.of(agent).is_some();
        // Whose actor was given up stays so until a person starts it.
        if board.agents.state(agent) != AgentState::Failed {
            state(draft, agent, if hung { AgentState::Done } else { AgentState::Parked }, None);
        }
        return Ok(());
    };
    let failed = Failure {
        at: draft.now,
        agent: agent.clone(),
        session: judged.session,
        verdict,
        detail: judged.detail,
        exit_code,
        signal,
        doing,
        diff: judged.diff,
        output: judged.output,
    };
    if view.is_some_and(|agent| agent.held) && next.strategy != Strategy::Escalate {
        state(draft, agent, AgentState::Parked, Some("held back"));
        return Ok(());
    }
    consequence(draft, hook, next, &failed, pool);
    Ok(())
}

/// What follows for the agent and what hangs on its hook, by strategy.
fn consequence(draft: &mut Draft<'_>, hook: Option<&Hook>, next: Next, failed: &Failure, pool: &[AgentName]) {
    let Failure { agent, verdict, detail, .. } = failed;
    let bead = hook.map(|hook| &hook.bead);
    let at = bead.map_or_else(|| "its letters".to_owned(), BeadId::to_string);
    match next.strategy {
        Strategy::Escalate => {
            let before = bead.and_then(|bead| draft.board.trials.of(bead));
            let count = 1 + before.map_or(0, |trial| trial.failed.len());
            let note = format!("{count} sessions failed: {detail}");
            state(draft, agent, AgentState::Failed, Some(&note));
            // What the sessions left is in the context of the escalation.
            let body = match bead {
                Some(bead) => format!(
                    "To let it try again: gastown recover {bead}\nTo give it to another worker: gastown unsling \
                     {bead} --force, then gastown sling {bead} RIG --force"
                ),
                None => format!("To let it try again: gastown agent start {agent}"),
            };
            let subject = match count {
                1 => format!("{agent} gets no further at {at}: {verdict} ({detail})"),
                _ => format!("{agent} failed {count} times at {at}: {detail}"),
            };
            // The Mayor cannot be asked about itself.
            let told = [Address::Mayor, Address::Overseer];
            let told = &told[usize::from(*agent == Address::Mayor)..];
            draft.escalate("critical", (bead.cloned(), Some(agent.clone())), subject, body, told);
        }
        Strategy::Person => {
            let (what, then) = for_a_person(*verdict);
            state(draft, agent, AgentState::Waiting, Some(&format!("{what}: {detail}")));
            let subject = format!("{agent} waits for a person at {at}: {what}");
            if !draft.board.escalations.open().any(|known| known.subject == subject) {
                let body = format!("{then}\nThen: gastown agent start {agent}");
                let about = (bead.cloned(), Some(agent.clone()));
                draft.escalate("high", about, subject, body, &[Address::Overseer]);
            }
        }
        Strategy::Park if *verdict == Verdict::Limited => {
            let until = next.until.map(|until| format!("until {until}: ")).unwrap_or_default();
            state(draft, agent, AgentState::Limited, Some(&format!("{until}{detail}")));
        }
        Strategy::Reassign => match (bead, hooks::another_worker(draft.board, agent, pool, draft.now)) {
            (Some(bead), Some(to)) => {
                draft.push(Event::HookMoved {
                    from: agent.clone(),
                    to: to.clone(),
                    bead: bead.clone(),
                    reason: format!("{verdict}: {detail}"),
                });
                state(draft, agent, AgentState::Parked, Some(&format!("{bead} went to {to}: {detail}")));
                let note = format!("takes {bead} over from {agent}");
                state(draft, &to, AgentState::Starting, Some(&note));
            }
            _ => state(draft, agent, AgentState::Starting, Some(&format!("to be started again: {detail}"))),
        },
        _ if hook.is_none() => state(draft, agent, AgentState::Parked, Some(detail)),
        _ => state(draft, agent, AgentState::Starting, Some(&format!("to be started again: {detail}"))),
    }
}

/// What is asked of a person, and how they do it.
fn for_a_person(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::AsksLogin => {
            ("it asks to log in", "Log in with its program, as the user that the town runs as.")
        }
        Verdict::AsksTrust => {
            ("it asks whether its folder is trusted", "Answer that with its program, in the rig's folder.")
        }
        Verdict::KeyRefused => ("its provider refuses its key", "Give it a key that is taken."),
        _ => ("it was ended by a person", "It stays as it is until somebody says otherwise."),
    }
}

/// What an agent was doing, from what its hook says.
fn doing(board: &Board, agent: &Address) -> Option<String> {
    let step = crate::mols::on_hook(board, agent)?.current()?;
    Some(format!("step {}: {}", step.id, step.title))
}

/// Lets a worker rest whose sessions fail again and again.
fn suspect(draft: &mut Draft<'_>, agent: &Address, marks: u32, rules: &Rules) {
    if let Some(rest) = strategy::quarantine(marks, rules) {
        draft.push(Event::AgentQuarantined {
            agent: agent.clone(),
            until: Some(draft.now.plus(rest)),
            reason: format!("{marks} failed sessions since it last landed something"),
        });
    }
}

/// Holds an agent back, or lets it go again, on a person's word. Letting go forgives what has failed.
pub fn hold(draft: &mut Draft<'_>, agent: &Address, held: bool, reason: &str) {
    let board = draft.board;
    let view = board.agents.get(agent);
    let trial = board.hooks.of(agent).filter(|_| !held).and_then(|hook| board.trials.of(&hook.bead));
    let waits = trial.is_some_and(|trial| trial.strategy.is_some());
    let is = view.is_some_and(|agent| {
        let failed = agent.state == AgentState::Failed || agent.strategy == Some(Strategy::Person);
        agent.held || failed || agent.given_up || agent.quarantined.is_some()
    });
    if is != held {
        draft.push(Event::AgentHeld { agent: agent.clone(), held, reason: reason.to_owned() });
    }
    if let Some(hook) = board.hooks.of(agent).filter(|_| waits) {
        draft.recovered(&hook.bead, reason);
    }
    let resting = match board.agents.state(agent) {
        AgentState::Failed => true,
        AgentState::Waiting | AgentState::Limited => view.is_some_and(|agent| agent.session.is_none()),
        _ => false,
    };
    if !held && resting {
        state(draft, agent, AgentState::Parked, None);
    }
}
