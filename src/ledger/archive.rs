//! A second copy of the records, in plain files that only grow.
//!
//! ```text
//!   ledger/archive/<number of the first record, 20 digits>.seg
//!   segment  "gtarch01", then frames
//!   frame    marker (4) ++ number (8) ++ length (4) ++ CRC-32 of number, length and bytes (4) ++ bytes
//! ```
//!
//! The bytes are those of the log, with their own checksum and the hash of the record before. A thread
//! of the store copies what is durable about once a second and syncs it; nobody who is answered waits
//! for that. So after a disaster the archive may lack the last second, and the log is asked first.
//! The marker is there to find the next frame behind a broken one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model::ids::Seq;
use model::ledger::Finding;

use crate::journal::Row;
use crate::record::{self, Hash};
use crate::{LedgerError, Log, check, disk};

const MAGIC: &[u8; 8] = b"gtarch01";
const MARKER: [u8; 4] = [0xa7, b'R', b'e', b'c'];
const HEAD: usize = 20;

/// A file beside the segments, there while the newest may hold bytes that no sync has covered. A failed sync makes
/// the system take for clean what it has not written, and a process that dies of that cannot tell the next one.
/// It need not be durable itself: when the machine goes down, what is read is what was written.
const GROWING: &str = "growing";

/// A segment that has grown to so many bytes is followed by the next.
pub(crate) const SEGMENT: u64 = 8 << 20;

/// How long the thread rests between two rounds.
const REST: Duration = Duration::from_secs(1);

/// How many records are copied at once, and how many at most after the store was told to end.
const CHUNK: usize = 256;
const LAST_ROUND: u64 = 20_000;

/// Returns the archive's folder of the ledger in `dir`.
pub(crate) fn folder(dir: &Path) -> PathBuf {
    dir.join("archive")
}

/// A record as it stands in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Framed {
    pub(crate) seq: Seq,
    pub(crate) bytes: Vec<u8>,
    /// Where its frame begins.
    pub(crate) at: u64,
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// All sound frames, in their order.
    pub(crate) frames: Vec<Framed>,
    /// What is wrong between them: the record that should stand there, and why it does not.
    pub(crate) broken: Vec<(Seq, String)>,
    /// Where the last sound frame ends.
    pub(crate) sound_to: u64,
    /// Where the first broken one begins.
    pub(crate) broken_at: Option<u64>,
    /// Bytes behind that which are no whole frame: an append that was cut short.
    pub(crate) torn: bool,
}

