//! What worktrees have besides the files of their branch: a set-up, copied files, ports of their own, submodules; made
//! at once, in a town whose folder has spaces in its name.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::support::repo::{Origin, run};
use crate::support::town::GATE;
use crate::support::{Town, eventually};

/// A town in a folder with spaces.
fn spacious() -> Town {
    let mut town = Town::unmade();
    town.gastown_in(&town.folder, &["install", "a town of ours", "--agent", "shell"]).ok();
    town.root = town.folder.join("a town of ours");
    town
}

#[test]
fn each_worktree_is_set_up_once_with_its_files_and_ports_and_none_of_that_lands() {
    let town = spacious();
    let gate = "check=test -s .env && test -n \"$GASTOWN_PORT\" && test ! -e setup-was-here";
    let origin = town.rig("web", &["--gate", gate]);
    let done = town.folder.join("set ups");
    town.configure("web/config.json", |config| {
        config["worktree"] = json!({
            "setup": format!("echo \"$GASTOWN_BEAD $GASTOWN_PORT\" >> '{}'; echo deps >> .env", done.display()),
            "copy": [".env", "conf/local settings.json"],
            "ports": {"first": 21000, "each": 5},
        });
    });
    let files = town.root.join("web/files");
    fs::create_dir_all(files.join("conf")).unwrap();
    fs::write(files.join(".env"), "SECRET=1\n").unwrap();
    fs::write(files.join("conf/local settings.json"), "{}").unwrap();
    // All stand at once: each waits for the others.
    let there = town.folder.join("there");
    fs::create_dir(&there).unwrap();
    let script = |n: usize| {
        format!(
            "cat .env conf/local*.json > '{0}/{n}'; touch '{0}/deps-{n}'; echo $GASTOWN_PORT $GASTOWN_PORT_LAST > port-{n}.txt; \
             while [ $(ls '{0}' | grep -c ^deps) -lt 4 ]; do sleep 0.05; done; git add -A",
            there.display()
        )
    };
    let beads: Vec<String> = (0..4).map(|n| town.work(&format!("Change {n}"), &script(n))).collect();
    town.all_lands();
    assert_eq!(origin.landings().len(), 4);
    let mut ports = BTreeSet::new();
    for n in 0..4 {
        assert_eq!(fs::read_to_string(there.join(n.to_string())).unwrap(), "SECRET=1\ndeps\n{}");
        let said = origin.file(&format!("port-{n}.txt"));
        let range: Vec<u32> = said.split_whitespace().map(|port| port.parse().unwrap()).collect();
        assert_eq!(range[1] - range[0], 4);
        assert!(range[0] >= 21_000 && (range[0] - 21_000).is_multiple_of(5), "{said}");
        ports.insert(range[0]);
    }
    assert_eq!(ports.len(), 4, "each has ports of its own");
    let landed = origin.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert!(!landed.contains(".env") && !landed.contains("conf"), "{landed}");
    let set_up = fs::read_to_string(&done).unwrap();
    let once: BTreeSet<&str> = set_up.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((set_up.lines().count(), once), (4, beads.iter().map(String::as_str).collect()));
}

#[test]
fn a_set_up_that_fails_is_told_with_its_output_and_tried_again() {
    let town = Town::new();
    let origin = town.rig("web", &["--gate", GATE]);
    let mended = town.folder.join("mended");
    town.configure("web/config.json", |config| {
        config["worktree"] = json!({"setup": format!("echo no compiler; test -e {}", mended.display())});
    });
    let bead = town.work("Change", "echo x > x.txt");
    let running = town.run();
    let raised = crate::support::find("somebody is told", || town.events("escalation.raised").pop());
    let text = raised.to_string();
    assert!(text.contains("worktree is not ready") && text.contains("no compiler"), "{raised}");
    let begun = |event: &serde_json::Value| event["data"]["bead"] == bead.as_str();
    assert!(!town.events("agent.started").iter().any(begun), "nobody works where nothing is ready");
    fs::write(&mended, "").unwrap();
    let worker = town.events("sandbox.created")[0]["data"]["agent"].as_str().unwrap().to_owned();
    town.gastown(&["agent", "start", &worker]).ok();
    town.event_of("bead.closed", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead]);
}

#[test]
fn a_file_that_is_nowhere_is_named() {
    let town = Town::new();
    town.rig("web", &["--gate", GATE]);
    town.configure("web/config.json", |config| config["worktree"] = json!({"copy": [".env"]}));
    town.work("Change", "echo x > x.txt");
    let running = town.run();
    let raised = crate::support::find("somebody is told", || town.events("escalation.raised").pop());
    assert!(raised.to_string().contains("web/files/.env"), "{raised}");
    running.stop();
}

#[test]
fn submodules_are_there_for_workers_and_gates_and_a_landed_worktree_goes() {
    let town = spacious();
    // Git asks for this before it takes a submodule from the same machine.
    let home = town.folder.join("home");
    fs::write(home.join(".gitconfig"), "[protocol \"file\"]\n\tallow = always\n").unwrap();
    let library = Origin::new(town.folder.join("a library.git"), &[("lib.txt", "library\n")]);
    let origin = town.rig("web", &["--gate", "check=test -e vendor/lib/lib.txt"]);
    let work = town.folder.join("hand");
    origin.git(&["clone", "--quiet", origin.url(), work.to_str().unwrap()]);
    let add =
        ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.url(), "vendor/lib"];
    run(&work, &add);
    run(&work, &["commit", "--quiet", "-m", "A library"]);
    run(&work, &["push", "--quiet", "origin", "main"]);
    let beads: BTreeSet<String> = (0..3)
        .map(|n| town.work(&format!("Change {n}"), &format!("cat vendor/lib/lib.txt > copy-{n}.txt")))
        .collect();
    town.all_lands();
    assert_eq!(origin.landings().into_iter().collect::<BTreeSet<_>>(), beads);
    assert_eq!(origin.file("copy-2.txt"), "library");
    eventually("the worktrees are gone", || {
        fs::read_dir(town.root.join("web/polecats")).unwrap().flatten().all(|entry| !entry.path().is_dir())
    });
    let kept = town.root.join("web/repo.git/worktrees.rescued");
    assert!(!kept.exists(), "nothing was committed in the submodules, so nothing is kept of them");
}
