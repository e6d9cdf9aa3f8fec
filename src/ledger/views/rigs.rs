//! The projects of the town, as far as the ledger has to know them.

use std::collections::BTreeMap;

use model::agent::Verdict;
use model::answer::Pause;
use model::event::{Event, Record};
use model::ids::{Prefix, RigName};
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rig {
    /// Its name.
    pub name: RigName,
    /// Where its repository is.
    pub git_url: String,
    /// The prefix of its beads.
    pub prefix: Prefix,
    /// The branch that work lands on.
    pub branch: String,
    /// Since when.
    pub added_at: Timestamp,
    /// Why it is given no work, if it is not.
    #[serde(default)]
    pub parked: Option<Parked>,
    /// Whether its actors were stopped.
    #[serde(default)]
    pub stopped: bool,
    /// When one of its workers was last given work.
    #[serde(default)]
    pub assigned_at: Option<Timestamp>,
    /// How many of its workers' sessions in a row have ended because they are to log in, need a key or trust.
    #[serde(default)]
    pub refused: u32,
}

/// Why a rig is given no work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// Since when, by whom and why.
    pub pause: Pause,
    /// Whether what hangs on its hooks waits, too.
    pub now: bool,
}

impl Rig {
    /// Whether none of its workers is to have a session.
    pub fn is_halted(&self) -> bool {
        self.stopped || self.parked.as_ref().is_some_and(|parked| parked.now)
    }
}

/// All projects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rigs {
    by_name: BTreeMap<RigName, Rig>,
}

impl Rigs {
    /// The project called `name`.
    pub fn get(&self, name: &RigName) -> Option<&Rig> {
        self.by_name.get(name)
    }

    /// All projects, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Rig> {
        self.by_name.values()
    }

    /// The project whose beads begin with `prefix`.
    pub fn by_prefix(&self, prefix: &str) -> Option<&Rig> {
        self.iter().find(|rig| rig.prefix.as_str() == prefix)
    }

    /// Whether no worker of `rig` is to have a session.
    pub fn is_halted(&self, rig: &RigName) -> bool {
        self.get(rig).is_some_and(Rig::is_halted)
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::RigAdded { rig, git_url, prefix, branch } => {
                self.by_name.insert(
                    rig.clone(),
                    Rig {
                        name: rig.clone(),
                        git_url: git_url.clone(),
                        prefix: prefix.clone(),
                        branch: branch.clone(),
                        added_at: record.at,
                        parked: None,
                        stopped: false,
                        assigned_at: None,
                        refused: 0,
                    },
                );
            }
            Event::RigParked { rig, reason, now } => self.change(rig, |rig| {
                let pause = Pause { since: record.at, by: record.actor.clone(), reason: reason.clone() };
                rig.parked = Some(Parked { pause, now: *now });
            }),
            Event::RigUnparked { rig } => self.change(rig, |rig| rig.parked = None),
            Event::RigStopped { rig } => self.change(rig, |rig| rig.stopped = true),
            Event::RigStarted { rig } => self.change(rig, |rig| rig.stopped = false),
            // A new life of the town begins with all of its rigs.
            Event::TownStarted { .. } => self.by_name.values_mut().for_each(|rig| rig.stopped = false),
            Event::HookSet { agent, .. } => {
                if let Some(rig) = agent.rig() {
                    self.change(rig, |rig| rig.assigned_at = Some(record.at));
                }
            }
            Event::AgentVerdict { agent: Address::Polecat(rig, _), verdict, .. } => {
                let refused =
                    matches!(verdict, Verdict::AsksLogin | Verdict::AsksTrust | Verdict::KeyRefused);
                self.change(rig, |rig| rig.refused = if refused { rig.refused + 1 } else { 0 });
            }
            // A person has seen to it.
            Event::AgentHeld { agent: Address::Polecat(rig, _), held: false, .. } => {
                self.change(rig, |rig| rig.refused = 0);
            }
            Event::BeadRecovered { bead, .. } => {
                let here = |rig: &&mut Rig| rig.prefix.as_str() == bead.prefix();
                self.by_name.values_mut().filter(here).for_each(|rig| rig.refused = 0);
            }
            _ => {}
        }
    }

    fn change(&mut self, rig: &RigName, change: impl FnOnce(&mut Rig)) {
        if let Some(rig) = self.by_name.get_mut(rig) {
            change(rig);
        }
    }
}
