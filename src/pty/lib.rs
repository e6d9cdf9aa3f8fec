//! Programs in terminals
