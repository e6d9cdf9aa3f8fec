//! What a person would see: a model of the terminal's screen.
//!
//! alacritty's terminal without history (scrollback is read back from the recording, see
//! [`crate::replay`]), behind a type of ours, because any such model needs guarding: it is fed whole
//! pieces only (`scan.rs`), a synchronized update is ended before anyone looks, and a panic
//! inside costs the picture, never the session.
//!
//! The screen also answers what a program asks its terminal. People's terminals never get the
//! questions: with nobody attached no one would answer, with two of them both would.

use std::fmt;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alacritty_terminal::event::{Event, EventListener, WindowSize};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line, Point};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, Osc52, Term, TermMode};
use alacritty_terminal::vte::ansi::{NamedColor, Processor, Rgb};

use crate::redraw;
use crate::scan::Scanner;

/// The longest title that is kept.
const TITLE_LIMIT: usize = 1024;

/// How many combining characters one place may carry: a program can stack them without end.
pub(crate) const STACK_LIMIT: usize = 8;

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: u16,
    pub cols: u16,
}

impl Size {
    /// The nearest size that a screen can have: 1×2 to 500×1000.
    pub fn clamped(self) -> Self {
        Self { rows: self.rows.clamp(1, 500), cols: self.cols.clamp(2, 1000) }
    }
}

impl Default for Size {
    /// Wide enough for the interfaces of agents.
    fn default() -> Self {
        Self { rows: 50, cols: 200 }
    }
}

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.rows.into()
    }

    fn screen_lines(&self) -> usize {
        self.rows.into()
    }

    fn columns(&self) -> usize {
        self.cols.into()
    }
}

/// What was on the screen at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// All rows from the top, without trailing blanks.
    pub rows: Vec<String>,
    pub title: String,
    /// Row and column of the cursor, from 0.
    pub cursor: (u16, u16),
    pub cursor_visible: bool,
    pub alternate_screen: bool,
    pub bracketed_paste: bool,
    pub size: Size,
}

/// Hears what the model wants to tell the world.
#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    answers: Vec<u8>,
    title: String,
    size: Size,
}

impl Ear {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventListener for Ear {
    fn send_event(&self, event: Event) {
        let mut heard = self.heard();
        let answer = match event {
            Event::PtyWrite(text) => text,
            Event::ColorRequest(index, format) => format(color(index)),
            Event::TextAreaSizeRequest(format) => format(WindowSize {
                num_lines: heard.size.rows,
                num_cols: heard.size.cols,
                cell_width: 8,
                cell_height: 16,
            }),
            Event::Title(title) => {
                heard.title = title.chars().filter(|c| !c.is_control()).take(TITLE_LIMIT).collect();
                return;
            }
            Event::ResetTitle => {
                heard.title.clear();
                return;
            }
            // The clipboard belongs to people, and the rest is for windows.
            _ => return,
        };
        // More than anyone asks in one read; the bound is for programs that ask without end.
        if heard.answers.len() < 64 * 1024 {
            heard.answers.extend_from_slice(answer.as_bytes());
        }
    }
}

/// The colour we say we have: light on dark, and xterm's palette.
fn color(index: usize) -> Rgb {
    const BASE: [(u8, u8, u8); 16] = [
        (0, 0, 0),
        (205, 0, 0),
        (0, 205, 0),
        (205, 205, 0),
        (0, 0, 238),
        (205, 0, 205),
        (0, 205, 205),
        (229, 229, 229),
        (127, 127, 127),
        (255, 0, 0),
        (0, 255, 0),
        (255, 255, 0),
        (92, 92, 255),
        (255, 0, 255),
        (0, 255, 255),
        (255, 255, 255),
    ];
    let level = |step: usize| if step == 0 { 0 } else { (55 + 40 * step.min(5)) as u8 };
    let (r, g, b) = match index {
        0..16 => BASE[index],
        16..232 => {
            let cube = index - 16;
            (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232..256 => {
            let grey = (8 + 10 * (index - 232)) as u8;
            (grey, grey, grey)
        }
        // The background; all else is a kind of foreground.
        _ if index == NamedColor::Background as usize => (0, 0, 0),
        _ => (229, 229, 229),
    };
    Rgb { r, g, b }
}

/// The model of one terminal's screen.
pub struct Screen {
    pub(crate) term: Term<Ear>,
    parser: Processor,
    scanner: Scanner,
    ear: Ear,
    size: Size,
    history: usize,
    /// How often the model had to be made anew after a panic.
    rebuilt: u32,
}

impl Screen {
    /// An empty screen.
    pub fn new(size: Size) -> Self {
        Self::with_history(size, 0)
    }

    /// An empty screen that remembers `history` lines above it; for replays.
    pub(crate) fn with_history(size: Size, history: usize) -> Self {
        let size = size.clamped();
        let ear = Ear::default();
        ear.heard().size = size;
        Self {
            term: new_term(size, history, &ear),
            parser: Processor::new(),
            scanner: Scanner::new(size.rows),
            ear,
            size,
            history,
            rebuilt: 0,
        }
    }

    /// Shows `bytes`; they may be cut anywhere. Returns those that people's terminals should get:
    /// whole pieces, and no questions.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(bytes.len() + 64);
        let mut people = Vec::with_capacity(bytes.len() + 64);
        self.scanner.feed(bytes, &mut whole, &mut people);
        self.guarded(|screen| {
            screen.parser.advance(&mut screen.term, &whole);
            screen.limit_stacks();
        });
        people
    }

    /// Takes what the program must be told because it asked.
    pub fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ear.heard().answers)
    }