/// Returns the segments in `folder`, oldest first; none when there is no such folder.
pub(crate) fn segments(folder: &Path) -> io::Result<Vec<(Seq, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let first = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let (Some(first), true) = (first, path.extension().is_some_and(|end| end == "seg")) {
            found.push((Seq(first), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads the segment in `path`, whose first record is `first`, as far as anything of it is sound.
pub(crate) fn read_segment(path: &Path, first: Seq) -> io::Result<Segment> {
    let bytes = fs::read(path)?;
    let mut segment = Segment::default();
    let mut expected = first;
    let mut at = MAGIC.len().min(bytes.len());
    if !bytes.starts_with(MAGIC) {
        if bytes.len() < MAGIC.len() {
            segment.torn = true;
            return Ok(segment);
        }
        segment.broken_at = Some(0);
        segment.broken.push((first, "the head of the segment is broken".into()));
    }
    segment.sound_to = at as u64;
    while at < bytes.len() {
        if let Some(framed) = frame(&bytes[at..]) {
            let framed = Framed { at: at as u64, ..framed };
            at += HEAD + framed.bytes.len();
            segment.sound_to = at as u64;
            expected = framed.seq.next();
            segment.frames.push(framed);
            continue;
        }
        let broken_at = *segment.broken_at.get_or_insert(at as u64);
        let next = (at + 1..bytes.len()).find(|next| frame(&bytes[*next..]).is_some());
        let Some(next) = next else {
            segment.torn = !is_whole(&bytes[at..]);
            if segment.torn && broken_at == at as u64 {
                segment.broken_at = None;
            }
            if !segment.torn {
                segment.broken.push((expected, format!("record {expected} fails its checksum")));
            }
            break;
        };
        segment.broken.push((expected, format!("record {expected} fails its checksum")));
        at = next;
    }
    Ok(segment)
}

/// Whether `bytes` are as long as their own head says, or longer: then no append was cut short here.
fn is_whole(bytes: &[u8]) -> bool {
    let length = bytes.get(12..16).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
    length.is_some_and(|length| bytes.len() as u64 >= HEAD as u64 + u64::from(length))
}

fn frame(bytes: &[u8]) -> Option<Framed> {
    let rest = bytes.strip_prefix(&MARKER)?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let body = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (sum(seq, length, body) == u32::from_le_bytes(*crc)).then(|| Framed {
        seq: Seq(u64::from_le_bytes(*seq)),
        bytes: body.to_vec(),
        at: 0,
    })
}

/// Reads the frame that comes next in `file`, where one begins; none when what is there is no sound one.
pub(crate) fn next_frame(file: &mut impl Read) -> io::Result<Option<Framed>> {
    let mut bytes = vec![0; HEAD];
    match file.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    if !bytes.starts_with(&MARKER) {
        return Ok(None);
    }
    let length = bytes[12..16].try_into().map_or(0, u32::from_le_bytes);
    // As much as is there: a length that is broken must not ask for gigabytes at once.
    file.take(length.into()).read_to_end(&mut bytes)?;
    Ok(frame(&bytes))
}

/// Divides the segment in which the record `base` stands, so that it is the last of its segment.
///
/// What follows is there twice for a moment, in the new segment and in the old one, and what a kill leaves
/// of that is put right by [`mend`].
pub(crate) fn split(folder: &Path, base: Seq) -> io::Result<()> {
    let all = segments(folder)?;
    let Some((first, path)) = all.iter().rev().find(|(first, _)| *first <= base) else { return Ok(()) };
    let segment = read_segment(path, *first)?;
    let rest: Vec<&Framed> = segment.frames.iter().filter(|framed| framed.seq > base).collect();
    let Some(next) = rest.first() else { return Ok(()) };
    let mut bytes = MAGIC.to_vec();
    for framed in &rest {
        put(&mut bytes, framed.seq, &framed.bytes)?;
    }
    disk::replace(&folder.join(format!("{:020}.seg", next.seq.0)), &bytes)?;
    let old = OpenOptions::new().write(true).open(path)?;
    old.set_len(next.at)?;
    old.sync_all()
}

/// Cuts off what the last segment but one has in common with the last, after a division that was cut short.
fn mend(folder: &Path) -> io::Result<()> {
    let all = segments(folder)?;
    let [.., (first, path), (next, _)] = all.as_slice() else { return Ok(()) };
    let segment = read_segment(path, *first)?;
    match segment.frames.iter().find(|framed| framed.seq >= *next) {
        None => Ok(()),
        Some(twice) => {
            let old = OpenOptions::new().write(true).open(path)?;
            old.set_len(twice.at)?;
            old.sync_all()
        }
    }
}

fn sum(seq: &[u8; 8], length: &[u8; 4], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(seq);
    crc.update(length);
    crc.update(body);
    crc.finalize()
}

fn put(into: &mut Vec<u8>, seq: Seq, body: &[u8]) -> io::Result<()> {
    let number = seq.0.to_le_bytes();
    let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
    into.extend_from_slice(&MARKER);
    into.extend_from_slice(&number);
    into.extend_from_slice(&length);
    into.extend_from_slice(&sum(&number, &length, body).to_le_bytes());
    into.extend_from_slice(body);
    Ok(())
}

/// The end of the archive, where it grows.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    limit: u64,
    open: Option<(File, u64)>,
    last: Seq,
    synced: bool,
}

impl Writer {
    /// Begins a row of segments of its own in `folder`, which is there and holds none, behind the record
    /// `last`.
    pub(crate) fn begin(folder: &Path, last: Seq) -> Writer {
        Writer { folder: folder.to_owned(), limit: SEGMENT, open: None, last, synced: true }
    }

    /// Makes the rest of what was appended durable.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.open.map_or(Ok(()), |(file, _)| file.sync_all())
    }

    /// Finds the end of the archive in `folder`, cuts off what a crash has torn there, and says what else
    /// is wrong. An archive that knows other records than `log`, or later ones, is put aside.
    pub(crate) fn resume(folder: &Path, log: &dyn Log, limit: u64) -> io::Result<(Writer, Vec<String>)> {
        fs::create_dir_all(folder)?;
        // What is in it is worth nothing as long as a power cut can take its name.
        folder.parent().map_or(Ok(()), disk::sync_dir)?;
        let mut findings = Vec::new();
        let base = log.base();
        let mut writer = Writer { folder: folder.to_owned(), limit, open: None, last: base, synced: false };
        mend(folder)?;
        // What is up to the base is not written to again: nobody else has it.
        let last = segments(folder)?.pop().filter(|(first, _)| *first > base);
        let Some((first, path)) = last else { return Ok((writer, findings)) };
        let mut segment = read_segment(&path, first)?;
        if let Some(at) = segment.broken_at.filter(|at| *at >= MAGIC.len() as u64)
            && let Some((lost, _)) = segment.broken.first()
            && (lost.0..=log.head().0).all(|seq| check::raw(log, Seq(seq)).is_ok())
        {
            // A power cut leaves a torn frame before a sound one where neither was synced. The log has them.
            let file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(at)?;
            file.sync_all()?;
            segment = read_segment(&path, first)?;
        }
        writer.last = segment.frames.last().map_or(Seq(first.0.saturating_sub(1)), |framed| framed.seq);
        if let Some(last) = segment.frames.pop()
            && let Some(why) = disagreement(log, &last)
        {
            let aside = put_aside(folder, base)?;
            findings.push(format!("{why}; the archive was put aside as {}", aside.display()));
            writer.last = base;
            return Ok((writer, findings));
        }
        if segment.broken.is_empty() {
            let file = OpenOptions::new().append(true).open(&path)?;
            if segment.sound_to < MAGIC.len() as u64 {
                fs::remove_file(&path)?;
                return Ok((writer, findings));
            }
            file.set_len(segment.sound_to)?;
            writer.open = Some((file, segment.sound_to));
        } else if writer.last.next() == first {
            // Nothing in it is worth keeping, and its name is wanted again.
            fs::rename(&path, path.with_extension("broken"))?;
        }
        // A broken one is left as it is, for whoever looks for it; the next record begins a new one.
        Ok((writer, findings))
    }

    /// Copies what `log` has and the archive has not, up to `limit` records, and syncs it.
    pub(crate) fn catch_up(&mut self, log: &dyn Log, limit: u64, go_on: impl Fn() -> bool) -> io::Result<()> {
        let until = Seq(log.head().0.min(self.last.0.saturating_add(limit)));
        // What a killed process has left here was perhaps never synced.
        let mut wrote = !std::mem::replace(&mut self.synced, true);
        while self.last < until && go_on() {
            let left = usize::try_from(until.0 - self.last.0).unwrap_or(CHUNK).min(CHUNK);
            let rows = check::rows(log, self.last.next(), left as u64).map_err(io::Error::other)?;
            if rows.is_empty() {
                break;
            }
            self.append(&rows)?;
            wrote = true;
        }
        match &self.open {
            Some((file, _)) if wrote => {
                faults::point("ledger.archive.sync")?;
                file.sync_data()
            }
            _ => Ok(()),
        }
    }

    /// Appends `rows`, the bytes of the records that come next.
    pub(crate) fn append(&mut self, rows: &[Vec<u8>]) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|(_, length)| *length >= self.limit)
            && let Some((full, _)) = self.open.take()
        {
            full.sync_all()?;
        }
        let (mut file, length) = match self.open.take() {
            Some(open) => open,
            None => {
                let path = self.folder.join(format!("{:020}.seg", self.last.next().0));
                let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
                file.write_all(MAGIC)?;
                file.sync_all()?;
                disk::sync_dir(&self.folder)?;
                (file, MAGIC.len() as u64)
            }
        };
        let mut frames = Vec::new();
        let mut last = self.last;
        for bytes in rows {
            last = last.next();
            put(&mut frames, last, bytes)?;
        }
        // After an error the end is looked for anew: `open` is gone with it.
        faults::point("ledger.archive.write")?;
        file.write_all(&frames)?;
        faults::point("ledger.archive.written")?;
        self.open = Some((file, length + frames.len() as u64));
        self.last = last;
        Ok(())
    }
}

