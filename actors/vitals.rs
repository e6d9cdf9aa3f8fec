//! Vital signs: what each actor of the tree has in hand, and since when.
//!
//! After a death this says over what the actor has died, and during a silence that there is one: an actor that
//! does not come to an end with a message within [`PATIENCE`], or does not begin with one although its bell was
//! rung, is *blocked*, and whoever watches is told.
//!
//! ```text
//!   rung ──▶ waits ──▶ begins ──▶ has it in hand ──▶ done
//!              └───── too long: blocked ─────┘
//! ```
//!
//! Watching costs nothing where nothing happens. There is a deadline only while somebody waits or has something in
//! hand; else the watcher sleeps without end. It is a thread of its own and no task, since the code that blocks an
//! actor may block the thread that would run the task; and it blames nobody when it was itself kept from running.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long an actor may be busy with one message, or let one wait. With the time that it takes to write that down
/// this is less than two seconds.
pub const PATIENCE: Duration = Duration::from_millis(1_500);

/// A watcher that comes so much too late was kept from running, and so was everybody else.
const LATE: Duration = Duration::from_millis(500);

/// What can be said of a message without what is in it.
pub trait Named {
    /// Its kind, in a word or two.
    fn name(&self) -> &'static str;
}

/// What can be said of an actor's state.
pub trait Digest {
    /// The state in a few words; nothing where there is none to speak of.
    fn digest(&self) -> String;
}

/// What is known of an actor that has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// What it had in hand, and for how long.
    pub in_hand: Option<(&'static str, Duration)>,
    /// Its state in a few words.
    pub state: Option<String>,
    /// How long it has lived.
    pub lived: Duration,
}

/// An actor that takes no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Its name in the tree.
    pub name: String,
    /// What it has in hand; none when it does not even begin.
    pub in_hand: Option<&'static str>,
    /// For how long.
    pub since: Duration,
}

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// An actor has become blocked.
    Blocked(Blocked),
    /// It goes on, or has ended.
    Free {
        /// Its name in the tree.
        name: String,
        /// For how long it was blocked.
        after: Duration,
    },
}

/// One actor's signs. A name has the same pulse through all its lives.
#[derive(Clone)]
pub struct Pulse(Arc<(Mutex<Beat>, Arc<Alarm>)>);

#[derive(Debug)]
struct Beat {
    alive: bool,
    born: Instant,
    in_hand: Option<(&'static str, Instant)>,
    /// Since when a message waits for it.
    rung: Option<Instant>,
    /// Since when it has been blocked, once that was told.
    told: Option<Instant>,
    remains: Remains,
    /// It is to block its thread for so long, on purpose.
    fault: Option<Duration>,
}

/// The signs of all actors of a town. Clones are of the same town.
#[derive(Clone, Default)]
pub struct Vitals(Arc<Inner>);

#[derive(Default)]
struct Inner {
    pulses: Mutex<BTreeMap<String, Pulse>>,
    alarm: Arc<Alarm>,
}

/// Wakes the watcher.
#[derive(Debug, Default)]
struct Alarm {
    /// Whether the watcher has a deadline, or is about to look for one.
    armed: AtomicBool,
    call: Mutex<Call>,
    calls: Condvar,
}

#[derive(Debug, Default)]
struct Call {
    rung: bool,
    closed: bool,
}

impl Alarm {
    /// Sees to it that the watcher has a deadline.
    fn arm(&self) {
        if !self.armed.load(Ordering::SeqCst) && !self.armed.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        lock(&self.call).rung = true;
        self.calls.notify_all();
    }

    fn close(&self) {
        lock(&self.call).closed = true;
        self.calls.notify_all();
    }

