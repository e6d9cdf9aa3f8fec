//! The ways of an escalation: decided once for each round, then gone one by one.
//!
//! ```text
//!   raised ──> routed ──> bead, letters          in the same batch: exactly once
//!     │           └─────> sending ──> notified   what leaves the town, each way on its own
//!     │                      ^            │
//!     │                      └── again ───┘      with growing pauses, a bounded number of times
//!     └─ nobody takes note for too long ──> reescalated, and routed anew as graver
//! ```
//!
//! Nothing leaves the town before `sending` is on disk, and what came of it is on disk before anything else is
//! done about it. So a runtime that dies leaves one of three things: a message that was not tried, one that was
//! and whose end is known, or one in doubt. What is in doubt is sent again under the same name, by which whoever
//! gets it twice can tell; or left alone, where the rules say so.

mod message;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ledger::views::Board;
use ledger::views::escalations::{Escalation, Notice};
use model::bead::{Bead, DepType, Dependency, IssueType, Patch, Status};
use model::escalation::{NoticeState, Outcome, Route, Rules, Severity};
use model::event::Event;
use model::ids::{BeadId, EscalationId, Prefix};
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::draft::Draft;
use crate::{beads, context};

pub use self::message::{Told, told};

/// The label that beads of escalations bear, as in other Gas Towns.
const LABEL: &str = "gt:escalation";

/// The longest title of a bead that holds an escalation, in bytes.
const LONGEST_TITLE: usize = 200;

/// Which message: of which escalation, for which round, by which way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Of which escalation.
    pub escalation: EscalationId,
    /// How often it had become graver by then.
    pub round: u32,
    /// By which way.
    pub route: Route,
}

/// A message that is to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Which.
    pub key: Key,
    /// For which time, from 1.
    pub attempt: u32,
    /// Whether an earlier attempt may have gone through.
    pub in_doubt: bool,
}

/// What is to be done about escalations at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// Whether there is anything for [`settle`] to record.
    pub settle: bool,
    /// What is to be sent.
    pub send: Vec<Sending>,
    /// How long until something else is due by itself.
    pub next: Option<Duration>,
}

impl Due {
    fn later(&mut self, wait: Duration) {
        self.next = Some(self.next.map_or(wait, |next| next.min(wait)));
    }
}

/// What to do about one message.
enum Step {
    Nothing,
    Send,
    /// It is in doubt, and is left so.
    GiveUp(String),
    Wait(Duration),
}

/// Looks at everything that is to be done. `under_way` are the messages that somebody is sending just now.
pub fn due(board: &Board, now: Timestamp, rules: &Rules, under_way: &BTreeSet<Key>) -> Due {
    let mut due = Due::default();
    for known in board.escalations.unsettled() {
        due.settle |= known.is_unrouted() || known.closed_at.is_some();
        match climbs_at(board, known, rules) {
            Some((_, at)) if at <= now => due.settle = true,
            Some((_, at)) => due.later(at.since(now)),
            None => {}
        }
        for notice in known.pending() {
            let key = key(known, notice);
            match step(known, notice, now, rules, under_way.contains(&key)) {
                Step::Nothing => {}
                Step::Send => {
                    let in_doubt = notice.in_doubt || notice.sending;
                    due.send.push(Sending { key, attempt: notice.attempts + 1, in_doubt });
                }
                Step::GiveUp(_) => due.settle = true,
                Step::Wait(wait) => due.later(wait),
            }
        }
    }
    due
}

fn key(known: &Escalation, notice: &Notice) -> Key {
    Key { escalation: known.id.clone(), round: notice.round, route: notice.route.clone() }
}

fn step(known: &Escalation, notice: &Notice, now: Timestamp, rules: &Rules, under_way: bool) -> Step {
    match known.state_of(notice) {
        _ if under_way => Step::Nothing,
        // The log says that it is under way, and nobody is sending it: whoever did has died over it.
        NoticeState::Sending => {
            let died = "the runtime died while it was being sent";
            if !known.wants(notice) {
                Step::GiveUp(format!("{died}, and by now nobody has to be told"))
            } else if !rules.repeat_in_doubt {
                Step::GiveUp(format!("{died}, and \"in_doubt\" says to leave it"))
            } else if rules.retry.pause(notice.attempts).is_none() {
                Step::GiveUp(format!("{died}, as the last of {} attempts", notice.attempts))
            } else {
                Step::Send
            }
        }
        NoticeState::Planned => Step::Send,
        NoticeState::Failing => match rules.retry.pause(notice.attempts) {
            // The rules have become stricter meanwhile.
            None => Step::GiveUp("it is not tried as often any more".to_owned()),
            Some(pause) => match notice.at.plus(pause) {
                at if at <= now => Step::Send,
                at => Step::Wait(at.since(now)),
            },
        },
        NoticeState::Delivered | NoticeState::Failed | NoticeState::Unknown | NoticeState::Dropped => {
            Step::Nothing
        }
    }
}

