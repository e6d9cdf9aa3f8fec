//! Names in texts that look like variables and are none.
//!
//! They stay as they are, since they may be words for a model. One that is a letter away from a variable is more
//! likely a slip, and nobody would see it before a worker reads `{{feture}}`.

use super::scope::Scope;
use super::{Kitchen, Mode};
use crate::fill;
use crate::problem::Why;
use crate::schema::written::WrittenStep;

impl Kitchen<'_> {
    /// Warns of such names in the texts of a step, where a formula is checked.
    pub(super) fn spelling(&mut self, step: &WrittenStep, scope: &Scope<'_>) {
        if self.order.mode != Mode::Lint {
            return;
        }
        let texts = [
            ("title", &step.title),
            ("description", &step.description),
            ("notes", &step.notes),
            ("acceptance", &step.acceptance),
        ];
        for (key, text) in texts {
            let Some(text) = text else { continue };
            let mut strange = Vec::new();
            fill::names(&text.value, |name| {
                if scope.value(name).is_none() && !self.is_declared(name) {
                    strange.push(name.to_owned());
                }
            });
            strange.dedup();
            for name in strange {
                let vars = self.merged.values().flatten().flat_map(|written| &written.vars);
                let declared = vars.map(|var| var.name.value.as_str());
                let mut near = model::near::matches(&name, declared);
                near.retain(|near| {
                    near.chars().next() == name.chars().next()
                        && near.len().abs_diff(name.len()) <= 1
                        && near.len() > 3
                });
                if !near.is_empty() {
                    let why = Why::UnknownVar { name, near };
                    self.warnings.push(step.place.within(text.line, key, why));
                }
            }
        }
    }
}
