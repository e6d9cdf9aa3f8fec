//! What `config/escalation.json` says: which ways an escalation goes, how they are reached, and when one of which
//! nobody takes note becomes graver.
//!
//! Secrets never stand in the file: it names the variable of the environment or the file that holds them, and
//! they are read at the moment they are needed.

mod ways;

use std::collections::BTreeMap;
use std::time::Duration;

use model::escalation::{Retry, Route, Rules, Severity};
use model::near;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::document::{self, Version};

pub use self::ways::{Program, Secret, Smtp, Tls, Webhook};

/// `config/escalation.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct Escalation {
    /// What becomes of escalations.
    pub rules: Rules,
    /// The server that takes e-mails.
    pub smtp: Option<Smtp>,
    /// Where HTTP requests go, by name.
    pub webhooks: BTreeMap<String, Webhook>,
    /// Programs, by name.
    pub commands: BTreeMap<String, Program>,
}

impl Escalation {
    /// The webhook called `name`, or the only one there is.
    ///
    /// # Errors
    /// That there is none, with what is near.
    pub fn webhook(&self, name: Option<&str>) -> Result<&Webhook, String> {
        named("webhook", &self.webhooks, name)
    }

    /// The program called `name`, or the only one there is.
    ///
    /// # Errors
    /// That there is none, with what is near.
    pub fn command(&self, name: Option<&str>) -> Result<&Program, String> {
        named("command", &self.commands, name)
    }

    /// The server that takes e-mails.
    ///
    /// # Errors
    /// That there is none.
    pub fn smtp(&self) -> Result<&Smtp, String> {
        self.smtp.as_ref().ok_or_else(|| "there is no \"smtp\" section to send e-mails by".to_owned())
    }

    /// Every secret that is named, and what it is for.
    pub fn secrets(&self) -> impl Iterator<Item = (String, &Secret)> {
        let password = self.smtp.iter().filter_map(|smtp| smtp.login.as_ref());
        let password = password.map(|(_, secret)| ("the password of the mail server".to_owned(), secret));
        let hooks = self.webhooks.iter().flat_map(|(name, webhook)| {
            let url = webhook.url_secret().map(|secret| (format!("the address of webhook {name}"), secret));
            let token = webhook.token.as_ref().map(|secret| (format!("the token of webhook {name}"), secret));
            url.into_iter().chain(token)
        });
        password.chain(hooks)
    }

    /// Whether a route of `self` leads anywhere.
    fn check(&self, route: &Route) -> Result<(), String> {
        match route {
            Route::Bead | Route::Mail(_) => Ok(()),
            Route::Email(_) => self.smtp().map(drop),
            Route::Webhook(name) => self.webhook(name.as_deref()).map(drop),
            Route::Command(name) => self.command(name.as_deref()).map(drop),
        }
    }
}

/// The one of `all` that is called `name`, or the only one.
fn named<'a, T>(what: &str, all: &'a BTreeMap<String, T>, name: Option<&str>) -> Result<&'a T, String> {
    let Some(name) = name else {
        let mut values = all.values();
        return match (values.next(), values.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(format!("\"{what}s\" names none")),
            (Some(_), Some(_)) => {
                let names: Vec<String> = all.keys().map(|name| format!("\"{what}:{name}\"")).collect();
                Err(format!("there are several; say which: {}", names.join(", ")))
            }
        };
    };
    all.get(name).ok_or_else(|| {
        let near = near::did_you_mean(&near::matches(name, all.keys().map(String::as_str)));
        let near = near.map(|near| format!("; {near}")).unwrap_or_default();
        format!("\"{what}s\" has none called {name:?}{near}")
    })
}

/// The document as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    version: Version,
    #[serde(default = "help_deadline", with = "document::span")]
    help_deadline: Duration,
    #[serde(default)]
    routes: Routes,
    #[serde(default, alias = "stale_threshold")]
    stale_after: Stale,
    #[serde(default = "max_reescalations")]
    max_reescalations: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry: Option<RetryFile>,
    #[serde(default, skip_serializing_if = "InDoubt::is_usual")]
    in_doubt: InDoubt,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    smtp: Option<Smtp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    webhooks: BTreeMap<String, Webhook>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    commands: BTreeMap<String, Program>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Escalation,
}

fn help_deadline() -> Duration {
    Rules::default().help_deadline
}

fn max_reescalations() -> u32 {
    Rules::default().max_reescalations
}

/// Ways by severity; those that are not given are as usual.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Routes {
    low: Option<Vec<Route>>,
    medium: Option<Vec<Route>>,
    high: Option<Vec<Route>>,
    critical: Option<Vec<Route>>,
}

