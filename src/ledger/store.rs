//! The log and the board behind one handle.
//!
//! There are two boards. The *live* one holds what is durable; readers have it. The *draft* belongs
//! to the one who writes and runs ahead of it by the group that is being decided. A group of
//! decisions is taken one after the other against the draft, so that each sees all before it; their
//! events go to the disk as one batch with one sync; then the live board takes them in, and only
//! then is anybody answered. So readers never wait for the disk and never see what may yet be lost,
//! and when the batch fails the draft is simply taken from the live board again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use std::{fs, thread};

use model::event::{Event, Record};
use model::ids::Seq;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;
use tokio::sync::watch;

use crate::archive::{self, Archive};
use crate::snapshot::{self, Folded, Found};
use crate::views::Board;
use crate::{Entry, Hash, LedgerError, Log, Sealed, SledLog, Subscription, compact, disk};

/// How much of the machine the store may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of memory for pages of the log.
    pub cache: u64,
    /// Bytes of disk kept aside, to be given up when the disk is full, so that the town still opens.
    pub reserve: u64,
    /// Bytes that must be free beside the reserve, or nothing is written.
    pub floor: u64,
    /// Records between two snapshots of the board.
    pub snapshot_every: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // Sled must have room for all that is in the journal, and for as much again.
        Self { cache: 16 << 20, reserve: 8 << 20, floor: 8 << 20, snapshot_every: 20_000 }
    }
}

/// What is to happen, once it is known what has: looks at the board, with everything that was
/// decided before it in the same group, and at the group's time.
///
/// Returns the events, each with who did it, and whatever the asker is to be told; or a refusal,
/// which leaves no trace. A refusal that is to leave one is an `Ok` whose `T` says no.
pub type Decision<'a, T> =
    Box<dyn FnOnce(&Board, Timestamp) -> Result<(Vec<(Address, Event)>, T), Refusal> + Send + 'a>;

/// A decision that is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Written<T> {
    /// What the decision said beside its events.
    pub value: T,
    /// Its events with their numbers.
    pub records: Vec<Record>,
}

/// What [`Store::verify`] has found to be in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The newest record.
    pub head: Seq,
    /// Its hash, which stands for the whole log.
    pub hash: Hash,
}

/// A town's ledger, open. Clones are handles to the same one; the last to go closes it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Ended before the log is closed; none for a log in memory.
    archive: Option<Archive>,
    /// None for a log in memory.
    dir: Option<PathBuf>,
    limits: Limits,
    log: Arc<dyn Log>,
    live: RwLock<Folded>,
    writer: Mutex<Writer>,
    /// Why nothing is written at present. Not in `Writer`, so that asking waits for no write.
    stopped: RwLock<Option<LedgerError>>,
    newest: watch::Sender<Seq>,
    snapshots: Mutex<()>,
    findings: Vec<String>,
    opened_in: Duration,
    /// The disk counts as full, for tests.
    pretends_full: AtomicBool,
}

#[derive(Debug)]
struct Writer {
    draft: Board,
    /// Whether the draft may be ahead of the live board: a failed append, or a decision that panicked.
    astray: bool,
    since_snapshot: u64,
}

impl Store {
    /// Opens the ledger in the folder `dir`, or starts one there.
    ///
    /// On a full disk the reserve is given up and the store comes up read-only.
    pub fn open(dir: &Path, limits: Limits) -> Result<Store, LedgerError> {
        let started = Instant::now();
        let io = |doing: &str, error: &std::io::Error| LedgerError::io(dir, doing, error);
        fs::create_dir_all(dir).map_err(|error| io("make the ledger's folder", &error))?;
        compact::tidy(dir)?;
        // Its own name must be as durable as what is in it.
        dir.parent()
            .map_or(Ok(()), disk::sync_dir)
            .map_err(|error| io("sync the folder of the ledger's folder", &error))?;
        let reserve = dir.join("reserve");
        let folder = dir.join("sled");
        if disk::free(dir).map_err(|error| io("ask how much space is left", &error))? < limits.floor {
            disk::give_up(&reserve).map_err(|error| io("give up the reserved space", &error))?;
        }
        let archive = archive::folder(dir);
        let opened = || SledLog::open_beside(&folder, limits.cache, Some(&archive));
        let log = match opened() {
            Err(LedgerError::Full { .. }) => {
                disk::give_up(&reserve).map_err(|error| io("give up the reserved space", &error))?;
                opened()?
            }
            other => other?,
        };
        let store = match Self::on(Arc::new(log), Some(dir.to_owned()), limits, started) {
            Err(error @ LedgerError::Corrupt { .. }) => {
                // Older records than those that are looked at while opening.
                let log = SledLog::open_anew(&folder, limits.cache, Some(&archive), &error)?;
                Self::on(Arc::new(log), Some(dir.to_owned()), limits, started)?
            }
            other => other?,
        };
        if let Err(error) = store.inner.make_room() {
            tracing::error!(%error, "the ledger opens read-only");
            store.inner.stop(error);
        }
        Ok(store)
    }

