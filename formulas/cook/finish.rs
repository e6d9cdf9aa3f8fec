//! Names to steps, an order, and what today's engine cannot carry out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::near;

use super::fragment::{Draft, Group, meant};
use super::scope::Scope;
use super::weave::Weave;
use super::{Kitchen, Mode};
use crate::graph::{self, Tangle};
use crate::problem::{Place, Problem, Why};
use crate::proto::{BondPoint, Proto, Squash};
use crate::schema::written::{Kind, Written};
use crate::vars::Vars;

/// Names in a cycle that are told; the message of a long one would fill the screen.
const CYCLE_SHOWN: usize = 10;

impl Kitchen<'_> {
    /// The proto of these steps, and what today's engine cannot carry out of it.
    pub(super) fn proto(&mut self, written: &Written, values: &Vars, weave: Weave) -> (Proto, Vec<Problem>) {
        let bond_points = self.bond_points(written, &weave);
        let repeats = weave.repeats.clone();
        let (mut drafts, groups) = weave.finish();
        if drafts.is_empty() && self.problems.is_empty() && self.order.mode != Mode::Look {
            let place = Place { key: Arc::from("steps"), line: 1, ..written.place.clone() };
            self.problems.push(place.here(Why::NoStep("the conditions".to_owned())));
        }
        self.resolve(&mut drafts, &groups);
        let Some(order) = self.order_of(&drafts) else { return Default::default() };
        let set =
            |flag: &Option<crate::schema::written::At<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
        let review_only = set(&written.review_only);
        drafts.iter_mut().for_each(|draft| draft.step.review_only |= review_only);
        let kind = written.kind();
        let per_step = match &written.session {
            Some(session) => session.value == "per_step",
            // Side by side, no leg knows what another has seen.
            None => kind == Kind::Convoy,
        };
        let mut unable = not_yet_of(written);
        let mut places: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
        let mut steps = Vec::with_capacity(places.len());
        for draft in order.into_iter().filter_map(|at| places[at].take()) {
            let mut step = draft.step;
            step.agent = step.agent.or_else(|| written.agent.as_ref().map(|agent| agent.value.clone()));
            steps.push(step);
        }
        unable.append(&mut self.unable);
        unable.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        unable.dedup();
        let scope = Scope::new(values);
        let proto = Proto {
            formula: written.formula.value.clone(),
            version: written.version.as_ref().map_or(1, |version| version.value.max(1)),
            kind: kind.as_str().to_owned(),
            per_step,
            phase: written.phase.as_ref().map(|phase| phase.value.clone()),
            pour: set(&written.pour),
            description: scope.text(written.description()),
            steps,
            repeats,
            bond_points,
            squash: written.squash.as_ref().map(|squash| Squash {
                trigger: squash.trigger.as_ref().map(|text| text.value.clone()),
                template_type: squash.template_type.as_ref().map(|text| text.value.clone()),
                include_metrics: squash.include_metrics,
            }),
        };
        (proto, unable)
    }

    fn bond_points(&mut self, written: &Written, weave: &Weave) -> Vec<BondPoint> {
        let mut points = Vec::new();
        for point in &written.compose.bond_points {
            let mut steps = Vec::new();
            if let Some(step) = &point.step {
                if !weave.knows(&step.value) {
                    let near = near::matches(&step.value, weave.names());
                    let why = Why::UnknownStep { name: step.value.clone(), near };
                    let key = if point.before { "before_step" } else { "after_step" };
                    self.problems.push(point.place.within(step.line, key, why));
                }
                let at = if point.before { weave.first_of(&step.value) } else { weave.last_of(&step.value) };
                steps = at.into_iter().map(str::to_owned).collect();
            }
            points.push(BondPoint {
                id: point.id.value.clone(),
                description: point.description.clone(),
                steps,
                before: point.before,
                parallel: point.parallel,
            });
        }
        points
    }

    /// Puts steps for the names that are needed.
    fn resolve(&mut self, drafts: &mut [Draft], groups: &HashMap<String, Group>) {
        let known: HashSet<String> = drafts.iter().map(|draft| draft.step.id.clone()).collect();
        let is_step = |name: &str| known.contains(name);
        let mut unknown = Vec::new();
        for draft in drafts.iter_mut() {
            let mut needs: Vec<String> = Vec::with_capacity(draft.needs.len());
            let mut seen = HashSet::new();
            for need in &draft.needs {
                if !is_step(&need.name) && !groups.contains_key(&need.name) {
                    unknown.push(need.clone());
                    continue;
                }
                for name in meant(groups, &need.name, is_step, |group| &group.exits) {
                    if seen.insert(name) {
                        needs.push(name.to_owned());
                    }
                }
            }
            draft.step.needs = needs;
            if let Some(waits) = &mut draft.step.waits_for {
                let of = meant(groups, &waits.of, is_step, |group| &group.exits);
                if let Some(last) = of.last() {
                    waits.of = (*last).to_owned();
                }
            }
        }
        let all = || known.iter().chain(groups.keys()).map(String::as_str);
        for need in unknown {
            let near = near::matches(&need.name, all());
            self.problems.push(need.place.here(Why::UnknownStep { name: need.name, near }));
        }
    }

    /// The order of the steps, unless they wait for each other.
    fn order_of(&mut self, drafts: &[Draft]) -> Option<Vec<usize>> {
        if !self.problems.is_empty() {
            return None;
        }
        let nodes: Vec<(&str, Vec<&str>)> = drafts
            .iter()
            .map(|draft| (draft.step.id.as_str(), draft.step.needs.iter().map(String::as_str).collect()))
            .collect();
        let tangles = match graph::order(&nodes) {
            Ok(order) => return Some(order),
            Err(tangles) => tangles,
        };
        for tangle in tangles {
            // Twins and strangers have been told already.
            let Tangle::Cycle(places) = tangle else { continue };
            let draft = &drafts[places[0]];
            let next = &drafts[places[1 % places.len()]].step.id;
            let line = draft.needs.iter().find(|need| need.name == *next).map(|need| need.place.clone());
            let place = line.unwrap_or_else(|| {
                let first = draft.needs.first().map_or(&draft.place, |need| &need.place);
                Place { key: Arc::from(format!("{}.needs", draft.place.key)), ..first.clone() }
            });
            let why = Why::Cycle { cycle: shown(&places, |at| &drafts[at].step.id) };
            self.problems.push(place.here(why));
        }
        None
    }
}

/// Returns the names in a cycle, the first again at the end; of a long one its beginning.
fn shown<'n>(places: &[usize], name: impl Fn(usize) -> &'n str) -> Vec<String> {
    let mut names: Vec<String> =
        places.iter().take(CYCLE_SHOWN).map(|place| name(*place).to_owned()).collect();
    if places.len() > CYCLE_SHOWN {
        names.push(format!("({} more)", places.len() - CYCLE_SHOWN));
    }
    names.extend(places.first().map(|place| name(*place).to_owned()));
    names
}

/// What of the formula itself today's engine cannot carry out.
fn not_yet_of(written: &Written) -> Vec<Problem> {
    let agent = written.agent.as_ref().map(|agent| {
        let place = Place { key: Arc::from("agent"), line: agent.line, ..written.place.clone() };
        place.here(Why::NotYet("a preset of a formula's own"))
    });
    agent.into_iter().collect()
}
