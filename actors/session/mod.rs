//! A session: one agent's program in one terminal; bytes in, commands out.
//!
//! - Owns: the terminal, and with it everything that the program starts; the session's key.
//! - Hears: what the program says by line or frame, its screen's signs, its end; what is to be typed.
//! - Says: submissions to the door, states, what was used and the end of the program to the scribe.
//! - Wakes: by starting the program. A session is never restarted: its role begins another one.
//! - Fails: by taking the program along, since the terminal dies with the state.
//!
//! Only the role that sits above it starts a session, after it has recorded that it does.

mod cycling;
pub mod ending;
pub mod environment;
mod hearing;
pub mod keyboard;
pub mod life;
mod looks;
mod notes;
pub mod nudges;
mod obstacles;
mod parking;
pub mod reset;
pub mod silence;
pub mod standing;
pub mod transcript;
mod typing;
pub mod typist;
pub mod usage;
pub(crate) mod watch;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clerk::neighbours::Finding;
use config::preset::{Brief, Preset, Start};
use model::agent::{AgentState, SessionEnd};
use model::answer::Answer;
use model::command::{Command, Noticed};
use model::ids::{MailId, SessionId};
use model::nudge::Manner;
use model::recovery::Symptom;
use model::refusal::Refusal;
use model::role::Address;
use protocol::lines::Scanner;
use protocol::speech::{self, Heard, Spoken};
use pty::signs::{Obstacle, Sign};
use pty::{
    ExitStatus, Filtered, Look, OomWatch, RecordingSpec, Signal, Size, SpawnSpec, StopPlan, Terminal,
    TerminalHandle, Wiring,
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use crate::directory::Entry;
use crate::errand::Errand;
use crate::keys::Held as Key;
use crate::living_tree::SessionGuard;
use crate::tools::Tools;
use keyboard::Keyboard;
use life::Life;
use nudges::Nudge;
use obstacles::Held;
use silence::Silence;
use standing::Nature;
use usage::Meter;
use watch::Eye;
pub(crate) use watch::Seen;

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
    /// It has given a command, by whatever carrier.
    Spoke {
        /// Whether that was a step in its work.
        progress: bool,
    },
    /// A hook of its program has told something.
    Told(Box<Noticed>, Option<PathBuf>),
    /// Its screen has been quiet for a moment and means this.
    Quiet(watch::Seen),
    /// Its screen has not changed for long enough with something on it that keeps it from working. With it:
    /// what its processes did at the beginning, and do now.
    Still(Box<(Look, Look)>),
    /// It has not shown that it is ready in the time that its preset gives it.
    NotReady,
    /// A text is to be typed.
    Nudge(Box<Nudge>),
    /// What came of typing one.
    Typed(Box<(Nudge, typist::Outcome)>),
    /// The deadline for a sign of life has come.
    Due,
    /// What its processes do, for the deadline.
    Looked(Option<Box<Look>>),
    /// Somebody has said that it is stuck: look into that.
    Examine(oneshot::Sender<Finding>),
    /// What its processes do, twice, for that.
    Examined(Box<(Look, Look)>, oneshot::Sender<Finding>),
    /// What waits to be typed may be possible now.
    Retry,
    /// There may be letters to show, or what could not be recorded may be possible now.
    Mail,
    /// The program is to end.
    Stop {
        /// Why.
        why: String,
        /// What its end is to be taken for; that it was told to end, when not given.
        symptom: Option<Symptom>,
    },
    /// A turn has ended, after which its conversation is so long.
    Filled {
        /// In tokens.
        tokens: u64,
        /// How many answers it holds.
        answers: usize,
    },
    /// It has had nothing to do for so long that it is not wanted any more.
    NothingToDo,
    /// The program is to be killed at once.
    Kill {
        /// Why.
        why: String,
        /// What its end is then.
        symptom: Option<Symptom>,
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
    /// Whether its program is shown its letters as they come.
    pub reads_letters: bool,
    /// Lines and frames that claimed to be commands and were not proven.
    pub forged: Arc<AtomicU64>,
    life: Life,
    /// What its screen means.
    pub(crate) eye: Eye,
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

    /// Notes that the agent has given a command.
    pub fn spoke(&self, command: &Command, progress: bool) {
        self.life.commands(command);
        let _ = self.actor.cast(Message::Spoke { progress });
    }

    /// Hands over what a hook of its program has told, and where that works.
    pub fn told(&self, what: Noticed, cwd: Option<PathBuf>) {
        self.life.noticed(&what);
        let _ = self.actor.cast(Message::Told(Box::new(what), cwd));
    }

    /// Looks whether it is stuck, and does what follows if it is.
    ///
    /// # Errors
    /// `session_ended` when it ends meanwhile.
    pub async fn examine(&self) -> Result<Finding, Refusal> {
        let (reply, finding) = oneshot::channel();
        self.actor.cast(Message::Examine(reply)).map_err(|_| session_ended())?;
        finding.await.map_err(|_| session_ended())
    }

    /// Tells it to look at the board again.
    pub fn look(&self) {
        let _ = self.actor.cast(Message::Mail);
    }

    /// Tells it to end its program.
    pub fn stop(&self, why: &str) {
        let _ = self.actor.cast(Message::Stop { why: why.to_owned(), symptom: None });
    }

    /// Tells it to kill its program at once; `for_good` when a person wants no other to begin.
    pub fn kill(&self, why: &str, for_good: bool) {
        let symptom = for_good.then_some(Symptom::Killed);
        let _ = self.actor.cast(Message::Kill { why: why.to_owned(), symptom });
    }

    /// Types `text` of `from` into the terminal of `agent` in the `manner` that is asked for, and says what came
    /// of it.
    ///
    /// # Errors
    /// `session_ended` when the session ends first; `nudge_expired`; `busy` when too many wait; `not_submitted`,
    /// `not_taken` and the like when typing it has failed.
    pub async fn nudge(
        &self,
        agent: &Address,
        from: Address,
        text: String,
        manner: Manner,
    ) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        let nudge = Nudge::new(from, text, manner, reply, agent, tokio::time::Instant::now());
        self.actor.cast(Message::Nudge(Box::new(nudge))).map_err(|_| session_ended())?;
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
    /// What its screen means.
    eye: Eye,
    /// Signs of life, as they come in.
    life: Life,
    /// How silent it is.
    silence: Silence,
    /// When that is looked at next.
    deadline: Option<(Duration, Errand)>,
    /// The look that is under way.
    look: Option<Errand>,
    /// What may be about to end it.
    held: Option<Held>,
    /// What a turn has failed of, and the words.
    failed_turn: Option<(Obstacle, String)>,
    /// What keeps it from working, as its last full screen told, with the words: it takes that along.
    screen: Option<(Obstacle, String)>,
    /// Whether the kernel kills for want of memory.
    oom: OomWatch,
    /// Where it belongs.
    place: PathBuf,
    /// Whether it was seen elsewhere.
    strayed: bool,
    /// What it was told to end for, once it was told to end.
    told: Option<Option<Symptom>>,
    /// Why it is in this state, as long as that could not be recorded.
    unrecorded: Option<Option<String>>,
    /// Letters that were shown, as long as that could not be recorded.
    shown: Vec<MailId>,
    /// How the program ended, as long as that could not be recorded.
    ended: Option<clerk::agents::Ended>,
    /// What earlier sessions have left for it.
    handed_over: Vec<MailId>,
    /// Whether it has been told of that.
    seen_handoff: bool,
    typed_brief: Option<String>,
    waiting: VecDeque<Spoken>,
    /// Pieces of its speech that were taken; hooks may hand one over again.
    said: HashSet<String>,
    answering: bool,
    nudges: nudges::Queue,
    /// The text that is being typed.
    typing: Option<Errand>,
    /// The way down from asking to killing, once it has been begun.
    ladder: Option<Errand>,
    /// Looks again when a person may have left the keyboard.
    patience: Option<Errand>,
    /// Ends a session that nobody wants any more.
    parking: Option<Errand>,
    errands: Vec<Errand>,
    /// Counts what is used, for programs that write it down.
    meter: Option<Meter>,
    counting: Option<Errand>,
    /// Whether it is on its way out because its context becomes full.
    cycle: cycling::Cycle,
    me: ActorRef<Message>,
    _live: Entry,
    _leaf: SessionGuard,
    key: Key,
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
        let (paths, of) = (tools.paths.clone(), agent.clone());
        // Aside: a session does not wait for the deletion of old ones.
        tokio::task::spawn_blocking(move || crate::recordings::prune(&paths, &of));
        let by_argument = preset.brief == Brief::Arg;
        let argument = by_argument.then_some(brief.as_str());
        let mut command = preset
            .command_line(Start { gastown: &tools.program, session: &session, resume, brief: argument })
            .into_iter();
        let program = command.next().unwrap_or_default();
        let place = cwd.canonicalize().unwrap_or_else(|_| cwd.clone());
        let mut env = environment::of(&tools, &agent, &session, &preset, &key.key);
        env.extend(crate::furnish::ports(&tools, &agent, &cwd));
        let spec = SpawnSpec {
            program,
            args: command.collect(),
            cwd,
            env,
            size: SIZE,
            marker: session.to_string(),
            exec_wrapper: Vec::new(),
        };
        let meter = Meter::of(&tools, &agent, &session, &preset);
        let since = tools.clock.now();
        let forged = Arc::new(AtomicU64::new(0));
        let life = Life::default();
        let tap = tap(me.clone(), &key.key.nonce, life.clone());
        let secrets = environment::secrets(&spec.env);
        let recorded = RecordingSpec::new(recording.clone()).without(secrets);
        let wiring = Wiring { tap: Some(Box::new(tap)), recording: Some(recorded) };
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
            reads_letters: preset.replies,
            forged: Arc::clone(&forged),
            life: life.clone(),
            eye: Eye::of(&preset),
            actor: me.clone(),
        };
        let typed_brief = (preset.brief == Brief::Typed && !brief.is_empty()).then_some(brief);
        Ok(State {
            _live: tools.directory.show(agent.clone(), live),
            _leaf: tools.tree.attach_session(&parent, &format!("{agent} session")),
            key,
            tools,
            agent,
            session,
            eye: Eye::of(&preset),
            life,
            silence: looks::silence_of(&preset),
            deadline: None,
            look: None,
            held: None,
            failed_turn: None,
            screen: None,
            oom: OomWatch::begin(terminal.pid()),
            place,
            strayed: false,
            told: None,
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
            nudges: nudges::Queue::default(),
            typing: None,
            ladder: None,
            patience: None,
            parking: None,
            errands: Vec::new(),
            meter,
            counting: None,
            cycle: cycling::Cycle::default(),
            me,
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
        let eye = state.eye.clone();
        let (patience, freeze) = (state.preset.ready_timeout, state.tools.freeze.clone());
        let quiet = me.clone();
        let still = freeze.clone();
        state.errands.push(Errand::run(|_| watch::screen(terminal, eye, still, quiet)));
        state.errands.push(Errand::run(|_| async move {
            freeze.sleep(patience).await;
            let _ = me.cast(Message::NotReady);
        }));
        // It was being started when everything was made to stand still, and nobody knew of it.
        if state.tools.freeze.is_frozen() {
            let _ = state.terminal.signal_group(Signal::Stop);
        }
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
            Message::Spoke { progress } => {
                if progress {
                    state.silence.progresses(state.life.age());
                }
                state.notice(standing::Noticed::Spoke, None).await;
                let folder = state.terminal.cwd();
                state.strays_to(folder).await;
            }
            Message::Told(what, cwd) => {
                state.notice(standing::Noticed::Spoke, None).await;
                state.hook_told(&what).await;
                state.strays_to(cwd).await;
            }
            Message::Quiet(seen) => {
                state.quiet(&seen).await;
                state.consider(&seen, &me);
                state.watch_rest(&me);
            }
            Message::Still(looks) => state.still(*looks, &me).await,
            Message::NotReady => state.not_ready().await,
            Message::Due => state.deadline_came(&me),
            Message::Looked(look) => state.looked(look.map(|look| *look)).await,
            Message::Examine(reply) => state.examine(reply, &me),
            Message::Examined(looks, reply) => state.examined(*looks, reply).await,
            Message::Nudge(nudge) if state.ended.is_some() => state.tell(*nudge, Err(session_ended())).await,
            Message::Nudge(nudge) => match state.nudges.push(*nudge) {
                Ok(()) => state.type_nudges().await,
                Err(refused) => {
                    let (nudge, refusal) = *refused;
                    state.tell(nudge, Err(refusal)).await;
                }
            },
            Message::Typed(typed) => {
                let (nudge, outcome) = *typed;
                state.typed(nudge, outcome).await;
            }
            Message::Retry => state.type_nudges().await,
            Message::Mail => {
                state.record_state().await;
                state.take_over().await;
                state.show_mail().await;
            }
            Message::Stop { why, symptom } => state.stop(&why, symptom).await,
            Message::NothingToDo => state.park().await,
            Message::Filled { tokens, answers } => state.filled(tokens, answers).await,
            Message::Kill { why, symptom } => state.kill(&why, symptom).await,
            Message::Exited(status) => {
                state.terminal.flush_recording().await;
                state.ended = Some(state.end(status));
                state.refuse_nudges().await;
            }
        }
        if let Some(ended) = state.ended.clone() {
            let how = ended.end.to_string();
            if state.record_end(ended).await {
                me.stop(Some(how));
            }
            return Ok(());
        }
        state.arm(&me);
        state.submit_next(&me);
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        // Asked to stop from above while the program runs: it is ended in order, and its end recorded.
        if state.terminal.exit_status().is_none() {
            state.told.get_or_insert(None);
            state.notice(standing::Noticed::Told, Some("the town stops")).await;
            let report = pty::stop(&state.terminal.handle(), state.stop_plan()).await;
            state.terminal.flush_recording().await;
            let ended = state.end(report.status);
            state.record_end(ended).await;
        }
        Ok(())
    }
}

