//! The formulas of a town, as files and as shipped, for the clerk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clerk::book::Book;
use config::live::LiveConfig;
use config::rig::Scope;
use formulas::catalog::{CannotLoad, Catalog, Source};
use formulas::problem::Why;
use formulas::schema::written::Kind;
use formulas::{Cooked, Formula, Invalid, Mode, Order, Problem, Subject};
use model::answer::FormulaRow;
use model::bead::Bead;
use model::escalation::Rules;
use model::event::PouredStep;
use model::formula::{Checked, Draft, Finding, Text};
use model::ids::{AgentName, RigName};
use model::near;
use model::refusal::{Class, Refusal};
use serde_json::Value;

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

    /// `.beads/formulas` is where `bd` has them.
    fn catalog(&self, rig: Option<&RigName>) -> Catalog {
        let paths = self.config.paths();
        let of_rig = rig.map(|rig| [paths.rig(rig).formulas(), paths.rig(rig).beads().join("formulas")]);
        let of_town = [paths.formulas(), paths.beads().join("formulas")];
        Catalog::new(of_rig.into_iter().flatten().chain(of_town).collect::<Vec<PathBuf>>())
    }

    /// What is there for every formula: the bead and the place that it is worked at in.
    fn ambient(&self, rig: Option<&RigName>, bead: &Bead) -> BTreeMap<String, String> {
        let mut values: BTreeMap<String, String> = [
            ("bead", bead.id.as_str()),
            ("issue", bead.id.as_str()),
            ("feature", &bead.title),
            ("bead.id", bead.id.as_str()),
            ("bead.title", &bead.title),
            ("bead.description", &bead.description),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if let Some(rig) = rig {
            values.insert("rig".to_owned(), rig.to_string());
            if let Ok(settings) = self.config.current().rig(rig) {
                values.insert("base_branch".to_owned(), settings.default_branch.clone());
            }
        }
        values
    }
}

/// What a check has shown; `odd` is what was odd about the file before it was cooked.
fn checked(
    name: &str,
    source: &str,
    odd: &[Problem],
    cooked: Result<Cooked, CannotLoad>,
) -> Result<Checked, Refusal> {
    let mut checked = Checked { name: name.to_owned(), source: source.to_owned(), ..Checked::default() };
    // A misspelt key is often why something is missing.
    checked.warnings = findings(odd);
    match cooked {
        Ok(cooked) => {
            checked.steps = cooked.proto.steps.len();
            checked.warnings = findings(&cooked.warnings);
            checked.not_yet = findings(&cooked.unable);
        }
        Err(CannotLoad::Invalid { problems, .. }) => checked.problems = findings(&problems.problems),
        Err(error) => return Err(refusal(error)),
    }
    Ok(checked)
}

fn findings(problems: &[Problem]) -> Vec<Finding> {
    let finding = |problem: &Problem| Finding {
        file: problem.file.clone(),
        line: problem.line,
        key: problem.key.clone(),
        message: problem.why.to_string(),
    };
    problems.iter().map(finding).collect()
}

fn refusal(error: CannotLoad) -> Refusal {
    match &error {
        CannotLoad::Unknown { name, near } => {
            let refusal = Refusal::no_such("formula", name, near.iter().map(String::as_str));
            let known = refusal.hint.is_some();
            if known { refusal } else { refusal.hint("see what there is with `gastown formula list`") }
        }
        CannotLoad::Invalid { name, problems } => {
            // Only the values that were given, or not given, are wrong.
            let of_values = |problem: &Problem| {
                matches!(problem.why, Why::NeedsValue { .. } | Why::BadValue { .. } | Why::UnknownVar { .. })
            };
            match problems.problems.iter().all(of_values) {
                true => Refusal::usage(problems.to_string()).hint("give values with --var NAME=VALUE"),
                false => Refusal::new(Class::Usage, "invalid_formula", error.to_string())
                    .hint(format!("when it is mended: gastown formula lint {name}")),
            }
        }
        CannotLoad::Unreadable { .. } => Refusal::failed("cannot_read", error.to_string()),
    }
}

