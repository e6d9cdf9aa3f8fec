//! The beads, what depends on what, and what could be worked at.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::bead::{Bead, DepType, Priority, Status};
use model::event::{Event, Record};
use model::ids::BeadId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::ready;

/// All beads by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Beads {
    by_id: BTreeMap<BeadId, Arc<Bead>>,
    /// For each bead, those that depend on it in any way.
    dependents: BTreeMap<BeadId, BTreeSet<BeadId>>,
    /// Beads that were deleted elsewhere. They are exported again, so that nobody brings them back to life, and
    /// are no beads for anybody else.
    tombstones: BTreeMap<BeadId, Arc<Bead>>,
    /// Work that nothing holds up, in the order in which it should be done; of what is put off, too, since that
    /// depends on the time. Kept up with every event, and made anew from the rest.
    #[serde(skip)]
    front: BTreeMap<Place, Arc<Bead>>,
    /// All beads that are not closed, in the same order; the same goes for it.
    #[serde(skip)]
    under_way: BTreeMap<Place, Arc<Bead>>,
    /// All that are closed, in the same order.
    #[serde(skip)]
    closed: BTreeMap<Place, Arc<Bead>>,
    /// How many beads say until when they are put off.
    #[serde(skip)]
    deferring: usize,
}

/// Most urgent first, then oldest, then by name as people count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    priority: Priority,
    since: Timestamp,
    id: BeadId,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let urgency = |place: &Self| (place.priority, place.since);
        urgency(self).cmp(&urgency(other)).then_with(|| self.id.compare(&other.id))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn place(bead: &Bead) -> Place {
    Place { priority: bead.priority, since: bead.created_at.at(), id: bead.id.clone() }
}

/// What is kept of [`Beads`].
#[derive(Deserialize)]
struct Stored {
    by_id: BTreeMap<BeadId, Arc<Bead>>,
    dependents: BTreeMap<BeadId, BTreeSet<BeadId>>,
    #[serde(default)]
    tombstones: BTreeMap<BeadId, Arc<Bead>>,
}

impl From<Stored> for Beads {
    fn from(stored: Stored) -> Self {
        let Stored { by_id, dependents, tombstones } = stored;
        let mut beads = Beads { by_id, dependents, tombstones, ..Beads::default() };
        let all: BTreeSet<BeadId> = beads.by_id.keys().cloned().collect();
        beads.deferring = beads.iter().filter(|bead| ready::defer_until(bead).is_some()).count();
        beads.admit(&all);
        for id in &all {
            beads.enrol(id);
        }
        beads
    }
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

    /// All beads that are not closed, most urgent first, then oldest.
    pub fn under_way(&self) -> impl Iterator<Item = &Arc<Bead>> {
        self.under_way.values()
    }

    /// All beads, most urgent first, then oldest.
    pub fn in_order(&self) -> impl Iterator<Item = &Arc<Bead>> {
        let (mut open, mut closed) = (self.under_way.iter().peekable(), self.closed.iter().peekable());
        std::iter::from_fn(move || {
            let from_open = match (open.peek(), closed.peek()) {
                (Some((a, _)), Some((b, _))) => a < b,
                (open, _) => open.is_some(),
            };
            if from_open { open.next() } else { closed.next() }.map(|(_, bead)| bead)
        })
    }

