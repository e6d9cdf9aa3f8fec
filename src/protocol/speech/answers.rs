//! What is said back to an agent, as lines typed into its terminal, and how an agent reads them.
//!
//! ```text
//! @gt:ok#ID JSON      what `--json` would have printed
//! @gt:err#ID JSON     {"code":…,"message":…,"hint":…}
//! @gt:mail JSON       a letter, when it is delivered
//! @gt:prompt JSON     {"text":…}: a nudge, or the brief
//! ```
//!
//! An answer is one line of printable text and at most [`LIMIT`] bytes, newline included, because a
//! terminal in its ordinary mode silently drops what a line has beyond that. What does not fit:
//!
//! - **ok** becomes an `err` of the same ID with the code `too_long` and a hint to ask the program,
//!   which has no such limit. Half an answer would be worse than none.
//! - **err, mail, prompt** have their longest text cut, `"truncated":true` added, and a `hint` that says
//!   where the whole is to be had. The fields that identify a letter are short and stay.

use serde_json::{Map, Value, json};

use super::MARK;

/// The most bytes that an answer has, newline included.
pub const LIMIT: usize = 4095;

/// A line that the runtime typed, as the agent reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The command with this number was carried out.
    Ok {
        /// The number that the agent gave.
        id: u64,
        /// What `--json` would have printed.
        value: Value,
    },
    /// The command with this number was not carried out.
    Err {
        /// The number that the agent gave.
        id: u64,
        /// `code`, `message` and perhaps `hint`.
        value: Value,
    },
    /// A letter, to be acknowledged with `mail ack ID`.
    Mail(Value),
    /// A nudge, or the brief: `text`.
    Prompt(Value),
}

impl Answer {
    /// Returns the answer that `line` is, or nothing if it is something else. A line end is ignored.
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.trim_end_matches(['\r', '\n']).strip_prefix(MARK)?;
        let (head, json) = rest.split_once(' ')?;
        let head = Head::parse(head.as_bytes())?;
        let value = serde_json::from_str(json).ok()?;
        Some(match head {
            Head::Ok(id) => Self::Ok { id, value },
            Head::Err(id) => Self::Err { id, value },
            Head::Mail => Self::Mail(value),
            Head::Prompt => Self::Prompt(value),
        })
    }
}

/// Returns the line that answers command `id` with `value`.
pub fn answer_ok(id: u64, value: &Value) -> String {
    let line = written(Head::Ok(id), value);
    if line.len() <= LIMIT {
        return line;
    }
    answer_err(
        id,
        &json!({
            "code": "too_long",
            "message": format!("the command was carried out, but its answer of {} bytes does not fit a terminal line", line.len()),
            "hint": "run the same question through the program (gt … --json), or ask for less",
        }),
    )
}

/// Returns the line that tells why command `id` was not carried out: `code`, `message`, `hint`.
pub fn answer_err(id: u64, value: &Value) -> String {
    fitted(Head::Err(id), value, "run the command through the program (gt …) to see all of it")
}

/// Returns the line that hands over a letter.
pub fn mail(value: &Value) -> String {
    fitted(Head::Mail, value, "gt mail read ID prints the whole letter")
}

/// Returns the line that hands over a nudge or the brief: `{"text":…}`.
pub fn prompt(value: &Value) -> String {
    fitted(Head::Prompt, value, "gt prime prints the whole brief")
}

/// Whether a line that starts with the mark is one of our own answers, echoed by the terminal: commands
/// begin with a word, answers with JSON.
pub(crate) fn is_echo(head: &[u8], rest: &[u8]) -> bool {
    let json = rest.trim_ascii();
    Head::parse(head).is_some()
        && (matches!(json, [b'{' | b'[' | b'"' | b'-' | b'0'..=b'9', ..])
            || matches!(json, b"null" | b"true" | b"false"))
}

#[derive(Debug, Clone, Copy)]
enum Head {
    Ok(u64),
    Err(u64),
    Mail,
    Prompt,
}

impl Head {
    fn parse(head: &[u8]) -> Option<Self> {
        match head {
            b"mail" => Some(Self::Mail),
            b"prompt" => Some(Self::Prompt),
            _ => {
                let hash = head.iter().position(|byte| *byte == b'#')?;
                let id = super::number(&head[hash + 1..])?;
                match &head[..hash] {
                    b"ok" => Some(Self::Ok(id)),
                    b"err" => Some(Self::Err(id)),
                    _ => None,
                }
            }
        }
    }
}

