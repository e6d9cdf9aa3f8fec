//! What happens when it is too much: escalation, setting aside, and the town's last word.

use std::time::Duration;

use actors::living_tree::NodeState;
use supervisors::TownEnd;
use supervisors::desk::DeskError;
use supervisors::policy::Strategy::{OneForOne, RestForOne};
use supervisors::policy::{Intensity, Restart, Rules};
use supervisors::spec::{DynBranch, DynChild};
use supervisors::supervisor::StartError;

use crate::support::{Habits, Order, Stage};

const GRACE: Duration = Duration::from_secs(60);

/// town { scribe, rig { refinery, witness, polecats { one, two } } }, names taken process-wide.
fn town_with_a_rig(stage: &Stage, tag: &str, town_restarts: u32) -> DynBranch {
    let habits = Habits { registered: true, ..Habits::default() };
    let worker = |name: &str| stage.worker_with(&format!("{tag} {name}"), habits);
    let mut polecats = stage.branch("polecats", OneForOne, 9, &[]);
    polecats.children = vec![worker("one"), worker("two")];
    let mut rig = stage.branch("rig", RestForOne, 2, &[]);
    rig.children = vec![
        worker("refinery"),
        worker("witness"),
        DynChild::supervisor(polecats, Restart::Permanent, &stage.records),
    ];
    let mut town = stage.branch("town", RestForOne, town_restarts, &["scribe"]);
    town.children.push(DynChild::supervisor(rig, Restart::Permanent, &stage.records));
    town
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rig_that_melts_down_is_restarted_by_the_town_without_a_race_for_names() {
    let stage = Stage::new();
    let town = stage.start(town_with_a_rig(&stage, "melt", 1_000)).await;
    for round in 1..=40 {
        for _ in 0..3 {
            let seen = stage.incarnations("melt witness");
            stage.order("melt witness", if round % 2 == 0 { Order::Fail } else { Order::Panic }).await;
            stage.until(|_| stage.incarnations("melt witness") > seen).await;
        }
        stage.until_said(&format!("restarted rig {round}"), 1).await;
    }
    assert_eq!(stage.lines_of("gave up").len(), 40);
    assert_eq!(stage.lines_of("start failed"), [""; 0]);
    assert_eq!(stage.overlaps(), [""; 0]);
    assert_eq!(stage.incarnations("scribe"), 1);
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_rig_that_gives_up_ends_its_children_in_reverse_first() {
    let stage = Stage::new();
    let town = stage.start(town_with_a_rig(&stage, "order", 3)).await;
    for count in 1..=2 {
        stage.order("order refinery", Order::Fail).await;
        stage.until_said(&format!("restarted polecats {count}"), 1).await;
    }
    stage.forget_lines();
    stage.order("order refinery", Order::Fail).await;
    stage.until_said("restarted rig 1", 1).await;
    assert_eq!(stage.lines_of("post_stop"), ["order two", "order one", "order witness"]);
    assert_eq!(
        stage.lines_of("ended rig"),
        ["badly: rig gave up: order refinery would have been restarted 3 times: order refinery failed"]
    );
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_town_that_gives_up_says_who_and_why() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", RestForOne, 2, &["a"]);
    let habits = Habits { fails_at_once: true, ..Habits::default() };
    branch.children.push(stage.worker_with("b", habits));
    let town = stage.start(branch).await;
    let TownEnd::GaveUp { report } = town.wait().await else { panic!("it should have given up") };
    assert_eq!(report.to_string(), "town gave up: b would have been restarted 3 times: b failed");
    assert!(report.escalated);
    assert_eq!((stage.alive(), stage.incarnations("b")), (0, 3));
    assert!(matches!(town.stop(GRACE).await, TownEnd::GaveUp { .. }), "a stop comes too late");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_keeps_failing_is_set_aside_and_the_others_go_on() {
    let stage = Stage::new();
    let mut branch = stage.branch("town", OneForOne, 3, &[]);
    branch.rules = Rules::dynamic(Intensity { restarts: 2, within: Duration::from_secs(60) });
    let town = stage.start(branch).await;
    stage.desk().start_child("town", stage.worker("good")).await.unwrap();
    let habits = Habits { fails_at_once: true, ..Habits::default() };
    stage.desk().start_child("town", stage.worker_with("bad", habits)).await.unwrap();
    stage.until_said("gave up town bad", 1).await;
    // The others' failures are counted apart.
    for count in 1..=2 {
        stage.order("good", Order::Fail).await;
        stage.until_said(&format!("restarted good {count}"), 1).await;
    }
    let children = stage.desk().which_children("town").await.unwrap();
    let states: Vec<_> = children.iter().map(|child| (child.name.as_str(), child.state)).collect();
    assert_eq!(states, [("good", NodeState::Running), ("bad", NodeState::Stopped)]);
    assert_eq!(stage.lines_of("gave up"), ["town bad"], "told once");
    // Whoever only wants it to be there is not heard until a person has looked at it.
    let refused = stage.desk().start_child("town", stage.worker("bad")).await;
    assert!(matches!(refused, Err(DeskError::Start(StartError::SetAside(_)))), "{refused:?}");
    stage.desk().delete_child("town", "bad").await.unwrap();
    stage.desk().start_child("town", stage.worker("bad")).await.unwrap();
    assert_eq!(town.stop(GRACE).await, TownEnd::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_killed_root_takes_all_with_it_and_is_reported() {
    let stage = Stage::new();
    let town = stage.start(town_with_a_rig(&stage, "root", 3)).await;
    town.root().kill();
    let TownEnd::GaveUp { report } = town.wait().await else { panic!("nobody stopped it") };
    assert_eq!(report.child, "town");
    assert_eq!(stage.alive(), 0);
}
