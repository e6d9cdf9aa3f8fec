//! Agents that are foreign programs and misbehave in every way of the verdict table: one verdict each, the right
//! word, the right next step.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::town::Place;
use crate::support::{Town, agent, eventually, find, signal};

/// A preset's fields with short times and words of its own for what keeps it from working.
fn quick(more: Value) -> Value {
    let mut fields = json!({
        "brief": "none",
        "stop": {"ask": "0s", "term": "1s"},
        "ready_timeout": "1s",
        "silent_after": "30s",
        "nudge_after": "300ms",
        "waiting": ["screen:may I?"],
        "ends": {
            "after": "500ms",
            "login": ["screen:please log in"],
            "trust": ["screen:do you trust"],
            "key_refused": ["screen:bad key"],
            "limited": ["screen:limit reached"],
            "overloaded": ["screen:too much to do"],
            "context_full": ["screen:too long a talk"],
            "session_in_use": ["screen:session in use"],
            "out_of_memory": ["screen:out of memory"]
        }
    });
    for (key, value) in more.as_object().unwrap() {
        fields[key] = value.clone();
    }
    fields
}

/// Gives a bead to a worker that runs the preset `name`.
#[track_caller]
fn work_for(town: &Place, name: &str) -> String {
    let bead = town.bead(&format!("Work for {name}"), "true");
    town.gastown(&["sling", &bead, "web", "--agent", name]).ok();
    bead
}

fn workplace() -> (Town, crate::support::repo::Origin) {
    let town = Town::new();
    let origin = town.rig("web", &["--max-workers", "24"]);
    town.configure("web/config.json", |config| {
        let names: Vec<String> = (0..24).map(|n| format!("w{n}")).collect();
        config["workers"] = json!(names);
    });
    (town, origin)
}

fn verdicts_of(town: &Place, bead: &str) -> Vec<Value> {
    let is = |event: &Value| event["type"] == "agent.verdict" && event["data"]["bead"] == bead;
    town.feed().into_iter().filter(is).collect()
}

fn pid(row: &Value) -> u32 {
    u32::try_from(row["pid"].as_u64().unwrap()).unwrap()
}

