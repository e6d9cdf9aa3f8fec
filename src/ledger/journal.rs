//! What is acknowledged before sled has it for good.
//!
//! Making sled's files durable after every batch means waiting for the disk twice, and a file that grows makes
//! each wait longer. So a batch goes first into this file, whose blocks are all there already: one write, one
//! sync, as quick as the disk can be. Sled has the same records in memory at once, and gets them on disk
//! about once a second or when half of this file is full, whichever comes first. What it had not when the
//! power went is put into it again from here. A batch that is larger than a half has a file of its own.
//!
//! ```text
//!   file   two halves; one is written to while sled takes over what is in the other
//!   half   frames, one behind the other, from its beginning
//!   frame  marker (4) ++ turn (8) ++ first number (8) ++ records (4) ++ length (4) ++ CRC-32 (4) ++ bytes
//!   bytes  each record: length (4) ++ record
//! ```
//!
//! A half belongs to one turn: the first frame in it says which. Frames of turns before it lie behind its
//! last one, and are no part of it. A half is written over only when sled has all that it holds for good, and
//! the archive as well: sled writes over its own old pages before the new ones are safe, so a power cut can
//! leave a sled that does not open at all. Journal and archive together have everything then.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use model::ids::Seq;

use crate::disk;

/// The file's name within the log's folder.
pub(crate) const NAME: &str = "journal";

/// The file for the newest batch that is larger than a half.
const APART: &str = "journal.large";

/// All of its files.
pub(crate) const NAMES: [&str; 2] = [NAME, APART];

/// Bytes of one half.
const HALF: usize = 2 << 20;
const LENGTH: u64 = 2 * HALF as u64;

const MARKER: [u8; 4] = [0xa7, b'J', b'r', b'n'];
const HEAD: usize = 32;

/// Records as they stand in the log, the first of which has the number `first`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) first: Seq,
    pub(crate) records: Vec<Vec<u8>>,
}

impl Row {
    /// The number of its last record.
    pub(crate) fn last(&self) -> Seq {
        Seq(self.first.0 + self.records.len() as u64 - 1)
    }
}

/// One half of the file.
#[derive(Debug, Clone, Copy)]
struct Half {
    /// Where the next frame goes.
    end: usize,
    /// The newest record in it.
    last: Seq,
}

/// Where a batch can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Into the half that is being written.
    Here,
    /// Into the other half, once sled has everything up to this record for good.
    After(Seq),
    /// Into a file of its own, since it is larger than a half, once sled has everything up to this record
    /// for good.
    Apart(Seq),
}

/// What a journal must not be like.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// It is made as a whole, so somebody has cut it, or the disk has lost a part.
    #[error("the journal was cut: {length} of its {LENGTH} bytes are there")]
    Cut {
        /// Its bytes.
        length: u64,
    },
    /// The system did not read or write it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Makes an empty journal, whole or not at all.
fn make(dir: &Path, path: &Path) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let file = File::create(&fresh)?;
    // Real blocks with something in them: a block that is only reserved is made at its first sync.
    zeros(&file)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    disk::sync_dir(dir)
}

fn zeros(file: &File) -> io::Result<()> {
    let zeros = vec![0; 64 << 10];
    for at in (0..LENGTH).step_by(zeros.len()) {
        file.write_all_at(&zeros, at)?;
    }
    Ok(())
}

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    halves: [Half; 2],
    active: usize,
    turn: u64,
    /// Where the last frame is.
    newest: Option<Place>,
    /// The newest record in the file for large batches.
    apart: Seq,
    dir: PathBuf,
    frame: Vec<u8>,
}

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the journal, from this byte on.
    At(usize),
    /// In the file for large batches.
    Apart,
}

