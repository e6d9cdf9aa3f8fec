//! Waves: what can be done at once, and what comes after it, as the dependencies have it.

use std::collections::{BTreeMap, BTreeSet};

use ledger::views::Board;
use model::bead::{DepType, Status};
use model::ids::BeadId;
use model::work::{BeadLine, Wave};

/// `members` in waves: each bead comes in the first wave after all members that it waits for. What is closed counts
/// as done and is in no wave; what goes round in a circle, or waits for something outside, is in the wave 0.
pub(crate) fn of(board: &Board, members: &[BeadId]) -> Vec<Wave> {
    let inside: BTreeSet<&BeadId> = members.iter().collect();
    let open = |id: &BeadId| board.beads.get(id).is_some_and(|bead| bead.status != Status::Closed);
    let mut waits: BTreeMap<&BeadId, BTreeSet<&BeadId>> = BTreeMap::new();
    let mut never: BTreeSet<&BeadId> = BTreeSet::new();
    for id in inside.iter().copied().filter(|id| open(id)) {
        let Some(bead) = board.beads.get(id) else { continue };
        let own = bead.dependencies.iter().filter(|dep| {
            dep.kind == DepType::Blocks && open(&dep.depends_on_id)
                || dep.kind == DepType::ConditionalBlocks && board.beads.get(&dep.depends_on_id).is_some()
        });
        let mut on: BTreeSet<&BeadId> = BTreeSet::new();
        for dep in own {
            if let Some(member) = inside.get(&dep.depends_on_id) {
                on.insert(member);
            } else {
                never.insert(id);
            }
        }
        for dep in bead.dependencies.iter().filter(|dep| dep.kind == DepType::WaitsFor) {
            let parts = board.beads.children(&dep.depends_on_id).map(|part| &part.id);
            on.extend(parts.filter(|part| open(part)).filter_map(|part| inside.get(part).copied()));
        }
        waits.insert(id, on);
    }
    let mut waves = Vec::new();
    let mut done: BTreeSet<&BeadId> = BTreeSet::new();
    let line = |id: &&BeadId| board.beads.get(id).map(BeadLine::from);
    loop {
        let next: Vec<&BeadId> = waits
            .iter()
            .filter(|(id, on)| {
                !done.contains(*id) && !never.contains(*id) && on.iter().all(|id| done.contains(id))
            })
            .map(|(id, _)| *id)
            .collect();
        if next.is_empty() {
            break;
        }
        waves.push(Wave { wave: waves.len() + 1, beads: next.iter().filter_map(line).collect() });
        done.extend(next);
    }
    let rest: Vec<BeadLine> = waits.keys().filter(|id| !done.contains(*id)).filter_map(line).collect();
    if !rest.is_empty() {
        waves.push(Wave { wave: 0, beads: rest });
    }
    waves
}