fn written(head: Head, value: &Value) -> String {
    let head = match head {
        Head::Ok(id) => format!("ok#{id}"),
        Head::Err(id) => format!("err#{id}"),
        Head::Mail => "mail".to_owned(),
        Head::Prompt => "prompt".to_owned(),
    };
    let mut line = format!("{MARK}{head} ");
    for character in value.to_string().chars() {
        // JSON need not escape DEL and the C1 controls, but a terminal erases a character at the one
        // and programs that read the line may act on the others.
        if character.is_control() {
            line.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

/// Returns the line for `value`, its longest texts cut until it fits.
fn fitted(head: Head, value: &Value, hint: &str) -> String {
    let mut line = written(head, value);
    if line.len() <= LIMIT {
        return line;
    }
    let mut fields = value.as_object().cloned().unwrap_or_default();
    fields.insert("truncated".to_owned(), Value::Bool(true));
    fields.entry("hint").or_insert_with(|| Value::String(hint.to_owned()));
    line = written(head, &Value::Object(fields.clone()));
    while line.len() > LIMIT {
        let excess = line.len() - LIMIT;
        if !shorten(&mut fields, excess) {
            // What is too long is no text. The rest is nothing to rely on either.
            let plain = json!({ "truncated": true, "hint": hint });
            return written(head, &plain);
        }
        line = written(head, &Value::Object(fields.clone()));
    }
    line
}

/// Takes characters off the longest text until the line is `excess` bytes shorter; false if there is none.
fn shorten(fields: &mut Map<String, Value>, excess: usize) -> bool {
    let longest = fields
        .values_mut()
        .filter_map(|value| if let Value::String(text) = value { Some(text) } else { None })
        .max_by_key(|text| text.len())
        .filter(|text| !text.is_empty());
    let Some(text) = longest else { return false };
    let mut taken = 0;
    while taken < excess
        && let Some(character) = text.pop()
    {
        taken += width(character);
    }
    true
}

/// The bytes that a character takes in the line.
fn width(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        _ if character.is_control() => 6,
        _ => character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_answer_is_one_line_that_is_read_back() {
        let value = json!({"id": 7, "body": "two\nlines, a \u{7f} and \u{9b}", "n": null});
        let check = |line: String, expected: Answer| {
            assert!(line.ends_with('\n'));
            assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
            assert_eq!(Answer::parse(&line), Some(expected));
        };
        check(answer_ok(3, &value), Answer::Ok { id: 3, value: value.clone() });
        check(answer_err(4, &value), Answer::Err { id: 4, value: value.clone() });
        check(mail(&value), Answer::Mail(value.clone()));
        check(prompt(&value), Answer::Prompt(value.clone()));
        assert_eq!(answer_ok(1, &Value::Null), "@gt:ok#1 null\n");
    }

    #[test]
    fn what_is_no_answer_is_nothing() {
        for line in ["", "@gt:ok", "@gt:ok {}", "@gt:ok#1 {", "@gt:nonce done", "ok#1 {}", "@gt:ok#-1 {}"] {
            assert_eq!(Answer::parse(line), None, "{line}");
        }
    }

    #[test]
    fn an_answer_too_long_for_a_terminal_says_so() {
        let line = answer_ok(9, &json!(["x".repeat(5000)]));
        let Some(Answer::Err { id: 9, value }) = Answer::parse(&line) else { panic!("{line}") };
        assert_eq!(value["code"], "too_long");
    }

    #[test]
    fn a_letter_too_long_keeps_what_names_it() {
        let line = mail(&json!({"id": "m-1", "from": "mayor/", "body": "ä\"".repeat(4000)}));
        assert!(line.len() <= LIMIT);
        let Some(Answer::Mail(value)) = Answer::parse(&line) else { panic!("{line}") };
        assert_eq!(
            (&value["id"], &value["from"], &value["truncated"]),
            (&json!("m-1"), &json!("mayor/"), &json!(true))
        );
        assert!(line.len() > LIMIT - 4, "no more is cut than needed");
        assert!(value["body"].as_str().unwrap().starts_with("ä\"ä"));
        assert!(value["hint"].as_str().unwrap().contains("mail read"));
    }

    #[test]
    fn a_letter_that_cannot_be_cut_leaves_only_the_hint() {
        let line = mail(&json!({"id": 1, "list": vec![1; 5000]}));
        assert!(line.len() <= LIMIT);
        assert!(matches!(Answer::parse(&line), Some(Answer::Mail(value)) if value["truncated"] == true));
    }

    proptest! {
        #[test]
        fn no_answer_is_ever_longer_than_a_terminal_line(
            a in "(?s).{0,3000}", b in "(?s).{0,3000}", list in prop::collection::vec(any::<u64>(), 0..300)
        ) {
            let value = json!({"body": a, "subject": b, "list": list});
            for line in [answer_ok(1, &value), answer_err(1, &value), mail(&value), prompt(&value)] {
                prop_assert!(line.len() <= LIMIT);
                prop_assert!(Answer::parse(&line).is_some());
                prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            }
        }
    }
}
