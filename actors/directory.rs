//! An address to a living actor, and back: who can be rung, asked, watched.
//!
//! Actors come and go under the same name, so nobody keeps a reference to another: they look here,
//! each time. An entry lives as long as the [`Entry`] that its actor holds in its state; it is taken
//! away when that is dropped, however the actor ended, but never by an older incarnation.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use clerk::bell::Ear;
use model::agent::Exit;
use model::answer::Answer;
use model::command::{Leave, Origin};
use model::recovery::Symptom;
use model::refusal::Refusal;
use model::role::Address;
use tokio::sync::oneshot;

use crate::session::Live;

/// What only the actor at an address can answer.
#[derive(Debug)]
pub enum Ask {
    /// Its agent says that it is finished with what hangs on its hook.
    Done {
        /// Who says so.
        origin: Origin,
        /// How it leaves it.
        exit: Exit,
        /// Why.
        reason: Option<String>,
        /// What it leaves.
        leave: Leave,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// Its session is wanted, for a person.
    Start {
        /// Why: operator, attach, nudge.
        reason: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// Its session is to end and another to begin.
    Restart {
        /// What the end of this one is then.
        symptom: Option<Symptom>,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
}

impl Ask {
    /// Its kind, in a word or two.
    pub fn name(&self) -> &'static str {
        match self {
            Ask::Done { .. } => "Ask: done",
            Ask::Start { .. } => "Ask: start a session",
            Ask::Restart { .. } => "Ask: restart the session",
        }
    }
}

/// A bell that rings once, however often it is pulled before it is heard.
#[derive(Clone)]
pub struct Bell {
    pulled: Arc<AtomicBool>,
    ring: Arc<dyn Fn() + Send + Sync>,
}

impl Bell {
    /// A bell that calls `ring` when it is pulled for the first time since it was last [heard](Self::heard).
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self { pulled: Arc::default(), ring: Arc::new(ring) }
    }

    /// Tells whoever listens to look at the board.
    pub fn pull(&self) {
        if !self.pulled.swap(true, Ordering::AcqRel) {
            (self.ring)();
        }
    }

    /// To be called before looking: what comes after this rings anew.
    pub fn heard(&self) {
        self.pulled.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("pulled", &self.pulled).finish_non_exhaustive()
    }
}

/// Hands an [`Ask`] to an actor; gives it back when the actor is gone.
pub type Hand = Arc<dyn Fn(Ask) -> Result<(), Ask> + Send + Sync>;

type Table<K, V> = Arc<Mutex<HashMap<K, (u64, V)>>>;

/// Keeps an entry of the directory alive.
pub struct Entry(Option<Box<dyn FnOnce() + Send + Sync>>);

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(remove) = self.0.take() {
            remove();
        }
    }
}

/// Who lives in the town just now.
#[derive(Clone, Default)]
pub struct Directory {
    bells: Table<Ear, Bell>,
    hands: Table<Address, Hand>,
    live: Table<Address, Live>,
    generation: Arc<AtomicU64>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ears: Vec<Ear> = lock(&self.bells).keys().cloned().collect();
        f.debug_struct("Directory").field("bells", &ears).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Directory {
    fn enter<K, V>(&self, table: &Table<K, V>, key: K, value: V) -> Entry
    where
        K: Eq + Hash + Clone + Send + Sync + 'static,
        V: Send + 'static,
    {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        lock(table).insert(key.clone(), (generation, value));
        let table = Arc::clone(table);
        Entry(Some(Box::new(move || {
            let mut table = lock(&table);
            if table.get(&key).is_some_and(|(entered, _)| *entered == generation) {
                table.remove(&key);
            }
        })))
    }

    /// Enters a bell for `ear`.
    pub fn listen(&self, ear: Ear, bell: Bell) -> Entry {
        self.enter(&self.bells, ear, bell)
    }

    /// Enters the one who answers at `address`.
    pub fn serve(&self, address: Address, hand: Hand) -> Entry {
        self.enter(&self.hands, address, hand)
    }

    /// Enters the living session of `address`.
    pub fn show(&self, address: Address, live: Live) -> Entry {
        self.enter(&self.live, address, live)
    }

    /// Pulls the bell of `ear`. Whoever is not there looks for itself when it comes.
    pub fn ring(&self, ear: &Ear) {
        let bell = lock(&self.bells).get(ear).map(|(_, bell)| bell.clone());
        if let Some(bell) = bell {
            bell.pull();
        }
    }

    /// Pulls every bell, and tells every session to look: what could not be recorded may be possible now.
    pub fn ring_all(&self) {
        let bells: Vec<Bell> = lock(&self.bells).values().map(|(_, bell)| bell.clone()).collect();
        bells.iter().for_each(Bell::pull);
        for (_, live) in self.sessions() {
            live.look();
        }
    }

    /// Whether somebody listens as `ear`.
    pub fn hears(&self, ear: &Ear) -> bool {
        lock(&self.bells).contains_key(ear)
    }

    /// The living session of `address`.
    pub fn session(&self, address: &Address) -> Option<Live> {
        lock(&self.live).get(address).map(|(_, live)| live.clone())
    }

    /// All living sessions.
    pub fn sessions(&self) -> Vec<(Address, Live)> {
        lock(&self.live).iter().map(|(address, (_, live))| (address.clone(), live.clone())).collect()
    }

    /// Asks the actor at `address` and waits for its answer.
    ///
    /// # Errors
    /// `not_there` when there is none just now, or it died over the question; else its refusal.
    pub async fn ask(
        &self,
        address: &Address,
        ask: impl FnOnce(oneshot::Sender<Result<Answer, Refusal>>) -> Ask,
    ) -> Result<Answer, Refusal> {
        let hand = lock(&self.hands).get(address).map(|(_, hand)| Arc::clone(hand));
        let gone = || {
            Refusal::failed("not_there", format!("{address} is not there just now"))
                .hint("it may be starting again: see `gastown tree`, then try again")
        };
        let (reply, answer) = oneshot::channel();
        match hand {
            Some(hand) if hand(ask(reply)).is_ok() => answer.await.unwrap_or_else(|_| Err(gone())),
            _ => Err(gone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_once_until_it_is_heard() {
        let rung = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&rung);
        let bell = Bell::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        bell.pull();
        bell.pull();
        assert_eq!(rung.load(Ordering::Relaxed), 1);
        bell.heard();
        bell.pull();
        assert_eq!(rung.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn an_old_incarnation_does_not_take_the_entry_of_the_new_one_away() {
        let directory = Directory::default();
        let ear = Ear::Postmaster;
        let old = directory.listen(ear.clone(), Bell::new(|| {}));
        let new = directory.listen(ear.clone(), Bell::new(|| {}));
        drop(old);
        assert!(directory.hears(&ear));
        drop(new);
        assert!(!directory.hears(&ear));
    }
}
