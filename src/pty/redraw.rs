//! Paints a screen from nothing: what a viewer gets first, and again whenever it fell behind.
//!
//! The bytes assume nothing about the terminal that gets them but its size: every mode is set or
//! reset in so many words. Under a full-screen program the first screen is painted as well, so that
//! leaving the program shows what was there before it.

use std::fmt::Write as _;

use alacritty_terminal::grid::{Cursor, Dimensions, Grid};
use alacritty_terminal::index::Line;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Term, TermMode};
use alacritty_terminal::vte::ansi::{
    CharsetIndex, Color, CursorShape, Handler, KeyboardModes, KeyboardModesApplyBehavior, StandardCharset,
};

use crate::scan::Watched;
use crate::screen::{Ear, Size, places};

/// Gives a terminal back to the person: undoes every mode that a program may have set through us.
pub const LEAVE: &[u8] = b"\x18\x1b[?2026l\x1b[<99u\x1b[=0u\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\
\x1b[?1006l\x1b[?1007l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[?6l\x1b[4l\x1b[20l\x1b[r\x1b(B\x1b)B\x0f\
\x1b[?7h\x1b[0 q\x1b[0m\x1b[?1049l\x1b[?25h";

/// Before the first cell: an ordinary screen, blank, nothing in the way of painting.
const PRELUDE: &str = "\x18\x1b[?2026l\x1b[?1049l\x1b[?6l\x1b[4l\x1b[20l\x1b[?7h\x1b[r\x1b(B\x1b)B\x0f\
\x1b[0m\x1b[?25l\x1b[H\x1b[2J";

/// Modes that are set one by one, and their numbers as private modes.
const MODES: &[(TermMode, u16)] = &[
    (TermMode::APP_CURSOR, 1),
    (TermMode::MOUSE_REPORT_CLICK, 1000),
    (TermMode::MOUSE_DRAG, 1002),
    (TermMode::MOUSE_MOTION, 1003),
    (TermMode::FOCUS_IN_OUT, 1004),
    (TermMode::UTF8_MOUSE, 1005),
    (TermMode::SGR_MOUSE, 1006),
    (TermMode::ALTERNATE_SCROLL, 1007),
    (TermMode::BRACKETED_PASTE, 2004),
];

pub(crate) fn redraw(term: &mut Term<Ear>, title: &str, watched: Watched) -> Vec<u8> {
    let mut out = String::from(PRELUDE);
    if term.mode().contains(TermMode::ALT_SCREEN) {
        // The other screen can only be reached by going there, which clears this one.
        let kept = term.grid().clone();
        let keyboard = keyboard_flags(*term.mode());
        term.swap_alt();
        paint(&mut out, term.grid());
        let cursor = &term.grid().cursor;
        go_to(&mut out, cursor.point.line.0, cursor.point.column.0);
        out.push_str("\x1b[0m");
        term.swap_alt();
        *term.grid_mut() = kept;
        Handler::set_keyboard_mode(
            term,
            KeyboardModes::from_bits_truncate(keyboard),
            KeyboardModesApplyBehavior::Replace,
        );
        out.push_str("\x1b[?1049h\x1b[H\x1b[2J");
    }
    paint(&mut out, term.grid());
    save_cursor(&mut out, term.grid());
    set_modes(&mut out, term, title, watched);
    out.into_bytes()
}

/// What a frame begins with: no mode of the program reaches whoever only watches.
const FRAME: &str = "\x18\x1b[?2026h\x1b[<99u\x1b[=0u\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\
\x1b[?2004l\x1b[?1l\x1b>\x1b[?6l\x1b[4l\x1b[20l\x1b[?7h\x1b[r\x1b(B\x1b)B\x0f\x1b[0m\x1b[?25l";

/// Paints what fits of the screen into a window of another size, `note` in its last row where something does
/// not fit. What is below stays in sight with the cursor.
pub(crate) fn frame(term: &Term<Ear>, window: Size, note: &str) -> Vec<u8> {
    let grid = term.grid();
    let (rows, cols) = (usize::from(window.rows), usize::from(window.cols));
    let cropped = rows < grid.screen_lines() || cols < grid.columns();
    let room = if cropped { rows.saturating_sub(1) } else { rows };
    let cursor = grid.cursor.point;
    let cursor_row = usize::try_from(cursor.line.0).unwrap_or_default();
    let from = if room < grid.screen_lines() { (cursor_row + 1).saturating_sub(room) } else { 0 };
    let mut out = String::from(FRAME);
    for row in 0..rows {
        go_to(&mut out, row as i32, 0);
        out.push_str("\x1b[0m\x1b[K");
        if row < room && from + row < grid.screen_lines() {
            paint_row(&mut out, &grid[Line((from + row) as i32)][..], row, cols);
        }
    }
    if cropped && rows > 0 {
        go_to(&mut out, rows as i32 - 1, 0);
        let note: String = note.chars().take(cols).collect();
        let _ = write!(out, "\x1b[0;7m{note}\x1b[0m");
    }
    let shown = (from..from + room).contains(&cursor_row) && cursor.column.0 < cols;
    if shown && term.mode().contains(TermMode::SHOW_CURSOR) {
        go_to(&mut out, (cursor_row - from) as i32, cursor.column.0);
        out.push_str("\x1b[?25h");
    }
    out.push_str("\x1b[?2026l");
    out.into_bytes()
}

