//! The person's terminal, taken over and given back.
//!
//! It is given back on every way out: when the guard is dropped, and when something panics, before the
//! message is printed. The agent's program may have switched on any mode by then, so all that we know of
//! are switched off.

use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};

use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The alternate screen, cleared: what stood in the terminal comes back afterwards.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[H";

/// Mouse, focus, paste, synchronized output, application cursor and keypad, kitty keyboard, margins,
/// cursor shape, character set, colours, wrapping, cursor; the alternate screen last.
const LEAVE: &[u8] = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1004l\x1b[?2004l\
\x1b[?2026l\x1b[?1l\x1b>\x1b[<99u\x1b[>4;0m\x1b[r\x1b[0 q\x1b(B\x0f\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The settings to go back to, while the terminal is taken over.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal in raw mode; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Raw(());

impl Raw {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub(super) fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        let saved = tcgetattr(stdin())?;
        let mut raw = saved.clone();
        raw.make_raw();
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        let guard = Raw(());
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        let mut out = io::stdout();
        out.write_all(ENTER)?;
        out.flush()?;
        Ok(guard)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        give_back();
    }
}

/// Puts the terminal back as it was; nothing, when that has been done.
fn give_back() {
    let Some(saved) = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let mut out = io::stdout();
    // A terminal that is gone needs nothing back.
    let _ = out.write_all(LEAVE).and_then(|()| out.flush());
    // Flush: what the mouse has sent meanwhile must not be typed into the person's shell.
    let _ = tcsetattr(stdin(), OptionalActions::Flush, &saved);
}

/// Rows and columns of the person's window.
pub(super) fn size() -> (u16, u16) {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}

/// The bytes that show `text` in the last line without moving the cursor.
pub(super) fn notice(text: &str) -> Vec<u8> {
    let (rows, cols) = size();
    let text: String = text.chars().take(usize::from(cols)).collect();
    format!("\x1b7\x1b[{rows};1H\x1b[0;7m{text}\x1b[0m\x1b[K\x1b8").into_bytes()
}
