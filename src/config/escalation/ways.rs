//! How the ways that leave the town are reached: a mail server, HTTP, a program.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::document;

/// Where a secret is, never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In this variable of the runtime's environment.
    Env(String),
    /// In this file, below the town's folder unless it is absolute.
    File(PathBuf),
}

impl Secret {
    /// The secret of two fields of which at most one is given.
    fn of(what: &str, env: Option<String>, file: Option<PathBuf>) -> Result<Option<Secret>, String> {
        match (env, file) {
            (Some(_), Some(_)) => Err(format!("give {what}_env or {what}_file, not both")),
            (Some(name), None) => Ok(Some(Secret::Env(name))),
            (None, file) => Ok(file.map(Secret::File)),
        }
    }

    fn fields(secret: Option<&Secret>) -> (Option<String>, Option<PathBuf>) {
        match secret {
            None => (None, None),
            Some(Secret::Env(name)) => (Some(name.clone()), None),
            Some(Secret::File(path)) => (None, Some(path.clone())),
        }
    }

    /// Reads it; `root` is the town's folder.
    ///
    /// # Errors
    /// Says what is not there; never what is.
    pub fn read(&self, root: &Path) -> Result<String, String> {
        let text = match self {
            Secret::Env(name) => std::env::var(name)
                .map_err(|_| format!("the variable {name} is not set in the environment of the runtime"))?,
            Secret::File(path) => {
                let path = root.join(path);
                fs::read_to_string(&path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(format!("{self} is empty"));
        }
        Ok(text.to_owned())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Env(name) => write!(f, "the variable {name}"),
            Secret::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// How a connection to a mail server is kept from others' eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From the first byte on; port 465.
    Tls,
    /// From the server's offer on, and not without it; port 587.
    Starttls,
    /// Not at all; port 25.
    None,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SmtpFile", into = "SmtpFile")]
pub struct Smtp {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others' eyes.
    pub tls: Tls,
    /// Who the e-mails are from.
    pub from: String,
    /// Who it is told to be, with the password.
    pub login: Option<(String, Secret)>,
    /// The certificates that count instead of the usual ones, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How long one e-mail may take.
    pub timeout: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SmtpFile {
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<Tls>,
    from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password_env: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    #[serde(default = "timeout", with = "document::span")]
    timeout: Duration,
}

fn timeout() -> Duration {
    Duration::from_secs(20)
}

/// Whether `host` is this machine, whose own wire needs no cover.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl TryFrom<SmtpFile> for Smtp {
    type Error = String;

    fn try_from(file: SmtpFile) -> Result<Self, String> {
        let SmtpFile { host, port, tls, from, username, password_env, password_file, ca_file, timeout } =
            file;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("smtp: {host:?} is not the name of a host"));
        }
        if !from.contains('@') {
            return Err(format!("smtp: \"from\" is an address such as town@example.org, not {from:?}"));
        }
        let tls = tls.unwrap_or(if is_loopback(&host) { Tls::None } else { Tls::Starttls });
        let password =
            Secret::of("password", password_env, password_file).map_err(|why| format!("smtp: {why}"))?;
        let login = match (username, password) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            (Some(_), None) => return Err("smtp: a username needs password_env or password_file".to_owned()),
            (None, Some(_)) => return Err("smtp: a password needs a username".to_owned()),
        };
        if login.is_some() && tls == Tls::None && !is_loopback(&host) {
            return Err(
                "smtp: a password is not sent in the clear; use \"tls\": \"starttls\" or \"tls\"".to_owned()
            );
        }
        let port = port.unwrap_or(match tls {
            Tls::Tls => 465,
            Tls::Starttls => 587,
            Tls::None => 25,
        });
        Ok(Smtp { host, port, tls, from, login, ca_file, timeout })
    }
}

impl From<Smtp> for SmtpFile {
    fn from(smtp: Smtp) -> Self {
        let Smtp { host, port, tls, from, login, ca_file, timeout } = smtp;
        let (username, password) = login.unzip();
        let (password_env, password_file) = Secret::fields(password.as_ref());
        let (port, tls) = (Some(port), Some(tls));
        SmtpFile { host, port, tls, from, username, password_env, password_file, ca_file, timeout }
    }
}

/// Where an HTTP request goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WebhookFile", into = "WebhookFile")]
pub struct Webhook {
    /// Its address, which may be a secret itself.
    pub url: Url,
    /// What else stands above the request.
    pub headers: BTreeMap<String, String>,
    /// What is sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// The certificates that count instead of the usual ones, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    pub timeout: Duration,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses and headers of webhooks often are secrets.
        f.debug_struct("Webhook").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// An address.
#[derive(Clone, PartialEq, Eq)]
pub enum Url {
    /// In the open.
    Plain(String),
    /// Somewhere else.
    Secret(Secret),
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Url::Plain(_) => f.write_str("Plain(..)"),
            Url::Secret(secret) => f.debug_tuple("Secret").field(secret).finish(),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url_env: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_env: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    #[serde(default = "timeout", with = "document::span")]
    timeout: Duration,
}

/// Whether a request may go to `url`; with a token only where nobody else can read it.
fn check_url(url: &str, with_token: bool) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a webhook's url is such as https://example.org/hook".to_owned());
    }
    match scheme {
        "https" => Ok(()),
        "http" if with_token && !is_loopback(host) => {
            Err("a token is not sent in the clear: the url has to begin with https://".to_owned())
        }
        "http" => Ok(()),
        _ => Err("a webhook's url begins with https:// or http://".to_owned()),
    }
}

