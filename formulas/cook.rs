//! A formula becomes a proto: all that it builds on is brought together, and all that can be decided is.
//!
//! ```text
//!   file ─ extends ─> one formula ─ values ─> steps ─ expand, map ─> advice, aspects ─> branch, gate, hooks
//!                                     conditions, loops, inline expansions                      │
//!                                                                           names to steps, order, proto
//! ```
//!
//! Each text is filled in once, in the scope of the formula that wrote it, before it meets texts of others.
//! Nothing here recurses over steps that need each other: a chain of ten thousand is an ordinary one.
//!
//! - `extend`: several formulas to one.
//! - `scope`: what the words in a text mean.
//! - `make`: written steps to drafts; `rounds`: loops; `instead`: steps in the place of another.
//! - `fragment`: drafts; `weave`: all of them, and moves that put others in place of them or around them.
//! - `compose`: `expand`, `map`, `branch`, `gate`, bond points and hooks.
//! - `advise`: steps around others.
//! - `legs`: what runs side by side.
//! - `spelling`: names that are nearly variables.
//! - `finish`: names to steps, an order, and what today's engine cannot carry out.

mod advise;
mod compose;
mod extend;
mod finish;
mod fragment;
mod instead;
mod legs;
mod make;
mod rounds;
mod scope;
mod spelling;
mod weave;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::near;

use self::scope::Scope;
use self::weave::Weave;
use crate::catalog::CannotLoad;
use crate::fill;
use crate::formula::Formula;
use crate::library::DEFAULT;
use crate::problem::{Invalid, Place, Problem, Why};
use crate::proto::{Proto, ProtoStep};
use crate::schema::written::{Kind, Written};
use crate::vars::{self, Vars};

/// More steps than this come of a slip in a number, and fill the memory.
pub const MOST_STEPS: usize = 100_000;

/// Formulas that build on formulas: more is a slip, and is read by recursion.
const DEEPEST: usize = 64;

/// What a step is called that stands for all of the work.
const MAIN: &str = "main";

/// Where formulas are looked up by name.
pub trait Library {
    /// Returns the nearest formula of this name.
    fn find(&self, name: &str) -> Result<Arc<Formula>, CannotLoad>;
}

/// What is wanted of a formula.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The values that somebody gave. One that the formula neither declares nor mentions is an error: it was
    /// probably misspelt.
    pub given: Vars,
    /// Values that are there for every formula, whether it has a use for them or not.
    pub ambient: Vars,
    /// What the formula is cooked for, if for anything.
    pub subject: Option<Subject>,
    /// How much must be decided.
    pub mode: Mode,
}

/// The work that a formula is cooked for.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Its title.
    pub title: String,
    /// What is to be done.
    pub description: String,
    /// The type of its record.
    pub kind: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// 0 to 4.
    pub priority: i64,
}

/// How much must be decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything: it is to be carried out.
    #[default]
    Pour,
    /// Values may be missing where nothing but text hangs on them: it is to be looked at.
    Look,
    /// Every step is visited, whatever its condition says: it is to be checked.
    Lint,
}

/// A cooked formula.
#[derive(Debug, Clone)]
pub struct Cooked {
    /// What is to be done.
    pub proto: Proto,
    /// What is odd about the formula.
    pub warnings: Vec<Problem>,
    /// What it says that today's engine cannot carry out.
    pub unable: Vec<Problem>,
}

/// Returns the proto of `formula`, or everything that is wrong with it and with what it builds on.
pub fn cook(library: &dyn Library, formula: &Arc<Formula>, order: &Order) -> Result<Cooked, Invalid> {
    let mut kitchen = Kitchen {
        library,
        order,
        merged: HashMap::new(),
        chain: Vec::new(),
        nest: Vec::new(),
        problems: Vec::new(),
        warnings: formula.warnings.clone(),
        unable: Vec::new(),
        made: 0,
    };
    let written = kitchen.extended(formula);
    kitchen.merged.insert(formula.name().to_owned(), Some(Arc::clone(&written)));
    kitchen.told()?;
    let values = kitchen.values(&written, &Vars::new(), &Vars::new());
    kitchen.known_values(&written);
    kitchen.told()?;
    let weave = kitchen.weave(&written, &values);
    kitchen.told()?;
    let (proto, unable) = kitchen.proto(&written, &values, weave);
    kitchen.told()?;
    let mut warnings = kitchen.warnings;
    warnings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    warnings.dedup();
    Ok(Cooked { proto, warnings, unable })
}

