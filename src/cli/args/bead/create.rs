//! `bead create`: one bead from options, or many from a file.

use std::str::FromStr;

use clap::Args;
use model::bead::{DepType, IssueType, Priority};
use model::command::{Command, NewBead};
use model::ids::BeadId;
use model::refusal::Refusal;

use super::batch;
use super::fields::Fields;
use crate::args::{Intent, Reading, View};

/// Make a bead
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gastown bead create \"Fix the login\" --rig web -t bug -p 1\n  \
                        gastown bead create --title \"Part two\" --parent web-4k2f --body-file part.md\n  \
                        gastown bead create -f plan.md      # a bead for each `## heading`\n  \
                        gastown bead create --graph plan.json --dry-run")]
pub(crate) struct Create {
    /// One line: what is to be done
    #[arg(value_name = "TITLE", required_unless_present_any = ["title_flag", "file", "graph"], conflicts_with = "title_flag")]
    title: Option<String>,
    /// The same as an option
    #[arg(long = "title", id = "title_flag", value_name = "TITLE")]
    title_flag: Option<String>,
    /// task, bug, feature, epic or chore
    #[arg(long = "type", short = 't', alias = "issue-type", value_name = "TYPE", default_value = "task")]
    issue_type: IssueType,
    /// P0 (critical) to P4 (backlog)
    #[arg(long, short, default_value = "P2")]
    priority: Priority,
    /// The whole of it, in Markdown
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "body_file")]
    description: Option<String>,
    /// Read the description from a file, standard input for `-`
    #[arg(long, alias = "description-file", value_name = "FILE")]
    body_file: Option<String>,
    /// Make a bead of each `## heading` of a file; with a title, read the description from it
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "body_file")]
    file: Option<String>,
    /// Make the beads of a graph in a file: {"nodes":[{"key","title",…}],"edges":[{"from","to","type"}]}
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "body_file", "title", "title_flag"])]
    graph: Option<String>,
    /// Read the description from standard input
    #[arg(long, conflicts_with_all = ["body_file", "file", "description"])]
    stdin: bool,
    /// The name that it is to have
    #[arg(long, value_name = "BEAD")]
    id: Option<BeadId>,
    /// Of what it waits for with `waits-for:`, that one closed part is enough
    #[arg(long, value_name = "GATE", value_parser = ["all-children", "any-children"])]
    waits_for_gate: Option<String>,
    /// It waits for the parts of this bead
    #[arg(long, value_name = "BEAD")]
    waits_for: Option<BeadId>,
    /// Only say what would be made
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    fields: Fields,
    /// How one sees that it is done
    #[arg(long, alias = "acceptance-criteria", value_name = "TEXT", allow_hyphen_values = true)]
    acceptance: Option<String>,
    /// The rig it belongs to, `hq` for the town; the one you are in when not given
    #[arg(long, value_name = "RIG")]
    rig: Option<String>,
    /// The bead that it is a part of
    #[arg(long, value_name = "BEAD")]
    parent: Option<BeadId>,
    /// What it depends on: TYPE:BEAD or BEAD (blocks), separated by commas
    #[arg(long, alias = "depends-on", value_name = "TYPE:BEAD,…", value_delimiter = ',', value_parser = Arrow::from_str)]
    deps: Vec<Arrow>,
    /// Words to sort by, separated by commas
    #[arg(long, short, alias = "label", value_name = "WORD,…", value_delimiter = ',')]
    labels: Vec<String>,
    /// Who is to do it
    #[arg(long, short, value_name = "WHO")]
    assignee: Option<String>,
    /// Print only the id
    #[arg(long, short, alias = "quiet")]
    silent: bool,
}

/// What `--deps` holds: how, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrow(DepType, BeadId);

impl FromStr for Arrow {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, id) = match text.split_once(':') {
            Some((kind, id)) => (kind.trim().parse()?, id),
            None => (DepType::Blocks, text),
        };
        Ok(Arrow(kind, id.trim().parse().map_err(|error: model::ids::BadName| error.to_string())?))
    }
}

impl Create {
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        let rig = match self.rig.as_deref() {
            Some("hq" | "town") => None,
            Some(name) => {
                Some(name.parse().map_err(|error: model::ids::BadName| Refusal::usage(error.to_string()))?)
            }
            // A part lies where the whole lies.
            None if self.parent.is_some() => None,
            None => reading.rig.clone(),
        };
        let has_title = self.title.is_some() || self.title_flag.is_some();
        let many = match (&self.file, &self.graph) {
            (Some(file), _) if !has_title => {
                Some(batch::markdown(&reading.file(file)?, rig.as_ref(), self.parent.as_ref())?)
            }
            (_, Some(file)) => Some(batch::graph(&reading.file(file)?, rig.as_ref(), self.parent.as_ref())?),
            _ => None,
        };
        let view = if self.silent { View::Ids } else { View::Usual };
        if let Some(nodes) = many {
            return Ok(Intent::Ask(Command::BeadPlan(batch::plan(nodes, self.dry_run)), view));
        }
        let body = self.body_file.or(self.file).or_else(|| self.stdin.then(|| "-".to_owned()));
        let mut deps: Vec<(DepType, BeadId)> =
            self.deps.into_iter().map(|Arrow(kind, id)| (kind, id)).collect();
        deps.extend(self.waits_for.map(|on| (DepType::WaitsFor, on)));
        let new = NewBead {
            title: self.title.or(self.title_flag).unwrap_or_default(),
            description: reading.text_or_file(self.description, body)?.unwrap_or_default(),
            acceptance_criteria: self.acceptance.unwrap_or_default(),
            id: self.id,
            fields: self.fields.read(reading)?,
            any_child: self.waits_for_gate.as_deref() == Some("any-children"),
            dry_run: self.dry_run,
            priority: self.priority,
            issue_type: self.issue_type,
            rig,
            parent: self.parent,
            deps,
            labels: self.labels.into_iter().filter(|label| !label.is_empty()).collect(),
            assignee: self.assignee,
        };
        Ok(Intent::Ask(Command::BeadCreate(new), view))
    }
}
