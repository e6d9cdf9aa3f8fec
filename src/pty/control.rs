//! What can be done to a program from outside its terminal's bytes.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use portable_pty::{MasterPty, PtySize};
use rustix::process::{Pid, kill_process_group};
use rustix::termios::{LocalModes, tcgetattr};

use crate::look::{self, Look};
use crate::screen::Size;
use crate::sweep;
use crate::terminal::Signal;

/// The hands of a host on one program.
pub(crate) trait Control: Send + Sync {
    fn resize(&self, size: Size) -> io::Result<()>;
    fn signal_group(&self, signal: Signal) -> io::Result<()>;
    fn sweep(&self) -> usize;
    fn look(&self) -> Option<Look>;
    fn cwd(&self) -> Option<PathBuf>;
    /// Whether the terminal hands over whole lines.
    fn reads_lines(&self) -> bool;
}

/// The hands of the real host.
pub(crate) struct ProcessControl {
    pid: Pid,
    marker: String,
    /// Whether the leader has been waited for. From then on its number may be somebody else's, so
    /// signals are sent under this lock and never afterwards.
    reaped: Mutex<bool>,
    /// Open until the program has ended: closing it hangs the terminal up.
    master: Mutex<Option<Box<dyn MasterPty + Send>>>,
}

impl ProcessControl {
    pub(crate) fn new(pid: Pid, marker: String, master: Box<dyn MasterPty + Send>) -> Self {
        Self { pid, marker, reaped: Mutex::new(false), master: Mutex::new(Some(master)) }
    }

    /// Runs `reap`, after which the program's number is never used again.
    pub(crate) fn reap<T>(&self, reap: impl FnOnce() -> T) -> T {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        *reaped = true;
        reap()
    }

    /// Closes our side of the terminal.
    pub(crate) fn hang_up(&self) {
        self.master.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Control for ProcessControl {
    fn resize(&self, size: Size) -> io::Result<()> {
        match &*self.master.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(master) => master.resize(size.into()).map_err(io::Error::other),
            None => Ok(()),
        }
    }

    fn signal_group(&self, signal: Signal) -> io::Result<()> {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *reaped {
            return Ok(());
        }
        match kill_process_group(self.pid, signal.into()) {
            // Between its fork and its `setsid` the child has no group yet; its own pid is safe,
            // since it has not been waited for.
            Err(rustix::io::Errno::SRCH) => match rustix::process::kill_process(self.pid, signal.into()) {
                Err(rustix::io::Errno::SRCH) => Ok(()),
                sent => Ok(sent?),
            },
            sent => Ok(sent?),
        }
    }

    fn sweep(&self) -> usize {
        sweep::by_marker(&self.marker)
    }

    fn look(&self) -> Option<Look> {
        let reaped = || *self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if reaped() {
            return None;
        }
        let seen = look::look(self.pid.as_raw_nonzero().get(), &self.marker);
        // Whoever has its number by now is somebody else.
        seen.filter(|_| !reaped())
    }

    fn cwd(&self) -> Option<PathBuf> {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        let link = format!("/proc/{}/cwd", self.pid.as_raw_nonzero());
        if *reaped { None } else { std::fs::read_link(link).ok() }
    }

    fn reads_lines(&self) -> bool {
        let master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(raw) = master.as_ref().and_then(|master| master.as_raw_fd()) else { return false };
        #[expect(unsafe_code, reason = "portable-pty gives its descriptor as a number only")]
        // SAFETY: the master is open as long as its lock is held.
        let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
        tcgetattr(borrowed).is_ok_and(|settings| settings.local_modes.contains(LocalModes::ICANON))
    }
}

impl From<Signal> for rustix::process::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Hangup => Self::HUP,
            Signal::Interrupt => Self::INT,
            Signal::Terminate => Self::TERM,
            Signal::Kill => Self::KILL,
            Signal::Stop => Self::STOP,
            Signal::Continue => Self::CONT,
        }
    }
}

impl From<Size> for PtySize {
    fn from(size: Size) -> Self {
        Self { rows: size.rows, cols: size.cols, pixel_width: 0, pixel_height: 0 }
    }
}

impl<C: Control> Control for std::sync::Arc<C> {
    fn resize(&self, size: Size) -> io::Result<()> {
        (**self).resize(size)
    }

    fn signal_group(&self, signal: Signal) -> io::Result<()> {
        (**self).signal_group(signal)
    }

    fn sweep(&self) -> usize {
        (**self).sweep()
    }

    fn look(&self) -> Option<Look> {
        (**self).look()
    }

    fn cwd(&self) -> Option<PathBuf> {
        (**self).cwd()
    }

    fn reads_lines(&self) -> bool {
        (**self).reads_lines()
    }
}
