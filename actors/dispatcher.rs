//! The dispatcher: which ready bead of a rig goes to whom, and how many at once.
//!
//! - Owns: the pace at which a rig's workers are given work.
//! - Hears: bells, when beads were slung, freed or closed, or hooks became free.
//! - Says: hooks, to the scribe; wakes the polecat whose hook it is.
//! - Wakes: from the hooks of the rig, so that after a restart every worker with a hook lives again. When the
//!   last worker was given work stands on the board, so the rig's pace outlasts a restart, too.
//! - Fails: when it cannot record.

use std::time::Duration;

use clerk::bell::Ear;
use clerk::{capacity, waits};
use model::answer::Answer;
use model::ids::RigName;
use model::refusal::Refusal;
use model::role::Address;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::errand::Errand;
use crate::role::Post;
use crate::seat::WITHOUT_MEMORY;
use crate::tools::Tools;
use crate::vitals::{Digest, Named};

/// The name in the tree of the dispatcher of `rig`.
pub fn name(rig: &RigName) -> String {
    format!("{rig}/dispatcher")
}

/// How long nothing is tried by itself while the ledger cannot be written.
const WITHOUT_DISK: Duration = Duration::from_secs(20);

/// Whose dispatcher.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The handles.
    pub tools: Tools,
    /// Which rig.
    pub rig: RigName,
}

/// What a dispatcher hears.
#[derive(Debug)]
pub enum Message {
    /// Look at the board.
    Look,
}

/// What a dispatcher is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    rig: RigName,
    timer: Option<Errand>,
    post: Post,
}

/// The actor.
#[derive(Debug)]
pub struct Dispatcher;

impl Actor for Dispatcher {
    type Msg = Message;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, me: ActorRef<Message>, args: Arguments) -> Result<State, ActorProcessingErr> {
        let Arguments { tools, rig } = args;
        let post = Post::listening(&tools, Ear::Dispatcher(rig.clone()), &me, || Message::Look);
        Ok(State { tools, rig, timer: None, post })
    }

    async fn post_start(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.post.bell.pull();
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        Message::Look: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.post.bell.heard();
        state.timer = None;
        // Everybody is rung when it thaws.
        if state.tools.freeze.is_frozen() || state.tools.is_stopping() {
            return Ok(());
        }
        state.wake();
        state.assign(&me).await
    }
}

impl Named for Message {
    fn name(&self) -> &'static str {
        "Look"
    }
}

impl Digest for State {
    fn digest(&self) -> String {
        self.timer.as_ref().map(|_| "was to look again later".to_owned()).unwrap_or_default()
    }
}

impl State {
    /// Sees to it that every worker lives that has a hook, a worktree or a session to see to.
    fn wake(&self) {
        let wanted: Vec<Address> = self.tools.look(|board| {
            let hooked = board.hooks.in_rig(&self.rig).map(|hook| hook.agent.clone());
            let left = board.agents.in_rig(&self.rig).filter(|(_, agent)| {
                agent.sandbox.is_some() || agent.session.as_ref().is_some_and(|open| open.end.is_none())
            });
            let all = hooked.chain(left.map(|(address, _)| address.clone()));
            all.filter(|address| matches!(address, Address::Polecat(..))).collect()
        });
        let Some(nursery) = self.tools.nursery.get() else { return };
        for worker in wanted {
            if !self.tools.directory.hears(&Ear::Role(worker.clone())) {
                nursery.wake(&worker);
            } else if self.tools.directory.session(&worker).is_none() {
                // It may have waited for a place.
                self.tools.directory.ring(&Ear::Role(worker));
            }
        }
    }

