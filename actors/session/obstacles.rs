//! What keeps a living program from working: a limit, a refused key, a conversation that is too long.
//!
//! Such a program does not end by itself, and nothing is gained by waiting beside it. It is ended for that when
//! the words have stood at the end of its screen for a while, the screen has not changed at all meanwhile,
//! nothing on it shows that it is busy, and its processes have done nothing: what merely passes by on a screen
//! ends nobody. Questions that a person has to answer end nobody either: it waits for them.

use model::command::Noticed;
use model::recovery::Symptom;
use pty::Look;
use pty::signs::{Obstacle, Sign};
use ractor::ActorRef;

use super::looks::look_at;
use super::watch::Seen;
use super::{Message, State, ending, reset};
use crate::errand::Errand;

/// What may be about to end a session.
#[derive(Debug)]
pub(super) struct Held {
    obstacle: Obstacle,
    words: String,
    print: u64,
    _timer: Errand,
}

impl State {
    /// Looks whether something on its screen, or in the words of a turn that has failed, keeps it from working.
    pub(super) fn consider(&mut self, seen: &Seen, me: &ActorRef<Message>) {
        if seen.busy || seen.sign == Some(Sign::Busy) {
            self.failed_turn = None;
        }
        let found = match seen.sign {
            Some(Sign::Obstacle(obstacle)) if ending::ends_the_living(obstacle) => {
                Some((obstacle, seen.words.clone()))
            }
            Some(Sign::Limited) => Some((Obstacle::Limited, seen.words.clone())),
            Some(Sign::Ready) | None => self.failed_turn.clone(),
            _ => None,
        };
        let found = found.filter(|_| !seen.busy && self.at_work && self.told.is_none());
        let Some((obstacle, words)) = found else {
            self.held = None;
            return;
        };
        if self.held.as_ref().is_some_and(|held| held.obstacle == obstacle && held.print == seen.print) {
            return;
        }
        let (terminal, after, me) = (self.terminal.handle(), self.preset.ends.after, me.clone());
        let timer = Errand::run(|_| async move {
            let before = look_at(&terminal).await;
            tokio::time::sleep(after).await;
            if let (Some(before), Some(now)) = (before, look_at(&terminal).await) {
                let _ = me.cast(Message::Still(Box::new((before, now))));
            }
        });
        self.held = Some(Held { obstacle, words, print: seen.print, _timer: timer });
    }

    /// It has stood for long enough: if nothing has moved, the session is ended for it.
    pub(super) async fn still(&mut self, (before, now): (Look, Look), me: &ActorRef<Message>) {
        let Some(held) = self.held.take() else { return };
        let seen = self.eye.see(&self.terminal.snapshot());
        // What stands still moves nothing.
        let frozen = self.tools.is_frozen();
        if frozen
            || seen.print != held.print
            || self.silence.shows_life(now.since(&before), self.preset.ends.after)
        {
            self.consider(&seen, me);
            return;
        }
        self.end_for(held.obstacle, &held.words).await;
    }

    /// Ends the session for what keeps it from working.
    pub(super) async fn end_for(&mut self, obstacle: Obstacle, words: &str) {
        let symptom = ending::of(obstacle, self.until(obstacle, words));
        let until = match symptom {
            Symptom::Limited { until: Some(until) } => format!("until {until}: "),
            _ => String::new(),
        };
        self.stop(&format!("{until}{words}"), Some(symptom)).await;
    }

    /// When the limit ends that `words` tell of.
    pub(super) fn until(&self, obstacle: Obstacle, words: &str) -> Option<model::time::Timestamp> {
        let limited = obstacle == Obstacle::Limited;
        limited.then(|| reset::until(words, self.tools.clock.now(), &reset::local_zone())).flatten()
    }

    /// A hook of its program has told something.
    pub(super) async fn hook_told(&mut self, what: &Noticed) {
        match what {
            Noticed::TurnFailed { error, text } => {
                let obstacle = ending::of_a_turn(&self.preset.ends, error, text);
                let words = if text.trim().is_empty() { error } else { text };
                self.failed_turn = obstacle.map(|obstacle| (obstacle, words.clone()));
            }
            Noticed::Prompted { .. } | Noticed::ToolBegun { .. } | Noticed::TurnEnded => {
                self.failed_turn = None;
            }
            Noticed::Compacting { asked: false } => self.compacts().await,
            Noticed::Compacting { asked: true } | Noticed::ToolEnded { .. } => {}
        }
    }
}
