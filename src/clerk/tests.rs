//! The rules, tried on a town on paper.

use model::agent::Exit;
use model::answer::Answer;
use model::bead::{DepType, Patch, Status};
use model::command::{Command, Leave, NewBead, Origin, Sling};
use model::event::Event;
use model::hook::Stage;
use model::ids::{BeadId, MailId};
use model::mail::Kind;
use model::merge::{GateResult, MergeState, Rejection};
use model::refusal::Refusal;
use model::role::Address;

use crate::exits::{self, HandedIn};
use crate::idle::Left;
use crate::testing::Paper;
use crate::{letters, merges, queue};

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    result.unwrap_err().code
}

fn witness() -> Address {
    "web/witness".parse().unwrap()
}

fn refinery() -> Address {
    "web/refinery".parse().unwrap()
}

/// The oldest letter that `to` has not acknowledged.
fn letter(paper: &Paper, to: &Address) -> (MailId, Kind) {
    let post = paper.board.mail.unacked(to).next().expect("a letter");
    (post.letter.id.clone(), post.letter.kind.clone())
}

/// Hands the bead on `worker`'s hook in, and takes it through the Witness into the queue.
fn submit(paper: &mut Paper, bead: &BeadId, worker: &Address) {
    let work = HandedIn { branch: "b".into(), head: "h".into(), bundle: None };
    paper
        .role(worker, |draft| {
            exits::done(draft, worker, bead, (Exit::Completed, None), &Leave::default(), Some(work)).map(drop)
        })
        .unwrap();
    let (id, kind) = letter(paper, &witness());
    assert!(matches!(kind, Kind::PolecatDone { .. }));
    let ready =
        Kind::MergeReady { bead: bead.clone(), worker: worker.clone(), branch: "b".into(), head: "h".into() };
    paper
        .role(&witness(), |draft| {
            draft.handled(&id)?;
            draft.send(&refinery(), ready);
            Ok(())
        })
        .unwrap();
    let (id, kind) = letter(paper, &refinery());
    paper
        .role(&refinery(), |draft| {
            draft.handled(&id)?;
            merges::submit(draft, &kind)
        })
        .unwrap();
}

fn setting() -> queue::Setting {
    queue::Setting {
        rig: "web".parse().unwrap(),
        target: "main".into(),
        rules: ::queue::Rules::default(),
        runners: 1,
        gates: "g".into(),
        gated: true,
        max_attempts: 3,
    }
}

fn hooked(paper: &mut Paper, title: &str) -> (BeadId, Address) {
    let bead = paper.bead(title);
    paper.sling(&[&bead], "web").unwrap();
    let (taken, worker) = paper.dispatch(8).unwrap();
    assert_eq!(taken, bead);
    (bead, worker)
}

#[test]
fn a_bead_travels_from_a_sling_to_a_landing() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    assert_eq!(paper.board.beads.get(&bead).unwrap().status, Status::Hooked);
    submit(&mut paper, &bead, &worker);
    let merge = paper.board.merges.of_bead(&bead).unwrap().id.clone();
    assert_eq!(paper.board.hooks.of(&worker).unwrap().stage, Stage::Submitted);
    let setting = setting();
    let look = queue::Look { since: None, head: "b".into(), prints: Default::default(), trial: None };
    paper.role(&refinery(), |draft| queue::plan(draft, &setting, &look)).unwrap();
    let run =
        paper.board.queues.get(&setting.rig).unwrap().state.flights().values().next().unwrap().run.clone();
    assert_eq!(run.stack, std::slice::from_ref(&merge));
    let tree = queue::tree(&setting.gates, "t");
    let built =
        |draft: &mut crate::draft::Draft<'_>| queue::built(draft, &setting, &run, tree.clone(), ("b", "c1"));
    paper.role(&refinery(), built).unwrap();
    let push = |tree: &str| queue::Push {
        base: "b".into(),
        own: vec![(merge.clone(), "c1".into())],
        line: vec![("c1".into(), queue::tree(&setting.gates, tree))],
    };
    let pushing = |paper: &mut Paper, tree: &str| {
        let push = push(tree);
        paper.role(&refinery(), |draft| queue::pushing(draft, &setting, run.id, &push))
    };
    assert_eq!(code(pushing(&mut paper, "t")), "stale", "the queue has not decided so");
    let result = GateResult {
        gate: "test".into(),
        command: "true".into(),
        commit: "c1".into(),
        tree: "t".into(),
        passed: true,
        verdict: String::new(),
        duration_ms: 1,
        log: String::new(),
        base: "b".into(),
        run: Some(run.id),
        excerpt: String::new(),
    };
    let gate = |draft: &mut crate::draft::Draft<'_>| {
        queue::gate(draft, &setting, &run, result.clone());
        Ok(())
    };
    paper.role(&refinery(), gate).unwrap();
    let green = ::queue::Verdict::Green;
    paper.role(&refinery(), |draft| queue::ended(draft, &setting, run.id, green)).unwrap();
    // A tree without a green run of its own is never pushed.
    assert_eq!(code(pushing(&mut paper, "another")), "not_green");
    pushing(&mut paper, "t").unwrap();
    let land = |draft: &mut crate::draft::Draft<'_>| queue::landed(draft, &setting, run.id, "c1");
    paper.role(&refinery(), land).unwrap();
    assert_eq!(paper.board.beads.get(&bead).unwrap().status, Status::Closed);
    assert_eq!(paper.board.hooks.of(&worker).unwrap().stage, Stage::Landed);
    paper.role(&refinery(), land).unwrap();
    let landed = paper.records.iter().filter(|record| matches!(record.event, Event::MqLanded { .. })).count();
    assert_eq!(landed, 1, "it lands once");
    assert!(matches!(letter(&paper, &witness()).1, Kind::Merged { .. }));
}

