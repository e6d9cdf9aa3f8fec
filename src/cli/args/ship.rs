//! ship: from finished work to the main branch.

use clap::{Args, Subcommand};
use model::agent::Exit;
use model::bead::Priority;
use model::command::{Command, Leave};
use model::ids::{BeadId, MergeId, RigName};

use super::Intent;

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Hand in the work on your hook
    Done(Done),
    /// Look at the merge queue, and decide what people decide there
    #[command(subcommand, alias = "merge-queue")]
    Mq(Mq),
    /// Set a rig's refinery to work
    #[command(subcommand)]
    Refinery(Refinery),
    /// Land one worker's branch without the queue
    Land(Land),
}

/// Land one worker's branch without the queue
#[derive(Debug, Args)]
#[command(
    after_help = "Four things are looked at first: that the worker has handed its work in and is not at it, that its \
                  worktree holds nothing uncommitted,\nthat the branch merges, and that all gates pass on the merge. \
                  --force leaves out the first two, --skip-tests the last; each is recorded\nwith who and why. It works \
                  without a runtime, and with the refinery stopped."
)]
pub(crate) struct Land {
    /// Whose branch, for instance web/docs
    #[arg(long, value_name = "RIG/POLECAT")]
    direct: String,
    /// Also when the worker is at work or has files that are not committed
    #[arg(long)]
    force: bool,
    /// Without gates
    #[arg(long)]
    skip_tests: bool,
    /// Only say what would happen; changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Why
    #[arg(long, short, value_name = "TEXT")]
    reason: Option<String>,
}

/// Set a rig's refinery to work
#[derive(Debug, Subcommand)]
pub(crate) enum Refinery {
    /// Try at once what something outside keeps from landing
    Process {
        /// In this rig; in all when left out
        #[arg(value_name = "RIG")]
        rig: Option<RigName>,
    },
    /// List what waits to land: the same as `mq list`
    #[command(alias = "list")]
    Queue {
        /// Of this rig
        #[arg(value_name = "RIG")]
        rig: Option<RigName>,
    },
    /// Show what is under way: the same as `mq status`
    Status {
        /// Of this rig
        #[arg(value_name = "RIG")]
        rig: Option<RigName>,
    },
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
    Show {
        /// Which; its bead's name does as well
        #[arg(value_name = "MERGE")]
        id: MergeId,
    },
    /// Show what a queue does and has learned: runs under way, batch size, failure rate, flaky gates
    Status {
        /// Of this rig, or a merge request; all rigs when left out
        #[arg(value_name = "RIG")]
        what: Option<String>,
    },
    /// Say what a merge request waits for, and what can be done about it
    Why {
        /// Which; its bead's name does as well
        #[arg(value_name = "MERGE")]
        id: MergeId,
    },
    /// Show what a gate said of a merge request
    Log {
        /// Which; its bead's name does as well
        #[arg(value_name = "MERGE")]
        id: MergeId,
        /// The gate; the one that ran last when left out
        #[arg(value_name = "GATE")]
        gate: Option<String>,
    },
    /// Put a rejected or held merge request back into the queue
    Retry {
        /// Which; its bead's name does as well
        #[arg(value_name = "MERGE")]
        id: MergeId,
    },
    /// Give a merge request back to its worker
    Reject {
        /// Which; its bead's name does as well
        #[arg(value_name = "MERGE")]
        id: MergeId,
        /// What is to be changed; the worker reads it
        #[arg(long, short, value_name = "TEXT")]
        reason: String,
    },
    /// Keep a merge request where it is
    Hold {
        /// Which; its bead's name does as well
        #[arg(value_name = "MERGE")]
        id: MergeId,
        /// Why
        #[arg(long, short, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let a merge request go on that a person keeps
    #[command(alias = "release")]
    Unhold {
        /// Which; its bead's name does as well
        #[arg(value_name = "MERGE")]
        id: MergeId,
    },
    /// Make a merge request more or less urgent
    #[command(alias = "prioritize")]
    Prioritise {
        /// Which; its bead's name does as well
        #[arg(value_name = "MERGE")]
        id: MergeId,
        /// From 0, the most urgent, to 4
        #[arg(long, short, value_name = "0-4")]
        priority: Option<Priority>,
        /// A hot fix: before everything else, also while the queue is frozen
        #[arg(long)]
        hot: bool,
        /// No hot fix any more
        #[arg(long, conflicts_with = "hot")]
        no_hot: bool,
    },
    /// Let nothing but hot fixes land in a rig
    Freeze {
        /// Which
        #[arg(value_name = "RIG")]
        rig: RigName,
        /// Why
        #[arg(long, short, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let everything land again
    #[command(alias = "unfreeze")]
    Thaw {
        /// In which rig
        #[arg(value_name = "RIG")]
        rig: RigName,
    },
    /// Try at once what something outside keeps from landing
    Process {
        /// In this rig; in all when left out
        #[arg(value_name = "RIG")]
        rig: Option<RigName>,
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
            Verb::Mq(Mq::Status { what }) => status(what),
            Verb::Mq(Mq::Why { id }) => Command::MergeWhy(id),
            Verb::Mq(Mq::Log { id, gate }) => Command::MergeLog { merge: id, gate },
            Verb::Mq(Mq::Retry { id }) => Command::MergeRetry(id),
            Verb::Mq(Mq::Reject { id, reason }) => Command::MergeReject { merge: id, reason },
            Verb::Mq(Mq::Hold { id, reason }) => Command::MergeHold { merge: id, reason },
            Verb::Mq(Mq::Unhold { id }) => Command::MergeUnhold(id),
            Verb::Mq(Mq::Prioritise { id, priority, hot, no_hot }) => {
                let hot = (hot || no_hot).then_some(hot);
                Command::MergePrioritise { merge: id, priority, hot }
            }
            Verb::Mq(Mq::Freeze { rig, reason }) => Command::MergeFreeze { rig, reason },
            Verb::Mq(Mq::Thaw { rig }) => Command::MergeThaw { rig },
            Verb::Mq(Mq::Process { rig }) | Verb::Refinery(Refinery::Process { rig }) => {
                Command::RefineryProcess { rig }
            }
            Verb::Land(Land { direct, force, skip_tests, dry_run, reason }) => {
                Command::LandDirect { worker: direct, force, skip_tests, dry_run, reason }
            }
            Verb::Refinery(Refinery::Queue { rig }) => Command::MergeList { rig, all: false },
            Verb::Refinery(Refinery::Status { rig }) => Command::MergeStatus { rig },
            Verb::Mq(Mq::Add) => Done::default().command(),
        }
        .into()
    }
}

/// A merge request has a number behind a dash; everything else is a rig.
fn status(what: Option<String>) -> Command {
    let is_merge = |what: &&String| {
        what.rsplit_once('-').is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Some(id) = what.as_ref().filter(is_merge).and_then(|what| what.parse().ok()) {
        return Command::MergeShow(id);
    }
    match what.as_deref().map(str::parse) {
        Some(Ok(rig)) => Command::MergeStatus { rig: Some(rig) },
        // What is no name of a rig may be one of a merge request; the answer says so.
        Some(Err(_)) => match what.and_then(|what| what.parse().ok()) {
            Some(id) => Command::MergeShow(id),
            None => Command::MergeStatus { rig: None },
        },
        None => Command::MergeStatus { rig: None },
    }
}