/// What an escalation of which nobody has taken note becomes, and when; none when it stays as it is. The time in
/// which everything stands still does not count.
pub fn climbs_at(board: &Board, known: &Escalation, rules: &Rules) -> Option<(Severity, Timestamp)> {
    let spent = known.rounds >= rules.max_reescalations;
    if known.acked_at.is_some() || spent || board.freezes.now().is_some() {
        return None;
    }
    let to = known.severity.next()?;
    let patience = rules.stale_after.get(&known.severity)?;
    Some((to, board.freezes.skipped(known.since).plus(*patience)))
}

/// Records all that the ledger alone can do about escalations by now: makes graver what nobody has taken note of,
/// sends what is new on its ways, gives up what is in doubt, closes the beads of what is settled.
pub fn settle(draft: &mut Draft<'_>, rules: &Rules, under_way: &BTreeSet<Key>) {
    let (board, now) = (draft.board, draft.now);
    for known in board.escalations.unsettled() {
        if known.closed_at.is_some() {
            if let Some(record) = known.record.as_ref().filter(|_| known.record_is_open) {
                beads::shut(draft, record, known.close_reason.as_deref().unwrap_or("settled"));
            }
            continue;
        }
        for notice in known.pending() {
            let key = key(known, notice);
            if let Step::GiveUp(why) = step(known, notice, now, rules, under_way.contains(&key)) {
                let Key { escalation, round, route } = key;
                let outcome = Outcome::Unknown { why };
                draft.push(Event::EscalationNotified { escalation, round, route, outcome });
            }
        }
        match climbs_at(board, known, rules).filter(|(_, at)| *at <= now) {
            Some((to, _)) => {
                let patience = now.since(known.since);
                let reason = format!("nobody has taken note for {}", crate::help::span(patience));
                let graver = climb(draft, known, to, reason);
                route(draft, rules, &graver);
            }
            None if known.is_unrouted() => route(draft, rules, known),
            None => {}
        }
    }
}

/// Records that `known` is graver now, and returns it so.
pub fn climb(draft: &mut Draft<'_>, known: &Escalation, to: Severity, reason: String) -> Escalation {
    draft.push(Event::EscalationReescalated {
        escalation: known.id.clone(),
        from: known.severity,
        to,
        reason,
    });
    let mut graver = known.clone();
    graver.climb(draft.now, to);
    graver
}

/// Sends `known` on the ways of its severity: those within the town are gone here and now.
pub fn route(draft: &mut Draft<'_>, rules: &Rules, known: &Escalation) {
    // Nobody is asked about their own trouble.
    let of_itself = |route: &&Route| match route {
        Route::Mail(to) => known.agent.as_ref() == Some(to),
        _ => false,
    };
    let routes: Vec<Route> =
        rules.routes_of(known.severity).iter().filter(|route| !of_itself(route)).cloned().collect();
    let round = known.rounds;
    draft.push(Event::EscalationRouted {
        escalation: known.id.clone(),
        round,
        severity: known.severity,
        routes: routes.clone(),
    });
    if known.record.is_some() && !routes.contains(&Route::Bead) {
        // The bead that holds it is as urgent as it is, whether this round makes one or not.
        record(draft, known);
    }
    for route in routes {
        let outcome = match &route {
            Route::Bead => Outcome::Bead { bead: record(draft, known) },
            Route::Mail(to) => {
                let told = known.letters.iter().find(|told| told.round == round && told.to == *to);
                let mail = told.map(|told| told.mail.clone());
                Outcome::Letter { mail: mail.unwrap_or_else(|| draft.tell(known, to)) }
            }
            Route::Email(_) | Route::Webhook(_) | Route::Command(_) => continue,
        };
        draft.push(Event::EscalationNotified { escalation: known.id.clone(), round, route, outcome });
    }
}

