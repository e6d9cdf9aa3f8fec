//! An agent's three layers, each with a life of its own: the identity for ever, the worktree for one assignment, the
//! session as short as it likes. And that each session has one lease, and none outlives it.

use std::collections::{BTreeMap, BTreeSet};

use model::agent::{Exit, SessionEnd, Verdict};
use model::command::{Command, Leave, Sling};
use model::event::Event;
use model::ids::{BeadId, SessionId};
use model::recovery::Symptom;
use model::role::Address;

use crate::agents::{self, Begun, Ended, Judged};
use crate::book::Book as _;
use crate::exits::{self, HandedIn};
use crate::recover::{self, Facts};
use crate::strategy::Rules;
use crate::testing::{OneFormula, Paper};

/// What is there of an agent: is it known, has it a worktree, has it a session (running, or ended and not judged).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layers(bool, bool, Option<bool>);

fn layers(paper: &Paper, agent: &Address) -> Layers {
    let view = paper.board.agents.get(agent);
    let session = view.and_then(|view| view.session.as_ref()).map(|open| open.end.is_none());
    Layers(view.is_some(), view.is_some_and(|view| view.sandbox.is_some()), session)
}

#[test]
fn identity_worktree_and_session_begin_and_end_each_by_themselves() {
    let [worker, other]: [Address; 2] =
        ["web/polecats/docs", "web/polecats/tests"].map(|a| a.parse().unwrap());
    let (bead, session): (BeadId, SessionId) = ("web-1".parse().unwrap(), "s-1".parse().unwrap());
    let (agent, branch) = (worker.clone(), "polecat/docs/web-1".to_owned());
    let hook =
        Event::HookSet { agent: agent.clone(), bead: bead.clone(), mol: None, preset: None, args: None };
    let made = Event::SandboxCreated {
        agent: agent.clone(),
        bead: bead.clone(),
        branch: branch.clone(),
        base: "c".into(),
    };
    let gone = Event::SandboxRemoved { agent: agent.clone(), bead: bead.clone(), branch, left: None };
    let begun = Event::AgentStarted {
        agent: agent.clone(),
        session: session.clone(),
        preset: "shell".into(),
        bead: Some(bead.clone()),
        reason: "hook".into(),
    };
    let end = SessionEnd::Exited { code: 0 };
    let ended = Event::AgentStopped {
        agent: agent.clone(),
        session: session.clone(),
        end,
        symptom: None,
        doing: None,
    };
    let judged = Event::AgentVerdict {
        agent: agent.clone(),
        session,
        bead: Some(bead.clone()),
        verdict: Verdict::LeftEarly,
        detail: String::new(),
        context: None,
        exit_code: Some(0),
        signal: None,
        doing: None,
        diff: None,
        strategy: None,
        until: None,
    };
    let cleared = Event::HookCleared { agent, bead: bead.clone(), reason: "x".into() };
    let moved =
        Event::HookMoved { from: worker.clone(), to: other.clone(), bead: bead.clone(), reason: "x".into() };
    let arrived = Event::SandboxMoved { agent: other.clone(), from: worker.clone(), bead };
    let stopped = Event::TownStopped { reason: "x".into() };
    let started = Event::TownStarted { pid: 1, version: "0".into() };
    const NONE: Layers = Layers(false, false, None);
    // What happens, what there is of the worker then, and of the other one.
    let table: &[(&Event, Layers, Layers)] = &[
        (&hook, Layers(true, false, None), NONE),
        (&made, Layers(true, true, None), NONE),
        (&begun, Layers(true, true, Some(true)), NONE),
        (&ended, Layers(true, true, Some(false)), NONE),
        (&judged, Layers(true, true, None), NONE),
        // Another session in the same worktree; neither the town's end nor its start touches a worktree.
        (&begun, Layers(true, true, Some(true)), NONE),
        (&stopped, Layers(true, true, Some(true)), NONE),
        (&started, Layers(true, true, Some(true)), NONE),
        (&ended, Layers(true, true, Some(false)), NONE),
        (&judged, Layers(true, true, None), NONE),
        // The worktree goes along with the hook, the session does not.
        (&begun, Layers(true, true, Some(true)), NONE),
        (&moved, Layers(true, false, Some(true)), Layers(true, true, None)),
        (&ended, Layers(true, false, Some(false)), Layers(true, true, None)),
        (&judged, Layers(true, false, None), Layers(true, true, None)),
        (&arrived, Layers(true, false, None), Layers(true, true, None)),
        // The hook is free before the worktree goes; the identity stays for ever.
        (&hook, Layers(true, false, None), Layers(true, true, None)),
        (&made, Layers(true, true, None), Layers(true, true, None)),
        (&cleared, Layers(true, true, None), Layers(true, true, None)),
        (&gone, Layers(true, false, None), Layers(true, true, None)),
    ];
    let mut paper = Paper::new();
    for (nth, (event, of_worker, of_other)) in table.iter().enumerate() {
        paper.record(vec![(worker.clone(), (*event).clone())]);
        let is = (layers(&paper, &worker), layers(&paper, &other));
        assert_eq!(is, (*of_worker, *of_other), "line {nth}: after {}", event.kind());
    }
    assert_eq!(paper.board.agents.get(&worker).unwrap().sessions, 3);
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // xorshift64*: G. Marsaglia, "Xorshift RNGs", 2003.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.roll(of.len())].clone())
    }
}

