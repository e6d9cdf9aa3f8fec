//! Slings: to whom beads go, what stands for several of them, and who cannot have them.

use std::collections::BTreeSet;

use ledger::views::Board;
use ledger::views::trials::Trial;
use model::answer::{Answer, SlungReport, SlungRow};
use model::bead::{Bead, IssueType, Move, Patch, Status};
use model::command::{NewBead, Origin, Sling};
use model::event::Event;
use model::ids::{AgentName, BeadId, ConvoyId, RigName};
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::Address;

use crate::book::Book;
use crate::draft::Draft;
use crate::{beads, convoys, names};

/// Where a sling goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To whoever is free in a rig.
    Rig(RigName),
    /// To one polecat of a rig, which need not exist yet.
    Polecat(RigName, AgentName),
}

impl Target {
    fn rig(&self) -> &RigName {
        match self {
            Target::Rig(rig) | Target::Polecat(rig, _) => rig,
        }
    }

    fn worker(&self) -> Option<Address> {
        match self {
            Target::Rig(_) => None,
            Target::Polecat(rig, name) => Some(Address::Polecat(rig.clone(), name.clone())),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Rig(rig) => rig.fmt(f),
            Target::Polecat(rig, name) => write!(f, "{rig}/polecats/{name}"),
        }
    }
}

/// Reads a sling's target.
fn target(board: &Board, text: &str) -> Result<Target, Refusal> {
    if !text.contains('/') {
        let rig = text.parse::<RigName>().ok().filter(|rig| board.rigs.get(rig).is_some());
        return rig.map(Target::Rig).ok_or_else(|| names::no_rig(board, text));
    }
    match text.parse::<Address>() {
        Ok(Address::Polecat(rig, name)) if board.rigs.get(&rig).is_some() => {
            Ok(match board.agents.successor(&Address::Polecat(rig.clone(), name.clone())) {
                Address::Polecat(rig, name) => Target::Polecat(rig.clone(), name.clone()),
                _ => Target::Polecat(rig, name),
            })
        }
        Ok(Address::Polecat(rig, _)) => Err(names::no_rig(board, rig.as_str())),
        Ok(other) => Err(Refusal::usage(format!("work cannot be slung to {other}"))
            .hint("sling to a rig (`web`) or to one of its polecats (`web/polecats/backend`)")),
        Err(_) => Err(Refusal::no_such("agent", text, board.rigs.iter().map(|rig| rig.name.as_str()))),
    }
}

