//! Each way in which a bead can be stuck, brought back on paper; and told by `why` in ten lines.

use std::time::Duration;

use model::agent::{Exit, SessionEnd};
use model::command::{Command, Leave, Sling};
use model::ids::SessionId;
use model::merge::Rejection;
use model::recovery::Symptom;

use super::*;
use crate::agents::{Begun, Ended, Judged};
use crate::exits::{self, HandedIn};
use crate::standing::{self, Standing};
use crate::strategy::Rules;
use crate::testing::{OneFormula, Paper};

fn rules() -> Rules {
    Rules::default()
}

fn hooked(paper: &mut Paper, title: &str) -> (BeadId, Address) {
    let bead = paper.bead(title);
    paper.sling(&[&bead], "web").unwrap();
    paper.dispatch(8).unwrap()
}

/// A whole session of whoever holds `bead`.
fn session(paper: &mut Paper, bead: &BeadId, verdict: Verdict, symptom: Option<Symptom>) {
    let agent = paper.board.hooks.holder(bead).unwrap().clone();
    let id: SessionId = format!("s{}", paper.records.len()).parse().unwrap();
    let (preset, reason) = ("shell".to_owned(), "hook".to_owned());
    let begun = Begun { agent: agent.clone(), session: id.clone(), preset, bead: Some(bead.clone()), reason };
    paper.role(&agent, |draft| agents::begun(draft, begun)).unwrap();
    let ended = Ended { end: SessionEnd::Exited { code: 1 }, symptom, doing: None };
    paper.role(&agent, |draft| agents::ended(draft, &agent, &id, ended)).unwrap();
    let judged = Judged {
        agent,
        session: id,
        verdict,
        detail: "exit code 1".into(),
        output: Some("$ make\nmake: *** no rule\n\n".into()),
        diff: None,
    };
    let pool = OneFormula.workers(&"web".parse().unwrap());
    let witness = Address::Witness("web".parse().unwrap());
    paper.role(&witness, |draft| agents::judged(draft, judged, &rules(), &pool)).unwrap();
}

fn fail(paper: &mut Paper, bead: &BeadId, times: usize) {
    (0..times).for_each(|_| session(paper, bead, Verdict::Failed, None));
}

/// Looks at nothing outside, with a runtime up.
fn nothing() -> Facts {
    Facts { live: true, ..Facts::default() }
}

/// Brings `bead` back, sees to it that a second time there is nothing to do and that nothing more is recorded, and
/// returns what was done.
#[track_caller]
fn brought_back(paper: &mut Paper, bead: &BeadId, facts: &Facts) -> RecoveredRow {
    let once = |paper: &mut Paper, facts: &Facts| {
        let mut row = None;
        paper
            .role(&Address::Overseer, |draft| {
                row = Some(recover(draft, &OneFormula, bead, facts)?);
                Ok(())
            })
            .map(|()| row.unwrap())
    };
    let row = once(paper, facts).unwrap();
    let head = paper.board.head;
    // What was outside is settled by then.
    let again = once(paper, &Facts { unlanded: facts.unlanded.clone(), ..nothing() }).unwrap();
    assert_eq!((again.did, again.state), (Vec::<String>::new(), row.state.clone()), "said again");
    assert_eq!(paper.board.head, head, "{:?}", paper.kinds(usize::try_from(head.0).unwrap()));
    row
}

#[track_caller]
fn did(row: &RecoveredRow, state: &str, words: &[&str]) {
    assert_eq!(row.state, state, "{row:?}");
    assert_eq!(row.did.len(), words.len(), "{row:?}");
    for (did, word) in row.did.iter().zip(words) {
        assert!(did.contains(word), "{did:?} does not say {word:?}");
    }
}

/// How `bead` is, as `why` tells it; never in more lines than there is room for.
#[track_caller]
fn why(paper: &Paper, bead: &BeadId) -> Standing {
    let standing =
        standing::of_bead(&paper.board, paper.board.beads.get(bead).unwrap(), &rules(), paper.now());
    let saved = standing::kept(&paper.board, bead).len().min(3);
    let more = usize::from(standing.next.is_some()) + usize::from(standing.hint.is_some());
    let lines = 1 + standing.because.len() + saved + more;
    assert!(lines <= 10, "{lines} lines: {standing:#?}");
    assert!(!standing.because.is_empty() || standing.next.is_some(), "{standing:#?}");
    standing
}

