//! What a town is told before it wakes.
//!
//! People and agents edit JSON files under `config/` and in each rig's folder; this room finds them,
//! reads them strictly, and watches them for changes.
//!
//! - [`paths`] where everything lies; the only file that knows directory names
//! - [`document`] one JSON file: read with file and line in its errors, written so that a crash leaves
//!   the old or the new text
//! - [`town`] `config/town.json`, `config/rigs.json`
//! - [`escalation`] `config/escalation.json`: which ways an escalation goes, and how they are reached
//! - [`rig`] `RIG/config.json`
//! - [`preset`] one kind of agent: how it is started, recognised and ended; [`presets`] all of them,
//!   `config/agents.json` over those that ship with the program, and which one an agent gets
//! - [`memory`] amounts of memory, as people write them
//! - [`live`] all of it together, taken up again when a file changes
//! - [`install`] a new town, and the programs in its `bin`
//! - [`service`] what brings a town back after a crash of the machine
//! - [`run_dir`] the private folder of the socket
//!
//! It holds no state of a running town: what has happened is in the ledger.

pub mod document;
pub mod escalation;
pub mod gates;
pub mod install;
pub mod live;
pub mod memory;
pub mod merge;
pub mod paths;
pub mod preset;
pub mod presets;
pub mod rig;
pub mod run_dir;
pub mod service;
pub mod town;
mod watched;

pub use document::ConfigError;
pub use escalation::Escalation;
pub use live::{Complaint, LiveConfig, TownConfig};
pub use paths::{RigPaths, TownPaths, find_town};
pub use preset::Preset;
pub use presets::Presets;
pub use rig::RigConfig;
pub use town::Town;