/// Hands beads to somebody: they wait for a worker from then on.
///
/// A convoy stands for the beads in it, an epic for its parts, the name of a formula for a bead that is made for it.
pub fn sling(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    origin: &Origin,
    sling: &Sling,
) -> Result<Answer, Refusal> {
    if sling.beads.is_empty() {
        return Err(Refusal::usage("nothing to sling").hint("gastown sling BEAD… TARGET"));
    }
    let board = draft.board;
    let load = load(draft, book, origin, sling)?;
    let sling = &load.sling;
    if let Some(agent) = entrusted(board, &sling.target) {
        return entrust(draft, &agent, &load);
    }
    let target = target(board, &sling.target)?;
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    let all: BTreeSet<&BeadId> = load.beads.iter().collect();
    for id in load.beads.iter().filter(|id| seen.insert(*id)) {
        let Some(bead) = draft.bead(id).cloned() else {
            return Err(beads::find(board, id)
                .err()
                .unwrap_or_else(|| Refusal::no_such("bead", id.as_str(), [])));
        };
        let bead = &bead;
        let there = match slingable(board, bead, &target, sling.force, &all, load.epic.is_some()) {
            Ok(there) => there,
            // Of many, those that cannot go are left where they are, and it is said.
            Err(refusal) if load.opened => {
                let outcome = format!("left out: {}", refusal.message);
                rows.push(SlungRow { bead: id.clone(), target: target.to_string(), outcome });
                continue;
            }
            Err(refusal) => return Err(refusal),
        };
        let goes_on = there && go_on(draft, id, &target, sling.force);
        let outcome = match there {
            _ if goes_on => "goes on",
            true => "already there",
            false => "slung",
        };
        rows.push(SlungRow { bead: id.clone(), target: target.to_string(), outcome: outcome.to_owned() });
        if there {
            continue;
        }
        // A formula that cannot be poured is refused now, not when a worker takes the bead.
        if let Some(formula) = &sling.formula {
            book.steps(Some(target.rig()), formula, &sling.vars, bead)?;
        } else if !sling.vars.is_empty() {
            let formula = book
                .default_for(target.rig())
                .ok_or_else(|| Refusal::usage("--var needs a formula").hint("name one with --formula"))?;
            book.steps(Some(target.rig()), &formula, &sling.vars, bead)?;
        }
        if bead.status != Status::Open && bead.status != Status::Closed {
            draft.push(Event::BeadStatusChanged {
                bead: id.clone(),
                from: bead.status,
                to: Status::Open,
                by: Move::Edit,
                reason: Some(format!("slung to {target}")),
            });
        }
        draft.push(Event::BeadSlung {
            bead: id.clone(),
            rig: target.rig().clone(),
            worker: target.worker(),
            sling: Sling { beads: vec![id.clone()], dry_run: false, ..sling.clone() },
        });
    }
    let new: Vec<BeadId> =
        rows.iter().filter(|row| row.outcome == "slung").map(|row| row.bead.clone()).collect();
    let mut convoy = None;
    let name = match &load.name {
        Some(name) => Some(name.clone()),
        None => (new.len() > 1).then(|| format!("{} beads to {target}", new.len())),
    };
    if let Some(name) = name.filter(|_| !new.is_empty() && load.convoy.is_none()) {
        let sling = Sling { target: target.to_string(), ..sling.clone() };
        convoy = Some(convoys::set_out(draft, &name, &new, load.epic.clone(), Some(sling))?.convoy.id);
    }
    let convoy = convoy.or(load.convoy);
    if load.opened && new.is_empty() && !rows.iter().any(|row| row.outcome == "already there") {
        let why: Vec<String> = rows.iter().map(|row| format!("{}: {}", row.bead, row.outcome)).collect();
        return Err(Refusal::forbidden(
            "nothing_to_sling",
            format!("nothing of it can go; {}", why.join("; ")),
        ));
    }
    Ok(Answer::Slung(SlungReport { beads: rows, convoy, dry_run: sling.dry_run }))
}

/// What is slung, when everything that stands for something else was opened.
struct Load {
    beads: Vec<BeadId>,
    sling: Sling,
    /// The epic whose parts they are.
    epic: Option<BeadId>,
    /// The convoy in which they travel already.
    convoy: Option<ConvoyId>,
    /// What their convoy is to be called, however many they are.
    name: Option<String>,
    /// Whether they were named by something that stands for them.
    opened: bool,
}

