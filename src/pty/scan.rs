//! Cuts a terminal's bytes into whole pieces: text, control sequences, strings.
//!
//! Everything behind it sees complete characters and complete sequences only, whatever way the
//! kernel cut the stream. Three things follow:
//!
//! - the parser of the screen never sees a split character (vte 0.15 loses the one *after* it) nor a
//!   string without an end (it would keep the bytes for ever and swallow the output meanwhile);
//! - who looks on from the middle of a stream starts at the edge of a piece, so a redraw followed by
//!   the next piece is exact;
//! - questions to the terminal can be taken out of what viewers get: the screen answers them.
//!
//! ```text
//!           ESC                 [
//!  Ground ───────> Escape ───────────> Csi ──final──> Ground
//!    ^               │ ] P X ^ _
//!    └──ST, BEL──  String       an OSC also ends at a line feed: a broken one costs a line
//! ```

/// The longest control sequence; none that means anything comes near.
const CSI_LIMIT: usize = 1024;

/// The longest string, such as a title or a link; longer ones are dropped.
const STRING_LIMIT: usize = 64 * 1024;

/// What the model of the screen does not tell and a redraw needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Watched {
    /// First and last row of the scrolling region as the program gave them, from 1; the last may be
    /// below the screen. `None` if it never set any.
    pub(crate) margins: Option<(u16, u16)>,
    /// Whether the second character set is shifted in.
    pub(crate) shifted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    Csi,
    /// An OSC, which people see the effect of.
    Osc,
    /// A DCS, SOS, PM or APC: neither the screen nor a viewer is given any.
    Hidden,
}

#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// The piece that has begun and not ended, or the start of a character.
    held: Vec<u8>,
    /// The held string or sequence grew too long: its bytes are dropped up to its end.
    overlong: bool,
    /// The string may end with the next byte.
    string_escape: bool,
    pub(crate) watched: Watched,
    /// How many rows the screen has, for the meaning of a missing last row.
    rows: u16,
}

impl Scanner {
    pub(crate) fn new(rows: u16) -> Self {
        Self {
            state: State::Ground,
            held: Vec::new(),
            overlong: false,
            string_escape: false,
            watched: Watched::default(),
            rows,
        }
    }

    /// Says that the screen has another number of rows, which resets the margins.
    pub(crate) fn resize(&mut self, rows: u16) {
        self.rows = rows;
        self.watched.margins = None;
    }

