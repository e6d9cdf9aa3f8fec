//! Who is started again, beside whom, and after what.

use std::time::Duration;

use actors::living_tree::NodeState;
use supervisors::policy::Strategy::{OneForAll, OneForOne, RestForOne};
use supervisors::policy::{Backoff, Restart};
use supervisors::spec::{DynChild, Start};
use supervisors::{TownEnd, start_town};
use tokio::time::Instant;

use crate::support::{Habits, Order, Stage};

const GRACE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_permanent_leaf_comes_back_from_any_end() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 9, &["a"])).await;
    for (count, (order, ended)) in [
        (Order::Fail, "ended a badly: a failed"),
        (Order::Panic, "ended a badly: a panicked"),
        (Order::Quit, "ended a well: stopped"),
    ]
    .into_iter()
    .enumerate()
    {
        stage.order("a", order).await;
        let lines = stage.until_said(&format!("restarted a {}", count + 1), 1).await;
        assert!(lines.iter().any(|line| line == ended), "{ended}: {lines:#?}");
    }
    stage.desk().kill("a").unwrap();
    let lines = stage.until_said("restarted a 4", 1).await;
    assert!(lines.contains(&"ended a badly: killed".to_owned()), "{lines:#?}");
    let shown = town.records().tree.snapshot().unwrap();
    let leaf = shown.find("a").unwrap();
    assert_eq!((leaf.restarts, leaf.state), (4, NodeState::Running));
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_strategy_restarts_whom_it_should() {
    for (strategy, restarted) in
        [(OneForOne, vec!["b"]), (OneForAll, vec!["a", "b", "c"]), (RestForOne, vec!["b", "c"])]
    {
        let stage = Stage::new();
        let town = stage.start(stage.branch("town", strategy, 3, &["a", "b", "c"])).await;
        stage.forget_lines();
        stage.order("b", Order::Panic).await;
        stage.until(|_| stage.lines_of("restarted").len() == restarted.len()).await;
        assert_eq!(stage.lines_of("started"), restarted, "{strategy:?}: in order");
        let mut ended = restarted.clone();
        ended.retain(|name| *name != "b");
        ended.reverse();
        assert_eq!(stage.lines_of("post_stop"), ended, "{strategy:?}: siblings ended in reverse");
        assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
        assert_eq!(stage.overlaps(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_fail_together_are_one_restart_of_the_group() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForAll, 1, &["a", "b", "c"])).await;
    stage.order("a", Order::Fail).await;
    stage.order("b", Order::Fail).await;
    stage.order("c", Order::Quit).await;
    stage.until_said("restarted c 1", 1).await;
    assert_eq!(["a", "b", "c"].map(|name| stage.incarnations(name)), [2, 2, 2]);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(stage.overlaps(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_child_stays_down_after_a_normal_end_only() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", OneForOne, 3, &["a"]);
    branch.children[0].restart = Restart::Transient;
    let town = stage.start(branch).await;
    stage.order("a", Order::Fail).await;
    stage.until_said("restarted a 1", 1).await;
    stage.order("a", Order::Quit).await;
    stage.until_said("ended a well: stopped", 1).await;
    let children = stage.desk().which_children("town").await.unwrap();
    assert_eq!(children.len(), 1, "a child of the branch keeps its place");
    assert_eq!(children[0].state, NodeState::Stopped);
    assert!(stage.desk().find("a").is_err());
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_post_stop_is_a_failure() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", OneForOne, 3, &[]);
    let habits = Habits { panics_in_post_stop: true, ..Habits::default() };
    branch.children.push(DynChild { restart: Restart::Transient, ..stage.worker_with("a", habits) });
    let town = stage.start(branch).await;
    stage.order("a", Order::Quit).await;
    let lines = stage.until_said("restarted a 1", 1).await;
    assert!(lines.contains(&"ended a badly: a panicked in post_stop".to_owned()), "{lines:#?}");
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped, "nor does it disturb the stop");
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_state_is_dropped_harms_nobody_else() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", OneForAll, 9, &["z"]);
    branch.children.push(stage.worker_with("a", Habits { panics_in_drop: true, ..Habits::default() }));
    let town = stage.start(branch).await;
    for (count, order) in [Order::Quit, Order::Fail].into_iter().enumerate() {
        stage.order("a", order).await;
        stage.until_said(&format!("restarted a {}", count + 1), 1).await;
    }
    stage.order("z", Order::Fail).await;
    stage.until_said("restarted a 3", 1).await;
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_will_not_start_undoes_the_start_in_reverse() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", RestForOne, 3, &["a", "b"]);
    let habits = Habits { stillborn_from: Some(1), ..Habits::default() };
    branch.children.push(stage.worker_with("c", habits));
    branch.children.push(stage.worker("d"));
    let error = start_town(branch, stage.records.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot start town: cannot start c: c is stillborn");
    assert_eq!(stage.lines_of("post_stop"), ["b", "a"]);
    assert_eq!((stage.incarnations("d"), stage.alive()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_fails_is_tried_again_until_it_is_too_much() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", RestForOne, 3, &["a"]);
    let habits = Habits { stillborn_from: Some(2), ..Habits::default() };
    branch.children.push(stage.worker_with("b", habits));
    branch.children.push(stage.worker("c"));
    let town = stage.start(branch).await;
    stage.order("b", Order::Fail).await;
    let TownEnd::GaveUp { report } = town.wait().await else { panic!("it should have given up") };
    assert_eq!((report.supervisor.as_str(), report.child.as_str()), ("town", "b"));
    assert_eq!((report.reason.as_str(), report.restarts), ("b is stillborn", 4));
    assert_eq!(stage.incarnations("b"), 1 + 3);
    assert_eq!(stage.incarnations("c"), 1, "nobody starts before the one it may depend on");
    assert_eq!(stage.lines_of("post_stop"), ["c", "a"]);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_function_that_panics_or_hangs_fails_the_start_alone() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 3, &["a"])).await;
    let panics = DynChild { start: Start::new(|_| panic!("no start")), ..stage.worker("b") };
    let later = Start::new(|_| Box::pin(async { panic!("no later start") }));
    let panics_later = DynChild { start: later, ..stage.worker("c") };
    let hangs = DynChild { start: Start::new(|_| Box::pin(std::future::pending())), ..stage.worker("d") };
    for (child, expected) in [
        (panics, "cannot start b: panic in the start function: no start"),
        (panics_later, "cannot start c: panic in the start function: no later start"),
        (hangs, "cannot start d: it has not started within 30s"),
    ] {
        let error = stage.desk().start_child("town", child).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(stage.desk().which_children("town").await.unwrap().len(), 1);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn backoff_waits_longer_each_time_and_forgets_after_calm() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", OneForOne, 99, &["a"]);
    let backoff =
        Backoff { initial: Duration::from_millis(100), cap: Duration::from_secs(1), jitter_percent: 0 };
    branch.children[0].backoff = Some(backoff);
    let town = stage.start(branch).await;
    let mut waits = Vec::new();
    for count in 1..=3 {
        stage.order("a", Order::Fail).await;
        stage.until_said("ended a badly: a failed", count).await;
        let begun = Instant::now();
        stage.until_said(&format!("restarted a {count}"), 1).await;
        waits.push(begun.elapsed().as_millis());
    }
    tokio::time::advance(Duration::from_secs(61)).await;
    stage.order("a", Order::Fail).await;
    stage.until_said("ended a badly: a failed", 4).await;
    let begun = Instant::now();
    stage.until_said("restarted a 1", 2).await;
    waits.push(begun.elapsed().as_millis());
    // The timer's grain is a millisecond.
    let rounded: Vec<u128> = waits.iter().map(|wait| wait / 10 * 10).collect();
    assert_eq!(rounded, [100, 200, 400, 100]);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}
