//! Neighbours who look after each other: anybody may say that an agent seems to be stuck.
//!
//! A word is a letter to whoever watches over the agent: the Witness of its rig, or the Deacon. That one looks
//! for itself before it does anything, and answers whoever has told it. A word that is said again while the
//! first one waits is the same word.

use ledger::views::Board;
use model::answer::Answer;
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;

use crate::draft::Draft;
use crate::letters::MAX_BODY;
use crate::names;

/// Who watches over the sessions of `agent`.
pub fn watcher(agent: &Address) -> Address {
    match (agent, agent.rig()) {
        (Address::Witness(_) | Address::Refinery(_), _) | (_, None) => Address::Deacon,
        (_, Some(rig)) => Address::Witness(rig.clone()),
    }
}

/// Tells whoever watches over the agent that is meant by `agent` that it seems to be stuck. Returns the letter:
/// the one that waits already, if the same was said before.
///
/// # Errors
/// `no_such_agent` with near matches; `usage` for somebody who has no session, for oneself, and for a text that
/// is too long.
pub fn report(draft: &mut Draft<'_>, agent: &str, text: &str) -> Result<Answer, Refusal> {
    let agent = names::address(draft.board, agent)?;
    let me = draft.actor().clone();
    if matches!(agent, Address::Overseer | Address::Runtime) {
        return Err(Refusal::usage(format!("{agent} has no session that could be stuck"))
            .hint("see who there is with `gastown agent list`"));
    }
    if agent == me {
        return Err(Refusal::usage("who can say it is not stuck").hint(
            "to begin afresh: gt handoff -m NOTE; if something is in the way: gt done --exit blocked --reason TEXT",
        ));
    }
    if text.len() > MAX_BODY {
        return Err(Refusal::usage("what was seen is at most 1 MiB").hint("put it into a file, write where"));
    }
    let to = watcher(&agent);
    if let Some(known) = waiting(draft.board, &to, &agent, &me) {
        return Ok(Answer::Sent(vec![known]));
    }
    let kind = Kind::Stuck { agent, text: text.trim().to_owned() };
    Ok(Answer::Sent(vec![draft.send(&to, kind)]))
}

/// A word of `by` about `agent` that is not looked into yet.
fn waiting(board: &Board, watcher: &Address, agent: &Address, by: &Address) -> Option<model::ids::MailId> {
    let same = |letter: &Letter| {
        letter.from == *by && matches!(&letter.kind, Kind::Stuck { agent: about, .. } if about == agent)
    };
    board.mail.unacked(watcher).find(|post| same(&post.letter)).map(|post| post.letter.id.clone())
}

/// The oldest word that `watcher` was told and has not looked into.
pub fn word_to(board: &Board, watcher: &Address) -> Option<Letter> {
    let mut words = board.mail.unacked(watcher).filter(|post| post.delivered_at.is_some());
    words.find(|post| matches!(post.letter.kind, Kind::Stuck { .. })).map(|post| Letter::clone(&post.letter))
}

/// Whether `agent` has called for help and has had no answer: then it may wait for it.
pub fn waits_for_help(board: &Board, agent: &Address) -> bool {
    let mut calls = board.mail.unacked(&Address::Mayor).map(|post| &post.letter);
    calls.any(|letter| letter.from == *agent && matches!(letter.kind, Kind::Help { .. }))
}

/// What came of looking into a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is so.
    pub stuck: bool,
    /// What was seen.
    pub seen: String,
    /// What was done.
    pub done: String,
}