    /// Takes `bytes` and appends the pieces that are whole now: all to `screen`, and those that
    /// people's terminals should get to `people`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], screen: &mut Vec<u8>, people: &mut Vec<u8>) {
        while let Some(&first) = bytes.first() {
            if self.state == State::Ground {
                bytes = self.text(bytes, screen, people);
                continue;
            }
            if self.step(first, screen, people) {
                bytes = &bytes[1..];
            }
        }
        if self.held.is_empty() && self.held.capacity() > 4096 {
            self.held = Vec::new();
        }
    }

    /// Passes text up to the next escape, but for an unfinished character at the end.
    fn text<'a>(&mut self, bytes: &'a [u8], screen: &mut Vec<u8>, people: &mut Vec<u8>) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == 0x1b);
        let mut run = &bytes[..end.unwrap_or(bytes.len())];
        while !self.held.is_empty()
            && let Some((byte, rest)) = run.split_first()
        {
            let mut held = std::mem::take(&mut self.held);
            held.push(*byte);
            run = rest;
            let (whole, tail) = held.split_at(held.len() - unfinished(&held));
            self.pass(whole, screen, people);
            self.held = tail.to_vec();
        }
        let Some(at) = end else {
            let (whole, tail) = run.split_at(run.len() - unfinished(run));
            self.pass(whole, screen, people);
            self.held.extend_from_slice(tail);
            return &[];
        };
        // No character is finished across an escape.
        let held = std::mem::take(&mut self.held);
        self.pass(&held, screen, people);
        self.pass(run, screen, people);
        self.begin_escape();
        &bytes[at + 1..]
    }

    fn pass(&mut self, text: &[u8], screen: &mut Vec<u8>, people: &mut Vec<u8>) {
        screen.extend_from_slice(text);
        // Nearly no text has one of the three.
        if text.iter().any(|byte| matches!(byte, 0x05 | 0x0e | 0x0f)) {
            for byte in text {
                match byte {
                    0x0e => self.watched.shifted = true,
                    0x0f => self.watched.shifted = false,
                    // ENQ asks the terminal for a word.
                    0x05 => continue,
                    _ => {}
                }
                people.push(*byte);
            }
        } else {
            people.extend_from_slice(text);
        }
    }

    fn begin_escape(&mut self) {
        self.state = State::Escape;
        self.overlong = false;
        self.string_escape = false;
        self.held.clear();
        self.held.push(0x1b);
    }

    /// Takes one byte inside a sequence or string; says whether it was used up.
    fn step(&mut self, byte: u8, screen: &mut Vec<u8>, people: &mut Vec<u8>) -> bool {
        match (self.state, byte) {
            (State::Osc | State::Hidden, _) => return self.step_string(byte, screen, people),
            // CAN and SUB give a sequence up; so does the start of another.
            (_, 0x18 | 0x1a) => self.ground(),
            (_, 0x1b) => self.begin_escape(),
            (State::Escape, b'[') if self.held.len() == 1 => self.hold(byte, State::Csi),
            (State::Escape, b']') if self.held.len() == 1 => self.hold(byte, State::Osc),
            (State::Escape, b'P' | b'X' | b'^' | b'_') if self.held.len() == 1 => {
                self.hold(byte, State::Hidden);
            }
            (State::Escape, 0x30..=0x7e) => {
                self.held.push(byte);
                self.finish_escape(screen, people);
            }
            (State::Csi, 0x40..=0x7e) => {
                self.held.push(byte);
                self.finish_csi(screen, people);
            }
            // Nothing of a character belongs into a sequence: give it up and keep the character.
            (_, 0x80..) => {
                self.ground();
                return false;
            }
            (state, _) => self.hold(byte, state),
        }
        true
    }

    fn step_string(&mut self, byte: u8, screen: &mut Vec<u8>, people: &mut Vec<u8>) -> bool {
        if self.string_escape {
            self.string_escape = false;
            if byte == b'\\' {
                self.held.extend_from_slice(b"\x1b\\");
                self.finish_string(screen, people);
                return true;
            }
            // Another sequence begins inside the string: that gives the string up.
            self.begin_escape();
            return false;
        }
        match byte {
            0x1b => self.string_escape = true,
            0x18 | 0x1a => self.ground(),
            0x07 if self.state == State::Osc => {
                self.held.push(byte);
                self.finish_string(screen, people);
            }
            b'\n' if self.state == State::Osc => {
                self.ground();
                return false;
            }
            _ => self.hold(byte, self.state),
        }
        true
    }

    fn hold(&mut self, byte: u8, state: State) {
        self.state = state;
        let limit = if state == State::Csi { CSI_LIMIT } else { STRING_LIMIT };
        if state == State::Hidden || self.held.len() >= limit {
            self.overlong = true;
        } else {
            self.held.push(byte);
        }
    }

    fn ground(&mut self) {
        self.state = State::Ground;
        self.overlong = false;
        self.string_escape = false;
        self.held.clear();
    }

    fn finish_escape(&mut self, screen: &mut Vec<u8>, people: &mut Vec<u8>) {
        if !self.overlong {
            screen.extend_from_slice(&self.held);
            match self.held.as_slice() {
                // DECID, a question.
                [_, b'Z'] => {}
                [_, b'c'] => {
                    self.watched = Watched::default();
                    people.extend_from_slice(&self.held);
                }
                _ => people.extend_from_slice(&self.held),
            }
        }
        self.ground();
    }

    fn finish_csi(&mut self, screen: &mut Vec<u8>, people: &mut Vec<u8>) {
        if !self.overlong {
            let csi = Csi::of(&self.held);
            if csi.final_byte == b'r' && csi.prefix == 0 && csi.intermediate == 0 {
                let (first, last) = csi.two_numbers();
                let last = if last == 0 { self.rows } else { last };
                // Others are ignored by terminals.
                if first < last {
                    self.watched.margins = Some((first, last));
                }
            }
            // DECCOLM resets the margins.
            if csi.prefix == b'?' && matches!(csi.final_byte, b'h' | b'l') && csi.has(3) {
                self.watched.margins = None;
            }
            screen.extend_from_slice(&self.held);
            if !csi.is_question() {
                people.extend_from_slice(&self.held);
            }
        }
        self.ground();
    }

    fn finish_string(&mut self, screen: &mut Vec<u8>, people: &mut Vec<u8>) {
        if !self.overlong && self.state == State::Osc {
            screen.extend_from_slice(&self.held);
            if !osc_is_private(&self.held) {
                people.extend_from_slice(&self.held);
            }
        }
        self.ground();
    }
}

