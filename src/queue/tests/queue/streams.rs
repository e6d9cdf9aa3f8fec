//! Random streams of requests, verdicts, pushes and restarts. The world of `support` checks each promise at each
//! step; at the end everybody has a fate.

use crate::support::{Fate, Push, World, id};
use gastown_queue::{Confirm, Record, Request, Rules, Verdict};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Submit {
        bad: bool,
        hot: bool,
        priority: u8,
        after: Option<usize>,
        discord: Option<usize>,
        clash: Option<usize>,
    },
    Plan,
    Finish(usize),
    Lie(usize),
    Lose(usize),
    Withdraw(usize),
    Hold(usize, bool),
    Prioritise(usize, u8, bool),
    Freeze(bool),
    Push(Push),
    Foreign {
        broken: bool,
    },
    Doubt,
    PushEnds(Push),
    Restart(Push),
}

fn rarely(back: std::ops::Range<usize>) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![8 => Just(None), 1 => back.prop_map(Some)]
}

fn ends() -> impl Strategy<Value = Push> {
    prop_oneof![Just(Push::Lands), Just(Push::Fails), Just(Push::Loses)]
}

fn step(lies: bool) -> impl Strategy<Value = Step> {
    let one = || 0..40_usize;
    let submit = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.05),
        0..5_u8,
        rarely(1..6),
        rarely(1..6),
        rarely(1..6),
    );
    prop_oneof![
        30 => submit.prop_map(|(bad, hot, priority, after, discord, clash)| {
            Step::Submit { bad, hot, priority, after, discord, clash }
        }),
        20 => Just(Step::Plan),
        40 => one().prop_map(Step::Finish),
        4 => one().prop_map(move |k| if lies { Step::Lie(k) } else { Step::Plan }),
        3 => one().prop_map(Step::Lose),
        2 => one().prop_map(Step::Withdraw),
        2 => (one(), any::<bool>()).prop_map(|(n, held)| Step::Hold(n, held)),
        2 => (one(), 0..5_u8, prop::bool::weighted(0.2)).prop_map(|(n, p, hot)| Step::Prioritise(n, p, hot)),
        1 => any::<bool>().prop_map(Step::Freeze),
        6 => prop_oneof![Just(Push::Fails), Just(Push::Loses), Just(Push::Hangs)].prop_map(Step::Push),
        6 => ends().prop_map(Step::PushEnds),
        1 => prop::bool::weighted(0.3).prop_map(|broken| Step::Foreign { broken }),
        1 => Just(Step::Doubt),
        2 => ends().prop_map(Step::Restart),
    ]
}

fn take(world: &mut World, step: Step, last: &mut usize) {
    match step {
        Step::Submit { bad, hot, priority, after, discord, clash } => {
            let n = *last;
            *last += 1;
            if bad {
                world.bad.insert(n);
            }
            let back = |by: Option<usize>| by.and_then(|by| n.checked_sub(by));
            world.discord.extend(back(discord).map(|other| (other, n)));
            world.clash.extend(back(clash).map(|other| (other, n)));
            let after = back(after).filter(|other| world.fates.get(other) != Some(&Fate::Landed)).map(id);
            let priority = priority.try_into().unwrap();
            let request = Request { hot, priority, after: after.into_iter().collect(), ..world.request() };
            world.submit(request);
        }
        Step::Plan => world.plan(),
        Step::Finish(k) if !world.running.is_empty() => world.finish(k % world.running.len()),
        Step::Lie(k) if !world.running.is_empty() => world.finish_as(k % world.running.len(), Verdict::Red),
        Step::Lose(k) if !world.running.is_empty() => world.finish_as(k % world.running.len(), Verdict::Lost),
        Step::Withdraw(n) => world.withdraw(n),
        Step::Hold(n, held) => {
            let records = world.queue.hold(&id(n), held).unwrap_or_default();
            world.carry_out(records);
        }
        Step::Prioritise(n, priority, hot) => {
            let records = world.queue.prioritise(&id(n), priority.try_into().unwrap(), hot);
            world.carry_out(records);
        }
        Step::Freeze(frozen) => {
            let records = world.queue.freeze(frozen);
            world.carry_out(records);
        }
        Step::Push(push) => world.pushes.push_back(push),
        Step::Foreign { broken } => world.foreign_push(broken, None),
        Step::Doubt => {
            let records = world.queue.doubt();
            world.carry_out(records);
        }
        Step::PushEnds(push) => world.push_ends(push),
        Step::Restart(push) => world.restart(push),
        _ => {}
    }
}

/// Lets everything go on undisturbed, and takes out what waits for what will not come.
fn come_to_rest(world: &mut World, last: usize) {
    world.pushes.clear();
    world.push_ends(Push::Fails);
    let thawed = world.queue.freeze(false);
    world.carry_out(thawed);
    for n in 0..last {
        let free = world.queue.hold(&id(n), false).unwrap();
        world.carry_out(free);
    }
    world.foreign_push(false, None);
    world.rest();
    while let Some(n) = (0..last).find(|n| {
        let waits = world.queue.state().entries().get(&id(*n));
        waits.is_some_and(|entry| !entry.request.after.is_empty())
    }) {
        world.withdraw(n);
        world.rest();
    }
    let left: Vec<_> = world.queue.state().entries().keys().collect();
    assert!(left.is_empty(), "{left:?} are still in the queue: {:#?}", world.queue.state());
    for n in 0..last {
        assert!(world.fates.contains_key(&n), "{n} has no fate");
    }
    // From the records alone comes the same memory.
    world.restart(Push::Lands);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(
        steps in prop::collection::vec(step(false), 1..150),
        runners in 1..9_usize,
        always: bool,
    ) {
        let confirm = if always { Confirm::Always } else { Confirm::Adaptive };
        let mut world = World::new(runners, Rules { confirm, ..Rules::default() });
        let mut last = 0;
        for step in steps {
            take(&mut world, step, &mut last);
        }
        come_to_rest(&mut world, last);
        for n in world.evicted() {
            let company = |pair: &&(usize, usize)| pair.0 == n || pair.1 == n;
            prop_assert!(world.bad.contains(&n) || world.discord.iter().any(|pair| company(&pair)));
        }
    }

    #[test]
    fn gates_that_lie_do_not_break_them_either(
        steps in prop::collection::vec(step(true), 1..150),
        runners in 1..9_usize,
    ) {
        let mut world = World::new(runners, Rules { confirm: Confirm::Always, ..Rules::default() });
        let mut last = 0;
        for step in steps {
            take(&mut world, step, &mut last);
        }
        come_to_rest(&mut world, last);
        // Nobody goes for one red run.
        let mut reds = 0;
        for record in &world.records {
            reds += usize::from(matches!(record, Record::Ended { verdict: Verdict::Red, gated: true, .. }));
        }
        prop_assert!(reds >= world.evicted().len());
    }

    #[test]
    fn a_stream_of_good_changes_all_lands(many in 1..120_usize, runners in 1..9_usize) {
        let mut world = World::new(runners, Rules::default());
        world.submit_many(many);
        world.rest();
        prop_assert_eq!(world.landed().len(), many);
    }
}
