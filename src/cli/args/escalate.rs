//! `escalate`: what a person has to know.

use clap::{Args, Subcommand};
use model::command::Command;
use model::escalation::Severity;
use model::ids::BeadId;
use model::near;
use model::refusal::Refusal;

use super::Reading;

/// Say that a person has to know
///
/// Which ways it goes (a bead, letters, e-mail, HTTP, a program) depends on how grave it is, and stands in
/// config/escalation.json. What nobody takes note of becomes graver.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Escalate {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    new: New,
}

#[derive(Debug, Args)]
struct New {
    /// One line
    #[arg(value_name = "SUBJECT", required = true)]
    subject: Vec<String>,
    /// critical, high, medium or low (or P0 to P3)
    #[arg(long, short, default_value = "medium", value_parser = severity)]
    severity: Severity,
    /// The whole of it
    #[arg(
        long,
        short,
        alias = "body",
        alias = "reason",
        short_alias = 'r',
        value_name = "TEXT",
        conflicts_with_all = ["body_file", "stdin"]
    )]
    message: Option<String>,
    /// Read the text from a file, standard input for `-`
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "stdin")]
    body_file: Option<String>,
    /// Read the text from standard input
    #[arg(long, hide = true)]
    stdin: bool,
    /// About which bead
    #[arg(long, alias = "related", value_name = "BEAD")]
    bead: Option<BeadId>,
    /// What it comes from, for instance plugin:NAME
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Only say which ways it would go
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// What is done with those that there are.
#[derive(Debug, Subcommand)]
enum Verb {
    /// List what people have to know: how grave, how old, whose turn it is
    #[command(alias = "ls")]
    List {
        /// Those that are settled too
        #[arg(long, short)]
        all: bool,
        /// Only those of which nobody has taken note
        #[arg(long, alias = "open")]
        unacked: bool,
        /// Only critical, high, medium or low ones
        #[arg(long, short, value_parser = severity)]
        severity: Option<Severity>,
    },
    /// Show one with all that was known of the matter, and what became of its messages
    Show {
        /// Its name, or that of its bead or of a letter about it
        #[arg(value_name = "ESCALATION")]
        name: String,
    },
    /// Take note: it becomes no graver, and nobody else is told
    #[command(alias = "acknowledge")]
    Ack {
        /// Which
        #[arg(value_name = "ESCALATION", required = true)]
        names: Vec<String>,
        /// What there is to say to it
        #[arg(long, short = 'm', alias = "message", value_name = "TEXT")]
        note: Option<String>,
    },
    /// Say that the matter is settled
    #[command(alias = "resolve")]
    Close {
        /// Which
        #[arg(value_name = "ESCALATION", required = true)]
        names: Vec<String>,
        /// How
        #[arg(long, short, value_name = "TEXT")]
        reason: String,
    },
    /// Send the messages again that did not go through
    Retry {
        /// Of which
        #[arg(value_name = "ESCALATION", required = true)]
        names: Vec<String>,
    },
    /// Make graver what nobody has taken note of for too long, and say when the rest becomes so
    Stale {
        /// Only say it
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
}

fn severity(text: &str) -> Result<Severity, String> {
    text.parse()
}

impl Escalate {
    /// What the words mean.
    pub(super) fn command(self, reading: &Reading) -> Result<Command, Refusal> {
        match self.verb {
            Some(verb) => Ok(verb.command()),
            None => self.new.command(reading),
        }
    }
}

impl Verb {
    fn command(self) -> Command {
        match self {
            Verb::List { all, unacked, severity } => Command::EscalateList { all, unacked, severity },
            Verb::Show { name } => Command::EscalateShow { name },
            Verb::Ack { names, note } => Command::EscalateAck { names, note },
            Verb::Close { names, reason } => Command::EscalateClose { names, reason },
            Verb::Retry { names } => Command::EscalateRetry { names },
            Verb::Stale { dry_run } => Command::EscalateStale { dry_run },
        }
    }
}

impl New {
    fn command(self, reading: &Reading) -> Result<Command, Refusal> {
        let New { subject, severity, message, body_file, stdin, bead, source, dry_run } = self;
        if let Some(verb) = slip(&subject).filter(|_| message.is_none() && body_file.is_none()) {
            return Err(Refusal::usage(format!("`escalate` has no command {:?}", subject[0])).hint(format!(
                "did you mean `gastown escalate {verb}`? to tell somebody just this, add -m TEXT"
            )));
        }
        let file = body_file.or(stdin.then(|| "-".to_owned()));
        let body = reading.text_or_file(message, file)?.unwrap_or_default();
        Ok(Command::Escalate { severity, subject: subject.join(" "), body, bead, source, dry_run })
    }
}

/// The command that may be meant by a subject that looks like a slip of one: nobody is to be woken by `lsit`.
fn slip(words: &[String]) -> Option<String> {
    const VERBS: [&str; 6] = ["list", "show", "ack", "close", "retry", "stale"];
    let (first, rest) = words.split_first()?;
    let names = |word: &String| word.starts_with("esc-") || word.starts_with('-');
    let near = near::matches(first, VERBS).into_iter().next()?;
    (!first.contains(' ') && rest.iter().all(names)).then_some(near)
}
