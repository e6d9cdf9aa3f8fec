//! A run in the background: the program again, in a session of its own, until it says that it is up.
//!
//! Parent and child share a pair of sockets, which the child finds as its standard input. It says one
//! line there, whether the town is up or why it is not, and lets go of it. So the parent waits for that
//! and polls nothing; a child that dies says nothing, and that is heard too.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use cli::RunOptions;
use config::TownPaths;
use model::refusal::{Class, Refusal};
use serde::{Deserialize, Serialize};

/// Tells the child what it is. Its value is nothing secret and goes no further: agents have an
/// environment of their own.
const MARK: &str = "GASTOWN_DETACHED";

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// The town is up.
    Up {
        /// The runtime's process.
        pid: u32,
    },
    /// It is not.
    Refused(Refusal),
}

/// The child's way to tell its parent how it went; says it once.
#[derive(Debug)]
pub(crate) struct Announcer(());

impl Announcer {
    /// The announcer, if this process was started by [`run`]; it leaves its parent's session then.
    pub(crate) fn of_this_process() -> Option<Announcer> {
        std::env::var_os(MARK)?;
        // It fails only for a process that leads a group already, which is as good.
        let _ = rustix::process::setsid();
        Some(Announcer(()))
    }

    /// The town is up.
    pub(crate) fn up(self) {
        self.say(&Word::Up { pid: std::process::id() });
    }

    /// It is not.
    pub(crate) fn refused(self, refusal: &Refusal) {
        self.say(&Word::Refused(refusal.clone()));
    }

    fn say(self, word: &Word) {
        let mut line = serde_json::to_vec(word).unwrap_or_default();
        line.push(b'\n');
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            match rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdin(), rest)) {
                Ok(n) => rest = &rest[n..],
                // The parent did not wait. The town is up all the same.
                Err(_) => break,
            }
        }
        if let Ok(nothing) = OpenOptions::new().read(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdin(nothing);
        }
    }
}

/// Starts the town of `options` in the background and prints its process id once it answers.
///
/// # Errors
/// What the child says; `detached_died` when it ended without a word.
pub(crate) fn run(options: &RunOptions) -> Result<u8, Refusal> {
    let town = options.town.as_deref().ok_or_else(|| Refusal::usage("a demonstration does not detach"))?;
    let paths = TownPaths::new(town);
    let log = paths.logs().join("run.out");
    let cannot = |error: io::Error| {
        Refusal::failed("cannot_detach", format!("cannot start the town in the background: {error}"))
            .hint(format!("see whether {} can be written", log.display()))
    };
    std::fs::create_dir_all(paths.logs()).map_err(cannot)?;
    let out = OpenOptions::new().create(true).append(true).mode(0o600).open(&log).map_err(cannot)?;
    let err = out.try_clone().map_err(cannot)?;
    let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
    let mut child = Command::new(crate::program::file().map_err(cannot)?);
    child.arg("run").arg("--town").arg(paths.root()).env(MARK, "1").current_dir(paths.root());
    child.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(out).stderr(err);
    let mut running = child.spawn().map_err(cannot)?;
    // The command holds the child's end, and we would never hear that it is gone.
    drop(child);
    let mut line = String::new();
    BufReader::new(ours).read_line(&mut line).map_err(cannot)?;
    match serde_json::from_str(&line) {
        Ok(Word::Up { pid }) => {
            let text = match options.json {
                true => serde_json::json!({"pid": pid, "town": paths.root()}).to_string(),
                false => format!("the town runs as process {pid}; its log is {}", paths.town_log().display()),
            };
            say(&text);
            Ok(0)
        }
        Ok(Word::Refused(refusal)) => {
            let _ = running.wait();
            Err(refusal)
        }
        Err(_) => Err(died(&mut running, &log)),
    }
}

fn died(child: &mut std::process::Child, log: &Path) -> Refusal {
    let how = match child.wait() {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("with exit code {code}"),
            (None, Some(signal)) => format!("by signal {signal}"),
            (None, None) => "somehow".to_owned(),
        },
        Err(error) => format!("and cannot be asked how: {error}"),
    };
    Refusal::new(Class::Failed, "detached_died", format!("the town ended {how} before it was up"))
        .hint(format!("see {}", log.display()))
}

/// Prints a line. Whoever closed standard output does not want it.
fn say(text: &str) {
    use io::Write as _;
    let _ = writeln!(io::stdout(), "{text}");
}
