//! Letters of the past: what is acknowledged leaves the board, and is read from the log when somebody asks.
//!
//! A letter's words never change once it is sent, so they may be read before or after a decision and apart
//! from the board; only how far it has come is the board's to say. The log is never read while the board is
//! held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledger::feed::CHUNK;
use ledger::views::Board;
use ledger::views::mail::Post;
use ledger::views::settled::Settled;
use ledger::{LedgerError, Store};
use model::answer::{Answer, MailRow};
use model::command::{Command, Origin};
use model::event::{Event, Record};
use model::ids::{MailId, Seq};
use model::mail::Letter;
use model::refusal::Refusal;
use model::role::Address;

use crate::letters::{may_see, unknown};
use crate::names;
use crate::reports::cannot_read;

/// A town whose log can be read.
pub trait Past {
    /// Looks at the board.
    fn look<R>(&self, look: impl FnOnce(&Board) -> R) -> R;

    /// Up to `limit` records, starting with the number `from`.
    ///
    /// # Errors
    /// What the log says when it cannot be read.
    fn records(&self, from: Seq, limit: usize) -> Result<Vec<Record>, LedgerError>;
}

impl Past for Store {
    fn look<R>(&self, look: impl FnOnce(&Board) -> R) -> R {
        self.read(look)
    }

    fn records(&self, from: Seq, limit: usize) -> Result<Vec<Record>, LedgerError> {
        self.events(from, limit)
    }
}

/// A letter, the record that it was sent with, and how far it has come.
#[derive(Debug, Clone)]
struct Found {
    letter: Arc<Letter>,
    seq: Seq,
    settled: Option<Settled>,
    delivered_at: Option<model::time::Timestamp>,
}

impl Found {
    fn open(post: &Post) -> Self {
        Found {
            letter: Arc::clone(&post.letter),
            seq: post.seq,
            settled: None,
            delivered_at: post.delivered_at,
        }
    }

    fn row(&self) -> MailRow {
        let acked_at = self.settled.map(|settled| settled.acked_at);
        MailRow::new(&self.letter, self.seq, self.delivered_at, acked_at)
    }
}

/// The letters that a command names, for its decision: those that have left the board too.
pub type Letters = BTreeMap<MailId, Arc<Letter>>;

/// Fetches the letters that `command` names.
///
/// # Errors
/// `cannot_read`.
pub fn named(past: &impl Past, command: &Command) -> Result<Letters, Refusal> {
    let ids: &[MailId] = match command {
        Command::MailReply { id, .. } => std::slice::from_ref(id),
        Command::MailAck(ids) | Command::MailRetry(ids) => ids,
        _ => return Ok(Letters::new()),
    };
    let mut letters = Letters::new();
    for id in ids {
        if let Some((_, letter)) = written(past, id)? {
            letters.insert(id.clone(), letter);
        }
    }
    Ok(letters)
}

/// Answers a question about letters; `None` for every other question.
///
/// # Errors
/// `no_such_mail` and `no_such_agent` with near matches; `cannot_read`.
pub fn answer(past: &impl Past, origin: &Origin, command: &Command) -> Option<Result<Answer, Refusal>> {
    Some(match command {
        Command::MailInbox { agent, unread } => inbox(past, origin, agent.as_deref(), *unread),
        Command::MailRead(id) => find(past, origin, id).map(|found| Answer::Letter(Box::new(found.row()))),
        Command::MailReadAll(ids) => {
            let found = ids.iter().map(|id| find(past, origin, id).map(|found| found.row()));
            found.collect::<Result<Vec<MailRow>, Refusal>>().map(Answer::Letters)
        }
        Command::MailThread(id) => find(past, origin, id).and_then(|found| thread(past, &found)),
        Command::MailSearch { text } => search(past, origin, text),
        _ => return None,
    })
}

fn inbox(past: &impl Past, origin: &Origin, agent: Option<&str>, unread: bool) -> Result<Answer, Refusal> {
    let (agent, open) = past.look(|board| {
        let agent = names::or_self(board, origin, agent)?;
        let mut open: Vec<Found> = board.mail.unacked(&agent).map(Found::open).collect();
        if !unread {
            open.extend(board.mail.dead().filter(|post| post.letter.to == agent).map(Found::open));
        }
        Ok::<_, Refusal>((agent, open))
    })?;
    let mut found = if unread { Vec::new() } else { settled(past, &agent, Seq(0))? };
    found.extend(open);
    Ok(Answer::Letters(rows(found)))
}

/// In the order in which they were sent, each once: one that was acknowledged between two looks at the board
/// may have been found both times.
fn rows(mut found: Vec<Found>) -> Vec<MailRow> {
    found.sort_by_key(|one| (one.seq, one.settled.is_none()));
    found.dedup_by_key(|one| one.seq);
    found.iter().map(Found::row).collect()
}

/// The letters that `to` has acknowledged, of those that were sent with record `from` or later.
fn settled(past: &impl Past, to: &Address, from: Seq) -> Result<Vec<Found>, Refusal> {
    let mut rows: Vec<Settled> =
        past.look(|board| board.mail.settled(to).filter(|row| row.seq >= from).collect());
    rows.sort_unstable_by_key(|row| row.seq);
    let mut found = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    // Letters that lie close together are read together.
    while let Some(first) = rows.next() {
        let mut group = vec![first];
        while let Some(next) = rows.next_if(|next| next.seq.0 - first.seq.0 < CHUNK as u64 / 4) {
            group.push(next);
        }
        let last = group.last().map_or(first.seq, |row| row.seq);
        let length = usize::try_from(last.0 - first.seq.0).unwrap_or(0) + 1;
        let records = past.records(first.seq, length).map_err(|error| cannot_read(&error))?;
        let mut records = records.into_iter();
        for row in group {
            let sent = records.find(|record| record.seq == row.seq).map(|record| record.event);
            if let Some(Event::MailSent { letter }) = sent {
                let letter = readdressed(past, letter);
                let delivered_at = row.delivered_at;
                found.push(Found { letter, seq: row.seq, settled: Some(row), delivered_at });
            }
        }
    }
    Ok(found)
}

