use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::memory::MemoryLog;
use crate::record::GENESIS;
use crate::testing::bead;
use model::bead::{Comment, Move, Status};
use model::ids::BeadId;
use proptest::prelude::*;

fn at() -> Timestamp {
    Timestamp::from_millis(7)
}

fn memory() -> (Store, Arc<MemoryLog>) {
    let log = Arc::new(MemoryLog::new());
    (Store::in_memory(Arc::clone(&log)).unwrap(), log)
}

fn small() -> Limits {
    Limits { cache: 1 << 20, reserve: 64 << 10, floor: 0, snapshot_every: 10 }
}

/// Makes the bead, unless there is one of this name.
fn create(id: &str) -> Decision<'_, BeadId> {
    Box::new(move |board, _| {
        let bead = bead(id);
        if has(board, id) {
            return Err(Refusal::failed("taken", format!("there is a bead {id} already")));
        }
        let id = bead.id.clone();
        Ok((vec![(Address::Overseer, Event::BeadCreated { bead: std::sync::Arc::new(bead) })], id))
    })
}

fn has(board: &Board, id: &str) -> bool {
    board.beads.get(&id.parse().unwrap()).is_some()
}

fn codes<T>(answers: &[Result<Written<T>, Refusal>]) -> Vec<&str> {
    answers
        .iter()
        .map(|answer| answer.as_ref().map_or_else(|refusal| refusal.code.as_str(), |_| "ok"))
        .collect()
}

#[test]
fn each_decision_of_a_group_sees_those_before_it_and_all_share_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let answers = store.write(at(), vec![create("x-1"), create("x-1"), create("x-2")]);
    assert_eq!(codes(&answers), ["ok", "taken", "ok"]);
    let last = answers[2].as_ref().unwrap();
    assert_eq!((last.value.as_str(), last.records[0].seq), ("x-2", Seq(2)));
    assert_eq!(store.syncs(), 1);
    assert_eq!(store.head(), Seq(2));
    assert_eq!(store.events(Seq(2), 9).unwrap(), last.records);
    assert!(store.read(|board| has(board, "x-1") && has(board, "x-2")));
    assert_eq!(store.verify().unwrap().head, Seq(2));
}

#[test]
fn a_group_that_changes_nothing_costs_no_sync() {
    let (store, log) = memory();
    store.write_one(at(), |_, _| Ok((Vec::new(), ()))).unwrap();
    store.write_one::<()>(at(), |_, _| Err(Refusal::usage("no"))).unwrap_err();
    assert!(store.write::<()>(at(), Vec::new()).is_empty());
    assert_eq!((log.syncs(), store.head()), (0, Seq(0)));
}

#[test]
fn a_failing_append_acknowledges_nothing_and_leaves_the_board_as_it_was() {
    let (store, log) = memory();
    store.write(at(), vec![create("x-1")]);
    let before = store.read(|board| snapshot::bytes_of(board).unwrap());
    log.fill_disk(true);
    let answers = store.write(at(), vec![create("x-2"), create("x-2"), create("x-1")]);
    assert_eq!(codes(&answers), ["read_only"; 3]);
    assert!(answers[0].as_ref().unwrap_err().message.contains("full"));
    assert_eq!(store.read(|board| snapshot::bytes_of(board).unwrap()), before);
    assert!(store.read_only().is_some());
    store.verify().unwrap();

    // No decision is asked while nothing can be written.
    let asked = AtomicBool::new(false);
    let answer = store.write_one(at(), |_, _| {
        asked.store(true, Ordering::Relaxed);
        Ok((Vec::new(), ()))
    });
    assert_eq!(answer.unwrap_err().code, "read_only");
    assert!(!asked.into_inner());

    log.fill_disk(false);
    let answers = store.write(at(), vec![create("x-2"), create("x-1")]);
    assert_eq!(codes(&answers), ["ok", "taken"]);
    assert!(store.read_only().is_none());
    assert_eq!(store.verify().unwrap().head, Seq(2));
}

