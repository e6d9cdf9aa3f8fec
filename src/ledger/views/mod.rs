//! Read models: what the log means, kept up to date record by record.
//!
//! A view is a fold. [`Board::apply`] takes events as facts: it never refuses, never looks at a clock
//! and never does anything outside itself, so that dropping the board and folding the log again gives
//! the same bytes. Whether something *may* happen is the clerk's business, before it is recorded.

pub mod agents;
pub mod beads;
pub mod contents;
pub mod convoys;
pub mod costs;
pub mod escalations;
pub mod freezes;
pub mod hooks;
pub mod kept;
pub mod mail;
pub mod merges;
pub mod mols;
pub mod queues;
pub mod ready;
pub mod recent;
pub mod rigs;
pub mod sendings;
pub mod settled;
pub mod trials;

use model::event::Record;
use model::ids::Seq;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// All views of a town, as of one record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// The last record that was applied.
    pub head: Seq,
    /// When that was.
    pub at: Timestamp,
    /// The work.
    pub beads: beads::Beads,
    /// Who holds what, and what waits for a holder.
    pub hooks: hooks::Hooks,
    /// Who there is, and how they are.
    pub agents: agents::Agents,
    /// How work at beads has gone.
    #[serde(default)]
    pub trials: trials::Trials,
    /// Where work is that has not landed.
    #[serde(default)]
    pub kept: kept::KeptWork,
    /// The post.
    pub mail: mail::Mail,
    /// The last letters of each agent.
    #[serde(default)]
    pub recent: recent::Recent,
    /// Names of sendings.
    #[serde(default)]
    pub sendings: sendings::Sendings,
    /// The merge queues.
    pub merges: merges::Merges,
    /// What each rig's queue knows and does.
    #[serde(default)]
    pub queues: queues::Queues,
    /// Beads that travel together.
    pub convoys: convoys::Convoys,
    /// Running formulas.
    pub mols: mols::Mols,
    /// The projects.
    pub rigs: rigs::Rigs,
    /// When everything stood still.
    #[serde(default)]
    pub freezes: freezes::Freezes,
    /// What agents have used.
    pub costs: costs::Costs,
    /// What a person has to know.
    pub escalations: escalations::Escalations,
    /// Where in the log what is.
    pub contents: contents::Contents,
}

impl Board {
    /// Takes in what has happened.
    pub fn apply(&mut self, record: &Record) {
        self.head = record.seq;
        self.at = record.at;
        self.beads.apply(record);
        self.hooks.apply(record);
        self.agents.apply(record);
        self.trials.apply(record);
        self.kept.apply(record);
        self.mail.apply(record);
        self.recent.apply(record);
        self.sendings.apply(record);
        self.merges.apply(record);
        self.queues.apply(record);
        self.convoys.apply(record);
        self.mols.apply(record);
        self.costs.apply(record);
        self.escalations.apply(record);
        self.rigs.apply(record);
        self.freezes.apply(record);
        self.contents.apply(record);
    }
}
