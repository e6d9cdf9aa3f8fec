//! Who there is, in which state, since when, on what.

use std::collections::BTreeMap;

use model::agent::{AgentState, SessionEnd, Verdict};
use model::event::{Event, Record};
use model::ids::{BeadId, RigName, Seq, SessionId};
use model::mail::Kind;
use model::recovery::{Strategy, Symptom};
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A session that has begun and has no verdict yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenSession {
    /// Which.
    pub id: SessionId,
    /// The preset that it runs.
    pub preset: String,
    /// What it is for.
    pub bead: Option<BeadId>,
    /// Since when.
    pub since: Timestamp,
    /// The record that says that it began.
    #[serde(default)]
    pub seq: Seq,
    /// How it ended, when it has.
    pub end: Option<SessionEnd>,
    /// What else was seen of its end.
    #[serde(default)]
    pub symptom: Option<Symptom>,
    /// What it was doing, as far as it said so.
    #[serde(default)]
    pub doing: Option<String>,
    /// How often it was told to go on.
    #[serde(default)]
    pub nudges: u32,
    /// Where it was seen to work outside of its own place.
    #[serde(default)]
    pub strayed: Option<String>,
}

/// A worktree that exists for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// For what.
    pub bead: BeadId,
    /// Its branch.
    pub branch: String,
    /// The commit that the branch started from.
    pub base: String,
    /// In whose place it stands, when it has come from another worker and has not been moved yet.
    #[serde(default)]
    pub at: Option<Address>,
}

/// Work that is only in a worktree that is to go, and cannot be saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRisk {
    /// Where it lies.
    pub folder: String,
    /// Why it cannot be saved.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// How far a worktree is that is to go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// How often its agent was asked to save what is in it.
    pub asked: u32,
    /// When last.
    pub asked_at: Option<Timestamp>,
    /// Why what is in it cannot be saved.
    pub at_risk: Option<AtRisk>,
    /// Whether the Deacon was told of that.
    pub told: bool,
}

/// One agent: an identity for ever.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// How it is.
    pub state: AgentState,
    /// Why, in a few words.
    pub note: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// The session that has no verdict yet.
    pub session: Option<OpenSession>,
    /// The session before, by which a conversation can be resumed.
    pub last_session: Option<SessionId>,
    /// The bead that the session before was for.
    pub last_bead: Option<BeadId>,
    /// How many sessions it has had.
    pub sessions: u32,
    /// The record with which the last of them began.
    #[serde(default)]
    pub begun: Seq,
    /// Its next session does not begin before, for one that has no hook.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// How often a session failed for what hangs on the hook now.
    pub failures: u32,
    /// When one last failed.
    pub failed_at: Option<Timestamp>,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    /// What followed from it.
    #[serde(default)]
    pub strategy: Option<Strategy>,
    /// Failed sessions since work of its own last landed, whatever they were for.
    #[serde(default)]
    pub marks: u32,
    /// It gets no new work before this, because of its failures.
    #[serde(default)]
    pub quarantined: Option<Timestamp>,
    /// Its worktree, while there is one.
    pub sandbox: Option<Sandbox>,
    /// How far the worktree is, when it is to go.
    #[serde(default)]
    pub leaving: Leaving,
    /// Whether its actor was given up: nobody wakes it before the next start of the runtime.
    #[serde(default)]
    pub given_up: bool,
    /// Whether it is to have no session until it is let go.
    #[serde(default)]
    pub held: bool,
    /// Beads of its own that landed.
    pub landed: u32,
}

/// All agents by address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Agents {
    by_address: BTreeMap<Address, Agent>,
    /// What agents were called before, to what they are called now.
    #[serde(default)]
    aliases: BTreeMap<Address, Address>,
    /// How many sessions were started, by reason.
    #[serde(default)]
    starts: BTreeMap<String, u64>,
}

impl Agents {
    /// The agent at `address`, if it has ever been heard of.
    pub fn get(&self, address: &Address) -> Option<&Agent> {
        self.by_address.get(address)
    }

    /// Who is meant by `address`: whoever is called so now, or was called so before.
    pub fn successor<'a>(&'a self, address: &'a Address) -> &'a Address {
        self.aliases.get(address).unwrap_or(address)
    }

    /// What agents were called before, with what they are called now.
    pub fn aliases(&self) -> impl Iterator<Item = (&Address, &Address)> {
        self.aliases.iter()
    }

