//! Room on the disk: how much is left, a file to give up when none is, and files written whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::FallocateFlags;

/// Returns how many bytes an ordinary user may still write on the disk of `dir`.
pub(crate) fn free(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    // The parent of a plain name is an empty path.
    let here = dir.as_os_str().is_empty();
    File::open(if here { Path::new(".") } else { dir })?.sync_all()
}

/// Makes sure that the file `path` holds `size` bytes of real disk space, or as much as there is.
///
/// Returns whether it holds all of them.
pub(crate) fn reserve(path: &Path, size: u64) -> io::Result<bool> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let have = file.metadata()?.len();
    if have >= size {
        return Ok(true);
    }
    // From all down to a quarter: something to give up is better than nothing.
    for part in [size, size / 2, size / 4] {
        if part <= have {
            break;
        }
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, part) {
            Ok(()) => {
                file.sync_all()?;
                return Ok(part == size);
            }
            // Nothing to reserve with on this file system; it is no worse off than without us.
            Err(rustix::io::Errno::OPNOTSUPP) => return Ok(true),
            Err(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Gives the reserved space back to the disk.
pub(crate) fn give_up(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a few bytes to the disk of `dir` for good, to see whether that works.
pub(crate) fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join("probe");
    let tried = (|| {
        let mut file = File::create(&path)?;
        file.write_all(&[0x5a; 4096])?;
        file.sync_all()
    })();
    let cleared = give_up(&path);
    tried.and(cleared)
}

/// Replaces the file `path` by `bytes`: after a crash it holds either the old or the new ones.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    faults::point("ledger.replace.sync")?;
    file.sync_all()?;
    faults::point("ledger.replace.rename")?;
    fs::rename(&fresh, path)?;
    faults::point("ledger.replace.renamed")?;
    match path.parent() {
        Some(dir) => sync_dir(dir),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_takes_real_space_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reserve");
        assert!(reserve(&path, 1 << 20).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 20);
        assert!(reserve(&path, 1 << 20).unwrap());
        give_up(&path).unwrap();
        give_up(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn replacing_leaves_nothing_beside_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("board.snap");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        probe(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
