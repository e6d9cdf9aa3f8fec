//! A town from a backup.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use config::TownPaths;
use git::Repo;
use git::copy;
use ledger::{Limits, Store, export};
use model::backup::{Backup, Restored, Returned};
use model::event::Event;
use model::ids::RigName;
use model::refusal::{Class, Refusal};
use model::role::Address;
use model::time::Timestamp;
use rustix::fs::{FlockOperation, flock};

use crate::failing;
use crate::look::segments;
use crate::make::{git_refusal, ledger_refusal};
use crate::manifest::{Manifest, broken, hex};
use crate::shelf::{self, Shelf, at_work, resolved, sync_dir};

/// Stands in a folder while a town is made there; such a folder may be cleared and begun again.
const BEGUN: &str = ".restoring";

/// What makes a folder a town: written last.
const TOWN: &str = "config/town.json";

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The folder of backups, as an absolute path.
    pub dir: PathBuf,
    /// The folder for the town, as an absolute path; it may not exist yet, or be empty.
    pub town: PathBuf,
    /// Which backup; the newest when not given.
    pub number: Option<u32>,
}

/// Makes a town of a backup, in the name of `by`. The backup is only read.
///
/// Every file is compared with what was written before anything is made. When it fails, what was made is
/// taken away again.
///
/// # Errors
/// `no_such_backup` (exit code 4); `not_empty`, `inside_the_backup` (exit code 5); `broken_backup`,
/// `newer_backup`, `not_enough_space` and what the disk, git and the ledger say (exit code 1).
pub fn restore(order: &Order, by: &Address, now: Timestamp) -> Result<Restored, Refusal> {
    let shelf = Shelf::for_reading(&order.dir)?;
    let number = match order.number {
        Some(number) => number,
        None => shelf.numbers()?.pop().ok_or_else(|| {
            let message = format!("there is no backup in {} yet", order.dir.display());
            Refusal::new(Class::NotFound, "no_such_backup", message)
                .hint(format!("make one in the town: gastown backup {}", order.dir.display()))
        })?,
    };
    let manifest = shelf.manifest(number)?;
    let town = resolved(&order.town);
    let dir = resolved(&order.dir);
    if town.starts_with(&dir) || dir.starts_with(&town) {
        return Err(Refusal::forbidden(
            "inside_the_backup",
            format!("{} and {} lie in each other", order.town.display(), order.dir.display()),
        )
        .hint("choose a folder for the town outside the folder of backups"));
    }
    for file in manifest.stored().values() {
        if let Some(what) = shelf.wrong(file) {
            return Err(broken(&shelf.place(file), &what));
        }
    }
    room(&order.town)?;
    let bytes: u64 = manifest.stored().values().map(|file| file.size).sum();
    let reserve = Limits::default().reserve + Limits::default().floor;
    // The records stand twice in a ledger, and its store takes more than they do.
    let above = order.town.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
    shelf::enough(above, bytes * 3 + reserve)?;

    let making = failing("make the folder", &order.town);
    fs::create_dir_all(&order.town).map_err(making)?;
    let _sign = sign(&order.town)?;
    let paths = TownPaths::new(&order.town);
    let made = fill(&shelf, &manifest, &paths, by, now).and_then(|(hash, unsaved, notes)| {
        settle(&shelf, &manifest, &paths).map_err(failing("finish the town in", paths.root()))?;
        let backup: Backup = manifest.told(&shelf.dir);
        Ok(Restored { town: paths.root().to_owned(), backup, hash, unsaved, notes })
    });
    if made.is_err() {
        let _ = empty(&order.town);
    }
    made
}

/// Puts up the sign that a town is being made in `folder`; whoever else wants that is refused.
fn sign(folder: &Path) -> Result<File, Refusal> {
    let path = folder.join(BEGUN);
    let mut open = File::options();
    let sign = open.create(true).truncate(false).write(true).open(&path);
    let sign = sign.map_err(failing("write into", folder))?;
    match flock(&sign, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(sign),
        Err(_) => Err(at_work(&format!("a town is just being restored into {}", folder.display()))),
    }
}

/// Sees to it that nothing is in the way at `town`.
fn room(town: &Path) -> Result<(), Refusal> {
    let entries = match fs::read_dir(town) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failing("look into", town))?,
    };
    if entries.count() == 0 {
        return Ok(());
    }
    // Cut short by a kill: nobody can have worked there, since it was no town yet.
    if town.join(BEGUN).is_file() && !town.join(TOWN).exists() {
        let _sign = sign(town)?;
        return empty(town).map_err(failing("clear", town));
    }
    Err(Refusal::forbidden("not_empty", format!("{} holds something else already", town.display()))
        .hint("choose an empty folder, or one that does not exist yet"))
}

/// Removes all in `folder`, and last the sign that it may be removed.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == BEGUN {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(folder.join(BEGUN))
}

type Filled = (String, Vec<Returned>, Vec<String>);

