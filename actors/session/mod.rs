//! A session: one agent's program in one terminal; bytes in, commands out.
//!
//! - Owns: the terminal, and with it everything that the program starts; the session's key.
//! - Hears: what the program says by line or frame, its screen's signs, its end; what is to be typed.
//! - Says: submissions to the door, states, what was used and the end of the program to the scribe.
//! - Wakes: by starting the program. A session is never restarted: its role begins another one.
//! - Fails: by taking the program along, since the terminal dies with the state.
//!
//! Only the role that sits above it starts a session, after it has recorded that it does.

pub mod environment;
mod hearing;
pub mod keyboard;
mod notes;
pub mod transcript;
mod typing;
pub mod usage;
mod watch;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use config::preset::{Brief, Preset, Start};
use model::agent::AgentState;
use model::answer::Answer;
use model::ids::{MailId, SessionId};
use model::refusal::Refusal;
use model::role::Address;
use protocol::lines::Scanner;
use protocol::speech::{self, Heard, Spoken};
use pty::{ExitStatus, Filtered, RecordingSpec, Size, SpawnSpec, StopPlan, Terminal, TerminalHandle, Wiring};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use crate::directory::Entry;
use crate::errand::Errand;
use crate::keys::Held;
use crate::living_tree::SessionGuard;
use crate::tools::Tools;
use keyboard::Keyboard;
use usage::Meter;

/// The size of a terminal that nobody is attached to.
pub const SIZE: Size = Size { rows: 40, cols: 120 };

/// How long a session may take to end in order when its role ends.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(20);

/// How long a screen has been still, besides, when it is counted what was used: programs write that down a
/// little later than they paint.
const COUNT_AFTER: Duration = Duration::from_millis(500);

/// Commands of one session that may wait for their answer; more make the program wait, by being refused.
const MAX_WAITING: usize = 256;

/// What a session is made from.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The handles.
    pub tools: Tools,
    /// Whose session.
    pub agent: Address,
    /// Its name in the tree's parent.
    pub parent: String,
    /// Which session.
    pub session: SessionId,
    /// Whether a conversation of that name exists already.
    pub resume: bool,
    /// What it runs.
    pub preset: Preset,
    /// Where.
    pub cwd: PathBuf,
    /// What it is told first.
    pub brief: String,
    /// Whether something hangs on the agent's hook.
    pub at_work: bool,
    /// What earlier sessions have left for it, which the brief tells.
    pub handed_over: Vec<MailId>,
}

/// What a session hears.
#[derive(Debug)]
pub enum Message {
    /// The program said something that may be a command.
    Heard(Vec<Heard>),
    /// A hook has handed over what the agent said in its own words.
    Said {
        /// Which piece of its speech.
        key: String,
        /// What.
        text: String,
    },
    /// A command that it gave has its answer.
    Answered {
        /// The number that it gave it.
        id: Option<u64>,
        /// What came out.
        result: Box<Result<Answer, Refusal>>,
    },
    /// Its screen has been quiet for a moment and means this.
    Quiet(Option<pty::signs::Sign>),
    /// It has not shown that it is ready in the time that its preset gives it.
    NotReady,
    /// A nudge is to be typed.
    Nudge {
        /// What.
        text: String,
        /// Where the answer goes, once it is typed.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// It has waited for input for a while, although something hangs on its hook.
    StillIdle,
    /// What waits to be typed may be possible now.
    Retry,
    /// There may be letters to show, or what could not be recorded may be possible now.
    Mail,
    /// The program is to end.
    Stop {
        /// Why.
        why: String,
    },
    /// The program has ended.
    Exited(ExitStatus),
}

/// A living session, for those who look on.
#[derive(Clone)]
pub struct Live {
    /// Which.
    pub session: SessionId,
    /// The preset that it runs.
    pub preset: String,
    /// Its terminal.
    pub terminal: TerminalHandle,
    /// Where it is recorded.
    pub recording: PathBuf,
    /// Who may type now.
    pub keyboard: Arc<Mutex<Keyboard>>,
    /// Lines and frames that claimed to be commands and were not proven.
    pub forged: Arc<AtomicU64>,
    actor: ActorRef<Message>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("session", &self.session)
            .field("preset", &self.preset)
            .finish_non_exhaustive()
    }
}