    /// Sleeps until the deadline, or somebody wakes; `true` when the watch is over.
    fn sleep(&self, deadline: Option<Instant>) -> bool {
        let mut call = lock(&self.call);
        while !call.rung && !call.closed {
            call = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.calls.wait(call).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => self.calls.wait_timeout(call, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        call.rung = false;
        call.closed
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pulse").field(&*self.beat()).finish()
    }
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(lock(&self.0.pulses).keys()).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pulse {
    fn beat(&self) -> MutexGuard<'_, Beat> {
        lock(&self.0.0)
    }

    /// What it has in hand.
    #[cfg(test)]
    pub(crate) fn in_hand(&self) -> Option<&'static str> {
        self.beat().in_hand.map(|(what, _)| what)
    }

    /// A message was put into its mailbox.
    pub fn rung(&self) {
        let now = Instant::now();
        self.beat().rung.get_or_insert(now);
        self.0.1.arm();
    }

    /// Another life of it begins, unless the birth is dropped before it is over.
    pub(crate) fn born(&self) -> Birth<'_> {
        let mut beat = self.beat();
        beat.alive = true;
        beat.born = Instant::now();
        beat.rung = None;
        beat.remains = Remains::default();
        drop(beat);
        self.begin("start");
        Birth(Some(self))
    }

    /// It begins with something. Blocks where that was asked for.
    pub(crate) fn begin(&self, what: &'static str) {
        let fault = {
            let mut beat = self.beat();
            beat.in_hand = Some((what, Instant::now()));
            beat.rung = None;
            beat.fault.take()
        };
        self.0.1.arm();
        if let Some(time) = fault {
            thread::sleep(time);
        }
    }

    /// It is done with what it had in hand.
    pub(crate) fn done(&self) {
        let told = {
            let mut beat = self.beat();
            beat.in_hand = None;
            beat.told.is_some()
        };
        if told {
            self.0.1.wake();
        }
    }

    /// It is on its way out, in its own time.
    pub(crate) fn leaves(&self) {
        self.beat().alive = false;
        self.0.1.wake();
    }

    /// It has ended, with this state.
    pub(crate) fn ended(&self, state: String) {
        let mut beat = self.beat();
        beat.alive = false;
        beat.remains.state = Some(state).filter(|state| !state.is_empty());
        drop(beat);
        self.0.1.wake();
    }
}

/// A life that is just beginning.
#[derive(Debug)]
pub(crate) struct Birth<'a>(Option<&'a Pulse>);

impl Birth<'_> {
    /// It has begun.
    pub(crate) fn over(mut self) {
        if let Some(pulse) = self.0.take() {
            pulse.done();
        }
    }
}

impl Drop for Birth<'_> {
    fn drop(&mut self) {
        if let Some(pulse) = self.0.take() {
            pulse.leaves();
        }
    }
}

impl Vitals {
    /// Returns the pulse of the actor called `name` in the tree.
    pub fn pulse(&self, name: &str) -> Pulse {
        let mut pulses = lock(&self.0.pulses);
        if let Some(pulse) = pulses.get(name) {
            return pulse.clone();
        }
        let beat = Beat {
            alive: false,
            born: Instant::now(),
            in_hand: None,
            rung: None,
            told: None,
            remains: Remains::default(),
            fault: None,
        };
        let pulse = Pulse(Arc::new((Mutex::new(beat), Arc::clone(&self.0.alarm))));
        pulses.insert(name.to_owned(), pulse.clone());
        pulse
    }

    /// Takes what is known of the last life of `name`, which has ended.
    pub fn take_remains(&self, name: &str) -> Remains {
        let Some(pulse) = lock(&self.0.pulses).get(name).cloned() else { return Remains::default() };
        let mut beat = pulse.beat();
        let in_hand = beat.in_hand.take().map(|(what, since)| (what, since.elapsed()));
        Remains { in_hand, lived: beat.born.elapsed(), ..std::mem::take(&mut beat.remains) }
    }

    /// Returns who is known to be blocked.
    pub fn blocked(&self) -> Vec<Blocked> {
        let pulses = lock(&self.0.pulses);
        let blocked = pulses.iter().filter_map(|(name, pulse)| {
            let beat = pulse.beat();
            let since = beat.told.filter(|_| beat.alive)?.elapsed();
            Some(Blocked { name: name.clone(), in_hand: beat.in_hand.map(|(what, _)| what), since })
        });
        blocked.collect()
    }

