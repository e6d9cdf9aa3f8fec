//! Sessions that end, and what follows for worker and bead: on paper, from the first failure to the last.

use std::collections::BTreeMap;
use std::time::Duration;

use model::agent::{AgentState, SessionEnd, Verdict};
use model::bead::{Bead, IssueType, Priority};
use model::command::{Command, Sling};
use model::escalation::Severity;
use model::event::Event;
use model::ids::{BeadId, SessionId};
use model::recovery::Symptom;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;
use proptest::prelude::{Strategy as _, prop_oneof, proptest};

use crate::agents::{self, Begun, Ended, Judged};
use crate::capacity;
use crate::hooks::{self, Cooling};
use crate::strategy::Rules;
use crate::testing::Paper;

fn witness() -> Address {
    "web/witness".parse().unwrap()
}

fn hooked(paper: &mut Paper, title: &str) -> (BeadId, Address) {
    let bead = paper.bead(title);
    paper.sling(&[&bead], "web").unwrap();
    paper.dispatch(8).unwrap()
}

fn begin(paper: &mut Paper, agent: &Address, bead: &BeadId, session: &SessionId) -> Result<(), Refusal> {
    let begun = Begun {
        agent: agent.clone(),
        session: session.clone(),
        preset: "shell".into(),
        bead: Some(bead.clone()),
        reason: "hook".into(),
    };
    paper.role(agent, |draft| agents::begun(draft, begun))
}

fn end(paper: &mut Paper, agent: &Address, id: &SessionId, ended: Ended) -> Result<(), Refusal> {
    paper.role(agent, |draft| agents::ended(draft, agent, id, ended))
}

fn judge(paper: &mut Paper, agent: &Address, id: &SessionId, verdict: Verdict) -> Result<(), Refusal> {
    let judged = Judged {
        agent: agent.clone(),
        session: id.clone(),
        verdict,
        detail: verdict.to_string(),
        output: Some(format!("last words of {id}")),
        diff: Some(" a.txt | 2 +-".into()),
    };
    let pool = ["docs".parse().unwrap(), "backend".parse().unwrap()];
    paper.role(&witness(), |draft| agents::judged(draft, judged, &Rules::default(), &pool))
}

/// A whole session of whoever holds `bead`, which ends so.
fn session(paper: &mut Paper, bead: &BeadId, verdict: Verdict, ended: Ended) -> Address {
    let agent = paper.board.hooks.holder(bead).unwrap().clone();
    let id: SessionId = format!("s{}", paper.records.len()).parse().unwrap();
    begin(paper, &agent, bead, &id).unwrap();
    end(paper, &agent, &id, ended).unwrap();
    judge(paper, &agent, &id, verdict).unwrap();
    agent
}

fn exited(code: i32) -> Ended {
    SessionEnd::Exited { code }.into()
}

fn signalled(signal: i32) -> Ended {
    SessionEnd::Signalled { signal }.into()
}

