//! What is ready, against the definition spelled out by force: many random graphs of beads.
//!
//! The definition here is written as `bd` computes it: a mark `blocked` on every bead, set by one rule and
//! looked at again until nothing changes. It shares no code with the view.

use std::collections::{BTreeMap, BTreeSet};

use gastown_ledger::views::Board;
use model::bead::{Bead, DepType, Dependency, IssueType, Move, Priority, Status};
use model::event::{Event, Record};
use model::ids::{BeadId, Seq};
use model::role::Address;
use model::time::Timestamp;
use serde_json::{Value, json};

const GRAPHS: u64 = 10_000;
const NOW: i64 = 1_800_000_000_000;

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len() as u64) as usize].clone()
    }
}

fn id(n: u64) -> BeadId {
    format!("x-{n}").parse().unwrap()
}

fn bead(dice: &mut Dice, n: u64, of: u64) -> Bead {
    let at = Timestamp::from_millis(NOW - 1_000 * dice.roll(50) as i64);
    let status = match dice.roll(20) {
        0..11 => Status::Open,
        11..14 => Status::Closed,
        14 => Status::Pinned,
        15 => Status::of("tombstone").unwrap(),
        16 => Status::of("staged_ready").unwrap(),
        _ => dice.one_of(&[Status::InProgress, Status::Hooked, Status::Blocked, Status::Deferred]),
    };
    let words =
        ["task", "task", "task", "bug", "epic", "decision", "agent", "convoy", "message", "slot", "gate"];
    let kinds = [
        "blocks",
        "blocks",
        "parent-child",
        "parent-child",
        "parent-child",
        "waits-for",
        "conditional-blocks",
        "relates-to",
        "tracks",
    ];
    let gates = [
        json!("{}"),
        json!("{\"gate\":\"any-children\"}"),
        json!({"gate": "any-children"}),
        json!("nonsense"),
    ];
    let dependencies = (0..dice.roll(4)).map(|_| Dependency {
        issue_id: id(n),
        // Some point at beads that do not exist, some at the bead itself.
        depends_on_id: id(dice.roll(of + 2)),
        kind: DepType::of(dice.one_of(&kinds)).unwrap(),
        created_at: at.into(),
        created_by: String::new(),
        extra: match dice.roll(3) {
            0 => [("metadata".to_owned(), dice.one_of(&gates))].into(),
            _ => BTreeMap::new(),
        },
    });
    let dependencies = dependencies.collect();
    let mut extra: BTreeMap<String, Value> = BTreeMap::new();
    match dice.roll(25) {
        0 => drop(extra.insert("ephemeral".into(), json!(true))),
        1 => drop(extra.insert("pinned".into(), json!(1))),
        2 => drop(extra.insert("is_template".into(), json!(true))),
        3 => drop(extra.insert("defer_until".into(), json!("2100-01-01T00:00:00+01:00"))),
        4 => drop(extra.insert("defer_until".into(), json!("2000-01-01T00:00:00.123456Z"))),
        5 => drop(extra.insert("wisp".into(), json!(false))),
        _ => {}
    }
    Bead {
        id: id(n),
        title: String::new(),
        description: String::new(),
        acceptance_criteria: String::new(),
        status,
        priority: Priority::try_from(dice.roll(5) as u8).unwrap(),
        issue_type: IssueType::of(dice.one_of(&words)).unwrap(),
        assignee: None,
        rig: None,
        created_at: at.into(),
        updated_at: at.into(),
        created_by: String::new(),
        closed_at: None,
        close_reason: dice.one_of(&[None, Some("done".into()), Some("failed: no".into())]),
        dependencies,
        labels: Vec::new(),
        comments: Vec::new(),
        extra,
    }
}