fn free(paper: &Paper, bead: &BeadId) -> bool {
    let rest = rules().redispatch_after;
    hooks::cooling(&paper.board, bead, paper.now(), rest) == hooks::Cooling::Over
}

#[test]
fn a_bead_whose_sessions_have_failed_too_often_goes_on() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    fail(&mut paper, &bead, 3);
    let told = why(&paper, &bead);
    assert_eq!((told.state.as_str(), &told.next), ("spent", &None));
    assert!(told.because.iter().any(|why| why == "3 of 3 failures: failed (3 times)"), "{told:#?}");
    assert!(told.because.iter().any(|why| why.ends_with("its last words: make: *** no rule")), "{told:#?}");
    assert_eq!(told.hint, Some(format!("gastown recover {bead}")));
    assert_eq!(broken(&paper.board, None), std::slice::from_ref(&bead));

    let row = brought_back(&mut paper, &bead, &nothing());
    did(&row, "running", &["3 sessions had failed"]);
    assert_eq!(paper.board.agents.state(&worker), AgentState::Parked);
    assert_eq!(paper.board.escalations.open().count(), 0, "whoever types that has taken note");
    assert!(free(&paper, &bead) && broken(&paper.board, None).is_empty());
    // The same, taken off the hook and waiting again.
    fail(&mut paper, &bead, 3);
    paper.does(Command::Unsling { bead: bead.clone(), force: true }).unwrap();
    let row = brought_back(&mut paper, &bead, &nothing());
    did(&row, "ready", &["3 sessions had failed"]);
    assert_eq!(row.hint, Some(format!("gastown sling {bead} web")));
    paper.sling(&[&bead], "web").unwrap();
}

#[test]
fn what_waits_for_a_person_or_a_time_goes_on_at_once() {
    let limit = Symptom::Limited { until: Some(Timestamp::from_millis(9_000_000)) };
    for (verdict, symptom, state, word) in [
        (Verdict::AsksLogin, Some(Symptom::AsksLogin), "needs_you", "waited for a person"),
        (Verdict::AsksTrust, Some(Symptom::AsksTrust), "needs_you", "waited for a person"),
        (Verdict::KeyRefused, Some(Symptom::KeyRefused), "needs_you", "waited for a person"),
        (Verdict::Limited, Some(limit), "limited", "being limited: it goes on now"),
    ] {
        let mut paper = Paper::new();
        let (bead, _) = hooked(&mut paper, "one");
        session(&mut paper, &bead, verdict, symptom);
        let told = why(&paper, &bead);
        assert_eq!(told.state, state, "{told:#?}");
        assert!(told.hint.as_ref().is_some_and(|hint| hint.contains("gastown recover")), "{told:#?}");
        assert_eq!(told.until.is_some(), told.next.is_some(), "{told:#?}");
        let row = brought_back(&mut paper, &bead, &nothing());
        did(&row, "running", &[word]);
        assert!(paper.board.trials.of(&bead).is_none_or(|trial| trial.not_before.is_none()));
    }
}

#[test]
fn a_bead_that_rests_is_handed_out_at_once() {
    let mut paper = Paper::new();
    let (bead, _) = hooked(&mut paper, "one");
    fail(&mut paper, &bead, 1);
    paper.does(Command::Unsling { bead: bead.clone(), force: true }).unwrap();
    paper.sling(&[&bead], "web").unwrap();
    let told = why(&paper, &bead);
    assert_eq!(told.state, "cooling");
    assert!(told.until.is_some() && told.next.is_some_and(|next| next.starts_with("handed out again in ")));
    assert_eq!(paper.dispatch(8), None);
    did(&brought_back(&mut paper, &bead, &nothing()), "ready", &["rested after a failure"]);
    assert_eq!(paper.dispatch(8).unwrap().0, bead);
}

