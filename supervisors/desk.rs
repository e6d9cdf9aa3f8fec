//! The desk: asks supervisors by name, and finds whoever bears a name now.
//!
//! References do not follow a restart, so each request looks its supervisor up anew. No request
//! waits without end; one that timed out may still be carried out. Ask down or sideways: an actor
//! must not ask the supervisor above it from its own `pre_start` or `post_stop`.

use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{ActorCell, ActorRef, RpcReplyPort};

use crate::report::Living;
use crate::spec::{ChildKind, DynChild};
use crate::supervisor::{ChildStatus, Message, NotDown, StartError, UnknownChild};

/// How long an answer may take. A supervisor answers between two ends of its children, so this is
/// longer than any one grace.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Nobody of this name is alive now; it may be between two lives.
    #[error("{0} is not alive")]
    NotAlive(String),
    /// It did not answer in time, or died over it.
    #[error("{0} does not answer")]
    NoAnswer(String),
    /// The child was not started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no such child.
    #[error(transparent)]
    Unknown(#[from] UnknownChild),
    /// The child is not down, or cannot be started again.
    #[error(transparent)]
    NotDown(#[from] NotDown),
}

/// How many children a supervisor has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All, dead or alive.
    pub specs: usize,
    /// Those that are alive.
    pub active: usize,
    /// Those that are supervisors, dead or alive.
    pub supervisors: usize,
    /// Those that are not.
    pub workers: usize,
}

/// Asks supervisors. Clones ask the same town.
#[derive(Clone, Debug)]
pub struct Desk {
    living: Living,
}

impl Desk {
    /// Returns the desk of the town whose people are listed in `living`.
    #[must_use]
    pub fn new(living: Living) -> Self {
        Self { living }
    }

    /// Returns the actor that now bears `name`.
    ///
    /// # Errors
    /// When there is none, or it is just between two lives.
    pub fn find(&self, name: &str) -> Result<ActorCell, DeskError> {
        self.living.find(name).ok_or_else(|| DeskError::NotAlive(name.to_owned()))
    }

    /// Starts a child below a supervisor and returns it when its `pre_start` is through.
    ///
    /// # Errors
    /// When there is one of that name already, when it does not start, or nobody answers.
    pub async fn start_child(&self, supervisor: &str, child: DynChild) -> Result<ActorCell, DeskError> {
        let started = self.ask(supervisor, |reply| Message::StartChild(Box::new(child), reply)).await?;
        Ok(started?)
    }

    /// Ends a child by its grace and forgets it; returns when nothing is left of it.
    ///
    /// # Errors
    /// When there is no such child, or nobody answers.
    pub async fn stop_child(&self, supervisor: &str, child: &str) -> Result<(), DeskError> {
        let child = child.to_owned();
        Ok(self.ask(supervisor, |reply| Message::StopChild(child, reply)).await??)
    }

    /// Ends a child by its grace; returns when nothing is left of it. Its place is kept, unless it is
    /// temporary or came at run time.
    ///
    /// # Errors
    /// When there is no such child, or nobody answers.
    pub async fn terminate_child(&self, supervisor: &str, child: &str) -> Result<(), DeskError> {
        let child = child.to_owned();
        Ok(self.ask(supervisor, |reply| Message::TerminateChild(child, reply)).await??)
    }

    /// Starts a child again that is down, and returns it when its `pre_start` is through.
    ///
    /// # Errors
    /// When there is no such child, when it is not down or does not start, or nobody answers.
    pub async fn restart_child(&self, supervisor: &str, child: &str) -> Result<ActorCell, DeskError> {
        let child = child.to_owned();
        Ok(self.ask(supervisor, |reply| Message::RestartChild(child, reply)).await??)
    }

    /// Forgets a child that is down.
    ///
    /// # Errors
    /// When there is no such child, when it is not down, or nobody answers.
    pub async fn delete_child(&self, supervisor: &str, child: &str) -> Result<(), DeskError> {
        let child = child.to_owned();
        Ok(self.ask(supervisor, |reply| Message::DeleteChild(child, reply)).await??)
    }

    /// Kills a child as if it had failed; its supervisor does what its policy says.
    ///
    /// # Errors
    /// When no such child is alive, or nobody answers.
    pub async fn kill_child(&self, supervisor: &str, child: &str) -> Result<(), DeskError> {
        let child = child.to_owned();
        Ok(self.ask(supervisor, |reply| Message::KillChild(child, reply)).await??)
    }

    /// Kills whoever bears `name`, supervisors included, as if it had failed.
    ///
    /// # Errors
    /// When nobody of that name is alive.
    pub fn kill(&self, name: &str) -> Result<(), DeskError> {
        self.find(name)?.kill();
        Ok(())
    }

    /// Returns a supervisor's children in start order.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn which_children(&self, supervisor: &str) -> Result<Vec<ChildStatus>, DeskError> {
        self.ask(supervisor, Message::WhichChildren).await
    }

    /// Returns how many children a supervisor has.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn count_children(&self, supervisor: &str) -> Result<Counts, DeskError> {
        let mut counts = Counts::default();
        for child in self.which_children(supervisor).await? {
            counts.specs += 1;
            counts.active += usize::from(child.actor.is_some());
            match child.kind {
                ChildKind::Supervisor => counts.supervisors += 1,
                ChildKind::Actor => counts.workers += 1,
            }
        }
        Ok(counts)
    }

    async fn ask<T: Send + 'static>(
        &self,
        supervisor: &str,
        question: impl FnOnce(RpcReplyPort<T>) -> Message,
    ) -> Result<T, DeskError> {
        let actor: ActorRef<Message> = self.find(supervisor)?.into();
        match actor.call(question, Some(ANSWER_WITHIN)).await {
            Ok(CallResult::Success(answer)) => Ok(answer),
            Ok(_) | Err(_) => Err(DeskError::NoAnswer(supervisor.to_owned())),
        }
    }
}
