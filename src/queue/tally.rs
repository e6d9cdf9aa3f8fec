//! What this rig has taught: how often changes fail, gates lie, and changes disturb one another.
//!
//! Each is a Beta posterior: a prior, counts on top of it, and a slow forgetting, since rigs change.

use serde::{Deserialize, Serialize};

/// What was believed before anything was seen, and how many observations are remembered.
#[derive(Debug, Clone, Copy)]
struct Prior {
    hits: f64,
    misses: f64,
    memory: f64,
}

/// One change in ten fails.
const FAILURE: Prior = Prior { hits: 1.0, misses: 9.0, memory: 500.0 };
/// One run in fifty fails on a good tree: bad enough that a new rig tries everything twice.
const FLAKE: Prior = Prior { hits: 0.5, misses: 24.5, memory: 2_000.0 };
/// One pair in ten thousand of changes that are good apart is bad together.
const DISCORD: Prior = Prior { hits: 1.0, misses: 9_999.0, memory: 1_000_000.0 };

/// A rate that is learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    hits: f64,
    misses: f64,
}

impl Rate {
    fn note(&mut self, prior: Prior, hits: f64, misses: f64) {
        let keep = (1.0 - 1.0 / prior.memory).powf(hits + misses);
        self.hits = self.hits * keep + hits;
        self.misses = self.misses * keep + misses;
    }

    fn beta(self, prior: Prior) -> Beta {
        Beta { hits: prior.hits + self.hits, misses: prior.misses + self.misses }
    }
}

/// A Beta distribution of a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beta {
    /// Its first parameter.
    pub hits: f64,
    /// Its second.
    pub misses: f64,
}

impl Beta {
    /// The expected rate.
    pub fn mean(self) -> f64 {
        self.hits / (self.hits + self.misses)
    }

    /// The probability that the next `n` are all misses, with all that is unknown about the rate in it.
    pub fn none_of(self, n: usize) -> f64 {
        let all = self.hits + self.misses;
        (0..n).map(|i| (self.misses + i as f64) / (all + i as f64)).product()
    }
}

/// Everything that the queue has learned about its rig.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    failure: Rate,
    flake: Rate,
    discord: Rate,
}

impl Tally {
    /// How often a change fails.
    pub fn failure(&self) -> Beta {
        self.failure.beta(FAILURE)
    }

    /// How often a run of a good tree is red.
    pub fn flake(&self) -> Beta {
        self.flake.beta(FLAKE)
    }

    /// How often two changes that are good apart are bad together.
    pub fn discord(&self) -> Beta {
        self.discord.beta(DISCORD)
    }

    pub(crate) fn good_change(&mut self) {
        self.failure.note(FAILURE, 0.0, 1.0);
    }

    pub(crate) fn bad_change(&mut self) {
        self.failure.note(FAILURE, 1.0, 0.0);
    }

    pub(crate) fn true_green(&mut self) {
        self.flake.note(FLAKE, 0.0, 1.0);
    }

    pub(crate) fn false_reds(&mut self, weight: u32) {
        self.flake.note(FLAKE, f64::from(weight), 0.0);
    }

    pub(crate) fn in_accord(&mut self, pairs: f64) {
        self.discord.note(DISCORD, 0.0, pairs);
    }

    pub(crate) fn in_discord(&mut self) {
        self.discord.note(DISCORD, 1.0, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_learned_and_old_experience_fades() {
        let mut tally = Tally::default();
        assert!((tally.failure().mean() - 0.1).abs() < 1e-9);
        for _ in 0..2_000 {
            tally.good_change();
        }
        assert!(tally.failure().mean() < 0.003);
        for n in 0..2_000 {
            if n % 2 == 0 { tally.bad_change() } else { tally.good_change() }
        }
        assert!((tally.failure().mean() - 0.5).abs() < 0.03, "{:?}", tally.failure());
    }

    #[test]
    fn not_knowing_the_rate_makes_long_luck_likelier_than_its_mean_says() {
        let beta = Beta { hits: 1.0, misses: 9.0 };
        assert!((beta.none_of(1) - 0.9).abs() < 1e-12);
        assert!(beta.none_of(7) > 0.9_f64.powi(7));
        assert_eq!(beta.none_of(0), 1.0);
    }
}
