//! What an agent says, and how it is said: the grammar of the line protocol, both ways.
//!
//! Three forms carry the same thing, a command line without the program's name, shell-quoted:
//!
//! ```text
//! @gt:NONCE COMMAND…                          a line
//! @gt:NONCE#ID COMMAND…                       a line that wants an answer
//! ESC ] 7770 ; NONCE ; ID ; CRC ; COMMAND ESC \   a frame, invisible to people (BEL ends it too)
//! ```
//!
//! - **NONCE** is the session's secret. Whatever lacks it is text like any other: it may have been
//!   printed by `cat`, quoted from a letter, or be the echo of something that was typed.
//! - **Words** are split as a shell would (`#` begins a comment there as here, so quote it). A word that
//!   starts with `@base64:` stands for what it encodes; this is how a value gets past the end of a line.
//! - **A frame** carries a CRC-32 (IEEE) of COMMAND's bytes in eight hex digits, since other writers on
//!   the terminal may cut into it, and an ID larger than that of the frame before, since a program that
//!   repaints its screen repeats its frames.
//!
//! Finding lines and frames in the bytes of a terminal is [`crate::lines`]; what is said back to the
//! agent is in [`answers`].

pub mod answers;

pub use answers::{Answer, answer_err, answer_ok, mail, prompt};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Starts every spoken line and every answer.
pub const MARK: &str = "@gt:";
/// Starts a word whose value is written in base64.
pub const BASE64: &str = "@base64:";
/// Starts a frame, up to and including the separator before the nonce.
pub const FRAME_OPEN: &[u8] = b"\x1b]7770;";
/// The longest line, and the longest frame after [`FRAME_OPEN`], in bytes without what ends it.
pub const LIMIT: usize = 64 * 1024;

/// Padding may be there or not: many an agent's own encoder leaves it out.
const BASE64_ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A command line as it was spoken: split into words, encoded values decoded, not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The speaker's own number, to be named in the answer. Frames always have one.
    pub id: Option<u64>,
    /// The words of the command line; at least one.
    pub words: Vec<String>,
}

/// What one line or frame turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A line with the right nonce.
    Line(Spoken),
    /// A frame with the right nonce and checksum that has not been heard before.
    Frame(Spoken),
    /// It looked like a command but proved nothing: nonce wrong or missing, checksum wrong, or a frame
    /// whose id does not increase. To be counted, never obeyed.
    Forged,
    /// The right nonce, but nothing that can be carried out.
    Malformed {
        /// The number to name in the answer, if it could be read.
        id: Option<u64>,
        /// What is wrong with it.
        why: Flaw,
    },
}

/// Why something with the right nonce is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Nothing follows the nonce.
    #[error("no command follows the nonce")]
    Empty,
    /// What follows `#`, or stands in a frame's second field, is no unsigned 64-bit number.
    #[error("the id is not a number")]
    Id,
    /// A quote is not closed, or a backslash ends the line.
    #[error("the shell quoting is broken")]
    Quoting,
    /// A word starts with `@base64:` and goes on with something else.
    #[error("a word that starts with @base64: is not valid base64")]
    Base64,
    /// The bytes, or the bytes that a word encodes, are not UTF-8.
    #[error("the text is not valid UTF-8")]
    Utf8,
    /// More than [`LIMIT`] bytes.
    #[error("the line or frame is longer than 64 KiB")]
    Overlong,
    /// The frame lacks a field, or was cut off by a newline or another escape sequence.
    #[error("the frame is incomplete")]
    Incomplete,
}

/// Returns what `line` (without what ended it) says to the holder of `nonce`, or nothing for plain text.
///
/// `overlong` tells that `line` is only the beginning of what was there.
pub(crate) fn hear_line(nonce: &str, line: &[u8], overlong: bool) -> Option<Heard> {
    let rest = line.strip_prefix(MARK.as_bytes())?;
    let head_end = rest.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(rest.len());
    let (head, command) = rest.split_at(head_end);

    let id = match head.strip_prefix(nonce.as_bytes()) {
        Some(after) if !nonce.is_empty() && (after.is_empty() || after.starts_with(b"#")) => after,
        _ if answers::is_echo(head, command) => return None,
        _ => return Some(Heard::Forged),
    };
    let id = match id.strip_prefix(b"#") {
        None => None,
        Some(digits) => match number(digits) {
            Some(id) => Some(id),
            None => return Some(Heard::Malformed { id: None, why: Flaw::Id }),
        },
    };
    if overlong {
        return Some(Heard::Malformed { id, why: Flaw::Overlong });
    }
    Some(match words_of(command) {
        Ok(words) => Heard::Line(Spoken { id, words }),
        Err(why) => Heard::Malformed { id, why },
    })
}

