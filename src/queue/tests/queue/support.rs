//! A world of sets and booleans around the queue, which checks the promises by itself: trees are the sets of changes
//! in them, and a gate is a look at which of them are bad.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gastown_queue::{Aim, Queue, Record, Request, Rules, RunId, State, Tree, Verdict};
use model::ids::{MergeId, Seq};
use model::time::Timestamp;

pub(crate) fn id(n: usize) -> MergeId {
    format!("c{n}").parse().unwrap()
}

fn number(id: &MergeId) -> usize {
    id.as_str()[1..].parse().unwrap()
}

/// What is on a branch: what somebody else pushed, and which changes.
pub(crate) type Content = (u64, BTreeSet<usize>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Landed,
    Evicted,
    Gone,
}

/// How the next push ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    Lands,
    Fails,
    Loses,
    /// Not yet: see [`World::push_ends`].
    Hangs,
}

pub(crate) struct World {
    pub(crate) queue: Queue,
    pub(crate) records: Vec<Record>,
    pub(crate) runners: usize,
    pub(crate) target: Content,
    pub(crate) bad: BTreeSet<usize>,
    /// Good apart, bad together.
    pub(crate) discord: Vec<(usize, usize)>,
    /// Cannot be merged together.
    pub(crate) clash: Vec<(usize, usize)>,
    /// The target of others is bad unless this change is in it.
    pub(crate) broken: BTreeMap<u64, Option<usize>>,
    pub(crate) fates: BTreeMap<usize, Fate>,
    pub(crate) gated: Vec<Content>,
    /// Runs with gates under way, in the order in which they began.
    pub(crate) running: Vec<(RunId, Content)>,
    pub(crate) pushes: VecDeque<Push>,
    pub(crate) flaky: u32,
    trees: BTreeMap<RunId, Content>,
    green: BTreeSet<Content>,
    reds: BTreeMap<Content, u32>,
    landing: Option<(RunId, Vec<usize>, Content)>,
    submitted: usize,
}

impl World {
    pub(crate) fn new(runners: usize, rules: Rules) -> Self {
        World {
            queue: Queue::new(rules),
            records: Vec::new(),
            runners,
            target: (0, BTreeSet::new()),
            bad: BTreeSet::new(),
            discord: Vec::new(),
            clash: Vec::new(),
            broken: BTreeMap::new(),
            fates: BTreeMap::new(),
            gated: Vec::new(),
            running: Vec::new(),
            pushes: VecDeque::new(),
            flaky: 0,
            trees: BTreeMap::new(),
            green: BTreeSet::new(),
            reds: BTreeMap::new(),
            landing: None,
            submitted: 0,
        }
    }

    pub(crate) fn request(&mut self) -> Request {
        let n = self.submitted;
        self.submitted += 1;
        Request::new(id(n), Timestamp::from_millis(n as i64), Seq(n as u64 + 1))
    }

    pub(crate) fn submit(&mut self, request: Request) {
        let records = self.queue.submit(request);
        self.carry_out(records);
    }

    pub(crate) fn submit_many(&mut self, many: usize) {
        for _ in 0..many {
            let request = self.request();
            self.submit(request);
        }
    }

    pub(crate) fn is_good(&self, (foreign, changes): &Content) -> bool {
        let both = |(a, b): &(usize, usize)| changes.contains(a) && changes.contains(b);
        let mended = self.broken.get(foreign).is_none_or(|by| by.is_some_and(|by| changes.contains(&by)));
        mended && changes.is_disjoint(&self.bad) && !self.discord.iter().any(both)
    }

    pub(crate) fn plan(&mut self) {
        let records = self.queue.plan(self.runners);
        let begun = records.iter().any(|record| matches!(record, Record::Started { .. }));
        assert!(!begun || self.landing.is_none(), "a run begins while the target is on the move");
        self.carry_out(records);
        assert!(self.queue.state().flights().len() <= self.runners, "more runs than runners");
    }

