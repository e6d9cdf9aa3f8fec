//! The further verbs of `bd`: questions, gates, epics, memories.

use clap::{Args, Subcommand};
use model::bead::{DepType, IssueType, Patch, Priority, Status};
use model::command::{BeadFilter, Command, EventFilter, NewBead};
use model::ids::BeadId;
use model::query::{Field, Op, Operand, Query};
use model::refusal::Refusal;
use model::work::{CountBy, Question, Replaced, Sort};
use serde_json::json;

use super::filter::{Filter, parsed};
use super::{any_status, moment};
use crate::args::{Intent, Reading, View};

/// The further verbs of `bd`.
#[derive(Debug, Subcommand)]
pub(crate) enum More {
    /// Make a bead and print only its id
    #[command(visible_alias = "q")]
    Quick {
        /// One line: what is to be done
        #[arg(required = true)]
        title: Vec<String>,
        /// task, bug, feature, epic or chore
        #[arg(long = "type", short = 't', value_name = "TYPE", default_value = "task")]
        issue_type: IssueType,
        /// P0 (critical) to P4 (backlog)
        #[arg(long, short, default_value = "P2")]
        priority: Priority,
        /// Words to sort by, separated by commas
        #[arg(long, short, alias = "label", value_name = "WORD,…", value_delimiter = ',')]
        labels: Vec<String>,
    },
    /// List the beads that are held up, and by what
    Blocked(Box<Filter>),
    /// List the beads for which a query holds
    #[command(
        after_help = "Fields: id, title, description, status, priority, type, assignee, rig, creator, label, \
                            parent, text, created, updated, closed, started, due, defer, estimate, notes, owner, pinned, \
                            ephemeral, template, metadata.KEY. Operators: = != < <= > >=, AND, OR, NOT, brackets. `*` stands \
                            for anything, `none` for nothing, a span like 7d for the moment so long ago.\n\n\
                            Example:\n  gastown bead query \"status=open AND priority<=1 AND (label=a OR NOT type=bug) AND \
                            updated>7d\""
    )]
    Query {
        /// The query
        #[arg(required = true)]
        query: Vec<String>,
        /// At most so many
        #[arg(long, short = 'n', value_name = "N")]
        limit: Option<usize>,
        /// Closed ones too, also where the query does not speak of them
        #[arg(long, short)]
        all: bool,
        /// priority, created, oldest, updated, closed, id, title, status, type or assignee
        #[arg(long, value_name = "BY", default_value = "priority", value_parser = super::filter::sort)]
        sort: Sort,
        /// The other way round
        #[arg(long, short)]
        reverse: bool,
    },
    /// Count beads, closed ones too
    Count {
        /// With one of these
        #[arg(long, short, value_delimiter = ',', value_parser = any_status)]
        status: Vec<Status>,
        #[command(flatten)]
        by: By,
        #[command(flatten)]
        filter: Box<Filter>,
    },
    /// List the beads that nobody has touched for long
    Stale {
        /// For so many days
        #[arg(long, short, default_value_t = 30, value_name = "N")]
        days: u64,
        /// With one of these
        #[arg(long, short, value_delimiter = ',', value_parser = any_status)]
        status: Vec<Status>,
        /// At most so many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// List the parts of a bead, closed ones too
    Children {
        /// Which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
    },
    /// Close a bead that is the same as another
    Duplicate {
        /// Which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// The same as this
        #[arg(long = "of", value_name = "BEAD")]
        of: BeadId,
    },
    /// List beads that may be the same
    #[command(alias = "find-duplicates")]
    Duplicates,
    /// Close a bead in whose place another comes
    Supersede {
        /// Which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// In its place
        #[arg(long = "with", alias = "by", value_name = "BEAD")]
        with: BeadId,
    },
    /// Show all that has happened to a bead
    History {
        /// Which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// At most so many, the newest
        #[arg(long, short = 'n', value_name = "N")]
        limit: Option<usize>,
    },
    /// Show all beads in numbers
    #[command(visible_alias = "status")]
    Stats,
    /// Draw what depends on what
    Graph {
        /// What hangs together with this bead; all that is not closed when not given
        #[arg(value_name = "BEAD")]
        bead: Option<BeadId>,
        /// All that is not closed, as `bd` has it
        #[arg(long, conflicts_with = "bead")]
        all: bool,
        /// As a drawing for people, or in a language of drawing programs
        #[arg(long, value_enum, default_value_t)]
        format: crate::args::formula::Format,
    },
    /// Put beads off
    Defer {
        /// Which
        #[arg(value_name = "BEAD", required = true)]
        ids: Vec<BeadId>,
        /// Until when: +6h, tomorrow, next monday, 2030-01-31; until somebody says otherwise when not given
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// No longer put them off
    Undefer {
        /// Which
        #[arg(value_name = "BEAD", required = true)]
        ids: Vec<BeadId>,
    },
    /// Show and open what steps and beads wait for
    #[command(subcommand)]
    Gate(Gate),
    /// See how far epics have come
    #[command(subcommand)]
    Epic(Epic),
    /// See in which waves the parts of an epic can be done
    #[command(subcommand)]
    Swarm(Swarm),
    /// Keep something in mind
    Remember {
        /// What
        #[arg(required = true)]
        text: Vec<String>,
        /// Under which name; made of the text when not given
        #[arg(long, value_name = "NAME")]
        key: Option<String>,
    },
    /// List what is kept in mind
    Memories {
        /// With these words
        words: Vec<String>,
    },
    /// Show one thing that is kept in mind
    Recall {
        /// Under which name
        key: String,
    },
    /// No longer keep something in mind
    Forget {
        /// Under which name
        key: String,
    },
    /// Say that there is nothing to set up: the town has one ledger for all beads
    Init {
        /// Of `bd`; means nothing here
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
    /// Look at everything that the town stands on
    Doctor {
        /// Mend what can be made anew
        #[arg(long)]
        fix: bool,
    },
    /// Print your brief: who you are, what is on your hook, how to say that it is done
    Prime {
        /// Of `bd`; means nothing here
        #[arg(long, hide = true)]
        full: bool,
    },
}

/// What is counted by.
#[derive(Debug, Default, Args)]
pub(crate) struct By {
    /// By status
    #[arg(long, group = "by")]
    by_status: bool,
    /// By priority
    #[arg(long, group = "by")]
    by_priority: bool,
    /// By type
    #[arg(long, group = "by")]
    by_type: bool,
    /// By assignee
    #[arg(long, group = "by")]
    by_assignee: bool,
    /// By label
    #[arg(long, group = "by")]
    by_label: bool,
}

impl By {
    fn chosen(&self) -> Option<CountBy> {
        [
            (self.by_status, CountBy::Status),
            (self.by_priority, CountBy::Priority),
            (self.by_type, CountBy::Type),
            (self.by_assignee, CountBy::Assignee),
            (self.by_label, CountBy::Label),
        ]
        .into_iter()
        .find_map(|(chosen, by)| chosen.then_some(by))
    }
}

/// Show and open what steps and beads wait for
#[derive(Debug, Subcommand)]
pub(crate) enum Gate {
    /// List what is waited for
    List {
        /// What has come, too
        #[arg(long, short)]
        all: bool,
    },
    /// Open a gate by hand
    #[command(alias = "approve", alias = "close")]
    Resolve {
        /// Which: MOL/STEP, or a bead of type gate
        #[arg(value_name = "GATE")]
        gate: String,
        /// Why
        #[arg(long, short, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Open all gates whose time has come
    #[command(alias = "eval")]
    Check,
}

/// See how far epics have come
#[derive(Debug, Subcommand)]
pub(crate) enum Epic {
    /// List epics with how many of their parts are closed
    Status {
        /// Only this one
        #[arg(value_name = "EPIC")]
        bead: Option<BeadId>,
        /// Only those that can be closed
        #[arg(long)]
        eligible_only: bool,
    },
}

/// See in which waves the parts of an epic can be done
#[derive(Debug, Subcommand)]
pub(crate) enum Swarm {
    /// List the waves of an epic
    #[command(alias = "validate")]
    Status {
        /// Which
        #[arg(value_name = "EPIC")]
        bead: BeadId,
    },
    /// List the convoys, which is what swarms are here
    List,
}

impl More {
    /// What these words want.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        let ask = |question: Question| Intent::from(Command::BeadAsk(question));
        Ok(match self {
            More::Quick { title, issue_type, priority, labels } => {
                let title = title.join(" ");
                let rig = reading.rig.clone();
                let new = NewBead { title, issue_type, priority, labels, rig, ..NewBead::default() };
                Intent::Ask(Command::BeadCreate(new), View::Ids)
            }
            More::Blocked(filter) => ask(Question::Blocked(filter.read(reading)?)),
            More::Query { query, limit, all, sort, reverse } => {
                let query = Some(parsed(&query.join(" "), reading.now)?);
                Command::BeadList(BeadFilter { query, limit, all, sort, reverse, ..BeadFilter::default() })
                    .into()
            }
            More::Count { status, by, filter } => {
                let filter = BeadFilter { status, all: true, ..filter.read(reading)? };
                ask(Question::Count { filter, by: by.chosen() })
            }
            More::Stale { days, status, limit } => {
                let before = Operand::Ago(days.saturating_mul(86_400_000));
                let query = Some(Query::compare(Field::Updated, Op::Lt, before));
                let filter =
                    BeadFilter { status, query, sort: Sort::Updated, reverse: true, ..BeadFilter::default() };
                Command::BeadList(BeadFilter { limit: Some(limit), ..filter }).into()
            }
            More::Children { bead } => {
                let filter =
                    BeadFilter { parent: Some(bead), all: true, sort: Sort::Id, ..BeadFilter::default() };
                Command::BeadList(filter).into()
            }
            More::Duplicate { bead, of } => {
                Command::BeadReplace { bead, by: of, how: Replaced::Duplicate }.into()
            }
            More::Duplicates => ask(Question::Duplicates),
            More::Supersede { bead, with } => {
                Command::BeadReplace { bead, by: with, how: Replaced::Superseded }.into()
            }
            More::History { bead, limit } => {
                Command::Events(EventFilter { bead: Some(bead), limit, ..EventFilter::default() }).into()
            }
            More::Stats => ask(Question::Stats),
            More::Graph { bead, all: _, format } => {
                Intent::Ask(Command::BeadAsk(Question::Graph(bead)), View::Graph(format))
            }
            More::Defer { ids, until } => {
                let until = until.map(|text| moment(&text, reading.now)).transpose()?;
                let status = until.is_none().then_some(Status::Deferred);
                let fields =
                    until.map(|until| ("defer_until".to_owned(), json!(until))).into_iter().collect();
                let patch = Patch { fields, ..Patch::default() };
                Command::BeadUpdate { ids, patch, status, claim: false, parent: None }.into()
            }
            More::Undefer { ids } => {
                let fields = [("defer_until".to_owned(), serde_json::Value::Null)].into();
                let patch = Patch { fields, ..Patch::default() };
                Command::BeadUpdate { ids, patch, status: Some(Status::Open), claim: false, parent: None }
                    .into()
            }
            More::Gate(Gate::List { all }) => ask(Question::Gates { all }),
            More::Gate(Gate::Resolve { gate, reason }) => Command::GateResolve { gate, reason }.into(),
            More::Gate(Gate::Check) => Command::GateCheck.into(),
            More::Epic(Epic::Status { bead, eligible_only }) => {
                ask(Question::Epics { bead, eligible: eligible_only })
            }
            More::Swarm(Swarm::Status { bead }) => ask(Question::Waves(bead)),
            More::Swarm(Swarm::List) => Command::ConvoyList { all: false }.into(),
            More::Remember { text, key } => Command::Remember { key, text: text.join(" ") }.into(),
            More::Memories { words } => {
                let words = Some(words.join(" ")).filter(|words| !words.is_empty());
                ask(Question::Memories { words, key: None })
            }
            More::Recall { key } => ask(Question::Memories { words: None, key: Some(key) }),
            More::Forget { key } => Command::Forget { key }.into(),
            More::Init { .. } => Intent::Noted(
                "there is nothing to set up: the town has one ledger for the beads of all rigs".into(),
                Command::BeadAsk(Question::Stats),
            ),
            More::Doctor { fix } => Command::Doctor { fix }.into(),
            More::Prime { .. } => Command::Prime { agent: None }.into(),
        })
    }
}

/// What of dependencies can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum DepAsk {
    /// List what a bead depends on
    List {
        /// Which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// down: what it depends on; up: what depends on it
        #[arg(long, default_value = "down", value_parser = ["down", "up"])]
        direction: String,
        /// Only of this kind
        #[arg(long = "type", short = 't', value_name = "TYPE")]
        kind: Option<DepType>,
    },
    /// Show what a bead depends on, and so on
    Tree {
        /// Which
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// What depends on it, instead
        #[arg(long)]
        reverse: bool,
        /// down: what it depends on; up: what depends on it
        #[arg(long, default_value = "down", value_parser = ["down", "up"])]
        direction: String,
        /// How many levels at most
        #[arg(long, short = 'd', default_value_t = 50, value_name = "N")]
        max_depth: usize,
    },
    /// List dependencies that go round in a circle
    Cycles,
}

impl DepAsk {
    pub(super) fn intent(self) -> Intent {
        let question = match self {
            DepAsk::List { bead, direction, kind } => Question::Deps { bead, up: direction == "up", kind },
            DepAsk::Tree { bead, reverse, direction, max_depth } => {
                Question::Tree { bead, up: reverse || direction == "up", depth: max_depth }
            }
            DepAsk::Cycles => Question::Cycles,
        };
        Command::BeadAsk(question).into()
    }
}
