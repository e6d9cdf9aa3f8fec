//! What can be saved of a broken ledger, into a new one.
//!
//! ```text
//!   a copy of sled's files ──┐
//!   the journal beside them ─┤
//!   what lies loose in `db` ─┼─> sound records, by hash ──> the longest chain from record 1 ──> DEST
//!   the archive's segments ──┘
//! ```
//!
//! The old folder is only read: even opening sled's files changes them, so a copy is opened. A record is
//! sound when its checksum is right; it is saved when there is a sound one before it that it continues,
//! down to the first. What is sound and follows on nothing goes to a file for people.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use model::ids::Seq;
use model::ledger::{Finding, Lost, Repaired};

use crate::record::{self, GENESIS, Hash};
use crate::store::{Limits, Store, snapshot_path};
use crate::{LedgerError, Log as _, SledLog, archive, check, disk, files, journal, snapshot};

/// How long broken files may keep the store thinking before it is left alone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Records written at once.
const BATCH: usize = 512;

/// A sound record: where its bytes are, and its place in the chain.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    prev: Hash,
    hash: Hash,
    at: u64,
    length: usize,
    from_log: bool,
}

/// All sound records, each once, with their bytes in a file.
#[derive(Debug)]
struct Pool {
    file: BufWriter<File>,
    length: u64,
    known: HashSet<Hash>,
    by_seq: BTreeMap<Seq, Vec<Candidate>>,
    /// What is wrong with the copies of a record, in the order in which they were found.
    broken: BTreeMap<Seq, String>,
    findings: Vec<Finding>,
    /// The newest record that anything knows of.
    newest: Seq,
}

impl Pool {
    fn find(&mut self, place: &str, seq: Seq, why: String) {
        self.newest = self.newest.max(seq);
        self.broken.entry(seq).or_insert_with(|| why.clone());
        self.findings.push(Finding::new(place, seq, why));
    }

    fn take(&mut self, place: &str, seq: Seq, bytes: &[u8], from_log: bool) -> io::Result<()> {
        match record::decode(seq, bytes) {
            Ok(sealed) if self.known.insert(sealed.hash) => {
                self.file.write_all(bytes)?;
                let (prev, hash, at, length) = (sealed.prev, sealed.hash, self.length, bytes.len());
                self.by_seq.entry(seq).or_default().push(Candidate { prev, hash, at, length, from_log });
                self.length += length as u64;
                self.newest = self.newest.max(seq);
            }
            Ok(_) => {}
            Err(error) => self.find(place, seq, error.to_string()),
        }
        Ok(())
    }

    /// The longest row in which each record continues the one before, from the first on.
    fn chain(&self) -> Vec<Candidate> {
        let mut reached: Vec<HashMap<Hash, Candidate>> = Vec::new();
        let mut before = HashSet::from([GENESIS]);
        for (expected, (seq, candidates)) in (1..).zip(&self.by_seq) {
            let fits = candidates.iter().filter(|c| seq.0 == expected && before.contains(&c.prev));
            let fits: HashMap<Hash, Candidate> = fits.map(|c| (c.hash, *c)).collect();
            if fits.is_empty() {
                break;
            }
            before = fits.keys().copied().collect();
            reached.push(fits);
        }
        let mut chain = Vec::new();
        let mut wanted: Option<Hash> = None;
        for fits in reached.iter().rev() {
            // Where two go equally far, what the log says is what was acknowledged.
            let choice = match wanted {
                Some(hash) => fits.get(&hash),
                None => fits.values().max_by_key(|candidate| candidate.from_log),
            };
            let Some(candidate) = choice else { break };
            wanted = Some(candidate.prev);
            chain.push(*candidate);
        }
        chain.reverse();
        chain
    }
}

