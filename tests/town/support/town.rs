//! A town in a temporary folder, its runtime, and what can be asked of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::repo::Origin;
use super::{eventually, find, lives, processes_of, signal};

/// A check that passes on every tree without a file `broken`.
pub(crate) const GATE: &str = "check=if test -e broken; then echo found: broken; exit 1; fi";

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The one value that was printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("standard output is not one JSON value: {error}\n{self:?}"))
    }

    /// A value per line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The error that was printed, as `--json` has it.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let value = self.stderr.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
        value.unwrap_or_else(|| panic!("no error as JSON: {self:?}"))["error"].clone()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Output {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Sees to it that it was refused with `code`, called `name`, and that a hint says what to do.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, name: &str) -> Value {
        assert_eq!(self.code, code, "{self:?}");
        let error = self.error();
        assert_eq!(error["code"], name, "{self:?}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{self:?}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "no hint: {self:?}");
        error
    }
}

/// A town. Everything that it or its test started ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Town {
    place: Place,
    // Removed last.
    _folder: TempDir,
}

impl Deref for Town {
    type Target = Place;
    fn deref(&self) -> &Place {
        &self.place
    }
}

impl DerefMut for Town {
    fn deref_mut(&mut self) -> &mut Place {
        &mut self.place
    }
}

/// Where a town lies and how the program is called there.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The test's own folder: everything that it makes is below.
    pub(crate) folder: PathBuf,
    /// The town's folder in it.
    pub(crate) root: PathBuf,
    /// The environment of the person of this test.
    pub(crate) env: BTreeMap<String, String>,
}

impl Town {
    /// A fresh town whose agents are shell scripts.
    pub(crate) fn new() -> Town {
        let town = Town::unmade();
        town.gastown_in(&town.folder, &["install", "town", "--agent", "shell"]).ok();
        town
    }

    /// A folder for a town that is not made yet.
    pub(crate) fn unmade() -> Town {
        let folder = TempDir::with_prefix("gastown-").unwrap();
        let real = folder.path().canonicalize().unwrap();
        for name in ["home", "tmp", "out"] {
            fs::create_dir(real.join(name)).unwrap();
        }
        let path = |name: &str| real.join(name).display().to_string();
        let env = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".to_owned(), path("home")),
            ("TMPDIR".to_owned(), path("tmp")),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned()),
        ]);
        Town { place: Place { root: real.join("town"), folder: real, env }, _folder: folder }
    }

    /// A town with a rig `web` whose gate is [`GATE`], and its origin.
    pub(crate) fn with_rig() -> (Town, Origin) {
        let town = Town::new();
        let origin = town.rig("web", &["--gate", GATE]);
        (town, origin)
    }
}

impl Place {
    /// Takes in a rig made from a fresh repository; its workers need not wait for each other.
    #[track_caller]
    pub(crate) fn rig(&self, name: &str, options: &[&str]) -> Origin {
        let files = [("README", "A sample.\n"), ("shared.txt", "one\ntwo\nthree\n")];
        let origin = Origin::new(self.folder.join(format!("{name}.git")), &files);
        self.gastown(&[&["rig", "add", name, origin.url()], options].concat()).ok();
        self.configure(&format!("{name}/config.json"), |config| {
            config["worker_spawn_delay"] = "0s".into();
        });
        origin
    }

