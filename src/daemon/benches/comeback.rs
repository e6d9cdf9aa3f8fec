//! `cargo bench -p gastown-daemon --bench comeback [-- GASTOWN [ROUNDS [AGENTS]]]`: after SIGKILL of the runtime, until
//! all agents are back at their work.
//!
//! The town is real, and so are the agents: each is a process in a terminal of its own that reads its brief, finds its
//! place in its worktree and runs the block of its bead, which says that it is there and then waits for ever. The
//! runtime is killed and takes its agents along; the next one is started at once. Measured is from its start until
//! each agent's block says that it is there again, and until the first command is answered. The rig lets five seconds
//! pass between two workers that are given new work, which must not count here.
//!
//! GASTOWN is the program, built with `cargo build --release` (target/release/gastown).

mod support;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use support::{Outcome, make, quantile, repository};

const ROUNDS: usize = 10;
const AGENTS: usize = 30;

/// How long all may take to be there before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A runtime. Killed when dropped.
struct Runtime(Child);

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Town {
    program: PathBuf,
    root: PathBuf,
    back: PathBuf,
    agents: usize,
}

fn main() -> Outcome<()> {
    // cargo says `--bench` to every bench.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/gastown");
    let program = words.next().map_or(built, PathBuf::from).canonicalize()?;
    let rounds = words.next().map_or(Ok(ROUNDS), |n| n.parse())?;
    let agents = words.next().map_or(Ok(AGENTS), |n| n.parse())?;
    let folder = match std::env::var_os("GASTOWN_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let root = folder.path().canonicalize()?;
    let origin = repository(&root)?;
    make(&root.join("town"), &origin, 1)?;
    let town = Town { program, root: root.join("town"), back: root.join("back"), agents };
    std::fs::create_dir(&town.back)?;
    town.set("worker_spawn_delay", "\"0s\"")?;
    town.set("max_workers", &agents.to_string())?;
    town.work()?;
    let mut runtime = town.run()?;
    town.all_there(Instant::now())?;
    town.set("worker_spawn_delay", "\"5s\"")?;
    let (mut answers, mut firsts, mut each, mut lasts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        for entry in std::fs::read_dir(&town.back)? {
            std::fs::remove_file(entry?.path())?;
        }
        drop(runtime);
        let (began, at) = (Instant::now(), SystemTime::now());
        runtime = town.run()?;
        town.answers(began)?;
        answers.push(began.elapsed());
        let mut took = town.all_there(began)?.into_iter().map(|there| since(at, there)).collect::<Vec<_>>();
        took.sort_unstable();
        firsts.extend(took.first());
        lasts.extend(took.last());
        each.extend(took);
    }
    println!("\n{agents} agents, {rounds} kills\n");
    println!("| from the start of the next runtime until | p50 ms | p99 ms | longest ms |");
    println!("|---|--:|--:|--:|");
    for (what, took) in [
        ("a command is answered", &mut answers),
        ("the first agent is at its work", &mut firsts),
        ("an agent is at its work", &mut each),
        ("all are", &mut lasts),
    ] {
        let (p50, p99, longest) = (quantile(0.5, took), quantile(0.99, took), quantile(1.0, took));
        println!("| {what} | {p50:.0} | {p99:.0} | {longest:.0} |");
    }
    town.command(&["stop"]).status()?;
    Ok(())
}

fn since(at: SystemTime, there: SystemTime) -> Duration {
    there.duration_since(at).unwrap_or_default()
}

impl Town {
    fn command(&self, words: &[&str]) -> Command {
        let keep = |name: &str| std::env::var_os(name).map(|value| (OsString::from(name), value));
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .current_dir(&self.root)
            .env_clear()
            .envs(["PATH", "HOME", "TMPDIR"].into_iter().filter_map(keep));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self) -> Outcome<Runtime> {
        Ok(Runtime(self.command(&["run"]).spawn()?))
    }

    /// Sets a key of the rig's configuration.
    fn set(&self, key: &str, value: &str) -> Outcome<()> {
        let file = self.root.join("r0/config.json");
        let mut config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
        config[key] = serde_json::from_str(value)?;
        Ok(std::fs::write(file, serde_json::to_string_pretty(&config)?)?)
    }

    /// A bead for each agent, whose block says that it is there and waits.
    fn work(&self) -> Outcome<()> {
        let block = format!(": > \"{}/${{GASTOWN_AGENT##*/}}\"\nexec sleep 1000000", self.back.display());
        let description = format!("```sh\n{block}\n```\n");
        let mut sling = vec!["sling".to_owned()];
        for n in 0..self.agents {
            let title = format!("Wait {n}");
            let words = ["bead", "create", "--title", &title, "--rig", "r0", "--description", &description];
            let said = self.command(&words).arg("--json").stdout(Stdio::piped()).output()?;
            let bead: serde_json::Value = serde_json::from_slice(&said.stdout)?;
            sling.push(bead["id"].as_str().ok_or("no bead was made")?.to_owned());
        }
        sling.push("r0".to_owned());
        let words: Vec<&str> = sling.iter().map(String::as_str).collect();
        if self.command(&words).status()?.success() { Ok(()) } else { Err("nothing was slung".into()) }
    }

    /// Waits until a command is answered.
    fn answers(&self, began: Instant) -> Outcome<()> {
        while !self.command(&["tree"]).status()?.success() {
            if began.elapsed() > PATIENCE {
                return Err("the town does not answer".into());
            }
        }
        Ok(())
    }

    /// Waits until all agents have said that they are there; returns when each has.
    fn all_there(&self, began: Instant) -> Outcome<Vec<SystemTime>> {
        loop {
            let mut there = Vec::new();
            for entry in std::fs::read_dir(&self.back)? {
                there.push(entry?.metadata()?.modified()?);
            }
            if there.len() >= self.agents {
                return Ok(there);
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("only {} of {} are there", there.len(), self.agents).into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // What a runtime that was killed has left: nothing else names this folder.
        let folder = self.root.as_os_str().as_encoded_bytes();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if let Some(pid) = pid.filter(|_| environ.windows(folder.len()).any(|piece| piece == folder)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
