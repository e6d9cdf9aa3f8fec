//! The town with real agents: Claude Code itself in its worker's terminal, and a script for its model.
//!
//! What scripted agents cannot show: that the preset's arguments, signs and steps of ending are those
//! of the program. It is the version that `.ci/run` installs; another has other screens. Without the
//! program, or without python3 for the model, each test says that it is skipped.

#[path = "claude/model.rs"]
mod model;
#[path = "claude/office.rs"]
mod office;
#[path = "town/support/mod.rs"]
#[expect(dead_code, reason = "the harness of all towns; some of it is for agents made of shell")]
mod support;

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use office::{Office, Trust};
use support::person::Person;
use support::{eventually, find, lives, processes_of, signal};

const LANDS: &str = include_str!("claude/lands.json");
const KILLED: &str = include_str!("claude/killed.json");
const GUARDS: &str = include_str!("claude/guards.json");
const TALKS: &str = include_str!("claude/talks.json");
const COMPACTS: &str = include_str!("claude/compacts.json");
const GATE_FAILS: &str = include_str!("claude/gate.json");

/// The arguments of a living process.
fn arguments(pid: u32) -> Vec<String> {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).split('\0').map(str::to_owned).collect()
}

fn pid(agent: &Value) -> u32 {
    agent["pid"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn a_bead_is_worked_at_by_claude_code_and_lands() {
    let Some(office) = Office::open(LANDS, Trust::Given) else { return };
    let bead = office.town.work("Greet in French", "greeting.txt says it in French");
    let summary = office.town.all_lands();
    assert_eq!(summary["landed"][0]["attempts"], 1, "{summary}");
    assert_eq!(office.origin.landings(), [bead.as_str()]);
    assert_eq!(office.origin.file("greeting.txt"), "bonjour");

    // The brief was its first prompt, whole and once.
    let prompts = office.model.asked("work");
    assert_eq!(prompts.len(), 1, "{prompts:?}");
    let prompt = prompts[0]["user"].as_str().unwrap();
    for piece in ["# You are web/polecats/", &bead, "greeting.txt says it in French"] {
        assert!(prompt.contains(piece), "{piece:?} is not in {prompt}");
    }
    // Its tools speak on the socket, as the worker.
    let worker = office.worker_at(&bead);
    for kind in ["hook.checked", "work.done"] {
        assert_eq!(office.town.events(kind)[0]["actor"], worker.as_str(), "{kind}");
    }
    let verdicts = office.town.events("agent.verdict");
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    assert_eq!(verdicts[0]["data"]["verdict"], "completed", "{verdicts:?}");

    // What the script says that the work has used. Its last words may be cut off by the session's end.
    let (work, words) = ([100, 20, 300, 4_000], [1_000_000, 7, 0, 0]);
    let used = office.used();
    let sum: [u64; 4] = std::array::from_fn(|at| work[at] + words[at]);
    assert!(used == [(bead.clone(), work, 1)] || used == [(bead, sum, 2)], "{used:?}");
    office.town.assert_nothing_runs();
}

#[test]
fn a_repository_that_nobody_trusts_is_asked_about_and_a_person_answers() {
    let Some(office) = Office::open(LANDS, Trust::NotAsked) else { return };
    let bead = office.town.work("Greet in French", "greeting.txt says it in French");
    let running = office.town.run();
    let worker = office.worker_at(&bead);
    let agent = office.agent_that("asks a person", &worker, |row| row["state"] == "waiting");
    assert!(agent["note"].as_str().unwrap().contains("trust"), "{agent}");
    assert!(office.model.asked("work").is_empty());

    let mut person = Person::sits_down(&office.town, &["attach", &worker]);
    person.sees("trust");
    // What Enter would say is no: that has to be seen, not guessed.
    person.types("\x1b[B");
    eventually("yes is chosen", || {
        office.town.gastown(&["peek", &worker]).stdout.contains("❯ Yes, I trust this folder")
    });
    person.types("\r");
    office.town.event_of("bead.closed", &bead);
    // The session ends with its work, and gives the terminal back.
    assert_eq!(person.leaves(), 0, "{}", person.seen());
    assert!(office.is_trusted(), "the answer counts for all worktrees of the repository");
    assert_eq!(office.town.events("agent.started").len(), 1);
    office.close(running);
    assert_eq!(office.origin.file("greeting.txt"), "bonjour");
}

#[test]
fn claude_code_that_is_killed_in_a_turn_takes_its_conversation_up_again() {
    let Some(office) = Office::open(KILLED, Trust::Given) else { return };
    let bead = office.town.work("Greet in French", "greeting.txt says it in French");
    let running = office.town.run();
    let worker = office.worker_at(&bead);
    // It waits for its model, and something that it has started goes on in a session of its own.
    office.model.is_asked("held");
    let first = office.agent_that("is seen to work", &worker, |row| row["state"] == "working");
    let session = first["session"].as_str().unwrap();
    let mark = format!("GASTOWN_SESSION={session}");
    let of_session = || processes_of(Path::new(&mark));
    let started = find("the tool runs", || {
        let all = of_session();
        all.iter().any(|(_, words)| words.starts_with("tail ")).then_some(all)
    });
    assert!(arguments(pid(&first)).contains(&"--session-id".to_owned()));

    signal(pid(&first), Signal::KILL);
    let verdict = office.town.event_of("agent.verdict", &bead);
    assert_eq!(verdict["data"]["verdict"], "crashed", "{verdict}");
    assert_eq!(verdict["data"]["session"], session);
    let prompt = office.model.is_asked("second");
    let second = office.town.agent(&worker);
    assert_ne!(second["pid"], first["pid"]);
    let words = arguments(pid(&second));
    let resumed = words.windows(2).any(|pair| pair == ["--resume", session]);
    assert!(resumed, "{words:?}");
    // What was said before is part of what the model is asked now.
    assert!(prompt["messages"].as_u64().unwrap() > 1, "{prompt}");
    eventually("nothing of the first is alive", || started.iter().all(|(pid, _)| !lives(*pid)));

    office.model.releases("second");
    office.town.event_of("bead.closed", &bead);
    office.close(running);
    // Two lives of one conversation: the answers of the first are counted once, the one that nobody heard never.
    let answers = &office.town.json(&["costs", "--by", "bead"])["total"]["messages"];
    assert!(answers == 2 || answers == 3, "{answers}");
    let sessions: Vec<Value> =
        office.town.events("agent.started").iter().map(|event| event["data"]["session"].clone()).collect();
    assert_eq!(sessions, [session, session]);
    assert_eq!(office.origin.landings(), [bead]);
    assert_eq!(office.origin.file("greeting.txt"), "bonjour");
}

#[test]
fn a_gate_that_fails_is_told_in_the_next_prompt_and_repaired() {
    let Some(office) = Office::open(GATE_FAILS, Trust::Given) else { return };
    let bead = office.town.work("Greet in French", "greeting.txt says it in French");
    let summary = office.town.all_lands();
    assert_eq!(summary["landed"][0]["attempts"], 2, "{summary}");
    assert_eq!(office.origin.landings(), [bead]);
    assert_eq!(office.origin.file("greeting.txt"), "bonjour");
    assert_eq!(office.origin.git(&["ls-tree", "--name-only", "main", "broken"]), "");

    assert_eq!(office.model.asked("work").len(), 1);
    let prompts = office.model.asked("repair");
    assert_eq!(prompts.len(), 1, "{prompts:?}");
    let prompt = prompts[0]["user"].as_str().unwrap();
    for piece in ["On your hook", "It came back", "check", "found: broken"] {
        assert!(prompt.contains(piece), "{piece:?} is not in {prompt}");
    }
    office.town.assert_nothing_runs();
}

#[test]
fn what_breaks_a_rule_is_denied_before_it_happens_and_the_model_is_told_how_else() {
    let Some(office) = Office::open(GUARDS, Trust::Given) else { return };
    let bead = office.town.work("Greet in French", "greeting.txt says it in French");
    office.town.all_lands();
    assert_eq!(office.origin.landings(), [bead.as_str()]);
    let denied = office.town.events("policy.denied");
    let rules: Vec<_> = denied.iter().map(|event| event["data"]["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["push_to_target", "outside_sandbox"], "{denied:?}");
    assert!(denied[0]["actor"].as_str().unwrap().starts_with("web/polecats/"), "{denied:?}");
    assert!(!Path::new("/gastown-outside").exists());
    let told = office.model.asked("elsewhere")[0].to_string();
    assert!(told.contains("gt done"), "{told}");
    office.town.assert_nothing_runs();
}

#[test]
fn a_long_text_arrives_whole_and_once_and_one_that_comes_meanwhile_is_the_next() {
    let Some(office) = Office::open(TALKS, Trust::Given) else { return };
    let running = office.town.run();
    office.town.gastown(&["agent", "start", "mayor"]).ok();
    office.model.is_asked("brief");
    let line = |n: usize| format!("line {n}: \u{e4}\u{f6} \"quoted\" 'x' $HOME `y` {}", "z".repeat(n % 70));
    for (round, lines) in [3, 60, 1_000].into_iter().enumerate() {
        let text: Vec<String> = (0..lines).map(line).collect();
        let text = format!("Tell me more, round {round}\n{}\nthat was round {round}", text.join("\n"));
        let file = office.town.folder.join("text");
        fs::write(&file, &text).unwrap();
        let nudged = office.town.json(&["nudge", "mayor", "-f", file.to_str().unwrap()]);
        assert_eq!(nudged["evidence"], "hook", "{nudged}");
        let heard = find("the model has it", || {
            let asked = office.model.asked("more");
            let mut with = asked.into_iter().filter(|asked| {
                asked["user"].as_str().is_some_and(|user| user.contains(&format!("that was round {round}")))
            });
            with.next()
        });
        let user = heard["user"].as_str().unwrap();
        assert!(user.contains(&text), "{user}");
    }
    assert_eq!(office.model.asked("more").len(), 3);
    office.close(running);
}

#[test]
fn what_claude_code_uses_is_recorded_at_the_end_of_each_turn() {
    let Some(office) = Office::open(TALKS, Trust::Given) else { return };
    let running = office.town.run();
    office.town.gastown(&["agent", "start", "mayor"]).ok();
    let messages = |n: u64| {
        let costs = || office.town.json(&["costs", "--by", "agent"]);
        find(&format!("{n} answers are recorded"), || {
            Some(costs()).filter(|costs| costs["total"]["messages"] == n)
        })
    };
    // In the living session: it has become idle.
    let costs = messages(1);
    assert_eq!(costs["rows"][0]["name"], "mayor/", "{costs}");
    assert_eq!(costs["rows"][0]["cache_write_1h"], 250, "{costs}");
    let nudged = office.town.json(&["nudge", "mayor", "Tell me more"]);
    assert_eq!((&nudged["state"], &nudged["evidence"]), (&"delivered".into(), &"hook".into()), "{nudged}");
    messages(2);

    // Another conversation in the same session.
    office.town.gastown(&["nudge", "mayor", "/clear"]).ok();
    eventually("the screen is cleared", || !office.town.gastown(&["peek", "mayor"]).stdout.contains("More."));
    office.town.gastown(&["nudge", "mayor", "Tell me more"]).ok();
    messages(3);

    // Nothing is counted again at the end, by those who come after, or by a fold of the log.
    office.close(running);
    let events = office.town.events("cost.recorded");
    let conversations: Vec<_> = events.iter().map(|event| event["data"]["conversation"].is_null()).collect();
    assert_eq!(conversations, [true, true, false], "{events:?}");
    let running = office.town.run();
    office.close(running);
    office.town.gastown(&["ledger", "rebuild"]).ok();
    assert_eq!(office.town.events("cost.recorded"), events);
    assert_eq!(office.used(), [("null".to_owned(), [3 * 100, 3 * 20, 3 * 300, 3 * 4_000], 3)]);
    let sessions = office.town.json(&["costs", "--by", "session"]);
    assert_eq!(sessions["rows"].as_array().unwrap().len(), 1, "{sessions}");
}

#[test]
fn a_fresh_session_goes_on_with_a_note_before_claude_code_shortens_what_was_said() {
    let Some(office) = Office::open(COMPACTS, Trust::Given) else { return };
    let bead = office.town.work("Greet in French", "greeting.txt says it in French");
    let running = office.town.run();
    office.town.event_of("bead.closed", &bead);
    let started: Vec<Value> =
        office.town.events("agent.started").iter().map(|event| event["data"]["reason"].clone()).collect();
    assert_eq!(started, ["hook", "handoff"]);
    let prompts = office.model.asked("second");
    assert_eq!(prompts.len(), 1, "{prompts:?}");
    let prompt = prompts[0]["user"].as_str().unwrap();
    for piece in ["its context is full", "greeting.txt (not added)"] {
        assert!(prompt.contains(piece), "{piece:?} is not in {prompt}");
    }
    assert_eq!(office.origin.file("greeting.txt"), "bonjour");
    office.close(running);
}

/// A model that answers everything with this error.
fn refuses(status: u16, message: &str, headers: &Value) -> String {
    let answer = serde_json::json!({"status": status, "message": message, "headers": headers});
    serde_json::json!({"default": answer, "side": answer}).to_string()
}

/// Each with the verdict, what follows, and a piece of the screen that is kept.
#[test]
fn what_keeps_claude_code_from_working_is_told_in_its_verdict() {
    let limit = serde_json::json!({"retry-after": "3600", "anthropic-ratelimit-unified-status": "rejected"});
    let none = serde_json::json!({});
    let long = "prompt is too long: 210000 tokens > 200000 maximum";
    for (scenario, verdict, strategy, words) in [
        (refuses(401, "invalid x-api-key", &none), "key_refused", "person", "Invalid API key"),
        (refuses(400, long, &none), "context_full", "hand_off", "Prompt is too long"),
        (refuses(529, "Overloaded", &none), "overloaded", "park", "529 Overloaded"),
        (refuses(429, "beyond your account's rate limit", &limit), "limited", "park", "API Error"),
    ] {
        let Some(office) = Office::open(&scenario, Trust::Given) else { return };
        let bead = office.town.work("Greet in French", "greeting.txt says it in French");
        let running = office.town.run();
        let judged = office.town.event_of("agent.verdict", &bead);
        assert_eq!(judged["data"]["verdict"], verdict, "{judged}");
        assert_eq!(judged["data"]["strategy"], strategy, "{judged}");
        // It had the whole screen, and took it along: what it showed last is kept all the same.
        assert!(judged["data"]["context"].as_str().unwrap().contains(words), "{judged}");
        office.close(running);
    }
}
