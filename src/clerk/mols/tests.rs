use model::bead::Status;
use model::command::{Command, NewBead};
use model::event::Event;
use model::molecule::{StepGate, StepMore};
use proptest::prelude::*;

use super::*;
use crate::testing::Paper;

fn step(id: &str, needs: &[&str], more: StepMore) -> PouredStep {
    PouredStep {
        id: id.into(),
        title: id.into(),
        description: String::new(),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        own_session: false,
        more: (more != StepMore::default()).then(|| Box::new(more)),
    }
}

fn gate(kind: &str, await_id: &str, timeout_s: Option<u64>) -> StepMore {
    let await_id = Some(await_id.to_owned()).filter(|id| !id.is_empty());
    let gate = StepGate { kind: kind.into(), await_id, timeout_s, approvers: Vec::new() };
    StepMore { gates: vec![gate], ..StepMore::default() }
}

/// A molecule with these steps for a new bead.
fn running(paper: &mut Paper, steps: Vec<PouredStep>, phase: Phase) -> MolId {
    let bead = paper.bead("guided");
    let mut mol = None;
    paper
        .role(&Address::Overseer, |draft| {
            let id = draft.mol_id();
            mol = Some(id.clone());
            draft.push(Event::MolCreated { mol: id, bead, formula: "f".into(), steps, phase, squash: None });
            Ok(())
        })
        .unwrap();
    mol.unwrap()
}

fn done(paper: &mut Paper, mol: &MolId, step: &str) -> Result<Answer, Refusal> {
    paper.does(Command::StepDone { step: step.into(), mol: Some(mol.to_string()), output: None })
}

fn state(paper: &Paper, mol: &MolId, step: &str) -> String {
    let row = row(paper.board.mols.get(mol).unwrap());
    row.steps.into_iter().find(|row| row.id == step).unwrap().state
}

#[test]
fn a_timer_opens_once_when_its_time_has_come() {
    let mut paper = Paper::new();
    let steps = vec![step("a", &[], StepMore::default()), step("b", &["a"], gate("timer", "", Some(100)))];
    let mol = running(&mut paper, steps, Phase::Liquid);
    // Its time begins when the step before it is done.
    paper.later = std::time::Duration::from_secs(500);
    assert_eq!(gates::due(&paper.board, paper.now()), (false, None));
    done(&mut paper, &mol, "a").unwrap();
    assert_eq!(state(&paper, &mol, "b"), "gated");
    assert_eq!(done(&mut paper, &mol, "b").unwrap_err().code, "step_gated");
    let (settle, next) = gates::due(&paper.board, paper.now());
    assert!(!settle && next.is_some_and(|next| next.as_secs() <= 100));
    paper.later = std::time::Duration::from_secs(700);
    for opened in [1, 0] {
        let mut count = 9;
        let settle = |draft: &mut Draft<'_>| {
            count = gates::settle(draft);
            Ok(())
        };
        paper.role(&Address::Deacon, settle).unwrap();
        assert_eq!(count, opened);
    }
    done(&mut paper, &mol, "b").unwrap();
    assert!(paper.board.mols.get(&mol).unwrap().completed_at.is_some());
}

