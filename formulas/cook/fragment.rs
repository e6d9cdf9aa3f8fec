//! Steps that are not finished, and pieces of several with a first and a last.

use std::collections::{HashMap, HashSet};

use crate::problem::Place;
use crate::proto::ProtoStep;

/// A step that is not finished.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Everything but what it needs.
    pub(crate) step: ProtoStep,
    /// What it needs, by name.
    pub(crate) needs: Vec<Need>,
    /// Where it is written.
    pub(crate) place: Place,
}

/// A name that a step needs, and where that is said.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// A name that means other steps.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// What it was.
    pub(crate) was: ProtoStep,
    /// What it needed.
    pub(crate) needs: Vec<Need>,
    /// What stands in its place: nothing, of a step that was left out.
    pub(crate) members: Vec<String>,
    /// Those of them that come first.
    pub(crate) entries: Vec<String>,
    /// Those of them that come last; of a step that was left out, what it needed.
    pub(crate) exits: Vec<String>,
}

/// Steps that belong together, with the first and the last of them.
#[derive(Debug, Default)]
pub(crate) struct Fragment {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) entries: Vec<usize>,
    pub(crate) exits: Vec<usize>,
}

/// Adds `need` unless the name is there already.
pub(crate) fn add(needs: &mut Vec<Need>, need: Need) {
    if !needs.iter().any(|there| there.name == need.name) {
        needs.push(need);
    }
}

/// The steps that `name` means: itself, or what a group's exits (or entries) mean in their turn.
pub(crate) fn meant<'a>(
    groups: &'a HashMap<String, Group>,
    name: &'a str,
    is_step: impl Fn(&str) -> bool,
    ends: impl Fn(&'a Group) -> &'a [String],
) -> Vec<&'a str> {
    if is_step(name) {
        return vec![name];
    }
    let (mut found, mut seen, mut open) = (Vec::new(), HashSet::new(), vec![name]);
    while let Some(name) = open.pop() {
        if !seen.insert(name) {
            continue;
        }
        if is_step(name) {
            found.push(name);
        } else if let Some(group) = groups.get(name) {
            open.extend(ends(group).iter().rev().map(String::as_str));
        }
    }
    found
}

impl Fragment {
    /// Finds the first and the last of these steps; `groups` are those among them.
    pub(crate) fn of(drafts: Vec<Draft>, groups: &HashMap<String, Group>) -> Self {
        let local: HashMap<&str, usize> =
            drafts.iter().enumerate().map(|(at, draft)| (draft.step.id.as_str(), at)).collect();
        let (mut is_entry, mut is_exit) = (vec![true; drafts.len()], vec![true; drafts.len()]);
        for (at, draft) in drafts.iter().enumerate() {
            for need in &draft.needs {
                for name in meant(groups, &need.name, |name| local.contains_key(name), |group| &group.exits) {
                    let needed = local[name];
                    if needed != at {
                        is_entry[at] = false;
                        is_exit[needed] = false;
                    }
                }
            }
        }
        let which = |flags: &[bool]| (0..flags.len()).filter(|at| flags[*at]).collect();
        Self { entries: which(&is_entry), exits: which(&is_exit), drafts }
    }

    /// Lets the first steps need these, too.
    pub(crate) fn follow(&mut self, needs: &[Need]) {
        for &at in &self.entries {
            for need in needs {
                add(&mut self.drafts[at].needs, need.clone());
            }
        }
    }

    /// The names of the last steps, to be needed at `place`.
    pub(crate) fn ends(&self, place: &Place) -> Vec<Need> {
        self.exits
            .iter()
            .map(|at| Need { name: self.drafts[*at].step.id.clone(), place: place.clone() })
            .collect()
    }

    pub(super) fn names(&self, of: &[usize]) -> Vec<String> {
        of.iter().map(|at| self.drafts[*at].step.id.clone()).collect()
    }

    /// The group that these steps are when they stand in the place of `was`.
    pub(crate) fn group(&self, was: ProtoStep, needs: Vec<Need>) -> Group {
        Group {
            was,
            needs,
            members: self.drafts.iter().map(|draft| draft.step.id.clone()).collect(),
            entries: self.names(&self.entries),
            exits: self.names(&self.exits),
        }
    }

    /// Puts `next` behind these steps: its first need their last.
    pub(crate) fn then(mut self, mut next: Fragment, place: &Place) -> Self {
        if self.drafts.is_empty() || next.drafts.is_empty() {
            return if self.drafts.is_empty() { next } else { self };
        }
        next.follow(&self.ends(place));
        let offset = self.drafts.len();
        self.drafts.extend(next.drafts);
        self.exits = next.exits.into_iter().map(|at| at + offset).collect();
        self
    }
}
