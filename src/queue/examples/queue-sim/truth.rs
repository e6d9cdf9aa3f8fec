//! What is so, as opposed to what the queue finds out: which changes are bad, and which do not go together.

use crate::options::Options;
use crate::rng::Rng;

/// One change of the stream.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// Every tree with it is red.
    pub(crate) bad: bool,
    /// Every tree with it and one of these is red.
    pub(crate) discord: Vec<usize>,
    /// It cannot be merged onto a tree with one of these.
    pub(crate) clash: Vec<usize>,
    /// It needs this one.
    pub(crate) needs: Option<usize>,
    /// The part of the code that it touches.
    pub(crate) area: usize,
    /// What it does to a tree's hash.
    pub(crate) hash: u64,
}

/// All changes there will ever be.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) changes: Vec<Change>,
}

impl Truth {
    /// A stream for these options: the same for the same seed, whoever lands it.
    pub(crate) fn new(options: &Options) -> Self {
        let mut rng = Rng::new(options.seed);
        let mut changes: Vec<Change> = Vec::with_capacity(options.changes);
        for n in 0..options.changes {
            let near = |rng: &mut Rng| n.checked_sub(1 + rng.below(20));
            let bad = rng.chance(options.failure_rate);
            let area = rng.below(options.areas);
            // Those of one area disturb one another.
            let other = |rng: &mut Rng, changes: &[Change]| {
                (0..50).filter_map(|_| near(rng)).find(|other| changes[*other].area == area)
            };
            let discord = if rng.chance(options.discord) { other(&mut rng, &changes) } else { None };
            let clash = if rng.chance(options.clash) { other(&mut rng, &changes) } else { None };
            let needs = if rng.chance(options.depends) { near(&mut rng) } else { None };
            let hash = rng.next();
            for (other, both) in [(discord, true), (clash, false)] {
                let Some(other) = other else { continue };
                if both { changes[other].discord.push(n) } else { changes[other].clash.push(n) }
            }
            let (discord, clash) = (discord.into_iter().collect(), clash.into_iter().collect());
            changes.push(Change { bad, discord, clash, needs, area, hash });
        }
        Truth { changes }
    }

    /// Whether `stack` on top of what has `landed` is green.
    pub(crate) fn is_green(&self, landed: &[bool], stack: &[usize]) -> bool {
        stack.iter().all(|n| self.fits(landed, stack, *n))
    }

    /// Whether `n` is good by itself and with what has landed and stands in `stack`.
    pub(crate) fn fits(&self, landed: &[bool], stack: &[usize], n: usize) -> bool {
        let change = &self.changes[n];
        !change.bad && !change.discord.iter().any(|other| landed[*other] || stack.contains(other))
    }
}
