//! A polecat: one worker. Its identity is for ever, its sandbox for one assignment, its session as short
//! as it likes.
//!
//! - Owns: its agent's session, its worktree.
//! - Hears: bells (something on the board concerns it), `Ask` from the switchboard, the ends of its session
//!   and of its errands.
//! - Says: sandboxes, hand-ins and clean-ups to the scribe; letters to its Witness with them.
//! - Wakes: from its hook, so that a restart goes on where it was.
//! - Fails: when it cannot read or record at all; its session dies with it and is begun anew.
//!
//! What it does next is decided in [`lifecycle`]; what touches git is in [`sandbox`].

pub mod lifecycle;
pub mod sandbox;

use std::collections::BTreeMap;
use std::time::Duration;

use clerk::bell::Ear;
use clerk::exits::HandedIn;
use clerk::hooks;
use git::publish::Published;
use git::rescue::Saved;
use ledger::views::agents::Sandbox;
use model::agent::{AgentState, Exit};
use model::answer::Answer;
use model::command::{Leave, Origin};
use model::event::Event;
use model::hook::Hook;
use model::ids::{AgentName, BeadId, MailId, RigName};
use model::nudge::Manner;
use model::recovery::Symptom;
use model::refusal::Refusal;
use model::role::Address;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use crate::directory::Ask;
use crate::errand::{Errand, blocking};
use crate::furnish::Furnishing;
use crate::role::{Post, vocabulary};
use crate::seat::{Seat, WITHOUT_MEMORY, Wanted};
use crate::tools::Tools;
use crate::vitals::Digest;
use lifecycle::{Effect, Patience, Seen};
use sandbox::{HandIn, Made, Outfit, Place};

/// After git has failed at making or removing a worktree, it is tried again after so long.
const GIT_AGAIN: Duration = Duration::from_secs(10);

/// The longest that is waited until work that cannot be saved is tried again.
const SAVE_AGAIN: Duration = Duration::from_secs(300);

/// How often somebody may still be writing in a worktree that is to go, until that is for a person.
const PASSING: u32 = 3;

/// Who a polecat is.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The handles.
    pub tools: Tools,
    /// In which rig.
    pub rig: RigName,
    /// Its name.
    pub name: AgentName,
}

/// What a polecat hears.
#[derive(Debug)]
pub enum Message {
    /// Look at the board.
    Look,
    /// Something that only it can answer.
    Ask(Ask),
    /// Its errand is over.
    Back(Box<Back>),
}

vocabulary!(Message, Self::Back(_) => "Back from an errand");

/// What came of an errand.
#[derive(Debug)]
pub enum Back {
    /// The worktree is there, or git says why not.
    Ready {
        /// Why a session is wanted.
        reason: String,
        /// What came out, and what it is missing before somebody can work there.
        made: Result<(Made, Option<Refusal>), Refusal>,
    },
    /// The hand-in was looked at and brought to safety.
    HandedIn {
        /// How the worker leaves it, why, and with what.
        said: (Exit, Option<String>, Leave),
        /// What came out.
        result: Result<HandIn, Refusal>,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// What landed was cleaned up.
    Clean {
        /// The letter that asked for it.
        letter: MailId,
        /// What came out.
        result: Result<sandbox::CleanedUp, Refusal>,
    },
    /// It has rested long enough after something was in the way.
    Rested,
    /// What was taken away was saved and cleared.
    Cleared {
        /// What came out.
        result: Result<sandbox::Cleared, Trouble>,
    },
    /// The worktree of a living agent was looked at.
    LookedAt {
        /// What is in it and nowhere else.
        result: Result<Vec<String>, Refusal>,
    },
}

/// What keeps a worktree from being cleared.
#[derive(Debug)]
pub enum Trouble {
    /// Somebody is still at it, or the town stops: it is tried again.
    Passing(Refusal),
    /// Work in it cannot be saved.
    AtRisk(Refusal),
}

impl From<git::Error> for Trouble {
    fn from(error: git::Error) -> Self {
        match error {
            git::Error::InUse { .. } | git::Error::Dirty { .. } | git::Error::Cancelled { .. } => {
                Trouble::Passing(sandbox::broken(error))
            }
            error => Trouble::AtRisk(sandbox::broken(error)),
        }
    }
}

/// What a polecat is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    rig: RigName,
    name: AgentName,
    agent: Address,
    seat: Seat,
    errand: Option<Errand>,
    timer: Option<Errand>,
    /// A nudge on its way into the agent's terminal.
    nudge: Option<Errand>,
    /// What was last seen in a worktree that is to go and is nowhere else.
    unsaved: Option<Vec<String>>,
    /// How often clearing the worktree has failed in a row.
    in_vain: u32,
    /// Whether it rests because work cannot be saved.
    at_risk: bool,
    post: Post,
}

