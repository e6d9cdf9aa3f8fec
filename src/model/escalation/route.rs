//! The ways that an escalation goes, as they are written, and what came of going one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::{BeadId, MailId};
use crate::near;
use crate::role::Address;

/// One way that an escalation goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// A bead of its own, which nobody is given to work at.
    Bead,
    /// A letter to the Mayor or to the overseer.
    Mail(Address),
    /// An e-mail.
    Email(String),
    /// An HTTP request, to the one of this name.
    Webhook(Option<String>),
    /// A program, the one of this name.
    Command(Option<String>),
}

/// How routes are written, for people who wrote one that is none.
const ROUTES: &str =
    "bead, mail:mayor, mail:overseer, email:ADDRESS, webhook, webhook:NAME, command, command:NAME";

impl Route {
    /// Whether the ledger alone can take it: then it is taken together with the record that says so.
    pub fn is_inside(&self) -> bool {
        matches!(self, Route::Bead | Route::Mail(_))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Bead => f.write_str("bead"),
            Route::Mail(address) => write!(f, "mail:{}", address.to_string().trim_end_matches('/')),
            Route::Email(address) => write!(f, "email:{address}"),
            Route::Webhook(None) => f.write_str("webhook"),
            Route::Webhook(Some(name)) => write!(f, "webhook:{name}"),
            Route::Command(None) => f.write_str("command"),
            Route::Command(Some(name)) => write!(f, "command:{name}"),
        }
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        let name = || rest.filter(|name| !name.is_empty()).map(str::to_owned);
        match (kind, rest) {
            ("bead", None) => Ok(Route::Bead),
            ("mail", Some(to)) => match to.trim_end_matches('/') {
                "mayor" => Ok(Route::Mail(Address::Mayor)),
                "overseer" => Ok(Route::Mail(Address::Overseer)),
                _ => Err(strange(text, "a letter goes to mayor or overseer")),
            },
            ("email", Some(address)) if is_email(address) => Ok(Route::Email(address.to_owned())),
            ("email", _) => Err(strange(text, "an e-mail needs an address such as email:pat@example.org")),
            ("webhook", None) => Ok(Route::Webhook(None)),
            ("webhook", Some(_)) if name().is_some() => Ok(Route::Webhook(name())),
            ("command", None) => Ok(Route::Command(None)),
            ("command", Some(_)) if name().is_some() => Ok(Route::Command(name())),
            _ => {
                let words = ["bead", "mail:mayor", "mail:overseer", "email", "webhook", "command"];
                let near = near::matches(text, words).into_iter().chain(near::matches(kind, words));
                let near: Vec<String> = near.take(1).collect();
                let near = near::did_you_mean(&near).map(|near| format!("; {near}")).unwrap_or_default();
                Err(strange(text, &format!("one of {ROUTES}{near}")))
            }
        }
    }
}

fn strange(text: &str, why: &str) -> String {
    format!("{text:?} is not a route: {why}")
}

/// Whether `text` looks like an address that mail can be sent to. The server has the last word.
fn is_email(text: &str) -> bool {
    let strange = |c: char| c.is_control() || c.is_whitespace() || "<>,;:\"()[]\\".contains(c);
    text.len() <= 254
        && !text.contains(strange)
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Route {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// What came of one attempt to take a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// A bead holds it.
    Bead {
        /// Which.
        bead: BeadId,
    },
    /// A letter was written.
    Letter {
        /// Which.
        mail: MailId,
    },
    /// Somebody outside has taken it.
    Delivered {
        /// What they said.
        detail: String,
    },
    /// It did not go through.
    Failed {
        /// Why.
        error: String,
        /// Whether it is tried again.
        again: bool,
        /// Whether it may have gone through all the same.
        #[serde(default, skip_serializing_if = "is_not")]
        in_doubt: bool,
    },
    /// Whether it went through is not known, and it is left at that.
    Unknown {
        /// Why it is not known.
        why: String,
    },
}

fn is_not(flag: &bool) -> bool {
    !flag
}

impl Outcome {
    /// Whether it has come to whom it was for.
    pub fn is_there(&self) -> bool {
        matches!(self, Outcome::Bead { .. } | Outcome::Letter { .. } | Outcome::Delivered { .. })
    }

    /// Whether nothing more is done about it.
    pub fn is_final(&self) -> bool {
        !matches!(self, Outcome::Failed { again: true, .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Bead { bead } => write!(f, "bead {bead}"),
            Outcome::Letter { mail } => write!(f, "letter {mail}"),
            Outcome::Delivered { detail } => f.write_str(detail),
            Outcome::Failed { error, .. } => write!(f, "failed: {error}"),
            Outcome::Unknown { why } => write!(f, "not known: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_reads_back_as_it_is_written_and_a_slip_is_named() {
        let good = [
            "bead",
            "mail:mayor",
            "mail:overseer",
            "email:pat@example.org",
            "webhook",
            "webhook:pager",
            "command",
            "command:bell",
        ];
        for text in good {
            assert_eq!(text.parse::<Route>().unwrap().to_string(), text);
        }
        assert_eq!("mail:mayor/".parse::<Route>().unwrap(), Route::Mail(Address::Mayor));
        for (text, hint) in [
            ("baed", "did you mean \"bead\"?"),
            ("mial:mayor", "did you mean \"mail:mayor\"?"),
            ("mail:nobody", "mayor or overseer"),
            ("email:pat", "email:pat@example.org"),
            ("email:a b@c", "email:pat@example.org"),
            ("email:a@b\r\nBcc: x@y", "email:pat@example.org"),
            ("webhok:x", "did you mean \"webhook\"?"),
            ("webhook:", "one of"),
            ("bead:x", "did you mean \"bead\"?"),
        ] {
            let error = text.parse::<Route>().unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
        let packed = rmp_serde::to_vec_named(&Route::Webhook(Some("x".into()))).unwrap();
        assert_eq!(rmp_serde::from_slice::<Route>(&packed).unwrap().to_string(), "webhook:x");
    }
}
