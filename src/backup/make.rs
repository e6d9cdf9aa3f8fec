//! A backup of a town whose ledger is open, while it runs or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use config::{Town, TownPaths};
use git::copy::{self, Standing};
use git::{CancelToken, Oid, Repo};
use ledger::Store;
use ledger::export::ExportError;
use model::backup::Backup;
use model::event::Event;
use model::ids::{RigName, Seq};
use model::refusal::{Class, Refusal};
use model::time::Timestamp;
use rustix::fs::{FlockOperation, flock};

use crate::failing;
use crate::files::{self, Taken};
use crate::manifest::{Manifest, Pack, Part, Rig, Row, Stored, VERSION, file_of, hex};
use crate::shelf::{self, Shelf, at_work, measure, sync_dir, write_whole};

/// Parts and packs below this size are written again together with what is new, when that is as large:
/// so there are few of them, however many backups there are.
const SMALL: u64 = 8 << 20;

/// Beside what is known to be needed, so much must be free.
const SPARE: u64 = 1 << 20;

/// What is to be backed up, and to where.
#[derive(Debug)]
pub struct Job<'a> {
    /// The town.
    pub paths: &'a TownPaths,
    /// Its ledger, open.
    pub store: &'a Store,
    /// The folder of backups, as an absolute path.
    pub dir: &'a Path,
    /// Now.
    pub now: Timestamp,
    /// Ends it early; then nothing has been added.
    pub cancel: CancelToken,
}

/// Makes a backup. Everything that was recorded before is in it.
///
/// # Errors
/// `inside_the_town`, `not_a_backup`, `other_town` (exit code 5); `backup_at_work`, `not_enough_space`,
/// `disk_full` and what git and the ledger say (exit code 1). Then the folder holds what it held before.
pub fn make(job: &Job<'_>) -> Result<Backup, Refusal> {
    let root = job.paths.root();
    let _turn = turn(job.paths)?;
    let shelf = Shelf::for_writing(job.dir, root)?;
    let numbers = shelf.numbers()?;
    let number = numbers.last().map_or(1, |last| last + 1);
    let before = newest(&shelf, &numbers)?;
    continues(job, before.as_ref())?;
    shelf::enough(&shelf.dir, needed(job, before.as_ref()) + SPARE)?;

    let partial = shelf.dir.join(format!("{number:06}.partial"));
    let folder =
        |path: &Path| DirBuilder::new().mode(0o700).create(path).map_err(failing("make the folder", path));
    folder(&partial)?;
    let made = fill(job, &shelf, number, before.as_ref(), &partial);
    let manifest = match made {
        Ok(manifest) => manifest,
        Err(refusal) => {
            // The next one would clear it away as well; on a full disk that is late.
            let _ = fs::remove_dir_all(&partial);
            return Err(refusal);
        }
    };
    let sealed = (|| {
        sync_all(&partial)?;
        fs::rename(&partial, shelf.dir.join(format!("{number:06}")))?;
        sync_all(&shelf.dir.join("files")).or_else(ignore_missing)?;
        sync_dir(&shelf.dir)?;
        // Until here nobody knows of it; from here on it is a backup.
        write_whole(&file_of(&shelf.dir, number), &manifest.write())
    })();
    sealed.map_err(failing("write into", &shelf.dir))?;
    Ok(manifest.told(&shelf.dir))
}

/// The event that tells of `backup`.
pub fn event(backup: &Backup) -> Event {
    Event::BackupMade {
        dir: backup.dir.display().to_string(),
        number: backup.number,
        head: backup.head,
        added: backup.added,
    }
}

/// One backup of a town at a time.
fn turn(paths: &TownPaths) -> Result<File, Refusal> {
    let path = paths.backup_lock();
    let mut open = OpenOptions::new();
    let lock = open.create(true).truncate(false).write(true).mode(0o600).open(&path);
    let lock = lock.map_err(failing("open the lock", &path))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(_) => Err(at_work(&format!("another backup of {} is just being made", paths.root().display()))),
    }
}

