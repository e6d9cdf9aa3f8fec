//! The supervisor: one actor type that carries decisions out, for every branch of the tree.
//!
//! - Owns: its children in start order, their restarts, their ends.
//! - Hears: ractor's events, its watchers' `Gone`, and requests for children that come and go.
//! - Says: notices to the observer; where everybody is, to the records.
//! - Wakes: from its branch alone. Children of the branch are started in order in `pre_start`; one
//!   that will not start ends those before it in reverse and fails the whole start.
//! - Fails: when children fail too often. It ends them in reverse first, so that its own
//!   supervisor, which restarts it, finds nothing left of them.
//!
//! ```text
//!            started              event + Gone, decided            Due
//!   (spec) ──────────▶ Running ─────────────────────────▶ Waiting ─────▶ Running
//!                         │  └──────────── decided ─────▶ Idle
//!                         └─ StopChild ──▶ Leaving ── Gone ──▶ forgotten
//! ```
//!
//! Two rules keep an old and a new incarnation apart. A child is only decided on when its watcher
//! has said `Gone`. And nobody is started in the handler that ended somebody, but in a message of
//! its own (`Due`): a sibling that ended by itself meanwhile has left its state in an event on our
//! supervision port, and that port is emptied before the next message is taken.
//!
//! Each incarnation has a generation; what is said of another one is ignored. So a child that was
//! stopped or replaced during a back-off is not raised from the dead by a late timer.
//!
//! Calls never go upwards: a child that needs its supervisor to act must not wait for it in
//! `pre_start` or `post_stop`.

use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actors::living_tree::{NodeKind, NodeState};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::child::{self, Ending, Lease, Running};
use crate::decision::{self, Exit, Member, Plan, Verdict, Window};
use crate::policy::{Excess, Restart, Rules, Shutdown, StopOrder};
use crate::report::{CrashReport, Notice, Records, chain};
use crate::spec::{ChildKind, DynBranch, DynChild, Start, plain};

/// Why a child was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is one of this name, alive or on its way up or down.
    #[error("{0} is there already")]
    AlreadyPresent(String),
    /// It would not start.
    #[error("cannot start {child}: {reason}")]
    Failed {
        /// Who.
        child: String,
        /// Why.
        reason: String,
    },
}

/// There is no child of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{supervisor} has no child {child}")]
pub struct UnknownChild {
    /// Who was asked.
    pub supervisor: String,
    /// About whom.
    pub child: String,
}

/// A child as its supervisor sees it.
#[derive(Clone, Debug)]
pub struct ChildStatus {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ChildKind,
    /// How it fares.
    pub state: NodeState,
    /// How often it was started again.
    pub restarts: u64,
    /// The actor, while there is one.
    pub actor: Option<ActorCell>,
}

/// What a supervisor can be asked. [`crate::desk::Desk`] asks it.
#[derive(Debug)]
pub enum Message {
    /// Start a child that is not of the branch. It is forgotten when it ends for good, and when
    /// the supervisor is restarted.
    StartChild(Box<DynChild>, RpcReplyPort<Result<ActorCell, StartError>>),
    /// End a child by its grace and forget it. Answered when nothing is left of it; meanwhile
    /// the supervisor goes on with other work.
    StopChild(String, RpcReplyPort<Result<(), UnknownChild>>),
    /// Kill a child, as if it had failed.
    KillChild(String, RpcReplyPort<Result<(), UnknownChild>>),
    /// Tell of all children, in start order.
    WhichChildren(RpcReplyPort<Vec<ChildStatus>>),
    /// A note of the supervisor to itself.
    Note(Note),
}

/// What a supervisor tells itself.
#[derive(Debug)]
pub struct Note(Inner);

#[derive(Debug)]
enum Inner {
    /// Nothing is left of this incarnation. `seen`: its event cannot be on the port any more.
    Gone { generation: u64, seen: bool },
    /// These incarnations are to be started, in this order.
    Due { generations: Vec<u64>, count: usize },
    /// This incarnation could not be started.
    WouldNotStart { generation: u64, reason: String },
}

