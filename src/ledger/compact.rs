//! Old records leave the log's own store, which holds them a second time and does not shrink by itself.
//!
//! ```text
//!   sled/      records 1 to 100,000                       sled/      the base, 90,000; records 90,001 to 100,000
//!   archive/   records 1 to 100,000 (the second copy)     archive/   records 1 to 100,000
//! ```
//!
//! In this order: the archive is brought up to the newest record; every record of it is compared with the
//! log's, and the chain followed; the board's snapshot is written and compared with a fold from record 1;
//! a new store with the newest records is made beside the old one and made durable; the two exchange their
//! names in one step; the old one is removed. Until the exchange everything is as it was, after it everything
//! is there, so a kill at any point leaves one whole ledger. What was being made is cleared away at the next
//! opening.
//!
//! From then on records up to the base are read from the archive (see `past`), by everybody in the same way.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use model::ids::Seq;
use model::ledger::Compacted;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::archive::Writer;
use crate::past::Base;
use crate::snapshot::{self, Found};
use crate::store::{Limits, Store, snapshot_path};
use crate::{LedgerError, Log as _, SledLog, archive, check, disk};

/// How many of the newest records stay in the store unless something else is asked for.
pub const KEEP: u64 = 10_000;

/// Records written at once.
const BATCH: u64 = 512;

/// The new store while it is made, and the old one until it is removed.
const ASIDE: &str = "sled.new";
/// The old store between two renames, where names cannot be exchanged in one step.
const BEFORE: &str = "sled.old";

