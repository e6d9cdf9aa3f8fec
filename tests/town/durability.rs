//! SIGKILL of the runtime between any two steps: nothing acknowledged is lost, each bead lands exactly
//! once, nothing is left running (P1, P3, P4, P9).
//!
//! `GASTOWN_TORTURE=1` tries every point in a town of its own, also at its second and third time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::repo::Origin;
use crate::support::{Town, eventually, find};

/// The steps of a bead's way, in the order in which a bead takes them.
const POINTS: &[&str] = &[
    "bead.slung",
    "hook.set",
    "sandbox.created",
    "agent.started",
    "hook.checked",
    "work.done",
    "mail.sent",
    "agent.stopped",
    "agent.verdict",
    "mq.submitted",
    "mq.rules",
    "mq.base",
    "mq.queue",
    "mail.acked",
    "mq.testing",
    "mq.gate",
    "mq.pushing",
    "mq.landed",
    "bead.closed",
    "sandbox.removed",
    "hook.cleared",
];

/// A town with three beads: two change the same line, and one breaks the gate at first.
struct Work {
    town: Town,
    origin: Origin,
    beads: BTreeSet<String>,
}

impl Work {
    fn new() -> Work {
        let (town, origin) = Town::with_rig();
        let mut work = Work { town, origin, beads: BTreeSet::new() };
        work.add("sed -i '2s/$/ left/' shared.txt");
        work.add("sed -i '2s/$/ right/' shared.txt");
        work.add(
            "if [ \"$GASTOWN_REWORK\" = gate ]; then rm -f broken; else echo c > c.txt; touch broken; fi",
        );
        work
    }

    fn add(&mut self, script: &str) {
        let title = format!("Bead {}", self.beads.len());
        let bead = self.town.work(&title, script);
        self.beads.insert(bead);
    }

    /// Runs the town and kills it at the `nth` event of `kind` that it records; false when all work was
    /// done before that.
    fn killed_at(&self, kind: &str, nth: usize) -> bool {
        let before = self.town.feed().last().map_or(0, |event| event["seq"].as_u64().unwrap());
        let running = self.town.start(&["run"]);
        let hit = find(&format!("{kind} or the end of all work"), || {
            running.assert_alive();
            let feed = self.town.feed();
            let count = |kind: &str, after: u64| {
                let of_kind = feed.iter().filter(|event| event["type"] == kind);
                of_kind.filter(|event| event["seq"].as_u64().unwrap() > after).count()
            };
            match (count(kind, before) >= nth, count("hook.cleared", 0) >= self.beads.len()) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            }
        });
        running.kill9();
        hit
    }

    /// Makes a bead under the lock that a dead runtime has just let go.
    fn made_at_once(&self, title: &str) -> String {
        let words = ["bead", "create", "--title", title, "--rig", "web", "--json"];
        let made = find("a bead is made", || {
            let said = self.town.gastown(&words);
            // A child that the runtime was about to start may hold its socket for another moment.
            (said.code == 0 || said.error()["code"] != "connection_lost").then_some(said)
        });
        made.ok().json()["id"].as_str().unwrap().to_owned()
    }

    /// Beads that were made and acknowledged, of which no work is wanted.
    #[track_caller]
    fn assert_kept(&self, kept: &[String]) {
        let beads = self.town.json(&["bead", "list"]);
        let ids: BTreeSet<&str> =
            beads.as_array().unwrap().iter().map(|bead| bead["id"].as_str().unwrap()).collect();
        for bead in kept {
            assert!(ids.contains(bead.as_str()), "{bead} was acknowledged and is lost: {ids:?}");
        }
    }

    /// Lets the town finish, and looks whether everything is as if nobody had ever been killed.
    #[track_caller]
    fn finish(&self, points: &str) {
        let said = self.town.until_idle();
        assert_eq!(said.code, 0, "after kills at {points}: {said:?}\n{}", self.town.story());
        self.as_if_nothing_had_happened(points);
    }

    #[track_caller]
    fn as_if_nothing_had_happened(&self, points: &str) {
        let landings = self.origin.landings();
        let once: BTreeSet<String> = landings.iter().cloned().collect();
        assert_eq!(once, self.beads, "after kills at {points}");
        assert_eq!(landings.len(), self.beads.len(), "landed twice after kills at {points}: {landings:?}");
        let line = self.origin.file("shared.txt").lines().nth(1).unwrap().to_owned();
        assert!(line.matches("left").count() == 1 && line.matches("right").count() == 1, "{line}");
        assert_eq!(self.origin.git(&["ls-tree", "--name-only", "main", "broken"]), "");

        let all = self.town.gastown(&["events", "--json"]).ok().json_lines();
        let mut landed = BTreeMap::<&str, usize>::new();
        let (mut hooked, mut closed) = (BTreeMap::<&str, &str>::new(), 0);
        for (n, event) in (1..).zip(&all) {
            assert_eq!(event["seq"], n, "a gap in the log after kills at {points}");
            let text = |key: &str| event["data"][key].as_str().unwrap_or_default();
            match event["type"].as_str().unwrap() {
                "mq.landed" => *landed.entry(text("bead")).or_default() += 1,
                "hook.set" => {
                    assert!(
                        hooked.insert(text("agent"), text("bead")).is_none(),
                        "two beads on a hook: {event}"
                    );
                    let holders = hooked.values().filter(|bead| **bead == text("bead")).count();
                    assert_eq!(holders, 1, "one bead on two hooks: {event}");
                }
                "hook.cleared" => {
                    assert!(hooked.remove(text("agent")).is_some(), "{event}");
                }
                "bead.closed" => closed += 1,
                _ => {}
            }
        }
        assert!(landed.values().all(|times| *times == 1), "{landed:?}");
        assert_eq!((landed.len(), closed, hooked.len()), (self.beads.len(), self.beads.len(), 0));
        one_verdict_per_session(&all, points);
        each_letter_once(&all, points);
        self.town.assert_nothing_runs();
        assert!(
            !self.town.json(&["status"])["queue"].as_array().unwrap().iter().any(|m| m["state"] != "landed")
        );
        // What is put aside while a worktree is repaired may stay; it is never thrown away blindly.
        let left: Vec<String> = std::fs::read_dir(self.town.root.join("web/polecats"))
            .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .map(|names| names.filter(|name| !name.contains(".rescued-")).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "worktrees are left after kills at {points}: {left:?}");
    }
}

