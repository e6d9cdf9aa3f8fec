//! Watches a screen: what it means once it has been still for a moment. Costs nothing while nothing
//! is printed.

use std::time::Duration;

use config::preset::{Preset, Signs};
use pty::signs::{self, Pattern, Sign};
use pty::{Snapshot, TerminalHandle};
use ractor::ActorRef;

use super::Message;

/// A screen that has not changed for so long is looked at.
const STILL: Duration = Duration::from_millis(200);

/// One that changes all the time is looked at this often nevertheless.
const AT_LEAST: Duration = Duration::from_secs(1);

/// The patterns of a preset, those that weigh most first: a dialog stands over everything.
pub(super) fn patterns(preset: &Preset) -> Vec<Pattern> {
    let of = |signs: &Signs, sign: Sign| -> Vec<Pattern> {
        let row = |row: &String| Pattern { sign, row: Some(row.clone()), title: None, at_the_end: false };
        let title =
            |title: &String| Pattern { sign, row: None, title: Some(title.clone()), at_the_end: false };
        signs.screen.iter().map(row).chain(signs.title.iter().map(title)).collect()
    };
    [
        of(&preset.waiting, Sign::AsksPerson),
        of(&preset.limited, Sign::Limited),
        of(&preset.busy, Sign::Busy),
        of(&preset.ready, Sign::Ready),
    ]
    .concat()
}

/// Terminal modes by which a program shows that it is ready; they weigh least.
#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    paste: bool,
    alternate: bool,
}

impl Modes {
    /// The modes among a preset's signs of readiness.
    pub(super) fn of(preset: &Preset) -> Self {
        let has = |mode: &str| preset.ready.mode.iter().any(|named| named == mode);
        Self { paste: has("bracketed_paste"), alternate: has("alternate_screen") }
    }

    fn shown_by(&self, snapshot: &Snapshot) -> bool {
        (self.paste && snapshot.bracketed_paste) || (self.alternate && snapshot.alternate_screen)
    }
}

/// Tells the session what its screen means, each time it has come to rest.
pub(super) async fn screen(
    terminal: TerminalHandle,
    patterns: Vec<Pattern>,
    modes: Modes,
    session: ActorRef<Message>,
) {
    let mut output = terminal.output();
    loop {
        let quiet = settle_changed(&mut output).await;
        let snapshot = terminal.snapshot();
        let sign = signs::find(&snapshot, &patterns)
            .map(|found| found.sign)
            .or_else(|| modes.shown_by(&snapshot).then_some(Sign::Ready));
        if session.cast(Message::Quiet(sign)).is_err() || !quiet {
            return;
        }
        if output.changed().await.is_err() {
            return;
        }
    }
}

/// Waits until nothing has changed for [`STILL`], [`AT_LEAST`] at most; `false` when nothing ever will.
async fn settle_changed(output: &mut tokio::sync::watch::Receiver<u64>) -> bool {
    let deadline = tokio::time::Instant::now() + AT_LEAST;
    loop {
        output.borrow_and_update();
        match tokio::time::timeout(STILL, output.changed()).await {
            Err(_) => return true,
            Ok(Err(_)) => return false,
            Ok(Ok(())) if tokio::time::Instant::now() >= deadline => return true,
            Ok(Ok(())) => {}
        }
    }
}

/// Waits until the program has printed nothing for `still`, two seconds at most.
pub(super) async fn settle(terminal: &TerminalHandle, still: Duration) {
    let mut output = terminal.output();
    let quiet = async {
        while let Ok(Ok(())) = tokio::time::timeout(still, output.changed()).await {
            output.borrow_and_update();
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), quiet).await;
}

/// The question on a screen: its last lines that say something.
pub(super) fn question(snapshot: &Snapshot) -> String {
    let told: Vec<&str> = snapshot
        .rows
        .iter()
        .map(|row| row.trim())
        .filter(|row| row.chars().any(char::is_alphanumeric))
        .collect();
    let from = told.len().saturating_sub(6);
    told[from..].join(" / ")
}
