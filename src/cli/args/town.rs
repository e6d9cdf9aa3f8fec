//! town: the place itself, its rigs, and the runtime.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use model::command::{Command, NewGate, NewRig, Poison};
use model::ids::{Prefix, RigName};
use model::refusal::Refusal;

use super::backup::Backup;
use super::ledger::Ledger;
use super::{Intent, Reading, work};

/// The longest time for which an actor may be blocked on purpose, in milliseconds.
const LONGEST_BLOCK: u64 = 60_000;

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a town in a folder
    Install(Install),
    /// Run the town: all its agents, in one process tree
    #[command(alias = "start", alias = "up")]
    Run(Run),
    /// End the running town in order, or one rig of it
    #[command(alias = "down")]
    Stop(Stop),
    /// Make everything stand still at once: no process is ended
    #[command(alias = "freeze")]
    Estop {
        /// Why
        #[arg(long, short = 'm', visible_alias = "message", value_name = "WHY")]
        reason: Option<String>,
    },
    /// Let everything go on that `estop` has stopped
    #[command(alias = "unfreeze")]
    Thaw,
    /// Take in projects, list, park and stop them
    #[command(subcommand)]
    Rig(Rig),
    /// Bring the town back by itself after a crash or a restart of the machine
    #[command(subcommand)]
    Service(Service),
    /// Look at everything that the town stands on
    Doctor {
        /// Mend what can be made anew: the board from its records, the links in bin
        #[arg(long)]
        fix: bool,
    },
    /// Check, measure and repair the ledger
    #[command(subcommand)]
    Ledger(Ledger),
    /// Put a copy of the town into a folder, and make a town of such a copy
    Backup(Backup),
    /// Break something on purpose
    #[command(subcommand, hide = true)]
    Fault(Fault),
}

/// Make a town in a folder
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Install {
    /// The folder: new or empty; the current one when not given
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: String,
    /// The town's name; the folder's when not given
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The preset of its agents
    #[arg(long, value_name = "PRESET")]
    pub(crate) agent: Option<String>,
}

/// Run the town: all its agents, in one process tree
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    after_help = "Stays in the foreground; Ctrl-C ends it in order. Whatever was under way goes on at \
                        the next run."
)]
pub(crate) struct Run {
    /// End when no work is left; print a summary
    #[arg(long)]
    pub(crate) until_idle: bool,
    /// Make a sample town in a fresh folder and run it until idle
    #[arg(long)]
    pub(crate) demo: bool,
    /// Go to the background
    #[arg(long, short, conflicts_with_all = ["until_idle", "demo"])]
    pub(crate) detach: bool,
    /// Start this rig of the running town again, as `rig start`
    #[arg(long, value_name = "RIG", hide = true, conflicts_with_all = ["until_idle", "demo", "detach"])]
    pub(crate) rig: Option<RigName>,
}

/// End the running town in order, or one rig of it
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    after_help = "In order: each agent is asked to end and has the time that its preset gives it, some \
                        seconds; then it is killed. The whole takes a minute at most.\n\
                        --all asks nobody: every session of every rig gets SIGTERM at the same moment and is \
                        killed a second later with all that it has started, gates too. It also hurries a stop \
                        that takes too long.\n\
                        Either way hooks, worktrees and mail stay as they are, and the next `gastown run` goes \
                        on. To stop without ending anything: gastown estop"
)]
pub(crate) struct Stop {
    /// Everything at once, without asking: for emergencies
    #[arg(long, visible_alias = "now", conflicts_with = "rig")]
    pub(crate) all: bool,
    /// Only this rig, until `gastown rig start RIG` or the next run
    #[arg(long, value_name = "RIG")]
    pub(crate) rig: Option<RigName>,
}

/// Take in projects, list, park and stop them
#[derive(Debug, Subcommand)]
pub(crate) enum Rig {
    /// Take a project in
    Add(Add),
    /// List the rigs
    #[command(alias = "ls")]
    List,
    /// Hand out no work in a rig; what is under way goes on
    #[command(alias = "pause", alias = "dock")]
    #[command(
        after_help = "It stays parked over restarts, until `gastown rig unpark`. Beads can be slung to it \
                            and wait."
    )]
    Park {
        /// Which
        #[arg(value_name = "RIG")]
        rig: RigName,
        /// Why
        #[arg(long, short = 'm', value_name = "WHY")]
        reason: Option<String>,
        /// End the sessions that run, too; they are resumed when it is unparked
        #[arg(long)]
        now: bool,
    },
    /// Hand out work in a rig again
    #[command(alias = "resume", alias = "undock")]
    Unpark {
        /// Which
        #[arg(value_name = "RIG")]
        rig: RigName,
    },
    /// Start a rig that was stopped
    Start {
        /// Which
        #[arg(value_name = "RIG")]
        rig: RigName,
    },
    /// End the sessions and actors of a rig, until it is started or the town is run anew
    Stop {
        /// Which
        #[arg(value_name = "RIG")]
        rig: RigName,
    },
}

/// Bring the town back by itself after a crash or a restart of the machine
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Service {
    /// Write the town's unit for systemd (launchd on macOS) and start it
    #[command(
        after_help = "The town is then run by your own user manager: started at login, or at boot when \
                            lingering is on, and again after a crash. `gastown stop` ends it until it is \
                            started again. Saying this again brings the unit up to date."
    )]
    Install {
        /// Only print what would be written
        #[arg(long)]
        dry_run: bool,
        /// Write and enable it, and start nothing now
        #[arg(long)]
        no_start: bool,
    },
    /// End the town, if the service runs it, and remove the unit
    Uninstall,
    /// Whether it is installed, enabled and running
    Status,
}

