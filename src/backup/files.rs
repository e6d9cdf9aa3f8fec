//! The small files of a town: all that lies in its folder and is not carried in another way.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use model::refusal::Refusal;

use crate::failing;
use crate::manifest::{Folder, Link, Small, sha256};
use crate::shelf::{Shelf, write_whole};

/// What is made anew by every town for itself, or carried as records.
const OUTSIDE: [&str; 7] =
    ["bin", "run", "logs", "ledger", "ledger.look", ".beads/feed.jsonl", ".beads/feed.jsonl.old"];

/// What is taken of a repository's own folder; the rest is carried as objects and references.
const OF_A_REPOSITORY: [&str; 3] = ["config", "shallow", "info/exclude"];

/// Larger ones are not small: they would be written whole at every change.
const LARGEST: u64 = 256 << 20;

/// What was taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) folders: Vec<Folder>,
    pub(crate) files: Vec<Small>,
    pub(crate) links: Vec<Link>,
    pub(crate) left_out: Vec<String>,
    /// Bytes that the shelf did not have yet.
    pub(crate) added: u64,
}

/// Takes all small files of the town at `root` onto the shelf. `elsewhere` are folders that are carried in
/// another way.
///
/// # Errors
/// What the shelf's disk says. A file that cannot be read is left out, and said so.
pub(crate) fn take(root: &Path, elsewhere: &[PathBuf], shelf: &Shelf) -> Result<Taken, Refusal> {
    let mut taken = Taken::default();
    let outside: Vec<PathBuf> = OUTSIDE.iter().map(|name| root.join(name)).collect();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match sorted(&folder) {
            Ok(entries) => entries,
            // Somebody has just removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                taken.leave(root, &folder, &error.to_string());
                continue;
            }
        };
        for path in entries {
            if outside.contains(&path) || elsewhere.contains(&path) || is_leaving(&path) {
                continue;
            }
            if path.file_name().is_some_and(|name| name == "repo.git")
                && path.parent().and_then(Path::parent) == Some(root)
            {
                for name in OF_A_REPOSITORY {
                    taken.file(root, &path.join(name), shelf)?;
                }
                continue;
            }
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            let Some(name) = name(root, &path) else {
                taken.leave(root, &path, "its name is not valid UTF-8");
                continue;
            };
            if meta.is_dir() {
                taken.folders.push(Folder { path: name, mode: meta.mode() & 0o777 });
                folders.push(path);
            } else if meta.is_symlink() {
                match fs::read_link(&path).ok().and_then(|to| to.to_str().map(str::to_owned)) {
                    Some(to) => taken.links.push(Link { path: name, to }),
                    None => taken.leave(root, &path, "the place that it names is not valid UTF-8"),
                }
            } else if meta.is_file() {
                taken.file(root, &path, shelf)?;
            }
            // Sockets and pipes hold nothing.
        }
    }
    Ok(taken)
}

impl Taken {
    fn leave(&mut self, root: &Path, path: &Path, why: &str) {
        let path = path.strip_prefix(root).unwrap_or(path);
        self.left_out.push(format!("{}: {why}", path.display()));
    }

    fn file(&mut self, root: &Path, path: &Path, shelf: &Shelf) -> Result<(), Refusal> {
        let read = (|| {
            let mut file = File::open(path)?;
            let meta = file.metadata()?;
            if meta.len() > LARGEST {
                return Err(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((meta.mode() & 0o777, bytes))
        })();
        let (mode, bytes) = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.leave(root, path, &error.to_string());
                return Ok(());
            }
        };
        let Some(path) = name(root, path) else { return Ok(()) };
        let small = Small { path, mode, size: bytes.len() as u64, sha256: sha256(&bytes) };
        let stored = small.stored();
        // One that is there is looked at: what rots must not be relied on by one backup after another.
        if shelf.wrong(&stored).is_some() {
            let to = shelf.place(&stored);
            let folder = to.parent().unwrap_or(&shelf.dir);
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.and_then(|()| write_whole(&to, &bytes)).map_err(failing("write", &to))?;
            self.added += small.size;
        }
        self.files.push(small);
        Ok(())
    }
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

fn name(root: &Path, path: &Path) -> Option<String> {
    path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

/// Whether it is only there until somebody has time to delete it.
fn is_leaving(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && (name.ends_with(".partial") || name.contains(".removed-"))
}
