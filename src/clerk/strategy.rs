//! What follows from the end of a worker's session: one table, by cause. Pure.
//!
//! | verdict | counts | first | again |
//! |---|---|---|---|
//! | completed, stopped | no | at once, with the conversation | the same |
//! | handed over, context full | no | at once, afresh, told how far it had come | the same |
//! | left early | yes | with the conversation | afresh |
//! | failed, not ready, not started | yes | afresh | afresh |
//! | crashed by a fault of its own | yes | to another worker | the same |
//! | crashed by a signal from outside, out of memory | yes | with the conversation | afresh |
//! | silent, frozen | yes | afresh | to another worker |
//! | lost with the runtime | no | at once, with the conversation | the same |
//! | session in use | no | afresh, after a wait | the same |
//! | overloaded | no | with the conversation, after a wait | the same |
//! | limited | no | at the time that it says, with the conversation | the same |
//! | asks to log in, asks for trust, key refused, killed | no | a person | the same |
//!
//! What counts is waited for longer each time; the last failure that a bead may have is for a person. What
//! does not count is not without end either: after [`Rules::max_setbacks`] in a row it is for a person too.

use std::time::Duration;

use ledger::views::trials::Trial;
use model::agent::Verdict;
use model::recovery::{Strategy, Symptom};
use model::time::Timestamp;

/// What a town has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Failed sessions of one bead until a person is asked.
    pub max_failures: u32,
    /// Ends in a row that do not count, until a person is asked.
    pub max_setbacks: u32,
    /// A bead is not handed out again for so long after a failure.
    pub redispatch_after: Duration,
    /// Failed sessions of one worker, since something of it landed, until it gets no new work for a while.
    pub quarantine_after: u32,
    /// For how long at first; twice as long with each further failure.
    pub quarantine: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_failures: 3,
            max_setbacks: 20,
            redispatch_after: Duration::from_secs(300),
            quarantine_after: 4,
            quarantine: Duration::from_secs(1800),
        }
    }
}

/// The first wait after a failed session; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The first wait for a provider that has too much to do.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// How long a limit is waited for that does not say when it ends.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(900);
/// The longest quarantine.
const LONGEST_QUARANTINE: Duration = Duration::from_secs(8 * 3600);

/// What is known when it is decided what follows.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What the end means.
    pub verdict: Verdict,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What else was seen.
    pub symptom: Option<Symptom>,
    /// What it is about: the bead, or the seat. Different ones are tried again at different times.
    pub about: &'a str,
    /// How work at it has gone before.
    pub before: Option<&'a Trial>,
    /// Now.
    pub now: Timestamp,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// What.
    pub strategy: Strategy,
    /// Not before.
    pub until: Option<Timestamp>,
}

/// What follows from `case` by the table.
pub fn follow(case: &Case<'_>, rules: &Rules) -> Next {
    let failures = case.before.map_or(0, |trial| trial.failures) + u32::from(case.verdict.is_failure());
    let setbacks = case.before.map_or(0, |trial| trial.setbacks) + 1;
    let first = failures <= 1;
    let by_cause = |signal: Option<i32>| match case.verdict {
        Verdict::Completed | Verdict::Stopped | Verdict::Lost => Strategy::Resume,
        Verdict::HandedOver | Verdict::ContextFull => Strategy::HandOff,
        Verdict::LeftEarly | Verdict::OutOfMemory => resume_then_fresh(first),
        Verdict::Crashed if signal.is_some_and(is_own_fault) => Strategy::Reassign,
        Verdict::Crashed => resume_then_fresh(first),
        Verdict::Failed | Verdict::NotReady | Verdict::NotStarted | Verdict::SessionInUse => Strategy::Fresh,
        Verdict::Silent | Verdict::Frozen if first => Strategy::Fresh,
        Verdict::Silent | Verdict::Frozen => Strategy::Reassign,
        Verdict::Limited | Verdict::Overloaded => Strategy::Park,
        Verdict::AsksLogin | Verdict::AsksTrust | Verdict::KeyRefused | Verdict::Killed => Strategy::Person,
    };
    let none = |strategy| Next { strategy, until: None };
    let at = |strategy, wait| Next { strategy, until: Some(case.now.plus(wait)) };
    if case.verdict.is_failure() {
        if failures >= rules.max_failures {
            return none(Strategy::Escalate);
        }
        return at(by_cause(case.signal), wait_after(failures, case.about, case.now));
    }
    match (case.verdict, by_cause(case.signal)) {
        (Verdict::Completed | Verdict::Stopped | Verdict::HandedOver | Verdict::Lost, strategy)
        | (_, strategy @ Strategy::Person) => none(strategy),
        _ if setbacks > rules.max_setbacks => none(Strategy::Escalate),
        (Verdict::Limited, strategy) => {
            let told = match case.symptom {
                Some(Symptom::Limited { until }) => until,
                _ => None,
            };
            Next { strategy, until: Some(told.unwrap_or(case.now.plus(UNKNOWN_LIMIT))) }
        }
        (Verdict::Overloaded, strategy) => {
            at(strategy, spread(doubled(FIRST_PAUSE, setbacks), case.about, case.now))
        }
        // The first time it is a matter of once: whatever held the name or filled the context is gone.
        (_, strategy) if setbacks == 1 => none(strategy),
        (_, strategy) => at(strategy, wait_after(setbacks - 1, case.about, case.now)),
    }
}

