//! One e-mail, by SMTP.
//!
//! The steps are taken one by one, since it matters which one fails: until the server has let the text begin,
//! nothing was sent; when it has answered the end of the text, that is its word; in between nobody knows.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Letter};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;

use crate::{Ended, Message, Secret, chain};

/// How a connection is kept from others' eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// TLS from the first byte on.
    Tls,
    /// TLS once the server has offered it, and nothing without it.
    Starttls,
    /// None.
    Open,
}

/// A mail server, and who we are to it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others' eyes.
    pub cover: Cover,
    /// Who the e-mail is from.
    pub from: String,
    /// Name and password.
    pub login: Option<(String, Secret)>,
    /// Certificates that count instead of the usual ones, in PEM.
    pub ca: Option<Vec<u8>>,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Sends `message` to the address `to`.
pub async fn send(server: &Server, to: &str, message: &Message) -> Ended {
    let letter = match letter(server, to, message) {
        Ok(letter) => letter,
        Err(why) => return Ended::Refused(why),
    };
    if let Err(error) = faults::point("notify.send") {
        return Ended::Failed(error.to_string());
    }
    // Behind a lock, so that how far it had come is known when the time is up.
    let stage = std::sync::Mutex::new(Stage::Before);
    let reach = |reached| {
        if let Ok(mut stage) = stage.lock() {
            *stage = reached;
        }
    };
    let ended = tokio::time::timeout(server.timeout, talk(server, &letter, &reach)).await;
    let stage = stage.lock().map_or(Stage::Said, |stage| *stage);
    let ended = match ended {
        Ok(Ok(response)) => Ended::Taken(crate::brief(&said(&response))),
        Ok(Err(error)) => judge(server, &error, stage),
        Err(_) if stage == Stage::Said => {
            Ended::Doubtful(format!("{} did not answer within {:?}", place(server), server.timeout))
        }
        Err(_) => Ended::Failed(format!("{} did not answer within {:?}", place(server), server.timeout)),
    };
    faults::pass("notify.sent");
    ended
}

/// How far the talk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing of the text has been said.
    Before,
    /// Some or all of it has.
    Said,
}

fn place(server: &Server) -> String {
    format!("{}:{}", server.host, server.port)
}

fn said(response: &Response) -> String {
    let lines: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), lines.join(" "))
}

fn judge(server: &Server, error: &Error, stage: Stage) -> Ended {
    let why = format!("{}: {}", place(server), chain(error));
    match stage {
        _ if error.is_permanent() => Ended::Refused(why),
        _ if error.is_transient() => Ended::Failed(why),
        Stage::Said => Ended::Doubtful(why),
        Stage::Before => Ended::Failed(why),
    }
}

fn letter(server: &Server, to: &str, message: &Message) -> Result<Letter, String> {
    let mailbox =
        |text: &str| text.parse::<Mailbox>().map_err(|error| format!("{text:?} is not an address: {error}"));
    let header = |name: &'static str, value: &str| {
        HeaderValue::new(HeaderName::new_from_ascii_str(name), crate::brief(value))
    };
    Letter::builder()
        .from(mailbox(&server.from)?)
        .to(mailbox(to)?)
        .subject(crate::brief(&message.subject))
        .date(SystemTime::now())
        .message_id(Some(format!("<{}>", message.key)))
        // Nobody's absence is to be answered to a machine (RFC 3834).
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Gastown-Notice", &message.key))
        .header(ContentType::TEXT_PLAIN)
        .body(message.text.clone())
        .map_err(|error| format!("cannot write the e-mail: {}", chain(&error)))
}

fn tls(server: &Server) -> Result<TlsParameters, Error> {
    let mut tls = TlsParameters::builder(server.host.clone());
    if let Some(pem) = &server.ca {
        tls = tls.certificate_store(CertificateStore::None);
        tls = tls.add_root_certificate(Certificate::from_pem(pem)?);
    }
    tls.build_rustls()
}

/// Says all that is to be said to a mail server; returns its answer to the whole text.
async fn talk(server: &Server, letter: &Letter, reach: &impl Fn(Stage)) -> Result<Response, Error> {
    let hello = ClientId::default();
    let wrapper = (server.cover == Cover::Tls).then(|| tls(server)).transpose()?;
    let at = (server.host.trim_start_matches('[').trim_end_matches(']'), server.port);
    let timeout = Some(server.timeout);
    let mut server_side = AsyncSmtpConnection::connect_tokio1(at, timeout, &hello, wrapper, None).await?;
    if server.cover == Cover::Starttls {
        // Refuses a server that does not offer it.
        server_side.starttls(tls(server)?, &hello).await?;
    }
    if let Some((name, Secret(password))) = &server.login {
        let credentials = Credentials::new(name.clone(), password.clone());
        server_side.auth(DEFAULT_MECHANISMS, &credentials).await?;
    }
    let envelope = letter.envelope();
    server_side.command(Mail::new(envelope.from().cloned(), Vec::new())).await?;
    for to in envelope.to() {
        server_side.command(Rcpt::new(to.clone(), Vec::new())).await?;
    }
    server_side.command(Data).await?;
    reach(Stage::Said);
    let response = server_side.message(&letter.formatted()).await?;
    // It has it: how the talk ends is of no account.
    let goodbye = tokio::time::timeout(Duration::from_secs(1), server_side.quit());
    let _ = goodbye.await;
    Ok(response)
}
