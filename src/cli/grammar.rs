//! Words to a [`Command`], on every carrier the same.
//!
//! clap reads the words; what it has to say about wrong ones becomes a [`Refusal`], so that a usage error
//! looks like any other no: a message, a hint, a code.

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use model::command::{Command, Origin};
use model::near;
use model::refusal::{Class, Refusal};
use model::time::{Clock, SystemClock};

use crate::args::{Globals, Intent, Line, Reading, elsewhere};
use crate::commands::learn;
use crate::names::{self, Program};

/// What a line turned out to be.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Something to do.
    Intent(Box<(Intent, Globals)>),
    /// A text to print: help or the version.
    Text(String),
}

/// Returns the one [`Command`] that `words` mean, said by `speaker` on its terminal.
///
/// The grammar is that of the program without its name (which may be there, `bd` included). `--json` and
/// the other options that choose a form or a way are accepted and mean nothing here.
///
/// # Errors
/// Usage errors as the program has them; code `not_on_this_carrier` for what is no single command or
/// needs the program's own files and terminal (`attach`, `run`, `events --follow`, `--body-file`);
/// `actor_is_for_people` for `--actor`.
pub fn grammar(words: &[String], speaker: &Origin) -> Result<Command, Refusal> {
    let reading = Reading { now: SystemClock.now(), rig: speaker.actor().rig().cloned(), cwd: None };
    let (program, words) = match words.split_first() {
        Some((first, rest)) if matches!(first.as_str(), "gt" | "gastown" | "bd") => {
            (Program::called(first), rest)
        }
        _ => (Program::Gastown, words),
    };
    let words = names::canonical(program, words.to_vec());
    let (intent, globals) = match parse(&words, &reading)? {
        Parsed::Intent(wanted) => *wanted,
        Parsed::Text(_) => {
            return Err(elsewhere("help is not given here").hint("run `gastown help` in a shell"));
        }
    };
    if globals.actor.is_some() {
        return Err(actor_is_for_people());
    }
    match intent {
        Intent::Ask(command, _) => Ok(command),
        other => {
            let what = match other {
                Intent::Follow(..) => "following events",
                Intent::Attach(_) => "attach",
                Intent::Run(_) => "run",
                Intent::Install(_) => "install",
                Intent::Service(_) => "service",
                Intent::Backups(_) => "backup",
                _ => "help",
            };
            Err(elsewhere(&format!("{what} is nothing that can be asked from here"))
                .hint("run the `gastown` program in a shell"))
        }
    }
}

/// The refusal of `--actor` where the carrier says who speaks.
pub(crate) fn actor_is_for_people() -> Refusal {
    Refusal::forbidden("actor_is_for_people", "only a person may speak in another's name")
        .hint("leave out --actor: who you are is known from your session")
}

/// Reads canonical `words`.
pub(crate) fn parse(words: &[String], reading: &Reading) -> Result<Parsed, Refusal> {
    if words.iter().all(|word| matches!(word.as_str(), "--help" | "-h" | "--json" | "--no-color")) {
        return Ok(Parsed::Text(learn::overview()));
    }
    let argv = std::iter::once("gastown").chain(words.iter().map(String::as_str));
    // Not the tree that is built for reading: here only the command that is meant is built, and each call of the
    // program waits for this.
    let line =
        names::grammar().try_get_matches_from(argv).and_then(|matches| Line::from_arg_matches(&matches));
    match line {
        Ok(line) => Ok(Parsed::Intent(Box::new(line.intent(reading)?))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Text(error.render().to_string()))
            }
            _ => Err(refusal(&error, words)),
        },
    }
}

/// What clap complains of, as a refusal.
fn refusal(error: &clap::Error, words: &[String]) -> Refusal {
    let (at, path) = names::deepest(words);
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let see = || match path.strip_prefix("gastown ") {
        Some(command) => format!("see `gastown help {command}`"),
        None => "see `gastown help`".to_owned(),
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            unknown(at, &path, word).hint_or(see)
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let verbs: Vec<&str> = at
                .get_subcommands()
                .filter(|verb| !verb.is_hide_set())
                .map(clap::Command::get_name)
                .collect();
            Refusal::usage(format!("`{path}` wants to know what to do")).hint(format!(
                "one of {}; {}",
                verbs.join(", "),
                see()
            ))
        }
        ErrorKind::UnknownArgument if at.has_subcommands() && !at.is_allow_external_subcommands_set() => {
            let word = context(ContextKind::InvalidArg).unwrap_or_default();
            if word.starts_with('-') {
                said(error).hint_or(see)
            } else {
                unknown(at, &path, word).hint_or(see)
            }
        }
        _ => said(error).hint_or(see),
    }
}

/// The refusal of `word`, which is no command of `at`.
fn unknown(at: &clap::Command, path: &str, word: &str) -> Refusal {
    let message = match path.strip_prefix("gastown ") {
        Some(command) => format!("`{command}` has no command {word:?}"),
        None => format!("there is no command {word:?}"),
    };
    let refusal = Refusal::new(Class::Usage, "unknown_command", message);
    if names::GROUPS.iter().any(|group| group.name == word) {
        return refusal.hint(format!("{word} is a group of commands: see `gastown help {word}`"));
    }
    match near::did_you_mean(&names::meant(at, path, word)) {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// clap's own words: the message up to the first blank line, the tips as the hint.
fn said(error: &clap::Error) -> Refusal {
    let text = error.render().to_string();
    let message = text.split("\n\n").next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message =
        message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let refusal = Refusal::usage(message.replace('\'', "`"));
    let tips: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let hints: Vec<String> = tips
        .into_iter()
        .map(|tip| tip.replace('\'', "`"))
        .chain(usage.map(|usage| format!("usage: {usage}")))
        .collect();
    if hints.is_empty() { refusal } else { refusal.hint(hints.join("; ")) }
}

/// A hint where there is none yet.
trait HintOr {
    fn hint_or(self, hint: impl FnOnce() -> String) -> Self;
}

impl HintOr for Refusal {
    fn hint_or(self, hint: impl FnOnce() -> String) -> Self {
        if self.hint.is_some() { self } else { self.hint(hint()) }
    }
}

#[cfg(test)]
mod tests;