#[test]
fn each_session_has_one_verdict_and_the_third_failure_is_for_a_person() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    for n in 1..=3 {
        let id: SessionId = format!("s{n}").parse().unwrap();
        begin(&mut paper, &worker, &bead, &id).unwrap();
        let second = begin(&mut paper, &worker, &bead, &"other".parse().unwrap());
        assert_eq!(second.unwrap_err().code, "session_open");
        end(&mut paper, &worker, &id, exited(1)).unwrap();
        assert_eq!(end(&mut paper, &worker, &id, exited(1)).unwrap_err().code, "no_such_session");
        judge(&mut paper, &worker, &id, Verdict::Failed).unwrap();
        assert_eq!(judge(&mut paper, &worker, &id, Verdict::Failed).unwrap_err().code, "no_such_session");
        let failed = paper.board.agents.state(&worker) == AgentState::Failed;
        assert_eq!((failed, paper.board.escalations.open().count()), (n == 3, usize::from(n == 3)));
    }
    let told = paper.board.escalations.open().next().unwrap();
    assert_eq!(told.severity, Severity::Critical);
    let text = crate::context::text(&paper.board, told);
    for n in 1..=3 {
        assert_eq!(text.matches(&format!("last words of s{n}")).count(), 1, "{text}");
    }
    let rest = Rules::default().redispatch_after;
    let failed_at = paper.board.trials.of(&bead).unwrap().failed_at.unwrap();
    assert_eq!(hooks::cooling(&paper.board, &bead, failed_at, rest), Cooling::Spent);
    assert!(text.contains("a.txt | 2 +-") && text.contains("step first"), "{text}");
    // One bead holds all of it, one letter each tells the Mayor and a person, however often one looks.
    paper.deacon();
    paper.deacon();
    let beads = paper.board.beads.iter().filter(|bead| bead.issue_type == IssueType::Escalation);
    let beads: Vec<&Bead> = beads.collect();
    assert_eq!((beads.len(), beads[0].priority), (1, Priority::CRITICAL));
    assert!((1..=3).all(|n| beads[0].description.contains(&format!("last words of s{n}"))));
    for who in [Address::Mayor, Address::Overseer] {
        assert_eq!(paper.board.mail.unacked(&who).count(), 1, "{who}");
    }
    let again = || Sling { beads: vec![bead.clone()], target: "web".into(), ..Default::default() };
    assert_eq!(paper.does(Command::Sling(again())).unwrap_err().code, "retries_spent");
    let mut other = paper.clone();
    other.does(Command::Sling(Sling { force: true, ..again() })).unwrap();
    assert_eq!(hooks::cooling(&other.board, &bead, failed_at, rest), Cooling::Over);
    paper.does(Command::AgentStart { agent: worker.to_string() }).unwrap();
    assert_eq!(paper.board.trials.of(&bead).unwrap().failures, 0);
    assert_ne!(paper.board.agents.state(&worker), AgentState::Failed);
}

#[test]
fn a_crash_takes_hook_and_worktree_to_another_worker_and_leaves_a_mark() {
    let mut paper = Paper::new();
    let (bead, first) = hooked(&mut paper, "one");
    let sandbox = Event::SandboxCreated {
        agent: first.clone(),
        bead: bead.clone(),
        branch: format!("polecat/docs/{bead}"),
        base: "c".into(),
    };
    paper.record(vec![(first.clone(), sandbox)]);
    session(&mut paper, &bead, Verdict::Crashed, signalled(11));
    let second = paper.board.hooks.holder(&bead).unwrap().clone();
    assert_ne!(second, first);
    assert_eq!(paper.board.beads.get(&bead).unwrap().assignee, Some(second.to_string()));
    let [old, new] = [&first, &second].map(|agent| paper.board.agents.get(agent).unwrap());
    assert_eq!((old.marks, old.sandbox.as_ref(), old.state), (1, None, AgentState::Parked));
    assert_eq!(new.sandbox.as_ref().unwrap().at.as_ref(), Some(&first));
    // Until the worktree has been moved, nobody else is given that place.
    let (_, third) = hooked(&mut paper, "two");
    assert!(third != first && third != second, "{third}");
    let moved = Event::SandboxMoved { agent: second.clone(), from: first.clone(), bead: bead.clone() };
    paper.record(vec![(second.clone(), moved)]);
    let (_, fourth) = hooked(&mut paper, "three");
    assert_eq!(fourth, first);
    // It goes on until the budget of the bead is spent, whoever works at it.
    session(&mut paper, &bead, Verdict::Crashed, signalled(11));
    session(&mut paper, &bead, Verdict::Crashed, signalled(11));
    assert!(paper.board.trials.of(&bead).unwrap().is_spent());
    assert_eq!(paper.board.escalations.open().count(), 1);
}

