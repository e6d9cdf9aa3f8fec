//! The person's terminal, taken over and given back.
//!
//! It is given back on every way out: when the guard is dropped, and when something panics, before the
//! message is printed. Where this program is killed, a keeper gives it back: a small process that waits for the
//! end of this one and does nothing else. The agent's program may have switched on any mode by then, so all that we know of
//! are switched off.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
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

/// The hidden word by which this program is the keeper.
pub(crate) const KEEPER: &str = "__keeper";

/// A terminal in raw mode; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Raw {
    keeper: Option<(Child, ChildStdin)>,
}

/// Starts the keeper, and waits until it knows how the terminal was.
fn start_keeper() -> Option<(Child, ChildStdin)> {
    let program = std::env::current_exe().ok()?;
    let mut child = Command::new(program)
        .arg(KEEPER)
        .stdin(Stdio::piped())
        .stdout(Stdio::inherit())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let told = child.stderr.take().is_some_and(|mut told| told.read_exact(&mut [0]).is_ok());
    let line = child.stdin.take();
    match (told, line) {
        (true, Some(line)) => Some((child, line)),
        _ => {
            let _ = child.kill();
            let _ = child.wait();
            None
        }
    }
}

/// Is the keeper: waits for the end of whoever started it, and gives the terminal at standard output back
/// unless that has been done. Returns the exit code.
pub(crate) fn keep() -> u8 {
    // What ends the others at the terminal, Ctrl-c and a closed window, must not end this one first.
    let _ = rustix::process::setsid();
    let Ok(saved) = tcgetattr(stdout()) else { return 1 };
    if io::stderr().write_all(b"k").is_err() {
        return 1;
    }
    let mut line = [0];
    if matches!(io::stdin().read(&mut line), Ok(1)) {
        return 0;
    }
    let mut out = io::stdout();
    let _ = out.write_all(LEAVE).and_then(|()| out.flush());
    let _ = tcsetattr(stdout(), OptionalActions::Flush, &saved);
    0
}

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
        let keeper = start_keeper();
        let saved = tcgetattr(stdin())?;
        let mut raw = saved.clone();
        raw.make_raw();
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        let guard = Raw { keeper };
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
        if let Some((mut child, mut line)) = self.keeper.take() {
            let _ = line.write_all(b"k");
            drop(line);
            let _ = child.wait();
        }
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
