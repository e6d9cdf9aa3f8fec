//! A formula as written: every key that a file may have.
//!
//! ```toml
//! formula = "mol-polecat-work"     # its name, as in the file's name; required
//! description = "What it is for."  # the first line is shown in lists
//! version = 1
//! type = "workflow"                # workflow, expansion, aspect, convoy; inferred if missing
//! session = "per_step"             # each step in a fresh session; per_bead (one for all) if missing
//!
//! [vars]
//! branch = "main"                  # short for { default = "main" }
//! [vars.check]
//! description = "How to test."
//! required = true                  # an error when nobody gives it
//! default = "make test"
//! enum = ["make test", "just test"]
//! pattern = "^[a-z ]+$"            # a regular expression; anchor it yourself
//!
//! [[steps]]                        # at least one
//! id = "build"                     # required, once
//! title = "Build it"               # the id if missing
//! needs = ["understand"]           # must be done first; `depends_on` means the same
//! description = """What to do."""  # with {{branch}} filled in
//! acceptance = "How to tell that it is done."
//! ```
//!
//! The file is read as a tree that knows its places rather than by derived code, since every complaint
//! names a line, and all of them are told at once. Three lists decide about other keys: those that are
//! known and change nothing are warned about, as are unknown ones; those that would change what is done,
//! and cannot be carried out yet, are errors. Dropped meaning is never silent.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Invalid, Problem, Why};

const FORMULA_KEYS: &[&str] = &["formula", "description", "version", "type", "session", "vars", "steps"];
const FORMULA_NO_EFFECT: &[&str] = &["inputs", "phase", "pour", "review_only", "squash"];
const FORMULA_NOT_YET: &[&str] = &[
    "advice",
    "aspects",
    "compose",
    "extends",
    "legs",
    "output",
    "pointcuts",
    "presets",
    "prompts",
    "synthesis",
    "template",
];
const STEP_KEYS: &[&str] = &["id", "title", "needs", "depends_on", "description", "acceptance"];
const STEP_NO_EFFECT: &[&str] =
    &["assignee", "interactive", "labels", "notes", "parallel", "priority", "tags", "timeout", "type"];
const STEP_NOT_YET: &[&str] =
    &["children", "condition", "expand", "expand_vars", "gate", "loop", "on_complete", "waits_for"];
const VAR_KEYS: &[&str] = &["description", "default", "required", "enum", "pattern", "type"];
const SESSIONS: &[&str] = &["per_bead", "per_step"];
const KINDS: &[&str] = &["workflow", "expansion", "aspect", "convoy"];

/// A value and the line that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Counted from one.
    pub line: usize,
}

/// What sort of formula it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Steps for one worker after another.
    Workflow,
    /// A template that replaces a step of another formula.
    Expansion,
    /// Advice woven into other formulas.
    Aspect,
    /// Legs that run side by side, and their synthesis.
    Convoy,
}

/// A file as written. Nothing is checked but types and presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub formula: At<String>,
    /// What it is for; empty if missing.
    pub description: String,
    /// Its author's count of changes; 1 if missing.
    pub version: i64,
    /// What sort it is.
    pub kind: At<Kind>,
    /// Whether each step has a session of its own.
    pub per_step: bool,
    /// Its variables, in the order of the file.
    pub vars: Vec<WrittenVar>,
    /// Its steps, in the order of the file.
    pub steps: Vec<WrittenStep>,
}

/// A variable as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenVar {
    /// Its name, as in `{{name}}`.
    pub name: At<String>,
    /// What it is for; empty if missing.
    pub description: String,
    /// Its value when nobody gives one. Numbers and booleans are taken as text.
    pub default: Option<At<String>>,
    /// Whether somebody must give it.
    pub required: bool,
    /// The only values allowed; empty if all are.
    pub allowed: Vec<String>,
    /// A regular expression that the value must match.
    pub pattern: Option<At<String>>,
}

/// A step as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenStep {
    /// Its name within the formula.
    pub id: At<String>,
    /// One line; the id if missing.
    pub title: String,
    /// What to do; empty if missing.
    pub description: String,
    /// How to tell that it is done.
    pub acceptance: Option<String>,
    /// What must be done first: `needs` and `depends_on`, each name once.
    pub needs: Vec<At<String>>,
}

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
    match written {
        Some(written) if reader.problems.is_empty() => {
            reader.warnings.sort_by_key(|warning| warning.line);
            Ok((written, reader.warnings))
        }
        _ => {
            reader.problems.sort_by_key(|problem| problem.line);
            Err(Invalid { problems: reader.problems })
        }
    }
}

