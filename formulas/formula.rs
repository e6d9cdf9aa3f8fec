//! A checked formula, and what it becomes when its variables have values.
//!
//! What cannot be run cannot be built: a [`Formula`] has steps with names of their own, in an order in which
//! they can be done, and variables whose rules make sense.
//!
//! Values are put in once, from left to right; what a value brings along is never looked at again. `{{name}}`
//! of a variable that nobody knows stays as it is, since it may be prose for the model that reads the step.

use std::collections::BTreeMap;

use model::event::PouredStep;
use model::near;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::graph::{self, Tangle};
use crate::problem::{Hint, Invalid, Problem, Why};
use crate::schema::{self, Written, WrittenVar};

/// Values by the name of their variable.
pub type Vars = BTreeMap<String, String>;

/// Names in a cycle that are told; the message of a long one would fill the screen.
const CYCLE_SHOWN: usize = 10;

/// A formula that can be run.
#[derive(Debug, Clone)]
pub struct Formula {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its author's count of changes.
    pub version: i64,
    /// Whether each step has a session of its own.
    pub per_step: bool,
    /// Its variables, in the order of the file.
    pub vars: Vec<Var>,
    /// Its steps, in an order in which they can be done, their variables not filled in.
    pub steps: Vec<ProtoStep>,
    /// What is odd about the file.
    pub warnings: Vec<Problem>,
}

/// A variable and the rules for its value.
#[derive(Debug, Clone)]
pub struct Var {
    /// Its name, as in `{{name}}`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its value when nobody gives one.
    pub default: Option<String>,
    /// Whether there must be a value.
    pub required: bool,
    /// The only values allowed; empty if all are.
    pub allowed: Vec<String>,
    /// What the value must match.
    pub pattern: Option<Regex>,
}

/// A formula with its values in place: steps to be poured, and no more questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proto {
    /// The formula's name.
    pub formula: String,
    /// The formula's version.
    pub version: i64,
    /// Whether each step has a session of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_step: bool,
    /// What it is for.
    pub description: String,
    /// The steps, in an order in which they can be done.
    pub steps: Vec<ProtoStep>,
}

/// A step, before somebody works on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtoStep {
    /// Its name within the formula.
    pub id: String,
    /// One line.
    pub title: String,
    /// What to do.
    #[serde(default)]
    pub description: String,
    /// How to tell that it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<String>,
    /// What must be done first.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// Why values do not fit a formula; all reasons at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("formula {formula}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct BadVars {
    /// The formula's name.
    pub formula: String,
    /// At least one.
    pub problems: Vec<BadVar>,
}

/// Why one value does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadVar {
    /// Nobody gave it, and it has no default.
    #[error("variable {name} needs a value{}", if description.is_empty() { String::new() } else { format!(" ({description})") })]
    Missing {
        /// The variable.
        name: String,
        /// What it is for.
        description: String,
    },
    /// It was given, but the formula has no use for it.
    #[error("there is no variable {name}{}", Hint(near))]
    Unknown {
        /// What was given.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// It is none of the allowed values.
    #[error("variable {name} is {value:?}, which is none of {}", allowed.join(", "))]
    NotAllowed {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: Vec<String>,
    },
    /// It does not look as it must.
    #[error("variable {name} is {value:?}, which does not match {pattern}")]
    NoMatch {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// The regular expression.
        pattern: String,
    },
}

