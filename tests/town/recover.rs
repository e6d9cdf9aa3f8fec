//! `why` and `recover`: what is broken is explained in ten lines, and brought back by one command (P9).

use serde_json::{Value, json};

use crate::support::town::Place;
use crate::support::{Town, agent, eventually, repo};

/// What an agent does that is at its wits' end until a file `mended` is there: it ends with code 3.
fn brittle(town: &Place) {
    let mended = town.folder.join("mended");
    let script = format!(
        "test -e {0} || {{ echo 'no luck today'; exit 3; }}\necho x > x.txt; git add . && git commit -qm x\nask done || exit 4\nlinger",
        mended.display()
    );
    agent::preset(town, "brittle", &script, json!({ "brief": "none", "replies": true }));
}

fn mend(town: &Place) {
    std::fs::write(town.folder.join("mended"), "").unwrap();
}

/// What `why` says, in at most ten lines; the same as data.
#[track_caller]
fn why(town: &Place, about: &str) -> Value {
    let said = town.gastown(&["why", about]).ok().stdout;
    assert!((1..=10).contains(&said.lines().count()), "{said}");
    let story = town.json(&["why", about]);
    assert_eq!(story["lines"].as_array().unwrap().len(), said.lines().count(), "{said}\n{story}");
    story
}

/// Brings a bead back, sees what was done, and that there is nothing to do when it is said again.
#[track_caller]
fn recover(town: &Place, bead: &str, state: &str, did: &[&str]) {
    let would = town.json(&["recover", bead, "--dry-run"]);
    let row = town.json(&["recover", bead]);
    assert_eq!(row[0]["state"], state, "{row}\n{}", town.story());
    let said: Vec<&str> = row[0]["did"].as_array().unwrap().iter().map(|did| did.as_str().unwrap()).collect();
    assert_eq!(said.len(), did.len(), "{row}");
    for (said, word) in said.iter().zip(did) {
        assert!(said.contains(word), "{said:?} does not say {word:?}");
    }
    assert_eq!((&would[0]["did"], &would[0]["dry_run"]), (&row[0]["did"], &Value::from(true)), "{would}");
    let again = town.json(&["recover", bead]);
    assert_eq!(again[0]["did"], json!([]), "said again");
}

#[test]
fn a_bead_that_failed_too_often_rests_no_longer_when_it_is_brought_back() {
    let (town, origin) = Town::with_rig();
    brittle(&town);
    let bead = town.bead("Breaks", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "brittle"]).ok();
    let running = town.run();
    town.event_of("escalation.raised", &bead);
    let story = why(&town, &bead);
    assert_eq!((&story["state"], &story["next"]), (&Value::from("spent"), &Value::Null), "{story}");
    assert_eq!(story["hint"], format!("gastown recover {bead}"));
    assert_eq!(story["failure_context"]["exit_code"], 3);
    assert!(story["lines"].to_string().contains("no luck today"), "{story}");
    let worker = story["agent"].as_str().unwrap().to_owned();
    assert_eq!(why(&town, &worker)["state"], "spent");

    // Taken off its hook it is as spent as before.
    town.gastown(&["unsling", &bead, "--force"]).ok();
    eventually("the worktree is gone", || town.json(&["why", &worker])["state"] != "leaving");
    town.gastown(&["sling", &bead, "web", "--json"]).refused(5, "retries_spent");
    recover(&town, &bead, "ready", &["3 sessions had failed"]);

    // One failure, and taken off: it would rest for five minutes.
    town.gastown(&["sling", &bead, "web", "--agent", "brittle"]).ok();
    town.event("a fourth failure", |event| {
        event["type"] == "agent.verdict" && event["seq"].as_u64() > story_seq(&town, "bead.recovered")
    });
    town.gastown(&["unsling", &bead, "--force"]).ok();
    mend(&town);
    town.gastown(&["sling", &bead, "web", "--agent", "brittle"]).ok();
    eventually("it rests", || town.json(&["why", &bead])["state"] == "cooling");
    let story = why(&town, &bead);
    assert!(story["until"].is_string() && story["next"].is_string(), "{story}");
    recover(&town, &bead, "ready", &["rested after a failure"]);
    town.event_of("bead.closed", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead.as_str()]);
    assert_eq!(town.events("escalation.raised").len(), 1);
    town.gastown(&["recover", &bead[..bead.len() - 1], "--json"]).refused(4, "no_such_bead");
}

