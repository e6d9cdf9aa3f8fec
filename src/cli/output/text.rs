//! Words for times and numbers, and text made safe for a terminal.

use std::time::Duration;

use model::time::Timestamp;

/// Returns `text` on one line, without anything that a terminal would obey.
///
/// Titles, letters and screens come from agents; an escape sequence among them must not reach the
/// person's terminal.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { harmless(c) }).collect()
}

/// Returns `text` with its lines, without anything else that a terminal would obey.
pub(crate) fn block(text: &str) -> String {
    text.replace("\r\n", "\n").chars().map(|c| if c == '\n' || c == '\t' { c } else { harmless(c) }).collect()
}

fn harmless(c: char) -> char {
    // Direction marks can make a line read as another.
    let steers = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || steers { '\u{fffd}' } else { c }
}

/// Returns a duration in its largest unit: `12s`, `3m`, `2h`, `5d`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns how long ago `at` was.
pub(crate) fn ago(now: Timestamp, at: Timestamp) -> String {
    match now.since(at) {
        since if since < Duration::from_secs(1) => "now".to_owned(),
        since => format!("{} ago", span(since)),
    }
}

/// Returns a point in time for people: UTC, to the second.
pub(crate) fn when(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('T') {
        Some((day, time)) if time.len() >= 8 => format!("{day} {}Z", &time[..8]),
        _ => text,
    }
}

/// Returns `1 bead`, `2 beads`.
pub(crate) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A number that may be long, in groups of three digits.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let at = Timestamp::from_millis(1_767_225_600_123);
        assert_eq!(when(at), "2026-01-01 00:00:00Z");
        assert_eq!(ago(at, at), "now");
        for (seconds, text) in [(1, "1s"), (59, "59s"), (61, "1m"), (7200, "2h"), (200_000, "2d")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(ago(at.plus(Duration::from_secs(90)), at), "1m ago");
    }

    #[test]
    fn nothing_in_a_text_is_obeyed_by_a_terminal() {
        assert_eq!(line("a\n\x1b[31mb\u{202e}"), "a \u{fffd}[31mb\u{fffd}");
        assert_eq!(block("a\r\nb\tc\x07"), "a\nb\tc\u{fffd}");
    }

    #[test]
    fn long_numbers_are_told_in_groups() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(n), text);
        }
    }
}