/// The letter called `id`, open or not, if `origin` may see it.
fn find(past: &impl Past, origin: &Origin, id: &MailId) -> Result<Found, Refusal> {
    if let Some(found) = past.look(|board| board.mail.get(id).map(Found::open)) {
        return if may_see(origin, &found.letter) { Ok(found) } else { Err(no_such(past, origin, id)) };
    }
    let Some((seq, letter)) = written(past, id)?.filter(|(_, letter)| may_see(origin, letter)) else {
        return Err(no_such(past, origin, id));
    };
    let settled = past.look(|board| board.mail.settled(&letter.to).find(|row| row.seq == seq));
    let delivered_at = settled.and_then(|row| row.delivered_at);
    Ok(Found { letter, seq, settled, delivered_at })
}

fn no_such(past: &impl Past, origin: &Origin, id: &MailId) -> Refusal {
    past.look(|board| unknown(board, origin, id))
}

/// The letter called `id` as it was written, and the record that it was sent with.
fn written(past: &impl Past, id: &MailId) -> Result<Option<(Seq, Arc<Letter>)>, Refusal> {
    let (open, head, misnamed) = past.look(|board| {
        let open = board.mail.get(id).map(|post| (post.seq, Arc::clone(&post.letter)));
        (open, board.head, board.mail.misnamed())
    });
    if open.is_some() {
        return Ok(open);
    }
    let is = |record: Record| match record.event {
        Event::MailSent { letter } if letter.id == *id => Some((record.seq, letter)),
        _ => None,
    };
    let read = |from, limit| past.records(from, limit).map_err(|error| cannot_read(&error));
    if let Some(seq) = id.record().filter(|seq| *seq > Seq(0) && *seq <= head)
        && let Some(found) = read(seq, 1)?.into_iter().find_map(is)
    {
        let (seq, letter) = found;
        return Ok(Some((seq, readdressed(past, letter))));
    }
    // Ledgers of old have letters whose names are numbered by themselves.
    let mut from = Seq(1);
    while misnamed > 0 && from <= head {
        if let Some(found) = read(from, CHUNK)?.into_iter().find_map(is) {
            let (seq, letter) = found;
            return Ok(Some((seq, readdressed(past, letter))));
        }
        from = Seq(from.0 + CHUNK as u64);
    }
    Ok(None)
}

/// A letter of the log with the names that its sender and its receiver have now.
fn readdressed(past: &impl Past, mut letter: Arc<Letter>) -> Arc<Letter> {
    past.look(|board| {
        let (to, from) = (board.agents.successor(&letter.to), board.agents.successor(&letter.from));
        if *to != letter.to || *from != letter.from {
            let (to, from) = (to.clone(), from.clone());
            let letter = Arc::make_mut(&mut letter);
            (letter.to, letter.from) = (to, from);
        }
    });
    letter
}

/// The whole conversation that `one` is of. Its letters lie in the mailboxes of those who take part.
fn thread(past: &impl Past, one: &Found) -> Result<Answer, Refusal> {
    let root = one.letter.thread.clone();
    let from = written(past, &root)?.map_or(Seq(0), |(seq, _)| seq);
    let mut todo = vec![one.letter.from.clone(), one.letter.to.clone()];
    let mut seen: BTreeSet<Address> = todo.iter().cloned().collect();
    let mut found = Vec::new();
    while let Some(who) = todo.pop() {
        let mut mailbox = settled(past, &who, from)?;
        mailbox.extend(past.look(|board| {
            let of = |post: &&Post| post.letter.to == who && post.letter.thread == root;
            board.mail.open().filter(of).map(Found::open).collect::<Vec<_>>()
        }));
        mailbox.retain(|other| other.letter.thread == root);
        for other in &mailbox {
            todo.extend(seen.insert(other.letter.from.clone()).then(|| other.letter.from.clone()));
        }
        found.extend(mailbox);
    }
    Ok(Answer::Letters(rows(found)))
}

/// Letters with these words in subject or text, of those that the asker may see.
fn search(past: &impl Past, origin: &Origin, text: &str) -> Result<Answer, Refusal> {
    let words = text.to_lowercase();
    let (open, boxes) = past.look(|board| {
        let seen = board.mail.open().filter(|post| may_see(origin, &post.letter));
        let boxes: Vec<Address> = board.mail.boxes().map(|(address, ..)| address.clone()).collect();
        (seen.map(Found::open).collect::<Vec<_>>(), boxes)
    });
    let meant = |one: &Found| {
        let kind = &one.letter.kind;
        may_see(origin, &one.letter)
            && (kind.subject().to_lowercase().contains(&words) || kind.body().to_lowercase().contains(&words))
    };
    let mut found: Vec<Found> = open.into_iter().filter(meant).collect();
    for address in &boxes {
        // Box by box, so that what is not meant does not lie in memory.
        found.extend(settled(past, address, Seq(0))?.into_iter().filter(meant));
    }
    Ok(Answer::Letters(rows(found)))
}
