//! What a supervisor does for those who ask it: ends, starts again, deletes and kills its children.

use ractor::{ActorCell, ActorRef, RpcReplyPort};

use actors::living_tree::NodeState;

use super::children::{Leaving, Phase, State};
use super::{Message, NotDown, StartError, UnknownChild};
use crate::policy::Restart;

type Reply = RpcReplyPort<Result<(), UnknownChild>>;

impl State {
    /// Ends a child and gives its place up.
    pub(super) fn stop_child(&mut self, name: &str, reply: Reply) {
        self.ask_to_leave(name, true, reply);
    }

    /// Ends a child and keeps its place, if it has one of its own that outlives it.
    pub(super) fn terminate_child(&mut self, name: &str, reply: Reply) {
        self.ask_to_leave(name, false, reply);
    }

    fn ask_to_leave(&mut self, name: &str, forget: bool, reply: Reply) {
        let Some(place) = self.place_of(name) else {
            let _ = reply.send(Err(self.unknown(name)));
            return;
        };
        let child = &mut self.children[place];
        let forget = forget || child.dynamic || child.spec.restart == Restart::Temporary;
        match std::mem::replace(&mut child.phase, Phase::Idle) {
            Phase::Running(running) => {
                // Its watcher says `Gone` when it is over; the generation stays.
                let ended = running.begin_end();
                child.phase = Phase::Leaving(Leaving { ended, forget, replies: vec![reply] });
                self.ties.records.tree.set_state(name, NodeState::Stopped);
            }
            Phase::Leaving(mut leaving) => {
                leaving.forget |= forget;
                leaving.replies.push(reply);
                child.phase = Phase::Leaving(leaving);
            }
            Phase::Waiting | Phase::Idle => {
                if forget {
                    self.forget(place);
                } else {
                    self.lay_down(place);
                }
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// Starts a child again that is down.
    pub(super) async fn restart_child(
        &mut self,
        name: &str,
        me: &ActorRef<Message>,
    ) -> Result<ActorCell, NotDown> {
        let place = self.down(name)?;
        self.children[place].set_aside = false;
        self.bring_up(place, me)
            .await
            .map_err(|reason| StartError::Failed { child: name.to_owned(), reason }.into())
    }

    /// Forgets a child that is down.
    pub(super) fn delete_child(&mut self, name: &str) -> Result<(), NotDown> {
        let place = self.down(name)?;
        self.forget(place);
        Ok(())
    }

    /// The place of a child that is down, and stays so by itself.
    fn down(&self, name: &str) -> Result<usize, NotDown> {
        let place = self.place_of(name).ok_or_else(|| self.unknown(name))?;
        match self.children[place].phase {
            Phase::Idle => Ok(place),
            Phase::Waiting => Err(NotDown::Restarting(name.to_owned())),
            Phase::Running(_) | Phase::Leaving(_) => Err(NotDown::Running(name.to_owned())),
        }
    }

    /// Kills a child, as if it had failed.
    pub(super) fn kill_child(&self, name: &str) -> Result<(), UnknownChild> {
        let place = self.place_of(name).ok_or_else(|| self.unknown(name))?;
        match &self.children[place].phase {
            Phase::Running(running) => {
                running.cell.kill();
                Ok(())
            }
            _ => Err(self.unknown(name)),
        }
    }
}
