//! `needs` to an order in which steps can be done.
//!
//! Kahn's algorithm with a queue ordered by place in the file, so that the order is as near to the file as
//! it can be and always the same. Nothing here recurses: a chain of ten thousand steps is an ordinary one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Why there is no order. Numbers are places in what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tangle {
    /// Two nodes have one name.
    Duplicate {
        /// The first of that name.
        first: usize,
        /// The second.
        second: usize,
    },
    /// A node needs a name that no node has.
    Unknown {
        /// Which.
        node: usize,
        /// Which of its needs.
        need: usize,
    },
    /// Nodes need each other: each the next, the last the first.
    Cycle(Vec<usize>),
}

/// Returns the nodes' places in an order in which each comes after all that it needs.
///
/// `nodes` are names and the names that each needs. All duplicates and unknown names are told; only if
/// there are none, one cycle.
pub fn order<S: AsRef<str>>(nodes: &[(S, Vec<S>)]) -> Result<Vec<usize>, Vec<Tangle>> {
    let mut tangles = Vec::new();
    let mut places = HashMap::with_capacity(nodes.len());
    for (place, (name, _)) in nodes.iter().enumerate() {
        match places.entry(name.as_ref()) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(place);
            }
            std::collections::hash_map::Entry::Occupied(entry) => {
                tangles.push(Tangle::Duplicate { first: *entry.get(), second: place });
            }
        }
    }

    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (place, (_, names)) in nodes.iter().enumerate() {
        for (index, name) in names.iter().enumerate() {
            match places.get(name.as_ref()) {
                Some(&needed) => {
                    needs[place].push(needed);
                    needed_by[needed].push(place);
                }
                None => tangles.push(Tangle::Unknown { node: place, need: index }),
            }
        }
    }
    if !tangles.is_empty() {
        return Err(tangles);
    }

    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut free: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|place| waiting[*place] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(place)) = free.pop() {
        order.push(place);
        for &follower in &needed_by[place] {
            waiting[follower] -= 1;
            if waiting[follower] == 0 {
                free.push(Reverse(follower));
            }
        }
    }
    if order.len() < nodes.len() {
        return Err(vec![Tangle::Cycle(cycle(&needs, &waiting))]);
    }
    Ok(order)
}

/// Returns one cycle among the nodes that still wait. Each of them needs another that waits, so a walk along
/// such needs must come to a node twice.
fn cycle(needs: &[Vec<usize>], waiting: &[usize]) -> Vec<usize> {
    let mut path = Vec::new();
    let mut seen_at: HashMap<usize, usize> = HashMap::new();
    let mut next = waiting.iter().position(|count| *count > 0);
    while let Some(place) = next {
        if let Some(start) = seen_at.insert(place, path.len()) {
            path.drain(..start);
            break;
        }
        path.push(place);
        next = needs[place].iter().copied().find(|needed| waiting[*needed] > 0);
    }
    // The smallest place first, so that the message is the same wherever the walk began.
    if let Some(smallest) = (0..path.len()).min_by_key(|index| path[*index]) {
        path.rotate_left(smallest);
    }
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(nodes: &[(&str, &[&str])]) -> Result<Vec<usize>, Vec<Tangle>> {
        let nodes: Vec<(String, Vec<String>)> = nodes
            .iter()
            .map(|(name, needs)| ((*name).to_owned(), needs.iter().map(ToString::to_string).collect()))
            .collect();
        order(&nodes)
    }

    #[test]
    fn the_order_is_that_of_the_file_as_far_as_it_can_be() {
        assert_eq!(graph(&[]), Ok(vec![]));
        assert_eq!(graph(&[("a", &[]), ("b", &[]), ("c", &["a"])]), Ok(vec![0, 1, 2]));
        assert_eq!(graph(&[("a", &["c"]), ("b", &[]), ("c", &[])]), Ok(vec![1, 2, 0]));
        assert_eq!(graph(&[("a", &["b", "b"]), ("b", &[])]), Ok(vec![1, 0]));
    }

    #[test]
    fn strangers_twins_and_cycles_are_named() {
        assert_eq!(
            graph(&[("a", &["x"]), ("a", &["a", "y"])]),
            Err(vec![
                Tangle::Duplicate { first: 0, second: 1 },
                Tangle::Unknown { node: 0, need: 0 },
                Tangle::Unknown { node: 1, need: 1 }
            ])
        );
        assert_eq!(graph(&[("a", &["a"])]), Err(vec![Tangle::Cycle(vec![0])]));
        assert_eq!(
            graph(&[("start", &["b"]), ("a", &["c"]), ("b", &["a"]), ("c", &["b"]), ("end", &["c"])]),
            Err(vec![Tangle::Cycle(vec![1, 3, 2])])
        );
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_is_no_problem() {
        let count = 100_000;
        let needs = |place: usize| if place + 1 < count { vec![format!("s{}", place + 1)] } else { vec![] };
        let nodes: Vec<(String, Vec<String>)> =
            (0..count).map(|place| (format!("s{place}"), needs(place))).collect();
        assert_eq!(order(&nodes).unwrap(), (0..count).rev().collect::<Vec<_>>());

        let mut ring = nodes;
        ring[count - 1].1.push("s0".to_owned());
        assert_eq!(order(&ring), Err(vec![Tangle::Cycle((0..count).collect())]));
    }

    proptest! {
        #[test]
        fn any_graph_gives_an_order_that_holds_or_a_cycle_that_is_one(
            edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..24)
        ) {
            let nodes: Vec<(String, Vec<String>)> = (0..12)
                .map(|place| {
                    let needs = edges.iter().filter(|edge| edge.0 == place).map(|edge| edge.1.to_string());
                    (place.to_string(), needs.collect())
                })
                .collect();
            match order(&nodes) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), 12);
                    let at = |place| order.iter().position(|other| *other == place);
                    for (node, need) in edges {
                        prop_assert!(at(need) < at(node));
                    }
                }
                Err(tangles) => {
                    let [Tangle::Cycle(cycle)] = &tangles[..] else { panic!("{tangles:?}") };
                    prop_assert!(!cycle.is_empty());
                    for (index, node) in cycle.iter().enumerate() {
                        prop_assert!(edges.contains(&(*node, cycle[(index + 1) % cycle.len()])));
                    }
                }
            }
        }
    }
}
