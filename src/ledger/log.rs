//! The log on disk: one tree of sled, a journal before it, one sync per batch.
//!
//! ```text
//!   batch ──> journal: write, sync ──> sled's memory ──> acknowledged
//!                                           └── about a second later: flush, sync; the journal is free again
//! ```
//!
//! ```text
//!   key    record number (8 bytes, big endian) ++ piece number (2 bytes, big endian)
//!   value  up to 2 KiB of the encoded record
//!   0, 0   in a log that was compacted: the base and its hash; what is up to there is in `past`
//! ```
//!
//! What sled does not promise by itself, and what is done about it here:
//!
//! - Its `flush` orders `sync_file_range`, which no power cut respects: an `fdatasync` of its data
//!   file follows. Both together take two to five times as long as one sync of a file whose blocks are
//!   there, and so does each batch that waits for them: hence the journal.
//! - Whatever is larger than a quarter of a segment (128 KiB) goes to a file of its own, which no
//!   sync covers. A page holds up to 17 values and is written as a whole now and then, so values
//!   are cut into pieces of 2 KiB: 17 of them stay far below.
//! - A process killed while opening leaves a `snap.*.generating` behind, which the next open takes
//!   for corruption: such leftovers are removed first.
//! - Damage makes it panic: it is opened on a thread of its own, whose panic is an answer.
//! - After one failed write it takes no more: [`Log::recover`] opens it anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use model::ids::Seq;

use crate::files::{Files, from_sled, guarded, said};
use crate::journal::{self, Broken, Journal, Room, Row};
use crate::past::{Base, Past};
use crate::record::{self, GENESIS, Hash, RecordError, Sealed};
use crate::settler::{Settler, Wish};
use crate::{Copier, Entry, LedgerError, Log, archive, boot, rebuild};

const PIECE: usize = 2048;

/// How many of the newest records are looked at when the log is opened.
const CHECKED_AT_OPEN: u64 = 64;

const SCANNED_AT_ONCE: usize = 512;

/// A [`Log`] in a folder of its own.
#[derive(Debug)]
pub struct SledLog {
    shared: Arc<Shared>,
    tail: Mutex<Tail>,
    syncs: AtomicU64,
    /// None where no thread could be had, and in a log that is only read.
    settler: Option<Settler>,
}

/// What the writer and the thread that settles have in common.
#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    cache: u64,
    /// None between a failed recovery and the next one.
    files: RwLock<Option<Files>>,
    /// The newest durable record; readers go no further.
    head: AtomicU64,
    /// The newest record that sled has for good.
    settled: AtomicU64,
    settling: Mutex<()>,
    /// What is not in sled any more.
    past: Past,
    /// Whether the settler knows that there is something to settle.
    told: AtomicBool,
    /// Whether sled had no room for what is in the journal.
    behind: AtomicBool,
    /// The folder of the archive, from which a sled that does not open is made anew.
    archive: Option<PathBuf>,
    /// What must have a copy before the journal may forget.
    copier: OnceLock<Copying>,
}

struct Copying(Copier);

impl std::fmt::Debug for Copying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Copying")
    }
}

/// The log as whoever copies it sees it.
#[derive(Debug)]
struct Reader<'a>(&'a Shared);

/// Where the next record goes.
#[derive(Debug)]
struct Tail {
    head: Seq,
    hash: Hash,
    stopped: Option<String>,
    /// None where there is no place for one: then each batch waits for sled.
    journal: Option<Journal>,
}

