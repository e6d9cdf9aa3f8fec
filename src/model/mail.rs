//! Letters: what the cast of a town tells each other, typed; what people read is rendered from it.

use serde::{Deserialize, Serialize};

use crate::agent::Exit;
use crate::ids::{BeadId, EscalationId, MailId, MergeId, SessionId};
use crate::merge::Rejection;
use crate::role::Address;
use crate::time::Timestamp;

/// What a letter is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// Runtime to Witness: a worker's session has begun.
    PolecatStarted {
        /// What it works at.
        bead: BeadId,
        /// The session.
        session: SessionId,
    },
    /// Worker to Witness: the work is handed in.
    PolecatDone {
        /// What it worked at.
        bead: BeadId,
        /// Where the work is.
        branch: String,
        /// Its head.
        head: String,
        /// How the worker left it.
        exit: Exit,
    },
    /// Witness to Refinery: verified, please merge.
    MergeReady {
        /// What it finishes.
        bead: BeadId,
        /// Who made it.
        worker: Address,
        /// Where it is.
        branch: String,
        /// The head that was verified.
        head: String,
    },
    /// Refinery to Witness, and on to the worker: it has landed.
    Merged {
        /// The queue entry.
        merge: MergeId,
        /// What landed.
        bead: BeadId,
        /// Who made it.
        worker: Address,
        /// The merge commit on the target branch.
        commit: String,
        /// The target branch.
        target: String,
    },
    /// Refinery to Witness, and on to the worker: a gate failed.
    MergeFailed {
        /// The queue entry.
        merge: MergeId,
        /// What was tried.
        bead: BeadId,
        /// Who made it.
        worker: Address,
        /// Why it was given back.
        rejection: Rejection,
    },
    /// Refinery to Witness, and on to the worker: it does not merge.
    ReworkRequest {
        /// The queue entry.
        merge: MergeId,
        /// What was tried.
        bead: BeadId,
        /// Who made it.
        worker: Address,
        /// Why it was given back.
        rejection: Rejection,
    },
    /// Witness to Deacon: a bead was taken back from a worker that is gone.
    RecoveredBead {
        /// Which.
        bead: BeadId,
        /// From whom.
        worker: Address,
        /// Why.
        why: String,
    },
    /// Witness to Deacon: work lies somewhere unsaved or saved aside and needs a decision.
    RecoveryNeeded {
        /// Of which bead.
        bead: BeadId,
        /// Whose.
        worker: Address,
        /// Where and why.
        why: String,
    },
    /// Anybody to the Mayor.
    Help {
        /// One line.
        subject: String,
        /// The whole of it.
        body: String,
    },
    /// An agent to its own next session.
    Handoff {
        /// What to know.
        note: String,
    },
    /// Asks an agent to end its session.
    Shutdown {
        /// Why.
        why: String,
    },
    /// Asks for a session to be cycled, started or stopped.
    Lifecycle {
        /// What is asked.
        request: String,
    },
    /// Anybody to whoever watches over an agent: it seems to be stuck.
    Stuck {
        /// Who.
        agent: Address,
        /// What was seen of it.
        text: String,
    },
    /// Something that a person or the Mayor should know about.
    Escalation {
        /// How grave: critical, high, medium, low.
        severity: String,
        /// What it is called; letters of the first days do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        escalation: Option<EscalationId>,
        /// What it is about.
        bead: Option<BeadId>,
        /// One line.
        subject: String,
        /// The whole of it.
        body: String,
    },
    /// A dog has run its errand.
    DogDone {
        /// Which errand.
        errand: String,
        /// How it went.
        outcome: String,
    },
    /// All beads of a convoy are closed.
    ConvoyDone {
        /// Its name.
        convoy: String,
        /// How many beads.
        beads: usize,
    },
    /// Plain words.
    Note {
        /// One line.
        subject: String,
        /// The whole of it.
        body: String,
    },
}

