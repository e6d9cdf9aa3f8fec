//! The scrollback: read back from a recording, through a screen that is thrown away.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::recording::previous_part;
use crate::screen::{Screen, Size};

/// How much of the end of a recording is played: some ten thousand lines, in tens of milliseconds.
const REACH: u64 = 4 * 1024 * 1024;

/// The most lines that are given back.
const LINES_LIMIT: usize = 50_000;

/// Returns the last `lines` lines that were shown, the screen's included, each ended by a line feed.
///
/// Under a full-screen program that has the second screen, its screen follows the lines of the first. What one
/// has shown last that gave the second screen back a little while ago stands where it stood in time.
/// Blocks on the disk and plays up to four megabytes: use `spawn_blocking`.
///
/// # Errors
/// When the recording at `path` cannot be read. Lines that are cut or strange are skipped.
pub fn tail(path: &Path, lines: usize) -> io::Result<String> {
    tail_until(path, lines, None)
}

/// Returns what was shown at the time `at`: the screen, below the `lines` lines above it.
///
/// # Errors
/// As [`tail`].
pub fn at(path: &Path, lines: usize, at: SystemTime) -> io::Result<String> {
    let earlier = previous_part(path);
    // The header counts in whole seconds: what was recorded within the second of a question belongs to it.
    let at = at + Duration::from_secs(1);
    let current = began(path).is_none_or(|began| began <= at) || !earlier.exists();
    let part = if current { path } else { &earlier };
    let since = began(part).and_then(|began| at.duration_since(began).ok()).unwrap_or_default();
    let screen = header_size(&first_line(part)?).unwrap_or_default().rows;
    tail_until(part, lines.max(usize::from(screen)), Some(since.as_secs_f64()))
}

/// When the recording at `path` was begun.
pub fn began(path: &Path) -> Option<SystemTime> {
    let header: serde_json::Value = serde_json::from_str(&first_line(path).ok()?).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(header.get("timestamp")?.as_u64()?))
}

fn first_line(path: &Path) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(File::open(path)?.take(4096)).read_line(&mut line)?;
    Ok(line)
}

/// As [`tail`], up to so many seconds after the beginning of the file.
fn tail_until(path: &Path, lines: usize, until: Option<f64>) -> io::Result<String> {
    let lines = lines.min(LINES_LIMIT);
    let current = std::fs::metadata(path)?.len();
    let (mut screen, mut left) = (None, None);
    let earlier = previous_part(path);
    if current < REACH && earlier.exists() {
        play(&earlier, REACH - current, lines, None, &mut screen, &mut left)?;
    }
    play(path, REACH, lines, until, &mut screen, &mut left)?;

    let Some(mut screen) = screen else { return Ok(String::new()) };
    screen.end_update();
    let mut shown = Vec::new();
    if screen.alternate_screen() {
        let front = used_rows(&mut screen);
        screen.leave_alternate();
        shown.extend(screen.history());
        shown.extend(used_rows(&mut screen));
        shown.extend(front);
    } else {
        shown.extend(screen.history());
        shown.extend(used_rows(&mut screen));
        if let Some(Left { front, above }) = left
            && shown.len().saturating_sub(above) <= RECENT
        {
            let at = above.min(shown.len());
            shown.splice(at..at, front);
        }
    }
    let from = shown.len().saturating_sub(lines);
    Ok(shown[from..].iter().flat_map(|line| [line.as_str(), "\n"]).collect())
}

/// What a full-screen program has left behind.
struct Left {
    /// What it has shown last.
    front: Vec<String>,
    /// The lines that had been shown before it began.
    above: usize,
}

/// How programs give the second screen back.
const LEAVING: [&str; 3] = ["\x1b[?1049l", "\x1b[?1047l", "\x1b[?47l"];

/// How long a program may take to wipe its screen before it gives it back, in seconds.
const WIPING: f64 = 1.0;

/// How many states of the screen are compared at most.
const STATES: usize = 64;

/// A full-screen program is part of what was shown last if no more lines than this came after it.
const RECENT: usize = 50;

fn used_rows(screen: &mut Screen) -> Vec<String> {
    screen.text().lines().map(str::to_owned).collect()
}

/// How many of `rows` say something.
fn shown_rows(rows: &[String]) -> usize {
    rows.iter().filter(|row| !row.trim().is_empty()).count()
}

/// The last of `states` that was not half wiped already.
fn last_whole(states: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut states: Vec<Vec<String>> = states.collect();
    let fullest = states.iter().map(|rows| shown_rows(rows)).max().unwrap_or_default();
    let last = states.iter().rposition(|rows| 2 * shown_rows(rows) >= fullest);
    last.map(|at| states.swap_remove(at)).unwrap_or_default()
}