/// How a tree has ended; written once, by its root.
#[derive(Clone, Debug)]
pub(crate) enum Epitaph {
    Stopped,
    GaveUp(CrashReport),
}

/// What a supervisor starts from.
#[derive(Debug)]
pub struct Arguments {
    pub(crate) branch: DynBranch,
    pub(crate) records: Records,
    pub(crate) lease: Lease,
    pub(crate) epitaph: Option<Arc<OnceLock<Epitaph>>>,
}

/// The actor; all it knows is in its state.
#[derive(Clone, Copy, Debug)]
pub struct Supervisor;

/// A supervisor's children and what it remembers of them.
#[derive(Debug)]
pub struct State {
    name: String,
    rules: Rules,
    records: Records,
    lease: Lease,
    epitaph: Option<Arc<OnceLock<Epitaph>>>,
    children: Vec<Child>,
    window: Window,
    since: Instant,
    generation: u64,
    /// Back-offs under way; they end with the state.
    timers: JoinSet<()>,
}

#[derive(Debug)]
struct Child {
    spec: DynChild,
    /// Came at run time and is forgotten when it ends for good.
    dynamic: bool,
    generation: u64,
    phase: Phase,
    restarts: u64,
    /// Restarts in a row, for the back-off.
    attempts: u32,
    window: Window,
    started: Instant,
    /// An incarnation that was killed and has not ended, for it blocks its thread.
    haunted_by: Option<u64>,
}

#[derive(Debug)]
enum Phase {
    Running { running: Running, exit: Option<Exit> },
    Waiting,
    Idle,
    Leaving { ended: oneshot::Receiver<Ending>, replies: Vec<RpcReplyPort<Result<(), UnknownChild>>> },
}

/// A child's end under way.
struct End {
    ended: oneshot::Receiver<Ending>,
    replies: Vec<RpcReplyPort<Result<(), UnknownChild>>>,
}

/// Returns the start function of a supervisor, for its place below another one.
///
/// Its handle resolves when the supervisor and everything below it is gone, however it ended.
pub fn start(branch: DynBranch, records: Records) -> Start {
    Start::new(move |above| {
        let (branch, records) = (branch.clone(), records.clone());
        Box::pin(async move {
            let (lease, mut leases) = mpsc::channel::<Infallible>(1);
            let arguments = Arguments { branch, records, lease, epitaph: None };
            match Supervisor::spawn_linked(None, Supervisor, arguments, above).await {
                Ok((actor, handle)) => {
                    let all = tokio::spawn(async move {
                        let _ = handle.await;
                        let _ = leases.recv().await;
                    });
                    Ok((actor.get_cell(), all))
                }
                Err(error) => {
                    let _ = leases.recv().await;
                    Err(plain(error))
                }
            }
        })
    })
}

impl DynChild {
    /// Returns a supervisor as a child: it is given all the time it needs to start and to end its
    /// children.
    pub fn supervisor(branch: DynBranch, restart: Restart, records: &Records) -> Self {
        let name = branch.name.clone();
        let start = start(branch, records.clone());
        Self {
            kind: ChildKind::Supervisor,
            start_within: None,
            ..Self::actor(name, restart, Shutdown::Infinite, start)
        }
    }
}

