//! What leaves the town about escalations: the Deacon's duty, in code.
//!
//! The board says what is to be sent ([`clerk::routing`]). Each message is a task of its own: the intent is on disk
//! before it goes out, what came of it is on disk before the Deacon looks again. A task does not end with the
//! Deacon, since a message that is half said cannot be taken back: what is under way stands in [`Outbox`], which
//! outlives the actor, so that a Deacon that is started again sends nothing twice. Only the death of the runtime
//! leaves a message in doubt.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clerk::bell::Ear;
use clerk::routing::{self, Attempted, Key, Sending};
use config::escalation::{Program, Secret, Smtp, Tls, Webhook};
use model::escalation::{Route, Rules};
use model::refusal::Refusal;
use model::role::Address;
use notify::{Ended, Message};
use tokio::sync::watch;

use crate::errand::blocking;
use crate::tools::Tools;

/// Messages that are under way at once. Each may take as long as its way allows.
const AT_ONCE: usize = 4;

/// How long an orderly stop waits for messages that are under way; what has not ended by then is in doubt.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long until what became of a message is tried to be recorded again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a program gets of our own environment.
const INHERITED: [&str; 7] = ["HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "PATH"];

/// The messages that are under way.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Under>);

#[derive(Debug)]
struct Under {
    way: Mutex<BTreeSet<Key>>,
    count: watch::Sender<usize>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self(Arc::new(Under { way: Mutex::default(), count: watch::Sender::new(0) }))
    }
}

impl Outbox {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<Key>) -> T) -> T {
        let mut way = self.0.way.lock().unwrap_or_else(PoisonError::into_inner);
        let value = change(&mut way);
        self.0.count.send_replace(way.len());
        value
    }

    fn under_way(&self) -> BTreeSet<Key> {
        self.0.way.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes `key` in hand; none when somebody has it, or too many are under way.
    fn take(&self, tools: &Tools, key: &Key) -> Option<Ticket> {
        let free = self.change(|way| way.len() < AT_ONCE && way.insert(key.clone()));
        free.then(|| Ticket { tools: tools.clone(), key: key.clone() })
    }

    /// Waits until nothing is under way, for a moment.
    pub(crate) async fn farewell(&self) {
        let mut count = self.0.count.subscribe();
        let _ = tokio::time::timeout(FAREWELL, count.wait_for(|count| *count == 0)).await;
    }
}

/// A message that is under way for as long as this lives.
struct Ticket {
    tools: Tools,
    key: Key,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.tools.outbox.change(|way| way.remove(&self.key));
        // There is room for another one; and if this one died, it is in doubt.
        self.tools.directory.ring(&Ear::Role(Address::Deacon));
    }
}

/// Records what the ledger alone can do about escalations, and sends what is to be sent; returns when something
/// else is due.
///
/// # Errors
/// The scribe's refusal.
pub(crate) async fn look(tools: &Tools) -> Result<Option<Duration>, Refusal> {
    let rules = tools.town().escalation.rules.clone();
    let due = || {
        let busy = tools.outbox.under_way();
        tools.look(|board| routing::due(board, tools.clock.now(), &rules, &busy))
    };
    let mut seen = due();
    if seen.settle {
        let (rules, busy) = (rules.clone(), tools.outbox.under_way());
        let settle = move |draft: &mut clerk::draft::Draft<'_>| {
            routing::settle(draft, &rules, &busy);
            Ok(())
        };
        tools.write(&Address::Deacon, settle).await?;
        seen = due();
    }
    for sending in seen.send {
        if tools.stopping.borrow().is_some() {
            break;
        }
        let Some(ticket) = tools.outbox.take(tools, &sending.key) else { continue };
        let intent = sending.clone();
        let noted = tools.write(&Address::Deacon, move |draft| routing::sending(draft, &intent)).await;
        match noted {
            Ok(()) => drop(tokio::spawn(carry(tools.clone(), rules.clone(), sending, ticket))),
            // Somebody has taken note in this moment.
            Err(refusal) if refusal.code == "not_wanted" => drop(ticket),
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(seen.next)
}

/// Sends one message and records what came of it.
async fn carry(tools: Tools, rules: Rules, sending: Sending, ticket: Ticket) {
    let how = deliver(&tools, &sending).await;
    let Key { escalation, route, .. } = &sending.key;
    match &how {
        Attempted::Taken(said) => tracing::info!(%escalation, %route, %said, "a message was delivered"),
        Attempted::Failed(why) | Attempted::Refused(why) | Attempted::Doubtful(why) => {
            tracing::warn!(%escalation, %route, %why, "a message was not delivered");
        }
    }
    let record = move |draft: &mut clerk::draft::Draft<'_>| {
        routing::attempted(draft, &rules, &sending, how);
        Ok(())
    };
    while let Err(refusal) = tools.write(&Address::Deacon, record.clone()).await {
        tracing::error!(%refusal, "cannot record what became of a message");
        if tools.stopping.borrow().is_some() {
            break;
        }
        tokio::time::sleep(AGAIN).await;
    }
    drop(ticket);
}

