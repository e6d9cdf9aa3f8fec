//! The projects of the town, as far as the ledger has to know them.

use std::collections::BTreeMap;

use model::event::{Event, Record};
use model::ids::{Prefix, RigName};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rig {
    /// Its name.
    pub name: RigName,
    /// Where its repository is.
    pub git_url: String,
    /// The prefix of its beads.
    pub prefix: Prefix,
    /// The branch that work lands on.
    pub branch: String,
    /// Since when.
    pub added_at: Timestamp,
}

/// All projects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rigs {
    by_name: BTreeMap<RigName, Rig>,
}

impl Rigs {
    /// The project called `name`.
    pub fn get(&self, name: &RigName) -> Option<&Rig> {
        self.by_name.get(name)
    }

    /// All projects, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Rig> {
        self.by_name.values()
    }

    /// The project whose beads begin with `prefix`.
    pub fn by_prefix(&self, prefix: &str) -> Option<&Rig> {
        self.iter().find(|rig| rig.prefix.as_str() == prefix)
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        if let Event::RigAdded { rig, git_url, prefix, branch } = &record.event {
            self.by_name.insert(
                rig.clone(),
                Rig {
                    name: rig.clone(),
                    git_url: git_url.clone(),
                    prefix: prefix.clone(),
                    branch: branch.clone(),
                    added_at: record.at,
                },
            );
        }
    }
}
