//! talk: letters, keystrokes and looks.

use std::time::Duration;

use clap::{Args, Subcommand};
use model::command::Command;
use model::ids::MailId;
use model::nudge::{Manner, Mode, Urgency};
use model::refusal::Refusal;

use super::escalate::Escalate;
use super::{Intent, Reading};

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write and read letters
    #[command(subcommand)]
    Mail(Mail),
    /// Type a text into an agent's terminal when it is safe, as one prompt
    #[command(
        alias = "inject",
        after_help = "Nothing is typed while a person types, into a question, or into what somebody has half typed. It \
                      returns when the\nagent has taken the text, as its program's hook or its screen shows; with \
                      --mode queue at once, and a letter tells you\nif it came to nothing. What an agent must not miss \
                      belongs into a letter: gastown mail send."
    )]
    Nudge {
        /// Whose
        agent: String,
        /// What
        #[arg(value_name = "TEXT", required_unless_present_any = ["message", "file"])]
        text: Vec<String>,
        /// Read the text from a file, standard input for `-`
        #[arg(long, short, value_name = "FILE", conflicts_with_all = ["text", "message"])]
        file: Option<String>,
        /// When the agent waits for input (wait-idle, queue), or also while it works (now)
        #[arg(long, value_name = "MODE", default_value = "wait-idle", value_parser = mode)]
        mode: Mode,
        /// low, normal or high: what waits longer or shorter than others
        #[arg(long, short, value_name = "HOW", default_value = "normal", value_parser = urgency)]
        priority: Urgency,
        /// Give up after this time, such as 10m, and say so
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
        /// The same as an option
        #[arg(long, short, value_name = "TEXT", conflicts_with = "text", hide = true)]
        message: Option<String>,
    },
    /// Print the screen of an agent
    Peek {
        /// Whose
        agent: String,
        /// So many lines, with what has scrolled away; the screen when not given
        #[arg(long, short = 'n', value_name = "N")]
        lines: Option<usize>,
        /// As it was at a time, such as 2026-01-31T12:00:00Z, or so long ago, such as 10m
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Take over the terminal of an agent; Ctrl-b d leaves it
    Attach(Attach),
    /// End your session and start the next, which sees your note first
    Handoff {
        /// What it has to know
        #[arg(long, short, alias = "body", value_name = "TEXT", conflicts_with = "note_file")]
        message: Option<String>,
        /// Read the note from a file, standard input for `-`
        #[arg(long, short = 'f', value_name = "FILE")]
        note_file: Option<String>,
        /// The note without an option
        #[arg(conflicts_with_all = ["message", "note_file"], hide = true)]
        text: Vec<String>,
    },
    /// Say that a person has to know, and see what people have to know
    Escalate(Escalate),
}

