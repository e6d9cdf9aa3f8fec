//! A seat: what every role has that may have an agent. It owns at most one session.
//!
//! The order of starting is: record that a session begins, then start its program. What was recorded
//! and never ran is found at the next start and gets its verdict; what ran and was not recorded could
//! run twice.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use clerk::agents::Begun;
use clerk::judgement::{self, Call};
use ledger::views::Board;
use ledger::views::agents::Agent;
use model::agent::{SessionEnd, Verdict};
use model::ids::{BeadId, MailId, SessionId};
use model::mail::Letter;
use model::nudge::Manner;
use model::recovery::{Strategy, Symptom};
use model::refusal::Refusal;
use model::role::Address;
use ractor::{Actor, ActorCell, ActorRef, SupervisionEvent};

use crate::brief;
use crate::keys;
use crate::session::usage::Meter;
use crate::session::{self, Session};
use crate::tools::Tools;

/// How long a session that was killed may take to be gone.
const VACATED_WITHIN: Duration = Duration::from_secs(20);

/// How long until it is looked whether memory has come back.
pub(crate) const WITHOUT_MEMORY: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// One role's seat.
#[derive(Debug)]
pub struct Seat {
    tools: Tools,
    agent: Address,
    session: Option<(ActorRef<session::Message>, SessionId)>,
    /// Another session is wanted when this one has its verdict.
    another: bool,
    /// Letters that the living session was told of.
    told: HashSet<MailId>,
}

/// What a session is to be started for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Why: hook, rework, resume, retry, reassign, handoff, limit_over; operator, attach, restart; mail, help,
    /// escalation.
    pub reason: String,
    /// Where.
    pub cwd: PathBuf,
    /// The preset that was asked for.
    pub preset: Option<String>,
    /// What it is for.
    pub bead: Option<BeadId>,
}

impl Seat {
    /// An empty seat.
    pub fn new(tools: Tools, agent: Address) -> Self {
        Self { tools, agent, session: None, another: false, told: HashSet::new() }
    }

    /// Who sits there, for those who find it empty.
    pub(crate) fn digest(&self) -> String {
        let session = self.session.as_ref().map(|(_, session)| format!("session {session}"));
        let another = if self.another { ", another one to begin" } else { "" };
        format!("{}{another}", session.as_deref().unwrap_or("no session"))
    }

    /// Whether a session lives.
    pub fn is_taken(&self) -> bool {
        self.session.is_some()
    }

    /// Records the end of a session that the ledger believes alive and that no process stands behind:
    /// its actor died, or the runtime did, or an earlier life of the role died between asking for it and
    /// starting it. Looked for at every look, since such a record may come after the next life has begun.
    ///
    /// # Errors
    /// The scribe's refusal.
    pub async fn settle(&self) -> Result<(), Refusal> {
        let open = self.tools.look(|board| {
            let agent = board.agents.get(&self.agent);
            agent.and_then(|agent| agent.session.clone()).filter(|open| open.end.is_none())
        });
        let Some(open) = open.filter(|open| self.session.as_ref().is_none_or(|(_, live)| *live != open.id))
        else {
            return Ok(());
        };
        // What its last turn has used may be in no record yet, and it may never be taken up again.
        let town = self.tools.town();
        let preset = town.presets.get(&open.preset).ok();
        if let Some(meter) = preset.and_then(|preset| Meter::of(&self.tools, &self.agent, &open.id, preset)) {
            meter.record().await;
        }
        self.end(open.id, SessionEnd::Lost).await
    }

    async fn end(&self, session: SessionId, end: SessionEnd) -> Result<(), Refusal> {
        let agent = self.agent.clone();
        self.tools
            .write(&self.agent, move |draft| clerk::agents::ended(draft, &agent, &session, end.into()))
            .await
    }

