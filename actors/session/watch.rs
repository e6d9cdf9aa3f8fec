//! Watches a screen: what it means once it has been still for a moment. Costs nothing while nothing
//! is printed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use config::preset::{Preset, Signs};
use pty::signs::{self, Pattern, Sign};
use pty::{Snapshot, TerminalHandle};
use ractor::ActorRef;

use super::{Message, ending};
use crate::freeze::Freeze;

/// A screen that has not changed for so long is looked at.
const STILL: Duration = Duration::from_millis(200);

/// One that changes all the time is looked at this often nevertheless.
const AT_LEAST: Duration = Duration::from_secs(1);

/// What a screen that has come to rest means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What shows.
    pub sign: Option<Sign>,
    /// The words that show it, for those that are words.
    pub words: String,
    /// Whether something shows that it is busy, whatever else does.
    pub busy: bool,
    /// Whether a full-screen program shows it.
    pub full_screen: bool,
    /// Stands for all that is on the screen: another number, another screen.
    pub print: u64,
}

/// What a preset's program shows, and when.
#[derive(Debug, Clone)]
pub(crate) struct Eye {
    /// Those that weigh most first.
    patterns: Vec<Pattern>,
    busy: Vec<Pattern>,
    /// Terminal modes by which it shows that it is ready; they weigh least.
    paste: bool,
    alternate: bool,
}

impl Eye {
    /// The signs of `preset`. A dialog stands over everything; what keeps a program from working counts only
    /// where nothing shows that it works.
    pub(crate) fn of(preset: &Preset) -> Self {
        let of = |signs: &Signs, sign: Sign| -> Vec<Pattern> {
            let row = |row: &String| Pattern { sign, row: Some(row.clone()), title: None, at_the_end: false };
            let title =
                |title: &String| Pattern { sign, row: None, title: Some(title.clone()), at_the_end: false };
            signs.screen.iter().map(row).chain(signs.title.iter().map(title)).collect()
        };
        let busy = of(&preset.busy, Sign::Busy);
        let patterns = [
            of(&preset.waiting, Sign::AsksPerson),
            of(&preset.limited, Sign::Limited),
            busy.clone(),
            ending::of_the_living(&preset.ends),
            of(&preset.ready, Sign::Ready),
        ];
        let has = |mode: &str| preset.ready.mode.iter().any(|named| named == mode);
        Eye {
            patterns: patterns.concat(),
            busy,
            paste: has("bracketed_paste"),
            alternate: has("alternate_screen"),
        }
    }

    /// What `snapshot` means.
    pub(crate) fn see(&self, snapshot: &Snapshot) -> Seen {
        let found = signs::find(snapshot, &self.patterns);
        let by_mode =
            (self.paste && snapshot.bracketed_paste) || (self.alternate && snapshot.alternate_screen);
        let mut hasher = DefaultHasher::new();
        snapshot.rows.hash(&mut hasher);
        Seen {
            sign: found.map(|found| found.sign).or_else(|| by_mode.then_some(Sign::Ready)),
            words: found.map(|found| ending::words(snapshot, found.row)).unwrap_or_default(),
            busy: signs::find(snapshot, &self.busy).is_some(),
            full_screen: snapshot.alternate_screen,
            print: hasher.finish(),
        }
    }
}

/// Tells the session what its screen means, each time it has come to rest.
pub(super) async fn screen(terminal: TerminalHandle, eye: Eye, freeze: Freeze, session: ActorRef<Message>) {
    let mut output = terminal.output();
    loop {
        let quiet = settle_changed(&mut output).await;
        // A program that stands still is quiet, which says nothing of it.
        if freeze.is_frozen() {
            freeze.thawed().await;
            continue;
        }
        let seen = eye.see(&terminal.snapshot());
        if session.cast(Message::Quiet(seen)).is_err() || !quiet {
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
pub(crate) async fn settle(terminal: &TerminalHandle, still: Duration) {
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
