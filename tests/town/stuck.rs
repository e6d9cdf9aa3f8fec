//! Stuck without false alarms: long calls of tools are left alone, neighbours are heard and not believed, and who
//! works elsewhere is reported.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Town, agent, eventually, find, signal};

/// A preset's fields for one who has little time to show that it lives.
fn hasty(more: Value) -> Value {
    let mut fields = json!({
        "brief": "none",
        "stop": {"ask": "0s", "term": "1s"},
        "silent_after": "1s",
        "nudge_after": "400ms"
    });
    for (key, value) in more.as_object().unwrap() {
        fields[key] = value.clone();
    }
    fields
}

/// Tells what a hook of Claude Code would tell.
const HOOK: &str = r#"
hook() { printf '{"hook_event_name":"%s","tool_use_id":"t%s","tool_name":"Bash","cwd":"%s","tool_input":{"command":"%s"}}' \
  "$1" "$2" "$(pwd)" "$3" | gastown __hook; }
"#;

/// Commits something and hands it in.
const LAND: &str =
    "echo x > $GASTOWN_SESSION.txt; git add -A; git commit -qm x; gt done >/dev/null 2>&1; linger";

#[test]
fn long_calls_of_tools_are_left_alone() {
    let (town, origin) = Town::with_rig();
    // Each is silent for four times as long as it may be.
    let scripts = [
        // A child that uses the processor.
        (
            "computes",
            format!(
                "sh -c 'while [ ! -e /proc/self/nowhere ] && [ $(cut -d. -f1 /proc/uptime) -lt '$(($(cut -d. -f1 /proc/uptime) + 5))' ]; do :; done' >/dev/null 2>&1; {LAND}"
            ),
        ),
        // Children that come and go, and use nothing.
        ("waits", format!("for n in 1 2 3 4 5 6 7 8 9 10; do sleep 0.4; done; {LAND}")),
        // One that only sleeps, in a call of a tool that its hooks have told of.
        ("sleeps", format!("{HOOK} hook PreToolUse 1 'sleep 4'; sleep 4; hook PostToolUse 1; {LAND}")),
    ];
    for (name, script) in &scripts {
        agent::preset(&town, name, script, hasty(json!({})));
    }
    let beads = scripts.each_ref().map(|(name, _)| {
        let bead = town.bead(name, "true");
        town.gastown(&["sling", &bead, "web", "--agent", name]).ok();
        bead
    });
    let running = town.run();
    for bead in &beads {
        town.event_of("bead.closed", bead);
    }
    running.stop();
    assert_eq!(town.events("agent.nudged"), Vec::<Value>::new());
    let verdicts = town.events("agent.verdict");
    assert!(verdicts.iter().all(|event| event["data"]["verdict"] == "completed"), "{verdicts:?}");
    assert_eq!(origin.landings().len(), 3);
}

#[test]
fn what_it_was_doing_is_kept_with_its_end() {
    let (town, _origin) = Town::with_rig();
    let script = format!("{HOOK} hook PreToolUse 7 'make all'; sleep 1000");
    agent::preset(&town, "builds", &script, hasty(json!({"silent_after": "60s"})));
    let bead = town.bead("Build", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "builds"]).ok();
    let running = town.run();
    let worker = town.event_of("agent.started", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let tool = || {
        let row = town.agent(&worker);
        let pid = row["pid"].as_u64()?;
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let is_tool = |pid: &&str| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|words| words.starts_with("sleep"))
        };
        children.split_whitespace().any(|pid| is_tool(&pid)).then_some(pid)
    };
    let pid = find("the tool runs", tool);
    signal(u32::try_from(pid).unwrap(), Signal::KILL);
    town.event_of("agent.verdict", &bead);
    let context = town.bead_shown(&bead)["failure_context"].clone();
    let doing = context["doing"].as_str().unwrap_or_default();
    assert!(doing.starts_with("in tool Bash: make all, since "), "{context}");
    running.stop();
}

