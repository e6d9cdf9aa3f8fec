//! Hands over what an agent said in its own words, as a hook of its program tells it.
//!
//! A hook must not disturb the agent: nothing is printed, and what goes wrong is nobody's error.

use std::io::Read;

use model::command::Command;
use serde::Deserialize;

use crate::args::Globals;
use crate::client::{self, Found};
use crate::env::Env;
use crate::host::Host;

/// The longest piece of speech that is read, in bytes.
const LONGEST: u64 = 900 * 1024;

/// A piece of an agent's speech, as Claude Code's `MessageDisplay` hook tells it.
#[derive(Debug, Deserialize)]
struct Piece {
    message_id: String,
    #[serde(default)]
    index: u64,
    #[serde(default)]
    delta: String,
}

impl Piece {
    fn command(self) -> Option<Command> {
        let key = format!("{}/{}", self.message_id, self.index);
        self.delta.contains("@gt:").then_some(Command::Said { key, text: self.delta })
    }
}

/// Reads one piece of speech from standard input and hands it over, if it may hold a command.
pub(crate) fn hand_over(env: &Env, host: &dyn Host) -> u8 {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST).read_to_string(&mut text);
    let command = read.ok().and_then(|_| serde_json::from_str::<Piece>(&text).ok()).and_then(Piece::command);
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

    #[test]
    fn only_speech_that_may_hold_a_command_is_handed_over() {
        let command = |json: &str| serde_json::from_str::<Piece>(json).unwrap().command();
        assert_eq!(command(r#"{"message_id":"m","index":1,"final":false,"delta":"hello\n"}"#), None);
        let said = command(r#"{"message_id":"m","index":2,"delta":"@gt:n hook\n","session_id":"s"}"#);
        assert_eq!(said, Some(Command::Said { key: "m/2".into(), text: "@gt:n hook\n".into() }));
    }
}
