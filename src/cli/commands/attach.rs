//! `attach`: a person's terminal becomes that of an agent, until they leave it.
//!
//! ```text
//!  keyboard ──▶ keys ──▶ frames out ──▶ town          one thread reads, one writes,
//!  SIGWINCH ──▶ Resize ──┘                            so a town that stalls cannot
//!  terminal ◀── gate  ◀── frames in ◀── town          keep the person from leaving
//! ```
//!
//! Whatever ends it first (the leave keys, the agent's session, the connection, a signal) is told to the
//! one who waits here, and the terminal is given back before anything else is said. The gate makes sure
//! that nothing of the agent's is painted after that.

mod choice;
mod keys;
mod screens;
mod terminal;

use std::io::Write;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use config::paths::TownPaths;
use config::town::Town;
use model::command::Stream;
use model::refusal::{Class, Refusal};
use protocol::wire::{self, Duplex, Frame, StreamInput, StreamItem};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use self::keys::{Keys, Leave};
use self::screens::Screens;
use self::terminal::Raw;
pub(crate) use self::terminal::{KEEPER, keep};
use crate::args::Globals;
use crate::args::talk::Attach;
use crate::client;
use crate::env::Env;
use crate::host::Host;
use crate::output::{Failure, Output, line};
use crate::program::{item, live};

/// Attaches to the agent that `args` names, or lists those that have a session.
pub(crate) fn attach(
    args: &Attach,
    globals: &Globals,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let chosen = match &args.agent {
        Some(agent) => agent.clone(),
        None => match choice::choose(globals, env, host, output)? {
            Some(agent) => agent,
            None => return Ok(()),
        },
    };
    let agent = &chosen;
    let leave = leave_keys(args, globals, env)?;
    if !env.stdin_terminal || !env.stdout_terminal {
        return Err(Refusal::new(Class::Usage, "no_terminal", "attach needs a terminal on both sides")
            .hint(format!(
                "`gastown peek {agent}` prints the screen, `gastown nudge {agent} TEXT` types a line"
            ))
            .into());
    }
    if env.var("GASTOWN_SESSION").is_some() {
        output.note(&format!(
            "this terminal is an agent's own already: {leave} leaves the outer one; the first key twice goes to the inner"
        ));
    }
    let mut carrier = live(client::find(globals, env, host)?)?;
    let (rows, cols) = terminal::size();
    let stream =
        Stream::Attach { agent: agent.clone(), read_only: args.read_only, take: args.take, rows, cols };
    let duplex = carrier.open(stream)?;
    let agent = line(agent);
    match converse(duplex, Keys::new(&leave, args.read_only))? {
        End::Left => output.text(&format!("[left {agent}; it goes on without you]"))?,
        End::Exited(how) => output.text(&format!("[the session of {agent} has ended: {}]", line(&how)))?,
        End::Closed => {
            return Err(Refusal::failed(
                "connection_lost",
                format!("the town has closed the terminal of {agent}"),
            )
            .hint(
                "a window that takes nothing for 30 s is let go; see whether the town still runs with `gastown status`",
            )
            .into());
        }
        End::Broken(refusal) => return Err(refusal.into()),
        End::Signal => {
            return Err(Refusal::failed("interrupted", format!("a signal ended the view of {agent}"))
                .hint("the agent goes on without you")
                .into());
        }
    }
    Ok(())
}

/// The keys that leave: those asked for, those of the environment, those of the town, or the usual ones.
fn leave_keys(args: &Attach, globals: &Globals, env: &Env) -> Result<Leave, Refusal> {
    if let Some(keys) = args.detach_keys.as_deref().or_else(|| env.var("GASTOWN_DETACH_KEYS")) {
        return keys.parse();
    }
    let town = client::town(globals, env).ok().and_then(|root| Town::read(&TownPaths::new(root)).ok());
    town.and_then(|town| town.detach_keys).map_or(Ok(Leave::default()), |keys| keys.parse())
}

/// What ended it.
enum End {
    /// The person has left.
    Left,
    /// The agent's session is over.
    Exited(String),
    /// The town has ended the stream without a reason.
    Closed,
    /// The way to the town broke.
    Broken(Refusal),
    /// A signal, or the terminal is gone.
    Signal,
}

/// Open while the terminal is the agent's.
#[derive(Clone)]
struct Gate(Arc<Mutex<bool>>);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Paints `bytes`, unless the terminal has been given back.
    fn paint(&self, bytes: &[u8]) -> std::io::Result<()> {
        let open = self.lock();
        if !*open {
            return Ok(());
        }
        let mut out = std::io::stdout();
        out.write_all(bytes)?;
        out.flush()
    }
}