#[test]
fn a_decision_that_panics_takes_its_group_along_and_nothing_else() {
    let (store, _) = memory();
    let handle = store.clone();
    let group: Vec<Decision<'static, BeadId>> =
        vec![create("x-1"), Box::new(|_, _| panic!("a bug in a rule"))];
    thread::spawn(move || handle.write(at(), group)).join().unwrap_err();
    assert_eq!(store.head(), Seq(0));
    assert_eq!(codes(&store.write(at(), vec![create("x-1")])), ["ok"]);
    store.verify().unwrap();
}

#[test]
fn readers_see_nothing_of_a_group_that_is_being_decided() {
    let (store, _) = memory();
    let reader = store.clone();
    let look: Decision<'_, bool> = Box::new(move |board, _| {
        Ok((Vec::new(), has(board, "x-1") && !reader.read(|live| has(live, "x-1"))))
    });
    let make: Decision<'_, bool> =
        Box::new(|board, at| create("x-1")(board, at).map(|(events, _)| (events, true)));
    let answers = store.write(at(), vec![make, look]);
    assert!(answers[1].as_ref().unwrap().value);
    assert!(store.read(|board| has(board, "x-1")));
}

#[test]
fn below_the_floor_nothing_is_written_and_above_it_all_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    store.write(at(), vec![create("x-1")]);
    store.close().unwrap();
    drop(store);
    let hungry = Limits { floor: u64::MAX, ..small() };
    let store = Store::open(dir.path(), hungry).unwrap();
    assert!(store.read(|board| has(board, "x-1")));
    assert!(matches!(store.read_only(), Some(LedgerError::Full { .. })));
    let answers = store.write(at(), vec![create("x-2")]);
    assert_eq!(codes(&answers), ["read_only"]);
    assert!(answers[0].as_ref().unwrap_err().hint.as_ref().unwrap().contains("free some space"));
    assert_eq!(store.events(Seq(1), 9).unwrap().len(), 1);
    drop(store);
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(codes(&store.write(at(), vec![create("x-2")])), ["ok"]);
}

#[test]
fn a_reserve_that_was_given_up_is_taken_again_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let reserve = dir.path().join("reserve");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 64 << 10);
    fs::remove_file(&reserve).unwrap();
    store.inner.stop(LedgerError::Full { dir: dir.path().to_owned() });
    assert_eq!(codes(&store.write(at(), vec![create("x-1")])), ["ok"]);
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 64 << 10);
}

#[test]
fn a_snapshot_is_used_when_it_fits_and_left_aside_when_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = snapshot_path(dir.path());
    let store = Store::open(dir.path(), small()).unwrap();
    for n in 0..25 {
        store.write(at(), vec![create(&format!("x-{n}"))]);
    }
    store.close().unwrap();
    let whole = store.read(|board| snapshot::bytes_of(board).unwrap());
    drop(store);
    let good = fs::read(&path).unwrap();

    // That it is used shows in what is not folded again: a doctored copy comes through.
    let log = SledLog::open(&dir.path().join("sled"), 1 << 20).unwrap();
    let Found::Usable(mut folded) = snapshot::load(&path, &log).unwrap() else { panic!("it fits") };
    folded.board.beads = Default::default();
    snapshot::save(&path, &folded).unwrap();
    drop(log);
    let store = Store::open(dir.path(), small()).unwrap();
    assert!(!store.read(|board| has(board, "x-1")));
    assert!(matches!(store.verify(), Err(LedgerError::Corrupt { .. })), "and the check finds it");
    drop(store);

    let mut flipped = good.clone();
    flipped[100] ^= 1;
    for (bytes, findings) in [(&good[..], 0), (&good[..90], 1), (b"", 1), (&flipped, 1)] {
        fs::write(&path, bytes).unwrap();
        let store = Store::open(dir.path(), small()).unwrap();
        assert_eq!(store.findings().len(), findings);
        assert_eq!(store.read(|board| snapshot::bytes_of(board).unwrap()), whole);
        store.verify().unwrap();
    }
}

#[test]
fn acknowledged_records_that_are_gone_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    store.write(at(), vec![create("x-1")]);
    store.close().unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    fs::remove_dir_all(dir.path().join("archive")).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(store.head(), Seq(0));
    assert!(store.findings()[0].contains("not in the log any more"), "{:?}", store.findings());
}

