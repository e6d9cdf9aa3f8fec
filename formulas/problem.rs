//! What is wrong, or odd, about a formula file, and where.

use std::fmt;

use model::near;

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
    /// A key that is known, but changes nothing yet.
    #[error("this key has no effect yet")]
    NoEffect,
    /// A key that this version cannot carry out. To go on without it would do something else.
    #[error("this version cannot carry this out")]
    NotYet,
    /// Two steps of one name.
    #[error("step {id:?} is already on line {first}")]
    Duplicate {
        /// The name.
        id: String,
        /// Where it is first.
        first: usize,
    },
    /// A step needs one that does not exist.
    #[error("no step is called {name:?}{}", Hint(near))]
    UnknownStep {
        /// The name.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// Steps wait for each other.
    #[error("these steps wait for each other: {}", cycle.join(" -> "))]
    Cycle {
        /// Each needs the next; the first stands at the end again.
        cycle: Vec<String>,
    },
    /// A pattern that is no regular expression.
    #[error("the pattern is no regular expression: {0}")]
    Pattern(String),
    /// A default that the variable's own rules forbid.
    #[error("the default {0}")]
    Default(String),
    /// The file has another name than the formula.
    #[error("the formula calls itself {inside:?}, but its file is found as {outside:?}")]
    OtherName {
        /// In the file.
        inside: String,
        /// The file's.
        outside: String,
    },
}

/// Everything that is wrong about one file, in the order of its lines; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The problems.
    pub problems: Vec<Problem>,
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
