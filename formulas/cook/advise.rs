//! Steps around others: advice of a formula for its own steps, and of an aspect for those of others.
//!
//! Advice is for the steps that were there before it, so it never meets itself. An exact name may also be one
//! that others stand for: then the advice is around all of them.

use super::fragment::Fragment;
use super::make::Within;
use super::scope::Scope;
use super::weave::Weave;
use super::{Kitchen, Mode};
use crate::glob;
use crate::problem::{Place, Why};
use crate::proto::ProtoStep;
use crate::schema::written::{Advice, Kind, Pointcut, Written, WrittenStep};
use crate::vars::Vars;

impl Kitchen<'_> {
    /// Puts the steps of all advice of `written` around those that it fits; `place` is where that is asked for.
    pub(super) fn advise(&mut self, weave: &mut Weave, written: &Written, values: &Vars, place: &Place) {
        if written.advice.is_empty() {
            return;
        }
        let mut names = weave.walk();
        let exact = written.advice.iter().filter_map(|rule| rule.target.as_ref());
        let groups =
            exact.filter(|name| weave.get(&name.value).is_none() && weave.groups.contains_key(&name.value));
        for name in groups {
            if !names.contains(&name.value) {
                names.push(name.value.clone());
            }
        }
        let ties = weave.ties();
        let mut used = vec![false; written.advice.len()];
        for name in names {
            let (step, left_out) = match (weave.get(&name), weave.groups.get(&name)) {
                (Some(draft), _) => (draft.step.clone(), false),
                (None, Some(group)) => (group.was.clone(), group.members.is_empty()),
                (None, None) => continue,
            };
            let (mut before, mut after) = (Fragment::default(), Fragment::default());
            for (rule, used) in written.advice.iter().zip(&mut used) {
                if !fits(rule, &written.pointcuts, &step) {
                    continue;
                }
                *used = true;
                if !left_out {
                    before = self.advice(weave, before, &rule.before, &step, values);
                    after = self.advice(weave, after, &rule.after, &step, values);
                }
            }
            if !before.drafts.is_empty() || !after.drafts.is_empty() {
                weave.around(&name, [before, after, Fragment::default()], place, &ties);
            }
        }
        self.without_use(written, &used, place);
    }

    /// Puts the steps of one advice behind those of others.
    fn advice(
        &mut self,
        weave: &mut Weave,
        mut all: Fragment,
        steps: &[WrittenStep],
        target: &ProtoStep,
        values: &Vars,
    ) -> Fragment {
        for step in steps {
            let scope = Scope::new(values).about("target", target).about("step", target);
            let mut within = Within::new(scope);
            within.parent.clone_from(&target.parent);
            let made = self.make(weave, std::slice::from_ref(step), &within);
            all = all.then(Fragment::of(made, &weave.groups), &step.place);
        }
        all
    }

    /// An advice that fits no step would be dropped.
    fn without_use(&mut self, written: &Written, used: &[bool], place: &Place) {
        // An aspect is for many formulas: that one of its rules fits is enough.
        let own = written.kind() != Kind::Aspect;
        let patterns: Vec<String> = written.advice.iter().map(shown).collect();
        if !own && !used.contains(&true) {
            let problem = place.here(Why::NoStep(patterns.join(", ")));
            // Checked by itself it cannot be known what it will be woven into.
            match written.place == *place && self.order.mode != Mode::Pour {
                true => self.warnings.push(problem),
                false => self.problems.push(problem),
            }
            return;
        }
        for ((rule, pattern), _) in written.advice.iter().zip(patterns).zip(used).filter(|(_, used)| !**used)
        {
            let problem = rule.place.here(Why::NoStep(pattern.clone()));
            match own && !glob::is_pattern(&pattern) && rule.target.is_some() {
                true => self.problems.push(problem),
                false => self.warnings.push(problem),
            }
        }
    }
}

/// Which steps a rule is for, in words.
fn shown(rule: &Advice) -> String {
    rule.target.as_ref().map_or_else(|| "any pointcut".to_owned(), |target| target.value.clone())
}

/// Whether a rule is for this step.
fn fits(rule: &Advice, pointcuts: &[Pointcut], step: &ProtoStep) -> bool {
    let by_name = rule.target.as_ref().is_none_or(|target| glob::fits(&target.value, &step.id));
    by_name && (pointcuts.is_empty() || pointcuts.iter().any(|cut| is_in(cut, step)))
}

fn is_in(cut: &Pointcut, step: &ProtoStep) -> bool {
    let glob = cut.glob.as_ref().is_none_or(|glob| glob::fits(&glob.value, &step.id));
    let kind = cut.kind.as_ref().is_none_or(|kind| step.kind.as_ref() == Some(&kind.value));
    let label = cut.label.as_ref().is_none_or(|label| step.labels.contains(&label.value));
    glob && kind && label
}
