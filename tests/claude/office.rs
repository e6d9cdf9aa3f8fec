//! A town whose workers are Claude Code: the real program, in a home of its own, with a scripted model.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::model::Model;
use crate::support::repo::Origin;
use crate::support::town::GATE;
use crate::support::{Running, Town, find};

/// The key that the model is asked with. Its stand-in takes any.
const KEY: &str = "sk-ant-dummy";

/// Where npm puts the program below the folder that it installs into: a native binary of its platform.
const INSTALLED: &str = "node_modules/@anthropic-ai/claude-code-linux-x64/claude";

/// A town with a rig `web`, and the model behind its agents.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) model: Model,
    pub(crate) origin: Origin,
    pub(crate) town: Town,
}

/// Whether the repository of the rig was trusted by a person before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Given,
    NotAsked,
}

impl Office {
    /// A town whose model plays `scenario`; nothing, with a word about it, where the program is missing.
    #[track_caller]
    pub(crate) fn open(scenario: &str, trust: Trust) -> Option<Office> {
        let missing = match program() {
            Err(missing) => missing,
            Ok(_) if !Model::can_be_had() => "there is no python3".to_owned(),
            Ok(program) => return Some(Office::with(&program, scenario, trust)),
        };
        // Not by `eprintln!`: what that prints in a test that passes is never seen.
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let _ = writeln!(std::io::stderr(), "skipped: {name}: {missing}");
        None
    }

    #[track_caller]
    fn with(program: &Path, scenario: &str, trust: Trust) -> Office {
        let mut town = Town::unmade();
        let model = Model::plays(&town, scenario);
        let (programs, config) = (town.folder.join("programs"), town.folder.join("claude"));
        fs::create_dir(&programs).unwrap();
        symlink(program, programs.join("claude")).unwrap();
        fs::create_dir(&config).unwrap();
        let path = format!("{}:{}", programs.display(), town.env["PATH"]);
        let env = [
            ("PATH", path),
            ("CLAUDE_CONFIG_DIR", config.display().to_string()),
            ("ANTHROPIC_BASE_URL", model.url()),
            ("ANTHROPIC_API_KEY", KEY.to_owned()),
            // A model that is gone must not be waited for; one that is held must be.
            ("CLAUDE_CODE_MAX_RETRIES", "2".to_owned()),
            ("API_TIMEOUT_MS", "120000".to_owned()),
        ];
        town.env.extend(env.map(|(name, value)| (name.to_owned(), value)));
        seed(&config, &[town.root.join("web/repo.git"), town.root.join("mayor")], trust);

        // No agent is named: what is on PATH is taken.
        town.gastown_in(&town.folder, &["install", "town"]).ok();
        town.configure("config/agents.json", |config| {
            config["agents"]["claude"]["env"] = json!({
                "DISABLE_AUTOUPDATER": "1",
                "DISABLE_ERROR_REPORTING": "1",
                "DISABLE_TELEMETRY": "1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            });
        });
        let origin = town.rig("web", &["--gate", GATE]);
        Office { model, origin, town }
    }

    /// The worker that has `bead` on its hook, as soon as there is one.
    #[track_caller]
    pub(crate) fn worker_at(&self, bead: &str) -> String {
        self.town.event_of("hook.set", bead)["data"]["agent"].as_str().unwrap().to_owned()
    }

    /// The worker's row of `status`, as soon as it fits.
    #[track_caller]
    pub(crate) fn agent_that(&self, what: &str, worker: &str, fits: impl Fn(&Value) -> bool) -> Value {
        find(&format!("{worker} {what}"), || Some(self.town.agent(worker)).filter(|row| fits(row)))
    }

    /// What the event log says was used, by bead: input, output, cache writes and cache reads, and answers.
    pub(crate) fn used(&self) -> Vec<(String, [u64; 4], u64)> {
        let mut sums: BTreeMap<String, ([u64; 4], u64)> = BTreeMap::new();
        for event in self.town.events("cost.recorded") {
            let data = &event["data"];
            let bead = data["bead"].as_str().unwrap_or("null").to_owned();
            let (tokens, messages) = sums.entry(bead).or_default();
            for (sum, kind) in tokens.iter_mut().zip(["input", "output", "cache_write", "cache_read"]) {
                *sum += data["tokens"][kind].as_u64().unwrap();
            }
            *messages += data["messages"].as_u64().unwrap();
        }
        sums.into_iter().map(|(bead, (tokens, messages))| (bead, tokens, messages)).collect()
    }

    /// Stops the runtime; nothing is left of it and of what its agents had started.
    #[track_caller]
    pub(crate) fn close(&self, running: Running) {
        running.stop().ok();
        self.town.assert_nothing_runs();
    }

    /// Whether the program believes that a person trusts the rig's repository.
    pub(crate) fn is_trusted(&self) -> bool {
        let text = fs::read_to_string(self.town.folder.join("claude/.claude.json")).unwrap_or_default();
        let config: Value = serde_json::from_str(&text).unwrap_or_default();
        let repository = self.town.root.join("web/repo.git").display().to_string();
        config["projects"][repository]["hasTrustDialogAccepted"] == true
    }
}

/// Claude Code's own configuration: each entry takes away a question of its first start.
fn seed(folder: &Path, places: &[PathBuf], trust: Trust) {
    let mut state = json!({
        "hasCompletedOnboarding": true,
        "hasSeenAutoDefaultNudge": true,
        "customApiKeyResponses": {"approved": [KEY], "rejected": []},
    });
    for place in places.iter().filter(|_| trust == Trust::Given) {
        state["projects"][place.display().to_string()] = json!({"hasTrustDialogAccepted": true});
    }
    // The scripts do more than the preset allows; which mode it runs in stays the preset's.
    let settings = json!({"tui": "fullscreen", "permissions": {"allow": ["Bash"]}});
    fs::write(folder.join(".claude.json"), state.to_string()).unwrap();
    fs::write(folder.join("settings.json"), settings.to_string()).unwrap();
}

/// The program that `GASTOWN_TEST_CLAUDE` names, else the one in the cache; or what is missing.
fn program() -> Result<PathBuf, String> {
    let path = match std::env::var_os("GASTOWN_TEST_CLAUDE") {
        Some(path) => PathBuf::from(path),
        None => {
            let cache = std::env::var_os("GASTOWN_TEST_CACHE").map(PathBuf::from);
            let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/gastown-tests"));
            let cache = cache.or_else(home).ok_or("neither GASTOWN_TEST_CLAUDE nor HOME is set")?;
            cache.join(INSTALLED)
        }
    };
    let missing = |_| format!("there is no Claude Code at {}", path.display());
    path.canonicalize().map_err(missing)
}
