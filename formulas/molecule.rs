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

use crate::graph;
use crate::proto::{Proto, ProtoStep};

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
mod tests;