/// Listens to the terminal: what people may see goes on, what may be commands goes to the session.
fn tap(me: ActorRef<Message>, nonce: &str, life: Life) -> impl pty::Tap + use<> {
    let mut scanner = Scanner::new(nonce);
    move |bytes: &[u8]| {
        life.prints(bytes.len());
        let scanned = scanner.feed(bytes);
        if !scanned.heard.is_empty() {
            let _ = me.cast(Message::Heard(scanned.heard));
        }
        if scanned.visible == bytes { Filtered::Same } else { Filtered::Changed(scanned.visible) }
    }
}

/// How a preset's program is ended.
fn stop_plan(preset: &Preset) -> StopPlan {
    StopPlan {
        type_first: preset.stop.text.as_ref().map(|text| format!("{text}\r").into_bytes()),
        ask: preset.stop.ask,
        term: preset.stop.term,
    }
}

impl State {
    /// How its program is ended now.
    fn stop_plan(&self) -> StopPlan {
        let plan = stop_plan(&self.preset);
        match (*self.tools.hurry.borrow(), self.tools.freeze.is_frozen()) {
            (true, _) => StopPlan::terminate(plan.term.min(crate::halt::AT_ONCE)),
            // What stands still does not read.
            (_, true) => StopPlan::terminate(plan.term),
            _ => plan,
        }
    }

