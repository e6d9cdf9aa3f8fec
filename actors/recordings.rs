//! What is recorded of an agent's sessions: which there are, what they showed last, and at a time.
//!
//! How much is kept is bounded: two parts of 16 MiB for a session, and for each agent the newest recordings that
//! fit into [`KEPT`] together.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use config::TownPaths;
use ledger::Store;
use model::answer::Answer;
use model::preset::RecordingRow;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

/// How much of one agent is kept, in bytes.
const KEPT: u64 = 256 * 1024 * 1024;

/// How many sessions of one agent are kept at most.
const MOST: usize = 200;

/// A recording, with the part before its current one.
#[derive(Debug, Clone)]
struct Found {
    file: PathBuf,
    row: RecordingRow,
}

fn moment(at: SystemTime) -> Option<Timestamp> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::default().plus(since))
}

/// The recordings of `agent`, oldest first.
fn all(paths: &TownPaths, agent: &Address) -> Vec<Found> {
    let folder = paths.session_logs().join(agent.slug());
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<Found> = files
        .filter_map(|file| {
            let session = file.file_name()?.to_str()?.strip_suffix(".cast")?.to_owned();
            // A part before, which comes with its recording.
            if session.ends_with(".1") {
                return None;
            }
            let meta = fs::metadata(&file).ok()?;
            let earlier = pty::recording::previous_part(&file);
            let before = fs::metadata(&earlier).map_or(0, |meta| meta.len());
            let first = if before > 0 { &earlier } else { &file };
            let since = pty::replay::began(first).and_then(moment);
            let row = RecordingRow {
                session,
                file: file.display().to_string(),
                since,
                until: meta.modified().ok().and_then(moment),
                bytes: meta.len() + before,
            };
            Some(Found { file, row })
        })
        .collect();
    all.sort_by_key(|found| (found.row.since, found.row.session.clone()));
    all
}

/// Deletes the oldest recordings of `agent` that are too many. Blocks.
pub(crate) fn prune(paths: &TownPaths, agent: &Address) {
    let mut room = KEPT;
    for (n, found) in all(paths, agent).into_iter().rev().enumerate() {
        room = room.saturating_sub(found.row.bytes);
        if n >= MOST || (room == 0 && n > 0) {
            let _ = fs::remove_file(pty::recording::previous_part(&found.file));
            if let Err(error) = fs::remove_file(&found.file) {
                tracing::warn!(file = %found.file.display(), %error, "cannot delete an old recording");
            }
        }
    }
}

fn none(agent: &Address) -> Refusal {
    Refusal::no_such("recording", &agent.to_string(), []).hint("see `gastown agent list`")
}

fn unreadable(file: &Path, error: &std::io::Error) -> Refusal {
    Refusal::failed("cannot_read", format!("cannot read {}: {error}", file.display()))
}

fn screen(agent: Address, text: &str, lines: Option<usize>) -> Answer {
    let mut shown: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    while shown.last().is_some_and(String::is_empty) {
        shown.pop();
    }
    if let Some(lines) = lines {
        shown.drain(..shown.len().saturating_sub(lines));
    }
    Answer::Screen { agent, lines: shown, title: None }
}

/// Which recordings there are, or the last `lines` of one. Blocks.
///
/// # Errors
/// `no_such_agent`, `no_such_recording`, `cannot_read`.
pub fn log(
    store: &Store,
    paths: &TownPaths,
    agent: &str,
    session: Option<&str>,
    lines: usize,
    list: bool,
) -> Result<Answer, Refusal> {
    let agent = store.read(|board| clerk::names::address(board, agent))?;
    let all = all(paths, &agent);
    if list {
        return Ok(Answer::Recordings(all.into_iter().map(|found| found.row).collect()));
    }
    let names: Vec<&str> = all.iter().map(|found| found.row.session.as_str()).collect();
    let found = match session {
        Some(name) => all
            .iter()
            .rev()
            .find(|found| found.row.session.starts_with(name))
            .ok_or_else(|| Refusal::no_such("recording", name, names.iter().copied()))?,
        None => all.last().ok_or_else(|| none(&agent))?,
    };
    let text = pty::replay::tail(&found.file, lines).map_err(|error| unreadable(&found.file, &error))?;
    Ok(screen(agent.clone(), &text, Some(lines)))
}

/// What an agent's terminal showed at a time, with what had scrolled away when `lines` are wanted. Blocks.
///
/// # Errors
/// As [`log`].
pub fn at(
    store: &Store,
    paths: &TownPaths,
    agent: &str,
    lines: Option<usize>,
    at: Timestamp,
) -> Result<Answer, Refusal> {
    let agent = store.read(|board| clerk::names::address(board, agent))?;
    let all = all(paths, &agent);
    let found = all.iter().rev().find(|found| found.row.since.is_some_and(|since| since <= at));
    let Some(found) = found else {
        let first = all.first().and_then(|found| found.row.since);
        let refusal = none(&agent);
        return Err(match first {
            Some(first) => refusal.hint(format!("the first one begins at {first}")),
            None => refusal,
        });
    };
    let until = SystemTime::UNIX_EPOCH + at.since(Timestamp::default());
    let text = pty::replay::at(&found.file, lines.unwrap_or(0), until)
        .map_err(|error| unreadable(&found.file, &error))?;
    Ok(screen(agent.clone(), &text, lines))
}
