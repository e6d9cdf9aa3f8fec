//! A bead: one piece of work, and the states it can be in.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fields;
use crate::ids::{BeadId, RigName};
use crate::near;
use crate::stamp::Stamp;
use crate::word::{Word, open_words};

/// Where a bead stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Waiting for somebody to take it.
    Open,
    /// Somebody says that they work at it, outside the hooks.
    InProgress,
    /// It hangs on an agent's hook.
    Hooked,
    /// Held back by hand or by an exit.
    Blocked,
    /// Put off.
    Deferred,
    /// Kept open on purpose; never handed out.
    Pinned,
    /// Finished or given up.
    Closed,
    /// A status of elsewhere: under way somehow, since it is not closed, and never handed out.
    Foreign(Word),
}

open_words!(Status);

/// What other programs call the status of a bead that was deleted.
const TOMBSTONE: &str = "tombstone";

impl Status {
    /// Every status of ours, in the order of the documentation.
    pub const ALL: [Status; 7] = [
        Status::Open,
        Status::InProgress,
        Status::Hooked,
        Status::Blocked,
        Status::Deferred,
        Status::Pinned,
        Status::Closed,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::InProgress => "in_progress",
            Status::Hooked => "hooked",
            Status::Blocked => "blocked",
            Status::Deferred => "deferred",
            Status::Pinned => "pinned",
            Status::Closed => "closed",
            Status::Foreign(word) => word.as_str(),
        }
    }

    /// Whether the bead was deleted elsewhere and its name only stands for that.
    pub fn is_tombstone(self) -> bool {
        matches!(self, Status::Foreign(word) if word.as_str() == TOMBSTONE)
    }

    /// Returns whether a bead may go from this status to `to`, for the cause `by`.
    ///
    /// A hook takes only what is open, and only taking it down, closing or landing frees it; a
    /// closed bead comes back only by being reopened. Words of elsewhere can be left, never entered.
    pub fn may_become(self, to: Status, by: Move) -> bool {
        use Status::{Closed, Hooked, Open};
        match by {
            Move::Hook => self == Open && to == Hooked,
            Move::Unhook => self == Hooked && matches!(to, Open | Status::Blocked | Status::Deferred),
            Move::Close => self != Closed && to == Closed,
            Move::Reopen => self == Closed && to == Open,
            Move::Edit => {
                self != to
                    && !matches!(self, Closed | Hooked)
                    && !matches!(to, Closed | Hooked | Status::Foreign(_))
            }
        }
    }
}

/// Why a bead changes its status; each cause has moves of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// It was hung on a hook.
    Hook,
    /// It was taken off its hook without being finished.
    Unhook,
    /// Somebody set the status by hand.
    Edit,
    /// It was closed.
    Close,
    /// It was reopened.
    Reopen,
}

impl FromStr for Status {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.replace('-', "_");
        Status::ALL.into_iter().find(|status| status.as_str() == wanted).ok_or_else(|| {
            let words: Vec<&str> = Status::ALL.iter().map(|s| s.as_str()).collect();
            format!("{text:?} is not a status; it is one of {}", words.join(", "))
        })
    }
}

/// How urgent a bead is: 0 (critical) to 4 (backlog); 2 when nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

impl Priority {
    /// The most urgent one.
    pub const CRITICAL: Priority = Priority(0);
}

impl Default for Priority {
    fn default() -> Self {
        Priority(2)
    }
}

impl TryFrom<u8> for Priority {
    type Error = String;
    fn try_from(n: u8) -> Result<Self, String> {
        (n <= 4).then_some(Priority(n)).ok_or_else(|| format!("priority {n} is not between 0 and 4"))
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> u8 {
        priority.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("P{}", self.0))
    }
}

impl FromStr for Priority {
    type Err = String;

