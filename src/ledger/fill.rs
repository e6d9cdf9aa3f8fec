//! An empty ledger filled from lines of JSON: the other end of `ledger export`.
//!
//! The same numbers, times, actors and events make the same records, so the board that is folded from them is
//! the same to the byte. All of it or nothing: the new ledger is made in a folder beside the old one, and
//! takes its place when the last line is in it.

use std::fs;
use std::io::{self, BufRead};
use std::path::Path;

use model::event::Record;
use model::ids::Seq;
use model::ledger::Filled;
use serde_json::Value;

use crate::record::GENESIS;
use crate::store::Limits;
use crate::{Entry, LedgerError, Log, SledLog, disk};

/// Records that are written at once.
const CHUNK: usize = 512;

/// Why a ledger could not be filled. It is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// It holds records: this is the newest.
    #[error("the ledger is not empty")]
    NotEmpty(Seq),
    /// A line is not the record that was due there.
    #[error("line {line}: {why}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The lines could not be read.
    #[error("the lines cannot be read")]
    Read(#[source] io::Error),
    /// The new ledger could not be made.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Fills the ledger in the folder `dir`, which is to be empty or not there, with the records of `lines`.
///
/// Nobody else may have it open, or open it meanwhile.
///
/// # Errors
/// When it is not empty, a line is wrong or a number is missing; then nothing has changed.
pub fn fill(dir: &Path, lines: &mut dyn BufRead) -> Result<Filled, FillError> {
    let io = |doing: &str, error: &io::Error| LedgerError::io(dir, doing, error);
    if dir.join("sled").exists() {
        let head = SledLog::open(&dir.join("sled"), 1 << 20)?.head();
        if head > Seq(0) {
            return Err(FillError::NotEmpty(head));
        }
    }
    let fresh = dir.with_extension("import");
    remove(&fresh).map_err(|error| io("remove what an earlier import has left", &error))?;
    let filled = fs::create_dir_all(&fresh)
        .map_err(|error| FillError::from(io("make a folder for the new ledger", &error)))
        .and_then(|()| write(&fresh, lines));
    let filled = match filled {
        Ok(filled) => filled,
        Err(error) => {
            let _ = remove(&fresh);
            return Err(error);
        }
    };
    let empty = dir.with_extension("empty");
    let swapped = remove(&empty)
        .and_then(|()| if dir.exists() { fs::rename(dir, &empty) } else { Ok(()) })
        .and_then(|()| fs::rename(&fresh, dir))
        .and_then(|()| dir.parent().map_or(Ok(()), disk::sync_dir));
    swapped.map_err(|error| io("put the new ledger in its place", &error))?;
    let _ = remove(&empty);
    Ok(filled)
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn write(dir: &Path, lines: &mut dyn BufRead) -> Result<Filled, FillError> {
    let log = SledLog::open(&dir.join("sled"), Limits::default().cache)?;
    let mut entries = Vec::with_capacity(CHUNK);
    let mut hash = GENESIS;
    let mut due = Seq(1);
    let mut append = |entries: &mut Vec<Entry>| -> Result<(), FillError> {
        if let Some(last) = log.append(std::mem::take(entries))?.last() {
            hash = last.hash;
        }
        Ok(())
    };
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        if lines.read_line(&mut text).map_err(FillError::Read)? == 0 {
            break;
        }
        let wrong = |why: String| FillError::Line { line, why };
        let text = if line == 1 { text.trim_start_matches('\u{feff}') } else { &text };
        if text.trim().is_empty() {
            continue;
        }
        let record = read(text).map_err(wrong)?;
        if record.seq != due {
            return Err(wrong(format!("record {due} is due here, not record {}", record.seq)));
        }
        due = due.next();
        entries.push(Entry { at: record.at, actor: record.actor, event: record.event });
        if entries.len() == CHUNK {
            append(&mut entries)?;
        }
    }
    append(&mut entries)?;
    let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Filled { records: log.head().0, head: log.head(), hash })
}

/// Reads a record, and sees to it that nothing of the line is lost on the way.
fn read(line: &str) -> Result<Record, String> {
    let said: Value = serde_json::from_str(line).map_err(|error| format!("it is not JSON: {error}"))?;
    let record: Record =
        serde_json::from_str(line).map_err(|error| format!("it is no record of this program: {error}"))?;
    let kept = serde_json::to_value(&record).map_err(|error| error.to_string())?;
    match lost(&said, &kept, "") {
        Some(place) => Err(format!("this program has no place for {place}; use the newer one that wrote it")),
        None => Ok(record),
    }
}

