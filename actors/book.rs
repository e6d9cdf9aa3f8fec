//! What a town was told, for the clerk: formulas, as files and as shipped, and what becomes of escalations.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clerk::book::Book;
use config::live::LiveConfig;
use config::rig::Scope;
use formulas::catalog::{CannotLoad, Catalog, Source};
use model::answer::FormulaRow;
use model::escalation::Rules;
use model::event::PouredStep;
use model::ids::{AgentName, RigName};
use model::refusal::{Class, Refusal};

/// Looks formulas up in the rig, then in the town, then among the shipped ones.
#[derive(Debug, Clone)]
pub struct Shelf {
    config: Arc<LiveConfig>,
}

impl Shelf {
    /// The formulas of the town that `config` describes.
    pub fn new(config: Arc<LiveConfig>) -> Self {
        Self { config }
    }

    fn catalog(&self, rig: Option<&RigName>) -> Catalog {
        let paths = self.config.paths();
        let of_rig = rig.map(|rig| paths.rig(rig).formulas());
        Catalog::new(of_rig.into_iter().chain([paths.formulas()]).collect::<Vec<PathBuf>>())
    }
}

fn refusal(error: CannotLoad) -> Refusal {
    match &error {
        CannotLoad::Unknown { name, near } => {
            Refusal::no_such("formula", name, near.iter().map(String::as_str))
        }
        CannotLoad::Invalid { .. } => Refusal::new(Class::Usage, "invalid_formula", error.to_string()),
        CannotLoad::Unreadable { .. } => Refusal::failed("cannot_read", error.to_string()),
    }
}

impl Book for Shelf {
    fn steps(
        &self,
        rig: Option<&RigName>,
        formula: &str,
        vars: &BTreeMap<String, String>,
    ) -> Result<Vec<PouredStep>, Refusal> {
        let (formula, _) = self.catalog(rig).load(formula).map_err(refusal)?;
        let proto = formula.resolve(vars).map_err(|error| Refusal::usage(error.to_string()))?;
        let mut steps = proto.poured();
        let town = self.config.current();
        if rig.and_then(|rig| town.rig(rig).ok()).is_some_and(|rig| rig.session == Scope::PerStep) {
            steps.iter_mut().for_each(|step| step.own_session = true);
        }
        Ok(steps)
    }

    fn list(&self, rig: Option<&RigName>) -> Vec<FormulaRow> {
        let entries = self.catalog(rig).list().unwrap_or_default();
        entries
            .into_iter()
            .map(|entry| FormulaRow {
                name: entry.name,
                description: match &entry.formula {
                    Ok(formula) => formula.description.lines().next().unwrap_or_default().to_owned(),
                    Err(error) => format!("broken: {error}"),
                },
                source: match entry.source {
                    Source::Shipped => "shipped".to_owned(),
                    Source::File(path) => path.display().to_string(),
                },
                steps: entry.formula.map_or(0, |formula| formula.steps.len()),
            })
            .collect()
    }

    fn show(&self, rig: Option<&RigName>, formula: &str) -> Result<serde_json::Value, Refusal> {
        let (formula, source) = self.catalog(rig).load(formula).map_err(refusal)?;
        let steps: Vec<serde_json::Value> = formula
            .steps
            .iter()
            .map(|step| {
                serde_json::json!({
                    "id": step.id, "title": step.title, "description": step.description, "needs": step.needs,
                })
            })
            .collect();
        let vars: Vec<serde_json::Value> = formula
            .vars
            .iter()
            .map(|var| {
                serde_json::json!({
                    "name": var.name, "description": var.description,
                    "default": var.default, "required": var.required,
                })
            })
            .collect();
        let source = match source {
            Source::Shipped => "shipped".to_owned(),
            Source::File(path) => path.display().to_string(),
        };
        Ok(serde_json::json!({
            "name": formula.name, "description": formula.description, "version": formula.version,
            "source": source, "vars": vars, "steps": steps,
        }))
    }

    fn default_for(&self, rig: &RigName) -> Option<String> {
        let config = self.config.current();
        config.rig(rig).ok().map(|rig| rig.formula.clone()).filter(|name| !name.is_empty())
    }

    fn escalation(&self) -> Rules {
        self.config.current().escalation.rules.clone()
    }

    fn workers(&self, rig: &RigName) -> Vec<AgentName> {
        self.config.current().rig(rig).map(|rig| rig.workers.clone()).unwrap_or_default()
    }
}