/// Sends one message by its way, as the configuration has it now.
async fn deliver(tools: &Tools, sending: &Sending) -> Attempted {
    let town = tools.town();
    let name = &town.town.name;
    let told = tools.look(|board| routing::told(board, sending, name));
    let Some(routing::Told { id, subject, text, json }) = told else {
        return Attempted::Failed("there is nothing to be told any more".to_owned());
    };
    let message = Message { key: id, subject, text, json };
    let ended = match &sending.key.route {
        Route::Bead | Route::Mail(_) => Err("the ledger alone takes this way".to_owned()),
        Route::Email(to) => match town.escalation.smtp() {
            Ok(smtp) => by_email(tools, smtp, to, &message).await,
            Err(why) => Err(why),
        },
        Route::Webhook(name) => match town.escalation.webhook(name.as_deref()) {
            Ok(webhook) => by_webhook(tools, webhook, &message).await,
            Err(why) => Err(why),
        },
        Route::Command(name) => match town.escalation.command(name.as_deref()) {
            Ok(program) => Ok(notify::command::run(&of_program(tools, program), &message).await),
            Err(why) => Err(why),
        },
    };
    match ended {
        Ok(Ended::Taken(said)) => Attempted::Taken(said),
        Ok(Ended::Failed(why)) => Attempted::Failed(why),
        Ok(Ended::Refused(why)) => Attempted::Refused(why),
        Ok(Ended::Doubtful(why)) => Attempted::Doubtful(why),
        // Nothing was sent: what is missing may be there the next time.
        Err(why) => Attempted::Failed(why),
    }
}

/// Reads secrets and certificates, which may lie on a slow disk.
async fn read<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    blocking(read).await?
}

fn certificates(path: Option<&std::path::Path>, tools: &Tools) -> Result<Option<Vec<u8>>, String> {
    let Some(path) = path.map(|path| tools.paths.root().join(path)) else { return Ok(None) };
    std::fs::read(&path).map(Some).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

async fn by_email(tools: &Tools, smtp: &Smtp, to: &str, message: &Message) -> Result<Ended, String> {
    let (smtp, at) = (smtp.clone(), tools.clone());
    let server = read(move || {
        let secret = |secret: &Secret| secret.read(at.paths.root()).map(notify::Secret);
        let login = smtp.login.as_ref().map(|(name, word)| Ok((name.clone(), secret(word)?)));
        Ok(notify::email::Server {
            host: smtp.host,
            port: smtp.port,
            cover: match smtp.tls {
                Tls::Tls => notify::email::Cover::Tls,
                Tls::Starttls => notify::email::Cover::Starttls,
                Tls::None => notify::email::Cover::Open,
            },
            from: smtp.from,
            login: login.transpose().map_err(|why: String| why)?,
            ca: certificates(smtp.ca_file.as_deref(), &at)?,
            timeout: smtp.timeout,
        })
    });
    Ok(notify::email::send(&server.await?, to, message).await)
}

async fn by_webhook(tools: &Tools, webhook: &Webhook, message: &Message) -> Result<Ended, String> {
    let (webhook, at) = (webhook.clone(), tools.clone());
    let target = read(move || {
        let (url, token) = webhook.address(at.paths.root())?;
        let given = webhook.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
        let token = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
        Ok(notify::webhook::Target {
            url: notify::Secret(url),
            headers: given.chain(token).map(|(name, value)| (name, notify::Secret(value))).collect(),
            ca: certificates(webhook.ca_file.as_deref(), &at)?,
            timeout: webhook.timeout,
        })
    });
    Ok(notify::webhook::post(&target.await?, message).await)
}

fn of_program(tools: &Tools, program: &Program) -> notify::command::Program {
    let given = program.pass_env.iter().map(String::as_str);
    let names = INHERITED.into_iter().chain(given);
    let mut env: Vec<(OsString, OsString)> =
        names.filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect();
    env.push(("GASTOWN_TOWN".into(), tools.paths.root().into()));
    notify::command::Program {
        run: program.run.clone(),
        cwd: tools.paths.root().to_owned(),
        env,
        timeout: program.timeout,
        shim: Some(tools.program.clone()),
    }
}
