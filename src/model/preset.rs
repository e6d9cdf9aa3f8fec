//! Kinds of agents, the hooks that act in them, and the recordings of their sessions, as rows.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A row of `agent presets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresetRow {
    /// Its name.
    pub name: String,
    /// The program.
    pub command: String,
    /// Where the program is; nothing when it is not on PATH.
    pub program: Option<String>,
    /// `shipped`, `changed` by the town's file, or its `own`.
    pub source: String,
    /// How it gets its brief.
    pub brief: String,
    /// Whether it takes an earlier session up again.
    pub resumes: bool,
    /// Which hooks it is given.
    pub hooks: String,
    /// Whether its use of tokens is read.
    pub usage: bool,
}

/// A hook that acts in a kind of agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapRow {
    /// The preset.
    pub preset: String,
    /// When it acts.
    pub event: String,
    /// Its place among those of this event, from 1.
    pub order: usize,
    /// For which tools or occasions; for all when empty.
    pub matcher: String,
    /// What runs.
    pub command: String,
    /// Where it is written: `gastown`, or a file.
    pub source: String,
}

/// The recording of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRow {
    /// The session.
    pub session: String,
    /// Where it is.
    pub file: String,
    /// Since when it records.
    pub since: Option<Timestamp>,
    /// When something was recorded last.
    pub until: Option<Timestamp>,
    /// In bytes, all parts.
    pub bytes: u64,
}
