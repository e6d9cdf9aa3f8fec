use model::bead::{Move, Patch};
use model::command::{BeadFilter, Command};

use super::*;
use crate::testing::Paper;

fn command(lines: &[&str]) -> Command {
    let files = vec![JsonLines { name: String::new(), text: lines.join("\n") }];
    Command::BeadImport { files, dry_run: false, skip_errors: false }
}

fn take(paper: &mut Paper, lines: &[&str]) -> ImportReport {
    match paper.does(command(lines)).unwrap() {
        Answer::Imported(report) => *report,
        other => panic!("{other:?}"),
    }
}

fn exported(paper: &Paper) -> String {
    export(&paper.board, |_| true)
}

fn line(id: &str, status: &str, day: u32) -> String {
    format!(
        r#"{{"id":"{id}","title":"t","status":"{status}","priority":2,"issue_type":"task","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-{day:02}T00:00:00Z"}}"#
    )
}

#[test]
fn the_same_file_twice_is_the_same_as_once() {
    let mut paper = Paper::new();
    let lines = [line("web-1", "open", 2), line("web-2", "tombstone", 2), line("gt-3", "hooked", 2)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let first = take(&mut paper, &lines);
    assert_eq!((first.created, first.tombstones, first.unchanged), (2, 1, 0));
    let before = paper.records.len();
    let second = take(&mut paper, &lines);
    assert_eq!((second.created, second.updated, second.unchanged, second.tombstones), (0, 0, 2, 1));
    assert_eq!(paper.records.len(), before);
    let web: BeadId = "web-1".parse().unwrap();
    assert_eq!(paper.board.beads.get(&web).unwrap().rig.as_ref().unwrap().as_str(), "web");
    assert_eq!(paper.board.beads.len(), 2);
    assert_eq!(exported(&paper).lines().count(), 3);
    assert!(!exported(&paper).contains("\"rig\""), "its name says which rig it is");
}

#[test]
fn the_newer_counts_and_what_was_added_here_stays() {
    let mut paper = Paper::new();
    take(&mut paper, &[&line("web-1", "open", 10)]);
    assert_eq!(take(&mut paper, &[&line("web-1", "closed", 9)]).stale, 1);
    let id: BeadId = "web-1".parse().unwrap();
    let patch = Patch { add_labels: vec!["ours".into()], ..Patch::default() };
    let mut draft = Draft::new(&paper.board, model::role::Address::Overseer, paper.now());
    draft.push(Event::BeadUpdated { bead: id.clone(), patch });
    let deed = draft.finish();
    paper.record(deed);
    let newer = r#"{"id":"web-1","title":"new","status":"in_progress","updated_at":"2026-01-11T00:00:00.000000001Z","labels":["theirs"],"dependencies":[{"depends_on_id":"gone-1","type":"tracks"}],"comments":[{"id":1,"author":"a","text":"b"}],"mood":"blue"}"#;
    let report = take(&mut paper, &[newer]);
    assert_eq!((report.updated, report.kept_status.len()), (1, 0));
    let bead = paper.board.beads.get(&id).unwrap();
    assert_eq!((bead.title.as_str(), bead.status), ("new", Status::InProgress));
    assert_eq!(bead.labels, ["theirs", "ours"]);
    assert_eq!(bead.extra["mood"], "blue");
    assert_eq!(paper.board.beads.dependents(&"gone-1".parse().unwrap()).count(), 1);
    assert_eq!(take(&mut paper, &[newer]).unchanged, 1);
}

#[test]
fn tables_that_come_one_after_the_other_are_the_same_as_together() {
    let row = line("web-1", "open", 2);
    let dep =
        r#"{"issue_id":"web-1","depends_on_id":"web-2","type":"blocks","created_at":"2026-01-01T00:00:00Z"}"#;
    let label = r#"{"issue_id":"web-1","label":"a"}"#;
    let mut paper = Paper::new();
    take(&mut paper, &[&row]);
    let report = take(&mut paper, &[&row, dep, label]);
    assert_eq!((report.updated, report.rows), (1, 2));
    let mut together = Paper::new();
    take(&mut together, &[&row, dep, label]);
    assert_eq!(exported(&paper), exported(&together));
    assert_eq!(take(&mut paper, &[&row, dep, label]).unchanged, 1);
    assert_eq!(take(&mut paper, &[&row]).unchanged, 1);
}

#[test]
fn an_import_neither_takes_work_away_nor_opens_what_landed() {
    let mut paper = Paper::new();
    let bead = paper.bead("One");
    paper.sling(&[&bead], "web").unwrap();
    let waiting = paper.clone();
    let (_, worker) = paper.dispatch(4).unwrap();
    for (mut paper, status) in [(waiting, Status::Open), (paper.clone(), Status::Hooked)] {
        let theirs = line(bead.as_str(), "closed", 28);
        let report = take(&mut paper, &[&theirs]);
        assert_eq!((report.updated, report.kept_status.as_slice()), (1, std::slice::from_ref(&bead)));
        assert_eq!(paper.board.beads.get(&bead).unwrap().status, status);
        let gone = line(bead.as_str(), "tombstone", 29);
        assert_eq!(take(&mut paper, &[&gone]).held, 1);
        assert!(paper.board.beads.get(&bead).is_some());
    }
    assert_eq!(paper.board.hooks.holder(&bead), Some(&worker));

    // Somebody else's hook is none of ours: it can be taken down by hand.
    let mut paper = Paper::new();
    take(&mut paper, &[&line("web-9", "hooked", 2)]);
    let id: BeadId = "web-9".parse().unwrap();
    let open = Command::BeadUpdate {
        ids: vec![id.clone()],
        patch: Patch::default(),
        status: Some(Status::Open),
        claim: false,
        parent: None,
    };
    paper.does(open).unwrap();
    assert_eq!(paper.board.beads.get(&id).unwrap().status, Status::Open);
    let last = &paper.records.last().unwrap().event;
    assert!(matches!(last, Event::BeadStatusChanged { by: Move::Unhook, .. }), "{last:?}");
}

#[test]
fn what_was_deleted_stays_deleted_and_its_name_is_not_used_again() {
    let mut paper = Paper::new();
    take(&mut paper, &[&line("web-1", "open", 2)]);
    let report = take(&mut paper, &[&line("web-1", "tombstone", 3)]);
    assert_eq!((report.tombstones, report.deleted.len(), report.held), (1, 1, 0));
    let id: BeadId = "web-1".parse().unwrap();
    let said = paper
        .does(Command::BeadClose { ids: vec![id.clone()], reason: None, force: false, suggest: false })
        .unwrap_err();
    assert_eq!((said.code.as_str(), said.class.exit_code()), ("no_such_bead", 4));
    assert!(said.message.contains("was deleted elsewhere"), "{said}");
    assert_eq!(take(&mut paper, &[&line("web-1", "open", 9)]).buried, 1);
    assert!(paper.board.beads.get(&id).is_none() && paper.board.beads.is_taken(&id));
    let all = crate::choosing::select(
        &paper.board,
        &BeadFilter { all: true, ..BeadFilter::default() },
        paper.now(),
    )
    .unwrap();
    assert!(all.is_empty());
    assert!(exported(&paper).contains("tombstone"));
}

#[test]
fn wrong_lines_keep_everything_out_unless_they_are_to_be_left_out() {
    let mut paper = Paper::new();
    let good = line("web-1", "open", 2);
    let lines = [good.as_str(), "<<<<<<< HEAD", "{"];
    let before = paper.records.len();
    let said = paper.does(command(&lines)).unwrap_err();
    assert_eq!((said.code.as_str(), said.class.exit_code()), ("bad_lines", 2));
    assert!(said.message.contains("line 2:") && said.message.contains("line 3:"), "{said}");
    assert!(said.hint.unwrap().contains("--skip-errors"));
    assert_eq!(paper.records.len(), before);
    let Command::BeadImport { files, .. } = command(&lines) else { panic!() };
    let rest = Command::BeadImport { files: files.clone(), dry_run: true, skip_errors: true };
    let Answer::Imported(report) = paper.does(rest).unwrap() else { panic!() };
    assert_eq!((report.created, report.errors.len(), report.dry_run), (1, 2, true));
    assert_eq!(paper.records.len(), before, "a dry run changes nothing");
    let rest = Command::BeadImport { files, dry_run: false, skip_errors: true };
    let Answer::Imported(report) = paper.does(rest).unwrap() else { panic!() };
    assert_eq!((report.created, report.errors.len(), report.dry_run), (1, 2, false));
    assert_eq!(paper.board.beads.len(), 1);
    let other = paper.does(command(&[r#"{"key":"a","value":"b"}"#])).unwrap_err();
    assert_eq!(other.code, "no_beads");
}

#[test]
fn out_and_into_an_empty_town_and_out_again_is_the_same() {
    let mut paper = Paper::new();
    let one = paper.bead("One");
    paper.does(Command::CommentAdd { bead: one.clone(), text: "hm".into() }).unwrap();
    paper
        .does(Command::BeadClose {
            ids: vec![one],
            reason: Some("done".into()),
            force: false,
            suggest: false,
        })
        .unwrap();
    take(&mut paper, &[&line("hq-1", "staged_ready", 2), &line("web-x", "tombstone", 3)]);
    let first = exported(&paper);
    let mut empty = Paper { board: Board::default(), records: Vec::new(), later: std::time::Duration::ZERO };
    take(&mut empty, &first.lines().collect::<Vec<_>>());
    assert_eq!(exported(&empty), first);
    let mut same = Paper::new();
    take(&mut same, &first.lines().collect::<Vec<_>>());
    assert_eq!(exported(&same), first);
}

#[test]
fn words_that_nobody_here_knows_come_by_import_alone() {
    use model::bead::{DepType, IssueType};
    use model::command::NewBead;
    let mut paper = Paper::new();
    let bead = paper.bead("One");
    let foreign = IssueType::of("molecule").unwrap();
    let new = NewBead { title: "t".into(), issue_type: foreign, ..NewBead::default() };
    let said = paper.does(Command::BeadCreate(new)).unwrap_err();
    assert!(said.message.contains("one of task, bug, feature, epic"), "{said}");
    let update = |patch, status| Command::BeadUpdate {
        ids: vec![bead.clone()],
        patch,
        status,
        claim: false,
        parent: None,
    };
    let patch = Patch { issue_type: Some(foreign), ..Patch::default() };
    assert_eq!(paper.does(update(patch, None)).unwrap_err().code, "usage");
    let status = Status::of("staged_ready").ok();
    assert_eq!(paper.does(update(Patch::default(), status)).unwrap_err().code, "usage");
    let dep =
        Command::DepAdd { bead: bead.clone(), on: bead.clone(), kind: Some(DepType::of("tracks").unwrap()) };
    // Any word is a link, but not of a bead to itself.
    assert_eq!(paper.does(dep).unwrap_err().code, "cycle");
    let list = |status| Command::BeadList(BeadFilter { status, ..BeadFilter::default() });
    let ask = |paper: &Paper, question| {
        let by = model::command::Origin::operator();
        crate::answers::answer(&paper.board, &crate::testing::OneFormula, &by, &question, paper.now())
            .unwrap()
    };
    let staged = vec![Status::of("staged_ready").unwrap()];
    assert_eq!(ask(&paper, list(staged.clone())).unwrap_err().code, "usage");
    take(&mut paper, &[&line("web-7", "staged_ready", 2)]);
    let Answer::Beads(found) = ask(&paper, list(staged)).unwrap() else { panic!() };
    assert_eq!(found.len(), 1);
}
