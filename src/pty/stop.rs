//! Ends a program: ask, terminate, kill, and sweep up.

use std::time::Duration;

use tokio::time::timeout;

use crate::terminal::{ExitStatus, Signal, TerminalHandle};

/// How long each step of ending a program may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopPlan {
    /// What to type first, such as `/exit` and a carriage return; nothing skips this step.
    pub type_first: Option<Vec<u8>>,
    /// How long the program may take to end after that.
    pub ask: Duration,
    /// How long it may take to end after SIGTERM.
    pub term: Duration,
}

impl StopPlan {
    /// SIGTERM, then `term` of patience.
    pub fn terminate(term: Duration) -> Self {
        Self { type_first: None, ask: Duration::ZERO, term }
    }

    /// No asking, no patience.
    pub fn kill() -> Self {
        Self::terminate(Duration::ZERO)
    }
}

/// Which step ended the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopStage {
    /// It had ended before.
    AlreadyEnded,
    /// It did as it was asked.
    Asked,
    /// It ended on SIGTERM.
    Terminated,
    /// It had to be killed.
    Killed,
}

/// How a program was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopReport {
    pub status: ExitStatus,
    pub stage: StopStage,
    /// How many of its processes outlived it and were killed.
    pub swept: usize,
}

/// After SIGKILL the kernel needs a moment; a program stuck in the kernel needs for ever.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// Ends the program of `terminal`, step by step, and sweeps up. Afterwards nothing of it is alive.
///
/// Cancelling it leaves the ladder at the step it had reached; calling again goes on.
pub async fn stop(terminal: &TerminalHandle, plan: StopPlan) -> StopReport {
    let (status, stage) = climb(terminal, plan).await;
    let sweeping = terminal.clone();
    let swept = match tokio::task::spawn_blocking(move || sweeping.sweep()).await {
        Ok(swept) => swept,
        Err(_) => terminal.sweep(),
    };
    StopReport { status, stage, swept }
}

async fn climb(terminal: &TerminalHandle, plan: StopPlan) -> (ExitStatus, StopStage) {
    if let Some(status) = terminal.exit_status() {
        return (status, StopStage::AlreadyEnded);
    }
    if let Some(text) = plan.type_first {
        // A program that does not read cannot be asked; the next step will tell it.
        if terminal.try_write(&text).is_ok()
            && let Ok(status) = timeout(plan.ask, terminal.exited()).await
        {
            return (status, StopStage::Asked);
        }
    }
    if !plan.term.is_zero() {
        signal(terminal, Signal::Terminate);
        // A stopped process hears nothing until it goes on.
        signal(terminal, Signal::Continue);
        if let Ok(status) = timeout(plan.term, terminal.exited()).await {
            return (status, StopStage::Terminated);
        }
    }
    signal(terminal, Signal::Kill);
    match timeout(KILL_PATIENCE, terminal.exited()).await {
        Ok(status) => (status, StopStage::Killed),
        Err(_) => {
            tracing::error!(pid = terminal.pid(), "a killed program does not go away");
            (ExitStatus::Signal(9), StopStage::Killed)
        }
    }
}

fn signal(terminal: &TerminalHandle, signal: Signal) {
    if let Err(error) = terminal.signal_group(signal) {
        tracing::warn!(pid = terminal.pid(), ?signal, %error, "cannot signal a program");
    }
}