/// The programs that run, beside the ledger.
#[derive(Default)]
struct Programs {
    by_agent: BTreeMap<Address, (SessionId, BeadId)>,
    started: usize,
}

/// One thing that happens to a town, chosen by `dice`. Refusals are part of life.
fn step(paper: &mut Paper, programs: &mut Programs, dice: &mut Dice) {
    let beads: Vec<BeadId> = paper.board.beads.iter().map(|bead| bead.id.clone()).collect();
    let hooks: Vec<(Address, BeadId)> =
        paper.board.hooks.iter().map(|hook| (hook.agent.clone(), hook.bead.clone())).collect();
    let ended: Vec<(Address, SessionId)> = agents::without_verdict(&paper.board, |_| true)
        .map(|(agent, open)| (agent.clone(), open.id.clone()))
        .collect();
    let running: Vec<Address> = programs.by_agent.keys().cloned().collect();
    let witness = Address::Witness("web".parse().unwrap());
    match dice.roll(14) {
        0 if beads.len() < 40 => drop(paper.bead(&format!("bead {}", beads.len()))),
        0 | 1 => {
            if let Some(bead) = dice.pick(&beads) {
                let force = dice.roll(2) == 0;
                let sling = Sling { beads: vec![bead], target: "web".into(), force, ..Default::default() };
                let _ = paper.does(Command::Sling(sling));
            }
        }
        2 | 3 => drop(paper.dispatch(6)),
        // A session begins for whatever hangs there, whether or not it should.
        4..=6 => {
            if let Some((agent, bead)) = dice.pick(&hooks) {
                programs.started += 1;
                let session: SessionId = format!("s{}", programs.started).parse().unwrap();
                let begun = Begun {
                    agent: agent.clone(),
                    session: session.clone(),
                    preset: "shell".into(),
                    bead: Some(bead.clone()),
                    reason: "hook".into(),
                };
                if paper.role(&agent, |draft| agents::begun(draft, begun)).is_ok() {
                    let before = programs.by_agent.insert(agent, (session, bead));
                    assert_eq!(before, None, "never two of one agent");
                }
            }
        }
        7 | 8 => {
            if let Some(agent) = dice.pick(&running) {
                let (session, _) = programs.by_agent.remove(&agent).unwrap();
                let end = match dice.roll(3) {
                    0 => SessionEnd::Signalled { signal: 11 },
                    1 => SessionEnd::Exited { code: 1 },
                    _ => SessionEnd::Exited { code: 0 },
                };
                let symptom = (dice.roll(5) == 0).then_some(Symptom::Limited { until: None });
                let ended = Ended { end, symptom, doing: None };
                paper.role(&agent, |draft| agents::ended(draft, &agent, &session, ended)).unwrap();
            }
        }
        9 => {
            if let Some((agent, session)) = dice.pick(&ended) {
                let verdict =
                    [Verdict::Crashed, Verdict::Failed, Verdict::LeftEarly, Verdict::Stopped, Verdict::Lost];
                let verdict = verdict[dice.roll(verdict.len())];
                let judged = Judged { agent, session, verdict, detail: "x".into(), output: None, diff: None };
                let pool = OneFormula.workers(&"web".parse().unwrap());
                paper
                    .role(&witness, |draft| agents::judged(draft, judged, &Rules::default(), &pool))
                    .unwrap();
            }
        }
        10 => {
            if let Some(bead) = dice.pick(&beads) {
                let _ = match dice.roll(2) {
                    0 => paper.does(Command::Unsling { bead, force: true }),
                    _ => paper.does(Command::Reassign { bead, to: None, reason: None }),
                };
            }
        }
        11 => {
            if let Some((agent, bead)) = dice.pick(&hooks) {
                let exit = Exit::ALL[dice.roll(4)];
                let work = HandedIn { branch: "b".into(), head: "h".into(), bundle: None };
                let leave = Leave::default();
                let _ = paper.role(&agent, |draft| {
                    exits::done(draft, &agent, &bead, (exit, None), &leave, Some(work)).map(drop)
                });
            }
        }
        12 => {
            if let Some(bead) = dice.pick(&beads) {
                let facts = Facts { live: true, ..Facts::default() };
                let _ = paper.role(&Address::Overseer, |draft| {
                    recover::recover(draft, &OneFormula, &bead, &facts).map(drop)
                });
            }
        }
        // The runtime is killed, and every program with it; the next one begins by saying so.
        _ if dice.roll(20) == 0 => {
            programs.by_agent.clear();
            paper.record(vec![(Address::Runtime, Event::TownStarted { pid: 1, version: "0".into() })]);
            let lost: Vec<(Address, SessionId)> =
                paper.board.agents.leases().map(|(agent, open)| (agent.clone(), open.id.clone())).collect();
            for (agent, session) in lost {
                paper
                    .role(&Address::Runtime, |draft| {
                        agents::ended(draft, &agent, &session, SessionEnd::Lost.into())
                    })
                    .unwrap();
            }
        }
        _ => {}
    }
}

#[test]
fn there_is_one_lease_for_each_live_session_after_every_step_of_ten_thousand() {
    const STEPS: usize = 10_000;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut paper = Paper::new();
    let mut programs = Programs::default();
    let (mut most, mut begun) = (0, 0);
    for n in 0..STEPS {
        step(&mut paper, &mut programs, &mut dice);
        let leases: BTreeMap<Address, (SessionId, BeadId)> = paper
            .board
            .agents
            .leases()
            .map(|(agent, open)| (agent.clone(), (open.id.clone(), open.bead.clone().unwrap())))
            .collect();
        assert_eq!(leases, programs.by_agent, "after step {n}: {:?}", paper.records.last());
        let beads: BTreeSet<&BeadId> = leases.values().map(|(_, bead)| bead).collect();
        assert_eq!(beads.len(), leases.len(), "two sessions at one bead after step {n}");
        most = most.max(leases.len());
        begun = programs.started;
    }
    assert!(most >= 3 && begun > 500, "{most} at once, {begun} in all: too little happened");
    let mut anew = ledger::views::Board::default();
    paper.records.iter().for_each(|record| anew.apply(record));
    assert_eq!(anew, paper.board);
}
