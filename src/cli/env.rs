//! Where the program finds itself: variables, working directory, terminals. Read once, so that tests
//! can hand in another.

use std::collections::HashMap;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;

use model::time::{Clock, SystemClock, Timestamp};

/// The surroundings of one invocation.
#[derive(Clone)]
pub struct Env {
    /// Environment variables that are valid UTF-8.
    pub vars: HashMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// Whether standard input is a terminal.
    pub stdin_terminal: bool,
    /// Whether standard output is a terminal.
    pub stdout_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_terminal: bool,
    /// Columns of the terminal, while standard output is one.
    pub width: usize,
    /// The time of the invocation.
    pub now: Timestamp,
}

impl Env {
    /// The surroundings of this process.
    pub fn of_process() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let width = rustix::termios::tcgetwinsize(std::io::stdout())
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0)
            .unwrap_or(80);
        Env {
            vars,
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            stdin_terminal: std::io::stdin().is_terminal(),
            stdout_terminal: std::io::stdout().is_terminal(),
            stderr_terminal: std::io::stderr().is_terminal(),
            width,
            now: SystemClock.now(),
        }
    }

    /// The variable `name`, unless it is not set or empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether an agent's session asks; people have no token.
    pub(crate) fn is_agent(&self) -> bool {
        self.var("GASTOWN_TOKEN").is_some()
    }

    /// Whether colours are welcome anywhere (`NO_COLOR`, `TERM=dumb`).
    pub(crate) fn allows_color(&self) -> bool {
        self.var("NO_COLOR").is_none() && self.var("TERM") != Some("dumb")
    }
}

/// Without the variables: tokens and nonces are among them.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("cwd", &self.cwd).field("width", &self.width).finish_non_exhaustive()
    }
}
