//! One line: a bead, a row of a table of `bd`'s, or something that is neither.

use model::bead::{Bead, Comment, Dependency, IssueType, Priority, Status};
use model::ids::BeadId;
use model::stamp::Stamp;
use serde_json::{Map, Value, json};

use super::fields;

type Fields = Map<String, Value>;

/// What a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// A bead, with everything that the line says of it.
    Bead(Box<Bead>),
    /// A row of a table, that belongs to the bead of this name.
    Row(BeadId, Row),
    /// A line of another kind, and its name.
    Other(String),
}

/// A row of the tables that stand beside the one of beads in a dump.
#[derive(Debug, PartialEq)]
pub(super) enum Row {
    /// An arrow.
    Dependency(Fields),
    /// A label.
    Label(String),
    /// A remark.
    Comment(Fields),
}

/// Reads a line.
pub(super) fn read(line: &str) -> Result<Line, String> {
    if let Some(marker) = conflict_marker(line) {
        return Err(format!("{marker:?} is the mark of a merge conflict that nobody has solved"));
    }
    let value: Value = serde_json::from_str(line).map_err(|error| format!("it is not JSON: {error}"))?;
    let Value::Object(fields) = value else { return Err("it is not a JSON object".into()) };
    if let Some(kind) = other(&fields) {
        return Ok(Line::Other(kind));
    }
    if let Some((id, row)) = row(&fields)? {
        return Ok(Line::Row(id, row));
    }
    bead(fields).map(|bead| Line::Bead(Box::new(bead)))
}

fn conflict_marker(line: &str) -> Option<&str> {
    let marker = line.get(..7)?;
    let rest = &line[7..];
    let alone = rest.is_empty() || rest.starts_with(' ');
    (["<<<<<<<", "=======", ">>>>>>>", "|||||||"].contains(&marker) && alone).then_some(marker)
}

/// Whether one of `keys` says something.
fn has(fields: &Fields, keys: &[&str]) -> bool {
    keys.iter().any(|key| fields.get(*key).is_some_and(|value| !value.is_null()))
}

/// Whether a line is of a kind that goes by other rules than beads: the head of an export, a memory, an
/// event, a setting, a route, a name in the list of deletions that older versions kept.
fn other(fields: &Fields) -> Option<String> {
    if has(fields, &["_schema"]) {
        return Some("header".into());
    }
    match fields.get("_type").and_then(Value::as_str) {
        Some("issue") | None => {}
        Some(kind) => return Some(kind.to_owned()),
    }
    if has(fields, &["title"]) {
        return None;
    }
    let kinds: [(&str, &[&str]); 4] = [
        ("event", &["event_type"]),
        ("config", &["key", "value"]),
        ("route", &["prefix", "path"]),
        ("deletion", &["id", "ts", "by"]),
    ];
    let found = kinds.iter().find(|(_, keys)| keys.iter().all(|key| fields.contains_key(*key)));
    found.map(|(kind, _)| (*kind).to_owned())
}

fn row(fields: &Fields) -> Result<Option<(BeadId, Row)>, String> {
    let Some(Value::String(id)) = fields.get("issue_id").filter(|_| !has(fields, &["title", "status"]))
    else {
        return Ok(None);
    };
    let row = if has(fields, &["depends_on_id"]) {
        Row::Dependency(fields.clone())
    } else if let Some(Value::String(label)) = fields.get("label") {
        Row::Label(label.clone())
    } else if has(fields, &["text"]) {
        Row::Comment(fields.clone())
    } else {
        return Ok(None);
    };
    Ok(Some((name(id)?, row)))
}

fn name(id: &str) -> Result<BeadId, String> {
    let id: BeadId = id.parse().map_err(|error: model::ids::BadName| error.to_string())?;
    if id.is_ours() { Ok(id) } else { Err(format!("{:?} names a bead of another project", id.as_str())) }
}

