//! Beads from elsewhere, taken in: what is new, what is newer, and what stays as it is.
//!
//! A bead that is not known is made as it came. Of a known one the newer counts, by `updated_at`; what is older
//! changes nothing. Dependencies, labels and remarks are added, never taken away, as `bd import` does, also
//! where both are of the same time. So the same file twice is the same as once. What was deleted stays
//! deleted.
//!
//! An import knows nothing of what goes on in this town, so it never takes a bead off a hook, out of the wait
//! or out of the queue, and never opens again what has landed: such a bead takes everything from the import
//! but where it stands and who is at it.

use std::cmp::Ordering;
use std::sync::Arc;

use ledger::jsonl::{self, FOREIGN_RIG, Import};
use ledger::views::Board;
use model::answer::Answer;
use model::bead::{Bead, Comment, Dependency, Status};
use model::event::Event;
use model::ids::{BeadId, RigName};
use model::import::{ImportReport, JsonLines};
use model::merge::MergeState;
use model::refusal::{Class, Refusal};

use crate::convoys;
use crate::draft::Draft;

/// Wrong lines that a refusal names; the rest is counted.
const NAMED: usize = 5;

/// Files that have been read, and can be taken in. Reading them takes a while, and needs no ledger.
#[derive(Debug)]
pub struct Prepared {
    import: Import,
    dry_run: bool,
}

/// Reads files of JSON lines.
///
/// # Errors
/// `bad_lines`, when lines are wrong and `skip_errors` is not set: then nothing is to be taken in.
/// `no_beads`, when there is not one bead in all of it.
pub fn prepare(files: &[JsonLines], skip_errors: bool, dry_run: bool) -> Result<Prepared, Refusal> {
    let import = jsonl::import(files);
    if !import.errors.is_empty() && !skip_errors {
        let mut said: Vec<String> = import.errors.iter().take(NAMED).map(ToString::to_string).collect();
        if import.errors.len() > NAMED {
            said.push(format!("and {} more lines", import.errors.len() - NAMED));
        }
        return Err(Refusal::new(Class::Usage, "bad_lines", said.join("; ")).hint(
            "nothing was imported; correct the lines, or take in the rest with --skip-errors and be told what was \
             left",
        ));
    }
    if import.beads.is_empty() && (!import.other.is_empty() || import.loose_rows > 0) {
        let mut kinds: Vec<&str> = import.other.keys().map(String::as_str).collect();
        kinds.extend((import.loose_rows > 0).then_some("rows of beads that are not here"));
        return Err(Refusal::new(
            Class::Usage,
            "no_beads",
            format!("there are no beads in it, only lines of other kinds: {}", kinds.join(", ")),
        )
        .hint("a dump of tables is imported whole: give its folder, or issues.jsonl first"));
    }
    Ok(Prepared { import, dry_run })
}

/// Takes beads in from elsewhere, and says what became of them. A dry run changes nothing.
pub fn take_in(draft: &mut Draft<'_>, prepared: &Prepared) -> Answer {
    let Import { beads, errors, duplicates, rows, loose_rows, other } = &prepared.import;
    let mut report = ImportReport {
        errors: errors.clone(),
        duplicates: *duplicates,
        rows: *rows,
        loose_rows: *loose_rows,
        other: other.clone(),
        dry_run: prepared.dry_run,
        ..ImportReport::default()
    };
    for bead in beads {
        one(draft, bead, &mut report);
    }
    if prepared.dry_run {
        draft.forget();
    }
    Answer::Imported(Box::new(report))
}

