//! Names with types: a bead is never taken for a rig because both are text.
//!
//! Each id has one parser (`FromStr`), which every carrier uses; what has been parsed needs no
//! second look.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is no name of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {why}")]
pub struct BadName {
    /// What was expected, in the user's words.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        text_id!($(#[$doc])* $name, $kind, $check, stored $check);
    };
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path, stored $stored:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        // Shared: the same few names stand in every record, view and message.
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name that stands in a record, or in what another program has sent.
            fn stored(text: &str) -> Result<Self, BadName> {
                match $stored(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(why) => Err(BadName { kind: $kind, text: text.to_owned(), why }),
                }
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(why) => Err(BadName { kind: $kind, text: text.to_owned(), why }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::stored(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed(deserializer, $kind, Self::stored)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

/// Reads text by `read`, without a copy of the text in between.
fn parsed<'de, D, T>(
    deserializer: D,
    kind: &'static str,
    read: fn(&str) -> Result<T, BadName>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    struct Text<T>(&'static str, fn(&str) -> Result<T, BadName>);
    impl<T> de::Visitor<'_> for Text<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(kind, read))
}

/// Folders of a town that no rig may be named after, and words that addresses give a meaning to.
const RESERVED: [&str; 14] = [
    "bin", "config", "deacon", "formulas", "gastown", "ledger", "logs", "mayor", "overseer", "plugins",
    "run", "town", "hq", "all",
];

fn word(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > 64 {
        return Err("it is longer than 64 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("it must start with a letter or a digit");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        return Err("only letters, digits, '-' and '_' are allowed");
    }
    Ok(())
}

fn rig_word(text: &str) -> Result<(), &'static str> {
    word(text)?;
    if RESERVED.contains(&text.to_ascii_lowercase().as_str()) {
        return Err("this name is reserved for a folder or an address of the town");
    }
    Ok(())
}

fn prefix_word(text: &str) -> Result<(), &'static str> {
    word(text)?;
    if !text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Err("only lower-case letters, digits and '-' are allowed");
    }
    if text.ends_with('-') {
        return Err("it must not end with '-'");
    }
    if text.len() > 16 {
        return Err("it is longer than 16 characters");
    }
    Ok(())
}

/// What a bead of elsewhere may be called that only a dependency points at: it need not exist.
fn distant_bead(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > 512 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it must be at most 512 characters without blanks");
    }
    Ok(())
}

fn bead_word(text: &str) -> Result<(), &'static str> {
    if text.starts_with("external:") {
        return distant_bead(text);
    }
    if text.len() > 128 {
        return Err("it is longer than 128 characters");
    }
    let Some((prefix, rest)) = text.rsplit_once('-') else {
        return Err("a bead is named PREFIX-HASH, for instance web-4k2f");
    };
    if prefix.is_empty() || rest.is_empty() {
        return Err("a bead is named PREFIX-HASH, for instance web-4k2f");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')) {
        return Err("only letters, digits, '-', '_' and '.' are allowed");
    }
    Ok(())
}

fn any_word(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > 128 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it must be at most 128 characters without blanks");
    }
    Ok(())
}

text_id!(
    /// A rig: the folder of one project, and the name of its supervisor.
    RigName, "rig name", rig_word
);
text_id!(
    /// The name of a worker, a crew member, a dog or a plugin within its rig or town.
    AgentName, "agent name", word
);
text_id!(
    /// The part of a bead's id before the last `-`; one per rig, `hq` for the town.
    Prefix, "prefix", prefix_word
);
text_id!(
    /// A bead: `PREFIX-HASH`, children `PREFIX-HASH.1`. Dependencies of an import point at beads with
    /// other names too (`external:PROJECT:…`); no bead of ours is ever called so.
    BeadId, "bead id", bead_word, stored distant_bead
);
text_id!(
    /// One run of an agent's program in one terminal.
    SessionId, "session id", any_word
);
text_id!(
    /// A letter.
    MailId, "mail id", any_word
);

impl MailId {
    /// The name of the letter that is sent with record `seq`, so that a letter can be found by its name.
    pub fn of_record(seq: Seq) -> Self {
        Self(format!("m-{seq}").into())
    }

    /// The record that this letter was sent with, if its name is made of it.
    pub fn record(&self) -> Option<Seq> {
        let digits = self.0.strip_prefix("m-")?;
        let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        if canonical { digits.parse().ok().map(Seq) } else { None }
    }
}

text_id!(
    /// An entry of a merge queue.
    MergeId, "merge request id", any_word
);
text_id!(
    /// A convoy.
    ConvoyId, "convoy id", any_word
);
text_id!(
    /// A molecule: one running formula.
    MolId, "molecule id", any_word
);
text_id!(
    /// An escalation.
    EscalationId, "escalation id", any_word
);

