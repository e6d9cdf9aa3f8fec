//! Steps in the place of another: expansions, rounds of a loop, or none at all.

use super::Kitchen;
use super::fragment::{Draft, Fragment, Group, Need, add};
use super::make::Within;
use super::scope::Scope;
use super::weave::Weave;
use crate::problem::{Place, Why};
use crate::proto::ProtoStep;
use crate::schema::written::{Kind, WrittenStep};
use crate::vars::Vars;

impl Kitchen<'_> {
    /// Puts an expansion in the place of a step.
    pub(super) fn expanded(
        &mut self,
        weave: &mut Weave,
        target: Draft,
        name: &str,
        place: &Place,
        said: &Vars,
        outer: &Vars,
    ) -> Vec<Draft> {
        let Some(written) = self.enter(name, place, Some(Kind::Expansion)) else { return vec![target] };
        if written.template.is_empty() {
            self.problems.push(written.missing("template"));
        }
        let values = self.values(&written, said, outer);
        let mut scope = Scope::new(&values).about("target", &target.step);
        let declared = written.vars.iter().map(|var| &var.name.value);
        for name in declared.chain(said.keys()) {
            if let Some(value) = values.get(name) {
                scope = scope.word(name, value);
            }
        }
        let mut within = Within::new(scope);
        within.parent.clone_from(&target.step.parent);
        within.instead_of = Some(target.step.id.clone());
        let made = self.make(weave, &written.template, &within);
        self.leave();
        let made = Fragment::of(made, &weave.groups);
        self.instead(weave, target, made)
    }

    /// Lets steps stand in the place of `was`, with all that it had.
    pub(super) fn instead(&mut self, weave: &mut Weave, was: Draft, mut steps: Fragment) -> Vec<Draft> {
        let Draft { step: was, needs, place } = was;
        if steps.drafts.is_empty() {
            weave.groups.insert(was.id.clone(), nothing(was, needs));
            return Vec::new();
        }
        steps.follow(&needs);
        for &first in &steps.entries {
            let step = &mut steps.drafts[first].step;
            step.gates.extend(was.gates.iter().cloned());
            step.waits_for = step.waits_for.take().or_else(|| was.waits_for.clone());
        }
        for &last in &steps.exits {
            let step = &mut steps.drafts[last].step;
            step.acceptance = match (step.acceptance.take(), &was.acceptance) {
                (Some(own), Some(whole)) => Some(format!("{own}\n{whole}")),
                (own, whole) => own.or_else(|| whole.clone()),
            };
        }
        if let Some(fanout) = &was.on_complete {
            match steps.exits[..] {
                [last] if steps.drafts[last].step.on_complete.is_none() => {
                    steps.drafts[last].step.on_complete = Some(fanout.clone());
                }
                _ => {
                    let other = "an expansion that does not end with one plain step";
                    self.problems.push(place.within(place.line, "on_complete", Why::Both { other }));
                }
            }
        }
        if was.timeout.is_some() {
            self.problems.push(place.within(place.line, "timeout", Why::Both { other: "an expansion" }));
        }
        for draft in &mut steps.drafts {
            let step = &mut draft.step;
            step.interactive |= was.interactive;
            step.parallel |= was.parallel;
            step.kind = step.kind.take().or_else(|| was.kind.clone());
            step.priority = step.priority.or(was.priority);
            step.assignee = step.assignee.take().or_else(|| was.assignee.clone());
            let new =
                was.labels.iter().filter(|label| !step.labels.contains(label)).cloned().collect::<Vec<_>>();
            step.labels.extend(new);
            for (name, value) in &was.metadata {
                step.metadata.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        weave.groups.insert(was.id.clone(), steps.group(was, needs));
        steps.drafts
    }
}

/// A step in whose place nothing stands: who needs it needs what it needed.
fn nothing(was: ProtoStep, needs: Vec<Need>) -> Group {
    let exits: Vec<String> = needs.iter().map(|need| need.name.clone()).collect();
    Group { was, needs, members: Vec::new(), entries: Vec::new(), exits }
}

/// Leaves a step out with all its parts.
pub(super) fn leave_out(weave: &mut Weave, step: &WrittenStep, within: &Within<'_>, around: &[Need]) {
    let id = within.own(&step.id.value);
    let mut needs = around.to_vec();
    for need in &step.needs {
        let place = Place { line: need.line, ..step.place.clone() };
        add(&mut needs, Need { name: within.meant(&need.value), place });
    }
    for child in &step.children {
        leave_out(weave, child, within, &needs);
    }
    let was = ProtoStep { id: id.clone(), ..ProtoStep::default() };
    weave.groups.insert(id, nothing(was, needs));
}
