//! The supervisor: one actor type that carries decisions out, for every branch of the tree.
//!
//! - Owns: its children in start order, their restarts, their ends.
//! - Hears: its watchers' `Gone`, and requests for children that come and go.
//! - Says: notices to the observer; where everybody is, to the records.
//! - Wakes: from its branch alone. Children of the branch are started in order in `pre_start`; one
//!   that will not start ends those before it in reverse and fails the whole start.
//! - Fails: when children fail too often. It ends them in reverse first, so that its own
//!   supervisor, which restarts it, finds nothing left of them.
//!
//! ```text
//!            started              Gone, decided              Due
//!   (spec) ──────────▶ Running ─────────────────▶ Waiting ─────▶ Running
//!                         │  └───── decided ─────▶ Idle
//!                         └─ asked to ──▶ Leaving ── Gone ──▶ Idle, or forgotten
//! ```
//!
//! Children are not linked to the supervisor in ractor's sense, but to the town's
//! coroner, and are ended by their watchers when the supervisor is gone, by
//! their graces, where ractor would kill them all at once.
//!
//! Each incarnation has a generation; what is said of another one is ignored. So a child that was
//! stopped or replaced during a back-off is not raised from the dead by a late timer.
//!
//! Calls never go upwards: a child that needs its supervisor to act must not wait for it in
//! `pre_start` or `post_stop`.

mod children;
mod requests;
mod restarts;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use actors::living_tree::NodeState;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::sync::mpsc;

pub use self::children::State;
use self::children::{Child, Ties};
use crate::child::Lease;
use crate::decision::Exit;
use crate::policy::{Restart, Senseless, Shutdown};
use crate::report::{CrashReport, Records};
use crate::spec::{ChildKind, DynBranch, DynChild, Start, plain};

/// Why a child was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is one of this name, alive or on its way up or down.
    #[error("{0} is there already")]
    AlreadyPresent(String),
    /// It has failed too often, and has to be deleted before it is started again.
    #[error("{0} has failed too often and was set aside")]
    SetAside(String),
    /// It would not start.
    #[error("cannot start {child}: {reason}")]
    Failed {
        /// Who.
        child: String,
        /// Why.
        reason: String,
    },
    /// It makes no sense below this supervisor, and was not tried.
    #[error("cannot start {child}: {why}")]
    Senseless {
        /// Who.
        child: String,
        /// Why.
        why: Senseless,
    },
}

