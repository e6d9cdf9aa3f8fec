//! A refusal: an answer with a reason. Something that broke is an error, and another type.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::near;

/// What sort of no it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It was tried and did not work: exit code 1.
    Failed,
    /// It was asked wrongly: exit code 2.
    Usage,
    /// The runtime is not up where it is needed, or is up where it may not be: exit code 3.
    Runtime,
    /// There is no such thing: exit code 4.
    NotFound,
    /// A safety rule forbids it: exit code 5.
    Forbidden,
}

impl Class {
    /// The exit code of the contract.
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Failed => 1,
            Class::Usage => 2,
            Class::Runtime => 3,
            Class::NotFound => 4,
            Class::Forbidden => 5,
        }
    }
}

/// Why something was not done, what it is called by machines, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What sort of no.
    pub class: Class,
    /// A stable name, for instance `no_such_bead`.
    pub code: String,
    /// What was refused and why: lower case, no full stop.
    pub message: String,
    /// What to do instead.
    #[serde(default)]
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal of `class` called `code`.
    pub fn new(class: Class, code: &str, message: impl Into<String>) -> Self {
        Self { class, code: code.to_owned(), message: message.into(), hint: None }
    }

    /// There is no `what` called `name`; says what may have been meant.
    ///
    /// `what` is one lower-case word, `known` are the names that exist.
    pub fn no_such<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let refusal = Self::new(
            Class::NotFound,
            &format!("no_such_{what}"),
            format!("there is no {what} called {name:?}"),
        );
        match near::did_you_mean(&near::matches(name, known)) {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }

    /// It was asked wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Class::Usage, "usage", message)
    }

    /// A safety rule called `rule` forbids it.
    pub fn forbidden(rule: &str, message: impl Into<String>) -> Self {
        Self::new(Class::Forbidden, rule, message)
    }

    /// It was tried and did not work.
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Class::Failed, code, message)
    }

    /// Whether nothing could be recorded because the disk takes no writes: it is nobody's fault, and can be
    /// tried again.
    pub fn is_of_the_disk(&self) -> bool {
        self.code == "read_only"
    }

    /// A living runtime is needed.
    pub fn not_running(what: &str) -> Self {
        Self::new(Class::Runtime, "not_running", format!("{what} needs a running town, and none is up"))
            .hint("start it with `gastown run`")
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_thing_names_what_is_near() {
        let refusal = Refusal::no_such("rig", "wbe", ["web", "api"]);
        assert_eq!(refusal.class.exit_code(), 4);
        assert_eq!(refusal.code, "no_such_rig");
        assert_eq!(refusal.hint.unwrap(), "did you mean \"web\"?");
    }
}