impl Kind {
    /// The name of the kind, as the contract spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::PolecatStarted { .. } => "POLECAT_STARTED",
            Kind::PolecatDone { .. } => "POLECAT_DONE",
            Kind::MergeReady { .. } => "MERGE_READY",
            Kind::Merged { .. } => "MERGED",
            Kind::MergeFailed { .. } => "MERGE_FAILED",
            Kind::ReworkRequest { .. } => "REWORK_REQUEST",
            Kind::RecoveredBead { .. } => "RECOVERED_BEAD",
            Kind::RecoveryNeeded { .. } => "RECOVERY_NEEDED",
            Kind::Help { .. } => "HELP",
            Kind::Handoff { .. } => "HANDOFF",
            Kind::Shutdown { .. } => "SHUTDOWN",
            Kind::Lifecycle { .. } => "LIFECYCLE",
            Kind::Stuck { .. } => "STUCK",
            Kind::Escalation { .. } => "ESCALATION",
            Kind::DogDone { .. } => "DOG_DONE",
            Kind::ConvoyDone { .. } => "CONVOY_DONE",
            Kind::Note { .. } => "NOTE",
        }
    }

    /// Whether code handles it. What is not for code waits in the mailbox to be read.
    ///
    /// A worker's own copy of a merge verdict is for code as well: it decides whether a session is
    /// wanted. The words in it reach the agent with its brief.
    pub fn is_for_code(&self) -> bool {
        !matches!(
            self,
            Kind::Help { .. }
                | Kind::Handoff { .. }
                | Kind::Escalation { .. }
                | Kind::ConvoyDone { .. }
                | Kind::Note { .. }
        )
    }

    /// The line that people see first.
    pub fn subject(&self) -> String {
        match self {
            Kind::PolecatStarted { bead, .. } => format!("POLECAT_STARTED {bead}"),
            Kind::PolecatDone { bead, exit, .. } => format!("POLECAT_DONE {bead} ({exit})"),
            Kind::MergeReady { bead, .. } => format!("MERGE_READY {bead}"),
            Kind::Merged { bead, target, .. } => format!("MERGED {bead} into {target}"),
            Kind::MergeFailed { bead, rejection, .. } => {
                format!("MERGE_FAILED {bead}: {}", rejection.headline())
            }
            Kind::ReworkRequest { bead, rejection, .. } => {
                format!("REWORK_REQUEST {bead}: {}", rejection.headline())
            }
            Kind::RecoveredBead { bead, .. } => format!("RECOVERED_BEAD {bead}"),
            Kind::RecoveryNeeded { bead, .. } => format!("RECOVERY_NEEDED {bead}"),
            Kind::Help { subject, .. } => format!("HELP: {subject}"),
            Kind::Handoff { .. } => "HANDOFF".to_owned(),
            Kind::Shutdown { .. } => "SHUTDOWN".to_owned(),
            Kind::Lifecycle { request } => format!("LIFECYCLE: {request}"),
            Kind::Stuck { agent, .. } => format!("STUCK {agent}"),
            Kind::Escalation { severity, subject, .. } => format!("ESCALATION [{severity}] {subject}"),
            Kind::DogDone { errand, .. } => format!("DOG_DONE {errand}"),
            Kind::ConvoyDone { convoy, .. } => format!("CONVOY_DONE {convoy}"),
            Kind::Note { subject, .. } => subject.clone(),
        }
    }

    /// The text below it.
    pub fn body(&self) -> String {
        match self {
            Kind::PolecatStarted { bead, session } => {
                format!("Session {session} has begun to work at {bead}.")
            }
            Kind::PolecatDone { bead, branch, head, exit } => {
                format!("Bead: {bead}\nExit: {exit}\nBranch: {branch}\nHead: {head}")
            }
            Kind::MergeReady { bead, worker, branch, head } => {
                format!("Bead: {bead}\nWorker: {worker}\nBranch: {branch}\nVerified head: {head}")
            }
            Kind::Merged { merge, bead, worker, commit, target } => format!(
                "Bead: {bead}\nWorker: {worker}\nMerge request: {merge}\nMerge commit: {commit} on {target}"
            ),
            Kind::MergeFailed { rejection, .. } | Kind::ReworkRequest { rejection, .. } => explain(rejection),
            Kind::RecoveredBead { bead, worker, why } | Kind::RecoveryNeeded { bead, worker, why } => {
                format!("Bead: {bead}\nWorker: {worker}\n{why}")
            }
            Kind::Help { body, .. } | Kind::Note { body, .. } | Kind::Escalation { body, .. } => body.clone(),
            Kind::Handoff { note } => note.clone(),
            Kind::Shutdown { why } => why.clone(),
            Kind::Lifecycle { request } => request.clone(),
            Kind::Stuck { agent, text } if text.is_empty() => format!("{agent} seems to be stuck."),
            Kind::Stuck { agent, text } => format!("{agent} seems to be stuck.\n{text}"),
            Kind::DogDone { outcome, .. } => outcome.clone(),
            Kind::ConvoyDone { convoy, beads } => format!("All {beads} beads of convoy {convoy} are closed."),
        }
    }
}

/// Tells a worker what was wrong with its work and what to do now.
pub fn explain(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Conflict { files, base, attempt } => format!(
            "Attempt {attempt} does not merge with the target branch at {base}.\n\
             Files in conflict: {}\n\
             Bring your branch onto that commit (git rebase {base}, or merge it), keep both sides' intent, \
             commit, and say `gt done` again.",
            files.join(", ")
        ),
        Rejection::Gate { gate, verdict, excerpt, log, base, attempt } => format!(
            "Attempt {attempt}: gate {gate:?} failed on the merge with {base}: {verdict}.\n\
             The whole output is in {log}; its end:\n\n{excerpt}\n\n\
             Repair it, commit, and say `gt done` again."
        ),
        Rejection::Unfit { why, attempt } => {
            format!("Attempt {attempt} could not be taken: {why}.\nRepair that and say `gt done` again.")
        }
    }
}

/// A letter with its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its name.
    pub id: MailId,
    /// Who wrote it.
    pub from: Address,
    /// Who is to have it.
    pub to: Address,
    /// What it says.
    pub kind: Kind,
    /// When it was written down for good.
    pub sent_at: Timestamp,
    /// The letter that it answers.
    #[serde(default)]
    pub reply_to: Option<MailId>,
    /// The first letter of the conversation; its own id when it is the first.
    pub thread: MailId,
    /// The name that its sender gave to the sending: under it, nothing is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_of_every_encoding_is_the_same_letter() {
        let kind = Kind::ReworkRequest {
            merge: "mr-1".parse().unwrap(),
            bead: "web-1".parse().unwrap(),
            worker: "web/polecats/docs".parse().unwrap(),
            rejection: Rejection::Conflict { files: vec!["a b.txt".into()], base: "abc".into(), attempt: 1 },
        };
        let packed = rmp_serde::to_vec_named(&kind).unwrap();
        assert_eq!(rmp_serde::from_slice::<Kind>(&packed).unwrap(), kind);
        let json = serde_json::to_value(&kind).unwrap();
        assert_eq!(json["kind"], kind.name());
        assert!(kind.body().contains("a b.txt"));
    }
}