/// Why `log` does not hold the record that the archive ends with, if it does not.
fn disagreement(log: &dyn Log, last: &Framed) -> Option<String> {
    if last.seq > log.head() {
        let first = log.head().next();
        return Some(format!(
            "records {first} to {} are in the archive and not in the log any more",
            last.seq
        ));
    }
    match check::raw(log, last.seq) {
        Ok(bytes) if bytes != last.bytes => Some(format!("the archive knows another record {}", last.seq)),
        // One that cannot be read says nothing about the archive.
        _ => None,
    }
}

/// Returns the records of the archive in `folder` that continue the record `head`, whose hash is `hash`.
pub(crate) fn rows_after(folder: &Path, head: Seq, hash: Hash) -> io::Result<Vec<Row>> {
    let all = segments(folder)?;
    let mut rows = Vec::new();
    let (mut last, mut hash) = (head, hash);
    for (n, (first, path)) in all.iter().enumerate() {
        // Everything in it is older.
        if all.get(n + 1).is_some_and(|(next, _)| *next <= last.next()) {
            continue;
        }
        let mut records = Vec::new();
        let from = last.next();
        for framed in read_segment(path, *first)?.frames {
            if framed.seq < last.next() {
                continue;
            }
            match record::decode(framed.seq, &framed.bytes) {
                Ok(sealed) if framed.seq == last.next() && sealed.prev == hash => {
                    (last, hash) = (framed.seq, sealed.hash);
                    records.push(framed.bytes);
                }
                _ => break,
            }
        }
        if records.is_empty() {
            break;
        }
        rows.push(Row { first: from, records });
    }
    Ok(rows)
}

