//! What people ask of the merge queues, and tell them.

use ::queue::group;
use ::queue::state::Target;
use ::queue::why::Why;
use ledger::views::Board;
use ledger::views::queues::RigQueue;
use model::answer::{Answer, GateLog, MergeRow, QueueRow, RunRow, WaitsRow};
use model::bead::Priority;
use model::event::Event;
use model::ids::{MergeId, RigName};
use model::merge::{GateResult, MergeRequest, MergeState, Rejection};
use model::queue::{Aim, Run};
use model::refusal::Refusal;

use crate::book::Book;
use crate::draft::Draft;
use crate::{merges, names, queue};

fn check(board: &Board, rig: Option<&RigName>) -> Result<(), Refusal> {
    match rig.filter(|rig| board.rigs.get(rig).is_none()) {
        Some(rig) => Err(names::no_rig(board, rig.as_str())),
        None => Ok(()),
    }
}

/// A merge request that waits, at `place` from 0.
pub(crate) fn row(board: &Board, merge: &MergeRequest, place: usize) -> MergeRow {
    let state = match (&merge.state, queue::waits(board, merge)) {
        // A run that was ended leaves no word behind.
        (MergeState::Testing, Some(why)) if !matches!(why, Why::Tested { .. } | Why::Landing) => "queued",
        (state, _) => state.as_str(),
    };
    MergeRow {
        state: state.to_owned(),
        why: Some(sentence(board, merge)),
        ..MergeRow::new(merge, Some(place + 1))
    }
}

fn list(ids: &[MergeId]) -> String {
    let some: Vec<&str> = ids.iter().take(4).map(MergeId::as_str).collect();
    let more = ids.len().saturating_sub(some.len());
    if more > 0 { format!("{} and {more} more", some.join(", ")) } else { some.join(", ") }
}

fn together(ids: &[MergeId]) -> String {
    if ids.is_empty() { String::new() } else { format!(", together with {}", list(ids)) }
}

/// What `merge` waits for, in a sentence without a full stop.
fn sentence(board: &Board, merge: &MergeRequest) -> String {
    let rig = &merge.rig;
    if let MergeState::Held { why, .. } = &merge.state {
        return format!("something outside is in the way: {}", why.lines().next().unwrap_or(why));
    }
    match queue::waits(board, merge) {
        None if merge.state.is_open() => "the refinery has not looked at it yet".to_owned(),
        None => format!("it is {}", merge.state.as_str()),
        Some(Why::Landing) => "it is being pushed".to_owned(),
        Some(Why::Held) => match &merge.kept {
            Some(reason) => format!("a person keeps it: {reason}"),
            None => "it is held".to_owned(),
        },
        Some(Why::Frozen) => {
            let reason = board.queues.get(rig).and_then(|known| known.frozen.clone()).unwrap_or_default();
            format!("the queue of {rig} is frozen: {reason}")
        }
        Some(Why::TargetRed) => "the target is red by itself, and this does not mend it".to_owned(),
        Some(Why::After { needed }) => format!("{} has to land before it", list(&needed)),
        Some(Why::Clash { with }) => format!("it does not merge with {}, which is before it", list(&with)),
        Some(Why::Tested { run, with }) => format!("run {run} tests it{}", together(&with)),
        Some(Why::Suspected { run, with }) => {
            format!("run {run} was red{}: it is being found out because of whom", together(&with))
        }
        Some(Why::Cleared { run }) => {
            format!("run {run} was green; the target moved, and it lands with the next green run")
        }
        Some(Why::Turn { ahead: 0 }) => "it is next".to_owned(),
        Some(Why::Turn { ahead }) => format!("{ahead} are before it"),
    }
}

