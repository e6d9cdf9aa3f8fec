//! What a town says in numbers, and the alerts that go with them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Town, find};

/// The samples of an exposition: name with labels, to the number.
fn samples(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn metrics_say_what_status_says_with_a_runtime_and_without() {
    let (town, _origin) = Town::with_rig();
    // Between two questions nothing is to happen.
    town.configure("config/town.json", |config| config["policies"] = serde_json::json!({"judgement": false}));
    town.bead("Open", "x");
    for n in 0..3 {
        town.gastown(&["mail", "send", "mayor/", "-s", &n.to_string(), "-m", "x"]).ok();
    }
    let check = |up: u64| {
        let found = samples(&town.gastown(&["metrics"]).ok().stdout);
        let status = town.json(&["status"]);
        assert_eq!(found["gastown_up"], up);
        assert_eq!(found["gastown_read_only"], 0);
        assert_eq!(found["gastown_mail_unacked{mailbox=\"mayor/\"}"], 3);
        assert_eq!(found["gastown_mail_dead{mailbox=\"mayor/\"}"], 0);
        assert_eq!(found["gastown_beads{status=\"open\"}"], 1);
        assert_eq!(found["gastown_queue_length{rig=\"web\"}"], 0);
        let parked = status["agents"].as_array().unwrap().iter().filter(|agent| agent["state"] == "parked");
        assert_eq!(found["gastown_agents{state=\"parked\"}"], parked.count() as u64);
        assert_eq!(found["gastown_ledger_head"], status["town"]["seq"].as_u64().unwrap());
        assert_eq!(found.contains_key("gastown_actor_restarts{actor=\"scribe\"}"), up == 1);
        let json = town.json(&["metrics"]);
        let up_again = json.as_array().unwrap().iter().find(|metric| metric["name"] == "gastown_up").unwrap();
        assert_eq!((&up_again["type"], &up_again["samples"][0]["value"]), (&"gauge".into(), &up.into()));
    };
    check(0);
    let running = town.run();
    check(1);
    running.stop();
}

#[test]
fn every_alert_is_about_a_metric_that_exists_and_every_metric_names_a_command() {
    let (town, _origin) = Town::with_rig();
    let text = town.gastown(&["metrics"]).ok().stdout;
    let alerts = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.yml")).unwrap();
    let mut named = 0;
    for line in alerts.lines().filter(|line| line.contains("expr:")) {
        let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in words.filter(|word| word.starts_with("gastown_")) {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name} of {line:?} is no metric");
            named += 1;
        }
    }
    assert!(named >= 8, "{named}");
    for help in text.lines().filter(|line| line.starts_with("# HELP ")) {
        let command = help.split('`').nth(1).unwrap_or_else(|| panic!("no command: {help}"));
        let words: Vec<&str> = command.strip_prefix("gastown ").unwrap().split(' ').collect();
        // Placeholders are written in capitals, options begin with a dash; what is left is the command.
        let words = words.into_iter().filter(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let said = town.gastown(&[&["help"][..], &words.collect::<Vec<_>>()].concat());
        assert_eq!(said.code, 0, "{help}: {said:?}");
    }
}

#[test]
fn a_call_for_help_that_nobody_answers_is_brought_to_a_person_once() {
    let (town, _origin) = Town::with_rig();
    let attention = || -> Vec<String> {
        let status = town.json(&["status"]);
        let lines =
            status["attention"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        lines.filter(|line| line.contains("has had no answer")).collect()
    };
    let call = |subject: &str| -> String {
        let words = ["mail", "send", "mayor/", "--kind", "help", "-s", subject, "-m", "two tables or one?"];
        town.json(&[&words[..], &["--actor", "web/witness"]].concat())[0].as_str().unwrap().to_owned()
    };
    // The default leaves time: nothing is said yet.
    let running = town.run();
    let first = call("Schema");
    assert!(attention().is_empty());
    running.stop();

    // Written without a runtime and overdue by the time one is up: it is told at the start.
    std::fs::write(town.root.join("config/escalation.json"), r#"{"version": 1, "help_deadline": "20ms"}"#)
        .unwrap();
    let running = town.run();
    let told = find("a person is told", || attention().into_iter().next());
    assert!(told.contains(&first) && told.contains("HELP: Schema"), "{told}");
    // Another, whose time runs out under a living runtime.
    let second = call("Name");
    find("a person is told of the second", || (attention().len() == 2).then_some(()));
    running.stop();
    // Once each, also over restarts; the letter about it is there.
    let running = town.run();
    let raised = town.events("escalation.raised");
    assert_eq!(raised.len(), 2, "{raised:?}");
    assert_eq!(raised[0]["data"]["agent"], "web/witness");
    let inbox = town.json(&["mail", "inbox", "overseer", "--unread"]);
    let about: Vec<&Value> =
        inbox.as_array().unwrap().iter().filter(|row| row["kind"] == "ESCALATION").collect();
    assert_eq!(about.len(), 2, "{inbox}");
    assert!(about[0]["body"].as_str().unwrap().contains(&format!("gastown mail reply {first}")), "{inbox}");
    // An answer settles it, an acknowledgement too.
    town.gastown(&["mail", "reply", &first, "-m", "one"]).ok();
    town.gastown(&["mail", "ack", &second]).ok();
    assert!(attention().is_empty());
    let left = town.json(&["mail", "inbox", "mayor/", "--unread"]);
    assert!(left.as_array().unwrap().iter().all(|row| row["kind"] != "HELP"), "{left}");
    running.stop();
    assert!(town.events("actor.ended").is_empty());
    // A slip in the file is named, and the last good one stays in force.
    std::fs::write(town.root.join("config/escalation.json"), r#"{"version": 1, "help_dedline": "1h"}"#)
        .unwrap();
    let said = town.gastown(&["status", "--json"]);
    assert!(said.stderr.contains("help_deadline") || said.stdout.contains("help_deadline"), "{said:?}");
}
