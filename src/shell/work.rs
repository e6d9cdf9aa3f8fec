//! One piece of work, from the hook to `done`.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use model::answer::Prime;
use model::hook::{Hook, Stage};
use model::mail;
use model::merge::Rejection;

use crate::block::{self, Ended};
use crate::fences::Fenced;
use crate::marks::{self, Mark, Signature};
use crate::notes::{Begun, Notes};
use crate::plan::{self, NoPlan, Part};
use crate::rescue;
use crate::terminal::say;
use crate::town::{Fault, Town};
use crate::worktree::{Broken, Worktree};

/// With less room than this, in bytes, a block that failed may have failed for want of it.
const LITTLE_ROOM: u64 = 2 << 20;

/// How often a full disk is looked at.
const DISK_PAUSE: Duration = Duration::from_secs(2);

/// Why the work ended before it was finished; all of it is for a person to decide.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    NoPlan(#[from] NoPlan),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("block {n} of {step} failed with {how}:\n{tail}", how = .ended.how(), tail = .ended.tail)]
    Block { step: String, n: usize, ended: Ended },
    #[error("the blocks changed nothing in answer to the rejection: {0}")]
    NoAnswer(String),
}

/// Does what hangs on the hook and hands it in, finished or not.
///
/// An error says that it could not be handed in.
pub(crate) fn work(prime: &Prime, town: &Town) -> Result<(), Fault> {
    let (Some(hook), Some(bead)) = (&prime.hook, &prime.bead) else { return Ok(()) };
    say(&format!("{}: {}", bead.id, bead.title));
    let job = match Job::new(prime, hook, &bead.title) {
        Ok(job) => job,
        Err(stuck) => {
            say(&stuck.to_string());
            return town.done(&escalation(&stuck.to_string()));
        }
    };
    let mut ended = job.run(prime, town);
    // What failed for want of room is nobody's fault; what it left behind is saved, and it runs anew.
    while ended.is_err() && disk_is_full() {
        say(&format!(
            "the disk of the worktree is full; once more when there is room on it ({DISK_PAUSE:?})"
        ));
        while disk_is_full() {
            thread::sleep(DISK_PAUSE);
        }
        ended = job.run(prime, town);
    }
    match ended {
        Ok(End::Changed) => job.hand_in(town, &["done"]),
        Ok(End::Unchanged) => job.hand_in(town, &["done", "--reason", "the blocks changed nothing"]),
        Err(stuck) => {
            let reason = stuck.to_string();
            // The rest of it is the end of what the terminal shows already.
            say(reason.lines().next().unwrap_or_default());
            job.hand_in(town, &escalation(&reason))
        }
    }
}

/// Whether there is hardly any room left where the work is.
fn disk_is_full() -> bool {
    rustix::fs::statvfs(".").is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE_ROOM)
}

fn escalation(reason: &str) -> [&str; 5] {
    ["done", "--exit", "escalate", "--reason", reason]
}

/// How the work ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// There are commits to hand in.
    Changed,
    /// There are none.
    Unchanged,
}

struct Job<'a> {
    tree: Worktree,
    title: &'a str,
    by: Signature,
    rejection: Option<&'a Rejection>,
    /// Which attempt this is, from 1.
    attempt: u32,
}

impl<'a> Job<'a> {
    fn new(prime: &Prime, hook: &'a Hook, title: &'a str) -> Result<Self, Stuck> {
        let rejection = match &hook.stage {
            Stage::Rework { rejection } => Some(rejection),
            _ => None,
        };
        Ok(Job {
            tree: Worktree::here()?,
            title,
            by: Signature {
                agent: prime.agent.to_string(),
                bead: hook.bead.to_string(),
                session: env::var("GASTOWN_SESSION").unwrap_or_else(|_| "none".to_owned()),
            },
            rejection,
            attempt: hook.attempt.max(rejection.map_or(0, Rejection::attempt)) + 1,
        })
    }

    fn run(&self, prime: &Prime, town: &Town) -> Result<End, Stuck> {
        let parts = plan::plan(prime)?;
        let place = format!("{}/{}", self.by.agent.trim_end_matches('/'), self.by.bead);
        let branch = prime.branch.as_deref().map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
        let rescued = rescue::tidy(&self.tree, branch, &place)?;
        if let Some(branch) = &rescued {
            self.comment(town, branch);
        }
        let mut notes = self.notes(prime, town, &place)?;
        self.run_parts(&parts, &mut notes, town)?;

        let _ = fs::remove_file(self.feedback_file());
        let head = self.tree.head()?;
        if self.tree.commits_since(notes.base.as_deref())? == 0 {
            return Ok(End::Unchanged);
        }
        match self.rejection {
            // The same tree would fail the same gate: sent in again, it would go round in circles.
            Some(rejection @ Rejection::Gate { .. })
                if head == notes.start && !self.has_committed(&notes)? =>
            {
                Err(Stuck::NoAnswer(rejection.headline()))
            }
            _ => Ok(End::Changed),
        }
    }

