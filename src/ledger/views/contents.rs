//! What the log holds, block by block: so that a search reads only where it may find something.
//!
//! For each block of 256 records: when its last one was written, and in which of its records some type of
//! event, some actor and some bead may be named, as Bloom filters (B. H. Bloom, "Space/time trade-offs in
//! hash coding with allowable errors", CACM 13, 1970). A filter never says no to what is there. A block with
//! a hundred different beads says yes to one in sixty that are not: with three bits of 1,024 each,
//! (1 - e^(-300/1024))^3. About one byte of memory a record.

use model::event::Record;
use model::ids::{BeadId, Seq};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Records in one block.
pub const BLOCK: u64 = 256;

/// A Bloom filter of `64 * N` bits, three for each word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Filter(Vec<u64>);

impl Filter {
    fn new(words: usize) -> Self {
        Filter(vec![0; words])
    }

    /// The places of `text`. Of a checksum whose meaning never changes, since filters are kept.
    fn places(&self, text: &str) -> [(usize, u64); 3] {
        let hash = crc32fast::hash(text.as_bytes());
        let bits = self.0.len() as u32 * 64;
        [hash, hash.rotate_left(11) ^ 0x9e37_79b9, hash.rotate_left(22) ^ 0x85eb_ca6b].map(|hash| {
            let bit = hash % bits;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }

    fn put(&mut self, text: &str) {
        for (word, bit) in self.places(text) {
            self.0[word] |= bit;
        }
    }

    fn may_hold(&self, text: &str) -> bool {
        self.places(text).iter().all(|(word, bit)| self.0[*word] & bit != 0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Block {
    /// The latest time of any record in it.
    until: Timestamp,
    kinds: Filter,
    actors: Filter,
    beads: Filter,
}

impl Block {
    fn new() -> Self {
        Block {
            until: Timestamp::default(),
            kinds: Filter::new(4),
            actors: Filter::new(8),
            beads: Filter::new(16),
        }
    }
}

/// What is looked for; all of it, where several are given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Written then or later.
    pub since: Option<Timestamp>,
    /// A type of event, or the part before its dot.
    pub kind: Option<&'a str>,
    /// By this actor, or about this agent.
    pub actor: Option<&'a str>,
    /// Naming this bead.
    pub bead: Option<&'a BeadId>,
}

/// The blocks of the log, from the first record on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    blocks: Vec<Block>,
}

impl Contents {
    /// Whether the block that the record `seq` is in may hold something that is wanted.
    pub fn may_hold(&self, seq: Seq, wanted: &Wanted<'_>) -> bool {
        // What is not known yet has to be read.
        let Some(block) = self.blocks.get(place(seq)) else { return true };
        wanted.since.is_none_or(|since| block.until >= since)
            && wanted.kind.is_none_or(|kind| block.kinds.may_hold(kind))
            && wanted.actor.is_none_or(|actor| block.actors.may_hold(actor.trim_end_matches('/')))
            && wanted.bead.is_none_or(|bead| block.beads.may_hold(bead.as_str()))
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        let place = place(record.seq);
        while self.blocks.len() <= place {
            self.blocks.push(Block::new());
        }
        let block = &mut self.blocks[place];
        block.until = block.until.max(record.at);
        let kind = record.event.kind();
        block.kinds.put(kind);
        if let Some((family, _)) = kind.split_once('.') {
            block.kinds.put(family);
        }
        for who in [Some(&record.actor), record.event.agent()].into_iter().flatten() {
            block.actors.put(who.to_string().trim_end_matches('/'));
        }
        for bead in record.event.beads() {
            block.beads.put(bead.as_str());
        }
    }
}

fn place(seq: Seq) -> usize {
    usize::try_from(seq.0.saturating_sub(1) / BLOCK).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use model::event::Event;

    use super::*;

    fn record(n: u64) -> Record {
        let bead = format!("web-{}", n / 100).parse().unwrap();
        let actor = format!("web/polecats/w{}", n / 1_000).parse().unwrap();
        let event = Event::BeadUnslung { bead, reason: String::new() };
        Record { seq: Seq(n), at: Timestamp::from_millis(n.cast_signed()), actor, event }
    }

    #[test]
    fn what_is_there_is_found_and_most_of_what_is_not_is_left_out() {
        let mut contents = Contents::default();
        let records: Vec<Record> = (1..=20_000).map(record).collect();
        records.iter().for_each(|record| contents.apply(record));
        for record in &records {
            let kind = record.event.kind();
            for kind in [kind, "bead"] {
                let wanted = Wanted {
                    since: Some(record.at),
                    kind: Some(kind),
                    actor: Some(&record.actor.to_string()),
                    bead: record.event.beads().first().copied(),
                };
                assert!(contents.may_hold(record.seq, &wanted), "{record:?}");
            }
        }
        let blocks = |wanted: Wanted<'_>| {
            (1..=20_000).step_by(BLOCK as usize).filter(|seq| contents.may_hold(Seq(*seq), &wanted)).count()
        };
        assert_eq!(blocks(Wanted::default()), 79);
        assert_eq!(blocks(Wanted { kind: Some("mail.sent"), ..Wanted::default() }), 0);
        assert_eq!(blocks(Wanted { since: Some(Timestamp::from_millis(19_900)), ..Wanted::default() }), 2);
        let bead = "web-77".parse().unwrap();
        assert!(blocks(Wanted { bead: Some(&bead), ..Wanted::default() }) <= 4);
        assert!(blocks(Wanted { actor: Some("web/polecats/w7"), ..Wanted::default() }) <= 7);
    }
}
