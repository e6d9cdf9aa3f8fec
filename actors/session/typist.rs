//! Types one text into a program, and finds out whether it was taken.
//!
//! ```text
//! look ──> put a half-typed line away ──> text ──> echo, quiet ──> look ──> Enter ──> hook or screen
//!   │ a question, busy                        │ a question                     │ neither: Enter again, at most twice
//!   v not now                                 v told                           v told
//! ```
//!
//! A program may take an Enter that comes with the text for a part of it, or lose it; a further Enter is right
//! then, a further text never is. Enter into a question would answer it: the screen is looked at before each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::nudge::Evidence;
use model::refusal::Refusal;
use protocol::speech;
use pty::signs::Sign;
use pty::{Snapshot, TerminalHandle, WriteError};
use tokio::time::{Instant, timeout};

use super::keyboard::{self, Keyboard};
use super::life::Life;
use super::watch::{self, Eye, Seen};

/// How long a program may leave what is typed unread until its sender is told.
const UNREAD: Duration = Duration::from_secs(10);

/// How long the screen must be still between the text and its Enter.
const ECHO: Duration = Duration::from_millis(150);

/// How long is waited for a sign that it was taken, after each Enter.
const TAKEN: Duration = Duration::from_secs(3);

/// Enters at most.
const ENTERS: u32 = 3;

/// The longest line that a terminal keeps for a program that reads lines: what is longer is cut by the kernel.
const LINE: usize = 4094;

/// After a prompt was taken, the screen may look idle for so long.
const SETTLING: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// It was taken, or typed where nothing shows whether it was.
    Typed(Option<Evidence>),
    /// Nothing was typed; it may be possible later.
    NotNow,
    /// It was not typed, or not taken.
    Failed(Refusal),
}

/// The hands on one program's keyboard.
pub(super) struct Typist {
    pub(super) terminal: TerminalHandle,
    pub(super) eye: Eye,
    pub(super) keyboard: Arc<Mutex<Keyboard>>,
    pub(super) life: Life,
    /// It reads lines of the protocol.
    pub(super) replies: bool,
    /// Its hooks tell of each prompt.
    pub(super) hooked: bool,
    /// It shows when it is ready.
    pub(super) shows_ready: bool,
    /// What puts a half-typed line away.
    pub(super) stash: Option<String>,
}

impl Typist {
    /// Types `text`; with `now` also while the program works.
    pub(super) async fn deliver(&self, text: &str, now: bool) -> Outcome {
        match self.try_deliver(text, now).await {
            Ok(outcome) => outcome,
            Err(refusal) => Outcome::Failed(refusal),
        }
    }

    async fn try_deliver(&self, text: &str, now: bool) -> Result<Outcome, Refusal> {
        let text = keyboard::clean(text);
        if self.replies {
            let line = speech::prompt(&serde_json::json!({ "text": text }));
            self.put(line.as_bytes()).await?;
            return Ok(Outcome::Typed(Some(Evidence::Line)));
        }
        let (snapshot, seen) = self.look();
        let settles = self.hooked && self.life.prompted().is_some_and(|(_, since)| since < SETTLING);
        let busy = !now && (settles || (self.shows_ready && seen.sign != Some(Sign::Ready)));
        if asks(&seen) || busy || !self.free() {
            return Ok(Outcome::NotNow);
        }
        if self.has_draft() && !self.put_away(&seen).await? {
            return Ok(Outcome::NotNow);
        }
        let typed = keyboard::typed(&text, snapshot.bracketed_paste);
        if !snapshot.bracketed_paste && typed.len() > LINE && self.terminal.reads_lines() {
            return Err(Refusal::failed(
                "too_long",
                format!(
                    "its program reads lines, and a terminal keeps {LINE} bytes of one, not {}",
                    typed.len()
                ),
            )
            .hint("write a letter: gastown mail send AGENT -s SUBJECT -f FILE"));
        }
        let before = self.life.prompted().map_or(0, |(count, _)| count);
        self.put(&typed).await?;
        self.read_up().await?;
        watch::settle(&self.terminal, ECHO).await;
        for _ in 0..ENTERS {
            let (_, seen) = self.look();
            if asks(&seen) {
                return Err(Refusal::failed(
                    "not_submitted",
                    format!("a question came up before the text was sent off: {}", seen.words),
                )
                .hint("the text stands in its input; see `gastown peek`"));
            }
            if !self.free() {
                return Err(Refusal::failed(
                    "not_submitted",
                    "a person began to type before it was sent off",
                )
                .hint("the text stands in its input"));
            }
            self.put(b"\r").await?;
            if let Some(evidence) = self.taken(&text, before, &seen).await {
                return Ok(Outcome::Typed(Some(evidence)));
            }
            if !self.hooked {
                return Ok(Outcome::Typed(None));
            }
            if !self.stands(&text) {
                // It has left the box. Commands of the program itself are told by no hook.
                let gone = self.look().1.print != seen.print;
                return match gone {
                    true => Ok(Outcome::Typed(Some(Evidence::Screen))),
                    false => Err(not_taken()),
                };
            }
        }
        Err(not_taken())
    }

