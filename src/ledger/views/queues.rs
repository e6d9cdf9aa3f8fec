//! What the merge queue of each rig knows: the fold of its own records.

use std::collections::BTreeMap;

use model::event::{Event, Record};
use model::ids::RigName;
use model::merge::GateResult;
use queue::{Rules, State};
use serde::{Deserialize, Serialize};

/// Baseline runs that are remembered for each rig.
const BASELINES: usize = 8;

/// The queue of one rig.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RigQueue {
    /// What it knows.
    pub state: State,
    /// The target's head that [`State::epoch`] stands for.
    #[serde(default)]
    pub head: Option<String>,
    /// What it goes by.
    #[serde(default)]
    pub rules: Rules,
    /// How many gate runs at once; none as long as no refinery has said so.
    #[serde(default)]
    pub runners: usize,
    /// A digest of the gates that it has run last.
    #[serde(default)]
    pub gates: String,
    /// Why nothing but hot fixes lands, if that is so.
    #[serde(default)]
    pub frozen: Option<String>,
    /// How often each gate was red and green on one tree.
    #[serde(default)]
    pub flaky: BTreeMap<String, u64>,
    /// The last gate runs on the target as it was then, oldest first.
    #[serde(default)]
    pub baselines: Vec<GateResult>,
}

/// All queues.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Queues(BTreeMap<RigName, RigQueue>);

impl Queues {
    /// The queue of `rig`, if it has ever done anything.
    pub fn get(&self, rig: &RigName) -> Option<&RigQueue> {
        self.0.get(rig)
    }

    fn of(&mut self, rig: &RigName) -> &mut RigQueue {
        self.0.entry(rig.clone()).or_default()
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::MqQueue { rig, records } => {
                let queue = self.of(rig);
                records.iter().for_each(|record| queue.state.apply(record));
            }
            Event::MqBase { rig, head } => self.of(rig).head = Some(head.clone()),
            Event::MqRules { rig, rules, runners, gates } => {
                let queue = self.of(rig);
                (queue.rules, queue.runners, queue.gates) = (rules.clone(), *runners, gates.clone());
            }
            Event::MqBaseline { rig, result } => {
                let queue = self.of(rig);
                queue.baselines.push(result.clone());
                let old = queue.baselines.len().saturating_sub(BASELINES);
                queue.baselines.drain(..old);
            }
            Event::MqFlaky { rig, gate, .. } => *self.of(rig).flaky.entry(gate.clone()).or_default() += 1,
            Event::MqFrozen { rig, reason } => self.of(rig).frozen = Some(reason.clone()),
            Event::MqThawed { rig } => self.of(rig).frozen = None,
            _ => {}
        }
    }
}
