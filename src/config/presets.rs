//! All presets of a town: those that ship with the program, and `config/agents.json` over them.
//!
//! An entry called like a shipped preset changes only the fields that it names; any other entry is a
//! preset of its own and needs a command.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use model::near;
use model::preset::PresetRow;
use model::refusal::{Class, Refusal};
use model::role::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::{self, ConfigError, Version};
use crate::paths::TownPaths;
use crate::preset::{Preset, Usage};
use crate::rig::RigConfig;
use crate::town::Town;

const SHIPPED: &str = include_str!("presets.json");
const SHIPPED_NAME: &str = "the shipped presets";

/// The presets of a town, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presets {
    presets: BTreeMap<String, Preset>,
    /// What stands under each name, and who wrote it.
    written: BTreeMap<String, (Map<String, Value>, &'static str)>,
    default: Vec<String>,
    /// The PATH on which the default rule looks for commands.
    search: OsString,
}

/// `config/agents.json`, `T` being what stands under a name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "T: Deserialize<'de>"))]
pub(crate) struct AgentsFile<T> {
    version: Version,
    #[serde(default)]
    agents: BTreeMap<String, T>,
}

impl<T> AgentsFile<T> {
    pub(crate) fn empty() -> Self {
        Self { version: Version, agents: BTreeMap::new() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    #[serde(rename = "version")]
    _version: Version,
    default: Vec<String>,
    /// The `ends` of a preset that names none.
    ends: Value,
    agents: BTreeMap<String, Map<String, Value>>,
}

impl Presets {
    /// Reads the town's presets over the shipped ones; a missing file adds none. Commands are looked
    /// for on this process's PATH.
    pub fn load(paths: &TownPaths) -> Result<Self, ConfigError> {
        Self::read(&paths.agents_json())
    }

    pub(crate) fn read(file: &Path) -> Result<Self, ConfigError> {
        match document::read_text(file) {
            Ok(text) => Self::parse(file, &text),
            Err(error) if error.is_missing() => Self::shipped(),
            Err(error) => Err(error),
        }
    }

    /// Returns the presets that ship with the program.
    pub fn shipped() -> Result<Self, ConfigError> {
        Self::over(Path::new(SHIPPED_NAME), BTreeMap::new())
    }

    /// Parses `text` as the town's `file` over the shipped presets.
    fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        // Twice: once as presets, whose errors know their line, and once as plain JSON, which can be
        // laid over what ships.
        document::parse::<AgentsFile<Preset>>(file, text)?;
        Self::over(file, document::parse::<AgentsFile<Map<String, Value>>>(file, text)?.agents)
    }

    fn over(file: &Path, own: BTreeMap<String, Map<String, Value>>) -> Result<Self, ConfigError> {
        let Shipped { default, ends, mut agents, .. } = document::parse(Path::new(SHIPPED_NAME), SHIPPED)?;
        let mut sources: BTreeMap<String, &'static str> =
            agents.keys().map(|name| (name.clone(), "shipped")).collect();
        for (name, fields) in own {
            sources.entry(name.clone()).and_modify(|source| *source = "changed").or_insert("own");
            agents.entry(name).or_default().extend(fields);
        }
        let mut presets = BTreeMap::new();
        let mut written = BTreeMap::new();
        for (name, mut fields) in agents {
            fields.entry("ends").or_insert_with(|| ends.clone());
            let source = sources.get(&name).copied().unwrap_or("own");
            written.insert(name.clone(), (fields.clone(), source));
            let mut preset: Preset = serde_json::from_value(Value::Object(fields))
                .map_err(|error| ConfigError::invalid(file, format!("in preset {name:?}: {error}")))?;
            if preset.command.trim().is_empty() {
                return Err(ConfigError::invalid(file, format!("preset {name:?} needs a \"command\"")));
            }
            preset.name.clone_from(&name);
            presets.insert(name, preset);
        }
        let search = std::env::var_os("PATH").unwrap_or_default();
        Ok(Self { presets, written, default, search })
    }

    /// Looks for commands on `path` (as in PATH) instead of this process's own.
    #[must_use]
    pub fn with_search_path(mut self, path: impl Into<OsString>) -> Self {
        self.search = path.into();
        self
    }

    /// The names of all presets, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.presets.keys().map(String::as_str)
    }

