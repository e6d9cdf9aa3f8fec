//! The four exits, and hand-overs between neighbours, on paper.

use model::command::Command;
use model::ids::RigName;

use super::*;
use crate::testing::Paper;

fn hooked(paper: &mut Paper, title: &str) -> (BeadId, Address) {
    let bead = paper.bead(title);
    paper.sling(&[&bead], "web").unwrap();
    paper.dispatch(8).unwrap()
}

fn left(paper: &mut Paper, bead: &BeadId, worker: &Address, exit: Exit, leave: &Leave) -> Vec<BeadId> {
    let mut created = Vec::new();
    paper
        .role(worker, |draft| {
            match done(draft, worker, bead, (exit, Some("a good reason")), leave, None)? {
                Answer::Submitted(report) => created = report.created,
                other => panic!("{other:?}"),
            }
            Ok(())
        })
        .unwrap();
    created
}

fn status(paper: &Paper, bead: &BeadId) -> Status {
    paper.board.beads.get(bead).unwrap().status
}

fn close(paper: &mut Paper, bead: &BeadId) {
    paper
        .does(Command::BeadClose { ids: vec![bead.clone()], reason: None, force: false, suggest: false })
        .unwrap();
}

#[test]
fn blocked_makes_the_blocker_frees_the_hook_and_goes_on_when_it_is_closed() {
    let mut paper = Paper::new();
    let known = paper.bead("known trouble");
    let (bead, worker) = hooked(&mut paper, "one");
    let leave = Leave {
        on: vec![known.clone()],
        blockers: vec!["A key is missing\nAsk the people upstairs.".into()],
        parts: Vec::new(),
    };
    let created = left(&mut paper, &bead, &worker, Exit::Blocked, &leave);
    let [blocker] = created.as_slice() else { panic!("{created:?}") };
    let made = paper.board.beads.get(blocker).unwrap();
    assert_eq!(
        (made.title.as_str(), made.description.as_str()),
        ("A key is missing", "Ask the people upstairs.")
    );
    assert_eq!(
        (made.rig.as_ref().map(RigName::as_str), &made.created_by),
        (Some("web"), &worker.to_string())
    );
    assert!(paper.board.hooks.of(&worker).is_none(), "the slot is free");
    assert_eq!(status(&paper, &bead), Status::Blocked);
    let remark = &paper.board.beads.get(&bead).unwrap().comments[0].text;
    assert!(remark.contains("leaves it as blocked: a good reason"), "{remark}");
    assert_eq!(paper.board.beads.blockers(paper.board.beads.get(&bead).unwrap()).len(), 2);

    close(&mut paper, &known);
    assert_eq!(status(&paper, &bead), Status::Blocked, "one of two");
    close(&mut paper, blocker);
    assert_eq!(status(&paper, &bead), Status::Open);
    assert_eq!(paper.dispatch(8).unwrap().0, bead, "it is handed out again");
}

#[test]
fn what_a_person_has_put_off_is_not_opened_by_the_closing_of_another() {
    let mut paper = Paper::new();
    let (blocker, bead) = (paper.bead("blocker"), paper.bead("one"));
    let kind = DepType::Blocks;
    paper.does(Command::DepAdd { bead: bead.clone(), on: blocker.clone(), kind: Some(kind) }).unwrap();
    let patch = model::bead::Patch::default();
    let ids = vec![bead.clone()];
    paper
        .does(Command::BeadUpdate { ids, patch, status: Some(Status::Blocked), claim: false, parent: None })
        .unwrap();
    close(&mut paper, &blocker);
    assert_eq!(status(&paper, &bead), Status::Blocked);
}

#[test]
fn refactor_cuts_a_bead_into_parts_below_one_epic_and_defers_the_rest() {
    let mut paper = Paper::new();
    let whole = paper.bead("whole");
    let (bead, worker) = hooked(&mut paper, "one");
    let kind = DepType::ParentChild;
    paper.does(Command::DepAdd { bead: bead.clone(), on: whole.clone(), kind: Some(kind) }).unwrap();
    let leave = Leave { parts: vec!["first".into(), "second\nwith words".into()], ..Leave::default() };
    let created = left(&mut paper, &bead, &worker, Exit::Refactor, &leave);
    let [epic, first, second] = created.as_slice() else { panic!("{created:?}") };
    let get = |id: &BeadId| paper.board.beads.get(id).unwrap();
    assert_eq!((get(epic).issue_type, get(epic).title.as_str()), (IssueType::Epic, "one"));
    let mut parts: Vec<&BeadId> = paper.board.beads.children(epic).map(|part| &part.id).collect();
    parts.sort();
    let mut wanted = vec![&bead, first, second];
    wanted.sort();
    assert_eq!(parts, wanted, "the rest is a part of it too");
    assert!(
        paper.board.beads.children(&whole).map(|part| &part.id).eq([epic]),
        "and it stands where the bead stood"
    );
    assert_eq!(get(second).description, "with words");
    assert_eq!((status(&paper, &bead), status(&paper, first)), (Status::Deferred, Status::Open));
    let now = paper.now();
    assert!(paper.board.beads.is_ready(get(first), now) && !paper.board.beads.is_ready(get(&bead), now));
    let told = paper.board.escalations.open().next().unwrap();
    assert!(told.body.contains(&format!("gastown sling {first} {second} web")), "{}", told.body);
    // Cut again, the parts come below the same epic.
    paper
        .does(Command::BeadUpdate {
            ids: vec![bead.clone()],
            patch: model::bead::Patch::default(),
            status: Some(Status::Open),
            claim: false,
            parent: None,
        })
        .unwrap();
    paper.sling(&[&bead], "web").unwrap();
    let (_, worker) = paper.dispatch(8).unwrap();
    let leave = Leave { parts: vec!["third".into()], ..Leave::default() };
    let created = left(&mut paper, &bead, &worker, Exit::Refactor, &leave);
    assert_eq!((&created[0], created[1].as_str()), (epic, epic.child(3).as_str()));
}

