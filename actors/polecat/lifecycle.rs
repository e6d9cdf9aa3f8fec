//! A worker's life, as a function: what it sees, to what it does. Pure.

use std::time::Duration;

use ledger::views::Board;
use ledger::views::agents::{Agent, Leaving, Sandbox};
use model::agent::AgentState;
use model::hook::{Hook, Stage};
use model::ids::MailId;
use model::mail::Kind;
use model::recovery::Strategy;
use model::role::Address;
use model::time::Timestamp;

/// How work at a bead has gone, as far as it decides about the next session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// What followed from the end of the last session for it.
    pub strategy: Option<Strategy>,
    /// The next one does not begin before.
    pub not_before: Option<Timestamp>,
}

/// What a worker sees when it looks.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Who it is.
    pub agent: Address,
    /// What hangs on its hook.
    pub hook: Option<Hook>,
    /// How it is.
    pub state: AgentState,
    /// Whether a person holds it back, or its rig.
    pub held: bool,
    /// Whether a session of its has no verdict yet, although it has ended.
    pub unjudged: bool,
    /// How work at what hangs there has gone so far.
    pub trial: Gone,
    /// The session that lives had one step to do, and has done it.
    pub turn_over: bool,
    /// Sessions that it has ever had for what hangs there now.
    pub worked_before: bool,
    /// Its worktree.
    pub sandbox: Option<Sandbox>,
    /// Whether somebody else's session still works in that worktree, which came with the hook.
    pub vacating: bool,
    /// How far the worktree is, when it is to go.
    pub leaving: Leaving,
    /// Letters for the worker's code, oldest first.
    pub letters: Vec<(MailId, Kind)>,
}

impl Seen {
    /// Looks at the board for `agent`.
    pub fn of(board: &Board, agent: &Address) -> Self {
        let view = board.agents.get(agent);
        let hook = board.hooks.of(agent).cloned();
        Seen {
            agent: agent.clone(),
            state: board.agents.state(agent),
            held: view.is_some_and(|agent| agent.held)
                || agent.rig().is_some_and(|rig| board.rigs.is_halted(rig)),
            unjudged: view.is_some_and(|agent| agent.session.is_some()),
            trial: gone(board, view, hook.as_ref()),
            turn_over: match (
                clerk::mols::on_hook(board, agent),
                view.and_then(|agent| agent.session.as_ref()),
            ) {
                (Some(mol), Some(open)) => mol.is_turn_over(open.seq),
                _ => false,
            },
            worked_before: match (&hook, view) {
                (Some(hook), Some(agent)) => agent.last_bead.as_ref() == Some(&hook.bead),
                _ => false,
            },
            vacating: view
                .and_then(|agent| agent.sandbox.as_ref()?.at.as_ref())
                .and_then(|before| board.agents.get(before)?.session.as_ref())
                .is_some_and(|open| open.end.is_none()),
            leaving: view.map(|agent| agent.leaving.clone()).unwrap_or_default(),
            sandbox: view.and_then(|agent| agent.sandbox.clone()),
            letters: board
                .mail
                .unacked(agent)
                .filter(|post| post.letter.kind.is_for_code())
                .map(|post| (post.letter.id.clone(), post.letter.kind.clone()))
                .collect(),
            hook,
        }
    }
}

/// How work at what hangs on a hook has gone: in general, and by the last session if that was about it.
fn gone(board: &Board, view: Option<&Agent>, hook: Option<&Hook>) -> Gone {
    let trial = hook.and_then(|hook| board.trials.of(&hook.bead));
    let same = |agent: &&Agent| hook.is_some_and(|hook| agent.last_bead.as_ref() == Some(&hook.bead));
    let last = view.filter(same).and_then(|agent| agent.strategy);
    let strategy = trial.map_or(last, |trial| trial.strategy);
    Gone {
        strategy,
        not_before: trial.and_then(|trial| {
            let (until, since) = (trial.not_before?, trial.last.as_ref().map_or(board.at, |last| last.at));
            Some(match strategy {
                // A provider's limit ends when it ends.
                Some(Strategy::Park) => until,
                // While everything stood still no time has passed.
                _ => until.plus(board.freezes.skipped(since).since(since)),
            })
        }),
    }
}

