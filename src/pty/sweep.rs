//! Finds what a session left behind, and kills it; finds all that a town runs, and stops it.
//!
//! A signal to the process group misses whatever made a session of its own (`setsid`, daemons, the
//! shells of build tools). But the environment is inherited, and every program of ours carries a
//! marker in it. A process that cleared its environment, or lets nobody read it, is found by the
//! [`mark`]; where there is none, by its kernel session, as long as it stayed in it: that is done when
//! its leader ends.
//!
//! Every victim is held by a pidfd before it is looked at for good, so a number that is used again
//! cannot bring the wrong one down. The own process and its ancestors are always spared.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::mark::{self, Bearing, Mark};

/// The variable that holds a session's marker.
pub const SESSION_VARIABLE: &str = "GASTOWN_SESSION";

/// The variable that holds the town's path.
pub const TOWN_VARIABLE: &str = "GASTOWN_TOWN";

/// A process that forks while it is looked for is found in a later pass; nobody outruns this many.
const PASSES: usize = 50;

/// How long git and gates of an earlier runtime may take to end when they are asked to: a git that is
/// killed leaves its locks behind.
const ASKED: Duration = Duration::from_secs(2);

/// How often that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Kills every process of the session `marker`: by its environment, or by the mark of this runtime.
/// Returns how many.
///
/// An empty marker matches nothing.
pub fn by_marker(marker: &str) -> usize {
    if marker.is_empty() {
        return 0;
    }
    let wanted = format!("{SESSION_VARIABLE}={marker}");
    let bearing = Mark::own().map(|mark| {
        let session = Some(mark::session_of(marker.as_bytes()));
        Bearing { mark, session }
    });
    kill_all(|process| {
        process.has(wanted.as_bytes()) || (bearing.is_some() && process.bearing() == bearing.as_ref())
    })
}

/// Kills every process of any session of the town at `town`, as after a crash of the runtime, and ends
/// the git programs and gates that an earlier runtime had started. Returns how many.
///
/// A process counts if it bears the town's mark, or if its environment holds both the town's path and
/// some session's marker: what a person started with only `GASTOWN_TOWN` set is left alone.
pub fn by_town(town: &Path) -> usize {
    let sessions = kill_all(of_any_session(town));
    let own = Mark::own();
    let left = |process: &Process| {
        process.bearing().is_some_and(|bearing| {
            bearing.session.is_none() && bearing.mark.is_of(town) && Some(bearing.mark) != own
        })
    };
    sessions + ask_and_kill(left)
}

/// Whether a process is of any session of the town at `town`.
fn of_any_session(town: &Path) -> impl Fn(&Process) -> bool + use<'_> {
    let mut wanted = format!("{TOWN_VARIABLE}=").into_bytes();
    wanted.extend_from_slice(town.as_os_str().as_bytes());
    let session = format!("{SESSION_VARIABLE}=");
    move |process| {
        process.bearing().is_some_and(|bearing| bearing.session.is_some() && bearing.mark.is_of(town))
            || (process.has(&wanted)
                && process
                    .environment()
                    .iter()
                    .any(|entry| entry.len() > session.len() && entry.starts_with(session.as_bytes())))
    }
}

/// Processes that slept when all others were stopped, each with the time of its start: they were put to
/// sleep by somebody else, and are not woken by us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asleep(HashSet<(i32, u64)>);

/// Stops (SIGSTOP) every process of any session of the town at `town`, until a look finds none that runs.
pub(crate) fn halt(town: &Path) -> Asleep {
    let matches = of_any_session(town);
    let mut asleep = HashSet::new();
    let mut stopped = HashSet::new();
    signal_all(&matches, &mut stopped, |pid| {
        let found = stat(pid)?;
        // The group of a session's leader has been stopped by its terminal already.
        if found.state == b'T' && found.group != found.session {
            asleep.insert((pid, found.started));
        }
        Some(Signal::STOP)
    });
    Asleep(asleep)
}

/// Lets every process of any session of the town at `town` go on (SIGCONT), but for those that slept
/// before.
///
/// Also those that do not look stopped: one that waits in the kernel for a child which was stopped stops
/// only when that goes on, unless it is told otherwise by then.
pub(crate) fn go_on(town: &Path, asleep: &Asleep) {
    let matches = of_any_session(town);
    signal_all(&matches, &mut HashSet::new(), |pid| {
        let found = stat(pid)?;
        (!asleep.0.contains(&(pid, found.started))).then_some(Signal::CONT)
    });
}

