//! One block, run: its output goes to the terminal as it comes, and its end is kept.
//!
//! The block stays in the agent's process group and session, so that the runtime ends both at once. It
//! gets no input: lines that are typed in are for the agent.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{env, thread};

use rustix::event::{PollFd, PollFlags, poll};

use crate::fences::{Fenced, Shell};
use crate::terminal;

/// How much of the end of the output is kept, in bytes and in lines.
const KEPT: (usize, usize) = (6 * 1024, 20);
/// The most that is read after the block's end: a process that it left behind may go on talking.
const REST: usize = 1024 * 1024;

/// How a block ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// The last lines of its output.
    pub(crate) tail: String,
}

impl Ended {
    /// `code 3` or `signal 9`.
    pub(crate) fn how(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "an unknown end".to_owned(),
        }
    }
}

/// How long a signal may take that was for the agent and its block.
const TOGETHER: Duration = Duration::from_millis(300);

/// Runs `block` in `folder` with `vars` added to the agent's environment. The script is put into
/// `scratch`: a command line has less room than a bead.
pub(crate) fn run(
    block: &Fenced,
    folder: &Path,
    scratch: &Path,
    vars: &[(&str, OsString)],
) -> io::Result<Ended> {
    let script = scratch.join("gastown-block");
    fs::write(&script, &block.script)?;
    let (mut output, writer) = io::pipe()?;
    let (bell, ring) = io::pipe()?;
    // The block's own pipe must still block, or its writers would see errors that they do not expect;
    // the two ends of a pipe have modes of their own.
    rustix::io::ioctl_fionbio(&output, true)?;
    let mut command = Command::new(program(block.shell));
    command.arg("-eu").arg(&script).current_dir(folder).envs(vars.iter().cloned());
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // It holds the writing ends, and there would be no end of the output.
    drop(command);
    let waiter = thread::spawn(move || {
        let status = child.wait();
        drop(ring);
        status
    });

    let mut tail = Tail::default();
    loop {
        let mut ready = [PollFd::new(&output, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = !ready[1].revents().is_empty();
        if !drain(&mut output, &mut tail, if ended { REST } else { 64 * 1024 })? || ended {
            break;
        }
    }
    let status = waiter.join().map_err(|_| io::Error::other("the wait for a block broke"))??;
    tail.end_line();
    let _ = fs::remove_file(&script);
    if status.signal().is_some() || status.code().is_some_and(|code| code > 128) {
        // Who ends an agent signals its whole group. Then this one is over before that is over, too, and says
        // nothing of a block that nobody has let finish.
        thread::sleep(TOGETHER);
    }
    Ok(Ended { status, tail: tail.lines() })
}

/// Passes on what is there, at most about `limit` bytes; false at the end of the output.
fn drain(output: &mut impl Read, tail: &mut Tail, limit: usize) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    let mut passed = 0;
    while passed < limit {
        match output.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => {
                terminal::raw(&buffer[..n]);
                tail.push(&buffer[..n]);
                passed += n;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// `bash` blocks run in bash where there is one; everything else, everywhere, in `/bin/sh`.
fn program(shell: Shell) -> OsString {
    let bash = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|dir| dir.join("bash")).find(|file| file.is_file())
    };
    (shell == Shell::Bash).then(bash).flatten().map_or_else(|| "/bin/sh".into(), OsString::from)
}

/// The end of what was said.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 4 * KEPT.0 {
            self.0.drain(..self.0.len() - KEPT.0);
        }
    }

    /// Sees to it that the agent's next word begins a line.
    fn end_line(&self) {
        if self.0.last().is_some_and(|byte| *byte != b'\n') {
            terminal::raw(b"\n");
        }
    }

    fn lines(&self) -> String {
        let end = &self.0[self.0.len().saturating_sub(KEPT.0)..];
        let text: String = String::from_utf8_lossy(end)
            .chars()
            .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
            .collect();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(KEPT.1)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(script: &str) -> Ended {
        let folder = tempfile::tempdir().unwrap();
        let fenced = Fenced { shell: Shell::Sh, script: script.to_owned() };
        run(&fenced, folder.path(), folder.path(), &[("WORD", "seven".into())]).unwrap()
    }

    #[test]
    fn the_end_of_the_output_is_kept_from_both_streams() {
        let ended =
            block("i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; done; echo $WORD >&2; exit 3");
        assert_eq!(ended.how(), "code 3");
        assert_eq!(ended.tail.lines().count(), 20);
        assert!(ended.tail.ends_with("line 40\nseven"), "{}", ended.tail);
    }

    #[test]
    fn errors_and_unset_variables_end_a_block_and_input_is_empty() {
        assert_eq!(block("false; echo no").how(), "code 1");
        assert!(!block("echo $NOT_SET_ANYWHERE; echo no").status.success());
        assert_eq!(block("cat; echo over").tail, "over");
        assert_eq!(block("kill -9 $$").how(), "signal 9");
    }

    #[test]
    fn a_process_left_behind_does_not_hold_the_agent_up() {
        let ended = block("sleep 600 & echo $! ; echo up");
        let pid = ended.tail.lines().next().unwrap().to_owned();
        assert!(ended.tail.ends_with("up"));
        assert!(Command::new("kill").arg(pid).status().unwrap().success(), "it still ran");
    }
}
