//! What the queue was told and what it decided, one entry each. Kept, they are its memory; read as they come, they
//! are its orders.

use std::fmt;
use std::sync::Arc;

use crate::bead::Priority;
use crate::ids::MergeId;
use serde::{Deserialize, Serialize};

use super::request::Request;

/// The number of a run within one queue, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a gate run is about: the hash of the tree, together with a digest of the gates that apply to it.
///
/// Two runs with the same `Tree` must be able to differ by chance alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree(Arc<str>);

impl Tree {
    /// The tree with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "aim")]
pub enum Aim {
    /// Changes that no run has tested yet.
    Fresh,
    /// Part of a red set, to find the first bad one.
    Search,
    /// A prefix of what is being tested already: when that fails, much is known at once.
    Ahead,
    /// Cleared changes, to land them together or to learn that they do not go together.
    Carry,
    /// One change that is about to be evicted, once more.
    Confirm {
        /// How many of its kind it stands for: with a sample, one flake that is found means several that are not.
        weight: u32,
    },
    /// The target as it is.
    Baseline,
    /// One change, on a target that is red: it may be what mends it.
    Mend,
}

/// One gate run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// On which head of the target, counted; see `State::epoch` in the room `queue`. It moves on with the target when exactly
    /// the lowest part of the stack lands.
    pub epoch: u64,
    /// How many changes had landed below it.
    pub landed: u64,
    /// What is merged onto that head, in this order. What lands meanwhile leaves the list.
    pub stack: Vec<MergeId>,
    /// What it is for.
    #[serde(flatten)]
    pub aim: Aim,
}

/// How a gate run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All gates passed.
    Green,
    /// A gate failed, timed out, or was ended by a signal.
    Red,
    /// There is none: the runner is gone, or the gate could not be started.
    Lost,
}

/// One entry of the queue's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// Told: a request is in the queue.
    Submitted {
        /// The request.
        request: Request,
    },
    /// Told: it is not wanted any more, or cannot be merged onto the target.
    Withdrawn {
        /// Which.
        id: MergeId,
    },
    /// Told: it stays in the queue and is not touched, or is free again.
    Held {
        /// Which.
        id: MergeId,
        /// Whether it is held.
        held: bool,
    },
    /// Told: it is more or less urgent than it was.
    Prioritised {
        /// Which.
        id: MergeId,
        /// How urgent.
        priority: Priority,
        /// Whether it is a hot fix.
        hot: bool,
    },
    /// Told: nothing but hot fixes is run and landed, or all is as usual.
    Frozen {
        /// Whether it is so.
        frozen: bool,
    },
    /// Told: somebody else has moved the target.
    Moved,
    /// Told: whether the target is green is not known any more, for instance because the gates have changed.
    Doubted,
    /// Decided: merge `run.stack` onto the target, and say what tree came out.
    Started {
        /// The run.
        run: Run,
    },
    /// Told that the tree was built, and decided whether it is gated.
    Built {
        /// Which run.
        run: RunId,
        /// What came out.
        tree: Tree,
        /// Run the gates. If not, the verdict is known or is under way in another run.
        gate: bool,
    },
    /// Told: a change of the stack cannot be merged onto those before it, though it can onto the target.
    Clashed {
        /// The run, which is over.
        run: RunId,
        /// The change.
        id: MergeId,
        /// With whom.
        with: Vec<MergeId>,
    },
    /// Told, or known from an earlier run of the same tree: the run is over.
    Ended {
        /// Which.
        run: RunId,
        /// How.
        verdict: Verdict,
        /// By a gate that ran for it; if not, nothing new was learned.
        gated: bool,
    },
    /// Decided: end this run, nothing can be learned from it any more.
    Stopped {
        /// Which.
        run: RunId,
    },
    /// Decided: a gate is flaky, and the green counts.
    Flaky {
        /// The tree that was red.
        tree: Tree,
        /// The run that was green.
        run: RunId,
        /// It was of the same tree. If not, it was of the accused change on a target that had moved meanwhile.
        same: bool,
    },
    /// Decided: push a commit with the tree that this run has built, on top of the target as it stands. What lands by
    /// it is `run.stack`: what stood below that has landed already. Nothing is begun before it is known what came of
    /// the push.
    Landing {
        /// The run.
        run: Run,
    },
    /// Told: it is on the target.
    Landed {
        /// Which run.
        run: RunId,
    },
    /// Told: it could not be pushed, and the target is where it was.
    Unlanded {
        /// Which run.
        run: RunId,
    },
    /// Decided: give it back, a gate fails because of it.
    Evicted {
        /// Which.
        id: MergeId,
        /// The red run that shows it: everything below it in that run's tree is on the target now.
        run: RunId,
    },
    /// Decided: the target itself is red. Nobody is evicted until it has moved or one change alone mends it.
    TargetRed {
        /// The run that showed it.
        run: RunId,
    },
}