/// How many bytes at the end of `bytes` begin a character that may still be finished.
pub(crate) fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        let tail = &bytes[bytes.len() - back..];
        // Bytes that can no longer become a character are passed on as they are.
        let hopeless = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_some());
        return if length > back && !hopeless { back } else { 0 };
    }
    0
}

/// A whole `ESC [ … final`.
struct Csi<'a> {
    prefix: u8,
    parameters: &'a [u8],
    intermediate: u8,
    final_byte: u8,
}

impl<'a> Csi<'a> {
    fn of(held: &'a [u8]) -> Self {
        let (final_byte, body) = match held.get(2..).and_then(<[u8]>::split_last) {
            Some((last, body)) => (*last, body),
            None => (0, &[][..]),
        };
        let prefix = body.iter().copied().find(|byte| matches!(byte, b'<'..=b'?')).unwrap_or(0);
        let intermediate = body.iter().copied().find(|byte| matches!(byte, 0x20..=0x2f)).unwrap_or(0);
        Self { prefix, parameters: body, intermediate, final_byte }
    }

    fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.parameters.split(|byte| *byte == b';').map(|field| {
            field.iter().filter(|byte| byte.is_ascii_digit()).fold(0_u16, |number, digit| {
                number.saturating_mul(10).saturating_add(u16::from(digit - b'0'))
            })
        })
    }

    fn two_numbers(&self) -> (u16, u16) {
        let mut numbers = self.numbers();
        (numbers.next().unwrap_or(0).max(1), numbers.next().unwrap_or(0))
    }

    fn has(&self, number: u16) -> bool {
        self.numbers().any(|held| held == number)
    }

    /// Whether a terminal would type an answer.
    fn is_question(&self) -> bool {
        match (self.prefix, self.intermediate, self.final_byte) {
            // DA1, DA2, DA3; DSR; DECRQM; XTVERSION; kitty's keyboard flags; DECREQTPARM;
            // XTSMGRAPHICS
            (_, 0, b'c' | b'n')
            | (_, b'$', b'p')
            | (b'>', 0, b'q')
            | (b'?', 0, b'u')
            | (0, 0, b'x')
            | (b'?', 0, b'S') => true,
            // Window operations: only the stack of titles is harmless to another's window.
            (_, 0, b't') => !matches!(self.numbers().next(), Some(22 | 23)),
            _ => false,
        }
    }
}

