//! What is left of a letter once it is acknowledged: which record it was sent with, and when it was
//! handed over and acknowledged. Some six bytes; the letter itself stays in the log.
//!
//! A town writes letters for ever and nobody unlearns one, so a mailbox that kept each letter would
//! grow by a kilobyte with every one.

use std::fmt;

use model::ids::Seq;
use model::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How far one acknowledged letter came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The record that it was sent with.
    pub seq: Seq,
    /// When it was handed over; never, if it was acknowledged before.
    pub delivered_at: Option<Timestamp>,
    /// When it was acknowledged.
    pub acked_at: Timestamp,
}

/// Acknowledged letters in the order in which they were acknowledged.
///
/// Each row is three numbers of one to ten bytes: record and time as the difference from the row
/// before, and how long the letter lay in the box.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SettledRows {
    rows: u64,
    last_seq: i64,
    last_acked: i64,
    packed: Vec<u8>,
}

impl SettledRows {
    /// How many there are.
    pub fn len(&self) -> usize {
        usize::try_from(self.rows).unwrap_or(usize::MAX)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds a letter.
    pub(crate) fn push(&mut self, row: Settled) {
        let (seq, acked) = (row.seq.0.cast_signed(), row.acked_at.millis());
        put(&mut self.packed, zigzag(seq.wrapping_sub(self.last_seq)));
        put(&mut self.packed, zigzag(acked.wrapping_sub(self.last_acked)));
        // One more than it lay there, so that nothing can mean never.
        let lay = row.delivered_at.map_or(0, |at| zigzag(acked.wrapping_sub(at.millis())).wrapping_add(1));
        put(&mut self.packed, lay);
        (self.last_seq, self.last_acked) = (seq, acked);
        self.rows += 1;
    }

    /// All of them, in the order in which they were acknowledged.
    pub fn iter(&self) -> impl Iterator<Item = Settled> + '_ {
        let (mut rest, mut seq, mut acked) = (self.packed.as_slice(), 0_i64, 0_i64);
        std::iter::from_fn(move || {
            seq = seq.wrapping_add(unzigzag(take(&mut rest)?));
            acked = acked.wrapping_add(unzigzag(take(&mut rest)?));
            let delivered = match take(&mut rest)? {
                0 => None,
                lay => Some(Timestamp::from_millis(acked.wrapping_sub(unzigzag(lay.wrapping_sub(1))))),
            };
            Some(Settled {
                seq: Seq(seq.cast_unsigned()),
                delivered_at: delivered,
                acked_at: Timestamp::from_millis(acked),
            })
        })
    }
}

impl fmt::Debug for SettledRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Small numbers of either sign as small numbers without one.
fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(first & 0x7f).checked_shl(shift).unwrap_or(0);
        if first & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

impl Serialize for SettledRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What precedes the first row is known, so the bytes alone say it all.
        serializer.serialize_bytes(&self.packed)
    }
}

impl<'de> Deserialize<'de> for SettledRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Packed;
        impl<'de> de::Visitor<'de> for Packed {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("packed rows")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        let packed = deserializer.deserialize_byte_buf(Packed)?;
        let mut rows = SettledRows { packed, ..SettledRows::default() };
        let (mut count, mut last) = (0, None);
        for row in rows.iter() {
            (count, last) = (count + 1, Some(row));
        }
        rows.rows = count;
        if let Some(last) = last {
            (rows.last_seq, rows.last_acked) = (last.seq.0.cast_signed(), last.acked_at.millis());
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(seq: u64, delivered: Option<i64>, acked: i64) -> Settled {
        Settled {
            seq: Seq(seq),
            delivered_at: delivered.map(Timestamp::from_millis),
            acked_at: Timestamp::from_millis(acked),
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_and_again_from_its_bytes(
            rows in prop::collection::vec((any::<u64>(), any::<Option<i64>>(), any::<i64>()), 0..40)
        ) {
            let rows: Vec<Settled> = rows.into_iter().map(|(s, d, a)| row(s, d.filter(|d| a.wrapping_sub(*d) != i64::MIN), a)).collect();
            let mut packed = SettledRows::default();
            for row in &rows {
                packed.push(*row);
            }
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), rows);
            let bytes = rmp_serde::to_vec_named(&packed).unwrap();
            prop_assert_eq!(&rmp_serde::from_slice::<SettledRows>(&bytes).unwrap(), &packed);
            let json = serde_json::to_string(&packed).unwrap();
            prop_assert_eq!(&serde_json::from_str::<SettledRows>(&json).unwrap(), &packed);
        }
    }

    #[test]
    fn a_letter_takes_a_few_bytes() {
        let mut packed = SettledRows::default();
        let now = 1_766_927_432_000;
        for n in 0..1_000_u64 {
            packed.push(row(n * 9, Some(now + n.cast_signed() * 40), now + n.cast_signed() * 40 + 3));
        }
        assert_eq!(packed.len(), 1_000);
        assert!(packed.packed.len() < 3_020, "{} bytes", packed.packed.len());
    }
}
