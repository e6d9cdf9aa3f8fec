//! What happens, to whoever listens: from any number on, without gaps.
//!
//! Nothing is pushed. A channel announces the newest durable number, and each listener pulls from
//! the log what it has not seen, in bounded chunks. So a slow one loses nothing, holds nobody up,
//! and costs no memory.

use std::sync::Arc;

use model::event::Record;
use model::ids::Seq;
use tokio::sync::watch;

use crate::{LedgerError, Log};

/// The most records that are handed over at once.
pub const CHUNK: usize = 256;

/// One listener's place in the log.
///
/// Its errors leave it where it was: asking again goes on from there.
#[derive(Debug)]
pub struct Subscription {
    log: Arc<dyn Log>,
    newest: watch::Receiver<Seq>,
    next: Seq,
}

impl Subscription {
    pub(crate) fn new(log: Arc<dyn Log>, newest: watch::Receiver<Seq>, from: Seq) -> Self {
        Self { log, newest, next: Seq(from.0.max(1)) }
    }

    /// The number of the record that comes next.
    pub fn position(&self) -> Seq {
        self.next
    }

    /// Waits for records and returns up to [`CHUNK`] of them; none once the store is gone and
    /// everything was handed over.
    ///
    /// Reads on tokio's blocking threads. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, LedgerError> {
        let next = self.next;
        // An error means that the store is gone; what it wrote before can still be read.
        let gone = self.newest.wait_for(|newest| *newest >= next).await.is_err();
        if gone && self.log.head() < next {
            return Ok(None);
        }
        let log = Arc::clone(&self.log);
        let records =
            tokio::task::spawn_blocking(move || log.read(next, CHUNK)).await.map_err(|error| {
                LedgerError::Io { doing: "read records for a listener".into(), why: error.to_string() }
            })??;
        self.advance(&records);
        Ok(Some(records))
    }

    /// Returns up to [`CHUNK`] records that are there already; blocks on the disk, never on writers.
    pub fn ready(&mut self) -> Result<Vec<Record>, LedgerError> {
        if *self.newest.borrow() < self.next {
            return Ok(Vec::new());
        }
        let records = self.log.read(self.next, CHUNK)?;
        self.advance(&records);
        Ok(records)
    }

    fn advance(&mut self, records: &[Record]) {
        if let Some(last) = records.last() {
            self.next = last.seq.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::memory::MemoryLog;
    use crate::testing::entry;
    use model::time::Timestamp;

    fn say(store: &Store, n: usize) {
        let said = (0..n).map(|n| (entry(n).actor, entry(n).event)).collect();
        store.write_one(Timestamp::default(), |_, _| Ok((said, ()))).unwrap();
    }

    #[tokio::test]
    async fn a_slow_listener_gets_everything_in_bounded_pieces() {
        let store = Store::in_memory(Arc::new(MemoryLog::new())).unwrap();
        let mut feed = store.subscribe(Seq(0));
        let mut late = store.subscribe(Seq(990));
        assert!(feed.ready().unwrap().is_empty());
        for _ in 0..10 {
            say(&store, 100);
        }
        let mut seen = Vec::new();
        while seen.len() < 1000 {
            let records = feed.next().await.unwrap().unwrap();
            assert!(records.len() <= CHUNK);
            seen.extend(records.into_iter().map(|record| record.seq.0));
        }
        assert_eq!(seen, (1..=1000).collect::<Vec<u64>>());
        assert_eq!(late.ready().unwrap().len(), 11);
        assert_eq!(late.position(), Seq(1001));
    }

    #[tokio::test]
    async fn a_waiting_listener_wakes_for_what_comes_and_ends_with_the_store() {
        let store = Store::in_memory(Arc::new(MemoryLog::new())).unwrap();
        let mut feed = store.subscribe(Seq(1));
        let waiting = tokio::spawn(async move {
            let first = feed.next().await.unwrap().unwrap();
            (first, feed.next().await.unwrap(), feed.next().await.unwrap())
        });
        tokio::task::yield_now().await;
        say(&store, 1);
        tokio::task::yield_now().await;
        let (first, end) = {
            drop(store);
            let (first, second, third) = waiting.await.unwrap();
            (first.len(), (second, third))
        };
        assert_eq!((first, end), (1, (None, None)));
    }
}
