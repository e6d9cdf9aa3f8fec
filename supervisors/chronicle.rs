//! The chronicle: what happens in the tree, as events of the ledger.
//!
//! Who died, over what, in which state, and what was done about it (`actor.ended`); who takes no messages
//! (`actor.blocked`, `actor.unblocked`). What can only be seen at once (what the dead had in hand) is taken down
//! where the notice comes from; what takes time (the last of a screen, the disk) in a task of its own, in the order
//! in which it happened.
//!
//! The scribe that writes this down may be the one who has died, or the whole town may be going down. So each
//! entry is tried until there is a scribe; and what nobody could write any more is handed back at the end, for
//! whoever closes the ledger.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::errand::blocking;
use actors::tools::Tools;
use actors::tree_name;
use actors::vitals::{Blocked, Remains, Sign, Watch};
use clerk::draft::Draft;
use model::agent::AgentState;
use model::crash::Crash;
use model::event::Event;
use model::ids::Seq;
use model::role::Address;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::report::{Notice, Observer};

/// Lines of a session's last screen that are kept.
const LINES: usize = 20;

/// How long to wait for a scribe that is not there, or a disk that cannot be written, before the next try.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(20));

/// What the chronicle hears.
enum Told {
    /// Something happened in the tree; how the dead was found, where somebody died.
    Notice(Notice, Box<Crash>),
    /// Somebody takes no messages, or takes them again.
    Sign(Sign),
    /// The town is over: whatever could not be written is wanted back.
    Close(oneshot::Sender<Vec<Event>>),
}

