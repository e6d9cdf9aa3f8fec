//! The Refinery: one rig's merge queue.
//!
//! - Owns: the order in which the rig's merge requests are tried; the scratch worktree; the target branch.
//! - Hears: bells; MERGE_READY from the Witness; the end of its own attempt.
//! - Says: merge events to the scribe, MERGED, MERGE_FAILED and REWORK_REQUEST to the Witness.
//! - Wakes: from the rig's queue, so that a restart loses no request and lands none twice.
//! - Fails: when it cannot record; what git or a remote refuses holds the entry instead.

mod attempt;
mod queue;

use std::time::Duration;

use clerk::bell::Ear;
use model::ids::{MergeId, RigName};
use model::mail::Letter;
use model::merge::MergeRequest;
use model::refusal::Refusal;
use model::role::Address;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::directory::Ask;
use crate::errand::Errand;
use crate::letters;
use crate::role::{self, Post, serve_seat, vocabulary};
use crate::seat::Seat;
use crate::tools::Tools;
use crate::vitals::Digest;
use attempt::{Attempt, Outcome};
use queue::{Next, Patience};

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
    /// Its attempt is over.
    Tried {
        /// At what.
        merge: MergeId,
        /// What came out.
        outcome: Box<Result<Outcome, Refusal>>,
    },
}

vocabulary!(Message, Self::Tried { .. } => "Tried");

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
    attempt: Option<(MergeId, Errand)>,
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
            attempt: None,
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
            Message::Tried { merge, outcome } => {
                state.attempt = None;
                state.tried(merge, *outcome).await?;
            }
        }
        state.begin_next(&me);
        Ok(())
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
        state.attempt = None;
        state.seat.close().await;
        Ok(())
    }
}

impl Digest for State {
    fn digest(&self) -> String {
        let trying = self.attempt.as_ref().map(|(merge, _)| format!(", was trying {merge}"));
        let timer = if self.timer.is_some() { ", was to look again later" } else { "" };
        format!("{}{}{timer}", self.seat.digest(), trying.unwrap_or_default())
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

    async fn tried(
        &mut self,
        merge: MergeId,
        outcome: Result<Outcome, Refusal>,
    ) -> Result<(), ActorProcessingErr> {
        match outcome {
            Ok(Outcome::Over | Outcome::Again) => Ok(()),
            Ok(Outcome::Held { why, hint }) => {
                self.patience.in_vain(&merge, self.tools.clock.now());
                match attempt::record_held(&self.tools, &self.me, merge, why, hint).await {
                    Err(refusal) if refusal.code == "merge_over" => Ok(()),
                    other => Ok(other?),
                }
            }
            // It was withdrawn while it was being tried.
            Err(refusal) if refusal.code == "merge_over" => Ok(()),
            Err(refusal) => {
                tracing::warn!(refinery = %self.me, %merge, %refusal, "an attempt could not be recorded");
                self.patience.in_vain(&merge, self.tools.clock.now());
                Ok(())
            }
        }
    }

    /// Begins the next attempt, if none is under way and there is one.
    fn begin_next(&mut self, me: &ActorRef<Message>) {
        self.timer = None;
        if self.attempt.is_some() || self.tools.freeze.is_frozen() {
            return;
        }
        let town = self.tools.town();
        let Ok(config) = town.rig(&self.rig) else { return };
        let now = self.tools.clock.now();
        let patience = &mut self.patience;
        let (next, merge): (Next, Option<MergeRequest>) = self.tools.look(|board| {
            let next = patience.next(&board.merges.queue(&self.rig), now);
            let merge = match &next {
                Next::Try(id) => board.merges.get(id).cloned(),
                _ => None,
            };
            (next, merge)
        });
        let me = me.clone();
        match (next, merge) {
            (Next::Try(_), Some(merge)) => {
                let (tools, rig, config) = (self.tools.clone(), self.rig.clone(), config.clone());
                let id = merge.id.clone();
                let trying = id.clone();
                let errand = Errand::run(|cancel| async move {
                    let outcome = Attempt { tools, rig, config, merge, cancel }.run().await;
                    let _ = me.cast(Message::Tried { merge: id, outcome: Box::new(outcome) });
                });
                self.attempt = Some((trying, errand));
            }
            (Next::Wait(wait), _) => {
                let freeze = self.tools.freeze.clone();
                self.timer = Some(Errand::run(|_| async move {
                    freeze.sleep(wait.max(Duration::from_millis(50))).await;
                    let _ = me.cast(Message::Look);
                }));
            }
            _ => {}
        }
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
