//! What happened in a terminal, on disk: an asciicast (version 2) per session.
//!
//! The same file is for replaying, for the scrollback ([`crate::replay`]) and for whoever asks
//! afterwards what an agent did. What was typed is not recorded: it may hold secrets, and what people
//! may see of it was echoed.
//!
//! One thread writes for all terminals. A disk that cannot keep up loses output of the recording,
//! with a mark where, and never holds an agent up. A file that has grown to its limit becomes
//! `NAME.1.cast`, and the next begins with the whole screen, so that each plays on its own.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use crate::screen::{Screen, Size};
use crate::secrets::Masker;

/// How many bytes may wait for the disk.
const BACKLOG: u64 = 4 * 1024 * 1024;

/// How long what was printed may wait until it is written. Waking the writer costs more than the writing, so
/// what comes within this time is one event.
const GATHER: Duration = Duration::from_millis(10);

/// The most bytes that are gathered into one event.
const GATHERED: usize = 64 * 1024;

/// Where and how a session is recorded.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordingSpec {
    /// The file, usually `….cast`; its folder is made. What was there is replaced.
    pub path: PathBuf,
    /// The size in bytes at which a new file is begun; the one before it is kept.
    pub limit: u64,
    /// What is never written, besides what looks like a key.
    pub secrets: Vec<String>,
}

impl std::fmt::Debug for RecordingSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordingSpec")
            .field("path", &self.path)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl RecordingSpec {
    /// A recording with the usual limit, 16 MiB for each of its two files.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), limit: 16 * 1024 * 1024, secrets: Vec::new() }
    }

    /// The same, with values that are never written.
    #[must_use]
    pub fn without(mut self, secrets: Vec<String>) -> Self {
        self.secrets = secrets;
        self
    }
}

/// Where the part before the current one is kept.
pub fn previous_part(path: &Path) -> PathBuf {
    path.with_extension("1.cast")
}

/// A terminal's end of its recording.
pub(crate) struct Recorder {
    file: Arc<Recorded>,
    begun: Instant,
    lost: u64,
}

/// The writer's end.
struct Recorded {
    spec: RecordingSpec,
    /// What has not been written, with its time.
    queue: Mutex<Vec<(f64, Event)>>,
    writing: Mutex<Writing>,
    backlog: AtomicU64,
    written: AtomicU64,
}

struct Writing {
    out: BufWriter<File>,
    size: Size,
    /// The start of a character whose end has not come yet.
    tail: Vec<u8>,
    masker: Masker,
    /// When the file was begun, in seconds since the recording was.
    begun: f64,
    failed: bool,
}

enum Event {
    Output(Vec<u8>),
    Resize(Size),
    Lost(u64),
    /// Nothing more comes: what is held back is written.
    End,
    /// Begins a new file with the whole screen.
    Turn(Vec<u8>),
}

enum Job {
    /// Something waits there.
    Look(Arc<Recorded>),
    Flush(Arc<Recorded>, oneshot::Sender<()>),
}

