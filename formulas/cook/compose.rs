//! What a formula does to its steps when they are made: `expand` and `map`, advice and aspects, `branch`, `gate`,
//! and what attaches by itself.

use std::sync::Arc;

use model::near;

use super::fragment::{Fragment, Need, add};
use super::scope::Scope;
use super::weave::Weave;
use super::{Kitchen, Subject};
use crate::condition;
use crate::glob;
use crate::problem::{Place, Why};
use crate::proto::Gate;
use crate::schema::written::{At, Branch, Expand, GateRule, Hook, Kind, Written};
use crate::vars::Vars;

impl Kitchen<'_> {
    /// Does to the steps all that `written` says, in this order.
    pub(super) fn compose(&mut self, weave: &mut Weave, written: &Arc<Written>, values: &Vars) {
        let compose = &written.compose;
        for rule in &compose.expand {
            self.expand(weave, rule, values);
        }
        for rule in &compose.map {
            self.map(weave, rule, values);
        }
        // An aspect's advice is for others, unless it has steps of its own.
        if written.kind() != Kind::Aspect || weave.names().next().is_some() {
            self.advise(weave, written, values, &written.place);
        }
        for aspect in &compose.aspects {
            let Some(other) = self.enter(&aspect.name, &aspect.place, Some(Kind::Aspect)) else { continue };
            if other.advice.is_empty() {
                self.problems.push(other.missing("advice"));
            }
            let other_values = self.values(&other, &Vars::new(), values);
            self.advise(weave, &other, &other_values, &aspect.place);
            self.leave();
        }
        for rule in &compose.branch {
            self.branch(weave, rule);
        }
        for rule in &compose.gate {
            self.gate_before(weave, rule, values);
        }
        for hook in &compose.hooks {
            self.hook(weave, hook, written, values);
        }
    }

    /// Whether there is a step called `name`, or others in its place; complains if not.
    fn is_there(&mut self, weave: &Weave, place: &Place, key: &str, name: &At<String>) -> bool {
        if weave.knows(&name.value) {
            return true;
        }
        let near = near::matches(&name.value, weave.names());
        let why = Why::UnknownStep { name: name.value.clone(), near };
        self.problems.push(place.within(name.line, key, why));
        false
    }

    fn expand(&mut self, weave: &mut Weave, rule: &Expand, values: &Vars) {
        if !self.is_there(weave, &rule.place, "target", &rule.target) {
            return;
        }
        let name = &rule.target.value;
        if weave.get(name).is_some_and(|draft| !draft.step.container) {
            self.replace(weave, name, rule, values);
        } else if let Some(group) = weave.groups.get(name).filter(|group| !group.members.is_empty()) {
            let why = Why::Replaced { name: name.clone(), members: group.members.clone() };
            self.problems.push(rule.place.within(rule.target.line, "target", why));
        }
        // What its condition has left out needs no expansion.
    }

    /// Expands every step that fits, but not what came of that.
    fn map(&mut self, weave: &mut Weave, rule: &Expand, values: &Vars) {
        let pattern = &rule.target.value;
        let fitting: Vec<String> = weave
            .walk()
            .into_iter()
            .filter(|name| glob::fits(pattern, name))
            .filter(|name| weave.get(name).is_some_and(|draft| !draft.step.container))
            .collect();
        if fitting.is_empty() {
            let problem = rule.place.within(rule.target.line, "select", Why::NoStep(pattern.clone()));
            match glob::is_pattern(pattern) || weave.knows(pattern) {
                true => self.warnings.push(problem),
                false => self.problems.push(problem),
            }
        }
        for name in fitting {
            self.replace(weave, &name, rule, values);
        }
    }

    fn replace(&mut self, weave: &mut Weave, name: &str, rule: &Expand, values: &Vars) {
        let Some((slot, draft)) = weave.take(name) else { return };
        let place = Place {
            line: rule.with.line,
            key: Arc::from(format!("{}.with", rule.place.key)),
            ..rule.place.clone()
        };
        let said = Scope::new(values).about("target", &draft.step).pairs(&rule.vars);
        let drafts = self.expanded(weave, draft, &rule.with.value, &place, &said, values);
        weave.fill(slot, drafts);
    }

    /// Lets the ways need what they part from, and what they meet before need the ways.
    fn branch(&mut self, weave: &mut Weave, rule: &Branch) {
        let mut all_there = self.is_there(weave, &rule.place, "from", &rule.from);
        for way in &rule.steps {
            all_there &= self.is_there(weave, &rule.place, "steps", way);
        }
        all_there &= self.is_there(weave, &rule.place, "join", &rule.join);
        if !all_there {
            return;
        }
        let need = |name: &At<String>| Need {
            name: name.value.clone(),
            place: Place { line: name.line, ..rule.place.clone() },
        };
        for way in &rule.steps {
            let_need(weave, &way.value, &need(&rule.from));
            let_need(weave, &rule.join.value, &need(way));
        }
    }

    fn gate_before(&mut self, weave: &mut Weave, rule: &GateRule, values: &Vars) {
        let text = Scope::new(values).text(&rule.condition.value);
        if !condition::is_at_run(&text) && !text.contains('{') {
            let why = Why::Condition { text: text.clone(), expected: condition::AT_RUN };
            self.problems.push(rule.place.within(rule.condition.line, "condition", why));
        }
        if !self.is_there(weave, &rule.place, "before", &rule.before) {
            return;
        }
        let firsts: Vec<String> = weave.first_of(&rule.before.value).into_iter().map(str::to_owned).collect();
        for first in firsts {
            if let Some(draft) = weave.get_mut(&first) {
                let kind = "conditional".to_owned();
                draft.step.gates.push(Gate { kind, condition: Some(text.clone()), ..Gate::default() });
            }
        }
    }

    /// Attaches a formula if what is worked at is such that it should be.
    fn hook(&mut self, weave: &mut Weave, hook: &Hook, written: &Written, values: &Vars) {
        let Some(trigger) = Trigger::read(&hook.trigger.value) else {
            let expected = "label:NAME, type:NAME or priority:FROM-TO";
            let why = Why::Unfit { expected, found: hook.trigger.value.clone() };
            self.problems.push(hook.place.within(hook.trigger.line, "trigger", why));
            return;
        };
        let point = match &hook.at {
            None => None,
            Some(at) => {
                let points = &written.compose.bond_points;
                let found = points.iter().find(|point| point.id.value == at.value);
                if found.is_none() && at.value != "end" {
                    let near = near::matches(&at.value, points.iter().map(|point| point.id.value.as_str()));
                    let why = Why::UnknownValue { given: at.value.clone(), near };
                    self.problems.push(hook.place.within(at.line, "at", why));
                    return;
                }
                found
            }
        };
        let fires = self.order.subject.as_ref().is_some_and(|subject| trigger.fires(subject));
        // When it is checked it is checked as a whole, but not woven in.
        if !fires && self.order.mode != super::Mode::Lint {
            return;
        }
        let place = Place { line: hook.attach.line, ..hook.place.clone() };
        let Some(other) = self.enter(&hook.attach.value, &place, None) else { return };
        let said = Scope::new(values).pairs(&hook.vars);
        let other_values = self.values(&other, &said, values);
        // It is pushed again below, under the same name.
        self.leave();
        let attached = self.weave(&other, &other_values);
        if !fires {
            return;
        }
        let attached = attached.renamed(&format!("{}.", hook.attach.value));
        weave.repeats.extend(attached.repeats);
        let steps = Fragment::of(attached.steps, &attached.groups);
        weave.groups.extend(attached.groups);
        let none = Fragment::default;
        match point.and_then(|point| Some((point, point.step.as_ref()?))) {
            Some((point, step)) => {
                if self.is_there(weave, &point.place, "step", step) {
                    let ties = weave.ties();
                    let fragments = match (point.parallel, point.before) {
                        (true, _) => [none(), none(), steps],
                        (false, true) => [steps, none(), none()],
                        (false, false) => [none(), steps, none()],
                    };
                    weave.around(&step.value, fragments, &hook.place, &ties);
                }
            }
            None => weave.append_after_all(steps, &hook.place),
        }
    }
}

