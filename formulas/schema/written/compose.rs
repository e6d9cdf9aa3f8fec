//! What a formula does with others, as written.

use serde::{Serialize, Serializer};

use super::{At, Pairs, WrittenStep, as_table};
use crate::problem::Place;

/// What a formula does with other formulas.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Compose {
    /// Expansions for single steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<Expand>,
    /// Expansions for all steps that fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<Expand>,
    /// Ways that part and meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branch: Vec<Branch>,
    /// Conditions before steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gate: Vec<GateRule>,
    /// Aspects that are woven in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aspects: Vec<AspectRef>,
    /// Where others may attach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bond_points: Vec<BondPoint>,
    /// What attaches by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
}

impl Compose {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.expand.is_empty()
            && self.map.is_empty()
            && self.branch.is_empty()
            && self.gate.is_empty()
            && self.aspects.is_empty()
            && self.bond_points.is_empty()
            && self.hooks.is_empty()
    }
}

/// The name of an aspect that is woven in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AspectRef {
    /// Where it is.
    pub place: Place,
    /// The formula.
    pub name: String,
}

impl Serialize for AspectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

/// An expansion for a step (`compose.expand`) or for all that fit a pattern (`compose.map`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expand {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// The step, or the pattern.
    #[serde(rename = "target")]
    pub target: At<String>,
    /// The expansion.
    pub with: At<String>,
    /// Its values.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_table")]
    pub vars: Pairs,
}

/// Ways that part after a step and meet before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Branch {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// Before the ways.
    pub from: At<String>,
    /// The ways.
    pub steps: Vec<At<String>>,
    /// After them.
    pub join: At<String>,
}

/// A condition before a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateRule {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// The step.
    pub before: At<String>,
    /// What must hold.
    pub condition: At<String>,
}

/// Where others may attach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BondPoint {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// Its name.
    pub id: At<String>,
    /// What is to be attached; empty if missing.
    pub description: String,
    /// The step it is at, if it is at one: otherwise it is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<At<String>>,
    /// Whether it is before that step, not after it.
    pub before: bool,
    /// Whether what is attached runs beside the step.
    pub parallel: bool,
}

/// What attaches by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// When: `label:security`, `type:bug`, `priority:0-1`.
    pub trigger: At<String>,
    /// The formula.
    pub attach: At<String>,
    /// The bond point; the end if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At<String>>,
    /// Its values.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_table")]
    pub vars: Pairs,
}

/// Steps around others.
#[derive(Debug, Clone, Serialize)]
pub struct Advice {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// Which steps, by pattern; all that a pointcut fits if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<At<String>>,
    /// What comes before, one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<WrittenStep>,
    /// What comes after, one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<WrittenStep>,
}

/// Which steps an advice is for: all that is said must fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pointcut {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// A pattern of ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glob: Option<At<String>>,
    /// The type of the record.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<At<String>>,
    /// A label of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<At<String>>,
}
