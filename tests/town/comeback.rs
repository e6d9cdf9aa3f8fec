//! After SIGKILL of everything, `gastown run` goes on with all hooked work by itself; reality is looked at first.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::town::Place;
use crate::support::{Running, Town, agent, eventually, repo, signal};

/// Kills the runtime and then everything that it has left, without a word.
fn kill_everything(town: &Place, running: Running) {
    running.kill9();
    for (pid, _) in town.processes() {
        signal(pid, Signal::KILL);
    }
    town.assert_nothing_runs();
}

/// What the last start has found to be otherwise than the ledger had it.
fn surveyed(town: &Place) -> Vec<Value> {
    let events = town.events("town.surveyed");
    let last = events.last().unwrap_or_else(|| panic!("nothing was surveyed: {}", town.story()));
    last["data"]["found"].as_array().unwrap().clone()
}

#[track_caller]
fn found<'a>(all: &'a [Value], matter: &str, words: &str) -> &'a Value {
    let fits = |row: &&Value| row["matter"] == matter && row["found"].as_str().unwrap().contains(words);
    all.iter().find(fits).unwrap_or_else(|| panic!("no {matter} with {words:?}: {all:?}"))
}

#[test]
fn all_hooked_work_goes_on_after_everything_was_killed_and_lands() {
    let (town, origin) = Town::with_rig();
    let script = |n: usize| format!("echo {n} > file{n}.txt; {}", town.barrier("go"));
    let beads: Vec<String> = (0..4).map(|n| town.work(&format!("Bead {n}"), &script(n))).collect();
    let running = town.run();
    for bead in &beads {
        town.event_of("hook.checked", bead);
    }
    let files = || {
        (0..4).all(|n| {
            let places = fs::read_dir(town.root.join("web/polecats")).unwrap().flatten();
            places.map(|place| place.path().join(format!("file{n}.txt"))).any(|file| file.exists())
        })
    };
    eventually("each has begun", files);
    kill_everything(&town, running);
    town.open("go");
    let running = town.run();
    for bead in &beads {
        town.event_of("bead.closed", bead);
    }
    running.stop();
    let mut landed = origin.landings();
    landed.sort();
    let mut wanted = beads.clone();
    wanted.sort();
    assert_eq!(landed, wanted);
    let survey = surveyed(&town);
    assert_eq!(survey.iter().filter(|row| row["matter"] == "session").count(), 4, "{survey:?}");
    let lost: Vec<Value> =
        town.events("agent.verdict").into_iter().filter(|event| event["data"]["verdict"] == "lost").collect();
    assert_eq!(lost.len(), 4);
    // No failure of anybody's, nobody was asked, and what was in the worktrees was not touched.
    assert!(town.events("escalation.raised").is_empty() && town.events("work.rescued").is_empty());
}

#[test]
fn the_conversation_of_each_agent_is_taken_up_again_after_a_kill() {
    let (town, _origin) = Town::with_rig();
    // Notes how it was called; an agent of a provider is told its session's name, and to resume it.
    let log = town.folder.join("called");
    let script = format!(
        "echo \"$*\" >> {}\ncase \"$1\" in --resume) git add -A; git commit -qm x --allow-empty; ask done ;; *) echo x > x.txt ;; esac\nlinger",
        log.display()
    );
    let fields = json!({
        "brief": "none",
        "replies": true,
        "session_args": ["--session-id", "{session}"],
        "resume_args": ["--resume", "{session}"],
    });
    agent::preset(&town, "talker", &script, fields);
    let bead = town.bead("Talks", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "talker"]).ok();
    let running = town.run();
    eventually("it was called", || log.exists());
    let first = town.event_of("agent.started", &bead)["data"]["session"].as_str().unwrap().to_owned();
    kill_everything(&town, running);
    let running = town.run();
    town.event_of("bead.closed", &bead);
    running.stop();
    let calls = fs::read_to_string(log).unwrap();
    assert_eq!(calls, format!("--session-id {first}\n--resume {first}\n"));
}

