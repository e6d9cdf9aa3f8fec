//! What every actor is handed: handles, which decide nothing.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clerk::book::Book;
use clerk::capacity::Limits;
use clerk::draft::{Deed, Draft};
use config::live::{LiveConfig, TownConfig};
use config::paths::TownPaths;
use ledger::Store;
use ledger::views::Board;
use model::answer::Answer;
use model::command::{Command, Origin};
use model::ids::RigName;
use model::refusal::Refusal;
use model::role::Address;
use model::time::{Clock, Timestamp};
use ractor::ActorRef;
use tokio::sync::{oneshot, watch};

use crate::directory::Directory;
use crate::freeze::Freeze;
use crate::keys::Keys;
use crate::letters::Hands;
use crate::living_tree::TreeHandle;
use crate::memory;
use crate::neighbours::Looking;
use crate::outbox::Outbox;
use crate::rigs;
use crate::scribe;
use crate::vitals::{Pulse, Vitals};

/// The words of a command line to the command that they mean; the one grammar of all carriers.
pub type Grammar = Arc<dyn Fn(&[String], &Origin) -> Result<Command, Refusal> + Send + Sync>;

/// How often a scribe that is not there is looked for: two seconds in all.
const TRIES: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// How long a role that waits for the disk goes without trying by itself. The scribe tells it when the disk
/// can again; this is for the case that the scribe has died at that moment.
const READ_ONLY_PAUSE: Duration = Duration::from_secs(20);

/// Starts and ends actors whose number is not fixed. The supervisors' side of the door; nobody else
/// starts an actor that has a place in the tree.
pub trait Nursery: Send + Sync {
    /// Sees to it that the polecat at `address` lives.
    fn wake(&self, address: &Address);

    /// As [`Nursery::wake`], when a person wants it: also when it has failed too often and was set aside.
    fn revive(&self, address: &Address);

    /// Sees to it that the rig lives.
    fn open_rig(&self, rig: &model::ids::RigName);

    /// Ends the rig's actors by their graces; `done` hears when nothing is left of them.
    fn close_rig(&self, rig: &model::ids::RigName, done: oneshot::Sender<Result<(), Refusal>>);

    /// Makes the actor called `name` in the tree die, as if it had failed.
    ///
    /// # Errors
    /// `no_such_actor`, with near matches.
    fn kill(&self, name: &str) -> Result<(), Refusal>;
}

/// Where submissions of sessions go: to the switchboard, which this room's lower files do not know.
pub trait Door: Send + Sync {
    /// Answers `command` of `origin`; `answer` is called with what comes out, once.
    fn submit(
        &self,
        origin: Origin,
        command: Command,
        answer: Box<dyn FnOnce(Result<Answer, Refusal>) + Send>,
    );
}

/// A scribe that lives, and its pulse.
type Writer = (ActorRef<scribe::Message>, Pulse);

/// The way to the scribe that lives now.
#[derive(Clone, Default)]
pub struct ScribeSeat(Arc<Mutex<Option<Writer>>>);

impl fmt::Debug for ScribeSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScribeSeat")
    }
}

impl ScribeSeat {
    /// Makes `scribe` the one who is written to from now on.
    pub(crate) fn seat(&self, scribe: ActorRef<scribe::Message>, pulse: Pulse) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((scribe, pulse));
    }

    fn get(&self) -> Option<Writer> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// A slot that is filled once the house is put together.
pub struct Late<T: ?Sized>(Arc<Mutex<Option<Arc<T>>>>);

impl<T: ?Sized> Clone for Late<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Default for Late<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }
}

impl<T: ?Sized> fmt::Debug for Late<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Late")
    }
}

impl<T: ?Sized> Late<T> {
    /// Fills the slot.
    pub fn set(&self, value: Arc<T>) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(value);
    }

    /// What is in it.
    pub fn get(&self) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// The handles.
#[derive(Clone)]
pub struct Tools {
    /// The ledger, for reading. Writing goes through [`Tools::write`].
    pub store: Store,
    /// The way to the one writer.
    pub scribe: ScribeSeat,
    /// Starts programs in terminals.
    pub host: Arc<dyn pty::Host>,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// What the town was told.
    pub config: Arc<LiveConfig>,
    /// Where things are kept.
    pub paths: TownPaths,
    /// This program, for agents' PATH and for the shell agent.
    pub program: std::path::PathBuf,
    /// Who lives here.
    pub directory: Directory,
    /// The formulas.
    pub book: Arc<dyn Book>,
    /// Words to commands.
    pub grammar: Grammar,
    /// Sessions' tokens and nonces.
    pub keys: Keys,
    /// The letters that are being handled.
    pub hands: Hands,
    /// The messages that are leaving the town.
    pub outbox: Outbox,
    /// What neighbours have said of each other and is looked into.
    pub neighbours: Looking,
    /// The living tree.
    pub tree: TreeHandle,
    /// What each actor has in hand.
    pub vitals: Vitals,
    /// Starts actors.
    pub nursery: Late<dyn Nursery>,
    /// Takes what sessions say.
    pub door: Late<dyn Door>,
    /// Asked to stop: why.
    pub stopping: watch::Sender<Option<String>>,
    /// Asked to stop everything at once.
    pub hurry: watch::Sender<bool>,
    /// Whether everything stands still.
    pub freeze: Freeze,
    /// How much memory there is.
    pub memory: memory::Gauge,
    /// How often the ledger has become writable again after it was not.
    pub recoveries: watch::Sender<u64>,
    /// Since when the runtime is up.
    pub started: Timestamp,
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools").field("town", &self.paths.root()).finish_non_exhaustive()
    }
}

