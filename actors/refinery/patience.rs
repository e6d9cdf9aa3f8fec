//! When a request that is held by something outside is tried again. Pure.

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

/// What there is to do about held requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// This one can be tried again.
    pub trial: Option<MergeId>,
    /// When there is none: how long until there is one.
    pub wait: Option<Duration>,
}

impl Patience {
    /// Notes that `merge` could not land at `now` because something is in the way.
    pub(super) fn in_vain(&mut self, merge: &MergeId, now: Timestamp) {
        let (tries, at) = self.0.entry(merge.clone()).or_insert((0, now));
        *tries += 1;
        *at = now;
    }

    /// Says which held request of `queue`, which is in its order, is tried next. One at a time: if a push was declined,
    /// it shows whose it was.
    pub(super) fn due(&mut self, queue: &[&MergeRequest], now: Timestamp) -> Due {
        self.0.retain(|id, _| queue.iter().any(|merge| merge.id == *id));
        let mut due = Due::default();
        for merge in queue {
            if !matches!(merge.state, MergeState::Held { .. }) || merge.kept.is_some() {
                continue;
            }
            let wait = match self.0.get(&merge.id) {
                Some((tries, at)) => wait_after(*tries).saturating_sub(now.since(*at)),
                None => Duration::ZERO,
            };
            if wait.is_zero() {
                return Due { trial: Some(merge.id.clone()), wait: None };
            }
            due.wait = Some(due.wait.map_or(wait, |shortest| shortest.min(wait)));
        }
        due
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
            hot: false,
            kept: None,
        }
    }

    #[test]
    fn a_held_request_holds_up_nobody_and_is_tried_again_later() {
        let held = merge("mr-1", MergeState::Held { why: "x".into(), hint: None });
        let next = merge("mr-2", MergeState::Queued);
        let mut patience = Patience::default();
        let at = Timestamp::from_millis(0);
        let trial = || Due { trial: Some(held.id.clone()), wait: None };
        let wait = |wait| Due { trial: None, wait: Some(wait) };
        // After a restart nothing is known: it is tried once.
        assert_eq!(patience.due(&[&held], at), trial());
        patience.in_vain(&held.id, at);
        assert_eq!(patience.due(&[&held, &next], at), wait(FIRST_WAIT));
        let later = at.plus(FIRST_WAIT);
        assert_eq!(patience.due(&[&held], later), trial());
        patience.in_vain(&held.id, later);
        assert_eq!(patience.due(&[&held], later), wait(FIRST_WAIT * 2));
        assert_eq!(patience.due(&[&next], later), Due::default());
    }

    #[test]
    fn what_a_person_keeps_is_not_tried() {
        let held = merge("mr-1", MergeState::Held { why: "x".into(), hint: None });
        let kept = MergeRequest { kept: Some("later".into()), ..held };
        assert_eq!(Patience::default().due(&[&kept], Timestamp::default()), Due::default());
    }
}
