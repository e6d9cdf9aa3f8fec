//! What does not land at once: conflicts, failed gates, too many attempts (P5, P6, P7).

use serde_json::Value;

use crate::support::Town;

/// Changes one line of the file that everybody changes; says which rework it answers.
fn append(word: &str) -> String {
    format!("sed -i '2s/$/ {word}/' shared.txt")
}

#[test]
fn of_two_changes_to_one_line_the_second_is_reworked_and_both_are_kept() {
    let (town, origin) = Town::with_rig();
    // Neither is handed in before the other has begun: both start from the same commit.
    let (a, b) = (town.barrier("a-began"), town.barrier("b-began"));
    let (began_a, began_b) = (town.folder.join("a-began"), town.folder.join("b-began"));
    let one = town.bead("One", &format!("touch {}; {b}\n{}", began_a.display(), append("left")));
    let two = town.bead("Two", &format!("touch {}; {a}\n{}", began_b.display(), append("right")));
    town.gastown(&["sling", &one, &two, "web"]).ok();

    let summary = town.all_lands();
    let line = origin.file("shared.txt").lines().nth(1).unwrap().to_owned();
    assert!(line.contains("left") && line.contains("right"), "{line}");
    let mut landed = origin.landings();
    let reworked = landed[1].clone();
    landed.sort();
    let mut both = vec![one, two];
    both.sort();
    assert_eq!(landed, both);
    let rejected = town.events("mq.rejected");
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0]["data"]["bead"], reworked.as_str());
    assert_eq!(rejected[0]["data"]["rejection"]["cause"], "conflict");
    assert_eq!(rejected[0]["data"]["rejection"]["files"][0], "shared.txt");
    let row = summary["landed"].as_array().unwrap().iter().find(|row| row["bead"] == reworked.as_str());
    assert_eq!(row.unwrap()["attempts"], 2);
    // The first attempt was put aside, not thrown away.
    let kept = crate::support::repo::run(
        &town.root.join("web/repo.git"),
        &["for-each-ref", "--format=%(refname)", "refs/heads/rescue"],
    );
    assert!(kept.contains(&reworked), "{kept}");
}

#[test]
fn a_failed_gate_comes_back_with_its_output_and_is_repaired() {
    let (town, origin) = Town::with_rig();
    let script =
        "if [ \"$GASTOWN_REWORK\" = gate ]; then grep -q 'found: broken' \"$GASTOWN_FEEDBACK\"; rm broken
else echo work > work.txt; touch broken; fi";
    let bead = town.work("Breaks the gate", script);
    let summary = town.all_lands();
    assert_eq!(summary["landed"][0]["attempts"], 2);
    assert_eq!(origin.landings(), [bead.as_str()]);
    assert_eq!(origin.file("work.txt"), "work");
    assert_eq!(origin.git(&["ls-tree", "--name-only", "main", "broken"]), "");

    let rejected = &town.events("mq.rejected")[0]["data"]["rejection"];
    assert_eq!((&rejected["cause"], &rejected["gate"]), (&Value::from("gate"), &Value::from("check")));
    assert!(rejected["excerpt"].as_str().unwrap().contains("found: broken"), "{rejected}");
    let log = town.root.join(rejected["log"].as_str().unwrap());
    assert!(std::fs::read_to_string(&log).unwrap().contains("found: broken"), "{}", log.display());
    let passed: Vec<bool> = town
        .events("mq.gate")
        .iter()
        .map(|event| event["data"]["result"]["passed"].as_bool().unwrap())
        .collect();
    // Red twice on the same tree, and the target green by itself, before it is given back.
    assert_eq!(passed, [false, false, true]);
    let baseline = &town.events("mq.baseline")[0]["data"]["result"];
    assert_eq!((&baseline["passed"], &baseline["gate"]), (&Value::from(true), &Value::from("check")));
}

#[test]
fn what_was_rejected_too_often_is_escalated_and_nothing_of_it_is_lost() {
    let (town, origin) = Town::with_rig();
    town.configure("web/config.json", |config| config["merge"]["max_attempts"] = 2.into());
    let bead = town.work("Never right", "echo $GASTOWN_ATTEMPT >> work.txt; touch broken");
    let good = town.work("Beside it", "echo good > good.txt");
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    let summary = said.json();
    assert_eq!(summary["exit"], 1);
    assert_eq!(summary["not_landed"][0]["bead"], bead.as_str());
    assert!(!summary["attention"].as_array().unwrap().is_empty());
    assert_eq!(origin.landings(), [good], "another's failure holds nobody up");

    assert_eq!(town.events("mq.rejected").len(), 2);
    let raised = town.events("escalation.raised");
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert_eq!(raised[0]["data"]["bead"], bead.as_str());
    assert_ne!(town.bead_shown(&bead)["status"], "closed");
    // Both attempts are still to be had.
    let repo = town.root.join("web/repo.git");
    let branches = crate::support::repo::run(&repo, &["for-each-ref", "--format=%(refname)"]);
    let branch = branches.lines().find(|branch| branch.contains(&bead)).unwrap_or_else(|| {
        panic!("no branch with the work of {bead} in {branches}");
    });
    let work = crate::support::repo::run(&repo, &["show", &format!("{branch}:work.txt")]);
    assert_eq!(work, "1\n2");
    town.assert_nothing_runs();
}

