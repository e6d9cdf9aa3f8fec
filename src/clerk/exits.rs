//! How a worker leaves what hangs on its hook: finished, or held up, too large, for a person.
//!
//! | exit | the bead | what is made | who is told |
//! |---|---|---|---|
//! | completed | stays on the hook until it has landed | | the Witness |
//! | blocked | `blocked`; open and handed out again when what holds it up is closed | beads for what holds it up | the Mayor |
//! | refactor | `deferred`, a part of one epic | the epic and the other parts | the Mayor |
//! | escalate | `deferred` | | the person |
//!
//! The hook is free at once; what is on the branch stays there, and the next worker goes on with it.

use ledger::views::Board;
use model::agent::Exit;
use model::answer::{Answer, DoneReport};
use model::bead::{Bead, DepType, Dependency, IssueType, Move, Status};
use model::command::{Leave, NewBead, Origin, Sling};
use model::event::Event;
use model::ids::BeadId;
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;

use crate::beads;
use crate::deps;
use crate::draft::Draft;
use crate::hooks::take_down;

/// Parts that a bead may be cut into at once, and beads that may hold it up.
const MOST: usize = 50;

/// What a worker has handed in, after its worktree was looked at.
#[derive(Debug, Clone, Default)]
pub struct HandedIn {
    /// The branch.
    pub branch: String,
    /// Its head.
    pub head: String,
    /// Where it was bundled, if it could not be pushed.
    pub bundle: Option<String>,
}

/// Looks whether a worker may leave `bead` so, before anything is done about it.
///
/// # Errors
/// `usage` for what does not go with the exit, or is no title; `no_such_bead`, with near matches; `cycle`.
pub fn check(board: &Board, bead: &BeadId, exit: Exit, leave: &Leave) -> Result<(), Refusal> {
    let with = |what: &str, exit: Exit| {
        Refusal::usage(format!("{what} goes with --exit {exit}"))
            .hint(format!("gt done --exit {exit} --reason \"...\" {what} ..."))
    };
    if exit != Exit::Blocked && !leave.on.is_empty() {
        return Err(with("--on", Exit::Blocked));
    }
    if exit != Exit::Blocked && !leave.blockers.is_empty() {
        return Err(with("--blocker", Exit::Blocked));
    }
    if exit != Exit::Refactor && !leave.parts.is_empty() {
        return Err(with("--part", Exit::Refactor));
    }
    if leave.on.len() + leave.blockers.len() + leave.parts.len() > MOST {
        return Err(Refusal::usage(format!("a bead is left with at most {MOST} others at once")));
    }
    // Tried on a draft that nobody keeps: what would be refused later is refused now.
    let mut trial = Draft::new(board, Address::Runtime, model::time::Timestamp::default());
    let of = beads::find(board, bead)?;
    let origin = Origin::Actor(Address::Runtime);
    for text in leave.blockers.iter().chain(&leave.parts) {
        beads::create(&mut trial, &origin, &described(of, text))?;
    }
    for on in &leave.on {
        deps::depend(&mut trial, bead, on, Some(DepType::Blocks))?;
    }
    Ok(())
}

