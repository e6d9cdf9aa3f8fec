//! The mark: a number that everything below the runtime inherits, and that nothing sheds by accident.
//!
//! A process can clear its environment, leave its group, its session and its parent, and hide its
//! environment from us (`ssh-agent` does, so that nobody reads its keys). What it keeps through all of
//! that are its resource limits. One of them has no meaning any more: since Linux 2.4.25 nothing counts
//! `RLIMIT_LOCKS`. So the runtime writes its mark there, into itself, and whatever it starts bears it:
//!
//! ```text
//!  hard limit   0 | depth 7 | town 28 | life 28       whose runtime, and which of its lives
//!  soft limit   0          | session 56               which session; 0 for what belongs to none
//! ```
//!
//! - *Town* is of the town's path, *life* is drawn anew by each runtime: what one leaves behind is never
//!   mistaken for what its successor starts at the same moment.
//! - A hard limit can only be lowered, so a runtime that was started by an agent of another one takes a
//!   *depth* one lower.
//! - The soft limit is set by the shim ([`mod@crate::exec`]). What the runtime starts itself (git, gates,
//!   the reaper) has none.
//!
//! `ulimit -x` in an agent's shell shows the number. Where the limit cannot be set, everything else works
//! as before, by the markers in the environment.

use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The depth of a runtime that nobody's agent has started.
const TOP: u64 = 126;
const DEPTH_SHIFT: u32 = 56;
const TOWN_SHIFT: u32 = 28;
const PIECE: u64 = (1 << 28) - 1;
const SESSION: u64 = (1 << DEPTH_SHIFT) - 1;

/// What marks everything that one runtime starts, in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// The mark on a process, and the session that it belongs to; none for what belongs to no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bearing {
    pub(crate) mark: Mark,
    pub(crate) session: Option<u64>,
}

impl Mark {
    /// Makes this process bear a new mark for the town at `town`, and with it all that it starts from now
    /// on. To be called once, before anything is started.
    ///
    /// # Errors
    /// When the kernel refuses, or the limit is so low already that no mark has room below it.
    pub fn bear(town: &Path) -> io::Result<Mark> {
        let limit = getrlimit(Resource::Locks).maximum;
        let life = RandomState::new().build_hasher().finish();
        let mark = Mark::below(limit, town, life)
            .ok_or_else(|| io::Error::other("the limit of file locks is low already"))?;
        set(0, mark)?;
        Ok(mark)
    }

    /// The mark that this process bears, if it does.
    pub fn own() -> Option<Mark> {
        Mark::read(getrlimit(Resource::Locks).maximum?)
    }

    fn below(limit: Option<u64>, town: &Path, life: u64) -> Option<Mark> {
        let depth = match limit {
            Some(limit) if limit >> 63 == 0 => (limit >> DEPTH_SHIFT).min(TOP + 1).checked_sub(1)?,
            _ => TOP,
        };
        (depth > 0).then_some(Mark(depth << DEPTH_SHIFT | town_of(town) << TOWN_SHIFT | life & PIECE))
    }

    /// The mark in a hard limit, if it looks like one.
    fn read(hard: u64) -> Option<Mark> {
        (1..=TOP).contains(&(hard >> DEPTH_SHIFT)).then_some(Mark(hard))
    }

    /// Whether it is one of a runtime of the town at `town`, in whichever life.
    pub(crate) fn is_of(self, town: &Path) -> bool {
        self.0 >> TOWN_SHIFT & PIECE == town_of(town)
    }
}

/// Makes this process, which bears a mark, belong to the session that `marker` names. Does nothing
/// without a mark.
pub(crate) fn join(marker: &OsStr) {
    if let Some(mark) = Mark::own() {
        // What cannot be marked is still found by its environment.
        let _ = set(session_of(marker.as_bytes()), mark);
    }
}

fn set(session: u64, mark: Mark) -> io::Result<()> {
    Ok(setrlimit(Resource::Locks, Rlimit { current: Some(session), maximum: Some(mark.0) })?)
}

/// The number of the session that `marker` names.
pub(crate) fn session_of(marker: &[u8]) -> u64 {
    (fnv1a(marker) & SESSION).max(1)
}

fn town_of(town: &Path) -> u64 {
    fnv1a(town.as_os_str().as_bytes()) & PIECE
}

/// The mark on the process `pid`. Everybody may read it, whatever the process hides.
pub(crate) fn on(pid: i32) -> Option<Bearing> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

/// Reads the line `Max file locks   SOFT   HARD   locks`.
fn parse(limits: &str) -> Option<Bearing> {
    let mut fields = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?.split_whitespace();
    let (soft, hard) = (fields.next()?, fields.next()?);
    let session = soft.parse().ok().filter(|session| *session != 0);
    Some(Bearing { mark: Mark::read(hard.parse().ok()?)?, session })
}

/// FNV-1a: the same number in every build, as two versions of the program may meet.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(soft: &str, hard: &str) -> String {
        format!(
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max address space         unlimited            unlimited            bytes     \n\
             Max file locks            {soft:<20} {hard:<20} locks     \n\
             Max pending signals       93000                93000                signals   \n"
        )
    }

    #[test]
    fn a_mark_is_read_from_where_it_was_written() {
        let town = Path::new("/srv/town");
        let mark = Mark::below(None, town, u64::MAX).unwrap();
        assert!(mark.is_of(town) && !mark.is_of(Path::new("/srv/other")));
        let session = session_of(b"s-1");
        let read = |soft: u64| parse(&limits(&soft.to_string(), &mark.0.to_string()));
        assert_eq!(read(session), Some(Bearing { mark, session: Some(session) }));
        assert_eq!(read(0), Some(Bearing { mark, session: None }));
        assert!(session < mark.0, "a soft limit is never above the hard one");
        assert_ne!(session, session_of(b"s-2"));
    }

    #[test]
    fn what_is_no_mark_is_not_taken_for_one() {
        for (soft, hard) in
            [("unlimited", "unlimited"), ("0", "1000"), ("5", &(u64::MAX - 1).to_string()), ("x", "y")]
        {
            assert_eq!(parse(&limits(soft, hard)), None, "{soft} {hard}");
        }
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_runtime_below_another_one_has_a_mark_of_its_own() {
        let town = Path::new("/srv/town");
        let outer = Mark::below(None, town, 7).unwrap();
        let inner = Mark::below(Some(outer.0), Path::new("/srv/inner"), 7).unwrap();
        assert!(inner.0 < outer.0, "a hard limit is only ever lowered");
        assert_ne!(inner, outer);
        // There is an end to nesting, and an administrator may have set the limit for good.
        let innermost = (0..TOP - 1).fold(outer, |mark, _| Mark::below(Some(mark.0), town, 7).unwrap());
        assert_eq!(Mark::below(Some(innermost.0), town, 7), None);
        assert_eq!(Mark::below(Some(1000), town, 7), None);
    }

    #[test]
    fn lives_of_one_town_are_told_apart() {
        let town = Path::new("/srv/town");
        let (one, two) = (Mark::below(None, town, 1).unwrap(), Mark::below(None, town, 2).unwrap());
        assert_ne!(one, two);
        assert!(one.is_of(town) && two.is_of(town));
    }
}
