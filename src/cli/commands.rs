//! What comes back, for people and for programs: a file per group, and one arm for each kind of answer.

pub(crate) mod agents;
pub(crate) mod attach;
pub(crate) mod backup;
pub(crate) mod bead;
pub(crate) mod costs;
pub(crate) mod escalate;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod formula;
pub(crate) mod hooked;
pub(crate) mod learn;
pub(crate) mod ledger;
pub(crate) mod observe;
pub(crate) mod ship;
pub(crate) mod stop;
pub(crate) mod talk;
pub(crate) mod town;
pub(crate) mod work;

use model::answer::Answer;
use model::command::{Command, Poison};
use model::role::Role;
use serde_json::Value;

use crate::args::View;
use crate::output::{Output, Pen, block};

/// Prints what `command` was answered, as JSON or for people.
pub(crate) fn show(
    command: &Command,
    view: View,
    answer: Answer,
    output: &mut Output<'_>,
) -> std::io::Result<()> {
    let answer = viewed(view, answer);
    match (&answer, output.json) {
        (Answer::Jsonl(lines), _) => output.text(lines),
        (Answer::Events(records), true) => records
            .iter()
            .try_for_each(|record| output.value_line(&serde_json::to_value(record).unwrap_or(Value::Null))),
        (Answer::Formula(found), true) if matches!(view, View::Graph(_)) => {
            output.value(&formula::graph(found))
        }
        (_, true) => output.value(&value(command, &answer)),
        (_, false) => {
            let text = for_people(command, view, &answer, &output.pen);
            output.text(&text)
        }
    }
}

/// The exit code that goes with an answer: 1 for one that is itself bad news.
pub(crate) fn exit_code(answer: &Answer) -> u8 {
    let well = match answer {
        Answer::LedgerChecked(check) => check.sound,
        Answer::Doctor(rows) => rows.iter().all(|row| row.status != model::answer::Health::Fail),
        Answer::LedgerRepaired(repaired) => repaired.lost.is_empty(),
        Answer::FormulasChecked(rows) => rows.iter().all(|row| row.problems.is_empty()),
        _ => true,
    };
    u8::from(!well)
}

/// The part of an answer that `view` is about.
fn viewed(view: View, answer: Answer) -> Answer {
    match (view, answer) {
        (View::Polecats, Answer::Agents(mut agents)) => {
            agents.retain(|agent| agent.role == Role::Polecat);
            Answer::Agents(agents)
        }
        (_, answer) => answer,
    }
}

/// The answer as JSON. One bead that was asked for is an object, several are an array.
fn value(command: &Command, answer: &Answer) -> Value {
    let value = answer.json();
    match (command, value) {
        (Command::BeadShow(ids), Value::Array(mut beads)) if ids.len() == 1 && beads.len() == 1 => {
            beads.remove(0)
        }
        (Command::BeadShow(ids), bead @ Value::Object(_)) if ids.len() > 1 => Value::Array(vec![bead]),
        (_, value) => value,
    }
}

