//! The queue's memory: a fold of its records. It refuses nothing and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::MergeId;
use serde::{Deserialize, Serialize};

use crate::carry;
use crate::memo::Memo;
use crate::order;
use crate::record::{Aim, Record, Run, RunId, Tree, Verdict};
use crate::request::Request;
use crate::rules::Rules;
use crate::tally::Tally;

/// Whether the target's head is known to be green.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Somebody else put it there, and no gate has run on it.
    #[default]
    Unknown,
    /// It landed from here, or was gated as it is.
    Green,
    /// It was gated as it is, twice, in vain.
    Red,
}

/// That a change was part of a green run and has not landed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cleared {
    /// The last green run that it was part of. Those with the same run are known to go together.
    pub run: RunId,
    /// Its place in that run.
    pub place: usize,
    /// How many changes that run had below it on the target.
    pub landed: u64,
}

/// A request and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The request.
    pub request: Request,
    /// Whether it stays untouched.
    pub held: bool,
    /// Since which run it is known to be good.
    pub cleared: Option<Cleared>,
    /// Those before it that it cannot be merged with; it waits until they have landed or gone.
    pub clash: BTreeSet<MergeId>,
    /// The red head of the target on which it was tried alone.
    pub tried: Option<u64>,
}

/// A run that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flight {
    /// The run, without what has landed meanwhile.
    pub run: Run,
    /// What it is about, once that was built.
    pub tree: Option<Tree>,
    /// Whether gates run for it.
    pub gating: bool,
    /// Whether the head that it stands on is known to be green.
    pub sound: bool,
}

/// A red run that is not explained yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Red {
    /// The run.
    pub run: RunId,
    /// What was red.
    pub tree: Tree,
    /// How often.
    pub times: u32,
    /// On which head of the target.
    pub epoch: u64,
    /// Whether that head is known to be green: else it may be to blame itself.
    pub sound: bool,
    /// Who of its stack has not landed. One of them is to blame, or two together, or the gate.
    pub members: Vec<MergeId>,
}

fn is_confirm(run: &Run) -> bool {
    matches!(run.aim, Aim::Confirm { .. })
}

/// What a queue knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(crate) epoch: u64,
    pub(crate) target: Target,
    pub(crate) frozen: bool,
    pub(crate) entries: BTreeMap<MergeId, Entry>,
    pub(crate) flights: BTreeMap<RunId, Flight>,
    pub(crate) landing: Option<Run>,
    pub(crate) reds: Vec<Red>,
    pub(crate) memo: Memo,
    pub(crate) tally: Tally,
    pub(crate) landed: u64,
    pub(crate) last_run: RunId,
}

impl State {
    /// How often the target has moved.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is known of the target's head.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Whether nothing but hot fixes goes on.
    pub fn frozen(&self) -> bool {
        self.frozen
    }

    /// Everything in the queue, by name.
    pub fn entries(&self) -> &BTreeMap<MergeId, Entry> {
        &self.entries
    }

    /// The runs under way.
    pub fn flights(&self) -> &BTreeMap<RunId, Flight> {
        &self.flights
    }

    /// What is being pushed.
    pub fn landing(&self) -> Option<&Run> {
        self.landing.as_ref()
    }

    /// Red runs that are not explained.
    pub fn reds(&self) -> &[Red] {
        &self.reds
    }

    /// What is known of trees.
    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    /// What was learned about the rig.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many changes have landed.
    pub fn landed(&self) -> u64 {
        self.landed
    }

    /// Everything in the queue, first things first.
    pub fn order(&self, rules: &Rules) -> Vec<&MergeId> {
        order::order(self, rules).into_iter().map(|entry| &entry.request.id).collect()
    }