/// Plays the last `reach` bytes of the file at `path`.
fn play(
    path: &Path,
    reach: u64,
    history: usize,
    until: Option<f64>,
    screen: &mut Option<Screen>,
    left: &mut Option<Left>,
) -> io::Result<()> {
    let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut line = String::new();
    file.read_line(&mut line)?;
    let size = header_size(&line).unwrap_or_default();
    match screen {
        // The next part begins with the whole screen of the one before, which is there already: it
        // repaints it in place and leaves the history alone.
        Some(screen) => screen.resize(size),
        None => *screen = Some(Screen::with_history(size, history)),
    }
    let length = match until {
        Some(until) => end_of(path, until)?,
        None => file.get_ref().metadata()?.len(),
    };
    if length > reach {
        file.seek(SeekFrom::Start(length - reach))?;
        // The first line is cut.
        file.read_until(b'\n', &mut Vec::new())?;
    }
    let here = file.stream_position()?;
    let mut file = file.take(length.saturating_sub(here));
    let Some(screen) = screen else { return Ok(()) };
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    let mut above = 0;
    // How the second screen was of late, and when.
    let mut states: VecDeque<(f64, Vec<String>)> = VecDeque::new();
    // Others than output and sizes, and a last line that is being written, are passed over.
    let events: Vec<(f64, String, String)> =
        rest.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let gives_back = |data: &str| LEAVING.iter().any(|leaving| data.contains(leaving));
    let mut partings = events.iter().filter(|(_, code, data)| code == "o" && gives_back(data)).peekable();
    for (at, code, data) in &events {
        match code.as_str() {
            "o" => {
                let before = screen.alternate_screen();
                // Each state is a picture of the whole screen, so only those that may be needed are kept.
                if before && partings.peek().is_some_and(|(parting, ..)| parting - at <= WIPING) {
                    while states.len() >= STATES || states.front().is_some_and(|(then, _)| at - then > WIPING)
                    {
                        states.pop_front();
                    }
                    states.push_back((*at, used_rows(screen)));
                }
                let parts = gives_back(data);
                if parts {
                    partings.next();
                }
                if before && parts {
                    // What it wipes before it goes is in the same breath, or in those before it.
                    *left = Some(Left { front: last_whole(states.drain(..).map(|(_, rows)| rows)), above });
                } else if !before && data.contains("\x1b[?") {
                    above = screen.history().len() + used_rows(screen).len();
                }
                screen.feed(data.as_bytes());
                screen.take_answers();
            }
            "r" => {
                if let Some(size) = parse_size(data) {
                    screen.resize(size);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where in the file at `path` the first event stands that came later than `until`.
fn end_of(path: &Path, until: f64) -> io::Result<u64> {
    let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let (mut end, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let length = file.read_until(b'\n', &mut line)?;
        let time = line.strip_prefix(b"[").and_then(|rest| {
            let digits = rest.iter().position(|byte| *byte == b',')?;
            std::str::from_utf8(&rest[..digits]).ok()?.trim().parse::<f64>().ok()
        });
        if length == 0 || time.is_some_and(|time| time > until) {
            return Ok(end);
        }
        end += length as u64;
    }
}

fn header_size(line: &str) -> Option<Size> {
    let header: serde_json::Value = serde_json::from_str(line).ok()?;
    let number = |key| header.get(key)?.as_u64().and_then(|number| u16::try_from(number).ok());
    Some(Size { rows: number("height")?, cols: number("width")? })
}

fn parse_size(text: &str) -> Option<Size> {
    let (cols, rows) = text.split_once('x')?;
    Some(Size { rows: rows.parse().ok()?, cols: cols.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Recorder, RecordingSpec};

    /// Records `chunks` and waits until they are on disk.
    async fn record(spec: &RecordingSpec, size: Size, chunks: &[&[u8]]) {
        let mut recorder = Recorder::begin(spec.clone(), size).unwrap();
        let mut screen = Screen::new(size);
        for chunk in chunks {
            screen.feed(chunk);
            recorder.output(chunk, &mut screen);
            recorder.flush().await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_last_lines_come_back_with_those_that_left_the_screen() {
        let folder = tempfile::tempdir().unwrap();
        let spec = RecordingSpec::new(folder.path().join("logs/s.cast"));
        let text: String = (0..100).map(|n| format!("line {n}\r\n")).collect();
        record(&spec, Size { rows: 5, cols: 20 }, &[text.as_bytes()]).await;
        assert_eq!(tail(&spec.path, 3).unwrap(), "line 97\nline 98\nline 99\n");
        let many = tail(&spec.path, 50).unwrap();
        assert!(many.starts_with("line 50\n"), "{many}");
        assert_eq!(many.lines().count(), 50);
    }

    #[tokio::test]
    async fn every_line_is_json_whatever_the_bytes_and_wherever_they_were_cut() {
        let folder = tempfile::tempdir().unwrap();
        let spec = RecordingSpec::new(folder.path().join("s.cast"));
        let arrow = "↑".as_bytes();
        let chunks: &[&[u8]] = &[b"\"\\\x00\x1b[31m\xff\xfe", &arrow[..1], &arrow[1..], b"\xed\xa0\x80 end"];
        record(&spec, Size { rows: 5, cols: 40 }, chunks).await;
        let text = std::fs::read_to_string(&spec.path).unwrap();
        let mut output = String::new();
        for line in text.lines().skip(1) {
            let (_, code, data): (f64, String, String) = serde_json::from_str(line).unwrap();
            assert_eq!(code, "o");
            output.push_str(&data);
        }
        assert!(output.contains('↑') && output.ends_with(" end"), "{output:?}");
        let header: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((header["version"].as_u64(), header["width"].as_u64()), (Some(2), Some(40)));
    }

    #[tokio::test]
    async fn a_full_file_is_followed_by_one_that_plays_on_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let spec = RecordingSpec { limit: 2000, ..RecordingSpec::new(folder.path().join("s.cast")) };
        let lines: Vec<String> = (0..300).map(|n| format!("line {n}\r\n")).collect();
        let chunks: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        record(&spec, Size { rows: 5, cols: 20 }, &chunks).await;
        assert!(std::fs::metadata(&spec.path).unwrap().len() < 5000);
        assert!(std::fs::metadata(previous_part(&spec.path)).unwrap().len() < 5000);
        let shown = tail(&spec.path, 30).unwrap();
        let wanted: String = (270..300).map(|n| format!("line {n}\n")).collect();
        assert_eq!(shown, wanted);
    }

    #[tokio::test]
    async fn what_a_full_screen_program_has_shown_last_is_not_lost_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let spec = RecordingSpec::new(folder.path().join("s.cast"));
        let chunks: [&[u8]; 4] = [
            b"before\r\n",
            b"\x1b[?1049h\x1b[H\x1b[2Jinvalid key",
            b"\x1b[2J\x1b[?1049lgoodbye\r\n",
            b"really\r\n",
        ];
        record(&spec, Size { rows: 5, cols: 20 }, &chunks).await;
        assert_eq!(tail(&spec.path, 10).unwrap(), "before\ninvalid key\ngoodbye\nreally\n");
        // Whether it was read in one piece is chance.
        let spec = RecordingSpec::new(folder.path().join("u.cast"));
        let apart: [&[u8]; 4] = [chunks[1], b"\x1b[H\x1b[2J", b"\x1b[?1049l", b"goodbye\r\n"];
        record(&spec, Size { rows: 5, cols: 20 }, &apart).await;
        assert_eq!(tail(&spec.path, 10).unwrap(), "invalid key\ngoodbye\n");
        // Long ago is not last.
        let many: Vec<u8> = (0..60).flat_map(|n| format!("line {n}\r\n").into_bytes()).collect();
        let spec = RecordingSpec::new(folder.path().join("t.cast"));
        record(&spec, Size { rows: 5, cols: 20 }, &[chunks[1], chunks[2], &many]).await;
        assert!(!tail(&spec.path, 100).unwrap().contains("invalid key"));
    }

    #[test]
    fn a_recording_is_played_up_to_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.cast");
        let header = r#"{"version": 2, "width": 20, "height": 5, "timestamp": 1000}"#;
        let events: String = (0..10).map(|n| format!("[{n}.5, \"o\", \"line {n}\\r\\n\"]\n")).collect();
        std::fs::write(&path, format!("{header}\n{events}")).unwrap();
        let shown = |seconds| at(&path, 0, UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        assert_eq!(shown(999), "");
        assert_eq!(shown(1001), "line 0\nline 1\n");
        assert!(shown(2000).ends_with("line 8\nline 9\n"));
        assert_eq!(began(&path), Some(UNIX_EPOCH + Duration::from_secs(1000)));
    }

    #[tokio::test]
    async fn a_full_screen_program_is_shown_below_what_it_hides() {
        let folder = tempfile::tempdir().unwrap();
        let spec = RecordingSpec::new(folder.path().join("s.cast"));
        let chunks: &[&[u8]] = &[b"before\r\n\x1b[?1049h\x1b[Hfull"];
        record(&spec, Size { rows: 5, cols: 20 }, chunks).await;
        assert_eq!(tail(&spec.path, 10).unwrap(), "before\nfull\n");
    }
}