    /// A store in memory that forgets everything, over `log`, which can be made to fail.
    #[cfg(any(test, feature = "fakes"))]
    pub fn in_memory(log: Arc<crate::memory::MemoryLog>) -> Result<Store, LedgerError> {
        Self::on(log, None, Limits::default(), Instant::now())
    }

    fn on(
        log: Arc<dyn Log>,
        dir: Option<PathBuf>,
        limits: Limits,
        started: Instant,
    ) -> Result<Store, LedgerError> {
        let mut findings = Vec::new();
        let start = match dir.as_deref().map(|dir| snapshot::load(&snapshot_path(dir), &*log)).transpose()? {
            Some(Found::Usable(folded)) => *folded,
            Some(Found::Doubtful(why)) => {
                tracing::error!(finding = %why, "the ledger's snapshot is not used");
                findings.push(why);
                Folded::default()
            }
            Some(Found::Nothing) | None => Folded::default(),
        };
        let from = start.board.head;
        let live = snapshot::fold(dir.as_deref().unwrap_or(Path::new("memory")), &*log, start, log.head())?;
        let writer =
            Writer { draft: live.board.clone(), astray: false, since_snapshot: live.board.head.0 - from.0 };
        let newest = watch::Sender::new(live.board.head);
        let archive = dir.as_deref().map(|dir| {
            let (archive, wrong) = Archive::start(&archive::folder(dir), Arc::clone(&log), limits.floor);
            findings.extend(wrong);
            archive
        });
        Ok(Store {
            inner: Arc::new(Inner {
                archive,
                dir,
                limits,
                log,
                live: RwLock::new(live),
                writer: Mutex::new(writer),
                stopped: RwLock::new(None),
                newest,
                snapshots: Mutex::new(()),
                findings,
                opened_in: started.elapsed(),
                pretends_full: AtomicBool::new(false),
            }),
        })
    }

    /// Shows the board to `look`. Everything on it is durable.
    ///
    /// Writers wait while `look` runs: take out what is needed and return.
    pub fn read<R>(&self, look: impl FnOnce(&Board) -> R) -> R {
        look(&self.inner.live().board)
    }

    /// The number of the newest durable record; 0 when there is none.
    pub fn head(&self) -> Seq {
        *self.inner.newest.borrow()
    }

    /// Up to `limit` records, starting with the number `from`. Reads the disk.
    pub fn events(&self, from: Seq, limit: usize) -> Result<Vec<Record>, LedgerError> {
        self.inner.log.read(from, limit)
    }

    /// Listens to what happens, starting with the record `from`.
    pub fn subscribe(&self, from: Seq) -> Subscription {
        Subscription::new(Arc::clone(&self.inner.log), self.inner.newest.subscribe(), from)
    }