#[test]
fn a_worker_that_is_held_or_quarantined_is_let_go() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    paper.does(Command::AgentStop { agent: worker.to_string() }).unwrap();
    assert_eq!(why(&paper, &bead).state, "held");
    did(&brought_back(&mut paper, &bead, &nothing()), "running", &["was held back"]);
    let until = Some(paper.now().plus(Duration::from_secs(3_000)));
    let event = Event::AgentQuarantined { agent: worker.clone(), until, reason: "x".into() };
    paper.record(vec![(Address::Overseer, event)]);
    did(&brought_back(&mut paper, &bead, &nothing()), "running", &["trusted again"]);
    assert_eq!(paper.board.agents.get(&worker).unwrap().quarantined, None);
}

fn give_up(paper: &mut Paper, worker: &Address) {
    let (reason, outcome) = ("panicked".to_owned(), "gave_up".to_owned());
    let event = Event::ActorEnded {
        name: worker.to_string(),
        reason,
        outcome,
        restarts: 11,
        crash: Default::default(),
    };
    paper.record(vec![(Address::Runtime, event)]);
}

#[test]
fn a_bead_whose_worker_is_gone_goes_to_another_with_its_worktree() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    let branch = format!("polecat/docs/{bead}");
    let made = Event::SandboxCreated { agent: worker.clone(), bead: bead.clone(), branch, base: "c".into() };
    paper.record(vec![(worker.clone(), made)]);
    give_up(&mut paper, &worker);
    assert_eq!(why(&paper, &bead).state, "lost");
    did(&brought_back(&mut paper, &bead, &nothing()), "running", &["hook and worktree go to"]);
    let next = paper.board.hooks.holder(&bead).unwrap().clone();
    assert_ne!(next, worker);
    assert!(paper.board.agents.get(&next).unwrap().sandbox.is_some());
    // Nobody gives new work to one whom nobody wakes, until the runtime begins anew.
    for n in 0..3 {
        assert_ne!(hooked(&mut paper, &format!("more {n}")).1, worker);
    }
    let (pid, version) = (1, "0".to_owned());
    paper.record(vec![(Address::Runtime, Event::TownStarted { pid, version })]);
    assert!(!paper.board.agents.get(&worker).unwrap().given_up);
}

#[test]
fn the_witness_takes_a_bead_from_a_worker_that_is_gone_and_the_deacon_counts() {
    let mut paper = Paper::new();
    let (bead, _) = hooked(&mut paper, "one");
    let rig: RigName = "web".parse().unwrap();
    let pool = OneFormula.workers(&rig);
    for n in 1..=3 {
        let worker = paper.board.hooks.holder(&bead).unwrap().clone();
        give_up(&mut paper, &worker);
        let (board, now) = (paper.board.clone(), paper.now());
        let hook = moving::orphans(&board, &rig).next().expect("nobody wakes it");
        let witness = Address::Witness(rig.clone());
        paper
            .role(&witness, |draft| {
                moving::reset(draft, hook, "it was given up", &rules(), &pool);
                Ok(())
            })
            .unwrap();
        assert_eq!(moving::orphans(&paper.board, &rig).count(), 0);
        let trial = paper.board.trials.of(&bead).unwrap();
        assert_eq!((trial.resets, trial.failures, trial.is_spent()), (n, n, n == 3));
        // Nobody goes on with it before it has rested.
        assert!(trial.not_before.is_none_or(|until| until.since(now) >= rules().redispatch_after));
        assert!(!free(&paper, &bead));
        let letter = paper.board.mail.unacked(&Address::Deacon).next().unwrap().letter.clone();
        let Kind::RecoveredBead { bead: of, worker, why } = letter.kind.clone() else { panic!("{letter:?}") };
        paper
            .role(&Address::Deacon, |draft| {
                draft.handled(&letter.id)?;
                moving::recovered(draft, &of, &worker, &why);
                Ok(())
            })
            .unwrap();
        let told: Vec<&str> = paper.board.escalations.open().map(|known| known.severity.as_str()).collect();
        assert_eq!(told, [&[][..], &["medium"], &["medium", "critical"]][n as usize - 1], "after {n}");
    }
    did(&brought_back(&mut paper, &bead, &nothing()), "running", &["3 sessions had failed"]);
}

