//! How workers leave their work, and that any worker goes on with any molecule: each step is done once.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Town, agent, eventually, signal};

#[test]
fn what_holds_a_bead_up_becomes_a_bead_and_the_work_goes_on_when_that_has_landed() {
    let (town, origin) = Town::with_rig();
    // The first one says that it is held up; the second finds what was done so far.
    let script = r#"
if [ -e half.txt ]; then echo whole >> half.txt; git add -A; git commit -qm whole; ask done || exit 1; linger; fi
echo half > half.txt; git add -A; git commit -qm half
echo loose > loose.txt
ask "done --exit blocked --reason 'there is no key' --blocker 'Make a key'" || { echo "$answer"; exit 2; }
linger
"#;
    agent::preset(&town, "held", script, json!({ "brief": "none", "replies": true }));
    let bead = town.bead("Needs a key", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "held"]).ok();
    let running = town.run();
    let done = town.event_of("work.done", &bead);
    let worker = done["actor"].as_str().unwrap().to_owned();
    eventually("its slot is free", || town.json(&["hook", &worker]).is_null());
    let shown = town.bead_shown(&bead);
    assert_eq!(shown["status"], "blocked");
    let dependency = &shown["dependencies"][0];
    let blocker = dependency["depends_on_id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&dependency["type"], &town.bead_shown(&blocker)["title"]),
        (&json!("blocks"), &json!("Make a key"))
    );
    let story = town.json(&["why", &bead]);
    assert!(story["next"].as_str().unwrap().contains(&blocker), "{story}");
    assert!(town.json(&["status"])["attention"].to_string().contains("leaves it as blocked"));
    // What was not committed is saved, too.
    assert_eq!(town.event_of("work.rescued", &bead)["data"]["agent"], worker.as_str());

    town.gastown(&["bead", "close", &blocker, "--reason", "here it is"]).ok();
    town.event("it is handed out again", |event| {
        event["type"] == "bead.slung"
            && event["actor"] == "overseer"
            && event["seq"].as_u64() > done["seq"].as_u64()
    });
    // The preset of the first sling is not known to the second.
    town.gastown(&["bead", "show", &bead]).ok();
    let again = town.event("the next worker", |event| {
        event["type"] == "sandbox.created"
            && event["data"]["bead"] == bead.as_str()
            && event["seq"].as_u64() > done["seq"].as_u64()
    });
    let place = town
        .root
        .join("web/polecats")
        .join(again["data"]["agent"].as_str().unwrap().rsplit('/').next().unwrap());
    eventually("it finds what was done", || {
        fs::read_to_string(place.join("half.txt")).is_ok_and(|text| text.starts_with("half"))
            || !origin.landings().is_empty()
    });
    running.stop();
}

#[test]
fn a_bead_that_is_too_large_is_cut_and_one_that_needs_a_person_tells_them() {
    let (town, _origin) = Town::with_rig();
    let cut = "ask \"done --exit refactor --reason 'three things in one' --part 'The first' --part 'The second'\" || { echo \"$answer\"; exit 1; }\nlinger";
    agent::preset(&town, "cutter", cut, json!({ "brief": "none", "replies": true }));
    let ask = "ask \"done --exit escalate --reason 'tabs or spaces?'\" || exit 1\nlinger";
    agent::preset(&town, "asker", ask, json!({ "brief": "none", "replies": true }));
    let large = town.bead("Three things", "true");
    town.gastown(&["sling", &large, "web", "--agent", "cutter"]).ok();
    let unclear = town.bead("Unclear", "true");
    town.gastown(&["sling", &unclear, "web", "--agent", "asker"]).ok();
    let said = town.until_idle();
    assert_eq!(said.code, 1, "two things need a person: {said:?}");
    let shown = town.bead_shown(&large);
    assert_eq!(shown["status"], "deferred");
    let epic = shown["dependencies"][0]["depends_on_id"].as_str().unwrap().to_owned();
    assert_eq!(town.bead_shown(&epic)["issue_type"], "epic");
    let parts = town.json(&["bead", "list", "--parent", &epic]);
    let mut titles: Vec<&str> =
        parts.as_array().unwrap().iter().map(|part| part["title"].as_str().unwrap()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["The first", "The second", "Three things"]);
    assert_eq!(
        town.json(&["ready"]).as_array().unwrap().iter().filter(|bead| bead["issue_type"] != "epic").count(),
        2
    );
    let shown = town.bead_shown(&unclear);
    assert_eq!(shown["status"], "deferred");
    assert!(shown["comments"].to_string().contains("tabs or spaces?"), "{shown}");
    let inbox = town.json(&["mail", "inbox", "overseer"]);
    assert!(inbox.to_string().contains("tabs or spaces?"), "{inbox}");
    assert!(town.json(&["status"])["attention"].to_string().contains(&format!("{unclear}: ")));
}