impl Shared {
    fn files(&self) -> Result<Files, LedgerError> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.clone().ok_or_else(|| LedgerError::Stopped { why: "it could not be opened again".into() })
    }

    fn head(&self) -> Seq {
        Seq(self.head.load(Ordering::Acquire))
    }

    /// Lets sled have all for good that is acknowledged.
    fn settle(&self) -> Result<(), LedgerError> {
        let _turn = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        self.told.store(false, Ordering::Release);
        let head = self.head();
        if self.settled.load(Ordering::Acquire) >= head.0 {
            return Ok(());
        }
        self.files()?.settle(&self.dir)?;
        self.copy(head)?;
        self.settled.fetch_max(head.0, Ordering::AcqRel);
        Ok(())
    }

    /// Lets the archive have all for good up to `head`.
    fn copy(&self, head: Seq) -> Result<(), LedgerError> {
        self.copier.get().map_or(Ok(()), |copying| (copying.0)(&Reader(self), head))
    }

    /// Opens sled's files; those that do not open are made anew where all that was acknowledged is known.
    fn open_files(&self) -> Result<Files, LedgerError> {
        match Files::open(&self.dir, self.cache) {
            Err(error @ LedgerError::Corrupt { .. }) => {
                self.make_anew(&error)?;
                Files::open(&self.dir, self.cache)
            }
            other => other,
        }
    }

    /// Makes sled's files anew from archive and journal, after `error`, which is returned where that cannot be.
    fn make_anew(&self, error: &LedgerError) -> Result<(), LedgerError> {
        let Some(archive) = &self.archive else { return Err(error.clone()) };
        match (rebuild::rebuild(&self.dir, self.cache, archive)?, error) {
            (Ok(head), _) => {
                tracing::warn!(%error, %head, "the log was made anew from its journal and archive");
                Ok(())
            }
            (Err(why), LedgerError::Corrupt { dir, what }) => {
                let what = format!("{what}; it cannot be made anew from its archive: {why}");
                Err(LedgerError::Corrupt { dir: dir.clone(), what })
            }
            (Err(_), error) => Err(error.clone()),
        }
    }

    fn corrupt(&self, what: impl Into<String>) -> LedgerError {
        LedgerError::Corrupt { dir: self.dir.clone(), what: what.into() }
    }

    fn newest(&self, files: &Files) -> Result<Seq, LedgerError> {
        match guarded(&self.dir, "read the newest record", || files.db.last())? {
            None => Ok(self.past.base.seq),
            Some((key, _)) => {
                let (seq, _) = number(&key).ok_or_else(|| self.corrupt("a key is not a number"))?;
                Ok(seq.max(self.past.base.seq))
            }
        }
    }

    /// Removes everything after `head`, so that what nobody was told of is not there either.
    fn cut_back(&self, files: &Files, head: Seq) -> Result<(), LedgerError> {
        let mut batch = sled::Batch::default();
        for key in files.db.range(key(head.next(), 0)..).keys() {
            let doing = "take back what was not acknowledged";
            batch.remove(key.map_err(|error| from_sled(&self.dir, doing, &error))?);
        }
        files.apply(&self.dir, batch)
    }

    /// Puts into sled what the journal knows and sled, whose newest record has the hash `hash`, does not;
    /// nothing after `until`. Returns the newest record and its hash.
    fn replay(
        &self,
        files: &Files,
        rows: Vec<Row>,
        (mut head, mut hash): (Seq, Hash),
        until: Seq,
    ) -> Result<(Seq, Hash), LedgerError> {
        for row in rows {
            let mut batch = sled::Batch::default();
            let (before, mut after) = (head, (head, hash));
            for (bytes, seq) in row.records.iter().zip(row.first.0..).filter(|(_, seq)| *seq <= until.0) {
                let seq = Seq(seq);
                if seq <= before {
                    continue;
                }
                if seq != after.0.next() {
                    return Err(self.corrupt(format!(
                        "records {} to {} were acknowledged and are gone",
                        after.0.next(),
                        Seq(seq.0 - 1)
                    )));
                }
                let sealed = record::decode(seq, bytes).map_err(|error| self.unreadable(error))?;
                if sealed.prev != after.1 {
                    return Err(self.corrupt(format!(
                        "record {seq} of the journal does not continue record {}",
                        after.0
                    )));
                }
                put(&mut batch, seq, bytes)?;
                after = (seq, sealed.hash);
            }
            if after.0 > before {
                files.apply(&self.dir, batch)?;
                (head, hash) = after;
            }
        }
        Ok((head, hash))
    }

    /// Damage that sled has not seen when it was opened makes it panic now.
    fn read_raw(&self, from: Seq, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        let read = catch_unwind(AssertUnwindSafe(|| self.read_pieces(from, limit))).unwrap_or_else(|panic| {
            Err(self.corrupt(format!("the store panicked while reading: {}", said(&*panic))))
        });
        match read {
            // Sled moves pages about even to read. Damage is not hidden by this, but for what it never got.
            Err(error)
                if !matches!(error, LedgerError::Corrupt { .. }) || self.behind.load(Ordering::Acquire) =>
            {
                self.read_beside(from, limit).ok_or(error)
            }
            read => read,
        }
    }

    /// The records that [`Shared::read_raw`] asks for, from archive and journal, which can be read on a full
    /// disk; none when they have not all of them.
    fn read_beside(&self, from: Seq, limit: usize) -> Option<Vec<Vec<u8>>> {
        let from = Seq(from.0.max(1));
        let until = Seq(self.head().0.min(from.0.saturating_add(limit as u64) - 1));
        let mut found = archive::rows_between(self.archive.as_ref()?, from, until).ok()?;
        for row in journal::read(&self.dir).ok()? {
            for (bytes, seq) in row.records.into_iter().zip(row.first.0..) {
                if (from.0..=until.0).contains(&seq) {
                    found.entry(Seq(seq)).or_insert(bytes);
                }
            }
        }
        let whole = (from.0..=until.0).all(|seq| found.contains_key(&Seq(seq)));
        whole.then(|| found.into_values().collect())
    }

    fn read_pieces(&self, from: Seq, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        let from = Seq(from.0.max(1));
        let after = Seq(self.head().0.min(from.0.saturating_add(limit as u64) - 1) + 1);
        if after <= from {
            return Ok(Vec::new());
        }
        let base = self.past.base.seq;
        if from <= base {
            let mut row = self.past.read(from, base.min(Seq(after.0 - 1)))?;
            row.extend(self.read_pieces(base.next(), limit - row.len())?);
            return Ok(row);
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
        decoded.map(|sealed| sealed.map_err(|error| self.unreadable(error))).collect()
    }

    fn unreadable(&self, error: RecordError) -> LedgerError {
        match error {
            RecordError::Newer { seq, found } => LedgerError::Newer { seq, found, known: record::VERSION },
            error => self.corrupt(error.to_string()),
        }
    }
}

