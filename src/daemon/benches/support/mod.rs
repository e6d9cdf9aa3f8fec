//! A town to measure in, and how measurements are summed up.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gastown_daemon::offline::Offline;
use model::command::{Command as Asked, NewRig, Origin};
use model::refusal::Refusal;
use model::time::Timestamp;
use protocol::wire::Carrier as _;

/// What may fail for any reason.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// A refusal as an error.
pub(crate) fn said(refusal: Refusal) -> String {
    refusal.to_string()
}

/// Makes a repository below `root`.
pub(crate) fn repository(root: &Path) -> Outcome<PathBuf> {
    let at = root.join("origin");
    std::fs::create_dir(&at)?;
    let script =
        "git init -q . && git symbolic-ref HEAD refs/heads/main && git commit -q --allow-empty -m start";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(&at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "bench")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "bench@example.org")))
        .status()?;
    if made.success() { Ok(at) } else { Err("git makes no repository".into()) }
}

/// Makes a town of `rigs` rigs, all of the repository `origin`.
pub(crate) fn make(town: &Path, origin: &Path, rigs: usize) -> Outcome<()> {
    config::install::create_town(town, "bench", Some("shell"), Timestamp::from_millis(1)).map_err(said)?;
    let mut offline = Offline::open(town, Origin::operator()).map_err(said)?;
    for n in 0..rigs {
        let rig = NewRig {
            name: format!("r{n}").parse()?,
            url: origin.display().to_string(),
            prefix: None,
            branch: None,
            gates: Vec::new(),
            max_workers: None,
            preset: None,
        };
        offline.ask(Asked::RigAdd(rig)).map_err(said)?;
    }
    Ok(())
}

/// The value below which the share `of` of all lies, in milliseconds.
pub(crate) fn quantile<T: Copy + Into<Millis>>(of: f64, all: &mut [T]) -> f64 {
    let mut all: Vec<f64> = all.iter().map(|one| (*one).into().0).collect();
    all.sort_unstable_by(f64::total_cmp);
    let at = (all.len() as f64 * of) as usize;
    all.get(at.min(all.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// A time.
pub(crate) struct Millis(f64);

impl From<f64> for Millis {
    fn from(ms: f64) -> Self {
        Millis(ms)
    }
}

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Millis(span.as_secs_f64() * 1e3)
    }
}
