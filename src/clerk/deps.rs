//! Arrows between beads: made, refused where they would close a circle, taken away.

use std::collections::BTreeSet;

use ledger::views::Board;
use model::answer::Answer;
use model::bead::{Bead, DepType, Dependency, IssueType};
use model::event::Event;
use model::ids::BeadId;
use model::refusal::Refusal;

use crate::beads::find;
use crate::draft::Draft;

/// Makes one bead depend on another.
pub fn depend(
    draft: &mut Draft<'_>,
    bead: &BeadId,
    on: &BeadId,
    kind: Option<DepType>,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    let from = find(board, bead)?;
    if on.is_ours() {
        find(board, on)?;
    }
    // Nobody waits for an epic to be closed before its tasks are done: they are its parts.
    let is_epic = |bead: &Bead| bead.issue_type == IssueType::Epic;
    let part = !is_epic(from) && board.beads.get(on).is_some_and(is_epic);
    let kind = kind.unwrap_or(if part { DepType::ParentChild } else { DepType::Blocks });
    if bead == on {
        return Err(Refusal::forbidden("cycle", format!("{bead} cannot depend on itself")));
    }
    if let Some(same) = from.dependencies.iter().find(|dep| dep.depends_on_id == *on) {
        if same.kind == kind {
            return Ok(Answer::Touched(vec![bead.clone()]));
        }
        draft.push(Event::DepRemoved { bead: bead.clone(), on: on.clone() });
    }
    if holds_up(kind)
        && let Some(path) = way(board, on, bead)
    {
        let path: Vec<&str> = path.iter().map(BeadId::as_str).collect();
        return Err(Refusal::forbidden(
            "cycle",
            format!("{bead} cannot depend on {on}: {} already", path.join(" depends on ")),
        )
        .hint("take one of these arrows away with `gastown bead dep remove`"));
    }
    draft.push(Event::DepAdded {
        dep: Dependency {
            issue_id: bead.clone(),
            depends_on_id: on.clone(),
            kind,
            created_at: draft.now.into(),
            created_by: draft.actor().to_string(),
            extra: Default::default(),
        },
    });
    Ok(Answer::Touched(vec![bead.clone()]))
}

pub(crate) fn holds_up(kind: DepType) -> bool {
    kind.blocks() || matches!(kind, DepType::ParentChild | DepType::WaitsFor)
}

/// The way from `from` to `to` along arrows that hold work up, if there is one.
fn way(board: &Board, from: &BeadId, to: &BeadId) -> Option<Vec<BeadId>> {
    let mut came_from = std::collections::BTreeMap::new();
    let mut todo = vec![from.clone()];
    let mut seen = BTreeSet::from([from.clone()]);
    while let Some(id) = todo.pop() {
        if id == *to {
            let mut path = vec![id.clone()];
            let mut at = &id;
            while let Some(before) = came_from.get(at) {
                path.push(BeadId::clone(before));
                at = before;
            }
            path.reverse();
            return Some(path);
        }
        for dep in board.beads.get(&id).into_iter().flat_map(|bead| &bead.dependencies) {
            if holds_up(dep.kind) && seen.insert(dep.depends_on_id.clone()) {
                came_from.insert(dep.depends_on_id.clone(), id.clone());
                todo.push(dep.depends_on_id.clone());
            }
        }
    }
    None
}

/// Takes an arrow away.
pub fn undepend(draft: &mut Draft<'_>, bead: &BeadId, on: &BeadId) -> Result<Answer, Refusal> {
    let from = find(draft.board, bead)?;
    if !from.dependencies.iter().any(|dep| dep.depends_on_id == *on) {
        return Err(Refusal::no_such(
            "dependency",
            on.as_str(),
            from.dependencies.iter().map(|dep| dep.depends_on_id.as_str()),
        ));
    }
    draft.push(Event::DepRemoved { bead: bead.clone(), on: on.clone() });
    Ok(Answer::Touched(vec![bead.clone()]))
}
