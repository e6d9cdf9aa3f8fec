//! The log in memory, for tests: the same promises, and it breaks when told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::ids::Seq;

use crate::record::{self, GENESIS, Hash, Sealed};
use crate::{Entry, LedgerError, Log};

/// A [`Log`] that forgets everything with the process and can be made to fail.
#[derive(Debug, Default)]
pub struct MemoryLog {
    state: Mutex<State>,
    syncs: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Encoded, so that what cannot be encoded fails here as it does on disk.
    records: Vec<Vec<u8>>,
    prev: Option<Hash>,
    fail_appends: u32,
    disk_full: bool,
    stopped: Option<String>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next `n` appends fail; the log recovers after each when asked to.
    pub fn fail_appends(&self, n: u32) {
        self.lock().fail_appends = n;
    }

    /// Lets every append and every recovery fail as on a full disk, until called with `false`.
    pub fn fill_disk(&self, full: bool) {
        self.lock().disk_full = full;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full() -> LedgerError {
    LedgerError::Full { dir: "memory".into() }
}

impl Log for MemoryLog {
    fn head(&self) -> Seq {
        Seq(self.lock().records.len() as u64)
    }

    fn append(&self, entries: Vec<Entry>) -> Result<Vec<Sealed>, LedgerError> {
        let mut state = self.lock();
        if let Some(why) = &state.stopped {
            return Err(LedgerError::Stopped { why: why.clone() });
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        if state.disk_full || state.fail_appends > 0 {
            state.fail_appends = state.fail_appends.saturating_sub(1);
            state.stopped = Some(full().to_string());
            return Err(full());
        }
        let mut prev = state.prev.unwrap_or(GENESIS);
        let mut encoded = Vec::new();
        let mut sealed = Vec::new();
        for entry in entries {
            let record = entry.numbered(Seq((state.records.len() + encoded.len()) as u64 + 1));
            let bytes = record::encode(&record, &prev).map_err(unreadable)?;
            let hash = record::hash(&bytes);
            sealed.push(Sealed { record, prev, hash });
            prev = hash;
            encoded.push(bytes);
        }
        state.records.append(&mut encoded);
        state.prev = Some(prev);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(sealed)
    }

    fn read_raw(&self, from: Seq, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        let skip = usize::try_from(from.0.max(1) - 1).unwrap_or(usize::MAX);
        Ok(self.lock().records.iter().skip(skip).take(limit).cloned().collect())
    }

    fn read_sealed(&self, from: Seq, limit: usize) -> Result<Vec<Sealed>, LedgerError> {
        let rows = self.read_raw(from, limit)?;
        let rows = rows.iter().zip(from.0.max(1)..);
        rows.map(|(bytes, seq)| record::decode(Seq(seq), bytes).map_err(unreadable)).collect()
    }

    fn recover(&self) -> Result<(), LedgerError> {
        let mut state = self.lock();
        if state.disk_full {
            return Err(full());
        }
        state.stopped = None;
        Ok(())
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

fn unreadable(error: record::RecordError) -> LedgerError {
    LedgerError::Corrupt { dir: "memory".into(), what: error.to_string() }
}