/// How long what was typed last may take to leave, when the person leaves.
const PARTING: Duration = Duration::from_secs(1);

/// Joins terminal and agent until something ends it. The terminal is as it was when this returns.
fn converse(duplex: Duplex, keys: Keys) -> Result<End, Refusal> {
    let broken = |error: std::io::Error| {
        Refusal::failed("terminal", format!("cannot take over the terminal: {error}"))
            .hint("`gastown peek` needs none")
    };
    // Before raw mode: a signal in between would leave the terminal raw.
    let mut signals = Signals::new([SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP]).map_err(broken)?;
    let signals_handle = signals.handle();
    let raw = Raw::enter().map_err(broken)?;

    let gate = Gate(Arc::new(Mutex::new(true)));
    let (end, ended) = mpsc::channel();
    // Without a bound: it holds what a person types, and a full queue would swallow the leave keys.
    let (send, sending) = mpsc::channel::<Frame>();
    let (flush, flushed) = mpsc::channel::<()>();
    let Duplex { incoming, mut outgoing } = duplex;

    thread::spawn(move || {
        let _flush = flush;
        for frame in sending {
            if outgoing(frame).is_err() {
                // The reading side finds out as well, and knows why.
                break;
            }
        }
    });
    let (painted, told) = (gate.clone(), end.clone());
    thread::spawn(move || {
        // Whoever waits may have gone already.
        let _ = told.send(paint(incoming, &painted));
    });
    let (typed, told) = (send.clone(), end.clone());
    thread::spawn(move || type_on(keys, &typed, &told));
    thread::spawn(move || {
        for signal in &mut signals {
            if signal == SIGTSTP {
                // Stopped, it would leave the terminal as nobody can use it. Ctrl-z goes to the agent.
                continue;
            }
            if signal != SIGWINCH {
                let _ = end.send(End::Signal);
                break;
            }
            let (rows, cols) = terminal::size();
            if send.send(Frame::json(&StreamInput::Resize { rows, cols })).is_err() {
                break;
            }
        }
    });

    let end = ended.recv().unwrap_or(End::Closed);
    // Ends the thread of the signals, which holds the last sender but for the keyboard's.
    signals_handle.close();
    *gate.lock() = false;
    drop(raw);
    if matches!(end, End::Left) {
        // The keyboard's thread has ended with the leave keys, so the writer runs dry and closes this.
        let _ = flushed.recv_timeout(PARTING);
    }
    Ok(end)
}

/// Paints what comes until it ends.
fn paint(incoming: impl Iterator<Item = std::io::Result<Frame>>, gate: &Gate) -> End {
    let mut screens = Screens::default();
    for frame in incoming {
        let painted = match frame {
            Err(error) => return End::Broken(wire::broken(&error)),
            Ok(Frame::Bytes(bytes)) => {
                let (shown, anew) = screens.show(&bytes);
                let painted = gate.paint(&shown);
                if anew {
                    // As if the window had changed: the town answers a size with the whole screen.
                    let _ = signal_hook::low_level::raise(SIGWINCH);
                }
                painted
            }
            Ok(frame) => match item(&frame) {
                Ok(StreamItem::Exited { how }) => return End::Exited(how),
                Ok(StreamItem::Notice(text)) => gate.paint(&terminal::notice(&line(&text))),
                // The person's own window is what it is; a smaller terminal is painted in its corner.
                Ok(StreamItem::Size { .. } | StreamItem::Event(_)) => Ok(()),
                Err(refusal) => return End::Broken(refusal),
            },
        };
        if painted.is_err() {
            return End::Signal;
        }
    }
    End::Closed
}

/// Sends what is typed until the person leaves.
fn type_on(mut keys: Keys, send: &Sender<Frame>, end: &Sender<End>) {
    let mut buffer = [0; 4096];
    loop {
        let n = match rustix::io::retry_on_intr(|| rustix::io::read(rustix::stdio::stdin(), &mut buffer[..]))
        {
            Ok(0) | Err(_) => {
                let _ = end.send(End::Signal);
                return;
            }
            Ok(n) => n,
        };
        let typed = keys.typed(&buffer[..n]);
        if !typed.forward.is_empty() && send.send(Frame::Bytes(typed.forward)).is_err() {
            return;
        }
        if typed.leave {
            let _ = end.send(End::Left);
            return;
        }
    }
}
