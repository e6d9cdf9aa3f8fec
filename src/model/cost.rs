//! What agents have used: tokens, counted by their providers, never money.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::near;
use crate::time::Day;

/// Tokens by what a provider charges for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Read by the model, for the first time or without a cache.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read by the model and put into the cache, for however long.
    pub cache_write: u64,
    /// The part of `cache_write` that is kept for an hour, which costs more.
    #[serde(default)]
    pub cache_write_1h: u64,
    /// Read from the cache.
    pub cache_read: u64,
}

impl Tokens {
    /// All of them, whatever they cost.
    pub fn total(&self) -> u64 {
        let Tokens { input, output, cache_write, cache_read, .. } = *self;
        input.saturating_add(output).saturating_add(cache_write).saturating_add(cache_read)
    }

    /// Kind by kind, by `by`.
    fn zip(self, other: Tokens, by: impl Fn(u64, u64) -> u64) -> Tokens {
        Tokens {
            input: by(self.input, other.input),
            output: by(self.output, other.output),
            cache_write: by(self.cache_write, other.cache_write),
            cache_write_1h: by(self.cache_write_1h, other.cache_write_1h),
            cache_read: by(self.cache_read, other.cache_read),
        }
    }

    /// The larger count of each kind.
    #[must_use]
    pub fn max(self, other: Tokens) -> Tokens {
        self.zip(other, u64::max)
    }

    /// What is here and not in `other`, kind by kind; never below zero.
    #[must_use]
    pub fn without(self, other: Tokens) -> Tokens {
        self.zip(other, u64::saturating_sub)
    }
}

impl Add for Tokens {
    type Output = Tokens;
    fn add(self, other: Tokens) -> Tokens {
        self.zip(other, u64::saturating_add)
    }
}

/// Tokens, and the answers of a model that they were used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The tokens.
    #[serde(flatten)]
    pub tokens: Tokens,
    /// The answers.
    pub messages: u64,
}

impl Used {
    /// What is here and not in `other`; never below zero.
    #[must_use]
    pub fn without(self, other: Used) -> Used {
        Used {
            tokens: self.tokens.without(other.tokens),
            messages: self.messages.saturating_sub(other.messages),
        }
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, other: Used) {
        self.tokens = self.tokens + other.tokens;
        self.messages = self.messages.saturating_add(other.messages);
    }
}

/// What use is summed up by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Who used it.
    #[default]
    Agent,
    /// The rig of the agent.
    Rig,
    /// What it was for.
    Bead,
    /// Which model.
    Model,
    /// The day (UTC) on which it was recorded.
    Day,
    /// Which session.
    Session,
}

impl By {
    /// Everything that it can be summed up by.
    pub const ALL: [By; 6] = [By::Agent, By::Rig, By::Bead, By::Model, By::Day, By::Session];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            By::Agent => "agent",
            By::Rig => "rig",
            By::Bead => "bead",
            By::Model => "model",
            By::Day => "day",
            By::Session => "session",
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for By {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        // People say both `--by agent` and `--by agents`.
        let one = lower.strip_suffix('s').unwrap_or(&lower);
        By::ALL.into_iter().find(|by| by.as_str() == one).ok_or_else(|| {
            let words = By::ALL.map(By::as_str);
            let near = near::did_you_mean(&near::matches(text, words));
            near.unwrap_or_else(|| format!("it is one of {}", words.join(", ")))
        })
    }
}

/// One row of `costs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The agent, rig, bead, model, day or session; none for what belongs to no rig or no bead.
    pub name: Option<String>,
    /// More about it: the title of a bead, the agent of a session.
    pub about: Option<String>,
    /// What was used.
    #[serde(flatten)]
    pub used: Used,
    /// In how many sessions.
    pub sessions: usize,
}

/// The answer to `costs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What it is summed up by.
    pub by: By,
    /// The first day that counts; none for all.
    pub since: Option<Day>,
    /// The largest first; days in their order.
    pub rows: Vec<Row>,
    /// All rows together; a session that stands in two rows counts once.
    pub total: Row,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_added_and_never_falls_below_nothing() {
        let one = Tokens { input: 5, output: 1, cache_read: 7, ..Tokens::default() };
        let two = Tokens { input: 2, output: 3, cache_write: 1, cache_write_1h: 1, cache_read: u64::MAX };
        assert_eq!(one.without(two), Tokens { input: 3, ..Tokens::default() });
        assert_eq!(one.max(two), Tokens { input: 5, ..two });
        assert_eq!((one + two).total(), u64::MAX);
        assert_eq!(one.total(), 13);
    }

    #[test]
    fn a_slip_in_what_to_sum_up_by_is_answered_with_the_word() {
        for by in By::ALL {
            assert_eq!(by.to_string().parse(), Ok(by));
            assert_eq!(format!("{by}s").parse(), Ok(by));
        }
        assert_eq!("baed".parse::<By>(), Err("did you mean \"bead\"?".to_owned()));
        assert!("colour".parse::<By>().unwrap_err().contains("agent, rig, bead, model, day, session"));
    }
}