impl Live {
    /// Hands over what the agent said in its own words.
    pub fn said(&self, key: String, text: String) {
        // A session that has just ended has nothing more to say.
        let _ = self.actor.cast(Message::Said { key, text });
    }

    /// Tells it to look at the board again.
    pub fn look(&self) {
        let _ = self.actor.cast(Message::Mail);
    }

    /// Types `text` into the terminal when it is safe, and says when it has been typed.
    ///
    /// # Errors
    /// `session_ended` when the session ends first; `busy` when the keyboard refuses.
    pub async fn nudge(&self, text: String) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.actor.cast(Message::Nudge { text, reply }).map_err(|_| session_ended())?;
        answer.await.unwrap_or_else(|_| Err(session_ended()))
    }
}

fn session_ended() -> Refusal {
    Refusal::failed("session_ended", "the session ended before the text was typed")
        .hint("see `gastown status`; a letter waits for the next one: gastown mail send AGENT -s SUBJECT")
}

/// What a session is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    agent: Address,
    session: SessionId,
    preset: Preset,
    at_work: bool,
    /// Dropped before the key: what the program says in its last moment is still its own.
    terminal: Terminal,
    keyboard: Arc<Mutex<Keyboard>>,
    forged: Arc<AtomicU64>,
    state: AgentState,
    /// Why it is in this state, as long as that could not be recorded.
    unrecorded: Option<Option<String>>,
    /// Letters that were shown, as long as that could not be recorded.
    shown: Vec<MailId>,
    /// How the program ended, as long as that could not be recorded.
    ended: Option<ExitStatus>,
    /// What earlier sessions have left for it.
    handed_over: Vec<MailId>,
    /// Whether it has been told of that.
    seen_handoff: bool,
    typed_brief: Option<String>,
    waiting: VecDeque<Spoken>,
    /// Pieces of its speech that were taken; hooks may hand one over again.
    said: HashSet<String>,
    answering: bool,
    nudges: VecDeque<(String, oneshot::Sender<Result<Answer, Refusal>>)>,
    /// The way down from asking to killing, once it has been begun.
    ladder: Option<Errand>,
    /// Looks again when a person may have left the keyboard.
    patience: Option<Errand>,
    /// Reminds an agent that has ended its turn without having handed its work in.
    reminder: Option<Errand>,
    reminded: u32,
    errands: Vec<Errand>,
    /// Counts what is used, for programs that write it down.
    meter: Option<Meter>,
    counting: Option<Errand>,
    _live: Entry,
    _leaf: SessionGuard,
    key: Held,
}

/// The actor.
#[derive(Debug)]
pub struct Session;