/// Paints every row that is not blank.
fn paint(out: &mut String, grid: &Grid<Cell>) {
    for row in 0..grid.screen_lines() {
        paint_row(out, &grid[Line(row as i32)][..], row, grid.columns());
    }
}

/// Paints `cells` as row `row`, as far as `cols` columns hold them.
fn paint_row(out: &mut String, cells: &[Cell], row: usize, cols: usize) {
    let blank = Cell::default();
    let used = cells.iter().rposition(|cell| !looks_blank(cell)).map_or(0, |last| last + 1).min(cols);
    let mut style = &blank;
    let mut next_column = None;
    for place in places(cells).take_while(|place| place.column < used) {
        let wide = place.cell.flags.contains(Flags::WIDE_CHAR) && place.glyph != ' ';
        if wide && place.column + 2 > cols {
            break;
        }
        if next_column != Some(place.column) {
            go_to(out, row as i32, place.column);
        }
        if !same_style(style, place.cell) {
            write_style(out, place.cell);
            style = place.cell;
        }
        place.write(out);
        next_column = Some(place.column + if wide { 2 } else { 1 });
    }
    if !same_style(style, &blank) {
        out.push_str("\x1b[0m");
    }
}

fn looks_blank(cell: &Cell) -> bool {
    (cell.c == ' ' || cell.c.is_control())
        && same_style(cell, &Cell::default())
        && cell.zerowidth().is_none_or(<[char]>::is_empty)
}

/// Flags that change how a cell looks, as against how rows hang together.
const LOOKS: Flags = Flags::INVERSE
    .union(Flags::BOLD)
    .union(Flags::ITALIC)
    .union(Flags::DIM)
    .union(Flags::HIDDEN)
    .union(Flags::STRIKEOUT)
    .union(Flags::ALL_UNDERLINES);

fn same_style(one: &Cell, other: &Cell) -> bool {
    one.fg == other.fg
        && one.bg == other.bg
        && one.flags & LOOKS == other.flags & LOOKS
        && one.underline_color() == other.underline_color()
}

fn write_style(out: &mut String, cell: &Cell) {
    out.push_str("\x1b[0");
    for (flag, code) in [
        (Flags::BOLD, ";1"),
        (Flags::DIM, ";2"),
        (Flags::ITALIC, ";3"),
        (Flags::UNDERLINE, ";4"),
        (Flags::DOUBLE_UNDERLINE, ";4:2"),
        (Flags::UNDERCURL, ";4:3"),
        (Flags::DOTTED_UNDERLINE, ";4:4"),
        (Flags::DASHED_UNDERLINE, ";4:5"),
        (Flags::INVERSE, ";7"),
        (Flags::HIDDEN, ";8"),
        (Flags::STRIKEOUT, ";9"),
    ] {
        if cell.flags.contains(flag) {
            out.push_str(code);
        }
    }
    write_color(out, cell.fg, 30);
    write_color(out, cell.bg, 40);
    match cell.underline_color() {
        Some(Color::Spec(rgb)) => {
            let _ = write!(out, ";58:2::{}:{}:{}", rgb.r, rgb.g, rgb.b);
        }
        Some(Color::Indexed(index)) => {
            let _ = write!(out, ";58:5:{index}");
        }
        Some(Color::Named(_)) | None => {}
    }
    out.push('m');
}

/// Writes a foreground (`base` 30) or background (40) colour; the default needs no word.
fn write_color(out: &mut String, color: Color, base: u16) {
    let _ = match color {
        Color::Named(name) => match name as usize {
            dark @ 0..8 => write!(out, ";{}", usize::from(base) + dark),
            bright @ 8..16 => write!(out, ";{}", usize::from(base) + 60 + bright - 8),
            _ => Ok(()),
        },
        Color::Indexed(index) => write!(out, ";{};5;{index}", base + 8),
        Color::Spec(rgb) => write!(out, ";{};2;{};{};{}", base + 8, rgb.r, rgb.g, rgb.b),
    };
}

