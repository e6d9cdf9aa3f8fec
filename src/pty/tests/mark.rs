//! What sheds its environment, its session and its parent is found by its mark; and when the runtime is
//! killed, by the reaper. This file is a test binary of its own, since the mark is on the whole process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

use gastown_pty::{Host as _, Mark, Signal, StopPlan, stop};
use rustix::process::{Pid, Signal as Raw, kill_process};
use support::{eventually, host, shell, soon, start};

#[expect(dead_code, reason = "the tests of the host use the rest")]
mod support;

fn bear() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Mark::bear(Path::new("/srv/no-such-town")).unwrap();
    });
}

/// A process that has shed all that it can: environment, group, session, parent, and it ignores signals.
/// Writes its number into `file`.
fn shed(file: &Path) -> String {
    let file = file.display();
    format!(
        "(env -i setsid sh -c 'trap \"\" HUP TERM INT; echo $$ > {file}.new; mv {file}.new {file}; \
         while :; do sleep 0.1; done' </dev/null >/dev/null 2>&1 &)\n"
    )
}

/// Waits for the number in `file`.
async fn number(file: &Path) -> i32 {
    eventually(|| file.exists()).await;
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

fn stat(pid: i32) -> Option<(char, i32)> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

fn kill(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Raw::KILL);
}

#[tokio::test]
async fn what_has_shed_everything_ends_with_its_session_and_no_other() {
    bear();
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("one"), folder.path().join("two")];
    let script = |file: &PathBuf| format!("{} while :; do read x; done", shed(file));
    let (one, two) = (start(shell(&script(&files[0]))).await, start(shell(&script(&files[1]))).await);
    let (first, second) = (number(&files[0]).await, number(&files[1]).await);
    let report = soon(stop(&one.terminal, StopPlan::kill())).await;
    assert!(report.swept >= 1, "{report:?}");
    eventually(|| !lives(first)).await;
    assert!(lives(second), "it belongs to another session");
    drop(two);
    eventually(|| !lives(second)).await;
}

#[tokio::test]
async fn who_lets_nobody_read_its_environment_is_found_too() {
    bear();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    if Command::new("ssh-agent").arg("-h").stderr(Stdio::null()).output().is_err() {
        eprintln!("SKIPPED: there is no ssh-agent");
        return;
    }
    let script = format!(
        "eval $(ssh-agent -a {}) >/dev/null; echo $SSH_AGENT_PID > {f}.new; mv {f}.new {f}; \
         while :; do read x; done",
        folder.path().join("socket").display(),
        f = file.display()
    );
    let town = start(shell(&script)).await;
    let agent = number(&file).await;
    soon(stop(&town.terminal, StopPlan::kill())).await;
    eventually(|| !lives(agent)).await;
}

#[tokio::test]
async fn a_halted_town_stands_still_wherever_its_processes_have_gone_and_goes_on() {
    bear();
    let folder = tempfile::tempdir().unwrap();
    let (file, slept) = (folder.path().join("one"), folder.path().join("slept"));
    // One that its own shell has put to sleep stays asleep.
    let script = format!(
        "{} set -m; sh -c 'echo $$ > {s}.new; mv {s}.new {s}; kill -STOP $$; sleep 1000' & \
         while :; do read x; done",
        shed(&file),
        s = slept.display()
    );
    let session = start(shell(&script)).await;
    let (away, sleeper) = (number(&file).await, number(&slept).await);
    let state = |pid| stat(pid).map(|(state, _)| state);
    eventually(|| state(sleeper) == Some('T')).await;
    let leader = i32::try_from(session.terminal.pid()).unwrap();
    // As a town is halted: first the groups, which is quick, then all the others.
    session.terminal.signal_group(Signal::Stop).unwrap();
    let town = Path::new("/srv/no-such-town");
    let asleep = host().halt_town(town);
    // A shell whose child was stopped between its start and its program waits for it in the kernel.
    let stands = |pid| matches!(state(pid), Some('T' | 'D'));
    eventually(|| stands(away) && stands(leader)).await;
    session.terminal.signal_group(Signal::Continue).unwrap();
    host().wake_town(town, &asleep);
    eventually(|| !stands(away) && !stands(leader)).await;
    assert_eq!(state(sleeper), Some('T'), "somebody else has put it to sleep");
    drop(session);
    eventually(|| !lives(away) && !lives(sleeper)).await;
}

/// A runtime in a process of its own, killed when dropped.
struct Runtime(Child);

impl Runtime {
    fn start(town: &Path, script: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pty-shim"));
        command.arg("__runtime").arg(town).arg(script);
        Runtime(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// The reaper that watches over it, which no environment names.
    fn reaper(&self) -> Option<i32> {
        let own = i32::try_from(self.0.id()).unwrap();
        let numbers = std::fs::read_dir("/proc").unwrap().flatten();
        let children = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        children.filter(|pid| stat(*pid).is_some_and(|(state, parent)| state != 'Z' && parent == own)).find(
            |pid| {
                let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                words.split(|byte| *byte == 0).any(|word| word == gastown_pty::reaper::VERB.as_bytes())
            },
        )
    }

    async fn watched(&self) -> i32 {
        eventually(|| self.reaper().is_some()).await;
        self.reaper().unwrap()
    }

    fn kill9(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn when_the_runtime_is_killed_nothing_that_bears_its_mark_is_left_nor_the_reaper() {
    let folder = tempfile::tempdir().unwrap();
    let town = folder.path();
    let (one, two) = (town.join("one"), town.join("two"));
    let mut first = Runtime::start(town, &format!("{} sleep 1000", shed(&one)));
    let away = number(&one).await;
    let reaper = first.watched().await;
    first.kill9();
    // The next life of the same town is not touched.
    let second = Runtime::start(town, &format!("{} sleep 1000", shed(&two)));
    let next = number(&two).await;
    eventually(|| !lives(away) && !lives(reaper)).await;
    assert!(lives(next) && second.reaper().is_some());
    drop(second);
    eventually(|| !lives(next)).await;
}

#[tokio::test]
async fn a_reaper_that_is_killed_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one");
    let mut runtime = Runtime::start(folder.path(), &format!("{} sleep 1000", shed(&file)));
    let away = number(&file).await;
    let first = runtime.watched().await;
    kill(first);
    eventually(|| runtime.reaper().is_some_and(|reaper| reaper != first)).await;
    let second = runtime.reaper().unwrap();
    runtime.kill9();
    eventually(|| !lives(away) && !lives(second)).await;
}
