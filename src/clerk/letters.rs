//! Letters: written, read, answered, acknowledged.

use std::sync::Arc;

use ledger::views::Board;
use ledger::views::mail::Post;
use model::answer::{Answer, DeadRow, FailedHandling, MailRow};
use model::command::Origin;
use model::event::Event;
use model::ids::{MailId, SessionId};
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::draft::Draft;
use crate::names;
use crate::past::Letters;

/// The longest body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// The longest name of a sending, in bytes.
pub const MAX_KEY: usize = 256;

/// After so many failed handlings a letter is put aside.
pub const MAX_FAILURES: u32 = 3;

fn check(subject: &str, body: &str) -> Result<(), Refusal> {
    if subject.trim().is_empty() {
        return Err(Refusal::usage("a letter needs a subject").hint("give it with -s"));
    }
    if subject.len() > 500 || subject.lines().count() > 1 {
        return Err(Refusal::usage("a subject is one line of at most 500 bytes")
            .hint("the rest belongs into the text: -m TEXT, or -f FILE"));
    }
    if body.len() > MAX_BODY {
        return Err(Refusal::usage(format!("a body is at most 1 MiB, this one has {} bytes", body.len()))
            .hint("put it into a file and write where it is"));
    }
    Ok(())
}

/// Writes a letter to one or many. Under a `key` that the sender has used before, nothing is written: the
/// letters of then are the answer.
///
/// # Errors
/// `usage`; `no_such_agent`, `no_such_group` and the like with near matches; `key_in_use` when other words were
/// sent under the key.
pub fn send(
    draft: &mut Draft<'_>,
    to: &str,
    subject: &str,
    body: &str,
    kind: Option<&str>,
    key: Option<&str>,
) -> Result<Answer, Refusal> {
    check(subject, body)?;
    let help = match kind.map(str::to_ascii_lowercase).as_deref() {
        None | Some("note") => false,
        Some("help") => true,
        Some(other) => {
            return Err(Refusal::usage(format!("letters of kind {other:?} are written by the runtime"))
                .hint("people and agents write `note` or `help`"));
        }
    };
    let from = draft.actor().clone();
    let (subject, body) = (subject.trim().to_owned(), body.to_owned());
    let kind = if help { Kind::Help { subject, body } } else { Kind::Note { subject, body } };
    if let Some(key) = key {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Refusal::usage(format!("the id of a sending has 1 to {MAX_KEY} bytes"))
                .hint("for instance a number of your own, or a UUID"));
        }
        // Asked before the receivers are looked for: who was written to may be gone by now.
        if let Some(before) = draft.board.sendings.get(&from, key) {
            if before.says(&kind) {
                return Ok(Answer::Sent(before.letters().collect()));
            }
            return Err(Refusal::forbidden(
                "key_in_use",
                format!("{from} has sent another letter under the id {key:?}"),
            )
            .hint("choose an id that you have not used, or leave --id out"));
        }
    }
    let to = names::recipients(draft.board, &from, to)?;
    Ok(Answer::Sent(to.iter().map(|to| draft.send_as(to, kind.clone(), key)).collect()))
}

/// Writes what `session` of the one who acts leaves for its next session.
///
/// # Errors
/// `usage` without a note or with one that is too long; `no_such_session` when it is not the open session.
pub fn handoff(draft: &mut Draft<'_>, session: &SessionId, note: &str) -> Result<Answer, Refusal> {
    if note.trim().is_empty() {
        return Err(Refusal::usage("a handoff needs a note for the next session").hint("give it with -m"));
    }
    check("HANDOFF", note)?;
    let me = draft.actor().clone();
    let open = draft.board.agents.get(&me).and_then(|agent| agent.session.as_ref());
    if open.is_none_or(|open| open.id != *session || open.end.is_some()) {
        return Err(Refusal::no_such("session", session.as_str(), []));
    }
    Ok(Answer::Sent(vec![draft.send(&me, Kind::Handoff { note: note.to_owned() })]))
}

