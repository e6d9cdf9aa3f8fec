//! What people type for somebody, to whom that is.

use std::collections::BTreeSet;

use ledger::views::Board;
use model::command::Origin;
use model::refusal::Refusal;
use model::role::{Address, Group};

/// Everybody who has a mailbox: the town's seats, each rig's, and all who were ever heard of or written to.
pub fn everybody(board: &Board) -> BTreeSet<Address> {
    let mut all = BTreeSet::from([Address::Overseer, Address::Mayor, Address::Deacon]);
    for rig in board.rigs.iter() {
        all.insert(Address::Witness(rig.name.clone()));
        all.insert(Address::Refinery(rig.name.clone()));
    }
    all.extend(board.agents.iter().map(|(address, _)| address.clone()));
    all.extend(board.mail.boxes().map(|(address, ..)| address.clone()));
    all.remove(&Address::Runtime);
    all
}

/// Finds who is meant by `text`.
///
/// # Errors
/// `no_such_agent`, with near matches, when nobody is.
pub fn address(board: &Board, text: &str) -> Result<Address, Refusal> {
    let all = everybody(board);
    let unknown = || {
        let mut names: Vec<String> = all.iter().map(Address::to_string).collect();
        // People type the short form, which is far from the long one.
        names.extend(all.iter().filter_map(|address| match address {
            Address::Polecat(rig, name) | Address::Crew(rig, name) => Some(format!("{rig}/{name}")),
            _ => None,
        }));
        let refusal = Refusal::no_such("agent", text, names.iter().map(String::as_str));
        match refusal.hint {
            Some(_) => refusal,
            None => refusal.hint("see who there is with `gastown agent list`; the person is `overseer`"),
        }
    };
    let found = text.parse::<Address>().map_err(|_| unknown())?;
    let found = board.agents.successor(&found).clone();
    if all.contains(&found) {
        return Ok(found);
    }
    // `RIG/NAME` may be a crew member as well as a polecat.
    if let (Address::Polecat(rig, name), false) = (&found, text.contains("/polecats/")) {
        let crew = Address::Crew(rig.clone(), name.clone());
        let crew = board.agents.successor(&crew).clone();
        if all.contains(&crew) {
            return Ok(crew);
        }
    }
    Err(unknown())
}

/// Finds who is meant by `text`, or takes the asker when nothing was said.
///
/// # Errors
/// `no_such_agent`, when nobody is.
pub fn or_self(board: &Board, origin: &Origin, text: Option<&str>) -> Result<Address, Refusal> {
    match text {
        Some(text) => address(board, text),
        None => Ok(origin.actor()),
    }
}

/// Finds all who are meant by `text`: an address or a group, the sender left out of groups.
///
/// # Errors
/// `no_such_agent`, when nobody is.
pub fn recipients(board: &Board, from: &Address, text: &str) -> Result<Vec<Address>, Refusal> {
    if !text.starts_with('@') {
        return address(board, text).map(|one| vec![one]);
    }
    let groups = ["@all", "@mayor", "@witnesses", "@polecats"];
    let group: Group = text.parse().map_err(|_| {
        let rigs: Vec<String> = board.rigs.iter().map(|rig| format!("@rig/{}", rig.name)).collect();
        Refusal::no_such("group", text, groups.into_iter().chain(rigs.iter().map(String::as_str)))
    })?;
    if let Group::Rig(rig) = &group
        && board.rigs.get(rig).is_none()
    {
        return Err(no_rig(board, rig.as_str()));
    }
    let meant = |address: &Address| match &group {
        Group::All => true,
        Group::Mayor => *address == Address::Mayor,
        Group::Rig(rig) => address.rig() == Some(rig),
        Group::Witnesses => matches!(address, Address::Witness(_)),
        Group::Polecats => matches!(address, Address::Polecat(..)),
    };
    let found: Vec<Address> =
        everybody(board).into_iter().filter(|address| address != from && meant(address)).collect();
    if found.is_empty() {
        return Err(Refusal::new(
            model::refusal::Class::NotFound,
            "empty_group",
            format!("there is nobody in {text} to write to"),
        )
        .hint("see who there is with `gastown agent list`"));
    }
    Ok(found)
}

/// The refusal for a rig that does not exist.
pub fn no_rig(board: &Board, name: &str) -> Refusal {
    let refusal = Refusal::no_such("rig", name, board.rigs.iter().map(|rig| rig.name.as_str()));
    if board.rigs.iter().next().is_none() {
        return refusal
            .hint("there is no rig yet; take a project in with `gastown rig add NAME URL-or-path`");
    }
    refusal
}