    /// How many are closed.
    pub fn count_closed(&self) -> usize {
        self.closed.len()
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

    /// What holds `bead` up; see [`ready`] for the rule.
    pub fn blockers(&self, bead: &Bead) -> Vec<BeadId> {
        ready::blockers(self, bead).into_iter().collect()
    }

    /// Whether somebody could take `bead` now.
    pub fn is_ready(&self, bead: &Bead, now: Timestamp) -> bool {
        ready::is_work(bead) && !ready::is_put_off(self, bead, now) && ready::blockers(self, bead).is_empty()
    }

    /// What could be worked at now, most urgent first, then oldest.
    pub fn ready(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Bead>> {
        let none_put_off = self.deferring == 0;
        self.front.values().filter(move |bead| none_put_off || !ready::is_put_off(self, bead, now))
    }

    /// What could be worked at now or later: also what is put off.
    pub fn ready_in_time(&self) -> impl Iterator<Item = &Arc<Bead>> {
        self.front.values()
    }

    /// Whether `bead`, or what it is a part of, is put off until after `now`.
    pub fn is_put_off(&self, bead: &Bead, now: Timestamp) -> bool {
        self.deferring > 0 && ready::is_put_off(self, bead, now)
    }

    /// When the next bead that is put off is due, if one is.
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.deferring == 0 {
            return None;
        }
        self.under_way().filter_map(|bead| ready::defer_until(bead)).filter(|until| *until > now).min()
    }

    /// Puts a bead into the list of those that are closed or not.
    fn enrol(&mut self, id: &BeadId) {
        if let Some(bead) = self.by_id.get(id) {
            let list = if bead.status == Status::Closed { &mut self.closed } else { &mut self.under_way };
            list.insert(place(bead), Arc::clone(bead));
        }
    }

    /// Takes it out, before it changes.
    fn strike(&mut self, id: &BeadId) {
        if let Some(bead) = self.by_id.get(id) {
            let list = if bead.status == Status::Closed { &mut self.closed } else { &mut self.under_way };
            list.remove(&place(bead));
        }
    }

    /// Those whose being held up may depend on `id`, and `id`: what waits for it or for the whole that it is a
    /// part of, and all parts of these.
    fn around(&self, id: &BeadId) -> BTreeSet<BeadId> {
        let waits = |from: &&BeadId, on: &BeadId, how: fn(DepType) -> bool| {
            let arrows = self.get(from).into_iter().flat_map(|bead| &bead.dependencies);
            arrows.into_iter().any(|dep| dep.depends_on_id == *on && how(dep.kind))
        };
        let mut found: Vec<BeadId> = vec![id.clone()];
        found.extend(self.dependents(id).filter(|from| waits(from, id, DepType::blocks)).cloned());
        let wholes = self.get(id).into_iter().flat_map(|bead| &bead.dependencies);
        for whole in wholes.filter(|dep| dep.kind == DepType::ParentChild).map(|dep| &dep.depends_on_id) {
            let waiting = |from: &&BeadId| waits(from, whole, |kind| kind == DepType::WaitsFor);
            found.extend(self.dependents(whole).filter(waiting).cloned());
        }
        let mut seen: BTreeSet<BeadId> = found.iter().cloned().collect();
        while let Some(whole) = found.pop() {
            for part in self.children(&whole) {
                if seen.insert(part.id.clone()) {
                    found.push(part.id.clone());
                }
            }
        }
        seen
    }

    /// Takes `ids` off the front, before something about them changes.
    fn withdraw(&mut self, ids: &BTreeSet<BeadId>) {
        for id in ids {
            if let Some(bead) = self.by_id.get(id) {
                self.front.remove(&place(bead));
            }
        }
    }

    /// Puts those of `ids` to the front that nothing holds up.
    fn admit(&mut self, ids: &BTreeSet<BeadId>) {
        for id in ids {
            if let Some(bead) = self.by_id.get(id)
                && ready::is_work(bead)
                && ready::blockers(self, bead).is_empty()
            {
                self.front.insert(place(bead), Arc::clone(bead));
            }
        }
    }

    /// Carries out a change that may free or hold up `id` and others.
    fn move_about(&mut self, id: &BeadId, change: impl FnOnce(&mut Self)) {
        let mut around = self.around(id);
        self.withdraw(&around);
        let defers = |beads: &Self| beads.get(id).is_some_and(|bead| ready::defer_until(bead).is_some());
        self.deferring -= usize::from(defers(self));
        self.strike(id);
        change(self);
        self.enrol(id);
        self.deferring += usize::from(defers(self));
        around.append(&mut self.around(id));
        // Those that it concerns only now are still at the front.
        self.withdraw(&around);
        self.admit(&around);
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

    /// Takes in what has happened.
    pub fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::BeadCreated { bead } | Event::BeadImported { bead } => {
                self.move_about(&bead.id, |beads| beads.put(bead));
            }
            // A further field may put it off, and with it its parts.
            Event::BeadUpdated { bead, patch } if !patch.fields.is_empty() => self.turn(bead, |bead| {
                patch.apply(bead);
                bead.updated_at = at.into();
            }),
            Event::BeadUpdated { bead, patch } => self.change(bead, |bead| {
                patch.apply(bead);
                bead.updated_at = at.into();
            }),
            Event::BeadStatusChanged { bead, to, .. } => self.turn(bead, |bead| {
                bead.status = *to;
                bead.updated_at = at.into();
                bead.closed_at = None;
                bead.close_reason = None;
            }),
            Event::BeadClosed { bead, reason, .. } => self.turn(bead, |bead| {
                bead.status = Status::Closed;
                bead.updated_at = at.into();
                bead.closed_at = Some(at.into());
                bead.close_reason = Some(reason.clone());
            }),
            Event::BeadCommented { bead, comment } => self.change(bead, |bead| {
                bead.comments.push(comment.clone());
                bead.updated_at = at.into();
            }),
            Event::DepAdded { dep } => self.move_about(&dep.issue_id, |beads| {
                beads.link(&dep.issue_id, &dep.depends_on_id);
                beads.edit(&dep.issue_id, |bead| {
                    bead.dependencies.push(dep.clone());
                    bead.updated_at = at.into();
                });
            }),
            Event::DepRemoved { bead, on } => self.move_about(bead, |beads| {
                beads.part(bead, on);
                beads.edit(bead, |bead| {
                    bead.dependencies.retain(|dep| dep.depends_on_id != *on);
                    bead.updated_at = at.into();
                });
            }),
            // Who works at a bead is its assignee for as long as it hangs there.
            Event::HookSet { bead, agent, .. } | Event::HookMoved { bead, to: agent, .. } => {
                self.change(bead, |bead| {
                    bead.assignee = Some(agent.to_string());
                    bead.updated_at = at.into();
                })
            }
            _ => {}
        }
    }

    /// Changes a bead in a way that frees and holds up others.
    fn turn(&mut self, id: &BeadId, change: impl FnOnce(&mut Bead)) {
        self.move_about(id, |beads| beads.edit(id, change));
    }

    /// Changes a bead in a way that concerns no other.
    fn change(&mut self, id: &BeadId, change: impl FnOnce(&mut Bead)) {
        let own = BTreeSet::from([id.clone()]);
        self.withdraw(&own);
        self.strike(id);
        self.edit(id, change);
        self.enrol(id);
        self.admit(&own);
    }

    fn edit(&mut self, id: &BeadId, change: impl FnOnce(&mut Bead)) {
        // Its own copy, unless the draft, the live board or a reader holds the same.
        if let Some(bead) = self.by_id.get_mut(id) {
            change(Arc::make_mut(bead));
        }
    }
}
