//! What has become of an agent or a bead, why, and what comes next: what `why` answers.

use serde::{Deserialize, Serialize};

use crate::ids::BeadId;
use crate::recovery::Failure;
use crate::role::Address;
use crate::time::Timestamp;

/// Where work is that is not on the target branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whose work.
    pub agent: Address,
    /// The branch that holds it, in the rig's repository.
    pub branch: String,
    /// Its commit, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The bundle that holds it, where it could not be pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// Why it was put there.
    pub why: String,
    /// Since when.
    pub at: Timestamp,
}

/// The story of an agent or a bead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Of whom or what.
    pub about: String,
    /// How it is, in one word: a bead's status or an agent's state, or what says more (`spent`, `cooling`, `held`).
    pub state: String,
    /// The bead, or what the agent is at.
    #[serde(default)]
    pub bead: Option<BeadId>,
    /// The agent, or who holds the bead.
    #[serde(default)]
    pub agent: Option<Address>,
    /// What is so and why, in at most ten lines.
    pub lines: Vec<String>,
    /// What happens next by itself; none when nothing does.
    pub next: Option<String>,
    /// When, if that is known.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// What to type.
    pub hint: Option<String>,
    /// Where work is that is not on the target branch, newest first.
    #[serde(default)]
    pub saved: Vec<Kept>,
    /// The last end of a session that was not as it should have been.
    #[serde(default)]
    pub failure_context: Option<Failure>,
}
