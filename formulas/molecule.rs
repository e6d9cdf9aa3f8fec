//! A running formula: which steps are done, who is at which, and what may be begun.
//!
//! ```text
//!   pending ── all it needs is done ──> ready ── lease ──> leased ── complete ──> done
//!                                        ^ │                │ │
//!                                        │ └── complete ────┼─┼──────────────────> done
//!                                        ├── release ───────┘ │
//!                                        └── retry ── failed <┘ fail
//! ```
//!
//! Pure: no clock, no disk. A step has one holder at a time, and what is done stays done; every other move is
//! an error. What waits and what is ready follows from what is done, so it is worked out when a molecule is
//! loaded and cannot contradict itself.

use std::collections::HashMap;

use model::role::Address;
use serde::{Deserialize, Serialize};

use crate::formula::{Proto, ProtoStep};
use crate::graph;

/// One running instance of a formula.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Molecule {
    formula: String,
    version: i64,
    steps: Vec<Step>,
    places: HashMap<String, usize>,
    /// For each step, those that need it.
    needed_by: Vec<Vec<usize>>,
    /// For each step, how many of those that it needs are not done.
    waiting: Vec<usize>,
}

/// A step and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is to be done.
    #[serde(flatten)]
    pub step: ProtoStep,
    /// How far it is.
    pub state: State,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Something that it needs is not done.
    Pending,
    /// It can be begun.
    Ready,
    /// Somebody works on it.
    Leased {
        /// Who.
        by: Address,
    },
    /// It is done, for good.
    Done,
    /// It was tried and given up.
    Failed {
        /// Why, in the worker's words.
        why: String,
    },
}

impl State {
    /// The state in one word: pending, ready, leased, done, failed.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Leased { .. } => "leased",
            Self::Done => "done",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Why a step cannot make a move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalMove {
    /// There is no such step.
    #[error("no step is called {step:?}{}", crate::problem::Hint(near))]
    Unknown {
        /// What was asked for.
        step: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// Something that it needs is not done.
    #[error("step {step:?} waits for {}", needs.join(", "))]
    Waits {
        /// Which.
        step: String,
        /// What is not done yet.
        needs: Vec<String>,
    },
    /// Somebody else works on it.
    #[error("step {step:?} is worked on by {by}")]
    Held {
        /// Which.
        step: String,
        /// Who.
        by: Address,
    },
    /// It is done already.
    #[error("step {step:?} is done already")]
    Done {
        /// Which.
        step: String,
    },
    /// It has failed, and nobody has asked for another try.
    #[error("step {step:?} has failed: {why}")]
    Failed {
        /// Which.
        step: String,
        /// Why.
        why: String,
    },
    /// Nobody works on it, so nobody can let go of it.
    #[error("nobody works on step {step:?}")]
    Free {
        /// Which.
        step: String,
    },
    /// It has not failed, so there is nothing to try again.
    #[error("step {step:?} has not failed")]
    NotFailed {
        /// Which.
        step: String,
    },
}

impl Molecule {
    /// Returns a molecule of which nothing is done yet.
    pub fn pour(proto: Proto) -> Result<Self, Broken> {
        let steps = proto.steps.into_iter().map(|step| Step { step, state: State::Pending }).collect();
        Stored { formula: proto.formula, version: proto.version, steps }.try_into()
    }

    /// The formula that it came from.
    pub fn formula(&self) -> &str {
        &self.formula
    }

    /// The version of the formula at that time.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// All steps, in an order in which they can be done.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step of this name.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.places.get(id).map(|place| &self.steps[*place])
    }

    /// The steps that may be begun now.
    pub fn ready(&self) -> impl Iterator<Item = &ProtoStep> {
        self.steps.iter().filter(|step| step.state == State::Ready).map(|step| &step.step)
    }

    /// What `worker` should do now: the step that it holds, or else the first that may be begun.
    pub fn current(&self, worker: &Address) -> Option<&ProtoStep> {
        let held = |step: &&Step| matches!(&step.state, State::Leased { by } if by == worker);
        self.steps.iter().find(held).map(|step| &step.step).or_else(|| self.ready().next())
    }

    /// How many steps are done, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.steps.iter().filter(|step| step.state == State::Done).count(), self.steps.len())
    }

