//! A town that runs: its root supervisor, and how it is stopped and waited for.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actors::living_tree::{NodeKind, NodeState};
use ractor::{Actor, ActorCell};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::coroner::Coroner;
use crate::desk::Desk;
use crate::policy::KILL_WAIT;
use crate::report::{CrashReport, Notice, Records, chain};
use crate::spec::{DynBranch, plain};
use crate::supervisor::{Arguments, Epitaph, StartError, Supervisor};

/// How a town has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TownEnd {
    /// It was stopped; everybody was ended in order.
    Stopped,
    /// It had to be killed when its grace was over.
    Killed,
    /// It could go on no longer.
    GaveUp {
        /// Who failed once too often, and why.
        report: CrashReport,
    },
}

/// A running town. Clones speak of the same one.
#[derive(Clone, Debug)]
pub struct Town {
    root: ActorCell,
    records: Records,
    epitaph: Arc<OnceLock<Epitaph>>,
    end: watch::Receiver<Option<TownEnd>>,
}

/// Starts a tree: children in order, each before the next.
///
/// # Errors
/// When a child does not start. Those that had started before it are ended by then, in reverse.
pub async fn start_town(branch: DynBranch, records: Records) -> Result<Town, StartError> {
    let name = branch.name.clone();
    records.tree.declare(None, &name, NodeKind::Supervisor);
    let (lease, mut leases) = mpsc::channel::<Infallible>(1);
    let epitaph = Arc::new(OnceLock::new());
    let (coroner, buried) = match Coroner::spawn(None, Coroner, ()).await {
        Ok(started) => started,
        Err(error) => {
            let reason = chain(plain(error).as_ref());
            return Err(StartError::Failed { child: name, reason });
        }
    };
    let arguments = Arguments {
        branch,
        records: records.clone(),
        lease,
        coroner: coroner.get_cell(),
        epitaph: Some(Arc::clone(&epitaph)),
    };
    let (actor, handle) = match Supervisor::spawn(None, Supervisor, arguments).await {
        Ok(started) => started,
        Err(error) => {
            let _ = leases.recv().await;
            coroner.stop(None);
            let reason = chain(plain(error).as_ref());
            return Err(StartError::Failed { child: name, reason });
        }
    };
    let root = actor.get_cell();
    records.living.enter(&name, root.clone());
    records.tree.set_state(&name, NodeState::Running);
    let (told, end) = watch::channel(None);
    let (last, words) = (records.clone(), Arc::clone(&epitaph));
    tokio::spawn(async move {
        let _ = handle.await;
        let _ = leases.recv().await;
        coroner.stop(None);
        let _ = buried.await;
        last.living.leave(&name);
        last.tree.set_state(&name, NodeState::Stopped);
        told.send_replace(Some(match words.get() {
            Some(Epitaph::Stopped) => TownEnd::Stopped,
            Some(Epitaph::GaveUp(report)) => TownEnd::GaveUp { report: report.clone() },
            Some(Epitaph::Killed) => TownEnd::Killed,
            // The root itself was killed or has panicked.
            None => {
                let report = wordless(name);
                last.tell(Notice::GaveUp(report.clone()));
                TownEnd::GaveUp { report }
            }
        }));
    });
    Ok(Town { root, records, epitaph, end })
}

fn wordless(root: String) -> CrashReport {
    CrashReport {
        supervisor: root.clone(),
        child: root,
        reason: "the root supervisor itself was killed or has panicked".to_owned(),
        restarts: 0,
        within: Duration::ZERO,
        escalated: true,
    }
}

impl Town {
    /// Returns the root supervisor.
    #[must_use]
    pub fn root(&self) -> &ActorCell {
        &self.root
    }

    /// Returns the living tree, and who is where.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Returns the desk where children can be started, stopped and killed by name.
    #[must_use]
    pub fn desk(&self) -> Desk {
        Desk::new(self.records.living.clone())
    }

    /// Ends everybody in order and returns when nothing is left.
    ///
    /// * `grace` - for the whole town; when it is over, whoever is left is killed. Make it longer
    ///   than the graces along the longest path add up to.
    pub async fn stop(&self, grace: Duration) -> TownEnd {
        self.root.stop(Some("the town stops".to_owned()));
        if let Ok(end) = timeout(grace, self.wait()).await {
            return end;
        }
        let _ = self.epitaph.set(Epitaph::Killed);
        // The root first, so that nobody is started again.
        self.root.kill();
        for cell in self.records.living.everyone() {
            cell.kill();
        }
        timeout(KILL_WAIT, self.wait()).await.unwrap_or(TownEnd::Killed)
    }

    /// Returns how the town ended, once nothing is left of it.
    pub async fn wait(&self) -> TownEnd {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(said) => said.clone(),
            Err(_) => None,
        }
        // The runtime is being torn down, and the task that would have told us with it.
        .unwrap_or(TownEnd::Killed)
    }
}