    /// Returns the notes of this attempt with the branch where the next block finds it: on the new base
    /// after a conflict, without the commits of a block that was cut off.
    fn notes(&self, prime: &Prime, town: &Town, place: &str) -> Result<Notes, Stuck> {
        let mut notes = Notes::read(self.tree.git_dir());
        let was = notes.base.take().filter(|_| notes.bead == self.by.bead);
        let base = match self.rejection {
            Some(Rejection::Conflict { base, attempt, .. }) => {
                self.move_onto(base, *attempt, prime.target.as_deref(), town, place)?
            }
            _ => was.or_else(|| prime.base.clone()),
        };
        if notes.are_about(&self.by.bead, self.attempt) {
            notes.base = base;
            if let Some(begun) = notes.begun.take() {
                self.take_back(&begun, notes.base.as_deref(), town, place)?;
            }
        } else {
            notes.bead.clone_from(&self.by.bead);
            notes.attempt = self.attempt;
            notes.base = base;
            notes.start = self.tree.head()?;
            notes.begun = None;
            notes.done.clear();
        }
        notes.write().map_err(Broken::io("note where the attempt begins"))?;
        Ok(notes)
    }

    /// Starts over on `base`: a script cannot merge by mind. What was there stays as a rescue branch.
    /// Returns what the branch stands on now.
    fn move_onto(
        &self,
        base: &str,
        attempt: u32,
        target: Option<&str>,
        town: &Town,
        place: &str,
    ) -> Result<Option<String>, Stuck> {
        let is_there =
            |commit: &str| self.tree.succeeds(&["cat-file", "-e", &format!("{commit}^{{commit}}")]);
        if !is_there(base) {
            self.tree.git(&["fetch", "--quiet", "origin"])?;
        }
        let onto = match target.map(|target| format!("refs/remotes/origin/{target}")) {
            Some(newest) if !is_there(base) => newest,
            _ => base.to_owned(),
        };
        // A session before this one may have come as far as this.
        if !self.tree.succeeds(&["merge-base", "--is-ancestor", &onto, "HEAD"]) {
            let kept = rescue::keep(&self.tree, &self.tree.head()?, &format!("{place}-attempt-{attempt}"))?;
            say(&format!("starting over on {onto}; attempt {attempt} is kept as {kept}"));
            self.comment(town, &kept);
            self.tree.reset(&onto)?;
        }
        Ok(Some(self.tree.git(&["rev-parse", "--verify", &format!("{onto}^{{commit}}")])?))
    }

    /// Takes back the commits of a block that did not come to its end.
    fn take_back(&self, begun: &Begun, base: Option<&str>, town: &Town, place: &str) -> Result<(), Stuck> {
        let finished = self.committed(base)?.iter().any(|(mark, _)| mark.to_string() == begun.block);
        let head = self.tree.head()?;
        if finished || head == begun.head {
            return Ok(());
        }
        let kept = rescue::keep(&self.tree, &head, place)?;
        say(&format!("block {} was cut off; its commits are kept as {kept}", begun.block));
        self.comment(town, &kept);
        self.tree.reset(&begun.head)?;
        Ok(())
    }

    /// The blocks of this bead that have left a commit on the branch, with their scripts' names.
    fn committed(&self, base: Option<&str>) -> Result<BTreeSet<(Mark, String)>, Stuck> {
        let messages = self.tree.messages_since(base)?;
        Ok(messages.iter().filter_map(|message| marks::read(message, &self.by.bead)).collect())
    }

    /// Whether a block of this attempt has left a commit.
    fn has_committed(&self, notes: &Notes) -> Result<bool, Stuck> {
        Ok(self.committed(notes.base.as_deref())?.iter().any(|(mark, _)| mark.attempt == self.attempt))
    }

