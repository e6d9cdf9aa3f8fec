//! A town whose disk is full, fails, or takes no writes: nothing acknowledged is lost, nothing refused has
//! happened, refusals and `status` say why, reads go on, and writing goes on by itself (P11).
//!
//! A layer under the store makes its calls fail (`src/ledger/tests/shim/`); it sees nothing but the ledger's
//! folder. Where a small file system can be mounted by an ordinary user, a real one is filled as well.

use std::fs;
use std::process::Command;

use crate::shim::{Control, NEVER, Number, Shim};
use crate::support::{Town, eventually};

type Trouble = (&'static str, fn(&Control));

/// What can be wrong: a name, and how the layer brings it about.
const TROUBLES: &[Trouble] = &[
    ("full", |control| control.set(Number::Room, 0).unwrap()),
    ("read-only", |control| control.set(Number::ReadOnly, 1).unwrap()),
    ("no sync goes well", |control| {
        control.set(Number::FailingFor, NEVER).unwrap();
        control.set(Number::FailingSync, 0).unwrap();
    }),
    ("no write goes well", |control| {
        control.set(Number::FailingFor, NEVER).unwrap();
        control.set(Number::FailingWrite, 0).unwrap();
    }),
];

/// A town with the layer under its ledger.
struct Sick {
    town: Town,
    shim: Shim,
    control: Control,
    acknowledged: Vec<String>,
    refused: Vec<String>,
}

impl Sick {
    fn new() -> Option<Sick> {
        let shim = Shim::build()?;
        let town = Town::new();
        let control = Control::new(&town.folder.join("control")).unwrap();
        Some(Sick { town, shim, control, acknowledged: Vec::new(), refused: Vec::new() })
    }

    fn under(&self, mut command: Command) -> Command {
        self.shim.under(&mut command, &self.town.root.join("ledger"), &self.control).unwrap();
        command
    }

    /// Sends a letter by `send` and notes what came of it.
    fn tell(&mut self, subject: String, said: &crate::support::town::Output) -> bool {
        if said.code == 0 {
            self.acknowledged.push(subject);
            return true;
        }
        let error = said.error();
        assert_eq!(error["code"], "read_only", "{said:?}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{said:?}");
        assert!(error["message"].as_str().unwrap().contains("nothing was changed"), "{said:?}");
        self.refused.push(subject);
        false
    }

    fn subjects(&self) -> Vec<String> {
        let inbox = self.town.json(&["mail", "inbox", "mayor/"]);
        let rows = inbox.as_array().unwrap();
        rows.iter().map(|row| row["subject"].as_str().unwrap().to_owned()).collect()
    }

    /// Everything acknowledged is there once, and nothing that was refused.
    fn assert_sound(&self, when: &str) {
        let there = self.subjects();
        for subject in &self.acknowledged {
            let times = there.iter().filter(|one| *one == subject).count();
            assert_eq!(times, 1, "{subject} after {when}: {there:?}");
        }
        assert!(!there.iter().any(|one| self.refused.contains(one)), "after {when}: {there:?}");
        let stores: Vec<String> = fs::read_dir(&self.town.root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains("ledger"))
            .collect();
        assert_eq!(stores, ["ledger"], "a second store after {when}");
    }
}

fn send(subject: &str) -> [&str; 8] {
    ["mail", "send", "mayor/", "-s", subject, "-m", "keep this", "--json"]
}

#[test]
fn a_living_town_refuses_while_its_disk_cannot_and_goes_on_by_itself() {
    let Some(mut sick) = Sick::new() else { return };
    let running = sick.town.begin(sick.under(sick.town.command(&sick.town.root, &["run"])));
    eventually("the runtime answers", || {
        running.assert_alive();
        sick.town.answers()
    });
    for (trouble, bring_about) in TROUBLES {
        let subject = format!("before {trouble}");
        let said = sick.town.gastown(&send(&subject));
        assert!(sick.tell(subject, &said), "{said:?}");

        bring_about(&sick.control);
        for n in 0..200 {
            let subject = format!("{trouble} {n}");
            let said = sick.town.gastown(&send(&subject));
            // What is left of the room may still take some.
            if !sick.tell(subject, &said) && n > 1 {
                break;
            }
        }
        let status = sick.town.json(&["status"])["town"].clone();
        assert_eq!(status["state"], "read_only", "{trouble}: {status}");
        let why = status["note"].as_str().unwrap_or_default().to_owned();
        assert!(!why.is_empty(), "{trouble}: {status}");
        let shown = sick.town.gastown(&["status"]).ok().stdout;
        assert!(shown.contains(&why), "{trouble}: {shown}");
        sick.assert_sound(trouble);

        sick.control.mend().unwrap();
        let subject = format!("after {trouble}");
        let said = sick.town.gastown(&send(&subject));
        assert!(sick.tell(subject, &said), "after {trouble}: {said:?}");
        assert_eq!(sick.town.json(&["status"])["town"]["state"], "running", "after {trouble}");
        sick.assert_sound(&format!("the end of {trouble}"));
    }
    assert!(sick.refused.len() >= TROUBLES.len());
    assert!(sick.control.get(Number::Failed).unwrap() >= TROUBLES.len() as u64);
    running.stop();
    let verified = sick.town.gastown(&["ledger", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    sick.assert_sound("the stop");
}

#[test]
fn without_a_runtime_a_command_is_refused_the_same_way_and_the_next_one_works() {
    let Some(mut sick) = Sick::new() else { return };
    for (trouble, bring_about) in TROUBLES {
        let subject = format!("before {trouble}");
        let said = sick.town.gastown(&send(&subject));
        assert!(sick.tell(subject, &said), "{said:?}");

        bring_about(&sick.control);
        let subject = format!("while {trouble}");
        let command = sick.under(sick.town.command(&sick.town.root, &send(&subject)));
        let said = sick.town.begin(command).wait();
        assert_ne!(said.code, 0, "{trouble}: {said:?}");
        let error = said.error();
        assert!(!error["message"].as_str().unwrap().is_empty(), "{trouble}: {said:?}");
        sick.refused.push(subject);

        sick.control.mend().unwrap();
        sick.assert_sound(trouble);
    }
    let verified = sick.town.gastown(&["ledger", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}
