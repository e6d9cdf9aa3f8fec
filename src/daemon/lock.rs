//! One writer per town: the lock that a runtime holds for its life and a command for its question.
//!
//! The lock is the kernel's (`flock`), so it goes with its holder however that ends; nothing stale is
//! ever waited for. The text in the file only says who holds it, for messages. Left-over pid and
//! socket files are cleared away by whoever has the lock, and by nobody else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use config::{TownPaths, run_dir};
use model::refusal::{Class, Refusal};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long a command waits for another one that works on the ledger directly.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether it need not wait any more.
const LOOK: Duration = Duration::from_millis(10);

/// Who holds a town, in the words of the lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// A runtime.
    Runtime(u32),
    /// A short command without a runtime.
    Command(u32),
    /// Somebody who has not said so yet.
    Unknown,
}

impl Holder {
    fn read(file: &mut File) -> Holder {
        let mut text = String::new();
        let _ = io::Seek::rewind(file).and_then(|()| file.take(64).read_to_string(&mut text));
        let mut words = text.split_whitespace();
        match (words.next(), words.next().and_then(|pid| pid.parse().ok())) {
            (Some("runtime"), Some(pid)) => Holder::Runtime(pid),
            (Some("command"), Some(pid)) => Holder::Command(pid),
            _ => Holder::Unknown,
        }
    }
}

/// The right to write to a town's ledger. Gone when dropped.
#[derive(Debug)]
pub(crate) struct TownLock {
    file: File,
    /// A runtime's own, which leaves nothing behind.
    runtime: Option<TownPaths>,
}

impl TownLock {
    /// Takes the lock for a runtime, clears away what a dead one left, and writes the pid file.
    ///
    /// Waits a little for a command, for a runtime that has closed its socket and is about to go, and for
    /// what a killed one was just starting.
    ///
    /// # Errors
    /// `already_running` (exit code 3) when a runtime has it; `town_busy` when a command does not let
    /// go of it; `cannot_lock` when the folder takes no files.
    pub(crate) fn for_runtime(paths: &TownPaths) -> Result<TownLock, Refusal> {
        let file = take(paths, "runtime", !paths.socket().exists())?;
        let lock = TownLock { file, runtime: Some(paths.clone()) };
        clear(&paths.socket(), "the socket of a runtime that is gone")?;
        let pid = format!("{}\n", std::process::id());
        fs::write(paths.pid_file(), pid).map_err(|error| cannot(paths, "write the pid file", &error))?;
        Ok(lock)
    }

    /// Takes the lock for one command; waits a little for whoever has it.
    ///
    /// # Errors
    /// `already_running` or `town_busy` (exit code 3), `cannot_lock`.
    pub(crate) fn for_command(paths: &TownPaths) -> Result<TownLock, Refusal> {
        let file = take(paths, "command", true)?;
        Ok(TownLock { file, runtime: None })
    }
}

impl Drop for TownLock {
    fn drop(&mut self) {
        // Before the lock goes: afterwards these may be somebody else's.
        if let Some(paths) = &self.runtime {
            let _ = fs::remove_file(paths.pid_file());
            let _ = fs::remove_file(paths.socket());
        }
        let _ = self.file.set_len(0);
    }
}

fn cannot(paths: &TownPaths, what: &str, error: &io::Error) -> Refusal {
    let run = paths.run_dir();
    Refusal::failed("cannot_lock", format!("cannot {what} in {}: {error}", run.display()))
        .hint(format!("the town's folder must be writable for this user: see `ls -ld {}`", run.display()))
}

fn clear(path: &Path, what: &str) -> Result<(), Refusal> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Refusal::failed("cannot_lock", format!("cannot remove {what}, {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Takes the lock and writes into it who has it now. Waits for a command, and for a runtime only if
/// `for_runtimes`.
fn take(paths: &TownPaths, role: &str, for_runtimes: bool) -> Result<File, Refusal> {
    run_dir::prepare(paths)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(paths.lock_file())
        .map_err(|error| cannot(paths, "open the lock", &error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let holder = Holder::read(&mut file);
            // A child between fork and exec holds the lock of a runtime that was killed meanwhile.
            if matches!(holder, Holder::Runtime(pid) if is_there(pid)) && !for_runtimes {
                return Err(held(paths, holder));
            }
            // One that is starting says by its socket that it is up: who wants to ask goes there.
            let answers =
                || role == "command" && matches!(holder, Holder::Runtime(_)) && paths.socket().exists();
            file = wait(file, answers).map_err(|error| cannot(paths, "take the lock", &error))?.ok_or_else(
                || {
                    let mut file = File::open(paths.lock_file());
                    held(paths, file.as_mut().map_or(Holder::Unknown, Holder::read))
                },
            )?;
        }
        Err(error) => return Err(cannot(paths, "take the lock", &error.into())),
    }
    let said = file.set_len(0).and_then(|()| {
        io::Seek::rewind(&mut file)?;
        writeln!(file, "{role} {}", std::process::id())
    });
    said.map_err(|error| cannot(paths, "write the lock", &error))?;
    Ok(file)
}

/// Waits for the lock on a thread of its own, since the kernel knows no time limit for this, until it need
/// not be waited for any more. When nobody waits, a late lock is let go at once.
fn wait(file: File, enough: impl Fn() -> bool) -> io::Result<Option<File>> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("lock".into()).spawn(move || {
        let taken = rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive));
        let _ = sender.send(taken.map(|()| file));
    })?;
    let until = Instant::now() + PATIENCE;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(Ok(file)) => return Ok(Some(file)),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) if enough() || Instant::now() >= until => return Ok(None),
            Err(_) => {}
        }
    }
}

