//! Beads that travel together.

use serde::{Deserialize, Serialize};

use crate::command::Sling;
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
    /// The epic whose parts travel, if it is one: parts that are made later travel too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epic: Option<BeadId>,
    /// How its beads were slung, if they were: what joins it or is left lying is slung the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sling: Option<Box<Sling>>,
}
