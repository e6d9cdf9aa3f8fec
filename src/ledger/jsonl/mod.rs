//! Beads out to JSON lines, and in again, for git, `jq` and users of `bd`.
//!
//! Out: one bead per line, by id, fields in one order; the same state gives the same bytes. In: as lenient as
//! can be without guessing, and nothing is lost. Words that mean nothing here (statuses, types, kinds of
//! dependency) stay what they are, times keep their text, keys that nobody has heard of are kept at every
//! level. Beads come whole, or as rows of the tables that `bd` dumps beside each other.

mod fields;
mod line;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use model::bead::Bead;
use model::ids::BeadId;
use model::import::{JsonLines, LineError};

use line::{Line, Row};
pub use write::export;

/// The key under which a bead keeps the rig that its import named.
pub const FOREIGN_RIG: &str = "imported_rig";

/// What came of files of JSON lines.
#[derive(Debug, Default, PartialEq)]
pub struct Import {
    /// The beads, and what stands for deleted ones, each once: of several lines about one the last counts.
    pub beads: Vec<Bead>,
    /// The lines that are no beads and should be.
    pub errors: Vec<LineError>,
    /// Lines about beads that a later line is about again.
    pub duplicates: usize,
    /// Rows of tables that are in their beads now.
    pub rows: usize,
    /// Rows of tables whose bead is in none of the files.
    pub loose_rows: usize,
    /// Lines of other kinds.
    pub other: BTreeMap<String, usize>,
}

/// Reads lines of JSON as they come from [`export`], from `bd export` of all times, and from dumps of
/// tables. The files belong together: a row in one may be about a bead in another.
///
/// Missing fields take their defaults, empty lines are skipped, a wrong line spoils no other.
pub fn import(files: &[JsonLines]) -> Import {
    let mut import = Import::default();
    let mut place: BTreeMap<BeadId, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for file in files {
        for (n, line) in file.text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let at = LineError { file: file.name.clone(), line: n + 1, why: String::new() };
            match line::read(line) {
                Ok(Line::Bead(bead)) => match place.get(&bead.id) {
                    Some(&earlier) => {
                        import.beads[earlier] = *bead;
                        import.duplicates += 1;
                    }
                    None => {
                        place.insert(bead.id.clone(), import.beads.len());
                        import.beads.push(*bead);
                    }
                },
                Ok(Line::Row(id, row)) => rows.push((at, id, row)),
                Ok(Line::Other(kind)) => *import.other.entry(kind).or_default() += 1,
                Err(why) => import.errors.push(LineError { why, ..at }),
            }
        }
    }
    for (at, id, row) in rows {
        match place.get(&id) {
            Some(&bead) => match attach(&mut import.beads[bead], row) {
                Ok(()) => import.rows += 1,
                Err(why) => import.errors.push(LineError { why, ..at }),
            },
            None => import.loose_rows += 1,
        }
    }
    import
}

/// Puts a row into its bead, unless it is there already.
fn attach(bead: &mut Bead, row: Row) -> Result<(), String> {
    match row {
        Row::Dependency(row) => {
            let dep = line::dependency(bead, row)?;
            if !bead.dependencies.contains(&dep) {
                bead.dependencies.push(dep);
            }
        }
        Row::Comment(row) => {
            let comment = line::remark(bead, row)?;
            if !bead.comments.contains(&comment) {
                bead.comments.push(comment);
            }
        }
        Row::Label(label) => {
            let mut labels: BTreeSet<String> = std::mem::take(&mut bead.labels).into_iter().collect();
            labels.insert(label);
            bead.labels = labels.into_iter().collect();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