#[test]
fn a_bead_a_letter_and_a_person_open_their_gates() {
    let mut paper = Paper::new();
    let awaited = paper.bead("awaited");
    let steps = vec![
        step("bead", &[], gate("bead", awaited.as_str(), None)),
        step("mail", &[], gate("mail", "schema", None)),
        step("human", &[], gate("human", "", None)),
    ];
    let mol = running(&mut paper, steps, Phase::Liquid);
    let agent = Origin::Actor(Address::Witness("web".parse().unwrap()));
    let resolve = || Command::GateResolve { gate: format!("{mol}/human"), reason: Some("fine".into()) };
    assert_eq!(paper.by(&agent, resolve()).unwrap_err().code, "not_an_approver");
    paper.does(resolve()).unwrap();
    assert_eq!(paper.does(resolve()).unwrap_err().code, "gate_open");
    let send = |subject: &str| Command::MailSend {
        to: "mayor".into(),
        subject: subject.into(),
        body: String::new(),
        kind: None,
        key: None,
    };
    paper.does(send("lunch")).unwrap();
    assert_eq!(state(&paper, &mol, "mail"), "gated");
    paper.does(send("the Schema is there")).unwrap();
    paper.does(send("the Schema again")).unwrap();
    let ids = vec![awaited];
    paper.does(Command::BeadClose { ids, reason: None, force: false, suggest: false }).unwrap();
    for name in ["bead", "mail", "human"] {
        assert_eq!(state(&paper, &mol, name), "ready", "{name}");
    }
    let opened = paper.records.iter().filter(|record| matches!(record.event, Event::MolGateOpened { .. }));
    assert_eq!(opened.count(), 3);
}

#[test]
fn a_gate_that_nothing_comes_for_is_told_once() {
    let mut paper = Paper::new();
    let mol = running(&mut paper, vec![step("run", &[], gate("gh:run", "ci.yml", Some(60)))], Phase::Liquid);
    paper.later = std::time::Duration::from_secs(600);
    for _ in 0..2 {
        paper
            .role(&Address::Deacon, |draft| {
                gates::settle(draft);
                Ok(())
            })
            .unwrap();
    }
    assert_eq!((paper.board.escalations.count(), state(&paper, &mol, "run").as_str()), (1, "gated"));
    assert!(!gates::due(&paper.board, paper.now()).0);
}

#[test]
fn a_whole_is_done_with_its_parts_and_a_bead_made_for_it_is_closed() {
    let mut paper = Paper::new();
    let Answer::Mol(Some(row)) = paper
        .does(Command::MolPour {
            formula: "two".into(),
            bead: None,
            rig: None,
            vars: BTreeMap::new(),
            wisp: false,
        })
        .unwrap()
    else {
        panic!()
    };
    let whole = StepMore { container: true, ..StepMore::default() };
    let mol = running(
        &mut paper,
        vec![step("part", &[], StepMore::default()), step("whole", &["part"], whole)],
        Phase::Liquid,
    );
    done(&mut paper, &mol, "part").unwrap();
    assert!(paper.board.mols.get(&mol).unwrap().is_done());
    for name in ["first", "second"] {
        done(&mut paper, &row.id, name).unwrap();
    }
    assert_eq!(paper.board.beads.get(&row.bead).unwrap().status, Status::Closed);
}

#[test]
fn what_follows_from_an_output_is_poured_and_waited_for() {
    let mut paper = Paper::new();
    let fanout = StepFanout {
        for_each: "output.files".into(),
        bond: "two".into(),
        vars: BTreeMap::new(),
        sequential: false,
    };
    let survey = StepMore { on_complete: Some(fanout), ..StepMore::default() };
    let wait = model::molecule::StepWait { any: false, of: "survey".into() };
    let join = StepMore { waits_for: Some(wait), ..StepMore::default() };
    let mol = running(
        &mut paper,
        vec![step("survey", &[], survey), step("join", &["survey"], join)],
        Phase::Liquid,
    );
    assert!(done(&mut paper, &mol, "survey").is_err());
    let output = Some(serde_json::json!({"files": ["a", "b"]}));
    paper.does(Command::StepDone { step: "survey".into(), mol: Some(mol.to_string()), output }).unwrap();
    assert_eq!(paper.board.mols.get(&mol).unwrap().steps.len(), 6);
    assert_eq!(state(&paper, &mol, "join"), "pending");
    for name in ["survey.1.first", "survey.1.second", "survey.2.first", "survey.2.second"] {
        done(&mut paper, &mol, name).unwrap();
    }
    done(&mut paper, &mol, "join").unwrap();
}

