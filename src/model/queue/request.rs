//! What wants to land.

use std::collections::BTreeSet;

use crate::bead::Priority;
use crate::ids::{MergeId, Seq};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::footprint::Footprint;

/// One change that wants to be on the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its name. What comes again with other commits is withdrawn first.
    pub id: MergeId,
    /// How urgent it is.
    pub priority: Priority,
    /// When it was first handed in. What was given back and comes again keeps it, and so its place.
    pub since: Timestamp,
    /// Decides between those with the same urgency and time.
    pub seq: Seq,
    /// Goes before everything else, alone with others of its kind, also while the queue is frozen.
    #[serde(default)]
    pub hot: bool,
    /// What has to land before it. Whoever submits leaves out what has landed already.
    #[serde(default)]
    pub after: BTreeSet<MergeId>,
    /// What it touches, if that is known.
    #[serde(default)]
    pub footprint: Option<Footprint>,
}

impl Request {
    /// A request of the usual urgency with nothing else said.
    pub fn new(id: MergeId, since: Timestamp, seq: Seq) -> Self {
        Self {
            id,
            priority: Priority::default(),
            since,
            seq,
            hot: false,
            after: BTreeSet::new(),
            footprint: None,
        }
    }
}
