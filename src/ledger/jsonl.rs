//! Beads out to JSON lines, and in again, for git, `jq` and users of `bd`.
//!
//! Out: one bead per line, by id, keys in one order; the same state gives the same bytes. In: as
//! lenient as can be without guessing. Keys that mean nothing here are kept in `extra`, so that out
//! and in again loses nothing.

use model::bead::{Bead, Priority, Status};
use model::ids::{BeadId, RigName};
use model::time::Timestamp;
use serde_json::{Map, Value, json};

/// What came of a text of JSON lines.
#[derive(Debug, Default, PartialEq)]
pub struct Import {
    /// The beads, in the order of the lines.
    pub beads: Vec<Bead>,
    /// The lines that are no beads.
    pub errors: Vec<LineError>,
    /// How many lines stand for beads that were deleted; they are left out.
    pub tombstones: usize,
}

/// Why a line is no bead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Returns `beads` as lines of JSON, ordered by id.
pub fn export(beads: &[Bead]) -> String {
    let mut beads: Vec<&Bead> = beads.iter().collect();
    beads.sort_by(|a, b| a.id.cmp(&b.id));
    let mut text = String::new();
    for bead in beads {
        // Values of an import keep the order in which they came; here it must not matter.
        let value = serde_json::to_value(bead).map(|mut value| {
            if let Some(fields) = value.as_object_mut() {
                fields.values_mut().for_each(Value::sort_all_objects);
            }
            value
        });
        text.push_str(&value.expect("a bead has text keys and nothing that can fail").to_string());
        text.push('\n');
    }
    text
}

/// Reads lines of JSON as they come from [`export`], from `bd export` and from older programs.
///
/// Missing fields take their defaults, empty lines are skipped, a wrong line spoils no other.
pub fn import(text: &str) -> Import {
    let mut import = Import::default();
    for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match read_line(line) {
            Ok(Some(bead)) => import.beads.push(bead),
            Ok(None) => import.tombstones += 1,
            Err(why) => import.errors.push(LineError { line: n + 1, why }),
        }
    }
    import
}

fn read_line(line: &str) -> Result<Option<Bead>, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("it is not JSON: {error}"))?;
    let Value::Object(mut fields) = value else { return Err("it is not a JSON object".into()) };
    if fields.get("status").and_then(Value::as_str) == Some("tombstone") {
        return Ok(None);
    }
    // Null says as much as nothing, and some writers print it for everything they do not have.
    fields.retain(|_, value| !value.is_null());
    let id = match fields.get("id").and_then(Value::as_str) {
        Some(id) => id.parse::<BeadId>().map_err(|error| error.to_string())?,
        None => return Err("it has no id".into()),
    };

    let status = match fields.get("status") {
        None => Status::Open,
        Some(status) => word(status)?.parse()?,
    };
    fields.insert("status".into(), json!(status));
    let priority = match fields.get("priority") {
        None => Priority::default(),
        Some(Value::String(text)) => text.parse()?,
        Some(n) => n.as_u64().and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX).try_into()?,
    };
    fields.insert("priority".into(), json!(priority));
    kind(&mut fields);
    times(&mut fields)?;

    fields.entry("title").or_insert_with(|| json!(id.as_str()));
    fields.entry("created_by").or_insert_with(|| json!(""));
    for optional in ["assignee", "close_reason"] {
        if fields.get(optional) == Some(&json!("")) {
            fields.remove(optional);
        }
    }
    // What `bd` calls a rig need not be one of ours.
    if fields.get("rig").is_some_and(|rig| rig.as_str().is_none_or(|rig| rig.parse::<RigName>().is_err())) {
        move_aside(&mut fields, "rig");
    }
    dependencies(&mut fields, &id)?;
    comments(&mut fields)?;

    serde_json::from_value(Value::Object(fields)).map(Some).map_err(|error| error.to_string())
}

fn word(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} stands where a word is expected"))
}

/// Keeps a value that has no place here under a name of its own.
fn move_aside(fields: &mut Map<String, Value>, key: &str) {
    if let Some(value) = fields.remove(key) {
        fields.insert(format!("imported_{key}"), value);
    }
}

/// Types are an open set elsewhere; what is not one of ours becomes a task and keeps its word.
fn kind(fields: &mut Map<String, Value>) {
    let known = |value: &Value| serde_json::from_value::<model::bead::IssueType>(value.clone()).is_ok();
    match fields.get("issue_type") {
        Some(value) if known(value) => return,
        Some(_) => move_aside(fields, "issue_type"),
        None => {}
    }
    fields.insert("issue_type".into(), json!("task"));
}

