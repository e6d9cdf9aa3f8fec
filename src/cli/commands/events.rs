//! What has happened, in plain words.

use model::event::{Event, Record};
use serde_json::Value;

use super::ship::short;
use crate::args::View;
use crate::output::{Pen, Tint, line, thousands, when};

/// Events, one a line.
pub(super) fn list(records: &[Record], view: View, pen: &Pen) -> String {
    if records.is_empty() {
        return "nothing of the kind has happened\n".to_owned();
    }
    records.iter().map(|record| one(record, view, pen)).collect()
}

/// One event on its line. A feed leaves out the number and the day.
pub(crate) fn one(record: &Record, view: View, pen: &Pen) -> String {
    let at = when(record.at);
    let at = if view == View::Feed { at.split(' ').next_back().unwrap_or(&at) } else { at.as_str() };
    let seq = if view == View::Feed { String::new() } else { format!("{:>6}  ", record.seq.0) };
    let actor = format!("{:<24}", record.actor);
    let (words, tint) = words(&record.event);
    format!(
        "{}{}  {} {}\n",
        pen.paint(Tint::Dim, &seq),
        pen.paint(Tint::Dim, at),
        pen.paint(Tint::Cyan, &actor),
        pen.paint(tint, &line(&words))
    )
}

/// What an event says, and how loud.
fn words(event: &Event) -> (String, Tint) {
    use Tint::{Dim, Green, Plain, Red, Yellow};
    match event {
        Event::BeadCreated { bead } => (format!("made {}: {}", bead.id, bead.title), Plain),
        Event::BeadImported { bead } => {
            (format!("brought in {} as {}: {}", bead.id, bead.status, bead.title), Plain)
        }
        Event::BeadStatusChanged { bead, from, to, reason, .. } => {
            (format!("{bead} went from {from} to {to}{}", because(reason.as_deref())), Dim)
        }
        Event::BeadClosed { bead, reason, .. } => (format!("closed {bead}: {reason}"), Green),
        Event::BeadSlung { bead, rig, worker, .. } => {
            let to = worker.as_ref().map_or_else(|| rig.to_string(), ToString::to_string);
            (format!("slung {bead} to {to}"), Plain)
        }
        Event::MailSent { letter } => (format!("wrote to {}: {}", letter.to, letter.kind.subject()), Plain),
        Event::MailDelivered { mail, to } => (format!("{mail} was handed to {to}"), Dim),
        Event::MailAcked { mail } => (format!("acknowledged {mail}"), Dim),
        Event::MailRetried { mail } => (format!("put {mail} back"), Plain),
        Event::MailDead { mail, reason } => (format!("{mail} could not be handled: {reason}"), Red),
        Event::AgentStarted { agent, preset, bead, reason, .. } => {
            let at = bead.as_ref().map(|bead| format!(" on {bead}")).unwrap_or_default();
            (format!("{agent} began a session{at} ({preset}, {reason})"), Plain)
        }
        Event::AgentState { agent, to, note, .. } => {
            (format!("{agent} is {to}{}", because(note.as_deref())), Dim)
        }
        Event::AgentStopped { agent, end, .. } => (format!("the session of {agent} ended: {end}"), Dim),
        Event::AgentVerdict { agent, verdict, detail, .. } => {
            let tint = if verdict.is_failure() { Red } else { Plain };
            (format!("{agent}: {verdict} ({detail})"), tint)
        }
        Event::CostRecorded { agent, model, tokens, .. } => {
            (format!("{agent} used {} tokens of {model}", thousands(tokens.total())), Dim)
        }
        Event::HookSet { agent, bead, .. } => (format!("{bead} hangs on the hook of {agent}"), Plain),
        Event::HookCleared { agent, bead, reason } => {
            (format!("{bead} is off the hook of {agent}: {reason}"), Dim)
        }
        Event::WorkRescued { agent, branch, reason, .. } => {
            (format!("saved the work of {agent} as {branch}: {reason}"), Yellow)
        }
        Event::WorkUnsaved { agent, bead, asked, .. } => {
            (format!("{agent} was asked to save its work at {bead} ({asked})"), Yellow)
        }
        Event::WorkAtRisk { agent, folder, why, .. } => {
            (format!("work of {agent} in {folder} cannot be saved: {why}"), Red)
        }
        Event::BeadRecovered { bead, how, .. } => (format!("{bead} may go on: {how}"), Green),
        Event::BeadReset { bead, from, reason, .. } => (format!("took {bead} from {from}: {reason}"), Yellow),
        Event::HookMoved { from, to, bead, reason } => {
            (format!("{bead} went from {from} to {to}: {reason}"), Yellow)
        }
        Event::TownSurveyed { found } => {
            let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
            let tint = if found.iter().any(|found| found.open) { Red } else { Yellow };
            (format!("not as the ledger has it: {}", shown.join("; ")), tint)
        }
        Event::WorkDone { agent, bead, exit, .. } => (format!("{agent} handed {bead} in: {exit}"), Plain),
        Event::MolStepCompleted { step, .. } => (format!("did the step {step}"), Plain),
        Event::MqSubmitted { merge } => {
            (format!("{} is in the queue of {} (attempt {})", merge.bead, merge.rig, merge.attempts), Plain)
        }
        Event::MqGate { merge, result, .. } => {
            let tint = if result.passed { Green } else { Red };
            (format!("gate {} on {merge}: {}", result.gate, result.verdict), tint)
        }
        Event::MqLanded { bead, commit, target, .. } => {
            (format!("landed {bead} on {target} as {}", short(commit)), Green)
        }
        Event::MqRejected { bead, rejection, .. } => {
            (format!("gave {bead} back: {}", rejection.headline()), Yellow)
        }
        Event::MqHeld { merge, why, .. } => (format!("holds {merge}: {why}"), Red),
        Event::MqDirect { merge, skipped, reason } if skipped.is_empty() => {
            (format!("lands {merge} without the queue: {reason}"), Yellow)
        }
        Event::MqDirect { merge, skipped, reason } => {
            (format!("lands {merge} without the queue, without {}: {reason}", skipped.join(", ")), Red)
        }
        Event::MqBaseline { result, .. } => {
            let tint = if result.passed { Green } else { Red };
            (format!("gate {} on the target as it is: {}", result.gate, result.verdict), tint)
        }
        Event::MqFlaky { gate, tree, .. } => {
            (format!("gate {gate} is flaky: red and green on tree {}", short(tree)), Yellow)
        }
        Event::MqKept { merge, reason: Some(reason) } => (format!("keeps {merge}: {reason}"), Yellow),
        Event::MqKept { merge, reason: None } => (format!("lets {merge} go on"), Plain),
        Event::MqPrioritised { merge, priority, hot } => {
            let hot = if *hot { ", a hot fix" } else { "" };
            (format!("{merge} has priority {priority}{hot}"), Plain)
        }
        Event::MqFrozen { rig, reason } => {
            (format!("nothing but hot fixes lands in {rig}: {reason}"), Yellow)
        }
        Event::MqThawed { rig } => (format!("everything lands in {rig} again"), Green),
        Event::EscalationRaised { severity, subject, .. } => (format!("[{severity}] {subject}"), Red),
        Event::EscalationAcked { escalation, .. } => (format!("took note of {escalation}"), Plain),
        Event::EscalationClosed { escalation, reason } => (format!("settled {escalation}: {reason}"), Green),
        Event::EscalationReescalated { escalation, from, to, reason } => {
            (format!("{escalation} is {to} now, no longer {from}: {reason}"), Red)
        }
        Event::EscalationRouted { escalation, severity, routes, .. } => {
            let ways: Vec<String> = routes.iter().map(ToString::to_string).collect();
            (format!("{escalation} [{severity}] goes by {}", ways.join(", ")), Dim)
        }
        Event::EscalationSending { escalation, route, attempt, .. } => {
            (format!("sends {escalation} by {route} (attempt {attempt})"), Dim)
        }
        Event::EscalationNotified { escalation, route, outcome, .. } => {
            let tint = if outcome.is_there() { Plain } else { Red };
            (format!("{escalation} by {route}: {outcome}"), tint)
        }
        Event::PolicyDenied { rule, tried } => (format!("was not allowed by {rule}: {tried}"), Red),
        Event::TownStarted { pid, version } => (format!("the town is up (pid {pid}, {version})"), Green),
        Event::TownStopped { reason } => (format!("the town has stopped: {reason}"), Yellow),
        Event::BackupMade { dir, number, .. } => (format!("made backup {number} in {dir}"), Green),
        Event::TownRestored { dir, number, made_at, .. } => {
            (format!("restored the town from backup {number} in {dir}, taken at {made_at}"), Yellow)
        }
        Event::ActorEnded { name, reason, outcome, crash, .. } => {
            let hands = crash.hands().map(|hands| format!(" with {hands}")).unwrap_or_default();
            let tint = if outcome == "gave_up" { Red } else { Yellow };
            (format!("the actor {name} died{hands}: {reason}; {outcome}"), tint)
        }
        Event::ActorBlocked { name, in_hand, since_ms, .. } => {
            let over = in_hand.as_ref().map(|what| format!(" over {what}")).unwrap_or_default();
            (format!("the actor {name} takes no messages{over}, for {since_ms} ms"), Red)
        }
        Event::ActorUnblocked { name, after_ms } => {
            (format!("the actor {name} goes on after {after_ms} ms"), Yellow)
        }
        other => (plain(other), Dim),
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// An event that has no sentence of its own: its type and what is simple in it.
fn plain(event: &Event) -> String {
    let mut text = event.kind().to_owned();
    let value = serde_json::to_value(event).unwrap_or(Value::Null);
    for (key, value) in value["data"].as_object().into_iter().flatten() {
        match value {
            Value::String(said) => text.push_str(&format!(" {key}={said}")),
            Value::Number(_) | Value::Bool(_) => text.push_str(&format!(" {key}={value}")),
            _ => {}
        }
    }
    text
}
