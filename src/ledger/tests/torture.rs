//! What was acknowledged is there, however the process died.
//!
//! A child appends and prints each number once it has been told that it is durable. It is killed
//! with SIGKILL in the middle of that, again and again, also while it opens the store. A few rounds
//! by default; `GASTOWN_TORTURE_ROUNDS` asks for more.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use gastown_ledger::{Decision, Limits, Store};
use model::event::Event;
use model::ids::Seq;
use model::role::Address;
use model::time::Timestamp;

const DIR: &str = "GASTOWN_TORTURE_DIR";
const ROUNDS: &str = "GASTOWN_TORTURE_ROUNDS";

fn limits() -> Limits {
    Limits { cache: 1 << 20, reserve: 64 << 10, floor: 0, snapshot_every: 50 }
}

/// Not a test by itself: what the child does, which is this binary again.
#[test]
fn the_child_that_is_killed() {
    let Some(dir) = env::var_os(DIR) else { return };
    println!("opening");
    let store = Store::open(Path::new(&dir), limits()).unwrap();
    for round in 0u64.. {
        let group = (0..1 + round % 4).map(|n| -> Decision<'_, ()> {
            let size = usize::try_from((round * 7 + n) % 60 * 100).unwrap();
            let event = Event::PolicyDenied { rule: "torture".into(), tried: "x".repeat(size) };
            Box::new(move |_, _| Ok((vec![(Address::Runtime, event)], ())))
        });
        for answer in store.write(Timestamp::from_millis(1), group.collect()) {
            println!("acknowledged {}", answer.unwrap().records[0].seq);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_to_a_kill() {
    let rounds: u64 = env::var(ROUNDS).ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let dir = tempfile::tempdir().unwrap();
    // Any odd numbers do: the point of the kill need not be the same twice, only not always there.
    let mut dice = u64::from(std::process::id()) | 1;
    let mut acknowledged = 0;
    for round in 0..rounds {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lines = (dice >> 33) % 60;
        acknowledged = acknowledged.max(run_and_kill(dir.path(), lines));
        let store =
            Store::open(dir.path(), limits()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert!(store.head() >= Seq(acknowledged), "round {round}: {} of {acknowledged}", store.head());
        assert!(store.findings().is_empty(), "round {round}: {:?}", store.findings());
        assert_eq!(store.verify().unwrap().head, store.head());
    }
    assert!(fs::read_dir(dir.path().join("sled/blobs")).unwrap().next().is_none());
    println!("{acknowledged} acknowledged in {rounds} rounds, none lost");
}

/// Lets the child say `lines` things, kills it, and returns the last number that it said.
fn run_and_kill(dir: &Path, lines: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_child_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The runner's own words may stand before ours on a line.
    let mut said = said.filter(|line| line.contains("opening") || line.contains("acknowledged"));
    let mut last = 0;
    let mut heard = |line: String| {
        if let Some(n) = line.rsplit_once("acknowledged ").and_then(|(_, n)| n.parse().ok()) {
            last = n;
        }
    };
    said.by_ref().take(usize::try_from(lines).unwrap() + 1).for_each(&mut heard);
    child.kill().unwrap();
    // What it had printed when it died was acknowledged as well; a torn last line may say too little,
    // never too much.
    said.for_each(heard);
    child.wait().unwrap();
    last
}
