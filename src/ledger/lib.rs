//! What has happened, for good, and what follows from it
pub mod views;
