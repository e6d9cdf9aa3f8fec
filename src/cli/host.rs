//! What the command line needs and may not do itself: the ledger and the runtime lie above or beside
//! this room, and the front door hands them in.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::backup::{Backup, Restored, Verified};
use model::command::Origin;
use model::refusal::Refusal;
use protocol::wire::Carrier;
use serde::Serialize;

/// How `gastown run` was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The town to run, as an absolute path. None only with `demo`, which makes one in a fresh folder.
    pub town: Option<PathBuf>,
    /// End when no work is left.
    pub until_idle: bool,
    /// Make a town with a sample project and six beads, and run that until idle.
    pub demo: bool,
    /// Go to the background and leave the terminal to the person.
    pub detach: bool,
    /// Print the summary as one JSON object, and nothing else on standard output.
    pub json: bool,
    /// Standard output is a terminal: a live view may be drawn.
    pub live: bool,
    /// Colours are welcome on standard output.
    pub color: bool,
}

/// How `gastown install` was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallOptions {
    /// The folder that is to become a town, as an absolute path; it may not exist yet.
    pub path: PathBuf,
    /// The town's name; the folder's when not given.
    pub name: Option<String>,
    /// The preset of its agents; chosen by what is on PATH when not given.
    pub agent: Option<String>,
}

/// What `gastown install` made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The town's folder.
    pub town: PathBuf,
    /// Its name.
    pub name: String,
    /// The preset that its agents use.
    pub agent: String,
    /// What the person should know, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How `gastown backup restore` was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The folder of backups, as an absolute path.
    pub dir: PathBuf,
    /// The folder that is to become a town, as an absolute path; it may not exist yet.
    pub town: PathBuf,
    /// Which backup; the newest when not given.
    pub number: Option<u32>,
}

/// What is wanted of the service that brings a town back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceWish {
    /// Write it, and tell the service manager.
    Install {
        /// Only say what would be written.
        dry_run: bool,
        /// Start nothing now.
        no_start: bool,
    },
    /// Remove it.
    Uninstall,
    /// Look at it.
    Status,
}

/// How `gastown service` was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOrder {
    /// The town, as an absolute path.
    pub town: PathBuf,
    /// What about it.
    pub wish: ServiceWish,
}

/// What `gastown service` did or found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// install, dry_run, uninstall or status.
    pub action: String,
    /// systemd or launchd.
    pub manager: String,
    /// What the manager calls it.
    pub name: String,
    /// Where it is written.
    pub file: PathBuf,
    /// Whether it is.
    pub installed: bool,
    /// Whether it is what would be written now.
    pub current: bool,
    /// What the manager says of whether it is enabled.
    pub enabled: Option<String>,
    /// What the manager says of whether it runs.
    pub active: Option<String>,
    /// Whether the user's services run without a login.
    pub lingers: Option<bool>,
    /// What would be written, when only that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What was done, one line each.
    pub did: Vec<String>,
    /// What is left to the person, one line each.
    pub left: Vec<String>,
}

/// How `gastown agent test` is to try a kind of agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOptions {
    /// Which kind.
    pub preset: String,
    /// The town whose presets are meant; the shipped ones without.
    pub town: Option<PathBuf>,
    /// How long what needs a model may take.
    pub patience: Duration,
    /// Leave the throw-away town behind.
    pub keep: bool,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// What.
    pub what: String,
    /// `yes`, `no`, `declared` or `not declared`.
    pub result: String,
    /// What was seen.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub ms: Option<u64>,
}

/// What a kind of agent can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conformance {
    /// Which.
    pub preset: String,
    /// What was tried, in order.
    pub tried: Vec<Tried>,
    /// Where the town of the trial was left.
    pub kept: Option<String>,
}

/// What the front door lends to the command line.
pub trait Host {
    /// A carrier that asks the ledger of `town` directly, under the lock, in the name of `origin`.
    ///
    /// # Errors
    /// When the lock is held or the ledger cannot be opened.
    fn offline(&self, town: &Path, origin: Origin) -> Result<Box<dyn Carrier>, Refusal>;

    /// Runs a town; returns the exit code. Prints for itself, refusals too.
    fn run(&self, options: RunOptions) -> u8;

    /// Makes a town.
    ///
    /// # Errors
    /// When the folder holds anything else or cannot be written.
    fn install(&self, options: InstallOptions) -> Result<Installed, Refusal>;

    /// Makes a town of a backup.
    ///
    /// # Errors
    /// When the folder holds anything else, or the backup is not as it was written.
    fn restore(&self, options: RestoreOptions) -> Result<Restored, Refusal>;

    /// The backups in a folder, oldest first.
    ///
    /// # Errors
    /// When it is no folder of backups.
    fn backups(&self, dir: &Path) -> Result<Vec<Backup>, Refusal>;

    /// Looks at every file of every backup in a folder.
    ///
    /// # Errors
    /// When it is no folder of backups.
    fn verify_backups(&self, dir: &Path) -> Result<Verified, Refusal>;

    /// Installs, removes or looks at the service that brings a town back.
    ///
    /// # Errors
    /// When the service's file cannot be written. A service manager that cannot be told is no error.
    fn service(&self, order: ServiceOrder) -> Result<ServiceReport, Refusal>;

    /// Tries what a kind of agent can do, in a town that is thrown away.
    ///
    /// # Errors
    /// `no_such_preset`; `kit` when the trial cannot be made.
    fn test_agent(&self, options: TestOptions) -> Result<Conformance, Refusal>;

    /// Waits for the end of the runtime, and ends what it left behind (hidden `__reaper`); returns the exit
    /// code.
    fn reaper(&self) -> u8;

    /// Becomes the program of an agent's terminal (hidden `__exec`).
    fn exec_shim(&self, args: Vec<OsString>) -> !;

    /// Is the agent of the `shell` preset (hidden `__shell-agent`); returns the exit code.
    fn shell_agent(&self, args: Vec<OsString>) -> u8;
}

impl fmt::Debug for dyn Host + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}
