//! Questions about beads, and what comes back; plans for several beads at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bead::{Bead, DepType, IssueType, Priority, Status};
use crate::command::{BeadFilter, NewBead};
use crate::ids::BeadId;
use crate::time::Timestamp;

/// In which order beads come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Most urgent first, then oldest.
    #[default]
    Priority,
    /// Newest first.
    Created,
    /// Oldest first.
    Oldest,
    /// Last changed first.
    Updated,
    /// Last closed first.
    Closed,
    /// By name.
    Id,
    /// By title.
    Title,
    /// By status.
    Status,
    /// By type.
    Type,
    /// By assignee.
    Assignee,
}

/// What beads are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountBy {
    /// By status.
    Status,
    /// By priority.
    Priority,
    /// By type.
    Type,
    /// By assignee.
    Assignee,
    /// By label; a bead counts once for each.
    Label,
}

/// In what way a bead makes another needless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replaced {
    /// It is the same.
    Duplicate,
    /// It takes its place.
    Superseded,
}

/// What can be asked about beads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Why beads are ready, and why the others are not.
    Explain(BeadFilter),
    /// Which open beads are held up, and by what.
    Blocked(BeadFilter),
    /// How many there are.
    Count {
        /// Of which.
        filter: BeadFilter,
        /// By what.
        by: Option<CountBy>,
    },
    /// What a bead depends on, or what depends on it, and so on.
    Tree {
        /// Which.
        bead: BeadId,
        /// What depends on it, instead of what it depends on.
        up: bool,
        /// How many levels at most.
        depth: usize,
    },
    /// The dependencies of a bead.
    Deps {
        /// Which.
        bead: BeadId,
        /// What depends on it, instead.
        up: bool,
        /// Only of this kind.
        kind: Option<DepType>,
    },
    /// Dependencies that go round in a circle.
    Cycles,
    /// How far epics have come.
    Epics {
        /// Only this one.
        bead: Option<BeadId>,
        /// Only those whose parts are all closed, and that are not.
        eligible: bool,
    },
    /// The parts of a whole in the order in which they can be done.
    Waves(BeadId),
    /// Everything in numbers.
    Stats,
    /// Beads and arrows, of those that hang together with one or of all.
    Graph(Option<BeadId>),
    /// All labels and how many beads bear them.
    Labels,
    /// Beads that may be the same.
    Duplicates,
    /// What waits for something outside of work.
    Gates {
        /// Those that have opened, too.
        all: bool,
    },
    /// What is kept in mind.
    Memories {
        /// With these words.
        words: Option<String>,
        /// Under exactly this name.
        key: Option<String>,
    },
}

/// One bead of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What the others of the plan call it.
    pub key: String,
    /// What it is to be.
    pub bead: NewBead,
    /// What it is a part of: a key of the plan or a bead.
    #[serde(default)]
    pub parent: Option<String>,
    /// What it depends on: a key of the plan or a bead.
    #[serde(default)]
    pub deps: Vec<(DepType, String)>,
}

/// Several beads that are made together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The beads.
    pub nodes: Vec<Node>,
    /// Only say what would be made.
    #[serde(default)]
    pub dry_run: bool,
}

/// A bead as it stands in a list of reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeadLine {
    /// Its name.
    pub id: BeadId,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// How urgent.
    pub priority: Priority,
    /// What kind.
    pub issue_type: IssueType,
    /// Who is to do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
}

impl From<&Bead> for BeadLine {
    fn from(bead: &Bead) -> Self {
        BeadLine {
            id: bead.id.clone(),
            title: bead.title.clone(),
            status: bead.status,
            priority: bead.priority,
            issue_type: bead.issue_type,
            assignee: bead.assignee.clone(),
        }
    }
}

/// Why a bead is ready or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Which.
    #[serde(flatten)]
    pub bead: BeadLine,
    /// Whether it is ready.
    pub ready: bool,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// What holds it up.
    pub blocked_by: Vec<BeadId>,
}

/// A bead that is held up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedRow {
    /// The bead.
    #[serde(flatten)]
    pub bead: Bead,
    /// What holds it up.
    pub blocked_by: Vec<BeadId>,
    /// How many that are.
    pub blocked_by_count: usize,
}