#[test]
fn a_letter_is_handled_once_and_everything_with_it() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    submit(&mut paper, &bead, &worker);
    let before = paper.records.len();
    let acked = paper.records.iter().find_map(|record| match &record.event {
        Event::MailAcked { mail } => Some(mail.clone()),
        _ => None,
    });
    let handled = acked.expect("the witness has handled a letter");
    let again = paper.role(&witness(), |draft| {
        draft.send(&refinery(), Kind::Shutdown { why: "twice".into() });
        draft.handled(&handled)
    });
    assert_eq!(code(again), "already_handled");
    assert_eq!(paper.records.len(), before, "nothing of it happened");
}

#[test]
fn a_rejected_bead_goes_back_to_its_worker_and_keeps_its_entry() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    for attempt in 1..=4_u32 {
        submit(&mut paper, &bead, &worker);
        let merge = paper.board.merges.of_bead(&bead).unwrap().clone();
        assert_eq!((merge.id.as_str(), merge.attempts), ("mr-1", attempt));
        // The first conflict is with what others have landed; the next ones, on the same base, are not.
        let rejection = Rejection::Conflict { files: vec!["a".into()], base: "b".into(), attempt };
        paper.role(&refinery(), |draft| merges::rejected(draft, &merge.id, rejection, 3)).unwrap();
        assert!(paper.board.hooks.of(&worker).unwrap().stage.wants_session());
        let (id, kind) = letter(&paper, &witness());
        assert!(matches!(kind, Kind::ReworkRequest { .. }));
        paper.role(&witness(), |draft| draft.handled(&id)).unwrap();
        let held = paper.board.agents.get(&worker).unwrap().held;
        assert_eq!(held, attempt == 4, "after the limit a person is asked");
    }
    assert_eq!(paper.board.escalations.open().count(), 1);
    assert!(!paper.left().attention.is_empty());
    paper.does(Command::AgentStart { agent: worker.to_string() }).unwrap();
    assert!(!paper.board.agents.get(&worker).unwrap().held);
}

#[test]
fn work_on_a_branch_is_closed_by_landing_alone() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    let close = || Command::BeadClose { ids: vec![bead.clone()], reason: None, force: true };
    let agent = Origin::Session { agent: worker.clone(), session: "s".parse().unwrap() };
    assert_eq!(code(paper.by(&agent, close())), "closed_by_landing");
    assert_eq!(code(paper.does(close())), "closed_by_landing");
    submit(&mut paper, &bead, &worker);
    paper.does(Command::Unsling { bead: bead.clone(), force: true }).unwrap();
    let merge = paper.board.merges.of_bead(&bead).unwrap();
    assert!(matches!(merge.state, MergeState::Withdrawn { .. }));
    assert!(paper.does(close()).is_ok(), "taken back, it is an ordinary bead again");
}

