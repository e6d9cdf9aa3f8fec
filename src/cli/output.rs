//! What people and programs are shown: the one place for errors, exit codes, colours and width.

mod table;
mod text;

use std::io::{self, Write};

use model::refusal::Refusal;
use model::time::Timestamp;
use serde_json::{Value, json};

pub(crate) use table::{Cell, Column, Table, cell};
pub(crate) use text::{ago, block, count, line, span, thousands, when};

/// A colour that means something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tint {
    /// As it is.
    #[default]
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Bold,
    /// Broken, or needs a person.
    Red,
    /// As it should be.
    Green,
    /// Slow, waiting or unsure.
    Yellow,
    /// A name.
    Cyan,
}

/// How text for people is written: with colours or without, how wide, and what time it is.
#[derive(Debug, Clone)]
pub(crate) struct Pen {
    /// Colours are welcome.
    pub(crate) color: bool,
    /// Columns of the terminal; none where there is no terminal and nothing is cut.
    pub(crate) width: Option<usize>,
    /// Now, for ages.
    pub(crate) now: Timestamp,
}

impl Pen {
    /// `text` in the colour `tint`.
    pub(crate) fn paint(&self, tint: Tint, text: &str) -> String {
        let code = match tint {
            Tint::Plain => return text.to_owned(),
            _ if !self.color || text.is_empty() => return text.to_owned(),
            Tint::Dim => "2",
            Tint::Bold => "1",
            Tint::Red => "31",
            Tint::Green => "32",
            Tint::Yellow => "33",
            Tint::Cyan => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Why a command line ended without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was refused.
    Refused(Refusal),
    /// What there was to say could not be said.
    Output(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

/// Where output goes and in which form.
pub(crate) struct Output<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// JSON was asked for.
    pub(crate) json: bool,
    /// Standard output is a terminal.
    pub(crate) terminal: bool,
    /// How text for people is written on standard output.
    pub(crate) pen: Pen,
    /// Colours are welcome on standard error.
    pub(crate) err_color: bool,
}

impl<'a> Output<'a> {
    /// Output to `out` and `err`, in plain text without colours until told otherwise.
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, now: Timestamp) -> Self {
        let pen = Pen { color: false, width: None, now };
        Output { out, err, json: false, terminal: false, pen, err_color: false }
    }

    /// Prints `text` as it is, at once.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }

    /// Prints one JSON value on one line, or indented on a terminal.
    pub(crate) fn value(&mut self, value: &Value) -> io::Result<()> {
        let text = if self.terminal { format!("{value:#}") } else { value.to_string() };
        self.text(&text)
    }

    /// Prints one JSON value on one line: one of several.
    pub(crate) fn value_line(&mut self, value: &Value) -> io::Result<()> {
        self.text(&value.to_string())
    }

    /// Says something beside the result, on standard error. Nothing with `--json`.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.json {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(self.err, "{text}");
        }
    }

    /// Says how it failed, and returns the exit code of the contract.
    pub(crate) fn failure(&mut self, failure: Failure) -> u8 {
        let refusal = match failure {
            Failure::Refused(refusal) => refusal,
            // `gastown events | head` is no error.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
            Failure::Output(error) => Refusal::failed("output", format!("cannot write the answer: {error}"))
                .hint("what was asked for may have been done all the same"),
        };
        let text = if self.json {
            format!("{}\n", error_value(&refusal))
        } else {
            let pen = Pen { color: self.err_color, ..self.pen.clone() };
            let mut text =
                format!("{} {}\n", pen.paint(Tint::Red, "error:"), block(&refusal.message).trim_end());
            if let Some(hint) = &refusal.hint {
                text.push_str(&format!("{} {}\n", pen.paint(Tint::Cyan, "hint:"), block(hint).trim_end()));
            }
            text
        };
        let _ = self.err.write_all(text.as_bytes());
        let _ = self.err.flush();
        refusal.class.exit_code()
    }
}

/// A refusal as JSON prints it.
fn error_value(refusal: &Refusal) -> Value {
    json!({"error": {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: bool, failure: Failure) -> (u8, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output::new(&mut out, &mut err, Timestamp::default());
        output.json = json;
        let code = output.failure(failure);
        assert!(out.is_empty());
        (code, String::from_utf8(err).unwrap())
    }

    #[test]
    fn a_refusal_is_a_message_and_a_hint_and_a_code() {
        let refusal = Refusal::no_such("rig", "wbe", ["web"]);
        let (code, text) = said(false, refusal.clone().into());
        assert_eq!(code, 4);
        assert_eq!(text, "error: there is no rig called \"wbe\"\nhint: did you mean \"web\"?\n");
        let (code, text) = said(true, refusal.into());
        assert_eq!(code, 4);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["error"]["code"], "no_such_rig");
        assert_eq!(value["error"]["hint"], "did you mean \"web\"?");
    }

    #[test]
    fn every_class_has_its_exit_code_and_a_closed_pipe_none() {
        assert_eq!(said(false, Refusal::failed("x", "x").into()).0, 1);
        assert_eq!(said(false, Refusal::usage("x").into()).0, 2);
        assert_eq!(said(false, Refusal::not_running("x").into()).0, 3);
        assert_eq!(said(false, Refusal::forbidden("x", "x").into()).0, 5);
        assert_eq!(said(false, io::Error::from(io::ErrorKind::BrokenPipe).into()), (0, String::new()));
        assert_eq!(said(false, io::Error::from(io::ErrorKind::StorageFull).into()).0, 1);
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let (_, text) = said(false, Refusal::usage("bad \x1b]0;x\x07 title").into());
        assert!(!text.contains('\x1b') && !text.contains('\x07'));
    }
}
