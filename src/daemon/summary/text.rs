//! The summary for people.

use std::fmt::{self, Write};

use super::{Landed, Summary};

pub(super) fn render(summary: &Summary, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Summary { landed, not_landed, .. } = summary;
    let all = landed.len() + not_landed.len();
    match (landed.len(), not_landed.len()) {
        (0, 0) => writeln!(f, "Nothing landed in {}; nothing was to land.", time(summary.duration_ms))?,
        (n, 0) => writeln!(f, "{} landed in {}.", beads(n), time(summary.duration_ms))?,
        (n, _) => writeln!(f, "{n} of {} landed in {}.", beads(all), time(summary.duration_ms))?,
    }
    let width = |of: fn(&Landed) -> usize| landed.iter().map(of).max().unwrap_or_default();
    let title = width(|landed| clean(&landed.title).chars().count()).min(48);
    let bead = width(|landed| landed.bead.as_str().len());
    let who = width(|landed| landed.polecat.to_string().len());
    if !landed.is_empty() {
        writeln!(f)?;
    }
    for one in landed {
        let commit: String = one.merge_commit.chars().take(12).collect();
        writeln!(
            f,
            "  {:<bead$}  {:<title$}  {:<who$}  {} {commit}",
            one.bead,
            cut(&clean(&one.title), title),
            one.polecat,
            one.target,
        )?;
        let tries = if one.attempts > 1 { format!(", {} attempts", one.attempts) } else { String::new() };
        writeln!(
            f,
            "  {:bead$}  waited {}, work {}, queue {}, gates {}, total {}{tries}",
            "",
            time(one.waiting_ms),
            time(one.work_ms),
            time(one.queued_ms),
            time(one.gate_ms),
            time(one.total_ms),
        )?;
        for why in &one.given_back {
            writeln!(f, "  {:bead$}  given back: {}", "", clean(why))?;
        }
    }
    if !not_landed.is_empty() {
        writeln!(f, "\nNot landed:")?;
        for one in not_landed {
            let why = if one.why.is_empty() { String::new() } else { format!(": {}", clean(&one.why)) };
            writeln!(f, "  {}  {} ({}){why}", one.bead, clean(&one.title), one.state)?;
        }
    }
    if !summary.attention.is_empty() {
        writeln!(f, "\nNeeds a person:")?;
        for line in &summary.attention {
            writeln!(f, "  {}", clean(line))?;
        }
    }
    writeln!(f, "\nThe town lies in {}. To look at it:", summary.town)?;
    for command in &summary.commands {
        writeln!(f, "  {command}")?;
    }
    Ok(())
}

fn beads(n: usize) -> String {
    if n == 1 { "1 bead".to_owned() } else { format!("{n} beads") }
}

/// A span for people: `40 ms`, `1.4 s`, `12 s`, `3 min 5 s`.
fn time(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// `text` on one line, without anything that a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The first `width` characters of `text`.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    let _ = short.write_char('…');
    short
}
