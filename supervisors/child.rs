//! One running child: its start, the task that watches its end, and the ladder that ends it.
//!
//! A child's task has a handle, and its state a drop, and neither is over when ractor tells of the
//! child's end. Who restarts at once has two owners of one terminal or worktree. So each child has
//! a watcher, which waits for both and then reports; nothing is restarted before that.
//!
//! The watcher outlives the supervisor where it must. It ends the child by the same ladder when it
//! is told to and when the supervisor's state has been dropped, however that came.
//!
//! It also holds a [`Lease`] of its supervisor. A supervisor counts as gone when its own task and
//! all leases are (see [`crate::supervisor::start`]), and so its successor meets nobody of the old
//! subtree, and no name that is still taken.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ractor::ActorCell;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::coroner::cause_of_death;
use crate::decision::Exit;
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
    pub(crate) fn begin_end(self) -> oneshot::Receiver<Ending> {
        let _ = self.end.send(());
        self.ended
    }
}

/// Starts a child and watches it.
///
/// * `kill_wait` - how long it is waited for after a kill.
/// * `coroner` - whom it is linked to.
/// * `gone` - called once, when nothing is left of the child, with what is known of its death.
pub(crate) async fn start(
    child: &DynChild,
    coroner: ActorCell,
    lease: Lease,
    kill_wait: Duration,
    gone: impl FnOnce(Option<Exit>) + Send + 'static,
) -> Result<Running, BoxError> {
    let (cell, handle) = match child.start_within {
        None => caught(child, coroner.clone()).await?,
        Some(within) => timeout(within, caught(child, coroner.clone()))
            .await
            .map_err(|_| format!("it has not started within {within:?}"))??,
    };
    let (end, asked) = oneshot::channel();
    let (ended_tx, ended) = oneshot::channel();
    let id = cell.get_id();
    let remains = Box::pin(async move {
        // An error is the task's panic, which was a panic of the state's drop.
        let _ = handle.await;
        cause_of_death(&coroner, id).await
    });
    let watcher = Watcher { cell: cell.clone(), remains, shutdown: child.shutdown, kill_wait, lease };
    tokio::spawn(watcher.run(asked, ended_tx, gone));
    Ok(Running { cell, end, ended })
}

/// Runs the start function and makes an error of a panic in it, which would otherwise end the
/// supervisor.
async fn caught(child: &DynChild, coroner: ActorCell) -> Result<Started, BoxError> {
    let begun = catch_unwind(AssertUnwindSafe(|| child.start.begin(coroner)));
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
    /// Over when nothing is left of the child; not to be asked again then.
    remains: Pin<Box<dyn Future<Output = Option<Exit>> + Send>>,
    shutdown: Shutdown,
    kill_wait: Duration,
    lease: Lease,
}

impl Watcher {
    async fn run(
        mut self,
        asked: oneshot::Receiver<()>,
        ended: oneshot::Sender<Ending>,
        gone: impl FnOnce(Option<Exit>) + Send + 'static,
    ) {
        let by_itself = tokio::select! {
            biased;
            exit = &mut self.remains => Some(exit),
            // Told to, or the supervisor's state is gone: the same either way.
            _ = asked => None,
        };
        let exit = match by_itself {
            Some(exit) => {
                let _ = ended.send(Ending::Quiet);
                exit
            }
            None => match self.end().await {
                Ok((exit, ending)) => {
                    let _ = ended.send(ending);
                    exit
                }
                Err(Stuck) => {
                    let _ = ended.send(Ending::Stuck);
                    tracing::error!(actor = ?self.cell, "was killed and does not end: it blocks");
                    self.remains.await
                }
            },
        };
        gone(exit);
        drop(self.lease);
    }

    /// Goes down the ladder: asks, waits, kills, waits.
    async fn end(&mut self) -> Result<(Option<Exit>, Ending), Stuck> {
        let reason = || Some("its supervisor ends it".to_owned());
        match self.shutdown {
            Shutdown::Brutal => {}
            Shutdown::Grace(grace) => {
                self.cell.stop(reason());
                if let Ok(exit) = timeout(grace, &mut self.remains).await {
                    return Ok((exit, Ending::Quiet));
                }
            }
            Shutdown::Infinite => {
                self.cell.stop(reason());
                return Ok(((&mut self.remains).await, Ending::Quiet));
            }
        }
        self.cell.kill();
        match timeout(self.kill_wait, &mut self.remains).await {
            Ok(exit) => Ok((exit, Ending::Killed)),
            Err(_) => Err(Stuck),
        }
    }
}

/// It was killed and has not ended.
struct Stuck;
