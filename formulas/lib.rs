//! Workflows written in TOML, checked before they run.
//!
//! ```text
//!   file ── schema ──> Written ── cook ──> Proto ── pour ──> Molecule
//!          as written           all decided          one running instance
//! ```
//!
//! - [`catalog`]: a formula by name, from the rig, the town, or those that ship with the program.
//! - [`library`]: those that ship with the program.
//! - [`schema`]: every key that a file may have, and where each stands.
//! - [`formula`]: a file that is in order by itself.
//! - [`cook`](mod@cook): what it builds on brought together, its values put in, its loops run.
//! - [`proto`]: the steps that come of it, as data.
//! - [`pour`]: what the ledger records of them.
//! - [`graph`]: `needs` to an order.
//! - [`molecule`]: the states of the steps while they are worked on.
//!
//! The only IO is reading formula files; no clock, no randomness. What several problems a file has is told
//! at once, each with file, line and key.

mod calc;
pub mod catalog;
mod condition;
pub mod cook;
mod fill;
pub mod formula;
mod glob;
pub mod graph;
pub mod library;
pub mod molecule;
pub mod pour;
pub mod problem;
pub mod proto;
pub mod schema;
pub mod skeleton;
pub mod vars;

pub use catalog::Catalog;
pub use cook::{Cooked, Mode, Order, Subject, cook};
pub use formula::Formula;
pub use molecule::Molecule;
pub use problem::{Invalid, Problem};
pub use proto::{Proto, ProtoStep};
pub use vars::Vars;
