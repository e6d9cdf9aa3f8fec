//! A decision in the making: the events so far, and names that nobody has yet.

use std::sync::Arc;

use ledger::views::Board;
use ledger::views::escalations::Escalation;
use model::bead::Bead;
use model::escalation::Severity;
use model::event::{Event, Record};
use model::ids::{BeadId, ConvoyId, EscalationId, MailId, MergeId, MolId, Seq};
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;
use sha2::{Digest, Sha256};

/// What a write step has decided: who did what. Recorded whole or not at all.
pub type Deed = Vec<(Address, Event)>;

/// Events that are to be recorded together.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The town as it is.
    pub board: &'a Board,
    /// Now.
    pub now: Timestamp,
    /// What was seen in the worktree that this is about, for whoever is told of it.
    pub diff: Option<String>,
    actor: Address,
    deed: Deed,
    mols: usize,
    escalations: usize,
}

impl<'a> Draft<'a> {
    /// A draft in which `actor` acts.
    pub fn new(board: &'a Board, actor: Address, now: Timestamp) -> Self {
        Draft { board, now, diff: None, actor, deed: Vec::new(), mols: 0, escalations: 0 }
    }

    /// Who acts.
    pub fn actor(&self) -> &Address {
        &self.actor
    }

    /// Adds an event.
    pub fn push(&mut self, event: Event) {
        self.deed.push((self.actor.clone(), event));
    }

    /// The events so far, to be recorded.
    pub fn finish(self) -> Deed {
        self.deed
    }

    /// Takes back all that was decided so far.
    pub(crate) fn forget(&mut self) {
        self.deed.clear();
    }

    /// The events so far.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.deed.iter().map(|(_, event)| event)
    }

    /// Adds a letter from the one who acts, and returns its name.
    pub fn send(&mut self, to: &Address, kind: Kind) -> MailId {
        self.send_in(to, kind, None)
    }

    /// Adds a letter of a sending that has the name `key`.
    pub fn send_as(&mut self, to: &Address, kind: Kind, key: Option<&str>) -> MailId {
        self.write(to, kind, None, key)
    }

    /// Adds a letter that answers `reply_to`.
    pub fn send_in(&mut self, to: &Address, kind: Kind, reply_to: Option<(&MailId, &MailId)>) -> MailId {
        self.write(to, kind, reply_to, None)
    }

    fn write(
        &mut self,
        to: &Address,
        kind: Kind,
        reply_to: Option<(&MailId, &MailId)>,
        key: Option<&str>,
    ) -> MailId {
        // The number that its record will have: drafts begin where the board ends.
        let id = MailId::of_record(Seq(self.board.head.0 + self.deed.len() as u64 + 1));
        let thread = reply_to.map_or_else(|| id.clone(), |(_, thread)| thread.clone());
        let letter = Arc::new(Letter {
            id: id.clone(),
            from: self.actor.clone(),
            // Whoever is meant may have another name by now.
            to: self.board.agents.successor(to).clone(),
            kind,
            sent_at: self.now,
            reply_to: reply_to.map(|(id, _)| id.clone()),
            thread,
            key: key.map(str::to_owned),
        });
        self.push(Event::MailSent { letter: Arc::clone(&letter) });
        crate::gates::arrived(self, &letter);
        id
    }

    /// Adds the acknowledgement of a letter that has been handled; what else is in this draft happens
    /// together with it.
    ///
    /// # Errors
    /// `already_handled` when it was acknowledged before: then nothing of this draft may happen.
    pub fn handled(&mut self, mail: &MailId) -> Result<(), Refusal> {
        let before = || Refusal::failed("already_handled", format!("letter {mail} has been handled before"));
        match self.board.mail.get(mail) {
            None if self.board.mail.is_settled(mail, self.board.head) => Err(before()),
            None => Err(Refusal::no_such("mail", mail.as_str(), [])),
            Some(post) if post.dead.is_some() => Err(before()),
            Some(_) => {
                self.push(Event::MailAcked { mail: mail.clone() });
                Ok(())
            }
        }
    }

    /// Adds an escalation, with a letter about it to each of `to`, whatever ways it goes otherwise. `severity` is
    /// one of critical, high, medium, low.
    pub fn escalate(
        &mut self,
        severity: &str,
        about: (Option<BeadId>, Option<Address>),
        subject: String,
        body: String,
        to: &[Address],
    ) {
        let severity = severity.parse().unwrap_or(Severity::High);
        let raised = self.raise(severity, about, (subject, body), None);
        for to in to {
            self.tell(&raised, to);
        }
    }

    /// Adds an escalation with all that is known of the matter, and returns it. Which ways it goes is decided
    /// apart from that.
    pub fn raise(
        &mut self,
        severity: Severity,
        (bead, agent): (Option<BeadId>, Option<Address>),
        (subject, body): (String, String),
        source: Option<String>,
    ) -> Escalation {
        self.escalations += 1;
        let escalation: EscalationId = number("esc", self.board.escalations.count() + self.escalations);
        let context = crate::context::of(self, bead.as_ref(), agent.as_ref());
        let event = Event::EscalationRaised {
            escalation,
            severity: severity.to_string(),
            bead,
            agent,
            subject,
            body,
            source,
            context: (!context.is_empty()).then(|| Box::new(context)),
        };
        let seq = Seq(self.board.head.0 + self.deed.len() as u64 + 1);
        let record = Record { seq, at: self.now, actor: self.actor.clone(), event };
        let raised = Escalation::raised(&record).expect("the record raises one");
        self.push(record.event);
        raised
    }

    /// Adds that work at `bead` goes on.
    pub fn recovered(&mut self, bead: &BeadId, how: &str) {
        let (bead, how) = (bead.clone(), how.to_owned());
        self.push(Event::BeadRecovered { bead, how, branch: None, commit: None });
    }

    /// A name for a molecule.
    pub fn mol_id(&mut self) -> MolId {
        self.mols += 1;
        number("mol", self.board.mols.count() + self.mols)
    }

    /// A name for a merge request.
    pub fn merge_id(&self) -> MergeId {
        number("mr", self.board.merges.count() + 1)
    }

    /// A name for a convoy.
    pub fn convoy_id(&self) -> ConvoyId {
        number("cv", self.board.convoys.iter().count() + 1)
    }

    /// The bead called `id`, also one that this draft has only just made.
    pub fn bead(&self, id: &BeadId) -> Option<&Bead> {
        let drafted = || {
            self.events().find_map(|event| match event {
                Event::BeadCreated { bead } if bead.id == *id => Some(bead.as_ref()),
                _ => None,
            })
        };
        self.board.beads.get(id).or_else(drafted)
    }

    /// A name for a bead: `PREFIX-` and a hash of what makes it different, as short as is still free.
    pub fn bead_id(&self, prefix: &str, title: &str) -> BeadId {
        let taken = |id: &BeadId| self.board.beads.is_taken(id) || self.bead(id).is_some();
        bead_name(prefix, &(title, self.now, self.board.head), self.board.beads.len(), taken)
    }

    /// The next part of `parent` that has no bead yet.
    pub fn child_id(&self, parent: &BeadId) -> BeadId {
        let taken = |id: &BeadId| self.board.beads.is_taken(id) || self.bead(id).is_some();
        (1..).map(|n| parent.child(n)).find(|id| !taken(id)).expect("some number is free")
    }
}

