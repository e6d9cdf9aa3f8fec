//! Rigs as people see them, and the town that was made.

use model::answer::{Examined, FreezeReport, Health, Pause, RigRow};
use model::command::Command;

use crate::host::{Installed, ServiceReport};
use crate::output::{Column, Pen, Table, Tint, cell, count, line};

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

/// What stands still now, or goes on.
pub(super) fn freeze(report: &FreezeReport, command: &Command) -> String {
    let sessions = count(report.sessions, "session");
    match (&report.frozen, report.changed) {
        (Some(pause), true) => format!(
            "Everything stands still {}: {sessions}, and no new one\nLet it go on with `gastown thaw`\n",
            line(&pause.told())
        ),
        (Some(pause), false) => format!("Everything stands still already, {}\n", line(&pause.told())),
        (None, true) => format!("Everything goes on: {sessions}\n"),
        (None, false) if matches!(command, Command::Thaw) => "Nothing stands still\n".to_owned(),
        (None, false) => String::new(),
    }
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
        Column::flexible("PAUSED"),
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
            cell(paused(row)).tint(Tint::Yellow),
            cell(&row.git_url).tint(Tint::Dim),
        ]);
    }
    table
}

/// Why a rig does not work, if it does not.
fn paused(row: &RigRow) -> String {
    match (&row.pause, row.stopped) {
        (_, true) => "stopped".to_owned(),
        (Some(Pause { reason: Some(reason), .. }), _) => format!("parked: {reason}"),
        (Some(_), _) => "parked".to_owned(),
        (None, _) if row.parked => "parked".to_owned(),
        (None, _) => String::new(),
    }
}

/// What was done about the service, how it is, and what is left to do.
pub(crate) fn service(report: &ServiceReport, pen: &Pen) -> String {
    if let Some(text) = &report.text {
        return format!("{}\n\n{text}", pen.paint(Tint::Dim, &format!("# {}", report.file.display())));
    }
    let mut page = String::new();
    if report.action == "status" {
        let (text, tint) = match (report.installed, report.active.as_deref()) {
            (false, _) => ("not installed".to_owned(), Tint::Yellow),
            (true, Some(active @ ("active" | "loaded"))) => (active.to_owned(), Tint::Green),
            (true, active) => (active.unwrap_or("its manager does not answer").to_owned(), Tint::Yellow),
        };
        page.push_str(&format!("{}  {}\n", report.name, pen.paint(tint, &line(&text))));
        if report.installed {
            page.push_str(&format!("  {}\n", line(&report.file.display().to_string())));
            let enabled = report.enabled.as_deref().unwrap_or("unknown");
            page.push_str(&format!("  at login: {}\n", line(enabled)));
            if let Some(lingers) = report.lingers {
                page.push_str(&format!(
                    "  at boot, and without a login: {}\n",
                    if lingers { "yes" } else { "no" }
                ));
            }
        }
    }
    for did in &report.did {
        page.push_str(&format!("{}\n", line(did)));
    }
    for left in &report.left {
        page.push_str(&format!("{} {}\n", pen.paint(Tint::Yellow, "left to do:"), line(left)));
    }
    page
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
