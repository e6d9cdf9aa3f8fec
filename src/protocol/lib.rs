//! How bytes become commands, and commands bytes