impl Prefix {
    /// The prefix of beads that belong to the town and not to a rig.
    pub fn town() -> Prefix {
        Prefix("hq".into())
    }

    /// A prefix made from a rig's name: its consonant-leaning first letters, lower case.
    ///
    /// `web` stays `web`; longer names give their first three letters or digits.
    pub fn suggest(rig: &RigName) -> Prefix {
        let mut text: String = rig
            .as_str()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(3)
            .collect::<String>()
            .to_lowercase();
        if text.is_empty() {
            text = "rig".into();
        }
        Prefix(text.into())
    }
}

impl BeadId {
    /// The part before the last `-`.
    pub fn prefix(&self) -> &str {
        self.0.rsplit_once('-').map_or("", |(prefix, _)| prefix)
    }

    /// Whether a bead of ours can be called so.
    pub fn is_ours(&self) -> bool {
        !self.0.contains(':') && bead_word(&self.0).is_ok()
    }

    /// Sorts as people count: `x.2` before `x.10`, and parts behind their whole.
    pub fn compare(&self, other: &BeadId) -> std::cmp::Ordering {
        // Numbers come before words, so that the order is one.
        fn key(part: &str) -> (bool, u64, &str) {
            match part.parse::<u64>() {
                Ok(n) => (false, n, part),
                Err(_) => (true, 0, part),
            }
        }
        self.0.split('.').map(key).cmp(other.0.split('.').map(key))
    }

    /// The bead that this one is a part of, by its name (`x-1.2` → `x-1`).
    pub fn parent(&self) -> Option<BeadId> {
        let (parent, n) = self.0.rsplit_once('.')?;
        (n.chars().all(|c| c.is_ascii_digit()) && parent.contains('-')).then(|| BeadId(parent.into()))
    }

    /// The `n`th part of this bead.
    pub fn child(&self, n: u32) -> BeadId {
        BeadId(format!("{}.{n}", self.0).into())
    }
}

/// The number of a record in the ledger; the first is 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one.
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rig_may_not_take_the_name_of_a_folder_of_the_town() {
        for bad in ["", "config", "Mayor", "a b", "-x", "a/b", ".."] {
            assert!(bad.parse::<RigName>().is_err(), "{bad}");
        }
        assert!("web".parse::<RigName>().is_ok());
    }

    #[test]
    fn a_bead_knows_its_prefix_and_its_parent() {
        let id: BeadId = "my-app-4k2f.1.2".parse().unwrap();
        assert_eq!(id.prefix(), "my-app");
        assert_eq!(id.parent().unwrap().as_str(), "my-app-4k2f.1");
        assert_eq!(id.parent().unwrap().parent().unwrap().parent(), None);
        for bad in ["x", "-1", "a-", "a-b c"] {
            assert!(bad.parse::<BeadId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_letter_can_be_found_by_its_name() {
        assert_eq!(MailId::of_record(Seq(17)).record(), Some(Seq(17)));
        for other in ["m-017", "m-", "m-1x", "17", "m-99999999999999999999", "m--1"] {
            assert_eq!(other.parse::<MailId>().unwrap().record(), None, "{other}");
        }
    }

    #[test]
    fn names_survive_both_encodings() {
        let id: BeadId = "web-1".parse().unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"web-1\"");
        assert_eq!(serde_json::from_str::<BeadId>(&json).unwrap(), id);
        // What a dependency points at may be called otherwise; what a person types may not.
        assert!("nodash".parse::<BeadId>().is_err());
        let distant: BeadId = serde_json::from_str("\"nodash\"").unwrap();
        let external: BeadId = "external:beads:ephemeral-rename".parse().unwrap();
        assert!(id.is_ours() && !distant.is_ours() && !external.is_ours());
        assert!(serde_json::from_str::<BeadId>("\"a b\"").is_err());
    }

    #[test]
    fn parts_sort_as_people_count() {
        let mut ids: Vec<BeadId> = ["x-1.10", "x-2", "x-1.2.1", "x-1", "x-1.2", "x-1.1", "x-10", "x-1.a"]
            .iter()
            .map(|id| id.parse().unwrap())
            .collect();
        ids.sort_by(BeadId::compare);
        let names: Vec<&str> = ids.iter().map(BeadId::as_str).collect();
        assert_eq!(names, ["x-1", "x-1.1", "x-1.2", "x-1.2.1", "x-1.10", "x-1.a", "x-10", "x-2"]);
    }
}
