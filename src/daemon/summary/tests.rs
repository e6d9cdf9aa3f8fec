use std::collections::BTreeSet;

use model::agent::Exit;
use model::bead::{Bead, Move, Priority};
use model::command::Sling;
use model::event::{Event, Record};
use model::merge::{GateResult, MergeRequest, Rejection};
use model::time::Timestamp;

use super::*;

/// A log in the making, one record a second.
#[derive(Default)]
struct Script {
    records: Vec<Record>,
    board: Board,
}

impl Script {
    fn say(&mut self, event: Event) -> &mut Self {
        let seq = Seq(self.records.len() as u64 + 1);
        let at = Timestamp::from_millis(1000 * i64::try_from(seq.0).unwrap());
        let record = Record { seq, at, actor: Address::Runtime, event };
        self.board.apply(&record);
        self.records.push(record);
        self
    }

    fn create(&mut self, id: &str) -> &mut Self {
        let bead: Bead = serde_json::from_value(serde_json::json!({
            "id": id, "title": format!("the work of {id}"), "status": "open", "priority": 2,
            "issue_type": "task", "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z", "created_by": "overseer",
        }))
        .unwrap();
        self.say(Event::BeadCreated { bead: std::sync::Arc::new(bead) })
    }

    fn sling(&mut self, id: &str) -> &mut Self {
        let (bead, rig) = (id.parse().unwrap(), "web".parse().unwrap());
        self.say(Event::BeadSlung { bead, rig, worker: None, sling: Sling::default() })
    }

    fn hook(&mut self, id: &str) -> &mut Self {
        let bead: BeadId = id.parse().unwrap();
        self.say(Event::BeadStatusChanged {
            bead: bead.clone(),
            from: Status::Open,
            to: Status::Hooked,
            by: Move::Hook,
            reason: None,
        });
        self.say(Event::HookSet { agent: worker(id), bead, mol: None, preset: None, args: None })
    }

    fn hand_in(&mut self, id: &str, attempt: u32) -> &mut Self {
        let bead: BeadId = id.parse().unwrap();
        self.say(Event::WorkDone {
            agent: worker(id),
            bead: bead.clone(),
            exit: Exit::Completed,
            branch: None,
            head: None,
            bundle: None,
            reason: None,
        });
        let merge = MergeRequest {
            id: mr(id),
            rig: "web".parse().unwrap(),
            bead,
            worker: worker(id),
            branch: "b".into(),
            head: "h".into(),
            priority: Priority::default(),
            submitted_at: Timestamp::default(),
            queued_at: Seq(0),
            attempts: attempt,
            faults: 0,
            tried_on: None,
            state: MergeState::Queued,
            gates: Vec::new(),
            landed_at: None,
            hot: false,
            kept: None,
        };
        self.say(Event::MqSubmitted { merge: Box::new(merge) })
    }

    fn gate(&mut self, id: &str, ms: u64) -> &mut Self {
        let result = GateResult {
            gate: "check".into(),
            command: "true".into(),
            commit: "c".into(),
            tree: "t".into(),
            passed: true,
            verdict: "passed".into(),
            duration_ms: ms,
            log: String::new(),
            base: String::new(),
            run: None,
            excerpt: String::new(),
        };
        self.say(Event::MqGate { merge: mr(id), result, with: Vec::new() })
    }

    fn reject(&mut self, id: &str) -> &mut Self {
        let rejection = Rejection::Conflict { files: vec!["a.txt".into()], base: "abc".into(), attempt: 1 };
        self.say(Event::MqRejected {
            merge: mr(id),
            bead: id.parse().unwrap(),
            worker: worker(id),
            rejection,
        })
    }

    fn land(&mut self, id: &str) -> &mut Self {
        let bead: BeadId = id.parse().unwrap();
        self.say(Event::MqLanded {
            merge: mr(id),
            bead: bead.clone(),
            worker: worker(id),
            commit: "0123456789abcdef".into(),
            target: "main".into(),
        });
        self.say(Event::BeadClosed { bead: bead.clone(), from: Status::Hooked, reason: "landed".into() });
        self.say(Event::HookCleared { agent: worker(id), bead, reason: "landed".into() })
    }

