//! Formulas as they are asked for and answered.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A formula file that the asker holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Its name, for messages.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What a check of a formula has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The formula, as it was asked for.
    pub name: String,
    /// shipped, or the file that it comes from.
    pub source: String,
    /// How many steps come of it; 0 if it is broken.
    pub steps: usize,
    /// What is wrong: it cannot be used.
    pub problems: Vec<Finding>,
    /// What is odd: it can be used, but something in it may not be as it was meant.
    pub warnings: Vec<Finding>,
    /// What is in order and cannot be carried out yet.
    pub not_yet: Vec<Finding>,
}

/// One thing about a formula, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Counted from one.
    pub line: usize,
    /// The key, with what it is within.
    pub key: String,
    /// What is the matter.
    pub message: String,
}

/// A formula that is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub path: PathBuf,
    /// What is in it to begin with.
    pub text: String,
}
