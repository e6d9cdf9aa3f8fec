//! A child in a process group of its own, watched until it ends or must.
//!
//! The end of a child is its pidfd, not the end of its output: a master connection of ssh or a server that
//! a gate left behind may hold the pipe for hours. One `poll` waits for the exit, the output and the
//! deadline together, so no thread is needed per pipe.

use std::{
    io::{self, Read},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open},
};

use crate::sweep;

/// How long a child that was asked to end may take for it.
const GRACE: Duration = Duration::from_secs(2);

/// How often a cancel token is looked at while a child runs.
const CANCEL_CHECK: Duration = Duration::from_millis(25);

/// Ends what a blocking call is waiting for. Clones share one state; cancelling is for good.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    cancelled: Arc<AtomicBool>,
    brake: Option<Brake>,
}

impl CancelToken {
    /// Returns a token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels: children of calls that hold this token are killed within some 50 ms, later calls do not start.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Returns whether `cancel` has been called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Returns the same token with `brake`, which calls that can be stopped for a while obey: gates.
    #[must_use]
    pub fn braked(self, brake: Brake) -> Self {
        Self { brake: Some(brake), ..self }
    }
}

/// Stops gates where they are, and lets them go on; the time between does not count. Clones are one brake.
#[derive(Debug, Clone, Default)]
pub struct Brake(Arc<AtomicBool>);

impl Brake {
    /// Pulls it or lets it go: what is running obeys within some 25 ms.
    pub fn hold(&self, held: bool) {
        self.0.store(held, Ordering::Release);
    }

    fn is_held(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How a watched child came to its end.
#[derive(Debug)]
pub(crate) enum End {
    Exited(ExitStatus),
    TimedOut,
    Cancelled,
}

/// How long a child may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// All in all.
    pub(crate) total: Duration,
    /// Without a byte of output.
    pub(crate) silence: Option<Duration>,
}

/// One pipe of a child and where its bytes go.
pub(crate) struct Outlet<'a> {
    pub(crate) pipe: io::PipeReader,
    pub(crate) sink: &'a mut dyn FnMut(&[u8]),
}

/// A running group that dies with its guard, unless it has ended before.
pub(crate) struct Group {
    child: Child,
    id: Pid,
    ended: bool,
    leaves_nothing: bool,
    is_asked: bool,
    /// What marks those that have left the group, if it can be stopped for a while.
    stopped_with: Option<(&'static str, String)>,
}

impl Group {
    /// Starts `command` as the leader of a new process group.
    pub(crate) fn start(command: &mut Command) -> io::Result<Group> {
        let child = command.process_group(0).spawn()?;
        let id = Pid::from_child(&child);
        Ok(Group { child, id, ended: false, leaves_nothing: false, is_asked: false, stopped_with: None })
    }

