//! Children and branches in their running form: the table's lines with start functions.
//!
//! A start function is type-erased, so that any actor can be a child, and an actor type may sit
//! below itself. It is called for the first start and for every restart alike, so it must make its
//! arguments afresh each time and hold no live handle.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorCell, SpawnErr};

use crate::policy::{Backoff, Branch, ChildSpec, Restart, Rules, Shutdown};

/// Anything that can go wrong in a child's start.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A child that has started: the actor and the task it runs in.
///
/// Where the actor has children of its own, the handle must not resolve before they are gone.
pub type Started = (ActorCell, JoinHandle<()>);

/// What a start function returns.
pub type Starting = Pin<Box<dyn Future<Output = Result<Started, BoxError>> + Send>>;

/// How long a child's `pre_start` may take where nothing else is said.
pub const START_WITHIN: Duration = Duration::from_secs(30);

/// Starts a child, linked to the actor it is given: not the supervisor, but one that hears of all
/// ends (see [`crate::supervisor`]).
///
/// Nothing may be awaited between the child's spawn and the return: a supervisor that is killed
/// just then would leave a child that nobody knows of.
#[derive(Clone)]
pub struct Start(Arc<dyn Fn(ActorCell) -> Starting + Send + Sync>);

impl Start {
    /// Wraps any start function.
    pub fn new(start: impl Fn(ActorCell) -> Starting + Send + Sync + 'static) -> Self {
        Self(Arc::new(start))
    }

    /// Returns the start function of an actor.
    ///
    /// * `name` - what ractor's registry, which is one per process, shall know it by.
    /// * `make` - makes the actor and its arguments, afresh for every start.
    pub fn actor<A: Actor>(
        name: Option<String>,
        make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    ) -> Self {
        Self::new(move |link| {
            let (actor, arguments) = make();
            let name = name.clone();
            Box::pin(async move {
                let (actor, handle) = A::spawn_linked(name, actor, arguments, link).await.map_err(plain)?;
                Ok((actor.get_cell(), handle))
            })
        })
    }

    pub(crate) fn begin(&self, link: ActorCell) -> Starting {
        (self.0)(link)
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Start")
    }
}

/// Returns what the actor itself said, without ractor's sentence around it, which speaks of a panic
/// whatever it was.
pub(crate) fn plain(error: SpawnErr) -> BoxError {
    match error {
        SpawnErr::StartupFailed(inner) => inner,
        other => other.into(),
    }
}

/// What a child is, for the living tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildKind {
    /// An actor that does work.
    Actor,
    /// A supervisor with children of its own.
    Supervisor,
}

/// A child in its running form.
#[derive(Clone, Debug)]
pub struct DynChild {
    /// Unique in the town: `scribe`, `rig web`, `rig web/polecats/backend`.
    pub name: String,
    /// What it is.
    pub kind: ChildKind,
    /// Whether it is started again.
    pub restart: Restart,
    /// How it is ended.
    pub shutdown: Shutdown,
    /// Whether its end for good may end the supervisor.
    pub significant: bool,
    /// The wait before a restart, if there is to be one.
    pub backoff: Option<Backoff>,
    /// How long its start may take; `None` is without end.
    pub start_within: Option<Duration>,
    /// Starts it.
    pub start: Start,
}

impl DynChild {
    /// Returns an actor as a child, without significance and back-off.
    pub fn actor(name: impl Into<String>, restart: Restart, shutdown: Shutdown, start: Start) -> Self {
        Self {
            name: name.into(),
            kind: ChildKind::Actor,
            restart,
            shutdown,
            significant: false,
            backoff: None,
            start_within: Some(START_WITHIN),
            start,
        }
    }

    /// Returns the running form of a line of the table.
    ///
    /// * `name` - its name in the town.
    /// * `start` - the call that the line's `child` stands for.
    pub fn from_spec<K>(spec: &ChildSpec<K>, name: impl Into<String>, start: Start) -> Self {
        Self {
            significant: spec.significant,
            backoff: spec.backoff,
            ..Self::actor(name, spec.restart, spec.grace, start)
        }
    }
}

/// A supervisor in its running form.
#[derive(Clone, Debug)]
pub struct DynBranch {
    /// Unique in the town.
    pub name: String,
    /// What holds for it.
    pub rules: Rules,
    /// The children it always has, in start order. More may come at run time.
    pub children: Vec<DynChild>,
}

impl DynBranch {
    /// Returns a supervisor without children.
    pub fn new(name: impl Into<String>, rules: Rules) -> Self {
        Self { name: name.into(), rules, children: Vec::new() }
    }

    /// Returns the running form of a branch of the table.
    ///
    /// * `name` - its name in the town, the branch's own for branches that exist once.
    /// * `raise` - the running form of each line.
    pub fn from_table<K>(
        branch: &Branch<K>,
        name: impl Into<String>,
        raise: impl FnMut(&ChildSpec<K>) -> DynChild,
    ) -> Self {
        Self { name: name.into(), rules: branch.rules, children: branch.children.iter().map(raise).collect() }
    }
}
