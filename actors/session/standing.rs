//! How a session stands: its one state at any moment, and what leads to another one. Pure.
//!
//! ```text
//!            ready, quiet, spoke                 a question              answered
//! starting ────────────────────> idle, working ──────────────> waiting ───────────> idle, working
//!    │                              │   ^   │
//!    │ not ready in time            │   └───┴── limited: its provider holds it back
//!    v                              v  gives no sign of life
//!  stuck <──────────────────────────┘
//!    │
//!    v   told to end (from every state)
//! stopping        nothing leads out of it but the program's end
//! ```

use model::agent::AgentState;
use pty::signs::{Obstacle, Sign};

/// What a session has noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    /// Its screen has come to rest and shows this.
    Screen(Option<Sign>),
    /// Its program has given a command, or one of its hooks has spoken.
    Spoke,
    /// It has not become ready in the time that its preset gives it.
    NotReady,
    /// It gives no sign of life, and nudges did not help.
    NoLife,
    /// It is told to end.
    Told,
}

/// What a session is like, as far as that decides about its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nature {
    /// Whether something hangs on the agent's hook.
    pub at_work: bool,
    /// Whether its preset knows how it looks when it is ready.
    pub shows_ready: bool,
    /// Whether its preset knows how it looks when it is busy.
    pub shows_busy: bool,
}

impl Nature {
    /// The state of one who is up and shows nothing that its preset knows.
    fn plain(self) -> AgentState {
        if self.at_work || self.shows_ready { AgentState::Working } else { AgentState::Idle }
    }
}

/// The state after `noticed`.
pub fn next(from: AgentState, noticed: Noticed, nature: Nature) -> AgentState {
    use AgentState as S;
    match (from, noticed) {
        // Nothing but the program's end leads out of these; of that, the verdict tells.
        (S::Stopping, _) | (S::Parked | S::Done | S::Failed, _) => from,
        (_, Noticed::Told) => S::Stopping,
        // Whoever is stuck is told to end at once.
        (S::Stuck, _) => S::Stuck,
        (S::Starting, Noticed::NotReady) | (S::Idle | S::Working, Noticed::NoLife) => S::Stuck,
        (_, Noticed::NotReady | Noticed::NoLife) => from,
        (S::Starting, Noticed::Spoke) => S::Working,
        (_, Noticed::Spoke) => from,
        (_, Noticed::Screen(Some(sign))) => by_sign(from, sign, nature),
        // Without signs, whoever is quiet is ready.
        (S::Starting, Noticed::Screen(None)) if nature.shows_ready => S::Starting,
        (S::Starting, Noticed::Screen(None)) => nature.plain(),
        // The question or the banner is gone.
        (S::Waiting | S::Limited, Noticed::Screen(None)) => nature.plain(),
        // Where nothing else would show that it works, not being ready does.
        (S::Idle, Noticed::Screen(None)) if nature.shows_ready && !nature.shows_busy => S::Working,
        (_, Noticed::Screen(None)) => from,
    }
}

