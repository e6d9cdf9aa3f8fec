//! Who holds what, and what waits for a holder.

use std::collections::BTreeMap;

use model::command::Sling;
use model::event::{Event, Record};
use model::hook::{Hook, Stage};
use model::ids::{BeadId, RigName, Seq};
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A bead that was slung and waits for a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// What.
    pub bead: BeadId,
    /// In which rig.
    pub rig: RigName,
    /// For this worker alone.
    pub worker: Option<Address>,
    /// What was asked.
    pub sling: Sling,
    /// The record that it was slung with: its age.
    pub seq: Seq,
    /// Since when.
    pub since: Timestamp,
}

/// The hooks by agent, and the beads that wait for one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hooks {
    by_agent: BTreeMap<Address, Hook>,
    by_bead: BTreeMap<BeadId, Address>,
    waiting: BTreeMap<BeadId, Waiting>,
}

impl Hooks {
    /// What hangs on `agent`'s hook.
    pub fn of(&self, agent: &Address) -> Option<&Hook> {
        self.by_agent.get(agent)
    }

    /// Who holds `bead`.
    pub fn holder(&self, bead: &BeadId) -> Option<&Address> {
        self.by_bead.get(bead)
    }

    /// The hook that `bead` hangs on.
    pub fn on(&self, bead: &BeadId) -> Option<&Hook> {
        self.holder(bead).and_then(|agent| self.of(agent))
    }

    /// All hooks that hold something, by agent.
    pub fn iter(&self) -> impl Iterator<Item = &Hook> {
        self.by_agent.values()
    }

    /// The hooks that hold something in `rig`.
    pub fn in_rig(&self, rig: &RigName) -> impl Iterator<Item = &Hook> {
        self.iter().filter(move |hook| hook.agent.rig() == Some(rig))
    }

    /// The wait of `bead`, if it waits.
    pub fn waiting(&self, bead: &BeadId) -> Option<&Waiting> {
        self.waiting.get(bead)
    }

    /// All that wait, by bead.
    pub fn all_waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values()
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::BeadSlung { bead, rig, worker, sling } => {
                self.waiting.insert(
                    bead.clone(),
                    Waiting {
                        bead: bead.clone(),
                        rig: rig.clone(),
                        worker: worker.clone(),
                        sling: sling.clone(),
                        seq: record.seq,
                        since: record.at,
                    },
                );
            }
            Event::BeadUnslung { bead, .. } | Event::BeadClosed { bead, .. } => {
                self.waiting.remove(bead);
            }
            Event::HookSet { agent, bead, mol, preset, args } => {
                self.waiting.remove(bead);
                self.by_bead.insert(bead.clone(), agent.clone());
                self.by_agent.insert(
                    agent.clone(),
                    Hook {
                        agent: agent.clone(),
                        bead: bead.clone(),
                        since: record.at,
                        stage: Stage::Working,
                        mol: mol.clone(),
                        preset: preset.clone(),
                        args: args.clone(),
                        attempt: 0,
                        checked: false,
                    },
                );
            }
            Event::HookCleared { agent, bead, .. } => {
                self.by_bead.remove(bead);
                self.by_agent.remove(agent);
            }
            Event::HookMoved { from, to, bead, .. } => {
                if let Some(hook) = self.by_agent.remove(from) {
                    self.by_bead.insert(bead.clone(), to.clone());
                    self.by_agent.insert(to.clone(), Hook { agent: to.clone(), checked: false, ..hook });
                }
            }
            Event::HookChecked { agent, .. } => self.change(agent, |hook| hook.checked = true),
            Event::AgentStarted { agent, .. } => self.change(agent, |hook| hook.checked = false),
            Event::WorkDone { agent, .. } => self.change(agent, |hook| {
                hook.stage = Stage::Submitted;
                hook.attempt += 1;
            }),
            Event::MqRejected { worker, rejection, .. } => {
                self.change(worker, |hook| hook.stage = Stage::Rework { rejection: rejection.clone() });
            }
            Event::MqSubmitted { merge } => self.change(&merge.worker, |hook| hook.stage = Stage::Submitted),
            Event::MqLanded { worker, .. } => self.change(worker, |hook| hook.stage = Stage::Landed),
            _ => {}
        }
    }

    fn change(&mut self, agent: &Address, change: impl FnOnce(&mut Hook)) {
        if let Some(hook) = self.by_agent.get_mut(agent) {
            change(hook);
        }
    }
}