impl Tools {
    /// The configuration as it is now.
    pub fn town(&self) -> Arc<TownConfig> {
        self.config.current()
    }

    /// How many workers of `rig` may be at work, and of all rigs together.
    ///
    /// # Errors
    /// `no_such_rig`, when it is not configured.
    pub fn limits(&self, rig: &RigName) -> Result<Limits, Refusal> {
        rigs::limits(&self.town(), rig)
    }

    /// Why no further worker's session is to be started, if memory is short.
    pub fn memory_short(&self) -> Option<String> {
        self.memory.short(&self.town().town.policies)
    }

    /// Whether the town is about to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.borrow().is_some()
    }

    /// Whether all agents' programs are stopped on a person's word.
    pub fn is_frozen(&self) -> bool {
        self.freeze.is_frozen()
    }

    /// Looks at the board.
    pub fn look<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        self.store.read(look)
    }

    /// Decides and records in one step; returns when it is on disk.
    ///
    /// A scribe that is just being started again is waited for: what it had not answered was not
    /// recorded, so it is decided anew. A decision that panics is a refusal, `crashed`, to its asker alone:
    /// neither the scribe nor who decides along with it dies of that.
    ///
    /// # Errors
    /// The decision's refusal; `read_only` when the store cannot write; `no_scribe` when there is none,
    /// and nothing was recorded; `slow_disk` when it is unknown what became of it.
    pub async fn decide<F>(&self, decide: F) -> Result<Answer, Refusal>
    where
        F: FnOnce(&Board, Timestamp) -> Result<(Deed, Answer), Refusal> + Clone + Send + 'static,
    {
        let decide = move |board: &Board, now| {
            catch_unwind(AssertUnwindSafe(|| decide(board, now))).unwrap_or_else(|panic| {
                let words = crate::letters::words(panic.as_ref());
                Err(Refusal::failed("crashed", format!("deciding it panicked: {words}")))
            })
        };
        for _ in 0..TRIES {
            if let Some(result) = self.attempt(Box::new(decide.clone())).await {
                return result;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(Refusal::failed("no_scribe", "nothing was recorded: the ledger's writer is not there")
            .hint("it is being started again: see `gastown tree`, then try again"))
    }

    /// As [`Tools::note`], but with one try: `None` when nothing was recorded because the scribe was not there
    /// to do it.
    pub async fn note_once<F>(&self, actor: &Address, decide: F) -> Option<Result<(), Refusal>>
    where
        F: FnOnce(&mut Draft<'_>) -> Result<(), Refusal> + Send + 'static,
    {
        let actor = actor.clone();
        let decide = move |board: &Board, now| {
            let mut draft = Draft::new(board, actor, now);
            decide(&mut draft)?;
            Ok((draft.finish(), Answer::Done))
        };
        Some(self.attempt(Box::new(decide)).await?.map(drop))
    }

    /// One try; `None` when it was certainly not recorded because the scribe was not there to do it.
    async fn attempt(&self, decide: scribe::Decide) -> Option<Result<Answer, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let (scribe, pulse) = self.scribe.get()?;
        pulse.rung();
        scribe.cast(scribe::Message::Write { decide, reply }).ok()?;
        match tokio::time::timeout(scribe::PATIENCE, answer).await {
            Ok(answer) => answer.ok(),
            Err(_) => Some(Err(Refusal::failed("slow_disk", "it is not known whether this was recorded")
                .hint("look with `gastown events` before you do it again"))),
        }
    }

    /// Records what a role decides: `draft` is filled in by `decide` inside the write step.
    ///
    /// While the store cannot write, this waits until the scribe says that it can: a role has nobody to
    /// refuse to, and goes on by itself.
    ///
    /// # Errors
    /// As [`Tools::decide`]; `read_only` only when the town is to stop.
    pub async fn write<F>(&self, actor: &Address, decide: F) -> Result<(), Refusal>
    where
        F: FnOnce(&mut Draft<'_>) -> Result<(), Refusal> + Clone + Send + 'static,
    {
        let mut stopping = self.stopping.subscribe();
        let mut recovered = self.recoveries.subscribe();
        loop {
            // What comes from here on is news: a disk that can again between the refusal and the waiting.
            recovered.mark_unchanged();
            match self.note(actor, decide.clone()).await {
                Err(refusal) if refusal.is_of_the_disk() => {
                    tracing::debug!(%actor, %refusal, "waiting until the ledger can be written");
                    tokio::select! {
                        _ = stopping.wait_for(Option::is_some) => return Err(refusal),
                        _ = recovered.changed() => {}
                        () = tokio::time::sleep(READ_ONLY_PAUSE) => {}
                    }
                }
                other => return other,
            }
        }
    }

    /// As [`Tools::write`], but does not wait for a store that cannot write.
    ///
    /// # Errors
    /// As [`Tools::decide`].
    pub async fn note<F>(&self, actor: &Address, decide: F) -> Result<(), Refusal>
    where
        F: FnOnce(&mut Draft<'_>) -> Result<(), Refusal> + Clone + Send + 'static,
    {
        let actor = actor.clone();
        self.decide(move |board, now| {
            let mut draft = Draft::new(board, actor, now);
            decide(&mut draft)?;
            Ok((draft.finish(), Answer::Done))
        })
        .await
        .map(drop)
    }
}