impl Journal {
    /// Opens the journal in the folder `dir`, or makes one, and returns what it holds, oldest first.
    ///
    /// A frame that is torn at the end was never acknowledged. Rows that lie behind a broken one are returned,
    /// too: what is missing between them shows as a gap.
    pub(crate) fn open(dir: &Path) -> Result<(Journal, Vec<Row>), Broken> {
        let path = dir.join(NAME);
        if !path.exists() {
            make(dir, &path)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        if length != LENGTH {
            return Err(Broken::Cut { length });
        }
        let turns = turns(&file)?;
        let newest = usize::from(turns[1].0 > turns[0].0);
        let turn = turns[newest].0;
        let mut halves = [Half { end: 0, last: Seq(0) }; 2];
        for (half, (_, rows)) in halves.iter_mut().zip(&turns) {
            half.last = rows.last().map_or(Seq(0), Row::last);
            // Only an empty half is written to, and what is in these two is no longer needed soon.
            half.end = if rows.is_empty() { 0 } else { HALF };
        }
        let large = apart(dir)?;
        let apart = large.as_ref().map_or(Seq(0), Row::last);
        let (dir, frame) = (dir.to_owned(), Vec::new());
        let rows = in_order(turns, large);
        Ok((Journal { file, halves, active: newest, turn, newest: None, apart, dir, frame }, rows))
    }

    /// Where a batch of `length` bytes in `records` records can go.
    pub(crate) fn room(&self, records: usize, length: usize) -> Room {
        let wanted = HEAD + records * 4 + length;
        if wanted > HALF {
            return Room::Apart(self.apart);
        }
        if self.turn > 0 && self.halves[self.active].end + wanted <= HALF {
            return Room::Here;
        }
        Room::After(self.halves[1 - self.active].last)
    }

    /// Goes on in the other half, of which nothing is needed any more.
    pub(crate) fn turn(&mut self) {
        self.active = 1 - self.active;
        self.turn += 1;
        self.halves[self.active] = Half { end: 0, last: Seq(0) };
    }

    fn encode(&mut self, first: Seq, records: &[Vec<u8>]) -> io::Result<()> {
        self.frame.clear();
        self.frame.extend_from_slice(&MARKER);
        self.frame.extend_from_slice(&self.turn.to_le_bytes());
        self.frame.extend_from_slice(&first.0.to_le_bytes());
        self.frame.extend_from_slice(&size(records.len())?);
        self.frame.extend_from_slice(&[0; 8]);
        for record in records {
            self.frame.extend_from_slice(&size(record.len())?);
            self.frame.extend_from_slice(record);
        }
        let length = size(self.frame.len() - HEAD)?;
        self.frame[24..28].copy_from_slice(&length);
        let crc = sum(&self.frame).to_le_bytes();
        self.frame[28..32].copy_from_slice(&crc);
        Ok(())
    }

    /// Writes a batch, for which there is room here, and returns when it would survive a power cut.
    pub(crate) fn append(&mut self, first: Seq, records: &[Vec<u8>]) -> io::Result<()> {
        self.encode(first, records)?;
        let half = &mut self.halves[self.active];
        let at = self.active * HALF + half.end;
        self.newest = Some(Place::At(at));
        faults::point("ledger.journal.write")?;
        self.file.write_all_at(&self.frame, at as u64)?;
        faults::point("ledger.journal.sync")?;
        self.file.sync_data()?;
        faults::point("ledger.journal.synced")?;
        half.end += self.frame.len();
        half.last = Seq(first.0 + records.len() as u64 - 1);
        Ok(())
    }

    /// Writes a large batch into a file of its own, in which nothing is needed any more.
    pub(crate) fn append_apart(&mut self, first: Seq, records: &[Vec<u8>]) -> io::Result<()> {
        self.turn = self.turn.max(1);
        self.encode(first, records)?;
        self.newest = Some(Place::Apart);
        faults::point("ledger.journal.large")?;
        disk::replace(&self.dir.join(APART), &self.frame)?;
        faults::point("ledger.journal.large.done")?;
        self.apart = Seq(first.0 + records.len() as u64 - 1);
        self.frame = Vec::new();
        Ok(())
    }

    /// Takes back the last batch: nobody was told that it has happened.
    pub(crate) fn take_back(&mut self, head: Seq) -> io::Result<()> {
        let at = match self.newest {
            None => return Ok(()),
            Some(Place::At(at)) => at,
            Some(Place::Apart) => {
                disk::give_up(&self.dir.join(APART))?;
                disk::sync_dir(&self.dir)?;
                (self.apart, self.newest) = (Seq(0), None);
                return Ok(());
            }
        };
        faults::point("ledger.journal.take_back")?;
        self.file.write_all_at(&[0; HEAD], at as u64)?;
        self.file.sync_data()?;
        let half = &mut self.halves[self.active];
        half.end = at - self.active * HALF;
        half.last = half.last.min(head);
        self.newest = None;
        Ok(())
    }

    /// Forgets everything: sled has all of it for good, or nobody was told of it.
    pub(crate) fn wipe(&mut self) -> io::Result<()> {
        faults::point("ledger.journal.wipe")?;
        // All of it: behind a head that is gone lies what could not be taken back, and would be found there.
        zeros(&self.file)?;
        self.file.sync_data()?;
        disk::give_up(&self.dir.join(APART))?;
        disk::sync_dir(&self.dir)?;
        self.halves = [Half { end: HALF, last: Seq(0) }; 2];
        (self.apart, self.newest) = (Seq(0), None);
        Ok(())
    }
}

/// Returns what the journal in the folder `dir` holds, oldest first, and changes nothing.
pub(crate) fn read(dir: &Path) -> io::Result<Vec<Row>> {
    match File::open(dir.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => Ok(in_order(turns(&other?)?, apart(dir)?)),
    }
}

/// What each half holds, and the turn that it belongs to; a file that is cut short has less.
fn turns(file: &File) -> io::Result<[(u64, Vec<Row>); 2]> {
    let mut bytes = vec![0; HALF];
    let mut half = |half: usize| -> io::Result<(u64, Vec<Row>)> {
        let mut have = 0;
        while have < HALF {
            match file.read_at(&mut bytes[have..], (half * HALF + have) as u64)? {
                0 => break,
                n => have += n,
            }
        }
        Ok(frames(&bytes[..have]))
    };
    Ok([half(0)?, half(1)?])
}

/// The large batch in a file of its own, if there is one.
fn apart(dir: &Path) -> io::Result<Option<Row>> {
    match fs::read(dir.join(APART)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => Ok(frame(&other?, 0).map(|(_, _, row)| row)),
    }
}

/// Whether the journal in the folder `dir` is there, and of the length that it was made with.
pub(crate) fn is_whole(dir: &Path) -> bool {
    fs::metadata(dir.join(NAME)).is_ok_and(|meta| meta.len() == LENGTH)
}

fn in_order(turns: [(u64, Vec<Row>); 2], apart: Option<Row>) -> Vec<Row> {
    let mut rows: Vec<Row> = turns.into_iter().flat_map(|(_, rows)| rows).chain(apart).collect();
    rows.sort_by_key(|row| row.first);
    rows
}

fn size(n: usize) -> io::Result<[u8; 4]> {
    Ok(u32::try_from(n).map_err(io::Error::other)?.to_le_bytes())
}

/// The checksum of a frame: of all but itself.
fn sum(frame: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&frame[..28]);
    crc.update(&frame[HEAD..]);
    crc.finalize()
}

