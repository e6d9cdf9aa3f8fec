//! The merge queue on real repositories: batches, several runs at once, flaky gates, a red target, and what people
//! decide there (P6).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::repo::{Origin, run};
use crate::support::town::GATE;
use crate::support::{Town, eventually};

/// A town whose queue is frozen until `thaw`, so that everything is handed in before anything is tested.
fn frozen(gate: &str) -> (Town, Origin) {
    let town = Town::new();
    let origin = town.rig("web", &["--gate", gate]);
    town.gastown(&["mq", "freeze", "web", "-r", "until all are there"]).ok();
    (town, origin)
}

fn waiting(town: &Town) -> usize {
    let rows = town.json(&["mq", "list"]);
    rows.as_array().unwrap().len()
}

/// Each commit of the first-parent line was gated green as the tree that it is.
#[track_caller]
fn assert_gated(town: &Town, origin: &Origin, gate: &str) -> usize {
    let gates = town.events("mq.gate");
    let line = origin.git(&["rev-list", "--first-parent", "--min-parents=2", "main"]);
    for commit in line.lines() {
        let tree = origin.git(&["rev-parse", &format!("{commit}^{{tree}}")]);
        let green = gates.iter().map(|event| &event["data"]["result"]).any(|result| {
            result["tree"] == tree.as_str() && result["passed"] == true && result["gate"] == gate
        });
        assert!(green, "{commit} was never green");
    }
    line.lines().count()
}

#[test]
fn a_batch_is_cut_at_its_bad_change_and_the_others_land_with_few_gate_runs() {
    let (town, origin) = frozen(GATE);
    let mut beads = BTreeSet::new();
    for n in 0..6 {
        let script = if n == 3 {
            "if [ \"$GASTOWN_REWORK\" = gate ]; then rm broken; else echo 3 > f3; touch broken; fi".to_owned()
        } else {
            format!("echo {n} > f{n}")
        };
        beads.insert(town.work(&format!("Change {n}"), &script));
    }
    let running = town.run();
    eventually("all six are handed in", || waiting(&town) == 6);
    let why = town.json(&["mq", "why", beads.first().unwrap()]);
    assert!(why["why"].as_str().unwrap().contains("until all are there"), "{why}");
    town.gastown(&["mq", "thaw", "web"]).ok();
    for bead in &beads {
        town.event_of("bead.closed", bead);
    }
    running.stop();
    let landings = origin.landings();
    assert_eq!(landings.iter().cloned().collect::<BTreeSet<_>>(), beads);
    assert_eq!(landings.len(), 6, "each once: {landings:?}");
    let commits = assert_gated(&town, &origin, "check");
    assert!(commits < 6, "they were not tested together: {commits}");
    let rejected = town.events("mq.rejected");
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    assert!(rejected[0]["data"]["rejection"]["excerpt"].as_str().unwrap().contains("found: broken"));
    // Six on their own would be six runs, two for the bad one, and its repair.
    let runs: BTreeSet<u64> =
        town.events("mq.gate").iter().map(|event| event["data"]["result"]["run"].as_u64().unwrap()).collect();
    assert!(runs.len() <= 7, "{runs:?}");
    // Every landed change is a merge commit of its own with its trailers, whatever it was pushed with.
    for event in town.events("mq.landed") {
        let commit = event["data"]["commit"].as_str().unwrap();
        let bead = origin.git(&["log", "-1", "--format=%(trailers:key=Gastown-Bead,valueonly)", commit]);
        assert_eq!(bead.trim(), event["data"]["bead"].as_str().unwrap());
        origin.git(&["merge-base", "--is-ancestor", commit, "main"]);
    }
    let status = town.json(&["mq", "status", "web"]);
    assert_eq!((&status[0]["landed"], &status[0]["target"]), (&json!(6), &json!("green")), "{status}");
}

#[test]
fn several_runs_go_on_at_once_each_on_top_of_those_before_it() {
    let town = Town::new();
    let marks = town.folder.join("marks");
    std::fs::create_dir(&marks).unwrap();
    // Each run waits until three have begun.
    let gate = format!(
        "check=touch {0}/$$; while [ $(ls {0} | wc -l) -lt 3 ]; do sleep 0.05; done",
        marks.display()
    );
    let origin = town.rig("web", &["--gate", &gate]);
    town.configure("web/config.json", |config| config["merge"] = json!({"runners": 3}));
    town.gastown(&["mq", "freeze", "web"]).ok();
    let beads: Vec<String> =
        (0..3).map(|n| town.work(&format!("Change {n}"), &format!("echo {n} > f{n}"))).collect();
    let running = town.run();
    eventually("all three are handed in", || waiting(&town) == 3);
    town.gastown(&["mq", "thaw", "web"]).ok();
    for bead in &beads {
        town.event_of("bead.closed", bead);
    }
    running.stop();
    assert_eq!(origin.landings().len(), 3);
    assert_gated(&town, &origin, "check");
    for folder in ["rig", "rig-2", "rig-3"] {
        assert!(town.root.join("web/refinery").join(folder).is_dir(), "{folder}");
    }
    town.assert_nothing_runs();
}

#[test]
fn a_gate_that_is_red_and_green_on_one_tree_is_called_flaky_and_nobody_is_given_back() {
    let town = Town::new();
    let seen = town.folder.join("seen");
    std::fs::create_dir(&seen).unwrap();
    let gate = format!(
        "mood=t=$(git rev-parse 'HEAD^{{tree}}'); test -e {0}/$t || {{ touch {0}/$t; echo not today; exit 1; }}",
        seen.display()
    );
    let origin = town.rig("web", &["--gate", &gate]);
    let bead = town.work("Innocent", "echo x > x.txt");
    town.all_lands();
    assert_eq!(origin.landings(), [bead]);
    assert!(town.events("mq.rejected").is_empty());
    let flaky = town.events("mq.flaky");
    assert!(flaky.iter().any(|event| event["data"]["gate"] == "mood"), "{flaky:?}");
    let status = town.gastown(&["mq", "status"]).ok().stdout;
    assert!(status.contains("flaky: mood"), "{status}");
    let log = town.gastown(&["mq", "log", "mr-1", "mood"]).ok().stdout;
    assert!(log.contains("passed"), "{log}");
    town.gastown(&["mq", "log", "mr-1", "modd", "--json"]).refused(4, "no_such_gate");
}

