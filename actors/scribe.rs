//! The scribe: the only writer of the ledger.
//!
//! - Owns: the write step. A decision is made and recorded in one piece, so nothing comes in between.
//! - Hears: `Write`, from everybody.
//! - Says: the answer, once the record is on disk; bells to whom the events concern, and to everybody when
//!   the disk can again after it could not.
//! - Wakes: with nothing; what was not answered has not happened.
//! - Fails: never by a refusal. A store that cannot write refuses, stays readable, and recovers.
//!
//! Decisions that come while a group waits for the disk make up the next group, so that many writers
//! share one sync.
//!
//! While the store is read-only, and only then, the scribe itself tries again, at growing intervals: what
//! waits for the disk goes on without anybody's command.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use clerk::bell::{self, Ear};
use clerk::draft::Deed;
use ledger::Decision;
use ledger::views::Board;
use model::answer::Answer;
use model::refusal::Refusal;
use model::time::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use crate::errand::{Errand, blocking};
use crate::tools::Tools;
use crate::vitals::{Digest, Named};

/// The name in the tree.
pub const NAME: &str = "scribe";

/// Decisions in one group. More only makes everybody wait longer.
const GROUP: usize = 128;

/// How long somebody waits for the disk before they are told that it is unknown what became of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The first pause after which a read-only store is tried again, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Looks at the board and says what is to be recorded, and what the asker is told.
pub type Decide = Box<dyn FnOnce(&Board, Timestamp) -> Result<(Deed, Answer), Refusal> + Send>;

/// What the scribe hears.
pub enum Message {
    /// Decide and record.
    Write {
        /// The decision.
        decide: Decide,
        /// Where the answer goes; the asker may have gone away.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// A group is on disk, or refused.
    Flushed,
    /// The disk was tried once more.
    Tried,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

type Pending = (Decide, oneshot::Sender<Result<Answer, Refusal>>);

/// What the scribe has in hand.
pub struct State {
    tools: Tools,
    waiting: Vec<Pending>,
    flushing: bool,
    outage: Option<Outage>,
}

/// The store is read-only.
struct Outage {
    /// How long until it is tried again after this try.
    pause: Duration,
    _try: Errand,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Named for Message {
    fn name(&self) -> &'static str {
        match self {
            Message::Write { .. } => "Write",
            Message::Flushed => "Flushed",
            Message::Tried => "Tried the disk",
        }
    }
}

impl Digest for State {
    fn digest(&self) -> String {
        let flushing = if self.flushing { ", a group on its way to the disk" } else { "" };
        let outage = if self.outage.is_some() { ", the ledger read-only" } else { "" };
        format!("{} decisions waiting{flushing}{outage}", self.waiting.len())
    }
}

/// The actor.
#[derive(Debug)]
pub struct Scribe;

impl Actor for Scribe {
    type Msg = Message;
    type State = State;
    type Arguments = Tools;

    async fn pre_start(&self, me: ActorRef<Message>, tools: Tools) -> Result<State, ActorProcessingErr> {
        let mut state = State { tools, waiting: Vec::new(), flushing: false, outage: None };
        state.look_at_disk(&me, false);
        let pulse = state.tools.vitals.pulse(NAME);
        state.tools.scribe.seat(me, pulse);
        Ok(state)
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Write { decide, reply } => state.waiting.push((decide, reply)),
            Message::Flushed => {
                state.flushing = false;
                state.look_at_disk(&me, false);
            }
            Message::Tried => state.look_at_disk(&me, true),
        }
        if !state.flushing && !state.waiting.is_empty() {
            let group: Vec<Pending> = state.waiting.drain(..state.waiting.len().min(GROUP)).collect();
            state.flushing = true;
            let tools = state.tools.clone();
            // Blocking, on a thread of its own: the disk may take its time. It is not aborted with the
            // scribe, so what has been decided is recorded and answered even then.
            tokio::task::spawn_blocking(move || {
                // Said even when a decision panics: its group is lost and told so, the next ones go on.
                let _over = Over(me);
                flush(&tools, group);
            });
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        // Those who asked in the last moment are answered too.
        let group = std::mem::take(&mut state.waiting);
        if !group.is_empty() {
            let tools = state.tools.clone();
            tokio::task::spawn_blocking(move || flush(&tools, group)).await?;
        }
        Ok(())
    }
}

impl State {
    /// Sees to it that a store that cannot write is tried again, and that everybody hears when it can.
    fn look_at_disk(&mut self, me: &ActorRef<Message>, tried: bool) {
        let Some(why) = self.tools.store.read_only() else {
            if self.outage.take().is_some() {
                tracing::info!("the ledger can be written again; everybody goes on");
                self.tools.recoveries.send_modify(|count| *count += 1);
                self.tools.directory.ring_all();
            }
            return;
        };
        let pause = match &self.outage {
            // The next try is under way.
            Some(_) if !tried => return,
            Some(outage) => (outage.pause * 2).min(PAUSES.1),
            None => {
                tracing::error!(%why, "the ledger is read-only; it is tried again until it can be written");
                PAUSES.0
            }
        };
        let (me, store) = (me.clone(), self.tools.store.clone());
        let next = Errand::run(|_| async move {
            tokio::time::sleep(pause).await;
            if let Err(panic) = blocking(move || store.try_again()).await {
                tracing::error!(%panic, "trying the disk again has failed");
            }
            let _ = me.cast(Message::Tried);
        });
        self.outage = Some(Outage { pause, _try: next });
    }
}

/// Says that a group is over, however it went.
struct Over(ActorRef<Message>);

impl Drop for Over {
    fn drop(&mut self) {
        let _ = self.0.cast(Message::Flushed);
    }
}

/// Records a group, tells whom it concerns, and answers everybody in it.
fn flush(tools: &Tools, group: Vec<Pending>) {
    let mut replies = Vec::with_capacity(group.len());
    let mut decisions: Vec<Decision<'_, Answer>> = Vec::with_capacity(group.len());
    for (decide, reply) in group {
        replies.push(reply);
        decisions.push(decide);
    }
    let write = || tools.store.write(tools.clock.now(), decisions);
    let results = match catch_unwind(AssertUnwindSafe(write)) {
        Ok(results) => results,
        Err(panic) => {
            // Before or after it was on disk: nobody may do it again unseen.
            let words = crate::letters::words(panic.as_ref()).to_owned();
            tracing::error!(panic = %words, "the ledger's writer panicked");
            for reply in replies {
                let message = format!("it is not known whether this was recorded: writing panicked: {words}");
                let hint = "look with `gastown events` before you do it again";
                let _ = reply.send(Err(Refusal::failed("not_known", message).hint(hint)));
            }
            // What was recorded all the same is seen by those whom it concerns.
            tools.directory.ring_all();
            return;
        }
    };
    let mut ears: Vec<Ear> = tools.look(|board| {
        let records = results.iter().flatten().flat_map(|written| &written.records);
        records.flat_map(|record| bell::ears(board, &record.event)).collect()
    });
    for (result, reply) in results.into_iter().zip(replies) {
        let _ = reply.send(result.map(|written| written.value));
    }
    ears.sort();
    ears.dedup();
    for ear in &ears {
        tools.directory.ring(ear);
    }
}