    /// Whether a synchronized update is open: what it shows is withheld until it ends.
    pub fn update_pending(&self) -> bool {
        self.parser.sync_timeout().sync_timeout().is_some()
    }

    /// Ends a synchronized update, if one is open. A program may have died inside.
    pub fn end_update(&mut self) {
        if self.update_pending() {
            self.guarded(|screen| screen.parser.stop_sync(&mut screen.term));
        }
    }

    /// Changes the size.
    pub fn resize(&mut self, size: Size) {
        let size = size.clamped();
        self.end_update();
        self.size = size;
        self.ear.heard().size = size;
        self.scanner.resize(size.rows);
        self.guarded(|screen| screen.term.resize(size));
    }

    /// The size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// What is on the screen now.
    pub fn snapshot(&mut self) -> Snapshot {
        self.end_update();
        Snapshot {
            rows: self.rows(),
            title: self.title(),
            cursor: self.cursor(),
            cursor_visible: self.term.mode().contains(TermMode::SHOW_CURSOR),
            alternate_screen: self.alternate_screen(),
            bracketed_paste: self.bracketed_paste(),
            size: self.size,
        }
    }

    /// The rows without trailing blanks, each ended by a line feed; blank ones at the end left out.
    pub fn text(&mut self) -> String {
        self.end_update();
        join_rows(&self.rows())
    }

    fn rows(&self) -> Vec<String> {
        (0..self.term.screen_lines()).map(|row| self.row(Line(row as i32))).collect()
    }

    /// The lines that have left the screen at the top and are remembered, oldest first.
    pub(crate) fn history(&self) -> Vec<String> {
        let above = self.term.history_size() as i32;
        (-above..0).map(|row| self.row(Line(row))).collect()
    }

