//! Ends all sessions at once, where the tree would end them in its order and by their graces.

use std::time::Duration;

use pty::StopPlan;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::tools::Tools;

/// How long a program may take to end after SIGTERM when everything is to end at once.
pub const AT_ONCE: Duration = Duration::from_secs(1);

/// How long all of them may take; then the terminals' owners kill what is left.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Ends every session: SIGTERM, a second of patience, SIGKILL, and the sweep, all sessions at the same time.
///
/// `tools.stopping` must have been told, so that no session begins meanwhile.
pub async fn sessions(tools: &Tools, why: &str) {
    let mut ends = JoinSet::new();
    for (_, live) in tools.directory.sessions() {
        // Said first: what ends then was told to.
        live.stop(why);
        let terminal = live.terminal.clone();
        ends.spawn(async move { pty::stop(&terminal, StopPlan::terminate(AT_ONCE)).await });
    }
    let all = async { while ends.join_next().await.is_some() {} };
    if timeout(PATIENCE, all).await.is_err() {
        tracing::warn!("not every session has ended at once");
    }
}
