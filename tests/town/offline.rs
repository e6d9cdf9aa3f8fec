//! Without a runtime: what needs only the ledger works on it, the rest says what is missing.

use serde_json::Value;

use crate::support::Town;

#[test]
fn what_needs_only_the_ledger_works_without_a_runtime() {
    let (town, _origin) = Town::with_rig();
    let plain = town.gastown(&["bead", "create", "--title", "Plain", "--rig", "web"]).ok();
    assert!(plain.stdout.starts_with("Created bead web-"), "{plain:?}");
    let bead = town.bead("One", "true");
    town.gastown(&["bead", "update", &bead, "--priority", "P1"]).ok();
    assert_eq!(town.bead_shown(&bead)["priority"], 1);
    assert_eq!(town.json(&["ready"]).as_array().unwrap().len(), 2);
    town.gastown(&["bead", "close", &bead, "--reason", "not needed"]).ok();
    assert_eq!(town.bead_shown(&bead)["close_reason"], "not needed");
    town.gastown(&["bead", "reopen", &bead]).ok();
    town.gastown(&["sling", &bead, "web"]).ok();
    town.gastown(&["unsling", &bead]).ok();
    town.gastown(&["mail", "send", "mayor/", "-s", "Hello", "-m", "there"]).ok();
    assert_eq!(town.json(&["mail", "inbox", "mayor/"])[0]["body"], "there");
    assert_eq!(town.json(&["hook", "mayor/"]), Value::Null);
    let status = town.json(&["status"]);
    assert_eq!((&status["town"]["state"], &status["town"]["pid"]), (&Value::from("stopped"), &Value::Null));
    for words in [
        &["rig", "list"][..],
        &["mq", "list"],
        &["convoy", "list"],
        &["formula", "list"],
        &["agent", "list"],
        &["mail", "search", "there"],
        &["why", &bead],
        &["prime", "mayor/"],
    ] {
        let said = town.gastown(&[words, &["--json"]].concat());
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
        said.json();
    }
    let events = town.gastown(&["events", "--bead", &bead, "--json"]).ok().json_lines();
    assert!(events.iter().all(|event| event["actor"] == "overseer"), "{events:?}");
    assert!(!town.root.join("run/pid").exists());
}

#[test]
fn what_needs_the_living_town_ends_with_three() {
    let (town, _origin) = Town::with_rig();
    for words in [
        &["tree"][..],
        &["peek", "mayor/"],
        &["nudge", "mayor/", "hello"],
        &["stop"],
        &["agent", "restart", "mayor/"],
        &["fault", "kill-actor", "mayor"],
        &["events", "--follow"],
    ] {
        let said = town.gastown(&[words, &["--json"]].concat());
        let error = said.refused(3, "not_running");
        assert!(error["hint"].as_str().unwrap().contains("gastown run"), "{words:?}: {error}");
        assert_eq!(said.stdout, "", "{words:?}");
    }
}

#[test]
fn the_town_is_found_from_below_by_option_and_by_variable() {
    let (mut town, _origin) = Town::with_rig();
    let below = town.root.join("web/polecats");
    std::fs::create_dir_all(&below).unwrap();
    assert_eq!(town.gastown_in(&below, &["status", "--json"]).ok().json()["town"]["name"], "town");
    let outside = town.folder.clone();
    let lost = town.gastown_in(&outside, &["status", "--json"]);
    assert_ne!(lost.code, 0);
    assert!(lost.error()["hint"].as_str().is_some_and(|hint| hint.contains("--town")), "{lost:?}");
    let root = town.root.display().to_string();
    assert_eq!(
        town.gastown_in(&outside, &["status", "--json", "--town", &root]).ok().json()["town"]["path"],
        root.as_str()
    );
    town.env.insert("GASTOWN_TOWN".into(), root.clone());
    assert_eq!(town.gastown_in(&outside, &["status", "--json"]).ok().json()["town"]["path"], root.as_str());
}

#[test]
fn the_same_program_answers_to_its_other_names() {
    let (town, _origin) = Town::with_rig();
    let bead = town.bead("One", "true");
    for (name, words) in
        [("gt", vec!["bead", "show", &bead, "--json"]), ("bd", vec!["show", &bead, "--json"])]
    {
        let mut command = std::process::Command::new(town.root.join("bin").join(name));
        let said = command.args(words).current_dir(&town.root).env_clear().envs(&town.env).output().unwrap();
        assert!(said.status.success(), "{name}: {said:?}");
        assert!(String::from_utf8_lossy(&said.stdout).contains("\"One\""), "{name}");
    }
}
