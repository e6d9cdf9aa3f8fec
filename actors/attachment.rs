//! A person at an agent's terminal: what they see, and what they type if they have the keyboard.
//!
//! The terminal has the size of the window of whoever types, and keeps it when they leave. Whoever has a window
//! of that size gets what the program prints, byte for byte. All others look on: they get pictures of the
//! screen, cut to their window, at most twenty a second.

use std::time::Duration;

use model::refusal::Refusal;
use model::role::Address;
use pty::{ExitStatus, Piece, Size, Viewer};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::freeze::Freeze;
use crate::session::Live;
use crate::session::keyboard::Keyboard;

/// The time between two pictures.
const BETWEEN_FRAMES: Duration = Duration::from_millis(50);

/// A person at an agent's terminal.
#[derive(Debug)]
pub struct Attachment {
    /// Whose terminal.
    pub agent: Address,
    viewer: Viewer,
    live: Live,
    freeze: Freeze,
    seat: Option<u64>,
    /// Whether they have been told that another has taken the keyboard.
    told_relieved: bool,
    window: Size,
    said_size: Option<Size>,
    /// They get pictures now; the next one is due.
    frames: Option<bool>,
    last_frame: Instant,
    sizes: watch::Receiver<Size>,
    output: watch::Receiver<u64>,
    writers: watch::Receiver<Option<u64>>,
    ended: bool,
}

/// What a person at a terminal gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachPiece {
    /// Bytes for their own terminal.
    Bytes(Vec<u8>),
    /// The agent's terminal has this size.
    Size {
        /// Rows.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// Something to be said beside the terminal.
    Notice(String),
    /// The session has ended, and how.
    Exited(String),
}

impl Attachment {
    /// Seats a person at `live`, with the keyboard unless they only look on.
    ///
    /// # Errors
    /// `keyboard_taken` when another has it and `take` was not said.
    pub(crate) fn new(
        agent: Address,
        live: Live,
        freeze: Freeze,
        read_only: bool,
        take: bool,
        (rows, cols): (u16, u16),
    ) -> Result<Self, Refusal> {
        let seat = match read_only {
            true => None,
            false => Some(keyboard(&live, |keyboard| keyboard.sit(take)).map_err(|_| {
                Refusal::forbidden(
                    "keyboard_taken",
                    format!("somebody else types into the terminal of {agent}"),
                )
                .hint("look on with --read-only, or take the keyboard with --take")
            })?),
        };
        let (sizes, output) = (live.terminal.sizes(), live.terminal.output());
        let writers = keyboard(&live, |keyboard| keyboard.writers());
        let viewer = live.terminal.attach();
        let mut attachment = Attachment {
            agent,
            viewer,
            live,
            freeze,
            seat,
            told_relieved: false,
            window: Size { rows, cols },
            said_size: None,
            frames: None,
            last_frame: Instant::now() - BETWEEN_FRAMES,
            sizes,
            output,
            writers,
            ended: false,
        };
        attachment.resize(rows, cols);
        Ok(attachment)
    }