/// How a frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameEnd {
    Whole,
    Overlong,
    CutOff,
}

/// Returns what a frame says; `payload` is what stood between [`FRAME_OPEN`] and the end.
///
/// `last` is the largest id so far and is moved on by every frame that proves itself.
pub(crate) fn hear_frame(nonce: &str, payload: &[u8], end: FrameEnd, last: &mut Option<u64>) -> Heard {
    let mut fields = payload.splitn(4, |byte| *byte == b';');
    if nonce.is_empty() || fields.next() != Some(nonce.as_bytes()) {
        return Heard::Forged;
    }
    let id = fields.next().and_then(number);
    match end {
        FrameEnd::Whole => {}
        FrameEnd::Overlong => return Heard::Malformed { id, why: Flaw::Overlong },
        FrameEnd::CutOff => return Heard::Malformed { id, why: Flaw::Incomplete },
    }
    let (Some(crc), Some(command)) = (fields.next(), fields.next()) else {
        return Heard::Malformed { id, why: Flaw::Incomplete };
    };
    if checksum(crc) != Some(crc32fast::hash(command)) {
        return Heard::Forged;
    }
    let Some(number) = id else {
        return Heard::Malformed { id: None, why: Flaw::Id };
    };
    if last.is_some_and(|last| number <= last) {
        return Heard::Forged;
    }
    *last = Some(number);
    match words_of(command) {
        Ok(words) => Heard::Frame(Spoken { id, words }),
        Err(why) => Heard::Malformed { id, why },
    }
}

/// Returns what is said to the holder of `nonce` in `text`, which is exact: the agent's own words as its
/// hooks hand them over, not what a terminal made of them. The last line counts without a newline.
pub fn in_prose(nonce: &str, text: &str) -> Vec<Heard> {
    text.lines()
        .filter_map(|line| {
            let line = line.as_bytes();
            hear_line(nonce, &line[..line.len().min(LIMIT)], line.len() > LIMIT)
        })
        .collect()
}

/// Returns the words of a command line: split as a shell would, `@base64:` words decoded.
pub fn parse(command: &str) -> Result<Vec<String>, Flaw> {
    let words = shlex::split(command).ok_or(Flaw::Quoting)?;
    if words.is_empty() {
        return Err(Flaw::Empty);
    }
    words.into_iter().map(decoded).collect()
}

/// Returns `words` as one line of printable text, such that [`parse`] gives them back.
pub fn command<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| encoded(word.as_ref())).collect();
    quoted.join(" ")
}

/// Returns the line, newline included, that says `words` to the holder of `nonce`.
pub fn line<S: AsRef<str>>(nonce: &str, id: Option<u64>, words: &[S]) -> String {
    let id = id.map(|id| format!("#{id}")).unwrap_or_default();
    format!("{MARK}{nonce}{id} {}\n", command(words))
}

/// Returns the frame that says `command`, for one single write to the terminal.
///
/// A control character in `command` would end the frame early; if there is one, the command is written
/// anew with the same meaning.
pub fn frame(nonce: &str, id: u64, command: &str) -> Vec<u8> {
    let rewritten = command
        .contains(char::is_control)
        .then(|| parse(command).ok())
        .flatten()
        .map(|words| self::command(&words));
    let command = rewritten.as_deref().unwrap_or(command);
    let crc = crc32fast::hash(command.as_bytes());
    let mut bytes = FRAME_OPEN.to_vec();
    bytes.extend_from_slice(format!("{nonce};{id};{crc:08x};{command}\x1b\\").as_bytes());
    bytes
}

fn words_of(command: &[u8]) -> Result<Vec<String>, Flaw> {
    parse(std::str::from_utf8(command).map_err(|_| Flaw::Utf8)?)
}

