//! Bad input: a clear error with a hint, the right exit code, nothing lost, nothing left behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::repo::Origin;
use crate::support::{Town, agent, find};

fn entries(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_rig_that_is_no_repository_leaves_nothing_behind() {
    let town = Town::new();
    let plain = town.folder.join("plain");
    fs::create_dir(&plain).unwrap();
    let empty = Origin::new(town.folder.join("empty.git"), &[]);
    let good = Origin::new(town.folder.join("good.git"), &[("README", "x\n")]);
    let before = entries(&town.root);
    let attempts = |town: &Town| {
        let add =
            |url: &str, more: &[&str]| town.gastown(&[&["rig", "add", "web", url, "--json"], more].concat());
        add("/no/such/place", &[]).refused(4, "not_a_repository");
        add(plain.to_str().unwrap(), &[]).refused(4, "not_a_repository");
        add(empty.url(), &[]).refused(1, "empty_repository");
        add(good.url(), &["--branch", "no-such-branch"]).refused(4, "no_such_branch");
        assert_eq!(town.json(&["rig", "list"]), json!([]));
        assert!(town.events("rig.added").is_empty());
    };
    attempts(&town);
    assert_eq!(entries(&town.root), before);
    let running = town.run();
    attempts(&town);
    running.stop();
    assert_eq!(entries(&town.root), before);
    town.gastown(&["rig", "add", "web", good.url()]).ok();
}

#[test]
fn names_and_prefixes_that_are_taken_are_refused() {
    let (town, origin) = Town::with_rig();
    let before = entries(&town.root);
    let add = |words: &[&str]| town.gastown(&[&["rig", "add"], words, &["--json"]].concat());
    add(&["web", origin.url()]).refused(5, "rig_exists");
    let error = add(&["other", origin.url(), "--prefix", "web"]).refused(5, "prefix_in_use");
    assert!(error["message"].as_str().unwrap().contains("web"), "{error}");
    assert_eq!(add(&["other", origin.url(), "--gate", "no command"]).code, 2);
    assert_eq!(add(&["config", origin.url()]).code, 2, "a folder of the town itself");
    assert_eq!(entries(&town.root), before);
}

#[test]
fn what_does_not_exist_is_not_found_and_what_is_near_is_named() {
    let (town, _origin) = Town::with_rig();
    let bead = town.bead("One", "true");
    let mut near = bead.clone();
    let last = near.pop().unwrap();
    near.push(if last == 'x' { 'y' } else { 'x' });
    let find_out = || {
        for words in [
            &["bead", "show", &near][..],
            &["sling", &near, "web"],
            &["bead", "close", &near],
            &["why", &near],
        ] {
            let said = town.gastown(&[words, &["--json"]].concat());
            assert_eq!(said.code, 4, "{words:?}: {said:?}");
            let error = said.error();
            assert!(error["hint"].as_str().is_some_and(|hint| hint.contains(&bead)), "{words:?}: {error}");
        }
        let said = town.gastown(&["sling", &bead, "wbe", "--json"]);
        assert!(said.refused(4, "no_such_rig")["hint"].as_str().unwrap().contains("web"));
        let said = town.gastown(&["mail", "send", "web/witnes", "-s", "x", "-m", "y", "--json"]);
        assert_eq!(said.code, 4, "{said:?}");
        assert!(said.error()["hint"].as_str().unwrap().contains("web/witness"), "{said:?}");
    };
    find_out();
    let running = town.run();
    find_out();
    let peeked = town.gastown(&["peek", "web/nobody", "--json"]);
    assert_eq!(peeked.code, 4, "{peeked:?}");
    assert!(town.events("mail.sent").is_empty(), "an unknown address stores nothing");
    running.stop();
}

#[test]
fn what_is_asked_wrongly_is_told_what_was_meant() {
    let (town, _origin) = Town::with_rig();
    for (words, meant) in [
        (&["bead", "list", "--stauts", "open"][..], "--status"),
        (&["slign", "web-1", "web"], "sling"),
        (&["bead", "craete", "x"], "create"),
        (&["done", "--exit", "complete"], "completed"),
    ] {
        let said = town.gastown(&[words, &["--json"]].concat());
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{words:?}: {said:?}");
        assert!(said.error().to_string().contains(meant), "{words:?}: {said:?}");
        let plain = town.gastown(words);
        assert!(plain.code == 2 && plain.stderr.contains(meant), "{words:?}: {plain:?}");
    }
}

#[test]
fn a_second_run_is_refused_and_names_the_first() {
    let (town, _origin) = Town::with_rig();
    let running = town.run();
    for words in [&["run", "--json"][..], &["run", "--until-idle", "--json"], &["run", "--detach", "--json"]]
    {
        let said = town.gastown(words);
        let error = said.refused(3, "already_running");
        assert!(error["message"].as_str().unwrap().contains(&running.pid().to_string()), "{error}");
    }
    assert!(town.answers(), "the first goes on");
    running.stop();
}

#[test]
fn a_folder_that_holds_something_else_does_not_become_a_town() {
    let town = Town::unmade();
    let full = town.folder.join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "mine").unwrap();
    let install = |path: &str| town.gastown_in(&town.folder, &["install", path, "--json"]);
    let said = install("full");
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.error()["hint"].is_string(), "{said:?}");
    assert_eq!(entries(&full), BTreeSet::from(["mine".to_owned()]));
    let unknown = town.gastown_in(&town.folder, &["install", "town", "--agent", "shel", "--json"]);
    assert_eq!(unknown.code, 4, "{unknown:?}");
    assert!(unknown.error().to_string().contains("shell"), "{unknown:?}");
    assert!(!town.root.exists());
    town.gastown_in(&town.folder, &["install", "town", "--agent", "shell"]).ok();
    assert_eq!(install("town").code, 5, "a town is not made twice");
}

