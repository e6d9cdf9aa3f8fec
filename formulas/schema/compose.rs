//! What a formula does with others, as written: `compose`, `advice`, `pointcuts`.

use std::sync::Arc;

use toml::de::DeTable;

use super::tree::{Known, Reader, Value};
use super::written::{
    Advice, AspectRef, BondPoint, Branch, Compose, Expand, GateRule, Hook, Pointcut, WrittenStep,
};
use crate::problem::Why;

const COMPOSE: Known = Known(&["expand", "map", "branch", "gate", "aspects", "bond_points", "hooks"]);
const EXPAND: Known = Known(&["target", "with", "vars"]);
const MAP: Known = Known(&["select", "with", "vars"]);
const BRANCH: Known = Known(&["from", "steps", "join"]);
const GATE: Known = Known(&["before", "condition"]);
const BOND_POINT: Known =
    Known(&["id", "description", "after_step", "before_step", "step", "position", "parallel"]);
const HOOK: Known = Known(&["trigger", "attach", "at", "vars"]);
const ADVICE: Known = Known(&["target", "before", "after", "around"]);
const AROUND: Known = Known(&["before", "after"]);
const POINTCUT: Known = Known(&["glob", "type", "label"]);

impl Reader {
    pub(super) fn compose(&mut self, value: &Value<'_>) -> Compose {
        let mut compose = Compose::default();
        let Some(table) = self.table(value, "compose") else { return compose };
        for (key, value) in table {
            let full = format!("compose.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "expand" => {
                    compose.expand = self.rules(value, &full, |reader, line, within, table| {
                        reader.expand(line, within, table, "target", &EXPAND)
                    })
                }
                "map" => {
                    compose.map = self.rules(value, &full, |reader, line, within, table| {
                        reader.expand(line, within, table, "select", &MAP)
                    })
                }
                "branch" => compose.branch = self.rules(value, &full, Self::branch),
                "gate" => compose.gate = self.rules(value, &full, Self::gate_rule),
                "bond_points" => compose.bond_points = self.rules(value, &full, Self::bond_point),
                "hooks" => compose.hooks = self.rules(value, &full, Self::hook),
                "aspects" => {
                    compose.aspects = self
                        .names(value, &full)
                        .into_iter()
                        .map(|name| AspectRef { place: self.place(name.line, &full), name: name.value })
                        .collect();
                }
                other => self.stranger(self.line(key.span().start), &full, other, &COMPOSE),
            }
        }
        compose
    }

    /// Reads an array of tables, each by `read`.
    fn rules<T>(
        &mut self,
        value: &Value<'_>,
        key: &str,
        read: impl Fn(&mut Self, usize, &str, &DeTable<'_>) -> Option<T>,
    ) -> Vec<T> {
        let tables = self.tables(value, key, "an array of tables");
        tables.into_iter().filter_map(|(line, full, table)| read(self, line, &full, table)).collect()
    }

    fn expand(
        &mut self,
        line: usize,
        within: &str,
        table: &DeTable<'_>,
        target_key: &str,
        known: &Known,
    ) -> Option<Expand> {
        let (mut target, mut with, mut vars) = (None, None, Vec::new());
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                name if name == target_key => target = self.name(value, &full),
                "with" => with = self.name(value, &full),
                "vars" => vars = self.pairs(value, &full),
                other => self.stranger(self.line(key.span().start), &full, other, known),
            }
        }
        self.require(table, line, within, &[target_key, "with"]);
        Some(Expand { place: self.place(line, within), target: target?, with: with?, vars })
    }

    fn branch(&mut self, line: usize, within: &str, table: &DeTable<'_>) -> Option<Branch> {
        let (mut from, mut steps, mut join) = (None, Vec::new(), None);
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "from" => from = self.name(value, &full),
                "steps" => {
                    steps = self.names(value, &full);
                    if steps.is_empty() {
                        self.problem(self.line_of(value), &full, Why::Empty);
                    }
                }
                "join" => join = self.name(value, &full),
                other => self.stranger(self.line(key.span().start), &full, other, &BRANCH),
            }
        }
        self.require(table, line, within, &["from", "steps", "join"]);
        Some(Branch { place: self.place(line, within), from: from?, steps, join: join? })
    }

    fn gate_rule(&mut self, line: usize, within: &str, table: &DeTable<'_>) -> Option<GateRule> {
        let (mut before, mut condition) = (None, None);
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "before" => before = self.name(value, &full),
                "condition" => condition = self.name(value, &full),
                other => self.stranger(self.line(key.span().start), &full, other, &GATE),
            }
        }
        self.require(table, line, within, &["before", "condition"]);
        Some(GateRule { place: self.place(line, within), before: before?, condition: condition? })
    }

    fn bond_point(&mut self, line: usize, within: &str, table: &DeTable<'_>) -> Option<BondPoint> {
        let (mut id, mut description, mut parallel) = (None, String::new(), false);
        let (mut after_step, mut before_step, mut step, mut position) = (None, None, None, None);
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "id" => id = self.name(value, &full),
                "description" => description = self.text(value, &full)?.value,
                "after_step" => after_step = self.name(value, &full),
                "before_step" => before_step = self.name(value, &full),
                // The older way to say the same.
                "step" => step = self.name(value, &full),
                "position" => position = self.name(value, &full),
                "parallel" => parallel = self.flag(value, &full)?.value,
                other => self.stranger(self.line(key.span().start), &full, other, &BOND_POINT),
            }
        }
        self.require(table, line, within, &["id"]);
        let mut before = before_step.is_some();
        if let (Some(_), Some(other)) = (&after_step, &before_step) {
            self.problem(other.line, &format!("{within}.before_step"), Why::Both { other: "after_step" });
        }
        if let Some(position) = position {
            match position.value.as_str() {
                "before" => before = true,
                "after" => {}
                _ => {
                    let near = model::near::matches(&position.value, ["before", "after"]);
                    let why = Why::UnknownValue { given: position.value, near };
                    self.problem(position.line, &format!("{within}.position"), why);
                }
            }
        }
        let step = after_step.or(before_step).or(step);
        Some(BondPoint { place: self.place(line, within), id: id?, description, step, before, parallel })
    }

    fn hook(&mut self, line: usize, within: &str, table: &DeTable<'_>) -> Option<Hook> {
        let (mut trigger, mut attach, mut at, mut vars) = (None, None, None, Vec::new());
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "trigger" => trigger = self.name(value, &full),
                "attach" => attach = self.name(value, &full),
                "at" => at = self.name(value, &full),
                "vars" => vars = self.pairs(value, &full),
                other => self.stranger(self.line(key.span().start), &full, other, &HOOK),
            }
        }
        self.require(table, line, within, &["trigger", "attach"]);
        Some(Hook { place: self.place(line, within), trigger: trigger?, attach: attach?, at, vars })
    }

    pub(super) fn advice(&mut self, value: &Value<'_>, from: &Arc<str>) -> Vec<Advice> {
        let tables = self.tables(value, "advice", "an array of tables, [[advice]]");
        tables
            .into_iter()
            .map(|(line, within, table)| {
                let mut advice = Advice {
                    place: self.place(line, &within),
                    target: None,
                    before: Vec::new(),
                    after: Vec::new(),
                };
                for (key, value) in table {
                    let full = format!("{within}.{}", key.get_ref());
                    match key.get_ref().as_ref() {
                        "target" => advice.target = self.name(value, &full),
                        // Those around come after those before, whatever the order of the keys.
                        "before" => {
                            advice.before.splice(..0, self.step_or_steps(value, &full, from)).for_each(drop)
                        }
                        "after" => {
                            advice.after.splice(..0, self.step_or_steps(value, &full, from)).for_each(drop)
                        }
                        "around" => {
                            let (before, after) = self.around(value, &full, from);
                            advice.before.extend(before);
                            advice.after.extend(after);
                        }
                        other => self.stranger(self.line(key.span().start), &full, other, &ADVICE),
                    }
                }
                if advice.before.is_empty() && advice.after.is_empty() && self.problems.is_empty() {
                    self.problem(line, &format!("{within}.before"), Why::Missing);
                }
                advice
            })
            .collect()
    }

    fn around(
        &mut self,
        value: &Value<'_>,
        within: &str,
        from: &Arc<str>,
    ) -> (Vec<WrittenStep>, Vec<WrittenStep>) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let Some(table) = self.table(value, within) else { return (before, after) };
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "before" => before = self.step_or_steps(value, &full, from),
                "after" => after = self.step_or_steps(value, &full, from),
                other => self.stranger(self.line(key.span().start), &full, other, &AROUND),
            }
        }
        (before, after)
    }

    pub(super) fn pointcuts(&mut self, value: &Value<'_>) -> Vec<Pointcut> {
        self.rules(value, "pointcuts", |reader, line, within, table| {
            let mut cut = Pointcut { place: reader.place(line, within), glob: None, kind: None, label: None };
            for (key, value) in table {
                let full = format!("{within}.{}", key.get_ref());
                match key.get_ref().as_ref() {
                    "glob" => cut.glob = reader.name(value, &full),
                    "type" => cut.kind = reader.name(value, &full),
                    "label" => cut.label = reader.name(value, &full),
                    other => reader.stranger(reader.line(key.span().start), &full, other, &POINTCUT),
                }
            }
            if cut.glob.is_none() && cut.kind.is_none() && cut.label.is_none() && reader.problems.is_empty() {
                reader.problem(line, &format!("{within}.glob"), Why::Missing);
            }
            Some(cut)
        })
    }
}
