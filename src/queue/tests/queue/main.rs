//! The queue in a world of sets and booleans.

mod story;
mod streams;
mod support;
