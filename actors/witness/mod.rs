//! The Witness: the watcher of one rig's workers.
//!
//! - Owns: the verdicts on the rig's sessions; the way of a merge from worker to Refinery and back.
//! - Hears: bells; letters POLECAT_STARTED, POLECAT_DONE, MERGED, MERGE_FAILED, REWORK_REQUEST, STUCK.
//! - Says: verdicts; MERGE_READY to the Refinery; the queue's verdicts on to the worker; to the Deacon
//!   RECOVERED_BEAD for what it took from a worker that is gone, RECOVERY_NEEDED for work that cannot be saved.
//! - Wakes: from its unacknowledged letters and from sessions that have no verdict.
//! - Fails: when it cannot record; letters that cannot be handled are put aside after three tries.

pub mod verdict;

use clerk::bell::Ear;
use clerk::moving;
use git::{Oid, Repo};
use ledger::views::Board;
use model::agent::SessionEnd;
use model::ids::{RigName, SessionId};
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::directory::Ask;
use crate::errand::{Errand, blocking};
use crate::judge;
use crate::letters;
use crate::neighbours;
use crate::role::{self, Post, serve_seat, vocabulary};
use crate::seat::Seat;
use crate::tools::Tools;
use crate::vitals::Digest;

/// Whose Witness.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The handles.
    pub tools: Tools,
    /// Which rig.
    pub rig: RigName,
}

/// What a Witness hears.
#[derive(Debug)]
pub enum Message {
    /// Look at the board.
    Look,
    /// Something that only it can answer.
    Ask(Ask),
}

vocabulary!(Message);

/// What a Witness is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    rig: RigName,
    me: Address,
    seat: Seat,
    /// Looks again when its agent may be started again.
    called: Option<Errand>,
    post: Post,
}

/// The actor.
#[derive(Debug)]
pub struct Witness;

impl Actor for Witness {
    type Msg = Message;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(&self, me: ActorRef<Message>, args: Arguments) -> Result<State, ActorProcessingErr> {
        let Arguments { tools, rig } = args;
        let address = Address::Witness(rig.clone());
        let seat = Seat::new(tools.clone(), address.clone());
        seat.settle().await?;
        Ok(State { post: Post::of_role(&tools, &address, &me), tools, rig, me: address, seat, called: None })
    }

    async fn post_start(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.tools.directory.ring(&Ear::Postmaster);
        state.post.bell.pull();
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Look => {
                state.post.bell.heard();
                state.seat.settle().await?;
                state.seat.obey(&state.me);
                state.seat.mail();
                let folder = state.tools.paths.rig(&state.rig).witness();
                state.seat.again(me.get_cell(), folder.clone()).await;
                state.called = state
                    .seat
                    .judge(me.get_cell(), folder)
                    .await
                    .map(|wait| role::look_in(wait, &state.tools.freeze, &me));
                state.letters().await?;
                neighbours::look(&state.tools, &state.me);
                state.judge().await?;
                state.take_back().await?;
                state.tell_of_risks().await?;
            }
            Message::Ask(ask) => {
                let cwd = state.tools.paths.rig(&state.rig).witness();
                serve_seat(ask, &mut state.seat, me.get_cell(), cwd).await;
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if state.seat.noticed(&event) {
            state.seat.settle().await?;
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.seat.close().await;
        // The workers have been ended before; each end gets its verdict now and not at the next start.
        state.judge().await?;
        Ok(())
    }
}

impl Digest for State {
    fn digest(&self) -> String {
        self.seat.digest()
    }
}

impl State {
    /// Judges the ended sessions of the rig's workers.
    async fn judge(&self) -> Result<(), ActorProcessingErr> {
        let watches = |agent: &Address| {
            agent.rig() == Some(&self.rig) && !matches!(agent, Address::Witness(_) | Address::Refinery(_))
        };
        Ok(judge::all(&self.tools, &self.me, watches).await?)
    }

    /// Takes what hangs on the hooks of workers that are gone for good, and gives it to others.
    async fn take_back(&self) -> Result<(), ActorProcessingErr> {
        self.bury().await?;
        let gone = |board: &Board| moving::orphans(board, &self.rig).next().is_some();
        if !self.tools.look(gone) {
            return Ok(());
        }
        let town = self.tools.town();
        let (rules, rig) = (judge::rules(&town.town.policies), self.rig.clone());
        let pool = town.rig(&self.rig).map(|rig| rig.workers.clone()).unwrap_or_default();
        let take = move |draft: &mut clerk::draft::Draft<'_>| {
            let board = draft.board;
            // One at a time: each goes to a worker that is free after the one before.
            if let Some(hook) = moving::orphans(board, &rig).next() {
                // Its session died with its actor, and nobody else is there to say so.
                let open = board.agents.get(&hook.agent).and_then(|agent| agent.session.as_ref());
                if let Some(open) = open.filter(|open| open.end.is_none()) {
                    clerk::agents::ended(draft, &hook.agent, &open.id, SessionEnd::Lost.into())?;
                }
                let reason = format!("{} failed too often and was given up", hook.agent);
                moving::reset(draft, hook, &reason, &rules, &pool);
            }
            Ok(())
        };
        self.tools.write(&self.me, take).await?;
        self.post.bell.pull();
        Ok(())
    }

    /// Records the end of sessions whose worker is gone for good: it cannot do so itself any more.
    async fn bury(&self) -> Result<(), ActorProcessingErr> {
        let open: Vec<(Address, SessionId)> = self.tools.look(|board| {
            let gone = |agent: &Address| board.agents.get(agent).is_some_and(|agent| agent.given_up);
            let leases =
                board.agents.leases().filter(|(agent, _)| agent.rig() == Some(&self.rig) && gone(agent));
            leases.map(|(agent, open)| (agent.clone(), open.id.clone())).collect()
        });
        for (agent, session) in open {
            if self.tools.directory.session(&agent).is_some_and(|live| live.session == session) {
                continue;
            }
            let lost = move |draft: &mut clerk::draft::Draft<'_>| match clerk::agents::ended(
                draft,
                &agent,
                &session,
                SessionEnd::Lost.into(),
            ) {
                Err(refusal) if refusal.code == "no_such_session" => Ok(()),
                other => other,
            };
            self.tools.write(&self.me, lost).await?;
        }
        Ok(())
    }

