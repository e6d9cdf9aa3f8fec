//! The coroner: hears of every death in the town, and lets go of what the dead held.
//!
//! ractor sends the state of a stopped or killed actor to whom it is linked to, inside an event.
//! Were that its supervisor, the state would be as long-lived as the supervisor's mailbox: one that
//! dies in the moment when its child's event is on its way leaves the state in a queue that nobody
//! empties, and a terminal or a worktree has two owners as soon as the next incarnation starts.
//! (Rare, and seen.) So everybody is linked to one actor per town that outlives them all, does
//! nothing that can fail, and is known to nobody who could kill it.
//!
//! States are dropped each in a task of its own, as ractor does it with those of actors that failed: a panicking
//! `Drop` is nobody else's matter. A watcher's question is answered when the drop is over. (On a thread for
//! blocking work the replacement of a killed actor came milliseconds later where other programs kept the cores
//! busy, since that thread had to wait for its turn.)

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ractor::rpc::CallResult;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::task::JoinHandle;

use crate::decision::Exit;
use crate::report::{CrashReport, chain};

/// What the coroner can be asked.
#[derive(Debug)]
pub(crate) enum Message {
    /// How did this one die? Asked once, after the end of its task. `None`: nothing was heard.
    Cause(ActorId, RpcReplyPort<Option<Exit>>),
    /// The same, put off by one turn.
    CauseAgain(ActorId, RpcReplyPort<Option<Exit>>),
}

#[derive(Debug)]
struct Finding {
    exit: Exit,
    /// The state being dropped, where there was one.
    drop: Option<JoinHandle<()>>,
}

/// The actor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coroner;

/// Deaths that were not asked after yet.
#[derive(Debug, Default)]
pub(crate) struct State(HashMap<ActorId, Finding>);

impl Actor for Coroner {
    type Msg = Message;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<State, ActorProcessingErr> {
        Ok(State::default())
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (id, reply, again) = match message {
            Message::Cause(id, reply) => (id, reply, false),
            Message::CauseAgain(id, reply) => (id, reply, true),
        };
        match state.0.remove(&id) {
            Some(Finding { exit, drop: Some(drop) }) => {
                tokio::spawn(async move {
                    let _ = drop.await;
                    let _ = reply.send(Some(exit));
                });
            }
            Some(Finding { exit, drop: None }) => {
                let _ = reply.send(Some(exit));
            }
            None if again => {
                let _ = reply.send(None);
            }
            // The dead one's task was over when this was asked, so its event had been sent. But
            // event and question may both have come between our look at the port for events and
            // our look at the one for messages. On the next turn events are taken first.
            None => drop(me.cast(Message::CauseAgain(id, reply))),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                let why = chain(error.as_ref());
                let gave_up = error.downcast_ref::<CrashReport>().is_some();
                let exit = if gave_up { Exit::GaveUp(why) } else { Exit::Abnormal(why) };
                state.0.insert(cell.get_id(), Finding { exit, drop: None });
            }
            SupervisionEvent::ActorTerminated(cell, last, reason) => {
                let id = cell.get_id();
                let exit = match reason {
                    Some(reason) if reason == "killed" || reason == "actor_task_cancelled" => {
                        Exit::Abnormal(reason)
                    }
                    reason => Exit::Normal(reason),
                };
                let drop = last.map(|last| {
                    tokio::spawn(async move {
                        if catch_unwind(AssertUnwindSafe(|| drop(last))).is_err() {
                            tracing::error!(actor = %id, "panicked while its state was dropped");
                        }
                    })
                });
                state.0.insert(id, Finding { exit, drop });
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns how `who`, whose task is over, has died, once its state is dropped.
///
/// Waits as long as that takes: nobody may take its place before.
pub(crate) async fn cause_of_death(coroner: &ActorCell, who: ActorId) -> Option<Exit> {
    let coroner: ActorRef<Message> = coroner.clone().into();
    match coroner.call(|reply| Message::Cause(who, reply), None).await {
        Ok(CallResult::Success(exit)) => exit,
        // The runtime is being torn down.
        _ => None,
    }
}
