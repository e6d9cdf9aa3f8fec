//! What is known of trees: each is gated until it was green once, or red twice.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::record::Tree;

/// How many trees are remembered; then the oldest go. One comes back when a change is pushed again or reverted.
const MOST: usize = 10_000;

/// What is known of one tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// It was green at least once.
    pub green: bool,
    /// How often it was red.
    pub reds: u32,
}

impl Known {
    /// Whether it was both.
    pub fn is_flaky(self) -> bool {
        self.green && self.reds > 0
    }
}

/// What is known of all trees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    trees: BTreeMap<Tree, Known>,
    oldest: VecDeque<Tree>,
    flaky: u64,
}

impl Memo {
    /// What is known of `tree`.
    pub fn of(&self, tree: &Tree) -> Known {
        self.trees.get(tree).copied().unwrap_or_default()
    }

    /// How many trees were both red and green.
    pub fn flaky(&self) -> u64 {
        self.flaky
    }

    /// Notes how a gate run of `tree` ended.
    pub(crate) fn note(&mut self, tree: &Tree, green: bool) {
        if !self.trees.contains_key(tree) {
            self.oldest.push_back(tree.clone());
            if self.oldest.len() > MOST
                && let Some(oldest) = self.oldest.pop_front()
            {
                self.trees.remove(&oldest);
            }
        }
        let known = self.trees.entry(tree.clone()).or_default();
        let before = known.is_flaky();
        if green {
            known.green = true;
        } else {
            known.reds += 1;
        }
        self.flaky += u64::from(known.is_flaky() && !before);
    }
}
