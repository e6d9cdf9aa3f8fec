//! One connection, from its greeting to its end.

use std::io;
use std::time::Duration;

use model::answer::Answer;
use model::command::{Command, EventFilter, Origin, Stream};
use model::ids::Seq;
use model::refusal::{Class, Refusal};
use protocol::wire::{self, Frame, Hello, MAX_REPLY, MAX_REQUEST, Reply, Request, StreamInput, StreamItem};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::frames::{Incoming, Outgoing};
use super::peer::{self, Ancestry};
use super::{Look, Seat, Shown, Town};

/// How long a client may take for its first two frames.
const GREETING: Duration = Duration::from_secs(10);

/// How long a terminal may take to accept what is typed: an agent that reads nothing must not keep
/// its watcher from leaving.
const TYPING: Duration = Duration::from_secs(10);

/// Waits until the town has ended.
pub(super) async fn ended(over: &mut watch::Receiver<bool>) {
    // Whoever would have told us is gone: that is an end as well.
    let _ = over.wait_for(|over| *over).await;
}

/// Holds the conversation with one client. Whatever goes wrong ends it and nothing else.
pub(super) async fn hold<T: Town>(stream: UnixStream, town: &T, over: watch::Receiver<bool>) {
    if let Err(error) = converse(stream, town, over).await {
        tracing::debug!(%error, "a client is gone");
    }
}

async fn converse<T: Town>(stream: UnixStream, town: &T, mut over: watch::Receiver<bool>) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
    // At once, while the process is most likely still there.
    let ancestry = Ancestry::of(pid.unwrap_or_default());
    let (incoming, outgoing) = stream.into_split();
    let (mut incoming, mut outgoing) = (Incoming::new(incoming), Outgoing::new(outgoing));
    if peer.uid() != rustix::process::geteuid().as_raw() {
        let refusal = Refusal::forbidden("not_your_town", "this town belongs to another user");
        return outgoing.say(&Reply::Refused(refusal)).await;
    }
    let greeted = timeout(GREETING, greet(&mut incoming, town, pid, &ancestry)).await;
    let (origin, request) = match greeted {
        Ok(Ok(Some(Ok(both)))) => both,
        Ok(Ok(Some(Err(refusal)))) => return outgoing.say(&Reply::Refused(refusal)).await,
        Ok(Ok(None)) => return Ok(()),
        Ok(Err(error)) => {
            let refusal = Refusal::usage(format!("what was sent is no request: {error}"));
            return outgoing.say(&Reply::Refused(refusal)).await;
        }
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    };
    match request {
        Request::Ask(command) => {
            let last = matches!(command, Command::Stop | Command::StopAll);
            let town = town.clone();
            // A task of its own: it goes on when the client does not wait, and its panic is an answer.
            let asked = tokio::spawn(async move { town.ask(origin, command).await }).await;
            let result = asked.unwrap_or_else(|error| {
                tracing::error!(%error, "a question ended badly");
                Err(Refusal::failed("internal", "something broke over this question")
                    .hint("the town's log under logs/ has more; look whether it was done all the same"))
            });
            if last && result.is_ok() {
                // Whoever asks for the end wants to know when nothing runs any more.
                ended(&mut over).await;
            }
            answer(&mut outgoing, result).await
        }
        Request::Open(Stream::Events(filter)) => tokio::select! {
            done = follow(&mut incoming, &mut outgoing, town, filter) => done,
            () = ended(&mut over) => Ok(()),
        },
        Request::Open(Stream::Attach { agent, read_only, take, rows, cols }) => {
            match town.attach(&origin, &agent, Look { read_only, take, rows, cols }).await {
                Ok(seat) => {
                    outgoing.say(&Reply::Ok(Answer::Done)).await?;
                    tokio::select! {
                        done = pass_through(&mut incoming, &mut outgoing, seat) => done,
                        () = ended(&mut over) => Ok(()),
                    }
                }
                Err(refusal) => outgoing.say(&Reply::Refused(refusal)).await,
            }
        }
    }
}

