//! Running formulas: which steps are done, who is at which, and what they wait for.

use std::collections::{BTreeMap, BTreeSet};

use model::event::{Event, PouredStep, Record};
use model::ids::{BeadId, MolId, Seq};
use model::molecule::{Digest, Phase, StepGate, StepMore};
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One running formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mol {
    /// Its name.
    pub id: MolId,
    /// The bead that it guides.
    pub bead: BeadId,
    /// The formula that it was made from.
    pub formula: String,
    /// Its steps, in an order in which they can be done.
    pub steps: Vec<PouredStep>,
    /// Those that are done.
    pub done: BTreeSet<String>,
    /// The step that was done last, and the record that says so.
    #[serde(default)]
    pub last: Option<(String, Seq)>,
    /// When the last one was done.
    pub completed_at: Option<Timestamp>,
    /// When it was made.
    #[serde(default)]
    pub created_at: Timestamp,
    /// The record that says so.
    #[serde(default)]
    pub first: Seq,
    /// Whether it stays.
    #[serde(default)]
    pub phase: Phase,
    /// What becomes of it when all is done.
    #[serde(default)]
    pub squash: Option<String>,
    /// Who works at which step, and since when.
    #[serde(default)]
    pub leases: BTreeMap<String, (Address, Timestamp)>,
    /// When each step was done.
    #[serde(default)]
    pub done_at: BTreeMap<String, Timestamp>,
    /// Gates that have opened, by step and place: why, and when.
    #[serde(default)]
    pub opened: BTreeMap<String, BTreeMap<usize, (String, Timestamp)>>,
}

static NOTHING: StepMore = StepMore {
    gates: Vec::new(),
    container: false,
    parent: None,
    parallel: false,
    timeout_s: None,
    waits_for: None,
    on_complete: None,
    follows: None,
};

/// What a step says beside its text.
pub fn more(step: &PouredStep) -> &StepMore {
    step.more.as_deref().unwrap_or(&NOTHING)
}

impl Mol {
    /// What `event` has poured; none if it is another one.
    ///
    /// * `first` - the record that the digest of the molecule begins with.
    pub fn poured(event: &Event, at: Timestamp, first: Seq) -> Option<Self> {
        let Event::MolCreated { mol, bead, formula, steps, phase, squash } = event else { return None };
        Some(Self {
            id: mol.clone(),
            bead: bead.clone(),
            formula: formula.clone(),
            steps: steps.clone(),
            done: BTreeSet::new(),
            last: None,
            completed_at: None,
            created_at: at,
            first,
            phase: *phase,
            squash: squash.clone(),
            leases: BTreeMap::new(),
            done_at: BTreeMap::new(),
            opened: BTreeMap::new(),
        })
    }

    /// The step called `id`.
    pub fn step(&self, id: &str) -> Option<&PouredStep> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// Whether all steps that `step` waits for are done; its gates may be shut.
    pub fn is_reached(&self, step: &PouredStep) -> bool {
        !self.done.contains(&step.id)
            && step.needs.iter().all(|need| self.done.contains(need))
            && more(step).waits_for.as_ref().is_none_or(|wait| {
                let mut followers =
                    self.steps.iter().filter(|other| more(other).follows.as_ref() == Some(&wait.of));
                let done = |other: &PouredStep| self.done.contains(&other.id);
                let none = followers.clone().next().is_none();
                self.done.contains(&wait.of)
                    && (none || if wait.any { followers.any(done) } else { followers.all(done) })
            })
    }

    /// The gates of `step` that are shut, by their places.
    pub fn shut<'a>(&'a self, step: &'a PouredStep) -> impl Iterator<Item = (usize, &'a StepGate)> {
        let opened = self.opened.get(&step.id);
        let shut = move |place: &usize| opened.is_none_or(|opened| !opened.contains_key(place));
        more(step).gates.iter().enumerate().filter(move |(place, _)| shut(place))
    }

    /// Whether `step` can be done now.
    pub fn is_ready(&self, step: &PouredStep) -> bool {
        self.is_reached(step) && self.shut(step).next().is_none()
    }

    /// Since when nothing but its gates has held `step` up.
    pub fn reached_at(&self, step: &PouredStep) -> Timestamp {
        let needs = step.needs.iter().filter_map(|need| self.done_at.get(need)).copied();
        needs.max().unwrap_or(self.created_at).max(self.created_at)
    }

    /// Whether the session that began with the record `begun` is over because it has done its own step, and
    /// others are left.
    pub fn is_turn_over(&self, begun: Seq) -> bool {
        let Some((step, at)) = &self.last else { return false };
        let own = self.steps.iter().any(|known| known.id == *step && known.own_session);
        own && *at > begun && self.current().is_some()
    }

    /// The first step that can be done now.
    pub fn current(&self) -> Option<&PouredStep> {
        self.steps.iter().find(|step| self.is_ready(step))
    }

    /// What `worker` should do now: the step that it holds, or else the first that can be done and nobody holds.
    pub fn current_for(&self, worker: &Address) -> Option<&PouredStep> {
        let held = self.leases.iter().find(|(_, (by, _))| by == worker).and_then(|(step, _)| self.step(step));
        held.or_else(|| {
            self.steps.iter().find(|step| !self.leases.contains_key(&step.id) && self.is_ready(step))
        })
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.done.len() == self.steps.len()
    }
}