/// Makes everything of the town but the file that makes it one.
fn fill(
    shelf: &Shelf,
    manifest: &Manifest,
    paths: &TownPaths,
    by: &Address,
    now: Timestamp,
) -> Result<Filled, Refusal> {
    let root = paths.root();
    let writing = failing("write into", root);
    config::install::complete_folders(paths)?;
    for folder in &manifest.folders {
        let path = root.join(&folder.path);
        match DirBuilder::new().mode(folder.mode | 0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(writing(error)),
            _ => {}
        }
    }
    let (head, hash) = export::import(&segments(shelf, manifest), &paths.ledger()).map_err(ledger_refusal)?;
    if head != manifest.ledger.head || hex(&hash) != manifest.ledger.hash {
        let what = format!("its records end with {head}, and not as they were written");
        return Err(broken(&shelf.dir.join(format!("{:06}", manifest.number)), &what));
    }
    for rig in manifest.rigs.keys() {
        copy::begin(&paths.rig(rig).repo_git()).map_err(git_refusal)?;
    }
    for file in manifest.files.iter().filter(|file| file.path != TOWN) {
        place(shelf, file, root).map_err(&writing)?;
    }
    let mut repos = BTreeMap::new();
    let mut notes = Vec::new();
    for (rig, kept) in &manifest.rigs {
        let path = paths.rig(rig).repo_git();
        let standing = kept.standing(root).ok_or_else(|| {
            broken(&crate::manifest::file_of(&shelf.dir, manifest.number), "a name is no object's")
        })?;
        let packs: Vec<PathBuf> = kept.packs.iter().map(|pack| shelf.place(&pack.file)).collect();
        let repo = copy::fill(&path, &packs, &standing).map_err(git_refusal)?;
        notes.extend(unreachable(rig, &repo, &path));
        repos.insert(rig.clone(), (repo, standing));
    }
    // After all files: nothing is written through a link.
    for link in &manifest.links {
        symlink(&link.to, root.join(&link.path)).map_err(&writing)?;
    }
    let store =
        Store::open(&paths.ledger(), Limits::default()).map_err(|error| ledger_refusal(error.into()))?;
    let (unsaved, events) = bring_back(&store, root, &repos, now)?;
    let restored = Event::TownRestored {
        dir: shelf.dir.display().to_string(),
        number: manifest.number,
        made_at: manifest.made_at,
        from: manifest.from.clone(),
        into: root.display().to_string(),
    };
    let said = std::iter::once(restored).chain(events).map(|event| (by.clone(), event)).collect();
    store.write_one(now, |_, _| Ok((said, ())))?;
    let hash = store.hash_at(store.head()).map_err(|error| ledger_refusal(error.into()))?;
    store.close().map_err(|error| ledger_refusal(error.into()))?;
    Ok((hash.map_or_else(String::new, |hash| hex(&hash)), unsaved, notes))
}

fn place(shelf: &Shelf, file: &crate::manifest::Small, root: &Path) -> io::Result<()> {
    let path = root.join(&file.path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(shelf.place(&file.stored()), &path)?;
    fs::set_permissions(&path, Permissions::from_mode(file.mode))
}

/// What a person must see to before a rig can work here.
fn unreachable(rig: &RigName, repo: &Repo, path: &Path) -> Option<String> {
    let url = repo.remote_url().ok()?;
    let gone = Path::new(&url).is_absolute() && !Path::new(&url).exists();
    gone.then(|| {
        format!(
            "rig {rig} lands at {url}, which is not on this machine: put it there, or name another with \
             `git -C {} remote set-url origin URL` and in {rig}/config.json",
            path.display()
        )
    })
}

/// Brings unsaved work back: on rescue branches that events name, and into worktrees.
fn bring_back(
    store: &Store,
    root: &Path,
    repos: &BTreeMap<RigName, (Repo, copy::Standing)>,
    now: Timestamp,
) -> Result<(Vec<Returned>, Vec<Event>), Refusal> {
    let (mut returned, mut events) = (Vec::new(), Vec::new());
    for (rig, (repo, standing)) in repos {
        for held in &standing.worktrees {
            let within = held.path.strip_prefix(root).unwrap_or(&held.path).to_string_lossy().into_owned();
            let agent = within.parse::<Address>().unwrap_or_else(|_| Address::Witness(rig.clone()));
            let bead = store.read(|board| {
                board
                    .agents
                    .get(&agent)
                    .and_then(|agent| agent.sandbox.as_ref().map(|sandbox| sandbox.bead.clone()))
            });
            let name = held.path.file_name().unwrap_or_default().to_string_lossy();
            let label =
                bead.as_ref().map_or_else(|| format!("restored-{}", now.millis()), ToString::to_string);
            let Some(back) = copy::bring_back(repo, held, &name, &label).map_err(git_refusal)? else {
                continue;
            };
            let reason = match &back.folder {
                Some(_) => "it was unsaved when the backup was taken; its files lie in the worktree again",
                None => "it was unsaved when the backup was taken",
            };
            events.push(Event::WorkRescued {
                agent: agent.clone(),
                bead,
                branch: back.branch.clone(),
                commit: held.unsaved.map(|oid| oid.to_string()).unwrap_or_default(),
                bundle: None,
                reason: reason.to_owned(),
            });
            returned.push(Returned { agent, branch: back.branch, folder: back.folder });
        }
    }
    Ok((returned, events))
}

/// Makes all of it durable, and then a town.
fn settle(shelf: &Shelf, manifest: &Manifest, paths: &TownPaths) -> io::Result<()> {
    let root = paths.root();
    rustix::fs::syncfs(File::open(root)?)?;
    if let Some(file) = manifest.files.iter().find(|file| file.path == TOWN) {
        place(shelf, file, root)?;
        File::open(root.join(TOWN))?.sync_all()?;
    }
    sync_dir(&paths.config())?;
    fs::remove_file(root.join(BEGUN))?;
    sync_dir(root)
}
