//! What the town was told that the clerk goes by: its formulas, and what becomes of escalations.

use std::collections::BTreeMap;

use model::answer::FormulaRow;
use model::escalation::Rules;
use model::event::PouredStep;
use model::ids::{AgentName, RigName};
use model::refusal::Refusal;

/// Where formulas and rules are looked up.
pub trait Book: Send + Sync {
    /// The steps of `formula` as seen from `rig`, with `vars` filled in, in an order in which they can
    /// be done.
    ///
    /// # Errors
    /// `no_such_formula`, or what is wrong with it or with the variables.
    fn steps(
        &self,
        rig: Option<&RigName>,
        formula: &str,
        vars: &BTreeMap<String, String>,
    ) -> Result<Vec<PouredStep>, Refusal>;

    /// All formulas as seen from `rig`.
    fn list(&self, rig: Option<&RigName>) -> Vec<FormulaRow>;

    /// The formula as data, for people.
    ///
    /// # Errors
    /// `no_such_formula`, or what is wrong with it.
    fn show(&self, rig: Option<&RigName>, formula: &str) -> Result<serde_json::Value, Refusal>;

    /// The formula that guides work in `rig` when nobody names one; none for no molecule at all.
    fn default_for(&self, rig: &RigName) -> Option<String>;

    /// What becomes of escalations.
    fn escalation(&self) -> Rules;

    /// The names that `rig` has for its workers.
    fn workers(&self, rig: &RigName) -> Vec<AgentName>;
}