/// Records that the worker on `agent`'s hook is finished with it.
///
/// `work` is what it hands in; none when it hands nothing in.
///
/// # Errors
/// `nothing_hooked`, `already_submitted`, and those of [`check`].
pub fn done(
    draft: &mut Draft<'_>,
    agent: &Address,
    bead: &BeadId,
    (exit, reason): (Exit, Option<&str>),
    leave: &Leave,
    work: Option<HandedIn>,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    let hook = board.hooks.of(agent).filter(|hook| hook.bead == *bead).ok_or_else(|| {
        Refusal::forbidden("nothing_hooked", format!("{bead} does not hang on the hook of {agent}"))
    })?;
    if !hook.stage.wants_session() {
        return Err(Refusal::forbidden("already_submitted", format!("{bead} has been handed in already")));
    }
    check(board, bead, exit, leave)?;
    let branch = work.as_ref().map(|work| work.branch.clone());
    let head = work.as_ref().map(|work| work.head.clone());
    let saved = match &work {
        Some(HandedIn { bundle: Some(_), .. }) => "bundle",
        Some(_) => "remote",
        None => "none",
    };
    draft.push(Event::WorkDone {
        agent: agent.clone(),
        bead: bead.clone(),
        exit,
        branch: branch.clone(),
        head: head.clone(),
        bundle: work.as_ref().and_then(|work| work.bundle.clone()),
        reason: reason.map(str::to_owned),
    });
    let why = reason.unwrap_or("no reason given");
    let mut created = Vec::new();
    match (exit, &work) {
        (Exit::Completed, Some(work)) => {
            if let Some(rig) = agent.rig() {
                let kind = Kind::PolecatDone {
                    bead: bead.clone(),
                    branch: work.branch.clone(),
                    head: work.head.clone(),
                    exit,
                };
                draft.send(&Address::Witness(rig.clone()), kind);
            }
        }
        // Nothing to land: closed with the worker's reason, never silently.
        (Exit::Completed, None) => {
            let reason = format!("nothing to change: {why}");
            draft.push(Event::HookCleared {
                agent: agent.clone(),
                bead: bead.clone(),
                reason: reason.clone(),
            });
            beads::shut(draft, bead, &reason);
        }
        (Exit::Blocked | Exit::Refactor | Exit::Escalate, _) => {
            let to = if exit == Exit::Blocked { Status::Blocked } else { Status::Deferred };
            take_down(draft, hook, to, &format!("{exit}: {why}"));
            let left = branch.as_ref().map(|branch| format!("\n\nThe work so far is on {branch}."));
            let left = left.unwrap_or_default();
            beads::comment(draft, bead, &format!("{agent} leaves it as {exit}: {why}{left}"))?;
            created = match exit {
                Exit::Blocked => held_up(draft, bead, leave)?,
                Exit::Refactor => cut(draft, bead, why, leave)?,
                _ => Vec::new(),
            };
            let severity = if exit == Exit::Escalate { "high" } else { "medium" };
            let subject = format!("{bead}: {agent} leaves it as {exit}");
            let told: &[Address] =
                if exit == Exit::Escalate { &[Address::Overseer] } else { &[Address::Mayor] };
            let body = format!("{why}{left}{}", next(board, bead, exit, &created, leave));
            draft.escalate(severity, (Some(bead.clone()), Some(agent.clone())), subject, body, told);
        }
    }
    Ok(Answer::Submitted(DoneReport {
        bead: bead.clone(),
        exit: exit.to_string(),
        branch,
        head,
        saved: saved.to_owned(),
        created,
    }))
}

/// What whoever is told can do about it.
fn next(board: &Board, bead: &BeadId, exit: Exit, created: &[BeadId], leave: &Leave) -> String {
    let names = |ids: &[BeadId]| ids.iter().map(BeadId::as_str).collect::<Vec<_>>().join(" ");
    let rig = board.beads.get(bead).and_then(|bead| bead.rig.as_ref()).map_or("RIG", |rig| rig.as_str());
    match exit {
        Exit::Blocked if !created.is_empty() => format!(
            "\n\nHeld up by {}: hand that out with gastown sling {0} {rig}\n{bead} goes on by itself when it is closed.",
            names(created)
        ),
        Exit::Blocked if !leave.on.is_empty() => {
            format!("\n\nIt goes on by itself when {} is closed.", names(&leave.on))
        }
        Exit::Refactor if !created.is_empty() => {
            let parts = created.get(1..).unwrap_or_default();
            format!("\n\nIts parts: gastown sling {} {rig}\nThe rest: gastown recover {bead}", names(parts))
        }
        _ => format!("\n\nTo go on with it: gastown recover {bead}, then gastown sling {bead} {rig}"),
    }
}

/// A bead of the same project and urgency as `of`: the first line of `text` is its title.
fn described(of: &Bead, text: &str) -> NewBead {
    let (title, rest) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
    NewBead {
        title: title.to_owned(),
        description: rest.trim().to_owned(),
        priority: of.priority,
        rig: of.rig.clone(),
        ..NewBead::default()
    }
}

fn make(draft: &mut Draft<'_>, new: &NewBead) -> Result<BeadId, Refusal> {
    let origin = Origin::Actor(draft.actor().clone());
    match beads::create(draft, &origin, new)? {
        Answer::Bead(bead) => Ok(bead.id),
        other => unreachable!("{other:?} is no bead"),
    }
}

