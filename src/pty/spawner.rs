//! The thread that starts every program.
//!
//! The signal that kills a program when its parent dies is tied to the parent's *thread*: a program
//! started on a pool thread would die when the pool retires it. So one thread starts all of them and
//! lives as long as the process.

use std::sync::mpsc::{self, Sender};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

type Job = Box<dyn FnOnce() + Send>;

static SPAWNER: LazyLock<Option<Mutex<Sender<Job>>>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    let thread = std::thread::Builder::new().name("spawner".into()).spawn(move || {
        for job in jobs {
            // A panic must not end this thread: it would end every program.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        }
    });
    match thread {
        Ok(_) => Some(Mutex::new(sender)),
        Err(error) => {
            tracing::error!(%error, "cannot start the thread that starts programs");
            None
        }
    }
});

/// Runs `job` on the spawning thread, after those before it. Says whether it will.
pub(crate) fn run(job: impl FnOnce() + Send + 'static) -> bool {
    SPAWNER.as_ref().is_some_and(|sender| {
        sender.lock().unwrap_or_else(PoisonError::into_inner).send(Box::new(job)).is_ok()
    })
}

static LOCK: Mutex<()> = Mutex::new(());

/// Holds off the opening of terminals.
///
/// A terminal is opened in two steps, and a command that is started between them by another thread
/// inherits it. Nothing breaks for good (programs are ended by signal, not by hang-up), but whoever
/// starts long-lived commands elsewhere in this process should hold this lock over `spawn`.
pub fn spawn_lock() -> MutexGuard<'static, ()> {
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}
