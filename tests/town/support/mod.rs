//! The harness: a town in a temporary folder, agents made of shell, and waiting for what must come.
//!
//! - [`town`] a town, its runtime, and what can be asked of it
//! - [`agent`] agents that are foreign programs
//! - [`person`] somebody at a terminal
//! - [`repo`] repositories that rigs are made from
//!
//! Nothing here waits for a time, only for a condition, with an end that is far away. What a test
//! starts ends with it: by process id, and whatever still names the test's own folder.

pub(crate) mod agent;
pub(crate) mod person;
pub(crate) mod repo;
pub(crate) mod town;

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use town::{Place, Running, Town};

/// How long a condition may take to become true: long enough for the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `found` finds something, and returns it.
///
/// # Panics
/// When it does not within a minute: then `what` was not seen.
#[track_caller]
pub(crate) fn find<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < until, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    find(what, || condition().then_some(()));
}

/// Whether the process lives; one that is dead and not yet waited for does not.
pub(crate) fn lives(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The second field is the program's name in brackets, and may hold anything.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// Sends a signal to one process. One that has gone already is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// The living processes that have `folder` in their environment, with what they run.
///
/// Everything below a test has: its home is there.
pub(crate) fn processes_of(folder: &Path) -> Vec<(u32, String)> {
    let folder = folder.as_os_str().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ.windows(folder.len()).any(|piece| piece == folder) && lives(pid) {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&words).replace('\0', " ")));
        }
    }
    found
}
