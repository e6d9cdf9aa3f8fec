//! The merge queue of each rig.

use std::collections::BTreeMap;

use model::event::{Event, Record};
use model::ids::{BeadId, MergeId, RigName, Seq};
use model::merge::{MergeRequest, MergeState};
use serde::{Deserialize, Serialize};

/// All merge requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Merges {
    by_id: BTreeMap<MergeId, MergeRequest>,
    by_bead: BTreeMap<BeadId, MergeId>,
}

impl Merges {
    /// The request called `id`.
    pub fn get(&self, id: &MergeId) -> Option<&MergeRequest> {
        self.by_id.get(id)
    }

    /// The newest request for `bead`.
    pub fn of_bead(&self, bead: &BeadId) -> Option<&MergeRequest> {
        self.by_bead.get(bead).and_then(|id| self.get(id))
    }

    /// All requests, by name.
    pub fn iter(&self) -> impl Iterator<Item = &MergeRequest> {
        self.by_id.values()
    }

    /// How many there have ever been.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// What the refinery of `rig` still has to do, in the order of the queue: what is already being
    /// pushed, then by urgency, then by age.
    pub fn queue(&self, rig: &RigName) -> Vec<&MergeRequest> {
        let mut open: Vec<&MergeRequest> =
            self.iter().filter(|merge| merge.rig == *rig && merge.state.is_open()).collect();
        open.sort_by_key(|merge| {
            (!matches!(merge.state, MergeState::Pushing { .. }), merge.priority, merge.queued_at)
        });
        open
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::MqSubmitted { merge } => {
                let mut merge = (**merge).clone();
                // The number of the record is known only now.
                if merge.queued_at == Seq::default() {
                    merge.queued_at = record.seq;
                }
                self.by_bead.insert(merge.bead.clone(), merge.id.clone());
                self.by_id.insert(merge.id.clone(), merge);
            }
            Event::MqTesting { merge, .. } => self.set(merge, MergeState::Testing),
            Event::MqGate { merge, result, with } => {
                for merge in std::iter::once(merge).chain(with) {
                    if let Some(merge) = self.by_id.get_mut(merge) {
                        merge.gates.push(result.clone());
                    }
                }
            }
            Event::MqPushing { merge, base, commit, own } => {
                let (base, commit, own) = (base.clone(), commit.clone(), own.clone());
                self.set(merge, MergeState::Pushing { base, commit, own });
            }
            Event::MqLanded { merge, commit, .. } => {
                self.set(merge, MergeState::Landed { commit: commit.clone() });
                if let Some(merge) = self.by_id.get_mut(merge) {
                    merge.landed_at = Some(record.at);
                    // What a gate said of it once is in its log.
                    merge.gates.iter_mut().for_each(|run| run.excerpt = String::new());
                }
            }
            Event::MqRejected { merge, rejection, .. } => {
                if let Some(merge) = self.by_id.get_mut(merge) {
                    merge.faults = merge.faults_after(rejection);
                    merge.tried_on = rejection.base().map(str::to_owned);
                }
                self.set(merge, MergeState::Rejected { rejection: rejection.clone() });
            }
            Event::MqRequeued { merge, .. } => self.set(merge, MergeState::Queued),
            Event::MqHeld { merge, why, hint } => {
                self.set(merge, MergeState::Held { why: why.clone(), hint: hint.clone() });
            }
            Event::MqWithdrawn { merge, why } => {
                self.set(merge, MergeState::Withdrawn { why: why.clone() });
            }
            Event::MqKept { merge, reason } => {
                if let Some(merge) = self.by_id.get_mut(merge) {
                    merge.kept = reason.clone();
                }
            }
            Event::MqPrioritised { merge, priority, hot } => {
                if let Some(merge) = self.by_id.get_mut(merge) {
                    (merge.priority, merge.hot) = (*priority, *hot);
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, id: &MergeId, state: MergeState) {
        if let Some(merge) = self.by_id.get_mut(id) {
            merge.state = state;
        }
    }
}