fn go_to(out: &mut String, row: i32, column: usize) {
    let _ = write!(out, "\x1b[{};{}H", row.max(0) + 1, column + 1);
}

/// Makes the terminal remember the cursor that the program has saved.
fn save_cursor(out: &mut String, grid: &Grid<Cell>) {
    place_cursor(out, grid, &grid.saved_cursor, grid.saved_cursor.point.line.0);
    out.push_str("\x1b7\x1b(B\x1b)B\x1b[0m");
}

/// Brings the terminal's cursor to what `cursor` is, at `row` as rows are counted now.
fn place_cursor(out: &mut String, grid: &Grid<Cell>, cursor: &Cursor<Cell>, row: i32) {
    let last = places(&grid[cursor.point.line][..]).last();
    match last {
        // The cursor hangs behind the last column; only printing there brings it to that.
        Some(last) if cursor.input_needs_wrap => {
            go_to(out, row, last.column);
            write_style(out, last.cell);
            last.write(out);
        }
        _ => go_to(out, row, cursor.point.column.0),
    }
    write_style(out, &cursor.template);
    for (index, designate) in [(CharsetIndex::G0, '('), (CharsetIndex::G1, ')')] {
        let drawing = cursor.charsets[index] == StandardCharset::SpecialCharacterAndLineDrawing;
        let _ = write!(out, "\x1b{designate}{}", if drawing { '0' } else { 'B' });
    }
}

/// Sets everything that is not a cell. Last of all the cursor is where and what it was.
fn set_modes(out: &mut String, term: &Term<Ear>, title: &str, watched: Watched) {
    let mode = *term.mode();
    let grid = term.grid();
    let rows = grid.screen_lines() as i32;

    let _ = write!(out, "\x1b]2;{title}\x07");
    for (flag, number) in MODES {
        // Resetting one kind of mouse report resets the others on some terminals: sets come last.
        if !mode.contains(*flag) {
            let _ = write!(out, "\x1b[?{number}l");
        }
    }
    for (flag, number) in MODES {
        if mode.contains(*flag) {
            let _ = write!(out, "\x1b[?{number}h");
        }
    }
    out.push_str(if mode.contains(TermMode::APP_KEYPAD) { "\x1b=" } else { "\x1b>" });
    let _ = write!(out, "\x1b[={}u", keyboard_flags(mode));
    let style = term.cursor_style();
    let shape = match style.shape {
        CursorShape::Underline => 4,
        CursorShape::Beam => 6,
        _ => 2,
    };
    let _ = write!(out, "\x1b[{} q", shape - u8::from(style.blinking));

    // From here on the order matters: each step may move the cursor or change what the next means.
    let mut top = 0;
    let mut bottom = rows;
    if let Some((first, last)) = watched.margins {
        let _ = write!(out, "\x1b[{first};{last}r");
        (top, bottom) = (i32::from(first).min(rows) - 1, i32::from(last).min(rows));
    }
    let mut row = grid.cursor.point.line.0;
    if mode.contains(TermMode::ORIGIN) {
        out.push_str("\x1b[?6h");
        // Rows are counted from the margin now, and none outside can be reached.
        row = row.clamp(top, bottom - 1) - top;
    }
    place_cursor(out, grid, &grid.cursor, row);
    out.push(if watched.shifted { '\x0e' } else { '\x0f' });
    if mode.contains(TermMode::INSERT) {
        out.push_str("\x1b[4h");
    }
    if mode.contains(TermMode::LINE_FEED_NEW_LINE) {
        out.push_str("\x1b[20h");
    }
    if !mode.contains(TermMode::LINE_WRAP) {
        out.push_str("\x1b[?7l");
    }
    if mode.contains(TermMode::SHOW_CURSOR) {
        out.push_str("\x1b[?25h");
    }
}

/// The kitty protocol's flags that are on.
fn keyboard_flags(mode: TermMode) -> u8 {
    [
        (TermMode::DISAMBIGUATE_ESC_CODES, 1),
        (TermMode::REPORT_EVENT_TYPES, 2),
        (TermMode::REPORT_ALTERNATE_KEYS, 4),
        (TermMode::REPORT_ALL_KEYS_AS_ESC, 8),
        (TermMode::REPORT_ASSOCIATED_TEXT, 16),
    ]
    .iter()
    .filter(|(flag, _)| mode.contains(*flag))
    .map(|(_, bit)| bit)
    .sum()
}
