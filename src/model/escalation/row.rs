//! Escalations as people and programs are shown them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Route, Severity};
use crate::cost::Used;
use crate::ids::{BeadId, EscalationId, MailId};
use crate::recovery::Failure;
use crate::role::Address;
use crate::time::Timestamp;

/// A letter, as far as it tells how a matter has come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterNote {
    /// Which.
    pub id: MailId,
    /// When it was written.
    pub sent_at: Timestamp,
    /// Who wrote it.
    pub from: Address,
    /// Who was to have it.
    pub to: Address,
    /// Its first line.
    pub subject: String,
    /// How its text begins.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
}

/// What the town knew of a matter when somebody was told of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// The sessions that failed at the bead and still count, oldest first; what the last one left, where none counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// What the worktree held by then that the target branch did not, as `git diff --stat` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// The last letters from and to the agent, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<LetterNote>,
    /// What work at the bead has used so far; what the agent has used, where it is about no bead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Used>,
}

impl Context {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Context::default()
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.failures.len();
        for (n, failure) in self.failures.iter().enumerate() {
            writeln!(f, "\n## Failure {} of {count}\n\n{failure}", n + 1)?;
        }
        if let Some(diff) = &self.diff {
            writeln!(f, "\nIn the worktree:\n{}", diff.trim_end())?;
        }
        if !self.letters.is_empty() {
            f.write_str("\nLast letters:\n")?;
        }
        for LetterNote { id, sent_at, from, to, subject, excerpt } in &self.letters {
            writeln!(f, "  {id}  {sent_at}  {from} to {to}: {subject}")?;
            for line in excerpt.lines().filter(|line| !line.trim().is_empty()).take(4) {
                writeln!(f, "    {line}")?;
            }
        }
        match &self.cost {
            Some(used) => {
                writeln!(f, "\nUsed so far: {} tokens in {} answers", used.tokens.total(), used.messages)
            }
            None => Ok(()),
        }
    }
}

/// How far an escalation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nobody has taken note.
    Open,
    /// Somebody has.
    Acked,
    /// The matter is settled.
    Closed,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Stage::Open => "open",
            Stage::Acked => "acked",
            Stage::Closed => "closed",
        })
    }
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// It has not been tried.
    Planned,
    /// It is under way.
    Sending,
    /// It is there.
    Delivered,
    /// It did not go through, and is tried again.
    Failing,
    /// It did not go through, and is not tried again.
    Failed,
    /// It may have gone through, and is not sent again.
    Unknown,
    /// It is not wanted any more.
    Dropped,
}

impl NoticeState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeState::Planned => "planned",
            NoticeState::Sending => "sending",
            NoticeState::Delivered => "delivered",
            NoticeState::Failing => "failing",
            NoticeState::Failed => "failed",
            NoticeState::Unknown => "unknown",
            NoticeState::Dropped => "dropped",
        }
    }
}

impl fmt::Display for NoticeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One message about an escalation, by one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// How often the escalation had become graver by then.
    pub round: u32,
    /// The way.
    pub route: Route,
    /// How far it is.
    pub state: NoticeState,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it is so.
    pub at: Timestamp,
    /// What came of it.
    #[serde(default)]
    pub detail: Option<String>,
}

/// Something that a person has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EscalationRow {
    /// Its name; empty where it was only asked what would happen.
    pub id: EscalationId,
    /// How grave it is.
    pub severity: Severity,
    /// How grave it was at first.
    pub raised_as: Severity,
    /// How often it has become graver because nobody took note.
    pub reescalations: u32,
    /// How far it has come.
    pub state: Stage,
    /// Whose turn it is: who has taken note, or else the last who was told.
    pub owner: Option<Address>,
    /// One line.
    pub subject: String,
    /// What was said.
    pub body: String,
    /// What it comes from, in the words of whoever raised it.
    pub source: Option<String>,
    /// About which bead.
    pub bead: Option<BeadId>,
    /// About which agent.
    pub agent: Option<Address>,
    /// Who raised it.
    pub by: Address,
    /// When.
    pub raised_at: Timestamp,
    /// How long ago, in seconds; of what is closed, how long it was open.
    pub age_s: u64,
    /// When somebody took note, or the matter was settled.
    pub acked_at: Option<Timestamp>,
    /// Who.
    pub acked_by: Option<Address>,
    /// What they said to it.
    pub note: Option<String>,
    /// When the matter was settled.
    pub closed_at: Option<Timestamp>,
    /// Who said so.
    pub closed_by: Option<Address>,
    /// How.
    pub close_reason: Option<String>,
    /// The bead that holds it.
    pub record: Option<BeadId>,
    /// The messages about it.
    pub notices: Vec<NoticeRow>,
    /// What the town knew of the matter when it was raised.
    pub context: Option<Box<Context>>,
}

/// When an escalation of which nobody has taken note becomes graver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleRow {
    /// Which.
    pub id: EscalationId,
    /// How grave it is, or was until now.
    pub severity: Severity,
    /// How grave it becomes.
    pub to: Severity,
    /// When.
    pub due_at: Timestamp,
    /// Whether that was just now.
    pub done: bool,
    /// One line.
    pub subject: String,
}
