//! Hands over what a hook of an agent's program tells: what the agent says in its own words, which tool it is
//! in, and how a turn has ended.
//!
//! A hook must not disturb the agent: nothing is printed, and what goes wrong is nobody's error.

use std::io::Read;
use std::path::PathBuf;

use model::command::{Command, Noticed};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::args::Globals;
use crate::client::{self, Found};
use crate::env::Env;
use crate::host::Host;

/// The most that is read, in bytes.
const LONGEST: u64 = 900 * 1024;

/// How much is handed over of what a tool was called with, in characters.
const ABOUT: usize = 200;

/// How much is handed over of what was said about a failure, in characters.
const WORDS: usize = 4_000;

/// What Claude Code's hooks tell, as far as it matters here. Without a name it is a piece of speech: what the
/// first version of the hook handed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    hook_event_name: String,
    cwd: Option<PathBuf>,
    message_id: String,
    index: u64,
    delta: String,
    tool_name: String,
    tool_use_id: String,
    tool_input: Map<String, Value>,
    trigger: String,
    error: String,
    error_details: Option<String>,
    last_assistant_message: Option<String>,
}

impl Told {
    fn command(self) -> Option<Command> {
        let what = match self.hook_event_name.as_str() {
            "" | "MessageDisplay" => {
                let key = format!("{}/{}", self.message_id, self.index);
                return self.delta.contains("@gt:").then_some(Command::Said { key, text: self.delta });
            }
            "PreToolUse" => {
                let about = about(&self.tool_input);
                Noticed::ToolBegun { id: self.tool_use_id, name: self.tool_name, about }
            }
            "PostToolUse" | "PostToolUseFailure" => Noticed::ToolEnded { id: self.tool_use_id },
            "PreCompact" => Noticed::Compacting { asked: self.trigger == "manual" },
            "Stop" => Noticed::TurnEnded,
            "StopFailure" => {
                let words = [self.last_assistant_message, self.error_details];
                let text = words.into_iter().flatten().collect::<Vec<_>>().join("\n");
                Noticed::TurnFailed { error: self.error, text: text.chars().take(WORDS).collect() }
            }
            _ => return None,
        };
        Some(Command::Noticed { what, cwd: self.cwd })
    }
}

/// The part of a tool's input that says most about it.
fn about(input: &Map<String, Value>) -> Option<String> {
    const TELLING: [&str; 7] = ["command", "file_path", "path", "pattern", "url", "description", "prompt"];
    let told = TELLING.iter().find_map(|name| input.get(*name)?.as_str())?;
    Some(told.chars().take(ABOUT).collect())
}

/// Reads what a hook tells from standard input and hands it over, if it matters.
pub(crate) fn hand_over(env: &Env, host: &dyn Host) -> u8 {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST).read_to_string(&mut text);
    let command = read.ok().and_then(|_| serde_json::from_str::<Told>(&text).ok()).and_then(Told::command);
    if let (Some(command), true) = (command, env.is_agent())
        && let Ok(Found::Carrier(mut carrier)) = client::find(&Globals::default(), env, host)
    {
        let _ = carrier.ask(command);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(json: &str) -> Option<Command> {
        serde_json::from_str::<Told>(json).unwrap().command()
    }

    fn noticed(json: &str) -> Noticed {
        match command(json) {
            Some(Command::Noticed { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_speech_that_may_hold_a_command_is_handed_over() {
        assert_eq!(command(r#"{"message_id":"m","index":1,"final":false,"delta":"hello\n"}"#), None);
        let said = Some(Command::Said { key: "m/2".into(), text: "@gt:n hook\n".into() });
        assert_eq!(command(r#"{"message_id":"m","index":2,"delta":"@gt:n hook\n","session_id":"s"}"#), said);
        let named =
            r#"{"hook_event_name":"MessageDisplay","message_id":"m","index":2,"delta":"@gt:n hook\n"}"#;
        assert_eq!(command(named), said);
    }

    #[test]
    fn tools_and_turns_are_told_in_a_few_words() {
        let begun = command(
            r#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_use_id":"t1","cwd":"/w",
                "tool_input":{"description":"Test","command":"make test"},"session_id":"s"}"#,
        );
        let what =
            Noticed::ToolBegun { id: "t1".into(), name: "Bash".into(), about: Some("make test".into()) };
        assert_eq!(begun, Some(Command::Noticed { what, cwd: Some("/w".into()) }));
        for event in ["PostToolUse", "PostToolUseFailure"] {
            let ended = noticed(&format!(r#"{{"hook_event_name":"{event}","tool_use_id":"t1"}}"#));
            assert_eq!(ended, Noticed::ToolEnded { id: "t1".into() });
        }
        for (trigger, asked) in [("auto", false), ("manual", true)] {
            let told = noticed(&format!(r#"{{"hook_event_name":"PreCompact","trigger":"{trigger}"}}"#));
            assert_eq!(told, Noticed::Compacting { asked });
        }
        assert_eq!(noticed(r#"{"hook_event_name":"Stop","stop_hook_active":false}"#), Noticed::TurnEnded);
        let failed = r#"{"hook_event_name":"StopFailure","error":"rate_limit","error_details":null,
            "last_assistant_message":"You've hit your limit"}"#;
        let expected =
            Noticed::TurnFailed { error: "rate_limit".into(), text: "You've hit your limit".into() };
        assert_eq!(noticed(failed), expected);
        assert_eq!(command(r#"{"hook_event_name":"SessionStart","source":"startup"}"#), None);
    }
}