impl Webhook {
    /// The secret that holds its address, if one does.
    pub(crate) fn url_secret(&self) -> Option<&Secret> {
        match &self.url {
            Url::Plain(_) => None,
            Url::Secret(secret) => Some(secret),
        }
    }

    /// The address, and the token if there is one; `root` is the town's folder.
    ///
    /// # Errors
    /// Says what is not there or not right, and nothing that is secret.
    pub fn address(&self, root: &Path) -> Result<(String, Option<String>), String> {
        let url = match &self.url {
            Url::Plain(url) => url.clone(),
            Url::Secret(secret) => secret.read(root)?,
        };
        check_url(&url, self.token.is_some())?;
        let token = self.token.as_ref().map(|token| token.read(root)).transpose()?;
        Ok((url, token))
    }
}

impl TryFrom<WebhookFile> for Webhook {
    type Error = String;

    fn try_from(file: WebhookFile) -> Result<Self, String> {
        let WebhookFile { url, url_env, url_file, headers, token_env, token_file, ca_file, timeout } = file;
        let token = Secret::of("token", token_env, token_file)?;
        let url = match (url, Secret::of("url", url_env, url_file)?) {
            (Some(url), None) => Url::Plain(url),
            (None, Some(secret)) => Url::Secret(secret),
            (None, None) => return Err("a webhook needs a url, url_env or url_file".to_owned()),
            (Some(_), Some(_)) => return Err("give a webhook's url once".to_owned()),
        };
        if let Url::Plain(url) = &url {
            check_url(url, token.is_some())?;
        }
        for (name, value) in &headers {
            let fit = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || !name.chars().all(fit) || value.contains(char::is_control) {
                return Err(format!("{name:?} cannot stand above an HTTP request"));
            }
        }
        Ok(Webhook { url, headers, token, ca_file, timeout })
    }
}

impl From<Webhook> for WebhookFile {
    fn from(webhook: Webhook) -> Self {
        let Webhook { url, headers, token, ca_file, timeout } = webhook;
        let (token_env, token_file) = Secret::fields(token.as_ref());
        let (url, (url_env, url_file)) = match url {
            Url::Plain(url) => (Some(url), (None, None)),
            Url::Secret(secret) => (None, Secret::fields(Some(&secret))),
        };
        WebhookFile { url, url_env, url_file, headers, token_env, token_file, ca_file, timeout }
    }
}

/// A program that is told on its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program and its arguments; it is started in the town's folder.
    #[serde(deserialize_with = "a_program")]
    pub run: Vec<String>,
    /// Variables of the runtime's environment that it gets beside the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// How long it may take.
    #[serde(default = "timeout", with = "document::span")]
    pub timeout: Duration,
}