    /// Changes a file of configuration.
    #[track_caller]
    pub(crate) fn configure(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let path = self.root.join(file);
        let mut value: Value = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).unwrap(),
            Err(_) => serde_json::json!({ "version": 1 }),
        };
        change(&mut value);
        fs::write(&path, serde_json::to_string_pretty(&value).unwrap()).unwrap();
    }

    /// The program in the town's own folder, in a clean environment.
    pub(crate) fn command(&self, folder: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gastown"));
        command.args(words).current_dir(folder).env_clear().envs(&self.env).stdin(Stdio::null());
        command
    }

    /// Runs a command in the town's folder to its end.
    #[track_caller]
    pub(crate) fn gastown(&self, words: &[&str]) -> Output {
        self.gastown_in(&self.root, words)
    }

    /// Runs a command in some folder to its end.
    #[track_caller]
    pub(crate) fn gastown_in(&self, folder: &Path, words: &[&str]) -> Output {
        self.begin(self.command(folder, words)).wait()
    }

    /// What a command answers with `--json`.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        self.gastown(&[words, &["--json"]].concat()).ok().json()
    }

    /// Makes a bead of rig `web` whose description is an sh block, and returns its name.
    #[track_caller]
    pub(crate) fn bead(&self, title: &str, script: &str) -> String {
        self.bead_of("web", title, script)
    }

    /// Makes a bead of a rig.
    #[track_caller]
    pub(crate) fn bead_of(&self, rig: &str, title: &str, script: &str) -> String {
        let description = format!("```sh\n{script}\n```\n");
        let bead =
            self.json(&["bead", "create", "--title", title, "--rig", rig, "--description", &description]);
        bead["id"].as_str().unwrap().to_owned()
    }

    /// Makes a bead and slings it to rig `web`.
    #[track_caller]
    pub(crate) fn work(&self, title: &str, script: &str) -> String {
        let bead = self.bead(title, script);
        self.gastown(&["sling", &bead, "web"]).ok();
        bead
    }

    /// Starts the runtime and waits until it answers.
    #[track_caller]
    pub(crate) fn run(&self) -> Running {
        let running = self.start(&["run"]);
        eventually("the runtime answers", || {
            running.assert_alive();
            self.answers()
        });
        running
    }

    /// Whether a runtime answers at the socket.
    pub(crate) fn answers(&self) -> bool {
        let said = self.gastown(&["status", "--json", "--carrier", "socket"]);
        said.code == 0 && matches!(said.json()["town"]["state"].as_str(), Some("running" | "frozen"))
    }

    /// Asks one question over the socket, as any program may: see docs/protocol.md.
    #[track_caller]
    pub(crate) fn ask(&self, command: &Value) -> Value {
        let mut stream = UnixStream::connect(self.root.join("run/gastown.sock")).unwrap();
        for value in [&json!({ "version": 1 }), &json!({ "ask": command })] {
            let text = value.to_string();
            let length = u32::try_from(text.len()).unwrap().to_be_bytes();
            stream.write_all(&[length.as_slice(), b"J", text.as_bytes()].concat()).unwrap();
        }
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(head[..4].try_into().unwrap()) as usize];
        stream.read_exact(&mut answer).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    /// Starts the program as a process of the test.
    #[track_caller]
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        self.begin(self.command(&self.root, words))
    }

    /// Starts a command as a process of the test. What it prints goes to files: nobody need read it.
    #[track_caller]
    pub(crate) fn begin(&self, mut command: Command) -> Running {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let (out, n) = (self.folder.join("out"), NUMBER.fetch_add(1, Ordering::Relaxed));
        let (stdout, stderr) = (out.join(format!("{n}.out")), out.join(format!("{n}.err")));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running { place: self.clone(), child: command.spawn().unwrap(), stdout, stderr }
    }

    /// Runs until nothing is left to do; returns what came of it.
    #[track_caller]
    pub(crate) fn until_idle(&self) -> Output {
        let running = self.start(&["run", "--until-idle", "--json"]);
        running.wait()
    }

    /// The same, where all must go well.
    #[track_caller]
    pub(crate) fn all_lands(&self) -> Value {
        let said = self.until_idle();
        assert_eq!(said.code, 0, "{said:?}\n{}", self.story());
        said.json()
    }

    /// Everything that has happened, for the message of a test that failed.
    pub(crate) fn story(&self) -> String {
        fs::read_to_string(self.root.join(".beads/feed.jsonl")).unwrap_or_default()
    }

    /// The events of these types, oldest first.
    #[track_caller]
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        self.gastown(&["events", "--type", kind, "--json"]).ok().json_lines()
    }

    /// The events in the feed file, which needs nobody to be asked.
    pub(crate) fn feed(&self) -> Vec<Value> {
        // The last line may be half written.
        self.story().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for an event in the feed.
    #[track_caller]
    pub(crate) fn event(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        find(&format!("an event: {what}"), || self.feed().into_iter().find(|event| fits(event)))
    }

    /// Waits for an event of `kind` about `bead`.
    #[track_caller]
    pub(crate) fn event_of(&self, kind: &str, bead: &str) -> Value {
        self.event(&format!("{kind} of {bead}"), |event| {
            event["type"] == kind && event["data"]["bead"] == bead
        })
    }

    #[track_caller]
    pub(crate) fn bead_shown(&self, bead: &str) -> Value {
        match self.json(&["bead", "show", bead]) {
            Value::Array(mut beads) => beads.remove(0),
            bead => bead,
        }
    }

    /// The agent with this address, as `status` has it.
    #[track_caller]
    pub(crate) fn agent(&self, address: &str) -> Value {
        let status = self.json(&["status"]);
        let agents = status["agents"].as_array().unwrap();
        agents.iter().find(|agent| agent["address"] == address).cloned().unwrap_or(Value::Null)
    }

    /// A file that scripts wait for: they go on once it is [opened](Self::open).
    pub(crate) fn barrier(&self, name: &str) -> String {
        let path = self.folder.join(name);
        format!("while [ ! -e {path} ]; do sleep 0.05; done", path = path.display())
    }

    /// Lets those go on that wait at the [`barrier`](Self::barrier).
    pub(crate) fn open(&self, name: &str) {
        fs::write(self.folder.join(name), "").unwrap();
    }

    /// The living processes that belong to this test, runtime included.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        processes_of(&self.folder)
    }

    /// Sees to it that nothing of this town runs any more.
    #[track_caller]
    pub(crate) fn assert_nothing_runs(&self) {
        let mut left = Vec::new();
        let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("nothing of the town runs", || {
                left = self.processes();
                left.is_empty()
            });
        }));
        assert!(gone.is_ok(), "still running: {left:?}");
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // What a failed test or a killed runtime has left: nothing else names this folder.
        for (pid, _) in self.processes() {
            signal(pid, Signal::KILL);
        }
    }
}

