//! The keys that leave: Ctrl-b, then d, unless others are set.
//!
//! Everything else goes to the agent as it was typed, in the pieces in which it came. The first key twice sends
//! it once. Inside a bracketed paste nothing is a key: pasted text may hold those bytes. A program that
//! has switched on the kitty keyboard protocol makes Ctrl-b arrive as `CSI 98;5u`, or with xterm's
//! `modifyOtherKeys` as `CSI 27;5;98~`.

use std::fmt;
use std::str::FromStr;

use model::refusal::Refusal;

/// The keys that leave: `ctrl-b d`, or a single one such as `ctrl-\`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leave {
    /// The letter or sign that is held down with Ctrl.
    first: char,
    then: Option<char>,
}

impl Default for Leave {
    fn default() -> Self {
        Leave { first: 'b', then: Some('d') }
    }
}

impl Leave {
    /// The first key, as terminals send it: as a byte, by the kitty protocol, by xterm's `modifyOtherKeys`.
    fn codes(&self) -> Vec<Vec<u8>> {
        let (byte, code) = (self.first.to_ascii_uppercase() as u8 & 0x1f, u32::from(self.first));
        vec![vec![byte], format!("\x1b[{code};5u").into_bytes(), format!("\x1b[27;5;{code}~").into_bytes()]
    }
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ctrl-{}", self.first)?;
        self.then.map_or(Ok(()), |then| write!(f, " {then}"))
    }
}

impl FromStr for Leave {
    type Err = Refusal;

    /// Reads `ctrl-b d`, `C-a d`, `^a d` or a single key such as `ctrl-]`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let wrong = || {
            Refusal::usage(format!("{text:?} are no keys to leave by"))
                .hint("write for instance \"ctrl-a d\", or one key such as \"ctrl-]\"")
        };
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default().to_ascii_lowercase();
        let held = ["ctrl-", "c-", "^"].iter().find_map(|held| first.strip_prefix(held)).ok_or_else(wrong)?;
        let mut letters = held.chars();
        // Enter, Tab and Escape are what Ctrl-m, Ctrl-i and Ctrl-[ are: nobody could type those any more.
        let first = match (letters.next(), letters.next()) {
            (Some('m' | 'i' | 'j' | '['), _) => None,
            (Some(c @ ('a'..='z' | '\\' | ']' | '^' | '_')), None) => Some(c),
            _ => None,
        };
        let then = words.next().map(|word| (word.chars().next(), word.chars().count()));
        let then = match then {
            None => None,
            Some((Some(c), 1)) if c.is_ascii_graphic() => Some(c),
            Some(_) => return Err(wrong()),
        };
        match (first, words.next()) {
            (Some(first), None) => Ok(Leave { first, then }),
            _ => Err(wrong()),
        }
    }
}
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";
/// Ctrl-c, which leaves where nothing can be typed.
const INTERRUPTS: [&[u8]; 3] = [b"\x03", b"\x1b[99;5u", b"\x1b[27;5;99~"];

/// What is to be done about some bytes from the keyboard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// For the agent.
    pub(super) forward: Vec<u8>,
    /// The person wants to leave.
    pub(super) leave: bool,
}

/// Reads the keyboard.
#[derive(Debug)]
pub(super) struct Keys {
    read_only: bool,
    first: Vec<Vec<u8>>,
    then: Option<u8>,
    /// The first key as it was typed last, when nothing has followed it yet.
    armed: Option<Vec<u8>>,
    /// Inside a bracketed paste.
    pasting: bool,
    /// The last bytes, in which a paste mark may have begun.
    tail: Vec<u8>,
}

impl Keys {
    /// A keyboard; with `read_only` nothing goes to the agent.
    pub(super) fn new(leave: &Leave, read_only: bool) -> Self {
        let then = leave.then.map(|then| then as u8);
        Keys { read_only, first: leave.codes(), then, armed: None, pasting: false, tail: Vec::new() }
    }

    /// Takes the next bytes from the keyboard.
    pub(super) fn typed(&mut self, bytes: &[u8]) -> Typed {
        let mut typed = Typed::default();
        let mut rest = bytes;
        while !rest.is_empty() && !typed.leave {
            let taken = self.one(rest, &mut typed);
            self.watch_paste(&rest[..taken]);
            rest = &rest[taken..];
        }
        if self.read_only {
            typed.forward.clear();
        }
        typed
    }

