//! What has happened to an agent or a bead, told in a few lines.

use ledger::views::Board;
use model::event::{Event, Record};
use model::ids::BeadId;
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;
use model::story::Story;
use model::time::Timestamp;

use crate::standing::{self, Standing};
use crate::strategy::Rules;
use crate::{actors, names};

/// Lines that a story has at most.
pub(crate) const LINES: usize = 10;

/// Characters that one event takes at most.
const LENGTH: usize = 160;

/// Places of saved work that are told of.
const SAVED: usize = 2;

/// Whom or what a story is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An agent, by its present name and those that it had before.
    Agent(Vec<Address>),
    /// A bead.
    Bead(BeadId),
    /// An actor of the tree that is no agent, by its name there.
    Actor(String),
}

impl Subject {
    /// The actor of the tree that it is, by its names there, if it is one.
    pub fn actors(&self) -> Vec<String> {
        match self {
            Subject::Agent(names) => names.iter().map(actors::name_of).collect(),
            Subject::Actor(name) => vec![name.clone()],
            Subject::Bead(_) => Vec::new(),
        }
    }
}

/// Finds what is meant by `text`: a bead, an agent or an actor of the tree.
///
/// # Errors
/// `no_such_agent`, when it is none of them.
pub fn subject(board: &Board, text: &str) -> Result<Subject, Refusal> {
    match text.parse::<BeadId>() {
        Ok(bead) if board.beads.get(&bead).is_some() => return Ok(Subject::Bead(bead)),
        _ => {}
    }
    if let Ok(agent) = names::address(board, text) {
        return Ok(Subject::Agent(all_names(board, agent)));
    }
    let actors = actors::all(board);
    if actors.iter().any(|name| name == text) {
        return Ok(Subject::Actor(text.to_owned()));
    }
    let agents: Vec<String> = names::everybody(board).iter().map(ToString::to_string).collect();
    let beads = board.beads.iter().map(|bead| bead.id.as_str());
    let known = agents.iter().chain(&actors).map(String::as_str).chain(beads);
    let message = format!("there is neither a bead nor an agent nor an actor called {text:?}");
    Err(Refusal { message, ..Refusal::no_such("agent", text, known) })
}

/// What `agent` is called, first, and what it was called before.
fn all_names(board: &Board, agent: Address) -> Vec<Address> {
    let before = board.agents.aliases().filter(|(_, now)| **now == agent).map(|(before, _)| before.clone());
    let before: Vec<Address> = before.collect();
    std::iter::once(agent).chain(before).collect()
}

/// Whether `record` tells of an actor of the tree that `subject` is.
pub fn is_of_actor(record: &Record, subject: &Subject) -> bool {
    actors::actor(&record.event).is_some_and(|name| subject.actors().iter().any(|actor| actor == name))
}

/// Whether `record` belongs into the story of `subject`, apart from what [happened to its actor](is_of_actor).
pub fn belongs(record: &Record, subject: &Subject) -> bool {
    match subject {
        Subject::Bead(bead) => record.is_about(bead),
        Subject::Actor(_) => false,
        Subject::Agent(names) => {
            names.contains(&record.actor) || record.event.agent().is_some_and(|agent| names.contains(agent))
        }
    }
}

/// Tells the story of `subject`: how it is, why, where its work is, what comes next, what to type; and as much of
/// what has happened as there is room for, from `records`, oldest first.
pub fn tell(board: &Board, subject: &Subject, records: &[Record], rules: &Rules, now: Timestamp) -> Story {
    let (about, bead, agent, standing) = match subject {
        Subject::Bead(id) => {
            let standing = board.beads.get(id).map(|bead| standing::of_bead(board, bead, rules, now));
            (id.to_string(), Some(id.clone()), board.hooks.holder(id).cloned(), standing.unwrap_or_default())
        }
        Subject::Agent(names) => {
            let agent = names.first().cloned().unwrap_or(Address::Runtime);
            let view = board.agents.get(&agent);
            let bead = board.hooks.of(&agent).map(|hook| hook.bead.clone());
            let bead = bead.or_else(|| view?.sandbox.as_ref().map(|sandbox| sandbox.bead.clone()));
            (agent.to_string(), bead, Some(agent.clone()), standing::of_agent(board, &agent, rules, now))
        }
        Subject::Actor(name) => {
            let ends = records.iter().filter(|r| matches!(r.event, Event::ActorEnded { .. })).count();
            let told = if ends == 0 { "nothing bad is known of it".to_owned() } else { deaths(ends) };
            let head = format!("{name} is an actor of the tree: {told}");
            let standing = Standing { state: "actor".to_owned(), head, ..Standing::default() };
            (name.clone(), None, None, standing)
        }
    };
    let saved = bead.as_ref().map(|bead| standing::kept(board, bead)).unwrap_or_default();
    let failure = bead.as_ref().and_then(|bead| board.trials.of(bead)).and_then(|trial| trial.last.clone());
    let Standing { state, head, because, next, until, hint } = standing;
    let mut lines = vec![head];
    lines.extend(because);
    lines.extend(saved.iter().take(SAVED).map(|kept| standing::told(kept, now)));
    if let Some(more) = saved.len().checked_sub(SAVED + 1) {
        lines.push(format!("and {} more: see --json", more + 1));
    }
    lines.extend(next.as_ref().map(|next| format!("next: {next}")));
    lines.extend(hint.as_ref().map(|hint| format!("type: {hint}")));
    // The last death of an actor is told at length.
    let last_death = records.iter().rposition(|record| matches!(record.event, Event::ActorEnded { .. }));
    let mut told = Vec::new();
    for (nth, record) in records.iter().enumerate() {
        told.extend(telling(record).map(|text| line(record, &text, now)));
        if let (Event::ActorEnded { crash, .. }, true) = (&record.event, Some(nth) == last_death) {
            told.extend(crash.details().into_iter().map(|detail| format!("    {detail}")));
        }
    }
    let skip = told.len().saturating_sub(LINES.saturating_sub(lines.len()));
    lines.extend(told.into_iter().skip(skip));
    lines.truncate(LINES);
    Story { about, state, bead, agent, lines, next, until, hint, saved, failure_context: failure }
}

