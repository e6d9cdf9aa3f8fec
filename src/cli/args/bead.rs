//! `bead …`, which is all of `bd`: the ledger of work, with the habits of those who know `bd`.

mod batch;
mod filter;
mod more;

use std::io::IsTerminal;
use std::str::FromStr;

use clap::{Args, Subcommand};
use model::bead::{DepType, IssueType, Patch, Priority, Status};
use model::command::{BeadFilter, Command, NewBead};
use model::ids::{BeadId, RigName};
use model::refusal::Refusal;
use model::time::Timestamp;
use model::work::Question;
use serde_json::{Value, json};

use super::{Intent, Reading, View, elsewhere};
use crate::files;

pub(crate) use self::filter::Filter;
use self::filter::Order;
use self::more::{DepAsk, More};

/// Make, find and change beads: pieces of work
#[derive(Debug, Subcommand)]
pub(crate) enum Bead {
    /// Make a bead
    #[command(alias = "new")]
    Create(Box<Create>),
    /// List beads, the closed ones only when asked
    #[command(alias = "ls")]
    List(Box<List>),
    /// Show beads with everything known about them
    #[command(alias = "view")]
    Show {
        /// Which
        #[arg(value_name = "BEAD", required = true)]
        ids: Vec<BeadId>,
    },
    /// List the beads that could be worked at now
    Ready(Box<Ready>),
    /// Change beads by hand
    Update(Box<Update>),
    /// Change a text of a bead in your editor
    Edit(Edit),
    /// Close beads
    Close {
        /// Which
        #[arg(value_name = "BEAD", required = true)]
        ids: Vec<BeadId>,
        /// Why
        #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
        reason: Option<String>,
        /// Even if a safety rule says no
        #[arg(long, short)]
        force: bool,
        /// Also say what can be begun because of it
        #[arg(long)]
        suggest_next: bool,
        /// As given up: what is to be done on failure may go on
        #[arg(long)]
        failed: bool,
    },
    /// Open closed beads again
    Reopen {
        /// Which
        #[arg(value_name = "BEAD", required = true)]
        ids: Vec<BeadId>,
        /// Why
        #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
        reason: Option<String>,
    },
    /// Say what depends on what
    #[command(subcommand)]
    Dep(Dep),
    /// Add and remove labels
    #[command(subcommand)]
    Label(Label),
    /// Add a remark to a bead
    #[command(alias = "comments")]
    Comment {
        /// On which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// What; with none, the remarks that there are
        text: Vec<String>,
        /// Read it from a file, standard input for `-`
        #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "text")]
        file: Option<String>,
    },
    /// Find beads by words in id, title or description
    Search {
        /// The words
        #[arg(required = true)]
        words: Vec<String>,
        #[command(flatten)]
        filter: Box<Filter>,
        /// Closed ones too
        #[arg(long)]
        all: bool,
        /// With one of these
        #[arg(long, short, value_delimiter = ',', value_parser = any_status)]
        status: Vec<Status>,
        #[command(flatten)]
        order: Order,
    },
    /// Print beads as JSON lines
    #[command(
        after_help = "One bead per line, by id, in the form of `bd export`; the same beads give the same \
                            bytes. Beads that were deleted elsewhere are in it, as tombstones."
    )]
    Export {
        /// The file to write, as a whole; standard output when not given
        #[arg(long, short, value_name = "FILE")]
        output: Option<String>,
        #[command(flatten)]
        filter: Box<Filter>,
    },
    /// Take beads in from JSON lines
    Import(Import),
    /// Write the beads of each rig to its .beads/issues.jsonl and commit that on the branch beads-sync
    #[command(
        after_help = "The branch holds nothing else, and no branch with code ever gets a bead file. The \
                            town's own beads go to the town's .beads/issues.jsonl, which is not committed. A \
                            push that the remote does not take is a warning."
    )]
    Sync {
        /// Of this rig; all of them and the town when not given
        #[arg(long, value_name = "RIG")]
        rig: Option<RigName>,
        /// Leave the remotes alone
        #[arg(long, visible_alias = "flush-only")]
        no_push: bool,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
    },
    #[command(flatten)]
    More(More),
}

