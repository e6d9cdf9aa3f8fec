//! Programs in terminals.
//!
//! A [`Host`] starts a program in a pseudo-terminal of its own and gives a [`Terminal`], which owns
//! everything that program starts: when the terminal is dropped, nothing of it is left alive. Its
//! [`TerminalHandle`] is what everybody else holds; it is cheap to clone and never blocks.
//!
//! ```text
//!  program ── master ──> pump ──> tap ──> screen ──> recording ──> viewers
//!     ^                   |        |         |
//!     └──── input queue <─┘        |         └ answers to the program's questions
//!                                  └ the caller's: takes out what is not for people
//! ```
//!
//! - [`mod@host`] the contract and the real host; [`mod@exec`] the shim every program is started through
//! - [`terminal`] what a session holds; [`mod@stop`] how a program is ended; [`sweep`] what it left,
//!   found by [`mod@mark`]; [`reaper`] who sweeps when the runtime itself was killed
//! - [`screen`] what a person would see; [`signs`] what that means; [`viewers`] people who look on
//! - [`look`] what its processes are doing; [`memory`] whether the kernel has killed for want of memory
//! - [`recording`] what happened, on disk, and the scrollback that is read back from it
//! - `fake` (feature `fakes`) a host whose programs are played by a test
//!
//! This room knows bytes and processes, never commands, roles or the ledger.

mod control;
pub mod exec;
#[cfg(feature = "fakes")]
pub mod fake;
pub mod host;
mod input;
pub mod look;
pub mod mark;
pub mod memory;
pub mod orphans;
mod program;
mod pump;
pub mod reaper;
pub mod recording;
mod redraw;
pub mod replay;
mod scan;
pub mod screen;
mod secrets;
pub mod signs;
mod spawner;
pub mod stop;
pub mod sweep;
pub mod tap;
pub mod terminal;
pub mod viewers;

pub use exec::exec_shim;
pub use host::{Host, RealHost, SpawnError, SpawnSpec, Spawning, Wiring};
pub use look::Look;
pub use mark::Mark;
pub use memory::OomWatch;
pub use recording::RecordingSpec;
pub use redraw::LEAVE;
pub use screen::{Screen, Size, Snapshot};
pub use spawner::spawn_lock;
pub use stop::{StopPlan, StopReport, StopStage, stop};
pub use sweep::Asleep;
pub use tap::{Filtered, Tap};
pub use terminal::{ExitStatus, Signal, Terminal, TerminalHandle, WriteError};
pub use viewers::{Piece, Viewer};