#[test]
fn a_neighbours_word_is_looked_into_and_answered() {
    let (town, _origin) = Town::with_rig();
    // A quarter of its patience has to be over before a word can be true.
    let patient = json!({"silent_after": "6s", "nudge_after": "60s"});
    agent::preset(&town, "hangs", "linger", hasty(patient.clone()));
    agent::preset(&town, "talks", "while :; do echo still here; sleep 0.2; done", hasty(patient));
    let worker = |name: &str| {
        let bead = town.bead(name, "true");
        town.gastown(&["sling", &bead, "web", "--agent", name]).ok();
        town.event_of("agent.started", &bead)["data"]["agent"].as_str().unwrap().to_owned()
    };
    let running = town.run();
    let (hangs, talks) = (worker("hangs"), worker("talks"));
    let inbox = || town.json(&["mail", "inbox", "--unread"]);
    let answer = |id: &Value| {
        find("the word is answered", || {
            let letters = inbox();
            letters.as_array().unwrap().iter().find(|letter| letter["thread"] == *id).cloned()
        })
    };
    let say =
        |agent: &str| town.json(&["agent", "stuck", agent, "-m", "its screen has not moved"])[0].clone();
    let rejected = answer(&say(&talks));
    assert_eq!(rejected["subject"], format!("{talks} is not stuck"), "{rejected}");
    // Said again until it has been silent for long enough.
    let thanks = find("a word that is so", || {
        let letter = answer(&say(&hangs));
        letter["subject"].as_str().unwrap().starts_with("Thanks").then_some(letter)
    });
    assert!(thanks["body"].as_str().unwrap().contains("it was nudged"), "{thanks}");
    assert_eq!(thanks["from"], "web/witness");
    let nudges = || town.events("agent.nudged");
    assert_eq!(nudges().len(), 1, "{:?}", nudges());
    assert_eq!((&nudges()[0]["data"]["agent"], &nudges()[0]["data"]["n"]), (&json!(hangs), &json!(1)));
    // Two more words do not make it two more nudges.
    for _ in 0..2 {
        let letter = answer(&say(&hangs));
        assert!(letter["body"].as_str().unwrap().contains("it was nudged"), "{letter}");
    }
    assert_eq!(nudges().len(), 1);
    // Who has no session is told of as it is; the Deacon looks after those without a Witness.
    let parked = answer(&say("web/refinery"));
    assert_eq!(parked["from"], "deacon/");
    assert!(parked["body"].as_str().unwrap().contains("no session now, and is parked"), "{parked}");
    assert!(town.events("agent.verdict").is_empty());
    town.gastown(&["agent", "stuck", "web/refinry", "--json"]).refused(4, "no_such_agent");
    running.stop();
}

#[test]
fn who_works_outside_of_its_worktree_is_reported_once() {
    let (town, _origin) = Town::with_rig();
    let script = "gt hook >/dev/null; cd /; gt hook >/dev/null; gt hook > /dev/null; linger";
    agent::preset(&town, "strays", script, hasty(json!({"silent_after": "60s"})));
    let bead = town.bead("Stray", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "strays"]).ok();
    let running = town.run();
    let strayed = town.event("it strays", |event| event["type"] == "agent.strayed");
    let worker = strayed["data"]["agent"].as_str().unwrap();
    let name = worker.rsplit('/').next().unwrap();
    let place = town.root.join("web/polecats").join(name).display().to_string();
    assert_eq!((&strayed["data"]["folder"], &strayed["data"]["place"]), (&json!("/"), &json!(place)));
    let attention = || town.json(&["status"])["attention"].to_string();
    assert!(attention().contains("works outside of its worktree: /"), "{}", attention());
    // Its next session begins where it belongs.
    signal(u32::try_from(town.agent(worker)["pid"].as_u64().unwrap()).unwrap(), Signal::KILL);
    eventually("the next session is not blamed for it", || !attention().contains("outside"));
    let sessions: Vec<Value> =
        town.events("agent.strayed").iter().map(|event| event["data"]["session"].clone()).collect();
    assert!(sessions.windows(2).all(|pair| pair[0] != pair[1]), "{sessions:?}");
    running.stop();
}

#[test]
fn an_agent_that_waits_for_help_is_not_urged() {
    let (town, _origin) = Town::with_rig();
    // Nobody is to answer it.
    town.configure("config/town.json", |config| config["policies"] = json!({"judgement": false}));
    let asks = "gt mail send mayor/ --kind help -s 'Which schema?' -m 'two or one' >/dev/null; echo 'ready>'; linger";
    let fields = json!({"ready": ["screen:ready>"], "nudge_after": "300ms"});
    agent::preset(&town, "asks", asks, hasty(fields.clone()));
    agent::preset(&town, "idles", "echo 'ready>'; linger", hasty(fields));
    let beads = ["asks", "idles"].map(|name| {
        let bead = town.bead(name, "true");
        town.gastown(&["sling", &bead, "web", "--agent", name]).ok();
        bead
    });
    let running = town.run();
    // One waits for input with work on its hook, and is ended for that; the other is left alone.
    let judged = town.event_of("agent.verdict", &beads[1]);
    assert_eq!(judged["data"]["verdict"], "silent", "{judged}");
    let asker = town.event_of("agent.started", &beads[0])["data"]["agent"].clone();
    assert!(town.events("agent.nudged").iter().all(|event| event["data"]["agent"] != asker));
    assert_eq!(town.agent(asker.as_str().unwrap())["state"], "idle");
    running.stop();
}
