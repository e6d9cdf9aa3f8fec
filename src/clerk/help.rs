//! Calls for help: a HELP letter gets an answer, or goes up the ladder, rung by rung.
//!
//! ```text
//!   worker ──HELP──> Witness (or another) ──deadline──> Mayor ──deadline──> a person
//!   anybody ───────────────HELP──────────────────────> Mayor ──deadline──> a person
//! ```
//!
//! A rung is an escalation: to the Mayor it is `medium`, to a person `high`. A call is answered when it is
//! acknowledged, and whoever replies to it acknowledges it by that; whoever takes note of the escalation stops it
//! where it is. What nobody takes note of then becomes graver like any other escalation ([`crate::routing`]).

use std::time::Duration;

use ledger::views::Board;
use ledger::views::escalations::Escalation;
use ledger::views::mail::Post;
use model::escalation::Severity;
use model::ids::{EscalationId, MailId};
use model::mail::Kind;
use model::role::Address;
use model::time::Timestamp;

use crate::draft::Draft;
use crate::routing;

/// What is open at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// Calls whose time is up and of which nobody else has been told, oldest first.
    pub overdue: Vec<MailId>,
    /// Calls of which the Mayor has been told, whose time is up again.
    pub climbing: Vec<EscalationId>,
    /// How long until the next one is overdue.
    pub next: Option<Duration>,
}

/// Looks at the calls that nobody has answered.
pub fn unanswered(board: &Board, now: Timestamp, deadline: Duration) -> Unanswered {
    let mut found = Unanswered::default();
    for post in calls(board) {
        let rung = told(board, &post.letter.id);
        let since = match rung {
            None => post.letter.sent_at,
            Some(known) if waits_for_the_mayor(known) => known.since,
            Some(_) => continue,
        };
        // Nobody could answer while everything stood still.
        let passed = now.since(board.freezes.skipped(since));
        match (deadline.checked_sub(passed).filter(|left| !left.is_zero()), rung) {
            (Some(left), _) => found.next = Some(found.next.map_or(left, |next| next.min(left))),
            (None, None) => found.overdue.push(post.letter.id.clone()),
            (None, Some(known)) => found.climbing.push(known.id.clone()),
        }
    }
    found
}

/// The calls for help that nobody has answered, but for those that a person has been asked directly.
fn calls(board: &Board) -> impl Iterator<Item = &Post> {
    let boxes = board.mail.boxes().filter(|(_, unacked, _)| *unacked > 0).map(|(address, ..)| address);
    let posts = boxes.filter(|to| **to != Address::Overseer).flat_map(|to| board.mail.unacked(to));
    posts.filter(|post| matches!(post.letter.kind, Kind::Help { .. }))
}

/// Whether the Mayor has been told of it, and nobody has done anything about it since.
fn waits_for_the_mayor(known: &Escalation) -> bool {
    known.acked_at.is_none() && known.severity < Severity::High
}

fn about(call: &MailId) -> String {
    format!("letter {call} to ")
}

/// What somebody has been told of it: once is enough, whatever became of that.
fn told<'a>(board: &'a Board, call: &MailId) -> Option<&'a Escalation> {
    let about = about(call);
    board.escalations.iter().find(|known| known.by == Address::Deacon && known.subject.starts_with(&about))
}

/// Tells whoever is next on the ladder of each call that is overdue by now.
pub fn escalate(draft: &mut Draft<'_>, deadline: Duration) {
    let board = draft.board;
    let Unanswered { overdue, climbing, .. } = unanswered(board, draft.now, deadline);
    for call in overdue {
        let Some(letter) = board.mail.get(&call).map(|post| &post.letter) else { continue };
        let subject = format!(
            "{}{} has had no answer for {}: {}",
            about(&call),
            letter.to,
            span(draft.now.since(letter.sent_at)),
            letter.kind.subject()
        );
        let body = format!(
            "{} asks:\n\n{}\n\nTo answer: gastown mail reply {call} -m TEXT",
            letter.from,
            letter.kind.body()
        );
        let about = (board.hooks.of(&letter.from).map(|hook| hook.bead.clone()), Some(letter.from.clone()));
        match letter.to {
            Address::Mayor => draft.escalate("high", about, subject, body, &[Address::Overseer]),
            _ => draft.escalate("medium", about, subject, body, &[Address::Mayor]),
        }
    }
    for id in climbing {
        let Some(known) = board.escalations.get(&id) else { continue };
        let reason = format!("the Mayor has had it for {}", span(draft.now.since(known.since)));
        let graver = routing::climb(draft, known, Severity::High, reason);
        draft.tell(&graver, &Address::Overseer);
    }
}

/// A span of time in words: whole minutes, or seconds below one.
pub(crate) fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use model::command::Command;

    use super::*;
    use crate::testing::Paper;

    const DEADLINE: Duration = Duration::from_secs(600);

    fn call(paper: &mut Paper) -> MailId {
        let (to, subject) = ("mayor/".to_owned(), "which schema?".to_owned());
        let kind = Some("help".to_owned());
        paper.does(Command::MailSend { to, subject, body: "two or one".into(), kind, key: None }).unwrap();
        paper.board.mail.unacked(&Address::Mayor).last().unwrap().letter.id.clone()
    }

    fn open(paper: &Paper) -> usize {
        paper.board.escalations.open().filter(|known| known.subject.contains("no answer")).count()
    }

    #[test]
    fn a_call_is_told_of_once_after_its_time_and_never_before() {
        let mut paper = Paper::new();
        let first = call(&mut paper);
        let sent = paper.board.mail.get(&first).unwrap().letter.sent_at;
        let at =
            |seconds: u64| Timestamp::from_millis(sent.millis() + i64::try_from(seconds).unwrap() * 1000);
        let early = unanswered(&paper.board, at(1), DEADLINE);
        assert_eq!((early.overdue.len(), early.next), (0, Some(Duration::from_secs(599))));
        assert_eq!(unanswered(&paper.board, at(600), DEADLINE).overdue, std::slice::from_ref(&first));
        for _ in 0..2 {
            paper
                .role(&Address::Deacon, |draft| {
                    escalate(draft, Duration::ZERO);
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(open(&paper), 1);
        assert_eq!(unanswered(&paper.board, at(9_999), DEADLINE), Unanswered::default());
        // An answer settles it: the letter, and what the person was told.
        paper.does(Command::MailReply { id: first.clone(), body: "one".into() }).unwrap();
        assert_eq!(open(&paper), 0);
        assert!(paper.board.mail.unacked(&Address::Mayor).all(|post| post.letter.id != first));
        let second = call(&mut paper);
        paper.does(Command::MailAck(vec![second])).unwrap();
        assert_eq!(unanswered(&paper.board, at(9_999), DEADLINE), Unanswered::default());
    }
}
