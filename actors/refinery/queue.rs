//! Which entry of the queue is tried next, and when a held one is tried again. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ids::MergeId;
use model::merge::{MergeRequest, MergeState};
use model::time::Timestamp;

/// The first wait before a held entry is tried again; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// When held entries were last tried, and how often in vain.
#[derive(Debug, Default)]
pub(super) struct Patience(BTreeMap<MergeId, (u32, Timestamp)>);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Try this one.
    Try(MergeId),
    /// Nothing can be tried before this time has passed.
    Wait(Duration),
    /// There is nothing to do.
    Rest,
}

impl Patience {
    /// Notes that `merge` could not land at `now` because something is in the way.
    pub(super) fn in_vain(&mut self, merge: &MergeId, now: Timestamp) {
        let (tries, at) = self.0.entry(merge.clone()).or_insert((0, now));
        *tries += 1;
        *at = now;
    }

    /// Says what is next in `queue`, which is in its order.
    pub(super) fn next(&mut self, queue: &[&MergeRequest], now: Timestamp) -> Next {
        self.0.retain(|id, _| queue.iter().any(|merge| merge.id == *id));
        let mut shortest = None;
        for merge in queue {
            let held = matches!(merge.state, MergeState::Held { .. });
            let wait = match self.0.get(&merge.id).filter(|_| held) {
                Some((tries, at)) => wait_after(*tries).saturating_sub(now.since(*at)),
                None => Duration::ZERO,
            };
            if wait.is_zero() {
                return Next::Try(merge.id.clone());
            }
            shortest = Some(shortest.map_or(wait, |shortest: Duration| shortest.min(wait)));
        }
        shortest.map_or(Next::Rest, Next::Wait)
    }
}

fn wait_after(tries: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::Seq;

    fn merge(id: &str, state: MergeState) -> MergeRequest {
        MergeRequest {
            id: id.parse().unwrap(),
            rig: "web".parse().unwrap(),
            bead: "web-1".parse().unwrap(),
            worker: "web/polecats/docs".parse().unwrap(),
            branch: "b".into(),
            head: "h".into(),
            priority: Default::default(),
            submitted_at: Timestamp::default(),
            queued_at: Seq(1),
            attempts: 1,
            faults: 0,
            tried_on: None,
            state,
            gates: Vec::new(),
            landed_at: None,
        }
    }

    #[test]
    fn a_held_entry_holds_up_nobody_and_is_tried_again_later() {
        let held = merge("mr-1", MergeState::Held { why: "x".into(), hint: None });
        let next = merge("mr-2", MergeState::Queued);
        let mut patience = Patience::default();
        let at = Timestamp::from_millis(0);
        // After a restart nothing is known: it is tried once.
        assert_eq!(patience.next(&[&held], at), Next::Try(held.id.clone()));
        patience.in_vain(&held.id, at);
        assert_eq!(patience.next(&[&held, &next], at), Next::Try(next.id.clone()));
        assert_eq!(patience.next(&[&held], at), Next::Wait(FIRST_WAIT));
        let later = at.plus(FIRST_WAIT);
        assert_eq!(patience.next(&[&held], later), Next::Try(held.id.clone()));
        patience.in_vain(&held.id, later);
        assert_eq!(patience.next(&[&held], later), Next::Wait(FIRST_WAIT * 2));
        assert_eq!(patience.next(&[], later), Next::Rest);
    }

    #[test]
    fn a_retry_asked_for_by_a_person_does_not_wait() {
        let mut patience = Patience::default();
        let queued = merge("mr-1", MergeState::Queued);
        patience.in_vain(&queued.id, Timestamp::default());
        assert_eq!(patience.next(&[&queued], Timestamp::default()), Next::Try(queued.id.clone()));
    }
}
