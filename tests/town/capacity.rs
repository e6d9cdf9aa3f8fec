//! How many at once, how quickly one after the other, in which order; and what holds work back.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Town, eventually, find};

/// The most sessions of workers that there ever were at once, of those whose address `counts`.
fn most_at_once(town: &Town, counts: impl Fn(&str) -> bool) -> usize {
    let (mut alive, mut most) = (0_usize, 0);
    for event in town.feed() {
        let agent = event["data"]["agent"].as_str().unwrap_or_default();
        if !agent.contains("/polecats/") || !counts(agent) {
            continue;
        }
        match event["type"].as_str().unwrap() {
            "agent.started" => alive += 1,
            "agent.stopped" => alive -= 1,
            _ => {}
        }
        most = most.max(alive);
    }
    most
}

fn limit(town: &Town, rig: &str, most: u64) {
    town.configure(&format!("{rig}/config.json"), |config| config["max_workers"] = most.into());
}

fn policy(town: &Town, key: &str, value: &str) {
    town.configure("config/town.json", |config| config["policies"][key] = value.into());
}

/// The lines of `why`.
fn why(town: &Town, about: &str) -> String {
    town.gastown(&["why", about]).ok().stdout
}

#[test]
fn work_goes_by_urgency_and_age_and_never_more_at_once_than_there_are_places() {
    let (town, origin) = Town::with_rig();
    limit(&town, "web", 2);
    let mut expected = Vec::new();
    let mut beads = Vec::new();
    for (n, priority) in [3, 1, 4, 1, 0, 2, 0, 3].into_iter().enumerate() {
        // Two break the gate at first: the queue gives them back, and they want a place again.
        let broken = if n % 4 == 1 {
            "if [ \"$GASTOWN_REWORK\" = gate ]; then rm broken; else touch broken; fi; "
        } else {
            ""
        };
        let bead = town.bead(&format!("Bead {n}"), &format!("{broken}echo {n} > file{n}.txt"));
        town.gastown(&["bead", "update", &bead, "--priority", &priority.to_string()]).ok();
        expected.push((priority, n, bead.clone()));
        beads.push(bead);
    }
    expected.sort();
    let words: Vec<&str> =
        ["sling"].into_iter().chain(beads.iter().map(String::as_str)).chain(["web"]).collect();
    town.gastown(&words).ok();
    town.all_lands();
    let hung: Vec<Value> =
        town.events("hook.set").iter().map(|event| event["data"]["bead"].clone()).collect();
    let order: Vec<&str> = expected.iter().map(|(_, _, bead)| bead.as_str()).collect();
    assert_eq!(hung, order);
    assert_eq!(most_at_once(&town, |_| true), 2, "{}", town.story());
    assert_eq!(origin.landings().len(), 8);
    assert!(town.events("mq.rejected").len() >= 2);
}

#[test]
fn the_towns_own_limit_holds_over_all_rigs() {
    let (town, _web) = Town::with_rig();
    let _api = town.rig("api", &[]);
    town.configure("config/town.json", |config| config["max_workers"] = 1.into());
    for rig in ["web", "api", "web", "api"] {
        let bead = town.bead_of(rig, "Work", "echo $GASTOWN_SESSION > made.txt");
        town.gastown(&["sling", &bead, rig]).ok();
    }
    let said = town.until_idle();
    // They all make the same file, so some may conflict; that is another matter.
    assert!([0, 1].contains(&said.code), "{said:?}");
    assert_eq!(most_at_once(&town, |_| true), 1, "{}", town.story());
    let by_rig = |rig: &str| {
        town.events("agent.started")
            .iter()
            .filter(|e| e["data"]["agent"].as_str().unwrap().starts_with(rig))
            .count()
    };
    assert!(by_rig("web/") >= 2 && by_rig("api/") >= 2);
}

