//! A person at an agent's terminal: looks, types, leaves, and the agent goes on (P10).

use crate::support::person::Person;
use crate::support::{Town, eventually, find};

/// A town in which one worker waits for `go`, and who that is.
fn waiting_worker(words: &str) -> (Town, crate::support::Running, String, String) {
    let (town, _origin) = Town::with_rig();
    let bead = town.work("Work", &format!("echo '{words}'; {}; echo x > x.txt", town.barrier("go")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    (town, running, bead, worker)
}

#[test]
fn a_person_looks_in_and_leaves_and_the_agent_goes_on() {
    let (town, running, bead, worker) = waiting_worker("I am at work");
    let mut person = Person::sits_down(&town, &["attach", &worker]);
    person.sees("I am at work");
    let pid = town.agent(&worker)["pid"].clone();
    person.types("\x02d");
    assert_eq!(person.leaves(), 0);
    person.sees("goes on without you");
    let agent = town.agent(&worker);
    assert_eq!((&agent["pid"], &agent["hook"]), (&pid, &bead.as_str().into()));
    assert_eq!(town.events("agent.started").len(), 1);
    town.open("go");
    town.event_of("bead.closed", &bead);
    running.stop();
}

#[test]
fn what_a_person_types_reaches_the_agent_and_its_screen_is_theirs() {
    let (town, _origin) = Town::with_rig();
    let script =
        "gt hook > /dev/null; stty echo; printf 'your name? '; read name; echo \"hello $name\"; linger";
    crate::support::agent::preset(&town, "asker", script, serde_json::json!({ "brief": "none" }));
    let bead = town.bead("Ask", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "asker"]).ok();
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let mut person = Person::sits_down(&town, &["attach", &worker]);
    person.sees("your name?");
    person.types("Tess\r");
    person.sees("hello Tess");
    let mut second = Person::sits_down(&town, &["attach", &worker]);
    assert_eq!(second.leaves(), 5, "two may not type at once: {}", second.seen());
    let mut reader = Person::sits_down(&town, &["attach", &worker, "--read-only"]);
    reader.sees("hello Tess");
    reader.types("\x02d");
    assert_eq!(reader.leaves(), 0);
    let peeked = town.gastown(&["peek", &worker]).ok();
    assert!(peeked.stdout.contains("hello Tess"), "{peeked:?}");
    person.types("\x02d");
    assert_eq!(person.leaves(), 0);
    running.stop();
    town.assert_nothing_runs();
}

#[test]
fn a_session_that_ends_gives_the_terminal_back() {
    let (town, running, bead, worker) = waiting_worker("not for long");
    let mut person = Person::sits_down(&town, &["attach", &worker]);
    person.sees("not for long");
    town.open("go");
    assert_eq!(person.leaves(), 0, "{}", person.seen());
    person.sees("has ended");
    town.event_of("bead.closed", &bead);
    running.stop();
}

#[test]
fn peek_prints_the_screen_and_attach_wants_a_terminal() {
    let (town, running, bead, worker) = waiting_worker("here I am");
    let shown = find("the words are on the screen", || {
        let shown = town.json(&["peek", &worker]);
        shown["lines"].to_string().contains("here I am").then_some(shown)
    });
    assert_eq!(shown["agent"], worker.as_str());
    let one = town.json(&["peek", &worker, "-n", "1"]);
    assert_eq!(one["lines"].as_array().unwrap().len(), 1);
    let short = worker.replace("/polecats/", "/");
    assert!(town.gastown(&["peek", &short]).ok().stdout.contains("here I am"));
    town.gastown(&["attach", &worker, "--json"]).refused(2, "no_terminal");
    town.open("go");
    town.event_of("bead.closed", &bead);
    // What it last showed can be read after its end.
    eventually("the session is over", || town.agent(&worker)["pid"].is_null());
    assert!(town.gastown(&["peek", &worker]).ok().stdout.contains("here I am"));
    running.stop();
}

#[test]
fn any_agent_may_look_at_any_other_and_disturbs_nobody() {
    let (town, running, bead, worker) = waiting_worker("here I am");
    find("the words are on the screen", || {
        town.gastown(&["peek", &worker]).stdout.contains("here I am").then_some(())
    });
    let before = town.agent(&worker);
    let seen = town.folder.join("seen.txt");
    let other = town.work("Look", &format!("gt peek {worker} > {}; echo y > y.txt", seen.display()));
    town.event_of("bead.closed", &other);
    assert!(std::fs::read_to_string(&seen).unwrap().contains("here I am"));
    let after = town.agent(&worker);
    for same in ["pid", "session", "state", "last_activity"] {
        assert_eq!(before[same], after[same], "{same}: {before} {after}");
    }
    town.open("go");
    town.event_of("bead.closed", &bead);
    running.stop();
}

#[test]
fn a_killed_client_leaves_a_terminal_that_can_be_used() {
    let (town, running, _bead, worker) = waiting_worker("under way");
    let mut person = Person::sits_down(&town, &["attach", &worker]);
    person.sees("under way");
    assert!(!person.is_cooked());
    person.is_killed();
    eventually("the terminal is given back", || person.is_cooked() && person.seen().contains("\x1b[?1049l"));
    assert!(town.agent(&worker)["pid"].is_number());
    running.stop();
}

#[test]
fn whoever_is_relieved_is_told_and_looks_on_through_a_window_of_their_own() {
    let (town, running, _bead, worker) = waiting_worker("still at it");
    let mut first = Person::sits_down(&town, &["attach", &worker]);
    first.sees("still at it");
    let mut second = Person::before(&town, &["attach", &worker, "--take"], (20, 60));
    second.sees("still at it");
    first.sees("somebody else has taken the keyboard");
    // The terminal has the second one's size now; the first one's window shows it in its corner.
    let mut small = Person::before(&town, &["attach", &worker, "--read-only"], (6, 40));
    small.sees("60x20 in a window of 40x6");
    for person in [&mut first, &mut second, &mut small] {
        person.types("\x02d");
        assert_eq!(person.leaves(), 0);
    }
    running.stop();
}

#[test]
fn other_keys_leave_where_the_town_says_so_and_a_list_is_offered() {
    let (town, running, _bead, worker) = waiting_worker("here I am");
    town.configure("config/town.json", |config| config["detach_keys"] = "ctrl-a q".into());
    let mut person = Person::sits_down(&town, &["attach"]);
    person.sees("which (Enter for none)?");
    person.types("1\r");
    person.sees("here I am");
    person.types("\x01q");
    assert_eq!(person.leaves(), 0);
    let mut person = Person::sits_down(&town, &["attach", &worker, "--detach-keys", "b d"]);
    assert_eq!(person.leaves(), 2, "{}", person.seen());
    running.stop();
}
