use std::collections::BTreeSet;

use model::answer::Answer;
use model::bead::{DepType, IssueType};
use model::command::{Command, NewBead};
use model::query;
use model::work::{Node, Plan, Replaced};
use proptest::prelude::*;

use super::*;
use crate::testing::Paper;

fn made(paper: &mut Paper, title: &str, kind: IssueType, parent: Option<&BeadId>) -> BeadId {
    let rig = parent.is_none().then(|| "web".parse().unwrap());
    let new =
        NewBead { title: title.into(), issue_type: kind, rig, parent: parent.cloned(), ..NewBead::default() };
    let Answer::Bead(bead) = paper.does(Command::BeadCreate(new)).unwrap() else { panic!() };
    bead.id
}

fn depends(paper: &mut Paper, bead: &BeadId, on: &BeadId, kind: Option<DepType>) -> Result<Answer, Refusal> {
    paper.does(Command::DepAdd { bead: bead.clone(), on: on.clone(), kind })
}

fn close(paper: &mut Paper, id: &BeadId, reason: &str) -> Answer {
    let ids = vec![id.clone()];
    paper.does(Command::BeadClose { ids, reason: Some(reason.into()), force: false, suggest: true }).unwrap()
}

fn why(paper: &Paper, id: &BeadId) -> Explained {
    explained(&paper.board, paper.board.beads.get(id).unwrap(), paper.now())
}

#[test]
fn what_is_to_be_done_on_failure_waits_for_one() {
    for (reason, ready) in [("it has failed in the tests", true), ("done", false)] {
        let mut paper = Paper::new();
        let (first, fallback) = (paper.bead("try"), paper.bead("otherwise"));
        depends(&mut paper, &fallback, &first, Some(DepType::ConditionalBlocks)).unwrap();
        assert_eq!(why(&paper, &fallback).blocked_by, std::slice::from_ref(&first));
        close(&mut paper, &first, reason);
        assert_eq!(why(&paper, &fallback).ready, ready, "{:?}", why(&paper, &fallback).reasons);
    }
}

#[test]
fn every_reason_is_told() {
    let mut paper = Paper::new();
    let epic = made(&mut paper, "whole", IssueType::Epic, None);
    let part = made(&mut paper, "part", IssueType::Task, Some(&epic));
    let other = paper.bead("other");
    assert!(part.as_str().starts_with(&format!("{epic}.")));
    depends(&mut paper, &epic, &other, None).unwrap();
    let told = why(&paper, &part);
    assert!(!told.ready && told.reasons[0].contains("a part of is held up by"), "{told:?}");
    assert!(why(&paper, &epic).reasons[0].contains("it is blocked by"));
    assert!(why(&paper, &other).reasons[0].contains("depends on nothing"));
    let Answer::Closed(report) = close(&mut paper, &other, "done") else { panic!() };
    let freed: BTreeSet<BeadId> = report.unblocked.into_iter().map(|line| line.id).collect();
    assert_eq!(freed, BTreeSet::from([epic.clone(), part.clone()]));
    let roll_up = roll_up(&paper.board, &epic).unwrap();
    assert_eq!((roll_up.total_children, roll_up.closed_children, roll_up.eligible_for_close), (1, 0, false));
    let fields = [("defer_until".to_owned(), serde_json::json!("2100-01-01T00:00:00Z"))].into();
    let patch = model::bead::Patch { fields, ..Default::default() };
    let ids = vec![epic.clone()];
    paper.does(Command::BeadUpdate { ids, patch, status: None, claim: false, parent: None }).unwrap();
    assert!(why(&paper, &epic).reasons[0].contains("put off until 2100"));
    assert!(why(&paper, &part).reasons[0].contains("a whole that it is a part of is put off"));
}

