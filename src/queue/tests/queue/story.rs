//! What the queue does in single situations.

use crate::support::{Fate, Push, World, id};
use std::time::Duration;

use gastown_queue::why::{Why, why};
use gastown_queue::{Confirm, Queue, Record, Request, Rules, Tree, Verdict};
use model::ids::Seq;
use model::time::Timestamp;

fn world(runners: usize) -> World {
    let mut world = World::new(runners, Rules::default());
    // The target is known to be green, as it is from the first landing on.
    world.submit_many(1);
    world.rest();
    world.gated.clear();
    world
}

#[test]
fn a_red_batch_is_cut_at_its_first_bad_change_and_what_stood_before_it_lands() {
    let mut world = world(1);
    world.bad.insert(4);
    world.submit_many(7);
    world.rest();
    assert_eq!(world.landed(), [0, 1, 2, 3, 5, 6, 7]);
    assert_eq!(world.evicted(), [4]);
    // All of them; 1-4; 1-2, green; 3, green; 4 by itself, for the second time on that tree; 5-7.
    assert!(world.gated.len() <= 6, "{:?}", world.gated);
}

#[test]
fn with_as_many_runners_as_changes_each_is_tested_on_top_of_those_before_it() {
    let mut world = world(4);
    world.submit_many(4);
    world.plan();
    let mut stacks = world.stacks();
    stacks.sort();
    assert_eq!(stacks, [vec![1], vec![1, 2], vec![1, 2, 3], vec![1, 2, 3, 4]]);
    while !world.running.is_empty() {
        world.finish(0);
    }
    assert_eq!(world.landed(), [0, 1, 2, 3, 4], "one CI duration for all four");
}

#[test]
fn what_fails_is_taken_out_and_only_what_stood_on_it_is_run_again() {
    let mut world = world(4);
    world.bad.insert(2);
    world.submit_many(4);
    world.plan();
    let at = world.stacks().iter().position(|stack| *stack == [1, 2]).unwrap();
    world.finish(at);
    assert_eq!(world.stacks(), [[1]], "what stood on 2 is ended at once, what did not goes on");
    world.rest();
    assert_eq!((world.landed(), world.evicted()), (vec![0, 1, 3, 4], vec![2]));
}

#[test]
fn what_stands_on_a_change_that_lands_needs_no_other_run() {
    let mut world = world(2);
    world.submit_many(1);
    world.plan();
    world.submit_many(1);
    world.plan();
    assert_eq!(world.stacks(), [vec![1], vec![1, 2]]);
    world.finish(0);
    assert_eq!(world.landed(), [0, 1]);
    world.finish(0);
    assert_eq!(world.landed(), [0, 1, 2]);
    assert_eq!(world.gated.len(), 2);
}

#[test]
fn a_tree_that_was_red_is_tried_once_more_and_a_green_one_makes_the_gate_flaky() {
    let mut world = world(1);
    world.submit_many(1);
    world.plan();
    world.finish_as(0, Verdict::Red);
    assert!(world.evicted().is_empty());
    world.plan();
    world.finish_as(0, Verdict::Green);
    assert_eq!(world.landed(), [0, 1]);
    let flaky = world.records.iter().filter(|r| matches!(r, Record::Flaky { same: true, .. })).count();
    assert_eq!((flaky, world.queue.state().memo().flaky()), (1, 1));
    assert_eq!(world.gated[0], world.gated[1]);
}

/// Lands or evicts one change, alone on one runner; how many gate runs that took.
fn alone(queue: &mut Queue, n: u64, good: bool) -> usize {
    let mut runs = 0;
    queue.submit(Request::new(id(n as usize), Timestamp::from_millis(n as i64), Seq(n)));
    while !queue.state().entries().is_empty() {
        for record in queue.plan(1) {
            let Record::Started { run } = record else { continue };
            // The target as it is, or with the change.
            let tree = if run.stack.is_empty() { queue.state().landed() } else { n };
            let built = queue.built(run.id, Tree::new(format!("{tree} on {}", queue.state().landed())));
            if !built.iter().any(|record| matches!(record, Record::Built { gate: true, .. })) {
                continue;
            }
            runs += 1;
            let green = good || run.stack.is_empty();
            queue.ended(run.id, if green { Verdict::Green } else { Verdict::Red });
            queue.landed(run.id);
        }
    }
    runs
}

#[test]
fn a_gate_with_a_record_of_honesty_is_believed_at_once_but_for_a_sample() {
    for (confirm, once) in [(Confirm::Adaptive, true), (Confirm::Always, false)] {
        let mut queue = Queue::new(Rules { confirm, ..Rules::default() });
        assert_eq!(alone(&mut queue, 1, true), 1);
        assert_eq!(alone(&mut queue, 2, false), 2, "a new rig tries everything twice");
        let good = (3..2_000).map(|n| alone(&mut queue, n, true)).sum::<usize>();
        assert_eq!(good, 1_997);
        let bad: Vec<usize> = (2_000..2_100).map(|n| alone(&mut queue, n, false)).collect();
        let twice = bad.iter().filter(|runs| **runs == 2).count();
        assert!(if once { (1..40).contains(&twice) } else { twice == 100 }, "{confirm:?}: {twice} of 100");
    }
}

#[test]
fn of_two_that_are_good_apart_and_bad_together_the_later_goes() {
    for runners in [1, 2, 3, 8] {
        let mut world = world(runners);
        world.discord.push((2, 9));
        world.submit_many(40);
        world.rest();
        assert_eq!(world.evicted().len(), 1, "{runners}");
        assert!([2, 9].contains(&world.evicted()[0]), "{runners}");
        assert_eq!(world.landed().len(), 40, "{runners}");
    }
}

