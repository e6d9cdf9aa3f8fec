//! The front door: `run` wakes the daemon; all else asks, by socket or offline.

fn main() {}
