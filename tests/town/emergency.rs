//! When it has to end at once, or something has died: nothing of the town is left, and nothing is lost.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::repo::Origin;
use crate::support::{Town, agent, eventually, find, lives};

/// Starts a process that has shed its environment, session and parent and hears no signal that it can
/// ignore; its number is in the file `name` of the home.
fn shed(name: &str) -> String {
    format!(
        "(env -i setsid sh -c 'trap \"\" TERM HUP INT; echo $$ > $1.new; mv $1.new $1; \
         while :; do sleep 0.1; done' shed \"$HOME/{name}\" </dev/null >/dev/null 2>&1 &)\n"
    )
}

/// An agent that does not want to end, with two children that have got away as far as they could.
fn stubborn() -> String {
    format!(
        "{}(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.1; done' &)\n\
         trap '' TERM HUP INT; gt hook >/dev/null; while :; do sleep 0.1; done",
        shed("shed-$GASTOWN_RIG")
    )
}

/// One that takes a long time by its preset.
fn slow() -> Value {
    json!({ "brief": "none", "stop": { "type": "/exit", "ask": "20s", "term": "20s" } })
}

/// The number that a shed process has written.
fn number(town: &Town, name: &str) -> u32 {
    let file = town.folder.join("home").join(name);
    find(&format!("{name} runs"), || std::fs::read_to_string(&file).ok()?.trim().parse().ok())
}

/// A town with a stubborn agent in each of two rigs.
fn stubborn_town() -> (Town, [Origin; 2], [String; 2]) {
    let town = Town::new();
    let origins = ["web", "api"].map(|rig| town.rig(rig, &[]));
    agent::preset(&town, "stubborn", &stubborn(), slow());
    let beads = ["web", "api"].map(|rig| {
        let bead = town.bead_of(rig, "Work", "true");
        town.gastown(&["sling", &bead, rig, "--agent", "stubborn"]).ok();
        bead
    });
    (town, origins, beads)
}

fn gone(town: &Town, what: &str, pids: &[u32]) {
    let began = Instant::now();
    eventually(&format!("nothing is left {what}"), || {
        town.processes().is_empty() && !pids.iter().any(|pid| lives(*pid))
    });
    eprintln!("nothing was left {:?} {what}", began.elapsed());
}

#[test]
fn stop_all_ends_everything_at_once_and_loses_nothing() {
    let (town, _origins, beads) = stubborn_town();
    let gate = "touch $HOME/gated; trap '' TERM; while :; do sleep 0.1; done";
    town.configure("web/config.json", |config| config["gates"] = json!([{ "name": "slow", "cmd": gate }]));
    let tested = town.work("Tested", "echo x > x.txt");
    let running = town.run();
    for bead in &beads {
        town.event_of("hook.checked", bead);
    }
    let pids = ["shed-web", "shed-api"].map(|name| number(&town, name));
    eventually("the gate runs", || town.folder.join("home/gated").exists());
    let began = Instant::now();
    town.gastown(&["stop", "--all"]).ok();
    eprintln!("stop --all took {:?}", began.elapsed());
    assert_eq!(running.wait().code, 0);
    gone(&town, "after stop --all", &pids);
    for verdict in town.events("agent.verdict") {
        let word = verdict["data"]["verdict"].as_str().unwrap();
        assert!(["stopped", "completed"].contains(&word), "{verdict}");
    }
    assert!(town.events("escalation.raised").is_empty());
    for bead in &beads {
        assert_eq!(town.bead_shown(bead)["status"], "hooked");
    }
    // The next run goes on with all of it.
    town.configure("web/config.json", |config| config["gates"] = json!([]));
    agent::preset(
        &town,
        "stubborn",
        "echo $GASTOWN_RIG > y.txt; git add y.txt; git commit -qm Y; gt done >/dev/null; linger",
        slow(),
    );
    town.all_lands();
    assert_eq!(town.bead_shown(&tested)["status"], "closed");
}

#[test]
fn a_stop_that_takes_long_is_hurried() {
    let (town, _origins, beads) = stubborn_town();
    let running = town.run();
    for bead in &beads {
        town.event_of("hook.checked", bead);
    }
    let pids = ["shed-web", "shed-api"].map(|name| number(&town, name));
    let slowly = town.start(&["stop"]);
    town.event("it is being asked", |event| event["data"]["to"] == "stopping");
    let began = Instant::now();
    town.gastown(&["stop", "--all"]).ok();
    eprintln!("the stop was over {:?} after it was hurried", began.elapsed());
    assert_eq!((slowly.wait().code, running.wait().code), (0, 0));
    gone(&town, "after the hurried stop", &pids);
}

