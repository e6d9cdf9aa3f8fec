//! The text of a query to a [`Query`].

use super::{Field, Op, Operand, Query, priority};
use crate::bead::{IssueType, Status};
use crate::moment;
use crate::near;
use crate::time::Timestamp;

/// Why a text is no query: what is wrong, and at which character, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why} (at character {at})")]
pub struct BadQuery {
    /// What is wrong.
    pub why: String,
    /// Where.
    pub at: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Op(Op),
    Open,
    Close,
}

/// How deep brackets may be.
const DEEPEST: usize = 100;

/// Reads a query; `now` is what `tomorrow` and the like are seen from.
///
/// # Errors
/// Says what is wrong and where.
pub fn parse(text: &str, now: Timestamp) -> Result<Query, BadQuery> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, next: 0, end: text.chars().count() + 1, now, depth: 0 };
    let query = reader.any()?;
    match reader.peek() {
        None => Ok(query),
        Some(Token::Close) => Err(reader.wrong("a bracket is closed that was never opened")),
        Some(_) => Err(reader.wrong("AND or OR is missing")),
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, usize)>, BadQuery> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let begun = at + 1;
        let two = chars.get(at + 1) == Some(&'=');
        let token = match chars[at] {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => Token::Open,
            ')' => Token::Close,
            '=' if two => {
                at += 1;
                Token::Op(Op::Eq)
            }
            '=' | ':' => Token::Op(Op::Eq),
            '!' if two => {
                at += 1;
                Token::Op(Op::Ne)
            }
            '<' if two => {
                at += 1;
                Token::Op(Op::Le)
            }
            '>' if two => {
                at += 1;
                Token::Op(Op::Ge)
            }
            '<' => Token::Op(Op::Lt),
            '>' => Token::Op(Op::Gt),
            quote @ ('"' | '\'') => {
                let Some(length) = chars[at + 1..].iter().position(|c| *c == quote) else {
                    return Err(BadQuery { why: "a quotation is not closed".into(), at: begun });
                };
                let text: String = chars[at + 1..at + 1 + length].iter().collect();
                at += length + 1;
                Token::Quoted(text)
            }
            '!' => Token::Word("not".into()),
            _ => {
                // A colon may stand in a time or an address, but ends the name of a field.
                let after_op = matches!(found.last(), Some((Token::Op(_), _)));
                let ends = |c: char| {
                    c.is_whitespace()
                        || matches!(c, '(' | ')' | '=' | '<' | '>' | '!' | '"')
                        || (c == ':' && !after_op)
                };
                let mut end = at;
                while end < chars.len() && !ends(chars[end]) {
                    end += 1;
                }
                let text: String = chars[at..end].iter().collect();
                at = end - 1;
                Token::Word(text)
            }
        };
        found.push((token, begun));
        at += 1;
    }
    Ok(found)
}

struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    next: usize,
    end: usize,
    now: Timestamp,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    fn wrong(&self, why: impl Into<String>) -> BadQuery {
        BadQuery { why: why.into(), at: self.at() }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(text)) if text.eq_ignore_ascii_case(word))
    }

    fn any(&mut self) -> Result<Query, BadQuery> {
        let mut found = vec![self.all()?];
        while self.is_word("or") {
            self.next += 1;
            found.push(self.all()?);
        }
        Ok(if found.len() == 1 { found.remove(0) } else { Query::Any(found) })
    }

    fn all(&mut self) -> Result<Query, BadQuery> {
        let mut found = vec![self.one()?];
        while self.is_word("and") {
            self.next += 1;
            found.push(self.one()?);
        }
        Ok(if found.len() == 1 { found.remove(0) } else { Query::All(found) })
    }

    fn one(&mut self) -> Result<Query, BadQuery> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        let query = if self.is_word("not") {
            self.next += 1;
            self.one()?.not()
        } else if self.peek() == Some(&Token::Open) {
            self.next += 1;
            let query = self.any()?;
            if self.peek() != Some(&Token::Close) {
                return Err(self.wrong("a bracket is not closed"));
            }
            self.next += 1;
            query
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(query)
    }

    fn comparison(&mut self) -> Result<Query, BadQuery> {
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(self.wrong("a field is missing, as in status=open"));
        };
        let field = field(&name).map_err(|why| self.wrong(why))?;
        self.next += 1;
        let Some(Token::Op(op)) = self.peek().cloned() else {
            return Err(self.wrong(format!("after {name} one of = != < <= > >= is missing")));
        };
        self.next += 1;
        let (text, quoted) = match self.peek().cloned() {
            Some(Token::Word(text)) => (text, false),
            Some(Token::Quoted(text)) => (text, true),
            _ => return Err(self.wrong(format!("{name} is compared with nothing"))),
        };
        let value = operand(&field, &text, quoted, self.now).map_err(|why| self.wrong(why))?;
        let counts = matches!(value, Operand::Number(_) | Operand::At(_) | Operand::Ago(_));
        if !counts && !matches!(op, Op::Eq | Op::Ne) {
            return Err(self.wrong(format!("{name} has no order; compare it with = or !=")));
        }
        self.next += 1;
        Ok(Query::Is { field, op, value })
    }
}

