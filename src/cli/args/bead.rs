//! `bead …`, which is all of `bd`: the ledger of work, with the habits of those who know `bd`.

mod batch;
mod create;
mod edit;
mod fields;
mod filter;
mod more;
mod ready;
mod update;

use std::io::IsTerminal;

use clap::{Args, Subcommand};
use model::bead::{DepType, IssueType, Patch, Status};
use model::command::{BeadFilter, Command};
use model::ids::{BeadId, RigName};
use model::refusal::Refusal;
use model::work::Question;

use super::{Intent, Reading, elsewhere};
use crate::files;

use self::create::Create;
pub(crate) use self::edit::Edit;
use self::fields::moment;
pub(crate) use self::filter::Filter;
use self::filter::Order;
use self::more::{DepAsk, More};
pub(crate) use self::ready::Ready;
use self::update::Update;

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
