//! What comes back: data, never a sentence. `--json` prints it; people get a table of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agent::AgentState;
use crate::backup;
use crate::bead::{Bead, Priority};
use crate::convoy::Convoy;
use crate::cost;
use crate::escalation::{EscalationRow, StaleRow};
use crate::event::Record;
use crate::hook::Hook;
use crate::ids::{BeadId, ConvoyId, MailId, MergeId, MolId, RigName, Seq, SessionId};
use crate::import::{ImportReport, SyncRow};
use crate::ledger;
use crate::mail::{Kind, Letter};
use crate::merge::{GateResult, MergeRequest};
use crate::recovery::Failure;
use crate::role::{Address, Role};
use crate::story::Story;
use crate::time::Timestamp;
use crate::work::{BeadLine, Found, RollUp};

/// A row of `hook`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRow {
    /// Whose hook.
    pub agent: Address,
    /// What hangs there.
    pub bead: BeadId,
    /// Its title.
    pub title: String,
    /// The molecule that guides the work.
    pub mol: Option<MolId>,
    /// The step that is next.
    pub step: Option<String>,
    /// How far it has come: working, submitted, rework, landed.
    pub stage: String,
    /// Since when it hangs there.
    pub since: Timestamp,
    /// How often it was handed to the merge queue.
    pub attempt: u32,
}

/// A row of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRow {
    /// Its name.
    pub id: MailId,
    /// The record that it was sent with.
    pub seq: Seq,
    /// Who wrote it.
    pub from: Address,
    /// Who is to have it.
    pub to: Address,
    /// What kind of letter.
    pub kind: String,
    /// The line that people see first.
    pub subject: String,
    /// The text below it.
    pub body: String,
    /// When it was written.
    pub sent_at: Timestamp,
    /// When it was handed over.
    pub delivered_at: Option<Timestamp>,
    /// When it was acknowledged.
    pub acked_at: Option<Timestamp>,
    /// The conversation that it belongs to.
    pub thread: MailId,
    /// The typed content.
    pub data: Kind,
}

impl MailRow {
    /// Renders a letter that was sent with record `seq`.
    pub fn new(
        letter: &Letter,
        seq: Seq,
        delivered_at: Option<Timestamp>,
        acked_at: Option<Timestamp>,
    ) -> Self {
        MailRow {
            id: letter.id.clone(),
            seq,
            from: letter.from.clone(),
            to: letter.to.clone(),
            kind: letter.kind.name().to_owned(),
            subject: letter.kind.subject(),
            body: letter.kind.body(),
            sent_at: letter.sent_at,
            delivered_at,
            acked_at,
            thread: letter.thread.clone(),
            data: letter.kind.clone(),
        }
    }
}

/// One handling of a letter that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedHandling {
    /// When.
    pub at: Timestamp,
    /// The refusal, or the report of the crash.
    pub error: String,
}

/// A row of `mail dead`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRow {
    /// The letter.
    #[serde(flatten)]
    pub letter: MailRow,
    /// Why it is not tried again.
    pub cause: String,
    /// Since when.
    pub dead_at: Option<Timestamp>,
    /// The handlings that failed, oldest first.
    pub failures: Vec<FailedHandling>,
}

/// How a bead was brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveredRow {
    /// Which.
    pub bead: BeadId,
    /// How it is now: ready, running, waiting or closed.
    pub state: String,
    /// What was done, in order; nothing when nothing was wrong.
    pub did: Vec<String>,
    /// What to type next, if anything.
    pub hint: Option<String>,
    /// Whether that is only what would happen.
    pub dry_run: bool,
}

/// Who goes on with a bead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReassignedReport {
    /// With which.
    pub bead: BeadId,
    /// Whose hook it hung on.
    pub from: Address,
    /// Whose hook it hangs on.
    pub to: Address,
}

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Somebody should look at it.
    Warn,
    /// Something does not work because of it.
    Fail,
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Health::Ok => "ok",
            Health::Warn => "warn",
            Health::Fail => "fail",
        })
    }
}

