//! A runtime that dies, or whose store fails, at any of hundreds of named places (`src/faults`): nothing
//! acknowledged is lost, nothing is there twice, and every bead lands once (P1, P3, P4).
//!
//! One town is broken again and again while commands come in by the socket; then it is let alone, finishes
//! its work, and everything is counted. `GASTOWN_TORTURE=1` breaks it ten times as often;
//! `GASTOWN_TORTURE_SEED` changes the choice.

use std::collections::BTreeSet;

use crate::support::repo::Origin;
use crate::support::{Running, Town, eventually, find};

/// At calls of the store, and up to which time a round comes there.
const STORE: &[(&str, u64)] = &[
    ("ledger.open", 1),
    ("ledger.sled.opened", 1),
    ("ledger.journal.write", 5),
    ("ledger.journal.sync", 5),
    ("ledger.journal.synced", 5),
    ("ledger.sled.apply", 5),
    ("ledger.sled.applied", 5),
    ("ledger.publish", 5),
    ("ledger.sled.flush", 1),
    ("ledger.sled.sync", 1),
    ("ledger.sled.synced", 1),
    ("ledger.archive.write", 1),
    ("ledger.archive.written", 1),
    ("ledger.archive.sync", 1),
    // At an orderly end.
    ("ledger.snapshot", 1),
    ("ledger.replace.sync", 1),
    ("ledger.replace.rename", 1),
    ("ledger.replace.renamed", 1),
];

/// What an append that failed calls.
const MENDING: &[&str] = &["ledger.journal.take_back", "ledger.recover", "ledger.journal.wipe"];

/// At effects outside of the ledger.
const OUTSIDE: &[&str] = &[
    "git.branch.made",
    "git.worktree.add",
    "git.worktree.added",
    "git.worktree.remove",
    "git.worktree.renamed",
    "git.worktree.removed",
    "git.publish",
    "git.push",
    "git.pushed",
    "gate.run",
    "gate.ran",
    "pty.spawn",
    "pty.spawned",
    "pty.write",
    "feed.write",
    "feed.written",
];

/// Chance that can be had again.
struct Dice(u64);