/// Whether an OSC asks a question or reaches for the clipboard of whoever looks on.
fn osc_is_private(held: &[u8]) -> bool {
    let body = held.get(2..).unwrap_or_default();
    let body = body.strip_suffix(b"\x07").or_else(|| body.strip_suffix(b"\x1b\\")).unwrap_or(body);
    let mut fields = body.split(|byte| *byte == b';');
    match fields.next() {
        Some(b"52") => true,
        Some(b"4" | b"5" | b"10" | b"11" | b"12" | b"13" | b"14" | b"17" | b"19" | b"21" | b"50") => {
            fields.any(|field| field.ends_with(b"?"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let mut scanner = Scanner::new(24);
        let (mut screen, mut people) = (Vec::new(), Vec::new());
        for chunk in chunks {
            scanner.feed(chunk, &mut screen, &mut people);
        }
        (screen, people)
    }

    fn people(bytes: &str) -> String {
        String::from_utf8(scan(&[bytes.as_bytes()]).1).unwrap()
    }

    #[test]
    fn questions_are_kept_from_people_and_reach_the_screen() {
        for question in [
            "\x1b[c",
            "\x1b[>c",
            "\x1b[=0c",
            "\x1b[5n",
            "\x1b[6n",
            "\x1b[?6n",
            "\x1b[?2026$p",
            "\x1b[4$p",
            "\x1b[>q",
            "\x1b[>0q",
            "\x1b[?u",
            "\x1b[18t",
            "\x1bZ",
            "\x1b]10;?\x07",
            "\x1b]4;1;?\x1b\\",
            "\x1b]52;c;?\x07",
            "\x1b]52;c;aGk=\x07",
        ] {
            assert_eq!(people(&format!("a{question}b")), "ab", "{question:?}");
            let (screen, _) = scan(&[question.as_bytes()]);
            assert_eq!(screen, question.as_bytes());
        }
    }

    #[test]
    fn what_is_no_question_passes() {
        for plain in [
            "plain ↑ text\r\n",
            "\x1b[31m",
            "\x1b[?2004h",
            "\x1b[2 q",
            "\x1b]2;title\x07",
            "\x1b]8;;http://x\x1b\\",
            "\x1b[22;0t",
            "\x1b(0",
            "\x1b7",
            "\x1b[1;5r",
            "\x1b[>1u",
            "\x1b]4;1;rgb:00/00/00\x07",
            "\x1b[!p",
        ] {
            assert_eq!(people(plain), plain);
        }
    }

    #[test]
    fn strings_that_nobody_shows_are_dropped() {
        assert_eq!(people("a\x1bP+q544e\x1b\\b\x1b_Gq=1\x1b\\c\x1b^x\x1b\\d\x1bXy\x1b\\e"), "abcde");
    }

    #[test]
    fn a_broken_string_costs_a_line_at_most() {
        assert_eq!(people("a\x1b]2;no end\nb"), "a\nb");
        assert_eq!(people("a\x1b]2;no end\x18b"), "ab");
        assert_eq!(people("a\x1b]2;no end\x1b[31mb"), "a\x1b[31mb");
        assert_eq!(people("a\x1bPno end\x1b[31mb"), "a\x1b[31mb");
        assert_eq!(people("a\x1b[3\u{e9}b"), "a\u{e9}b");
        let endless = format!("\x1b]2;{}", "x".repeat(STRING_LIMIT * 3));
        let mut scanner = Scanner::new(24);
        let (mut screen, mut seen) = (Vec::new(), Vec::new());
        scanner.feed(endless.as_bytes(), &mut screen, &mut seen);
        assert!(scanner.held.len() <= STRING_LIMIT);
        scanner.feed(b"\x07on", &mut screen, &mut seen);
        assert_eq!(seen, b"on");
    }

    #[test]
    fn every_way_to_cut_the_stream_gives_the_same() {
        let text = "· ↑ é\u{1f600}\r\n\x1b[31mred\x1b]2;t↑\x07\x1b[6n\x1b]11;?\x1b\\é\x1bPx\x1b\\· ↑";
        let whole = scan(&[text.as_bytes()]);
        for cut in 0..=text.len() {
            let (left, right) = text.as_bytes().split_at(cut);
            assert_eq!(scan(&[left, right]), whole, "cut at {cut}");
        }
        let single = text.as_bytes().iter().map(std::slice::from_ref).collect::<Vec<_>>();
        assert_eq!(scan(&single), whole);
    }

    #[test]
    fn bad_bytes_are_passed_and_never_held_for_long() {
        let bytes = b"\xff\xfe a\xc3( \xe2\x28\xa1 \xf0\x9f \x80\x80\x80\x80\xc3\xa9";
        let whole = scan(&[bytes]);
        assert_eq!(whole.0, bytes);
        for cut in 0..=bytes.len() {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(scan(&[left, right]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn margins_and_shifts_are_remembered() {
        let mut scanner = Scanner::new(24);
        scanner.feed(b"\x1b[3;9r\x0e", &mut Vec::new(), &mut Vec::new());
        assert_eq!(scanner.watched, Watched { margins: Some((3, 9)), shifted: true });
        scanner.feed(b"\x1bc", &mut Vec::new(), &mut Vec::new());
        assert_eq!(scanner.watched, Watched::default());
    }
}