/// Saves all that is sound of the ledger in `dir` into a new one in `dest`, which is new or empty.
///
/// The caller has the town's lock. The old ledger is not changed, however broken.
///
/// # Errors
/// When `dest` holds anything or is a part of `dir`, or cannot be written. Damage is no error.
pub fn repair(dir: &Path, dest: &Path) -> Result<Repaired, LedgerError> {
    let io = |error: io::Error| LedgerError::io(dest, format!("write into {}", dest.display()), &error);
    let taken = |why: &str| LedgerError::Io {
        doing: format!("save the ledger into {}", dest.display()),
        why: why.to_owned(),
    };
    if !dir.is_dir() {
        return Err(taken("there is no ledger to save"));
    }
    fs::create_dir_all(dest).map_err(io)?;
    let (old, new) = (dir.canonicalize().map_err(io)?, dest.canonicalize().map_err(io)?);
    if new.starts_with(&old) {
        return Err(taken("it is the old ledger, or a part of it"));
    }
    if fs::read_dir(dest).map_err(io)?.next().is_some() {
        return Err(taken("the folder is not empty"));
    }
    let dest = new.as_path();
    let scratch = dest.join("scratch");
    fs::create_dir(&scratch).map_err(io)?;
    let file =
        File::options().create_new(true).read(true).write(true).open(scratch.join("pool")).map_err(io)?;
    let mut pool = Pool {
        file: BufWriter::new(file),
        length: 0,
        known: HashSet::new(),
        by_seq: BTreeMap::new(),
        broken: BTreeMap::new(),
        findings: Vec::new(),
        newest: Seq(0),
    };
    match snapshot::peek(&snapshot_path(dir)) {
        Ok(seq) => pool.newest = seq.unwrap_or_default(),
        Err(what) => pool.findings.push(Finding::new("snapshot", None, what)),
    }
    from_log(dir, &scratch, &mut pool).map_err(io)?;
    from_journal(dir, &mut pool).map_err(io)?;
    from_archives(dir, &mut pool).map_err(io)?;
    // Loose ones may also be what was refused and taken back: only where the log itself has gaps.
    if pool.findings.iter().any(|finding| finding.place == "log") {
        from_loose(dir, &mut pool).map_err(io)?;
    }
    let chain = pool.chain();
    let mut file = pool.file.into_inner().map_err(|error| io(error.into_error()))?;
    pool_into(dest, &mut file, &chain)?;

    let head = Seq(chain.len() as u64);
    let saved: HashSet<Hash> = chain.iter().map(|candidate| candidate.hash).collect();
    let left: Vec<(Seq, Candidate)> = pool
        .by_seq
        .iter()
        .flat_map(|(seq, all)| all.iter().map(|one| (*seq, *one)))
        .filter(|(_, one)| !saved.contains(&one.hash))
        .collect();
    let leftover = leave(dest, &mut file, &left).map_err(io)?;
    drop(file);
    fs::remove_dir_all(&scratch).map_err(io)?;

    // Opening it makes the rest of a ledger, and proves it.
    let store = Store::open(dest, Limits::default())?;
    store.verify()?;
    store.close()?;
    drop(store);

    let sound: HashSet<Seq> = left.iter().map(|(seq, _)| *seq).collect();
    let from_log = chain.iter().filter(|candidate| candidate.from_log).count() as u64;
    Ok(Repaired {
        dest: dest.to_owned(),
        head,
        hash: check::hex(&chain.last().map_or(GENESIS, |candidate| candidate.hash)),
        from_log,
        from_elsewhere: head.0 - from_log,
        lost: lost(head, pool.newest, &sound, &pool.broken),
        leftover,
        findings: pool.findings,
    })
}

/// What is after `head`, in ranges of one reason.
fn lost(head: Seq, newest: Seq, sound: &HashSet<Seq>, broken: &BTreeMap<Seq, String>) -> Vec<Lost> {
    let mut lost: Vec<Lost> = Vec::new();
    for seq in (head.0 + 1..=newest.0).map(Seq) {
        let why = match broken.get(&seq) {
            _ if sound.contains(&seq) => "sound, and follows on nothing that is".to_owned(),
            Some(why) => why.clone(),
            None => "there is no copy of it".to_owned(),
        };
        match lost.last_mut() {
            Some(last) if last.why == why => last.to = seq,
            _ => lost.push(Lost { from: seq, to: seq, why }),
        }
    }
    lost
}

/// Reads a copy of sled's files, on a thread of its own that may panic or never come back.
fn from_log(dir: &Path, scratch: &Path, pool: &mut Pool) -> io::Result<()> {
    let (from, copy) = (dir.join("sled"), scratch.join("sled"));
    if !from.is_dir() {
        pool.findings.push(Finding::new("log", None, "it is missing"));
        return Ok(());
    }
    copy_dir(&from, &copy)?;
    let (say, hear) = mpsc::sync_channel(BATCH);
    thread::Builder::new().name("ledger-repair".into()).spawn(move || {
        let log = match SledLog::open_unchecked(&copy, Limits::default().cache) {
            Ok(log) => log,
            Err(error) => {
                let _ = say.send((Seq(0), Err(error.to_string())));
                return;
            }
        };
        // What is up to the base is in the archive.
        check::each_raw(&log, log.base(), log.head(), |seq, read| {
            let _ = say.send((seq, read));
        });
    })?;
    loop {
        match hear.recv_timeout(PATIENCE) {
            Ok((seq, Ok(bytes))) => pool.take("log", seq, &bytes, true)?,
            Ok((Seq(0), Err(why))) => {
                pool.findings.push(Finding::new("log", None, format!("it does not open: {why}")));
            }
            Ok((seq, Err(why))) => pool.find("log", seq, why),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                pool.findings.push(Finding::new("log", None, "the store does not come to an end with it"));
                return Ok(());
            }
        }
    }
}

