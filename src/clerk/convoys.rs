//! Convoys: bundled, looked at, and closed by themselves.

use ledger::views::Board;
use model::answer::{Answer, ConvoyRow};
use model::bead::Status;
use model::convoy::Convoy;
use model::event::Event;
use model::ids::{BeadId, ConvoyId};
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;

use crate::beads;
use crate::draft::Draft;

/// Makes a convoy of `beads`.
pub fn create(draft: &mut Draft<'_>, name: &str, beads: &[BeadId]) -> Result<ConvoyRow, Refusal> {
    if name.trim().is_empty() {
        return Err(Refusal::usage("a convoy needs a name"));
    }
    if beads.is_empty() {
        return Err(Refusal::usage("a convoy needs beads"));
    }
    for id in beads {
        beads::find(draft.board, id)?;
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
    };
    draft.push(Event::ConvoyCreated { convoy: convoy.clone() });
    Ok(row(draft.board, &convoy))
}

/// Closes the convoys for which `bead` was the last one under way, and tells their owners.
pub(crate) fn arrived(draft: &mut Draft<'_>, bead: &BeadId) {
    let board = draft.board;
    for convoy in board.convoys.with(bead) {
        let over = |id: &BeadId| {
            id == bead
                || board.beads.get(id).is_none_or(|other| other.status == Status::Closed)
                || draft.events().any(|event| is_end_of(event, id))
        };
        if convoy.beads.iter().all(over) {
            draft.push(Event::ConvoyClosed { convoy: convoy.id.clone() });
            if let Ok(owner) = convoy.owner.parse::<Address>() {
                draft.send(
                    &owner,
                    Kind::ConvoyDone { convoy: convoy.name.clone(), beads: convoy.beads.len() },
                );
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

/// A convoy and how far it has come.
pub fn row(board: &Board, convoy: &Convoy) -> ConvoyRow {
    let closed = convoy
        .beads
        .iter()
        .filter(|id| board.beads.get(id).is_some_and(|bead| bead.status == Status::Closed))
        .count();
    ConvoyRow { convoy: convoy.clone(), closed, total: convoy.beads.len() }
}

/// One convoy.
pub fn show(board: &Board, id: &ConvoyId) -> Result<Answer, Refusal> {
    let convoy = board.convoys.get(id).ok_or_else(|| {
        Refusal::no_such("convoy", id.as_str(), board.convoys.iter().map(|convoy| convoy.id.as_str()))
    })?;
    Ok(Answer::Convoy(row(board, convoy)))
}
