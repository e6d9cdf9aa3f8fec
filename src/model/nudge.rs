//! Text that is typed into an agent's terminal: when, how urgent, for how long, and what came of it.

use serde::{Deserialize, Serialize};

use crate::role::Address;

/// The longest text, in bytes. What is longer belongs into a letter.
pub const MAX_TEXT: usize = 128 * 1024;

/// When it is typed, and when its sender is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// When the agent waits for input; the sender is answered when it has taken the text.
    #[default]
    WaitIdle,
    /// The same, but the sender is answered at once. What comes to nothing is told by a letter.
    Queue,
    /// Also while it works, if its program can take input then. Never into a question, nor while a person types.
    Now,
}

/// What goes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// After all others.
    Low,
    /// In the order in which they came.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// How a text is to be typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// When.
    #[serde(default)]
    pub mode: Mode,
    /// Before or after others that wait.
    #[serde(default)]
    pub urgency: Urgency,
    /// After so many milliseconds it is not typed any more, and its sender is told.
    #[serde(default)]
    pub expires_ms: Option<u64>,
}

/// What shows that a text was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A hook of the agent's program has told of it.
    Hook,
    /// The screen has changed as it does then.
    Screen,
    /// It is a line of the protocol, which the program reads in its own time.
    Line,
}

/// What came of a nudge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nudged {
    /// Whose terminal.
    pub agent: Address,
    /// `delivered`, `typed` when nothing shows whether it was taken, or `queued`.
    pub state: String,
    /// What shows that it was taken.
    pub evidence: Option<Evidence>,
    /// How long it waited, in milliseconds.
    pub waited_ms: u64,
}
