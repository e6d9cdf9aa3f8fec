//! Loops: a body of steps, as often as it is said, one round after the other.

use std::collections::HashSet;
use std::sync::Arc;

use super::fragment::{Draft, Fragment};
use super::make::{Round, Within};
use super::scope::Scope;
use super::weave::Weave;
use super::{Kitchen, MOST_STEPS, Mode};
use crate::calc;
use crate::condition;
use crate::problem::{Place, Why};
use crate::proto::Repeat;
use crate::schema::written::{Loop, WrittenStep};

impl Kitchen<'_> {
    /// A loop: its body, as often as it says, one round after the other.
    pub(super) fn rounds(
        &mut self,
        weave: &mut Weave,
        repeat: &Loop,
        draft: Draft,
        within: &Within<'_>,
    ) -> Vec<Draft> {
        let id = draft.step.id.clone();
        let names = Arc::new(names(&repeat.body));
        let (first, last) = self.bounds(repeat, &draft.place, &within.scope).unwrap_or((1, 1));
        let mut all = Fragment::default();
        for (round, number) in (first..=last).enumerate() {
            if self.made > MOST_STEPS {
                break;
            }
            let scope = match &repeat.var {
                Some(var) => within.scope.clone().number(&var.value, number),
                None => within.scope.clone(),
            };
            let prefix = format!("{id}.iter{}.", round + 1);
            let mut inner = Within { scope, instead_of: Some(id.clone()), ..within.clone() };
            inner.rounds.push(Round { prefix, names: Arc::clone(&names) });
            // A body without steps would go round for nothing, however often.
            self.made += 1;
            let made = self.make(weave, &repeat.body, &inner);
            all = all.then(Fragment::of(made, &weave.groups), &draft.place);
        }
        if let Some(until) = &repeat.until {
            let text = within.scope.text(&until.value);
            if !condition::is_at_run(&text) && !text.contains('{') {
                let why = Why::Condition { text: text.clone(), expected: condition::AT_RUN };
                self.problems.push(draft.place.within(until.line, "loop.until", why));
            }
            let max = repeat.max.as_ref().map_or(1, |max| max.value);
            let steps = all.drafts.iter().map(|draft| draft.step.id.clone()).collect();
            weave.repeats.push(Repeat { id, until: text, max, steps });
        }
        self.instead(weave, draft, all)
    }

    /// The first and the last number of a loop.
    fn bounds(&mut self, repeat: &Loop, place: &Place, scope: &Scope<'_>) -> Option<(i64, i64)> {
        let (text, name) = match (&repeat.count, &repeat.range) {
            (Some(count), _) => (count, "loop.count"),
            (None, Some(range)) => (range, "loop.range"),
            (None, None) => return None,
        };
        if let Some(missing) = scope.missing(&text.value) {
            // Checked with one round; without a value there is nothing else to check it with.
            if self.order.mode != Mode::Lint || !self.is_declared(&missing) {
                let why = Why::NeedsValue { name: missing, description: String::new() };
                self.problems.push(place.within(text.line, name, why));
            }
            return None;
        }
        let filled = scope.calculation(&text.value);
        let bounds = match name {
            "loop.count" => calc::number(&filled).map(|count| (1, count)),
            _ => calc::range(&filled),
        };
        let why = match bounds {
            Ok((first, last)) if last < first => Why::Unfit { expected: "1 or more rounds", found: filled },
            Ok((first, last)) if last.saturating_sub(first) >= MOST_STEPS as i64 => Why::TooMany(MOST_STEPS),
            Ok(bounds) => return Some(bounds),
            Err(reason) => Why::Calculation { text: filled, reason },
        };
        self.problems.push(place.within(text.line, name, why));
        None
    }
}

/// The names of steps and of their parts, as they are written.
fn names(steps: &[WrittenStep]) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut open: Vec<&WrittenStep> = steps.iter().collect();
    while let Some(step) = open.pop() {
        found.insert(step.id.value.clone());
        open.extend(&step.children);
    }
    found
}
