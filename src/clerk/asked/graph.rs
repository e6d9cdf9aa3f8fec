//! Trees, circles and drawings of what depends on what.

use std::collections::{BTreeMap, BTreeSet};

use ledger::views::Board;
use model::bead::DepType;
use model::ids::BeadId;
use model::refusal::Refusal;
use model::work::{BeadLine, Branch, Graph};

use crate::{beads, deps};

/// Beads that a tree shows at most.
const MOST: usize = 10_000;

/// What `root` depends on and so on, or with `up` what depends on it; what was shown is not opened again.
pub(super) fn tree(board: &Board, root: &BeadId, up: bool, depth: usize) -> Result<Vec<Branch>, Refusal> {
    beads::find(board, root)?;
    let mut rows = Vec::new();
    let mut shown = BTreeSet::new();
    let mut todo = vec![(root.clone(), None, 0)];
    while let Some((id, via, at)) = todo.pop() {
        let again = !shown.insert(id.clone());
        let bead = board.beads.get(&id);
        rows.push(Branch { depth: at, via, bead: bead.map(BeadLine::from), id: id.clone(), again });
        let Some(bead) = bead.filter(|_| !again && at < depth && rows.len() < MOST) else { continue };
        let mut next = super::deps(board, bead, up);
        next.sort_by(|a, b| b.id.compare(&a.id));
        todo.extend(next.into_iter().map(|row| (row.id, Some(row.kind), at + 1)));
    }
    Ok(rows)
}

/// Every circle of arrows that hold work up, by the beads in it; each of them waits for all others for ever.
///
/// Tarjan's way to find them, without recursion: chains may be long.
pub(super) fn cycles(board: &Board) -> Vec<Vec<BeadId>> {
    #[derive(Default)]
    struct Mark {
        index: usize,
        low: usize,
        on_stack: bool,
    }
    let targets = |id: &BeadId| -> Vec<&BeadId> {
        let deps = board.beads.get(id).into_iter().flat_map(|bead| &bead.dependencies);
        let held = deps.filter(|dep| deps::holds_up(dep.kind)).map(|dep| &dep.depends_on_id);
        held.filter(|id| board.beads.get(id).is_some()).collect()
    };
    let mut marks: BTreeMap<&BeadId, Mark> = BTreeMap::new();
    let mut stack: Vec<&BeadId> = Vec::new();
    let mut found = Vec::new();
    let mut next = 0;
    for root in board.beads.iter().map(|bead| &bead.id) {
        if marks.contains_key(root) {
            continue;
        }
        let mut calls: Vec<(&BeadId, Vec<&BeadId>)> = Vec::new();
        let mut enter = Some(root);
        loop {
            if let Some(id) = enter.take() {
                marks.insert(id, Mark { index: next, low: next, on_stack: true });
                next += 1;
                stack.push(id);
                calls.push((id, targets(id)));
            }
            let Some((id, left)) = calls.last_mut() else { break };
            let id = *id;
            if let Some(target) = left.pop() {
                match marks.get(target) {
                    None => enter = Some(target),
                    Some(mark) if mark.on_stack => {
                        let index = mark.index;
                        if let Some(own) = marks.get_mut(id) {
                            own.low = own.low.min(index);
                        }
                    }
                    Some(_) => {}
                }
                continue;
            }
            calls.pop();
            let Some((low, index)) = marks.get(id).map(|mark| (mark.low, mark.index)) else { continue };
            if let Some(above) = calls.last().and_then(|(above, _)| marks.get_mut(above)) {
                above.low = above.low.min(low);
            }
            if low == index {
                let mut circle = Vec::new();
                while let Some(member) = stack.pop() {
                    if let Some(mark) = marks.get_mut(member) {
                        mark.on_stack = false;
                    }
                    circle.push(member.clone());
                    if member == id {
                        break;
                    }
                }
                let own = circle.len() == 1 && targets(id).contains(&id);
                if circle.len() > 1 || own {
                    circle.sort();
                    found.push(circle);
                }
            }
        }
    }
    found.sort();
    found
}

/// All that hangs together with `root`, whichever way; or every bead that is not closed, and what ties them.
pub(super) fn whole(board: &Board, root: Option<&BeadId>) -> Result<Graph, Refusal> {
    let mut meant: BTreeSet<BeadId> = BTreeSet::new();
    match root {
        None => meant.extend(board.beads.under_way().map(|bead| bead.id.clone())),
        Some(root) => {
            let mut todo = vec![beads::find(board, root)?.id.clone()];
            while let Some(id) = todo.pop() {
                if meant.len() >= MOST || !meant.insert(id.clone()) {
                    continue;
                }
                let Some(bead) = board.beads.get(&id) else { continue };
                let both = super::deps(board, bead, false).into_iter().chain(super::deps(board, bead, true));
                todo.extend(both.map(|row| row.id).filter(|id| board.beads.get(id).is_some()));
            }
        }
    }
    let nodes = meant.iter().filter_map(|id| board.beads.get(id)).map(BeadLine::from).collect();
    let mut edges: Vec<(BeadId, BeadId, DepType)> = Vec::new();
    for id in &meant {
        let deps = board.beads.get(id).into_iter().flat_map(|bead| &bead.dependencies);
        let inside = deps.filter(|dep| meant.contains(&dep.depends_on_id));
        edges.extend(inside.map(|dep| (id.clone(), dep.depends_on_id.clone(), dep.kind)));
    }
    Ok(Graph { nodes, edges })
}
