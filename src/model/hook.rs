//! One bead, one hook, one agent: the pairing, and how far the work on it has come.

use serde::{Deserialize, Serialize};

use crate::ids::{BeadId, MolId};
use crate::merge::Rejection;
use crate::role::Address;
use crate::time::Timestamp;

/// How far the work on a hook has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// Somebody is to work at it now.
    Working,
    /// The worker has said that it is done; the merge queue has it, or will have it.
    Submitted,
    /// The queue gave it back.
    Rework {
        /// Why.
        rejection: Rejection,
    },
    /// It has landed; what is left is cleaning up.
    Landed,
}

impl Stage {
    /// Whether an agent's session is wanted for it.
    pub fn wants_session(&self) -> bool {
        matches!(self, Stage::Working | Stage::Rework { .. })
    }

    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Stage::Working => "working",
            Stage::Submitted => "submitted",
            Stage::Rework { .. } => "rework",
            Stage::Landed => "landed",
        }
    }
}

/// What hangs on an agent's hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Whose hook.
    pub agent: Address,
    /// What hangs there.
    pub bead: BeadId,
    /// Since when.
    pub since: Timestamp,
    /// How far it has come.
    #[serde(flatten)]
    pub stage: Stage,
    /// The molecule that guides the work, if any.
    #[serde(default)]
    pub mol: Option<MolId>,
    /// The preset that was asked for; none for the rig's own.
    #[serde(default)]
    pub preset: Option<String>,
    /// Words of whoever slung it, for the worker.
    #[serde(default)]
    pub args: Option<String>,
    /// How often it was handed to the merge queue.
    #[serde(default)]
    pub attempt: u32,
    /// Whether its agent has looked at it in the session that runs now.
    #[serde(default)]
    pub checked: bool,
}
