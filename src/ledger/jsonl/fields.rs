//! The fields of a bead in JSON lines: their order, and which say nothing when they are empty.
//!
//! The order is that of `bd export`. What `bd` leaves out when it is empty (Go's `omitempty`), and what
//! older versions and dumps of its tables fill with empty texts, zeros and nulls, says nothing and is left
//! out. What nobody here has heard of is kept as it came, empty or not, and stands at the end, by name.

use serde_json::{Map, Value};

/// Written even when empty.
const ALWAYS: [&str; 10] = [
    "id",
    "title",
    "status",
    "priority",
    "issue_type",
    "created_at",
    "updated_at",
    "dependency_count",
    "dependent_count",
    "comment_count",
];

/// All fields of `bd`, in its order.
const ORDER: [&str; 66] = [
    "_type",
    "id",
    "title",
    "description",
    "design",
    "acceptance_criteria",
    "notes",
    "spec_id",
    "status",
    "priority",
    "issue_type",
    "assignee",
    "owner",
    "estimated_minutes",
    "created_at",
    "created_by",
    "updated_at",
    "started_at",
    "closed_at",
    "close_reason",
    "closed_by_session",
    "due_at",
    "defer_until",
    "external_ref",
    "source_system",
    "metadata",
    "compaction_level",
    "compacted_at",
    "compacted_at_commit",
    "original_size",
    "labels",
    "dependencies",
    "comments",
    "deleted_at",
    "deleted_by",
    "delete_reason",
    "original_type",
    "sender",
    "ephemeral",
    "no_history",
    "wisp",
    "wisp_type",
    "pinned",
    "is_template",
    "bonded_from",
    "await_type",
    "await_id",
    "timeout",
    "waiters",
    "source_formula",
    "source_location",
    "source_repo",
    "mol_type",
    "work_type",
    "event_kind",
    "actor",
    "target",
    "payload",
    "hook_bead",
    "role_bead",
    "agent_state",
    "rig",
    "dependency_count",
    "dependent_count",
    "comment_count",
    "parent",
];

/// Columns of tables that `bd` once had or has inside, and that come in dumps.
const COLUMNS: [&str; 6] =
    ["content_hash", "crystallizes", "last_activity", "quality_score", "role_type", "timeout_ns"];

/// Marks that tables hold as 0 and 1.
pub(super) const MARKS: [&str; 5] = ["ephemeral", "is_template", "no_history", "pinned", "wisp"];

/// Takes out what says nothing.
pub(super) fn drop_empty(fields: &mut Map<String, Value>) {
    fields.retain(|key, value| {
        let optional = ORDER.contains(&key.as_str()) && !ALWAYS.contains(&key.as_str());
        !(optional || COLUMNS.contains(&key.as_str())) || !is_empty(key, value)
    });
}

fn is_empty(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        // An estimate of nothing is an estimate.
        Value::Number(n) => key != "estimated_minutes" && n.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || (key == "metadata" && text == "{}"),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Puts `fields` into the one order.
pub(super) fn sort(fields: Map<String, Value>) -> Map<String, Value> {
    let place = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    let mut rows: Vec<(String, Value)> = fields.into_iter().collect();
    rows.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
    rows.into_iter().collect()
}
