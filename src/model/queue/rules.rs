//! What a rig may set about its queue.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a change that is about to be evicted is tried once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirm {
    /// Each time.
    Always,
    /// Until this rig's gates have shown themselves reliable enough, and from then on for a sample.
    #[default]
    Adaptive,
}

/// How the queue of a rig behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// How long a request waits until it counts as one step of priority more urgent.
    pub ageing: Duration,
    /// The most changes that one run may test for the first time.
    pub batch: usize,
    /// When a red change is tried once more before it is evicted.
    pub confirm: Confirm,
    /// The share of innocent changes that may be evicted for a gate's mood; decides when [`Confirm::Adaptive`]
    /// does without the second run.
    pub risk: f64,
    /// A runner that would be idle takes a run that is useful with at least this probability.
    pub worthwhile: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            ageing: Duration::from_secs(30 * 60),
            batch: 64,
            confirm: Confirm::default(),
            risk: 5e-4,
            worthwhile: 0.05,
        }
    }
}
