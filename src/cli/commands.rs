//! Answers for people, a file per group, and what the program does by itself.

pub(crate) mod learn;
