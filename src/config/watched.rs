//! One file that is looked at again and again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::refusal::Refusal;

use crate::document::ConfigError;

/// One file, what it said when it was last right, and what is wrong with it now.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    pub(crate) file: PathBuf,
    read: fn(&Path) -> Result<T, ConfigError>,
    stamp: Option<Stamp>,
    pub(crate) good: T,
    pub(crate) wrong: Option<String>,
}

impl<T> Watched<T> {
    /// A file that has not been looked at; `good` is what it is taken to have said.
    pub(crate) fn new(file: PathBuf, read: fn(&Path) -> Result<T, ConfigError>, good: T) -> Self {
        Self { file, read, stamp: None, good, wrong: None }
    }

    /// Reads a file that must be right.
    pub(crate) fn open(
        file: PathBuf,
        read: fn(&Path) -> Result<T, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let stamp = Some(Stamp::of(&file));
        let good = read(&file)?;
        Ok(Self { file, read, stamp, good, wrong: None })
    }

    /// Reads the file again if it has changed.
    pub(crate) fn look(&mut self) {
        // Stamped before it is read: a change in between is seen by the next look.
        let stamp = Stamp::of(&self.file);
        if self.stamp == Some(stamp) {
            return;
        }
        self.stamp = Some(stamp);
        match (self.read)(&self.file) {
            Ok(good) => {
                self.good = good;
                self.wrong = None;
            }
            Err(error) => self.wrong = Some(whole(error)),
        }
    }

    /// The state in which the file was last looked at.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp.unwrap_or_default()
    }
}

/// Returns the error and what may have been meant, in one line.
fn whole(error: ConfigError) -> String {
    let refusal = Refusal::from(error);
    match refusal.hint {
        Some(hint) => format!("{} ({hint})", refusal.message),
        None => refusal.message,
    }
}

/// What tells two states of a file apart without reading it; all zero for a missing file.
///
/// The inode and the time of its last change are among it because an editor may put a file of the same
/// length in place within one tick of the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Path) -> Self {
        fs::metadata(file).map_or_else(
            |_| Self::default(),
            |meta| Self {
                inode: meta.ino(),
                length: meta.len(),
                modified: (meta.mtime(), meta.mtime_nsec()),
                changed: (meta.ctime(), meta.ctime_nsec()),
            },
        )
    }
}
