//! The log in sled, damaged, cut and gone round.

use std::fs;

use super::*;
use crate::testing::{entry, remark};

#[test]
fn large_records_stay_out_of_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path(), 1 << 20).unwrap();
    let text = "x".repeat(300_000);
    for _ in 0..20 {
        log.append((0..10).map(|_| remark(&text[..40_000])).chain([remark(&text)]).collect()).unwrap();
    }
    assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
    drop(log);
    let log = SledLog::open(dir.path(), 1 << 20).unwrap();
    assert_eq!(log.head(), Seq(220));
    assert_eq!(log.read(Seq(1), 1000).unwrap().len(), 220);
    assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
}

#[test]
fn a_leftover_of_a_kill_while_opening_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledLog::open(dir.path(), 1 << 20).unwrap());
    let leftover = dir.path().join("snap.0000000000000001.generating");
    fs::write(&leftover, b"torn").unwrap();
    SledLog::open(dir.path(), 1 << 20).unwrap();
    assert!(!leftover.exists());
}

#[test]
fn a_folder_is_opened_once() {
    let dir = tempfile::tempdir().unwrap();
    let _held = SledLog::open(dir.path(), 1 << 20).unwrap();
    let error = SledLog::open(dir.path(), 1 << 20).unwrap_err();
    assert!(matches!(error, LedgerError::Held { .. }), "{error}");
    assert!(error.hint().unwrap().contains("one runtime"));
}

#[test]
fn a_lost_or_foreign_record_is_seen_at_open() {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path(), 1 << 20).unwrap();
    log.append((0..5).map(entry).collect()).unwrap();
    let files = log.shared.files().unwrap();
    let stolen = files.db.remove(key(Seq(3), 0)).unwrap().unwrap();
    assert!(matches!(log.read(Seq(1), 9), Err(LedgerError::Corrupt { .. })));
    assert_eq!(log.read(Seq(4), 9).unwrap().len(), 2);
    files.db.insert(key(Seq(3), 0), stolen).unwrap();
    assert_eq!(log.read(Seq(1), 9).unwrap().len(), 5);
    let other = record::encode(&entry(9).numbered(Seq(3)), &GENESIS).unwrap();
    files.db.insert(key(Seq(3), 0), other).unwrap();
    drop((files, log));
    let error = SledLog::open(dir.path(), 1 << 20).unwrap_err();
    assert!(error.to_string().contains("does not continue"), "{error}");
}

#[test]
fn what_a_failed_append_left_behind_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path(), 1 << 20).unwrap();
    log.append((0..3).map(entry).collect()).unwrap();
    let bytes = record::encode(&entry(4).numbered(Seq(4)), &GENESIS).unwrap();
    log.shared.files().unwrap().db.insert(key(Seq(4), 0), bytes).unwrap();
    log.lock_tail().stopped = Some("the test said so".into());
    assert!(matches!(log.append(vec![entry(5)]), Err(LedgerError::Stopped { .. })));
    assert_eq!(log.read(Seq(1), 9).unwrap().len(), 3);
    log.recover().unwrap();
    assert_eq!(log.append(vec![entry(5)]).unwrap()[0].record.seq, Seq(4));
    drop(log);
    assert_eq!(SledLog::open(dir.path(), 1 << 20).unwrap().head(), Seq(4));
}

/// A copy of a log's folder as a power cut leaves it that takes everything from sled which was not
/// settled.
fn cut(from: &Path, settled: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(settled).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    }
    fs::copy(from.join(journal::NAME), dir.path().join(journal::NAME)).unwrap();
    dir
}

#[test]
fn what_sled_had_not_for_good_comes_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path(), 1 << 20).unwrap();
    log.append((0..10).map(entry).collect()).unwrap();
    log.settle().unwrap();
    let settled = cut(dir.path(), dir.path());
    for n in 0..40 {
        log.append(vec![entry(n), remark(&"x".repeat(5_000))]).unwrap();
    }
    let cut = cut(dir.path(), settled.path());
    let again = SledLog::open(cut.path(), 1 << 20).unwrap();
    assert_eq!(again.head(), Seq(90));
    assert_eq!(again.read_sealed(Seq(1), 100).unwrap(), log.read_sealed(Seq(1), 100).unwrap());
    again.append(vec![entry(91)]).unwrap();
    drop(again);
    assert_eq!(SledLog::open(cut.path(), 1 << 20).unwrap().head(), Seq(91));
}

#[test]
fn a_sled_that_has_lost_more_than_the_journal_knows_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path(), 1 << 20).unwrap();
    let early = cut(dir.path(), dir.path());
    let large = "x".repeat(700_000);
    for _ in 0..12 {
        log.append(vec![remark(&large)]).unwrap();
    }
    let cut = cut(dir.path(), early.path());
    let error = SledLog::open(cut.path(), 1 << 20).unwrap_err();
    assert!(error.to_string().contains("were acknowledged and are gone"), "{error}");
}

#[test]
fn many_batches_and_large_ones_go_round_the_journal_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = SledLog::open(dir.path(), 1 << 20).unwrap();
    let mut expected = 0;
    for n in 0..60_usize {
        let size = if n % 13 == 0 { 3 << 20 } else { 200_000 };
        log.append(vec![entry(n), remark(&"y".repeat(size))]).unwrap();
        expected += 2;
        if n % 17 == 0 {
            drop(log);
            log = SledLog::open(dir.path(), 1 << 20).unwrap();
        }
        assert_eq!(log.head(), Seq(expected));
    }
    assert_eq!(log.read_sealed(Seq(1), 1000).unwrap().len(), 120);
}

#[test]
fn rubbish_in_the_data_file_is_an_error_with_a_hint_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::open(dir.path(), 1 << 20).unwrap();
    log.append((0..2000).map(entry).collect()).unwrap();
    drop(log);
    let db = dir.path().join("db");
    let mut bytes = fs::read(&db).unwrap();
    for at in (0..bytes.len()).step_by(997) {
        bytes[at] ^= 0xff;
    }
    fs::write(&db, bytes).unwrap();
    // Sled may take the wreck for an empty store; the board's snapshot notices that.
    if let Err(error) = SledLog::open(dir.path(), 1 << 20) {
        assert!(error.hint().is_some(), "{error}");
    }
}