/// Take a project in
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gastown rig add web https://example.org/web.git --gate 'test=make test'")]
pub(crate) struct Add {
    /// Its name and folder
    #[arg(value_name = "NAME")]
    name: RigName,
    /// Its repository: a URL or a path
    #[arg(value_name = "URL")]
    url: String,
    /// The prefix of its beads; made from the name when not given
    #[arg(long)]
    prefix: Option<Prefix>,
    /// The branch that work lands on; the remote's default when not given
    #[arg(long)]
    branch: Option<String>,
    /// A command that must succeed before anything lands; may be repeated
    #[arg(long = "gate", value_name = "NAME=CMD", value_parser = gate)]
    gates: Vec<NewGate>,
    /// How many workers at once
    #[arg(long, value_name = "N")]
    max_workers: Option<usize>,
    /// The preset of its agents
    #[arg(long, value_name = "PRESET")]
    agent: Option<String>,
}

fn gate(text: &str) -> Result<NewGate, String> {
    let (name, cmd) = work::pair(text).map_err(|_| "give it as NAME=COMMAND".to_owned())?;
    if cmd.trim().is_empty() {
        return Err("the command is empty".to_owned());
    }
    Ok(NewGate { name, cmd })
}

/// Returns `url` as it can be understood from any folder: a local path is made absolute, where the
/// speaker's folder is known.
fn located(url: String, reading: &Reading) -> String {
    let Some(cwd) = &reading.cwd else { return url };
    let here = cwd.join(&url);
    let is_path = url.starts_with('.') || (!url.contains("://") && here.exists());
    if !is_path || Path::new(&url).is_absolute() {
        return url;
    }
    std::fs::canonicalize(&here).unwrap_or(here).to_string_lossy().into_owned()
}

/// Break something on purpose
#[derive(Debug, Subcommand)]
pub(crate) enum Fault {
    /// Make an actor die
    KillActor {
        /// Its name in the tree
        name: String,
    },
    /// Make an actor block its thread when it takes its next message
    BlockActor {
        /// Its name in the tree
        name: String,
        /// For how long, a minute at most: 500ms, 5s
        #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
        time: Duration,
    },
    /// Let the ledger's disk count as full, or as it is, until the runtime ends
    Disk {
        /// full or ok
        #[arg(value_parser = ["full", "ok"])]
        how: String,
    },
    /// Make the handling of letters panic, until the runtime ends
    PoisonMail {
        /// A letter, or a kind of letter: POLECAT_DONE, MERGE_READY, …
        #[arg(value_name = "LETTER")]
        letters: String,
        /// Let it never end instead
        #[arg(long, conflicts_with = "cure")]
        hang: bool,
        /// Let it go right again
        #[arg(long)]
        cure: bool,
    },
}

impl Verb {
    /// What the words of this group want.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        Ok(match self {
            Verb::Install(install) => Intent::Install(install),
            Verb::Run(Run { rig: Some(rig), .. }) => Command::RigStart { rig }.into(),
            Verb::Run(run) => Intent::Run(run),
            Verb::Stop(Stop { rig: Some(rig), .. }) => Command::RigStop { rig }.into(),
            Verb::Stop(Stop { all: true, .. }) => Command::StopAll.into(),
            Verb::Stop(Stop { all: false, .. }) => Command::Stop.into(),
            Verb::Estop { reason } => Command::Freeze { reason }.into(),
            Verb::Thaw => Command::Thaw.into(),
            Verb::Service(wish) => Intent::Service(wish),
            Verb::Rig(Rig::Add(add)) => {
                if add.max_workers == Some(0) {
                    return Err(Refusal::usage("a rig needs at least one worker").hint("--max-workers 1"));
                }
                Command::RigAdd(NewRig {
                    name: add.name,
                    url: located(add.url, reading),
                    prefix: add.prefix,
                    branch: add.branch,
                    gates: add.gates,
                    max_workers: add.max_workers,
                    preset: add.agent,
                })
                .into()
            }
            Verb::Rig(Rig::List) => Command::RigList.into(),
            Verb::Rig(Rig::Park { rig, reason, now }) => Command::RigPark { rig, reason, now }.into(),
            Verb::Rig(Rig::Unpark { rig }) => Command::RigUnpark { rig }.into(),
            Verb::Rig(Rig::Start { rig }) => Command::RigStart { rig }.into(),
            Verb::Rig(Rig::Stop { rig }) => Command::RigStop { rig }.into(),
            Verb::Doctor { fix } => Command::Doctor { fix }.into(),
            Verb::Ledger(ledger) => ledger.intent(reading)?,
            Verb::Backup(backup) => backup.intent(reading)?,
            Verb::Fault(Fault::KillActor { name }) => Command::FaultKillActor { name }.into(),
            Verb::Fault(Fault::BlockActor { name, time }) => {
                let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                if millis > LONGEST_BLOCK {
                    return Err(Refusal::usage("an actor is blocked for a minute at most").hint("--for 5s"));
                }
                Command::FaultBlockActor { name, millis }.into()
            }
            Verb::Fault(Fault::Disk { how }) => Command::FaultDisk { full: how == "full" }.into(),
            Verb::Fault(Fault::PoisonMail { letters, hang, cure }) => {
                let how = match (hang, cure) {
                    (_, true) => Poison::Cure,
                    (true, _) => Poison::Hang,
                    _ => Poison::Panic,
                };
                Command::FaultPoisonMail { letters, how }.into()
            }
        })
    }
}