fn by_sign(from: AgentState, sign: Sign, nature: Nature) -> AgentState {
    use AgentState as S;
    match sign {
        Sign::Ready => S::Idle,
        Sign::Busy => S::Working,
        Sign::AsksPerson | Sign::Obstacle(Obstacle::Login | Obstacle::Trust | Obstacle::KeyRefused) => {
            S::Waiting
        }
        Sign::Limited | Sign::Obstacle(Obstacle::Limited | Obstacle::Overloaded) => S::Limited,
        // These say nothing about how it is, only about how it will end.
        Sign::Obstacle(Obstacle::ContextFull | Obstacle::SessionInUse | Obstacle::OutOfMemory) => {
            match from {
                S::Starting | S::Waiting | S::Limited => nature.plain(),
                other => other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use AgentState::{Idle, Limited, Starting, Stopping, Stuck, Waiting, Working};

    /// The states that a living session can have.
    const LIVING: [AgentState; 7] = [Starting, Idle, Working, Waiting, Limited, Stuck, Stopping];

    fn all_noticed() -> Vec<Noticed> {
        let obstacles = [
            Obstacle::Login,
            Obstacle::Trust,
            Obstacle::KeyRefused,
            Obstacle::Limited,
            Obstacle::Overloaded,
            Obstacle::ContextFull,
            Obstacle::SessionInUse,
            Obstacle::OutOfMemory,
        ];
        let signs = [Sign::Ready, Sign::Busy, Sign::AsksPerson, Sign::Limited].into_iter();
        let signs = signs.chain(obstacles.map(Sign::Obstacle)).map(Some).chain([None]);
        let others = [Noticed::Spoke, Noticed::NotReady, Noticed::NoLife, Noticed::Told];
        signs.map(Noticed::Screen).chain(others).collect()
    }

    /// A worker with a preset that knows all signs, one that knows none, and a seat without work.
    const KNOWN: Nature = Nature { at_work: true, shows_ready: true, shows_busy: true };
    const PLAIN: Nature = Nature { at_work: true, shows_ready: false, shows_busy: false };
    const SEAT: Nature = Nature { at_work: false, shows_ready: false, shows_busy: false };

    #[test]
    fn every_state_and_everything_noticed_lead_to_one_state() {
        use Noticed::{NoLife, NotReady, Screen, Spoke, Told};
        let sign = |sign| Screen(Some(sign));
        let stands = |obstacle| sign(Sign::Obstacle(obstacle));
        // For [starting, idle, working, waiting, limited, stuck, stopping].
        let table: [(Noticed, Nature, [AgentState; 7]); 18] = [
            (sign(Sign::Ready), KNOWN, [Idle, Idle, Idle, Idle, Idle, Stuck, Stopping]),
            (sign(Sign::Busy), KNOWN, [Working, Working, Working, Working, Working, Stuck, Stopping]),
            (sign(Sign::AsksPerson), KNOWN, [Waiting, Waiting, Waiting, Waiting, Waiting, Stuck, Stopping]),
            (stands(Obstacle::Login), PLAIN, [Waiting, Waiting, Waiting, Waiting, Waiting, Stuck, Stopping]),
            (stands(Obstacle::Trust), PLAIN, [Waiting, Waiting, Waiting, Waiting, Waiting, Stuck, Stopping]),
            (
                stands(Obstacle::KeyRefused),
                KNOWN,
                [Waiting, Waiting, Waiting, Waiting, Waiting, Stuck, Stopping],
            ),
            (sign(Sign::Limited), KNOWN, [Limited, Limited, Limited, Limited, Limited, Stuck, Stopping]),
            (
                stands(Obstacle::Limited),
                PLAIN,
                [Limited, Limited, Limited, Limited, Limited, Stuck, Stopping],
            ),
            (
                stands(Obstacle::Overloaded),
                PLAIN,
                [Limited, Limited, Limited, Limited, Limited, Stuck, Stopping],
            ),
            (
                stands(Obstacle::ContextFull),
                KNOWN,
                [Working, Idle, Working, Working, Working, Stuck, Stopping],
            ),
            (Screen(None), KNOWN, [Starting, Idle, Working, Working, Working, Stuck, Stopping]),
            (Screen(None), PLAIN, [Working, Idle, Working, Working, Working, Stuck, Stopping]),
            (Screen(None), SEAT, [Idle, Idle, Working, Idle, Idle, Stuck, Stopping]),
            (
                Screen(None),
                Nature { shows_busy: false, ..KNOWN },
                [Starting, Working, Working, Working, Working, Stuck, Stopping],
            ),
            (Spoke, KNOWN, [Working, Idle, Working, Waiting, Limited, Stuck, Stopping]),
            (NotReady, KNOWN, [Stuck, Idle, Working, Waiting, Limited, Stuck, Stopping]),
            (NoLife, KNOWN, [Starting, Stuck, Stuck, Waiting, Limited, Stuck, Stopping]),
            (Told, KNOWN, [Stopping, Stopping, Stopping, Stopping, Stopping, Stopping, Stopping]),
        ];
        for (noticed, nature, expected) in table {
            for (from, to) in LIVING.into_iter().zip(expected) {
                assert_eq!(next(from, noticed, nature), to, "{from}: {noticed:?}, {nature:?}");
            }
        }
    }

    #[test]
    fn whoever_has_no_session_gets_no_state_from_one() {
        for from in [AgentState::Parked, AgentState::Done, AgentState::Failed] {
            for noticed in all_noticed() {
                assert_eq!(next(from, noticed, KNOWN), from);
            }
        }
    }

    proptest! {
        /// Whatever happens in whatever order: the state is one that a living session can have, nobody becomes
        /// starting again, nobody gets out of stuck but by being told to end, nobody comes back from that.
        #[test]
        fn a_session_is_in_one_living_state_at_any_instant(
            steps in proptest::collection::vec(0_usize..64, 1..60),
            (at_work, shows_ready, shows_busy) in any::<(bool, bool, bool)>(),
        ) {
            let nature = Nature { at_work, shows_ready, shows_busy };
            let all = all_noticed();
            let mut state = Starting;
            for step in steps {
                let noticed = all[step % all.len()];
                let after = next(state, noticed, nature);
                prop_assert!(LIVING.contains(&after) && after.has_session());
                prop_assert!(after != Starting || state == Starting);
                prop_assert!(state != Stuck || matches!(after, Stuck | Stopping));
                prop_assert!(state != Stopping || after == Stopping);
                prop_assert_eq!(after == Stopping, state == Stopping || noticed == Noticed::Told);
                state = after;
            }
        }
    }
}
