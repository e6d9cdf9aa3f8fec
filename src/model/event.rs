//! Everything that has happened, for good.
//!
//! Events are past: what they say is so. Old ones load for ever, so a variant or a field may be
//! added with a default, never taken away or given another meaning.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::{AgentState, Exit, SessionEnd, Verdict};
use crate::bead::{Bead, Comment, Dependency, Move, Patch, Priority, Status};
use crate::command::Sling;
use crate::convoy::Convoy;
use crate::cost::Tokens;
use crate::crash::Crash;
use crate::escalation::{Context, Outcome, Route, Severity};
use crate::ids::{BeadId, ConvoyId, EscalationId, MailId, MergeId, MolId, Prefix, RigName, Seq, SessionId};
use crate::mail::Letter;
use crate::merge::{GateResult, MergeRequest, Rejection};
use crate::queue;
use crate::recovery::{Strategy, Symptom};
use crate::role::Address;
use crate::survey::Difference;
use crate::time::Timestamp;

/// One step of a molecule, as poured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PouredStep {
    /// Its name in the formula.
    pub id: String,
    /// One line.
    pub title: String,
    /// What to do.
    pub description: String,
    /// What must be done first.
    pub needs: Vec<String>,
    /// Whether it has a session of its own: the next step begins another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_session: bool,
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// A bead was made.
    #[serde(rename = "bead.created")]
    BeadCreated {
        /// As it was then.
        bead: Arc<Bead>,
    },
    /// A bead was brought in from elsewhere in place of what was known of it, or one that was deleted there.
    #[serde(rename = "bead.imported")]
    BeadImported {
        /// As it is now.
        bead: Arc<Bead>,
    },
    /// A bead was changed by hand.
    #[serde(rename = "bead.updated")]
    BeadUpdated {
        /// Which.
        bead: BeadId,
        /// What changed.
        patch: Patch,
    },
    /// A bead went from one status to another.
    #[serde(rename = "bead.status_changed")]
    BeadStatusChanged {
        /// Which.
        bead: BeadId,
        /// From.
        from: Status,
        /// To.
        to: Status,
        /// By which kind of move.
        by: Move,
        /// Why, if somebody said.
        reason: Option<String>,
    },
    /// A bead was closed.
    #[serde(rename = "bead.closed")]
    BeadClosed {
        /// Which.
        bead: BeadId,
        /// The status that it had.
        from: Status,
        /// Why.
        reason: String,
    },
    /// A remark was made.
    #[serde(rename = "bead.commented")]
    BeadCommented {
        /// On which.
        bead: BeadId,
        /// What.
        comment: Comment,
    },
    /// One bead now depends on another.
    #[serde(rename = "dep.added")]
    DepAdded {
        /// The arrow.
        dep: Dependency,
    },
    /// It no longer does.
    #[serde(rename = "dep.removed")]
    DepRemoved {
        /// What depended.
        bead: BeadId,
        /// On what.
        on: BeadId,
    },
    /// A bead waits for a worker of a rig.
    #[serde(rename = "bead.slung")]
    BeadSlung {
        /// Which.
        bead: BeadId,
        /// In which rig.
        rig: RigName,
        /// For this worker alone; none for whoever is free.
        worker: Option<Address>,
        /// What was asked, with this one bead.
        sling: Sling,
    },
    /// It no longer does.
    #[serde(rename = "bead.unslung")]
    BeadUnslung {
        /// Which.
        bead: BeadId,
        /// Why.
        reason: String,
    },

    /// A letter was written down.
    #[serde(rename = "mail.sent")]
    MailSent {
        /// The letter.
        letter: Arc<Letter>,
    },
    /// It was handed over.
    #[serde(rename = "mail.delivered")]
    MailDelivered {
        /// Which.
        mail: MailId,
        /// To whom.
        to: Address,
    },
    /// It was handled or read.
    #[serde(rename = "mail.acked")]
    MailAcked {
        /// Which.
        mail: MailId,
    },
    /// Handling it failed.
    #[serde(rename = "mail.failed")]
    MailFailed {
        /// Which.
        mail: MailId,
        /// How.
        error: String,
    },
    /// It will not be tried again.
    #[serde(rename = "mail.dead")]
    MailDead {
        /// Which.
        mail: MailId,
        /// Why.
        reason: String,
    },
    /// A dead letter was put back: it is delivered and handled afresh.
    #[serde(rename = "mail.retried")]
    MailRetried {
        /// Which.
        mail: MailId,
    },

    /// An agent's session began.
    #[serde(rename = "agent.started")]
    AgentStarted {
        /// Whose.
        agent: Address,
        /// Which.
        session: SessionId,
        /// The preset that it runs.
        preset: String,
        /// The bead that it is for.
        bead: Option<BeadId>,
        /// Why it was started: hook, rework, resume, retry, operator, attach.
        reason: String,
    },
    /// An agent is in another state.
    #[serde(rename = "agent.state")]
    AgentState {
        /// Who.
        agent: Address,
        /// Before.
        from: AgentState,
        /// Now.
        to: AgentState,
        /// Why, in a few words.
        note: Option<String>,
    },
    /// A session ended.
    #[serde(rename = "agent.stopped")]
    AgentStopped {
        /// Whose.
        agent: Address,
        /// Which.
        session: SessionId,
        /// How.
        end: SessionEnd,
        /// What else was seen of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        symptom: Option<Symptom>,
        /// What it was doing, as far as it said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doing: Option<String>,
    },
    /// What that end means. Exactly one per session.
    #[serde(rename = "agent.verdict")]
    AgentVerdict {
        /// Whose session.
        agent: Address,
        /// Which.
        session: SessionId,
        /// What it was for.
        bead: Option<BeadId>,
        /// What its end means.
        verdict: Verdict,
        /// How it ended, in a few words.
        detail: String,
        /// The last lines on its screen, for all ends that are failures.
        context: Option<String>,
        /// Its exit code, if it exited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// The signal that ended it, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// What was being done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doing: Option<String>,
        /// What its worktree held that the target branch does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
        /// What follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strategy: Option<Strategy>,
        /// The next session does not begin before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A session that gave no sign of life, or waited for input with work on its hook, was told to go on.
    #[serde(rename = "agent.nudged")]
    AgentNudged {
        /// Whose.
        agent: Address,
        /// Which.
        session: SessionId,
        /// Why, in a few words.
        why: String,
        /// The how many-th time without effect in between.
        n: u32,
    },
    /// A session works somewhere else than in its own place. Recorded once for each session.
    #[serde(rename = "agent.strayed")]
    AgentStrayed {
        /// Whose.
        agent: Address,
        /// Which.
        session: SessionId,
        /// Where.
        folder: String,
        /// Where it belongs.
        place: String,
    },
    /// A worker that has failed too often of late gets no new work for a while, or gets work again.
    #[serde(rename = "agent.quarantined")]
    AgentQuarantined {
        /// Who.
        agent: Address,
        /// Until then it gets nothing, and then one bead to prove itself; none when it is let go.
        until: Option<Timestamp>,
        /// Why.
        reason: String,
    },
    /// Work at a bead that nobody went on with goes on, on somebody's word.
    #[serde(rename = "bead.recovered")]
    BeadRecovered {
        /// Which.
        bead: BeadId,
        /// How it is brought back.
        how: String,
        /// The branch on which the next worker goes on, where that was found only now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
        /// Its head.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },

    /// The runtime itself took a bead from a worker that is gone.
    #[serde(rename = "bead.reset")]
    BeadReset {
        /// Which.
        bead: BeadId,
        /// From whom.
        from: Address,
        /// Why.
        reason: String,
        /// Nobody goes on with it before.
        until: Option<Timestamp>,
    },

    /// What a session has used since the last such record of the same conversation and model.
    #[serde(rename = "cost.recorded")]
    CostRecorded {
        /// Whose session.
        agent: Address,
        /// Which.
        session: SessionId,
        /// What it was for.
        bead: Option<BeadId>,
        /// The conversation, where somebody has begun another one in the same session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<SessionId>,
        /// The model, as its provider calls it.
        model: String,
        /// The tokens.
        tokens: Tokens,
        /// The answers that they were used for.
        messages: u64,
    },

    /// An agent is to have no session until it is let go again, or is let go.
    #[serde(rename = "agent.held")]
    AgentHeld {
        /// Who.
        agent: Address,
        /// Held, or let go. Letting go forgives earlier failures.
        held: bool,
        /// Why.
        reason: String,
    },

    /// An agent has another name. It stays who it is, and what is addressed to the old name is its own.
    #[serde(rename = "agent.renamed")]
    AgentRenamed {
        /// What it was called.
        from: Address,
        /// What it is called.
        to: Address,
    },

    /// A bead was hung on a hook.
    #[serde(rename = "hook.set")]
    HookSet {
        /// Whose.
        agent: Address,
        /// What.
        bead: BeadId,
        /// The molecule that guides the work.
        mol: Option<MolId>,
        /// The preset that was asked for.
        preset: Option<String>,
        /// Words for the worker.
        args: Option<String>,
    },
    /// An agent has looked at its hook for the first time in a session.
    #[serde(rename = "hook.checked")]
    HookChecked {
        /// Whose.
        agent: Address,
        /// What hangs there.
        bead: BeadId,
        /// In which session.
        session: SessionId,
    },
    /// A hook is free again.
    #[serde(rename = "hook.cleared")]
    HookCleared {
        /// Whose.
        agent: Address,
        /// What hung there.
        bead: BeadId,
        /// Why.
        reason: String,
    },
    /// A bead went, with its worktree, from one hook to another.
    #[serde(rename = "hook.moved")]
    HookMoved {
        /// Whose hook it hung on.
        from: Address,
        /// Whose hook it hangs on.
        to: Address,
        /// What.
        bead: BeadId,
        /// Why.
        reason: String,
    },
    /// A worktree that came with a hook stands in the place of its new worker.
    #[serde(rename = "sandbox.moved")]
    SandboxMoved {
        /// Whose it is.
        agent: Address,
        /// In whose place it stood.
        from: Address,
        /// For what.
        bead: BeadId,
    },
    /// A worktree was made.
    #[serde(rename = "sandbox.created")]
    SandboxCreated {
        /// For whom.
        agent: Address,
        /// For what.
        bead: BeadId,
        /// Its branch.
        branch: String,
        /// The commit that the branch starts from.
        base: String,
    },
    /// A worktree was removed; everything in it is on the target branch, or was saved.
    #[serde(rename = "sandbox.removed")]
    SandboxRemoved {
        /// Whose.
        agent: Address,
        /// For what.
        bead: BeadId,
        /// Its branch.
        branch: String,
        /// The head of the branch, if it stays, because it holds work that has not landed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<String>,
    },
    /// Unsaved work was put in safety.
    #[serde(rename = "work.rescued")]
    WorkRescued {
        /// Whose.
        agent: Address,
        /// Of which bead.
        bead: Option<BeadId>,
        /// The branch that holds it.
        branch: String,
        /// The commit that holds it.
        commit: String,
        /// The bundle that holds it, where it could not be pushed.
        bundle: Option<String>,
        /// Why.
        reason: String,
    },
    /// Files stood where a worktree was to be made, and are nowhere else.
    #[serde(rename = "work.moved_aside")]
    FilesMovedAside {
        /// Whose place.
        agent: Address,
        /// For what it was made.
        bead: BeadId,
        /// Where they are now.
        folder: String,
    },
    /// A worktree that is to go holds work that is nowhere else: its agent was asked to save it.
    #[serde(rename = "work.unsaved")]
    WorkUnsaved {
        /// Who was asked.
        agent: Address,
        /// Of which bead.
        bead: BeadId,
        /// The how manieth time, from 1.
        asked: u32,
        /// Some of the files.
        files: Vec<String>,
    },
    /// Work is only in a worktree that is to go, and cannot be saved: it stays until a person has seen to it.
    #[serde(rename = "work.at_risk")]
    WorkAtRisk {
        /// Whose.
        agent: Address,
        /// Of which bead.
        bead: BeadId,
        /// Where it lies.
        folder: String,
        /// Why it cannot be saved.
        why: String,
    },
    /// A worker has handed its work in.
    #[serde(rename = "work.done")]
    WorkDone {
        /// Who.
        agent: Address,
        /// What.
        bead: BeadId,
        /// How it leaves it.
        exit: Exit,
        /// The branch, for completed work.
        branch: Option<String>,
        /// Its head.
        head: Option<String>,
        /// The bundle that holds it, where it could not be pushed.
        bundle: Option<String>,
        /// What the worker said.
        reason: Option<String>,
    },

    /// A formula was poured for a bead.
    #[serde(rename = "mol.created")]
    MolCreated {
        /// The molecule.
        mol: MolId,
        /// The bead that it guides.
        bead: BeadId,
        /// The formula.
        formula: String,
        /// Its steps, in an order in which they can be done.
        steps: Vec<PouredStep>,
    },
    /// A step is done.
    #[serde(rename = "mol.step_completed")]
    MolStepCompleted {
        /// Of which molecule.
        mol: MolId,
        /// Which.
        step: String,
    },
    /// All steps are done.
    #[serde(rename = "mol.completed")]
    MolCompleted {
        /// Which.
        mol: MolId,
    },

    /// A branch was put into the merge queue, for the first time or again.
    #[serde(rename = "mq.submitted")]
    MqSubmitted {
        /// The entry as it stands now.
        merge: Box<MergeRequest>,
    },
    /// Its merge result is being gated.
    #[serde(rename = "mq.testing")]
    MqTesting {
        /// Which.
        merge: MergeId,
        /// The target's head that it stands on.
        base: String,
        /// The merge commit.
        commit: String,
    },
    /// A gate has run.
    #[serde(rename = "mq.gate")]
    MqGate {
        /// For which entry: the topmost of those that were merged.
        merge: MergeId,
        /// What came out.
        result: GateResult,
        /// The others that were merged below it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        with: Vec<MergeId>,
    },
    /// All gates have passed; it will be pushed.
    #[serde(rename = "mq.pushing")]
    MqPushing {
        /// Which.
        merge: MergeId,
        /// The target's head that it stands on.
        base: String,
        /// The commit that is pushed.
        commit: String,
        /// Its own merge commit, when that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        own: Option<String>,
    },
    /// The merge commit was seen on the target branch at the remote.
    #[serde(rename = "mq.landed")]
    MqLanded {
        /// Which.
        merge: MergeId,
        /// What it finishes.
        bead: BeadId,
        /// Who made it.
        worker: Address,
        /// The merge commit.
        commit: String,
        /// The target branch.
        target: String,
    },
    /// It was given back to its worker.
    #[serde(rename = "mq.rejected")]
    MqRejected {
        /// Which.
        merge: MergeId,
        /// What it was to finish.
        bead: BeadId,
        /// Who made it.
        worker: Address,
        /// Why.
        rejection: Rejection,
    },
    /// It goes back to its place in the queue: the target moved, or what held it is gone.
    #[serde(rename = "mq.requeued")]
    MqRequeued {
        /// Which.
        merge: MergeId,
        /// Why.
        reason: String,
    },
    /// It waits for a person or for the world to change.
    #[serde(rename = "mq.held")]
    MqHeld {
        /// Which.
        merge: MergeId,
        /// What is in the way.
        why: String,
        /// What can be done about it.
        hint: Option<String>,
    },
    /// It was taken out of the queue.
    #[serde(rename = "mq.withdrawn")]
    MqWithdrawn {
        /// Which.
        merge: MergeId,
        /// Why.
        why: String,
    },

    /// What the queue of a rig was told and has decided, in this order.
    #[serde(rename = "mq.queue")]
    MqQueue {
        /// Whose queue.
        rig: RigName,
        /// What.
        records: Vec<queue::Record>,
    },
    /// The head of the target that everything stands on from now on.
    #[serde(rename = "mq.base")]
    MqBase {
        /// Of which rig.
        rig: RigName,
        /// The commit.
        head: String,
    },
    /// What the queue goes by from now on.
    #[serde(rename = "mq.rules")]
    MqRules {
        /// Of which rig.
        rig: RigName,
        /// How it behaves.
        rules: queue::Rules,
        /// How many gate runs at once.
        runners: usize,
        /// A digest of the gates.
        gates: String,
    },
    /// A person lands a request without the queue.
    #[serde(rename = "mq.direct")]
    MqDirect {
        /// Which.
        merge: MergeId,
        /// The checks that were left out.
        skipped: Vec<String>,
        /// Why, in the person's words.
        reason: String,
    },
    /// A gate has run on the target as it is.
    #[serde(rename = "mq.baseline")]
    MqBaseline {
        /// Of which rig.
        rig: RigName,
        /// What came out.
        result: GateResult,
    },
    /// A gate was red and green on one tree.
    #[serde(rename = "mq.flaky")]
    MqFlaky {
        /// Of which rig.
        rig: RigName,
        /// Its name.
        gate: String,
        /// The tree.
        tree: String,
    },
    /// A person keeps a request where it is, or lets it go on.
    #[serde(rename = "mq.kept")]
    MqKept {
        /// Which.
        merge: MergeId,
        /// Why; none lets it go on.
        reason: Option<String>,
    },
    /// It is more or less urgent than it was.
    #[serde(rename = "mq.prioritised")]
    MqPrioritised {
        /// Which.
        merge: MergeId,
        /// How urgent.
        priority: Priority,
        /// Whether it is a hot fix.
        hot: bool,
    },
    /// Nothing but hot fixes lands in a rig.
    #[serde(rename = "mq.frozen")]
    MqFrozen {
        /// Which rig.
        rig: RigName,
        /// Why.
        reason: String,
    },
    /// Everything lands again.
    #[serde(rename = "mq.thawed")]
    MqThawed {
        /// In which rig.
        rig: RigName,
    },

    /// A convoy was made.
    #[serde(rename = "convoy.created")]
    ConvoyCreated {
        /// The convoy.
        convoy: Convoy,
    },
    /// All its beads are closed.
    #[serde(rename = "convoy.closed")]
    ConvoyClosed {
        /// Which.
        convoy: ConvoyId,
    },
    /// A person has to know.
    #[serde(rename = "escalation.raised")]
    EscalationRaised {
        /// Its name.
        escalation: EscalationId,
        /// critical, high, medium, low.
        severity: String,
        /// About which bead.
        bead: Option<BeadId>,
        /// About which agent.
        agent: Option<Address>,
        /// One line.
        subject: String,
        /// The whole of it.
        body: String,
        /// What it comes from, in the words of whoever raised it: `plugin:NAME`, `patrol:NAME`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        /// What the town knew of the matter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<Box<Context>>,
    },
    /// A person knows.
    #[serde(rename = "escalation.acked")]
    EscalationAcked {
        /// Which.
        escalation: EscalationId,
        /// What they said to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// The matter is settled.
    #[serde(rename = "escalation.closed")]
    EscalationClosed {
        /// Which.
        escalation: EscalationId,
        /// How.
        reason: String,
    },
    /// Nobody has taken note for too long: it is graver now.
    #[serde(rename = "escalation.reescalated")]
    EscalationReescalated {
        /// Which.
        escalation: EscalationId,
        /// How grave it was.
        from: Severity,
        /// How grave it is.
        to: Severity,
        /// Why.
        reason: String,
    },
    /// It was decided which ways it goes. Once when it is raised, and once each time that it becomes graver.
    #[serde(rename = "escalation.routed")]
    EscalationRouted {
        /// Which.
        escalation: EscalationId,
        /// How often it had become graver by then.
        round: u32,
        /// How grave it was by then.
        severity: Severity,
        /// The ways.
        routes: Vec<Route>,
    },
    /// A message is about to go out by a way that leaves the town.
    #[serde(rename = "escalation.sending")]
    EscalationSending {
        /// Which.
        escalation: EscalationId,
        /// How often it had become graver by then.
        round: u32,
        /// By which way.
        route: Route,
        /// For which time, from 1.
        attempt: u32,
    },
    /// What came of a way that it went.
    #[serde(rename = "escalation.notified")]
    EscalationNotified {
        /// Which.
        escalation: EscalationId,
        /// How often it had become graver by then.
        round: u32,
        /// Which way.
        route: Route,
        /// What came of it.
        outcome: Outcome,
    },
    /// Messages that did not go through are to be sent again.
    #[serde(rename = "escalation.retried")]
    EscalationRetried {
        /// Which.
        escalation: EscalationId,
    },
    /// A rule forbade something, and somebody should see that it was tried.
    #[serde(rename = "policy.denied")]
    PolicyDenied {
        /// The rule.
        rule: String,
        /// What was tried.
        tried: String,
    },
    /// A project was taken in.
    #[serde(rename = "rig.added")]
    RigAdded {
        /// Its name.
        rig: RigName,
        /// Where its repository is.
        git_url: String,
        /// The prefix of its beads.
        prefix: Prefix,
        /// The branch that work lands on.
        branch: String,
    },
    /// A rig is given no work until it is let go again.
    #[serde(rename = "rig.parked")]
    RigParked {
        /// Which.
        rig: RigName,
        /// Why, if somebody said.
        reason: Option<String>,
        /// Whether its sessions end, too.
        now: bool,
    },
    /// It is given work again.
    #[serde(rename = "rig.unparked")]
    RigUnparked {
        /// Which.
        rig: RigName,
    },
    /// The sessions and actors of a rig end, until it is started or the runtime is.
    #[serde(rename = "rig.stopped")]
    RigStopped {
        /// Which.
        rig: RigName,
    },
    /// It is started again.
    #[serde(rename = "rig.started")]
    RigStarted {
        /// Which.
        rig: RigName,
    },
    /// Everything that agents do stands still, until it is thawed.
    #[serde(rename = "town.frozen")]
    TownFrozen {
        /// Why, if somebody said.
        reason: Option<String>,
    },
    /// It goes on. The time between did not count.
    #[serde(rename = "town.thawed")]
    TownThawed {
        /// Since when everything had stood still.
        since: Timestamp,
    },
    /// The runtime is up.
    #[serde(rename = "town.started")]
    TownStarted {
        /// Its process.
        pid: u32,
        /// Its version.
        version: String,
    },
    /// The runtime has looked at what is, and it was not as the ledger has it.
    #[serde(rename = "town.surveyed")]
    TownSurveyed {
        /// What was different, and how it is settled.
        found: Vec<Difference>,
    },
    /// The runtime has ended in order.
    #[serde(rename = "town.stopped")]
    TownStopped {
        /// Why.
        reason: String,
    },
    /// A copy of the town was put into a folder of backups.
    #[serde(rename = "backup.made")]
    BackupMade {
        /// The folder.
        dir: String,
        /// The backup's number there.
        number: u32,
        /// The newest record that it holds.
        head: Seq,
        /// Bytes that it has added to the folder.
        added: u64,
    },
    /// The town was made again from a backup; what follows did not happen where that was taken.
    #[serde(rename = "town.restored")]
    TownRestored {
        /// The folder of the backup.
        dir: String,
        /// The backup's number there.
        number: u32,
        /// When it was begun.
        made_at: Timestamp,
        /// The folder of the town that it was taken of.
        from: String,
        /// The folder that it was restored into.
        into: String,
    },
    /// An actor died and was started again, or given up.
    #[serde(rename = "actor.ended")]
    ActorEnded {
        /// Its name in the tree.
        name: String,
        /// How it ended.
        reason: String,
        /// restarted, stopped or gave_up.
        outcome: String,
        /// How many restarts are in the window now.
        restarts: u32,
        /// How it was found.
        #[serde(default)]
        crash: Box<Crash>,
    },
    /// An actor takes no message, although it has been given some: what it has in hand does not end.
    #[serde(rename = "actor.blocked")]
    ActorBlocked {
        /// Its name in the tree.
        name: String,
        /// The kind of message that it is handling; none when it does not even begin with one.
        in_hand: Option<String>,
        /// The letter that it is handling.
        letter: Option<MailId>,
        /// For how long already, in milliseconds.
        since_ms: u64,
    },
    /// An actor that was blocked goes on, or has ended.
    #[serde(rename = "actor.unblocked")]
    ActorUnblocked {
        /// Its name in the tree.
        name: String,
        /// For how long it took no message, in milliseconds.
        after_ms: u64,
    },
}

impl Event {
    /// The name of its type, for instance `bead.created`.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::BeadCreated { .. } => "bead.created",
            Event::BeadImported { .. } => "bead.imported",
            Event::BeadUpdated { .. } => "bead.updated",
            Event::BeadStatusChanged { .. } => "bead.status_changed",
            Event::BeadClosed { .. } => "bead.closed",
            Event::BeadCommented { .. } => "bead.commented",
            Event::DepAdded { .. } => "dep.added",
            Event::DepRemoved { .. } => "dep.removed",
            Event::BeadSlung { .. } => "bead.slung",
            Event::BeadUnslung { .. } => "bead.unslung",
            Event::MailSent { .. } => "mail.sent",
            Event::MailDelivered { .. } => "mail.delivered",
            Event::MailAcked { .. } => "mail.acked",
            Event::MailFailed { .. } => "mail.failed",
            Event::MailDead { .. } => "mail.dead",
            Event::MailRetried { .. } => "mail.retried",
            Event::AgentStarted { .. } => "agent.started",
            Event::AgentState { .. } => "agent.state",
            Event::AgentStopped { .. } => "agent.stopped",
            Event::AgentVerdict { .. } => "agent.verdict",
            Event::AgentNudged { .. } => "agent.nudged",
            Event::AgentStrayed { .. } => "agent.strayed",
            Event::AgentQuarantined { .. } => "agent.quarantined",
            Event::BeadRecovered { .. } => "bead.recovered",
            Event::BeadReset { .. } => "bead.reset",
            Event::HookMoved { .. } => "hook.moved",
            Event::SandboxMoved { .. } => "sandbox.moved",
            Event::CostRecorded { .. } => "cost.recorded",
            Event::AgentHeld { .. } => "agent.held",
            Event::AgentRenamed { .. } => "agent.renamed",
            Event::HookSet { .. } => "hook.set",
            Event::HookChecked { .. } => "hook.checked",
            Event::HookCleared { .. } => "hook.cleared",
            Event::SandboxCreated { .. } => "sandbox.created",
            Event::SandboxRemoved { .. } => "sandbox.removed",
            Event::WorkRescued { .. } => "work.rescued",
            Event::FilesMovedAside { .. } => "work.moved_aside",
            Event::WorkUnsaved { .. } => "work.unsaved",
            Event::WorkAtRisk { .. } => "work.at_risk",
            Event::WorkDone { .. } => "work.done",
            Event::MolCreated { .. } => "mol.created",
            Event::MolStepCompleted { .. } => "mol.step_completed",
            Event::MolCompleted { .. } => "mol.completed",
            Event::MqSubmitted { .. } => "mq.submitted",
            Event::MqTesting { .. } => "mq.testing",
            Event::MqGate { .. } => "mq.gate",
            Event::MqPushing { .. } => "mq.pushing",
            Event::MqLanded { .. } => "mq.landed",
            Event::MqRejected { .. } => "mq.rejected",
            Event::MqRequeued { .. } => "mq.requeued",
            Event::MqHeld { .. } => "mq.held",
            Event::MqWithdrawn { .. } => "mq.withdrawn",
            Event::MqDirect { .. } => "mq.direct",
            Event::MqQueue { .. } => "mq.queue",
            Event::MqBase { .. } => "mq.base",
            Event::MqRules { .. } => "mq.rules",
            Event::MqBaseline { .. } => "mq.baseline",
            Event::MqFlaky { .. } => "mq.flaky",
            Event::MqKept { .. } => "mq.kept",
            Event::MqPrioritised { .. } => "mq.prioritised",
            Event::MqFrozen { .. } => "mq.frozen",
            Event::MqThawed { .. } => "mq.thawed",
            Event::ConvoyCreated { .. } => "convoy.created",
            Event::ConvoyClosed { .. } => "convoy.closed",
            Event::EscalationRaised { .. } => "escalation.raised",
            Event::EscalationAcked { .. } => "escalation.acked",
            Event::EscalationClosed { .. } => "escalation.closed",
            Event::EscalationReescalated { .. } => "escalation.reescalated",
            Event::EscalationRouted { .. } => "escalation.routed",
            Event::EscalationSending { .. } => "escalation.sending",
            Event::EscalationNotified { .. } => "escalation.notified",
            Event::EscalationRetried { .. } => "escalation.retried",
            Event::PolicyDenied { .. } => "policy.denied",
            Event::RigAdded { .. } => "rig.added",
            Event::RigParked { .. } => "rig.parked",
            Event::RigUnparked { .. } => "rig.unparked",
            Event::RigStopped { .. } => "rig.stopped",
            Event::RigStarted { .. } => "rig.started",
            Event::TownFrozen { .. } => "town.frozen",
            Event::TownThawed { .. } => "town.thawed",
            Event::TownStarted { .. } => "town.started",
            Event::TownSurveyed { .. } => "town.surveyed",
            Event::TownStopped { .. } => "town.stopped",
            Event::BackupMade { .. } => "backup.made",
            Event::TownRestored { .. } => "town.restored",
            Event::ActorEnded { .. } => "actor.ended",
            Event::ActorBlocked { .. } => "actor.blocked",
            Event::ActorUnblocked { .. } => "actor.unblocked",
        }
    }
}

