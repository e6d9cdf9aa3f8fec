//! Frames over an asynchronous stream.

use std::io;
use std::time::Duration;

use protocol::wire::{self, Frame, HEADER, Joiner, MAX_MESSAGE};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// How long a client may take to read a frame. One that takes longer is gone, or stopped with Ctrl-Z.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that are read ahead at most, beside the frame that is being put together.
const AHEAD: usize = 16 * 1024;

/// Takes frames from a client.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: OwnedReadHalf,
    buffer: Vec<u8>,
    pieces: Joiner,
    most: usize,
}

impl Incoming {
    pub(super) fn new(stream: OwnedReadHalf) -> Self {
        Self { stream, buffer: Vec::new(), pieces: Joiner::default(), most: MAX_MESSAGE }
    }

    /// Lets this client send JSON of up to `most` bytes in pieces.
    pub(super) fn allow(&mut self, most: usize) {
        self.most = most;
    }

    /// Waits for a frame of at most `limit` bytes, or for all pieces of a longer one; none when the client has closed.
    ///
    /// Nothing is lost if the future is dropped: what has come is kept for the next call.
    pub(super) async fn next(&mut self, limit: usize) -> io::Result<Option<Frame>> {
        loop {
            while let Some(frame) = self.whole(limit)? {
                let joined = self.pieces.take(frame, self.most).map_err(io::Error::other)?;
                if joined.is_some() {
                    return Ok(joined);
                }
            }
            self.buffer.reserve(AHEAD);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// The frame that the buffer begins with, if all of it is there.
    fn whole(&mut self, limit: usize) -> io::Result<Option<Frame>> {
        let Some(head) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let (kind, length) = wire::header(*head, limit).map_err(io::Error::other)?;
        if self.buffer.len() < HEADER + length {
            return Ok(None);
        }
        let payload = self.buffer[HEADER..HEADER + length].to_vec();
        self.buffer.drain(..HEADER + length);
        Ok(Some(wire::assemble(kind, payload)))
    }
}

/// Brings frames to a client.
#[derive(Debug)]
pub(super) struct Outgoing {
    stream: OwnedWriteHalf,
}

impl Outgoing {
    pub(super) fn new(stream: OwnedWriteHalf) -> Self {
        Self { stream }
    }

    /// Sends `frame`.
    ///
    /// # Errors
    /// When the client has closed, or does not read for too long.
    pub(super) async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(&frame.encode())).await.map_err(io::Error::from)?
    }

    /// What is below the frames.
    #[cfg(test)]
    pub(super) fn into_stream(self) -> OwnedWriteHalf {
        self.stream
    }

    /// Sends `message` as JSON.
    pub(super) async fn say<M: Serialize>(&mut self, message: &M) -> io::Result<()> {
        self.send(&Frame::json(message)).await
    }
}