fn story_seq(town: &Place, kind: &str) -> Option<u64> {
    town.feed().iter().rev().find(|event| event["type"] == kind).and_then(|event| event["seq"].as_u64())
}

#[test]
fn a_worker_that_was_given_up_loses_its_bead_and_its_worktree_goes_along() {
    let (town, origin) = Town::with_rig();
    town.configure("config/town.json", |config| {
        config["allow_faults"] = true.into();
        config["policies"] = json!({ "redispatch_after": "1h" });
    });
    let script = format!("echo begun > begun.txt; {}; echo x > x.txt", town.barrier("go"));
    let bead = town.work("Work", &script);
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let folder = town.root.join("web/polecats").join(worker.rsplit('/').next().unwrap());
    eventually("the work has begun", || folder.join("begun.txt").exists());
    // More failures of the worker's own actor than its supervisor bears.
    eventually("the worker is given up", || {
        town.gastown(&["fault", "kill-actor", &worker]);
        town.feed()
            .iter()
            .any(|event| event["type"] == "actor.ended" && event["data"]["outcome"] == "gave_up")
    });
    let reset = town.event_of("bead.reset", &bead);
    assert_eq!((&reset["actor"], &reset["data"]["from"]), (&json!("web/witness"), &json!(worker)), "{reset}");
    let letter = town.event("RECOVERED_BEAD", |event| {
        event["type"] == "mail.sent" && event["data"]["letter"]["kind"]["kind"] == "RECOVERED_BEAD"
    });
    assert_eq!(
        (&letter["actor"], &letter["data"]["letter"]["to"]),
        (&json!("web/witness"), &json!("deacon/"))
    );
    let id = letter["data"]["letter"]["id"].clone();
    town.event("the Deacon has handled it", |event| {
        event["type"] == "mail.acked" && event["data"]["mail"] == id && event["actor"] == "deacon/"
    });
    // Another one has it, and begins when it has rested.
    let story = why(&town, &bead);
    let next = story["agent"].as_str().unwrap().to_owned();
    assert_ne!(next, worker);
    assert!(story["until"].is_string(), "{story}");
    town.open("go");
    recover(&town, &bead, "running", &["it goes on now"]);
    town.event_of("bead.closed", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead]);
    assert_eq!(origin.file("begun.txt"), "begun", "the worktree went along");
    town.assert_nothing_runs();
}

#[test]
fn a_worktree_and_a_branch_that_are_gone_are_made_again() {
    let (town, origin) = Town::with_rig();
    let script = format!(
        "echo a > a.txt; git add .; git diff --cached --quiet || git commit -qm a; {}",
        town.barrier("go")
    );
    let bead = town.work("Work", &script);
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let folder = town.root.join("web/polecats").join(worker.rsplit('/').next().unwrap());
    let repo = town.root.join("web/repo.git");
    let branch = format!("refs/heads/polecat/{}/{bead}", worker.rsplit('/').next().unwrap());
    let head = || repo::run(&repo, &["rev-parse", &branch]);
    let base = head();
    eventually("it has committed", || head() != base);
    town.gastown(&["agent", "stop", &worker]).ok();
    eventually("its session has ended", || town.agent(&worker)["session"].is_null());
    assert_eq!(why(&town, &bead)["state"], "held");
    std::fs::remove_dir_all(&folder).unwrap();
    let checks = town.json(&["doctor"]);
    let found =
        checks.as_array().unwrap().iter().find(|row| row["check"] == "reality" && row["status"] == "warn");
    assert!(found.is_some_and(|row| row["detail"].to_string().contains("is gone")), "{checks}");
    town.open("go");
    let row = town.json(&["recover", &bead]);
    assert_eq!(row[0]["state"], "running");
    assert!(
        row[0]["did"].to_string().contains("was held back") && row[0]["did"].to_string().contains("is gone"),
        "{row}"
    );
    town.event_of("bead.closed", &bead);
    running.stop();
    assert_eq!((origin.landings(), origin.file("a.txt")), (vec![bead], "a".to_owned()));
}