/// Lets the store of the ledger in `dir` keep the newest `keep` records, and leaves the others to the archive.
///
/// The caller has the town's lock; the ledger is not open. Nothing is changed when there is little to gain.
///
/// # Errors
/// When anything of the ledger is not as it should be: then nothing is dropped. What the disk says.
pub fn compact(dir: &Path, keep: u64) -> Result<Compacted, LedgerError> {
    let started = Instant::now();
    let io = |doing: &str, error: io::Error| LedgerError::io(dir, doing, &error);
    let limits = Limits::default();
    let bytes_before = size(dir);

    // Opened as ever: what a crash has left is put right, and the snapshot written and looked at.
    let store = Store::open(dir, limits)?;
    if let Some(error) = store.read_only() {
        return Err(error);
    }
    let checked = store.check();
    if let Some(finding) = checked.findings.first() {
        let what = format!("{}: {}; nothing was dropped", finding.place, finding.what);
        return Err(LedgerError::Corrupt { dir: dir.to_owned(), what });
    }
    store.close()?;
    let live = store.folded();
    let head = live.board.head;
    let reply = |base: Seq, dropped: u64| Compacted {
        base,
        dropped,
        head,
        hash: checked.hash.clone(),
        bytes_before,
        bytes: size(dir),
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    match snapshot::load(&snapshot_path(dir), store.log())? {
        Found::Usable(saved)
            if saved.hash == live.hash
                && snapshot::bytes_of(&saved.board)? == snapshot::bytes_of(&live.board)? => {}
        _ => {
            let what =
                "the board's snapshot is not what was written just now; nothing was dropped".to_owned();
            return Err(LedgerError::Corrupt { dir: dir.to_owned(), what });
        }
    }
    let before = store.log().base();
    // The newest one stays in any case, so that the next opening needs nothing of the archive.
    let base = Seq(head.0.saturating_sub(keep.max(1)));
    if base <= before {
        return Ok(reply(before, 0));
    }
    drop(store);

    let log = SledLog::open(&dir.join("sled"), limits.cache)?;
    let folder = archive::folder(dir);
    let hash = log.read_sealed(base, 1)?.first().map(|sealed| sealed.hash);
    let hash = hash.ok_or_else(|| LedgerError::Corrupt {
        dir: dir.to_owned(),
        what: format!("record {base} is missing"),
    })?;
    let (mut writer, _) =
        Writer::resume(&folder, &log, archive::SEGMENT).map_err(|error| io("continue the archive", error))?;
    writer.catch_up(&log, u64::MAX, || true).map_err(|error| io("bring the archive up to date", error))?;
    writer.finish().map_err(|error| io("bring the archive up to date", error))?;
    archive::split(&folder, base).map_err(|error| io("divide the archive", error))?;
    let (newest, wrong) = archive::verify(&folder, &log);
    if let Some(finding) = wrong.first() {
        let what = format!("{}: {}; nothing was dropped", finding.place, finding.what);
        return Err(LedgerError::Corrupt { dir: dir.to_owned(), what });
    }
    if newest != head || log.head() != head {
        let what =
            format!("the archive ends with record {newest} and the log with {head}; nothing was dropped");
        return Err(LedgerError::Corrupt { dir: dir.to_owned(), what });
    }

    let fresh = dir.join(ASIDE);
    let made = fill(&log, &fresh, Base { seq: base, hash });
    drop(log);
    if let Err(error) = made {
        let _ = fs::remove_dir_all(&fresh);
        return Err(error);
    }
    exchange(dir).map_err(|error| io("put the new store in the place of the old one", error))?;
    tidy(dir)?;
    Ok(reply(base, base.0 - before.0))
}

/// Makes the new store: the base, and all records after it.
fn fill(log: &SledLog, fresh: &Path, base: Base) -> Result<(), LedgerError> {
    let cache = Limits::default().cache;
    SledLog::begin_after(fresh, cache, base)?;
    let new = SledLog::open(fresh, cache)?;
    let damaged = |what: String| LedgerError::Corrupt { dir: fresh.to_owned(), what };
    let mut next = base.seq.next();
    while next <= log.head() {
        let rows = check::rows(log, next, BATCH).map_err(damaged)?;
        let last = Seq(next.0 + rows.len() as u64 - 1);
        let hash = rows.last().map(|bytes| crate::record::hash(bytes));
        let hash = hash.ok_or_else(|| damaged(format!("record {next} is missing")))?;
        new.append_raw(&rows, hash)?;
        next = last.next();
    }
    new.settle()?;
    // Opened once more, as the next runtime will: it has to say what the old one says.
    drop(new);
    let new = SledLog::open(fresh, cache)?;
    let mut next = base.seq.next();
    while next <= log.head() {
        let ours = check::rows(&new, next, BATCH).map_err(damaged)?;
        if ours.is_empty() || check::rows(log, next, BATCH).map_err(damaged)? != ours {
            return Err(damaged(format!("what follows record {next} is not what was written")));
        }
        next = Seq(next.0 + ours.len() as u64);
    }
    Ok(())
}

/// Exchanges the names of the old store and the new one.
fn exchange(dir: &Path) -> io::Result<()> {
    let (old, new, before) = (dir.join("sled"), dir.join(ASIDE), dir.join(BEFORE));
    match renameat_with(CWD, &old, CWD, &new, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::rename(&old, &before)?;
            fs::rename(&new, &old)?;
        }
        Err(error) => return Err(error.into()),
    }
    disk::sync_dir(dir)
}

/// Puts right what a compaction that was cut short has left in the ledger in `dir`.
pub(crate) fn tidy(dir: &Path) -> Result<(), LedgerError> {
    let doing = "clear away an old store";
    let io = |error: io::Error| LedgerError::io(dir, doing, &error);
    let (store, before) = (dir.join("sled"), dir.join(BEFORE));
    if before.exists() && !store.exists() {
        fs::rename(&before, &store).and_then(|()| disk::sync_dir(dir)).map_err(io)?;
    }
    for left in [before, dir.join(ASIDE)] {
        // One that is there beside a whole store is either not finished or not needed any more.
        if store.exists() && left.exists() {
            fs::remove_dir_all(left).map_err(io)?;
        }
    }
    Ok(())
}

fn size(path: &Path) -> u64 {
    check::size(path).unwrap_or_default()
}

#[cfg(test)]
mod tests;