/// An event with its envelope, as readers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
    /// Who did it, as the carrier knew.
    pub actor: Address,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_from_both_encodings_and_knows_its_type() {
        let event = Event::BeadClosed {
            bead: "web-1".parse().unwrap(),
            from: Status::Hooked,
            reason: "landed".into(),
        };
        let record = Record {
            seq: Seq(7),
            at: Timestamp::from_millis(1),
            actor: Address::Refinery("web".parse().unwrap()),
            event,
        };
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(json["type"], record.event.kind());
        assert_eq!(json["actor"], "web/refinery");
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
        let packed = rmp_serde::to_vec_named(&record.event).unwrap();
        assert_eq!(rmp_serde::from_slice::<Event>(&packed).unwrap(), record.event);
        assert!(record.is_about(&"web-1".parse().unwrap()));
        assert!(!record.is_about(&"web-2".parse().unwrap()));
    }

    #[test]
    fn the_end_of_an_actor_loads_from_before_there_were_crash_reports() {
        let fields =
            serde_json::json!({"name": "scribe", "reason": "x", "outcome": "restarted", "restarts": 2});
        let old = serde_json::json!({"type": "actor.ended", "data": fields});
        let read: Event = serde_json::from_value(old.clone()).unwrap();
        let Event::ActorEnded { restarts: 2, crash, .. } = &read else { panic!("{read:?}") };
        assert_eq!(**crash, Crash::default());
        let packed = rmp_serde::to_vec_named(&old).unwrap();
        assert_eq!(rmp_serde::from_slice::<Event>(&packed).unwrap(), read);
    }
}
