//! What a merge queue is told and decides, as it stands in the ledger. What follows from it is the room `queue`'s.

pub mod footprint;
pub mod record;
pub mod request;
pub mod rules;

pub use footprint::{Footprint, Lane};
pub use record::{Aim, Record, Run, RunId, Tree, Verdict};
pub use request::Request;
pub use rules::{Confirm, Rules};