#[test]
fn whoever_takes_a_bead_goes_on_where_the_last_one_was() {
    let mut paper = Paper::new();
    let bead = paper.bead("one");
    paper.sling(&[&bead], "web").unwrap();
    let (_, worker) = paper.dispatch(1).unwrap();
    let mol = paper.board.hooks.of(&worker).unwrap().mol.clone().unwrap();
    done(&mut paper, &mol, "first").unwrap();
    paper.does(Command::Unsling { bead: bead.clone(), force: true }).unwrap();
    paper.sling(&[&bead], "web").unwrap();
    let (_, worker) = paper.dispatch(1).unwrap();
    assert_eq!(paper.board.hooks.of(&worker).unwrap().mol.as_ref(), Some(&mol));
    assert_eq!(state(&paper, &mol, "first"), "done");
}

/// The nine pairs of the table.
#[test]
fn a_bond_makes_of_each_pair_what_the_table_says() {
    let operands = |paper: &mut Paper| {
        let mol = running(paper, vec![step("m", &[], StepMore::default())], Phase::Liquid);
        let wisp = running(paper, vec![step("w", &[], StepMore::default())], Phase::Vapor);
        (mol.to_string(), wisp.to_string())
    };
    let bond = |first: &str, second: &str| Command::MolBond {
        first: first.into(),
        second: second.into(),
        parallel: false,
        at: None,
        rig: None,
        vars: BTreeMap::new(),
    };
    let mut paper = Paper::new();
    let (mol, wisp) = operands(&mut paper);
    for (first, second, into) in [("two", &mol, &mol), ("two", &wisp, &wisp)] {
        for (first, second) in [(first, second.as_str()), (second.as_str(), first)] {
            let Answer::Mol(Some(row)) = paper.does(bond(first, second)).unwrap() else { panic!() };
            assert_eq!(row.id.as_str(), into);
        }
    }
    let ids: Vec<String> = paper
        .board
        .mols
        .get(&mol.parse().unwrap())
        .unwrap()
        .steps
        .iter()
        .map(|step| step.id.clone())
        .collect();
    assert_eq!(ids, ["m", "two.first", "two.second", "two-2.first", "two-2.second"]);
    let (mol_2, wisp_2) = operands(&mut paper);
    for (first, second) in [(&mol, &mol_2), (&mol, &wisp), (&wisp_2, &mol_2), (&wisp, &wisp_2)] {
        paper.does(bond(first, second)).unwrap();
        let bead = |name: &String| paper.board.mols.get(&name.parse().unwrap()).unwrap().bead.clone();
        let waits = paper.board.beads.get(&bead(second)).unwrap();
        assert_eq!(waits.dependencies.last().unwrap().depends_on_id, bead(first), "{first} + {second}");
    }
    // Two formulas make a formula: the book of this test shows none.
    assert!(crate::phases::are_formulas(&paper.board, &Origin::operator(), "two", "two"));
    assert_eq!(paper.does(bond("two", "two")).unwrap_err().code, "no_such_formula");
}

#[test]
fn a_squash_leaves_one_digest_and_only_wisps_burn() {
    let mut paper = Paper::new();
    let mols: Vec<MolId> = (0..100)
        .map(|_| running(&mut paper, vec![step("a", &[], StepMore::default())], Phase::Vapor))
        .collect();
    for mol in &mols[..60] {
        done(&mut paper, mol, "a").unwrap();
    }
    let kept = running(&mut paper, vec![step("a", &[], StepMore::default())], Phase::Liquid);
    assert_eq!(paper.does(Command::MolBurn { mols: vec![kept.to_string()] }).unwrap_err().code, "not_a_wisp");
    let names = mols[1..].iter().map(ToString::to_string).collect();
    let Answer::Digest(digest) = paper.does(Command::MolSquash { mols: names, summary: None }).unwrap()
    else {
        panic!()
    };
    assert_eq!((digest.count, digest.completed, digest.steps, digest.steps_done), (99, 59, 99, 59));
    let first = paper.records.iter().find(|record| record.seq == digest.first).unwrap();
    assert!(matches!(&first.event, Event::MolCreated { mol, .. } if *mol == mols[1]));
    paper.does(Command::MolBurn { mols: vec![mols[0].to_string()] }).unwrap();
    assert_eq!((paper.board.mols.iter().count(), paper.board.mols.count()), (1, 101));
    // Names are never given twice.
    assert_eq!(running(&mut paper, Vec::new(), Phase::Liquid).as_str(), "mol-102");
}