impl Log for Reader<'_> {
    fn head(&self) -> Seq {
        self.0.head()
    }

    fn append(&self, _: Vec<Entry>) -> Result<Vec<Sealed>, LedgerError> {
        Err(LedgerError::Stopped { why: "this is for reading".into() })
    }

    fn read_raw(&self, from: Seq, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.0.read_raw(from, limit)
    }

    fn read_sealed(&self, from: Seq, limit: usize) -> Result<Vec<Sealed>, LedgerError> {
        self.0.read_sealed(from, limit)
    }

    fn recover(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    fn base(&self) -> Seq {
        self.0.past.base.seq
    }

    fn syncs(&self) -> u64 {
        0
    }
}

impl SledLog {
    /// Opens the log in `dir`, or starts one there; `cache` is in bytes.
    ///
    /// The newest records are checked; [`crate::Store::verify`] checks them all.
    pub fn open(dir: &Path, cache: u64) -> Result<Self, LedgerError> {
        Self::open_beside(dir, cache, None)
    }

    /// As [`SledLog::open`]; what the log has lost and the archive in the folder `archive` has is put back.
    pub(crate) fn open_beside(dir: &Path, cache: u64, archive: Option<&Path>) -> Result<Self, LedgerError> {
        match Self::open_as_it_is(dir, cache, archive) {
            Err(error @ LedgerError::Corrupt { .. }) => Self::open_anew(dir, cache, archive, &error),
            other => other,
        }
    }

    /// As [`SledLog::open_beside`], when `error` was found in what stands there.
    pub(crate) fn open_anew(
        dir: &Path,
        cache: u64,
        archive: Option<&Path>,
        error: &LedgerError,
    ) -> Result<Self, LedgerError> {
        Self::on(dir, cache, None, archive)?.shared.make_anew(error)?;
        Self::open_as_it_is(dir, cache, archive)
    }