    /// Lets the actor called `name` block its thread for so long when it takes its next message; `false` when
    /// nobody of that name lives.
    pub fn block_next(&self, name: &str, time: Duration) -> bool {
        let Some(pulse) = lock(&self.0.pulses).get(name).cloned() else { return false };
        let mut beat = pulse.beat();
        if beat.alive {
            beat.fault = Some(time);
        }
        beat.alive
    }

    /// Watches until the guard is dropped.
    ///
    /// * `excused` - whether nobody is to blame just now for taking long.
    /// * `tell` - called from the watcher's thread; must not block.
    ///
    /// # Errors
    /// When there can be no thread for it.
    pub fn watch(
        &self,
        excused: impl Fn() -> bool + Send + 'static,
        tell: impl Fn(Sign) + Send + 'static,
    ) -> std::io::Result<Watch> {
        let vitals = self.clone();
        lock(&self.0.alarm.call).closed = false;
        let thread =
            thread::Builder::new().name("watch".to_owned()).spawn(move || vitals.attend(excused, tell))?;
        Ok(Watch { alarm: Arc::clone(&self.0.alarm), thread: Some(thread) })
    }

    fn attend(&self, excused: impl Fn() -> bool, tell: impl Fn(Sign)) {
        // What began before does not count.
        let mut not_before = Instant::now();
        loop {
            if excused() {
                not_before = Instant::now();
            }
            // In this order: whoever begins after the look finds that there is no deadline, and rings.
            self.0.alarm.armed.store(false, Ordering::SeqCst);
            let (signs, deadline) = self.look(Instant::now(), not_before);
            signs.into_iter().for_each(&tell);
            if deadline.is_some() {
                self.0.alarm.armed.store(true, Ordering::SeqCst);
            }
            if self.0.alarm.sleep(deadline) {
                return;
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline + LATE) {
                not_before = Instant::now();
            }
        }
    }

    /// Returns what is to be told now, and when to look again if nobody rings.
    fn look(&self, now: Instant, not_before: Instant) -> (Vec<Sign>, Option<Instant>) {
        let (mut signs, mut deadline) = (Vec::new(), None);
        for (name, pulse) in lock(&self.0.pulses).iter() {
            let mut beat = pulse.beat();
            let in_hand = beat.in_hand.map(|(what, _)| what);
            let since = beat.in_hand.map(|(_, since)| since).or(beat.rung).filter(|_| beat.alive);
            if let Some(told) = beat.told
                && since.is_none_or(|since| since > told)
            {
                beat.told = None;
                signs.push(Sign::Free { name: name.clone(), after: now.saturating_duration_since(told) });
            }
            let Some(since) = since.filter(|_| beat.told.is_none()) else { continue };
            let due = since.max(not_before) + PATIENCE;
            if due <= now {
                beat.told = Some(since);
                let since = now.saturating_duration_since(since);
                signs.push(Sign::Blocked(Blocked { name: name.clone(), in_hand, since }));
            } else {
                deadline = Some(deadline.map_or(due, |earliest: Instant| earliest.min(due)));
            }
        }
        (signs, deadline)
    }
}

