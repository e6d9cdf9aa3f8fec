//! Rows and columns: aligned, cut to the terminal's width, and whole where there is no terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Pen, Tint, line};

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    head: &'static str,
    flexible: bool,
    right: bool,
}

impl Column {
    /// A column that is as wide as its widest cell.
    pub(crate) const fn new(head: &'static str) -> Self {
        Column { head, flexible: false, right: false }
    }

    /// A column that gives way when the terminal is narrow.
    pub(crate) const fn flexible(head: &'static str) -> Self {
        Column { head, flexible: true, right: false }
    }

    /// A column of numbers.
    pub(crate) const fn right(head: &'static str) -> Self {
        Column { head, flexible: false, right: true }
    }
}

/// One field of a row.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tint: Tint,
}

impl Cell {
    /// The same in another colour.
    pub(crate) fn tint(mut self, tint: Tint) -> Self {
        self.tint = tint;
        self
    }
}

/// A field that shows `text` on one line.
pub(crate) fn cell(text: impl ToString) -> Cell {
    Cell { text: line(&text.to_string()), tint: Tint::Plain }
}

/// Rows under columns.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

/// What stands between two columns.
const GAP: usize = 2;
/// A flexible column is never narrower.
const NARROWEST: usize = 8;

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Table { columns: columns.into(), rows: Vec::new(), indent: 0 }
    }

    /// The same, moved to the right by `indent` columns.
    pub(crate) fn indented(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    /// Adds a row: one cell for each column.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        let cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    /// The table as lines. A column in which nothing stands is left out.
    pub(crate) fn render(&self, pen: &Pen) -> String {
        let used: Vec<usize> = (0..self.columns.len())
            .filter(|at| self.rows.iter().any(|row| !row[*at].text.is_empty()))
            .collect();
        let widths = self.widths(&used, pen);
        let mut text = String::new();
        let head = |at: usize| Cell { text: self.columns[at].head.to_owned(), tint: Tint::Dim };
        let heads: Vec<Cell> = (0..self.columns.len()).map(head).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = " ".repeat(self.indent);
            for (nth, at) in used.iter().enumerate() {
                let cell = &row[*at];
                let shown = cut(&cell.text, widths[nth]);
                let blanks = " ".repeat(widths[nth].saturating_sub(shown.width()));
                let painted = pen.paint(cell.tint, &shown);
                let last = nth + 1 == used.len();
                match (self.columns[*at].right, last) {
                    (true, _) => line.extend([blanks.as_str(), &painted]),
                    (false, false) => line.extend([painted.as_str(), &blanks]),
                    (false, true) => line.push_str(&painted),
                }
                if !last {
                    line.push_str(&" ".repeat(GAP));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn widths(&self, used: &[usize], pen: &Pen) -> Vec<usize> {
        let natural = |at: &usize| {
            let cells = self.rows.iter().map(|row| row[*at].text.width());
            cells.max().unwrap_or(0).max(self.columns[*at].head.width())
        };
        let mut widths: Vec<usize> = used.iter().map(natural).collect();
        let Some(limit) = pen.width else { return widths };
        let gaps = GAP * used.len().saturating_sub(1) + self.indent;
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(limit);
        // The widest gives way first, so that two flexible columns share the loss.
        while over > 0 {
            let widest = (0..used.len())
                .filter(|nth| self.columns[used[*nth]].flexible && widths[*nth] > NARROWEST)
                .max_by_key(|nth| widths[*nth]);
            let Some(nth) = widest else { break };
            widths[nth] -= 1;
            over -= 1;
        }
        widths
    }
}

/// Cuts `text` to `width` columns; what was cut shows as `…`.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;

    use super::*;

    fn pen(width: Option<usize>, color: bool) -> Pen {
        Pen { color, width, now: Timestamp::default() }
    }

    fn table() -> Table {
        let mut table = Table::new([
            Column::new("ID"),
            Column::flexible("TITLE"),
            Column::new("EMPTY"),
            Column::right("N"),
        ]);
        table.row([cell("web-1"), cell("a title that is rather long"), cell(""), cell(7)]);
        table.row([cell("web-22").tint(Tint::Cyan), cell("日本語"), cell(""), cell(1234)]);
        table
    }

    #[test]
    fn columns_are_aligned_and_the_empty_one_is_left_out() {
        let expected = "\
ID      TITLE                           N
web-1   a title that is rather long     7
web-22  日本語                       1234
";
        assert_eq!(table().render(&pen(None, false)), expected);
    }

    #[test]
    fn a_narrow_terminal_cuts_the_flexible_column_alone() {
        let text = table().render(&pen(Some(30), false));
        assert!(text.lines().all(|line| line.width() <= 30), "{text}");
        assert!(text.contains("a title that is…"), "{text}");
        assert!(text.contains("日本語"), "{text}");
        let text = table().indented(2).render(&pen(Some(5), false));
        assert!(text.contains("web-22"), "{text}");
    }

    #[test]
    fn colours_do_not_move_anything() {
        let text = table().render(&pen(None, true));
        assert!(text.contains("\x1b[36mweb-22\x1b[0m  日本語"), "{text}");
    }
}
