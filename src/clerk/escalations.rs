//! What people and agents do with escalations: raise them, take note, settle them; and how they are shown.

mod rows;

use ledger::views::Board;
use ledger::views::escalations::Escalation;
use model::answer::Answer;
use model::command::{Command, Origin};
use model::escalation::{Rules, Severity, StaleRow};
use model::event::Event;
use model::ids::{BeadId, EscalationId, MailId};
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::{Address, Role};
use model::time::Timestamp;

use crate::draft::{Deed, Draft};
use crate::{beads, routing};

pub use self::rows::{answer, gauge, row, undelivered, untold};

/// The longest subject, in bytes.
const LONGEST: usize = 500;

/// The longest text, in bytes.
const LONGEST_BODY: usize = 1024 * 1024;

/// What is to be escalated.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// How grave.
    pub severity: Severity,
    /// One line.
    pub subject: &'a str,
    /// The whole of it.
    pub body: &'a str,
    /// About which bead.
    pub bead: Option<&'a BeadId>,
    /// What it comes from.
    pub source: Option<&'a str>,
}

/// Decides [`Command::Escalate`] where somebody has looked into the worktree that it is about.
///
/// # Errors
/// As [`raise`].
pub fn decide(
    board: &Board,
    rules: &Rules,
    origin: &Origin,
    command: &Command,
    diff: Option<String>,
    now: Timestamp,
) -> Result<(Deed, Answer), Refusal> {
    let Command::Escalate { severity, subject, body, bead, source, dry_run } = command else {
        return Err(Refusal::usage("this is no escalation"));
    };
    let mut draft = Draft::new(board, origin.actor(), now);
    draft.diff = diff;
    let (bead, source) = (bead.as_ref(), source.as_deref());
    let answer = raise(&mut draft, rules, New { severity: *severity, subject, body, bead, source })?;
    let deed = if *dry_run { Deed::new() } else { draft.finish() };
    Ok((deed, answer))
}

/// Raises an escalation, and sends it on those of its ways that the ledger alone can take.
///
/// # Errors
/// `usage`; `no_such_bead` with near matches.
pub fn raise(draft: &mut Draft<'_>, rules: &Rules, new: New<'_>) -> Result<Answer, Refusal> {
    let New { severity, subject, body, bead, source } = new;
    let subject = subject.trim();
    if subject.is_empty() {
        return Err(Refusal::usage("an escalation needs a subject").hint("gastown escalate SUBJECT -m TEXT"));
    }
    if subject.len() > LONGEST || subject.lines().count() > 1 {
        return Err(Refusal::usage("a subject is one line of at most 500 bytes")
            .hint("the rest belongs into the text: -m TEXT"));
    }
    if body.len() > LONGEST_BODY {
        return Err(Refusal::usage("the text of an escalation is at most 1 MiB")
            .hint("put it into a file and say where it is"));
    }
    let source = source.map(str::trim).filter(|source| !source.is_empty());
    if source.is_some_and(|source| source.len() > LONGEST || source.contains(char::is_control)) {
        return Err(Refusal::usage("a source is a few words").hint("for instance plugin:NAME"));
    }
    if let Some(bead) = bead {
        beads::find(draft.board, bead)?;
    }
    let by = draft.actor().clone();
    let agent = (by != Address::Overseer).then_some(by);
    let words = (subject.to_owned(), body.to_owned());
    let raised = draft.raise(severity, (bead.cloned(), agent), words, source.map(str::to_owned));
    let from = draft.events().count();
    routing::route(draft, rules, &raised);
    let gone = after(draft, from, raised);
    Ok(Answer::Escalation(Box::new(row(&gone, draft.now))))
}

/// `known` as it is after the events of the draft from number `from` on.
fn after(draft: &Draft<'_>, from: usize, mut known: Escalation) -> Escalation {
    let events: Vec<Event> = draft.events().skip(from).cloned().collect();
    for event in events {
        match event {
            Event::EscalationRouted { round, routes, .. } => known.routed(round, &routes, draft.now),
            Event::EscalationNotified { round, route, outcome, .. } => {
                known.notified(round, &route, &outcome, draft.now);
            }
            _ => {}
        }
    }
    known
}

