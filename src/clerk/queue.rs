//! The merge queue of a rig: what its engine (the room `queue`) is told, and what follows for the requests in it.
//!
//! The engine's memory is a view of the ledger. Each function here tells it one thing inside a write step: what it
//! answers is recorded, and in the same deed what that means for people and workers, so that a restart finds both
//! or neither. What is *done* about it (merging, gating, pushing) follows from the view afterwards.
//!
//! - [`plan`] brings the engine up to date with the requests on the board, and begins runs.
//! - [`built`], [`ended`], [`clashed`]: what came of a run.
//! - [`pushing`], [`landed`], [`moved`], [`refused`]: what came of a push.
//! - [`give_back`], [`found`], [`stuck`]: what has nothing to do with gates.

use std::collections::{BTreeMap, BTreeSet};

use ::queue::{Footprint, Queue, Record, Request, Rules, Run, RunId, Tree, Verdict, why};
use ledger::views::Board;
use ledger::views::queues::RigQueue;
use model::event::Event;
use model::ids::{MergeId, RigName};
use model::merge::{GateResult, MergeRequest, MergeState, Rejection};
use model::refusal::Refusal;
use model::role::Address;

use crate::draft::Draft;
use crate::merges;

/// What a rig has set, as far as its queue goes by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Which rig.
    pub rig: RigName,
    /// The branch that changes land on.
    pub target: String,
    /// How the queue behaves.
    pub rules: Rules,
    /// How many gate runs at once.
    pub runners: usize,
    /// A digest of the gates.
    pub gates: String,
    /// Whether there are gates at all.
    pub gated: bool,
    /// After how many faults of its own a request is left for a person.
    pub max_attempts: u32,
}

/// What was seen outside before a plan is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The head that everything stood on when the remote was asked.
    pub since: Option<String>,
    /// The target's head at the remote.
    pub head: String,
    /// What requests touch that the engine does not know yet.
    pub prints: BTreeMap<MergeId, Footprint>,
    /// A held request that is tried once more.
    pub trial: Option<MergeId>,
}

/// The name of a tree: what the gates were, and the files.
pub fn tree(gates: &str, tree: &str) -> Tree {
    Tree::new(format!("{tree}+{gates}"))
}

fn restore(board: &Board, rig: &RigName) -> Queue {
    board
        .queues
        .get(rig)
        .map_or_else(Queue::default, |known| Queue::restore(known.rules.clone(), known.state.clone()))
}

/// What a request is to the engine. Beads that hold its bead up and are in the queue, or on their way back to it,
/// land first.
fn request(board: &Board, merge: &MergeRequest, prints: &BTreeMap<MergeId, Footprint>) -> Request {
    let blockers = board.beads.get(&merge.bead).map(|bead| board.beads.blockers(bead)).unwrap_or_default();
    let after: BTreeSet<MergeId> = blockers
        .iter()
        .filter_map(|bead| board.merges.of_bead(bead))
        .filter(|other| other.rig == merge.rig && other.id != merge.id)
        .filter(|other| other.state.is_open() || matches!(other.state, MergeState::Rejected { .. }))
        .map(|other| other.id.clone())
        .collect();
    Request {
        priority: merge.priority,
        hot: merge.hot,
        after,
        footprint: prints.get(&merge.id).cloned(),
        ..Request::new(merge.id.clone(), merge.submitted_at, merge.queued_at)
    }
}

/// Brings the engine up to date with the requests on the board.
fn sync(
    queue: &mut Queue,
    board: &Board,
    rig: &RigName,
    look: (&BTreeMap<MergeId, Footprint>, Option<&MergeId>),
) -> Vec<Record> {
    let (prints, trial) = look;
    let open = board.merges.iter().filter(|merge| merge.rig == *rig && merge.state.is_open());
    let wanted: BTreeMap<&MergeId, (&MergeRequest, Request)> =
        open.map(|merge| (&merge.id, (merge, request(board, merge, prints)))).collect();
    let mut records = Vec::new();
    // What is being pushed cannot be taken back; it is looked at again when that is over.
    let old = |queue: &Queue| {
        let other = |id: &&MergeId| {
            let entry = &queue.state().entries()[*id].request;
            wanted.get(*id).is_none_or(|(_, want)| want.seq != entry.seq || want.after != entry.after)
        };
        queue.state().entries().keys().filter(other).cloned().collect::<Vec<_>>()
    };
    for id in old(queue) {
        records.extend(queue.withdraw(&id).unwrap_or_default());
    }
    for (id, (merge, want)) in wanted {
        let held =
            merge.kept.is_some() || (matches!(merge.state, MergeState::Held { .. }) && trial != Some(id));
        if !queue.state().entries().contains_key(id) {
            records.extend(queue.submit(want.clone()));
        }
        records.extend(queue.prioritise(id, want.priority, want.hot));
        records.extend(queue.hold(id, held).unwrap_or_default());
    }
    let frozen = board.queues.get(rig).is_some_and(|known| known.frozen.is_some());
    records.extend(queue.freeze(frozen));
    records
}

