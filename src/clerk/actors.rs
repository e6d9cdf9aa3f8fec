//! The names in the tree, as far as they follow from the ledger: who can be asked about when no tree lives.

use ledger::views::Board;
use model::event::Event;
use model::role::Address;

/// The name in the tree of the actor at `address`.
pub fn name_of(address: &Address) -> String {
    match address {
        Address::Mayor => "mayor".to_owned(),
        Address::Deacon => "deacon".to_owned(),
        other => other.to_string(),
    }
}

/// Every name in the tree of a town: the town's own, those of its rigs, and its workers'.
pub fn all(board: &Board) -> Vec<String> {
    let town = ["town", "scribe", "postmaster", "switchboard", "rigs", "deacon", "mayor"];
    let mut names: Vec<String> = town.map(str::to_owned).to_vec();
    for rig in board.rigs.iter() {
        let rig = &rig.name;
        names.push(format!("rig {rig}"));
        names.extend(["refinery", "witness", "dispatcher", "polecats"].map(|name| format!("{rig}/{name}")));
    }
    let workers = board.agents.iter().filter(|(address, _)| matches!(address, Address::Polecat(..)));
    names.extend(workers.map(|(address, _)| name_of(address)));
    names
}

/// The actor of the tree that the event is about, if it is about one.
pub fn actor(event: &Event) -> Option<&str> {
    match event {
        Event::ActorEnded { name, .. }
        | Event::ActorBlocked { name, .. }
        | Event::ActorUnblocked { name, .. } => Some(name),
        _ => None,
    }
}
