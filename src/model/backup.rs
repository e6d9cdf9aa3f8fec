//! What is said of backups: what one holds, what came back of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ids::{RigName, Seq};
use crate::ledger::Finding;
use crate::role::Address;
use crate::time::Timestamp;

/// One backup in a folder of backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The folder of all of them.
    pub dir: PathBuf,
    /// Its number there, from 1.
    pub number: u32,
    /// When it was begun.
    pub made_at: Timestamp,
    /// The version of the program that made it.
    pub program: String,
    /// What the town is called.
    pub town: String,
    /// The newest record that it holds; all before it are there, too.
    pub head: Seq,
    /// The hash of that record, which stands for all of them.
    pub hash: String,
    /// The rigs whose repositories it holds.
    pub rigs: Vec<RigName>,
    /// Worktrees whose unsaved work it holds, by their paths in the town.
    pub unsaved: Vec<String>,
    /// Bytes that it needs in all; most of them may be shared with other backups.
    pub bytes: u64,
    /// Bytes that it has added to the folder.
    pub added: u64,
    /// Files that were left out, and why.
    pub left_out: Vec<String>,
}

/// What a look at a folder of backups has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Nothing was found.
    pub sound: bool,
    /// How many backups there are.
    pub backups: usize,
    /// How many files they are made of.
    pub files: usize,
    /// How large those are.
    pub bytes: u64,
    /// What is wrong, each with the file.
    pub findings: Vec<Finding>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Unsaved work that has come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// Whose.
    pub agent: Address,
    /// The rescue branch that holds it.
    pub branch: String,
    /// The worktree that has its files again, uncommitted; none where only the branch was made.
    pub folder: Option<PathBuf>,
}

/// A town that was made of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Its folder.
    pub town: PathBuf,
    /// What it was made of.
    pub backup: Backup,
    /// The hash of its newest record now, with the record of its being restored.
    pub hash: String,
    /// Unsaved work that has come back.
    pub unsaved: Vec<Returned>,
    /// What the person should know, one line each.
    pub notes: Vec<String>,
}
