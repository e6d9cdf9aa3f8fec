//! `backup`, of the group town: copies of the town in a folder elsewhere, and a town from such a copy.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use model::command::Command;
use model::near;
use model::refusal::Refusal;

use super::{Intent, Reading, elsewhere};

/// Put a copy of the town into a folder, and make a town of such a copy
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "gastown backup DIR\n       gastown backup list|verify DIR\n       \
                      gastown backup restore DIR TOWN [--number N]",
    after_help = "Each backup adds what is new to DIR and can be restored by itself: all records, config, \
                  beads, formulas, plugins, the repository of every rig with all branches, and unsaved work \
                  in worktrees. The town may run meanwhile: what was acknowledged before is in it. Not in \
                  it: bin, run, logs, and what a project ignores.\n\n\
                  Examples:\n  gastown backup /mnt/backups/harbour\n  \
                  gastown backup verify /mnt/backups/harbour\n  \
                  gastown backup restore /mnt/backups/harbour ~/town"
)]
pub(crate) struct Backup {
    /// The folder of backups: a new one, or one with backups of this town
    #[arg(value_name = "DIR")]
    dir: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the backups in a folder
    #[command(alias = "ls")]
    List {
        /// The folder of backups
        dir: String,
    },
    /// Compare every file with what was written
    #[command(
        alias = "check",
        after_help = "Reads everything. Exit code 1 when something is wrong; the file is named."
    )]
    Verify {
        /// The folder of backups
        dir: String,
    },
    /// Make a town of a backup, on this machine or another
    #[command(
        after_help = "The backup is only read. Sessions that were open then are lost, as after a crash, and begun \
                            again by the next run; unsaved work lies in its worktree again, and on a branch \
                            rescue/WORKER/BEAD. Stop the town that the backup was taken of before you run this \
                            one: both would land on the same repositories.\n\n\
                            Example:\n  gastown backup restore /mnt/backups/harbour ~/town && cd ~/town && gastown run"
    )]
    Restore {
        /// The folder of backups
        dir: String,
        /// The folder for the town: new or empty
        #[arg(value_name = "TOWN")]
        into: String,
        /// Which backup; the newest when not given
        #[arg(long, short, value_name = "N")]
        number: Option<u32>,
    },
}

/// What is asked about a folder of backups; all paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Which backups there are.
    List {
        /// The folder.
        dir: PathBuf,
    },
    /// Whether they are as they were written.
    Verify {
        /// The folder.
        dir: PathBuf,
    },
    /// A town of one of them.
    Restore {
        /// The folder.
        dir: PathBuf,
        /// The folder for the town.
        town: PathBuf,
        /// Which; the newest when not given.
        number: Option<u32>,
    },
}

/// What may be meant by a word that stands where a command can.
const VERBS: [&str; 3] = ["list", "verify", "restore"];

/// Whether `dir` is rather a command that was mistyped than a new folder.
fn is_slip(dir: &str, at: &Path) -> bool {
    !dir.contains('/') && !at.exists() && !near::matches(dir, VERBS).is_empty()
}

impl Backup {
    /// What is asked.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        let Some(cwd) = &reading.cwd else {
            return Err(
                elsewhere("a folder cannot be named here").hint("run `gastown backup DIR` in a shell")
            );
        };
        let at = |path: String| -> PathBuf { Path::new(cwd).join(path) };
        Ok(match (self.verb, self.dir) {
            (Some(Verb::List { dir }), _) => Intent::Backups(Wish::List { dir: at(dir) }),
            (Some(Verb::Verify { dir }), _) => Intent::Backups(Wish::Verify { dir: at(dir) }),
            (Some(Verb::Restore { dir, into, number }), _) => {
                Intent::Backups(Wish::Restore { dir: at(dir), town: at(into), number })
            }
            (None, Some(dir)) if is_slip(&dir, &at(dir.clone())) => {
                let meant = near::matches(&dir, VERBS).into_iter().next().unwrap_or_default();
                return Err(Refusal::usage(format!(
                    "there is no folder {dir:?}, and no command of that name"
                ))
                .hint(format!("did you mean `gastown backup {meant}`? A new folder is ./{dir}")));
            }
            (None, Some(dir)) => Command::Backup { dir: at(dir) }.into(),
            (None, None) => {
                return Err(Refusal::usage("`gastown backup` wants the folder that backups go to")
                    .hint("for instance gastown backup /mnt/backups/town; see `gastown help backup`"));
            }
        })
    }
}
