//! The agent in a real worktree, with a script for a town.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};

mod support;

use support::{Lab, sh, working};

#[test]
#[ignore = "is the agent that the other tests start"]
fn the_agent_itself() {
    std::process::exit(gastown_shell::run(vec!["--patience".into(), "1".into()]).into());
}

#[test]
fn fresh_work_is_run_committed_reported_and_handed_in() {
    let lab = Lab::new();
    let bead =
        format!("{}{}", sh("echo $GASTOWN_ATTEMPT-$GASTOWN_REWORK- > a"), sh("echo $GASTOWN_BEAD > b"));
    lab.hook(0, working(), &bead, &[("plan", "think"), ("check", &sh("cat a; test ! -s $GASTOWN_FEEDBACK"))]);
    let said = lab.run_well();
    assert_eq!((lab.file("a").as_str(), lab.file("b").as_str()), ("1--\n", "web-1\n"));
    assert_eq!(lab.blocks(), ["1/bead/1", "1/bead/2"]);
    assert_eq!(lab.calls(), ["mol step done plan --json", "mol step done check --json", "done --json"]);
    let message = lab.git(&["log", "-1", "--format=%s/%an/%(trailers:key=Gastown-Agent,valueonly)"]);
    assert_eq!(message.trim(), "Say hello/docs/web/polecats/docs");
    assert!(lab.is_clean() && lab.rescued().is_empty());
    assert!(said.contains("\n1--\n"), "output is seen: {said}");
}

#[test]
fn a_killed_session_is_resumed_and_nothing_is_lost() {
    let lab = Lab::new();
    let killed = "echo half > half; mkdir d; echo x > d/f; git add d; [ -e $TOWN/again ] || \
                  { touch $TOWN/again; kill -9 $PPID; exit 1; }; rm half";
    let bead = format!("{}{}{}", sh("echo one >> a"), sh(killed), sh("echo two >> a"));
    lab.hook(0, working(), &bead, &[]);
    assert_eq!(lab.run().0.code(), None);
    assert!(!lab.is_clean());
    let said = lab.run_well();
    assert!(said.contains("block 1 of bead has run already"), "{said}");
    assert_eq!(lab.file("a"), "one\ntwo\n");
    assert_eq!(lab.blocks(), ["1/bead/1", "1/bead/2", "1/bead/3"]);
    let rescue = "rescue/web/polecats/docs/web-1";
    assert_eq!(lab.rescued(), [rescue]);
    assert_eq!(lab.git(&["show", &format!("{rescue}:half")]), "half");
    assert_eq!(lab.git(&["show", &format!("{rescue}^2:d/f")]), "x", "what was staged");
    assert!(lab.calls().iter().any(|call| call.starts_with("bead comment web-1") && call.contains(rescue)));
}

#[test]
fn a_merge_under_way_is_saved_and_given_up() {
    let lab = Lab::new();
    let begun = "echo mine > base.txt; git commit -qam mine; git merge -q main || true; \
                 [ -e $TOWN/again ] || { touch $TOWN/again; kill -9 $PPID; exit 1; }; git merge --abort";
    lab.hook(0, working(), &sh(begun), &[]);
    let theirs = lab.land("base.txt", "theirs\n");
    assert_eq!(lab.run().0.code(), None);
    lab.run_well();
    assert_eq!(lab.file("base.txt"), "mine\n");
    assert_eq!(lab.git(&["rev-list", "--count", &format!("{}..work", lab.base)]), "1", "made once");
    let saved = lab.git(&["rev-parse", "rescue/web/polecats/docs/web-1^2"]);
    assert_eq!(saved, theirs);
    assert_eq!(lab.rescued().len(), 2, "the files, and the commit that was taken back");
}

/// Blocks that show when they take effect twice.
fn counting() -> String {
    let own = "echo b >> b; git add b; git commit -qm own; echo b >> b; git commit -qam own";
    format!("{}{}{}", sh("echo a >> a"), sh(own), sh("true"))
}