    fn open_as_it_is(dir: &Path, cache: u64, archive: Option<&Path>) -> Result<Self, LedgerError> {
        rebuild::finish(dir).map_err(|error| LedgerError::io(dir, "open the ledger", &error))?;
        if boot::was_open(dir) && !dir.join(journal::NAME).exists() {
            let what = "its journal is missing, and with it perhaps what was acknowledged last".to_owned();
            return Err(LedgerError::Corrupt { dir: dir.to_owned(), what });
        }
        let files = Files::open(dir, cache)?;
        let mut log = Self::on(dir, cache, Some(&files), archive)?;
        let head = log.shared.newest(&files)?;
        log.shared.head.store(head.0, Ordering::Release);
        let base = log.shared.past.base;
        let is_news = archive.is_some() && !boot::same(dir);
        if is_news {
            // Only a machine that went down can have spoiled what is older.
            log.scan(base.seq.next(), head)?;
        }
        let from = Seq(head.0.saturating_sub(CHECKED_AT_OPEN - 1).max(base.seq.0 + 1));
        let checked = log.read_sealed(from, CHECKED_AT_OPEN as usize)?;
        log.check_chain(&checked)?;
        let hash = checked.last().map_or(base.hash, |last| last.hash);

        let (journal, mut rows) = match Journal::open(dir) {
            Ok((journal, rows)) => (Some(journal), rows),
            Err(error @ Broken::Cut { .. }) => return Err(log.shared.corrupt(error.to_string())),
            Err(Broken::Io(error)) => {
                tracing::warn!(%error, "the ledger has no journal; every batch waits for sled");
                (None, journal::read(dir).unwrap_or_default())
            }
        };
        // Not before there is a journal: that it was there once is known by this.
        if is_news
            && journal.is_some()
            && let Err(error) = boot::remember(dir)
        {
            tracing::warn!(%error, "the log is read as a whole at the next opening, too");
        }
        if let Some(archive) = archive {
            let known = rows.iter().map(Row::last).chain([head]).max().unwrap_or_default();
            let more = archive::rows_after(archive, head, hash)
                .map_err(|error| LedgerError::io(archive, "read the ledger's archive", &error))?;
            if let Some(last) = more.last().map(Row::last).filter(|last| *last > known) {
                tracing::warn!(
                    "the log ended with record {known}; what follows, up to {last}, comes from its archive"
                );
            }
            rows.extend(more);
            rows.sort_by_key(|row| row.first);
        }
        let mut stopped = None;
        let known = rows.last().map(|row| (row.last(), row.records.last().map(|bytes| record::hash(bytes))));
        let replayed = log.shared.replay(&files, rows, (head, hash), Seq(u64::MAX)).and_then(|end| {
            if end.0.0 > log.shared.head.swap(end.0.0, Ordering::AcqRel) {
                log.shared.settle()?;
            }
            Ok(end)
        });
        let (head, hash) = match (replayed, known) {
            // All is there for reading, and sled gets it when there is room.
            (Err(error @ LedgerError::Full { .. }), Some((last, Some(its)))) if last > head => {
                stopped = Some(error.to_string());
                log.shared.head.store(last.0, Ordering::Release);
                log.shared.behind.store(true, Ordering::Release);
                (last, its)
            }
            (Err(error), _) => return Err(error),
            (Ok(end), _) => end,
        };
        // Only the archive's copy lets the journal forget, and nobody has asked for that yet.
        log.shared.settled.store(if archive.is_some() { 0 } else { head.0 }, Ordering::Release);
        *log.lock_tail() = Tail { head, hash, stopped, journal };
        let shared = Arc::clone(&log.shared);
        log.settler = Settler::start(move || shared.settle());
        Ok(log)
    }

    /// Opens the log in `dir` for reading what sled can read of it, whatever its newest records are like.
    pub(crate) fn open_unchecked(dir: &Path, cache: u64) -> Result<Self, LedgerError> {
        let files = Files::open(dir, cache)?;
        let log = Self::on(dir, cache, Some(&files), None)?;
        let newest =
            catch_unwind(AssertUnwindSafe(|| log.shared.newest(&files))).unwrap_or_else(|panic| {
                Err(log.shared.corrupt(format!("the store panicked: {}", said(&*panic))))
            })?;
        log.shared.head.store(newest.0, Ordering::Release);
        Ok(log)
    }

    /// Makes a log in the new folder `dir` whose first record will be the one after `base`.
    pub(crate) fn begin_after(dir: &Path, cache: u64, base: Base) -> Result<(), LedgerError> {
        let files = Files::open(dir, cache)?;
        let mut batch = sled::Batch::default();
        batch.insert(key(Seq(0), 0).as_slice(), base.to_bytes().as_slice());
        files.apply(dir, batch)?;
        files.settle(dir)
    }

