//! Steps as written, wherever they stand: `steps`, `children`, `template`, `loop.body`, advice.

use std::collections::HashSet;
use std::sync::Arc;

use toml::de::DeTable;

use super::tree::{DEPTH, Known, Reader, Value};
use super::written::{At, Loop, WrittenFanout, WrittenGate, WrittenStep};
use crate::problem::Why;

const STEP: Known = Known(&[
    "id",
    "title",
    "description",
    "notes",
    "acceptance",
    "needs",
    "depends_on",
    "type",
    "priority",
    "labels",
    "tags",
    "assignee",
    "metadata",
    "args",
    "output",
    "condition",
    "gate",
    "loop",
    "on_complete",
    "waits_for",
    "expand",
    "expand_vars",
    "children",
    "parallel",
    "interactive",
    "timeout",
]);
const GATE: Known = Known(&["type", "id", "await_id", "timeout", "duration", "condition", "approvers"]);
const LOOP: Known = Known(&["count", "until", "max", "range", "var", "body"]);
const FANOUT: Known = Known(&["for_each", "bond", "vars", "parallel", "sequential"]);
const WAITS_FOR: [&str; 3] = ["all-children", "any-children", "children-of(step)"];

/// The names of gates, the most usual first.
pub(crate) const GATES: [&str; 7] = ["timer", "human", "mail", "bead", "gh:run", "gh:pr", "conditional"];

impl Reader {
    /// Reads an array of steps below `key`; `from` is the formula's name.
    pub(super) fn steps(&mut self, value: &Value<'_>, key: &str, from: &Arc<str>) -> Vec<WrittenStep> {
        self.steps_at(value, key, from, 0)
    }

    fn steps_at(&mut self, value: &Value<'_>, key: &str, from: &Arc<str>, depth: usize) -> Vec<WrittenStep> {
        if depth >= DEPTH {
            self.problem(self.line_of(value), key, Why::TooDeep(DEPTH));
            return Vec::new();
        }
        let tables = self.tables(value, key, "an array of tables, [[steps]]");
        tables
            .into_iter()
            .filter_map(|(line, full, table)| self.step(line, &full, table, from, depth))
            .collect()
    }

    /// Reads one step, or several, below `key`: a table, or an array of tables.
    pub(super) fn step_or_steps(
        &mut self,
        value: &Value<'_>,
        key: &str,
        from: &Arc<str>,
    ) -> Vec<WrittenStep> {
        match value.get_ref().as_table() {
            Some(table) => self.step(self.line_of(value), key, table, from, 0).into_iter().collect(),
            None => self.steps(value, key, from),
        }
    }

