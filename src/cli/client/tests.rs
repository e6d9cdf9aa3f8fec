use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use model::answer::Answer;
use model::import::JsonLines;
use model::time::Timestamp;
use protocol::wire::StreamItem;

use super::*;

/// Listens and treats one connection as `serve` says.
fn listen(serve: impl FnOnce(UnixStream) + Send + 'static) -> (tempfile::TempDir, PathBuf, JoinHandle<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let served = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    (folder, path, served)
}

fn carrier(path: &Path) -> SocketCarrier {
    let hello = Hello { version: wire::VERSION, token: Some("secret".into()), actor: None };
    SocketCarrier { path: path.to_owned(), hello, open: Some(connect(path).unwrap()) }
}

fn frame<T: serde::de::DeserializeOwned>(stream: &mut UnixStream) -> T {
    wire::read_frame(stream, wire::MAX_REQUEST).unwrap().unwrap().parse().unwrap()
}

#[test]
fn a_question_is_greeted_with_the_token_and_answered() {
    let (_folder, path, served) = listen(|mut stream| {
        assert_eq!(frame::<Hello>(&mut stream).token.as_deref(), Some("secret"));
        assert_eq!(frame::<Request>(&mut stream), Request::Ask(Command::Status));
        wire::write_frame(&mut stream, &Frame::json(&Reply::Ok(Answer::Done))).unwrap();
    });
    assert_eq!(carrier(&path).ask(Command::Status), Ok(Answer::Done));
    served.join().unwrap();
}

#[test]
fn a_refusal_at_the_greeting_is_read_although_the_town_hung_up() {
    let refusal = Refusal::usage("another version");
    let told = refusal.clone();
    let (_folder, path, served) = listen(move |mut stream| {
        wire::write_frame(&mut stream, &Frame::json(&Reply::Refused(told))).unwrap();
    });
    let mut carrier = carrier(&path);
    served.join().unwrap();
    // The kernel may drop what was sent when the other side closes with unread bytes; both are honest.
    let got = carrier.ask(Command::Status).unwrap_err();
    assert!(got == refusal || got.code == "connection_lost", "{got:?}");
}

#[test]
fn a_connection_that_breaks_after_the_question_says_so() {
    let (_folder, path, served) = listen(|mut stream| {
        frame::<Hello>(&mut stream);
        frame::<Request>(&mut stream);
    });
    assert_eq!(carrier(&path).ask(Command::Stop).unwrap_err().code, "connection_lost");
    served.join().unwrap();
}

#[test]
fn a_stream_goes_both_ways_until_one_side_closes() {
    let (_folder, path, served) = listen(|mut stream| {
        frame::<Hello>(&mut stream);
        assert!(matches!(frame::<Request>(&mut stream), Request::Open(_)));
        wire::write_frame(&mut stream, &Frame::json(&Reply::Ok(Answer::Done))).unwrap();
        wire::write_frame(&mut stream, &Frame::json(&StreamItem::Notice("hi".into()))).unwrap();
        let typed = wire::read_frame(&mut stream, wire::MAX_REQUEST).unwrap().unwrap();
        assert_eq!(typed, Frame::Bytes(b"x".to_vec()));
    });
    let mut stream = carrier(&path).open(Stream::Events(Default::default())).unwrap();
    let item: StreamItem = stream.incoming.next().unwrap().unwrap().parse().unwrap();
    assert_eq!(item, StreamItem::Notice("hi".into()));
    (stream.outgoing)(Frame::Bytes(b"x".to_vec())).unwrap();
    served.join().unwrap();
    assert!(stream.incoming.next().is_none());
}

#[test]
fn too_much_is_refused_before_it_is_sent() {
    let (_folder, path, served) = listen(drop);
    let text = "x".repeat(wire::MAX_MESSAGE);
    let mut agent = carrier(&path);
    assert!(agent.hello.token.is_some());
    let files = vec![JsonLines { name: String::new(), text }];
    let import = Command::BeadImport { files, dry_run: false, skip_errors: false };
    assert_eq!(agent.ask(import).unwrap_err().code, "usage");
    served.join().unwrap();
}

#[test]
fn a_socket_without_a_listener_means_that_nobody_is_up() {
    let (folder, path, served) = listen(drop);
    drop(carrier(&path));
    served.join().unwrap();
    assert!(path.exists(), "a dead runtime leaves its socket");
    assert!(is_down(&connect(&path).unwrap_err()));
    assert!(is_down(&connect(&folder.path().join("none")).unwrap_err()));
    assert!(!is_down(&io::Error::from(io::ErrorKind::PermissionDenied)));
    assert_eq!(unreachable(&path, &io::Error::from(io::ErrorKind::PermissionDenied)).class.exit_code(), 5);
    assert_eq!(unreachable(&path, &io::Error::from(io::ErrorKind::TimedOut)).class.exit_code(), 3);
}

#[test]
fn an_agent_is_told_where_the_socket_is_and_a_person_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/town.json"), "{}").unwrap();
    let mut env = Env {
        vars: [("GASTOWN_SOCKET".to_owned(), "/told".to_owned())].into(),
        cwd: folder.path().canonicalize().unwrap(),
        stdin_terminal: false,
        stdout_terminal: false,
        stderr_terminal: false,
        width: 80,
        now: Timestamp::default(),
    };
    let found = socket(&Globals::default(), &env).unwrap();
    assert!(found.ends_with("gastown.sock"), "{}", found.display());
    env.vars.insert("GASTOWN_TOKEN".into(), "t".into());
    assert_eq!(socket(&Globals::default(), &env).unwrap(), Path::new("/told"));
}

/// A ledger that a runtime has taken.
struct Taken;

impl Carrier for Taken {
    fn ask(&mut self, _: Command) -> Result<Answer, Refusal> {
        Err(Refusal::new(Class::Runtime, "already_running", "somebody runs it"))
    }

    fn open(&mut self, _: Stream) -> Result<Duplex, Refusal> {
        Err(Refusal::not_running("following"))
    }

    fn is_live(&self) -> bool {
        false
    }
}

#[test]
fn a_question_that_meets_a_starting_runtime_is_asked_of_it() {
    let (_folder, path, served) = listen(|mut stream| {
        frame::<Hello>(&mut stream);
        assert_eq!(frame::<Request>(&mut stream), Request::Ask(Command::Status));
        wire::write_frame(&mut stream, &Frame::json(&Reply::Ok(Answer::Done))).unwrap();
    });
    let hello = Hello { version: wire::VERSION, token: None, actor: None };
    let socket = SocketCarrier { path, hello, open: None };
    let mut either = Either { offline: Box::new(Taken), socket };
    assert_eq!(either.ask(Command::Status), Ok(Answer::Done));
    served.join().unwrap();
}
