//! Cleared changes: they were green in a run that could not land, because the target had moved. They ride under
//! every later run, and the first of those that is green lands them too.

use std::collections::BTreeSet;

use model::ids::MergeId;

use crate::evidence;
use crate::state::{Cleared, Entry, State};

/// Cleared changes are taken along as long as it is at least this likely that they go together.
const TRUST: f64 = 0.7;

/// A doubt about what rides along that is worth a run.
const DOUBT: f64 = 0.25;

/// What rides under the next run, in order.
pub(crate) fn load(state: &State) -> Vec<MergeId> {
    let suspects: BTreeSet<&MergeId> = evidence::discords(state).flat_map(|red| red.members.iter()).collect();
    let mut cleared: Vec<(Cleared, &Entry)> = state
        .entries
        .values()
        .filter_map(|entry| Some((entry.cleared?, entry)))
        .filter(|(_, entry)| !entry.held && !suspects.contains(&entry.request.id))
        .collect();
    cleared.sort_by_key(|(cleared, _)| *cleared);
    let mut load: Vec<MergeId> = Vec::new();
    let mut pairs = Pairs::default();
    for (cleared, entry) in cleared {
        let fits = entry.clash.is_empty() && entry.request.after.iter().all(|id| load.contains(id));
        if !fits {
            continue;
        }
        pairs.add(state.landed, cleared);
        if !load.is_empty() && state.tally.discord().none_of_pairs(pairs.count) < TRUST {
            break;
        }
        load.push(entry.request.id.clone());
    }
    load
}

/// How many pairs of cleared changes among `stack`, and of these and the `landed` ones below, no green run has seen.
pub(crate) fn strange_pairs(state: &State, stack: &[MergeId], landed: u64) -> f64 {
    let mut pairs = Pairs::default();
    let mut cleared: Vec<Cleared> = stack.iter().filter_map(|id| state.entries.get(id)?.cleared).collect();
    cleared.sort();
    for cleared in cleared {
        pairs.add(landed, cleared);
    }
    pairs.count
}

/// Whether a run of nothing but `load` is worth it: so many runs were red with some of it below them that it is
/// likely to be to blame.
pub(crate) fn doubtful(state: &State, load: &[MergeId]) -> bool {
    if load.is_empty() {
        return false;
    }
    let discord = 1.0 - state.tally.discord().none_of_pairs(strange_pairs(state, load, state.landed));
    // A group of fresh changes is red half the time by itself, so each such run doubles the odds.
    let reds = state.reds.iter().filter(|red| red.members.iter().any(|id| load.contains(id))).count();
    discord * 2.0_f64.powi(i32::try_from(reds).unwrap_or(i32::MAX)) >= DOUBT
}

/// A running count of pairs, for changes that come in the order of their runs.
#[derive(Debug, Default)]
struct Pairs {
    count: f64,
    before: u64,
    same: u64,
    run: Option<crate::RunId>,
}

impl Pairs {
    fn add(&mut self, landed: u64, cleared: Cleared) {
        if self.run != Some(cleared.run) {
            self.before += self.same;
            (self.same, self.run) = (0, Some(cleared.run));
        }
        self.same += 1;
        self.count += (self.before + landed.saturating_sub(cleared.landed)) as f64;
    }
}

impl crate::tally::Beta {
    /// The probability that none of `pairs` disturb one another, near enough for rates as small as these.
    fn none_of_pairs(self, pairs: f64) -> f64 {
        (1.0 - self.mean()).powf(pairs)
    }
}