    /// Waits for the leader's exit, feeding the outlets; kills the whole group at the limit or on cancel.
    /// Output of others that still hold a pipe after the leader's end is taken as far as it is there.
    pub(crate) fn watch(
        &mut self,
        outlets: &mut [Outlet<'_>],
        limit: Limit,
        cancel: Option<&CancelToken>,
    ) -> io::Result<End> {
        let pidfd = pidfd_open(self.id, PidfdFlags::empty())?;
        for outlet in outlets.iter() {
            let flags = fcntl_getfl(&outlet.pipe)?;
            fcntl_setfl(&outlet.pipe, flags | OFlags::NONBLOCK)?;
        }
        let mut started = Instant::now();
        let mut heard = started;
        let mut open = vec![true; outlets.len()];
        loop {
            if cancel.is_some_and(CancelToken::is_cancelled) {
                self.kill()?;
                drain(outlets, &mut open);
                return Ok(End::Cancelled);
            }
            let stood = self.stand_still(cancel);
            started += stood;
            heard += stood;
            let deadline = match limit.silence {
                Some(silence) => (started + limit.total).min(heard + silence),
                None => started + limit.total,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.kill()?;
                drain(outlets, &mut open);
                return Ok(End::TimedOut);
            }
            let nap = if cancel.is_some() { left.min(CANCEL_CHECK) } else { left };
            let exited = {
                let mut fds = vec![PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
                for (outlet, open) in outlets.iter().zip(&open) {
                    if *open {
                        fds.push(PollFd::from_borrowed_fd(outlet.pipe.as_fd(), PollFlags::IN));
                    }
                }
                let nap = Timespec::try_from(nap).map_err(|_| io::ErrorKind::InvalidInput)?;
                match poll(&mut fds, Some(&nap)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
                !fds[0].revents().is_empty()
            };
            if exited {
                if self.leaves_nothing {
                    // Before the leader is waited for: until then nobody else can have its number.
                    let _ = kill_process_group(self.id, Signal::KILL);
                }
                let status = self.child.wait()?;
                self.ended = true;
                drain(outlets, &mut open);
                return Ok(End::Exited(status));
            }
            if pump(outlets, &mut open) {
                heard = Instant::now();
            }
        }
    }

    /// Stops the group for as long as the brake is held, if it is one that can be stopped; returns how long
    /// that was. Ends early when it is cancelled.
    fn stand_still(&self, cancel: Option<&CancelToken>) -> Duration {
        let (Some(token), Some((name, value))) = (cancel, &self.stopped_with) else { return Duration::ZERO };
        let Some(brake) = token.brake.as_ref().filter(|brake| brake.is_held()) else { return Duration::ZERO };
        let since = Instant::now();
        let signal = |which| {
            let _ = kill_process_group(self.id, which);
            sweep::signal_marked(name, value.as_bytes(), which);
        };
        let mut rounds = 0;
        while brake.is_held() && !token.is_cancelled() {
            // Again: outside of the group one may have been started between two names in a listing.
            if rounds < 4 {
                signal(Signal::STOP);
                rounds += 1;
            }
            std::thread::sleep(CANCEL_CHECK);
        }
        signal(Signal::CONT);
        since.elapsed()
    }

    /// Has the group stopped while the brake of its token is held, and with it all that carries `name=value`
    /// in its environment.
    pub(crate) fn stop_with(&mut self, name: &'static str, value: &str) {
        self.stopped_with = Some((name, value.to_owned()));
    }

    /// Has the rest of the group killed when its leader ends by itself, too.
    pub(crate) fn leave_nothing(&mut self) {
        self.leaves_nothing = true;
    }

    /// Has the group asked to end before it is killed: git takes its locks away then, which would be in
    /// everybody's way.
    pub(crate) fn ask_first(&mut self) {
        self.is_asked = true;
    }

    fn kill(&mut self) -> io::Result<()> {
        if self.is_asked {
            let pidfd = pidfd_open(self.id, PidfdFlags::empty())?;
            let _ = kill_process_group(self.id, Signal::TERM);
            let until = Instant::now() + GRACE;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
                match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
                    Err(rustix::io::Errno::INTR) => {}
                    _ => break,
                }
            }
        }
        let _ = kill_process_group(self.id, Signal::KILL);
        self.child.wait()?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.kill();
        }
    }
}

/// Reads a bounded piece from each open pipe; returns whether anything came.
fn pump(outlets: &mut [Outlet<'_>], open: &mut [bool]) -> bool {
    let mut buffer = [0; 16 * 1024];
    let mut heard = false;
    for (outlet, open) in outlets.iter_mut().zip(open) {
        if !*open {
            continue;
        }
        match outlet.pipe.read(&mut buffer) {
            Ok(0) => *open = false,
            Ok(n) => {
                heard = true;
                (outlet.sink)(&buffer[..n]);
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => *open = false,
        }
    }
    heard
}

/// Takes what already stands in the pipes: at most some pipes full, lest a survivor feed us for ever.
fn drain(outlets: &mut [Outlet<'_>], open: &mut [bool]) {
    for _ in 0..256 {
        if !pump(outlets, open) {
            break;
        }
    }
}