fn is_there(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn held(paths: &TownPaths, holder: Holder) -> Refusal {
    let town = paths.root().display();
    match holder {
        Holder::Runtime(pid) => Refusal::new(
            Class::Runtime,
            "already_running",
            format!("the town {town} is run by process {pid} already"),
        )
        .hint(
            "see how it is with `gastown status`, or end it with `gastown stop`; one that has just been \
             started takes a moment to answer",
        ),
        Holder::Command(pid) => Refusal::new(
            Class::Runtime,
            "town_busy",
            format!("process {pid} works on the ledger of {town} directly"),
        )
        .hint("try again when it has finished"),
        Holder::Unknown => {
            Refusal::new(Class::Runtime, "town_busy", format!("somebody holds the lock of {town}"))
                .hint(format!("see who it is: fuser {}", paths.lock_file().display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn town() -> (tempfile::TempDir, TownPaths) {
        let folder = tempfile::tempdir().unwrap();
        let paths = TownPaths::new(folder.path());
        (folder, paths)
    }

    #[test]
    fn a_second_runtime_is_refused_and_told_who_the_first_is() {
        let (_folder, paths) = town();
        let first = TownLock::for_runtime(&paths).unwrap();
        fs::write(paths.socket(), "").unwrap();
        let refusal = TownLock::for_runtime(&paths).unwrap_err();
        assert_eq!((refusal.class, refusal.code.as_str()), (Class::Runtime, "already_running"));
        assert!(refusal.message.contains(&std::process::id().to_string()));
        assert_eq!(fs::read_to_string(paths.pid_file()).unwrap().trim(), std::process::id().to_string());
        drop(first);
        assert!(!paths.pid_file().exists());
        TownLock::for_runtime(&paths).unwrap();
    }

    #[test]
    fn a_runtime_waits_for_what_a_killed_one_was_just_starting() {
        let (_folder, paths) = town();
        // Nobody has this number; the lock is held and the socket is there, as after a kill.
        let (nobody, mut child) = (u32::MAX, take(&paths, "runtime", true).unwrap());
        child.set_len(0).and_then(|()| io::Seek::rewind(&mut child)).unwrap();
        writeln!(child, "runtime {nobody}").unwrap();
        fs::write(paths.socket(), "").unwrap();
        let (says, hears) = mpsc::channel();
        let again = paths.clone();
        let next = thread::spawn(move || {
            says.send(()).unwrap();
            TownLock::for_runtime(&again).map(drop)
        });
        hears.recv().unwrap();
        drop(child);
        next.join().unwrap().unwrap();
    }

    #[test]
    fn a_command_waits_for_another_and_leaves_nothing_behind() {
        let (_folder, paths) = town();
        let first = TownLock::for_command(&paths).unwrap();
        let (says, hears) = mpsc::channel();
        let other = paths.clone();
        let second = thread::spawn(move || {
            says.send(()).unwrap();
            TownLock::for_command(&other).map(drop)
        });
        hears.recv().unwrap();
        drop(first);
        second.join().unwrap().unwrap();
        assert!(!paths.pid_file().exists());
        TownLock::for_runtime(&paths).unwrap();
    }

    #[test]
    fn a_command_that_meets_a_starting_runtime_waits_no_longer_than_until_it_answers() {
        let (_folder, paths) = town();
        let runtime = TownLock::for_runtime(&paths).unwrap();
        let (says, hears) = mpsc::channel();
        let other = paths.clone();
        let command = thread::spawn(move || {
            says.send(()).unwrap();
            TownLock::for_command(&other).map(drop)
        });
        hears.recv().unwrap();
        fs::write(paths.socket(), "").unwrap();
        assert_eq!(command.join().unwrap().unwrap_err().code, "already_running");
        drop(runtime);
    }

    #[test]
    fn what_a_dead_runtime_left_is_cleared_away_under_the_lock_only() {
        let (_folder, paths) = town();
        run_dir::prepare(&paths).unwrap();
        fs::write(paths.pid_file(), "1\n").unwrap();
        drop(std::os::unix::net::UnixListener::bind(paths.socket()).unwrap());
        drop(TownLock::for_command(&paths).unwrap());
        assert!(paths.socket().exists() && paths.pid_file().exists());
        let lock = TownLock::for_runtime(&paths).unwrap();
        assert!(!paths.socket().exists());
        drop(lock);
    }

    #[test]
    fn a_folder_that_takes_no_files_is_told_with_a_hint() {
        let paths = TownPaths::new("/proc");
        let refusal = TownLock::for_command(&paths).unwrap_err();
        assert_eq!(refusal.class, Class::Failed);
        assert!(refusal.hint.is_some());
    }
}
