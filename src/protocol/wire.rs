//! What crosses the socket: requests, replies and the frames that carry them. A pure codec.
//!
//! A frame is `u32 length (big endian) | u8 kind | payload`, the length counting the payload alone.
//! Kind `J` is one JSON value, kind `B` is terminal bytes. A client's JSON that is too long for one frame
//! comes in several: pieces of kind `P`, and the end of it as kind `J`. The first frame of a client is a
//! [`Hello`]; then comes one [`Request`]. An `ask` gets one [`Reply`]; an `open` gets a [`Reply`] and,
//! when that is not a refusal, frames in both directions until either side closes.

use std::fmt;
use std::io::{self, Read, Write};

use model::answer::Answer;
use model::command::{Command, Stream};
use model::event::Record;
use model::refusal::{Class, Refusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of this protocol; a peer that speaks another is refused.
pub const VERSION: u32 = 1;

/// The largest payload of a frame that a client may send, in bytes.
pub const MAX_REQUEST: usize = 1024 * 1024;

/// The longest JSON value that a client may send in pieces, in bytes. A text of 1 MiB fits in however many
/// of its characters have to be escaped: `\u0001` takes six bytes for one.
pub const MAX_MESSAGE: usize = 8 * MAX_REQUEST;

/// The same for a person's program, which brings whole files. An agent's stays small: there are many.
pub const MAX_BULK: usize = 256 * 1024 * 1024;

/// The longest JSON value that who greets with `token` may send in pieces.
pub fn most(token: Option<&str>) -> usize {
    if token.is_some() { MAX_MESSAGE } else { MAX_BULK }
}

/// The largest payload that a runtime may send, in bytes: a long list is one frame.
pub const MAX_REPLY: usize = 256 * 1024 * 1024;

/// The first frame of a client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Of the protocol.
    pub version: u32,
    /// Proves an agent; people have none.
    #[serde(default)]
    pub token: Option<String>,
    /// In whose name a person speaks.
    #[serde(default)]
    pub actor: Option<String>,
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "***");
        f.debug_struct("Hello").field("version", &self.version).field("token", &token).finish_non_exhaustive()
    }
}

/// The second frame of a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "nearly all are questions, and none is kept")]
pub enum Request {
    /// One question, one answer.
    Ask(Command),
    /// Something that goes on.
    Open(Stream),
}

/// The runtime's answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Yes.
    Ok(Answer),
    /// No.
    Refused(Refusal),
}

impl From<Result<Answer, Refusal>> for Reply {
    fn from(result: Result<Answer, Refusal>) -> Self {
        match result {
            Ok(answer) => Reply::Ok(answer),
            Err(refusal) => Reply::Refused(refusal),
        }
    }
}

impl From<Reply> for Result<Answer, Refusal> {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Ok(answer) => Ok(answer),
            Reply::Refused(refusal) => Err(refusal),
        }
    }
}

/// What the runtime says, as JSON frames, while a stream is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamItem {
    /// An event of a followed log.
    Event(Box<Record>),
    /// The terminal that one is attached to has this size now.
    Size {
        /// Rows.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// Something for the person, in words.
    Notice(String),
    /// The session that one is attached to has ended.
    Exited {
        /// How.
        how: String,
    },
}

/// What a client says, as JSON frames, while it is attached. What it types goes as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamInput {
    /// Its window has this size now.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        cols: u16,
    },
}

/// One frame.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// One JSON value.
    Json(Vec<u8>),
    /// Terminal bytes.
    Bytes(Vec<u8>),
    /// The beginning, or the middle, of a JSON value that the frames behind it go on with.
    Piece(Vec<u8>),
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Json(payload) => write!(f, "Json({} bytes)", payload.len()),
            Frame::Bytes(payload) => write!(f, "Bytes({} bytes)", payload.len()),
            Frame::Piece(payload) => write!(f, "Piece({} bytes)", payload.len()),
        }
    }
}