/// How long a worker that is to leave its worktree is asked to save what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often it is asked.
    pub asks: u32,
    /// How long is waited after each time.
    pub wait: Duration,
}

/// How often a worktree is looked at while its agent was asked to save what is in it.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What a worker does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Acknowledge a letter that asks for nothing more than what the board says anyway.
    Acknowledge(MailId),
    /// End the session.
    End(String),
    /// End the session, so that the next step has one of its own.
    Cycle,
    /// See to it that the worktree is there, then start a session.
    Start {
        /// Why.
        reason: String,
    },
    /// Look again after this time.
    Wait(Duration),
    /// What landed is cleaned up: worktree, branch, hook.
    CleanUp {
        /// The letter that says so.
        letter: MailId,
        /// The merge commit.
        commit: String,
        /// The target branch.
        target: String,
    },
    /// The bead was taken away under a living agent: look what is in its worktree and nowhere else.
    LookAtWork,
    /// Ask the agent to save what is in its worktree.
    AskToSave {
        /// The how manieth time, from 1.
        asked: u32,
        /// Some of what is unsaved.
        files: Vec<String>,
    },
    /// It was asked often enough: a person is told, and the session ends.
    GiveUpAsking {
        /// How often it was asked.
        asked: u32,
    },
    /// The bead was taken away: what is not saved is saved, then the worktree goes.
    Clear,
    /// Nothing is left to do: the actor ends, the identity stays.
    Retire,
}

/// What to do, given what is seen, whether a session lives, and the time.
///
/// * `unsaved` - what is in the worktree and nowhere else; none when nobody has looked yet.
/// * `patience` - how often an agent is asked to save that itself.
pub fn next(
    seen: &Seen,
    live: bool,
    unsaved: Option<&[String]>,
    patience: Patience,
    now: Timestamp,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut landed = None;
    for (id, kind) in &seen.letters {
        match kind {
            Kind::Merged { bead, commit, target, .. }
                if seen.hook.as_ref().is_some_and(|hook| hook.bead == *bead) =>
            {
                landed = Some((id.clone(), commit.clone(), target.clone()));
            }
            // What a verdict means for the worker stands on its hook; the letter has done its work.
            _ => effects.push(Effect::Acknowledge(id.clone())),
        }
    }
    let Some(hook) = &seen.hook else {
        if live {
            effects.push(leave(seen, unsaved, patience, now));
        } else if seen.sandbox.is_some() {
            effects.push(Effect::Clear);
        } else if !seen.unjudged && effects.is_empty() {
            effects.push(Effect::Retire);
        }
        return effects;
    };
    if let Some((letter, commit, target)) = landed {
        effects.push(if live {
            Effect::End("its work has landed".into())
        } else {
            Effect::CleanUp { letter, commit, target }
        });
        return effects;
    }
    if !hook.stage.wants_session() {
        if live {
            effects.push(Effect::End("its work is handed in".into()));
        }
        return effects;
    }
    if seen.held {
        if live {
            effects.push(Effect::End("held back".into()));
        }
        return effects;
    }
    if live && seen.turn_over {
        effects.push(Effect::Cycle);
    }
    if live || seen.unjudged || seen.state == AgentState::Failed {
        return effects;
    }
    // These are for a person, who says so by letting it go on.
    if matches!(seen.trial.strategy, Some(Strategy::Person | Strategy::Escalate)) {
        return effects;
    }
    // Nobody moves a folder in which somebody works.
    if seen.vacating {
        return effects;
    }
    if let Some(until) = seen.trial.not_before.filter(|until| *until > now) {
        effects.push(Effect::Wait(until.since(now)));
        return effects;
    }
    let reason = match (&hook.stage, seen.trial.strategy) {
        (_, Some(Strategy::Fresh)) => "retry",
        (_, Some(Strategy::Reassign)) => "reassign",
        (_, Some(Strategy::HandOff)) => "handoff",
        (_, Some(Strategy::Park)) => "limit_over",
        (_, Some(Strategy::Resume)) if seen.trial.not_before.is_some() => "retry",
        (Stage::Rework { .. }, _) => "rework",
        _ if seen.worked_before => "resume",
        _ => "hook",
    };
    effects.push(Effect::Start { reason: reason.to_owned() });
    effects
}

