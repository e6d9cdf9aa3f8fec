//! The folder that holds backups: whose it is, who works there, what is in it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use model::refusal::{Class, Refusal};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::failing;
use crate::manifest::{Manifest, Stored, broken, file_of, hex};

/// What makes a folder one of backups.
const MARK: &str = "backup.json";

/// What stands in it, for people who find the folder.
const ABOUT: &str = r#"{
  "type": "backups",
  "version": 1,
  "about": [
    "Backups of a Gas Town, made by `gastown backup`. NNNNNN.json says what belongs to each, with SHA-256s.",
    "See them: gastown backup list DIR. Look at them: gastown backup verify DIR.",
    "Make a town of the newest: gastown backup restore DIR NEW_FOLDER.",
    "Without the program: files/ holds small files by SHA-256; the packs are plain packs of git, which",
    "`git index-pack --stdin` takes into any repository, and the manifest names the references."
  ]
}
"#;

/// A folder of backups, with a claim to it.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) dir: PathBuf,
    _lock: Option<File>,
}

impl Shelf {
    /// Takes `dir` to put a backup of the town at `town` there; makes it if it is not there. What a backup
    /// that was cut short has left is cleared away.
    ///
    /// # Errors
    /// `inside_the_town`, `not_a_backup` (exit code 5); `backup_at_work`; what the disk says.
    pub(crate) fn for_writing(dir: &Path, town: &Path) -> Result<Shelf, Refusal> {
        let real = resolved(dir);
        if real.starts_with(town) || town.starts_with(&real) {
            let how = if real.starts_with(town) { "lies inside the town" } else { "holds the town" };
            return Err(Refusal::forbidden(
                "inside_the_town",
                format!("{} {how} {}", dir.display(), town.display()),
            )
            .hint("choose a folder elsewhere, best on another disk"));
        }
        let making = failing("make the folder", dir);
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent).map_err(&making)?;
        }
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(making(error)),
            _ => {}
        }
        if !dir.join(MARK).exists() {
            let foreign = fs::read_dir(dir).map_err(failing("look into", dir))?.flatten().find(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name != "lock" && !name.ends_with(".partial")
            });
            if foreign.is_some() {
                return Err(Refusal::forbidden(
                    "not_a_backup",
                    format!("{} holds something else", dir.display()),
                )
                .hint("choose a new or empty folder, or one that `gastown backup` has made"));
            }
        }
        let path = dir.join("lock");
        let mut open = OpenOptions::new();
        let lock = open.create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = lock.map_err(failing("write into", dir))?;
        if !claim(&lock, FlockOperation::NonBlockingLockExclusive, dir)? {
            return Err(at_work(&format!("somebody works at the backups in {}", dir.display())));
        }
        let shelf = Shelf { dir: resolved(dir), _lock: Some(lock) };
        shelf.clear().map_err(failing("tidy", dir))?;
        if !dir.join(MARK).exists() {
            write_whole(&dir.join(MARK), ABOUT.as_bytes()).map_err(failing("write into", dir))?;
        }
        Ok(shelf)
    }

    /// Opens `dir` to read what is there; it may lie on a disk that takes no writes.
    ///
    /// # Errors
    /// `no_such_backup` (exit code 4); `backup_at_work`; what the disk says.
    pub(crate) fn for_reading(dir: &Path) -> Result<Shelf, Refusal> {
        if !dir.join(MARK).is_file() {
            return Err(Refusal::new(
                Class::NotFound,
                "no_such_backup",
                format!("{} is no folder of backups: it has no {MARK}", dir.display()),
            )
            .hint("name the folder that was given to `gastown backup DIR`"));
        }
        let lock = match File::open(dir.join("lock")) {
            // A copy of the folder need not have it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.map_err(failing("read", dir))?),
        };
        if let Some(lock) = &lock
            && !claim(lock, FlockOperation::NonBlockingLockShared, dir)?
        {
            return Err(at_work(&format!("a backup is just being written into {}", dir.display())));
        }
        Ok(Shelf { dir: resolved(dir), _lock: lock })
    }

    /// The numbers of all manifests, oldest first.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, Refusal> {
        let mut found: Vec<u32> = fs::read_dir(&self.dir)
            .map_err(failing("look into", &self.dir))?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok())
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// The manifest of the backup `number`.
    ///
    /// # Errors
    /// `no_such_backup`; as [`Manifest::read`].
    pub(crate) fn manifest(&self, number: u32) -> Result<Manifest, Refusal> {
        let file = file_of(&self.dir, number);
        if !file.exists() {
            return Err(Refusal::new(
                Class::NotFound,
                "no_such_backup",
                format!("there is no backup {number} in {}", self.dir.display()),
            )
            .hint(format!("see which there are: gastown backup list {}", self.dir.display())));
        }
        let manifest = Manifest::read(&file)?;
        if manifest.number != number {
            return Err(broken(&file, &format!("it is that of backup {}", manifest.number)));
        }
        Ok(manifest)
    }

    /// Where a file of a backup lies.
    pub(crate) fn place(&self, file: &Stored) -> PathBuf {
        self.dir.join(&file.path)
    }

    /// Whether `file` is there and as large as it was; for what was looked at as a whole when it was written.
    pub(crate) fn stands(&self, file: &Stored) -> bool {
        fs::metadata(self.place(file)).is_ok_and(|meta| meta.is_file() && meta.len() == file.size)
    }

    /// Why `file` is not what it was, if it is not: reads all of it.
    pub(crate) fn wrong(&self, file: &Stored) -> Option<String> {
        match measure(&self.place(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some("it is missing".to_owned()),
            Err(error) => Some(format!("it cannot be read: {error}")),
            Ok((size, _)) if size != file.size => {
                Some(format!("it has {size} bytes, and {} were written", file.size))
            }
            Ok((_, sum)) if sum != file.sha256 => Some("its SHA-256 is not what was written".to_owned()),
            Ok(_) => None,
        }
    }

    /// Removes what no manifest names: the leavings of a backup that was cut short.
    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let unfinished = match name.parse::<u32>() {
                Ok(number) => !file_of(&self.dir, number).exists(),
                Err(_) => name.ends_with(".partial"),
            };
            if unfinished && entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if unfinished {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Whether the lock was to be had. A file system without locks has nobody to fear.
fn claim(lock: &File, how: FlockOperation, dir: &Path) -> Result<bool, Refusal> {
    match flock(lock, how) {
        Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(failing("lock", dir)(error.into())),
    }
}

pub(crate) fn at_work(message: &str) -> Refusal {
    Refusal::failed("backup_at_work", message).hint("say it again when that is done")
}

/// The absolute path with links followed, as far as it exists.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (_, Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_owned(),
    }
}

/// The size and the SHA-256 of the file at `path`.
pub(crate) fn measure(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut sum, mut size) = (File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((size, hex(&sum.finalize()))),
            n => {
                sum.update(&buffer[..n]);
                size += n as u64;
            }
        }
    }
}

/// Writes the file `path` so that it is there whole, for good, or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    sync_dir(path.parent().unwrap_or(path))
}

pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// How many bytes an ordinary user may still write where `path` is.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses what needs `bytes` where `path` is, if they are not there.
pub(crate) fn enough(path: &Path, bytes: u64) -> Result<(), Refusal> {
    let free = free(path).map_err(failing("ask how much space is left at", path))?;
    if free >= bytes {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(Refusal::failed(
        "not_enough_space",
        format!("{} has {} MiB free, and some {} MiB are needed", path.display(), free >> 20, mib(bytes)),
    )
    .hint("free some space there, or choose a folder on another disk"))
}