/// Lets the steps that `name` begins with need something more.
fn let_need(weave: &mut Weave, name: &str, need: &Need) {
    let firsts: Vec<String> = weave.first_of(name).into_iter().map(str::to_owned).collect();
    for first in firsts {
        if let Some(draft) = weave.get_mut(&first) {
            add(&mut draft.needs, need.clone());
        }
    }
    if let Some(group) = weave.groups.get_mut(name) {
        add(&mut group.needs, need.clone());
    }
}

/// When something attaches by itself.
enum Trigger<'t> {
    Label(&'t str),
    Kind(&'t str),
    Priority(i64, i64),
}

impl<'t> Trigger<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (what, value) = text.split_once(':')?;
        let value = value.trim();
        let number = |text: &str| text.trim().trim_start_matches(['P', 'p']).parse().ok();
        match what.trim() {
            "label" if !value.is_empty() => Some(Self::Label(value)),
            "type" if !value.is_empty() => Some(Self::Kind(value)),
            "priority" => {
                let (from, to) = value.split_once('-').unwrap_or((value, value));
                Some(Self::Priority(number(from)?, number(to)?))
            }
            _ => None,
        }
    }

    fn fires(&self, subject: &Subject) -> bool {
        match self {
            Self::Label(label) => subject.labels.iter().any(|own| own == label),
            Self::Kind(kind) => subject.kind == *kind,
            Self::Priority(from, to) => (from..=to).contains(&&subject.priority),
        }
    }
}