    fn look(&self) -> (Snapshot, Seen) {
        let snapshot = self.terminal.snapshot();
        let seen = self.eye.see(&snapshot);
        (snapshot, seen)
    }

    fn free(&self) -> bool {
        self.keyboard.lock().unwrap_or_else(PoisonError::into_inner).is_free(std::time::Instant::now())
    }

    fn has_draft(&self) -> bool {
        self.keyboard.lock().unwrap_or_else(PoisonError::into_inner).has_draft()
    }

    /// Puts a half-typed line away, where the program can do that; it comes back by itself.
    async fn put_away(&self, before: &Seen) -> Result<bool, Refusal> {
        let Some(stash) = &self.stash else { return Ok(false) };
        self.put(stash.as_bytes()).await?;
        self.read_up().await?;
        watch::settle(&self.terminal, ECHO).await;
        Ok(self.look().1.print != before.print)
    }

    async fn put(&self, bytes: &[u8]) -> Result<(), Refusal> {
        self.life.typed(bytes.len());
        let typed = timeout(UNREAD, self.terminal.write(bytes)).await.unwrap_or(Err(WriteError::Full));
        typed.map_err(|error| Refusal::failed("not_typed", format!("the text could not be typed: {error}")))
    }

    /// Waits until the terminal has taken all that was typed.
    async fn read_up(&self) -> Result<(), Refusal> {
        let until = Instant::now() + UNREAD;
        while self.terminal.input_pending() > 0 {
            if Instant::now() >= until {
                return Err(Refusal::failed("not_read", "its program does not read what is typed")
                    .hint("a part of the text may stand in its input"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits for what shows that the text was taken.
    async fn taken(&self, text: &str, before: u64, seen: &Seen) -> Option<Evidence> {
        let until = Instant::now() + TAKEN;
        let mut output = self.terminal.output();
        loop {
            if self.hooked && self.life.was_prompted_with(before, text) {
                return Some(Evidence::Hook);
            }
            if !self.hooked {
                let (_, now) = self.look();
                if now.busy || now.print != seen.print {
                    return Some(Evidence::Screen);
                }
            }
            let left = until.checked_duration_since(Instant::now())?;
            // The hook speaks by the socket, so the screen alone does not wake this.
            let _ = timeout(left.min(Duration::from_millis(50)), output.changed()).await;
        }
    }

    /// Whether the text, or what stands for it, is still in the program's input.
    fn stands(&self, text: &str) -> bool {
        let snapshot = self.terminal.snapshot();
        let last = text.lines().next_back().unwrap_or_default();
        let tail: String = last.chars().skip(last.chars().count().saturating_sub(16)).collect();
        let row = usize::from(snapshot.cursor.0);
        let near = snapshot.rows.iter().skip(row.saturating_sub(2)).take(4);
        let mut near = near
            .filter(|row| row.contains("[Pasted text") || (!tail.is_empty() && row.contains(tail.trim())));
        near.next().is_some()
    }
}

fn not_taken() -> Refusal {
    Refusal::failed("not_taken", "nothing shows that the text was taken")
        .hint("look with `gastown peek`; it is not typed again")
}

/// Whether an Enter would answer a question.
fn asks(seen: &Seen) -> bool {
    use pty::signs::Obstacle::{KeyRefused, Login, Trust};
    matches!(seen.sign, Some(Sign::AsksPerson | Sign::Obstacle(Login | Trust | KeyRefused)))
}
