//! A host whose programs are played by a test: no processes, the same face.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use gastown_pty::{ExitStatus, Host, SpawnSpec, Wiring, fake::FakeHost};
//!
//! let host = FakeHost::new();
//! let terminal = host.spawn(SpawnSpec::default(), Wiring::default()).await.unwrap();
//! let program = host.next().await;
//! program.print("ready> ");
//! assert_eq!(terminal.text(), "ready>\n");
//! terminal.write(b"go\r").await.unwrap();
//! assert_eq!(program.typed().await.unwrap(), b"go\r");
//! program.exit(ExitStatus::Code(0));
//! assert!(terminal.exited().await.success());
//! # }
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::control::Control;
use crate::host::{Host, SpawnError, SpawnSpec, Spawning, Wiring};
use crate::look::Look;
use crate::recording::Recorder;
use crate::screen::Size;
use crate::sweep::Asleep;
use crate::tap::{Filtered, Tap};
use crate::terminal::{ExitStatus, Shared, Signal, Terminal, TerminalHandle};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts programs that a test plays. Cheap to clone; all clones are one host.
#[derive(Debug, Clone)]
pub struct FakeHost {
    inner: Arc<HostInner>,
}

#[derive(Debug)]
struct HostInner {
    started: mpsc::UnboundedSender<FakeProgram>,
    arrivals: AsyncMutex<mpsc::UnboundedReceiver<FakeProgram>>,
    refusals: Mutex<Vec<SpawnError>>,
    swept: Mutex<Vec<String>>,
    swept_towns: Mutex<Vec<PathBuf>>,
    next_pid: AtomicU32,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeHost {
    /// A host that has started nothing yet.
    pub fn new() -> Self {
        let (started, arrivals) = mpsc::unbounded_channel();
        Self {
            inner: Arc::new(HostInner {
                started,
                arrivals: AsyncMutex::new(arrivals),
                refusals: Mutex::default(),
                swept: Mutex::default(),
                swept_towns: Mutex::default(),
                next_pid: AtomicU32::new(1_000_000),
            }),
        }
    }

    /// Waits for the next program that is started: each is given once, in order.
    pub async fn next(&self) -> FakeProgram {
        match self.inner.arrivals.lock().await.recv().await {
            Some(program) => program,
            // The sender lives in the same value.
            None => std::future::pending().await,
        }
    }

    /// Makes a coming start fail with `error`.
    pub fn refuse_next(&self, error: SpawnError) {
        lock(&self.inner.refusals).insert(0, error);
    }

    /// The markers that were swept, in order, by the host or through a terminal.
    pub fn swept(&self) -> Vec<String> {
        lock(&self.inner.swept).clone()
    }

    /// The towns that were swept, in order.
    pub fn swept_towns(&self) -> Vec<PathBuf> {
        lock(&self.inner.swept_towns).clone()
    }

    fn start(&self, spec: SpawnSpec, wiring: Wiring) -> Result<Terminal, SpawnError> {
        if let Some(error) = lock(&self.inner.refusals).pop() {
            return Err(error);
        }
        let size = spec.size.clamped();
        let recorder = wiring
            .recording
            .map(|recording| {
                let path = recording.path.clone();
                Recorder::begin(recording, size).map_err(|source| SpawnError::Recording { path, source })
            })
            .transpose()?;
        let pid = self.inner.next_pid.fetch_add(1, Ordering::Relaxed);
        let control = Arc::new(FakeControl {
            host: Arc::downgrade(&self.inner),
            marker: spec.marker.clone(),
            stubborn: AtomicBool::new(false),
            signals: Mutex::default(),
            sizes: Mutex::new(vec![size]),
            shared: OnceLock::new(),
            look: Mutex::default(),
        });
        let tty = PathBuf::from(format!("/dev/pts/fake{pid}"));
        let shared = Arc::new(Shared::new(pid, tty, size, recorder, Box::new(Arc::clone(&control))));
        let _ = control.shared.set(Arc::downgrade(&shared));
        let program = FakeProgram {
            inner: Arc::new(ProgramInner {
                spec,
                shared: Arc::clone(&shared),
                control,
                tap: Mutex::new(wiring.tap),
            }),
        };
        let _ = self.inner.started.send(program);
        Ok(Terminal::new(shared))
    }
}

impl Host for FakeHost {
    fn spawn(&self, spec: SpawnSpec, wiring: Wiring) -> Spawning {
        let host = self.clone();
        Box::pin(async move { host.start(spec, wiring) })
    }

    fn sweep(&self, marker: &str) -> usize {
        lock(&self.inner.swept).push(marker.into());
        0
    }

    fn sweep_town(&self, town: &Path) -> usize {
        lock(&self.inner.swept_towns).push(town.into());
        0
    }

    /// Its programs have no processes beside themselves: their terminals are signalled.
    fn halt_town(&self, _: &Path) -> Asleep {
        Asleep::default()
    }

