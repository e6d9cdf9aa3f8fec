//! Messages that leave the town: by mail server, by HTTP, by a program.
//!
//! - [`email`] one e-mail, by SMTP
//! - [`webhook`] one HTTP request
//! - [`command`] one run of a program
//!
//! Each takes a [`Message`] and where it is to go, tries it once, and says how that has [`Ended`]. Nothing here
//! decides whether it is tried again, and nothing is remembered. A message has a name of its own ([`Message::key`])
//! that goes along with it, so that whoever gets it twice can tell.
//!
//! What matters is what is known afterwards: *taken*, *not taken*, or *in doubt*, which is what a connection
//! leaves that breaks after the last word was said and before it was answered.

pub mod command;
pub mod email;
pub mod webhook;

use std::fmt;

/// What is to be told.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its name: the same whenever it is sent again, and of no other message of any town.
    pub key: String,
    /// One line.
    pub subject: String,
    /// All of it, for people.
    pub text: String,
    /// All of it, for programs.
    pub json: serde_json::Value,
}

/// How one attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was taken: what whoever took it said.
    Taken(String),
    /// It did not get there: why. Another time it may.
    Failed(String),
    /// Whoever was to take it does not want it, and will not: why.
    Refused(String),
    /// It may or may not have been taken: why that is not known.
    Doubtful(String),
}

/// What nobody but the other side may see. Its text never is in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The longest answer that is kept, in bytes.
const LONGEST: usize = 400;

/// What others have said, as one short line that does no harm on a screen.
fn brief(said: &str) -> String {
    let words: Vec<&str> = said.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut end = LONGEST.min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    if end < line.len() { format!("{}…", &line[..end]) } else { line }
}

/// An error and what is behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    brief(&text)
}

#[cfg(test)]
mod tests;