/// Says what a merge request waits for.
pub(crate) fn why(board: &Board, id: &MergeId) -> Result<Answer, Refusal> {
    let merge = merges::find(board, id)?;
    let id = &merge.id;
    let order = queue::order(board, &merge.rig);
    let position = order.iter().position(|other| other.id == *id);
    let shown = row(board, merge, position.unwrap_or_default());
    let next = match &merge.state {
        MergeState::Held { hint, .. } => Some(match hint {
            Some(hint) => format!(
                "{hint}; it is tried again from time to time, and at once with `gastown mq retry {id}`"
            ),
            None => format!("gastown mq retry {id}"),
        }),
        MergeState::Rejected { .. } => {
            Some("its worker has it again; what was wrong: `gastown mq show`".to_owned())
        }
        _ if merge.kept.is_some() => Some(format!("gastown mq unhold {id}")),
        state if state.is_open() => match queue::waits(board, merge) {
            Some(Why::Frozen) => Some(format!(
                "gastown mq thaw {}, or make it a hot fix: gastown mq prioritise {id} --hot",
                merge.rig
            )),
            Some(Why::Turn { .. }) => Some(format!("gastown mq prioritise {id} --priority 0")),
            _ => None,
        },
        _ => None,
    };
    let state = if position.is_some() { shown.state } else { merge.state.as_str().to_owned() };
    Ok(Answer::Waits(Box::new(WaitsRow {
        id: id.clone(),
        bead: merge.bead.clone(),
        state,
        position: position.map(|place| place + 1),
        why: match &merge.state {
            MergeState::Rejected { rejection } => rejection.headline(),
            MergeState::Landed { commit } => {
                format!("it has landed as {}", commit.chars().take(12).collect::<String>())
            }
            MergeState::Withdrawn { why } => why.clone(),
            _ => sentence(board, merge),
        },
        next,
    })))
}

/// What the queues do and have learned.
pub(crate) fn status(board: &Board, rig: Option<&RigName>) -> Result<Answer, Refusal> {
    check(board, rig)?;
    let rigs = board.rigs.iter().map(|known| &known.name).filter(|name| rig.is_none_or(|rig| rig == *name));
    Ok(Answer::Queues(rigs.map(|name| queue_row(board, name)).collect()))
}

fn run_row(run: &Run, landing: bool) -> RunRow {
    let aim = match run.aim {
        _ if landing => "landing",
        Aim::Fresh => "fresh",
        Aim::Search => "search",
        Aim::Ahead => "ahead",
        Aim::Carry => "carry",
        Aim::Confirm { .. } => "confirm",
        Aim::Baseline => "baseline",
        Aim::Mend => "mend",
    };
    RunRow { run: run.id, aim: aim.to_owned(), stack: run.stack.clone() }
}

fn queue_row(board: &Board, rig: &RigName) -> QueueRow {
    let fresh = RigQueue::default();
    let known = board.queues.get(rig).unwrap_or(&fresh);
    let state = &known.state;
    let mut runs: Vec<RunRow> = state.landing().map(|run| run_row(run, true)).into_iter().collect();
    runs.extend(state.flights().values().map(|flight| run_row(&flight.run, false)));
    QueueRow {
        rig: rig.clone(),
        head: known.head.clone(),
        target: match state.target() {
            Target::Unknown => "unknown",
            Target::Green => "green",
            Target::Red => "red",
        }
        .to_owned(),
        frozen: known.frozen.clone(),
        waiting: board.merges.queue(rig).len(),
        landed: state.landed(),
        runners: known.runners,
        batch: group::size(state.tally().failure(), known.rules.batch),
        failure_rate: state.tally().failure().mean(),
        flake_rate: state.tally().flake().mean(),
        flaky: known.flaky.clone(),
        runs,
    }
}

/// What a gate said of a merge request: the last run of the gate, or of any.
pub(crate) fn log(
    board: &Board,
    book: &dyn Book,
    id: &MergeId,
    gate: Option<&str>,
) -> Result<Answer, Refusal> {
    let merge = merges::find(board, id)?;
    let fits = |run: &&GateResult| gate.is_none_or(|gate| run.gate == gate);
    let Some(run) = merge.gates.iter().rev().find(fits) else {
        let known = merge.gates.iter().map(|run| run.gate.as_str());
        return Err(match gate {
            Some(gate) => Refusal::no_such("gate", gate, known),
            None => Refusal::failed("no_gate_run", format!("no gate has run for {} yet", merge.id))
                .hint(format!("see what it waits for: gastown mq why {}", merge.id)),
        });
    };
    let text = book.gate_log(&run.log)?;
    Ok(Answer::GateLog(Box::new(GateLog { merge: merge.id.clone(), run: run.clone(), text })))
}