fn a_program<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(serde::de::Error::custom("\"run\" begins with a program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(text: &str) -> Result<Smtp, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    fn webhook(text: &str) -> Result<Webhook, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_mail_server_has_the_cover_and_the_port_that_go_together() {
        let of = |text: &str| smtp(text).map(|smtp| (smtp.tls, smtp.port)).unwrap();
        assert_eq!(of(r#"{"host": "127.0.0.1", "from": "a@b"}"#), (Tls::None, 25));
        assert_eq!(of(r#"{"host": "::1", "from": "a@b", "port": 2525}"#), (Tls::None, 2525));
        assert_eq!(of(r#"{"host": "mail.example.org", "from": "a@b"}"#), (Tls::Starttls, 587));
        assert_eq!(of(r#"{"host": "mail.example.org", "from": "a@b", "tls": "tls"}"#), (Tls::Tls, 465));
    }

    #[test]
    fn no_password_and_no_token_goes_over_an_open_wire() {
        let open = r#"{"host": "mail.example.org", "from": "a@b", "tls": "none", "username": "x",
                       "password_env": "P"}"#;
        assert!(smtp(open).unwrap_err().contains("in the clear"));
        assert!(smtp(&open.replace("mail.example.org", "localhost")).is_ok());
        assert!(
            webhook(r#"{"url": "http://example.org/x", "token_env": "T"}"#).unwrap_err().contains("clear")
        );
        for url in
            ["http://127.0.0.1:8080/x", "http://[::1]:80/x", "http://localhost/", "https://example.org"]
        {
            assert!(webhook(&format!(r#"{{"url": "{url}", "token_env": "T"}}"#)).is_ok(), "{url}");
        }
        // A name before the host is not the host.
        assert!(webhook(r#"{"url": "http://localhost@example.org/x", "token_env": "T"}"#).is_err());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (text, why) in [
            (r#"{"host": "x", "from": "a@b", "username": "u"}"#, "needs password_env"),
            (r#"{"host": "x", "from": "a@b", "password_env": "P"}"#, "needs a username"),
            (
                r#"{"host": "x", "from": "a@b", "username": "u", "password_env": "P", "password_file": "f"}"#,
                "not both",
            ),
            (r#"{"host": "a b", "from": "a@b"}"#, "not the name of a host"),
            (r#"{"host": "x", "from": "ab"}"#, "\"from\" is an address"),
        ] {
            assert!(smtp(text).unwrap_err().contains(why), "{text}");
        }
        for (text, why) in [
            ("{}", "needs a url"),
            (r#"{"url": "https://x", "url_env": "U"}"#, "once"),
            (r#"{"url": "ftp://x"}"#, "begins with https://"),
            (r#"{"url": "https://"}"#, "such as https://"),
            (r#"{"url": "https://x", "headers": {"a b": "c"}}"#, "cannot stand above"),
            (r#"{"url": "https://x", "headers": {"a": "c\r\nd: e"}}"#, "cannot stand above"),
        ] {
            assert!(webhook(text).unwrap_err().contains(why), "{text}");
        }
        assert!(serde_json::from_str::<Program>(r#"{"run": []}"#).is_err());
    }

    #[test]
    fn a_secret_is_read_when_it_is_needed_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "hush\n").unwrap();
        let token = Secret::File("token".into());
        assert_eq!(token.read(folder.path()).unwrap(), "hush");
        let missing = Secret::Env("GASTOWN_TEST_NO_SUCH_VARIABLE".into()).read(folder.path()).unwrap_err();
        assert!(missing.contains("GASTOWN_TEST_NO_SUCH_VARIABLE is not set"), "{missing}");
        fs::write(folder.path().join("url"), "https://example.org/hook/hush\n").unwrap();
        let hook = webhook(r#"{"url_file": "url", "token_file": "token"}"#).unwrap();
        let address = hook.address(folder.path()).unwrap();
        assert_eq!(address, ("https://example.org/hook/hush".to_owned(), Some("hush".to_owned())));
        let said = webhook(r#"{"url": "https://example.org/hush", "headers": {"x": "hush"}}"#).unwrap();
        assert!(!format!("{said:?}").contains("hush"));
    }
}
