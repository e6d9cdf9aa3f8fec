//! What runs side by side, as written.

use std::sync::Arc;

use serde::Serialize;

use super::{At, absent};
use crate::problem::Place;

/// One of several that run side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// The formula that it is written in.
    #[serde(skip)]
    pub from: Arc<str>,
    /// Its name.
    pub id: At<String>,
    /// One line; the id if missing.
    pub title: String,
    /// What it looks at; empty if missing.
    pub focus: String,
    /// What to do; empty if missing.
    pub description: String,
    /// The preset of its worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<At<String>>,
    /// Whether it is not to change anything.
    #[serde(skip_serializing_if = "absent")]
    pub review_only: bool,
}

/// What is made of the legs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Synthesis {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// One line.
    pub title: String,
    /// What to do; empty if missing.
    pub description: String,
    /// Which legs; all of them if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<At<String>>,
}

/// A choice of legs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preset {
    /// Its name.
    pub name: At<String>,
    /// What it is for; empty if missing.
    pub description: String,
    /// Which legs.
    pub legs: Vec<At<String>>,
}

/// Where findings go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The folder; empty if missing.
    pub directory: String,
    /// The file of a leg within it; empty if missing.
    pub leg_pattern: String,
    /// The file of the synthesis within it; empty if missing.
    pub synthesis: String,
}
