//! Beads in and out as JSON lines, for people, git and users of `bd`; and the records likewise.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::support::{Town, repo};

/// Lines of every shape that real exports have, and what they come to.
fn export_of_elsewhere() -> String {
    [
        // As `bd export` writes now, and wrote before.
        r#"{"_type":"issue","id":"gt-a1","title":"Live","status":"open","priority":1,"issue_type":"task","owner":"a@b","created_at":"2026-01-08T20:29:18.61531-08:00","created_by":"mayor","updated_at":"2026-01-09T20:29:18Z","unheard_of":{"deep":[1.5]},"dependency_count":0,"dependent_count":1,"comment_count":1,"comments":[{"id":7,"issue_id":"gt-a1","author":"max","text":"hm","created_at":"2026-01-14T02:15:49Z"}]}"#,
        r#"{"id":"gt-a2","title":"Waits","description":"","status":"open","priority":2,"issue_type":"bug","created_at":"2026-01-08T20:29:18Z","updated_at":"2026-01-08T20:29:18Z","dependencies":[{"issue_id":"gt-a2","depends_on_id":"gt-a1","type":"blocks","created_at":"2026-01-08T20:29:18Z","created_by":"mayor","metadata":"{}"}]}"#,
        r#"{"id":"gt-a3","title":"Waits for nobody","status":"open","priority":0,"issue_type":"decision","created_at":"2026-01-08T20:29:18Z","updated_at":"2026-01-08T20:29:18Z","dependencies":[{"issue_id":"gt-a3","depends_on_id":"gt-gone","type":"blocks","created_at":"2026-01-08T20:29:18Z","created_by":"mayor"},{"issue_id":"gt-a3","depends_on_id":"external:beads:x","type":"tracks","created_at":"2026-01-08T20:29:18Z","created_by":"mayor"}]}"#,
        r#"{"id":"gt-a4","title":"Hooked there","status":"hooked","priority":2,"issue_type":"task","created_at":"2026-01-08T20:29:18Z","updated_at":"2026-01-08T20:29:18Z"}"#,
        r#"{"id":"gt-a5","title":"No word of ours","status":"staged_ready","priority":2,"issue_type":"convoy","created_at":"2026-01-08T20:29:18Z","updated_at":"2026-01-08T20:29:18Z"}"#,
        r#"{"id":"gt-a6","title":"Gone","status":"tombstone","priority":2,"issue_type":"task","created_at":"2026-01-08T20:29:18Z","updated_at":"2026-01-08T20:29:18Z","deleted_at":"2026-01-08T20:29:18Z","deleted_by":"x"}"#,
        // As a table is dumped.
        r#"{"acceptance_criteria":"","assignee":null,"closed_at":"2026-02-27T02:55:35Z","compaction_level":0,"created_at":"2025-12-31T02:09:48Z","description":"d","ephemeral":1,"id":"gt-a7","issue_type":"task","metadata":"{}","pinned":0,"priority":2,"status":"open","title":"A wisp","updated_at":"2026-02-27T02:55:35Z","waiters":""}"#,
    ]
    .join("\r\n")
        + "\r\n"
}

fn ids(beads: &Value) -> Vec<&str> {
    beads.as_array().unwrap().iter().map(|bead| bead["id"].as_str().unwrap()).collect()
}

#[test]
fn an_export_of_elsewhere_comes_in_once_and_goes_out_with_the_same_bytes() {
    let town = Town::new();
    let file = town.folder.join("issues.jsonl");
    fs::write(&file, format!("\u{feff}{}", export_of_elsewhere())).unwrap();
    let file = file.to_str().unwrap();
    let dry = town.json(&["bead", "import", file, "--dry-run"]);
    assert_eq!((&dry["created"], &dry["dry_run"]), (&json!(6), &json!(true)));
    assert!(town.events("bead.").is_empty());
    let first = town.json(&["bead", "import", file]);
    assert_eq!((&first["created"], &first["tombstones"]), (&json!(6), &json!(1)), "{first}");
    let records = town.gastown(&["events", "--json"]).ok().json_lines().len();
    let again = town.gastown(&["bead", "import", file]).ok();
    assert!(again.stdout.starts_with("Imported 0 beads: 0 created, 0 updated; 6 unchanged\n"), "{again:?}");
    assert_eq!(town.gastown(&["events", "--json"]).ok().json_lines().len(), records);

    assert_eq!(ids(&town.json(&["ready"])), ["gt-a3", "gt-a1"]);
    assert_eq!(town.json(&["bead", "list", "--all"]).as_array().unwrap().len(), 6);
    assert_eq!(ids(&town.json(&["bead", "list", "--status", "staged_ready"])), ["gt-a5"]);
    let gone = town.gastown(&["bead", "show", "gt-a6", "--json"]).refused(4, "no_such_bead");
    assert!(gone["message"].as_str().unwrap().contains("deleted elsewhere"), "{gone}");
    let one = town.bead_shown("gt-a1");
    assert_eq!((&one["unheard_of"]["deep"], &one["comments"][0]["id"]), (&json!([1.5]), &json!(7)));

    let out = town.gastown(&["bead", "export"]).ok().stdout;
    assert_eq!(out.lines().count(), 7);
    assert!(out.contains("2026-01-08T20:29:18.61531-08:00"), "a time keeps its text: {out}");
    let saved = town.folder.join("out.jsonl");
    town.gastown(&["bead", "export", "-o", saved.to_str().unwrap()]).ok();
    assert_eq!(fs::read_to_string(&saved).unwrap(), out);
    let (other, _origin) = Town::with_rig();
    other.gastown(&["bead", "import", saved.to_str().unwrap()]).ok();
    assert_eq!(other.gastown(&["bead", "export"]).ok().stdout, out);
    // What hangs on a hook of elsewhere hangs on none here, and can be taken down by hand.
    other.gastown(&["bead", "update", "gt-a4", "--status", "open"]).ok();
    assert_eq!(other.bead_shown("gt-a4")["status"], "open");
}

