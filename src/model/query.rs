//! Which beads are meant, as an expression: `status=open AND priority<=1 AND (label=a OR NOT type=bug)`.
//!
//! The language is that of `bd query`. A comparison is `FIELD OP VALUE`; what stands side by side is joined by `AND`,
//! `OR`, `NOT` and brackets, in any case of letters. A time is compared by its **place in time**, and a span stands
//! for the moment so long ago: `updated>7d` is what has changed within the last seven days, `updated<30d` what has
//! not changed for thirty. `none` stands for a field that is empty; `*` in a value for anything.

mod read;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bead::{Bead, DepType, Priority, Status};
use crate::time::Timestamp;

pub use self::read::{BadQuery, parse};

/// An expression over beads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// All of these.
    All(Vec<Query>),
    /// One of these.
    Any(Vec<Query>),
    /// Not this.
    Not(Box<Query>),
    /// A field of the bead compared with a value.
    Is {
        /// Which field.
        field: Field,
        /// How.
        op: Op,
        /// With what.
        value: Operand,
    },
}

/// What a comparison looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Its name.
    Id,
    /// Its title.
    Title,
    /// Its description.
    Description,
    /// Where it stands.
    Status,
    /// How urgent it is.
    Priority,
    /// Its type.
    Type,
    /// Who is to do it.
    Assignee,
    /// Its rig.
    Rig,
    /// Who made it.
    Creator,
    /// One of its labels.
    Label,
    /// What it is a part of.
    Parent,
    /// Title, description, notes and the rest of its texts together.
    Text,
    /// When it was made.
    Created,
    /// When it was changed.
    Updated,
    /// When it was closed.
    Closed,
    /// A further field that holds a time.
    Time(String),
    /// A further field that holds a number.
    Count(String),
    /// A further field that holds a text.
    Extra(String),
    /// A mark of the bead, or of its kind: pinned, ephemeral, template.
    Mark(String),
    /// A key of its metadata.
    Metadata(String),
}

/// How two things are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// It is that; of texts, whatever the case.
    Eq,
    /// It is not.
    Ne,
    /// Less, or before.
    Lt,
    /// Less or that, or not after.
    Le,
    /// More, or after.
    Gt,
    /// More or that, or not before.
    Ge,
}

/// What is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    /// Nothing: the field is empty.
    None,
    /// A text; `*` in it stands for anything.
    Text(String),
    /// A number.
    Number(u64),
    /// A moment.
    At(Timestamp),
    /// A moment so many milliseconds ago, of whenever it is asked.
    Ago(u64),
    /// Yes or no.
    Yes(bool),
}

impl Query {
    /// A comparison of text for equality.
    pub fn is(field: Field, text: impl Into<String>) -> Query {
        Query::Is { field, op: Op::Eq, value: Operand::Text(text.into()) }
    }

    /// A comparison.
    pub fn compare(field: Field, op: Op, value: Operand) -> Query {
        Query::Is { field, op, value }
    }

    /// That the field is empty.
    pub fn empty(field: Field) -> Query {
        Query::Is { field, op: Op::Eq, value: Operand::None }
    }

    /// The opposite.
    #[expect(clippy::should_implement_trait, reason = "it reads as the word of the language")]
    pub fn not(self) -> Query {
        Query::Not(Box::new(self))
    }

    /// Whether closed beads are asked about by name, so that they are not to be left out.
    pub fn speaks_of_closed(&self) -> bool {
        match self {
            Query::All(all) | Query::Any(all) => all.iter().any(Query::speaks_of_closed),
            Query::Not(inner) => inner.speaks_of_closed(),
            Query::Is { field, .. } => matches!(field, Field::Status | Field::Closed),
        }
    }

    /// Whether `bead` is meant, as of `now`.
    pub fn fits(&self, bead: &Bead, now: Timestamp) -> bool {
        match self {
            Query::All(all) => all.iter().all(|query| query.fits(bead, now)),
            Query::Any(any) => any.iter().any(|query| query.fits(bead, now)),
            Query::Not(inner) => !inner.fits(bead, now),
            Query::Is { field, op, value } => compares(bead, field, *op, value, now),
        }
    }
}

