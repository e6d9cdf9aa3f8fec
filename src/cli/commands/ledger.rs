//! What the ledger says of itself, as people see it.

use std::time::Duration;

use model::command::{Command, LedgerQuestion};
use model::ledger::{Check, Compacted, Finding, Repaired, Stats};

use crate::output::{Pen, Tint, count, line};

/// A look at the whole ledger: the verdict first, then every finding.
pub(super) fn check(check: &Check, command: &Command, pen: &Pen) -> String {
    let rebuilt = matches!(command, Command::Ledger(LedgerQuestion::Rebuild));
    let verdict = match (check.sound, rebuilt) {
        (true, false) => pen.paint(Tint::Green, "sound"),
        (false, false) => pen.paint(Tint::Red, "not sound"),
        (true, true) => pen.paint(Tint::Green, "rebuilt, and the same as before"),
        (false, true) => pen.paint(Tint::Red, "rebuilt, and not what it was"),
    };
    let mut text = format!(
        "{verdict}: {} in {}, head {}{}\n",
        count(number(check.records), "record"),
        took(check.took_ms),
        check.head,
        hash(&check.hash),
    );
    text.push_str(&findings(&check.findings, pen));
    if !check.sound && !rebuilt {
        text.push_str("Next: gastown stop, then gastown ledger repair DEST saves what is sound\n");
    }
    text
}

/// Sizes and numbers.
pub(super) fn stats(stats: &Stats, pen: &Pen) -> String {
    let mut text =
        format!("{}, head {}{}\n", count(number(stats.records), "record"), stats.head, hash(&stats.hash));
    let snapshot = stats.snapshot.map_or("none".to_owned(), |seq| format!("at record {seq}"));
    text.push_str(&format!(
        "snapshot {snapshot}, archive up to record {}, opened in {}\n",
        stats.archived,
        took(stats.opened_in_ms)
    ));
    if stats.base.0 > 0 {
        text.push_str(&format!("records 1 to {} are in the archive alone\n", stats.base));
    }
    let mut section = |head: String, rows: &std::collections::BTreeMap<String, u64>, most_first: bool| {
        text.push_str(&format!("\n{}\n", pen.paint(Tint::Bold, &head)));
        let mut rows: Vec<_> = rows.iter().collect();
        if most_first {
            rows.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        }
        for (name, n) in rows {
            text.push_str(&format!("{n:>12}  {}\n", line(name)));
        }
    };
    section(format!("Bytes on disk: {}", stats.bytes), &stats.bytes_by_part, false);
    section("Records by type".to_owned(), &stats.by_type, true);
    for finding in &stats.findings {
        text.push_str(&format!("{} {}\n", pen.paint(Tint::Red, "!"), line(finding)));
    }
    text
}

/// What the store has let go.
pub(super) fn compacted(compacted: &Compacted) -> String {
    let kept = compacted.head.0 - compacted.base.0;
    if compacted.dropped == 0 {
        return format!(
            "nothing to let go: the store holds the newest {}; with --keep N it holds fewer\n",
            count(number(kept), "record")
        );
    }
    format!(
        "records 1 to {} are in the archive alone now, {} in the store as well; {} bytes instead of {}, in {}\n",
        compacted.base,
        count(number(kept), "record"),
        compacted.bytes,
        compacted.bytes_before,
        took(compacted.took_ms),
    )
}

/// What was saved, and what was not.
pub(super) fn repaired(repaired: &Repaired, pen: &Pen) -> String {
    let dest = line(&repaired.dest.display().to_string());
    let mut text = format!(
        "saved {} into {dest}: {} from the log, {} from elsewhere; head {}{}\n",
        count(number(repaired.head.0), "record"),
        repaired.from_log,
        repaired.from_elsewhere,
        repaired.head,
        hash(&repaired.hash)
    );
    if repaired.lost.is_empty() {
        text.push_str(&format!("{}\n", pen.paint(Tint::Green, "nothing that is known of was lost")));
    }
    for lost in &repaired.lost {
        let which = match lost.from == lost.to {
            true => format!("record {}", lost.from),
            false => format!("records {} to {}", lost.from, lost.to),
        };
        text.push_str(&format!("{} {which}: {}\n", pen.paint(Tint::Red, "lost"), line(&lost.why)));
    }
    if let Some(leftover) = &repaired.leftover {
        let leftover = line(&leftover.display().to_string());
        text.push_str(&format!("sound records that follow on nothing are in {leftover}\n"));
    }
    if !repaired.findings.is_empty() {
        text.push_str(&format!("\n{}\n", pen.paint(Tint::Bold, "In the old ledger")));
        text.push_str(&findings(&repaired.findings, pen));
    }
    text.push_str(&format!("Next: move the old folder `ledger` aside, and {dest} into its place\n"));
    text
}

fn findings(findings: &[Finding], pen: &Pen) -> String {
    let told = |finding: &Finding| {
        let place = pen.paint(Tint::Cyan, &line(&finding.place));
        match finding.seq.filter(|seq| !finding.what.contains(&format!("record {seq}"))) {
            Some(seq) => format!("{place}: record {seq}: {}\n", line(&finding.what)),
            None => format!("{place}: {}\n", line(&finding.what)),
        }
    };
    findings.iter().map(told).collect()
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn took(ms: u64) -> String {
    format!("{:.2} s", Duration::from_millis(ms).as_secs_f64())
}

fn hash(hash: &str) -> String {
    if hash.is_empty() { String::new() } else { format!(" ({})", line(hash)) }
}
