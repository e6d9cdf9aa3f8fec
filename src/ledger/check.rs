//! A look at the whole ledger: every record, the board, the snapshot.
//!
//! Nothing stops it. What opening and folding take for a reason to end is a finding here, and the look
//! goes on behind it, so that a person sees all of the damage at once.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use model::ids::Seq;
use model::ledger::{Check, Finding, Stats};

use crate::record::{self, GENESIS, Hash};
use crate::snapshot::{self, Folded};
use crate::store::{Store, snapshot_path};
use crate::{LedgerError, Log, archive, journal};

/// How many records are held in memory at once.
const CHUNK: u64 = 256;

/// The look stops listing after so many findings: the disk is gone, not a byte.
const ENOUGH: usize = 1_000;

/// Returns `hash` as people write it.
pub fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the record `seq` from `log`; what the store panics with is an answer, too.
pub(crate) fn raw(log: &dyn Log, seq: Seq) -> Result<Vec<u8>, String> {
    rows(log, seq, 1)?.pop().ok_or_else(|| "it is missing".to_owned())
}

pub(crate) fn rows(log: &dyn Log, from: Seq, limit: u64) -> Result<Vec<Vec<u8>>, String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    match catch_unwind(AssertUnwindSafe(|| log.read_raw(from, limit))) {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(LedgerError::Corrupt { what, .. })) => Err(what),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(format!("the store panicked: {}", crate::files::said(&*panic))),
    }
}

/// Reads `log` from the record after `after` up to `head`, a record at a time where a whole row cannot be had.
pub(crate) fn each_raw(
    log: &dyn Log,
    after: Seq,
    head: Seq,
    mut take: impl FnMut(Seq, Result<Vec<u8>, String>),
) {
    let mut from = after.0 + 1;
    while from <= head.0 {
        let after = (from + CHUNK).min(head.0 + 1);
        match rows(log, Seq(from), after - from) {
            Ok(row) if row.len() as u64 == after - from => {
                for (bytes, seq) in row.into_iter().zip(from..) {
                    take(Seq(seq), Ok(bytes));
                }
            }
            _ => (from..after).for_each(|seq| take(Seq(seq), raw(log, Seq(seq)))),
        }
        from = after;
    }
}

/// What came of reading a log to its head.
#[derive(Debug, Default)]
struct Walk {
    /// The board as far as everything is sound.
    folded: Folded,
    read: u64,
    by_type: BTreeMap<String, u64>,
    findings: Vec<Finding>,
}

fn walk(log: &dyn Log, head: Seq) -> Walk {
    let mut walk = Walk::default();
    // The hash of the record before, where that could be read.
    let mut before = Some(GENESIS);
    let mut sound = true;
    each_raw(log, Seq(0), head, |seq, bytes| {
        let read = bytes.and_then(|bytes| record::decode(seq, &bytes).map_err(|error| error.to_string()));
        let sealed = match read {
            Ok(sealed) => sealed,
            Err(why) => {
                walk.findings.push(Finding::new("log", seq, why));
                (before, sound) = (None, false);
                return;
            }
        };
        walk.read += 1;
        *walk.by_type.entry(sealed.record.event.kind().to_owned()).or_default() += 1;
        if before.is_some_and(|before| before != sealed.prev) {
            let what = format!("record {seq} does not continue the record before it");
            walk.findings.push(Finding::new("log", seq, what));
            sound = false;
        }
        before = Some(sealed.hash);
        if sound {
            walk.folded.board.apply(&sealed.record);
            walk.folded.hash = sealed.hash;
        }
    });
    walk
}

impl Store {
    /// Looks at every record, its checksum and its place in the chain; folds the board anew and
    /// compares its bytes with those of the live one; and looks at the snapshot.
    ///
    /// Reads everything: seconds for a long log. Writers go on meanwhile; what they add is not looked
    /// at.
    pub fn check(&self) -> Check {
        let started = Instant::now();
        let live = self.folded();
        let head = live.board.head;
        let Walk { folded, read, mut findings, .. } = walk(self.log(), head);
        if findings.is_empty() && !same(&folded, &live) {
            findings.push(Finding::new("board", head, "the board is not what its records add up to"));
        }
        findings.extend(self.findings().iter().map(|what| Finding::new("opening", None, what.as_str())));
        if let Some(dir) = self.dir() {
            let usable = snapshot::peek(&snapshot_path(dir));
            // Said already, when it was found at the opening.
            if let Err(what) = usable
                && !self.findings().contains(&what)
            {
                findings.push(Finding::new("snapshot", None, what));
            }
        }
        if let Some(dir) = self.dir() {
            findings.extend(in_journal(&dir.join("sled"), self.log()));
        }
        let mut archived = Seq(0);
        if let Some((folder, archive)) = self.archive() {
            let (_, broken) = archive::verify(&folder, self.log());
            findings.extend(broken);
            archived = archive.archived();
            findings.extend(archive.trouble().map(|what| Finding::new("archive", None, what)));
        }
        findings.truncate(ENOUGH);
        Check {
            sound: findings.is_empty(),
            records: read,
            head,
            hash: hex(&live.hash),
            archived,
            findings,
            took_ms: millis(started),
        }
    }