type Value<'i> = Spanned<DeValue<'i>>;

struct Reader<'a> {
    file: &'a str,
    line_starts: Vec<usize>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(newlines).collect();
        Self { file, line_starts, problems: Vec::new(), warnings: Vec::new() }
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    fn line_of(&self, value: &Value<'_>) -> usize {
        self.line(value.span().start)
    }

    fn remark(&self, line: usize, key: &str, why: Why) -> Problem {
        Problem { file: self.file.to_owned(), line, key: key.to_owned(), why }
    }

    fn problem(&mut self, line: usize, key: &str, why: Why) {
        let problem = self.remark(line, key, why);
        self.problems.push(problem);
    }

    fn wrong_type(&mut self, value: &Value<'_>, key: &str, expected: &'static str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.problem(self.line_of(value), key, Why::WrongType { expected, found });
    }

    fn formula(&mut self, table: &DeTable<'_>) -> Option<Written> {
        let (mut formula, mut description, mut version) = (None, String::new(), 1);
        let (mut kind, mut per_step, mut vars, mut steps) = (None, false, Vec::new(), None);
        for (key, value) in table {
            let line = self.line(key.span().start);
            match key.get_ref().as_ref() {
                "formula" => formula = self.name(value, "formula"),
                "description" => {
                    description = self.text(value, "description").map_or_else(String::new, |at| at.value);
                }
                "version" => match value.get_ref() {
                    DeValue::Integer(number) => {
                        version = i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(1);
                    }
                    _ => self.wrong_type(value, "version", "an integer"),
                },
                "type" => kind = self.kind(value),
                "session" => per_step = self.per_step(value),
                "vars" => vars = self.vars(value),
                "steps" => steps = Some(self.steps(value)),
                other => self.other(line, "", other, [FORMULA_KEYS, FORMULA_NO_EFFECT, FORMULA_NOT_YET]),
            }
        }
        if !table.iter().any(|(key, _)| key.get_ref() == "formula") {
            self.problem(1, "formula", Why::Missing);
        }
        let kind = kind.unwrap_or_else(|| {
            let has = |name: &str| table.iter().any(|(key, _)| key.get_ref() == name);
            let inferred = match () {
                () if has("legs") => Kind::Convoy,
                () if has("template") => Kind::Expansion,
                () if has("advice") => Kind::Aspect,
                () => Kind::Workflow,
            };
            At { value: inferred, line: 1 }
        });
        if kind.value != Kind::Workflow {
            self.problem(kind.line, "type", Why::NotYet);
        } else if steps.as_ref().is_none_or(Vec::is_empty) && self.problems.is_empty() {
            self.problem(1, "steps", Why::Missing);
        }
        Some(Written {
            formula: formula?,
            description,
            version,
            kind,
            per_step,
            vars,
            steps: steps.unwrap_or_default(),
        })
    }

    /// Judges a key that is not read: `lists` are those read, those without effect, those not yet possible.
    fn other(&mut self, line: usize, within: &str, key: &str, lists: [&[&str]; 3]) {
        let full = format!("{within}{key}");
        let [_, no_effect, not_yet] = lists;
        if not_yet.contains(&key) {
            self.problem(line, &full, Why::NotYet);
            return;
        }
        let why = if no_effect.contains(&key) {
            Why::NoEffect
        } else {
            Why::UnknownKey { near: model::near::matches(key, lists.concat()) }
        };
        let warning = self.remark(line, &full, why);
        self.warnings.push(warning);
    }

    fn text(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_type(value, key, "a string");
            return None;
        };
        Some(At { value: text.clone().into_owned(), line: self.line_of(value) })
    }

    /// A text that must say something.
    fn name(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
        let name = self.text(value, key)?;
        if name.value.trim().is_empty() {
            self.problem(name.line, key, Why::Empty);
            return None;
        }
        Some(name)
    }

    fn texts(&mut self, value: &Value<'_>, key: &str) -> Vec<At<String>> {
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(value, key, "an array of strings");
            return Vec::new();
        };
        array.iter().filter_map(|item| self.text(item, key)).collect()
    }

    fn flag(&mut self, value: &Value<'_>, key: &str) -> bool {
        let DeValue::Boolean(flag) = value.get_ref() else {
            self.wrong_type(value, key, "true or false");
            return false;
        };
        *flag
    }

    fn kind(&mut self, value: &Value<'_>) -> Option<At<Kind>> {
        let At { value: given, line } = self.text(value, "type")?;
        let kind = match given.as_str() {
            "workflow" => Kind::Workflow,
            "expansion" => Kind::Expansion,
            "aspect" => Kind::Aspect,
            "convoy" => Kind::Convoy,
            _ => {
                let near = model::near::matches(&given, KINDS.iter().copied());
                self.problem(line, "type", Why::UnknownValue { given, near });
                return None;
            }
        };
        Some(At { value: kind, line })
    }

    fn per_step(&mut self, value: &Value<'_>) -> bool {
        let Some(At { value: given, line }) = self.text(value, "session") else { return false };
        if !SESSIONS.contains(&given.as_str()) {
            let near = model::near::matches(&given, SESSIONS.iter().copied());
            self.problem(line, "session", Why::UnknownValue { given: given.clone(), near });
        }
        given == "per_step"
    }

    fn vars(&mut self, value: &Value<'_>) -> Vec<WrittenVar> {
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(value, "vars", "a table");
            return Vec::new();
        };
        let mut vars = Vec::new();
        for (key, value) in table {
            let name = At { value: key.get_ref().to_string(), line: self.line(key.span().start) };
            vars.push(self.var(name, value));
        }
        // The tree is sorted by name; people wrote them in an order of theirs.
        vars.sort_by_key(|var| var.name.line);
        vars
    }

    fn var(&mut self, name: At<String>, value: &Value<'_>) -> WrittenVar {
        let within = format!("vars.{}", name.value);
        let mut var = WrittenVar {
            name,
            description: String::new(),
            default: None,
            required: false,
            allowed: Vec::new(),
            pattern: None,
        };
        let DeValue::Table(table) = value.get_ref() else {
            var.default = self.plain(value, &within);
            return var;
        };
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "description" => {
                    var.description = self.text(value, &full).map_or_else(String::new, |at| at.value)
                }
                "default" => var.default = self.plain(value, &full),
                "required" => var.required = self.flag(value, &full),
                "enum" => var.allowed = self.texts(value, &full).into_iter().map(|at| at.value).collect(),
                "pattern" => var.pattern = self.text(value, &full),
                other => {
                    let line = self.line(key.span().start);
                    self.other(line, &format!("{within}."), other, [VAR_KEYS, &["type"], &[]]);
                }
            }
        }
        var
    }

    /// A string, number or boolean, as text.
    fn plain(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            _ => {
                self.wrong_type(value, key, "a string, a number or a boolean");
                return None;
            }
        };
        Some(At { value: text, line: self.line_of(value) })
    }

    fn steps(&mut self, value: &Value<'_>) -> Vec<WrittenStep> {
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(value, "steps", "an array of tables, [[steps]]");
            return Vec::new();
        };
        array.iter().enumerate().filter_map(|(index, item)| self.step(index, item)).collect()
    }

    fn step(&mut self, index: usize, value: &Value<'_>) -> Option<WrittenStep> {
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(value, "steps", "a table");
            return None;
        };
        let named =
            table.iter().find(|(key, _)| key.get_ref() == "id").and_then(|(_, id)| id.get_ref().as_str());
        let within = named.map_or_else(|| format!("steps[{index}]."), |id| format!("steps.{id}."));

        let (mut id, mut title, mut description, mut acceptance) = (None, None, None, None);
        let mut needs: Vec<At<String>> = Vec::new();
        for (key, value) in table {
            let full = format!("{within}{}", key.get_ref());
            match key.get_ref().as_ref() {
                "id" => id = self.name(value, &full),
                "title" => title = self.text(value, &full),
                "description" => description = self.text(value, &full),
                "acceptance" => acceptance = self.text(value, &full),
                "needs" | "depends_on" => needs.extend(self.texts(value, &full)),
                other => {
                    let line = self.line(key.span().start);
                    self.other(line, &within, other, [STEP_KEYS, STEP_NO_EFFECT, STEP_NOT_YET]);
                }
            }
        }
        if !table.iter().any(|(key, _)| key.get_ref() == "id") {
            self.problem(self.line_of(value), &format!("{within}id"), Why::Missing);
        }
        needs.sort_by(|a, b| (a.line, &a.value).cmp(&(b.line, &b.value)));
        let mut seen = std::collections::HashSet::new();
        needs.retain(|name| seen.insert(name.value.clone()));
        let id = id?;
        Some(WrittenStep {
            title: title.map_or_else(|| id.value.clone(), |title| title.value),
            description: description.map_or_else(String::new, |text| text.value),
            acceptance: acceptance.map(|text| text.value),
            needs,
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let Err(invalid) = read("f.toml", text) else { panic!("it was read") };
        invalid.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_written_is_read() {
        let text = r#"
formula = 'f'
description = "What for."
version = 2
session = "per_step"
[vars]
zebra = "main"
[vars.check]
description = "How."
required = true
default = 3
enum = ["3", "4"]
pattern = "^[0-9]$"
[[steps]]
id = 'a'
[[steps]]
id = 'b'
title = 'The second'
needs = ['a']
depends_on = ['a']
description = """Text."""
acceptance = "Green."
"#;
        let (written, warnings) = read("f.toml", text).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(
            (written.formula.value.as_str(), written.version, written.kind.value),
            ("f", 2, Kind::Workflow)
        );
        assert!(written.per_step);
        let names: Vec<&str> = written.vars.iter().map(|var| var.name.value.as_str()).collect();
        assert_eq!(names, ["zebra", "check"], "in the order of the file");
        assert_eq!(written.vars[0].default.as_ref().unwrap().value, "main");
        let check = &written.vars[1];
        assert_eq!((check.required, check.default.as_ref().unwrap().value.as_str()), (true, "3"));
        assert_eq!(written.steps[0].title, "a");
        assert_eq!(written.steps[1].needs, [At { value: "a".to_owned(), line: 19 }]);
        assert_eq!(written.steps[1].acceptance.as_deref(), Some("Green."));
    }

    #[test]
    fn every_complaint_names_file_line_and_key() {
        let check = |text: &str, expected: &[&str]| assert_eq!(problems(text), expected, "{text}");
        check("formula = 'f'\nsteps = [", &["f.toml:2: toml: unclosed array, expected `]`"]);
        check("[[steps]]\nid='a'", &["f.toml:1: formula: this key is missing"]);
        check("formula='f'", &["f.toml:1: steps: this key is missing"]);
        check("formula=''\n[[steps]]\nid='a'", &["f.toml:1: formula: this must not be empty"]);
        check(
            "formula='f'\n[[steps]]\nid='a'\nneeds='b'\n[[steps]]\ntitle=3",
            &[
                "f.toml:4: steps.a.needs: expected an array of strings, found a string",
                "f.toml:5: steps[1].id: this key is missing",
                "f.toml:6: steps[1].title: expected a string, found an integer",
            ],
        );
        check(
            "formula='f'\ntype='worklfow'\n[[steps]]\nid='a'",
            &["f.toml:2: type: \"worklfow\" is not known; did you mean \"workflow\"?"],
        );
        check(
            "formula='f'\nvars=3\n[[steps]]\nid='a'",
            &["f.toml:2: vars: expected a table, found an integer"],
        );
    }

    #[test]
    fn meaning_that_would_be_dropped_is_an_error() {
        assert_eq!(
            problems("formula='f'\nextends=['g']\n[[steps]]\nid='a'\n[steps.loop]\ncount=3"),
            [
                "f.toml:2: extends: this version cannot carry this out",
                "f.toml:5: steps.a.loop: this version cannot carry this out"
            ]
        );
        assert_eq!(
            problems("formula='f'\ntype='aspect'"),
            ["f.toml:2: type: this version cannot carry this out"]
        );
    }

    #[test]
    fn unknown_keys_are_warnings_with_what_may_have_been_meant() {
        let text = "formula='f'\ndescripton='x'\nsquash=true\n[[steps]]\nid='a'\nneed=['b']\nxyzzy=1";
        let (_, warnings) = read("f.toml", text).unwrap();
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "f.toml:2: descripton: unknown key; did you mean \"description\"?",
                "f.toml:3: squash: this key has no effect yet",
                "f.toml:6: steps.a.need: unknown key; did you mean \"needs\"?",
                "f.toml:7: steps.a.xyzzy: unknown key",
            ]
        );
    }
}
