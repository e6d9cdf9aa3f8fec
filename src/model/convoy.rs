//! Beads that travel together.

use serde::{Deserialize, Serialize};

use crate::ids::{BeadId, ConvoyId};
use crate::time::Timestamp;

/// A group of beads that somebody wants to see arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Convoy {
    /// Its name for machines.
    pub id: ConvoyId,
    /// Its name for people.
    pub name: String,
    /// What travels.
    pub beads: Vec<BeadId>,
    /// Who wants to see it arrive.
    pub owner: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When the last bead was closed.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
}