/// The chronicle of a living town.
#[derive(Debug)]
pub struct Chronicle {
    told: mpsc::UnboundedSender<Told>,
    closing: watch::Sender<bool>,
    watch: Option<Watch>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

/// Opens the chronicle of the town of `tools`; the observer is for its supervisors.
pub(crate) fn open(tools: &Tools) -> (Chronicle, Arc<dyn Observer>) {
    let (told, heard) = mpsc::unbounded_channel();
    let (closing, is_closing) = watch::channel(false);
    let writer = Writer { tools: tools.clone(), closing: is_closing, unwritten: Vec::new() };
    let task = tokio::spawn(writer.run(heard));
    let (store, tree, signs) = (tools.store.clone(), tools.tree.clone(), told.clone());
    let tell = move |sign: Sign| {
        match &sign {
            Sign::Blocked(Blocked { name, in_hand, since }) => {
                tree.set_blocked(name, true);
                let busy_with = in_hand.unwrap_or("nothing");
                tracing::error!(actor = %name, busy_with, ?since, "takes no messages");
            }
            Sign::Free { name, after } => {
                tree.set_blocked(name, false);
                tracing::warn!(actor = %name, ?after, "is no longer blocked");
            }
        }
        let _ = signs.send(Told::Sign(sign));
    };
    // While the disk cannot be written everybody waits for it, and that is told elsewhere.
    let watch = tools.vitals.watch(move || store.read_only().is_some(), tell);
    let watch = watch.map_err(|error| tracing::error!(%error, "nobody watches for blocked actors")).ok();
    let observer = Reporter { tools: tools.clone(), told: told.clone(), born: Mutex::default() };
    (Chronicle { told, closing, watch, task }, Arc::new(observer))
}

impl Chronicle {
    /// Ends the chronicle of a town that is over; returns what could not be written, to be [entered](enter).
    pub async fn close(mut self) -> Vec<Event> {
        // Its thread may be in the middle of telling; a thread that blocks is waited for there.
        let watch = self.watch.take();
        let _ = blocking(move || drop(watch)).await;
        self.closing.send_replace(true);
        let (reply, unwritten) = oneshot::channel();
        let _ = self.told.send(Told::Close(reply));
        unwritten.await.unwrap_or_default()
    }
}

impl Drop for Chronicle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Enters an event of the chronicle, with what follows from it: a person is told when an actor is given up.
pub fn enter(draft: &mut Draft<'_>, event: Event) {
    if let Event::ActorEnded { name, reason, outcome, .. } = &event
        && outcome == "gave_up"
    {
        let hook = draft.board.hooks.iter().find(|hook| tree_name(&hook.agent) == *name);
        let (bead, agent) = (hook.map(|hook| hook.bead.clone()), hook.map(|hook| hook.agent.clone()));
        let subject = format!("actor {name} was given up");
        let mut body = format!("{reason}\n\nIts story: gastown why {name:?}");
        // Its work waits for a person, and is not counted as under way.
        if let Some(worker) = &agent {
            body = format!("{body}\nThen: gastown agent start {worker}");
            let note = format!("its actor was given up: {reason}");
            clerk::agents::state(draft, worker, AgentState::Failed, Some(&note));
        }
        draft.escalate("critical", (bead, agent), subject, body, &[Address::Overseer]);
    }
    draft.push(event);
}

/// Takes down at once what is soon gone.
struct Reporter {
    tools: Tools,
    told: mpsc::UnboundedSender<Told>,
    /// The first event of each actor's present life.
    born: Mutex<HashMap<String, Seq>>,
}

impl Observer for Reporter {
    fn notice(&self, notice: &Notice) {
        let crash = match notice {
            Notice::Started { child, .. } => {
                let first = self.tools.store.head().next();
                self.born.lock().unwrap_or_else(PoisonError::into_inner).insert(child.clone(), first);
                return;
            }
            Notice::Ended { supervisor, child, .. } => self.find(supervisor, child),
            _ => Crash::default(),
        };
        // Nobody listens any more once the town is going down.
        let _ = self.told.send(Told::Notice(notice.clone(), Box::new(crash)));
    }
}

impl Reporter {
    fn find(&self, supervisor: &str, child: &str) -> Crash {
        let tools = &self.tools;
        let Remains { in_hand, state, lived } = tools.vitals.take_remains(child);
        let since = self.born.lock().unwrap_or_else(PoisonError::into_inner).remove(child);
        Crash {
            supervisor: Some(supervisor.to_owned()),
            letter: tools.hands.held_by(|who| tree_name(who) == child),
            in_hand: in_hand.map(|(what, _)| what.to_owned()),
            busy_ms: in_hand.map(|(_, time)| millis(time)),
            state,
            lived_ms: since.map(|_| millis(lived)).filter(|ms| *ms > 0),
            since: since.filter(|since| *since <= tools.store.head()),
            until: since.map(|_| tools.store.head()).filter(|head| since <= Some(*head)),
            ..Crash::default()
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Somebody who has died, and about whom nothing was done yet.
struct Death {
    reason: String,
    crash: Box<Crash>,
}

/// Writes it all down.
struct Writer {
    tools: Tools,
    closing: watch::Receiver<bool>,
    unwritten: Vec<Event>,
}

impl Writer {
    async fn run(mut self, mut heard: mpsc::UnboundedReceiver<Told>) {
        let mut dead: BTreeMap<String, Death> = BTreeMap::new();
        while let Some(told) = heard.recv().await {
            match told {
                Told::Notice(notice, crash) => self.notice(&mut dead, notice, crash).await,
                Told::Sign(sign) => self.sign(sign).await,
                Told::Close(reply) => {
                    for (name, death) in std::mem::take(&mut dead) {
                        self.ended(name, death, "stopped", 0).await;
                    }
                    let _ = reply.send(self.unwritten);
                    return;
                }
            }
        }
    }

    async fn notice(&mut self, dead: &mut BTreeMap<String, Death>, notice: Notice, mut crash: Box<Crash>) {
        match notice {
            Notice::Ended { child, reason, abnormal, .. } => {
                // Whoever was dead when its own supervisor ended is left as it is.
                let below = dead.iter().filter(|(_, death)| death.crash.supervisor.as_ref() == Some(&child));
                let below: Vec<String> = below.map(|(name, _)| name.clone()).collect();
                for name in below {
                    if let Some(death) = dead.remove(&name) {
                        self.ended(name, death, "stopped", 0).await;
                    }
                }
                if abnormal {
                    crash.last_output = self.last_output(&child).await;
                    dead.insert(child, Death { reason, crash });
                }
            }
            Notice::StartFailed { supervisor, child, reason } => {
                let death = dead.entry(child).or_insert_with(|| {
                    crash.supervisor = Some(supervisor);
                    Death { reason: "it was to be started again with another".to_owned(), crash }
                });
                death.reason = format!("{}; then: {reason}", death.reason);
            }
            Notice::Restarted { child, count, within, .. } => {
                if let Some(mut death) = dead.remove(&child) {
                    death.crash.window_s = Some(within.as_secs());
                    self.ended(child, death, "restarted", count).await;
                }
            }
            Notice::Left { child, .. } => {
                if let Some(death) = dead.remove(&child) {
                    self.ended(child, death, "stopped", 0).await;
                }
            }
            Notice::GaveUp(report) => {
                let death = dead.remove(&report.child);
                let mut crash = death.map(|death| death.crash).unwrap_or_default();
                crash.supervisor = Some(report.supervisor);
                crash.window_s = Some(report.within.as_secs());
                let death = Death { reason: report.reason, crash };
                self.ended(report.child, death, "gave_up", report.restarts).await;
            }
            Notice::Started { .. } => {}
        }
    }

    async fn sign(&mut self, sign: Sign) {
        let event = match sign {
            Sign::Blocked(Blocked { name, in_hand, since }) => Event::ActorBlocked {
                letter: self.tools.hands.held_by(|who| tree_name(who) == name),
                in_hand: in_hand.map(str::to_owned),
                since_ms: millis(since),
                name,
            },
            Sign::Free { name, after } => Event::ActorUnblocked { name, after_ms: millis(after) },
        };
        self.write(event).await;
    }

    async fn ended(&mut self, name: String, Death { reason, crash }: Death, outcome: &str, restarts: usize) {
        let restarts = u32::try_from(restarts).unwrap_or(u32::MAX);
        self.write(Event::ActorEnded { name, reason, outcome: outcome.to_owned(), restarts, crash }).await;
    }

    /// What the session of the actor's agent last showed; nothing where it has none.
    async fn last_output(&self, name: &str) -> Vec<String> {
        let recording = self.tools.look(|board| {
            let mut agents = board.agents.iter();
            let (address, agent) = agents.find(|(address, _)| tree_name(address) == name)?;
            let open = agent.session.as_ref()?;
            Some(self.tools.paths.session_log(address, &open.id))
        });
        let Some(recording) = recording else { return Vec::new() };
        let tail = blocking(move || pty::replay::tail(&recording, LINES)).await;
        let text = tail.ok().and_then(Result::ok).unwrap_or_default();
        text.trim_end().lines().map(str::to_owned).collect()
    }

    /// Writes an event as soon as there is somebody to write it and a disk to write it on; keeps it when the
    /// town is over before that.
    async fn write(&mut self, event: Event) {
        let mut recovered = self.tools.recoveries.subscribe();
        loop {
            if *self.closing.borrow() {
                self.unwritten.push(event);
                return;
            }
            recovered.mark_unchanged();
            let entry = event.clone();
            let written = self.tools.note_once(&Address::Runtime, move |draft| {
                enter(draft, entry.clone());
                Ok(())
            });
            let pause = match written.await {
                Some(Ok(())) => return,
                Some(Err(refusal)) if refusal.is_of_the_disk() => AGAIN.1,
                Some(Err(refusal)) => {
                    tracing::warn!(%refusal, kind = event.kind(), "cannot record what happened in the tree");
                    return;
                }
                None => AGAIN.0,
            };
            tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => {}
                _ = recovered.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
