//! The keys that leave: Ctrl-b, then d.
//!
//! Everything else goes to the agent as it was typed, in the pieces in which it came. Ctrl-b twice sends
//! one Ctrl-b. Inside a bracketed paste nothing is a key: pasted text may hold those bytes. A program that
//! has switched on the kitty keyboard protocol makes Ctrl-b arrive as `CSI 98;5u`, or with xterm's
//! `modifyOtherKeys` as `CSI 27;5;98~`.

/// Ctrl-b, as terminals send it.
const PREFIXES: [&[u8]; 3] = [b"\x02", b"\x1b[98;5u", b"\x1b[27;5;98~"];
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
    /// The prefix that was typed last, when nothing has followed it yet.
    armed: Option<&'static [u8]>,
    /// Inside a bracketed paste.
    pasting: bool,
    /// The last bytes, in which a paste mark may have begun.
    tail: Vec<u8>,
}

impl Keys {
    /// A keyboard; with `read_only` nothing goes to the agent.
    pub(super) fn new(read_only: bool) -> Self {
        Keys { read_only, armed: None, pasting: false, tail: Vec::new() }
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
        let prefix = PREFIXES.into_iter().find(|prefix| rest.starts_with(prefix));
        if let Some(armed) = self.armed.take() {
            match prefix {
                Some(prefix) => {
                    typed.forward.extend_from_slice(prefix);
                    return prefix.len();
                }
                None if rest[0] == b'd' => {
                    typed.leave = true;
                    return 1;
                }
                None => typed.forward.extend_from_slice(armed),
            }
        } else if let Some(prefix) = prefix {
            self.armed = Some(prefix);
            return prefix.len();
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
        let mut keys = Keys::new(false);
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
        let mut keys = Keys::new(true);
        assert_eq!(keys.typed(b"rm -rf\r"), Typed::default());
        assert!(keys.typed(b"\x02d").leave);
        assert!(Keys::new(true).typed(b"\x03").leave);
        assert!(!Keys::new(false).typed(b"\x03").leave);
    }
}
