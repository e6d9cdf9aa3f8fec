//! Steps while a formula is cooked, and the moves that put others in place of them or around them.
//!
//! What each step needs stays a *name* until the end, since a name may come to mean other steps: that of an
//! expanded step or of a loop means what stands in its place, and that of a step which its condition has left
//! out means what that step needed. Such names are [`Group`]s. A step that consists of others is one, too, for
//! what comes before it.
//!
//! ```text
//!   needs "implement" ──> group implement ──exits──> implement.verify ──> group ... ──> a step
//! ```
//!
//! Steps never change their slot. What is put around or in place of one hangs on its slot, and a walk at the end
//! gives the order. So each move takes as long as what it puts in, however many steps there are.

use std::collections::{HashMap, HashSet};

use super::fragment::{Draft, Fragment, Group, Need, add, meant};
use crate::problem::{Place, Problem, Why};
use crate::proto::Repeat;

#[derive(Debug, Default)]
struct Slot {
    draft: Option<Draft>,
    before: Vec<usize>,
    inside: Vec<usize>,
    after: Vec<usize>,
}

/// All steps of a formula, and the names that mean others.
#[derive(Debug, Default)]
pub(crate) struct Weave {
    slots: Vec<Slot>,
    order: Vec<usize>,
    index: HashMap<String, usize>,
    pub(crate) groups: HashMap<String, Group>,
    pub(crate) repeats: Vec<Repeat>,
    pub(crate) problems: Vec<Problem>,
}

/// Steps of a formula that is attached to another.
#[derive(Debug)]
pub(crate) struct Renamed {
    pub(crate) steps: Vec<Draft>,
    pub(crate) groups: HashMap<String, Group>,
    pub(crate) repeats: Vec<Repeat>,
}

/// Who is tied to which names.
#[derive(Debug, Default)]
pub(crate) struct Ties {
    needed_by: HashMap<String, Vec<usize>>,
    /// Groups by what they begin with.
    begins: HashMap<String, Vec<String>>,
    /// Groups by what they end with.
    ends: HashMap<String, Vec<String>>,
}

impl Weave {
    /// Adds steps at the end.
    pub(crate) fn append(&mut self, drafts: Vec<Draft>) {
        for draft in drafts {
            let slot = self.put(draft);
            self.order.push(slot);
        }
    }

    fn put(&mut self, draft: Draft) -> usize {
        let slot = self.slots.len();
        if let Some(&first) = self.index.get(&draft.step.id) {
            let place = self.slots[first].draft.as_ref().map_or(&draft.place, |first| &first.place);
            let first = match place.file == draft.place.file {
                true => format!("on line {}", place.line),
                false => format!("in {}:{}", place.file, place.line),
            };
            let why = Why::Duplicate { id: draft.step.id.clone(), first };
            self.problems.push(draft.place.within(draft.place.line, "id", why));
        } else {
            self.index.insert(draft.step.id.clone(), slot);
        }
        self.slots.push(Slot { draft: Some(draft), ..Slot::default() });
        slot
    }

    fn put_all(&mut self, drafts: Vec<Draft>) -> Vec<usize> {
        drafts.into_iter().map(|draft| self.put(draft)).collect()
    }