/// The actor.
#[derive(Debug)]
pub struct Polecat;

impl Actor for Polecat {
    type Msg = Message;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, me: ActorRef<Message>, args: Arguments) -> Result<State, ActorProcessingErr> {
        let Arguments { tools, rig, name } = args;
        let agent = Address::Polecat(rig.clone(), name.clone());
        let seat = Seat::new(tools.clone(), agent.clone());
        seat.settle().await?;
        Ok(State {
            post: Post::of_role(&tools, &agent, &me),
            tools,
            rig,
            name,
            agent,
            seat,
            errand: None,
            timer: None,
            nudge: None,
            unsaved: None,
            in_vain: 0,
            at_risk: false,
        })
    }

    async fn post_start(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.tools.directory.ring(&Ear::Postmaster);
        state.post.bell.pull();
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Look => {
                state.post.bell.heard();
                state.unsaved = None;
                state.let_go();
                state.seat.settle().await?;
            }
            Message::Ask(ask) => state.asked(ask, &me).await,
            Message::Back(back) => {
                state.errand = None;
                state.came_back(*back, &me).await?;
            }
        }
        state.look(&me).await
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if state.seat.noticed(&event) {
            state.seat.settle().await?;
            state.post.bell.pull();
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.seat.close().await;
        Ok(())
    }
}

impl Digest for State {
    fn digest(&self) -> String {
        let errand = if self.errand.is_some() { ", an errand under way" } else { "" };
        let timer = if self.timer.is_some() { ", was to look again later" } else { "" };
        format!("{}{errand}{timer}", self.seat.digest())
    }
}

impl State {
    /// The place of the worktree.
    fn place(&self) -> Result<Place, Refusal> {
        let town = self.tools.town();
        let rig = town.rig(&self.rig)?;
        let known = self.sandbox();
        Ok(Place::of(&self.tools.paths, &self.rig, &self.name, &rig.default_branch, known.as_ref()))
    }

    fn hook(&self) -> Option<Hook> {
        self.tools.look(|board| board.hooks.of(&self.agent).cloned())
    }

    fn sandbox(&self) -> Option<Sandbox> {
        self.tools.look(|board| board.agents.get(&self.agent).and_then(|agent| agent.sandbox.clone()))
    }

    /// Rests no longer before work that cannot be saved, when somebody has seen to it.
    fn let_go(&mut self) {
        let at_risk = |board: &ledger::views::Board| {
            board.agents.get(&self.agent).is_some_and(|agent| agent.leaving.at_risk.is_some())
        };
        if self.at_risk && !self.tools.look(at_risk) {
            self.errand = None;
            (self.at_risk, self.in_vain) = (false, 0);
        }
    }

    /// Looks at the board and does what is next.
    async fn look(&mut self, me: &ActorRef<Message>) -> Result<(), ActorProcessingErr> {
        self.seat.mail();
        if self.errand.is_some() {
            return Ok(());
        }
        let seen = self.tools.look(|board| Seen::of(board, &self.agent));
        self.timer = None;
        let policies = &self.tools.town().town.policies;
        let patience = Patience { asks: policies.save_asks, wait: policies.save_wait };
        let (live, now) = (self.seat.is_taken(), self.tools.clock.now());
        for effect in lifecycle::next(&seen, live, self.unsaved.as_deref(), patience, now) {
            if self.stands_still(&effect) {
                continue;
            }
            self.carry_out(effect, me).await?;
        }
        if seen.held && !self.seat.is_taken() && !seen.unjudged && seen.state == AgentState::Starting {
            self.set(AgentState::Parked, Some("held back".into())).await?;
        }
        Ok(())
    }

