//! Written steps to drafts: conditions are decided, loops run, inline expansions put in.

use std::collections::HashSet;
use std::sync::Arc;

use super::fragment::{Draft, Fragment, Need, add};
use super::instead::leave_out;
use super::scope::Scope;
use super::weave::Weave;
use super::{Kitchen, MOST_STEPS, Mode};
use crate::condition::{self, OfStep};
use crate::problem::{Place, Why};
use crate::proto::{Fanout, Gate, ProtoStep, WaitsFor};
use crate::schema::written::{At, WrittenGate, WrittenStep};

/// Where steps are made.
#[derive(Debug, Clone)]
pub(super) struct Within<'a> {
    pub(super) scope: Scope<'a>,
    /// The loops around, the nearest last.
    pub(super) rounds: Vec<Round>,
    /// The step that they are part of.
    pub(super) parent: Option<String>,
    /// The step or loop that they stand in the place of.
    pub(super) instead_of: Option<String>,
}

/// One round of a loop: names of its body are those of this round.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) prefix: String,
    pub(super) names: Arc<HashSet<String>>,
}

impl<'a> Within<'a> {
    pub(super) fn new(scope: Scope<'a>) -> Self {
        Self { scope, rounds: Vec::new(), parent: None, instead_of: None }
    }

    /// The name of a step that is made here.
    pub(super) fn own(&self, id: &str) -> String {
        let id = self.scope.name(id);
        match self.rounds.last() {
            Some(round) => format!("{}{id}", round.prefix),
            None => id,
        }
    }

    /// The name of a step that is spoken of here.
    pub(super) fn meant(&self, name: &str) -> String {
        let round = self.rounds.iter().rev().find(|round| round.names.contains(name));
        let name = self.scope.name(name);
        match round {
            Some(round) => format!("{}{name}", round.prefix),
            None => name,
        }
    }
}

