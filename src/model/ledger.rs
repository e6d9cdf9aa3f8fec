//! What the ledger says of itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ids::Seq;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Where: `log`, `board`, `snapshot`, or a file of the archive.
    pub place: String,
    /// The record that it is about, where one can be named.
    pub seq: Option<Seq>,
    /// What is wrong, in words.
    pub what: String,
}

impl Finding {
    /// A finding in `place`, about the record `seq`.
    pub fn new(place: impl Into<String>, seq: impl Into<Option<Seq>>, what: impl Into<String>) -> Self {
        Self { place: place.into(), seq: seq.into(), what: what.into() }
    }
}

/// What a look at every record has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Nothing was found.
    pub sound: bool,
    /// How many records could be read.
    pub records: u64,
    /// The newest record.
    pub head: Seq,
    /// Its hash, which stands for all before it; empty when it is not known.
    pub hash: String,
    /// The newest record in the archive.
    pub archived: Seq,
    /// Everything that was found.
    pub findings: Vec<Finding>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// How large the ledger is, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// How many records there are.
    pub records: u64,
    /// The newest.
    pub head: Seq,
    /// Its hash.
    pub hash: String,
    /// The record that the snapshot on disk was taken at; none where there is no usable one.
    pub snapshot: Option<Seq>,
    /// The newest record that is in the archive alone, with all before it; 0 when the log has all.
    #[serde(default)]
    pub base: Seq,
    /// The newest record in the archive.
    pub archived: Seq,
    /// How long the opening took, in milliseconds.
    pub opened_in_ms: u64,
    /// Bytes on disk, in all.
    pub bytes: u64,
    /// Bytes on disk by part: `log`, `archive`, `snapshot`, `reserve`, `other`.
    pub bytes_by_part: BTreeMap<String, u64>,
    /// How many records of each type.
    pub by_type: BTreeMap<String, u64>,
    /// What was not as it should be when it was opened.
    pub findings: Vec<String>,
}

/// What came of leaving old records to the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// The newest record that is in the archive alone now, with all before it; 0 when the log has all.
    pub base: Seq,
    /// How many records the log's own store has let go this time.
    pub dropped: u64,
    /// The newest record.
    pub head: Seq,
    /// Its hash.
    pub hash: String,
    /// Bytes of the whole ledger before.
    pub bytes_before: u64,
    /// Bytes of the whole ledger now.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Records that no sound copy was found of, or that nothing sound leads up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The first.
    pub from: Seq,
    /// The last.
    pub to: Seq,
    /// Why they could not be saved.
    pub why: String,
}

/// What an empty ledger was filled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// How many records there are now.
    pub records: u64,
    /// The newest.
    pub head: Seq,
    /// Its hash.
    pub hash: String,
}

/// What was saved of a ledger into a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// The folder of the new one.
    pub dest: PathBuf,
    /// The newest record that was saved; all before it were saved, too.
    pub head: Seq,
    /// Its hash.
    pub hash: String,
    /// How many of them came from the log.
    pub from_log: u64,
    /// How many were only in the archive, or loose in the log's file.
    pub from_elsewhere: u64,
    /// What could not be saved.
    pub lost: Vec<Lost>,
    /// Records that are sound and follow on nothing, as JSON lines for people.
    pub leftover: Option<PathBuf>,
    /// Everything that was found wrong in the old one.
    pub findings: Vec<Finding>,
}
