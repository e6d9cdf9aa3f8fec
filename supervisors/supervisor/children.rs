//! A supervisor's children: how they are started, asked after, ended and forgotten.
//!
//! What follows when one ends by itself is in `restarts.rs`.

use std::sync::{Arc, OnceLock};

use actors::living_tree::{NodeKind, NodeState};
use ractor::{ActorCell, ActorRef, RpcReplyPort};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{ChildStatus, Epitaph, Inner, Message, Note, StartError, UnknownChild};
use crate::child::{self, Ending, Lease, Running};
use crate::decision::{self, Exit, Member};
use crate::policy::{Rules, StopOrder};
use crate::report::{Notice, Records, chain};
use crate::spec::{ChildKind, DynChild};
use crate::window::Window;

/// A supervisor's children and what it remembers of them.
#[derive(Debug)]
pub struct State {
    pub(super) name: String,
    pub(super) rules: Rules,
    pub(super) ties: Ties,
    pub(super) children: Vec<Child>,
    pub(super) window: Window,
    pub(super) since: Instant,
    generation: u64,
    /// Back-offs under way; they end with the state.
    pub(super) timers: JoinSet<()>,
}

/// What ties a supervisor to the rest of the town.
#[derive(Debug)]
pub(super) struct Ties {
    pub(super) records: Records,
    pub(super) lease: Lease,
    pub(super) coroner: ActorCell,
    pub(super) epitaph: Option<Arc<OnceLock<Epitaph>>>,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) spec: DynChild,
    /// Came at run time and is forgotten when it ends for good.
    pub(super) dynamic: bool,
    pub(super) generation: u64,
    pub(super) phase: Phase,
    pub(super) restarts: u64,
    /// Restarts in a row, for the back-off.
    pub(super) attempts: u32,
    pub(super) window: Window,
    /// It has failed too often and is left for a person.
    pub(super) set_aside: bool,
    pub(super) started: Instant,
    /// An incarnation that was killed and has not ended, for it blocks its thread.
    pub(super) haunted_by: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Phase {
    Running(Running),
    Waiting,
    Idle,
    Leaving(Leaving),
}

/// A child's end under way, asked for by somebody or by the supervisor itself.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) ended: oneshot::Receiver<Ending>,
    /// Whether its place is given up with it.
    pub(super) forget: bool,
    pub(super) replies: Vec<RpcReplyPort<Result<(), UnknownChild>>>,
}

impl State {
    /// Returns a supervisor that has no child yet.
    pub(super) fn new(name: String, rules: Rules, ties: Ties) -> Self {
        Self {
            name,
            rules,
            ties,
            children: Vec::new(),
            window: Window::default(),
            since: Instant::now(),
            generation: 0,
            timers: JoinSet::new(),
        }
    }

