//! Who watches whom: one table, and the actor that keeps it.
//!
//! Nothing else in the house starts or restarts an actor. The policy is data ([`policy`]); what
//! follows from a child's end is decided without doing anything ([`decision`]); one actor type does
//! it ([`supervisor`]); what happened is told ([`report`]) and becomes events of the ledger ([`chronicle`]).
//!
//! ```text
//!   table line ──▶ DynChild ──▶ supervisor ──▶ child + its watcher
//!   (policy)        (spec)          │  ▲            │
//!                                   ▼  └── Gone ────┘
//!                               decision
//! ```
//!
//! Semantics are OTP's: strategies, restart types, a sliding window of restarts, shutdown by grace,
//! ordered start and stop, escalation, automatic shutdown. Ours in addition: back-off, parallel
//! stop, and setting a failing worker aside. A restart never overlaps what it replaces, and a
//! supervisor counts as gone only when everything below it is.

mod child;
pub mod chronicle;
mod coroner;
pub mod decision;
pub mod desk;
pub mod policy;
pub mod report;
pub mod spec;
pub mod start;
pub mod supervisor;
pub mod town;
pub mod tree;
pub mod window;

pub use chronicle::Chronicle;
pub use town::{Town, TownEnd, start_town};
