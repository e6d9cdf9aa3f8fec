//! The way that is always open to an agent: one invisible frame on its own terminal.

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use model::refusal::{Class, Refusal};
use protocol::speech;
use rustix::fs::{Mode, OFlags};

use crate::env::Env;

/// The agent's terminal and what proves that it is the agent who writes there.
pub(crate) struct Tty {
    path: PathBuf,
    nonce: String,
}

impl Tty {
    /// The terminal of the agent whose surroundings `env` are.
    pub(crate) fn of(env: &Env) -> Result<Self, Refusal> {
        match (env.var("GASTOWN_TTY"), env.var("GASTOWN_NONCE")) {
            (Some(path), Some(nonce)) => Ok(Tty { path: path.into(), nonce: nonce.to_owned() }),
            _ => Err(Refusal::usage("there is no agent's terminal to speak on")
                .hint("GASTOWN_TTY and GASTOWN_NONCE are set where an agent runs")),
        }
    }

    /// Says the command line `words`. No answer comes this way.
    pub(crate) fn say(&self, words: &[String]) -> Result<(), Refusal> {
        let frame = speech::frame(&self.nonce, id(), &speech::command(words));
        if frame.len() > speech::LIMIT {
            return Err(Refusal::usage(format!("{} bytes are too much for a terminal", frame.len()))
                .hint("the limit is 64 KiB"));
        }
        match self.write(&frame) {
            Ok(n) if n == frame.len() => Ok(()),
            Ok(_) => Err(self.broken(&io::Error::from(io::ErrorKind::WriteZero))),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// One write, so that nothing else that is written there comes in between.
    fn write(&self, frame: &[u8]) -> io::Result<usize> {
        // The terminal must not become that of a tool without one.
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(&self.path, flags, Mode::empty())?;
        if !rustix::termios::isatty(&terminal) {
            return Err(io::Error::other("it is no terminal"));
        }
        Ok(rustix::io::retry_on_intr(|| rustix::io::write(&terminal, frame))?)
    }

    fn broken(&self, error: &io::Error) -> Refusal {
        let message = format!("cannot speak on the terminal {}: {error}", self.path.display());
        Refusal::new(Class::Failed, "tty_failed", message).hint("say it once more when the town answers")
    }
}

/// A number that is larger than that of the frame before, whichever process wrote it.
fn id() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::Read;

    use model::time::Timestamp;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    fn env(tty: &str) -> Env {
        let vars = [("GASTOWN_TTY", tty), ("GASTOWN_NONCE", "9f3a")];
        Env {
            vars: vars
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into_iter()
                .collect::<HashMap<_, _>>(),
            cwd: "/".into(),
            stdin_terminal: false,
            stdout_terminal: false,
            stderr_terminal: false,
            width: 80,
            now: Timestamp::default(),
        }
    }

    #[test]
    fn a_frame_arrives_whole_and_means_the_same_words() {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let path = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        // Held open, or the terminal hangs up when the frame is written.
        let _agent = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();

        let words: Vec<String> =
            ["mail", "send", "mayor/", "-s", "two words", "-m", "a\nb"].map(Into::into).into();
        Tty::of(&env(&path)).unwrap().say(&words).unwrap();

        let mut controller = File::from(controller);
        let mut heard = Vec::new();
        while !heard.ends_with(b"\x1b\\") {
            let mut some = [0; 256];
            let n = controller.read(&mut some).unwrap();
            heard.extend_from_slice(&some[..n]);
        }
        let text = String::from_utf8(heard).unwrap();
        let fields: Vec<&str> = text.trim_end_matches("\x1b\\").splitn(5, ';').collect();
        assert_eq!((fields[0], fields[1]), ("\x1b]7770", "9f3a"));
        assert!(fields[2].parse::<u64>().unwrap() > 1_600_000_000_000_000_000);
        assert_eq!(speech::parse(fields[4]).unwrap(), words);
    }

    #[test]
    fn what_is_no_terminal_is_not_written_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tty = Tty::of(&env(file.path().to_str().unwrap())).unwrap();
        assert_eq!(tty.say(&["done".to_owned()]).unwrap_err().code, "tty_failed");
        assert_eq!(file.path().metadata().unwrap().len(), 0);
        let tty = Tty::of(&env("/nowhere")).unwrap();
        assert_eq!(tty.say(&["x".repeat(70_000)]).unwrap_err().code, "usage");
    }
}
