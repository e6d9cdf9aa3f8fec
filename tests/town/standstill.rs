//! Estop and thaw: every process of the town stands still where it is, no time passes, and it goes on.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Town, agent, eventually, find, town::Place};

/// The state of a process, as the kernel has it.
fn state(pid: u32) -> Option<char> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    line.rsplit_once(')')?.1.trim().chars().next()
}

/// Whether every process of the town's agents stands still. One whose child was stopped before its program
/// began waits for it in the kernel.
fn all_stand(town: &Place, but: &[u32]) -> bool {
    let agents = town.processes().into_iter().filter(|(pid, _)| !but.contains(pid));
    let states: Vec<char> = agents.filter_map(|(pid, _)| state(pid)).collect();
    !states.is_empty() && states.iter().all(|state| matches!(state, 'T' | 'D' | 'Z'))
}

/// An agent with a child in a session of its own, both at work.
const BUSY: &str = "(setsid sh -c 'while :; do sleep 0.05; done' &)
gt hook >/dev/null; i=0
while [ ! -e \"$HOME/go\" ]; do i=$((i + 1)); echo $i > \"$HOME/count\"; sleep 0.05; done
echo x > made.txt; git add made.txt; git commit -qm Made; gt done >/dev/null; linger";

fn busy_town() -> (Town, crate::support::repo::Origin, String) {
    let (town, origin) = Town::with_rig();
    let bead = town.bead("Busy", "true");
    agent::preset(&town, "busy", BUSY, json!({ "brief": "none", "stop": { "ask": "0s" } }));
    town.gastown(&["sling", &bead, "web", "--agent", "busy"]).ok();
    (town, origin, bead)
}

fn count(town: &Town) -> Option<u64> {
    std::fs::read_to_string(town.folder.join("home/count")).ok()?.trim().parse().ok()
}

#[test]
fn a_frozen_town_stands_still_takes_letters_and_goes_on_where_it_was() {
    let (town, origin, bead) = busy_town();
    let running = town.run();
    town.event_of("hook.checked", &bead);
    find("it counts", || count(&town));
    let began = std::time::Instant::now();
    let report = town.json(&["estop", "--reason", "smoke"]);
    eprintln!("estop was answered after {:?}", began.elapsed());
    assert_eq!((&report["changed"], &report["sessions"]), (&true.into(), &1.into()), "{report}");
    eventually("everything stands still", || all_stand(&town, &[running.pid()]));

    let status = town.json(&["status"]);
    assert_eq!(
        (&status["town"]["state"], &status["town"]["frozen"]["by"]),
        (&"frozen".into(), &"overseer".into())
    );
    assert_eq!(status["town"]["frozen"]["reason"], "smoke", "{status}");
    assert!(status["attention"].to_string().contains("gastown thaw"), "{status}");
    // Letters and work are taken; nothing is begun or typed.
    let worker = town.agent("web/polecats/frontend");
    town.gastown(&["mail", "send", "web/frontend", "-s", "hello", "-m", "x"]).ok();
    let waiting = town.work("Waiting", "echo y > y.txt");
    town.gastown(&["nudge", "web/frontend", "hello", "--json"]).refused(5, "town_frozen");
    town.gastown(&["agent", "start", "mayor/", "--json"]).refused(5, "town_frozen");
    town.gastown(&["agent", "restart", "web/frontend", "--json"]).refused(5, "town_frozen");
    assert!(town.gastown(&["why", &waiting]).ok().stdout.contains("smoke"));
    let again = town.json(&["estop", "--reason", "fire"]);
    assert_eq!((&again["changed"], &again["frozen"]["reason"]), (&false.into(), &"smoke".into()), "{again}");
    let stood = count(&town);
    assert_eq!((town.events("hook.set").len(), count(&town)), (1, stood));

    let thawed = town.json(&["thaw"]);
    assert_eq!((&thawed["changed"], &thawed["frozen"]), (&true.into(), &Value::Null), "{thawed}");
    find("it counts on", || count(&town).filter(|now| Some(*now) > stood));
    assert_eq!(town.json(&["thaw"])["changed"], false);
    std::fs::write(town.folder.join("home/go"), "").unwrap();
    for bead in [&bead, &waiting] {
        town.event_of("bead.closed", bead);
    }
    assert_eq!(
        town.agent("web/polecats/frontend")["sessions"],
        worker["sessions"],
        "the same session went on"
    );
    running.stop();
    assert_eq!(origin.landings().len(), 2);
    let kinds: Vec<Value> = town.events("town.").iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["town.started", "town.frozen", "town.thawed", "town.stopped"]);
}

