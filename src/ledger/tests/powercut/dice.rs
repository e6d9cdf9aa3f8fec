//! Chance that can be had again.

/// A linear congruence, of which the upper bits are used.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number from 0 up to, and not, `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }

    /// A number from 0 up to `last`.
    pub(crate) fn upto(&mut self, last: usize) -> usize {
        usize::try_from(self.below(last as u64 + 1)).unwrap_or(last)
    }
}
