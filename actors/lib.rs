//! Who lives in a town: each role in one place.
//!
//! - [`scribe`] writes, [`postmaster`] hands letters over, [`switchboard`] finds who answers.
//! - [`mayor`] and [`deacon`] sit in the town; [`witness`], [`refinery`] and [`dispatcher`] in each rig.
//! - [`polecat`] works. [`session`] is an agent's program in its terminal; every role can own one
//!   through its [`seat`].
//! - [`tools`] is what everybody is handed, [`directory`] how they find each other.
//!
//! Roles do not know each other: between them there are letters, and bells that say "look". What a
//! role does next it sees on the board, so a restart and a first start are one path.

pub mod attachment;
pub mod book;
pub mod brief;
pub mod copies;
pub mod deacon;
pub mod directory;
pub mod dispatcher;
pub mod doctor;
pub mod errand;
pub mod judge;
pub mod keys;
pub mod letters;
pub mod living_tree;
pub mod mayor;
pub mod office;
pub mod polecat;
pub mod postmaster;
pub mod recovery;
pub mod refinery;
pub mod rigs;
mod role;
pub mod scribe;
pub mod seat;
pub mod session;
pub mod survey;
pub mod switchboard;
pub mod sync;
pub mod tools;
pub mod witness;

use model::role::Address;

/// The name in the tree of the actor at `address`.
pub fn tree_name(address: &Address) -> String {
    match address {
        Address::Mayor => mayor::NAME.to_owned(),
        Address::Deacon => deacon::NAME.to_owned(),
        other => other.to_string(),
    }
}