fn one(draft: &mut Draft<'_>, incoming: &Bead, report: &mut ImportReport) {
    let board = draft.board;
    let is_tombstone = incoming.status.is_tombstone();
    report.tombstones += usize::from(is_tombstone);
    if let Some(known) = board.beads.tombstone(&incoming.id) {
        if !is_tombstone {
            report.buried += 1;
        } else if incoming.updated_at.compare(&known.updated_at).is_gt() {
            draft.push(Event::BeadImported { bead: Arc::new(incoming.clone()) });
        }
        return;
    }
    let Some(known) = board.beads.get(&incoming.id) else {
        let mut bead = incoming.clone();
        bead.rig = rig(board, incoming);
        let bead = Arc::new(bead);
        if is_tombstone {
            draft.push(Event::BeadImported { bead });
        } else {
            report.created += 1;
            draft.push(Event::BeadCreated { bead });
        }
        return;
    };
    let is_newer = incoming.updated_at.compare(&known.updated_at);
    if is_tombstone {
        if is_newer.is_gt() && !stands_here(board, &known.id) {
            report.deleted.push(known.id.clone());
            draft.push(Event::BeadImported { bead: Arc::new(incoming.clone()) });
            convoys::arrived(draft, &known.id);
        } else {
            report.held += 1;
        }
        return;
    }
    match is_newer {
        Ordering::Less => report.stale += 1,
        Ordering::Equal => {
            // The table of beads may have come first, and those beside it now.
            let bead = united(known.clone(), incoming);
            if bead == *known {
                report.unchanged += 1;
            } else {
                report.updated += 1;
                draft.push(Event::BeadImported { bead: Arc::new(bead) });
            }
        }
        Ordering::Greater => {
            let bead = merged(board, known, incoming);
            if bead.status != incoming.status {
                report.kept_status.push(known.id.clone());
            }
            report.updated += 1;
            let closed = bead.status == Status::Closed && known.status != Status::Closed;
            draft.push(Event::BeadImported { bead: Arc::new(bead) });
            if closed {
                convoys::arrived(draft, &known.id);
            }
        }
    }
}

/// `known` as a newer import has it.
fn merged(board: &Board, known: &Bead, incoming: &Bead) -> Bead {
    let mut bead = united(incoming.clone(), known);
    bead.rig = known.rig.clone().or_else(|| rig(board, incoming));
    if stands_here(board, &known.id) {
        bead.status = known.status;
        bead.assignee.clone_from(&known.assignee);
        bead.closed_at.clone_from(&known.closed_at);
        bead.close_reason.clone_from(&known.close_reason);
    }
    bead
}

/// `bead` with the dependencies, labels and remarks of `other` that it lacks.
fn united(mut bead: Bead, other: &Bead) -> Bead {
    for dep in &other.dependencies {
        let same = |known: &Dependency| known.depends_on_id == dep.depends_on_id && known.kind == dep.kind;
        if !bead.dependencies.iter().any(same) {
            bead.dependencies.push(dep.clone());
        }
    }
    for label in &other.labels {
        if !bead.labels.contains(label) {
            bead.labels.push(label.clone());
        }
    }
    let had = bead.comments.len();
    for comment in &other.comments {
        let said =
            |comment: &Comment| (comment.author.clone(), comment.text.clone(), comment.created_at.at());
        if !bead.comments.iter().any(|known| said(known) == said(comment)) {
            bead.comments.push(comment.clone());
        }
    }
    if bead.comments.len() > had {
        bead.comments.sort_by(|a, b| a.created_at.compare(&b.created_at));
    }
    bead
}

/// Whether it is decided in this town where a bead stands: somebody has it, waits for it, or it has landed.
fn stands_here(board: &Board, id: &BeadId) -> bool {
    board.hooks.holder(id).is_some()
        || board.hooks.waiting(id).is_some()
        || board
            .merges
            .of_bead(id)
            .is_some_and(|merge| merge.state.is_open() || matches!(merge.state, MergeState::Landed { .. }))
}

/// The rig of a bead from elsewhere: the one that it names, if that is one of ours, or else the one that its
/// name belongs to.
fn rig(board: &Board, bead: &Bead) -> Option<RigName> {
    let named = bead.extra.get(FOREIGN_RIG).and_then(|rig| rig.as_str()?.parse::<RigName>().ok());
    named.filter(|rig| board.rigs.get(rig).is_some()).or_else(|| routed(board, &bead.id))
}

/// The rig that a bead belongs to by its name alone: the one with the longest prefix that fits.
pub fn routed(board: &Board, id: &BeadId) -> Option<RigName> {
    board
        .rigs
        .iter()
        .filter(|rig| id.as_str().strip_prefix(rig.prefix.as_str()).is_some_and(|rest| rest.starts_with('-')))
        .max_by_key(|rig| rig.prefix.as_str().len())
        .map(|rig| rig.name.clone())
}

/// The beads that `meant` picks, those that were deleted elsewhere included, as lines of JSON.
pub fn export(board: &Board, meant: impl Fn(&Bead) -> bool) -> String {
    let beads = board.beads.iter().chain(board.beads.tombstones()).filter(|bead| meant(bead));
    jsonl::export(beads, |bead| routed(board, &bead.id))
}

#[cfg(test)]
mod tests;
