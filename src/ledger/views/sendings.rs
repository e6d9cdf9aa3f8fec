//! Names that senders have given to their sendings, so that one said again has no second effect, for ever.
//!
//! Of a name only a hash is kept, with where its letters are: some fifty bytes for each name.

use std::collections::BTreeMap;

use model::event::{Event, Record};
use model::ids::{MailId, Seq};
use model::mail::Kind;
use model::role::Address;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What was sent under a name: letters with the numbers of consecutive records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    first: Seq,
    letters: u32,
    words: u64,
}

impl Sending {
    /// Its letters, in the order in which they were sent.
    pub fn letters(&self) -> impl Iterator<Item = MailId> {
        (self.first.0..).take(self.letters as usize).map(|seq| MailId::of_record(Seq(seq)))
    }

    /// Whether these are its words.
    pub fn says(&self, kind: &Kind) -> bool {
        self.words == words(kind)
    }
}

/// All sendings that have a name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sendings {
    by_name: BTreeMap<(u64, u64), Sending>,
}

impl Sendings {
    /// What `from` has sent under the name `key`.
    pub fn get(&self, from: &Address, key: &str) -> Option<Sending> {
        self.by_name.get(&name(from, key)).copied()
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        let Event::MailSent { letter } = &record.event else { return };
        let Some(key) = &letter.key else { return };
        let sending = self.by_name.entry(name(&letter.from, key)).or_insert(Sending {
            first: record.seq,
            letters: 0,
            words: words(&letter.kind),
        });
        sending.letters += 1;
    }
}

fn name(from: &Address, key: &str) -> (u64, u64) {
    let mut hash = Sha256::new();
    hash.update(from.to_string());
    hash.update([0]);
    hash.update(key);
    let hash = hash.finalize();
    let part = |at: usize| hash[at..at + 8].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    (part(0), part(8))
}

fn words(kind: &Kind) -> u64 {
    let mut hash = Sha256::new();
    for part in [kind.name(), &kind.subject(), &kind.body()] {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize()[..8].iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}
