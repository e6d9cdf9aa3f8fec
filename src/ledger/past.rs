//! Records that the store does not hold any more: those up to a *base*, read from the archive's segments.
//!
//! The base stands in the store itself, with its hash; so whoever opens the store knows where the rest is,
//! and opening needs none of it. Segments up to the base are never written to again. Each is looked through
//! when it is first asked for, and of that only the place of every 64th record is kept.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use model::ids::Seq;

use crate::record::{GENESIS, Hash};
use crate::{LedgerError, archive};

/// Records between two places that are kept.
const STRIDE: u64 = 64;

/// The newest record that the store does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) seq: Seq,
    pub(crate) hash: Hash,
}

impl Base {
    /// Of a store that holds everything.
    pub(crate) const NONE: Base = Base { seq: Seq(0), hash: GENESIS };

    pub(crate) fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.seq.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.hash);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Base> {
        let (seq, hash) = bytes.split_first_chunk::<8>()?;
        Some(Base { seq: Seq(u64::from_be_bytes(*seq)), hash: hash.try_into().ok()? })
    }
}

/// The records up to a base.
#[derive(Debug)]
pub(crate) struct Past {
    folder: PathBuf,
    pub(crate) base: Base,
    segments: Mutex<Option<Vec<Segment>>>,
}

#[derive(Debug)]
struct Segment {
    first: Seq,
    path: PathBuf,
    /// Every so many records, and after each gap: the number and where its frame begins. None until the
    /// segment was asked for.
    places: Option<Vec<(Seq, u64)>>,
}

impl Past {
    /// The records up to `base`, in the archive in `folder`.
    pub(crate) fn new(folder: &Path, base: Base) -> Past {
        Past { folder: folder.to_owned(), base, segments: Mutex::new(None) }
    }

    /// The bytes of the records from `from` up to and including `until`, which is no later than the base.
    pub(crate) fn read(&self, from: Seq, until: Seq) -> Result<Vec<Vec<u8>>, LedgerError> {
        let mut rows = Vec::new();
        let mut next = from;
        while next <= until {
            let (path, at, end) = self.find(next)?;
            let before = next;
            self.row(&path, at, &mut next, until.min(end), &mut rows)?;
            if next == before {
                return Err(self.missing(next));
            }
        }
        Ok(rows)
    }

    fn missing(&self, seq: Seq) -> LedgerError {
        LedgerError::Corrupt {
            dir: self.folder.clone(),
            what: format!("record {seq} is missing or damaged, and only the archive had it"),
        }
    }

    /// The segment that should hold `seq`, a place in it at or before that record, and the last record that
    /// it may hold.
    fn find(&self, seq: Seq) -> Result<(PathBuf, u64, Seq), LedgerError> {
        let io = |error: std::io::Error| LedgerError::io(&self.folder, "read the ledger's archive", &error);
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if segments.is_none() {
            let found = archive::segments(&self.folder).map_err(io)?.into_iter();
            let found = found.filter(|(first, _)| *first <= self.base.seq);
            *segments = Some(found.map(|(first, path)| Segment { first, path, places: None }).collect());
        }
        let segments = segments.get_or_insert_default();
        let n = segments.partition_point(|segment| segment.first <= seq);
        let end = segments.get(n).map_or(self.base.seq, |next| Seq(next.first.0 - 1));
        let segment = n.checked_sub(1).and_then(|n| segments.get_mut(n)).ok_or_else(|| self.missing(seq))?;
        if segment.places.is_none() {
            let whole = archive::read_segment(&segment.path, segment.first).map_err(io)?;
            let mut places = Vec::new();
            let mut before = None;
            for framed in &whole.frames {
                if before != Some(framed.seq.0.saturating_sub(1)) || framed.seq.0 % STRIDE == 0 {
                    places.push((framed.seq, framed.at));
                }
                before = Some(framed.seq.0);
            }
            segment.places = Some(places);
        }
        let places = segment.places.as_deref().unwrap_or_default();
        let place = places.partition_point(|(first, _)| *first <= seq).checked_sub(1);
        let (_, at) = place.and_then(|n| places.get(n)).ok_or_else(|| self.missing(seq))?;
        Ok((segment.path.clone(), *at, end))
    }

    /// Reads on in a segment from the place `at`, and takes the records from `next` up to `until`.
    fn row(
        &self,
        path: &Path,
        at: u64,
        next: &mut Seq,
        until: Seq,
        rows: &mut Vec<Vec<u8>>,
    ) -> Result<(), LedgerError> {
        let io = |error: std::io::Error| LedgerError::io(&self.folder, "read the ledger's archive", &error);
        let mut file = File::open(path).map_err(io)?;
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        let mut file = BufReader::with_capacity(64 << 10, file);
        while *next <= until {
            let Some(framed) = archive::next_frame(&mut file).map_err(io)? else { return Ok(()) };
            if framed.seq == *next {
                rows.push(framed.bytes);
                *next = next.next();
            } else if framed.seq > *next {
                return Ok(());
            }
        }
        Ok(())
    }
}
