//! Puts the house together and opens its doors.
//!
//! - [`House`] all of it, for the front door
//! - `run` a town from its start to its end; `detach` the same in the background; `until` why it ends
//! - `compose` the living town; `front` that town as the socket sees it; `socket` people and agents there
//! - [`offline`] the town's questions without a runtime; `lock` who may write
//! - `demo` a town that shows what there is; `live` how a run looks; `summary` what came of it
//! - `telemetry` what the runtime tells of itself

pub mod compose;
mod conformance;
mod crash;
mod demo;
mod detach;
mod front;
mod house;
mod live;
mod lock;
pub mod offline;
mod program;
mod run;
mod service;
mod socket;
mod summary;
mod telemetry;
mod until;

pub use house::House;
pub use run::run;
