//! One formula file, read and checked by itself.

use std::sync::Arc;

use crate::problem::{Invalid, Problem};
use crate::schema::{self, written::Written};
use crate::vars;

/// A formula whose file is in order. What it builds on may not be: that is seen when it is cooked.
#[derive(Debug, Clone)]
pub struct Formula {
    /// What the file says.
    pub written: Arc<Written>,
    /// What is odd about the file.
    pub warnings: Vec<Problem>,
}

impl Formula {
    /// Returns the formula that `text` is, or everything that is wrong with it; `file` is the name that
    /// messages use.
    pub fn parse(file: &str, text: &str) -> Result<Self, Invalid> {
        let (written, warnings) = schema::read(file, text)?;
        Invalid::of(vars::check(&written.vars))?;
        Ok(Self { written: Arc::new(written), warnings })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.written.formula.value
    }
}
