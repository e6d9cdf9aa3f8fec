//! A gate: one shell command that says whether a tree is good.
//!
//! The command may be anything, so nothing about it is trusted: it gets an environment of its own, no input,
//! a bounded log, a deadline. When it ends, by itself or not, all that it started ends: first its process
//! group, then whatever carries its mark in the environment, wherever that has gone.

use std::{
    collections::BTreeMap,
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    CancelToken,
    process::{End, Group, Limit, Outlet},
    record::Record,
    status, sweep,
};

pub use crate::record::excerpt;

/// Marks all processes of one run.
const MARK: &str = "GASTOWN_GATE";
/// Marks all processes of all runs in one folder: a run that outlived its runtime is found by it.
const FOLDER_MARK: &str = "GASTOWN_GATE_DIR";
/// What a gate gets from our environment when the caller does not set it.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG"];

/// What a gate said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Passed,
    Failed {
        code: i32,
    },
    Signalled {
        signal: i32,
    },
    TimedOut,
    /// The caller's token was cancelled: says nothing about the tree.
    Cancelled,
    /// The folder, the log or the shell is missing: says nothing about the tree.
    CannotStart {
        error: String,
    },
}

/// One run of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateRun {
    pub verdict: Verdict,
    pub duration: Duration,
    /// Whether tracked or untracked files differ afterwards; ignored ones do not count. Not an error.
    pub tree_changed: bool,
}

/// Runs `cmd` by `/bin/sh -c` in `cwd` and waits for its end, `timeout` at most.
///
/// The environment is `env` and, where that does not name them, PATH, HOME, USER, LOGNAME, SHELL, TMPDIR and
/// LANG of ours. Standard output and error go to `log` as they come; of more than 8 MiB, the first and the
/// last half of that. An earlier run in the same folder that outlived its runtime is killed first. While the
/// brake of `cancel` is held everything stands still, and that time does not count.
pub fn run(
    cmd: &str,
    cwd: &Path,
    env: &BTreeMap<String, String>,
    timeout: Duration,
    log: &Path,
    cancel: Option<&CancelToken>,
) -> GateRun {
    let started = Instant::now();
    let folder = cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned());
    sweep_folder(&folder);
    let before = status::ask(&folder).ok();
    faults::pass("gate.run");
    let verdict = try_run(cmd, &folder, env, timeout, log, cancel)
        .unwrap_or_else(|error| Verdict::CannotStart { error });
    faults::pass("gate.ran");
    let tree_changed = before.is_some_and(|before| status::ask(&folder).ok() != Some(before));
    GateRun { verdict, duration: started.elapsed(), tree_changed }
}

/// A gate that is to run beside others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// For `/bin/sh -c`.
    pub cmd: String,
    /// Its variables.
    pub env: BTreeMap<String, String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Where its output goes.
    pub log: PathBuf,
}

/// As [`run`], for several at once in the same folder; returns when all have ended.
pub fn run_all(jobs: &[Job], cwd: &Path, cancel: Option<&CancelToken>) -> Vec<GateRun> {
    let folder = cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned());
    sweep_folder(&folder);
    let before = status::ask(&folder).ok();
    let one = |job: &Job| {
        let started = Instant::now();
        faults::pass("gate.run");
        let verdict = try_run(&job.cmd, &folder, &job.env, job.timeout, &job.log, cancel)
            .unwrap_or_else(|error| Verdict::CannotStart { error });
        faults::pass("gate.ran");
        (verdict, started.elapsed())
    };
    let ended: Vec<(Verdict, Duration)> = match jobs {
        [job] => vec![one(job)],
        _ => std::thread::scope(|scope| {
            let threads: Vec<_> = jobs.iter().map(|job| scope.spawn(|| one(job))).collect();
            let panicked =
                || (Verdict::CannotStart { error: "its thread panicked".to_owned() }, Duration::ZERO);
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked())).collect()
        }),
    };
    let tree_changed = before.is_some_and(|before| status::ask(&folder).ok() != Some(before));
    ended.into_iter().map(|(verdict, duration)| GateRun { verdict, duration, tree_changed }).collect()
}

/// Kills what earlier gates in `cwd` have left running. Returns how many processes were killed.
pub fn sweep_folder(cwd: &Path) -> usize {
    use std::os::unix::ffi::OsStrExt;
    let folder = cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned());
    sweep::kill_marked(FOLDER_MARK, folder.as_os_str().as_bytes())
}