    fn on(
        dir: &Path,
        cache: u64,
        files: Option<&Files>,
        archive: Option<&Path>,
    ) -> Result<Self, LedgerError> {
        let base = match files {
            None => None,
            Some(files) => guarded(dir, "read where the log begins", || files.db.get(key(Seq(0), 0)))?,
        };
        let base = base.map_or(Some(Base::NONE), |bytes| Base::from_bytes(&bytes));
        let base = base.ok_or_else(|| LedgerError::Corrupt {
            dir: dir.to_owned(),
            what: "where the log begins cannot be read".to_owned(),
        })?;
        let shared = Shared {
            past: Past::new(&archive::folder(dir.parent().unwrap_or(dir)), base),
            dir: dir.to_owned(),
            cache,
            archive: archive.map(Path::to_owned),
            behind: AtomicBool::new(false),
            copier: OnceLock::new(),
            files: RwLock::new(files.cloned()),
            head: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            settling: Mutex::new(()),
            told: AtomicBool::new(false),
        };
        Ok(Self {
            shared: Arc::new(shared),
            tail: Mutex::new(Tail { head: Seq(0), hash: GENESIS, stopped: None, journal: None }),
            syncs: AtomicU64::new(0),
            settler: None,
        })
    }

    /// A log in the new folder `dir` that holds `rows`, settled; returns its newest record.
    pub(crate) fn fill(dir: &Path, cache: u64, rows: Vec<Row>) -> Result<Seq, LedgerError> {
        let files = Files::open(dir, cache)?;
        let log = Self::on(dir, cache, Some(&files), None)?;
        let (head, _) = log.shared.replay(&files, rows, (Seq(0), GENESIS), Seq(u64::MAX))?;
        files.settle(dir)?;
        Ok(head)
    }

    /// Appends records as they were written once, the last of which has the hash `last`.
    ///
    /// The caller knows that they continue what is there.
    pub(crate) fn append_raw(&self, rows: &[Vec<u8>], last: Hash) -> Result<(), LedgerError> {
        let mut tail = self.lock_tail();
        self.write(&mut tail, rows)?;
        let seq = Seq(tail.head.0 + rows.len() as u64);
        self.advance(&mut tail, seq, last);
        Ok(())
    }

    fn lock_tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether every record from `from` to `head` can be had.
    fn scan(&self, from: Seq, head: Seq) -> Result<(), LedgerError> {
        for from in (from.0..=head.0).step_by(SCANNED_AT_ONCE) {
            self.read_raw(Seq(from), SCANNED_AT_ONCE)?;
        }
        Ok(())
    }

    fn check_chain(&self, row: &[Sealed]) -> Result<(), LedgerError> {
        match row.windows(2).find(|pair| pair[0].hash != pair[1].prev) {
            None => Ok(()),
            Some(pair) => Err(self.shared.corrupt(format!(
                "record {} does not continue record {}",
                pair[1].record.seq, pair[0].record.seq
            ))),
        }
    }

    /// Makes `rows` durable behind the newest record, and readable.
    fn write(&self, tail: &mut Tail, rows: &[Vec<u8>]) -> Result<(), LedgerError> {
        let (shared, first) = (&*self.shared, tail.head.next());
        let files = shared.files()?;
        let mut batch = sled::Batch::default();
        for (bytes, seq) in rows.iter().zip(first.0..) {
            put(&mut batch, Seq(seq), bytes)?;
        }
        let length = rows.iter().map(Vec::len).sum();
        if let Some(journal) = &mut tail.journal {
            let room = journal.room(rows.len(), length);
            if let Room::After(needed) | Room::Apart(needed) = room
                && shared.settled.load(Ordering::Acquire) < needed.0
            {
                shared.settle()?;
            }
            let written = match room {
                Room::Apart(_) => journal.append_apart(first, rows),
                Room::Here => journal.append(first, rows),
                Room::After(_) => {
                    journal.turn();
                    self.wish(Wish::Now);
                    journal.append(first, rows)
                }
            };
            let tried = written
                .map_err(|error| LedgerError::io(&shared.dir, "append to the ledger's journal", &error))
                .and_then(|()| files.apply(&shared.dir, batch));
            if let Err(error) = tried {
                if let Err(error) = journal.take_back(tail.head) {
                    tracing::error!(%error, "what was refused is still in the ledger's journal");
                }
                return Err(error);
            }
            if !shared.told.swap(true, Ordering::AcqRel) {
                self.wish(Wish::Soon);
            }
        } else {
            files.apply(&shared.dir, batch)?;
            files.settle(&shared.dir)?;
        }
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn wish(&self, wish: Wish) {
        if let Some(settler) = &self.settler {
            settler.wish(wish);
        }
    }

    fn advance(&self, tail: &mut Tail, head: Seq, hash: Hash) {
        tail.head = head;
        tail.hash = hash;
        self.shared.head.store(head.0, Ordering::Release);
    }

    /// Changes the bytes of the record `seq` behind everybody's back; a record without bytes is gone.
    #[cfg(test)]
    pub(crate) fn spoil(&self, seq: Seq, change: impl FnOnce(&mut Vec<u8>)) {
        let db = self.shared.files().unwrap().db;
        let mut bytes = db.get(key(seq, 0)).unwrap().unwrap().to_vec();
        change(&mut bytes);
        match bytes.is_empty() {
            true => db.remove(key(seq, 0)).unwrap(),
            false => db.insert(key(seq, 0), bytes).unwrap(),
        };
    }
}

impl Log for SledLog {
    fn head(&self) -> Seq {
        self.shared.head()
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
        let mut rows = Vec::with_capacity(entries.len());
        let mut sealed = Vec::with_capacity(entries.len());
        for entry in entries {
            seq = seq.next();
            let record = entry.numbered(seq);
            let bytes = record::encode(&record, &prev).map_err(|error| LedgerError::Io {
                doing: "encode a record".into(),
                why: error.to_string(),
            })?;
            let hash = record::hash(&bytes);
            sealed.push(Sealed { record, prev, hash });
            rows.push(bytes);
            prev = hash;
        }
        // Until it is known to be written: a panic on the way may have left it in the journal, and what
        // followed under the same numbers would be lost behind it.
        tail.stopped = Some("a write did not come to its end".into());
        if let Err(error) = self.write(&mut tail, &rows) {
            tail.stopped = Some(error.to_string());
            return Err(error);
        }
        tail.stopped = None;
        self.advance(&mut tail, seq, prev);
        Ok(sealed)
    }

