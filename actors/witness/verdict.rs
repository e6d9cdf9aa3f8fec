//! What the end of a session means: exactly one verdict, from a table. Pure.

use model::agent::{AgentState, SessionEnd, Verdict};

/// What is known when a session has ended.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// How its program ended.
    pub end: &'a SessionEnd,
    /// The state that the agent was in.
    pub state: AgentState,
    /// Whether its work was handed in, or taken away, so that no session was wanted any more.
    pub finished: bool,
}

/// The table, first line that fits.
///
/// | what is known | verdict |
/// |---|---|
/// | its program could not be started | not started |
/// | the runtime died | lost |
/// | its work was handed in | completed |
/// | it was told to end | stopped |
/// | a signal | crashed |
/// | exit code 0 | left early |
/// | another exit code | failed |
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    match evidence.end {
        SessionEnd::NotStarted { .. } => Verdict::NotStarted,
        SessionEnd::Lost => Verdict::Lost,
        _ if evidence.finished => Verdict::Completed,
        _ if evidence.state == AgentState::Stopping => Verdict::Stopped,
        SessionEnd::Signalled { .. } => Verdict::Crashed,
        SessionEnd::Exited { code: 0 } => Verdict::LeftEarly,
        SessionEnd::Exited { .. } => Verdict::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_one_verdict() {
        let exited = |code| SessionEnd::Exited { code };
        let killed = SessionEnd::Signalled { signal: 9 };
        let missing = SessionEnd::NotStarted { error: "no such program".into() };
        let check = |end: &SessionEnd, state, finished, verdict| {
            assert_eq!(
                judge(&Evidence { end, state, finished }),
                verdict,
                "{end} in {state}, finished {finished}"
            );
        };
        use AgentState::{Stopping, Working};
        check(&exited(0), Working, false, Verdict::LeftEarly);
        check(&exited(1), Working, false, Verdict::Failed);
        check(&killed, Working, false, Verdict::Crashed);
        check(&killed, Stopping, false, Verdict::Stopped);
        check(&exited(0), Stopping, false, Verdict::Stopped);
        for end in [&exited(0), &exited(143), &killed] {
            check(end, Working, true, Verdict::Completed);
            check(end, Stopping, true, Verdict::Completed);
        }
        for finished in [false, true] {
            check(&missing, Working, finished, Verdict::NotStarted);
            check(&SessionEnd::Lost, Stopping, finished, Verdict::Lost);
        }
    }
}
