//! A stage with workers that fail on order, and a log of all that happens on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, MessagingErr, RpcReplyPort};
use supervisors::Town;
use supervisors::desk::Desk;
use supervisors::policy::{Intensity, Restart, Rules, Shutdown, Strategy};
use supervisors::report::{Notice, Observer, Records};
use supervisors::spec::{DynBranch, DynChild, Start};
use tokio::sync::watch;

/// What a worker can be told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Return an error.
    Fail,
    /// Panic.
    Panic,
    /// Stop by itself.
    Quit,
    /// Never finish this message; only a kill helps.
    Hang,
    /// Block the thread until the sender is dropped; nothing helps.
    Block(std::sync::mpsc::Receiver<()>),
    /// Say which incarnation this is, from 1.
    Which(RpcReplyPort<usize>),
}

/// How a worker behaves beyond its orders.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// In which incarnations `pre_start` panics: from this one on.
    pub(crate) stillborn_from: Option<usize>,
    /// `post_stop` panics.
    pub(crate) panics_in_post_stop: bool,
    /// `post_stop` never ends.
    pub(crate) hangs_in_post_stop: bool,
    /// Dropping the state panics.
    pub(crate) panics_in_drop: bool,
    /// Fails at once, every time.
    pub(crate) fails_at_once: bool,
    /// Bears its name in ractor's registry too.
    pub(crate) registered: bool,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    incarnations: HashMap<String, usize>,
    alive: HashMap<String, usize>,
    overlaps: Vec<String>,
}

/// Where a test takes place.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    seen: Arc<Mutex<Seen>>,
    told: Arc<watch::Sender<()>>,
    pub(crate) records: Records,
}

struct Ear(Arc<Mutex<Seen>>, Arc<watch::Sender<()>>);

impl Observer for Ear {
    fn notice(&self, notice: &Notice) {
        let line = match notice {
            Notice::Started { child, .. } => format!("started {child}"),
            Notice::Ended { child, reason, abnormal, .. } => {
                format!("ended {child} {}: {reason}", if *abnormal { "badly" } else { "well" })
            }
            Notice::Restarted { child, count, .. } => format!("restarted {child} {count}"),
            Notice::Left { child, .. } => format!("left {child}"),
            Notice::StartFailed { child, reason, .. } => format!("start failed {child}: {reason}"),
            Notice::GaveUp(report) => format!("gave up {} {}", report.supervisor, report.child),
        };
        self.0.lock().unwrap().lines.push(line);
        self.1.send_replace(());
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let told = Arc::new(watch::channel(()).0);
        let ear = Ear(Arc::clone(&seen), Arc::clone(&told));
        Self { seen, told, records: Records::new(Arc::new(ear)) }
    }

    pub(crate) fn desk(&self) -> Desk {
        Desk::new(self.records.living.clone())
    }

    /// A permanent worker with a grace of five seconds.
    pub(crate) fn worker(&self, name: &str) -> DynChild {
        self.worker_with(name, Habits::default())
    }

    pub(crate) fn worker_with(&self, name: &str, habits: Habits) -> DynChild {
        let (stage, own) = (self.clone(), name.to_owned());
        let registered = habits.registered.then(|| name.to_owned());
        let start = Start::actor(registered, move || (Worker, (stage.clone(), own.clone(), habits)));
        DynChild::actor(name, Restart::Permanent, Shutdown::secs(5), start)
    }

    /// A branch of permanent workers that bears `restarts` in a minute.
    pub(crate) fn branch(
        &self,
        name: &str,
        strategy: Strategy,
        restarts: u32,
        workers: &[&str],
    ) -> DynBranch {
        let intensity = Intensity { restarts, within: Duration::from_secs(60) };
        DynBranch {
            name: name.to_owned(),
            rules: Rules::new(strategy, intensity),
            children: workers.iter().map(|worker| self.worker(worker)).collect(),
        }
    }

    pub(crate) async fn start(&self, branch: DynBranch) -> Town {
        supervisors::start_town(branch, self.records.clone()).await.unwrap()
    }

    /// Gives an order to whoever bears the name now, as soon as somebody does who can take it.
    pub(crate) async fn order(&self, name: &str, order: Order) {
        let mut order = Some(order);
        self.until(|_| {
            let Ok(cell) = self.desk().find(name) else { return false };
            let Some(given) = order.take() else { return true };
            match ActorRef::<Order>::from(cell).cast(given) {
                Ok(()) => true,
                Err(MessagingErr::SendErr(returned)) => {
                    order = Some(returned);
                    false
                }
                Err(other) => panic!("{other}"),
            }
        })
        .await;
    }

