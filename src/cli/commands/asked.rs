//! What questions about beads have found, as people see it.

use model::answer::ClosedReport;
use model::work::{
    BeadLine, BlockedRow, Branch, Counted, DepRow, EpicRow, Explained, Found, GateRow, Graph, MemoryRow,
    Stats, Wave,
};

use super::bead::status_tint;
use crate::args::View;
use crate::args::formula::Format;
use crate::output::{Column, Pen, Table, Tint, ago, block, cell, count, line};

/// What was found.
pub(super) fn found(found: &Found, view: View, pen: &Pen) -> String {
    match found {
        Found::Explained(rows) => explained(rows, pen),
        Found::Blocked(rows) => blocked(rows, pen),
        Found::Counted(counted) => counted_text(counted),
        Found::Tree(rows) => tree(rows, pen),
        Found::Deps(rows) => deps(rows, pen),
        Found::Cycles(circles) => cycles(circles),
        Found::Epics(rows) => epics(rows, pen),
        Found::Waves(rows) => waves(rows, pen),
        Found::Stats(all) => stats(all),
        Found::Graph(all) => graph(all, view, pen),
        Found::Labels(groups) => {
            groups.iter().map(|group| format!("{:>6}  {}\n", group.count, line(&group.group))).collect()
        }
        Found::Duplicates(groups) => duplicates(groups, pen),
        Found::Gates(rows) => gates(rows, pen),
        Found::Memories(rows) => memories(rows, pen),
    }
}

/// A bead in one line.
fn one(bead: &BeadLine, pen: &Pen) -> String {
    format!(
        "{} {} {}  {}",
        pen.paint(Tint::Cyan, bead.id.as_str()),
        bead.priority,
        pen.paint(status_tint(bead.status), bead.status.as_str()),
        line(&bead.title)
    )
}

fn explained(rows: &[Explained], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no beads match\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let (word, tint) = if row.ready { ("ready", Tint::Green) } else { ("not ready", Tint::Yellow) };
        text.push_str(&format!("{}: {}\n", one(&row.bead, pen), pen.paint(tint, word)));
        for reason in &row.reasons {
            text.push_str(&format!("    {}\n", line(reason)));
        }
    }
    let ready = rows.iter().filter(|row| row.ready).count();
    text.push_str(&format!("{} of {} ready\n", ready, count(rows.len(), "bead")));
    text
}

fn blocked(rows: &[BlockedRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nothing is held up\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let by: Vec<&str> = row.blocked_by.iter().map(|id| id.as_str()).collect();
        let by = if by.is_empty() { "by hand".to_owned() } else { format!("by {}", by.join(", ")) };
        text.push_str(&format!("{}\n    held up {by}\n", one(&BeadLine::from(&row.bead), pen)));
    }
    text
}

fn counted_text(counted: &Counted) -> String {
    let mut text = String::new();
    for group in &counted.groups {
        let name = if group.group.is_empty() { "(none)".to_owned() } else { line(&group.group) };
        text.push_str(&format!("{:>8}  {name}\n", group.count));
    }
    text + &format!("{}\n", counted.count)
}

fn tree(rows: &[Branch], pen: &Pen) -> String {
    let mut text = String::new();
    for row in rows {
        let bead = match &row.bead {
            Some(bead) => one(bead, pen),
            None => format!("{} (not there)", pen.paint(Tint::Cyan, row.id.as_str())),
        };
        let via = row.via.map(|kind| format!(" ({kind})")).unwrap_or_default();
        let again = if row.again { " …" } else { "" };
        text.push_str(&format!("{}{bead}{}{again}\n", "  ".repeat(row.depth), pen.paint(Tint::Dim, &via)));
    }
    text
}

fn deps(rows: &[DepRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no dependencies\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let bead = row.bead.as_ref().map_or_else(|| format!("{} (not there)", row.id), |bead| one(bead, pen));
        text.push_str(&format!("{bead}  {}\n", pen.paint(Tint::Dim, &format!("({})", row.kind))));
    }
    text
}

fn cycles(circles: &[Vec<model::ids::BeadId>]) -> String {
    if circles.is_empty() {
        return "no dependencies go round in a circle\n".to_owned();
    }
    let mut text = String::new();
    for circle in circles {
        let ids: Vec<&str> = circle.iter().map(|id| id.as_str()).collect();
        text.push_str(&format!("{}\n", ids.join(", ")));
    }
    text.push_str(
        "Each of a line waits for all others of it; take an arrow away with `gastown bead dep remove`\n",
    );
    text
}

fn epics(rows: &[EpicRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no open epics: gastown bead create \"TITLE\" --type epic\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let roll_up = &row.roll_up;
        text.push_str(&format!(
            "{}\n    {} of {} closed{}\n",
            one(&row.bead, pen),
            roll_up.closed_children,
            count(roll_up.total_children, "part"),
            if roll_up.eligible_for_close { ", ready to be closed" } else { "" },
        ));
        if !roll_up.blocked_children.is_empty() {
            let held: Vec<&str> = roll_up.blocked_children.iter().map(|id| id.as_str()).collect();
            text.push_str(&format!("    held up: {}\n", held.join(", ")));
        }
    }
    text
}

