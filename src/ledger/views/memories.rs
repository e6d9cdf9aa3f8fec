//! What agents and people keep in mind, by name.

use std::collections::BTreeMap;

use model::event::{Event, Record};
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that is kept in mind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What.
    pub text: String,
    /// Who said it last.
    pub by: Address,
    /// When.
    pub at: Timestamp,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memories {
    by_key: BTreeMap<String, Memory>,
}

impl Memories {
    /// What is kept under `key`.
    pub fn get(&self, key: &str) -> Option<&Memory> {
        self.by_key.get(key)
    }

    /// Everything, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Memory)> {
        self.by_key.iter().map(|(key, memory)| (key.as_str(), memory))
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::MemorySet { key, text } => {
                let memory = Memory { text: text.clone(), by: record.actor.clone(), at: record.at };
                self.by_key.insert(key.clone(), memory);
            }
            Event::MemoryForgotten { key } => {
                self.by_key.remove(key);
            }
            _ => {}
        }
    }
}
