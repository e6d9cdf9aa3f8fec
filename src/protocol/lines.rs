//! What an agent says in the bytes of its terminal: escape codes gone, lines whole, frames taken out.
//!
//! A hand-written state machine over raw bytes, since a terminal model costs four times as much, forgets
//! where a line ended, and keeps an endless string in memory. It is fed with pieces of any size and gives
//! the same result for each way of cutting them.
//!
//! ```text
//!            ESC                [
//!   ground ───────> escape ───────────> csi ──────────> ground      ?1049h: alternate screen
//!     ^               │  ]
//!     │               ├─────> opening ── 7770; ──> frame ─ ESC \ ─> ground      heard, never shown
//!     │               │          └── else ──> string ─ ESC \, BEL ─> ground     shown, not kept
//!     └───────────────┘ P X ^ _ ─────────────> string
//! ```
//!
//! - **A line** ends with LF or CR LF. Text after a lone CR starts it anew, so a line that was repainted
//!   counts as what it last said. A backspace takes a character back. On the alternate screen there are
//!   no lines, only frames. UTF-8 is looked at when a line is complete, never before.
//! - **A string** (OSC, DCS, …) that is not ended by LF, CAN, SUB or another escape sequence at the latest
//!   is given up: a broken one costs a line, not the session.
//! - **What people see** is what came in, without frames and with the nonce masked. An escape
//!   sequence that may become a frame is held back until that is known (at most seven bytes, which show
//!   nothing on a screen yet).
//! - **Memory** is bounded: one line and one frame of [`LIMIT`] bytes each. Of what is
//!   longer, the beginning is kept to tell who spoke, and the rest is dropped until it ends.
//!
//! Soft wrapping leaves no trace in the bytes, but what a full-screen program wraps and paints cannot be
//! put together again. Whoever runs such a program heeds its frames only.

mod mask;

use crate::speech::{self, FRAME_OPEN, FrameEnd, Heard, LIMIT};
use mask::Mask;

const LF: u8 = b'\n';
const CR: u8 = b'\r';
const BS: u8 = 0x08;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const DEL: u8 = 0x7f;

/// Parameters of a control sequence that are kept; no sequence that matters here has more.
const PARAMETERS: usize = 64;
/// A buffer that has grown beyond this is given back when its line or frame has ended.
const KEEP: usize = 4096;

/// What came of one piece of output.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// What people and the screen model may see.
    pub visible: Vec<u8>,
    /// What was said, in order.
    pub heard: Vec<Heard>,
}

/// Reads the output of one session, for as long as the session lasts.
pub struct Scanner {
    nonce: String,
    mask: Mask,
    state: State,
    line: Line,
    frame: Frame,
    last_frame: Option<u64>,
    parameters: Vec<u8>,
    alternate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    /// After an ESC, which is not shown yet, inside of what it may be the end of.
    Escape(Inside),
    /// After ESC and an intermediate byte: one final byte is to come.
    Intermediate,
    Csi,
    /// The first bytes of [`FRAME_OPEN`], so many, were seen and not shown.
    Opening(usize),
    String {
        bel_ends: bool,
    },
    Frame,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    String,
    Frame,
}

impl Scanner {
    /// Returns a scanner for the session with this nonce (letters and digits). An empty nonce is nobody's:
    /// with it, all is forged.
    pub fn new(nonce: &str) -> Self {
        Self {
            nonce: nonce.to_owned(),
            mask: Mask::new(nonce),
            state: State::Ground,
            line: Line::default(),
            frame: Frame::default(),
            last_frame: None,
            parameters: Vec::new(),
            alternate: false,
        }
    }

