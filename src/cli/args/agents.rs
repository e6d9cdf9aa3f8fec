//! agents: who is there, and their sessions.

use clap::Subcommand;
use model::command::Command;
use model::ids::RigName;

use super::{Intent, View, ship};

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List, start, stop, restart, kill and rename agents, or say that one is stuck
    #[command(subcommand)]
    Agent(Agent),
    /// Look at the workers of a rig
    #[command(subcommand)]
    Polecat(Polecat),
}

/// List, start, stop, restart, kill and rename agents, or say that one is stuck
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
    /// Say that an agent seems to be stuck; whoever watches over it looks, acts and answers by mail
    #[command(alias = "report")]
    Stuck {
        /// Who
        agent: String,
        /// What you have seen of it
        #[arg(long = "message", short = 'm', value_name = "TEXT", default_value = "")]
        text: String,
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
            Verb::Agent(Agent::Stuck { agent, text }) => Command::AgentStuck { agent, text }.into(),
            Verb::Agent(Agent::Rename { agent, to }) => Command::AgentRename { agent, to }.into(),
            Verb::Polecat(Polecat::List { rig, rig_flag }) => {
                Intent::Ask(Command::AgentList { rig: rig.or(rig_flag) }, View::Polecats)
            }
            Verb::Polecat(Polecat::Done(done)) => done.command().into(),
        }
    }
}
