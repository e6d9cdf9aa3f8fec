//! learn: what an agent or a person has to know.

use clap::Subcommand;
use model::command::Command;

use super::Intent;

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print your brief: who you are, what hangs on your hook, what to do
    Prime {
        /// Of another agent
        agent: Option<String>,
    },
    /// Explain a command or a group of them
    Help {
        /// Which
        #[arg(value_name = "COMMAND|GROUP")]
        words: Vec<String>,
    },
    /// Find the command for what you want to do
    Suggest {
        /// What you want to do
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Print the version
    Version,
}

impl Verb {
    /// What the words of this group want.
    pub(super) fn intent(self) -> Intent {
        match self {
            Verb::Prime { agent } => Command::Prime { agent }.into(),
            Verb::Help { words } => Intent::Help(words),
            Verb::Suggest { words } => Intent::Suggest(words),
            Verb::Version => Intent::Version,
        }
    }
}
