//! Stop stops: every process group, within its grace, and nothing restarts it (P12).

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Town, agent, eventually};

/// How an agent that does not want to end is ended soon.
fn soon() -> Value {
    json!({ "brief": "none", "stop": { "ask": "0s", "term": "300ms" } })
}

/// An agent that ignores every signal that it can.
const DEAF: &str = "trap '' TERM HUP INT; gt hook >/dev/null; echo deaf; while :; do sleep 0.2; done";

/// An agent with a child that leaves its session, its group and its parent.
const PARENT: &str = "(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.2; done' &)
gt hook >/dev/null; echo away; linger";

fn town_of_stubborn_agents() -> (Town, [String; 2]) {
    let (town, _origin) = Town::with_rig();
    agent::preset(&town, "deaf", DEAF, soon());
    agent::preset(&town, "parent", PARENT, soon());
    let deaf = town.bead("Deaf", "true");
    let parent = town.bead("Parent", "true");
    town.gastown(&["sling", &deaf, "web", "--agent", "deaf"]).ok();
    town.gastown(&["sling", &parent, "web", "--agent", "parent"]).ok();
    (town, [deaf, parent])
}

#[track_caller]
fn all_end(by: impl Fn(&Town, &crate::support::Running)) {
    let (town, beads) = town_of_stubborn_agents();
    let running = town.run();
    for bead in &beads {
        town.event_of("hook.checked", bead);
    }
    eventually("the child is away", || town.processes().iter().any(|(_, what)| what.contains("trap \"\"")));
    by(&town, &running);
    let said = running.wait();
    assert_eq!(said.code, 0, "{said:?}");
    town.assert_nothing_runs();
    assert!(!town.root.join("run/pid").exists());
    // Told to end is no failure: nothing is held against anybody.
    for verdict in town.events("agent.verdict") {
        assert_eq!(verdict["data"]["verdict"], "stopped", "{verdict}");
    }
    assert_eq!((town.events("agent.stopped").len(), town.events("agent.verdict").len()), (2, 2));
    assert!(town.events("escalation.raised").is_empty());
    for bead in &beads {
        assert_eq!(town.bead_shown(bead)["status"], "hooked");
    }
    assert_eq!(town.events("town.stopped").len(), 1);
}

#[test]
fn ctrl_c_ends_agents_that_do_not_want_to() {
    all_end(|_, running| running.signal(Signal::INT));
}

#[test]
fn stop_ends_agents_that_do_not_want_to() {
    all_end(|town, _| {
        town.gastown(&["stop"]).ok();
    });
}

#[test]
fn the_next_run_goes_on_where_the_last_one_was_stopped() {
    let (town, origin) = Town::with_rig();
    let script = format!(
        "echo one > one.txt; git add one.txt; git commit -qm One; {}; echo two > two.txt",
        town.barrier("go")
    );
    let bead = town.work("Long", &script);
    let waiting = town.work("Also", &format!("{}; echo x > x.txt", town.barrier("go")));
    for _ in 0..2 {
        let running = town.run();
        town.event_of("hook.checked", &bead);
        town.event_of("hook.checked", &waiting);
        assert_eq!(running.stop().code, 0);
        town.assert_nothing_runs();
    }
    town.open("go");
    town.all_lands();
    let mut landings = origin.landings();
    landings.sort();
    let mut both = vec![bead.clone(), waiting];
    both.sort();
    assert_eq!(landings, both);
    assert_eq!((origin.file("one.txt"), origin.file("two.txt")), ("one".into(), "two".into()));
    for verdict in town.events("agent.verdict") {
        let word = verdict["data"]["verdict"].as_str().unwrap();
        assert!(["stopped", "completed"].contains(&word), "{verdict}");
    }
    // One assignment all along: hung once, the same worker.
    let hung = town.events("hook.set");
    assert_eq!(hung.iter().filter(|event| event["data"]["bead"] == bead.as_str()).count(), 1);
}

#[test]
fn an_agent_that_a_person_stopped_stays_so_until_they_start_it() {
    let (town, origin) = Town::with_rig();
    let bead = town.work("Work", &format!("{}; echo x > x.txt", town.barrier("go")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    town.gastown(&["agent", "stop", &worker]).ok();
    town.event_of("agent.verdict", &bead);
    eventually("its session is gone", || town.agent(&worker)["pid"].is_null());
    town.open("go");
    // Nothing restarts it: not even a new runtime, which finds nothing else to do.
    running.stop();
    let idle = town.until_idle();
    assert_eq!(idle.code, 1, "{idle:?}");
    assert_eq!(town.events("agent.started").len(), 1);
    assert!(town.json(&["status"])["attention"].to_string().contains(&bead));
    town.gastown(&["agent", "start", &worker]).ok();
    town.all_lands();
    assert_eq!(origin.landings(), [bead]);
}

#[test]
fn a_worker_that_is_done_or_is_stopped_ends_though_it_hears_nothing() {
    let (town, origin) = Town::with_rig();
    // It hands in, and would stay for ever; so would what it has started in its own group.
    let script = format!(
        "trap '' TERM HUP INT; (while :; do sleep 0.2; done) & {}; gt hook >/dev/null
         echo x > x.txt; git add x.txt; git commit -qm X; gt done >/dev/null; while :; do sleep 0.2; done",
        town.barrier("go")
    );
    agent::preset(&town, "stays", &script, soon());
    let bead = town.bead("Work", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "stays"]).ok();
    let running = town.run();
    let worker = "web/polecats/frontend";
    eventually("it lives", || town.agent(worker)["pid"].is_u64());
    town.gastown(&["agent", "stop", worker]).ok();
    let verdict = town.event_of("agent.verdict", &bead);
    assert_eq!(verdict["data"]["verdict"], "stopped", "{verdict}");
    eventually("only the runtime is left", || town.processes().iter().all(|(pid, _)| *pid == running.pid()));
    town.open("go");
    town.gastown(&["agent", "start", worker]).ok();
    town.event_of("hook.cleared", &bead);
    assert_eq!(origin.landings(), [bead]);
    eventually("only the runtime is left", || town.processes().iter().all(|(pid, _)| *pid == running.pid()));
    running.stop();
}

#[test]
fn a_run_in_the_background_answers_and_stops() {
    let (town, _origin) = Town::with_rig();
    let said = town.gastown(&["run", "--detach"]).ok();
    assert!(town.answers(), "{said:?}");
    let pid = town.json(&["status"])["town"]["pid"].as_u64().unwrap();
    let bead = town.work("Work", "echo x > x.txt");
    town.event_of("bead.closed", &bead);
    town.gastown(&["stop"]).ok();
    eventually("the runtime is gone", || !crate::support::lives(u32::try_from(pid).unwrap()));
    town.assert_nothing_runs();
}
