//! The agent's own terminal: what is said there, what is typed there, and the signals.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::{env, process, thread};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::SIGTERM;

/// Begins every line that the agent says itself, so that none is taken for a block's output.
const PREFIX: &str = "[shell] ";

/// Says `text`, with its own prefix on each line. Control characters do not reach the terminal: titles
/// and letters are other people's words.
pub(crate) fn say(text: &str) {
    let mut out = String::new();
    for line in text.lines() {
        out.push_str(PREFIX);
        out.extend(line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }));
        out.push('\n');
    }
    raw(out.as_bytes());
}

/// Writes bytes as they are: a block's output, a line of the protocol.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    // A terminal that is gone ends the agent by its hangup; nobody is left to be told.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// The working directory, for people.
pub(crate) fn here() -> String {
    env::current_dir().map_or_else(|error| format!("no folder ({error})"), |dir| dir.display().to_string())
}

/// Stops the terminal from repeating what is typed: answers are not for people.
pub(crate) fn stop_echo() {
    let stdin = io::stdin();
    // Without a terminal there is no echo.
    if let Ok(mut modes) = tcgetattr(&stdin) {
        modes.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(&stdin, OptionalActions::Now, &modes);
    }
}

/// Returns the lines that are typed, until the terminal closes. A thread blocks in the read, so waiting
/// for a line costs nothing.
pub(crate) fn lines() -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut line = Vec::new();
        // A terminal whose other end is gone reads as an error rather than as an end.
        while stdin.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receive
}

/// How SIGTERM is taken: as a friendly end while the agent only listens, as an end in the middle of
/// work otherwise.
#[derive(Debug)]
pub(crate) struct Signals {
    idle: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to heed SIGTERM.
    pub(crate) fn heed() -> io::Result<Self> {
        let idle = Arc::new(AtomicBool::new(false));
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM])?;
        let seen = idle.clone();
        thread::spawn(move || {
            if signals.forever().next().is_some() {
                process::exit(if seen.load(Ordering::SeqCst) { 0 } else { 128 + SIGTERM });
            }
        });
        Ok(Signals { idle })
    }

    /// Tells whether the agent only listens from now on.
    pub(crate) fn idle(&self, idle: bool) {
        self.idle.store(idle, Ordering::SeqCst);
    }
}
