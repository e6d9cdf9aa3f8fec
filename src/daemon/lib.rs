//! Puts the house together and opens its doors.
//!
//! - [`offline`] the town's questions without a runtime; `lock` who may write
//! - `socket` people and agents at a running town; `front` the town as the socket sees it
//! - `until` why a run ends; `summary` what came of it
//! - `telemetry` what the runtime tells of itself

mod compose;
mod demo;
mod front;
mod live;
mod lock;
pub mod offline;
mod socket;
mod summary;
mod telemetry;
mod until;