    /// Whether all is done.
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| step.state == State::Done)
    }

    /// Whether nothing can go on before a failed step is tried again.
    pub fn is_stuck(&self) -> bool {
        let moves = |step: &Step| matches!(step.state, State::Ready | State::Leased { .. });
        !self.is_done() && !self.steps.iter().any(moves)
    }

    /// Gives a ready step to `by`. To have it already is no error: a worker may come back to it.
    pub fn lease(&mut self, id: &str, by: &Address) -> Result<(), IllegalMove> {
        let place = self.workable(id, Some(by))?;
        self.steps[place].state = State::Leased { by: by.clone() };
        Ok(())
    }

    /// Takes a step from whoever holds it; it can be begun anew.
    pub fn release(&mut self, id: &str) -> Result<(), IllegalMove> {
        let place = self.workable(id, None)?;
        if self.steps[place].state == State::Ready {
            return Err(IllegalMove::Free { step: id.to_owned() });
        }
        self.steps[place].state = State::Ready;
        Ok(())
    }

    /// Marks a step as done by `by`, who holds it, or took no lease while nobody else had. Returns the names of
    /// the steps that can be begun because of it.
    pub fn complete(&mut self, id: &str, by: &Address) -> Result<Vec<String>, IllegalMove> {
        let place = self.workable(id, Some(by))?;
        self.steps[place].state = State::Done;
        let mut freed = Vec::new();
        for &follower in &self.needed_by[place] {
            self.waiting[follower] -= 1;
            if self.waiting[follower] == 0 {
                self.steps[follower].state = State::Ready;
                freed.push(follower);
            }
        }
        freed.sort_unstable();
        Ok(freed.into_iter().map(|place| self.steps[place].step.id.clone()).collect())
    }

    /// Marks a step as given up by `by`; what needs it waits.
    pub fn fail(&mut self, id: &str, by: &Address, why: &str) -> Result<(), IllegalMove> {
        let place = self.workable(id, Some(by))?;
        self.steps[place].state = State::Failed { why: why.to_owned() };
        Ok(())
    }

    /// Makes a failed step ready again.
    pub fn retry(&mut self, id: &str) -> Result<(), IllegalMove> {
        let place = self.place(id)?;
        match self.steps[place].state {
            State::Failed { .. } => {
                self.steps[place].state = State::Ready;
                Ok(())
            }
            State::Done => Err(IllegalMove::Done { step: id.to_owned() }),
            State::Pending | State::Ready | State::Leased { .. } => {
                Err(IllegalMove::NotFailed { step: id.to_owned() })
            }
        }
    }

    fn place(&self, id: &str) -> Result<usize, IllegalMove> {
        self.places.get(id).copied().ok_or_else(|| IllegalMove::Unknown {
            step: id.to_owned(),
            near: model::near::matches(id, self.steps.iter().map(|step| step.step.id.as_str())),
        })
    }

    /// The place of a step that is ready or held, and held by nobody but `by` if that is given.
    fn workable(&self, id: &str, by: Option<&Address>) -> Result<usize, IllegalMove> {
        let place = self.place(id)?;
        let step = id.to_owned();
        match &self.steps[place].state {
            State::Ready => Ok(place),
            State::Leased { by: holder } if by.is_none_or(|by| by == holder) => Ok(place),
            State::Leased { by } => Err(IllegalMove::Held { step, by: by.clone() }),
            State::Done => Err(IllegalMove::Done { step }),
            State::Failed { why } => Err(IllegalMove::Failed { step, why: why.clone() }),
            State::Pending => {
                let open = |need: &&String| self.step(need).is_some_and(|step| step.state != State::Done);
                let needs = self.steps[place].step.needs.iter().filter(open).cloned().collect();
                Err(IllegalMove::Waits { step, needs })
            }
        }
    }
}

/// Why stored steps make no molecule: they were not written by this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the steps of a molecule of {formula} do not fit together")]
pub struct Broken {
    formula: String,
}

/// A molecule on disk: steps and states, nothing that follows from them.
#[derive(Serialize, Deserialize)]
struct Stored {
    formula: String,
    version: i64,
    steps: Vec<Step>,
}

impl From<Molecule> for Stored {
    fn from(molecule: Molecule) -> Self {
        Self { formula: molecule.formula, version: molecule.version, steps: molecule.steps }
    }
}

impl TryFrom<Stored> for Molecule {
    type Error = Broken;

