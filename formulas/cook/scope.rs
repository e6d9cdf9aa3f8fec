//! What the words in a text mean at the place where it stands.

use std::borrow::Cow;

use crate::fill::{self, fill};
use crate::proto::ProtoStep;
use crate::schema::written::{At, Pairs};
use crate::vars::Vars;

/// The values at one place: those of the formula that wrote the text, and the words of the place itself.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    /// `{{name}}`.
    pub(crate) values: &'a Vars,
    /// `{name}`, the nearest last.
    words: Vec<(String, String)>,
    /// Of the words, the numbers of loops: they are also known in two braces.
    numbers: Vec<usize>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(values: &'a Vars) -> Self {
        Self { values, words: Vec::new(), numbers: Vec::new() }
    }

    /// With one more word.
    pub(crate) fn word(mut self, name: &str, value: &str) -> Self {
        self.words.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the number of a loop.
    pub(crate) fn number(mut self, name: &str, value: i64) -> Self {
        self.numbers.push(self.words.len());
        self.word(name, &value.to_string())
    }

    /// With what belongs to a step, as `{what}`, `{what.id}`, `{what.title}` and `{what.description}`.
    pub(crate) fn about(self, what: &str, step: &ProtoStep) -> Self {
        self.word(what, &step.id)
            .word(&format!("{what}.id"), &step.id)
            .word(&format!("{what}.title"), &step.title)
            .word(&format!("{what}.description"), &step.description)
    }

    /// The value of a name in two braces.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let number = self.numbers.iter().rev().map(|at| &self.words[*at]).find(|(word, _)| word == name);
        number.map(|(_, value)| value.as_str()).or_else(|| self.values.get(name).map(String::as_str))
    }

    fn single(&self, name: &str) -> Option<&str> {
        self.words.iter().rev().find(|(word, _)| word == name).map(|(_, value)| value.as_str())
    }

    /// A text with all values in place.
    pub(crate) fn text(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        fill(text, |name| self.value(name).map(Cow::Borrowed), |name| self.single(name).map(Cow::Borrowed))
    }

    /// A text that may be missing.
    pub(crate) fn maybe(&self, text: &Option<At<String>>) -> Option<String> {
        text.as_ref().map(|text| self.text(&text.value))
    }

    /// Texts by name.
    pub(crate) fn pairs(&self, pairs: &Pairs) -> Vars {
        pairs.iter().map(|(name, value)| (name.clone(), self.text(&value.value))).collect()
    }

    /// A name of a step: words are put in, variables are not, so that a name does not hang on values.
    pub(crate) fn name(&self, name: &str) -> String {
        if !name.contains('{') {
            return name.to_owned();
        }
        fill(name, |_| None, |word| self.single(word).map(Cow::Borrowed))
    }

    /// A calculation, in which a variable may stand in one brace, too.
    pub(crate) fn calculation(&self, text: &str) -> String {
        fill(
            text,
            |name| self.value(name).map(Cow::Borrowed),
            |name| self.single(name).or_else(|| self.value(name)).map(Cow::Borrowed),
        )
    }

    /// The first name of a calculation that has no value.
    pub(crate) fn missing(&self, text: &str) -> Option<String> {
        let mut missing = None;
        let mut look = |name: &str| {
            if self.value(name).is_none() && self.single(name).is_none() && missing.is_none() {
                missing = Some(name.to_owned());
            }
        };
        fill::names(text, &mut look);
        fill(
            text,
            |_| Some(Cow::Borrowed("")),
            |name| {
                look(name);
                None
            },
        );
        missing
    }
}