fn times(fields: &mut Map<String, Value>) -> Result<(), String> {
    for key in ["created_at", "updated_at", "closed_at"] {
        match fields.get(key) {
            None => {}
            Some(Value::String(text)) if text.is_empty() => {
                fields.remove(key);
            }
            Some(value) => {
                let at = time(value).map_err(|why| format!("{key}: {why}"))?;
                fields.insert(key.into(), json!(at));
            }
        }
    }
    let created = fields.get("created_at").or(fields.get("updated_at")).cloned();
    let created = created.unwrap_or_else(|| json!(Timestamp::default()));
    fields.entry("updated_at").or_insert_with(|| created.clone());
    fields.entry("created_at").or_insert(created);
    Ok(())
}

/// A time as RFC 3339, as a database prints it (a blank for the `T`, UTC if there is no zone), or as
/// seconds or milliseconds since 1970.
fn time(value: &Value) -> Result<Timestamp, String> {
    if let Some(n) = value.as_i64() {
        // As seconds, the limit is the year 5138; as milliseconds, 1973.
        let ms = if n.abs() < 100_000_000_000 { n.saturating_mul(1000) } else { n };
        return Ok(Timestamp::from_millis(ms));
    }
    let text = word(value)?.trim();
    text.parse().or_else(|error| {
        let mut parts = text.split_whitespace();
        let database = match (parts.next(), parts.next(), parts.next()) {
            // As Go prints it: date, time, offset, name of the zone.
            (Some(day), Some(hour), Some(offset)) => format!("{day}T{hour}{offset}"),
            (Some(day), Some(hour), None) => format!("{day}T{hour}"),
            _ => text.to_owned(),
        };
        database.parse().or_else(|_: String| format!("{database}Z").parse()).map_err(|_: String| error)
    })
}

fn rows(fields: &mut Map<String, Value>, key: &str) -> Result<Vec<Map<String, Value>>, String> {
    let Some(value) = fields.remove(key) else { return Ok(Vec::new()) };
    let Value::Array(rows) = value else { return Err(format!("{key} is not a list")) };
    rows.into_iter()
        .map(|row| match row {
            Value::Object(row) => Ok(row),
            _ => Err(format!("{key} holds something that is not an object")),
        })
        .collect()
}

/// Fills in who and when of a row from the bead that holds it.
fn complete(row: &mut Map<String, Value>, bead: &Map<String, Value>, who: &str) -> Result<(), String> {
    let at = match row.get("created_at") {
        Some(value) if !value.is_null() && *value != json!("") => json!(time(value)?),
        _ => bead.get("created_at").cloned().unwrap_or_else(|| json!(Timestamp::default())),
    };
    row.insert("created_at".into(), at);
    if row.get(who).is_none_or(Value::is_null) {
        row.insert(who.into(), bead.get("created_by").cloned().unwrap_or_else(|| json!("")));
    }
    Ok(())
}

fn dependencies(fields: &mut Map<String, Value>, id: &BeadId) -> Result<(), String> {
    let mut deps = rows(fields, "dependencies")?;
    for dep in &mut deps {
        complete(dep, fields, "created_by")?;
        dep.entry("issue_id").or_insert_with(|| json!(id));
        let kind = match dep.get("type").and_then(Value::as_str) {
            None | Some("waits-for" | "conditional-blocks") => "blocks",
            Some(known @ ("blocks" | "parent-child" | "discovered-from")) => known,
            // Whatever else it is, it holds nobody up.
            Some(_) => "relates-to",
        }
        .to_owned();
        dep.insert("type".into(), json!(kind));
    }
    fields.insert("dependencies".into(), json!(deps));
    Ok(())
}