/// Take beads in from JSON lines
#[derive(Debug, Args)]
#[command(after_help = "Takes exports of `bd` of all times, and dumps of its tables: give their folder, or \
                        several files that belong together. New beads are made; of known ones the newer \
                        counts, by updated_at; the same file twice changes nothing. Statuses, types and keys of \
                        elsewhere are kept as they are.\n\n\
                        Examples:\n  gastown bead import issues.jsonl\n  gastown bead import ../project/.beads \
                        --dry-run\n  git show beads-sync:.beads/issues.jsonl | gastown bead import -")]
pub(crate) struct Import {
    /// Files, or a folder with exported tables; standard input when not given, or for `-`
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// The same, as `bd` has it
    #[arg(long, short, value_name = "FILE", hide = true, conflicts_with = "files")]
    input: Option<String>,
    /// Only say what would become of them
    #[arg(long)]
    dry_run: bool,
    /// Leave lines out that are wrong, and list them, instead of importing nothing
    #[arg(long)]
    skip_errors: bool,
}

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
    fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
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
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    model::moment::point(text, now).map_err(Refusal::usage)
}

impl Fields {
    /// The fields that were given, by the names of the exports.
    fn read(self, reading: &Reading) -> Result<std::collections::BTreeMap<String, Value>, Refusal> {
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

/// List the beads that could be worked at now
#[derive(Debug, Args)]
pub(crate) struct Ready {
    /// Say why each bead is ready or not
    #[arg(long)]
    explain: bool,
    /// Also what is put off
    #[arg(long)]
    include_deferred: bool,
    /// Take the first of them: become its assignee
    #[arg(long)]
    claim: bool,
    /// Steps that have waited at a gate and can go on
    #[arg(long, hide = true)]
    gated: bool,
    /// priority, oldest, created, updated, id, title, type or assignee
    #[arg(long, short = 's', value_name = "BY", default_value = "priority", value_parser = filter::sort)]
    sort: model::work::Sort,
    #[command(flatten)]
    filter: Filter,
}

impl Ready {
    /// What these words want.
    pub(crate) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        if self.gated {
            return Ok(Command::GateCheck.into());
        }
        let filter =
            BeadFilter { sort: self.sort, deferred: self.include_deferred, ..self.filter.read(reading)? };
        Ok(match (self.explain, self.claim) {
            (true, _) => Command::BeadAsk(Question::Explain(filter)).into(),
            (false, true) => Command::BeadClaimNext(filter).into(),
            (false, false) => Command::BeadReady(filter).into(),
        })
    }
}

/// Change a text of a bead in your editor
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Edit {
    /// Which
    #[arg(value_name = "BEAD")]
    pub(crate) bead: BeadId,
    /// The title
    #[arg(long, group = "field")]
    title: bool,
    /// The description, which is also meant when nothing is said
    #[arg(long, group = "field")]
    description: bool,
    /// The design
    #[arg(long, group = "field")]
    design: bool,
    /// The notes
    #[arg(long, group = "field")]
    notes: bool,
    /// How one sees that it is done
    #[arg(long, group = "field")]
    acceptance: bool,
}

impl Edit {
    /// The text that is to be changed, and what changes it to another.
    pub(crate) fn of(&self, bead: &model::bead::Bead) -> (String, fn(String) -> Patch) {
        fn field(name: &str, text: String) -> Patch {
            Patch { fields: [(name.to_owned(), json!(text))].into(), ..Patch::default() }
        }
        if self.title {
            (bead.title.clone(), |text| Patch { title: Some(text.trim().to_owned()), ..Patch::default() })
        } else if self.design {
            (bead.text("design").to_owned(), |text| field("design", text))
        } else if self.notes {
            (bead.text("notes").to_owned(), |text| field("notes", text))
        } else if self.acceptance {
            let patch = |text: String| Patch { acceptance_criteria: Some(text), ..Patch::default() };
            (bead.acceptance_criteria.clone(), patch)
        } else {
            (bead.description.clone(), |text| Patch { description: Some(text), ..Patch::default() })
        }
    }
}

/// Reads a status of ours as people write it, or any other: an import may have brought it.
fn any_status(text: &str) -> Result<Status, String> {
    text.parse().or_else(|_| Status::of(text))
}

fn any_type(text: &str) -> Result<IssueType, String> {
    text.parse().or_else(|_| IssueType::of(text))
}

/// List beads, the closed ones only when asked
#[derive(Debug, Args)]
pub(crate) struct List {
    /// With one of these: open, in_progress, hooked, blocked, deferred, pinned, closed, or a word of an import
    #[arg(long, short, value_delimiter = ',', value_parser = any_status)]
    status: Vec<Status>,
    /// Closed ones too
    #[arg(long)]
    all: bool,
    /// Only those that could be worked at now
    #[arg(long)]
    ready: bool,
    /// Of `bd`; means nothing here
    #[arg(long, hide = true, aliases = ["flat", "long", "plain", "no-color-pager"])]
    no_pager: bool,
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    filter: Filter,
}

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
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::work::pair)]
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
    fn command(self, reading: &Reading) -> Result<Command, Refusal> {
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

/// Say what depends on what
#[derive(Debug, Subcommand)]
pub(crate) enum Dep {
    /// Make a bead depend on another
    Add {
        /// What depends
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// On what
        #[arg(value_name = "DEPENDS-ON")]
        on: BeadId,
        /// blocks, parent-child, relates-to, discovered-from, conditional-blocks, waits-for, or any other word for a
        /// link that holds nobody up; blocks when not given, or parent-child for work on an epic
        #[arg(long = "type", short = 't', value_name = "TYPE")]
        kind: Option<DepType>,
    },
    /// Take such an arrow away
    #[command(alias = "rm")]
    Remove {
        /// What depended
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// On what
        #[arg(value_name = "DEPENDS-ON")]
        on: BeadId,
    },
    /// Say that two beads have to do with each other
    Relate {
        /// One
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// The other
        #[arg(value_name = "OTHER")]
        on: BeadId,
    },
    #[command(flatten)]
    Ask(DepAsk),
}

/// Add and remove labels
#[derive(Debug, Subcommand)]
pub(crate) enum Label {
    /// Add a label to beads
    Add(Labelled),
    /// Take a label away from beads
    #[command(alias = "rm")]
    Remove(Labelled),
    /// List the labels of a bead
    List {
        /// Which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
    },
    /// List all labels, and how many beads bear them
    ListAll,
}

/// Beads, then one label.
#[derive(Debug, Args)]
pub(crate) struct Labelled {
    /// Beads, then the label
    #[arg(value_name = "BEAD… LABEL", num_args = 2.., required = true)]
    words: Vec<String>,
}

impl Label {
    fn command(self) -> Result<Command, Refusal> {
        let (add, Labelled { mut words }) = match self {
            Label::Add(labelled) => (true, labelled),
            Label::Remove(labelled) => (false, labelled),
            Label::List { bead } => return Ok(Command::BeadShow(vec![bead])),
            Label::ListAll => return Ok(Command::BeadAsk(Question::Labels)),
        };
        let labels: Vec<String> = words.pop().into_iter().collect();
        let ids: Result<Vec<BeadId>, _> = words.iter().map(|word| word.parse()).collect();
        let ids = ids.map_err(|error| Refusal::usage(error.to_string()).hint("the label comes last"))?;
        let patch = if add {
            Patch { add_labels: labels, ..Patch::default() }
        } else {
            Patch { remove_labels: labels, ..Patch::default() }
        };
        Ok(Command::BeadUpdate { ids, patch, status: None, claim: false, parent: None })
    }
}

impl Import {
    fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        let Some(cwd) = &reading.cwd else {
            return Err(elsewhere("a file cannot be named here").hint("run `gt bead import FILE` in a shell"));
        };
        let mut names = self.files;
        names.extend(self.input);
        if names.is_empty() {
            // Nobody waits at a terminal for what was not asked.
            if std::io::stdin().is_terminal() {
                return Err(Refusal::usage("there is nothing to import").hint("gastown bead import FILE"));
            }
            names.push("-".to_owned());
        }
        let (files, note) = files::json_lines(cwd, &names)?;
        let command = Command::BeadImport { files, dry_run: self.dry_run, skip_errors: self.skip_errors };
        Ok(match note {
            Some(note) => Intent::Noted(note, command),
            None => command.into(),
        })
    }
}

