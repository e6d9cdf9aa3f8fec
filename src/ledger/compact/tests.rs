use std::collections::BTreeMap;

use model::event::Record;
use model::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::testing::{entry, limits, remark};

fn write(store: &Store, entries: impl Iterator<Item = crate::Entry>) {
    let said = entries.map(|entry| (entry.actor, entry.event)).collect();
    store.write_one(Timestamp::from_millis(7), |_, _| Ok((said, ()))).unwrap();
}

fn filled(dir: &Path, records: usize) -> Store {
    let store = Store::open(dir, limits()).unwrap();
    write(&store, (0..records).map(entry));
    store
}

/// Everything that is answered about a ledger, by a fresh opening of it.
fn answers(dir: &Path) -> (Vec<Record>, String, BTreeMap<String, u64>, Vec<u8>) {
    let store = Store::open(dir, limits()).unwrap();
    assert!(store.findings().is_empty(), "{:?}", store.findings());
    let check = store.check();
    assert!(check.sound, "{check:?}");
    let events = store.events(Seq(1), usize::MAX - 1).unwrap();
    let bytes = snapshot::bytes_of(&store.folded().board).unwrap();
    assert_eq!(store.verify().unwrap().head, store.head());
    (events, check.hash, store.stats().unwrap().by_type, bytes)
}

#[test]
fn a_compacted_ledger_gives_the_same_answers_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 3_000));
    let before = answers(dir.path());
    let done = compact(dir.path(), 500).unwrap();
    assert_eq!((done.base, done.dropped, done.head), (Seq(2_500), 2_500, Seq(3_000)));
    assert_eq!(answers(dir.path()), before);
    assert!(!dir.path().join(ASIDE).exists());

    let store = Store::open(dir.path(), limits()).unwrap();
    assert_eq!(store.stats().unwrap().base, Seq(2_500));
    write(&store, (3_000..4_000).map(entry));
    // From anywhere, over the border and back.
    for (from, limit, first, length) in [
        (1, 3, 1, 3),
        (2_499, 4, 2_499, 4),
        (2_500, 1, 2_500, 1),
        (2_501, 9, 2_501, 9),
        (64, 1, 64, 1),
        (3_990, 90, 3_990, 11),
    ] {
        let found = store.events(Seq(from), limit).unwrap();
        assert_eq!((found[0].seq, found.len()), (Seq(first), length), "from {from}");
    }
    assert!(store.rebuild().unwrap().sound);
    drop(store);
    let before = answers(dir.path());
    assert_eq!(compact(dir.path(), 100).unwrap().dropped, 1_400);
    assert_eq!(compact(dir.path(), 100).unwrap().dropped, 0);
    assert_eq!(compact(dir.path(), 0).unwrap().base, Seq(3_999));
    assert_eq!(answers(dir.path()), before);
}

#[test]
fn a_compacted_ledger_takes_less_room_and_opens_without_its_archive() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), limits()).unwrap();
    for n in 0..40 {
        write(&store, (0..100).map(|m| remark(&format!("{n} {m} ").repeat(100))));
    }
    drop(store);
    let size = |part: &str| Store::open(dir.path(), limits()).unwrap().stats().unwrap().bytes_by_part[part];
    let before = size("log");
    compact(dir.path(), 100).unwrap();
    // The records are some 3 MiB; the journal has its size in any case.
    assert!(size("log") + (2 << 20) < before, "{} of {before}", size("log"));

    let (archive, hidden) = (dir.path().join("archive"), dir.path().join("hidden"));
    fs::rename(&archive, &hidden).unwrap();
    let store = Store::open(dir.path(), limits()).unwrap();
    write(&store, std::iter::once(entry(1)));
    assert_eq!(store.events(Seq(3_990), 5).unwrap().len(), 5);
    let error = store.events(Seq(7), 1).unwrap_err();
    assert!(error.to_string().contains("record 7 is missing"), "{error}");
}

#[test]
fn damage_in_what_only_the_archive_has_is_named_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 1_000));
    compact(dir.path(), 100).unwrap();
    let (first, path) = archive::segments(&dir.path().join("archive")).unwrap().remove(0);
    let at = archive::read_segment(&path, first).unwrap().frames[299].at;
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(at).unwrap() + 40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path(), limits()).unwrap();
    let check = store.check();
    let named: Vec<Option<Seq>> = check.findings.iter().map(|finding| finding.seq).collect();
    assert!(!check.sound && named.iter().all(|seq| *seq == Some(Seq(300))), "{check:?}");
    assert_eq!(check.records, 999);
    drop(store);
    let error = compact(dir.path(), 10).unwrap_err();
    assert!(error.to_string().contains("nothing was dropped"), "{error}");
    let dest = dir.path().join("../repaired");
    let dest = dest.parent().unwrap().canonicalize().unwrap().join(format!("r{}", std::process::id()));
    let saved = crate::repair::repair(dir.path(), &dest).unwrap();
    fs::remove_dir_all(&dest).unwrap();
    assert_eq!((saved.head, saved.lost[0].from), (Seq(299), Seq(300)), "{saved:?}");
}

