//! Why a run ends: somebody wants it, or nothing is left to do.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use clerk::idle::Left;
use ledger::Store;
use model::ids::RigName;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How long it must stay quiet before a town counts as idle: longer than a bell takes to be heard and
/// its record to be written.
const SETTLED: Duration = Duration::from_millis(400);

/// How long to wait before a log that could not be read is tried again.
const BREATH: Duration = Duration::from_secs(1);

/// Why a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// A signal came.
    Signal(&'static str),
    /// `gastown stop`, and who said it.
    Asked(String),
    /// Nothing is left to do.
    Idle,
}

impl Why {
    /// For the record.
    pub(crate) fn text(&self) -> String {
        match self {
            Why::Signal(name) => format!("signal {name}"),
            Why::Asked(why) => why.clone(),
            Why::Idle => "no work is left".to_owned(),
        }
    }
}

/// The signals that end a run.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Listens from now on; the usual effect of these signals is gone.
    pub(crate) fn listen() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.interrupt.recv() => "SIGINT",
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.hang_up.recv() => "SIGHUP",
            else => std::future::pending().await,
        }
    }
}

/// Waits for the first reason to end.
pub(crate) async fn over(
    store: &Store,
    rigs: impl Fn() -> BTreeSet<RigName>,
    stopping: &mut watch::Receiver<Option<String>>,
    signals: &mut Signals,
    until_idle: bool,
) -> Why {
    let asked = async {
        match stopping.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        name = signals.next() => Why::Signal(name),
        why = asked => Why::Asked(why),
        () = idle(store, rigs), if until_idle => Why::Idle,
    }
}

/// Waits until nothing is left that the town would do by itself. Looks only after something happened.
pub(crate) async fn idle(store: &Store, rigs: impl Fn() -> BTreeSet<RigName>) {
    loop {
        let configured = rigs();
        let mut feed = store.subscribe(store.head().next());
        let left = store.read(|board| Left::of(board, &configured));
        let quiet = left.busy.is_empty() && left.unjudged.is_empty();
        let news = if quiet {
            match tokio::time::timeout(SETTLED, feed.next()).await {
                Ok(news) => news,
                Err(_) => return,
            }
        } else {
            feed.next().await
        };
        if let Err(error) = news {
            tracing::warn!(%error, "cannot see whether work is left");
            tokio::time::sleep(BREATH).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::memory::MemoryLog;
    use model::event::Event;
    use model::mail::{Kind, Letter};
    use model::role::Address;
    use model::time::Timestamp;

    use super::*;

    fn write(store: &Store, event: Event) {
        store.write_one(Timestamp::default(), |_, _| Ok((vec![(Address::Runtime, event)], ()))).unwrap();
    }

    fn letter() -> Event {
        Event::MailSent {
            letter: Arc::new(Letter {
                id: "m-1".parse().unwrap(),
                from: Address::Deacon,
                to: Address::Mayor,
                kind: Kind::Shutdown { why: "x".into() },
                sent_at: Timestamp::default(),
                reply_to: None,
                thread: "m-1".parse().unwrap(),
                key: None,
            }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_town_is_idle_once_its_last_letter_is_handled_and_not_before() {
        let store = Store::in_memory(Arc::new(MemoryLog::new())).unwrap();
        idle(&store, BTreeSet::new).await;
        write(&store, letter());
        let watched = store.clone();
        let waiting = tokio::spawn(async move { idle(&watched, BTreeSet::new).await });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!waiting.is_finished());
        write(&store, Event::MailAcked { mail: "m-1".parse().unwrap() });
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reason_ends_a_run() {
        let store = Store::in_memory(Arc::new(MemoryLog::new())).unwrap();
        let stopping = watch::Sender::new(None);
        let mut signals = Signals::listen().unwrap();
        let why = over(&store, BTreeSet::new, &mut stopping.subscribe(), &mut signals, true).await;
        assert_eq!(why, Why::Idle);
        stopping.send_replace(Some("stopped by overseer".to_owned()));
        let why = over(&store, BTreeSet::new, &mut stopping.subscribe(), &mut signals, false).await;
        assert_eq!(why, Why::Asked("stopped by overseer".to_owned()));
    }
}
