//! An old incarnation and its successor never live at the same time. On two threads and real time,
//! where races are.

use std::time::Duration;

use ractor::ActorRef;
use supervisors::TownEnd;
use supervisors::policy::Strategy::{OneForAll, OneForOne};
use supervisors::policy::{Restart, Shutdown};
use supervisors::spec::DynChild;

use crate::support::{Habits, Order, Stage};

const GRACE: Duration = Duration::from_secs(60);

/// Ends whoever bears the name in one of all ways.
async fn end_somehow(stage: &Stage, name: &str, way: usize) {
    match way % 4 {
        0 => stage.order(name, Order::Fail).await,
        1 => stage.order(name, Order::Panic).await,
        2 => stage.order(name, Order::Quit).await,
        _ => {
            stage.until(|_| stage.desk().kill(name).is_ok()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_thousand_restarts_no_state_meets_its_successor() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 100_000, &["a"])).await;
    for way in 0..1_000 {
        let seen = stage.incarnations("a");
        end_somehow(&stage, "a", way).await;
        stage.until(|_| stage.incarnations("a") > seen).await;
    }
    assert_eq!(stage.overlaps(), [""; 0]);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_in_a_group_where_several_end_at_once() {
    let stage = Stage::new();
    let names = ["a", "b", "c", "d"];
    let town = stage.start(stage.branch("town", OneForAll, 100_000, &names)).await;
    for way in 0..200 {
        let seen = names.map(|name| stage.incarnations(name));
        for (offset, name) in names.iter().enumerate().take(1 + way % 4) {
            end_somehow(&stage, name, way / 4 + offset).await;
        }
        stage.until(|_| names.iter().zip(seen).all(|(name, seen)| stage.incarnations(name) > seen)).await;
    }
    assert_eq!(stage.overlaps(), [""; 0]);
    assert_eq!(stage.lines_of("start failed"), [""; 0]);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_when_a_supervisor_is_killed_over_its_children() {
    let stage = Stage::new();
    let habits = Habits { registered: true, ..Habits::default() };
    let mut rig = stage.branch("rig", OneForOne, 3, &[]);
    rig.children = vec![stage.worker_with("kill one", habits), stage.worker_with("kill two", habits)];
    let mut branch = stage.branch("town", OneForOne, 100_000, &[]);
    branch.children.push(DynChild::supervisor(rig, Restart::Permanent, &stage.records));
    let town = stage.start(branch).await;
    for round in 1..=200 {
        if round % 2 == 0 {
            // One of them is just stopping, which ractor's own kill of a subtree leaves alone.
            stage.order("kill one", Order::Quit).await;
        }
        stage.until(|_| stage.desk().kill("rig").is_ok()).await;
        stage.until_said(&format!("restarted rig {round}"), 1).await;
    }
    assert_eq!(stage.overlaps(), [""; 0]);
    assert_eq!(stage.lines_of("start failed"), [""; 0]);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_orphan_in_its_post_stop_is_ended_before_the_supervisor_counts_as_gone() {
    let stage = Stage::new();
    let mut rig = stage.branch("rig", OneForOne, 3, &[]);
    let hangs = Habits { hangs_in_post_stop: true, ..Habits::default() };
    rig.children = vec![stage.worker_with("a", hangs)];
    let mut branch = stage.branch("town", OneForOne, 3, &[]);
    branch.children.push(DynChild::supervisor(rig, Restart::Permanent, &stage.records));
    let town = stage.start(branch).await;
    stage.order("a", Order::Quit).await;
    stage.until_said("post_stop a", 1).await;
    let begun = tokio::time::Instant::now();
    stage.desk().kill("rig").unwrap();
    stage.until_said("restarted rig 1", 1).await;
    assert_eq!(begun.elapsed().as_secs(), 5, "its grace, then the kill");
    assert_eq!(stage.overlaps(), [""; 0]);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_blocks_its_thread_gets_no_successor_beside_it() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", OneForAll, 2, &["a", "b"]);
    branch.rules.kill_wait = Duration::from_millis(20);
    branch.children[1].shutdown = Shutdown::Brutal;
    let town = stage.start(branch).await;
    let (release, until) = std::sync::mpsc::channel();
    stage.order("b", Order::Block(until)).await;
    stage.until_said("blocks b", 1).await;
    stage.order("a", Order::Fail).await;
    // The kill comes to nothing, the restart is tried in vain, and the town gives up.
    stage.until_said("gave up town b", 1).await;
    assert_eq!(stage.incarnations("b"), 1);
    drop(release);
    assert!(matches!(town.wait().await, TownEnd::GaveUp { .. }));
    assert_eq!((stage.alive(), stage.overlaps().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_old_reference_does_not_reach_the_successor() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 3, &["a"])).await;
    let old: ActorRef<Order> = stage.desk().find("a").unwrap().into();
    stage.order("a", Order::Fail).await;
    stage.until_said("restarted a 1", 1).await;
    assert!(old.cast(Order::Fail).is_err());
    let now: ActorRef<Order> = stage.desk().find("a").unwrap().into();
    let which = now.call(Order::Which, Some(Duration::from_secs(1))).await.unwrap().unwrap();
    assert_eq!(which, 2);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}
