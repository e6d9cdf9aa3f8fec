//! The last letters of each agent, whoever wrote them: how a matter has come about, for a person who is told of
//! it. The mailboxes forget a letter once it is acknowledged; here the first words of a few stay.

use std::collections::{BTreeMap, VecDeque};

use model::escalation::LetterNote;
use model::event::{Event, Record};
use model::mail::{Kind, Letter};
use model::role::Address;
use serde::{Deserialize, Serialize};

/// Letters that are kept of one agent.
const KEPT: usize = 5;

/// How much of a text is kept, in bytes.
const EXCERPT: usize = 400;

/// The last letters from and to each agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    by_agent: BTreeMap<Address, VecDeque<LetterNote>>,
}

impl Recent {
    /// The last letters from and to `agent`, oldest first.
    pub fn of(&self, agent: &Address) -> impl Iterator<Item = &LetterNote> {
        self.by_agent.get(agent).into_iter().flatten()
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::MailSent { letter } if tells(&letter.kind) => {
                let note = note(letter);
                if letter.to != letter.from {
                    self.keep(&letter.to, note.clone());
                }
                self.keep(&letter.from, note);
            }
            Event::AgentRenamed { from, to } => {
                if let Some(mut letters) = self.by_agent.remove(from) {
                    letters.extend(self.by_agent.remove(to).unwrap_or_default());
                    self.by_agent.insert(to.clone(), letters);
                }
                let notes = self.by_agent.values_mut().flatten();
                notes
                    .flat_map(|note| [&mut note.from, &mut note.to])
                    .filter(|name| *name == from)
                    .for_each(|name| *name = to.clone());
            }
            _ => {}
        }
    }

    fn keep(&mut self, whose: &Address, note: LetterNote) {
        // A person's mailbox is no agent's story, and the runtime has none.
        if matches!(whose, Address::Overseer | Address::Runtime) {
            return;
        }
        let letters = self.by_agent.entry(whose.clone()).or_default();
        if letters.len() == KEPT {
            letters.pop_front();
        }
        letters.push_back(note);
    }
}

fn note(letter: &Letter) -> LetterNote {
    let excerpt = match &letter.kind {
        // A text may be a megabyte: not copied for its first words.
        Kind::Help { body, .. } | Kind::Note { body, .. } | Kind::Escalation { body, .. } => beginning(body),
        other => beginning(&other.body()),
    };
    LetterNote {
        id: letter.id.clone(),
        sent_at: letter.sent_at,
        from: letter.from.clone(),
        to: letter.to.clone(),
        subject: letter.kind.subject(),
        excerpt,
    }
}

fn beginning(text: &str) -> String {
    let mut end = EXCERPT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end().to_owned()
}

/// Whether a letter of this kind tells anything to a person. Most are receipts between roles.
fn tells(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Help { .. }
            | Kind::Note { .. }
            | Kind::Escalation { .. }
            | Kind::Handoff { .. }
            | Kind::ReworkRequest { .. }
            | Kind::MergeFailed { .. }
            | Kind::RecoveryNeeded { .. }
            | Kind::RecoveredBead { .. }
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::ids::{MailId, Seq};
    use model::time::Timestamp;

    use super::*;

    #[test]
    fn the_last_few_letters_stay_with_whom_they_concern_under_each_name() {
        let mut recent = Recent::default();
        let [nux, max]: [Address; 2] =
            ["web/polecats/nux", "web/polecats/max"].map(|name| name.parse().unwrap());
        let mut seq = 0;
        let mut apply = |recent: &mut Recent, event| {
            seq += 1;
            recent.apply(&Record { seq: Seq(seq), at: Timestamp::default(), actor: Address::Mayor, event });
        };
        let letter = |n: u64, from: &Address, to: &Address| {
            let id = MailId::of_record(Seq(n));
            let kind = Kind::Help { subject: format!("{n}"), body: "ä".repeat(500) };
            let (from, to, thread) = (from.clone(), to.clone(), id.clone());
            let sent_at = Timestamp::default();
            Event::MailSent {
                letter: Arc::new(Letter { id, from, to, kind, sent_at, reply_to: None, thread, key: None }),
            }
        };
        for n in 1..=4 {
            apply(&mut recent, letter(n, &nux, &Address::Mayor));
            apply(&mut recent, letter(n + 10, &Address::Overseer, &nux));
        }
        let ids = |recent: &Recent, of: &Address| -> Vec<String> {
            recent.of(of).map(|note| note.id.to_string()).collect()
        };
        assert_eq!(ids(&recent, &nux), ["m-12", "m-3", "m-13", "m-4", "m-14"]);
        assert_eq!(ids(&recent, &Address::Mayor), ["m-1", "m-2", "m-3", "m-4"]);
        assert_eq!(recent.of(&Address::Overseer).count(), 0);
        assert_eq!(recent.of(&nux).next().unwrap().excerpt.len(), 400);
        apply(&mut recent, Event::AgentRenamed { from: nux.clone(), to: max.clone() });
        assert_eq!((ids(&recent, &max).len(), recent.of(&nux).count()), (5, 0));
        assert!(recent.of(&Address::Mayor).all(|note| note.from == max));
    }
}
