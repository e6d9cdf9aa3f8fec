//! Who lives in a town: each role in one place

pub mod living_tree;