impl Actor for Supervisor {
    type Msg = Message;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<Message>,
        arguments: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let Arguments { branch, records, lease, epitaph } = arguments;
        let DynBranch { name, rules, children } = branch;
        records.tree.set_strategy(&name, rules.strategy.as_str());
        let mut state = State {
            name,
            rules,
            records,
            lease,
            epitaph,
            children: Vec::new(),
            window: Window::default(),
            since: Instant::now(),
            generation: 0,
            timers: JoinSet::new(),
        };
        for spec in children {
            if let Err(error) = state.add(spec, false, &me).await {
                state.end_all(&me).await;
                return Err(error.into());
            }
        }
        Ok(state)
    }

    async fn post_stop(&self, me: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.end_all(&me).await;
        state.write_epitaph(Epitaph::Stopped);
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::StartChild(spec, reply) => {
                let _ = reply.send(state.add(*spec, true, &me).await);
                Ok(())
            }
            Message::StopChild(name, reply) => {
                state.stop_child(&name, reply, &me);
                Ok(())
            }
            Message::KillChild(name, reply) => {
                let _ = reply.send(state.kill_child(&name));
                Ok(())
            }
            Message::WhichChildren(reply) => {
                let _ = reply.send(state.children.iter().map(Child::status).collect());
                Ok(())
            }
            Message::Note(Note(Inner::Gone { generation, seen })) => state.gone(generation, seen, &me).await,
            Message::Note(Note(Inner::Due { generations, count })) => {
                state.due(&generations, count, &me).await;
                Ok(())
            }
            Message::Note(Note(Inner::WouldNotStart { generation, reason })) => {
                state.would_not_start(generation, reason, &me).await
            }
        }
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                state.note_exit(cell.get_id(), Exit::Abnormal(chain(error.as_ref())));
            }
            SupervisionEvent::ActorTerminated(cell, last, reason) => {
                // The dead child's state. A panic in its `Drop` is the child's matter, not ours.
                if catch_unwind(AssertUnwindSafe(|| drop(last))).is_err() {
                    tracing::error!(actor = ?cell, "panicked while its state was dropped");
                }
                let exit = match reason {
                    Some(reason) if reason == "killed" || reason == "actor_task_cancelled" => {
                        Exit::Abnormal(reason)
                    }
                    reason => Exit::Normal(reason),
                };
                state.note_exit(cell.get_id(), exit);
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    /// Starts a child and gives it the last place.
    async fn add(
        &mut self,
        spec: DynChild,
        dynamic: bool,
        me: &ActorRef<Message>,
    ) -> Result<ActorCell, StartError> {
        if let Some(place) = self.place_of(&spec.name) {
            // Whoever has been set aside, or has ended for good, may be replaced.
            let Child { phase: Phase::Idle, dynamic: true, .. } = self.children[place] else {
                return Err(StartError::AlreadyPresent(spec.name));
            };
            self.forget(place);
        }
        let kind = match spec.kind {
            ChildKind::Actor => NodeKind::Actor,
            ChildKind::Supervisor => NodeKind::Supervisor,
        };
        self.records.tree.declare(Some(&self.name), &spec.name, kind);
        self.children.push(Child {
            spec,
            dynamic,
            generation: self.generation,
            phase: Phase::Idle,
            restarts: 0,
            attempts: 0,
            window: Window::default(),
            started: Instant::now(),
            haunted_by: None,
        });
        let place = self.children.len() - 1;
        match self.bring_up(place, me).await {
            Ok(cell) => Ok(cell),
            Err(reason) => {
                let child = self.children[place].spec.name.clone();
                self.forget(place);
                Err(StartError::Failed { child, reason })
            }
        }
    }

    /// Starts a new incarnation of the child at `place`.
    async fn bring_up(&mut self, place: usize, me: &ActorRef<Message>) -> Result<ActorCell, String> {
        let generation = self.next_generation();
        let child = &mut self.children[place];
        child.generation = generation;
        if child.haunted_by.is_some() {
            // Better none than two of one name at one worktree.
            return Err("its predecessor blocks its thread and does not end".to_owned());
        }
        let gone = {
            let me = me.clone();
            move || {
                let _ = me.cast(Message::Note(Note(Inner::Gone { generation, seen: false })));
            }
        };
        let running = child::start(&child.spec, me.get_cell(), self.lease.clone(), gone)
            .await
            .map_err(|error| chain(error.as_ref()))?;
        let cell = running.cell.clone();
        child.started = Instant::now();
        child.phase = Phase::Running { running, exit: None };
        let name = child.spec.name.clone();
        self.records.living.enter(&name, cell.clone());
        self.records.tree.set_state(&name, NodeState::Running);
        self.records.tell(Notice::Started { supervisor: self.name.clone(), child: name });
        Ok(cell)
    }

    fn stop_child(
        &mut self,
        name: &str,
        reply: RpcReplyPort<Result<(), UnknownChild>>,
        me: &ActorRef<Message>,
    ) {
        let Some(place) = self.place_of(name) else {
            let _ = reply.send(Err(self.unknown(name)));
            return;
        };
        let child = &mut self.children[place];
        match std::mem::replace(&mut child.phase, Phase::Idle) {
            Phase::Running { running, .. } => {
                // Its watcher says `Gone` when it is over; the generation stays.
                let ended = running.begin_end(&me.get_cell());
                child.phase = Phase::Leaving { ended, replies: vec![reply] };
                self.records.tree.set_state(name, NodeState::Stopped);
            }
            Phase::Leaving { ended, mut replies } => {
                replies.push(reply);
                child.phase = Phase::Leaving { ended, replies };
            }
            Phase::Waiting | Phase::Idle => {
                self.forget(place);
                let _ = reply.send(Ok(()));
            }
        }
    }

    fn kill_child(&self, name: &str) -> Result<(), UnknownChild> {
        let place = self.place_of(name).ok_or_else(|| self.unknown(name))?;
        match &self.children[place].phase {
            Phase::Running { running, exit: None } => {
                running.cell.kill();
                Ok(())
            }
            _ => Err(self.unknown(name)),
        }
    }

    /// Notes how a child ended; what follows is decided when its watcher says that it is gone.
    fn note_exit(&mut self, id: ActorId, noted: Exit) {
        for child in &mut self.children {
            if let Phase::Running { running, exit } = &mut child.phase
                && running.cell.get_id() == id
            {
                *exit = Some(noted);
                self.records.tree.set_state(&child.spec.name, NodeState::Stopped);
                return;
            }
        }
    }

    async fn gone(
        &mut self,
        generation: u64,
        seen: bool,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(child) = self.children.iter_mut().find(|child| child.haunted_by == Some(generation)) {
            child.haunted_by = None;
            return Ok(());
        }
        let Some(place) = self.place_of_generation(generation) else { return Ok(()) };
        let child = &mut self.children[place];
        match std::mem::replace(&mut child.phase, Phase::Idle) {
            Phase::Leaving { replies, .. } => {
                let name = child.spec.name.clone();
                self.forget(place);
                self.tell_ended(name, &Exit::Normal(Some("stopped on request".to_owned())));
                for reply in replies {
                    let _ = reply.send(Ok(()));
                }
                Ok(())
            }
            Phase::Running { running, exit: None } if !seen => {
                // The event with the child's state came in between our look at the supervision
                // port and our look at the mailbox. It is taken first on the next turn.
                child.phase = Phase::Running { running, exit: None };
                me.cast(Message::Note(Note(Inner::Gone { generation, seen: true })))?;
                Ok(())
            }
            Phase::Running { exit, .. } => {
                let exit = exit.unwrap_or_else(|| Exit::Abnormal("ended without a word".to_owned()));
                if child.started.elapsed() > self.rules.intensity.within {
                    child.attempts = 0;
                }
                let name = child.spec.name.clone();
                self.clear_away(&name);
                self.tell_ended(name, &exit);
                self.follow(place, &exit, me).await
            }
            phase @ (Phase::Waiting | Phase::Idle) => {
                child.phase = phase;
                Ok(())
            }
        }
    }

    async fn would_not_start(
        &mut self,
        generation: u64,
        reason: String,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        match self.place_of_generation(generation) {
            Some(place) => self.follow(place, &Exit::Abnormal(reason), me).await,
            None => Ok(()),
        }
    }

    /// Decides on a child's end and carries the decision out.
    async fn follow(
        &mut self,
        place: usize,
        exit: &Exit,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        let members: Vec<Member> = self.children.iter().map(Child::member).collect();
        let now = self.since.elapsed();
        let window = match self.rules.excess {
            Excess::Escalate => &mut self.window,
            Excess::SetAside => &mut self.children[place].window,
        };
        match decision::decide(&self.rules, &members, window, place, exit, now) {
            Verdict::Leave if !self.children[place].dynamic => self.lay_down(place),
            Verdict::Leave | Verdict::Forget => self.forget(place),
            Verdict::ShutDown => {
                self.lay_down(place);
                me.stop(Some("its significant children have ended".to_owned()));
            }
            Verdict::Restart(plan) => self.restart(place, plan, me).await,
            Verdict::GiveUp { restarts } => return self.give_up(place, exit, restarts, me).await,
        }
        Ok(())
    }

    async fn restart(&mut self, place: usize, plan: Plan, me: &ActorRef<Message>) {
        let wait = self.next_wait(place);
        for &other in &plan.start {
            if other != place && !matches!(self.children[other].phase, Phase::Running { .. }) {
                self.children[other].phase = Phase::Waiting;
            }
            self.records.tree.set_state(&self.children[other].spec.name, NodeState::Restarting);
        }
        for &other in &plan.stop {
            self.end(other, me).await;
        }
        // From here on what was said of the old incarnations is of no interest.
        for &other in &plan.start {
            let generation = self.next_generation();
            let child = &mut self.children[other];
            child.generation = generation;
            child.phase = Phase::Waiting;
            self.records.tree.set_state(&child.spec.name, NodeState::Restarting);
        }
        let generations = plan.start.iter().map(|&other| self.children[other].generation).collect();
        let note = Inner::Due { generations, count: plan.count };
        for &other in plan.forget.iter().rev() {
            self.forget(other);
        }
        let (me, note) = (me.clone(), Message::Note(Note(note)));
        if wait.is_zero() {
            let _ = me.cast(note);
        } else {
            while self.timers.try_join_next().is_some() {}
            self.timers.spawn(async move {
                tokio::time::sleep(wait).await;
                let _ = me.cast(note);
            });
        }
    }

    /// Starts what is still waited for, in order; the first that will not start ends the round.
    async fn due(&mut self, generations: &[u64], count: usize, me: &ActorRef<Message>) {
        for &generation in generations {
            let Some(place) = self.place_of_generation(generation) else { continue };
            if !matches!(self.children[place].phase, Phase::Waiting) {
                continue;
            }
            self.children[place].restarts += 1;
            let name = self.children[place].spec.name.clone();
            self.records.tree.set_restarts(&name, self.children[place].restarts);
            let supervisor = self.name.clone();
            match self.bring_up(place, me).await {
                Ok(_) => self.records.tell(Notice::Restarted { supervisor, child: name, count }),
                Err(reason) => {
                    let told = reason.clone();
                    self.records.tell(Notice::StartFailed { supervisor, child: name, reason: told });
                    let generation = self.children[place].generation;
                    let note = Inner::WouldNotStart { generation, reason };
                    let _ = me.cast(Message::Note(Note(note)));
                    return;
                }
            }
        }
    }

    async fn give_up(
        &mut self,
        place: usize,
        exit: &Exit,
        restarts: usize,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        let escalated = self.rules.excess == Excess::Escalate;
        let report = CrashReport {
            supervisor: self.name.clone(),
            child: self.children[place].spec.name.clone(),
            reason: exit.reason().to_owned(),
            restarts,
            escalated,
        };
        self.lay_down(place);
        self.records.tell(Notice::GaveUp(report.clone()));
        if !escalated {
            return Ok(());
        }
        self.end_all(me).await;
        self.write_epitaph(Epitaph::GaveUp(report.clone()));
        Err(report.into())
    }

    /// Ends one child by its ladder and waits for it.
    async fn end(&mut self, place: usize, me: &ActorRef<Message>) {
        if let Some(end) = self.begin_end(place, me) {
            self.finish_end(place, end).await;
        }
    }

    /// Ends all children, in the order of the rules, and waits for them.
    async fn end_all(&mut self, me: &ActorRef<Message>) {
        self.timers.abort_all();
        match self.rules.stop_order {
            StopOrder::Reverse => {
                for place in (0..self.children.len()).rev() {
                    self.end(place, me).await;
                }
            }
            StopOrder::Parallel => {
                let begun: Vec<_> = (0..self.children.len()).map(|place| self.begin_end(place, me)).collect();
                for (place, end) in begun.into_iter().enumerate() {
                    if let Some(end) = end {
                        self.finish_end(place, end).await;
                    }
                }
            }
        }
    }

    fn begin_end(&mut self, place: usize, me: &ActorRef<Message>) -> Option<End> {
        match std::mem::replace(&mut self.children[place].phase, Phase::Idle) {
            Phase::Running { running, .. } => {
                Some(End { ended: running.begin_end(&me.get_cell()), replies: Vec::new() })
            }
            Phase::Leaving { ended, replies } => Some(End { ended, replies }),
            Phase::Waiting | Phase::Idle => None,
        }
    }

    async fn finish_end(&mut self, place: usize, end: End) {
        let ending = end.ended.await.unwrap_or(Ending::Quiet);
        let child = &mut self.children[place];
        let name = child.spec.name.clone();
        let why = match ending {
            Ending::Quiet => "ended by its supervisor",
            Ending::Killed => "killed by its supervisor",
            Ending::Stuck => {
                child.haunted_by = Some(child.generation);
                "killed by its supervisor, and still blocks its thread"
            }
        };
        self.clear_away(&name);
        self.records.tree.set_state(&name, NodeState::Stopped);
        self.tell_ended(name, &Exit::Normal(Some(why.to_owned())));
        for reply in end.replies {
            let _ = reply.send(Ok(()));
        }
    }

    /// Takes a dead child, and what was below it, out of the records; its own place stays.
    fn clear_away(&self, name: &str) {
        self.records.living.leave(name);
        for below in self.records.tree.clear_below(name) {
            self.records.living.leave(&below);
        }
    }

    fn lay_down(&mut self, place: usize) {
        let child = &mut self.children[place];
        child.phase = Phase::Idle;
        self.records.tree.set_state(&child.spec.name, NodeState::Stopped);
    }

    fn forget(&mut self, place: usize) {
        let child = self.children.remove(place);
        self.records.living.leave(&child.spec.name);
        for name in self.records.tree.remove(&child.spec.name) {
            self.records.living.leave(&name);
        }
    }

    fn tell_ended(&self, child: String, exit: &Exit) {
        self.records.tell(Notice::Ended {
            supervisor: self.name.clone(),
            child,
            reason: exit.reason().to_owned(),
            abnormal: exit.is_abnormal(),
        });
    }

    fn next_wait(&mut self, place: usize) -> Duration {
        let child = &mut self.children[place];
        let Some(backoff) = child.spec.backoff else { return Duration::ZERO };
        let wait = backoff.delay(child.attempts, RandomState::new().build_hasher().finish());
        child.attempts = child.attempts.saturating_add(1);
        wait
    }

    fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.children.iter().position(|child| child.spec.name == name)
    }

    fn place_of_generation(&self, generation: u64) -> Option<usize> {
        self.children.iter().position(|child| child.generation == generation)
    }

    fn unknown(&self, child: &str) -> UnknownChild {
        UnknownChild { supervisor: self.name.clone(), child: child.to_owned() }
    }

    fn write_epitaph(&self, words: Epitaph) {
        if let Some(epitaph) = &self.epitaph {
            let _ = epitaph.set(words);
        }
    }
}

impl Child {
    fn member(&self) -> Member {
        Member {
            restart: self.spec.restart,
            significant: self.spec.significant,
            phase: match self.phase {
                Phase::Running { .. } => decision::Phase::Running,
                Phase::Waiting => decision::Phase::Waiting,
                Phase::Idle => decision::Phase::Idle,
                Phase::Leaving { .. } => decision::Phase::Leaving,
            },
        }
    }

    fn status(&self) -> ChildStatus {
        let (state, actor) = match &self.phase {
            Phase::Running { running, exit: None } => (NodeState::Running, Some(running.cell.clone())),
            Phase::Running { .. } | Phase::Waiting => (NodeState::Restarting, None),
            Phase::Idle | Phase::Leaving { .. } => (NodeState::Stopped, None),
        };
        ChildStatus {
            name: self.spec.name.clone(),
            kind: self.spec.kind,
            state,
            restarts: self.restarts,
            actor,
        }
    }
}
