//! What supervisors write down: notices for whoever listens, the living tree, and who is where.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actors::living_tree::TreeHandle;
use ractor::{ActorCell, ActorStatus};

/// Something that a supervisor has seen or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A child has started, for the first time or again.
    Started {
        /// Its supervisor.
        supervisor: String,
        /// The child.
        child: String,
    },
    /// A child has ended and its remains are cleared away.
    Ended {
        /// Its supervisor.
        supervisor: String,
        /// The child.
        child: String,
        /// Why: the error with its sources, the panic's message, `killed`, or the stop's reason.
        reason: String,
        /// Whether it counts as a failure.
        abnormal: bool,
    },
    /// A child was started again.
    Restarted {
        /// Its supervisor.
        supervisor: String,
        /// The child.
        child: String,
        /// How many restarts the window holds, this one included.
        count: usize,
        /// The length of the window.
        within: Duration,
    },
    /// A child that has failed is not started again, as its policy has it.
    Left {
        /// Its supervisor.
        supervisor: String,
        /// The child.
        child: String,
    },
    /// A child could not be started again; this counts as one more failure.
    StartFailed {
        /// Its supervisor.
        supervisor: String,
        /// The child.
        child: String,
        /// Why.
        reason: String,
    },
    /// A child has failed too often. Told once; nobody will start it again by itself.
    GaveUp(CrashReport),
}

/// Why a supervisor gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashReport {
    /// The supervisor that gave up.
    pub supervisor: String,
    /// The child that failed once too often.
    pub child: String,
    /// Why it failed the last time.
    pub reason: String,
    /// How many restarts there would have been within the window.
    pub restarts: usize,
    /// The length of the window.
    pub within: Duration,
    /// Whether the supervisor itself fails for it, or has set the child aside and goes on.
    pub escalated: bool,
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { supervisor, child, reason, restarts, .. } = self;
        if supervisor == child {
            return write!(f, "{supervisor} has ended: {reason}");
        }
        write!(f, "{supervisor} gave up: {child} would have been restarted {restarts} times: {reason}")
    }
}

impl std::error::Error for CrashReport {}

/// Is told what happens in the tree.
///
/// Called from within supervisors, so it must neither block nor wait for an actor: hand the notice
/// on and return.
pub trait Observer: Send + Sync + 'static {
    /// Takes one notice.
    fn notice(&self, notice: &Notice);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaf;

impl Observer for Deaf {
    fn notice(&self, _: &Notice) {}
}

/// Where everybody is right now: names to actors. References do not follow a restart, so ask again
/// for each use.
#[derive(Clone, Debug, Default)]
pub struct Living(Arc<RwLock<HashMap<String, ActorCell>>>);

impl Living {
    /// Returns the actor that now bears `name`, unless it has ended.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ActorCell> {
        let living = self.0.read().unwrap_or_else(PoisonError::into_inner);
        living.get(name).filter(|cell| cell.get_status() < ActorStatus::Stopping).cloned()
    }

    pub(crate) fn everyone(&self) -> Vec<ActorCell> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn enter(&self, name: &str, cell: ActorCell) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), cell);
    }

    pub(crate) fn leave(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// What all supervisors of a town write into.
#[derive(Clone)]
pub struct Records {
    /// The picture of the tree.
    pub tree: TreeHandle,
    /// Who is where.
    pub living: Living,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
}

impl Records {
    /// Returns empty records for one town.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self { tree: TreeHandle::new(), living: Living::default(), observer }
    }

    pub(crate) fn tell(&self, notice: Notice) {
        match &notice {
            Notice::Started { supervisor, child } => tracing::debug!(%supervisor, %child, "started"),
            Notice::Ended { supervisor, child, reason, abnormal: true } => {
                tracing::warn!(%supervisor, %child, %reason, "ended abnormally");
            }
            Notice::Ended { supervisor, child, reason, abnormal: false } => {
                tracing::debug!(%supervisor, %child, %reason, "ended");
            }
            Notice::Left { supervisor, child } => tracing::info!(%supervisor, %child, "is left as it is"),
            Notice::Restarted { supervisor, child, count, .. } => {
                tracing::info!(%supervisor, %child, count, "restarted");
            }
            Notice::StartFailed { supervisor, child, reason } => {
                tracing::warn!(%supervisor, %child, %reason, "could not be started again");
            }
            Notice::GaveUp(report) => tracing::error!(%report, "gave up"),
        }
        self.observer.notice(&notice);
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("tree", &self.tree).finish_non_exhaustive()
    }
}

/// Returns an error with its sources, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let source_text = source.to_string();
        // Some errors print their source themselves, ractor's among them.
        if !text.contains(&source_text) {
            text.push_str(": ");
            text.push_str(&source_text);
        }
        next = source.source();
    }
    text
}
