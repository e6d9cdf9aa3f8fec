//! What `config/town.json` and `config/rigs.json` say.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ids::RigName;
use model::role::Role;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::{self, ConfigError, Version};
use crate::memory::{Memory, Stall};
use crate::paths::TownPaths;
use crate::rig::RigConfig;

/// `config/town.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Town {
    #[serde(rename = "type")]
    kind: Kind,
    version: Version,
    /// What the town is called.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The preset of every agent for whom no other is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_agent: Option<String>,
    /// The preset of every agent of a role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub role_agents: BTreeMap<Role, String>,
    /// How many workers there may be in all rigs together; without it, only the rigs' limits count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_workers: Option<u32>,
    /// Whether `gastown fault` may break things on purpose. For tests.
    #[serde(default)]
    pub allow_faults: bool,
    /// The keys by which people leave an agent's terminal, such as `"ctrl-a d"`; Ctrl-b d without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detach_keys: Option<String>,
    /// Rules for the whole town.
    #[serde(default)]
    pub policies: Policies,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Town,
}

impl Town {
    /// A town called `name` with everything else as it is by default.
    pub fn new(name: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            kind: Kind::Town,
            version: Version,
            name: name.into(),
            created_at,
            default_agent: None,
            role_agents: BTreeMap::new(),
            max_workers: None,
            allow_faults: false,
            detach_keys: None,
            policies: Policies::default(),
        }
    }

    /// Reads the town's file.
    pub fn read(paths: &TownPaths) -> Result<Self, ConfigError> {
        document::read(&paths.town_json())
    }

    /// Writes the town's file.
    pub fn write(&self, paths: &TownPaths) -> Result<(), ConfigError> {
        document::write(&paths.town_json(), self)
    }
}

/// Rules for the whole town.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// How many sessions may fail at one bead before it is left for a person.
    #[serde(deserialize_with = "document::at_least_one")]
    pub max_failures: u32,
    /// How many of its sessions may end in a row for reasons that are nobody's failure, before it is left for
    /// a person.
    #[serde(deserialize_with = "document::at_least_one")]
    pub max_setbacks: u32,
    /// How long a bead is not handed out again after a failure.
    #[serde(with = "document::span")]
    pub redispatch_after: Duration,
    /// How many sessions of one worker may fail, since something of it landed, before it gets no new work for
    /// a while.
    #[serde(deserialize_with = "document::at_least_one")]
    pub quarantine_after: u32,
    /// For how long at first.
    #[serde(with = "document::span")]
    pub quarantine: Duration,
    /// A session goes on in a fresh one when so much of its model's context is used, in percent.
    #[serde(deserialize_with = "document::at_least_one")]
    pub cycle_at: u32,
    /// Whether letters to the Mayor, the Deacon, a Witness or a Refinery start its agent, for a judgement.
    pub judgement: bool,
    /// The session of such a seat ends when it has had nothing to do for so long.
    #[serde(with = "document::span")]
    pub park_after: Duration,
    /// How much memory must be free for a worker's session to be started: `"256MiB"`, `"5%"`, `"off"`.
    pub min_free_memory: Memory,
    /// For how much of the last ten seconds everything may have stood still for want of memory, for a
    /// worker's session to be started: `"25%"`, `"off"`.
    pub max_memory_stall: Stall,
    /// How often an agent is asked to save what is in a worktree that is to go, before that is done for it.
    pub save_asks: u32,
    /// How long is waited after each time.
    #[serde(with = "document::span")]
    pub save_wait: Duration,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            max_failures: 3,
            max_setbacks: 20,
            redispatch_after: Duration::from_secs(300),
            quarantine_after: 4,
            quarantine: Duration::from_secs(1800),
            cycle_at: 80,
            judgement: true,
            park_after: Duration::from_secs(300),
            min_free_memory: Memory::Bytes(256 << 20),
            max_memory_stall: Stall(Some(25)),
            save_asks: 3,
            save_wait: Duration::from_secs(10),
        }
    }
}

/// `config/rigs.json`: which rigs there are and where they came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    version: Version,
    /// By name.
    #[serde(default)]
    pub rigs: BTreeMap<RigName, Entry>,
}

