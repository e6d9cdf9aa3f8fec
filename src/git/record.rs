//! The log of a gate: bounded while it is written, plain text when it is quoted.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// How much of the beginning and of the end of the output is kept.
const KEPT: usize = 4 << 20;

/// A log that keeps its head and its tail.
pub(crate) struct Record {
    file: fs::File,
    head_left: usize,
    tail: Vec<u8>,
    dropped: u64,
    error: Option<io::Error>,
}

impl Record {
    /// Starts a new log, in a folder that is made if need be.
    pub(crate) fn create(path: &Path) -> io::Result<Record> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = fs::File::create(path)?;
        Ok(Record { file, head_left: KEPT, tail: Vec::new(), dropped: 0, error: None })
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(self.head_left));
        self.head_left -= head.len();
        if self.error.is_none()
            && let Err(e) = self.file.write_all(head)
        {
            self.error = Some(e);
        }
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * KEPT {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        self.dropped += over as u64;
    }

    /// Writes the tail; tells what went wrong on the way.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.shorten();
        if let Some(e) = self.error {
            return Err(e);
        }
        if self.dropped > 0 {
            write!(self.file, "\n[... {} bytes left out ...]\n", self.dropped)?;
        }
        self.file.write_all(&self.tail)
    }
}

/// Returns the last `lines` lines of a log as plain text: no control characters, no escape sequences, of
/// repainted lines the last state, long lines cut. Empty if there is no log.
pub fn excerpt(log: &Path, lines: usize) -> String {
    /// Enough for some hundred lines.
    const LOOKED_AT: u64 = 256 << 10;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOOKED_AT)))?;
        let mut bytes = Vec::new();
        file.take(LOOKED_AT).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let plain: Vec<String> = text.trim_end().lines().map(plain_line).collect();
    plain[plain.len().saturating_sub(lines)..].join("\n")
}

/// Returns one line without what only a terminal understands.
fn plain_line(line: &str) -> String {
    const LONGEST: usize = 400;
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut plain = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => match chars.next() {
                // A control sequence ends with a letter or one of `@[\]^_`{|}~`.
                Some('[') => while chars.next().is_some_and(|c| !('\x40'..='\x7e').contains(&c)) {},
                // A command to the terminal ends with BEL or ESC \.
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    while let Some(c) = chars.next() {
                        if c == '\x07' || (c == '\x1b' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                Some('(' | ')' | '#') => drop(chars.next()),
                _ => {}
            },
            '\t' => plain.push_str("    "),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    if plain.chars().count() > LONGEST {
        plain = plain.chars().take(LONGEST).collect();
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_its_beginning_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/gate.log");
        let mut record = Record::create(&log).unwrap();
        record.take(b"first\n");
        for _ in 0..20_000 {
            record.take(&[b'x'; 1000]);
        }
        record.take(b"\nlast\n");
        record.finish().unwrap();
        let kept = fs::read(&log).unwrap();
        assert!(kept.len() < 2 * KEPT + 100, "{}", kept.len());
        assert!(kept.starts_with(b"first\n") && kept.ends_with(b"\nlast\n"));
        assert!(String::from_utf8_lossy(&kept).contains("bytes left out"));
        assert_eq!(excerpt(&log, 1), "last");
        assert!(excerpt(&log, 2).chars().count() < 500);
    }

    #[test]
    fn an_excerpt_is_plain_text() {
        let check = |line: &str, plain: &str| assert_eq!(plain_line(line), plain);
        check("\x1b[31mred\x1b[0m end", "red end");
        check("10%\r50%\r100%\r", "100%");
        check("\x1b]0;title\x07text\x1b]8;;x\x1b\\link", "textlink");
        check("\x1b(Bplain\x07\x08", "plain");
        check("a\tb", "a    b");
        check("cut \x1b[3", "cut ");
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("gate.log");
        assert_eq!(excerpt(&log, 3), "");
        fs::write(&log, "1\n2\n3\n4\n\n").unwrap();
        assert_eq!(excerpt(&log, 2), "3\n4");
    }
}
