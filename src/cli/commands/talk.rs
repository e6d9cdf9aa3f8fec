//! Letters and screens as people see them.

use model::answer::{DeadRow, MailRow};
use model::command::Command;
use model::ids::MailId;
use model::nudge::{Evidence, Nudged};

use crate::output::{Column, Pen, Table, Tint, ago, block, cell, line, when};

/// Letters as a table; a whole conversation as its letters.
pub(super) fn letters(rows: &[MailRow], command: &Command, pen: &Pen) -> String {
    if rows.is_empty() {
        return match command {
            Command::MailSearch { .. } => "no letter has these words\n",
            Command::MailInbox { unread: true, .. } => "no unread letters\n",
            _ => "no letters\n",
        }
        .to_owned();
    }
    if matches!(command, Command::MailThread(_) | Command::MailReadAll(_)) {
        return rows.iter().map(|row| letter(row, pen)).collect::<Vec<_>>().join("\n");
    }
    let mut table = Table::new([
        Column::new(" "),
        Column::new("ID"),
        Column::new("FROM"),
        Column::new("TO"),
        Column::flexible("SUBJECT"),
        Column::new("SENT"),
    ]);
    let mine = matches!(command, Command::MailInbox { .. });
    for row in rows {
        let open = row.acked_at.is_none();
        table.row([
            cell(if open { "●" } else { " " }).tint(Tint::Yellow),
            cell(&row.id).tint(Tint::Cyan),
            cell(&row.from),
            // In a mailbox all letters have come to the same address.
            cell(if mine { String::new() } else { row.to.to_string() }),
            cell(&row.subject).tint(if open { Tint::Bold } else { Tint::Plain }),
            cell(ago(pen.now, row.sent_at)).tint(Tint::Dim),
        ]);
    }
    table.render(pen)
}

/// One letter.
pub(super) fn letter(row: &MailRow, pen: &Pen) -> String {
    let state = match (row.acked_at, row.delivered_at) {
        (Some(at), _) => format!("acknowledged {}", when(at)),
        (None, Some(at)) => format!("delivered {}", when(at)),
        (None, None) => "not delivered yet".to_owned(),
    };
    let mut text = format!(
        "{}  {}\n  from {} to {}, {}\n  {state}\n",
        pen.paint(Tint::Cyan, row.id.as_str()),
        pen.paint(Tint::Bold, &line(&row.subject)),
        row.from,
        row.to,
        when(row.sent_at),
    );
    if !row.body.trim().is_empty() {
        text.push_str(&format!("\n{}\n", block(&row.body).trim_end()));
    }
    text
}

/// Dead letters, each with what went wrong.
pub(super) fn dead(rows: &[DeadRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let one = |row: &DeadRow| {
        let of = &row.letter;
        let mut text = format!(
            "{}  {}\n  from {} to {}, {}\n",
            pen.paint(Tint::Cyan, of.id.as_str()),
            pen.paint(Tint::Bold, &line(&of.subject)),
            of.from,
            of.to,
            when(of.sent_at),
        );
        for failure in &row.failures {
            let error = block(&failure.error);
            let error = error.trim_end().replace('\n', "\n    ");
            text.push_str(&format!("  failed {}: {}\n", when(failure.at), pen.paint(Tint::Red, &error)));
        }
        if row.failures.is_empty() {
            text.push_str(&format!("  {}\n", pen.paint(Tint::Red, &line(&row.cause))));
        }
        text
    };
    let mut text = rows.iter().map(one).collect::<Vec<_>>().join("\n");
    text.push_str("\nPut one back with `gastown mail retry LETTER`\n");
    text
}

/// Which letters were written.
pub(super) fn sent(ids: &[MailId], command: &Command) -> String {
    let to = match command {
        Command::MailSend { to, .. } => format!(" to {}", line(to)),
        _ => String::new(),
    };
    match ids {
        [] => "Nobody is there to be written to\n".to_owned(),
        ids => ids.iter().map(|id| format!("Sent {id}{to}\n")).collect(),
    }
}

/// What came of a nudge.
pub(super) fn nudged(nudged: &Nudged) -> String {
    let agent = &nudged.agent;
    match (nudged.state.as_str(), nudged.evidence) {
        ("queued", _) => format!("{agent} gets it when it next waits for input; a letter tells you if not\n"),
        (_, Some(Evidence::Hook)) => format!("{agent} has taken it, as its program's hook says\n"),
        (_, Some(Evidence::Screen)) => format!("{agent} has taken it, as its screen shows\n"),
        (_, Some(Evidence::Line)) => format!("{agent} has it as a line of the protocol\n"),
        (_, None) => {
            format!("typed to {agent}; nothing shows yet whether it was taken: gastown peek {agent}\n")
        }
    }
}

/// A screen, as it stands.
pub(super) fn screen(lines: &[String]) -> String {
    lines.iter().map(|text| line(text).trim_end().to_owned() + "\n").collect()
}