/// Records that a word was looked into, and answers whoever has given it: with thanks, or with what was seen
/// instead.
///
/// # Errors
/// `already_handled`: then nobody is answered twice.
pub fn answer(draft: &mut Draft<'_>, letter: &Letter, finding: &Finding) -> Result<(), Refusal> {
    let Kind::Stuck { agent, .. } = &letter.kind else { return Ok(()) };
    draft.handled(&letter.id)?;
    if letter.from == Address::Runtime {
        return Ok(());
    }
    let Finding { stuck, seen, done } = finding;
    let (subject, body) = match stuck {
        true => (format!("Thanks: {agent} is stuck"), format!("Seen: {seen}.\nDone: {done}.")),
        false => (
            format!("{agent} is not stuck"),
            format!("Seen: {seen}.\nNothing was done. Look: gt peek {agent}"),
        ),
    };
    draft.send_in(&letter.from, Kind::Note { subject, body }, Some((&letter.id, &letter.thread)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::command::{Command, Origin};

    use super::*;
    use crate::testing::Paper;

    fn stuck(agent: &str) -> Command {
        Command::AgentStuck { agent: agent.into(), text: " it has not moved for an hour ".into() }
    }

    fn worker(paper: &mut Paper) -> Address {
        let bead = paper.bead("one");
        paper.sling(&[&bead], "web").unwrap();
        paper.dispatch(8).unwrap().1
    }

    fn letters(paper: &Paper, to: &Address) -> Vec<Letter> {
        paper.board.mail.unacked(to).map(|post| Letter::clone(&post.letter)).collect()
    }

    #[test]
    fn a_word_goes_to_whoever_watches_and_is_said_once() {
        let mut paper = Paper::new();
        let worker = worker(&mut paper);
        let witness: Address = "web/witness".parse().unwrap();
        let first = paper.does(stuck(&worker.to_string())).unwrap();
        let records = paper.records.len();
        assert_eq!(paper.does(stuck(&worker.to_string())).unwrap(), first);
        assert_eq!(paper.records.len(), records);
        let other = Origin::Operator { on_behalf_of: Some(Address::Mayor) };
        assert_ne!(paper.by(&other, stuck(&worker.to_string())).unwrap(), first);
        let told: Vec<Letter> = letters(&paper, &witness)
            .into_iter()
            .filter(|letter| matches!(letter.kind, Kind::Stuck { .. }))
            .collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].kind.is_for_code() && told[0].kind.body().ends_with("it has not moved for an hour"));
        for (agent, watcher) in
            [("web/refinery", "deacon/"), ("web/witness", "deacon/"), ("mayor/", "deacon/")]
        {
            paper.does(stuck(agent)).unwrap();
            let last = letters(&paper, &watcher.parse().unwrap()).pop().unwrap();
            assert_eq!(last.kind.subject(), format!("STUCK {agent}"));
        }
    }

    #[test]
    fn a_word_about_nobody_or_oneself_is_refused() {
        let mut paper = Paper::new();
        let worker = worker(&mut paper);
        let near = paper.does(stuck("web/witnes")).unwrap_err();
        assert_eq!((near.code.as_str(), near.hint.is_some()), ("no_such_agent", true));
        assert_eq!(paper.does(stuck("overseer")).unwrap_err().code, "usage");
        let own = Origin::Operator { on_behalf_of: Some(worker.clone()) };
        assert_eq!(paper.by(&own, stuck(&worker.to_string())).unwrap_err().code, "usage");
    }

    #[test]
    fn whoever_has_told_it_is_answered_once() {
        let mut paper = Paper::new();
        let worker = worker(&mut paper);
        paper.does(stuck(&worker.to_string())).unwrap();
        let witness: Address = "web/witness".parse().unwrap();
        let letter = letters(&paper, &witness).pop().unwrap();
        let finding = Finding { stuck: true, seen: "nothing moves".into(), done: "it was nudged".into() };
        paper.role(&witness, |draft| answer(draft, &letter, &finding)).unwrap();
        let again = paper.role(&witness, |draft| answer(draft, &letter, &finding));
        assert_eq!(again.unwrap_err().code, "already_handled");
        let answers = letters(&paper, &Address::Overseer);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].reply_to, Some(letter.id.clone()));
        assert!(answers[0].kind.subject().starts_with("Thanks"), "{:?}", answers[0].kind);
        // What is said anew is looked into anew.
        paper.does(stuck(&worker.to_string())).unwrap();
        let letter = letters(&paper, &witness).pop().unwrap();
        let finding = Finding { stuck: false, ..finding };
        paper.role(&witness, |draft| answer(draft, &letter, &finding)).unwrap();
        let rejected = letters(&paper, &Address::Overseer).pop().unwrap();
        assert!(rejected.kind.body().contains("nothing moves"), "{:?}", rejected.kind);
    }
}
