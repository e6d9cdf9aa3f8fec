//! Adopts what programs leave behind, so that none of it slips away, and buries it.
//!
//! As child subreaper the runtime becomes the parent of every orphan below it. Orphans must be
//! waited for, or they stay as zombies; but waiting for "any child" would steal the exit status of
//! children that someone else is waiting for. The mark of an orphan of a session is that it lives in
//! another kernel session than we do: programs in terminals have their own, and plain commands
//! (git, gates) stay in ours. Those leaders that we started ourselves are known and left alone.

use std::collections::HashSet;
use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, set_child_subreaper, waitid};
use tokio::signal::unix::{SignalKind, signal};

use crate::sweep::{pids, stat};

/// Leaders started by the real host whose exit is awaited through their pidfd.
static OURS: LazyLock<Mutex<HashSet<i32>>> = LazyLock::new(Mutex::default);

fn ours() -> MutexGuard<'static, HashSet<i32>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn leave_to_us(pid: Pid) {
    ours().insert(pid.as_raw_nonzero().get());
}

pub(crate) fn forget(pid: Pid) {
    ours().remove(&pid.as_raw_nonzero().get());
}

/// Makes this process the parent of all orphans below it. Call once, early.
///
/// # Errors
/// When the kernel refuses.
pub fn become_subreaper() -> io::Result<()> {
    Ok(set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Buries all orphans that have ended. Returns how many.
///
/// Whoever starts commands in a kernel session of their own (`setsid`) besides the real host, and
/// waits for them, must not use this.
pub fn reap_orphans() -> usize {
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // Nearly always there is nothing to bury, and one call says so.
    if !matches!(waitid(WaitId::All, peek), Ok(Some(_))) {
        return 0;
    }
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let Some(own_session) = stat(own).map(|stat| stat.session) else { return 0 };
    // A leader is registered before the fork is over: the spawner holds this lock meanwhile.
    let _spawning = crate::spawner::spawn_lock();
    let mut buried = 0;
    for pid in pids() {
        let Some(found) = stat(pid) else { continue };
        if found.state != b'Z' || found.parent != own || found.session == own_session {
            continue;
        }
        if ours().contains(&pid) {
            continue;
        }
        let Some(raw) = Pid::from_raw(pid) else { continue };
        let bury = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        if matches!(waitid(WaitId::Pid(raw), bury), Ok(Some(_))) {
            buried += 1;
        }
    }
    buried
}

/// Buries orphans whenever a child ends, at most once a second. Runs until it is dropped.
///
/// # Errors
/// When the signal cannot be listened to.
pub async fn keep_reaping() -> io::Result<()> {
    let mut child_ended = signal(SignalKind::child())?;
    loop {
        if let Err(error) = tokio::task::spawn_blocking(reap_orphans).await {
            tracing::warn!(%error, "cannot bury orphans");
        }
        // The pause gathers those that end together, and leaves time to whoever waits for its own.
        tokio::time::sleep(Duration::from_secs(1)).await;
        if child_ended.recv().await.is_none() {
            return Ok(());
        }
    }
}
