//! What follows from red sets: who is suspected, who is convicted, which runs can teach nothing any more.

use model::ids::MergeId;

use crate::record::{Aim, Run, RunId};
use crate::rules::{Confirm, Rules};
use crate::state::{Red, State, Target};

/// With gates that are reliable, one conviction in this many is still tried twice, to notice when they are not.
const SAMPLE: u64 = 8;

/// How often a change is tried before it is evicted, at most: the run that showed it, and once more.
const TRIES: u32 = 2;

/// Who may be to blame for a red set, in the order of its stack: those that no green run has cleared, or else all.
pub(crate) fn suspects<'a>(state: &State, red: &'a Red) -> Vec<&'a MergeId> {
    let uncleared: Vec<&MergeId> = red.members.iter().filter(|id| !is_cleared(state, id)).collect();
    if uncleared.is_empty() { red.members.iter().collect() } else { uncleared }
}

pub(crate) fn is_cleared(state: &State, id: &MergeId) -> bool {
    state.entries.get(id).is_some_and(|entry| entry.cleared.is_some())
}

/// Red sets of nothing but cleared changes: good apart, bad together or with what has landed since.
pub(crate) fn discords(state: &State) -> impl Iterator<Item = &Red> {
    state.reds.iter().filter(|red| red.members.iter().all(|id| is_cleared(state, id)))
}

/// The red sets that a search has to look into, with their suspects: of two that say the same, the smaller.
pub(crate) fn open(state: &State) -> Vec<(&Red, Vec<&MergeId>)> {
    let all: Vec<(&Red, Vec<&MergeId>)> = state.reds.iter().map(|red| (red, suspects(state, red))).collect();
    let within = |small: &[&MergeId], large: &[&MergeId]| small.iter().all(|id| large.contains(id));
    let explained = |n: usize| {
        let (red, whole) = &all[n];
        all.iter().enumerate().any(|(m, (other, part))| {
            let smaller =
                (part.len() < whole.len() || (part.len() == whole.len() && m < n)) && within(part, whole);
            let below = other.members.len() < red.members.len()
                && other.members.iter().all(|id| red.members.contains(id));
            m != n && (smaller || below)
        })
    };
    let open: Vec<bool> = (0..all.len()).map(|n| !explained(n)).collect();
    all.into_iter().zip(open).filter(|(_, open)| *open).map(|(red, _)| red).collect()
}

/// How sure it is that the last member of a red set is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// The run may have been red because the target was.
    Unsound,
    /// Not sure enough; `weight` as in [`Aim::Confirm`].
    Once {
        /// How many cases of the kind are let pass without a second run.
        weight: u32,
    },
    /// Sure.
    Convicted(RunId),
}

/// Those of whom a red set has no other member left, with what there is against them.
pub(crate) fn cases(state: &State, rules: &Rules) -> Vec<(MergeId, Case)> {
    let mut cases: Vec<(MergeId, Case)> = Vec::new();
    if state.target == Target::Red {
        return cases;
    }
    for red in &state.reds {
        if let [id] = &red.members[..]
            && cases.iter().all(|(known, _)| known != id)
        {
            cases.push((id.clone(), case(state, rules, id)));
        }
    }
    cases
}

fn case(state: &State, rules: &Rules, id: &MergeId) -> Case {
    let mut times = 0;
    let mut shown = None;
    for red in state.reds.iter().filter(|red| red.sound && matches!(&red.members[..], [only] if only == id)) {
        times += red.times;
        shown = Some(red.run);
    }
    let Some(shown) = shown else { return Case::Unsound };
    if times >= TRIES {
        return Case::Convicted(shown);
    }
    let sure = rules.confirm == Confirm::Adaptive && chance_of_innocence(state, id, times) <= rules.risk;
    if !sure {
        Case::Once { weight: 1 }
    } else if mix(shown.0).is_multiple_of(SAMPLE) {
        Case::Once { weight: SAMPLE as u32 }
    } else {
        Case::Convicted(shown)
    }
}

/// How likely it is, for an innocent change, to get into this place: each of the runs that are about it alone was
/// red by the gate's mood, and every larger red set has another cause.
fn chance_of_innocence(state: &State, id: &MergeId, times: u32) -> f64 {
    let flake = state.tally.flake().mean();
    let others = state.reds.iter().filter(|red| red.members.len() > 1 && red.members.contains(id));
    let other_cause = others.map(|red| red.members.len() - 1).min().map_or(1.0, |others| {
        let none = state.tally.failure().none_of(others);
        (1.0 - none + flake).min(1.0)
    });
    flake.powi(i32::try_from(times).unwrap_or(i32::MAX)) * other_cause
}

/// A run under way that is to be ended: its change has gone, or its verdict is clear or without use.
pub(crate) fn idle_run(state: &State) -> Option<RunId> {
    let idle = |run: &Run| {
        if run.aim == Aim::Baseline {
            return run.epoch != state.epoch || state.target != Target::Unknown;
        }
        // What landed has left the stack; what is missing now has gone for another reason.
        run.stack.is_empty()
            || run.stack.iter().any(|id| state.entries.get(id).is_none_or(|entry| entry.held))
            || doomed(state, run.aim, &run.stack)
            || (run.epoch != state.epoch && clears_nobody(state, run))
    };
    state.flights.values().find(|flight| idle(&flight.run)).map(|flight| flight.run.id)
}

fn clears_nobody(state: &State, run: &Run) -> bool {
    matches!(run.aim, Aim::Fresh | Aim::Search | Aim::Ahead)
        && run.stack.iter().all(|id| is_cleared(state, id))
}

/// Whether a run of `stack` can only be red: all of a red set is in it.
pub(crate) fn doomed(state: &State, aim: Aim, stack: &[MergeId]) -> bool {
    !matches!(aim, Aim::Confirm { .. } | Aim::Mend)
        && state.reds.iter().any(|red| red.members.iter().all(|id| stack.contains(id)))
}

/// Spreads numbers evenly, so that a sample has no pattern.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
