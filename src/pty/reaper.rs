//! The reaper: a tiny process that outlives the runtime by a moment, and ends what it left behind.
//!
//! The kernel kills the agents when the runtime's spawning thread dies, but not what they have started.
//! While the runtime lives it sweeps that itself. When it is killed there must be somebody else: the
//! reaper, this same program, in a kernel session of its own, asleep at a pipe of which the runtime holds
//! the other end. The pipe ends with the runtime, however that ends. Then everything that bears the
//! runtime's [`Mark`] is ended, and the reaper too.
//!
//! ```text
//!  runtime ── holds the pipe ──> reaper: asleep ── the pipe ends ──> sweep until three looks find nothing
//! ```
//!
//! It knows nothing but the mark that it bears itself, so it cannot touch what the next runtime starts at
//! the same moment. Dead before its time, it is started again.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::mark::Mark;
use crate::{orphans, spawner, sweep};

/// The first argument that makes a binary act as the reaper.
pub const VERB: &str = "__reaper";

/// How long it goes on when something does not die: stuck in the kernel, nothing can end it.
const PATIENCE: Duration = Duration::from_secs(15);

/// A reaper that ends sooner than this after its start was not killed by accident.
const SHORT: Duration = Duration::from_secs(5);

/// So many short lives in a row, and it is given up.
const SHORT_LIVES: u32 = 5;

/// Sees to it that a reaper watches over this process, which must bear a mark: otherwise nothing happens.
///
/// `program` must hand its arguments after [`VERB`] to [`watch`].
pub fn keep(program: PathBuf) {
    if Mark::own().is_none() {
        return;
    }
    let kept = std::thread::Builder::new().name("reaper".into()).spawn(move || keep_one(&program));
    if let Err(error) = kept {
        tracing::warn!(%error, "there is no reaper: what agents leave behind after a kill of the runtime is swept at its next start");
    }
}

fn keep_one(program: &Path) {
    let mut short = 0;
    while short < SHORT_LIVES {
        let began = Instant::now();
        let mut child = match start(program) {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!(%error, "the reaper cannot be started");
                break;
            }
        };
        // As long as this thread waits, the pipe is open.
        let pipe = child.stdin.take();
        let ended = child.wait();
        orphans::forget(Pid::from_child(&child));
        drop(pipe);
        short = if began.elapsed() < SHORT { short + 1 } else { 0 };
        tracing::warn!(?ended, "the reaper has ended; it is started again");
    }
    tracing::warn!(
        "no reaper watches: what agents leave behind after a kill of the runtime is swept at its next start"
    );
}

fn start(program: &Path) -> io::Result<Child> {
    let mut command = Command::new(program);
    // Nothing of ours: no folder that it would keep busy, no output that somebody waits for the end of.
    command.arg(VERB).env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let lock = spawner::spawn_lock();
    let child = command.spawn()?;
    orphans::leave_to_us(Pid::from_child(&child));
    drop(lock);
    Ok(child)
}

/// Is the reaper: waits for the end of standard input, then ends all that bears the mark of this process.
/// False when it bears none, and so has nothing to do.
pub fn watch() -> bool {
    // Whoever kills the runtime's group or hangs its terminal up does not mean us.
    let _ = rustix::process::setsid();
    let Some(mark) = Mark::own() else { return false };
    let mut byte = [0];
    loop {
        match io::stdin().read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    sweep::by_mark(mark, PATIENCE);
    true
}
