//! A bead's way: from a hook to a merge on main (P2, P3, P5, P6).

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::{Town, eventually};

fn kinds(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["type"].as_str().unwrap()).collect()
}

#[track_caller]
fn has_fields(what: &str, value: &Value, names: &str) {
    for name in names.split_whitespace() {
        assert!(value.get(name).is_some(), "{what} has no field {name:?}: {value}");
    }
}

#[test]
fn a_bead_travels_from_the_hook_to_a_merge_on_main() {
    let (town, origin) = Town::with_rig();
    let bead = town.bead("Say hello", "echo hello > hello.txt");
    let slung = town.json(&["sling", &bead, "web"]);
    assert_eq!(slung["beads"][0]["outcome"], "slung");
    assert_eq!(slung["convoy"], Value::Null);

    let summary = town.all_lands();
    let landed = &summary["landed"][0];
    assert_eq!((&landed["bead"], &landed["attempts"]), (&Value::from(bead.clone()), &Value::from(1)));
    assert_eq!(origin.file("hello.txt"), "hello");
    assert_eq!(origin.landings(), [bead.as_str()]);

    // The merge commit says whose work it is.
    let commit = origin.git(&["rev-parse", "main"]);
    assert_eq!(landed["merge_commit"], commit.as_str());
    assert_eq!(summary["first_parent"][0], commit.as_str());
    let message = origin.git(&["log", "-1", "--format=%B", "main"]);
    let worker = landed["polecat"].as_str().unwrap();
    for trailer in [format!("Gastown-Bead: {bead}"), format!("Gastown-Agent: {worker}")] {
        assert!(message.contains(&trailer), "{message}");
    }
    assert!(message.contains("Gastown-Session: "), "{message}");
    assert_eq!(origin.git(&["rev-list", "--parents", "-1", "main"]).split(' ').count(), 3);

    // Closed by landing, and by nobody but the Refinery.
    let shown = town.bead_shown(&bead);
    assert_eq!(shown["status"], "closed");
    let closed = town.events("bead.closed");
    assert_eq!((closed.len(), &closed[0]["actor"]), (1, &Value::from("web/refinery")));
    let of_bead = town.gastown(&["events", "--bead", &bead, "--json"]).ok().json_lines();
    let order = kinds(&of_bead);
    let place = |kind: &str| order.iter().position(|k| *k == kind).unwrap_or_else(|| panic!("{kind}"));
    assert!(place("work.done") < place("mq.landed") && place("mq.landed") <= place("bead.closed"));

    // The sandbox is gone, the hook free, the identity still there.
    let (rig, name) = worker.split_once("/polecats/").unwrap();
    assert!(!town.root.join(rig).join("polecats").join(name).exists());
    assert_eq!(town.json(&["hook", worker]), Value::Null);
    assert!(
        origin.branches().iter().all(|branch| !branch.starts_with("polecat/")),
        "{:?}",
        origin.branches()
    );
    let local = crate::support::repo::run(
        &town.root.join("web/repo.git"),
        &["for-each-ref", "--format=%(refname)", "refs/heads/polecat"],
    );
    assert_eq!(local, "");
    let agent = town.agent(worker);
    assert_eq!((&agent["state"], &agent["hook"]), (&Value::from("parked"), &Value::Null));
    town.assert_nothing_runs();
}

