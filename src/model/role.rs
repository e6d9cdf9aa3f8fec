//! The cast of a town, and the addresses under which it can be spoken to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AgentName, RigName};

/// What somebody in a town is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    Overseer,
    /// Coordinates the whole town and talks with the person.
    Mayor,
    /// Patrols the whole town.
    Deacon,
    /// Runs one errand for the Deacon.
    Dog,
    /// Watches the workers of a rig.
    Witness,
    /// Keeps the merge queue of a rig.
    Refinery,
    /// Does the work of a bead.
    Polecat,
    /// A person's own seat in a rig.
    Crew,
    /// A directory that has become an agent.
    Plugin,
    /// The runtime itself, in events that nobody asked for.
    Runtime,
}

impl Role {
    /// The word for it in files, tables and `GASTOWN_ROLE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Overseer => "overseer",
            Role::Mayor => "mayor",
            Role::Deacon => "deacon",
            Role::Dog => "dog",
            Role::Witness => "witness",
            Role::Refinery => "refinery",
            Role::Polecat => "polecat",
            Role::Crew => "crew",
            Role::Plugin => "plugin",
            Role::Runtime => "gastown",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who can be spoken to, and who can have done something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// `overseer`
    Overseer,
    /// `gastown`: the runtime; it has no mailbox.
    Runtime,
    /// `mayor/`
    Mayor,
    /// `deacon/`
    Deacon,
    /// `deacon/dogs/NAME`
    Dog(AgentName),
    /// `RIG/witness`
    Witness(RigName),
    /// `RIG/refinery`
    Refinery(RigName),
    /// `RIG/polecats/NAME`
    Polecat(RigName, AgentName),
    /// `RIG/crew/NAME`
    Crew(RigName, AgentName),
    /// `RIG/plugins/NAME`
    Plugin(RigName, AgentName),
}

impl Address {
    /// What the one at this address is there for.
    pub fn role(&self) -> Role {
        match self {
            Address::Overseer => Role::Overseer,
            Address::Runtime => Role::Runtime,
            Address::Mayor => Role::Mayor,
            Address::Deacon => Role::Deacon,
            Address::Dog(_) => Role::Dog,
            Address::Witness(_) => Role::Witness,
            Address::Refinery(_) => Role::Refinery,
            Address::Polecat(..) => Role::Polecat,
            Address::Crew(..) => Role::Crew,
            Address::Plugin(..) => Role::Plugin,
        }
    }

    /// The rig that the address lies in, if any.
    pub fn rig(&self) -> Option<&RigName> {
        match self {
            Address::Witness(rig)
            | Address::Refinery(rig)
            | Address::Polecat(rig, _)
            | Address::Crew(rig, _)
            | Address::Plugin(rig, _) => Some(rig),
            _ => None,
        }
    }

    /// The agent's own name, for those that have one.
    pub fn name(&self) -> Option<&AgentName> {
        match self {
            Address::Dog(name)
            | Address::Polecat(_, name)
            | Address::Crew(_, name)
            | Address::Plugin(_, name) => Some(name),
            _ => None,
        }
    }

    /// The address as a file or branch name without separators: `web.polecats.backend`.
    pub fn slug(&self) -> String {
        self.to_string().trim_end_matches('/').replace('/', ".")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Address::Overseer => "overseer".to_owned(),
            Address::Runtime => "gastown".to_owned(),
            Address::Mayor => "mayor/".to_owned(),
            Address::Deacon => "deacon/".to_owned(),
            Address::Dog(name) => format!("deacon/dogs/{name}"),
            Address::Witness(rig) => format!("{rig}/witness"),
            Address::Refinery(rig) => format!("{rig}/refinery"),
            Address::Polecat(rig, name) => format!("{rig}/polecats/{name}"),
            Address::Crew(rig, name) => format!("{rig}/crew/{name}"),
            Address::Plugin(rig, name) => format!("{rig}/plugins/{name}"),
        };
        f.pad(&text)
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address")]
pub struct BadAddress(pub String);

impl FromStr for Address {
    type Err = BadAddress;

    /// Parses the full form. The short form `RIG/NAME` is read as a polecat; who knows which crew
    /// members there are (the clerk) tries those first.
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_owned());
        let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        let rig = |text: &str| text.parse::<RigName>().map_err(|_| bad());
        let name = |text: &str| text.parse::<AgentName>().map_err(|_| bad());
        Ok(match parts.as_slice() {
            ["overseer"] => Address::Overseer,
            ["gastown"] => Address::Runtime,
            ["mayor"] => Address::Mayor,
            ["deacon"] => Address::Deacon,
            ["deacon", "dogs", dog] => Address::Dog(name(dog)?),
            [r, "witness"] => Address::Witness(rig(r)?),
            [r, "refinery"] => Address::Refinery(rig(r)?),
            [r, "polecats", n] => Address::Polecat(rig(r)?, name(n)?),
            [r, "crew", n] => Address::Crew(rig(r)?, name(n)?),
            [r, "plugins", n] => Address::Plugin(rig(r)?, name(n)?),
            [r, n] => Address::Polecat(rig(r)?, name(n)?),
            _ => return Err(bad()),
        })
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;
    fn try_from(text: String) -> Result<Self, BadAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

/// Several who can be written to at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// `@all`: everybody who has a mailbox, but for the sender.
    All,
    /// `@mayor`
    Mayor,
    /// `@rig/RIG`: everybody in a rig.
    Rig(RigName),
    /// `@witnesses`
    Witnesses,
    /// `@polecats`
    Polecats,
}

impl FromStr for Group {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        match text {
            "@all" => Ok(Group::All),
            "@mayor" => Ok(Group::Mayor),
            "@witnesses" => Ok(Group::Witnesses),
            "@polecats" => Ok(Group::Polecats),
            _ => text
                .strip_prefix("@rig/")
                .and_then(|rig| rig.parse().ok())
                .map(Group::Rig)
                .ok_or_else(|| BadAddress(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_reads_back_as_it_is_written() {
        for text in [
            "overseer",
            "mayor/",
            "deacon/",
            "deacon/dogs/rex",
            "web/witness",
            "web/refinery",
            "web/polecats/backend",
            "web/crew/max",
            "web/plugins/merge-oracle",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("web/backend".parse::<Address>().unwrap().to_string(), "web/polecats/backend");
        assert_eq!("mayor".parse::<Address>().unwrap(), Address::Mayor);
        for bad in ["", "/", "web", "a/b/c", "mayor/x/y", "we b/witness", "config/witness"] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }
}
