//! What agents use is recorded once, whatever becomes of the runtime.

use serde_json::json;

use crate::support::town::Town;
use crate::support::{agent, eventually};

#[test]
fn what_the_last_turn_before_a_crash_has_used_is_recorded_by_the_next_runtime_and_once() {
    let (town, origin) = Town::with_rig();
    let script = format!(
        r#"
folder="$HOME/.claude/projects/-somewhere"
mkdir -p "$folder"
says() {{
  printf '{{"type":"assistant","message":{{"id":"%s","model":"opus","usage":{{"input_tokens":%s,"output_tokens":1}}}}}}\n' \
    "$1" "$2" >> "$folder/$GASTOWN_SESSION.jsonl"
}}
if [ ! -e {seen} ]; then
  says a 10; says a 10; says b 20
  touch {seen}
  linger
fi
says c 30
echo bonjour > greeting.txt && git add -A && git commit -qm Greet && gt done
linger
"#,
        seen = town.folder.join("seen").display()
    );
    // Without a way to take a session up again: the one that is lost is never looked at by another.
    agent::preset(&town, "writer", &script, json!({"usage": "claude-transcript"}));
    let bead = town.json(&["bead", "create", "Greet", "--rig", "web"])["id"].as_str().unwrap().to_owned();
    town.gastown(&["sling", &bead, "web", "--agent", "writer"]).ok();
    let running = town.run();
    eventually("it has used something", || town.folder.join("seen").exists());
    running.kill9();

    town.all_lands();
    assert_eq!(origin.landings(), [bead.as_str()]);
    let costs = town.json(&["costs", "--by", "bead"]);
    assert_eq!(costs["rows"].as_array().unwrap().len(), 1, "{costs}");
    let row = &costs["rows"][0];
    assert_eq!(row["name"], bead.as_str());
    assert_eq!((&row["input"], &row["messages"], &row["sessions"]), (&json!(60), &json!(3), &json!(2)));
    let sessions = town.json(&["costs", "--by", "sessions", "--since", "1d"]);
    let inputs: Vec<_> =
        sessions["rows"].as_array().unwrap().iter().map(|row| row["input"].clone()).collect();
    assert_eq!(inputs, [30, 30]);

    // The same with a runtime; and a slip is answered.
    let running = town.run();
    assert_eq!(town.json(&["costs", "--by", "bead"]), costs);
    let error = town.gastown(&["costs", "--by", "baed", "--json"]).refused(2, "usage");
    assert!(error.to_string().contains("did you mean"), "{error}");
    running.stop().ok();
    assert_eq!(town.events("cost.recorded").len(), 2);
}
