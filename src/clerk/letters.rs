//! Letters: written, read, answered, acknowledged.

use ledger::views::Board;
use ledger::views::mail::Post;
use model::answer::{Answer, MailRow};
use model::command::Origin;
use model::event::Event;
use model::ids::MailId;
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;

use crate::draft::Draft;
use crate::names;

/// The longest body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// After so many failed handlings a letter is put aside.
pub const MAX_FAILURES: u32 = 3;

fn check(subject: &str, body: &str) -> Result<(), Refusal> {
    if subject.trim().is_empty() {
        return Err(Refusal::usage("a letter needs a subject").hint("give it with -s"));
    }
    if subject.len() > 500 || subject.lines().count() > 1 {
        return Err(Refusal::usage("a subject is one line of at most 500 characters"));
    }
    if body.len() > MAX_BODY {
        return Err(Refusal::usage(format!("a body is at most 1 MiB, this one has {} bytes", body.len()))
            .hint("put it into a file and write where it is"));
    }
    Ok(())
}

/// Writes a letter to one or many.
pub fn send(
    draft: &mut Draft<'_>,
    to: &str,
    subject: &str,
    body: &str,
    kind: Option<&str>,
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
    let mut sent = Vec::new();
    for to in names::recipients(draft.board, &from, to)? {
        let (subject, body) = (subject.trim().to_owned(), body.to_owned());
        let kind = if help { Kind::Help { subject, body } } else { Kind::Note { subject, body } };
        sent.push(draft.send(&to, kind));
    }
    Ok(Answer::Sent(sent))
}

/// The letter called `id`, if `origin` may see it: people may see all, agents their own.
pub fn find<'a>(board: &'a Board, origin: &Origin, id: &MailId) -> Result<&'a Post, Refusal> {
    let me = origin.actor();
    let mine = |post: &Post| origin.is_operator() || post.letter.to == me || post.letter.from == me;
    board.mail.get(id).filter(|post| mine(post)).ok_or_else(|| {
        let near = board.mail.unacked(&me).map(|post| post.letter.id.as_str());
        Refusal::no_such("mail", id.as_str(), near)
    })
}

/// Answers a letter.
pub fn reply(draft: &mut Draft<'_>, origin: &Origin, id: &MailId, body: &str) -> Result<Answer, Refusal> {
    let post = find(draft.board, origin, id)?;
    let subject = post.letter.kind.subject();
    let subject = if subject.starts_with("Re: ") { subject } else { format!("Re: {subject}") };
    check("Re:", body)?;
    if post.letter.from == Address::Runtime {
        return Err(Refusal::failed(
            "no_mailbox",
            format!("{id} was written by the runtime, which reads no mail"),
        ));
    }
    let to = post.letter.from.clone();
    let thread = post.letter.thread.clone();
    let kind = Kind::Note { subject, body: body.to_owned() };
    let sent = draft.send_in(&to, kind, Some((id, &thread)));
    Ok(Answer::Sent(vec![sent]))
}

/// Acknowledges letters. Saying it again changes nothing.
pub fn ack(draft: &mut Draft<'_>, origin: &Origin, ids: &[MailId]) -> Result<Answer, Refusal> {
    for id in ids {
        let post = find(draft.board, origin, id)?;
        if !origin.is_operator() && post.letter.to != origin.actor() {
            return Err(Refusal::forbidden("not_yours", format!("{id} is addressed to {}", post.letter.to)));
        }
        if post.acked_at.is_none() {
            draft.push(Event::MailAcked { mail: id.clone() });
        }
    }
    Ok(Answer::Done)
}

/// Records that handling a letter failed; the third time it is put aside and a person is told.
pub fn failed(draft: &mut Draft<'_>, mail: &MailId, error: &str) {
    let Some(post) = draft.board.mail.get(mail).filter(|post| post.acked_at.is_none() && post.dead.is_none())
    else {
        return;
    };
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

/// A letter as data.
pub fn row(post: &Post) -> MailRow {
    MailRow::new(&post.letter, post.seq, post.delivered_at, post.acked_at)
}
