//! Rigs as people see them, and the town that was made.

use model::answer::{Examined, Health, RigRow};
use model::command::Command;

use crate::host::Installed;
use crate::output::{Column, Pen, Table, Tint, cell, line};

/// A rig that was taken in.
pub(super) fn rig(row: &RigRow, command: &Command) -> String {
    let verb = if matches!(command, Command::RigAdd(_)) { "Added rig" } else { "Rig" };
    let gates = match row.gates.as_slice() {
        [] => "no gates, so anything that merges will land".to_owned(),
        gates => format!("gates {}", line(&gates.join(", "))),
    };
    format!(
        "{verb} {}: prefix {}, branch {}, up to {} workers, {gates}\n\
         Next: gastown bead create \"TITLE\" --rig {}, then gastown sling BEAD {}\n",
        row.name,
        line(&row.prefix),
        line(&row.default_branch),
        row.max_workers,
        row.name,
        row.name,
    )
}

/// What the doctor says: what is not well first.
pub(super) fn doctor(rows: &[Examined], pen: &Pen) -> String {
    let mut table = Table::new([
        Column::new("STATUS"),
        Column::new("CHECK"),
        Column::new("SCOPE"),
        Column::flexible("WHAT"),
    ]);
    let mut rows: Vec<&Examined> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.status));
    for row in rows {
        let tint = match row.status {
            Health::Ok => Tint::Green,
            Health::Warn => Tint::Yellow,
            Health::Fail => Tint::Red,
        };
        let status = if row.fixed { "fixed".to_owned() } else { row.status.to_string() };
        table.row([cell(status).tint(tint), cell(&row.check), cell(&row.scope), cell(&row.detail)]);
    }
    table.render(pen)
}

/// Rigs as a table.
pub(super) fn rigs(rows: &[RigRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no rigs yet: gastown rig add NAME URL --gate 'test=make test'\n".to_owned();
    }
    table(rows).render(pen)
}

/// The table of `rig list`, and of the rigs in `status`.
pub(super) fn table(rows: &[RigRow]) -> Table {
    let mut table = Table::new([
        Column::new("RIG"),
        Column::new("PREFIX"),
        Column::new("BRANCH"),
        Column::right("WORKERS"),
        Column::right("OPEN"),
        Column::right("WAITING"),
        Column::flexible("GATES"),
        Column::new("PAUSED"),
        Column::flexible("REPOSITORY"),
    ]);
    for row in rows {
        table.row([
            cell(&row.name).tint(Tint::Cyan),
            cell(&row.prefix),
            cell(&row.default_branch),
            cell(row.max_workers),
            cell(row.open),
            cell(row.waiting),
            cell(row.gates.join(", ")),
            cell(if row.parked { "paused" } else { "" }).tint(Tint::Yellow),
            cell(&row.git_url).tint(Tint::Dim),
        ]);
    }
    table
}

/// What `install` made, and what to type next.
pub(crate) fn installed(made: &Installed) -> String {
    let town = line(&made.town.display().to_string());
    let notes: String = made.notes.iter().map(|note| format!("{}\n", line(note))).collect();
    format!(
        "Made the town {} in {town}; its agents use the preset {}\n{notes}\
         Next: cd {town}, then gastown rig add NAME URL --gate 'test=make test'\n",
        line(&made.name),
        line(&made.agent),
    )
}
