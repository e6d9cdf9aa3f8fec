//! Questions that are answered from outside, kinds of agents and their hooks, what was shown and when.

use serde_json::json;

use crate::support::{Town, eventually};

/// A dialog as agents have them: arrows move the mark, Enter takes the option.
const DIALOG: &str = r#"
gt hook > /dev/null
stty raw -echo
at=0
paint() {
  printf '\033[2J\033[HShall I?\r\n'
  n=0
  for option in 'Yes' 'Yes, always' 'No, stop'; do
    if [ $n = $at ]; then printf ' ❯ '; else printf '   '; fi
    n=$((n + 1))
    printf '%s. %s\r\n' "$n" "$option"
  done
}
paint
while :; do
  key=$(dd bs=3 count=1 2>/dev/null | od -An -tx1 | tr -d ' \n')
  case "$key" in
    1b5b41) at=$((at - 1)) ;;
    1b5b42) at=$((at + 1)) ;;
    0d) break ;;
  esac
  paint
done
printf '\033[2J\033[Htook option %s\r\n' "$((at + 1))"
stty cooked
linger
"#;

#[test]
fn a_question_is_shown_and_answered_by_its_words() {
    let (town, _origin) = Town::with_rig();
    let signs = json!({ "brief": "none", "waiting": ["screen:Shall I?"] });
    crate::support::agent::preset(&town, "asker", DIALOG, signs);
    let bead = town.bead("Ask", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "asker"]).ok();
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    eventually("it asks", || town.agent(&worker)["state"] == "waiting");
    assert!(town.agent(&worker)["note"].as_str().unwrap().contains("Shall I?"));
    town.gastown(&["agent", "answer", &worker, "perhaps", "--json"]).refused(4, "no_such_option");
    town.gastown(&["agent", "answer", &worker, "always"]).ok();
    eventually("it goes on", || town.gastown(&["peek", &worker]).stdout.contains("took option 2"));
    town.gastown(&["agent", "answer", &worker, "1", "--json"]).refused(1, "asks_nothing");
    running.stop();
}

#[test]
fn what_was_shown_can_be_read_later_and_as_it_was() {
    let (town, _origin) = Town::with_rig();
    let bead = town.work("Work", &format!("echo early; sleep 2.5; echo late; {}", town.barrier("go")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    eventually("both are shown", || town.gastown(&["peek", &worker]).stdout.contains("\nlate"));
    let earlier = town.gastown(&["peek", &worker, "--at", "2s"]).ok().stdout;
    assert!(earlier.contains("early") && !earlier.contains("\nlate"), "{earlier}");
    town.gastown(&["peek", &worker, "--at", "1h", "--json"]).refused(4, "no_such_recording");
    town.open("go");
    town.event_of("bead.closed", &bead);
    running.stop();
    // Without a runtime as well, and long after the session.
    let log = town.gastown(&["log", &worker]).ok().stdout;
    assert!(log.contains("early") && log.contains("\nlate"), "{log}");
    let list = town.json(&["log", &worker, "--list"]);
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert!(
        list[0]["file"].as_str().unwrap().ends_with(".cast") && list[0]["bytes"].as_u64() > Some(0),
        "{list}"
    );
    town.gastown(&["log", "nobody", "--json"]).refused(4, "no_such_agent");
}

#[test]
fn kinds_of_agents_and_their_hooks_are_shown_without_a_runtime() {
    let (town, _origin) = Town::with_rig();
    crate::support::agent::raw_preset(&town, "mine", "/bin/sh", json!({ "env": {"SECRET": "x"} }));
    let rows = town.json(&["agent", "presets"]);
    let row = |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    for name in ["claude", "codex", "gemini", "opencode", "copilot", "cursor", "amp", "shell"] {
        assert_eq!(row(name)["source"], "shipped", "{rows}");
    }
    assert_eq!((&row("mine")["source"], &row("mine")["program"]), (&json!("own"), &json!("/bin/sh")));
    let mine = town.json(&["agent", "preset", "show", "mine"]);
    assert_eq!((&mine["command"], &mine["env"]["SECRET"]), (&json!("/bin/sh"), &json!("…")));
    town.gastown(&["agent", "preset", "show", "claud", "--json"]).refused(4, "no_such_preset");
    let taps = town.json(&["tap", "list", "claude"]);
    let events: Vec<&str> =
        taps.as_array().unwrap().iter().map(|row| row["event"].as_str().unwrap()).collect();
    for event in ["SessionStart", "UserPromptSubmit", "PreToolUse", "PreCompact", "Stop"] {
        assert!(events.contains(&event), "{taps}");
    }
    let checks = |town: &Town| town.gastown(&["doctor", "--json"]).json();
    let hooks = |town: &Town| {
        checks(town).as_array().unwrap().iter().find(|row| row["check"] == "hooks").unwrap()["status"].clone()
    };
    assert_eq!(hooks(&town), "ok");
    town.configure("config/agents.json", |config| config["agents"]["claude"] = json!({ "args": [] }));
    assert_eq!(hooks(&town), "fail");
}

#[test]
fn what_a_kind_of_agent_can_do_is_found_out_in_a_town_that_is_thrown_away() {
    let town = Town::new();
    let found = town.gastown(&["agent", "test", "shell", "--json"]).ok().json();
    let result = |what: &str| {
        let tried = found["tried"].as_array().unwrap().iter().find(|tried| tried["what"] == what);
        tried.unwrap_or_else(|| panic!("{what}: {found}"))["result"].as_str().unwrap().to_owned()
    };
    for what in [
        "starts",
        "takes a text",
        "its death is noticed",
        "goes on after a kill",
        "hands its work in",
        "the town stops",
    ] {
        assert_eq!(result(what), "yes", "{found}");
    }
    assert_eq!(result("usage"), "not declared");
    town.assert_nothing_runs();
    town.gastown(&["agent", "test", "shel", "--json"]).refused(4, "no_such_preset");
}