static WRITER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel();
    let started = std::thread::Builder::new().name("recordings".into()).spawn(move || {
        let mut dirty: Vec<Arc<Recorded>> = Vec::new();
        let mut until = Instant::now();
        loop {
            let job = if dirty.is_empty() {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                match until.saturating_duration_since(Instant::now()) {
                    Duration::ZERO => Err(RecvTimeoutError::Timeout),
                    left => jobs.recv_timeout(left),
                }
            };
            match job {
                Ok(Job::Look(file)) => {
                    if dirty.is_empty() {
                        until = Instant::now() + GATHER;
                    }
                    dirty.push(file);
                }
                Ok(Job::Flush(file, done)) => {
                    file.write_all();
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => dirty.drain(..).for_each(|file| file.write_all()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    if let Err(error) = started {
        // Sends fail from now on, and recordings stay empty; agents go on.
        tracing::error!(%error, "cannot start the thread that writes recordings");
    }
    sender
});

impl Recorder {
    /// Begins a recording. Blocks on the disk.
    pub(crate) fn begin(spec: RecordingSpec, size: Size) -> io::Result<Self> {
        if let Some(folder) = spec.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let out = begin_file(&spec.path, size)?;
        let writing = Writing {
            out,
            size,
            tail: Vec::new(),
            masker: Masker::new(&spec.secrets),
            begun: 0.0,
            failed: false,
        };
        let file = Arc::new(Recorded {
            spec,
            queue: Mutex::default(),
            writing: Mutex::new(writing),
            backlog: AtomicU64::new(0),
            written: AtomicU64::new(0),
        });
        Ok(Self { file, begun: Instant::now(), lost: 0 })
    }

    /// Records output that `screen` shows already.
    pub(crate) fn output(&mut self, bytes: &[u8], screen: &mut Screen) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len() as u64;
        if self.file.backlog.load(Ordering::Relaxed) + length > BACKLOG {
            self.lost += length;
            return;
        }
        if self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            self.record(Event::Lost(lost));
        }
        self.file.backlog.fetch_add(length, Ordering::Relaxed);
        self.record(Event::Output(bytes.to_vec()));
        if self.file.written.load(Ordering::Relaxed) > self.file.spec.limit {
            self.file.written.store(0, Ordering::Relaxed);
            self.record(Event::Turn(screen.redraw()));
        }
    }

    pub(crate) fn resize(&mut self, size: Size) {
        self.record(Event::Resize(size));
    }

    /// Asks for everything recorded so far to be readable in the file.
    pub(crate) fn flush(&mut self) -> oneshot::Receiver<()> {
        let (done, flushed) = oneshot::channel();
        let _ = WRITER.send(Job::Flush(Arc::clone(&self.file), done));
        flushed
    }

    /// Ends the recording; what waits is still written.
    pub(crate) fn finish(mut self) {
        if self.lost > 0 {
            let lost = self.lost;
            self.record(Event::Lost(lost));
        }
        self.record(Event::End);
    }

    fn record(&mut self, event: Event) {
        let at = self.begun.elapsed().as_secs_f64();
        let mut queue = self.file.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Event::Output(bytes), Some((then, Event::Output(gathered)))) = (&event, queue.last_mut())
            && gathered.len() + bytes.len() <= GATHERED
            && at - *then <= GATHER.as_secs_f64()
        {
            gathered.extend_from_slice(bytes);
            return;
        }
        let first = queue.is_empty();
        queue.push((at, event));
        drop(queue);
        if first {
            let _ = WRITER.send(Job::Look(Arc::clone(&self.file)));
        }
    }
}

impl Recorded {
    /// Writes all that waits, so that it can be read.
    fn write_all(&self) {
        let waiting = std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(|(at, event)| self.write(at, event));
        self.flush();
    }

    fn write(&self, at: f64, event: Event) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::Output(bytes) = &event {
            self.backlog.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        }
        if writing.failed {
            return;
        }
        match writing.write(&self.spec.path, at, event) {
            Ok(Written::More(bytes)) => {
                self.written.fetch_add(bytes, Ordering::Relaxed);
            }
            Ok(Written::Anew) => {}
            Err(error) => {
                writing.failed = true;
                tracing::warn!(path = %self.spec.path.display(), %error, "a recording ends early");
            }
        }
    }

    fn flush(&self) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writing.out.flush()
            && !writing.failed
        {
            writing.failed = true;
            tracing::warn!(path = %self.spec.path.display(), %error, "a recording ends early");
        }
    }
}

enum Written {
    More(u64),
    Anew,
}

impl Writing {
    fn write(&mut self, path: &Path, at: f64, event: Event) -> io::Result<Written> {
        let (code, data) = match event {
            Event::Output(bytes) => ("o", self.whole_characters(bytes)),
            Event::Resize(size) => {
                let rest = self.masker.rest();
                if !rest.is_empty() {
                    self.line(at, "o", &rest)?;
                }
                self.size = size;
                ("r", format!("{}x{}", size.cols, size.rows))
            }
            Event::End => ("o", self.masker.rest()),
            Event::Lost(bytes) => ("m", format!("{bytes} bytes were not recorded")),
            Event::Turn(redraw) => {
                let rest = self.masker.rest();
                self.line(at, "o", &rest)?;
                self.out.flush()?;
                std::fs::rename(path, previous_part(path))?;
                self.out = begin_file(path, self.size)?;
                self.begun = at;
                let redraw = self.masker.feed(&String::from_utf8_lossy(&redraw));
                self.line(at, "o", &redraw)?;
                return Ok(Written::Anew);
            }
        };
        if data.is_empty() {
            return Ok(Written::More(0));
        }
        Ok(Written::More(self.line(at, code, &data)?))
    }

    fn line(&mut self, at: f64, code: &str, data: &str) -> io::Result<u64> {
        let data = serde_json::to_string(data).map_err(io::Error::other)?;
        let at = at - self.begun;
        let line = format!("[{at:.6}, \"{code}\", {data}]\n");
        self.out.write_all(line.as_bytes())?;
        Ok(line.len() as u64)
    }

    /// Joins what was held back and `bytes`, and holds back a character that has only begun.
    fn whole_characters(&mut self, bytes: Vec<u8>) -> String {
        let mut all = std::mem::take(&mut self.tail);
        all.extend_from_slice(&bytes);
        self.tail = all.split_off(all.len() - crate::scan::unfinished(&all));
        let text = String::from_utf8_lossy(&all);
        self.masker.feed(&text)
    }
}

fn begin_file(path: &Path, size: Size) -> io::Result<BufWriter<File>> {
    let mut out = BufWriter::with_capacity(64 * 1024, File::create(path)?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    writeln!(
        out,
        "{{\"version\": 2, \"width\": {}, \"height\": {}, \"timestamp\": {now}, \
         \"env\": {{\"TERM\": \"xterm-256color\"}}}}",
        size.cols, size.rows
    )?;
    out.flush()?;
    Ok(out)
}
