//! What a person has to know.

use std::collections::BTreeMap;

use model::event::{Event, Record};
use model::ids::{BeadId, EscalationId};
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that a person has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// Its name.
    pub id: EscalationId,
    /// critical, high, medium, low.
    pub severity: String,
    /// About which bead.
    pub bead: Option<BeadId>,
    /// About which agent.
    pub agent: Option<Address>,
    /// One line.
    pub subject: String,
    /// The whole of it.
    pub body: String,
    /// Who raised it.
    pub by: Address,
    /// Since when.
    pub at: Timestamp,
    /// When a person took note, or the matter was settled.
    pub acked_at: Option<Timestamp>,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Escalations {
    by_id: BTreeMap<EscalationId, Escalation>,
}

impl Escalations {
    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Escalation> {
        self.by_id.values()
    }

    /// How many there have ever been.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Those that nobody has taken note of.
    pub fn open(&self) -> impl Iterator<Item = &Escalation> {
        self.iter().filter(|escalation| escalation.acked_at.is_none())
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::EscalationRaised { escalation, severity, bead, agent, subject, body } => {
                self.by_id.insert(
                    escalation.clone(),
                    Escalation {
                        id: escalation.clone(),
                        severity: severity.clone(),
                        bead: bead.clone(),
                        agent: agent.clone(),
                        subject: subject.clone(),
                        body: body.clone(),
                        by: record.actor.clone(),
                        at: record.at,
                        acked_at: None,
                    },
                );
            }
            Event::EscalationAcked { escalation } => {
                if let Some(escalation) = self.by_id.get_mut(escalation) {
                    escalation.acked_at.get_or_insert(record.at);
                }
            }
            // A bead that is finished needs no person any more.
            Event::BeadClosed { bead, .. } => {
                for escalation in self.by_id.values_mut() {
                    if escalation.bead.as_ref() == Some(bead) {
                        escalation.acked_at.get_or_insert(record.at);
                    }
                }
            }
            _ => {}
        }
    }
}
