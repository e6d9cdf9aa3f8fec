//! A formula file and every key that it may have.
//!
//! The file is read as a tree that knows its places rather than by derived code, since every complaint names
//! a line, and all of them are told at once. Each part of a file has a module of its own here, which begins
//! with the list of the keys that it reads. Any other key is warned about, with what may have been meant.
//! `docs/formulas.md` says what each key does.
//!
//! - [`written`]: what is read, as data.
//! - `tree`: the tree, and complaints about it.
//! - `steps`: steps, wherever they stand, with their gates and loops.
//! - `vars`: variables and inputs.
//! - `compose`: what a formula does with others.
//! - `legs`: what runs side by side.

mod compose;
mod legs;
pub(crate) mod steps;
mod tree;
pub(crate) mod vars;
pub mod written;

use std::sync::Arc;

use toml::de::DeTable;

use self::tree::{Known, Reader, Value};
use self::written::{At, Compose, Kind, Squash, Written};
use crate::problem::{Invalid, Problem, Why};

const FORMULA: Known = Known(&[
    "formula",
    "description",
    "version",
    "type",
    "session",
    "phase",
    "pour",
    "agent",
    "review_only",
    "squash",
    "extends",
    "vars",
    "inputs",
    "steps",
    "template",
    "compose",
    "advice",
    "pointcuts",
    "legs",
    "aspects",
    "synthesis",
    "prompts",
    "presets",
    "output",
]);
const SQUASH: Known = Known(&["trigger", "template_type", "include_metrics"]);
const SESSIONS: &[&str] = &["per_bead", "per_step"];
const PHASES: &[&str] = &["liquid", "vapor"];

/// Returns the formula that `text` is, with warnings, or everything that is wrong with it.
///
/// `file` is the name that messages use.
pub fn read(file: &str, text: &str) -> Result<(Written, Vec<Problem>), Invalid> {
    let mut reader = Reader::new(file, text);
    let tree = match DeTable::parse(text) {
        Ok(tree) => tree,
        Err(error) => {
            let line = reader.line(error.span().map_or(0, |span| span.start));
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            reader.problem(line, "toml", Why::Syntax(message));
            return Err(Invalid { problems: reader.problems });
        }
    };
    let written = reader.formula(tree.get_ref());
    Invalid::of(reader.problems)?;
    reader.warnings.sort_by_key(|warning| warning.line);
    Ok((written, reader.warnings))
}

impl Reader {
    fn formula(&mut self, table: &DeTable<'_>) -> Written {
        let named = table.iter().find(|(key, _)| key.get_ref() == "formula");
        let formula = match named {
            Some((_, name)) => self.name(name, "formula"),
            None => {
                self.problem(1, "formula", Why::Missing);
                None
            }
        };
        // Without a name there is a problem already; the rest is read for what else is wrong.
        let formula = formula.unwrap_or(At { value: String::new(), line: 1 });
        let from: Arc<str> = Arc::from(formula.value.as_str());
        let mut this = Written {
            place: self.place(formula.line, "formula"),
            formula,
            description: None,
            version: None,
            kind: None,
            session: None,
            phase: None,
            pour: None,
            agent: None,
            review_only: None,
            squash: None,
            extends: Vec::new(),
            vars: Vec::new(),
            steps: Vec::new(),
            template: Vec::new(),
            compose: Compose::default(),
            advice: Vec::new(),
            pointcuts: Vec::new(),
            legs: Vec::new(),
            synthesis: None,
            prompts: Vec::new(),
            presets: Vec::new(),
            output: None,
        };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "formula" => {}
                "description" => this.description = self.text(value, "description"),
                "version" => this.version = self.version(value),
                "type" => this.kind = self.kind(value),
                "session" => this.session = self.one_of(value, "session", SESSIONS),
                "phase" => this.phase = self.one_of(value, "phase", PHASES),
                "pour" => this.pour = self.flag(value, "pour"),
                "agent" => this.agent = self.name(value, "agent"),
                "review_only" => this.review_only = self.flag(value, "review_only"),
                "squash" => this.squash = self.squash(value),
                "extends" => this.extends = self.names(value, "extends"),
                "vars" => this.vars.extend(self.vars(value, "vars", false)),
                "inputs" => this.vars.extend(self.vars(value, "inputs", true)),
                "steps" => this.steps = self.steps(value, "steps", &from),
                "template" => this.template = self.steps(value, "template", &from),
                "compose" => this.compose = self.compose(value),
                "advice" => this.advice = self.advice(value, &from),
                "pointcuts" => this.pointcuts = self.pointcuts(value),
                "legs" | "aspects" => this.legs.extend(self.legs(value, key.get_ref(), &from)),
                "synthesis" => this.synthesis = self.synthesis(value),
                "prompts" => this.prompts = self.prompts(value),
                "presets" => this.presets = self.presets(value),
                "output" => this.output = self.output(value),
                other => self.stranger(self.line(key.span().start), other, other, &FORMULA),
            }
        }
        this
    }

    fn version(&mut self, value: &Value<'_>) -> Option<At<i64>> {
        let version = self.integer(value, "version")?;
        if version.value < 0 {
            let found = version.value.to_string();
            self.problem(version.line, "version", Why::Unfit { expected: "1 or more", found });
        }
        Some(version)
    }

    fn kind(&mut self, value: &Value<'_>) -> Option<At<Kind>> {
        let At { value: given, line } = self.text(value, "type")?;
        let kind = Kind::from_word(&given);
        if kind.is_none() {
            let near = model::near::matches(&given, Kind::ALL.map(Kind::as_str));
            self.problem(line, "type", Why::UnknownValue { given, near });
        }
        Some(At { value: kind?, line })
    }

    fn one_of(&mut self, value: &Value<'_>, key: &str, words: &[&str]) -> Option<At<String>> {
        let word = self.text(value, key)?;
        if !words.contains(&word.value.as_str()) {
            let near = model::near::matches(&word.value, words.iter().copied());
            self.problem(word.line, key, Why::UnknownValue { given: word.value.clone(), near });
        }
        Some(word)
    }

    fn squash(&mut self, value: &Value<'_>) -> Option<Squash> {
        let table = self.table(value, "squash")?;
        let line = self.line_of(value);
        let mut squash = Squash { line, trigger: None, template_type: None, include_metrics: false };
        for (key, value) in table {
            let full = format!("squash.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "trigger" => squash.trigger = self.name(value, &full),
                "template_type" => squash.template_type = self.name(value, &full),
                "include_metrics" => {
                    squash.include_metrics = self.flag(value, &full).is_some_and(|flag| flag.value);
                }
                other => self.stranger(self.line(key.span().start), &full, other, &SQUASH),
            }
        }
        Some(squash)
    }
}

#[cfg(test)]
mod tests;