#[test]
fn repair_puts_a_compacted_ledger_together_again() {
    let dir = tempfile::tempdir().unwrap();
    let one = dir.path().join("one");
    drop(filled(&one, 1_000));
    compact(&one, 100).unwrap();
    let saved = crate::repair::repair(&one, &dir.path().join("two")).unwrap();
    assert_eq!((saved.head, saved.lost.len()), (Seq(1_000), 0), "{saved:?}");
    assert!(saved.findings.is_empty(), "{saved:?}");
    assert_eq!(answers(&dir.path().join("two")), answers(&one));
}

#[test]
fn an_archive_that_knows_more_than_a_compacted_log_is_put_aside_only_after_the_base() {
    let dir = tempfile::tempdir().unwrap();
    let one = dir.path().join("one");
    drop(filled(&one, 300));
    compact(&one, 100).unwrap();
    let copy = dir.path().join("sled");
    copied(&one.join("sled"), &copy);
    let store = Store::open(&one, limits()).unwrap();
    write(&store, (300..400).map(entry));
    drop(store);
    // Another log from record 301 on, and the archive of this one.
    fs::remove_dir_all(one.join("sled")).unwrap();
    copied(&copy, &one.join("sled"));
    fs::remove_file(snapshot_path(&one)).unwrap();
    let other = SledLog::open(&one.join("sled"), 1 << 20).unwrap();
    other.append((0..150).map(|n| entry(n + 5_000)).collect()).unwrap();
    drop(other);
    let store = Store::open(&one, limits()).unwrap();
    assert!(store.findings().iter().any(|what| what.contains("put aside")), "{:?}", store.findings());
    store.rebuild().unwrap();
    drop(store);
    let store = Store::open(&one, limits()).unwrap();
    assert!(store.check().sound, "{:?}", store.check());
    assert_eq!(store.head(), Seq(450));
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.path().is_dir() {
            true => copied(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[test]
fn every_state_that_a_kill_can_leave_is_one_whole_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (dir.path().join("before"), dir.path().join("after"));
    drop(filled(&before, 900));
    let answered = answers(&before);
    copied(&before, &after);
    compact(&after, 100).unwrap();
    let state = |name: &str, make: &dyn Fn(&Path)| {
        let here = dir.path().join(name);
        copied(&before, &here);
        make(&here);
        assert_eq!(answers(&here), answered, "{name}");
        assert!(!here.join(ASIDE).exists() && !here.join(BEFORE).exists(), "{name}");
        compact(&here, 50).unwrap();
        assert_eq!(answers(&here), answered, "{name}, compacted");
    };
    state("the new store is begun", &|here| fs::create_dir(here.join(ASIDE)).unwrap());
    state("the segment is there twice", &|here| {
        let name = format!("archive/{:020}.seg", 801);
        fs::copy(after.join(&name), here.join(&name)).unwrap();
    });
    state("the archive is divided and the new store whole", &|here| {
        archive::split(&here.join("archive"), Seq(800)).unwrap();
        copied(&after.join("sled"), &here.join(ASIDE));
    });
    state("exchanged", &|here| {
        archive::split(&here.join("archive"), Seq(800)).unwrap();
        copied(&after.join("sled"), &here.join(ASIDE));
        exchange(here).unwrap();
    });
    state("between two renames", &|here| {
        archive::split(&here.join("archive"), Seq(800)).unwrap();
        copied(&after.join("sled"), &here.join(ASIDE));
        fs::rename(here.join("sled"), here.join(BEFORE)).unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Whatever is written, compacted and opened again in whatever order, the row of records is unbroken.
    #[test]
    fn compaction_changes_no_answer(steps in prop::collection::vec((1_usize..80, prop::option::of(0_u64..120), any::<bool>()), 1..6)) {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for (records, keep, large) in steps {
            let store = Store::open(dir.path(), limits()).unwrap();
            let size = if large { 900 } else { 1 };
            write(&store, (0..records).map(|n| remark(&format!("{} {n} ", expected.len()).repeat(size))));
            expected = store.events(Seq(1), usize::MAX - 1).unwrap();
            drop(store);
            let before = answers(dir.path());
            prop_assert_eq!(&before.0, &expected);
            if let Some(keep) = keep {
                let done = compact(dir.path(), keep).unwrap();
                prop_assert!(done.base.0 <= (expected.len() as u64).saturating_sub(1));
                prop_assert_eq!(answers(dir.path()), before);
            }
        }
    }
}
