//! The thread that lets sled catch up with the journal.
//!
//! It sleeps until something is written, and then for about a second, so that a quiet town costs nothing and
//! a busy one is settled once for many batches.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::LedgerError;

/// How long sled may lag behind the journal when there is no hurry.
const LAG: Duration = Duration::from_secs(1);

/// The thread; it ends with this.
#[derive(Debug)]
pub(crate) struct Settler {
    wishes: Option<Sender<Wish>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Some time soon: something was written.
    Soon,
    /// At once: half of the journal is full.
    Now,
}

impl Settler {
    /// Starts the thread, which calls `settle` when it is asked to.
    pub(crate) fn start(settle: impl Fn() -> Result<(), LedgerError> + Send + 'static) -> Option<Settler> {
        let (wishes, heard) = mpsc::channel();
        let run = move || settle_when_asked(settle, &heard);
        match thread::Builder::new().name("ledger-settle".into()).spawn(run) {
            Ok(thread) => Some(Settler { wishes: Some(wishes), thread: Some(thread) }),
            Err(error) => {
                // Then it is done when the journal is full, by whoever writes.
                tracing::warn!(%error, "no thread to settle the ledger");
                None
            }
        }
    }
}

impl Settler {
    pub(crate) fn wish(&self, wish: Wish) {
        if let Some(wishes) = &self.wishes {
            let _ = wishes.send(wish);
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.wishes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn settle_when_asked(settle: impl Fn() -> Result<(), LedgerError>, heard: &Receiver<Wish>) {
    while let Ok(mut wish) = heard.recv() {
        let until = Instant::now() + LAG;
        while wish == Wish::Soon {
            match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(next) => wish = next,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        if let Err(error) = settle() {
            // Nothing is lost: the journal has it. Who writes next meets the same error.
            tracing::warn!(%error, "sled does not take over what the journal has");
        }
    }
}