#[test]
fn a_file_that_nobody_has_merged_is_refused_by_its_line_and_the_rest_can_be_had() {
    let town = Town::new();
    let file = town.folder.join("issues.jsonl");
    let good = r#"{"id":"gt-1","title":"t","status":"open"}"#;
    fs::write(&file, format!("{good}\n<<<<<<< HEAD\n{{\"id\":\n=======\n>>>>>>> theirs\n")).unwrap();
    let file = file.to_str().unwrap();
    let said = town.gastown(&["bead", "import", file, "--json"]).refused(2, "bad_lines");
    assert!(said["message"].as_str().unwrap().contains("line 2: \"<<<<<<<\" is the mark"), "{said}");
    assert!(said["hint"].as_str().unwrap().contains("--skip-errors"), "{said}");
    assert!(town.events("bead.").is_empty());
    let rest = town.json(&["bead", "import", file, "--skip-errors"]);
    assert_eq!((&rest["created"], rest["errors"].as_array().unwrap().len()), (&json!(1), 4), "{rest}");
    assert_eq!(rest["errors"][1]["line"], 3);
    // What is no export at all says what it is.
    let config = town.folder.join("config.jsonl");
    fs::write(&config, "{\"key\":\"a\",\"value\":\"b\"}\n").unwrap();
    town.gastown(&["bead", "import", config.to_str().unwrap(), "--json"]).refused(2, "no_beads");
}

#[test]
fn an_export_far_over_the_limit_of_a_frame_goes_to_a_running_town_and_back() {
    let town = Town::new();
    let running = town.run();
    let mut text = String::new();
    let long = "x \\\"y\\\" \\u0001 ".repeat(700);
    for n in 0..1_200 {
        let long = if n == 7 { long.repeat(20) } else { long.clone() };
        writeln!(
            text,
            r#"{{"id":"gt-{n}","title":"t {n}","description":"{long}","status":"open","priority":2}}"#
        )
        .unwrap();
    }
    assert!(text.len() > 12 << 20, "{}", text.len());
    let file = town.folder.join("big.jsonl");
    fs::write(&file, &text).unwrap();
    let report = town.json(&["bead", "import", file.to_str().unwrap(), "--carrier", "socket"]);
    assert_eq!(report["created"], 1_200);
    let out = town.folder.join("out.jsonl");
    town.gastown(&["bead", "export", "-o", out.to_str().unwrap(), "--carrier", "socket"]).ok();
    let out = fs::read_to_string(out).unwrap();
    assert_eq!(out.lines().count(), 1_200);
    assert!(out.len() > 12 << 20, "{}", out.len());
    running.stop();
}

