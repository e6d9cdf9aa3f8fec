//! What a screen means: ready, busy, asks a person, limited, or something that keeps a program from working.

use crate::screen::Snapshot;

/// The rows at the bottom of a screen that are looked at for what keeps a program from working; blank ones
/// do not count. What stands above them has been said earlier, and is history.
const LAST_ROWS: usize = 12;

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
    /// Something keeps it from working.
    Obstacle(Obstacle),
}

/// What keeps a program from working, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// It wants somebody to log in.
    Login,
    /// It wants to know whether its folder is trusted.
    Trust,
    /// Its provider refuses its key.
    KeyRefused,
    /// Its provider holds it back until some time.
    Limited,
    /// Its provider has too much to do.
    Overloaded,
    /// Its conversation has become too long.
    ContextFull,
    /// The name of its session is in use.
    SessionInUse,
    /// There is no memory left.
    OutOfMemory,
}

/// When a sign is seen. A preset lists its patterns, those that weigh most first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub sign: Sign,
    /// What must be on one row: a piece of it, in which `*` stands for anything.
    pub row: Option<String>,
    /// What the title must begin with.
    pub title: Option<String>,
    /// Whether the row must be one of the last that say something; then it does not matter either how it is
    /// capitalised.
    pub at_the_end: bool,
}

/// A sign that is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    pub sign: Sign,
    /// The row that shows it, for those that are shown by one.
    pub row: Option<usize>,
    /// What stands there.
    pub text: &'a str,
}

/// Finds the first of `patterns` that `snapshot` shows, on the lowest row that shows it; a pattern without a
/// row and title is never shown.
pub fn find<'a>(snapshot: &'a Snapshot, patterns: &[Pattern]) -> Option<Found<'a>> {
    let last = snapshot.rows.iter().enumerate().rev().filter(|(_, row)| !row.trim().is_empty());
    let first_of_last = last.take(LAST_ROWS).last().map_or(0, |(at, _)| at);
    patterns.iter().find_map(|pattern| pattern.shown_by(snapshot, first_of_last))
}

impl Pattern {
    fn shown_by<'a>(&self, snapshot: &'a Snapshot, first_of_last: usize) -> Option<Found<'a>> {
        if self.title.as_ref().is_some_and(|start| !snapshot.title.starts_with(start.as_str())) {
            return None;
        }
        let Some(pattern) = &self.row else {
            return self.title.as_ref().map(|_| Found { sign: self.sign, row: None, text: &snapshot.title });
        };
        let first = if self.at_the_end { first_of_last } else { 0 };
        let rows = snapshot.rows.iter().enumerate().skip(first).rev();
        let shows = |row: &String| match self.at_the_end {
            true => holds(&row.to_lowercase(), &pattern.to_lowercase()),
            false => holds(row, pattern),
        };
        rows.filter(|(_, row)| shows(row))
            .map(|(at, row)| Found { sign: self.sign, row: Some(at), text: row })
            .next()
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

    fn pattern(sign: Sign, row: Option<&str>, title: Option<&str>) -> Pattern {
        Pattern { sign, row: row.map(Into::into), title: title.map(Into::into), at_the_end: false }
    }

    fn read(snapshot: &Snapshot, patterns: &[Pattern]) -> Option<Sign> {
        find(snapshot, patterns).map(|found| found.sign)
    }

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

    #[test]
    fn an_obstacle_is_looked_for_at_the_end_of_a_screen_alone() {
        let limit = Sign::Obstacle(Obstacle::Limited);
        let wanted = [Pattern { at_the_end: true, ..pattern(limit, Some("limit reached"), None) }];
        let screen = |above: &str, below: usize| {
            let mut rows = vec![above.to_owned(), "Limit reached, resets 3pm".to_owned(), String::new()];
            rows.extend((0..below).map(|n| format!("output {n}")));
            rows.extend((0..20).map(|_| "  ".to_owned()));
            Snapshot { rows, ..Snapshot::default() }
        };
        assert_eq!(read(&screen("", 0), &wanted), Some(limit));
        assert_eq!(read(&screen("", LAST_ROWS - 1), &wanted), Some(limit));
        assert_eq!(read(&screen("", LAST_ROWS), &wanted), None, "it has scrolled up");
        let twice = screen("limit reached, resets 9am", 0);
        let found = find(&twice, &wanted).unwrap();
        assert_eq!((found.row, found.text), (Some(1), "Limit reached, resets 3pm"), "the last word counts");
    }
}