    fn read_raw(&self, from: Seq, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.shared.read_raw(from, limit)
    }

    fn read_sealed(&self, from: Seq, limit: usize) -> Result<Vec<Sealed>, LedgerError> {
        self.shared.read_sealed(from, limit)
    }

    fn recover(&self) -> Result<(), LedgerError> {
        let mut tail = self.lock_tail();
        if tail.stopped.is_none() {
            return Ok(());
        }
        let shared = &*self.shared;
        faults::point("ledger.recover").map_err(|error| LedgerError::io(&shared.dir, "recover", &error))?;
        let _turn = shared.settling.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing short of opening it again clears an error of sled's; its lock goes with the last handle.
        *shared.files.write().unwrap_or_else(PoisonError::into_inner) = None;
        let files = shared.open_files()?;
        *shared.files.write().unwrap_or_else(PoisonError::into_inner) = Some(files.clone());
        shared.cut_back(&files, tail.head)?;
        let has = shared.newest(&files)?;
        let base = shared.past.base;
        let last = self.read_sealed(has, usize::from(has > base.seq))?;
        let hash = last.last().map_or(base.hash, |last| last.hash);
        // Sled may lag behind by what is in the journal, and the journal is ahead of what was acknowledged.
        let rows = journal::read(&shared.dir)
            .map_err(|error| LedgerError::io(&shared.dir, "read the ledger's journal", &error))?;
        let (newest, hash) = shared.replay(&files, rows, (has, hash), tail.head)?;
        if newest != tail.head {
            return Err(shared.corrupt(format!("record {} was acknowledged and is gone", tail.head)));
        }
        if hash != tail.hash {
            return Err(shared.corrupt(format!("record {} is not the one that was written", tail.head)));
        }
        files.settle(&shared.dir)?;
        shared.copy(newest)?;
        shared.settled.store(newest.0, Ordering::Release);
        tail.journal = None;
        let opened = Journal::open(&shared.dir).and_then(|(mut journal, _)| {
            journal.wipe()?;
            Ok(journal)
        });
        tail.journal = Some(opened.map_err(|error| match error {
            Broken::Cut { .. } => shared.corrupt(error.to_string()),
            Broken::Io(error) => LedgerError::io(&shared.dir, "open the ledger's journal", &error),
        })?);
        tail.stopped = None;
        shared.behind.store(false, Ordering::Release);
        Ok(())
    }

    fn settle(&self) -> Result<(), LedgerError> {
        self.shared.settle()
    }

    fn base(&self) -> Seq {
        self.shared.past.base.seq
    }

    fn copied_by(&self, copy: Copier) {
        let _ = self.shared.copier.set(Copying(copy));
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

#[cfg(test)]
mod tests;
