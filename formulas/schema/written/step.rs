//! A step as written, with its gates and loops.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

use super::{At, Pairs, as_table};
use crate::problem::Place;

/// A step as written: of `steps`, `children`, `template`, `loop.body` or an advice.
#[derive(Debug, Clone, Serialize)]
pub struct WrittenStep {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// The formula that it is written in.
    #[serde(skip)]
    pub from: Arc<str>,
    /// Its name within the formula.
    pub id: At<String>,
    /// One line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<At<String>>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<At<String>>,
    /// What else to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<At<String>>,
    /// How to tell that it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<At<String>>,
    /// What must be done first: `needs` and `depends_on`, each name once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<At<String>>,
    /// The type of its record: task, bug, human and others.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<At<String>>,
    /// 0 to 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<At<i64>>,
    /// Labels of its record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<At<String>>,
    /// Who is to do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<At<String>>,
    /// Data of its record.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Json>,
    /// What it is told beside its text.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_table")]
    pub args: Pairs,
    /// What it is to leave.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_table")]
    pub output: Pairs,
    /// It is left out unless this holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<At<String>>,
    /// What it waits for besides steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<WrittenGate>,
    /// It stands for repetitions of other steps.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Box<Loop>>,
    /// What follows from its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_complete: Option<WrittenFanout>,
    /// It waits for what other steps have made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<At<String>>,
    /// The expansion that takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expand: Option<At<String>>,
    /// Values for the expansion.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_table")]
    pub expand_vars: Pairs,
    /// Steps that it consists of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<WrittenStep>,
    /// Whether it may run beside others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<At<bool>>,
    /// Whether it is a conversation with a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactive: Option<At<bool>>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<At<String>>,
}

/// What a step waits for besides steps, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenGate {
    /// Where it is.
    #[serde(skip)]
    pub line: usize,
    /// `timer`, `human`, `mail`, `bead`, `gh:run`, `gh:pr`, `conditional`.
    #[serde(rename = "type")]
    pub kind: At<String>,
    /// What is waited for: a workflow, a pull request, a bead, a thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub await_id: Option<At<String>>,
    /// How long; of a timer, when it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<At<String>>,
    /// What must hold, of `conditional`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<At<String>>,
    /// Who may open it, of `human`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<At<String>>,
}

/// Repetitions of steps.
#[derive(Debug, Clone, Serialize)]
pub struct Loop {
    /// Where it is.
    #[serde(skip)]
    pub line: usize,
    /// So many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<At<String>>,
    /// Until this holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<At<String>>,
    /// And so many times at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<At<i64>>,
    /// Once for each number from the first to the last: `1..2^{disks}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<At<String>>,
    /// What the number is called in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub var: Option<At<String>>,
    /// What is repeated.
    pub body: Vec<WrittenStep>,
}

/// What follows from a step's output, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenFanout {
    /// Where it is.
    #[serde(skip)]
    pub line: usize,
    /// The list in the output: `output.workers`.
    pub for_each: At<String>,
    /// The formula that is poured for each.
    pub bond: At<String>,
    /// Its values, with `{item}`, `{item.field}` and `{index}`.
    #[serde(serialize_with = "as_table")]
    pub vars: Pairs,
    /// Whether one comes after the other.
    pub sequential: bool,
}
