//! Each name in the table to the call that spawns it. The only place that starts an actor which has a
//! place in the tree.

use std::sync::Arc;
use std::time::Duration;

use actors::directory::Directory;
use actors::switchboard::{Operator, Switchboard};
use actors::tools::{Nursery, Tools};
use actors::vitals::{Digest, Named};
use actors::watched::Watched;
use actors::{deacon, dispatcher, mayor, polecat, postmaster, refinery, scribe, switchboard, witness};
use clerk::bell::Ear;
use model::ids::RigName;
use model::refusal::Refusal;
use model::role::Address;
use ractor::Actor;
use tokio::sync::oneshot;

use crate::chronicle::{self, Chronicle};
use crate::desk::{Desk, DeskError};
use crate::policy::ChildSpec;
use crate::report::{Living, Records};
use crate::spec::{DynBranch, DynChild, Start};
use crate::supervisor::StartError;
use crate::town::{Town, start_town};
use crate::tree::{A_RIG, Child, POLECAT, POLECATS, RIG, RIGS, TOWN};

/// How long somebody who is just leaving is waited for before their successor is tried again.
const LEAVING: Duration = Duration::from_millis(25);

/// How often that is tried: some ten seconds.
const TRIES: u32 = 400;

/// Starts the town of `tools`: the table, come to life.
///
/// # Errors
/// When one of its actors does not start.
pub async fn raise(tools: Tools, switchboard: Switchboard) -> Result<(Town, Chronicle), StartError> {
    let (chronicle, observer) = chronicle::open(&tools);
    let records = Records { tree: tools.tree.clone(), living: Living::default(), observer };
    let nursery = Midwife { tools: tools.clone(), records: records.clone() };
    tools.nursery.set(Arc::new(nursery));
    let branch =
        DynBranch::from_table(&TOWN, TOWN.name, |line| town_child(line, &tools, &switchboard, &records));
    Ok((start_town(branch, records).await?, chronicle))
}

/// The start function of an actor whose vital signs are taken.
///
/// * `name` - its name in the tree.
/// * `make` - makes the actor and its arguments, afresh for every start.
fn watched<A>(
    tools: &Tools,
    name: &str,
    make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static,
) -> Start
where
    A: Actor,
    A::Msg: Named,
    A::State: Digest,
{
    let pulse = tools.vitals.pulse(name);
    Start::actor(None, move || {
        let (actor, arguments) = make();
        (Watched::new(actor, pulse.clone()), arguments)
    })
}

fn town_child(
    line: &ChildSpec<Child>,
    tools: &Tools,
    switchboard: &Switchboard,
    records: &Records,
) -> DynChild {
    let t = tools.clone();
    match line.child {
        Child::Scribe => {
            let start = watched(tools, scribe::NAME, move || (scribe::Scribe, t.clone()));
            DynChild::from_spec(line, scribe::NAME, start)
        }
        Child::Postmaster => {
            let start = watched(tools, postmaster::NAME, move || (postmaster::Postmaster, t.clone()));
            DynChild::from_spec(line, postmaster::NAME, start)
        }
        Child::Switchboard => {
            let way = switchboard.clone();
            let start = watched(tools, switchboard::NAME, move || (Operator, (t.clone(), way.clone())));
            DynChild::from_spec(line, switchboard::NAME, start)
        }
        Child::Deacon => {
            let start = watched(tools, deacon::NAME, move || (deacon::Deacon::default(), t.clone()));
            DynChild::from_spec(line, deacon::NAME, start)
        }
        Child::Mayor => {
            let start = watched(tools, mayor::NAME, move || (mayor::Mayor::default(), t.clone()));
            DynChild::from_spec(line, mayor::NAME, start)
        }
        Child::Rigs => {
            let children = tools.town().rigs.keys().map(|rig| rig_child(rig, tools, records)).collect();
            let branch = DynBranch { children, ..DynBranch::new(RIGS.name, RIGS.rules) };
            supervisor(branch, line, records)
        }
        Child::Refinery | Child::Witness | Child::Dispatcher | Child::Polecats => {
            unreachable!("{:?} is a child of a rig", line.child)
        }
    }
}

fn supervisor(branch: DynBranch, line: &ChildSpec<Child>, records: &Records) -> DynChild {
    let child = DynChild::supervisor(branch, line.restart, records);
    DynChild { shutdown: line.grace, significant: line.significant, backoff: line.backoff, ..child }
}

