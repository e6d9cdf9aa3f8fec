//! The one task of a terminal: moves bytes both ways until the program has ended.
//!
//! ```text
//! run ──> [ read ≤ 8 KiB, show it, yield | write one item | the leader ended ] ──> drain ──> bury
//! ```
//!
//! - The budget of 8 KiB a turn is what keeps a person's key press quick beside four programs that
//!   flood; throughput does not notice.
//! - The end is the leader's (a pidfd), not the end of file: a grandchild may hold the terminal open
//!   for ever. What is still in the terminal is drained, at most [`GRACE`] long.
//! - Whatever way this task ends, even by a panic or with the runtime, [`Leader`] kills the program,
//!   waits for it and tells everyone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::control::{Control, ProcessControl};
use crate::host::Born;
use crate::orphans;
use crate::recording::Recorder;
use crate::sweep;
use crate::tap::{Filtered, Tap};
use crate::terminal::{self, ExitStatus, Shared};

/// The most that is read in one turn.
const BUDGET: usize = 8 * 1024;

/// How long output is waited for after the leader has ended.
const GRACE: Duration = Duration::from_millis(300);

/// How long the end waits for the disk to take what is left of the recording.
const DISK: Duration = Duration::from_secs(2);

/// How long a synchronized update may stay open, and how long a terminal that nobody has open is
/// left alone until it is looked at again.
const PATIENCE: Duration = Duration::from_millis(150);

/// A started program, until it has been buried.
pub(crate) struct Leader {
    pid: Pid,
    pidfd: OwnedFd,
    control: Arc<ProcessControl>,
    pub(crate) shared: Arc<Shared>,
    buried: bool,
}

impl Leader {
    pub(crate) fn new(pid: Pid, pidfd: OwnedFd, control: Arc<ProcessControl>, shared: Arc<Shared>) -> Self {
        Self { pid, pidfd, control, shared, buried: false }
    }

    /// Waits for the program, which has ended or has been killed, and tells everyone.
    fn bury(&mut self) {
        if std::mem::replace(&mut self.buried, true) {
            return;
        }
        let status = self.control.reap(|| {
            loop {
                match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
                    Err(rustix::io::Errno::INTR) => {}
                    found => break found,
                }
            }
        });
        let status = match status {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => ExitStatus::Code(code),
                (None, signal) => ExitStatus::Signal(signal.unwrap_or(9)),
            },
            // Somebody waited for any child of ours and took the status.
            Ok(None) | Err(_) => {
                tracing::error!(pid = %self.shared.pid, "the exit status of a program was stolen");
                ExitStatus::Signal(9)
            }
        };
        orphans::forget(self.pid);
        self.control.hang_up();
        self.shared.close(status);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.buried {
            let _ = self.control.signal_group(terminal::Signal::Kill);
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            self.bury();
        }
    }
}

pub(crate) struct Pump {
    fd: AsyncFd<OwnedFd>,
    /// A copy of the leader's pidfd, which becomes readable when the program ends.
    ended: AsyncFd<OwnedFd>,
    tap: Option<Box<dyn Tap>>,
    leader: Leader,
    /// What of the current item has not been written yet.
    typing: Vec<u8>,
    buffer: Box<[u8; BUDGET]>,
}

enum Read {
    Bytes(usize),
    /// Nobody has the program's side open.
    Closed,
}

