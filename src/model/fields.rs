//! The further fields of a bead: those that `bd` knows beside the ones that rules hang on.
//!
//! They live in [`Bead::extra`] under the names of the exports, so that a bead from elsewhere and one made here
//! are the same on disk. Here is what may be written into each, and how they are read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::bead::Bead;
use crate::near;
use crate::stamp::Stamp;
use crate::time::Timestamp;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A point in time.
    Time,
    /// A number that is not negative.
    Count,
    /// Yes or no.
    Mark,
    /// An object.
    Object,
}

/// Every field that can be set by hand, by the name that exports have for it.
pub const FIELDS: [(&str, Kind); 18] = [
    ("design", Kind::Text),
    ("notes", Kind::Text),
    ("external_ref", Kind::Text),
    ("spec_id", Kind::Text),
    ("estimated_minutes", Kind::Count),
    ("due_at", Kind::Time),
    ("defer_until", Kind::Time),
    ("started_at", Kind::Time),
    ("metadata", Kind::Object),
    ("owner", Kind::Text),
    ("pinned", Kind::Mark),
    ("ephemeral", Kind::Mark),
    ("is_template", Kind::Mark),
    ("mol_type", Kind::Text),
    ("await_type", Kind::Text),
    ("await_id", Kind::Text),
    ("timeout", Kind::Text),
    ("waiters", Kind::Text),
];

/// Looks whether `value` may stand in the field `name`; null takes the field away.
///
/// # Errors
/// Says what is wrong, with near matches for a name that is none.
pub fn check(name: &str, value: &Value) -> Result<(), String> {
    let Some((_, kind)) = FIELDS.iter().find(|(known, _)| *known == name) else {
        let near = near::did_you_mean(&near::matches(name, FIELDS.iter().map(|(name, _)| *name)));
        return Err(format!("{name:?} is no field{}", near.map(|n| format!("; {n}")).unwrap_or_default()));
    };
    let fits = match (kind, value) {
        (_, Value::Null) => true,
        (Kind::Text, Value::String(_)) | (Kind::Mark, Value::Bool(_)) | (Kind::Object, Value::Object(_)) => {
            true
        }
        (Kind::Time, Value::String(text)) => text.parse::<Stamp>().is_ok(),
        (Kind::Count, value) => value.as_u64().is_some(),
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{value} does not fit into {name}, which holds {}", kind.told())) }
}

impl Kind {
    fn told(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Time => "a time, as 2030-01-31T12:00:00Z",
            Kind::Count => "a number",
            Kind::Mark => "true or false",
            Kind::Object => "an object of JSON",
        }
    }
}

/// Writes `value` into the field `name`; null, an empty text and an empty object take it away.
pub fn set(extra: &mut BTreeMap<String, Value>, name: &str, value: &Value) {
    let empty = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if empty {
        extra.remove(name);
    } else {
        extra.insert(name.to_owned(), value.clone());
    }
}

/// Closing words that say that a bead was not done: those of `bd`.
const FAILURES: [&str; 11] = [
    "failed",
    "rejected",
    "wontfix",
    "won't fix",
    "canceled",
    "cancelled",
    "abandoned",
    "blocked",
    "error",
    "timeout",
    "aborted",
];

impl Bead {
    /// The text of a further field; nothing if it is not there.
    pub fn text(&self, field: &str) -> &str {
        self.extra.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The time in a further field.
    pub fn time(&self, field: &str) -> Option<Timestamp> {
        self.extra.get(field)?.as_str()?.parse::<Stamp>().ok().map(|at| at.at())
    }

    /// What is known about it beside all fields: an object, whether it came as one or as a text of JSON.
    pub fn metadata(&self) -> Map<String, Value> {
        match self.extra.get("metadata") {
            Some(Value::Object(map)) => map.clone(),
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            _ => Map::new(),
        }
    }

    /// How long somebody thinks that it takes, in minutes.
    pub fn estimate(&self) -> Option<u64> {
        self.extra.get("estimated_minutes").and_then(Value::as_u64).filter(|minutes| *minutes > 0)
    }

    /// Whether it was closed without having been done, as its closing words say: what waits for a failure may go on.
    pub fn has_failed(&self) -> bool {
        let reason = self.close_reason.as_deref().unwrap_or_default().to_lowercase();
        FAILURES.iter().any(|word| reason.contains(word))
    }

    /// Adds to and takes from the metadata; null takes away.
    pub fn change_metadata(&mut self, changes: &BTreeMap<String, Value>) {
        if changes.is_empty() {
            return;
        }
        let mut map = self.metadata();
        for (key, value) in changes {
            match value {
                Value::Null => drop(map.remove(key)),
                value => drop(map.insert(key.clone(), value.clone())),
            }
        }
        set(&mut self.extra, "metadata", &json!(map));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_takes_what_it_is_for() {
        assert!(check("due_at", &json!("2030-01-31T12:00:00Z")).is_ok());
        assert!(check("due_at", &json!("soon")).is_err());
        assert!(check("estimated_minutes", &json!(30)).is_ok());
        assert!(check("estimated_minutes", &json!(-1)).is_err());
        assert!(check("desing", &json!("x")).unwrap_err().contains("design"));
        assert!(check("metadata", &json!({"a": 1})).is_ok() && check("metadata", &json!("a")).is_err());
        assert!(check("notes", &Value::Null).is_ok());
    }
}