    /// Takes note of something that may lead to another state; `note` says why, where the state has none.
    async fn notice(&mut self, noticed: standing::Noticed, note: Option<&str>) {
        let nature = Nature {
            at_work: self.at_work,
            shows_ready: !self.preset.ready.is_empty(),
            shows_busy: !self.preset.busy.is_empty(),
        };
        let to = standing::next(self.state, noticed, nature);
        if to != self.state {
            self.set(to, note).await;
        }
    }

    /// The screen has been still for a moment.
    async fn quiet(&mut self, seen: &watch::Seen) {
        self.screen = match seen.sign {
            Some(Sign::Obstacle(obstacle)) if seen.full_screen => Some((obstacle, seen.words.clone())),
            _ => None,
        };
        let note = match seen.sign {
            Some(Sign::AsksPerson) => Some(watch::question(&self.terminal.snapshot())),
            Some(Sign::Limited) => Some(format!("its provider holds it back: {}", seen.words)),
            Some(Sign::Obstacle(_)) => Some(seen.words.clone()),
            _ => None,
        };
        self.notice(standing::Noticed::Screen(seen.sign), note.as_deref()).await;
        if self.state == AgentState::Idle {
            self.life.rests();
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
        self.type_nudges().await;
    }

    /// Counts what was used so far, aside, when `after` has passed. A count that is under way is ended: the
    /// next one sees what it saw.
    fn count(&mut self, after: Duration) {
        if let Some(meter) = self.meter.clone() {
            let me = self.me.clone();
            self.counting = Some(Errand::run(|_| async move {
                tokio::time::sleep(after).await;
                meter.record().await;
                if let Some((tokens, answers)) = meter.filled() {
                    let _ = me.cast(Message::Filled { tokens, answers });
                }
            }));
        }
    }

    /// The time to become ready is over: it is ended, unless it asks something that a person can answer.
    async fn not_ready(&mut self) {
        if self.state != AgentState::Starting {
            return;
        }
        let seen = self.eye.see(&self.terminal.snapshot());
        self.quiet(&seen).await;
        if self.state != AgentState::Starting {
            return;
        }
        let span = silence::span_of(self.preset.ready_timeout);
        let note = format!("not ready after {span}: see `gastown peek {}`", self.agent);
        self.notice(standing::Noticed::NotReady, Some(&note)).await;
        self.stop(&note, Some(Symptom::NotReady)).await;
    }

    /// Begins to end the program; what it was told first counts.
    async fn stop(&mut self, why: &str, symptom: Option<Symptom>) {
        if self.ladder.is_some() || self.ended.is_some() {
            return;
        }
        self.told = Some(symptom);
        self.held = None;
        self.notice(standing::Noticed::Told, Some(why)).await;
        // Only while it lives does it say which conversation it is in.
        self.count(Duration::ZERO);
        self.go_down(self.stop_plan());
    }

    /// Ends the program without asking, also when it is being asked already.
    async fn kill(&mut self, why: &str, symptom: Option<Symptom>) {
        let known = self.told.flatten();
        self.told = Some(symptom.or(known));
        self.held = None;
        self.notice(standing::Noticed::Told, Some(why)).await;
        self.go_down(StopPlan::kill());
    }

    fn go_down(&mut self, plan: StopPlan) {
        let terminal = self.terminal.handle();
        self.ladder = Some(Errand::run(|_| async move {
            pty::stop(&terminal, plan).await;
        }));
    }

    /// What was seen of the program's end.
    fn end(&self, status: ExitStatus) -> clerk::agents::Ended {
        let snapshot = self.terminal.snapshot();
        let words = ending::last_words(&self.preset, &snapshot, status).or_else(|| self.screen.clone());
        let obstacle = words.as_ref().map(|(obstacle, _)| *obstacle);
        let symptom = ending::symptom(&ending::End {
            told: self.told,
            status,
            out_of_memory: self.oom.rose(),
            obstacle,
            own_signs: self.preset.ends.living,
            until: words.and_then(|(obstacle, words)| self.until(obstacle, &words)),
        });
        let end = match status {
            ExitStatus::Code(code) => SessionEnd::Exited { code },
            ExitStatus::Signal(signal) => SessionEnd::Signalled { signal },
        };
        clerk::agents::Ended { end, symptom, doing: self.life.doing() }
    }

    /// Nothing is typed into a program that has ended.
    async fn refuse_nudges(&mut self) {
        for nudge in self.nudges.all() {
            self.tell(nudge, Err(session_ended())).await;
        }
    }
}
