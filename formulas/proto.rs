//! A cooked formula: steps in an order in which they can be done, and no more questions.
//!
//! A proto is plain data and holds all that a file means. What is decided when it is cooked is decided: values,
//! conditions of steps, repetitions by number, expansions, aspects. What can only be decided while it runs is
//! carried along: gates, `until`, what follows from an output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

fn no(flag: &bool) -> bool {
    !flag
}

/// A formula with its values in place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proto {
    /// The formula's name.
    pub formula: String,
    /// The formula's version.
    pub version: i64,
    /// `workflow`, `expansion`, `aspect` or `convoy`.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Whether each step has a session of its own.
    #[serde(default, skip_serializing_if = "no")]
    pub per_step: bool,
    /// `liquid` or `vapor`, if the formula says how it is meant to be poured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Whether each step is to be a record of its own.
    #[serde(default, skip_serializing_if = "no")]
    pub pour: bool,
    /// What it is for.
    pub description: String,
    /// The steps, in an order in which they can be done.
    pub steps: Vec<ProtoStep>,
    /// Steps that are repeated until something holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Repeat>,
    /// Where others may attach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bond_points: Vec<BondPoint>,
    /// What becomes of a wisp of it when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub squash: Option<Squash>,
}

/// A step, before somebody works on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtoStep {
    /// Its name within the formula.
    pub id: String,
    /// One line.
    pub title: String,
    /// What to do.
    #[serde(default)]
    pub description: String,
    /// What else to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// How to tell that it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<String>,
    /// What must be done first.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The step that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Whether it consists of others, all of which it needs: when they are done, so is it.
    #[serde(default, skip_serializing_if = "no")]
    pub container: bool,
    /// The step or loop of the file that it stands in the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// The formula that it is written in, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The condition that it is here by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The type of its record: task, bug, human and others.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// 0 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Labels of its record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who is to do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// The preset of its worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Data of its record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Json>,
    /// What it is told beside its text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// What it is to leave: of a leg, the file of its findings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub output: BTreeMap<String, String>,
    /// What it waits for besides steps; all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// It waits for what another step has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// What follows from its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_complete: Option<Fanout>,
    /// Whether it may run beside others.
    #[serde(default, skip_serializing_if = "no")]
    pub parallel: bool,
    /// Whether it is a conversation with a person.
    #[serde(default, skip_serializing_if = "no")]
    pub interactive: bool,
    /// Whether it is not to change anything.
    #[serde(default, skip_serializing_if = "no")]
    pub review_only: bool,
    /// How long it may take: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What a step waits for besides steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// `timer`, `human`, `mail`, `bead`, `gh:run`, `gh:pr`, `conditional`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is waited for: a workflow, a pull request, a bead, a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub await_id: Option<String>,
    /// How long; of a timer, when it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// What must hold, of `conditional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Who may open it, of `human`; anybody if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
}

/// It waits for what another step has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsFor {
    /// Whether one of it is enough.
    #[serde(default, skip_serializing_if = "no")]
    pub any: bool,
    /// Which step made it.
    pub of: String,
}

/// What follows from a step's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fanout {
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

/// Steps that are repeated until something holds. They are here once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// The loop.
    pub id: String,
    /// What must hold.
    pub until: String,
    /// How often at most.
    pub max: i64,
    /// Which steps.
    pub steps: Vec<String>,
}

/// Where others may attach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BondPoint {
    /// Its name.
    pub id: String,
    /// What is to be attached.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The steps it is at; the end if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// Whether it is before them, not after them.
    #[serde(default, skip_serializing_if = "no")]
    pub before: bool,
    /// Whether what is attached runs beside them.
    #[serde(default, skip_serializing_if = "no")]
    pub parallel: bool,
}

/// What becomes of a wisp when it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Squash {
    /// When: `on_complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// What sort of digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_type: Option<String>,
    /// Whether figures are kept.
    #[serde(default, skip_serializing_if = "no")]
    pub include_metrics: bool,
}

impl Proto {
    /// Returns a name for what it says: the same for the same steps, wherever and whenever it was cooked.
    pub fn hash(&self) -> String {
        // Plain data with text for keys: it cannot fail, and an empty text would still be a stable one.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(&bytes)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl ProtoStep {
    /// Returns all that its worker is told, below its title.
    pub fn text(&self) -> String {
        let mut parts = vec![self.description.trim().to_owned()];
        parts.extend(self.notes.as_deref().map(|notes| notes.trim().to_owned()));
        if !self.args.is_empty() {
            parts.push(listed("Given", &self.args));
        }
        if !self.output.is_empty() {
            parts.push(listed("Leave behind", &self.output));
        }
        if self.review_only {
            parts.push(
                "Look only: change nothing but the files that you are asked to leave behind.".to_owned(),
            );
        }
        parts
            .extend(self.acceptance.as_deref().map(|acceptance| format!("Done when: {}", acceptance.trim())));
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    }
}

/// A list of names and values.
fn listed(title: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = format!("{title}:");
    for (name, value) in values {
        text.push_str(&format!("\n- {name}: {value}"));
    }
    text
}
