//! What a supervisor is told: how its children are restarted, how often, and how they are ended.
//!
//! Everything here is plain data that can stand in a `const`, so that the whole policy of the town
//! is a table that can be read in one glance. What carries it out is in [`crate::supervisor`], what
//! is decided from it in [`crate::decision`]; a child with its start function is a
//! [`crate::spec::DynChild`].

use std::time::Duration;

/// How long a killed child is waited for where nothing else is said.
pub const KILL_WAIT: Duration = Duration::from_secs(5);

/// Whether a child that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only when it ended abnormally: an error, a panic, a kill.
    Transient,
    /// Never; its place in the tree is given up.
    Temporary,
}

/// Who is restarted beside the child that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nobody.
    OneForOne,
    /// All its siblings.
    OneForAll,
    /// The siblings that were started after it, which therefore may depend on it.
    RestForOne,
}

impl Strategy {
    /// Returns the name that `tree --json` prints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
        }
    }
}

/// How many restarts within a sliding window are borne; one more is an excess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts that are still borne; 0 bears none.
    pub restarts: u32,
    /// The length of the window.
    pub within: Duration,
}

/// What follows when the restarts exceed the [`Intensity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// The supervisor ends its children in reverse and fails: OTP's way. All its children share
    /// one window.
    Escalate,
    /// The child is left stopped, its siblings go on. Each child has a window of its own. For
    /// children that have nothing to do with each other, as workers have.
    SetAside,
}

/// How a child is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Killed at once; its `post_stop` does not run.
    Brutal,
    /// Asked to stop, and killed when it has not ended after this time.
    Grace(Duration),
    /// Asked to stop, and waited for without end. For supervisors, whose children have graces.
    Infinite,
}

impl Shutdown {
    /// Returns a grace of `n` seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self::Grace(Duration::from_secs(n))
    }
}

/// Whether a supervisor stops by itself when its significant children have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// When one of them has ended for good.
    AnySignificant,
    /// When the last of them has ended for good.
    AllSignificant,
}

/// In which order a supervisor's children are ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopOrder {
    /// One after another, the last started first: later ones may depend on earlier ones.
    #[default]
    Reverse,
    /// All at once. For children that do not know of each other: thirty graces of five seconds
    /// are five seconds, not a hundred and fifty.
    Parallel,
}

/// How long to wait before a child is started again: doubled each time, up to a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the first restart.
    pub initial: Duration,
    /// The longest wait, before jitter.
    pub cap: Duration,
    /// The part of the wait, in percent, that is left to chance, so that children that failed
    /// together do not come back together.
    pub jitter_percent: u8,
}

impl Backoff {
    /// Returns the wait before restart number `attempt`, counted from 0.
    ///
    /// * `roll` - chance: any number; the same number gives the same wait.
    #[must_use]
    pub fn delay(&self, attempt: u32, roll: u64) -> Duration {
        let doubled = self.initial.saturating_mul(2u32.saturating_pow(attempt));
        let full = doubled.min(self.cap);
        let jitter = full.mul_f64(f64::from(self.jitter_percent.min(100)) / 100.0);
        let share = (roll % 1_000) as f64 / 1_000.0;
        full.saturating_sub(jitter.mul_f64(share))
    }
}

/// One line of the table: a child and what holds for it.
///
/// `K` is whatever names a child in the table; [`crate::spec::DynChild`] is the same line with a
/// start function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildSpec<K> {
    /// Who.
    pub child: K,
    /// Whether it is started again.
    pub restart: Restart,
    /// How it is ended.
    pub grace: Shutdown,
    /// Whether its end for good may end the supervisor, see [`AutoShutdown`].
    pub significant: bool,
    /// The wait before a restart, if there is to be one.
    pub backoff: Option<Backoff>,
}

impl<K> ChildSpec<K> {
    /// Returns a line without significance and without back-off.
    #[must_use]
    pub const fn new(child: K, restart: Restart, grace: Shutdown) -> Self {
        Self { child, restart, grace, significant: false, backoff: None }
    }
}

impl<K: Copy> ChildSpec<K> {
    /// Returns the same line, significant.
    #[must_use]
    pub const fn significant(self) -> Self {
        Self { significant: true, ..self }
    }

    /// Returns the same line with a back-off.
    #[must_use]
    pub const fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff: Some(backoff), ..self }
    }
}

