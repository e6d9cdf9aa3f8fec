//! What `RIG/config.json` says.
//!
//! A rig's file may leave out nearly everything: its name is its folder's, its origin is in the
//! registry, the rest has defaults. [`RigFile`] is the file as it stands; [`RigConfig`] is what it
//! means, with nothing missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use model::ids::{AgentName, Prefix, RigName};
use model::role::Role;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::document::{self, ConfigError, Version, span};
use crate::paths::TownPaths;
use crate::town::Entry;

pub use crate::gates::Gate;
pub use crate::merge::{Lane, MergeRules};

/// How long one session of a worker works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Through all steps of what hangs on the hook.
    #[default]
    PerBead,
    /// Through one step; the next begins a fresh session in the same worktree. A formula may say so for itself.
    PerStep,
}

/// A rig's beads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RigBeads {
    /// What the ids of its beads begin with.
    pub prefix: Prefix,
    /// The git remote that `bd sync` would use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_remote: Option<String>,
}

/// Everything that is set for one rig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RigConfig {
    #[serde(rename = "type")]
    kind: Kind,
    version: Version,
    /// Its name; also the name of its folder.
    pub name: RigName,
    /// Where it was cloned from and where changes are pushed to.
    pub git_url: String,
    /// Its beads.
    pub beads: RigBeads,
    /// The branch that changes land on.
    pub default_branch: String,
    /// How many workers it may have at once.
    pub max_workers: u32,
    /// The least time between two workers' starts.
    #[serde(with = "span")]
    pub worker_spawn_delay: Duration,
    /// What a merge result must pass, in this order.
    pub gates: Vec<Gate>,
    /// The preset of every agent of this rig for whose role no other is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The preset of every agent of a role in this rig.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub role_agents: BTreeMap<Role, String>,
    /// The names that workers are given, in this order.
    pub workers: Vec<AgentName>,
    /// How changes land.
    pub merge: MergeRules,
    /// The formula that a bead is worked by when none is named.
    pub formula: String,
    /// How long one session works.
    pub session: Scope,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Rig,
}

impl RigConfig {
    /// A rig with everything else as it is by default.
    pub fn new(name: RigName, git_url: impl Into<String>, prefix: Prefix) -> Self {
        Self {
            kind: Kind::Rig,
            version: Version,
            name,
            git_url: git_url.into(),
            beads: RigBeads { prefix, sync_remote: None },
            default_branch: default_branch(),
            max_workers: max_workers(),
            worker_spawn_delay: worker_spawn_delay(),
            gates: Vec::new(),
            agent: None,
            role_agents: BTreeMap::new(),
            workers: workers(),
            merge: MergeRules::default(),
            formula: formula(),
            session: Scope::default(),
        }
    }

    /// What the ids of its beads begin with.
    pub fn prefix(&self) -> &Prefix {
        &self.beads.prefix
    }

    /// Writes the rig's file. Its folder must exist.
    pub fn write(&self, paths: &TownPaths) -> Result<(), ConfigError> {
        document::write(&paths.rig(&self.name).config(), self)
    }
}

fn default_branch() -> String {
    "main".into()
}

fn max_workers() -> u32 {
    8
}

fn worker_spawn_delay() -> Duration {
    Duration::from_secs(5)
}

fn workers() -> Vec<AgentName> {
    ["frontend", "backend", "testing", "docs", "security", "refactor", "tooling", "api"]
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .collect()
}

fn formula() -> String {
    "mol-polecat-work".into()
}

/// A rig's file as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RigFile {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    version: Version,
    name: Option<RigName>,
    git_url: Option<String>,
    #[serde(default)]
    beads: BeadsFile,
    #[serde(default = "default_branch")]
    default_branch: String,
    #[serde(default = "max_workers", deserialize_with = "document::at_least_one")]
    max_workers: u32,
    #[serde(default = "worker_spawn_delay", with = "span")]
    worker_spawn_delay: Duration,
    #[serde(default, deserialize_with = "gates")]
    gates: Vec<Gate>,
    agent: Option<String>,
    #[serde(default)]
    role_agents: BTreeMap<Role, String>,
    #[serde(default = "workers", deserialize_with = "name_pool")]
    workers: Vec<AgentName>,
    #[serde(default)]
    merge: MergeRules,
    #[serde(default = "formula")]
    formula: String,
    #[serde(default)]
    session: Scope,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct BeadsFile {
    prefix: Option<Prefix>,
    sync_remote: Option<String>,
}

fn gates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Gate>, D::Error> {
    let gates = Vec::<Gate>::deserialize(deserializer)?;
    let mut names = BTreeSet::new();
    for gate in &gates {
        if gate.name.trim().is_empty() || gate.cmd.trim().is_empty() {
            return Err(de::Error::custom("a gate needs a name and a command"));
        }
        if !names.insert(&gate.name) {
            return Err(de::Error::custom(format!("two gates are called {:?}", gate.name)));
        }
    }
    Ok(gates)
}

fn name_pool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AgentName>, D::Error> {
    let names = Vec::<AgentName>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(de::Error::custom("there must be at least one name for workers"));
    }
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str().to_lowercase())) {
        // Names are folders, and some disks do not tell capitals apart.
        Some(twice) => Err(de::Error::custom(format!("two workers are called {:?}", twice.as_str()))),
        None => Ok(names),
    }
}

