//! Children that come and go at run time.

use std::time::Duration;

use supervisors::TownEnd;
use supervisors::desk::DeskError;
use supervisors::policy::Strategy::OneForOne;
use supervisors::policy::{Backoff, Restart};
use supervisors::spec::DynChild;
use supervisors::supervisor::StartError;

use crate::support::{Habits, Order, Stage};

const GRACE: Duration = Duration::from_secs(60);

async fn names(stage: &Stage) -> Vec<String> {
    let children = stage.desk().which_children("town").await.unwrap();
    children.into_iter().map(|child| child.name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_guest_is_started_once_and_forgotten_when_stopped() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 3, &["a"])).await;
    let actor = stage.desk().start_child("town", stage.worker("b")).await.unwrap();
    assert_eq!(stage.desk().find("b").unwrap().get_id(), actor.get_id());
    let again = stage.desk().start_child("town", stage.worker("b")).await;
    assert!(matches!(again, Err(DeskError::Start(StartError::AlreadyPresent(_)))), "{again:?}");
    stage.desk().stop_child("town", "b").await.unwrap();
    assert_eq!(stage.lines_of("post_stop"), ["b"]);
    assert_eq!(names(&stage).await, ["a"]);
    assert!(town.records().tree.snapshot().unwrap().find("b").is_none());
    let gone = stage.desk().stop_child("town", "b").await;
    assert!(matches!(gone, Err(DeskError::Unknown(_))), "{gone:?}");
    stage.desk().start_child("town", stage.worker("b")).await.unwrap();
    assert_eq!(stage.incarnations("b"), 2);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_has_ended_for_good_is_forgotten() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 3, &["a"])).await;
    for (name, restart, order, ended) in [
        ("b", Restart::Transient, Order::Quit, "ended b well: stopped"),
        ("c", Restart::Temporary, Order::Quit, "ended c well: stopped"),
        ("d", Restart::Temporary, Order::Panic, "ended d badly: d panicked"),
    ] {
        let child = DynChild { restart, ..stage.worker(name) };
        stage.desk().start_child("town", child).await.unwrap();
        stage.order(name, order).await;
        stage.until_said(ended, 1).await;
        assert_eq!(names(&stage).await, ["a"], "{name}");
    }
    assert_eq!(stage.lines_of("restarted"), [""; 0]);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_killed_guest_comes_back() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 3, &[])).await;
    let child = DynChild { restart: Restart::Transient, ..stage.worker("b") };
    stage.desk().start_child("town", child).await.unwrap();
    stage.order("b", Order::Hang).await;
    stage.desk().kill_child("town", "b").await.unwrap();
    let lines = stage.until_said("restarted b 1", 1).await;
    assert!(lines.contains(&"ended b badly: killed".to_owned()), "{lines:#?}");
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_guest_stopped_during_its_backoff_stays_dead() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 3, &[])).await;
    let wait = Duration::from_secs(10);
    let backoff = Some(Backoff { initial: wait, cap: wait, jitter_percent: 0 });
    let child = DynChild { backoff, ..stage.worker("b") };
    stage.desk().start_child("town", child.clone()).await.unwrap();
    stage.order("b", Order::Fail).await;
    stage.until_said("ended b badly: b failed", 1).await;
    let again = stage.desk().start_child("town", child.clone()).await;
    assert!(matches!(again, Err(DeskError::Start(StartError::AlreadyPresent(_)))), "its place is kept");
    stage.desk().stop_child("town", "b").await.unwrap();
    tokio::time::advance(wait * 2).await;
    assert_eq!(names(&stage).await, [""; 0]);
    // Nor does the late timer start a namesake a second time.
    stage.desk().start_child("town", child.clone()).await.unwrap();
    stage.order("b", Order::Fail).await;
    stage.until_said("ended b badly: b failed", 2).await;
    stage.desk().stop_child("town", "b").await.unwrap();
    stage.desk().start_child("town", child).await.unwrap();
    tokio::time::advance(wait * 2).await;
    assert_eq!(names(&stage).await, ["b"]);
    assert_eq!((stage.incarnations("b"), stage.lines_of("restarted").len()), (3, 0));
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_slow_stop_does_not_keep_the_supervisor_from_its_work() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 3, &[])).await;
    let hangs = Habits { hangs_in_post_stop: true, ..Habits::default() };
    stage.desk().start_child("town", stage.worker_with("slow", hangs)).await.unwrap();
    let desk = stage.desk();
    let stop = tokio::spawn(async move { desk.stop_child("town", "slow").await });
    stage.until_said("post_stop slow", 1).await;
    let begun = tokio::time::Instant::now();
    stage.desk().start_child("town", stage.worker("b")).await.unwrap();
    let early = stage.desk().start_child("town", stage.worker("slow")).await;
    assert!(matches!(early, Err(DeskError::Start(StartError::AlreadyPresent(_)))), "not gone yet");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(!stop.is_finished());
    stop.await.unwrap().unwrap();
    assert_eq!(names(&stage).await, ["b"]);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_town_that_stops_waits_for_guests_who_are_leaving() {
    let stage = Stage::new();
    let town = stage.start(stage.branch("town", OneForOne, 3, &[])).await;
    let hangs = Habits { hangs_in_post_stop: true, ..Habits::default() };
    stage.desk().start_child("town", stage.worker_with("slow", hangs)).await.unwrap();
    let desk = stage.desk();
    let stop = tokio::spawn(async move { desk.stop_child("town", "slow").await });
    stage.until_said("post_stop slow", 1).await;
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(stage.alive(), 0);
    stop.await.unwrap().unwrap();
}
