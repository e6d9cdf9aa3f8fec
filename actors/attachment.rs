//! A person at an agent's terminal: what they see, and what they type if they have the keyboard.

use model::refusal::Refusal;
use model::role::Address;
use pty::{Piece, Size, Viewer};

use crate::freeze::Freeze;
use crate::session::Live;
use crate::session::keyboard::Keyboard;

/// A person at an agent's terminal.
#[derive(Debug)]
pub struct Attachment {
    /// Whose terminal.
    pub agent: Address,
    viewer: Viewer,
    live: Live,
    freeze: Freeze,
    seat: Option<u64>,
    said_size: Option<Size>,
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
        let viewer = live.terminal.attach();
        let mut attachment = Attachment { agent, viewer, live, freeze, seat, said_size: None, ended: false };
        attachment.resize(rows, cols);
        Ok(attachment)
    }

    /// Waits for what comes next; `None` after the end of the session was told.
    pub async fn next(&mut self) -> Option<AttachPiece> {
        let size = self.live.terminal.with_screen(|screen| screen.size());
        if self.said_size != Some(size) {
            self.said_size = Some(size);
            return Some(AttachPiece::Size { rows: size.rows, cols: size.cols });
        }
        match self.viewer.next().await {
            Some(Piece::Screen(bytes) | Piece::Output(bytes)) => Some(AttachPiece::Bytes(bytes)),
            None if self.ended => None,
            None => {
                // Marked only when it is known: whoever waits here may stop waiting and come again.
                let status = self.live.terminal.exited().await;
                self.ended = true;
                Some(AttachPiece::Exited(status.to_string()))
            }
        }
    }

    /// Types what the person typed.
    ///
    /// # Errors
    /// `read_only_view`, `keyboard_taken` once another has taken the keyboard, `town_frozen`, `not_typed`.
    pub async fn type_in(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let seat = self.seat.ok_or_else(|| {
            Refusal::forbidden("read_only_view", "you are looking on only").hint("attach without --read-only")
        })?;
        let mine = keyboard(&self.live, |keyboard| keyboard.pressed(seat, std::time::Instant::now()));
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
        let Some(seat) = self.seat else { return };
        if rows > 0 && cols > 0 && keyboard(&self.live, |keyboard| keyboard.has(seat)) {
            let _ = self.live.terminal.resize(Size { rows, cols });
            self.viewer.redraw();
        }
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
