//! What agents have used, as people see it.

use model::cost::{By, Report, Row};

use crate::output::{Cell, Column, Pen, Table, Tint, cell, thousands};

/// The sums as a table, with a last row for all of them.
pub(super) fn report(report: &Report, pen: &Pen) -> String {
    let since = report.since.map(|day| format!(" since {day} (UTC)")).unwrap_or_default();
    if report.rows.is_empty() {
        return format!(
            "no use of tokens is recorded{since}; it is known of agents whose preset says where to read it\n"
        );
    }
    let (head, nothing) = match report.by {
        By::Agent => ("AGENT", ""),
        By::Rig => ("RIG", "(the town itself)"),
        By::Bead => ("BEAD", "(no bead)"),
        By::Model => ("MODEL", ""),
        By::Day => ("DAY (UTC)", ""),
        By::Session => ("SESSION", ""),
    };
    let about = if report.by == By::Bead { "TITLE" } else { "AGENT" };
    let mut table = Table::new([
        Column::new(head),
        Column::flexible(about),
        Column::right("INPUT"),
        Column::right("OUTPUT"),
        Column::right("CACHE WRITE"),
        Column::right("CACHE READ"),
        Column::right("TOKENS"),
        Column::right("ANSWERS"),
        Column::right("SESSIONS"),
    ]);
    for row in &report.rows {
        let name = row.name.as_deref().unwrap_or(nothing);
        table.row(cells(cell(name).tint(Tint::Cyan), row));
    }
    if report.rows.len() > 1 {
        table.row(cells(cell("all").tint(Tint::Bold), &report.total));
    }
    let title = if since.is_empty() { String::new() } else { format!("Tokens{since}\n") };
    format!("{title}{}", table.render(pen))
}

fn cells(name: Cell, row: &Row) -> Vec<Cell> {
    let tokens = row.used.tokens;
    let mut cells = vec![name, cell(row.about.as_deref().unwrap_or_default())];
    let counts = [tokens.input, tokens.output, tokens.cache_write, tokens.cache_read, tokens.total()];
    cells.extend(counts.map(|n| cell(thousands(n))));
    cells.push(cell(thousands(row.used.messages)));
    cells.push(cell(row.sessions));
    cells
}
