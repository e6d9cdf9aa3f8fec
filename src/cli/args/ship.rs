//! ship: from finished work to the main branch.

use clap::{Args, Subcommand};
use model::agent::Exit;
use model::command::{Command, Leave};
use model::ids::{BeadId, MergeId, RigName};

use super::Intent;

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Hand in the work on your hook
    Done(Done),
    /// Look at the merge queue
    #[command(subcommand, alias = "merge-queue")]
    Mq(Mq),
}

/// Hand in the work on your hook
#[derive(Debug, Default, Args)]
#[command(
    after_help = "Commit first: uncommitted work is not taken. With `completed` the branch goes to the \
                        merge queue;\nthe bead is closed when it has landed, not before. With \
                        `blocked` it waits for what is named and is handed out\nagain when that is closed; with \
                        `refactor` its parts become beads below one epic. What is on the branch stays there,\nand \
                        unsaved files are saved."
)]
pub(crate) struct Done {
    /// completed, blocked, refactor or escalate
    #[arg(long, alias = "status", value_name = "EXIT", default_value = "completed")]
    exit: Exit,
    /// Why; wanted for all exits but completed
    #[arg(long, short, value_name = "TEXT")]
    reason: Option<String>,
    /// With blocked: a bead that holds it up; may be repeated
    #[arg(long, value_name = "BEAD")]
    on: Vec<BeadId>,
    /// With blocked: what holds it up and is no bead yet, made into one; may be repeated
    #[arg(long, value_name = "TITLE")]
    blocker: Vec<String>,
    /// With refactor: a part that it is cut into, made into a bead; may be repeated
    #[arg(long, value_name = "TITLE")]
    part: Vec<String>,
}

impl Done {
    /// The command for it.
    pub(super) fn command(self) -> Command {
        let leave = Leave { on: self.on, blockers: self.blocker, parts: self.part };
        Command::Done { exit: self.exit, reason: self.reason, leave }
    }
}

/// Look at the merge queue
#[derive(Debug, Subcommand)]
pub(crate) enum Mq {
    /// List what waits to land, in order
    #[command(alias = "ls")]
    List {
        /// Of this rig
        #[arg(value_name = "RIG")]
        rig: Option<RigName>,
        /// The same as an option
        #[arg(long = "rig", id = "rig_flag", value_name = "RIG", conflicts_with = "rig", hide = true)]
        rig_flag: Option<RigName>,
        /// Those that are over, too
        #[arg(long, short)]
        all: bool,
    },
    /// Show a merge request with its gates
    #[command(alias = "status")]
    Show {
        /// Which
        #[arg(value_name = "MERGE")]
        id: MergeId,
    },
    /// Put a rejected or held merge request back into the queue
    Retry {
        /// Which
        #[arg(value_name = "MERGE")]
        id: MergeId,
    },
    /// Hand in the work on your hook: now called `done`
    #[command(hide = true, alias = "submit")]
    Add,
}

impl Verb {
    /// What the words of this group want.
    pub(super) fn intent(self) -> Intent {
        match self {
            Verb::Done(done) => done.command(),
            Verb::Mq(Mq::List { rig, rig_flag, all }) => Command::MergeList { rig: rig.or(rig_flag), all },
            Verb::Mq(Mq::Show { id }) => Command::MergeShow(id),
            Verb::Mq(Mq::Retry { id }) => Command::MergeRetry(id),
            Verb::Mq(Mq::Add) => Done::default().command(),
        }
        .into()
    }
}