fn try_run(
    cmd: &str,
    cwd: &Path,
    env: &BTreeMap<String, String>,
    timeout: Duration,
    log: &Path,
    cancel: Option<&CancelToken>,
) -> Result<Verdict, String> {
    if cancel.is_some_and(CancelToken::is_cancelled) {
        return Ok(Verdict::Cancelled);
    }
    if !cwd.is_dir() {
        return Err(format!("there is no folder {}", cwd.display()));
    }
    let mut record =
        Record::create(log).map_err(|e| format!("cannot write the log {}: {e}", log.display()))?;
    let failed = |e: io::Error| format!("cannot start /bin/sh: {e}");
    let (output, end) = io::pipe().map_err(failed)?;
    let mark = mark();
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(cmd).current_dir(cwd).env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(env).env(MARK, &mark).env(FOLDER_MARK, cwd);
    command.stdin(Stdio::null()).stdout(end.try_clone().map_err(failed)?).stderr(end);
    let mut group = Group::start(&mut command).map_err(failed)?;
    group.leave_nothing();
    group.stop_with(MARK, &mark);
    drop(command); // Our copies of the pipe's other end go with it.

    let limit = Limit { total: timeout, silence: None };
    let mut sink = |bytes: &[u8]| record.take(bytes);
    let ended = group.watch(&mut [Outlet { pipe: output, sink: &mut sink }], limit, cancel);
    sweep::kill_marked(MARK, mark.as_bytes());
    let verdict = match ended.map_err(|e| format!("cannot watch the gate: {e}"))? {
        End::Exited(status) => match (status.code(), status.signal()) {
            (Some(0), _) => Verdict::Passed,
            (Some(code), _) => Verdict::Failed { code },
            (None, signal) => Verdict::Signalled { signal: signal.unwrap_or_default() },
        },
        End::TimedOut => Verdict::TimedOut,
        End::Cancelled => Verdict::Cancelled,
    };
    record.finish().map_err(|e| format!("cannot write the log {}: {e}", log.display()))?;
    Ok(verdict)
}

