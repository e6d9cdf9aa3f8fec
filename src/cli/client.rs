//! The way to the town: found, tried, chosen.
//!
//! - The socket, when a runtime answers there.
//! - Without one, a person's question goes to the ledger itself, under the lock (the host's carrier).
//! - An agent never opens the ledger. When the socket does not answer it, or when it asks for that, what
//!   it says goes as one frame to its own terminal, where the runtime hears it; nothing comes back.
//!
//! Only a connection that was never made sends a question another way. One that broke after the
//! question was sent has perhaps done what was asked, and the answer says so.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use config::{TownPaths, find_town, run_dir};
use model::answer::Answer;
use model::command::{Command, Origin, Stream};
use model::refusal::{Class, Refusal};
use model::role::Address;
use protocol::wire::{self, Carrier, Duplex, Frame, Hello, Reply, Request};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::args::{Globals, Way};
use crate::env::Env;
use crate::grammar::actor_is_for_people;
use crate::host::Host;
use crate::tty::Tty;

/// How long a runtime may take to accept a connection or a frame: it does nothing else in that loop.
const ACCEPT: Duration = Duration::from_secs(10);
/// How long an answer may take. A rig is cloned and a branch pushed before their answers, so this is
/// no measure of health, only an end to waiting for a runtime that hangs.
const ANSWER: Duration = Duration::from_secs(30 * 60);

/// A way that was found.
pub(crate) enum Found {
    /// It answers.
    Carrier(Box<dyn Carrier>),
    /// The agent's own terminal, which does not.
    Tty(Tty),
}

/// The folder of the town that is meant.
pub(crate) fn town(globals: &Globals, env: &Env) -> Result<PathBuf, Refusal> {
    find_town(globals.town.as_deref(), env.var("GASTOWN_TOWN").map(AsRef::as_ref), &env.cwd)
}

/// Finds the way to the town that `globals` and `env` mean.
pub(crate) fn find(globals: &Globals, env: &Env, host: &dyn Host) -> Result<Found, Refusal> {
    if env.is_agent() && globals.actor.is_some() {
        return Err(actor_is_for_people());
    }
    if globals.carrier == Some(Way::Tty) {
        return Tty::of(env).map(Found::Tty);
    }
    let socket = socket(globals, env)?;
    let hello = Hello {
        version: wire::VERSION,
        token: env.var("GASTOWN_TOKEN").map(ToOwned::to_owned),
        actor: globals.actor.clone(),
    };
    let error = match connect(&socket) {
        Ok(stream) => {
            return Ok(Found::Carrier(Box::new(SocketCarrier { path: socket, hello, open: Some(stream) })));
        }
        Err(error) => error,
    };
    if !is_down(&error) {
        return Err(unreachable(&socket, &error));
    }
    if env.is_agent() {
        return match Tty::of(env) {
            Ok(tty) if globals.carrier.is_none() => Ok(Found::Tty(tty)),
            _ => Err(Refusal::new(
                Class::Runtime,
                "not_running",
                format!("the town does not answer at {}: {error}", socket.display()),
            )
            .hint("it may be starting again: wait a moment and say it once more")),
        };
    }
    if globals.carrier == Some(Way::Socket) {
        return Err(Refusal::not_running("the socket"));
    }
    let on_behalf_of = match &globals.actor {
        None => None,
        Some(text) => Some(text.parse::<Address>().map_err(|error| {
            Refusal::usage(format!("--actor: {error}")).hint("for instance mayor/ or web/polecats/backend")
        })?),
    };
    let offline = host.offline(&town(globals, env)?, Origin::Operator { on_behalf_of })?;
    Ok(Found::Carrier(Box::new(Either {
        offline,
        socket: SocketCarrier { path: socket, hello, open: None },
    })))
}

/// Asks the ledger itself; a runtime that was just being started is asked over its socket, once that is there.
struct Either {
    offline: Box<dyn Carrier>,
    socket: SocketCarrier,
}

/// How long a runtime that has the lock may take to open its socket, after the lock was waited for.
const STARTING: Duration = Duration::from_secs(2);

impl Carrier for Either {
    fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        let until = Instant::now() + STARTING;
        loop {
            match self.offline.ask(command.clone()) {
                // It was not done: the ledger has not even been opened.
                Err(refusal) if refusal.code == "already_running" => match connect(&self.socket.path) {
                    Ok(stream) => {
                        self.socket.open = Some(stream);
                        return self.socket.ask(command);
                    }
                    Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                    Err(_) => return Err(refusal),
                },
                answer => return answer,
            }
        }
    }

    fn open(&mut self, stream: Stream) -> Result<Duplex, Refusal> {
        self.offline.open(stream)
    }

    fn is_live(&self) -> bool {
        self.offline.is_live()
    }
}

