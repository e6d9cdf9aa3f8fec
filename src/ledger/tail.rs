//! What happens, as lines of JSON in a file, for `tail -f`, `jq` and people.
//!
//! A copy for reading: nothing is ever restored from it, so it is not synced. Each record stands in
//! it once, in order, also across restarts: the file itself says how far it has come.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use model::event::Record;
use model::ids::Seq;
use serde::Deserialize;

/// How much of the end is read at once while looking for the last line.
const BLOCK: u64 = 64 * 1024;

/// Writes records to the end of a feed file.
#[derive(Debug)]
pub struct FeedWriter {
    path: PathBuf,
    file: File,
    last: Seq,
}

#[derive(Deserialize)]
struct Numbered {
    seq: Seq,
}

impl FeedWriter {
    /// Opens the feed in `path`, or starts one, and its folder; `head` is the newest record there is.
    ///
    /// A line that was torn by a crash is cut off. A feed that is ahead of `head` belongs to another
    /// ledger, or to one that was set back: it is put aside as `….old` and begun anew.
    pub fn open(path: &Path, head: Seq) -> io::Result<FeedWriter> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut feed = Self { path: path.to_owned(), file: open(path)?, last: Seq(0) };
        feed.last = cut_to_last_line(&mut feed.file)?;
        if feed.last > head {
            let mut aside = path.as_os_str().to_owned();
            aside.push(".old");
            fs::rename(path, aside)?;
            feed.file = open(path)?;
            feed.last = Seq(0);
        }
        Ok(feed)
    }

    /// The number of the record that the feed waits for.
    pub fn next(&self) -> Seq {
        self.last.next()
    }

    /// Writes those of `records` that are not there yet, one line each.
    ///
    /// After an error the feed must be opened again: a line may be torn.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut lines = Vec::new();
        let mut last = self.last;
        for record in records.iter().filter(|record| record.seq > self.last) {
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
            last = record.seq;
        }
        if last == self.last {
            return Ok(());
        }
        // Somebody may have moved it away to make room: then it goes on in a fresh one.
        if !self.path.exists() {
            self.file = open(&self.path)?;
        }
        faults::point("feed.write")?;
        self.file.write_all(&lines)?;
        faults::point("feed.written")?;
        self.last = last;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).read(true).append(true).open(path)
}

/// Cuts off what is no whole line with a number, and returns the last number.
fn cut_to_last_line(file: &mut File) -> io::Result<Seq> {
    let mut end = file.metadata()?.len();
    loop {
        // The line that ends before `end`, with its line feed, or a torn piece.
        let start = start_of_line(file, end)?;
        let mut line = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut line)?;
        if line.ends_with(b"\n")
            && let Ok(Numbered { seq }) = serde_json::from_slice(&line)
        {
            file.set_len(end)?;
            return Ok(seq);
        }
        if start == 0 {
            file.set_len(0)?;
            return Ok(Seq(0));
        }
        end = start;
    }
}

/// Returns where the last line of the first `end` bytes starts.
fn start_of_line(file: &mut File, end: u64) -> io::Result<u64> {
    // The line's own line feed does not count.
    let mut upper = end.saturating_sub(1);
    while upper > 0 {
        let lower = upper.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(upper - lower).map_err(io::Error::other)?];
        file.seek(SeekFrom::Start(lower))?;
        file.read_exact(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(lower + at as u64 + 1);
        }
        upper = lower;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::remark;

    fn records(range: std::ops::RangeInclusive<u64>) -> Vec<Record> {
        range.map(|n| remark(&format!("{n}").repeat(80_000)).numbered(Seq(n))).collect()
    }

    fn numbers(path: &Path) -> Vec<u64> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str::<Numbered>(line).unwrap().seq.0).collect()
    }

    #[test]
    fn each_record_stands_there_once_across_restarts_and_torn_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".beads/feed.jsonl");
        let mut feed = FeedWriter::open(&path, Seq(0)).unwrap();
        feed.append(&records(1..=3)).unwrap();
        feed.append(&records(2..=4)).unwrap();
        drop(feed);
        assert_eq!(numbers(&path), [1, 2, 3, 4]);

        let whole = fs::metadata(&path).unwrap().len();
        for cut in [0, 1, 2, 100, 70_000] {
            File::options().write(true).open(&path).unwrap().set_len(whole - cut).unwrap();
            let mut feed = FeedWriter::open(&path, Seq(9)).unwrap();
            assert_eq!(feed.next(), if cut == 0 { Seq(5) } else { Seq(4) }, "cut of {cut}");
            feed.append(&records(1..=4)).unwrap();
            assert_eq!(numbers(&path), [1, 2, 3, 4]);
        }
    }

    #[test]
    fn rubbish_at_the_end_is_cut_off_and_a_feed_of_rubbish_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feed.jsonl");
        fs::write(&path, "{\"seq\":1}\n\n\0\0\0\n\n").unwrap();
        assert_eq!(FeedWriter::open(&path, Seq(5)).unwrap().next(), Seq(2));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"seq\":1}\n");
        fs::write(&path, "no json").unwrap();
        assert_eq!(FeedWriter::open(&path, Seq(5)).unwrap().next(), Seq(1));
    }

    #[test]
    fn a_feed_of_another_ledger_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feed.jsonl");
        FeedWriter::open(&path, Seq(0)).unwrap().append(&records(1..=3)).unwrap();
        let mut feed = FeedWriter::open(&path, Seq(2)).unwrap();
        feed.append(&records(1..=2)).unwrap();
        assert_eq!(numbers(&path), [1, 2]);
        assert_eq!(numbers(&dir.path().join("feed.jsonl.old")), [1, 2, 3]);
    }
}