    /// Enters a record.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Submitted { request } => {
                let entry = Entry {
                    request: request.clone(),
                    held: false,
                    cleared: None,
                    clash: BTreeSet::new(),
                    tried: None,
                };
                self.entries.insert(request.id.clone(), entry);
            }
            Record::Withdrawn { id } => self.forget(id),
            Record::Held { id, held } => {
                if *held {
                    self.reds.retain(|red| !red.members.contains(id));
                }
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.held = *held;
                    entry.cleared = None;
                }
            }
            Record::Prioritised { id, priority, hot } => {
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.request.priority = *priority;
                    entry.request.hot = *hot;
                }
            }
            Record::Frozen { frozen } => self.frozen = *frozen,
            Record::Moved => {
                self.landing = None;
                self.epoch += 1;
                self.target = Target::Unknown;
            }
            Record::Doubted => {
                self.target = Target::Unknown;
                self.reds.clear();
            }
            Record::Started { run } => {
                self.last_run = run.id;
                let sound = self.target == Target::Green && run.epoch == self.epoch;
                self.flights.insert(run.id, Flight { run: run.clone(), tree: None, gating: false, sound });
            }
            Record::Built { run, tree, gate } => {
                if let Some(flight) = self.flights.get_mut(run) {
                    flight.tree = Some(tree.clone());
                    flight.gating = *gate;
                }
            }
            Record::Clashed { run, id, with } => {
                self.flights.remove(run);
                let with = with.iter().filter(|other| self.entries.contains_key(*other)).cloned().collect();
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.clash = with;
                    entry.cleared = None;
                }
            }
            Record::Ended { run, verdict, gated } => {
                if let Some(Flight { run, tree: Some(tree), sound, .. }) = self.flights.remove(run) {
                    match verdict {
                        Verdict::Green => self.green(&run, &tree, *gated),
                        Verdict::Red => self.red(&run, &tree, *gated, sound),
                        Verdict::Lost => {}
                    }
                }
            }
            Record::Stopped { run } => {
                self.flights.remove(run);
            }
            Record::Flaky { .. } => {}
            Record::Landing { run } => self.landing = Some(run.clone()),
            Record::Landed { run } => {
                if let Some(run) = self.landing.take_if(|landing| landing.id == *run) {
                    self.land(&run.stack);
                }
            }
            Record::Unlanded { run } => {
                self.landing.take_if(|landing| landing.id == *run);
            }
            Record::Evicted { id, .. } => {
                if self.entries.get(id).is_some_and(|entry| entry.cleared.is_some()) {
                    self.tally.in_discord();
                } else {
                    self.tally.bad_change();
                }
                self.forget(id);
            }
            Record::TargetRed { .. } => {
                self.target = Target::Red;
                self.reds.clear();
            }
        }
    }

    fn green(&mut self, run: &Run, tree: &Tree, gated: bool) {
        if gated {
            let before = self.memo.of(tree);
            self.memo.note(tree, true);
            self.tally.true_green();
            let accused = |red: &Red| red.tree == *tree || (is_confirm(run) && red.members == run.stack);
            if !before.green && self.reds.iter().any(accused) {
                let weight = if let Aim::Confirm { weight } = run.aim { weight } else { 1 };
                self.tally.false_reds(weight);
            }
        }
        if run.aim == Aim::Baseline {
            if run.epoch == self.epoch {
                self.target = Target::Green;
            }
            for red in self.reds.iter_mut().filter(|red| red.epoch == run.epoch) {
                red.sound = true;
            }
            for flight in self.flights.values_mut().filter(|flight| flight.run.epoch == run.epoch) {
                flight.sound = true;
            }
        }
        self.tally.in_accord(carry::strange_pairs(self, &run.stack, run.landed));
        for (place, id) in run.stack.iter().enumerate() {
            if let Some(entry) = self.entries.get_mut(id).filter(|entry| !entry.held) {
                let cleared = Some(Cleared { run: run.id, place, landed: run.landed });
                entry.cleared = entry.cleared.max(cleared);
            }
        }
        // Whoever says that some of these are bad together is wrong.
        self.reds.retain(|red| red.tree != *tree && !red.members.iter().all(|id| run.stack.contains(id)));
    }

    fn red(&mut self, run: &Run, tree: &Tree, gated: bool, sound: bool) {
        if gated {
            self.memo.note(tree, false);
        }
        if self.target == Target::Red && run.epoch == self.epoch {
            if let (Aim::Mend, [id]) = (run.aim, &run.stack[..])
                && let Some(entry) = self.entries.get_mut(id)
            {
                entry.tried = Some(run.epoch);
            }
            return;
        }
        let times = self.memo.of(tree).reds;
        if let Some(red) = self.reds.iter_mut().find(|red| red.tree == *tree) {
            red.times = times;
            // The same tree, on a target that is known to be green.
            red.sound |= sound;
            return;
        }
        let members: Vec<MergeId> =
            run.stack.iter().filter(|id| self.entries.contains_key(*id)).cloned().collect();
        if !members.is_empty() {
            let (tree, epoch) = (tree.clone(), run.epoch);
            self.reds.push(Red { run: run.id, tree, times, epoch, sound, members });
        }
    }

    fn land(&mut self, stack: &[MergeId]) {
        for id in stack {
            self.entries.remove(id);
            self.tally.good_change();
        }
        for entry in self.entries.values_mut() {
            if !(entry.request.after.is_empty() && entry.clash.is_empty()) {
                entry.request.after.retain(|id| !stack.contains(id));
                entry.clash.retain(|id| !stack.contains(id));
            }
        }
        for flight in self.flights.values_mut() {
            // What stands on top of exactly this is now on top of the target.
            if flight.run.epoch == self.epoch && flight.run.stack.starts_with(stack) {
                flight.run.epoch += 1;
                flight.run.landed += stack.len() as u64;
                flight.sound = true;
            }
            flight.run.stack.retain(|id| !stack.contains(id));
        }
        for red in &mut self.reds {
            red.members.retain(|id| !stack.contains(id));
        }
        self.reds.retain(|red| !red.members.is_empty());
        self.landed += stack.len() as u64;
        self.epoch += 1;
        self.target = Target::Green;
    }

    /// Takes a request out. A red set that it was in says nothing about the others any more.
    fn forget(&mut self, id: &MergeId) {
        self.entries.remove(id);
        self.reds.retain(|red| !red.members.contains(id));
        for entry in self.entries.values_mut() {
            entry.clash.remove(id);
        }
    }
}
