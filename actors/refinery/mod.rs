//! The Refinery: one rig's merge queue.
//!
//! - Owns: the worktrees of gate runs; the target branch.
//! - Hears: bells; MERGE_READY from the Witness; the ends of its own errands.
//! - Says: merge events to the scribe, MERGED, MERGE_FAILED and REWORK_REQUEST to the Witness.
//! - Wakes: from the rig's queue, so that a restart loses no request and lands none twice.
//! - Fails: when it cannot record; what git or a remote refuses holds the entry instead.
//!
//! What is gated and what lands is decided by the queue's engine inside write steps (`clerk::queue`). The actor looks
//! at what the board says is under way, and sees to it that exactly that is done: a run without an errand gets one, an
//! errand without a run is dropped, which ends its gates. So a restart at any step needs no path of its own.

mod look;
mod patience;
mod push;
mod run;
pub(crate) mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clerk::bell::Ear;
use clerk::draft::Draft;
use clerk::queue::Look;
use config::rig::RigConfig;
use git::{CancelToken, Oid};
use ledger::views::queues::RigQueue;
use model::ids::{MergeId, RigName};
use model::mail::Letter;
use model::merge::{MergeRequest, MergeState};
use model::queue::{Run, RunId};
use model::refusal::Refusal;
use model::role::Address;
use queue::state::Target;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::directory::Ask;
use crate::errand::Errand;
use crate::letters;
use crate::role::{self, Post, serve_seat, vocabulary};
use crate::seat::Seat;
use crate::tools::Tools;
use crate::vitals::Digest;
use patience::Patience;
use run::{Origin, Slot};
use work::{Trouble, Work};

/// After something that cannot be told of a single request: how long until it is tried again.
const STALL: Duration = Duration::from_secs(15);
/// How often the remote is asked whether somebody has mended a red target.
const PEEK: Duration = Duration::from_secs(20);

/// Whose Refinery.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The handles.
    pub tools: Tools,
    /// Which rig.
    pub rig: RigName,
}

/// What a Refinery hears.
#[derive(Debug)]
pub enum Message {
    /// Look at the board.
    Look,
    /// Something that only it can answer.
    Ask(Ask),
    /// Ask the remote whether the target has moved.
    Peek,
    /// The remote was asked.
    Looked(Box<Result<Look, Trouble>>),
    /// A gate run was made.
    Ran {
        /// Which.
        run: Box<Run>,
        /// Whether it could be.
        result: Result<(), Trouble>,
    },
    /// A push is over.
    Pushed {
        /// For which run.
        run: Box<Run>,
        /// Whether that could be recorded.
        result: Result<(), Trouble>,
    },
}

vocabulary!(
    Message,
    Self::Peek => "Peek",
    Self::Looked(_) => "Looked",
    Self::Ran { .. } => "Ran",
    Self::Pushed { .. } => "Pushed"
);

/// A run as it is made here.
#[derive(Debug)]
struct Flying {
    origin: Origin,
    slot: usize,
    /// What makes it; none when that is over and the run waits for another.
    errand: Option<Errand>,
}

/// What a Refinery is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    rig: RigName,
    me: Address,
    seat: Seat,
    /// Looks again when its agent may be started again.
    called: Option<Errand>,
    patience: Patience,
    /// Runs that were under way in an earlier life are over.
    awake: bool,
    flying: BTreeMap<RunId, Flying>,
    /// The worktrees, and who uses them.
    slots: BTreeMap<usize, Arc<Mutex<()>>>,
    landing: Option<(RunId, Errand)>,
    looking: Option<Errand>,
    /// A held request that is tried once more.
    trial: Option<MergeId>,
    peek: bool,
    stalled: bool,
    timer: Option<Errand>,
    post: Post,
}

/// The actor.
#[derive(Debug)]
pub struct Refinery;