/// The way of a living agent out of a worktree that is to go: it is asked to save what is in it, up to a few times;
/// then its session ends, and what it has not saved is saved for it.
fn leave(seen: &Seen, unsaved: Option<&[String]>, patience: Patience, now: Timestamp) -> Effect {
    let end = || Effect::End("nothing hangs on the hook".into());
    if seen.sandbox.is_none() || patience.asks == 0 {
        return end();
    }
    let Some(unsaved) = unsaved else { return Effect::LookAtWork };
    if unsaved.is_empty() {
        return end();
    }
    let asked = seen.leaving.asked;
    let due = seen.leaving.asked_at.map_or(now, |at| at.plus(patience.wait));
    match (due > now, asked >= patience.asks) {
        (true, _) => Effect::Wait(due.since(now).min(LOOK_AGAIN)),
        (false, true) => Effect::GiveUpAsking { asked },
        (false, false) => {
            Effect::AskToSave { asked: asked + 1, files: unsaved.iter().take(8).cloned().collect() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::merge::Rejection;

    /// Without looking, as if nothing were unsaved.
    fn next(seen: &Seen, live: bool, now: Timestamp) -> Vec<Effect> {
        super::next(seen, live, Some(&[]), PATIENCE, now)
    }

    const PATIENCE: Patience = Patience { asks: 3, wait: Duration::from_secs(20) };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn seen(stage: Option<Stage>) -> Seen {
        let agent: Address = "web/polecats/docs".parse().unwrap();
        Seen {
            hook: stage.map(|stage| Hook {
                agent: agent.clone(),
                bead: "web-1".parse().unwrap(),
                since: at(0),
                stage,
                mol: None,
                preset: None,
                args: None,
                attempt: 0,
                checked: false,
            }),
            agent,
            state: AgentState::Parked,
            held: false,
            unjudged: false,
            trial: Gone::default(),
            turn_over: false,
            worked_before: false,
            sandbox: None,
            vacating: false,
            leaving: Leaving::default(),
            letters: Vec::new(),
        }
    }

    fn merged() -> (MailId, Kind) {
        let kind = Kind::Merged {
            merge: "mr-1".parse().unwrap(),
            bead: "web-1".parse().unwrap(),
            worker: "web/polecats/docs".parse().unwrap(),
            commit: "c".into(),
            target: "main".into(),
        };
        ("m-1".parse().unwrap(), kind)
    }

    fn sandbox() -> Sandbox {
        Sandbox { bead: "web-1".parse().unwrap(), branch: "b".into(), base: "c".into(), at: None }
    }

    fn started(seen: &Seen) -> Option<String> {
        next(seen, false, at(0)).into_iter().find_map(|effect| match effect {
            Effect::Start { reason } => Some(reason),
            _ => None,
        })
    }

    #[test]
    fn hooked_work_runs_at_once_and_says_why() {
        let rework = || Stage::Rework { rejection: Rejection::Unfit { why: "x".into(), attempt: 1 } };
        assert_eq!(started(&seen(Some(Stage::Working))).unwrap(), "hook");
        assert_eq!(started(&seen(Some(rework()))).unwrap(), "rework");
        let before = Seen { worked_before: true, ..seen(Some(Stage::Working)) };
        assert_eq!(started(&before).unwrap(), "resume");
        assert_eq!(started(&seen(Some(Stage::Submitted))), None);
        assert_eq!(started(&seen(None)), None);
    }

    #[test]
    fn never_two_sessions_and_never_one_without_the_verdict_on_the_last() {
        let working = seen(Some(Stage::Working));
        assert!(next(&working, true, at(0)).is_empty());
        assert_eq!(started(&Seen { unjudged: true, ..working.clone() }), None);
        assert_eq!(started(&Seen { state: AgentState::Failed, ..working.clone() }), None);
        assert_eq!(started(&Seen { held: true, ..working }), None);
    }

    #[test]
    fn what_followed_from_the_last_session_decides_about_the_next() {
        let after = |strategy, until: Option<i64>| Seen {
            trial: Gone { strategy: Some(strategy), not_before: until.map(at) },
            ..seen(Some(Stage::Working))
        };
        let failed = after(Strategy::Fresh, Some(12_000));
        assert_eq!(next(&failed, false, at(10_500)), [Effect::Wait(Duration::from_millis(1_500))]);
        assert_eq!(next(&failed, false, at(12_000)), [Effect::Start { reason: "retry".into() }]);
        let reason = |strategy, until| started(&after(strategy, until)).unwrap();
        assert_eq!(reason(Strategy::Reassign, None), "reassign");
        assert_eq!(reason(Strategy::HandOff, None), "handoff");
        assert_eq!(reason(Strategy::Park, Some(0)), "limit_over");
        assert_eq!(reason(Strategy::Resume, Some(0)), "retry");
        let over = Seen { turn_over: true, ..seen(Some(Stage::Working)) };
        assert_eq!(next(&over, true, at(0)), [Effect::Cycle]);
        for strategy in [Strategy::Person, Strategy::Escalate] {
            assert!(next(&after(strategy, None), false, at(99_999)).is_empty(), "{strategy}");
        }
    }

    #[test]
    fn a_session_ends_when_its_work_is_handed_in_or_taken_away() {
        for stage in [Some(Stage::Submitted), Some(Stage::Landed), None] {
            assert!(matches!(next(&seen(stage), true, at(0))[..], [Effect::End(_)]));
        }
    }

    #[test]
    fn a_landing_cleans_up_once_the_session_is_gone() {
        let landed = Seen { letters: vec![merged()], ..seen(Some(Stage::Landed)) };
        assert!(matches!(next(&landed, true, at(0))[..], [Effect::End(_)]));
        assert!(matches!(next(&landed, false, at(0))[..], [Effect::CleanUp { .. }]));
        // The same letter again, after the hook was cleared, has no second effect.
        let again = Seen { letters: vec![merged()], ..seen(None) };
        assert_eq!(next(&again, false, at(0)), [Effect::Acknowledge("m-1".parse().unwrap())]);
    }

    #[test]
    fn what_was_taken_away_is_saved_before_the_worker_retires() {
        let left = Seen { sandbox: Some(sandbox()), ..seen(None) };
        assert_eq!(next(&left, false, at(0)), [Effect::Clear]);
        assert_eq!(next(&seen(None), false, at(0)), [Effect::Retire]);
        assert!(next(&Seen { unjudged: true, ..seen(None) }, false, at(0)).is_empty());
    }

    #[test]
    fn a_worktree_that_came_along_is_not_touched_while_somebody_works_in_it() {
        let moved = Sandbox { at: Some("web/polecats/tests".parse().unwrap()), ..sandbox() };
        let waits = Seen { vacating: true, sandbox: Some(moved.clone()), ..seen(Some(Stage::Working)) };
        assert!(next(&waits, false, at(0)).is_empty());
        assert!(started(&Seen { vacating: false, ..waits }).is_some());
    }

    #[test]
    fn an_agent_is_asked_to_save_its_work_three_times_before_its_session_ends() {
        let mut left = Seen { sandbox: Some(sandbox()), ..seen(None) };
        let files = vec!["a.txt".to_owned()];
        let look = |seen: &Seen, files: Option<&[String]>, ms| {
            let mut effects = super::next(seen, true, files, PATIENCE, at(ms));
            assert_eq!(effects.len(), 1);
            effects.remove(0)
        };
        assert_eq!(look(&left, None, 0), Effect::LookAtWork);
        for asked in 1..=3 {
            let ms = i64::from(asked) * 20_000;
            assert_eq!(look(&left, Some(&files), ms), Effect::AskToSave { asked, files: files.clone() });
            left.leaving = Leaving { asked, asked_at: Some(at(ms)), ..Leaving::default() };
            assert_eq!(look(&left, Some(&files), ms + 1_000), Effect::Wait(LOOK_AGAIN));
            assert_eq!(look(&left, Some(&files), ms + 19_500), Effect::Wait(Duration::from_millis(500)));
            // As soon as it has, nothing more is asked.
            assert_eq!(look(&left, Some(&[]), ms + 1_000), Effect::End("nothing hangs on the hook".into()));
        }
        assert_eq!(look(&left, Some(&files), 80_000), Effect::GiveUpAsking { asked: 3 });
        assert_eq!(super::next(&left, false, None, PATIENCE, at(80_000)), [Effect::Clear]);
    }
}