impl Actor for Session {
    type Msg = Message;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, me: ActorRef<Message>, args: Arguments) -> Result<State, ActorProcessingErr> {
        let Arguments { tools, agent, parent, session, resume, preset, cwd, brief, at_work, handed_over } =
            args;
        let mut key = tools.keys.issue(&agent, &session)?;
        let recording = tools.paths.session_log(&agent, &session);
        let by_argument = preset.brief == Brief::Arg;
        let argument = by_argument.then_some(brief.as_str());
        let mut command = preset
            .command_line(Start { gastown: &tools.program, session: &session, resume, brief: argument })
            .into_iter();
        let program = command.next().unwrap_or_default();
        let spec = SpawnSpec {
            program,
            args: command.collect(),
            cwd,
            env: environment::of(&tools, &agent, &session, &preset, &key.key),
            size: SIZE,
            marker: session.to_string(),
            exec_wrapper: Vec::new(),
        };
        let meter = Meter::of(&tools, &agent, &session, &preset);
        let since = tools.clock.now();
        let forged = Arc::new(AtomicU64::new(0));
        let tap = tap(me.clone(), &key.key.nonce);
        let wiring =
            Wiring { tap: Some(Box::new(tap)), recording: Some(RecordingSpec::new(recording.clone())) };
        let terminal = tools.host.spawn(spec, wiring).await?;
        key.bind(terminal.pid());
        let meter = meter.map(|meter| meter.running(terminal.pid(), since));
        let keyboard = Arc::new(Mutex::new(Keyboard::default()));
        let live = Live {
            session: session.clone(),
            preset: preset.name.clone(),
            terminal: terminal.handle(),
            recording,
            keyboard: Arc::clone(&keyboard),
            forged: Arc::clone(&forged),
            actor: me,
        };
        let typed_brief = (preset.brief == Brief::Typed && !brief.is_empty()).then_some(brief);
        Ok(State {
            _live: tools.directory.show(agent.clone(), live),
            _leaf: tools.tree.attach_session(&parent, &format!("{agent} session")),
            key,
            tools,
            agent,
            session,
            preset,
            at_work,
            terminal,
            keyboard,
            forged,
            state: AgentState::Starting,
            unrecorded: None,
            shown: Vec::new(),
            ended: None,
            // An argument is seen with the first thing that the program does.
            seen_handoff: by_argument,
            handed_over,
            typed_brief,
            waiting: VecDeque::new(),
            said: HashSet::new(),
            answering: false,
            nudges: VecDeque::new(),
            ladder: None,
            patience: None,
            reminder: None,
            reminded: 0,
            errands: Vec::new(),
            meter,
            counting: None,
        })
    }

    async fn post_start(&self, me: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        let terminal = state.terminal.handle();
        let exit = me.clone();
        state.errands.push(Errand::run(|_| async move {
            let status = terminal.exited().await;
            let _ = exit.cast(Message::Exited(status));
        }));
        let terminal = state.terminal.handle();
        let (patterns, modes) = (watch::patterns(&state.preset), watch::Modes::of(&state.preset));
        let patience = state.preset.ready_timeout;
        let quiet = me.clone();
        state.errands.push(Errand::run(|_| watch::screen(terminal, patterns, modes, quiet)));
        state.errands.push(Errand::run(|_| async move {
            tokio::time::sleep(patience).await;
            let _ = me.cast(Message::NotReady);
        }));
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Heard(heard) => state.hear(heard).await,
            Message::Said { key, text } => {
                if state.said.insert(key) {
                    let heard = speech::in_prose(&state.key.key.nonce, &text);
                    state.hear(heard).await;
                }
            }
            Message::Answered { id, result } => {
                state.answering = false;
                state.reply(id, *result).await;
            }
            Message::Quiet(sign) => {
                state.quiet(sign).await;
                state.watch_idleness(&me);
            }
            Message::NotReady => state.not_ready().await,
            Message::Nudge { reply, .. } if state.ended.is_some() => {
                let _ = reply.send(Err(session_ended()));
            }
            Message::Nudge { text, reply } => {
                state.nudges.push_back((text, reply));
                state.type_nudges(&me).await;
            }
            Message::Retry => state.type_nudges(&me).await,
            Message::StillIdle => {
                state.remind().await;
                state.watch_idleness(&me);
            }
            Message::Mail => {
                state.record_state().await;
                state.take_over().await;
                state.show_mail().await;
            }
            Message::Stop { why } => state.stop(&why).await,
            Message::Exited(status) => {
                state.terminal.flush_recording().await;
                state.ended = Some(status);
                state.refuse_nudges();
            }
        }
        if let Some(status) = state.ended {
            if state.record_end(status).await {
                me.stop(Some(status.to_string()));
            }
            return Ok(());
        }
        state.submit_next(&me);
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        // Asked to stop from above while the program runs: it is ended in order, and its end recorded.
        if state.terminal.exit_status().is_none() {
            state.set(AgentState::Stopping, Some("the town stops")).await;
            let report = pty::stop(&state.terminal.handle(), stop_plan(&state.preset)).await;
            state.terminal.flush_recording().await;
            state.record_end(report.status).await;
        }
        Ok(())
    }
}