fn arrow(draft: &mut Draft<'_>, from: &BeadId, to: &BeadId, kind: DepType) {
    let dep = Dependency {
        issue_id: from.clone(),
        depends_on_id: to.clone(),
        kind,
        created_at: draft.now.into(),
        created_by: draft.actor().to_string(),
        extra: Default::default(),
    };
    draft.push(Event::DepAdded { dep });
}

/// Makes beads of what holds `bead` up and has none yet, and lets it wait for all of them.
fn held_up(draft: &mut Draft<'_>, bead: &BeadId, leave: &Leave) -> Result<Vec<BeadId>, Refusal> {
    let of = beads::find(draft.board, bead)?;
    let mut created = Vec::new();
    for text in &leave.blockers {
        let blocker = make(draft, &described(of, text))?;
        arrow(draft, bead, &blocker, DepType::Blocks);
        created.push(blocker);
    }
    for on in &leave.on {
        deps::depend(draft, bead, on, Some(DepType::Blocks))?;
    }
    Ok(created)
}

/// Makes the parts of `bead` below one epic, and `bead` itself, which is the rest, one of them. Returns the epic and
/// the new parts.
fn cut(draft: &mut Draft<'_>, bead: &BeadId, why: &str, leave: &Leave) -> Result<Vec<BeadId>, Refusal> {
    if leave.parts.is_empty() {
        return Ok(Vec::new());
    }
    let board = draft.board;
    let of = beads::find(board, bead)?;
    let parent = of.dependencies.iter().find(|dep| dep.kind == DepType::ParentChild);
    let parent = parent.and_then(|dep| board.beads.get(&dep.depends_on_id));
    let epic = match parent.filter(|p| p.issue_type == IssueType::Epic && p.status != Status::Closed) {
        Some(epic) => epic.id.clone(),
        None => {
            let new = NewBead {
                description: format!("{bead} was too large for one: {why}"),
                issue_type: IssueType::Epic,
                ..described(of, &of.title)
            };
            let epic = make(draft, &new)?;
            // The epic takes the bead's place below whatever it was a part of.
            if let Some(whole) = parent {
                draft.push(Event::DepRemoved { bead: bead.clone(), on: whole.id.clone() });
                arrow(draft, &epic, &whole.id, DepType::ParentChild);
            }
            arrow(draft, bead, &epic, DepType::ParentChild);
            epic
        }
    };
    let mut created = vec![epic.clone()];
    for text in &leave.parts {
        let new = NewBead { parent: Some(epic.clone()), issue_type: of.issue_type, ..described(of, text) };
        created.push(make(draft, &new)?);
    }
    Ok(created)
}

/// What goes on by itself now that `closed` is: beads that a worker left as held up by it and by nothing else any
/// more are open again, and handed out in the rig that they came from.
pub(crate) fn freed(draft: &mut Draft<'_>, closed: &BeadId) {
    let board = draft.board;
    for id in board.beads.dependents(closed) {
        let Some(bead) = board.beads.get(id).filter(|bead| bead.status == Status::Blocked) else { continue };
        let left = board.kept.of(id).filter(|kept| kept.exit == Some(Exit::Blocked));
        let Some(rig) = left.and_then(|kept| kept.rig.clone()).filter(|rig| board.rigs.get(rig).is_some())
        else {
            continue;
        };
        let arrows = bead.dependencies.iter();
        let waited = arrows.clone().any(|dep| dep.depends_on_id == *closed && dep.kind.blocks());
        let open = |id: &BeadId| board.beads.get(id).is_some_and(|bead| bead.status != Status::Closed);
        let more = arrows
            .filter(|dep| dep.kind.blocks() && dep.depends_on_id != *closed)
            .any(|dep| open(&dep.depends_on_id));
        if !waited || more || board.hooks.waiting(id).is_some() {
            continue;
        }
        draft.push(Event::BeadStatusChanged {
            bead: id.clone(),
            from: bead.status,
            to: Status::Open,
            by: Move::Edit,
            reason: Some(format!("{closed}, which held it up, is closed")),
        });
        let sling = Sling { beads: vec![id.clone()], target: rig.to_string(), ..Sling::default() };
        draft.push(Event::BeadSlung { bead: id.clone(), rig, worker: None, sling });
    }
}

#[cfg(test)]
mod tests;