/// The escalation that is meant by `name`: its own, that of the bead that holds it, or of a letter about it.
///
/// # Errors
/// `no_such_escalation`, with near matches.
pub fn find<'a>(board: &'a Board, name: &str) -> Result<&'a Escalation, Refusal> {
    let name = name.trim();
    let all = &board.escalations;
    let own = name.parse::<EscalationId>().ok().and_then(|id| all.get(&id));
    let bead = || {
        let bead = name.parse::<BeadId>().ok()?;
        all.iter().find(|known| known.record.as_ref() == Some(&bead))
    };
    let letter = || {
        let mail = name.parse::<MailId>().ok()?;
        all.iter().find(|known| known.letters.iter().any(|told| told.mail == mail))
    };
    own.or_else(bead).or_else(letter).ok_or_else(|| {
        let refusal = Refusal::no_such("escalation", name, all.iter().map(|known| known.id.as_str()));
        match refusal.hint {
            Some(_) => refusal,
            None => refusal.hint("see what there is with `gastown escalate list --all`"),
        }
    })
}

/// Whether `origin` may take note of `known`, or settle it. What is `high` or `critical` is a person's.
fn may(origin: &Origin, known: &Escalation) -> Result<(), Refusal> {
    let Origin::Session { agent, .. } = origin else { return Ok(()) };
    let light = known.severity <= Severity::Medium;
    let own = known.by == *agent || matches!(agent.role(), Role::Mayor | Role::Deacon);
    if light && own {
        return Ok(());
    }
    let (id, severity) = (&known.id, known.severity);
    let why = match light {
        true => format!("{id} was raised by {}, and {agent} is neither that nor the Mayor", known.by),
        false => format!("{id} is {severity}: a person has to see it"),
    };
    Err(Refusal::forbidden("a_person_decides", why)
        .hint("write to the Mayor what is to be known: gt mail send mayor/ -s SUBJECT -m BODY"))
}

/// Those that `names` mean, each once.
fn named<'a>(board: &'a Board, origin: &Origin, names: &[String]) -> Result<Vec<&'a Escalation>, Refusal> {
    let mut found: Vec<&Escalation> = Vec::new();
    for name in names {
        let known = find(board, name)?;
        may(origin, known)?;
        if !found.iter().any(|other| other.id == known.id) {
            found.push(known);
        }
    }
    Ok(found)
}

/// Takes note of escalations: they become no graver. Said again it changes nothing.
///
/// # Errors
/// `no_such_escalation`; `a_person_decides`.
pub fn ack(
    draft: &mut Draft<'_>,
    origin: &Origin,
    names: &[String],
    note: Option<&str>,
) -> Result<Answer, Refusal> {
    let (board, me) = (draft.board, origin.actor());
    let mut rows = Vec::new();
    for known in named(board, origin, names)? {
        let mut known = known.clone();
        if known.acked_at.is_none() {
            take_note(draft, &known, note);
            known.ack(draft.now, &me, note.map(str::to_owned));
        }
        rows.push(row(&known, draft.now));
    }
    Ok(Answer::Escalations(rows))
}

/// Records that the one who acts has taken note of `known`, and so has read the letters about it.
pub(crate) fn take_note(draft: &mut Draft<'_>, known: &Escalation, note: Option<&str>) {
    draft.push(Event::EscalationAcked { escalation: known.id.clone(), note: note.map(str::to_owned) });
    let me = draft.actor().clone();
    read(draft, known, |to| *to == me);
}

/// Who acknowledges a letter about an escalation has taken note of it, as far as that is theirs to do.
pub(crate) fn heard(draft: &mut Draft<'_>, origin: &Origin, letter: &Kind) {
    let Kind::Escalation { escalation: Some(id), .. } = letter else { return };
    let known = draft.board.escalations.get(id).filter(|known| known.acked_at.is_none());
    let said = |event: &Event| matches!(event, Event::EscalationAcked { escalation, .. } if escalation == id);
    if let Some(known) = known.filter(|known| may(origin, known).is_ok())
        && !draft.events().any(said)
    {
        take_note(draft, known, None);
    }
}