/// Listens to the terminal: what people may see goes on, what may be commands goes to the session.
fn tap(me: ActorRef<Message>, nonce: &str) -> impl pty::Tap + use<> {
    let mut scanner = Scanner::new(nonce);
    move |bytes: &[u8]| {
        let scanned = scanner.feed(bytes);
        if !scanned.heard.is_empty() {
            let _ = me.cast(Message::Heard(scanned.heard));
        }
        if scanned.visible == bytes { Filtered::Same } else { Filtered::Changed(scanned.visible) }
    }
}

/// How a preset's program is ended.
pub fn stop_plan(preset: &Preset) -> StopPlan {
    StopPlan {
        type_first: preset.stop.text.as_ref().map(|text| format!("{text}\r").into_bytes()),
        ask: preset.stop.ask,
        term: preset.stop.term,
    }
}

impl State {
    /// The screen has been still for a moment.
    async fn quiet(&mut self, sign: Option<pty::signs::Sign>) {
        use pty::signs::Sign;
        let (to, note) = match sign {
            Some(Sign::AsksPerson) => (AgentState::Waiting, Some(watch::question(&self.terminal.snapshot()))),
            Some(Sign::Limited) => (AgentState::Limited, Some("its provider holds it back".to_owned())),
            Some(Sign::Busy) => (AgentState::Working, None),
            Some(Sign::Ready) => (AgentState::Idle, None),
            // Looked for in a later step.
            Some(Sign::Obstacle(_)) => (self.state, None),
            // A preset without signs is ready when it is quiet, and at work when it has work.
            None if self.state == AgentState::Starting => {
                (if self.at_work { AgentState::Working } else { AgentState::Idle }, None)
            }
            None => (self.state, None),
        };
        if self.ladder.is_none() && to != self.state {
            self.set(to, note.as_deref()).await;
        }
        // Not only when it becomes idle: a turn may be over before the screen has shown that it works.
        if self.state == AgentState::Idle {
            self.count(COUNT_AFTER);
        }
        if matches!(self.state, AgentState::Idle | AgentState::Working)
            && let Some(brief) = self.typed_brief.take()
        {
            match self.type_prompt(&brief).await {
                Ok(()) => self.seen_handoff = true,
                Err(refusal) => {
                    tracing::warn!(agent = %self.agent, %refusal, "the brief was not typed");
                }
            }
        }
        self.take_over().await;
        self.show_mail().await;
        self.type_ready_nudges().await;
    }

    /// Counts what was used so far, aside, when `after` has passed. A count that is under way is ended: the
    /// next one sees what it saw.
    fn count(&mut self, after: Duration) {
        if let Some(meter) = self.meter.clone() {
            self.counting = Some(Errand::run(|_| async move {
                tokio::time::sleep(after).await;
                meter.record().await;
            }));
        }
    }

    async fn not_ready(&mut self) {
        if self.state == AgentState::Starting {
            let note = format!(
                "not ready after {} s: see `gastown peek {}`",
                self.preset.ready_timeout.as_secs(),
                self.agent
            );
            self.set(AgentState::Stuck, Some(&note)).await;
        }
    }

    async fn stop(&mut self, why: &str) {
        if self.ladder.is_some() {
            return;
        }
        self.set(AgentState::Stopping, Some(why)).await;
        // Only while it lives does it say which conversation it is in.
        self.count(Duration::ZERO);
        let (terminal, plan) = (self.terminal.handle(), stop_plan(&self.preset));
        self.ladder = Some(Errand::run(|_| async move {
            pty::stop(&terminal, plan).await;
        }));
    }

    /// Nothing is typed into a program that has ended.
    fn refuse_nudges(&mut self) {
        for (_, reply) in self.nudges.drain(..) {
            let _ = reply.send(Err(session_ended()));
        }
    }
}