fn compares(bead: &Bead, field: &Field, op: Op, value: &Operand, now: Timestamp) -> bool {
    let words = |texts: &[&str]| any_text(texts, op, value);
    match field {
        Field::Id => words(&[bead.id.as_str()]),
        Field::Title => holds(&[&bead.title], op, value),
        Field::Description => holds(&[&bead.description], op, value),
        Field::Text => holds(
            &[
                bead.id.as_str(),
                &bead.title,
                &bead.description,
                &bead.acceptance_criteria,
                bead.text("notes"),
                bead.text("design"),
            ],
            op,
            value,
        ),
        Field::Status => words(&[bead.status.as_str()]),
        Field::Type => words(&[bead.issue_type.as_str()]),
        Field::Assignee => words(&[bead.assignee.as_deref().unwrap_or_default()]),
        Field::Rig => words(&[bead.rig.as_ref().map_or("hq", |rig| rig.as_str())]),
        Field::Creator => words(&[&bead.created_by]),
        Field::Label if bead.labels.is_empty() => words(&[""]),
        Field::Label => words(&bead.labels.iter().map(String::as_str).collect::<Vec<_>>()),
        Field::Parent => {
            let parents = bead.dependencies.iter().filter(|dep| dep.kind == DepType::ParentChild);
            let parents: Vec<&str> = parents.map(|dep| dep.depends_on_id.as_str()).collect();
            if parents.is_empty() { words(&[""]) } else { words(&parents) }
        }
        Field::Priority => number(Some(u8::from(bead.priority).into()), op, value),
        Field::Count(name) => number(bead.extra.get(name).and_then(Value::as_u64), op, value),
        Field::Created => time(Some(bead.created_at.at()), op, value, now),
        Field::Updated => time(Some(bead.updated_at.at()), op, value, now),
        Field::Closed => time(bead.closed_at.as_ref().map(|at| at.at()), op, value, now),
        Field::Time(name) => time(bead.time(name), op, value, now),
        Field::Extra(name) => words(&[bead.text(name)]),
        Field::Metadata(key) => {
            let found = bead.metadata().remove(key);
            let text = match &found {
                None => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            words(&[&text])
        }
        Field::Mark(mark) => {
            let bears = match mark.as_str() {
                "pinned" => bead.is_marked("pinned") || bead.status == Status::Pinned,
                "ephemeral" => bead.is_ephemeral(),
                mark => bead.is_marked(mark),
            };
            match value {
                Operand::Yes(wanted) => (bears == *wanted) == (op == Op::Eq),
                _ => false,
            }
        }
    }
}

/// Whether one of `texts` is what is meant; for "not", that none is.
fn any_text(texts: &[&str], op: Op, value: &Operand) -> bool {
    let found = match value {
        Operand::None => texts.iter().all(|text| text.is_empty()),
        Operand::Text(wanted) => texts.iter().any(|text| like(text, wanted)),
        _ => false,
    };
    match op {
        Op::Eq => found,
        Op::Ne => !found,
        _ => match value {
            Operand::Text(wanted) => texts.iter().any(|text| ordered(text.cmp(&wanted.as_str()), op)),
            _ => false,
        },
    }
}

/// Whether a part of one of `texts` is what is meant.
fn holds(texts: &[&str], op: Op, value: &Operand) -> bool {
    match value {
        Operand::Text(wanted) if !wanted.contains('*') => {
            let wanted = wanted.to_lowercase();
            texts.iter().any(|text| text.to_lowercase().contains(&wanted)) != (op == Op::Ne)
        }
        _ => any_text(texts, op, value),
    }
}

/// Whether `text` is `wanted`, in which `*` stands for anything, whatever the case.
fn like(text: &str, wanted: &str) -> bool {
    if !wanted.contains('*') {
        return text.eq_ignore_ascii_case(wanted);
    }
    let (text, wanted) = (text.to_lowercase(), wanted.to_lowercase());
    let parts: Vec<&str> = wanted.split('*').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let Some(rest) = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    let mut rest = rest;
    parts[1..parts.len() - 1].iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn number(found: Option<u64>, op: Op, value: &Operand) -> bool {
    match (found, value) {
        (found, Operand::None) => found.is_none() == (op == Op::Eq),
        (Some(found), Operand::Number(wanted)) => ordered(found.cmp(wanted), op),
        (None, Operand::Number(_)) => op == Op::Ne,
        _ => false,
    }
}

fn time(found: Option<Timestamp>, op: Op, value: &Operand, now: Timestamp) -> bool {
    let wanted = match value {
        Operand::None => return found.is_none() == (op == Op::Eq),
        Operand::At(at) => *at,
        Operand::Ago(millis) => now.minus(std::time::Duration::from_millis(*millis)),
        _ => return false,
    };
    found.map_or(op == Op::Ne, |found| ordered(found.cmp(&wanted), op))
}

fn ordered(found: std::cmp::Ordering, op: Op) -> bool {
    match op {
        Op::Eq => found.is_eq(),
        Op::Ne => found.is_ne(),
        Op::Lt => found.is_lt(),
        Op::Le => found.is_le(),
        Op::Gt => found.is_gt(),
        Op::Ge => found.is_ge(),
    }
}

/// The number that a priority stands for, however it is written.
fn priority(text: &str) -> Result<u64, String> {
    text.parse::<Priority>().map(|priority| u8::from(priority).into())
}

#[cfg(test)]
mod tests;