    fn try_from(stored: Stored) -> Result<Self, Broken> {
        let Stored { formula, version, steps } = stored;
        let nodes: Vec<(&str, Vec<&str>)> = steps
            .iter()
            .map(|step| (step.step.id.as_str(), step.step.needs.iter().map(String::as_str).collect()))
            .collect();
        let Ok(order) = graph::order(&nodes) else { return Err(Broken { formula }) };
        let mut slots: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
        let mut steps: Vec<Step> = order.into_iter().filter_map(|place| slots[place].take()).collect();

        let places: HashMap<String, usize> =
            steps.iter().enumerate().map(|(place, step)| (step.step.id.clone(), place)).collect();
        let mut needed_by = vec![Vec::new(); steps.len()];
        let mut waiting = vec![0; steps.len()];
        for place in 0..steps.len() {
            for need in &steps[place].step.needs {
                let needed = places[need];
                needed_by[needed].push(place);
                if steps[needed].state != State::Done {
                    waiting[place] += 1;
                }
            }
            let free = waiting[place] == 0;
            let state = &mut steps[place].state;
            match (free, &*state) {
                (true, State::Pending) => *state = State::Ready,
                (false, State::Ready) => *state = State::Pending,
                // Done or begun before what it needs: no move leads there.
                (false, State::Leased { .. } | State::Done | State::Failed { .. }) => {
                    return Err(Broken { formula });
                }
                _ => {}
            }
        }
        Ok(Self { formula, version, steps, places, needed_by, waiting })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn worker(name: &str) -> Address {
        format!("web/polecats/{name}").parse().unwrap()
    }

    fn proto(nodes: &[(String, Vec<String>)]) -> Proto {
        let steps = nodes
            .iter()
            .map(|(id, needs)| ProtoStep {
                id: id.clone(),
                title: id.clone(),
                description: String::new(),
                acceptance: None,
                needs: needs.clone(),
            })
            .collect();
        Proto { formula: "f".to_owned(), version: 1, per_step: false, description: String::new(), steps }
    }

    fn molecule(nodes: &[(&str, &[&str])]) -> Molecule {
        let nodes: Vec<_> = nodes
            .iter()
            .map(|(id, needs)| ((*id).to_owned(), needs.iter().map(ToString::to_string).collect()))
            .collect();
        Molecule::pour(proto(&nodes)).unwrap()
    }

    fn ready(molecule: &Molecule) -> Vec<&str> {
        molecule.ready().map(|step| step.id.as_str()).collect()
    }

    #[test]
    fn steps_become_ready_when_all_that_they_need_is_done() {
        let (nux, slit) = (worker("nux"), worker("slit"));
        let mut mol = molecule(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        assert_eq!(ready(&mol), ["a"]);
        mol.lease("a", &nux).unwrap();
        assert_eq!(ready(&mol), [""; 0]);
        assert_eq!(mol.complete("a", &nux), Ok(vec!["b".to_owned(), "c".to_owned()]));
        mol.lease("c", &slit).unwrap();
        assert_eq!(mol.current(&slit).unwrap().id, "c");
        assert_eq!(mol.current(&nux).unwrap().id, "b");
        assert_eq!(mol.complete("b", &nux), Ok(vec![]));
        assert_eq!(mol.complete("c", &slit), Ok(vec!["d".to_owned()]));
        assert_eq!(mol.progress(), (3, 4));
        assert_eq!(mol.complete("d", &nux), Ok(vec![]));
        assert!(mol.is_done() && !mol.is_stuck());
    }

    #[test]
    fn moves_that_cannot_be_are_errors_and_change_nothing() {
        let (nux, slit) = (worker("nux"), worker("slit"));
        let mut mol = molecule(&[("a", &[]), ("b", &["a"]), ("c", &[])]);
        let waits = IllegalMove::Waits { step: "b".to_owned(), needs: vec!["a".to_owned()] };
        assert_eq!(mol.complete("b", &nux), Err(waits.clone()));
        assert_eq!(mol.lease("b", &nux), Err(waits));
        assert!(matches!(mol.complete("x", &nux), Err(IllegalMove::Unknown { .. })));
        mol.lease("a", &nux).unwrap();
        mol.lease("a", &nux).unwrap();
        let held = IllegalMove::Held { step: "a".to_owned(), by: nux.clone() };
        assert_eq!(mol.lease("a", &slit), Err(held.clone()));
        assert_eq!(mol.complete("a", &slit), Err(held.clone()));
        assert_eq!(mol.fail("a", &slit, "x"), Err(held));
        mol.complete("a", &nux).unwrap();
        let done = IllegalMove::Done { step: "a".to_owned() };
        for result in [mol.lease("a", &nux), mol.release("a"), mol.fail("a", &nux, "x"), mol.retry("a")] {
            assert_eq!(result, Err(done.clone()));
        }
        assert_eq!(mol.complete("a", &nux), Err(done));
        assert_eq!(mol.release("c"), Err(IllegalMove::Free { step: "c".to_owned() }));
        assert_eq!(mol.retry("c"), Err(IllegalMove::NotFailed { step: "c".to_owned() }));
    }

    #[test]
    fn a_failed_step_holds_up_what_needs_it_until_it_is_tried_again() {
        let nux = worker("nux");
        let mut mol = molecule(&[("a", &[]), ("b", &["a"])]);
        mol.fail("a", &nux, "no disk").unwrap();
        assert!(mol.is_stuck());
        assert!(matches!(mol.complete("a", &nux), Err(IllegalMove::Failed { why, .. }) if why == "no disk"));
        mol.retry("a").unwrap();
        mol.complete("a", &nux).unwrap();
        assert_eq!(ready(&mol), ["b"]);
    }

    #[test]
    fn a_worker_that_is_gone_leaves_its_step_to_the_next() {
        let mut mol = molecule(&[("a", &[])]);
        mol.lease("a", &worker("nux")).unwrap();
        mol.release("a").unwrap();
        mol.lease("a", &worker("slit")).unwrap();
        assert!(matches!(mol.complete("a", &worker("nux")), Err(IllegalMove::Held { .. })));
    }

    #[test]
    fn a_molecule_keeps_in_the_ledgers_format() {
        let mut mol = molecule(&[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &[])]);
        mol.complete("a", &worker("nux")).unwrap();
        mol.lease("b", &worker("nux")).unwrap();
        mol.fail("c", &worker("nux"), "why").unwrap();
        let bytes = rmp_serde::to_vec_named(&mol).unwrap();
        assert_eq!(rmp_serde::from_slice::<Molecule>(&bytes).unwrap(), mol);
    }

    #[test]
    fn what_was_not_written_by_this_program_is_refused() {
        let load = |steps: &str| {
            serde_json::from_str::<Molecule>(&format!(r#"{{"formula":"f","version":1,"steps":[{steps}]}}"#))
        };
        let ok =
            r#"{"id":"a","title":"a","state":"done"},{"id":"b","title":"b","needs":["a"],"state":"pending"}"#;
        assert_eq!(ready(&load(ok).unwrap()), ["b"], "what is ready follows from what is done");
        assert!(
            load(r#"{"id":"a","title":"a","state":"done"},{"id":"a","title":"a","state":"done"}"#).is_err()
        );
        assert!(load(r#"{"id":"a","title":"a","needs":["x"],"state":"pending"}"#).is_err());
        assert!(
            load(r#"{"id":"a","title":"a","state":"ready"},{"id":"b","title":"b","needs":["a"],"state":"done"}"#)
                .is_err()
        );
    }

    #[test]
    fn a_chain_of_ten_thousand_is_walked_to_its_end() {
        let nodes: Vec<(String, Vec<String>)> = (0..10_000_usize)
            .map(|step| {
                (
                    format!("s{step}"),
                    step.checked_sub(1).map(|before| format!("s{before}")).into_iter().collect(),
                )
            })
            .collect();
        let mut mol = Molecule::pour(proto(&nodes)).unwrap();
        for step in 0..10_000 {
            mol.complete(&format!("s{step}"), &worker("nux")).unwrap();
        }
        assert!(mol.is_done());
    }

    #[derive(Debug, Clone)]
    enum Move {
        Lease(usize, bool),
        Release(usize),
        Complete(usize, bool),
        Fail(usize, bool),
        Retry(usize),
        Reload,
    }

    fn moves(count: usize) -> impl Strategy<Value = Move> {
        prop_oneof![
            3 => (0..count, any::<bool>()).prop_map(|(step, who)| Move::Lease(step, who)),
            1 => (0..count).prop_map(Move::Release),
            5 => (0..count, any::<bool>()).prop_map(|(step, who)| Move::Complete(step, who)),
            1 => (0..count, any::<bool>()).prop_map(|(step, who)| Move::Fail(step, who)),
            1 => (0..count).prop_map(Move::Retry),
            1 => Just(Move::Reload),
        ]
    }

    /// What a step is in the model: who holds it, whether it is done, whether it has failed.
    #[derive(Debug, Clone, Default)]
    struct Plain {
        held: Option<bool>,
        done: bool,
        failed: bool,
    }

    const COUNT: usize = 9;

    proptest! {
        #[test]
        fn any_moves_on_any_graph_agree_with_a_plain_model(
            edges in prop::collection::vec((0..COUNT, 0..COUNT), 0..20),
            moves in prop::collection::vec(moves(COUNT), 0..60),
        ) {
            // Needing only earlier ones makes any choice of edges a graph without cycles.
            let needs = |step: usize| -> Vec<usize> {
                edges.iter().filter(|(a, b)| (*a).max(*b) == step && a != b).map(|(a, b)| (*a).min(*b)).collect()
            };
            let mut nodes: Vec<(String, Vec<String>)> = (0..COUNT)
                .map(|step| (step.to_string(), needs(step).iter().map(ToString::to_string).collect()))
                .collect();
            nodes.reverse();
            let mut mol = Molecule::pour(proto(&nodes)).unwrap();
            let mut plain = vec![Plain::default(); COUNT];
            let who = |first: bool| worker(if first { "nux" } else { "slit" });

            for step in moves {
                let free = |plain: &[Plain], step: usize| {
                    needs(step).iter().all(|need| plain[*need].done) && !plain[step].done && !plain[step].failed
                };
                let may = |plain: &[Plain], step: usize, by: bool| {
                    free(plain, step) && plain[step].held.is_none_or(|holder| holder == by)
                };
                match step {
                    Move::Lease(step, by) => {
                        let allowed = may(&plain, step, by);
                        prop_assert_eq!(mol.lease(&step.to_string(), &who(by)).is_ok(), allowed);
                        if allowed { plain[step].held = Some(by); }
                    }
                    Move::Release(step) => {
                        let allowed = free(&plain, step) && plain[step].held.is_some();
                        prop_assert_eq!(mol.release(&step.to_string()).is_ok(), allowed);
                        if allowed { plain[step].held = None; }
                    }
                    Move::Complete(step, by) => {
                        let allowed = may(&plain, step, by);
                        let result = mol.complete(&step.to_string(), &who(by));
                        prop_assert_eq!(result.is_ok(), allowed);
                        if allowed {
                            let before: Vec<bool> = (0..COUNT).map(|other| free(&plain, other)).collect();
                            plain[step].done = true;
                            let freed: std::collections::HashSet<String> = (0..COUNT)
                                .filter(|other| !before[*other] && free(&plain, *other))
                                .map(|other| other.to_string())
                                .collect();
                            prop_assert_eq!(result.unwrap().into_iter().collect::<std::collections::HashSet<_>>(), freed);
                        }
                    }
                    Move::Fail(step, by) => {
                        let allowed = may(&plain, step, by);
                        prop_assert_eq!(mol.fail(&step.to_string(), &who(by), "x").is_ok(), allowed);
                        if allowed { plain[step].failed = true; plain[step].held = None; }
                    }
                    Move::Retry(step) => {
                        let allowed = plain[step].failed;
                        prop_assert_eq!(mol.retry(&step.to_string()).is_ok(), allowed);
                        if allowed { plain[step].failed = false; }
                    }
                    Move::Reload => {
                        let json = serde_json::to_string(&mol).unwrap();
                        let again: Molecule = serde_json::from_str(&json).unwrap();
                        prop_assert_eq!(&again, &mol);
                        mol = again;
                    }
                }
                for (step, plain_step) in plain.iter().enumerate() {
                    let state = &mol.step(&step.to_string()).unwrap().state;
                    let expected = match plain_step {
                        Plain { done: true, .. } => "done",
                        Plain { failed: true, .. } => "failed",
                        Plain { held: Some(_), .. } => "leased",
                        _ if free(&plain, step) => "ready",
                        _ => "pending",
                    };
                    prop_assert_eq!(state.as_str(), expected);
                }
                prop_assert_eq!(mol.is_done(), plain.iter().all(|step| step.done));
            }
        }
    }
}
