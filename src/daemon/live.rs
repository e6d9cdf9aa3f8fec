//! How a run looks while it goes on: a small picture that is drawn again on a terminal, a line per
//! event elsewhere.
//!
//! Nothing is drawn but after an event, and at most ten times a second. Writing has a thread of its
//! own: a terminal that was stopped with Ctrl-S stops that thread and not the town.

mod picture;

use std::io::{self, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clerk::story::sentence;
use ledger::{LedgerError, Store, Subscription};
use model::event::Record;
use model::ids::Seq;
use tokio::sync::{mpsc, oneshot};

use picture::Picture;

/// The least time between two pictures.
const FRAME: Duration = Duration::from_millis(100);

/// Pieces of output that may wait for the terminal.
const WAITING: usize = 64;

/// Where and how a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// A picture on the terminal at standard output, with colours or without.
    Picture {
        /// Colours are welcome.
        color: bool,
    },
    /// A line per event on standard output.
    Lines,
    /// A line per event on standard error; standard output belongs to something else.
    Aside,
}

/// A view that is being shown.
#[derive(Debug)]
pub(crate) struct Shown {
    end: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
    writer: JoinHandle<()>,
}

/// Begins to show what happens in the town of `store` called `name`, from the record `from` on.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(store: Store, name: String, from: Seq, view: View) -> io::Result<Shown> {
    let (pieces, mut written) = mpsc::channel::<Vec<u8>>(WAITING);
    let aside = view == View::Aside;
    let writer = thread::Builder::new().name("view".into()).spawn(move || {
        let (mut out, mut err) = (io::stdout(), io::stderr());
        while let Some(piece) = written.blocking_recv() {
            let to: &mut dyn Write = if aside { &mut err } else { &mut out };
            // Whoever closed it does not want to see it. The run goes on.
            let _ = to.write_all(&piece).and_then(|()| to.flush());
        }
    })?;
    let (end, ended) = oneshot::channel();
    let task = tokio::spawn(async move {
        let shown = match view {
            View::Picture { color } => draw(store, name, from, color, pieces, ended).await,
            View::Lines | View::Aside => tell(store.subscribe(from), pieces, ended).await,
        };
        if let Err(error) = shown {
            tracing::warn!(%error, "what happens cannot be shown");
        }
    });
    Ok(Shown { end, task, writer })
}

impl Shown {
    /// Shows what is left to show, clears the picture away, and returns.
    pub(crate) async fn finish(self) {
        let _ = self.end.send(());
        let _ = self.task.await;
        let _ = tokio::task::spawn_blocking(move || self.writer.join()).await;
    }
}

/// Tells each event on a line of its own.
async fn tell(
    mut feed: Subscription,
    pieces: mpsc::Sender<Vec<u8>>,
    mut ended: oneshot::Receiver<()>,
) -> Result<(), LedgerError> {
    loop {
        let (records, last) = tokio::select! {
            records = feed.next() => (records?, false),
            _ = &mut ended => (Some(tokio::task::block_in_place(|| rest(&mut feed))?), true),
        };
        let Some(records) = records else { return Ok(()) };
        let text: String = records.iter().filter_map(line).collect();
        if !text.is_empty() && pieces.send(text.into_bytes()).await.is_err() || last {
            return Ok(());
        }
    }
}

/// Everything that has happened and was not taken yet.
fn rest(feed: &mut Subscription) -> Result<Vec<Record>, LedgerError> {
    let mut all = Vec::new();
    loop {
        let records = feed.ready()?;
        if records.is_empty() {
            return Ok(all);
        }
        all.extend(records);
    }
}

/// An event for people; none for those that say nothing to them.
fn line(record: &Record) -> Option<String> {
    let text = sentence(record)?;
    Some(format!(
        "{} {:<22} {}\n",
        picture::clock(record.at),
        record.actor.to_string(),
        picture::plain(&text)
    ))
}

/// Draws the picture anew after events.
async fn draw(
    store: Store,
    name: String,
    from: Seq,
    color: bool,
    pieces: mpsc::Sender<Vec<u8>>,
    mut ended: oneshot::Receiver<()>,
) -> Result<(), LedgerError> {
    let mut feed = store.subscribe(from);
    let mut picture = Picture::new(name, color);
    let mut drawn = 0;
    loop {
        tokio::select! {
            records = feed.next() => {
                let Some(records) = records? else { return Ok(()) };
                picture.take(&records);
            }
            _ = &mut ended => {
                // Away with it: what comes next on this terminal is for good.
                let _ = pieces.send(over(drawn, &[])).await;
                return Ok(());
            }
        }
        let (rows, columns) = window();
        let lines = store.read(|board| picture.lines(board, rows, columns));
        let height = lines.len();
        match pieces.try_send(over(drawn, &lines)) {
            Ok(()) => drawn = height,
            // The terminal is stopped or slow: the next picture tells all of it.
            Err(mpsc::error::TrySendError::Full(_)) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return Ok(()),
        }
        tokio::select! {
            () = tokio::time::sleep(FRAME) => {}
            _ = &mut ended => {
                let _ = pieces.send(over(drawn, &[])).await;
                return Ok(());
            }
        }
    }
}

/// The bytes that put `lines` in the place of the `drawn` lines above the cursor.
fn over(drawn: usize, lines: &[String]) -> Vec<u8> {
    let mut out = String::new();
    if drawn > 0 {
        out.push_str(&format!("\x1b[{drawn}A"));
    }
    // No wrapping meanwhile: a line that the terminal counts wider than we do must stay one line.
    out.push_str("\r\x1b[?7l");
    for line in lines {
        out.push_str("\x1b[2K");
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str("\x1b[J\x1b[?7h");
    out.into_bytes()
}

/// Rows and columns of the terminal at standard output.
fn window() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => (24, 80),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::memory::MemoryLog;
    use model::event::Event;
    use model::role::Address;
    use model::time::Timestamp;

    use super::*;

    #[test]
    fn a_picture_is_drawn_over_the_one_before_and_goes_away() {
        let text = |drawn, lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            String::from_utf8(over(drawn, &lines)).unwrap()
        };
        assert_eq!(text(0, &["a", "b"]), "\r\x1b[?7l\x1b[2Ka\r\n\x1b[2Kb\r\n\x1b[J\x1b[?7h");
        assert_eq!(text(2, &[]), "\x1b[2A\r\x1b[?7l\x1b[J\x1b[?7h");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_event_has_its_line_also_those_of_the_last_moment() {
        let store = Store::in_memory(Arc::new(MemoryLog::new())).unwrap();
        let say = |n: usize| {
            let events = (0..n).map(|n| {
                let tried = format!("thing {n}\x1b[2J");
                (Address::Mayor, Event::PolicyDenied { rule: "test".into(), tried })
            });
            let events = events.collect();
            store.write_one(Timestamp::from_millis(45_296_000), |_, _| Ok((events, ()))).unwrap();
        };
        let (pieces, mut written) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel();
        say(3);
        let telling = tokio::spawn(tell(store.subscribe(Seq(2)), pieces, ended));
        say(300);
        end.send(()).unwrap();
        telling.await.unwrap().unwrap();
        let mut text = String::new();
        while let Some(piece) = written.recv().await {
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert_eq!(text.lines().count(), 302);
        assert_eq!(
            text.lines().next().unwrap(),
            "12:34:56 mayor/                 denied by test: thing 1 [2J"
        );
    }
}
