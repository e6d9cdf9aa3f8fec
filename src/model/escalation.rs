//! What a person has to know: how grave it is, which ways it goes, and what came of each.
//!
//! - [`Severity`] and [`Rules`]: how grave, and what follows from that.
//! - [`Route`] and [`Outcome`]: a way, and what came of it.
//! - [`EscalationRow`] and its parts: what people and programs are shown.

mod route;
mod row;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bead::Priority;
use crate::near;
use crate::role::Address;

pub use self::route::{Outcome, Route};
pub use self::row::{Context, EscalationRow, LetterNote, NoticeRow, NoticeState, Stage, StaleRow};

/// How grave an escalation is. The gravest is the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To be known some time: P3.
    Low,
    /// To be looked at: P2.
    Medium,
    /// To be looked at soon: P1.
    High,
    /// To be looked at now: P0.
    Critical,
}

impl Severity {
    /// Every severity, the lightest first.
    pub const ALL: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The next one up; none above the gravest.
    pub fn next(self) -> Option<Severity> {
        Severity::ALL.into_iter().find(|other| *other > self)
    }

    /// The priority of a bead that is as urgent.
    pub fn priority(self) -> Priority {
        let urgency = 3 - self as u8;
        Priority::try_from(urgency).unwrap_or_default()
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;

    /// Reads `high`, `HIGH` and `P1`.
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let known = |severity: &Severity| {
            severity.as_str() == lower || severity.priority().to_string().eq_ignore_ascii_case(text)
        };
        Severity::ALL.into_iter().find(known).ok_or_else(|| {
            let near = near::did_you_mean(&near::matches(&lower, Severity::ALL.map(Severity::as_str)));
            let near = near.map(|near| format!("; {near}")).unwrap_or_default();
            format!(
                "{text:?} is not a severity; it is one of critical, high, medium, low (or P0 to P3){near}"
            )
        })
    }
}

/// How often and how soon what did not go through is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// The pause after the first one; each further one is three times as long.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
}

impl Retry {
    /// The pause after attempt number `attempt`, from 1; none when that was the last.
    pub fn pause(&self, attempt: u32) -> Option<Duration> {
        let factor = 3_u32.saturating_pow(attempt.saturating_sub(1));
        (attempt < self.attempts).then(|| self.first.saturating_mul(factor).min(self.most))
    }
}

impl Default for Retry {
    fn default() -> Self {
        Retry { attempts: 8, first: Duration::from_secs(10), most: Duration::from_secs(3600) }
    }
}

/// What becomes of escalations: which ways they go, and when nobody's taking note makes them graver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The ways of each severity.
    pub routes: BTreeMap<Severity, Vec<Route>>,
    /// How long one of a severity may be open with nobody taking note; none for ever.
    pub stale_after: BTreeMap<Severity, Duration>,
    /// How often one becomes graver, at most.
    pub max_reescalations: u32,
    /// How long a call for help may have no answer on each rung of the ladder.
    pub help_deadline: Duration,
    /// How what did not go through is tried again.
    pub retry: Retry,
    /// Whether what may or may not have gone through, since the runtime died over it, is sent again.
    pub repeat_in_doubt: bool,
}

impl Rules {
    /// The ways of an escalation of `severity`.
    pub fn routes_of(&self, severity: Severity) -> &[Route] {
        self.routes.get(&severity).map_or(&[], Vec::as_slice)
    }
}

impl Default for Rules {
    fn default() -> Self {
        use Severity::{Critical, High, Low, Medium};
        let (mayor, overseer) = (Route::Mail(Address::Mayor), Route::Mail(Address::Overseer));
        let routes = BTreeMap::from([
            (Low, vec![Route::Bead]),
            (Medium, vec![Route::Bead, mayor.clone()]),
            (High, vec![Route::Bead, mayor.clone(), overseer.clone()]),
            (Critical, vec![Route::Bead, mayor, overseer]),
        ]);
        Rules {
            routes,
            stale_after: Severity::ALL.map(|severity| (severity, Duration::from_secs(4 * 3600))).into(),
            max_reescalations: 2,
            help_deadline: Duration::from_secs(600),
            retry: Retry::default(),
            repeat_in_doubt: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_severities_are_four_priorities_and_climb_one_by_one() {
        let words: Vec<String> =
            Severity::ALL.iter().map(|s| format!("{s} {} {:?}", s.priority(), s.next())).collect();
        assert_eq!(
            words,
            ["low P3 Some(Medium)", "medium P2 Some(High)", "high P1 Some(Critical)", "critical P0 None"]
        );
        for text in ["high", "HIGH", "P1", "p1"] {
            assert_eq!(text.parse::<Severity>().unwrap(), Severity::High);
        }
        assert!("hihg".parse::<Severity>().unwrap_err().ends_with("did you mean \"high\"?"));
        assert!("P4".parse::<Severity>().is_err());
    }

    #[test]
    fn pauses_grow_to_the_longest_and_end() {
        let retry = Retry { attempts: 5, first: Duration::from_secs(10), most: Duration::from_secs(100) };
        let pauses: Vec<Option<u64>> = (1..6).map(|n| retry.pause(n).map(|p| p.as_secs())).collect();
        assert_eq!(pauses, [Some(10), Some(30), Some(90), Some(100), None]);
        assert_eq!(Retry { attempts: u32::MAX, ..retry }.pause(4_000).unwrap().as_secs(), 100);
    }
}