/// Whether a plan would change anything.
pub fn wants(board: &Board, setting: &Setting, trial: Option<&MergeId>) -> bool {
    let rig = &setting.rig;
    let empty = board.merges.queue(rig).is_empty();
    let known = board.queues.get(rig);
    if empty && known.is_none_or(|known| known.state.entries().is_empty() && known.state.flights().is_empty())
    {
        return false;
    }
    let mut queue = restore(board, rig);
    queue.set_rules(setting.rules.clone());
    let prints = BTreeMap::new();
    known.is_some_and(|known| known.gates != setting.gates)
        || !sync(&mut queue, board, rig, (&prints, trial)).is_empty()
        || !queue.plan(setting.runners).is_empty()
}

/// One thing that the engine is told.
struct Turn<'a, 'b> {
    draft: &'a mut Draft<'b>,
    setting: &'a Setting,
    queue: Queue,
    before: Option<Run>,
    records: Vec<Record>,
    head: Option<String>,
}

impl<'a, 'b> Turn<'a, 'b> {
    fn new(draft: &'a mut Draft<'b>, setting: &'a Setting) -> Self {
        let board = draft.board;
        let known = board.queues.get(&setting.rig);
        let mut queue = restore(board, &setting.rig);
        queue.set_rules(setting.rules.clone());
        Turn {
            before: known.and_then(|known| known.state.landing().cloned()),
            head: known.and_then(|known| known.head.clone()),
            records: Vec::new(),
            draft,
            setting,
            queue,
        }
    }

    fn known(&self) -> Option<&'b RigQueue> {
        self.draft.board.queues.get(&self.setting.rig)
    }

    fn tell(&mut self, tell: impl FnOnce(&mut Queue) -> Vec<Record>) {
        let records = tell(&mut self.queue);
        self.records.extend(records);
    }

    fn head_is(&mut self, head: &str) {
        if self.head.as_deref() != Some(head) {
            self.draft.push(Event::MqBase { rig: self.setting.rig.clone(), head: head.to_owned() });
            self.head = Some(head.to_owned());
        }
    }

    /// Records what the engine answered, and what follows from that.
    fn finish(self) -> Result<(), Refusal> {
        let Turn { draft, setting, before, records, head, .. } = self;
        if records.is_empty() {
            return Ok(());
        }
        draft.push(Event::MqQueue { rig: setting.rig.clone(), records: records.clone() });
        let mut landing = before;
        for record in records {
            match record {
                Record::Landing { run } => landing = Some(run),
                Record::Landed { run } => {
                    for id in
                        landing.take_if(|landing| landing.id == run).map(|run| run.stack).unwrap_or_default()
                    {
                        landed_one(draft, setting, &id)?;
                    }
                }
                Record::Evicted { id, run } => evicted(draft, setting, (&id, run), head.as_deref())?,
                Record::TargetRed { .. } => target_red(draft, setting),
                Record::Flaky { tree, .. } => flaky(draft, setting, &tree),
                _ => {}
            }
        }
        Ok(())
    }
}

fn landed_one(draft: &mut Draft<'_>, setting: &Setting, id: &MergeId) -> Result<(), Refusal> {
    let Some(MergeRequest { state: MergeState::Pushing { commit, own, .. }, .. }) =
        draft.board.merges.get(id)
    else {
        // Taken back while it was being pushed.
        return Ok(());
    };
    let commit = own.as_ref().unwrap_or(commit).clone();
    merges::landed(draft, id, &commit, &setting.target)
}

fn evicted(
    draft: &mut Draft<'_>,
    setting: &Setting,
    (id, run): (&MergeId, RunId),
    head: Option<&str>,
) -> Result<(), Refusal> {
    let Some(merge) = draft.board.merges.get(id).filter(|merge| merge.state.is_open()) else { return Ok(()) };
    let failed = || merge.gates.iter().rev().filter(|result| !result.passed);
    let Some(shown) = failed().find(|result| result.run == Some(run)).or_else(|| failed().next()) else {
        return Err(Refusal::failed("no_evidence", format!("no red gate run of {id} is on record")));
    };
    let rejection = Rejection::Gate {
        gate: shown.gate.clone(),
        verdict: shown.verdict.clone(),
        excerpt: shown.excerpt.clone(),
        log: shown.log.clone(),
        base: head.unwrap_or(&shown.base).to_owned(),
        attempt: merge.attempts,
    };
    merges::rejected(draft, id, rejection, setting.max_attempts)
}

