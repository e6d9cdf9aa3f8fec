//! Where work is that is neither on the target branch nor on anybody's hook: left on a branch by a worker that did
//! not finish, or saved out of a worktree that had to go.

use std::collections::BTreeMap;

use model::agent::Exit;
use model::event::{Event, Record};
use model::ids::{BeadId, RigName};
use model::story::Kept;
use serde::{Deserialize, Serialize};

/// How many rescues of one bead are remembered; the branches themselves stay.
pub const RESCUES: usize = 8;

/// What is kept of the work at one bead.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OfBead {
    /// The branch on which the next worker goes on.
    pub left: Option<Kept>,
    /// How the last worker left it, when it said so and nobody has taken it up since.
    pub exit: Option<Exit>,
    /// The rig whose worker that was.
    pub rig: Option<RigName>,
    /// What was saved out of worktrees, oldest first.
    pub saved: Vec<Kept>,
}

/// What is kept, by bead.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptWork {
    by_bead: BTreeMap<BeadId, OfBead>,
}

impl KeptWork {
    /// What is kept of the work at `bead`.
    pub fn of(&self, bead: &BeadId) -> Option<&OfBead> {
        self.by_bead.get(bead)
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::WorkRescued { agent, bead: Some(bead), branch, commit, bundle, reason } => {
                let saved = &mut self.by_bead.entry(bead.clone()).or_default().saved;
                saved.retain(|kept| kept.commit.as_ref() != Some(commit));
                saved.push(Kept {
                    agent: agent.clone(),
                    branch: branch.clone(),
                    commit: Some(commit.clone()),
                    bundle: bundle.clone(),
                    why: reason.clone(),
                    at: record.at,
                });
                let more = saved.len().saturating_sub(RESCUES);
                saved.drain(..more);
            }
            Event::WorkDone { agent, bead, exit, branch, head, bundle, .. } if *exit != Exit::Completed => {
                let of = self.by_bead.entry(bead.clone()).or_default();
                of.exit = Some(*exit);
                of.rig = agent.rig().cloned();
                if let Some(branch) = branch {
                    of.left = Some(Kept {
                        agent: agent.clone(),
                        branch: branch.clone(),
                        commit: head.clone(),
                        bundle: bundle.clone(),
                        why: format!("left as {exit}"),
                        at: record.at,
                    });
                }
            }
            Event::SandboxRemoved { agent, bead, branch, left: Some(head) } => {
                let of = self.by_bead.entry(bead.clone()).or_default();
                let known = of.left.as_ref().is_some_and(|left| left.commit.as_ref() == Some(head));
                if !known {
                    of.left = Some(Kept {
                        agent: agent.clone(),
                        branch: branch.clone(),
                        commit: Some(head.clone()),
                        bundle: None,
                        why: "taken back unfinished".to_owned(),
                        at: record.at,
                    });
                }
            }
            Event::BeadRecovered { bead, branch: Some(branch), commit, how } => {
                let of = self.by_bead.entry(bead.clone()).or_default();
                of.exit = None;
                of.left = Some(Kept {
                    agent: record.actor.clone(),
                    branch: branch.clone(),
                    commit: commit.clone(),
                    bundle: None,
                    why: how.clone(),
                    at: record.at,
                });
            }
            Event::HookSet { bead, .. } | Event::BeadRecovered { bead, .. } => {
                if let Some(of) = self.by_bead.get_mut(bead) {
                    of.exit = None;
                }
            }
            Event::MqLanded { bead, .. } => {
                if let Some(of) = self.by_bead.get_mut(bead) {
                    (of.left, of.exit) = (None, None);
                }
            }
            _ => {}
        }
    }
}