fn deaths(ends: usize) -> String {
    match ends {
        1 => "it has died once of late".to_owned(),
        n => format!("it has died {n} times of late"),
    }
}

/// One event in one line.
fn line(record: &Record, text: &str, now: Timestamp) -> String {
    let first = text.lines().next().unwrap_or_default();
    let text = match first.char_indices().nth(LENGTH) {
        Some((at, _)) => format!("{}…", &first[..at]),
        None => first.to_owned(),
    };
    let actor = record.actor.to_string();
    let actor = if text.starts_with(&actor) { String::new() } else { format!("{actor} ") };
    format!("{:>10}  {actor}{text}", standing::when(now, record.at))
}

/// One event in words, if it belongs into a story: letters of the town's code, and those about what is told
/// anyway, only say twice what has happened.
pub fn telling(record: &Record) -> Option<String> {
    match &record.event {
        Event::MailSent { letter } if letter.kind.is_for_code() => None,
        Event::MailSent { letter } if matches!(letter.kind, Kind::Escalation { .. }) => None,
        Event::TownStarted { .. } | Event::TownStopped { .. } => None,
        _ => sentence(record),
    }
}

/// One event in words; none for what would only lengthen the story.
pub fn sentence(record: &Record) -> Option<String> {
    Some(match &record.event {
        Event::BeadCreated { bead } => format!("created {}: {}", bead.id, bead.title),
        Event::BeadImported { bead } => format!("brought in {} as {}: {}", bead.id, bead.status, bead.title),
        Event::BeadClosed { bead, reason, .. } => format!("closed {bead}: {reason}"),
        Event::BeadStatusChanged { bead, from, to, reason, .. } => {
            let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{bead} went from {from} to {to}{why}")
        }
        Event::BeadSlung { bead, rig, .. } => format!("slung {bead} to {rig}"),
        Event::BeadUnslung { bead, reason } => format!("took {bead} back: {reason}"),
        Event::HookSet { agent, bead, .. } => format!("hung {bead} on the hook of {agent}"),
        Event::HookCleared { agent, bead, reason } => {
            format!("took {bead} off the hook of {agent}: {reason}")
        }
        Event::AgentStarted { agent, preset, reason, .. } => {
            format!("{agent} started with {preset} ({reason})")
        }
        Event::AgentVerdict { agent, verdict, detail, strategy, until, .. } => {
            let then = strategy.map(|strategy| format!(", then: {strategy}")).unwrap_or_default();
            let until = until.map(|until| format!(" at {until}")).unwrap_or_default();
            format!("{agent}: {verdict} ({detail}){then}{until}")
        }
        Event::AgentNudged { agent, why, n, .. } => format!("nudged {agent} ({n}): {why}"),
        Event::AgentStrayed { agent, folder, place, .. } => {
            format!("{agent} works in {folder} and belongs into {place}")
        }
        Event::AgentQuarantined { agent, until: Some(until), reason } => {
            format!("{agent} gets no new work until {until}: {reason}")
        }
        Event::AgentQuarantined { agent, until: None, reason } => {
            format!("{agent} gets work again: {reason}")
        }
        Event::BeadRecovered { bead, how, .. } => format!("{bead} may go on: {how}"),
        Event::BeadReset { bead, from, reason, .. } => format!("took {bead} from {from}: {reason}"),
        Event::WorkUnsaved { agent, bead, asked, files } => {
            format!("{agent} was asked to save its work at {bead} ({asked}): {}", files.join(", "))
        }
        Event::WorkAtRisk { agent, folder, why, .. } => {
            format!("work of {agent} in {folder} cannot be saved: {why}")
        }
        Event::TownSurveyed { found } => {
            let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
            format!("not as the ledger has it: {}", shown.join("; "))
        }
        Event::HookMoved { from, to, bead, reason } => format!("{bead} went from {from} to {to}: {reason}"),
        Event::AgentRenamed { from, to } => format!("{from} is called {to} from now on"),
        Event::AgentHeld { agent, held, reason } => {
            format!("{agent} is {}: {reason}", if *held { "held back" } else { "let go" })
        }
        Event::WorkDone { agent, bead, exit, head, .. } => {
            let head: String = head.as_deref().unwrap_or("nothing").chars().take(12).collect();
            format!("{agent} handed {bead} in as {exit} ({head})")
        }
        Event::WorkRescued { agent, branch, reason, .. } => {
            format!("saved unsaved work of {agent} on {branch}: {reason}")
        }
        Event::FilesMovedAside { agent, folder, .. } => {
            format!("moved files in the place of {agent} aside, to {folder}")
        }
        Event::MqSubmitted { merge } => {
            format!("{} queued {} (attempt {})", merge.id, merge.bead, merge.attempts)
        }
        Event::MqGate { merge, result, .. } => {
            format!("{merge}: gate {} {} in {} ms", result.gate, result.verdict, result.duration_ms)
        }
        Event::MqLanded { merge, bead, commit, target, .. } => {
            let commit: String = commit.chars().take(12).collect();
            format!("{merge}: {bead} landed on {target} as {commit}")
        }
        Event::MqRejected { merge, rejection, .. } => format!("{merge} given back: {}", rejection.headline()),
        Event::MqHeld { merge, why, .. } => format!("{merge} held: {why}"),
        Event::MqRequeued { merge, reason } => format!("{merge} queued again: {reason}"),
        Event::MqWithdrawn { merge, why } => format!("{merge} withdrawn: {why}"),
        Event::MailSent { letter } => format!("wrote to {}: {}", letter.to, letter.kind.subject()),
        Event::MailDead { mail, reason } => format!("letter {mail} is dead: {reason}"),
        Event::EscalationRaised { severity, subject, .. } => format!("escalated [{severity}] {subject}"),
        Event::EscalationAcked { escalation, .. } => format!("took note of {escalation}"),
        Event::EscalationClosed { escalation, reason } => format!("settled {escalation}: {reason}"),
        Event::EscalationReescalated { escalation, from, to, reason } => {
            format!("{escalation} went from {from} to {to}: {reason}")
        }
        Event::EscalationNotified { escalation, route, outcome, .. } => {
            format!("{escalation} by {route}: {outcome}")
        }
        Event::PolicyDenied { rule, tried } => format!("denied by {rule}: {tried}"),
        Event::ConvoyClosed { convoy } => format!("convoy {convoy} has arrived"),
        Event::BackupMade { dir, number, head, .. } => {
            format!("backup {number} in {dir}, up to record {head}")
        }
        Event::TownRestored { dir, number, made_at, .. } => {
            format!("the town was restored from backup {number} in {dir}, taken at {made_at}")
        }
        Event::ActorEnded { name, reason, outcome, restarts, crash } => {
            let hands = crash.hands().map(|hands| format!(" with {hands}")).unwrap_or_default();
            format!("actor {name} died{hands}: {reason}; {}", aftermath(outcome, *restarts, crash.window_s))
        }
        Event::ActorBlocked { name, in_hand, letter, .. } => {
            let over = in_hand.as_ref().map(|what| format!(" over {what}")).unwrap_or_default();
            let letter = letter.as_ref().map(|letter| format!(", letter {letter}")).unwrap_or_default();
            format!("actor {name} takes no messages{over}{letter}")
        }
        Event::ActorUnblocked { name, after_ms } => {
            format!("actor {name} was blocked for {after_ms} ms")
        }
        Event::RigAdded { rig, git_url, .. } => format!("rig {rig} added from {git_url}"),
        Event::RigParked { rig, reason, now } => {
            let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let how = if *now { ", and its sessions end" } else { "" };
            format!("parked rig {rig}{how}{why}")
        }
        Event::RigUnparked { rig } => format!("let rig {rig} go on"),
        Event::RigStopped { rig } => format!("stopped rig {rig}"),
        Event::RigStarted { rig } => format!("started rig {rig}"),
        Event::TownFrozen { reason } => {
            let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("froze the town{why}")
        }
        Event::TownThawed { since } => format!("thawed the town, which had stood still since {since}"),
        Event::TownStarted { pid, version } => format!("gastown {version} runs as process {pid}"),
        Event::TownStopped { reason } => format!("the town stopped: {reason}"),
        _ => return None,
    })
}

/// What was done about an actor's death.
pub fn aftermath(outcome: &str, restarts: u32, window_s: Option<u64>) -> String {
    let within = window_s.map(|seconds| format!(" within {seconds} s")).unwrap_or_default();
    match outcome {
        "restarted" => format!("started again (restart {restarts}{within})"),
        "gave_up" if restarts == 0 => "given up".to_owned(),
        "gave_up" => format!("given up (it would have been restart {restarts}{within})"),
        _ => "not started again".to_owned(),
    }
}
