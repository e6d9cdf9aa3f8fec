//! Each death of an actor is explained, one that takes no messages is noticed, and a town that cannot go on
//! ends in order and says why.

use std::fs;

use serde_json::Value;

use crate::support::repo::Origin;
use crate::support::{Running, Town, eventually, find};

fn town_with_faults() -> (Town, Origin) {
    let (town, origin) = Town::with_rig();
    town.configure("config/town.json", |config| config["allow_faults"] = true.into());
    (town, origin)
}

/// Kills an actor again and again until the runtime has ended.
fn kill_until_it_gives_up(town: &Town, running: &Running, name: &str) {
    eventually("the town gives up", || {
        // Between two lives there is nobody to be killed, and at the end nobody to be asked.
        let said = town.gastown(&["fault", "kill-actor", name]);
        assert!([0, 1, 3, 4].contains(&said.code), "{said:?}");
        !running.lives()
    });
}

/// The state of an actor in the tree, as soon as somebody answers.
fn state(town: &Town, name: &str) -> Option<Value> {
    fn found(node: &Value, name: &str) -> Option<Value> {
        if node["name"] == name {
            return Some(node["state"].clone());
        }
        node["children"].as_array()?.iter().find_map(|child| found(child, name))
    }
    let said = town.gastown(&["tree", "--json"]);
    if said.code == 0 { found(&said.json(), name) } else { None }
}

#[test]
fn a_town_whose_root_gives_up_stops_in_order_with_a_report_and_the_next_run_goes_on() {
    let (town, origin) = town_with_faults();
    let bead = town.work("Work", &format!("{}; echo x > x.txt", town.barrier("go")));
    let running = town.run();
    town.event_of("hook.checked", &bead);
    kill_until_it_gives_up(&town, &running, "deacon");
    let ended = running.wait();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("the town could not go on: town gave up: deacon"), "{ended:?}");
    town.assert_nothing_runs();

    // The session was ended in order, and that is recorded; its work is where it was.
    assert_eq!(town.events("agent.stopped").len(), 1);
    let deaths = town.events("actor.ended");
    assert_eq!(deaths.last().unwrap()["data"]["outcome"], "gave_up", "{deaths:?}");
    assert!(deaths.len() >= 21, "the twenty that are borne, and one more: {deaths:?}");
    let stopped = town.events("town.stopped");
    assert!(stopped[0]["data"]["reason"].as_str().unwrap().starts_with("gave up: town gave up: deacon"));
    let raised = town.events("escalation.raised");
    assert_eq!((raised.len(), &raised[0]["data"]["severity"]), (1, &Value::from("critical")));

    let reports: Vec<_> = fs::read_dir(town.root.join("logs/crashes")).unwrap().flatten().collect();
    assert_eq!(reports.len(), 1);
    assert!(ended.stderr.contains(reports[0].path().to_str().unwrap()), "{ended:?}");
    let report = fs::read_to_string(reports[0].path()).unwrap();
    for piece in ["deacon  20 restarts", "(it would have been restart 21 within 10 s)", &bead, "gastown run"]
    {
        assert!(report.contains(piece), "{piece:?} is not in:\n{report}");
    }

    town.open("go");
    let next = town.until_idle();
    assert_eq!(origin.landings(), [bead], "{next:?}");
    // What is left is for a person: to look at why.
    assert_eq!((next.code, next.json()["attention"].as_array().unwrap().len()), (1, 1), "{next:?}");
}

#[test]
fn even_without_its_scribe_a_town_writes_down_why_it_ended() {
    let (town, _origin) = town_with_faults();
    let bead = town.work("Work", &town.barrier("go"));
    let running = town.start(&["run", "--json"]);
    town.event_of("hook.checked", &bead);
    kill_until_it_gives_up(&town, &running, "scribe");
    let ended = running.wait();
    let error = ended.refused(1, "gave_up");
    assert!(error["hint"].as_str().unwrap().contains("logs/crashes/"), "{error}");
    town.assert_nothing_runs();
    let last = town.events("actor.ended").pop().unwrap();
    assert_eq!((&last["data"]["name"], &last["data"]["outcome"]), (&"scribe".into(), &"gave_up".into()));
    assert_eq!(town.events("town.stopped").len(), 1);
    let story = town.gastown(&["why", "scribe"]).ok().stdout;
    assert!(story.lines().count() <= 10 && story.contains("given up"), "{story}");
}

