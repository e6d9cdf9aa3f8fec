//! An actor's own task: it ends when the actor's state goes, and says how it went by a message.

use git::CancelToken;
use tokio::task::JoinHandle;

/// A running errand. Dropping it ends it: the task at its next await, what blocks by its token.
#[derive(Debug)]
pub struct Errand {
    task: JoinHandle<()>,
    cancel: CancelToken,
}

impl Errand {
    /// Runs `errand`; it gets a token for the blocking calls that it makes.
    pub fn run<F>(errand: impl FnOnce(CancelToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let cancel = CancelToken::new();
        Self { task: tokio::spawn(errand(cancel.clone())), cancel }
    }

    /// Whether it has ended, also by a panic.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.task.abort();
    }
}

/// Runs what blocks on a thread for such things.
///
/// # Errors
/// What panicked there, as text.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}
