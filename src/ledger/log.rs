//! The log on disk: one tree of sled, one sync per batch.
//!
//! ```text
//!   key    record number (8 bytes, big endian) ++ piece number (2 bytes, big endian)
//!   value  up to 2 KiB of the encoded record
//! ```
//!
//! What sled does not promise by itself, and what is done about it here:
//!
//! - Its `flush` orders `sync_file_range`, which no power cut respects: an `fdatasync` of its data
//!   file follows, once per batch, before anybody is answered.
//! - Whatever is larger than a quarter of a segment (128 KiB) goes to a file of its own, which no
//!   sync covers. A page holds up to 17 values and is written as a whole now and then, so values
//!   are cut into pieces of 2 KiB: 17 of them stay far below.
//! - A process killed while opening leaves a `snap.*.generating` behind, which the next open takes
//!   for corruption: such leftovers are removed first.
//! - Damage makes it panic: it is opened on a thread of its own, whose panic is an answer.
//! - After one failed write it takes no more: [`Log::recover`] opens it anew.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use model::ids::Seq;

use crate::record::{self, GENESIS, Hash, RecordError, Sealed};
use crate::{Entry, LedgerError, Log, disk};

const PIECE: usize = 2048;

/// How many of the newest records are looked at when the log is opened.
const CHECKED_AT_OPEN: u64 = 64;

/// A [`Log`] in a folder of its own.
#[derive(Debug)]
pub struct SledLog {
    dir: PathBuf,
    cache: u64,
    /// None between a failed recovery and the next one.
    files: RwLock<Option<Files>>,
    tail: Mutex<Tail>,
    /// The newest durable record; readers go no further.
    head: AtomicU64,
    syncs: AtomicU64,
}

#[derive(Debug, Clone)]
struct Files {
    db: sled::Db,
    data: std::sync::Arc<File>,
}

/// Where the next record goes.
#[derive(Debug)]
struct Tail {
    head: Seq,
    hash: Hash,
    stopped: Option<String>,
}

impl SledLog {
    /// Opens the log in `dir`, or starts one there; `cache` is in bytes.
    ///
    /// The newest records are checked; [`crate::Store::verify`] checks them all.
    pub fn open(dir: &Path, cache: u64) -> Result<Self, LedgerError> {
        let files = open_files(dir, cache)?;
        let log = Self {
            dir: dir.to_owned(),
            cache,
            files: RwLock::new(Some(files.clone())),
            tail: Mutex::new(Tail { head: Seq(0), hash: GENESIS, stopped: None }),
            head: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        };
        let head = log.newest(&files)?;
        log.head.store(head.0, Ordering::Release);
        let from = Seq(head.0.saturating_sub(CHECKED_AT_OPEN - 1).max(1));
        let checked = log.read_sealed(from, CHECKED_AT_OPEN as usize)?;
        log.check_chain(&checked)?;
        if let Some(last) = checked.last() {
            let mut tail = log.lock_tail();
            tail.head = head;
            tail.hash = last.hash;
        }
        Ok(log)
    }

    /// Opens the log in `dir` for reading what can be read of it, whatever its newest records are like.
    pub(crate) fn open_unchecked(dir: &Path, cache: u64) -> Result<Self, LedgerError> {
        let files = open_files(dir, cache)?;
        let log = Self {
            dir: dir.to_owned(),
            cache,
            files: RwLock::new(Some(files.clone())),
            tail: Mutex::new(Tail { head: Seq(0), hash: GENESIS, stopped: None }),
            head: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        };
        let newest = catch_unwind(AssertUnwindSafe(|| log.newest(&files)))
            .unwrap_or_else(|panic| Err(log.corrupt(format!("the store panicked: {}", said(&*panic)))))?;
        log.head.store(newest.0, Ordering::Release);
        Ok(log)
    }

    /// Appends records as they were written once, the last of which has the hash `last`.
    ///
    /// The caller knows that they continue what is there.
    pub(crate) fn append_raw(&self, rows: &[Vec<u8>], last: Hash) -> Result<(), LedgerError> {
        let mut tail = self.lock_tail();
        let mut batch = sled::Batch::default();
        let mut seq = tail.head;
        for bytes in rows {
            seq = seq.next();
            put(&mut batch, seq, bytes)?;
        }
        self.write(batch)?;
        tail.head = seq;
        tail.hash = last;
        self.head.store(seq.0, Ordering::Release);
        Ok(())
    }

