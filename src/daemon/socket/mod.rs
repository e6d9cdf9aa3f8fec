//! The socket: how people and agents reach a running town.
//!
//! ```text
//!   accept ──> peer: whose process? ──> hello: whose token? ──> one request
//!                                                              ├─ ask   one answer
//!                                                              └─ open  frames until either side closes
//! ```
//!
//! - Owns: connections, how many there may be, and how long they may be silent or slow.
//! - Decides: who it is that asks, from the carrier alone (`peer`). Nothing else: what is asked goes to
//!   the [`Town`].
//! - Never: holds the town up. Each connection is a task of its own; its panic ends it alone, and what
//!   a client does not read in time is the end of that client.

mod conversation;
mod frames;
mod peer;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledger::Store;
use model::answer::Answer;
use model::command::{Command, Origin};
use model::refusal::{Class, Refusal};
use protocol::wire::{Frame, Reply};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at once. Each is cheap; without an end to them the process would run out of files.
const CONNECTIONS: usize = 256;

/// How long the last answers may take when the town is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long to wait after the system had no file left for a connection.
const BREATH: Duration = Duration::from_millis(100);

/// What stands behind the socket.
pub(crate) trait Town: Clone + Send + Sync + 'static {
    /// An agent's terminal that somebody looks at.
    type Seat: Seat;

    /// Who shows `token`.
    fn origin_of_token(&self, token: &str) -> Option<Origin>;

    /// Whose process `pid` is, when it or one above it is a session's own.
    fn origin_of_process(&self, pid: u32, parent: &dyn Fn(u32) -> Option<u32>) -> Option<Origin>;

    /// The log, for those who follow it.
    fn store(&self) -> &Store;

    /// Answers a command.
    fn ask(&self, origin: Origin, command: Command) -> impl Future<Output = Result<Answer, Refusal>> + Send;

    /// Takes a seat before an agent's terminal.
    fn attach(
        &self,
        origin: &Origin,
        agent: &str,
        look: Look,
    ) -> impl Future<Output = Result<Self::Seat, Refusal>> + Send;
}

/// How somebody wants to look at a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Watch only.
    pub(crate) read_only: bool,
    /// Become the one who types, if another is.
    pub(crate) take: bool,
    /// The watcher's own window.
    pub(crate) rows: u16,
    /// The watcher's own window.
    pub(crate) cols: u16,
}

/// What a terminal shows to whoever sits before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Terminal bytes.
    Bytes(Vec<u8>),
    /// It has this size now.
    Size {
        /// Rows.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// Something to be said beside the terminal.
    Notice(String),
    /// The session has ended, and how.
    Exited(String),
}

/// A place before an agent's terminal; given up when dropped.
pub(crate) trait Seat: Send + 'static {
    /// Waits for what is shown next; none when it is over. Nothing is lost if the future is dropped.
    fn next(&mut self) -> impl Future<Output = Option<Shown>> + Send;

    /// Types `bytes`.
    fn type_in(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The watcher's window has another size.
    fn resize(&mut self, rows: u16, cols: u16);
}

/// Opens the socket at `path`, for this user only. Whatever lay there must be gone.
///
/// # Errors
/// `cannot_listen`.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, Refusal> {
    let cannot = |error: io::Error| {
        Refusal::failed("cannot_listen", format!("cannot open the socket {}: {error}", path.display()))
            .hint("the town's run folder must be on a disk that can hold sockets, and writable")
    };
    // Nobody can come in before the mode is set: the folder is this user's alone.
    let listener = UnixListener::bind(path).map_err(cannot)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(cannot)?;
    Ok(listener)
}

/// Serves whoever comes until `over` says that the town has ended; then whoever has asked for that end
/// is answered, and all connections close.
pub(crate) async fn serve<T: Town>(listener: UnixListener, town: T, mut over: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = conversation::ended(&mut over) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let (town, over) = (town.clone(), over.clone());
                        open.spawn(async move {
                            conversation::hold(stream, &town, over).await;
                            drop(place);
                        });
                    }
                    Err(_) => turn_away(&stream),
                },
                Err(error) => {
                    // No file left, or a client that was gone before it was greeted. Asking again at
                    // once would only spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATH).await;
                }
            },
            Some(ended) = open.join_next(), if !open.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection ended badly");
                }
            }
        }
    }
    drop(listener);
    let farewell = async { while open.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// Says why there is no place. The kernel's buffer takes so little at once, or nobody reads it.
fn turn_away(stream: &UnixStream) {
    let refusal = Refusal::new(
        Class::Failed,
        "too_many_connections",
        format!("{CONNECTIONS} connections to this town are open already"),
    )
    .hint("close some, or try again in a moment");
    let _ = stream.try_write(&Frame::json(&Reply::Refused(refusal)).encode());
}

#[cfg(test)]
mod tests;