#[test]
fn a_root_that_is_killed_ends_the_town_and_leaves_nothing_behind() {
    let (town, origin) = town_with_faults();
    let bead = town.work("Work", &format!("{}; echo x > x.txt", town.barrier("go")));
    let running = town.run();
    town.event_of("hook.checked", &bead);
    town.gastown(&["fault", "kill-actor", "town"]);
    let ended = running.wait();
    assert_eq!(ended.code, 1, "{ended:?}");
    town.assert_nothing_runs();
    let last = town.events("actor.ended").pop().unwrap();
    assert_eq!((&last["data"]["name"], &last["data"]["outcome"]), (&"town".into(), &"gave_up".into()));
    town.open("go");
    let next = town.until_idle();
    assert_eq!(origin.landings(), [bead], "{next:?}");
    // What is left is for a person: to look at why.
    assert_eq!((next.code, next.json()["attention"].as_array().unwrap().len()), (1, 1), "{next:?}");
}

#[test]
fn a_handler_that_hangs_is_told_of_and_its_death_says_over_what() {
    let (town, origin) = town_with_faults();
    let running = town.run();
    town.gastown(&["fault", "poison-mail", "POLECAT_DONE", "--hang"]).ok();
    let bead = town.work("Work", "echo x > x.txt");
    let is = |kind: &'static str| {
        move |event: &Value| event["type"] == kind && event["data"]["name"] == "web/witness"
    };
    let blocked = town.event("the Witness is blocked", is("actor.blocked"));
    assert_eq!(blocked["data"]["in_hand"], "Look", "{blocked}");
    let letter = blocked["data"]["letter"].as_str().unwrap().to_owned();
    assert_eq!(state(&town, "web/witness"), Some("blocked".into()));
    let needs = town.json(&["status"])["attention"].to_string();
    assert!(needs.contains("the actor web/witness takes no messages over Look"), "{needs}");

    town.gastown(&["fault", "poison-mail", "POLECAT_DONE", "--cure"]).ok();
    town.gastown(&["fault", "kill-actor", "web/witness"]).ok();
    let ended = town.event("the end of the Witness", is("actor.ended"));
    let crash = &ended["data"]["crash"];
    assert_eq!((&crash["in_hand"], &crash["letter"]), (&"Look".into(), &letter.as_str().into()), "{ended}");
    assert_eq!((&crash["supervisor"], &crash["window_s"]), (&"rig web".into(), &10.into()), "{ended}");
    assert!(crash["busy_ms"].as_u64() >= blocked["data"]["since_ms"].as_u64(), "{ended}");
    // What it has lived through is linked: the letter that it died over was written in that time.
    let within = crash["since"].as_u64().unwrap()..=crash["until"].as_u64().unwrap();
    let written = |event: &Value| event["type"] == "mail.sent" && event["data"]["letter"]["id"] == letter;
    let written = town.event("the letter", written);
    assert!(within.contains(&written["seq"].as_u64().unwrap()), "{ended}");
    town.event("it is free", is("actor.unblocked"));
    let story = town.gastown(&["why", "web/witness"]).ok().stdout;
    assert!(story.contains("died with Look in hand for") && story.contains(&letter), "{story}");
    assert!(story.lines().count() <= 10, "{story}");

    town.event_of("bead.closed", &bead);
    assert_eq!(state(&town, "web/witness"), Some("running".into()));
    assert_eq!(town.json(&["status"])["attention"], serde_json::json!([]));
    running.stop();
    assert_eq!(origin.landings(), [bead]);
}

