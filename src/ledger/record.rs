//! The envelope of a record on disk.
//!
//! `body ++ CRC-32 of body (little endian)`, where the body is a MessagePack map with named fields:
//! `{v, seq, at, actor, event, prev}`. `prev` is the SHA-256 of the whole encoding of the record
//! before, so that a lost, exchanged or repeated record is seen. Named fields let old programs skip
//! what they do not know and new ones fill in what is missing; bytes of every version that was ever
//! written stay in `fixtures/` and must load for ever.

use model::event::{Event, Record};
use model::ids::Seq;
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// The version that this program writes.
pub const VERSION: u16 = 1;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What stands as predecessor in the first record.
pub const GENESIS: Hash = [0; 32];

/// A record together with its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// The record.
    pub record: Record,
    /// The hash of the record before it; [`GENESIS`] for the first.
    pub prev: Hash,
    /// The hash of this one.
    pub hash: Hash,
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// They are not those that were written.
    #[error("record {0} fails its checksum")]
    Checksum(Seq),
    /// The checksum is right and the content is not.
    #[error("record {0} cannot be read: {1}")]
    Shape(Seq, String),
    /// A record with another number stands in its place.
    #[error("record {found} stands in the place of record {expected}")]
    Misplaced {
        /// The number of the place.
        expected: Seq,
        /// The number inside.
        found: Seq,
    },
    /// A newer program wrote it.
    #[error("record {seq} has version {found}")]
    Newer {
        /// The number of the place.
        seq: Seq,
        /// The version inside.
        found: u16,
    },
}

#[derive(Serialize)]
struct Outgoing<'a> {
    v: u16,
    seq: Seq,
    at: Timestamp,
    actor: &'a Address,
    event: &'a Event,
    #[serde(serialize_with = "as_bytes")]
    prev: &'a Hash,
}

#[derive(Deserialize)]
struct Incoming {
    seq: Seq,
    at: Timestamp,
    actor: Address,
    event: Event,
    #[serde(deserialize_with = "from_bytes")]
    prev: Hash,
}

/// The one field whose meaning never changes; read first, since all else depends on it.
#[derive(Deserialize)]
struct Versioned {
    v: u16,
}

/// Returns the hash of an encoded record.
pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Returns `record` as the successor of the record whose hash is `prev`, in bytes.
pub fn encode(record: &Record, prev: &Hash) -> Result<Vec<u8>, RecordError> {
    let Record { seq, at, actor, event } = record;
    let mut bytes = rmp_serde::to_vec_named(&Outgoing { v: VERSION, seq: *seq, at: *at, actor, event, prev })
        .map_err(|error| RecordError::Shape(*seq, error.to_string()))?;
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

/// Reads the record with the number `seq` from its bytes.
pub fn decode(seq: Seq, bytes: &[u8]) -> Result<Sealed, RecordError> {
    let Some((body, crc)) = bytes.split_last_chunk::<4>() else {
        return Err(RecordError::Checksum(seq));
    };
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Err(RecordError::Checksum(seq));
    }
    let shape = |error: rmp_serde::decode::Error| RecordError::Shape(seq, error.to_string());
    let Versioned { v } = rmp_serde::from_slice(body).map_err(shape)?;
    if v > VERSION {
        return Err(RecordError::Newer { seq, found: v });
    }
    let read: Incoming = rmp_serde::from_slice(body).map_err(shape)?;
    if read.seq != seq {
        return Err(RecordError::Misplaced { expected: seq, found: read.seq });
    }
    let Incoming { seq, at, actor, event, prev } = read;
    Ok(Sealed { record: Record { seq, at, actor, event }, prev, hash: hash(bytes) })
}

/// Returns the number and the bytes of the sound record that `bytes` begin with, if they begin with one.
pub(crate) fn whole(bytes: &[u8]) -> Option<(Seq, &[u8])> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: Seq,
    }
    let mut rest = bytes;
    let Numbered { seq } = rmp_serde::from_read(&mut rest).ok()?;
    let whole = bytes.get(..bytes.len() - rest.len() + 4)?;
    decode(seq, whole).ok().map(|_| (seq, whole))
}

pub(crate) fn as_bytes<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(hash)
}

pub(crate) fn from_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
    struct Bytes;
    impl de::Visitor<'_> for Bytes {
        type Value = Hash;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("32 bytes")
        }
        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Hash, E> {
            bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
        }
    }
    deserializer.deserialize_bytes(Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{noted, rich_bead};

    fn sample() -> Record {
        let event = Event::BeadCreated { bead: std::sync::Arc::new(rich_bead()) };
        noted(7, event)
    }

    #[test]
    fn a_record_reads_back_with_its_place_in_the_chain() {
        let bytes = encode(&sample(), &[9; 32]).unwrap();
        let sealed = decode(Seq(7), &bytes).unwrap();
        assert_eq!(sealed.record, sample());
        assert_eq!(sealed.prev, [9; 32]);
        assert_eq!(sealed.hash, hash(&bytes));
        assert_eq!(decode(Seq(8), &bytes), Err(RecordError::Misplaced { expected: Seq(8), found: Seq(7) }));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let bytes = encode(&sample(), &GENESIS).unwrap();
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << (at % 8);
            assert!(decode(Seq(7), &broken).is_err(), "byte {at}");
            assert!(decode(Seq(7), &bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_version_is_named_even_when_its_shape_is_unknown() {
        #[derive(Serialize)]
        struct Future {
            v: u16,
            moved: &'static str,
        }
        let mut bytes = rmp_serde::to_vec_named(&Future { v: 9, moved: "everything" }).unwrap();
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(Seq(3), &bytes), Err(RecordError::Newer { seq: Seq(3), found: 9 }));
    }

    #[test]
    fn bytes_of_version_1_load_for_ever() {
        let bytes = include_bytes!("fixtures/record-v1.bin");
        let sealed = decode(Seq(7), bytes).unwrap();
        assert_eq!(sealed.record, sample());
        assert_eq!(sealed.prev, [9; 32]);
        let hex: String = hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("fixtures/record-v1.sha256").trim(), "the fixture itself was changed");
    }
}
