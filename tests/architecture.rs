//! The rules of the house that no compiler holds: who may enter whom, where heavy libraries live, what
//! stays out of the pure rooms, who starts actors, and that the tree on paper is the tree in the code.
//!
//! Each checker is a function over plain data, so that a test beside it can plant what is forbidden and
//! see it found.

#[path = "architecture/manifests.rs"]
mod manifests;
#[path = "architecture/paper.rs"]
mod paper;
#[path = "architecture/sources.rs"]
mod sources;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// All Rust files below `folder`, by their paths from the root, in order.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "there is no Rust file in {folder}");
    found
}

#[track_caller]
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
