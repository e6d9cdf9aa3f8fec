//! What a town is told before it wakes