/// A row of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// What was looked at.
    pub check: String,
    /// Whose: `town`, a rig, an agent.
    pub scope: String,
    /// How it is, after mending.
    pub status: Health,
    /// What was found, and what to do.
    pub detail: String,
    /// Whether it was mended just now.
    pub fixed: bool,
}

/// A row of `mq list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeRow {
    /// Its name.
    pub id: MergeId,
    /// Whose queue.
    pub rig: RigName,
    /// What it finishes.
    pub bead: BeadId,
    /// Who made it.
    pub worker: Address,
    /// Where it is.
    pub branch: String,
    /// The verified commit.
    pub head: String,
    /// Where it stands.
    pub state: String,
    /// Its place among those that wait, from 1.
    pub position: Option<usize>,
    /// How often it was submitted.
    pub attempts: u32,
    /// What is in the way, why it was given back, or the merge commit.
    pub detail: Option<String>,
    /// When it was first submitted.
    pub submitted_at: Timestamp,
    /// When it landed.
    pub landed_at: Option<Timestamp>,
    /// Gate runs, oldest first.
    pub gates: Vec<GateResult>,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Whether it goes before everything else.
    #[serde(default)]
    pub hot: bool,
    /// What it waits for.
    #[serde(default)]
    pub why: Option<String>,
}

/// What the queue of a rig does and has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueRow {
    /// Whose queue.
    pub rig: RigName,
    /// The target's head that everything stands on.
    pub head: Option<String>,
    /// `green`, `red` or `unknown`.
    pub target: String,
    /// Why nothing but hot fixes lands, if that is so.
    pub frozen: Option<String>,
    /// How many wait to land.
    pub waiting: usize,
    /// How many have landed.
    pub landed: u64,
    /// How many gate runs at once, at most.
    pub runners: usize,
    /// How many changes one run tests for the first time, as things stand.
    pub batch: usize,
    /// The expected share of changes that fail.
    pub failure_rate: f64,
    /// The expected share of runs of a good tree that are red.
    pub flake_rate: f64,
    /// How often each gate was red and green on one tree.
    pub flaky: std::collections::BTreeMap<String, u64>,
    /// The runs under way.
    pub runs: Vec<RunRow>,
}

/// A gate run under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its number.
    pub run: crate::queue::RunId,
    /// What it is for: `fresh`, `search`, `ahead`, `carry`, `confirm`, `baseline`, `mend`, or `landing`.
    pub aim: String,
    /// What is merged, in this order.
    pub stack: Vec<MergeId>,
}

/// What a merge request waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsRow {
    /// Which.
    pub id: MergeId,
    /// What it finishes.
    pub bead: BeadId,
    /// Where it stands.
    pub state: String,
    /// Its place among those that wait, from 1.
    pub position: Option<usize>,
    /// In a sentence.
    pub why: String,
    /// What a person can do about it.
    pub next: Option<String>,
}

/// What became of a landing without the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectReport {
    /// The request, when there is one.
    pub merge: Option<MergeId>,
    /// What it finishes.
    pub bead: BeadId,
    /// Whose it is.
    pub worker: Address,
    /// The branch.
    pub branch: String,
    /// Its head.
    pub head: String,
    /// The branch that it lands on.
    pub target: String,
    /// The merge commit.
    pub commit: String,
    /// The gates that have run, all of them green.
    pub gates: Vec<GateResult>,
    /// The checks that were left out, and would have refused or were not made.
    pub skipped: Vec<String>,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// What a gate said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateLog {
    /// Of which merge request.
    pub merge: MergeId,
    /// How it ended.
    pub run: GateResult,
    /// Its output.
    pub text: String,
}