fn load(draft: &mut Draft<'_>, book: &dyn Book, origin: &Origin, sling: &Sling) -> Result<Load, Refusal> {
    let board = draft.board;
    let mut load =
        Load { beads: Vec::new(), sling: sling.clone(), epic: None, convoy: None, name: None, opened: false };
    for id in &sling.beads {
        let under_way = |id: &BeadId| board.beads.get(id).is_some_and(|bead| bead.status != Status::Closed);
        match board.beads.get(id) {
            Some(bead) if bead.issue_type == IssueType::Epic => {
                let parts = convoys::parts(board, id);
                // One without parts is work like any other.
                if parts.is_empty() {
                    load.beads.push(id.clone());
                    continue;
                }
                let on_the_road = |convoy: &&model::convoy::Convoy| {
                    convoy.closed_at.is_none() && convoy.epic.as_ref() == Some(id) && convoy.sling.is_some()
                };
                load.convoy = board.convoys.iter().find(on_the_road).map(|convoy| convoy.id.clone());
                load.epic = Some(id.clone());
                load.name = Some(bead.title.clone());
                load.opened = true;
                load.beads.extend(parts.into_iter().filter(under_way));
            }
            Some(_) => load.beads.push(id.clone()),
            None => {
                let convoy = id.as_str().parse::<ConvoyId>().ok().and_then(|id| board.convoys.get(&id));
                if let Some(convoy) = convoy {
                    load.convoy = Some(convoy.id.clone());
                    load.epic = load.epic.or_else(|| convoy.epic.clone());
                    load.opened = true;
                    load.beads.extend(convoys::members(board, convoy).into_iter().filter(under_way));
                } else if sling.formula.is_none()
                    && sling.beads.len() == 1
                    && is_formula(book, board, sling, id.as_str())
                {
                    let rig = target(board, &sling.target).ok().map(|target| target.rig().clone());
                    let title = id.as_str().to_owned();
                    let labels = vec![format!("formula:{title}")];
                    let new = NewBead { title, rig, labels, ..NewBead::default() };
                    let Answer::Bead(bead) = beads::create(draft, origin, &new)? else { continue };
                    load.sling.formula = Some(id.as_str().to_owned());
                    load.beads.push(bead.id);
                } else {
                    beads::find(board, id)?;
                }
            }
        }
    }
    if load.beads.is_empty() {
        return Err(Refusal::forbidden("nothing_to_sling", "all of it is closed"));
    }
    Ok(load)
}

fn is_formula(book: &dyn Book, board: &Board, sling: &Sling, name: &str) -> bool {
    let target = target(board, &sling.target).ok();
    book.show(target.as_ref().map(Target::rig), name, None).is_ok()
}

/// The agent that a target names, if it is none whose work is dispatched in a rig: they have no worktree that is
/// made for a bead, so they are written to.
fn entrusted(board: &Board, target: &str) -> Option<Address> {
    let is_rig = target.parse::<RigName>().is_ok_and(|rig| board.rigs.get(&rig).is_some());
    let agent = names::address(board, target).ok().filter(|_| !is_rig)?;
    (!matches!(agent, Address::Polecat(..))).then_some(agent)
}

/// Gives beads to an agent that is no polecat: it becomes the assignee, and is written to.
fn entrust(draft: &mut Draft<'_>, agent: &Address, load: &Load) -> Result<Answer, Refusal> {
    let board = draft.board;
    let mut rows = Vec::new();
    for id in &load.beads {
        let Some(bead) = draft.bead(id).cloned() else { continue };
        let there =
            bead.assignee.as_deref() == Some(agent.to_string().as_str()) && bead.status == Status::InProgress;
        if bead.status == Status::Closed {
            return Err(Refusal::forbidden("bead_closed", format!("{id} is closed")));
        }
        if let Some(holder) = board.hooks.holder(id) {
            return Err(Refusal::forbidden("bead_taken", format!("{id} hangs on the hook of {holder}"))
                .hint(format!("take it back first with `gastown unsling {id} --force`")));
        }
        let other = bead
            .assignee
            .as_ref()
            .filter(|who| **who != agent.to_string() && bead.status == Status::InProgress);
        if let Some(other) = other.filter(|_| !load.sling.force) {
            return Err(Refusal::forbidden("bead_taken", format!("{other} works at {id}"))
                .hint("give it to another with --force"));
        }
        let outcome = if there { "already there" } else { "slung" };
        rows.push(SlungRow { bead: id.clone(), target: agent.to_string(), outcome: outcome.into() });
        if there {
            continue;
        }
        let patch = Patch { assignee: Some(agent.to_string()), ..Patch::default() };
        draft.push(Event::BeadUpdated { bead: id.clone(), patch });
        if bead.status != Status::InProgress {
            draft.push(Event::BeadStatusChanged {
                bead: id.clone(),
                from: bead.status,
                to: Status::InProgress,
                by: Move::Edit,
                reason: Some(format!("slung to {agent}")),
            });
        }
        let words = load.sling.args.as_ref().map(|args| format!("{args}\n\n")).unwrap_or_default();
        let body = format!(
            "{words}{}\n\nWhen it is done: gt bead close {id} --reason \"...\"",
            bead.description.trim()
        );
        draft.send(agent, Kind::Note { subject: format!("{id}: {}", bead.title), body });
    }
    Ok(Answer::Slung(SlungReport { beads: rows, convoy: None, dry_run: load.sling.dry_run }))
}