    /// Whether an effect is left for later: it is looked at again when the town thaws, or in its next life.
    fn stands_still(&self, effect: &Effect) -> bool {
        let begins = !matches!(effect, Effect::Acknowledge(_) | Effect::End(_));
        begins && (self.tools.freeze.is_frozen() || self.tools.is_stopping())
    }

    async fn carry_out(&mut self, effect: Effect, me: &ActorRef<Message>) -> Result<(), ActorProcessingErr> {
        match effect {
            Effect::Acknowledge(letter) => self.acknowledge(letter).await?,
            Effect::End(why) => self.seat.stop(&why),
            Effect::Cycle => {
                self.seat.stop_as(
                    "its step is done; the next has a session of its own",
                    Some(Symptom::HandedOver),
                );
            }
            Effect::Wait(wait) => self.look_after(wait, me),
            Effect::Start { reason } => match self.hindrance(me) {
                Some(why) => self.set(AgentState::Starting, Some(why)).await?,
                None => self.prepare(reason, me),
            },
            Effect::CleanUp { letter, commit, target } => self.clean_up(letter, commit, target, me),
            Effect::Clear => self.clear(me),
            Effect::LookAtWork => self.look_at_work(me),
            Effect::AskToSave { asked, files } => self.ask_to_save(asked, files, me).await?,
            Effect::GiveUpAsking { asked } => self.give_up_asking(asked).await?,
            Effect::Retire => {
                self.set(AgentState::Parked, None).await?;
                me.stop(Some("nothing hangs on the hook".into()));
            }
        }
        Ok(())
    }

    /// What keeps a session from being begun now, if something does; it is looked at again when that may
    /// have changed.
    fn hindrance(&mut self, me: &ActorRef<Message>) -> Option<String> {
        let limits = self.tools.limits(&self.rig).ok()?;
        // Its dispatcher rings when a place is free.
        let now = self.tools.clock.now();
        let full = self.tools.look(|board| clerk::capacity::must_wait(board, &self.agent, &limits, now));
        if let Some(full) = full {
            return Some(format!("waits for a place: {full}"));
        }
        let short = self.tools.memory_short()?;
        self.look_after(WITHOUT_MEMORY, me);
        Some(short)
    }

    fn look_after(&mut self, wait: Duration, me: &ActorRef<Message>) {
        let (me, freeze) = (me.clone(), self.tools.freeze.clone());
        self.timer = Some(Errand::run(|_| async move {
            freeze.sleep(wait).await;
            let _ = me.cast(Message::Look);
        }));
    }

    async fn acknowledge(&self, letter: MailId) -> Result<(), ActorProcessingErr> {
        Ok(self.tools.write(&self.agent, move |draft| draft.handled(&letter)).await?)
    }