/// What holds for a supervisor itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Who is restarted beside the failed one.
    pub strategy: Strategy,
    /// How many restarts are borne.
    pub intensity: Intensity,
    /// What follows when there are more.
    pub excess: Excess,
    /// Whether it stops by itself.
    pub auto_shutdown: AutoShutdown,
    /// In which order it ends its children.
    pub stop_order: StopOrder,
    /// How long a killed child is waited for. Only code that blocks its thread needs any of it.
    pub kill_wait: Duration,
}

/// Why a line makes no sense below a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Senseless {
    /// It is significant, and no end of it is for good.
    #[error("a permanent child never ends for good, so it cannot be significant")]
    PermanentSignificant,
    /// It is significant to a supervisor that never stops by itself.
    #[error("its supervisor never stops by itself, so no child of it can be significant")]
    NeverSignificant,
}

impl Rules {
    /// Returns whether a child may be `significant` here, or why not.
    ///
    /// # Errors
    /// As OTP rejects such child specifications.
    pub const fn admit(&self, restart: Restart, significant: bool) -> Result<(), Senseless> {
        match (significant, restart, self.auto_shutdown) {
            (true, _, AutoShutdown::Never) => Err(Senseless::NeverSignificant),
            (true, Restart::Permanent, _) => Err(Senseless::PermanentSignificant),
            _ => Ok(()),
        }
    }

    /// Returns rules as OTP has them: escalate, never stop by itself, end in reverse.
    #[must_use]
    pub const fn new(strategy: Strategy, intensity: Intensity) -> Self {
        Self {
            strategy,
            intensity,
            excess: Excess::Escalate,
            auto_shutdown: AutoShutdown::Never,
            stop_order: StopOrder::Reverse,
            kill_wait: KILL_WAIT,
        }
    }

    /// Returns rules for children that come and go at run time and do not know of each other:
    /// one for one, ended in parallel, and one that keeps failing is set aside.
    #[must_use]
    pub const fn dynamic(intensity: Intensity) -> Self {
        Self {
            strategy: Strategy::OneForOne,
            intensity,
            excess: Excess::SetAside,
            auto_shutdown: AutoShutdown::Never,
            stop_order: StopOrder::Parallel,
            kill_wait: KILL_WAIT,
        }
    }
}

/// A supervisor of the table with its lines, in start order: started downwards, stopped upwards.
#[derive(Clone, Copy, Debug)]
pub struct Branch<K: 'static> {
    /// What it is called; rigs' supervisors are called by a path made at run time instead.
    pub name: &'static str,
    /// What holds for the supervisor.
    pub rules: Rules,
    /// Its children.
    pub children: &'static [ChildSpec<K>],
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEADY: Backoff =
        Backoff { initial: Duration::from_millis(100), cap: Duration::from_secs(1), jitter_percent: 0 };

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let waits: Vec<u128> = (0..6).map(|attempt| STEADY.delay(attempt, 7).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(STEADY.delay(u32::MAX, 7), STEADY.cap);
    }

    #[test]
    fn jitter_only_shortens_and_keeps_its_part() {
        let jittery = Backoff { jitter_percent: 20, ..STEADY };
        for roll in [0, 1, 500, 999, 1_000, u64::MAX] {
            let wait = jittery.delay(0, roll);
            assert!(wait <= Duration::from_millis(100), "{wait:?}");
            assert!(wait >= Duration::from_millis(80), "{wait:?}");
        }
        assert_eq!(jittery.delay(0, 0), Duration::from_millis(100));
    }

    #[test]
    fn a_table_can_be_a_constant() {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum Child {
            Scribe,
            Mayor,
        }
        const TOWN: Branch<Child> = Branch {
            name: "town",
            rules: Rules::new(
                Strategy::RestForOne,
                Intensity { restarts: 3, within: Duration::from_secs(60) },
            ),
            children: &[
                ChildSpec::new(Child::Scribe, Restart::Permanent, Shutdown::secs(5)),
                ChildSpec::new(Child::Mayor, Restart::Transient, Shutdown::Brutal)
                    .backoff(STEADY)
                    .significant(),
            ],
        };
        assert_eq!(TOWN.children[1].child, Child::Mayor);
        assert!(TOWN.children[1].significant);
        assert_eq!(TOWN.children[1].backoff, Some(STEADY));
    }
}
