//! People who look on: each gets the same bytes, at its own pace.
//!
//! A viewer that does not keep up costs the program nothing and the runtime at most a mebibyte: what
//! waits for it is thrown away, and when it next asks it gets the whole screen
//! as it is then.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::terminal::Shared;

/// How many bytes may wait for one viewer.
const LIMIT: usize = 1024 * 1024;

/// What a viewer gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The whole screen: paints any terminal of the same size, whatever it showed.
    Screen(Vec<u8>),
    /// What the program printed since the last piece.
    Output(Vec<u8>),
}

impl Piece {
    /// The bytes for the viewer's terminal.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Screen(bytes) | Self::Output(bytes) => bytes,
        }
    }
}

/// The viewers of one terminal. Lives under the lock of the screen.
#[derive(Debug, Default)]
pub(crate) struct Viewers {
    seats: Vec<Seat>,
    next_id: u64,
    closed: bool,
}

#[derive(Debug)]
struct Seat {
    id: u64,
    waiting: Vec<u8>,
    /// It must be given the whole screen before anything else.
    lost: bool,
    wake: Arc<Notify>,
}

impl Viewers {
    pub(crate) fn join(&mut self, wake: Arc<Notify>) -> u64 {
        self.next_id += 1;
        self.seats.push(Seat { id: self.next_id, waiting: Vec::new(), lost: true, wake });
        self.next_id
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Hands `bytes` to all.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        for seat in &mut self.seats {
            if seat.lost {
                continue;
            }
            if seat.waiting.len() + bytes.len() > LIMIT {
                seat.waiting = Vec::new();
                seat.lost = true;
            } else {
                seat.waiting.extend_from_slice(bytes);
            }
            seat.wake.notify_one();
        }
    }

    /// Says that nothing more will come.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        for seat in &self.seats {
            seat.wake.notify_one();
        }
    }

    fn seat(&mut self, id: u64) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.id == id)
    }
}

/// One who looks on. Dropping it leaves.
pub struct Viewer {
    shared: Arc<Shared>,
    id: u64,
    wake: Arc<Notify>,
}

impl Viewer {
    pub(crate) fn new(shared: Arc<Shared>, id: u64, wake: Arc<Notify>) -> Self {
        Self { shared, id, wake }
    }

    /// Waits for what comes next: first the whole screen, then all that is printed. `None` once the
    /// program has ended and everything has been seen. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            match self.take() {
                Taken::Piece(piece) => return Some(piece),
                Taken::End => return None,
                Taken::Nothing => self.wake.notified().await,
            }
        }
    }

    /// Asks for the whole screen as the next piece, as after the viewer's terminal was resized.
    pub fn redraw(&mut self) {
        if let Some(seat) = self.shared.face().viewers.seat(self.id) {
            seat.lost = true;
            seat.waiting = Vec::new();
            seat.wake.notify_one();
        }
    }

    fn take(&self) -> Taken {
        let mut face = self.shared.face();
        let closed = face.viewers.closed;
        let Some(seat) = face.viewers.seat(self.id) else { return Taken::End };
        if seat.lost {
            seat.lost = false;
            let piece = Piece::Screen(face.screen.redraw());
            let answers = face.screen.take_answers();
            drop(face);
            if !answers.is_empty() {
                self.shared.input.push_answer(&answers);
            }
            return Taken::Piece(piece);
        }
        if !seat.waiting.is_empty() {
            return Taken::Piece(Piece::Output(std::mem::take(&mut seat.waiting)));
        }
        if closed { Taken::End } else { Taken::Nothing }
    }
}

enum Taken {
    Piece(Piece),
    Nothing,
    End,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let id = self.id;
        self.shared.face().viewers.seats.retain(|seat| seat.id != id);
    }
}

impl std::fmt::Debug for Viewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewer").field("id", &self.id).field("pid", &self.shared.pid).finish()
    }
}
