//! The states of an agent, and why a session ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The one vocabulary for how an agent is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// No session is wanted.
    #[default]
    Parked,
    /// A session has been started and has not shown that it is ready.
    Starting,
    /// Ready for input.
    Idle,
    /// Busy.
    Working,
    /// Asks a person.
    Waiting,
    /// Held back by its provider until some time.
    Limited,
    /// Silent for too long.
    Stuck,
    /// Being ended.
    Stopping,
    /// Has said that its work is done; nothing more is asked of it for the moment.
    Done,
    /// Failed, and left for a person.
    Failed,
}

impl AgentState {
    /// Every state.
    pub const ALL: [AgentState; 10] = [
        AgentState::Parked,
        AgentState::Starting,
        AgentState::Idle,
        AgentState::Working,
        AgentState::Waiting,
        AgentState::Limited,
        AgentState::Stuck,
        AgentState::Stopping,
        AgentState::Done,
        AgentState::Failed,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentState::Parked => "parked",
            AgentState::Starting => "starting",
            AgentState::Idle => "idle",
            AgentState::Working => "working",
            AgentState::Waiting => "waiting",
            AgentState::Limited => "limited",
            AgentState::Stuck => "stuck",
            AgentState::Stopping => "stopping",
            AgentState::Done => "done",
            AgentState::Failed => "failed",
        }
    }

    /// Whether a session is alive in this state.
    pub fn has_session(self) -> bool {
        !matches!(self, AgentState::Parked | AgentState::Done | AgentState::Failed)
    }
}

impl fmt::Display for AgentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an agent's process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum SessionEnd {
    /// It exited by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// Which.
        signal: i32,
    },
    /// It could not be started at all.
    NotStarted {
        /// Why.
        error: String,
    },
    /// The runtime died under it; found when the town was started again.
    Lost,
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionEnd::Exited { code } => write!(f, "exit code {code}"),
            SessionEnd::Signalled { signal } => write!(f, "signal {signal}"),
            SessionEnd::NotStarted { error } => write!(f, "not started: {error}"),
            SessionEnd::Lost => f.write_str("lost with the runtime"),
        }
    }
}

/// What the end of a session means. Exactly one per session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The work was handed in, then the session ended.
    Completed,
    /// It ended because it was told to.
    Stopped,
    /// It left a note for its next session and ended for that.
    HandedOver,
    /// It exited with code 0 although its work was not handed in.
    LeftEarly,
    /// It exited with another code.
    Failed,
    /// A signal that the runtime did not send ended it.
    Crashed,
    /// It was ended for want of memory.
    OutOfMemory,
    /// It never became ready.
    NotReady,
    /// It asked a person to log in.
    AsksLogin,
    /// It asked a person whether a folder is to be trusted.
    AsksTrust,
    /// Its provider refused its key.
    KeyRefused,
    /// Its provider holds it back until some time.
    Limited,
    /// Its provider had too much to do.
    Overloaded,
    /// Its conversation had become too long.
    ContextFull,
    /// The name of its session was in use.
    SessionInUse,
    /// It was silent for too long.
    Silent,
    /// Its program was stopped and did not go on.
    Frozen,
    /// A person ended it.
    Killed,
    /// Its program could not be started.
    NotStarted,
    /// The runtime died and took it along.
    Lost,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 20] = [
        Verdict::Completed,
        Verdict::Stopped,
        Verdict::HandedOver,
        Verdict::LeftEarly,
        Verdict::Failed,
        Verdict::Crashed,
        Verdict::OutOfMemory,
        Verdict::NotReady,
        Verdict::AsksLogin,
        Verdict::AsksTrust,
        Verdict::KeyRefused,
        Verdict::Limited,
        Verdict::Overloaded,
        Verdict::ContextFull,
        Verdict::SessionInUse,
        Verdict::Silent,
        Verdict::Frozen,
        Verdict::Killed,
        Verdict::NotStarted,
        Verdict::Lost,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Completed => "completed",
            Verdict::Stopped => "stopped",
            Verdict::HandedOver => "handed_over",
            Verdict::LeftEarly => "left_early",
            Verdict::Failed => "failed",
            Verdict::Crashed => "crashed",
            Verdict::OutOfMemory => "out_of_memory",
            Verdict::NotReady => "not_ready",
            Verdict::AsksLogin => "asks_login",
            Verdict::AsksTrust => "asks_trust",
            Verdict::KeyRefused => "key_refused",
            Verdict::Limited => "limited",
            Verdict::Overloaded => "overloaded",
            Verdict::ContextFull => "context_full",
            Verdict::SessionInUse => "session_in_use",
            Verdict::Silent => "silent",
            Verdict::Frozen => "frozen",
            Verdict::Killed => "killed",
            Verdict::NotStarted => "not_started",
            Verdict::Lost => "lost",
        }
    }

    /// Whether it counts against the retries of the bead.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Verdict::LeftEarly
                | Verdict::Failed
                | Verdict::Crashed
                | Verdict::OutOfMemory
                | Verdict::NotReady
                | Verdict::Silent
                | Verdict::Frozen
                | Verdict::NotStarted
        )
    }

    /// Whether it is kept on the bead how the session ended: for all ends but those that were meant so.
    pub fn is_abnormal(self) -> bool {
        !matches!(self, Verdict::Completed | Verdict::Stopped | Verdict::HandedOver)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a worker says that it is finished with a bead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// The work is finished: submit it.
    #[default]
    Completed,
    /// Something outside holds it up.
    Blocked,
    /// It is too large and has to be cut.
    Refactor,
    /// A person has to decide.
    Escalate,
}

impl Exit {
    /// Every exit.
    pub const ALL: [Exit; 4] = [Exit::Completed, Exit::Blocked, Exit::Refactor, Exit::Escalate];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Exit::Completed => "completed",
            Exit::Blocked => "blocked",
            Exit::Refactor => "refactor",
            Exit::Escalate => "escalate",
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Exit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        Exit::ALL.into_iter().find(|exit| exit.as_str() == lower).ok_or_else(|| {
            format!("{text:?} is not an exit; it is one of completed, blocked, refactor, escalate")
        })
    }
}
