//! Finds what a session left behind, and kills it.
//!
//! A signal to the process group misses whatever made a session of its own (`setsid`, daemons, the
//! shells of build tools). But the environment is inherited, and every program of ours carries a
//! marker in it. A process that cleared its environment is found by its session, as long as it
//! stayed in it: that is done when its leader ends.
//!
//! Every victim is held by a pidfd before its environment is read, so a number that is used again
//! cannot bring the wrong one down. The own process and its ancestors are always spared.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable that holds a session's marker.
pub const SESSION_VARIABLE: &str = "GASTOWN_SESSION";

/// The variable that holds the town's path.
pub const TOWN_VARIABLE: &str = "GASTOWN_TOWN";

/// A process that forks while it is looked for is found in a later pass; nobody outruns this many.
const PASSES: usize = 50;

/// Kills every process whose environment holds `GASTOWN_SESSION=marker`. Returns how many.
///
/// An empty marker matches nothing.
pub fn by_marker(marker: &str) -> usize {
    if marker.is_empty() {
        return 0;
    }
    let wanted = format!("{SESSION_VARIABLE}={marker}");
    kill_all(|process| process.has(wanted.as_bytes()))
}

/// Kills every process of any session of the town at `town`, as after a crash of the runtime.
/// Returns how many.
///
/// A process counts if it holds both the town's path and some session's marker: what a person
/// started with only `GASTOWN_TOWN` set is left alone.
pub fn by_town(town: &Path) -> usize {
    let mut wanted = format!("{TOWN_VARIABLE}=").into_bytes();
    wanted.extend_from_slice(town.as_os_str().as_bytes());
    let session = format!("{SESSION_VARIABLE}=");
    kill_all(|process| {
        process.has(&wanted)
            && process
                .environment()
                .iter()
                .any(|entry| entry.len() > session.len() && entry.starts_with(session.as_bytes()))
    })
}

/// Kills every process of the kernel session `leader`, which must not have been waited for yet (its
/// number could be somebody else's). The leader itself is included. Returns how many.
pub(crate) fn by_session(leader: Pid) -> usize {
    kill_all(|process| process.session() == Some(leader.as_raw_nonzero().get()))
}

/// One process of `/proc`, read when asked.
struct Process {
    pid: i32,
    environment: std::cell::OnceCell<Vec<Vec<u8>>>,
}

impl Process {
    fn environment(&self) -> &[Vec<u8>] {
        // Unreadable means another user's, a kernel thread, or gone: none of ours.
        self.environment.get_or_init(|| {
            let bytes = std::fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
            bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
        })
    }

    fn has(&self, entry: &[u8]) -> bool {
        self.environment().iter().any(|held| held == entry)
    }

    fn session(&self) -> Option<i32> {
        stat(self.pid).filter(|stat| stat.state != b'Z').map(|stat| stat.session)
    }
}

fn kill_all(matches: impl Fn(&Process) -> bool) -> usize {
    let spared = ancestors();
    let mut killed = HashSet::new();
    for _ in 0..PASSES {
        let mut found = 0;
        for pid in pids() {
            if spared.contains(&pid) || killed.contains(&pid) {
                continue;
            }
            let Some(raw) = Pid::from_raw(pid) else { continue };
            let process = Process { pid, environment: std::cell::OnceCell::new() };
            // First a cheap look without a descriptor: nearly all processes are not meant.
            if !matches(&process) {
                continue;
            }
            let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { continue };
            let process = Process { pid, environment: std::cell::OnceCell::new() };
            if matches(&process) && pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
                killed.insert(pid);
                found += 1;
            }
        }
        if found == 0 {
            break;
        }
    }
    killed.len()
}

/// The numbers of all processes there are now.
pub(crate) fn pids() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The own process and its parents, up to the first.
fn ancestors() -> HashSet<i32> {
    let mut line = HashSet::new();
    let mut next = i32::try_from(std::process::id()).ok();
    while let Some(pid) = next {
        if pid <= 0 || !line.insert(pid) {
            break;
        }
        next = stat(pid).map(|stat| stat.parent);
    }
    line
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: u8,
    pub(crate) parent: i32,
    pub(crate) session: i32,
}

pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses `PID (NAME) STATE PPID PGRP SESSION …`; the name may hold spaces and parentheses.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    let after = line.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(line.get(after..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Stat { state, parent, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_fields() {
        let line = b"42 (a) b (c)) S 7 42 40 34816 42 4194304";
        assert_eq!(parse_stat(line), Some(Stat { state: b'S', parent: 7, session: 40 }));
        assert_eq!(parse_stat(b"42 (cut"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn the_own_line_of_parents_is_spared() {
        let line = ancestors();
        assert!(line.contains(&i32::try_from(std::process::id()).unwrap()));
        assert!(line.len() >= 2, "{line:?}");
    }

    #[test]
    fn an_empty_marker_sweeps_nothing() {
        assert_eq!(by_marker(""), 0);
    }
}
