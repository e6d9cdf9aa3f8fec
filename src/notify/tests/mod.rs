//! Real sockets, a real TLS handshake, real programs. `tls/` holds a certificate for `localhost` and who signed it,
//! made for these tests and valid for a hundred years.

mod fakes;

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use self::fakes::{Manners, Wire};
use crate::command::Program;
use crate::email::{Cover, Server};
use crate::webhook::Target;
use crate::{Ended, Message, Secret, brief, command, email, webhook};

const CA: &[u8] = include_bytes!("tls/ca.pem");
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

fn message() -> Message {
    Message {
        key: "esc-1.0.1767225600000@harbour".into(),
        subject: "[high] main is rot – größer\r\nBcc: eve@example.org".into(),
        text: "since noon\n.\nso it is\n".into(),
        json: serde_json::json!({"escalation": "esc-1", "severity": "high"}),
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn server(port: u16) -> Server {
    Server {
        host: "127.0.0.1".into(),
        port,
        cover: Cover::Open,
        from: "town@example.org".into(),
        login: None,
        ca: None,
        timeout: LONG,
    }
}

fn target(url: String) -> Target {
    Target { url: Secret(url), headers: Vec::new(), ca: None, timeout: LONG }
}

/// Speaks TLS as `localhost`.
fn covered() -> impl Fn(TcpStream) -> Box<dyn Wire> + Send + Sync + 'static {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        Box::new(StreamOwned::new(connection, stream))
    }
}

/// A port where nobody listens.
fn deserted() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[track_caller]
fn is_doubtful(ended: &Ended) {
    assert!(matches!(ended, Ended::Doubtful(_)), "{ended:?}");
}

#[track_caller]
fn is_failed(ended: &Ended) {
    assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
}

#[track_caller]
fn is_refused(ended: &Ended) {
    assert!(matches!(ended, Ended::Refused(_)), "{ended:?}");
}

#[test]
fn an_email_arrives_once_with_its_name_and_nothing_smuggled_in() {
    let fake = fakes::mail_server();
    let mut server = server(fake.port);
    server.login = Some(("town".into(), Secret("hush".into())));
    let ended = run(email::send(&server, "pat@example.org", &message()));
    assert_eq!(ended, Ended::Taken("250 2.0.0 queued".into()));
    let heard = fake.heard();
    let [letter] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(letter.header("Message-ID"), Some("<esc-1.0.1767225600000@harbour>"));
    assert_eq!(letter.header("Auto-Submitted"), Some("auto-generated"));
    assert_eq!((letter.header("To"), letter.header("Bcc")), (Some("pat@example.org"), None));
    assert!(letter.text.contains("since noon\r\n.\r\nso it is"), "{}", letter.text);
    assert_eq!(letter.envelope, ["MAIL FROM:<town@example.org>", "RCPT TO:<pat@example.org>"]);
    // PLAIN: nothing, the name, the password.
    assert_eq!(letter.login.as_deref(), Some("AUTH PLAIN AHRvd24AaHVzaA=="));
    assert!(!format!("{server:?}").contains("hush"));
}

#[test]
fn what_a_mail_server_does_is_told_apart() {
    let fake = fakes::mail_server();
    let mut server = server(fake.port);
    let send = |server: &Server| run(email::send(server, "pat@example.org", &message()));
    fake.behave(Manners::Answers(550));
    is_refused(&send(&server));
    fake.behave(Manners::Answers(450));
    is_failed(&send(&server));
    assert!(fake.heard().is_empty());
    fake.behave(Manners::HangsUp);
    is_doubtful(&send(&server));
    server.timeout = SHORT;
    fake.behave(Manners::Silent);
    is_doubtful(&send(&server));
    assert_eq!(fake.heard().len(), 2);
    // Before it was told anything, nothing is in doubt.
    server.port = deserted();
    is_failed(&send(&server));
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.port = deaf.local_addr().unwrap().port();
    is_failed(&send(&server));
    server.cover = Cover::Starttls;
    server.port = fake.port;
    let ended = send(&server);
    assert!(matches!(ended, Ended::Failed(_)), "no cover, no mail: {ended:?}");
}

#[test]
fn a_covered_connection_is_believed_only_with_the_right_certificate() {
    let fake = fakes::covered_mail_server(covered());
    let mut server = Server { cover: Cover::Tls, ca: Some(CA.to_vec()), ..server(fake.port) };
    let send = |server: &Server| run(email::send(server, "pat@example.org", &message()));
    let ended = send(&server);
    assert!(matches!(ended, Ended::Taken(_)), "{ended:?}");
    server.ca = None;
    is_failed(&send(&server));
    assert_eq!(fake.heard().len(), 1);

    let fake = fakes::covered_web_server(covered());
    let url = format!("https://localhost:{}/hook", fake.port);
    let mut target = Target { ca: Some(CA.to_vec()), ..target(url) };
    let post = |target: &Target| run(webhook::post(target, &message()));
    assert!(matches!(post(&target), Ended::Taken(_)));
    target.ca = None;
    is_failed(&post(&target));
    assert_eq!(fake.heard().len(), 1);
}