    /// Returns all presets as rows.
    pub fn rows(&self) -> Vec<PresetRow> {
        let word = |value: Result<Value, serde_json::Error>| {
            value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let row = |preset: &Preset| PresetRow {
            name: preset.name.clone(),
            command: preset.command.clone(),
            program: match preset.command.as_str() {
                // It ships inside this program.
                "{gastown}" => Some(preset.command.clone()),
                command => find_program(command, &self.search).map(|path| path.display().to_string()),
            },
            source: self.written.get(&preset.name).map_or("own", |(_, source)| source).to_owned(),
            brief: word(serde_json::to_value(preset.brief)),
            resumes: preset.can_resume(),
            hooks: word(serde_json::to_value(preset.hooks)),
            usage: preset.usage != Usage::None,
        };
        self.presets.values().map(row).collect()
    }

    /// Returns the fields of the preset called `name`, with its name, or refuses with what is near. Values of `env`
    /// are left out: they may be secrets.
    pub fn fields(&self, name: &str) -> Result<Value, Refusal> {
        self.get(name)?;
        let (fields, source) = self.written.get(name).cloned().unwrap_or_default();
        let mut shown = Map::from_iter([
            ("name".to_owned(), Value::from(name)),
            ("source".to_owned(), Value::from(source)),
        ]);
        shown.extend(fields);
        if let Some(Value::Object(env)) = shown.get_mut("env") {
            env.values_mut().for_each(|value| *value = Value::from("…"));
        }
        Ok(Value::Object(shown))
    }

    /// Returns the preset called `name`, or refuses with what is near.
    pub fn get(&self, name: &str) -> Result<&Preset, Refusal> {
        self.presets.get(name).ok_or_else(|| {
            let near = near::did_you_mean(&near::matches(name, self.names()));
            let known = self.names().collect::<Vec<_>>().join(", ");
            Refusal::no_such("preset", name, []).hint(
                near.unwrap_or_else(|| format!("there are {known}; add your own to config/agents.json")),
            )
        })
    }

    /// Returns the preset of an agent: the one that was `asked` for; else its rig's for its role; its
    /// rig's; the town's for its role; the town's; else the first of the shipped default whose command
    /// is on PATH.
    ///
    /// Refuses with `no_such_preset`, or with `no_agent` and how to configure one when nothing is set
    /// and no default is installed.
    pub fn for_agent(
        &self,
        town: &Town,
        rig: Option<&RigConfig>,
        role: Role,
        asked: Option<&str>,
    ) -> Result<&Preset, Refusal> {
        let by_rig = || rig.and_then(|rig| rig.role_agents.get(&role).or(rig.agent.as_ref()));
        let by_town = || town.role_agents.get(&role).or(town.default_agent.as_ref());
        match asked.or_else(|| by_rig().or_else(by_town).map(String::as_str)) {
            Some(name) => self.get(name),
            None => self.installed_default(),
        }
    }

    fn installed_default(&self) -> Result<&Preset, Refusal> {
        let candidates = || self.default.iter().filter_map(|name| self.presets.get(name));
        candidates().find(|preset| find_program(&preset.command, &self.search).is_some()).ok_or_else(|| {
            let tried: Vec<String> = candidates().map(|preset| format!("{:?}", preset.command)).collect();
            let known = self.names().collect::<Vec<_>>().join(", ");
            Refusal::new(
                Class::Failed,
                "no_agent",
                format!("no agent is configured, and {} is not on PATH", tried.join(" or ")),
            )
            .hint(format!(
                "install it, or set \"default_agent\" in config/town.json to one of {known}, \
                 or to a preset of your own in config/agents.json"
            ))
        })
    }
}

/// Returns the path of the program that `command` starts: itself if it holds a `/`, else the first
/// executable file of that name in `search` (as in PATH).
pub fn find_program(command: &str, search: &OsStr) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if command.contains('/') {
        return Some(PathBuf::from(command)).filter(runs);
    }
    std::env::split_paths(search).map(|folder| folder.join(command)).find(runs)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::preset::{Brief, Hooks};

    use super::*;

    fn presets(text: &str) -> Result<Presets, ConfigError> {
        Presets::parse(Path::new("config/agents.json"), text)
    }

    fn town() -> Town {
        Town::new("harbour", Default::default())
    }

