//! A formula as written, key by key. Nothing is checked but types and presence, nothing is filled in.
//!
//! As data it has the keys of the file again.

mod compose;
mod legs;
mod step;

use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use self::compose::{Advice, AspectRef, BondPoint, Branch, Compose, Expand, GateRule, Hook, Pointcut};
pub use self::legs::{Leg, Output, Preset, Synthesis};
pub use self::step::{Loop, WrittenFanout, WrittenGate, WrittenStep};

use crate::problem::{Place, Problem, Why};

/// A value and the line that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Counted from one.
    pub line: usize,
}

impl<T: Serialize> Serialize for At<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// Texts by name, in the order of their names.
pub type Pairs = Vec<(String, At<String>)>;

fn as_table<S: Serializer>(pairs: &Pairs, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

fn absent(flag: &bool) -> bool {
    !flag
}

/// What sort of formula it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Steps for one worker after another.
    Workflow,
    /// A template that replaces a step of another formula.
    Expansion,
    /// Advice woven into other formulas, or aspects under which something is looked at.
    Aspect,
    /// Legs that run side by side, and their synthesis.
    Convoy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Workflow, Self::Expansion, Self::Aspect, Self::Convoy];

    /// The word for it in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Expansion => "expansion",
            Self::Aspect => "aspect",
            Self::Convoy => "convoy",
        }
    }

    /// The sort that a file means by `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A file as written.
#[derive(Debug, Clone, Serialize)]
pub struct Written {
    /// Where it is.
    #[serde(skip)]
    pub place: Place,
    /// Its name.
    pub formula: At<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<At<String>>,
    /// Its author's count of changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<At<i64>>,
    /// What sort it says that it is.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<At<Kind>>,
    /// `per_step` or `per_bead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<At<String>>,
    /// How it is meant to be poured: `liquid`, or `vapor` for a wisp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<At<String>>,
    /// Whether each step is a record of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pour: Option<At<bool>>,
    /// The preset of its workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<At<String>>,
    /// Whether nobody is to change anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_only: Option<At<bool>>,
    /// What becomes of it when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub squash: Option<Squash>,
    /// The formulas that it builds on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extends: Vec<At<String>>,
    /// Its variables and inputs, in the order of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vars: Vec<WrittenVar>,
    /// Its steps, in the order of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<WrittenStep>,
    /// The steps that it puts in place of another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template: Vec<WrittenStep>,
    /// What it does with other formulas.
    #[serde(skip_serializing_if = "Compose::is_empty")]
    pub compose: Compose,
    /// The steps that it puts around others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<Advice>,
    /// Which steps its advice is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pointcuts: Vec<Pointcut>,
    /// What runs side by side: `legs`, or `aspects` of an aspect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<Leg>,
    /// What is made of the legs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthesis: Option<Synthesis>,
    /// Texts for the legs, by name.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_table")]
    pub prompts: Pairs,
    /// Choices of legs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<Preset>,
    /// Where findings go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

impl Written {
    /// What sort it is: what it says, or what its keys tell.
    pub fn kind(&self) -> Kind {
        if let Some(kind) = &self.kind {
            return kind.value;
        }
        let is_aspect = |leg: &Leg| leg.place.key.starts_with("aspects");
        match () {
            () if !self.steps.is_empty() => Kind::Workflow,
            () if self.legs.iter().any(is_aspect) => Kind::Aspect,
            () if !self.legs.is_empty() => Kind::Convoy,
            () if !self.template.is_empty() => Kind::Expansion,
            () if !self.advice.is_empty() => Kind::Aspect,
            () => Kind::Workflow,
        }
    }

    /// What it is for; empty if it does not say.
    pub fn description(&self) -> &str {
        self.description.as_ref().map_or("", |text| &text.value)
    }

    /// A key that must be there and is not.
    pub(crate) fn missing(&self, key: &str) -> Problem {
        Place { key: Arc::from(key), line: 1, ..self.place.clone() }.here(Why::Missing)
    }
}

/// A variable as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenVar {
    /// The file that declares it.
    #[serde(skip)]
    pub place: Place,
    /// Its name, as in `{{name}}`.
    pub name: At<String>,
    /// What it is for; empty if missing.
    pub description: String,
    /// Its value when nobody gives one. Numbers and booleans are taken as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<At<String>>,
    /// Whether somebody must give it.
    pub required: bool,
    /// It must be given unless one of these is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_unless: Vec<At<String>>,
    /// The only values allowed; empty if all are.
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// A regular expression that the value must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<At<String>>,
    /// `string`, `int`, `number`, `bool` and others.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<At<String>>,
    /// Whether it stands among the inputs: its value is told to every leg.
    #[serde(skip_serializing_if = "absent")]
    pub input: bool,
}

/// What becomes of a wisp when it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Squash {
    /// Where it is.
    #[serde(skip)]
    pub line: usize,
    /// When: `on_complete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<At<String>>,
    /// What sort of digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_type: Option<At<String>>,
    /// Whether figures are kept.
    pub include_metrics: bool,
}