fn target_red(draft: &mut Draft<'_>, setting: &Setting) {
    let (rig, target) = (&setting.rig, &setting.target);
    let known = draft.board.queues.get(rig);
    let shown = known.and_then(|known| known.baselines.iter().rev().find(|result| !result.passed));
    let subject = format!("{target} of {rig} is red by itself: nothing lands there until it is mended");
    if draft.board.escalations.open().any(|open| open.subject == subject) {
        return;
    }
    let said = shown.map(|shown| {
        format!(
            "Gate {:?} on {}: {}\n\n{}\n\nLog: {}",
            shown.gate, shown.base, shown.verdict, shown.excerpt, shown.log
        )
    });
    let body = format!(
        "{}\n\nPush what mends it, or hand it in: a change that is green on the red target lands.",
        said.unwrap_or_default()
    );
    draft.escalate("high", (None, None), subject, body, &[Address::Mayor, Address::Overseer]);
}

fn flaky(draft: &mut Draft<'_>, setting: &Setting, tree: &Tree) {
    let name = tree.as_str().split('+').next().unwrap_or_default();
    let baselines =
        draft.board.queues.get(&setting.rig).map(|known| &known.baselines[..]).unwrap_or_default();
    let runs =
        draft.board.merges.iter().filter(|merge| merge.rig == setting.rig).flat_map(|merge| &merge.gates);
    let red = |run: &&GateResult| !run.passed && run.tree == name;
    let Some(gate) = runs.chain(baselines).find(red).map(|run| run.gate.clone()) else { return };
    draft.push(Event::MqFlaky { rig: setting.rig.clone(), gate, tree: name.to_owned() });
}

/// After a start: nothing of what was under way goes on.
///
/// # Errors
/// The board's refusal; then nothing happens.
pub fn wake(draft: &mut Draft<'_>, setting: &Setting) -> Result<(), Refusal> {
    let mut turn = Turn::new(draft, setting);
    turn.tell(Queue::wake);
    turn.finish()
}

/// Takes in what the board and the remote say, and begins runs.
///
/// # Errors
/// As [`wake`].
pub fn plan(draft: &mut Draft<'_>, setting: &Setting, look: &Look) -> Result<(), Refusal> {
    let rig = &setting.rig;
    let board = draft.board;
    let mut turn = Turn::new(draft, setting);
    let known = turn.known();
    let (runners, rules) = (setting.runners, &setting.rules);
    if known.is_none_or(|k| k.gates != setting.gates || k.runners != runners || k.rules != *rules) {
        let (rules, gates) = (rules.clone(), setting.gates.clone());
        turn.draft.push(Event::MqRules { rig: rig.clone(), rules, runners, gates });
    }
    if known.is_some_and(|known| known.gates != setting.gates) {
        turn.tell(Queue::doubt);
    }
    // What was seen before our own push went through says nothing.
    if turn.before.is_none() && turn.head == look.since {
        if turn.head.as_deref().is_some_and(|head| head != look.head) {
            turn.tell(Queue::moved);
        }
        turn.head_is(&look.head);
    }
    turn.tell(|queue| sync(queue, board, rig, (&look.prints, look.trial.as_ref())));
    turn.tell(|queue| queue.plan(runners));
    turn.finish()
}

/// The stack of `run` was merged onto `base`: `commit` is its top.
///
/// # Errors
/// As [`wake`].
pub fn built(
    draft: &mut Draft<'_>,
    setting: &Setting,
    run: &Run,
    tree: Tree,
    (base, commit): (&str, &str),
) -> Result<(), Refusal> {
    for id in &run.stack {
        if draft
            .board
            .merges
            .get(id)
            .is_some_and(|merge| matches!(merge.state, MergeState::Queued | MergeState::Held { .. }))
        {
            merges::testing(draft, id, base, commit)?;
        }
    }
    let mut turn = Turn::new(draft, setting);
    turn.tell(|queue| queue.built(run.id, tree));
    turn.finish()
}

