//! Where this program's file is, also after a new version has taken its place.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What Linux writes behind the name of a file that was replaced or removed while it runs.
const REPLACED: &[u8] = b" (deleted)";

/// The file of this program.
///
/// # Errors
/// When the system does not tell.
pub(crate) fn file() -> io::Result<PathBuf> {
    std::env::current_exe().map(|path| present(&path))
}

/// The file at `path`, or the one that stands in its place since it was replaced.
fn present(path: &Path) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(REPLACED) {
        Some(name) if !path.exists() => PathBuf::from(OsStr::from_bytes(name)),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_replaced_is_the_one_that_took_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gastown");
        assert_eq!(present(&file), file);
        let replaced = folder.path().join("gastown (deleted)");
        assert_eq!(present(&replaced), file);
        // Unless somebody calls a program that.
        std::fs::write(&replaced, "").unwrap();
        assert_eq!(present(&replaced), replaced);
    }
}
