//! What a merge queue gates next, and what follows from each verdict. No IO, no clock, no runtime.
//!
//! - [`Queue`] is told what happened (a request came in, a tree was built, a gate ended, a push went through) and
//!   answers with [`Record`]s: what to keep, and at the same time what to do. Nothing is done here.
//! - [`State`] is the fold of these records. A queue that is [replayed](Queue::replay) from them decides as the one
//!   that wrote them.
//!
//! ```text
//!   request ──> fresh ──> in a run ──green──> lands, or is cleared and rides under every later run until it lands
//!                 ^          │
//!                 │         red
//!                 │          v
//!                 └─────  suspect ──> the last one left ──> tried once more ──> evicted
//! ```
//!
//! What is known is sets: a green set clears its members, a red set has somebody to blame in it. Members of a red
//! set that landed are not to blame, and a set with an evicted member is explained. So a verdict needs no bookkeeping
//! of its own: it is a red set of which one member is left. `docs/queue.md` derives the sizes and the search.
//!
//! What holds whatever is told, and in whatever order:
//! - Only the exact tree of a green run lands, and only on the head of the target that the run was built on.
//! - A change leaves the queue once: landed, evicted, or withdrawn.
//! - A tree that was green is not gated again; one that was red is gated once more, by a run that says so.
//! - Nobody is evicted for a run on a target that was not known to be green itself.

pub mod group;
pub mod memo;
pub mod state;
pub mod tally;
pub mod why;

pub use model::queue::{footprint, record, request, rules};

mod carry;
mod engine;
mod evidence;
mod order;
mod plan;

pub use engine::{Queue, TooLate};
pub use footprint::{Footprint, Lane};
pub use record::{Aim, Record, Run, RunId, Tree, Verdict};
pub use request::Request;
pub use rules::{Confirm, Rules};
pub use state::State;
