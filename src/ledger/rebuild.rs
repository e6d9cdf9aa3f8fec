//! A sled that does not open, made anew from what stands beside it.
//!
//! Sled writes over old pages and moves others before anything of that is safe, so what a power cut leaves of
//! its file may be of no use. The archive and the journal are written so that nothing in them is ever written
//! over before it is safe elsewhere, and the journal forgets only what the archive has. Together they hold all
//! that was acknowledged, in one chain; where they do not, nothing is done, and it is for `ledger repair`.
//!
//! ```text
//!   sled.anew     being made; worth nothing
//!   sled.rebuilt  whole, about to take the place of `sled`
//!   sled.damaged  what did not open, kept until the next time
//! ```

use std::fs;
use std::io;
use std::path::Path;

use model::ids::Seq;

use crate::files::remove_all;
use crate::record::GENESIS;
use crate::{LedgerError, SledLog, archive, disk, journal};

/// Makes the log in `dir` anew from its journal and the archive; returns its newest record, or why the
/// two are not whole.
pub(crate) fn rebuild(dir: &Path, cache: u64, archive: &Path) -> Result<Result<Seq, String>, LedgerError> {
    let io = |error: io::Error| LedgerError::io(dir, "make the log anew from its archive", &error);
    if !journal::is_whole(dir) {
        return Ok(Err("there is no whole journal".to_owned()));
    }
    let mut rows = archive::rows_after(archive, Seq(0), GENESIS).map_err(io)?;
    let archived = rows.last().map_or(Seq(0), journal::Row::last);
    rows.extend(journal::read(dir).map_err(io)?);
    // What both have is the archive's; a row of the journal before its end may have lost its neighbours.
    rows.sort_by_key(|row| row.first);
    if rows.is_empty() {
        return Ok(Err("archive and journal are empty".to_owned()));
    }
    let fresh = dir.with_extension("anew");
    remove_all(&fresh).map_err(io)?;
    let head = match SledLog::fill(&fresh, cache, rows) {
        Err(LedgerError::Corrupt { what, .. }) => {
            remove_all(&fresh).map_err(io)?;
            return Ok(Err(format!("the archive ends with record {archived}, and in the journal {what}")));
        }
        other => other?,
    };
    for name in journal::NAMES {
        match fs::read(dir.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => disk::replace(&fresh.join(name), &other.map_err(io)?).map_err(io)?,
        }
    }
    faults::point("ledger.anew").map_err(io)?;
    fs::rename(&fresh, dir.with_extension("rebuilt")).map_err(io)?;
    dir.parent().map_or(Ok(()), disk::sync_dir).map_err(io)?;
    finish(dir).map_err(io)?;
    Ok(Ok(head))
}

/// Lets a log that was made anew take the place of `dir`, if there is one.
pub(crate) fn finish(dir: &Path) -> io::Result<()> {
    let rebuilt = dir.with_extension("rebuilt");
    if !rebuilt.is_dir() {
        return Ok(());
    }
    if dir.is_dir() {
        let damaged = dir.with_extension("damaged");
        remove_all(&damaged)?;
        fs::rename(dir, damaged)?;
        faults::point("ledger.anew.aside")?;
    }
    fs::rename(rebuilt, dir)?;
    dir.parent().map_or(Ok(()), disk::sync_dir)
}
