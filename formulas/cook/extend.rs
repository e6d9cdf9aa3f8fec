//! Several formulas to one.
//!
//! Parents come in the order in which they are named, the child last. A step, a leg, a bond point or a preset
//! takes the place of one of the same name; everything else is added. Of a variable that several parents
//! declare the first counts, as elsewhere in the field, and the child's before all of them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::problem::{Place, Problem, Why};
use crate::schema::written::{At, Compose, Kind, Written, WrittenStep};

/// Returns `child` with all that its parents have.
pub(crate) fn merge(parents: &[Arc<Written>], child: &Written, warnings: &mut Vec<Problem>) -> Written {
    let mut all = child.clone();
    all.kind = all.kind.or_else(|| inherited_kind(parents, child));
    let (mut vars, mut steps, mut template, mut legs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut compose, mut advice, mut pointcuts) = (Compose::default(), Vec::new(), Vec::new());
    let (mut prompts, mut presets) = (Vec::new(), Vec::new());
    for parent in parents {
        let parent: &Written = parent;
        for var in &parent.vars {
            add_new(&mut vars, var, |var| &var.name.value);
        }
        replace(
            &mut steps,
            &parent.steps,
            |step| &step.id.value,
            |old, new| conflict(old, new, child, warnings),
        );
        replace(&mut template, &parent.template, |step| &step.id.value, |_, _| {});
        replace(&mut legs, &parent.legs, |leg| &leg.id.value, |_, _| {});
        replace(&mut presets, &parent.presets, |preset| &preset.name.value, |_, _| {});
        replace(&mut prompts, &parent.prompts, |prompt| &prompt.0, |_, _| {});
        join(&mut compose, &parent.compose);
        add_unseen(&mut advice, &parent.advice, |rule| &rule.place);
        add_unseen(&mut pointcuts, &parent.pointcuts, |cut| &cut.place);
        inherit(&mut all, parent);
    }
    replace(&mut vars, &child.vars, |var| &var.name.value, |_, _| {});
    replace(&mut steps, &child.steps, |step| &step.id.value, |_, _| {});
    replace(&mut template, &child.template, |step| &step.id.value, |_, _| {});
    replace(&mut legs, &child.legs, |leg| &leg.id.value, |_, _| {});
    replace(&mut presets, &child.presets, |preset| &preset.name.value, |_, _| {});
    replace(&mut prompts, &child.prompts, |prompt| &prompt.0, |_, _| {});
    join(&mut compose, &child.compose);
    advice.extend_from_slice(&child.advice);
    pointcuts.extend_from_slice(&child.pointcuts);
    Written { vars, steps, template, legs, presets, prompts, compose, advice, pointcuts, ..all }
}

/// The sort of a child that does not say it and has nothing of its own to tell it by.
fn inherited_kind(parents: &[Arc<Written>], child: &Written) -> Option<At<Kind>> {
    let bare = child.steps.is_empty()
        && child.legs.is_empty()
        && child.template.is_empty()
        && child.advice.is_empty();
    let kind = if bare { parents.first()?.kind() } else { child.kind() };
    Some(At { value: kind, line: child.formula.line })
}

/// What a child has from a parent when it says nothing itself.
fn inherit(child: &mut Written, parent: &Written) {
    macro_rules! or_parents {
        ($($key:ident),*) => {
            $(if child.$key.is_none() { child.$key.clone_from(&parent.$key); })*
        };
    }
    or_parents!(description, session, phase, pour, agent, review_only, squash, synthesis, output);
}

/// Adds an item unless there is one of its name.
fn add_new<T: Clone>(items: &mut Vec<T>, item: &T, name: impl Fn(&T) -> &str) {
    if !items.iter().any(|there| name(there) == name(item)) {
        items.push(item.clone());
    }
}

/// Adds items; one takes the place of one of its name that was there before.
fn replace<T: Clone>(
    items: &mut Vec<T>,
    more: &[T],
    name: impl Fn(&T) -> &String,
    mut replaced: impl FnMut(&T, &T),
) {
    // Two of one name within one formula stay two: that is an error, which is told where steps are counted.
    let places: HashMap<String, usize> =
        items.iter().enumerate().rev().map(|(at, item)| (name(item).clone(), at)).collect();
    let mut used = vec![false; items.len()];
    for item in more {
        match places.get(name(item)) {
            Some(&at) if !used[at] => {
                replaced(&items[at], item);
                used[at] = true;
                items[at] = item.clone();
            }
            _ => items.push(item.clone()),
        }
    }
}

/// Warns of a step that two parents have and the child has not.
fn conflict(old: &WrittenStep, new: &WrittenStep, child: &Written, warnings: &mut Vec<Problem>) {
    let settled = child.steps.iter().any(|step| step.id.value == new.id.value);
    let same = old.place == new.place;
    if !settled && !same {
        let why = Why::Overridden {
            id: new.id.value.clone(),
            first: old.from.to_string(),
            second: new.from.to_string(),
        };
        warnings.push(Problem {
            file: child.place.file.to_string(),
            line: child.extends.first().map_or(1, |parent| parent.line),
            key: "extends".to_owned(),
            why,
        });
    }
}

fn join(all: &mut Compose, more: &Compose) {
    replace(&mut all.bond_points, &more.bond_points, |point| &point.id.value, |_, _| {});
    add_unseen(&mut all.expand, &more.expand, |rule| &rule.place);
    add_unseen(&mut all.map, &more.map, |rule| &rule.place);
    add_unseen(&mut all.branch, &more.branch, |rule| &rule.place);
    add_unseen(&mut all.gate, &more.gate, |rule| &rule.place);
    add_unseen(&mut all.hooks, &more.hooks, |rule| &rule.place);
    for aspect in &more.aspects {
        add_new(&mut all.aspects, aspect, |aspect| &aspect.name);
    }
}

/// Adds rules; two parents may have them from one ancestor, and then they count once.
fn add_unseen<T: Clone>(rules: &mut Vec<T>, more: &[T], place: impl Fn(&T) -> &Place) {
    for rule in more {
        if !rules.iter().any(|there| place(there) == place(rule)) {
            rules.push(rule.clone());
        }
    }
}