impl Pump {
    pub(crate) fn new(born: Born, tap: Option<Box<dyn Tap>>) -> io::Result<Self> {
        let Born { fd, leader } = born;
        let fd = watch(fd, Interest::READABLE | Interest::WRITABLE)?;
        let ended = watch(leader.pidfd.try_clone()?, Interest::READABLE)?;
        Ok(Self { fd, ended, tap, leader, typing: Vec::new(), buffer: Box::new([0; BUDGET]) })
    }

    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.leader.shared);
        let mut closed_until: Option<Instant> = None;
        loop {
            if self.typing.is_empty()
                && let Some(item) = shared.input.pop()
            {
                self.typing = item;
            }
            let update = shared.face().screen.update_pending();
            let wake = match (closed_until, update) {
                (Some(at), _) => Some(at),
                (None, true) => Some(Instant::now() + PATIENCE),
                (None, false) => None,
            };
            tokio::select! {
                _ = self.ended.readable() => break,
                read = read(&self.fd, &mut self.buffer[..]), if closed_until.is_none() => {
                    match read {
                        Read::Bytes(count) => self.show(count),
                        Read::Closed => closed_until = Some(Instant::now() + PATIENCE),
                    }
                    tokio::task::yield_now().await;
                }
                written = write(&self.fd, &self.typing), if !self.typing.is_empty() => {
                    let count = match written {
                        Ok(count) => count,
                        // Nobody will read it; the leader's end decides what follows.
                        Err(_) => self.typing.len(),
                    };
                    self.typing.drain(..count);
                    shared.input.done(count);
                }
                () = shared.input.filled(), if self.typing.is_empty() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    closed_until = None;
                    shared.with_screen(|screen| screen.end_update());
                }
            }
        }
        self.drain().await;
        self.finish().await;
    }

    /// Reads what the program printed before it ended.
    async fn drain(&mut self) {
        let until = Instant::now() + GRACE;
        while let Ok(Read::Bytes(count)) = timeout_at(until, read(&self.fd, &mut self.buffer[..])).await {
            self.show(count);
            if Instant::now() >= until {
                break;
            }
            tokio::task::yield_now().await;
        }
        if let Some(tap) = &mut self.tap
            && let Ok(rest) = catch_unwind(AssertUnwindSafe(|| tap.finish()))
            && !rest.is_empty()
        {
            self.leader.shared.show(&rest);
        }
    }

    /// Kills what is left of the session and tells everyone how the program ended.
    async fn finish(self) {
        let Self { fd, ended, mut leader, .. } = self;
        drop(ended);
        let pid = leader.pid;
        // The leader is a zombie until it is buried, so its number still means this session.
        let _ = leader.control.signal_group(terminal::Signal::Kill);
        let _ = tokio::task::spawn_blocking(move || sweep::by_session(pid)).await;
        drop(fd);
        // Whoever hears of the end reads the recording.
        let written = leader.shared.face().recorder.as_mut().map(Recorder::flush);
        if let Some(written) = written {
            let _ = timeout_at(Instant::now() + DISK, written).await;
        }
        leader.bury();
    }

    fn show(&mut self, count: usize) {
        let raw = &self.buffer[..count];
        let filtered = match &mut self.tap {
            None => Filtered::Same,
            // Without an answer of the tap nobody may see the bytes: they may hold a secret.
            Some(tap) => catch_unwind(AssertUnwindSafe(|| tap.hear(raw))).unwrap_or_else(|_| {
                tracing::error!(pid = self.leader.shared.pid, "a tap broke; its bytes are dropped");
                Filtered::Changed(Vec::new())
            }),
        };
        match filtered {
            Filtered::Same => self.leader.shared.show(raw),
            Filtered::Changed(bytes) if bytes.is_empty() => {}
            Filtered::Changed(bytes) => self.leader.shared.show(&bytes),
        }
    }
}

fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "the safe constructor takes any type and is deprecated for it")]
    // SAFETY: an `OwnedFd` gives the same open descriptor for as long as it lives, and the `AsyncFd`
    // owns it.
    let watched = unsafe { AsyncFd::register_with_interest(fd, interest) };
    Ok(watched?)
}

/// Reads until the buffer is full or nothing more is there. Cancelling loses nothing.
async fn read(fd: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> Read {
    loop {
        let Ok(mut ready) = fd.readable().await else { return Read::Closed };
        // Asked now, since finding nothing there clears it.
        let closed = ready.ready().is_read_closed();
        let mut filled = 0;
        while filled < buffer.len() {
            match ready.try_io(|fd| Ok(rustix::io::read(fd, &mut buffer[filled..])?)) {
                Ok(Ok(count)) if count > 0 => filled += count,
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // The next turn finds out again, after these bytes have been shown.
                Ok(_) if filled > 0 => return Read::Bytes(filled),
                // EIO is how a terminal says that its other side is closed.
                Ok(_) => return Read::Closed,
                // Once nobody had the other side open, tokio calls this side ready for ever: waiting
                // for more would spin. It is looked at again after a while, as someone may open it.
                Err(_would_block) if filled == 0 && closed => {
                    return Read::Closed;
                }
                Err(_would_block) => break,
            }
        }
        if filled > 0 {
            return Read::Bytes(filled);
        }
    }
}

/// Writes what the terminal takes of `bytes` now. Cancelling loses nothing.
async fn write(fd: &AsyncFd<OwnedFd>, bytes: &[u8]) -> io::Result<usize> {
    faults::pass("pty.write");
    loop {
        let mut ready = fd.writable().await?;
        let closed = ready.ready().is_write_closed();
        match ready.try_io(|fd| Ok(rustix::io::write(fd, bytes)?)) {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(done) => return done,
            // As above, and the terminal is full: nobody will read these bytes.
            Err(_would_block) if closed => {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            Err(_would_block) => {}
        }
    }
}