#[test]
fn a_runtime_that_dies_frozen_comes_back_frozen() {
    let (town, _origin, bead) = busy_town();
    let running = town.run();
    town.event_of("hook.checked", &bead);
    town.gastown(&["estop", "-m", "smoke"]).ok();
    running.kill9();
    eventually("what stood still is gone with its runtime", || town.processes().is_empty());
    let running = town.run();
    assert_eq!(town.json(&["status"])["town"]["state"], "frozen");
    eventually("it says so", || running.printed().contains("the town is frozen"));
    town.event_of("agent.verdict", &bead);
    // Somebody else's word is taken meanwhile, and nothing is begun.
    town.gastown(&["agent", "start", "web/frontend", "--json"]).refused(5, "town_frozen");
    assert_eq!(town.events("agent.started").len(), 1);
    town.gastown(&["thaw"]).ok();
    std::fs::write(town.folder.join("home/go"), "").unwrap();
    town.event_of("bead.closed", &bead);
    running.stop();
}

#[test]
fn a_town_can_be_frozen_and_thawed_without_a_runtime() {
    let (town, _origin) = Town::with_rig();
    let bead = town.work("Work", "echo x > x.txt");
    town.gastown(&["estop", "--reason", "not yet"]).ok();
    let status = town.json(&["status"]);
    assert_eq!(
        (&status["town"]["state"], &status["town"]["frozen"]["reason"]),
        (&"stopped".into(), &"not yet".into())
    );
    let running = town.run();
    assert!(town.gastown(&["why", &bead]).ok().stdout.contains("not yet"));
    assert!(town.events("hook.set").is_empty());
    running.stop();
    town.gastown(&["thaw"]).ok();
    town.all_lands();
}

#[test]
fn a_gate_stands_still_and_what_it_tests_lands_afterwards() {
    let town = Town::new();
    let wait = format!("{}; touch {}", town.barrier("gate"), town.folder.join("passed").display());
    let _origin = town.rig("web", &["--gate", &format!("slow={wait}")]);
    let bead = town.work("Work", "echo x > x.txt");
    let running = town.run();
    town.event("the gate runs", |event| event["type"] == "mq.testing");
    let gate = || {
        let all = town.processes().into_iter();
        all.filter(|(pid, words)| *pid != running.pid() && words.contains("touch"))
            .map(|(pid, _)| pid)
            .collect::<Vec<_>>()
    };
    eventually("the gate is there", || !gate().is_empty());
    town.gastown(&["estop"]).ok();
    eventually("it stands still", || gate().into_iter().all(|pid| matches!(state(pid), Some('T' | 'D'))));
    town.open("gate");
    assert!(!town.folder.join("passed").exists());
    town.gastown(&["thaw"]).ok();
    town.event_of("bead.closed", &bead);
    running.stop();
}

#[test]
fn what_stands_still_can_be_stopped_and_killed() {
    let (town, _origin, bead) = busy_town();
    let running = town.run();
    town.event_of("hook.checked", &bead);
    town.gastown(&["estop"]).ok();
    town.gastown(&["agent", "kill", "web/frontend"]).ok();
    town.event_of("agent.verdict", &bead);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code, 0);
    town.assert_nothing_runs();
}