#[test]
fn nobody_is_blamed_for_a_red_target_and_who_mends_it_lands() {
    let (town, origin) = Town::with_rig();
    let other = town.folder.join("other");
    origin.git(&["clone", "--quiet", origin.url(), other.to_str().unwrap()]);
    std::fs::write(other.join("broken"), "").unwrap();
    run(&other, &["add", "."]);
    run(&other, &["commit", "--quiet", "-m", "Break it"]);
    run(&other, &["push", "--quiet", "origin", "main"]);
    let innocent = town.work("Innocent", "echo x > x.txt");
    let running = town.run();
    let raised = crate::support::find("somebody is told", || town.events("escalation.raised").pop());
    assert!(raised["data"]["subject"].as_str().unwrap().contains("red by itself"), "{raised}");
    let mends = town.work("Mends", "rm broken");
    town.event_of("bead.closed", &mends);
    town.event_of("bead.closed", &innocent);
    running.stop();
    assert_eq!(origin.landings(), [mends, innocent]);
    assert!(town.events("mq.rejected").is_empty());
}

#[test]
fn gates_are_run_at_once_or_in_order_and_only_when_they_are_concerned() {
    let town = Town::new();
    let (one, two) = (town.folder.join("one"), town.folder.join("two"));
    let origin = town.rig("web", &[]);
    town.configure("web/config.json", |config| {
        let both = |mine: &std::path::Path, other: &std::path::Path| {
            format!("touch {}; while [ ! -e {} ]; do sleep 0.05; done", mine.display(), other.display())
        };
        config["gates"] = json!([
            {"name": "left", "cmd": both(&one, &two), "parallel": true},
            {"name": "right", "cmd": both(&two, &one), "parallel": true, "env": {"WHO": "right"}},
            {"name": "docs", "cmd": "test -n \"$GASTOWN_BEADS\"", "when": ["docs/"]},
        ]);
    });
    let first = town.work("First", "echo 1 > one.txt");
    town.all_lands();
    let names = |town: &Town| -> Vec<String> {
        let gates = town.events("mq.gate");
        gates.iter().map(|event| event["data"]["result"]["gate"].as_str().unwrap().to_owned()).collect()
    };
    // Nothing was known of the target then.
    assert_eq!(names(&town), ["left", "right", "docs"]);
    let second = town.work("Second", "echo 2 > two.txt");
    town.all_lands();
    assert_eq!(names(&town)[3..], ["left", "right"]);
    let third = town.work("Third", "mkdir docs; echo 3 > docs/three.txt");
    town.all_lands();
    assert_eq!(names(&town)[5..], ["left", "right", "docs"]);
    assert_eq!(origin.landings(), [first, second, third]);
}

#[test]
fn people_hold_hurry_and_give_back_what_is_in_the_queue() {
    let (town, origin) = frozen(GATE);
    let script = "if [ -n \"$GASTOWN_REWORK\" ]; then echo shorter > long.txt; else echo long > long.txt; fi";
    let long = town.work("Long", script);
    let kept = town.work("Kept", "echo kept > kept.txt");
    let hot = town.work("Hot", "echo hot > hot.txt");
    let running = town.run();
    eventually("all three are handed in", || waiting(&town) == 3);
    town.gastown(&["mq", "hold", &kept, "-r", "after the release"]).ok();
    town.gastown(&["mq", "reject", &long, "-r", "too long"]).ok();
    town.gastown(&["mq", "prioritise", &hot, "--hot"]).ok();
    // A hot fix lands also while the queue is frozen.
    town.event_of("bead.closed", &hot);
    assert_eq!(origin.landings(), [hot.clone()]);
    town.gastown(&["mq", "thaw", "web"]).ok();
    town.event_of("bead.closed", &long);
    let why = town.json(&["mq", "why", &kept]);
    assert!(why["why"].as_str().unwrap().contains("after the release"), "{why}");
    assert!(why["next"].as_str().unwrap().contains("mq unhold"), "{why}");
    town.gastown(&["mq", "unhold", &kept]).ok();
    town.event_of("bead.closed", &kept);
    running.stop();
    assert_eq!(origin.file("long.txt"), "shorter");
    assert_eq!(origin.landings().len(), 3);
    let rejected = &town.events("mq.rejected")[0]["data"]["rejection"];
    assert!(rejected["why"].as_str().unwrap().contains("too long"), "{rejected}");
    town.gastown(&["mq", "hold", &kept, "--json"]).refused(1, "merge_over");
    assert_eq!(town.json(&["refinery", "process"]), Value::Array(Vec::new()));
}

#[test]
fn what_another_bead_depends_on_lands_before_it() {
    let (town, origin) = frozen(GATE);
    let later = town.work("Later", "echo later > later.txt");
    let first = town.work("First", "echo first > first.txt");
    let running = town.run();
    eventually("both are handed in", || waiting(&town) == 2);
    town.gastown(&["bead", "dep", "add", &later, &first]).ok();
    town.gastown(&["mq", "thaw", "web"]).ok();
    town.event_of("bead.closed", &later);
    running.stop();
    assert_eq!(origin.landings(), [first, later]);
}