#[test]
fn board_and_hook_that_disagree_are_settled() {
    let mut paper = Paper::new();
    let status = |paper: &mut Paper, to, assignee: Option<&str>| {
        let bead = paper.bead("one");
        let mut known = paper.board.beads.get(&bead).unwrap().clone();
        (known.status, known.assignee) = (to, assignee.map(str::to_owned));
        paper.record(vec![(Address::Overseer, Event::BeadImported { bead: std::sync::Arc::new(known) })]);
        bead
    };
    let lost = status(&mut paper, Status::Hooked, Some("web/polecats/nux"));
    assert_eq!(why(&paper, &lost).state, "lost");
    assert_eq!(broken(&paper.board, None), std::slice::from_ref(&lost));
    did(&brought_back(&mut paper, &lost, &nothing()), "ready", &["hangs on no hook"]);
    for who in [None, Some("web/polecats/nux")] {
        let bead = status(&mut paper, Status::InProgress, who);
        did(&brought_back(&mut paper, &bead, &nothing()), "ready", &["in progress"]);
    }
    let claimed = status(&mut paper, Status::InProgress, Some("overseer"));
    let refused =
        paper.role(&Address::Overseer, |draft| recover(draft, &OneFormula, &claimed, &nothing()).map(drop));
    assert_eq!(refused.unwrap_err().code, "claimed");
    let (bead, _) = hooked(&mut paper, "two");
    let change = Event::BeadStatusChanged {
        bead: bead.clone(),
        from: Status::Hooked,
        to: Status::Deferred,
        by: Move::Edit,
        reason: None,
    };
    paper.record(vec![(Address::Overseer, change)]);
    did(&brought_back(&mut paper, &bead, &nothing()), "running", &["its status was deferred"]);
    assert_eq!(paper.board.beads.get(&bead).unwrap().status, Status::Hooked);
}

fn leave(paper: &mut Paper, bead: &BeadId, worker: &Address, exit: Exit, leave: &Leave) {
    let branch = format!("polecat/docs/{bead}");
    let work = HandedIn { branch, head: "abc".into(), bundle: None };
    let how = (exit, Some("no key"));
    paper.role(worker, |draft| exits::done(draft, worker, bead, how, leave, Some(work)).map(drop)).unwrap();
}

#[test]
fn what_a_worker_has_left_is_ready_again_with_its_branch() {
    for exit in [Exit::Blocked, Exit::Refactor, Exit::Escalate] {
        let mut paper = Paper::new();
        let (bead, worker) = hooked(&mut paper, "one");
        leave(&mut paper, &bead, &worker, exit, &Leave::default());
        let told = why(&paper, &bead);
        assert!(told.because[0].contains("no key"), "{told:#?}");
        assert!(broken(&paper.board, None).is_empty(), "it was left on purpose");
        let row = brought_back(&mut paper, &bead, &nothing());
        did(&row, "ready", &["its worker left it as", "the next worker goes on where polecat/docs/"]);
        paper.sling(&[&bead], "web").unwrap();
        paper.dispatch(8).unwrap();
        let left = paper.board.kept.of(&bead).and_then(|kept| kept.left.as_ref()).unwrap();
        assert_eq!(left.commit.as_deref(), Some("abc"), "and still knows where");
    }
}

/// Takes what hangs on the hook into the merge queue.
fn queue(paper: &mut Paper, bead: &BeadId, worker: &Address) {
    leave(paper, bead, worker, Exit::Completed, &Leave::default());
    let (branch, head) = (format!("polecat/docs/{bead}"), "abc".to_owned());
    let ready = Kind::MergeReady { bead: bead.clone(), worker: worker.clone(), branch, head };
    let refinery = Address::Refinery("web".parse().unwrap());
    paper.role(&refinery, |draft| merges::submit(draft, &ready)).unwrap();
}

#[test]
fn a_merge_that_is_held_is_tried_again() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    queue(&mut paper, &bead, &worker);
    assert_eq!(why(&paper, &bead).state, "queued");
    let id = paper.board.merges.of_bead(&bead).unwrap().id.clone();
    let refinery = Address::Refinery("web".parse().unwrap());
    paper.role(&refinery, |draft| merges::hold(draft, &id, "pushes are closed", None, true)).unwrap();
    assert_eq!(why(&paper, &bead).state, "merge_held");
    did(&brought_back(&mut paper, &bead, &nothing()), "running", &["was held (pushes are closed)"]);
    assert_eq!(paper.board.merges.of_bead(&bead).unwrap().state, MergeState::Queued);
}

