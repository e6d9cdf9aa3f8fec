//! Which beads could be worked at now: the rule, in one place.
//!
//! It is the rule of `bd ready` (the beads repository, `internal/storage/issueops/ready_work.go` and
//! `blocked_state.go`), with three differences: `in_progress` is not ready, since somebody is at it; more
//! types are records instead of work; and what is to be done if another bead fails waits until it has failed. A bead is **ready** when
//!
//! 1. its status is `open`;
//! 2. its type is work (`IssueType::is_work`), and it is marked neither `pinned`, `ephemeral` (`wisp` in
//!    older exports) nor `is_template`;
//! 3. neither it nor a bead that it is a part of has a `defer_until` in the future;
//! 4. it is not **blocked**.
//!
//! A bead is blocked when
//!
//! - it has a `blocks` dependency on a bead that is not over;
//! - or a `conditional-blocks` dependency on one that has not failed: closed with a reason that says so;
//! - or it `waits-for` a bead that has a part which is not over; if the dependency's `metadata` says
//!   `"gate": "any-children"`, one closed part is enough;
//! - or it is a part (`parent-child`) of a bead that is blocked and not over, and so on upwards.
//!
//! *Over* is `closed` or `pinned`. A bead that does not exist, or was deleted, holds nobody up. Parts never
//! hold up their whole. All other kinds of dependency hold nobody up.

use std::collections::BTreeSet;

use model::bead::{Bead, DepType, Status};
use model::ids::BeadId;
use model::time::Timestamp;
use serde_json::Value;

use super::beads::Beads;

/// Whether `bead` could be worked at, for all that it says of itself: points 1 and 2. Looks at no clock and
/// at no other bead.
pub fn is_work(bead: &Bead) -> bool {
    bead.status == Status::Open
        && bead.issue_type.is_work()
        && !bead.is_ephemeral()
        && !bead.is_marked("pinned")
        && !bead.is_marked("is_template")
}

/// Whether `bead` or a bead that it is a part of is put off until after `now`: point 3.
pub fn is_put_off(beads: &Beads, bead: &Bead, now: Timestamp) -> bool {
    wholes(beads, bead, |_| true).iter().any(|bead| defer_until(bead).is_some_and(|until| until > now))
}

/// What holds `bead` up: point 4. Empty when it is not blocked.
pub fn blockers(beads: &Beads, bead: &Bead) -> BTreeSet<BeadId> {
    wholes(beads, bead, |whole| !is_over(whole.status))
        .into_iter()
        .flat_map(|bead| bead.dependencies.iter())
        .flat_map(|dep| match dep.kind {
            DepType::Blocks => open_target(beads, &dep.depends_on_id).into_iter().collect(),
            DepType::ConditionalBlocks => unfailed(beads, &dep.depends_on_id).into_iter().collect(),
            DepType::WaitsFor => open_parts(beads, &dep.depends_on_id, any_part_will_do(dep)),
            _ => Vec::new(),
        })
        .collect()
}

/// The time until which a bead is put off, if it says one.
pub fn defer_until(bead: &Bead) -> Option<Timestamp> {
    bead.time("defer_until")
}

fn is_over(status: Status) -> bool {
    matches!(status, Status::Closed | Status::Pinned)
}

/// `bead`, the beads that it is a part of, those that they are parts of, and so on through all that `pass`.
fn wholes<'a>(beads: &'a Beads, bead: &'a Bead, pass: impl Fn(&Bead) -> bool) -> Vec<&'a Bead> {
    let mut seen = BTreeSet::from([&bead.id]);
    let mut found = vec![bead];
    let mut next = 0;
    while let Some(bead) = found.get(next).copied() {
        next += 1;
        for dep in bead.dependencies.iter().filter(|dep| dep.kind == DepType::ParentChild) {
            if let Some(whole) = beads.get(&dep.depends_on_id)
                && pass(whole)
                && seen.insert(&whole.id)
            {
                found.push(whole);
            }
        }
    }
    found
}

fn open_target(beads: &Beads, id: &BeadId) -> Option<BeadId> {
    beads.get(id).filter(|target| !is_over(target.status)).map(|target| target.id.clone())
}

fn unfailed(beads: &Beads, id: &BeadId) -> Option<BeadId> {
    let failed = |bead: &Bead| bead.status == Status::Closed && bead.has_failed();
    beads.get(id).filter(|target| !failed(target)).map(|target| target.id.clone())
}

fn open_parts(beads: &Beads, whole: &BeadId, any_will_do: bool) -> Vec<BeadId> {
    if any_will_do && beads.children(whole).any(|part| part.status == Status::Closed) {
        return Vec::new();
    }
    beads.children(whole).filter(|part| !is_over(part.status)).map(|part| part.id.clone()).collect()
}

fn any_part_will_do(dep: &model::bead::Dependency) -> bool {
    let gate = |metadata: &Value| metadata.get("gate").and_then(Value::as_str) == Some("any-children");
    match dep.extra.get("metadata") {
        // `bd` keeps JSON inside a text.
        Some(Value::String(text)) => serde_json::from_str(text).is_ok_and(|metadata| gate(&metadata)),
        Some(metadata) => gate(metadata),
        None => false,
    }
}
