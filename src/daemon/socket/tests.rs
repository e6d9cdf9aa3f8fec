use std::sync::{Mutex, PoisonError};

use ledger::memory::MemoryLog;
use model::command::{EventFilter, Stream};
use model::event::Event;
use model::role::Address;
use model::time::Timestamp;
use protocol::wire::{self, Hello, Request, StreamInput, StreamItem};
use tokio::sync::mpsc;

use super::frames::{Incoming, Outgoing};
use super::peer::{Ancestry, origin};
use super::*;

/// A town that answers with what it was asked, and notes who asked.
#[derive(Clone)]
struct Echo {
    store: Store,
    asked: Arc<Mutex<Vec<Origin>>>,
}

/// A terminal that shows what is typed.
struct Mirror {
    shown: mpsc::UnboundedSender<Shown>,
    next: mpsc::UnboundedReceiver<Shown>,
    read_only: bool,
}

fn session() -> Origin {
    Origin::Session { agent: "web/polecats/docs".parse().unwrap(), session: "s1".parse().unwrap() }
}

impl Town for Echo {
    type Seat = Mirror;

    fn origin_of_token(&self, token: &str) -> Option<Origin> {
        (token == "right").then(session)
    }

    fn origin_of_process(&self, pid: u32, parent: &dyn Fn(u32) -> Option<u32>) -> Option<Origin> {
        // 4000000 is the session's own process; the kernel gives no such number.
        (pid == 4_000_000 || parent(pid) == Some(4_000_000)).then(session)
    }

    fn store(&self) -> &Store {
        &self.store
    }

    async fn ask(&self, origin: Origin, command: Command) -> Result<Answer, Refusal> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(origin);
        match command {
            Command::Tree => panic!("as a test wants it"),
            Command::Stop => Ok(Answer::Done),
            Command::Why { about } => Ok(Answer::Jsonl(about)),
            _ => Err(Refusal::not_running("this")),
        }
    }

    async fn attach(&self, _: &Origin, agent: &str, look: Look) -> Result<Mirror, Refusal> {
        if agent != "mayor/" {
            return Err(Refusal::no_such("agent", agent, ["mayor/"]));
        }
        let (shown, next) = mpsc::unbounded_channel();
        let _ = shown.send(Shown::Size { rows: look.rows, cols: look.cols });
        Ok(Mirror { shown, next, read_only: look.read_only })
    }
}

impl Seat for Mirror {
    async fn next(&mut self) -> Option<Shown> {
        self.next.recv().await
    }

    async fn type_in(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.read_only {
            return Err(Refusal::forbidden("read_only", "you only watch"));
        }
        let piece = match bytes {
            b"exit" => Shown::Exited("exit code 0".into()),
            bytes => Shown::Bytes(bytes.to_vec()),
        };
        let _ = self.shown.send(piece);
        Ok(())
    }

    fn resize(&mut self, rows: u16, cols: u16) {
        let _ = self.shown.send(Shown::Size { rows, cols });
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    town: Echo,
    over: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn echo() -> Echo {
    let store = Store::in_memory(Arc::new(MemoryLog::new())).unwrap();
    Echo { store, asked: Arc::default() }
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let listener = listen(&folder.path().join("sock")).unwrap();
    let town = echo();
    let over = watch::Sender::new(false);
    let server = tokio::spawn(serve(listener, town.clone(), over.subscribe()));
    Fixture { folder, town, over, server }
}

struct Client {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Fixture {
    async fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.folder.path().join("sock")).await.unwrap();
        let (incoming, outgoing) = stream.into_split();
        Client { incoming: Incoming::new(incoming), outgoing: Outgoing::new(outgoing) }
    }

    async fn request(&self, hello: Hello, request: Request) -> Client {
        let mut client = self.connect().await;
        client.outgoing.say(&hello).await.unwrap();
        client.outgoing.say(&request).await.unwrap();
        client
    }

    async fn ask(&self, hello: Hello, command: Command) -> Result<Answer, Refusal> {
        self.request(hello, Request::Ask(command)).await.reply().await
    }
}

impl Client {
    async fn frame(&mut self) -> Option<Frame> {
        self.incoming.next(wire::MAX_REPLY).await.unwrap()
    }

    async fn reply(&mut self) -> Result<Answer, Refusal> {
        self.frame().await.unwrap().parse::<Reply>().unwrap().into()
    }