impl Dice {
    fn new(of: u64) -> Dice {
        let seed = std::env::var("GASTOWN_TORTURE_SEED").ok().and_then(|text| text.parse().ok());
        Dice(seed.unwrap_or(7_u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

fn rounds() -> u64 {
    if std::env::var_os("GASTOWN_TORTURE").is_some_and(|value| value == "1") { 400 } else { 40 }
}

/// A town that is broken, and what it has acknowledged.
struct Victim {
    town: Town,
    origin: Origin,
    beads: BTreeSet<String>,
    sent: u64,
    acknowledged: Vec<String>,
    counter: String,
    counted: u64,
    /// How often it died where it was told to, and how often something else happened there.
    died: u64,
    broke: u64,
}

impl Victim {
    fn new() -> Victim {
        let (town, origin) = Town::with_rig();
        let counter = town.bead("count 0", "true");
        Victim {
            town,
            origin,
            beads: BTreeSet::new(),
            sent: 0,
            acknowledged: Vec::new(),
            counter,
            counted: 0,
            died: 0,
            broke: 0,
        }
    }

    /// Starts a runtime that breaks as `fault` says, and asks things of it until it dies or has answered
    /// enough.
    fn round(&mut self, fault: &str, dice: &mut Dice) -> Vec<String> {
        let mut command = self.town.command(&self.town.root, &["run"]);
        command.env("GASTOWN_FAULT", fault);
        let running = self.town.begin(command);
        // An answer before the socket is there comes from the command itself, under the lock.
        let wait = dice.below(3) > 0;
        if wait {
            eventually("the runtime answers or has died", || !running.lives() || self.town.answers());
        }
        for _ in 0..3 + dice.below(4) {
            self.ask(dice);
            if !running.lives() {
                break;
            }
        }
        if dice.below(3) == 0 && running.lives() {
            // Whether it answers is its own affair today; it may die of it.
            self.town.gastown(&["stop", "--json"]);
        }
        self.end(running)
    }

    /// What has broken.
    fn end(&mut self, running: Running) -> Vec<String> {
        let said = running.kill9_and_hear();
        let broken = said.lines().filter(|line| line.starts_with("fault at "));
        let broken: Vec<String> = broken.map(str::to_owned).collect();
        if broken.iter().any(|line| line.ends_with(": Kill")) {
            self.died += 1;
        } else if !broken.is_empty() {
            self.broke += 1;
        }
        broken
    }

    fn ask(&mut self, dice: &mut Dice) {
        match dice.below(6) {
            0 if self.beads.len() < 6 => {
                let n = self.sent;
                let script = format!("```sh\necho {n} > file-{n}.txt\n```\n");
                let title = format!("Work {n}");
                let words =
                    ["bead", "create", "--title", &title, "--rig", "web", "--description", &script, "--json"];
                let made = self.town.gastown(&words);
                if made.code == 0 {
                    let bead = made.json()["id"].as_str().unwrap().to_owned();
                    if self.town.gastown(&["sling", &bead, "web", "--json"]).code == 0 {
                        self.beads.insert(bead);
                    }
                }
                self.sent += 1;
            }
            1 => {
                let title = format!("count {}", self.counted + 1);
                let words = ["bead", "update", &self.counter, "--title", &title, "--json"];
                if self.town.gastown(&words).code == 0 {
                    self.counted += 1;
                }
            }
            _ => {
                self.sent += 1;
                let subject = format!("letter {}", self.sent);
                let words = ["mail", "send", "mayor/", "-s", &subject, "-m", "keep this", "--json"];
                if self.town.gastown(&words).code == 0 {
                    self.acknowledged.push(subject);
                }
            }
        }
    }

    #[track_caller]
    fn assert_kept(&self) {
        // A program that the dead one was just starting may hold its socket for a moment.
        let inbox = find("the mailbox can be read", || {
            let said = self.town.gastown(&["mail", "inbox", "mayor/", "--json"]);
            (said.code == 0).then(|| said.json())
        });
        let there: Vec<&str> =
            inbox.as_array().unwrap().iter().map(|row| row["subject"].as_str().unwrap()).collect();
        for subject in &self.acknowledged {
            let times = there.iter().filter(|one| *one == subject).count();
            assert_eq!(times, 1, "{subject} was acknowledged and is there {times} times");
        }
        for (n, subject) in there.iter().enumerate() {
            assert!(!there[..n].contains(subject), "{subject} is there twice");
        }
        let title = self.town.bead_shown(&self.counter)["title"].as_str().unwrap().to_owned();
        let now: u64 = title.strip_prefix("count ").unwrap().parse().unwrap();
        // The last one may have been written and not answered.
        assert!(now == self.counted || now == self.counted + 1, "{now} and {} acknowledged", self.counted);
    }

    #[track_caller]
    fn finish(&self) {
        self.assert_kept();
        let said = self.town.until_idle();
        assert_eq!(said.code, 0, "{said:?}\n{}", self.town.story());
        let landings = self.origin.landings();
        let once: BTreeSet<String> = landings.iter().cloned().collect();
        assert_eq!(landings.len(), once.len(), "landed twice: {landings:?}");
        assert!(self.beads.is_subset(&once), "{:?} were slung, {once:?} landed", self.beads);
        self.assert_kept();
        let verified = self.town.gastown(&["ledger", "verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
        self.town.assert_nothing_runs();
        eprintln!(
            "died {} times, broke {} times; {} letters, {} updates acknowledged, {} beads landed",
            self.died,
            self.broke,
            self.acknowledged.len(),
            self.counted,
            landings.len()
        );
    }
}

/// Breaks a town as `choose` says, again and again.
fn broken(of: u64, choose: impl Fn(&mut Dice) -> String) {
    let (mut victim, mut dice) = (Victim::new(), Dice::new(of));
    let rounds = rounds();
    for round in 0..rounds {
        let fault = choose(&mut dice);
        let before = victim.acknowledged.len();
        let said = victim.round(&fault, &mut dice);
        eprintln!("{round}: {fault}: {said:?}; acknowledged {:?}", &victim.acknowledged[before..]);
        if round % 10 == 9 || std::env::var_os("EACH").is_some() {
            victim.assert_kept();
        }
    }
    assert!(victim.died + victim.broke > rounds / 20, "{} and {}", victim.died, victim.broke);
    assert!(!victim.acknowledged.is_empty() && !victim.beads.is_empty());
    victim.finish();
}

#[test]
fn a_runtime_that_dies_at_any_place_loses_and_doubles_nothing() {
    broken(1, |dice| format!("*:{}:kill", 1 + dice.below(150)));
}

#[test]
fn a_runtime_whose_store_breaks_at_any_call_loses_and_doubles_nothing() {
    broken(2, |dice| {
        if dice.below(4) == 0 {
            let nth = 1 + dice.below(4);
            let then = dice.one(&["kill", "kill", "error"]);
            return format!("ledger.journal.sync:{nth}:error;{}:1:{then}", dice.one(MENDING));
        }
        let action = dice.one(&["kill", "kill", "kill", "error", "panic", "delay"]);
        let (place, last) = STORE[usize::try_from(dice.below(STORE.len() as u64)).unwrap()];
        format!("{place}:{}:{action}", 1 + dice.below(last))
    });
}

#[test]
fn a_runtime_that_dies_around_effects_outside_repeats_none_of_them() {
    broken(3, |dice| format!("{}:{}:kill", dice.one(OUTSIDE), 1 + dice.below(2)));
}
