//! Looks at a silent session's processes, when its deadline comes or a neighbour has said that it is stuck, and
//! does what follows: nudges it, lets it go on, ends it. What is decided is in [`super::silence`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use clerk::neighbours::Finding;
use model::agent::AgentState;
use model::event::Event;
use model::recovery::Symptom;
use model::role::Address;
use pty::{Look, Signal, TerminalHandle};
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::silence::{Silence, Step, Watch, Word, span_of};
use super::standing::Noticed;
use super::{Message, State};
use crate::errand::{Errand, blocking};

/// How far apart the two looks lie that a neighbour's word leads to.
const EXAMINATION: Duration = Duration::from_secs(1);

/// Looks at the program's processes; nothing when it has ended.
pub(super) async fn look_at(terminal: &TerminalHandle) -> Option<Look> {
    let terminal = terminal.clone();
    blocking(move || terminal.look()).await.ok().flatten()
}

impl State {
    /// What is watched for now.
    fn watched_for(&self) -> Watch {
        let ending = self.told.is_some() || self.ended.is_some();
        match self.state {
            _ if ending => Watch::Off,
            AgentState::Working => Watch::Works,
            AgentState::Idle if self.at_work && self.has_work() => Watch::Waits,
            _ => Watch::Off,
        }
    }

    /// Whether something hangs on its hook that wants a session.
    fn has_work(&self) -> bool {
        self.tools.look(|board| board.hooks.of(&self.agent).is_some_and(|hook| hook.stage.wants_session()))
    }

    /// Whether it has called for help and nobody has answered: then it may wait.
    fn waits_for_help(&self) -> bool {
        self.tools.look(|board| clerk::neighbours::waits_for_help(board, &self.agent))
    }

    /// Sees to it that the one deadline is set, if something is watched for.
    pub(super) fn arm(&mut self, me: &ActorRef<Message>) {
        let now = self.life.age();
        self.silence.watch(self.watched_for(), now);
        let Some(due) = self.silence.due() else {
            self.deadline = None;
            return;
        };
        // A deadline that comes too early is asked again when it comes.
        if self.look.is_some() || self.deadline.as_ref().is_some_and(|(set, _)| *set <= due) {
            return;
        }
        let me = me.clone();
        let timer = Errand::run(|_| async move {
            tokio::time::sleep(due.saturating_sub(now)).await;
            let _ = me.cast(Message::Due);
        });
        self.deadline = Some((due, timer));
    }

    /// The deadline has come.
    pub(super) fn deadline_came(&mut self, me: &ActorRef<Message>) {
        self.deadline = None;
        let now = self.life.age();
        if self.tools.is_frozen() {
            self.silence.put_off(now);
            return;
        }
        if self.look.is_some() || self.silence.wake(now, self.life.heard()).is_err() {
            return;
        }
        let (terminal, me) = (self.terminal.handle(), me.clone());
        self.look = Some(Errand::run(|_| async move {
            let seen = look_at(&terminal).await;
            let _ = me.cast(Message::Looked(seen.map(Box::new)));
        }));
    }

    /// What the look has seen.
    pub(super) async fn looked(&mut self, look: Option<Look>) {
        self.look = None;
        let Some(look) = look else { return };
        self.strays(&look).await;
        let now = self.life.age();
        let waits = self.state == AgentState::Idle && self.waits_for_help();
        if self.tools.is_frozen() || waits || !self.keyboard_is_free() {
            self.silence.put_off(now);
        }
        let step = self.silence.judge(now, look, self.life.heard());
        self.carry_out(step).await;
    }

    async fn carry_out(&mut self, step: Step) {
        let since = span_of(self.silence.since(self.life.age()));
        match step {
            Step::Sleep(_) => {}
            Step::Thaw => {
                self.record_nudge("its program is stopped; it was told to go on", 1).await;
                if let Err(error) = self.terminal.signal_group(Signal::Continue) {
                    tracing::warn!(agent = %self.agent, %error, "cannot let a stopped program go on");
                }
            }
            Step::Nudge(n) => self.nudge(n, &since).await,
            Step::Silent => {
                let note = match self.state {
                    AgentState::Idle => {
                        format!(
                            "waits for input with work on its hook, {} nudges did not help",
                            self.silence.nudges()
                        )
                    }
                    _ => format!(
                        "no sign of life for {since}, {} nudges did not help: see `gastown peek {}`",
                        self.silence.nudges(),
                        self.agent
                    ),
                };
                self.give_up(&note, Symptom::Silent).await;
            }
            Step::Frozen => {
                let note = "its program is stopped, and does not go on when it is told to";
                self.give_up(note, Symptom::Frozen).await;
            }
        }
    }

    /// It is stuck, and ended for that.
    async fn give_up(&mut self, note: &str, symptom: Symptom) {
        self.notice(Noticed::NoLife, Some(note)).await;
        self.stop(note, Some(symptom)).await;
    }

