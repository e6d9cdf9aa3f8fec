//! Starts programs in terminals.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use portable_pty::{CommandBuilder, MasterPty, native_pty_system};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::oneshot;

use crate::control::ProcessControl;
use crate::exec::VERB;
use crate::program::{check_directory, resolve};
use crate::pump::{Leader, Pump};
use crate::recording::{Recorder, RecordingSpec};
use crate::screen::Size;
use crate::spawner;
use crate::sweep::{self, Asleep, SESSION_VARIABLE};
use crate::tap::Tap;
use crate::terminal::{Shared, Terminal};

/// A program to start.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SpawnSpec {
    /// A name to look up in the child's `PATH`, or a path (relative to `cwd`).
    pub program: String,
    pub args: Vec<String>,
    /// Must exist.
    pub cwd: PathBuf,
    /// The whole environment: nothing is inherited. `GASTOWN_SESSION` is set to `marker`, `PWD` to
    /// `cwd`, and `SHELL` to `/bin/sh` unless it is given. Never printed by `Debug`.
    pub env: BTreeMap<String, String>,
    pub size: Size,
    /// Value of `GASTOWN_SESSION`, by which everything the program starts is found again. Must be
    /// unique.
    pub marker: String,
    /// A command to run the program through, such as `nice -n 5` or a sandbox; usually empty.
    pub exec_wrapper: Vec<String>,
}

impl fmt::Debug for SpawnSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnSpec")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("cwd", &self.cwd)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("size", &self.size)
            .field("marker", &self.marker)
            .field("exec_wrapper", &self.exec_wrapper)
            .finish()
    }
}

/// What a terminal is connected to, besides its program.
#[derive(Default)]
pub struct Wiring {
    /// Hears all output first, and says what people may see of it.
    pub tap: Option<Box<dyn Tap>>,
    /// Where what people may see is recorded.
    pub recording: Option<RecordingSpec>,
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring")
            .field("tap", &self.tap.is_some())
            .field("recording", &self.recording)
            .finish()
    }
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("there is no program {program:?} on the session's PATH ({path})")]
    NoSuchProgram { program: String, path: String },
    #[error("{} is not executable", file.display())]
    NotExecutable { file: PathBuf },
    #[error("there is no directory {}", path.display())]
    NoSuchDirectory { path: PathBuf },
    #[error("cannot enter {}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot record the session in {}", path.display())]
    Recording { path: PathBuf, source: io::Error },
    #[error("cannot open a terminal")]
    Terminal(#[source] io::Error),
    #[error("cannot start {program:?}")]
    Start { program: String, source: io::Error },
    #[error("the host cannot start programs any more")]
    HostGone,
}

/// A program on its way.
pub type Spawning = Pin<Box<dyn Future<Output = Result<Terminal, SpawnError>> + Send>>;

/// Starts programs in terminals and finds what they left behind.
pub trait Host: Send + Sync + fmt::Debug {
    /// Starts a program. The future does not borrow the host; dropping it unfinished kills the
    /// program if it was started already.
    ///
    /// That the program is there has been checked. If it cannot be executed nevertheless (a script
    /// without its interpreter), it ends at once with code 126 or 127 and a line on the screen.
    fn spawn(&self, spec: SpawnSpec, wiring: Wiring) -> Spawning;

    /// Kills every process that carries `GASTOWN_SESSION=marker`. Returns how many. Reads `/proc`:
    /// use `spawn_blocking`.
    fn sweep(&self, marker: &str) -> usize;

    /// Kills what a runtime of this town that crashed left behind, sparing the own process and its
    /// ancestors; git programs and gates among it are asked to end first. Returns how many. Reads `/proc`
    /// and may wait: use `spawn_blocking`.
    fn sweep_town(&self, town: &Path) -> usize;

    /// Stops (SIGSTOP) every process of every session of this town, wherever it has gone. Returns those
    /// that had been stopped by somebody else before. Reads `/proc`: use `spawn_blocking`.
    fn halt_town(&self, town: &Path) -> Asleep;

    /// Lets go on (SIGCONT) what [`Host::halt_town`] has stopped. Reads `/proc`: use `spawn_blocking`.
    fn wake_town(&self, town: &Path, asleep: &Asleep);
}

/// Real programs in real terminals.
#[derive(Debug, Clone)]
pub struct RealHost {
    shim: PathBuf,
}

impl RealHost {
    /// A host that starts programs through the binary `shim`, which must hand the arguments after
    /// [`VERB`] to [`crate::exec_shim`]: usually `std::env::current_exe()`.
    pub fn new(shim: PathBuf) -> Self {
        Self { shim }
    }
}