#[test]
fn what_the_log_has_lost_and_the_archive_has_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let early = dir.path().join("early");
    store.write(at(), vec![create("x-1")]);
    store.close().unwrap();
    fs::create_dir(&early).unwrap();
    for name in ["conf", "db", "journal"] {
        fs::copy(dir.path().join("sled").join(name), early.join(name)).unwrap();
    }
    for n in 2..300 {
        store.write(at(), vec![create(&format!("x-{n}"))]);
    }
    let (head, whole) = (store.head(), store.read(|board| snapshot::bytes_of(board).unwrap()));
    drop(store);
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    fs::rename(&early, dir.path().join("sled")).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(store.head(), head);
    assert_eq!(store.read(|board| snapshot::bytes_of(board).unwrap()), whole);
    assert!(store.findings().is_empty(), "{:?}", store.findings());
    store.verify().unwrap();
}

#[test]
fn a_second_opening_says_who_holds_it_and_a_folder_that_takes_no_writes_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(dir.path(), small()).unwrap();
    assert!(matches!(Store::open(dir.path(), small()), Err(LedgerError::Held { .. })));
    let error = Store::open(Path::new("/proc/no-such-place"), small()).unwrap_err();
    assert!(error.to_string().contains("ledger"), "{error}");
}

/// Moves in a small world of five beads, most of which make sense.
fn some_event() -> impl Strategy<Value = Event> {
    let id = (0..5u8).prop_map(|n| format!("x-{n}").parse::<BeadId>().unwrap());
    (id, 0..6u8, "[a-z]{0,12}").prop_map(|(id, kind, text)| match kind {
        0 | 1 => Event::BeadCreated { bead: std::sync::Arc::new(bead(id.as_str())) },
        2 => Event::BeadStatusChanged {
            bead: id,
            from: Status::Open,
            to: Status::Blocked,
            by: Move::Edit,
            reason: Some(text),
        },
        3 => Event::BeadClosed { bead: id, from: Status::Open, reason: text },
        4 => Event::BeadCommented {
            bead: id,
            comment: Comment {
                id: 1.into(),
                author: "mayor/".into(),
                text,
                created_at: at().into(),
                extra: Default::default(),
            },
        },
        _ => Event::PolicyDenied { rule: "r".into(), tried: text },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_and_the_rest_fold_to_the_same_bytes_as_everything(
        events in prop::collection::vec(some_event(), 1..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let (store, log) = memory();
        let dir = tempfile::tempdir().unwrap();
        let path = snapshot_path(dir.path());
        let cut = cut.index(events.len());
        for (n, event) in events.into_iter().enumerate() {
            if n == cut {
                snapshot::save(&path, &store.inner.live()).unwrap();
            }
            store.write_one(at(), |_, _| Ok((vec![(Address::Overseer, event)], ()))).unwrap();
        }
        let Found::Usable(start) = snapshot::load(&path, &*log).unwrap() else { panic!("it fits") };
        prop_assert_eq!(start.board.head, Seq(cut as u64));
        prop_assert!(cut > 0 || start.hash == GENESIS);
        let folded = snapshot::fold(&path, &*log, *start, log.head()).unwrap();
        let live = store.inner.live().clone();
        prop_assert_eq!(snapshot::bytes_of(&folded.board).unwrap(), snapshot::bytes_of(&live.board).unwrap());
        prop_assert_eq!(folded.hash, live.hash);
        store.verify().unwrap();
    }
}

#[test]
fn a_journal_that_is_gone_is_missed_and_the_rest_can_be_saved() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    store.write(at(), vec![create("x-1")]);
    store.close().unwrap();
    drop(store);
    fs::remove_file(dir.path().join("sled/journal")).unwrap();
    let error = Store::open(dir.path(), small()).unwrap_err();
    assert!(error.to_string().contains("journal is missing"), "{error}");
    let saved = tempfile::tempdir().unwrap();
    let repaired = crate::repair::repair(dir.path(), saved.path()).unwrap();
    assert_eq!(repaired.head, Seq(1));
    assert!(repaired.findings.iter().any(|finding| finding.place == "journal"), "{:?}", repaired.findings);
    Store::open(saved.path(), small()).unwrap();
}
