//! A running program's terminal: the one who owns it, and the many who use it.
//!
//! [`Terminal`] is the owner. It belongs in the state of whoever answers for the program; dropping it
//! kills everything the program started, whatever way the owner ended (a panic of an actor runs no
//! clean-up code, but it drops its state). [`TerminalHandle`] is for everybody else.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::control::Control;
use crate::input::InputQueue;
use crate::look::Look;
use crate::recording::Recorder;
use crate::screen::{Screen, Size, Snapshot};
use crate::viewers::{Viewer, Viewers};

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code. 126 and 127 with a line that begins `gastown:` on the screen mean
    /// that the program could not be started, see [`crate::exec`].
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl ExitStatus {
    /// Whether it exited with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// The signals a session sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Hangup,
    Interrupt,
    Terminate,
    Kill,
    /// Stops it where it is, until [`Signal::Continue`].
    Stop,
    Continue,
}

/// Why nothing was typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("the program has ended")]
    Closed,
    #[error("the program does not read its input, and the queue is full")]
    Full,
    #[error("{bytes} bytes are too long to be typed at once, the limit is {limit}")]
    TooLong { bytes: usize, limit: usize },
}

/// What all holders of a terminal share.
pub(crate) struct Shared {
    pub(crate) pid: u32,
    pub(crate) tty: PathBuf,
    pub(crate) face: Mutex<Face>,
    pub(crate) input: InputQueue,
    pub(crate) exit: watch::Sender<Option<ExitStatus>>,
    /// Counts the chunks of output, so that one can wait for the next.
    pub(crate) output: watch::Sender<u64>,
    /// The size, for those who have to know when it changes.
    pub(crate) sizes: watch::Sender<Size>,
    pub(crate) control: Box<dyn Control>,
    /// Whether nothing of the program can be alive any more.
    swept: AtomicBool,
}

/// What people see, behind one lock: the screen, the recording and the viewers change together, so
/// that a viewer who joins misses no byte and gets none twice.
pub(crate) struct Face {
    pub(crate) screen: Screen,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) viewers: Viewers,
    pub(crate) last_output: Option<Instant>,
}

impl Shared {
    pub(crate) fn new(
        pid: u32,
        tty: PathBuf,
        size: Size,
        recorder: Option<Recorder>,
        control: Box<dyn Control>,
    ) -> Self {
        Self {
            pid,
            tty,
            face: Mutex::new(Face {
                screen: Screen::new(size),
                recorder,
                viewers: Viewers::default(),
                last_output: None,
            }),
            input: InputQueue::default(),
            exit: watch::Sender::new(None),
            output: watch::Sender::new(0),
            sizes: watch::Sender::new(size),
            control,
            swept: AtomicBool::new(false),
        }
    }

    pub(crate) fn face(&self) -> MutexGuard<'_, Face> {
        // The screen catches its own panics; what else happens under the lock cannot break it.
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows `bytes`, which the tap let through, to the screen, the recording and the viewers.
    pub(crate) fn show(&self, bytes: &[u8]) {
        let mut face = self.face();
        face.last_output = Some(Instant::now());
        let Face { screen, recorder, viewers, .. } = &mut *face;
        let passed = screen.feed(bytes);
        let answers = screen.take_answers();
        if let Some(recorder) = recorder {
            recorder.output(bytes, screen);
        }
        viewers.push(&passed);
        drop(face);
        self.answer(&answers);
        self.output.send_modify(|count| *count += 1);
    }

    /// Looks at the screen. Ending a synchronized update may produce answers, which are typed.
    pub(crate) fn with_screen<T>(&self, look: impl FnOnce(&mut Screen) -> T) -> T {
        let mut face = self.face();
        let seen = look(&mut face.screen);
        let answers = face.screen.take_answers();
        drop(face);
        self.answer(&answers);
        seen
    }

    fn answer(&self, answers: &[u8]) {
        if !answers.is_empty() {
            self.input.push_answer(answers);
        }
    }

    /// Closes the terminal for all: nothing more comes, nothing more can be typed.
    pub(crate) fn close(&self, status: ExitStatus) {
        self.input.close();
        let mut face = self.face();
        face.viewers.close();
        if let Some(recorder) = face.recorder.take() {
            recorder.finish();
        }
        drop(face);
        self.exit.send_replace(Some(status));
    }

    pub(crate) fn sweep(&self) -> usize {
        let killed = self.control.sweep();
        if self.exit.borrow().is_some() {
            self.swept.store(true, Ordering::Release);
        }
        killed
    }
}

/// Everybody's way to a terminal: cheap to clone, never blocks, outlives the program.
#[derive(Clone)]
pub struct TerminalHandle {
    pub(crate) shared: Arc<Shared>,
}

impl TerminalHandle {
    /// The pid of the program, which leads its own session and process group.
    pub fn pid(&self) -> u32 {
        self.shared.pid
    }

    /// The path of the program's side of the terminal, such as `/dev/pts/7`.
    pub fn tty(&self) -> &Path {
        &self.shared.tty
    }

