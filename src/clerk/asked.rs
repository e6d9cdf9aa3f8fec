//! Questions about beads: why, how many, in which order, in what circles.

mod graph;
mod waves;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledger::views::Board;
use model::bead::{Bead, DepType, IssueType, Status};
use model::command::BeadFilter;
use model::ids::BeadId;
use model::refusal::Refusal;
use model::time::Timestamp;
use model::work::{
    BeadLine, BlockedRow, CountBy, Counted, DepRow, EpicRow, Explained, Found, Group, MemoryRow, Question,
    RollUp, Stats,
};

use crate::beads;
use crate::choosing;
use crate::deps;

pub(crate) use waves::of as waves;

/// Answers a question about beads.
///
/// # Errors
/// `no_such_bead` and the like for what it names.
pub fn find(board: &Board, question: &Question, now: Timestamp) -> Result<Found, Refusal> {
    Ok(match question {
        Question::Explain(filter) => Found::Explained(explain(board, filter, now)?),
        Question::Blocked(filter) => Found::Blocked(blocked(board, filter, now)?),
        Question::Count { filter, by } => Found::Counted(count(board, filter, *by, now)?),
        Question::Tree { bead, up, depth } => Found::Tree(graph::tree(board, bead, *up, *depth)?),
        Question::Deps { bead, up, kind } => {
            let mut rows = deps(board, beads::find(board, bead)?, *up);
            rows.retain(|row| kind.is_none_or(|kind| row.kind == kind));
            Found::Deps(rows)
        }
        Question::Cycles => Found::Cycles(graph::cycles(board)),
        Question::Epics { bead, eligible } => Found::Epics(epics(board, bead.as_ref(), *eligible)?),
        Question::Waves(bead) => {
            let whole = beads::find(board, bead)?;
            let parts: Vec<BeadId> = board.beads.children(&whole.id).map(|part| part.id.clone()).collect();
            Found::Waves(waves(board, &parts))
        }
        Question::Stats => Found::Stats(stats(board, now)),
        Question::Graph(root) => Found::Graph(graph::whole(board, root.as_ref())?),
        Question::Labels => {
            let all = BeadFilter { all: true, ..BeadFilter::default() };
            let mut groups = count(board, &all, Some(CountBy::Label), now)?.groups;
            groups.retain(|group| !group.group.is_empty());
            Found::Labels(groups)
        }
        Question::Duplicates => Found::Duplicates(duplicates(board)),
        Question::Gates { all } => Found::Gates(crate::gates::rows(board, *all)),
        Question::Memories { words, key } => {
            Found::Memories(memories(board, words.as_deref(), key.as_deref())?)
        }
    })
}

fn explain(board: &Board, filter: &BeadFilter, now: Timestamp) -> Result<Vec<Explained>, Refusal> {
    let found = choosing::select(board, filter, now)?;
    Ok(found.iter().map(|bead| explained(board, bead, now)).collect())
}

/// Why a bead is ready, or every reason why it is not.
pub(crate) fn explained(board: &Board, bead: &Bead, now: Timestamp) -> Explained {
    let mut reasons = Vec::new();
    if bead.status != Status::Open {
        reasons.push(match (bead.status, board.hooks.holder(&bead.id)) {
            (_, Some(holder)) => format!("it hangs on the hook of {holder}"),
            (status, None) => format!("it is {status}, not open"),
        });
    }
    if !bead.issue_type.is_work() {
        reasons.push(format!("it is a {}, which nobody works at", bead.issue_type));
    }
    for (mark, marked) in [
        ("pinned", bead.is_marked("pinned")),
        ("ephemeral", bead.is_ephemeral()),
        ("a template", bead.is_marked("is_template")),
    ] {
        if marked {
            reasons.push(format!("it is {mark}"));
        }
    }
    if board.beads.is_put_off(bead, now) {
        reasons.push(match bead.time("defer_until").filter(|until| *until > now) {
            Some(until) => format!("it is put off until {until}"),
            None => "a whole that it is a part of is put off".to_owned(),
        });
    }
    let blocked_by = board.beads.blockers(bead);
    for blocker in &blocked_by {
        let own = bead.dependencies.iter().find(|dep| dep.depends_on_id == *blocker);
        let other = board.beads.get(blocker);
        let status = other.map_or("not there", |other| other.status.as_str());
        reasons.push(match own.map(|dep| dep.kind) {
            Some(DepType::ConditionalBlocks) if status == "closed" => {
                format!("it is only to be done if {blocker} fails, and that is closed as done")
            }
            Some(DepType::ConditionalBlocks) => {
                format!("it is only to be done if {blocker} fails, and that is {status}")
            }
            Some(DepType::Blocks) => format!("it is blocked by {blocker}, which is {status}"),
            _ if waits_for_part(board, bead, blocker) => {
                format!("it waits for a part of another bead: {blocker}, which is {status}")
            }
            _ => format!("what it is a part of is held up by {blocker}, which is {status}"),
        });
    }
    if reasons.is_empty()
        && let Some(waiting) = board.hooks.waiting(&bead.id)
    {
        reasons.push(format!("it waits for a worker of {}", waiting.rig));
    }
    let ready = reasons.is_empty();
    if ready {
        reasons.push(match bead.dependencies.iter().filter(|dep| deps::holds_up(dep.kind)).count() {
            0 => "it is open, and depends on nothing".to_owned(),
            _ => "it is open, and nothing that it depends on holds it up".to_owned(),
        });
    }
    Explained { bead: bead.into(), ready, reasons, blocked_by }
}