#[test]
fn a_request_holds_the_message_and_its_name() {
    let fake = fakes::web_server();
    let mut target = target(format!("http://127.0.0.1:{}/hook/hush?x=1", fake.port));
    target.headers.push(("Authorization".into(), Secret("Bearer hush".into())));
    let ended = run(webhook::post(&target, &message()));
    assert_eq!(ended, Ended::Taken(format!("http://127.0.0.1:{}: HTTP 200: ok", fake.port)));
    let heard = fake.heard();
    let [request] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(request.line, "POST /hook/hush?x=1 HTTP/1.1");
    assert_eq!(request.headers["idempotency-key"], "esc-1.0.1767225600000@harbour");
    assert_eq!(request.headers["authorization"], "Bearer hush");
    assert_eq!(request.headers["content-type"], "application/json");
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["severity"], "high");
    assert!(!format!("{target:?}").contains("hush"));
}

#[test]
fn what_an_http_server_does_is_told_apart() {
    let fake = fakes::web_server();
    let mut target = target(format!("http://127.0.0.1:{}/hush", fake.port));
    let post = |target: &Target| run(webhook::post(target, &message()));
    for code in [400, 401, 404, 410, 302] {
        fake.behave(Manners::Answers(code));
        let ended = post(&target);
        is_refused(&ended);
        assert!(!format!("{ended:?}").contains("hush"), "{ended:?}");
    }
    for code in [408, 429, 500, 503] {
        fake.behave(Manners::Answers(code));
        is_failed(&post(&target));
    }
    assert_eq!(fake.heard().len(), 9, "nobody is followed elsewhere");
    fake.behave(Manners::HangsUp);
    is_doubtful(&post(&target));
    target.timeout = SHORT;
    fake.behave(Manners::Silent);
    is_doubtful(&post(&target));
    target.url = Secret(format!("http://127.0.0.1:{}/hush", deserted()));
    let ended = post(&target);
    is_failed(&ended);
    assert!(!format!("{ended:?}").contains("hush"), "{ended:?}");
}

fn program(folder: &Path, script: &str) -> Program {
    Program {
        run: vec!["/bin/sh".into(), "-c".into(), script.into()],
        cwd: folder.to_owned(),
        env: vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())],
        timeout: LONG,
        shim: None,
    }
}

#[test]
fn a_program_hears_the_message_and_its_word_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let go = |script: &str| run(command::run(&program(folder.path(), script), &message()));
    let ended = go("cat > heard; printf '%s' \"$GASTOWN_NOTICE ${HOME-none}\" > env; echo told; echo hm >&2");
    assert_eq!(ended, Ended::Taken("/bin/sh ended well: told | hm".into()));
    let heard = std::fs::read_to_string(folder.path().join("heard")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&heard).unwrap()["escalation"], "esc-1");
    let env = std::fs::read_to_string(folder.path().join("env")).unwrap();
    assert_eq!(env, "esc-1.0.1767225600000@harbour none", "nothing of our own environment");
    assert_eq!(go("echo no >&2; exit 3"), Ended::Failed("/bin/sh ended with code 3: no".into()));
    assert_eq!(go("kill -9 $$"), Ended::Failed("/bin/sh was ended by signal 9".into()));
    // Who does not want to hear it is not made to.
    assert!(matches!(go("exec <&-; exit 0"), Ended::Taken(_)));
    let missing = Program { run: vec!["no-such-program".into()], ..program(folder.path(), "") };
    is_failed(&run(command::run(&missing, &message())));
}

#[test]
fn a_program_that_does_not_end_is_ended_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo $! > child; wait";
    let slow = Program { timeout: SHORT, ..program(folder.path(), script) };
    is_doubtful(&run(command::run(&slow, &message())));
    let leaves = program(folder.path(), "sleep 1000 & echo $! > child");
    assert!(matches!(run(command::run(&leaves, &message())), Ended::Taken(_)));
    let child = std::fs::read_to_string(folder.path().join("child")).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    // Killed by now; somebody else waits for it.
    let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    while lives() {
        std::thread::yield_now();
    }
}

#[test]
fn what_others_say_is_one_short_line() {
    assert_eq!(brief("a\r\n b\u{1b}[31m\t c"), "a b [31m c");
    assert!(brief(&"ä".repeat(1_000)).len() < 410);
}