fn resume_then_fresh(first: bool) -> Strategy {
    if first { Strategy::Resume } else { Strategy::Fresh }
}

/// Whether a signal is what a program gets for a fault of its own (signal(7)): ILL, TRAP, ABRT, BUS, FPE, SEGV,
/// SYS. The others come from outside.
fn is_own_fault(signal: i32) -> bool {
    matches!(signal, 4 | 5 | 6 | 7 | 8 | 11 | 31)
}

/// How long to wait after so many failures: 1 s, 2 s, 4 s … up to five minutes, of which up to a half is left
/// out, differently for each bead and time ("equal jitter": M. Brooker, "Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015), so that what failed together is not tried again together.
pub fn wait_after(failures: u32, about: &str, now: Timestamp) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => spread(doubled(FIRST_WAIT, n), about, now),
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << (times.max(1) - 1).min(16)).min(LONGEST_WAIT)
}

/// Between a half of `wait` and all of it.
fn spread(wait: Duration, about: &str, now: Timestamp) -> Duration {
    // FNV-1a: only to be different for different beads and times.
    let words = about.bytes().chain(now.millis().to_le_bytes());
    let hash = words.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let part = (hash >> 32) as u32;
    wait / 2 + (wait / 2).mul_f64(f64::from(part) / f64::from(u32::MAX))
}

/// How long a worker gets no new work after `marks` failed sessions without a landing; none for one that may
/// go on.
pub fn quarantine(marks: u32, rules: &Rules) -> Option<Duration> {
    let more = marks.checked_sub(rules.quarantine_after)?;
    Some(rules.quarantine.saturating_mul(1 << more.min(16)).min(LONGEST_QUARANTINE))
}