#[test]
fn what_is_otherwise_than_the_ledger_has_it_is_listed_and_settled() {
    let (town, origin) = Town::with_rig();
    let script = |name: &str| {
        format!(
            "echo {name} > {name}.txt; git add .; git diff --cached --quiet || git commit -qm {name}; {}",
            town.barrier("go")
        )
    };
    let gone = town.work("Its worktree goes", &script("gone"));
    let half = town.work("Its worktree is half made", &script("half"));
    let running = town.run();
    let place = |bead: &str| {
        let worker = town.event_of("hook.checked", bead)["data"]["agent"].as_str().unwrap().to_owned();
        town.root.join("web/polecats").join(worker.rsplit('/').next().unwrap())
    };
    let (at_gone, at_half) = (place(&gone), place(&half));
    let git = town.root.join("web/repo.git");
    for (place, name) in [(&at_gone, "gone"), (&at_half, "half")] {
        eventually("it has committed", || {
            fs::read_to_string(place.join(format!("{name}.txt"))).is_ok()
                && repo::run(place, &["log", "-1", "--format=%s"]) == name
        });
    }
    kill_everything(&town, running);

    fs::remove_dir_all(&at_gone).unwrap();
    fs::write(git.join("worktrees").join(at_half.file_name().unwrap()).join("locked"), "initializing\n")
        .unwrap();
    fs::write(git.join("packed-refs.lock"), "").unwrap();
    // A worktree of nobody's work, with something unsaved; one that a person has made; a folder of files.
    let polecats = town.root.join("web/polecats");
    let stray = polecats.join("stray");
    repo::run(
        &git,
        &[
            "worktree",
            "add",
            "--quiet",
            "-b",
            "polecat/stray/web-old1",
            stray.to_str().unwrap(),
            "origin/main",
        ],
    );
    fs::write(stray.join("precious.txt"), "precious").unwrap();
    let theirs = polecats.join("theirs");
    repo::run(&git, &["worktree", "add", "--quiet", "-b", "my-own", theirs.to_str().unwrap(), "origin/main"]);
    fs::create_dir(polecats.join("folder")).unwrap();
    fs::write(polecats.join("folder/notes.txt"), "notes").unwrap();

    let checks = town.json(&["doctor"]);
    let details = checks.to_string();
    for words in [
        "is gone",
        "is only half made",
        "stray, on polecat/stray/web-old1",
        "theirs, on my-own",
        "belongs to nobody's work",
    ] {
        assert!(details.contains(words), "{words}: {checks}");
    }
    town.open("go");
    let running = town.start(&["run"]);
    for bead in [&gone, &half] {
        town.event_of("hook.cleared", bead);
    }
    let said = running.stop().stdout;
    for words in ["session: ", "worktree: ", "lock: ", "was left by a git that died; removed"] {
        assert!(said.contains(words), "{words} stands in the first lines: {said}");
    }
    let survey = surveyed(&town);
    found(&survey, "worktree", &format!("{} is gone", at_gone.display()));
    found(&survey, "worktree", &format!("{} is only half made", at_half.display()));
    assert_eq!(found(&survey, "worktree", "theirs, on my-own")["open"], true);
    assert_eq!(found(&survey, "worktree", "folder belongs to nobody")["open"], true);
    let settled = found(&survey, "worktree", "stray, on polecat/stray/web-old1");
    assert!(settled["settled"].as_str().unwrap().contains("saved, then removed"), "{settled}");
    // Each is settled: nothing is lost, and what is a person's is left alone.
    let mut landed = origin.landings();
    landed.sort();
    let mut wanted = vec![gone, half];
    wanted.sort();
    assert_eq!(landed, wanted);
    assert_eq!((origin.file("gone.txt"), origin.file("half.txt")), ("gone".to_owned(), "half".to_owned()));
    assert!(!stray.exists() && theirs.exists() && polecats.join("folder/notes.txt").exists());
    let rescued = town.events("work.rescued");
    let of: BTreeSet<&str> = rescued.iter().filter_map(|event| event["data"]["agent"].as_str()).collect();
    assert!(of.contains("web/polecats/stray"), "{rescued:?}");
    let commit = rescued.iter().find(|event| event["data"]["agent"] == "web/polecats/stray").unwrap();
    let commit = commit["data"]["commit"].as_str().unwrap();
    assert_eq!(repo::run(&git, &["show", &format!("{commit}:precious.txt")]), "precious");
    // The next start finds only what a person has to look at.
    let running = town.run();
    running.stop();
    assert!(surveyed(&town).iter().all(|row| row["open"] == true), "{:?}", surveyed(&town));
}

#[test]
fn a_worktree_that_was_made_and_not_recorded_is_adopted() {
    let (mut town, origin) = Town::with_rig();
    let bead = town.work("Work", "echo x > x.txt");
    town.env.insert("GASTOWN_FAULT".to_owned(), "git.worktree.added:1:kill".to_owned());
    let running = town.start(&["run"]);
    eventually("it dies", || !running.lives());
    town.env.remove("GASTOWN_FAULT");
    drop(running);
    assert!(town.events("sandbox.created").is_empty());
    let running = town.run();
    town.event_of("bead.closed", &bead);
    running.stop();
    let survey = town.events("town.surveyed");
    let all = survey[0]["data"]["found"].as_array().unwrap().clone();
    let adopted = found(&all, "worktree", "is not in the ledger");
    assert!(adopted["settled"].as_str().unwrap().starts_with("adopted"), "{adopted}");
    assert_eq!(origin.landings(), [bead]);
}

#[test]
fn a_landing_that_the_remote_does_not_have_any_more_is_seen_at_the_start() {
    let (town, origin) = Town::with_rig();
    let bead = town.work("Work", "echo x > x.txt");
    town.all_lands();
    origin.git(&["update-ref", "refs/heads/main", "main~1"]);
    let running = town.run();
    let event = town.event("the remote was asked", |event| {
        event["type"] == "town.surveyed" && event.to_string().contains("does not have it")
    });
    running.stop();
    let all = event["data"]["found"].as_array().unwrap().clone();
    let row = found(&all, "merge", &format!("{bead} is closed as landed"));
    assert_eq!((&row["open"], &row["settled"]), (&json!(true), &json!(format!("gastown recover {bead}"))));
    assert_eq!(town.json(&["recover", &bead])[0]["state"], "ready");
}
