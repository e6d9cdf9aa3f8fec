//! How bytes become commands, and commands bytes.
//!
//! - [`wire`]: the socket's messages and frames, and the [`wire::Carrier`] that takes a question to
//!   where it is answered.
//! - [`lines`]: terminal bytes to clean lines and hidden frames.
//! - [`speech`]: one line of an agent's speech, to words or to nothing.
//!
//! Everything here is a pure codec: no clock, no socket, no terminal.

pub mod lines;
pub mod speech;
pub mod wire;