    /// Reads `1`, `P1` and `p1`, and the severities `critical`, `high`, `medium`, `low`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix(['P', 'p']).unwrap_or(text);
        if let Ok(n) = digits.parse::<u8>() {
            return Priority::try_from(n);
        }
        match text.to_ascii_lowercase().as_str() {
            "critical" => Ok(Priority(0)),
            "high" => Ok(Priority(1)),
            "medium" => Ok(Priority(2)),
            "low" => Ok(Priority(3)),
            "backlog" => Ok(Priority(4)),
            _ => Err(format!("{text:?} is not a priority; give 0 to 4 or P0 to P4")),
        }
    }
}

/// What kind of work a bead is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssueType {
    /// Work.
    #[default]
    Task,
    /// Something that is broken.
    Bug,
    /// Something new.
    Feature,
    /// A bead made of beads.
    Epic,
    /// Work that nobody will notice but us.
    Chore,
    /// A request to merge.
    MergeRequest,
    /// A record of something that happened.
    Event,
    /// A letter.
    Message,
    /// Something that a person has to know.
    Escalation,
    /// A type of elsewhere.
    Foreign(Word),
}

open_words!(IssueType);

/// Types that programs keep their own records under; nobody is given one to work at. The first seven
/// are those that `bd ready` leaves out, the others are records of Gas Towns that are no work either.
const RECORDS: [&str; 11] = [
    "merge-request",
    "gate",
    "molecule",
    "message",
    "agent",
    "role",
    "rig",
    "event",
    "convoy",
    "slot",
    "escalation",
];

impl IssueType {
    /// Every type of ours.
    pub const ALL: [IssueType; 9] = [
        IssueType::Task,
        IssueType::Bug,
        IssueType::Feature,
        IssueType::Epic,
        IssueType::Chore,
        IssueType::MergeRequest,
        IssueType::Event,
        IssueType::Message,
        IssueType::Escalation,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            IssueType::Task => "task",
            IssueType::Bug => "bug",
            IssueType::Feature => "feature",
            IssueType::Epic => "epic",
            IssueType::Chore => "chore",
            IssueType::MergeRequest => "merge-request",
            IssueType::Event => "event",
            IssueType::Message => "message",
            IssueType::Escalation => "escalation",
            IssueType::Foreign(word) => word.as_str(),
        }
    }

    /// Whether somebody can be given a bead of this type to work at.
    pub fn is_work(self) -> bool {
        !RECORDS.contains(&self.as_str())
    }
}

impl FromStr for IssueType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        IssueType::ALL.into_iter().find(|t| t.as_str() == text).ok_or_else(|| {
            let words: Vec<&str> = IssueType::ALL.iter().map(|t| t.as_str()).collect();
            let near = near::did_you_mean(&near::matches(text, words.iter().copied()));
            let hint = near.map(|n| format!("; {n}")).unwrap_or_default();
            format!("{text:?} is not a type{hint} (one of {})", words.join(", "))
        })
    }
}

/// How one bead depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DepType {
    /// The other must be closed first.
    Blocks,
    /// The other is the whole that this one is a part of.
    ParentChild,
    /// Something to know about.
    RelatesTo,
    /// Found while working at the other.
    DiscoveredFrom,
    /// To be done if the other fails; held up until that one is closed as failed, and for ever if it is not.
    ConditionalBlocks,
    /// The parts of the other must be closed first.
    WaitsFor,
    /// A kind of elsewhere; it holds nobody up.
    Foreign(Word),
}

open_words!(DepType);

impl DepType {
    /// Every type of ours.
    pub const ALL: [DepType; 6] = [
        DepType::Blocks,
        DepType::ParentChild,
        DepType::RelatesTo,
        DepType::DiscoveredFrom,
        DepType::ConditionalBlocks,
        DepType::WaitsFor,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            DepType::Blocks => "blocks",
            DepType::ParentChild => "parent-child",
            DepType::RelatesTo => "relates-to",
            DepType::DiscoveredFrom => "discovered-from",
            DepType::ConditionalBlocks => "conditional-blocks",
            DepType::WaitsFor => "waits-for",
            DepType::Foreign(word) => word.as_str(),
        }
    }

    /// Whether the bead waits for the other one itself: until it is closed, or has failed.
    pub fn blocks(self) -> bool {
        matches!(self, DepType::Blocks | DepType::ConditionalBlocks)
    }
}

