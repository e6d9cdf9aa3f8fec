//! A layer under the store, made for tests: `shim.c`, built here and preloaded into a process.
//!
//! It sees what that process does to the files below one folder, writes it into a journal, and makes calls
//! fail when told to. The journal is read in `powercut/journal.rs`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = include_str!("shim.c");

/// A number that never comes: no limit, no failing call.
pub(crate) const NEVER: u64 = u64::MAX;

/// The library, built. It is gone with this value; processes that have it loaded go on.
#[derive(Debug)]
pub(crate) struct Shim {
    place: tempfile::TempDir,
}

impl Shim {
    /// Builds the library.
    ///
    /// None where nothing can be preloaded, or no C compiler is there; says so on standard error. With
    /// `GASTOWN_SHIM=1` that is no excuse.
    pub(crate) fn build() -> Option<Shim> {
        match Self::try_build() {
            Ok(shim) => Some(shim),
            Err(why) => {
                assert!(std::env::var_os("GASTOWN_SHIM").is_none_or(|value| value != "1"), "{why}");
                eprintln!("SKIPPED: no layer can be put under the store here: {why}");
                None
            }
        }
    }

    fn try_build() -> Result<Shim, String> {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) {
            return Err("it is for Linux with glibc".into());
        }
        let place = tempfile::tempdir().map_err(|error| error.to_string())?;
        let source = place.path().join("shim.c");
        fs::write(&source, SOURCE).map_err(|error| error.to_string())?;
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let built = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-O1", "-pthread", "-o"])
            .arg(place.path().join("shim.so"))
            .arg(&source)
            .arg("-ldl")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{compiler}: {error}"))?;
        if !built.status.success() {
            return Err(format!("{compiler}: {}", String::from_utf8_lossy(&built.stderr)));
        }
        Ok(Shim { place })
    }

    /// Puts the layer under what `command` does below `folder`, which exists; `control` steers it.
    pub(crate) fn under(&self, command: &mut Command, folder: &Path, control: &Control) -> io::Result<()> {
        command
            .env("LD_PRELOAD", self.place.path().join("shim.so"))
            .env("GASTOWN_SHIM_DIR", folder.canonicalize()?)
            .env("GASTOWN_SHIM_CONTROL", &control.path);
        Ok(())
    }
}

/// What the layer does at present. May be changed while the process runs.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    file: File,
}

/// The numbers in the file, in the order of `struct control`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// Bytes by which files may still grow.
    Room,
    /// Not 0: nothing may be changed.
    ReadOnly,
    /// So many syncs go well before one fails.
    FailingSync,
    /// So many writes go well before one fails.
    FailingWrite,
    /// So many calls after the failing one fail as well.
    FailingFor,
    /// So many changes are made before the process dies.
    KillAt,
    /// How many changes there were.
    Changes,
    /// How many calls were made to fail.
    Failed,
}

const ALL: [(Number, u64); 8] = [
    (Number::Room, NEVER),
    (Number::ReadOnly, 0),
    (Number::FailingSync, NEVER),
    (Number::FailingWrite, NEVER),
    (Number::FailingFor, 0),
    (Number::KillAt, NEVER),
    (Number::Changes, 0),
    (Number::Failed, 0),
];

impl Control {
    /// A layer that lets everything through, steered by the new file `path`.
    pub(crate) fn new(path: &Path) -> io::Result<Control> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let control = Control { path: path.to_owned(), file };
        for (number, value) in ALL {
            control.set(number, value)?;
        }
        Ok(control)
    }

    /// Changes one number.
    pub(crate) fn set(&self, number: Number, value: u64) -> io::Result<()> {
        self.file.write_all_at(&value.to_ne_bytes(), number as u64 * 8)
    }

    /// Reads one number.
    pub(crate) fn get(&self, number: Number) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, number as u64 * 8)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Lets everything through again; the counts stay.
    pub(crate) fn mend(&self) -> io::Result<()> {
        for (number, value) in ALL.into_iter().filter(|(number, _)| *number != Number::Changes) {
            if number != Number::Failed {
                self.set(number, value)?;
            }
        }
        Ok(())
    }
}
