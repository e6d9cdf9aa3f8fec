//! The model behind Claude Code: a script on loopback that answers by the rules of a scenario.
//!
//! `stub.py` plays it and explains itself on top. A rule's `name` is how tests ask for what it answered.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Running, Town, find};

const STUB: &str = include_str!("stub.py");

/// A running stub. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Model {
    port: u16,
    log: PathBuf,
    _stub: Running,
}

impl Model {
    /// Starts a stub that plays `scenario`, with its files in the town's test folder.
    #[track_caller]
    pub(crate) fn plays(town: &Town, scenario: &str) -> Model {
        let folder = town.folder.join("model");
        fs::create_dir(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        fs::write(path("stub.py"), STUB).unwrap();
        fs::write(path("scenario.json"), scenario).unwrap();
        // With the environment of the test itself: what belongs to the town is told by its own.
        let mut command = Command::new("python3");
        command.arg(path("stub.py")).arg("--script").arg(path("scenario.json"));
        command.arg("--port-file").arg(path("port")).arg("--log").arg(path("requests.jsonl"));
        command.stdin(Stdio::null());
        let stub = town.begin(command);
        let port = find("the model listens", || {
            stub.assert_alive();
            fs::read_to_string(path("port")).ok()?.trim().parse().ok()
        });
        Model { port, log: path("requests.jsonl"), _stub: stub }
    }

    /// Where Claude Code finds it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether there is what it needs.
    pub(crate) fn can_be_had() -> bool {
        let said = Command::new("python3").arg("--version").stdin(Stdio::null()).output();
        said.is_ok_and(|said| said.status.success())
    }

    /// The requests that `rule` has answered or is about to answer, oldest first.
    pub(crate) fn asked(&self, rule: &str) -> Vec<Value> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        // The last line may be half written.
        let requests = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        requests.filter(|request| request["rule"] == rule).collect()
    }

    /// Waits until `rule` is asked for, and returns the first request.
    #[track_caller]
    pub(crate) fn is_asked(&self, rule: &str) -> Value {
        find(&format!("the model is asked for {rule}"), || self.asked(rule).into_iter().next())
    }

    /// Lets the answers go that are held under `name`.
    #[track_caller]
    pub(crate) fn releases(&self, name: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!(
            "POST /stub/release/{name} HTTP/1.1\r\nHost: stub\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
