//! work: beads and who does them.

use clap::{Args, Subcommand};
use model::command::{self, Command};
use model::ids::{BeadId, ConvoyId};
use model::refusal::Refusal;

use super::bead::{self, Bead};
use super::formula::{Cook, Formula};
use super::{Intent, Reading, View};

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make, find and change beads: pieces of work
    #[command(subcommand, visible_alias = "beads")]
    Bead(Bead),
    /// List the beads that could be worked at now
    Ready(bead::Filter),
    /// Hand beads to a rig or an agent
    #[command(alias = "spawn")]
    Sling(Sling),
    /// Show what hangs on a hook
    Hook {
        /// Whose hook; your own when not given
        agent: Option<String>,
    },
    /// Take a bead back that nobody works at yet, or off a hook
    Unsling {
        /// Which bead
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// Even if somebody works at it
        #[arg(long)]
        force: bool,
    },
    /// Group beads that travel together
    #[command(subcommand)]
    Convoy(Convoy),
    /// Look at the workflows that guide work
    #[command(subcommand, alias = "formulas")]
    Formula(Formula),
    /// Make the steps of a formula, and say what cannot be carried out
    #[command(hide = true)]
    Cook(Cook),
    /// Follow the workflow on your hook
    #[command(subcommand, alias = "molecule")]
    Mol(Mol),
}

/// Hand beads to a rig or an agent
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gastown sling web-4k2f web\n  gastown sling web-4k2f web-9xz1 \
                        web/polecats/backend --args \"keep the API stable\"")]
pub(crate) struct Sling {
    /// Beads, then the target: a rig, RIG/polecats/NAME, a role or a crew member
    #[arg(value_name = "BEAD… TARGET", required = true)]
    words: Vec<String>,
    /// A bead, in the older form `--issue BEAD TARGET`
    #[arg(long, hide = true, value_name = "BEAD")]
    issue: Vec<BeadId>,
    /// The formula that guides the work
    #[arg(long, value_name = "NAME")]
    formula: Option<String>,
    /// A value for a variable of the formula; may be repeated
    #[arg(long = "var", value_name = "K=V", value_parser = pair)]
    vars: Vec<(String, String)>,
    /// Words for the worker
    #[arg(long, value_name = "TEXT")]
    args: Option<String>,
    /// The preset of the worker
    #[arg(long, value_name = "PRESET")]
    agent: Option<String>,
    /// Even if it was slung elsewhere or has failed too often
    #[arg(long)]
    force: bool,
    /// Only say what would happen
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Splits `K=V`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give it as NAME=VALUE".to_owned()),
    }
}

impl Sling {
    fn command(self) -> Result<Command, Refusal> {
        let mut words = self.words;
        let target = words.pop().unwrap_or_default();
        let mut beads = self.issue;
        for word in words {
            beads.push(word.parse().map_err(|error: model::ids::BadName| {
                Refusal::usage(error.to_string()).hint("the target comes last: gastown sling BEAD… TARGET")
            })?);
        }
        if beads.is_empty() {
            return Err(Refusal::usage(format!(
                "{target:?} is given, and either a bead or a target is missing"
            ))
            .hint("gastown sling BEAD… TARGET, for instance: gastown sling web-4k2f web"));
        }
        Ok(Command::Sling(command::Sling {
            beads,
            target,
            formula: self.formula,
            vars: self.vars.into_iter().collect(),
            args: self.args,
            preset: self.agent,
            force: self.force,
            dry_run: self.dry_run,
        }))
    }
}

/// Group beads that travel together
#[derive(Debug, Subcommand)]
pub(crate) enum Convoy {
    /// Make a convoy of beads
    Create {
        /// Its name
        name: String,
        /// What travels
        #[arg(value_name = "BEAD", required = true)]
        beads: Vec<BeadId>,
    },
    /// List the convoys on the road
    #[command(alias = "ls")]
    List {
        /// Those that have arrived, too
        #[arg(long, short)]
        all: bool,
    },
    /// Show how far a convoy has come
    #[command(alias = "show")]
    Status {
        /// Which convoy; all of them when not given
        id: Option<ConvoyId>,
    },
}

/// Follow the workflow on your hook
#[derive(Debug, Subcommand)]
pub(crate) enum Mol {
    /// Show all steps and how far they are
    #[command(alias = "show", alias = "progress")]
    Status {
        /// Whose hook; your own when not given
        agent: Option<String>,
    },
    /// Show the step to do now
    Current {
        /// Whose hook; your own when not given
        agent: Option<String>,
    },
    /// Say that a step is done
    #[command(subcommand)]
    Step(Step),
    /// Make the steps of a formula, and say what cannot be carried out
    #[command(hide = true)]
    Cook(Cook),
}

/// Say that a step is done
#[derive(Debug, Subcommand)]
pub(crate) enum Step {
    /// Mark a step as done
    Done {
        /// The step's id
        #[arg(value_name = "STEP")]
        step: String,
    },
}

impl Verb {
    /// What the words of this group want.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        Ok(match self {
            Verb::Bead(bead) => return bead.intent(reading),
            Verb::Ready(filter) => Command::BeadReady(filter.into()).into(),
            Verb::Sling(sling) => sling.command()?.into(),
            Verb::Hook { agent } => Command::Hook { agent }.into(),
            Verb::Unsling { bead, force } => Command::Unsling { bead, force }.into(),
            Verb::Convoy(Convoy::Create { name, beads }) => Command::ConvoyCreate { name, beads }.into(),
            Verb::Convoy(Convoy::List { all }) => Command::ConvoyList { all }.into(),
            Verb::Convoy(Convoy::Status { id: None }) => Command::ConvoyList { all: false }.into(),
            Verb::Convoy(Convoy::Status { id: Some(id) }) => Command::ConvoyShow(id).into(),
            Verb::Formula(formula) => return formula.intent(reading),
            Verb::Cook(cook) | Verb::Mol(Mol::Cook(cook)) => cook.command().into(),
            Verb::Mol(Mol::Status { agent }) => Command::MolShow { agent }.into(),
            Verb::Mol(Mol::Current { agent }) => Intent::Ask(Command::MolShow { agent }, View::Current),
            Verb::Mol(Mol::Step(Step::Done { step })) => Command::StepDone { step }.into(),
        })
    }
}
