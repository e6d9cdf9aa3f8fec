//! What is asked of a ledger that may not open at all, or that must not be open.

use std::fs;
use std::io::BufReader;
use std::path::Path;

use clerk::decide::permitted;
use config::TownPaths;
use ledger::fill::FillError;
use model::answer::Answer;
use model::command::{Command, LedgerQuestion, Origin};
use model::ids::Seq;
use model::ledger::{Check, Finding};
use model::refusal::Refusal;
use model::time::{Clock, SystemClock};

use super::{cannot_open, open_ledger};
use crate::lock::TownLock;

/// Answers `question` about the ledger of `town`, where that takes no open ledger; none for what does.
pub(super) fn ask(
    town: &Path,
    origin: &Origin,
    question: &LedgerQuestion,
) -> Option<Result<Answer, Refusal>> {
    match question {
        LedgerQuestion::Verify => Some(verify(town)),
        LedgerQuestion::Repair { dest } => {
            let allowed = permitted(origin, &Command::Ledger(question.clone()));
            Some(allowed.and_then(|()| repair(town, dest)))
        }
        LedgerQuestion::Import { file } => {
            let allowed = permitted(origin, &Command::Ledger(question.clone()));
            Some(allowed.and_then(|()| fill(town, file)))
        }
        LedgerQuestion::Compact { keep } => {
            let allowed = permitted(origin, &Command::Ledger(question.clone()));
            Some(allowed.and_then(|()| compact(town, keep.unwrap_or(ledger::compact::KEEP))))
        }
        LedgerQuestion::Stats | LedgerQuestion::Rebuild | LedgerQuestion::Export { .. } => None,
    }
}

/// A ledger that does not open is a finding, too.
fn verify(town: &Path) -> Result<Answer, Refusal> {
    let paths = TownPaths::new(town);
    let _lock = TownLock::for_command(&paths)?;
    let started = SystemClock.now();
    let check = match open_ledger(&paths) {
        Ok(store) => store.check(),
        Err(refusal) => {
            let mut findings = vec![Finding::new("log", None, refusal.message)];
            let saved = look(&paths, &mut findings);
            Check {
                sound: false,
                records: 0,
                head: saved,
                hash: String::new(),
                archived: Default::default(),
                findings,
                took_ms: u64::try_from(SystemClock.now().since(started).as_millis()).unwrap_or(u64::MAX),
            }
        }
    };
    Ok(Answer::LedgerChecked(Box::new(check)))
}

/// Saves what can be saved, for a look alone: adds what is wrong to `findings` and returns the newest record
/// that a repair would reach. Where that cannot be tried, what is known already has to do.
fn look(paths: &TownPaths, findings: &mut Vec<Finding>) -> Seq {
    let aside = paths.root().join("ledger.look");
    let _ = fs::remove_dir_all(&aside);
    let saved = ledger::repair::repair(&paths.ledger(), &aside);
    let _ = fs::remove_dir_all(&aside);
    let Ok(saved) = saved else { return Seq::default() };
    // That the log does not open is said already.
    findings.extend(saved.findings.into_iter().filter(|finding| finding.seq.is_some()));
    for lost in saved.lost {
        let what = format!("records {} to {} could not be saved: {}", lost.from, lost.to, lost.why);
        findings.push(Finding::new("ledger", lost.from, what));
    }
    saved.head
}

fn compact(town: &Path, keep: u64) -> Result<Answer, Refusal> {
    let paths = TownPaths::new(town);
    let _lock = TownLock::for_command(&paths)?;
    match ledger::compact::compact(&paths.ledger(), keep) {
        Ok(compacted) => Ok(Answer::LedgerCompacted(Box::new(compacted))),
        Err(error) => {
            let refusal = cannot_open(&error);
            Err(Refusal { message: error.to_string(), code: "cannot_compact".to_owned(), ..refusal })
        }
    }
}

fn repair(town: &Path, dest: &Path) -> Result<Answer, Refusal> {
    let paths = TownPaths::new(town);
    let _lock = TownLock::for_command(&paths)?;
    match ledger::repair::repair(&paths.ledger(), dest) {
        Ok(repaired) => Ok(Answer::LedgerRepaired(Box::new(repaired))),
        Err(error) => {
            let refusal = cannot_open(&error);
            Err(Refusal { message: error.to_string(), code: "cannot_repair".to_owned(), ..refusal })
        }
    }
}

/// Fills an empty ledger from the export of another.
fn fill(town: &Path, file: &Path) -> Result<Answer, Refusal> {
    let paths = TownPaths::new(town);
    let _lock = TownLock::for_command(&paths)?;
    let failed = |code: &str, message: String| Refusal::failed(code, message);
    let lines = fs::File::open(file)
        .map_err(|error| failed("cannot_read", format!("cannot read {}: {error}", file.display())))?;
    match ledger::fill::fill(&paths.ledger(), &mut BufReader::new(lines)) {
        Ok(filled) => Ok(Answer::LedgerFilled(filled)),
        Err(FillError::NotEmpty(head)) => Err(Refusal::forbidden(
            "ledger_not_empty",
            format!("the ledger holds {head} records already, and an import never mixes two histories"),
        )
        .hint("import into a new town: gastown install DIR, then gastown --town DIR ledger import FILE")),
        Err(FillError::Line { line, why }) => {
            Err(failed("bad_line", format!("{}, line {line}: {why}", file.display()))
                .hint("nothing was imported; the file must be as `gastown ledger export` wrote it"))
        }
        Err(FillError::Read(error)) => {
            Err(failed("cannot_read", format!("cannot read {}: {error}", file.display())))
        }
        Err(FillError::Ledger(error)) => Err(cannot_open(&error)),
    }
}
