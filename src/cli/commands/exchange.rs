//! What went in and out as files, as people see it.

use model::import::{ImportReport, SyncRow};
use model::ledger::Filled;

use crate::output::{Pen, Tint, count, line};

/// Wrong lines that are shown; the rest is counted.
const SHOWN: usize = 20;

/// What became of an import.
pub(super) fn imported(report: &ImportReport, pen: &Pen) -> String {
    let taken = report.created + report.updated;
    let verb = if report.dry_run { "Would import" } else { "Imported" };
    let mut text = format!(
        "{verb} {}: {} created, {} updated; {} unchanged\n",
        count(taken, "bead"),
        report.created,
        report.updated,
        report.unchanged
    );
    let mut say = |n: usize, what: &str| {
        if n > 0 {
            text.push_str(&format!("  {n} {what}\n"));
        }
    };
    say(report.stale, "older than what is known here, left as they are");
    say(report.tombstones, "tombstones of deleted beads, kept for the next export and listed nowhere");
    say(report.deleted.len(), "of them were beads here until now, and are deleted");
    say(report.held, "of them are in use here or have changed since, and stay");
    say(report.buried, "were deleted by what is known here, and are not brought back");
    say(report.kept_status.len(), "keep their status: somebody works at them here, or they have landed");
    say(report.duplicates, "lines about a bead that a later line is about again; the last one counts");
    say(report.rows, "rows of dependencies, labels and comments went to their beads");
    say(report.loose_rows, "rows left out: their beads are in none of the files");
    for (kind, n) in &report.other {
        say(*n, &format!("lines left out that are no beads: {}", line(kind)));
    }
    say(report.errors.len(), "lines left out because something is wrong with them:");
    for error in report.errors.iter().take(SHOWN) {
        text.push_str(&format!("    {}\n", pen.paint(Tint::Red, &line(&error.to_string()))));
    }
    if report.errors.len() > SHOWN {
        text.push_str("    … `--json` has them all\n");
    }
    text
}

/// What became of a sync.
pub(super) fn synced(rows: &[SyncRow], pen: &Pen) -> String {
    let mut text = String::new();
    for row in rows {
        let who = row.rig.as_ref().map_or_else(|| "town".to_owned(), ToString::to_string);
        let commit = row.commit.as_ref().map(|commit| commit.chars().take(12).collect::<String>());
        let git = match (&commit, row.committed) {
            (Some(commit), true) => format!(", committed {commit} on beads-sync"),
            (Some(commit), false) => format!(", beads-sync is at {commit} already"),
            (None, true) => ", a commit on beads-sync to come".to_owned(),
            (None, false) => String::new(),
        };
        text.push_str(&format!(
            "{}: {} in {} ({}){git}{}\n",
            pen.paint(Tint::Cyan, &who),
            count(row.beads, "bead"),
            line(&row.file),
            if row.changed { "changed" } else { "as it was" },
            if row.pushed { ", pushed" } else { "" }
        ));
        if let Some(warning) = &row.warning {
            text.push_str(&format!("  {} {}\n", pen.paint(Tint::Yellow, "not pushed:"), line(warning)));
        }
    }
    text
}

/// What an empty ledger was filled with.
pub(super) fn filled(filled: &Filled) -> String {
    let records = count(usize::try_from(filled.records).unwrap_or(usize::MAX), "record");
    format!("imported {records}, head {} ({})\n", filled.head, line(&filled.hash))
}
