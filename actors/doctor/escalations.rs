//! Whether people get to know what they have to: messages that do not go through, and secrets that are missing or
//! lie open.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use config::escalation::Secret;
use model::answer::Health;

use super::{Patient, Report};

/// Bits of a file's mode by which others than its owner get at it.
const OTHERS: u32 = 0o077;

pub(super) fn look(patient: &Patient<'_>, report: &mut Report) {
    let mut well = true;
    let mut warn = |detail: String| {
        well = false;
        report.say("escalation", "town", Health::Warn, detail);
    };
    let (gauge, undelivered) = patient.store.read(|board| {
        let undelivered: Vec<String> = clerk::escalations::undelivered(board).collect();
        (clerk::escalations::gauge(board), undelivered)
    });
    undelivered.into_iter().for_each(&mut warn);
    let root = patient.paths.root();
    let config = patient.config.current();
    for (what, secret) in config.escalation.secrets() {
        match secret {
            // Another environment than the runtime's says nothing.
            Secret::Env(_) if !patient.live => {}
            secret => {
                if let Err(why) = secret.read(root) {
                    warn(format!("{what}: {why}"));
                }
            }
        }
        if let Secret::File(path) = secret
            && let Ok(meta) = fs::metadata(root.join(path))
            && meta.permissions().mode() & OTHERS != 0
        {
            let path = root.join(path);
            warn(format!("{what}: others may read {path}; chmod 600 {path}", path = path.display()));
        }
    }
    if well {
        let detail = format!("{} open, {} acknowledged, every message got through", gauge.open, gauge.acked);
        report.say("escalation", "town", Health::Ok, detail);
    }
}