#[test]
fn only_that_rig_is_stopped_until_it_is_started() {
    let town = Town::new();
    let origins = ["web", "api"].map(|rig| town.rig(rig, &[]));
    let beads = ["web", "api"].map(|rig| {
        let bead = town.bead_of(rig, "Work", &format!("{}; echo x > x.txt", town.barrier("go")));
        town.gastown(&["sling", &bead, rig]).ok();
        bead
    });
    let running = town.run();
    let workers = beads
        .each_ref()
        .map(|bead| town.event_of("hook.checked", bead)["data"]["agent"].as_str().unwrap().to_owned());
    let other = town.agent(&workers[1]);
    town.gastown(&["stop", "--rig", "web"]).ok();
    let tree = town.json(&["tree"]).to_string();
    assert!(!tree.contains("rig web") && tree.contains("rig api"), "{tree}");
    let stopped = town.agent(&workers[0]);
    assert_eq!(
        (&stopped["pid"], &stopped["state"], &stopped["hook"]),
        (&Value::Null, &"parked".into(), &beads[0].as_str().into())
    );
    assert_eq!(town.agent(&workers[1])["pid"], other["pid"], "the other rig's agent was left alone");
    let status = town.json(&["status"]);
    assert!(status["attention"].to_string().contains("gastown rig start web"), "{status}");
    // What is slung to it waits; a letter is kept.
    let later = town.bead_of("web", "Later", "echo y > y.txt");
    town.gastown(&["sling", &later, "web"]).ok();
    town.gastown(&["mail", "send", "web/frontend", "-s", "hello", "-m", "x"]).ok();
    town.gastown(&["start", "--rig", "web"]).ok();
    town.open("go");
    for bead in beads.iter().chain([&later]) {
        town.event_of("bead.closed", bead);
    }
    // Stopped again, the next run starts it: that is what a run is.
    town.gastown(&["stop", "--rig", "web"]).ok();
    running.stop();
    let last = town.bead_of("web", "Last", "echo z > z.txt");
    town.gastown(&["sling", &last, "web"]).ok();
    town.all_lands();
    assert_eq!((origins[0].landings().len(), origins[1].landings().len()), (3, 1));
    let refused = town.gastown(&["stop", "--rig", "web", "--json"]);
    assert_eq!(refused.code, 3, "there is nothing to stop: {refused:?}");
}

#[test]
fn an_agent_that_a_person_kills_is_gone_with_all_that_it_started_and_stays_so() {
    let (town, _origins, beads) = stubborn_town();
    let running = town.run();
    town.event_of("hook.checked", &beads[0]);
    let pid = number(&town, "shed-web");
    let worker = "web/polecats/frontend";
    let first = town.agent(worker);
    let began = Instant::now();
    town.gastown(&["kill", worker]).ok();
    eprintln!("agent kill took {:?}", began.elapsed());
    assert!(!lives(u32::try_from(first["pid"].as_u64().unwrap()).unwrap()), "answered when it is gone");
    let verdict = town.event_of("agent.verdict", &beads[0]);
    assert_eq!(verdict["data"]["verdict"], "killed", "{verdict}");
    eventually("what it started is gone", || !lives(pid));
    let held = find("it is held", || Some(town.agent(worker)).filter(|agent| agent["state"] == "parked"));
    assert_eq!(held["hook"], beads[0].as_str(), "{held}");
    assert!(town.gastown(&["why", worker]).ok().stdout.contains("killed by overseer"));
    town.gastown(&["agent", "kill", worker, "--json"]).refused(1, "no_session");
    // Let go, it goes on; killed to begin anew, it does so by itself.
    town.gastown(&["agent", "start", worker]).ok();
    let second = find("it lives again", || Some(town.agent(worker)).filter(|agent| agent["pid"].is_u64()));
    assert_ne!(second["session"], first["session"]);
    town.gastown(&["agent", "kill", worker, "--restart"]).ok();
    find("the next session lives", || {
        Some(town.agent(worker))
            .filter(|agent| agent["pid"].is_u64() && agent["session"] != second["session"])
    });
    let of = |kind: &str| town.events(kind).iter().filter(|event| event["data"]["agent"] == worker).count();
    assert_eq!((of("agent.started"), of("agent.verdict")), (3, 2));
    assert!(town.events("escalation.raised").is_empty());
    town.gastown(&["stop", "--all"]).ok();
    running.wait();
}

#[test]
fn no_orphan_outlives_a_runtime_that_is_killed() {
    let (town, _origins, beads) = stubborn_town();
    let gate = "(env -i setsid sh -c 'while :; do sleep 0.1; done' &); touch $HOME/gated; trap '' TERM; while :; do sleep 0.1; done";
    town.configure("web/config.json", |config| config["gates"] = json!([{ "name": "slow", "cmd": gate }]));
    town.work("Tested", "echo x > x.txt");
    let running = town.run();
    for bead in &beads {
        town.event_of("hook.checked", bead);
    }
    let pids = ["shed-web", "shed-api"].map(|name| number(&town, name));
    eventually("the gate runs", || town.folder.join("home/gated").exists());
    running.kill9();
    // Nobody runs the town anew: whatever it was is gone all the same.
    gone(&town, "after the runtime was killed", &pids);
}

#[test]
fn the_town_answers_while_its_agents_take_every_core() {
    let (town, _origin) = Town::with_rig();
    let hog = "gt hook >/dev/null; for n in 1 2 3 4; do (while :; do :; done) & done; while :; do :; done";
    agent::preset(&town, "hog", hog, json!({ "brief": "none", "stop": { "ask": "0s", "term": "300ms" } }));
    let beads: Vec<String> = (0..3).map(|n| town.bead(&format!("Hog {n}"), "true")).collect();
    for bead in &beads {
        town.gastown(&["sling", bead, "web", "--agent", "hog"]).ok();
    }
    let running = town.run();
    for bead in &beads {
        town.event_of("hook.checked", bead);
    }
    // Over the socket: a program's own start is no matter of the town's.
    let mut took = [const { Vec::new() }; 3];
    for _ in 0..50 {
        for (n, command) in [json!("status"), json!({ "freeze": {} }), json!("thaw")].iter().enumerate() {
            let began = Instant::now();
            let reply = town.ask(command);
            took[n].push(began.elapsed());
            assert!(reply["ok"].is_object(), "{reply}");
        }
    }
    for (what, took) in ["status", "estop", "thaw"].iter().zip(&mut took) {
        took.sort();
        eprintln!("beside 15 busy processes: {what} p50 {:?}, p99 {:?}", took[25], took[49]);
    }
    let began = Instant::now();
    town.gastown(&["stop", "--all"]).ok();
    eprintln!("stop --all {:?}", began.elapsed());
    assert_eq!(running.wait().code, 0);
    town.assert_nothing_runs();
}
