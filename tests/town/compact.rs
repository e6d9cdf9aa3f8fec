//! Old records leave the log's store (P1, P2): no answer changes, and a kill at any moment loses nothing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::{Town, find};

/// A town with so many beads, and mail.
fn town(beads: usize) -> Town {
    let town = Town::new();
    let line = |n: usize| {
        let text = "much to say ".repeat(40);
        format!(
            "{{\"id\":\"hq-x{n}\",\"title\":\"Bead {n}\",\"description\":\"{text}\",\"status\":\"open\",\"priority\":2,\
             \"issue_type\":\"task\",\"created_at\":\"2026-01-01T00:00:00Z\",\"updated_at\":\"2026-01-01T00:00:00Z\"}}\n"
        )
    };
    let file = town.folder.join("beads.jsonl");
    fs::write(&file, (0..beads).map(line).collect::<String>()).unwrap();
    town.gastown(&["bead", "import", file.to_str().unwrap()]).ok();
    for n in 0..3 {
        town.gastown(&["mail", "send", "mayor/", "-s", &format!("Letter {n}"), "-m", "hello"]).ok();
    }
    town
}

fn answers(town: &Town) -> [String; 5] {
    let said = |words: &[&str]| town.gastown(&[words, &["--json"]].concat()).ok().stdout;
    let check = town.json(&["ledger", "verify"]);
    assert_eq!(check["sound"], true, "{check}");
    [
        said(&["events"]),
        said(&["ready"]),
        said(&["mail", "inbox", "mayor/"]),
        said(&["bead", "export"]),
        check["hash"].as_str().unwrap().to_owned(),
    ]
}

#[test]
fn compaction_changes_no_answer_and_the_town_goes_on() {
    let town = town(1_000);
    let before = answers(&town);
    let done = town.json(&["ledger", "compact", "--keep", "100"]);
    assert!(done["dropped"].as_u64().unwrap() > 800, "{done}");
    assert_eq!(answers(&town), before);
    assert_eq!(town.json(&["ledger", "stats"])["base"], done["base"]);

    let running = town.run();
    town.gastown(&["ledger", "compact", "--json"]).refused(3, "runtime_is_up");
    let letter = town.json(&["mail", "inbox", "mayor/"])[0]["id"].as_str().unwrap().to_owned();
    town.gastown(&["mail", "ack", &letter, "--actor", "mayor/"]).ok();
    assert_eq!(town.json(&["mail", "read", &letter])["subject"], "Letter 0");
    let first = town.gastown(&["events", "--type", "bead.created", "--json"]).ok().json_lines();
    assert_eq!(first.len(), 1_000);
    running.kill9();
    assert_eq!(town.json(&["ledger", "verify"])["sound"], true);

    // A backup sees one row of records, and so does the town that is made of it.
    let dir = town.folder.join("backups").display().to_string();
    town.gastown(&["backup", &dir]).ok();
    let words = ["backup", "restore", &dir, "copy", "--json"];
    let copy = town.gastown_in(&town.folder, &words).ok().json();
    let check = ["ledger", "verify", "--town", copy["town"].as_str().unwrap(), "--json"];
    assert_eq!(town.gastown(&check).ok().json()["hash"], copy["hash"]);
}

#[test]
fn a_compaction_that_is_killed_at_any_moment_loses_nothing() {
    let town = town(600);
    let before = answers(&town);
    let ledger = town.root.join("ledger");
    let store = || fs::metadata(ledger.join("sled")).map(|meta| meta.ino()).ok();
    let mut ended = 0;
    for round in 0..8_u32 {
        let (keep, was) = ((550 - round * 60).to_string(), store());
        let mut compacting =
            town.command(&town.root, &["ledger", "compact", "--keep", &keep]).spawn().unwrap();
        // Early, while the new store is made, while it is filled, and after the exchange.
        find("it is far enough", || {
            let far = match round % 4 {
                0 => true,
                1 => ledger.join("sled.new").exists(),
                2 => ledger.join("sled.new/journal").exists(),
                _ => store() != was,
            };
            (far || compacting.try_wait().unwrap().is_some()).then_some(())
        });
        compacting.kill().unwrap();
        compacting.wait().unwrap();
        ended += u32::from(store() != was);
        let check = town.json(&["ledger", "verify"]);
        assert!(check["sound"] == true && check["hash"] == before[4].as_str(), "round {round}: {check}");
    }
    assert!(ended > 1, "some came to their end: {ended}");
    town.gastown(&["ledger", "compact", "--keep", "10"]).ok();
    assert_eq!(answers(&town), before);
    let names = fs::read_dir(&ledger).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with("sled.")));
}
