//! What comes of formulas.

mod composed;
mod convoys;
mod laws;
mod plain;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;

/// Formulas by name, as texts.
#[derive(Debug, Default)]
struct Texts(BTreeMap<String, String>);

impl Library for Texts {
    fn find(&self, name: &str) -> Result<Arc<Formula>, CannotLoad> {
        let near = || near::matches(name, self.0.keys().map(String::as_str));
        let text =
            self.0.get(name).ok_or_else(|| CannotLoad::Unknown { name: name.to_owned(), near: near() })?;
        let invalid = |problems| CannotLoad::Invalid { name: name.to_owned(), problems };
        Formula::parse(&format!("{name}.toml"), text).map(Arc::new).map_err(invalid)
    }
}

/// Formulas, each as its name and the rest of its file, which begins on its second line.
fn texts(formulas: &[(&str, &str)]) -> Texts {
    let text = |(name, rest): &(&str, &str)| ((*name).to_owned(), format!("formula='{name}'\n{rest}"));
    Texts(formulas.iter().map(text).collect())
}

fn vars(pairs: &[(&str, &str)]) -> Vars {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn given(pairs: &[(&str, &str)]) -> Order {
    Order { given: vars(pairs), ..Order::default() }
}

fn cooked_with(texts: &Texts, name: &str, order: &Order) -> Result<Cooked, Invalid> {
    match texts.find(name) {
        Ok(formula) => cook(texts, &formula, order),
        Err(CannotLoad::Invalid { problems, .. }) => Err(problems),
        Err(error) => panic!("{error}"),
    }
}

/// Cooks the first of these formulas.
fn cooked(formulas: &[(&str, &str)]) -> Cooked {
    cooked_with(&texts(formulas), formulas[0].0, &Order::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with the first of these formulas.
fn problems(formulas: &[(&str, &str)]) -> Vec<String> {
    let error = cooked_with(&texts(formulas), formulas[0].0, &Order::default()).unwrap_err();
    error.problems.iter().map(ToString::to_string).collect()
}

fn warnings(formulas: &[(&str, &str)]) -> Vec<String> {
    cooked(formulas).warnings.iter().map(ToString::to_string).collect()
}

/// The steps with what they need: `b < a, c`.
fn shape(cooked: &Cooked) -> Vec<String> {
    let one = |step: &ProtoStep| match step.needs.is_empty() {
        true => step.id.clone(),
        false => format!("{} < {}", step.id, step.needs.join(", ")),
    };
    cooked.proto.steps.iter().map(one).collect()
}

fn step<'c>(cooked: &'c Cooked, id: &str) -> &'c ProtoStep {
    cooked.proto.steps.iter().find(|step| step.id == id).unwrap_or_else(|| panic!("no step {id}"))
}
