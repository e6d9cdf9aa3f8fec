//! What the disk does by itself: one block written and synced, again and again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 4096;

/// A file all of whose blocks are there already, so that a sync is of data alone.
#[derive(Debug)]
pub(crate) struct Raw {
    file: File,
    next: u64,
}

impl Raw {
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        let path = dir.join("raw");
        std::fs::write(&path, vec![1; BLOCK * BLOCKS as usize])?;
        let file = File::options().write(true).open(path)?;
        file.sync_all()?;
        Ok(Raw { file, next: 0 })
    }

    /// How long each of the syncs took that `span` has room for.
    pub(crate) fn syncs(&mut self, span: Duration) -> io::Result<Vec<Duration>> {
        let block = [2; BLOCK];
        let started = Instant::now();
        let mut took = Vec::new();
        while started.elapsed() < span {
            let from = Instant::now();
            self.file.write_all_at(&block, self.next % BLOCKS * BLOCK as u64)?;
            self.file.sync_data()?;
            took.push(from.elapsed());
            self.next += 1;
        }
        Ok(took)
    }
}
