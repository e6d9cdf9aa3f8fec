//! What can be decided from the ledger alone.
//!
//! `Command` x board -> events, or a refusal. Everything here is a pure function of what it is given:
//! no clock, no file but a formula's, no actor. With a runtime up, the scribe calls it inside its one
//! write step, so that "is the hook free?" and "hang it" cannot be parted; without one, the daemon's
//! offline carrier does the same under the lock.
//!
//! - [`decide`]: commands of people and agents, one arm each.
//! - [`hooks`], [`merges`], [`agents`], [`letters`], [`costs`]: what the roles record.
//! - [`escalations`], [`routing`], [`help`], [`context`]: what people have to know, and how they get to know it.
//! - [`capacity`], [`waits`], [`standstill`]: how many at once, and why somebody is not at work.
//! - [`exits`], [`moving`], [`recover`]: how work is left, goes to another worker, is brought back.
//! - [`imports`]: beads from elsewhere.
//! - [`answers`], [`reports`], [`past`]: questions about the town, to data.
//! - [`bell`]: whom an event concerns.

pub mod actors;
pub mod agents;
pub mod answers;
pub mod beads;
pub mod bell;
pub mod book;
pub mod capacity;
pub mod context;
pub mod convoys;
pub mod costs;
pub mod decide;
pub mod draft;
pub mod escalations;
pub mod exits;
pub mod guards;
pub mod help;
pub mod hooks;
pub mod idle;
pub mod imports;
pub mod judgement;
pub mod letters;
pub mod merges;
pub mod metrics;
pub mod mols;
pub mod moving;
mod mq;
pub mod names;
pub mod neighbours;
pub mod past;
pub mod queue;
pub mod recover;
pub mod renaming;
pub mod reports;
pub mod routing;
pub mod show;
pub mod standing;
pub mod standstill;
pub mod story;
pub mod strategy;
pub mod waits;

#[cfg(test)]
mod lives;
#[cfg(test)]
mod mailboxes;
#[cfg(test)]
mod pairings;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trials;
