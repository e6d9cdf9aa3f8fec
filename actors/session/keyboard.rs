//! Who may type now, and how what is typed is made safe. Pure.

use std::time::{Duration, Instant};

/// After a person's last key, nothing is typed for so long.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Who has the keyboard of one terminal.
#[derive(Debug, Default)]
pub struct Keyboard {
    writer: Option<u64>,
    next: u64,
    last_key: Option<Instant>,
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
        if self.writer.is_some() && !take {
            return Err(Taken);
        }
        self.next += 1;
        self.writer = Some(self.next);
        Ok(self.next)
    }

    /// A person leaves; does nothing when another has taken the keyboard.
    pub fn leave(&mut self, who: u64) {
        if self.writer == Some(who) {
            self.writer = None;
        }
    }

    /// Whether this person still has it. Notes that they press keys now.
    pub fn pressed(&mut self, who: u64, now: Instant) -> bool {
        let has = self.writer == Some(who);
        if has {
            self.last_key = Some(now);
        }
        has
    }

    /// Whether the person `who` still has the keyboard.
    pub fn has(&self, who: u64) -> bool {
        self.writer == Some(who)
    }

    /// Whether a person has it.
    pub fn is_taken(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether the runtime may type.
    pub fn is_free(&self, now: Instant) -> bool {
        self.last_key.is_none_or(|last| now.saturating_duration_since(last) >= PATIENCE)
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
        assert!(!keyboard.pressed(first, now), "who was relieved types no more");
        assert!(keyboard.is_free(now));
        assert!(keyboard.pressed(second, now));
        assert!(!keyboard.is_free(now) && keyboard.is_free(now + PATIENCE));
        keyboard.leave(first);
        assert!(keyboard.has(second), "leaving late takes nothing from another");
        keyboard.leave(second);
        assert!(keyboard.sit(false).is_ok());
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(clean("a\x1b[201~rm\r\n\tb\u{7f}"), "a[201~rm\n b");
        assert_eq!(typed("a\nb", true), b"\x1b[200~a\nb\x1b[201~");
        assert_eq!(typed("a\nb", false), b"a b");
    }
}
