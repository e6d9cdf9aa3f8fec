//! Ends the session of a seat that has nothing to do: what it was started for is done, nothing else has come,
//! and nobody is at its terminal. A worker's session is not parked: its work ends it.

use std::time::Duration;

use model::agent::AgentState;
use ractor::ActorRef;

use super::{Message, State};
use crate::errand::Errand;

impl State {
    /// Sets the time when the session ends unless something happens until then.
    pub(super) fn watch_rest(&mut self, me: &ActorRef<Message>) {
        if self.state != AgentState::Idle || self.at_work {
            self.parking = None;
        } else if self.parking.is_none() {
            let (me, after, freeze) = (me.clone(), self.park_after(), self.tools.freeze.clone());
            self.parking = Some(Errand::run(|_| async move {
                freeze.sleep(after).await;
                let _ = me.cast(Message::NothingToDo);
            }));
        }
    }

    fn park_after(&self) -> Duration {
        self.tools.town().town.policies.park_after
    }

    /// It has been idle for a while: it ends, unless somebody is there or something was said meanwhile.
    pub(super) async fn park(&mut self) {
        self.parking = None;
        let seat = self.keyboard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_taken();
        let attached = seat || self.terminal.handle().viewers() > 0;
        if self.state == AgentState::Idle && !self.at_work && !attached && self.nudges.is_empty() {
            self.stop("parked: nothing to do", None).await;
        }
    }
}