/// The bead that holds `known`: a new one, or the one it has, which becomes as urgent as it is by now.
fn record(draft: &mut Draft<'_>, known: &Escalation) -> BeadId {
    let label = |severity: Severity| format!("severity:{severity}");
    if let Some(bead) = known.record.as_ref().and_then(|id| draft.board.beads.get(id)) {
        let others = Severity::ALL.into_iter().filter(|other| *other != known.severity);
        let patch = Patch {
            priority: Some(known.severity.priority()),
            add_labels: vec![label(known.severity)],
            remove_labels: others.map(label).collect(),
            ..Patch::default()
        };
        draft.push(Event::BeadUpdated { bead: bead.id.clone(), patch });
        return bead.id.clone();
    }
    let title = title(&known.subject);
    let id = draft.bead_id(Prefix::town().as_str(), &title);
    let about = known.bead.iter().filter(|bead| draft.board.beads.get(bead).is_some());
    let dependencies = about.map(|bead| Dependency {
        issue_id: id.clone(),
        depends_on_id: bead.clone(),
        kind: DepType::RelatesTo,
        created_at: draft.now.into(),
        created_by: draft.actor().to_string(),
        extra: Default::default(),
    });
    let bead = Bead {
        id: id.clone(),
        title,
        description: context::text(draft.board, known),
        acceptance_criteria: String::new(),
        status: Status::Open,
        priority: known.severity.priority(),
        issue_type: IssueType::Escalation,
        assignee: None,
        rig: None,
        created_at: draft.now.into(),
        updated_at: draft.now.into(),
        created_by: draft.actor().to_string(),
        closed_at: None,
        close_reason: None,
        dependencies: dependencies.collect(),
        labels: vec![LABEL.to_owned(), label(known.severity)],
        comments: Vec::new(),
        extra: Default::default(),
    };
    draft.push(Event::BeadCreated { bead: Arc::new(bead) });
    id
}

/// A title of one line, whatever the subject.
fn title(subject: &str) -> String {
    let line = subject.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("escalation");
    let mut end = LONGEST_TITLE.min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    if end < line.len() { format!("{}…", &line[..end]) } else { line.to_owned() }
}

impl Draft<'_> {
    /// Adds a letter about `known` to `to`, and returns its name.
    pub(crate) fn tell(&mut self, known: &Escalation, to: &Address) -> model::ids::MailId {
        let kind = Kind::Escalation {
            severity: known.severity.to_string(),
            escalation: Some(known.id.clone()),
            bead: known.bead.clone(),
            subject: known.subject.clone(),
            body: context::text(self.board, known),
        };
        self.send(to, kind)
    }
}

/// Records that a message is about to leave the town.
///
/// # Errors
/// `not_wanted` when it need not or may not: somebody has taken note, or another has sent it meanwhile.
pub fn sending(draft: &mut Draft<'_>, sending: &Sending) -> Result<(), Refusal> {
    let Sending { key, attempt, .. } = sending;
    let known = draft.board.escalations.get(&key.escalation);
    let wanted = known.is_some_and(|known| {
        known.pending().any(|notice| {
            notice.round == key.round
                && notice.route == key.route
                && notice.attempts + 1 == *attempt
                && known.wants(notice)
        })
    });
    if !wanted {
        return Err(Refusal::forbidden("not_wanted", format!("{} need not be told again", key.route)));
    }
    let Key { escalation, round, route } = key.clone();
    draft.push(Event::EscalationSending { escalation, round, route, attempt: *attempt });
    Ok(())
}

/// How an attempt to send a message has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// Whoever it was for has taken it.
    Taken(String),
    /// It did not go through, and may do so another time.
    Failed(String),
    /// It was refused for good.
    Refused(String),
    /// It may or may not have gone through.
    Doubtful(String),
}

/// Records what came of an attempt.
pub fn attempted(draft: &mut Draft<'_>, rules: &Rules, sending: &Sending, how: Attempted) {
    let Key { escalation, round, route } = sending.key.clone();
    let again = rules.retry.pause(sending.attempt).is_some();
    let outcome = match how {
        Attempted::Taken(detail) => Outcome::Delivered { detail },
        Attempted::Failed(error) => Outcome::Failed { error, again, in_doubt: false },
        Attempted::Refused(error) => Outcome::Failed { error, again: false, in_doubt: false },
        Attempted::Doubtful(error) if rules.repeat_in_doubt => {
            Outcome::Failed { error, again, in_doubt: true }
        }
        Attempted::Doubtful(why) => Outcome::Unknown { why },
    };
    draft.push(Event::EscalationNotified { escalation, round, route, outcome });
}