/// Why a child was neither started again nor deleted.
#[derive(Debug, thiserror::Error)]
pub enum NotDown {
    /// There is no such child.
    #[error(transparent)]
    Unknown(#[from] UnknownChild),
    /// It is alive, or on its way down.
    #[error("{0} is running")]
    Running(String),
    /// Its supervisor is about to start it.
    #[error("{0} is about to be started again")]
    Restarting(String),
    /// It would not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// There is no child of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{supervisor} has no child {child}")]
pub struct UnknownChild {
    /// Who was asked.
    pub supervisor: String,
    /// About whom.
    pub child: String,
}

/// A child as its supervisor sees it.
#[derive(Clone, Debug)]
pub struct ChildStatus {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ChildKind,
    /// How it fares.
    pub state: NodeState,
    /// How often it was started again.
    pub restarts: u64,
    /// The actor, while there is one.
    pub actor: Option<ActorCell>,
}

/// What a supervisor can be asked. [`crate::desk::Desk`] asks it.
#[derive(Debug)]
pub enum Message {
    /// Start a child that is not of the branch. It is forgotten when it ends for good, and when
    /// the supervisor is restarted.
    StartChild(Box<DynChild>, RpcReplyPort<Result<ActorCell, StartError>>),
    /// End a child by its grace and forget it. Answered when nothing is left of it; meanwhile
    /// the supervisor goes on with other work.
    StopChild(String, RpcReplyPort<Result<(), UnknownChild>>),
    /// End a child by its grace and keep its place, unless it is temporary or not of the branch: it can be
    /// started again, by request or with its siblings. Answered when nothing is left of it.
    TerminateChild(String, RpcReplyPort<Result<(), UnknownChild>>),
    /// Start a child again that is down and has kept its place.
    RestartChild(String, RpcReplyPort<Result<ActorCell, NotDown>>),
    /// Forget a child that is down.
    DeleteChild(String, RpcReplyPort<Result<(), NotDown>>),
    /// Kill a child, as if it had failed.
    KillChild(String, RpcReplyPort<Result<(), UnknownChild>>),
    /// Tell of all children, in start order.
    WhichChildren(RpcReplyPort<Vec<ChildStatus>>),
    /// A note of the supervisor to itself.
    Note(Note),
}

/// What a supervisor tells itself.
#[derive(Debug)]
pub struct Note(Inner);

#[derive(Debug)]
enum Inner {
    /// Nothing is left of this incarnation; how it died, where that was heard.
    Gone { generation: u64, exit: Option<Exit> },
    /// These incarnations are to be started, in this order.
    Due { generations: Vec<u64>, count: usize },
    /// This incarnation could not be started.
    WouldNotStart { generation: u64, reason: String },
}

/// How a tree has ended; written once, by its root.
#[derive(Clone, Debug)]
pub(crate) enum Epitaph {
    Stopped,
    Killed,
    GaveUp(CrashReport),
}

/// What a supervisor starts from.
#[derive(Debug)]
pub struct Arguments {
    pub(crate) branch: DynBranch,
    pub(crate) records: Records,
    pub(crate) lease: Lease,
    pub(crate) coroner: ActorCell,
    pub(crate) epitaph: Option<Arc<OnceLock<Epitaph>>>,
}

/// The actor; all it knows is in its state.
#[derive(Clone, Copy, Debug)]
pub struct Supervisor;

/// Returns the start function of a supervisor, for its place below another one.
///
/// Its handle resolves when the supervisor and everything below it is gone, however it ended.
pub fn start(branch: DynBranch, records: Records) -> Start {
    Start::new(move |coroner| {
        let (branch, records) = (branch.clone(), records.clone());
        Box::pin(async move {
            let (lease, mut leases) = mpsc::channel::<Infallible>(1);
            let arguments = Arguments { branch, records, lease, coroner: coroner.clone(), epitaph: None };
            match Supervisor::spawn_linked(None, Supervisor, arguments, coroner).await {
                Ok((actor, handle)) => {
                    let all = tokio::spawn(async move {
                        let _ = handle.await;
                        let _ = leases.recv().await;
                    });
                    Ok((actor.get_cell(), all))
                }
                Err(error) => {
                    let _ = leases.recv().await;
                    Err(plain(error))
                }
            }
        })
    })
}

impl DynChild {
    /// Returns a supervisor as a child: it is given all the time it needs to start and to end its
    /// children.
    pub fn supervisor(branch: DynBranch, restart: Restart, records: &Records) -> Self {
        let name = branch.name.clone();
        let start = start(branch, records.clone());
        Self {
            kind: ChildKind::Supervisor,
            start_within: None,
            ..Self::actor(name, restart, Shutdown::Infinite, start)
        }
    }
}

impl Actor for Supervisor {
    type Msg = Message;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<Message>,
        arguments: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let Arguments { branch, records, lease, coroner, epitaph } = arguments;
        let DynBranch { name, rules, children } = branch;
        records.tree.set_strategy(&name, rules.strategy.as_str());
        let mut state = State::new(name, rules, Ties { records, lease, coroner, epitaph });
        children.iter().try_for_each(|spec| state.admit(spec))?;
        for spec in children {
            if let Err(error) = state.add(spec, false, &me).await {
                state.end_all().await;
                return Err(error.into());
            }
        }
        Ok(state)
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.end_all().await;
        state.write_epitaph(Epitaph::Stopped);
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::StartChild(spec, reply) => {
                let _ = reply.send(state.add(*spec, true, &me).await);
                Ok(())
            }
            Message::StopChild(name, reply) => {
                state.stop_child(&name, reply);
                Ok(())
            }
            Message::TerminateChild(name, reply) => {
                state.terminate_child(&name, reply);
                Ok(())
            }
            Message::RestartChild(name, reply) => {
                let _ = reply.send(state.restart_child(&name, &me).await);
                Ok(())
            }
            Message::DeleteChild(name, reply) => {
                let _ = reply.send(state.delete_child(&name));
                Ok(())
            }
            Message::KillChild(name, reply) => {
                let _ = reply.send(state.kill_child(&name));
                Ok(())
            }
            Message::WhichChildren(reply) => {
                let _ = reply.send(state.children.iter().map(Child::status).collect());
                Ok(())
            }
            Message::Note(Note(Inner::Gone { generation, exit })) => state.gone(generation, exit, &me).await,
            Message::Note(Note(Inner::Due { generations, count })) => {
                state.due(&generations, count, &me).await;
                Ok(())
            }
            Message::Note(Note(Inner::WouldNotStart { generation, reason })) => {
                state.would_not_start(generation, reason, &me).await
            }
        }
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        _: SupervisionEvent,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // Nobody is linked to a supervisor. ractor's default would stop it if somebody were.
        Ok(())
    }
}