/// What earlier sessions of `agent` have left for the one that is open now, or for the next one, oldest first.
pub fn handed_over(board: &Board, agent: &Address) -> Vec<MailId> {
    let since = board.agents.get(agent).and_then(|agent| agent.session.as_ref()).map(|open| open.since);
    let left = board.mail.unacked(agent).filter(|post| {
        let letter = &post.letter;
        // Its own note is for the one after it.
        matches!(letter.kind, Kind::Handoff { .. })
            && letter.from == letter.to
            && since.is_none_or(|since| letter.sent_at <= since)
    });
    left.map(|post| post.letter.id.clone()).collect()
}

/// Records that a session has seen what was left for it: no later one sees it again.
pub fn taken_over(draft: &mut Draft<'_>, letters: &[MailId]) {
    for mail in letters {
        if draft.board.mail.get(mail).is_some_and(|post| post.dead.is_none()) {
            draft.push(Event::MailAcked { mail: mail.clone() });
        }
    }
}

/// The open letter called `id`, or as it was written if it has left the board, if `origin` may see it: people
/// may see all, agents their own.
fn named(board: &Board, past: &Letters, origin: &Origin, id: &MailId) -> Result<Arc<Letter>, Refusal> {
    let open = board.mail.get(id).map(|post| &post.letter);
    let letter = open.or_else(|| past.get(id)).filter(|letter| may_see(origin, letter));
    letter.cloned().ok_or_else(|| unknown(board, origin, id))
}

/// The refusal for a letter that there is not, or that is not for the asker to see.
pub(crate) fn unknown(board: &Board, origin: &Origin, id: &MailId) -> Refusal {
    let me = origin.actor();
    let near = board.mail.unacked(&me).map(|post| post.letter.id.as_str());
    let refusal = Refusal::no_such("mail", id.as_str(), near);
    or_hint(refusal, "see what letters there are with `gastown mail inbox`")
}

/// `refusal`, with `hint` when it names nothing near.
fn or_hint(refusal: Refusal, hint: &str) -> Refusal {
    if refusal.hint.is_some() { refusal } else { refusal.hint(hint) }
}

pub(crate) fn may_see(origin: &Origin, letter: &Letter) -> bool {
    let me = origin.actor();
    origin.is_operator() || letter.to == me || letter.from == me
}

/// Answers a letter.
pub fn reply(
    draft: &mut Draft<'_>,
    past: &Letters,
    origin: &Origin,
    id: &MailId,
    body: &str,
) -> Result<Answer, Refusal> {
    let letter = named(draft.board, past, origin, id)?;
    let subject = letter.kind.subject();
    let subject = if subject.starts_with("Re: ") { subject } else { format!("Re: {subject}") };
    check("Re:", body)?;
    if letter.from == Address::Runtime {
        return Err(Refusal::failed(
            "no_mailbox",
            format!("{id} was written by the runtime, which reads no mail"),
        ));
    }
    // Whoever answers a call for help has dealt with it.
    if matches!(letter.kind, Kind::Help { .. }) && draft.board.mail.get(id).is_some() {
        draft.push(Event::MailAcked { mail: id.clone() });
        answered(draft, id);
    }
    let kind = Kind::Note { subject, body: body.to_owned() };
    let sent = draft.send_in(&letter.from, kind, Some((id, &letter.thread)));
    Ok(Answer::Sent(vec![sent]))
}

/// Acknowledges letters, dead ones too: they are dealt with. Saying it again changes nothing.
pub fn ack(
    draft: &mut Draft<'_>,
    past: &Letters,
    origin: &Origin,
    ids: &[MailId],
) -> Result<Answer, Refusal> {
    for id in ids {
        let letter = named(draft.board, past, origin, id)?;
        if !origin.is_operator() && letter.to != origin.actor() {
            return Err(Refusal::forbidden("not_yours", format!("{id} is addressed to {}", letter.to)));
        }
        let said = |event: &Event| matches!(event, Event::MailAcked { mail } if mail == id);
        if draft.board.mail.get(id).is_some() && !draft.events().any(said) {
            draft.push(Event::MailAcked { mail: id.clone() });
            answered(draft, id);
            crate::escalations::heard(draft, origin, &letter.kind);
        }
    }
    Ok(Answer::Done)
}

