//! How many workers may be at work at once: in a rig, in the town.
//!
//! A worker takes a place as soon as it has work that wants a session, and gives it back when its last
//! session is over: what counts is what takes memory. So there are never more sessions in a rig than
//! `max_workers`, whether they are for new work, for work that the queue gave back, or are being ended.

use ledger::views::Board;
use model::agent::AgentState;
use model::hook::Hook;
use model::ids::RigName;
use model::recovery::Strategy;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

/// How many workers may be at work at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In the rig that is asked about.
    pub rig: usize,
    /// In all rigs together, if that is limited.
    pub town: Option<usize>,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The rig's.
    Rig(usize),
    /// The town's.
    Town(usize),
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Full::Rig(most) => write!(f, "all {most} places of the rig are taken (max_workers)"),
            Full::Town(most) => write!(f, "all {most} places of the town are taken (max_workers)"),
        }
    }
}

/// Whether a worker's hook takes a place, although no session of it may be alive just now. One that is for a
/// person takes none: nobody knows when that one comes.
fn wants_place(board: &Board, hook: &Hook) -> bool {
    let for_a_person = match board.agents.state(&hook.agent) {
        AgentState::Failed => true,
        AgentState::Waiting => !has_session(board, &hook.agent),
        _ => false,
    };
    matches!(hook.agent, Address::Polecat(..)) && hook.stage.wants_session() && !for_a_person
}

/// Whether the agent has a session that is not over.
fn has_session(board: &Board, agent: &Address) -> bool {
    let view = board.agents.get(agent);
    view.is_some_and(|agent| agent.session.as_ref().is_some_and(|open| open.end.is_none()))
}

/// Places that are taken, in `rig`, or everywhere.
pub fn taken(board: &Board, rig: Option<&RigName>) -> usize {
    let here = |agent: &Address| rig.is_none_or(|rig| agent.rig() == Some(rig));
    let wanted = board.hooks.iter().filter(|hook| here(&hook.agent) && wants_place(board, hook)).count();
    // Handed in already, or taken away, and not gone yet.
    let leaving = board.agents.iter().filter(|(agent, _)| {
        matches!(agent, Address::Polecat(..))
            && here(agent)
            && has_session(board, agent)
            && board.hooks.of(agent).is_none_or(|hook| !wants_place(board, hook))
    });
    wanted + leaving.count()
}

/// Which limit keeps one more worker of `rig` from being given work, if one does.
pub fn full(board: &Board, rig: &RigName, limits: &Limits) -> Option<Full> {
    if taken(board, Some(rig)) >= limits.rig {
        return Some(Full::Rig(limits.rig));
    }
    limits.town.filter(|most| taken(board, None) >= *most).map(Full::Town)
}

/// Which limit keeps `agent`, which has work, from beginning a session now, if one does.
///
/// More may have work than there are places: the queue has given some back, or a limit was lowered. Those
/// whose session is alive keep their place; of the others that could begin now the most urgent come first,
/// then the oldest. Who waits for a time or a person is ahead of nobody.
pub fn must_wait(board: &Board, agent: &Address, limits: &Limits, now: Timestamp) -> Option<Full> {
    let rig = agent.rig()?;
    if has_session(board, agent) {
        return None;
    }
    let rank = |hook: &Hook| {
        let priority = board.beads.get(&hook.bead).map(|bead| bead.priority);
        (priority, hook.since, hook.agent.clone())
    };
    let own = rank(board.hooks.of(agent)?);
    let before = |rig: Option<&RigName>| {
        let here = |agent: &Address| rig.is_none_or(|rig| agent.rig() == Some(rig));
        let alive = board
            .agents
            .iter()
            .filter(|(other, _)| matches!(other, Address::Polecat(..)) && here(other))
            .filter(|(other, _)| has_session(board, other))
            .count();
        let ahead = board
            .hooks
            .iter()
            .filter(|hook| here(&hook.agent) && wants_place(board, hook))
            .filter(|hook| !has_session(board, &hook.agent) && could_begin(board, hook, now))
            .filter(|hook| rank(hook) < own)
            .count();
        alive + ahead
    };
    if before(Some(rig)) >= limits.rig {
        return Some(Full::Rig(limits.rig));
    }
    limits.town.filter(|most| before(None) >= *most).map(Full::Town)
}

/// Looks once more whether there is a place for a session of `agent`, in the step that records that it
/// begins: between a look and that, others have begun theirs.
///
/// # Errors
/// `no_place`.
pub fn check_place(board: &Board, agent: &Address, limits: &Limits) -> Result<(), Refusal> {
    let alive = |rig: Option<&RigName>| {
        let others = board.agents.iter().filter(|(other, _)| {
            *other != agent
                && matches!(other, Address::Polecat(..))
                && rig.is_none_or(|rig| other.rig() == Some(rig))
                && has_session(board, other)
        });
        others.count()
    };
    let full = match limits.town {
        _ if alive(agent.rig()) >= limits.rig => Full::Rig(limits.rig),
        Some(most) if alive(None) >= most => Full::Town(most),
        _ => return Ok(()),
    };
    Err(Refusal::failed("no_place", format!("{agent} waits for a place: {full}")))
}