#[test]
fn the_pace_of_a_rig_outlasts_a_restart_and_does_not_hold_up_what_is_resumed() {
    let (town, _origin) = Town::with_rig();
    town.configure("web/config.json", |config| config["worker_spawn_delay"] = "1h".into());
    let first = town.work("First", &format!("{}; echo 1 > one.txt", town.barrier("go")));
    let second = town.work("Second", "echo 2 > two.txt");
    let running = town.run();
    town.event_of("hook.checked", &first);
    running.kill9();
    let running = town.run();
    // The first is back at once; the second still waits for its turn.
    find("the first is resumed", || {
        let started = town.feed().into_iter().filter(|event| event["type"] == "agent.started");
        (started.count() == 2).then_some(())
    });
    eventually("the second says why it waits", || why(&town, &second).contains("next worker starts in"));
    assert_eq!(town.events("hook.set").len(), 1);
    town.configure("web/config.json", |config| config["worker_spawn_delay"] = "0s".into());
    town.event_of("bead.closed", &second);
    town.open("go");
    town.event_of("bead.closed", &first);
    running.stop();
}

#[test]
fn short_memory_holds_sessions_back_until_it_is_there_again() {
    let (town, origin) = Town::with_rig();
    let first = town.work("First", &format!("{}; echo 1 > one.txt", town.barrier("go")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &first)["data"]["agent"].as_str().unwrap().to_owned();
    running.stop();
    // No machine has all of its memory free.
    policy(&town, "min_free_memory", "100%");
    let second = town.work("Second", "echo 2 > two.txt");
    let running = town.run();
    eventually("the second says why it waits", || why(&town, &second).contains("memory is short"));
    eventually("the first says why it is not resumed", || {
        town.agent(&worker)["note"].as_str().is_some_and(|note| note.contains("memory is short"))
    });
    let status = town.json(&["status"]);
    assert!(status["attention"].to_string().contains("a bead waits: memory is short"), "{status}");
    assert_eq!((town.events("agent.started").len(), town.events("hook.set").len()), (1, 1));
    // It is looked at again by itself, also without anybody's word.
    policy(&town, "min_free_memory", "off");
    town.open("go");
    for bead in [&first, &second] {
        town.event_of("bead.closed", bead);
    }
    running.stop();
    let landed: BTreeMap<String, ()> = origin.landings().into_iter().map(|bead| (bead, ())).collect();
    assert_eq!(landed.len(), 2);
}

#[test]
fn a_parked_rig_finishes_what_it_has_and_is_given_nothing_until_it_is_let_go() {
    let (town, origin) = Town::with_rig();
    let first = town.work("First", &format!("{}; echo 1 > one.txt", town.barrier("go")));
    let running = town.run();
    town.event_of("hook.checked", &first);
    town.gastown(&["rig", "park", "web", "--reason", "a holiday"]).ok();
    let second = town.work("Second", "echo 2 > two.txt");
    let rigs = town.json(&["rig", "list"]);
    assert_eq!(
        (&rigs[0]["parked"], &rigs[0]["pause"]["reason"]),
        (&true.into(), &"a holiday".into()),
        "{rigs}"
    );
    assert!(why(&town, &second).contains("a holiday"));
    town.open("go");
    town.event_of("hook.cleared", &first);
    running.stop();
    // Parked over restarts; and a run that only waits for that ends and says so.
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.json()["attention"].to_string().contains("rig unpark web"), "{said:?}");
    assert_eq!(town.events("hook.set").len(), 1);
    let refused = town.gastown(&["rig", "unpark", "wbe", "--json"]).refused(4, "no_such_rig");
    assert!(refused["hint"].as_str().unwrap().contains("web"));
    town.gastown(&["rig", "unpark", "web"]).ok();
    town.all_lands();
    assert_eq!(origin.landings(), [first, second]);
    let kinds: Vec<Value> = town.events("rig.").iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["rig.added", "rig.parked", "rig.unparked"]);
}

#[test]
fn a_rig_that_is_parked_at_once_ends_its_sessions_and_resumes_them() {
    let (town, origin) = Town::with_rig();
    let bead = town.work("Work", &format!("{}; echo 1 > one.txt", town.barrier("go")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    town.gastown(&["rig", "park", "web", "--now"]).ok();
    town.event_of("agent.verdict", &bead);
    eventually("its worker is parked", || town.agent(&worker)["state"] == "parked");
    let shown = town.agent(&worker);
    assert_eq!((&shown["hook"], &shown["pid"]), (&bead.as_str().into(), &Value::Null), "{shown}");
    town.open("go");
    town.gastown(&["rig", "resume", "web"]).ok();
    town.event_of("bead.closed", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead]);
    assert_eq!(town.events("agent.verdict")[0]["data"]["verdict"], "stopped");
    assert!(town.events("escalation.raised").is_empty());
}