impl MergeRow {
    /// Renders a merge request at `position`.
    pub fn new(merge: &MergeRequest, position: Option<usize>) -> Self {
        use crate::merge::MergeState as S;
        let detail = match &merge.state {
            S::Queued | S::Testing => None,
            S::Pushing { commit, .. } | S::Landed { commit } => Some(commit.clone()),
            S::Rejected { rejection } => Some(rejection.headline()),
            S::Held { why, .. } | S::Withdrawn { why } => Some(why.clone()),
        };
        MergeRow {
            id: merge.id.clone(),
            rig: merge.rig.clone(),
            bead: merge.bead.clone(),
            worker: merge.worker.clone(),
            branch: merge.branch.clone(),
            head: merge.head.clone(),
            state: merge.state.as_str().to_owned(),
            position,
            attempts: merge.attempts,
            detail,
            submitted_at: merge.submitted_at,
            landed_at: merge.landed_at,
            gates: merge.gates.clone(),
            priority: merge.priority,
            hot: merge.hot,
            why: None,
        }
    }
}

/// A convoy and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvoyRow {
    /// The convoy.
    #[serde(flatten)]
    pub convoy: Convoy,
    /// How many of its beads are closed.
    pub closed: usize,
    /// How many it has.
    pub total: usize,
    /// When it should arrive, at the pace of the beads that have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Timestamp>,
    /// The beads, in waves that can each be done at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<crate::work::Wave>,
    /// Beads that could be worked at, and that nobody has been given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stranded: Vec<BeadId>,
}

/// One step of a molecule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// Its name in the formula.
    pub id: String,
    /// One line.
    pub title: String,
    /// What to do.
    pub description: String,
    /// What must be done first.
    pub needs: Vec<String>,
    /// pending, gated, ready, leased or done.
    pub state: String,
    /// Who works at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Address>,
    /// What it waits for besides steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<crate::work::GateRow>,
    /// How long it may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
}

/// A molecule and its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MolRow {
    /// Its name.
    pub id: MolId,
    /// The formula that it was made from.
    pub formula: String,
    /// The bead that it guides.
    pub bead: BeadId,
    /// Its steps, in an order in which they can be done.
    pub steps: Vec<StepRow>,
    /// mol or wisp.
    #[serde(default)]
    pub phase: String,
    /// When it was made.
    #[serde(default)]
    pub created_at: Timestamp,
    /// When all was done.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
}

/// A row of `status`'s agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRow {
    /// Who.
    pub address: Address,
    /// What for.
    pub role: Role,
    /// In which rig.
    pub rig: Option<RigName>,
    /// How it is.
    pub state: AgentState,
    /// Why it is so, in a few words.
    pub note: Option<String>,
    /// The process, while there is one.
    pub pid: Option<u32>,
    /// The session, while there is one.
    pub session: Option<SessionId>,
    /// What hangs on its hook.
    pub hook: Option<BeadId>,
    /// How often its session was started again for what hangs there.
    pub restarts: u32,
    /// When its terminal or its commands were last heard of.
    pub last_activity: Option<Timestamp>,
    /// The preset that its session runs.
    pub preset: Option<String>,
    /// How many sessions it has had.
    pub sessions: u32,
    /// How many lines and frames of this session's terminal claimed to be commands and were not proven.
    #[serde(default)]
    pub forged: u64,
}

/// A row of `rig list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RigRow {
    /// Its name.
    pub name: RigName,
    /// Where its repository is.
    pub git_url: String,
    /// The prefix of its beads.
    pub prefix: String,
    /// The branch that work lands on.
    pub default_branch: String,
    /// How many workers at once.
    pub max_workers: usize,
    /// Whether it is paused: it is given no work.
    pub parked: bool,
    /// Since when, by whom and why it is paused.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// Whether its actors were stopped, until it is started again or the runtime is.
    #[serde(default)]
    pub stopped: bool,
    /// How many of its workers' sessions there are, or are about to be.
    #[serde(default)]
    pub working: usize,
    /// How many beads are not closed.
    pub open: usize,
    /// How many wait for a worker.
    pub waiting: usize,
    /// What must pass before anything lands.
    pub gates: Vec<String>,
}