/// All molecules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mols {
    by_id: BTreeMap<MolId, Mol>,
    /// How many were put away or thrown away.
    #[serde(default)]
    gone: usize,
    /// What is left of those that were put away, by name.
    #[serde(default)]
    digests: BTreeMap<String, Digest>,
}

impl Mols {
    /// The molecule called `id`.
    pub fn get(&self, id: &MolId) -> Option<&Mol> {
        self.by_id.get(id)
    }

    /// All that are there, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Mol> {
        self.by_id.values()
    }

    /// The newest one that guides `bead` and is not done.
    pub fn open_of(&self, bead: &BeadId) -> Option<&Mol> {
        self.iter().filter(|mol| mol.bead == *bead && mol.completed_at.is_none()).max_by_key(|mol| mol.first)
    }

    /// How many there have ever been.
    pub fn count(&self) -> usize {
        self.by_id.len() + self.gone
    }

    /// What is left of molecules that were put away.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.digests.values()
    }

    /// The digest called `id`.
    pub fn digest(&self, id: &str) -> Option<&Digest> {
        self.digests.get(id)
    }

    /// A board of one molecule, to see what becomes of it.
    pub fn alone(mol: Mol) -> Mols {
        Mols { by_id: [(mol.id.clone(), mol)].into(), ..Mols::default() }
    }

    fn forget(&mut self, mol: &MolId) {
        self.gone += usize::from(self.by_id.remove(mol).is_some());
    }

    fn change(&mut self, mol: &MolId, change: impl FnOnce(&mut Mol)) {
        if let Some(mol) = self.by_id.get_mut(mol) {
            change(mol);
        }
    }

    /// Takes in what has happened.
    pub fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::MolCreated { .. } => {
                if let Some(mol) = Mol::poured(&record.event, record.at, record.seq) {
                    self.by_id.insert(mol.id.clone(), mol);
                }
            }
            Event::MolStepCompleted { mol, step, .. } => self.change(mol, |mol| {
                mol.done.insert(step.clone());
                mol.done_at.insert(step.clone(), record.at);
                mol.leases.remove(step);
                mol.last = Some((step.clone(), record.seq));
            }),
            Event::MolCompleted { mol } => self.change(mol, |mol| mol.completed_at = Some(record.at)),
            Event::MolStepLeased { mol, step, by } => self.change(mol, |mol| {
                mol.leases.insert(step.clone(), (by.clone(), record.at));
            }),
            Event::MolStepReleased { mol, step, .. } => self.change(mol, |mol| {
                mol.leases.remove(step);
            }),
            Event::MolGateOpened { mol, step, gate, reason } => self.change(mol, |mol| {
                mol.opened.entry(step.clone()).or_default().insert(*gate, (reason.clone(), record.at));
            }),
            Event::MolGrown { mol, steps, needs, .. } => self.change(mol, |mol| {
                mol.steps.extend(steps.iter().cloned());
                for (step, need) in needs {
                    if let Some(step) = mol.steps.iter_mut().find(|known| known.id == *step) {
                        step.needs.push(need.clone());
                    }
                }
                mol.completed_at = None;
            }),
            Event::MolSquashed { mols, digest } => {
                for mol in mols {
                    self.forget(mol);
                }
                merge(self.digests.entry(digest.id.clone()).or_default(), digest);
            }
            Event::MolBurned { mol } => self.forget(mol),
            // A worker that is gone holds nothing; what it has done stays done.
            Event::AgentStopped { agent, .. } | Event::HookCleared { agent, .. } => {
                for mol in self.by_id.values_mut() {
                    mol.leases.retain(|_, (by, _)| by != agent);
                }
            }
            Event::HookMoved { from, to, .. } | Event::AgentRenamed { from, to, .. } => {
                for (by, _) in self.by_id.values_mut().flat_map(|mol| mol.leases.values_mut()) {
                    if by == from {
                        *by = to.clone();
                    }
                }
            }
            _ => {}
        }
    }
}

/// Adds a digest to one of the same name: that of a patrol's cycles is one, however many there are.
fn merge(known: &mut Digest, new: &Digest) {
    if known.count == 0 {
        *known = new.clone();
        return;
    }
    known.count += new.count;
    known.completed += new.completed;
    known.steps += new.steps;
    known.steps_done += new.steps_done;
    known.seconds += new.seconds;
    known.began = known.began.min(new.began);
    known.ended = known.ended.max(new.ended);
    known.first = known.first.min(new.first);
    known.last = known.last.max(new.last);
    for formula in &new.formulas {
        if !known.formulas.contains(formula) {
            known.formulas.push(formula.clone());
        }
    }
    if !new.summary.is_empty() {
        known.summary.clone_from(&new.summary);
    }
}
