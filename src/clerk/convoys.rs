//! Convoys: bundled, looked at, fed, and closed by themselves.
//!
//! The order in which the beads of a convoy travel is nowhere planned: what waits for another bead waits in the rig,
//! and is handed out when that is closed. So waves follow from the dependencies alone. A convoy that was slung is
//! **fed**: what joins it, is opened again or is made as a part of its epic is slung the same way as the rest, unless
//! somebody has taken it back.

use std::collections::BTreeSet;

use ledger::views::Board;
use model::answer::{Answer, ConvoyRow};
use model::bead::Status;
use model::command::Sling;
use model::convoy::Convoy;
use model::event::Event;
use model::ids::{BeadId, ConvoyId, RigName};
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::beads;
use crate::draft::Draft;

/// Makes a convoy of `beads`.
pub fn create(draft: &mut Draft<'_>, name: &str, beads: &[BeadId]) -> Result<ConvoyRow, Refusal> {
    set_out(draft, name, beads, None, None)
}

/// Makes a convoy of `beads`, which may be the parts of an epic and may have been slung.
pub(crate) fn set_out(
    draft: &mut Draft<'_>,
    name: &str,
    beads: &[BeadId],
    epic: Option<BeadId>,
    sling: Option<Sling>,
) -> Result<ConvoyRow, Refusal> {
    if name.trim().is_empty() {
        return Err(Refusal::usage("a convoy needs a name"));
    }
    if beads.is_empty() {
        return Err(Refusal::usage("a convoy needs beads"));
    }
    for id in beads {
        if draft.bead(id).is_none() {
            beads::find(draft.board, id)?;
        }
    }
    let mut members: Vec<BeadId> = beads.to_vec();
    members.sort();
    members.dedup();
    let convoy = Convoy {
        id: draft.convoy_id(),
        name: name.trim().to_owned(),
        beads: members,
        owner: draft.actor().to_string(),
        created_at: draft.now,
        closed_at: None,
        epic,
        sling: sling.map(|sling| Box::new(Sling { beads: Vec::new(), dry_run: false, ..sling })),
    };
    draft.push(Event::ConvoyCreated { convoy: convoy.clone() });
    Ok(row(draft.board, &convoy, draft.now))
}

fn find<'a>(board: &'a Board, id: &ConvoyId) -> Result<&'a Convoy, Refusal> {
    board.convoys.get(id).ok_or_else(|| {
        Refusal::no_such("convoy", id.as_str(), board.convoys.iter().map(|convoy| convoy.id.as_str()))
    })
}

/// Adds beads to a convoy; it goes on if it had arrived.
pub fn add(draft: &mut Draft<'_>, id: &ConvoyId, beads: &[BeadId]) -> Result<Answer, Refusal> {
    let board = draft.board;
    let convoy = find(board, id)?;
    let mut new: Vec<BeadId> = Vec::new();
    for bead in beads {
        let found = beads::find(board, bead)?;
        if !found.issue_type.is_work() {
            return Err(Refusal::forbidden(
                "not_work",
                format!("{bead} is a {}, and travels in no convoy", found.issue_type),
            ));
        }
        if !convoy.beads.contains(bead) && !new.contains(bead) {
            new.push(bead.clone());
        }
    }
    let mut after = convoy.clone();
    if !new.is_empty() {
        after.beads.extend(new.iter().cloned());
        after.closed_at = None;
        draft.push(Event::ConvoyGrown { convoy: id.clone(), beads: new });
    }
    Ok(Answer::Convoy(row(board, &after, draft.now)))
}

/// Closes a convoy by hand.
pub fn close(draft: &mut Draft<'_>, id: &ConvoyId, force: bool) -> Result<Answer, Refusal> {
    let board = draft.board;
    let convoy = find(board, id)?;
    if convoy.closed_at.is_none() {
        let left: Vec<BeadId> = members(board, convoy).into_iter().filter(|id| !is_over(board, id)).collect();
        if !left.is_empty() && !force {
            let names: Vec<&str> = left.iter().map(BeadId::as_str).collect();
            return Err(Refusal::forbidden(
                "convoy_on_the_road",
                format!("{id} still waits for {}", names.join(", ")),
            )
            .hint(format!(
                "it closes by itself when they are closed; to give it up, `gastown convoy close {id} --force`"
            )));
        }
        let reason = Some(format!("closed by {}", draft.actor()));
        draft.push(Event::ConvoyClosed { convoy: id.clone(), reason });
    }
    let mut after = convoy.clone();
    after.closed_at = after.closed_at.or(Some(draft.now));
    Ok(Answer::Convoy(row(board, &after, draft.now)))
}

/// Everything that travels in a convoy: also the parts of its epic that were made since.
pub(crate) fn members(board: &Board, convoy: &Convoy) -> Vec<BeadId> {
    let mut found: BTreeSet<BeadId> = convoy.beads.iter().cloned().collect();
    if let Some(epic) = &convoy.epic {
        found.extend(parts(board, epic));
    }
    found.into_iter().collect()
}

/// The work that `whole` is made of: its parts, and instead of a part that is itself a whole, the parts of that.
pub(crate) fn parts(board: &Board, whole: &BeadId) -> Vec<BeadId> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([whole.clone()]);
    let mut todo = vec![whole.clone()];
    while let Some(id) = todo.pop() {
        for part in board.beads.children(&id) {
            if !seen.insert(part.id.clone()) {
                continue;
            }
            if part.issue_type == model::bead::IssueType::Epic {
                todo.push(part.id.clone());
            } else if part.issue_type.is_work() && !part.is_ephemeral() {
                found.push(part.id.clone());
            }
        }
    }
    found.sort();
    found
}

