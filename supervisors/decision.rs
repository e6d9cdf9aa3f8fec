//! What follows from a child's end: pure, without a clock and without an actor.
//!
//! The semantics are those of OTP's `supervisor`, see its manual page. Killed counts as abnormal.
//! A restart that fails at once is an abnormal end of the child that would not start, and comes
//! through here again, so that it counts against the window as any other.

use std::time::Duration;

use crate::policy::{AutoShutdown, Restart, Rules, Strategy};
use crate::window::Window;

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It stopped, with the reason it gave if it gave one.
    Normal(Option<String>),
    /// It failed, panicked, was killed or would not start; why.
    Abnormal(String),
    /// It is a supervisor that gave up, and has ended its children in order; why. OTP's `shutdown`: a failure
    /// to those who are told of it, and none where it decides on a transient child.
    GaveUp(String),
}

impl Exit {
    /// Returns whether the end is abnormal in OTP's sense: a transient child is started again after it.
    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        matches!(self, Self::Abnormal(_))
    }

    /// Returns whether people are told of it as of a failure.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Abnormal(_) | Self::GaveUp(_))
    }

    /// Returns the reason for people to read.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Normal(None) => "stopped",
            Self::Normal(Some(reason)) | Self::Abnormal(reason) | Self::GaveUp(reason) => reason,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Just, Strategy as Values, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };

    use super::*;
    use crate::policy::Intensity;
    use crate::policy::Restart::{Permanent, Temporary, Transient};
    use crate::policy::Strategy::{OneForAll, OneForOne, RestForOne};

    const MANY: Intensity = Intensity { restarts: 1_000, within: Duration::from_secs(60) };

    fn normal() -> Exit {
        Exit::Normal(None)
    }

    fn failed() -> Exit {
        Exit::Abnormal("boom".to_owned())
    }

    fn running(restart: Restart) -> Member {
        Member { restart, significant: false, phase: Phase::Running }
    }

    fn in_phase(phase: Phase) -> Member {
        Member { phase, ..running(Permanent) }
    }

    fn decided(strategy: Strategy, members: &[Member], who: usize, exit: &Exit) -> Verdict {
        let rules = Rules::new(strategy, MANY);
        decide(&rules, members, &mut Window::default(), who, exit, Duration::ZERO)
    }

    #[track_caller]
    fn check(
        strategy: Strategy,
        members: &[Member],
        who: usize,
        stop: &[usize],
        forget: &[usize],
        start: &[usize],
    ) {
        let expected = Plan { stop: stop.to_vec(), forget: forget.to_vec(), start: start.to_vec(), count: 1 };
        assert_eq!(decided(strategy, members, who, &failed()), Verdict::Restart(expected));
    }

    #[test]
    fn who_is_started_again_at_all() {
        for strategy in [OneForOne, OneForAll, RestForOne] {
            for (restart, exit, expected) in [
                (Permanent, normal(), None),
                (Permanent, failed(), None),
                (Permanent, Exit::GaveUp("too much".into()), None),
                (Transient, Exit::GaveUp("too much".into()), Some(Verdict::Leave)),
                (Transient, normal(), Some(Verdict::Leave)),
                (Transient, failed(), None),
                (Temporary, normal(), Some(Verdict::Forget)),
                (Temporary, failed(), Some(Verdict::Forget)),
            ] {
                let verdict = decided(strategy, &[running(restart)], 0, &exit);
                match expected {
                    Some(expected) => assert_eq!(verdict, expected, "{strategy:?} {restart:?} {exit:?}"),
                    None => assert!(
                        matches!(&verdict, Verdict::Restart(plan) if plan.start == [0]),
                        "{strategy:?} {restart:?} {exit:?}: {verdict:?}"
                    ),
                }
            }
        }
    }

    #[test]
    fn who_is_restarted_beside_the_failed_one() {
        let four = [running(Permanent); 4];
        check(OneForOne, &four, 1, &[], &[], &[1]);
        check(OneForAll, &four, 1, &[3, 2, 0], &[], &[0, 1, 2, 3]);
        check(RestForOne, &four, 1, &[3, 2], &[], &[1, 2, 3]);
        check(RestForOne, &four, 0, &[3, 2, 1], &[], &[0, 1, 2, 3]);
        check(RestForOne, &four, 3, &[], &[], &[3]);
    }

    #[test]
    fn temporary_siblings_are_ended_and_not_started_again() {
        let mixed = [running(Temporary), running(Permanent), running(Temporary), running(Transient)];
        check(OneForOne, &mixed, 1, &[], &[], &[1]);
        check(OneForAll, &mixed, 1, &[3, 2, 0], &[0, 2], &[1, 3]);
        check(RestForOne, &mixed, 1, &[3, 2], &[2], &[1, 3]);
    }

    #[test]
    fn a_group_restart_takes_in_who_is_down_and_leaves_alone_who_is_leaving() {
        let mixed = [
            in_phase(Phase::Idle),
            in_phase(Phase::Running),
            in_phase(Phase::Waiting),
            in_phase(Phase::Leaving),
            in_phase(Phase::Running),
        ];
        check(OneForAll, &mixed, 1, &[4], &[], &[0, 1, 2, 4]);
        check(RestForOne, &mixed, 1, &[4], &[], &[1, 2, 4]);
    }

    #[test]
    fn one_restart_more_than_the_intensity_is_one_too_many() {
        let rules = Rules::new(OneForOne, Intensity { restarts: 2, within: Duration::from_secs(10) });
        let members = [running(Permanent)];
        let mut window = Window::default();
        let mut at =
            |second| decide(&rules, &members, &mut window, 0, &failed(), Duration::from_secs(second));
        assert!(matches!(at(0), Verdict::Restart(Plan { count: 1, .. })));
        assert!(matches!(at(5), Verdict::Restart(Plan { count: 2, .. })));
        // The one at 0 still counts at 10, and no longer at 11.
        assert_eq!(at(10), Verdict::GiveUp { restarts: 3 });
        assert_eq!(at(11), Verdict::GiveUp { restarts: 3 });
        assert!(matches!(at(21), Verdict::Restart(Plan { count: 2, .. })));
        assert!(matches!(at(100), Verdict::Restart(Plan { count: 1, .. })));
    }

    #[test]
    fn intensity_nought_bears_no_restart() {
        let rules = Rules::new(OneForAll, Intensity { restarts: 0, within: Duration::from_secs(1) });
        let verdict =
            decide(&rules, &[running(Permanent)], &mut Window::default(), 0, &normal(), Duration::ZERO);
        assert_eq!(verdict, Verdict::GiveUp { restarts: 1 });
    }

    #[test]
    fn ends_without_a_restart_do_not_count() {
        let mut window = Window::default();
        let rules = Rules::new(OneForOne, MANY);
        for member in [running(Temporary), running(Transient)] {
            decide(&rules, &[member], &mut window, 0, &normal(), Duration::ZERO);
        }
        assert_eq!(window, Window::default());
    }

    #[test]
    fn significant_children_take_the_supervisor_with_them() {
        let significant = |restart, phase| Member { restart, significant: true, phase };
        let check = |auto_shutdown, members: &[Member], exit: &Exit, expected: &Verdict| {
            let rules = Rules { auto_shutdown, ..Rules::new(OneForOne, MANY) };
            let verdict = decide(&rules, members, &mut Window::default(), 0, exit, Duration::ZERO);
            assert_eq!(&verdict, expected, "{auto_shutdown:?} {members:?} {exit:?}");
        };
        let two_alive = [significant(Transient, Phase::Running), significant(Transient, Phase::Running)];
        let last = [significant(Transient, Phase::Running), significant(Transient, Phase::Idle)];
        let other_waits = [significant(Transient, Phase::Running), significant(Transient, Phase::Waiting)];
        let temporary = [significant(Temporary, Phase::Running)];
        let plain = [running(Transient), significant(Transient, Phase::Idle)];
        check(AutoShutdown::Never, &last, &normal(), &Verdict::Leave);
        check(AutoShutdown::AnySignificant, &two_alive, &normal(), &Verdict::ShutDown);
        check(AutoShutdown::AnySignificant, &plain, &normal(), &Verdict::Leave);
        check(AutoShutdown::AllSignificant, &two_alive, &normal(), &Verdict::Leave);
        check(AutoShutdown::AllSignificant, &other_waits, &normal(), &Verdict::Leave);
        check(AutoShutdown::AllSignificant, &last, &normal(), &Verdict::ShutDown);
        check(AutoShutdown::AllSignificant, &temporary, &failed(), &Verdict::ShutDown);
        // One that is started again has not ended for good.
        let restarted = Verdict::Restart(Plan { start: vec![0], count: 1, ..Plan::default() });
        check(AutoShutdown::AnySignificant, &two_alive, &failed(), &restarted);
    }

    fn any_member() -> impl Values<Value = Member> {
        let restart = prop_oneof![Just(Permanent), Just(Transient), Just(Temporary)];
        let phase =
            prop_oneof![Just(Phase::Running), Just(Phase::Waiting), Just(Phase::Idle), Just(Phase::Leaving)];
        (restart, any::<bool>(), phase).prop_map(|(restart, significant, phase)| Member {
            restart,
            significant,
            phase,
        })
    }

    proptest! {
        /// Beside the real thing, two booleans per child: is it up, is it there at all.
        #[test]
        fn carried_out_a_plan_leaves_up_who_should_be_up(
            members in proptest::collection::vec(any_member(), 1..8),
            who in any::<proptest::sample::Index>(),
            strategy in prop_oneof![Just(OneForOne), Just(OneForAll), Just(RestForOne)],
        ) {
            let who = who.index(members.len());
            let Verdict::Restart(plan) = decided(strategy, &members, who, &failed()) else {
                prop_assert_eq!(members[who].restart, Temporary);
                return Ok(());
            };
            let mut up: Vec<bool> = members.iter().map(|member| member.phase == Phase::Running).collect();
            up[who] = false;
            let mut there = vec![true; members.len()];
            for &place in &plan.stop {
                prop_assert!(up[place], "only who is up is ended, once");
                up[place] = false;
            }
            for &place in &plan.forget {
                prop_assert!(!up[place] && members[place].restart == Temporary);
                there[place] = false;
            }
            for &place in &plan.start {
                prop_assert!(there[place] && !up[place], "nobody is started over a living one");
                up[place] = true;
            }
            prop_assert!(plan.stop.is_sorted_by(|a, b| a > b), "ended in reverse");
            prop_assert!(plan.start.is_sorted_by(|a, b| a < b), "started in order");
            prop_assert!(up[who]);
            for (place, member) in members.iter().enumerate() {
                let touched = match strategy {
                    OneForOne => place == who,
                    OneForAll => true,
                    RestForOne => place >= who,
                };
                let expected = if !touched || member.phase == Phase::Leaving && place != who {
                    member.phase == Phase::Running
                } else {
                    member.restart != Temporary
                };
                prop_assert_eq!(up[place], expected, "place {}", place);
            }
        }
    }
}
