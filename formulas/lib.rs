//! Workflows written in TOML
