//! What reality was found to be when the runtime looked, where it is not as the ledger has it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{BeadId, RigName};
use crate::role::Address;

/// What kind of thing is not as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
    /// A process that an earlier runtime started still ran.
    Process,
    /// A session that the ledger believed alive.
    Session,
    /// A worktree.
    Worktree,
    /// A branch of a rig's repository.
    Branch,
    /// A merge request, and what the remote says of it.
    Merge,
    /// A bead and the hook that it should hang on.
    Hook,
    /// A lock that a killed git has left.
    Lock,
}

impl Matter {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Matter::Process => "process",
            Matter::Session => "session",
            Matter::Worktree => "worktree",
            Matter::Branch => "branch",
            Matter::Merge => "merge",
            Matter::Hook => "hook",
            Matter::Lock => "lock",
        }
    }
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One difference between what is and what the ledger has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Of what kind.
    pub matter: Matter,
    /// In which rig, if in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rig: Option<RigName>,
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Address>,
    /// For which bead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bead: Option<BeadId>,
    /// What was found, in a few words.
    pub found: String,
    /// How it is settled, or what a person has to do.
    pub settled: String,
    /// Whether a person has to do something.
    #[serde(default)]
    pub open: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.matter, self.found, self.settled)
    }
}
