//! What a screen means: ready, busy, asks a person, limited.

use crate::screen::Snapshot;

/// What an agent's screen can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// It waits for input.
    Ready,
    /// It works.
    Busy,
    /// It waits for a decision that only a person may make.
    AsksPerson,
    /// Its provider refuses work for now.
    Limited,
}

/// When a sign is seen. A preset lists its patterns, those that weigh most first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub sign: Sign,
    /// What must be on one row: a piece of it, in which `*` stands for anything.
    pub row: Option<String>,
    /// What the title must begin with.
    pub title: Option<String>,
}

/// Returns the sign of the first of `patterns` that `snapshot` shows; a pattern without a row and
/// title is never shown.
pub fn read(snapshot: &Snapshot, patterns: &[Pattern]) -> Option<Sign> {
    patterns.iter().find(|pattern| pattern.shown_by(snapshot)).map(|pattern| pattern.sign)
}

impl Pattern {
    fn shown_by(&self, snapshot: &Snapshot) -> bool {
        let row = |pattern: &String| snapshot.rows.iter().any(|row| holds(row, pattern));
        let title = |start: &String| snapshot.title.starts_with(start.as_str());
        (self.row.is_some() || self.title.is_some())
            && self.row.as_ref().is_none_or(row)
            && self.title.as_ref().is_none_or(title)
    }
}

/// Whether `text` holds the pieces between the stars of `pattern`, in order.
fn holds(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything_in_between() {
        assert!(holds("│ > Try \"edit\"  │", "> Try"));
        assert!(holds("esc to interrupt (3s)", "esc*interrupt"));
        assert!(holds("anything", "*"));
        assert!(!holds("interrupt esc", "esc*interrupt"));
        assert!(!holds("aa", "a*a*a"));
    }

    #[test]
    fn the_first_pattern_that_is_shown_wins() {
        let snapshot = Snapshot {
            rows: vec!["Do you want to proceed?".into(), "> ".into()],
            title: "✳ working".into(),
            ..Snapshot::default()
        };
        let pattern = |sign, row: Option<&str>, title: Option<&str>| Pattern {
            sign,
            row: row.map(Into::into),
            title: title.map(Into::into),
        };
        let patterns = [
            pattern(Sign::Limited, None, None),
            pattern(Sign::Limited, Some("Do you"), Some("idle")),
            pattern(Sign::AsksPerson, Some("Do you want*?"), None),
            pattern(Sign::Ready, Some(">"), None),
        ];
        assert_eq!(read(&snapshot, &patterns), Some(Sign::AsksPerson));
        assert_eq!(read(&snapshot, &patterns[3..]), Some(Sign::Ready));
        assert_eq!(read(&snapshot, &[pattern(Sign::Busy, None, Some("✳"))]), Some(Sign::Busy));
        assert_eq!(read(&Snapshot::default(), &patterns), None);
    }
}