fn waits_for_part(board: &Board, bead: &Bead, part: &BeadId) -> bool {
    bead.dependencies
        .iter()
        .filter(|dep| dep.kind == DepType::WaitsFor)
        .any(|dep| board.beads.children(&dep.depends_on_id).any(|child| child.id == *part))
}

fn blocked(board: &Board, filter: &BeadFilter, now: Timestamp) -> Result<Vec<BlockedRow>, Refusal> {
    let most = filter.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let found = choosing::select(board, &BeadFilter { limit: None, ..filter.clone() }, now)?;
    let rows = found.iter().filter_map(|bead| {
        let blocked_by = board.beads.blockers(bead);
        let held = !blocked_by.is_empty() || bead.status == Status::Blocked;
        held.then(|| BlockedRow { bead: Bead::clone(bead), blocked_by_count: blocked_by.len(), blocked_by })
    });
    Ok(rows.take(most).collect())
}

fn count(
    board: &Board,
    filter: &BeadFilter,
    by: Option<CountBy>,
    now: Timestamp,
) -> Result<Counted, Refusal> {
    let found = choosing::select(board, &BeadFilter { limit: None, ..filter.clone() }, now)?;
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    if let Some(by) = by {
        for bead in &found {
            for group in groups_of(bead, by) {
                *groups.entry(group).or_default() += 1;
            }
        }
    }
    let groups = groups.into_iter().map(|(group, count)| Group { group, count }).collect();
    Ok(Counted { count: found.len(), groups })
}

fn groups_of(bead: &Bead, by: CountBy) -> Vec<String> {
    match by {
        CountBy::Status => vec![bead.status.to_string()],
        CountBy::Priority => vec![bead.priority.to_string()],
        CountBy::Type => vec![bead.issue_type.to_string()],
        CountBy::Assignee => vec![bead.assignee.clone().unwrap_or_default()],
        CountBy::Label if bead.labels.is_empty() => vec![String::new()],
        CountBy::Label => bead.labels.clone(),
    }
}

/// The arrows from a bead, or those to it.
pub(crate) fn deps(board: &Board, bead: &Bead, up: bool) -> Vec<DepRow> {
    let row = |id: &BeadId, kind: DepType| DepRow {
        id: id.clone(),
        kind,
        bead: board.beads.get(id).map(BeadLine::from),
    };
    if !up {
        return bead.dependencies.iter().map(|dep| row(&dep.depends_on_id, dep.kind)).collect();
    }
    let from = board.beads.dependents(&bead.id).filter_map(|id| board.beads.get(id));
    from.flat_map(|other| {
        let to_us = other.dependencies.iter().filter(|dep| dep.depends_on_id == bead.id);
        to_us.map(|dep| row(&other.id, dep.kind)).collect::<Vec<_>>()
    })
    .collect()
}

