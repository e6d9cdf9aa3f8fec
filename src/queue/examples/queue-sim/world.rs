//! The world around the queue: builds trees, runs gates in virtual time, pushes, kills.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use gastown_queue::footprint::Footprint;
use gastown_queue::{Confirm, Queue, Record, Request, Rules, Run, RunId, Tree, Verdict};
use model::ids::{MergeId, Seq};
use model::time::Timestamp;

use crate::options::Options;
use crate::oracle::{Fate, Oracle};
use crate::rng::Rng;
use crate::truth::Truth;

/// Parts of a CI duration that time is counted in.
const TICKS: f64 = 1e6;

struct Build {
    tree: u64,
    /// What a gate that never lies says of it.
    green: bool,
}

/// What comes of merging.
enum Merge {
    Tree(Build),
    /// With what has landed.
    Conflict(usize),
    /// With what stands below it in the stack.
    Clash(usize, Vec<usize>),
}

pub(crate) struct World<'a> {
    options: &'a Options,
    truth: &'a Truth,
    pub(crate) queue: Queue,
    pub(crate) oracle: Oracle,
    rng: Rng,
    now: u64,
    next_arrival: f64,
    submitted: usize,
    submitted_at: Vec<u64>,
    waits: Vec<f64>,
    target: u64,
    builds: HashMap<RunId, Build>,
    ends: BinaryHeap<Reverse<(u64, RunId)>>,
    pub(crate) runs: u64,
    pub(crate) kills: u64,
    pub(crate) flakes: u64,
}

fn id(n: usize) -> MergeId {
    format!("c{n}").parse().expect("a letter and digits are a name")
}

fn number(id: &MergeId) -> usize {
    id.as_str()[1..].parse().expect("every name in the queue was made by `id`")
}

impl<'a> World<'a> {
    pub(crate) fn new(options: &'a Options, truth: &'a Truth) -> Self {
        let confirm = if options.always { Confirm::Always } else { Confirm::Adaptive };
        World {
            options,
            truth,
            queue: Queue::new(Rules { confirm, ..Rules::default() }),
            oracle: Oracle::new(options.changes),
            rng: Rng::new(options.seed.wrapping_mul(7919).wrapping_add(17)),
            now: 0,
            next_arrival: 0.0,
            submitted: 0,
            submitted_at: Vec::new(),
            waits: Vec::new(),
            target: 0,
            builds: HashMap::new(),
            ends: BinaryHeap::new(),
            runs: 0,
            kills: 0,
            flakes: 0,
        }
    }

    /// The time, in CI durations.
    pub(crate) fn time(&self) -> f64 {
        self.now as f64 / TICKS
    }

    /// How long changes waited from being handed in to their fate, in order.
    pub(crate) fn waits(&self) -> Vec<f64> {
        let mut waits = self.waits.clone();
        waits.sort_by(f64::total_cmp);
        waits
    }

    /// Lets everything happen until every change has its fate.
    pub(crate) fn go(&mut self) {
        loop {
            self.arrivals();
            let records = self.queue.plan(self.options.runners);
            self.carry_out(records);
            let Some(Reverse((at, _))) = self.ends.peek().copied() else {
                if self.queue.state().landing().is_some() || !self.queue.is_idle() {
                    continue;
                }
                match self.wait_for_arrivals() {
                    true => continue,
                    false => break,
                }
            };
            if self.wake_for_arrivals(at) {
                continue;
            }
            self.now = at;
            while let Some(Reverse((_, run))) =
                self.ends.peek().copied().filter(|Reverse((end, _))| *end <= at)
            {
                self.ends.pop();
                self.gate_ends(run);
                if self.rng.chance(self.options.kill) {
                    self.kill();
                }
            }
        }
        let left = self.queue.state().entries().len();
        if left > 0 || self.oracle.fates.iter().any(Option::is_none) {
            self.oracle.broken.push(format!("the queue rests with {left} changes in it"));
        }
    }

    fn arrivals(&mut self) {
        loop {
            let due = match self.options.arrivals {
                None => self.queue.state().entries().len() < self.options.backlog,
                Some(_) => self.next_arrival <= self.time(),
            };
            if !due || self.submitted >= self.options.changes {
                return;
            }
            self.submit();
            if let Some(rate) = self.options.arrivals {
                self.next_arrival += -(1.0 - self.rng.unit()).ln() / rate;
            }
        }
    }

    /// Jumps to the next arrival when nothing else happens.
    fn wait_for_arrivals(&mut self) -> bool {
        if self.submitted >= self.options.changes || self.options.arrivals.is_none() {
            return self.submitted < self.options.changes;
        }
        self.now = self.now.max((self.next_arrival * TICKS).ceil() as u64);
        true
    }

    /// Whether something comes in before the next run ends, at `end`.
    fn wake_for_arrivals(&mut self, end: u64) -> bool {
        let more = self.options.arrivals.is_some() && self.submitted < self.options.changes;
        let at = (self.next_arrival * TICKS).ceil() as u64;
        if more && at < end {
            self.now = self.now.max(at);
        }
        more && at < end
    }

    fn submit(&mut self) {
        let n = self.submitted;
        self.submitted += 1;
        self.submitted_at.push(self.now);
        let change = &self.truth.changes[n];
        let mut request = Request::new(id(n), Timestamp::from_millis(n as i64), Seq(n as u64 + 1));
        if self.options.footprints {
            request.footprint = Some(Footprint::of([format!("area {}", change.area).as_str()], &[]));
        }
        match change.needs.map(|needed| (needed, self.oracle.fates[needed])) {
            Some((_, Some(Fate::Evicted | Fate::GivenBack))) => return self.give_back(n),
            Some((needed, None)) => {
                request.after.insert(id(needed));
            }
            _ => {}
        }
        let records = self.queue.submit(request);
        self.carry_out(records);
    }