impl Formula {
    /// Returns the formula that `text` is, or everything that is wrong with it; `file` is the name that
    /// messages use.
    pub fn parse(file: &str, text: &str) -> Result<Self, Invalid> {
        let (written, warnings) = schema::read(file, text)?;
        let checker = Checker { file, written: &written };
        let mut problems = Vec::new();
        let order = checker.order(&mut problems);
        let vars: Vec<Var> = written.vars.iter().map(|var| checker.var(var, &mut problems)).collect();
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.line);
            return Err(Invalid { problems });
        }
        let steps = order
            .into_iter()
            .map(|place| {
                let step = &written.steps[place];
                ProtoStep {
                    id: step.id.value.clone(),
                    title: step.title.clone(),
                    description: step.description.clone(),
                    acceptance: step.acceptance.clone(),
                    needs: step.needs.iter().map(|need| need.value.clone()).collect(),
                }
            })
            .collect();
        Ok(Self {
            name: written.formula.value,
            description: written.description,
            version: written.version,
            per_step: written.per_step,
            vars,
            steps,
            warnings,
        })
    }

    /// Returns the steps with the given values and the defaults in place.
    ///
    /// A value that the formula neither declares nor mentions is an error: it was probably misspelt.
    pub fn resolve(&self, given: &Vars) -> Result<Proto, BadVars> {
        self.resolve_with(given, &Vars::new())
    }

    /// Like [`Formula::resolve`]; `ambient` are values that are there for every formula (the bead, the rig),
    /// whether it has a use for them or not. Given ones come before them, and they before defaults.
    pub fn resolve_with(&self, given: &Vars, ambient: &Vars) -> Result<Proto, BadVars> {
        let mut problems = Vec::new();
        let mut values: BTreeMap<&str, &str> =
            ambient.iter().chain(given).map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for var in &self.vars {
            match (values.get(var.name.as_str()), &var.default) {
                (Some(value), _) => problems.extend(var.judge(value)),
                // An empty default is the habit of formulas that want to be told all the same.
                (None, Some(default)) if !(var.required && default.is_empty()) => {
                    values.insert(&var.name, default);
                }
                (None, _) if var.required => problems
                    .push(BadVar::Missing { name: var.name.clone(), description: var.description.clone() }),
                (None, _) => {}
            }
        }
        for name in given.keys().filter(|name| !self.knows(name)) {
            let near = near::matches(name, self.vars.iter().map(|var| var.name.as_str()));
            problems.push(BadVar::Unknown { name: name.clone(), near });
        }
        if !problems.is_empty() {
            return Err(BadVars { formula: self.name.clone(), problems });
        }
        let fill = |text: &str| substitute(text, |name| values.get(name).copied());
        let steps = self
            .steps
            .iter()
            .map(|step| ProtoStep {
                id: step.id.clone(),
                title: fill(&step.title),
                description: fill(&step.description),
                acceptance: step.acceptance.as_deref().map(fill),
                needs: step.needs.clone(),
            })
            .collect();
        Ok(Proto {
            formula: self.name.clone(),
            version: self.version,
            per_step: self.per_step,
            description: fill(&self.description),
            steps,
        })
    }

    /// Whether a variable of this name is declared or mentioned.
    fn knows(&self, name: &str) -> bool {
        if self.vars.iter().any(|var| var.name == name) {
            return true;
        }
        let mut mentioned = false;
        let mut look = |text: &str| {
            substitute(text, |other| {
                mentioned |= other == name;
                None
            });
        };
        look(&self.description);
        for step in &self.steps {
            look(&step.title);
            look(&step.description);
            look(step.acceptance.as_deref().unwrap_or_default());
        }
        mentioned
    }
}

impl Proto {
    /// Returns the steps as the ledger records them; how to tell that one is done follows what to do.
    pub fn poured(&self) -> Vec<PouredStep> {
        self.steps
            .iter()
            .map(|step| PouredStep {
                id: step.id.clone(),
                title: step.title.clone(),
                description: match &step.acceptance {
                    None => step.description.clone(),
                    Some(acceptance) => format!("{}\n\nDone when: {acceptance}", step.description.trim_end())
                        .trim_start()
                        .to_owned(),
                },
                needs: step.needs.clone(),
                own_session: self.per_step,
            })
            .collect()
    }
}

impl Var {
    /// Returns why the variable may not have this value.
    fn judge(&self, value: &str) -> Option<BadVar> {
        let (name, value) = (self.name.clone(), value.to_owned());
        if !self.allowed.is_empty() && !self.allowed.contains(&value) {
            return Some(BadVar::NotAllowed { name, value, allowed: self.allowed.clone() });
        }
        let pattern = self.pattern.as_ref().filter(|pattern| !pattern.is_match(&value))?;
        Some(BadVar::NoMatch { name, value, pattern: pattern.as_str().to_owned() })
    }
}