#[test]
fn ten_thousand_cycles_of_a_patrol_leave_one_digest_a_day() {
    let mut paper = Paper::new();
    let now = paper.now();
    let mut board = paper.board.clone();
    for cycle in 0..10_000 {
        let mut draft = Draft::new(&board, Address::Deacon, now);
        let id = draft.mol_id();
        let bead: BeadId = format!("hq-wisp-{cycle}").parse().unwrap();
        draft.push(Event::MolCreated {
            mol: id.clone(),
            bead,
            formula: "mol-deacon-patrol".into(),
            steps: vec![step("look", &[], StepMore::default())],
            phase: Phase::Vapor,
            squash: Some("on_complete".into()),
        });
        let made = draft.finish();
        apply(&mut board, made, now);
        let mut draft = Draft::new(&board, Address::Deacon, now);
        let mol = board.mols.get(&id).unwrap();
        draft.push(Event::MolStepCompleted { mol: id.clone(), step: "look".into(), output: None });
        flow(&mut draft, mol);
        let ended = draft.finish();
        apply(&mut board, ended, now);
    }
    assert_eq!((board.mols.iter().count(), board.mols.digests().count()), (0, 1));
    assert_eq!(board.mols.digests().next().unwrap().count, 10_000);
    paper.later = std::time::Duration::ZERO;
}