    fn wake_town(&self, _: &Path, _: &Asleep) {}
}

/// The other side of a fake terminal. Cheap to clone.
#[derive(Clone)]
pub struct FakeProgram {
    inner: Arc<ProgramInner>,
}

struct ProgramInner {
    spec: SpawnSpec,
    shared: Arc<Shared>,
    control: Arc<FakeControl>,
    tap: Mutex<Option<Box<dyn Tap>>>,
}

impl FakeProgram {
    /// What it was started with.
    pub fn spec(&self) -> &SpawnSpec {
        &self.inner.spec
    }

    /// The terminal it runs in.
    pub fn terminal(&self) -> TerminalHandle {
        TerminalHandle { shared: Arc::clone(&self.inner.shared) }
    }

    /// Prints, as a program would: through the tap, to the screen, the recording and the viewers.
    /// When it returns, all of them have it. After the exit nothing happens.
    pub fn print(&self, bytes: impl AsRef<[u8]>) {
        if self.inner.shared.exit.borrow().is_some() {
            return;
        }
        let bytes = bytes.as_ref();
        let filtered = match &mut *lock(&self.inner.tap) {
            Some(tap) => tap.hear(bytes),
            None => Filtered::Same,
        };
        match filtered {
            Filtered::Same => self.inner.shared.show(bytes),
            Filtered::Changed(left) if left.is_empty() => {}
            Filtered::Changed(left) => self.inner.shared.show(&left),
        }
    }

    /// Waits for the next thing that is typed: the bytes of one write. `None` after the exit.
    pub async fn typed(&self) -> Option<Vec<u8>> {
        loop {
            if let Some(item) = self.inner.shared.input.pop() {
                self.inner.shared.input.done(item.len());
                return Some(item);
            }
            if self.inner.shared.input.is_closed() {
                return None;
            }
            self.inner.shared.input.filled().await;
        }
    }

    /// Ends, if it has not ended yet.
    pub fn exit(&self, status: ExitStatus) {
        if self.inner.shared.exit.borrow().is_some() {
            return;
        }
        if let Some(tap) = &mut *lock(&self.inner.tap) {
            let rest = tap.finish();
            if !rest.is_empty() {
                self.inner.shared.show(&rest);
            }
        }
        self.inner.shared.close(status);
    }

    /// From now on SIGTERM, SIGINT and SIGHUP do not end it; SIGKILL always does.
    pub fn be_stubborn(&self) {
        self.inner.control.stubborn.store(true, Ordering::Relaxed);
    }

    /// What its processes are doing from now on.
    pub fn looks_like(&self, look: Look) {
        *lock(&self.inner.control.look) = look;
    }

    /// The signals its group was sent, in order.
    pub fn signals(&self) -> Vec<Signal> {
        lock(&self.inner.control.signals).clone()
    }

    /// The sizes its terminal has had, the first included.
    pub fn sizes(&self) -> Vec<Size> {
        lock(&self.inner.control.sizes).clone()
    }
}

impl std::fmt::Debug for FakeProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeProgram")
            .field("spec", &self.inner.spec)
            .field("exit", &*self.inner.shared.exit.borrow())
            .finish_non_exhaustive()
    }
}

struct FakeControl {
    host: Weak<HostInner>,
    marker: String,
    stubborn: AtomicBool,
    signals: Mutex<Vec<Signal>>,
    sizes: Mutex<Vec<Size>>,
    shared: OnceLock<Weak<Shared>>,
    look: Mutex<Look>,
}

impl Control for FakeControl {
    fn resize(&self, size: Size) -> io::Result<()> {
        lock(&self.sizes).push(size);
        Ok(())
    }

    fn signal_group(&self, signal: Signal) -> io::Result<()> {
        let Some(shared) = self.shared.get().and_then(Weak::upgrade) else { return Ok(()) };
        if shared.exit.borrow().is_some() {
            return Ok(());
        }
        lock(&self.signals).push(signal);
        let number = match signal {
            Signal::Kill => 9,
            Signal::Stop | Signal::Continue => return Ok(()),
            _ if self.stubborn.load(Ordering::Relaxed) => return Ok(()),
            Signal::Terminate => 15,
            Signal::Interrupt => 2,
            Signal::Hangup => 1,
        };
        shared.close(ExitStatus::Signal(number));
        Ok(())
    }

    fn sweep(&self) -> usize {
        if let Some(host) = self.host.upgrade() {
            lock(&host.swept).push(self.marker.clone());
        }
        0
    }
    fn look(&self) -> Option<Look> {
        let shared = self.shared.get().and_then(Weak::upgrade)?;
        let ended = shared.exit.borrow().is_some();
        (!ended).then(|| lock(&self.look).clone())
    }

    fn reads_lines(&self) -> bool {
        false
    }

    fn cwd(&self) -> Option<PathBuf> {
        self.look().and_then(|look| look.cwd)
    }
}