    /// The newest record that is in the archive for good; 0 when there is no archive.
    fn archived(&self) -> Seq {
        self.archive().map_or(Seq(0), |(_, archive)| archive.archived())
    }

    /// Drops the snapshot, folds the board again from all records, compares it with the live one, puts
    /// it in its place and takes a new snapshot. For one who is alone with the ledger.
    ///
    /// # Errors
    /// When a record cannot be read: then nothing is exchanged. When the snapshot cannot be written.
    pub fn rebuild(&self) -> Result<Check, LedgerError> {
        let started = Instant::now();
        let live = self.folded();
        let head = live.board.head;
        if let Some(dir) = self.dir() {
            crate::disk::give_up(&snapshot_path(dir))
                .map_err(|error| LedgerError::io(dir, "drop the board's snapshot", &error))?;
        }
        let dir = self.dir().unwrap_or(Path::new("memory"));
        let anew = snapshot::fold(dir, self.log(), Folded::default(), head)?;
        let mut findings = Vec::new();
        if !same(&anew, &live) {
            let what = "the board was not what its records add up to; it has been exchanged";
            findings.push(Finding::new("board", head, what));
        }
        let hash = hex(&anew.hash);
        self.exchange(anew);
        self.close()?;
        let sound = findings.is_empty();
        let took_ms = millis(started);
        let archived = self.archived();
        Ok(Check { sound, records: head.0, head, hash, archived, findings, took_ms })
    }

    /// Counts the records by type and the bytes on disk. Reads everything.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn stats(&self) -> Result<Stats, LedgerError> {
        let live = self.folded();
        let Walk { read, by_type, .. } = walk(self.log(), live.board.head);
        let mut parts = BTreeMap::new();
        let mut snapshot = None;
        if let Some(dir) = self.dir() {
            parts = sizes(dir).map_err(|error| LedgerError::io(dir, "measure the ledger", &error))?;
            snapshot = snapshot::peek(&snapshot_path(dir)).ok().flatten();
        }
        Ok(Stats {
            records: read,
            head: live.board.head,
            hash: hex(&live.hash),
            snapshot,
            base: self.log().base(),
            archived: self.archived(),
            opened_in_ms: u64::try_from(self.opened_in().as_millis()).unwrap_or(u64::MAX),
            bytes: parts.values().sum(),
            bytes_by_part: parts,
            by_type,
            findings: self.findings().to_vec(),
        })
    }
}

/// What is wrong with the journal in the folder `dir`, beside what `log` has.
fn in_journal(dir: &Path, log: &dyn Log) -> Vec<Finding> {
    let rows = match journal::read(dir) {
        Ok(rows) => rows,
        Err(error) => return vec![Finding::new("journal", None, format!("cannot be read: {error}"))],
    };
    let mut findings = Vec::new();
    // Batches lie one behind the other, so what is missing between two was broken later.
    for pair in rows.windows(2) {
        let missing = pair[0].last().next();
        if missing != pair[1].first {
            findings.push(Finding::new("journal", missing, "it fails its checksum"));
        }
    }
    for row in &rows {
        for (bytes, seq) in row.records.iter().zip(row.first.0..) {
            if Seq(seq) <= log.head() && raw(log, Seq(seq)).is_ok_and(|theirs| theirs != *bytes) {
                findings.push(Finding::new("journal", Seq(seq), "it is not the record that the log has"));
            }
        }
    }
    findings
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn same(one: &Folded, other: &Folded) -> bool {
    let bytes = |folded: &Folded| snapshot::bytes_of(&folded.board).ok();
    one.hash == other.hash && bytes(one).is_some() && bytes(one) == bytes(other)
}

/// The bytes that each part of the ledger in `dir` takes.
fn sizes(dir: &Path) -> std::io::Result<BTreeMap<String, u64>> {
    let mut parts = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let part = match name.to_string_lossy().as_ref() {
            "sled" | "sled.new" | "sled.old" => "log",
            "board.snap" => "snapshot",
            "reserve" => "reserve",
            name if name == "archive" || name.starts_with("archive.") => "archive",
            _ => "other",
        };
        *parts.entry(part.to_owned()).or_default() += size(&entry.path())?;
    }
    Ok(parts)
}