/// The newest backup that can be read. One that cannot is no reason to have none from now on.
fn newest(shelf: &Shelf, numbers: &[u32]) -> Result<Option<Manifest>, Refusal> {
    for number in numbers.iter().rev() {
        match shelf.manifest(*number) {
            Ok(manifest) => return Ok(Some(manifest)),
            Err(refusal) if refusal.code == "broken_backup" => {
                tracing::warn!(%refusal, "going on from the backup before it");
            }
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(None)
}

/// Refuses to go on from a backup of another town, or of another course of this one.
fn continues(job: &Job<'_>, before: Option<&Manifest>) -> Result<(), Refusal> {
    let Some(before) = before else { return Ok(()) };
    let ours = job.store.hash_at(before.ledger.head).map_err(|error| ledger_refusal(error.into()))?;
    if ours.is_some_and(|hash| hex(&hash) == before.ledger.hash) {
        return Ok(());
    }
    Err(Refusal::new(
        Class::Forbidden,
        "other_town",
        format!(
            "{} holds backups of the town {:?} from {}, and this town's record {} is not theirs",
            job.dir.display(),
            before.town,
            before.from,
            before.ledger.head,
        ),
    )
    .hint("choose another folder: a town that was restored from an earlier backup needs one of its own, too"))
}

/// How much this is going to take, roughly; what is new since an earlier backup is not worth measuring.
fn needed(job: &Job<'_>, before: Option<&Manifest>) -> u64 {
    let rigs = rigs(job.paths).into_iter();
    let repos = rigs.filter(|rig| before.is_none_or(|before| !before.rigs.contains_key(rig)));
    let repos: u64 = repos.map(|rig| size(&job.paths.rig(&rig).repo_git().join("objects"))).sum();
    match before {
        Some(_) => repos,
        None => repos + size(&job.paths.ledger().join("archive")),
    }
}

fn size(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

/// Every folder of the town that has a shared repository.
fn rigs(paths: &TownPaths) -> Vec<RigName> {
    let entries = fs::read_dir(paths.root()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<RigName>().ok());
    let mut found: Vec<RigName> = names.filter(|rig| paths.rig(rig).repo_git().is_dir()).collect();
    found.sort();
    found
}

/// Writes all that is new into `partial`, and returns the manifest of the whole.
fn fill(
    job: &Job<'_>,
    shelf: &Shelf,
    number: u32,
    before: Option<&Manifest>,
    partial: &Path,
) -> Result<Manifest, Refusal> {
    let root = job.paths.root();
    let mut earlier = BTreeMap::new();
    for rig in rigs(job.paths) {
        let standing = copy::references(&open(job, &rig)?).map_err(git_refusal)?;
        earlier.insert(rig, standing);
    }
    let head = job.store.head();
    let ledger = records(job, shelf, number, before.map(|before| &before.ledger), head, partial)?;

    let mut copies = BTreeMap::new();
    let mut elsewhere = Vec::new();
    fs::create_dir(partial.join("git")).map_err(failing("write into", partial))?;
    for rig in rigs(job.paths) {
        let repo = open(job, &rig)?;
        let paths = job.paths.rig(&rig);
        elsewhere.extend([paths.refinery_rig(), paths.mayor_rig()]);
        elsewhere.extend(paths.refinery_runners());
        let mut folders: Vec<(PathBuf, String)> = Vec::new();
        for folder in copy::worktrees(&repo) {
            if folder.starts_with(root) && !elsewhere.contains(&folder) {
                let agent = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                folders.push((folder, agent));
            }
        }
        let standing = copy::standing(&repo, &folders).map_err(git_refusal)?;
        elsewhere.extend(standing.worktrees.iter().map(|held| held.path.clone()));
        let standing = standing.with_gone(earlier.get(&rig).unwrap_or(&Standing::default()));
        let known = before.and_then(|before| before.rigs.get(&rig));
        let packs = packs(&repo, shelf, number, &rig, known, &standing, partial)?;
        copies.insert(rig, Rig { packs, ..Rig::of(&standing, root) });
    }
    let Taken { folders, files, links, left_out, added } = files::take(root, &elsewhere, shelf)?;
    let town = Town::read(job.paths).map_or_else(|_| String::new(), |town| town.name);
    Ok(Manifest {
        version: VERSION,
        number,
        made_at: job.now,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        town,
        from: root.display().to_string(),
        ledger,
        rigs: copies,
        folders,
        files,
        links,
        left_out,
        added: added + size(partial),
    })
}

fn open(job: &Job<'_>, rig: &RigName) -> Result<Repo, Refusal> {
    let repo = Repo::open(job.paths.rig(rig).repo_git()).map_err(git_refusal)?;
    Ok(repo.with_cancel(job.cancel.clone()))
}

/// Writes the records that are new up to `head`, with those of small parts before them.
fn records(
    job: &Job<'_>,
    shelf: &Shelf,
    number: u32,
    before: Option<&Row>,
    head: Seq,
    partial: &Path,
) -> Result<Row, Refusal> {
    let mut parts: Vec<Part> = Vec::new();
    for part in before.into_iter().flat_map(|row| &row.parts) {
        // From the first on that is not there any more, all are written again.
        if !shelf.stands(&part.file) {
            break;
        }
        parts.push(part.clone());
    }
    while let Some(last) = parts.pop() {
        let (new, old) = (head.0.saturating_sub(last.last.0), last.last.0.saturating_sub(last.first.0) + 1);
        if new == 0 || old > new || last.file.size > SMALL {
            parts.push(last);
            break;
        }
    }
    let from = parts.last().map_or(Seq(1), |part| part.last.next());
    let folder = partial.join("ledger");
    fs::create_dir(&folder).map_err(failing("make the folder", &folder))?;
    let exported =
        job.store.export(from, head, &folder, || !job.cancel.is_cancelled()).map_err(ledger_refusal)?;
    for (n, (first, file)) in exported.files.iter().enumerate() {
        let last = exported.files.get(n + 1).map_or(exported.head, |(next, _)| Seq(next.0 - 1));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let file = stored(file, format!("{number:06}/ledger/{name}"))?;
        parts.push(Part { first: *first, last, file });
    }
    Ok(Row { head, hash: hex(&exported.hash), parts })
}

/// Packs what is new in a repository, together with small packs before it.
fn packs(
    repo: &Repo,
    shelf: &Shelf,
    number: u32,
    rig: &RigName,
    before: Option<&Rig>,
    standing: &Standing,
    partial: &Path,
) -> Result<Vec<Pack>, Refusal> {
    let all_stand = before.is_some_and(|rig| rig.packs.iter().all(|pack| shelf.stands(&pack.file)));
    let mut packs = before.filter(|_| all_stand).map(|rig| rig.packs.clone()).unwrap_or_default();
    // What was known then: all that the backup before could be restored with.
    let known = before.filter(|_| all_stand).and_then(|rig| rig.standing(Path::new("/")));
    let mut known = known.map(|known| known.tips()).unwrap_or_default();
    let file = partial.join("git").join(format!("{rig}.pack"));
    loop {
        if !copy::pack(repo, &standing.tips(), &known, &file).map_err(git_refusal)? {
            return Ok(packs);
        }
        let stored = stored(&file, format!("{number:06}/git/{rig}.pack"))?;
        match packs.pop_if(|last| last.file.size <= stored.size.min(SMALL)) {
            Some(small) => known = small.basis.iter().filter_map(|oid| Oid::from_str(oid).ok()).collect(),
            None => {
                let basis = known.iter().map(Oid::to_string).collect();
                let basis = if stored.size > SMALL { BTreeSet::new() } else { basis };
                packs.push(Pack { file: stored, basis });
                return Ok(packs);
            }
        }
    }
}

fn stored(file: &Path, path: String) -> Result<Stored, Refusal> {
    let (size, sha256) = measure(file).map_err(failing("read", file))?;
    Ok(Stored { path, size, sha256 })
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Makes everything below `folder` durable.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(folder)
}

/// The refusal for git that does not go along.
pub(crate) fn git_refusal(error: git::Error) -> Refusal {
    let code = if matches!(error, git::Error::Cancelled { .. }) { "called_off" } else { "git_failed" };
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(why) = source {
        text.push_str(&format!(": {why}"));
        source = why.source();
    }
    match error.hint() {
        _ if text.contains("No space left on device") => Refusal::failed("disk_full", text)
            .hint("free some space and say it again; backups that were there before are as they were"),
        Some(hint) => Refusal::failed(code, text).hint(hint),
        None => Refusal::failed(code, text).hint("look at that repository (git fsck), and say it again"),
    }
}

/// The refusal for records that cannot be carried on.
pub(crate) fn ledger_refusal(error: ExportError) -> Refusal {
    let hint = match &error {
        ExportError::CalledOff => {
            return Refusal::failed("called_off", "the town stops, so no backup was made")
                .hint("say it again when it is up, or while it is down");
        }
        ExportError::Io { doing, source } => return crate::cannot(doing, Path::new(""), source),
        ExportError::Ledger(error) => error.hint(),
        ExportError::Damaged { .. } => None,
    };
    Refusal::failed("ledger", error.to_string())
        .hint(hint.unwrap_or_else(|| "see what is wrong: gastown ledger verify".to_owned()))
}