    fn lock_tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> Result<Files, LedgerError> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.clone().ok_or_else(|| LedgerError::Stopped { why: "it could not be opened again".into() })
    }

    fn corrupt(&self, what: impl Into<String>) -> LedgerError {
        LedgerError::Corrupt { dir: self.dir.clone(), what: what.into() }
    }

    fn newest(&self, files: &Files) -> Result<Seq, LedgerError> {
        match files.db.last().map_err(|error| from_sled(&self.dir, "read the newest record", &error))? {
            None => Ok(Seq(0)),
            Some((key, _)) => {
                number(&key).map(|(seq, _)| seq).ok_or_else(|| self.corrupt("a key is not a number"))
            }
        }
    }

    fn check_chain(&self, row: &[Sealed]) -> Result<(), LedgerError> {
        match row.windows(2).find(|pair| pair[0].hash != pair[1].prev) {
            None => Ok(()),
            Some(pair) => Err(self.corrupt(format!(
                "record {} does not continue record {}",
                pair[1].record.seq, pair[0].record.seq
            ))),
        }
    }

    fn write(&self, batch: sled::Batch) -> Result<(), LedgerError> {
        let files = self.files()?;
        let doing = "append to the ledger";
        let tried = catch_unwind(AssertUnwindSafe(|| {
            files.db.apply_batch(batch)?;
            files.db.flush()
        }));
        match tried {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(from_sled(&self.dir, doing, &error)),
            Err(panic) => {
                return Err(self.corrupt(format!("the store panicked while writing: {}", said(&*panic))));
            }
        }
        rustix::fs::fdatasync(&*files.data)
            .map_err(|error| LedgerError::io(&self.dir, doing, &error.into()))?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Changes the bytes of the record `seq` behind everybody's back; a record without bytes is gone.
    #[cfg(test)]
    pub(crate) fn spoil(&self, seq: Seq, change: impl FnOnce(&mut Vec<u8>)) {
        let db = self.files().unwrap().db;
        let mut bytes = db.get(key(seq, 0)).unwrap().unwrap().to_vec();
        change(&mut bytes);
        match bytes.is_empty() {
            true => db.remove(key(seq, 0)).unwrap(),
            false => db.insert(key(seq, 0), bytes).unwrap(),
        };
    }

    /// Removes everything after `head`, so that what nobody was told of is not there either.
    fn cut_back(&self, files: &Files, head: Seq) -> Result<(), LedgerError> {
        let doing = "take back what was not acknowledged";
        let mut batch = sled::Batch::default();
        let mut any = false;
        for key in files.db.range(key(head.next(), 0)..).keys() {
            batch.remove(key.map_err(|error| from_sled(&self.dir, doing, &error))?);
            any = true;
        }
        if any { self.write(batch) } else { Ok(()) }
    }
}

impl Log for SledLog {
    fn head(&self) -> Seq {
        Seq(self.head.load(Ordering::Acquire))
    }

