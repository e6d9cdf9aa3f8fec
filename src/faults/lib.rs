//! Places where a test may break something: at every call of the store, and around every effect outside.
//!
//! A place has a name. In a program that is built for use, reaching it is nothing at all. In the one that
//! `cargo test` builds, the environment may say what happens there:
//!
//! ```text
//!   GASTOWN_FAULT=ledger.journal.synced:17:kill
//!                 place                 nth time, from 1: kill, error, panic or delay
//! ```
//!
//! `*` stands for any place, so that `*:250:kill` is the 250th place that the process comes to. Several are
//! parted by semicolons.

use std::io;

#[cfg(feature = "armed")]
mod armed;

/// Whether anything can happen at a place; a test of the house sees to it that no program for use has this.
pub const ARMED: bool = cfg!(feature = "armed");

/// A place whose failing the caller can answer for.
///
/// # Errors
/// When the environment of a test says so.
#[inline]
pub fn point(name: &'static str) -> io::Result<()> {
    #[cfg(feature = "armed")]
    return armed::reach(name);
    #[cfg(not(feature = "armed"))]
    {
        let _ = name;
        Ok(())
    }
}

/// A place between an effect and the next, where nothing can fail, and a process can die.
#[inline]
pub fn pass(name: &'static str) {
    // An error here has nobody who could be told.
    let _ = point(name);
}
