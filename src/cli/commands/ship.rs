//! The merge queue as people see it.

use model::answer::{DirectReport, DoneReport, GateLog, MergeRow, QueueRow, WaitsRow};
use model::command::Command;
use model::ids::MergeId;

use crate::output::{Column, Pen, Table, Tint, ago, block, cell, line, when};

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
            _ => row.detail.clone().or_else(|| row.why.clone()),
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
    if row.hot {
        text.push_str("  a hot fix\n");
    }
    if let Some(why) = &row.why {
        text.push_str(&format!("  {}\n", line(why)));
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

/// What queues do and have learned.
pub(super) fn queues(rows: &[QueueRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no rig yet; gastown rig add NAME URL\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let state = match row.target.as_str() {
            "green" => pen.paint(Tint::Green, "green"),
            "red" => pen.paint(Tint::Red, "red"),
            _ => "not gated by itself".to_owned(),
        };
        let head = row.head.as_deref().map_or_else(|| "nothing yet".to_owned(), short);
        text.push_str(&format!("{}\n", pen.paint(Tint::Cyan, row.rig.as_str())));
        text.push_str(&format!("  target at {head}, {state}; {} wait, {} landed\n", row.waiting, row.landed));
        if let Some(reason) = &row.frozen {
            text.push_str(&format!("  {}: {}\n", pen.paint(Tint::Red, "frozen"), line(reason)));
        }
        text.push_str(&format!(
            "  {:.0} % of changes fail, so up to {} are tested at once; up to {} runs at a time\n",
            row.failure_rate * 100.0,
            row.batch,
            row.runners.max(1)
        ));
        text.push_str(&format!("  {:.1} % of runs of a good tree are red\n", row.flake_rate * 100.0));
        for (gate, times) in &row.flaky {
            let word = pen.paint(Tint::Yellow, "flaky");
            text.push_str(&format!(
                "  {word}: {} was red and green on the same tree {times} times\n",
                line(gate)
            ));
        }
        let mut table = Table::new([Column::right("RUN"), Column::new("FOR"), Column::flexible("CHANGES")]);
        for run in &row.runs {
            let stack: Vec<&str> = run.stack.iter().map(MergeId::as_str).collect();
            let stack = if stack.is_empty() { "the target as it is".to_owned() } else { stack.join(" ") };
            table.row([cell(run.run), cell(&run.aim), cell(stack)]);
        }
        if !row.runs.is_empty() {
            text.push_str(&table.indented(2).render(pen));
        }
    }
    text
}

/// What a merge request waits for.
pub(super) fn waits(row: &WaitsRow, pen: &Pen) -> String {
    let state = pen.paint(tint(&row.state), &row.state);
    let place = row.position.map(|place| format!(", number {place}")).unwrap_or_default();
    let mut text = format!("{} ({}) is {state}{place}: {}\n", row.id, row.bead, line(&row.why));
    if let Some(next) = &row.next {
        text.push_str(&format!("  {}\n", line(next)));
    }
    text
}

/// What a gate said, below a line that says when that was.
pub(super) fn log(log: &GateLog, pen: &Pen) -> String {
    let verdict = pen.paint(if log.run.passed { Tint::Green } else { Tint::Red }, &log.run.verdict);
    let took = std::time::Duration::from_millis(log.run.duration_ms).as_secs_f64();
    format!(
        "{} {} on {}: {verdict} after {took:.1}s; {}\n\n{}\n",
        log.merge,
        line(&log.run.gate),
        short(&log.run.commit),
        line(&log.run.log),
        block(log.text.trim_end())
    )
}

/// What was done with merge requests.
pub(super) fn touched(ids: &[MergeId], command: &Command) -> String {
    let names: Vec<&str> = ids.iter().map(MergeId::as_str).collect();
    let names = names.join(", ");
    match command {
        Command::MergeReject { .. } => format!("Gave {names} back to its worker\n"),
        Command::MergeHold { .. } => format!("{names} stays where it is until `gastown mq unhold {names}`\n"),
        Command::MergeUnhold(_) => format!("{names} goes on\n"),
        Command::MergePrioritise { .. } => format!("Changed the urgency of {names}\n"),
        _ if ids.is_empty() => "Nothing waits to land\n".to_owned(),
        _ => format!("{names}: tried as soon as there is a runner\n"),
    }
}

/// What became of a landing without the queue.
pub(super) fn direct(report: &DirectReport) -> String {
    let without = match report.skipped.as_slice() {
        [] => String::new(),
        skipped => format!(", without {}", skipped.join(" and ")),
    };
    let gates = report.gates.len();
    let verb = if report.dry_run { "Would land" } else { "Landed" };
    let DirectReport { bead, branch, target, .. } = report;
    format!(
        "{verb} {bead} ({}) on {target} as {}: {gates} gates green{without}\n",
        line(branch),
        short(&report.commit)
    )
}
