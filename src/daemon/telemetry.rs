//! What the runtime tells of itself: `logs/town.log` for ever, standard error for whoever watches.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic;
use std::path::Path;
use std::sync::Mutex;

use config::TownPaths;
use model::refusal::Refusal;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// A log that is larger is put aside at the next start.
const LIMIT: u64 = 16 * 1024 * 1024;

/// What is told when `RUST_LOG` does not say otherwise.
const USUAL: &str = "info,ractor=warn";

/// Starts telling: JSON lines into the town's log, and plain lines on standard error unless `quiet`,
/// because a live view is drawn there.
///
/// # Errors
/// `cannot_log`, when the log cannot be written: a town whose troubles nobody can read does not start.
pub(crate) fn start(paths: &TownPaths, quiet: bool) -> Result<(), Refusal> {
    let log = paths.town_log();
    let file = open(&log).map_err(|error| {
        Refusal::failed("cannot_log", format!("cannot write the town's log {}: {error}", log.display()))
            .hint("the town's folder must be writable for this user, and its disk not full")
    })?;
    let to_file = fmt::layer().json().with_writer(Mutex::new(file)).with_filter(filter());
    let to_person = (!quiet).then(|| {
        fmt::layer()
            .compact()
            .with_target(false)
            .with_ansi(false)
            .with_writer(io::stderr)
            .with_filter(filter())
    });
    // Whoever was first stays: in tests several towns share a process.
    let _ = tracing_subscriber::registry().with(to_file).with(to_person).try_init();
    log_panics();
    Ok(())
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL))
}

/// Opens the log for appending; a long one is put aside, in place of the one before.
fn open(log: &Path) -> io::Result<File> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::metadata(log).is_ok_and(|meta| meta.len() > LIMIT) {
        fs::rename(log, log.with_extension("log.1"))?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(log)
}

/// Sends panics into the log. They end an actor or a connection, not the town; the usual hook would
/// write over the live view.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let what = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without words".to_owned());
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(%what, %place, %thread, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_put_aside_and_a_short_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/town.log");
        open(&log).unwrap().write_all(b"one\n").unwrap();
        open(&log).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "one\ntwo\n");
        File::options().write(true).open(&log).unwrap().set_len(LIMIT + 1).unwrap();
        open(&log).unwrap();
        assert_eq!(fs::metadata(&log).unwrap().len(), 0);
        assert_eq!(fs::metadata(log.with_extension("log.1")).unwrap().len(), LIMIT + 1);
    }
}