#[test]
fn what_a_person_has_to_do_is_told_once_and_is_no_failure() {
    for verdict in [Verdict::AsksLogin, Verdict::AsksTrust, Verdict::KeyRefused] {
        let mut paper = Paper::new();
        let (bead, worker) = hooked(&mut paper, "one");
        for _ in 0..2 {
            session(&mut paper, &bead, verdict, exited(1));
            assert_eq!(paper.board.agents.state(&worker), AgentState::Waiting);
            assert_eq!(paper.board.trials.of(&bead).unwrap().failures, 0);
            assert_eq!(paper.board.escalations.open().count(), 1);
        }
        let left = paper.left();
        let works = left.busy.iter().any(|line| line.contains(" is at ") || line.contains("has no verdict"));
        assert!(!works && !left.attention.is_empty(), "{left:?}");
        paper.does(Command::AgentStart { agent: worker.to_string() }).unwrap();
        assert_eq!(paper.board.agents.state(&worker), AgentState::Parked);
        assert_eq!(paper.board.trials.of(&bead).unwrap().strategy, None);
    }
}

#[test]
fn who_waits_for_a_person_takes_no_place_but_when_all_do_nothing_more_is_handed_out() {
    let mut paper = Paper::new();
    let waits_for = |paper: &mut Paper, verdict: Verdict| {
        let (bead, worker) = hooked(paper, "one");
        session(paper, &bead, verdict, exited(1));
        worker
    };
    let mut last = None;
    for n in 0..5 {
        assert!(capacity::taken(&paper.board, None) == 0, "after {n}");
        last = Some(waits_for(&mut paper, Verdict::AsksLogin));
    }
    let bead = paper.bead("not yet");
    paper.sling(&[&bead], "web").unwrap();
    assert_eq!(paper.dispatch(1), None, "the sixth would ask the same");
    let told = paper.left().attention.join("\n");
    assert!(told.contains("its last 5 sessions asked to log in"), "{told}");
    paper.does(Command::AgentStart { agent: last.unwrap().to_string() }).unwrap();
    assert_eq!(paper.dispatch(8).unwrap().0, bead);

    // Some beads that only a person can help hold up nobody.
    let mut paper = Paper::new();
    for _ in 0..6 {
        waits_for(&mut paper, Verdict::KeyRefused);
        waits_for(&mut paper, Verdict::Failed);
    }
    let bead = paper.bead("goes on");
    paper.sling(&[&bead], "web").unwrap();
    assert_eq!(paper.dispatch(20).unwrap().0, bead);
}

#[test]
fn a_limit_parks_the_worker_until_its_time() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    let until = paper.now().plus(Duration::from_secs(9_000));
    let symptom = Some(Symptom::Limited { until: Some(until) });
    session(&mut paper, &bead, Verdict::Limited, Ended { symptom, ..exited(0) });
    let trial = paper.board.trials.of(&bead).unwrap();
    assert_eq!((trial.failures, trial.not_before), (0, Some(until)));
    assert_eq!(paper.board.agents.state(&worker), AgentState::Limited);
    let rest = Rules::default().redispatch_after;
    assert_eq!(hooks::cooling(&paper.board, &bead, paper.now(), rest), Cooling::Until(until));
    assert_eq!(hooks::cooling(&paper.board, &bead, until, rest), Cooling::Over);
    assert_eq!(paper.board.escalations.open().count(), 0);
    assert!(!paper.left().busy.is_empty(), "the town goes on by itself");
}

