//! Inboxes, letters on their way, and dead letters.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Event, Record};
use model::ids::{MailId, Seq};
use model::mail::Letter;
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A letter and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The letter.
    pub letter: Letter,
    /// The record that it was sent with; letters are handled in this order.
    pub seq: Seq,
    /// When it was handed over.
    pub delivered_at: Option<Timestamp>,
    /// When it was acknowledged.
    pub acked_at: Option<Timestamp>,
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

/// All letters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    by_id: BTreeMap<MailId, Post>,
    /// By receiver, all letters in order.
    boxes: BTreeMap<Address, BTreeMap<Seq, MailId>>,
    /// By receiver, letters that are not acknowledged and not dead, in order.
    unacked: BTreeMap<Address, BTreeMap<Seq, MailId>>,
    /// Not handed over yet, in order.
    undelivered: BTreeMap<Seq, MailId>,
    dead: BTreeSet<MailId>,
}

impl Mail {
    /// The letter called `id`.
    pub fn get(&self, id: &MailId) -> Option<&Post> {
        self.by_id.get(id)
    }

    /// How many letters there have ever been.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// All letters, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Post> {
        self.by_id.values()
    }

    /// Everything that was ever sent to `to`, in order.
    pub fn inbox(&self, to: &Address) -> impl Iterator<Item = &Post> {
        self.boxes.get(to).into_iter().flat_map(|mailbox| mailbox.values()).filter_map(|id| self.get(id))
    }

    /// What `to` has not acknowledged, in order.
    pub fn unacked(&self, to: &Address) -> impl Iterator<Item = &Post> {
        self.unacked.get(to).into_iter().flat_map(|mailbox| mailbox.values()).filter_map(|id| self.get(id))
    }

    /// Everything that nobody has acknowledged.
    pub fn all_unacked(&self) -> impl Iterator<Item = &Post> {
        self.unacked.values().flat_map(|mailbox| mailbox.values()).filter_map(|id| self.get(id))
    }

    /// What has not been handed over, in order.
    pub fn undelivered(&self) -> impl Iterator<Item = &Post> {
        self.undelivered.values().filter_map(|id| self.get(id))
    }

    /// Every address that was ever written to, with what it has not acknowledged, in order.
    pub fn boxes(&self) -> impl Iterator<Item = (&Address, usize, Option<&Post>)> {
        self.boxes.keys().map(|address| {
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
                self.boxes.entry(letter.to.clone()).or_default().insert(record.seq, id.clone());
                self.unacked.entry(letter.to.clone()).or_default().insert(record.seq, id.clone());
                self.undelivered.insert(record.seq, id.clone());
                self.by_id.insert(
                    id,
                    Post {
                        letter: letter.clone(),
                        seq: record.seq,
                        delivered_at: None,
                        acked_at: None,
                        failures: 0,
                        errors: Vec::new(),
                        dead: None,
                        dead_at: None,
                    },
                );
            }
            Event::MailDelivered { mail, .. } => {
                if let Some(post) = self.by_id.get_mut(mail) {
                    post.delivered_at.get_or_insert(record.at);
                    self.undelivered.remove(&post.seq);
                }
            }
            Event::MailAcked { mail } => {
                if let Some(post) = self.by_id.get_mut(mail) {
                    post.acked_at.get_or_insert(record.at);
                    // A dead letter that somebody has dealt with is dead no longer.
                    (post.dead, post.dead_at) = (None, None);
                    self.dead.remove(mail);
                }
                self.settle(mail);
            }
            Event::MailFailed { mail, error } => {
                if let Some(post) = self.by_id.get_mut(mail) {
                    post.failures += 1;
                    post.errors.push((record.at, error.clone()));
                }
            }
            Event::MailDead { mail, reason } => {
                if let Some(post) = self.by_id.get_mut(mail) {
                    post.dead = Some(reason.clone());
                    post.dead_at = Some(record.at);
                    self.dead.insert(mail.clone());
                }
                self.settle(mail);
            }
            Event::MailRetried { mail } => {
                // Back to its old place in the order, and handed over afresh.
                if self.dead.remove(mail)
                    && let Some(post) = self.by_id.get_mut(mail)
                {
                    (post.dead, post.dead_at, post.delivered_at) = (None, None, None);
                    post.failures = 0;
                    post.errors.clear();
                    self.undelivered.insert(post.seq, mail.clone());
                    self.unacked.entry(post.letter.to.clone()).or_default().insert(post.seq, mail.clone());
                }
            }
            _ => {}
        }
    }

    /// Takes a letter off the lists of what is still to be done.
    fn settle(&mut self, mail: &MailId) {
        let Some(post) = self.by_id.get(mail) else { return };
        self.undelivered.remove(&post.seq);
        if let Some(mailbox) = self.unacked.get_mut(&post.letter.to) {
            mailbox.remove(&post.seq);
            if mailbox.is_empty() {
                self.unacked.remove(&post.letter.to);
            }
        }
    }
}
