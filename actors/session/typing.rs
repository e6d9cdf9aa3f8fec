//! What the runtime types into a session: prompts, nudges, reminders, letters. Never while a person
//! types, and never into a program that is busy, asks a question or is being ended.

use std::sync::Arc;
use std::time::Duration;

use config::preset::Hooks;
use model::agent::AgentState;
use model::mail::Kind;
use model::nudge::{Mode, Nudged};
use model::refusal::Refusal;
use model::role::Address;
use protocol::speech;
use tokio::time::Instant;

use super::nudges::Nudge;
use super::typist::{Outcome, Typist};
use super::{Message, State, keyboard, watch};
use crate::errand::Errand;

/// When a text that could not be typed just now is tried again.
const AGAIN: Duration = Duration::from_millis(500);

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
        self.keyboard
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .is_free(std::time::Instant::now())
    }

    /// Whether a text that need not wait for the program may be typed now.
    fn may_type_now(&self) -> bool {
        let asks = matches!(self.state, AgentState::Waiting | AgentState::Starting | AgentState::Stopping);
        self.keyboard_is_free() && !asks && self.ladder.is_none() && !self.tools.freeze.is_frozen()
    }

    /// Types the next text that waits, aside, if there is one that may be typed; sees to it that the others are
    /// looked at again.
    pub(super) async fn type_nudges(&mut self) {
        for nudge in self.nudges.expired(Instant::now()) {
            let waited = super::silence::span_of(nudge.waited(Instant::now()));
            let refusal = Refusal::failed("nudge_expired", format!("it could not be typed within {waited}"))
                .hint(format!("the agent is {}; a letter waits for it: gastown mail send", self.state));
            self.tell(nudge, Err(refusal)).await;
        }
        if self.typing.is_none()
            && self.may_type_now()
            && let Some(nudge) = self.nudges.next(self.may_type())
        {
            self.begin_typing(nudge);
        }
        // A person has the keyboard, or the program is busy: looked at again when the screen has been quiet, and
        // when the person has.
        self.patience = (!self.nudges.is_empty()).then(|| {
            let (me, freeze) = (self.me.clone(), self.tools.freeze.clone());
            let due = self.nudges.due().map(|due| due.saturating_duration_since(Instant::now()));
            let pause = due.map_or(keyboard::PATIENCE, |due| due.min(keyboard::PATIENCE));
            Errand::run(|_| async move {
                freeze.sleep(pause).await;
                let _ = me.cast(Message::Retry);
            })
        });
    }

    fn begin_typing(&mut self, nudge: Nudge) {
        let typist = Typist {
            terminal: self.terminal.handle(),
            eye: self.eye.clone(),
            keyboard: Arc::clone(&self.keyboard),
            life: self.life.clone(),
            replies: self.preset.replies,
            hooked: self.preset.hooks != Hooks::None,
            shows_ready: !self.preset.ready.is_empty(),
            stash: self.preset.stash.clone(),
        };
        // An agent's words are an agent's: a sign at their beginning is no command of another's program.
        let text = match &nudge.from {
            Address::Overseer | Address::Runtime => nudge.text.clone(),
            from => format!("[{from}] {}", nudge.text),
        };
        let (me, now) = (self.me.clone(), nudge.manner.mode == Mode::Now);
        self.typing = Some(Errand::run(|_| async move {
            let outcome = typist.deliver(&text, now).await;
            let _ = me.cast(Message::Typed(Box::new((nudge, outcome))));
        }));
    }

    /// What came of typing a text.
    pub(super) async fn typed(&mut self, nudge: Nudge, outcome: Outcome) {
        self.typing = None;
        match outcome {
            Outcome::NotNow if self.ended.is_none() => {
                self.nudges.put_back(nudge);
                // Not at once: what is in the way is looked at again when it may have gone.
                let (me, freeze) = (self.me.clone(), self.tools.freeze.clone());
                self.patience = Some(Errand::run(|_| async move {
                    freeze.sleep(AGAIN).await;
                    let _ = me.cast(Message::Retry);
                }));
                return;
            }
            Outcome::NotNow => self.tell(nudge, Err(super::session_ended())).await,
            Outcome::Failed(refusal) => self.tell(nudge, Err(refusal)).await,
            Outcome::Typed(evidence) => {
                let state = if evidence.is_some() { "delivered" } else { "typed" };
                let waited = nudge.waited(Instant::now()).as_millis();
                let nudged = Nudged {
                    agent: self.agent.clone(),
                    state: state.to_owned(),
                    evidence,
                    waited_ms: u64::try_from(waited).unwrap_or(u64::MAX),
                };
                self.tell(nudge, Ok(nudged)).await;
            }
        }
        self.type_nudges().await;
    }

    /// Tells the senders of a text what came of it: those who wait by their answer, the others by a letter.
    pub(super) async fn tell(&self, nudge: Nudge, result: Result<Nudged, Refusal>) {
        let begins: String = nudge.text.chars().take(200).collect();
        let absent = nudge.answer(&result);
        let Err(refusal) = result else { return };
        if absent.is_empty() {
            return;
        }
        let agent = self.agent.clone();
        let note = move |draft: &mut clerk::draft::Draft<'_>| {
            for to in absent {
                let subject = format!("not typed to {agent}: {}", refusal.message);
                let body = format!("Your text was:\n\n{begins}");
                draft.send(&to, Kind::Note { subject, body });
            }
            Ok(())
        };
        if let Err(refusal) = self.tools.note(&Address::Runtime, note).await {
            tracing::warn!(agent = %self.agent, %refusal, "cannot tell that a text was not typed");
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
