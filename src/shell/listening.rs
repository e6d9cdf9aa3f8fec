//! The line protocol from the agent's side: commands as lines of its own, answers typed in.

use std::cell::Cell;
use std::env;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use protocol::speech::{self, Answer};
use serde_json::Value;

use crate::terminal::{self, say};
use crate::town::Town;

/// How long a runtime may take to answer the first line. Without an answer the work goes on all the same.
const HELLO: Duration = Duration::from_secs(2);

/// Letters that ask for a judgement.
const JUDGEMENT: [&str; 2] = ["HELP", "ESCALATION"];

/// The terminal as a way to the town and back.
#[derive(Debug)]
pub(crate) struct Listening {
    lines: Receiver<String>,
    nonce: Option<String>,
    /// The number of the last line that was spoken.
    last: Cell<u64>,
    /// Whether a line was answered: then lines are worth speaking.
    answered: bool,
}

impl Listening {
    /// Starts to listen to what is typed.
    pub(crate) fn start() -> Self {
        let nonce = env::var("GASTOWN_NONCE").ok().filter(|nonce| !nonce.is_empty());
        Listening { lines: terminal::lines(), nonce, last: Cell::new(0), answered: false }
    }

    /// Asks a small question on the terminal and waits a moment for the answer.
    pub(crate) fn hello(&mut self, town: &Town) {
        let Some(mine) = self.speak(&["hook", "--json"]) else { return };
        let until = Instant::now() + HELLO;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => match Answer::parse(&line) {
                    Some(Answer::Ok { id, .. } | Answer::Err { id, .. }) if id == mine => {
                        self.answered = true;
                        return say("line protocol: ok");
                    }
                    Some(Answer::Mail(letter)) => self.letter(town, &letter),
                    // What a prompt asks for happens next in any case.
                    _ => {}
                },
                Err(RecvTimeoutError::Timeout) => return say("line protocol: no answer"),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Waits for a prompt; false when the terminal has closed. Letters are read out on the way.
    pub(crate) fn until_prompted(&self, town: &Town) -> bool {
        while let Ok(line) = self.lines.recv() {
            match Answer::parse(&line) {
                Some(Answer::Prompt(value)) => {
                    say(value["text"].as_str().unwrap_or("prompted"));
                    return true;
                }
                Some(Answer::Mail(letter)) => self.letter(town, &letter),
                Some(Answer::Err { value, .. }) => say(value["message"].as_str().unwrap_or("refused")),
                Some(Answer::Ok { .. }) | None => {}
            }
        }
        false
    }

    /// Reads a letter out and acknowledges it: more this agent cannot do with words. What asks for a judgement it
    /// leaves as it is, so that whoever has one hears of it in time.
    pub(crate) fn read_out(
        &self,
        town: &Town,
        (id, kind): (&str, &str),
        from: &str,
        subject: &str,
        body: &str,
    ) {
        say(&format!("letter {id} from {from}: {subject}\n{body}"));
        if JUDGEMENT.contains(&kind) {
            return;
        }
        let words = ["mail", "ack", id];
        if !(self.answered && self.speak(&words).is_some()) {
            // An unread letter is a small evil; it comes again with the next brief.
            let _ = town.ask(&words);
        }
    }

    fn letter(&self, town: &Town, letter: &Value) {
        let field = |name: &str| letter[name].as_str().unwrap_or_default();
        if !field("id").is_empty() {
            self.read_out(town, (field("id"), field("kind")), field("from"), field("subject"), field("body"));
        }
    }

    /// Says a command as a line on the terminal; returns its number, or nothing without a nonce.
    fn speak(&self, words: &[&str]) -> Option<u64> {
        let nonce = self.nonce.as_deref()?;
        self.last.set(self.last.get() + 1);
        terminal::raw(speech::line(nonce, Some(self.last.get()), words).as_bytes());
        Some(self.last.get())
    }
}
