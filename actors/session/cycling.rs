//! A session ends before its context is full, and a fresh one goes on: it is asked to hand over, and when it has
//! gone on for another turn without doing so, the runtime writes the note.
//!
//! No note, no end: what cannot be recorded ends nothing, and is tried again after the next turn.

use std::time::Duration;

use model::agent::AgentState;
use model::ids::BeadId;
use model::recovery::Symptom;
use model::role::Address;

use super::State;
use crate::errand::blocking;

/// How long the state of the worktree is waited for, for the note.
const LOOK_WITHIN: Duration = Duration::from_millis(150);

/// How far a session has come on its way out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Cycle {
    /// There is room.
    #[default]
    Room,
    /// It is to be asked to hand over.
    Asking,
    /// It was asked; how many answers there were.
    Asked(usize),
}

impl Cycle {
    /// What follows when a turn has ended with so much in use, in percent, and so many `answers` in all: whether to
    /// ask, and whether to end it.
    pub(super) fn after_turn(self, percent: u64, at: u64, answers: usize) -> (Cycle, bool) {
        match self {
            _ if percent < at => (Cycle::Room, false),
            Cycle::Room | Cycle::Asking => (Cycle::Asking, false),
            Cycle::Asked(then) => (self, answers > then),
        }
    }
}

impl State {
    /// A turn has ended, after which the conversation is `tokens` long.
    pub(super) async fn filled(&mut self, tokens: u64, answers: usize) {
        let Some(window) = self.preset.context_window.filter(|window| *window > 0) else { return };
        // Between two turns only: one that works has just begun another.
        if self.ladder.is_some() || self.state != AgentState::Idle {
            return;
        }
        let percent = tokens.saturating_mul(100) / window;
        let at = u64::from(self.tools.town().town.policies.cycle_at);
        let (cycle, end) = self.cycle.after_turn(percent, at, answers);
        self.cycle = cycle;
        let why = format!("its context is {percent} % full");
        if end {
            self.cycle_now(&why).await;
        } else if cycle == Cycle::Asking && self.may_type() {
            let text = format!(
                "Your context is {percent} % full. Commit what you have, then say `gt handoff -m \"...\"` with what \
                 your next session must know. It goes on in the same folder. After your next turn this is done for you."
            );
            match self.type_prompt(&text).await {
                Ok(()) => self.cycle = Cycle::Asked(answers),
                Err(refusal) => {
                    tracing::warn!(agent = %self.agent, %refusal, "it was not asked to hand over")
                }
            }
        }
    }

    /// Its program is about to forget most of what was said. A fresh session with a note forgets less, so it goes on
    /// instead, in the middle of a turn.
    pub(super) async fn compacts(&mut self) {
        if self.ladder.is_none() {
            self.cycle_now("its context is full, and its program was about to shorten it").await;
        }
    }

    /// Ends the session with a note that the runtime writes, for a reason that is told in it.
    pub(super) async fn cycle_now(&mut self, why: &str) {
        let (note, me, of) = (self.checkpoint(why).await, self.agent.clone(), self.session.clone());
        let write = move |draft: &mut clerk::draft::Draft<'_>| {
            let _ = (&me, clerk::letters::handoff(draft, &of, &note)?);
            Ok(())
        };
        match self.tools.note(&self.agent, write).await {
            Ok(()) => self.stop(why, Some(Symptom::HandedOver)).await,
            Err(refusal) => {
                tracing::warn!(agent = %self.agent, %refusal, "cannot hand over for it; it goes on");
            }
        }
    }

    /// What the runtime knows of how far the work has come.
    async fn checkpoint(&self, why: &str) -> String {
        let (bead, step, done) = self.tools.look(|board| {
            let bead = board.hooks.of(&self.agent).map(|hook| hook.bead.clone());
            let mol = clerk::mols::on_hook(board, &self.agent);
            let step = mol.and_then(|mol| mol.current()).map(|step| format!("{}: {}", step.id, step.title));
            let done: Vec<String> = mol.iter().flat_map(|mol| mol.done.iter().cloned()).collect();
            (bead, step, done)
        });
        let mut note =
            format!("The session before this one was ended because {why}. It left no note of its own.\n");
        if let Some(bead) = &bead {
            note.push_str(&format!("It was at {bead}"));
            note.push_str(&step.map(|step| format!(", step {step}")).unwrap_or_default());
            note.push_str(".\n");
        }
        if !done.is_empty() {
            note.push_str(&format!("Steps that are done: {}.\n", done.join(", ")));
        }
        if let Some(stat) = self.unfinished(bead.as_ref()).await {
            note.push_str(&format!("What is in the worktree and not on the target branch:\n{stat}"));
        }
        note.push_str("Look at `git log` and `git status` before you go on.");
        note
    }

    async fn unfinished(&self, bead: Option<&BeadId>) -> Option<String> {
        let Address::Polecat(rig, name) = &self.agent else { return None };
        let sandbox = self.tools.look(|board| {
            board.agents.get(&self.agent)?.sandbox.clone().filter(|sandbox| Some(&sandbox.bead) == bead)
        })?;
        let folder = self.tools.paths.rig(rig).polecat(name);
        let stat = blocking(move || {
            let base = git::Oid::from_str(&sandbox.base).ok()?;
            git::status::diff_stat(&folder, base).ok()
        });
        tokio::time::timeout(LOOK_WITHIN, stat).await.ok()?.ok()?.filter(|stat| !stat.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_first_and_ended_after_one_more_turn() {
        let (cycle, end) = Cycle::Room.after_turn(79, 80, 1);
        assert_eq!((cycle, end), (Cycle::Room, false));
        let (cycle, end) = cycle.after_turn(80, 80, 2);
        assert_eq!((cycle, end), (Cycle::Asking, false));
        assert_eq!(Cycle::Asking.after_turn(81, 80, 3), (Cycle::Asking, false), "not typed yet");
        let asked = Cycle::Asked(3);
        assert_eq!(asked.after_turn(81, 80, 3), (asked, false), "nothing has been said since it was asked");
        assert_eq!(asked.after_turn(85, 80, 4), (asked, true));
        assert_eq!(asked.after_turn(12, 80, 4), (Cycle::Room, false), "it has made room by itself");
    }
}
