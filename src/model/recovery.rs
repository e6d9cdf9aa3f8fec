//! How a session's end is read, and what follows from it: symptoms, strategies, and what is kept of a failure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::agent::{SessionEnd, Verdict};
use crate::event::Event;
use crate::ids::SessionId;
use crate::role::Address;
use crate::time::Timestamp;

/// What was seen of a session's end beside how its program exited: on its screen, or because the runtime or a
/// person ended it for that reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "symptom")]
pub enum Symptom {
    /// It did not show that it is ready in the time that its preset gives it.
    NotReady,
    /// It asks a person to log in.
    AsksLogin,
    /// It asks a person whether a folder is to be trusted.
    AsksTrust,
    /// Its provider refuses its key.
    KeyRefused,
    /// Its provider holds it back.
    Limited {
        /// Until then, if it says so.
        until: Option<Timestamp>,
    },
    /// Its provider has too much to do.
    Overloaded,
    /// Its conversation has become too long.
    ContextFull,
    /// Its program says that the session's name is in use.
    SessionInUse,
    /// It was ended for want of memory.
    OutOfMemory,
    /// It showed no sign of life for too long.
    Silent,
    /// Its program was stopped, and did not go on.
    Frozen,
    /// A person ended it.
    Killed,
    /// It has left a note for its next session, and ended for that.
    HandedOver,
}

impl Symptom {
    /// The verdict that it leads to.
    pub fn verdict(self) -> Verdict {
        match self {
            Symptom::NotReady => Verdict::NotReady,
            Symptom::AsksLogin => Verdict::AsksLogin,
            Symptom::AsksTrust => Verdict::AsksTrust,
            Symptom::KeyRefused => Verdict::KeyRefused,
            Symptom::Limited { .. } => Verdict::Limited,
            Symptom::Overloaded => Verdict::Overloaded,
            Symptom::ContextFull => Verdict::ContextFull,
            Symptom::SessionInUse => Verdict::SessionInUse,
            Symptom::OutOfMemory => Verdict::OutOfMemory,
            Symptom::Silent => Verdict::Silent,
            Symptom::Frozen => Verdict::Frozen,
            Symptom::Killed => Verdict::Killed,
            Symptom::HandedOver => Verdict::HandedOver,
        }
    }
}

/// What follows from the end of a session whose bead still wants one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Nothing: no session is wanted any more.
    Nothing,
    /// The next session takes up the conversation, where the program can; in the same worktree.
    Resume,
    /// The next session begins afresh, in the same worktree, at the same step.
    Fresh,
    /// The next session begins afresh, and is told how far the last one had come.
    HandOff,
    /// Hook and worktree go to another worker.
    Reassign,
    /// The next session begins at a time that is known, and takes up the conversation.
    Park,
    /// A person has to do something first.
    Person,
    /// It has failed too often: a person decides.
    Escalate,
}

impl Strategy {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Nothing => "nothing",
            Strategy::Resume => "resume",
            Strategy::Fresh => "fresh",
            Strategy::HandOff => "hand_off",
            Strategy::Reassign => "reassign",
            Strategy::Park => "park",
            Strategy::Person => "person",
            Strategy::Escalate => "escalate",
        }
    }

    /// Whether the conversation of the ended session may be taken up again.
    pub fn may_resume(self) -> bool {
        matches!(self, Strategy::Nothing | Strategy::Resume | Strategy::Park | Strategy::Person)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is kept of a session that ended as it should not have: `failure_context` of its bead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it was judged.
    pub at: Timestamp,
    /// Whose session.
    pub agent: Address,
    /// Which.
    pub session: SessionId,
    /// What its end means.
    pub verdict: Verdict,
    /// How it ended, in a few words.
    pub detail: String,
    /// Its exit code, if it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What was being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// What its worktree held that the target branch does not, as `git diff --stat` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// The last lines on its terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

impl Failure {
    /// What is kept of the session that `event` judges, if it ended as it should not have; `at` is when.
    pub fn of(event: &Event, at: Timestamp) -> Option<Failure> {
        let Event::AgentVerdict {
            agent,
            session,
            verdict,
            detail,
            context,
            exit_code,
            signal,
            doing,
            diff,
            ..
        } = event
        else {
            return None;
        };
        verdict.is_abnormal().then(|| Failure {
            at,
            agent: agent.clone(),
            session: session.clone(),
            verdict: *verdict,
            detail: detail.clone(),
            exit_code: *exit_code,
            signal: *signal,
            doing: doing.clone(),
            diff: diff.clone(),
            output: context.clone(),
        })
    }

    /// Exit code and signal of an end.
    pub fn status(end: &SessionEnd) -> (Option<i32>, Option<i32>) {
        match end {
            SessionEnd::Exited { code } => (Some(*code), None),
            SessionEnd::Signalled { signal } => (None, Some(*signal)),
            SessionEnd::NotStarted { .. } | SessionEnd::Lost => (None, None),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {}: {} ({})", self.at, self.agent, self.verdict, self.detail)?;
        if let Some(doing) = &self.doing {
            writeln!(f, "it was at: {doing}")?;
        }
        if let Some(diff) = &self.diff {
            writeln!(f, "{}", diff.trim_end())?;
        }
        match &self.output {
            Some(output) => write!(f, "{}", output.trim_end()),
            None => f.write_str("its screen was empty"),
        }
    }
}