/// A gate has run for `run`.
pub fn gate(draft: &mut Draft<'_>, setting: &Setting, run: &Run, result: GateResult) {
    match run.stack.split_last() {
        Some((top, with)) => {
            draft.push(Event::MqGate { merge: top.clone(), result, with: with.to_vec() });
        }
        None => draft.push(Event::MqBaseline { rig: setting.rig.clone(), result }),
    }
}

/// All gates of `run` have ended.
///
/// # Errors
/// As [`wake`].
pub fn ended(draft: &mut Draft<'_>, setting: &Setting, run: RunId, verdict: Verdict) -> Result<(), Refusal> {
    let mut turn = Turn::new(draft, setting);
    turn.tell(|queue| queue.ended(run, verdict));
    turn.finish()
}

/// In `run`, `id` does not merge with `with`, though it does with the target.
///
/// # Errors
/// As [`wake`].
pub fn clashed(
    draft: &mut Draft<'_>,
    setting: &Setting,
    run: RunId,
    id: &MergeId,
    with: Vec<MergeId>,
) -> Result<(), Refusal> {
    let mut turn = Turn::new(draft, setting);
    turn.tell(|queue| queue.clashed(run, id, with));
    turn.finish()
}

/// What is to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The target's head that it stands on.
    pub base: String,
    /// Each request's own merge commit.
    pub own: Vec<(MergeId, String)>,
    /// The new commits of the target's line with their trees, oldest first.
    pub line: Vec<(String, Tree)>,
}

/// Records that something will be pushed.
///
/// # Errors
/// `not_green` when a commit of the line has no green run: nothing untested is ever pushed. `stale` when it is not
/// what the queue has decided.
pub fn pushing(draft: &mut Draft<'_>, setting: &Setting, run: RunId, push: &Push) -> Result<(), Refusal> {
    let known = draft.board.queues.get(&setting.rig);
    let decided = known.and_then(|known| known.state.landing()).filter(|landing| landing.id == run);
    let (Some(known), Some(decided)) = (known, decided) else {
        return Err(Refusal::failed("stale", format!("run {run} is not to land")));
    };
    let ids: Vec<&MergeId> = push.own.iter().map(|(id, _)| id).collect();
    if decided.stack.iter().collect::<Vec<_>>() != ids {
        return Err(Refusal::failed("stale", format!("run {run} is not of these requests")));
    }
    for (commit, tree) in &push.line {
        if setting.gated && !known.state.memo().of(tree).green {
            return Err(Refusal::forbidden("not_green", format!("the gates have not passed on {commit}")));
        }
    }
    let Some((commit, _)) = push.line.last() else {
        return Err(Refusal::failed("stale", "there is nothing to push"));
    };
    for (id, own) in &push.own {
        merges::pushing(draft, id, &push.base, commit, own)?;
    }
    Ok(())
}

/// What was pushed for `run` is on the target, whose head is `head` now.
///
/// # Errors
/// As [`wake`].
pub fn landed(draft: &mut Draft<'_>, setting: &Setting, run: RunId, head: &str) -> Result<(), Refusal> {
    let mut turn = Turn::new(draft, setting);
    turn.head_is(head);
    turn.tell(|queue| queue.landed(run));
    turn.finish()
}

/// Somebody else has moved the target to `head`. What was being pushed goes back to its place.
///
/// # Errors
/// As [`wake`].
pub fn moved(draft: &mut Draft<'_>, setting: &Setting, head: &str) -> Result<(), Refusal> {
    let mut turn = Turn::new(draft, setting);
    let back = turn.before.clone().map(|run| run.stack).unwrap_or_default();
    for id in &back {
        if turn.draft.board.merges.get(id).is_some_and(|merge| merge.state.is_open()) {
            merges::requeued(turn.draft, id, &format!("{} moved to {head} meanwhile", setting.target))?;
        }
    }
    turn.head_is(head);
    turn.tell(Queue::moved);
    turn.finish()
}

/// The push for `run` did not go through, and the target is where it was.
///
/// # Errors
/// As [`wake`].
pub fn refused(
    draft: &mut Draft<'_>,
    setting: &Setting,
    run: RunId,
    (why, hint): (&str, Option<&str>),
) -> Result<(), Refusal> {
    let mut turn = Turn::new(draft, setting);
    let stack =
        turn.before.clone().filter(|landing| landing.id == run).map(|run| run.stack).unwrap_or_default();
    turn.tell(|queue| queue.unlanded(run));
    for id in &stack {
        turn.tell(|queue| queue.hold(id, true).unwrap_or_default());
    }
    turn.finish()?;
    hold(draft, &stack, why, hint)
}