/// Why something stands still: since when, by whom, and what they said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Who wanted it.
    pub by: Address,
    /// Why, if they said.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Pause {
    /// `since 2026-01-01T00:00:00.000Z by overseer: the reason`.
    pub fn told(&self) -> String {
        let why = self.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("since {} by {}{why}", self.since, self.by)
    }
}

/// The answer to `estop` and `thaw`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeReport {
    /// Since when, by whom and why everything stands still; nothing when it does not.
    pub frozen: Option<Pause>,
    /// Whether this command has changed that.
    pub changed: bool,
    /// How many sessions there are.
    pub sessions: usize,
}

/// How the town itself is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TownRow {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub path: String,
    /// running, stopping, stopped, read_only, frozen.
    pub state: String,
    /// Why it is read only, if it is.
    pub note: Option<String>,
    /// Since when, by whom and why everything stands still, if it does.
    #[serde(default)]
    pub frozen: Option<Pause>,
    /// The runtime's process.
    pub pid: Option<u32>,
    /// For how long it has been up, in seconds.
    pub uptime_s: Option<u64>,
    /// The newest record.
    pub seq: Seq,
}

/// How the post is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailGauge {
    /// Letters that nobody has acknowledged.
    pub unacked: usize,
    /// The age of the oldest of them, in seconds.
    pub oldest_s: u64,
    /// Letters that could not be handled.
    pub dead: usize,
    /// The same for each address that was ever written to.
    #[serde(default)]
    pub boxes: Vec<MailboxGauge>,
}

/// How one mailbox is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxGauge {
    /// Whose.
    pub address: Address,
    /// Letters that are not acknowledged.
    pub unacked: usize,
    /// The age of the oldest of them, in seconds.
    pub oldest_s: u64,
    /// Letters that could not be handled.
    pub dead: usize,
}

/// The answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The town.
    pub town: TownRow,
    /// Everybody.
    pub agents: Vec<AgentRow>,
    /// The rigs.
    pub rigs: Vec<RigRow>,
    /// What waits to land.
    pub queue: Vec<MergeRow>,
    /// The post.
    pub mail: MailGauge,
    /// What needs a person: one line each.
    pub attention: Vec<String>,
    /// What people have to know.
    #[serde(default)]
    pub escalations: EscalationGauge,
    /// Beads by status.
    pub beads: BTreeMap<String, usize>,
    /// How many sessions have ever been started, by reason.
    #[serde(default)]
    pub starts: BTreeMap<String, u64>,
}

/// How it stands with what people have to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscalationGauge {
    /// Those of which nobody has taken note.
    pub open: usize,
    /// Those of which somebody has, and that are not settled.
    pub acked: usize,
    /// Messages about these that do not go through.
    pub undelivered: usize,
}

/// Whether a number can go down again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// It can.
    Gauge,
    /// It only grows.
    Counter,
}

/// One number of a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// What it is about, for instance `rig` and its name.
    pub labels: BTreeMap<String, String>,
    /// The number.
    pub value: u64,
}

/// Numbers of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What it counts, and the command that shows the same.
    pub help: String,
    /// Whether it can go down again.
    #[serde(rename = "type")]
    pub kind: MetricKind,
    /// The numbers; none where there is nothing to count yet.
    pub samples: Vec<Sample>,
}

/// What a sling did or would do, per bead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlungRow {
    /// Which bead.
    pub bead: BeadId,
    /// To whom: a rig or an address.
    pub target: String,
    /// slung, or already there.
    pub outcome: String,
}

/// The answer to `sling`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlungReport {
    /// Per bead.
    pub beads: Vec<SlungRow>,
    /// The convoy that several became.
    pub convoy: Option<ConvoyId>,
    /// Nothing was done.
    pub dry_run: bool,
}

