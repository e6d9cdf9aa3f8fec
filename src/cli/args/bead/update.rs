//! `bead update`: what is changed by hand.

use clap::Args;
use model::bead::{IssueType, Patch, Priority, Status};
use model::command::Command;
use model::ids::BeadId;
use model::refusal::Refusal;
use serde_json::Value;

use super::fields::Fields;
use crate::args::Reading;

/// Change beads by hand
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Which
    #[arg(value_name = "BEAD", required = true)]
    ids: Vec<BeadId>,
    /// New title
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    title: Option<String>,
    /// New status
    #[arg(long, short)]
    status: Option<Status>,
    /// New type
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    issue_type: Option<IssueType>,
    /// New urgency
    #[arg(long, short)]
    priority: Option<Priority>,
    /// New description
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "body_file")]
    description: Option<String>,
    /// Read the new description from a file, standard input for `-`
    #[arg(long, short = 'f', value_name = "FILE")]
    body_file: Option<String>,
    /// New acceptance criteria
    #[arg(long, alias = "acceptance-criteria", value_name = "TEXT", allow_hyphen_values = true)]
    acceptance: Option<String>,
    /// New assignee; an empty one takes it away
    #[arg(long, short, value_name = "WHO")]
    assignee: Option<String>,
    /// Become the assignee, if nobody is
    #[arg(long, conflicts_with = "assignee")]
    claim: bool,
    /// Labels to add
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    add_label: Vec<String>,
    /// Labels to take away
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    remove_label: Vec<String>,
    /// The labels that it has from now on
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    set_labels: Option<Vec<String>>,
    /// A line more in the notes
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "notes")]
    append_notes: Option<String>,
    /// What it is a part of from now on; an empty one takes it out
    #[arg(long, value_name = "BEAD")]
    parent: Option<String>,
    /// A key of the metadata; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::args::work::pair)]
    set_metadata: Vec<(String, String)>,
    /// A key of the metadata to take away; may be repeated
    #[arg(long, value_name = "KEY")]
    unset_metadata: Vec<String>,
    /// It is to stay: no longer here for a while only
    #[arg(long, conflicts_with = "ephemeral")]
    persistent: bool,
    #[command(flatten)]
    fields: Fields,
}

impl Update {
    pub(super) fn command(self, reading: &Reading) -> Result<Command, Refusal> {
        let mut fields = self.fields.read(reading)?;
        if self.persistent {
            fields.insert("ephemeral".into(), Value::Null);
        }
        // What reads as JSON is that; anything else is a text.
        let value = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        let set = self.set_metadata.into_iter().map(|(key, text)| (key, value(text)));
        let metadata = set.chain(self.unset_metadata.into_iter().map(|key| (key, Value::Null))).collect();
        let patch = Patch {
            title: self.title,
            description: reading.text_or_file(self.description, self.body_file)?,
            acceptance_criteria: self.acceptance,
            priority: self.priority,
            issue_type: self.issue_type,
            assignee: self.assignee,
            add_labels: self.add_label,
            remove_labels: self.remove_label,
            set_labels: self
                .set_labels
                .map(|labels| labels.into_iter().filter(|label| !label.is_empty()).collect()),
            fields,
            append_notes: self.append_notes,
            metadata,
        };
        if patch.is_empty() && self.status.is_none() && !self.claim && self.parent.is_none() {
            return Err(Refusal::usage("nothing to change was given").hint("see `gastown help bead update`"));
        }
        Ok(Command::BeadUpdate {
            ids: self.ids,
            patch,
            status: self.status,
            claim: self.claim,
            parent: self.parent,
        })
    }
}
