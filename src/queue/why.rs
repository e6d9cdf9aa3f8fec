//! Why a request stands where it stands, for people.

use model::ids::MergeId;
use serde::{Deserialize, Serialize};

use crate::evidence;
use crate::order;
use crate::record::RunId;
use crate::rules::Rules;
use crate::state::{State, Target};

/// What a request waits for: the first of these that is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "waits")]
pub enum Why {
    /// It is being pushed.
    Landing,
    /// Somebody holds it.
    Held,
    /// The queue is frozen, and it is no hot fix.
    Frozen,
    /// The target is red.
    TargetRed,
    /// Others have to land before it.
    After {
        /// Which.
        needed: Vec<MergeId>,
    },
    /// It cannot be merged onto others before it, until they have landed or gone.
    Clash {
        /// Which.
        with: Vec<MergeId>,
    },
    /// A run tests it.
    Tested {
        /// Which.
        run: RunId,
        /// What is in that run with it.
        with: Vec<MergeId>,
    },
    /// It was red together with others, one of which is to blame.
    Suspected {
        /// The red run.
        run: RunId,
        /// The others.
        with: Vec<MergeId>,
    },
    /// It was green; the target moved meanwhile, and it lands with the next green run.
    Cleared {
        /// The green run.
        run: RunId,
    },
    /// It waits for its turn.
    Turn {
        /// How many are before it.
        ahead: usize,
    },
}

/// Says what `id` waits for; nothing when it is not in the queue.
pub fn why(state: &State, rules: &Rules, id: &MergeId) -> Option<Why> {
    let entry = state.entries.get(id)?;
    let others =
        |all: &[&MergeId]| all.iter().filter(|other| **other != id).map(|id| (*id).clone()).collect();
    if state.landing.as_ref().is_some_and(|landing| landing.stack.contains(id)) {
        return Some(Why::Landing);
    }
    if entry.held {
        return Some(Why::Held);
    }
    if state.frozen && !entry.request.hot {
        return Some(Why::Frozen);
    }
    let in_run = state.flights.values().rev().find(|flight| flight.run.stack.contains(id));
    if let Some(flight) = in_run {
        let with = others(&flight.run.stack.iter().collect::<Vec<_>>());
        return Some(Why::Tested { run: flight.run.id, with });
    }
    if state.target == Target::Red {
        return Some(Why::TargetRed);
    }
    if !entry.request.after.is_empty() && entry.cleared.is_none() {
        return Some(Why::After { needed: entry.request.after.iter().cloned().collect() });
    }
    if !entry.clash.is_empty() {
        return Some(Why::Clash { with: entry.clash.iter().cloned().collect() });
    }
    if let Some((red, suspects)) = evidence::open(state).iter().find(|(_, suspects)| suspects.contains(&id)) {
        return Some(Why::Suspected { run: red.run, with: others(suspects) });
    }
    if let Some(cleared) = entry.cleared {
        return Some(Why::Cleared { run: cleared.run });
    }
    let ahead = order::order(state, rules).iter().position(|other| other.request.id == *id)?;
    Some(Why::Turn { ahead })
}
