//! Calls for help: a HELP letter to the Mayor gets an answer, or a person hears of it in time.
//!
//! A call is answered when it is acknowledged, and whoever replies to it acknowledges it by that.

use std::time::Duration;

use ledger::views::Board;
use model::ids::MailId;
use model::mail::Kind;
use model::role::Address;
use model::time::Timestamp;

use crate::draft::Draft;

/// What is open at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// Calls whose time is up and of which no person has been told, oldest first.
    pub overdue: Vec<MailId>,
    /// How long until the next one is overdue.
    pub next: Option<Duration>,
}

/// Looks at the calls that nobody has answered.
pub fn unanswered(board: &Board, now: Timestamp, deadline: Duration) -> Unanswered {
    let mut found = Unanswered::default();
    for post in board.mail.unacked(&Address::Mayor) {
        let letter = &post.letter;
        if !matches!(letter.kind, Kind::Help { .. }) || told(board, &letter.id) {
            continue;
        }
        // Nobody could answer while everything stood still.
        match deadline
            .checked_sub(now.since(board.freezes.skipped(letter.sent_at)))
            .filter(|left| !left.is_zero())
        {
            None => found.overdue.push(letter.id.clone()),
            Some(left) => found.next = Some(found.next.map_or(left, |next| next.min(left))),
        }
    }
    found
}

fn about(call: &MailId) -> String {
    format!("letter {call} to {} ", Address::Mayor)
}

/// Whether a person has been told of it: once is enough, whatever became of that.
fn told(board: &Board, call: &MailId) -> bool {
    let about = about(call);
    board.escalations.iter().any(|known| known.by == Address::Deacon && known.subject.starts_with(&about))
}

/// Tells a person of each call that is overdue by now.
pub fn escalate(draft: &mut Draft<'_>, deadline: Duration) {
    let board = draft.board;
    for call in unanswered(board, draft.now, deadline).overdue {
        let Some(letter) = board.mail.get(&call).map(|post| &post.letter) else { continue };
        let subject = format!(
            "{}has had no answer for {}: {}",
            about(&call),
            span(draft.now.since(letter.sent_at)),
            letter.kind.subject()
        );
        let body = format!(
            "{} asks:\n\n{}\n\nTo answer: gastown mail reply {call} -m TEXT",
            letter.from,
            letter.kind.body()
        );
        let about = (board.hooks.of(&letter.from).map(|hook| hook.bead.clone()), Some(letter.from.clone()));
        draft.escalate("high", about, subject, body, &[Address::Overseer]);
    }
}

/// A span of time in words: whole minutes, or seconds below one.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
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