    /// Takes one key or one byte from `rest`, and returns how long it was.
    fn one(&mut self, rest: &[u8], typed: &mut Typed) -> usize {
        if self.pasting {
            typed.forward.push(rest[0]);
            return 1;
        }
        let prefix = self.first.iter().find(|prefix| rest.starts_with(prefix)).cloned();
        if let Some(armed) = self.armed.take() {
            match prefix {
                Some(prefix) => {
                    typed.forward.extend_from_slice(&prefix);
                    return prefix.len();
                }
                None if Some(rest[0]) == self.then => {
                    typed.leave = true;
                    return 1;
                }
                None => typed.forward.extend_from_slice(&armed),
            }
        } else if let Some(prefix) = prefix {
            let length = prefix.len();
            typed.leave = self.then.is_none();
            self.armed = Some(prefix);
            return length;
        }
        typed.leave = self.read_only && INTERRUPTS.iter().any(|key| rest.starts_with(key));
        typed.forward.push(rest[0]);
        1
    }

    /// Marks may come in pieces; they are looked for and never held back.
    fn watch_paste(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.tail.push(*byte);
            if self.tail.len() > PASTE_ENDS.len() {
                self.tail.remove(0);
            }
            if self.tail == PASTE_BEGINS {
                self.pasting = true;
            } else if self.tail == PASTE_ENDS {
                self.pasting = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]], forward: &[u8], leave: bool) {
        check_with("ctrl-b d", pieces, forward, leave);
    }

    #[track_caller]
    fn check_with(keys: &str, pieces: &[&[u8]], forward: &[u8], leave: bool) {
        let mut keys = Keys::new(&keys.parse().unwrap(), false);
        let mut got = Typed::default();
        for piece in pieces {
            let typed = keys.typed(piece);
            got.forward.extend(typed.forward);
            got.leave |= typed.leave;
        }
        assert_eq!(got, Typed { forward: forward.to_vec(), leave }, "{pieces:?}");
    }

    #[test]
    fn ctrl_b_then_d_leaves_and_nothing_else_does() {
        check(&[b"\x02d"], b"", true);
        check(&[b"\x02", b"d"], b"", true);
        check(&[b"abc\x02drest"], b"abc", true);
        check(&[b"\x1b[98;5u", b"d"], b"", true);
        check(&[b"\x1b[27;5;98~d"], b"", true);
        check(&[b"d"], b"d", false);
        check(&[b"\x02"], b"", false);
        check(&[b"\x02x"], b"\x02x", false);
        check(&[b"\x02", b"\x1b[A"], b"\x02\x1b[A", false);
        check(&[b"\x02\x02"], b"\x02", false);
        check(&[b"\x02\x02d"], b"\x02d", false);
        check(&[b"\x02\x02\x02d"], b"\x02", true);
        check(&[b"\x1b[98;5u\x1b[98;5u"], b"\x1b[98;5u", false);
    }

    #[test]
    fn other_keys_can_be_set() {
        check_with("ctrl-a q", &[b"\x02d\x01q"], b"\x02d", true);
        check_with("C-a q", &[b"\x01d"], b"\x01d", false);
        check_with("^]", &[b"x\x1d"], b"x", true);
        check_with("ctrl-\\", &[b"\x1b[92;5u"], b"", true);
        assert_eq!("ctrl-b d".parse::<Leave>().unwrap(), Leave::default());
        assert_eq!(Leave::default().to_string(), "Ctrl-b d");
        for wrong in ["", "b d", "ctrl-m d", "ctrl-[", "ctrl-ab", "ctrl-b dd", "ctrl-b d e", "ctrl-ä"] {
            assert!(wrong.parse::<Leave>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn pasted_text_leaves_nothing() {
        check(&[b"\x1b[200~a\x02d\x1b[201~"], b"\x1b[200~a\x02d\x1b[201~", false);
        check(&[b"\x1b[20", b"0~\x02d\x1b[2", b"01~\x02d"], b"\x1b[200~\x02d\x1b[201~", true);
    }

    #[test]
    fn bytes_of_a_character_or_of_the_mouse_pass_untouched() {
        check(
            &["ä日".as_bytes(), &[0xff, 0xfe], b"\x1b[M !!"],
            "ä日"
                .as_bytes()
                .iter()
                .chain(&[0xff, 0xfe])
                .chain(b"\x1b[M !!")
                .copied()
                .collect::<Vec<u8>>()
                .as_slice(),
            false,
        );
    }

    #[test]
    fn a_watcher_types_nothing_and_may_leave_with_ctrl_c() {
        let mut keys = Keys::new(&Leave::default(), true);
        assert_eq!(keys.typed(b"rm -rf\r"), Typed::default());
        assert!(keys.typed(b"\x02d").leave);
        assert!(Keys::new(&Leave::default(), true).typed(b"\x03").leave);
        assert!(!Keys::new(&Leave::default(), false).typed(b"\x03").leave);
    }
}