impl FromStr for DepType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = if text == "related" { "relates-to" } else { text };
        if let Some(known) = DepType::ALL.into_iter().find(|t| t.as_str() == text) {
            return Ok(known);
        }
        // Any other word is a link that holds nobody up, unless it is one of ours misspelt.
        let words: Vec<&str> = DepType::ALL.iter().map(|t| t.as_str()).collect();
        if let Some(near) = near::did_you_mean(&near::matches(text, words.iter().copied())) {
            return Err(format!("{text:?} is not a dependency type; {near} (one of {})", words.join(", ")));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if text.is_empty() || !text.chars().all(plain) {
            return Err(format!("{text:?} is no word for a dependency: a-z, 0-9, - and _"));
        }
        DepType::of(text)
    }
}

/// One arrow between beads: `issue_id` depends on `depends_on_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The bead that depends.
    pub issue_id: BeadId,
    /// The bead that it depends on.
    pub depends_on_id: BeadId,
    /// How.
    #[serde(rename = "type")]
    pub kind: DepType,
    /// Since when.
    pub created_at: Stamp,
    /// Who said so.
    pub created_by: String,
    /// What an import said beside that; kept as it came.
    #[serde(default, flatten, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// What a remark is called: a number here, whatever it was elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommentId {
    /// Its number on the bead.
    Number(u64),
    /// A name that it was given elsewhere.
    Name(String),
}

impl From<u64> for CommentId {
    fn from(number: u64) -> Self {
        CommentId::Number(number)
    }
}

/// A remark on a bead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Its number on the bead, from 1, or its name elsewhere.
    pub id: CommentId,
    /// Who wrote it.
    pub author: String,
    /// What.
    pub text: String,
    /// When.
    pub created_at: Stamp,
    /// What an import said beside that; kept as it came.
    #[serde(default, flatten, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// One piece of work. The field names are those of the exports that people already have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bead {
    /// Its name.
    pub id: BeadId,
    /// One line.
    pub title: String,
    /// The whole of it, in Markdown.
    #[serde(default)]
    pub description: String,
    /// How one sees that it is done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub acceptance_criteria: String,
    /// Where it stands.
    pub status: Status,
    /// How urgent.
    pub priority: Priority,
    /// What kind.
    pub issue_type: IssueType,
    /// Who is to do it.
    #[serde(default)]
    pub assignee: Option<String>,
    /// The rig it belongs to; none for beads of the town.
    #[serde(default)]
    pub rig: Option<RigName>,
    /// When it was made.
    pub created_at: Stamp,
    /// When it last changed.
    pub updated_at: Stamp,
    /// Who made it.
    pub created_by: String,
    /// When it was closed.
    #[serde(default)]
    pub closed_at: Option<Stamp>,
    /// Why it was closed.
    #[serde(default)]
    pub close_reason: Option<String>,
    /// What it depends on.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    /// Words that people sort by.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What was said about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Comment>,
    /// Fields of an import that this program gives no meaning to; kept as they came.
    #[serde(default, flatten, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Bead {
    /// Whether it bears the mark `mark` (`pinned`, `ephemeral` and the like), which an import has brought.
    pub fn is_marked(&self, mark: &str) -> bool {
        match self.extra.get(mark) {
            Some(serde_json::Value::Bool(marked)) => *marked,
            // As tables of a database have it.
            Some(serde_json::Value::Number(n)) => n.as_i64() != Some(0),
            _ => false,
        }
    }

    /// Whether it is here for a while only, and is to leave no trace in git.
    pub fn is_ephemeral(&self) -> bool {
        self.is_marked("ephemeral") || self.is_marked("wisp")
    }
}

