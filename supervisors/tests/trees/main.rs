//! What supervisors promise, tried on real actors: one file per kind of promise.

extern crate gastown_supervisors as supervisors;

mod giving_up;
mod guests;
mod overlap;
mod restarts;
mod stopping;
mod support;
