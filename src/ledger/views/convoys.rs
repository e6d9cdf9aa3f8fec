//! Beads that travel together.

use std::collections::{BTreeMap, BTreeSet};

use model::convoy::Convoy;
use model::event::{Event, Record};
use model::ids::{BeadId, ConvoyId};
use serde::{Deserialize, Serialize};

/// All convoys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Convoys {
    by_id: BTreeMap<ConvoyId, Convoy>,
    /// Beads that somebody has taken back since they were slung last: nobody slings them by itself.
    #[serde(default)]
    taken_back: BTreeSet<BeadId>,
}

impl Convoys {
    /// The convoy called `id`.
    pub fn get(&self, id: &ConvoyId) -> Option<&Convoy> {
        self.by_id.get(id)
    }

    /// All convoys, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Convoy> {
        self.by_id.values()
    }

    /// The open convoys that `bead` travels in.
    pub fn with(&self, bead: &BeadId) -> impl Iterator<Item = &Convoy> {
        self.iter().filter(move |convoy| convoy.closed_at.is_none() && convoy.beads.contains(bead))
    }

    /// Whether somebody has taken `bead` back since it was slung last.
    pub fn is_taken_back(&self, bead: &BeadId) -> bool {
        self.taken_back.contains(bead)
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::ConvoyCreated { convoy } => {
                self.by_id.insert(convoy.id.clone(), convoy.clone());
            }
            Event::ConvoyGrown { convoy, beads } => {
                if let Some(convoy) = self.by_id.get_mut(convoy) {
                    convoy.beads.extend(beads.iter().cloned());
                    convoy.closed_at = None;
                }
            }
            Event::BeadUnslung { bead, .. } => {
                self.taken_back.insert(bead.clone());
            }
            Event::HookCleared { bead, reason, .. } if reason == "unslung" => {
                self.taken_back.insert(bead.clone());
            }
            Event::BeadSlung { bead, .. } | Event::BeadClosed { bead, .. } => {
                self.taken_back.remove(bead);
            }
            Event::ConvoyClosed { convoy, .. } => {
                if let Some(convoy) = self.by_id.get_mut(convoy) {
                    convoy.closed_at = Some(record.at);
                }
            }
            _ => {}
        }
    }
}
