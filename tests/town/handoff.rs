//! An agent that hands over to its own next session.

use serde_json::json;

use crate::support::{Town, agent, eventually, find};

#[test]
fn the_next_session_sees_the_note_first_and_once() {
    let (town, origin) = Town::with_rig();
    let (flag, brief) = (town.folder.join("flag"), town.folder.join("brief"));
    let script = format!(
        "if [ ! -e {flag} ]; then touch {flag}; gt handoff -m 'half is done: go on with \"b\"'; sleep 600; fi\n\
         gt prime > {brief}; {}; echo x > x.txt",
        town.barrier("go"),
        flag = flag.display(),
        brief = brief.display()
    );
    let running = town.run();
    let bead = town.work("Work", &script);
    eventually("the second session works", || brief.exists());
    let agent = town.event_of("hook.set", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let shown = find("the note is on its screen", || {
        let shown = town.gastown(&["peek", &agent, "-n", "200"]).ok().stdout;
        shown.contains("half is done: go on with \"b\"").then_some(shown)
    });
    assert!(shown.contains("HANDOFF"), "{shown}");
    // It was shown with the first brief, and with no later one.
    assert!(!std::fs::read_to_string(&brief).unwrap().contains("From your last session"));
    town.open("go");
    town.event_of("hook.cleared", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead.as_str()]);

    let started = town.events("agent.started");
    let reasons: Vec<&str> = started.iter().map(|event| event["data"]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["hook", "handoff"]);
    let verdicts = town.events("agent.verdict");
    assert_eq!(verdicts[0]["data"]["verdict"], "handed_over", "{verdicts:?}");
    let letters = town.json(&["mail", "inbox", &agent]);
    let notes: Vec<_> = letters.as_array().unwrap().iter().filter(|row| row["kind"] == "HANDOFF").collect();
    assert_eq!(notes.len(), 1);
    assert!(!notes[0]["acked_at"].is_null() && notes[0]["from"] == notes[0]["to"], "{notes:?}");
    let sent = town
        .events("mail.sent")
        .into_iter()
        .find(|event| event["data"]["letter"]["kind"]["kind"] == "HANDOFF");
    let stopped = &town.events("agent.stopped")[0];
    assert!(sent.unwrap()["seq"].as_u64() < stopped["seq"].as_u64(), "persisted before the session ended");
}

#[test]
fn a_handoff_that_cannot_be_kept_ends_nothing() {
    let (town, origin) = Town::with_rig();
    town.configure("config/town.json", |config| config["allow_faults"] = true.into());
    let said = town.folder.join("said");
    let script = format!(
        "{}; gt handoff -m note --json 2> {said} || true; {}; echo x > x.txt",
        town.barrier("full"),
        town.barrier("go"),
        said = said.display()
    );
    let running = town.run();
    let bead = town.work("Work", &script);
    town.event_of("hook.checked", &bead);
    town.gastown(&["fault", "disk", "full"]).ok();
    town.open("full");
    let error = find("the agent is told", || {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text).ok()
    });
    assert_eq!(error["error"]["code"], "read_only");
    town.gastown(&["fault", "disk", "ok"]).ok();
    town.open("go");
    town.event_of("hook.cleared", &bead);
    running.stop();
    assert_eq!((town.events("agent.started").len(), origin.landings().len()), (1, 1));
}

#[test]
fn a_seat_hands_over_too_and_a_person_is_told_what_to_type_instead() {
    let (town, _origin) = Town::with_rig();
    let running = town.run();
    town.gastown(&["handoff", "-m", "x", "--json"]).refused(2, "usage");
    town.gastown(&["agent", "start", "mayor/"]).ok();
    let session = || town.agent("mayor/")["session"].clone();
    let first = find("the Mayor's session", || Some(session()).filter(|session| session.is_string()));
    town.gastown(&["agent", "restart", "mayor/"]).ok();
    find("the next session", || Some(session()).filter(|next| next.is_string() && *next != first));
    running.stop();
    assert!(town.events("actor.ended").is_empty());
}

