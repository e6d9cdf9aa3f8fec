//! The Deacon: watches over the town as a whole, in code.
//!
//! - Owns: the verdicts on sessions that no Witness watches: the Mayor's, its own, the Refineries', the Witnesses'.
//! - Hears: bells, `Ask` from the switchboard.
//! - Says: verdicts, to the scribe.
//! - Wakes: from sessions that have no verdict, and what a configuration file has to say.
//! - Fails: alone; everybody else goes on.

use model::role::Address;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::directory::Ask;
use crate::judge;
use crate::role::{Post, serve_seat, vocabulary};
use crate::seat::Seat;
use crate::tools::Tools;

/// The name in the tree.
pub const NAME: &str = "deacon";

/// What the Deacon hears.
#[derive(Debug)]
pub enum Message {
    /// Look at the board.
    Look,
    /// Something that only it can answer.
    Ask(Ask),
}

vocabulary!(Message);

/// What the Deacon is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    seat: Seat,
    post: Post,
}

/// The actor.
#[derive(Debug)]
pub struct Deacon;

impl Actor for Deacon {
    type Msg = Message;
    type State = State;
    type Arguments = Tools;

    async fn pre_start(&self, me: ActorRef<Message>, tools: Tools) -> Result<State, ActorProcessingErr> {
        let seat = Seat::new(tools.clone(), Address::Deacon);
        seat.settle().await?;
        Ok(State { post: Post::of_role(&tools, &Address::Deacon, &me), tools, seat })
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
                state.seat.obey(&Address::Deacon);
                state.seat.mail();
                judge::all(&state.tools, &Address::Deacon, watches).await?;
            }
            Message::Ask(ask) => {
                serve_seat(ask, &mut state.seat, me.get_cell(), state.tools.paths.deacon()).await
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

/// Whether no Witness watches over `agent`.
fn watches(agent: &Address) -> bool {
    agent.rig().is_none() || matches!(agent, Address::Witness(_) | Address::Refinery(_))
}
