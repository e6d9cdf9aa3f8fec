//! Who may type now, and how what is typed is made safe. Pure.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// After a person's last key, nothing is typed for so long.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Who has the keyboard of one terminal.
#[derive(Debug, Default)]
pub struct Keyboard {
    writer: watch::Sender<Option<u64>>,
    next: u64,
    last_key: Option<Instant>,
    draft: Draft,
}

/// Why a person does not get the keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken;

impl Keyboard {
    /// Gives the keyboard to a person, and returns the number that stands for them.
    ///
    /// # Errors
    /// When another has it and `take` was not said.
    pub fn sit(&mut self, take: bool) -> Result<u64, Taken> {
        if self.is_taken() && !take {
            return Err(Taken);
        }
        self.next += 1;
        self.writer.send_replace(Some(self.next));
        Ok(self.next)
    }

    /// A person leaves; does nothing when another has taken the keyboard.
    pub fn leave(&mut self, who: u64) {
        if self.has(who) {
            self.writer.send_replace(None);
        }
    }

    /// Whether this person still has it. Notes that they press these keys now.
    pub fn pressed(&mut self, who: u64, keys: &[u8], now: Instant) -> bool {
        let has = self.has(who);
        if has {
            self.last_key = Some(now);
            self.draft.typed(keys);
        }
        has
    }

    /// Tells who has it, as that changes.
    pub fn writers(&self) -> watch::Receiver<Option<u64>> {
        self.writer.subscribe()
    }

    /// Whether a person has typed something that is not sent off yet.
    pub fn has_draft(&self) -> bool {
        self.draft.length > 0
    }

    /// What was half typed is gone from the program's line: it was put away, or taken.
    pub fn draft_is_gone(&mut self) {
        self.draft = Draft::default();
    }

    /// Whether the person `who` still has the keyboard.
    pub fn has(&self, who: u64) -> bool {
        *self.writer.borrow() == Some(who)
    }

    /// Whether a person has it.
    pub fn is_taken(&self) -> bool {
        self.writer.borrow().is_some()
    }

    /// Whether the runtime may type.
    pub fn is_free(&self, now: Instant) -> bool {
        self.last_key.is_none_or(|last| now.saturating_duration_since(last) >= PATIENCE)
    }
}

/// How much a person has typed and not sent off, as far as their keys tell.
///
/// Which program reads them is not known, so this counts what nearly all lines and boxes do: a character adds
/// one, Backspace takes one away, Enter, Ctrl-C and Ctrl-U leave nothing. Sequences (arrows, the mouse) count
/// for nothing; inside a paste everything is text.
#[derive(Debug, Default)]
struct Draft {
    length: usize,
    pasting: bool,
    /// Inside a sequence: its bytes so far, at most as many as the mark of a paste has.
    sequence: Option<Vec<u8>>,
}

impl Draft {
    fn typed(&mut self, keys: &[u8]) {
        for &key in keys {
            if let Some(sequence) = &mut self.sequence {
                sequence.push(key);
                let opens = sequence.len() == 1 && matches!(key, b'[' | b'O');
                if opens
                    || (matches!(sequence[0], b'[' | b'O')
                        && !matches!(key, 0x40..=0x7e)
                        && sequence.len() < 32)
                {
                    continue;
                }
                match sequence.as_slice() {
                    b"[200~" => self.pasting = true,
                    b"[201~" => self.pasting = false,
                    _ => {}
                }
                self.sequence = None;
                continue;
            }
            match key {
                0x1b => self.sequence = Some(Vec::new()),
                _ if self.pasting => self.length += 1,
                b'\r' | 0x03 | 0x15 => self.length = 0,
                0x08 | 0x7f => self.length = self.length.saturating_sub(1),
                b'\n' | b'\t' | 0x20..=0x7e | 0xc0.. => self.length += 1,
                _ => {}
            }
        }
    }
}

/// Takes out of `text` what would be more than text in a terminal: an ESC inside a paste ends the paste.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' => Some('\n'),
            '\t' => Some(' '),
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect()
}

/// The bytes that type `text`, without the key that submits it.
///
/// With bracketed paste the program sees one piece; without it, lines become one line, since each line
/// end would submit.
pub fn typed(text: &str, paste: bool) -> Vec<u8> {
    if paste {
        [b"\x1b[200~", text.as_bytes(), b"\x1b[201~"].concat()
    } else {
        text.replace('\n', " ").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hand_is_on_the_keyboard() {
        let mut keyboard = Keyboard::default();
        let first = keyboard.sit(false).unwrap();
        assert_eq!(keyboard.sit(false), Err(Taken));
        let second = keyboard.sit(true).unwrap();
        let now = Instant::now();
        assert!(!keyboard.pressed(first, b"x", now), "who was relieved types no more");
        assert!(keyboard.is_free(now));
        assert!(!keyboard.has_draft());
        assert!(keyboard.pressed(second, b"x", now));
        assert!(keyboard.has_draft());
        assert!(!keyboard.is_free(now) && keyboard.is_free(now + PATIENCE));
        keyboard.leave(first);
        assert!(keyboard.has(second), "leaving late takes nothing from another");
        keyboard.leave(second);
        assert!(keyboard.sit(false).is_ok());
    }

    #[test]
    fn what_is_half_typed_is_known_by_the_keys() {
        for (keys, length) in [
            (&b"hello"[..], 5),
            (b"hello\r", 0),
            (b"hi\x7f\x7f\x7f", 0),
            (b"abc\x15d", 1),
            (b"\x1b[A\x1bOB\x1b[<0;3;4M", 0),
            (b"\x1b[200~a\rb\x1b[201~", 3),
            (b"\x1b[200~a\x1b[201~\r", 0),
            ("äz".as_bytes(), 2),
            (b"\x13", 0),
        ] {
            let mut draft = Draft::default();
            for key in keys {
                draft.typed(&[*key]);
            }
            assert_eq!(draft.length, length, "{keys:?}");
        }
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(clean("a\x1b[201~rm\r\n\tb\u{7f}"), "a[201~rm\n b");
        assert_eq!(typed("a\nb", true), b"\x1b[200~a\nb\x1b[201~");
        assert_eq!(typed("a\nb", false), b"a b");
    }
}
