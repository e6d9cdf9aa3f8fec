//! How many restarts there have been of late: a sliding window, without a clock.

use std::collections::VecDeque;
use std::time::Duration;

use crate::policy::Intensity;

/// The restarts of late: a sliding window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window(VecDeque<Duration>);

impl Window {
    /// Notes a restart at `now` and returns how many the window holds then.
    ///
    /// * `now` - time since any fixed moment; never before that of an earlier call.
    pub fn note(&mut self, intensity: Intensity, now: Duration) -> usize {
        while self.0.front().is_some_and(|at| now.saturating_sub(*at) > intensity.within) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        let held = self.0.len();
        // More than the excess itself is never asked for, so a flood costs no memory.
        if held > intensity.restarts as usize + 1 {
            self.0.pop_front();
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        /// Beside the window, the plain list of all moments.
        #[test]
        fn the_window_gives_up_exactly_when_the_list_of_all_moments_says_so(
            steps in proptest::collection::vec(0u64..8, 1..60),
            restarts in 0u32..5,
            within in 1u64..20,
        ) {
            let intensity = Intensity { restarts, within: Duration::from_secs(within) };
            let mut window = Window::default();
            let (mut now, mut all) = (0, Vec::new());
            for step in steps {
                now += step;
                all.push(now);
                let in_period = all.iter().filter(|at| now - **at <= within).count();
                let held = window.note(intensity, Duration::from_secs(now));
                prop_assert_eq!(held > restarts as usize, in_period > restarts as usize);
                prop_assert_eq!(held, in_period.min(restarts as usize + 2));
            }
        }
    }
}