fn bead(mut fields: Fields) -> Result<Bead, String> {
    let id = match fields.get("id") {
        Some(Value::String(id)) if !id.is_empty() => name(id)?,
        _ => return Err("it has no id".into()),
    };
    if !has(&fields, &["title", "status", "issue_type", "description", "priority"]) {
        return Err("it has an id, and nothing else of a bead".into());
    }
    for mark in fields::MARKS {
        if let Some(n) = fields.get(mark).and_then(Value::as_i64) {
            fields.insert(mark.into(), json!(n != 0));
        }
    }
    fields::drop_empty(&mut fields);
    // Null says as much as nothing where we know what is meant.
    for ours in ["id", "title", "status", "priority", "issue_type", "created_at", "updated_at"] {
        if fields.get(ours).is_some_and(|value| value.is_null() || *value == json!("")) {
            fields.remove(ours);
        }
    }
    let status = match fields.get("status") {
        None => Status::Open,
        Some(status) => Status::of(word("status", status)?)?,
    };
    let issue_type = match fields.get("issue_type") {
        None => IssueType::default(),
        Some(kind) => IssueType::of(word("issue_type", kind)?)?,
    };
    let priority = match fields.get("priority") {
        // `bd` left out the zero of its most urgent beads for a while, and reads nothing as that still.
        None => Priority::CRITICAL,
        Some(Value::String(text)) => text.parse()?,
        Some(n) => {
            let small = n.as_u64().and_then(|n| u8::try_from(n).ok());
            small
                .and_then(|n| n.try_into().ok())
                .ok_or_else(|| format!("priority {n} is not between 0 and 4"))?
        }
    };
    fields.insert("id".into(), json!(id));
    fields.insert("status".into(), json!(status));
    fields.insert("issue_type".into(), json!(issue_type));
    fields.insert("priority".into(), json!(priority));
    times(&mut fields)?;
    fields.entry("title").or_insert_with(|| json!(id.as_str()));
    fields.entry("created_by").or_insert_with(|| json!(""));
    // What others call a rig need not be one of ours: whoever takes the bead in decides.
    if let Some(rig) = fields.remove("rig") {
        fields.insert(super::FOREIGN_RIG.into(), rig);
    }
    let deps = rows(&mut fields, "dependencies")?;
    let comments = rows(&mut fields, "comments")?;
    let mut bead: Bead = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
    for dep in deps {
        let dep = dependency(&bead, dep)?;
        bead.dependencies.push(dep);
    }
    for comment in comments {
        let comment = remark(&bead, comment)?;
        bead.comments.push(comment);
    }
    Ok(bead)
}

fn word<'a>(key: &str, value: &'a Value) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("{key}: {value} stands where a word is expected"))
}

fn stamp(key: &str, value: &Value) -> Result<Stamp, String> {
    Stamp::lenient(value).map_err(|why| format!("{key}: {why}"))
}

fn times(fields: &mut Fields) -> Result<(), String> {
    for key in ["created_at", "updated_at", "closed_at"] {
        if let Some(value) = fields.get(key) {
            let at = stamp(key, value)?;
            fields.insert(key.into(), json!(at));
        }
    }
    let made = fields.get("created_at").or(fields.get("updated_at")).cloned();
    let made = made.unwrap_or_else(|| json!(Stamp::default()));
    fields.entry("updated_at").or_insert_with(|| made.clone());
    fields.entry("created_at").or_insert(made);
    Ok(())
}

fn rows(fields: &mut Fields, key: &str) -> Result<Vec<Fields>, String> {
    let Some(value) = fields.remove(key) else { return Ok(Vec::new()) };
    let Value::Array(rows) = value else { return Err(format!("{key} is not a list")) };
    rows.into_iter()
        .map(|row| match row {
            Value::Object(row) => Ok(row),
            _ => Err(format!("{key} holds something that is not an object")),
        })
        .collect()
}

/// Fills in who and when of a row from the bead that it belongs to.
fn complete(row: &mut Fields, bead: &Bead, who: &str) -> Result<(), String> {
    let at = match row.get("created_at") {
        Some(value) if !value.is_null() && *value != json!("") => json!(stamp("created_at", value)?),
        _ => json!(bead.created_at),
    };
    row.insert("created_at".into(), at);
    if row.get(who).is_none_or(Value::is_null) {
        row.insert(who.into(), json!(bead.created_by));
    }
    Ok(())
}

/// Reads an arrow from `bead`.
pub(super) fn dependency(bead: &Bead, mut row: Fields) -> Result<Dependency, String> {
    complete(&mut row, bead, "created_by")?;
    row.entry("issue_id").or_insert_with(|| json!(bead.id));
    if row.get("type").is_none_or(|kind| kind.is_null() || *kind == json!("")) {
        row.insert("type".into(), json!("blocks"));
    }
    serde_json::from_value(Value::Object(row)).map_err(|error| format!("a dependency: {error}"))
}

/// Reads a remark on `bead`.
pub(super) fn remark(bead: &Bead, mut row: Fields) -> Result<Comment, String> {
    complete(&mut row, bead, "author")?;
    if row.get("issue_id").and_then(Value::as_str) == Some(bead.id.as_str()) {
        row.remove("issue_id");
    }
    if !has(&row, &["id"]) {
        row.insert("id".into(), json!(bead.comments.len() + 1));
    }
    serde_json::from_value(Value::Object(row)).map_err(|error| format!("a comment: {error}"))
}