#[test]
fn a_task_on_an_epic_is_a_part_of_it() {
    let mut paper = Paper::new();
    let epic = made(&mut paper, "whole", IssueType::Epic, None);
    let task = paper.bead("task");
    depends(&mut paper, &task, &epic, None).unwrap();
    assert_eq!(paper.board.beads.get(&task).unwrap().dependencies[0].kind, DepType::ParentChild);
    assert!(why(&paper, &task).ready);
    assert_eq!(depends(&mut paper, &epic, &task, None).unwrap_err().code, "cycle");
}

#[test]
fn any_word_is_a_link_and_a_misspelt_one_is_not() {
    let mut paper = Paper::new();
    let (one, other) = (paper.bead("one"), paper.bead("other"));
    depends(&mut paper, &one, &other, Some("inspired-by".parse().unwrap())).unwrap();
    assert!(why(&paper, &one).ready);
    assert!("blokcs".parse::<DepType>().is_err() && "block".parse::<DepType>().is_err());
}

#[test]
fn a_plan_is_made_whole_or_not_at_all() {
    let mut paper = Paper::new();
    let node = |key: &str, deps: &[&str]| Node {
        key: key.into(),
        bead: NewBead { title: format!("do {key}"), ..NewBead::default() },
        parent: None,
        deps: deps.iter().map(|on| (DepType::Blocks, (*on).to_owned())).collect(),
    };
    let plan = |nodes: Vec<Node>, dry_run| Command::BeadPlan(Plan { nodes, dry_run });
    // The last may be named before it comes.
    let nodes = vec![node("a", &["b", "c"]), node("b", &["c"]), node("c", &[])];
    let before = paper.board.beads.len();
    paper.does(plan(nodes.clone(), true)).unwrap();
    assert_eq!(paper.board.beads.len(), before);
    let Answer::Beads(beads) = paper.does(plan(nodes, false)).unwrap() else { panic!() };
    let ids: Vec<BeadId> = beads.iter().map(|bead| bead.id.clone()).collect();
    let waves = waves(&paper.board, &ids);
    let lines: Vec<&str> = waves.iter().map(|wave| wave.beads[0].title.as_str()).collect();
    assert_eq!(lines, ["do c", "do b", "do a"]);
    let before = paper.board.beads.len();
    for nodes in [vec![node("a", &["b"]), node("b", &["a"])], vec![node("a", &[]), node("b", &["zz-1"])]] {
        paper.does(plan(nodes, false)).unwrap_err();
        assert_eq!(paper.board.beads.len(), before);
    }
}

#[test]
fn a_bead_is_split_into_what_its_description_lists() {
    let mut paper = Paper::new();
    let new =
        NewBead { title: "big".into(), description: "- one\n- two\n- [x] done".into(), ..NewBead::default() };
    let Answer::Bead(big) = paper.does(Command::BeadCreate(new)).unwrap() else { panic!() };
    let split = |dry_run| Command::Split { bead: big.id.clone(), parts: Vec::new(), chain: true, dry_run };
    let Answer::Beads(shown) = paper.does(split(true)).unwrap() else { panic!() };
    assert_eq!((shown.len(), paper.board.beads.children(&big.id).count()), (2, 0));
    let Answer::Beads(parts) = paper.does(split(false)).unwrap() else { panic!() };
    assert_eq!(parts[0].id, shown[0].id);
    assert_eq!(
        paper.board.beads.blockers(paper.board.beads.get(&parts[1].id).unwrap()),
        [parts[0].id.clone()]
    );
    assert_eq!(paper.board.beads.get(&big.id).unwrap().issue_type, IssueType::Epic);
    // Said again, it makes nothing twice.
    let Answer::Beads(again) = paper.does(split(false)).unwrap() else { panic!() };
    assert!(again.is_empty());
}

#[test]
fn a_duplicate_is_closed_and_found_before() {
    let mut paper = Paper::new();
    let (one, other) = (paper.bead("Fix the login!"), paper.bead("fix login THE"));
    assert_eq!(duplicates(&paper.board)[0].len(), 2);
    paper
        .does(Command::BeadReplace { bead: other.clone(), by: one.clone(), how: Replaced::Duplicate })
        .unwrap();
    let closed = paper.board.beads.get(&other).unwrap();
    assert_eq!(closed.close_reason.as_deref(), Some(format!("duplicate of {one}").as_str()));
    assert!(duplicates(&paper.board).is_empty());
}

