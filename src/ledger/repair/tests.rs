use super::*;
use crate::testing::{entry, limits, remark};
use model::time::Timestamp;

/// A ledger of `records` records in `dir/old`, all of them in the archive.
fn ledger(dir: &Path, records: usize) -> PathBuf {
    let old = dir.join("old");
    let store = Store::open(&old, Limits { snapshot_every: 1_000_000, ..limits() }).unwrap();
    let said = (0..records).map(|n| if n % 50 == 7 { remark(&"x".repeat(9_000)) } else { entry(n) });
    let said = said.map(|entry| (entry.actor, entry.event)).collect();
    store.write_one(Timestamp::from_millis(1), |_, _| Ok((said, ()))).unwrap();
    store.close().unwrap();
    old
}

fn flip(path: &Path, every: usize) {
    let mut bytes = fs::read(path).unwrap();
    for at in (every / 2..bytes.len()).step_by(every) {
        bytes[at] ^= 0xff;
    }
    fs::write(path, bytes).unwrap();
}

/// Saves it, looks at what came out, and leaves no doubt that the old one was not touched.
fn saved(dir: &Path) -> Repaired {
    let old = dir.join("old");
    let before = fs::read(old.join("sled/db")).ok();
    let dest = dir.join("new");
    let repaired = repair(&old, &dest).unwrap();
    assert_eq!(fs::read(old.join("sled/db")).ok(), before);
    let store = Store::open(&dest, limits()).unwrap();
    let check = store.check();
    assert!(check.sound, "{check:?}");
    assert_eq!((check.head, &check.hash), (repaired.head, &repaired.hash));
    repaired
}

#[test]
fn a_sound_ledger_is_saved_whole_and_without_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    ledger(dir.path(), 300);
    let repaired = saved(dir.path());
    assert_eq!((repaired.head, repaired.from_log), (Seq(300), 300));
    assert!(repaired.lost.is_empty() && repaired.findings.is_empty(), "{repaired:?}");
    let error = repair(&dir.path().join("old"), &dir.path().join("new")).unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    let error = repair(&dir.path().join("old"), &dir.path().join("old/inside")).unwrap_err();
    assert!(error.to_string().contains("part of it"), "{error}");
}

#[test]
fn what_the_log_has_lost_comes_from_the_archive() {
    for every in [61, 997, 20_011] {
        let dir = tempfile::tempdir().unwrap();
        let old = ledger(dir.path(), 400);
        flip(&old.join("sled/db"), every);
        let repaired = saved(dir.path());
        assert_eq!(repaired.head, Seq(400), "{every}: {:?}", repaired.lost);
        assert!(repaired.lost.is_empty());
    }
}

#[test]
fn a_data_file_that_was_cut_or_is_gone_and_a_snapshot_that_is_gone_lose_nothing() {
    for part in [0, 1, 2, 3] {
        let dir = tempfile::tempdir().unwrap();
        let old = ledger(dir.path(), 400);
        let db = old.join("sled/db");
        let length = fs::metadata(&db).unwrap().len();
        File::options().write(true).open(&db).unwrap().set_len(length * part / 4).unwrap();
        fs::remove_file(snapshot_path(&old)).unwrap();
        if part == 0 {
            fs::remove_dir_all(old.join("sled")).unwrap();
        }
        assert_eq!(saved(dir.path()).head, Seq(400), "{part} of 4");
    }
}

#[test]
fn what_the_archive_has_lost_comes_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let old = ledger(dir.path(), 400);
    let (_, segment) = archive::segments(&old.join("archive")).unwrap().remove(0);
    flip(&segment, 5_003);
    let length = fs::metadata(&segment).unwrap().len();
    File::options().write(true).open(&segment).unwrap().set_len(length - 30).unwrap();
    let repaired = saved(dir.path());
    assert_eq!((repaired.head, repaired.from_log), (Seq(400), 400));
    assert!(repaired.findings.iter().any(|finding| finding.place.starts_with("archive/")));
}

#[test]
fn without_an_archive_the_log_and_what_lies_loose_in_it_are_all_there_is() {
    let whole = usize::MAX;
    for (every, journal, all) in
        [(whole, false, true), (997, true, true), (4_001, false, false), (997, false, false)]
    {
        let dir = tempfile::tempdir().unwrap();
        let old = ledger(dir.path(), 400);
        fs::remove_dir_all(old.join("archive")).unwrap();
        if !journal {
            fs::remove_file(old.join("sled/journal")).unwrap();
        }
        flip(&old.join("sled/db"), every);
        let repaired = saved(dir.path());
        assert_eq!(repaired.lost.is_empty(), all, "{every}");
        // The snapshot knows how many there were: each is either saved or named.
        let named: u64 = repaired.lost.iter().map(|lost| lost.to.0 - lost.from.0 + 1).sum();
        assert_eq!(repaired.head.0 + named, 400, "{every}: {repaired:?}");
    }
}

#[test]
fn what_is_lost_everywhere_is_named_and_what_follows_it_is_left_as_lines() {
    let dir = tempfile::tempdir().unwrap();
    let old = ledger(dir.path(), 30);
    fs::remove_dir_all(old.join("sled")).unwrap();
    let (first, segment) = archive::segments(&old.join("archive")).unwrap().remove(0);
    let all = archive::read_segment(&segment, first).unwrap().frames;
    let ninth = all[8].bytes.clone();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(ninth.len()).position(|window| window == ninth).unwrap();
    bytes[at + 30] ^= 1;
    fs::write(&segment, bytes).unwrap();

    let repaired = saved(dir.path());
    assert_eq!(repaired.head, Seq(8));
    let lost: Vec<(u64, u64)> = repaired.lost.iter().map(|lost| (lost.from.0, lost.to.0)).collect();
    assert_eq!(lost, [(9, 9), (10, 30)], "{:?}", repaired.lost);
    assert!(repaired.lost[0].why.contains("record 9 fails its checksum"), "{:?}", repaired.lost);
    let lines = fs::read_to_string(repaired.leftover.unwrap()).unwrap();
    assert_eq!(lines.lines().count(), 21);
}
