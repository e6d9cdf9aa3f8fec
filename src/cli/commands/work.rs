//! Hooks, slings, convoys and workflows as people see them.

use model::answer::{ConvoyRow, HookRow, MolRow, SlungReport, StepRow};
use model::command::Command;
use model::molecule::Digest;
use model::work::Found;

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
    if let Command::ConvoyAdd { .. } = command {
        return format!("Convoy {} has {} now\n", row.convoy.id, count(row.total, "bead"));
    }
    let mut more = String::new();
    if let Some(eta) = row.eta {
        more.push_str(&format!("  at this pace all of it has arrived by {eta}\n"));
    }
    if let Some(sling) = &row.convoy.sling {
        more.push_str(&format!("  slung to {}\n", line(&sling.target)));
    }
    if !row.stranded.is_empty() {
        let ids: Vec<&str> = row.stranded.iter().map(|id| id.as_str()).collect();
        more.push_str(&format!("  nobody has been given {}\n", ids.join(", ")));
    }
    if !row.waves.is_empty() {
        more.push_str(&super::asked::waves(&row.waves, pen));
    }
    format!(
        "{}  {}\n  {}, {} of {} closed, for {}, since {}\n  {}\n{more}",
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
        "leased" => ("●", Tint::Cyan),
        "gated" => ("◌", Tint::Yellow),
        _ => ("·", Tint::Dim),
    }
}

/// A workflow and how far it has come.
pub(super) fn mol(mol: Option<&MolRow>, view: View, pen: &Pen) -> String {
    let Some(mol) = mol else { return "no workflow guides what hangs on this hook\n".to_owned() };
    let done = mol.steps.iter().filter(|step| step.state == "done").count();
    if view == View::Progress {
        let share = if mol.steps.is_empty() { 100 } else { done * 100 / mol.steps.len() };
        return format!(
            "{} ({}): {done} of {}, {share} %\n",
            mol.id,
            line(&mol.formula),
            count(mol.steps.len(), "step")
        );
    }
    if view == View::Waves {
        return dag(mol, pen);
    }
    if view == View::Current {
        let leased = mol.steps.iter().find(|step| step.state == "leased");
        return match leased.or_else(|| mol.steps.iter().find(|step| step.state == "ready")) {
            None if done < mol.steps.len() => {
                let gated = mol.steps.iter().filter(|step| step.state == "gated");
                let gated: Vec<String> = gated.map(|step| format!("  {}", waits(step))).collect();
                format!("nothing can be done now; it waits:\n{}\n", gated.join("\n"))
            }
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
    let mut text =
        format!("{} ({}) for {}: {done} of {}\n", mol.id, line(&mol.formula), mol.bead, mol.steps.len());
    for step in &mol.steps {
        let (mark, tint) = mark(step);
        let id = pen.paint(Tint::Cyan, &line(&step.id));
        text.push_str(&format!("  {} {id}  {}\n", pen.paint(tint, mark), line(&step.title)));
        if let Some(by) = &step.by {
            text.push_str(&format!("      {by} works at it\n"));
        }
        if step.state == "gated" {
            text.push_str(&format!("      {}\n", waits(step)));
        }
    }
    text
}

/// What a step waits for at its gates.
fn waits(step: &StepRow) -> String {
    let shut = step.gates.iter().filter(|gate| !gate.open).map(|gate| {
        let what = gate.await_id.as_deref().map(|what| format!(" {}", line(what))).unwrap_or_default();
        let until = gate.until.map(|until| format!(" until {until}")).unwrap_or_default();
        format!("{}{what}{until} ({})", line(&gate.kind), line(&gate.id))
    });
    format!("{} waits for {}", line(&step.id), shut.collect::<Vec<_>>().join(", "))
}

/// The steps in waves: what can be done at once, and what comes after it.
fn dag(mol: &MolRow, pen: &Pen) -> String {
    let mut wave_of: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for step in &mol.steps {
        let after = step.needs.iter().filter_map(|need| wave_of.get(need.as_str()).copied()).max();
        wave_of.insert(&step.id, after.map_or(1, |wave| wave + 1));
    }
    let last = wave_of.values().copied().max().unwrap_or_default();
    let mut text = format!("{} in {}\n", count(mol.steps.len(), "step"), count(last, "wave"));
    for wave in 1..=last {
        let steps = mol.steps.iter().filter(|step| wave_of.get(step.id.as_str()) == Some(&wave));
        for (at, step) in steps.enumerate() {
            let number = if at == 0 { format!("{wave:>4}") } else { "    ".to_owned() };
            let (mark, tint) = mark(step);
            let needs =
                if step.needs.is_empty() { String::new() } else { format!("  <- {}", step.needs.join(", ")) };
            let id = pen.paint(Tint::Cyan, &line(&step.id));
            text.push_str(&format!(
                "{number}  {} {id}{}\n",
                pen.paint(tint, mark),
                pen.paint(Tint::Dim, &line(&needs))
            ));
        }
    }
    text
}

/// Molecules as a table.
pub(super) fn mols(rows: &[MolRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no molecule runs: gastown mol pour FORMULA\n".to_owned();
    }
    let mut table = Table::new([
        Column::new("ID"),
        Column::new("PHASE"),
        Column::flexible("FORMULA"),
        Column::new("BEAD"),
        Column::right("DONE"),
        Column::new("SINCE"),
    ]);
    for row in rows {
        let done = row.steps.iter().filter(|step| step.state == "done").count();
        table.row([
            cell(&row.id).tint(Tint::Cyan),
            cell(&row.phase),
            cell(&row.formula),
            cell(&row.bead),
            cell(format!("{done}/{}", row.steps.len())),
            cell(ago(pen.now, row.created_at)).tint(Tint::Dim),
        ]);
    }
    table.render(pen)
}

/// What is left of molecules that were put away.
pub(super) fn digest(digest: &Digest) -> String {
    let mut text = format!(
        "Squashed {} into {}\n  {}: {} of them done, {} of {} steps done in {} s\n  records {} to {}\n",
        count(digest.count, "molecule"),
        digest.id,
        line(&digest.formulas.join(", ")),
        digest.completed,
        digest.steps_done,
        digest.steps,
        digest.seconds,
        digest.first.0,
        digest.last.0,
    );
    if !digest.summary.is_empty() {
        text.push_str(&format!("  {}\n", line(&digest.summary)));
    }
    text
}

/// What is kept in mind now.
pub(super) fn remembered(found: &Found) -> String {
    match found {
        Found::Memories(rows) => {
            rows.iter().map(|row| format!("Remembered as {}\n", line(&row.key))).collect()
        }
        _ => String::new(),
    }
}
