//! Who lives in a town: each role in one place.
//!
//! - [`scribe`] writes, [`postmaster`] hands letters over, [`switchboard`] finds who answers.
//! - [`mayor`] and [`deacon`] sit in the town; [`witness`], [`refinery`] and [`dispatcher`] in each rig.
//! - [`polecat`] works. [`session`] is an agent's program in its terminal; every role can own one
//!   through its [`seat`].
//! - [`vitals`] is what each of them has in hand, taken by [`watched`].
//! - [`tools`] is what everybody is handed, [`directory`] how they find each other.
//! - [`freeze`] makes everything stand still, [`halt`] ends it at once, [`memory`] says when there is none left.
//!
//! Roles do not know each other: between them there are letters, and bells that say "look". What a
//! role does next it sees on the board, so a restart and a first start are one path.

mod answering;
pub mod attachment;
pub mod book;
pub mod brief;
pub mod copies;
pub mod deacon;
pub mod direct;
pub mod directory;
pub mod dispatcher;
pub mod doctor;
pub mod errand;
pub mod freeze;
mod guard;
pub mod halt;
pub mod judge;
pub mod keys;
pub mod letters;
pub mod living_tree;
pub mod mayor;
pub mod memory;
pub mod neighbours;
pub mod office;
pub mod outbox;
pub mod polecat;
pub mod postmaster;
pub mod programs;
pub mod recordings;
pub mod recovery;
pub mod refinery;
pub mod rigs;
mod role;
pub mod scribe;
pub mod seat;
pub mod session;
mod standstill;
pub mod survey;
pub mod switchboard;
pub mod sync;
pub mod tools;
pub mod vitals;
pub mod watched;
pub mod witness;

use clerk::bell::Ear;
use model::role::Address;

/// The name in the tree of the actor at `address`.
pub fn tree_name(address: &Address) -> String {
    clerk::actors::name_of(address)
}

/// The name in the tree of the actor that listens as `ear`, if it is one.
pub(crate) fn listener(ear: &Ear) -> Option<String> {
    match ear {
        Ear::Role(address) => Some(tree_name(address)),
        Ear::Dispatcher(rig) => Some(dispatcher::name(rig)),
        Ear::Postmaster => Some(postmaster::NAME.to_owned()),
        Ear::Rigs => None,
    }
}
