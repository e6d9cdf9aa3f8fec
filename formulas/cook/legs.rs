//! What runs side by side: legs to steps, and their synthesis to a step that needs them.
//!
//! ```text
//!   leg a ──┐
//!   leg b ──┼──> synthesis
//!   leg c ──┘
//! ```
//!
//! A leg is told its description, the prompt called `base`, what it looks at, the values of the inputs, and where
//! its findings go. The words of the prompt's template (`{{.leg.focus}}`) are for a model and stay as they are,
//! so what they speak of is said beside them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Kitchen;
use super::fragment::{Draft, Need};
use super::scope::Scope;
use super::weave::Weave;
use crate::fill::fill;
use crate::problem::{Place, Why};
use crate::proto::ProtoStep;
use crate::schema::written::{Kind, Leg, Output, Written};

/// What the synthesis is called as a step.
const SYNTHESIS: &str = "synthesis";

impl Kitchen<'_> {
    /// Adds the legs that are wanted, and the synthesis.
    pub(super) fn legs(&mut self, weave: &mut Weave, written: &Written, scope: &Scope<'_>) {
        if written.legs.is_empty() {
            if matches!(written.kind(), Kind::Convoy | Kind::Aspect) {
                self.problems.push(written.missing("legs"));
            } else if written.steps.is_empty() {
                self.problems.push(written.missing("steps"));
            }
            return;
        }
        let chosen = self.chosen(written, scope);
        let given = inputs(written, scope);
        let legs: Vec<&Leg> = written.legs.iter().filter(|leg| chosen.contains(&leg.id.value)).collect();
        for leg in &legs {
            if let Some(agent) = &leg.agent {
                let why = Why::NotYet("a preset of a step's own");
                self.unable.push(leg.place.within(agent.line, "agent", why));
            }
        }
        let drafts = legs.iter().map(|leg| leg_step(leg, written, scope, &given)).collect();
        weave.append(drafts);

        let known = |name: &str| written.legs.iter().any(|leg| leg.id.value == name);
        for preset in &written.presets {
            for leg in preset.legs.iter().filter(|leg| !known(&leg.value)) {
                let place =
                    Place { key: format!("presets.{}", preset.name.value).into(), ..written.place.clone() };
                self.problems.push(place.within(leg.line, "legs", unknown_leg(&leg.value, written)));
            }
        }
        let Some(synthesis) = &written.synthesis else { return };
        for leg in synthesis.depends_on.iter().filter(|leg| !known(&leg.value)) {
            let why = unknown_leg(&leg.value, written);
            self.problems.push(synthesis.place.within(leg.line, "depends_on", why));
        }
        let wanted = |leg: &&&Leg| {
            synthesis.depends_on.is_empty()
                || synthesis.depends_on.iter().any(|name| name.value == leg.id.value)
        };
        let needs = legs
            .iter()
            .filter(wanted)
            .map(|leg| Need { name: leg.id.value.clone(), place: synthesis.place.clone() })
            .collect();
        let mut description = scope.text(&synthesis.description);
        let mut output = BTreeMap::new();
        if let Some(places) = &written.output {
            let mut found: Vec<String> = Vec::new();
            for leg in legs.iter().filter(wanted) {
                found.extend(
                    findings(places, leg, written, scope).map(|path| format!("- {}: {path}", leg.id.value)),
                );
            }
            if !found.is_empty() {
                description.push_str(&format!("\n\nThe findings are in:\n{}", found.join("\n")));
            }
            if !places.synthesis.is_empty() {
                let path = joined(&places.directory, &places.synthesis);
                output.insert(SYNTHESIS.to_owned(), pattern(&path, None, written, scope));
            }
        }
        description.push_str(&given);
        let step = ProtoStep {
            id: SYNTHESIS.to_owned(),
            title: scope.text(&synthesis.title),
            description: description.trim().to_owned(),
            output,
            ..ProtoStep::default()
        };
        weave.append(vec![Draft { step, needs, place: synthesis.place.clone() }]);
    }

    /// The names of the legs that are wanted: those given as `legs`, those of the given `preset`, or all.
    fn chosen(&mut self, written: &Written, scope: &Scope<'_>) -> Vec<String> {
        let all = || written.legs.iter().map(|leg| leg.id.value.clone()).collect::<Vec<_>>();
        if written.presets.is_empty() {
            return all();
        }
        let place = Place { key: "presets".into(), ..written.place.clone() };
        if let Some(legs) = scope.values.get("legs") {
            let legs: Vec<String> =
                legs.split(',').map(str::trim).filter(|leg| !leg.is_empty()).map(str::to_owned).collect();
            for leg in legs.iter().filter(|leg| !written.legs.iter().any(|known| known.id.value == **leg)) {
                self.problems.push(place.here(unknown_leg(leg, written)));
            }
            return legs;
        }
        let Some(wanted) = scope.values.get("preset").filter(|name| !name.is_empty()) else { return all() };
        match written.presets.iter().find(|preset| preset.name.value == *wanted) {
            Some(preset) => preset.legs.iter().map(|leg| leg.value.clone()).collect(),
            None => {
                let known = written.presets.iter().map(|preset| preset.name.value.as_str());
                let near = model::near::matches(wanted, known);
                self.problems.push(place.here(Why::UnknownValue { given: wanted.clone(), near }));
                Vec::new()
            }
        }
    }
}