/// Gives what every reader of steps reads a value where the file says none.
fn complete(page: &mut Value) {
    let Value::Object(fields) = page else { return };
    let steps = fields.entry("steps").or_insert_with(|| Value::Array(Vec::new()));
    for step in steps.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let id = step.get("id").cloned().unwrap_or_default();
        step.entry("title").or_insert(id);
        step.entry("description").or_insert_with(|| "".into());
        step.entry("needs").or_insert_with(|| Value::Array(Vec::new()));
    }
}

/// Everything about a formula as data: what its file says, or the steps that come of it.
fn page(name: &str, source: &Source, data: Value, warnings: &[Problem]) -> Value {
    let mut page = serde_json::Map::new();
    page.insert("name".to_owned(), name.into());
    page.insert("source".to_owned(), source.to_string().into());
    if let Value::Object(data) = data {
        page.extend(data);
    }
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    page.insert("warnings".to_owned(), told.into());
    Value::Object(page)
}

/// The steps that come of a formula.
fn proto_page(formula: &Formula, source: &Source, cooked: &Cooked) -> Value {
    let data = serde_json::to_value(&cooked.proto).unwrap_or_default();
    let mut page = page(formula.name(), source, data, &cooked.warnings);
    page["hash"] = cooked.proto.hash().into();
    let unable: Vec<String> = cooked.unable.iter().map(ToString::to_string).collect();
    page["not_yet"] = unable.into();
    page
}

fn not_yet(formula: &str, unable: &Invalid) -> Refusal {
    Refusal::new(Class::Usage, "formula_not_yet", unable.to_string())
        .hint(format!("gastown formula show {formula} --resolved shows all of its steps"))
}

impl Book for Shelf {
    fn steps(
        &self,
        rig: Option<&RigName>,
        formula: &str,
        vars: &BTreeMap<String, String>,
        bead: &Bead,
    ) -> Result<Vec<PouredStep>, Refusal> {
        let subject = Subject {
            title: bead.title.clone(),
            description: bead.description.clone(),
            kind: bead.issue_type.as_str().to_owned(),
            labels: bead.labels.clone(),
            priority: i64::from(u8::from(bead.priority)),
        };
        let order = Order {
            given: vars.clone(),
            ambient: self.ambient(rig, bead),
            subject: Some(subject),
            mode: Mode::Pour,
        };
        let cooked = self.catalog(rig).cook(formula, &order).map_err(refusal)?;
        let mut steps = cooked.poured().map_err(|unable| not_yet(formula, &unable))?;
        let town = self.config.current();
        if rig.and_then(|rig| town.rig(rig).ok()).is_some_and(|rig| rig.session == Scope::PerStep) {
            steps.iter_mut().for_each(|step| step.own_session = true);
        }
        Ok(steps)
    }

    fn list(&self, rig: Option<&RigName>) -> Vec<FormulaRow> {
        let catalog = self.catalog(rig);
        let look = Order { mode: Mode::Lint, ..Order::default() };
        let row = |entry: formulas::catalog::Entry| {
            let cooked = entry.formula.and_then(|formula| Ok((catalog.cook(&entry.name, &look)?, formula)));
            let (description, steps) = match &cooked {
                Ok((cooked, formula)) => {
                    let text = match formula.written.description().trim() {
                        "" => &cooked.proto.description,
                        own => own,
                    };
                    (text.trim().lines().next().unwrap_or_default().to_owned(), cooked.proto.steps.len())
                }
                Err(error) => (format!("broken: {error}"), 0),
            };
            FormulaRow { name: entry.name, description, source: entry.source.to_string(), steps }
        };
        catalog.list().unwrap_or_default().into_iter().map(row).collect()
    }

    fn show(
        &self,
        rig: Option<&RigName>,
        formula: &str,
        resolved: Option<&BTreeMap<String, String>>,
    ) -> Result<Value, Refusal> {
        let catalog = self.catalog(rig);
        let (found, source) = catalog.load(formula).map_err(refusal)?;
        let Some(vars) = resolved else {
            let data = serde_json::to_value(&*found.written).unwrap_or_default();
            let mut page = page(found.name(), &source, data, &found.warnings);
            complete(&mut page);
            // Those who read `type` and `version` find them, whether the file says them or not.
            page["type"] = found.written.kind().as_str().into();
            page["version"] = found.written.version.as_ref().map_or(1, |version| version.value.max(1)).into();
            return Ok(page);
        };
        let order = Order { given: vars.clone(), mode: Mode::Look, ..Order::default() };
        let cooked = catalog.cook(formula, &order).map_err(refusal)?;
        Ok(proto_page(&found, &source, &cooked))
    }