/// The answer to `done`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneReport {
    /// What was handed in.
    pub bead: BeadId,
    /// How.
    pub exit: String,
    /// Where the work is.
    pub branch: Option<String>,
    /// Its head.
    pub head: Option<String>,
    /// remote, bundle or none.
    pub saved: String,
    /// Beads that were made of what is left.
    #[serde(default)]
    pub created: Vec<BeadId>,
}

/// The brief of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prime {
    /// Who it is.
    pub agent: Address,
    /// What for.
    pub role: Role,
    /// In which rig.
    pub rig: Option<RigName>,
    /// Where its sandbox is.
    pub sandbox: Option<String>,
    /// What hangs on its hook.
    pub hook: Option<Hook>,
    /// The bead itself.
    pub bead: Option<Bead>,
    /// The branch to work on.
    pub branch: Option<String>,
    /// The commit that the branch started from.
    pub base: Option<String>,
    /// The branch that the work is to land on.
    pub target: Option<String>,
    /// The steps to take.
    pub mol: Option<MolRow>,
    /// Letters that wait.
    pub mail: Vec<MailRow>,
    /// All of it as a text to read.
    pub text: String,
}

/// A formula in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormulaRow {
    /// Its name.
    pub name: String,
    /// Its first line.
    pub description: String,
    /// shipped, or the file that it comes from.
    pub source: String,
    /// How many steps.
    pub steps: usize,
}

/// A bead as it is shown: its record, and what is kept of work at it that went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BeadPage {
    /// The record.
    #[serde(flatten)]
    pub bead: Bead,
    /// The last session at it that ended as it should not have, while the bead is not closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_context: Option<Failure>,
    /// How many sessions at it have failed since the last that handed something in.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// No session begins at it before, after what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// How far its parts are, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_up: Option<RollUp>,
    /// What depends on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependents: Vec<crate::work::DepRow>,
}

/// What was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedReport {
    /// Which.
    pub closed: Vec<BeadId>,
    /// What can be begun because of it.
    pub unblocked: Vec<BeadLine>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Everything that can come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "data", rename_all = "snake_case")]