    fn told(&self, since: u64, aim: Aim) -> Summary {
        let mut chronicle = Chronicle::since(Seq(since));
        self.records.iter().for_each(|record| chronicle.take(record));
        Summary::told(&chronicle, &self.board, &BTreeSet::from(["web".parse().unwrap()]), aim)
    }
}

fn worker(id: &str) -> Address {
    format!("web/polecats/for-{id}").parse().unwrap()
}

fn mr(id: &str) -> MergeId {
    format!("mr-{id}").parse().unwrap()
}

#[test]
fn a_bead_that_came_back_once_has_all_its_times_and_its_reason() {
    let mut script = Script::default();
    script.create("web-1").sling("web-1").hook("web-1").hand_in("web-1", 1).gate("web-1", 300);
    script.reject("web-1").hand_in("web-1", 2).gate("web-1", 500).land("web-1");
    let summary = script.told(0, Aim::AllLand);
    assert_eq!((summary.exit, summary.not_landed.len(), summary.attention.len()), (0, 0, 0));
    let [landed] = summary.landed.as_slice() else { panic!("{:?}", summary.landed) };
    assert_eq!((landed.title.as_str(), landed.attempts), ("the work of web-1", 2));
    assert_eq!(landed.given_back, ["merge conflict in a.txt"]);
    // One record a second: 2 slung, 4 hooked, 5 handed in, 8 given back, 9 handed in, 12 landed.
    assert_eq!((landed.waiting_ms, landed.work_ms), (2000, 2000));
    assert_eq!((landed.queued_ms, landed.gate_ms, landed.total_ms), (5200, 800, 10_000));
    assert_eq!(summary.duration_ms, 13_000);
}

#[test]
fn what_has_not_landed_says_how_far_it_has_come() {
    let mut script = Script::default();
    script.create("web-1").create("web-2").create("web-3").create("web-4");
    script.sling("web-1").hook("web-1").hand_in("web-1", 1).reject("web-1").sling("web-2");
    script.sling("web-3").hook("web-3").hand_in("web-3", 1).land("web-3");
    let summary = script.told(0, Aim::Idle);
    assert_eq!(summary.exit, 1);
    let rows: Vec<(&str, &str, &str)> = summary
        .not_landed
        .iter()
        .map(|one| (one.bead.as_str(), one.state.as_str(), one.why.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("web-1", "rework at web/polecats/for-web-1", "merge conflict in a.txt"),
            ("web-2", "waiting for a worker of web", ""),
        ]
    );
}

#[test]
fn an_earlier_run_is_not_told_again() {
    let mut script = Script::default();
    script.create("web-1").sling("web-1").hook("web-1").hand_in("web-1", 1).land("web-1");
    let before = script.records.len() as u64;
    script.create("web-2").sling("web-2").hook("web-2").hand_in("web-2", 1).land("web-2");
    let summary = script.told(before, Aim::Idle);
    assert_eq!(summary.exit, 0);
    assert_eq!(summary.landed.len(), 1);
    assert_eq!(summary.landed[0].bead.as_str(), "web-2");
    assert_eq!(summary.duration_ms, 1000 * (script.records.len() as u64 - before - 1));
}

#[test]
fn people_read_what_landed_where_and_what_to_type() {
    let mut script = Script::default();
    script.create("web-1").sling("web-1").hook("web-1").hand_in("web-1", 1).reject("web-1");
    script.hand_in("web-1", 2).gate("web-1", 700).land("web-1").create("web-2").sling("web-2");
    let mut summary = script.told(0, Aim::Idle);
    let paths = TownPaths::new("/srv/my town");
    summary.town = "/srv/my town".into();
    summary.commands = commands(&summary, &paths);
    assert_eq!(
        summary.to_string(),
        "1 of 2 beads landed in 14 s.

  web-1  the work of web-1  web/polecats/for-web-1  main 0123456789ab
         waited 2.0 s, work 2.0 s, queue 4.3 s, gates 700 ms, total 9.0 s, 2 attempts
         given back: merge conflict in a.txt

Not landed:
  web-2  the work of web-2 (waiting for a worker of web)

The town lies in /srv/my town. To look at it:
  cd '/srv/my town'
  bin/gastown status
  bin/gastown why web-2
  git -C web/repo.git log --graph --oneline origin/main
  bin/gastown events
"
    );
}