/// Older programs count comments, newer ones give them names; here they have numbers.
fn comments(fields: &mut Map<String, Value>) -> Result<(), String> {
    let mut comments = rows(fields, "comments")?;
    let number = |comment: &Map<String, Value>| match comment.get("id") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
        None => None,
    };
    let numbers: Vec<Option<u64>> = comments.iter().map(number).collect();
    let in_order = numbers.iter().all(Option::is_some) && numbers.windows(2).all(|pair| pair[0] < pair[1]);
    for (n, comment) in comments.iter_mut().enumerate() {
        complete(comment, fields, "author")?;
        let id = if in_order { numbers[n] } else { Some(n as u64 + 1) };
        comment.insert("id".into(), json!(id));
    }
    if !comments.is_empty() {
        fields.insert("comments".into(), json!(comments));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{bead, rich_bead};
    use model::bead::{DepType, IssueType};

    fn one(line: &str) -> Bead {
        let import = import(line);
        assert_eq!(import.errors, []);
        import.beads.into_iter().next().unwrap()
    }

    #[test]
    fn out_and_in_again_is_the_same_and_so_are_the_bytes() {
        let beads = vec![bead("web-2"), rich_bead()];
        let text = export(&beads);
        let again = import(&text);
        assert_eq!(again.beads, [rich_bead(), bead("web-2")]);
        assert_eq!(export(&again.beads), text);
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn the_order_of_foreign_keys_does_not_show() {
        let a = one(r#"{"id":"x-1","title":"t","z":{"b":1,"a":{"d":1,"c":2}},"y":1}"#);
        let b = one(r#"{"id":"x-1","title":"t","y":1,"z":{"a":{"c":2,"d":1},"b":1}}"#);
        assert_eq!(export(&[a]), export(&[b]));
    }

    #[test]
    fn what_is_missing_takes_its_default() {
        let bead = one(r#"{"id":"x-1","title":"t","assignee":"","closed_at":"","labels":null}"#);
        assert_eq!(
            (bead.status, bead.priority, bead.issue_type),
            (Status::Open, Priority::default(), IssueType::Task)
        );
        assert_eq!((bead.assignee, bead.closed_at), (None, None));
        assert_eq!(bead.created_at, bead.updated_at);
    }

    #[test]
    fn times_are_read_in_all_the_ways_they_are_printed() {
        let expected = Timestamp::from_millis(1_766_927_432_000);
        for text in [
            "\"2025-12-28T13:10:32Z\"",
            "\"2025-12-28T05:10:32.000000001-08:00\"",
            "\"2025-12-28 13:10:32\"",
            "\"2025-12-28 13:10:32+00:00\"",
            "\"2025-12-28T13:10:32\"",
            "\"2025-12-28 05:10:32 -0800 PST\"",
            "1766927432",
            "1766927432000",
        ] {
            let bead = one(&format!(r#"{{"id":"x-1","title":"t","created_at":{text}}}"#));
            assert_eq!(bead.created_at, expected, "{text}");
        }
    }

    #[test]
    fn comments_have_numbers_whatever_they_had_before() {
        let ids = |comments: &str| -> Vec<u64> {
            let line = format!(r#"{{"id":"x-1","title":"t","comments":[{comments}]}}"#);
            one(&line).comments.iter().map(|comment| comment.id).collect()
        };
        assert_eq!(ids(r#"{"id":3,"text":"a"},{"id":7,"text":"b","author":"max","issue_id":"x-1"}"#), [3, 7]);
        assert_eq!(ids(r#"{"id":"3","text":"a"},{"id":"7","text":"b"}"#), [3, 7]);
        assert_eq!(ids(r#"{"id":"c-9f","text":"a"},{"id":"c-02","text":"b"}"#), [1, 2]);
    }

    #[test]
    fn foreign_words_are_kept_beside() {
        let bead = one(r#"{"id":"x-1","title":"t","issue_type":"agent","rig":"mayor","dependencies":[
                {"depends_on_id":"x-2","type":"related","metadata":"{}"},{"depends_on_id":"x-3"}]}"#
            .replace('\n', "")
            .as_str());
        assert_eq!((bead.issue_type, bead.rig), (IssueType::Task, None));
        assert_eq!(bead.extra["imported_issue_type"], "agent");
        assert_eq!(bead.extra["imported_rig"], "mayor");
        let kinds: Vec<DepType> = bead.dependencies.iter().map(|dep| dep.kind).collect();
        assert_eq!(kinds, [DepType::RelatesTo, DepType::Blocks]);
        assert_eq!(bead.dependencies[0].issue_id, bead.id);
    }

    #[test]
    fn a_wrong_line_spoils_no_other_and_a_tombstone_is_counted() {
        let long = "x".repeat(200_000);
        let text = format!(
            "\u{feff}{{\"id\":\"x-1\",\"title\":\"{long}\"}}\r\n\n{}\n{}\n[1]\n{}\n{}\n{}\n",
            r#"{"id":"x-2","status":"tombstone"}"#,
            "<<<<<<< HEAD",
            r#"{"title":"t"}"#,
            r#"{"id":"x-3","title":"t","status":"opne"}"#,
            r#"{"id":"x-4","title":"t","priority":9}"#,
        );
        let import = import(&text);
        assert_eq!(import.beads.len(), 1);
        assert_eq!(import.tombstones, 1);
        let lines: Vec<usize> = import.errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [4, 5, 6, 7, 8]);
        assert!(import.errors[3].to_string().contains("opne"));
    }
}