    async fn set(&self, to: AgentState, note: Option<String>) -> Result<(), ActorProcessingErr> {
        let agent = self.agent.clone();
        let set = move |draft: &mut clerk::draft::Draft<'_>| {
            clerk::agents::state(draft, &agent, to, note.as_deref());
            Ok(())
        };
        Ok(self.tools.write(&self.agent, set).await?)
    }

    /// Sees to it that the worktree is there; a session is started when it is.
    fn prepare(&mut self, reason: String, me: &ActorRef<Message>) {
        let Some(hook) = self.hook() else { return };
        let (known, place, label, me) = (self.sandbox(), self.place(), self.label(), me.clone());
        let left = self.tools.look(|board| board.kept.of(&hook.bead).and_then(|kept| kept.left.clone()));
        let outfit = self.outfit(&hook.bead);
        let braked = self.tools.freeze.brake();
        self.errand = Some(Errand::run(|cancel| async move {
            let made = match place {
                Ok(place) => {
                    let make = move || {
                        let left = left.as_ref();
                        let made = place.ensure(&hook.bead, known.as_ref(), left, &label, cancel.clone());
                        let made = made.map_err(sandbox::broken)?;
                        let unfit =
                            outfit.and_then(|outfit| outfit.put_on(&place, &cancel.braked(braked)).err());
                        Ok((made, unfit))
                    };
                    blocking(make)
                        .await
                        .map_err(|panic| Refusal::failed("git_failed", panic))
                        .and_then(|made| made)
                }
                Err(refusal) => Err(refusal),
            };
            let _ = me.cast(Message::Back(Box::new(Back::Ready { reason, made })));
        }));
    }

    /// What the worktree needs besides the files of its branch; none when the rig is not configured.
    fn outfit(&self, bead: &BeadId) -> Option<Outfit> {
        let town = self.tools.town();
        let config = town.rig(&self.rig).ok()?;
        Some(Outfit {
            furnishing: Furnishing::of(&self.tools.paths, config),
            env: BTreeMap::from([
                ("GASTOWN_TOWN".to_owned(), self.tools.paths.root().display().to_string()),
                ("GASTOWN_RIG".to_owned(), self.rig.to_string()),
                ("GASTOWN_AGENT".to_owned(), self.agent.to_string()),
                ("GASTOWN_BEAD".to_owned(), bead.to_string()),
            ]),
            log: self.tools.paths.setup_logs(&self.rig).join(format!("{}.log", self.name)),
        })
    }

    /// A name for what is saved now.
    fn label(&self) -> String {
        self.tools.clock.now().to_string()
    }

    fn clean_up(&mut self, letter: MailId, commit: String, target: String, me: &ActorRef<Message>) {
        let (sandbox, place, label, me) = (self.sandbox(), self.place(), self.label(), me.clone());
        self.errand = Some(Errand::run(|cancel| async move {
            let result = match (sandbox, place) {
                (Some(sandbox), Ok(place)) => {
                    blocking(move || place.clean_up(&sandbox, (&commit, &target), &label, cancel))
                        .await
                        .map_err(|panic| Refusal::failed("git_failed", panic))
                        .and_then(|cleaned| cleaned.map_err(sandbox::broken))
                }
                (None, _) => Ok(sandbox::CleanedUp { saved: Vec::new(), left: None }),
                (_, Err(refusal)) => Err(refusal),
            };
            let _ = me.cast(Message::Back(Box::new(Back::Clean { letter, result })));
        }));
    }

    fn clear(&mut self, me: &ActorRef<Message>) {
        let Some(sandbox) = self.sandbox() else { return };
        let (place, label, me) = (self.place(), self.label(), me.clone());
        self.errand = Some(Errand::run(|cancel| async move {
            let result = match place {
                Ok(place) => match blocking(move || place.clear(&sandbox, &label, cancel)).await {
                    Ok(cleared) => cleared.map_err(Trouble::from),
                    Err(panic) => Err(Trouble::AtRisk(Refusal::failed("git_failed", panic))),
                },
                Err(refusal) => Err(Trouble::Passing(refusal)),
            };
            let _ = me.cast(Message::Back(Box::new(Back::Cleared { result })));
        }));
    }

    fn look_at_work(&mut self, me: &ActorRef<Message>) {
        let (place, me) = (self.place(), me.clone());
        self.errand = Some(Errand::run(|_| async move {
            let result = match place {
                Ok(place) => blocking(move || place.unsaved())
                    .await
                    .map_err(|panic| Refusal::failed("git_failed", panic))
                    .and_then(|unsaved| unsaved.map_err(sandbox::broken)),
                Err(refusal) => Err(refusal),
            };
            let _ = me.cast(Message::Back(Box::new(Back::LookedAt { result })));
        }));
    }

    /// Asks the living agent to save what is in its worktree. It counts as asked even if the agent is too busy to be
    /// spoken to until the time is over.
    async fn ask_to_save(
        &mut self,
        asked: u32,
        files: Vec<String>,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(Sandbox { bead, branch, .. }) = self.sandbox() else { return Ok(()) };
        let text = format!(
            "{bead} is taken from you, and your worktree goes. Commit now what is worth keeping on {branch} \
             (unsaved: {}). Then stop.",
            files.join(", ")
        );
        let agent = self.agent.clone();
        let note = move |draft: &mut clerk::draft::Draft<'_>| {
            draft.push(Event::WorkUnsaved { agent, bead, asked, files });
            Ok(())
        };
        self.tools.write(&self.agent, note).await?;
        if let Some(live) = self.tools.directory.session(&self.agent) {
            let wait = self.tools.town().town.policies.save_wait;
            let agent = self.agent.clone();
            self.nudge = Some(Errand::run(|_| async move {
                let asked = live.nudge(&agent, Address::Runtime, text, Manner::default());
                if let Ok(Err(refusal)) = tokio::time::timeout(wait, asked).await {
                    tracing::debug!(%refusal, "an agent could not be asked to save its work");
                }
            }));
        }
        self.look_after(Duration::ZERO, me);
        Ok(())
    }

    /// The agent was asked often enough: what it has not saved is saved for it, and a person is told.
    async fn give_up_asking(&mut self, asked: u32) -> Result<(), ActorProcessingErr> {
        let agent = self.agent.clone();
        let tell = move |draft: &mut clerk::draft::Draft<'_>| {
            let Some(sandbox) = draft.board.agents.get(&agent).and_then(|agent| agent.sandbox.clone()) else {
                return Ok(());
            };
            let bead = sandbox.bead;
            let subject = format!("{agent} does not save its work at {bead}");
            if draft.board.escalations.open().any(|known| known.subject == subject) {
                return Ok(());
            }
            let body = format!(
                "{bead} was taken from it, its worktree is to go, and it was asked {asked} times to commit what is in \
                 it. Its session is ended now, and what it has not saved is saved for it: gastown why {bead}"
            );
            draft.escalate("medium", (Some(bead), Some(agent)), subject, body, &[Address::Overseer]);
            Ok(())
        };
        self.tools.write(&self.agent, tell).await?;
        self.seat.stop("nothing hangs on the hook");
        Ok(())
    }

    async fn asked(&mut self, ask: Ask, me: &ActorRef<Message>) {
        match ask {
            Ask::Done { origin, exit, reason, leave, reply } => {
                self.done(&origin, (exit, reason, leave), reply, me);
            }
            Ask::Start { reply, .. } => {
                let answer = match self.hook() {
                    Some(_) => Ok(Answer::Done),
                    None => Err(Refusal::failed(
                        "nothing_hooked",
                        format!("nothing hangs on the hook of {}", self.agent),
                    )
                    .hint(format!("give it work: gastown sling BEAD {}", self.agent))),
                };
                let _ = reply.send(answer);
            }
            Ask::Restart { symptom, reply } => {
                self.seat.stop_as("to be started again", symptom);
                let _ = reply.send(Ok(Answer::Done));
            }
        }
    }

    /// The worker says that it is finished: its worktree is looked at before anything is believed.
    fn done(
        &mut self,
        origin: &Origin,
        (exit, reason, leave): (Exit, Option<String>, Leave),
        reply: oneshot::Sender<Result<Answer, Refusal>>,
        me: &ActorRef<Message>,
    ) {
        let refuse = |code: &str, text: String| Refusal::forbidden(code, text);
        let checked = match (self.hook(), self.sandbox()) {
            _ if self.errand.is_some() => {
                Err(refuse("busy", "your worktree is being looked at already".into()))
            }
            (None, _) => {
                Err(refuse("nothing_hooked", format!("nothing hangs on the hook of {}", origin.actor())))
            }
            (Some(hook), _) if !hook.stage.wants_session() => {
                Err(refuse("already_submitted", format!("{} has been handed in already", hook.bead)))
            }
            (Some(_), None) => Err(refuse("no_sandbox", "there is no worktree to hand in".into())),
            (Some(hook), Some(sandbox)) => self
                .tools
                .look(|board| clerk::exits::check(board, &hook.bead, exit, &leave))
                .and_then(|()| self.place().map(|place| (sandbox, place))),
        };
        let (sandbox, place) = match checked {
            Ok(checked) => checked,
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                return;
            }
        };
        let (me, has_reason, label) = (me.clone(), reason.is_some(), self.label());
        self.errand = Some(Errand::run(|cancel| async move {
            let result = blocking(move || place.hand_in(&sandbox, exit, has_reason, &label, cancel))
                .await
                .unwrap_or_else(|panic| Err(Refusal::failed("git_failed", panic)));
            let said = (exit, reason, leave);
            let _ = me.cast(Message::Back(Box::new(Back::HandedIn { said, result, reply })));
        }));
    }

    async fn came_back(&mut self, back: Back, me: &ActorRef<Message>) -> Result<(), ActorProcessingErr> {
        match back {
            Back::Rested => Ok(()),
            Back::Ready { reason, made: Ok((made, unfit)) } => {
                // What stands there is on record also when nobody can work in it yet.
                let there = self.take_over(made).await?;
                match (there, unfit) {
                    (None, _) => Ok(()),
                    (Some(hook), None) => self.begin(reason, hook, me).await,
                    (Some(_), Some(refusal)) => self.no_place("its worktree is not ready", refusal, me).await,
                }
            }
            Back::Ready { made: Err(refusal), .. } => self.no_place("no worktree", refusal, me).await,
            Back::HandedIn { said, result, reply } => {
                let answer = match result {
                    Ok(handed_in) => self.record_done(said, handed_in).await,
                    Err(refusal) => Err(refusal),
                };
                let _ = reply.send(answer);
                Ok(())
            }
            Back::Clean { letter, result: Ok(cleaned) } => self.record_clean(letter, cleaned).await,
            Back::LookedAt { result: Ok(unsaved) } => {
                self.unsaved = Some(unsaved);
                Ok(())
            }
            // What cannot be looked at cannot be asked for: it is put in safety, or kept, when the session has ended.
            Back::LookedAt { result: Err(refusal) } => {
                tracing::warn!(agent = %self.agent, %refusal, "cannot look at the worktree");
                self.unsaved = Some(Vec::new());
                Ok(())
            }
            Back::Cleared { result: Ok(cleared) } => {
                self.in_vain = 0;
                self.record_cleared(cleared, me).await
            }
            Back::Cleared { result: Err(trouble) } => self.in_the_way(trouble, me).await,
            Back::Clean { result: Err(refusal), .. } => {
                tracing::warn!(agent = %self.agent, %refusal, "cannot clean up");
                self.trouble(format!("the worktree of {} cannot be cleaned up", self.agent), refusal).await?;
                self.rest(GIT_AGAIN, me);
                Ok(())
            }
        }
    }

    /// A worktree that is to go stays. When work in it cannot be saved, its Witness hears of it.
    async fn in_the_way(
        &mut self,
        trouble: Trouble,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        self.in_vain += 1;
        let refusal = match trouble {
            Trouble::Passing(refusal) if self.in_vain < PASSING => {
                tracing::info!(agent = %self.agent, %refusal, "the worktree cannot go yet");
                self.rest(GIT_AGAIN, me);
                return Ok(());
            }
            Trouble::Passing(refusal) | Trouble::AtRisk(refusal) => refusal,
        };
        tracing::warn!(agent = %self.agent, %refusal, "work cannot be saved");
        let folder = self.tools.paths.rig(&self.rig).polecat(&self.name).display().to_string();
        let hint = refusal.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        let (agent, why) = (self.agent.clone(), format!("{refusal}{hint}"));
        let tell = move |draft: &mut clerk::draft::Draft<'_>| {
            let view = draft.board.agents.get(&agent);
            let Some(sandbox) = view.and_then(|agent| agent.sandbox.as_ref()) else { return Ok(()) };
            let known = view.and_then(|agent| agent.leaving.at_risk.as_ref());
            if known.is_none_or(|known| known.why != why) {
                let bead = sandbox.bead.clone();
                draft.push(Event::WorkAtRisk { agent, bead, folder, why });
            }
            Ok(())
        };
        self.tools.write(&self.agent, tell).await?;
        self.at_risk = true;
        self.rest((GIT_AGAIN * (1 << self.in_vain.min(6))).min(SAVE_AGAIN), me);
        Ok(())
    }

    /// Looks again after a while, although something is in the way; until then nothing is tried.
    fn rest(&mut self, wait: Duration, me: &ActorRef<Message>) {
        let me = me.clone();
        self.errand = Some(Errand::run(|_| async move {
            tokio::time::sleep(wait).await;
            let _ = me.cast(Message::Back(Box::new(Back::Rested)));
        }));
    }

    /// Tells a person once that something is in the way.
    async fn trouble(&self, subject: String, refusal: Refusal) -> Result<(), ActorProcessingErr> {
        let agent = self.agent.clone();
        let tell = move |draft: &mut clerk::draft::Draft<'_>| {
            let bead = draft.board.hooks.of(&agent).map(|hook| hook.bead.clone());
            let known = draft.board.escalations.open().any(|known| known.subject == subject);
            if !known {
                let body =
                    format!("{refusal}\n\n{}", refusal.hint.as_deref().unwrap_or("It is tried again."));
                draft.escalate("high", (bead, Some(agent)), subject, body, &[Address::Overseer]);
            }
            Ok(())
        };
        Ok(self.tools.write(&self.agent, tell).await?)
    }

    /// The worktree is there: records it and starts the session.
    /// There is no place to work in: a person is told once, and it is tried again.
    async fn no_place(
        &mut self,
        what: &str,
        refusal: Refusal,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        let note = format!("{what}: {refusal}");
        tracing::warn!(agent = %self.agent, %refusal, what, "cannot start");
        self.set(AgentState::Starting, Some(note)).await?;
        self.trouble(format!("{} cannot start: {what}", self.agent), refusal).await?;
        self.rest(GIT_AGAIN, me);
        Ok(())
    }

    /// Records the worktree that is there; none when it is not wanted any more.
    async fn take_over(
        &self,
        Made { sandbox, aside, rescued: saved }: Made,
    ) -> Result<Option<Hook>, ActorProcessingErr> {
        let Some(hook) = self.hook().filter(|hook| hook.bead == sandbox.bead) else { return Ok(None) };
        let agent = self.agent.clone();
        let record = move |draft: &mut clerk::draft::Draft<'_>| {
            if let Some(saved) = saved {
                draft.push(rescued(&agent, &sandbox.bead, saved, "it stood in the place of a new worktree"));
            }
            if let Some(aside) = aside {
                draft.push(Event::FilesMovedAside {
                    agent: agent.clone(),
                    bead: sandbox.bead.clone(),
                    folder: aside.display().to_string(),
                });
            }
            let known = draft.board.agents.get(&agent).and_then(|agent| agent.sandbox.as_ref());
            let same = |known: &&Sandbox| known.bead == sandbox.bead && known.branch == sandbox.branch;
            match known.filter(same).map(|known| known.at.clone()) {
                Some(None) => {}
                Some(Some(from)) => {
                    draft.push(Event::SandboxMoved { agent, from, bead: sandbox.bead.clone() });
                }
                None => {
                    let Sandbox { bead, branch, base, .. } = sandbox;
                    draft.push(Event::SandboxCreated { agent, bead, branch, base });
                }
            }
            Ok(())
        };
        self.tools.write(&self.agent, record).await?;
        Ok(Some(hook))
    }

    async fn begin(
        &mut self,
        reason: String,
        hook: Hook,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        let wanted = Wanted {
            reason,
            cwd: self.tools.paths.rig(&self.rig).polecat(&self.name),
            preset: hook.preset.clone(),
            bead: Some(hook.bead.clone()),
        };
        if let Err(refusal) = self.seat.start(me.get_cell(), wanted).await {
            if crate::letters::is_of_the_ledger(&refusal) {
                return Err(refusal.into());
            }
            // Somebody else's session for it is about to end.
            if refusal.code == "bead_in_session" {
                self.look_after(GIT_AGAIN, me);
                return Ok(());
            }
            // Others were quicker, or it is no time to begin: it is rung when that has changed.
            if matches!(refusal.code.as_str(), "no_place" | "town_frozen" | "town_stops") {
                return Ok(());
            }
            // There is no agent to run: nothing that trying again would change.
            let (agent, bead) = (self.agent.clone(), hook.bead);
            let fail = move |draft: &mut clerk::draft::Draft<'_>| {
                clerk::agents::state(draft, &agent, AgentState::Failed, Some(&refusal.to_string()));
                let body = format!(
                    "{refusal}\n\n{}\nThen: gastown agent start {agent}",
                    refusal.hint.as_deref().unwrap_or("See docs/agents.md.")
                );
                let subject = format!("{agent} has no agent to run: {refusal}");
                draft.escalate("critical", (Some(bead), Some(agent)), subject, body, &[Address::Overseer]);
                Ok(())
            };
            self.tools.write(&self.agent, fail).await?;
        }
        Ok(())
    }

    async fn record_done(
        &mut self,
        said: (Exit, Option<String>, Leave),
        handed_in: HandIn,
    ) -> Result<Answer, Refusal> {
        let Some(hook) = self.hook() else {
            return Err(Refusal::forbidden("nothing_hooked", "nothing hangs on your hook any more"));
        };
        let branch = self.sandbox().map(|sandbox| sandbox.branch).unwrap_or_default();
        let work = handed_in.published.map(|published| match published {
            Published::Pushed { oid, .. } => HandedIn { branch, head: oid.to_string(), bundle: None },
            Published::Bundled { path, oid, .. } => {
                HandedIn { branch, head: oid.to_string(), bundle: Some(path.display().to_string()) }
            }
        });
        let (agent, actor, saved) = (self.agent.clone(), self.agent.clone(), handed_in.saved);
        self.tools
            .decide(move |board, now| {
                let mut draft = clerk::draft::Draft::new(board, actor, now);
                let (exit, reason, leave) = &said;
                let how = (*exit, reason.as_deref());
                let answer = clerk::exits::done(&mut draft, &agent, &hook.bead, how, leave, work)?;
                if let Some(saved) = saved {
                    draft.push(rescued(&agent, &hook.bead, saved, "the work was left unfinished"));
                }
                Ok((draft.finish(), answer))
            })
            .await
    }

    async fn record_clean(
        &mut self,
        letter: MailId,
        cleaned: sandbox::CleanedUp,
    ) -> Result<(), ActorProcessingErr> {
        let agent = self.agent.clone();
        let record = move |draft: &mut clerk::draft::Draft<'_>| {
            draft.handled(&letter)?;
            let sandbox = draft.board.agents.get(&agent).and_then(|agent| agent.sandbox.clone());
            if let Some(sandbox) = &sandbox {
                say(draft, &agent, &sandbox.bead, cleaned.saved, "it came after the head that landed");
            }
            if let Some(left) = cleaned.left {
                let subject = format!("the worktree of {agent} was left: {left}");
                draft.escalate("high", (None, Some(agent.clone())), subject, left, &[Address::Overseer]);
            }
            let branch = sandbox.map(|sandbox| sandbox.branch).unwrap_or_default();
            hooks::released(draft, &agent, &branch, "landed");
            Ok(())
        };
        match self.tools.write(&self.agent, record).await {
            Err(refusal) if refusal.code == "already_handled" => Ok(()),
            other => Ok(other?),
        }
    }

    async fn record_cleared(
        &mut self,
        cleared: sandbox::Cleared,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(sandbox) = self.sandbox() else { return Ok(()) };
        let sandbox::Cleared { saved, removal, left } = cleared;
        if let git::worktree::Removal::Refused(why) = removal {
            let text = format!("what stands there is not the worktree any more: {why:?}");
            let refusal = Refusal::failed("not_ours", text)
                .hint("look what is there; `gastown recover` moves it aside");
            return self.in_the_way(Trouble::AtRisk(refusal), me).await;
        }
        let agent = self.agent.clone();
        let record = move |draft: &mut clerk::draft::Draft<'_>| {
            say(draft, &agent, &sandbox.bead, saved, "the bead was taken back");
            let Sandbox { bead, branch, .. } = sandbox;
            draft.push(Event::SandboxRemoved { agent, bead, branch, left });
            Ok(())
        };
        Ok(self.tools.write(&self.agent, record).await?)
    }
}

/// Records where work was saved, once.
fn say(draft: &mut clerk::draft::Draft<'_>, agent: &Address, bead: &BeadId, saved: Vec<Saved>, reason: &str) {
    let kept = draft.board.kept.of(bead);
    // The ledger remembers only so many of one bead; the oldest are not said again.
    if kept.is_some_and(|kept| kept.saved.len() >= ledger::views::kept::RESCUES) {
        saved.into_iter().take(1).for_each(|saved| draft.push(rescued(agent, bead, saved, reason)));
        return;
    }
    for saved in saved {
        let commit = saved.oid.to_string();
        let known =
            kept.is_some_and(|kept| kept.saved.iter().any(|known| known.commit.as_ref() == Some(&commit)));
        if !known {
            draft.push(rescued(agent, bead, saved, reason));
        }
    }
}

fn rescued(agent: &Address, bead: &BeadId, saved: Saved, reason: &str) -> Event {
    Event::WorkRescued {
        agent: agent.clone(),
        bead: Some(bead.clone()),
        branch: saved.branch,
        commit: saved.oid.to_string(),
        bundle: saved.bundle.map(|path| path.display().to_string()),
        reason: reason.to_owned(),
    }
}
