//! One HTTP request: the message as JSON, and its name as `Idempotency-Key`.

use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error, Timeout};

use crate::{Ended, Message, Secret, brief, chain};

/// How much of an answer is read, in bytes.
const ANSWER: u64 = 64 * 1024;

/// Where a request goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The address; often a secret in itself.
    pub url: Secret,
    /// What else stands above the request.
    pub headers: Vec<(String, Secret)>,
    /// Certificates that count instead of the usual ones, in PEM.
    pub ca: Option<Vec<u8>>,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Posts `message`.
pub async fn post(target: &Target, message: &Message) -> Ended {
    let (target, key) = (target.clone(), message.key.clone());
    let body = message.json.to_string();
    if let Err(error) = faults::point("notify.send") {
        return Ended::Failed(error.to_string());
    }
    // The client blocks; its own clock ends it.
    let posted = tokio::task::spawn_blocking(move || try_post(&target, &key, &body)).await;
    let ended = posted.unwrap_or_else(|error| Ended::Doubtful(format!("sending it broke off: {error}")));
    faults::pass("notify.sent");
    ended
}

/// The part of an address that is no secret: how and where, not what.
fn place(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}")
}

fn agent(target: &Target) -> Result<Agent, String> {
    let mut tls = TlsConfig::builder();
    if let Some(pem) = &target.ca {
        let mut roots: Vec<Certificate<'static>> = Vec::new();
        for item in parse_pem(pem) {
            match item.map_err(|error| format!("the certificates cannot be read: {error}"))? {
                PemItem::Certificate(certificate) => roots.push(certificate),
                _ => continue,
            }
        }
        tls = tls.root_certs(RootCerts::Specific(Arc::new(roots)));
    }
    let config = Agent::config_builder()
        .timeout_global(Some(target.timeout))
        // A part of it: when nobody was reached, nobody can have heard anything.
        .timeout_resolve(Some(target.timeout / 4))
        .timeout_connect(Some(target.timeout / 2))
        .http_status_as_error(false)
        // Whoever is asked to go elsewhere with a message should be told there at once: in the configuration.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent("gastown")
        .tls_config(tls.build());
    Ok(config.build().into())
}

fn try_post(target: &Target, key: &str, body: &str) -> Ended {
    let Secret(url) = &target.url;
    let place = place(url);
    let agent = match agent(target) {
        Ok(agent) => agent,
        Err(why) => return Ended::Failed(why),
    };
    let mut request =
        agent.post(url).header("Content-Type", "application/json").header("Idempotency-Key", key);
    for (name, Secret(value)) in &target.headers {
        request = request.header(name, value);
    }
    let mut response = match request.send(body) {
        Ok(response) => response,
        Err(error) => return judge(&place, target.timeout, &error),
    };
    let status = response.status();
    let text = response.body_mut().with_config().limit(ANSWER).read_to_string().unwrap_or_default();
    let said = match brief(&text) {
        text if text.is_empty() => format!("{place}: HTTP {}", status.as_u16()),
        text => format!("{place}: HTTP {}: {text}", status.as_u16()),
    };
    match status.as_u16() {
        200..=299 => Ended::Taken(said),
        // Later, perhaps: too slow, too early, too often, or the server's own trouble.
        408 | 425 | 429 | 500..=599 => Ended::Failed(said),
        300..=399 => Ended::Refused(format!("{said}; it has moved, and messages are not sent after it")),
        _ => Ended::Refused(said),
    }
}

/// What is known after `error`: whether the request can have arrived.
fn judge(place: &str, timeout: Duration, error: &Error) -> Ended {
    // Before the first word: nobody is there, or TLS does not believe who is (that is what it calls invalid data).
    let unsaid = |error: &std::io::Error| {
        use std::io::ErrorKind as Kind;
        matches!(
            error.kind(),
            Kind::ConnectionRefused
                | Kind::HostUnreachable
                | Kind::NetworkUnreachable
                | Kind::AddrNotAvailable
                | Kind::InvalidData
        )
    };
    match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            Ended::Failed(format!("{place}: no connection within {timeout:?}"))
        }
        Error::Timeout(_) => Ended::Doubtful(format!("{place}: no answer within {timeout:?}")),
        Error::Io(io) if !unsaid(io) => Ended::Doubtful(format!("{place}: {}", chain(io))),
        Error::Io(io) => Ended::Failed(format!("{place}: {}", chain(io))),
        Error::HostNotFound => Ended::Failed(format!("{place}: there is no such host")),
        Error::ConnectionFailed => Ended::Failed(format!("{place}: no connection")),
        Error::Tls(_) | Error::Rustls(_) => Ended::Failed(format!("{place}: {}", chain(error))),
        Error::Http(_) | Error::BadUri(_) | Error::InvalidProxyUrl => {
            // Their words may hold the address.
            Ended::Refused(format!("{place}: the address or a header is not valid"))
        }
        other => Ended::Doubtful(format!("{place}: {}", chain(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_place_is_ever_said() {
        for (url, said) in [
            ("https://hooks.example.org/services/T0/B0/hush", "https://hooks.example.org"),
            ("http://pat:hush@127.0.0.1:8080?token=hush", "http://127.0.0.1:8080"),
            ("https://[::1]:443#hush", "https://[::1]:443"),
        ] {
            assert_eq!(place(url), said);
        }
    }
}