    /// Why nothing can be written at present, if nothing can.
    pub fn read_only(&self) -> Option<LedgerError> {
        self.inner.stopped.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tries whether a store that is read-only still has to be, and returns whether it takes writes now.
    ///
    /// For whoever waits for the disk and has nothing to write. Blocks.
    pub fn try_again(&self) -> bool {
        let _writer = self.inner.lock_writer();
        self.read_only().is_none() || self.inner.make_writable().is_ok()
    }

    /// Lets the disk count as full until called with `false`: a fault for tests.
    pub fn pretend_full(&self, full: bool) {
        self.inner.pretends_full.store(full, Ordering::Relaxed);
    }

    /// What was not as it should be when the store was opened, in words for people.
    pub fn findings(&self) -> &[String] {
        &self.inner.findings
    }

    /// How many batches have waited for the disk since the store was opened.
    pub fn syncs(&self) -> u64 {
        self.inner.log.syncs()
    }

    /// Takes `decisions` one after the other and writes all their events as one batch.
    ///
    /// Blocks until they are durable: one sync, however many they are. The answers are in the order
    /// of the decisions. If the batch cannot be written, nothing has happened and every answer is a
    /// refusal with the code `read_only`, also where a decision had been refused by itself, since
    /// what it looked at has not come to be. While the store is read-only, each call first tries
    /// whether it still has to be.
    ///
    /// A panic in a decision goes through to the caller; nothing of the group is written.
    pub fn write<T>(
        &self,
        at: Timestamp,
        decisions: Vec<Decision<'_, T>>,
    ) -> Vec<Result<Written<T>, Refusal>> {
        let mut writer = self.inner.lock_writer();
        if let Err(error) = self.inner.make_writable() {
            return decisions.iter().map(|_| Err(error.refusal())).collect();
        }
        if std::mem::replace(&mut writer.astray, true) {
            if let Err(error) = self.inner.catch_up() {
                return decisions.iter().map(|_| Err(error.refusal())).collect();
            }
            writer.draft = self.inner.live().board.clone();
        }

        let mut entries = Vec::new();
        let mut answers = Vec::with_capacity(decisions.len());
        for decision in decisions {
            answers.push(decision(&writer.draft, at).map(|(events, value)| {
                let first = entries.len();
                for (actor, event) in events {
                    let entry = Entry { at, actor, event };
                    let seq = writer.draft.head.next();
                    let record = entry.numbered(seq);
                    writer.draft.apply(&record);
                    let Record { at, actor, event, .. } = record;
                    entries.push(Entry { at, actor, event });
                }
                (value, first..entries.len())
            }));
        }

        let sealed = match self.inner.log.append(entries) {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::error!(%error, "the ledger takes no writes");
                self.inner.stop(error.clone());
                return answers.iter().map(|_| Err(error.refusal())).collect();
            }
        };
        self.inner.publish(&sealed);
        writer.astray = false;
        writer.since_snapshot += sealed.len() as u64;
        if writer.since_snapshot >= self.inner.limits.snapshot_every {
            writer.since_snapshot = 0;
            self.snapshot_aside();
        }
        drop(writer);

        let mut records: Vec<Record> = sealed.into_iter().map(|sealed| sealed.record).collect();
        let mut written: Vec<_> = answers
            .into_iter()
            .rev()
            .map(|answer| {
                answer.map(|(value, range)| Written { value, records: records.split_off(range.start) })
            })
            .collect();
        written.reverse();
        written
    }

    /// Takes one decision; see [`Store::write`].
    pub fn write_one<T>(
        &self,
        at: Timestamp,
        decide: impl FnOnce(&Board, Timestamp) -> Result<(Vec<(Address, Event)>, T), Refusal> + Send,
    ) -> Result<Written<T>, Refusal> {
        let mut answers = self.write(at, vec![Box::new(decide)]);
        answers.pop().unwrap_or_else(|| Err(Refusal::failed("lost", "a decision had no answer")))
    }

    /// Folds the whole log anew, checks every record and the chain, and compares the bytes of the
    /// board with those of the live one.
    pub fn verify(&self) -> Result<Verified, LedgerError> {
        let live = self.inner.live().clone();
        let head = live.board.head;
        let dir = self.inner.dir.clone().unwrap_or_else(|| "memory".into());
        let anew = snapshot::fold(&dir, &*self.inner.log, Folded::default(), head)?;
        if anew.hash != live.hash || snapshot::bytes_of(&anew.board)? != snapshot::bytes_of(&live.board)? {
            return Err(LedgerError::Corrupt {
                dir,
                what: "the board is not what its records add up to".into(),
            });
        }
        Ok(Verified { head, hash: live.hash })
    }

    /// Writes a snapshot of the board now, so that the next opening is quick.
    ///
    /// The store can still be used; it closes when its last handle goes.
    pub fn close(&self) -> Result<(), LedgerError> {
        let _turn = self.inner.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.log.settle()?;
        self.inner.snapshot()
    }

    pub(crate) fn dir(&self) -> Option<&Path> {
        self.inner.dir.as_deref()
    }

    pub(crate) fn archive(&self) -> Option<(PathBuf, &Archive)> {
        Some((archive::folder(self.dir()?), self.inner.archive.as_ref()?))
    }

