//! Landing without the queue, on a person's word, and the fence before the target branch.

use serde_json::json;

use crate::support::town::GATE;
use crate::support::{Town, eventually};

/// A town whose refinery lands nothing, and a bead that was handed in.
fn handed_in(script: &str) -> (Town, crate::support::repo::Origin, String, String) {
    let town = Town::new();
    let origin = town.rig("web", &["--gate", GATE]);
    town.gastown(&["mq", "freeze", "web"]).ok();
    let bead = town.work("Change", script);
    let running = town.run();
    eventually("it is handed in", || !town.json(&["mq", "list"]).as_array().unwrap().is_empty());
    let worker = town.events("work.done")[0]["data"]["agent"].as_str().unwrap().to_owned();
    running.stop();
    let short = worker.replace("/polecats/", "/");
    (town, origin, bead, short)
}

#[test]
fn a_branch_lands_with_the_refinery_stopped_and_a_dry_run_changes_nothing() {
    let (town, origin, bead, worker) = handed_in("echo x > x.txt");
    let before = town.events("mq.submitted").len();
    let said = town.json(&["land", "--direct", &worker, "--dry-run"]);
    assert_eq!((&said["bead"], &said["dry_run"], &said["skipped"]), (&json!(bead), &json!(true), &json!([])));
    assert_eq!((origin.landings().len(), town.events("mq.submitted").len()), (0, before));

    let said = town.json(&["land", "--direct", &worker, "--reason", "the demo is now"]);
    assert_eq!(said["gates"][0]["passed"], true);
    assert_eq!(origin.landings(), [bead.clone()]);
    assert_eq!(origin.git(&["rev-parse", "main"]), said["commit"].as_str().unwrap());
    assert_eq!(town.bead_shown(&bead)["status"], "closed");
    let direct = &town.events("mq.direct")[0];
    assert_eq!(
        (&direct["data"]["reason"], &direct["actor"]),
        (&json!("the demo is now"), &json!("overseer"))
    );
    // The runtime cleans up afterwards as after any landing.
    town.all_lands();
    assert_eq!(origin.landings(), [bead], "once");
    assert!(town.events("mq.rejected").is_empty());
}

#[test]
fn each_check_refuses_and_what_is_left_out_is_on_record() {
    let (town, origin, bead, worker) = handed_in("echo x > x.txt; touch broken");
    let folder = town.root.join("web/polecats").join(worker.rsplit('/').next().unwrap());
    let refused = town.gastown(&["land", "--direct", &worker, "--json"]).refused(1, "gate_failed");
    assert!(refused["message"].as_str().unwrap().contains("found: broken"), "{refused}");
    if folder.is_dir() {
        std::fs::write(folder.join("loose.txt"), "loose").unwrap();
        town.gastown(&["land", "--direct", &worker, "--json"]).refused(5, "dirty");
        std::fs::remove_file(folder.join("loose.txt")).unwrap();
    }
    assert!(origin.landings().is_empty());
    town.gastown(&["land", "--direct", &worker, "--skip-tests", "--reason", "I know"]).ok();
    assert_eq!(origin.landings(), [bead.clone()]);
    assert_eq!(town.events("mq.direct")[0]["data"]["skipped"], json!(["gates"]));
    town.gastown(&["land", "--direct", &worker, "--json"]).refused(1, "nothing_to_land");
    town.gastown(&["land", "--direct", "web/nobody", "--json"]).refused(4, "no_such_agent");
}

#[test]
fn work_that_is_under_way_or_does_not_merge_is_not_landed() {
    let town = Town::new();
    let origin = town.rig("web", &["--gate", GATE]);
    let script = format!(
        "sed -i '2s/$/ mine/' shared.txt; git commit -qam Mine; touch {}; {}",
        town.folder.join("there").display(),
        town.barrier("go")
    );
    let bead = town.work("Under way", &script);
    let running = town.run();
    let there = town.folder.join("there");
    eventually("something is committed", || there.exists());
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    town.gastown(&["land", "--direct", &worker, "--json"]).refused(5, "at_work");
    let other = town.folder.join("other");
    origin.git(&["clone", "--quiet", origin.url(), other.to_str().unwrap()]);
    let run = crate::support::repo::run;
    let text = std::fs::read_to_string(other.join("shared.txt")).unwrap().replacen('\n', "\nTHEIRS ", 1);
    std::fs::write(other.join("shared.txt"), text).unwrap();
    run(&other, &["commit", "--quiet", "-am", "Theirs"]);
    run(&other, &["push", "--quiet", "origin", "main"]);
    town.gastown(&["land", "--direct", &worker, "--force", "--json"]).refused(1, "conflict");
    assert!(origin.landings().is_empty() && town.events("mq.direct").is_empty());
    town.open("go");
    running.stop();
}