    /// The gates of the `k`th run under way end, as they should.
    pub(crate) fn finish(&mut self, k: usize) {
        let green = self.is_good(&self.running[k].1);
        self.finish_as(k, if green { Verdict::Green } else { Verdict::Red });
    }

    pub(crate) fn finish_as(&mut self, k: usize, verdict: Verdict) {
        let (run, content) = self.running.remove(k);
        match verdict {
            Verdict::Green => drop(self.green.insert(content)),
            Verdict::Red => *self.reds.entry(content).or_default() += 1,
            Verdict::Lost => {}
        }
        let records = self.queue.ended(run, verdict);
        self.carry_out(records);
    }

    /// Everything that runs ends, then whatever is decided next runs, until nothing is left to do.
    pub(crate) fn rest(&mut self) {
        for _ in 0..10_000 {
            self.plan();
            if self.running.is_empty() {
                if self.queue.state().landing().is_none() && self.queue.is_idle() {
                    return;
                }
            } else {
                self.finish(0);
            }
        }
        panic!("it does not come to rest: {:#?}", self.queue.state());
    }

    pub(crate) fn withdraw(&mut self, n: usize) {
        let records = self.give_back(n);
        self.carry_out(records);
    }

    fn give_back(&mut self, n: usize) -> Vec<Record> {
        let pushed = self.landing.as_ref().is_some_and(|(_, stack, _)| stack.contains(&n));
        let answer = self.queue.withdraw(&id(n));
        assert_eq!(answer.is_err(), pushed, "what is being pushed cannot be taken back, all else can");
        let records = answer.unwrap_or_default();
        if !records.is_empty() {
            self.over(n, Fate::Gone);
        }
        records
    }

    pub(crate) fn foreign_push(&mut self, broken: bool, mended_by: Option<usize>) {
        self.target.0 += 1;
        if broken {
            self.broken.insert(self.target.0, mended_by);
        }
        // What was being pushed came too late.
        self.landing = None;
        let records = self.queue.moved();
        self.carry_out(records);
    }

    /// The runtime dies with all runs; what is kept are the records, as JSON. A push that hung has ended like this.
    pub(crate) fn restart(&mut self, push: Push) {
        let kept: Vec<String> = self.records.iter().map(|r| serde_json::to_string(r).unwrap()).collect();
        let records: Vec<Record> = kept.iter().map(|r| serde_json::from_str(r).unwrap()).collect();
        assert_eq!(records, self.records);
        let queue = Queue::replay(self.queue.rules().clone(), &records);
        assert_eq!(queue.state(), self.queue.state(), "the memory is not the fold of the records");
        let state = rmp_serde::to_vec_named(queue.state()).unwrap();
        let state: State = rmp_serde::from_slice(&state).unwrap();
        self.queue = Queue::restore(queue.rules().clone(), state);
        assert_eq!(self.queue, queue);
        self.running.clear();
        self.trees.clear();
        let mut records = self.queue.wake();
        records.extend(self.pushed(push));
        self.carry_out(records);
    }

