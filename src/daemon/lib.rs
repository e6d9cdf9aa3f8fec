//! Puts the house together and opens its doors.
//!
//! - `lock` one writer per town; [`socket`] people and agents at a running town; [`offline`] the same
//!   questions without one
//! - `run` a town from its start to its end; `detach` the same in the background; `until` why it ends
//! - `demo` a town that shows what there is; `summary` what came of a run; `live` how it looks meanwhile
//! - `telemetry` what the runtime tells of itself
//! - [`House`] all of it, for the front door

mod lock;
mod socket;
mod summary;
mod telemetry;
mod until;