/// A watch that goes on; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    alarm: Arc<Alarm>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.alarm.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn alive(vitals: &Vitals, name: &str) -> Pulse {
        let pulse = vitals.pulse(name);
        pulse.born().over();
        pulse
    }

    fn blocked(signs: &[Sign]) -> Vec<(&str, Option<&str>)> {
        let told = signs.iter().filter_map(|sign| match sign {
            Sign::Blocked(blocked) => Some((blocked.name.as_str(), blocked.in_hand)),
            Sign::Free { .. } => None,
        });
        told.collect()
    }

    #[test]
    fn who_is_busy_too_long_is_told_once_and_again_when_free() {
        let vitals = Vitals::default();
        let (start, pulse) = (Instant::now(), alive(&vitals, "scribe"));
        pulse.begin("Write");
        let since = Instant::now();
        let (signs, deadline) = vitals.look(since, start);
        assert!(signs.is_empty());
        let due = deadline.unwrap();
        assert!(due <= since + PATIENCE && due > start + PATIENCE - LATE);
        assert_eq!(blocked(&vitals.look(due, start).0), [("scribe", Some("Write"))]);
        assert_eq!(vitals.look(due + PATIENCE, start), (Vec::new(), None), "told once");
        assert_eq!(vitals.blocked()[0].in_hand, Some("Write"));
        pulse.done();
        let (signs, deadline) = vitals.look(due + PATIENCE, start);
        assert!(matches!(&signs[..], [Sign::Free { name, after }] if name == "scribe" && *after >= PATIENCE));
        assert_eq!((deadline, vitals.blocked().len()), (None, 0));
    }

    #[test]
    fn who_goes_on_with_something_else_is_free_and_has_all_its_time_again() {
        let vitals = Vitals::default();
        let (start, pulse) = (Instant::now(), alive(&vitals, "scribe"));
        pulse.begin("Write");
        assert_eq!(vitals.look(Instant::now() + PATIENCE, start).0.len(), 1);
        pulse.done();
        pulse.begin("Flushed");
        let (signs, deadline) = vitals.look(Instant::now(), start);
        assert!(matches!(&signs[..], [Sign::Free { .. }]), "{signs:?}");
        assert!(deadline.is_some());
    }

    #[test]
    fn a_message_that_is_not_taken_counts_as_well() {
        let vitals = Vitals::default();
        let (start, pulse) = (Instant::now(), alive(&vitals, "mayor"));
        assert_eq!(vitals.look(start + PATIENCE * 9, start), (Vec::new(), None), "idle for long is no fault");
        pulse.rung();
        assert_eq!(blocked(&vitals.look(Instant::now() + PATIENCE, start).0), [("mayor", None)]);
        pulse.begin("Look");
        pulse.done();
        assert!(matches!(vitals.look(Instant::now(), start).0[..], [Sign::Free { .. }]));
    }

    #[test]
    fn the_dead_are_not_blocked_and_their_remains_are_taken_once() {
        let vitals = Vitals::default();
        let (start, pulse) = (Instant::now(), alive(&vitals, "mayor"));
        pulse.begin("Look");
        pulse.ended("no session".to_owned());
        assert_eq!(vitals.look(start + PATIENCE * 9, start), (Vec::new(), None));
        let remains = vitals.take_remains("mayor");
        assert_eq!(remains.in_hand.map(|(what, _)| what), Some("Look"));
        assert_eq!(remains.state.as_deref(), Some("no session"));
        assert_eq!(vitals.take_remains("mayor").in_hand, None);
        assert_eq!(vitals.take_remains("nobody"), Remains::default());
    }

    #[test]
    fn one_that_does_not_come_to_life_died_over_its_start() {
        let vitals = Vitals::default();
        let pulse = vitals.pulse("mayor");
        drop(pulse.born());
        let late = Instant::now() + PATIENCE * 9;
        assert_eq!(vitals.look(late, late - PATIENCE * 9), (Vec::new(), None));
        assert_eq!(vitals.take_remains("mayor").in_hand.map(|(what, _)| what), Some("start"));
    }

    #[test]
    fn what_began_while_nobody_could_run_does_not_count() {
        let vitals = Vitals::default();
        let (start, pulse) = (Instant::now(), alive(&vitals, "mayor"));
        pulse.begin("Look");
        let late = start + PATIENCE * 9;
        let (signs, deadline) = vitals.look(late, late);
        assert_eq!((signs, deadline), (Vec::new(), Some(late + PATIENCE)));
    }

    #[test]
    fn a_watcher_sleeps_until_somebody_begins() {
        let vitals = Vitals::default();
        let (tell, told) = mpsc::channel();
        let watch = vitals.watch(|| false, move |sign| tell.send(sign).unwrap()).unwrap();
        let (one, two) = (alive(&vitals, "one"), alive(&vitals, "two"));
        two.begin("Look");
        one.begin("Look");
        one.done();
        let Ok(Sign::Blocked(Blocked { name, .. })) = told.recv() else { panic!("nothing was told") };
        assert_eq!(name, "two");
        two.done();
        assert!(matches!(told.recv(), Ok(Sign::Free { name, .. }) if name == "two"));
        drop(watch);
        assert!(told.recv().is_err(), "the watcher is gone");
    }
}