#[test]
fn a_merge_that_was_given_back_too_often_goes_on() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    let refinery = Address::Refinery("web".parse().unwrap());
    for attempt in 1..=3 {
        queue(&mut paper, &bead, &worker);
        let id = paper.board.merges.of_bead(&bead).unwrap().id.clone();
        let rejection = Rejection::Unfit { why: "two lines too long".into(), attempt };
        paper.role(&refinery, |draft| merges::rejected(draft, &id, rejection, 3)).unwrap();
    }
    let told = why(&paper, &bead);
    assert_eq!(told.state, "held");
    assert!(told.because[0].contains("two lines too long"), "{told:#?}");
    did(&brought_back(&mut paper, &bead, &nothing()), "running", &["was held back"]);
    assert!(!paper.board.agents.get(&worker).unwrap().held);
}

#[test]
fn a_letter_that_could_not_be_handled_is_handled_afresh() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    leave(&mut paper, &bead, &worker, Exit::Completed, &Leave::default());
    let witness = Address::Witness("web".parse().unwrap());
    let letter = paper.board.mail.unacked(&witness).next().unwrap().letter.id.clone();
    for _ in 0..crate::letters::MAX_FAILURES {
        paper
            .role(&witness, |draft| {
                crate::letters::failed(draft, &letter, "it panicked");
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(broken(&paper.board, None), std::slice::from_ref(&bead));
    did(&brought_back(&mut paper, &bead, &nothing()), "running", &["is handled afresh"]);
    assert_eq!((paper.board.mail.dead().count(), paper.board.mail.unacked(&witness).count()), (0, 1));
}

fn landing() -> Option<Landed> {
    Some(Landed { commit: "fedcba9876543210".into(), target: "main".into(), head: "abc".into() })
}

#[test]
fn what_has_landed_is_closed_by_that_however_little_the_ledger_knows_of_it() {
    let facts = Facts { landed: landing(), ..nothing() };
    // In the queue; given back; on a hook with no request; waiting; with nothing at all.
    for case in 0..5 {
        let mut paper = Paper::new();
        let bead = paper.bead("one");
        if case < 4 {
            paper.sling(&[&bead], "web").unwrap();
        }
        if case < 3 {
            let worker = paper.dispatch(8).unwrap().1;
            if case < 2 {
                queue(&mut paper, &bead, &worker);
            }
            if case == 1 {
                let id = paper.board.merges.of_bead(&bead).unwrap().id.clone();
                let refinery = Address::Refinery("web".parse().unwrap());
                let rejection = Rejection::Unfit { why: "x".into(), attempt: 1 };
                paper.role(&refinery, |draft| merges::rejected(draft, &id, rejection, 3)).unwrap();
            }
        }
        let row = brought_back(&mut paper, &bead, &facts);
        did(&row, "closed", &["its merge commit fedcba987654 is on main"]);
        let known = paper.board.beads.get(&bead).unwrap();
        assert_eq!(known.close_reason.as_deref(), Some("landed on main as fedcba987654"), "case {case}");
        let landed =
            paper.records.iter().filter(|record| matches!(record.event, Event::MqLanded { .. })).count();
        assert_eq!(landed, usize::from(case < 3), "case {case}");
        let hook = paper.board.hooks.on(&bead).map(|hook| hook.stage.clone());
        assert_eq!(hook, (case < 3).then_some(Stage::Landed), "its worker cleans up");
        assert!(paper.board.hooks.waiting(&bead).is_none());
    }
    // With work that came after it, it is not finished.
    let mut paper = Paper::new();
    let (bead, _) = hooked(&mut paper, "one");
    let more = Unlanded { branch: "b".into(), head: "h".into() };
    let row = brought_back(&mut paper, &bead, &Facts { unlanded: Some(more), ..facts });
    did(&row, "running", &[]);
}

#[test]
fn what_is_closed_and_has_not_landed_is_open_again_with_its_branch() {
    let unlanded = || Some(Unlanded { branch: "polecat/docs/x".into(), head: "abc".into() });
    let vanished = Facts { vanished: Some("fedcba9876543210".into()), unlanded: unlanded(), ..nothing() };
    let by_hand = Facts { unlanded: unlanded(), ..nothing() };
    for (facts, words) in [(vanished, "its landing fedcba987654 is not"), (by_hand, "has not landed")] {
        let mut paper = Paper::new();
        let bead = paper.bead("one");
        paper.does(Command::BeadClose { ids: vec![bead.clone()], reason: None, force: false }).unwrap();
        did(
            &brought_back(&mut paper, &bead, &facts),
            "ready",
            &[words, "goes on where polecat/docs/x stands"],
        );
        let left = paper.board.kept.of(&bead).and_then(|kept| kept.left.clone()).unwrap();
        assert_eq!((left.branch.as_str(), left.commit.as_deref()), ("polecat/docs/x", Some("abc")));
    }
    let mut paper = Paper::new();
    let bead = paper.bead("one");
    paper.does(Command::BeadClose { ids: vec![bead.clone()], reason: None, force: false }).unwrap();
    did(&brought_back(&mut paper, &bead, &Facts { landed: landing(), ..nothing() }), "closed", &[]);
}

#[test]
fn work_at_risk_blocks_the_worker_is_told_of_once_and_is_resolved() {
    let saved = Saving::Saved { branch: "rescue/docs/t".into(), commit: "abc".into(), bundle: None };
    let aside = Saving::Aside { folder: "/t/docs.rescued-1".into(), why: "its index is broken".into() };
    for (saving, word) in
        [(saved, "is saved on rescue/docs/t"), (aside, "it is now /t/docs.rescued-1, as it was")]
    {
        let mut paper = Paper::new();
        let (bead, worker) = hooked(&mut paper, "one");
        let branch = format!("polecat/docs/{bead}");
        let made =
            Event::SandboxCreated { agent: worker.clone(), bead: bead.clone(), branch, base: "c".into() };
        paper.record(vec![(worker.clone(), made)]);
        paper.does(Command::Unsling { bead: bead.clone(), force: true }).unwrap();
        let sling = Sling { beads: vec![bead.clone()], target: "web".into(), ..Default::default() };
        paper.does(Command::Sling(sling)).unwrap();
        let (folder, why_not) = ("/t/docs".to_owned(), "the disk is full".to_owned());
        let risk = Event::WorkAtRisk { agent: worker.clone(), bead: bead.clone(), folder, why: why_not };
        for _ in 0..2 {
            paper.record(vec![(worker.clone(), risk.clone())]);
        }
        let rig: RigName = "web".parse().unwrap();
        for n in [1, 0] {
            let told: Vec<_> =
                moving::at_risk(&paper.board, &rig).map(|(w, b, y)| (w.clone(), b, y)).collect();
            assert_eq!(told.len(), n, "told once");
            for (worker, bead, why) in told {
                let witness = Address::Witness(rig.clone());
                paper
                    .role(&witness, |draft| {
                        draft.send(&Address::Deacon, Kind::RecoveryNeeded { bead, worker, why });
                        Ok(())
                    })
                    .unwrap();
            }
        }
        for _ in 0..2 {
            let tell = |draft: &mut Draft<'_>| {
                moving::recovery_needed(draft, &bead, &worker, "/t/docs: the disk is full");
                Ok(())
            };
            paper.role(&Address::Deacon, tell).unwrap();
        }
        assert_eq!(paper.board.escalations.open().count(), 1, "a person is told once");
        // Neither the worker nor the bead goes anywhere before.
        assert_eq!(paper.dispatch(8), None);
        for n in 0..3 {
            assert_ne!(hooked(&mut paper, &format!("more {n}")).1, worker);
        }
        let left = paper.left();
        assert!(
            left.attention.iter().any(|line| line.contains("cannot be saved (the disk is full)")),
            "{left:?}"
        );
        let told = why(&paper, &bead);
        assert_eq!(told.state, "at_risk");
        assert!(told.because.iter().any(|why| why.contains("/t/docs cannot be saved: the disk is full")));

        let facts = Facts { saving: Some(saving), ..nothing() };
        let row = brought_back(&mut paper, &bead, &facts);
        did(&row, "ready", &[word]);
        assert_eq!(paper.board.escalations.open().count(), 0);
        assert!(at_risk(&paper.board, &bead).is_none() && broken(&paper.board, None).is_empty());
    }
}