    /// Hangs what can go on hooks, one after the other, at the pace that the rig sets.
    async fn assign(&mut self, me: &ActorRef<Message>) -> Result<(), ActorProcessingErr> {
        self.feed().await?;
        loop {
            let town = self.tools.town();
            let (Ok(rig), Ok(limits)) = (town.rig(&self.rig), self.tools.limits(&self.rig)) else {
                return Ok(());
            };
            let (pool, delay, now) = (&rig.workers, rig.worker_spawn_delay, self.tools.clock.now());
            let rest = town.town.policies.redispatch_after;
            let (next, pause) = self.tools.look(|board| {
                let next = clerk::hooks::next_assignment(board, &self.rig, pool, limits.rig, (now, rest));
                let next = next.filter(|_| capacity::full(board, &self.rig, &limits).is_none());
                (next, waits::pause_left(board, &self.rig, delay, now))
            });
            let Some((waiting, worker)) = next else {
                // A bead that rests after a failure is looked at when it has rested.
                let rested = self.tools.look(|board| clerk::hooks::rested_next(board, &self.rig, now, rest));
                if let Some(until) = rested {
                    self.look_after(until.since(now), me);
                }
                return Ok(());
            };
            if !pause.is_zero() {
                self.look_after(pause, me);
                return Ok(());
            }
            if self.tools.memory_short().is_some() {
                self.look_after(WITHOUT_MEMORY, me);
                return Ok(());
            }
            let (book, chosen) = (std::sync::Arc::clone(&self.tools.book), worker.clone());
            let bead = waiting.bead.clone();
            let hang = move |board: &ledger::views::Board, now| {
                // Another rig's dispatcher may have taken the town's last place since.
                if let (Some(rig), Some(full)) =
                    (chosen.rig(), chosen.rig().and_then(|rig| capacity::full(board, rig, &limits)))
                {
                    return Err(Refusal::failed("no_place", format!("{rig}: {full}")));
                }
                let mut draft = clerk::draft::Draft::new(board, Address::Runtime, now);
                clerk::hooks::hang(&mut draft, book.as_ref(), &waiting, &chosen)?;
                Ok((draft.finish(), Answer::Done))
            };
            match self.tools.decide(hang).await {
                Ok(_) => {
                    if let Some(nursery) = self.tools.nursery.get() {
                        nursery.wake(&worker);
                    }
                }
                // Somebody was quicker; the board says what is so now.
                Err(refusal) if matches!(refusal.code.as_str(), "bead_taken" | "hook_taken") => {}
                // Whoever changes that rings.
                Err(refusal) if matches!(refusal.code.as_str(), "no_place" | "rig_closed") => return Ok(()),
                // Everybody is rung when the disk can again; the timer is for a scribe that died meanwhile.
                Err(refusal) if refusal.is_of_the_disk() => {
                    self.look_after(WITHOUT_DISK, me);
                    return Ok(());
                }
                // Its formula cannot be poured: the bead goes back, with the reason.
                Err(refusal) => self.give_back(bead, refusal).await?,
            }
        }
    }

    /// Slings what is left lying of convoys that are on the road.
    async fn feed(&self) -> Result<(), ActorProcessingErr> {
        let now = self.tools.clock.now();
        if self.tools.look(|board| clerk::convoys::stranded(board, &self.rig, now).is_empty()) {
            return Ok(());
        }
        let rig = self.rig.clone();
        let write = move |draft: &mut clerk::draft::Draft<'_>| {
            clerk::convoys::feed(draft, &rig);
            Ok(())
        };
        match self.tools.write(&Address::Runtime, write).await {
            // Everybody is rung when the disk can again.
            Err(refusal) if refusal.is_of_the_disk() => Ok(()),
            done => Ok(done?),
        }
    }

    fn look_after(&mut self, wait: Duration, me: &ActorRef<Message>) {
        let (me, freeze) = (me.clone(), self.tools.freeze.clone());
        self.timer = Some(Errand::run(|_| async move {
            freeze.sleep(wait).await;
            let _ = me.cast(Message::Look);
        }));
    }

    async fn give_back(&self, bead: model::ids::BeadId, refusal: Refusal) -> Result<(), ActorProcessingErr> {
        let rig = self.rig.clone();
        let write = move |draft: &mut clerk::draft::Draft<'_>| {
            let reason = format!("it cannot be handed out: {refusal}");
            draft.push(model::event::Event::BeadUnslung { bead: bead.clone(), reason: reason.clone() });
            let subject = format!("{bead} cannot be handed out in {rig}");
            let body = format!("{reason}\n\nThen: gastown sling {bead} {rig}");
            draft.escalate("high", (Some(bead), None), subject, body, &[Address::Overseer]);
            Ok(())
        };
        Ok(self.tools.write(&Address::Runtime, write).await?)
    }
}