#[test]
fn escalate_documents_tells_the_person_and_defers() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    assert!(left(&mut paper, &bead, &worker, Exit::Escalate, &Leave::default()).is_empty());
    assert_eq!(status(&paper, &bead), Status::Deferred);
    assert!(paper.board.beads.get(&bead).unwrap().comments[0].text.contains("a good reason"));
    assert!(
        paper
            .board
            .mail
            .unacked(&Address::Overseer)
            .any(|post| matches!(post.letter.kind, Kind::Escalation { .. }))
    );
    assert!(paper.left().attention.iter().any(|line| line.contains("leaves it as escalate")));
}

#[test]
fn what_does_not_go_with_an_exit_is_refused_before_anything_happens() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    let head = paper.board.head;
    let on = |id: &str| Leave { on: vec![id.parse().unwrap()], ..Leave::default() };
    let blocker = |text: &str| Leave { blockers: vec![text.into()], ..Leave::default() };
    let parts = |texts: &[&str]| Leave {
        parts: texts.iter().map(|text| (*text).to_owned()).collect(),
        ..Leave::default()
    };
    for (exit, leave, code) in [
        (Exit::Completed, blocker("x"), "usage"),
        (Exit::Escalate, parts(&["x"]), "usage"),
        (Exit::Blocked, parts(&["x"]), "usage"),
        (Exit::Refactor, on(bead.as_str()), "usage"),
        (Exit::Blocked, on("web-zzzz"), "no_such_bead"),
        (Exit::Blocked, on(bead.as_str()), "cycle"),
        (Exit::Blocked, blocker("  "), "usage"),
        (Exit::Refactor, parts(&["x"; 51]), "usage"),
    ] {
        assert_eq!(check(&paper.board, &bead, exit, &leave).unwrap_err().code, code, "{exit} {leave:?}");
        let refused =
            paper.role(&worker, |draft| done(draft, &worker, &bead, (exit, None), &leave, None).map(drop));
        assert_eq!(refused.unwrap_err().code, code);
    }
    assert_eq!(paper.board.head, head);
}

#[test]
fn a_worker_hands_its_bead_to_a_neighbour_and_nobody_elses() {
    let mut paper = Paper::new();
    let (bead, worker) = hooked(&mut paper, "one");
    let (other, neighbour) = hooked(&mut paper, "two");
    let session = |agent: &Address| Origin::Session { agent: agent.clone(), session: "s".parse().unwrap() };
    let ask = |bead: &BeadId, to: Option<&str>| Command::Reassign {
        bead: bead.clone(),
        to: to.map(str::to_owned),
        reason: Some("it is yours really".into()),
    };
    let mut refused =
        |who: &Origin, bead: &BeadId, to: Option<&str>| paper.by(who, ask(bead, to)).unwrap_err().code;
    assert_eq!(refused(&session(&worker), &other, None), "not_yours");
    assert_eq!(refused(&session(&worker), &bead, Some("backend")), "hook_taken");
    assert_eq!(refused(&session(&worker), &bead, Some(&worker.to_string())), "already_there");
    assert_eq!(refused(&session(&worker), &bead, Some("api/nux")), "other_rig");
    assert_eq!(refused(&Origin::operator(), &"web-zzzz".parse().unwrap(), None), "no_such_bead");

    paper.by(&session(&worker), ask(&bead, Some("nux"))).unwrap();
    let nux: Address = "web/polecats/nux".parse().unwrap();
    assert_eq!(paper.board.hooks.holder(&bead), Some(&nux));
    let letter = paper.board.mail.unacked(&nux).next().unwrap();
    assert!(letter.letter.kind.body().contains("it is yours really"));
    // A person may move anything, and the rig chooses who is free.
    let moved = paper.does(ask(&other, None)).unwrap();
    let Answer::Reassigned(report) = moved else { panic!("{moved:?}") };
    assert_eq!((report.from, report.to), (neighbour, worker));
    let witness = paper.by(&session(&"web/witness".parse().unwrap()), ask(&other, None));
    assert!(witness.is_ok(), "{witness:?}");
}