impl RigFile {
    /// Returns what the file means in the folder called `folder`, given what the registry says of it.
    ///
    /// `file` serves for errors only.
    pub fn complete(
        &self,
        file: &Path,
        folder: &RigName,
        entry: Option<&Entry>,
    ) -> Result<RigConfig, ConfigError> {
        if let Some(name) = self.name.as_ref().filter(|name| *name != folder) {
            return Err(ConfigError::invalid(
                file,
                format!("it names the rig {:?}, but its folder is {:?}", name.as_str(), folder.as_str()),
            ));
        }
        let git_url = self.git_url.clone().or_else(|| entry.map(|entry| entry.git_url.clone()));
        let this = self.clone();
        Ok(RigConfig {
            kind: this.kind,
            version: this.version,
            name: folder.clone(),
            git_url: git_url.ok_or_else(|| ConfigError::invalid(file, "it needs a \"git_url\""))?,
            beads: RigBeads {
                prefix: this.beads.prefix.unwrap_or_else(|| Prefix::suggest(folder)),
                sync_remote: this.beads.sync_remote,
            },
            default_branch: this.default_branch,
            max_workers: this.max_workers,
            worker_spawn_delay: this.worker_spawn_delay,
            gates: this.gates,
            agent: this.agent,
            role_agents: this.role_agents,
            workers: this.workers,
            merge: this.merge,
            formula: this.formula,
            session: this.session,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RigConfig, ConfigError> {
        let file = Path::new("ferry/config.json");
        let entry = Entry { git_url: "https://example.org/known".into(), added_at: Default::default() };
        document::parse::<RigFile>(file, text)?.complete(file, &"ferry".parse().unwrap(), Some(&entry))
    }

    #[test]
    fn a_rig_of_the_first_days_loads_with_its_comment() {
        let rig = read(
            r#"{
  "type": "rig",
  "version": 1,
  "name": "ferry",
  "git_url": "https://example.org/ferry",
  "beads": {
    "prefix": "fer",
    "sync_remote": "origin"    // Optional: where beads are synced to
  }
}"#,
        )
        .unwrap();
        let mut expected =
            RigConfig::new("ferry".parse().unwrap(), "https://example.org/ferry", "fer".parse().unwrap());
        expected.beads.sync_remote = Some("origin".into());
        assert_eq!(rig, expected);
        assert_eq!((rig.max_workers, rig.worker_spawn_delay), (8, Duration::from_secs(5)));
        assert_eq!(rig.workers.len(), 8);
        assert_eq!((rig.default_branch.as_str(), rig.formula.as_str()), ("main", "mol-polecat-work"));
    }

    #[test]
    fn what_is_left_out_comes_from_the_folder_and_the_registry() {
        let rig = read(r#"{ "type": "rig", "max_workers": 2, "worker_spawn_delay": "250ms" }"#).unwrap();
        assert_eq!(rig.name.as_str(), "ferry");
        assert_eq!(rig.git_url, "https://example.org/known");
        assert_eq!(rig.prefix().as_str(), "fer");
        assert_eq!((rig.max_workers, rig.worker_spawn_delay), (2, Duration::from_millis(250)));

        let file = Path::new("ferry/config.json");
        let alone = document::parse::<RigFile>(file, r#"{"type": "rig"}"#).unwrap();
        let error = alone.complete(file, &"ferry".parse().unwrap(), None).unwrap_err();
        assert_eq!(error.to_string(), "ferry/config.json: it needs a \"git_url\"");
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut rig = RigConfig::new("ferry".parse().unwrap(), "/srv/ferry.git", "fer".parse().unwrap());
        rig.gates.push(Gate::new("test", "make test"));
        rig.agent = Some("shell".into());
        rig.role_agents.insert(Role::Refinery, "claude".into());
        rig.worker_spawn_delay = Duration::ZERO;
        assert_eq!(read(&serde_json::to_string_pretty(&rig).unwrap()).unwrap(), rig);
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        for (line, part) in [
            ("\"max_workers\": 0", ":2: the number must be at least 1"),
            ("\"gates\": [{\"name\": \"a\", \"cmd\": \" \"}]", ":2: a gate needs a name and a command"),
            (
                "\"gates\": [{\"name\": \"a\", \"cmd\": \"x\"}, {\"name\": \"a\", \"cmd\": \"y\"}]",
                ":2: two gates are called \"a\"",
            ),
            (
                "\"gates\": [{\"name\": \"a\", \"cmd\": \"x\", \"timout\": \"1m\"}]",
                ":2: unknown key \"timout\"",
            ),
            ("\"workers\": []", ":2: there must be at least one name for workers"),
            ("\"workers\": [\"Docs\", \"docs\"]", ":2: two workers are called \"docs\""),
            ("\"merge\": {\"max_attempts\": 0}", ":2: the number must be at least 1"),
            ("\"name\": \"barge\"", ": it names the rig \"barge\", but its folder is \"ferry\""),
        ] {
            let error = read(&format!("{{\"type\": \"rig\",\n{line}\n}}")).unwrap_err().to_string();
            assert_eq!(error, format!("ferry/config.json{part}"));
        }
    }
}