impl Actor for Refinery {
    type Msg = Message;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, me: ActorRef<Message>, args: Arguments) -> Result<State, ActorProcessingErr> {
        let Arguments { tools, rig } = args;
        let address = Address::Refinery(rig.clone());
        let seat = Seat::new(tools.clone(), address.clone());
        seat.settle().await?;
        Ok(State {
            post: Post::of_role(&tools, &address, &me),
            tools,
            rig,
            me: address,
            seat,
            called: None,
            patience: Patience::default(),
            awake: false,
            flying: BTreeMap::new(),
            slots: BTreeMap::new(),
            landing: None,
            looking: None,
            trial: None,
            peek: false,
            stalled: false,
            timer: None,
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
                state.seat.settle().await?;
                state.seat.obey(&state.me);
                state.seat.mail();
                let folder = state.tools.paths.rig(&state.rig).refinery_rig();
                state.seat.again(me.get_cell(), folder.clone()).await;
                state.called = state
                    .seat
                    .judge(me.get_cell(), folder)
                    .await
                    .map(|wait| role::look_in(wait, &state.tools.freeze, &me));
                state.letters().await?;
            }
            Message::Ask(ask) => {
                let cwd = state.tools.paths.rig(&state.rig).refinery_rig();
                serve_seat(ask, &mut state.seat, me.get_cell(), cwd).await;
            }
            Message::Peek => state.peek = true,
            Message::Looked(looked) => {
                state.looking = None;
                state.planned(*looked).await?;
            }
            Message::Ran { run, result } => {
                if let Some(flying) = state.flying.get_mut(&run.id) {
                    flying.errand = None;
                }
                if let Err(trouble) = result {
                    let ids = state.concerned(&run);
                    state.trouble(Some(run.id), ids, trouble).await?;
                }
            }
            Message::Pushed { run, result } => {
                state.landing = None;
                if let Err(trouble) = result {
                    let ids = state.concerned(&run);
                    state.trouble(Some(run.id), ids, trouble).await?;
                }
            }
        }
        Ok(state.go_on(&me).await?)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if state.seat.noticed(&event) {
            state.seat.settle().await?;
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        (state.landing, state.looking) = (None, None);
        state.flying.clear();
        state.seat.close().await;
        Ok(())
    }
}

impl Digest for State {
    fn digest(&self) -> String {
        let runs: Vec<String> = self.flying.keys().map(ToString::to_string).collect();
        let runs =
            if runs.is_empty() { String::new() } else { format!(", was making runs {}", runs.join(", ")) };
        let landing = self.landing.as_ref().map(|(run, _)| format!(", was pushing run {run}"));
        let timer = if self.timer.is_some() { ", was to look again later" } else { "" };
        format!("{}{runs}{}{timer}", self.seat.digest(), landing.unwrap_or_default())
    }
}

impl State {
    /// Takes what the Witness has verified into the queue.
    async fn letters(&mut self) -> Result<(), ActorProcessingErr> {
        let handle = |letter| handle(self.tools.clone(), self.me.clone(), letter);
        if letters::handle_due(&self.tools, &self.me, handle).await? {
            self.post.bell.pull();
        }
        Ok(())
    }

    fn work(&self, config: &RigConfig, cancel: CancelToken) -> Work {
        Work { tools: self.tools.clone(), config: config.clone(), setting: work::setting(config), cancel }
    }

    /// An errand could not do its part for `ids`.
    async fn trouble(
        &mut self,
        run: Option<RunId>,
        ids: Vec<MergeId>,
        trouble: Trouble,
    ) -> Result<(), Refusal> {
        let (why, hint) = match trouble {
            Trouble::Stuck { why, hint } => (why, hint),
            Trouble::Refused(refusal) => {
                tracing::warn!(refinery = %self.me, %refusal, "what came of an errand could not be recorded");
                self.stalled = true;
                return Ok(());
            }
        };
        if self.tools.is_stopping() {
            return Ok(());
        }
        let now = self.tools.clock.now();
        ids.iter().for_each(|id| self.patience.in_vain(id, now));
        self.trial = None;
        // Nobody to wait for: the queue as a whole does.
        self.stalled |= ids.is_empty();
        let town = self.tools.town();
        let Ok(config) = town.rig(&self.rig) else { return Ok(()) };
        let setting = work::setting(config);
        let landing = self.tools.look(|board| {
            let known = board.queues.get(&self.rig);
            known.and_then(|known| known.state.landing().map(|landing| landing.id))
        });
        self.tools
            .write(&self.me, move |draft| {
                let words = (why.as_str(), hint.as_deref());
                match run.filter(|run| landing == Some(*run)) {
                    Some(run) => clerk::queue::refused(draft, &setting, run, words),
                    None => clerk::queue::stuck(draft, &setting, run, &ids, words),
                }
            })
            .await
    }

