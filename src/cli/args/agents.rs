//! agents: who is there, and their sessions.

use clap::{Args, Subcommand};
use model::command::Command;
use model::ids::{BeadId, RigName};

use super::{Intent, View, ship};

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List, start, stop, restart, kill and rename agents; move their work; say that one is stuck
    #[command(subcommand)]
    Agent(Agent),
    /// Look at the workers of a rig
    #[command(subcommand)]
    Polecat(Polecat),
    /// Look at the hooks that act in agents' programs
    #[command(subcommand)]
    Tap(Tap),
    /// Bring back beads that nobody goes on with
    Recover(Recover),
}

/// Bring back beads that nobody goes on with
#[derive(Debug, Args)]
#[command(
    after_help = "For a bead whose sessions have failed too often, that waits for a person or for a time, whose \
                        worker is gone,\nthat was left as blocked or deferred, whose merge is held, that has landed and is \
                        still open, or is closed and has\nnot landed. It says what it did and throws nothing away; said \
                        again, there is nothing to do. `gastown why BEAD`\nsays what is wrong."
)]
pub(crate) struct Recover {
    /// Which
    #[arg(value_name = "BEAD", required_unless_present = "all", conflicts_with = "all")]
    beads: Vec<BeadId>,
    /// All that wait for a person because something broke
    #[arg(long)]
    all: bool,
    /// Of this rig only
    #[arg(long, value_name = "RIG", requires = "all")]
    rig: Option<RigName>,
    /// Only say what would happen
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// List, start, stop, restart, kill and rename agents; move their work; say that one is stuck
#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// List everybody and how they are
    #[command(alias = "ls")]
    List {
        /// Of this rig
        #[arg(long, value_name = "RIG")]
        rig: Option<RigName>,
    },
    /// Start an agent's session
    Start {
        /// Whose
        agent: String,
    },
    /// End an agent's session and keep it ended
    Stop {
        /// Whose
        agent: String,
    },
    /// End an agent's session and start the next
    Restart {
        /// Whose
        agent: String,
    },
    /// Kill an agent's session at once, with all that it has started, and keep it ended
    Kill {
        /// Whose
        agent: String,
        /// Start the next one
        #[arg(long)]
        restart: bool,
    },
    /// Answer the question that an agent asks on its screen
    #[command(
        after_help = "CHOICE is the number of an option, a piece of its words, `esc`, or else what is typed for an answer, \
                      such as y.\n`gastown status` shows the questions, `gastown peek AGENT` the screen."
    )]
    Answer {
        /// Whose
        agent: String,
        /// Which
        #[arg(value_name = "CHOICE")]
        choice: String,
    },
    /// List the kinds of agents, and which of their programs are here
    Presets,
    /// Show or try a kind of agent
    #[command(subcommand)]
    Preset(Preset),
    /// Try what a kind of agent can do, in a town that is thrown away
    Test(TestAgent),
    /// Say that an agent seems to be stuck; whoever watches over it looks, acts and answers by mail
    #[command(alias = "report")]
    Stuck {
        /// Who
        agent: String,
        /// What you have seen of it
        #[arg(long = "message", short = 'm', value_name = "TEXT", default_value = "")]
        text: String,
    },
    /// Give what hangs on a hook, with its worktree, to another worker
    #[command(
        after_help = "A worker may do so with what hangs on its own hook. Its session ends, and the other one goes \
                            on in the same\nworktree, at the same step."
    )]
    Reassign {
        /// What
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// To whom: RIG/NAME or NAME; to whoever is free when left out
        #[arg(value_name = "WORKER")]
        to: Option<String>,
        /// Why
        #[arg(long, short, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Give a worker another name; what is addressed to the old one reaches it
    Rename {
        /// Whom
        #[arg(value_name = "RIG/OLD")]
        agent: String,
        /// The new name, without the rig
        #[arg(value_name = "NEW")]
        to: String,
    },
}

/// Try what a kind of agent can do, in a town that is thrown away
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    after_help = "Its program is started for real, with your own login and the variables that its preset passes on; one \
                  with a model\nis asked for a small piece of work. The table says what holds for the version at hand."
)]
pub(crate) struct TestAgent {
    /// Which
    #[arg(value_name = "PRESET")]
    pub(crate) preset: String,
    /// How long what needs a model may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) patience: std::time::Duration,
    /// Leave the town behind, to look into it
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Show or try a kind of agent
#[derive(Debug, Subcommand)]
pub(crate) enum Preset {
    /// Try what it can do, as `agent test`
    Test(TestAgent),
    /// Show all that is known of one
    Show {
        /// Which
        #[arg(value_name = "PRESET")]
        name: String,
    },
    /// List all
    #[command(alias = "ls")]
    List,
}

/// Look at the hooks that act in agents' programs
#[derive(Debug, Subcommand)]
pub(crate) enum Tap {
    /// List them in the order in which they act, with where they are written
    #[command(alias = "ls")]
    List {
        /// Of this preset
        #[arg(value_name = "PRESET")]
        preset: Option<String>,
    },
}

/// Look at the workers of a rig
#[derive(Debug, Subcommand)]
pub(crate) enum Polecat {
    /// List workers and what they work at
    #[command(alias = "ls")]
    List {
        /// Of this rig
        #[arg(value_name = "RIG")]
        rig: Option<RigName>,
        /// The same as an option
        #[arg(long = "rig", id = "rig_flag", value_name = "RIG", conflicts_with = "rig", hide = true)]
        rig_flag: Option<RigName>,
    },
    /// Hand in the work on your hook, as `gastown done`
    Done(ship::Done),
}

impl Verb {
    /// What the words of this group want.
    pub(super) fn intent(self) -> Intent {
        match self {
            Verb::Agent(Agent::List { rig }) => Command::AgentList { rig }.into(),
            Verb::Agent(Agent::Start { agent }) => Command::AgentStart { agent }.into(),
            Verb::Agent(Agent::Stop { agent }) => Command::AgentStop { agent }.into(),
            Verb::Agent(Agent::Restart { agent }) => Command::AgentRestart { agent }.into(),
            Verb::Agent(Agent::Kill { agent, restart }) => Command::AgentKill { agent, restart }.into(),
            Verb::Agent(Agent::Answer { agent, choice }) => Command::AgentAnswer { agent, choice }.into(),
            Verb::Agent(Agent::Presets | Agent::Preset(Preset::List)) => Command::PresetList.into(),
            Verb::Agent(Agent::Preset(Preset::Show { name })) => Command::PresetShow { name }.into(),
            Verb::Agent(Agent::Test(test) | Agent::Preset(Preset::Test(test))) => Intent::TestAgent(test),
            Verb::Tap(Tap::List { preset }) => Command::TapList { preset }.into(),
            Verb::Agent(Agent::Stuck { agent, text }) => Command::AgentStuck { agent, text }.into(),
            Verb::Agent(Agent::Reassign { bead, to, reason }) => {
                Command::Reassign { bead, to, reason }.into()
            }
            Verb::Recover(Recover { beads, all, rig, dry_run }) => {
                Command::Recover { beads, all, rig, dry_run }.into()
            }
            Verb::Agent(Agent::Rename { agent, to }) => Command::AgentRename { agent, to }.into(),
            Verb::Polecat(Polecat::List { rig, rig_flag }) => {
                Intent::Ask(Command::AgentList { rig: rig.or(rig_flag) }, View::Polecats)
            }
            Verb::Polecat(Polecat::Done(done)) => done.command().into(),
        }
    }
}