#[test]
fn a_failing_script_ends_as_escalated_with_its_last_words() {
    let (town, origin) = Town::with_rig();
    let bead = town.work("Fails", "echo half > half.txt; echo last words; exit 3");
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(origin.landings().is_empty());
    let raised = town.events("escalation.raised");
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert!(raised[0]["data"]["body"].as_str().unwrap().contains("last words"), "{raised:?}");
    // It is a person's now: taken off the hook, told to the overseer, its remains saved.
    assert_ne!(town.bead_shown(&bead)["status"], "closed");
    assert!(!town.json(&["mail", "inbox", "overseer"]).as_array().unwrap().is_empty());
    let repo = town.root.join("web/repo.git");
    let refs = crate::support::repo::run(&repo, &["for-each-ref", "--format=%(refname)"]);
    let saved = refs.lines().any(|name| {
        let half = std::process::Command::new("git")
            .args(["-C", repo.to_str().unwrap(), "cat-file", "-e", &format!("{name}:half.txt")])
            .output();
        half.is_ok_and(|half| half.status.success())
    });
    assert!(saved, "half.txt is nowhere in {refs}");
}

#[test]
fn a_target_that_moves_meanwhile_is_gated_anew() {
    let town = Town::new();
    // The gate waits at its first run, so that somebody else can push under the Refinery's eyes.
    let folder = &town.folder;
    let (seen, go) = (folder.join("seen"), folder.join("go"));
    let gate = format!(
        "slow=touch {}; while [ ! -e {} ]; do sleep 0.05; done; test ! -e broken",
        seen.display(),
        go.display()
    );
    let origin = town.rig("web", &["--gate", &gate]);
    let bead = town.work("Change", "echo x > x.txt");
    let running = town.run();
    crate::support::eventually("the gate runs", || seen.exists());
    let other = folder.join("other");
    origin.git(&["clone", "--quiet", origin.url(), other.to_str().unwrap()]);
    std::fs::write(other.join("theirs.txt"), "theirs\n").unwrap();
    crate::support::repo::run(&other, &["add", "."]);
    crate::support::repo::run(&other, &["commit", "--quiet", "-m", "Theirs"]);
    crate::support::repo::run(&other, &["push", "--quiet", "origin", "main"]);
    town.open("go");
    town.event_of("bead.closed", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead]);
    assert_eq!((origin.file("x.txt"), origin.file("theirs.txt")), ("x".into(), "theirs".into()));
    let tree = origin.git(&["rev-parse", "main^{tree}"]);
    let gated = town.events("mq.gate");
    assert!(gated.iter().any(|event| event["data"]["result"]["tree"] == tree.as_str()), "{gated:?}");
}

#[test]
fn work_that_is_taken_away_is_put_in_safety_first() {
    let (town, origin) = Town::with_rig();
    // Its agent does not hear that it is asked to save its work itself.
    town.configure("config/town.json", |config| {
        config["policies"] = serde_json::json!({"save_wait": "100ms"})
    });
    let script = format!(
        "echo committed > a.txt; git add .; git diff --cached --quiet || git commit -qm a; echo loose > b.txt; {}",
        town.barrier("go")
    );
    let bead = town.work("Taken away", &script);
    let running = town.run();
    let worker = town.event_of("hook.checked", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    let folder = town.root.join("web/polecats").join(worker.rsplit('/').next().unwrap());
    crate::support::eventually("both files are there", || folder.join("b.txt").exists());
    town.gastown(&["unsling", &bead, "--json"]).refused(5, "at_work");
    town.gastown(&["unsling", &bead, "--force"]).ok();
    let rescued = town.event_of("work.rescued", &bead);
    crate::support::eventually("the worktree is gone", || !folder.exists());
    running.stop();
    assert_eq!(town.bead_shown(&bead)["status"], "open");
    assert_eq!(town.json(&["hook", &worker]), Value::Null);
    let commit = rescued["data"]["commit"].as_str().unwrap();
    let repo = town.root.join("web/repo.git");
    for (file, text) in [("a.txt", "committed"), ("b.txt", "loose")] {
        assert_eq!(crate::support::repo::run(&repo, &["show", &format!("{commit}:{file}")]), text);
    }
    assert!(origin.landings().is_empty());
    // It can be slung again, and nobody is in its way.
    town.open("go");
    town.gastown(&["sling", &bead, "web"]).ok();
    town.all_lands();
    assert_eq!(origin.landings(), [bead]);
}

#[test]
fn what_is_not_committed_cannot_be_handed_in() {
    let (town, origin) = Town::with_rig();
    let script = r#"
echo loose > loose.txt
ask 'done' && exit 1
case "$answer" in *loose.txt*) ;; *) echo "$answer"; exit 2 ;; esac
ask 'done --exit completed' && exit 3
git add . && git commit -qm 'No longer loose'
ask 'done' || exit 4
linger
"#;
    let fields = serde_json::json!({ "brief": "none", "replies": true });
    crate::support::agent::preset(&town, "hasty", script, fields);
    let bead = town.bead("Hasty", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "hasty"]).ok();
    town.all_lands();
    assert_eq!(origin.file("loose.txt"), "loose");
    assert_eq!(town.events("work.done").len(), 1);
    assert_eq!(town.events("agent.started").len(), 1);
}
