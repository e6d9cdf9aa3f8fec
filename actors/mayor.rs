//! The Mayor: the person's interlocutor, and whom the town's escalations go to.
//!
//! - Owns: the session of its agent, which is started for judgement only.
//! - Hears: bells, `Ask` from the switchboard.
//! - Says: nothing by itself; its letters wait to be read.
//! - Wakes: with nothing to do.
//! - Fails: alone; everybody else goes on.

use model::role::Address;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::directory::Ask;
use crate::role::{Post, serve_seat, vocabulary};
use crate::seat::Seat;
use crate::tools::Tools;

/// The name in the tree.
pub const NAME: &str = "mayor";

/// What the Mayor hears.
#[derive(Debug)]
pub enum Message {
    /// Look at the board.
    Look,
    /// Something that only it can answer.
    Ask(Ask),
}

vocabulary!(Message);

/// What the Mayor is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    seat: Seat,
    post: Post,
}

/// The actor.
#[derive(Debug)]
pub struct Mayor;

impl Actor for Mayor {
    type Msg = Message;
    type State = State;
    type Arguments = Tools;

    async fn pre_start(&self, me: ActorRef<Message>, tools: Tools) -> Result<State, ActorProcessingErr> {
        let seat = Seat::new(tools.clone(), Address::Mayor);
        seat.settle().await?;
        Ok(State { post: Post::of_role(&tools, &Address::Mayor, &me), tools, seat })
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
                state.seat.obey(&Address::Mayor);
                state.seat.mail();
            }
            Message::Ask(ask) => {
                serve_seat(ask, &mut state.seat, me.get_cell(), state.tools.paths.mayor()).await
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
        Ok(())
    }
}