#[track_caller]
fn one_verdict_per_session(all: &[Value], points: &str) {
    let count = |kind: &str| {
        let mut counts = BTreeMap::<&str, usize>::new();
        for event in all.iter().filter(|event| event["type"] == kind) {
            *counts.entry(event["data"]["session"].as_str().unwrap()).or_default() += 1;
        }
        counts
    };
    assert_eq!(count("agent.started"), count("agent.verdict"), "after kills at {points}");
}

#[track_caller]
fn each_letter_once(all: &[Value], points: &str) {
    let ids = |kind: &str, path: &str| -> Vec<String> {
        let of_kind = all.iter().filter(|event| event["type"] == kind);
        of_kind.map(|event| event["data"].pointer(path).unwrap().as_str().unwrap().to_owned()).collect()
    };
    let (mut sent, mut acked) = (ids("mail.sent", "/letter/id"), ids("mail.acked", "/mail"));
    sent.sort();
    acked.sort();
    assert_eq!(sent, acked, "a letter was lost or handled twice after kills at {points}");
}

fn torture() -> bool {
    std::env::var_os("GASTOWN_TORTURE").is_some_and(|value| value == "1")
}

/// Kills one town at each of `points`, one after another, then lets it finish.
fn killed_at_each_of(points: &[&str]) {
    let work = Work::new();
    let mut kept = Vec::new();
    for point in points {
        work.killed_at(point, 1);
        kept.push(work.made_at_once(&format!("Made after a kill at {point}")));
        work.assert_kept(&kept);
    }
    work.finish(&points.join(", "));
    work.assert_kept(&kept);
}

#[test]
fn a_runtime_that_is_killed_on_the_way_to_the_queue_loses_and_doubles_nothing() {
    killed_at_each_of(&POINTS[..9]);
}

#[test]
fn a_runtime_that_is_killed_while_it_lands_lands_each_bead_once() {
    killed_at_each_of(&POINTS[9..]);
}

#[test]
fn all_of_it_wherever_the_kill_falls() {
    if !torture() {
        return;
    }
    let mut failed = Vec::new();
    for (nth, point) in (1..=3).flat_map(|nth| POINTS.iter().map(move |point| (nth, point))) {
        let tried = std::panic::catch_unwind(|| {
            let work = Work::new();
            let hit = work.killed_at(point, nth);
            eprintln!("{point} {nth}: {}", if hit { "killed" } else { "done before" });
            work.finish(&format!("{point} {nth}"));
        });
        if tried.is_err() {
            failed.push(format!("{point} {nth}"));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    killed_at_each_of(POINTS);
}

#[test]
fn what_a_killed_runtime_acknowledged_is_there_at_the_next_start() {
    let (town, _origin) = Town::with_rig();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let running = town.run();
        for n in 0..5 {
            let bead = town.bead(&format!("Bead {round}.{n}"), "true");
            let sent = town.json(&["mail", "send", "mayor/", "-s", &bead, "-m", "keep this"]);
            acknowledged.push((bead, sent));
        }
        running.kill9();
    }
    let beads = town.json(&["bead", "list"]);
    let inbox = town.json(&["mail", "inbox", "mayor/"]);
    for (bead, _) in &acknowledged {
        assert!(beads.as_array().unwrap().iter().any(|row| row["id"] == bead.as_str()), "{bead} is lost");
        let letters = inbox.as_array().unwrap().iter().filter(|row| row["subject"] == bead.as_str());
        assert_eq!(letters.count(), 1, "the letter about {bead}");
    }
    town.assert_nothing_runs();
}

#[test]
fn agents_and_gates_of_a_killed_runtime_end_with_it() {
    let town = Town::new();
    let seen = town.folder.join("seen");
    let gate = format!("slow=touch {}; (setsid sleep 1000 &); sleep 1000", seen.display());
    town.rig("web", &["--gate", &gate]);
    let at_work = town.work("At work", "(setsid sleep 1000 &); sleep 1000");
    town.work("In the gate", "echo x > x.txt");
    let running = town.run();
    eventually("one is gated", || seen.exists());
    town.event_of("hook.checked", &at_work);
    eventually("something sleeps below", || {
        town.processes().iter().any(|(_, what)| what.contains("sleep 1000"))
    });
    running.kill9();
    // What was let go from its group is ended by the next runtime at the latest.
    let next = town.run();
    next.signal(rustix::process::Signal::TERM);
    assert_eq!(next.wait().code, 0);
    town.assert_nothing_runs();
}