/// Returns the records from `from` to `until` that the archive in `folder` has, in bytes.
pub(crate) fn rows_between(folder: &Path, from: Seq, until: Seq) -> io::Result<BTreeMap<Seq, Vec<u8>>> {
    let all = segments(folder)?;
    let mut found = BTreeMap::new();
    for (n, (first, path)) in all.iter().enumerate() {
        if *first > until || all.get(n + 1).is_some_and(|(next, _)| *next <= from) {
            continue;
        }
        let frames = read_segment(path, *first)?.frames;
        found.extend(
            frames
                .into_iter()
                .filter(|framed| framed.seq >= from && framed.seq <= until)
                .map(|framed| (framed.seq, framed.bytes)),
        );
    }
    Ok(found)
}

/// Moves what is after `base` to a folder of its own.
fn put_aside(folder: &Path, base: Seq) -> io::Result<PathBuf> {
    let mut n = 1;
    let mut aside = folder.with_extension("1");
    while aside.exists() {
        n += 1;
        aside = folder.with_extension(n.to_string());
    }
    fs::create_dir(&aside)?;
    // From the end, so that what is left has no gap wherever this is cut short.
    for (_, path) in segments(folder)?.into_iter().rev().filter(|(first, _)| *first > base) {
        fs::rename(&path, aside.join(path.file_name().unwrap_or_default()))?;
    }
    disk::sync_dir(&aside)?;
    disk::sync_dir(folder)?;
    Ok(aside)
}

