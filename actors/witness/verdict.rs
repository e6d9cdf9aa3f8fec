//! What the end of a session means: exactly one verdict, from a table. Pure.

use model::agent::{AgentState, SessionEnd, Verdict};
use model::recovery::Symptom;

/// What is known when a session has ended.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// How its program ended.
    pub end: &'a SessionEnd,
    /// What else its own actor saw of the end.
    pub symptom: Option<Symptom>,
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
/// | a symptom was seen | that of the symptom |
/// | it was told to end | stopped |
/// | a signal, or the exit code by which a shell tells of one | crashed |
/// | exit code 0 | left early |
/// | another exit code | failed |
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    match evidence.end {
        SessionEnd::NotStarted { .. } => Verdict::NotStarted,
        SessionEnd::Lost => Verdict::Lost,
        _ if evidence.finished => Verdict::Completed,
        end => match evidence.symptom {
            Some(symptom) => symptom.verdict(),
            None if evidence.state == AgentState::Stopping => Verdict::Stopped,
            None => by_status(end),
        },
    }
}

fn by_status(end: &SessionEnd) -> Verdict {
    match end {
        SessionEnd::Exited { code: 0 } => Verdict::LeftEarly,
        // 128 and the number of the signal that ended its child: what shells and wrappers exit with.
        SessionEnd::Exited { code: 129..=159 } => Verdict::Crashed,
        SessionEnd::Exited { .. } => Verdict::Failed,
        _ => Verdict::Crashed,
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
        let check = |end: &SessionEnd, symptom, state, finished, verdict| {
            assert_eq!(
                judge(&Evidence { end, symptom, state, finished }),
                verdict,
                "{end} in {state}, {symptom:?}, finished {finished}"
            );
        };
        use AgentState::{Stopping, Working};
        check(&exited(0), None, Working, false, Verdict::LeftEarly);
        check(&exited(1), None, Working, false, Verdict::Failed);
        check(&exited(139), None, Working, false, Verdict::Crashed);
        check(&killed, None, Working, false, Verdict::Crashed);
        check(&killed, None, Stopping, false, Verdict::Stopped);
        check(&exited(0), None, Stopping, false, Verdict::Stopped);
        for end in [&exited(0), &exited(143), &killed] {
            check(end, None, Working, true, Verdict::Completed);
            check(end, Some(Symptom::Silent), Stopping, true, Verdict::Completed);
            check(end, Some(Symptom::Silent), Stopping, false, Verdict::Silent);
            check(end, Some(Symptom::Limited { until: None }), Working, false, Verdict::Limited);
        }
        for finished in [false, true] {
            check(&missing, None, Working, finished, Verdict::NotStarted);
            check(&SessionEnd::Lost, Some(Symptom::Silent), Stopping, finished, Verdict::Lost);
        }
    }

    #[test]
    fn every_symptom_has_a_verdict_of_its_own() {
        use Symptom as S;
        let all = [
            S::NotReady,
            S::AsksLogin,
            S::AsksTrust,
            S::KeyRefused,
            S::Limited { until: None },
            S::Overloaded,
            S::ContextFull,
            S::SessionInUse,
            S::OutOfMemory,
            S::Silent,
            S::Frozen,
            S::Killed,
            S::HandedOver,
        ];
        let verdicts: std::collections::BTreeSet<Verdict> = all.iter().map(|seen| seen.verdict()).collect();
        assert_eq!(verdicts.len(), all.len());
        // What has no symptom is known from how the program ended, or from the runtime's own records.
        let rest: Vec<&str> =
            Verdict::ALL.iter().filter(|verdict| !verdicts.contains(verdict)).map(|v| v.as_str()).collect();
        assert_eq!(rest, ["completed", "stopped", "left_early", "failed", "crashed", "not_started", "lost"]);
    }
}
