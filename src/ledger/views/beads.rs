//! The beads, what depends on what, and what could be worked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::bead::{Bead, DepType, Status};
use model::event::{Event, Record};
use model::ids::BeadId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::ready;

/// All beads by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Beads {
    by_id: BTreeMap<BeadId, Arc<Bead>>,
    /// For each bead, those that depend on it in any way.
    dependents: BTreeMap<BeadId, BTreeSet<BeadId>>,
    /// Beads that were deleted elsewhere. They are exported again, so that nobody brings them back to life, and
    /// are no beads for anybody else.
    #[serde(default)]
    tombstones: BTreeMap<BeadId, Arc<Bead>>,
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

    /// The bead called `id` that was deleted elsewhere.
    pub fn tombstone(&self, id: &BeadId) -> Option<&Bead> {
        self.tombstones.get(id).map(Arc::as_ref)
    }

    /// All beads that were deleted elsewhere, by name.
    pub fn tombstones(&self) -> impl Iterator<Item = &Bead> {
        self.tombstones.values().map(Arc::as_ref)
    }

    /// Whether `id` is, or was, the name of a bead.
    pub fn is_taken(&self, id: &BeadId) -> bool {
        self.by_id.contains_key(id) || self.tombstones.contains_key(id)
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

    /// What holds `bead` up; see [`ready`](super::ready) for the rule.
    pub fn blockers(&self, bead: &Bead) -> Vec<BeadId> {
        ready::blockers(self, bead).into_iter().collect()
    }

    /// Whether somebody could take `bead` now.
    pub fn is_ready(&self, bead: &Bead, now: Timestamp) -> bool {
        ready::is_work(bead) && !ready::is_put_off(self, bead, now) && ready::blockers(self, bead).is_empty()
    }

    /// What could be worked at now, most urgent first, then oldest.
    pub fn ready(&self, now: Timestamp) -> Vec<&Bead> {
        let mut ready: Vec<&Bead> = self.iter().filter(|bead| self.is_ready(bead, now)).collect();
        ready.sort_by_key(|bead| (bead.priority, bead.created_at.at(), &bead.id));
        ready
    }

    /// Takes a bead in as it is, in place of what was known under its name.
    fn put(&mut self, bead: &Arc<Bead>) {
        self.unlink(&bead.id);
        self.by_id.remove(&bead.id);
        self.tombstones.remove(&bead.id);
        if bead.status.is_tombstone() {
            self.tombstones.insert(bead.id.clone(), Arc::clone(bead));
            return;
        }
        for dep in &bead.dependencies {
            self.link(&bead.id, &dep.depends_on_id);
        }
        self.by_id.insert(bead.id.clone(), Arc::clone(bead));
    }

    fn unlink(&mut self, id: &BeadId) {
        let targets: Vec<BeadId> = self
            .get(id)
            .map(|bead| bead.dependencies.iter().map(|dep| dep.depends_on_id.clone()).collect())
            .unwrap_or_default();
        for target in targets {
            self.part(id, &target);
        }
    }

    fn part(&mut self, from: &BeadId, to: &BeadId) {
        if let Some(dependents) = self.dependents.get_mut(to) {
            dependents.remove(from);
            if dependents.is_empty() {
                self.dependents.remove(to);
            }
        }
    }

    fn link(&mut self, from: &BeadId, to: &BeadId) {
        self.dependents.entry(to.clone()).or_default().insert(from.clone());
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::BeadCreated { bead } | Event::BeadImported { bead } => self.put(bead),
            Event::BeadUpdated { bead, patch } => self.change(bead, |bead| {
                patch.apply(bead);
                bead.updated_at = at.into();
            }),
            Event::BeadStatusChanged { bead, to, .. } => self.change(bead, |bead| {
                bead.status = *to;
                bead.updated_at = at.into();
                bead.closed_at = None;
                bead.close_reason = None;
            }),
            Event::BeadClosed { bead, reason, .. } => self.change(bead, |bead| {
                bead.status = Status::Closed;
                bead.updated_at = at.into();
                bead.closed_at = Some(at.into());
                bead.close_reason = Some(reason.clone());
            }),
            Event::BeadCommented { bead, comment } => self.change(bead, |bead| {
                bead.comments.push(comment.clone());
                bead.updated_at = at.into();
            }),
            Event::DepAdded { dep } => {
                self.link(&dep.issue_id, &dep.depends_on_id);
                self.change(&dep.issue_id, |bead| {
                    bead.dependencies.push(dep.clone());
                    bead.updated_at = at.into();
                });
            }
            Event::DepRemoved { bead, on } => {
                self.part(bead, on);
                self.change(bead, |bead| {
                    bead.dependencies.retain(|dep| dep.depends_on_id != *on);
                    bead.updated_at = at.into();
                });
            }
            // Who works at a bead is its assignee for as long as it hangs there.
            Event::HookSet { bead, agent, .. } => self.change(bead, |bead| {
                bead.assignee = Some(agent.to_string());
                bead.updated_at = at.into();
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