#[test]
fn what_the_remote_says_decides_what_has_landed() {
    let (town, origin) = Town::with_rig();
    // Pushes are declined: the merge is held.
    let declines = "while read old new ref; do case $ref in */main) echo closed today; exit 1;; esac; done";
    origin.hook("pre-receive", declines);
    let beads = ["One", "Two"].map(|title| town.work(title, &format!("echo {title} > {title}.txt")));
    let running = town.run();
    eventually("both are held", || {
        town.feed().iter().filter(|event| event["type"] == "mq.held").count() == 2
    });
    for bead in &beads {
        assert_eq!(why(&town, bead)["state"], "merge_held");
    }
    running.stop();
    origin.hook("pre-receive", "exit 0");
    let [one, two] = &beads;

    // Somebody has landed the first by hand: it is closed by that, and its worker cleans up.
    let row = town.json(&["mq", "list"]);
    let merge = row.as_array().unwrap().iter().find(|row| row["bead"] == one.as_str()).unwrap().clone();
    let clone = town.folder.join("clone");
    repo::run(&town.folder, &["clone", "--quiet", origin.url(), clone.to_str().unwrap()]);
    let message = format!("Merge {one} by hand\n\nGastown-Bead: {one}\n");
    let branch = format!("origin/{}", merge["branch"].as_str().unwrap());
    repo::run(&clone, &["merge", "--quiet", "--no-ff", "-m", &message, &branch]);
    repo::run(&clone, &["push", "--quiet", "origin", "main"]);
    recover(&town, one, "closed", &["its merge commit"]);
    assert!(town.bead_shown(one)["close_reason"].as_str().unwrap().starts_with("landed on main as"));
    // The second is tried again, in its turn.
    recover(&town, two, "running", &["was held"]);
    let running = town.run();
    for bead in &beads {
        town.event_of("hook.cleared", bead);
    }
    assert_eq!(origin.landings(), [one.as_str(), two.as_str()]);

    // Somebody has set the branch back: what is closed as landed is not there any more.
    origin.git(&["update-ref", "refs/heads/main", "main~1"]);
    recover(
        &town,
        two,
        "ready",
        &["is not on the target branch: open again", "the next worker goes on where"],
    );
    town.gastown(&["sling", two, "web"]).ok();
    eventually("it lands again", || {
        origin.landings().contains(two) && town.bead_shown(two)["status"] == "closed"
    });
    running.stop();
    assert_eq!(town.json(&["recover", two])[0]["state"], "closed");
}

#[test]
fn statuses_that_came_from_elsewhere_are_settled_and_all_at_once() {
    let (town, _origin) = Town::with_rig();
    let ids: Vec<String> = (0..3).map(|n| town.bead(&format!("Bead {n}"), "true")).collect();
    let export = town.gastown(&["bead", "export"]).ok().stdout;
    let mut lines = String::new();
    for (line, status) in export.lines().zip(["hooked", "in_progress", "hooked"]) {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row["status"] = status.into();
        row["updated_at"] = "2100-01-01T00:00:00Z".into();
        lines.push_str(&format!("{row}\n"));
    }
    let file = town.folder.join("beads.jsonl");
    std::fs::write(&file, lines).unwrap();
    town.gastown(&["bead", "import", file.to_str().unwrap()]).ok();
    let status = |n: usize| town.bead_shown(&ids[n])["status"].clone();
    let hooked: Vec<usize> = (0..3).filter(|n| status(*n) == "hooked").collect();
    let claimed = (0..3).find(|n| !hooked.contains(n)).unwrap();
    assert_eq!(why(&town, &ids[hooked[0]])["state"], "lost");
    recover(&town, &ids[claimed], "ready", &["was in progress"]);
    let all = town.json(&["recover", "--all"]);
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    assert!((0..3).all(|n| status(n) == "open"));
    assert_eq!(town.json(&["recover", "--all"]), json!([]));
    assert!(town.gastown(&["recover", "--all"]).ok().stdout.contains("nothing waits"));
    town.gastown(&["recover", "--all", "--rig", "wbe", "--json"]).refused(4, "no_such_rig");
    town.gastown(&["recover", "--json"]).refused(2, "usage");
}