#[test]
fn each_letter_of_a_landing_is_written_once_and_handled_once() {
    let (town, _origin) = Town::with_rig();
    let bead = town.work("One change", "echo one > one.txt");
    town.all_lands();
    let sent = town.events("mail.sent");
    let letters = |kind: &str| -> Vec<(String, String)> {
        let of_kind = sent.iter().map(|event| &event["data"]["letter"]).filter(|l| l["kind"]["kind"] == kind);
        of_kind.map(|l| (l["from"].as_str().unwrap().into(), l["to"].as_str().unwrap().into())).collect()
    };
    let worker = town.event_of("hook.set", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(letters("POLECAT_DONE"), [pair(&worker, "web/witness")]);
    assert_eq!(letters("MERGE_READY"), [pair("web/witness", "web/refinery")]);
    assert_eq!(letters("MERGED"), [pair("web/refinery", "web/witness"), pair("web/witness", &worker)]);

    let acked: Vec<Value> =
        town.events("mail.acked").iter().map(|event| event["data"]["mail"].clone()).collect();
    let once: BTreeSet<&str> = acked.iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(once.len(), acked.len(), "acknowledged twice: {acked:?}");
    for letter in &sent {
        assert!(once.contains(letter["data"]["letter"]["id"].as_str().unwrap()), "{letter}");
    }
    assert!(town.events("mail.dead").is_empty());
}

#[test]
fn the_log_tells_every_step_with_who_took_it() {
    let (town, _origin) = Town::with_rig();
    town.work("One change", "echo one > one.txt");
    town.all_lands();
    let all = town.gastown(&["events", "--json"]).ok().json_lines();
    for (n, record) in (1..).zip(&all) {
        assert_eq!(record["seq"], n, "the numbers have no gap");
        has_fields("an event", record, "seq at actor type data");
        assert!(!record["actor"].as_str().unwrap().is_empty());
    }
    let seen: BTreeSet<&str> = kinds(&all).into_iter().collect();
    for kind in "town.started rig.added bead.created bead.slung bead.status_changed hook.set hook.checked \
                 mol.created sandbox.created agent.started agent.state agent.stopped agent.verdict work.done \
                 mail.sent mail.acked mq.submitted mq.testing mq.gate mq.pushing mq.landed bead.closed \
                 hook.cleared sandbox.removed town.stopped"
        .split_whitespace()
    {
        assert!(seen.contains(kind), "no event {kind} in {seen:?}");
    }
    // Each session that began has exactly one verdict.
    let of = |kind: &str| -> Vec<&Value> {
        all.iter().filter(|r| r["type"] == kind).map(|r| &r["data"]["session"]).collect()
    };
    assert_eq!(of("agent.started"), of("agent.verdict"));
    // The feed for `tail -f` is the same log.
    assert_eq!(town.feed(), all);
}

#[test]
fn what_landed_has_passed_every_gate_as_the_tree_that_it_is() {
    let town = Town::new();
    let origin = town.rig("web", &["--gate", "one=test -e README", "--gate", "two=true"]);
    for n in 0..3 {
        town.work(&format!("Change {n}"), &format!("echo {n} > file{n}.txt"));
    }
    town.all_lands();
    assert_eq!(origin.landings().len(), 3);
    let gates = town.events("mq.gate");
    let commits = origin.git(&["rev-list", "--first-parent", "--min-parents=2", "main"]);
    assert!(!commits.is_empty());
    for commit in commits.lines() {
        let tree = origin.git(&["rev-parse", &format!("{commit}^{{tree}}")]);
        let passed: BTreeSet<&str> = gates
            .iter()
            .map(|event| &event["data"]["result"])
            .filter(|result| result["tree"] == tree.as_str() && result["passed"] == true)
            .map(|result| result["gate"].as_str().unwrap())
            .collect();
        assert_eq!(passed, BTreeSet::from(["one", "two"]), "{commit}");
    }
}

#[test]
fn a_sling_to_a_running_town_takes_effect_at_once() {
    let (town, origin) = Town::with_rig();
    let running = town.run();
    assert!(
        town.agent("web/polecats/frontend").get("pid").is_none_or(Value::is_null),
        "a quiet town is free"
    );
    let bead = town.work("While it runs", "echo now > now.txt");
    town.event_of("bead.closed", &bead);
    assert_eq!(origin.file("now.txt"), "now");
    eventually("the hook is free and the worker at rest", || {
        let agent = town.agent("web/polecats/frontend");
        agent["hook"].is_null() && agent["state"] == "parked"
    });
    assert_eq!(running.stop().code, 0);
    town.assert_nothing_runs();
}

#[test]
fn two_beads_in_one_sling_are_a_convoy_that_arrives() {
    let (town, _origin) = Town::with_rig();
    let (one, two) = (town.bead("One", "echo 1 > one.txt"), town.bead("Two", "echo 2 > two.txt"));
    let slung = town.json(&["sling", &one, &two, "web"]);
    let convoy = slung["convoy"].as_str().unwrap().to_owned();
    assert_eq!(town.json(&["convoy", "list"]).as_array().unwrap().len(), 1);
    town.all_lands();
    let arrived = town.json(&["convoy", "status", &convoy]);
    assert_eq!((&arrived["closed"], &arrived["total"]), (&Value::from(2), &Value::from(2)));
    assert_eq!(town.events("convoy.created").len(), 1);
    assert_eq!(town.events("convoy.closed").len(), 1);
    assert_eq!(town.json(&["convoy", "list"]), Value::Array(Vec::new()));
}

#[test]
fn what_depends_on_a_bead_waits_until_that_has_landed() {
    let (town, origin) = Town::with_rig();
    let first = town.bead("First", "echo first > first.txt");
    let second = town.bead("Second", "test -e first.txt; echo second > second.txt");
    town.gastown(&["bead", "dep", "add", &second, &first]).ok();
    let refused = town.gastown(&["sling", &second, "web", "--json"]);
    refused.refused(5, "bead_blocked");
    town.gastown(&["sling", &second, "web", "--force"]).ok();
    town.gastown(&["sling", &first, "web"]).ok();
    town.all_lands();
    assert_eq!(origin.landings(), [first, second]);
}

#[test]
fn what_is_printed_as_json_has_the_fields_of_the_contract() {
    let (town, _origin) = Town::with_rig();
    let bead = town.work("In the middle", &format!("{}; echo x > x.txt", town.barrier("go")));
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();

    let status = town.json(&["status"]);
    has_fields("status", &status, "town agents rigs queue mail");
    has_fields("status.town", &status["town"], "name state pid uptime_s");
    assert_eq!(status["town"]["pid"], running.pid());
    has_fields("status.mail", &status["mail"], "unacked oldest_s dead");
    let agent = town.agent(&worker);
    has_fields("an agent", &agent, "address role rig state pid session hook restarts last_activity");
    assert_eq!((&agent["role"], &agent["hook"]), (&Value::from("polecat"), &Value::from(bead.clone())));
    assert!(agent["pid"].is_u64() && agent["session"].is_string());

    let hook = town.json(&["hook", &worker]);
    has_fields("a hook", &hook, "agent bead title mol step");
    assert_eq!((&hook["bead"], &hook["title"]), (&Value::from(bead.clone()), &Value::from("In the middle")));
    has_fields("the tree", &town.json(&["tree"]), "name kind strategy state restarts children");
    let rig = &town.json(&["rig", "list"])[0];
    has_fields("a rig", rig, "name git_url prefix default_branch max_workers parked");
    let shown = town.bead_shown(&bead);
    has_fields(
        "a bead",
        &shown,
        "id title description status priority issue_type created_at updated_at created_by",
    );
    assert_eq!(shown["status"], "hooked");
    let session = agent["session"].as_str().unwrap().to_owned();

    town.open("go");
    town.event_of("bead.closed", &bead);
    let merge = &town.json(&["mq", "list", "--all"])[0];
    has_fields("a merge request", merge, "id rig bead branch head state position attempts");
    assert_eq!((&merge["state"], &merge["bead"]), (&Value::from("landed"), &Value::from(bead)));
    running.stop();

    // What the agent's terminal showed is kept.
    let recordings = town.root.join("logs/sessions");
    let kept = walk(&recordings).into_iter().any(|path| path.contains(&session) && path.ends_with(".cast"));
    assert!(kept, "no recording of {session} in {:?}", walk(&recordings));
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn work_goes_on_in_two_rigs_of_one_town() {
    let (town, web) = Town::with_rig();
    let api = town.rig("api", &["--prefix", "ap"]);
    let one = town.work("In web", "echo 1 > one.txt");
    let two = town.bead_of("api", "In api", "echo 2 > two.txt");
    assert!(two.starts_with("ap-"), "{two}");
    town.gastown(&["sling", &two, "web", "--json"]).refused(5, "other_rig");
    town.gastown(&["sling", &two, "api"]).ok();
    town.all_lands();
    assert_eq!((web.landings(), api.landings()), (vec![one], vec![two]));
}