    #[test]
    fn the_shipped_presets_are_sound() {
        let shipped = Presets::shipped().unwrap();
        assert_eq!(
            shipped.names().collect::<Vec<_>>(),
            ["amp", "claude", "codex", "copilot", "cursor", "gemini", "opencode", "shell"]
        );
        let shell = shipped.get("shell").unwrap();
        assert_eq!((shell.brief, shell.replies, shell.hooks), (Brief::None, true, Hooks::None));
        assert_eq!(shell.program(Path::new("/opt/gastown")), "/opt/gastown");
        let claude = shipped.get("claude").unwrap();
        assert_eq!((claude.brief, claude.replies, claude.hooks), (Brief::Arg, false, Hooks::Claude));
        assert!(claude.settings_text().contains(r#""Bash(gt:*)""#));
        assert_eq!(claude.ready.title, ["✳"]);
        assert!(shipped.default.iter().all(|name| shipped.get(name).is_ok()));
    }

    #[test]
    fn an_entry_changes_a_shipped_preset_only_where_it_says_so() {
        let own = presets(
            r#"{"version": 1, "agents": {
                "claude": {"command": "/opt/claude", "ready_timeout": "2m"},
                "mine": {"command": "mine"}
            }}"#,
        )
        .unwrap();
        let (claude, shipped) = (own.get("claude").unwrap(), Presets::shipped().unwrap());
        let mut expected = shipped.get("claude").unwrap().clone();
        expected.command = "/opt/claude".into();
        expected.ready_timeout = std::time::Duration::from_secs(120);
        assert_eq!(claude, &expected);
        assert_eq!(own.get("mine").unwrap().name, "mine");
    }

    #[test]
    fn a_wrong_file_says_where_and_what() {
        for (text, expected) in [
            (
                "{\"version\": 1, \"agents\": {\n\"a\": {\"comand\": \"x\"}}}",
                "config/agents.json:2: unknown key \"comand\"",
            ),
            (
                "{\"version\": 1, \"agents\": {\n\"a\": {\"args\": []}}}",
                "config/agents.json: preset \"a\" needs a \"command\"",
            ),
            (
                "{\"version\": 1, \"agents\": {\n\"a\": {\"command\": \"x\",\n\"brief\": \"shouted\"}}}",
                "config/agents.json:3: unknown word \"shouted\"",
            ),
        ] {
            assert_eq!(presets(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn the_nearest_setting_wins() {
        let text = r#"{"version": 1, "agents": {
            "a": {"command": "a"}, "b": {"command": "b"}, "c": {"command": "c"},
            "d": {"command": "d"}, "e": {"command": "e"}}}"#;
        let presets = presets(text).unwrap();
        let mut town = town();
        let mut rig = RigConfig::new("web".parse().unwrap(), "url", "web".parse().unwrap());
        let chosen = |town: &Town, rig: &RigConfig, asked| {
            presets.for_agent(town, Some(rig), Role::Polecat, asked).unwrap().name.clone()
        };
        town.default_agent = Some("a".into());
        assert_eq!(chosen(&town, &rig, None), "a");
        town.role_agents.insert(Role::Polecat, "b".into());
        assert_eq!(chosen(&town, &rig, None), "b");
        rig.agent = Some("c".into());
        assert_eq!(chosen(&town, &rig, None), "c");
        rig.role_agents.insert(Role::Polecat, "d".into());
        assert_eq!(chosen(&town, &rig, None), "d");
        assert_eq!(chosen(&town, &rig, Some("e")), "e");
        assert_eq!(presets.for_agent(&town, None, Role::Mayor, None).unwrap().name, "a");

        let refusal = presets.for_agent(&town, None, Role::Mayor, Some("shel")).unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.class), ("no_such_preset", Class::NotFound));
        assert_eq!(refusal.hint.as_deref(), Some("did you mean \"shell\"?"));
    }

    #[test]
    fn with_nothing_configured_the_default_must_be_installed() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("claude");
        let presets = Presets::shipped().unwrap().with_search_path(folder.path());
        let choose = || presets.for_agent(&town(), None, Role::Polecat, None);

        assert_eq!(choose().unwrap_err().code, "no_agent");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        let refusal = choose().unwrap_err();
        assert!(refusal.hint.unwrap().contains("default_agent"), "a file without the x bit is no program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(choose().unwrap().name, "claude");
    }
}