/// Returns a value that no other run has, on this machine and since it was started.
fn mark() -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}-{}", std::process::id(), since.as_nanos(), RUNS.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Child};

    use super::*;
    use crate::testing::Lab;

    const LONG: Duration = Duration::from_secs(60);

    struct Site {
        folder: tempfile::TempDir,
    }

    impl Site {
        fn new() -> Site {
            Site { folder: tempfile::Builder::new().prefix("a gate ").tempdir().unwrap() }
        }

        fn log(&self) -> PathBuf {
            self.folder.path().join("logs/gate.log")
        }

        fn run(&self, cmd: &str) -> Verdict {
            run(cmd, self.folder.path(), &BTreeMap::new(), LONG, &self.log(), None).verdict
        }
    }

    fn lives(pid: &str) -> bool {
        // A killed process stays as a zombie until its new parent has looked.
        fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
    }

    /// Kills a process of the test's own, by its handle, when the test ends.
    struct Own(Child);
    impl Drop for Own {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_verdict_says_how_the_command_ended_and_the_log_what_it_said() {
        let site = Site::new();
        assert_eq!(site.run("echo out; echo err >&2"), Verdict::Passed);
        assert_eq!(fs::read_to_string(site.log()).unwrap(), "out\nerr\n");
        assert_eq!(site.run("exit 3"), Verdict::Failed { code: 3 });
        assert_eq!(site.run("no-such-program-at-all"), Verdict::Failed { code: 127 });
        assert!(excerpt(&site.log(), 5).contains("not found"));
        assert_eq!(site.run("kill -SEGV $$"), Verdict::Signalled { signal: 11 });
        assert_eq!(site.run("read line; test -z \"$line\""), Verdict::Passed, "there is no input");
    }

    #[test]
    fn what_cannot_start_is_no_verdict_on_the_tree() {
        let site = Site::new();
        let nowhere = site.folder.path().join("missing");
        let gate = run("true", &nowhere, &BTreeMap::new(), LONG, &site.log(), None);
        assert!(matches!(gate.verdict, Verdict::CannotStart { error } if error.contains("missing")));
        fs::write(site.folder.path().join("file"), "").unwrap();
        let log = site.folder.path().join("file/gate.log");
        let gate = run("true", site.folder.path(), &BTreeMap::new(), LONG, &log, None);
        assert!(matches!(gate.verdict, Verdict::CannotStart { error } if error.contains("gate.log")));
    }

    #[test]
    fn a_gate_sees_its_own_environment_and_not_ours() {
        let site = Site::new();
        let env =
            BTreeMap::from([("RIG".to_owned(), "web".to_owned()), ("HOME".to_owned(), "/h".to_owned())]);
        run("echo $RIG $HOME; env", site.folder.path(), &env, LONG, &site.log(), None);
        let said = fs::read_to_string(site.log()).unwrap();
        assert!(said.starts_with("web /h\n"), "{said}");
        assert!(!said.contains("CARGO"), "{said}");
    }

    #[test]
    fn a_timeout_ends_the_group_and_those_who_left_it() {
        let site = Site::new();
        let cmd = "setsid sh -c 'echo $$ > runaway; exec sleep 600' & \
                   sh -c 'echo $$ > child; exec sleep 600' & wait";
        let gate =
            run(cmd, site.folder.path(), &BTreeMap::new(), Duration::from_millis(700), &site.log(), None);
        assert_eq!(gate.verdict, Verdict::TimedOut);
        for name in ["runaway", "child"] {
            let pid = fs::read_to_string(site.folder.path().join(name)).unwrap();
            assert!(!lives(&pid), "{name} {pid} is still there");
        }
    }

    #[test]
    fn what_a_passed_gate_left_behind_ends_too_and_does_not_hold_us_up() {
        let site = Site::new();
        let cmd =
            "mkfifo ready; setsid sh -c 'echo $$ > server; echo > ready; exec sleep 600' & read x < ready";
        assert_eq!(site.run(cmd), Verdict::Passed);
        let pid = fs::read_to_string(site.folder.path().join("server")).unwrap();
        assert!(!lives(&pid));
    }

    #[test]
    fn a_run_that_outlived_its_runtime_is_ended_before_the_next() {
        let site = Site::new();
        let folder = site.folder.path().canonicalize().unwrap();
        let mut command = Command::new("sleep");
        let mut earlier = Own(command.arg("600").env(FOLDER_MARK, &folder).spawn().unwrap());
        let mut stranger = Own(command.env(FOLDER_MARK, folder.join("other")).spawn().unwrap());
        assert_eq!(site.run("true"), Verdict::Passed);
        assert_eq!(earlier.0.wait().unwrap().signal(), Some(9));
        assert_eq!(stranger.0.try_wait().unwrap(), None);
    }

    #[test]
    fn a_cancelled_gate_ends_at_once() {
        let site = Site::new();
        let token = CancelToken::new();
        let other = token.clone();
        let started = site.folder.path().join("started");
        let watcher = std::thread::spawn(move || {
            while !started.exists() {
                std::thread::yield_now();
            }
            other.cancel();
        });
        let gate = run(
            "echo > started; sleep 600",
            site.folder.path(),
            &BTreeMap::new(),
            LONG,
            &site.log(),
            Some(&token),
        );
        watcher.join().unwrap();
        assert_eq!(gate.verdict, Verdict::Cancelled);
        let gate = run("true", site.folder.path(), &BTreeMap::new(), LONG, &site.log(), Some(&token));
        assert_eq!(gate.verdict, Verdict::Cancelled);
    }

    #[test]
    fn a_gate_stands_still_while_the_brake_is_held_and_that_time_does_not_count() {
        // On a machine with much else to do the gate may be over before it is braked: then it gets more time.
        let stood = [3, 12, 48].into_iter().any(|limit| stands_still(Duration::from_secs(limit)));
        assert!(stood);
        // Cancelled while it stands, it ends.
        let site = Site::new();
        let (token, brake) = (CancelToken::new(), crate::Brake::default());
        brake.hold(true);
        let after = token.clone();
        let ended = std::thread::spawn({
            let (folder, log) = (site.folder.path().to_owned(), site.log());
            let held = token.braked(brake);
            move || run("sleep 600", &folder, &BTreeMap::new(), LONG, &log, Some(&held)).verdict
        });
        after.cancel();
        assert_eq!(ended.join().unwrap(), Verdict::Cancelled);
    }

    /// Whether a gate that may take `limit` lived long enough to be braked, and then to go on. That it stood is asserted.
    fn stands_still(limit: Duration) -> bool {
        let site = Site::new();
        let folder = site.folder.path().to_owned();
        // One that has left the group, and the gate itself: both count as long as they run.
        let count = "while [ ! -e done ]; do echo x";
        let cmd = format!("setsid sh -c '{count} >> away; done' & {count} >> here; done; wait");
        let (token, brake) = (CancelToken::new(), crate::Brake::default());
        let (held, log) = (token.braked(brake.clone()), site.log());
        let gate = std::thread::spawn(move || {
            let run = run(&cmd, &folder, &BTreeMap::new(), limit, &log, Some(&held));
            (run.verdict, run.duration)
        });
        let said = |name: &str| fs::metadata(site.folder.path().join(name)).map_or(0, |file| file.len());
        let both = || [said("away"), said("here")];
        let wait = |what: &dyn Fn() -> bool| {
            while !gate.is_finished() {
                if what() {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            false
        };
        if !wait(&|| both().iter().all(|said| *said > 0)) {
            return false;
        }
        brake.hold(true);
        // It stands when it says the same for a while; longer than the gate may take in all.
        let mut last = both();
        let mut still = Instant::now();
        while still.elapsed() < limit {
            if both() != last {
                (last, still) = (both(), Instant::now());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if gate.is_finished() {
            return false;
        }
        brake.hold(false);
        if !wait(&|| both().iter().zip(&last).all(|(now, then)| now > then)) {
            return false;
        }
        fs::write(site.folder.path().join("done"), "").unwrap();
        let (verdict, took) = gate.join().unwrap();
        assert!(took > limit, "the whole of it is longer than it may take");
        verdict == Verdict::Passed
    }

    #[test]
    fn a_gate_may_change_the_tree_and_we_are_told() {
        let lab = Lab::new();
        let changed = |cmd: &str| {
            let gate = run(cmd, &lab.seed, &BTreeMap::new(), LONG, &lab.path("log"), None);
            assert_eq!(gate.verdict, Verdict::Passed);
            gate.tree_changed
        };
        assert!(!changed("cat a.txt"));
        assert!(changed("echo x >> a.txt"));
        assert!(changed("echo x > new.txt"));
    }
}