#[test]
fn a_bead_is_on_one_hook_and_a_hook_holds_one_bead() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    assert!(
        matches!(paper.sling(&[&bead], "web").unwrap(), Answer::Slung(report) if report.beads[0].outcome == "already there")
    );
    assert_eq!(code(paper.sling(&[&bead], "web/polecats/backend")), "bead_taken");
    let other = paper.bead("two");
    assert_eq!(code(paper.sling(&[&other], &worker.to_string())), "hook_taken");
    paper.sling(&[&other], "web").unwrap();
    assert_eq!(paper.dispatch(1), None, "one worker at a time");
    let (_, second) = paper.dispatch(8).unwrap();
    assert_ne!(second, worker);
    // The pool is used up: further workers are numbered.
    let third = paper.bead("three");
    paper.sling(&[&third], "web").unwrap();
    assert_eq!(paper.dispatch(8).unwrap().1.to_string(), "web/polecats/docs-2");
}

#[test]
fn beads_go_by_urgency_then_age_and_wait_for_their_blockers() {
    let mut paper = Paper::new();
    let (low, first, second, blocked) =
        (paper.bead("low"), paper.bead("first"), paper.bead("second"), paper.bead("blocked"));
    let patch = Patch { priority: Some(3.try_into().unwrap()), ..Patch::default() };
    paper.does(Command::BeadUpdate { ids: vec![low.clone()], patch, status: None, claim: false }).unwrap();
    let depend = |bead: &BeadId, on: &BeadId| Command::DepAdd {
        bead: bead.clone(),
        on: on.clone(),
        kind: DepType::Blocks,
    };
    paper.does(depend(&blocked, &first)).unwrap();
    assert_eq!(code(paper.does(depend(&first, &blocked))), "cycle");
    assert_eq!(code(paper.sling(&[&blocked], "web")), "bead_blocked");
    let force =
        Sling { beads: vec![blocked.clone()], target: "web".into(), force: true, ..Default::default() };
    paper.does(Command::Sling(force)).unwrap();
    paper.sling(&[&low, &first, &second], "web").unwrap();
    let order: Vec<BeadId> = (0..3).map(|_| paper.dispatch(8).unwrap().0).collect();
    assert_eq!(order, [first.clone(), second, low]);
    assert_eq!(paper.dispatch(8), None);
    let holder = paper.board.hooks.holder(&first).unwrap().clone();
    paper
        .role(&holder, |draft| {
            exits::done(
                draft,
                &holder,
                &first,
                (Exit::Completed, Some("nothing to do")),
                &Leave::default(),
                None,
            )
            .map(drop)
        })
        .unwrap();
    assert_eq!(paper.dispatch(8).unwrap().0, blocked, "freed by the close");
}

#[test]
fn several_beads_make_one_convoy_that_arrives_with_the_last() {
    let mut paper = Paper::new();
    let (a, b) = (paper.bead("a"), paper.bead("b"));
    let Answer::Slung(report) = paper.sling(&[&a, &b, &a], "web").unwrap() else { panic!() };
    let convoy = report.convoy.unwrap();
    assert_eq!(paper.board.convoys.get(&convoy).unwrap().beads.len(), 2);
    for bead in [&a, &b] {
        paper.does(Command::Unsling { bead: bead.clone(), force: false }).unwrap();
        assert!(paper.board.convoys.get(&convoy).unwrap().closed_at.is_none());
        paper.does(Command::BeadClose { ids: vec![bead.clone()], reason: None, force: false }).unwrap();
    }
    assert!(paper.board.convoys.get(&convoy).unwrap().closed_at.is_some());
    assert!(matches!(letter(&paper, &Address::Overseer).1, Kind::ConvoyDone { beads: 2, .. }));
}

#[test]
fn each_exit_frees_the_hook_and_says_what_becomes_of_the_bead() {
    for (exit, status) in [
        (Exit::Blocked, Status::Blocked),
        (Exit::Refactor, Status::Deferred),
        (Exit::Escalate, Status::Deferred),
    ] {
        let mut paper = Paper::new();
        let (bead, worker) = hooked(&mut paper, "one");
        paper
            .role(&worker, |draft| {
                exits::done(draft, &worker, &bead, (exit, Some("why")), &Leave::default(), None).map(drop)
            })
            .unwrap();
        assert_eq!(paper.board.beads.get(&bead).unwrap().status, status, "{exit}");
        assert!(paper.board.hooks.of(&worker).is_none());
        assert_eq!(paper.board.escalations.open().count(), 1);
    }
}