/// The supervisor of one rig with its children.
fn rig_child(rig: &RigName, tools: &Tools, records: &Records) -> DynChild {
    let branch = DynBranch::from_table(&RIG, rig_name(rig), |line| {
        let (t, r) = (tools.clone(), rig.clone());
        match line.child {
            Child::Refinery => {
                let arguments = refinery::Arguments { tools: t, rig: r };
                let name = format!("{rig}/refinery");
                let start = watched(tools, &name, move || (refinery::Refinery, arguments.clone()));
                DynChild::from_spec(line, name, start)
            }
            Child::Witness => {
                let arguments = witness::Arguments { tools: t, rig: r };
                let name = format!("{rig}/witness");
                let start = watched(tools, &name, move || (witness::Witness, arguments.clone()));
                DynChild::from_spec(line, name, start)
            }
            Child::Dispatcher => {
                let arguments = dispatcher::Arguments { tools: t, rig: r };
                let name = dispatcher::name(rig);
                let start = watched(tools, &name, move || (dispatcher::Dispatcher, arguments.clone()));
                DynChild::from_spec(line, name, start)
            }
            Child::Polecats => supervisor(DynBranch::new(polecats(rig), POLECATS.rules), line, records),
            other => unreachable!("{other:?} is not a child of a rig"),
        }
    });
    let child = DynChild::supervisor(branch, A_RIG.0, records);
    DynChild { shutdown: A_RIG.1, ..child }
}

fn rig_name(rig: &RigName) -> String {
    format!("rig {rig}")
}

fn polecats(rig: &RigName) -> String {
    format!("{rig}/{}", POLECATS.name)
}

/// Starts what comes and goes at run time.
struct Midwife {
    tools: Tools,
    records: Records,
}

impl Midwife {
    /// Starts `child` below `supervisor`, unless it lives. One that is just leaving is waited for.
    fn bring(&self, supervisor: String, child: DynChild, ear: Ear) {
        let (desk, directory) = (Desk::new(self.records.living.clone()), self.tools.directory.clone());
        tokio::spawn(async move {
            for _ in 0..TRIES {
                match desk.start_child(&supervisor, child.clone()).await {
                    Ok(_) => return,
                    Err(DeskError::Start(StartError::AlreadyPresent(_))) => {
                        if stays(&directory, &ear).await {
                            return;
                        }
                    }
                    // Its supervisor is between two lives.
                    Err(DeskError::NotAlive(_) | DeskError::NoAnswer(_)) => tokio::time::sleep(LEAVING).await,
                    // For a person, who was told.
                    Err(DeskError::Start(StartError::SetAside(_))) => return,
                    Err(error) => {
                        tracing::error!(%error, child = %child.name, "cannot start");
                        return;
                    }
                }
            }
            tracing::error!(child = %child.name, "could not be started: its place did not become free");
        });
    }
}

/// Rings whoever listens as `ear`, and says whether they are still there a moment later. Somebody who
/// had decided to leave is gone by then.
async fn stays(directory: &Directory, ear: &Ear) -> bool {
    directory.ring(ear);
    tokio::time::sleep(LEAVING * 4).await;
    directory.hears(ear)
}

impl Nursery for Midwife {
    fn wake(&self, address: &Address) {
        let Address::Polecat(rig, name) = address else { return };
        let arguments =
            polecat::Arguments { tools: self.tools.clone(), rig: rig.clone(), name: name.clone() };
        let worker = address.to_string();
        let start = watched(&self.tools, &worker, move || (polecat::Polecat, arguments.clone()));
        let child = DynChild::actor(worker, POLECAT.0, POLECAT.1, start);
        self.bring(polecats(rig), child, Ear::Role(address.clone()));
    }

    fn revive(&self, address: &Address) {
        let Address::Polecat(rig, name) = address else { return };
        let (desk, supervisor) = (Desk::new(self.records.living.clone()), polecats(rig));
        let midwife = Midwife { tools: self.tools.clone(), records: self.records.clone() };
        let worker = Address::Polecat(rig.clone(), name.clone());
        tokio::spawn(async move {
            // One that is not down needs nothing of the kind.
            let _ = desk.delete_child(&supervisor, &worker.to_string()).await;
            midwife.wake(&worker);
        });
    }

    fn open_rig(&self, rig: &RigName) {
        let child = rig_child(rig, &self.tools, &self.records);
        self.bring(RIGS.name.to_owned(), child, Ear::Dispatcher(rig.clone()));
    }

    fn close_rig(&self, rig: &RigName, done: oneshot::Sender<Result<(), Refusal>>) {
        let desk = Desk::new(self.records.living.clone());
        let name = rig_name(rig);
        tokio::spawn(async move {
            let ended = match desk.stop_child(RIGS.name, &name).await {
                // It was stopped before.
                Ok(()) | Err(DeskError::Unknown(_)) => Ok(()),
                Err(error) => Err(Refusal::failed("still_stopping", format!("{name} does not end: {error}"))
                    .hint("see what is left of it with `gastown tree`")),
            };
            let _ = done.send(ended);
        });
    }

    fn kill(&self, name: &str) -> Result<(), Refusal> {
        Desk::new(self.records.living.clone()).kill(name).map_err(|_| {
            let mut known = Vec::new();
            if let Some(tree) = self.tools.tree.snapshot() {
                gather(&tree, &mut known);
            }
            Refusal::no_such("actor", name, known.iter().map(String::as_str))
        })
    }
}

fn gather(node: &actors::living_tree::TreeNode, names: &mut Vec<String>) {
    names.push(node.name.clone());
    for child in &node.children {
        gather(child, names);
    }
}