/// Reads the greeting and the request. None when the client leaves without a word.
async fn greet<T: Town>(
    incoming: &mut Incoming,
    town: &T,
    pid: Option<u32>,
    ancestry: &Ancestry,
) -> io::Result<Option<Result<(Origin, Request), Refusal>>> {
    let Some(frame) = incoming.next(MAX_REQUEST).await? else { return Ok(None) };
    let hello: Hello = frame.parse().map_err(io::Error::other)?;
    if hello.version != wire::VERSION {
        let refusal = Refusal::new(
            Class::Failed,
            "other_version",
            format!("the town speaks version {} of the protocol, not {}", wire::VERSION, hello.version),
        );
        return Ok(Some(
            Err(refusal.hint("use the program that the town was started with: its bin/gastown")),
        ));
    }
    let origin = match peer::origin(town, &hello, pid, ancestry) {
        Ok(origin) => origin,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    if origin.is_operator() {
        incoming.allow(wire::most(None));
    }
    let Some(frame) = incoming.next(MAX_REQUEST).await? else { return Ok(None) };
    let request = frame.parse().map_err(io::Error::other)?;
    Ok(Some(Ok((origin, request))))
}

async fn answer(outgoing: &mut Outgoing, result: Result<Answer, Refusal>) -> io::Result<()> {
    let frame = Frame::json(&Reply::from(result));
    if let Frame::Json(payload) = &frame
        && payload.len() > MAX_REPLY
    {
        let refusal = Refusal::failed("too_much", format!("the answer has {} bytes", payload.len()))
            .hint("ask for less, for instance with --limit");
        return outgoing.say(&Reply::Refused(refusal)).await;
    }
    outgoing.send(&frame).await
}

/// Sends the events that `filter` means: those that were, then those that come.
async fn follow<T: Town>(
    incoming: &mut Incoming,
    outgoing: &mut Outgoing,
    town: &T,
    filter: EventFilter,
) -> io::Result<()> {
    let store = town.store().clone();
    let head = store.head();
    let (past, next) = if filter.limit.is_some() {
        let (store, filter) = (store.clone(), filter.clone());
        let found = tokio::task::spawn_blocking(move || clerk::reports::events(&store, head, &filter)).await;
        match found.map_err(io::Error::other)? {
            Ok(past) => (past, head.next()),
            Err(refusal) => return outgoing.say(&Reply::Refused(refusal)).await,
        }
    } else {
        (Vec::new(), Seq(filter.after.0.saturating_add(1)))
    };
    outgoing.say(&Reply::Ok(Answer::Done)).await?;
    for record in past {
        outgoing.say(&StreamItem::Event(Box::new(record))).await?;
    }
    let mut feed = store.subscribe(next);
    loop {
        tokio::select! {
            said = incoming.next(MAX_REQUEST) => {
                // A follower has nothing to say but that it goes.
                if said?.is_none() {
                    return Ok(());
                }
            }
            records = feed.next() => match records {
                Ok(Some(records)) => {
                    for record in records {
                        if clerk::answers::fits(&record, &filter) {
                            outgoing.say(&StreamItem::Event(Box::new(record))).await?;
                        }
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    outgoing.say(&StreamItem::Notice(format!("the log cannot be read: {error}"))).await?;
                    return Err(io::Error::other(error));
                }
            },
        }
    }
}

/// Passes a terminal through, in both directions.
async fn pass_through<S: Seat>(
    incoming: &mut Incoming,
    outgoing: &mut Outgoing,
    mut seat: S,
) -> io::Result<()> {
    loop {
        tokio::select! {
            // What is typed goes first: a flood on the screen must not keep a person from stopping it.
            biased;
            said = incoming.next(MAX_REQUEST) => match said? {
                None => return Ok(()),
                Some(Frame::Bytes(bytes)) => {
                    let typed = timeout(TYPING, seat.type_in(&bytes)).await.unwrap_or_else(|_| {
                        Err(Refusal::failed("not_read", "the agent does not read what is typed"))
                    });
                    if let Err(refusal) = typed {
                        outgoing.say(&StreamItem::Notice(refusal.to_string())).await?;
                    }
                }
                Some(frame) => match frame.parse().map_err(io::Error::other)? {
                    StreamInput::Resize { rows, cols } => seat.resize(rows, cols),
                },
            },
            shown = seat.next() => match shown {
                None => return Ok(()),
                Some(Shown::Bytes(bytes)) => outgoing.send(&Frame::Bytes(bytes)).await?,
                Some(Shown::Size { rows, cols }) => outgoing.say(&StreamItem::Size { rows, cols }).await?,
                Some(Shown::Notice(text)) => outgoing.say(&StreamItem::Notice(text)).await?,
                Some(Shown::Exited(how)) => return outgoing.say(&StreamItem::Exited { how }).await,
            },
        }
    }
}
