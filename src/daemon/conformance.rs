//! `agent test`: what a kind of agent can do, tried on a town that is thrown away.
//!
//! Everything is done as a person does it, by this program's own commands, each a process of its own; the town has a
//! home of its own below the temporary folder. Its worker is given a bead whose description is an `sh` block, which
//! agents without a model run and others are asked to. What does not happen in time is a *no*, not an error.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cli::{Conformance, TestOptions, Tried};
use config::{Presets, TownPaths};
use model::refusal::Refusal;
use serde_json::{Value, json};

use crate::demo;

/// How often it is looked whether something has happened.
const PAUSE: Duration = Duration::from_millis(50);

/// How long what needs no model may take.
const SHORT: Duration = Duration::from_secs(20);

struct Kit {
    program: PathBuf,
    town: PathBuf,
    folder: PathBuf,
    patience: Duration,
    tried: Vec<Tried>,
}

/// The town's runtime; ended in order, and killed where that does not help.
struct Runtime(Child);

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries the preset that is asked for.
///
/// # Errors
/// `no_such_preset`; `kit` when the throw-away town cannot be made.
pub(crate) fn test(options: &TestOptions) -> Result<Conformance, Refusal> {
    let own = options.town.as_ref().map(TownPaths::new);
    let presets = own.as_ref().map_or_else(Presets::shipped, Presets::load)?;
    let preset = presets.get(&options.preset)?.clone();
    let program = crate::program::file().map_err(|error| failed("find this program", &error))?;
    let folder = demo::fresh_folder(&std::env::temp_dir())?;
    let town = folder.join("town");
    let mut kit =
        Kit { program, town, folder: folder.clone(), patience: options.patience, tried: Vec::new() };
    let found = presets.rows().into_iter().find(|row| row.name == options.preset).and_then(|row| row.program);
    let there = found.is_some();
    let found = found.map(|found| found.replace("{gastown}", "ships with this program"));
    kit.note("program", there, found.unwrap_or_else(|| format!("{} is not on PATH", preset.command)), None);
    if there {
        kit.make(own.as_ref(), &options.preset)?;
        kit.live(&options.preset, &preset)?;
    }
    kit.declared("waiting", !preset.waiting.is_empty(), "how it asks a person");
    kit.declared(
        "limited",
        !preset.limited.is_empty() || !preset.ends.limited.is_empty(),
        "how a limit looks",
    );
    kit.declared("usage", preset.usage != config::preset::Usage::None, "where its use of tokens is read");
    let kept = options.keep.then(|| folder.display().to_string());
    if kept.is_none() {
        let _ = fs::remove_dir_all(&folder);
    }
    Ok(Conformance { preset: options.preset.clone(), tried: kit.tried, kept })
}

fn failed(doing: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::failed("kit", format!("cannot {doing}: {error}"))
}