    fn step(
        &mut self,
        line: usize,
        within: &str,
        table: &DeTable<'_>,
        from: &Arc<str>,
        depth: usize,
    ) -> Option<WrittenStep> {
        let mut id = None;
        let mut step = WrittenStep {
            place: self.place(line, within),
            from: Arc::clone(from),
            id: At { value: String::new(), line },
            title: None,
            description: None,
            notes: None,
            acceptance: None,
            needs: Vec::new(),
            kind: None,
            priority: None,
            labels: Vec::new(),
            assignee: None,
            metadata: Default::default(),
            args: Vec::new(),
            output: Vec::new(),
            condition: None,
            gate: None,
            repeat: None,
            on_complete: None,
            waits_for: None,
            expand: None,
            expand_vars: Vec::new(),
            children: Vec::new(),
            parallel: None,
            interactive: None,
            timeout: None,
        };
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "id" => id = self.name(value, &full),
                "title" => step.title = self.text(value, &full),
                "description" => step.description = self.text(value, &full),
                "notes" => step.notes = self.text(value, &full),
                "acceptance" => step.acceptance = self.text(value, &full),
                "needs" | "depends_on" => step.needs.extend(self.texts(value, &full)),
                "type" => step.kind = self.name(value, &full),
                "priority" => step.priority = self.priority(value, &full),
                "labels" | "tags" => step.labels.extend(self.texts(value, &full)),
                "assignee" => step.assignee = self.text(value, &full),
                "metadata" => step.metadata = self.data(value, &full),
                "args" => step.args = self.pairs(value, &full),
                "output" => step.output = self.pairs(value, &full),
                "condition" => step.condition = self.text(value, &full),
                "gate" => step.gate = self.gate(value, &full),
                "loop" => step.repeat = self.repeat(value, &full, from, depth).map(Box::new),
                "on_complete" => step.on_complete = self.fanout(value, &full),
                "waits_for" => step.waits_for = self.waits_for(value, &full),
                "expand" => step.expand = self.name(value, &full),
                "expand_vars" => step.expand_vars = self.pairs(value, &full),
                "children" => step.children = self.steps_at(value, &full, from, depth + 1),
                "parallel" => step.parallel = self.flag(value, &full),
                "interactive" => step.interactive = self.flag(value, &full),
                "timeout" => step.timeout = self.plain(value, &full),
                other => self.stranger(self.line(key.span().start), &full, other, &STEP),
            }
        }
        self.require(table, line, within, &["id"]);
        self.agree(&step);
        step.needs.sort_by_key(|need| need.line);
        let mut seen = HashSet::new();
        step.needs.retain(|name| seen.insert(name.value.clone()));
        step.id = id?;
        Some(step)
    }

    /// Complains of keys of one step that cannot stand together.
    fn agree(&mut self, step: &WrittenStep) {
        let within = &step.place.key;
        let replaced_by = [step.expand.as_ref().map(|_| "expand"), step.repeat.as_ref().map(|_| "loop")];
        for other in replaced_by.into_iter().flatten() {
            let (line, key) = (step.place.line, |name: &str| format!("{within}.{name}"));
            if !step.children.is_empty() {
                self.problem(line, &key("children"), Why::Both { other });
            }
            if let Some(timeout) = &step.timeout {
                self.problem(timeout.line, &key("timeout"), Why::Both { other });
            }
            if let Some(fanout) = step.on_complete.as_ref().filter(|_| other == "loop") {
                self.problem(fanout.line, &key("on_complete"), Why::Both { other });
            }
        }
        if let (Some(expand), Some(_)) = (&step.expand, &step.repeat) {
            self.problem(expand.line, &format!("{within}.expand"), Why::Both { other: "loop" });
        }
        if let (None, Some((_, value))) = (&step.expand, step.expand_vars.first()) {
            self.problem(value.line, &format!("{within}.expand_vars"), Why::Alone { other: "expand" });
        }
        if let (Some(_), Some(text)) = (&step.repeat, &step.description) {
            let because = "a loop is its body; write it into a step of that";
            self.warn(text.line, &format!("{within}.description"), Why::NoEffect { because });
        }
    }

    fn priority(&mut self, value: &Value<'_>, key: &str) -> Option<At<i64>> {
        let number = self.integer(value, key)?;
        if !(0..=4).contains(&number.value) {
            let found = number.value.to_string();
            self.problem(number.line, key, Why::Unfit { expected: "a number from 0 to 4", found });
        }
        Some(number)
    }

    fn gate(&mut self, value: &Value<'_>, within: &str) -> Option<WrittenGate> {
        let table = self.table(value, within)?;
        let line = self.line_of(value);
        let mut gate = WrittenGate {
            line,
            kind: At { value: String::new(), line },
            await_id: None,
            timeout: None,
            condition: None,
            approvers: Vec::new(),
        };
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "type" => gate.kind = self.gate_kind(value, &full)?,
                // The later word for the same; where both stand, it counts.
                "await_id" => gate.await_id = self.plain(value, &full),
                "id" => {
                    let id = self.plain(value, &full);
                    gate.await_id = gate.await_id.or(id);
                }
                "timeout" | "duration" => gate.timeout = self.plain(value, &full),
                "condition" => gate.condition = self.name(value, &full),
                "approvers" => gate.approvers = self.names(value, &full),
                other => self.stranger(self.line(key.span().start), &full, other, &GATE),
            }
        }
        let wanted: &[&str] = match gate.kind.value.as_str() {
            "conditional" => &["type", "condition"],
            "timer" if gate.timeout.is_none() => &["type", "timeout"],
            "bead" if gate.await_id.is_none() => &["type", "id"],
            _ => &["type"],
        };
        self.require(table, line, within, wanted);
        if let (Some(condition), false) = (&gate.condition, gate.kind.value == "conditional") {
            let because = "only a gate of type conditional has one";
            self.warn(condition.line, &format!("{within}.condition"), Why::NoEffect { because });
        }
        Some(gate)
    }

    fn gate_kind(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
        let kind = self.name(value, key)?;
        if !GATES.contains(&kind.value.as_str()) {
            let near = model::near::matches(&kind.value, GATES);
            self.problem(kind.line, key, Why::UnknownValue { given: kind.value, near });
            return None;
        }
        Some(kind)
    }

    fn repeat(&mut self, value: &Value<'_>, within: &str, from: &Arc<str>, depth: usize) -> Option<Loop> {
        let table = self.table(value, within)?;
        let line = self.line_of(value);
        let mut repeat =
            Loop { line, count: None, until: None, max: None, range: None, var: None, body: Vec::new() };
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "count" => repeat.count = self.plain(value, &full),
                "until" => repeat.until = self.name(value, &full),
                "max" => repeat.max = self.integer(value, &full),
                "range" => repeat.range = self.name(value, &full),
                "var" => repeat.var = self.name(value, &full),
                "body" => repeat.body = self.steps_at(value, &full, from, depth + 1),
                other => self.stranger(self.line(key.span().start), &full, other, &LOOP),
            }
        }
        self.require(table, line, within, &["body"]);
        let ways = [
            repeat.count.as_ref().map(|at| ("count", at.line)),
            repeat.range.as_ref().map(|at| ("range", at.line)),
            repeat.until.as_ref().map(|at| ("until", at.line)),
        ];
        match ways.into_iter().flatten().collect::<Vec<_>>()[..] {
            [] => self.problem(line, &format!("{within}.count"), Why::Missing),
            [(way, line), (other, _), ..] => {
                self.problem(line, &format!("{within}.{way}"), Why::Both { other })
            }
            [("until", line)] if repeat.max.is_none() => {
                self.problem(line, &format!("{within}.until"), Why::Alone { other: "max" });
            }
            _ => {}
        }
        if let Some(max) = repeat.max.as_ref().filter(|max| max.value < 1) {
            let found = max.value.to_string();
            self.problem(max.line, &format!("{within}.max"), Why::Unfit { expected: "1 or more", found });
        }
        if let (Some(max), None) = (&repeat.max, &repeat.until) {
            self.problem(max.line, &format!("{within}.max"), Why::Alone { other: "until" });
        }
        if let (Some(var), None) = (&repeat.var, &repeat.range) {
            self.problem(var.line, &format!("{within}.var"), Why::Alone { other: "range" });
        }
        Some(repeat)
    }

    fn fanout(&mut self, value: &Value<'_>, within: &str) -> Option<WrittenFanout> {
        let table = self.table(value, within)?;
        let line = self.line_of(value);
        let (mut for_each, mut bond, mut vars) = (None, None, Vec::new());
        let (mut parallel, mut sequential) = (None, None);
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "for_each" => for_each = self.name(value, &full),
                "bond" => bond = self.name(value, &full),
                "vars" => vars = self.pairs(value, &full),
                "parallel" => parallel = self.flag(value, &full),
                "sequential" => sequential = self.flag(value, &full),
                other => self.stranger(self.line(key.span().start), &full, other, &FANOUT),
            }
        }
        self.require(table, line, within, &["for_each", "bond"]);
        let set = |flag: &Option<At<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
        if let (true, Some(flag)) = (set(&parallel), sequential.as_ref().filter(|flag| flag.value)) {
            self.problem(flag.line, &format!("{within}.sequential"), Why::Both { other: "parallel" });
        }
        if let Some(list) = for_each.as_ref().filter(|list| !list.value.starts_with("output.")) {
            let found = list.value.clone();
            self.problem(
                list.line,
                &format!("{within}.for_each"),
                Why::Unfit { expected: "a list in the output: output.NAME", found },
            );
        }
        Some(WrittenFanout { line, for_each: for_each?, bond: bond?, vars, sequential: set(&sequential) })
    }

    fn waits_for(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
        let text = self.name(value, key)?;
        let spawner = text.value.strip_prefix("children-of(").and_then(|rest| rest.strip_suffix(')'));
        if !WAITS_FOR[..2].contains(&text.value.as_str()) && spawner.is_none_or(|step| step.trim().is_empty())
        {
            let near = model::near::matches(&text.value, WAITS_FOR);
            self.problem(text.line, key, Why::UnknownValue { given: text.value, near });
            return None;
        }
        Some(text)
    }
}
