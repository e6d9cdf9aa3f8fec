//! Everything that can be asked, and who asks.
//!
//! A terminal line, a socket request and an HTTP call become the same [`Command`]. A command never
//! says who sent it; the carrier adds the [`Origin`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::agent::Exit;
use crate::bead::{DepType, IssueType, Patch, Priority, Status};
use crate::cost::By;
use crate::escalation::Severity;
use crate::ids::{BeadId, ConvoyId, MailId, MergeId, Prefix, RigName, Seq, SessionId};
use crate::import::JsonLines;
use crate::nudge::Manner;
use crate::role::Address;
use crate::time::{Day, Timestamp};

/// Who asks, as the carrier knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person of the town's own user, who may speak in another's name.
    Operator {
        /// In whose name (`--actor`).
        on_behalf_of: Option<Address>,
    },
    /// An agent, proven by its session's token, nonce or process.
    Session {
        /// Who.
        agent: Address,
        /// In which session.
        session: SessionId,
    },
    /// An actor of the runtime itself.
    Actor(Address),
}

impl Origin {
    /// The person, in their own name.
    pub fn operator() -> Self {
        Origin::Operator { on_behalf_of: None }
    }

    /// The one who acts, for the record.
    pub fn actor(&self) -> Address {
        match self {
            Origin::Operator { on_behalf_of } => on_behalf_of.clone().unwrap_or(Address::Overseer),
            Origin::Session { agent, .. } => agent.clone(),
            Origin::Actor(address) => address.clone(),
        }
    }

    /// Whether a person asks.
    pub fn is_operator(&self) -> bool {
        matches!(self, Origin::Operator { .. })
    }
}

/// What a new bead is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBead {
    /// One line.
    pub title: String,
    /// The whole of it.
    #[serde(default)]
    pub description: String,
    /// How one sees that it is done.
    #[serde(default)]
    pub acceptance_criteria: String,
    /// How urgent.
    #[serde(default)]
    pub priority: Priority,
    /// What kind.
    #[serde(default)]
    pub issue_type: IssueType,
    /// The rig it belongs to; none for the town's own.
    #[serde(default)]
    pub rig: Option<RigName>,
    /// The bead that it is a part of.
    #[serde(default)]
    pub parent: Option<BeadId>,
    /// What it depends on.
    #[serde(default)]
    pub deps: Vec<(DepType, BeadId)>,
    /// Words that people sort by.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Who is to do it.
    #[serde(default)]
    pub assignee: Option<String>,
}

/// Which beads are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeadFilter {
    /// Any of these; none given: all that are not closed.
    #[serde(default)]
    pub status: Vec<Status>,
    /// Closed ones too.
    #[serde(default)]
    pub all: bool,
    /// Of this rig.
    #[serde(default)]
    pub rig: Option<RigName>,
    /// Of this type.
    #[serde(default)]
    pub issue_type: Option<IssueType>,
    /// Of this urgency.
    #[serde(default)]
    pub priority: Option<Priority>,
    /// Of this assignee.
    #[serde(default)]
    pub assignee: Option<String>,
    /// With all of these labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Parts of this bead.
    #[serde(default)]
    pub parent: Option<BeadId>,
    /// With these words in id, title or description.
    #[serde(default)]
    pub text: Option<String>,
    /// At most so many.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// Hands beads to somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sling {
    /// What.
    pub beads: Vec<BeadId>,
    /// To whom: a rig, an address, as typed.
    pub target: String,
    /// The formula that guides the work; none for the rig's default.
    #[serde(default)]
    pub formula: Option<String>,
    /// Values for the formula's variables.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// Words for the worker.
    #[serde(default)]
    pub args: Option<String>,
    /// The preset to use for the worker.
    #[serde(default)]
    pub preset: Option<String>,
    /// Even if it was slung elsewhere or has failed too often.
    #[serde(default)]
    pub force: bool,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a worker leaves with a bead that it does not finish.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// Beads that hold it up.
    #[serde(default)]
    pub on: Vec<BeadId>,
    /// What holds it up and is no bead yet: the title, and more below it.
    #[serde(default)]
    pub blockers: Vec<String>,
    /// The parts that it is cut into: the title of each, and more below it.
    #[serde(default)]
    pub parts: Vec<String>,
}

