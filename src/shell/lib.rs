//! The agent of the `shell` preset: an agent that needs no model.
//!
//! It takes what hangs on its hook, runs the fenced `sh` blocks of the bead's description and of its
//! molecule's steps in its worktree, commits what each one changed, and hands the branch in.
//!
//! It is a program like any other agent's: it knows the town only through the `gt` program on its PATH
//! and through the lines on its terminal. Whoever brings an agent of their own can read it as an example.
//!
//! ```text
//! prime > tidy up after a session that was killed > blocks, a commit each > steps reported > done > listen
//! ```
//!
//! **It may be killed anywhere.** What it has done it finds again in its branch: each commit names its
//! block in a trailer (`marks`), and a note in the git directory (`notes`) names the block under way
//! and those that left no commit. What a killed block left behind is saved as a `rescue/` branch
//! (`rescue`) before the block runs anew, so that each block takes effect once.
//!
//! **It cannot think.** A failing block ends the work with `escalate`, since a script that failed once
//! fails again. A conflict is answered by running all blocks again on the new base. A failed gate is
//! answered by running them again on top of the work so far; the scripts find the attempt and the gate's
//! output in their environment (`block`).

mod block;
mod fences;
mod listening;
mod marks;
mod notes;
mod plan;
mod rescue;
mod terminal;
mod town;
mod work;
mod worktree;

use std::ffi::OsString;
use std::time::Duration;

use terminal::{Signals, say};
use town::{Fault, Town};

/// How long the town may be out of reach before the agent gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Is the agent, until its terminal closes or it is told to end; returns the exit code.
///
/// `args` are those behind the program's hidden subcommand: `--patience SECONDS` bounds how long it waits
/// for a town that does not answer. 0 when the terminal closed, 1 when the town cannot be reached or does
/// not know the agent, 2 for arguments that it does not know. While it only listens, SIGTERM ends it with 0.
pub fn run(args: Vec<OsString>) -> u8 {
    let Some(patience) = patience(&args) else {
        say("usage: [--patience SECONDS]");
        return 2;
    };
    let signals = match Signals::heed() {
        Ok(signals) => signals,
        Err(error) => {
            say(&format!("cannot listen to signals: {error}"));
            return 1;
        }
    };
    terminal::stop_echo();
    let town = Town::new(patience);
    let mut listening = listening::Listening::start();
    say(&format!("shell agent of {}, in {}", town.me(), terminal::here()));
    listening.hello(&town);

    loop {
        let prime = match town.prime() {
            Ok(prime) => prime,
            Err(fault) => {
                say(&format!("cannot learn what to do: {fault}"));
                return 1;
            }
        };
        // A verdict on its work is the town's own to acknowledge; the brief holds what it means.
        for letter in prime.mail.iter().filter(|letter| !letter.data.is_for_code()) {
            let (id, from) = (letter.id.to_string(), letter.from.to_string());
            listening.read_out(&town, (&id, &letter.kind), &from, &letter.subject, &letter.body);
        }
        match prime.hook.as_ref() {
            Some(hook) if hook.stage.wants_session() => {
                if let Err(fault) = work::work(&prime, &town) {
                    say(&format!("not handed in: {fault}"));
                    if matches!(fault, Fault::Unheard(_)) {
                        return 1;
                    }
                }
            }
            Some(hook) => say(&format!("{} is {}: nothing to do for now", hook.bead, hook.stage.as_str())),
            None => say("nothing hangs on my hook"),
        }
        signals.idle(true);
        say("listening");
        if !listening.until_prompted(&town) {
            return 0;
        }
        signals.idle(false);
    }
}

fn patience(args: &[OsString]) -> Option<Duration> {
    match args {
        [] => Some(PATIENCE),
        [option, seconds] if option == "--patience" => {
            seconds.to_str()?.parse().ok().map(Duration::from_secs)
        }
        _ => None,
    }
}
