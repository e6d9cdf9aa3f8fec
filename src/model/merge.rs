//! A merge request, from submitted to landed or given back.

use serde::{Deserialize, Serialize};

use crate::bead::{Bead, Priority};
use crate::ids::{BeadId, MergeId, RigName, Seq};
use crate::queue::RunId;
use crate::role::Address;
use crate::time::Timestamp;

/// Why the queue gave a request back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Rejection {
    /// It does not merge with what stands on the target branch.
    Conflict {
        /// The files that conflict.
        files: Vec<String>,
        /// The commit of the target branch that it was tried on.
        base: String,
        /// Which attempt it was, from 1.
        attempt: u32,
    },
    /// A gate failed on the merge result.
    Gate {
        /// Its name.
        gate: String,
        /// How it failed, for instance `exit code 2`.
        verdict: String,
        /// The end of its output.
        excerpt: String,
        /// Where the whole output lies, relative to the town.
        log: String,
        /// The commit of the target branch that it was tried on.
        base: String,
        /// Which attempt it was, from 1.
        attempt: u32,
    },
    /// What was handed in is not what is there.
    Unfit {
        /// What is wrong, for instance uncommitted files.
        why: String,
        /// Which attempt it was, from 1.
        attempt: u32,
    },
}

impl Rejection {
    /// The target's head that it was tried on.
    pub fn base(&self) -> Option<&str> {
        match self {
            Rejection::Conflict { base, .. } | Rejection::Gate { base, .. } => Some(base),
            Rejection::Unfit { .. } => None,
        }
    }

    /// Which attempt it was, from 1.
    pub fn attempt(&self) -> u32 {
        match self {
            Rejection::Conflict { attempt, .. }
            | Rejection::Gate { attempt, .. }
            | Rejection::Unfit { attempt, .. } => *attempt,
        }
    }

    /// One line for people.
    pub fn headline(&self) -> String {
        match self {
            Rejection::Conflict { files, .. } => format!("merge conflict in {}", files.join(", ")),
            Rejection::Gate { gate, verdict, .. } => format!("gate {gate:?} failed: {verdict}"),
            Rejection::Unfit { why, .. } => why.clone(),
        }
    }
}

/// Where a merge request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum MergeState {
    /// Waiting for its turn.
    Queued,
    /// The merge result is being gated.
    Testing,
    /// Gated green; the push has been decided and may have happened.
    Pushing {
        /// The target's head that it stands on.
        base: String,
        /// The commit that is pushed.
        commit: String,
        /// This request's own merge commit, when it is pushed as part of a batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        own: Option<String>,
    },
    /// On the target branch, seen there.
    Landed {
        /// The merge commit.
        commit: String,
    },
    /// Given back to its worker.
    Rejected {
        /// Why.
        rejection: Rejection,
    },
    /// Waits for a person or for the world to change; tried again from time to time.
    Held {
        /// What is in the way.
        why: String,
        /// What can be done about it.
        hint: Option<String>,
    },
    /// Taken out of the queue for good.
    Withdrawn {
        /// Why.
        why: String,
    },
}

impl MergeState {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            MergeState::Queued => "queued",
            MergeState::Testing => "testing",
            MergeState::Pushing { .. } => "pushing",
            MergeState::Landed { .. } => "landed",
            MergeState::Rejected { .. } => "rejected",
            MergeState::Held { .. } => "held",
            MergeState::Withdrawn { .. } => "withdrawn",
        }
    }

    /// Whether the refinery still has to do something about it.
    pub fn is_open(&self) -> bool {
        matches!(
            self,
            MergeState::Queued | MergeState::Testing | MergeState::Pushing { .. } | MergeState::Held { .. }
        )
    }
}

/// What became of one gate on one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// The gate's name.
    pub gate: String,
    /// Its command.
    pub command: String,
    /// The merge commit that it ran on.
    pub commit: String,
    /// That commit's tree.
    pub tree: String,
    /// Whether it passed.
    pub passed: bool,
    /// How it ended, for instance `passed`, `exit code 2`, `timed out after 10m`.
    pub verdict: String,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
    /// Where its output lies, relative to the town.
    pub log: String,
    /// The target's head that the merge stands on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base: String,
    /// The run of the queue that it was part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The end of its output, when it did not pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
}

/// One branch that wants to be on the target branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeRequest {
    /// Its name.
    pub id: MergeId,
    /// The rig whose queue it is in.
    pub rig: RigName,
    /// The bead that it finishes.
    pub bead: BeadId,
    /// Who made it.
    pub worker: Address,
    /// The branch.
    pub branch: String,
    /// The commit that the Witness has verified.
    pub head: String,
    /// The bead's urgency when it was submitted.
    pub priority: Priority,
    /// When it was first submitted.
    pub submitted_at: Timestamp,
    /// The record that put it where it is in the queue.
    pub queued_at: Seq,
    /// How often it was submitted.
    pub attempts: u32,
    /// How often it was given back for a fault of its own, see [`MergeRequest::faults_after`].
    #[serde(default)]
    pub faults: u32,
    /// The target's head that it was last given back on.
    #[serde(default)]
    pub tried_on: Option<String>,
    /// Where it stands.
    #[serde(flatten)]
    pub state: MergeState,
    /// Gate runs, oldest first.
    #[serde(default)]
    pub gates: Vec<GateResult>,
    /// When it landed.
    #[serde(default)]
    pub landed_at: Option<Timestamp>,
    /// Goes before everything else, also while the queue is frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hot: bool,
    /// Why a person keeps it where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl MergeRequest {
    /// A request for `bead` that nobody has handed in before, by `worker` of `rig`: `work` is its branch and head.
    pub fn new(
        id: MergeId,
        rig: RigName,
        bead: &Bead,
        worker: Address,
        work: (String, String),
        at: Timestamp,
    ) -> Self {
        let (branch, head) = work;
        Self {
            id,
            rig,
            bead: bead.id.clone(),
            worker,
            branch,
            head,
            priority: bead.priority,
            submitted_at: at,
            queued_at: Seq::default(),
            attempts: 0,
            faults: 0,
            tried_on: None,
            state: MergeState::Queued,
            gates: Vec::new(),
            landed_at: None,
            hot: false,
            kept: None,
        }
    }

    /// How often it will have been given back for a fault of its own, after `rejection`.
    ///
    /// A conflict with what others have landed since it was last tried is nobody's fault: of many
    /// requests for the same lines each lands in its turn.
    pub fn faults_after(&self, rejection: &Rejection) -> u32 {
        let moved = match rejection {
            Rejection::Conflict { base, .. } => self.tried_on.as_ref() != Some(base),
            Rejection::Gate { .. } | Rejection::Unfit { .. } => false,
        };
        self.faults + u32::from(!moved)
    }
}