impl Leave {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.on.is_empty() && self.blockers.is_empty() && self.parts.is_empty()
    }
}

/// A gate of a rig: a command that must succeed on a merge result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGate {
    /// Its name.
    pub name: String,
    /// Its command, for `/bin/sh -c`.
    pub cmd: String,
}

/// What a new rig is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRig {
    /// Its name and folder.
    pub name: RigName,
    /// Where its repository is: a URL or a path.
    pub url: String,
    /// The prefix of its beads; made from the name when not given.
    #[serde(default)]
    pub prefix: Option<Prefix>,
    /// The branch that work lands on; the remote's default when not given.
    #[serde(default)]
    pub branch: Option<String>,
    /// What must pass before anything lands.
    #[serde(default)]
    pub gates: Vec<NewGate>,
    /// How many workers at once.
    #[serde(default)]
    pub max_workers: Option<usize>,
    /// The preset of its agents.
    #[serde(default)]
    pub preset: Option<String>,
}

/// Which events are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// Only later ones than this number.
    #[serde(default)]
    pub after: Seq,
    /// Only from this time on.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Only of this actor.
    #[serde(default)]
    pub actor: Option<String>,
    /// Only of this type; `mail.` means all that begin so.
    #[serde(default)]
    pub kind: Option<String>,
    /// Only those about this bead.
    #[serde(default)]
    pub bead: Option<BeadId>,
    /// At most so many, the newest.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// What is asked of the ledger itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerQuestion {
    /// Whether every record, the board, the snapshot and the archive are as they should be.
    Verify,
    /// How large it is, and of what.
    Stats,
    /// Drops the snapshot and folds the board again.
    Rebuild,
    /// A page of all records, for an export.
    Export {
        /// Those behind this number.
        after: Seq,
    },
    /// Fills an empty ledger with the records of an export.
    Import {
        /// The file, as an absolute path.
        file: PathBuf,
    },
    /// Leaves old records to the archive.
    Compact {
        /// How many of the newest stay in the log's own store; as many as usual when not given.
        keep: Option<u64>,
    },
    /// Saves all that is sound into a new ledger.
    Repair {
        /// The folder of the new one, as an absolute path; it may not exist yet, or be empty.
        dest: PathBuf,
    },
}

/// What the hooks of agents' programs tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noticed {
    /// A call of a tool begins.
    ToolBegun {
        /// Which call.
        id: String,
        /// Of which tool.
        name: String,
        /// With what, in a few words.
        #[serde(default)]
        about: Option<String>,
        /// The command that it runs.
        #[serde(default)]
        command: Option<String>,
        /// The file that it is about.
        #[serde(default)]
        path: Option<String>,
    },
    /// A call of a tool is over.
    ToolEnded {
        /// Which call.
        id: String,
    },
    /// It has taken a prompt.
    Prompted {
        /// What the prompt begins with.
        text: String,
    },
    /// A turn is over: it waits for its next prompt.
    TurnEnded,
    /// What was said is about to be made shorter, since it has become too long.
    Compacting {
        /// Somebody has asked for it.
        asked: bool,
    },
    /// A turn has failed at its provider.
    TurnFailed {
        /// The program's word for it.
        error: String,
        /// What it has said about it.
        text: String,
    },
}