/// What the registry says of one rig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where the rig was cloned from.
    pub git_url: String,
    /// When it was added.
    pub added_at: Timestamp,
}

impl Registry {
    /// Reads the registry; a missing file is an empty one.
    pub fn read(paths: &TownPaths) -> Result<Self, ConfigError> {
        document::read_or_default(&paths.rigs_json())
    }

    /// Writes the registry.
    pub fn write(&self, paths: &TownPaths) -> Result<(), ConfigError> {
        document::write(&paths.rigs_json(), self)
    }
}

/// Writes the rig's own file and enters it into the registry, in this order: a rig that is registered
/// is complete. The rig's folder must exist.
pub fn register_rig(paths: &TownPaths, rig: &RigConfig, added_at: Timestamp) -> Result<(), ConfigError> {
    rig.write(paths)?;
    let mut registry = Registry::read(paths)?;
    registry.rigs.insert(rig.name.clone(), Entry { git_url: rig.git_url.clone(), added_at });
    registry.write(paths)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::refusal::Refusal;

    use super::*;

    fn town(text: &str) -> Result<Town, ConfigError> {
        document::parse(Path::new("config/town.json"), text)
    }

    const OLD: &str = r#"{
  "type": "town",
  "version": 1,
  "name": "harbour",
  "created_at": "2025-03-01T08:00:00Z"
}"#;

    #[test]
    fn a_town_of_the_first_days_loads_with_every_default() {
        let read = town(OLD).unwrap();
        assert_eq!(read, Town::new("harbour", "2025-03-01T08:00:00Z".parse().unwrap()));
        assert_eq!((read.max_workers, read.allow_faults, read.policies.max_failures), (None, false, 3));
    }

    #[test]
    fn what_a_town_says_reads_back_as_written() {
        let mut told = town(OLD).unwrap();
        told.default_agent = Some("shell".into());
        told.role_agents.insert(Role::Mayor, "claude".into());
        told.max_workers = Some(4);
        told.allow_faults = true;
        let text = serde_json::to_string_pretty(&told).unwrap();
        assert_eq!(town(&text).unwrap(), told);
        let first: Vec<&str> = text.lines().skip(1).take(3).map(str::trim).collect();
        assert_eq!(first, ["\"type\": \"town\",", "\"version\": 1,", "\"name\": \"harbour\","]);
    }

    #[test]
    fn a_slip_anywhere_is_named_with_its_line() {
        for (instead, message, hint) in [
            ("\"typ\": \"town\"", "2: unknown key \"typ\"", "did you mean \"type\"?"),
            ("\"type\": \"rig\"", "2: unknown word \"rig\"", "known here: town"),
            (
                "\"type\": \"town\",\n\"policies\": {\"max_failure\": 2}",
                "3: unknown key \"max_failure\"",
                "did you mean \"max_failures\"?",
            ),
            (
                "\"type\": \"town\",\n\"policies\": {\"min_free_memory\": \"off\", \"max_memory_stall\": \"5MiB\"}",
                "3: \"5MiB\" is no share of time such as \"25%\" or \"off\"",
                "edit config/town.json",
            ),
            (
                "\"type\": \"town\",\n\n\"role_agents\": {\"polcat\": \"shell\"}",
                "4: unknown word \"polcat\"",
                "did you mean \"polecat\"?",
            ),
        ] {
            let refusal = Refusal::from(town(&OLD.replace("\"type\": \"town\"", instead)).unwrap_err());
            assert_eq!(refusal.message, format!("config/town.json:{message}"));
            assert_eq!(refusal.hint.as_deref(), Some(hint));
        }
    }

    #[test]
    fn the_registry_of_the_first_days_loads() {
        let text = r#"{"version": 1, "rigs": {
            "ferry": {"git_url": "https://example.org/ferry", "added_at": "2025-03-01T08:00:00Z"}
        }}"#;
        let registry: Registry = document::parse(Path::new("rigs.json"), text).unwrap();
        assert_eq!(registry.rigs[&"ferry".parse().unwrap()].git_url, "https://example.org/ferry");
        let reserved = text.replace("ferry\":", "config\":");
        assert!(document::parse::<Registry>(Path::new("rigs.json"), &reserved).is_err());
    }
}