/// Lets a bead go on that hangs on a hook and has failed too often; `true` if there is such a thing to do.
fn go_on(draft: &mut Draft<'_>, bead: &BeadId, target: &Target, force: bool) -> bool {
    let spent = draft.board.trials.of(bead).is_some_and(Trial::is_spent);
    let Some(holder) = draft.board.hooks.holder(bead).filter(|_| spent && force) else { return false };
    draft.recovered(bead, &format!("slung to {target} again"));
    crate::agents::state(draft, holder, model::agent::AgentState::Starting, None);
    true
}

/// Whether `bead` may go to `target`; `true` when it is there already.
///
/// What is held up by others that go with it, or is a part of a slung whole, waits in the rig.
fn slingable(
    board: &Board,
    bead: &Bead,
    target: &Target,
    force: bool,
    with: &BTreeSet<&BeadId>,
    waits: bool,
) -> Result<bool, Refusal> {
    let id = &bead.id;
    if bead.status == Status::Closed {
        return Err(Refusal::forbidden("bead_closed", format!("{id} is closed"))
            .hint(format!("open it again with `gastown bead reopen {id}`")));
    }
    if !bead.issue_type.is_work() {
        return Err(Refusal::forbidden(
            "not_work",
            format!("{id} is a {}, which nobody works at", bead.issue_type),
        ));
    }
    if board.trials.of(id).is_some_and(Trial::is_spent) && !force {
        return Err(Refusal::forbidden("retries_spent", format!("sessions at {id} have failed too often"))
            .hint(format!("see `gastown why {id}`; then `gastown recover {id}`, or sling it with --force")));
    }
    if bead.status == Status::Pinned {
        return Err(Refusal::forbidden("bead_pinned", format!("{id} is pinned"))
            .hint(format!("take the pin out with `gastown bead update {id} --status open`")));
    }
    if let Some(holder) = board.hooks.holder(id) {
        let same = match target {
            Target::Rig(rig) => holder.rig() == Some(rig),
            Target::Polecat(..) => target.worker().as_ref() == Some(holder),
        };
        if same {
            return Ok(true);
        }
        return Err(Refusal::forbidden("bead_taken", format!("{id} hangs on the hook of {holder}"))
            .hint(format!("take it back first with `gastown unsling {id} --force`")));
    }
    if let Some(waiting) = board.hooks.waiting(id) {
        let worker = waiting.worker.as_ref().map(|worker| board.agents.successor(worker));
        if waiting.rig == *target.rig() && worker == target.worker().as_ref() {
            return Ok(true);
        }
        if !force {
            return Err(Refusal::forbidden(
                "bead_taken",
                format!("{id} waits for a worker of {}", waiting.rig),
            )
            .hint("sling it elsewhere with --force"));
        }
    }
    if let Some(rig) = bead.rig.as_ref().filter(|rig| *rig != target.rig())
        && !force
    {
        return Err(Refusal::forbidden("other_rig", format!("{id} belongs to rig {rig}"))
            .hint(format!("sling it to {rig}, or say --force")));
    }
    if let Some(worker) = target.worker()
        && let Some(hook) = board.hooks.of(&worker)
        && !force
    {
        return Err(Refusal::forbidden("hook_taken", format!("{} hangs on the hook of {worker}", hook.bead))
            .hint("sling to the rig, or say --force to let it wait for this worker"));
    }
    let mut blockers = board.beads.blockers(bead);
    blockers.retain(|blocker| !waits && !with.contains(blocker));
    if !blockers.is_empty() && !force {
        let names: Vec<&str> = blockers.iter().map(BeadId::as_str).collect();
        return Err(Refusal::forbidden("bead_blocked", format!("{id} is blocked by {}", names.join(", ")))
            .hint("with --force it waits in the rig until they are closed"));
    }
    Ok(false)
}