/// Ends everything that bears `mark`, this process excepted, until nothing is left of it, for as long as
/// `patience` at most. Returns how many processes were found.
///
/// What belongs to a session is killed at once. The others, git above all, are asked first.
pub(crate) fn by_mark(mark: Mark, patience: Duration) -> usize {
    let began = Instant::now();
    let mut met = HashSet::new();
    let mut quiet = 0;
    // Three looks, as a process may start another one between two names in a listing.
    while quiet < 3 && began.elapsed() < patience {
        let is_asked = began.elapsed() < ASKED;
        let mut found = 0;
        let mut looked = HashSet::new();
        let ours = |process: &Process| process.bearing().is_some_and(|bearing| bearing.mark == mark);
        signal_all(&ours, &mut looked, |pid| {
            found += 1;
            let first = met.insert(pid);
            let session = mark::on(pid)?.session;
            match (session, is_asked) {
                (None, true) => first.then_some(Signal::TERM),
                _ => Some(Signal::KILL),
            }
        });
        quiet = if found == 0 { quiet + 1 } else { 0 };
        std::thread::sleep(LOOK_AGAIN);
    }
    met.len()
}

/// Asks what matches to end, and kills what has not in time. Returns how many there were.
fn ask_and_kill(matches: impl Fn(&Process) -> bool) -> usize {
    let mut asked = HashSet::new();
    signal_all(&matches, &mut asked, |_| Some(Signal::TERM));
    if asked.is_empty() {
        return 0;
    }
    let until = Instant::now() + ASKED;
    while Instant::now() < until {
        let mut left = 0;
        signal_all(&matches, &mut HashSet::new(), |_| {
            left += 1;
            None
        });
        if left == 0 {
            return asked.len();
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    kill_all(matches);
    asked.len()
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
    bearing: std::cell::OnceCell<Option<Bearing>>,
}

impl Process {
    fn new(pid: i32) -> Self {
        Process { pid, environment: std::cell::OnceCell::new(), bearing: std::cell::OnceCell::new() }
    }

    fn bearing(&self) -> Option<&Bearing> {
        self.bearing.get_or_init(|| mark::on(self.pid)).as_ref()
    }

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
    let mut killed = HashSet::new();
    signal_all(&matches, &mut killed, |_| Some(Signal::KILL));
    killed.len()
}

/// Signals every living process that matches, once, until a look finds no further one. `signal` chooses
/// for each; `met` are those that were met already, and gets the new ones.
fn signal_all(
    matches: &impl Fn(&Process) -> bool,
    met: &mut HashSet<i32>,
    mut signal: impl FnMut(i32) -> Option<Signal>,
) {
    let spared = ancestors();
    for _ in 0..PASSES {
        let mut found = 0;
        for pid in pids() {
            if spared.contains(&pid) || met.contains(&pid) {
                continue;
            }
            let Some(raw) = Pid::from_raw(pid) else { continue };
            // First a cheap look without a descriptor: nearly all processes are not meant.
            if !matches(&Process::new(pid)) {
                continue;
            }
            let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { continue };
            let lives = stat(pid).is_some_and(|stat| !matches!(stat.state, b'Z' | b'X'));
            if !lives || !matches(&Process::new(pid)) {
                continue;
            }
            let sent = signal(pid).is_none_or(|signal| pidfd_send_signal(&pidfd, signal).is_ok());
            if sent {
                met.insert(pid);
                found += 1;
            }
        }
        if found == 0 {
            break;
        }
    }
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
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// When it was started, in ticks since the machine was.
    pub(crate) started: u64,
}

pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses `PID (NAME) STATE PPID PGRP SESSION … STARTTIME …`; the name may hold spaces and parentheses.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    let after = line.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(line.get(after..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    // The session is the sixth field of the line, the start the twenty-second.
    let started = fields.nth(15)?.parse().ok()?;
    Some(Stat { state, parent, group, session, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_fields() {
        let line = b"42 (a) b (c)) S 7 41 40 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 9876 111 22";
        let stat = Stat { state: b'S', parent: 7, group: 41, session: 40, started: 9876 };
        assert_eq!(parse_stat(line), Some(stat));
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