#[test]
fn every_way_to_end_has_one_verdict_and_its_next_step() {
    let (town, _origin) = workplace();
    let never = json!({"ready": ["screen:this is never shown"]});
    let silent = json!({"silent_after": "1s"});
    let none = json!({});
    // Name, what it does, its preset; the verdict, what follows, and whether another session begins by itself.
    let cases: [(&str, &str, &Value, &str, &str, bool); 16] = [
        ("leaves", "exit 0", &none, "left_early", "resume", true),
        ("fails", "echo nothing known; exit 3", &none, "failed", "fresh", true),
        ("crashes", "kill -SEGV $$", &none, "crashed", "reassign", true),
        ("is-killed", "kill -KILL $$", &none, "crashed", "resume", true),
        ("no-memory", "echo out of memory; exit 1", &none, "out_of_memory", "resume", true),
        ("never-ready", "echo hello; linger", &never, "not_ready", "fresh", true),
        ("wants-login", "echo please log in; sleep 0.4; exit 1", &none, "asks_login", "person", false),
        ("wants-trust", "echo do you trust me; exit 0", &none, "asks_trust", "person", false),
        ("key-refused", "echo bad key; linger", &none, "key_refused", "person", false),
        ("limited", "echo limit reached, try again in 3 seconds; linger", &none, "limited", "park", true),
        ("overloaded", "echo too much to do; exit 1", &none, "overloaded", "park", false),
        ("too-long", "echo too long a talk; linger", &none, "context_full", "hand_off", true),
        ("in-use", "echo session in use; exit 1", &none, "session_in_use", "fresh", true),
        ("silent", "linger", &silent, "silent", "fresh", true),
        ("frozen", "kill -STOP $$; kill -STOP $$; linger", &silent, "frozen", "fresh", true),
        ("missing", "", &none, "not_started", "fresh", true),
    ];
    for (name, script, fields, ..) in &cases {
        // A second session stays, so that there is one end of each.
        let marker = town.folder.join(format!("{name}.was-here"));
        let again = format!("if [ -e {0} ]; then echo may I?; linger; fi; : > {0}; ", marker.display());
        match *name {
            "missing" => agent::raw_preset(&town, name, "/nowhere/at/all", quick((*fields).clone())),
            _ => agent::preset(&town, name, &format!("{again}{script}"), quick((*fields).clone())),
        }
    }
    let beads: Vec<String> = cases.iter().map(|(name, ..)| work_for(&town, name)).collect();
    let running = town.run();
    for ((name, _, _, verdict, strategy, again), bead) in cases.iter().zip(&beads) {
        let judged = town.event_of("agent.verdict", bead);
        let data = &judged["data"];
        assert_eq!(
            (&data["verdict"], &data["strategy"]),
            (&json!(verdict), &json!(strategy)),
            "{name}: {judged}"
        );
        let starts = || {
            let of =
                |event: &Value| event["type"] == "agent.started" && event["data"]["bead"] == bead.as_str();
            town.feed().into_iter().filter(of).collect::<Vec<_>>()
        };
        if *again && *name != "missing" {
            let second = find(&format!("the next session of {name}"), || starts().into_iter().nth(1));
            let other = second["data"]["agent"] != data["agent"];
            assert_eq!(other, *strategy == "reassign", "{name}: {second}");
        }
        match *name {
            "limited" => {
                let until = data["until"].as_str().unwrap().to_owned();
                let starts = starts();
                assert!(starts[1]["at"].as_str().unwrap() >= until.as_str(), "{until}: {}", starts[1]);
                assert_eq!(starts[1]["data"]["reason"], "limit_over");
            }
            "silent" | "frozen" | "never-ready" => {
                let agent = &data["agent"];
                town.event("it was seen to be stuck", |event| {
                    event["type"] == "agent.state"
                        && event["data"]["agent"] == *agent
                        && event["data"]["to"] == "stuck"
                });
            }
            _ => {}
        }
    }
    // Each session has one verdict: a second session waits for a person, or is not there.
    for ((name, ..), bead) in cases.iter().zip(&beads) {
        let verdicts = verdicts_of(&town, bead);
        let mut sessions: Vec<&Value> = verdicts.iter().map(|event| &event["data"]["session"]).collect();
        assert!(sessions.len() == 1 || *name == "missing", "{name}: {verdicts:?}");
        sessions.dedup();
        assert_eq!(sessions.len(), verdicts.len(), "{name}");
    }
    let nudges = |bead: &str| {
        let agent = verdicts_of(&town, bead)[0]["data"]["agent"].clone();
        let mut of = town.feed();
        of.retain(|event| event["type"] == "agent.nudged" && event["data"]["agent"] == agent);
        of.iter().map(|event| event["data"]["n"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(nudges(&beads[13]), [1, 2, 3]);
    assert_eq!(nudges(&beads[14]), [1], "it was told to go on, once");
    running.stop();
    town.assert_nothing_runs();
}

#[test]
fn an_agent_that_asks_a_person_waits_and_is_not_started_again() {
    let (town, _origin) = workplace();
    let questions = [("login", "please log in"), ("trust", "do you trust this folder?"), ("other", "may I?")];
    for (name, words) in questions {
        agent::preset(&town, name, &format!("echo '{words}'; linger"), quick(json!({"silent_after": "1s"})));
    }
    let beads = questions.map(|(name, _)| work_for(&town, name));
    let running = town.run();
    let since = Instant::now();
    for (bead, (_, words)) in beads.iter().zip(questions) {
        let worker = town.event_of("agent.started", bead)["data"]["agent"].as_str().unwrap().to_owned();
        let row = find("it waits for a person", || {
            Some(town.agent(&worker)).filter(|row| row["state"] == "waiting")
        });
        assert!(row["note"].as_str().unwrap().contains(words), "{row}");
    }
    println!("three questions were seen after {:?}", since.elapsed());
    // Far beyond every patience: nobody nudges it, nobody ends it.
    let agents = || town.json(&["status"])["agents"].clone();
    let before = agents();
    let nudge = town.gastown(&["agent", "stuck", before[0]["address"].as_str().unwrap(), "-m", "it hangs"]);
    assert_eq!(nudge.code, 0, "{nudge:?}");
    eventually("the Witness and the Deacon have looked", || {
        town.feed().iter().any(|event| {
            let subject = event["data"]["letter"]["kind"]["subject"].as_str();
            subject.is_some_and(|subject| subject.ends_with("is not stuck"))
        })
    });
    assert_eq!(town.events("agent.started").len(), 3);
    assert!(town.events("agent.nudged").is_empty() && town.events("agent.verdict").is_empty());
    running.stop();
}

/// A worker is killed in each state that it can be in; the time until its end has its verdict is printed.
#[test]
fn a_bead_never_stays_with_a_session_that_is_dead() {
    let (town, _origin) = workplace();
    let ready = json!({
        "ready": ["screen:ready>"], "busy": ["screen:busy"], "ready_timeout": "60s", "nudge_after": "60s"
    });
    let stubborn = json!({"stop": {"ask": "0s", "term": "60s"}});
    let cases: [(&str, &str, Value); 6] = [
        ("starting", "linger", ready.clone()),
        ("idle", "echo 'ready>'; linger", ready.clone()),
        ("working", "echo busy; linger", ready),
        ("waiting", "echo may I?; linger", json!({})),
        (
            "limited",
            "echo slow down; linger",
            json!({"limited": ["screen:slow down"], "ends": {"after": "60s"}}),
        ),
        ("stopping", "trap '' TERM; echo hello; while :; do sleep 1; done", stubborn),
    ];
    for (state, script, fields) in &cases {
        agent::preset(&town, state, script, quick(fields.clone()));
    }
    let beads = cases.each_ref().map(|(state, ..)| work_for(&town, state));
    let running = town.run();
    for ((state, ..), bead) in cases.iter().zip(&beads) {
        let worker = town.event_of("agent.started", bead)["data"]["agent"].as_str().unwrap().to_owned();
        if *state == "stopping" {
            find("it works", || Some(town.agent(&worker)).filter(|row| row["state"] == "working"));
            town.gastown(&["agent", "restart", &worker]).ok();
        }
        let row = find(&format!("it is {state}"), || {
            Some(town.agent(&worker)).filter(|row| row["state"] == *state && row["pid"].is_u64())
        });
        let killed = Instant::now();
        signal(pid(&row), Signal::KILL);
        let judged = find("its end has a verdict", || verdicts_of(&town, bead).into_iter().next());
        let verdict = if *state == "stopping" { "stopped" } else { "crashed" };
        println!("killed while {state}: {} after {:?}", judged["data"]["verdict"], killed.elapsed());
        assert_eq!(judged["data"]["verdict"], verdict, "{judged}");
        assert_eq!(judged["data"]["session"], row["session"], "{state}");
        // Whoever has the bead now has no dead session: another one, or none yet.
        let status = town.agent(&worker);
        assert_ne!(status["session"], row["session"], "{status}");
    }
    running.stop();
    town.assert_nothing_runs();
}

#[test]
fn words_that_pass_by_on_a_screen_end_nobody() {
    let (town, origin) = workplace();
    let lands = "echo x > $GASTOWN_SESSION.txt; git add -A; git commit -qm x; gt done; linger";
    // The words scroll away; they stand still but its child works; something shows that it is busy.
    let scrolls = format!(
        "echo limit reached; n=0; while [ $n -lt 40 ]; do n=$((n+1)); echo $n; sleep 0.05; done; {lands}"
    );
    let works = format!("echo bad key; n=0; while [ $n -lt 400000 ]; do n=$((n+1)); done; {lands}");
    let busy = format!("echo limit reached; echo busy; sleep 2; {lands}");
    agent::preset(&town, "scrolls", &scrolls, quick(json!({})));
    agent::preset(&town, "works", &works, quick(json!({})));
    agent::preset(&town, "busy", &busy, quick(json!({"busy": ["screen:busy"]})));
    let beads = ["scrolls", "works", "busy"].map(|name| work_for(&town, name));
    let running = town.run();
    for bead in &beads {
        town.event_of("bead.closed", bead);
        let verdicts = verdicts_of(&town, bead);
        assert_eq!(verdicts.len(), 1, "{verdicts:?}");
        assert_eq!(verdicts[0]["data"]["verdict"], "completed", "{verdicts:?}");
    }
    running.stop();
    assert_eq!(origin.landings().len(), 3);
}
