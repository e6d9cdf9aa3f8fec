//! Escalations as people see them.

use std::time::Duration;

use model::command::Command;
use model::escalation::{EscalationRow, NoticeState, Severity, Stage, StaleRow};

use crate::output::{Column, Pen, Table, Tint, ago, block, cell, count, line, span, when};

fn tint(severity: Severity) -> Tint {
    match severity {
        Severity::Critical | Severity::High => Tint::Red,
        Severity::Medium => Tint::Yellow,
        Severity::Low => Tint::Plain,
    }
}

/// Several: what there is, or what was done with them.
pub(super) fn rows(rows: &[EscalationRow], command: &Command, pen: &Pen) -> String {
    let did = |what: &str| {
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        format!("{what} {}\n", ids.join(", "))
    };
    match command {
        Command::EscalateAck { .. } => rows.iter().map(acked).collect(),
        Command::EscalateClose { .. } => rows.iter().map(closed).collect(),
        Command::EscalateRetry { .. } => did("Sending again what did not go through of"),
        Command::EscalateList { .. } if rows.is_empty() => {
            "nothing that anybody has to know; what is settled: gastown escalate list --all\n".to_owned()
        }
        _ => list(rows, pen),
    }
}

fn acked(row: &EscalationRow) -> String {
    match (&row.acked_by, row.state) {
        (_, Stage::Closed) => format!("{} is settled already\n", row.id),
        (Some(by), _) => format!("{} is acknowledged by {by}\n", row.id),
        (None, _) => format!("{} is acknowledged\n", row.id),
    }
}

fn closed(row: &EscalationRow) -> String {
    let how = row.close_reason.as_deref().map(line).unwrap_or_default();
    format!("{} is settled: {how}\n", row.id)
}

fn list(rows: &[EscalationRow], pen: &Pen) -> String {
    let mut table = Table::new([
        Column::new(" "),
        Column::new("ID"),
        Column::new("SEVERITY"),
        Column::new("STATE"),
        Column::new("AGE"),
        Column::new("OWNER"),
        Column::flexible("SUBJECT"),
    ]);
    for row in rows {
        let over = row.state == Stage::Closed;
        // It has climbed because nobody took note.
        let climbed = if row.severity == row.raised_as { "" } else { "↑" };
        table.row([
            cell(if undelivered(row) > 0 { "!" } else { "" }).tint(Tint::Red),
            cell(&row.id).tint(Tint::Cyan),
            cell(format!("{}{climbed}", row.severity)).tint(if over {
                Tint::Dim
            } else {
                tint(row.severity)
            }),
            cell(row.state),
            cell(span(Duration::from_secs(row.age_s))).tint(Tint::Dim),
            cell(row.owner.as_ref().map(ToString::to_string).unwrap_or_default()),
            cell(&row.subject).tint(if row.state == Stage::Open { Tint::Bold } else { Tint::Plain }),
        ]);
    }
    let mut text = table.render(pen);
    let lost: usize = rows.iter().map(undelivered).sum();
    if lost > 0 {
        text.push_str(&format!("! {} undelivered: gastown escalate show ID\n", count(lost, "message")));
    }
    text
}

fn undelivered(row: &EscalationRow) -> usize {
    let lost = |state| matches!(state, NoticeState::Failing | NoticeState::Failed | NoticeState::Unknown);
    let open = row.state == Stage::Open;
    row.notices
        .iter()
        .filter(|notice| open && notice.round == row.reescalations && lost(notice.state))
        .count()
}

/// What was raised, or would be, and by which ways.
pub(super) fn raised(row: &EscalationRow, dry_run: bool) -> String {
    let mut text = match dry_run {
        true => format!("Would escalate [{}] {}\n", row.severity, line(&row.subject)),
        false => format!("Escalated {} [{}] {}\n", row.id, row.severity, line(&row.subject)),
    };
    for notice in &row.notices {
        let what = match (&notice.detail, dry_run) {
            (Some(detail), false) => format!(": {}", line(detail)),
            _ => String::new(),
        };
        text.push_str(&format!("  → {}{what}\n", notice.route));
    }
    text
}

