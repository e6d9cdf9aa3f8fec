//! Watches what the queue does and knows what is so. It shares no code with the queue.

use std::collections::HashSet;

use crate::truth::Truth;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Landed,
    Evicted,
    /// It does not merge onto the target, or what it needs was given back.
    GivenBack,
}

/// The promises, as they are kept or broken.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Trees on which a gate run was green.
    green: HashSet<u64>,
    pub(crate) fates: Vec<Option<Fate>>,
    pub(crate) landed: Vec<bool>,
    pub(crate) merged: u64,
    /// First-parent commits that the queue has put on the target.
    pub(crate) commits: u64,
    /// Of these, those whose tree no gate run was green on.
    pub(crate) untested: u64,
    /// Gate runs of trees that had been green before.
    pub(crate) needless: u64,
    pub(crate) evicted: u64,
    /// Evicted, though nothing was wrong with them and what has landed.
    pub(crate) innocents: u64,
    /// What was broken, in words; the first few.
    pub(crate) broken: Vec<String>,
}

impl Oracle {
    pub(crate) fn new(changes: usize) -> Self {
        Oracle { fates: vec![None; changes], landed: vec![false; changes], ..Oracle::default() }
    }

    fn broke(&mut self, what: String) {
        if self.broken.len() < 10 {
            self.broken.push(what);
        }
    }

    pub(crate) fn gate_begins(&mut self, tree: u64) {
        if self.green.contains(&tree) {
            self.needless += 1;
            self.broke(format!("tree {tree:x} is gated though it was green before"));
        }
    }

    pub(crate) fn gate_was_green(&mut self, tree: u64) {
        self.green.insert(tree);
    }

    /// `stack` becomes one first-parent commit with `tree`, on a target whose tree is `target`.
    pub(crate) fn lands(&mut self, truth: &Truth, stack: &[usize], tree: u64, target: u64) {
        self.commits += 1;
        if !self.green.contains(&tree) {
            self.untested += 1;
            self.broke(format!("{stack:?} landed untested"));
        }
        // Whatever the queue believes about its base: these changes, on this target, are this tree.
        if stack.iter().fold(target, |hash, n| hash ^ truth.changes[*n].hash) != tree {
            self.untested += 1;
            self.broke(format!("{stack:?} landed as another tree than the one that was gated"));
        }
        if !truth.is_green(&self.landed, stack) {
            self.broke(format!("{stack:?} landed and is bad"));
        }
        for n in stack {
            if truth.changes[*n].needs.is_some_and(|needed| !self.landed[needed] && !stack.contains(&needed))
            {
                self.broke(format!("{n} landed before what it needs"));
            }
            self.over(*n, Fate::Landed);
            self.landed[*n] = true;
            self.merged += 1;
        }
    }

    pub(crate) fn evicts(&mut self, truth: &Truth, n: usize, flaky: bool) {
        self.over(n, Fate::Evicted);
        self.evicted += 1;
        if truth.fits(&self.landed, &[], n) {
            self.innocents += 1;
            if !flaky {
                self.broke(format!("{n} was evicted, and nothing is wrong with it"));
            }
        }
    }

    pub(crate) fn gives_back(&mut self, n: usize) {
        self.over(n, Fate::GivenBack);
    }

    fn over(&mut self, n: usize, fate: Fate) {
        if let Some(before) = self.fates[n] {
            self.broke(format!("{n} was {before:?} and then {fate:?}"));
        }
        self.fates[n] = Some(fate);
    }
}