fn check_sweep(lab: &Lab, stage: &Value, stand: &str) -> bool {
    let killed = lab.run().0.code().is_none();
    let said = if killed { lab.run_well() } else { String::new() };
    for (name, text) in [("a", "a\n"), ("b", "b\nb\n"), ("c", "c\n")] {
        assert_eq!(lab.file(name), text, "{stage}\n{said}");
    }
    assert!(lab.is_clean());
    assert_eq!(lab.git(&["merge-base", "work", "main"]), stand);
    assert_eq!(lab.calls().last().unwrap(), "done --json");
    killed
}

#[test]
fn killed_before_any_git_the_end_is_the_same() {
    let mut kills = 0;
    // Every second place is enough: the conflict below goes the same road in strides of three.
    for n in (1..).step_by(2) {
        let lab = Lab::new();
        lab.hook(0, working(), &counting(), &[("c", &sh("echo c >> c"))]);
        lab.kill_at(n);
        if !check_sweep(&lab, &working(), &lab.base) {
            break;
        }
        kills += 1;
    }
    assert!(kills > 10);
}

#[test]
fn a_conflict_is_answered_on_the_new_base_wherever_it_is_killed() {
    let mut kills = 0;
    for n in (1..).step_by(3) {
        let lab = Lab::new();
        lab.hook(0, working(), &sh("echo old > a"), &[]);
        lab.run_well();
        let old = lab.git(&["rev-parse", "work"]);
        let base = lab.land("new.txt", "new\n");
        let stage = json!({
            "stage": "rework",
            "rejection": {"cause": "conflict", "files": ["a"], "base": base, "attempt": 1},
        });
        lab.hook(
            1,
            stage.clone(),
            &counting(),
            &[("c", &sh("test $GASTOWN_REWORK = conflict; echo c >> c"))],
        );
        lab.kill_at(n);
        let killed = check_sweep(&lab, &stage, &base);
        assert_eq!(lab.git(&["rev-parse", "rescue/web/polecats/docs/web-1-attempt-1"]), old);
        assert_eq!(lab.blocks(), ["2/bead/1", "2/c/1"]);
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 7);
}

fn gate_failed(excerpt: &str) -> Value {
    json!({"stage": "rework", "rejection": {
        "cause": "gate", "gate": "test", "verdict": "exit code 1", "excerpt": excerpt, "log": "l",
        "base": "b", "attempt": 1,
    }})
}

#[test]
fn a_failed_gate_is_answered_on_top_of_the_work_with_its_output_at_hand() {
    let lab = Lab::new();
    let script = "if [ \"$GASTOWN_REWORK\" = gate ]; then grep -o 'wanted [0-9]*' $GASTOWN_FEEDBACK >> a; \
                  else echo first >> a; fi; echo $GASTOWN_ATTEMPT >> a";
    lab.hook(0, working(), &sh(script), &[]);
    lab.run_well();
    lab.hook(1, gate_failed("wanted 7, got 8"), &sh(script), &[]);
    lab.run_well();
    assert_eq!(lab.file("a"), "first\n1\nwanted 7\n2\n");
    assert_eq!(lab.blocks(), ["1/bead/1", "2/bead/1"]);
    assert_eq!(lab.calls(), ["done --json", "done --json"]);
}

#[test]
fn a_gate_that_changed_nothing_is_not_sent_in_again() {
    let lab = Lab::new();
    lab.hook(0, working(), &sh("echo a > a"), &[]);
    lab.run_well();
    lab.hook(1, gate_failed("no"), &sh("echo a > a"), &[]);
    lab.run_well();
    let calls = lab.calls();
    assert!(calls[1].starts_with("done --exit escalate --reason the blocks changed nothing"), "{calls:?}");
}

#[test]
fn a_failing_block_ends_the_work_and_says_why() {
    let lab = Lab::new();
    let bead = format!("{}{}{}", sh("echo a > a"), sh("echo broken thing >&2; exit 4"), sh("echo b > b"));
    lab.hook(0, working(), &bead, &[("check", "")]);
    lab.run_well();
    assert_eq!(lab.blocks(), ["1/bead/1"]);
    assert!(!lab.tree().join("b").exists());
    let told = lab.calls().join("\n");
    assert_eq!(
        told,
        "done --exit escalate --reason block 2 of bead failed with code 4:\nbroken thing --json"
    );
}

