//! Who is before whom.
//!
//! A request's place is the time when it was handed in, plus one ageing period for each step of priority. That
//! number never changes while it waits: only those that come within a few periods can overtake it, however many
//! they are, so everybody's turn comes. What an urgent request waits for is as urgent.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::ids::{MergeId, Seq};

use crate::rules::Rules;
use crate::state::{Entry, State};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    cold: bool,
    time: i64,
    seq: Seq,
    /// How long a chain of requests waits for it: whoever waits comes later.
    needed: Reverse<usize>,
}

fn place(entry: &Entry, rules: &Rules) -> Place {
    let request = &entry.request;
    let ageing = i64::try_from(rules.ageing.as_millis()).unwrap_or(i64::MAX);
    let steps = i64::from(u8::from(request.priority));
    let time = request.since.millis().saturating_add(ageing.saturating_mul(steps));
    Place { cold: !request.hot, time, seq: request.seq, needed: Reverse(0) }
}

/// All entries, first things first.
pub(crate) fn order<'a>(state: &'a State, rules: &Rules) -> Vec<&'a Entry> {
    let mut lifted: BTreeMap<&MergeId, Place> = BTreeMap::new();
    for entry in state.entries.values().filter(|entry| !entry.request.after.is_empty()) {
        let own = place(entry, rules);
        let own = lifted.get(&entry.request.id).copied().unwrap_or(own).min(own);
        lift(state, rules, entry, own, &mut lifted);
    }
    let mut order: Vec<(Place, &Entry)> = state
        .entries
        .values()
        .map(|entry| {
            let own = place(entry, rules);
            (lifted.get(&entry.request.id).copied().unwrap_or(own).min(own), entry)
        })
        .collect();
    order.sort_by_key(|(place, entry)| (*place, &entry.request.id));
    order.into_iter().map(|(_, entry)| entry).collect()
}

/// Lifts what `entry` waits for to its place.
fn lift<'a>(
    state: &'a State,
    rules: &Rules,
    entry: &'a Entry,
    own: Place,
    lifted: &mut BTreeMap<&'a MergeId, Place>,
) {
    let Reverse(needed) = own.needed;
    // A circle waits for ever; it must not make us wait.
    if needed > state.entries.len() {
        return;
    }
    let place_below = Place { needed: Reverse(needed + 1), ..own };
    for below in entry.request.after.iter().filter_map(|id| state.entries.get(id)) {
        let before = lifted.get(&below.request.id).copied().unwrap_or_else(|| place(below, rules));
        if place_below < before {
            lifted.insert(&below.request.id, place_below);
            lift(state, rules, below, place_below, lifted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::request::Request;
    use model::time::Timestamp;

    const MINUTE: i64 = 60_000;

    fn request(id: &str, priority: u8, minute: i64, after: &[&str]) -> Request {
        let at = Timestamp::from_millis(minute * MINUTE);
        Request {
            priority: priority.try_into().unwrap(),
            after: after.iter().map(|id| id.parse().unwrap()).collect(),
            ..Request::new(id.parse().unwrap(), at, Seq(minute as u64))
        }
    }

    fn ordered(requests: &[Request]) -> String {
        let mut state = State::default();
        for request in requests {
            state.apply(&Record::Submitted { request: request.clone() });
        }
        let order = order(&state, &Rules::default());
        order.iter().map(|entry| entry.request.id.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn urgent_goes_first_but_nobody_waits_for_ever() {
        assert_eq!(ordered(&[request("low", 3, 0, &[]), request("high", 1, 10, &[])]), "high low");
        // Two steps of priority are an hour.
        assert_eq!(ordered(&[request("low", 3, 0, &[]), request("high", 1, 61, &[])]), "low high");
        let hot = Request { hot: true, ..request("hot", 4, 900, &[]) };
        assert_eq!(ordered(&[request("low", 0, 0, &[]), hot]), "hot low");
    }

    #[test]
    fn what_an_urgent_request_waits_for_is_as_urgent() {
        let requests = [
            request("other", 2, 1, &[]),
            request("base", 4, 5, &[]),
            request("middle", 4, 6, &["base"]),
            request("urgent", 0, 9, &["middle"]),
        ];
        assert_eq!(ordered(&requests), "base middle urgent other");
    }

    #[test]
    fn a_circle_is_ordered_like_anything_else() {
        let circle = [request("a", 2, 0, &["b"]), request("b", 2, 1, &["a"]), request("c", 1, 2, &[])];
        assert_eq!(ordered(&circle).split(' ').count(), 3);
    }
}
