//! Running formulas: which steps are done.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Event, PouredStep, Record};
use model::ids::{BeadId, MolId, Seq};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One running formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mol {
    /// Its name.
    pub id: MolId,
    /// The bead that it guides.
    pub bead: BeadId,
    /// The formula that it was made from.
    pub formula: String,
    /// Its steps, in an order in which they can be done.
    pub steps: Vec<PouredStep>,
    /// Those that are done.
    pub done: BTreeSet<String>,
    /// The step that was done last, and the record that says so.
    #[serde(default)]
    pub last: Option<(String, Seq)>,
    /// When the last one was done.
    pub completed_at: Option<Timestamp>,
}

impl Mol {
    /// Whether all that `step` needs is done.
    pub fn is_ready(&self, step: &PouredStep) -> bool {
        !self.done.contains(&step.id) && step.needs.iter().all(|need| self.done.contains(need))
    }

    /// Whether the session that began with the record `begun` is over because it has done its own step, and
    /// others are left.
    pub fn is_turn_over(&self, begun: Seq) -> bool {
        let Some((step, at)) = &self.last else { return false };
        let own = self.steps.iter().any(|known| known.id == *step && known.own_session);
        own && *at > begun && self.current().is_some()
    }

    /// The first step that can be done now.
    pub fn current(&self) -> Option<&PouredStep> {
        self.steps.iter().find(|step| self.is_ready(step))
    }
}

/// All molecules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mols {
    by_id: BTreeMap<MolId, Mol>,
}

impl Mols {
    /// The molecule called `id`.
    pub fn get(&self, id: &MolId) -> Option<&Mol> {
        self.by_id.get(id)
    }

    /// How many there have ever been.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::MolCreated { mol, bead, formula, steps } => {
                self.by_id.insert(
                    mol.clone(),
                    Mol {
                        id: mol.clone(),
                        bead: bead.clone(),
                        formula: formula.clone(),
                        steps: steps.clone(),
                        done: BTreeSet::new(),
                        last: None,
                        completed_at: None,
                    },
                );
            }
            Event::MolStepCompleted { mol, step } => {
                if let Some(mol) = self.by_id.get_mut(mol) {
                    mol.done.insert(step.clone());
                    mol.last = Some((step.clone(), record.seq));
                }
            }
            Event::MolCompleted { mol } => {
                if let Some(mol) = self.by_id.get_mut(mol) {
                    mol.completed_at = Some(record.at);
                }
            }
            _ => {}
        }
    }
}