/// `run` could not be made, for a reason outside of what it tests. All of `ids` wait.
///
/// # Errors
/// As [`wake`].
pub fn stuck(
    draft: &mut Draft<'_>,
    setting: &Setting,
    run: Option<RunId>,
    ids: &[MergeId],
    (why, hint): (&str, Option<&str>),
) -> Result<(), Refusal> {
    let mut turn = Turn::new(draft, setting);
    for id in ids {
        turn.tell(|queue| queue.hold(id, true).unwrap_or_default());
    }
    if let Some(run) = run {
        turn.tell(|queue| queue.ended(run, Verdict::Lost));
    }
    turn.finish()?;
    hold(draft, ids, why, hint)
}

/// A person is told of the first of them.
fn hold(draft: &mut Draft<'_>, ids: &[MergeId], why: &str, hint: Option<&str>) -> Result<(), Refusal> {
    let open = |id: &&MergeId| draft.board.merges.get(id).is_some_and(|merge| merge.state.is_open());
    let ids: Vec<MergeId> = ids.iter().filter(open).cloned().collect();
    for (n, id) in ids.iter().enumerate() {
        merges::hold(draft, id, why, hint, n == 0)?;
    }
    Ok(())
}

/// Gives `id` back for a reason that no gate was needed to see.
///
/// # Errors
/// As [`wake`]; `merge_over` when it is not in the queue any more.
pub fn give_back(
    draft: &mut Draft<'_>,
    setting: &Setting,
    id: &MergeId,
    rejection: Rejection,
) -> Result<(), Refusal> {
    merges::rejected(draft, id, rejection, setting.max_attempts)?;
    leave(draft, setting, id)
}

/// `id` was found on the target.
///
/// # Errors
/// As [`give_back`].
pub fn found(draft: &mut Draft<'_>, setting: &Setting, id: &MergeId, commit: &str) -> Result<(), Refusal> {
    merges::landed(draft, id, commit, &setting.target)?;
    leave(draft, setting, id)
}

fn leave(draft: &mut Draft<'_>, setting: &Setting, id: &MergeId) -> Result<(), Refusal> {
    let mut turn = Turn::new(draft, setting);
    if let Some(run) = turn.before.clone().filter(|run| run.stack.contains(id)) {
        turn.tell(|queue| queue.unlanded(run.id));
    }
    turn.tell(|queue| queue.withdraw(id).unwrap_or_default());
    turn.finish()
}

/// The requests of `rig` that are to land, first things first.
pub fn order<'a>(board: &'a Board, rig: &RigName) -> Vec<&'a MergeRequest> {
    let mut open = board.merges.queue(rig);
    let Some(known) = board.queues.get(rig) else { return open };
    let order = known.state.order(&known.rules);
    let place = |merge: &MergeRequest| {
        let pushed = !matches!(merge.state, MergeState::Pushing { .. });
        // Those that the engine has not seen yet come last, in their own order.
        (pushed, order.iter().position(|id| **id == merge.id).unwrap_or(usize::MAX))
    };
    open.sort_by_key(|merge| place(merge));
    open
}

/// What `merge` waits for, in the engine's words; nothing when the engine does not know it.
pub fn waits(board: &Board, merge: &MergeRequest) -> Option<why::Why> {
    let known = board.queues.get(&merge.rig)?;
    why::why(&known.state, &known.rules, &merge.id)
}

/// Whether nothing happens with `merge` until somebody does something about it, and what.
pub fn needs_somebody(board: &Board, merge: &MergeRequest) -> Option<String> {
    if let Some(reason) = &merge.kept {
        return Some(format!("a person keeps it: {reason}; gastown mq unhold {}", merge.id));
    }
    let known = board.queues.get(&merge.rig)?;
    if let Some(reason) = known.frozen.as_ref().filter(|_| !merge.hot) {
        return Some(format!("the queue of {0} is frozen: {reason}; gastown mq thaw {0}", merge.rig));
    }
    let idle = known.state.flights().is_empty() && known.state.landing().is_none();
    match waits(board, merge)? {
        why::Why::TargetRed if idle => Some("its target is red by itself".to_owned()),
        why::Why::After { needed } if idle => {
            let names: Vec<&str> = needed.iter().map(MergeId::as_str).collect();
            let stand = |id: &MergeId| board.merges.get(id).is_some_and(|other| other.state.is_open());
            (!needed.iter().any(stand)).then(|| format!("it waits for {}", names.join(", ")))
        }
        _ => None,
    }
}