    fn row(&self, line: Line) -> String {
        let mut text = String::new();
        for place in places(&self.term.grid()[line][..]) {
            place.write(&mut text);
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The window's title.
    pub fn title(&self) -> String {
        self.ear.heard().title.clone()
    }

    /// Row and column of the cursor, from 0.
    pub fn cursor(&self) -> (u16, u16) {
        let Point { line, column } = self.term.grid().cursor.point;
        (u16::try_from(line.0).unwrap_or(0), u16::try_from(column.0).unwrap_or(0))
    }

    /// Whether pasted text must be wrapped, and may be: the program told the terminal so.
    pub fn bracketed_paste(&self) -> bool {
        self.term.mode().contains(TermMode::BRACKETED_PASTE)
    }

    /// Whether a full-screen program has the second screen.
    pub fn alternate_screen(&self) -> bool {
        self.term.mode().contains(TermMode::ALT_SCREEN)
    }

    /// Leaves the second screen, in this model only. What was on it is lost; for replays.
    pub(crate) fn leave_alternate(&mut self) {
        if self.alternate_screen() {
            self.guarded(|screen| screen.term.swap_alt());
        }
    }

    /// Bytes that paint this screen on any terminal of the same size, whatever it showed before,
    /// and set its modes.
    pub fn redraw(&mut self) -> Vec<u8> {
        self.end_update();
        let watched = self.scanner.watched;
        let title = self.title();
        let mut bytes = Vec::new();
        self.guarded(|screen| bytes = redraw::redraw(&mut screen.term, &title, watched));
        bytes
    }

    /// Paints what fits of the screen into a window of another size, with `note` in its last row where not all
    /// of it fits: no modes, no title, nothing that is the program's own.
    pub fn frame(&mut self, window: Size, note: &str) -> Vec<u8> {
        self.end_update();
        let mut bytes = Vec::new();
        self.guarded(|screen| bytes = redraw::frame(&screen.term, window, note));
        bytes
    }

    /// Runs `change`; if the model panics in it, an empty one takes its place.
    fn guarded(&mut self, change: impl FnOnce(&mut Self)) {
        let done = catch_unwind(AssertUnwindSafe(|| change(self)));
        if done.is_err() {
            self.rebuilt += 1;
            tracing::error!(times = self.rebuilt, "the model of a screen broke and starts empty");
            self.term = new_term(self.size, self.history, &self.ear);
            self.parser = Processor::new();
            self.scanner = Scanner::new(self.size.rows);
        }
    }

    /// Forgets most combining characters of a place that was given far too many.
    fn limit_stacks(&mut self) {
        let Point { line, column } = self.term.grid().cursor.point;
        for back in 0..=2 {
            let cell = &mut self.term.grid_mut()[line][Column(column.0.saturating_sub(back))];
            let Some(stack) = cell.zerowidth().filter(|stack| stack.len() > 4 * STACK_LIMIT) else {
                continue;
            };
            // Those that are shown stay, so that it does not matter when this is done.
            let shown = stack[..STACK_LIMIT].to_vec();
            let (underline, link) = (cell.underline_color(), cell.hyperlink());
            cell.extra = None;
            shown.into_iter().for_each(|mark| cell.push_zerowidth(mark));
            cell.set_underline_color(underline);
            cell.set_hyperlink(link);
        }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen")
            .field("size", &self.size)
            .field("title", &self.title())
            .field("cursor", &self.cursor())
            .field("rebuilt", &self.rebuilt)
            .finish_non_exhaustive()
    }
}

fn new_term(size: Size, history: usize, ear: &Ear) -> Term<Ear> {
    let config = Config {
        scrolling_history: history,
        kitty_keyboard: true,
        osc52: Osc52::Disabled,
        ..Config::default()
    };
    Term::new(config, &size, ear.clone())
}

pub(crate) fn join_rows(rows: &[String]) -> String {
    let used = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    let mut text = String::new();
    for row in &rows[..used] {
        let _ = writeln!(text, "{row}");
    }
    text
}

/// One place of a row: what is shown there, one or two columns wide.
pub(crate) struct Place<'a> {
    pub(crate) cell: &'a Cell,
    pub(crate) column: usize,
    pub(crate) glyph: char,
}

impl Place<'_> {
    /// Combining characters on the glyph.
    pub(crate) fn stack(&self) -> &[char] {
        let stack = self.cell.zerowidth().unwrap_or_default();
        &stack[..stack.len().min(STACK_LIMIT)]
    }

    pub(crate) fn write(&self, text: &mut String) {
        text.push(self.glyph);
        text.extend(self.stack());
    }
}

/// Cuts a row into what is shown. Text and redraw both use it, so they agree even where a program
/// left half of a wide character behind.
pub(crate) fn places(row: &[Cell]) -> impl Iterator<Item = Place<'_>> {
    let mut skip = false;
    row.iter().enumerate().filter_map(move |(column, cell)| {
        if std::mem::take(&mut skip) {
            return None;
        }
        let wide = cell.flags.contains(Flags::WIDE_CHAR);
        let whole = row.get(column + 1).is_some_and(|next| next.flags.contains(Flags::WIDE_CHAR_SPACER));
        skip = wide && whole;
        // A tab is kept in its cell as such, and means a blank; so does half a character.
        let blank = cell.c.is_control() || (wide && !whole);
        Some(Place { cell, column, glyph: if blank { ' ' } else { cell.c } })
    })
}
