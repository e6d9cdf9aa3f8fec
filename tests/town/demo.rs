//! The demo: six beads, two of which conflict and one of which breaks the gate, all landed.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Town, processes_of, repo};

#[test]
fn the_demo_lands_all_six_beads_and_says_where() {
    let nowhere = Town::unmade();
    let tmp = nowhere.folder.join("tmp");
    let said = nowhere.gastown_in(&tmp, &["run", "--demo", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let summary = said.json();
    assert_eq!(summary["exit"], 0);
    let landed = summary["landed"].as_array().unwrap();
    assert_eq!(landed.len(), 6, "{summary:#}");
    assert!(summary["not_landed"].as_array().unwrap().is_empty(), "{summary:#}");
    assert!(summary["attention"].as_array().unwrap().is_empty(), "{summary:#}");
    let reasons: Vec<&str> = landed
        .iter()
        .flat_map(|row| row["given_back"].as_array().unwrap())
        .map(|reason| reason.as_str().unwrap())
        .collect();
    assert!(reasons.iter().any(|reason| reason.contains("conflict")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("gate")), "{reasons:?}");

    let town = Path::new(summary["town"].as_str().unwrap());
    assert!(town.starts_with(&tmp), "{}", town.display());
    let line: Vec<&str> =
        summary["first_parent"].as_array().unwrap().iter().map(|commit| commit.as_str().unwrap()).collect();
    let mut beads = BTreeSet::new();
    for row in landed {
        assert!(line.contains(&row["merge_commit"].as_str().unwrap()), "{row}");
        assert!(row["polecat"].as_str().unwrap().contains("/polecats/"), "{row}");
        assert!(beads.insert(row["bead"].as_str().unwrap()), "twice: {row}");
    }
    // What it says to type works.
    for command in &summary["commands"].as_array().unwrap()[1..] {
        let words = command.as_str().unwrap();
        let mut shell = std::process::Command::new("sh");
        let shown =
            shell.args(["-c", words]).current_dir(town).env_clear().envs(&nowhere.env).output().unwrap();
        assert!(shown.status.success(), "{words}: {shown:?}");
    }
    assert!(processes_of(&nowhere.folder).is_empty());
    // Main, gated by hand once more, is green: no file that the gate refuses is there.
    let rig = landed[0]["rig"].as_str().unwrap();
    let head = repo::run(&town.join(rig).join("repo.git"), &["rev-parse", "origin/main"]);
    assert_eq!(head, line[0]);
}
