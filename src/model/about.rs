//! Whom and what an event is about: the beads and agents that stand in its fields.

use crate::event::{Event, Record};
use crate::ids::BeadId;
use crate::mail::Kind;
use crate::role::Address;

impl Event {
    /// The beads that the event names.
    pub fn beads(&self) -> Vec<&BeadId> {
        match self {
            Event::BeadCreated { bead } | Event::BeadImported { bead } => vec![&bead.id],
            Event::BeadUpdated { bead, .. }
            | Event::BeadStatusChanged { bead, .. }
            | Event::BeadClosed { bead, .. }
            | Event::BeadCommented { bead, .. }
            | Event::BeadSlung { bead, .. }
            | Event::BeadUnslung { bead, .. }
            | Event::HookSet { bead, .. }
            | Event::HookChecked { bead, .. }
            | Event::HookCleared { bead, .. }
            | Event::HookMoved { bead, .. }
            | Event::BeadRecovered { bead, .. }
            | Event::BeadReset { bead, .. }
            | Event::WorkUnsaved { bead, .. }
            | Event::WorkAtRisk { bead, .. }
            | Event::SandboxMoved { bead, .. }
            | Event::SandboxCreated { bead, .. }
            | Event::SandboxRemoved { bead, .. }
            | Event::FilesMovedAside { bead, .. }
            | Event::WorkDone { bead, .. }
            | Event::MolCreated { bead, .. }
            | Event::MqLanded { bead, .. }
            | Event::MqRejected { bead, .. } => vec![bead],
            Event::DepAdded { dep } => vec![&dep.issue_id, &dep.depends_on_id],
            Event::DepRemoved { bead, on } => vec![bead, on],
            Event::AgentStarted { bead, .. }
            | Event::AgentVerdict { bead, .. }
            | Event::CostRecorded { bead, .. }
            | Event::WorkRescued { bead, .. }
            | Event::EscalationRaised { bead, .. } => bead.iter().collect(),
            Event::MqSubmitted { merge } => vec![&merge.bead],
            Event::ConvoyCreated { convoy } => convoy.beads.iter().collect(),
            Event::MailSent { letter } => in_letter(&letter.kind),
            Event::TownSurveyed { found } => found.iter().filter_map(|found| found.bead.as_ref()).collect(),
            Event::MailDelivered { .. }
            | Event::MailAcked { .. }
            | Event::MailFailed { .. }
            | Event::MailDead { .. }
            | Event::MailRetried { .. }
            | Event::AgentState { .. }
            | Event::AgentStopped { .. }
            | Event::AgentHeld { .. }
            | Event::AgentNudged { .. }
            | Event::AgentStrayed { .. }
            | Event::AgentQuarantined { .. }
            | Event::AgentRenamed { .. }
            | Event::MolStepCompleted { .. }
            | Event::MolCompleted { .. }
            | Event::MqTesting { .. }
            | Event::MqGate { .. }
            | Event::MqPushing { .. }
            | Event::MqRequeued { .. }
            | Event::MqHeld { .. }
            | Event::MqWithdrawn { .. }
            | Event::MqDirect { .. }
            | Event::MqQueue { .. }
            | Event::MqBase { .. }
            | Event::MqRules { .. }
            | Event::MqBaseline { .. }
            | Event::MqFlaky { .. }
            | Event::MqKept { .. }
            | Event::MqPrioritised { .. }
            | Event::MqFrozen { .. }
            | Event::MqThawed { .. }
            | Event::ConvoyClosed { .. }
            | Event::EscalationAcked { .. }
            | Event::EscalationClosed { .. }
            | Event::EscalationReescalated { .. }
            | Event::EscalationRouted { .. }
            | Event::EscalationSending { .. }
            | Event::EscalationNotified { .. }
            | Event::EscalationRetried { .. }
            | Event::PolicyDenied { .. }
            | Event::RigAdded { .. }
            | Event::RigParked { .. }
            | Event::RigUnparked { .. }
            | Event::RigStopped { .. }
            | Event::RigStarted { .. }
            | Event::TownFrozen { .. }
            | Event::TownThawed { .. }
            | Event::TownStarted { .. }
            | Event::TownStopped { .. }
            | Event::BackupMade { .. }
            | Event::TownRestored { .. }
            | Event::ActorEnded { .. }
            | Event::ActorBlocked { .. }
            | Event::ActorUnblocked { .. } => Vec::new(),
        }
    }

    /// The agent that the event is about: who did or got something, apart from who caused it.
    pub fn agent(&self) -> Option<&Address> {
        match self {
            Event::AgentStarted { agent, .. }
            | Event::AgentState { agent, .. }
            | Event::AgentStopped { agent, .. }
            | Event::AgentVerdict { agent, .. }
            | Event::CostRecorded { agent, .. }
            | Event::AgentHeld { agent, .. }
            | Event::AgentNudged { agent, .. }
            | Event::AgentStrayed { agent, .. }
            | Event::AgentQuarantined { agent, .. }
            | Event::SandboxMoved { agent, .. }
            | Event::HookSet { agent, .. }
            | Event::HookChecked { agent, .. }
            | Event::HookCleared { agent, .. }
            | Event::SandboxCreated { agent, .. }
            | Event::SandboxRemoved { agent, .. }
            | Event::WorkRescued { agent, .. }
            | Event::FilesMovedAside { agent, .. }
            | Event::WorkUnsaved { agent, .. }
            | Event::WorkAtRisk { agent, .. }
            | Event::WorkDone { agent, .. } => Some(agent),
            Event::BeadReset { from, .. } => Some(from),
            Event::EscalationRaised { agent, .. } => agent.as_ref(),
            Event::BeadSlung { worker, .. } => worker.as_ref(),
            Event::MqLanded { worker, .. } | Event::MqRejected { worker, .. } => Some(worker),
            Event::MqSubmitted { merge } => Some(&merge.worker),
            Event::MailSent { letter } => Some(&letter.to),
            Event::MailDelivered { to, .. }
            | Event::AgentRenamed { to, .. }
            | Event::HookMoved { to, .. } => Some(to),
            _ => None,
        }
    }
}

fn in_letter(kind: &Kind) -> Vec<&BeadId> {
    match kind {
        Kind::PolecatStarted { bead, .. }
        | Kind::PolecatDone { bead, .. }
        | Kind::MergeReady { bead, .. }
        | Kind::Merged { bead, .. }
        | Kind::MergeFailed { bead, .. }
        | Kind::ReworkRequest { bead, .. }
        | Kind::RecoveredBead { bead, .. }
        | Kind::RecoveryNeeded { bead, .. } => vec![bead],
        Kind::Escalation { bead, .. } => bead.iter().collect(),
        Kind::Help { .. }
        | Kind::Handoff { .. }
        | Kind::Shutdown { .. }
        | Kind::Lifecycle { .. }
        | Kind::Stuck { .. }
        | Kind::DogDone { .. }
        | Kind::ConvoyDone { .. }
        | Kind::Note { .. } => Vec::new(),
    }
}

impl Record {
    /// Whether the event names `bead`.
    pub fn is_about(&self, bead: &BeadId) -> bool {
        self.event.beads().contains(&bead)
    }
}
