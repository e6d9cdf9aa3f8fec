//! What the agent notes beside its commits, in the git directory of its worktree.
//!
//! Trailers tell of blocks that left a commit of ours. This file tells of the rest: the block under way
//! and where the branch stood before it, and blocks that changed nothing or made their commits themselves.
//! It is lost with the worktree, and then those run again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::marks::Mark;

/// A block under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// Which, as [`Mark`] writes it.
    pub(crate) block: String,
    /// Where the branch stood.
    pub(crate) head: String,
}

/// The notes of one attempt at one bead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    pub(crate) bead: String,
    pub(crate) attempt: u32,
    /// What the attempt stands on.
    pub(crate) base: Option<String>,
    /// Where the branch stood when the attempt began.
    pub(crate) start: String,
    /// The block under way.
    pub(crate) begun: Option<Begun>,
    /// Blocks that have run, with the object names of their scripts.
    pub(crate) done: Vec<(String, String)>,
    #[serde(skip)]
    path: PathBuf,
}

impl Notes {
    /// Reads what was noted in `git_dir`; nothing readable is nothing noted.
    pub(crate) fn read(git_dir: &Path) -> Self {
        let path = git_dir.join("gastown-shell.json");
        let notes = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Notes { path, ..notes.unwrap_or_default() }
    }

    /// Whether they are about this attempt at this bead.
    pub(crate) fn are_about(&self, bead: &str, attempt: u32) -> bool {
        self.bead == bead && self.attempt == attempt
    }

    /// Whether a block is noted as run.
    pub(crate) fn has(&self, mark: &Mark, script: &str) -> bool {
        let mark = mark.to_string();
        self.done.iter().any(|(block, of)| *block == mark && of == script)
    }

    /// Writes them down for good.
    pub(crate) fn write(&self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)
    }
}
