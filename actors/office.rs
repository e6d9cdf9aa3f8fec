//! An office of the town: a seat whose agent is started for judgement only, and a duty that is code.
//!
//! - Owns: the session of its agent.
//! - Hears: bells, `Ask` from the switchboard.
//! - Says: what its duty records.
//! - Wakes: by doing its duty once.
//! - Fails: alone; everybody else goes on.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use model::refusal::Refusal;
use model::role::Address;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::directory::Ask;
use crate::errand::Errand;
use crate::role::{Post, serve_seat, vocabulary};
use crate::seat::Seat;
use crate::tools::Tools;
use crate::vitals::Digest;

/// What makes one office different from another.
pub trait Duty: Send + Sync + 'static {
    /// Where the office is.
    const ADDRESS: Address;

    /// Where its agent works.
    fn folder(tools: &Tools) -> PathBuf;

    /// What it does whenever it looks at the board; says after which time it wants to look again even when
    /// nothing happens.
    ///
    /// # Errors
    /// What keeps it from its duty; it is then started afresh.
    fn look(tools: &Tools) -> impl Future<Output = Result<Option<Duration>, Refusal>> + Send;

    /// What it sees to before it ends in order.
    fn leave(_: &Tools) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What an office hears.
#[derive(Debug)]
pub enum Message {
    /// Look at the board.
    Look,
    /// Something that only it can answer.
    Ask(Ask),
}

vocabulary!(Message);

/// What an office is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    seat: Seat,
    timer: Option<Errand>,
    post: Post,
}

impl Digest for State {
    fn digest(&self) -> String {
        let timer = if self.timer.is_some() { ", was to look again later" } else { "" };
        format!("{}{timer}", self.seat.digest())
    }
}

/// The actor.
pub struct Office<D>(PhantomData<D>);

impl<D> Default for Office<D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<D: Duty> fmt::Debug for Office<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Office({})", D::ADDRESS)
    }
}

impl<D: Duty> Actor for Office<D> {
    type Msg = Message;
    type State = State;
    type Arguments = Tools;

    async fn pre_start(&self, me: ActorRef<Message>, tools: Tools) -> Result<State, ActorProcessingErr> {
        let seat = Seat::new(tools.clone(), D::ADDRESS);
        seat.settle().await?;
        Ok(State { post: Post::of_role(&tools, &D::ADDRESS, &me), tools, seat, timer: None })
    }

    async fn post_start(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
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
                state.seat.obey(&D::ADDRESS);
                state.seat.mail();
                let folder = D::folder(&state.tools);
                state.seat.again(me.get_cell(), folder.clone()).await;
                let called = state.seat.judge(me.get_cell(), folder).await;
                let next = D::look(&state.tools).await?.into_iter().chain(called).min();
                let freeze = state.tools.freeze.clone();
                state.timer = next.map(|wait| {
                    Errand::run(|_| async move {
                        freeze.sleep(wait).await;
                        let _ = me.cast(Message::Look);
                    })
                });
            }
            Message::Ask(ask) => {
                serve_seat(ask, &mut state.seat, me.get_cell(), D::folder(&state.tools)).await
            }
        }
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
        state.seat.close().await;
        D::leave(&state.tools).await;
        Ok(())
    }
}