    async fn nudge(&mut self, n: u32, since: &str) {
        let bead = self.tools.look(|board| board.hooks.of(&self.agent).map(|hook| hook.bead.clone()));
        let (why, text) = match (self.state, bead) {
            (AgentState::Idle, Some(bead)) => (
                format!("it waits for input with {bead} on its hook"),
                format!(
                    "{bead} still hangs on your hook. Go on with it; when it is committed and checked, say \
                     `gt done`. If you cannot go on: gt done --exit blocked --reason \"...\""
                ),
            ),
            (_, bead) => {
                let bead = bead.map(|bead| format!(" at {bead}")).unwrap_or_default();
                (
                    format!("no sign of life for {since}"),
                    format!(
                        "Nothing was heard of you for {since}. Go on with your work{bead}. If something is in the \
                         way: gt done --exit blocked --reason \"...\", or ask: gt mail send mayor/ --kind help -s ..."
                    ),
                )
            }
        };
        self.record_nudge(&why, n).await;
        // Another text is being typed: that is a nudge as well.
        if self.typing.is_some() {
            return;
        }
        if let Err(refusal) = self.type_prompt(&text).await {
            tracing::warn!(agent = %self.agent, %refusal, "a nudge was not typed");
        }
    }

    async fn record_nudge(&self, why: &str, n: u32) {
        let (agent, session, why) = (self.agent.clone(), self.session.clone(), why.to_owned());
        self.record(Event::AgentNudged { agent, session, why, n }).await;
    }

    /// Reports once where the session works outside of its own place: its program anywhere else, what it has
    /// started elsewhere in the town.
    async fn strays(&mut self, look: &Look) {
        let town = self.tools.paths.root().to_owned();
        let own = look.cwd.iter();
        let others = look.places.iter().filter(|folder| folder.starts_with(&town));
        if let Some(folder) = own.chain(others).find(|folder| self.is_outside(folder)).cloned() {
            self.record_stray(&folder).await;
        }
    }

    /// The same for the program alone, where that is all that is asked.
    pub(super) async fn strays_to(&mut self, folder: Option<PathBuf>) {
        if let Some(folder) = folder.filter(|folder| self.is_outside(folder)) {
            self.record_stray(&folder).await;
        }
    }

    /// Whether `folder` is outside of the one workplace of a worker. Behind a wrapper nobody can say: paths mean
    /// something else there.
    fn is_outside(&self, folder: &Path) -> bool {
        let worker = matches!(self.agent, Address::Polecat(..));
        // The kernel's word for a folder that is gone.
        let folder = folder.to_string_lossy();
        let folder = Path::new(folder.strip_suffix(" (deleted)").unwrap_or(&folder));
        worker && !self.strayed && self.preset.exec_wrapper.is_empty() && !folder.starts_with(&self.place)
    }

    async fn record_stray(&mut self, folder: &Path) {
        self.strayed = true;
        let (agent, session) = (self.agent.clone(), self.session.clone());
        let (folder, place) = (folder.display().to_string(), self.place.display().to_string());
        tracing::warn!(%agent, %folder, "works outside of its own place");
        self.record(Event::AgentStrayed { agent, session, folder, place }).await;
    }

    async fn record(&self, event: Event) {
        let note = move |draft: &mut clerk::draft::Draft<'_>| {
            draft.push(event);
            Ok(())
        };
        if let Err(refusal) = self.tools.note(&self.agent, note).await {
            tracing::warn!(agent = %self.agent, %refusal, "cannot record what was seen of a session");
        }
    }

    /// A neighbour has said that it is stuck: two looks, a little apart.
    pub(super) fn examine(&mut self, reply: oneshot::Sender<Finding>, me: &ActorRef<Message>) {
        let (terminal, me) = (self.terminal.handle(), me.clone());
        let examination = Errand::run(|_| async move {
            let first = look_at(&terminal).await;
            tokio::time::sleep(EXAMINATION).await;
            if let (Some(first), Some(second)) = (first, look_at(&terminal).await) {
                let _ = me.cast(Message::Examined(Box::new((first, second)), reply));
            }
        });
        self.errands.push(examination);
    }

    /// What the examination has shown, and what follows.
    pub(super) async fn examined(&mut self, (first, second): (Look, Look), reply: oneshot::Sender<Finding>) {
        self.strays(&second).await;
        let now = self.life.age();
        self.silence.watch(self.watched_for(), now);
        let word = if self.tools.is_frozen() {
            Word::Rejected("the town is frozen".to_owned())
        } else if self.told.is_some() {
            Word::Confirmed("it is being ended already".to_owned(), Step::Sleep(Duration::MAX))
        } else if self.state == AgentState::Idle && self.waits_for_help() {
            Word::Rejected("it has called for help and waits for the answer".to_owned())
        } else if !self.keyboard_is_free() {
            Word::Rejected("a person types in its terminal".to_owned())
        } else {
            self.silence.told(now, (&first, second), EXAMINATION, self.life.heard())
        };
        let finding = match word {
            Word::Rejected(seen) => {
                let seen = format!("it is {}; {seen}", self.state);
                Finding { stuck: false, seen, done: String::new() }
            }
            Word::Confirmed(seen, step) => {
                let done = match &step {
                    Step::Sleep(_) => "nothing more for now: what was done before may help".to_owned(),
                    Step::Thaw => "its program was told to go on".to_owned(),
                    Step::Nudge(n) => format!("it was nudged, for the {n}. time without effect in between"),
                    Step::Silent | Step::Frozen => {
                        "its session is ended, and what follows is decided".to_owned()
                    }
                };
                self.carry_out(step).await;
                Finding { stuck: true, seen, done }
            }
        };
        let _ = reply.send(finding);
    }
}

/// The patience of a preset.
pub(super) fn silence_of(preset: &config::preset::Preset) -> Silence {
    Silence::new(super::silence::Patience {
        silent_after: preset.silent_after,
        nudge_after: preset.nudge_after,
        nudges: preset.nudges,
        tool_timeout: preset.tool_timeout,
        idle_cpu: preset.idle_cpu.0,
    })
}
