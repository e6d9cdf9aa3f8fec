//! Beads as people see them.

use std::sync::Arc;

use model::answer::BeadPage;
use model::bead::{Bead, DepType, Priority, Status};
use model::command::Command;
use model::ids::BeadId;

use crate::args::View;
use crate::output::{Column, Pen, Table, Tint, ago, block, cell, line};

/// Lines of a failed session's terminal on a bead's page.
const LAST_WORDS: usize = 12;

pub(super) fn status_tint(status: Status) -> Tint {
    match status {
        Status::Open => Tint::Plain,
        Status::InProgress | Status::Hooked => Tint::Cyan,
        Status::Blocked => Tint::Red,
        Status::Deferred | Status::Pinned => Tint::Yellow,
        Status::Closed => Tint::Green,
        Status::Foreign(_) => Tint::Dim,
    }
}

fn priority_tint(priority: Priority) -> Tint {
    match u8::from(priority) {
        0 => Tint::Red,
        1 => Tint::Yellow,
        2 => Tint::Plain,
        _ => Tint::Dim,
    }
}

/// Beads as a table.
pub(super) fn list(beads: &[Arc<Bead>], command: &Command, pen: &Pen) -> String {
    if beads.is_empty() {
        return match command {
            Command::BeadReady(_) => {
                "nothing is ready: `gastown bead list` shows what is held up, and \
                                      `gastown bead create \"TITLE\"` makes new work\n"
            }
            Command::BeadList(filter) if *filter == Default::default() => {
                "no beads yet: gastown bead create \"TITLE\"\n"
            }
            _ => "no beads match; `gastown bead list --all` shows every one\n",
        }
        .to_owned();
    }
    let mut table = Table::new([
        Column::new("ID"),
        Column::new("PRI"),
        Column::new("TYPE"),
        Column::new("STATUS"),
        Column::flexible("TITLE"),
        Column::flexible("ASSIGNEE"),
        Column::flexible("LABELS"),
    ]);
    for bead in beads {
        table.row([
            cell(&bead.id).tint(Tint::Cyan),
            cell(bead.priority).tint(priority_tint(bead.priority)),
            cell(bead.issue_type),
            cell(bead.status).tint(status_tint(bead.status)),
            cell(&bead.title),
            cell(bead.assignee.as_deref().unwrap_or_default()),
            cell(bead.labels.join(",")).tint(Tint::Dim),
        ]);
    }
    table.render(pen)
}