#[test]
fn a_sync_commits_beads_on_a_branch_of_their_own_and_never_with_code() {
    let (town, origin) = Town::with_rig();
    let repo_git = town.root.join("web/repo.git");
    let git = |words: &[&str]| repo::run(&repo_git, words);
    let bead = town.bead("One", "echo one > one.txt");
    town.gastown(&["bead", "create", "--title", "Of the town", "--rig", "hq"]).ok();

    let dry = town.json(&["bead", "sync", "--dry-run"]);
    assert_eq!(
        (dry[1]["changed"].as_bool(), dry[1]["committed"].as_bool()),
        (Some(true), Some(true)),
        "{dry}"
    );
    assert!(!town.root.join("web/.beads/issues.jsonl").exists());
    let rows = town.json(&["bead", "sync", "--no-push"]);
    assert_eq!(
        (&rows[0]["rig"], &rows[0]["beads"], &rows[1]["rig"]),
        (&Value::Null, &json!(1), &json!("web"))
    );
    let file = fs::read_to_string(town.root.join("web/.beads/issues.jsonl")).unwrap();
    assert!(file.contains(&bead) && file.lines().count() == 1);
    assert!(fs::read_to_string(town.root.join(".beads/issues.jsonl")).unwrap().contains("Of the town"));
    assert_eq!(git(&["show", "beads-sync:.beads/issues.jsonl"]) + "\n", file);
    assert!(!origin.branches().contains(&"beads-sync".to_owned()), "nothing was pushed");

    // The first push, and nothing more to do; as `bd` users say it, too.
    let pushed = town.json(&["bead", "sync", "--rig", "web"]);
    assert_eq!(
        (pushed[0]["committed"].as_bool(), pushed[0]["pushed"].as_bool()),
        (Some(false), Some(true)),
        "{pushed}"
    );
    let mut bd = std::process::Command::new(town.root.join("bin/bd"));
    let said =
        bd.args(["sync", "--json"]).current_dir(&town.root).env_clear().envs(&town.env).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    assert_eq!(git(&["rev-list", "--count", "beads-sync"]), "1");
    assert_eq!(git(&["log", "-1", "--format=%an", "beads-sync"]), "overseer");

    // With a runtime, and work that lands: code and beads stay apart.
    let running = town.run();
    town.gastown(&["sling", &bead, "web"]).ok();
    town.event_of("bead.closed", &bead);
    let rows = town.json(&["bead", "sync", "--carrier", "socket"]);
    assert_eq!(
        (rows[1]["committed"].as_bool(), rows[1]["pushed"].as_bool()),
        (Some(true), Some(true)),
        "{rows}"
    );
    running.stop();
    assert!(origin.git(&["show", "beads-sync:.beads/issues.jsonl"]).contains("\"status\":\"closed\""));
    for (place, branches) in [
        (&repo_git, git(&["for-each-ref", "--format=%(refname)"])),
        (&origin.path, origin.git(&["for-each-ref", "--format=%(refname)"])),
    ] {
        for branch in
            branches.lines().filter(|name| !name.ends_with("/beads-sync") && !name.ends_with("HEAD"))
        {
            let files = repo::run(place, &["log", "--format=", "--name-only", branch]);
            assert!(!files.contains(".beads"), "{branch} has a bead file: {files}");
        }
    }
    assert_eq!(
        origin
            .git(&["log", "--format=", "--name-only", "beads-sync"])
            .replace(".beads/issues.jsonl", "")
            .trim(),
        ""
    );
}

#[test]
fn what_others_push_to_the_beads_is_taken_in_before_it_is_built_on() {
    let (town, origin) = Town::with_rig();
    town.bead("One", "true");
    town.gastown(&["bead", "sync"]).ok();
    // Somebody with a clone of their own adds a bead.
    let work = town.folder.join("theirs");
    repo::run(
        &town.folder,
        &["clone", "--quiet", "--branch", "beads-sync", origin.url(), work.to_str().unwrap()],
    );
    let file = work.join(".beads/issues.jsonl");
    let theirs = fs::read_to_string(&file).unwrap()
        + "{\"id\":\"web-theirs\",\"title\":\"Theirs\",\"priority\":2,\"updated_at\":\"2026-01-01T00:00:00Z\"}\n";
    fs::write(&file, theirs).unwrap();
    repo::run(&work, &["commit", "--quiet", "-am", "theirs"]);
    repo::run(&work, &["push", "--quiet"]);
    town.bead("Two", "true");
    let rows = town.json(&["bead", "sync", "--rig", "web"]);
    let warning = rows[0]["warning"].as_str().unwrap();
    assert!(
        warning.contains("1 lines there are newer or unknown here") && warning.contains("bead import"),
        "{warning}"
    );
    town.gastown(&["bead", "import", file.to_str().unwrap()]).ok();
    let rows = town.json(&["bead", "sync", "--rig", "web"]);
    assert_eq!((rows[0]["pushed"].as_bool(), rows[0]["beads"].as_u64()), (Some(true), Some(3)), "{rows}");
    assert_eq!(origin.git(&["show", "beads-sync:.beads/issues.jsonl"]).lines().count(), 3);
    assert!(origin.git(&["log", "--format=%s", "beads-sync"]).contains("theirs"));
}

