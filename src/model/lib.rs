//! What a town is made of: values and rules. No IO, no async, no clock of its own.
//!
//! Everything that crosses a door of the house is a type of this room: what can be asked
//! ([`command::Command`]), by whom ([`command::Origin`]), what comes back ([`answer::Answer`] or
//! [`refusal::Refusal`]) and what has happened for good ([`event::Event`]).

mod about;
pub mod agent;
pub mod answer;
pub mod backup;
pub mod bead;
pub mod command;
pub mod convoy;
pub mod cost;
pub mod crash;
pub mod escalation;
pub mod event;
pub mod formula;
pub mod hook;
pub mod ids;
pub mod import;
pub mod ledger;
pub mod mail;
pub mod merge;
pub mod near;
pub mod nudge;
pub mod preset;
pub mod queue;
pub mod recovery;
pub mod refusal;
pub mod role;
pub mod stamp;
pub mod story;
pub mod survey;
pub mod time;
pub mod word;
