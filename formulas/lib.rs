//! Workflows written in TOML, checked before they run.
//!
//! ```text
//!   file ── schema ──> Written ── graph, vars ──> Formula ── resolve ──> Proto ── pour ──> Molecule
//!          as written            cannot be wrong           values in            one running instance
//! ```
//!
//! - [`catalog`]: a formula by name, from the rig, the town, or those that ship with the program.
//! - [`schema`]: every key that a file may have, and where each stands.
//! - [`graph`]: `needs` to an order.
//! - [`formula`]: a checked formula, and its steps with the values filled in.
//! - [`molecule`]: the states of the steps while they are worked on.
//!
//! The only IO is reading formula files; no clock, no randomness. What several problems a file has is told
//! at once, each with file, line and key.

pub mod catalog;
pub mod formula;
pub mod graph;
pub mod molecule;
pub mod problem;
pub mod schema;

pub use catalog::Catalog;
pub use formula::{Formula, Proto, ProtoStep, Vars};
pub use molecule::Molecule;
pub use problem::{Invalid, Problem};
