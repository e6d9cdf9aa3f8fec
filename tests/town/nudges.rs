//! Texts that are typed into agents: when it is safe, whole, once, or the sender is told (P10).

use std::fs;

use serde_json::json;

use crate::support::person::Person;
use crate::support::{Running, Town, eventually};

/// An agent that shows whether it is ready, and writes down each line that it is given. What begins with `work`
/// keeps it busy until the test lets it go on.
const SCRIPT: &str = r#"
stty echo
gt hook > /dev/null
while :; do
  printf '\033[2J\033[Hready> '
  IFS= read -r line || exit 0
  printf '%s\n' "$line" >> "$HOME/lines"
  case "$line" in
    work*) printf '\033[2J\033[Hbusy with %s' "$line"; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; rm "$HOME/go" ;;
    ask*) printf '\033[2J\033[HShall I? [y/n] '; IFS= read -r answer; printf 'answer %s\n' "$answer" >> "$HOME/lines" ;;
  esac
done
"#;

fn office() -> (Town, Running, String) {
    let (town, _origin) = Town::with_rig();
    let signs = json!({
        "brief": "none", "ready": ["screen:ready>"], "busy": ["screen:busy with"], "waiting": ["screen:Shall I?"],
    });
    crate::support::agent::preset(&town, "scribe", SCRIPT, signs);
    let bead = town.bead("Write down", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "scribe"]).ok();
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    eventually("it is ready", || town.agent(&worker)["state"] == "idle");
    (town, running, worker)
}

fn lines(town: &Town) -> Vec<String> {
    let text = fs::read_to_string(town.folder.join("home/lines")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn go(town: &Town) {
    fs::write(town.folder.join("home/go"), "").unwrap();
}

#[test]
fn a_text_waits_until_the_agent_is_idle_and_another_need_not() {
    let (town, running, worker) = office();
    let first = town.json(&["nudge", &worker, "work", "hard"]);
    assert_eq!((&first["state"], &first["evidence"]), (&json!("delivered"), &json!("screen")), "{first}");
    eventually("it works", || town.agent(&worker)["state"] == "working");
    let queued = town.json(&["nudge", &worker, "later", "--mode", "queue"]);
    assert_eq!(queued["state"], "queued");
    let late = town.gastown(&["nudge", &worker, "too late", "--expires", "300ms", "--json"]);
    late.refused(1, "nudge_expired");
    let now = town.json(&["nudge", &worker, "at once", "--mode", "now"]);
    assert!(now["state"] == "delivered" || now["state"] == "typed", "{now}");
    assert_eq!(lines(&town), ["work hard"]);
    go(&town);
    eventually("all is written down", || lines(&town).len() == 3);
    assert_eq!(lines(&town), ["work hard", "at once", "later"]);
    running.stop();
}

#[test]
fn nothing_is_typed_into_a_question_or_into_what_a_person_has_half_typed() {
    let (town, running, worker) = office();
    town.gastown(&["nudge", &worker, "ask"]).ok();
    eventually("it asks", || town.agent(&worker)["state"] == "waiting");
    for mode in ["wait-idle", "now"] {
        let told = town.gastown(&["nudge", &worker, "y", "--mode", mode, "--expires", "1s", "--json"]);
        told.refused(1, "nudge_expired");
    }
    assert_eq!(lines(&town), ["ask"]);
    let mut person = Person::sits_down(&town, &["attach", &worker]);
    person.sees("Shall I?");
    person.types("n\r");
    person.sees("ready>");
    person.types("half a li");
    person.sees("half a li");
    let told = town.gastown(&["nudge", &worker, "mixed", "--expires", "3s", "--json"]);
    told.refused(1, "nudge_expired");
    person.types("ne\r");
    town.gastown(&["nudge", &worker, "after it"]).ok();
    assert_eq!(lines(&town), ["ask", "answer n", "half a line", "after it"]);
    running.stop();
}

#[test]
fn who_does_not_wait_is_written_to_when_it_comes_to_nothing() {
    let (town, running, worker) = office();
    town.gastown(&["nudge", &worker, "work"]).ok();
    eventually("it works", || town.agent(&worker)["state"] == "working");
    town.gastown(&["nudge", &worker, "never", "--mode", "queue"]).ok();
    town.gastown(&["agent", "stop", &worker]).ok();
    eventually("a letter has come", || {
        let letters = town.json(&["mail", "inbox", "overseer"]);
        letters.as_array().unwrap().iter().any(|letter| {
            letter["subject"].as_str().unwrap().starts_with("not typed to")
                && letter["body"].as_str().unwrap().contains("never")
        })
    });
    running.stop();
}

#[test]
fn a_line_that_its_terminal_would_cut_is_refused() {
    let (town, running, worker) = office();
    let long = "x".repeat(5_000);
    town.gastown(&["nudge", &worker, &long, "--json"]).refused(1, "too_long");
    let file = town.folder.join("long");
    fs::write(&file, "y".repeat(200_000)).unwrap();
    town.gastown(&["nudge", &worker, "-f", file.to_str().unwrap(), "--json"]).refused(2, "usage");
    let fits = "z".repeat(4_000);
    town.gastown(&["nudge", &worker, &fits]).ok();
    assert_eq!(lines(&town), [fits]);
    running.stop();
}
