//! How long each bead was where, folded from the log.

use std::collections::BTreeMap;

use model::event::{Event, Record};
use model::ids::{BeadId, MergeId, Seq};
use model::role::Address;
use model::time::Timestamp;

use super::Landed;

/// Where a bead is on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// On its way nowhere.
    #[default]
    Still,
    /// Waits for a worker.
    Waiting,
    /// Is worked at.
    Working,
    /// Is handed in.
    Queued,
}

/// One bead on its way.
#[derive(Debug, Clone, Default)]
struct Way {
    slung: Option<Timestamp>,
    phase: Phase,
    since: Timestamp,
    waiting_ms: u64,
    work_ms: u64,
    queued_ms: u64,
    gate_ms: u64,
    attempts: u32,
    given_back: Vec<String>,
    reason: Option<String>,
    landed: Option<(Seq, Landed)>,
}

impl Way {
    /// Ends a phase and begins the next.
    fn enter(&mut self, phase: Phase, at: Timestamp) {
        let spent = ms(at, self.since);
        match self.phase {
            Phase::Still => {}
            Phase::Waiting => self.waiting_ms += spent,
            Phase::Working => self.work_ms += spent,
            Phase::Queued => self.queued_ms += spent,
        }
        (self.phase, self.since) = (phase, at);
    }
}

fn ms(later: Timestamp, earlier: Timestamp) -> u64 {
    u64::try_from(later.since(earlier).as_millis()).unwrap_or(u64::MAX)
}

/// The ways of all beads that were ever slung.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    since: Seq,
    ways: BTreeMap<BeadId, Way>,
    merges: BTreeMap<MergeId, BeadId>,
    first: Option<Timestamp>,
    last: Timestamp,
}

impl Chronicle {
    /// A chronicle that tells of landings after the record `since`.
    pub(super) fn since(since: Seq) -> Self {
        Self { since, ..Self::default() }
    }

    /// What landed, in order; titles are left empty.
    pub(super) fn landed(&self) -> impl Iterator<Item = Landed> {
        let mut landed: Vec<&(Seq, Landed)> =
            self.ways.values().filter_map(|way| way.landed.as_ref()).collect();
        landed.retain(|(seq, _)| *seq > self.since);
        landed.sort_by_key(|(seq, _)| *seq);
        landed.into_iter().map(|(_, landed)| landed.clone()).collect::<Vec<_>>().into_iter()
    }

    /// What was slung and has not landed since.
    pub(super) fn begun(&self) -> impl Iterator<Item = &BeadId> {
        self.ways.iter().filter(|(_, way)| way.slung.is_some() && way.landed.is_none()).map(|(id, _)| id)
    }

    /// What was last said about a bead's status.
    pub(super) fn last_reason(&self, bead: &BeadId) -> Option<&str> {
        self.ways.get(bead).and_then(|way| way.reason.as_deref())
    }

    /// From the first record of the run to the last.
    pub(super) fn duration_ms(&self) -> u64 {
        self.first.map_or(0, |first| ms(self.last, first))
    }

    /// Takes in the next record.
    pub(super) fn take(&mut self, record: &Record) {
        let at = record.at;
        if record.seq > self.since {
            self.first.get_or_insert(at);
            self.last = at;
        }
        match &record.event {
            Event::BeadSlung { bead, .. } => {
                let way = self.ways.entry(bead.clone()).or_default();
                if way.landed.is_some() {
                    // Opened again: another way begins.
                    *way = Way::default();
                }
                way.slung.get_or_insert(at);
                way.enter(Phase::Waiting, at);
            }
            Event::HookSet { bead, .. } => self.enter(bead, Phase::Working, at),
            Event::WorkDone { bead, .. } => self.enter(bead, Phase::Queued, at),
            Event::HookCleared { bead, .. } | Event::BeadUnslung { bead, .. } => {
                self.enter(bead, Phase::Still, at);
            }
            Event::BeadStatusChanged { bead, reason, .. } => {
                if let Some(way) = self.ways.get_mut(bead) {
                    way.reason.clone_from(reason);
                }
            }
            Event::MqSubmitted { merge } => {
                self.merges.insert(merge.id.clone(), merge.bead.clone());
                if let Some(way) = self.ways.get_mut(&merge.bead) {
                    way.attempts = merge.attempts;
                }
            }
            Event::MqGate { merge, result, .. } => {
                if let Some(way) = self.merges.get(merge).and_then(|bead| self.ways.get_mut(bead)) {
                    way.gate_ms += result.duration_ms;
                }
            }
            Event::MqRejected { bead, rejection, .. } => {
                self.enter(bead, Phase::Working, at);
                if let Some(way) = self.ways.get_mut(bead) {
                    way.given_back.push(rejection.headline());
                }
            }
            Event::MqLanded { merge, bead, worker, commit, target } => {
                self.land(record, merge, bead, worker, commit, target);
            }
            _ => {}
        }
    }

    fn enter(&mut self, bead: &BeadId, phase: Phase, at: Timestamp) {
        if let Some(way) = self.ways.get_mut(bead) {
            way.enter(phase, at);
        }
    }

    fn land(
        &mut self,
        record: &Record,
        merge: &MergeId,
        bead: &BeadId,
        worker: &Address,
        commit: &str,
        target: &str,
    ) {
        let Some(way) = self.ways.get_mut(bead) else { return };
        way.enter(Phase::Still, record.at);
        let landed = Landed {
            bead: bead.clone(),
            title: String::new(),
            rig: worker.rig().cloned(),
            target: target.to_owned(),
            polecat: worker.clone(),
            merge: merge.clone(),
            merge_commit: commit.to_owned(),
            attempts: way.attempts,
            given_back: way.given_back.clone(),
            waiting_ms: way.waiting_ms,
            work_ms: way.work_ms,
            queued_ms: way.queued_ms.saturating_sub(way.gate_ms),
            gate_ms: way.gate_ms,
            total_ms: way.slung.map_or(0, |slung| ms(record.at, slung)),
        };
        way.landed = Some((record.seq, landed));
    }
}