    /// Waits for what comes next; `None` after the end of the session was told. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<AttachPiece> {
        loop {
            let size = *self.sizes.borrow_and_update();
            if self.said_size != Some(size) {
                self.said_size = Some(size);
                self.frames = self.frames.map(|_| true);
                return Some(AttachPiece::Size { rows: size.rows, cols: size.cols });
            }
            if self.is_relieved() && !self.told_relieved {
                self.told_relieved = true;
                return Some(AttachPiece::Notice(
                    "somebody else has taken the keyboard; you look on".to_owned(),
                ));
            }
            if self.ended {
                return None;
            }
            // A window of no size is one that did not say; it gets the bytes.
            let bytes = self.window.clamped() == size || self.window.rows == 0 || self.window.cols == 0;
            let piece = if bytes { self.next_bytes().await } else { self.next_frame(size).await };
            if piece.is_some() {
                return piece;
            }
        }
    }

    /// What the program prints; nothing when there is something else to look at first.
    async fn next_bytes(&mut self) -> Option<AttachPiece> {
        if self.frames.take().is_some() {
            self.viewer.redraw();
        }
        let watches = self.seat.is_some();
        tokio::select! {
            biased;
            Ok(()) = self.sizes.changed() => None,
            Ok(()) = self.writers.changed(), if watches => None,
            piece = self.viewer.next() => match piece {
                Some(Piece::Screen(bytes) | Piece::Output(bytes)) => Some(AttachPiece::Bytes(bytes)),
                None => {
                    // Marked only when it is known: whoever waits here may stop waiting and come again.
                    let status = self.live.terminal.exited().await;
                    Some(self.over(status))
                }
            },
        }
    }

    /// The next picture; nothing when there is something else to look at first.
    async fn next_frame(&mut self, size: Size) -> Option<AttachPiece> {
        if self.frames.is_none() {
            // Nothing is kept for this viewer meanwhile: it gets the whole screen when it comes back.
            self.viewer.redraw();
            self.frames = Some(true);
        }
        if self.frames != Some(true) {
            let watches = self.seat.is_some();
            tokio::select! {
                biased;
                Ok(()) = self.sizes.changed() => return None,
                Ok(()) = self.writers.changed(), if watches => return None,
                Ok(()) = self.output.changed() => self.frames = Some(true),
                status = self.live.terminal.exited() => return Some(self.over(status)),
            }
        }
        tokio::time::sleep_until(self.last_frame + BETWEEN_FRAMES).await;
        self.output.borrow_and_update();
        self.frames = Some(false);
        self.last_frame = Instant::now();
        let (window, agent) = (self.window, &self.agent);
        let Size { rows, cols } = window;
        let note = format!(" {}x{} in a window of {cols}x{rows}: {agent} ", size.cols, size.rows);
        let frame = self.live.terminal.with_screen(|screen| screen.frame(window, &note));
        Some(AttachPiece::Bytes(frame))
    }

    fn over(&mut self, status: ExitStatus) -> AttachPiece {
        self.ended = true;
        AttachPiece::Exited(status.to_string())
    }

    /// Whether they had the keyboard, and another has it now.
    fn is_relieved(&self) -> bool {
        self.seat.is_some_and(|seat| !keyboard(&self.live, |keyboard| keyboard.has(seat)))
    }

    /// Types what the person typed.
    ///
    /// # Errors
    /// `read_only_view`, `keyboard_taken` once another has taken the keyboard, `town_frozen`, `not_typed`.
    pub async fn type_in(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let seat = self.seat.ok_or_else(|| {
            Refusal::forbidden("read_only_view", "you are looking on only").hint("attach without --read-only")
        })?;
        let mine = keyboard(&self.live, |keyboard| keyboard.pressed(seat, bytes, std::time::Instant::now()));
        if !mine {
            return Err(Refusal::forbidden("keyboard_taken", "somebody else has taken the keyboard"));
        }
        self.freeze.check("nothing is typed")?;
        self.live
            .terminal
            .write(bytes)
            .await
            .map_err(|error| Refusal::failed("not_typed", format!("it could not be typed: {error}")))
    }

    /// The person's own window has this size: the one who types sets the terminal's.
    pub fn resize(&mut self, rows: u16, cols: u16) {
        self.window = Size { rows, cols };
        self.frames = self.frames.map(|_| true);
        let types = self.seat.is_some_and(|seat| keyboard(&self.live, |keyboard| keyboard.has(seat)));
        if rows > 0 && cols > 0 && types {
            let _ = self.live.terminal.resize(self.window);
        }
        self.viewer.redraw();
    }
}

fn keyboard<T>(live: &Live, with: impl FnOnce(&mut Keyboard) -> T) -> T {
    with(&mut live.keyboard.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            keyboard(&self.live, |keyboard| keyboard.leave(seat));
        }
    }
}