impl Kit {
    fn note(&mut self, what: &str, yes: bool, detail: impl Into<String>, since: Option<Instant>) {
        let result = if yes { "yes" } else { "no" };
        let millis = since.map(|since| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.tried.push(Tried {
            what: what.into(),
            result: result.into(),
            detail: detail.into(),
            ms: millis,
        });
    }

    fn declared(&mut self, what: &str, yes: bool, detail: &str) {
        let result = if yes { "declared" } else { "not declared" };
        self.tried.push(Tried { what: what.into(), result: result.into(), detail: detail.into(), ms: None });
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(&self.folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            // Of an agent that runs the kit.
            if name.to_string_lossy().starts_with("GASTOWN_") {
                command.env_remove(name);
            }
        }
        command.arg("--town").arg(&self.town);
        command
    }

    /// What a command answers with `--json`, or how it was refused.
    fn ask(&self, words: &[&str]) -> Result<Value, Value> {
        let said = self.command(&[words, &["--json"]].concat()).output();
        let said = said.map_err(|error| json!({"error": {"code": "kit", "message": error.to_string()}}))?;
        let text = if said.status.success() { &said.stdout } else { &said.stderr };
        let lines = String::from_utf8_lossy(text);
        let value = serde_json::from_str(&lines).or_else(|_| {
            let last = lines.lines().next_back().unwrap_or_default();
            serde_json::from_str(last)
        });
        let value = value.unwrap_or(Value::Null);
        if said.status.success() { Ok(value) } else { Err(value["error"].clone()) }
    }

    fn must(&self, words: &[&str]) -> Result<Value, Refusal> {
        self.ask(words).map_err(|error| failed(&words.join(" "), &error))
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        let said = self.command(&["events", "--type", kind, "--json"]).output();
        let lines = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn wait<T>(&self, within: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
        let until = Instant::now() + within;
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn agent(&self, address: &str) -> Value {
        let status = self.ask(&["status"]).unwrap_or_default();
        let rows = status["agents"].as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row["address"] == address).unwrap_or_default()
    }

    /// Makes the town, with the presets of the one that the kit was started in.
    fn make(&self, own: Option<&TownPaths>, preset: &str) -> Result<(), Refusal> {
        let origin = self.folder.join("origin.git");
        demo::sample_project(&self.folder, &origin)?;
        let made = Command::new(&self.program)
            .args(["install", "--agent", preset])
            .arg(&self.town)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed("make a town", &error))?;
        // A preset of one's own is known there only with the town's own file.
        if !made.status.success() {
            let made =
                Command::new(&self.program).args(["install", "--agent", "shell"]).arg(&self.town).output();
            made.map_err(|error| failed("make a town", &error))?;
        }
        if let Some(own) = own {
            let to = TownPaths::new(&self.town).agents_json();
            let _ = fs::copy(own.agents_json(), to);
        }
        let file = TownPaths::new(&self.town).town_json();
        let text = fs::read_to_string(&file).map_err(|error| failed("read the town", &error))?;
        let mut town: Value = serde_json::from_str(&text).map_err(|error| failed("read the town", &error))?;
        town["default_agent"] = preset.into();
        fs::write(&file, town.to_string()).map_err(|error| failed("write the town", &error))?;
        let origin = origin.display().to_string();
        self.must(&["rig", "add", "kit", &origin, "--prefix", "kit"]).map(drop)
    }

    fn live(&mut self, name: &str, preset: &config::Preset) -> Result<(), Refusal> {
        let log =
            fs::File::create(self.folder.join("run.log")).map_err(|error| failed("write a log", &error))?;
        let errors = log.try_clone().map_err(|error| failed("write a log", &error))?;
        let child = self.command(&["run"]).stdout(log).stderr(errors).spawn();
        let runtime = Runtime(child.map_err(|error| failed("start the town", &error))?);
        if self.wait(SHORT, || self.ask(&["tree"]).ok()).is_none() {
            return Err(failed("start the town", &"it does not answer"));
        }
        self.seat(preset);
        self.worker(name, preset)?;
        let since = Instant::now();
        let stopped = self.ask(&["stop"]).is_ok();
        self.note("the town stops", stopped, "with every session", Some(since));
        drop(runtime);
        Ok(())
    }

    /// A seat without work: it starts, waits for input, takes a text, and ends when it is told to.
    fn seat(&mut self, preset: &config::Preset) {
        let since = Instant::now();
        let _ = self.ask(&["agent", "start", "mayor"]);
        let within = preset.ready_timeout + SHORT;
        let settled = |row: &Value| !matches!(row["state"].as_str(), None | Some("starting" | "parked"));
        let row = self.wait(within, || Some(self.agent("mayor/")).filter(settled)).unwrap_or_default();
        let state = row["state"].as_str().unwrap_or("never up").to_owned();
        let note = row["note"].as_str().map(|note| format!(": {note}")).unwrap_or_default();
        self.note("starts", row["pid"].is_number(), format!("it is {state}{note}"), Some(since));
        if preset.ready.is_empty() {
            self.declared("waits for input", false, "how it looks when it does");
        } else {
            let idle = || (self.agent("mayor/")["state"] == "idle").then_some(());
            let idle = self.wait(self.patience, idle).is_some();
            self.note("waits for input", idle, "it shows that it is idle", None);
        }
        let shown = self.ask(&["peek", "mayor"]).unwrap_or_default();
        let rows = shown["lines"].as_array().map_or(0, Vec::len);
        self.note("screen", rows > 0, format!("{rows} rows"), None);
        let since = Instant::now();
        let nudged = self.ask(&["nudge", "mayor", "Say hello, in one word.", "--expires", "15s"]);
        let detail = match &nudged {
            Ok(nudged) => format!("{} {}", nudged["state"].as_str().unwrap_or(""), nudged["evidence"]),
            Err(error) => error["code"].as_str().unwrap_or("refused").to_owned(),
        };
        self.note("takes a text", nudged.is_ok(), detail, Some(since));
        let since = Instant::now();
        let _ = self.ask(&["agent", "stop", "mayor"]);
        let gone = self.wait(SHORT, || self.agent("mayor/")["pid"].is_null().then_some(()));
        self.note("ends when told to", gone.is_some(), "within its own steps", Some(since));
    }

    /// A worker: it looks at its hook, is written to, killed in the middle, and hands its work in.
    fn worker(&mut self, name: &str, preset: &config::Preset) -> Result<(), Refusal> {
        let (began, go) = (self.folder.join("began"), self.folder.join("go"));
        let script = format!(
            "Run this in your working directory, once, as it stands; then commit and hand in with `gt done`:\n\n\
             ```sh\ntouch {}\nn=0; while [ ! -e {} ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done\n\
             echo done > kit.txt\ngit add kit.txt\n```\n",
            began.display(),
            go.display()
        );
        let bead = self.must(&[
            "bead",
            "create",
            "--title",
            "Try the kit",
            "--rig",
            "kit",
            "--description",
            &script,
        ])?;
        let bead = bead["id"].as_str().unwrap_or_default().to_owned();
        let since = Instant::now();
        self.must(&["sling", &bead, "kit", "--agent", name])?;
        let of = |event: &Value| event["data"]["bead"] == bead.as_str();
        let hooked = self.wait(SHORT, || self.events("hook.set").into_iter().find(of));
        let worker = hooked.map(|event| event["data"]["agent"].as_str().unwrap_or_default().to_owned());
        let worker = worker.unwrap_or_default();
        let checked = self.wait(self.patience, || self.events("hook.checked").into_iter().find(of));
        self.note("looks at its hook", checked.is_some(), "gt prime, gt hook, or its brief", Some(since));
        let works = self.wait(self.patience, || began.exists().then_some(())).is_some();
        self.note("works", works, "has begun what the bead says", Some(since));

        let since = Instant::now();
        let sent = self.ask(&["mail", "send", &worker, "-s", "From the kit", "-m", "Nothing to do."]);
        let id = sent.unwrap_or_default()[0].as_str().unwrap_or_default().to_owned();
        let mine = |event: &Value| event["data"]["mail"] == id.as_str();
        let shown = self.wait(SHORT / 4, || self.events("mail.delivered").into_iter().find(mine));
        self.note(
            "is shown letters while it works",
            shown.is_some(),
            "else with its next prompt",
            Some(since),
        );
        let since = Instant::now();
        let nudged = self.ask(&["nudge", &worker, "Go on.", "--mode", "now", "--expires", "10s"]);
        let detail = match &nudged {
            Ok(nudged) => format!("{} {}", nudged["state"].as_str().unwrap_or(""), nudged["evidence"]),
            Err(error) => error["code"].as_str().unwrap_or("refused").to_owned(),
        };
        self.note("takes a text while it works", nudged.is_ok(), detail, Some(since));

        let before = self.agent(&worker);
        let since = Instant::now();
        if let Some(pid) = before["pid"].as_u64().and_then(|pid| i32::try_from(pid).ok())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            let verdict = self.wait(SHORT, || self.events("agent.verdict").into_iter().find(of));
            let said =
                verdict.as_ref().map(|event| event["data"]["verdict"].as_str().unwrap_or("").to_owned());
            self.note("its death is noticed", said.is_some(), said.unwrap_or_default(), Some(since));
            let other = |row: &Value| row["pid"].is_number() && row["pid"] != before["pid"];
            let again = self.wait(SHORT + preset.ready_timeout, || Some(self.agent(&worker)).filter(other));
            let same = again.as_ref().is_some_and(|row| row["session"] == before["session"]);
            let detail = match (again.is_some(), same) {
                (false, _) => "no other session began",
                (true, true) => "the same conversation",
                (true, false) => "a conversation of its own",
            };
            self.note("goes on after a kill", again.is_some(), detail, Some(since));
        }
        fs::write(&go, "").map_err(|error| failed("let the work go on", &error))?;
        let since = Instant::now();
        let landed = self.wait(self.patience, || self.events("bead.closed").into_iter().find(of));
        self.note("hands its work in", landed.is_some(), "the bead has landed", Some(since));
        Ok(())
    }
}
