//! What a program and all that it has started are doing, seen from outside: one look at `/proc`.
//!
//! A look is for deciding whether a program that prints nothing is at work nevertheless. It is taken when
//! that is asked and never by a clock of its own. Two looks make a [`Change`]: the processor time that went
//! by, what was read and written, who has come and gone.
//!
//! Whom a look counts: the program itself, all below it by parentage or in its kernel session, and orphans
//! of it, which carry its marker in their environment. The processor time of those that have ended is in
//! their parent's account, so that a thousand short commands are seen as well as a long one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sweep::SESSION_VARIABLE;

/// What a look has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Processor time of the program itself.
    pub own: Duration,
    /// Processor time of all that it has started, those that have ended included.
    pub others: Duration,
    /// Bytes that those who live below it have read and written, as far as the kernel tells.
    pub io: u64,
    /// Who lives below it: numbers, each with the time of its start, since numbers are used again.
    pub family: BTreeSet<(i32, u64)>,
    /// Whether the program itself is stopped (SIGSTOP, SIGTSTP, a debugger).
    pub stopped: bool,
    /// The program's working directory, as far as the kernel tells.
    pub cwd: Option<PathBuf>,
    /// The working directories of those below it, each once.
    pub places: BTreeSet<PathBuf>,
}

/// What has changed between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Processor time that the program itself has used.
    pub own: Duration,
    /// Processor time that all below it have used.
    pub others: Duration,
    /// Whether those below it have read or written something.
    pub io: bool,
    /// Whether somebody below it has come or gone.
    pub family: bool,
}

impl Look {
    /// What has changed since `earlier`.
    pub fn since(&self, earlier: &Look) -> Change {
        Change {
            own: self.own.abs_diff(earlier.own),
            // Whoever ends without being waited for takes its account along: less is a change as well.
            others: self.others.abs_diff(earlier.others),
            io: self.io != earlier.io,
            family: self.family != earlier.family,
        }
    }
}

/// One line of `/proc/PID/stat`, as far as a look needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    state: u8,
    parent: i32,
    session: i32,
    /// Ticks that it has used itself.
    own: u64,
    /// Ticks of its children that have ended and were waited for.
    buried: u64,
    started: u64,
}

/// Parses `PID (NAME) STATE PPID PGRP SESSION …`; the name may hold spaces and parentheses.
fn parse(line: &[u8]) -> Option<Account> {
    let after = line.iter().rposition(|byte| *byte == b')')? + 1;
    let fields: Vec<&str> = std::str::from_utf8(line.get(after..)?).ok()?.split_ascii_whitespace().collect();
    // The state is the third field of the line.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Account {
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        own: number(14)? + number(15)?,
        buried: number(16)? + number(17)?,
        started: number(22)?,
    })
}

/// Looks at the program `leader` whose session carries `marker`; nothing when there is no such process.
pub(crate) fn look(leader: i32, marker: &str) -> Option<Look> {
    look_in(Path::new("/proc"), leader, marker, i32::try_from(std::process::id()).ok()?)
}

fn look_in(proc: &Path, leader: i32, marker: &str, runtime: i32) -> Option<Look> {
    let all = accounts(proc);
    let program = all.get(&leader)?;
    let members = members(&all, leader, |pid, account| {
        // Orphans of the session have become the runtime's children, or those of the first process.
        (account.parent == runtime || account.parent == 1) && carries(proc, pid, marker)
    });
    let ticks = |count: u64| Duration::from_secs(count) / u32::try_from(ticks_per_second()).unwrap_or(100);
    let below = || members.iter().filter(|pid| **pid != leader);
    let mut look = Look {
        own: ticks(program.own),
        others: ticks(program.buried),
        stopped: matches!(program.state, b'T' | b't'),
        cwd: fs::read_link(proc.join(leader.to_string()).join("cwd")).ok(),
        ..Look::default()
    };
    for pid in below() {
        let account = &all[pid];
        look.others += ticks(account.own + account.buried);
        if matches!(account.state, b'Z' | b'X') {
            continue;
        }
        look.family.insert((*pid, account.started));
        let folder = proc.join(pid.to_string());
        look.io += fs::read_to_string(folder.join("io")).map_or(0, |text| transferred(&text));
        look.places.extend(fs::read_link(folder.join("cwd")));
    }
    Some(look)
}

fn accounts(proc: &Path) -> BTreeMap<i32, Account> {
    let Ok(entries) = fs::read_dir(proc) else { return BTreeMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, parse(&fs::read(proc.join(pid.to_string()).join("stat")).ok()?)?)))
        .collect()
}

