//! What follows when a child ends by itself: decisions carried out.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use actors::living_tree::NodeState;
use ractor::{ActorProcessingErr, ActorRef};

use super::children::{Child, Leaving, Phase, State};
use super::{Epitaph, Inner, Message, Note};
use crate::decision::{self, Exit, Member, Plan, Verdict};
use crate::policy::Excess;
use crate::report::{CrashReport, Notice};

impl State {
    pub(super) async fn gone(
        &mut self,
        generation: u64,
        exit: Option<Exit>,
        me: &ActorRef<Message>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(child) = self.children.iter_mut().find(|child| child.haunted_by == Some(generation)) {
            child.haunted_by = None;
            return Ok(());
        }
        let Some(place) = self.place_of_generation(generation) else { return Ok(()) };
        let child = &mut self.children[place];
        match std::mem::replace(&mut child.phase, Phase::Idle) {
            Phase::Leaving(Leaving { forget, replies, .. }) => {
                let name = child.spec.name.clone();
                if forget {
                    self.forget(place);
                } else {
                    self.clear_away(&name);
                    self.lay_down(place);
                }
                self.tell_ended(name, &Exit::Normal(Some("stopped on request".to_owned())));
                for reply in replies {
                    let _ = reply.send(Ok(()));
                }
                Ok(())
            }
            Phase::Running(_) => {
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

    pub(super) async fn would_not_start(
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
            Verdict::Leave if !self.children[place].dynamic => {
                self.tell_left(place, exit);
                self.lay_down(place);
            }
            Verdict::Leave | Verdict::Forget => {
                self.tell_left(place, exit);
                self.forget(place);
            }
            Verdict::ShutDown => {
                self.tell_left(place, exit);
                self.lay_down(place);
                me.stop(Some("its significant children have ended".to_owned()));
            }
            Verdict::Restart(plan) => self.restart(place, plan, me).await,
            Verdict::GiveUp { restarts } => return self.give_up(place, exit, restarts).await,
        }
        Ok(())
    }

    async fn restart(&mut self, place: usize, plan: Plan, me: &ActorRef<Message>) {
        let wait = self.next_wait(place);
        for &other in &plan.start {
            if other != place && !matches!(self.children[other].phase, Phase::Running(_)) {
                self.children[other].phase = Phase::Waiting;
            }
            self.ties.records.tree.set_state(&self.children[other].spec.name, NodeState::Restarting);
        }
        for &other in &plan.stop {
            self.end(other).await;
        }
        // From here on what was said of the old incarnations is of no interest.
        for &other in &plan.start {
            let generation = self.next_generation();
            let child = &mut self.children[other];
            child.generation = generation;
            child.phase = Phase::Waiting;
            self.ties.records.tree.set_state(&child.spec.name, NodeState::Restarting);
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
    pub(super) async fn due(&mut self, generations: &[u64], count: usize, me: &ActorRef<Message>) {
        for &generation in generations {
            let Some(place) = self.place_of_generation(generation) else { continue };
            if !matches!(self.children[place].phase, Phase::Waiting) {
                continue;
            }
            let name = self.children[place].spec.name.clone();
            let supervisor = self.name.clone();
            match self.bring_up(place, me).await {
                Ok(_) => {
                    self.children[place].restarts += 1;
                    self.ties.records.tree.set_restarts(&name, self.children[place].restarts);
                    let within = self.rules.intensity.within;
                    self.ties.records.tell(Notice::Restarted { supervisor, child: name, count, within });
                }
                Err(reason) => {
                    let told = reason.clone();
                    self.ties.records.tell(Notice::StartFailed { supervisor, child: name, reason: told });
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
    ) -> Result<(), ActorProcessingErr> {
        let escalated = self.rules.excess == Excess::Escalate;
        let report = CrashReport {
            supervisor: self.name.clone(),
            child: self.children[place].spec.name.clone(),
            reason: exit.reason().to_owned(),
            restarts,
            within: self.rules.intensity.within,
            escalated,
        };
        self.lay_down(place);
        self.ties.records.tell(Notice::GaveUp(report.clone()));
        if !escalated {
            self.children[place].set_aside = true;
            return Ok(());
        }
        self.end_all().await;
        self.write_epitaph(Epitaph::GaveUp(report.clone()));
        Err(report.into())
    }

    fn tell_left(&self, place: usize, exit: &Exit) {
        if exit.is_failure() {
            let (supervisor, child) = (self.name.clone(), self.children[place].spec.name.clone());
            self.ties.records.tell(Notice::Left { supervisor, child });
        }
    }

    fn next_wait(&mut self, place: usize) -> Duration {
        let child = &mut self.children[place];
        let Some(backoff) = child.spec.backoff else { return Duration::ZERO };
        let wait = backoff.delay(child.attempts, RandomState::new().build_hasher().finish());
        child.attempts = child.attempts.saturating_add(1);
        wait
    }
}