#[test]
fn a_worker_that_fails_at_everything_gets_nothing_new_until_it_has_rested_or_is_let_go() {
    let mut paper = Paper::new();
    let docs: Address = "web/polecats/docs".parse().unwrap();
    for n in 0..4 {
        let (bead, worker) = hooked(&mut paper, &format!("bead {n}"));
        // The least marked of the pool comes first, so it is asked for by name.
        if worker != docs {
            paper.does(Command::Unsling { bead: bead.clone(), force: true }).unwrap();
            paper.does(Command::Sling(to_docs(&bead))).unwrap();
            paper.dispatch(8).unwrap();
        }
        session(&mut paper, &bead, Verdict::Failed, exited(1));
        paper.does(Command::Unsling { bead, force: true }).unwrap();
    }
    let resting = paper.board.agents.get(&docs).unwrap();
    assert_eq!(resting.marks, 4);
    assert!(resting.quarantined.is_some_and(|until| until > paper.now()));
    let taken: Vec<Address> = (0..3).map(|n| hooked(&mut paper, &format!("more {n}")).1).collect();
    assert!(!taken.contains(&docs), "{taken:?}");
    paper.does(Command::AgentStart { agent: docs.to_string() }).unwrap();
    assert_eq!(paper.board.agents.get(&docs).unwrap().quarantined, None);
    assert_eq!(hooked(&mut paper, "last").1, docs);
}

fn to_docs(bead: &BeadId) -> Sling {
    Sling { beads: vec![bead.clone()], target: "web/docs".into(), ..Default::default() }
}

#[derive(Debug, Clone)]
enum Step {
    Fail(u8),
    TakeBack,
    Sling,
    Dispatch,
    Restart,
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    prop_oneof![
        (0u8..3).prop_map(Step::Fail),
        proptest::strategy::Just(Step::TakeBack),
        proptest::strategy::Just(Step::Sling),
        proptest::strategy::Just(Step::Dispatch),
        proptest::strategy::Just(Step::Restart),
    ]
}

proptest! {
    /// Beside the rules, the plain list of failures and hand-outs: each hand-out is five minutes after the last
    /// failure, and none comes after the third. Time goes on one second a record.
    #[test]
    fn no_bead_is_handed_out_while_it_rests(steps in proptest::collection::vec(step(), 1..80)) {
        let mut paper = Paper::new();
        let beads = [paper.bead("one"), paper.bead("two")];
        let rest = Rules::default().redispatch_after;
        let mut failed: BTreeMap<BeadId, (Timestamp, u32)> = BTreeMap::new();
        for (n, step) in steps.into_iter().enumerate() {
            let bead = &beads[n % 2];
            match step {
                Step::Fail(kind) if paper.board.hooks.holder(bead).is_some() => {
                    if paper.board.trials.of(bead).is_some_and(|trial| trial.is_spent()) {
                        continue;
                    }
                    let verdict = [Verdict::Failed, Verdict::Crashed, Verdict::LeftEarly][usize::from(kind)];
                    session(&mut paper, bead, verdict, signalled(11));
                    let at = paper.board.trials.of(bead).unwrap().failed_at.unwrap();
                    let known = failed.entry(bead.clone()).or_insert((at, 0));
                    *known = (at, known.1 + 1);
                }
                Step::TakeBack => drop(paper.does(Command::Unsling { bead: bead.clone(), force: true })),
                Step::Sling => drop(paper.sling(&[bead], "web")),
                // All that is known is known again after a restart.
                Step::Restart => {
                    let mut anew = ledger::views::Board::default();
                    paper.records.iter().for_each(|record| anew.apply(record));
                    assert_eq!(anew, paper.board);
                    paper.board = anew;
                }
                _ => {
                    let now = paper.now();
                    if let Some((given, _)) = paper.dispatch(8)
                        && let Some((at, times)) = failed.get(&given)
                    {
                        assert!(now.since(*at) >= rest, "{given} failed at {at} and was given at {now}");
                        assert!(*times < 3, "{given} has failed {times} times");
                    }
                    for bead in &beads {
                        let cools = hooks::cooling(&paper.board, bead, paper.now(), rest);
                        assert_eq!(
                            cools == Cooling::Spent,
                            failed.get(bead).is_some_and(|(_, times)| *times >= 3)
                        );
                    }
                }
            }
        }
    }
}