/// Why bytes are no frame, or a frame not what was expected.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer announces more than is allowed.
    #[error("a frame of {0} bytes is over the limit of {1}")]
    TooLarge(usize, usize),
    /// The kind is none that this version knows.
    #[error("a frame of unknown kind {0:#04x}")]
    UnknownKind(u8),
    /// Another kind was due.
    #[error("something else where a message was due")]
    NotJson,
    /// The JSON is not the message that was due.
    #[error("a message that cannot be read")]
    Json(#[from] serde_json::Error),
}

/// The five bytes before a payload.
pub const HEADER: usize = 5;

impl Frame {
    /// Packs `message` as JSON.
    pub fn json<T: Serialize>(message: &T) -> Frame {
        Frame::Json(serde_json::to_vec(message).expect("messages of this module always serialize"))
    }

    /// Reads the JSON of this frame as a `T`.
    ///
    /// # Errors
    /// When it holds bytes, or JSON of another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        match self {
            Frame::Json(payload) => Ok(serde_json::from_slice(payload)?),
            Frame::Bytes(_) | Frame::Piece(_) => Err(WireError::NotJson),
        }
    }

    /// The frame as it goes over the wire.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            Frame::Json(payload) => (b'J', payload),
            Frame::Bytes(payload) => (b'B', payload),
            Frame::Piece(payload) => (b'P', payload),
        };
        let mut out = Vec::with_capacity(HEADER + payload.len());
        let length = u32::try_from(payload.len()).expect("frames are far below 4 GiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.push(kind);
        out.extend_from_slice(payload);
        out
    }
}

/// Reads what a header announces: the kind's byte and the payload's length.
///
/// # Errors
/// When the length is over `limit` or the kind is unknown.
pub fn header(bytes: [u8; HEADER], limit: usize) -> Result<(u8, usize), WireError> {
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    if length > limit {
        return Err(WireError::TooLarge(length, limit));
    }
    match bytes[4] {
        kind @ (b'J' | b'B' | b'P') => Ok((kind, length)),
        kind => Err(WireError::UnknownKind(kind)),
    }
}

/// Puts a payload behind the kind that [`header`] gave.
pub fn assemble(kind: u8, payload: Vec<u8>) -> Frame {
    match kind {
        b'J' => Frame::Json(payload),
        b'P' => Frame::Piece(payload),
        _ => Frame::Bytes(payload),
    }
}

/// Cuts a frame of JSON that is longer than `limit` into pieces; leaves any other as it is.
pub fn cut(frame: Frame, limit: usize) -> Vec<Frame> {
    let payload = match frame {
        Frame::Json(payload) if payload.len() > limit => payload,
        other => return vec![other],
    };
    let mut frames: Vec<Frame> = payload.chunks(limit).map(|chunk| Frame::Piece(chunk.to_vec())).collect();
    if let Some(Frame::Piece(end)) = frames.pop() {
        frames.push(Frame::Json(end));
    }
    frames
}

/// Puts the frames of one client together again.
#[derive(Debug, Default)]
pub struct Joiner(Vec<u8>);

impl Joiner {
    /// Takes the next frame; returns it, joined with its pieces, unless it is one of them.
    ///
    /// # Errors
    /// When pieces grow over `limit`, or terminal bytes come between them.
    pub fn take(&mut self, frame: Frame, limit: usize) -> Result<Option<Frame>, WireError> {
        let (mut payload, is_end) = match frame {
            Frame::Json(payload) => (payload, true),
            Frame::Piece(payload) => (payload, false),
            Frame::Bytes(_) if !self.0.is_empty() => return Err(WireError::NotJson),
            bytes @ Frame::Bytes(_) => return Ok(Some(bytes)),
        };
        let length = self.0.len() + payload.len();
        if length > limit {
            return Err(WireError::TooLarge(length, limit));
        }
        if self.0.is_empty() {
            self.0 = payload;
        } else {
            self.0.append(&mut payload);
        }
        Ok(is_end.then(|| Frame::Json(std::mem::take(&mut self.0))))
    }
}