#[test]
fn a_slip_in_the_configuration_is_named_with_file_and_nearest_key() {
    let (town, _origin) = Town::with_rig();
    let path = town.root.join("config/town.json");
    let good = fs::read_to_string(&path).unwrap();
    let slip = |file: &str| town.configure(file, |config| config["max_worker"] = 3.into());
    slip("config/town.json");
    for words in [&["run", "--json"][..], &["run", "--until-idle", "--json"], &["status", "--json"]] {
        let said = town.gastown(words);
        assert_eq!(said.code, 1, "{said:?}");
        let error = said.error();
        assert!(error["message"].as_str().unwrap().contains("config/town.json"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("max_workers"), "{error}");
    }
    fs::write(&path, &good).unwrap();
    // A town that runs keeps what it had, and takes up the next good one.
    let running = town.run();
    slip("config/town.json");
    let log = town.root.join("logs");
    find("the log tells of the slip", || {
        let text: String =
            entries(&log).iter().filter_map(|name| fs::read_to_string(log.join(name)).ok()).collect();
        (text.contains("max_worker") && text.contains("config/town.json")).then_some(())
    });
    assert!(town.answers());
    fs::write(&path, good).unwrap();
    running.stop();
}

#[test]
fn a_rig_with_a_slip_in_its_configuration_is_left_out_and_its_work_waits() {
    let (town, origin) = Town::with_rig();
    let bead = town.work("Waits", "echo x > x.txt");
    let path = town.root.join("web/config.json");
    let good = fs::read_to_string(&path).unwrap();
    town.configure("web/config.json", |config| config["max_worker"] = 3.into());
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("web/config.json") && said.stderr.contains("max_worker"), "{said:?}");
    assert!(said.json()["attention"].to_string().contains("web"), "{said:?}");
    fs::write(&path, good).unwrap();
    town.all_lands();
    assert_eq!(origin.landings(), [bead]);
}

#[test]
fn a_gate_that_never_ends_is_killed_with_all_it_started() {
    let town = Town::new();
    let origin = town.rig(
        "web",
        &[
            "--gate",
            "stuck=test ! -e x.txt && exit; sleep 1000 & setsid sleep 1000 & echo waiting; sleep 1000",
        ],
    );
    town.configure("web/config.json", |config| {
        config["gates"][0]["timeout"] = "400ms".into();
        config["merge"]["max_attempts"] = 1.into();
    });
    let bead = town.work("Change", "echo x > x.txt");
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    let result = &town.events("mq.gate")[0]["data"]["result"];
    assert_eq!(result["passed"], false);
    assert!(result["verdict"].as_str().unwrap().contains("timed out"), "{result}");
    let rejected = town.events("mq.rejected");
    assert_eq!((rejected.len(), &rejected[0]["data"]["bead"]), (1, &Value::from(bead)));
    assert!(rejected[0]["data"]["rejection"]["excerpt"].as_str().unwrap().contains("waiting"));
    assert!(origin.landings().is_empty());
    town.assert_nothing_runs();
}

#[test]
fn a_gate_that_can_never_pass_blames_nobody_and_the_run_ends_for_a_person() {
    let town = Town::new();
    let origin = town.rig("web", &["--gate", "never=echo no such tool; exit 127"]);
    let bead = town.work("Change", "echo x > x.txt");
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(town.events("mq.rejected").is_empty());
    let raised = town.events("escalation.raised");
    assert!(raised[0]["data"]["subject"].as_str().unwrap().contains("red by itself"), "{raised:?}");
    let why = town.gastown(&["mq", "why", &bead]).ok().stdout;
    assert!(why.contains("red"), "{why}");
    assert!(origin.landings().is_empty());
    town.assert_nothing_runs();

    // With another gate it is looked at anew.
    town.configure("web/config.json", |config| config["gates"][0]["cmd"] = "true".into());
    town.until_idle();
    assert_eq!(origin.landings(), [bead]);
}

