use proptest::prelude::*;
use serde_json::json;

use super::*;

fn bead() -> Bead {
    serde_json::from_value(json!({
        "id": "web-4k2f", "title": "Fix the login", "status": "open", "priority": 1, "issue_type": "bug",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-09T00:00:00Z", "created_by": "web/crew/max",
        "labels": ["api", "urgent"], "assignee": "web/polecats/docs", "estimated_minutes": 30,
        "due_at": "2026-02-01T00:00:00Z", "metadata": "{\"team\":\"core\",\"n\":2}", "pinned": true,
    }))
    .unwrap()
}

fn now() -> Timestamp {
    "2026-01-10T00:00:00.000Z".parse().unwrap()
}

fn fits(text: &str) -> bool {
    parse(text, now()).unwrap_or_else(|error| panic!("{text}: {error}")).fits(&bead(), now())
}

#[test]
fn a_query_says_which_beads_are_meant() {
    for yes in [
        "status=open AND priority<=1 AND (label=a OR NOT type=feature) AND updated>7d",
        "status:open",
        "priority=P1 and type = BUG",
        "id=web-* and not id=api-*",
        "title=\"the login\"",
        "label=api label_is_a_word=x OR label=urgent".split(" label_is").next().unwrap(),
        "label!=docs",
        "created<7d",
        "created<2026-01-05",
        "due>tomorrow",
        "estimate>=30 AND estimate<31",
        "assignee!=none AND closed=none AND parent=none",
        "metadata.team=core AND metadata.n=2 AND metadata.x=none",
        "pinned=true AND ephemeral=false",
        "rig=hq",
        "creator=web/crew/max",
    ] {
        assert!(fits(yes), "{yes}");
    }
    for no in [
        "status=closed",
        "priority>1",
        "updated>12h",
        "label=none",
        "due<tomorrow",
        "NOT (status=open OR type=bug)",
    ] {
        assert!(!fits(no), "{no}");
    }
}

#[test]
fn a_wrong_query_says_where() {
    let wrong = |text: &str| parse(text, now()).unwrap_err().to_string();
    assert!(wrong("statsu=open").contains("\"status\""));
    assert!(wrong("status open").contains("at character 8"));
    assert!(wrong("(status=open").contains("not closed"));
    assert!(wrong("status=open)").contains("never opened"));
    assert!(wrong("status=open type=bug").contains("AND or OR"));
    assert!(wrong("title>x").contains("no order"));
    assert!(wrong("priority=9").contains("between 0 and 4"));
    assert!(wrong("").contains("a field is missing"));
    assert!(wrong(&"(".repeat(10_000)).contains("nested"));
}

proptest! {
    #[test]
    fn no_text_upsets_the_reader(text in "\\PC{0,60}") {
        let _ = parse(&text, now());
    }

    #[test]
    fn not_is_the_opposite(a in "(status=open|label=x|priority<2)", b in "(type=bug|updated>3d|title=z)") {
        prop_assert_eq!(fits(&format!("NOT ({a} AND {b})")), fits(&format!("NOT {a} OR NOT {b}")));
    }
}
