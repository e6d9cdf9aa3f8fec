//! How a long log opens quickly: a copy of the board, never the truth.
//!
//! `magic ++ CRC-32 of the rest ++ {fold, hash, board}`. A copy that is missing, broken, made by
//! other folding code, or not about this very log is left aside, and the whole log is folded again.

use std::fs;
use std::io;
use std::path::Path;

use model::ids::Seq;
use serde::{Deserialize, Serialize};

use crate::record::{self, GENESIS, Hash};
use crate::views::Board;
use crate::{LedgerError, Log, disk};

const MAGIC: &[u8; 8] = b"gtboard1";

/// The folding code; see `build.rs`.
const FOLD: &str = env!("LEDGER_FOLD");

/// How many records are held in memory at once while folding.
const CHUNK: usize = 512;

/// A board and the hash of the last record that it holds.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    pub(crate) board: Board,
    pub(crate) hash: Hash,
}

impl Default for Folded {
    fn default() -> Self {
        Self { board: Board::default(), hash: GENESIS }
    }
}

#[derive(Serialize)]
struct Outgoing<'a> {
    fold: &'a str,
    #[serde(serialize_with = "record::as_bytes")]
    hash: &'a Hash,
    board: &'a Board,
}

#[derive(Deserialize)]
struct Incoming {
    #[serde(deserialize_with = "record::from_bytes")]
    hash: Hash,
    board: Board,
}

#[derive(Deserialize)]
struct Stamp {
    fold: String,
}

/// Returns the board in bytes; equal boards give equal bytes.
pub(crate) fn bytes_of(board: &Board) -> Result<Vec<u8>, LedgerError> {
    rmp_serde::to_vec_named(board)
        .map_err(|error| LedgerError::Io { doing: "encode the board".into(), why: error.to_string() })
}

/// Writes `folded` to `path`, whole or not at all.
pub(crate) fn save(path: &Path, folded: &Folded) -> Result<(), LedgerError> {
    let body = rmp_serde::to_vec_named(&Outgoing { fold: FOLD, hash: &folded.hash, board: &folded.board })
        .map_err(|error| LedgerError::Io { doing: "encode the board".into(), why: error.to_string() })?;
    let mut bytes = Vec::with_capacity(body.len() + 12);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    faults::pass("ledger.snapshot");
    disk::replace(path, &bytes).map_err(|error| LedgerError::io(path, "write the board's snapshot", &error))
}

#[derive(Deserialize)]
struct Glance {
    fold: String,
    board: Place,
}

#[derive(Deserialize)]
struct Place {
    head: Seq,
}

/// Returns the record that the snapshot in `path` was taken at; none when there is none, or one of other
/// folding code.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn peek(path: &Path) -> Result<Option<Seq>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    };
    let body = body(&bytes).ok_or(BROKEN)?;
    match rmp_serde::from_slice::<Glance>(body) {
        Ok(Glance { fold, board }) => Ok((fold == FOLD).then_some(board.head)),
        Err(_) => Ok(None),
    }
}

const BROKEN: &str = "the snapshot of the board is broken";

fn unreadable(error: &io::Error) -> String {
    format!("the snapshot of the board cannot be read: {error}")
}

/// What stands behind the checksum, if that is right.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (crc, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    (crc32fast::hash(body) == u32::from_le_bytes(*crc)).then_some(body)
}

/// What came of looking for a snapshot.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing, or one of other folding code: no reason to worry.
    Nothing,
    /// One that goes with the log.
    Usable(Box<Folded>),
    /// One that cannot be trusted, or that the log cannot be trusted beside.
    Doubtful(String),
}

/// Returns the snapshot in `path`, if `log` agrees with it.
pub(crate) fn load(path: &Path, log: &dyn Log) -> Result<Found, LedgerError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Ok(Found::Doubtful(unreadable(&error))),
    };
    let broken = || Ok(Found::Doubtful(BROKEN.into()));
    let Some(body) = body(&bytes) else { return broken() };
    match rmp_serde::from_slice::<Stamp>(body) {
        Ok(stamp) if stamp.fold == FOLD => {}
        _ => return Ok(Found::Nothing),
    }
    let Ok(Incoming { hash, board }) = rmp_serde::from_slice(body) else { return broken() };
    if board.head > log.head() {
        return Ok(Found::Doubtful(format!(
            "records {} to {} were acknowledged once and are not in the log any more",
            log.head().next(),
            board.head
        )));
    }
    let theirs = log.read_sealed(board.head, 1)?.first().map_or(GENESIS, |sealed| sealed.hash);
    if board.head > Seq(0) && theirs != hash {
        return Ok(Found::Doubtful(format!("the snapshot of the board knows another record {}", board.head)));
    }
    Ok(Found::Usable(Box::new(Folded { board, hash })))
}

/// Applies what `log` holds after `folded`, up to and including `until`, and checks the chain; `dir` is
/// for the error's text.
pub(crate) fn fold(dir: &Path, log: &dyn Log, mut folded: Folded, until: Seq) -> Result<Folded, LedgerError> {
    let damaged = |what: String| LedgerError::Corrupt { dir: dir.to_owned(), what };
    while folded.board.head < until {
        let from = folded.board.head.next();
        let left = usize::try_from(until.0 - folded.board.head.0).unwrap_or(usize::MAX);
        let chunk = log.read_sealed(from, left.min(CHUNK))?;
        if chunk.is_empty() {
            return Err(damaged(format!("record {from} is missing")));
        }
        for sealed in chunk {
            if sealed.prev != folded.hash {
                return Err(damaged(format!(
                    "record {} does not continue its predecessor",
                    sealed.record.seq
                )));
            }
            folded.board.apply(&sealed.record);
            folded.hash = sealed.hash;
        }
    }
    Ok(folded)
}