    fn run_parts(&self, parts: &[Part], notes: &mut Notes, town: &Town) -> Result<(), Stuck> {
        let committed = self.committed(notes.base.as_deref())?;
        let vars = self.vars(notes)?;
        for part in parts {
            // A step that is reported in the first attempt has run, even if the worktree is a new one.
            let blocks = if part.reported && self.attempt == 1 { &[] } else { part.blocks.as_slice() };
            for (n, fenced) in (1..).zip(blocks) {
                let mark = Mark { attempt: self.attempt, step: part.name.clone(), n };
                let script = self.tree.name_of(&fenced.script)?;
                let key = (mark, script);
                if committed.contains(&key) || notes.has(&key.0, &key.1) {
                    say(&format!("block {n} of {} has run already", part.name));
                    continue;
                }
                self.run_block(fenced, key, notes, &vars)?;
            }
            if part.is_step && !part.reported {
                report(town, &part.name);
            }
        }
        Ok(())
    }

    fn run_block(
        &self,
        fenced: &Fenced,
        (mark, script): (Mark, String),
        notes: &mut Notes,
        vars: &[(&str, OsString)],
    ) -> Result<(), Stuck> {
        say(&format!("attempt {}: block {} of {}", self.attempt, mark.n, mark.step));
        notes.begun = Some(Begun { block: mark.to_string(), head: self.tree.head()? });
        notes.write().map_err(Broken::io("note the block under way"))?;
        let ended = block::run(fenced, self.tree.root(), self.tree.git_dir(), vars)
            .map_err(Broken::io("run a block"))?;
        if !ended.status.success() {
            return Err(Stuck::Block { step: mark.step, n: mark.n, ended });
        }
        let body = format!("Block {} of {}, attempt {}.", mark.n, mark.step, self.attempt);
        let message = marks::message(self.title, &body, &self.by, Some((&mark, &script)));
        if !self.tree.commit_all(&message)? {
            notes.done.push((mark.to_string(), script));
        }
        notes.begun = None;
        notes.write().map_err(Broken::io("note a finished block"))?;
        Ok(())
    }

    /// What a block finds in its environment beside the agent's own.
    fn vars(&self, notes: &Notes) -> Result<Vec<(&'static str, OsString)>, Stuck> {
        let feedback = self.feedback_file();
        let text = self.rejection.map(mail::explain).unwrap_or_default();
        fs::write(&feedback, text).map_err(Broken::io("write down the feedback"))?;
        let rework = match self.rejection {
            None => "",
            Some(Rejection::Conflict { .. }) => "conflict",
            Some(Rejection::Gate { .. }) => "gate",
            Some(Rejection::Unfit { .. }) => "unfit",
        };
        Ok(vec![
            ("GASTOWN_ATTEMPT", self.attempt.to_string().into()),
            ("GASTOWN_REWORK", rework.into()),
            ("GASTOWN_FEEDBACK", feedback.into()),
            ("GASTOWN_BEAD", self.by.bead.clone().into()),
            ("GASTOWN_BASE", notes.base.clone().unwrap_or_default().into()),
        ])
    }

    /// In the git directory: outside of the work, and gone with the worktree whatever becomes of us.
    fn feedback_file(&self) -> PathBuf {
        self.tree.git_dir().join("gastown-feedback")
    }

    /// Leaves word at the bead where work has been put aside.
    fn comment(&self, town: &Town, branch: &str) {
        let text = format!("{} put unfinished work aside on the branch {branch}", self.by.agent);
        if let Err(fault) = town.ask(&["bead", "comment", &self.by.bead, &text]) {
            say(&format!("cannot leave word of it at the bead: {fault}"));
        }
    }

    /// Says `done …`. What the town finds uncommitted is committed once.
    fn hand_in(&self, town: &Town, words: &[&str]) -> Result<(), Fault> {
        match town.done(words) {
            Err(Fault::Refused(refused)) => {
                say(&format!("refused: {refused}"));
                let message = marks::message(self.title, "What the blocks left behind.", &self.by, None);
                let healed = self.tree.commit_all(&message).unwrap_or_else(|broken| {
                    say(&broken.to_string());
                    false
                });
                if !healed {
                    return Err(Fault::Refused(refused));
                }
                // There is something to hand in now, whatever was said before of nothing.
                let words = if words.contains(&"escalate") { words } else { &["done"] };
                town.done(words)?;
            }
            answer => answer?,
        }
        say(&format!("{} is handed in", self.by.bead));
        Ok(())
    }
}

/// Reports a step. A no does not stop the work: the molecule is a guide, the branch is the work.
fn report(town: &Town, step: &str) {
    match town.ask_patiently(&["mol", "step", "done", step]) {
        Ok(_) => say(&format!("step {step} is done")),
        Err(fault) => say(&format!("step {step} could not be reported: {fault}")),
    }
}