#[test]
fn a_push_that_fails_is_repeated_without_a_gate_run() {
    let mut world = world(1);
    world.pushes.push_back(Push::Fails);
    world.submit_many(1);
    world.rest();
    assert_eq!((world.landed(), world.gated.len()), (vec![0, 1], 1));
}

#[test]
fn when_the_target_moves_the_new_tree_is_gated() {
    let mut world = world(1);
    world.pushes.push_back(Push::Loses);
    world.submit_many(1);
    world.rest();
    assert_eq!((world.landed(), world.gated.len()), (vec![0, 1], 2));
}

#[test]
fn nobody_is_evicted_for_a_target_that_others_have_broken_and_who_mends_it_lands() {
    let mut world = world(1);
    world.bad.insert(1);
    world.foreign_push(true, Some(3));
    world.submit_many(3);
    world.rest();
    assert!(world.records.iter().any(|record| matches!(record, Record::TargetRed { .. })));
    assert_eq!((world.landed(), world.evicted()), (vec![0, 2, 3], vec![1]));

    world.foreign_push(true, None);
    world.submit_many(2);
    world.rest();
    assert!(world.queue.target_is_red() && world.landed().len() == 3);
    let rules = Rules::default();
    assert_eq!(why(world.queue.state(), &rules, &id(4)), Some(Why::TargetRed));
    world.foreign_push(false, None);
    world.rest();
    assert_eq!(world.landed().len(), 5);
}

#[test]
fn a_hot_fix_does_not_wait_for_a_runner_nor_for_a_thaw() {
    let mut world = world(1);
    world.submit_many(5);
    world.plan();
    let frozen = world.queue.freeze(true);
    world.carry_out(frozen);
    let hot = Request { hot: true, ..world.request() };
    world.submit(hot);
    world.plan();
    assert_eq!(world.stacks(), [[6]], "the run under way makes room");
    world.finish(0);
    world.rest();
    assert_eq!(world.landed(), [0, 6]);
    assert_eq!(why(world.queue.state(), world.queue.rules(), &id(1)), Some(Why::Frozen));
    let thawed = world.queue.freeze(false);
    world.carry_out(thawed);
    world.rest();
    assert_eq!(world.landed().len(), 7);
}

#[test]
fn nothing_lands_before_what_it_needs() {
    let mut world = world(3);
    let mut first = world.request();
    let second = world.request();
    first.after.insert(id(2));
    world.bad.insert(2);
    world.submit(first);
    world.submit(second);
    world.submit_many(2);
    world.rest();
    assert_eq!((world.landed(), world.evicted()), (vec![0, 3, 4], vec![2]));
    let rules = Rules::default();
    assert_eq!(why(world.queue.state(), &rules, &id(1)), Some(Why::After { needed: vec![id(2)] }));
}

#[test]
fn those_that_do_not_merge_wait_for_one_another_and_hold_up_nobody() {
    let mut world = world(2);
    world.clash.push((1, 3));
    world.submit_many(6);
    world.rest();
    assert_eq!(world.fates[&3], Fate::Gone, "it conflicts with the target then, and goes back");
    assert_eq!(world.landed(), [0, 1, 2, 4, 5, 6]);
}

#[test]
fn a_held_request_stays_until_it_is_free() {
    let mut world = world(2);
    world.submit_many(3);
    world.plan();
    let held = world.queue.hold(&id(2), true).unwrap();
    world.carry_out(held);
    world.rest();
    assert_eq!(world.landed(), [0, 1, 3]);
    assert_eq!(why(world.queue.state(), &Rules::default(), &id(2)), Some(Why::Held));
    let free = world.queue.hold(&id(2), false).unwrap();
    world.carry_out(free);
    world.rest();
    assert_eq!(world.landed(), [0, 1, 2, 3]);
}

#[test]
fn other_gates_are_run_on_what_the_old_ones_have_passed() {
    let mut world = world(1);
    world.submit_many(2);
    world.plan();
    let doubt = world.queue.doubt();
    world.carry_out(doubt);
    assert!(world.running.is_empty());
    world.rest();
    assert_eq!(world.landed(), [0, 1, 2]);
}

#[test]
fn a_restart_loses_no_verdict() {
    let mut world = world(1);
    world.bad.insert(4);
    world.submit_many(7);
    while world.evicted().is_empty() {
        world.plan();
        world.finish(0);
        world.restart(Push::Fails);
    }
    world.rest();
    assert_eq!(world.landed(), [0, 1, 2, 3, 5, 6, 7]);
    assert!(world.gated.len() <= 6, "{:?}", world.gated);
}

#[test]
fn a_stream_of_urgent_requests_does_not_keep_a_patient_one_out() {
    let mut world = World::new(1, Rules { ageing: Duration::from_millis(10), batch: 1, ..Rules::default() });
    let patient = Request { priority: 4.try_into().unwrap(), ..world.request() };
    world.submit(patient);
    let urgent = |world: &mut World| {
        let request = Request { priority: 0.try_into().unwrap(), ..world.request() };
        world.submit(request);
    };
    // Two come for each that lands. Four steps of priority are the first forty of them.
    for landed in 0..60 {
        urgent(&mut world);
        urgent(&mut world);
        world.plan();
        world.finish(0);
        if world.fates.contains_key(&0) {
            assert!((30..45).contains(&landed), "{landed}");
            return;
        }
    }
    panic!("it is still waiting");
}
