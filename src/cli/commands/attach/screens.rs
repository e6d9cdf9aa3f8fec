//! Keeps the agent's program from leaving the screen that the person's terminal is on.
//!
//! The client has taken the terminal's second screen, so that what stood there before comes back. A
//! program that switches between its own two screens must not switch the terminal's: what it switches is
//! cleared instead, and when it has come back to its first screen, the town is asked to paint that anew.

/// Sequences that switch, and whether to the second screen.
const SWITCHES: [(&[u8], bool); 6] = [
    (b"\x1b[?1049h", true),
    (b"\x1b[?1049l", false),
    (b"\x1b[?1047h", true),
    (b"\x1b[?1047l", false),
    (b"\x1b[?47h", true),
    (b"\x1b[?47l", false),
];

/// What a switch becomes.
const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";

/// Which screen the program is on.
#[derive(Debug, Default)]
pub(super) struct Screens {
    second: bool,
}

impl Screens {
    /// Takes what the program's terminal shows next, and returns what the person's is to show, and
    /// whether the whole screen has to be painted anew after it.
    ///
    /// The town sends whole sequences, so none is looked for across two calls.
    pub(super) fn show(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let before = self.second;
        let mut shown = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == 0x1b) {
            shown.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            match SWITCHES.iter().find(|(switch, _)| rest.starts_with(switch)) {
                Some((switch, second)) => {
                    self.second = *second;
                    shown.extend_from_slice(CLEAR);
                    rest = &rest[switch.len()..];
                }
                None => {
                    shown.push(0x1b);
                    rest = &rest[1..];
                }
            }
        }
        shown.extend_from_slice(rest);
        (shown, before && !self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_cleared_instead_and_only_a_return_is_painted_anew() {
        let mut screens = Screens::default();
        let mut check = |bytes: &[u8], shown: &[u8], anew| {
            assert_eq!(screens.show(bytes), (shown.to_vec(), anew), "{}", String::from_utf8_lossy(bytes));
        };
        check(b"a\x1b[1mb", b"a\x1b[1mb", false);
        // The town's own painting of the first screen begins by leaving the second.
        check(b"\x1b[?1049lmain", b"\x1b[0m\x1b[2Jmain", false);
        check(b"x\x1b[?1049hvi", b"x\x1b[0m\x1b[2Jvi", false);
        // And that of the second goes through the first.
        check(b"\x1b[?1049lmain\x1b[?1049hvi", b"\x1b[0m\x1b[2Jmain\x1b[0m\x1b[2Jvi", false);
        check(b"\x1b[?1049l$ ", b"\x1b[0m\x1b[2J$ ", true);
    }
}
