//! Whoever is told outside of the town, as far as tests go: a mail server and an HTTP server on loopback, made of
//! nothing but sockets. They write down what they are sent, and behave as badly as they are told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How a server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// As it should.
    Good,
    /// It does not want the message, and says so with this code.
    Answers(u16),
    /// It takes the whole message and hangs up without a word.
    HangsUp,
    /// It listens, and never says anything after the message.
    Silent,
}

/// What a mail server was sent.
#[derive(Debug, Clone)]
pub(crate) struct Email {
    /// Who it is from, and to whom, as the server was told.
    pub(crate) envelope: Vec<String>,
    /// Headers and text.
    pub(crate) text: String,
    /// What was said to log in.
    pub(crate) login: Option<String>,
}

impl Email {
    /// The header called `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What an HTTP server was sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The first line.
    pub(crate) line: String,
    /// The headers, with lower-case names.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: String,
}

/// A server of either kind; it listens for as long as the test's process lives.
#[derive(Debug)]
pub(crate) struct Server<T> {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<T>>>,
    manners: Arc<Mutex<Manners>>,
}

/// What a connection is spoken over.
pub(crate) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

impl<T: Clone + Send + 'static> Server<T> {
    fn start(
        cover: impl Fn(TcpStream) -> Box<dyn Wire> + Send + Sync + 'static,
        talk: fn(&mut Talk<T>) -> std::io::Result<()>,
    ) -> Server<T> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let manners = Arc::new(Mutex::new(Manners::Good));
        let server = Server { port, heard: Arc::clone(&heard), manners: Arc::clone(&manners) };
        let cover = Arc::new(cover);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, manners, cover) = (Arc::clone(&heard), Arc::clone(&manners), Arc::clone(&cover));
                std::thread::spawn(move || {
                    let wire = BufReader::new(cover(stream));
                    let manners = *manners.lock().unwrap();
                    // How a connection breaks is what some tests are about.
                    let _ = talk(&mut Talk { wire, heard, manners });
                });
            }
        });
        server
    }

    /// All that it was sent so far.
    pub(crate) fn heard(&self) -> Vec<T> {
        self.heard.lock().unwrap().clone()
    }

    /// Makes it behave so from the next connection on.
    pub(crate) fn behave(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }
}

/// One connection.
struct Talk<T> {
    wire: BufReader<Box<dyn Wire>>,
    heard: Arc<Mutex<Vec<T>>>,
    manners: Manners,
}

impl<T> Talk<T> {
    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.wire.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn say(&mut self, text: &str) -> std::io::Result<()> {
        let wire = self.wire.get_mut();
        wire.write_all(text.as_bytes())?;
        wire.flush()
    }

    /// Waits until the other side has gone.
    fn say_nothing(&mut self) -> std::io::Result<()> {
        let mut rest = Vec::new();
        self.wire.read_to_end(&mut rest).map(drop)
    }
}

/// Starts a mail server.
pub(crate) fn mail_server() -> Server<Email> {
    Server::start(|stream| Box::new(stream), smtp)
}

/// Starts a mail server whose connections are spoken over what `cover` makes of them.
pub(crate) fn covered_mail_server(
    cover: impl Fn(TcpStream) -> Box<dyn Wire> + Send + Sync + 'static,
) -> Server<Email> {
    Server::start(cover, smtp)
}

/// Starts an HTTP server.
pub(crate) fn web_server() -> Server<Request> {
    Server::start(|stream| Box::new(stream), http)
}

/// Starts an HTTP server whose connections are spoken over what `cover` makes of them.
pub(crate) fn covered_web_server(
    cover: impl Fn(TcpStream) -> Box<dyn Wire> + Send + Sync + 'static,
) -> Server<Request> {
    Server::start(cover, http)
}

fn smtp(talk: &mut Talk<Email>) -> std::io::Result<()> {
    talk.say("220 fake ready\r\n")?;
    let (mut envelope, mut login) = (Vec::new(), None);
    loop {
        let line = talk.line()?;
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => talk.say("250-fake\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n")?,
            "AUTH" => {
                login = Some(line.clone());
                talk.say("235 welcome\r\n")?;
            }
            "MAIL" => {
                envelope = vec![line.clone()];
                talk.say("250 ok\r\n")?;
            }
            "RCPT" => {
                envelope.push(line.clone());
                match talk.manners {
                    Manners::Answers(code) => talk.say(&format!("{code} no\r\n"))?,
                    _ => talk.say("250 ok\r\n")?,
                }
            }
            "DATA" => {
                talk.say("354 go on\r\n")?;
                let mut text = String::new();
                loop {
                    let line = talk.line()?;
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push_str("\r\n");
                }
                let email = Email { envelope: envelope.clone(), text, login: login.clone() };
                talk.heard.lock().unwrap().push(email);
                match talk.manners {
                    Manners::HangsUp => return Ok(()),
                    Manners::Silent => return talk.say_nothing(),
                    _ => talk.say("250 2.0.0 queued\r\n")?,
                }
            }
            "QUIT" => return talk.say("221 bye\r\n"),
            _ => talk.say("502 what\r\n")?,
        }
    }
}

fn http(talk: &mut Talk<Request>) -> std::io::Result<()> {
    loop {
        let line = talk.line()?;
        let mut headers = BTreeMap::new();
        loop {
            let line = talk.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        talk.wire.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        talk.heard.lock().unwrap().push(Request { line, headers, body });
        match talk.manners {
            Manners::Good => talk.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?,
            Manners::Answers(code) => {
                talk.say(&format!(
                    "HTTP/1.1 {code} Well\r\nLocation: /elsewhere\r\nContent-Length: 4\r\n\r\nwell"
                ))?;
            }
            Manners::HangsUp => return Ok(()),
            Manners::Silent => return talk.say_nothing(),
        }
    }
}