pub(crate) fn size(path: &Path) -> std::io::Result<u64> {
    // What is gone by now takes no room.
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Limits;
    use crate::testing::{entry, limits};
    use model::time::Timestamp;

    fn filled(dir: &Path, records: usize) -> Store {
        let store = Store::open(dir, Limits { snapshot_every: 1_000_000, ..limits() }).unwrap();
        let said = (0..records).map(|n| (entry(n).actor, entry(n).event)).collect();
        store.write_one(Timestamp::from_millis(1), |_, _| Ok((said, ()))).unwrap();
        store
    }

    #[test]
    fn a_sound_ledger_says_so_and_counts_itself() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path(), 300);
        let check = store.check();
        assert!(check.sound, "{check:?}");
        assert_eq!((check.records, check.head, check.hash.len()), (300, Seq(300), 64));
        assert_eq!(store.stats().unwrap().snapshot, None);
        store.close().unwrap();
        let stats = store.stats().unwrap();
        assert_eq!((stats.records, stats.snapshot), (300, Some(Seq(300))));
        assert_eq!(stats.by_type, [("policy.denied".to_owned(), 300)].into());
        assert_eq!(stats.hash, check.hash);
        assert!(stats.bytes_by_part["log"] > 0 && stats.bytes >= stats.bytes_by_part["log"]);
    }

    #[test]
    fn every_bad_record_is_named_and_the_look_goes_on_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        drop(filled(dir.path(), 600));
        let log = crate::SledLog::open(&dir.path().join("sled"), 1 << 20).unwrap();
        for seq in [3, 4, 300] {
            log.spoil(Seq(seq), |bytes| bytes[20] ^= 1);
        }
        log.spoil(Seq(500), Vec::clear);
        let walk = walk(&log, log.head());
        let named: Vec<u64> = walk.findings.iter().filter_map(|finding| Some(finding.seq?.0)).collect();
        assert_eq!(named, [3, 4, 300, 500], "{:?}", walk.findings);
        assert!(walk.findings[0].what.contains("record 3 fails its checksum"), "{:?}", walk.findings);
        assert_eq!((walk.read, walk.folded.board.head), (596, Seq(2)));
    }

    #[test]
    fn a_record_that_is_whole_and_not_the_one_that_was_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        drop(filled(dir.path(), 20));
        let log = crate::SledLog::open(&dir.path().join("sled"), 1 << 20).unwrap();
        let other = record::encode(&entry(99).numbered(Seq(7)), &GENESIS).unwrap();
        log.spoil(Seq(7), |bytes| *bytes = other);
        let walk = walk(&log, log.head());
        let named: Vec<u64> = walk.findings.iter().filter_map(|finding| Some(finding.seq?.0)).collect();
        assert_eq!(named, [7, 8]);
    }

    #[test]
    fn rebuilding_exchanges_a_board_that_is_not_what_the_records_say() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path(), 5);
        assert!(store.rebuild().unwrap().sound);
        let mut doctored = store.folded();
        doctored.board.at = Timestamp::from_millis(99);
        snapshot::save(&snapshot_path(dir.path()), &doctored).unwrap();
        drop(store);
        let store = Store::open(dir.path(), limits()).unwrap();
        let check = store.check();
        assert_eq!(check.findings[0].place, "board");
        let rebuilt = store.rebuild().unwrap();
        assert!(!rebuilt.sound);
        assert!(store.check().sound);
        drop(store);
        assert!(Store::open(dir.path(), limits()).unwrap().check().sound);
    }

    #[test]
    fn a_flipped_byte_of_the_snapshot_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path(), 50);
        store.close().unwrap();
        let path = snapshot_path(dir.path());
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(97) {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, bytes).unwrap();
            let check = store.check();
            assert_eq!(check.findings[0].place, "snapshot", "byte {at}: {check:?}");
        }
    }
}
