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

/// How long a program may leave what is typed unread until its sender is told.
const UNREAD: Duration = Duration::from_secs(10);

impl State {
    /// Whether something may be typed into the program now.
    pub(super) fn may_type(&self) -> bool {
        let ready = self.preset.replies || self.state == AgentState::Idle || self.preset.ready.is_empty();
        let asks = matches!(self.state, AgentState::Waiting | AgentState::Starting | AgentState::Stopping);
        self.keyboard_is_free() && ready && !asks && self.ladder.is_none() && !self.tools.freeze.is_frozen()
    }

    /// Whether no person is typing.
    pub(super) fn keyboard_is_free(&self) -> bool {
        self.keyboard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_free(Instant::now())
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
        if self.preset.replies {
            let line = speech::prompt(&serde_json::json!({ "text": text }));
            return self.put(line.as_bytes()).await;
        }
        let paste = self.terminal.snapshot().bracketed_paste;
        self.put(&keyboard::typed(&text, paste)).await?;
        // Programs take a CR that comes with the text for a part of it.
        watch::settle(&self.terminal.handle(), Duration::from_millis(150)).await;
        self.put(b"\r").await
    }

    /// Types `bytes` as they are. A program that does not read does not hold the session up.
    pub(super) async fn put(&self, bytes: &[u8]) -> Result<(), Refusal> {
        self.life.typed(bytes.len());
        let typed = tokio::time::timeout(UNREAD, self.terminal.write(bytes)).await;
        typed
            .unwrap_or(Err(pty::WriteError::Full))
            .map_err(|error| Refusal::failed("not_typed", format!("the text could not be typed: {error}")))
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