#[test]
fn steps_are_done_in_order_once_and_stay_done() {
    let mut paper = Paper::new();
    let (_, worker) = hooked(&mut paper, "one");
    let agent = Origin::Session { agent: worker, session: "s".parse().unwrap() };
    let step = |step: &str| Command::StepDone { step: step.into() };
    assert_eq!(code(paper.by(&agent, step("second"))), "step_not_ready");
    assert_eq!(code(paper.by(&agent, step("frist"))), "no_such_step");
    let from = paper.records.len();
    paper.by(&agent, step("first")).unwrap();
    paper.by(&agent, step("first")).unwrap();
    paper.by(&agent, step("second")).unwrap();
    assert_eq!(paper.kinds(from), ["mol.step_completed", "mol.step_completed", "mol.completed"]);
}

#[test]
fn an_agent_may_not_do_what_is_a_persons() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    let agent = Origin::Session { agent: worker, session: "s".parse().unwrap() };
    assert_eq!(code(crate::decide::permitted(&agent, &Command::Stop)), "operator_only");
    assert_eq!(code(paper.by(&agent, Command::Unsling { bead, force: true })), "operator_only");
    assert!(crate::decide::permitted(&Origin::operator(), &Command::Stop).is_ok());
}

#[test]
fn mail_goes_to_those_who_exist_and_to_nobody_else() {
    let mut paper = Paper::new();
    paper.rig("api", "api");
    let send = |to: &str| Command::MailSend {
        to: to.into(),
        subject: "s".into(),
        body: "b".into(),
        kind: None,
        key: None,
    };
    let before = paper.records.len();
    let refusal = paper.does(send("web/witnes")).unwrap_err();
    assert_eq!(refusal.code, "no_such_agent");
    assert!(refusal.hint.unwrap().contains("web/witness"));
    assert_eq!(code(paper.does(send("@polecats"))), "empty_group");
    assert_eq!(code(paper.does(send("@rig/wbe"))), "no_such_rig");
    assert_eq!(paper.records.len(), before, "nothing is stored");
    let Answer::Sent(sent) = paper.does(send("@witnesses")).unwrap() else { panic!() };
    assert_eq!(sent.len(), 2);
    let Answer::Sent(all) = paper.does(send("@all")).unwrap() else { panic!() };
    assert_eq!(all.len(), 6, "mayor, deacon, two of each rig, and not the sender");
    let reply = Command::MailReply { id: sent[0].clone(), body: "r".into() };
    let witness = Origin::Session { agent: "api/witness".parse().unwrap(), session: "s".parse().unwrap() };
    paper.by(&witness, reply).unwrap();
    let (_, kind) = letter(&paper, &Address::Overseer);
    assert_eq!(kind.subject(), "Re: s");
    assert_eq!(code(paper.by(&witness, Command::MailAck(vec![sent[1].clone()]))), "no_such_mail");
}

#[test]
fn the_third_failed_handling_puts_a_letter_aside() {
    let mut paper = Paper::new();
    let to = witness();
    paper
        .role(&Address::Runtime, |draft| {
            draft.send(&to, Kind::Shutdown { why: "x".into() });
            Ok(())
        })
        .unwrap();
    let (id, _) = letter(&paper, &to);
    for n in 1..=3 {
        paper
            .role(&to, |draft| {
                letters::failed(draft, &id, "it broke");
                Ok(())
            })
            .unwrap();
        assert_eq!(paper.board.mail.unacked(&to).count(), usize::from(n < 3));
    }
    assert_eq!(paper.board.mail.dead().count(), 1);
    assert_eq!(paper.board.escalations.open().count(), 1);
}

