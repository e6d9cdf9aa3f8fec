//! What has happened, for good, and what follows from it.
//!
//! The [`Store`] is the door: one [`Log`] of numbered [`Record`]s, which is the truth, and one
//! [`views::Board`], which is folded from it and can be dropped at any time.
//!
//! ```text
//!   decisions ──> draft board ──> one batch ──> sled, flush, fdatasync ──> live board ──> feed
//!   (a group)     (writer's own)                (only now is it so)        (readers)
//! ```
//!
//! - Owns: the folder `ledger/` of a town. One process at a time.
//! - Promises: what a write has returned survives SIGKILL and power cuts; readers see nothing that
//!   could still be lost; a store that cannot write stays readable and says why.
//! - Does not: decide. Rules live in whoever hands decisions to [`Store::write`].

mod archive;
mod boot;
pub mod check;
pub mod compact;
mod disk;
pub mod export;
pub mod feed;
mod files;
pub mod fill;
mod journal;
pub mod jsonl;

mod log;
#[cfg(any(test, feature = "fakes"))]
pub mod memory;
mod past;
mod rebuild;
pub mod record;
pub mod repair;
mod settler;
mod snapshot;
pub mod store;
pub mod tail;

pub mod views;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod testing;

use std::io;
use std::path::PathBuf;

use model::event::{Event, Record};
use model::ids::Seq;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

pub use feed::Subscription;
pub use log::SledLog;
pub use record::{Hash, Sealed};
pub use store::{Decision, Limits, Store, Written};

/// What is to be appended: a record that has no number yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// Who did it, as the carrier knew.
    pub actor: Address,
    /// What.
    pub event: Event,
}

impl Entry {
    /// The record that this entry becomes under the number `seq`.
    pub fn numbered(self, seq: Seq) -> Record {
        Record { seq, at: self.at, actor: self.actor, event: self.event }
    }
}

/// Copies what a log has up to a number, for good. Called by the log, so it must not append to it.
pub type Copier = Box<dyn Fn(&dyn Log, Seq) -> Result<(), LedgerError> + Send + Sync>;

/// An append-only row of records, numbered from 1 without gaps, each holding the hash of the one
/// before it.
///
/// All methods take `&self`: reading goes on while a batch waits for the disk, and sees only what
/// is durable. Both implementations pass the same contract suite.
pub trait Log: Send + Sync + std::fmt::Debug {
    /// The number of the newest durable record; 0 when there is none.
    fn head(&self) -> Seq;

    /// Appends all of `entries` or none of them, and returns once they would survive a power cut.
    ///
    /// One transaction and one sync, however many they are; none for an empty batch. After an error
    /// nothing more can be appended until [`Log::recover`] has succeeded.
    fn append(&self, entries: Vec<Entry>) -> Result<Vec<Sealed>, LedgerError>;

    /// Up to `limit` records with their hashes, starting with the number `from`.
    fn read_sealed(&self, from: Seq, limit: usize) -> Result<Vec<Sealed>, LedgerError>;

    /// The same as the bytes that were written, unchecked: for copies, which must not depend on what
    /// this program would write today.
    fn read_raw(&self, from: Seq, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError>;

    /// Makes the log writable again after a failed append, and takes back what that append may have
    /// left behind, so that what was refused has not happened.
    fn recover(&self) -> Result<(), LedgerError>;

    /// Lets the store have all for good that stands in a quicker place only, so that the next opening has
    /// less to do. What is acknowledged is safe without it.
    fn settle(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    /// The newest record that the store itself does not hold any more: it and those before it are read from
    /// the archive. 0 when it holds all.
    fn base(&self) -> Seq {
        Seq(0)
    }

    /// Has all that is to be forgotten elsewhere copied by `copy` first, from now on.
    fn copied_by(&self, copy: Copier) {
        drop(copy);
    }

    /// How many times a batch has waited for the disk.
    fn syncs(&self) -> u64;

    /// Up to `limit` records, starting with the number `from`.
    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Record>, LedgerError> {
        Ok(self.read_sealed(from, limit)?.into_iter().map(|sealed| sealed.record).collect())
    }
}

/// What broke while the ledger was opened, read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another process has it open.
    #[error("the ledger in {} is held by another process", dir.display())]
    Held {
        /// The folder.
        dir: PathBuf,
    },
    /// No room is left for it.
    #[error("the disk that holds the ledger in {} is full", dir.display())]
    Full {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder or its disk takes no writes.
    #[error("the ledger in {} cannot be written: {why}", dir.display())]
    Unwritable {
        /// The folder.
        dir: PathBuf,
        /// In the system's words.
        why: String,
    },
    /// Bytes on the disk are not those that were written.
    #[error("the ledger in {} is damaged: {what}", dir.display())]
    Corrupt {
        /// The folder.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// It was written by a newer program.
    #[error("record {seq} of the ledger has version {found}, and this program knows versions up to {known}")]
    Newer {
        /// The first such record.
        seq: Seq,
        /// Its version.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// An earlier append failed and the log has not recovered since.
    #[error("the ledger takes no records since an append failed: {why}")]
    Stopped {
        /// What failed then.
        why: String,
    },
    /// Something else that the system said.
    #[error("cannot {doing}: {why}")]
    Io {
        /// What was being done.
        doing: String,
        /// In the system's words.
        why: String,
    },
}

impl LedgerError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Held { .. } => "a town has one runtime: ask the one that is up, or stop it first".into(),
            Self::Full { dir } => format!(
                "free some space on the disk of {} (`df -h {}` shows it) and try again; nothing is lost",
                dir.display(),
                dir.display()
            ),
            Self::Unwritable { dir, .. } => format!(
                "make {} writable for this user, or remount its disk read-write, and try again",
                dir.display()
            ),
            Self::Corrupt { dir, .. } => format!(
                "stop the town, check the disk of {}, and save what is sound into a new ledger: gastown \
                 ledger repair DEST",
                dir.display()
            ),
            Self::Newer { .. } => "use the newer program that wrote it".into(),
            Self::Stopped { .. } | Self::Io { .. } => return None,
        })
    }

    /// The answer for somebody whose change could not be written: code `read_only`.
    pub fn refusal(&self) -> Refusal {
        let refusal = Refusal::failed("read_only", format!("nothing was changed: {self}"));
        match self.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal.hint("the store tries again at the next change; the town's log has more"),
        }
    }

    /// An error of the system while doing `doing` in `dir`.
    fn io(dir: &std::path::Path, doing: impl Into<String>, error: &io::Error) -> Self {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { dir: dir.to_owned() },
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                Self::Unwritable { dir: dir.to_owned(), why: error.to_string() }
            }
            _ => Self::Io { doing: doing.into(), why: error.to_string() },
        }
    }
}
