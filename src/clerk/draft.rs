//! A decision in the making: the events so far, and names that nobody has yet.

use std::sync::Arc;

use ledger::views::Board;
use model::event::Event;
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
    actor: Address,
    deed: Deed,
    mols: usize,
    escalations: usize,
}

impl<'a> Draft<'a> {
    /// A draft in which `actor` acts.
    pub fn new(board: &'a Board, actor: Address, now: Timestamp) -> Self {
        Draft { board, now, actor, deed: Vec::new(), mols: 0, escalations: 0 }
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

    /// Adds a letter that answers `reply_to`.
    pub fn send_in(&mut self, to: &Address, kind: Kind, reply_to: Option<(&MailId, &MailId)>) -> MailId {
        // The number that its record will have: drafts begin where the board ends.
        let id = MailId::of_record(Seq(self.board.head.0 + self.deed.len() as u64 + 1));
        let thread = reply_to.map_or_else(|| id.clone(), |(_, thread)| thread.clone());
        self.push(Event::MailSent {
            letter: Arc::new(Letter {
                id: id.clone(),
                from: self.actor.clone(),
                to: to.clone(),
                kind,
                sent_at: self.now,
                reply_to: reply_to.map(|(id, _)| id.clone()),
                thread,
            }),
        });
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

    /// Adds an escalation, with a letter about it to each of `to`.
    pub fn escalate(
        &mut self,
        severity: &str,
        about: (Option<BeadId>, Option<Address>),
        subject: String,
        body: String,
        to: &[Address],
    ) {
        self.escalations += 1;
        let escalation: EscalationId = number("esc", self.board.escalations.count() + self.escalations);
        let (bead, agent) = about;
        self.push(Event::EscalationRaised {
            escalation,
            severity: severity.to_owned(),
            bead: bead.clone(),
            agent,
            subject: subject.clone(),
            body: body.clone(),
        });
        for to in to {
            let kind = Kind::Escalation {
                severity: severity.to_owned(),
                bead: bead.clone(),
                subject: subject.clone(),
                body: body.clone(),
            };
            self.send(to, kind);
        }
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

    /// A name for a bead: `PREFIX-` and a hash of what makes it different, as short as is still free.
    pub fn bead_id(&self, prefix: &str, title: &str) -> BeadId {
        let mut length = match self.board.beads.len() {
            0..500 => 4,
            500..20_000 => 5,
            _ => 6,
        };
        for salt in 0_u64.. {
            let mut hash = Sha256::new();
            hash.update(title);
            hash.update(self.now.millis().to_be_bytes());
            hash.update(self.board.head.0.to_be_bytes());
            hash.update(salt.to_be_bytes());
            let id: BeadId = format!("{prefix}-{}", base36(&hash.finalize(), length))
                .parse()
                .expect("a prefix and base 36 make a bead id");
            let fresh = |event: &Event| !matches!(event, Event::BeadCreated { bead } if bead.id == id);
            if !self.board.beads.is_taken(&id) && self.events().all(fresh) {
                return id;
            }
            if salt % 8 == 7 {
                length += 1;
            }
        }
        unreachable!("some hash is free")
    }

    /// The next part of `parent` that has no bead yet.
    pub fn child_id(&self, parent: &BeadId) -> BeadId {
        (1..).map(|n| parent.child(n)).find(|id| !self.board.beads.is_taken(id)).expect("some number is free")
    }
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
