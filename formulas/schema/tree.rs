//! A TOML tree that knows its places, and complaints about it.
//!
//! Each method takes a value and the full name of its key, and returns what it is, or complains and returns
//! nothing. All complaints of a file are told at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::written::At;
use crate::problem::{Place, Problem, Why};

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// Steps within steps: more is a slip, and would be read by recursion.
pub(super) const DEPTH: usize = 32;

/// The keys of a table that are read.
pub(super) struct Known(pub(super) &'static [&'static str]);

/// Reads one file.
pub(super) struct Reader {
    pub(super) file: Arc<str>,
    line_starts: Vec<usize>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(file: &str, text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(newlines).collect();
        Self { file: Arc::from(file), line_starts, problems: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    pub(super) fn line_of(&self, value: &Value<'_>) -> usize {
        self.line(value.span().start)
    }

    pub(super) fn place(&self, line: usize, key: &str) -> Place {
        Place { file: Arc::clone(&self.file), line, key: Arc::from(key) }
    }

    fn remark(&self, line: usize, key: &str, why: Why) -> Problem {
        Problem { file: self.file.to_string(), line, key: key.to_owned(), why }
    }

    pub(super) fn problem(&mut self, line: usize, key: &str, why: Why) {
        let problem = self.remark(line, key, why);
        self.problems.push(problem);
    }

    pub(super) fn warn(&mut self, line: usize, key: &str, why: Why) {
        let warning = self.remark(line, key, why);
        self.warnings.push(warning);
    }

    pub(super) fn wrong_type(&mut self, value: &Value<'_>, key: &str, expected: &'static str) {
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

    /// Warns of a key that is not read.
    pub(super) fn stranger(&mut self, line: usize, full: &str, key: &str, known: &Known) {
        let near = model::near::matches(key, known.0.iter().copied());
        self.warn(line, full, Why::UnknownKey { near });
    }

    pub(super) fn text(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_type(value, key, "a string");
            return None;
        };
        Some(At { value: text.clone().into_owned(), line: self.line_of(value) })
    }

    /// A text that must say something.
    pub(super) fn name(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
        let name = self.text(value, key)?;
        if name.value.trim().is_empty() {
            self.problem(name.line, key, Why::Empty);
            return None;
        }
        Some(name)
    }

    pub(super) fn texts(&mut self, value: &Value<'_>, key: &str) -> Vec<At<String>> {
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(value, key, "an array of strings");
            return Vec::new();
        };
        array.iter().filter_map(|item| self.text(item, key)).collect()
    }

    /// Names: an array of them, or one alone.
    pub(super) fn names(&mut self, value: &Value<'_>, key: &str) -> Vec<At<String>> {
        match value.get_ref() {
            DeValue::String(_) => self.name(value, key).into_iter().collect(),
            DeValue::Array(array) => array.iter().filter_map(|item| self.name(item, key)).collect(),
            _ => {
                self.wrong_type(value, key, "an array of strings");
                Vec::new()
            }
        }
    }

    pub(super) fn flag(&mut self, value: &Value<'_>, key: &str) -> Option<At<bool>> {
        let DeValue::Boolean(flag) = value.get_ref() else {
            self.wrong_type(value, key, "true or false");
            return None;
        };
        Some(At { value: *flag, line: self.line_of(value) })
    }

    pub(super) fn integer(&mut self, value: &Value<'_>, key: &str) -> Option<At<i64>> {
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(value, key, "an integer");
            return None;
        };
        let line = self.line_of(value);
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) => Some(At { value, line }),
            Err(_) => {
                let found = number.as_str().to_owned();
                self.problem(line, key, Why::Unfit { expected: "an integer of 64 bits", found });
                None
            }
        }
    }

    /// A string, number or boolean, as text.
    pub(super) fn plain(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
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

    /// A table of strings, numbers and booleans.
    pub(super) fn pairs(&mut self, value: &Value<'_>, key: &str) -> Vec<(String, At<String>)> {
        let Some(table) = self.table(value, key) else { return Vec::new() };
        let mut pairs = Vec::new();
        for (name, value) in table {
            let name = name.get_ref().to_string();
            if let Some(value) = self.plain(value, &format!("{key}.{name}")) {
                pairs.push((name, value));
            }
        }
        pairs
    }

    pub(super) fn table<'v, 'i>(&mut self, value: &'v Value<'i>, key: &str) -> Option<&'v DeTable<'i>> {
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(value, key, "a table");
            return None;
        };
        Some(table)
    }

    /// An array of tables, each with its line and the name of its key: `steps.build`, or `steps[1]` if it has
    /// no `id` that is a text.
    pub(super) fn tables<'v, 'i>(
        &mut self,
        value: &'v Value<'i>,
        key: &str,
        expected: &'static str,
    ) -> Vec<(usize, String, &'v DeTable<'i>)> {
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(value, key, expected);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let Some(table) = self.table(item, key) else { continue };
            let named = table.iter().find(|(name, _)| name.get_ref() == "id");
            let name = named.and_then(|(_, id)| id.get_ref().as_str()).filter(|id| !id.trim().is_empty());
            let full = name.map_or_else(|| format!("{key}[{index}]"), |name| format!("{key}.{name}"));
            tables.push((self.line_of(item), full, table));
        }
        tables
    }

    /// Any value, for data that is only carried along.
    pub(super) fn json(&mut self, value: &Value<'_>, key: &str, depth: usize) -> Json {
        if depth > DEPTH {
            self.problem(self.line_of(value), key, Why::TooDeep(DEPTH));
            return Json::Null;
        }
        match value.get_ref() {
            DeValue::String(text) => Json::from(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Json::from(number.to_string()), Json::from),
            DeValue::Float(number) => number
                .as_str()
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map_or_else(|| Json::from(number.to_string()), Json::Number),
            DeValue::Boolean(flag) => Json::from(*flag),
            DeValue::Datetime(date) => Json::from(date.to_string()),
            DeValue::Array(array) => {
                Json::Array(array.iter().map(|item| self.json(item, key, depth + 1)).collect())
            }
            DeValue::Table(table) => Json::Object(
                table
                    .iter()
                    .map(|(name, value)| (name.get_ref().to_string(), self.json(value, key, depth + 1)))
                    .collect(),
            ),
        }
    }

    /// A table whose values are carried along as they are.
    pub(super) fn data(&mut self, value: &Value<'_>, key: &str) -> BTreeMap<String, Json> {
        let Some(table) = self.table(value, key) else { return BTreeMap::new() };
        table
            .iter()
            .map(|(name, value)| {
                let full = format!("{key}.{}", name.get_ref());
                (name.get_ref().to_string(), self.json(value, &full, 0))
            })
            .collect()
    }

    /// Complains of keys that are not there.
    pub(super) fn require(&mut self, table: &DeTable<'_>, line: usize, within: &str, names: &[&str]) {
        for name in names {
            if !table.iter().any(|(key, _)| key.get_ref() == name) {
                self.problem(line, &format!("{within}.{name}"), Why::Missing);
            }
        }
    }
}