    /// The step of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Draft> {
        self.slots[*self.index.get(name)?].draft.as_ref()
    }

    /// The step of this name, to be changed in all but its name.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Draft> {
        self.slots[*self.index.get(name)?].draft.as_mut()
    }

    /// Whether there is a step of this name, or others in its place.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.index.contains_key(name) || self.groups.contains_key(name)
    }

    /// All names, of steps and groups.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().chain(self.groups.keys()).map(String::as_str)
    }

    /// The steps that `name` means to what comes after it.
    pub(crate) fn last_of<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        meant(&self.groups, name, |name| self.index.contains_key(name), |group| &group.exits)
    }

    /// The steps that `name` means to what comes before it. A step that consists of others begins with them.
    pub(crate) fn first_of<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let is_plain = |name: &str| self.index.contains_key(name) && !self.groups.contains_key(name);
        meant(&self.groups, name, is_plain, |group| &group.entries)
    }

    /// Adds steps at the end, which need all that nothing needs yet.
    pub(crate) fn append_after_all(&mut self, mut steps: Fragment, place: &Place) {
        let names = self.walk();
        let mut needed: HashSet<&str> = HashSet::new();
        for draft in self.slots.iter().filter_map(|slot| slot.draft.as_ref()) {
            for need in &draft.needs {
                needed.extend(self.last_of(&need.name));
            }
        }
        let last: Vec<Need> = names
            .iter()
            .filter(|name| !needed.contains(name.as_str()))
            .map(|name| Need { name: name.clone(), place: place.clone() })
            .collect();
        steps.follow(&last);
        self.append(steps.drafts);
    }

    /// Returns everything with `prefix` before the names of its steps.
    pub(crate) fn renamed(mut self, prefix: &str) -> Renamed {
        let known: HashSet<String> = self.names().map(str::to_owned).collect();
        let new = |name: &mut String| {
            if known.contains(name.as_str()) {
                name.insert_str(0, prefix);
            }
        };
        let mut repeats = std::mem::take(&mut self.repeats);
        let (mut steps, groups) = self.finish();
        for draft in &mut steps {
            new(&mut draft.step.id);
            draft.step.parent.iter_mut().chain(&mut draft.step.instead_of).for_each(new);
            draft.step.waits_for.iter_mut().for_each(|waits| new(&mut waits.of));
            draft.needs.iter_mut().for_each(|need| new(&mut need.name));
        }
        for repeat in &mut repeats {
            new(&mut repeat.id);
            repeat.steps.iter_mut().for_each(new);
        }
        let groups = groups.into_iter().map(|(mut name, mut group)| {
            new(&mut name);
            new(&mut group.was.id);
            group.needs.iter_mut().for_each(|need| new(&mut need.name));
            group.members.iter_mut().chain(&mut group.entries).chain(&mut group.exits).for_each(new);
            (name, group)
        });
        Renamed { groups: groups.collect(), steps, repeats }
    }

    /// Takes a step out, to be replaced: its name is free afterwards, its slot is kept for [`Weave::fill`].
    pub(crate) fn take(&mut self, name: &str) -> Option<(usize, Draft)> {
        let slot = self.index.remove(name)?;
        Some((slot, self.slots[slot].draft.take()?))
    }

    /// Puts steps where one was taken out.
    pub(crate) fn fill(&mut self, slot: usize, drafts: Vec<Draft>) {
        self.slots[slot].inside = self.put_all(drafts);
    }

    /// Who is tied to which names, to be used for several [`Weave::around`].
    pub(crate) fn ties(&self) -> Ties {
        let mut ties = Ties::default();
        for (slot, draft) in self.slots.iter().enumerate() {
            for need in draft.draft.iter().flat_map(|draft| &draft.needs) {
                ties.needed_by.entry(need.name.clone()).or_default().push(slot);
            }
        }
        for (name, group) in &self.groups {
            for entry in &group.entries {
                ties.begins.entry(entry.clone()).or_default().push(name.clone());
            }
            for exit in &group.exits {
                ties.ends.entry(exit.clone()).or_default().push(name.clone());
            }
        }
        ties
    }

    /// Puts steps around `name`: those `before` need what it needed, it needs them, those `after` need it, and
    /// whatever needed it needs them, too. What is `beside` needs what it needed, and is waited for like those
    /// after.
    pub(crate) fn around(
        &mut self,
        name: &str,
        [mut before, mut after, mut beside]: [Fragment; 3],
        place: &Place,
        ties: &Ties,
    ) {
        let needs = match (self.groups.get(name), self.get(name)) {
            (Some(group), _) => group.needs.clone(),
            (None, Some(draft)) => draft.needs.clone(),
            (None, None) => return,
        };
        let firsts: Vec<usize> = self.first_of(name).iter().map(|first| self.index[*first]).collect();
        let lasts: Vec<String> = self.last_of(name).into_iter().map(str::to_owned).collect();
        before.follow(&needs);
        beside.follow(&needs);
        let need = |name: &String| Need { name: name.clone(), place: place.clone() };
        after.follow(&lasts.iter().map(need).collect::<Vec<_>>());
        let (first, gone_before) = (before.names(&before.entries), before.ends(place));
        let mut coming = after.ends(place);
        coming.extend(beside.ends(place));
        let waiting = ties.needed_by.get(name).into_iter().flatten();
        for (slots, needs) in [(firsts.clone(), gone_before), (waiting.copied().collect(), coming.clone())] {
            for slot in slots {
                if let Some(draft) = &mut self.slots[slot].draft {
                    needs.iter().for_each(|need| add(&mut draft.needs, need.clone()));
                }
            }
        }
        // A group that ends or begins with this step ends or begins with what is around it.
        let own = [name.to_owned()];
        for group in ties.ends.get(name).into_iter().flatten().chain(&own) {
            if let Some(group) = self.groups.get_mut(group) {
                group.exits.extend(coming.iter().map(|need| need.name.clone()));
            }
        }
        for group in ties.begins.get(name).into_iter().flatten().chain(&own).filter(|_| !first.is_empty()) {
            if let Some(group) = self.groups.get_mut(group) {
                match group.entries.iter().position(|entry| entry == name) {
                    Some(at) => drop(group.entries.splice(at..=at, first.iter().cloned())),
                    None => group.entries.clone_from(&first),
                }
            }
        }
        let last = lasts.last().map(|last| self.index[last]);
        let before = self.put_all(before.drafts);
        let mut behind = self.put_all(beside.drafts);
        behind.extend(self.put_all(after.drafts));
        match (firsts.first(), last) {
            (Some(&first), Some(last)) => {
                self.slots[first].before.extend(before);
                self.slots[last].after.splice(..0, behind);
            }
            _ => self.order.extend(before.into_iter().chain(behind)),
        }
    }

    /// The names of the steps in their order.
    pub(crate) fn walk(&self) -> Vec<String> {
        self.slots_in_order()
            .into_iter()
            .filter_map(|slot| Some(self.slots[slot].draft.as_ref()?.step.id.clone()))
            .collect()
    }

    fn slots_in_order(&self) -> Vec<usize> {
        let mut found = Vec::with_capacity(self.slots.len());
        // A slot is opened first, and itself comes when it is met again, between those before and inside it.
        let mut open: Vec<(usize, bool)> = self.order.iter().rev().map(|slot| (*slot, false)).collect();
        while let Some((at, opened)) = open.pop() {
            if opened {
                found.push(at);
                continue;
            }
            let slot = &self.slots[at];
            open.extend(slot.after.iter().rev().map(|slot| (*slot, false)));
            open.extend(slot.inside.iter().rev().map(|slot| (*slot, false)));
            open.push((at, true));
            open.extend(slot.before.iter().rev().map(|slot| (*slot, false)));
        }
        found
    }

    /// Returns the steps in their order, and the names that mean others.
    pub(crate) fn finish(mut self) -> (Vec<Draft>, HashMap<String, Group>) {
        let order = self.slots_in_order();
        (order.into_iter().filter_map(|slot| self.slots[slot].draft.take()).collect(), self.groups)
    }
}