/// The first key of `said` that `kept` does not have the same value for; keys more in `kept` are defaults.
fn lost(said: &Value, kept: &Value, place: &str) -> Option<String> {
    match (said, kept) {
        (Value::Object(said), Value::Object(kept)) => said.iter().find_map(|(key, value)| {
            let place = format!("{place}{}{key}", if place.is_empty() { "" } else { "." });
            match kept.get(key) {
                Some(kept) => lost(value, kept, &place),
                // Left out where it says nothing.
                None => (!value.is_null()).then_some(place),
            }
        }),
        (Value::Array(said), Value::Array(kept)) if said.len() == kept.len() => {
            said.iter().zip(kept).find_map(|(said, kept)| lost(said, kept, place))
        }
        (said, kept) => (said != kept).then(|| place.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::testing::{bead, entry, limits, rich_bead};
    use model::event::Event;
    use model::role::Address;
    use model::time::Timestamp;

    fn lines(store: &Store) -> String {
        let records = store.events(Seq(1), 10_000).unwrap();
        records.iter().map(|record| serde_json::to_value(record).unwrap().to_string() + "\n").collect()
    }

    fn filled(dir: &Path) -> String {
        let store = Store::open(dir, limits()).unwrap();
        for n in 0..700 {
            let event = match n % 7 {
                0 => Event::BeadCreated { bead: std::sync::Arc::new(rich_bead()) },
                1 => Event::BeadImported { bead: std::sync::Arc::new(bead(&format!("web-{n}"))) },
                _ => entry(n).event,
            };
            let at = Timestamp::from_millis(1_767_225_600_000 + n as i64);
            store.write_one(at, |_, _| Ok((vec![(Address::Mayor, event)], ()))).unwrap();
        }
        store.close().unwrap();
        lines(&store)
    }

    #[test]
    fn an_export_makes_the_same_ledger_and_the_same_export() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let text = filled(&one.path().join("ledger"));
        let dir = two.path().join("ledger");
        let done = fill(&dir, &mut text.as_bytes()).unwrap();
        assert_eq!((done.records, done.head), (700, Seq(700)));
        let (a, b) = (
            Store::open(&one.path().join("ledger"), limits()).unwrap(),
            Store::open(&dir, limits()).unwrap(),
        );
        assert!(b.check().sound);
        assert_eq!(a.check().hash, b.check().hash);
        assert_eq!(done.hash, b.check().hash);
        assert_eq!(
            crate::snapshot::bytes_of(&a.folded().board).unwrap(),
            crate::snapshot::bytes_of(&b.folded().board).unwrap()
        );
        assert_eq!(lines(&b), text);
        drop(b);
        assert!(matches!(fill(&dir, &mut text.as_bytes()), Err(FillError::NotEmpty(Seq(700)))));
        assert_eq!(fs::read_dir(two.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_nothing_is_imported() {
        let one = tempfile::tempdir().unwrap();
        let text = filled(&one.path().join("ledger"));
        let all: Vec<&str> = text.lines().collect();
        let with = |n: usize, line: &str| {
            let mut lines = all.clone();
            lines[n - 1] = line;
            lines.join("\n")
        };
        let unknown = all[4].replacen('{', "{\"mood\":1,", 1);
        let deep = all[4].replacen("\"tried\"", "\"mood\":1,\"tried\"", 1);
        for (text, line, word) in [
            (with(600, "{"), 600, "not JSON"),
            (with(600, all[600]), 600, "record 600 is due here, not record 601"),
            (all[1..].join("\n"), 1, "record 1 is due here"),
            (with(5, &unknown), 5, "no place for mood"),
            (with(5, &deep), 5, "no place for data.mood"),
            (with(5, &all[4].replacen("policy.denied", "policy.sung", 1)), 5, "no record of this program"),
        ] {
            let two = tempfile::tempdir().unwrap();
            let dir = two.path().join("ledger");
            let said = fill(&dir, &mut text.as_bytes()).unwrap_err();
            let FillError::Line { line: at, why } = &said else { panic!("{said:?}") };
            assert_eq!(*at, line, "{why}");
            assert!(why.contains(word), "{why}");
            assert_eq!(fs::read_dir(two.path()).unwrap().count(), 0);
        }
    }
}
