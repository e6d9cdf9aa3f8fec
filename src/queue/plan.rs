//! The next gate run, one at a time, from the most to the least urgent kind:
//!
//! 1. a change that is about to be evicted, once more; the target as it is, if that is not known to be green;
//! 2. hot fixes, alone;
//! 3. every open red set is cut, so that a search that has begun ends soon;
//! 4. what rides along, alone, when it is likely that it is what makes runs red;
//! 5. fresh changes: as many runners as there are full groups test one group each. With fewer changes than that,
//!    runners share a stack;
//! 6. prefixes of what is under way, where the first bad change may be: each runner on top of what stands before it;
//! 7. what rides along, if nothing else takes it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use model::ids::MergeId;

use crate::carry;
use crate::evidence::{self, Case};
use crate::footprint;
use crate::group;
use crate::order;
use crate::record::Aim;
use crate::rules::Rules;
use crate::state::{Entry, State, Target};

/// A run stands on top of another that is under way if that is at least this likely to land.
const LIKELY: f64 = 0.7;

/// A run to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) aim: Aim,
    pub(crate) stack: Vec<MergeId>,
}

/// Returns what the next of `free` idle runners should do.
pub(crate) fn next(state: &State, rules: &Rules, free: usize) -> Option<Draft> {
    if state.landing.is_some() || free == 0 {
        return None;
    }
    let plan = Plan { state, rules, free, load: carry::load(state), failure: state.tally.failure().mean() };
    if state.target == Target::Red {
        return plan.mend();
    }
    let urgent = plan.confirm().or_else(|| plan.hot());
    if urgent.is_some() || state.frozen {
        return urgent;
    }
    plan.search()
        .or_else(|| plan.doubt())
        .or_else(|| plan.fresh())
        .or_else(|| plan.ahead())
        .or_else(|| plan.carry())
}

/// Whether a hot fix waits for a runner.
pub(crate) fn hot_waits(state: &State, rules: &Rules) -> bool {
    let plan = Plan { state, rules, free: 1, load: Vec::new(), failure: 0.0 };
    state.landing.is_none() && state.target != Target::Red && plan.hot().is_some()
}

struct Plan<'a> {
    state: &'a State,
    rules: &'a Rules,
    free: usize,
    /// What rides under each run.
    load: Vec<MergeId>,
    /// The expected failure rate.
    failure: f64,
}

impl<'a> Plan<'a> {
    fn under_way(&self, mut which: impl FnMut(Aim, &[MergeId]) -> bool) -> bool {
        self.state.flights.values().any(|flight| which(flight.run.aim, &flight.run.stack))
    }

    /// A run of `stack`, unless it is known already that it would be red.
    fn draft(&self, aim: Aim, stack: Vec<MergeId>) -> Option<Draft> {
        (!evidence::doomed(self.state, aim, &stack)).then_some(Draft { aim, stack })
    }

    fn confirm(&self) -> Option<Draft> {
        for (id, case) in evidence::cases(self.state, self.rules) {
            let frozen = self.state.frozen && !self.state.entries.get(&id).is_some_and(|e| e.request.hot);
            let weight = match case {
                Case::Convicted(_) => continue,
                _ if frozen => continue,
                // What is red on a target that may be red itself counts for nothing.
                _ if self.state.target == Target::Unknown => {
                    if self.under_way(|aim, _| aim == Aim::Baseline) {
                        continue;
                    }
                    return Some(Draft { aim: Aim::Baseline, stack: Vec::new() });
                }
                Case::Unsound => 1,
                Case::Once { weight } => weight,
            };
            let twice =
                self.under_way(|aim, stack| matches!(aim, Aim::Confirm { .. }) && *stack == [id.clone()]);
            if !twice && self.fits(&id, &[]) {
                return Some(Draft { aim: Aim::Confirm { weight }, stack: vec![id] });
            }
        }
        None
    }

    /// On a red target each change is tried alone: one of them may mend it.
    fn mend(&self) -> Option<Draft> {
        let order = order::order(self.state, self.rules);
        let next =
            order.into_iter().filter(|entry| !self.state.frozen || entry.request.hot).find(|entry| {
                entry.tried != Some(self.state.epoch)
                    && self.fits(&entry.request.id, &[])
                    && !self.under_way(|aim, stack| aim == Aim::Mend && *stack == [entry.request.id.clone()])
            })?;
        Some(Draft { aim: Aim::Mend, stack: vec![next.request.id.clone()] })
    }

    /// Whether `id` may stand on top of `below`.
    fn fits(&self, id: &MergeId, below: &[MergeId]) -> bool {
        self.state.entries.get(id).is_some_and(|entry| {
            !entry.held
                && entry.clash.is_empty()
                && entry.request.after.iter().all(|needed| below.contains(needed))
        })
    }