/// The names of the ready beads, most urgent first, then oldest, by the definition.
fn by_force(beads: &BTreeMap<BeadId, Bead>) -> Vec<BeadId> {
    let status =
        |id: &BeadId| beads.get(id).map(|bead| bead.status.as_str()).filter(|word| *word != "tombstone");
    let over = |word: &str| word == "closed" || word == "pinned";
    let is_under_way = |id: &BeadId| status(id).is_some_and(|word| !over(word));
    let parts = |whole: &BeadId| -> Vec<&Bead> {
        let part = |bead: &&Bead| {
            bead.dependencies
                .iter()
                .any(|dep| dep.kind.as_str() == "parent-child" && dep.depends_on_id == *whole)
        };
        beads.values().filter(|bead| status(&bead.id).is_some()).filter(part).collect()
    };
    let gate = |dep: &Dependency| match dep.extra.get("metadata") {
        Some(Value::String(text)) => text.contains("any-children"),
        Some(value) => value["gate"] == "any-children",
        None => false,
    };
    let mut blocked: BTreeSet<&BeadId> = BTreeSet::new();
    let mut put_off: BTreeSet<&BeadId> = BTreeSet::new();
    loop {
        let before = (blocked.len(), put_off.len());
        for (id, bead) in beads {
            if status(id).is_none() {
                continue;
            }
            for dep in &bead.dependencies {
                let target = &dep.depends_on_id;
                let holds = match dep.kind.as_str() {
                    "blocks" => is_under_way(target),
                    "conditional-blocks" => status(target).is_some_and(|word| {
                        let reason = beads[target].close_reason.as_deref().unwrap_or_default();
                        word != "closed" || !reason.contains("failed")
                    }),
                    "parent-child" => blocked.contains(target),
                    "waits-for" => {
                        let parts = parts(target);
                        parts.iter().any(|part| is_under_way(&part.id))
                            && !(gate(dep) && parts.iter().any(|part| part.status.as_str() == "closed"))
                    }
                    _ => false,
                };
                if holds && is_under_way(id) {
                    blocked.insert(id);
                }
                if dep.kind.as_str() == "parent-child" && put_off.contains(target) {
                    put_off.insert(id);
                }
            }
            if bead.extra.get("defer_until").is_some_and(|until| until.as_str().unwrap().starts_with("2100"))
            {
                put_off.insert(id);
            }
        }
        if before == (blocked.len(), put_off.len()) {
            break;
        }
    }
    let records =
        ["merge-request", "gate", "molecule", "message", "agent", "role", "rig", "event", "convoy", "slot"];
    let marked = |bead: &Bead, mark: &str| {
        bead.extra.get(mark).is_some_and(|set| *set == json!(true) || *set == json!(1))
    };
    let mut ready: Vec<&Bead> = beads
        .values()
        .filter(|bead| bead.status.as_str() == "open" && !records.contains(&bead.issue_type.as_str()))
        .filter(|bead| !["pinned", "ephemeral", "wisp", "is_template"].iter().any(|mark| marked(bead, mark)))
        .filter(|bead| !blocked.contains(&bead.id) && !put_off.contains(&bead.id))
        .collect();
    ready.sort_by(|a, b| {
        let urgency = |bead: &Bead| (u8::from(bead.priority), bead.created_at.at());
        urgency(a).cmp(&urgency(b)).then_with(|| a.id.compare(&b.id))
    });
    ready.into_iter().map(|bead| bead.id.clone()).collect()
}

/// Something that frees beads or holds them up.
fn a_move(dice: &mut Dice, of: u64) -> Event {
    let bead = id(dice.roll(of));
    match dice.roll(4) {
        0 => Event::BeadClosed {
            bead,
            from: Status::Open,
            reason: dice.one_of(&["over", "it has failed"]).into(),
        },
        1 => {
            let to = dice.one_of(&[Status::Open, Status::Open, Status::Blocked]);
            Event::BeadStatusChanged { bead, from: Status::Open, to, by: Move::Edit, reason: None }
        }
        2 => Event::DepRemoved { bead, on: id(dice.roll(of)) },
        _ => {
            let kind = dice.one_of(&[DepType::Blocks, DepType::ParentChild, DepType::WaitsFor]);
            let created_at = Timestamp::from_millis(NOW).into();
            let dep = Dependency {
                issue_id: bead,
                depends_on_id: id(dice.roll(of)),
                kind,
                created_at,
                created_by: "overseer".into(),
                extra: Default::default(),
            };
            Event::DepAdded { dep }
        }
    }
}

/// The view says what the definition says, bead by bead and in its list, and does so as well when it was
/// written down and read again.
fn agrees(board: &Board, beads: &BTreeMap<BeadId, Bead>, graph: u64) {
    let now = Timestamp::from_millis(NOW);
    let expected = by_force(beads);
    let list =
        |board: &Board| -> Vec<BeadId> { board.beads.ready(now).map(|bead| bead.id.clone()).collect() };
    assert_eq!(list(board), expected, "graph {graph}: {beads:#?}");
    for bead in board.beads.iter() {
        let ready = expected.contains(&bead.id);
        assert_eq!(board.beads.is_ready(bead, now), ready, "{} of graph {graph}", bead.id);
    }
    if graph.is_multiple_of(16) {
        let bytes = rmp_serde::to_vec_named(board).unwrap();
        let again: Board = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(&again, board, "graph {graph}");
        assert_eq!(list(&again), expected, "graph {graph}");
    }
}

#[test]
fn what_is_ready_is_what_the_definition_says_on_many_random_graphs() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut found, mut seen) = (0, 0);
    for graph in 0..GRAPHS {
        let of = 1 + dice.roll(14);
        let beads: BTreeMap<BeadId, Bead> = (0..of).map(|n| (id(n), bead(&mut dice, n, of))).collect();
        let mut board = Board::default();
        // In any order, and some twice: the last counts.
        for (n, bead) in beads.values().rev().chain(beads.values().take(2)).enumerate() {
            board.apply(&Record {
                seq: Seq(n as u64 + 1),
                at: Timestamp::from_millis(NOW),
                actor: Address::Overseer,
                event: Event::BeadImported { bead: std::sync::Arc::new(bead.clone()) },
            });
        }
        agrees(&board, &beads, graph);
        let mut beads = beads;
        for _ in 0..3 {
            let event = a_move(&mut dice, of);
            let seq = board.head.next();
            let at = Timestamp::from_millis(NOW);
            board.apply(&Record { seq, at, actor: Address::Overseer, event });
            for bead in board.beads.iter() {
                beads.insert(bead.id.clone(), bead.clone());
            }
            agrees(&board, &beads, graph);
        }
        let expected = by_force(&beads);
        found += expected.len() as u64;
        seen += of;
    }
    // A test that finds nothing ready, or everything, would show nothing.
    assert!(found * 10 > seen && found * 2 < seen, "{found} of {seen} were ready");
}
