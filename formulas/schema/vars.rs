//! Variables and inputs as written.

use super::tree::{Known, Reader, Value};
use super::written::{At, WrittenVar};
use crate::problem::Why;

const VAR: Known =
    Known(&["description", "default", "required", "required_unless", "enum", "pattern", "type"]);

/// What a variable may say that it is, and what that is judged as.
pub(crate) const TYPES: &[&str] = &[
    "string", "text", "int", "integer", "number", "float", "bool", "boolean", "path", "file", "url", "list",
];

/// Words that belong to the templates that models read: never filled in.
pub(crate) const RESERVED: [&str; 3] = ["else", "end", "this"];

impl Reader {
    /// Reads `vars`, or `inputs` if `input`, in the order of the file.
    pub(super) fn vars(&mut self, value: &Value<'_>, within: &str, input: bool) -> Vec<WrittenVar> {
        let Some(table) = self.table(value, within) else { return Vec::new() };
        let mut vars = Vec::new();
        for (key, value) in table {
            let name = At { value: key.get_ref().to_string(), line: self.line(key.span().start) };
            let full = format!("{within}.{}", name.value);
            if name.value.trim().is_empty() {
                self.problem(name.line, within, Why::Empty);
                continue;
            }
            if RESERVED.contains(&name.value.as_str()) {
                let because = "the word belongs to the templates that models read, and stays as it is";
                self.warn(name.line, &full, Why::NoEffect { because });
            }
            vars.push(self.var(name, &full, value, input));
        }
        // The tree is sorted by name; people wrote them in an order of theirs.
        vars.sort_by_key(|var| var.name.line);
        if input {
            self.known_inputs(&vars);
        }
        vars
    }

    fn var(&mut self, name: At<String>, within: &str, value: &Value<'_>, input: bool) -> WrittenVar {
        let mut var = WrittenVar {
            place: self.place(name.line, within),
            name,
            description: String::new(),
            default: None,
            required: false,
            required_unless: Vec::new(),
            allowed: Vec::new(),
            pattern: None,
            kind: None,
            input,
        };
        let Some(table) = value.get_ref().as_table() else {
            var.default = self.plain(value, within);
            return var;
        };
        for (key, value) in table {
            let full = format!("{within}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "description" => {
                    var.description = self.text(value, &full).map_or_else(String::new, |at| at.value);
                }
                "default" => var.default = self.plain(value, &full),
                "required" => var.required = self.flag(value, &full).is_some_and(|flag| flag.value),
                "required_unless" => var.required_unless = self.names(value, &full),
                "enum" => var.allowed = self.allowed(value, &full),
                "pattern" => var.pattern = self.text(value, &full),
                "type" => var.kind = self.var_kind(value, &full),
                other => self.stranger(self.line(key.span().start), &full, other, &VAR),
            }
        }
        var
    }

    /// The values of an `enum`; numbers and booleans are taken as text.
    fn allowed(&mut self, value: &Value<'_>, key: &str) -> Vec<String> {
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(value, key, "an array");
            return Vec::new();
        };
        if array.is_empty() {
            self.problem(self.line_of(value), key, Why::Empty);
        }
        array.iter().filter_map(|item| self.plain(item, key)).map(|at| at.value).collect()
    }

    fn var_kind(&mut self, value: &Value<'_>, key: &str) -> Option<At<String>> {
        let kind = self.name(value, key)?;
        if !TYPES.contains(&kind.value.as_str()) {
            let near = model::near::matches(&kind.value, TYPES.iter().copied());
            self.warn(kind.line, key, Why::UnknownValue { given: kind.value.clone(), near });
        }
        Some(kind)
    }

    /// Complains of inputs that hang on others that are not there.
    fn known_inputs(&mut self, vars: &[WrittenVar]) {
        for var in vars {
            for other in &var.required_unless {
                if !vars.iter().any(|var| var.name.value == other.value) {
                    let near =
                        model::near::matches(&other.value, vars.iter().map(|var| var.name.value.as_str()));
                    let why = Why::UnknownVar { name: other.value.clone(), near };
                    self.problem(other.line, &format!("{}.required_unless", var.place.key), why);
                }
            }
        }
    }
}
