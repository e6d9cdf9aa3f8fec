//! What is wrong, or odd, about a formula file, and where.

use std::fmt;
use std::sync::Arc;

use model::near;

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named by who read it.
    pub file: Arc<str>,
    /// Counted from one.
    pub line: usize,
    /// The key, with the names of what it is within: `steps.build`.
    pub key: Arc<str>,
}

impl Place {
    /// Returns what is the matter with the key `name` within this place, which stands on `line`.
    pub(crate) fn within(&self, line: usize, name: &str, why: Why) -> Problem {
        Problem { file: self.file.to_string(), line, key: format!("{}.{name}", self.key), why }
    }

    /// Returns what is the matter with this place.
    pub(crate) fn here(&self, why: Why) -> Problem {
        Problem { file: self.file.to_string(), line: self.line, key: self.key.to_string(), why }
    }
}

/// One thing that is wrong (or, as a warning, odd) about a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {key}: {why}")]
pub struct Problem {
    /// The file as it was named by who read it.
    pub file: String,
    /// Counted from one.
    pub line: usize,
    /// The key, with the names of what it is within: `steps.build.needs`.
    pub key: String,
    /// What is the matter.
    pub why: Why,
}

/// What can be the matter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The text is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key that must be there is not.
    #[error("this key is missing")]
    Missing,
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What is allowed.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A value of the right type that cannot be.
    #[error("expected {expected}, found {found:?}")]
    Unfit {
        /// What is allowed.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// An id or name that is empty.
    #[error("this must not be empty")]
    Empty,
    /// A value that is none of those allowed.
    #[error("{given:?} is not known{}", Hint(near))]
    UnknownValue {
        /// What is there.
        given: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// A key that no formula has.
    #[error("unknown key{}", Hint(near))]
    UnknownKey {
        /// What may have been meant.
        near: Vec<String>,
    },
    /// A key that is known, but changes nothing.
    #[error("this key has no effect{}", if because.is_empty() { String::new() } else { format!(": {because}") })]
    NoEffect {
        /// Why not, if that is not plain.
        because: &'static str,
    },
    /// Two keys that contradict each other.
    #[error("this cannot stand beside {other}")]
    Both {
        /// The other key.
        other: &'static str,
    },
    /// A key that means nothing without another.
    #[error("this needs {other} beside it")]
    Alone {
        /// The other key.
        other: &'static str,
    },
    /// What today's engine cannot carry out. To go on without it would do something else.
    #[error("{0} cannot be carried out by this version")]
    NotYet(&'static str),
    /// Two of one name.
    #[error("{id:?} is already {first}")]
    Duplicate {
        /// The name.
        id: String,
        /// Where it is first: `on line 3`, `in f.toml:3`.
        first: String,
    },
    /// Two parents have a step of one name, and the later one's is used.
    #[error("step {id:?} of {first} is replaced by that of {second}")]
    Overridden {
        /// The step.
        id: String,
        /// The formula whose step is gone.
        first: String,
        /// The formula whose step is used.
        second: String,
    },
    /// A step that does not exist is named.
    #[error("no step is called {name:?}{}", Hint(near))]
    UnknownStep {
        /// The name.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// A step is named that others have replaced.
    #[error("{name:?} has been replaced by steps of its own; name one of them: {}", members.join(", "))]
    Replaced {
        /// The name.
        name: String,
        /// What stands in its place.
        members: Vec<String>,
    },
    /// A pattern, or a rule, that fits no step.
    #[error("no step fits {0:?}")]
    NoStep(String),
    /// A leg that does not exist is named.
    #[error("no leg is called {name:?}{}", Hint(near))]
    UnknownLeg {
        /// The name.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// A formula that does not exist is named.
    #[error("no formula is called {name:?}{}", Hint(near))]
    UnknownFormula {
        /// The name.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// A formula that cannot be read is named.
    #[error("formula {name:?} cannot be read: {reason}")]
    Unreadable {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A formula of another sort than the place needs.
    #[error("formula {name:?} is of type {found}, and {wanted} is needed here")]
    WrongKind {
        /// The name.
        name: String,
        /// Its type.
        found: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// Steps wait for each other.
    #[error("these steps wait for each other: {}", cycle.join(" -> "))]
    Cycle {
        /// Each needs the next; the first stands at the end again.
        cycle: Vec<String>,
    },
    /// Formulas that build on each other in a circle.
    #[error("these formulas build on each other: {}", chain.join(" -> "))]
    Circle {
        /// Each builds on the next; the first stands at the end again.
        chain: Vec<String>,
    },
    /// A pattern that is no regular expression.
    #[error("the pattern is no regular expression: {0}")]
    Pattern(String),
    /// A condition that cannot be read.
    #[error("the condition {text:?} is not understood; {expected}")]
    Condition {
        /// What is there.
        text: String,
        /// What is understood.
        expected: &'static str,
    },
    /// A calculation that has no result.
    #[error("{text:?} cannot be calculated: {reason}")]
    Calculation {
        /// What is there.
        text: String,
        /// Why not.
        reason: String,
    },
    /// A default that the variable's own rules forbid.
    #[error("the default {0}")]
    Default(String),
    /// A variable that must have a value has none.
    #[error("variable {name} needs a value{}", if description.is_empty() { String::new() } else { format!(" ({description})") })]
    NeedsValue {
        /// The variable.
        name: String,
        /// What it is for.
        description: String,
    },
    /// A value that the variable's rules forbid.
    #[error("variable {name} is {value:?}, which {rule}")]
    BadValue {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// What it breaks: `is none of a, b`.
        rule: String,
    },
    /// A variable is named that nobody has declared.
    #[error("there is no variable {name}{}", Hint(near))]
    UnknownVar {
        /// The name.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// More steps than a formula may have.
    #[error("this makes more than {0} steps")]
    TooMany(usize),
    /// Steps within steps within steps.
    #[error("this is nested more than {0} deep")]
    TooDeep(usize),
    /// The file has another name than the formula.
    #[error("the formula calls itself {inside:?}, but its file is found as {outside:?}")]
    OtherName {
        /// In the file.
        inside: String,
        /// The file's.
        outside: String,
    },
}

/// Everything that is wrong about a formula, in the order of files and lines; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The problems.
    pub problems: Vec<Problem>,
}

impl Invalid {
    /// Returns the problems in order, each once; none if there are none.
    pub(crate) fn of(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl From<Problem> for Invalid {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// The nearest names as the end of a sentence, if there are any.
pub(crate) struct Hint<'a>(pub(crate) &'a [String]);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        near::did_you_mean(self.0).map_or(Ok(()), |question| write!(f, "; {question}"))
    }
}