/// Looks at every segment of the archive in `folder` and compares it with `log`; returns the newest record
/// that is sound, and what is wrong.
pub(crate) fn verify(folder: &Path, log: &dyn Log) -> (Seq, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut newest = Seq(0);
    let all = match segments(folder) {
        Ok(all) => all,
        Err(error) => {
            return (newest, vec![Finding::new("archive", None, format!("cannot be read: {error}"))]);
        }
    };
    let count = all.len();
    for (nth, (first, path)) in all.into_iter().enumerate() {
        let place = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let place = format!("archive/{place}");
        let segment = match read_segment(&path, first) {
            Ok(segment) => segment,
            Err(error) => {
                findings.push(Finding::new(place, None, format!("cannot be read: {error}")));
                continue;
            }
        };
        let at = |what: &str, seq| Finding::new(place.as_str(), seq, what);
        if newest.next() != first {
            findings.push(at(
                &format!("it begins with record {first} and {} was expected", newest.next()),
                first,
            ));
        }
        for (seq, why) in &segment.broken {
            findings.push(at(why, *seq));
        }
        // The last one may be growing just now.
        if segment.torn && nth + 1 < count {
            findings.push(at("its end is torn", newest.next()));
        }
        newest = newest.max(Seq(first.0.saturating_sub(1)));
        for framed in &segment.frames {
            newest = framed.seq;
            if let Err(error) = record::decode(framed.seq, &framed.bytes) {
                findings.push(at(&error.to_string(), framed.seq));
            } else if framed.seq > log.base()
                && check::raw(log, framed.seq).is_ok_and(|bytes| bytes != framed.bytes)
            {
                findings.push(at("it is not the record that the log has", framed.seq));
            }
        }
    }
    (newest, findings)
}

/// The thread that writes the archive, and what it says.
#[derive(Debug)]
pub(crate) struct Archive {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    folder: PathBuf,
    floor: u64,
    end: Mutex<End>,
}

/// Where the archive grows: the thread does that, and whoever cannot wait for it.
#[derive(Debug, Default)]
struct End {
    writer: Option<Writer>,
    /// Whether the newest segment must be written anew: after a failed sync the system takes for clean what
    /// it has not written.
    doubtful: bool,
}

#[derive(Debug, Default)]
struct State {
    news: bool,
    ending: bool,
    archived: Seq,
    trouble: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies up to `limit` records.
    fn round(&self, log: &dyn Log, limit: u64, go_on: impl Fn() -> bool) -> io::Result<Seq> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        // Only what went well to its end is gone on from; not what a panic has left either.
        let mut growing = std::mem::replace(&mut *end, End { writer: None, doubtful: true });
        let tried = round(&self.folder, log, self.floor, &mut growing, limit, go_on);
        if tried.is_ok() {
            *end = growing;
        }
        drop(end);
        let mut state = self.lock();
        match &tried {
            Ok(last) => {
                state.archived = *last;
                state.trouble = None;
            }
            Err(error) => {
                let why = error.to_string();
                if state.trouble.as_ref() != Some(&why) {
                    tracing::warn!(%error, "the ledger's archive does not grow");
                }
                state.trouble = Some(why);
                state.news = true;
            }
        }
        tried
    }
}