/// One, with everything.
pub(super) fn page(row: &EscalationRow, pen: &Pen) -> String {
    let mut text = format!(
        "{}  {}\n",
        pen.paint(Tint::Cyan, row.id.as_str()),
        pen.paint(Tint::Bold, &line(&row.subject)),
    );
    let severity = pen.paint(tint(row.severity), row.severity.as_str());
    let was = match row.reescalations {
        0 => String::new(),
        1 => format!(", was {}", row.raised_as),
        n => format!(", was {}, graver {n} times", row.raised_as),
    };
    text.push_str(&format!(
        "  [{severity}{was}] by {}, {} ({})\n",
        row.by,
        when(row.raised_at),
        ago(pen.now, row.raised_at)
    ));
    let bead = row.bead.as_ref().map(|bead| format!("bead {bead}"));
    let agent = row.agent.as_ref().map(|agent| format!("agent {agent}"));
    let source = row.source.as_ref().map(|source| format!("source {}", line(source)));
    let about: Vec<String> = [bead, agent, source].into_iter().flatten().collect();
    if !about.is_empty() {
        text.push_str(&format!("  {}\n", about.join(", ")));
    }
    if let Some(record) = &row.record {
        text.push_str(&format!("  held by {record}\n"));
    }
    text.push_str(&format!("  {}\n", state(row)));
    if let Some(note) = &row.note {
        text.push_str(&format!("  note: {}\n", line(note)));
    }
    if !row.body.trim().is_empty() {
        text.push_str(&format!("\n{}\n", block(&row.body).trim_end()));
    }
    if let Some(context) = &row.context {
        text.push_str(&block(&context.to_string()));
    }
    if !row.notices.is_empty() {
        text.push_str(&format!("\n{}\n{}", pen.paint(Tint::Bold, "Messages"), notices(row, pen)));
    }
    text
}

fn state(row: &EscalationRow) -> String {
    let who =
        |who: &Option<model::role::Address>| who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
    match row.state {
        Stage::Open => match &row.owner {
            Some(owner) => format!("open: waits for {owner}"),
            None => "open".to_owned(),
        },
        Stage::Acked => {
            format!("acknowledged{} {}", who(&row.acked_by), row.acked_at.map(when).unwrap_or_default())
        }
        Stage::Closed => {
            let how = row.close_reason.as_deref().map(|how| format!(": {}", line(how))).unwrap_or_default();
            format!("settled{} {}{how}", who(&row.closed_by), row.closed_at.map(when).unwrap_or_default())
        }
    }
}

fn notices(row: &EscalationRow, pen: &Pen) -> String {
    let mut table = Table::new([
        Column::new("ROUTE"),
        Column::new("STATE"),
        Column::right("TRIED"),
        Column::new("WHEN"),
        Column::flexible("DETAIL"),
    ])
    .indented(2);
    for notice in &row.notices {
        let tint = match notice.state {
            NoticeState::Delivered => Tint::Green,
            NoticeState::Failing | NoticeState::Unknown => Tint::Yellow,
            NoticeState::Failed => Tint::Red,
            NoticeState::Planned | NoticeState::Sending | NoticeState::Dropped => Tint::Dim,
        };
        table.row([
            cell(&notice.route),
            cell(notice.state).tint(tint),
            cell(if notice.attempts > 0 { notice.attempts.to_string() } else { String::new() }),
            cell(ago(pen.now, notice.at)).tint(Tint::Dim),
            cell(notice.detail.as_deref().unwrap_or_default()),
        ]);
    }
    table.render(pen)
}

/// When each becomes graver, and what has just become so.
pub(super) fn stale(rows: &[StaleRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nothing becomes graver by itself\n".to_owned();
    }
    let mut table = Table::new([
        Column::new("ID"),
        Column::new("SEVERITY"),
        Column::new("BECOMES"),
        Column::new("WHEN"),
        Column::flexible("SUBJECT"),
    ]);
    for row in rows {
        let when = match (row.done, row.due_at <= pen.now) {
            (true, _) => "just now".to_owned(),
            (false, true) => format!("overdue for {}", span(pen.now.since(row.due_at))),
            (false, false) => format!("in {}", span(row.due_at.since(pen.now))),
        };
        table.row([
            cell(&row.id).tint(Tint::Cyan),
            cell(row.severity).tint(tint(row.severity)),
            cell(row.to).tint(tint(row.to)),
            cell(when),
            cell(&row.subject),
        ]);
    }
    table.render(pen)
}
