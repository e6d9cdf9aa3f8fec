//! Which beads are meant: the options of `bd list`, `ready`, `search`, `count`, `export` and the rest. All but the
//! plainest become terms of one query, so that there is one place in which beads are looked at.

use std::time::Duration;

use clap::Args;
use model::bead::{IssueType, Priority};
use model::command::BeadFilter;
use model::ids::{BeadId, RigName};
use model::moment;
use model::query::{self, Field, Op, Operand, Query};
use model::refusal::Refusal;
use model::time::Timestamp;
use model::work::Sort;

use super::any_type;
use crate::args::Reading;

/// Which beads are meant.
#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Of this rig
    #[arg(long, value_name = "RIG")]
    pub(super) rig: Option<RigName>,
    /// Of this type, one of ours or one that an import brought
    #[arg(long = "type", short = 't', value_name = "TYPE", value_parser = any_type)]
    pub(super) issue_type: Option<IssueType>,
    /// Of this urgency
    #[arg(long, short)]
    pub(super) priority: Option<Priority>,
    /// Of this assignee
    #[arg(long, short, value_name = "WHO")]
    pub(super) assignee: Option<String>,
    /// With this label; may be repeated
    #[arg(long, short, alias = "labels", value_name = "WORD", value_delimiter = ',')]
    pub(super) label: Vec<String>,
    /// Parts of this bead
    #[arg(long, value_name = "BEAD")]
    pub(super) parent: Option<BeadId>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    pub(super) limit: Option<usize>,
    /// For which this query holds, as `priority<=1 AND (label=a OR NOT type=bug)`
    #[arg(long, value_name = "QUERY")]
    pub(super) query: Option<String>,
    #[command(flatten)]
    terms: Terms,
}

/// Terms of a query, as options.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Further terms")]
struct Terms {
    /// With one of these labels
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    label_any: Vec<String>,
    /// Without these labels
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    exclude_label: Vec<String>,
    /// Without any label
    #[arg(long)]
    no_labels: bool,
    /// Not of these types
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    exclude_type: Vec<String>,
    /// That nobody is to do
    #[arg(long, alias = "no-assignee", short = 'u')]
    unassigned: bool,
    /// That are no part of another
    #[arg(long)]
    no_parent: bool,
    /// At least so urgent
    #[arg(long, value_name = "P")]
    priority_max: Option<Priority>,
    /// At most so urgent
    #[arg(long, value_name = "P")]
    priority_min: Option<Priority>,
    /// With these names
    #[arg(long, value_name = "BEAD,…", value_delimiter = ',')]
    id: Vec<String>,
    /// With these words in the title
    #[arg(long, alias = "title", value_name = "TEXT")]
    title_contains: Option<String>,
    /// With these words in the description
    #[arg(long, value_name = "TEXT")]
    desc_contains: Option<String>,
    /// With these words in the notes
    #[arg(long, value_name = "TEXT")]
    notes_contains: Option<String>,
    /// Without a description
    #[arg(long)]
    empty_description: bool,
    /// Made after this time: a date, `7d` ago, `yesterday`
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Made before it
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// Changed after it
    #[arg(long, value_name = "TIME")]
    updated_after: Option<String>,
    /// Changed before it
    #[arg(long, value_name = "TIME")]
    updated_before: Option<String>,
    /// Closed after it
    #[arg(long, value_name = "TIME")]
    closed_after: Option<String>,
    /// Closed before it
    #[arg(long, value_name = "TIME")]
    closed_before: Option<String>,
    /// Due after it: a date, `+7d` from now, `tomorrow`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    due_after: Option<String>,
    /// Due before it
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    due_before: Option<String>,
    /// Put off until after it
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    defer_after: Option<String>,
    /// Put off until before it
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    defer_before: Option<String>,
    /// Due before now, and not closed
    #[arg(long)]
    overdue: bool,
    /// That say until when they are put off
    #[arg(long)]
    deferred: bool,
    /// That are pinned
    #[arg(long)]
    pinned: bool,
    /// That are not
    #[arg(long)]
    no_pinned: bool,
    /// With this key in the metadata; may be repeated
    #[arg(long, value_name = "KEY")]
    has_metadata_key: Vec<String>,
    /// With this in the metadata; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::args::work::pair)]
    metadata_field: Vec<(String, String)>,
    /// Of this kind of molecule
    #[arg(long, value_name = "KIND", hide = true)]
    mol_type: Option<String>,
}

/// In which order beads come.
#[derive(Debug, Default, Args)]
pub(crate) struct Order {
    /// priority, created, oldest, updated, closed, id, title, status, type or assignee
    #[arg(long, value_name = "BY", default_value = "priority", value_parser = sort)]
    pub(super) sort: Sort,
    /// The other way round
    #[arg(long, short)]
    pub(super) reverse: bool,
}

/// Reads the name of an order.
pub(super) fn sort(text: &str) -> Result<Sort, String> {
    Ok(match text {
        "priority" | "hybrid" => Sort::Priority,
        "created" => Sort::Created,
        "oldest" => Sort::Oldest,
        "updated" => Sort::Updated,
        "closed" => Sort::Closed,
        "id" => Sort::Id,
        "title" => Sort::Title,
        "status" => Sort::Status,
        "type" => Sort::Type,
        "assignee" => Sort::Assignee,
        _ => {
            return Err(
                "one of priority, created, oldest, updated, closed, id, title, status, type, assignee".into(),
            );
        }
    })
}