/// Reads one frame; `None` at the end of the stream.
///
/// # Errors
/// When reading fails, the stream ends inside a frame, or the frame is not allowed.
pub fn read_frame(from: &mut impl Read, limit: usize) -> io::Result<Option<Frame>> {
    let mut head = [0; HEADER];
    let mut got = 0;
    while got < HEADER {
        match from.read(&mut head[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let (kind, length) = header(head, limit).map_err(io::Error::other)?;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok(Some(assemble(kind, payload)))
}

/// Writes one frame, whole.
///
/// # Errors
/// When writing fails.
pub fn write_frame(to: &mut impl Write, frame: &Frame) -> io::Result<()> {
    to.write_all(&frame.encode())?;
    to.flush()
}

/// An open stream, seen from the client: frames come in, frames go out, on threads of their own.
pub struct Duplex {
    /// What the runtime sends, until it closes.
    pub incoming: Box<dyn Iterator<Item = io::Result<Frame>> + Send>,
    /// Sends a frame to the runtime.
    pub outgoing: Box<dyn FnMut(Frame) -> io::Result<()> + Send>,
}

impl fmt::Debug for Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Duplex")
    }
}

/// Whoever takes a question to where it is answered: the socket of a running town, or the ledger
/// itself when none is up.
pub trait Carrier {
    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The refusal, of the town or of the way to it.
    fn ask(&mut self, command: Command) -> Result<Answer, Refusal>;

    /// Opens a stream.
    ///
    /// # Errors
    /// The refusal, of the town or of the way to it.
    fn open(&mut self, stream: Stream) -> Result<Duplex, Refusal>;

    /// Whether a runtime answers.
    fn is_live(&self) -> bool;
}

/// The refusal for a way to the town that broke.
pub fn broken(error: &dyn std::error::Error) -> Refusal {
    Refusal::new(Class::Failed, "connection_lost", format!("the connection to the town broke: {error}"))
        .hint("see whether it still runs with `gastown status`; what was acknowledged is safe")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_comes_in_pieces_up_to_a_limit() {
        let text = "0123456789".repeat(3);
        let whole = Frame::Json(text.clone().into_bytes());
        for limit in [1, 7, 10, 29, 30, 31] {
            let frames = cut(whole.clone(), limit);
            assert_eq!(frames.len(), text.len().div_ceil(limit));
            let mut joiner = Joiner::default();
            let joined: Vec<Frame> =
                frames.iter().filter_map(|frame| joiner.take(frame.clone(), 30).unwrap()).collect();
            assert_eq!(joined, std::slice::from_ref(&whole));
            let too_long = frames.into_iter().find_map(|frame| joiner.take(frame, 29).err());
            assert!(matches!(too_long, Some(WireError::TooLarge(30, 29))));
        }
        let mut joiner = Joiner::default();
        assert!(joiner.take(Frame::Piece(b"{".to_vec()), 9).unwrap().is_none());
        assert!(matches!(joiner.take(Frame::Bytes(b"x".to_vec()), 9), Err(WireError::NotJson)));
    }

    #[test]
    fn a_frame_reads_back_and_a_giant_is_refused_by_its_header() {
        let request = Request::Ask(Command::Hook { agent: None });
        let mut wire = Frame::json(&request).encode();
        wire.extend(Frame::Bytes(b"\x1b[1m".to_vec()).encode());
        let mut from = wire.as_slice();
        let first = read_frame(&mut from, MAX_REQUEST).unwrap().unwrap();
        assert_eq!(first.parse::<Request>().unwrap(), request);
        let second = read_frame(&mut from, MAX_REQUEST).unwrap().unwrap();
        assert_eq!(second, Frame::Bytes(b"\x1b[1m".to_vec()));
        assert!(read_frame(&mut from, MAX_REQUEST).unwrap().is_none());
        assert!(read_frame(&mut &wire[..7], MAX_REQUEST).is_err());
        assert!(matches!(header([255, 0, 0, 0, b'J'], MAX_REQUEST), Err(WireError::TooLarge(..))));
        assert!(matches!(header([0, 0, 0, 0, b'x'], MAX_REQUEST), Err(WireError::UnknownKind(b'x'))));
    }

    #[test]
    fn a_token_is_not_in_a_log() {
        let hello = Hello { version: VERSION, token: Some("secret".into()), actor: None };
        assert!(!format!("{hello:?}").contains("secret"));
    }
}
