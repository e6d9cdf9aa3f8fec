//! What came to the target without the queue.

use serde::{Deserialize, Serialize};

use crate::role::Address;

/// A commit that somebody else has put on the target's first-parent line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// Which.
    pub commit: String,
    /// Who has committed it, as the commit says.
    pub by: String,
    /// The same, when that is one of the town's agents.
    #[serde(default)]
    pub agent: Option<Address>,
    /// Its first line.
    pub subject: String,
}