    /// Starts a session below `me`.
    ///
    /// A program that cannot be started is no error here: it is recorded as the session's end.
    ///
    /// # Errors
    /// `no_such_preset`, `no_agent`, `session_open`, `no_place`, `town_frozen`, `town_stops`, or the scribe's
    /// refusal.
    pub async fn start(&mut self, me: ActorCell, wanted: Wanted) -> Result<(), Refusal> {
        if self.is_taken() {
            return Ok(());
        }
        self.tools.freeze.check("no session begins")?;
        if self.tools.is_stopping() {
            return Err(Refusal::failed("town_stops", "the town is about to end: no session begins"));
        }
        self.vacated().await?;
        let town = self.tools.town();
        let preset = town.preset(self.agent.rig(), self.agent.role(), wanted.preset.as_deref())?.clone();
        let earlier = self.tools.look(|board| {
            board.agents.get(&self.agent).and_then(|agent| resumable(agent, wanted.bead.as_ref()))
        });
        let earlier = earlier.filter(|_| preset.can_resume());
        let handed_over = self.tools.look(|board| clerk::letters::handed_over(board, &self.agent));
        // A note from the last session is in place of its conversation.
        let earlier = earlier.filter(|_| handed_over.is_empty());
        let reason = if handed_over.is_empty() { wanted.reason } else { "handoff".to_owned() };
        let resume = earlier.is_some();
        let session = match earlier {
            Some(session) => session,
            None => keys::session_id().map_err(|error| Refusal::failed("no_random", error.to_string()))?,
        };
        let begun = Begun {
            agent: self.agent.clone(),
            session: session.clone(),
            preset: preset.name.clone(),
            bead: wanted.bead.clone(),
            reason,
        };
        let limits = match &self.agent {
            Address::Polecat(rig, _) => self.tools.limits(rig).ok(),
            _ => None,
        };
        let begin = move |draft: &mut clerk::draft::Draft<'_>| {
            if let Some(limits) = limits {
                clerk::capacity::check_place(draft.board, &begun.agent, &limits)?;
            }
            clerk::agents::begun(draft, begun)
        };
        match self.tools.write(&self.agent, begin).await {
            // An earlier life of this role had asked for it, and its record came when this one had looked
            // already. Nothing runs: it is over, and when that has its verdict the next one begins.
            Err(refusal) if refusal.code == "session_open" => {
                self.another = true;
                return self.settle().await;
            }
            other => other?,
        }
        let prime = self.tools.look(|board| brief::prime(board, &town, &self.tools.paths, &self.agent))?;
        let arguments = session::Arguments {
            tools: self.tools.clone(),
            agent: self.agent.clone(),
            parent: crate::tree_name(&self.agent),
            session: session.clone(),
            resume,
            preset,
            cwd: wanted.cwd,
            brief: prime.text,
            at_work: wanted.bead.is_some(),
            handed_over,
        };
        match Session::spawn_linked(None, Session, arguments, me).await {
            Ok((actor, _)) => {
                self.session = Some((actor, session));
                Ok(())
            }
            Err(error) => {
                let error = match error {
                    ractor::SpawnErr::StartupFailed(inner) => plain(inner.as_ref()),
                    other => other.to_string(),
                };
                self.end(session, SessionEnd::NotStarted { error }).await
            }
        }
    }

    /// Waits until the session of an earlier life of this role is gone with everything that it had
    /// started: when a role is killed, its session dies beside it and not before it.
    async fn vacated(&self) -> Result<(), Refusal> {
        for _ in 0..VACATED_WITHIN.as_millis() / LOOK_AGAIN.as_millis() {
            if self.tools.directory.session(&self.agent).is_none() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(Refusal::failed("session_open", format!("an earlier session of {} does not end", self.agent)))
    }

    /// Asks the session to end, if there is one.
    pub fn stop(&self, why: &str) {
        self.stop_as(why, None);
    }

    /// Asks the session to end, and says what its end is then.
    pub fn stop_as(&self, why: &str, symptom: Option<Symptom>) {
        if let Some((actor, _)) = &self.session {
            let _ = actor.cast(session::Message::Stop { why: why.to_owned(), symptom });
        }
    }

    /// Asks the session to end, and begins another one when it has: see [`Seat::again`].
    pub fn restart(&mut self, why: &str, symptom: Option<Symptom>) {
        self.another = self.is_taken();
        self.stop_as(why, symptom);
    }

    /// Starts the agent when letters ask for its judgement; one that is there already is told of new ones.
    ///
    /// Returns when to look again, if there is something to wait for.
    pub async fn judge(&mut self, me: ActorCell, cwd: PathBuf) -> Option<Duration> {
        if !self.tools.town().town.policies.judgement {
            return None;
        }
        // Everybody is rung at the thaw, and when a rig is let go.
        let halted = self.agent.rig().is_some_and(|rig| self.tools.look(|board| board.rigs.is_halted(rig)));
        if halted || self.tools.freeze.is_frozen() || self.tools.is_stopping() {
            return None;
        }
        if self.is_taken() {
            self.tell_of_letters();
            return None;
        }
        let now = self.tools.clock.now();
        match self.tools.look(|board| judgement::call(board, &self.agent, now)) {
            Call::None => None,
            Call::Wait(wait) => Some(wait),
            Call::Start(_) if self.tools.memory_short().is_some() => Some(WITHOUT_MEMORY),
            Call::Start(reason) => {
                let wanted = Wanted { reason: reason.to_owned(), cwd, preset: None, bead: None };
                if let Err(refusal) = self.start(me, wanted).await {
                    tracing::warn!(agent = %self.agent, %refusal, "cannot start it for a judgement");
                }
                None
            }
        }
    }

    /// Types a line about letters that have come since the session began. Programs that read their letters from
    /// the terminal see them anyway.
    fn tell_of_letters(&mut self) {
        let Some(live) = self.tools.directory.session(&self.agent) else { return };
        let fresh: Vec<(MailId, String)> = self.tools.look(|board| {
            let begun = board.agents.get(&self.agent).map(|agent| agent.begun).unwrap_or_default();
            let fresh = judgement::asked(board, &self.agent).filter(|(post, _)| post.seq > begun);
            let line =
                |letter: &Letter| format!("{} from {}: {}", letter.id, letter.from, letter.kind.subject());
            fresh.map(|(post, _)| (post.letter.id.clone(), line(&post.letter))).collect()
        });
        let fresh: Vec<String> =
            fresh.into_iter().filter(|(id, _)| self.told.insert(id.clone())).map(|(_, line)| line).collect();
        if fresh.is_empty() || live.reads_letters {
            return;
        }
        let text = format!(
            "New mail: {}. Read it with `gt mail read ID`, answer, then `gt mail ack ID`.",
            fresh.join("; ")
        );
        let agent = self.agent.clone();
        tokio::spawn(async move {
            if let Err(refusal) = live.nudge(&agent, Address::Runtime, text, Manner::default()).await {
                tracing::debug!(%agent, %refusal, "it was not told of a letter");
            }
        });
    }

    /// Begins the session that [`Seat::restart`] has promised, once the last one has its verdict.
    pub async fn again(&mut self, me: ActorCell, cwd: PathBuf) {
        // Frozen, it is promised still: everybody is rung at the thaw.
        if !self.another || self.is_taken() || self.tools.freeze.is_frozen() {
            return;
        }
        let (open, held) = self.tools.look(|board| {
            let agent = board.agents.get(&self.agent);
            agent.map_or((false, false), |agent| (agent.session.is_some(), agent.held))
        });
        if open {
            return;
        }
        self.another = false;
        if held {
            return;
        }
        let wanted = Wanted { reason: "restart".into(), cwd, preset: None, bead: None };
        if let Err(refusal) = self.start(me, wanted).await {
            tracing::warn!(agent = %self.agent, %refusal, "cannot begin the next session");
        }
    }

    /// Ends the session when a person holds the agent back, or its rig.
    pub fn obey(&self, agent: &Address) {
        let held = |board: &Board| {
            board.agents.get(agent).is_some_and(|agent| agent.held)
                || agent.rig().is_some_and(|rig| board.rigs.is_halted(rig))
        };
        if self.is_taken() && self.tools.look(held) {
            self.stop("held back");
        }
    }

    /// Tells the session that there may be letters.
    pub fn mail(&self) {
        if let Some((actor, _)) = &self.session {
            let _ = actor.cast(session::Message::Mail);
        }
    }

    /// Takes note of a supervision event; `true` when it is the end of this seat's session.
    pub fn noticed(&mut self, event: &SupervisionEvent) -> bool {
        let ended = match event {
            SupervisionEvent::ActorTerminated(who, ..) | SupervisionEvent::ActorFailed(who, _) => {
                who.get_id()
            }
            _ => return false,
        };
        let ours = self.session.as_ref().is_some_and(|(actor, _)| actor.get_id() == ended);
        if ours {
            self.session = None;
        }
        ours
    }

    /// Ends the session in order and waits for it, for when the role itself is to end.
    pub async fn close(&mut self) {
        if let Some((actor, _)) = self.session.take() {
            actor.stop(Some("the town stops".into()));
            let _ = actor.wait(Some(session::CLOSE_WITHIN)).await;
        }
    }
}