fn unknown_leg(name: &str, written: &Written) -> Why {
    let near = model::near::matches(name, written.legs.iter().map(|leg| leg.id.value.as_str()));
    Why::UnknownLeg { name: name.to_owned(), near }
}

/// The values of the inputs, as a list below a text.
fn inputs(written: &Written, scope: &Scope<'_>) -> String {
    let mut text = String::new();
    for var in written.vars.iter().filter(|var| var.input) {
        if let Some(value) = scope.value(&var.name.value).filter(|value| !value.is_empty()) {
            text.push_str(&format!("\n- {}: {value}", var.name.value));
        }
    }
    if text.is_empty() { text } else { format!("\n\nGiven:{text}") }
}

fn leg_step(leg: &Leg, written: &Written, scope: &Scope<'_>, given: &str) -> Draft {
    let path = written.output.as_ref().and_then(|places| findings(places, leg, written, scope));
    let mut scope = scope
        .clone()
        .word("leg", &leg.id.value)
        .word("leg.id", &leg.id.value)
        .word("leg.title", &leg.title)
        .word("leg.focus", &leg.focus)
        .word("leg.description", leg.description.trim());
    if let Some(path) = &path {
        scope = scope.word("output.path", path);
    }
    let base = written.prompts.iter().find(|(name, _)| name == "base").map_or("", |(_, text)| &text.value);
    let mut parts = Vec::new();
    if !leg.focus.is_empty() && !base.contains("{leg.focus}") {
        parts.push(format!("Focus: {}", scope.text(&leg.focus)));
    }
    if !base.contains("{leg.description}") {
        parts.push(scope.text(leg.description.trim()));
    }
    parts.push(scope.text(base.trim()));
    parts.retain(|part| !part.is_empty());
    let step = ProtoStep {
        id: leg.id.value.clone(),
        title: scope.text(&leg.title),
        description: format!("{}{given}", parts.join("\n\n")).trim().to_owned(),
        output: path.map(|path| ("findings".to_owned(), path)).into_iter().collect(),
        agent: leg.agent.as_ref().map(|agent| agent.value.clone()),
        review_only: leg.review_only,
        parallel: true,
        ..ProtoStep::default()
    };
    Draft { step, needs: Vec::new(), place: leg.place.clone() }
}

/// The file of a leg's findings.
fn findings(places: &Output, leg: &Leg, written: &Written, scope: &Scope<'_>) -> Option<String> {
    if places.leg_pattern.is_empty() {
        return None;
    }
    Some(pattern(&joined(&places.directory, &places.leg_pattern), Some(leg), written, scope))
}

fn joined(folder: &str, file: &str) -> String {
    match folder.trim_end_matches('/') {
        "" => file.to_owned(),
        folder => format!("{folder}/{file}"),
    }
}

/// A path with its words put in. Unlike prose it is for us, so the words of templates count, too.
fn pattern(text: &str, leg: Option<&Leg>, written: &Written, scope: &Scope<'_>) -> String {
    let word = |name: &str| match (name.strip_prefix('.').unwrap_or(name), leg) {
        ("leg" | "leg.id", Some(leg)) => Some(Cow::Borrowed(leg.id.value.as_str())),
        ("leg.title", Some(leg)) => Some(Cow::Borrowed(leg.title.as_str())),
        ("formula_name", _) => Some(Cow::Borrowed(written.formula.value.as_str())),
        (name, _) => scope.value(name).map(Cow::Borrowed),
    };
    fill(text, word, |name| if name.starts_with("leg") { word(name) } else { None })
}