/// A time that has passed: a span stands for so long ago.
fn past(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let found =
        moment::span(plain).map_or_else(|_| moment::point(text, now), |span: Duration| Ok(now.minus(span)));
    found.map_err(Refusal::usage)
}

fn ahead(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    moment::point(text, now).map_err(Refusal::usage)
}

impl Terms {
    fn queries(self, now: Timestamp) -> Result<Vec<Query>, Refusal> {
        let mut all = Vec::new();
        let any = |field: Field, words: Vec<String>| {
            Query::Any(words.into_iter().map(|word| Query::is(field.clone(), word)).collect())
        };
        if !self.label_any.is_empty() {
            all.push(any(Field::Label, self.label_any));
        }
        if !self.exclude_label.is_empty() {
            all.push(any(Field::Label, self.exclude_label).not());
        }
        if !self.exclude_type.is_empty() {
            all.push(any(Field::Type, self.exclude_type).not());
        }
        if !self.id.is_empty() {
            all.push(any(Field::Id, self.id));
        }
        for (wanted, field) in [
            (self.no_labels, Field::Label),
            (self.unassigned, Field::Assignee),
            (self.no_parent, Field::Parent),
            (self.empty_description, Field::Description),
        ] {
            if wanted {
                all.push(Query::empty(field));
            }
        }
        let number = |priority: Priority| Operand::Number(u8::from(priority).into());
        all.extend(self.priority_max.map(|most| Query::compare(Field::Priority, Op::Le, number(most))));
        all.extend(self.priority_min.map(|least| Query::compare(Field::Priority, Op::Ge, number(least))));
        all.extend(self.title_contains.map(|words| Query::is(Field::Title, words)));
        all.extend(self.desc_contains.map(|words| Query::is(Field::Description, words)));
        let notes = self.notes_contains.map(|words| format!("*{words}*"));
        all.extend(notes.map(|words| Query::is(Field::Extra("notes".into()), words)));
        all.extend(self.mol_type.map(|kind| Query::is(Field::Extra("mol_type".into()), kind)));
        let field = |name: &str| Field::Time(name.into());
        for (text, field, op) in [
            (self.created_after, Field::Created, Op::Gt),
            (self.created_before, Field::Created, Op::Lt),
            (self.updated_after, Field::Updated, Op::Gt),
            (self.updated_before, Field::Updated, Op::Lt),
            (self.closed_after, Field::Closed, Op::Gt),
            (self.closed_before, Field::Closed, Op::Lt),
        ] {
            if let Some(text) = text {
                all.push(Query::compare(field, op, Operand::At(past(&text, now)?)));
            }
        }
        for (text, field, op) in [
            (self.due_after, field("due_at"), Op::Gt),
            (self.due_before, field("due_at"), Op::Lt),
            (self.defer_after, field("defer_until"), Op::Gt),
            (self.defer_before, field("defer_until"), Op::Lt),
        ] {
            if let Some(text) = text {
                all.push(Query::compare(field, op, Operand::At(ahead(&text, now)?)));
            }
        }
        if self.overdue {
            all.push(Query::compare(field("due_at"), Op::Lt, Operand::At(now)));
            all.push(Query::empty(Field::Closed));
        }
        if self.deferred {
            let until = Query::empty(field("defer_until")).not();
            all.push(Query::Any(vec![until, Query::is(Field::Status, "deferred")]));
        }
        if self.pinned || self.no_pinned {
            all.push(Query::compare(Field::Mark("pinned".into()), Op::Eq, Operand::Yes(self.pinned)));
        }
        all.extend(self.has_metadata_key.into_iter().map(|key| Query::empty(Field::Metadata(key)).not()));
        all.extend(
            self.metadata_field.into_iter().map(|(key, value)| Query::is(Field::Metadata(key), value)),
        );
        Ok(all)
    }
}

impl Filter {
    /// The filter as data.
    pub(crate) fn read(self, reading: &Reading) -> Result<BeadFilter, Refusal> {
        let mut terms = self.terms.queries(reading.now)?;
        if let Some(text) = &self.query {
            terms.push(parsed(text, reading.now)?);
        }
        let query = match terms.len() {
            0 | 1 => terms.pop(),
            _ => Some(Query::All(terms)),
        };
        Ok(BeadFilter {
            rig: self.rig,
            issue_type: self.issue_type,
            priority: self.priority,
            assignee: self.assignee,
            labels: self.label,
            parent: self.parent,
            limit: self.limit,
            query,
            ..BeadFilter::default()
        })
    }
}

/// Reads a query.
pub(super) fn parsed(text: &str, now: Timestamp) -> Result<Query, Refusal> {
    query::parse(text, now).map_err(|error| {
        Refusal::usage(format!("the query is wrong: {error}"))
            .hint("for instance: status=open AND priority<=1 AND (label=a OR NOT type=bug) AND updated>7d")
    })
}
