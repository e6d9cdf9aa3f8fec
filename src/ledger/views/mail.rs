//! Mailboxes, letters on their way, and dead letters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::event::{Event, Record};
use model::ids::{MailId, Seq};
use model::mail::Letter;
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::settled::{Settled, SettledRows};

/// A letter that somebody still has to do with, and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The letter.
    pub letter: Arc<Letter>,
    /// The record that it was sent with; letters are handled in this order.
    pub seq: Seq,
    /// When it was handed over.
    pub delivered_at: Option<Timestamp>,
    /// How often handling it failed.
    pub failures: u32,
    /// How those handlings failed, oldest first.
    #[serde(default)]
    pub errors: Vec<(Timestamp, String)>,
    /// Why it will not be tried again.
    pub dead: Option<String>,
    /// Since when it will not be tried again.
    #[serde(default)]
    pub dead_at: Option<Timestamp>,
}

/// The post. Letters that are acknowledged leave it but for a few bytes each; the log has them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// Neither acknowledged nor, if dead, dealt with.
    open: BTreeMap<MailId, Post>,
    /// By receiver, open letters that are not dead, in order.
    unacked: BTreeMap<Address, BTreeMap<Seq, MailId>>,
    /// Not handed over yet, in order.
    undelivered: BTreeMap<Seq, MailId>,
    dead: BTreeSet<MailId>,
    /// Everybody who was ever written to, and what they have acknowledged.
    settled: BTreeMap<Address, SettledRows>,
    sent: u64,
    misnamed: u64,
}

impl Mail {
    /// The letter called `id`, if somebody still has to do with it: it is not acknowledged.
    pub fn get(&self, id: &MailId) -> Option<&Post> {
        self.open.get(id)
    }

    /// Whether the letter called `id` was acknowledged, as far as its name tells.
    pub fn is_settled(&self, id: &MailId, head: Seq) -> bool {
        let was_sent = id.record().is_some_and(|seq| seq <= head) || self.misnamed > 0;
        was_sent && !self.open.contains_key(id)
    }

    /// How many letters there have ever been.
    pub fn count(&self) -> u64 {
        self.sent
    }

    /// Of these, those whose name is not that of their record: only the log knows where they are.
    pub fn misnamed(&self) -> u64 {
        self.misnamed
    }

    /// All letters that are not acknowledged, by name.
    pub fn open(&self) -> impl Iterator<Item = &Post> {
        self.open.values()
    }