/// One span for all severities, or a table of some; `never` is one as well.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(untagged)]
enum Stale {
    #[default]
    Usual,
    All(Patience),
    Some(BTreeMap<Severity, Patience>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patience(Option<Duration>);

impl Serialize for Patience {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str("never"),
            Some(span) => document::span::serialize(&span, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Patience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Patience(None));
        }
        humantime::parse_duration(&text).map(|span| Patience(Some(span))).map_err(|_| {
            de::Error::custom(format!("{text:?} is not a time span such as \"30m\" or \"4h\", nor \"never\""))
        })
    }
}

// By hand, since an untagged enum says of anything wrong in it only that nothing fits.
impl<'de> Deserialize<'de> for Stale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Stale;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time span, or one for each severity")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Stale, E> {
                Patience::deserialize(de::value::StrDeserializer::new(text)).map(Stale::All)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Stale, A::Error> {
                BTreeMap::deserialize(de::value::MapAccessDeserializer::new(map)).map(Stale::Some)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RetryFile {
    #[serde(deserialize_with = "document::at_least_one")]
    attempts: u32,
    #[serde(with = "document::span")]
    first: Duration,
    #[serde(with = "document::span")]
    most: Duration,
}

impl Default for RetryFile {
    fn default() -> Self {
        let Retry { attempts, first, most } = Retry::default();
        RetryFile { attempts, first, most }
    }
}

/// What is done about a message that may or may not have gone out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InDoubt {
    /// Sent again, under the same name.
    #[default]
    Repeat,
    /// Left alone, and said to be unknown.
    Leave,
}

impl InDoubt {
    fn is_usual(&self) -> bool {
        *self == InDoubt::Repeat
    }
}

impl TryFrom<File> for Escalation {
    type Error = String;

    fn try_from(file: File) -> Result<Self, String> {
        let mut rules = Rules::default();
        let Routes { low, medium, high, critical } = file.routes;
        let given = [low, medium, high, critical];
        for (severity, routes) in Severity::ALL.into_iter().zip(given) {
            let Some(routes) = routes else { continue };
            if let Some(twice) = routes.iter().enumerate().find(|(n, route)| routes[..*n].contains(route)) {
                return Err(format!("the routes of {severity} name {:?} twice", twice.1.to_string()));
            }
            rules.routes.insert(severity, routes);
        }
        match file.stale_after {
            Stale::Usual => {}
            Stale::All(Patience(span)) => {
                rules.stale_after =
                    Severity::ALL.into_iter().filter_map(|severity| Some((severity, span?))).collect();
            }
            Stale::Some(given) => {
                for (severity, Patience(span)) in given {
                    match span {
                        Some(span) => rules.stale_after.insert(severity, span),
                        None => rules.stale_after.remove(&severity),
                    };
                }
            }
        }
        rules.max_reescalations = file.max_reescalations;
        rules.help_deadline = file.help_deadline;
        if let Some(RetryFile { attempts, first, most }) = file.retry {
            rules.retry = Retry { attempts, first, most };
        }
        rules.repeat_in_doubt = file.in_doubt == InDoubt::Repeat;
        let read = Escalation { rules, smtp: file.smtp, webhooks: file.webhooks, commands: file.commands };
        for (severity, routes) in &read.rules.routes {
            for route in routes {
                let nowhere =
                    |why| format!("route {:?} of {severity} leads nowhere: {why}", route.to_string());
                read.check(route).map_err(nowhere)?;
            }
        }
        Ok(read)
    }
}