/// The answer as text.
fn for_people(command: &Command, view: View, answer: &Answer, pen: &Pen) -> String {
    match answer {
        Answer::Done => done(command),
        Answer::Bead(bead) => match (command, view) {
            (Command::BeadCreate(_), View::Ids) => format!("{}\n", bead.id),
            (Command::BeadCreate(_), _) => format!("Created bead {}\n", bead.id),
            _ => bead::list(std::slice::from_ref(bead), command, pen),
        },
        Answer::Beads(beads) => bead::list(beads, command, pen),
        Answer::BeadPage(page) => bead::page(page, pen),
        Answer::BeadPages(pages) => {
            pages.iter().map(|page| bead::page(page, pen)).collect::<Vec<_>>().join("\n")
        }
        Answer::Touched(ids) => bead::touched(ids, command),
        Answer::Jsonl(lines) => lines.clone(),
        Answer::Hook(row) => work::hook(row.as_ref(), pen),
        Answer::Slung(report) => work::slung(report, pen),
        Answer::Convoy(row) => work::convoy(row, command, pen),
        Answer::Convoys(rows) => work::convoys(rows, pen),
        Answer::Mol(mol) => work::mol(mol.as_ref(), view, pen),
        Answer::Formulas(rows) => formula::list(rows, pen),
        Answer::Formula(found) => match view {
            View::Graph(format) => formula::drawn(found, format, pen),
            _ => formula::one(found, pen),
        },
        Answer::FormulasChecked(rows) => formula::checked(rows, pen),
        Answer::FormulaDraft(draft) => formula::draft(draft),
        Answer::Submitted(report) => ship::submitted(report),
        Answer::Merges(rows) => ship::merges(rows, pen),
        Answer::Merge(row) => ship::merge(row, pen),
        Answer::Queues(rows) => ship::queues(rows, pen),
        Answer::Waits(row) => ship::waits(row, pen),
        Answer::Direct(report) => ship::direct(report),
        Answer::GateLog(log) => ship::log(log, pen),
        Answer::MergesTouched(ids) => ship::touched(ids, command),
        Answer::Letters(rows) => talk::letters(rows, command, pen),
        Answer::Letter(row) => talk::letter(row, pen),
        Answer::DeadLetters(rows) => talk::dead(rows, pen),
        Answer::Sent(ids) => talk::sent(ids, command),
        Answer::Screen { lines, .. } => talk::screen(lines),
        Answer::Renamed(to) => format!("It is called {to} now; letters to its old name reach it\n"),
        Answer::Escalation(row) => match command {
            Command::Escalate { dry_run, .. } => escalate::raised(row, *dry_run),
            _ => escalate::page(row, pen),
        },
        Answer::Escalations(rows) => escalate::rows(rows, command, pen),
        Answer::Stale(rows) => escalate::stale(rows, pen),
        Answer::Agents(rows) => agents::list(rows, pen),
        Answer::Rig(row) => town::rig(row, command),
        Answer::Rigs(rows) => town::rigs(rows, pen),
        Answer::Freeze(report) => town::freeze(report, command),
        Answer::Status(report) => observe::status(report, pen),
        Answer::Metrics(all) => observe::metrics(all),
        Answer::Doctor(rows) => town::doctor(rows, pen),
        Answer::Tree(tree) => observe::tree(tree, pen),
        Answer::Events(records) => events::list(records, view, pen),
        Answer::Story(story) => observe::story(story, pen),
        Answer::Recovered(rows) => agents::recovered(rows, pen),
        Answer::Reassigned(report) => {
            format!("{} goes from {} to {}, with its worktree\n", report.bead, report.from, report.to)
        }
        Answer::Costs(report) => costs::report(report, pen),
        Answer::Prime(prime) => block(&prime.text),
        Answer::LedgerChecked(check) => ledger::check(check, command, pen),
        Answer::LedgerStats(stats) => ledger::stats(stats, pen),
        Answer::LedgerCompacted(compacted) => ledger::compacted(compacted),
        Answer::LedgerRepaired(repaired) => ledger::repaired(repaired, pen),
        Answer::LedgerFilled(filled) => exchange::filled(filled),
        Answer::Presets(rows) => agents::presets(rows, pen),
        Answer::Preset(fields) => agents::preset(fields),
        Answer::Taps(rows) => agents::taps(rows, pen),
        Answer::Recordings(rows) => agents::recordings(rows, pen),
        Answer::Nudged(nudged) => talk::nudged(nudged),
        Answer::Imported(report) => exchange::imported(report, pen),
        Answer::Synced(rows) => exchange::synced(rows, pen),
        Answer::BackedUp(made) => backup::made(made),
    }
}

/// What was done, where the answer says no more than that.
fn done(command: &Command) -> String {
    let text = match command {
        Command::DepAdd { bead, on, kind } => format!("{bead} now depends on {on} ({kind})"),
        Command::DepRemove { bead, on } => format!("{bead} no longer depends on {on}"),
        Command::CommentAdd { bead, .. } => format!("Commented on {bead}"),
        Command::Unsling { bead, .. } => format!("Took {bead} back"),
        Command::StepDone { step } => format!("Step {step} is done"),
        Command::MergeRetry(id) => format!("{id} is back in the queue"),
        Command::MergeFreeze { rig, .. } => {
            format!("Nothing but hot fixes lands in {rig} until `gastown mq thaw {rig}`")
        }
        Command::MergeThaw { rig } => format!("Everything lands in {rig} again"),
        Command::MailAck(ids) => {
            let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
            format!("Acknowledged {}", ids.join(", "))
        }
        Command::MailRetry(ids) => {
            let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
            format!("Put back {}", ids.join(", "))
        }
        Command::AgentAnswer { agent, choice } => format!("Answered {agent}: {choice}"),
        Command::AgentStart { agent } => format!("Started {agent}"),
        Command::AgentStop { agent } => format!("Stopped {agent}"),
        Command::AgentRestart { agent } => format!("Restarted {agent}"),
        Command::AgentKill { agent, restart: true } => format!("Killed {agent}; its next session begins"),
        Command::AgentKill { agent, restart: false } => {
            format!("Killed {agent}; it is held back until `gastown agent start {agent}`")
        }
        Command::RigPark { rig, now, .. } => {
            let what = if *now { "its sessions end" } else { "what is under way goes on" };
            format!("Parked rig {rig}: no work is handed out, {what}; until `gastown rig unpark {rig}`")
        }
        Command::RigUnpark { rig } => format!("Rig {rig} is handed out work"),
        Command::RigStop { rig } => {
            format!("Rig {rig} has stopped; until `gastown rig start {rig}` or the next run")
        }
        Command::RigStart { rig } => format!("Rig {rig} is started"),
        Command::Stop | Command::StopAll => "The town has stopped".to_owned(),
        Command::FaultPoisonMail { letters, how: Poison::Cure } => format!("{letters} is poison no longer"),
        Command::FaultPoisonMail { letters, .. } => format!("{letters} is poison now"),
        Command::FaultDisk { full: true } => "The ledger's disk counts as full now".to_owned(),
        Command::FaultDisk { full: false } => "The ledger's disk counts as it is".to_owned(),
        Command::FaultBlockActor { name, millis } => {
            format!("The actor {name} blocks its thread for {millis} ms with its next message")
        }
        Command::FaultKillActor { name } => format!("Killed the actor {name}"),
        _ => "Done".to_owned(),
    };
    block(&text) + "\n"
}

#[cfg(test)]
mod tests;
