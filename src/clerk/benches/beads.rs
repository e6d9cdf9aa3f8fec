//! How long questions about beads take on large tables, and an import: `cargo bench -p gastown-clerk --bench beads`.
//!
//! A third of the beads is ready, a third is held up by another, a third is closed. Figures are printed, never
//! asserted.

use std::sync::Arc;
use std::time::Instant;

use gastown_clerk::draft::Draft;
use gastown_clerk::{choosing, imports};
use ledger::views::Board;
use model::bead::{Bead, Status};
use model::command::BeadFilter;
use model::event::{Event, Record};
use model::import::JsonLines;
use model::query;
use model::role::Address;
use model::time::Timestamp;
use serde_json::json;

const NOW: i64 = 1_800_000_000_000;

fn bead(n: usize) -> Bead {
    let closed = n % 3 == 2;
    let dependencies = if n % 3 == 1 {
        json!([{"issue_id": format!("web-{n}"), "depends_on_id": format!("web-{}", n - 1), "type": "blocks",
                "created_at": "2026-01-01T00:00:00Z", "created_by": "overseer"}])
    } else {
        json!([])
    };
    serde_json::from_value(json!({
        "id": format!("web-{n}"), "title": format!("bead number {n}"), "description": "x".repeat(200),
        "status": if closed { "closed" } else { "open" }, "priority": n % 5, "issue_type": "task",
        "created_at": Timestamp::from_millis(NOW - n as i64 * 1_000), "updated_at": Timestamp::from_millis(NOW - n as i64),
        "created_by": "overseer", "labels": [format!("l{}", n % 7)], "dependencies": dependencies,
    }))
    .expect("it is a bead")
}

fn board(count: usize) -> Board {
    let mut board = Board::default();
    for n in 0..count {
        let event = Event::BeadImported { bead: Arc::new(bead(n)) };
        let record = Record {
            seq: board.head.next(),
            at: Timestamp::from_millis(NOW),
            actor: Address::Overseer,
            event,
        };
        board.apply(&record);
    }
    board
}

/// The median and the worst of many runs, in milliseconds.
fn time(what: &str, rounds: usize, mut run: impl FnMut() -> usize) {
    let mut rows = 0;
    let mut took: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            rows = run();
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("| {what} | {rows} | {:.3} | {:.3} |", took[rounds / 2], took[rounds - 1]);
}

fn main() {
    let now = Timestamp::from_millis(NOW);
    println!("| question | rows | p50 ms | worst ms |\n|---|--:|--:|--:|");
    for count in [50_000, 500_000] {
        let mut board = board(count);
        let all = |limit| BeadFilter { limit, ..BeadFilter::default() };
        time(&format!("ready, {count}"), 100, || board.beads.ready(now).cloned().collect::<Vec<_>>().len());
        time(&format!("ready -n 100, {count}"), 100, || {
            board.beads.ready(now).take(100).cloned().collect::<Vec<_>>().len()
        });
        for (what, filter) in [
            ("list", all(None)),
            ("list -n 50", all(Some(50))),
            ("list --status closed -n 50", BeadFilter { status: vec![Status::Closed], ..all(Some(50)) }),
            (
                "query of two terms",
                BeadFilter {
                    query: Some(query::parse("priority<=1 AND label=l3", now).expect("it is a query")),
                    ..all(None)
                },
            ),
        ] {
            time(&format!("{what}, {count}"), 50, || {
                choosing::select(&board, &filter, now).map_or(0, |found| found.len())
            });
        }
        let mut n = 0;
        time(&format!("a bead closed and what it frees, {count}"), 1_000, || {
            let event = Event::BeadClosed { bead: bead(n).id, from: Status::Open, reason: "done".into() };
            n += 3;
            let record = Record { seq: board.head.next(), at: now, actor: Address::Overseer, event };
            board.apply(&record);
            1
        });
    }
    let lines: String =
        (0..6_000).map(|n| serde_json::to_string(&bead(n)).expect("it is JSON") + "\n").collect();
    let files = [JsonLines { name: String::new(), text: lines }];
    time("import read, decided and applied", 10, || {
        let mut board = Board::default();
        let prepared = imports::prepare(&files, false, false).expect("the lines are right");
        let mut draft = Draft::new(&board, Address::Overseer, now);
        imports::take_in(&mut draft, &prepared);
        for (actor, event) in draft.finish() {
            let record = Record { seq: board.head.next(), at: now, actor, event };
            board.apply(&record);
        }
        board.beads.len()
    });
}
