//! Hooks, slings, convoys and workflows as people see them.

use model::answer::{ConvoyRow, HookRow, MolRow, SlungReport, StepRow};
use model::command::Command;

use crate::args::View;
use crate::output::{Column, Pen, Table, Tint, ago, block, cell, count, line};

/// What hangs on a hook.
pub(super) fn hook(row: Option<&HookRow>, pen: &Pen) -> String {
    let Some(row) = row else {
        return "nothing hangs on this hook; `gastown mail inbox` may hold more\n".to_owned();
    };
    let mut text = format!("HOOKED: {}  {}\n", pen.paint(Tint::Cyan, row.bead.as_str()), line(&row.title));
    let attempt = if row.attempt > 0 { format!(", attempt {}", row.attempt) } else { String::new() };
    text.push_str(&format!(
        "  {} for {}{attempt}, since {}\n",
        row.stage,
        row.agent,
        ago(pen.now, row.since)
    ));
    if let Some(mol) = &row.mol {
        let step = row.step.as_deref().unwrap_or("all steps are done");
        text.push_str(&format!("  mol {mol}, next step: {}\n", line(step)));
    }
    text
}

/// What a sling did or would do.
pub(super) fn slung(report: &SlungReport, pen: &Pen) -> String {
    let mut text = String::new();
    for row in &report.beads {
        let outcome = if report.dry_run { format!("would be {}", row.outcome) } else { row.outcome.clone() };
        text.push_str(&format!(
            "{} → {}: {}\n",
            pen.paint(Tint::Cyan, row.bead.as_str()),
            line(&row.target),
            line(&outcome)
        ));
    }
    if let Some(convoy) = &report.convoy {
        text.push_str(&format!("They travel as convoy {convoy}: gastown convoy status {convoy}\n"));
    }
    text
}

fn state(row: &ConvoyRow) -> (&'static str, Tint) {
    if row.convoy.closed_at.is_some() { ("arrived", Tint::Green) } else { ("on the road", Tint::Yellow) }
}

/// One convoy.
pub(super) fn convoy(row: &ConvoyRow, command: &Command, pen: &Pen) -> String {
    if matches!(command, Command::ConvoyCreate { .. }) {
        return format!("Created convoy {} of {}\n", row.convoy.id, count(row.total, "bead"));
    }
    let (word, tint) = state(row);
    let beads: Vec<&str> = row.convoy.beads.iter().map(|bead| bead.as_str()).collect();
    format!(
        "{}  {}\n  {}, {} of {} closed, for {}, since {}\n  {}\n",
        pen.paint(Tint::Cyan, row.convoy.id.as_str()),
        pen.paint(Tint::Bold, &line(&row.convoy.name)),
        pen.paint(tint, word),
        row.closed,
        row.total,
        line(&row.convoy.owner),
        ago(pen.now, row.convoy.created_at),
        beads.join(", "),
    )
}

/// Convoys as a table.
pub(super) fn convoys(rows: &[ConvoyRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no convoy is on the road: gastown convoy create NAME BEAD…\n".to_owned();
    }
    let mut table = Table::new([
        Column::new("ID"),
        Column::flexible("NAME"),
        Column::new("STATE"),
        Column::right("CLOSED"),
        Column::new("SINCE"),
    ]);
    for row in rows {
        let (word, tint) = state(row);
        table.row([
            cell(&row.convoy.id).tint(Tint::Cyan),
            cell(&row.convoy.name),
            cell(word).tint(tint),
            cell(format!("{}/{}", row.closed, row.total)),
            cell(ago(pen.now, row.convoy.created_at)).tint(Tint::Dim),
        ]);
    }
    table.render(pen)
}

fn mark(step: &StepRow) -> (&'static str, Tint) {
    match step.state.as_str() {
        "done" => ("✓", Tint::Green),
        "ready" => ("▶", Tint::Yellow),
        _ => ("·", Tint::Dim),
    }
}

/// A workflow and how far it has come.
pub(super) fn mol(mol: Option<&MolRow>, view: View, pen: &Pen) -> String {
    let Some(mol) = mol else { return "no workflow guides what hangs on this hook\n".to_owned() };
    if view == View::Current {
        return match mol.steps.iter().find(|step| step.state == "ready") {
            None => "all steps are done: gastown done\n".to_owned(),
            Some(step) => format!(
                "{}  {}\n\n{}\n\nWhen it is done: gastown mol step done {}\n",
                pen.paint(Tint::Cyan, &line(&step.id)),
                pen.paint(Tint::Bold, &line(&step.title)),
                block(&step.description).trim_end(),
                line(&step.id),
            ),
        };
    }
    let done = mol.steps.iter().filter(|step| step.state == "done").count();
    let mut text =
        format!("{} ({}) for {}: {done} of {}\n", mol.id, line(&mol.formula), mol.bead, mol.steps.len());
    for step in &mol.steps {
        let (mark, tint) = mark(step);
        let id = pen.paint(Tint::Cyan, &line(&step.id));
        text.push_str(&format!("  {} {id}  {}\n", pen.paint(tint, mark), line(&step.title)));
    }
    text
}