    fn give_back(&mut self, n: usize) {
        self.oracle.gives_back(n);
        self.over(n);
    }

    /// Notes how long it waited, and takes out what needs it if it did not land.
    fn over(&mut self, n: usize) {
        self.waits.push((self.now - self.submitted_at[n]) as f64 / TICKS);
        if self.oracle.fates[n] == Some(Fate::Landed) || self.options.depends == 0.0 {
            return;
        }
        for other in n + 1..self.submitted.min(n + 21) {
            if self.truth.changes[other].needs == Some(n) && self.oracle.fates[other].is_none() {
                let records = self.queue.withdraw(&id(other)).expect("what needs it is not being pushed");
                self.give_back(other);
                self.carry_out(records);
            }
        }
    }

    fn carry_out(&mut self, records: Vec<Record>) {
        // Runs stand on the target as it was when they were decided, also when the first of them lands at once.
        let merge = |record: &Record| match record {
            Record::Started { run } => Some((run.id, self.merge(run))),
            _ => None,
        };
        let mut merges: HashMap<RunId, Merge> = records.iter().filter_map(merge).collect();
        let mut orders: VecDeque<Record> = records.into();
        while let Some(order) = orders.pop_front() {
            match order {
                Record::Started { run } => {
                    let merge = merges.remove(&run.id).expect("it was made above");
                    orders.extend(self.merged(run.id, merge));
                }
                Record::Built { run, gate: true, .. } => self.gate_begins(run),
                Record::Stopped { run } => {
                    self.builds.remove(&run);
                }
                Record::Landing { run } => orders.extend(self.push(run)),
                Record::Evicted { id, .. } => {
                    let n = number(&id);
                    self.oracle.evicts(self.truth, n, self.options.flake > 0.0);
                    self.over(n);
                }
                _ => {}
            }
        }
    }

    /// Merges the stack of `run` onto the target as it stands.
    fn merge(&self, run: &Run) -> Merge {
        let stack: Vec<usize> = run.stack.iter().map(number).collect();
        for (at, n) in stack.iter().enumerate() {
            let clash = &self.truth.changes[*n].clash;
            if clash.iter().any(|other| self.oracle.landed[*other]) {
                return Merge::Conflict(*n);
            }
            let with: Vec<usize> =
                stack[..at].iter().filter(|other| clash.contains(other)).copied().collect();
            if !with.is_empty() {
                return Merge::Clash(*n, with);
            }
        }
        let tree = stack.iter().fold(self.target, |hash, n| hash ^ self.truth.changes[*n].hash);
        Merge::Tree(Build { tree, green: self.truth.is_green(&self.oracle.landed, &stack) })
    }

    fn merged(&mut self, run: RunId, merge: Merge) -> Vec<Record> {
        if !self.queue.state().flights().contains_key(&run) {
            return Vec::new(); // It was stopped by what came of the run before.
        }
        match merge {
            // When it is being pushed it is merged anew afterwards.
            Merge::Conflict(n) => match self.queue.withdraw(&id(n)) {
                Ok(records) if !records.is_empty() => {
                    self.give_back(n);
                    records
                }
                _ => self.queue.ended(run, Verdict::Lost),
            },
            Merge::Clash(n, with) => self.queue.clashed(run, &id(n), with.into_iter().map(id).collect()),
            Merge::Tree(build) => {
                let tree = Tree::new(format!("{:016x}", build.tree));
                self.builds.insert(run, build);
                self.queue.built(run, tree)
            }
        }
    }

    fn gate_begins(&mut self, run: RunId) {
        let Some(build) = self.builds.get(&run) else { return };
        self.oracle.gate_begins(build.tree);
        self.runs += 1;
        let takes = 1.0 + self.options.spread * (2.0 * self.rng.unit() - 1.0);
        self.ends.push(Reverse((self.now + (takes * TICKS) as u64, run)));
    }

    fn gate_ends(&mut self, run: RunId) {
        let Some(build) = self.builds.get(&run) else { return };
        let flake = build.green && self.rng.chance(self.options.flake);
        self.flakes += u64::from(flake);
        let verdict = if build.green && !flake { Verdict::Green } else { Verdict::Red };
        if verdict == Verdict::Green {
            self.oracle.gate_was_green(build.tree);
        }
        let records = self.queue.ended(run, verdict);
        self.carry_out(records);
    }

    fn push(&mut self, run: Run) -> Vec<Record> {
        let Some(build) = self.builds.remove(&run.id) else { return self.queue.unlanded(run.id) };
        if self.rng.chance(self.options.moves) {
            // Somebody was first, with something that disturbs nobody.
            self.target ^= self.rng.next();
            return self.queue.moved();
        }
        let stack: Vec<usize> = run.stack.iter().map(number).collect();
        self.oracle.lands(self.truth, &stack, build.tree, self.target);
        self.target = build.tree;
        let records = self.queue.landed(run.id);
        stack.into_iter().for_each(|n| self.over(n));
        records
    }

    /// The runtime dies: every run with it. Its memory is on disk.
    fn kill(&mut self) {
        self.kills += 1;
        self.builds.clear();
        self.ends.clear();
        self.queue = Queue::restore(self.queue.rules().clone(), self.queue.state().clone());
        let records = self.queue.wake();
        self.carry_out(records);
    }
}
