//! What waits to be typed: a bounded queue that never mixes two writers' bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::terminal::WriteError;

/// How many bytes may wait for a program that does not read.
pub(crate) const LIMIT: usize = 256 * 1024;

/// How many bytes of answers may wait on top: a program that asks and never reads gets no more.
const ANSWERS: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(crate) struct InputQueue {
    waiting: Mutex<Waiting>,
    room: Notify,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Vec<u8>>,
    bytes: usize,
    closed: bool,
}

impl InputQueue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here can panic half way through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `bytes` as one item, at once or not at all.
    pub(crate) fn try_push(&self, bytes: &[u8]) -> Result<(), WriteError> {
        if bytes.len() > LIMIT {
            return Err(WriteError::TooLong { bytes: bytes.len(), limit: LIMIT });
        }
        self.push(bytes, LIMIT)
    }

    /// Queues an answer to a question of the program; it is dropped if far too many wait already.
    pub(crate) fn push_answer(&self, bytes: &[u8]) {
        let _ = self.push(bytes, LIMIT + ANSWERS);
    }

    fn push(&self, bytes: &[u8], limit: usize) -> Result<(), WriteError> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(WriteError::Closed);
        }
        if waiting.bytes + bytes.len() > limit {
            return Err(WriteError::Full);
        }
        if !bytes.is_empty() {
            waiting.bytes += bytes.len();
            waiting.items.push_back(bytes.to_vec());
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Queues `bytes` as one item as soon as there is room. Nothing is queued if it is cancelled.
    pub(crate) async fn push_when_room(&self, bytes: &[u8]) -> Result<(), WriteError> {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            // Registered before the look, so that room made between the two is not missed.
            room.as_mut().enable();
            match self.try_push(bytes) {
                Err(WriteError::Full) => room.await,
                done => return done,
            }
        }
    }

    /// Takes the oldest item, if there is one. Its bytes count as waiting until [`Self::done`].
    pub(crate) fn pop(&self) -> Option<Vec<u8>> {
        self.waiting().items.pop_front()
    }

    /// Says that `bytes` of a popped item have left.
    pub(crate) fn done(&self, bytes: usize) {
        let mut waiting = self.waiting();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        drop(waiting);
        self.room.notify_waiters();
    }

    /// Waits until something may have been queued or the queue was closed.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// How many bytes have not been written yet.
    pub(crate) fn pending(&self) -> usize {
        self.waiting().bytes
    }

    #[cfg(feature = "fakes")]
    pub(crate) fn is_closed(&self) -> bool {
        self.waiting().closed
    }

    /// Refuses everything from now on and forgets what waits.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.items.clear();
        waiting.bytes = 0;
        drop(waiting);
        self.room.notify_waiters();
        self.filled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_makes_writers_wait_until_bytes_have_left() {
        let queue = InputQueue::default();
        queue.try_push(&vec![b'a'; LIMIT]).unwrap();
        assert_eq!(queue.try_push(b"b"), Err(WriteError::Full));
        assert_eq!(
            queue.try_push(&vec![b'a'; LIMIT + 1]),
            Err(WriteError::TooLong { bytes: LIMIT + 1, limit: LIMIT })
        );

        let writer = queue.push_when_room(b"b");
        let reader = async {
            let item = queue.pop().unwrap();
            queue.done(item.len());
        };
        let (written, ()) = tokio::join!(writer, reader);
        written.unwrap();
        assert_eq!(queue.pop().unwrap(), b"b");
    }

    #[tokio::test]
    async fn closing_wakes_those_who_wait() {
        let queue = InputQueue::default();
        queue.try_push(&vec![b'a'; LIMIT]).unwrap();
        let (written, ()) = tokio::join!(queue.push_when_room(b"b"), async { queue.close() });
        assert_eq!(written, Err(WriteError::Closed));
    }
}