/// The dead letters that `origin` may see, or those of them to `agent`, in the order they were sent.
///
/// # Errors
/// `no_such_agent`, with near matches.
pub fn dead(board: &Board, origin: &Origin, agent: Option<&str>) -> Result<Answer, Refusal> {
    let to = agent.map(|agent| names::address(board, agent)).transpose()?;
    let seen =
        |post: &&Post| may_see(origin, &post.letter) && to.as_ref().is_none_or(|to| post.letter.to == *to);
    let mut rows: Vec<DeadRow> = board.mail.dead().filter(seen).map(dead_row).collect();
    rows.sort_by_key(|row| row.letter.seq);
    Ok(Answer::DeadLetters(rows))
}

fn dead_row(post: &Post) -> DeadRow {
    let failed = |(at, error): &(Timestamp, String)| FailedHandling { at: *at, error: error.clone() };
    DeadRow {
        letter: row(post),
        cause: post.dead.clone().unwrap_or_default(),
        dead_at: post.dead_at,
        failures: post.errors.iter().map(failed).collect(),
    }
}

/// Puts dead letters back: each is delivered and handled afresh, in its old place in the order. What a
/// person was told about its death counts as answered.
///
/// # Errors
/// `no_such_mail` with near matches among the dead; `not_yours` when an agent means a letter to another;
/// `not_dead`. Then none is put back.
pub fn retry(
    draft: &mut Draft<'_>,
    past: &Letters,
    origin: &Origin,
    ids: &[MailId],
) -> Result<Answer, Refusal> {
    let board = draft.board;
    for id in ids {
        let letter = named(board, past, origin, id).map_err(|_| {
            let near = board.mail.dead().filter(|post| may_see(origin, &post.letter));
            let refusal = Refusal::no_such("mail", id.as_str(), near.map(|post| post.letter.id.as_str()));
            or_hint(refusal, "see which can be put back with `gastown mail dead`")
        })?;
        let to = &letter.to;
        if !origin.is_operator() && *to != origin.actor() {
            return Err(Refusal::forbidden("not_yours", format!("{id} is addressed to {to}"))
                .hint("who it is addressed to, or a person, may put it back"));
        }
        let post = board.mail.get(id);
        if post.is_none_or(|post| post.dead.is_none()) {
            let how = if post.is_none() { "has been acknowledged" } else { "is still to be handled" };
            return Err(Refusal::failed("not_dead", format!("{id} is no dead letter: it {how}"))
                .hint("see which are with `gastown mail dead`"));
        }
        // Named twice, it is put back once.
        if draft.events().any(|event| matches!(event, Event::MailRetried { mail } if mail == id)) {
            continue;
        }
        draft.push(Event::MailRetried { mail: id.clone() });
        answered(draft, id);
    }
    Ok(Answer::Done)
}

/// What a person was told about a letter, that it is dead or has had no answer, is answered.
fn answered(draft: &mut Draft<'_>, id: &MailId) {
    let about = format!("letter {id} to ");
    for known in draft.board.escalations.open().filter(|known| known.subject.starts_with(&about)) {
        crate::escalations::settled(draft, known, &format!("letter {id} has been seen to"));
    }
}

/// Records that letters were handed over, each once: what has been handed over or settled meanwhile is
/// left out.
pub fn deliver(draft: &mut Draft<'_>, letters: impl IntoIterator<Item = MailId>) {
    for mail in letters {
        let Some(post) = draft.board.mail.get(&mail) else { continue };
        if post.delivered_at.is_none() && post.dead.is_none() {
            let to = post.letter.to.clone();
            draft.push(Event::MailDelivered { mail, to });
        }
    }
}

/// The letters that code at `me` is to handle now, oldest first, at most `limit`.
pub fn due(board: &Board, me: &Address, limit: usize) -> Vec<Letter> {
    let due = board.mail.unacked(me).filter(|post| post.letter.kind.is_for_code());
    due.filter(|post| post.delivered_at.is_some())
        .take(limit)
        .map(|post| Letter::clone(&post.letter))
        .collect()
}

