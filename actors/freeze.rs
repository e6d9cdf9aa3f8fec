//! Whether everything stands still, for all who wait for a time.
//!
//! A town that is frozen has every process of its sessions and gates stopped where it is; nothing is begun
//! or typed, and no time passes: whoever would sleep for a while sleeps by [`Freeze::sleep`], and whoever
//! measures from a moment on the board takes it through `board.freezes.skipped`. Letters and commands are
//! taken as ever.
//!
//! What is so for good stands in the ledger; this is the living copy that timers can wait on. It is set
//! before anything is stopped and before that is recorded, so that nothing is begun meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use git::Brake;
use model::refusal::Refusal;
use tokio::sync::watch;
use tokio::time::Instant;

/// Whether everything stands still. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Freeze {
    frozen: watch::Sender<bool>,
    brake: Brake,
    asleep: Arc<Mutex<Option<pty::Asleep>>>,
}

impl Freeze {
    /// Whether everything stands still now.
    pub fn is_frozen(&self) -> bool {
        *self.frozen.borrow()
    }

    /// Stops what waits here, and gates; says whether that is new.
    pub fn freeze(&self) -> bool {
        self.brake.hold(true);
        !self.frozen.send_replace(true)
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.brake.hold(false);
        self.frozen.send_replace(false);
    }

    /// What gates obey.
    pub fn brake(&self) -> Brake {
        self.brake.clone()
    }

    /// Keeps in mind which processes slept before the first freeze, until they are asked for.
    pub fn remember(&self, asleep: pty::Asleep) {
        self.asleep().get_or_insert(asleep);
    }

    /// The processes that slept before.
    pub fn recall(&self) -> pty::Asleep {
        self.asleep().take().unwrap_or_default()
    }

    fn asleep(&self) -> std::sync::MutexGuard<'_, Option<pty::Asleep>> {
        self.asleep.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until nothing stands still.
    pub async fn thawed(&self) {
        // The sender is ours, so this ends with a value.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Sleeps for `time`, of which what passes while everything stands still does not count. Does not end
    /// while it does.
    pub async fn sleep(&self, time: Duration) {
        let mut frozen = self.frozen.subscribe();
        let mut left = time;
        loop {
            self.thawed().await;
            let began = Instant::now();
            tokio::select! {
                biased;
                _ = frozen.wait_for(|frozen| *frozen) => left = left.saturating_sub(began.elapsed()),
                () = tokio::time::sleep(left) => return,
            }
        }
    }

    /// Refuses what is not done while everything stands still.
    ///
    /// # Errors
    /// `town_frozen`.
    pub fn check(&self, what: &str) -> Result<(), Refusal> {
        if !self.is_frozen() {
            return Ok(());
        }
        Err(Refusal::forbidden("town_frozen", format!("{what} while the town is frozen"))
            .hint("see why with `gastown status`, and let it go on with `gastown thaw`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_takes_as_long_as_it_says_and_freezes_do_not_count() {
        let freeze = Freeze::default();
        let began = Instant::now();
        freeze.sleep(secs(10)).await;
        assert_eq!(began.elapsed(), secs(10));

        let other = freeze.clone();
        let sleeper = tokio::spawn(async move {
            let began = Instant::now();
            other.sleep(secs(10)).await;
            began.elapsed()
        });
        for _ in 0..3 {
            tokio::time::sleep(secs(2)).await;
            assert!(freeze.freeze());
            assert!(!freeze.freeze(), "once is enough");
            tokio::time::sleep(secs(3600)).await;
            freeze.thaw();
        }
        assert_eq!(sleeper.await.unwrap(), secs(10 + 3 * 3600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_that_begins_in_a_freeze_begins_with_its_end() {
        let freeze = Freeze::default();
        assert!(freeze.check("nothing begins").is_ok());
        freeze.freeze();
        assert_eq!(freeze.check("nothing begins").unwrap_err().code, "town_frozen");
        let other = freeze.clone();
        let sleeper = tokio::spawn(async move { other.sleep(secs(1)).await });
        tokio::time::sleep(secs(60)).await;
        assert!(!sleeper.is_finished());
        freeze.thaw();
        tokio::time::sleep(secs(2)).await;
        assert!(sleeper.is_finished());
    }
}