/// The session whose conversation is taken up again for `bead`, if there is one.
///
/// It must have been about the same thing. A program that could not be started, or that gave up with an
/// error, may never have begun a conversation (its start was refused, a question was declined): asking for
/// it again would fail each time, so the next session is a new one.
fn resumable(agent: &Agent, bead: Option<&BeadId>) -> Option<SessionId> {
    let begun = !matches!(agent.verdict, Some(Verdict::NotStarted | Verdict::Failed) | None);
    let may = begun && agent.strategy.is_none_or(Strategy::may_resume);
    agent.last_session.clone().filter(|_| may && agent.last_bead.as_ref() == bead)
}

/// An error with what caused it, in one line.
fn plain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_taken_up_only_where_one_was_begun_about_the_same_thing() {
        let bead: BeadId = "web-1".parse().unwrap();
        let after = |verdict| Agent {
            verdict: Some(verdict),
            last_session: Some("s".parse().unwrap()),
            last_bead: Some(bead.clone()),
            ..Agent::default()
        };
        for verdict in
            [Verdict::Completed, Verdict::Stopped, Verdict::Crashed, Verdict::Lost, Verdict::LeftEarly]
        {
            assert!(resumable(&after(verdict), Some(&bead)).is_some(), "{verdict}");
            assert_eq!(resumable(&after(verdict), Some(&"web-2".parse().unwrap())), None);
        }
        for verdict in [Verdict::NotStarted, Verdict::Failed] {
            assert_eq!(resumable(&after(verdict), Some(&bead)), None, "{verdict}");
        }
        assert_eq!(resumable(&Agent::default(), Some(&bead)), None);
        let afresh = Agent { strategy: Some(Strategy::Fresh), ..after(Verdict::Crashed) };
        assert_eq!(resumable(&afresh, Some(&bead)), None);
    }
}