    /// The requests of a run that are not over; for one of the target alone, the first in the queue.
    fn concerned(&self, run: &Run) -> Vec<MergeId> {
        self.tools.look(|board| {
            let open = clerk::queue::order(board, &self.rig);
            let first = || open.first().map(|merge| merge.id.clone()).into_iter().collect();
            let ids: Vec<MergeId> =
                open.iter().map(|merge| merge.id.clone()).filter(|id| run.stack.contains(id)).collect();
            if run.stack.is_empty() { first() } else { ids }
        })
    }

    async fn planned(&mut self, looked: Result<Look, Trouble>) -> Result<(), Refusal> {
        let town = self.tools.town();
        let Ok(config) = town.rig(&self.rig) else { return Ok(()) };
        let setting = work::setting(config);
        match looked {
            Ok(look) => {
                let plan = move |draft: &mut Draft<'_>| clerk::queue::plan(draft, &setting, &look);
                match self.tools.write(&self.me, plan).await {
                    Ok(()) => Ok(()),
                    Err(refusal) => self.trouble(None, Vec::new(), Trouble::Refused(refusal)).await,
                }
            }
            Err(trouble) => {
                let trial = self.trial.clone();
                let first = self.tools.look(|board| {
                    let order = clerk::queue::order(board, &self.rig);
                    let free = |merge: &&&MergeRequest| {
                        !matches!(merge.state, MergeState::Held { .. }) && merge.kept.is_none()
                    };
                    order.iter().find(free).map(|merge| merge.id.clone())
                });
                self.trouble(None, trial.or(first).into_iter().collect(), trouble).await
            }
        }
    }

    /// Begins what is to be done, and ends what is not to be done any more.
    async fn go_on(&mut self, me: &ActorRef<Message>) -> Result<(), Refusal> {
        self.timer = None;
        let town = self.tools.town();
        let Ok(config) = town.rig(&self.rig) else { return Ok(()) };
        let setting = work::setting(config);
        if !self.awake {
            // Nothing of what was under way when an earlier life ended goes on.
            let asked = setting.clone();
            self.tools.write(&self.me, move |draft| clerk::queue::wake(draft, &asked)).await?;
            self.awake = true;
        }
        self.keep_up();
        if self.tools.freeze.is_frozen() || self.tools.is_stopping() {
            return Ok(());
        }
        if std::mem::take(&mut self.stalled) {
            self.look_later(me, STALL);
            return Ok(());
        }
        let (queue, due) = self.tools.look(|board| {
            let open = clerk::queue::order(board, &self.rig);
            (board.queues.get(&self.rig).cloned(), self.patience.due(&open, self.tools.clock.now()))
        });
        if let Some(known) = &queue {
            self.fly(me, config, known);
            if let (Some(run), None) = (known.state.landing(), &self.landing) {
                self.land(me, config, run.clone(), known.head.as_deref());
                return Ok(());
            }
            if known.state.landing().is_some() {
                return Ok(());
            }
        }
        if self.looking.is_some() {
            return Ok(());
        }
        self.trial = self.trial.take().or(due.trial);
        let trial = self.trial.clone();
        let red = queue.as_ref().is_some_and(|known| known.state.target() == Target::Red);
        let wants = self.tools.look(|board| clerk::queue::wants(board, &setting, trial.as_ref()));
        if wants || std::mem::take(&mut self.peek) {
            let me = me.clone();
            let work = |cancel| self.work(config, cancel);
            self.looking = Some(Errand::run(|cancel| {
                let work = work(cancel);
                async move {
                    let looked = look::look(&work, trial).await;
                    let _ = me.cast(Message::Looked(Box::new(looked)));
                }
            }));
        } else if red {
            self.peek_later(me);
        } else if let Some(wait) = due.wait {
            self.look_later(me, wait);
        }
        Ok(())
    }

