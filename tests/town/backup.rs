//! A town's copy in another folder, and a town from it (P1, P7): made while the town works, killed in the
//! middle, damaged, restored for another person at another place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::town::Place;
use crate::support::{Town, eventually, find, repo};

/// The same machine, another person, another place.
fn elsewhere(town: &Town) -> Place {
    let folder = town.folder.join("elsewhere");
    for name in ["home", "tmp", "out"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let mut place = Place { root: folder.join("town"), folder: folder.clone(), env: town.env.clone() };
    for (variable, name) in [("HOME", "home"), ("TMPDIR", "tmp")] {
        place.env.insert(variable.to_owned(), folder.join(name).display().to_string());
    }
    place
}

fn dir(town: &Place) -> String {
    town.folder.join("backups").display().to_string()
}

/// All files below `folder`, with what is in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

#[track_caller]
fn restored(town: &Place, from: &str) -> Value {
    let words = ["backup", "restore", from, town.root.to_str().unwrap(), "--json"];
    town.gastown_in(&town.folder, &words).ok().json()
}

/// Makes beads and letters until told to stop, and remembers what was acknowledged.
fn load(town: &Place, stop: &Arc<AtomicBool>, said: &Arc<Mutex<Vec<String>>>) -> std::thread::JoinHandle<()> {
    let (town, stop, said) = (town.clone(), Arc::clone(stop), Arc::clone(said));
    std::thread::spawn(move || {
        for n in 0.. {
            if stop.load(Ordering::Acquire) {
                return;
            }
            let bead = town.bead(&format!("Load {n}"), "true");
            town.json(&["mail", "send", "mayor/", "-s", &bead, "-m", "keep this"]);
            said.lock().unwrap().push(bead);
        }
    })
}

#[test]
fn a_town_that_was_backed_up_at_work_goes_on_elsewhere() {
    let (town, origin) = Town::with_rig();
    town.configure("web/config.json", |config| config["max_workers"] = 1.into());
    // The letters to the Mayor are only to be there: nobody is to read them.
    town.configure("config/town.json", |config| config["policies"] = json!({"judgement": false}));
    let landed = town.work("Landed", "echo a > a.txt");
    town.all_lands();
    let wait = town.barrier("go");
    let half = town.work("Half", &format!("test -e half.txt || echo half > half.txt\n{wait}"));
    let running = town.run();
    let queued = town.work("Queued", "echo c > c.txt");
    let file = find("the work is half done", || {
        let trees = fs::read_dir(town.root.join("web/polecats")).ok()?.flatten();
        trees.map(|tree| tree.path().join("half.txt")).find(|file| file.exists())
    });

    let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let working = load(&town, &stop, &said);
    eventually("there is some load", || said.lock().unwrap().len() > 2);
    let mut dirs = Vec::new();
    let dir = dir(&town);
    for number in 1..=3 {
        let before = said.lock().unwrap().clone();
        let made = town.json(&["backup", &dir]);
        assert_eq!(made["number"], number);
        assert_eq!(made["rigs"], serde_json::json!(["web"]));
        assert_eq!(made["left_out"], serde_json::json!([]));
        assert!(made["unsaved"][0].as_str().unwrap().starts_with("web/polecats/"), "{made}");
        dirs.push((before, made));
        eventually("the load goes on", || said.lock().unwrap().len() > dirs.last().unwrap().0.len() + 2);
    }
    stop.store(true, Ordering::Release);
    working.join().unwrap();
    let added = |n: usize| dirs[n].1["added"].as_u64().unwrap();
    assert!(added(1) * 2 < added(0) && added(2) * 2 < added(0), "{dirs:?}");
    running.kill9();

    let kept = files(Path::new(&dir));
    assert_eq!(town.json(&["backup", "list", &dir]).as_array().unwrap().len(), 3);
    assert_eq!(town.json(&["backup", "verify", &dir])["sound"], true);
    let copy = elsewhere(&town);
    let back = restored(&copy, &dir);
    assert_eq!(files(Path::new(&dir)), kept, "restoring changes nothing in the backups");
    assert_eq!(back["backup"]["number"], 3);
    let check = copy.json(&["ledger", "verify"]);
    assert!(check["sound"].as_bool().unwrap() && check["hash"] == back["hash"], "{check}");

    // What was acknowledged before the last backup began.
    let beads = copy.json(&["bead", "list", "--all"]);
    let status = |id: &str| {
        let row = beads.as_array().unwrap().iter().find(|row| row["id"] == id);
        row.unwrap_or_else(|| panic!("{id} is lost"))["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (status(&landed), status(&half), status(&queued)),
        ("closed".into(), "hooked".into(), "open".into())
    );
    let inbox = copy.json(&["mail", "inbox", "mayor/", "--unread"]);
    for bead in &dirs[2].0 {
        status(bead);
        assert!(
            inbox.as_array().unwrap().iter().any(|row| row["subject"] == bead.as_str()),
            "{bead}'s letter"
        );
    }
    // Unsaved work lies where it lay, and an event names the branch that holds it as well.
    let place = copy.root.join(file.strip_prefix(&town.root).unwrap());
    assert_eq!(fs::read_to_string(place).unwrap(), "half\n");
    let events = copy.gastown(&["events", "--json"]).ok().json_lines();
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap()["data"].clone();
    assert_eq!(of("town.restored")["into"], copy.root.to_str().unwrap());
    assert_eq!(of("backup.made")["number"], 1);
    let rescued = of("work.rescued");
    assert_eq!(rescued["bead"], half.as_str());
    let branch = rescued["branch"].as_str().unwrap();
    let repo = copy.root.join("web/repo.git");
    assert_eq!(repo::run(&repo, &["show", &format!("{branch}:half.txt")]), "half");

    town.open("go");
    let summary = copy.all_lands();
    assert_eq!(summary["landed"].as_array().unwrap().len(), 2, "{summary}");
    assert_eq!(origin.landings().len(), 3);
    assert_eq!((origin.file("half.txt"), origin.file("c.txt")), ("half".into(), "c".into()));
    copy.assert_nothing_runs();

    // An earlier one can be had as well, into a folder of its own.
    let third = Place { root: copy.folder.join("third"), ..copy.clone() };
    let words = ["backup", "restore", &dir, third.root.to_str().unwrap(), "--number", "1", "--json"];
    third.gastown_in(&third.folder, &words).ok();
    assert_eq!(third.json(&["ledger", "verify"])["sound"], true);
    assert_eq!(third.json(&["backup", "verify", &dir])["backups"], 3);
}

#[test]
fn a_backup_that_is_killed_leaves_the_ones_before_it() {
    let (town, _origin) = Town::with_rig();
    let lines: String = (0..1_500)
        .map(|n| format!("{{\"id\":\"web-x{n}\",\"title\":\"Bead {n}\",\"status\":\"open\",\"priority\":2,\"issue_type\":\"task\",\"created_at\":\"2026-01-01T00:00:00Z\",\"updated_at\":\"2026-01-01T00:00:00Z\"}}\n"))
        .collect();
    let file = town.folder.join("beads.jsonl");
    fs::write(&file, lines).unwrap();
    let dir = dir(&town);
    town.gastown(&["backup", &dir]).ok();
    town.gastown(&["bead", "import", file.to_str().unwrap()]).ok();
    let kept = files(Path::new(&dir));
    let partial = |name: &str| Path::new(&dir).join(name).exists();
    for round in 0..12 {
        let mut backup = town.command(&town.root, &["backup", &dir]).spawn().unwrap();
        find("it has begun, or is done", || {
            let begun = partial("000002.partial") && (round % 4 == 0 || partial("000002.partial/ledger"));
            let far = begun && (round % 4 < 2 || partial("000002.partial/git"));
            (far || partial("000002") || backup.try_wait().unwrap().is_some()).then_some(())
        });
        backup.kill().unwrap();
        backup.wait().unwrap();
        let now = files(Path::new(&dir));
        assert!(
            kept.iter().all(|(path, bytes)| now.get(path) == Some(bytes)),
            "the first backup was touched"
        );
        let verified = town.json(&["backup", "verify", &dir]);
        assert_eq!(verified["sound"], true, "{verified}");
        if partial("000002.json") {
            break;
        }
    }
    let made = town.json(&["backup", &dir]);
    assert!(made["number"].as_u64().unwrap() >= 2, "{made}");
    let left: Vec<PathBuf> = files(Path::new(&dir)).into_keys().collect();
    assert!(!left.iter().any(|path| path.display().to_string().contains(".partial")), "{left:?}");
    let copy = elsewhere(&town);
    restored(&copy, &dir);
    assert_eq!(copy.json(&["bead", "list"]).as_array().unwrap().len(), 1_500);
}

#[test]
fn what_a_restore_that_was_killed_has_left_is_begun_anew() {
    let (town, _origin) = Town::with_rig();
    let bead = town.bead("Keep", "true");
    let dir = dir(&town);
    town.gastown(&["backup", &dir]).ok();
    let copy = elsewhere(&town);
    let words = ["backup", "restore", &dir, copy.root.to_str().unwrap()];
    for name in ["ledger", "web/repo.git/HEAD"] {
        let mut begun = copy.command(&copy.folder, &words).spawn().unwrap();
        find("it has begun", || {
            (copy.root.join(name).exists() || begun.try_wait().unwrap().is_some()).then_some(())
        });
        begun.kill().unwrap();
        begun.wait().unwrap();
        if copy.root.join("config/town.json").exists() {
            fs::remove_dir_all(&copy.root).unwrap();
        }
    }
    restored(&copy, &dir);
    assert_eq!(copy.json(&["bead", "show", &bead])["title"], "Keep");
    assert!(!copy.root.join(".restoring").exists());
}

#[test]
fn what_is_damaged_is_named_and_nothing_is_made_of_it() {
    let (town, _origin) = Town::with_rig();
    town.bead("Keep", "true");
    let dir = dir(&town);
    town.gastown(&["backup", &dir]).ok();
    let copy = elsewhere(&town);
    let words = ["backup", "restore", &dir, copy.root.to_str().unwrap(), "--json"];
    let mut tried = 0;
    for (path, good) in files(Path::new(&dir)) {
        let name = path.strip_prefix(&dir).unwrap().to_str().unwrap().to_owned();
        if name == "lock" || name == "backup.json" || good.is_empty() {
            continue;
        }
        let mut bytes = good.clone();
        let middle = bytes.iter().skip(bytes.len() / 2).position(|byte| !byte.is_ascii_whitespace()).unwrap();
        bytes[good.len() / 2 + middle] ^= 1;
        for damage in [Some(bytes), Some(good[..good.len() / 2].to_owned()), None] {
            fs::remove_file(&path).unwrap();
            if let Some(bytes) = &damage {
                fs::write(&path, bytes).unwrap();
            } else if name == "000001.json" {
                continue;
            }
            let verified = town.gastown(&["backup", "verify", &dir, "--json"]);
            assert_eq!(verified.code, 1, "{name}: {verified:?}");
            assert_eq!(verified.json()["findings"][0]["place"], name.as_str());
            let error = copy.gastown_in(&copy.folder, &words).refused(1, "broken_backup");
            assert!(error["message"].as_str().unwrap().contains(&name), "{name}: {error}");
            assert!(!copy.root.exists());
            tried += 1;
        }
        fs::write(&path, good).unwrap();
    }
    assert!(tried > 15, "{tried}");
    // The next one relies on nothing that is missing.
    fs::remove_file(Path::new(&dir).join("000001/git/web.pack")).unwrap();
    fs::remove_dir_all(Path::new(&dir).join("000001/ledger")).unwrap();
    town.gastown(&["backup", &dir]).ok();
    restored(&copy, &dir);
    assert_eq!(copy.json(&["ledger", "verify"])["sound"], true);
}

#[test]
fn folders_that_will_not_do_are_refused_and_left_as_they_are() {
    let (town, _origin) = Town::with_rig();
    let (dir, root) = (dir(&town), town.root.display().to_string());
    let refused = |words: &[&str], code: i32, name: &str| {
        town.gastown(&[words, &["--json"]].concat()).refused(code, name);
    };
    refused(&["backup", "web/copies"], 5, "inside_the_town");
    refused(&["backup", ".."], 5, "inside_the_town");
    let other = town.folder.join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "mine").unwrap();
    refused(&["backup", other.to_str().unwrap()], 5, "not_a_backup");
    refused(&["backup", other.join("notes.txt").to_str().unwrap()], 1, "backup_failed");
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
    for verb in ["list", "verify"] {
        refused(&["backup", verb, other.to_str().unwrap()], 4, "no_such_backup");
    }
    town.gastown(&["backup", &dir]).ok();
    refused(&["backup", "restore", &dir, &root], 5, "not_empty");
    refused(&["backup", "restore", &dir, other.to_str().unwrap()], 5, "not_empty");
    refused(&["backup", "restore", &dir, &format!("{dir}/town")], 5, "inside_the_backup");
    refused(&["backup", "restore", &dir, "../new", "--number", "7"], 4, "no_such_backup");

    // Another town, and another course of this one.
    let second = Place { root: town.folder.join("second"), ..(*town).clone() };
    second.gastown_in(&second.folder, &["install", "second", "--agent", "shell"]).ok();
    second.gastown(&["bead", "create", "--title", "Other"]).ok();
    second.gastown(&["backup", &dir, "--json"]).refused(5, "other_town");
    let copy = elsewhere(&town);
    restored(&copy, &dir);
    copy.gastown(&["bead", "create", "--title", "There"]).ok();
    town.gastown(&["bead", "create", "--title", "Here"]).ok();
    town.gastown(&["backup", &dir]).ok();
    copy.gastown(&["backup", &dir, "--json"]).refused(5, "other_town");

    let manifest = Path::new(&dir).join("000002.json");
    let newer = fs::read_to_string(&manifest).unwrap().replace("\"version\": 1", "\"version\": 9");
    fs::write(&manifest, newer).unwrap();
    refused(&["backup", "restore", &dir, "../new"], 1, "newer_backup");
    refused(&["backup", &dir], 1, "newer_backup");
}
