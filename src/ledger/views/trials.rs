//! How work at each bead has gone: failed sessions, when the next one may begin, what is kept of the failures.
//!
//! A bead is in here from the first session that ended as it should not have until it is closed.

use std::collections::BTreeMap;

use model::event::{Event, Record};
use model::ids::BeadId;
use model::recovery::{Failure, Strategy};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Failures that are kept of one bead: as many as an escalation tells of.
const KEPT: usize = 3;

/// How work at one bead has gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Failed sessions since the last one that handed something in, or since a person let it go on.
    pub failures: u32,
    /// When the last of them failed.
    pub failed_at: Option<Timestamp>,
    /// Ends in a row that were nobody's failure and brought the work no further.
    pub setbacks: u32,
    /// What followed from the last end.
    pub strategy: Option<Strategy>,
    /// The next session does not begin before.
    pub not_before: Option<Timestamp>,
    /// The failures that count, oldest first.
    pub failed: Vec<Failure>,
    /// The last end that was not as it should have been, whether it counts or not.
    pub last: Option<Failure>,
    /// How often the runtime itself took it from a worker that was gone.
    #[serde(default)]
    pub resets: u32,
}

impl Trial {
    /// Whether nobody goes on with it before a person says so.
    pub fn is_spent(&self) -> bool {
        self.strategy == Some(Strategy::Escalate)
    }

    fn forgive(&mut self) {
        *self = Trial { last: self.last.take(), ..Trial::default() };
    }
}

/// All beads at which sessions have ended as they should not have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trials {
    by_bead: BTreeMap<BeadId, Trial>,
}

impl Trials {
    /// How work at `bead` has gone; none when nothing has gone wrong.
    pub fn of(&self, bead: &BeadId) -> Option<&Trial> {
        self.by_bead.get(bead)
    }

    /// All beads at which something has gone wrong.
    pub fn iter(&self) -> impl Iterator<Item = (&BeadId, &Trial)> {
        self.by_bead.iter()
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::AgentVerdict {
                agent,
                session,
                bead: Some(bead),
                verdict,
                detail,
                context,
                exit_code,
                signal,
                doing,
                diff,
                strategy,
                until,
            } => {
                let known = self.by_bead.contains_key(bead);
                if !known && !verdict.is_abnormal() {
                    return;
                }
                let trial = self.by_bead.entry(bead.clone()).or_default();
                // One whose bead has gone elsewhere meanwhile says nothing about what follows.
                if strategy.is_some() {
                    trial.strategy = *strategy;
                    trial.not_before = *until;
                }
                if !verdict.is_abnormal() {
                    return;
                }
                let failure = Failure {
                    at: record.at,
                    agent: agent.clone(),
                    session: session.clone(),
                    verdict: *verdict,
                    detail: detail.clone(),
                    exit_code: *exit_code,
                    signal: *signal,
                    doing: doing.clone(),
                    diff: diff.clone(),
                    output: context.clone(),
                };
                if verdict.is_failure() {
                    trial.failures += 1;
                    trial.failed_at = Some(record.at);
                    trial.setbacks = 0;
                    trial.failed.push(failure.clone());
                    let more = trial.failed.len().saturating_sub(KEPT);
                    trial.failed.drain(..more);
                } else {
                    trial.setbacks += 1;
                }
                trial.last = Some(failure);
            }
            Event::BeadReset { bead, until, .. } => {
                let trial = self.by_bead.entry(bead.clone()).or_default();
                trial.resets += 1;
                trial.failures += 1;
                trial.failed_at = Some(record.at);
                trial.not_before = *until;
                trial.strategy = Some(if until.is_some() { Strategy::Reassign } else { Strategy::Escalate });
            }
            Event::WorkDone { bead, .. } | Event::BeadRecovered { bead, .. } => self.forgive(bead),
            Event::BeadSlung { bead, sling, .. } if sling.force => self.forgive(bead),
            Event::BeadClosed { bead, .. } => {
                self.by_bead.remove(bead);
            }
            _ => {}
        }
    }

    fn forgive(&mut self, bead: &BeadId) {
        if let Some(trial) = self.by_bead.get_mut(bead) {
            trial.forgive();
        }
    }
}
