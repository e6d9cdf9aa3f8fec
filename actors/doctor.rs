//! A look at everything that a town stands on, at once, with what can be mended on the spot.
//!
//! Reads, and with `fix` mends only what can be made anew from something that is sound: the board from its
//! records, links to this program. Nothing that somebody has made is ever changed.

mod escalations;

use std::path::Path;

use config::{LiveConfig, TownPaths};
use ledger::Store;
use model::answer::{Examined, Health};
use model::ids::RigName;
use model::ledger::Finding;
use model::role::Role;
use model::time::Timestamp;

use crate::rigs;
use crate::survey::{self, Believed};

/// A letter for code that has lain for so long, in seconds, is one that nobody handles.
const FORGOTTEN: u64 = 600;

/// What is looked at.
#[derive(Debug)]
pub struct Patient<'a> {
    /// Its ledger.
    pub store: &'a Store,
    /// Its configuration.
    pub config: &'a LiveConfig,
    /// Where its things are.
    pub paths: &'a TownPaths,
    /// This program's file.
    pub program: Option<&'a Path>,
    /// Whether a runtime is up, which alone may then exchange the board.
    pub live: bool,
    /// When.
    pub now: Timestamp,
}

struct Report(Vec<Examined>);

impl Report {
    fn say(&mut self, check: &str, scope: impl Into<String>, status: Health, detail: impl Into<String>) {
        let (check, scope, detail) = (check.to_owned(), scope.into(), detail.into());
        self.0.push(Examined { check, scope, status, detail, fixed: false });
    }

    fn fixed(&mut self, check: &str, scope: impl Into<String>, detail: impl Into<String>) {
        self.say(check, scope, Health::Ok, detail);
        if let Some(last) = self.0.last_mut() {
            last.fixed = true;
        }
    }
}

/// Looks at everything, in the order in which it should be mended. Blocks: it reads the whole ledger.
pub fn examine(patient: &Patient<'_>, fix: bool) -> Vec<Examined> {
    let mut report = Report(Vec::new());
    records(patient, fix, &mut report);
    disk(patient, &mut report);
    configuration(patient, &mut report);
    programs(patient, fix, &mut report);
    repositories(patient, &mut report);
    reality(patient, &mut report);
    report.0.extend(crate::programs::examine(&patient.config.current().presets));
    mail(patient, &mut report);
    escalations::look(patient, &mut report);
    report.0
}

/// Whether the board, which is a cache, is what its records add up to, and whether they are sound.
fn records(patient: &Patient<'_>, fix: bool, report: &mut Report) {
    let check = patient.store.check();
    if check.sound {
        report.say("ledger", "town", Health::Ok, format!("{} records, head {}", check.records, check.head));
        return;
    }
    let cached = |finding: &Finding| {
        matches!(finding.place.as_str(), "board" | "snapshot")
            || finding.what.contains("snapshot of the board")
    };
    let (board, others): (Vec<_>, Vec<_>) = check.findings.into_iter().partition(cached);
    if !board.is_empty() {
        let what: Vec<String> = board.iter().map(told).collect();
        match (fix, patient.live) {
            (true, false) => match patient.store.rebuild() {
                Ok(_) => report.fixed("board", "town", "folded again from its records"),
                Err(error) => report.say("board", "town", Health::Fail, error.to_string()),
            },
            (_, true) => {
                let how = "gastown stop, then gastown doctor --fix";
                report.say("board", "town", Health::Fail, format!("{}; {how}", what.join("; ")));
            }
            (false, false) => {
                report.say(
                    "board",
                    "town",
                    Health::Fail,
                    format!("{}; gastown doctor --fix", what.join("; ")),
                );
            }
        }
    }
    for finding in &others {
        let how = "gastown stop, then gastown ledger repair DEST";
        report.say("ledger", "town", Health::Fail, format!("{}; {how}", told(finding)));
    }
}

fn told(finding: &Finding) -> String {
    match finding.seq {
        Some(seq) => format!("{}, record {seq}: {}", finding.place, finding.what),
        None => format!("{}: {}", finding.place, finding.what),
    }
}

fn disk(patient: &Patient<'_>, report: &mut Report) {
    match patient.store.read_only() {
        None => report.say("disk", "town", Health::Ok, "the ledger can be written"),
        Some(error) => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            report.say("disk", "town", Health::Fail, format!("{error}{hint}"));
        }
    }
}

fn configuration(patient: &Patient<'_>, report: &mut Report) {
    let complaints = rigs::complaints(patient.config);
    if complaints.is_empty() {
        report.say("config", "town", Health::Ok, "every file is valid");
    }
    for complaint in complaints {
        report.say("config", "town", Health::Fail, complaint);
    }
}