/// One bead with everything known about it.
pub(super) fn page(shown: &BeadPage, pen: &Pen) -> String {
    let bead = &shown.bead;
    let mut page = format!(
        "{}  {}\n",
        pen.paint(Tint::Cyan, bead.id.as_str()),
        pen.paint(Tint::Bold, &line(&bead.title))
    );
    let mut facts = vec![
        format!("status {}", pen.paint(status_tint(bead.status), bead.status.as_str())),
        format!("priority {}", pen.paint(priority_tint(bead.priority), &bead.priority.to_string())),
        format!("type {}", bead.issue_type),
    ];
    if let Some(rig) = &bead.rig {
        facts.push(format!("rig {rig}"));
    }
    if let Some(assignee) = &bead.assignee {
        facts.push(format!("assignee {}", line(assignee)));
    }
    page.push_str(&format!("  {}\n", facts.join(", ")));
    if !bead.labels.is_empty() {
        page.push_str(&format!("  labels {}\n", line(&bead.labels.join(", "))));
    }
    let mut times = format!("created {} by {}", ago(pen.now, bead.created_at.at()), line(&bead.created_by));
    if let Some(closed) = &bead.closed_at {
        times.push_str(&format!(", closed {}", ago(pen.now, closed.at())));
    } else if bead.updated_at != bead.created_at {
        times.push_str(&format!(", changed {}", ago(pen.now, bead.updated_at.at())));
    }
    page.push_str(&format!("  {times}\n"));
    if let Some(reason) = &bead.close_reason {
        page.push_str(&format!("  because {}\n", line(reason)));
    }
    let mut section = |head: &str, text: &str| {
        if !text.trim().is_empty() {
            page.push_str(&format!("\n{}\n{}\n", pen.paint(Tint::Bold, head), text.trim_end()));
        }
    };
    section("Description", &block(&bead.description));
    section("Done when", &block(&bead.acceptance_criteria));
    section("Design", &block(bead.text("design")));
    section("Notes", &block(bead.text("notes")));
    let mut more = String::new();
    for (what, name) in [("due", "due_at"), ("put off until", "defer_until")] {
        if let Some(at) = bead.time(name) {
            more.push_str(&format!("  {what} {at}\n"));
        }
    }
    if let Some(minutes) = bead.estimate() {
        more.push_str(&format!("  estimated at {minutes} minutes\n"));
    }
    if !bead.text("external_ref").is_empty() {
        more.push_str(&format!("  elsewhere {}\n", line(bead.text("external_ref"))));
    }
    let metadata = bead.metadata();
    if !metadata.is_empty() {
        more.push_str(&format!("  metadata {}\n", line(&serde_json::Value::Object(metadata).to_string())));
    }
    section("More", &more);
    if let Some(roll_up) = &shown.roll_up {
        let mut text = format!("  {} of {} closed\n", roll_up.closed_children, roll_up.total_children);
        if !roll_up.blocked_children.is_empty() {
            let held: Vec<&str> = roll_up.blocked_children.iter().map(|id| id.as_str()).collect();
            text.push_str(&format!("  held up: {}\n", held.join(", ")));
        }
        if roll_up.tokens > 0 {
            text.push_str(&format!("  {} tokens so far\n", crate::output::thousands(roll_up.tokens)));
        }
        section("Parts", &text);
    }
    let dependents: String = shown
        .dependents
        .iter()
        .map(|row| {
            let title = row.bead.as_ref().map(|bead| line(&bead.title)).unwrap_or_default();
            format!("  {} ({})  {title}\n", row.id, row.kind)
        })
        .collect();
    section("Needed by", &dependents);
    let deps: String =
        bead.dependencies.iter().map(|dep| format!("  {} ({})\n", dep.depends_on_id, dep.kind)).collect();
    section("Depends on", &deps);
    let comments: String = bead
        .comments
        .iter()
        .map(|c| format!("  {}, {}: {}\n", line(&c.author), ago(pen.now, c.created_at.at()), block(&c.text)))
        .collect();
    section("Comments", &comments);
    if let Some(failure) = &shown.failure_context {
        let mut text = format!(
            "  {}, {}, {}: {}\n",
            ago(pen.now, failure.at),
            failure.agent,
            pen.paint(Tint::Red, failure.verdict.as_str()),
            line(&failure.detail)
        );
        if let Some(doing) = &failure.doing {
            text.push_str(&format!("  at {}\n", line(doing)));
        }
        if let Some(until) = shown.not_before.filter(|until| *until > pen.now) {
            text.push_str(&format!("  not tried again before {until}\n"));
        }
        for stat in failure.diff.iter().flat_map(|diff| diff.lines()) {
            text.push_str(&format!("  {}\n", line(stat)));
        }
        // Its last words; all of them are in `--json`.
        let said: Vec<&str> = failure.output.iter().flat_map(|output| output.lines()).collect();
        let last = said.len().saturating_sub(LAST_WORDS);
        for said in &said[last..] {
            text.push_str(&format!("  | {}\n", line(said)));
        }
        section(&format!("What went wrong last ({} failed sessions)", shown.failures), &text);
    }
    page
}

/// The beads of a plan.
pub(super) fn made(beads: &[Arc<Bead>], dry_run: bool, view: View, pen: &Pen) -> String {
    if view == View::Ids {
        return beads.iter().map(|bead| format!("{}\n", bead.id)).collect();
    }
    let verb = if dry_run { "Would create" } else { "Created" };
    let line_of = |bead: &Arc<Bead>| {
        let deps: Vec<String> =
            bead.dependencies.iter().map(|dep| format!("{} {}", dep.kind, dep.depends_on_id)).collect();
        let deps = if deps.is_empty() { String::new() } else { format!("  <- {}", deps.join(", ")) };
        let id = pen.paint(Tint::Cyan, bead.id.as_str());
        format!("{verb} bead {id}  {}{}\n", line(&bead.title), pen.paint(Tint::Dim, &deps))
    };
    beads.iter().map(line_of).collect()
}

/// The parts of a bead.
pub(super) fn split(beads: &[Arc<Bead>], whole: &BeadId, dry_run: bool, pen: &Pen) -> String {
    if beads.is_empty() {
        return format!("{whole} has all these parts already\n");
    }
    let text = made(beads, dry_run, View::Usual, pen);
    if dry_run { text + "Nothing was made; say it again with --yes\n" } else { text }
}

/// What was done to which beads.
pub(super) fn touched(ids: &[BeadId], command: &Command) -> String {
    if let Command::DepAdd { bead, on, kind } = command {
        let kind =
            kind.map(|kind| if kind == DepType::Blocks { String::new() } else { format!(" ({kind})") });
        return format!("{bead} now depends on {on}{}\n", kind.unwrap_or_default());
    }
    let verb = match command {
        Command::BeadClose { .. } => "Closed",
        Command::BeadReopen { .. } => "Reopened",
        Command::Unsling { .. } => "Took back",
        _ => "Updated",
    };
    if ids.is_empty() {
        return "Nothing to do\n".to_owned();
    }
    ids.iter().map(|id| format!("{verb} bead {id}\n")).collect()
}