/// Beads in waves.
pub(super) fn waves(rows: &[Wave], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nothing is left to do\n".to_owned();
    }
    let mut text = String::new();
    for wave in rows {
        match wave.wave {
            0 => text.push_str("held up from outside, or for ever:\n"),
            n => text.push_str(&format!("wave {n}:\n")),
        }
        for bead in &wave.beads {
            text.push_str(&format!("    {}\n", one(bead, pen)));
        }
    }
    text
}

fn stats(all: &Stats) -> String {
    let groups = |groups: &std::collections::BTreeMap<String, usize>| {
        groups.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
    };
    format!(
        "{}: {}\n  {}\n  {}\n{} ready, {} held up, {} of epics can be closed\n{:.1} hours from made to closed, on average\n",
        count(all.total_issues, "bead"),
        line(&groups(&all.by_status)),
        line(&groups(&all.by_type)),
        groups(&all.by_priority),
        all.ready_issues,
        all.blocked_issues,
        all.epics_eligible_for_closure,
        all.average_lead_time_hours,
    )
}

fn graph(all: &Graph, view: View, pen: &Pen) -> String {
    // In these languages a quote ends a name, and a line ends a statement.
    let plain = |text: &str| line(text).replace('\\', "\\\\").replace('"', "'");
    match view {
        View::Graph(Format::Dot) => {
            let mut text = "digraph beads {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
            for bead in &all.nodes {
                text.push_str(&format!(
                    "  \"{}\" [label=\"{}\\n{}\"];\n",
                    bead.id,
                    bead.id,
                    plain(&bead.title)
                ));
            }
            for (from, to, kind) in &all.edges {
                text.push_str(&format!("  \"{to}\" -> \"{from}\" [label=\"{}\"];\n", plain(kind.as_str())));
            }
            text + "}\n"
        }
        View::Graph(Format::Mermaid) => {
            let mut text = "flowchart LR\n".to_owned();
            let at = |id: &model::ids::BeadId| {
                all.nodes.iter().position(|bead| bead.id == *id).unwrap_or_default()
            };
            for (number, bead) in all.nodes.iter().enumerate() {
                text.push_str(&format!("  n{number}[\"{}: {}\"]\n", bead.id, plain(&bead.title)));
            }
            for (from, to, kind) in &all.edges {
                text.push_str(&format!("  n{} -- {} --> n{}\n", at(to), plain(kind.as_str()), at(from)));
            }
            text
        }
        _ => {
            let mut text = String::new();
            for bead in &all.nodes {
                text.push_str(&format!("{}\n", one(bead, pen)));
                for (_, to, kind) in all.edges.iter().filter(|(from, _, _)| *from == bead.id) {
                    text.push_str(&format!("    {kind} {to}\n"));
                }
            }
            if text.is_empty() { "nothing to draw\n".to_owned() } else { text }
        }
    }
}

fn duplicates(groups: &[Vec<BeadLine>], pen: &Pen) -> String {
    if groups.is_empty() {
        return "no two titles say the same\n".to_owned();
    }
    let mut text = String::new();
    for group in groups {
        for bead in group {
            text.push_str(&format!("{}\n", one(bead, pen)));
        }
        text.push_str(&format!(
            "    the same? gastown bead duplicate {} --of {}\n",
            group[group.len() - 1].id,
            group[0].id
        ));
    }
    text
}

fn gates(rows: &[GateRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nothing waits at a gate\n".to_owned();
    }
    let mut table = Table::new([
        Column::new("GATE"),
        Column::new("KIND"),
        Column::flexible("FOR"),
        Column::new("STATE"),
        Column::flexible("WHAT WAITS"),
    ]);
    for row in rows {
        let state = match (row.open, row.since, row.until) {
            (true, _, _) => cell("open").tint(Tint::Green),
            (false, None, _) => cell("not reached").tint(Tint::Dim),
            (false, Some(_), Some(until)) => cell(format!("until {until}")).tint(Tint::Yellow),
            (false, Some(since), None) => cell(format!("since {}", ago(pen.now, since))).tint(Tint::Yellow),
        };
        let awaited = row.await_id.as_deref().unwrap_or_default();
        table.row([cell(&row.id).tint(Tint::Cyan), cell(&row.kind), cell(awaited), state, cell(&row.waits)]);
    }
    table.render(pen)
}

fn memories(rows: &[MemoryRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nothing is kept in mind: gastown bead remember \"TEXT\"\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        text.push_str(&format!("{}  {}\n", pen.paint(Tint::Cyan, &line(&row.key)), block(&row.value)));
    }
    text
}

/// What was closed, and what can be begun because of it.
pub(super) fn closed(report: &ClosedReport, pen: &Pen) -> String {
    let mut text: String = report.closed.iter().map(|id| format!("Closed bead {id}\n")).collect();
    if !report.unblocked.is_empty() {
        text.push_str("Can be begun now:\n");
        for bead in &report.unblocked {
            text.push_str(&format!("    {}\n", one(bead, pen)));
        }
    }
    text
}
