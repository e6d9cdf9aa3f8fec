//! When the agent of a seat (Mayor, Deacon, Witness, Refinery) is started: for a judgement that a letter asks
//! for, and for nothing else. Pure.
//!
//! A letter asks for one session. If that one fails, there is another after a wait, until too many have failed;
//! if it ends in order and leaves the letter as it was, that is its answer. Letters of the town's own code about
//! what it does ask for nothing.

use std::time::Duration;

use ledger::views::Board;
use ledger::views::mail::Post;
use model::agent::{AgentState, Verdict};
use model::mail::Kind;
use model::recovery::Strategy;
use model::role::Address;
use model::time::Timestamp;

/// What a seat is to do about its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Nothing asks for it.
    None,
    /// Start a session, for this reason: mail, help, escalation.
    Start(&'static str),
    /// Look again after this time.
    Wait(Duration),
}

/// What `post` asks a session for; none for letters that need no model.
fn reason(post: &Post) -> Option<&'static str> {
    match post.letter.kind {
        Kind::Help { .. } => Some("help"),
        Kind::Escalation { .. } => Some("escalation"),
        Kind::Note { .. } if post.letter.from != Address::Runtime => Some("mail"),
        _ => None,
    }
}

/// The letters to `seat` that ask for its judgement, oldest first, and what for.
pub fn asked<'a>(board: &'a Board, seat: &Address) -> impl Iterator<Item = (&'a Post, &'static str)> {
    board.mail.unacked(seat).filter_map(|post| reason(post).map(|reason| (post, reason)))
}

/// Whether the agent of `seat`, which has no session, is to be started at `now`.
pub fn call(board: &Board, seat: &Address, now: Timestamp) -> Call {
    let agent = board.agents.get(seat);
    let handed_over = agent.is_some_and(|agent| agent.verdict == Some(Verdict::HandedOver));
    if handed_over && agent.is_some_and(|agent| !agent.held && agent.session.is_none()) {
        return Call::Start("handoff");
    }
    let Some((_, why)) = asked(board, seat)
        .find(|(post, _)| agent.is_none_or(|agent| post.seq > agent.begun || agent.failures > 0))
    else {
        return Call::None;
    };
    let Some(agent) = agent else { return Call::Start(why) };
    let for_a_person = matches!(agent.strategy, Some(Strategy::Person | Strategy::Escalate))
        || agent.state == AgentState::Failed;
    if agent.held || agent.session.is_some() || for_a_person {
        return Call::None;
    }
    match agent.not_before.filter(|until| *until > now) {
        Some(until) => Call::Wait(until.since(now)),
        None => Call::Start(why),
    }
}

#[cfg(test)]
mod tests {
    use model::agent::SessionEnd;
    use model::command::{Command, Origin};

    use super::*;
    use crate::agents::{self, Begun, Judged};
    use crate::strategy::Rules;
    use crate::testing::Paper;

    const MAYOR: Address = Address::Mayor;

    fn write(paper: &mut Paper, from: &Address, kind: Kind) {
        paper
            .role(from, |draft| {
                draft.send(&MAYOR, kind);
                Ok(())
            })
            .unwrap();
    }

    fn note() -> Kind {
        Kind::Note { subject: "Schema".into(), body: "two tables or one?".into() }
    }

    fn session(paper: &mut Paper, verdict: Verdict) {
        let id: model::ids::SessionId = format!("s{}", paper.records.len()).parse().unwrap();
        let begun = Begun {
            agent: MAYOR,
            session: id.clone(),
            preset: "shell".into(),
            bead: None,
            reason: "mail".into(),
        };
        paper.role(&MAYOR, |draft| agents::begun(draft, begun)).unwrap();
        let end = SessionEnd::Exited { code: 1 };
        paper.role(&MAYOR, |draft| agents::ended(draft, &MAYOR, &id, end.into())).unwrap();
        let judged =
            Judged { agent: MAYOR, session: id, verdict, detail: "x".into(), output: None, diff: None };
        paper.role(&Address::Deacon, |draft| agents::judged(draft, judged, &Rules::default(), &[])).unwrap();
    }

    fn now(paper: &Paper) -> Call {
        call(&paper.board, &MAYOR, paper.now().plus(Duration::from_secs(3600)))
    }

    #[test]
    fn a_question_starts_one_session_and_the_towns_own_letters_none() {
        let mut paper = Paper::new();
        assert_eq!(now(&paper), Call::None);
        write(&mut paper, &Address::Runtime, note());
        write(&mut paper, &Address::Deacon, Kind::Lifecycle { request: "x".into() });
        assert_eq!(now(&paper), Call::None);
        write(&mut paper, &"web/polecats/docs".parse().unwrap(), note());
        assert_eq!(now(&paper), Call::Start("mail"));
        session(&mut paper, Verdict::Completed);
        assert_eq!(now(&paper), Call::None, "it has had its session, whatever became of the letter");
        write(&mut paper, &Address::Overseer, Kind::Help { subject: "s".into(), body: "b".into() });
        assert_eq!(now(&paper), Call::Start("help"));
        let letters = asked(&paper.board, &MAYOR).map(|(post, _)| post.letter.id.clone()).collect();
        paper.by(&Origin::Actor(MAYOR), Command::MailAck(letters)).unwrap();
        assert_eq!(now(&paper), Call::None);
    }

    #[test]
    fn a_seat_whose_program_fails_is_started_again_after_a_wait_until_a_person_is_asked() {
        let mut paper = Paper::new();
        write(&mut paper, &Address::Overseer, note());
        for _ in 0..2 {
            session(&mut paper, Verdict::Failed);
            let failed_at = paper.board.agents.get(&MAYOR).unwrap().failed_at.unwrap();
            assert!(matches!(call(&paper.board, &MAYOR, failed_at), Call::Wait(_)));
            assert_eq!(now(&paper), Call::Start("mail"));
        }
        session(&mut paper, Verdict::Failed);
        assert_eq!(now(&paper), Call::None);
        assert_eq!(paper.board.agents.state(&MAYOR), AgentState::Failed);
        assert_eq!(paper.board.escalations.open().count(), 1);
        paper.does(Command::AgentStart { agent: "mayor/".into() }).unwrap();
        assert_eq!(paper.board.agents.get(&MAYOR).unwrap().failures, 0);
    }

    #[test]
    fn a_seat_that_hands_over_goes_on_in_another_session() {
        let mut paper = Paper::new();
        write(&mut paper, &Address::Overseer, note());
        session(&mut paper, Verdict::HandedOver);
        assert_eq!(now(&paper), Call::Start("handoff"));
        session(&mut paper, Verdict::Completed);
        assert_eq!(now(&paper), Call::None);
    }

    #[test]
    fn a_seat_that_asks_a_person_is_left_alone() {
        let mut paper = Paper::new();
        write(&mut paper, &Address::Overseer, note());
        session(&mut paper, Verdict::AsksLogin);
        write(&mut paper, &Address::Overseer, note());
        assert_eq!(now(&paper), Call::None);
        assert_eq!(paper.board.agents.state(&MAYOR), AgentState::Waiting);
        paper.does(Command::AgentStart { agent: "mayor/".into() }).unwrap();
        assert_eq!(now(&paper), Call::Start("mail"));
    }
}