fn apply(board: &mut Board, deed: crate::draft::Deed, at: model::time::Timestamp) {
    for (actor, event) in deed {
        let record = Record { seq: board.head.next(), at, actor, event };
        board.mols.apply(&record);
        board.head = record.seq;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Four workers take, give back and finish steps of one molecule as they like, and are killed now and then: no
    /// step has two holders, none is done twice, and what is done stays done.
    #[test]
    fn no_two_workers_run_one_step(moves in proptest::collection::vec((0..4_usize, 0..6_usize, 0..4_u8), 1..80)) {
        let mut paper = Paper::new();
        let steps = vec![
            step("0", &[], StepMore::default()), step("1", &["0"], StepMore::default()), step("2", &["0"], StepMore::default()),
            step("3", &["0"], StepMore::default()), step("4", &["1", "2"], StepMore::default()), step("5", &["3", "4"], StepMore::default()),
        ];
        let mol = running(&mut paper, steps, Phase::Liquid);
        let workers: Vec<Address> = (0..4).map(|n| format!("web/polecats/w{n}").parse().unwrap()).collect();
        let mut holder: BTreeMap<usize, usize> = BTreeMap::new();
        let mut finished: Vec<usize> = Vec::new();
        for (who, which, what) in moves {
            let origin = Origin::Actor(workers[who].clone());
            let (step, name) = (which.to_string(), Some(mol.to_string()));
            let went = match what {
                0 | 1 => paper.by(&origin, Command::StepLease { step: Some(step), mol: name, release: what == 1 }),
                2 => paper.by(&origin, Command::StepDone { step, mol: name, output: None }),
                _ => {
                    let gone = Event::HookCleared { agent: workers[who].clone(), bead: "web-x".parse().unwrap(), reason: "killed".into() };
                    paper.record(vec![(Address::Runtime, gone)]);
                    holder.retain(|_, by| *by != who);
                    continue;
                }
            };
            let needs: &[usize] = [&[][..], &[0], &[0], &[0], &[1, 2], &[3, 4]][which];
            let can = !finished.contains(&which) && needs.iter().all(|need| finished.contains(need));
            let free = holder.get(&which).is_none_or(|by| *by == who);
            match what {
                0 => {
                    prop_assert_eq!(went.is_ok(), can && free);
                    if can && free { holder.insert(which, who); }
                }
                1 => {
                    prop_assert_eq!(went.is_ok(), holder.get(&which) == Some(&who));
                    if went.is_ok() { holder.remove(&which); }
                }
                _ => {
                    prop_assert_eq!(went.is_ok(), finished.contains(&which) || can && free);
                    if can && free { finished.push(which); holder.remove(&which); }
                }
            }
        }
        let completed = |n: usize| paper.records.iter().filter(|record| {
            matches!(&record.event, Event::MolStepCompleted { step, .. } if *step == n.to_string())
        }).count();
        for n in 0..6 {
            prop_assert_eq!(completed(n), usize::from(finished.contains(&n)));
        }
        prop_assert_eq!(paper.board.mols.get(&mol).unwrap().completed_at.is_some(), finished.len() == 6);
    }
}

#[test]
fn an_epic_is_slung_as_one_and_goes_in_waves() {
    let mut paper = Paper::new();
    let rig = Some("web".parse().unwrap());
    let new = NewBead {
        title: "whole".into(),
        rig,
        issue_type: model::bead::IssueType::Epic,
        ..NewBead::default()
    };
    let Answer::Bead(epic) = paper.does(Command::BeadCreate(new)).unwrap() else { panic!() };
    let parts = vec!["one".to_owned(), "two".to_owned(), "three".to_owned()];
    let split = Command::Split { bead: epic.id.clone(), parts, chain: true, dry_run: false };
    let Answer::Beads(parts) = paper.does(split).unwrap() else { panic!() };
    let Answer::Slung(report) = paper.sling(&[&epic.id], "web").unwrap() else { panic!() };
    let convoy = report.convoy.unwrap();
    assert_eq!(report.beads.len(), 3);
    // Slung again, it is there already, and no second convoy is made.
    let Answer::Slung(again) = paper.sling(&[&epic.id], "web").unwrap() else { panic!() };
    assert!(again.beads.iter().all(|row| row.outcome == "already there"));
    assert_eq!(paper.board.convoys.iter().count(), 1);
    for part in &parts {
        let (bead, worker) = paper.dispatch(4).unwrap();
        assert_eq!(bead, part.id);
        assert!(paper.dispatch(4).is_none(), "one after the other");
        // It lands.
        paper
            .role(&Address::Runtime, |draft| {
                crate::beads::shut(draft, &bead, "landed");
                draft.push(Event::HookCleared { agent: worker, bead, reason: "landed".into() });
                Ok(())
            })
            .unwrap();
        // What is made later goes the same way.
        if part.id == parts[0].id {
            let late = NewBead { title: "late".into(), parent: Some(epic.id.clone()), ..NewBead::default() };
            let Answer::Bead(late) = paper.does(Command::BeadCreate(late)).unwrap() else { panic!() };
            let rig = "web".parse().unwrap();
            assert_eq!(crate::convoys::stranded(&paper.board, &rig, paper.now()).len(), 1);
            paper
                .role(&Address::Runtime, |draft| {
                    crate::convoys::feed(draft, &rig);
                    Ok(())
                })
                .unwrap();
            assert!(paper.board.hooks.waiting(&late.id).is_some());
            // Taken back by somebody, it is left alone.
            paper.does(Command::Unsling { bead: late.id.clone(), force: false }).unwrap();
            assert!(crate::convoys::stranded(&paper.board, &rig, paper.now()).is_empty());
            let ids = vec![late.id];
            paper.does(Command::BeadClose { ids, reason: None, force: false, suggest: false }).unwrap();
        }
    }
    assert!(paper.board.convoys.get(&convoy).unwrap().closed_at.is_some());
}