/// What is at hand while one formula is cooked.
struct Kitchen<'a> {
    library: &'a dyn Library,
    order: &'a Order,
    /// Formulas that took part, each with all that it extends; nothing for those that are broken.
    merged: HashMap<String, Option<Arc<Written>>>,
    /// What extends what, at the moment.
    chain: Vec<String>,
    /// What is expanded or attached within what, at the moment.
    nest: Vec<String>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// What today's engine cannot carry out, as far as it is known before the steps are.
    unable: Vec<Problem>,
    /// How many steps there are.
    made: usize,
}

impl Kitchen<'_> {
    /// Ends the cooking if something is wrong.
    fn told(&mut self) -> Result<(), Invalid> {
        Invalid::of(std::mem::take(&mut self.problems))
    }

    /// The formula called `name`, with all that it extends; `place` is where it is named.
    fn formula(&mut self, name: &str, place: &Place) -> Option<Arc<Written>> {
        if let Some(known) = self.merged.get(name) {
            return known.clone();
        }
        let found = match self.library.find(name) {
            Ok(formula) => Some(self.extended(&formula)),
            Err(error) => {
                self.cannot_load(name, place, error);
                None
            }
        };
        self.merged.insert(name.to_owned(), found.clone());
        found
    }

    fn cannot_load(&mut self, name: &str, place: &Place, error: CannotLoad) {
        match error {
            CannotLoad::Unknown { name, near } => {
                self.problems.push(place.here(Why::UnknownFormula { name, near }));
            }
            // Those problems name their own places.
            CannotLoad::Invalid { problems, .. } => self.problems.extend(problems.problems),
            CannotLoad::Unreadable { .. } => {
                let why = Why::Unreadable { name: name.to_owned(), reason: error.to_string() };
                self.problems.push(place.here(why));
            }
        }
    }

    /// The formula with all that it extends.
    fn extended(&mut self, formula: &Arc<Formula>) -> Arc<Written> {
        let written = &formula.written;
        if written.extends.is_empty() {
            return Arc::clone(written);
        }
        let name = &written.formula.value;
        let mut parents = Vec::new();
        self.chain.push(name.clone());
        for parent in &written.extends {
            let place = Place { line: parent.line, key: Arc::from("extends"), ..written.place.clone() };
            if let Some(at) = self.chain.iter().position(|other| *other == parent.value) {
                let mut chain = self.chain[at..].to_vec();
                chain.push(parent.value.clone());
                self.problems.push(place.here(Why::Circle { chain }));
            } else if self.chain.len() > DEEPEST {
                self.problems.push(place.here(Why::TooDeep(DEEPEST)));
            } else {
                parents.extend(self.formula(&parent.value, &place));
            }
        }
        self.chain.pop();
        Arc::new(extend::merge(&parents, written, &mut self.warnings))
    }

    /// The formula called `name`, if it is of this kind and does not stand within itself. Whoever goes on with
    /// it says [`Kitchen::leave`] afterwards.
    fn enter(&mut self, name: &str, place: &Place, wanted: Option<Kind>) -> Option<Arc<Written>> {
        if let Some(at) = self.nest.iter().position(|other| other == name) {
            let mut chain = self.nest[at..].to_vec();
            chain.push(name.to_owned());
            self.problems.push(place.here(Why::Circle { chain }));
            return None;
        }
        if self.nest.len() > DEEPEST {
            self.problems.push(place.here(Why::TooDeep(DEEPEST)));
            return None;
        }
        let written = self.formula(name, place)?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != written.kind()) {
            let (name, found) = (name.to_owned(), written.kind().as_str());
            self.problems.push(place.here(Why::WrongKind { name, found, wanted: wanted.as_str() }));
            return None;
        }
        self.nest.push(name.to_owned());
        Some(written)
    }

    fn leave(&mut self) {
        self.nest.pop();
    }

    /// The values of a formula: what was said where it is used, or else what was given, or else its defaults;
    /// `outer` are those of the formula that uses it, which count where it declares none.
    fn values(&mut self, written: &Written, said: &Vars, outer: &Vars) -> Vars {
        let mut given = self.order.given.clone();
        given.extend(said.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut ambient = self.order.ambient.clone();
        let without_default = written.vars.iter().filter(|var| var.default.is_none());
        for name in without_default.map(|var| &var.name.value) {
            if let Some(value) = outer.get(name) {
                ambient.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        let strict = self.order.mode == Mode::Pour;
        let (settled, problems) = vars::settle(&written.vars, &given, &ambient, strict);
        self.problems.extend(problems);
        let mut values = outer.clone();
        values.extend(settled);
        values
    }

    /// Complains of values that were given and that no formula has a use for.
    fn known_values(&mut self, written: &Arc<Written>) {
        let unknown: Vec<String> = self
            .order
            .given
            .keys()
            .filter(|name| !written.vars.iter().any(|var| var.name.value == **name))
            .filter(|name| written.presets.is_empty() || !matches!(name.as_str(), "preset" | "legs"))
            .cloned()
            .collect();
        if unknown.is_empty() {
            return;
        }
        let mut mentioned = BTreeSet::new();
        let mut declared = BTreeSet::new();
        let mut look = |written: &Written| {
            // As data it has all of its texts, and braces are written in it as they are.
            let text = serde_json::to_string(written).unwrap_or_default();
            fill::names(&text, |name| {
                mentioned.insert(name.to_owned());
            });
            fill::fill(
                &text,
                |_| None,
                |name| {
                    mentioned.insert(name.to_owned());
                    None
                },
            );
            declared.extend(written.vars.iter().map(|var| var.name.value.clone()));
        };
        look(written);
        for name in self.others(written) {
            if let Ok(other) = self.library.find(&name) {
                look(&other.written);
            }
        }
        for name in unknown.into_iter().filter(|name| !mentioned.contains(name) && !declared.contains(name)) {
            let near = near::matches(&name, declared.iter().map(String::as_str));
            let place = Place { key: Arc::from("vars"), line: 1, ..written.place.clone() };
            self.problems.push(place.here(Why::UnknownVar { name, near }));
        }
    }

    /// The names of formulas that a formula uses.
    fn others(&self, written: &Written) -> BTreeSet<String> {
        let compose = &written.compose;
        let mut names: BTreeSet<String> =
            compose.expand.iter().chain(&compose.map).map(|rule| rule.with.value.clone()).collect();
        names.extend(compose.aspects.iter().map(|aspect| aspect.name.clone()));
        names.extend(compose.hooks.iter().map(|hook| hook.attach.value.clone()));
        let mut open: Vec<_> = written.steps.iter().chain(&written.template).collect();
        while let Some(step) = open.pop() {
            names.extend(step.expand.iter().map(|name| name.value.clone()));
            open.extend(&step.children);
            open.extend(step.repeat.iter().flat_map(|repeat| &repeat.body));
        }
        names
    }

    /// All steps of a formula, with what it does to them.
    fn weave(&mut self, written: &Arc<Written>, values: &Vars) -> Weave {
        self.nest.push(written.formula.value.clone());
        let mut weave = Weave::default();
        let scope = Scope::new(values);
        match written.kind() {
            Kind::Expansion if written.steps.is_empty() => self.alone(&mut weave, written, &scope),
            Kind::Aspect if written.steps.is_empty() && written.legs.is_empty() => {
                self.aspect_alone(&mut weave, written, values);
            }
            _ => {
                let drafts = self.steps(&mut weave, &written.steps, &scope);
                weave.append(drafts);
                self.legs(&mut weave, written, &scope);
            }
        }
        self.compose(&mut weave, written, values);
        self.problems.append(&mut weave.problems);
        self.leave();
        weave
    }

    /// An expansion that nobody uses stands in the place of all of the work.
    fn alone(&mut self, weave: &mut Weave, written: &Written, scope: &Scope<'_>) {
        if written.template.is_empty() {
            self.problems.push(written.missing("template"));
            return;
        }
        let target = ProtoStep { id: MAIN.to_owned(), ..self.whole(written, scope) };
        let mut scope = scope.clone().about("target", &target);
        for var in &written.vars {
            if let Some(value) = scope.values.get(&var.name.value) {
                scope = scope.word(&var.name.value, value);
            }
        }
        let drafts = self.steps(weave, &written.template, &scope);
        weave.append(drafts);
    }

    /// An aspect that nobody uses is woven into how a worker goes about a bead.
    fn aspect_alone(&mut self, weave: &mut Weave, written: &Arc<Written>, values: &Vars) {
        if written.advice.is_empty() {
            self.problems.push(written.missing("advice"));
            return;
        }
        let Some(base) = self.enter(DEFAULT, &written.place, None) else { return };
        let base_values = self.values(&base, &Vars::new(), values);
        let drafts = self.steps(weave, &base.steps, &Scope::new(&base_values));
        weave.append(drafts);
        self.compose(weave, &base, &base_values);
        self.leave();
    }

    /// All of the work as one step.
    fn whole(&self, written: &Written, scope: &Scope<'_>) -> ProtoStep {
        match &self.order.subject {
            Some(subject) => ProtoStep {
                title: subject.title.clone(),
                description: subject.description.clone(),
                ..ProtoStep::default()
            },
            None => ProtoStep {
                title: written.formula.value.clone(),
                description: scope.maybe(&written.description).unwrap_or_default(),
                ..ProtoStep::default()
            },
        }
    }
}

#[cfg(test)]
mod tests;