#[test]
fn memories_are_kept_found_and_forgotten() {
    let mut paper = Paper::new();
    paper.does(Command::Remember { key: None, text: "Always run the linter first".into() }).unwrap();
    let ask = |paper: &Paper, words: &str| memories(&paper.board, Some(words), None).unwrap().len();
    assert_eq!((ask(&paper, "LINTER"), ask(&paper, "tests")), (1, 0));
    let key = "always-run-the-linter-first";
    paper.does(Command::Forget { key: key.into() }).unwrap();
    assert_eq!(paper.does(Command::Forget { key: key.into() }).unwrap_err().code, "no_such_memory");
}

#[test]
fn queries_find_also_what_is_closed_when_they_speak_of_it() {
    let mut paper = Paper::new();
    let (one, _) = (paper.bead("one"), paper.bead("two"));
    close(&mut paper, &one, "done");
    let count = |text: &str| {
        let query = Some(query::parse(text, paper.now()).unwrap());
        crate::choosing::select(&paper.board, &BeadFilter { query, ..BeadFilter::default() }, paper.now())
            .unwrap()
            .len()
    };
    assert_eq!((count("status=closed"), count("status!=closed"), count("title=o")), (1, 1, 1));
    assert_eq!(count("status=closed OR status=open"), 2);
}

/// Circles by the definition: who can reach whom.
fn by_force(edges: &[(usize, usize)], count: usize) -> BTreeSet<BTreeSet<usize>> {
    let mut reach = vec![vec![false; count]; count];
    for (from, to) in edges {
        reach[*from][*to] = true;
    }
    for via in 0..count {
        for from in 0..count {
            for to in 0..count {
                reach[from][to] |= reach[from][via] && reach[via][to];
            }
        }
    }
    let circle = |n: usize| (0..count).filter(|m| reach[n][*m] && reach[*m][n]).collect::<BTreeSet<usize>>();
    (0..count).map(circle).filter(|circle| !circle.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn circles_are_those_of_the_definition(edges in proptest::collection::vec((0..8_usize, 0..8_usize), 0..20)) {
        let id = |n: usize| -> BeadId { format!("web-{n}").parse().unwrap() };
        let mut lines: Vec<serde_json::Value> = Vec::new();
        for n in 0..8 {
            let deps: Vec<serde_json::Value> = edges.iter().filter(|(from, _)| *from == n).map(|(from, to)| serde_json::json!({
                "issue_id": id(*from), "depends_on_id": id(*to), "type": "blocks",
                "created_at": "2026-01-01T00:00:00Z", "created_by": "x",
            })).collect();
            lines.push(serde_json::json!({
                "id": id(n), "title": "t", "status": "open", "priority": 1, "issue_type": "task",
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "created_by": "x",
                "dependencies": deps,
            }));
        }
        let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
        let mut paper = Paper::new();
        let files = vec![model::import::JsonLines { name: String::new(), text }];
        paper.does(Command::BeadImport { files, dry_run: false, skip_errors: false }).unwrap();
        let found: BTreeSet<BTreeSet<usize>> = graph::cycles(&paper.board).into_iter()
            .map(|circle| circle.iter().map(|id| id.as_str()[4..].parse().unwrap()).collect()).collect();
        prop_assert_eq!(found, by_force(&edges, 8));
        // Nothing that would close a new circle is let in.
        for (from, to) in [(0, 1), (3, 2), (5, 5)] {
            let mut with = edges.clone();
            with.push((from, to));
            let refused = depends(&mut paper.clone(), &id(from), &id(to), Some(DepType::Blocks)).is_err();
            let closes = by_force(&with, 8).iter().any(|circle| circle.contains(&from) && circle.contains(&to));
            let was = edges.contains(&(from, to));
            prop_assert_eq!(refused, closes && (!was || from == to), "{} to {}", from, to);
        }
    }
}