impl Host for RealHost {
    fn spawn(&self, spec: SpawnSpec, wiring: Wiring) -> Spawning {
        let shim = self.shim.clone();
        Box::pin(async move {
            let Wiring { tap, recording } = wiring;
            let (reply, born) = oneshot::channel();
            let job = move || {
                // If nobody waits any more the newborn is dropped, which kills it.
                let _ = reply.send(give_birth(&shim, &spec, recording));
            };
            if !spawner::run(job) {
                return Err(SpawnError::HostGone);
            }
            let born = born.await.map_err(|_| SpawnError::HostGone)??;
            let shared = Arc::clone(&born.leader.shared);
            let pump = Pump::new(born, tap).map_err(SpawnError::Terminal)?;
            // From here on dropping the terminal kills the program.
            let terminal = Terminal::new(shared);
            tokio::spawn(pump.run());
            Ok(terminal)
        })
    }

    fn sweep(&self, marker: &str) -> usize {
        sweep::by_marker(marker)
    }

    fn sweep_town(&self, town: &Path) -> usize {
        sweep::by_town(town)
    }

    fn halt_town(&self, town: &Path) -> Asleep {
        sweep::halt(town)
    }

    fn wake_town(&self, town: &Path, asleep: &Asleep) {
        sweep::go_on(town, asleep);
    }
}

/// A program that has been started and has no task yet.
pub(crate) struct Born {
    /// Our side of the terminal, non-blocking.
    pub(crate) fd: OwnedFd,
    /// Kills and buries the program when dropped.
    pub(crate) leader: Leader,
}

/// Opens a terminal and starts the program in it. Runs on the spawning thread.
fn give_birth(shim: &Path, spec: &SpawnSpec, recording: Option<RecordingSpec>) -> Result<Born, SpawnError> {
    check_directory(&spec.cwd)?;
    resolve(&spec.program, &spec.env, &spec.cwd)?;
    if let Some(wrapper) = spec.exec_wrapper.first() {
        resolve(wrapper, &spec.env, &spec.cwd)?;
    }
    let size = spec.size.clamped();
    let recorder = recording
        .map(|recording| {
            let path = recording.path.clone();
            Recorder::begin(recording, size).map_err(|source| SpawnError::Recording { path, source })
        })
        .transpose()?;

    let lock = spawner::spawn_lock();
    let pair = native_pty_system()
        .openpty(size.into())
        .map_err(|error| SpawnError::Terminal(io::Error::other(error)))?;
    let fd = nonblocking_copy(&*pair.master).map_err(SpawnError::Terminal)?;
    let tty = pair
        .master
        .tty_name()
        .ok_or_else(|| SpawnError::Terminal(io::Error::other("the terminal has no name")))?;
    let start = |source| SpawnError::Start { program: spec.program.clone(), source };
    faults::point("pty.spawn").map_err(start)?;
    let mut child = pair
        .slave
        .spawn_command(command(shim, spec, &tty))
        .map_err(|error| start(io::Error::other(error)))?;
    // As long as we hold the program's side there would be no end of file.
    drop(pair.slave);
    faults::pass("pty.spawned");

    let pid = child
        .process_id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw)
        .ok_or_else(|| start(io::Error::other("the program has no pid")))?;
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(start(error.into()));
        }
    };
    crate::orphans::leave_to_us(pid);
    drop(lock);

    let control = Arc::new(ProcessControl::new(pid, spec.marker.clone(), pair.master));
    let shared = Arc::new(Shared::new(
        pid.as_raw_nonzero().get().unsigned_abs(),
        tty,
        size,
        recorder,
        Box::new(Arc::clone(&control)),
    ));
    Ok(Born { fd, leader: Leader::new(pid, pidfd, control, shared) })
}

fn command(shim: &Path, spec: &SpawnSpec, tty: &Path) -> CommandBuilder {
    let mut command = CommandBuilder::new(shim);
    command.arg(VERB);
    command.arg(std::process::id().to_string());
    command.arg(&spec.cwd);
    command.arg("--");
    command.args(&spec.exec_wrapper);
    command.arg(&spec.program);
    command.args(&spec.args);
    command.env_clear();
    // portable-pty would look into the password file for one.
    command.env("SHELL", "/bin/sh");
    for (name, value) in &spec.env {
        command.env(name, value);
    }
    command.env(SESSION_VARIABLE, &spec.marker);
    command.env("GASTOWN_TTY", tty);
    // Always there; the shim enters the real one, or fails.
    command.cwd("/");
    command
}

/// Returns a close-on-exec copy of the master that never blocks, for reading and writing.
fn nonblocking_copy(master: &dyn MasterPty) -> io::Result<OwnedFd> {
    let raw = master.as_raw_fd().ok_or_else(|| io::Error::other("the terminal has no descriptor"))?;
    #[expect(unsafe_code, reason = "portable-pty gives its descriptor as a number only")]
    // SAFETY: `master` owns the descriptor and outlives this borrow.
    let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
    let copy = rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?;
    let flags = rustix::fs::fcntl_getfl(&copy)?;
    // Shared by all copies: from here on nobody may use portable-pty's own reader or writer.
    rustix::fs::fcntl_setfl(&copy, flags | OFlags::NONBLOCK)?;
    Ok(copy)
}