#[test]
fn a_dead_letter_is_listed_with_what_went_wrong_and_can_be_put_back() {
    let mut paper = Paper::new();
    let to = witness();
    for _ in 0..2 {
        paper
            .role(&Address::Runtime, |draft| {
                draft.send(&to, Kind::Shutdown { why: "x".into() });
                Ok(())
            })
            .unwrap();
    }
    let (id, _) = letter(&paper, &to);
    let retry = |id: &MailId| Command::MailRetry(vec![id.clone(), id.clone()]);
    assert_eq!(code(paper.does(retry(&id))), "not_dead");
    for n in 1..=3 {
        paper
            .role(&to, |draft| {
                letters::failed(draft, &id, &format!("report {n}"));
                Ok(())
            })
            .unwrap();
    }
    let dead = |paper: &mut Paper, by: &Origin, agent: Option<&str>| {
        let question = Command::MailDead { agent: agent.map(str::to_owned) };
        crate::answers::answer(&paper.board, &crate::testing::OneFormula, by, &question, paper.now()).unwrap()
    };
    let person = Origin::operator();
    let Answer::DeadLetters(rows) = dead(&mut paper, &person, None).unwrap() else { panic!() };
    assert_eq!((rows.len(), &rows[0].letter.id), (1, &id));
    let reports: Vec<&str> = rows[0].failures.iter().map(|failure| failure.error.as_str()).collect();
    assert_eq!(reports, ["report 1", "report 2", "report 3"]);
    assert!(rows[0].cause.contains("report 3"));
    let Answer::DeadLetters(none) = dead(&mut paper, &person, Some("mayor/")).unwrap() else { panic!() };
    assert!(none.is_empty());
    assert_eq!(code(dead(&mut paper, &person, Some("myor/"))), "no_such_agent");

    let session =
        |agent: &str| Origin::Session { agent: agent.parse().unwrap(), session: "s".parse().unwrap() };
    let Answer::DeadLetters(none) = dead(&mut paper, &session("web/refinery"), None).unwrap() else {
        panic!()
    };
    assert!(none.is_empty(), "an agent sees its own");
    assert_eq!(code(paper.by(&session("web/refinery"), retry(&id))), "no_such_mail");
    let slip = format!("{id}9").parse().unwrap();
    let near = paper.does(retry(&slip)).unwrap_err();
    assert!(near.hint.unwrap().contains(id.as_str()), "the dead are the near matches");

    let from = paper.records.len();
    paper.by(&session("web/witness"), retry(&id)).unwrap();
    assert_eq!(
        paper.kinds(from),
        ["mail.retried", "escalation.closed", "mail.acked"],
        "once, and nobody has to be told any more"
    );
    assert_eq!(letter(&paper, &to).0, id, "in its old place");
    assert_eq!(paper.board.mail.undelivered().next().unwrap().letter.id, id);
    assert_eq!((paper.board.mail.get(&id).unwrap().failures, paper.board.mail.dead().count()), (0, 0));
    paper.role(&to, |draft| draft.handled(&id)).unwrap();
    assert_eq!(code(paper.does(retry(&id))), "not_dead");
}

#[test]
fn a_bead_that_cannot_be_is_refused() {
    let mut paper = Paper::new();
    let new = |title: &str| NewBead { title: title.into(), ..Default::default() };
    assert_eq!(code(paper.does(Command::BeadCreate(new("  ")))), "usage");
    assert_eq!(code(paper.does(Command::BeadCreate(new("a\nb")))), "usage");
    let stranger = NewBead { rig: Some("wbe".parse().unwrap()), ..new("x") };
    assert_eq!(code(paper.does(Command::BeadCreate(stranger))), "no_such_rig");
    let Answer::Bead(town) = paper.does(Command::BeadCreate(new("x"))).unwrap() else { panic!() };
    assert!(town.id.as_str().starts_with("hq-"));
    let part = NewBead { parent: Some(town.id.clone()), ..new("part") };
    let Answer::Bead(part) = paper.does(Command::BeadCreate(part)).unwrap() else { panic!() };
    assert_eq!(part.id, town.id.child(1));
    let hooked = Command::BeadUpdate {
        ids: vec![town.id.clone()],
        patch: Patch::default(),
        status: Some(Status::Hooked),
        claim: false,
    };
    assert_eq!(code(paper.does(hooked)), "illegal_transition");
}

#[test]
fn the_idle_town_has_nothing_left_and_says_what_it_waits_for() {
    let mut paper = Paper::new();
    let bead = paper.bead("one");
    assert_eq!(paper.left(), Left::default(), "what was not slung is nobody's work");
    paper.sling(&[&bead], "web").unwrap();
    assert_eq!(paper.left().busy.len(), 1);
    let (_, worker) = paper.dispatch(8).unwrap();
    submit(&mut paper, &bead, &worker);
    let merge = paper.board.merges.of_bead(&bead).unwrap().id.clone();
    for _ in 0..2 {
        let (setting, ids) = (setting(), [merge.clone()]);
        let words = ("the remote is away", None);
        paper.role(&refinery(), |draft| queue::stuck(draft, &setting, None, &ids, words)).unwrap();
    }
    assert_eq!(paper.left().busy, ["esc-1 is to go on its ways"]);
    paper.deacon();
    let left = paper.left();
    assert!(left.busy.is_empty(), "{left:?}");
    assert_eq!(paper.board.escalations.open().count(), 1, "a person is told once");
}