impl Archive {
    /// Starts copying `log` into `folder`, from where that ends; returns also what is wrong with it.
    ///
    /// Never an error: the log is the truth, and what keeps the archive back is said by [`Archive::trouble`].
    /// Nothing is written while less than `floor` bytes are free.
    pub(crate) fn start(folder: &Path, log: Arc<dyn Log>, floor: u64) -> (Archive, Vec<String>) {
        // An earlier process has not ended well: what it has left may be safe or not.
        let anew = if folder.join(GROWING).exists() { write_anew(folder) } else { Ok(()) };
        let (writer, findings) = match anew.and_then(|()| Writer::resume(folder, &*log, SEGMENT)) {
            Ok((writer, findings)) => (Some(writer), findings),
            Err(error) => (None, vec![format!("the archive cannot be continued: {error}")]),
        };
        let state = State {
            news: true,
            ending: false,
            // What a killed process has left may not be safe before the next sync.
            archived: Seq(0),
            trouble: findings.last().filter(|_| writer.is_none()).cloned(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            folder: folder.to_owned(),
            floor,
            end: Mutex::new(End { doubtful: writer.is_none(), writer }),
        });
        let theirs = Arc::clone(&shared);
        log.copied_by({
            let (shared, folder) = (Arc::clone(&shared), folder.to_owned());
            Box::new(move |log, until| {
                if shared.lock().archived >= until {
                    return Ok(());
                }
                let copied = shared.round(log, u64::MAX, || true);
                copied.map(drop).map_err(|error| LedgerError::io(&folder, "copy into the archive", &error))
            })
        });
        let started =
            thread::Builder::new().name("ledger-archive".into()).spawn(move || keep(&*log, &theirs));
        let thread = started.map_err(|error| tracing::warn!(%error, "no thread for the archive")).ok();
        (Archive { shared, thread }, findings)
    }

    /// There are new records.
    pub(crate) fn news(&self) {
        self.shared.lock().news = true;
        self.shared.changed.notify_one();
    }

    /// The newest record that is in the archive for good.
    pub(crate) fn archived(&self) -> Seq {
        self.shared.lock().archived
    }

    /// What keeps the archive back at present.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.shared.lock().trouble.clone()
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.changed.notify_one();
        // The log is closed when this returns: whoever opens it next must not be refused.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let end = self.shared.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.writer.as_ref().is_some_and(|writer| writer.synced) && !end.doubtful {
            // One that stays costs the next opening a copy of the newest segment.
            let _ = fs::remove_file(self.shared.folder.join(GROWING));
        }
    }
}

fn keep(log: &dyn Log, shared: &Shared) {
    loop {
        let mut state = shared.lock();
        while !state.news && !state.ending {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let ending = state.ending;
        state.news = false;
        drop(state);
        // A last round has an end, however far the archive is behind; the next opening goes on with it.
        let limit = if ending { LAST_ROUND } else { u64::MAX };
        let go_on = || ending || !shared.lock().ending;
        // Its error is kept where it can be asked for.
        let _ = shared.round(log, limit, go_on);
        if ending {
            return;
        }
        let rest = shared.changed.wait_timeout_while(shared.lock(), REST, |state| !state.ending);
        drop(rest.unwrap_or_else(PoisonError::into_inner));
    }
}

fn round(
    folder: &Path,
    log: &dyn Log,
    floor: u64,
    end: &mut End,
    limit: u64,
    go_on: impl Fn() -> bool,
) -> io::Result<Seq> {
    if disk::free(folder.parent().unwrap_or(folder))? < floor {
        return Err(io::Error::from(io::ErrorKind::StorageFull));
    }
    let writer = match &mut end.writer {
        Some(writer) => writer,
        vacant @ None => {
            if end.doubtful {
                write_anew(folder)?;
                end.doubtful = false;
            }
            let (resumed, findings) = Writer::resume(folder, log, SEGMENT)?;
            for finding in findings {
                tracing::error!(%finding, "the ledger's archive");
            }
            vacant.insert(resumed)
        }
    };
    if writer.last < log.head() {
        File::create(folder.join(GROWING))?;
    }
    writer.catch_up(log, limit, go_on)?;
    Ok(writer.last)
}

/// Writes the newest segment in `folder` into a new file, whose bytes nobody takes for clean.
fn write_anew(folder: &Path) -> io::Result<()> {
    match segments(folder)?.pop() {
        Some((_, path)) => disk::replace(&path, &fs::read(&path)?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