    /// Starts a child and gives it the last place.
    pub(super) async fn add(
        &mut self,
        spec: DynChild,
        dynamic: bool,
        me: &ActorRef<Message>,
    ) -> Result<ActorCell, StartError> {
        self.admit(&spec)?;
        if let Some(place) = self.place_of(&spec.name) {
            // Whoever has ended for good may be replaced, by somebody else than those who only want it there.
            match self.children[place] {
                Child { set_aside: true, .. } => return Err(StartError::SetAside(spec.name)),
                Child { phase: Phase::Idle, dynamic: true, .. } => self.forget(place),
                _ => return Err(StartError::AlreadyPresent(spec.name)),
            }
        }
        let kind = match spec.kind {
            ChildKind::Actor => NodeKind::Actor,
            ChildKind::Supervisor => NodeKind::Supervisor,
        };
        self.ties.records.tree.declare(Some(&self.name), &spec.name, kind);
        self.children.push(Child {
            spec,
            dynamic,
            generation: self.generation,
            phase: Phase::Idle,
            restarts: 0,
            attempts: 0,
            window: Window::default(),
            set_aside: false,
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

    /// Sees to it that a child makes sense here.
    pub(super) fn admit(&self, spec: &DynChild) -> Result<(), StartError> {
        let admitted = self.rules.admit(spec.restart, spec.significant);
        admitted.map_err(|why| StartError::Senseless { child: spec.name.clone(), why })
    }

    /// Starts a new incarnation of the child at `place`.
    pub(super) async fn bring_up(
        &mut self,
        place: usize,
        me: &ActorRef<Message>,
    ) -> Result<ActorCell, String> {
        let generation = self.next_generation();
        let child = &mut self.children[place];
        child.generation = generation;
        if child.haunted_by.is_some() {
            // Better none than two of one name at one worktree.
            return Err("its predecessor blocks its thread and does not end".to_owned());
        }
        let gone = {
            let me = me.clone();
            move |exit| {
                let _ = me.cast(Message::Note(Note(Inner::Gone { generation, exit })));
            }
        };
        let (lease, kill_wait) = (self.ties.lease.clone(), self.rules.kill_wait);
        let running = child::start(&child.spec, self.ties.coroner.clone(), lease, kill_wait, gone)
            .await
            .map_err(|error| chain(error.as_ref()))?;
        let cell = running.cell.clone();
        child.started = Instant::now();
        child.phase = Phase::Running(running);
        let name = child.spec.name.clone();
        self.ties.records.living.enter(&name, cell.clone());
        self.ties.records.tree.set_state(&name, NodeState::Running);
        self.ties.records.tell(Notice::Started { supervisor: self.name.clone(), child: name });
        Ok(cell)
    }

    /// Ends one child by its ladder and waits for it.
    pub(super) async fn end(&mut self, place: usize) {
        if let Some(end) = self.begin_end(place) {
            self.finish_end(place, end).await;
        }
    }

    /// Ends all children, in the order of the rules, and waits for them.
    pub(super) async fn end_all(&mut self) {
        self.timers.abort_all();
        match self.rules.stop_order {
            StopOrder::Reverse => {
                for place in (0..self.children.len()).rev() {
                    self.end(place).await;
                }
            }
            StopOrder::Parallel => {
                let begun: Vec<_> = (0..self.children.len()).map(|place| self.begin_end(place)).collect();
                for (place, end) in begun.into_iter().enumerate() {
                    if let Some(end) = end {
                        self.finish_end(place, end).await;
                    }
                }
            }
        }
    }

    fn begin_end(&mut self, place: usize) -> Option<Leaving> {
        match std::mem::replace(&mut self.children[place].phase, Phase::Idle) {
            Phase::Running(running) => {
                Some(Leaving { ended: running.begin_end(), forget: false, replies: Vec::new() })
            }
            Phase::Leaving(leaving) => Some(leaving),
            Phase::Waiting | Phase::Idle => None,
        }
    }

    async fn finish_end(&mut self, place: usize, end: Leaving) {
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
        self.ties.records.tree.set_state(&name, NodeState::Stopped);
        self.tell_ended(name, &Exit::Normal(Some(why.to_owned())));
        for reply in end.replies {
            let _ = reply.send(Ok(()));
        }
    }

    /// Takes a dead child, and what was below it, out of the records; its own place stays.
    pub(super) fn clear_away(&self, name: &str) {
        self.ties.records.living.leave(name);
        for below in self.ties.records.tree.clear_below(name) {
            self.ties.records.living.leave(&below);
        }
    }

    pub(super) fn lay_down(&mut self, place: usize) {
        let child = &mut self.children[place];
        child.phase = Phase::Idle;
        self.ties.records.tree.set_state(&child.spec.name, NodeState::Stopped);
    }

    pub(super) fn forget(&mut self, place: usize) {
        let child = self.children.remove(place);
        self.ties.records.living.leave(&child.spec.name);
        for name in self.ties.records.tree.remove(&child.spec.name) {
            self.ties.records.living.leave(&name);
        }
    }

    pub(super) fn tell_ended(&self, child: String, exit: &Exit) {
        self.ties.records.tell(Notice::Ended {
            supervisor: self.name.clone(),
            child,
            reason: exit.reason().to_owned(),
            abnormal: exit.is_failure(),
        });
    }

    pub(super) fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    pub(super) fn place_of(&self, name: &str) -> Option<usize> {
        self.children.iter().position(|child| child.spec.name == name)
    }

    pub(super) fn place_of_generation(&self, generation: u64) -> Option<usize> {
        self.children.iter().position(|child| child.generation == generation)
    }

    pub(super) fn unknown(&self, child: &str) -> UnknownChild {
        UnknownChild { supervisor: self.name.clone(), child: child.to_owned() }
    }

    pub(super) fn write_epitaph(&self, words: Epitaph) {
        if let Some(epitaph) = &self.ties.epitaph {
            let _ = epitaph.set(words);
        }
    }
}

impl Child {
    pub(super) fn member(&self) -> Member {
        Member {
            restart: self.spec.restart,
            significant: self.spec.significant,
            phase: match self.phase {
                Phase::Running(_) => decision::Phase::Running,
                Phase::Waiting => decision::Phase::Waiting,
                Phase::Idle => decision::Phase::Idle,
                Phase::Leaving(_) => decision::Phase::Leaving,
            },
        }
    }

    pub(super) fn status(&self) -> ChildStatus {
        let (state, actor) = match &self.phase {
            Phase::Running(running) => (NodeState::Running, Some(running.cell.clone())),
            Phase::Waiting => (NodeState::Restarting, None),
            Phase::Idle | Phase::Leaving(_) => (NodeState::Stopped, None),
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