    fn append(&self, entries: Vec<Entry>) -> Result<Vec<Sealed>, LedgerError> {
        let mut tail = self.lock_tail();
        if let Some(why) = &tail.stopped {
            return Err(LedgerError::Stopped { why: why.clone() });
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (mut seq, mut prev) = (tail.head, tail.hash);
        let mut batch = sled::Batch::default();
        let mut sealed = Vec::with_capacity(entries.len());
        for entry in entries {
            seq = seq.next();
            let record = entry.numbered(seq);
            let bytes = record::encode(&record, &prev).map_err(|error| LedgerError::Io {
                doing: "encode a record".into(),
                why: error.to_string(),
            })?;
            put(&mut batch, seq, &bytes)?;
            let hash = record::hash(&bytes);
            sealed.push(Sealed { record, prev, hash });
            prev = hash;
        }
        if let Err(error) = self.write(batch) {
            tail.stopped = Some(error.to_string());
            return Err(error);
        }
        tail.head = seq;
        tail.hash = prev;
        self.head.store(seq.0, Ordering::Release);
        Ok(sealed)
    }

    fn read_raw(&self, from: Seq, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        let from = Seq(from.0.max(1));
        let after = Seq(self.head().0.min(from.0.saturating_add(limit as u64) - 1) + 1);
        if after <= from {
            return Ok(Vec::new());
        }
        let files = self.files()?;
        let mut row = Vec::new();
        let mut bytes = Vec::new();
        let mut expected = from;
        let mut pieces = 0;
        for entry in files.db.range(key(from, 0)..key(after, 0)) {
            let (key, piece) = entry.map_err(|error| from_sled(&self.dir, "read records", &error))?;
            let (seq, n) = number(&key).ok_or_else(|| self.corrupt("a key is not a number"))?;
            if n == 0 && !bytes.is_empty() {
                row.push(std::mem::take(&mut bytes));
                expected = expected.next();
                pieces = 0;
            }
            if (seq, n) != (expected, pieces) {
                return Err(self.corrupt(format!("record {expected} is not whole, or missing")));
            }
            bytes.extend_from_slice(&piece);
            pieces += 1;
        }
        if !bytes.is_empty() {
            row.push(bytes);
            expected = expected.next();
        }
        if expected != after {
            return Err(self.corrupt(format!("record {expected} is missing")));
        }
        Ok(row)
    }

    fn read_sealed(&self, from: Seq, limit: usize) -> Result<Vec<Sealed>, LedgerError> {
        let rows = self.read_raw(from, limit)?;
        let decoded = rows.iter().zip(from.0.max(1)..).map(|(bytes, seq)| record::decode(Seq(seq), bytes));
        decoded
            .map(|sealed| {
                sealed.map_err(|error| match error {
                    RecordError::Newer { seq, found } => {
                        LedgerError::Newer { seq, found, known: record::VERSION }
                    }
                    error => self.corrupt(error.to_string()),
                })
            })
            .collect()
    }

    fn recover(&self) -> Result<(), LedgerError> {
        let mut tail = self.lock_tail();
        if tail.stopped.is_none() {
            return Ok(());
        }
        // Nothing short of opening it again clears an error of sled's; its lock goes with the last handle.
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = None;
        let files = open_files(&self.dir, self.cache)?;
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = Some(files.clone());
        self.cut_back(&files, tail.head)?;
        if self.newest(&files)? != tail.head {
            return Err(self.corrupt(format!("record {} was acknowledged and is gone", tail.head)));
        }
        if let Some(last) = self.read_sealed(tail.head, 1)?.last()
            && last.hash != tail.hash
        {
            return Err(self.corrupt(format!("record {} is not the one that was written", tail.head)));
        }
        tail.stopped = None;
        Ok(())
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

/// Adds a record to `batch`, in pieces.
fn put(batch: &mut sled::Batch, seq: Seq, bytes: &[u8]) -> Result<(), LedgerError> {
    for (n, piece) in bytes.chunks(PIECE).enumerate() {
        let n = u16::try_from(n).map_err(|_| LedgerError::Io {
            doing: format!("append a record of {} MiB", bytes.len() >> 20),
            why: "a record holds at most 128 MiB".into(),
        })?;
        batch.insert(key(seq, n).as_slice(), piece);
    }
    Ok(())
}

fn key(seq: Seq, piece: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&seq.0.to_be_bytes());
    key[8..].copy_from_slice(&piece.to_be_bytes());
    key
}

fn number(key: &[u8]) -> Option<(Seq, u16)> {
    let (seq, piece) = key.split_first_chunk::<8>()?;
    Some((Seq(u64::from_be_bytes(*seq)), u16::from_be_bytes(piece.try_into().ok()?)))
}

fn open_files(dir: &Path, cache: u64) -> Result<Files, LedgerError> {
    let fresh = !dir.join("db").exists();
    fs::create_dir_all(dir).map_err(|error| LedgerError::io(dir, "make the ledger's folder", &error))?;
    remove_leftovers(dir).map_err(|error| LedgerError::io(dir, "tidy the ledger's folder", &error))?;
    let db = open_sled(dir, cache)?;
    let settled = || {
        let data = File::open(dir.join("db"))?;
        if fresh {
            // The data is worth nothing as long as a power cut can take the names of its files.
            File::open(dir.join("conf"))?.sync_all()?;
            data.sync_all()?;
            disk::sync_dir(dir)?;
            dir.parent().map_or(Ok(()), disk::sync_dir)?;
        }
        Ok(data)
    };
    let data =
        settled().map_err(|error: io::Error| LedgerError::io(dir, "sync the ledger's folder", &error))?;
    Ok(Files { db, data: data.into() })
}

pub(crate) fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// How often, and how long apart, a lock is asked for that another process may be giving back just
/// now: the kernel tells nobody when it is free.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

fn open_sled(dir: &Path, cache: u64) -> Result<sled::Db, LedgerError> {
    let mut attempt = 1;
    loop {
        let config = sled::Config::new().path(dir).cache_capacity(cache).flush_every_ms(None);
        let opening = thread::Builder::new()
            .name("ledger-open".into())
            .spawn(move || config.open())
            .map_err(|error| LedgerError::io(dir, "start a thread to open the ledger", &error))?;
        match opening.join() {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(error)) => match from_sled(dir, "open the ledger", &error) {
                LedgerError::Held { .. } if attempt < LOCK_ATTEMPTS => thread::sleep(LOCK_PAUSE),
                error => return Err(error),
            },
            Err(panic) => {
                let what = format!("the store panicked while opening it: {}", said(&*panic));
                return Err(LedgerError::Corrupt { dir: dir.to_owned(), what });
            }
        }
        attempt += 1;
    }
}

pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
}

