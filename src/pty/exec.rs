//! The shim between the runtime and a program.
//!
//! Every program is started as `gastown __exec PPID CWD -- PROGRAM ARGS…`. The shim runs in the
//! child, after the new session has its terminal and before the program, and does there what
//! portable-pty cannot:
//!
//! - it dies with its parent (`PR_SET_PDEATHSIG`), and does not start at all if the parent is gone;
//! - it bears the session's [`mark`](mod@crate::mark), by which everything below it is found again;
//! - it enters the working directory or fails: portable-pty would go to `$HOME` without a word;
//! - it sets the terminal up: `IUTF8` on (or backspace eats half characters), `IXON` off (or a `^S`
//!   typed by a person who then detaches leaves the agent stopped for good);
//! - if the program cannot be started it says so on the terminal and exits with 126 or 127, where
//!   portable-pty's child would abort.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::termios::{InputModes, OptionalActions, tcgetattr, tcsetattr};

use crate::mark;
use crate::sweep::SESSION_VARIABLE;

/// The first argument that makes a binary act as the shim.
pub const VERB: &str = "__exec";

/// Exit code of the shim when the program exists and could not be started, as in shells.
pub const CANNOT_START: i32 = 126;

/// Exit code of the shim when the program was not found, as in shells.
pub const NOT_FOUND: i32 = 127;

/// Becomes the program named in `arguments`, which are those after [`VERB`]:
/// `PPID CWD -- PROGRAM ARGS…`.
///
/// Returns never: either the program takes over this process, or the process exits with
/// [`CANNOT_START`] or [`NOT_FOUND`] after a line on standard error.
pub fn exec_shim(arguments: Vec<OsString>) -> ! {
    let (code, why) = match become_program(&arguments) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    // The terminal may be gone already; the exit code still tells.
    let _ = writeln!(io::stderr(), "gastown: {why}");
    std::process::exit(code);
}

fn become_program(arguments: &[OsString]) -> Result<std::convert::Infallible, (i32, String)> {
    let [parent, cwd, dashes, program, rest @ ..] = arguments else {
        return Err((CANNOT_START, "expected PPID CWD -- PROGRAM ARGS".into()));
    };
    if dashes != "--" {
        return Err((CANNOT_START, "expected -- before the program".into()));
    }
    let parent = parent
        .to_str()
        .and_then(|pid| pid.parse::<i32>().ok())
        .and_then(Pid::from_raw)
        .ok_or((CANNOT_START, "the parent's pid is not a number".to_string()))?;

    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| (CANNOT_START, format!("cannot tie the program to its parent: {error}")))?;
    // The signal is not sent for a parent that died before the call above.
    if getppid() != Some(parent) {
        return Err((CANNOT_START, "the runtime has gone away".into()));
    }

    if let Some(session) = std::env::var_os(SESSION_VARIABLE) {
        mark::join(&session);
    }
    let cwd = Path::new(cwd);
    std::env::set_current_dir(cwd)
        .map_err(|error| (CANNOT_START, format!("cannot enter {}: {error}", cwd.display())))?;
    prepare_terminal();

    let error = Command::new(program).args(rest).env("PWD", cwd).exec();
    let code = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_START,
    };
    Err((code, format!("cannot start {}: {error}", Path::new(program).display())))
}

/// Sets the modes that agents need. A program that runs without a terminal needs none.
fn prepare_terminal() {
    let stdin = io::stdin();
    if let Ok(mut termios) = tcgetattr(&stdin) {
        termios.input_modes.insert(InputModes::IUTF8);
        termios.input_modes.remove(InputModes::IXON);
        let _ = tcsetattr(&stdin, OptionalActions::Now, &termios);
    }
}