#[test]
fn an_agent_whose_context_becomes_full_is_asked_to_hand_over_and_then_it_is_done_for_it() {
    let (town, origin) = Town::with_rig();
    let prompts = town.folder.join("prompts");
    let script = format!(
        r#"
folder="$HOME/.claude/projects/-somewhere"
mkdir -p "$folder"
n=0
says() {{
  n=$((n + 1))
  printf '{{"type":"assistant","message":{{"id":"%s-%s","model":"opus","usage":{{"input_tokens":%s,"output_tokens":1}}}}}}\n' \
    "$GASTOWN_SESSION" "$n" "$1" >> "$folder/$GASTOWN_SESSION.jsonl"
  printf 'READY %s\n' "$n"
}}
if [ ! -e {seen} ]; then
  touch {seen}
  echo half > half.txt
  says 85
  while IFS= read -r line; do
    case "$line" in "@gt:prompt "*) printf '%s\n' "$line" >> {prompts}; says 90 ;; esac
  done
  exit 0
fi
gt prime > {brief}
git add -A && git commit -qm Whole && gt done
linger
"#,
        seen = town.folder.join("seen").display(),
        prompts = prompts.display(),
        brief = town.folder.join("brief").display()
    );
    let fields = json!({
        "usage": "claude-transcript", "context_window": 100, "replies": true, "brief": "none",
        "ready": ["screen:READY *"],
    });
    agent::preset(&town, "writer", &script, fields);
    let running = town.run();
    let bead = town.json(&["bead", "create", "Greet", "--rig", "web"])["id"].as_str().unwrap().to_owned();
    town.gastown(&["sling", &bead, "web", "--agent", "writer"]).ok();
    town.event_of("mq.landed", &bead);
    let asked = std::fs::read_to_string(&prompts).unwrap();
    assert_eq!(asked.matches("gt handoff -m").count(), 1, "{asked}");
    assert_eq!(origin.file("half.txt").trim(), "half");
    let reasons: Vec<_> =
        town.events("agent.started").iter().map(|event| event["data"]["reason"].clone()).collect();
    assert_eq!(reasons, ["hook", "handoff"]);
    let note = town
        .events("mail.sent")
        .into_iter()
        .find(|event| event["data"]["letter"]["kind"]["kind"] == "HANDOFF")
        .unwrap()["data"]["letter"]["kind"]["note"]
        .to_string();
    assert!(note.contains("context is 91 % full") && note.contains("half.txt (not added)"), "{note}");
    running.stop();
}

#[test]
fn a_program_that_is_about_to_forget_what_was_said_is_begun_anew_with_a_note() {
    let (town, origin) = Town::with_rig();
    let script = format!(
        r#"
if [ ! -e {seen} ]; then
  touch {seen}
  echo half > half.txt
  # What a person has asked for is left alone.
  echo '{{"hook_event_name":"PreCompact","trigger":"manual"}}' | gastown __hook
  gt hook --json > /dev/null && echo "goes on" >> {seen}
  echo '{{"hook_event_name":"PreCompact","trigger":"auto"}}' | gastown __hook
  linger
fi
gt prime > {brief}
git add -A && git commit -qm Whole && gt done
linger
"#,
        seen = town.folder.join("seen").display(),
        brief = town.folder.join("brief").display()
    );
    agent::preset(&town, "forgetful", &script, json!({"brief": "none"}));
    let running = town.run();
    let bead = town.json(&["bead", "create", "Greet", "--rig", "web"])["id"].as_str().unwrap().to_owned();
    town.gastown(&["sling", &bead, "web", "--agent", "forgetful"]).ok();
    town.event_of("mq.landed", &bead);
    assert_eq!(std::fs::read_to_string(town.folder.join("seen")).unwrap(), "goes on\n");
    let brief = std::fs::read_to_string(town.folder.join("brief")).unwrap();
    assert!(brief.contains("its context is full") && brief.contains("half.txt (not added)"), "{brief}");
    let reasons: Vec<_> =
        town.events("agent.started").iter().map(|event| event["data"]["reason"].clone()).collect();
    assert_eq!(reasons, ["hook", "handoff"]);
    assert_eq!(origin.file("half.txt").trim(), "half");
    running.stop();
}
