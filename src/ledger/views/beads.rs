//! The beads, what depends on what, and what could be worked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::bead::{Bead, DepType, Status};
use model::event::{Event, Record};
use model::ids::BeadId;
use serde::{Deserialize, Serialize};

/// All beads by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Beads {
    by_id: BTreeMap<BeadId, Arc<Bead>>,
    /// For each bead, those that depend on it in any way.
    dependents: BTreeMap<BeadId, BTreeSet<BeadId>>,
}

impl Beads {
    /// The bead called `id`.
    pub fn get(&self, id: &BeadId) -> Option<&Bead> {
        self.by_id.get(id).map(Arc::as_ref)
    }

    /// All beads, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Bead> {
        self.by_id.values().map(Arc::as_ref)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Those that depend on `id` in any way.
    pub fn dependents(&self, id: &BeadId) -> impl Iterator<Item = &BeadId> {
        self.dependents.get(id).into_iter().flatten()
    }

    /// The parts of `id`: beads with a parent-child arrow to it.
    pub fn children(&self, id: &BeadId) -> impl Iterator<Item = &Bead> {
        self.dependents(id).filter_map(|child| self.get(child)).filter(move |child| {
            child.dependencies.iter().any(|d| d.kind == DepType::ParentChild && d.depends_on_id == *id)
        })
    }

    /// What `bead` waits for: the open targets of its own `blocks` arrows, and of those of the beads
    /// that it is a part of. A target that does not exist does not block.
    pub fn blockers(&self, bead: &Bead) -> Vec<BeadId> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::from([bead.id.clone()]);
        let mut todo = vec![bead];
        while let Some(bead) = todo.pop() {
            for dep in &bead.dependencies {
                let Some(target) = self.get(&dep.depends_on_id) else { continue };
                match dep.kind {
                    DepType::Blocks if target.status != Status::Closed => {
                        found.insert(target.id.clone());
                    }
                    DepType::ParentChild if seen.insert(target.id.clone()) => todo.push(target),
                    _ => {}
                }
            }
        }
        found.into_iter().collect()
    }

    /// Whether somebody could take `bead` now.
    pub fn is_ready(&self, bead: &Bead) -> bool {
        bead.status == Status::Open && bead.issue_type.is_work() && self.blockers(bead).is_empty()
    }

    /// What could be worked at now, most urgent first, then oldest.
    pub fn ready(&self) -> Vec<&Bead> {
        let mut ready: Vec<&Bead> = self.iter().filter(|bead| self.is_ready(bead)).collect();
        ready.sort_by_key(|bead| (bead.priority, bead.created_at, bead.id.clone()));
        ready
    }

    fn link(&mut self, from: &BeadId, to: &BeadId) {
        self.dependents.entry(to.clone()).or_default().insert(from.clone());
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::BeadCreated { bead } => {
                for dep in &bead.dependencies {
                    self.link(&bead.id, &dep.depends_on_id);
                }
                self.by_id.insert(bead.id.clone(), Arc::clone(bead));
            }
            Event::BeadUpdated { bead, patch } => self.change(bead, |bead| {
                patch.apply(bead);
                bead.updated_at = at;
            }),
            Event::BeadStatusChanged { bead, to, .. } => self.change(bead, |bead| {
                bead.status = *to;
                bead.updated_at = at;
                bead.closed_at = None;
                bead.close_reason = None;
            }),
            Event::BeadClosed { bead, reason, .. } => self.change(bead, |bead| {
                bead.status = Status::Closed;
                bead.updated_at = at;
                bead.closed_at = Some(at);
                bead.close_reason = Some(reason.clone());
            }),
            Event::BeadCommented { bead, comment } => self.change(bead, |bead| {
                bead.comments.push(comment.clone());
                bead.updated_at = at;
            }),
            Event::DepAdded { dep } => {
                self.link(&dep.issue_id, &dep.depends_on_id);
                self.change(&dep.issue_id, |bead| {
                    bead.dependencies.push(dep.clone());
                    bead.updated_at = at;
                });
            }
            Event::DepRemoved { bead, on } => {
                if let Some(dependents) = self.dependents.get_mut(on) {
                    dependents.remove(bead);
                    if dependents.is_empty() {
                        self.dependents.remove(on);
                    }
                }
                self.change(bead, |bead| {
                    bead.dependencies.retain(|dep| dep.depends_on_id != *on);
                    bead.updated_at = at;
                });
            }
            // Who works at a bead is its assignee for as long as it hangs there.
            Event::HookSet { bead, agent, .. } => self.change(bead, |bead| {
                bead.assignee = Some(agent.to_string());
                bead.updated_at = at;
            }),
            _ => {}
        }
    }

    fn change(&mut self, id: &BeadId, change: impl FnOnce(&mut Bead)) {
        // Its own copy, unless the draft, the live board or a reader holds the same.
        if let Some(bead) = self.by_id.get_mut(id) {
            change(Arc::make_mut(bead));
        }
    }
}