#[test]
fn an_agent_brings_nothing_back_but_the_mayor_does() {
    let (town, _origin) = Town::with_rig();
    let script = "ask 'recover --all' && exit 1\ncase \"$answer\" in *operator_only*) ;; *) exit 2 ;; esac\nask 'done --reason refused' || exit 3\nlinger";
    agent::preset(&town, "bold", script, json!({ "brief": "none", "replies": true }));
    let bead = town.bead("Bold", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "bold"]).ok();
    town.all_lands();
    assert_eq!(town.events("policy.denied").len(), 1);
    assert_eq!(town.gastown(&["--actor", "mayor/", "recover", "--all"]).code, 0);
}

#[test]
fn a_worker_is_told_to_let_go_and_its_neighbour_goes_on_without_any_witness() {
    let (town, origin) = Town::with_rig();
    town.configure("config/town.json", |config| config["allow_faults"] = true.into());
    // Asks a neighbour for help and hands the bead over; the neighbour finds the work as it lay.
    let script = format!(
        r#"
if [ -e handed.txt ]; then git add . && git commit -qm 'by the neighbour' && ask done && linger; exit 5; fi
echo "from $GASTOWN_AGENT" > handed.txt
ask 'hook --json' || exit 6
bead=$(field "$answer" bead)
ask "mail send web/polecats/nux --kind help -s 'Please' -m 'I cannot do this step'" || exit 1
{}
ask "agent reassign $bead nux --reason 'it is too hard for me'" || {{ echo "$answer"; exit 2; }}
linger
"#,
        town.barrier("deaf"),
    );
    let fields = json!({ "brief": "none", "replies": true, "stop": { "ask": "0s", "term": "500ms" } });
    agent::preset(&town, "helpless", &script, fields);
    // Known before it can be written to.
    let other = town.bead("Makes nux known", "true");
    let bead = town.bead("Too hard", "true");
    let running = town.run();
    town.gastown(&["sling", &other, "web/polecats/nux"]).ok();
    town.event_of("bead.closed", &other);
    eventually("nux is free", || town.json(&["hook", "web/polecats/nux"]).is_null());
    // The Witness hangs over the first letter that it gets from now on.
    town.gastown(&["fault", "poison-mail", "POLECAT_STARTED", "--hang"]).ok();
    town.gastown(&["sling", &bead, "web", "--agent", "helpless"]).ok();
    town.event("a call for help", |event| {
        event["type"] == "mail.sent" && event["data"]["letter"]["kind"]["kind"] == "HELP"
    });
    town.open("deaf");
    let moved = town.event_of("hook.moved", &bead);
    assert_eq!(moved["data"]["to"], "web/polecats/nux");
    let worker = moved["data"]["from"].as_str().unwrap().to_owned();
    assert_eq!(moved["actor"], worker);
    let begun = town.event("the neighbour begins", |event| {
        event["type"] == "agent.started"
            && event["data"]["agent"] == "web/polecats/nux"
            && event["data"]["bead"] == bead
    });
    let ended = town.event("the first session has ended", |event| {
        event["type"] == "agent.stopped" && event["data"]["agent"] == worker
    });
    assert!(ended["seq"].as_u64() < begun["seq"].as_u64(), "never two at one bead");
    let done = town.event("the neighbour hands it in", |event| {
        event["type"] == "work.done" && event["data"]["bead"] == bead
    });
    assert_eq!(done["actor"], "web/polecats/nux");
    assert!(
        !town.feed().iter().any(|event| event["type"] == "agent.verdict" && event["data"]["bead"] == bead)
    );
    // With the Witness back, it lands.
    town.gastown(&["fault", "poison-mail", "POLECAT_STARTED", "--cure"]);
    town.gastown(&["fault", "kill-actor", "web/witness"]).ok();
    town.event_of("bead.closed", &bead);
    running.stop();
    assert!(origin.file("handed.txt").starts_with("from web/polecats/"), "{}", origin.file("handed.txt"));
}
