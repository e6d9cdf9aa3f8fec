//! What a person brings in and takes out as files, and what became of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::BeadId;

/// A file of JSON lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonLines {
    /// Its name, for what is said about it; empty for standard input.
    #[serde(default)]
    pub name: String,
    /// All of it.
    pub text: String,
}

/// Why a line was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// The file; empty for standard input.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for LineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.file.is_empty() {
            write!(f, "line {}: {}", self.line, self.why)
        } else {
            write!(f, "{}, line {}: {}", self.file, self.line, self.why)
        }
    }
}

/// What became of an import. Every line that is not empty is in exactly one of the numbers `created`, `updated`,
/// `unchanged`, `stale`, `tombstones`, `buried`, `duplicates`, `rows`, `loose_rows`, `other` and `errors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Beads that were not known.
    pub created: usize,
    /// Beads that are newer than what was known of them, and took its place.
    pub updated: usize,
    /// Beads that are as they were.
    pub unchanged: usize,
    /// Beads that are older than what is known of them, and were left out.
    pub stale: usize,
    /// Lines that stand for beads that were deleted; they are kept for the next export, and are no beads.
    pub tombstones: usize,
    /// Beads that were deleted, by what is known here, and were left out.
    pub buried: usize,
    /// Tombstones of beads that are in use here, or have changed here since, and stay.
    pub held: usize,
    /// Lines about a bead that a later line is about again; the last one counts.
    pub duplicates: usize,
    /// Rows of tables (dependencies, labels, comments) that went to their beads.
    pub rows: usize,
    /// Rows of tables whose bead is in none of the files, and that were left out.
    pub loose_rows: usize,
    /// Lines of other kinds that were left out, by kind.
    pub other: BTreeMap<String, usize>,
    /// Lines that were left out because something is wrong with them.
    pub errors: Vec<LineError>,
    /// Beads that were deleted by this import, and are listed no more.
    pub deleted: Vec<BeadId>,
    /// Updated beads that kept the status that they have here: somebody works at them, or they have landed.
    pub kept_status: Vec<BeadId>,
    /// Nothing was changed: this is what would have become of it.
    pub dry_run: bool,
}

/// What became of one file of a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRow {
    /// The rig; none for the town's own beads.
    pub rig: Option<crate::ids::RigName>,
    /// Where the file is.
    pub file: String,
    /// How many beads are in it, those that were deleted elsewhere included.
    pub beads: usize,
    /// Whether the file is not what it was.
    pub changed: bool,
    /// The commit that holds it; none for the town's own, which is in no repository.
    pub commit: Option<String>,
    /// Whether that commit is new.
    pub committed: bool,
    /// Whether the remote has the commit.
    pub pushed: bool,
    /// Why the remote does not have it, if it was to.
    pub warning: Option<String>,
}