impl Kitchen<'_> {
    /// Makes the drafts of these steps.
    pub(super) fn steps(
        &mut self,
        weave: &mut Weave,
        steps: &[WrittenStep],
        scope: &Scope<'_>,
    ) -> Vec<Draft> {
        self.make(weave, steps, &Within::new(scope.clone()))
    }

    pub(super) fn make(
        &mut self,
        weave: &mut Weave,
        steps: &[WrittenStep],
        within: &Within<'_>,
    ) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for step in steps {
            self.made += 1;
            if self.made > MOST_STEPS {
                // Told once: every step after it would say the same.
                if self.made == MOST_STEPS + 1 {
                    self.problems.push(step.place.here(Why::TooMany(MOST_STEPS)));
                }
                break;
            }
            self.one(weave, step, within, &mut drafts);
        }
        drafts
    }

    fn one(&mut self, weave: &mut Weave, step: &WrittenStep, within: &Within<'_>, drafts: &mut Vec<Draft>) {
        if !self.is_wanted(step, &within.scope) {
            leave_out(weave, step, within, &[]);
            return;
        }
        let draft = self.draft(step, within);
        if let Some(repeat) = &step.repeat {
            drafts.extend(self.rounds(weave, repeat, draft, within));
        } else if let Some(name) = &step.expand {
            let place = Place { line: name.line, key: key(&step.place, "expand"), ..step.place.clone() };
            let said = within.scope.pairs(&step.expand_vars);
            drafts.extend(self.expanded(weave, draft, &name.value, &place, &said, within.scope.values));
        } else if !step.children.is_empty() {
            drafts.extend(self.parts(weave, &step.children, draft, within));
        } else {
            drafts.push(draft);
        }
    }

    /// Whether the condition of a step holds.
    fn is_wanted(&mut self, step: &WrittenStep, scope: &Scope<'_>) -> bool {
        let Some(condition) = step.condition.as_ref().filter(|text| !text.value.trim().is_empty()) else {
            return true;
        };
        let Some(read) = OfStep::read(&condition.value) else {
            let why = Why::Condition { text: condition.value.clone(), expected: condition::OF_STEPS };
            self.problems.push(step.place.within(condition.line, "condition", why));
            return true;
        };
        let value = scope.value(read.var);
        if value.is_none() && !self.is_declared(read.var) {
            let names = self.merged.values().flatten().flat_map(|written| &written.vars);
            let near = model::near::matches(read.var, names.map(|var| var.name.value.as_str()));
            let why = Why::UnknownVar { name: read.var.to_owned(), near };
            self.problems.push(step.place.within(condition.line, "condition", why));
        }
        self.order.mode == Mode::Lint || read.holds(value.unwrap_or_default())
    }

    pub(super) fn is_declared(&self, name: &str) -> bool {
        let mut vars = self.merged.values().flatten().flat_map(|written| &written.vars);
        vars.any(|var| var.name.value == name)
    }

    /// The step itself, with its values in place.
    fn draft(&mut self, step: &WrittenStep, within: &Within<'_>) -> Draft {
        let scope = &within.scope;
        let id = within.own(&step.id.value);
        let needs_key = if step.needs.is_empty() { None } else { Some(key(&step.place, "needs")) };
        let mut needs: Vec<Need> = Vec::new();
        for (need, key) in step.needs.iter().zip(needs_key.iter().cycle()) {
            let place = Place { line: need.line, key: Arc::clone(key), ..step.place.clone() };
            add(&mut needs, Need { name: within.meant(&need.value), place });
        }
        let waits_for = self.waits_for(step, within, &mut needs);
        let gates = step.gate.as_ref().map(|gate| self.gate(step, gate, scope)).into_iter().collect();
        let timeout = scope.maybe(&step.timeout);
        self.is_duration(step, "timeout", step.timeout.as_ref(), timeout.as_deref());
        let set = |flag: &Option<At<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
        let main = self.nest.first().map(String::as_str) == Some(&step.from);
        let step_made = ProtoStep {
            title: scope.maybe(&step.title).unwrap_or_else(|| id.clone()),
            description: scope.maybe(&step.description).unwrap_or_default(),
            notes: scope.maybe(&step.notes),
            acceptance: scope.maybe(&step.acceptance),
            needs: Vec::new(),
            parent: within.parent.clone(),
            container: false,
            instead_of: within.instead_of.clone(),
            from: (!main).then(|| step.from.to_string()),
            condition: step.condition.as_ref().map(|text| text.value.clone()),
            kind: scope.maybe(&step.kind),
            priority: step.priority.as_ref().map(|priority| priority.value),
            labels: step.labels.iter().map(|label| scope.text(&label.value)).collect(),
            assignee: scope.maybe(&step.assignee).filter(|who| !who.is_empty()),
            agent: None,
            metadata: step.metadata.clone(),
            args: scope.pairs(&step.args),
            output: scope.pairs(&step.output),
            gates,
            waits_for,
            on_complete: self.fanout(step, scope),
            parallel: set(&step.parallel),
            interactive: set(&step.interactive),
            review_only: false,
            timeout,
            id,
        };
        self.spelling(step, scope);
        Draft { step: step_made, needs, place: step.place.clone() }
    }

    fn gate(&mut self, step: &WrittenStep, gate: &WrittenGate, scope: &Scope<'_>) -> Gate {
        let timeout = scope.maybe(&gate.timeout);
        self.is_duration(step, "gate.timeout", gate.timeout.as_ref(), timeout.as_deref());
        Gate {
            kind: gate.kind.value.clone(),
            await_id: scope.maybe(&gate.await_id),
            timeout,
            condition: scope.maybe(&gate.condition),
            approvers: gate.approvers.iter().map(|who| scope.text(&who.value)).collect(),
        }
    }

    /// Complains of a time that is none, unless a value is missing in it.
    fn is_duration(&mut self, step: &WrittenStep, key: &str, at: Option<&At<String>>, text: Option<&str>) {
        if let (Some(at), Some(text)) = (at, text)
            && !is_duration(text)
            && !text.contains('{')
        {
            let why = Why::Unfit { expected: "a time, as 90s, 30m, 1h30m or 7d", found: text.to_owned() };
            self.problems.push(step.place.within(at.line, key, why));
        }
    }

    fn waits_for(
        &mut self,
        step: &WrittenStep,
        within: &Within<'_>,
        needs: &mut Vec<Need>,
    ) -> Option<WaitsFor> {
        let text = step.waits_for.as_ref()?;
        let named = text.value.strip_prefix("children-of(").and_then(|rest| rest.strip_suffix(')'));
        let place = Place { line: text.line, key: key(&step.place, "waits_for"), ..step.place.clone() };
        let of = match named {
            Some(name) => {
                let name = within.meant(name.trim());
                add(needs, Need { name: name.clone(), place });
                name
            }
            // What made them is the first that it needs.
            None => match needs.first() {
                Some(need) => need.name.clone(),
                None => {
                    self.problems.push(place.here(Why::Alone { other: "needs" }));
                    return None;
                }
            },
        };
        Some(WaitsFor { any: text.value == "any-children", of })
    }

    fn fanout(&mut self, step: &WrittenStep, scope: &Scope<'_>) -> Option<Fanout> {
        let fanout = step.on_complete.as_ref()?;
        let bond = scope.text(&fanout.bond.value);
        // It is poured later; that there is none is better known now.
        if !bond.contains('{') {
            let place = Place {
                line: fanout.bond.line,
                key: key(&step.place, "on_complete.bond"),
                ..step.place.clone()
            };
            if let Err(error) = self.library.find(&bond) {
                self.cannot_load(&bond, &place, error);
            }
        }
        Some(Fanout {
            for_each: scope.text(&fanout.for_each.value),
            bond,
            vars: scope.pairs(&fanout.vars),
            sequential: fanout.sequential,
        })
    }

    /// A step that consists of others: they need what it needs, and it needs them.
    fn parts(
        &mut self,
        weave: &mut Weave,
        children: &[WrittenStep],
        mut draft: Draft,
        within: &Within<'_>,
    ) -> Vec<Draft> {
        let inner = Within { parent: Some(draft.step.id.clone()), ..within.clone() };
        let made = self.make(weave, children, &inner);
        let mut parts = Fragment::of(made, &weave.groups);
        if parts.drafts.is_empty() {
            return vec![draft];
        }
        parts.follow(&draft.needs);
        // A gate is before all of it, so it is before the first parts.
        let gates = std::mem::take(&mut draft.step.gates);
        for &first in &parts.entries {
            parts.drafts[first].step.gates.extend(gates.iter().cloned());
        }
        let mut group = parts.group(draft.step.clone(), draft.needs.clone());
        group.exits = vec![draft.step.id.clone()];
        weave.groups.insert(draft.step.id.clone(), group);
        draft.step.container = true;
        draft.needs = parts.ends(&draft.place);
        let mut all = vec![draft];
        all.extend(parts.drafts);
        all
    }
}

/// The key of something within a place.
fn key(place: &Place, name: &str) -> Arc<str> {
    Arc::from(format!("{}.{name}", place.key))
}

/// Whether this is a time: numbers, each with `ms`, `s`, `m`, `h` or `d`.
fn is_duration(text: &str) -> bool {
    let mut rest = text.trim();
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if rest[..digits].parse::<f64>().is_err() {
            return false;
        }
        rest = &rest[digits..];
        let Some(unit) = ["ms", "s", "m", "h", "d"].iter().find(|unit| rest.starts_with(**unit)) else {
            return false;
        };
        rest = &rest[unit.len()..];
    }
    true
}