/// Whether a session for what hangs on `hook` could begin now, but for a place.
fn could_begin(board: &Board, hook: &Hook, now: Timestamp) -> bool {
    let held = board.agents.get(&hook.agent).is_some_and(|agent| agent.held)
        || hook.agent.rig().is_some_and(|rig| board.rigs.is_halted(rig));
    let later = board.trials.of(&hook.bead).is_some_and(|trial| {
        matches!(trial.strategy, Some(Strategy::Person | Strategy::Escalate))
            || trial.not_before.is_some_and(|until| until > now)
    });
    !held && !later
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::agent::{Exit, SessionEnd, Verdict};
    use model::bead::Priority;
    use model::command::{Command, NewBead};
    use model::event::Event;
    use model::ids::BeadId;
    use model::merge::Rejection;

    use super::*;
    use crate::agents::{self, Begun, Judged};
    use crate::draft::Draft;
    use crate::hooks;
    use crate::strategy::Rules;
    use crate::testing::{OneFormula, Paper};

    /// A few numbers that are the same each time.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, most: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % most
        }
    }

    /// Records what is decided, without a copy of the board for each.
    fn does(paper: &mut Paper, actor: &Address, decide: impl FnOnce(&mut Draft<'_>)) {
        let mut draft = Draft::new(&paper.board, actor.clone(), paper.now());
        decide(&mut draft);
        let deed = draft.finish();
        paper.record(deed);
    }

    fn workers(board: &Board) -> Vec<Address> {
        board.agents.iter().map(|(agent, _)| agent.clone()).collect()
    }

    fn alive(board: &Board) -> Vec<Address> {
        workers(board).into_iter().filter(|agent| has_session(board, agent)).collect()
    }

    fn begin(paper: &mut Paper, agent: &Address, limits: &Limits) {
        check_place(&paper.board, agent, limits).unwrap();
        let begun = Begun {
            agent: agent.clone(),
            session: format!("s-{}", paper.records.len()).parse().unwrap(),
            preset: "p".into(),
            bead: paper.board.hooks.of(agent).map(|hook| hook.bead.clone()),
            reason: "hook".into(),
        };
        does(paper, agent, |draft| agents::begun(draft, begun).unwrap());
    }

    /// A rig with `most` places and a thousand beads of all urgencies. Sessions begin, hand in, end and are
    /// judged in any order; some work is given back.
    fn a_thousand_beads(most: usize, seed: u64) {
        let limits = Limits { rig: most, town: None };
        let rig: RigName = "web".parse().unwrap();
        let mut paper = Paper::new();
        let mut dice = Dice(seed);
        let mut age = BTreeMap::new();
        for n in 0..1000 {
            let priority = Priority::try_from(dice.below(5) as u8).unwrap();
            let new =
                NewBead { title: format!("{n}"), rig: Some(rig.clone()), priority, ..NewBead::default() };
            let id = match paper.does(Command::BeadCreate(new)).unwrap() {
                model::answer::Answer::Bead(bead) => bead.id,
                other => panic!("{other:?}"),
            };
            paper.sling(&[&id], "web").unwrap();
            age.insert((priority, n), id);
        }
        let pool = ["docs".parse().unwrap(), "backend".parse().unwrap()];
        let (mut closed, mut reworked, mut most_alive) = (0, 0, 0);
        while closed < 1000 {
            // The dispatcher hands out what there is room for, the most urgent and then the oldest first.
            while let Some((waiting, worker)) =
                hooks::next_assignment(&paper.board, &rig, &pool, most, paper.rest())
            {
                let (_, first) = age.pop_first().unwrap();
                assert_eq!(waiting.bead, first);
                does(&mut paper, &Address::Runtime, |draft| {
                    hooks::hang(draft, &OneFormula, &waiting, &worker).unwrap();
                });
            }
            assert!(taken(&paper.board, Some(&rig)) >= alive(&paper.board).len());
            let all = workers(&paper.board);
            // Those who wait for a place get one, unless others come first.
            for agent in &all {
                let wants = paper.board.hooks.of(agent).is_some_and(|hook| hook.stage.wants_session());
                let free = paper.board.agents.get(agent).is_some_and(|agent| agent.session.is_none());
                if wants
                    && free
                    && must_wait(&paper.board, agent, &limits, paper.now()).is_none()
                    && dice.below(3) > 0
                {
                    begin(&mut paper, agent, &limits);
                }
            }
            let living = alive(&paper.board);
            most_alive = most_alive.max(living.len());
            assert!(living.len() <= most, "{living:?}");
            let agent = match living.len() {
                0 => continue,
                n => living[dice.below(n)].clone(),
            };
            let hook = paper.board.hooks.of(&agent).cloned();
            let working = hook.filter(|hook| hook.stage.wants_session());
            match working {
                // It hands in what it did; with luck it has landed before its session is over.
                Some(hook) if dice.below(4) > 0 => {
                    let bead = hook.bead.clone();
                    does(&mut paper, &agent, |draft| {
                        let leave = model::command::Leave::default();
                        let how = (Exit::Completed, None);
                        crate::exits::done(draft, &agent, &bead, how, &leave, None).map(drop).unwrap();
                    });
                    closed += 1;
                }
                // Given back by the queue, at once or when others have long had its place.
                Some(hook) => {
                    let event = Event::MqRejected {
                        merge: "mr-1".parse().unwrap(),
                        bead: hook.bead,
                        worker: agent.clone(),
                        rejection: Rejection::Unfit { why: "x".into(), attempt: 1 },
                    };
                    end(&mut paper, &agent);
                    paper.record(vec![(Address::Runtime, event)]);
                    reworked += 1;
                }
                None => end(&mut paper, &agent),
            }
        }
        assert_eq!(most_alive, most, "all places were used");
        assert!(reworked > 100, "{reworked}");
    }

    fn end(paper: &mut Paper, agent: &Address) {
        end_as(paper, agent, Verdict::Completed);
    }

    fn end_as(paper: &mut Paper, agent: &Address, verdict: Verdict) {
        let open = paper.board.agents.get(agent).and_then(|agent| agent.session.clone()).unwrap();
        does(paper, agent, |draft| {
            agents::ended(draft, agent, &open.id, SessionEnd::Exited { code: 0 }.into()).unwrap();
        });
        let witness: Address = "web/witness".parse().unwrap();
        does(paper, &witness, |draft| {
            let judged = Judged {
                agent: agent.clone(),
                session: open.id.clone(),
                verdict,
                detail: "x".into(),
                output: None,
                diff: None,
            };
            agents::judged(draft, judged, &Rules::default(), &[]).unwrap();
        });
    }

    #[test]
    fn a_thousand_beads_go_by_urgency_and_age_and_never_more_at_once_than_there_are_places() {
        for (most, seed) in [(8, 1), (1, 2), (3, 3)] {
            a_thousand_beads(most, seed);
        }
    }

    #[test]
    fn work_that_was_given_back_waits_for_a_place_and_the_most_urgent_comes_first() {
        let mut paper = Paper::new();
        let limits = Limits { rig: 1, town: None };
        let beads: Vec<BeadId> = ["one", "two"].map(|title| paper.bead(title)).into();
        let mut agents = Vec::new();
        for bead in &beads {
            paper.sling(&[bead], "web").unwrap();
            agents.push(paper.dispatch(8).unwrap().1);
        }
        let must_wait = |paper: &Paper, agent: &Address| must_wait(&paper.board, agent, &limits, paper.now());
        assert_eq!(must_wait(&paper, &agents[0]), None);
        assert_eq!(must_wait(&paper, &agents[1]), Some(Full::Rig(1)), "it is younger");
        begin(&mut paper, &agents[0], &limits);
        assert_eq!(check_place(&paper.board, &agents[1], &limits).unwrap_err().code, "no_place");
        end(&mut paper, &agents[0]);
        // Held back, it is ahead of nobody.
        let stop = Command::AgentStop { agent: agents[0].to_string() };
        paper.does(stop).unwrap();
        assert_eq!(must_wait(&paper, &agents[1]), None);
        paper.does(Command::AgentStart { agent: agents[0].to_string() }).unwrap();
        assert_eq!(must_wait(&paper, &agents[1]), Some(Full::Rig(1)));
        // One whose provider has too much to do is begun again after a while: nobody waits for that.
        begin(&mut paper, &agents[0], &limits);
        end_as(&mut paper, &agents[0], Verdict::Overloaded);
        assert_eq!(must_wait(&paper, &agents[1]), None);
    }

    #[test]
    fn the_places_of_the_town_are_counted_over_all_rigs() {
        let mut paper = Paper::new();
        paper.rig("api", "api");
        let bead = paper.bead("one");
        paper.sling(&[&bead], "web").unwrap();
        paper.dispatch(8).unwrap();
        let full = |rig: &str, town| full(&paper.board, &rig.parse().unwrap(), &Limits { rig: 8, town });
        assert_eq!(full("api", Some(1)), Some(Full::Town(1)));
        assert_eq!((full("api", Some(2)), full("api", None)), (None, None));
    }
}