    /// Queues `bytes` to be typed, in one piece, and waits for room if the program does not read.
    ///
    /// Each call's bytes reach the terminal by a `write` of their own, after all that were queued
    /// before. Cancelling queues nothing.
    ///
    /// # Errors
    /// When the program has ended, or for more than 256 KiB at once.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), WriteError> {
        self.shared.input.push_when_room(bytes).await
    }

    /// Queues `bytes` to be typed, or says at once why not.
    ///
    /// # Errors
    /// As [`Self::write`], and [`WriteError::Full`] when the program does not read.
    pub fn try_write(&self, bytes: &[u8]) -> Result<(), WriteError> {
        self.shared.input.try_push(bytes)
    }

    /// How many queued bytes the terminal has not taken yet.
    pub fn input_pending(&self) -> usize {
        self.shared.input.pending()
    }

    /// Gives the terminal another size; the program is told if it changed.
    ///
    /// # Errors
    /// When the kernel refuses. A program that has ended is no error.
    pub fn resize(&self, size: Size) -> std::io::Result<()> {
        let mut face = self.shared.face();
        let size = size.clamped();
        if face.screen.size() == size {
            return Ok(());
        }
        self.shared.control.resize(size)?;
        face.screen.resize(size);
        if let Some(recorder) = &mut face.recorder {
            recorder.resize(size);
        }
        drop(face);
        self.shared.sizes.send_replace(size);
        Ok(())
    }

    /// What a person would see now.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.with_screen(Screen::snapshot)
    }

    /// The rows of the screen without trailing blanks, one line each.
    pub fn text(&self) -> String {
        self.shared.with_screen(Screen::text)
    }

    /// Looks at the screen itself, under its lock: be short.
    pub fn with_screen<T>(&self, look: impl FnOnce(&mut Screen) -> T) -> T {
        self.shared.with_screen(look)
    }

    /// When the program last printed something that people may see.
    pub fn last_output(&self) -> Option<Instant> {
        self.shared.face().last_output
    }

    /// Counts chunks of output: wait on it for the next one. Closed once the terminal is forgotten.
    pub fn output(&self) -> watch::Receiver<u64> {
        self.shared.output.subscribe()
    }

    /// The terminal's size, as it changes.
    pub fn sizes(&self) -> watch::Receiver<Size> {
        self.shared.sizes.subscribe()
    }

    /// Starts looking on. The first piece is the whole screen; from there no byte is missing or
    /// doubled, unless the viewer is so slow that it gets the whole screen again.
    pub fn attach(&self) -> Viewer {
        let wake = Arc::new(Notify::new());
        let id = self.shared.face().viewers.join(Arc::clone(&wake));
        Viewer::new(Arc::clone(&self.shared), id, wake)
    }

    /// How many viewers are attached.
    pub fn viewers(&self) -> usize {
        self.shared.face().viewers.len()
    }

    /// Signals the program's process group. Once the program has ended this does nothing.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn signal_group(&self, signal: Signal) -> std::io::Result<()> {
        self.shared.control.signal_group(signal)
    }

    /// How the program ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.shared.exit.borrow()
    }

    /// Waits until the program has ended and its last output has been shown.
    pub async fn exited(&self) -> ExitStatus {
        let mut exit = self.shared.exit.subscribe();
        loop {
            if let Some(status) = *exit.borrow_and_update() {
                return status;
            }
            if exit.changed().await.is_err() {
                // Cannot be: the sender lives in what this handle shares.
                return ExitStatus::Signal(9);
            }
        }
    }

    /// Kills whatever carries this session's marker, and says how many that were. Reads `/proc`, a
    /// few milliseconds: use [`crate::stop()`] or `spawn_blocking` on the way of many.
    pub fn sweep(&self) -> usize {
        self.shared.sweep()
    }

    /// What the program and all that it has started are doing; nothing once it has ended. Reads `/proc`, a
    /// few milliseconds: use `spawn_blocking`.
    pub fn look(&self) -> Option<Look> {
        self.shared.control.look()
    }

    /// The program's working directory; nothing once it has ended.
    pub fn cwd(&self) -> Option<PathBuf> {
        self.shared.control.cwd()
    }

    /// Whether the terminal hands over whole lines to its program, of which it keeps some 4 KiB, and not each key.
    pub fn reads_lines(&self) -> bool {
        self.shared.control.reads_lines()
    }

    /// Waits until everything recorded so far can be read from the recording's file.
    pub async fn flush_recording(&self) {
        let flushed = self.shared.face().recorder.as_mut().map(Recorder::flush);
        if let Some(flushed) = flushed {
            // An error means that the recording has ended, and with it was flushed.
            let _ = flushed.await;
        }
    }
}

impl fmt::Debug for TerminalHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalHandle")
            .field("pid", &self.shared.pid)
            .field("tty", &self.shared.tty)
            .field("exit", &self.exit_status())
            .finish_non_exhaustive()
    }
}

/// Owns a program: dropping it kills the program's group at once and sweeps up what else it started.
///
/// The sweep reads `/proc` in the dropping thread, a few milliseconds, so that nothing survives
/// even when the process exits right afterwards. After [`crate::stop()`] there is nothing left to do.
#[derive(Debug)]
pub struct Terminal {
    handle: TerminalHandle,
}

impl Terminal {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { handle: TerminalHandle { shared } }
    }

    /// A handle for others, and for oneself.
    pub fn handle(&self) -> TerminalHandle {
        self.handle.clone()
    }
}

impl std::ops::Deref for Terminal {
    type Target = TerminalHandle;

    fn deref(&self) -> &TerminalHandle {
        &self.handle
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let shared = &self.handle.shared;
        if shared.swept.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = shared.control.signal_group(Signal::Kill) {
            tracing::warn!(pid = shared.pid, %error, "cannot kill a program whose owner has gone");
        }
        shared.sweep();
    }
}
