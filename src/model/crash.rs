//! What is known of an actor at its end: who found it, what it had in hand, what follows from it.

use serde::{Deserialize, Serialize};

use crate::ids::{MailId, Seq};

/// How an actor of the tree was found when it had ended. What is not known is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Crash {
    /// Its supervisor, by its name in the tree.
    pub supervisor: Option<String>,
    /// The kind of message that it was handling, or `start` when it was still starting.
    pub in_hand: Option<String>,
    /// For how long it had been at that, in milliseconds.
    pub busy_ms: Option<u64>,
    /// The letter that it was handling.
    pub letter: Option<MailId>,
    /// What its state was, in a few words.
    pub state: Option<String>,
    /// How long this life of it was, in milliseconds.
    pub lived_ms: Option<u64>,
    /// The length of the window that its restarts are counted in, in seconds.
    pub window_s: Option<u64>,
    /// What the session of its agent last showed, if it had one.
    pub last_output: Vec<String>,
    /// The first event of this life of it.
    pub since: Option<Seq>,
    /// The last one.
    pub until: Option<Seq>,
}

impl Crash {
    /// What it had in hand, for people; nothing when it had nothing.
    pub fn hands(&self) -> Option<String> {
        let what = self.in_hand.as_ref()?;
        let time = self.busy_ms.map(|ms| format!(" for {}", span(ms))).unwrap_or_default();
        let letter = self.letter.as_ref().map(|letter| format!(", letter {letter}")).unwrap_or_default();
        Some(format!("{what} in hand{time}{letter}"))
    }

    /// What else is known, a line each.
    pub fn details(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.state.as_ref().map(|state| format!("its state: {state}")));
        if let (Some(since), Some(until)) = (self.since, self.until) {
            let lived = self.lived_ms.map(|ms| format!(" of {}", span(ms))).unwrap_or_default();
            lines.push(format!("its life{lived}: events {since} to {until}, gastown events --since {since}"));
        }
        let shown = self.last_output.iter().rev().filter(|line| !line.trim().is_empty()).take(2);
        let shown: Vec<&str> = shown.map(|line| line.trim()).collect();
        if !shown.is_empty() {
            let shown: Vec<&str> = shown.into_iter().rev().collect();
            lines.push(format!("its session last showed: {}", shown.join(" / ")));
        }
        lines
    }
}

/// A time in milliseconds, in the unit that people would use.
fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min", ms / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!((Crash::default().hands(), Crash::default().details()), (None, Vec::new()));
        let crash = Crash {
            in_hand: Some("Look".into()),
            busy_ms: Some(2_345),
            letter: Some("m-7".parse().unwrap()),
            since: Some(Seq(4)),
            until: Some(Seq(9)),
            lived_ms: Some(90_000),
            last_output: vec!["$ make".into(), "boom".into(), String::new()],
            ..Crash::default()
        };
        assert_eq!(crash.hands().unwrap(), "Look in hand for 2.3 s, letter m-7");
        assert_eq!(
            crash.details(),
            [
                "its life of 1 min: events 4 to 9, gastown events --since 4",
                "its session last showed: $ make / boom"
            ]
        );
    }
}