    /// `base` with those of `more` on top that may stand there.
    fn stacked<'b>(&self, base: &[MergeId], more: impl IntoIterator<Item = &'b MergeId>) -> Vec<MergeId> {
        let mut stack = base.to_vec();
        for id in more {
            if !stack.contains(id) && self.fits(id, &stack) {
                stack.push(id.clone());
            }
        }
        stack
    }

    /// Requests that no run tests and no red set holds, in order.
    fn waiting(&self) -> Vec<&'a Entry> {
        let mut busy: BTreeSet<&MergeId> =
            self.state.flights.values().flat_map(|flight| &flight.run.stack).collect();
        busy.extend(evidence::open(self.state).into_iter().flat_map(|(_, suspects)| suspects));
        let order = order::order(self.state, self.rules);
        let free = |entry: &&Entry| {
            entry.cleared.is_none()
                && !entry.held
                && entry.clash.is_empty()
                && !busy.contains(&entry.request.id)
        };
        order.into_iter().filter(free).collect()
    }

    fn hot(&self) -> Option<Draft> {
        // Cleared ones too: they are not to wait for what they were tested with.
        let mut busy: BTreeSet<&MergeId> = BTreeSet::new();
        for flight in self.state.flights.values().filter(|flight| flight.run.epoch == self.state.epoch) {
            let alone = flight.run.stack.iter().all(|id| self.is_hot(id));
            busy.extend(flight.run.stack.iter().filter(|_| alone));
        }
        let open = evidence::open(self.state);
        let order = order::order(self.state, self.rules);
        let hot: Vec<&MergeId> = order
            .iter()
            .map(|entry| &entry.request.id)
            .filter(|id| self.is_hot(id) && !busy.contains(id))
            .collect();
        // One that is suspected is searched for among its own kind.
        if let Some((_, suspects)) =
            open.iter().find(|(_, s)| s.len() > 1 && s.iter().all(|id| hot.contains(id)))
        {
            let part = group::cut(suspects.len(), self.failure);
            return self.draft(Aim::Search, self.stacked(&[], suspects[..part].iter().copied()));
        }
        let accused = |id: &MergeId| {
            open.iter().any(|(red, s)| s.contains(&id) && red.members.iter().all(|id| self.is_hot(id)))
        };
        let free = hot.into_iter().filter(|id| !accused(id));
        let stack = self.stacked(&[], free);
        if stack.is_empty() { None } else { self.draft(Aim::Fresh, stack) }
    }

    fn is_hot(&self, id: &MergeId) -> bool {
        self.state.entries.get(id).is_some_and(|entry| entry.request.hot)
    }

    /// The part of each run under way that is to be cleared by it.
    fn probes(&self) -> impl Iterator<Item = Vec<&'a MergeId>> {
        let state = self.state;
        let flights = state.flights.values().filter(|flight| flight.run.aim != Aim::Baseline);
        flights.map(|flight| flight.run.stack.iter().filter(|id| !evidence::is_cleared(state, id)).collect())
    }

    fn search(&self) -> Option<Draft> {
        for (red, suspects) in evidence::open(self.state) {
            let discord = red.members.iter().all(|id| evidence::is_cleared(self.state, id));
            let part = match suspects.len() {
                0 | 1 => continue,
                // Any of them may be the one that does not go with what landed.
                n if discord => n / 2,
                n => group::cut(n, self.failure),
            };
            let cuts = |probe: &[&MergeId]| {
                let common = probe.iter().filter(|id| suspects.contains(id)).count();
                common > 0 && common < suspects.len()
            };
            let begun = if discord {
                self.under_way(|aim, stack| aim == Aim::Search && cuts(&stack.iter().collect::<Vec<_>>()))
            } else {
                self.probes().any(|probe| cuts(&probe))
            };
            if begun {
                continue;
            }
            let base: &[MergeId] = if discord { &[] } else { &self.load };
            let stack = self.stacked(base, suspects[..part].iter().copied());
            if stack.len() > base.len()
                && let Some(draft) = self.draft(Aim::Search, stack)
            {
                return Some(draft);
            }
        }
        None
    }

    fn carried(&self) -> bool {
        let epoch = self.state.epoch;
        let mut flights = self.state.flights.values().filter(|flight| flight.run.epoch == epoch);
        flights.any(|flight| self.load.first().is_some_and(|first| flight.run.stack.contains(first)))
    }

    fn doubt(&self) -> Option<Draft> {
        let twice = self.under_way(|aim, _| aim == Aim::Carry);
        if twice || !carry::doubtful(self.state, &self.load) {
            return None;
        }
        self.draft(Aim::Carry, self.load.clone())
    }

    fn carry(&self) -> Option<Draft> {
        if self.load.is_empty() || self.carried() {
            return None;
        }
        self.draft(Aim::Carry, self.load.clone())
    }

    fn fresh(&self) -> Option<Draft> {
        let waiting = self.waiting();
        let size = group::size(self.state.tally.failure(), self.rules.batch);
        let full = (waiting.len() / size).clamp(1, self.free);
        let target = if waiting.len() >= self.free * size {
            size
        } else {
            let reach = group::reach(self.free / full, self.failure).min(self.rules.batch);
            waiting.len().div_ceil(full).min(reach.max(size))
        };
        let base = if waiting.len() < self.free * size { self.base() } else { self.load.clone() };
        let chosen = self.choose(&waiting, &base, target, full * target);
        let stack = self.stacked(&base, chosen);
        if stack.len() == base.len() { None } else { self.draft(Aim::Fresh, stack) }
    }

    /// What a run stands on when there are more runners than work: on the highest stack under way that is more likely
    /// than not to land, as if it had landed. So it can land right after that, without another run.
    fn base(&self) -> Vec<MergeId> {
        let q = 1.0 - self.failure;
        let likely = |stack: &[MergeId]| {
            let open = stack.iter().filter(|id| !evidence::is_cleared(self.state, id)).count();
            q.powi(i32::try_from(open).unwrap_or(i32::MAX)) > LIKELY
        };
        let flights = self.state.flights.values().map(|flight| &flight.run);
        let below = flights
            .filter(|run| run.epoch == self.state.epoch && likely(&run.stack) && run.aim != Aim::Mend)
            .max_by_key(|run| (run.stack.len(), Reverse(run.id)));
        self.stacked(below.map_or(&[], |run| &run.stack), &self.load)
    }

    /// Up to `target` of `waiting`: the first, then those among the next `window` that it is not disjoint from, since
    /// they are better tested together than in two runs at once; then the next in order.
    fn choose<'b>(
        &self,
        waiting: &[&'b Entry],
        base: &[MergeId],
        target: usize,
        window: usize,
    ) -> Vec<&'b MergeId> {
        let mut below = base.to_vec();
        let mut chosen: Vec<&'b Entry> = Vec::new();
        let takes = |entry: &Entry, chosen: &[&Entry], below: &[MergeId]| {
            chosen.len() < target
                && !chosen.iter().any(|other| other.request.id == entry.request.id)
                && self.fits(&entry.request.id, below)
        };
        let close = |entry: &Entry, chosen: &[&Entry]| {
            let print = entry.request.footprint.as_ref();
            print.is_some()
                && chosen.iter().any(|other| !footprint::disjoint(print, other.request.footprint.as_ref()))
        };
        for alike in [true, false] {
            for entry in waiting.iter().take(window) {
                if takes(entry, &chosen, &below) && (!alike || chosen.is_empty() || close(entry, &chosen)) {
                    below.push(entry.request.id.clone());
                    chosen.push(entry);
                }
            }
        }
        // Within the group the order of the queue holds again.
        let place = |entry: &&Entry| waiting.iter().position(|other| other.request.id == entry.request.id);
        chosen.sort_by_key(place);
        chosen.into_iter().map(|entry| &entry.request.id).collect()
    }

    fn ahead(&self) -> Option<Draft> {
        let open = evidence::open(self.state);
        let discords: BTreeSet<&MergeId> =
            evidence::discords(self.state).flat_map(|red| red.members.iter()).collect();
        let probes: Vec<Vec<&MergeId>> = self.probes().filter(|probe| !probe.is_empty()).collect();
        let searched = open.iter().filter(|(_, s)| !s.iter().any(|id| discords.contains(id)));
        let mut chains: Vec<(Vec<&MergeId>, bool)> = searched.map(|(_, s)| (s.clone(), true)).collect();
        for probe in &probes {
            let inside = chains.iter().any(|(chain, _)| chain.starts_with(probe));
            let longest = !probes.iter().any(|other| other.len() > probe.len() && other.starts_with(probe));
            if !inside && longest {
                chains.push((probe.clone(), false));
            }
        }
        let q = 1.0 - self.failure;
        let mass = |from: usize, to: usize| q.powi(from as i32) - q.powi(to as i32);
        let mut best: Option<(f64, usize, &[&MergeId])> = None;
        for (chain, red) in &chains {
            let mut ends: Vec<usize> =
                probes.iter().filter(|probe| chain.starts_with(probe)).map(Vec::len).collect();
            ends.extend([0, chain.len()]);
            ends.sort_unstable();
            ends.dedup();
            let whole = if *red { mass(0, chain.len()) } else { 1.0 };
            for ends in ends.windows(2) {
                let (from, to) = (ends[0], ends[1]);
                let useful = mass(from, to) / whole;
                if to - from > 1
                    && useful >= self.rules.worthwhile
                    && best.is_none_or(|(most, ..)| useful > most)
                {
                    best = Some((useful, from + group::cut(to - from, self.failure), chain));
                }
            }
        }
        let (_, part, chain) = best?;
        let stack = self.stacked(&self.load, chain[..part].iter().copied());
        if stack.len() == self.load.len() { None } else { self.draft(Aim::Ahead, stack) }
    }
}
