//! How escalations are shown: one with everything, a list, and what a status says of them.

use ledger::views::Board;
use ledger::views::escalations::{Escalation, Notice};
use model::answer::{Answer, EscalationGauge};
use model::command::Command;
use model::escalation::{EscalationRow, NoticeRow, NoticeState, Route, Severity, Stage};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use super::find;
use crate::past::Past;
use crate::reports;

/// Answers a question about escalations; `None` for every other command. Reads the log for the words of what is
/// closed.
///
/// # Errors
/// `no_such_escalation` with near matches; `cannot_read`.
pub fn answer(past: &impl Past, command: &Command, now: Timestamp) -> Option<Result<Answer, Refusal>> {
    match command {
        Command::EscalateShow { name } => Some(show(past, name, now)),
        Command::EscalateList { all, unacked, severity } => {
            Some(Ok(past.look(|board| list(board, (*all, *unacked, *severity), now))))
        }
        _ => None,
    }
}

fn show(past: &impl Past, name: &str, now: Timestamp) -> Result<Answer, Refusal> {
    let mut known = past.look(|board| find(board, name).cloned())?;
    if known.closed_at.is_some() {
        let records = past.records(known.seq, 1).map_err(|error| reports::cannot_read(&error))?;
        if let Some(raised) = records.first().and_then(Escalation::raised) {
            (known.body, known.context) = (raised.body, raised.context);
        }
    }
    Ok(Answer::Escalation(Box::new(row(&known, now))))
}

/// Those that are not closed, or all: open ones first, the gravest first, then the oldest.
fn list(board: &Board, (all, unacked, severity): (bool, bool, Option<Severity>), now: Timestamp) -> Answer {
    let wanted = |known: &&Escalation| {
        (all || known.closed_at.is_none())
            && (!unacked || known.acked_at.is_none())
            && severity.is_none_or(|severity| known.severity == severity)
    };
    let mut found: Vec<&Escalation> = match all {
        true => board.escalations.iter().filter(wanted).collect(),
        false => board.escalations.unsettled().filter(wanted).collect(),
    };
    let stage = |known: &Escalation| match known.stage() {
        Stage::Open => 0,
        Stage::Acked => 1,
        Stage::Closed => 2,
    };
    found.sort_by_key(|known| (stage(known), std::cmp::Reverse(known.severity), known.seq));
    Answer::Escalations(found.into_iter().map(|known| row(known, now)).collect())
}

/// An escalation as data.
pub fn row(known: &Escalation, now: Timestamp) -> EscalationRow {
    let notice = |notice: &Notice| NoticeRow {
        round: notice.round,
        route: notice.route.clone(),
        state: known.state_of(notice),
        attempts: notice.attempts,
        at: notice.at,
        detail: notice.outcome.as_ref().map(ToString::to_string),
    };
    EscalationRow {
        id: known.id.clone(),
        severity: known.severity,
        raised_as: known.raised_as,
        reescalations: known.rounds,
        state: known.stage(),
        owner: owner(known),
        subject: known.subject.clone(),
        body: known.body.clone(),
        source: known.source.clone(),
        bead: known.bead.clone(),
        agent: known.agent.clone(),
        by: known.by.clone(),
        raised_at: known.at,
        age_s: known.closed_at.unwrap_or(now).since(known.at).as_secs(),
        acked_at: known.acked_at,
        acked_by: known.acked_by.clone(),
        note: known.note.clone(),
        closed_at: known.closed_at,
        closed_by: known.closed_by.clone(),
        close_reason: known.close_reason.clone(),
        record: known.record.clone(),
        notices: known.notices.iter().map(notice).collect(),
        context: known.context.clone(),
    }
}

/// Whose turn it is: who has taken note, or else the highest on the ladder who was told.
pub(super) fn owner(known: &Escalation) -> Option<Address> {
    let told = |who: &Address| {
        let by_letter = known.letters.iter().any(|told| told.to == *who);
        let by_route =
            known.notices.iter().any(|notice| notice.is_there() && notice.route == Route::Mail(who.clone()));
        by_letter || by_route
    };
    let next = || [Address::Overseer, Address::Mayor].into_iter().find(told);
    known.acked_by.clone().or_else(next)
}

/// How many there are, and how many messages about them do not go through.
pub fn gauge(board: &Board) -> EscalationGauge {
    let mut gauge = EscalationGauge::default();
    for known in board.escalations.unsettled() {
        match known.stage() {
            Stage::Open => gauge.open += 1,
            Stage::Acked => gauge.acked += 1,
            Stage::Closed => {}
        }
        gauge.undelivered += known.undelivered().count();
    }
    gauge
}

/// What a person should know of messages that do not go through: one line each.
pub fn undelivered(board: &Board) -> impl Iterator<Item = String> + '_ {
    board.escalations.open().flat_map(|known| {
        known.undelivered().map(move |notice| {
            let outcome = notice.outcome.as_ref().map(ToString::to_string).unwrap_or_default();
            let id = &known.id;
            let then = match known.state_of(notice) {
                NoticeState::Failing => "it is tried again".to_owned(),
                _ => format!("again with `gastown escalate retry {id}`"),
            };
            let route = &notice.route;
            format!("{id} does not get through by {route}: {outcome} (attempt {}); {then}", notice.attempts)
        })
    })
}

/// What the town is about to tell somebody: one line each. What has failed once is not waited for.
pub fn untold(board: &Board) -> impl Iterator<Item = String> + '_ {
    board.escalations.unsettled().flat_map(|known| {
        let unrouted = known.is_unrouted().then(|| format!("{} is to go on its ways", known.id));
        let underway = known.pending().filter(|notice| {
            matches!(known.state_of(notice), NoticeState::Planned | NoticeState::Sending)
                && notice.attempts <= 1
        });
        let underway = underway.map(|notice| format!("{} is to go by {}", known.id, notice.route));
        unrouted.into_iter().chain(underway)
    })
}