    /// Tells the Deacon of work that cannot be saved.
    async fn tell_of_risks(&self) -> Result<(), ActorProcessingErr> {
        let untold = |board: &Board| moving::at_risk(board, &self.rig).next().is_some();
        if !self.tools.look(untold) {
            return Ok(());
        }
        let rig = self.rig.clone();
        let tell = move |draft: &mut clerk::draft::Draft<'_>| {
            let board = draft.board;
            for (worker, bead, why) in moving::at_risk(board, &rig) {
                draft.send(&Address::Deacon, Kind::RecoveryNeeded { bead, worker: worker.clone(), why });
            }
            Ok(())
        };
        Ok(self.tools.write(&self.me, tell).await?)
    }

    /// Handles the letters that are due.
    async fn letters(&mut self) -> Result<(), ActorProcessingErr> {
        let handle = |letter| handle(self.tools.clone(), self.rig.clone(), letter);
        if letters::handle_due(&self.tools, &self.me, handle).await? {
            self.post.bell.pull();
        }
        Ok(())
    }
}

async fn handle(tools: Tools, rig: RigName, letter: Letter) -> Result<(), Refusal> {
    let (to, answer) = match letter.kind {
        Kind::PolecatDone { bead, branch, head, .. } => {
            verify(&tools, &rig, &head).await?;
            let to = Address::Refinery(rig.clone());
            (Some(to), Some(Kind::MergeReady { bead, worker: letter.from, branch, head }))
        }
        Kind::Merged { ref worker, .. }
        | Kind::MergeFailed { ref worker, .. }
        | Kind::ReworkRequest { ref worker, .. } => (Some(worker.clone()), Some(letter.kind)),
        // Sessions are known from their events; the letter is for those who read along.
        _ => (None, None),
    };
    let id = letter.id;
    let write = move |draft: &mut clerk::draft::Draft<'_>| {
        draft.handled(&id)?;
        if let (Some(to), Some(kind)) = (to, answer) {
            draft.send(&to, kind);
        }
        Ok(())
    };
    tools.write(&Address::Witness(rig), write).await
}

/// Looks whether the commit that was handed in is really there.
async fn verify(tools: &Tools, rig: &RigName, head: &str) -> Result<(), Refusal> {
    let repo = tools.paths.rig(rig).repo_git();
    let commit = head.to_owned();
    let found = blocking(move || {
        let oid = Oid::from_str(&commit).map_err(|error| error.to_string())?;
        let repo = Repo::open(repo).map_err(|error| error.to_string())?;
        repo.tree_of(oid).map(drop).map_err(|error| error.to_string())
    });
    match found.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) | Err(why) => Err(Refusal::failed(
            "no_such_commit",
            format!("the commit {head} that was handed in is not there: {why}"),
        )),
    }
}