/// Reads what sled may not have had for good yet.
fn from_journal(dir: &Path, pool: &mut Pool) -> io::Result<()> {
    if !journal::is_whole(&dir.join("sled")) {
        let what = "it is cut or missing: what was acknowledged last, and stood there alone, is not known";
        pool.findings.push(Finding::new("journal", None, what));
    }
    for row in journal::read(&dir.join("sled"))? {
        for (bytes, seq) in row.records.iter().zip(row.first.0..) {
            pool.take("journal", Seq(seq), bytes, true)?;
        }
    }
    Ok(())
}

/// Reads the archive, and those that were put aside.
fn from_archives(dir: &Path, pool: &mut Pool) -> io::Result<()> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "archive" || name.starts_with("archive.") {
            folders.push((name, entry.path()));
        }
    }
    folders.sort();
    for (folder, path) in folders {
        for (first, path) in archive::segments(&path)? {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let place = format!("{folder}/{file}");
            let segment = match archive::read_segment(&path, first) {
                Ok(segment) => segment,
                Err(error) => {
                    pool.findings.push(Finding::new(place, None, format!("cannot be read: {error}")));
                    continue;
                }
            };
            for (seq, why) in segment.broken {
                pool.find(&place, seq, why);
            }
            if segment.torn {
                pool.findings.push(Finding::new(place.as_str(), None, "its end is torn"));
            }
            for framed in segment.frames {
                pool.take(&place, framed.seq, &framed.bytes, false)?;
            }
        }
    }
    Ok(())
}

/// How every record begins: a map whose first two names are `v` and `seq`.
const BEGINNING: &[u8] = b"\xa1v\x01\xa3seq";

/// Finds records that lie whole in sled's data file, whatever sled thinks of it: those of one piece.
///
/// Nothing here is a finding, since old copies lie about in a sound file, too.
fn from_loose(dir: &Path, pool: &mut Pool) -> io::Result<()> {
    let bytes = match fs::read(dir.join("sled/db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut at = 1;
    while at + BEGINNING.len() < bytes.len() {
        if !bytes[at..].starts_with(BEGINNING) {
            at += 1;
            continue;
        }
        if let Some((seq, body)) = record::whole(&bytes[at - 1..]) {
            pool.take("log", seq, body, false)?;
        }
        at += 1;
    }
    Ok(())
}

/// Writes `chain` as the log of a new ledger in `dest`.
fn pool_into(dest: &Path, file: &mut File, chain: &[Candidate]) -> Result<(), LedgerError> {
    let log = SledLog::open(&dest.join("sled"), Limits::default().cache)?;
    for batch in chain.chunks(BATCH) {
        let rows: io::Result<Vec<Vec<u8>>> = batch.iter().map(|one| bytes_of(file, one)).collect();
        let rows = rows.map_err(|error| LedgerError::io(dest, "read back what was found", &error))?;
        log.append_raw(&rows, batch.last().map_or(GENESIS, |last| last.hash))?;
    }
    Ok(())
}

fn bytes_of(file: &mut File, candidate: &Candidate) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; candidate.length];
    file.seek(SeekFrom::Start(candidate.at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Writes what is sound and was not saved as JSON lines; none where there is nothing.
fn leave(dest: &Path, file: &mut File, left: &[(Seq, Candidate)]) -> io::Result<Option<PathBuf>> {
    if left.is_empty() {
        return Ok(None);
    }
    let path = dest.join("leftover.jsonl");
    let mut out = BufWriter::new(File::create(&path)?);
    for (seq, candidate) in left {
        if let Ok(sealed) = record::decode(*seq, &bytes_of(file, candidate)?) {
            serde_json::to_writer(&mut out, &sealed.record)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    out.get_ref().sync_all()?;
    disk::sync_dir(dest)?;
    Ok(Some(path))
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    files::remove_leftovers(to)
}

#[cfg(test)]
mod tests;