/// A number of beads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// All.
    pub count: usize,
    /// In groups, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

/// One group of a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What they have in common; empty for what has none of it.
    pub group: String,
    /// How many.
    pub count: usize,
}

/// A bead in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// How far below the root.
    pub depth: usize,
    /// How it is tied to the one above; none for the root.
    pub via: Option<DepType>,
    /// The bead; none where only its name is known.
    pub bead: Option<BeadLine>,
    /// Its name.
    pub id: BeadId,
    /// Whether it has been shown above, with all below it.
    pub again: bool,
}

/// One dependency with the bead at its other end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepRow {
    /// The other bead.
    pub id: BeadId,
    /// How.
    #[serde(rename = "type")]
    pub kind: DepType,
    /// What is known of it; none where only its name is.
    pub bead: Option<BeadLine>,
}

/// How far an epic has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpicRow {
    /// The epic.
    #[serde(flatten)]
    pub bead: BeadLine,
    /// How far its parts are.
    #[serde(flatten)]
    pub roll_up: RollUp,
}

/// How far the parts of a whole are, with the parts of parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollUp {
    /// How many parts.
    pub total_children: usize,
    /// How many of them are closed.
    pub closed_children: usize,
    /// Parts that are open and held up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_children: Vec<BeadId>,
    /// Whether all are closed, so that it can be closed as well.
    pub eligible_for_close: bool,
    /// What work at it and its parts has used, in tokens.
    #[serde(default)]
    pub tokens: u64,
}

/// Beads that can be done at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// Its number, from 1; 0 for what can never be reached.
    pub wave: usize,
    /// The beads.
    pub beads: Vec<BeadLine>,
}

/// All beads in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// All.
    pub total_issues: usize,
    /// By status.
    pub by_status: BTreeMap<String, usize>,
    /// By type.
    pub by_type: BTreeMap<String, usize>,
    /// By priority.
    pub by_priority: BTreeMap<String, usize>,
    /// Those that could be worked at.
    pub ready_issues: usize,
    /// Those that are open and held up.
    pub blocked_issues: usize,
    /// Epics whose parts are all closed.
    pub epics_eligible_for_closure: usize,
    /// Hours between making and closing, on average.
    pub average_lead_time_hours: f64,
}

/// Beads and what ties them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The beads.
    pub nodes: Vec<BeadLine>,
    /// From, to, how.
    pub edges: Vec<(BeadId, BeadId, DepType)>,
}

/// What something waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRow {
    /// What to call it: a bead, or `MOL/STEP`.
    pub id: String,
    /// timer, human, mail, bead, gh:run, gh:pr.
    pub kind: String,
    /// What exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub await_id: Option<String>,
    /// The step or bead that waits.
    pub waits: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it opens by itself, or is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether it has opened.
    pub open: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something that is kept in mind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRow {
    /// Its name.
    pub key: String,
    /// What.
    pub value: String,
    /// Who said it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Why beads are ready or not.
    Explained(Vec<Explained>),
    /// What is held up.
    Blocked(Vec<BlockedRow>),
    /// How many.
    Counted(Counted),
    /// A tree.
    Tree(Vec<Branch>),
    /// Dependencies.
    Deps(Vec<DepRow>),
    /// Circles.
    Cycles(Vec<Vec<BeadId>>),
    /// Epics.
    Epics(Vec<EpicRow>),
    /// Waves.
    Waves(Vec<Wave>),
    /// Numbers.
    Stats(Stats),
    /// A graph.
    Graph(Graph),
    /// Groups of a count.
    Labels(Vec<Group>),
    /// Beads that may be the same.
    Duplicates(Vec<Vec<BeadLine>>),
    /// Gates.
    Gates(Vec<GateRow>),
    /// Memories.
    Memories(Vec<MemoryRow>),
}

impl Found {
    /// The data alone, without the word for what it is.
    pub fn json(&self) -> serde_json::Value {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => {
                map.into_iter().next().map(|(_, data)| data).unwrap_or_default()
            }
            _ => serde_json::Value::Null,
        }
    }
}
