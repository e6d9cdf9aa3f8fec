//! What the runtime types into a session: prompts, nudges, reminders, letters. Never while a person
//! types, and never into a program that is busy, asks a question or is being ended.

use std::time::{Duration, Instant};

use model::agent::AgentState;
use model::answer::Answer;
use model::refusal::Refusal;
use protocol::speech;
use ractor::ActorRef;

use super::{Message, State, keyboard, watch};
use crate::errand::Errand;

/// An agent that waits for input with work on its hook is reminded after so long.
const REMIND_AFTER: Duration = Duration::from_secs(60);

/// So often; then it counts as stuck.
const REMINDERS: u32 = 3;
impl State {
    /// Sets a reminder when the program waits for input although it has work.
    pub(super) fn watch_idleness(&mut self, me: &ActorRef<Message>) {
        if self.state != AgentState::Idle || !self.at_work {
            self.reminder = None;
        } else if self.reminder.is_none() {
            let (me, freeze) = (me.clone(), self.tools.freeze.clone());
            self.reminder = Some(Errand::run(|_| async move {
                freeze.sleep(REMIND_AFTER).await;
                let _ = me.cast(Message::StillIdle);
            }));
        }
    }

    /// Work hangs on the hook and the program waits: it is told so, and in the end a person is.
    pub(super) async fn remind(&mut self) {
        self.reminder = None;
        let hook = self.tools.look(|board| board.hooks.of(&self.agent).cloned());
        let Some(hook) = hook.filter(|hook| hook.stage.wants_session() && self.state == AgentState::Idle)
        else {
            return;
        };
        if self.reminded >= REMINDERS {
            let note =
                format!("waits for input with {} on its hook, {REMINDERS} reminders did not help", hook.bead);
            self.set(AgentState::Stuck, Some(&note)).await;
            return;
        }
        if self.may_type() {
            self.reminded += 1;
            let text = format!(
                "{} still hangs on your hook. Go on with it; when it is committed and checked, say `gt done`. \
                 If you cannot go on: gt done --exit blocked --reason \"...\"",
                hook.bead
            );
            if let Err(refusal) = self.type_prompt(&text).await {
                tracing::warn!(agent = %self.agent, %refusal, "a reminder was not typed");
            }
        }
    }

    /// Whether something may be typed into the program now.
    pub(super) fn may_type(&self) -> bool {
        let free =
            self.keyboard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_free(Instant::now());
        let ready = self.preset.replies || self.state == AgentState::Idle || self.preset.ready.is_empty();
        let asks = matches!(self.state, AgentState::Waiting | AgentState::Starting | AgentState::Stopping);
        free && ready && !asks && self.ladder.is_none() && !self.tools.freeze.is_frozen()
    }

    pub(super) async fn type_nudges(&mut self, me: &ActorRef<Message>) {
        self.type_ready_nudges().await;
        if !self.nudges.is_empty() {
            // A person has the keyboard, or the program is busy: looked at again when the screen has
            // been quiet, and when the person has.
            let (me, freeze) = (me.clone(), self.tools.freeze.clone());
            self.patience = Some(Errand::run(|_| async move {
                freeze.sleep(keyboard::PATIENCE).await;
                let _ = me.cast(Message::Retry);
            }));
        }
    }

    pub(super) async fn type_ready_nudges(&mut self) {
        while self.may_type()
            && let Some((text, reply)) = self.nudges.pop_front()
        {
            let typed = self.type_prompt(&text).await;
            let _ = reply.send(typed.map(|()| Answer::Done));
        }
    }

    /// Types a prompt in the way that the program takes it.
    pub(super) async fn type_prompt(&self, text: &str) -> Result<(), Refusal> {
        let text = keyboard::clean(text);
        let failed = |error: pty::WriteError| {
            Refusal::failed("not_typed", format!("the text could not be typed: {error}"))
        };
        if self.preset.replies {
            let line = speech::prompt(&serde_json::json!({ "text": text }));
            return self.terminal.write(line.as_bytes()).await.map_err(failed);
        }
        let paste = self.terminal.snapshot().bracketed_paste;
        let bytes = keyboard::typed(&text, paste);
        self.terminal.write(&bytes).await.map_err(failed)?;
        // Programs take a CR that comes with the text for a part of it.
        watch::settle(&self.terminal.handle(), Duration::from_millis(150)).await;
        self.terminal.write(b"\r").await.map_err(failed)
    }

    /// Shows letters that have not been shown, to programs that read them from their terminal.
    ///
    /// Each once: one that was shown when the disk did not take the note of it is only noted later.
    pub(super) async fn show_mail(&mut self) {
        let stands_still = self.tools.freeze.is_frozen();
        if !self.preset.replies || self.ladder.is_some() || self.state == AgentState::Starting || stands_still
        {
            return;
        }
        let fresh: Vec<_> = self.tools.look(|board| {
            let unread = board.mail.unacked(&self.agent);
            let fresh = unread.filter(|post| post.delivered_at.is_none() && !post.letter.kind.is_for_code());
            // What it leaves for its next session is not for its own eyes; what was left for it is in its brief.
            let fresh = fresh.filter(|post| !matches!(post.letter.kind, model::mail::Kind::Handoff { .. }));
            let fresh = fresh.filter(|post| !self.shown.contains(&post.letter.id));
            fresh.map(clerk::letters::row).collect()
        });
        for row in fresh {
            let Ok(value) = serde_json::to_value(&row) else { continue };
            self.type_line(&speech::mail(&value)).await;
            self.shown.push(row.id);
        }
        if self.shown.is_empty() {
            return;
        }
        let shown = self.shown.clone();
        let note = move |draft: &mut clerk::draft::Draft<'_>| {
            clerk::letters::deliver(draft, shown);
            Ok(())
        };
        match self.tools.note(&self.agent, note).await {
            Ok(()) => self.shown.clear(),
            Err(refusal) => {
                tracing::warn!(agent = %self.agent, %refusal, "cannot record that letters were shown");
            }
        }
    }
}
