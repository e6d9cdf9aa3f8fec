use model::bead::{CommentId, DepType, IssueType, Priority, Status};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::{bead, rich_bead};

fn file(text: &str) -> Vec<JsonLines> {
    vec![JsonLines { name: String::new(), text: text.into() }]
}

fn one(line: &str) -> Bead {
    let import = import(&file(line));
    assert_eq!(import.errors, []);
    import.beads.into_iter().next().unwrap()
}

fn out(beads: &[Bead]) -> String {
    export(beads, |_| None)
}

/// A line comes out as it came, but for the order of its keys.
#[track_caller]
fn same(line: &str) {
    let mut before: Value = serde_json::from_str(line).unwrap();
    let mut after: Value = serde_json::from_str(&out(&[one(line)])).unwrap();
    before.sort_all_objects();
    after.sort_all_objects();
    assert_eq!(before.to_string(), after.to_string());
}

#[test]
fn out_and_in_again_is_the_same_and_so_are_the_bytes() {
    let beads = vec![bead("web-2"), rich_bead()];
    let text = out(&beads);
    let again = import(&file(&text));
    // What the rig means is decided by whoever takes the bead in.
    assert_eq!(again.beads[0].extra[FOREIGN_RIG], "web");
    assert_eq!(again.beads[1], bead("web-2"));
    assert_eq!(out(&again.beads), text);
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn lines_of_elsewhere_come_out_as_they_came() {
    same(
        r#"{"id":"gt-abc12","title":"Feature X","description":"...","status":"open","priority":2,"issue_type":"task","created_at":"2025-12-28T13:10:32Z","updated_at":"2025-12-28T13:10:32Z","created_by":"gastown/crew/max"}"#,
    );
    same(
        r#"{"_type":"issue","id":"x-1","title":"t","status":"staged_ready","priority":0,"issue_type":"molecule","rig":"not one of ours/x","created_at":"2026-01-08T20:29:18.61531-08:00","updated_at":"2026-01-08T20:29:18.615310123+01:00","closed_at":"2026-01-08T20:29:18.100Z","defer_until":"2030-01-01T00:00:00Z","owner":"a@b","ephemeral":true,"unheard":{"of":[1,0.1,null,{}]},"quiet":null,"dependency_count":0,"dependencies":[{"issue_id":"x-1","depends_on_id":"external:gt:gt-1","type":"tracks","created_at":"2026-01-08T20:29:18.6-08:00","created_by":"mayor","metadata":"{}","mood":["blue"]},{"issue_id":"x-1","depends_on_id":"gone-1","type":"related","created_at":"2026-01-08T20:29:18Z","created_by":"m"}],"comments":[{"id":7,"issue_id":"x-1","author":"a","text":"b","created_at":"2026-01-08T20:29:18.000Z"},{"id":"019d8068-bf7b","issue_id":"x-1","author":"a","text":"b","created_at":"2026-01-08T20:29:18Z","unknown":"kept"}]}"#,
    );
    same(
        r#"{"id":"x-9","title":"gone","status":"tombstone","priority":2,"issue_type":"task","created_at":"2026-01-08T20:29:18Z","updated_at":"2026-01-08T20:29:18Z","deleted_at":"2026-01-08T20:29:18.1-08:00","deleted_by":"x","delete_reason":"y","original_type":"bug"}"#,
    );
}

#[test]
fn fields_stand_in_the_order_of_bd_and_empty_ones_are_left_out() {
    let line = r#"{"zeta":"","content_hash":"","title":"t","id":"x-1","notes":"","labels":[],"assignee":null,"compacted_at":null,"compaction_level":0,"pinned":0,"ephemeral":1,"metadata":"{}","waiters":"","estimated_minutes":0,"owner":"o","design":"d","created_at":"2026-01-01T00:00:00Z"}"#;
    let expected = r#"{"id":"x-1","title":"t","design":"d","status":"open","priority":0,"issue_type":"task","owner":"o","estimated_minutes":0,"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","ephemeral":true,"zeta":""}"#;
    assert_eq!(out(&[one(line)]), format!("{expected}\n"));
}

#[test]
fn the_order_of_foreign_keys_does_not_show() {
    let a = one(r#"{"id":"x-1","title":"t","z":{"b":1,"a":{"d":1,"c":2}},"y":1}"#);
    let b = one(r#"{"id":"x-1","title":"t","y":1,"z":{"a":{"c":2,"d":1},"b":1}}"#);
    assert_eq!(out(&[a]), out(&[b]));
}

#[test]
fn what_is_missing_takes_its_default() {
    let bead = one(r#"{"id":"x-1","title":"t","assignee":"","closed_at":"","labels":null,"status":null}"#);
    let usual = (Status::Open, Priority::CRITICAL, IssueType::Task);
    assert_eq!((bead.status, bead.priority, bead.issue_type), usual);
    assert_eq!((bead.assignee, bead.closed_at), (None, None));
    assert_eq!(bead.created_at, bead.updated_at);
    let dep = r#"{"id":"x-1","title":"t","created_by":"me","dependencies":[{"depends_on_id":"x-3"}]}"#;
    let dep = one(dep).dependencies.remove(0);
    assert_eq!((dep.kind, dep.issue_id.as_str(), dep.created_by.as_str()), (DepType::Blocks, "x-1", "me"));
}

#[test]
fn comments_keep_their_numbers_and_their_names() {
    let ids = |comments: &str| -> Vec<CommentId> {
        let line = format!(r#"{{"id":"x-1","title":"t","comments":[{comments}]}}"#);
        one(&line).comments.into_iter().map(|comment| comment.id).collect()
    };
    let numbers = ids(r#"{"id":7,"text":"a"},{"text":"b","author":"max"},{"id":null,"text":"c"}"#);
    assert_eq!(numbers, [7.into(), 2.into(), 3.into()]);
    assert_eq!(ids(r#"{"id":"7","text":"a"}"#), [CommentId::Name("7".into())]);
}

#[test]
fn a_wrong_line_spoils_no_other_and_is_named() {
    let long = "x".repeat(200_000);
    let text = format!(
        "\u{feff}{{\"id\":\"x-1\",\"title\":\"{long}\"}}\r\n\n{}\n",
        [
            r#"{"id":"x-2","status":"tombstone"}"#,
            "<<<<<<< HEAD",
            "[1]",
            r#"{"title":"t"}"#,
            r#"{"id":"x-3","title":"t","status":5}"#,
            r#"{"id":"x-4","title":"t","priority":9}"#,
            "=======",
            ">>>>>>> theirs",
            r#"{"id":"external:a:b","title":"t"}"#,
            r#"{"id":"x-5"}"#,
            r#"{"id":"x-6","title":"t","created_at":"soon"}"#,
            r#"{"id":"x-7","title":"t"#,
        ]
        .join("\n")
    );
    let import = import(&file(&text));
    assert_eq!(import.beads.len(), 2);
    assert!(import.beads[1].status.is_tombstone());
    let lines: Vec<usize> = import.errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    assert!(import.errors[0].to_string().contains("line 4: \"<<<<<<<\" is the mark of a merge conflict"));
    assert_eq!(import.errors[4].why, "priority 9 is not between 0 and 4");
}

#[test]
fn of_several_lines_about_one_bead_the_last_counts() {
    let text = "{\"id\":\"x-1\",\"title\":\"a\"}\n{\"id\":\"x-2\",\"title\":\"b\"}\n{\"id\":\"x-1\",\"title\":\"c\"}\n";
    let import = import(&file(text));
    let titles: Vec<&str> = import.beads.iter().map(|bead| bead.title.as_str()).collect();
    assert_eq!((titles, import.duplicates), (vec!["c", "b"], 1));
}

#[test]
fn tables_that_were_dumped_beside_each_other_come_together() {
    let named = |name: &str, lines: &[&str]| JsonLines { name: name.into(), text: lines.join("\n") };
    let files = [
        named(
            "comments.jsonl",
            &[r#"{"author":"a","created_at":"2026-01-14T02:15:49Z","id":1,"issue_id":"x-1","text":"hm"}"#],
        ),
        named("config.jsonl", &[r#"{"key":"a","value":"b"}"#]),
        named(
            "dependencies.jsonl",
            &[
                r#"{"created_at":"2025-12-31T02:16:10Z","created_by":"m","depends_on_id":"x-2","issue_id":"x-1","type":"blocks"}"#,
                r#"{"created_at":"2025-12-31T02:16:10Z","created_by":"m","depends_on_id":"x-2","issue_id":"x-0","type":"blocks"}"#,
            ],
        ),
        named(
            "events.jsonl",
            &[r#"{"actor":"m","comment":null,"event_type":"created","id":1,"issue_id":"x-1"}"#],
        ),
        named("issues.jsonl", &[r#"{"id":"x-1","title":"t","hook_bead":""}"#]),
        named("labels.jsonl", &[r#"{"issue_id":"x-1","label":"b"}"#, r#"{"issue_id":"x-1","label":"a"}"#]),
        named(
            "more.jsonl",
            &[r#"{"_schema":"beads-jsonl/1"}"#, r#"{"_type":"memory","key":"k","value":"v"}"#],
        ),
        named("deletions.jsonl", &[r#"{"id":"x-5","ts":"2025-11-25T22:40:40Z","by":"s","reason":"r"}"#]),
    ];
    let import = import(&files);
    assert_eq!(import.errors, []);
    assert_eq!((import.rows, import.loose_rows), (4, 1));
    let other: Vec<&str> = import.other.keys().map(String::as_str).collect();
    assert_eq!(other, ["config", "deletion", "event", "header", "memory"]);
    let bead = &import.beads[0];
    assert_eq!((bead.dependencies.len(), bead.comments.len()), (1, 1));
    assert_eq!(bead.labels, ["a", "b"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever was taken in comes out with the same bytes again and again.
    #[test]
    fn what_was_read_once_never_changes_again(
        key in "[a-z_]{1,8}",
        word in "[a-z-]{1,12}",
        number in any::<f64>(),
        text in any::<String>(),
        nanos in 0_u32..1_000_000_000,
        hours in -12_i32..14,
    ) {
        let value = serde_json::json!({
            "id": "x-1", "title": text, "status": word, "issue_type": word,
            "created_at": format!("2026-01-31T12:00:00.{nanos}{}{:02}:00", if hours < 0 { '-' } else { '+' }, hours.abs()),
            format!("q{key}"): [number, -number, null, text, {"b": number, "a": text}],
            "dependencies": [{"depends_on_id": word, "type": word, key: text}],
            "comments": [{"id": text, "text": text, "author": word}],
        });
        let first = import(&file(&value.to_string()));
        prop_assert_eq!(&first.errors, &[]);
        let once = out(&first.beads);
        let second = import(&file(&once));
        prop_assert_eq!(&second.errors, &[]);
        prop_assert_eq!(out(&second.beads), once);
    }
}