pub enum Answer {
    /// It is done; `{}` in JSON.
    Done,
    /// One bead.
    Bead(Box<Bead>),
    /// Beads.
    Beads(Vec<std::sync::Arc<Bead>>),
    /// One bead, with what is known beside its record.
    BeadPage(Box<BeadPage>),
    /// Beads, with what is known beside their records.
    BeadPages(Vec<BeadPage>),
    /// Beads that were touched, by name.
    Touched(Vec<BeadId>),
    /// What a question about beads has found.
    Found(Box<Found>),
    /// What was closed, and what can be begun because of it.
    Closed(ClosedReport),
    /// JSON lines.
    Jsonl(String),
    /// What a hook holds; `null` in JSON when nothing.
    Hook(Option<HookRow>),
    /// What a sling did.
    Slung(SlungReport),
    /// A convoy.
    Convoy(ConvoyRow),
    /// Convoys.
    Convoys(Vec<ConvoyRow>),
    /// A molecule; `null` in JSON when there is none.
    Mol(Option<MolRow>),
    /// Molecules.
    Mols(Vec<MolRow>),
    /// What is left of molecules that were put away.
    Digest(Box<crate::molecule::Digest>),
    /// Formulas.
    Formulas(Vec<FormulaRow>),
    /// A formula's steps and text.
    Formula(Value),
    /// What checks of formulas have shown.
    FormulasChecked(Vec<crate::formula::Checked>),
    /// A formula that is to be written.
    FormulaDraft(crate::formula::Draft),
    /// What `done` did.
    Submitted(DoneReport),
    /// Merge requests.
    Merges(Vec<MergeRow>),
    /// One.
    Merge(Box<MergeRow>),
    /// What queues do and have learned.
    Queues(Vec<QueueRow>),
    /// What a merge request waits for.
    Waits(Box<WaitsRow>),
    /// What became of a landing without the queue.
    Direct(Box<DirectReport>),
    /// What a gate said.
    GateLog(Box<GateLog>),
    /// Merge requests that were touched, by name.
    MergesTouched(Vec<MergeId>),
    /// Letters.
    Letters(Vec<MailRow>),
    /// One.
    Letter(Box<MailRow>),
    /// Letters that could not be handled, with what went wrong.
    DeadLetters(Vec<DeadRow>),
    /// Letters that were sent, by name.
    Sent(Vec<MailId>),
    /// Lines of a screen.
    Screen {
        /// Whose.
        agent: Address,
        /// The lines, trailing blanks trimmed.
        lines: Vec<String>,
        /// The terminal's title.
        title: Option<String>,
    },
    /// Kinds of agents.
    Presets(Vec<crate::preset::PresetRow>),
    /// One kind, with all its fields.
    Preset(Value),
    /// Hooks.
    Taps(Vec<crate::preset::TapRow>),
    /// Recordings of sessions.
    Recordings(Vec<crate::preset::RecordingRow>),
    /// What came of a nudge.
    Nudged(crate::nudge::Nudged),
    /// An agent's new address.
    Renamed(Address),
    /// What a person has to know.
    Escalation(Box<EscalationRow>),
    /// Several of these.
    Escalations(Vec<EscalationRow>),
    /// When each of those of which nobody has taken note becomes graver.
    Stale(Vec<StaleRow>),
    /// Agents.
    Agents(Vec<AgentRow>),
    /// A rig.
    Rig(RigRow),
    /// Rigs.
    Rigs(Vec<RigRow>),
    /// Whether everything stands still.
    Freeze(FreezeReport),
    /// How everything is.
    Status(Box<StatusReport>),
    /// The living tree.
    Tree(Value),
    /// The town in numbers.
    Metrics(Vec<Metric>),
    /// How everything is that the town stands on.
    Doctor(Vec<Examined>),
    /// Events.
    Events(Vec<Record>),
    /// What has become of an agent or a bead.
    Story(Box<Story>),
    /// How beads were brought back.
    Recovered(Vec<RecoveredRow>),
    /// Who goes on with a bead.
    Reassigned(ReassignedReport),
    /// What agents have used.
    Costs(Box<cost::Report>),
    /// The brief.
    Prime(Box<Prime>),
    /// What a look at the whole ledger has shown.
    LedgerChecked(Box<ledger::Check>),
    /// How large the ledger is.
    LedgerStats(Box<ledger::Stats>),
    /// What came of leaving old records to the archive.
    LedgerCompacted(Box<ledger::Compacted>),
    /// What was saved of a ledger.
    LedgerRepaired(Box<ledger::Repaired>),
    /// What an empty ledger was filled with.
    LedgerFilled(ledger::Filled),
    /// What became of an import.
    Imported(Box<ImportReport>),
    /// What became of a sync.
    Synced(Vec<SyncRow>),
    /// A backup that was made.
    BackedUp(Box<backup::Backup>),
}

impl Answer {
    /// What `--json` prints and an agent's terminal is answered.
    pub fn json(&self) -> Value {
        if let Answer::Found(found) = self {
            return found.json();
        }
        match serde_json::to_value(self) {
            Ok(Value::Object(mut fields)) => match fields.remove("data") {
                Some(data) => data,
                None => Value::Object(serde_json::Map::new()),
            },
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_data_alone() {
        assert_eq!(Answer::Done.json().to_string(), "{}");
        assert_eq!(Answer::Hook(None).json().to_string(), "null");
        assert_eq!(Answer::Touched(vec!["web-1".parse().unwrap()]).json().to_string(), "[\"web-1\"]");
    }
}
