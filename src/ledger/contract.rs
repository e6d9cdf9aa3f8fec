//! What every log must do; each implementation runs all of it.

use std::sync::Arc;

use model::ids::Seq;

use crate::memory::MemoryLog;
use crate::record::GENESIS;
use crate::testing::{entry, remark};
use crate::{Log, SledLog};

/// Runs `check` on an empty log of each kind.
fn for_each_log(check: impl Fn(Arc<dyn Log>)) {
    check(Arc::new(MemoryLog::new()));
    let dir = tempfile::tempdir().unwrap();
    check(Arc::new(SledLog::open(dir.path(), 1 << 20).unwrap()));
}

#[test]
fn numbers_begin_at_1_and_have_no_gaps() {
    for_each_log(|log| {
        assert_eq!(log.head(), Seq(0));
        assert!(log.read(Seq(0), 10).unwrap().is_empty());
        assert_eq!(log.append(vec![entry(1), entry(2)]).unwrap()[1].record.seq, Seq(2));
        assert_eq!(log.append(vec![entry(3)]).unwrap()[0].record.seq, Seq(3));
        assert_eq!(log.head(), Seq(3));
        let numbers: Vec<u64> = log.read(Seq(0), 10).unwrap().iter().map(|r| r.seq.0).collect();
        assert_eq!(numbers, [1, 2, 3]);
    });
}

#[test]
fn what_was_appended_is_what_is_read() {
    for_each_log(|log| {
        let sizes = [0, 1, 1900, 2000, 2047, 2048, 2049, 4096, 100_000];
        let entries: Vec<_> = sizes.iter().map(|n| remark(&"é".repeat(*n))).collect();
        let sealed = log.append(entries.clone()).unwrap();
        assert_eq!(log.read_sealed(Seq(1), 100).unwrap(), sealed);
        let records = log.read(Seq(1), 100).unwrap();
        for ((record, entry), seq) in records.iter().zip(entries).zip(1..) {
            assert_eq!(*record, entry.numbered(Seq(seq)));
        }
    });
}

#[test]
fn a_window_is_what_was_asked_for_and_no_more() {
    for_each_log(|log| {
        log.append((1..=20).map(entry).collect()).unwrap();
        let window = |from, limit| -> Vec<u64> {
            log.read(Seq(from), limit).unwrap().iter().map(|record| record.seq.0).collect()
        };
        assert_eq!(window(5, 3), [5, 6, 7]);
        assert_eq!(window(19, 10), [19, 20]);
        assert_eq!(window(20, usize::MAX), [20]);
        assert!(window(21, 10).is_empty());
        assert!(window(u64::MAX, usize::MAX).is_empty());
        assert!(window(1, 0).is_empty());
    });
}

#[test]
fn each_record_holds_the_hash_of_the_one_before() {
    for_each_log(|log| {
        log.append(vec![entry(1)]).unwrap();
        log.append(vec![entry(2), entry(3)]).unwrap();
        let row = log.read_sealed(Seq(1), 10).unwrap();
        assert_eq!(row[0].prev, GENESIS);
        assert_eq!(row[1].prev, row[0].hash);
        assert_eq!(row[2].prev, row[1].hash);
    });
}

#[test]
fn a_batch_costs_one_sync_and_an_empty_one_none() {
    for_each_log(|log| {
        assert!(log.append(Vec::new()).unwrap().is_empty());
        assert_eq!(log.syncs(), 0);
        log.append((0..100).map(entry).collect()).unwrap();
        assert_eq!(log.syncs(), 1);
        log.append(vec![entry(1)]).unwrap();
        assert_eq!(log.syncs(), 2);
    });
}

#[test]
fn recovering_a_healthy_log_changes_nothing() {
    for_each_log(|log| {
        log.append(vec![entry(1)]).unwrap();
        log.recover().unwrap();
        assert_eq!(log.append(vec![entry(2)]).unwrap()[0].record.seq, Seq(2));
    });
}

#[test]
fn the_log_in_memory_fails_when_told_to_and_keeps_nothing_of_it() {
    let log = MemoryLog::new();
    log.append(vec![entry(1)]).unwrap();
    log.fail_appends(1);
    log.append(vec![entry(2)]).unwrap_err();
    log.append(vec![entry(2)]).unwrap_err();
    assert_eq!(log.head(), Seq(1));
    log.recover().unwrap();
    assert_eq!(log.append(vec![entry(2)]).unwrap()[0].record.seq, Seq(2));
    log.fill_disk(true);
    log.append(vec![entry(3)]).unwrap_err();
    log.recover().unwrap_err();
    log.fill_disk(false);
    log.recover().unwrap();
}