#[test]
fn an_agent_that_is_missing_is_told_once_and_its_bead_stays() {
    let (town, _origin) = Town::with_rig();
    agent::raw_preset(&town, "absent", "/no/such/agent", json!({}));
    let bead = town.bead("Nobody can", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "absent"]).ok();
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("/no/such/agent") || said.stdout.contains("absent"), "{said:?}");
    let raised = town.events("escalation.raised");
    assert_eq!(raised.len(), 1, "{raised:?}");
    let status = town.json(&["status"]);
    assert!(status["attention"].to_string().contains("web/polecats/frontend"), "{status}");
    assert_eq!(town.agent("web/polecats/frontend")["state"], "failed");
    assert_ne!(town.bead_shown(&bead)["status"], "closed");
    town.assert_nothing_runs();

    // Mended, it goes on where it was.
    agent::preset(&town, "absent", "gt done --reason 'nothing to do'\nlinger", json!({ "brief": "none" }));
    town.gastown(&["agent", "start", "web/polecats/frontend"]).ok();
    let again = town.until_idle();
    assert_eq!(town.bead_shown(&bead)["status"], "closed", "{again:?}");
}

#[test]
fn an_agent_that_dies_at_once_is_tried_three_times_and_escalated_once() {
    let (town, origin) = Town::with_rig();
    agent::preset(&town, "brittle", "echo no luck; exit 3", json!({ "brief": "none" }));
    let bead = town.bead("Breaks", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "brittle"]).ok();
    let good = town.work("Beside it", "echo x > x.txt");
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    let of_bead = |kind: &str| -> Vec<Value> {
        town.events(kind).into_iter().filter(|event| event["data"]["bead"] == bead.as_str()).collect()
    };
    assert_eq!(of_bead("agent.started").len(), 3);
    let verdicts = of_bead("agent.verdict");
    assert_eq!(verdicts.len(), 3);
    for verdict in &verdicts {
        assert_eq!(verdict["data"]["verdict"], "failed", "{verdict}");
        assert!(verdict["data"]["context"].as_str().unwrap().contains("no luck"), "{verdict}");
    }
    assert_eq!(of_bead("escalation.raised").len(), 1);
    let worker = of_bead("hook.set")[0]["data"]["agent"].as_str().unwrap().to_owned();
    let row = town.agent(&worker);
    assert_eq!((&row["state"], &row["hook"]), (&Value::from("failed"), &Value::from(bead)));
    assert_eq!(origin.landings(), [good]);
    town.assert_nothing_runs();
}

/// Gives everything below `path` to a user, and takes the right to write away or gives it back.
fn hand_over(path: &Path, to: Option<u32>, writable: bool) {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.is_symlink() {
        return;
    }
    if let Some(user) = to {
        chown(path, Some(user), Some(user)).unwrap();
    }
    let bits = meta.mode() & 0o777;
    let bits = if writable { bits | 0o200 } else { bits & !0o222 };
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            hand_over(&entry.path(), to, writable);
        }
    }
}

#[test]
fn a_town_that_cannot_be_written_says_so_and_what_to_do() {
    const NOBODY: u32 = 65534;
    let (town, _origin) = Town::with_rig();
    let bead = town.bead("One", "true");
    // Root is not stopped by permissions: then the town is another user's, and so is the program.
    let user = rustix::process::geteuid().is_root().then_some(NOBODY);
    if user.is_some() {
        fs::set_permissions(&town.folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    hand_over(&town.folder.join("home"), user, true);
    hand_over(&town.folder.join("tmp"), user, true);
    hand_over(&town.root, user, false);
    let call = |words: &[&str]| {
        let mut command = town.command(&town.root, words);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command
    };
    // Asked of the system, not of us: the way to the program may be closed for that user.
    if !call(&["--version"]).output().is_ok_and(|said| said.status.success()) {
        return eprintln!("skipped: another user may not run the program here");
    }
    for words in [
        &["run", "--until-idle", "--json"][..],
        &["run", "--json"],
        &["bead", "create", "--title", "x", "--json"],
    ] {
        let said = town.begin(call(words)).wait();
        assert_eq!(said.code, 1, "{words:?}: {said:?}");
        let error = said.error();
        assert!(error["message"].as_str().unwrap().contains(town.root.to_str().unwrap()), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("writ")), "{error}");
    }
    hand_over(&town.root, user.map(|_| 0), true);
    assert_eq!(town.bead_shown(&bead)["title"], "One");
    town.assert_nothing_runs();
}

#[test]
fn a_runtime_that_is_ended_while_it_starts_leaves_nothing() {
    let (town, _origin) = Town::with_rig();
    town.work("One", "echo x > x.txt");
    let running = town.start(&["run"]);
    running.signal(Signal::TERM);
    running.wait();
    town.assert_nothing_runs();
    assert!(!town.root.join("run/pid").exists() || town.until_idle().code == 0);
    town.all_lands();
}