/// Acknowledges letters about `known` that are still open.
fn read(draft: &mut Draft<'_>, known: &Escalation, whose: impl Fn(&Address) -> bool) {
    for told in known.letters.iter().filter(|told| whose(&told.to)) {
        let open = draft.board.mail.get(&told.mail).is_some();
        let said = |event: &Event| matches!(event, Event::MailAcked { mail } if *mail == told.mail);
        if open && !draft.events().any(said) {
            draft.push(Event::MailAcked { mail: told.mail.clone() });
        }
    }
}

/// Settles escalations: the beads that hold them are closed, the letters about them are read. Said again it
/// changes nothing.
///
/// # Errors
/// `no_such_escalation`; `a_person_decides`; `usage` without a reason.
pub fn close(
    draft: &mut Draft<'_>,
    origin: &Origin,
    names: &[String],
    reason: &str,
) -> Result<Answer, Refusal> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Refusal::usage("say how the matter was settled").hint("--reason TEXT"));
    }
    let (board, me) = (draft.board, origin.actor());
    let mut rows = Vec::new();
    for known in named(board, origin, names)? {
        let mut known = known.clone();
        if known.closed_at.is_none() {
            settled(draft, &known, reason);
            known.close(draft.now, &me, reason);
        }
        rows.push(row(&known, draft.now));
    }
    Ok(Answer::Escalations(rows))
}

/// Records that the matter of `known` is settled.
pub(crate) fn settled(draft: &mut Draft<'_>, known: &Escalation, reason: &str) {
    draft.push(Event::EscalationClosed { escalation: known.id.clone(), reason: reason.to_owned() });
    if let Some(record) = known.record.as_ref().filter(|_| known.record_is_open) {
        beads::shut(draft, record, reason);
    }
    read(draft, known, |_| true);
}

/// Has messages sent again that did not go through.
///
/// # Errors
/// `no_such_escalation`; `all_delivered` where there is none; `acked` where nobody has to be told any more.
pub fn retry(draft: &mut Draft<'_>, origin: &Origin, names: &[String]) -> Result<Answer, Refusal> {
    let mut rows = Vec::new();
    for known in named(draft.board, origin, names)? {
        let id = &known.id;
        if known.acked_at.is_some() {
            return Err(Refusal::failed("acked", format!("somebody has taken note of {id} already"))
                .hint(format!("see who: gastown escalate show {id}")));
        }
        if known.undelivered().next().is_none() {
            return Err(Refusal::failed("all_delivered", format!("no message about {id} has failed"))
                .hint(format!("see what became of them: gastown escalate show {id}")));
        }
        draft.push(Event::EscalationRetried { escalation: id.clone() });
        rows.push(row(known, draft.now));
    }
    Ok(Answer::Escalations(rows))
}

/// Makes graver what nobody has taken note of for too long, and says when the rest becomes so.
pub fn stale(draft: &mut Draft<'_>, rules: &Rules, dry_run: bool) -> Answer {
    let now = draft.now;
    let mut rows = Vec::new();
    for known in draft.board.escalations.open() {
        let Some((to, due_at)) = routing::climbs_at(draft.board, known, rules) else { continue };
        let done = due_at <= now && !dry_run;
        if done {
            let reason = format!("nobody has taken note for {}", crate::help::span(now.since(known.since)));
            let graver = routing::climb(draft, known, to, reason);
            routing::route(draft, rules, &graver);
        }
        let (id, subject) = (known.id.clone(), known.subject.clone());
        rows.push(StaleRow { id, severity: known.severity, to, due_at, done, subject });
    }
    rows.sort_by_key(|row| row.due_at);
    Answer::Stale(rows)
}

#[cfg(test)]
mod tests;