/// The turn that a half belongs to, 0 for none, and what it holds.
fn frames(half: &[u8]) -> (u64, Vec<Row>) {
    let (mut at, mut turn, mut rows) = (0, 0, Vec::<Row>::new());
    while let Some((from, (of, length, row))) = next_frame(&half[at..], turn) {
        if rows.last().is_some_and(|before| before.last() >= row.first) {
            break;
        }
        turn = of;
        at += from + length;
        rows.push(row);
    }
    (turn, rows)
}

/// The next frame of `turn` (0 for any) in `bytes`, and where it begins: at once, but for broken ones.
fn next_frame(bytes: &[u8], turn: u64) -> Option<(usize, (u64, usize, Row))> {
    let mut from = 0;
    loop {
        if let Some(found) = frame(&bytes[from..], turn) {
            return Some((from, found));
        }
        from += 1 + next_marker(bytes.get(from + 1..)?)?;
    }
}

fn next_marker(bytes: &[u8]) -> Option<usize> {
    const EMPTY: [u8; 4096] = [0; 4096];
    let mut from = 0;
    // Most of a journal was never written to.
    while bytes[from..].starts_with(&EMPTY) {
        from += EMPTY.len();
    }
    bytes[from..].windows(MARKER.len()).position(|window| window == MARKER).map(|at| from + at)
}

