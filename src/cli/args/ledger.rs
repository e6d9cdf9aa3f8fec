//! `ledger`, of the group town: what the store says of itself, and what can be saved of a broken one.

use clap::Subcommand;
use model::command::{Command, LedgerQuestion};
use model::refusal::Refusal;

use super::{Intent, Reading, elsewhere};

/// Check, measure and repair the ledger
#[derive(Debug, Subcommand)]
#[command(after_help = "verify and stats also ask a running town; rebuild and repair want it stopped. Exit \
                        code 1 when something is wrong.")]
pub(crate) enum Ledger {
    /// Look at every record, the board, the snapshot and the archive
    Verify,
    /// Drop the snapshot and fold the board again from all records
    Rebuild,
    /// Count records and bytes
    Stats,
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
        let question = match self {
            Ledger::Verify => LedgerQuestion::Verify,
            Ledger::Rebuild => LedgerQuestion::Rebuild,
            Ledger::Stats => LedgerQuestion::Stats,
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