/// The program and all that belong to it.
fn members(
    all: &BTreeMap<i32, Account>,
    leader: i32,
    is_orphan: impl Fn(i32, &Account) -> bool,
) -> BTreeSet<i32> {
    let mut members: BTreeSet<i32> = all
        .iter()
        .filter(|(pid, account)| **pid == leader || account.session == leader || is_orphan(**pid, account))
        .map(|(pid, _)| *pid)
        .collect();
    // Children of members, and theirs, until nobody is added.
    loop {
        let found: Vec<i32> = all
            .iter()
            .filter(|(pid, account)| !members.contains(pid) && members.contains(&account.parent))
            .map(|(pid, _)| *pid)
            .collect();
        if found.is_empty() {
            return members;
        }
        members.extend(found);
    }
}

fn carries(proc: &Path, pid: i32, marker: &str) -> bool {
    let wanted = format!("{SESSION_VARIABLE}={marker}");
    let environment = fs::read(proc.join(pid.to_string()).join("environ")).unwrap_or_default();
    !marker.is_empty() && environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
}

/// What `/proc/PID/io` says was read and written by calls, whether or not a disk was touched.
fn transferred(text: &str) -> u64 {
    let value = |line: &str| line.split_once(": ").and_then(|(_, number)| number.trim().parse::<u64>().ok());
    let lines = text.lines().filter(|line| line.starts_with("rchar") || line.starts_with("wchar"));
    lines.filter_map(value).sum()
}

fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNTIME: i32 = 50;

    /// A `/proc` on paper: pid, parent, session, state, own and buried ticks, environment.
    fn paper(rows: &[(i32, i32, i32, char, u64, u64, &str)]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        for (pid, parent, session, state, own, buried, environment) in rows {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            let line = format!(
                "{pid} (a) b (c)) {state} {parent} {pid} {session} 34816 {pid} 4194304 0 0 0 0 {own} 0 {buried} 0 \
                 20 0 1 0 9{pid} 0 0"
            );
            fs::write(folder.join("stat"), line).unwrap();
            fs::write(folder.join("environ"), environment.replace(' ', "\0")).unwrap();
            fs::write(folder.join("io"), "rchar: 5\nwchar: 7\nsyscr: 100\nread_bytes: 4096\n").unwrap();
        }
        proc
    }

    #[test]
    fn a_look_finds_the_family_wherever_it_has_gone() {
        let mark = "PATH=/bin GASTOWN_SESSION=s-1";
        let proc = paper(&[
            (100, RUNTIME, 100, 'S', 10, 20, mark),
            // A child, its child in a session of its own, and that one's.
            (101, 100, 100, 'S', 1, 0, mark),
            (102, 101, 102, 'S', 2, 4, ""),
            (103, 102, 102, 'R', 8, 0, ""),
            // An orphan with the marker, an orphan without, and one of another session.
            (104, RUNTIME, 104, 'S', 16, 0, mark),
            (105, 1, 105, 'S', 999, 0, "PATH=/bin"),
            (106, RUNTIME, 106, 'S', 999, 0, "GASTOWN_SESSION=s-11"),
            // One that has ended and was not waited for.
            (107, 101, 100, 'Z', 32, 0, ""),
        ]);
        let seen = look_in(proc.path(), 100, "s-1", RUNTIME).unwrap();
        let ticks = |count: u64| Duration::from_secs(count) / u32::try_from(ticks_per_second()).unwrap();
        assert_eq!((seen.own, seen.others), (ticks(10), ticks(20 + 1 + 6 + 8 + 16 + 32)));
        let family: Vec<i32> = seen.family.iter().map(|(pid, _)| *pid).collect();
        assert_eq!(family, [101, 102, 103, 104]);
        assert_eq!((seen.io, seen.stopped), (4 * 12, false));
        assert_eq!(look_in(proc.path(), 99, "s-1", RUNTIME), None);
    }

    #[test]
    fn a_stopped_program_is_seen_to_be_stopped() {
        for (state, stopped) in [('T', true), ('t', true), ('S', false), ('D', false)] {
            let proc = paper(&[(100, RUNTIME, 100, state, 0, 0, "")]);
            assert_eq!(look_in(proc.path(), 100, "", RUNTIME).unwrap().stopped, stopped, "{state}");
        }
    }

    #[test]
    fn a_change_is_what_went_by_in_between() {
        let earlier = Look { others: Duration::from_secs(3), family: [(7, 1)].into(), ..Look::default() };
        let same = earlier.since(&earlier);
        assert_eq!((same.own, same.others, same.io, same.family), Default::default());
        // The same number, another process.
        let later = Look { own: Duration::from_secs(1), io: 9, family: [(7, 2)].into(), ..earlier.clone() };
        let change = later.since(&earlier);
        assert_eq!(change.own, Duration::from_secs(1));
        assert!(change.io && change.family);
        assert_eq!(Look::default().since(&earlier).others, Duration::from_secs(3), "less is a change too");
    }
}