/// Where the town listens. An agent is told; it need not even see the town's folder.
fn socket(globals: &Globals, env: &Env) -> Result<PathBuf, Refusal> {
    if globals.town.is_none()
        && env.is_agent()
        && let Some(told) = env.var("GASTOWN_SOCKET")
    {
        return Ok(PathBuf::from(told));
    }
    Ok(run_dir::trusted_socket(&TownPaths::new(town(globals, env)?))?)
}

/// Whether nobody listens: no socket, or one that a dead runtime has left behind.
fn is_down(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory)
}

fn unreachable(socket: &Path, error: &io::Error) -> Refusal {
    let message = format!("cannot reach the town at {}: {error}", socket.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Refusal::forbidden("not_your_town", message).hint("only the user who runs a town may speak to it")
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Refusal::new(Class::Runtime, "no_answer", message)
                .hint("the runtime hangs: see its log under logs/")
        }
        _ => Refusal::failed("unreachable", message).hint("see whether the town still runs"),
    }
}

/// Connects, with an end to waiting: `UnixStream::connect` would wait for ever at a full queue.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    set_socket_timeout(&socket, Timeout::Send, Some(ACCEPT))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Asks over the socket: a connection for each question.
struct SocketCarrier {
    path: PathBuf,
    hello: Hello,
    /// The connection that showed that somebody listens; the first question uses it.
    open: Option<UnixStream>,
}

impl SocketCarrier {
    /// Sends `request` and returns the answer, and the connection it came over.
    fn request(&mut self, request: &Request) -> Result<(Answer, UnixStream), Refusal> {
        let frame = Frame::json(request);
        if let Frame::Json(payload) = &frame
            && payload.len() > wire::most(self.hello.token.as_deref())
        {
            let most = wire::most(self.hello.token.as_deref()) >> 20;
            return Err(Refusal::usage(format!("{} bytes are too much for one command", payload.len()))
                .hint(format!(
                    "the limit is {most} MiB, and 1 MiB for the body of a letter; import in parts"
                )));
        }
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => connect(&self.path).map_err(|error| unreachable(&self.path, &error))?,
        };
        stream.set_read_timeout(Some(ANSWER)).map_err(|error| wire::broken(&error))?;
        let written = wire::write_frame(&mut stream, &Frame::json(&self.hello)).and_then(|()| {
            let mut frames = wire::cut(frame, wire::MAX_REQUEST).into_iter();
            frames.try_for_each(|frame| wire::write_frame(&mut stream, &frame))
        });
        // Who refuses at the greeting closes at once; the reason is there to be read all the same.
        let reply = match (wire::read_frame(&mut stream, wire::MAX_REPLY), written) {
            (Ok(Some(frame)), _) => frame.parse::<Reply>().map_err(|error| wire::broken(&error))?,
            (_, Err(error)) | (Err(error), Ok(())) if is_timeout(&error) => {
                return Err(Refusal::new(
                    Class::Failed,
                    "no_answer",
                    "the town has taken the question and gives no answer",
                )
                .hint("what was asked for may have been done; see `gastown status`"));
            }
            (_, Err(error)) | (Err(error), Ok(())) => return Err(wire::broken(&error)),
            (Ok(None), Ok(())) => return Err(wire::broken(&io::Error::from(io::ErrorKind::UnexpectedEof))),
        };
        Result::from(reply).map(|answer| (answer, stream))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Carrier for SocketCarrier {
    fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.request(&Request::Ask(command)).map(|(answer, _)| answer)
    }

    fn open(&mut self, stream: Stream) -> Result<Duplex, Refusal> {
        let (_, incoming) = self.request(&Request::Open(stream))?;
        // A stream is silent for as long as nothing happens, and an agent may be slow to read.
        incoming
            .set_read_timeout(None)
            .and_then(|()| incoming.set_write_timeout(None))
            .map_err(|error| wire::broken(&error))?;
        let mut outgoing = incoming.try_clone().map_err(|error| wire::broken(&error))?;
        let mut incoming = io::BufReader::with_capacity(64 * 1024, incoming);
        Ok(Duplex {
            incoming: Box::new(std::iter::from_fn(move || {
                wire::read_frame(&mut incoming, wire::MAX_REPLY).transpose()
            })),
            outgoing: Box::new(move |frame| wire::write_frame(&mut outgoing, &frame)),
        })
    }

    fn is_live(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