/// Everything that can be asked of a town.
///
/// What streams (attach, following events) is a [`Stream`]; what is about the program itself
/// (install, run) is not asked of a town at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    // work
    /// Makes a bead.
    BeadCreate(NewBead),
    /// Shows beads.
    BeadShow(Vec<BeadId>),
    /// Lists beads.
    BeadList(BeadFilter),
    /// Lists what could be worked at now.
    BeadReady(BeadFilter),
    /// Changes beads by hand.
    BeadUpdate {
        /// Which.
        ids: Vec<BeadId>,
        /// What.
        patch: Patch,
        /// The status to set.
        status: Option<Status>,
        /// Makes the asker the assignee, if nobody is.
        claim: bool,
    },
    /// Closes beads.
    BeadClose {
        /// Which.
        ids: Vec<BeadId>,
        /// Why.
        reason: Option<String>,
        /// Even if a safety rule says no.
        force: bool,
    },
    /// Opens closed beads again.
    BeadReopen {
        /// Which.
        ids: Vec<BeadId>,
        /// Why.
        reason: Option<String>,
    },
    /// Makes one bead depend on another.
    DepAdd {
        /// What depends.
        bead: BeadId,
        /// On what.
        on: BeadId,
        /// How.
        kind: DepType,
    },
    /// Takes such an arrow away.
    DepRemove {
        /// What depended.
        bead: BeadId,
        /// On what.
        on: BeadId,
    },
    /// Adds a remark.
    CommentAdd {
        /// On which bead.
        bead: BeadId,
        /// What.
        text: String,
    },
    /// The beads as JSON lines.
    BeadExport(BeadFilter),
    /// Takes beads in from JSON lines.
    BeadImport {
        /// The lines. Files belong together: a row in one may be about a bead in another.
        files: Vec<JsonLines>,
        /// Only say what would become of them.
        #[serde(default)]
        dry_run: bool,
        /// Leave out lines that are wrong, instead of refusing all.
        #[serde(default)]
        skip_errors: bool,
    },
    /// Writes the beads of rigs to their files, and commits those on branches of their own.
    BeadSync {
        /// Of this rig; of all, and the town's own, when not given.
        rig: Option<RigName>,
        /// Bring the branches to the remotes.
        push: bool,
        /// Only say what would change.
        dry_run: bool,
    },
    /// Hands beads to somebody.
    Sling(Sling),
    /// Takes a bead back that nobody works at yet, or off a hook.
    Unsling {
        /// Which.
        bead: BeadId,
        /// Even if somebody works at it.
        force: bool,
    },
    /// What hangs on a hook.
    Hook {
        /// Whose; the asker's when not given.
        agent: Option<String>,
    },
    /// Makes a convoy.
    ConvoyCreate {
        /// Its name.
        name: String,
        /// What travels.
        beads: Vec<BeadId>,
    },
    /// Lists convoys.
    ConvoyList {
        /// Those that have arrived too.
        all: bool,
    },
    /// Shows one.
    ConvoyShow(ConvoyId),
    /// The molecule on the asker's hook, or another's.
    MolShow {
        /// Whose hook.
        agent: Option<String>,
    },
    /// A step of the molecule on the asker's hook is done.
    StepDone {
        /// Which.
        step: String,
    },
    /// Lists the formulas.
    FormulaList {
        /// As seen from this rig.
        rig: Option<RigName>,
    },
    /// Shows one.
    FormulaShow {
        /// Which.
        name: String,
        /// As seen from this rig.
        rig: Option<RigName>,
        /// The steps that come of it, not what its file says.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        resolved: bool,
        /// Values for its variables, where it is resolved.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        vars: BTreeMap<String, String>,
    },
    /// Makes the steps of a formula that can be carried out.
    FormulaCook {
        /// Which.
        name: String,
        /// As seen from this rig.
        rig: Option<RigName>,
        /// Values for its variables. With any, all that need one must have it.
        #[serde(default)]
        vars: BTreeMap<String, String>,
    },
    /// Looks formulas over.
    FormulaLint {
        /// Which; all that there are if no name and no file is given.
        #[serde(default)]
        names: Vec<String>,
        /// Files that the asker holds.
        #[serde(default)]
        files: Vec<crate::formula::Text>,
        /// As seen from this rig.
        rig: Option<RigName>,
    },
    /// What a new formula begins with, and where it belongs.
    FormulaNew {
        /// Its name.
        name: String,
        /// workflow, expansion, aspect or convoy.
        kind: String,
        /// For this rig alone.
        rig: Option<RigName>,
    },

    // ship
    /// A worker is finished with what hangs on its hook.
    Done {
        /// How it leaves it.
        exit: Exit,
        /// Why, for all exits but `completed`.
        reason: Option<String>,
        /// What it leaves.
        #[serde(default)]
        leave: Leave,
    },
    /// Lists merge requests.
    MergeList {
        /// Of this rig.
        rig: Option<RigName>,
        /// Those that are over too.
        all: bool,
    },
    /// Shows one.
    MergeShow(MergeId),
    /// Puts a rejected or held merge request back into the queue.
    MergeRetry(MergeId),
    /// Shows what the queues do and what they have learned.
    MergeStatus {
        /// Of this rig; of all when not given.
        rig: Option<RigName>,
    },
    /// Says what a merge request waits for.
    MergeWhy(MergeId),
    /// Shows what a gate said of a merge request.
    MergeLog {
        /// Which.
        merge: MergeId,
        /// The gate; the last one that ran when not given.
        gate: Option<String>,
    },
    /// Gives a merge request back to its worker.
    MergeReject {
        /// Which.
        merge: MergeId,
        /// Why.
        reason: String,
    },
    /// Keeps a merge request where it is.
    MergeHold {
        /// Which.
        merge: MergeId,
        /// Why.
        reason: Option<String>,
    },
    /// Lets it go on.
    MergeUnhold(MergeId),
    /// Makes a merge request more or less urgent.
    MergePrioritise {
        /// Which.
        merge: MergeId,
        /// How urgent; as before when not given.
        priority: Option<Priority>,
        /// Whether it is a hot fix; as before when not given.
        hot: Option<bool>,
    },
    /// Lets nothing but hot fixes land in a rig.
    MergeFreeze {
        /// Which rig.
        rig: RigName,
        /// Why.
        reason: Option<String>,
    },
    /// Lets everything land again.
    MergeThaw {
        /// In which rig.
        rig: RigName,
    },
    /// Lands the branch of one worker without the queue.
    LandDirect {
        /// Whose, as typed.
        worker: String,
        /// Also when it is at work, or has files that are not committed.
        #[serde(default)]
        force: bool,
        /// Without gates.
        #[serde(default)]
        skip_tests: bool,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Tries at once what something outside keeps from landing.
    RefineryProcess {
        /// In this rig; in all when not given.
        rig: Option<RigName>,
    },

    // talk
    /// Writes a letter.
    MailSend {
        /// To an address or a group, as typed.
        to: String,
        /// One line.
        subject: String,
        /// The whole of it.
        body: String,
        /// Which kind of letter: `note` or `help`.
        kind: Option<String>,
        /// A name that the sender gives this sending: said again, it has no second effect.
        #[serde(default)]
        key: Option<String>,
    },
    /// Answers a letter.
    MailReply {
        /// Which.
        id: MailId,
        /// With what.
        body: String,
    },
    /// Lists a mailbox.
    MailInbox {
        /// Whose; the asker's when not given.
        agent: Option<String>,
        /// Only what is not acknowledged.
        unread: bool,
    },
    /// Shows one letter.
    MailRead(MailId),
    /// Shows several letters.
    MailReadAll(Vec<MailId>),
    /// Acknowledges letters.
    MailAck(Vec<MailId>),
    /// The letters of a conversation.
    MailThread(MailId),
    /// Letters with these words.
    MailSearch {
        /// The words.
        text: String,
    },
    /// Letters that could not be handled.
    MailDead {
        /// To whom; all that the asker may see when not given.
        agent: Option<String>,
    },
    /// Puts dead letters back, to be delivered and handled afresh.
    MailRetry(Vec<MailId>),
    /// Types a line into an agent's terminal when it is safe.
    Nudge {
        /// Whose.
        agent: String,
        /// What.
        text: String,
        /// When, how urgent, for how long.
        #[serde(default)]
        manner: Manner,
    },
    /// The rendered screen of an agent.
    Peek {
        /// Whose.
        agent: String,
        /// How many lines, with what has scrolled away; the screen when not given.
        lines: Option<usize>,
        /// As it was at this time.
        #[serde(default)]
        at: Option<Timestamp>,
    },
    /// Ends the asker's session and starts the next, which sees the note first.
    Handoff {
        /// What to know.
        note: String,
    },
    /// Says that a person has to know.
    Escalate {
        /// How grave.
        severity: Severity,
        /// One line.
        subject: String,
        /// The whole of it.
        body: String,
        /// About which bead.
        bead: Option<BeadId>,
        /// What it comes from, in the asker's words.
        #[serde(default)]
        source: Option<String>,
        /// Only say which ways it would go.
        #[serde(default)]
        dry_run: bool,
    },
    /// Lists escalations.
    EscalateList {
        /// Those that are closed too.
        all: bool,
        /// Only those of which nobody has taken note.
        unacked: bool,
        /// Only of this severity.
        severity: Option<Severity>,
    },
    /// Shows one with its whole context and what came of its messages.
    EscalateShow {
        /// Its name, or that of its bead or of a letter about it.
        name: String,
    },
    /// Takes note of escalations.
    EscalateAck {
        /// Their names.
        names: Vec<String>,
        /// What there is to say.
        note: Option<String>,
    },
    /// Says that the matters are settled.
    EscalateClose {
        /// Their names.
        names: Vec<String>,
        /// How.
        reason: String,
    },
    /// Has messages sent again that did not go through.
    EscalateRetry {
        /// Their names.
        names: Vec<String>,
    },
    /// Makes graver what nobody has taken note of for too long.
    EscalateStale {
        /// Only say which.
        dry_run: bool,
    },

    /// What an agent has said in its own words, handed over exactly by a hook of its program; lines in it
    /// that carry its nonce are commands.
    Said {
        /// What makes this piece of speech different from all others: said again, it means nothing.
        key: String,
        /// The text, in whole lines.
        text: String,
    },
    /// One of the hooks of an agent's own program has told something.
    Noticed {
        /// What.
        what: Noticed,
        /// Where its program works now.
        #[serde(default)]
        cwd: Option<PathBuf>,
    },

    // agents
    /// Answers the question that an agent asks on its screen.
    AgentAnswer {
        /// Whose.
        agent: String,
        /// Which: the number of an option, a piece of its words, `esc`, or what to type.
        choice: String,
    },
    /// Lists the kinds of agents.
    PresetList,
    /// Shows one kind with all its fields.
    PresetShow {
        /// Which.
        name: String,
    },
    /// Lists the hooks that act in agents' programs.
    TapList {
        /// Of this preset.
        preset: Option<String>,
    },
    /// Everybody in the town and how they are.
    AgentList {
        /// Of this rig.
        rig: Option<RigName>,
    },
    /// Starts an agent's session.
    AgentStart {
        /// Whose.
        agent: String,
    },
    /// Ends an agent's session and keeps it ended.
    AgentStop {
        /// Whose.
        agent: String,
    },
    /// Ends an agent's session and starts the next.
    AgentRestart {
        /// Whose.
        agent: String,
    },
    /// Kills an agent's session at once and keeps it ended.
    AgentKill {
        /// Whose.
        agent: String,
        /// Start the next one instead.
        #[serde(default)]
        restart: bool,
    },

    /// Says that an agent seems to be stuck. Whoever watches over it looks into that, and answers.
    AgentStuck {
        /// Who.
        agent: String,
        /// What was seen of it.
        text: String,
    },

    /// Brings beads back that nobody goes on with.
    Recover {
        /// Which; with `all`, none.
        beads: Vec<BeadId>,
        /// All that can be brought back.
        #[serde(default)]
        all: bool,
        /// Of this rig only.
        #[serde(default)]
        rig: Option<RigName>,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
    },
    /// Gives what hangs on a hook, with its worktree, to another worker.
    Reassign {
        /// What.
        bead: BeadId,
        /// To whom; to whoever is free in the rig when not given.
        to: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// Gives a worker another name.
    AgentRename {
        /// Whom.
        agent: String,
        /// The new name, without the rig.
        to: String,
    },

    // town
    /// Takes a project in.
    RigAdd(NewRig),
    /// Lists the rigs.
    RigList,
    /// Hands out no work in a rig any more.
    RigPark {
        /// Which.
        rig: RigName,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
        /// End the sessions that run, too.
        #[serde(default)]
        now: bool,
    },
    /// Hands out work in a rig again.
    RigUnpark {
        /// Which.
        rig: RigName,
    },
    /// Ends the sessions and actors of one rig.
    RigStop {
        /// Which.
        rig: RigName,
    },
    /// Starts the actors of a rig that was stopped.
    RigStart {
        /// Which.
        rig: RigName,
    },
    /// Ends the runtime in order.
    Stop,
    /// Ends the runtime and everything that it runs at once.
    StopAll,
    /// Stops every process of every session where it is.
    Freeze {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Lets them go on.
    Thaw,
    /// Asks about the ledger itself.
    Ledger(LedgerQuestion),
    /// Puts a copy of the town into a folder of backups.
    Backup {
        /// The folder, as an absolute path; it may not exist yet.
        dir: PathBuf,
    },
    /// Makes an actor die, for tests.
    FaultKillActor {
        /// Its name in the tree.
        name: String,
    },
    /// Makes an actor block its thread with its next message, for tests.
    FaultBlockActor {
        /// Its name in the tree.
        name: String,
        /// For how many milliseconds.
        millis: u64,
    },
    /// Lets the ledger's disk count as full, or no longer, for tests.
    FaultDisk {
        /// Whether it is full.
        full: bool,
    },
    /// Makes the handling of letters go wrong, for tests.
    FaultPoisonMail {
        /// Which: the name of a letter, or of a kind of letter.
        letters: String,
        /// How.
        how: Poison,
    },

    // observe
    /// What an agent has shown, from its recordings.
    Log {
        /// Whose.
        agent: String,
        /// Which session; the last one when not given.
        #[serde(default)]
        session: Option<String>,
        /// How many lines.
        lines: usize,
        /// Only which recordings there are.
        #[serde(default)]
        list: bool,
    },
    /// How everything is.
    Status,
    /// Anything that has a name: a bead, a letter, a merge request, a molecule, a convoy, an escalation, an
    /// agent, or the number of an event.
    Show {
        /// Its name.
        name: String,
    },
    /// The living tree.
    Tree,
    /// The town in numbers.
    Metrics,
    /// Looks at everything that the town stands on.
    Doctor {
        /// Mends what can be made anew.
        fix: bool,
    },
    /// What has happened.
    Events(EventFilter),
    /// What has happened to an agent or a bead, told in a few lines.
    Why {
        /// Which.
        about: String,
    },
    /// What agents have used.
    Costs {
        /// Summed up by what.
        by: By,
        /// What was recorded on this day or later.
        #[serde(default)]
        since: Option<Day>,
    },

    // learn
    /// The brief of the asker, or of another agent.
    Prime {
        /// Whose.
        agent: Option<String>,
    },
}

/// How the handling of a letter goes wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poison {
    /// The handler panics.
    Panic,
    /// The handler never ends.
    Hang,
    /// No longer.
    Cure,
}

/// What is asked for and then goes on until either side has enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Events as they happen, after those that have.
    Events(EventFilter),
    /// An agent's terminal.
    Attach {
        /// Whose.
        agent: String,
        /// Watch only.
        read_only: bool,
        /// Become the one who types, if another is.
        take: bool,
        /// The watcher's own window.
        rows: u16,
        /// The watcher's own window.
        cols: u16,
    },
}