    /// Waits until the log satisfies the condition, and returns it.
    pub(crate) async fn until(&self, mut condition: impl FnMut(&[String]) -> bool) -> Vec<String> {
        let mut told = self.told.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                let lines = self.lines();
                if condition(&lines) {
                    return lines;
                }
                told.changed().await.unwrap();
            }
        });
        match waited.await {
            Ok(lines) => lines,
            Err(_) => panic!("never happened; the log: {:#?}", self.lines()),
        }
    }

    pub(crate) async fn until_said(&self, line: &str, times: usize) -> Vec<String> {
        self.until(|lines| lines.iter().filter(|said| *said == line).count() >= times).await
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().lines.clone()
    }

    /// The lines of one kind, without the word itself.
    pub(crate) fn lines_of(&self, word: &str) -> Vec<String> {
        let lines = self.lines();
        lines.iter().filter_map(|line| line.strip_prefix(word).map(|rest| rest.trim().to_owned())).collect()
    }

    pub(crate) fn forget_lines(&self) {
        self.seen.lock().unwrap().lines.clear();
    }

    pub(crate) fn incarnations(&self, name: &str) -> usize {
        self.seen.lock().unwrap().incarnations.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn alive(&self) -> usize {
        self.seen.lock().unwrap().alive.values().sum()
    }

    pub(crate) fn overlaps(&self) -> Vec<String> {
        self.seen.lock().unwrap().overlaps.clone()
    }

    fn say(&self, line: String) {
        self.seen.lock().unwrap().lines.push(line);
        self.told.send_replace(());
    }

    /// The first thing `pre_start` does, as if it took a lock on the worker's worktree.
    fn take(&self, name: &str, habits: Habits) -> (usize, Held) {
        let mut seen = self.seen.lock().unwrap();
        let incarnation = seen.incarnations.entry(name.to_owned()).or_default();
        *incarnation += 1;
        let incarnation = *incarnation;
        let alive = seen.alive.entry(name.to_owned()).or_default();
        *alive += 1;
        if *alive > 1 {
            seen.overlaps.push(format!("{name} {incarnation}"));
        }
        (incarnation, Held { stage: self.clone(), name: name.to_owned(), habits })
    }
}

/// What only one incarnation may have at a time.
#[derive(Debug)]
pub(crate) struct Held {
    stage: Stage,
    name: String,
    habits: Habits,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut seen = self.stage.seen.lock().unwrap();
        if let Some(alive) = seen.alive.get_mut(&self.name) {
            *alive -= 1;
        }
        drop(seen);
        if self.habits.panics_in_drop && !std::thread::panicking() {
            panic!("dropped the state of {}", self.name);
        }
    }
}

pub(crate) struct Worker;

pub(crate) struct WorkerState {
    stage: Stage,
    name: String,
    habits: Habits,
    incarnation: usize,
    _held: Held,
}

impl Actor for Worker {
    type Msg = Order;
    type State = WorkerState;
    type Arguments = (Stage, String, Habits);

    async fn pre_start(
        &self,
        me: ActorRef<Order>,
        (stage, name, habits): Self::Arguments,
    ) -> Result<WorkerState, ActorProcessingErr> {
        let (incarnation, held) = stage.take(&name, habits);
        tokio::task::yield_now().await;
        if habits.stillborn_from.is_some_and(|from| incarnation >= from) {
            panic!("{name} is stillborn");
        }
        if habits.fails_at_once {
            me.cast(Order::Fail)?;
        }
        Ok(WorkerState { stage, name, habits, incarnation, _held: held })
    }

    async fn handle(
        &self,
        me: ActorRef<Order>,
        order: Order,
        state: &mut WorkerState,
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Fail => return Err(format!("{} failed", state.name).into()),
            Order::Panic => panic!("{} panicked", state.name),
            Order::Quit => me.stop(None),
            Order::Hang => std::future::pending().await,
            Order::Block(until) => {
                // Whoever this task has woken last would be stuck behind it on this thread.
                tokio::task::yield_now().await;
                state.stage.say(format!("blocks {}", state.name));
                let _ = until.recv();
            }
            Order::Which(reply) => reply.send(state.incarnation)?,
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Order>, state: &mut WorkerState) -> Result<(), ActorProcessingErr> {
        state.stage.say(format!("post_stop {}", state.name));
        if state.habits.panics_in_post_stop {
            panic!("{} panicked in post_stop", state.name);
        }
        if state.habits.hangs_in_post_stop {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}