    /// What `to` has acknowledged, in the order in which it did.
    pub fn settled(&self, to: &Address) -> impl Iterator<Item = Settled> + '_ {
        self.settled.get(to).into_iter().flat_map(SettledRows::iter)
    }

    /// What `to` has not acknowledged, in order.
    pub fn unacked(&self, to: &Address) -> impl Iterator<Item = &Post> {
        self.unacked.get(to).into_iter().flat_map(|mailbox| mailbox.values()).filter_map(|id| self.get(id))
    }

    /// Everything that nobody has acknowledged, but for dead letters.
    pub fn all_unacked(&self) -> impl Iterator<Item = &Post> {
        self.unacked.values().flat_map(|mailbox| mailbox.values()).filter_map(|id| self.get(id))
    }

    /// What has not been handed over, in order.
    pub fn undelivered(&self) -> impl Iterator<Item = &Post> {
        self.undelivered.values().filter_map(|id| self.get(id))
    }

    /// Every address that was ever written to, with what it has not acknowledged, in order.
    pub fn boxes(&self) -> impl Iterator<Item = (&Address, usize, Option<&Post>)> {
        self.settled.keys().map(|address| {
            let unacked = self.unacked.get(address);
            let oldest = unacked.and_then(|mailbox| mailbox.values().next()).and_then(|id| self.get(id));
            (address, unacked.map_or(0, BTreeMap::len), oldest)
        })
    }

    /// What could not be handled.
    pub fn dead(&self) -> impl Iterator<Item = &Post> {
        self.dead.iter().filter_map(|id| self.get(id))
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::MailSent { letter } => {
                let id = letter.id.clone();
                self.sent += 1;
                self.misnamed += u64::from(id.record() != Some(record.seq));
                if !self.settled.contains_key(&letter.to) {
                    self.settled.insert(letter.to.clone(), SettledRows::default());
                }
                self.queue(&letter.to, record.seq, &id);
                self.undelivered.insert(record.seq, id.clone());
                self.open.insert(
                    id,
                    Post {
                        letter: Arc::clone(letter),
                        seq: record.seq,
                        delivered_at: None,
                        failures: 0,
                        errors: Vec::new(),
                        dead: None,
                        dead_at: None,
                    },
                );
            }
            Event::MailDelivered { mail, .. } => {
                if let Some(post) = self.open.get_mut(mail) {
                    post.delivered_at.get_or_insert(record.at);
                    self.undelivered.remove(&post.seq);
                }
            }
            // A dead letter that somebody has dealt with is dead no longer.
            Event::MailAcked { mail } => {
                if let Some(post) = self.open.remove(mail) {
                    self.dead.remove(mail);
                    self.unqueue(&post.letter.to, post.seq);
                    let (seq, delivered_at, acked_at) = (post.seq, post.delivered_at, record.at);
                    let rows = self.settled.entry(post.letter.to.clone()).or_default();
                    rows.push(Settled { seq, delivered_at, acked_at });
                }
            }
            Event::MailFailed { mail, error } => {
                if let Some(post) = self.open.get_mut(mail) {
                    post.failures += 1;
                    post.errors.push((record.at, error.clone()));
                }
            }
            Event::MailDead { mail, reason } => {
                if let Some(post) = self.open.get_mut(mail) {
                    post.dead = Some(reason.clone());
                    post.dead_at = Some(record.at);
                    self.dead.insert(mail.clone());
                    let (to, seq) = (post.letter.to.clone(), post.seq);
                    self.unqueue(&to, seq);
                }
            }
            Event::MailRetried { mail } => {
                // Back to its old place in the order, and handed over afresh.
                if self.dead.remove(mail)
                    && let Some(post) = self.open.get_mut(mail)
                {
                    (post.dead, post.dead_at, post.delivered_at) = (None, None, None);
                    post.failures = 0;
                    post.errors.clear();
                    let (to, seq) = (post.letter.to.clone(), post.seq);
                    self.undelivered.insert(seq, mail.clone());
                    self.queue(&to, seq, mail);
                }
            }
            Event::AgentRenamed { from, to } => self.readdress(from, to),
            _ => {}
        }
    }

    /// What was addressed to `from`, or written by it, is `to`'s, in its old place in the order.
    fn readdress(&mut self, from: &Address, to: &Address) {
        if let Some(rows) = self.settled.remove(from) {
            let into = self.settled.entry(to.clone()).or_default();
            rows.iter().for_each(|row| into.push(row));
        }
        if let Some(mailbox) = self.unacked.remove(from) {
            self.unacked.entry(to.clone()).or_default().extend(mailbox);
        }
        for post in self.open.values_mut().filter(|post| post.letter.to == *from || post.letter.from == *from)
        {
            let letter = Arc::make_mut(&mut post.letter);
            for who in [&mut letter.to, &mut letter.from] {
                if who == from {
                    who.clone_from(to);
                }
            }
        }
    }

    fn queue(&mut self, to: &Address, seq: Seq, mail: &MailId) {
        match self.unacked.get_mut(to) {
            Some(mailbox) => {
                mailbox.insert(seq, mail.clone());
            }
            None => {
                self.unacked.insert(to.clone(), BTreeMap::from([(seq, mail.clone())]));
            }
        }
    }

    /// Takes a letter off the lists of what is still to be done.
    fn unqueue(&mut self, to: &Address, seq: Seq) {
        self.undelivered.remove(&seq);
        if let Some(mailbox) = self.unacked.get_mut(to) {
            mailbox.remove(&seq);
            if mailbox.is_empty() {
                self.unacked.remove(to);
            }
        }
    }
}