/// The programs that a town needs: git, those of its agents, and its own under its other names.
fn programs(patient: &Patient<'_>, fix: bool, report: &mut Report) {
    match git::version() {
        Ok(version) => report.say("git", "town", Health::Ok, version.to_string()),
        Err(error) => report.say("git", "town", Health::Fail, error.to_string()),
    }
    let config = patient.config.current();
    let rigs = config.rigs.keys().map(|rig| (Some(rig), Role::Polecat));
    for (rig, role) in std::iter::once((None, Role::Mayor)).chain(rigs) {
        let scope = rig.map_or_else(|| "town".to_owned(), RigName::to_string);
        match config.preset(rig, role, None) {
            Ok(preset) => report.say("agent", scope, Health::Ok, format!("{} runs {}", role, preset.name)),
            Err(refusal) => {
                let hint = refusal.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                report.say("agent", scope, Health::Fail, format!("{}{hint}", refusal.message));
            }
        }
    }
    let broken: Vec<&str> =
        ["gastown", "gt", "bd"].into_iter().filter(|name| !patient.paths.bin().join(name).exists()).collect();
    match (broken.as_slice(), patient.program) {
        ([], _) => report.say("bin", "town", Health::Ok, "gastown, gt and bd are there"),
        (_, Some(program)) if fix => match config::install::link_binaries(patient.paths, program) {
            Ok(()) => report.fixed("bin", "town", format!("{} linked again", broken.join(", "))),
            Err(error) => report.say("bin", "town", Health::Fail, error.to_string()),
        },
        _ => {
            let detail = format!("{} not to be found in bin; gastown doctor --fix", broken.join(", "));
            report.say("bin", "town", Health::Warn, detail);
        }
    }
}

fn repositories(patient: &Patient<'_>, report: &mut Report) {
    for (name, rig) in &patient.config.current().rigs {
        let opened = git::Repo::open(patient.paths.rig(name).repo_git());
        match opened.and_then(|repo| repo.tracked_head(&rig.default_branch)) {
            Ok(Some(head)) => {
                let detail = format!("{} is at {head}", rig.default_branch);
                report.say("repository", name.to_string(), Health::Ok, detail);
            }
            Ok(None) => {
                let detail = format!("there is no branch {} at {}", rig.default_branch, rig.git_url);
                report.say("repository", name.to_string(), Health::Fail, detail);
            }
            Err(error) => report.say("repository", name.to_string(), Health::Fail, error.to_string()),
        }
    }
}

/// Whether what is on this machine is as the ledger has it: worktrees, branches, hooks.
fn reality(patient: &Patient<'_>, report: &mut Report) {
    let config = patient.config.current();
    let believed = patient.store.read(|board| Believed::of(board, &config, patient.paths));
    let differences = survey::look(&believed).differences;
    if differences.is_empty() {
        let known = patient
            .store
            .read(|board| board.agents.iter().filter(|(_, agent)| agent.sandbox.is_some()).count());
        report.say("reality", "town", Health::Ok, format!("{known} worktrees, each as the ledger has it"));
    }
    for found in differences {
        let of = found.agent.as_ref().map(ToString::to_string);
        let scope =
            of.or_else(|| found.rig.as_ref().map(ToString::to_string)).unwrap_or_else(|| "town".to_owned());
        // What is settled by itself at the next start is no illness, but whoever asks wants to know.
        let when = if found.open { "" } else { "with the next start: " };
        report.say("reality", scope, Health::Warn, format!("{}; {when}{}", found.found, found.settled));
    }
}

fn mail(patient: &Patient<'_>, report: &mut Report) {
    let (dead, forgotten) = patient.store.read(|board| {
        let old = |post: &&ledger::views::mail::Post| {
            post.letter.kind.is_for_code() && patient.now.since(post.letter.sent_at).as_secs() > FORGOTTEN
        };
        (board.mail.dead().count(), board.mail.all_unacked().filter(old).count())
    });
    if dead > 0 {
        report.say("mail", "town", Health::Warn, format!("{dead} dead letters; see gastown mail dead"));
    }
    // Without a runtime nobody handles anything, which is no illness.
    if forgotten > 0 && patient.live {
        let detail = format!("{forgotten} letters for the town's code have lain for {} min", FORGOTTEN / 60);
        report.say("mail", "town", Health::Warn, detail);
    }
    if dead == 0 && (forgotten == 0 || !patient.live) {
        report.say("mail", "town", Health::Ok, "no dead letters, and none that is forgotten");
    }
}