    fn cook(
        &self,
        rig: Option<&RigName>,
        formula: &str,
        vars: &BTreeMap<String, String>,
    ) -> Result<Value, Refusal> {
        let catalog = self.catalog(rig);
        let (found, source) = catalog.load(formula).map_err(refusal)?;
        let mode = if vars.is_empty() { Mode::Look } else { Mode::Pour };
        let order = Order { given: vars.clone(), mode, ..Order::default() };
        let cooked = catalog.cook(formula, &order).map_err(refusal)?;
        cooked.poured().map_err(|unable| not_yet(formula, &unable))?;
        Ok(proto_page(&found, &source, &cooked))
    }

    fn lint(&self, rig: Option<&RigName>, names: &[String], files: &[Text]) -> Result<Vec<Checked>, Refusal> {
        let catalog = self.catalog(rig);
        let order = Order { mode: Mode::Lint, ..Order::default() };
        let mut all = Vec::new();
        for Text { name, text } in files {
            let odd = Formula::parse(name, text).map(|formula| formula.warnings).unwrap_or_default();
            let invalid = |problems| CannotLoad::Invalid { name: name.clone(), problems };
            all.push(checked(name, name, &odd, catalog.cook_text(name, text, &order).map_err(invalid))?);
        }
        let mut wanted = names.to_vec();
        if names.is_empty() && files.is_empty() {
            wanted = catalog.list().map_err(refusal)?.into_iter().map(|entry| entry.name).collect();
        }
        for name in wanted {
            let (source, odd) = match catalog.load(&name) {
                Ok((formula, source)) => (source.to_string(), formula.warnings.clone()),
                Err(CannotLoad::Invalid { problems, .. }) => {
                    let file = problems.problems.first().map(|problem| problem.file.clone());
                    (file.unwrap_or_default(), Vec::new())
                }
                Err(error) => return Err(refusal(error)),
            };
            all.push(checked(&name, &source, &odd, catalog.cook(&name, &order))?);
        }
        Ok(all)
    }

    fn draft(&self, rig: Option<&RigName>, name: &str, kind: &str) -> Result<Draft, Refusal> {
        let Some(kind) = Kind::from_word(kind) else {
            let near = near::did_you_mean(&near::matches(kind, Kind::ALL.map(Kind::as_str)));
            let refusal = Refusal::usage(format!("there is no type {kind:?} of formula"));
            return Err(
                refusal.hint(near.unwrap_or_else(|| "workflow, expansion, aspect or convoy".to_owned()))
            );
        };
        if !formulas::catalog::is_name(name) {
            return Err(Refusal::usage(format!("{name:?} is no name for a formula"))
                .hint("letters, digits, `-`, `_` and `.`, not beginning with a dot"));
        }
        let paths = self.config.paths();
        let folder = match rig {
            Some(rig) => {
                self.config.current().rig(rig)?;
                paths.rig(rig).formulas()
            }
            None => paths.formulas(),
        };
        let path = folder.join(format!("{name}.formula.toml"));
        if path.exists() {
            return Err(Refusal::forbidden("formula_exists", format!("{} is there already", path.display()))
                .hint("edit it, or choose another name"));
        }
        Ok(Draft { name: name.to_owned(), path, text: formulas::skeleton::skeleton(name, kind) })
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

    fn gate_log(&self, log: &str) -> Result<String, Refusal> {
        // The ledger says where it is; what it says is not followed out of the town.
        let file = std::path::Path::new(log);
        let inside = file.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let path = self.config.paths().root().join(file);
        let read = std::fs::read(&path).ok().filter(|_| inside);
        let bytes = read.ok_or_else(|| {
            Refusal::failed("no_log", format!("{log} is not there any more"))
                .hint("its end is in `gastown mq show`, if it has not landed since")
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
