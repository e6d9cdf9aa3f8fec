//! A ledger that cannot be written, and then can again, under a living town (P11).

use serde_json::Value;

use crate::support::{Town, eventually, find};

fn town_with_faults() -> (Town, crate::support::repo::Origin) {
    let (town, origin) = Town::with_rig();
    town.configure("config/town.json", |config| config["allow_faults"] = true.into());
    (town, origin)
}

fn disk(town: &Town, how: &str) {
    town.gastown(&["fault", "disk", how]).ok();
}

/// Lets the disk count as full, and sees that the town notices.
fn fill(town: &Town) {
    disk(town, "full");
    town.gastown(&["mail", "send", "mayor/", "-s", "lost", "-m", "x", "--json"]).refused(1, "read_only");
    assert_eq!(town.json(&["status"])["town"]["state"], "read_only");
}

/// Nobody died of it, and no session was ended or begun for it.
fn nobody_was_harmed(town: &Town) {
    assert!(town.events("actor.ended").is_empty(), "{}", town.story());
    assert!(town.events("mail.failed").is_empty() && town.events("mail.dead").is_empty());
    assert_eq!(town.events("agent.started").len(), 1, "{}", town.story());
    let verdicts = town.events("agent.verdict");
    assert!(verdicts.iter().all(|verdict| verdict["data"]["verdict"] == "completed"), "{verdicts:?}");
    assert!(town.json(&["status"])["attention"].as_array().unwrap().is_empty());
}

#[test]
fn work_goes_on_by_itself_when_the_disk_can_again() {
    let (town, origin) = town_with_faults();
    let running = town.run();
    let script =
        format!("touch {}; {}; echo x > x.txt", town.folder.join("began").display(), town.barrier("go"));
    let bead = town.work("Work", &script);
    eventually("the block runs", || town.folder.join("began").exists());
    fill(&town);
    let head = town.json(&["status"])["town"]["seq"].clone();

    // Reads go on, and everything that would have to be written says why it is not.
    let status = town.json(&["status"]);
    assert!(status["town"]["note"].as_str().unwrap().contains("full"), "{status}");
    assert!(town.gastown(&["status"]).ok().stdout.contains("read_only"));
    for words in ["bead list", "events", "mail inbox mayor/", "tree", "agent list", "ready"] {
        town.gastown(&words.split(' ').collect::<Vec<_>>()).ok();
    }
    for words in [
        &["bead", "create", "--title", "t"][..],
        &["bead", "comment", &bead, "text"],
        &["agent", "stop", "web/frontend"],
        &["agent", "restart", "web/frontend"],
        &["agent", "start", "mayor/"],
        &["escalate", "x"],
        &["sling", &bead, "web"],
    ] {
        let error = town.gastown(&[words, &["--json"]].concat()).refused(1, "read_only");
        assert!(error["message"].as_str().unwrap().contains("full"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("free some space"), "{error}");
    }

    // The agent finishes: its hand-in is refused, and it says so until it is heard.
    town.open("go");
    let agent = town.event_of("hook.set", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    find("the agent waits for the disk", || {
        let shown = town.gastown(&["peek", &agent]).ok().stdout;
        shown.contains("the town cannot write").then_some(())
    });
    assert_eq!(town.json(&["status"])["town"]["seq"], head, "nothing was written");
    running.assert_alive();

    disk(&town, "ok");
    town.event_of("hook.cleared", &bead);
    assert_eq!(town.json(&["status"])["town"]["state"], "running");
    assert_eq!(origin.landings(), [bead.as_str()]);
    running.stop();
    nobody_was_harmed(&town);
    town.gastown(&["ledger", "verify"]).ok();
}

#[test]
fn what_waits_for_a_worker_and_an_end_that_nobody_could_write_down_are_recorded_afterwards() {
    let (town, origin) = town_with_faults();
    let running = town.run();
    let script =
        format!("touch {}; {}; echo x > x.txt", town.folder.join("began").display(), town.barrier("go"));
    let bead = town.work("Work", &script);
    eventually("the block runs", || town.folder.join("began").exists());
    let agent = town.event_of("hook.set", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let pid = town.agent(&agent)["pid"].as_u64().unwrap();
    fill(&town);
    crate::support::signal(u32::try_from(pid).unwrap(), rustix::process::Signal::KILL);
    eventually("the session is over", || !crate::support::lives(u32::try_from(pid).unwrap()));
    assert!(town.events("agent.stopped").is_empty(), "nothing could be written down");
    town.gastown(&["nudge", &agent, "hello", "--json"]).refused(1, "session_ended");
    disk(&town, "ok");
    let stopped = town.event("the end of the session", |event| event["type"] == "agent.stopped");
    assert_eq!(stopped["data"]["end"]["signal"], 9, "{stopped}");
    town.open("go");
    town.event_of("hook.cleared", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead.as_str()]);
    let verdicts: Vec<Value> =
        town.events("agent.verdict").iter().map(|v| v["data"]["verdict"].clone()).collect();
    assert_eq!(verdicts, ["crashed", "completed"]);
    assert!(town.events("actor.ended").is_empty());
}

#[test]
fn a_push_that_landed_while_nothing_could_be_written_is_recorded_and_not_repeated() {
    let (town, origin) = town_with_faults();
    let receiving = town.folder.join("receiving");
    // The worker's own branch comes first, and goes through.
    origin.hook(
        "pre-receive",
        &format!(
            "grep -q refs/heads/main || exit 0; touch {}; {}",
            receiving.display(),
            town.barrier("push")
        ),
    );
    let running = town.run();
    let bead = town.work("Work", "echo x > x.txt");
    eventually("the merge is being pushed", || receiving.exists());
    fill(&town);
    town.open("push");
    find("the push has landed", || (origin.landings() == [bead.as_str()]).then_some(()));
    assert!(town.events("mq.landed").is_empty(), "nothing could be written down");
    disk(&town, "ok");
    town.event_of("hook.cleared", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead.as_str()]);
    assert_eq!(town.events("mq.landed").len(), 1);
    nobody_was_harmed(&town);
}

#[test]
fn a_town_that_cannot_write_still_stops_and_goes_on_at_the_next_start() {
    let (town, origin) = town_with_faults();
    let running = town.run();
    let bead = town.work("Work", &format!("{}; echo x > x.txt", town.barrier("go")));
    town.event_of("agent.started", &bead);
    fill(&town);
    running.stop();
    town.assert_nothing_runs();
    town.open("go");
    town.all_lands();
    assert_eq!(origin.landings(), [bead.as_str()]);
}
