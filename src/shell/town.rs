//! The town as an agent sees it: the `gt` program on its PATH.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, iter, thread};

use model::answer::Prime;
use serde::Deserialize;
use serde_json::Value;

use crate::terminal::say;

/// The first pause after which the town is asked again, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// How long to wait before something is said again that the town could not write down.
const DISK_PAUSE: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The town said no.
    #[error("{0}")]
    Refused(Refused),
    /// The town is there and cannot write anything down just now: nothing was done.
    #[error("the town cannot write: {0}")]
    Later(String),
    /// Nobody answered; what was asked for may have been done or not.
    #[error("the town does not answer: {0}")]
    Unheard(String),
}

/// A no, as `--json` prints it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Refused {
    pub(crate) code: String,
    message: String,
    hint: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// The way to the town.
#[derive(Debug)]
pub(crate) struct Town {
    patience: Duration,
}

impl Town {
    /// A way on which the town may be out of reach for as long as `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Town { patience }
    }

    /// The agent's own address.
    pub(crate) fn me(&self) -> String {
        env::var("GASTOWN_AGENT").unwrap_or_else(|_| "nobody".to_owned())
    }

    /// Asks once: `gt WORDS --json`.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<Value, Fault> {
        let said = Command::new("gt")
            .args(words)
            .arg("--json")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Fault::Unheard(format!("cannot run gt: {error}")))?;
        let text = String::from_utf8_lossy(if said.status.success() { &said.stdout } else { &said.stderr });
        answer(said.status.code(), &text)
    }

    /// Asks until there is an answer, for as long as the patience lasts. Only for what may be asked twice.
    pub(crate) fn ask_patiently(&self, words: &[&str]) -> Result<Value, Fault> {
        let mut pauses = pauses(self.patience);
        loop {
            match self.ask(words) {
                Err(fault @ Fault::Later(_)) => wait_for_the_disk(&fault),
                Err(fault @ Fault::Unheard(_)) => self.pause(&mut pauses, fault)?,
                answer => return answer,
            }
        }
    }

    /// The brief.
    pub(crate) fn prime(&self) -> Result<Prime, Fault> {
        let value = self.ask_patiently(&["prime"])?;
        serde_json::from_value(value).map_err(|error| {
            let message = format!("the brief is not what this agent knows: {error}");
            Fault::Refused(Refused { code: "bad_brief".to_owned(), message, hint: None })
        })
    }

    /// Hands the work in with the words `done …`.
    ///
    /// An answer that got lost is not asked for blindly: the brief tells whether the hook still waits.
    pub(crate) fn done(&self, words: &[&str]) -> Result<(), Fault> {
        let mut pauses = pauses(self.patience);
        loop {
            match self.ask(words) {
                Ok(_) => return Ok(()),
                Err(Fault::Refused(refused)) if refused.code == "already_submitted" => return Ok(()),
                Err(Fault::Refused(refused)) => return Err(Fault::Refused(refused)),
                Err(fault @ Fault::Later(_)) => {
                    wait_for_the_disk(&fault);
                    continue;
                }
                Err(fault) => self.pause(&mut pauses, fault)?,
            }
            if !self.prime()?.hook.is_some_and(|hook| hook.stage.wants_session()) {
                return Ok(());
            }
        }
    }

    fn pause(&self, pauses: &mut impl Iterator<Item = Duration>, fault: Fault) -> Result<(), Fault> {
        let Some(pause) = pauses.next() else { return Err(fault) };
        say(&format!("{fault}; once more in {pause:?}"));
        thread::sleep(pause);
        Ok(())
    }
}

/// A full disk is nobody's fault, and the work is done: there is no end to the patience with it.
fn wait_for_the_disk(fault: &Fault) {
    say(&format!("{fault}; once more in {DISK_PAUSE:?}"));
    thread::sleep(DISK_PAUSE);
}

/// Returns what the program's exit code and what it printed mean. `text` is standard output when it
/// ended with 0, standard error otherwise.
fn answer(code: Option<i32>, text: &str) -> Result<Value, Fault> {
    #[derive(Deserialize)]
    struct Said {
        error: Refused,
    }
    if code == Some(0) {
        // With the socket down the program passes the command on as a frame, and prints nothing.
        return serde_json::from_str(text).map_err(|_| Fault::Unheard("gt printed no answer".to_owned()));
    }
    let refused = text.lines().rev().find_map(|line| serde_json::from_str::<Said>(line).ok());
    match (code, refused) {
        (Some(_), Some(Said { error })) if error.code == "read_only" => Err(Fault::Later(error.message)),
        (Some(1 | 2 | 4 | 5), Some(Said { error })) if !is_out_of_reach(&error.code) => {
            Err(Fault::Refused(error))
        }
        (_, Some(Said { error })) => Err(Fault::Unheard(error.message)),
        (Some(code @ (2 | 4 | 5)), None) => Err(Fault::Refused(Refused {
            code: format!("exit_{code}"),
            message: text.trim().to_owned(),
            hint: None,
        })),
        (Some(code), None) => Err(Fault::Unheard(format!("gt ended with {code}: {}", text.trim()))),
        (None, None) => Err(Fault::Unheard("gt was killed".to_owned())),
    }
}

fn is_out_of_reach(code: &str) -> bool {
    matches!(
        code,
        "unreachable" | "no_answer" | "connection_lost" | "tty_failed" | "not_running" | "not_there"
    )
}

/// Growing pauses that sum up to at most `patience`.
fn pauses(patience: Duration) -> impl Iterator<Item = Duration> {
    let (first, longest) = PAUSES;
    let mut left = patience;
    iter::successors(Some(first), move |pause| Some((*pause * 2).min(longest))).map_while(move |pause| {
        left = left.checked_sub(pause)?;
        Some(pause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_told_from_silence() {
        let refused = |code, text: &str| matches!(answer(code, text), Err(Fault::Refused(_)));
        let unheard = |code, text: &str| matches!(answer(code, text), Err(Fault::Unheard(_)));
        let error =
            |code: &str| format!("{{\"error\":{{\"code\":\"{code}\",\"message\":\"m\",\"hint\":null}}}}\n");
        assert!(answer(Some(0), "{}\n").is_ok());
        assert!(unheard(Some(0), ""), "said by a frame");
        assert!(matches!(answer(Some(1), &error("read_only")), Err(Fault::Later(_))));
        assert!(refused(Some(5), &error("dirty_worktree")));
        assert!(refused(Some(1), &error("not_slung")));
        assert!(refused(Some(4), "error: what?"));
        assert!(unheard(Some(1), &error("connection_lost")));
        assert!(unheard(Some(3), &error("anything")));
        assert!(unheard(Some(1), "thread panicked"));
        assert!(unheard(None, ""));
    }

    #[test]
    fn patience_has_an_end() {
        let minute = Duration::from_secs(60);
        let all: Vec<Duration> = pauses(minute).collect();
        assert!(all.is_sorted() && all.len() > 5);
        assert!(all.iter().sum::<Duration>() <= minute);
        assert_eq!(pauses(Duration::ZERO).count(), 0);
    }
}