const NAMES: [&str; 24] = [
    "id",
    "title",
    "description",
    "status",
    "priority",
    "type",
    "assignee",
    "rig",
    "creator",
    "label",
    "parent",
    "text",
    "created",
    "updated",
    "closed",
    "started",
    "due",
    "defer",
    "estimate",
    "notes",
    "owner",
    "pinned",
    "ephemeral",
    "template",
];

fn field(name: &str) -> Result<Field, String> {
    let lower = name.to_lowercase();
    if let Some(key) = lower.strip_prefix("metadata.") {
        // Keys are as they were written.
        return Ok(Field::Metadata(name[name.len() - key.len()..].to_owned()));
    }
    Ok(match lower.as_str() {
        "id" => Field::Id,
        "title" => Field::Title,
        "description" | "desc" => Field::Description,
        "status" => Field::Status,
        "priority" => Field::Priority,
        "type" | "issue_type" => Field::Type,
        "assignee" => Field::Assignee,
        "rig" => Field::Rig,
        "creator" | "created_by" => Field::Creator,
        "label" | "labels" => Field::Label,
        "parent" => Field::Parent,
        "text" => Field::Text,
        "created" | "created_at" => Field::Created,
        "updated" | "updated_at" => Field::Updated,
        "closed" | "closed_at" => Field::Closed,
        "started" | "started_at" => Field::Time("started_at".into()),
        "due" | "due_at" => Field::Time("due_at".into()),
        "defer" | "defer_until" => Field::Time("defer_until".into()),
        "estimate" | "estimated_minutes" => Field::Count("estimated_minutes".into()),
        "notes" | "design" | "owner" | "external_ref" | "mol_type" | "spec_id" => Field::Extra(lower),
        "spec" => Field::Extra("spec_id".into()),
        "pinned" | "ephemeral" | "is_template" => Field::Mark(lower),
        "template" => Field::Mark("is_template".into()),
        _ => {
            let near = near::did_you_mean(&near::matches(&lower, NAMES));
            let hint = near.unwrap_or_else(|| format!("fields are {}", NAMES.join(", ")));
            return Err(format!("{name:?} is no field of a bead; {hint}"));
        }
    })
}

fn operand(field: &Field, text: &str, quoted: bool, now: Timestamp) -> Result<Operand, String> {
    if !quoted && matches!(text.to_lowercase().as_str(), "none" | "null") {
        return Ok(Operand::None);
    }
    Ok(match field {
        Field::Priority => Operand::Number(priority(text)?),
        Field::Count(name) => {
            Operand::Number(text.parse().map_err(|_| format!("{name} is a number, and {text:?} is none"))?)
        }
        Field::Created | Field::Updated | Field::Closed | Field::Time(_) => match moment::span(text) {
            Ok(span) => Operand::Ago(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
            Err(_) => Operand::At(moment::point(text, now)?),
        },
        Field::Mark(name) => match text.to_lowercase().as_str() {
            "true" | "yes" | "1" => Operand::Yes(true),
            "false" | "no" | "0" => Operand::Yes(false),
            _ => return Err(format!("{name} is true or false")),
        },
        Field::Status if !text.contains('*') => Operand::Text(
            text.parse::<Status>().map_or_else(|_| text.to_owned(), |status| status.to_string()),
        ),
        Field::Type if !text.contains('*') => {
            Operand::Text(text.parse::<IssueType>().map_or_else(|_| text.to_owned(), |kind| kind.to_string()))
        }
        _ => Operand::Text(text.to_owned()),
    })
}
