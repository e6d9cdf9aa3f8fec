use super::*;
use crate::memory::MemoryLog;
use crate::store::{Limits, Store};
use crate::testing::{entry, limits};
use model::time::Timestamp;

fn log(records: usize) -> MemoryLog {
    let log = MemoryLog::new();
    more(&log, records);
    log
}

fn more(log: &MemoryLog, records: usize) {
    log.append((0..records).map(entry).collect()).unwrap();
}

fn resume(dir: &Path, log: &MemoryLog, limit: u64) -> (Writer, Vec<String>) {
    Writer::resume(&folder(dir), log, limit).unwrap()
}

fn copy(dir: &Path, log: &MemoryLog) {
    resume(dir, log, 4_000).0.catch_up(log, u64::MAX, || true).unwrap();
}

fn numbers(dir: &Path) -> Vec<u64> {
    let segments = segments(&folder(dir)).unwrap().into_iter();
    segments.flat_map(|(first, path)| read_segment(&path, first).unwrap().frames).map(|f| f.seq.0).collect()
}

#[test]
fn segments_rotate_and_go_on_after_each_restart_without_gaps_or_doubles() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(300);
    copy(dir.path(), &log);
    for round in 0..5 {
        more(&log, 100 + round);
        copy(dir.path(), &log);
    }
    assert_eq!(numbers(dir.path()), (1..=log.head().0).collect::<Vec<_>>());
    assert!(segments(&folder(dir.path())).unwrap().len() > 3);
    assert_eq!(verify(&folder(dir.path()), &log), (log.head(), Vec::new()));
}

#[test]
fn a_torn_end_is_cut_off_at_any_byte_and_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(6);
    copy(dir.path(), &log);
    let (_, path) = segments(&folder(dir.path())).unwrap().remove(0);
    let good = fs::read(&path).unwrap();
    for cut in 0..good.len() {
        fs::write(&path, &good[..cut]).unwrap();
        let (mut writer, findings) = resume(dir.path(), &log, SEGMENT);
        assert!(findings.is_empty());
        writer.catch_up(&log, u64::MAX, || true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), good, "cut at {cut}");
    }
}

#[test]
fn every_flipped_byte_is_found_and_the_rest_is_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(5);
    copy(dir.path(), &log);
    let (first, path) = segments(&folder(dir.path())).unwrap().remove(0);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, bytes).unwrap();
        let segment = read_segment(&path, first).unwrap();
        assert!(segment.frames.len() >= 4, "byte {at}");
        // A length that points behind the end looks like an append that was cut short.
        assert!(segment.torn || !verify(&folder(dir.path()), &log).1.is_empty(), "byte {at}");
    }
}

#[test]
fn a_broken_segment_is_written_again_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(5);
    copy(dir.path(), &log);
    let (_, path) = segments(&folder(dir.path())).unwrap().remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[60] ^= 1;
    fs::write(&path, bytes).unwrap();
    more(&log, 5);
    copy(dir.path(), &log);
    assert_eq!(numbers(dir.path()), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(verify(&folder(dir.path()), &log), (Seq(10), Vec::new()));
}

#[test]
fn an_archive_that_knows_more_than_the_log_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    copy(dir.path(), &log(9));
    let shorter = log(4);
    let (_, findings) = resume(dir.path(), &shorter, SEGMENT);
    assert!(findings[0].contains("records 5 to 9 are in the archive"), "{findings:?}");
    copy(dir.path(), &shorter);
    assert_eq!(numbers(dir.path()), [1, 2, 3, 4]);
    assert_eq!(segments(&dir.path().join("archive.1")).unwrap().len(), 1);
}

#[test]
fn a_store_archives_what_it_has_when_it_closes_and_says_so_when_it_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    // Without the thread that takes snapshots, this handle is the last.
    let limits = Limits { snapshot_every: 1_000, ..limits() };
    for round in 1..=3 {
        let store = Store::open(dir.path(), limits).unwrap();
        let said = (0..40).map(|n| (entry(n).actor, entry(n).event)).collect();
        store.write_one(Timestamp::from_millis(1), |_, _| Ok((said, ()))).unwrap();
        assert!(store.check().sound);
        drop(store);
        assert_eq!(numbers(dir.path()), (1..=round * 40).collect::<Vec<_>>());
    }
}

/// What the file is on disk cannot be seen from here; that it is another file than before can.
#[test]
fn what_a_process_left_that_did_not_end_well_is_written_anew_and_what_ended_well_is_not() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let log = Arc::new(log(20));
    let inode = || fs::metadata(&segments(&folder).unwrap()[0].1).unwrap().ino();
    drop(Archive::start(&folder, Arc::clone(&log) as Arc<dyn Log>, 0));
    assert_eq!(numbers(dir.path()).len(), 20);
    assert!(!folder.join(GROWING).exists());
    let first = inode();
    drop(Archive::start(&folder, Arc::clone(&log) as Arc<dyn Log>, 0));
    assert_eq!(inode(), first);
    // As a kill leaves it.
    fs::write(folder.join(GROWING), "").unwrap();
    more(&log, 5);
    drop(Archive::start(&folder, Arc::clone(&log) as Arc<dyn Log>, 0));
    assert_ne!(inode(), first);
    assert_eq!(numbers(dir.path()).len(), 25);
    assert_eq!(verify(&folder, &*log), (log.head(), Vec::new()));
    assert!(!folder.join(GROWING).exists());
}
