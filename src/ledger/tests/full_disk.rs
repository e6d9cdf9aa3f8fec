//! A disk that is really full: a small file system in memory, mounted in a name space of its own, which an
//! ordinary user may do on most systems. Where that is not so, `mount -t tmpfs -o size=64m tmpfs DIR` as
//! somebody who may, and `GASTOWN_SMALL_DISK=DIR`. The layer of `powercut/` tries the same everywhere.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use gastown_ledger::{Decision, Limits, Store};
use model::event::Event;
use model::ids::Seq;
use model::role::Address;
use model::time::Timestamp;

fn write(store: &Store) -> Result<Seq, String> {
    let event = Event::PolicyDenied { rule: "full".into(), tried: "x".repeat(9_000) };
    let decision: Decision<'_, ()> = Box::new(move |_, _| Ok((vec![(Address::Runtime, event)], ())));
    let answer = store.write(Timestamp::from_millis(1), vec![decision]).remove(0);
    answer.map(|written| written.records[0].seq).map_err(|refusal| refusal.code)
}

/// Takes every byte that is left.
fn fill(path: &Path) {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    for size in [64 << 10, 4096, 512, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

fn fills_and_recovers(place: &Path, limits: Limits) {
    let dir = place.join("ledger");
    // The ledger alone may fill so small a disk; what gives way later must be worth something.
    let (filler, ballast) = (place.join("filler"), place.join("ballast"));
    fs::write(&ballast, vec![7; 24 << 20]).unwrap();
    let store = Store::open(&dir, limits).unwrap();
    let mut acknowledged = Seq(0);
    let code = loop {
        match write(&store) {
            Ok(seq) => acknowledged = seq,
            Err(code) => break code,
        }
    };
    assert_eq!(code, "read_only");
    assert!(acknowledged > Seq(50), "{acknowledged}");
    fill(&filler);
    for _ in 0..3 {
        assert_eq!(write(&store), Err("read_only".into()));
    }
    assert_eq!(store.head(), acknowledged);
    assert_eq!(store.verify().unwrap().head, acknowledged);
    let _ = store.close();
    drop(store);

    // The reserve makes the difference between a town that can be looked at and one that cannot.
    let store = Store::open(&dir, limits).unwrap();
    if limits.floor > 0 {
        // Without a floor it may have been opened without touching the reserve.
        assert!(store.read_only().is_some());
        assert_eq!(write(&store), Err("read_only".into()));
    }
    assert!(store.head() >= acknowledged);
    store.verify().unwrap();

    fs::remove_file(&filler).unwrap();
    fs::remove_file(&ballast).unwrap();
    let before = store.head();
    assert_eq!(write(&store), Ok(before.next()));
    assert!(store.read_only().is_none());
    store.verify().unwrap();
    println!("{acknowledged} acknowledged, head {}", store.head());
    drop(store);
    fs::remove_dir_all(dir).unwrap();
}

/// Runs this test again where a small disk is mounted on a folder.
fn in_a_name_space_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = |then: &str| {
        let script = format!("mount -t tmpfs -o size=64m tmpfs \"$GASTOWN_SMALL_DISK\" && {then}");
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", &script, "sh"]).env("GASTOWN_SMALL_DISK", dir.path());
        command
    };
    if !mounted("true").output().is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: no small disk can be mounted here");
        return;
    }
    let again = ["--exact", "a_full_disk_loses_nothing_and_stays_readable", "--nocapture"];
    let said = mounted("exec \"$@\"").arg(std::env::current_exe().unwrap()).args(again).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn a_full_disk_loses_nothing_and_stays_readable() {
    let Some(place) = std::env::var_os("GASTOWN_SMALL_DISK") else { return in_a_name_space_of_its_own() };
    let place = PathBuf::from(place);
    let usual = Limits { cache: 1 << 20, ..Limits::default() };
    println!("with a floor");
    fills_and_recovers(&place, usual);
    println!("into the wall");
    fills_and_recovers(&place, Limits { floor: 0, ..usual });
}
