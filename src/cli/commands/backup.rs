//! Backups as people see them.

use std::time::Duration;

use model::backup::{Backup, Restored, Verified};

use crate::output::{Column, Pen, Table, Tint, cell, count, line, when};

/// A backup that was made.
pub(super) fn made(made: &Backup) -> String {
    let dir = line(&made.dir.display().to_string());
    let mut text = format!(
        "Made backup {} of {} in {dir}: {} up to {}, {}; {} added\n",
        made.number,
        line(&made.town),
        count(number(made.head.0), "record"),
        made.head,
        count(made.rigs.len(), "rig"),
        size(made.added),
    );
    for path in &made.unsaved {
        text.push_str(&format!("unsaved work in {} is in it\n", line(path)));
    }
    for left in &made.left_out {
        text.push_str(&format!("left out {}\n", line(left)));
    }
    text.push_str(&format!("Next: gastown backup verify {dir}\n"));
    text
}

/// The backups in a folder.
pub(crate) fn list(backups: &[Backup], pen: &Pen) -> String {
    if backups.is_empty() {
        return "no backups yet: gastown backup DIR\n".to_owned();
    }
    let mut table = Table::new([
        Column::right("NUMBER"),
        Column::new("MADE"),
        Column::flexible("TOWN"),
        Column::right("RECORDS"),
        Column::right("SIZE"),
        Column::right("ADDED"),
        Column::flexible("RIGS"),
    ]);
    for backup in backups {
        let rigs: Vec<&str> = backup.rigs.iter().map(|rig| rig.as_str()).collect();
        table.row([
            cell(backup.number).tint(Tint::Cyan),
            cell(when(backup.made_at)),
            cell(&backup.town),
            cell(backup.head),
            cell(size(backup.bytes)),
            cell(size(backup.added)),
            cell(rigs.join(", ")),
        ]);
    }
    table.render(pen)
}

/// A look at every file.
pub(crate) fn verified(verified: &Verified, pen: &Pen) -> String {
    let verdict = match verified.sound {
        true => pen.paint(Tint::Green, "sound"),
        false => pen.paint(Tint::Red, "not sound"),
    };
    let mut text = format!(
        "{verdict}: {} in {}, {}, in {:.2} s\n",
        count(verified.backups, "backup"),
        count(verified.files, "file"),
        size(verified.bytes),
        Duration::from_millis(verified.took_ms).as_secs_f64(),
    );
    for finding in &verified.findings {
        let place = pen.paint(Tint::Cyan, &line(&finding.place));
        text.push_str(&format!("{place}: {}\n", line(&finding.what)));
    }
    if !verified.sound {
        text.push_str("Next: keep this folder, and make a backup into a new one\n");
    }
    text
}

/// A town that was made of a backup.
pub(crate) fn restored(restored: &Restored, pen: &Pen) -> String {
    let town = line(&restored.town.display().to_string());
    let backup = &restored.backup;
    let mut text = format!(
        "Restored the town {} into {town} from backup {}, made {}: {}, {}\n",
        line(&backup.town),
        backup.number,
        when(backup.made_at),
        count(number(backup.head.0), "record"),
        count(backup.rigs.len(), "rig"),
    );
    for back in &restored.unsaved {
        let place = match &back.folder {
            Some(_) => "in its worktree again, and ",
            None => "",
        };
        text.push_str(&format!("unsaved work of {} is {place}on {}\n", back.agent, line(&back.branch)));
    }
    for note in &restored.notes {
        text.push_str(&format!("{} {}\n", pen.paint(Tint::Yellow, "!"), line(note)));
    }
    text.push_str(&format!(
        "Next: see that the town it was taken of does not run any more, then cd {town} && gastown run\n"
    ));
    text
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