/// What a hand-made change changes; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// New title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// New description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// New acceptance criteria.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance_criteria: Option<String>,
    /// New priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// New type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_type: Option<IssueType>,
    /// New assignee; the empty text takes the assignee away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// Labels to add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_labels: Vec<String>,
    /// Labels to take away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_labels: Vec<String>,
    /// The labels that it has from now on, before any are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_labels: Option<Vec<String>>,
    /// Further fields by the names of the exports; null takes one away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, serde_json::Value>,
    /// A line more in its notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub append_notes: Option<String>,
    /// Keys of its metadata; null takes one away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, serde_json::Value>,
}

impl Patch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Patch::default()
    }

    /// Changes `bead` accordingly.
    pub fn apply(&self, bead: &mut Bead) {
        let set = |slot: &mut String, new: &Option<String>| {
            if let Some(new) = new {
                slot.clone_from(new);
            }
        };
        set(&mut bead.title, &self.title);
        set(&mut bead.description, &self.description);
        set(&mut bead.acceptance_criteria, &self.acceptance_criteria);
        if let Some(priority) = self.priority {
            bead.priority = priority;
        }
        if let Some(issue_type) = self.issue_type {
            bead.issue_type = issue_type;
        }
        if let Some(assignee) = &self.assignee {
            bead.assignee = (!assignee.is_empty()).then(|| assignee.clone());
        }
        for (name, value) in &self.fields {
            fields::set(&mut bead.extra, name, value);
        }
        if let Some(more) = &self.append_notes {
            let notes = bead.text("notes");
            let notes = if notes.is_empty() { more.clone() } else { format!("{notes}\n{more}") };
            fields::set(&mut bead.extra, "notes", &notes.into());
        }
        bead.change_metadata(&self.metadata);
        if let Some(labels) = &self.set_labels {
            bead.labels.clone_from(labels);
        }
        bead.labels.retain(|label| !self.remove_labels.contains(label));
        for label in &self.add_labels {
            if !bead.labels.contains(label) {
                bead.labels.push(label.clone());
            }
        }
        bead.labels.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_moves_of_the_table_are_possible() {
        use Status::*;
        let expected = |from: Status, to: Status, by: Move| match by {
            Move::Hook => (from, to) == (Open, Hooked),
            Move::Unhook => matches!((from, to), (Hooked, Open | Blocked | Deferred)),
            Move::Close => from != Closed && to == Closed,
            Move::Reopen => (from, to) == (Closed, Open),
            Move::Edit => {
                let free = [Open, InProgress, Blocked, Deferred, Pinned];
                from != to && free.contains(&from) && free.contains(&to)
            }
        };
        for by in [Move::Hook, Move::Unhook, Move::Edit, Move::Close, Move::Reopen] {
            for from in Status::ALL {
                for to in Status::ALL {
                    assert_eq!(from.may_become(to, by), expected(from, to, by), "{from} -> {to} by {by:?}");
                }
            }
        }
    }

    #[test]
    fn words_are_read_as_people_write_them() {
        assert_eq!("P1".parse::<Priority>().unwrap(), "high".parse().unwrap());
        assert!("7".parse::<Priority>().is_err());
        assert_eq!("in-progress".parse::<Status>().unwrap(), Status::InProgress);
        assert!("featur".parse::<IssueType>().unwrap_err().contains("\"feature\""));
    }

    #[test]
    fn the_printed_example_loads_and_keeps_what_it_does_not_know() {
        let line = r#"{"id":"gt-abc12","title":"Feature X","description":"...","status":"open","priority":2,"issue_type":"task","created_at":"2025-12-28T13:10:32Z","updated_at":"2025-12-28T13:10:32Z","created_by":"gastown/crew/max","sender":"x"}"#;
        let bead: Bead = serde_json::from_str(line).unwrap();
        assert_eq!(bead.extra["sender"], "x");
        let packed = rmp_serde::to_vec_named(&bead).unwrap();
        assert_eq!(rmp_serde::from_slice::<Bead>(&packed).unwrap(), bead);
    }
}
