//! One run of a program, which gets the message as JSON on its standard input.
//!
//! The program is the leader of a process group of its own. When its time is up the group is killed; so is what
//! is left of it when the program has ended by itself. It is started through the runtime's shim, which ties it to
//! the runtime: no run outlives the runtime that is to hear how it ended.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::{Ended, Message, brief};

/// How much of the output is kept, in bytes: its end.
const KEPT: usize = 16 * 1024;

/// How long output is read on after the program has ended.
const LEFT_OVER: Duration = Duration::from_millis(500);

/// What is run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// Where.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// How long it may take.
    pub timeout: Duration,
    /// The program that ties it to this process, when there is one.
    pub shim: Option<PathBuf>,
}

/// Ends what is left of a process group.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs the program with `message` on its standard input. Exit code 0 means that it was told.
pub async fn run(program: &Program, message: &Message) -> Ended {
    let name = program.run.first().map_or("", String::as_str);
    let input = format!("{}\n", message.json);
    if let Err(error) = faults::point("notify.send") {
        return Ended::Failed(error.to_string());
    }
    let mut child = match start(program, message) {
        Ok(child) => child,
        Err(error) => return Ended::Failed(format!("cannot start {name}: {error}")),
    };
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let mut stdin = child.stdin.take();
    let told = tokio::spawn(async move {
        if let Some(stdin) = &mut stdin {
            // Who does not want to hear it may close the pipe.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    });
    let (said, complained) = (Tail::of(child.stdout.take()), Tail::of(child.stderr.take()));
    let ended = tokio::time::timeout(program.timeout, child.wait()).await;
    // Whatever it has left running goes with it, and with that the other ends of its pipes.
    drop(group);
    told.abort();
    let (said, complained) = tokio::join!(said.end(), complained.end());
    let ended = match ended {
        Ok(Ok(status)) => judge(name, status, &said, &complained),
        Ok(Err(error)) => Ended::Doubtful(format!("{name}: {error}")),
        // What it had done until then only it knows.
        Err(_) => Ended::Doubtful(format!("{name} was killed: it did not end within {:?}", program.timeout)),
    };
    faults::pass("notify.sent");
    ended
}

fn start(program: &Program, message: &Message) -> io::Result<Child> {
    let words: Vec<OsString> = match &program.shim {
        None => program.run.iter().map(Into::into).collect(),
        Some(shim) => {
            let mut words: Vec<OsString> = vec![shim.into(), "__exec".into()];
            words.extend([std::process::id().to_string().into(), (&program.cwd).into(), "--".into()]);
            words.extend(program.run.iter().map(OsString::from));
            words
        }
    };
    let (first, rest) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(first)
        .args(rest)
        .current_dir(&program.cwd)
        .env_clear()
        .envs(program.env.iter().cloned())
        .env("GASTOWN_NOTICE", &message.key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// The end of what comes out of a pipe.
struct Tail {
    kept: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Tail {
    fn of(from: Option<impl AsyncRead + Unpin + Send + 'static>) -> Tail {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&kept);
        let reader = tokio::spawn(async move {
            let Some(mut from) = from else { return };
            let mut buffer = vec![0; 8 * 1024];
            while let Ok(n @ 1..) = from.read(&mut buffer).await {
                let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&buffer[..n]);
                let more = kept.len().saturating_sub(KEPT);
                kept.drain(..more);
            }
        });
        Tail { kept, reader }
    }

    /// What has come, once nobody writes any more. Who has left the group may hold a pipe for ever: that is not
    /// waited for.
    async fn end(mut self) -> String {
        if tokio::time::timeout(LEFT_OVER, &mut self.reader).await.is_err() {
            self.reader.abort();
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

fn judge(name: &str, status: ExitStatus, said: &str, complained: &str) -> Ended {
    let said = brief(said);
    let complained = brief(complained);
    let words: Vec<&str> =
        [said.as_str(), complained.as_str()].into_iter().filter(|w| !w.is_empty()).collect();
    let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(" | ")) };
    match (status.code(), status.signal()) {
        (Some(0), _) => Ended::Taken(format!("{name} ended well{words}")),
        (Some(code), _) => Ended::Failed(format!("{name} ended with code {code}{words}")),
        (None, signal) => {
            Ended::Failed(format!("{name} was ended by signal {}{words}", signal.unwrap_or_default()))
        }
    }
}
