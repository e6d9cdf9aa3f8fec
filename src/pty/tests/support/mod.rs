//! Starting programs for tests, and waiting for what they do.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gastown_pty::{Host, RealHost, SpawnSpec, Terminal, TerminalHandle, Wiring};

/// How long anything may take before the test is given up; nothing is measured with it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program and the marker that all it starts carries.
pub(crate) struct Started {
    pub(crate) terminal: Terminal,
    pub(crate) marker: String,
}

impl Started {
    /// The processes of this program that are alive.
    pub(crate) fn living(&self) -> Vec<i32> {
        living(&self.marker, self.terminal.pid())
    }
}

pub(crate) fn host() -> RealHost {
    RealHost::new(PathBuf::from(env!("CARGO_BIN_EXE_pty-shim")))
}

pub(crate) fn spec(program: &str, args: &[&str]) -> SpawnSpec {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    SpawnSpec {
        program: program.into(),
        args: args.iter().map(ToString::to_string).collect(),
        cwd: "/".into(),
        env: [("PATH".to_string(), "/usr/local/bin:/usr/bin:/bin".to_string())].into(),
        marker: format!("pty-test-{}-{number}", std::process::id()),
        ..SpawnSpec::default()
    }
}

pub(crate) fn shell(script: &str) -> SpawnSpec {
    spec("sh", &["-c", script])
}

pub(crate) async fn start(spec: SpawnSpec) -> Started {
    start_with(spec, Wiring::default()).await
}

pub(crate) async fn start_with(spec: SpawnSpec, wiring: Wiring) -> Started {
    let marker = spec.marker.clone();
    let terminal = soon(host().spawn(spec, wiring)).await.unwrap();
    Started { terminal, marker }
}

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it takes far too long")
}

/// Waits until the screen's text is as wanted, looking after each output.
pub(crate) async fn until(terminal: &TerminalHandle, wanted: impl Fn(&str) -> bool) {
    let mut output = terminal.output();
    soon(async {
        loop {
            output.borrow_and_update();
            if wanted(&terminal.text()) {
                return;
            }
            tokio::select! {
                changed = output.changed() => changed.unwrap(),
                status = terminal.exited() => {
                    assert!(wanted(&terminal.text()), "ended with {status}: {}", terminal.text());
                    return;
                }
            }
        }
    })
    .await;
}

/// Waits for something that tells nobody when it happens.
pub(crate) async fn eventually(done: impl Fn() -> bool) {
    soon(async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn pids() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// State, parent and session of a process.
fn stat(pid: i32) -> Option<(String, i32, i32)> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.into(), fields.next()?.parse().ok()?, fields.nth(1)?.parse().ok()?))
}

/// The living processes that carry `marker` or belong to the session `leader`.
pub(crate) fn living(marker: &str, leader: u32) -> Vec<i32> {
    let leader = i32::try_from(leader).unwrap();
    let wanted = format!("GASTOWN_SESSION={marker}");
    let marked = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .unwrap_or_default()
            .split(|byte| *byte == 0)
            .any(|entry| entry == wanted.as_bytes())
    };
    let ours = |pid: &i32| {
        stat(*pid).is_some_and(|(state, _, session)| {
            state != "Z" && state != "X" && ((leader != 0 && session == leader) || marked(pid))
        })
    };
    pids().into_iter().filter(ours).collect()
}

/// How many ended children of this process lie in another session than its own.
pub(crate) fn zombies_elsewhere() -> usize {
    let own = i32::try_from(std::process::id()).unwrap();
    let own_session = stat(own).unwrap().2;
    let ended = |pid: &i32| {
        stat(*pid)
            .is_some_and(|(state, parent, session)| state == "Z" && parent == own && session != own_session)
    };
    pids().iter().filter(|pid| ended(pid)).count()
}