impl From<Escalation> for File {
    fn from(read: Escalation) -> File {
        let Escalation { rules, smtp, webhooks, commands } = read;
        let routes = |severity| Some(rules.routes_of(severity).to_vec());
        let patience = |severity| Patience(rules.stale_after.get(&severity).copied());
        let all: BTreeMap<Severity, Patience> =
            Severity::ALL.into_iter().map(|severity| (severity, patience(severity))).collect();
        let same = all.values().all(|span| Some(span) == all.values().next());
        let Retry { attempts, first, most } = rules.retry;
        File {
            kind: None,
            version: Version,
            help_deadline: rules.help_deadline,
            routes: Routes {
                low: routes(Severity::Low),
                medium: routes(Severity::Medium),
                high: routes(Severity::High),
                critical: routes(Severity::Critical),
            },
            stale_after: if same { Stale::All(patience(Severity::Low)) } else { Stale::Some(all) },
            max_reescalations: rules.max_reescalations,
            retry: (rules.retry != Retry::default()).then_some(RetryFile { attempts, first, most }),
            in_doubt: if rules.repeat_in_doubt { InDoubt::Repeat } else { InDoubt::Leave },
            smtp,
            webhooks,
            commands,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::refusal::Refusal;

    use super::*;

    fn read(text: &str) -> Result<Escalation, Refusal> {
        document::parse(Path::new("escalation.json"), text).map_err(Refusal::from)
    }

    const WHOLE: &str = r#"{
        "type": "escalation",
        "version": 1,
        "help_deadline": "5m",
        "routes": {
            "high": ["bead", "mail:mayor", "email:pat@example.org"],
            "critical": ["bead", "webhook", "command:bell"]
        },
        "stale_after": {"critical": "30m", "low": "never"},
        "max_reescalations": 1,
        "retry": {"attempts": 3},
        "in_doubt": "leave",
        "smtp": {"host": "mail.example.org", "from": "town@example.org", "username": "town",
                 "password_env": "SMTP_PASSWORD"},
        "webhooks": {"pager": {"url": "https://hooks.example.org/x", "token_file": "config/pager.token"}},
        "commands": {"bell": {"run": ["bin/ring", "--loud"], "timeout": "5s", "pass_env": ["DISPLAY"]}}
    }"#;

    #[test]
    fn what_is_not_said_is_as_usual() {
        let empty = read(r#"{"version": 1}"#).unwrap();
        assert_eq!(empty, Escalation::default());
        let whole = read(WHOLE).unwrap();
        let rules = &whole.rules;
        assert_eq!(rules.routes_of(Severity::Low), [Route::Bead]);
        assert_eq!(rules.routes_of(Severity::Critical).len(), 3);
        let patience = |severity| rules.stale_after.get(&severity).map(Duration::as_secs);
        assert_eq!(Severity::ALL.map(patience), [None, Some(14_400), Some(14_400), Some(1_800)]);
        assert_eq!((rules.max_reescalations, rules.help_deadline.as_secs()), (1, 300));
        assert_eq!((rules.retry.attempts, rules.retry.first.as_secs()), (3, 10));
        assert!(!rules.repeat_in_doubt);
        assert_eq!(whole.webhook(None).unwrap().timeout.as_secs(), 20);
        assert_eq!(whole.command(Some("bell")).unwrap().run, ["bin/ring", "--loud"]);
        // Written and read again it says the same.
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(read(&text).unwrap(), whole);
        let all = read(r#"{"version": 1, "stale_threshold": "2h"}"#).unwrap();
        assert!(all.rules.stale_after.values().all(|span| span.as_secs() == 7_200));
    }

    #[test]
    fn the_example_on_the_page_is_valid() {
        let page = include_str!("../../docs/escalation.md");
        let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let read = read(example).unwrap();
        assert_eq!(read.rules.routes_of(Severity::Critical).len(), 6);
        assert_eq!((read.secrets().count(), read.smtp().unwrap().port), (3, 587));
    }

    #[test]
    fn a_slip_is_named_with_what_was_meant() {
        let check = |section: &str, message: &str, hint: &str| {
            let refusal = read(&format!("{{\"version\": 1,\n{section}}}")).unwrap_err();
            assert!(refusal.message.contains(message), "{section}: {refusal}");
            let said = format!("{} {}", refusal.message, refusal.hint.unwrap_or_default());
            assert!(said.contains(hint), "{section}: {said}");
        };
        check(r#""help_dedline": "1h""#, "unknown key", "did you mean \"help_deadline\"?");
        check(r#""routes": {"hihg": []}"#, "unknown key", "did you mean \"high\"?");
        check(r#""routes": {"high": ["mial:mayor"]}"#, "escalation.json:2", "did you mean \"mail:mayor\"?");
        check(r#""routes": {"high": ["bead", "bead"]}"#, "\"bead\" twice", "");
        check(r#""routes": {"high": ["email:a@b.c"]}"#, "leads nowhere", "\"smtp\" section");
        check(
            r#""routes": {"high": ["webhook:pagr"]}, "webhooks": {"pager": {"url": "https://x"}}"#,
            "leads nowhere",
            "did you mean \"pager\"?",
        );
        check(r#""routes": {"high": ["command"]}"#, "leads nowhere", "names none");
        check(r#""stale_after": "soon""#, "not a time span", "never");
        check(r#""stale_after": {"critcal": "1h"}"#, "unknown word", "did you mean \"critical\"?");
        check(r#""stale_after": {"high": 4}"#, "invalid type", "");
        check(r#""retry": {"atempts": 3}"#, "unknown key", "did you mean \"attempts\"?");
        check(r#""in_doubt": "repat""#, "unknown word", "did you mean \"repeat\"?");
        check(r#""webhooks": {"a": {"url": "https://x", "hedaers": {}}}"#, "unknown key", "headers");
        check(
            r#""routes": {"high": ["webhook"]},
               "webhooks": {"a": {"url": "https://x"}, "b": {"url": "https://y"}}"#,
            "several",
            "\"webhook:a\", \"webhook:b\"",
        );
    }
}
