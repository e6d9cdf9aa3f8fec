//! OTP's rules, point by point: a table of its manual page's sentences, played on the pure decision, on real
//! actors, and on OTP itself where there is one; and scenes by chance, which must go the same way everywhere.

extern crate gastown_supervisors as supervisors;

mod actors;
mod oracle;
mod pure;
mod random;
mod scene;
mod table;

use scene::{Scene, Seen, settled};
use table::{OURS, Row, table};

/// Scenes by chance.
const SCENES: usize = 400;

/// They are the same ones every day, unless somebody wants others.
fn seed() -> u64 {
    std::env::var("GASTOWN_OTP_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121)
}

#[track_caller]
fn check(rows: &[Row], seen: &[Seen]) {
    let mut wrong = Vec::new();
    for (row, seen) in rows.iter().zip(seen) {
        let seen: Vec<String> = seen.iter().map(|line| settled(&row.scene.sup, line)).collect();
        if seen != row.seen {
            let Row { says, at, scene, seen: expected } = row;
            wrong.push(format!("{at}: {says}\n  {scene}\n  expected {expected:?}\n  seen     {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[track_caller]
fn compare(scenes: &[Scene], ours: &[Seen], theirs: &[Seen]) {
    let mut wrong = Vec::new();
    for ((scene, ours), theirs) in scenes.iter().zip(ours).zip(theirs) {
        let same = |seen: &Seen| seen.iter().map(|line| settled(&scene.sup, line)).collect::<Vec<_>>();
        if same(ours) != same(theirs) {
            wrong.push(format!("{scene}\n  one   {ours:?}\n  other {theirs:?}"));
        }
    }
    let shown = wrong.len().min(5);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), scenes.len(), wrong[..shown].join("\n"));
}

async fn on_actors(scenes: impl IntoIterator<Item = &Scene>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for scene in scenes {
        seen.push(actors::play(scene).await);
    }
    seen
}

#[test]
fn each_rule_holds_for_the_pure_decision() {
    let rows = table();
    check(&rows, &rows.iter().map(|row| pure::play(&row.scene)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn each_rule_holds_for_real_actors() {
    let rows = table();
    check(&rows, &on_actors(rows.iter().map(|row| &row.scene)).await);
}

#[test]
fn each_rule_is_what_otp_does() {
    let rows = table();
    if let Some(seen) = oracle::play(&rows.iter().map(|row| &row.scene).collect::<Vec<_>>()) {
        check(&rows, &seen);
    }
}

#[tokio::test(start_paused = true)]
async fn actors_do_what_was_decided_whatever_happens() {
    let scenes = random::scenes(seed(), SCENES);
    let decided: Vec<Seen> = scenes.iter().map(pure::play).collect();
    compare(&scenes, &decided, &on_actors(&scenes).await);
}

#[test]
fn what_was_decided_is_what_otp_does_whatever_happens() {
    let scenes = random::scenes(seed(), SCENES);
    if let Some(theirs) = oracle::play(&scenes.iter().collect::<Vec<_>>()) {
        compare(&scenes, &scenes.iter().map(pure::play).collect::<Vec<_>>(), &theirs);
    }
}

#[test]
fn the_table_names_its_source_and_what_is_done_otherwise() {
    let rows = table();
    assert!(rows.len() > 50, "{}", rows.len());
    for Row { says, at, .. } in &rows {
        assert!(!says.is_empty() && !at.is_empty());
    }
    // Each difference is told on the page of supervision too.
    let page = include_str!("../../../docs/supervision.md");
    for (what, why) in OURS {
        let line = format!("| {what} | {why} |");
        assert!(page.lines().any(|told| told == line), "docs/supervision.md lacks:\n{line}");
    }
}
