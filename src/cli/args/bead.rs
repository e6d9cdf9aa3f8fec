//! `bead …`, which is all of `bd`: the ledger of work, with the habits of those who know `bd`.

use std::io::IsTerminal;
use std::str::FromStr;

use clap::{Args, Subcommand};
use model::bead::{DepType, IssueType, Patch, Priority, Status};
use model::command::{BeadFilter, Command, NewBead};
use model::ids::{BeadId, RigName};
use model::refusal::Refusal;

use super::{Intent, Reading, View, elsewhere};
use crate::files;

/// Make, find and change beads: pieces of work
#[derive(Debug, Subcommand)]
pub(crate) enum Bead {
    /// Make a bead
    #[command(alias = "new")]
    Create(Box<Create>),
    /// List beads, the closed ones only when asked
    #[command(alias = "ls")]
    List(List),
    /// Show beads with everything known about them
    #[command(alias = "view")]
    Show {
        /// Which
        #[arg(value_name = "BEAD", required = true)]
        ids: Vec<BeadId>,
    },
    /// List the beads that could be worked at now
    Ready(Filter),
    /// Change beads by hand
    #[command(alias = "edit")]
    Update(Box<Update>),
    /// Close beads
    Close {
        /// Which
        #[arg(value_name = "BEAD", required = true)]
        ids: Vec<BeadId>,
        /// Why
        #[arg(long, short, value_name = "TEXT")]
        reason: Option<String>,
        /// Even if a safety rule says no
        #[arg(long, short)]
        force: bool,
    },
    /// Open closed beads again
    Reopen {
        /// Which
        #[arg(value_name = "BEAD", required = true)]
        ids: Vec<BeadId>,
        /// Why
        #[arg(long, short, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Say what depends on what
    #[command(subcommand)]
    Dep(Dep),
    /// Add and remove labels
    #[command(subcommand)]
    Label(Label),
    /// Add a remark to a bead
    Comment {
        /// On which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// What
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Find beads by words in id, title or description
    Search {
        /// The words
        #[arg(required = true)]
        words: Vec<String>,
        #[command(flatten)]
        filter: Filter,
        /// Closed ones too
        #[arg(long)]
        all: bool,
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
        filter: Filter,
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
                        gastown bead create --title \"Part two\" --parent web-4k2f -f plan.md")]
pub(crate) struct Create {
    /// One line: what is to be done
    #[arg(value_name = "TITLE", required_unless_present = "title_flag", conflicts_with = "title_flag")]
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
    #[arg(long, short, value_name = "TEXT", conflicts_with = "body_file")]
    description: Option<String>,
    /// Read the description from a file, standard input for `-`
    #[arg(long, short = 'f', alias = "file", value_name = "FILE")]
    body_file: Option<String>,
    /// How one sees that it is done
    #[arg(long, alias = "acceptance-criteria", value_name = "TEXT")]
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
        let new = NewBead {
            title: self.title.or(self.title_flag).unwrap_or_default(),
            description: reading.text_or_file(self.description, self.body_file)?.unwrap_or_default(),
            acceptance_criteria: self.acceptance.unwrap_or_default(),
            priority: self.priority,
            issue_type: self.issue_type,
            rig,
            parent: self.parent,
            deps: self.deps.into_iter().map(|Arrow(kind, id)| (kind, id)).collect(),
            labels: self.labels.into_iter().filter(|label| !label.is_empty()).collect(),
            assignee: self.assignee,
        };
        let view = if self.silent { View::Ids } else { View::Usual };
        Ok(Intent::Ask(Command::BeadCreate(new), view))
    }
}

/// Reads a status of ours as people write it, or any other: an import may have brought it.
fn any_status(text: &str) -> Result<Status, String> {
    text.parse().or_else(|_| Status::of(text))
}

fn any_type(text: &str) -> Result<IssueType, String> {
    text.parse().or_else(|_| IssueType::of(text))
}

/// Which beads are meant.
#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Of this rig
    #[arg(long, value_name = "RIG")]
    rig: Option<RigName>,
    /// Of this type, one of ours or one that an import brought
    #[arg(long = "type", short = 't', value_name = "TYPE", value_parser = any_type)]
    issue_type: Option<IssueType>,
    /// Of this urgency
    #[arg(long, short)]
    priority: Option<Priority>,
    /// Of this assignee
    #[arg(long, short, value_name = "WHO")]
    assignee: Option<String>,
    /// With this label; may be repeated
    #[arg(long, short, alias = "labels", value_name = "WORD", value_delimiter = ',')]
    label: Vec<String>,
    /// Parts of this bead
    #[arg(long, value_name = "BEAD")]
    parent: Option<BeadId>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

impl From<Filter> for BeadFilter {
    fn from(filter: Filter) -> Self {
        BeadFilter {
            rig: filter.rig,
            issue_type: filter.issue_type,
            priority: filter.priority,
            assignee: filter.assignee,
            labels: filter.label,
            parent: filter.parent,
            limit: filter.limit,
            ..BeadFilter::default()
        }
    }
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
    #[arg(long, value_name = "TEXT")]
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
    #[arg(long, short, value_name = "TEXT", conflicts_with = "body_file")]
    description: Option<String>,
    /// Read the new description from a file, standard input for `-`
    #[arg(long, short = 'f', value_name = "FILE")]
    body_file: Option<String>,
    /// New acceptance criteria
    #[arg(long, alias = "acceptance-criteria", value_name = "TEXT")]
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
}

impl Update {
    fn command(self, reading: &Reading) -> Result<Command, Refusal> {
        let patch = Patch {
            title: self.title,
            description: reading.text_or_file(self.description, self.body_file)?,
            acceptance_criteria: self.acceptance,
            priority: self.priority,
            issue_type: self.issue_type,
            assignee: self.assignee,
            add_labels: self.add_label,
            remove_labels: self.remove_label,
        };
        if patch.is_empty() && self.status.is_none() && !self.claim {
            return Err(Refusal::usage("nothing to change was given").hint("see `gastown help bead update`"));
        }
        Ok(Command::BeadUpdate { ids: self.ids, patch, status: self.status, claim: self.claim })
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
        /// blocks, parent-child, relates-to, discovered-from, conditional-blocks or waits-for
        #[arg(long = "type", short = 't', value_name = "TYPE", default_value = "blocks")]
        kind: DepType,
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
}

/// Add and remove labels
#[derive(Debug, Subcommand)]
pub(crate) enum Label {
    /// Add a label to beads
    Add(Labelled),
    /// Take a label away from beads
    #[command(alias = "rm")]
    Remove(Labelled),
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
        };
        let labels: Vec<String> = words.pop().into_iter().collect();
        let ids: Result<Vec<BeadId>, _> = words.iter().map(|word| word.parse()).collect();
        let ids = ids.map_err(|error| Refusal::usage(error.to_string()).hint("the label comes last"))?;
        let patch = if add {
            Patch { add_labels: labels, ..Patch::default() }
        } else {
            Patch { remove_labels: labels, ..Patch::default() }
        };
        Ok(Command::BeadUpdate { ids, patch, status: None, claim: false })
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
            Bead::List(List { status, all, filter }) => {
                Command::BeadList(BeadFilter { status, all, ..filter.into() }).into()
            }
            Bead::Show { ids } => Command::BeadShow(ids).into(),
            Bead::Ready(filter) => Command::BeadReady(filter.into()).into(),
            Bead::Update(update) => update.command(reading)?.into(),
            Bead::Close { ids, reason, force } => Command::BeadClose { ids, reason, force }.into(),
            Bead::Reopen { ids, reason } => Command::BeadReopen { ids, reason }.into(),
            Bead::Dep(Dep::Add { bead, on, kind }) => Command::DepAdd { bead, on, kind }.into(),
            Bead::Dep(Dep::Remove { bead, on }) => Command::DepRemove { bead, on }.into(),
            Bead::Label(label) => label.command()?.into(),
            Bead::Comment { bead, text } => Command::CommentAdd { bead, text: text.join(" ") }.into(),
            Bead::Search { words, filter, all } => {
                Command::BeadList(BeadFilter { text: Some(words.join(" ")), all, ..filter.into() }).into()
            }
            Bead::Export { output, filter } => {
                let command = Command::BeadExport(BeadFilter { all: true, ..filter.into() });
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
