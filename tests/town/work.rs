//! Work as data: one winner among many, waves, gates over a restart, beads of other rigs, molecules that outlive
//! their workers.

use std::process::Stdio;

use serde_json::Value;

use crate::support::{Town, eventually};

fn write(town: &Town, file: &str, text: &str) {
    std::fs::write(town.root.join("formulas").join(file), text).unwrap();
}

#[test]
fn of_fifty_who_claim_a_bead_at_once_one_has_it() {
    let (town, _origin) = Town::with_rig();
    let bead = town.bead("wanted", "true");
    let running = town.run();
    let claims: Vec<_> = (0..50)
        .map(|n| {
            let who = format!("web/polecats/w{n}");
            let mut command =
                town.command(&town.root, &["bead", "update", &bead, "--claim", "--actor", &who]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let won =
        claims.into_iter().map(|mut claim| claim.wait().unwrap()).filter(|ended| ended.success()).count();
    assert_eq!(won, 1);
    let shown = town.bead_shown(&bead);
    assert_eq!(shown["status"], "in_progress");
    let claimed =
        town.events("bead.updated").into_iter().filter(|event| event["data"]["bead"] == bead.as_str());
    assert_eq!(claimed.count(), 1);
    running.stop();
}

#[test]
fn an_epic_is_slung_as_a_convoy_and_lands_in_waves() {
    let (town, origin) = Town::with_rig();
    let script = |n: u32| format!("Part {n}\n```sh\necho {n} >> order.txt\n```");
    let epic = town.json(&["bead", "create", "whole", "--type", "epic", "--rig", "web"]);
    let epic = epic["id"].as_str().unwrap().to_owned();
    let words = ["split", &epic, "--part", &script(1), "--part", &script(2), "--part", &script(3), "--chain"];
    let shown = town.json(&words);
    assert_eq!(shown.as_array().unwrap().len(), 3);
    assert!(town.json(&["bead", "children", &epic]).as_array().unwrap().is_empty());
    town.gastown(&[&words[..], &["--yes"]].concat()).ok();
    let slung = town.json(&["sling", &epic, "web"]);
    let convoy = slung["convoy"].as_str().unwrap();
    let status = town.json(&["convoy", "status", convoy]);
    let waves: Vec<usize> = status["waves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|wave| wave["beads"].as_array().unwrap().len())
        .collect();
    assert_eq!((waves, status["total"].as_u64()), (vec![1, 1, 1], Some(3)));
    let running = town.run();
    town.event("the convoy's arrival", |event| event["type"] == "convoy.closed");
    assert_eq!(origin.file("order.txt").split_whitespace().collect::<Vec<_>>(), ["1", "2", "3"]);
    let epics = town.json(&["bead", "epic", "status", &epic]);
    assert_eq!((&epics[0]["closed_children"], &epics[0]["eligible_for_close"]), (&3.into(), &true.into()));
    running.stop();
}

#[test]
fn a_gate_outlasts_a_killed_runtime_and_opens_once() {
    let (town, _origin) = Town::with_rig();
    write(
        &town,
        "gated.formula.toml",
        "formula = 'gated'\n[[steps]]\nid = 'soon'\n[steps.gate]\ntype = 'timer'\ntimeout = '2s'\n[[steps]]\nid = 'bead'\n\
         [steps.gate]\ntype = 'bead'\nid = '{{on}}'\n[vars.on]\nrequired = true\n",
    );
    let awaited = town.bead("awaited", "true");
    let poured = town.json(&["mol", "pour", "gated", "--var", &format!("on={awaited}")]);
    let mol = poured["id"].as_str().unwrap().to_owned();
    let running = town.run();
    running.kill9();
    let running = town.run();
    let opened = |step: &str| {
        let of = |event: &Value| event["data"]["mol"] == mol.as_str() && event["data"]["step"] == step;
        town.events("mol.gate_opened").iter().filter(|event| of(event)).count()
    };
    eventually("the timer's gate to open", || opened("soon") == 1);
    assert_eq!(opened("bead"), 0);
    town.gastown(&["bead", "close", &awaited]).ok();
    eventually("the bead's gate to open", || opened("bead") == 1);
    running.stop();
    let running = town.run();
    for step in ["soon", "bead"] {
        town.gastown(&["mol", "step", "done", step, "--mol", &mol]).ok();
        assert_eq!(opened(step), 1);
    }
    assert_eq!(town.bead_shown(poured["bead"].as_str().unwrap())["status"], "closed");
    running.stop();
}

#[test]
fn a_bead_goes_on_when_that_of_another_rig_is_closed() {
    let (town, _origin) = Town::with_rig();
    let _other = town.rig("api-server", &["--prefix", "gt-api"]);
    let first = town.bead_of("api-server", "first", "true");
    assert!(first.starts_with("gt-api-"), "{first}");
    let then = town.bead("then", "echo then > then.txt");
    town.gastown(&["bead", "dep", "add", &then, &first]).ok();
    town.gastown(&["sling", &then, "web", "--json"]).refused(5, "bead_blocked");
    town.gastown(&["sling", &then, "web", "--force"]).ok();
    let running = town.run();
    let why = town.json(&["ready", "--explain"]);
    let row = why.as_array().unwrap().iter().find(|row| row["id"] == then.as_str()).unwrap().clone();
    assert_eq!((&row["ready"], &row["blocked_by"][0]), (&false.into(), &first.as_str().into()));
    town.gastown(&["bead", "close", &first]).ok();
    town.event_of("mq.landed", &then);
    running.stop();
}

#[test]
fn what_people_type_from_habit_is_answered_without_a_runtime() {
    let (town, _origin) = Town::with_rig();
    let plan = town.root.join("plan.md");
    std::fs::write(&plan, "## One\n- do it\n### Priority\nP1\n### Labels\na\n## Two\n### Type\nbug\n### Dependencies\nblocks:One\n")
        .unwrap();
    let made = town.json(&["bead", "create", "-f", plan.to_str().unwrap()]);
    let id = |n: usize| made[n]["id"].as_str().unwrap().to_owned();
    assert_eq!(made[1]["dependencies"][0]["depends_on_id"], id(0));
    let ids = |words: &[&str]| -> Vec<String> {
        let found = town.json(words);
        found.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        ids(&["bead", "query", "status=open AND priority<=1 AND (label=a OR NOT type=bug) AND updated>7d"]),
        [id(0)]
    );
    assert_eq!(ids(&["bead", "blocked"]), [id(1)]);
    assert_eq!(ids(&["bead", "list", "--type", "bug", "--created-after", "1d"]), [id(1)]);
    assert_eq!(town.json(&["bead", "count", "--by-type"])["count"], 2);
    town.gastown(&["bead", "query", "statsu=open", "--json"]).refused(2, "usage");
    town.gastown(&["bead", "update", &id(0), "--due", "+2d", "--estimate", "1h30m", "--set-metadata", "n=2"])
        .ok();
    let shown = town.bead_shown(&id(0));
    assert_eq!((&shown["estimated_minutes"], &shown["metadata"]["n"]), (&90.into(), &2.into()));
    assert!(shown["due_at"].is_string());
    let closed = town.json(&["bead", "close", &id(0), "--suggest-next"]);
    assert_eq!(closed["unblocked"][0]["id"], id(1));
    // What is exported and taken in again is the same.
    let lines = town.gastown(&["bead", "export"]).ok().stdout;
    let file = town.root.join("all.jsonl");
    std::fs::write(&file, &lines).unwrap();
    let report = town.json(&["bead", "import", file.to_str().unwrap()]);
    assert_eq!((report["unchanged"].as_u64(), report["updated"].as_u64()), (Some(2), Some(0)));
    assert_eq!(town.gastown(&["bead", "export"]).ok().stdout, lines);
    town.gastown(&["bead", "remember", "run the linter first", "--key", "lint"]).ok();
    assert_eq!(town.json(&["bead", "recall", "lint"])[0]["value"], "run the linter first");
    town.gastown(&["bead", "forget", "lnt", "--json"]).refused(4, "no_such_memory");
}