#[test]
fn workers_that_are_killed_at_random_do_each_step_of_a_molecule_once() {
    const STEPS: usize = 20;
    let (town, origin) = Town::with_rig();
    town.configure("config/town.json", |config| {
        config["policies"] =
            json!({ "max_failures": 1000, "redispatch_after": "0s", "quarantine_after": 1000 });
    });
    let mut formula = "formula = \"twenty\"\nversion = 1\ntype = \"workflow\"\n".to_owned();
    for n in 1..=STEPS {
        let needs = if n > 1 { format!("needs = [\"s{}\"]\n", n - 1) } else { String::new() };
        formula.push_str(&format!("\n[[steps]]\nid = \"s{n}\"\ntitle = \"Step {n}\"\n{needs}"));
    }
    fs::create_dir_all(town.root.join("web/formulas")).unwrap();
    fs::write(town.root.join("web/formulas/twenty.formula.toml"), formula).unwrap();
    // Does whatever step is next, whoever did the one before; the work of a step is a line in a file.
    let script = r#"
while :; do
  ask 'hook --json' || exit 1
  step=$(field "$answer" step)
  [ -n "$step" ] || break
  grep -qx "$step" steps.txt 2>/dev/null || { echo "$step" >> steps.txt; git add -A; git commit -qm "$step"; }
  sleep 0.1
  ask "mol step done $step" || exit 2
done
ask done || { echo "$answer"; exit 3; }
linger
"#;
    agent::preset(&town, "stepper", script, json!({ "brief": "none", "replies": true }));
    let bead = town.bead("Twenty steps", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "stepper", "--formula", "twenty"]).ok();
    let running = town.run();
    // A victim at a time, whoever is at it; for others the molecule goes to a neighbour.
    let mut seed = 42_u64;
    let mut killed = 0;
    loop {
        let feed = town.feed();
        let done = feed.iter().filter(|event| event["type"] == "mol.step_completed").count();
        if done >= STEPS - 2 || feed.iter().any(|event| event["type"] == "work.done") {
            break;
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let until = done + 1 + (seed >> 33) as usize % 3;
        eventually("the work goes on", || {
            let feed = town.feed();
            feed.iter().filter(|event| event["type"] == "mol.step_completed").count() >= until.min(STEPS)
        });
        let status = town.json(&["status"]);
        let victim = status["agents"]
            .as_array()
            .unwrap()
            .iter()
            .find(|agent| agent["role"] == "polecat" && agent["pid"].is_u64());
        if let Some(pid) = victim.and_then(|agent| agent["pid"].as_u64()) {
            let which = [Signal::KILL, Signal::SEGV, Signal::TERM][(seed >> 40) as usize % 3];
            signal(u32::try_from(pid).unwrap(), which);
            killed += 1;
            let ends = || town.feed().iter().filter(|event| event["type"] == "agent.verdict").count();
            eventually("the end is judged", || ends() >= killed);
            // It would go on by itself, after a while that grows with each failure.
            town.gastown(&["recover", &bead]).ok();
        }
    }
    town.event_of("bead.closed", &bead);
    running.stop();
    assert!(killed >= 3, "{killed}");
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for event in town.events("mol.step_completed") {
        *times.entry(event["data"]["step"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!((times.len(), times.values().max()), (STEPS, Some(&1)), "{times:?}");
    assert_eq!(town.events("mol.completed").len(), 1);
    let steps = origin.file("steps.txt");
    let wanted: Vec<String> = (1..=STEPS).map(|n| format!("s{n}")).collect();
    assert_eq!(steps.lines().collect::<Vec<_>>(), wanted, "each was worked at once, too");
    assert_eq!(origin.landings(), [bead]);
}