    /// The state of the agent at `address`.
    pub fn state(&self, address: &Address) -> AgentState {
        self.get(address).map_or(AgentState::Parked, |agent| agent.state)
    }

    /// Everybody who has ever been heard of.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &Agent)> {
        self.by_address.iter()
    }

    /// How many sessions have ever been started, by reason.
    pub fn starts(&self) -> &BTreeMap<String, u64> {
        &self.starts
    }

    /// Whether a worktree stands in the place of `address` that belongs to another by now.
    pub fn is_lodging(&self, address: &Address) -> bool {
        self.lodgers(address).next().is_some()
    }

    /// The sessions whose programs run, as far as is known: each is a lease on its bead, closed by the session's end.
    pub fn leases(&self) -> impl Iterator<Item = (&Address, &OpenSession)> {
        let open = |agent: &'_ Agent| agent.session.as_ref().is_some_and(|open| open.end.is_none());
        self.by_address
            .iter()
            .filter(move |(_, agent)| open(agent))
            .filter_map(|(address, agent)| Some((address, agent.session.as_ref()?)))
    }

    /// Those whose worktree stands in the place of `address`.
    pub fn lodgers(&self, address: &Address) -> impl Iterator<Item = &Address> {
        self.by_address.iter().filter_map(move |(lodger, agent)| {
            let at = agent.sandbox.as_ref().and_then(|sandbox| sandbox.at.as_ref());
            (at == Some(address)).then_some(lodger)
        })
    }

    /// Those of `rig`.
    pub fn in_rig(&self, rig: &RigName) -> impl Iterator<Item = (&Address, &Agent)> {
        self.iter().filter(move |(address, _)| address.rig() == Some(rig))
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::AgentStarted { agent, session, preset, bead, reason } => {
                *self.starts.entry(reason.clone()).or_default() += 1;
                self.change(agent, |agent| {
                    agent.sessions += 1;
                    agent.begun = record.seq;
                    agent.session = Some(OpenSession {
                        id: session.clone(),
                        preset: preset.clone(),
                        bead: bead.clone(),
                        since: at,
                        seq: record.seq,
                        end: None,
                        symptom: None,
                        doing: None,
                        nudges: 0,
                        strayed: None,
                    });
                });
            }
            Event::AgentState { agent, to, note, .. } => self.change(agent, |agent| {
                agent.state = *to;
                agent.note.clone_from(note);
                agent.since = at;
            }),
            Event::AgentStopped { agent, session, end, symptom, doing } => self.change(agent, |agent| {
                if let Some(open) = agent.session.as_mut().filter(|open| open.id == *session) {
                    open.end = Some(end.clone());
                    open.symptom = *symptom;
                    open.doing.clone_from(doing);
                }
            }),
            Event::AgentVerdict { agent, session, verdict, strategy, until, bead, .. } => {
                self.change(agent, |agent| {
                    if agent.session.as_ref().is_some_and(|open| open.id == *session) {
                        let open = agent.session.take();
                        agent.last_bead = open.and_then(|open| open.bead);
                        agent.last_session = Some(session.clone());
                    }
                    agent.verdict = Some(*verdict);
                    agent.strategy = *strategy;
                    agent.not_before = until.filter(|_| bead.is_none());
                    // A seat that has done what it was started for has no failures behind it.
                    if bead.is_none() && !verdict.is_abnormal() {
                        agent.forgive();
                    }
                    if verdict.is_failure() {
                        agent.failures += 1;
                        agent.marks += 1;
                        agent.failed_at = Some(at);
                    }
                })
            }
            Event::AgentNudged { agent, session, .. } => self.open(agent, session, |open| open.nudges += 1),
            Event::AgentStrayed { agent, session, folder, .. } => {
                self.open(agent, session, |open| open.strayed = Some(folder.clone()));
            }
            Event::AgentRenamed { from, to } => self.rename(from, to),
            Event::AgentHeld { agent, held, .. } => self.change(agent, |agent| {
                agent.held = *held;
                if !held {
                    agent.forgive();
                    agent.trust();
                    agent.strategy = None;
                    agent.given_up = false;
                }
            }),
            Event::AgentQuarantined { agent, until, .. } => {
                self.change(agent, |agent| agent.quarantined = *until);
            }
            Event::HookMoved { from, to, bead, .. } => {
                let mut sandbox = None;
                self.change(from, |agent| {
                    sandbox = agent.sandbox.take_if(|sandbox| sandbox.bead == *bead);
                    agent.leaving = Leaving::default();
                });
                self.change(to, |agent| {
                    agent.forgive();
                    agent.last_bead = None;
                    agent.sandbox = sandbox
                        .map(|sandbox| Sandbox { at: sandbox.at.or_else(|| Some(from.clone())), ..sandbox });
                });
            }
            Event::SandboxMoved { agent, .. } => self.change(agent, |agent| {
                if let Some(sandbox) = &mut agent.sandbox {
                    sandbox.at = None;
                }
            }),
            Event::HookSet { agent, .. } => self.change(agent, |agent| {
                agent.forgive();
                agent.leaving = Leaving::default();
            }),
            Event::WorkDone { agent, .. } => self.change(agent, Agent::forgive),
            Event::SandboxCreated { agent, bead, branch, base } => self.change(agent, |agent| {
                agent.leaving = Leaving::default();
                agent.sandbox = Some(Sandbox {
                    bead: bead.clone(),
                    branch: branch.clone(),
                    base: base.clone(),
                    at: None,
                });
            }),
            Event::SandboxRemoved { agent, .. } => self.change(agent, |agent| {
                agent.sandbox = None;
                agent.leaving = Leaving::default();
            }),
            Event::WorkUnsaved { agent, asked, .. } => self.change(agent, |agent| {
                agent.leaving.asked = *asked;
                agent.leaving.asked_at = Some(at);
            }),
            Event::WorkAtRisk { agent, folder, why, .. } => self.change(agent, |agent| {
                let since = agent.leaving.at_risk.as_ref().map_or(at, |before| before.since);
                let (folder, why) = (folder.clone(), why.clone());
                agent.leaving.at_risk = Some(AtRisk { folder, why, since });
            }),
            Event::MailSent { letter } => {
                if let Kind::RecoveryNeeded { worker, .. } = &letter.kind {
                    self.change(worker, |agent| agent.leaving.told = true);
                }
            }
            // A person has seen to it: what could not be saved is tried anew.
            Event::BeadRecovered { bead, .. } => {
                let of = |agent: &&mut Agent| agent.sandbox.as_ref().is_some_and(|known| known.bead == *bead);
                for agent in self.by_address.values_mut().filter(of) {
                    agent.leaving = Leaving::default();
                }
            }
            Event::ActorEnded { name, outcome, .. } if outcome == "gave_up" => {
                if let Ok(agent @ Address::Polecat(..)) = name.parse() {
                    self.change(&agent, |agent| agent.given_up = true);
                }
            }
            // Whoever was given up is begun anew with the runtime.
            Event::TownStarted { .. } => {
                self.by_address.values_mut().for_each(|agent| agent.given_up = false)
            }
            Event::MqLanded { worker, .. } => self.change(worker, |agent| {
                agent.landed += 1;
                agent.trust();
            }),
            _ => {}
        }
    }

    fn change(&mut self, address: &Address, change: impl FnOnce(&mut Agent)) {
        let address = self.successor(address).clone();
        change(self.by_address.entry(address).or_default());
    }

    fn open(&mut self, address: &Address, session: &SessionId, change: impl FnOnce(&mut OpenSession)) {
        self.change(address, |agent| {
            if let Some(open) = agent.session.as_mut().filter(|open| open.id == *session) {
                change(open);
            }
        });
    }

    fn rename(&mut self, from: &Address, to: &Address) {
        if let Some(agent) = self.by_address.remove(from) {
            self.by_address.insert(to.clone(), agent);
        }
        // No chains: each earlier name leads to the present one.
        for now in self.aliases.values_mut().filter(|now| *now == from) {
            *now = to.clone();
        }
        self.aliases.insert(from.clone(), to.clone());
        // It may have an earlier name back.
        self.aliases.remove(to);
    }
}

impl Agent {
    /// Forgets failures: they count for one assignment only.
    fn forgive(&mut self) {
        self.failures = 0;
        self.failed_at = None;
        self.not_before = None;
    }

    /// Forgets what speaks against giving it work.
    fn trust(&mut self) {
        self.marks = 0;
        self.quarantined = None;
    }
}
