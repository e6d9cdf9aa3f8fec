//! The supervised tree: whoever dies comes back, and no work is lost with them (P9).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Town, eventually, find};

/// The nodes of a tree, from the root down, with the names of those above them.
fn nodes(tree: &Value) -> Vec<Value> {
    let mut found = vec![tree.clone()];
    for child in tree["children"].as_array().unwrap() {
        found.extend(nodes(child));
    }
    found
}

fn names(tree: &Value) -> BTreeSet<String> {
    nodes(tree).iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}

/// The tree, as soon as somebody answers: who answers may just be coming back.
fn tree(town: &Town) -> Value {
    find("the tree is printed", || {
        let said = town.gastown(&["tree", "--json"]);
        (said.code == 0).then(|| said.json())
    })
}

fn node(town: &Town, name: &str) -> Option<Value> {
    nodes(&tree(town)).into_iter().find(|node| node["name"] == name)
}

fn town_with_faults() -> (Town, crate::support::repo::Origin) {
    let (town, origin) = Town::with_rig();
    town.configure("config/town.json", |config| config["allow_faults"] = true.into());
    (town, origin)
}

#[test]
fn the_tree_is_the_one_on_paper() {
    let (town, _origin) = Town::with_rig();
    let running = town.run();
    let printed = town.json(&["tree"]);
    let expected = "town scribe postmaster switchboard rigs deacon mayor web/refinery web/witness \
                    web/dispatcher web/polecats";
    let mut expected: BTreeSet<String> = expected.split_whitespace().map(str::to_owned).collect();
    expected.insert("rig web".to_owned());
    assert_eq!(names(&printed), expected);
    let children = |node: &Value| -> Vec<String> {
        let children = node["children"].as_array().unwrap();
        children.iter().map(|child| child["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(children(&printed), ["scribe", "postmaster", "switchboard", "rigs", "deacon", "mayor"]);
    let rig = node(&town, "rig web").unwrap();
    assert_eq!(children(&rig), ["web/refinery", "web/witness", "web/dispatcher", "web/polecats"]);
    for node in nodes(&printed) {
        let is_supervisor = node["kind"] == "supervisor";
        assert_eq!(node["strategy"].is_string(), is_supervisor, "{node}");
        assert_eq!((&node["state"], &node["restarts"]), (&Value::from("running"), &Value::from(0)));
    }

    // A worker has its place while it has work, and its session below it.
    let bead = town.work("Work", &format!("{}; echo x > x.txt", town.barrier("go")));
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let polecats = node(&town, "web/polecats").unwrap();
    assert_eq!(children(&polecats), [worker.as_str()]);
    let session = &node(&town, &worker).unwrap()["children"][0];
    assert_eq!(session["kind"], "session", "{polecats}");
    town.open("go");
    eventually("the worker leaves the tree", || node(&town, &worker).is_none());
    running.stop();
}

#[test]
fn every_actor_that_is_killed_comes_back_and_the_work_lands() {
    let (town, origin) = town_with_faults();
    let script = |n: usize| format!("{}; echo {n} > file{n}.txt", town.barrier("go"));
    let beads: Vec<String> = (0..2).map(|n| town.work(&format!("Bead {n}"), &script(n))).collect();
    let running = town.run();
    let workers: Vec<String> = beads
        .iter()
        .map(|bead| town.event_of("hook.checked", bead)["data"]["agent"].as_str().unwrap().to_owned())
        .collect();
    let all: Vec<Value> = nodes(&tree(&town))
        .into_iter()
        .filter(|node| node["kind"] != "session" && node["name"] != "town")
        .collect();
    assert_eq!(all.len(), 11 + workers.len(), "{all:?}");
    for victim in &all {
        let name = victim["name"].as_str().unwrap();
        // A victim may still be on its way back from the death of the one above it.
        find(&format!("{name} can be killed"), || {
            let said = town.gastown(&["fault", "kill-actor", name]);
            (said.code == 0).then_some(())
        });
        town.event(&format!("the end of {name}"), |event| {
            event["type"] == "actor.ended" && event["data"]["name"] == name
        });
        eventually(&format!("{name} is back"), || {
            node(&town, name).is_some_and(|node| node["state"] == "running")
        });
        running.assert_alive();
    }
    for ended in town.events("actor.ended") {
        assert_eq!(ended["data"]["outcome"], "restarted", "{ended}");
    }
    town.open("go");
    for bead in &beads {
        town.event_of("bead.closed", bead);
    }
    running.stop();
    let mut landed = origin.landings();
    landed.sort();
    let mut wanted = beads;
    wanted.sort();
    assert_eq!(landed, wanted);
    town.assert_nothing_runs();
}

#[test]
fn actors_that_are_started_again_in_a_town_without_work_start_no_agent() {
    let (town, _origin) = town_with_faults();
    let running = town.run();
    let all = names(&tree(&town));
    for name in all.iter().filter(|name| *name != "town") {
        find(&format!("{name} can be killed"), || {
            (town.gastown(&["fault", "kill-actor", name]).code == 0).then_some(())
        });
        // Whoever is started again has looked at the board when it is back: nothing there asks for a judgement.
        eventually(&format!("{name} is back"), || {
            node(&town, name).is_some_and(|node| node["state"] == "running")
        });
    }
    assert_eq!(names(&tree(&town)), all);
    running.stop();
    assert_eq!((town.events("agent.started").len(), town.events("mail.sent").len()), (0, 0));
}

/// Time between two deaths of one actor, so that the town's window of 20 in 10 s bears them.
const PACE: Duration = Duration::from_millis(550);

/// Deaths of one worker, or of one rig, that are borne within a minute.
const BORNE: usize = 10;

/// Kills the actor called `name` again and again until `bead` is closed; returns how often.
fn kill_until_closed(town: &Town, name: &str, bead: &str) -> usize {
    let (mut kills, mut next) = (0, Instant::now());
    find(&format!("{bead} is landed although {name} dies all the time"), || {
        if Instant::now() >= next && kills < BORNE {
            // Between two lives there is nobody to be killed; a switchboard that dies does not answer.
            let said = town.gastown(&["fault", "kill-actor", name]);
            assert!([0, 1, 4].contains(&said.code), "{said:?}");
            kills += usize::from(said.code == 0);
            next = Instant::now() + PACE;
        }
        let closed = |event: &Value| event["type"] == "bead.closed" && event["data"]["bead"] == bead;
        town.feed().iter().any(closed).then_some(kills)
    })
}

#[test]
fn with_any_one_actor_dying_all_the_time_the_rest_still_lands_a_change() {
    let (town, web) = town_with_faults();
    let api = town.rig("api", &["--prefix", "api", "--gate", crate::support::town::GATE]);
    let running = town.run();
    let sling = |rig: &str, title: &str, script: &str| {
        let bead = town.bead_of(rig, title, script);
        town.gastown(&["sling", &bead, rig]).ok();
        bead
    };
    // A worker that dies all the time lands nothing.
    let held = sling("web", "Held", &format!("{}; echo x > held.txt", town.barrier("go")));
    let worker = town.event_of("hook.checked", &held)["data"]["agent"].as_str().unwrap().to_owned();
    // All but those who are above every worker, and those of the other rig, which is the rest.
    let names: Vec<String> = names(&tree(&town)).into_iter().collect();
    let spared = |name: &&String| {
        ["town", "rigs", "rig api"].contains(&name.as_str())
            || name.starts_with("api/")
            || name.contains(" session")
    };
    let victims: Vec<&String> = names.iter().filter(|name| !spared(name)).collect();
    assert_eq!(victims.len(), 11, "{victims:?}");
    let (mut of_web, mut of_api) = (vec![held], Vec::new());
    for victim in victims {
        let of_rig = victim.contains("web");
        let (rig, beads) = if of_rig { ("api", &mut of_api) } else { ("web", &mut of_web) };
        let bead = sling(rig, &format!("Without {victim}"), &format!("echo x > {rig}{}.txt", beads.len()));
        assert!(kill_until_closed(&town, victim, &bead) > 0, "{victim} was never killed");
        running.assert_alive();
        beads.push(bead);
    }
    assert!(of_api.len() == 6 && names.contains(&worker), "{of_api:?}");

    // When it dies no more, what it was at is done as well.
    town.open("go");
    of_web.iter().for_each(|bead| drop(town.event_of("bead.closed", bead)));
    running.stop();
    for ended in town.events("actor.ended") {
        assert_eq!(ended["data"]["outcome"], "restarted", "{ended}");
    }
    let landed =
        |origin: &crate::support::repo::Origin| origin.landings().into_iter().collect::<BTreeSet<_>>();
    assert_eq!((landed(&web), landed(&api)), (of_web.into_iter().collect(), of_api.into_iter().collect()));
    town.assert_nothing_runs();
}

#[test]
fn roles_that_die_in_the_middle_of_a_landing_land_it_once() {
    let (town, origin) = town_with_faults();
    let bead = town.bead("Work", "echo x > x.txt");
    let running = town.run();
    town.gastown(&["sling", &bead, "web"]).ok();
    let kill = |name: &str| {
        // Between two lives there is nobody to be killed.
        let said = town.gastown(&["fault", "kill-actor", name]);
        assert!([0, 1, 4].contains(&said.code), "{said:?}");
    };
    for (after, victims) in [
        ("hook.set", &["web/dispatcher", "web/polecats/frontend"][..]),
        ("work.done", &["web/witness", "postmaster"][..]),
        ("mq.submitted", &["web/refinery"][..]),
        ("mq.testing", &["web/refinery", "scribe"][..]),
        ("mq.landed", &["web/witness", "web/polecats/frontend"][..]),
    ] {
        town.event(after, |event| event["type"] == after);
        victims.iter().for_each(|name| kill(name));
    }
    town.event_of("hook.cleared", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead.as_str()]);
    assert_eq!((town.events("mq.landed").len(), town.events("bead.closed").len()), (1, 1));
    town.assert_nothing_runs();
}

#[test]
fn faults_are_refused_where_they_are_not_allowed_and_strangers_are_not_found() {
    let (town, _origin) = Town::with_rig();
    let running = town.run();
    town.gastown(&["fault", "kill-actor", "mayor", "--json"]).refused(5, "faults_not_allowed");
    town.configure("config/town.json", |config| config["allow_faults"] = true.into());
    let refused = find("the new configuration is taken up", || {
        let said = town.gastown(&["fault", "kill-actor", "web/refinary", "--json"]);
        (said.code != 5).then_some(said)
    });
    let error = refused.refused(4, "no_such_actor");
    assert!(error["hint"].as_str().unwrap().contains("web/refinery"), "{error}");
    running.stop();
}

#[test]
fn an_agent_that_is_killed_gets_one_verdict_and_a_successor() {
    let (town, origin) = Town::with_rig();
    let bead = town.work("Work", &format!("{}; echo x > x.txt", town.barrier("go")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let first = town.agent(&worker);
    crate::support::signal(
        u32::try_from(first["pid"].as_u64().unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    );
    let verdict = town.event_of("agent.verdict", &bead);
    assert_eq!(verdict["data"]["session"], first["session"]);
    assert_eq!(verdict["data"]["verdict"], "crashed", "{verdict}");
    town.event("another session", |event| {
        event["type"] == "agent.started" && event["data"]["session"] != first["session"]
    });
    town.open("go");
    town.event_of("bead.closed", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead]);
    assert!(town.events("escalation.raised").is_empty());
}