fn from_sled(dir: &Path, doing: &str, error: &sled::Error) -> LedgerError {
    match error {
        // The kind is lost on the way through sled; its words are not.
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            LedgerError::Held { dir: dir.to_owned() }
        }
        sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => LedgerError::Corrupt {
            dir: dir.to_owned(),
            what: format!("its data file ends too early: {error}"),
        },
        sled::Error::Io(error) => LedgerError::io(dir, doing, error),
        error => LedgerError::Corrupt { dir: dir.to_owned(), what: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{entry, remark};

    #[test]
    fn large_records_stay_out_of_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::open(dir.path(), 1 << 20).unwrap();
        let text = "x".repeat(300_000);
        for _ in 0..20 {
            log.append((0..10).map(|_| remark(&text[..40_000])).chain([remark(&text)]).collect()).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
        drop(log);
        let log = SledLog::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(log.head(), Seq(220));
        assert_eq!(log.read(Seq(1), 1000).unwrap().len(), 220);
        assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
    }

    #[test]
    fn a_leftover_of_a_kill_while_opening_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        drop(SledLog::open(dir.path(), 1 << 20).unwrap());
        let leftover = dir.path().join("snap.0000000000000001.generating");
        fs::write(&leftover, b"torn").unwrap();
        SledLog::open(dir.path(), 1 << 20).unwrap();
        assert!(!leftover.exists());
    }

    #[test]
    fn a_folder_is_opened_once() {
        let dir = tempfile::tempdir().unwrap();
        let _held = SledLog::open(dir.path(), 1 << 20).unwrap();
        let error = SledLog::open(dir.path(), 1 << 20).unwrap_err();
        assert!(matches!(error, LedgerError::Held { .. }), "{error}");
        assert!(error.hint().unwrap().contains("one runtime"));
    }

    #[test]
    fn a_lost_or_foreign_record_is_seen_at_open() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::open(dir.path(), 1 << 20).unwrap();
        log.append((0..5).map(entry).collect()).unwrap();
        let files = log.files().unwrap();
        let stolen = files.db.remove(key(Seq(3), 0)).unwrap().unwrap();
        assert!(matches!(log.read(Seq(1), 9), Err(LedgerError::Corrupt { .. })));
        assert_eq!(log.read(Seq(4), 9).unwrap().len(), 2);
        files.db.insert(key(Seq(3), 0), stolen).unwrap();
        assert_eq!(log.read(Seq(1), 9).unwrap().len(), 5);
        let other = record::encode(&entry(9).numbered(Seq(3)), &GENESIS).unwrap();
        files.db.insert(key(Seq(3), 0), other).unwrap();
        drop((files, log));
        let error = SledLog::open(dir.path(), 1 << 20).unwrap_err();
        assert!(error.to_string().contains("does not continue"), "{error}");
    }

    #[test]
    fn what_a_failed_append_left_behind_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::open(dir.path(), 1 << 20).unwrap();
        log.append((0..3).map(entry).collect()).unwrap();
        let bytes = record::encode(&entry(4).numbered(Seq(4)), &GENESIS).unwrap();
        log.files().unwrap().db.insert(key(Seq(4), 0), bytes).unwrap();
        log.lock_tail().stopped = Some("the test said so".into());
        assert!(matches!(log.append(vec![entry(5)]), Err(LedgerError::Stopped { .. })));
        assert_eq!(log.read(Seq(1), 9).unwrap().len(), 3);
        log.recover().unwrap();
        assert_eq!(log.append(vec![entry(5)]).unwrap()[0].record.seq, Seq(4));
        drop(log);
        assert_eq!(SledLog::open(dir.path(), 1 << 20).unwrap().head(), Seq(4));
    }

    #[test]
    fn rubbish_in_the_data_file_is_an_error_with_a_hint_and_no_panic() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::open(dir.path(), 1 << 20).unwrap();
        log.append((0..2000).map(entry).collect()).unwrap();
        drop(log);
        let db = dir.path().join("db");
        let mut bytes = fs::read(&db).unwrap();
        for at in (0..bytes.len()).step_by(997) {
            bytes[at] ^= 0xff;
        }
        fs::write(&db, bytes).unwrap();
        // Sled may take the wreck for an empty store; the board's snapshot notices that.
        if let Err(error) = SledLog::open(dir.path(), 1 << 20) {
            assert!(error.hint().is_some(), "{error}");
        }
    }
}
