//! Further fields of a bead, as options.

use clap::Args;
use model::refusal::Refusal;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::args::Reading;

/// Further fields, by the names of `bd`'s options.
#[derive(Debug, Default, Args)]
pub(crate) struct Fields {
    /// How it is to be done
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    design: Option<String>,
    /// Read that from a file
    #[arg(long, value_name = "FILE", conflicts_with = "design")]
    design_file: Option<String>,
    /// Notes
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    notes: Option<String>,
    /// When it should be done: +6h, tomorrow, next monday, 2030-01-31; empty takes it away
    #[arg(long, value_name = "TIME")]
    due: Option<String>,
    /// Until when it is put off; empty takes it away
    #[arg(long, value_name = "TIME")]
    defer: Option<String>,
    /// How long it takes: minutes, or 2h30m
    #[arg(long, short = 'e', value_name = "TIME")]
    estimate: Option<String>,
    /// What it is called elsewhere: gh-9, jira-ABC
    #[arg(long, value_name = "NAME")]
    external_ref: Option<String>,
    /// What it is specified in
    #[arg(long, value_name = "NAME")]
    spec_id: Option<String>,
    /// Data beside all fields, an object of JSON or @FILE
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// It is here for a while only, and leaves no trace in git
    #[arg(long)]
    ephemeral: bool,
    /// What it waits for, of a gate: gh:run, gh:pr, timer, human, mail
    #[arg(long, value_name = "KIND", hide = true)]
    await_type: Option<String>,
    /// What exactly
    #[arg(long, value_name = "ID", hide = true)]
    await_id: Option<String>,
}

/// Reads a point in time that lies ahead.
pub(super) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    model::moment::point(text, now).map_err(Refusal::usage)
}

impl Fields {
    /// The fields that were given, by the names of the exports.
    pub(super) fn read(
        self,
        reading: &Reading,
    ) -> Result<std::collections::BTreeMap<String, Value>, Refusal> {
        let mut fields = std::collections::BTreeMap::new();
        let design = reading.text_or_file(self.design, self.design_file)?;
        for (name, text) in [
            ("design", design),
            ("notes", self.notes),
            ("external_ref", self.external_ref),
            ("spec_id", self.spec_id),
            ("await_type", self.await_type),
            ("await_id", self.await_id),
        ] {
            fields.extend(text.map(|text| (name.to_owned(), json!(text))));
        }
        for (name, text) in [("due_at", self.due), ("defer_until", self.defer)] {
            if let Some(text) = text {
                let at = if text.is_empty() { Value::Null } else { json!(moment(&text, reading.now)?) };
                fields.insert(name.to_owned(), at);
            }
        }
        if let Some(text) = self.estimate {
            let minutes = match text.parse::<u64>() {
                Ok(minutes) => minutes,
                Err(_) => model::moment::span(&text).map_err(Refusal::usage)?.as_secs().div_ceil(60),
            };
            fields.insert("estimated_minutes".into(), json!(minutes));
        }
        if let Some(text) = self.metadata {
            let text = match text.strip_prefix('@') {
                Some(file) => reading.file(file)?,
                None => text,
            };
            let map: Value = serde_json::from_str(&text)
                .map_err(|error| Refusal::usage(format!("--metadata is no JSON: {error}")))?;
            if !map.is_object() {
                return Err(Refusal::usage("--metadata is an object of JSON, as {\"team\":\"core\"}"));
            }
            fields.insert("metadata".into(), map);
        }
        if self.ephemeral {
            fields.insert("ephemeral".into(), json!(true));
        }
        Ok(fields)
    }
}