#[test]
fn work_for_a_rig_that_is_not_configured_is_a_persons() {
    let mut paper = Paper::new();
    let bead = paper.bead("one");
    paper.sling(&[&bead], "web").unwrap();
    let left = Left::of(&paper.board, &Default::default());
    assert_eq!((left.busy.len(), left.attention.len()), (0, 1), "{left:?}");
}

#[test]
fn the_log_gives_the_board_back() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    submit(&mut paper, &bead, &worker);
    let mut again = ledger::views::Board::default();
    for record in &paper.records {
        again.apply(record);
    }
    assert_eq!(again, paper.board);
    assert!(paper.records.iter().any(|record| matches!(record.event, Event::HookSet { .. })));
}

#[test]
fn a_letter_that_is_acknowledged_leaves_the_board_and_can_still_be_read_answered_and_found() {
    let mut paper = Paper::new();
    let send = |to: &str, body: &str| Command::MailSend {
        to: to.into(),
        subject: "Schema".into(),
        body: body.into(),
        kind: None,
        key: None,
    };
    let Answer::Sent(ids) = paper.does(send("mayor/", "two tables?")).unwrap() else { panic!() };
    paper.does(Command::MailAck(ids.clone())).unwrap();
    assert!(paper.board.mail.get(&ids[0]).is_none());
    let before = paper.records.len();
    paper.does(Command::MailAck(ids.clone())).unwrap();
    assert_eq!(paper.records.len(), before, "saying it again changes nothing");
    assert_eq!(code(paper.does(Command::MailRetry(ids.clone()))), "not_dead");

    let Answer::Letter(row) = paper.does(Command::MailRead(ids[0].clone())).unwrap() else { panic!() };
    assert_eq!((row.body.as_str(), row.acked_at.is_some()), ("two tables?", true));
    let mayor = Origin::Session { agent: Address::Mayor, session: "s".parse().unwrap() };
    let reply = Command::MailReply { id: ids[0].clone(), body: "one".into() };
    let Answer::Sent(answer) = paper.by(&mayor, reply).unwrap() else { panic!() };
    paper.does(Command::MailAck(answer.clone())).unwrap();
    let thread = |paper: &mut Paper, of: &MailId| match paper.does(Command::MailThread(of.clone())).unwrap() {
        Answer::Letters(rows) => rows.into_iter().map(|row| row.id).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let both = vec![ids[0].clone(), answer[0].clone()];
    assert_eq!((thread(&mut paper, &ids[0]), thread(&mut paper, &answer[0])), (both.clone(), both));
    let Answer::Letters(found) = paper.does(Command::MailSearch { text: "TABLES".into() }).unwrap() else {
        panic!()
    };
    assert_eq!(found.len(), 1);

    let stranger = Origin::Session { agent: refinery(), session: "s".parse().unwrap() };
    assert_eq!(code(paper.by(&stranger, Command::MailRead(ids[0].clone()))), "no_such_mail");
    assert_eq!(code(paper.does(Command::MailRead("m-999".parse().unwrap()))), "no_such_mail");
}

#[test]
fn letters_of_old_whose_names_are_numbered_by_themselves_are_found() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    submit(&mut paper, &bead, &worker);
    let id: MailId = "m-2".parse().unwrap();
    let letter = model::mail::Letter {
        id: id.clone(),
        from: Address::Overseer,
        to: Address::Mayor,
        kind: Kind::Note { subject: "old".into(), body: "words".into() },
        sent_at: paper.now(),
        reply_to: None,
        thread: id.clone(),
        key: None,
    };
    paper.record(vec![(Address::Overseer, Event::MailSent { letter: letter.into() })]);
    paper.does(Command::MailAck(vec![id.clone()])).unwrap();
    let Answer::Letter(row) = paper.does(Command::MailRead(id)).unwrap() else { panic!() };
    assert_eq!(row.subject, "old");
}
