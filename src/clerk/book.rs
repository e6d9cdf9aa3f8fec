//! What the town was told that the clerk goes by: its formulas, and what becomes of escalations.

use std::collections::BTreeMap;

use model::answer::FormulaRow;
use model::bead::Bead;
use model::escalation::Rules;
use model::event::PouredStep;
use model::formula::{Checked, Draft, Text};
use model::ids::{AgentName, RigName};
use model::refusal::Refusal;

/// Where formulas and rules are looked up.
pub trait Book: Send + Sync {
    /// The steps of `formula` for `bead` as seen from `rig`, with `vars` filled in, in an order in which
    /// they can be done.
    ///
    /// # Errors
    /// `no_such_formula`, or what is wrong with it or with the variables, or what it says that cannot be carried
    /// out.
    fn steps(
        &self,
        rig: Option<&RigName>,
        formula: &str,
        vars: &BTreeMap<String, String>,
        bead: &Bead,
    ) -> Result<Vec<PouredStep>, Refusal>;

    /// All formulas as seen from `rig`.
    fn list(&self, rig: Option<&RigName>) -> Vec<FormulaRow>;

    /// The formula as data, for people: as its file says it, or what comes of it with these values.
    ///
    /// # Errors
    /// `no_such_formula`, or what is wrong with it.
    fn show(
        &self,
        rig: Option<&RigName>,
        formula: &str,
        resolved: Option<&BTreeMap<String, String>>,
    ) -> Result<serde_json::Value, Refusal>;

    /// The steps of a formula as data, if all of them can be carried out. With values, all that need one must have
    /// it.
    ///
    /// # Errors
    /// `no_such_formula`, or what is wrong with it, or what it says that cannot be carried out.
    fn cook(
        &self,
        rig: Option<&RigName>,
        formula: &str,
        vars: &BTreeMap<String, String>,
    ) -> Result<serde_json::Value, Refusal>;

    /// What is wrong with and odd about formulas: those of these names and in these files, or all as seen
    /// from `rig` if there are neither.
    ///
    /// # Errors
    /// `no_such_formula`, or a folder that cannot be read.
    fn lint(&self, rig: Option<&RigName>, names: &[String], files: &[Text]) -> Result<Vec<Checked>, Refusal>;

    /// What a new formula of this kind begins with, and where it belongs.
    ///
    /// # Errors
    /// Names that are none, kinds that are none, and a name that is in use there.
    fn draft(&self, rig: Option<&RigName>, name: &str, kind: &str) -> Result<Draft, Refusal>;

    /// The formula that guides work in `rig` when nobody names one; none for no molecule at all.
    fn default_for(&self, rig: &RigName) -> Option<String>;

    /// What becomes of escalations.
    fn escalation(&self) -> Rules;

    /// The names that `rig` has for its workers.
    fn workers(&self, rig: &RigName) -> Vec<AgentName>;

    /// What stands in a gate's log; `log` is relative to the town.
    ///
    /// # Errors
    /// `no_log` when it is not there any more.
    fn gate_log(&self, log: &str) -> Result<String, Refusal>;
}
