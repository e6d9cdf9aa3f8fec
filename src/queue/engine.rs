//! The queue: told what happened, it answers with what follows.

use std::collections::BTreeSet;

use model::bead::Priority;
use model::ids::MergeId;

use crate::evidence::{self, Case};
use crate::plan;
use crate::record::{Aim, Record, Run, RunId, Tree, Verdict};
use crate::request::Request;
use crate::rules::Rules;
use crate::state::{Flight, Red, State, Target};

/// Why a request cannot be taken back: it is being pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is being pushed")]
pub struct TooLate(pub MergeId);

/// One rig's merge queue.
///
/// Each method is told one thing and returns the records of it and of what follows, which are in the queue's memory
/// already. The caller keeps them, durably, before it does what they say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Queue {
    state: State,
    rules: Rules,
}

impl Queue {
    /// An empty queue.
    pub fn new(rules: Rules) -> Self {
        Self { state: State::default(), rules }
    }

    /// The queue that wrote `records`. [`Queue::wake`] it before anything else when its runs have died with it.
    pub fn replay<'a>(rules: Rules, records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut queue = Queue::new(rules);
        records.into_iter().for_each(|record| queue.state.apply(record));
        queue
    }

    /// The queue with this memory.
    pub fn restore(rules: Rules, state: State) -> Self {
        Self { state, rules }
    }

    /// What it knows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What it goes by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Other rules hold from now on.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// A request comes in. One that is in the queue already stays as it is.
    pub fn submit(&mut self, request: Request) -> Vec<Record> {
        if self.state.entries.contains_key(&request.id) {
            return Vec::new();
        }
        self.tell(Record::Submitted { request })
    }

    /// A request leaves the queue without having landed.
    ///
    /// # Errors
    /// [`TooLate`] while it is being pushed.
    pub fn withdraw(&mut self, id: &MergeId) -> Result<Vec<Record>, TooLate> {
        self.not_landing(id)?;
        if !self.state.entries.contains_key(id) {
            return Ok(Vec::new());
        }
        Ok(self.tell(Record::Withdrawn { id: id.clone() }))
    }

    /// A request is not touched any more, or free again.
    ///
    /// # Errors
    /// [`TooLate`] while it is being pushed.
    pub fn hold(&mut self, id: &MergeId, held: bool) -> Result<Vec<Record>, TooLate> {
        self.not_landing(id)?;
        if self.state.entries.get(id).is_none_or(|entry| entry.held == held) {
            return Ok(Vec::new());
        }
        Ok(self.tell(Record::Held { id: id.clone(), held }))
    }

    /// A request is more or less urgent than it was.
    pub fn prioritise(&mut self, id: &MergeId, priority: Priority, hot: bool) -> Vec<Record> {
        let same = |request: &Request| request.priority == priority && request.hot == hot;
        if self.state.entries.get(id).is_none_or(|entry| same(&entry.request)) {
            return Vec::new();
        }
        self.tell(Record::Prioritised { id: id.clone(), priority, hot })
    }

    /// From now on nothing but hot fixes is run and landed, or all is as usual. Runs under way go on.
    pub fn freeze(&mut self, frozen: bool) -> Vec<Record> {
        if self.state.frozen == frozen { Vec::new() } else { self.tell(Record::Frozen { frozen }) }
    }

    /// Somebody else has moved the target. What was being pushed has not landed.
    pub fn moved(&mut self) -> Vec<Record> {
        self.tell(Record::Moved)
    }

    /// The gates are others than before, or a red target is to be looked at again. Every run is ended: what it
    /// would say is about the old ones.
    pub fn doubt(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        self.note(&mut records, Record::Doubted);
        for run in self.state.flights.keys().copied().collect::<Vec<_>>() {
            self.note(&mut records, Record::Stopped { run });
        }
        records
    }

    /// After a restart: every run is over, and nobody knows how. What was being pushed is looked up by the caller,
    /// who then says [`Queue::landed`], [`Queue::unlanded`] or [`Queue::moved`].
    pub fn wake(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        for run in self.state.flights.keys().copied().collect::<Vec<_>>() {
            self.note(&mut records, Record::Ended { run, verdict: Verdict::Lost, gated: false });
        }
        self.settle(&mut records);
        records
    }

    /// Decides what `runners` do, of which some are busy already. Call it whenever something has happened.
    pub fn plan(&mut self, runners: usize) -> Vec<Record> {
        let mut records = Vec::new();
        if runners > 0 && self.state.flights.len() >= runners && plan::hot_waits(&self.state, &self.rules) {
            self.make_room(&mut records);
        }
        while self.state.flights.len() < runners {
            let free = runners - self.state.flights.len();
            let Some(draft) = plan::next(&self.state, &self.rules, free) else { break };
            let run = Run {
                id: RunId(self.state.last_run.0 + 1),
                epoch: self.state.epoch,
                landed: self.state.landed,
                stack: draft.stack,
                aim: draft.aim,
            };
            self.note(&mut records, Record::Started { run });
        }
        records
    }

    /// The stack of `run` was merged, and `tree` came out. The answer says whether the gates are to be run.
    pub fn built(&mut self, run: RunId, tree: Tree) -> Vec<Record> {
        let mut records = Vec::new();
        let Some(flight) = self.state.flights.get(&run) else { return records };
        let again = matches!(flight.run.aim, Aim::Confirm { .. } | Aim::Baseline);
        let verdict = self.known(&tree, again);
        let gate = verdict.is_none() && !self.is_gated(&tree);
        self.note(&mut records, Record::Built { run, tree, gate });
        if let Some(verdict) = verdict {
            self.end(run, verdict, false, &mut records);
        }
        records
    }

    /// In `run`, `id` could not be merged onto `with`, which stand before it and have not landed; onto the target
    /// alone it can be. (What cannot is withdrawn.)
    pub fn clashed(&mut self, run: RunId, id: &MergeId, with: Vec<MergeId>) -> Vec<Record> {
        if !self.state.flights.contains_key(&run) {
            return Vec::new();
        }
        self.tell(Record::Clashed { run, id: id.clone(), with })
    }

    /// The gates of `run` have ended. What is said of a run that was stopped is not listened to.
    pub fn ended(&mut self, run: RunId, verdict: Verdict) -> Vec<Record> {
        let mut records = Vec::new();
        if self.state.flights.contains_key(&run) {
            self.end(run, verdict, verdict != Verdict::Lost, &mut records);
        }
        records
    }

    /// What was being pushed is on the target.
    pub fn landed(&mut self, run: RunId) -> Vec<Record> {
        if self.state.landing.as_ref().is_none_or(|landing| landing.id != run) {
            return Vec::new();
        }
        self.tell(Record::Landed { run })
    }

    /// What was being pushed is not on the target, which stands where it stood. It is tried again with the next
    /// [`Queue::plan`], without another gate run.
    pub fn unlanded(&mut self, run: RunId) -> Vec<Record> {
        if self.state.landing.as_ref().is_none_or(|landing| landing.id != run) {
            return Vec::new();
        }
        self.tell(Record::Unlanded { run })
    }

    fn not_landing(&self, id: &MergeId) -> Result<(), TooLate> {
        match &self.state.landing {
            Some(landing) if landing.stack.contains(id) => Err(TooLate(id.clone())),
            _ => Ok(()),
        }
    }

    fn note(&mut self, records: &mut Vec<Record>, record: Record) {
        self.state.apply(&record);
        records.push(record);
    }

    fn tell(&mut self, record: Record) -> Vec<Record> {
        let mut records = Vec::new();
        self.note(&mut records, record);
        self.settle(&mut records);
        records
    }

    fn end(&mut self, run: RunId, verdict: Verdict, gated: bool, records: &mut Vec<Record>) {
        let Some(flight) = self.state.flights.get(&run).cloned() else { return };
        let refuted = self.refuted(&flight, verdict, gated);
        self.note(records, Record::Ended { run, verdict, gated });
        if let Some((tree, same)) = refuted {
            self.note(records, Record::Flaky { tree, run, same });
        }
        if let Some(tree) = flight.tree {
            let red_twice = verdict == Verdict::Red && self.state.memo.of(&tree).reds > 1;
            if flight.run.aim == Aim::Baseline && red_twice && flight.run.epoch == self.state.epoch {
                self.note(records, Record::TargetRed { run });
            }
        }
        if verdict == Verdict::Green && self.may_land(&flight.run) {
            self.note(records, Record::Landing { run: flight.run });
        }
        self.settle(records);
    }

    /// The red tree that a green run shows to have been red by chance, and whether the green one is the same.
    fn refuted(&self, flight: &Flight, verdict: Verdict, gated: bool) -> Option<(Tree, bool)> {
        let tree = flight.tree.as_ref().filter(|_| gated && verdict == Verdict::Green)?;
        if self.state.memo.of(tree).reds > 0 {
            return Some((tree.clone(), true));
        }
        let accused = |red: &&Red| red.members == flight.run.stack;
        let confirm = matches!(flight.run.aim, Aim::Confirm { .. });
        let red = self.state.reds.iter().filter(|_| confirm).find(accused)?;
        Some((red.tree.clone(), false))
    }

    /// What earlier runs say of `tree`; `again` asks for a second look at a tree that was red once.
    fn known(&self, tree: &Tree, again: bool) -> Option<Verdict> {
        let known = self.state.memo.of(tree);
        if known.green {
            Some(Verdict::Green)
        } else {
            (known.reds > u32::from(again)).then_some(Verdict::Red)
        }
    }

    fn is_gated(&self, tree: &Tree) -> bool {
        self.state.flights.values().any(|flight| flight.gating && flight.tree.as_ref() == Some(tree))
    }

    /// A run that waited for another of the same tree, which is over.
    fn bereft(&self) -> Option<(RunId, Tree, bool)> {
        let waits = |flight: &&Flight| !flight.gating;
        self.state.flights.values().filter(waits).find_map(|flight| {
            let tree = flight.tree.as_ref().filter(|tree| !self.is_gated(tree))?;
            let again = matches!(flight.run.aim, Aim::Confirm { .. } | Aim::Baseline);
            Some((flight.run.id, tree.clone(), again))
        })
    }

    /// Whether what was green is pushed: the target still stands below it, and nothing more urgent is under way.
    fn may_land(&self, run: &Run) -> bool {
        let state = &self.state;
        let hot = |run: &Run| {
            let is_hot = |id: &MergeId| state.entries.get(id).is_some_and(|entry| entry.request.hot);
            !run.stack.is_empty() && run.stack.iter().all(is_hot)
        };
        let awaited = |other: &Run| other.epoch == state.epoch && hot(other);
        let mut below: BTreeSet<&MergeId> = BTreeSet::new();
        let whole = run.stack.iter().all(|id| {
            let entry = state.entries.get(id).filter(|entry| {
                !entry.held && entry.request.after.iter().all(|needed| below.contains(needed))
            });
            below.insert(id);
            entry.is_some()
        });
        whole
            && !run.stack.is_empty()
            && run.epoch == state.epoch
            && state.landing.is_none()
            && (hot(run) || !(state.frozen || state.flights.values().any(|other| awaited(&other.run))))
    }

    /// Draws the conclusions that need no runner.
    fn settle(&mut self, records: &mut Vec<Record>) {
        loop {
            let cases = evidence::cases(&self.state, &self.rules);
            let convicted = cases.into_iter().find_map(|(id, case)| match case {
                Case::Convicted(run) => Some((id, run)),
                _ => None,
            });
            if let Some((id, run)) = convicted {
                self.note(records, Record::Evicted { id, run });
            } else if let Some(run) = evidence::idle_run(&self.state) {
                self.note(records, Record::Stopped { run });
            } else if let Some((run, tree, again)) = self.bereft() {
                match self.known(&tree, again) {
                    Some(verdict) => return self.end(run, verdict, false, records),
                    None => self.note(records, Record::Built { run, tree, gate: true }),
                }
            } else {
                return;
            }
        }
    }

    /// Ends the youngest run that is not urgent, for one that is.
    fn make_room(&mut self, records: &mut Vec<Record>) {
        let urgent = |run: &Run| {
            matches!(run.aim, Aim::Confirm { .. } | Aim::Baseline)
                || run
                    .stack
                    .iter()
                    .all(|id| self.state.entries.get(id).is_some_and(|entry| entry.request.hot))
        };
        let youngest = self.state.flights.values().rev().find(|flight| !urgent(&flight.run));
        if let Some(run) = youngest.map(|flight| flight.run.id) {
            self.note(records, Record::Stopped { run });
        }
    }

    /// Whether nothing is left to do until somebody says something.
    pub fn is_idle(&self) -> bool {
        self.state.flights.is_empty() && self.state.landing.is_none() && {
            let state = &self.state;
            plan::next(state, &self.rules, 1).is_none()
        }
    }

    /// Whether the target is known to be red, which holds up everything.
    pub fn target_is_red(&self) -> bool {
        self.state.target == Target::Red
    }
}