/// Records that handling a letter failed; the third time it is put aside and a person is told.
pub fn failed(draft: &mut Draft<'_>, mail: &MailId, error: &str) {
    let Some(post) = draft.board.mail.get(mail).filter(|post| post.dead.is_none()) else { return };
    let failures = post.failures + 1;
    let (to, subject) = (post.letter.to.clone(), post.letter.kind.subject());
    draft.push(Event::MailFailed { mail: mail.clone(), error: error.to_owned() });
    if failures >= MAX_FAILURES {
        draft.push(Event::MailDead {
            mail: mail.clone(),
            reason: format!("handling it failed {failures} times, last with: {error}"),
        });
        draft.escalate(
            "high",
            (None, Some(to.clone())),
            format!("letter {mail} to {to} is dead: {subject}"),
            error.to_owned(),
            &[Address::Overseer],
        );
    }
}

/// An open letter as data.
pub fn row(post: &Post) -> MailRow {
    MailRow::new(&post.letter, post.seq, post.delivered_at, None)
}

#[cfg(test)]
mod tests {
    use model::command::Command;

    use super::*;
    use crate::testing::Paper;

    fn send(to: &str, body: &str, key: Option<&str>) -> Command {
        let (to, subject, body) = (to.to_owned(), "s".to_owned(), body.to_owned());
        Command::MailSend { to, subject, body, kind: None, key: key.map(str::to_owned) }
    }

    #[test]
    fn a_sending_that_is_said_again_under_its_name_has_no_second_effect_for_ever() {
        let mut paper = Paper::new();
        let first = paper.does(send("mayor/", "b", Some("k"))).unwrap();
        let group = paper.does(send("@all", "b", Some("all"))).unwrap();
        let records = paper.records.len();
        let Answer::Sent(ids) = &first else { panic!() };
        paper.does(Command::MailAck(ids.clone())).unwrap();
        assert_eq!(paper.does(send("mayor/", "b", Some("k"))).unwrap(), first);
        assert_eq!(paper.does(send("@all", "b", Some("all"))).unwrap(), group);
        assert_eq!(paper.records.len(), records + 1, "only the acknowledgement");
        let Answer::Sent(ids) = &group else { panic!() };
        for id in ids {
            assert!(paper.board.mail.get(id).is_some(), "{id}");
        }
        // A name is one sender's own, and other words under it are a mistake.
        let other = Origin::Operator { on_behalf_of: Some(Address::Deacon) };
        assert_ne!(paper.by(&other, send("mayor/", "b", Some("k"))).unwrap(), first);
        let refusal = paper.does(send("mayor/", "else", Some("k"))).unwrap_err();
        assert_eq!(refusal.code, "key_in_use");
        for wrong in [String::new(), "x".repeat(MAX_KEY + 1)] {
            assert_eq!(paper.does(send("mayor/", "b", Some(&wrong))).unwrap_err().code, "usage");
        }
        // Without a name, each is a letter of its own.
        assert_ne!(
            paper.does(send("mayor/", "b", None)).unwrap(),
            paper.does(send("mayor/", "b", None)).unwrap()
        );
    }

    #[test]
    fn a_note_is_for_the_next_session_and_not_for_the_one_that_wrote_it() {
        let mut paper = Paper::new();
        let agent: Address = "web/polecats/docs".parse().unwrap();
        let begin = |paper: &mut Paper, session: &str| {
            let (agent, session) = (agent.clone(), session.parse().unwrap());
            let started =
                Event::AgentStarted { agent, session, preset: "x".into(), bead: None, reason: "x".into() };
            paper.record(vec![(Address::Runtime, started)]);
        };
        begin(&mut paper, "one");
        let write = |draft: &mut Draft<'_>, of: &str| handoff(draft, &of.parse().unwrap(), "n").map(drop);
        assert_eq!(paper.role(&agent, |draft| write(draft, "other")).unwrap_err().code, "no_such_session");
        paper.role(&agent, |draft| write(draft, "one")).unwrap();
        assert!(handed_over(&paper.board, &agent).is_empty(), "not for its own eyes");
        begin(&mut paper, "two");
        let left = handed_over(&paper.board, &agent);
        assert_eq!(left.len(), 1);
        for _ in 0..2 {
            paper
                .role(&agent, |draft| {
                    taken_over(draft, &left);
                    Ok(())
                })
                .unwrap();
        }
        assert!(handed_over(&paper.board, &agent).is_empty(), "once");
    }
}
