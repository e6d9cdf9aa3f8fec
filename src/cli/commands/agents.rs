//! Agents as people see them.

use model::agent::AgentState;
use model::answer::{AgentRow, RecoveredRow};
use model::preset::{PresetRow, RecordingRow, TapRow};
use serde_json::Value;

use crate::host::Conformance;
use crate::output::{Column, Pen, Table, Tint, ago, cell, line, when};

fn tint(state: AgentState) -> Tint {
    match state {
        AgentState::Working | AgentState::Idle => Tint::Green,
        AgentState::Starting | AgentState::Stopping => Tint::Cyan,
        AgentState::Waiting | AgentState::Limited => Tint::Yellow,
        AgentState::Stuck | AgentState::Failed => Tint::Red,
        AgentState::Parked | AgentState::Done => Tint::Dim,
    }
}

/// Agents as a table, or what to do when there are none.
pub(super) fn list(rows: &[AgentRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nobody is here yet: gastown rig add NAME URL, then gastown sling BEAD NAME\n".to_owned();
    }
    table(rows, pen).render(pen)
}

/// The table of `agent list`, and of the agents in `status`.
pub(super) fn table(rows: &[AgentRow], pen: &Pen) -> Table {
    let mut table = Table::new([
        Column::new("AGENT"),
        Column::new("STATE"),
        Column::new("HOOK"),
        Column::right("PID"),
        Column::right("RESTARTS"),
        Column::new("LAST HEARD"),
        Column::flexible("NOTE"),
    ]);
    for row in rows {
        let restarts = if row.restarts > 0 { row.restarts.to_string() } else { String::new() };
        table.row([
            cell(&row.address).tint(Tint::Cyan),
            cell(row.state).tint(tint(row.state)),
            cell(row.hook.as_ref().map(ToString::to_string).unwrap_or_default()),
            cell(row.pid.map(|pid| pid.to_string()).unwrap_or_default()),
            cell(restarts).tint(Tint::Yellow),
            cell(row.last_activity.map(|at| ago(pen.now, at)).unwrap_or_default()).tint(Tint::Dim),
            cell(note(row)),
        ]);
    }
    table
}

/// What there is to say about one, with what its terminal claimed and did not prove.
fn note(row: &AgentRow) -> String {
    let forged = match row.forged {
        0 => None,
        1 => Some("1 forged command ignored".to_owned()),
        count => Some(format!("{count} forged commands ignored")),
    };
    row.note.iter().cloned().chain(forged).collect::<Vec<_>>().join("; ")
}

/// How beads were brought back.
pub(super) fn recovered(rows: &[RecoveredRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nothing waits to be brought back\n".to_owned();
    }
    let mut text = String::new();
    for row in rows {
        let tint = match row.state.as_str() {
            "refused" => Tint::Red,
            "waiting" => Tint::Yellow,
            _ => Tint::Green,
        };
        let would = if row.dry_run { "would be " } else { "" };
        let nothing = if row.did.is_empty() { "; nothing to do" } else { "" };
        text.push_str(&format!(
            "{}  {would}{}{nothing}\n",
            pen.paint(Tint::Cyan, row.bead.as_str()),
            pen.paint(tint, &line(&row.state))
        ));
        for did in &row.did {
            text.push_str(&format!("  {}\n", line(did)));
        }
        if let Some(hint) = &row.hint {
            text.push_str(&format!("  then: {}\n", line(hint)));
        }
    }
    text
}

/// Those whose terminal one can attach to.
pub(super) fn with_session(rows: &[AgentRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no agent has a session now; `gastown agent start AGENT` starts one\n".to_owned();
    }
    format!("{}\ngastown attach AGENT, and Ctrl-b d to leave\n", table(rows, pen).render(pen))
}

/// Kinds of agents.
pub(super) fn presets(rows: &[PresetRow], pen: &Pen) -> String {
    let columns = ["PRESET", "COMMAND", "BRIEF", "RESUMES", "HOOKS", "USAGE", "FROM"].map(Column::new);
    let mut table = Table::new(columns.into_iter().chain([Column::flexible("PROGRAM")]).collect::<Vec<_>>());
    let yes = |yes: bool| cell(if yes { "yes" } else { "no" });
    for row in rows {
        let program = match row.program.as_deref() {
            None => cell("not on PATH").tint(Tint::Dim),
            Some("{gastown}") => cell("this program"),
            Some(path) => cell(path),
        };
        table.row([
            cell(&row.name).tint(Tint::Cyan),
            cell(&row.command),
            cell(&row.brief),
            yes(row.resumes),
            cell(&row.hooks),
            yes(row.usage),
            cell(&row.source),
            program,
        ]);
    }
    format!("{}\ngastown agent preset show NAME, or your own in config/agents.json\n", table.render(pen))
}

/// One kind, as it would stand in config/agents.json.
pub(super) fn preset(fields: &Value) -> String {
    serde_json::to_string_pretty(fields).unwrap_or_default() + "\n"
}

/// Hooks, in their order.
pub(super) fn taps(rows: &[TapRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no hook acts here\n".to_owned();
    }
    let columns = ["PRESET", "EVENT", "ORDER", "FOR", "FROM"].map(Column::new);
    let mut table = Table::new(columns.into_iter().chain([Column::flexible("RUNS")]).collect::<Vec<_>>());
    for row in rows {
        table.row([
            cell(&row.preset).tint(Tint::Cyan),
            cell(&row.event),
            cell(row.order),
            cell(&row.matcher),
            cell(&row.source).tint(Tint::Dim),
            cell(&row.command),
        ]);
    }
    table.render(pen)
}

/// Recordings of sessions.
pub(super) fn recordings(rows: &[RecordingRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "nothing was recorded yet\n".to_owned();
    }
    let mut table = Table::new([
        Column::new("SESSION"),
        Column::new("SINCE"),
        Column::new("UNTIL"),
        Column::right("BYTES"),
        Column::flexible("FILE"),
    ]);
    for row in rows {
        table.row([
            cell(&row.session).tint(Tint::Cyan),
            cell(row.since.map(when).unwrap_or_default()),
            cell(row.until.map(when).unwrap_or_default()),
            cell(row.bytes),
            cell(&row.file).tint(Tint::Dim),
        ]);
    }
    table.render(pen)
}

/// What a kind of agent can do.
pub(crate) fn conformance(found: &Conformance, pen: &Pen) -> String {
    let mut table = Table::new([
        Column::new("WHAT"),
        Column::new("RESULT"),
        Column::right("MS"),
        Column::flexible("SEEN"),
    ]);
    for tried in &found.tried {
        let tint = match tried.result.as_str() {
            "yes" => Tint::Green,
            "no" => Tint::Red,
            _ => Tint::Dim,
        };
        table.row([
            cell(&tried.what),
            cell(&tried.result).tint(tint),
            cell(tried.ms.map(|ms| ms.to_string()).unwrap_or_default()),
            cell(&tried.detail),
        ]);
    }
    let kept = found.kept.as_ref().map(|kept| format!("the town is at {}\n", line(kept))).unwrap_or_default();
    table.render(pen) + &kept
}
