//! The merge queue as people see it.

use model::answer::{DoneReport, MergeRow};

use crate::output::{Column, Pen, Table, Tint, ago, cell, line, when};

/// What `done` did. Submitted is not landed, and the text does not say otherwise.
pub(super) fn submitted(report: &DoneReport) -> String {
    let saved = match report.saved.as_str() {
        "remote" => "saved at the remote",
        "bundle" => "saved as a bundle in the town",
        _ => "nothing to save",
    };
    match (report.exit.as_str(), &report.branch, &report.head) {
        ("completed", Some(branch), Some(head)) => format!(
            "Submitted {}: {} at {}, {saved}. It is closed when it has landed.\n",
            report.bead,
            line(branch),
            short(head)
        ),
        (exit, ..) => {
            let created: Vec<&str> = report.created.iter().map(|bead| bead.as_str()).collect();
            let made =
                if created.is_empty() { String::new() } else { format!(" Made {}.", created.join(", ")) };
            format!("Left {} as {}, {saved}.{made}\n", report.bead, line(exit))
        }
    }
}

/// The first characters of a commit.
pub(super) fn short(commit: &str) -> String {
    line(commit).chars().take(10).collect()
}

fn tint(state: &str) -> Tint {
    match state {
        "landed" => Tint::Green,
        "rejected" | "held" => Tint::Red,
        "testing" | "pushing" => Tint::Cyan,
        _ => Tint::Plain,
    }
}

/// Merge requests as a table.
pub(super) fn merges(rows: &[MergeRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nothing waits to land; `gastown mq list --all` shows what has\n".to_owned();
    }
    table(rows, pen).render(pen)
}

/// The table of `mq list`, and of the queue in `status`.
pub(super) fn table(rows: &[MergeRow], _pen: &Pen) -> Table {
    let mut table = Table::new([
        Column::right("#"),
        Column::new("ID"),
        Column::new("RIG"),
        Column::new("BEAD"),
        Column::new("STATE"),
        Column::right("TRY"),
        Column::flexible("BRANCH"),
        Column::flexible("DETAIL"),
    ]);
    for row in rows {
        let detail = match row.state.as_str() {
            "landed" | "pushing" => row.detail.as_deref().map(short),
            _ => row.detail.clone(),
        };
        table.row([
            cell(row.position.map(|n| n.to_string()).unwrap_or_default()),
            cell(&row.id).tint(Tint::Cyan),
            cell(&row.rig),
            cell(&row.bead),
            cell(&row.state).tint(tint(&row.state)),
            cell(row.attempts),
            cell(&row.branch),
            cell(detail.unwrap_or_default()),
        ]);
    }
    table
}

/// One merge request with its gates.
pub(super) fn merge(row: &MergeRow, pen: &Pen) -> String {
    let state = pen.paint(tint(&row.state), &row.state);
    let mut text = format!("{}  {state}\n", pen.paint(Tint::Cyan, row.id.as_str()));
    text.push_str(&format!("  bead {} by {}, attempt {}\n", row.bead, row.worker, row.attempts));
    text.push_str(&format!("  branch {} at {}\n", line(&row.branch), short(&row.head)));
    text.push_str(&format!("  submitted {} ({})\n", when(row.submitted_at), ago(pen.now, row.submitted_at)));
    if let Some(position) = row.position {
        text.push_str(&format!("  number {position} in the queue of {}\n", row.rig));
    }
    if let Some(landed) = row.landed_at {
        text.push_str(&format!("  landed {}\n", when(landed)));
    }
    if let Some(detail) = &row.detail {
        text.push_str(&format!("  {}\n", line(detail)));
    }
    if !row.gates.is_empty() {
        let mut table = Table::new([
            Column::new("GATE"),
            Column::new("RESULT"),
            Column::right("TOOK"),
            Column::new("ON"),
            Column::flexible("LOG"),
        ]);
        for gate in &row.gates {
            let took = std::time::Duration::from_millis(gate.duration_ms);
            table.row([
                cell(&gate.gate),
                cell(&gate.verdict).tint(if gate.passed { Tint::Green } else { Tint::Red }),
                cell(format!("{:.1}s", took.as_secs_f64())),
                cell(short(&gate.commit)),
                cell(&gate.log).tint(Tint::Dim),
            ]);
        }
        text.push_str(&table.indented(2).render(pen));
    }
    text
}