fn is_over(board: &Board, id: &BeadId) -> bool {
    board.beads.get(id).is_none_or(|bead| bead.status == Status::Closed)
}

/// Closes the convoys for which `bead` was the last one under way, and tells their owners.
pub(crate) fn arrived(draft: &mut Draft<'_>, bead: &BeadId) {
    let board = draft.board;
    let of_epic =
        |convoy: &&Convoy| convoy.epic.as_ref().is_some_and(|epic| parts(board, epic).contains(bead));
    let open = board.convoys.iter().filter(|convoy| convoy.closed_at.is_none());
    for convoy in open.filter(|convoy| convoy.beads.contains(bead) || of_epic(convoy)) {
        let closing = draft
            .events()
            .any(|event| matches!(event, Event::ConvoyClosed { convoy: id, .. } if *id == convoy.id));
        let over = |id: &BeadId| {
            id == bead || is_over(board, id) || draft.events().any(|event| is_end_of(event, id))
        };
        let members = members(board, convoy);
        if !closing && members.iter().all(over) {
            draft.push(Event::ConvoyClosed { convoy: convoy.id.clone(), reason: None });
            if let Ok(owner) = convoy.owner.parse::<Address>() {
                draft.send(&owner, Kind::ConvoyDone { convoy: convoy.name.clone(), beads: members.len() });
            }
        }
    }
}

fn is_end_of(event: &Event, id: &BeadId) -> bool {
    match event {
        Event::BeadClosed { bead, .. } => bead == id,
        Event::BeadImported { bead } => {
            bead.id == *id && (bead.status == Status::Closed || bead.status.is_tombstone())
        }
        _ => false,
    }
}

/// Beads of convoys that were slung to `rig` which nobody has been given, could be worked at, and were not taken back.
pub fn stranded(board: &Board, rig: &RigName, now: Timestamp) -> Vec<(BeadId, Sling)> {
    let mut found: Vec<(BeadId, Sling)> = Vec::new();
    for convoy in board.convoys.iter().filter(|convoy| convoy.closed_at.is_none()) {
        let Some(sling) = convoy.sling.as_deref().filter(|sling| is_to(sling, rig)) else { continue };
        for id in members(board, convoy) {
            if is_stranded(board, &id, now) && !found.iter().any(|(other, _)| *other == id) {
                found.push((id.clone(), Sling { beads: vec![id], ..sling.clone() }));
            }
        }
    }
    found
}

fn is_to(sling: &Sling, rig: &RigName) -> bool {
    sling.target == rig.as_str()
        || sling.target.strip_prefix(rig.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

fn is_stranded(board: &Board, id: &BeadId, now: Timestamp) -> bool {
    board.beads.get(id).is_some_and(|bead| {
        board.beads.is_ready(bead, now)
            && board.hooks.holder(id).is_none()
            && board.hooks.waiting(id).is_none()
            && !board.convoys.is_taken_back(id)
            && !board.trials.of(id).is_some_and(ledger::views::trials::Trial::is_spent)
            && board.merges.of_bead(id).is_none_or(|merge| !merge.state.is_open())
    })
}

/// Slings what is stranded in `rig`.
pub fn feed(draft: &mut Draft<'_>, rig: &RigName) {
    for (bead, sling) in stranded(draft.board, rig, draft.now) {
        let worker =
            sling.target.parse::<Address>().ok().filter(|agent| matches!(agent, Address::Polecat(..)));
        draft.push(Event::BeadSlung { bead, rig: rig.clone(), worker, sling });
    }
}

/// A convoy and how far it has come, in short.
pub fn row(board: &Board, convoy: &Convoy, now: Timestamp) -> ConvoyRow {
    let members = members(board, convoy);
    let closed = members.iter().filter(|id| is_over(board, id)).count();
    let stranded = if convoy.closed_at.is_some() {
        Vec::new()
    } else {
        members.iter().filter(|id| is_stranded(board, id, now)).cloned().collect()
    };
    let total = members.len();
    ConvoyRow {
        convoy: convoy.clone(),
        closed,
        total,
        eta: eta(convoy, closed, total, now),
        waves: Vec::new(),
        stranded,
    }
}

/// When all will have arrived if the rest takes as long as what has; nobody knows before the first has.
fn eta(convoy: &Convoy, closed: usize, total: usize, now: Timestamp) -> Option<Timestamp> {
    if convoy.closed_at.is_some() || closed == 0 || closed >= total {
        return None;
    }
    let each = now.since(convoy.created_at) / u32::try_from(closed).unwrap_or(u32::MAX);
    Some(now.plus(each * u32::try_from(total - closed).unwrap_or(u32::MAX)))
}

/// All convoys on the road, or all that there are.
pub fn rows(board: &Board, all: bool, now: Timestamp) -> Vec<ConvoyRow> {
    let meant = board.convoys.iter().filter(|convoy| all || convoy.closed_at.is_none());
    meant.map(|convoy| row(board, convoy, now)).collect()
}

/// One convoy, with its waves.
pub fn show(board: &Board, id: &ConvoyId, now: Timestamp) -> Result<Answer, Refusal> {
    let convoy = find(board, id)?;
    let waves = crate::asked::waves(board, &members(board, convoy));
    Ok(Answer::Convoy(ConvoyRow { waves, ..row(board, convoy, now) }))
}
