//! How many changes are tested at once, and where a red group is cut: group testing, derived in `docs/queue.md`.
//!
//! Changes fail independently with rate `p`; `q = 1 - p`. Testing prefixes of a queue until the first bad change is
//! found, and beginning anew behind it, asks the same yes-no questions as a binary code for the distance between two
//! bad changes, which is geometric. The best such code is known (Golomb 1966; Gallager and Van Voorhis 1975): a
//! question about the next `m` as a whole, and if the answer is red a Huffman code within the `m`.

use crate::tally::Beta;

/// Entropy of a change's fate, in bits: nothing can ask fewer questions per change. Shannon's.
pub fn entropy(p: f64) -> f64 {
    let term = |x: f64| if x > 0.0 { -x * x.log2() } else { 0.0 };
    term(p) + term(1.0 - p)
}

/// The fewest gate runs per merged change that any queue can do with, at failure rate `p`.
pub fn bound(p: f64) -> f64 {
    entropy(p) / (1.0 - p)
}

/// The failure rate above which testing one by one is best: (3 - √5) / 2. Ungar 1960.
pub fn cut_off() -> f64 {
    (3.0 - 5.0_f64.sqrt()) / 2.0
}

/// The group size that needs the fewest runs: the least `m` with `E[q^m] + E[q^(m+1)] ≤ 1`, at most `most`.
///
/// It is 1 as soon as `q + q² ≤ 1`, which is [`cut_off`].
pub fn size(failure: Beta, most: usize) -> usize {
    (1..most.max(1)).find(|m| failure.none_of(*m) + failure.none_of(m + 1) <= 1.0).unwrap_or(most.max(1))
}

/// How many of `w` to test first, when it is known that at least one of them is bad; `1..w`, and 1 for less than two.
///
/// The first bad one is at place `k` with a probability in proportion to `q^k`. What is left after an answer is the
/// same question on fewer changes, so one row of a table says it all.
pub fn cut(w: usize, p: f64) -> usize {
    search(w, p).1
}

/// The expected number of runs to find the first bad of `w`, when there is one.
pub fn search_cost(w: usize, p: f64) -> f64 {
    search(w, p).0
}

fn search(w: usize, p: f64) -> (f64, usize) {
    let q = 1.0 - p.clamp(1e-6, 1.0 - 1e-6);
    // upto[n] is in proportion to the probability that the first bad one is among the first n.
    let upto: Vec<f64> = (0..=w).map(|n| 1.0 - q.powi(i32::try_from(n).unwrap_or(i32::MAX))).collect();
    let mut best = vec![(0.0, 1); w.max(1) + 1];
    for n in 2..=w {
        let cost = |j: usize| {
            let left = upto[j] / upto[n];
            1.0 + left * best[j].0 + (1.0 - left) * best[n - j].0
        };
        let at = (1..n).map(|j| (cost(j), j)).min_by(|a, b| a.0.total_cmp(&b.0));
        best[n] = at.unwrap_or((0.0, 1));
    }
    best[w]
}

/// The expected number of runs per merged change of one runner that tests groups of `m`.
pub fn cost(p: f64, m: usize) -> f64 {
    let red = 1.0 - (1.0 - p).powi(i32::try_from(m).unwrap_or(i32::MAX));
    // Between two bad changes: one run for each group up to the red one, and the search in it.
    p * (1.0 / red + search_cost(m, p)) / (1.0 - p)
}

/// The longest stack that is worth a run when `runs` prefixes of it are tested at once: the place up to which the
/// first bad change lies with probability `runs / (runs + 1)`.
pub fn reach(runs: usize, p: f64) -> usize {
    let q = 1.0 - p.clamp(1e-6, 1.0 - 1e-6);
    ((-((runs + 1) as f64).ln() / q.ln()).round() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A rate of which nothing is left to learn.
    fn sure(p: f64) -> Beta {
        Beta { hits: p * 1e9, misses: (1.0 - p) * 1e9 }
    }

    #[test]
    fn the_size_is_golombs() {
        for (p, m) in [(0.01, 69), (0.05, 14), (0.1, 7), (0.2, 3), (0.3, 2), (0.38, 2), (0.383, 1), (0.9, 1)]
        {
            assert_eq!(size(sure(p), 100), m, "{p}");
        }
        assert_eq!(size(sure(0.01), 64), 64);
    }

    #[test]
    fn one_by_one_is_best_above_the_cut_off_and_nowhere_below() {
        assert!((cut_off() - 0.381_966).abs() < 1e-6);
        assert_eq!(size(sure(cut_off() + 1e-3), 64), 1);
        assert_eq!(size(sure(cut_off() - 1e-3), 64), 2);
    }

    #[test]
    fn the_cost_is_within_a_few_hundredths_of_the_bound() {
        for (p, expected) in [(0.1, 0.525), (0.05, 0.304), (0.01, 0.082)] {
            let cost = cost(p, size(sure(p), 100));
            assert!((cost - expected).abs() < 0.001, "{p}: {cost}");
            assert!(cost >= bound(p) && cost < bound(p) * 1.02, "{p}: {cost} {}", bound(p));
        }
        assert!((bound(0.1) - 0.521).abs() < 0.001 && (bound(0.05) - 0.301).abs() < 0.001);
    }

    proptest! {
        #[test]
        fn no_other_size_costs_less(p in 0.02..0.6f64, m in 1usize..80) {
            let best = size(sure(p), 100);
            prop_assert!(cost(p, m) >= cost(p, best) - 1e-9, "{m} beats {best}");
        }

        #[test]
        fn a_cut_leaves_something_on_both_sides(w in 2usize..100, p in 0.0..1.0f64) {
            prop_assert!((1..w).contains(&cut(w, p)));
        }
    }
}
