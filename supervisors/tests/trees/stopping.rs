//! Ends in order, within their grace, and nobody left.

use std::time::Duration;

use actors::living_tree::NodeState;
use supervisors::TownEnd;
use supervisors::policy::Strategy::{OneForOne, RestForOne};
use supervisors::policy::{AutoShutdown, Intensity, Restart, Rules, Shutdown};
use supervisors::spec::{DynBranch, DynChild};
use tokio::time::Instant;

use crate::support::{Habits, Order, Stage};

const GRACE: Duration = Duration::from_secs(60);

/// town { scribe, rigs { web { refinery, witness }, api { judge } }, mayor }
fn town_of(stage: &Stage) -> DynBranch {
    let rig = |name: &str, workers: &[&str]| {
        let branch = stage.branch(name, RestForOne, 3, workers);
        DynChild::supervisor(branch, Restart::Permanent, &stage.records)
    };
    let mut rigs = stage.branch("rigs", OneForOne, 3, &[]);
    rigs.children = vec![rig("web", &["refinery", "witness"]), rig("api", &["judge"])];
    let mut town = stage.branch("town", RestForOne, 3, &["scribe"]);
    town.children.push(DynChild::supervisor(rigs, Restart::Permanent, &stage.records));
    town.children.push(stage.worker("mayor"));
    town
}

#[tokio::test(start_paused = true)]
async fn a_town_stops_in_exactly_the_reverse_of_its_start() {
    let stage = Stage::new();
    let town = stage.start(town_of(&stage)).await;
    let mut started = stage.lines_of("started");
    assert_eq!(
        started,
        ["scribe", "refinery", "witness", "web", "judge", "api", "rigs", "mayor"],
        "the start is in order and nested"
    );
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    started.retain(|name| !["web", "api", "rigs"].contains(&name.as_str()));
    started.reverse();
    assert_eq!(stage.lines_of("post_stop"), started);
    assert_eq!(stage.alive(), 0);
    let shown = town.records().tree.snapshot().unwrap();
    assert_eq!(shown.state, NodeState::Stopped);
    assert_eq!(town.wait().await, TownEnd::Stopped, "may be asked again");
}

#[tokio::test(start_paused = true)]
async fn the_living_tree_is_the_tree_on_paper() {
    let stage = Stage::new();
    let town = stage.start(town_of(&stage)).await;
    fn draw(node: &actors::living_tree::TreeNode) -> String {
        let below: Vec<String> = node.children.iter().map(draw).collect();
        match node.strategy.as_deref() {
            Some(strategy) => format!("{} {strategy} ({})", node.name, below.join(", ")),
            None => node.name.clone(),
        }
    }
    assert_eq!(
        draw(&town.records().tree.snapshot().unwrap()),
        "town rest_for_one (scribe, rigs one_for_one (web rest_for_one (refinery, witness), \
         api rest_for_one (judge)), mayor)"
    );
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn who_ignores_the_stop_is_killed_when_its_grace_is_over() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", RestForOne, 3, &["a"]);
    let hangs = Habits { hangs_in_post_stop: true, ..Habits::default() };
    branch.children.push(stage.worker_with("b", hangs));
    branch.children.push(stage.worker("c"));
    let town = stage.start(branch).await;
    stage.order("c", Order::Hang).await;
    let begun = Instant::now();
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(begun.elapsed().as_secs(), 5 + 5);
    assert_eq!(stage.lines_of("post_stop"), ["b", "a"], "c never came to it");
    let killed = stage.lines().iter().filter(|line| line.ends_with("killed by its supervisor")).count();
    assert_eq!((killed, stage.alive()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_brutal_end_does_not_ask() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", RestForOne, 3, &["a"]);
    branch.children[0].shutdown = Shutdown::Brutal;
    let town = stage.start(branch).await;
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(stage.lines_of("post_stop"), [""; 0]);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn thirty_graces_in_parallel_are_as_long_as_one() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", OneForOne, 3, &[]);
    branch.rules = Rules::dynamic(Intensity { restarts: 3, within: Duration::from_secs(60) });
    let town = stage.start(branch).await;
    let hangs = Habits { hangs_in_post_stop: true, ..Habits::default() };
    for number in 0..30 {
        let child = stage.worker_with(&format!("polecat {number}"), hangs);
        stage.desk().start_child("town", child).await.unwrap();
    }
    let begun = Instant::now();
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_town_that_does_not_end_within_its_grace_is_killed() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", RestForOne, 3, &["a", "b"]);
    branch.children[0].shutdown = Shutdown::Infinite;
    let town = stage.start(branch).await;
    stage.order("a", Order::Hang).await;
    // Its own ladder has no end, and the root that is killed has let go of it already.
    assert_eq!(town.stop(Duration::from_secs(3)).await, TownEnd::Killed);
    assert_eq!((stage.lines_of("post_stop"), stage.alive()), (vec!["b".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_stops_by_itself_with_its_significant_children() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", OneForOne, 3, &["a", "b", "c"]);
    branch.rules.auto_shutdown = AutoShutdown::AllSignificant;
    for child in &mut branch.children[..2] {
        child.significant = true;
        child.restart = Restart::Transient;
    }
    let town = stage.start(branch).await;
    stage.order("a", Order::Quit).await;
    stage.until_said("ended a well: stopped", 1).await;
    assert!(stage.desk().find("town").is_ok());
    stage.order("b", Order::Quit).await;
    assert_eq!(town.wait().await, TownEnd::Stopped);
    assert_eq!(stage.lines_of("post_stop"), ["a", "b", "c"]);
}