fn decoded(word: String) -> Result<String, Flaw> {
    let Some(text) = word.strip_prefix(BASE64) else { return Ok(word) };
    let bytes = BASE64_ENGINE.decode(text).map_err(|_| Flaw::Base64)?;
    String::from_utf8(bytes).map_err(|_| Flaw::Utf8)
}

fn encoded(word: &str) -> String {
    // A word that only looks encoded must be encoded, or it would be decoded at the other end.
    if !word.contains(char::is_control)
        && !word.starts_with(BASE64)
        && let Ok(quoted) = shlex::try_quote(word)
    {
        return quoted.into_owned();
    }
    format!("{BASE64}{}", BASE64_ENGINE.encode(word))
}

/// Digits only: `parse` alone would take a plus sign.
fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn checksum(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    (text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| u32::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "9f3ac07b";

    fn heard(line: &str) -> Option<Heard> {
        hear_line(NONCE, line.as_bytes(), false)
    }

    fn spoken(id: Option<u64>, words: &[&str]) -> Spoken {
        Spoken { id, words: words.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn a_line_with_the_nonce_is_a_command() {
        let check = |line: &str, id, words: &[&str]| {
            assert_eq!(heard(line), Some(Heard::Line(spoken(id, words))), "{line}");
        };
        check("@gt:9f3ac07b done", None, &["done"]);
        check("@gt:9f3ac07b\tdone", None, &["done"]);
        check("@gt:9f3ac07b#0 done", Some(0), &["done"]);
        check("@gt:9f3ac07b#18446744073709551615 done", Some(u64::MAX), &["done"]);
        check(
            r#"@gt:9f3ac07b mail send mayor/ -s "two words""#,
            None,
            &["mail", "send", "mayor/", "-s", "two words"],
        );
        check("@gt:9f3ac07b x -m @base64:YQpi", None, &["x", "-m", "a\nb"]);
        check("@gt:9f3ac07b x -m @base64:YQ", None, &["x", "-m", "a"]);
        check("@gt:9f3ac07b x -m @base64:YQ==", None, &["x", "-m", "a"]);
        check("@gt:9f3ac07b x --body=@base64:YQ==", None, &["x", "--body=@base64:YQ=="]);
        check("@gt:9f3ac07b x ''", None, &["x", ""]);
    }

    #[test]
    fn what_lacks_the_nonce_is_forged_and_what_lacks_the_mark_is_text() {
        for line in ["@gt:", "@gt: done", "@gt:9f3ac07 done", "@gt:9f3ac07bb done", "@gt:x#1 done"] {
            assert_eq!(heard(line), Some(Heard::Forged), "{line}");
        }
        for line in ["", "done", " @gt:9f3ac07b done", "@g", "> @gt:9f3ac07b done", "@GT:9f3ac07b done"] {
            assert_eq!(heard(line), None, "{line}");
        }
    }

    #[test]
    fn an_empty_nonce_proves_nothing() {
        assert_eq!(hear_line("", b"@gt: done", false), Some(Heard::Forged));
        let payload = &frame("", 1, "done")[FRAME_OPEN.len()..];
        assert_eq!(hear_frame("", payload, FrameEnd::Whole, &mut None), Heard::Forged);
    }

    #[test]
    fn the_echo_of_an_answer_is_neither_a_command_nor_forged() {
        for line in
            ["@gt:ok#7 {}", "@gt:err#7 {\"code\":\"x\"}", "@gt:mail {\"id\":1}", "@gt:prompt {\"text\":\"\"}"]
        {
            assert_eq!(heard(line), None, "{line}");
        }
        for line in ["@gt:ok done", "@gt:mail send mayor/", "@gt:ok#x {}", "@gt:prompt"] {
            assert_eq!(heard(line), Some(Heard::Forged), "{line}");
        }
    }

    #[test]
    fn a_flaw_behind_the_right_nonce_is_named_together_with_the_id() {
        let check = |line: &[u8], id, why| {
            assert_eq!(hear_line(NONCE, line, false), Some(Heard::Malformed { id, why }));
        };
        check(b"@gt:9f3ac07b", None, Flaw::Empty);
        check(b"@gt:9f3ac07b#4  ", Some(4), Flaw::Empty);
        check(b"@gt:9f3ac07b#x done", None, Flaw::Id);
        check(b"@gt:9f3ac07b# done", None, Flaw::Id);
        check(b"@gt:9f3ac07b#+1 done", None, Flaw::Id);
        check(b"@gt:9f3ac07b#18446744073709551616 done", None, Flaw::Id);
        check(b"@gt:9f3ac07b#4 say 'open", Some(4), Flaw::Quoting);
        check(b"@gt:9f3ac07b#4 say @base64:%%", Some(4), Flaw::Base64);
        check(b"@gt:9f3ac07b#4 say @base64:/w==", Some(4), Flaw::Utf8);
        check(b"@gt:9f3ac07b#4 say \xff", Some(4), Flaw::Utf8);
    }

    #[test]
    fn a_frame_counts_once_and_only_whole() {
        let body = |id, command| {
            frame(NONCE, id, command)[FRAME_OPEN.len()..].strip_suffix(b"\x1b\\").unwrap().to_vec()
        };
        let mut last = None;
        let mut hear = |payload: &[u8]| hear_frame(NONCE, payload, FrameEnd::Whole, &mut last);
        assert_eq!(hear(&body(3, "hook --json")), Heard::Frame(spoken(Some(3), &["hook", "--json"])));
        assert_eq!(hear(&body(3, "hook --json")), Heard::Forged, "a repaint");
        assert_eq!(hear(&body(2, "done")), Heard::Forged);
        assert_eq!(hear(b"9f3ac07b;9;00000000;done"), Heard::Forged, "a wrong checksum");
        assert_eq!(hear(b"9f3ac07b;9"), Heard::Malformed { id: Some(9), why: Flaw::Incomplete });
        assert_eq!(hear(b"other;9;00000000;done"), Heard::Forged);
        assert_eq!(hear(&body(4, "say 'open")), Heard::Malformed { id: Some(4), why: Flaw::Quoting });
        assert_eq!(hear(&body(5, "a;b;c")), Heard::Frame(spoken(Some(5), &["a;b;c"])));
    }

    #[test]
    fn a_frame_never_carries_a_control_character() {
        let bytes = frame(NONCE, 1, "mail send -m 'a\nb' @base64:YQ==");
        assert!(!bytes[1..bytes.len() - 2].iter().any(u8::is_ascii_control));
        let payload = bytes[FRAME_OPEN.len()..].strip_suffix(b"\x1b\\").unwrap();
        assert_eq!(
            hear_frame(NONCE, payload, FrameEnd::Whole, &mut None),
            Heard::Frame(spoken(Some(1), &["mail", "send", "-m", "a\nb", "a"]))
        );
    }

    #[test]
    fn prose_is_searched_line_by_line() {
        let text = "I am done.\n\n@gt:9f3ac07b done\r\nSee `@gt:9f3ac07b done`\n@gt:9f3ac07b#2 hook";
        assert_eq!(
            in_prose(NONCE, text),
            [Heard::Line(spoken(None, &["done"])), Heard::Line(spoken(Some(2), &["hook"]))]
        );
        let long = format!("@gt:9f3ac07b x {}", "y".repeat(LIMIT));
        assert_eq!(in_prose(NONCE, &long), [Heard::Malformed { id: None, why: Flaw::Overlong }]);
    }

    proptest! {
        #[test]
        fn any_words_come_back_from_a_line_and_from_a_frame(
            words in prop::collection::vec(any::<String>(), 1..6), id in any::<u64>()
        ) {
            let expected = Spoken { id: Some(id), words: words.clone() };
            let line = line(NONCE, Some(id), &words);
            let bare = line.strip_suffix('\n').unwrap();
            prop_assert!(!bare.contains(char::is_control));
            prop_assert_eq!(hear_line(NONCE, bare.as_bytes(), false), Some(Heard::Line(expected.clone())));
            let framed = frame(NONCE, id, &command(&words));
            let payload = framed[FRAME_OPEN.len()..].strip_suffix(b"\x1b\\").unwrap();
            prop_assert_eq!(hear_frame(NONCE, payload, FrameEnd::Whole, &mut None), Heard::Frame(expected));
        }
    }
}
