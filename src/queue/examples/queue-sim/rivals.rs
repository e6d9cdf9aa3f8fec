//! Other ways to land the same stream: one by one, plain halving, one run for each change on top of those before.
//! Their gates never lie, and they know the failure rate.

use gastown_queue::group;
use gastown_queue::tally::Beta;

use crate::options::Options;
use crate::truth::Truth;

/// What a way of landing costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Gate runs per merged change.
    pub(crate) runs: f64,
    /// Merged changes per CI duration.
    pub(crate) rate: f64,
}

struct Line<'a> {
    truth: &'a Truth,
    landed: Vec<bool>,
    merged: f64,
    runs: f64,
    time: f64,
}

impl<'a> Line<'a> {
    fn new(truth: &'a Truth) -> Self {
        Line { truth, landed: vec![false; truth.changes.len()], merged: 0.0, runs: 0.0, time: 0.0 }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.truth.changes.len()).collect()
    }

    fn land(&mut self, stack: &[usize]) {
        stack.iter().for_each(|n| self.landed[*n] = true);
        self.merged += stack.len() as f64;
    }

    /// One run of `stack`, which lands it if it is green.
    fn try_to_land(&mut self, stack: &[usize]) -> bool {
        self.runs += 1.0;
        self.time += 1.0;
        let green = self.truth.is_green(&self.landed, stack);
        if green {
            self.land(stack);
        }
        green
    }

    fn halve(&mut self, stack: &[usize]) {
        if !self.try_to_land(stack) && stack.len() > 1 {
            let (first, second) = stack.split_at(stack.len() / 2);
            self.halve(first);
            self.halve(second);
        }
    }

    fn figure(self) -> Figure {
        Figure { runs: self.runs / self.merged, rate: self.merged / self.time }
    }
}

/// One after the other.
pub(crate) fn serial(truth: &Truth) -> Figure {
    let mut line = Line::new(truth);
    for n in line.all() {
        line.try_to_land(&[n]);
    }
    line.figure()
}

/// Groups of the size that is best for this queue; a red one is halved until single changes are left.
pub(crate) fn halving(truth: &Truth, options: &Options) -> Figure {
    let sure = Beta { hits: options.failure_rate * 1e9 + 1.0, misses: (1.0 - options.failure_rate) * 1e9 };
    let size = group::size(sure, 64);
    let mut line = Line::new(truth);
    for stack in line.all().chunks(size) {
        line.halve(stack);
    }
    line.figure()
}

/// As many changes as there are runners, each tested on top of those before it; up to the first red one they land.
pub(crate) fn one_each(truth: &Truth, options: &Options) -> Figure {
    let mut line = Line::new(truth);
    let mut waiting = line.all();
    waiting.reverse();
    while !waiting.is_empty() {
        let window = waiting.len().min(options.runners);
        line.runs += window as f64;
        line.time += 1.0;
        let stack: Vec<usize> = waiting[waiting.len() - window..].iter().rev().copied().collect();
        let good = (0..window).take_while(|k| line.truth.is_green(&line.landed, &stack[..=*k])).count();
        line.land(&stack[..good]);
        waiting.truncate(waiting.len() - (good + 1).min(window));
    }
    line.figure()
}