/// Write and read letters
#[derive(Debug, Subcommand)]
pub(crate) enum Mail {
    /// Write to an address or a group
    Send {
        /// To whom: mayor/, RIG/NAME, overseer, @all, @rig/RIG, …
        #[arg(value_name = "TO")]
        to: String,
        /// One line
        #[arg(long, short, value_name = "TEXT")]
        subject: String,
        /// The text below it
        #[arg(long, short, alias = "body", value_name = "TEXT", conflicts_with = "body_file")]
        message: Option<String>,
        /// Read the text from a file, standard input for `-`
        #[arg(long, short = 'f', value_name = "FILE")]
        body_file: Option<String>,
        /// note or help
        #[arg(long, alias = "type", value_name = "KIND")]
        kind: Option<String>,
        /// A name of your own for this sending: said again, it has no second effect
        #[arg(long = "id", alias = "key", value_name = "KEY")]
        key: Option<String>,
    },
    /// List a mailbox
    #[command(alias = "list", alias = "ls")]
    Inbox {
        /// Whose; your own when not given
        agent: Option<String>,
        /// Only what is not acknowledged
        #[arg(long, short)]
        unread: bool,
    },
    /// Show letters
    #[command(alias = "show")]
    Read {
        /// Which
        #[arg(value_name = "LETTER", required = true)]
        ids: Vec<MailId>,
    },
    /// Acknowledge letters: they are dealt with
    #[command(alias = "archive")]
    Ack {
        /// Which
        #[arg(value_name = "LETTER", required = true)]
        ids: Vec<MailId>,
    },
    /// Answer a letter
    Reply {
        /// Which
        #[arg(value_name = "LETTER")]
        id: MailId,
        /// With what
        #[arg(long, short, alias = "body", value_name = "TEXT", required_unless_present = "text")]
        message: Option<String>,
        /// The same, without an option
        #[arg(conflicts_with = "message", hide = true)]
        text: Vec<String>,
    },
    /// Show a whole conversation
    Thread {
        /// One of its letters
        #[arg(value_name = "LETTER")]
        id: MailId,
    },
    /// Find letters by words
    Search {
        /// The words
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// List the letters that could not be handled, and why
    Dead {
        /// To whom; to anybody when not given
        agent: Option<String>,
    },
    /// Put dead letters back, to be delivered and handled afresh
    Retry {
        /// Which
        #[arg(value_name = "LETTER", required = true)]
        ids: Vec<MailId>,
    },
}

impl Mail {
    fn command(self, reading: &Reading) -> Result<Command, Refusal> {
        Ok(match self {
            Mail::Send { to, subject, message, body_file, kind, key } => {
                let body = reading.text_or_file(message, body_file)?.unwrap_or_default();
                Command::MailSend { to, subject, body, kind, key }
            }
            Mail::Inbox { agent, unread } => Command::MailInbox { agent, unread },
            Mail::Read { mut ids } => match ids.len() {
                1 => Command::MailRead(ids.remove(0)),
                _ => Command::MailReadAll(ids),
            },
            Mail::Ack { ids } => Command::MailAck(ids),
            Mail::Reply { id, message, text } => {
                Command::MailReply { id, body: message.unwrap_or_else(|| text.join(" ")) }
            }
            Mail::Thread { id } => Command::MailThread(id),
            Mail::Search { words } => Command::MailSearch { text: words.join(" ") },
            Mail::Dead { agent } => Command::MailDead { agent },
            Mail::Retry { ids } => Command::MailRetry(ids),
        })
    }
}

/// Take over the terminal of an agent; Ctrl-b d leaves it
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Attach {
    /// Whose; without one, those that have a session are listed
    pub(crate) agent: Option<String>,
    /// Watch only
    #[arg(long, short)]
    pub(crate) read_only: bool,
    /// Become the one who types, if another is
    #[arg(long, conflicts_with = "read_only")]
    pub(crate) take: bool,
    /// The keys that leave, such as "ctrl-a d"; also GASTOWN_DETACH_KEYS, and detach_keys in config/town.json
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
}

fn mode(text: &str) -> Result<Mode, String> {
    word(text, "wait-idle, queue or now")
}

fn urgency(text: &str) -> Result<Urgency, String> {
    word(text, "low, normal or high")
}

/// Reads a word of the model.
fn word<T: serde::de::DeserializeOwned>(text: &str, known: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|_| format!("it is {known}"))
}

impl Verb {
    /// What the words of this group want.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        Ok(match self {
            Verb::Mail(mail) => mail.command(reading)?.into(),
            Verb::Nudge { agent, text, file, mode, priority, expires, message } => {
                let text = reading.text_or_file(message, file)?.unwrap_or_else(|| text.join(" "));
                let expires_ms = expires.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
                let manner = Manner { mode, urgency: priority, expires_ms };
                Command::Nudge { agent, text, manner }.into()
            }
            Verb::Peek { agent, lines, at } => {
                let at = at.map(|text| super::observe::time(&text, reading.now)).transpose()?;
                Command::Peek { agent, lines, at }.into()
            }
            Verb::Handoff { message, note_file, text } => {
                let note = reading.text_or_file(message, note_file)?.unwrap_or_else(|| text.join(" "));
                if note.trim().is_empty() {
                    return Err(Refusal::usage("a handoff needs a note for the next session")
                        .hint("gt handoff -m NOTE"));
                }
                Command::Handoff { note }.into()
            }
            Verb::Attach(attach) => Intent::Attach(attach),
            Verb::Escalate(escalate) => escalate.command(reading)?.into(),
        })
    }
}