    /// Takes the next bytes of the terminal and returns what may be seen and what was said.
    pub fn feed(&mut self, bytes: &[u8]) -> Scanned {
        let mut out = Scanned { visible: Vec::with_capacity(bytes.len() + 16), heard: Vec::new() };
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            // A step that takes nothing has changed the state to one that takes this byte.
            let taken = match self.state {
                State::Ground => self.ground(rest, &mut out),
                State::Escape(inside) => self.escape(byte, inside, &mut out),
                State::Intermediate => self.intermediate(byte, &mut out),
                State::Csi => self.csi(byte, &mut out),
                State::Opening(matched) => self.opening(byte, matched, &mut out),
                State::String { bel_ends } => self.string(rest, bel_ends, &mut out),
                State::Frame => self.framed(rest, &mut out),
            };
            rest = &rest[taken..];
        }
        out
    }

    /// Returns bytes that were held back because they could be the beginning of the nonce. To be called
    /// when the output pauses, so that the screen does not lack its last characters.
    ///
    /// At most half a nonce is shown in this way. More of it is no accident, and stays held.
    pub fn flush(&mut self) -> Vec<u8> {
        let mut visible = Vec::new();
        self.mask.flush(&mut visible);
        visible
    }

    /// Whether the program is on the alternate screen, where there are no lines.
    pub fn is_alternate(&self) -> bool {
        self.alternate
    }

    fn show(&mut self, bytes: &[u8], out: &mut Scanned) {
        self.mask.push(bytes, &mut out.visible);
    }

    fn ground(&mut self, rest: &[u8], out: &mut Scanned) -> usize {
        let run = rest.iter().position(|byte| *byte < b' ' || *byte == DEL).unwrap_or(rest.len());
        if run > 0 {
            if !self.alternate {
                self.line.text(&rest[..run]);
            }
            self.show(&rest[..run], out);
            return run;
        }
        if rest[0] == ESC {
            let whole = self.whole_csi(rest, out);
            if whole > 0 {
                return whole;
            }
            self.state = State::Escape(Inside::Nothing);
        } else {
            self.control(rest[0], out);
        }
        1
    }

    /// Takes a control sequence that is there from end to end, and returns its length; 0 if there is none.
    ///
    /// Colours and cursor moves are most of what a full-screen program prints. Taken in one piece they cost a
    /// quarter of what they cost byte by byte; the result is the same.
    fn whole_csi(&mut self, rest: &[u8], out: &mut Scanned) -> usize {
        let Some(body) = rest.strip_prefix(b"\x1b[") else { return 0 };
        let end = body.iter().position(|byte| !matches!(byte, b' '..=b'?'));
        let Some((end, last)) =
            end.map(|end| (end, body[end])).filter(|(_, last)| matches!(last, b'@'..=b'~'))
        else {
            return 0;
        };
        if matches!(last, b'h' | b'l') {
            self.parameters.clear();
            self.parameters.extend_from_slice(&body[..end.min(PARAMETERS + 1)]);
            self.switch_screen(last);
        }
        let length = end + 3;
        self.show(&rest[..length], out);
        length
    }

    /// Obeys and shows a control character. Terminals do so even in the middle of a sequence.
    fn control(&mut self, byte: u8, out: &mut Scanned) {
        self.show(&[byte], out);
        if self.alternate {
            return;
        }
        match byte {
            LF => {
                out.heard.extend(speech::hear_line(&self.nonce, &self.line.bytes, self.line.overlong));
                self.line.clear();
            }
            CR => self.line.returned = true,
            BS => self.line.back(),
            b'\t' => self.line.text(b"\t"),
            _ => {}
        }
    }

    fn escape(&mut self, byte: u8, inside: Inside, out: &mut Scanned) -> usize {
        if byte == b'\\' {
            self.state = State::Ground;
            match inside {
                Inside::Frame => self.end_frame(FrameEnd::Whole, out),
                Inside::String | Inside::Nothing => self.show(b"\x1b\\", out),
            }
            return 1;
        }
        if inside == Inside::Frame {
            self.end_frame(FrameEnd::CutOff, out);
        }
        self.state = State::Escape(Inside::Nothing);
        match byte {
            ESC => self.show(&[ESC], out),
            CAN | SUB => {
                self.state = State::Ground;
                self.show(&[ESC, byte], out);
            }
            // The escape is still under way; showing it after this control means the same.
            0..b' ' | DEL => self.control(byte, out),
            b']' => self.state = State::Opening(2),
            0x80.. => {
                self.state = State::Ground;
                self.show(&[ESC], out);
                return 0;
            }
            _ => {
                self.show(&[ESC, byte], out);
                self.state = match byte {
                    b'[' => {
                        self.parameters.clear();
                        State::Csi
                    }
                    b'P' | b'X' | b'^' | b'_' => State::String { bel_ends: false },
                    b' '..=b'/' => State::Intermediate,
                    _ => State::Ground,
                };
                if byte == b'c' {
                    // A full reset clears the screen and leaves the alternate one.
                    self.alternate = false;
                    self.line.clear();
                }
            }
        }
        1
    }

    fn intermediate(&mut self, byte: u8, out: &mut Scanned) -> usize {
        match byte {
            ESC => self.state = State::Escape(Inside::Nothing),
            b' '..=b'/' => self.show(&[byte], out),
            0..b' ' => {
                if matches!(byte, CAN | SUB) {
                    self.state = State::Ground;
                }
                self.control(byte, out);
            }
            _ => {
                self.state = State::Ground;
                self.show(&[byte], out);
            }
        }
        1
    }

    fn csi(&mut self, byte: u8, out: &mut Scanned) -> usize {
        match byte {
            ESC => {
                self.state = State::Escape(Inside::Nothing);
                return 1;
            }
            0..b' ' => {
                if matches!(byte, CAN | SUB) {
                    self.state = State::Ground;
                }
                self.control(byte, out);
                return 1;
            }
            b' '..=b'?' if self.parameters.len() <= PARAMETERS => self.parameters.push(byte),
            b'@'..=b'~' => {
                self.state = State::Ground;
                self.switch_screen(byte);
            }
            _ => {}
        }
        self.show(&[byte], out);
        1
    }

    /// Obeys the sequence that `last` has ended, if it enters or leaves the alternate screen.
    fn switch_screen(&mut self, last: u8) {
        // What does not fit was cut, and its last number may be another than was meant.
        let whole = self.parameters.len() <= PARAMETERS;
        if whole
            && matches!(last, b'h' | b'l')
            && let Some(modes) = self.parameters.strip_prefix(b"?")
            && modes.split(|byte| *byte == b';').any(|mode| matches!(mode, b"47" | b"1047" | b"1049"))
        {
            self.alternate = last == b'h';
        }
    }

    fn opening(&mut self, byte: u8, matched: usize, out: &mut Scanned) -> usize {
        if byte != FRAME_OPEN[matched] {
            self.show(&FRAME_OPEN[..matched], out);
            self.state = State::String { bel_ends: true };
            return 0;
        }
        self.state = if matched + 1 == FRAME_OPEN.len() { State::Frame } else { State::Opening(matched + 1) };
        1
    }

    fn string(&mut self, rest: &[u8], bel_ends: bool, out: &mut Scanned) -> usize {
        let run = rest.iter().position(ends_string).unwrap_or(rest.len());
        self.show(&rest[..run], out);
        let Some(&byte) = rest.get(run) else { return run };
        match byte {
            ESC => self.state = State::Escape(Inside::String),
            LF => {
                self.state = State::Ground;
                return run;
            }
            _ => {
                if byte != BEL || bel_ends {
                    self.state = State::Ground;
                }
                self.show(&[byte], out);
            }
        }
        run + 1
    }

    fn framed(&mut self, rest: &[u8], out: &mut Scanned) -> usize {
        let run = rest.iter().position(ends_string).unwrap_or(rest.len());
        self.frame.text(&rest[..run]);
        let Some(&byte) = rest.get(run) else { return run };
        match byte {
            ESC => {
                // Whether this is the end is known with the next byte.
                self.state = State::Escape(Inside::Frame);
                return run + 1;
            }
            BEL => self.end_frame(FrameEnd::Whole, out),
            _ => self.end_frame(FrameEnd::CutOff, out),
        }
        self.state = State::Ground;
        if byte == LF { run } else { run + 1 }
    }

    fn end_frame(&mut self, end: FrameEnd, out: &mut Scanned) {
        let end = if self.frame.overlong { FrameEnd::Overlong } else { end };
        out.heard.push(speech::hear_frame(&self.nonce, &self.frame.bytes, end, &mut self.last_frame));
        empty(&mut self.frame.bytes);
        self.frame.overlong = false;
    }
}

