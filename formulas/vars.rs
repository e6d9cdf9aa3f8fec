//! The values of a formula's variables, and the rules that they must keep.
//!
//! A value is what was given, or else what is there for every formula (the bead, the rig), or else the default.

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::problem::{Problem, Why};
use crate::schema::written::WrittenVar;

/// Values by the name of their variable.
pub type Vars = BTreeMap<String, String>;

/// Returns what is wrong with the rules of variables: patterns that are none, defaults that break them.
pub(crate) fn check(vars: &[WrittenVar]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for var in vars {
        if let Some(pattern) = &var.pattern
            && let Err(error) = Regex::new(&pattern.value)
        {
            problems.push(var.place.within(pattern.line, "pattern", Why::Pattern(error.to_string())));
        }
        // An empty default means that there is none; no rule is asked about it.
        if let Some(default) = var.default.as_ref().filter(|default| !default.value.is_empty())
            && let Some(rule) = broken_rule(var, &default.value)
        {
            problems.push(var.place.within(default.line, "default", Why::Default(rule)));
        }
    }
    problems
}

/// Returns the values of `vars`, and what is wrong with them.
///
/// With `strict`, a variable that needs a value and has none is wrong; otherwise it is left without.
pub(crate) fn settle(
    vars: &[WrittenVar],
    given: &Vars,
    ambient: &Vars,
    strict: bool,
) -> (Vars, Vec<Problem>) {
    let mut values: Vars = ambient.clone();
    values.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    let mut problems = Vec::new();
    for var in vars {
        let name = &var.name.value;
        match (values.get(name), &var.default) {
            (Some(value), _) => {
                if let Some(rule) = broken_rule(var, value) {
                    let why = Why::BadValue { name: name.clone(), value: value.clone(), rule };
                    problems.push(var.place.here(why));
                }
            }
            // An empty default is the habit of formulas that want to be told all the same.
            (None, Some(default)) if !(var.required && default.value.is_empty()) => {
                values.insert(name.clone(), default.value.clone());
            }
            (None, _) => {
                let others = &var.required_unless;
                let excused = others
                    .iter()
                    .any(|other| given.contains_key(&other.value) || ambient.contains_key(&other.value));
                let wanted = var.required || !others.is_empty();
                if strict && wanted && (!excused || others.is_empty()) {
                    let description = match &others[..] {
                        [] => var.description.clone(),
                        others => {
                            let others: Vec<&str> = others.iter().map(|other| other.value.as_str()).collect();
                            format!("{}; or give {}", var.description, others.join(" or "))
                        }
                    };
                    problems.push(var.place.here(Why::NeedsValue { name: name.clone(), description }));
                }
            }
        }
    }
    (values, problems)
}

/// Returns the rule of `var` that `value` breaks, as the end of a sentence.
fn broken_rule(var: &WrittenVar, value: &str) -> Option<String> {
    let (fits, what) = match var.kind.as_ref().map_or("", |kind| kind.value.as_str()) {
        "int" | "integer" => (value.trim().parse::<i64>().is_ok(), "an integer"),
        "number" | "float" => (value.trim().parse::<f64>().is_ok_and(f64::is_finite), "a number"),
        "bool" | "boolean" => {
            let words = ["true", "false", "yes", "no", "on", "off", "1", "0"];
            (words.iter().any(|word| word.eq_ignore_ascii_case(value)), "true or false")
        }
        _ => (true, ""),
    };
    if !fits {
        return Some(format!("is not {what}"));
    }
    if !var.allowed.is_empty() && !var.allowed.iter().any(|allowed| allowed == value) {
        return Some(format!("is none of {}", var.allowed.join(", ")));
    }
    let pattern = var.pattern.as_ref()?;
    // One that is none is told where the file is read.
    let regex = Regex::new(&pattern.value).ok()?;
    (!regex.is_match(value)).then(|| format!("does not match {}", pattern.value))
}
