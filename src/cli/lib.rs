//! The command line: knows the wire, not the house.
//!
//! Words become a [`model::command::Command`] (`args`), a [`protocol::wire::Carrier`] takes it to
//! where it is answered (`client`: the socket of a running town, the ledger without one, or the
//! agent's own terminal), and what comes back is printed (`commands`, `output`). Nothing is decided
//! here; a rule found in this room belongs further down.
//!
//! - [`main_with`] is the program, under each of its names: `gastown`, `gt`, `bd`.
//! - [`grammar`] is the same grammar for the lines that agents say on their terminals.
//! - [`Host`] is what the program needs and this room may not do: the ledger, the runtime.

mod args;
mod client;
mod commands;
mod env;
mod files;
mod grammar;
mod host;
mod names;
mod output;
mod program;
mod tty;

pub use env::Env;
pub use grammar::grammar;
pub use host::{
    Conformance, Host, InstallOptions, Installed, RestoreOptions, RunOptions, ServiceOrder, ServiceReport,
    ServiceWish, TestOptions, Tried,
};
pub use program::main_with;