    pub(crate) fn log(&self) -> &dyn Log {
        &*self.inner.log
    }

    pub(crate) fn opened_in(&self) -> Duration {
        self.inner.opened_in
    }

    /// A copy of the live board.
    pub(crate) fn folded(&self) -> Folded {
        self.inner.live().clone()
    }

    /// Puts `folded`, which is as of the same record, in the place of the live board.
    pub(crate) fn exchange(&self, folded: Folded) {
        let mut writer = self.inner.lock_writer();
        let mut live = self.inner.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.board.head == folded.board.head {
            writer.draft = folded.board.clone();
            *live = folded;
        }
    }

    fn snapshot_aside(&self) {
        let inner = Arc::clone(&self.inner);
        let started = thread::Builder::new().name("ledger-snapshot".into()).spawn(move || {
            // Somebody else is at it: theirs is as good.
            let Ok(_turn) = inner.snapshots.try_lock() else { return };
            if let Err(error) = inner.snapshot() {
                tracing::warn!(%error, "no snapshot of the board was written");
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread for a snapshot of the board");
        }
    }
}

impl Inner {
    fn live(&self) -> RwLockReadGuard<'_, Folded> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        // A decision that panicked has left `astray` set, which is all the care that is needed.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, why: LedgerError) {
        *self.stopped.write().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    fn publish(&self, sealed: &[Sealed]) {
        let Some(last) = sealed.last() else { return };
        faults::pass("ledger.publish");
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        for sealed in sealed {
            live.board.apply(&sealed.record);
        }
        live.hash = last.hash;
        drop(live);
        self.newest.send_replace(last.record.seq);
        if let Some(archive) = &self.archive {
            archive.news();
        }
    }

    /// Takes in what the log has and the live board has not: a write that panicked between the two.
    fn catch_up(&self) -> Result<(), LedgerError> {
        loop {
            let next = self.live().board.head.next();
            if next > self.log.head() {
                return Ok(());
            }
            let sealed = self.log.read_sealed(next, 256)?;
            if sealed.is_empty() {
                return Ok(());
            }
            self.publish(&sealed);
        }
    }

    /// Returns Ok if a batch may be tried; called with the writer's lock held.
    fn make_writable(&self) -> Result<(), LedgerError> {
        let stopped = self.stopped.read().unwrap_or_else(PoisonError::into_inner).is_some();
        let tried = if stopped { self.try_again() } else { self.enough_space() };
        match tried {
            Ok(()) if stopped => {
                tracing::info!("the ledger takes writes again");
                *self.stopped.write().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(error) => {
                self.stop(error.clone());
                Err(error)
            }
        }
    }

    /// In this order: opening sled on a disk that is still full would take away the reading, too.
    fn try_again(&self) -> Result<(), LedgerError> {
        if let Some(dir) = &self.dir {
            disk::probe(dir)
                .map_err(|error| LedgerError::io(dir, "try whether writing works again", &error))?;
        }
        self.make_room()?;
        self.log.recover()
    }

    fn make_room(&self) -> Result<(), LedgerError> {
        let Some(dir) = &self.dir else { return self.enough_space() };
        let whole = disk::reserve(&dir.join("reserve"), self.limits.reserve)
            .map_err(|error| LedgerError::io(dir, "reserve space for bad times", &error))?;
        if whole { self.enough_space() } else { Err(LedgerError::Full { dir: dir.clone() }) }
    }

    fn enough_space(&self) -> Result<(), LedgerError> {
        if self.pretends_full.load(Ordering::Relaxed) {
            return Err(LedgerError::Full { dir: self.dir.clone().unwrap_or_else(|| "memory".into()) });
        }
        let Some(dir) = &self.dir else { return Ok(()) };
        let free =
            disk::free(dir).map_err(|error| LedgerError::io(dir, "ask how much space is left", &error))?;
        if free < self.limits.floor { Err(LedgerError::Full { dir: dir.clone() }) } else { Ok(()) }
    }

    fn snapshot(&self) -> Result<(), LedgerError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        // A copy, so that nobody waits for the disk.
        let folded = self.live().clone();
        snapshot::save(&snapshot_path(dir), &folded)
    }
}

pub(crate) fn snapshot_path(dir: &Path) -> PathBuf {
    dir.join("board.snap")
}

#[cfg(test)]
mod tests;