#[test]
fn the_records_of_a_town_make_the_same_town_elsewhere() {
    let (town, _origin) = Town::with_rig();
    town.work("One", "echo one > one.txt");
    town.all_lands();
    let file = town.folder.join("issues.jsonl");
    fs::write(&file, export_of_elsewhere()).unwrap();
    town.gastown(&["bead", "import", file.to_str().unwrap()]).ok();
    let running = town.run();
    let out = town.folder.join("records.jsonl");
    town.gastown(&["ledger", "export", out.to_str().unwrap()]).ok();
    town.gastown(&["ledger", "import", out.to_str().unwrap(), "--json"]).refused(3, "runtime_is_up");
    running.stop();
    let text = town.gastown(&["ledger", "export"]).ok().stdout;
    assert_eq!(text, town.gastown(&["events", "--json"]).ok().stdout);
    fs::write(&out, &text).unwrap();
    town.gastown(&["ledger", "import", out.to_str().unwrap(), "--json"]).refused(5, "ledger_not_empty");

    let empty = Town::new();
    let broken: String =
        text.lines().enumerate().filter(|(n, _)| *n != 4).map(|(_, line)| format!("{line}\n")).collect();
    let bad = empty.folder.join("broken.jsonl");
    fs::write(&bad, broken).unwrap();
    let said = empty.gastown(&["ledger", "import", bad.to_str().unwrap(), "--json"]).refused(1, "bad_line");
    assert!(
        said["message"].as_str().unwrap().contains("line 5: record 5 is due here, not record 6"),
        "{said}"
    );
    assert_eq!(empty.json(&["ledger", "stats"])["records"], 0);

    let filled = empty.json(&["ledger", "import", out.to_str().unwrap()]);
    assert_eq!(filled["records"], text.lines().count());
    let (ours, theirs) = (town.json(&["ledger", "verify"]), empty.json(&["ledger", "verify"]));
    assert_eq!((&theirs["sound"], &theirs["hash"]), (&json!(true), &ours["hash"]));
    assert_eq!(empty.gastown(&["ledger", "export"]).ok().stdout, text);
    assert_eq!(empty.gastown(&["bead", "export"]).ok().stdout, town.gastown(&["bead", "export"]).ok().stdout);
}

/// The shape of a JSON value: keys and kinds. A list has the shape of its first value.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(values) => json!(values.first().map(shape)),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
    }
}

#[test]
fn the_json_of_the_commands_about_beads_has_its_shape() {
    let (town, _origin) = Town::with_rig();
    let record = json!({
        "assignee": "null", "close_reason": "null", "closed_at": "null", "created_at": "text",
        "created_by": "text", "dependencies": null, "description": "text", "id": "text",
        "issue_type": "text", "labels": null, "priority": "number", "rig": "text", "status": "text",
        "title": "text", "updated_at": "text",
    });
    let one = town.json(&["bead", "create", "--title", "One", "--rig", "web"]);
    assert_eq!(shape(&one), record);
    let one = one["id"].as_str().unwrap().to_owned();
    let two = town.json(&["bead", "create", "--title", "Two", "--rig", "web", "--label", "a"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(shape(&town.bead_shown(&one)), record);
    assert_eq!(shape(&town.json(&["bead", "list"]))["id"], "text");
    assert_eq!(town.json(&["bead", "update", &one, "--priority", "1"]), json!([one]));
    assert_eq!(town.json(&["bead", "dep", "add", &two, &one]), json!([two]));
    let dep = json!({"created_at": "text", "created_by": "text", "depends_on_id": "text", "issue_id": "text", "type": "text"});
    assert_eq!(shape(&town.bead_shown(&two)["dependencies"][0]), dep);
    // Any word is a link, but one of ours misspelt is not.
    town.gastown(&["bead", "dep", "add", &two, &one, "--type", "blokcs", "--json"]).refused(2, "usage");
    town.gastown(&["bead", "create", "--title", "x", "--type", "molecule", "--json"]).refused(2, "usage");
    assert_eq!(town.json(&["bead", "close", &one, "--reason", "done"]), json!([one]));
    let closed = shape(&town.bead_shown(&one));
    assert_eq!((&closed["closed_at"], &closed["close_reason"]), (&json!("text"), &json!("text")));
    let row = json!({
        "beads": "number", "changed": "bool", "commit": "text", "committed": "bool", "file": "text",
        "pushed": "bool", "rig": "text", "warning": "null",
    });
    assert_eq!(shape(&town.json(&["bead", "sync", "--rig", "web"])), row);
    let report = json!({
        "buried": "number", "created": "number", "deleted": null, "dry_run": "bool", "duplicates": "number",
        "errors": null, "held": "number", "kept_status": null, "loose_rows": "number", "other": {},
        "rows": "number", "stale": "number", "tombstones": "number", "unchanged": "number", "updated": "number",
    });
    let file = town.root.join("web/.beads/issues.jsonl");
    assert_eq!(shape(&town.json(&["bead", "import", file.to_str().unwrap()])), report);
}