/// How much speaks for giving a worker work, in percent: all, a half after one failed session, a third …
pub fn weight(marks: u32) -> u32 {
    100 / (1 + marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn trial(failures: u32, setbacks: u32) -> Trial {
        Trial { failures, setbacks, ..Trial::default() }
    }

    fn next(verdict: Verdict, signal: Option<i32>, before: &Trial) -> Next {
        let case = Case { verdict, signal, symptom: None, about: "web-1", before: Some(before), now: at(0) };
        follow(&case, &Rules::default())
    }

    /// The table of the module's page, row by row: the verdict, its signal, and what follows the first time,
    /// the second and the third.
    #[test]
    fn each_cause_has_its_strategy() {
        use Strategy::{Escalate, Fresh, HandOff, Park, Person, Reassign, Resume};
        use Verdict as V;
        let rows = [
            (V::Completed, None, [Resume, Resume, Resume]),
            (V::Stopped, None, [Resume, Resume, Resume]),
            (V::HandedOver, None, [HandOff, HandOff, HandOff]),
            (V::ContextFull, None, [HandOff, HandOff, HandOff]),
            (V::LeftEarly, None, [Resume, Fresh, Escalate]),
            (V::Failed, None, [Fresh, Fresh, Escalate]),
            (V::NotReady, None, [Fresh, Fresh, Escalate]),
            (V::NotStarted, None, [Fresh, Fresh, Escalate]),
            (V::Crashed, Some(11), [Reassign, Reassign, Escalate]),
            (V::Crashed, Some(6), [Reassign, Reassign, Escalate]),
            (V::Crashed, Some(9), [Resume, Fresh, Escalate]),
            (V::Crashed, Some(15), [Resume, Fresh, Escalate]),
            (V::OutOfMemory, Some(9), [Resume, Fresh, Escalate]),
            (V::Silent, None, [Fresh, Reassign, Escalate]),
            (V::Frozen, None, [Fresh, Reassign, Escalate]),
            (V::Lost, None, [Resume, Resume, Resume]),
            (V::SessionInUse, None, [Fresh, Fresh, Fresh]),
            (V::Overloaded, None, [Park, Park, Park]),
            (V::Limited, None, [Park, Park, Park]),
            (V::AsksLogin, None, [Person, Person, Person]),
            (V::AsksTrust, None, [Person, Person, Person]),
            (V::KeyRefused, None, [Person, Person, Person]),
            (V::Killed, None, [Person, Person, Person]),
        ];
        for verdict in Verdict::ALL {
            assert!(rows.iter().any(|(known, ..)| *known == verdict), "{verdict} has no row");
        }
        for (verdict, signal, expected) in rows {
            let mut before = Trial::default();
            for wanted in expected {
                assert_eq!(next(verdict, signal, &before).strategy, wanted, "{verdict} after {before:?}");
                if verdict.is_failure() { before.failures += 1 } else { before.setbacks += 1 }
            }
        }
    }

    #[test]
    fn what_is_nobodys_fault_is_not_tried_without_end() {
        let (few, many) = (trial(0, 19), trial(0, 20));
        for verdict in [Verdict::Overloaded, Verdict::Limited, Verdict::SessionInUse, Verdict::ContextFull] {
            assert_ne!(next(verdict, None, &few).strategy, Strategy::Escalate, "{verdict}");
            assert_eq!(next(verdict, None, &many).strategy, Strategy::Escalate, "{verdict}");
        }
        for verdict in [Verdict::Lost, Verdict::Stopped, Verdict::HandedOver] {
            assert_eq!(next(verdict, None, &many).until, None, "{verdict}");
            assert_ne!(next(verdict, None, &many).strategy, Strategy::Escalate, "{verdict}");
        }
    }

    #[test]
    fn a_limit_is_waited_for_until_the_time_that_it_says() {
        let limited = |until| {
            let symptom = Some(Symptom::Limited { until });
            let case = Case {
                verdict: Verdict::Limited,
                signal: None,
                symptom,
                about: "web-1",
                before: None,
                now: at(0),
            };
            follow(&case, &Rules::default())
        };
        assert_eq!(limited(Some(at(77))), Next { strategy: Strategy::Park, until: Some(at(77)) });
        assert_eq!(limited(None).until, Some(at(900_000)));
    }

    #[test]
    fn waits_double_up_to_five_minutes_and_are_spread() {
        for n in 1..40 {
            let most = Duration::from_secs(1 << (n - 1).min(16)).min(LONGEST_WAIT);
            let waits: Vec<Duration> = (0..200).map(|ms| wait_after(n, "web-1", at(ms))).collect();
            assert!(waits.iter().all(|wait| (most / 2..=most).contains(wait)), "{n}: {waits:?}");
            let spread = waits.iter().max().unwrap().saturating_sub(*waits.iter().min().unwrap());
            assert!(spread > most / 4, "{n}: {spread:?}");
            assert_eq!(wait_after(n, "web-1", at(5)), wait_after(n, "web-1", at(5)));
        }
        assert_eq!(wait_after(0, "web-1", at(0)), Duration::ZERO);
    }

    #[test]
    fn a_worker_that_fails_again_and_again_rests_longer_each_time() {
        let rules = Rules::default();
        let minutes = |marks| quarantine(marks, &rules).map(|rest| rest.as_secs() / 60);
        assert_eq!([3, 4, 5, 6, 40].map(minutes), [None, Some(30), Some(60), Some(120), Some(480)]);
        assert_eq!([0, 1, 2, 9].map(weight), [100, 50, 33, 10]);
    }
}