/// The frame of `turn` (0 for any) that `bytes` begin with: its turn, its length and what it holds.
fn frame(bytes: &[u8], wanted: u64) -> Option<(u64, usize, Row)> {
    let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let short = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let small = |at: usize| short(at).and_then(|n| usize::try_from(n).ok());
    if !bytes.starts_with(&MARKER) {
        return None;
    }
    let (turn, first, count, length) = (number(4)?, number(12)?, small(20)?, small(24)?);
    if turn == 0 || count == 0 || (wanted != 0 && turn != wanted) {
        return None;
    }
    let whole = bytes.get(..HEAD.checked_add(length)?)?;
    if short(28)? != sum(whole) {
        return None;
    }
    let mut records = Vec::new();
    let mut rest = &whole[HEAD..];
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        records.push(more.get(..length)?.to_vec());
        rest = &more[length..];
    }
    (records.len() == count).then_some((turn, whole.len(), Row { first: Seq(first), records }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first: u64, n: u64) -> Row {
        let records = (first..first + n).map(|n| format!("record {n}").repeat(9).into_bytes()).collect();
        Row { first: Seq(first), records }
    }

    /// Writes as the log does, sled being as quick as one could wish.
    fn write(journal: &mut Journal, row: &Row) {
        let length = row.records.iter().map(Vec::len).sum();
        match journal.room(row.records.len(), length) {
            Room::Here => {}
            Room::After(_) => journal.turn(),
            Room::Apart(_) => return journal.append_apart(row.first, &row.records).unwrap(),
        }
        journal.append(row.first, &row.records).unwrap();
    }

    #[test]
    fn what_was_written_is_found_again_in_its_order_over_many_turns() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, rows) = Journal::open(dir.path()).unwrap();
        assert!(rows.is_empty());
        let mut next = 1;
        for n in 0..300_u64 {
            let row = batch(next, 1 + n % 700);
            write(&mut journal, &row);
            next = row.last().0 + 1;
            if n % 37 == 0 {
                let rows;
                (journal, rows) = Journal::open(dir.path()).unwrap();
                assert_eq!(rows.last(), Some(&row));
                assert!(rows.windows(2).all(|pair| pair[0].last().next() == pair[1].first), "no gap");
            }
        }
        assert!(journal.turn > 2, "several turns: {}", journal.turn);
        assert_eq!(journal.file.metadata().unwrap().len(), 2 * HALF as u64);
    }

    #[test]
    fn a_broken_frame_is_no_part_and_those_behind_it_are() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        let all = [batch(1, 3), batch(4, 2), batch(6, 1)];
        all.iter().for_each(|row| write(&mut journal, row));
        let Some(Place::At(at)) = journal.newest else { panic!("{journal:?}") };
        let at = at as u64;
        let mut byte = [0];
        let all_but = |n: usize| [&all[..n], &all[n + 1..]].concat();
        let first = (journal.active * HALF) as u64;
        for (at, without) in [(at, all_but(2)), (first, all_but(0))] {
            for offset in [0, 4, 12, 20, 24, 28, 33, 60] {
                journal.file.read_exact_at(&mut byte, at + offset).unwrap();
                journal.file.write_all_at(&[byte[0] ^ 1], at + offset).unwrap();
                assert_eq!(Journal::open(dir.path()).unwrap().1, without, "byte {offset}");
                journal.file.write_all_at(&byte, at + offset).unwrap();
            }
        }
        assert_eq!(Journal::open(dir.path()).unwrap().1, all);
    }

    #[test]
    fn a_batch_that_is_taken_back_is_not_there_and_its_place_is_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        write(&mut journal, &batch(1, 3));
        write(&mut journal, &batch(4, 2));
        journal.take_back(Seq(3)).unwrap();
        assert_eq!(Journal::open(dir.path()).unwrap().1, [batch(1, 3)]);
        write(&mut journal, &batch(4, 1));
        assert_eq!(Journal::open(dir.path()).unwrap().1, [batch(1, 3), batch(4, 1)]);
    }

    #[test]
    fn what_could_not_be_taken_back_is_gone_when_all_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        write(&mut journal, &batch(1, 3));
        write(&mut journal, &batch(4, 2));
        journal.append_apart(Seq(6), &batch(6, 1).records).unwrap();
        journal.wipe().unwrap();
        assert!(Journal::open(dir.path()).unwrap().1.is_empty());
        write(&mut journal, &batch(4, 1));
        assert_eq!(Journal::open(dir.path()).unwrap().1, [batch(4, 1)]);
    }

    #[test]
    fn there_is_room_until_a_half_is_full_and_none_for_what_is_larger() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        assert_eq!(journal.room(1, HALF), Room::Apart(Seq(0)));
        assert_eq!(journal.room(1, 10), Room::After(Seq(0)), "a new turn for a new process");
        journal.turn();
        journal.append(Seq(1), &[vec![7; HALF / 2]]).unwrap();
        assert_eq!(journal.room(1, HALF / 2), Room::After(Seq(0)));
        assert_eq!(journal.room(1, HALF / 4), Room::Here);
        journal.turn();
        journal.append(Seq(2), &[vec![7; HALF / 2]]).unwrap();
        assert_eq!(journal.room(1, HALF / 2), Room::After(Seq(1)));
    }

    #[test]
    fn a_journal_that_was_cut_is_refused_and_can_be_read_as_far_as_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        write(&mut journal, &batch(1, 3));
        journal.file.set_len(HALF as u64 + 5_000).unwrap();
        let error = Journal::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("was cut"), "{error}");
        // The first turn is that of the second half, which begins before the cut.
        assert_eq!(read(dir.path()).unwrap(), [batch(1, 3)]);
    }
}
