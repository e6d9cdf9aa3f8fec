//! Whether the machine has been down since a log was opened last.
//!
//! The death of a process leaves files as they were; only a machine that goes down can take what was not
//! synced. After that a log is read as a whole once. Where the system does not say, it is never the same
//! machine run, and the whole log is read at each opening.

use std::fs;
use std::io;
use std::path::Path;

/// The file's name within the log's folder.
const NAME: &str = "boot";

fn now() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

/// Whether the log in `dir` was opened last in the same run of this machine.
pub(crate) fn same(dir: &Path) -> bool {
    now().is_some_and(|now| fs::read_to_string(dir.join(NAME)).is_ok_and(|then| then == now))
}

/// Whether the log in `dir` was ever opened, with a journal beside it.
pub(crate) fn was_open(dir: &Path) -> bool {
    dir.join(NAME).exists()
}

/// Notes that the log in `dir` was found whole in this run of the machine.
pub(crate) fn remember(dir: &Path) -> io::Result<()> {
    now().map_or(Ok(()), |now| fs::write(dir.join(NAME), now))
}