    pub(crate) fn carry_out(&mut self, records: Vec<Record>) {
        // Runs stand on the target as it was when they were decided, also when the first of them lands at once.
        let base = self.target.clone();
        let mut orders: VecDeque<Record> = records.into();
        while let Some(order) = orders.pop_front() {
            self.records.push(order.clone());
            match order {
                Record::Started { run } => {
                    let mut content = base.clone();
                    let mut clashed = None;
                    for change in run.stack.iter().map(number) {
                        let mut with = self.clash.iter().filter_map(|(a, b)| (*b == change).then_some(*a));
                        clashed = clashed.or(with.find(|a| content.1.contains(a)).map(|a| (change, a)));
                        assert!(content.1.insert(change), "{change} is in {:?} twice", run.stack);
                    }
                    match clashed {
                        _ if !self.queue.state().flights().contains_key(&run.id) => {}
                        Some((change, with)) if base.1.contains(&with) => {
                            orders.extend(self.give_back(change));
                        }
                        Some((change, with)) => {
                            orders.extend(self.queue.clashed(run.id, &id(change), vec![id(with)]));
                        }
                        None => {
                            let again = matches!(run.aim, Aim::Confirm { .. } | Aim::Baseline);
                            let before = self.reds.get(&content).copied().unwrap_or(0);
                            self.trees.insert(run.id, content.clone());
                            let tree = Tree::new(format!("{content:?}"));
                            let records = self.queue.built(run.id, tree);
                            let gates = records.iter().any(|r| matches!(r, Record::Built { gate: true, .. }));
                            assert!(
                                !gates || before <= u32::from(again),
                                "{content:?} was red {before} times"
                            );
                            orders.extend(records);
                        }
                    }
                }
                Record::Built { run, gate: true, .. } => {
                    let content = self.trees[&run].clone();
                    assert!(!self.green.contains(&content), "{content:?} was green already");
                    assert!(
                        !self.running.iter().any(|(_, c)| *c == content),
                        "{content:?} is gated twice at once"
                    );
                    self.gated.push(content.clone());
                    self.running.push((run, content));
                }
                Record::Stopped { run } => self.running.retain(|(running, _)| *running != run),
                Record::Flaky { .. } => self.flaky += 1,
                Record::Landing { run } => {
                    assert!(self.landing.is_none(), "two pushes at once");
                    let tree = self.trees.remove(&run.id).expect("what lands was built since the last start");
                    self.landing = Some((run.id, run.stack.iter().map(number).collect(), tree));
                    let push = self.pushes.pop_front().unwrap_or(Push::Lands);
                    orders.extend(self.pushed(push));
                }
                Record::Evicted { id, .. } => {
                    let n = number(&id);
                    let company = |(a, b): &(usize, usize)| match (*a == n, *b == n) {
                        (true, _) => self.target.1.contains(b),
                        (_, true) => self.target.1.contains(a),
                        _ => false,
                    };
                    let guilty = self.bad.contains(&n) || self.discord.iter().any(company);
                    assert!(guilty || self.gates_lied(), "{n} is evicted and innocent");
                    self.over(n, Fate::Evicted);
                }
                _ => {}
            }
        }
    }

    /// A push that hangs comes to its end.
    pub(crate) fn push_ends(&mut self, push: Push) {
        let records = self.pushed(push);
        self.carry_out(records);
    }

    fn pushed(&mut self, push: Push) -> Vec<Record> {
        let Some((run, stack, tree)) = self.landing.take_if(|_| push != Push::Hangs) else {
            return Vec::new();
        };
        match push {
            Push::Fails => self.queue.unlanded(run),
            Push::Loses => {
                self.target.0 += 1;
                self.queue.moved()
            }
            Push::Lands | Push::Hangs => {
                self.land(&stack, tree);
                self.queue.landed(run)
            }
        }
    }

    fn gates_lied(&self) -> bool {
        self.reds.keys().any(|content| self.is_good(content))
    }

    fn land(&mut self, stack: &[usize], tree: Content) {
        assert!(self.green.contains(&tree), "{tree:?} lands and was never green");
        let mut expected = self.target.clone();
        expected.1.extend(stack);
        assert_eq!(tree, expected, "another tree lands than the one that was gated");
        for n in stack {
            self.over(*n, Fate::Landed);
        }
        self.target = tree;
    }

    fn over(&mut self, n: usize, fate: Fate) {
        if let Some(before) = self.fates.insert(n, fate) {
            panic!("{n} was {before:?} and is now {fate:?}");
        }
    }

    pub(crate) fn landed(&self) -> Vec<usize> {
        self.fates.iter().filter(|(_, fate)| **fate == Fate::Landed).map(|(n, _)| *n).collect()
    }

    pub(crate) fn evicted(&self) -> Vec<usize> {
        self.fates.iter().filter(|(_, fate)| **fate == Fate::Evicted).map(|(n, _)| *n).collect()
    }

    /// The changes in each gate run under way.
    pub(crate) fn stacks(&self) -> Vec<Vec<usize>> {
        self.running
            .iter()
            .map(|(_, (_, changes))| changes.difference(&self.target.1).copied().collect())
            .collect()
    }
}
