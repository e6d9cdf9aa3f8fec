//! Letters that code handles: one at a time, in order, each in a task of its own.
//!
//! - A handler that panics takes its task with it and not its role: the panic is the report of a failed
//!   handling. However many letters are poison, no role melts down over them.
//! - While a letter is handled it stands in [`Hands`], which outlive the actor. A role that was killed finds
//!   there, when it is back, what it died over, and that counts as a failed handling too.
//! - A letter that failed holds up those of the same sender until it is handled or put aside, since they are
//!   handled in order; letters of others go on.
//! - A ledger that cannot be written is no letter's fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clerk::draft::Draft;
use model::command::Poison;
use model::ids::MailId;
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;
use tokio::task::JoinSet;

use crate::tools::Tools;

/// Letters that are looked at in one go; the bell brings the rest.
const BATCH: usize = 64;

/// The letters that are being handled, by who handles them, and which of them are to go wrong in a test.
#[derive(Debug, Clone, Default)]
pub struct Hands(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    by: BTreeMap<Address, MailId>,
    poison: BTreeMap<String, Poison>,
}

impl Hands {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pick_up(&self, who: &Address, letter: &MailId) {
        self.lock().by.insert(who.clone(), letter.clone());
    }

    fn put_down(&self, who: &Address) {
        self.lock().by.remove(who);
    }

    fn held(&self, who: &Address) -> Option<MailId> {
        self.lock().by.get(who).cloned()
    }

    /// The letter that whoever is meant has in hand.
    pub fn held_by(&self, meant: impl Fn(&Address) -> bool) -> Option<MailId> {
        self.lock().by.iter().find(|(who, _)| meant(who)).map(|(_, letter)| letter.clone())
    }

    /// Makes the handling of `letters` (the name of a letter or of a kind) go wrong, or right again.
    pub(crate) fn poison(&self, letters: String, how: Poison) {
        let poison = &mut self.lock().poison;
        match how {
            Poison::Cure => poison.remove(&letters),
            how => poison.insert(letters, how),
        };
    }

    fn poisoned(&self, letter: &Letter) -> Option<Poison> {
        let poison = &self.lock().poison;
        poison.get(letter.id.as_str()).or_else(|| poison.get(letter.kind.name())).copied()
    }
}

/// Handles what is due at `me`, oldest first. `true` when there is more to do at once.
///
/// # Errors
/// When the ledger cannot be written; then nothing counts as a failed handling.
pub(crate) async fn handle_due<F>(
    tools: &Tools,
    me: &Address,
    handle: impl Fn(Letter) -> F,
) -> Result<bool, Refusal>
where
    F: Future<Output = Result<(), Refusal>> + Send + 'static,
{
    // This actor has nothing in hand yet, so it was one before it.
    if let Some(letter) = tools.hands.held(me) {
        failed(tools, me, letter, format!("{me} died while it handled this letter")).await?;
        tools.hands.put_down(me);
    }
    let due = tools.look(|board| clerk::letters::due(board, me, BATCH));
    let mut again = due.len() == BATCH;
    let mut held_up: BTreeSet<Address> = BTreeSet::new();
    for letter in due {
        // What takes a look at somebody is handled aside; what the same sender wrote after it waits for that.
        if held_up.contains(&letter.from) || matches!(letter.kind, Kind::Stuck { .. }) {
            held_up.insert(letter.from);
            continue;
        }
        tools.hands.pick_up(me, &letter.id);
        let (id, from, poison) = (letter.id.clone(), letter.from.clone(), tools.hands.poisoned(&letter));
        let handling = handle(letter);
        let result = alone(async move {
            match poison {
                Some(Poison::Panic) => panic!("poisoned on purpose"),
                Some(Poison::Hang) => std::future::pending().await,
                Some(Poison::Cure) | None => handling.await,
            }
        })
        .await;
        match result {
            Ok(()) => {}
            Err(refusal) if refusal.code == "already_handled" => {}
            Err(refusal) if is_of_the_ledger(&refusal) => {
                tools.hands.put_down(me);
                return Err(refusal);
            }
            Err(refusal) => {
                tracing::warn!(role = %me, letter = %id, %refusal, "a letter could not be handled");
                failed(tools, me, id, refusal.to_string()).await?;
                held_up.insert(from);
                // Tried again at once, three times in all: what does not pass by then is for a person.
                again = true;
            }
        }
        tools.hands.put_down(me);
    }
    Ok(again)
}

/// Whether nothing could be recorded, or it is not known whether it was.
pub(crate) fn is_of_the_ledger(refusal: &Refusal) -> bool {
    matches!(refusal.code.as_str(), "read_only" | "no_scribe" | "slow_disk" | "not_known")
}

async fn failed(tools: &Tools, me: &Address, letter: MailId, report: String) -> Result<(), Refusal> {
    let failed = move |draft: &mut Draft<'_>| {
        clerk::letters::failed(draft, &letter, &report);
        Ok(())
    };
    tools.write(me, failed).await
}

/// Runs a handling in a task of its own, which ends with the one who waits for it; a panic becomes a refusal.
async fn alone(handling: impl Future<Output = Result<(), Refusal>> + Send + 'static) -> Result<(), Refusal> {
    let mut task = JoinSet::new();
    task.spawn(handling);
    match task.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(Refusal::failed("crashed", crashed(error))),
        None => Ok(()),
    }
}

fn crashed(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => format!("its handler panicked: {}", words(panic.as_ref())),
        Err(error) => format!("its handler was ended: {error}"),
    }
}

/// What a panic says.
pub(crate) fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_a_refusal_with_its_words() {
        let refusal = alone(async { panic!("no {}", 7) }).await.unwrap_err();
        assert_eq!(refusal.code, "crashed");
        assert!(refusal.to_string().contains("panicked: no 7"), "{refusal}");
        assert!(alone(async { Ok(()) }).await.is_ok());
    }

    #[tokio::test]
    async fn a_handling_ends_with_the_one_who_waits_for_it() {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let handling = async move {
            let _held = sender;
            std::future::pending().await
        };
        let waiting = tokio::spawn(alone(handling));
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(receiver.await.is_err(), "what the handling held was let go");
    }

    #[test]
    fn a_letter_stays_in_hand_until_it_is_put_down() {
        let (hands, who, letter) = (Hands::default(), Address::Mayor, "m-1".parse().unwrap());
        hands.clone().pick_up(&who, &letter);
        assert_eq!(hands.held(&who), Some(letter));
        assert_eq!(hands.held(&Address::Deacon), None);
        hands.put_down(&who);
        assert_eq!(hands.held(&who), None);
    }
}