/// Returns `text` with each `{{name}}` replaced by its value, where there is one.
///
/// A name is letters, digits, `_`, `-` and `.`; spaces within the braces do not count.
pub(crate) fn substitute<'v>(text: &str, mut value: impl FnMut(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let inner = &rest[open + 2..];
        let name_end = inner
            .find(|character: char| {
                !(character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | ' ' | '\t'))
            })
            .unwrap_or(inner.len());
        let known = inner[name_end..].starts_with("}}").then(|| value(inner[..name_end].trim())).flatten();
        match known {
            Some(value) => {
                out.push_str(&rest[..open]);
                out.push_str(value);
                rest = &inner[name_end + 2..];
            }
            None => {
                // Only one brace is passed: in `{{{name}}` the name begins with the second.
                out.push_str(&rest[..=open]);
                rest = &rest[open + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

struct Checker<'a> {
    file: &'a str,
    written: &'a Written,
}

impl Checker<'_> {
    fn problem(&self, line: usize, key: String, why: Why) -> Problem {
        Problem { file: self.file.to_owned(), line, key, why }
    }

    fn order(&self, problems: &mut Vec<Problem>) -> Vec<usize> {
        let steps = &self.written.steps;
        let nodes: Vec<(&str, Vec<&str>)> = steps
            .iter()
            .map(|step| (step.id.value.as_str(), step.needs.iter().map(|need| need.value.as_str()).collect()))
            .collect();
        let tangles = match graph::order(&nodes) {
            Ok(order) => return order,
            Err(tangles) => tangles,
        };
        for tangle in tangles {
            problems.push(match tangle {
                Tangle::Duplicate { first, second } => {
                    let id = steps[second].id.value.clone();
                    let why = Why::Duplicate { id, first: steps[first].id.line };
                    self.problem(steps[second].id.line, format!("steps.{}.id", nodes[second].0), why)
                }
                Tangle::Unknown { node, need } => {
                    let need = &steps[node].needs[need];
                    let near = near::matches(&need.value, nodes.iter().map(|node| node.0));
                    let why = Why::UnknownStep { name: need.value.clone(), near };
                    self.problem(need.line, format!("steps.{}.needs", nodes[node].0), why)
                }
                Tangle::Cycle(places) => {
                    let first = &steps[places[0]];
                    let next = nodes[places[1 % places.len()]].0;
                    let line =
                        first.needs.iter().find(|need| need.value == next).map_or(first.id.line, |n| n.line);
                    let why = Why::Cycle { cycle: shown(&places, |place| nodes[place].0) };
                    self.problem(line, format!("steps.{}.needs", first.id.value), why)
                }
            });
        }
        Vec::new()
    }

    fn var(&self, written: &WrittenVar, problems: &mut Vec<Problem>) -> Var {
        let key = format!("vars.{}", written.name.value);
        let mut var = Var {
            name: written.name.value.clone(),
            description: written.description.clone(),
            default: written.default.as_ref().map(|default| default.value.clone()),
            required: written.required,
            allowed: written.allowed.clone(),
            pattern: None,
        };
        if let Some(pattern) = &written.pattern {
            match Regex::new(&pattern.value) {
                Ok(regex) => var.pattern = Some(regex),
                Err(error) => {
                    let why = Why::Pattern(error.to_string());
                    problems.push(self.problem(pattern.line, format!("{key}.pattern"), why));
                }
            }
        }
        // An empty default means that there is none; no rule is asked about it.
        if let Some(default) = written.default.as_ref().filter(|default| !default.value.is_empty())
            && let Some(bad) = var.judge(&default.value)
        {
            let text = match bad {
                BadVar::NotAllowed { allowed, .. } => format!("is none of {}", allowed.join(", ")),
                BadVar::NoMatch { pattern, .. } => format!("does not match {pattern}"),
                other => other.to_string(),
            };
            problems.push(self.problem(default.line, format!("{key}.default"), Why::Default(text)));
        }
        var
    }
}

/// Returns the names in a cycle, the first again at the end; of a long one its beginning.
fn shown<'n>(places: &[usize], name: impl Fn(usize) -> &'n str) -> Vec<String> {
    let mut names: Vec<String> =
        places.iter().take(CYCLE_SHOWN).map(|place| name(*place).to_owned()).collect();
    if places.len() > CYCLE_SHOWN {
        names.push(format!("({} more)", places.len() - CYCLE_SHOWN));
    }
    names.extend(places.first().map(|place| name(*place).to_owned()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formula(rest: &str) -> Formula {
        Formula::parse("f.toml", &format!("formula='f'\n{rest}")).unwrap()
    }

    fn problems(rest: &str) -> Vec<String> {
        let invalid = Formula::parse("f.toml", &format!("formula='f'\n{rest}")).unwrap_err();
        invalid.problems.iter().map(ToString::to_string).collect()
    }

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn steps_come_in_an_order_in_which_they_can_be_done() {
        let formula =
            formula("[[steps]]\nid='c'\nneeds=['b','a']\n[[steps]]\nid='b'\nneeds=['a']\n[[steps]]\nid='a'");
        let ids: Vec<&str> = formula.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn what_is_wrong_between_steps_names_its_line() {
        let check = |rest: &str, expected: &[&str]| assert_eq!(problems(rest), expected, "{rest}");
        check(
            "[[steps]]\nid='build'\nneeds=[\n 'biuld',\n 'tset']\n[[steps]]\nid='test'\n[[steps]]\nid='test'",
            &[
                "f.toml:5: steps.build.needs: no step is called \"biuld\"; did you mean \"build\"?",
                "f.toml:6: steps.build.needs: no step is called \"tset\"; did you mean \"test\"?",
                "f.toml:10: steps.test.id: step \"test\" is already on line 8",
            ],
        );
        check(
            "[[steps]]\nid='a'\nneeds=['b']\n[[steps]]\nid='b'\nneeds=['a']",
            &["f.toml:4: steps.a.needs: these steps wait for each other: a -> b -> a"],
        );
        check(
            "[[steps]]\nid='a'\nneeds=['a']",
            &["f.toml:4: steps.a.needs: these steps wait for each other: a -> a"],
        );
    }

    #[test]
    fn what_is_wrong_with_a_variable_names_its_line() {
        let problems = problems(
            "[vars.a]\npattern='('\n[vars.b]\ndefault='x'\nenum=['y','z']\n[vars.c]\ndefault='x'\npattern='^y$'\n[[steps]]\nid='s'",
        );
        assert!(problems[0].starts_with("f.toml:3: vars.a.pattern: the pattern is no regular expression"));
        assert_eq!(problems[1], "f.toml:5: vars.b.default: the default is none of y, z");
        assert_eq!(problems[2], "f.toml:8: vars.c.default: the default does not match ^y$");
    }

    #[test]
    fn values_are_put_in_once_and_strangers_stay() {
        let formula = formula(
            "description='{{a}}'\n[vars]\na='1'\nb={}\n[[steps]]\nid='{{a}}'\ntitle='{{ a }} {{b}} {{free}}'\n\
             description='{{#each a}} {{.x}} {a} {{{a}}} {{a {{a}}'\nacceptance='{{a}}'",
        );
        let step = |given: &[(&str, &str)]| formula.resolve(&vars(given)).unwrap().steps[0].clone();
        assert_eq!(step(&[]).title, "1 {{b}} {{free}}");
        assert_eq!(step(&[]).description, "{{#each a}} {{.x}} {a} {1} {{a 1");
        assert_eq!(step(&[]).acceptance.as_deref(), Some("1"));
        assert_eq!(step(&[]).id, "{{a}}", "names are not rewritten");
        assert_eq!(step(&[("a", "{{b}}"), ("b", "2"), ("free", "3")]).title, "{{b}} 2 3");
    }

    #[test]
    fn values_that_do_not_fit_are_all_told() {
        let formula = formula(
            "[vars.check]\ndescription='How to test'\nrequired=true\n[vars.mode]\ndefault='a'\nenum=['a','b']\n\
             [vars.n]\npattern='^[0-9]+$'\n[vars.empty]\nrequired=true\ndefault=''\n[[steps]]\nid='s'",
        );
        let error = formula.resolve(&vars(&[("mode", "c"), ("n", "x"), ("chekc", "make")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "formula f: variable check needs a value (How to test); \
             variable mode is \"c\", which is none of a, b; \
             variable n is \"x\", which does not match ^[0-9]+$; variable empty needs a value; \
             there is no variable chekc; did you mean \"check\"?"
        );
    }

    #[test]
    fn ambient_values_need_no_use() {
        let formula = formula("[vars]\nbead='none'\n[[steps]]\nid='s'\ntitle='{{bead}} {{rig}}'");
        let ambient = vars(&[("bead", "web-1"), ("rig", "web"), ("unused", "x")]);
        let title = |given: &[(&str, &str)]| {
            formula.resolve_with(&vars(given), &ambient).unwrap().steps[0].title.clone()
        };
        assert_eq!(title(&[]), "web-1 web");
        assert_eq!(title(&[("bead", "web-2")]), "web-2 web");
    }

    #[test]
    fn the_same_values_give_the_same_proto_and_it_keeps() {
        let formula = formula("[vars]\na='1'\n[[steps]]\nid='s'\ndescription='{{a}}'\nacceptance='b'");
        let proto = formula.resolve(&Vars::new()).unwrap();
        let json = serde_json::to_string(&proto).unwrap();
        assert_eq!(json, serde_json::to_string(&formula.resolve(&Vars::new()).unwrap()).unwrap());
        assert_eq!(serde_json::from_str::<Proto>(&json).unwrap(), proto);
        assert_eq!(proto.poured()[0].description, "1\n\nDone when: b");
    }

    #[test]
    fn ten_thousand_steps_in_a_chain_are_no_problem() {
        use std::fmt::Write as _;
        let mut text = String::new();
        for step in (0..10_000).rev() {
            write!(text, "[[steps]]\nid='s{step}'\n").unwrap();
            if step > 0 {
                writeln!(text, "needs=['s{}']", step - 1).unwrap();
            }
        }
        let formula = formula(&text);
        assert_eq!(formula.steps[9_999].id, "s9999");
        assert_eq!(formula.resolve(&Vars::new()).unwrap().steps.len(), 10_000);

        let ring = problems(&text.replace("id='s0'", "id='s0'\nneeds=['s9999']"));
        assert!(ring[0].ends_with("(9990 more) -> s9999"), "{ring:?}");
    }
}