impl Bead {
    /// What the words of `bead` want.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        Ok(match self {
            Bead::Create(create) => return create.intent(reading),
            Bead::List(list) => {
                let List { status, all, ready, order, filter, no_pager: _ } = *list;
                let Order { sort, reverse } = order;
                let filter = BeadFilter { status, all, sort, reverse, ..filter.read(reading)? };
                if ready { Command::BeadReady(filter).into() } else { Command::BeadList(filter).into() }
            }
            Bead::Edit(edit) => Intent::Edit(edit),
            Bead::More(more) => return more.intent(reading),
            Bead::Show { ids } => Command::BeadShow(ids).into(),
            Bead::Ready(ready) => return ready.intent(reading),
            Bead::Update(update) => update.command(reading)?.into(),
            Bead::Close { ids, reason, force, suggest_next, failed } => {
                let reason = match (failed, reason) {
                    (true, Some(why)) => Some(format!("failed: {why}")),
                    (true, None) => Some("failed".to_owned()),
                    (false, reason) => reason,
                };
                Command::BeadClose { ids, reason, force, suggest: suggest_next }.into()
            }
            Bead::Reopen { ids, reason } => Command::BeadReopen { ids, reason }.into(),
            Bead::Dep(Dep::Add { bead, on, kind }) => Command::DepAdd { bead, on, kind }.into(),
            Bead::Dep(Dep::Remove { bead, on }) => Command::DepRemove { bead, on }.into(),
            Bead::Dep(Dep::Relate { bead, on }) => {
                Command::DepAdd { bead, on, kind: Some(DepType::RelatesTo) }.into()
            }
            Bead::Dep(Dep::Ask(ask)) => ask.intent(),
            Bead::Label(label) => label.command()?.into(),
            Bead::Comment { bead, text, file } => match (text.is_empty(), file) {
                (true, None) => Command::BeadShow(vec![bead]).into(),
                (_, file) => {
                    let given = Some(text.join(" ")).filter(|text| !text.is_empty());
                    let text = reading.text_or_file(given, file)?.unwrap_or_default();
                    Command::CommentAdd { bead, text }.into()
                }
            },
            Bead::Search { words, filter, all, status, order } => {
                let Order { sort, reverse } = order;
                let filter = BeadFilter { status, all, sort, reverse, ..filter.read(reading)? };
                Command::BeadList(BeadFilter { text: Some(words.join(" ")), ..filter }).into()
            }
            Bead::Export { output, filter } => {
                let command = Command::BeadExport(BeadFilter { all: true, ..filter.read(reading)? });
                return match (output, &reading.cwd) {
                    (None, _) => Ok(command.into()),
                    (Some(file), Some(cwd)) => Ok(Intent::Save(command, cwd.join(file))),
                    (Some(_), None) => Err(elsewhere("a file cannot be named here")
                        .hint("run `gt bead export -o FILE` in a shell")),
                };
            }
            Bead::Import(import) => return import.intent(reading),
            Bead::Sync { rig, no_push, dry_run } => Command::BeadSync { rig, push: !no_push, dry_run }.into(),
        })
    }
}