/// How far the parts of `whole` are; none when it has none.
pub(crate) fn roll_up(board: &Board, whole: &BeadId) -> Option<RollUp> {
    let parts: Vec<&Bead> = board.beads.children(whole).collect();
    if parts.is_empty() {
        return None;
    }
    let closed = parts.iter().filter(|part| part.status == Status::Closed).count();
    let held = |part: &&&Bead| {
        part.status == Status::Blocked
            || part.status == Status::Open && !board.beads.blockers(part).is_empty()
    };
    Some(RollUp {
        total_children: parts.len(),
        closed_children: closed,
        blocked_children: parts.iter().filter(held).map(|part| part.id.clone()).collect(),
        eligible_for_close: closed == parts.len(),
        tokens: crate::costs::tokens(board, &below(board, whole)),
    })
}

/// `whole` and all parts of it, and their parts.
fn below(board: &Board, whole: &BeadId) -> BTreeSet<BeadId> {
    let mut found = BTreeSet::from([whole.clone()]);
    let mut next = vec![whole.clone()];
    while let Some(id) = next.pop() {
        for part in board.beads.children(&id) {
            if found.insert(part.id.clone()) {
                next.push(part.id.clone());
            }
        }
    }
    found
}

fn epics(board: &Board, bead: Option<&BeadId>, eligible: bool) -> Result<Vec<EpicRow>, Refusal> {
    let row =
        |bead: &Bead| EpicRow { bead: bead.into(), roll_up: roll_up(board, &bead.id).unwrap_or_default() };
    if let Some(id) = bead {
        return Ok(vec![row(beads::find(board, id)?)]);
    }
    let epics = board.beads.under_way().filter(|bead| bead.issue_type == IssueType::Epic);
    Ok(epics.map(|bead| row(bead)).filter(|row| !eligible || row.roll_up.eligible_for_close).collect())
}

fn stats(board: &Board, now: Timestamp) -> Stats {
    let mut stats = Stats { total_issues: board.beads.len(), ..Stats::default() };
    let (mut hours, mut closed) = (0.0, 0_u32);
    for bead in board.beads.iter() {
        *stats.by_status.entry(bead.status.to_string()).or_default() += 1;
        *stats.by_type.entry(bead.issue_type.to_string()).or_default() += 1;
        *stats.by_priority.entry(bead.priority.to_string()).or_default() += 1;
        let held = bead.status == Status::Open && !board.beads.blockers(bead).is_empty();
        stats.blocked_issues += usize::from(held || bead.status == Status::Blocked);
        if let Some(at) = &bead.closed_at {
            hours += at.at().since(bead.created_at.at()).as_secs_f64() / 3_600.0;
            closed += 1;
        }
    }
    stats.ready_issues = board.beads.ready(now).count();
    let epics = board.beads.under_way().filter(|bead| bead.issue_type == IssueType::Epic);
    let done = |bead: &&Arc<Bead>| roll_up(board, &bead.id).is_some_and(|roll_up| roll_up.eligible_for_close);
    stats.epics_eligible_for_closure = epics.filter(done).count();
    stats.average_lead_time_hours = if closed == 0 { 0.0 } else { hours / f64::from(closed) };
    stats
}

/// Beads under way whose titles say the same, if one looks away from case, punctuation and the order of words.
fn duplicates(board: &Board) -> Vec<Vec<BeadLine>> {
    let mut same: BTreeMap<Vec<String>, Vec<BeadLine>> = BTreeMap::new();
    for bead in board.beads.under_way() {
        let lower = bead.title.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let mut words: Vec<String> = words.map(str::to_owned).collect();
        words.sort();
        if !words.is_empty() {
            same.entry(words).or_default().push(BeadLine::from(bead.as_ref()));
        }
    }
    same.into_values().filter(|beads| beads.len() > 1).collect()
}

fn memories(board: &Board, words: Option<&str>, key: Option<&str>) -> Result<Vec<MemoryRow>, Refusal> {
    let words = words.map(str::to_lowercase);
    let rows = board.memories.iter().map(|(key, memory)| MemoryRow {
        key: key.to_owned(),
        value: memory.text.clone(),
        by: memory.by.to_string(),
        at: memory.at,
    });
    let Some(key) = key else {
        let fits = |row: &MemoryRow| {
            words.as_ref().is_none_or(|words| {
                row.key.to_lowercase().contains(words) || row.value.to_lowercase().contains(words)
            })
        };
        return Ok(rows.filter(fits).collect());
    };
    let found: Vec<MemoryRow> = rows.filter(|row| row.key == key).collect();
    if found.is_empty() {
        return Err(Refusal::no_such("memory", key, board.memories.iter().map(|(key, _)| key)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