#[test]
fn the_death_of_a_worker_shows_what_its_session_last_said() {
    let (town, _origin) = town_with_faults();
    let bead = town.work("Work", &format!("echo the last words; {}", town.barrier("go")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    find("it has said so", || {
        town.gastown(&["peek", &worker]).stdout.contains("the last words").then_some(())
    });
    town.gastown(&["fault", "kill-actor", &worker]).ok();
    let ended = town.event("the end of the worker", |event| {
        event["type"] == "actor.ended" && event["data"]["name"] == worker.as_str()
    });
    let crash = &ended["data"]["crash"];
    assert!(crash["state"].as_str().unwrap().starts_with("session "), "{ended}");
    assert!(crash["last_output"].to_string().contains("the last words"), "{ended}");
    let story = town.gastown(&["why", &worker]).ok().stdout;
    assert!(story.contains("its session last showed"), "{story}");
    town.open("go");
    running.stop();
    town.assert_nothing_runs();
}

#[test]
fn an_actor_that_blocks_its_thread_is_told_of_and_goes_on() {
    let (town, _origin) = town_with_faults();
    let running = town.run();
    town.gastown(&["fault", "block-actor", "web/refinary", "--json"]).refused(4, "no_such_actor");
    town.gastown(&["fault", "block-actor", "mayor", "--for", "1h", "--json"]).refused(2, "usage");
    // The one that could write it down is blocked itself.
    for name in ["web/refinery", "scribe"] {
        town.gastown(&["fault", "block-actor", name, "--for", "2500ms"]).ok();
        let is =
            |kind: &'static str| move |event: &Value| event["type"] == kind && event["data"]["name"] == name;
        let blocked = town.event("it is blocked", is("actor.blocked"));
        let free = town.event("it goes on", is("actor.unblocked"));
        assert!(free["seq"].as_u64() > blocked["seq"].as_u64(), "{blocked} {free}");
        assert!(free["data"]["after_ms"].as_u64().unwrap() >= 2_500, "{free}");
    }
    assert_eq!(town.events("actor.ended"), [Value::Null; 0]);
    running.stop();
}

#[test]
fn every_name_in_the_tree_has_a_story() {
    let (town, _origin) = Town::with_rig();
    let bead = town.work("Work", &town.barrier("go"));
    let running = town.run();
    town.event_of("hook.checked", &bead);
    fn names(node: &Value, found: &mut Vec<String>) {
        if node["kind"] != "session" {
            found.push(node["name"].as_str().unwrap().to_owned());
        }
        node["children"].as_array().unwrap().iter().for_each(|child| names(child, found));
    }
    let mut all = Vec::new();
    names(&town.json(&["tree"]), &mut all);
    assert_eq!(all.len(), 13, "{all:?}");
    for name in &all {
        let story = town.gastown(&["why", name]).ok();
        assert!(story.stdout.starts_with(name.as_str()), "{name}: {story:?}");
    }
    running.stop();
    // And without a runtime.
    for name in &all {
        town.gastown(&["why", name]).ok();
    }
}

#[test]
fn a_worker_that_dies_too_often_is_set_aside_until_a_person_starts_it() {
    let (town, origin) = town_with_faults();
    let bead = town.work("Work", &format!("{}; echo x > x.txt", town.barrier("go")));
    let other = town.work("Other work", &format!("{}; echo y > y.txt", town.barrier("other")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let given_up =
        |event: &Value| event["data"]["outcome"] == "gave_up" && event["data"]["name"] == worker.as_str();
    eventually("the worker is set aside", || {
        let said = town.gastown(&["fault", "kill-actor", &worker]);
        assert!([0, 4].contains(&said.code), "{said:?}");
        town.feed().iter().any(given_up)
    });
    // It stays so whatever happens: others land, which rings all bells there are.
    town.open("other");
    town.event_of("bead.closed", &other);
    assert_eq!(state(&town, &worker), Some("stopped".into()));
    assert_eq!(town.agent(&worker)["state"], "failed");
    let raised = town.events("escalation.raised");
    assert_eq!((raised.len(), &raised[0]["data"]["bead"]), (1, &Value::from(bead.as_str())), "{raised:?}");
    town.open("go");
    // The bead rests before another worker takes it; a person lets it go on at once.
    town.gastown(&["agent", "start", &worker]).ok();
    town.gastown(&["recover", &bead]).ok();
    town.event_of("bead.closed", &bead);
    running.stop();
    assert_eq!(origin.landings().len(), 2);
    assert_eq!(town.feed().into_iter().filter(given_up).count(), 1);
}