/// A runtime, or another command that goes on. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    place: Place,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    fn said(&self, status: Option<ExitStatus>) -> Output {
        Output {
            code: status.and_then(|status| status.code()).unwrap_or(-1),
            stdout: fs::read_to_string(&self.stdout).unwrap_or_default(),
            stderr: fs::read_to_string(&self.stderr).unwrap_or_default(),
        }
    }

    #[track_caller]
    pub(crate) fn assert_alive(&self) {
        assert!(lives(self.pid()), "it has ended: {:?}", self.said(None));
    }

    /// Ends the process without a word, as a crash would.
    pub(crate) fn kill9(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has not ended yet.
    pub(crate) fn lives(&self) -> bool {
        lives(self.pid())
    }

    /// Ends the process without a word, and returns what it has said on standard error.
    pub(crate) fn kill9_and_hear(mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.said(None).stderr
    }

    /// What it has printed on standard output so far.
    pub(crate) fn printed(&self) -> String {
        self.said(None).stdout
    }

    /// Sends a signal to the process alone.
    pub(crate) fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// Asks the runtime to end, and waits for it.
    #[track_caller]
    pub(crate) fn stop(self) -> Output {
        self.place.gastown(&["stop"]).ok();
        self.wait()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Output {
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            find("it ends", || self.child.try_wait().unwrap())
        }));
        match waited {
            Ok(status) => self.said(Some(status)),
            Err(_) => panic!("it does not end: {:?}\n{}", self.said(None), self.place.story()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