impl std::fmt::Debug for Scanner {
    /// Leaves out the nonce and the text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner")
            .field("state", &self.state)
            .field("alternate", &self.alternate)
            .finish_non_exhaustive()
    }
}

fn ends_string(byte: &u8) -> bool {
    matches!(*byte, ESC | BEL | LF | CAN | SUB)
}

/// The line under way, as far as it fits.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// The next text begins the line anew.
    returned: bool,
    overlong: bool,
}

impl Line {
    fn text(&mut self, run: &[u8]) {
        if self.returned {
            self.clear();
        }
        self.overlong |= append(&mut self.bytes, run);
    }

    /// Takes the last character back, all of its bytes.
    fn back(&mut self) {
        if self.returned || self.overlong {
            return;
        }
        for _ in 0..4 {
            match self.bytes.pop() {
                Some(0x80..=0xbf) => {}
                _ => break,
            }
        }
    }

    fn clear(&mut self) {
        empty(&mut self.bytes);
        self.returned = false;
        self.overlong = false;
    }
}

/// The frame under way, as far as it fits.
#[derive(Default)]
struct Frame {
    bytes: Vec<u8>,
    overlong: bool,
}

impl Frame {
    fn text(&mut self, run: &[u8]) {
        self.overlong |= append(&mut self.bytes, run);
    }
}

/// Appends what fits into [`LIMIT`] and returns whether something did not.
fn append(bytes: &mut Vec<u8>, run: &[u8]) -> bool {
    let fits = run.len().min(LIMIT - bytes.len());
    bytes.extend_from_slice(&run[..fits]);
    fits < run.len()
}

/// Empties a buffer and gives a large one's memory back.
fn empty(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.shrink_to(KEEP);
}

#[cfg(test)]
mod tests;
