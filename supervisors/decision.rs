//! What follows from a child's end: pure, without a clock and without an actor.
//!
//! The semantics are those of OTP's `supervisor`, see its manual page. Killed counts as abnormal.
//! A restart that fails at once is an abnormal end of the child that would not start, and comes
//! through here again, so that it counts against the window as any other.

use std::collections::VecDeque;
use std::time::Duration;

use crate::policy::{AutoShutdown, Intensity, Restart, Rules, Strategy};

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It stopped, with the reason it gave if it gave one.
    Normal(Option<String>),
    /// It failed, panicked, was killed or would not start; why.
    Abnormal(String),
}

impl Exit {
    /// Returns whether the end counts as a failure.
    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        matches!(self, Self::Abnormal(_))
    }

    /// Returns the reason for people to read.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Normal(None) => "stopped",
            Self::Normal(Some(reason)) | Self::Abnormal(reason) => reason,
        }
    }
}

/// Where a child is in its life, as far as a decision needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Alive, or dead with its remains not yet cleared away.
    Running,
    /// Dead, and to be started again.
    Waiting,
    /// Dead, and nobody is about to start it.
    Idle,
    /// Being ended on request; it will be forgotten.
    Leaving,
}

/// A child as a decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whether it is started again.
    pub restart: Restart,
    /// Whether its end counts for [`AutoShutdown`].
    pub significant: bool,
    /// Where it is in its life.
    pub phase: Phase,
}

/// What to do. Numbers are places in the list of members that was decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the child stays ended and keeps its place.
    Leave,
    /// The child stays ended and its place is given up.
    Forget,
    /// Restart it, and perhaps others with it.
    Restart(Plan),
    /// Too many restarts: give up.
    GiveUp {
        /// How many restarts this one would have made within the window.
        restarts: usize,
    },
    /// A significant child has ended: the supervisor stops, normally.
    ShutDown,
}

/// A restart in detail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whom to end first, in this order (the last started first).
    pub stop: Vec<usize>,
    /// Whose place is given up once all of them have ended: temporary siblings.
    pub forget: Vec<usize>,
    /// Whom to start then, in this order.
    pub start: Vec<usize>,
    /// How many restarts the window now holds, this one included.
    pub count: usize,
}

/// The restarts of late: a sliding window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window(VecDeque<Duration>);

impl Window {
    /// Notes a restart at `now` and returns how many the window holds then.
    ///
    /// * `now` - time since any fixed moment; never before that of an earlier call.
    pub fn note(&mut self, intensity: Intensity, now: Duration) -> usize {
        while self.0.front().is_some_and(|at| now.saturating_sub(*at) > intensity.within) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        let held = self.0.len();
        // More than the excess itself is never asked for, so a flood costs no memory.
        if held > intensity.restarts as usize + 1 {
            self.0.pop_front();
        }
        held
    }
}

/// Decides what follows from the end of `members[who]`.
///
/// * `members` - in start order; the phase of `who` itself does not matter.
/// * `window` - the restarts that count; a restart that follows is noted in it.
/// * `now` - time since any fixed moment.
pub fn decide(
    rules: &Rules,
    members: &[Member],
    window: &mut Window,
    who: usize,
    exit: &Exit,
    now: Duration,
) -> Verdict {
    let ended = members[who];
    let again = match ended.restart {
        Restart::Permanent => true,
        Restart::Transient => exit.is_abnormal(),
        Restart::Temporary => false,
    };
    if !again {
        return if shuts_down(rules.auto_shutdown, members, who) {
            Verdict::ShutDown
        } else if ended.restart == Restart::Temporary {
            Verdict::Forget
        } else {
            Verdict::Leave
        };
    }
    let count = window.note(rules.intensity, now);
    if count > rules.intensity.restarts as usize {
        return Verdict::GiveUp { restarts: count };
    }
    Verdict::Restart(plan(rules.strategy, members, who, count))
}

fn plan(strategy: Strategy, members: &[Member], who: usize, count: usize) -> Plan {
    let touched = match strategy {
        Strategy::OneForOne => who..who + 1,
        Strategy::OneForAll => 0..members.len(),
        Strategy::RestForOne => who..members.len(),
    };
    let mut plan = Plan { count, ..Plan::default() };
    for place in touched {
        let member = members[place];
        if place != who && member.phase == Phase::Leaving {
            continue;
        }
        if place != who && member.phase == Phase::Running {
            plan.stop.push(place);
        }
        if member.restart == Restart::Temporary {
            plan.forget.push(place);
        } else {
            plan.start.push(place);
        }
    }
    plan.stop.reverse();
    plan
}

fn shuts_down(auto: AutoShutdown, members: &[Member], who: usize) -> bool {
    if !members[who].significant {
        return false;
    }
    match auto {
        AutoShutdown::Never => false,
        AutoShutdown::AnySignificant => true,
        AutoShutdown::AllSignificant => !members
            .iter()
            .enumerate()
            .any(|(place, member)| place != who && member.significant && member.phase != Phase::Idle),
    }
}
