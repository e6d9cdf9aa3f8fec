//! How changes land: `merge` in a rig's file.

use std::time::Duration;

use model::queue;
use serde::{Deserialize, Serialize};

use crate::document::{self, span};

/// A part of a rig that is independent of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// What its paths begin with, for instance `web/`.
    pub paths: Vec<String>,
}

/// How changes land.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MergeRules {
    /// How often one bead's change may be tried before it is left for a person.
    #[serde(deserialize_with = "document::at_least_one")]
    pub max_attempts: u32,
    /// How many gate runs at once, each in a worktree of its own. As many of them are used as are worth it.
    #[serde(deserialize_with = "document::at_least_one")]
    pub runners: u32,
    /// The most changes that one gate run may test for the first time. How many it does follows from how often changes
    /// fail here; with 1 every change is tested, and lands, by itself.
    #[serde(deserialize_with = "document::at_least_one")]
    pub batch: u32,
    /// How long a change waits until it counts as one step of priority more urgent.
    #[serde(with = "span")]
    pub ageing: Duration,
    /// Whether each change is tried twice before it is given back, or only as long as the gates are not known to be
    /// reliable.
    pub confirm: queue::Confirm,
    /// Parts of the rig that are independent of one another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<Lane>,
}

impl Default for MergeRules {
    fn default() -> Self {
        let rules = queue::Rules::default();
        Self {
            max_attempts: 3,
            runners: 1,
            batch: u32::try_from(rules.batch).unwrap_or(u32::MAX),
            ageing: rules.ageing,
            confirm: rules.confirm,
            lanes: Vec::new(),
        }
    }
}

impl MergeRules {
    /// What the queue goes by.
    pub fn queue(&self) -> queue::Rules {
        queue::Rules {
            ageing: self.ageing,
            batch: usize::try_from(self.batch).unwrap_or(usize::MAX),
            confirm: self.confirm,
            ..queue::Rules::default()
        }
    }

    /// How many gate runs at once.
    pub fn runners(&self) -> usize {
        usize::try_from(self.runners).unwrap_or(usize::MAX)
    }

    /// The lanes as the queue takes them.
    pub fn lanes(&self) -> Vec<queue::Lane> {
        let lane = |lane: &Lane| queue::Lane { name: lane.name.clone(), paths: lane.paths.clone() };
        self.lanes.iter().map(lane).collect()
    }
}
