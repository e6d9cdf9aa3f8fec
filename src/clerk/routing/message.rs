//! A message in words, and what it is called.

use ledger::views::Board;
use ledger::views::escalations::Escalation;
use sha2::{Digest, Sha256};

use super::{Key, Sending};
use crate::context;

/// A message as it leaves the town.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its name: the same each time that it is sent, and of no other message of any town.
    pub id: String,
    /// One line.
    pub subject: String,
    /// All of it, for people.
    pub text: String,
    /// All of it, for programs.
    pub json: serde_json::Value,
}

/// The words of a message from the town called `town`; none when what it tells of is settled.
pub fn told(board: &Board, sending: &Sending, town: &str) -> Option<Told> {
    let Sending { key, attempt, in_doubt } = sending;
    let known = board.escalations.get(&key.escalation).filter(|known| known.closed_at.is_none())?;
    let Escalation { id: escalation, severity, subject, .. } = known;
    let id = name(known, key, town);
    let text = context::text(board, known);
    let json = serde_json::json!({
        "id": id,
        "town": town,
        "escalation": escalation,
        "severity": severity,
        "priority": severity.priority().to_string(),
        "raised_as": known.raised_as,
        "round": key.round,
        "attempt": attempt,
        "in_doubt": in_doubt,
        "route": key.route,
        "subject": subject,
        "body": known.body,
        "source": known.source,
        "bead": known.bead,
        "agent": known.agent,
        "by": known.by,
        "raised_at": known.at,
        "record": known.record,
        "context": known.context,
        "text": text,
    });
    Some(Told { id, subject: format!("[{town}] [{severity}] {subject}"), text, json })
}

/// The name of a message: which escalation, when it was raised, for which round, by which way, of which town.
fn name(known: &Escalation, key: &Key, town: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' };
    let town: String = town.chars().map(word).take(64).collect();
    let route = Sha256::digest(key.route.to_string());
    let route: String = route[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}.{}.{}.{route}@{town}.gastown", known.id, known.at.millis(), key.round)
}
