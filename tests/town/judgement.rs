//! When an agent is started and when not: for a judgement, for a step, never by a timer.

use serde_json::json;

use crate::support::{Town, agent, eventually};

/// A seat's agent: reads its letters and answers each. `TOWN` is where it says how often it was started.
const CLERK: &str = r#"
echo started >> "$GASTOWN_TOWN/clerk.log"
while read -r line; do
    case "$line" in
        "@gt:mail "*)
            id=$(printf '%s' "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/')
            gt mail reply "$id" -m "one table" > /dev/null
            gt mail ack "$id" > /dev/null ;;
    esac
done
"#;

fn starts(town: &Town, who: &str) -> Vec<String> {
    let started = town.events("agent.started").into_iter().filter(|event| event["data"]["agent"] == who);
    started.map(|event| event["data"]["reason"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_question_starts_the_mayor_once_and_it_is_parked_when_it_has_answered() {
    let (town, _origin) = Town::with_rig();
    agent::preset(&town, "clerk", CLERK, json!({"replies": true, "brief": "none"}));
    town.configure("config/town.json", |config| {
        config["role_agents"] = json!({"mayor": "clerk"});
        config["policies"] = json!({"park_after": "1s"});
    });
    let running = town.run();
    assert!(town.events("agent.started").is_empty(), "a town without work starts nobody");
    town.gastown(&["mail", "send", "mayor/", "-s", "Schema", "-m", "one table or two?"]).ok();
    let answer = || {
        let letters = town.json(&["mail", "inbox", "overseer"]);
        letters.as_array().unwrap().iter().find(|row| row["from"] == "mayor/").cloned()
    };
    eventually("the Mayor answers", || answer().is_some_and(|row| row["body"] == "one table"));
    eventually("the Mayor is parked", || town.agent("mayor/")["state"] == "parked");
    assert_eq!(starts(&town, "mayor/"), ["mail"]);
    let verdicts = town.events("agent.verdict");
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0]["data"]["verdict"], "stopped", "{verdicts:?}");
    // What only informs it starts nobody; the next question does.
    town.gastown(&["mail", "send", "mayor/", "-s", "Index", "-m", "one or two?", "--kind", "help"]).ok();
    eventually("it answers again", || starts(&town, "mayor/") == ["mail", "help"]);
    let status = town.json(&["status"]);
    assert_eq!(status["starts"], json!({"help": 1, "mail": 1}));
    running.stop();
}

#[test]
fn a_mayor_that_is_killed_over_a_letter_answers_it_nevertheless() {
    let (town, _origin) = Town::with_rig();
    let once = r#"
if [ ! -e "$GASTOWN_TOWN/died" ]; then touch "$GASTOWN_TOWN/died"; kill -KILL $$; fi
"#;
    let script = format!("{once}{CLERK}");
    agent::preset(&town, "clerk", &script, json!({"replies": true, "brief": "none"}));
    town.configure("config/town.json", |config| config["role_agents"] = json!({"mayor": "clerk"}));
    let running = town.run();
    town.gastown(&["mail", "send", "mayor/", "-s", "Schema", "-m", "one table or two?"]).ok();
    eventually("the Mayor answers", || {
        let letters = town.json(&["mail", "inbox", "overseer"]);
        letters.as_array().unwrap().iter().any(|row| row["from"] == "mayor/")
    });
    assert_eq!(starts(&town, "mayor/"), ["mail", "mail"]);
    assert_eq!(town.events("agent.verdict")[0]["data"]["verdict"], "crashed");
    running.stop();
}

#[test]
fn a_mayor_without_a_program_is_tried_three_times_and_a_person_is_told() {
    let (town, _origin) = Town::with_rig();
    agent::raw_preset(&town, "gone", "/no/such/program", json!({}));
    town.configure("config/town.json", |config| config["role_agents"] = json!({"mayor": "gone"}));
    let running = town.run();
    town.gastown(&["mail", "send", "mayor/", "-s", "Schema", "-m", "one table or two?"]).ok();
    eventually("it is given up", || town.agent("mayor/")["state"] == "failed");
    assert_eq!(town.events("agent.started").len(), 3);
    let raised = town.events("escalation.raised");
    assert_eq!(raised.len(), 1, "{raised:?}");
    running.stop();
}

#[test]
fn with_a_session_per_step_each_step_has_its_own_in_the_same_worktree() {
    let (town, origin) = Town::with_rig();
    let formula = |name: &str, session: &str| {
        let text = format!(
            "formula = \"{name}\"\n{session}\n[[steps]]\nid = \"a\"\ndescription = '''\n```sh\necho {name} > {name}-a.txt\n```\n'''\n\
             [[steps]]\nid = \"b\"\nneeds = [\"a\"]\ndescription = '''\n```sh\necho {name} > {name}-b.txt\n```\n'''\n\
             [[steps]]\nid = \"c\"\nneeds = [\"b\"]\ndescription = '''\n```sh\necho {name} > {name}-c.txt\n```\n'''\n"
        );
        std::fs::write(town.root.join(format!("formulas/{name}.formula.toml")), text).unwrap();
    };
    formula("apart", "session = \"per_step\"");
    formula("together", "");
    let running = town.run();
    for (name, sessions) in [("apart", 3), ("together", 1)] {
        let bead = town.bead(name, "true");
        town.gastown(&["sling", &bead, "web", "--formula", name]).ok();
        town.event_of("mq.landed", &bead);
        let of_bead = |event: &serde_json::Value| event["data"]["bead"] == bead.as_str();
        let started: Vec<_> = town.events("agent.started").into_iter().filter(of_bead).collect();
        assert_eq!(started.len(), sessions, "{name}: {started:?}");
        let verdicts: Vec<_> = town.events("agent.verdict").into_iter().filter(of_bead).collect();
        let handed = verdicts.iter().filter(|event| event["data"]["verdict"] == "handed_over").count();
        assert_eq!(handed, sessions - 1, "{verdicts:?}");
        let places: std::collections::BTreeSet<String> = town
            .events("sandbox.created")
            .into_iter()
            .filter(of_bead)
            .map(|event| event["data"]["agent"].to_string())
            .collect();
        assert_eq!(places.len(), 1);
    }
    for file in ["apart-a", "apart-c", "together-b"] {
        assert!(file.starts_with(origin.file(&format!("{file}.txt")).trim()));
    }
    running.stop();
}
