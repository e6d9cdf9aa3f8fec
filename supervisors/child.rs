//! One running child: its start, the task that watches its end, and the ladder that ends it.
//!
//! ractor tells a supervisor of a child's end *before* the child's state is dropped, and on a stop
//! or a kill the state travels inside the event. Who restarts at once has two owners of one
//! terminal or worktree. So each child has a watcher, which holds the task's handle and reports
//! when the task is gone; nothing is restarted before that.
//!
//! The watcher outlives the supervisor where it must. It ends the child by the same ladder when it
//! is told to and when the supervisor's state has been dropped, however that came: ractor kills the
//! children of a dead actor, but skips those that are just stopping.
//!
//! It also holds a [`Lease`] of its supervisor. A supervisor counts as gone when its own task and
//! all leases are (see [`crate::supervisor::start`]), and so its successor meets nobody of the old
//! subtree, and no name that is still taken.

use std::any::Any;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;

use ractor::ActorCell;
use ractor::concurrency::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::policy::Shutdown;
use crate::spec::{BoxError, DynChild, Started};

/// Held by everything that belongs to a supervisor's subtree; nothing is ever sent.
pub(crate) type Lease = mpsc::Sender<Infallible>;

/// How a child that was to be ended has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, or when asked.
    Quiet,
    /// Killed when its grace was over.
    Killed,
    /// Not at all: it blocks its thread. The watcher still waits for it.
    Stuck,
}

/// A child that runs, or has ended and is not yet cleared away.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) cell: ActorCell,
    end: oneshot::Sender<()>,
    ended: oneshot::Receiver<Ending>,
}

impl Running {
    /// Begins to end the child; returns what to wait on.
    ///
    /// It is unlinked first, so that its last event, with the state in it, goes to nobody and is
    /// dropped in its own task.
    pub(crate) fn begin_end(self, supervisor: &ActorCell) -> oneshot::Receiver<Ending> {
        self.cell.unlink(supervisor.clone());
        let _ = self.end.send(());
        self.ended
    }
}

/// Starts a child and watches it.
///
/// * `kill_wait` - how long it is waited for after a kill.
/// * `gone` - called once, when nothing is left of the child.
pub(crate) async fn start(
    child: &DynChild,
    supervisor: ActorCell,
    lease: Lease,
    kill_wait: Duration,
    gone: impl FnOnce() + Send + 'static,
) -> Result<Running, BoxError> {
    let (cell, handle) = match child.start_within {
        None => caught(child, supervisor).await?,
        Some(within) => timeout(within, caught(child, supervisor))
            .await
            .map_err(|_| format!("it has not started within {within:?}"))??,
    };
    let (end, asked) = oneshot::channel();
    let (ended_tx, ended) = oneshot::channel();
    let watcher = Watcher { cell: cell.clone(), handle, shutdown: child.shutdown, kill_wait, lease };
    tokio::spawn(watcher.run(asked, ended_tx, gone));
    Ok(Running { cell, end, ended })
}

/// Runs the start function and makes an error of a panic in it, which would otherwise end the
/// supervisor.
async fn caught(child: &DynChild, supervisor: ActorCell) -> Result<Started, BoxError> {
    let begun = catch_unwind(AssertUnwindSafe(|| child.start.begin(supervisor)));
    let mut starting = begun.map_err(|panic| panic_text(panic.as_ref()))?;
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| starting.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(panic_text(panic.as_ref()).into())),
    })
    .await
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic in the start function: {}", text.unwrap_or("no text"))
}

struct Watcher {
    cell: ActorCell,
    handle: JoinHandle<()>,
    shutdown: Shutdown,
    kill_wait: Duration,
    lease: Lease,
}

impl Watcher {
    async fn run(
        mut self,
        asked: oneshot::Receiver<()>,
        ended: oneshot::Sender<Ending>,
        gone: impl FnOnce() + Send + 'static,
    ) {
        let by_itself = tokio::select! {
            biased;
            _ = &mut self.handle => true,
            // Told to, or the supervisor's state is gone: the same either way.
            _ = asked => false,
        };
        let ending = if by_itself { Ending::Quiet } else { self.end().await };
        let _ = ended.send(ending);
        if ending == Ending::Stuck {
            tracing::error!(actor = ?self.cell, "was killed and does not end: it blocks its thread");
            let _ = self.handle.await;
        }
        gone();
        drop(self.lease);
    }

    async fn end(&mut self) -> Ending {
        match self.shutdown {
            Shutdown::Brutal => {}
            Shutdown::Grace(grace) => {
                self.cell.stop(Some("its supervisor ends it".to_owned()));
                if timeout(grace, &mut self.handle).await.is_ok() {
                    return Ending::Quiet;
                }
            }
            Shutdown::Infinite => {
                self.cell.stop(Some("its supervisor ends it".to_owned()));
                let _ = (&mut self.handle).await;
                return Ending::Quiet;
            }
        }
        self.cell.kill();
        match timeout(self.kill_wait, &mut self.handle).await {
            Ok(_) => Ending::Killed,
            Err(_) => Ending::Stuck,
        }
    }
}
