//! `stop` returns when the town has ended, as people expect of it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use model::answer::Answer;
use model::command::Command;
use model::refusal::Refusal;
use protocol::wire::Carrier;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Longer than the graces of a whole town.
const PATIENCE: Duration = Duration::from_secs(90);

/// The process of a running town, held on to so that its end is not missed.
#[derive(Debug)]
pub(crate) struct Watched(OwnedFd);

/// Finds the process of the town behind `carrier`; none where that cannot be watched.
pub(crate) fn watch(carrier: &mut dyn Carrier) -> Option<Watched> {
    let Ok(Answer::Status(report)) = carrier.ask(Command::Status) else { return None };
    let pid = Pid::from_raw(i32::try_from(report.town.pid?).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok().map(Watched)
}

impl Watched {
    /// Waits until it has ended.
    ///
    /// # Errors
    /// `still_stopping`, when it takes too long.
    pub(crate) fn wait(&self) -> Result<(), Refusal> {
        let limit = Timespec { tv_sec: i64::try_from(PATIENCE.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
        let ended =
            rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)));
        match ended {
            Ok(n) if n > 0 => Ok(()),
            _ => Err(Refusal::failed("still_stopping", "the town was told to stop and is still at it")
                .hint("look at what it does with `gastown status` and in logs/town.log")),
        }
    }
}
