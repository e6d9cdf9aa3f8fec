//! Hands over what a hook of an agent's program tells: what the agent says in its own words, which prompt it has
//! taken, which tool it is in, and how a turn has ended. Brings back what the program is to be told: a call that
//! is denied, letters that have come, the brief for a conversation that begins anew.
//!
//! A hook must not disturb the agent: what goes wrong is nobody's error, and then nothing is printed.

use std::io::{Read, Write};
use std::path::PathBuf;

use model::answer::Answer;
use model::command::{Command, Noticed};
use model::refusal::{Class, Refusal};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::args::Globals;
use crate::client::{self, Found};
use crate::env::Env;
use crate::host::Host;

/// The most that is read, in bytes.
const LONGEST: u64 = 900 * 1024;

/// How much is handed over of what a tool was called with, in characters.
const ABOUT: usize = 200;

/// How much is judged of a command or a path, in characters.
const JUDGED: usize = 64 * 1024;

/// How much is handed over of a prompt, in characters.
const PROMPT: usize = 2_000;

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
    error: String,
    error_details: Option<String>,
    last_assistant_message: Option<String>,
    prompt: String,
    trigger: String,
}

impl Told {
    fn command(&self) -> Option<Command> {
        let what = match self.hook_event_name.as_str() {
            "" | "MessageDisplay" => {
                let key = format!("{}/{}", self.message_id, self.index);
                let text = self.delta.clone();
                return text.contains("@gt:").then_some(Command::Said { key, text });
            }
            "PreToolUse" => {
                let about = about(&self.tool_input);
                let said = |names: &[&str]| -> Option<String> {
                    let said = names.iter().find_map(|name| self.tool_input.get(*name)?.as_str())?;
                    Some(said.chars().take(JUDGED).collect())
                };
                Noticed::ToolBegun {
                    id: self.tool_use_id.clone(),
                    name: self.tool_name.clone(),
                    about,
                    command: said(&["command"]),
                    path: said(&["file_path", "notebook_path", "path"]),
                }
            }
            "PostToolUse" | "PostToolUseFailure" => Noticed::ToolEnded { id: self.tool_use_id.clone() },
            "PreCompact" => Noticed::Compacting { asked: self.trigger == "manual" },
            "UserPromptSubmit" => Noticed::Prompted { text: self.prompt.chars().take(PROMPT).collect() },
            "Stop" => Noticed::TurnEnded,
            "StopFailure" => {
                let words = [&self.last_assistant_message, &self.error_details];
                let words = words.into_iter().filter_map(|words| words.as_deref());
                let text = words.collect::<Vec<_>>().join("\n");
                Noticed::TurnFailed { error: self.error.clone(), text: text.chars().take(WORDS).collect() }
            }
            _ => return None,
        };
        Some(Command::Noticed { what, cwd: self.cwd.clone() })
    }

    /// What the program is told for a refusal of what it has told.
    fn denied(&self, refusal: &Refusal) -> Option<Value> {
        let denies = self.hook_event_name == "PreToolUse" && refusal.class == Class::Forbidden;
        let hint = refusal.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        denies.then(|| {
            json!({"hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "permissionDecision": "deny",
                "permissionDecisionReason": format!("{}: {}{hint}", refusal.code, refusal.message),
            }})
        })
    }

    /// What is to be asked for the program, beside what it has told.
    fn question(&self) -> Option<Command> {
        match self.hook_event_name.as_str() {
            "SessionStart" => Some(Command::Prime { agent: None }),
            "UserPromptSubmit" => Some(Command::MailInbox { agent: None, unread: true }),
            _ => None,
        }
    }

    /// What the program is told of an answer.
    fn context(&self, answer: Answer) -> Option<Value> {
        let text = match answer {
            Answer::Prime(prime) => prime.text,
            Answer::Letters(rows) => {
                let fresh: Vec<String> = rows
                    .iter()
                    .filter(|row| row.delivered_at.is_none())
                    .map(|row| format!("{} from {}: {}", row.id, row.from, row.subject))
                    .collect();
                if fresh.is_empty() {
                    return None;
                }
                format!(
                    "New mail:\n{}\nRead one with `gt mail read ID`, then `gt mail ack ID`.",
                    fresh.join("\n")
                )
            }
            _ => return None,
        };
        let event = &self.hook_event_name;
        Some(json!({"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}))
    }
}

/// The part of a tool's input that says most about it.
fn about(input: &Map<String, Value>) -> Option<String> {
    const TELLING: [&str; 7] = ["command", "file_path", "path", "pattern", "url", "description", "prompt"];
    let told = TELLING.iter().find_map(|name| input.get(*name)?.as_str())?;
    Some(told.chars().take(ABOUT).collect())
}

/// Reads what a hook tells from standard input and hands it over, if it matters. Prints what its program is to be
/// told.
pub(crate) fn hand_over(env: &Env, host: &dyn Host) -> u8 {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST).read_to_string(&mut text);
    let Some(told) = read.ok().and_then(|_| serde_json::from_str::<Told>(&text).ok()) else { return 0 };
    if !env.is_agent() {
        return 0;
    }
    // A carrier takes one question.
    let ask = |command: Command| match client::find(&Globals::default(), env, host) {
        Ok(Found::Carrier(mut carrier)) => Some(carrier.ask(command)),
        _ => None,
    };
    let refusal = told.command().and_then(ask).and_then(Result::err);
    let word = match refusal {
        Some(refusal) => told.denied(&refusal),
        None => told.question().and_then(ask).and_then(Result::ok).and_then(|answer| told.context(answer)),
    };
    if let Some(word) = word {
        let _ = writeln!(std::io::stdout(), "{word}");
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
        let what = Noticed::ToolBegun {
            id: "t1".into(),
            name: "Bash".into(),
            about: Some("make test".into()),
            command: Some("make test".into()),
            path: None,
        };
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

    #[test]
    fn a_denied_call_and_letters_are_told_in_the_programs_own_form() {
        let told: Told = serde_json::from_str(r#"{"hook_event_name":"PreToolUse"}"#).unwrap();
        let refusal = Refusal::forbidden("push_to_target", "no").hint("say gt done");
        let word = told.denied(&refusal).unwrap();
        assert_eq!(word["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(word["hookSpecificOutput"]["permissionDecisionReason"], "push_to_target: no; say gt done");
        assert_eq!(told.denied(&Refusal::not_running("x")), None, "a town that is gone denies nothing");
        let told: Told =
            serde_json::from_str(r#"{"hook_event_name":"UserPromptSubmit","prompt":"x"}"#).unwrap();
        assert_eq!(told.context(Answer::Letters(Vec::new())), None);
        assert_eq!(
            noticed(r#"{"hook_event_name":"PreCompact","trigger":"auto"}"#),
            Noticed::Compacting { asked: false }
        );
    }
}
