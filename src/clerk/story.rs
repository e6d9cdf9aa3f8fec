//! What has happened to an agent or a bead, told in a few lines.

use ledger::views::Board;
use model::event::{Event, Record};
use model::ids::BeadId;
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;
use model::story::Story;
use model::time::Timestamp;

use crate::names;
use crate::standing::{self, Standing};
use crate::strategy::Rules;

/// Lines that a story has at most.
const LINES: usize = 10;

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
}

/// Finds what is meant by `text`: a bead or an agent.
///
/// # Errors
/// `no_such_agent`, when it is neither.
pub fn subject(board: &Board, text: &str) -> Result<Subject, Refusal> {
    match text.parse::<BeadId>() {
        Ok(bead) if board.beads.get(&bead).is_some() => Ok(Subject::Bead(bead)),
        _ => names::address(board, text).map(|agent| Subject::Agent(all_names(board, agent))).map_err(|_| {
            let agents: Vec<String> = names::everybody(board).iter().map(ToString::to_string).collect();
            let beads = board.beads.iter().map(|bead| bead.id.as_str());
            let known = agents.iter().map(String::as_str).chain(beads);
            let message = format!("there is neither a bead nor an agent called {text:?}");
            Refusal { message, ..Refusal::no_such("agent", text, known) }
        }),
    }
}

/// What `agent` is called, first, and what it was called before.
fn all_names(board: &Board, agent: Address) -> Vec<Address> {
    let before = board.agents.aliases().filter(|(_, now)| **now == agent).map(|(before, _)| before.clone());
    let before: Vec<Address> = before.collect();
    std::iter::once(agent).chain(before).collect()
}

/// Whether `record` belongs into the story of `subject`.
pub fn belongs(record: &Record, subject: &Subject) -> bool {
    match subject {
        Subject::Bead(bead) => record.is_about(bead),
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
    let told: Vec<String> =
        records.iter().filter_map(|record| sentence(record).map(|text| line(record, &text, now))).collect();
    let skip = told.len().saturating_sub(LINES.saturating_sub(lines.len()));
    lines.extend(told.into_iter().skip(skip));
    lines.truncate(LINES);
    Story { about, state, bead, agent, lines, next, until, hint, saved, failure_context: failure }
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
        Event::MqGate { merge, result } => {
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
        Event::PolicyDenied { rule, tried } => format!("denied by {rule}: {tried}"),
        Event::ConvoyClosed { convoy } => format!("convoy {convoy} has arrived"),
        Event::BackupMade { dir, number, head, .. } => {
            format!("backup {number} in {dir}, up to record {head}")
        }
        Event::TownRestored { dir, number, made_at, .. } => {
            format!("the town was restored from backup {number} in {dir}, taken at {made_at}")
        }
        Event::ActorEnded { name, reason, outcome, .. } => format!("actor {name} {outcome}: {reason}"),
        Event::RigAdded { rig, git_url, .. } => format!("rig {rig} added from {git_url}"),
        Event::TownStarted { pid, version } => format!("gastown {version} runs as process {pid}"),
        Event::TownStopped { reason } => format!("the town stopped: {reason}"),
        _ => return None,
    })
}