#[test]
fn work_that_changes_nothing_or_cannot_be_run_says_so() {
    let check = |text: &str, told: &str| {
        let lab = Lab::new();
        lab.hook(0, working(), text, &[]);
        lab.run_well();
        assert_eq!(lab.calls(), [told]);
    };
    check(&sh("true"), "done --reason the blocks changed nothing --json");
    check(
        "Write a poem.",
        "done --exit escalate --reason this bead has no sh block, and the shell agent can do nothing else --json",
    );
    check(
        "```sh\nrm -rf x\n",
        "done --exit escalate --reason in bead: the sh block that begins in line 1 is not closed --json",
    );
}

#[test]
fn a_refusal_that_can_be_healed_is_and_a_lost_answer_is_looked_up() {
    let lab = Lab::new();
    // It goes on writing after its end, until it is seen by the one who hands in.
    lab.hook(0, working(), &sh("echo a > a; echo 'echo late > late' > $TOWN/late"), &[]);
    let gt = lab.path("bin").join("gt");
    let text = fs::read_to_string(&gt).unwrap();
    fs::write(&gt, text.replace("  done)\n", "  done)\n    sh $TOWN/late\n")).unwrap();
    lab.touch("refuse");
    lab.touch("lose-answer");
    let said = lab.run_well();
    assert!(said.contains("uncommitted files"), "{said}");
    assert_eq!(lab.calls(), ["done --json", "done --json"]);
    assert!(lab.is_clean());
    assert_eq!(lab.file("late"), "late\n");
}

#[test]
fn a_town_that_never_answers_ends_the_patience() {
    let lab = Lab::new();
    lab.hook(0, working(), &sh("true"), &[]);
    lab.touch("down");
    assert_eq!(lab.run().0.code(), Some(1));
}

#[test]
fn a_folder_of_another_repository_is_left_alone() {
    let lab = Lab::new();
    fs::create_dir(lab.tree().join("sub")).unwrap();
    fs::write(lab.tree().join("precious"), "x").unwrap();
    lab.hook(0, working(), &sh("echo a > a"), &[]);
    let output = lab.agent().current_dir(lab.tree().join("sub")).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(lab.calls()[0].contains("is not a worktree of its own"));
    assert_eq!(lab.file("precious"), "x");
}

#[test]
fn the_line_protocol_is_spoken_and_a_prompt_makes_it_look_again() {
    let lab = Lab::new();
    lab.hook(0, json!({"stage": "submitted"}), "", &[]);
    let mut agent = lab.agent().env("GASTOWN_NONCE", "9f3a").stdin(Stdio::piped()).spawn().unwrap();
    let mut typed = agent.stdin.take().unwrap();
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |what: &str| lines.find(|line| line.contains(what)).unwrap();
    until("@gt:9f3a#1 hook --json");
    typed.write_all(b"@gt:ok#1 null\n").unwrap();
    until("line protocol: ok");
    until("listening");
    typed
        .write_all(b"noise\n@gt:mail {\"id\":\"m-1\",\"from\":\"mayor/\",\"subject\":\"S\",\"body\":\"B\"}\n")
        .unwrap();
    until("letter m-1 from mayor/: S");
    until("@gt:9f3a#2 mail ack m-1");
    lab.hook(0, working(), &sh("echo a > a"), &[]);
    typed.write_all(b"@gt:prompt {\"text\":\"look\"}\n").unwrap();
    until("web-1 is handed in");
    until("listening");
    drop(typed);
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    assert_eq!(lab.calls(), ["done --json"]);
}

#[test]
fn an_agent_that_only_listens_ends_well_at_sigterm() {
    let lab = Lab::new();
    lab.hook(0, json!({"stage": "submitted"}), "", &[]);
    let mut agent = lab.agent().stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("listening")));
    let pid = agent.id().to_string();
    assert!(std::process::Command::new("kill").arg(&pid).status().unwrap().success());
    assert_eq!(agent.wait().unwrap().code(), Some(0));
}