    /// Lets go of errands for what is not under way any more.
    fn keep_up(&mut self) {
        self.tools.look(|board| {
            let known = board.queues.get(&self.rig).map(|known| &known.state);
            self.flying.retain(|run, _| known.is_some_and(|state| state.flights().contains_key(run)));
            let landing = known.and_then(|state| state.landing()).map(|run| run.id);
            self.landing.take_if(|(run, _)| landing != Some(*run));
            let held = |id: &MergeId| {
                board.merges.get(id).is_some_and(|merge| matches!(merge.state, MergeState::Held { .. }))
            };
            self.trial.take_if(|id| !held(id));
        });
    }

    /// Sees to it that every run that is under way is made.
    fn fly(&mut self, me: &ActorRef<Message>, config: &RigConfig, known: &RigQueue) {
        for (id, flight) in known.state.flights() {
            let begun = self.flying.get(id);
            if begun.is_some_and(|flying| flying.errand.is_some())
                || (flight.tree.is_some() && !flight.gating)
            {
                continue;
            }
            let origin = match begun {
                Some(flying) => Origin { known: flight.tree.is_some(), ..flying.origin.clone() },
                None => {
                    // Seen for the first time: it stands on the head of now.
                    let head = known.head.as_deref().and_then(|head| Oid::from_str(head).ok());
                    let Some(base) = head else { continue };
                    Origin { run: flight.run.clone(), base, known: false }
                }
            };
            let slot = self.slot();
            let (me, run, number) = (me.clone(), origin.run.clone(), slot.number);
            let work = |cancel| self.work(config, cancel);
            let begun = origin.clone();
            let errand = Errand::run(|cancel| {
                let work = work(cancel);
                async move {
                    let result = run::run(&work, &begun, &slot).await;
                    let _ = me.cast(Message::Ran { run: Box::new(run), result });
                }
            });
            self.flying.insert(*id, Flying { origin, slot: number, errand: Some(errand) });
        }
    }

    /// The first worktree that nobody uses.
    fn slot(&mut self) -> Slot {
        let taken = |n: usize| self.flying.values().any(|flying| flying.errand.is_some() && flying.slot == n);
        let number = (0..).find(|n| !taken(*n)).unwrap_or_default();
        let folder = self.tools.paths.rig(&self.rig).refinery_runner(number);
        let busy = self.slots.entry(number).or_default().clone();
        Slot { number, folder, busy }
    }

    fn land(&mut self, me: &ActorRef<Message>, config: &RigConfig, run: Run, head: Option<&str>) {
        let Some(base) = head.and_then(|head| Oid::from_str(head).ok()) else { return };
        let (me, id) = (me.clone(), run.id);
        let work = |cancel| self.work(config, cancel);
        let errand = Errand::run(|cancel| {
            let work = work(cancel);
            async move {
                let result = push::push(&work, &run, base).await;
                let _ = me.cast(Message::Pushed { run: Box::new(run), result });
            }
        });
        self.landing = Some((id, errand));
    }

    fn look_later(&mut self, me: &ActorRef<Message>, wait: Duration) {
        let (freeze, me) = (self.tools.freeze.clone(), me.clone());
        self.timer = Some(Errand::run(|_| async move {
            freeze.sleep(wait.max(Duration::from_millis(50))).await;
            let _ = me.cast(Message::Look);
        }));
    }

    /// Only somebody else can mend a red target: the remote is asked from time to time.
    fn peek_later(&mut self, me: &ActorRef<Message>) {
        let (freeze, me) = (self.tools.freeze.clone(), me.clone());
        self.timer = Some(Errand::run(|_| async move {
            freeze.sleep(PEEK).await;
            let _ = me.cast(Message::Peek);
        }));
    }
}

async fn handle(tools: Tools, me: Address, letter: Letter) -> Result<(), Refusal> {
    let take = move |draft: &mut clerk::draft::Draft<'_>| {
        draft.handled(&letter.id)?;
        match clerk::merges::submit(draft, &letter.kind) {
            // Taken back meanwhile: the letter is handled, and nothing comes of it.
            Err(refusal) if refusal.code == "stale" => Ok(()),
            other => other,
        }
    };
    tools.write(&me, take).await
}
