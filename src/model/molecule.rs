//! What a molecule's steps say beside their text, and what is left of molecules that were put away.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::time::Timestamp;

fn no(flag: &bool) -> bool {
    !flag
}

/// Whether a molecule stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A mol: it stays until it is put away.
    #[default]
    Liquid,
    /// A wisp: it is in no export, and can be thrown away.
    Vapor,
}

impl Phase {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Liquid => "mol",
            Phase::Vapor => "wisp",
        }
    }
}

/// What a formula is poured as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Poured {
    /// The steps, in an order in which they can be done.
    pub steps: Vec<crate::event::PouredStep>,
    /// Whether it is to stay, if the formula says so.
    pub phase: Option<Phase>,
    /// What becomes of it when all is done, if the formula says so.
    pub squash: Option<String>,
}

/// What a step says beside its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepMore {
    /// What it waits for besides steps; all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<StepGate>,
    /// Whether it consists of others, all of which it needs: when they are done, so is it.
    #[serde(default, skip_serializing_if = "no")]
    pub container: bool,
    /// The step that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Whether it may run beside others.
    #[serde(default, skip_serializing_if = "no")]
    pub parallel: bool,
    /// How long it may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// Of what the step `of` has let follow, it needs all, or with `any` one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<StepWait>,
    /// What follows from its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_complete: Option<StepFanout>,
    /// Which step has let it follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
}

/// What a step waits for besides steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepGate {
    /// timer, human, mail, bead, gh:run, gh:pr.
    pub kind: String,
    /// What exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub await_id: Option<String>,
    /// Of a timer, after how many seconds it opens; of others, after how many a person is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// Who may open it by hand; anybody if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
}

/// It waits for what another step has let follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepWait {
    /// Whether one of it is enough.
    #[serde(default)]
    pub any: bool,
    /// Which step.
    pub of: String,
}

/// What follows from a step's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFanout {
    /// The list in the output: `output.workers`.
    pub for_each: String,
    /// The formula that is poured for each.
    pub bond: String,
    /// Its values, with `{item}`, `{item.field}` and `{index}`.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// Whether one comes after the other.
    #[serde(default, skip_serializing_if = "no")]
    pub sequential: bool,
}

/// What is left of molecules that were put away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Its name.
    pub id: String,
    /// The formulas that they were made from.
    pub formulas: Vec<String>,
    /// How many molecules.
    pub count: usize,
    /// How many of them were done.
    pub completed: usize,
    /// How many steps they had.
    pub steps: usize,
    /// How many of these were done.
    pub steps_done: usize,
    /// When the first began.
    pub began: Timestamp,
    /// When the last ended.
    pub ended: Timestamp,
    /// From the first step's beginning to the last one's end, summed over all, in seconds.
    pub seconds: u64,
    /// The record with which the first began.
    pub first: Seq,
    /// The last record about them.
    pub last: Seq,
    /// What there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
}