    async fn item(&mut self) -> StreamItem {
        self.frame().await.unwrap().parse().unwrap()
    }
}

fn hello() -> Hello {
    Hello { version: wire::VERSION, token: None, actor: None }
}

fn why(about: &str) -> Command {
    Command::Why { about: about.into() }
}

fn say(store: &Store, rule: &str) {
    let event = Event::PolicyDenied { rule: rule.into(), tried: String::new() };
    let actor = if rule == "mayor" { Address::Mayor } else { Address::Overseer };
    store.write_one(Timestamp::from_millis(1), |_, _| Ok((vec![(actor, event)], ()))).unwrap();
}

#[tokio::test]
async fn a_question_is_answered_and_the_carrier_says_who_asked() {
    let fixture = fixture();
    assert_eq!(fixture.ask(hello(), why("x")).await, Ok(Answer::Jsonl("x".into())));
    let as_mayor = Hello { actor: Some("mayor/".into()), ..hello() };
    fixture.ask(as_mayor, why("x")).await.unwrap();
    let token = Hello { token: Some("right".into()), ..hello() };
    fixture.ask(token.clone(), why("x")).await.unwrap();
    let expected = [Origin::operator(), Origin::Operator { on_behalf_of: Some(Address::Mayor) }, session()];
    assert_eq!(*fixture.town.asked.lock().unwrap(), expected);

    let refused = |hello| async { fixture.ask(hello, why("x")).await.unwrap_err().code };
    assert_eq!(refused(Hello { token: Some("wrong".into()), ..hello() }).await, "bad_token");
    assert_eq!(refused(Hello { actor: Some("mayor/".into()), ..token }).await, "actor_is_for_people");
    assert_eq!(refused(Hello { version: 9, ..hello() }).await, "other_version");
    assert_eq!(refused(Hello { actor: Some("no body".into()), ..hello() }).await, "usage");
}

#[tokio::test]
async fn a_question_that_breaks_is_answered_and_the_next_one_too() {
    let fixture = fixture();
    assert_eq!(fixture.ask(hello(), Command::Tree).await.unwrap_err().code, "internal");
    fixture.ask(hello(), why("x")).await.unwrap();
}

#[tokio::test]
async fn giants_and_rubbish_are_refused_and_close_the_connection() {
    let fixture = fixture();
    let giant = Frame::Bytes(vec![0; 10]);
    let mut bytes = giant.encode();
    bytes[0] = 255;
    for bytes in [bytes, b"GET / HTTP/1.1\r\n".to_vec(), Frame::Bytes(vec![1]).encode()] {
        let mut stream = UnixStream::connect(fixture.folder.path().join("sock")).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await.unwrap();
        let (incoming, _outgoing) = stream.into_split();
        let mut incoming = Incoming::new(incoming);
        let reply = incoming.next(wire::MAX_REPLY).await.unwrap().unwrap().parse::<Reply>().unwrap();
        assert!(matches!(reply, Reply::Refused(refusal) if refusal.code == "usage"));
        // Bytes of ours that were never read make the end a reset.
        assert!(!matches!(incoming.next(wire::MAX_REPLY).await, Ok(Some(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_dropped() {
    let fixture = fixture();
    let mut client = fixture.connect().await;
    assert_eq!(client.frame().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_greets_a_byte_at_a_time_is_dropped_and_others_are_served_meanwhile() {
    let fixture = fixture();
    let client = fixture.connect().await;
    let Client { mut incoming, outgoing } = client;
    let mut raw = outgoing.into_stream();
    let drip = tokio::spawn(async move {
        for byte in Frame::json(&hello()).encode() {
            if tokio::io::AsyncWriteExt::write_all(&mut raw, &[byte]).await.is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        false
    });
    fixture.ask(hello(), why("x")).await.unwrap();
    assert!(!matches!(incoming.next(wire::MAX_REPLY).await, Ok(Some(_))));
    assert!(drip.await.unwrap(), "it never came to the end of its greeting");
    assert_eq!(fixture.town.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn garbage_asks_nothing_and_leaves_the_town_as_it_was() {
    let fixture = fixture();
    let mut dice = 0x9e37_79b9_u64;
    for _ in 0..100 {
        let mut bytes = Vec::new();
        for _ in 0..400 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            bytes.push(dice as u8);
        }
        // Some of it comes in frames of a right shape, behind a right greeting.
        let framed = [Frame::json(&hello()).encode(), Frame::Json(bytes.clone()).encode()].concat();
        for bytes in [bytes, framed] {
            let mut stream = UnixStream::connect(fixture.folder.path().join("sock")).await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            let mut rest = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
        }
    }
    assert!(fixture.town.asked.lock().unwrap().is_empty());
    fixture.ask(hello(), why("x")).await.unwrap();
}

#[tokio::test]
async fn a_follower_gets_what_was_and_what_comes() {
    let fixture = fixture();
    let store = fixture.town.store.clone();
    for rule in ["mayor", "other", "mayor", "mayor"] {
        say(&store, rule);
    }
    let filter = EventFilter { actor: Some("mayor/".into()), ..Default::default() };
    let open = |filter| fixture.request(hello(), Request::Open(Stream::Events(filter)));
    let mut whole = open(filter.clone()).await;
    let mut last = open(EventFilter { limit: Some(1), ..filter }).await;
    whole.reply().await.unwrap();
    last.reply().await.unwrap();
    say(&store, "other");
    say(&store, "mayor");
    let mut seen = Vec::new();
    for (client, n) in [(&mut whole, 4), (&mut last, 2)] {
        for _ in 0..n {
            match client.item().await {
                StreamItem::Event(record) => seen.push(record.seq.0),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(seen, [1, 3, 4, 6, 4, 6]);
}

#[tokio::test]
async fn a_terminal_goes_both_ways_until_it_ends() {
    let fixture = fixture();
    let attach = |agent: &str, read_only| {
        let stream = Stream::Attach { agent: agent.into(), read_only, take: false, rows: 24, cols: 80 };
        fixture.request(hello(), Request::Open(stream))
    };
    assert_eq!(attach("myaor", false).await.reply().await.unwrap_err().code, "no_such_agent");

    let mut client = attach("mayor/", false).await;
    client.reply().await.unwrap();
    assert_eq!(client.item().await, StreamItem::Size { rows: 24, cols: 80 });
    client.outgoing.send(&Frame::Bytes(b"ls\r".to_vec())).await.unwrap();
    assert_eq!(client.frame().await, Some(Frame::Bytes(b"ls\r".to_vec())));
    client.outgoing.say(&StreamInput::Resize { rows: 5, cols: 6 }).await.unwrap();
    assert_eq!(client.item().await, StreamItem::Size { rows: 5, cols: 6 });
    client.outgoing.send(&Frame::Bytes(b"exit".to_vec())).await.unwrap();
    assert_eq!(client.item().await, StreamItem::Exited { how: "exit code 0".into() });
    assert_eq!(client.frame().await, None);

    let mut watcher = attach("mayor/", true).await;
    watcher.reply().await.unwrap();
    watcher.item().await;
    watcher.outgoing.send(&Frame::Bytes(b"x".to_vec())).await.unwrap();
    assert_eq!(watcher.item().await, StreamItem::Notice("you only watch".into()));
}

#[tokio::test]
async fn whoever_asks_for_the_end_is_answered_at_the_end_and_followers_are_let_go() {
    let mut fixture = fixture();
    let events = Stream::Events(EventFilter::default());
    let mut follower = fixture.request(hello(), Request::Open(events)).await;
    follower.reply().await.unwrap();
    let mut last = fixture.request(hello(), Request::Ask(Command::Stop)).await;
    // A later question is answered all the same, and the first one waits.
    fixture.ask(hello(), why("x")).await.unwrap();
    assert!(futures_ready(last.frame()).is_none());
    fixture.over.send_replace(true);
    assert_eq!(last.reply().await, Ok(Answer::Done));
    assert_eq!(follower.frame().await, None);
    (&mut fixture.server).await.unwrap();
}

/// What a future gives without waiting.
fn futures_ready<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let waker = std::task::Waker::noop();
    match future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn one_too_many_is_told_so() {
    let fixture = fixture();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(fixture.connect().await);
    }
    let mut last = fixture.connect().await;
    assert_eq!(last.reply().await.unwrap_err().code, "too_many_connections");
    drop(open);
}

#[test]
fn whoever_is_below_a_session_is_that_session_and_whoever_was_let_go_is_nobody() {
    let town = echo();
    let me = std::process::id();
    let who = |pid, parents: &'static [(u32, u32)]| {
        let up = |pid| parents.iter().find(|(child, _)| *child == pid).map(|(_, up)| *up);
        origin(&town, &hello(), Some(pid), &Ancestry::climb(pid, up))
    };
    assert_eq!(who(7, &[(7, 4_000_000), (4_000_000, 1)]), Ok(session()));
    assert_eq!(who(7, &[(7, 6), (6, 1)]), Ok(Origin::operator()));
    assert_eq!(who(7, &[(7, 6)]).unwrap_err().code, "unknown_process");
    assert_eq!(who(0, &[]), Ok(Origin::operator()));
    let adopted = Ancestry::climb(7, |pid| if pid == 7 { Some(me) } else { Some(1) });
    assert_eq!(origin(&town, &hello(), Some(7), &adopted).unwrap_err().code, "unknown_process");
}
