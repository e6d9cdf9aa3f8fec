//! The command line as types, in the seven groups of the contract.
//!
//! Doc comments here are the help that people read. Each group has a file with its `Verb`; what a verb
//! means is an [`Intent`]: nearly always one [`Command`] and how its answer is shown.

pub(crate) mod agents;
pub(crate) mod backup;
pub(crate) mod bead;
pub(crate) mod escalate;
pub(crate) mod formula;
pub(crate) mod learn;
pub(crate) mod ledger;
pub(crate) mod observe;
pub(crate) mod ship;
pub(crate) mod talk;
pub(crate) mod town;
pub(crate) mod work;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::command::{Command, EventFilter};
use model::ids::RigName;
use model::refusal::{Class, Refusal};
use model::time::Timestamp;

/// A whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "gastown",
    bin_name = "gastown",
    version,
    disable_help_subcommand = true,
    subcommand_value_name = "COMMAND",
    subcommand_help_heading = "Commands"
)]
pub(crate) struct Line {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What may stand anywhere on the line.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Anywhere")]
pub(crate) struct Globals {
    /// Print one JSON value, and errors as JSON too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Use the town in this folder
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) town: Option<PathBuf>,
    /// Act in the name of this address (people only)
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) actor: Option<String>,
    /// Print without colours
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// The way to the town: chosen by itself unless given
    #[arg(long, global = true, value_enum, hide = true)]
    pub(crate) carrier: Option<Way>,
}

/// The ways to a town that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// The socket of the running town, or nothing.
    Socket,
    /// A frame on the agent's own terminal; no answer comes back.
    Tty,
}

/// Every verb, each in its group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Work(work::Verb),
    #[command(flatten)]
    Ship(ship::Verb),
    #[command(flatten)]
    Talk(talk::Verb),
    #[command(flatten)]
    Agents(agents::Verb),
    #[command(flatten)]
    Town(town::Verb),
    #[command(flatten)]
    Observe(observe::Verb),
    #[command(flatten)]
    Learn(learn::Verb),
}

/// How an answer is shown, where a verb wants it otherwise than its kind of answer is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum View {
    /// As such answers are shown.
    #[default]
    Usual,
    /// The ids alone, one a line.
    Ids,
    /// Of a molecule, only what to do now.
    Current,
    /// Of all agents, only the polecats.
    Polecats,
    /// The numbers of a story or of events left out.
    Feed,
    /// Of a formula, what needs what.
    Graph(formula::Format),
}

/// What a command line wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Intent {
    /// One question, one answer.
    Ask(Command, View),
    /// The same, after something was said beside the result.
    Noted(String, Command),
    /// The lines that are the answer, into a file.
    Save(Command, PathBuf),
    /// What is to be written, into the file that the answer names.
    Write(Command),
    /// All records, into a file or to standard output.
    ExportLedger(Option<PathBuf>),
    /// Events as they happen.
    Follow(EventFilter, View),
    /// The terminal of an agent, or a list of those that have one.
    Attach(talk::Attach),
    /// Try a kind of agent.
    TestAgent(agents::TestAgent),
    /// Be the runtime.
    Run(town::Run),
    /// Make a town.
    Install(town::Install),
    /// Something about the service that brings the town back.
    Service(town::Service),
    /// Something about a folder of backups, for which no town is needed.
    Backups(backup::Wish),
    /// Explain the command line itself.
    Help(Vec<String>),
    /// Find a command for these words.
    Suggest(Vec<String>),
    /// Name the program.
    Version,
}

impl From<Command> for Intent {
    fn from(command: Command) -> Self {
        Intent::Ask(command, View::Usual)
    }
}

/// What is known about the speaker and may complete what was said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// The time of the question.
    pub(crate) now: Timestamp,
    /// The rig that the speaker is in: where a new bead belongs when nothing else is said.
    pub(crate) rig: Option<RigName>,
    /// Where relative paths start; none for a line that comes from a terminal, whose files are not ours
    /// to open.
    pub(crate) cwd: Option<PathBuf>,
}

impl Reading {
    /// Reads the whole file `path`, standard input for `-`.
    pub(crate) fn file(&self, path: &str) -> Result<String, Refusal> {
        let Some(cwd) = &self.cwd else {
            return Err(elsewhere("a file cannot be named here")
                .hint("give the text itself, for instance as @base64:…, or run the `gt` program"));
        };
        let read = if path == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(cwd.join(path))
        };
        read.map_err(|error| Refusal::failed("cannot_read", format!("cannot read {path:?}: {error}")))
    }

    /// The text of `given`, or else of the file `path`, or else nothing.
    pub(crate) fn text_or_file(
        &self,
        given: Option<String>,
        path: Option<String>,
    ) -> Result<Option<String>, Refusal> {
        match (given, path) {
            (Some(text), _) => Ok(Some(text)),
            (None, Some(path)) => self.file(&path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// The refusal for what only the program itself can do.
pub(crate) fn elsewhere(message: &str) -> Refusal {
    Refusal::new(Class::Usage, "not_on_this_carrier", message)
}

impl Line {
    /// What the line wants, and the globals that go with it.
    pub(crate) fn intent(self, reading: &Reading) -> Result<(Intent, Globals), Refusal> {
        let mut globals = self.globals;
        let intent = match self.verb {
            Verb::Work(verb) => verb.intent(reading)?,
            Verb::Ship(verb) => verb.intent(),
            Verb::Talk(verb) => verb.intent(reading)?,
            Verb::Agents(verb) => verb.intent(),
            Verb::Town(verb) => verb.intent(reading)?,
            Verb::Observe(verb) => {
                // `--actor` of these is the filter. clap hands the value of a name to both levels.
                if verb.filters_by_actor() {
                    globals.actor = None;
                }
                verb.intent(reading)?
            }
            Verb::Learn(verb) => verb.intent(),
        };
        Ok((intent, globals))
    }
}
