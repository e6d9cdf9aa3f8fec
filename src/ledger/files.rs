//! Sled's files: opened with care, and made durable.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::{LedgerError, disk};

/// Sled, open, and its data file for the sync that sled leaves out.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) db: sled::Db,
    data: Arc<File>,
}

impl Files {
    /// Opens sled in `dir`, or starts one there; `cache` is in bytes.
    pub(crate) fn open(dir: &Path, cache: u64) -> Result<Self, LedgerError> {
        open_files(dir, cache)
    }

    /// Puts `batch` into memory, all of it or nothing.
    pub(crate) fn apply(&self, dir: &Path, batch: sled::Batch) -> Result<(), LedgerError> {
        let io = |error| LedgerError::io(dir, DOING, &error);
        faults::point("ledger.sled.apply").map_err(io)?;
        guarded(dir, DOING, || self.db.apply_batch(batch))?;
        faults::point("ledger.sled.applied").map_err(io)
    }

    /// Returns when all that was applied would survive a power cut.
    pub(crate) fn settle(&self, dir: &Path) -> Result<(), LedgerError> {
        let io = |error| LedgerError::io(dir, DOING, &error);
        faults::point("ledger.sled.flush").map_err(io)?;
        guarded(dir, DOING, || self.db.flush())?;
        faults::point("ledger.sled.sync").map_err(io)?;
        self.data.sync_data().map_err(io)?;
        faults::point("ledger.sled.synced").map_err(io)
    }
}

const DOING: &str = "append to the ledger";

/// Runs something of sled's, whose panics are errors.
pub(crate) fn guarded<T>(
    dir: &Path,
    doing: &str,
    run: impl FnOnce() -> sled::Result<T>,
) -> Result<T, LedgerError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(from_sled(dir, doing, &error)),
        Err(panic) => Err(LedgerError::Corrupt {
            dir: dir.to_owned(),
            what: format!("the store panicked: {}", said(&*panic)),
        }),
    }
}

fn open_files(dir: &Path, cache: u64) -> Result<Files, LedgerError> {
    let making = |error: io::Error| LedgerError::io(dir, "make the ledger's folder", &error);
    if is_vacant(dir).map_err(making)? {
        make_files(dir, cache)?;
    }
    faults::point("ledger.open").map_err(making)?;
    remove_leftovers(dir).map_err(|error| LedgerError::io(dir, "tidy the ledger's folder", &error))?;
    let db = open_sled(dir, cache)?;
    faults::point("ledger.sled.opened").map_err(making)?;
    let data = sync_names(dir).map_err(|error| LedgerError::io(dir, "sync the ledger's folder", &error))?;
    Ok(Files { db, data: data.into() })
}

/// Whether nobody has made a log in `dir` yet.
fn is_vacant(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        other => Ok(other?.next().is_none()),
    }
}

/// Makes an empty log in `dir`, whole or not at all: half of one would count as damaged for ever.
fn make_files(dir: &Path, cache: u64) -> Result<(), LedgerError> {
    let io = |error: io::Error| LedgerError::io(dir, "make the ledger's folder", &error);
    let fresh = dir.with_extension("making");
    remove_all(&fresh).map_err(io)?;
    fs::create_dir_all(&fresh).map_err(io)?;
    drop(open_sled(&fresh, cache)?);
    sync_names(&fresh).map_err(io)?;
    faults::point("ledger.made").map_err(io)?;
    fs::rename(&fresh, dir).map_err(io)
}

/// Removes a folder and all in it, if it is there.
pub(crate) fn remove_all(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names of the files in `dir`, and its own, as durable as what will be in them, and returns
/// the data file. At each opening, since whoever made them may have been killed before it came to this.
fn sync_names(dir: &Path) -> io::Result<File> {
    let data = File::open(dir.join("db"))?;
    File::open(dir.join("conf"))?.sync_all()?;
    data.sync_all()?;
    disk::sync_dir(dir)?;
    dir.parent().map_or(Ok(()), disk::sync_dir)?;
    Ok(data)
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

pub(crate) fn from_sled(dir: &Path, doing: &str, error: &sled::Error) -> LedgerError {
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
