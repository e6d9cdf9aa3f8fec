//! `ledger`, of the group town: what the store says of itself, and what can be saved of a broken one.

use clap::Subcommand;
use model::command::{Command, LedgerQuestion};
use model::refusal::Refusal;

use super::{Intent, Reading, elsewhere};

/// Check, measure and repair the ledger
#[derive(Debug, Subcommand)]
#[command(
    after_help = "verify, stats and export also ask a running town; rebuild, compact, repair and import want it stopped. Exit \
                        code 1 when something is wrong."
)]
pub(crate) enum Ledger {
    /// Look at every record, the board, the snapshot and the archive
    Verify,
    /// Drop the snapshot and fold the board again from all records
    Rebuild,
    /// Count records and bytes
    Stats,
    /// Print all records as JSON lines, one each, as `events --json` does
    Export {
        /// The file to write, as a whole; standard output when not given
        #[arg(value_name = "FILE")]
        file: Option<String>,
    },
    /// Fill the empty ledger of a new town with the records of an export
    #[command(
        after_help = "The same numbers, times, actors and events: the town is what it was, and its own export has \
                            the same bytes. All or nothing; a ledger that holds records is refused."
    )]
    Import {
        /// What `ledger export` wrote
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Leave old records to the archive alone, and give their room in the store back
    #[command(
        after_help = "No answer changes: events, mail and verify see all records as before, the old ones read \
                      from ledger/archive. Everything is checked before anything is dropped. The archive is \
                      then the only copy of old records on this disk: keep backups (gastown help backup)."
    )]
    Compact {
        /// How many of the newest records stay in the store; 10000 when not given
        #[arg(long, value_name = "N")]
        keep: Option<u64>,
    },
    /// Save all that is sound into a new ledger
    #[command(
        after_help = "The old ledger is only read. DEST is new or empty; when it is as you want it, put it \
                            in the place of the folder `ledger` of the town. Exit code 1 when something could \
                            not be saved."
    )]
    Repair {
        /// The folder for the new ledger
        dest: String,
    },
}

impl Ledger {
    /// What is asked.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        let no_files = || elsewhere("a file cannot be named here").hint("run `gastown ledger` in a shell");
        let question = match self {
            Ledger::Export { file: None } => return Ok(Intent::ExportLedger(None)),
            Ledger::Export { file: Some(file) } => {
                let cwd = reading.cwd.as_ref().ok_or_else(no_files)?;
                return Ok(Intent::ExportLedger(Some(cwd.join(file))));
            }
            Ledger::Import { file } => {
                let cwd = reading.cwd.as_ref().ok_or_else(no_files)?;
                LedgerQuestion::Import { file: cwd.join(file) }
            }
            Ledger::Verify => LedgerQuestion::Verify,
            Ledger::Rebuild => LedgerQuestion::Rebuild,
            Ledger::Stats => LedgerQuestion::Stats,
            Ledger::Compact { keep } => LedgerQuestion::Compact { keep },
            Ledger::Repair { dest } => {
                let Some(cwd) = &reading.cwd else {
                    return Err(elsewhere("a folder cannot be named here")
                        .hint("run `gastown ledger repair DEST` in a shell"));
                };
                LedgerQuestion::Repair { dest: cwd.join(dest) }
            }
        };
        Ok(Command::Ledger(question).into())
    }
}