fn open<'a>(board: &'a Board, id: &MergeId) -> Result<&'a MergeRequest, Refusal> {
    let merge = merges::find(board, id)?;
    match &merge.state {
        MergeState::Pushing { .. } => {
            Err(Refusal::failed("too_late", format!("{} is being pushed", merge.id))
                .hint(format!("see what comes of it: gastown mq why {}", merge.id)))
        }
        state if state.is_open() => Ok(merge),
        state => Err(Refusal::failed("merge_over", format!("{} is {} already", merge.id, state.as_str()))
            .hint("what is in the queue: gastown mq list")),
    }
}

/// Gives a merge request back to its worker, on a person's word.
pub(crate) fn reject(draft: &mut Draft<'_>, id: &MergeId, reason: &str) -> Result<Answer, Refusal> {
    let merge = open(draft.board, id)?;
    let why = format!("{} gave it back: {reason}", draft.actor());
    // However often: a person's word alone does not hold the worker back.
    let rejection = Rejection::Unfit { why, attempt: merge.attempts };
    merges::rejected(draft, &merge.id, rejection, u32::MAX)?;
    Ok(Answer::MergesTouched(vec![merge.id.clone()]))
}

/// Keeps a merge request where it is.
pub(crate) fn hold(draft: &mut Draft<'_>, id: &MergeId, reason: Option<&str>) -> Result<Answer, Refusal> {
    let merge = open(draft.board, id)?;
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).unwrap_or("no reason given");
    if merge.kept.as_deref() != Some(reason) {
        draft.push(Event::MqKept { merge: merge.id.clone(), reason: Some(reason.to_owned()) });
    }
    Ok(Answer::MergesTouched(vec![merge.id.clone()]))
}

/// Lets it go on.
pub(crate) fn unhold(draft: &mut Draft<'_>, id: &MergeId) -> Result<Answer, Refusal> {
    let merge = merges::find(draft.board, id)?;
    if merge.kept.is_some() {
        draft.push(Event::MqKept { merge: merge.id.clone(), reason: None });
    }
    Ok(Answer::MergesTouched(vec![merge.id.clone()]))
}

/// Makes a merge request more or less urgent.
pub(crate) fn prioritise(
    draft: &mut Draft<'_>,
    id: &MergeId,
    priority: Option<Priority>,
    hot: Option<bool>,
) -> Result<Answer, Refusal> {
    let merge = open(draft.board, id)?;
    if priority.is_none() && hot.is_none() {
        return Err(Refusal::usage("say how urgent it is")
            .hint(format!("gastown mq prioritise {} --priority 0, or --hot", merge.id)));
    }
    let (priority, hot) = (priority.unwrap_or(merge.priority), hot.unwrap_or(merge.hot));
    if (priority, hot) != (merge.priority, merge.hot) {
        draft.push(Event::MqPrioritised { merge: merge.id.clone(), priority, hot });
    }
    Ok(Answer::MergesTouched(vec![merge.id.clone()]))
}

/// Lets nothing but hot fixes land in a rig.
pub(crate) fn freeze(draft: &mut Draft<'_>, rig: &RigName, reason: Option<&str>) -> Result<Answer, Refusal> {
    check(draft.board, Some(rig))?;
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).unwrap_or("no reason given");
    if draft.board.queues.get(rig).and_then(|known| known.frozen.as_deref()) != Some(reason) {
        draft.push(Event::MqFrozen { rig: rig.clone(), reason: reason.to_owned() });
    }
    Ok(Answer::Done)
}

/// Lets everything land again.
pub(crate) fn thaw(draft: &mut Draft<'_>, rig: &RigName) -> Result<Answer, Refusal> {
    check(draft.board, Some(rig))?;
    if draft.board.queues.get(rig).is_some_and(|known| known.frozen.is_some()) {
        draft.push(Event::MqThawed { rig: rig.clone() });
    }
    Ok(Answer::Done)
}

/// Tries at once what something outside keeps from landing.
pub(crate) fn process(draft: &mut Draft<'_>, rig: Option<&RigName>) -> Result<Answer, Refusal> {
    check(draft.board, rig)?;
    let board = draft.board;
    let rigs = board.rigs.iter().map(|known| &known.name).filter(|name| rig.is_none_or(|rig| rig == *name));
    let mut all = Vec::new();
    for name in rigs {
        for merge in queue::order(board, name) {
            if matches!(merge.state, MergeState::Held { .. }) {
                merges::retry(draft, &merge.id)?;
            }
            all.push(merge.id.clone());
        }
    }
    Ok(Answer::MergesTouched(all))
}
