//! When everything stood still: now, and before, since that time does not count.

use std::time::Duration;

use model::answer::Pause;
use model::event::{Event, Record};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How many past freezes are remembered. What was measured from before an older one counts it in.
const REMEMBERED: usize = 64;

/// When everything stood still.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Freezes {
    now: Option<Pause>,
    /// From and until, oldest first.
    past: Vec<(Timestamp, Timestamp)>,
}

impl Freezes {
    /// Since when, by whom and why everything stands still, if it does.
    pub fn now(&self) -> Option<&Pause> {
        self.now.as_ref()
    }

    /// When `at` would have been, had the town stood still never since: what is measured from then has
    /// not counted the time between.
    pub fn skipped(&self, at: Timestamp) -> Timestamp {
        let stood = |(from, until): &(Timestamp, Timestamp)| until.since(at.max(*from));
        at.plus(self.past.iter().map(stood).sum::<Duration>())
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            // Frozen again, it is still frozen since the first time.
            Event::TownFrozen { reason } if self.now.is_none() => {
                self.now = Some(Pause { since: record.at, by: record.actor.clone(), reason: reason.clone() });
            }
            Event::TownThawed { .. } => {
                if let Some(pause) = self.now.take() {
                    let drop = (self.past.len() + 1).saturating_sub(REMEMBERED);
                    self.past.drain(..drop);
                    self.past.push((pause.since, record.at));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use model::ids::Seq;
    use model::role::Address;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn freezes(spans: &[(i64, i64)]) -> Freezes {
        let mut freezes = Freezes::default();
        let mut apply = |seconds, event| {
            freezes.apply(&Record { seq: Seq(1), at: at(seconds), actor: Address::Overseer, event });
        };
        for (from, until) in spans {
            apply(*from, Event::TownFrozen { reason: Some("x".into()) });
            apply(*from + 1, Event::TownFrozen { reason: None });
            apply(*until, Event::TownThawed { since: at(0) });
        }
        freezes
    }

    #[test]
    fn the_time_of_a_freeze_does_not_count() {
        let freezes = freezes(&[(10, 20), (30, 35)]);
        for (measured_from, counted_from) in [(0, 15), (9, 24), (12, 25), (20, 25), (32, 35), (40, 40)] {
            assert_eq!(freezes.skipped(at(measured_from)), at(counted_from), "{measured_from}");
        }
        assert_eq!(freezes.now(), None);
    }

    #[test]
    fn frozen_twice_is_frozen_since_the_first_time_and_thawed_twice_is_thawed_once() {
        let mut freezes = freezes(&[]);
        let apply = |freezes: &mut Freezes, seconds, event| {
            freezes.apply(&Record { seq: Seq(1), at: at(seconds), actor: Address::Overseer, event });
        };
        apply(&mut freezes, 1, Event::TownFrozen { reason: Some("first".into()) });
        apply(&mut freezes, 2, Event::TownFrozen { reason: Some("second".into()) });
        assert_eq!(
            freezes.now().map(|pause| (pause.since, pause.reason.as_deref())),
            Some((at(1), Some("first")))
        );
        apply(&mut freezes, 5, Event::TownThawed { since: at(0) });
        apply(&mut freezes, 9, Event::TownThawed { since: at(0) });
        assert_eq!(freezes.skipped(at(0)), at(4));
    }

    #[test]
    fn old_freezes_are_forgotten() {
        let spans: Vec<(i64, i64)> = (0..200).map(|n| (n * 10, n * 10 + 5)).collect();
        assert_eq!(freezes(&spans).past.len(), REMEMBERED);
    }
}
