//! Gives the folding code a fingerprint, so that no snapshot outlives the code that made it.
//!
//! A board is folded by `views/` from what `model` calls an event, and by the room `queue`. When one of them changes, a snapshot of
//! before may hold what today's fold would not give; a version number would be forgotten one day.

use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let room = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut hasher = DefaultHasher::new();
    for folder in [room.join("views"), room.join("../model"), room.join("../queue")] {
        println!("cargo:rerun-if-changed={}", folder.display());
        take_in(&folder, &mut hasher)?;
    }
    println!("cargo:rustc-env=LEDGER_FOLD={:016x}", hasher.finish());
    Ok(())
}

fn take_in(folder: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            take_in(&path, hasher)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            hasher.write(&fs::read(&path)?);
        }
    }
    Ok(())
}