/// A name that is not `taken`: `PREFIX-` and a hash of what is said of the bead, as short as `known` beads allow.
///
/// Two beads never have one name, since each is looked up; what the length decides is how often a second try
/// is needed: at 10 million names, for 5 of 1,000.
pub fn bead_name(
    prefix: &str,
    (title, now, head): &(&str, Timestamp, Seq),
    known: usize,
    taken: impl Fn(&BeadId) -> bool,
) -> BeadId {
    let mut length = match known {
        0..500 => 4,
        500..20_000 => 5,
        _ => 6,
    };
    for salt in 0_u64.. {
        let mut hash = Sha256::new();
        hash.update(title);
        hash.update(now.millis().to_be_bytes());
        hash.update(head.0.to_be_bytes());
        hash.update(salt.to_be_bytes());
        let id: BeadId = format!("{prefix}-{}", base36(&hash.finalize(), length))
            .parse()
            .expect("a prefix and base 36 make a bead id");
        if !taken(&id) {
            return id;
        }
        if salt % 8 == 7 {
            length += 1;
        }
    }
    unreachable!("some hash is free")
}

fn number<T: std::str::FromStr>(word: &str, n: usize) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{word}-{n}").parse().expect("a word and a number make an id")
}

fn base36(hash: &[u8], length: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut n = u128::from_be_bytes(hash[..16].try_into().expect("a hash has 32 bytes"));
    let mut out = String::with_capacity(length);
    for _ in 0..length {
        out.push(char::from(DIGITS[(n % 36) as usize]));
        n /= 36;
    }
    out
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_all_different_and_grow_with_their_number() {
        const BEADS: usize = 50_000;
        let tries = Cell::new(0);
        let mut names: HashSet<BeadId> = HashSet::new();
        for n in 0..BEADS {
            // All at once and of one title, as a script makes them.
            let said = ("the same title", Timestamp::from_millis(1_767_225_600_000), Seq(n as u64));
            let id = bead_name("web", &said, n, |id| {
                tries.set(tries.get() + 1);
                names.contains(id)
            });
            assert!(names.insert(id));
        }
        assert_eq!(names.len(), BEADS);
        let longest = names.iter().map(|id| id.as_str().len()).max();
        assert_eq!(longest, Some("web-".len() + 6));
        assert!(tries.get() < BEADS + BEADS / 100, "{} tries", tries.get());
    }
}
