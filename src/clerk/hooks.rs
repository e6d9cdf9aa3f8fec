//! Hooks: slung, hung, handed in, taken down. One bead, one hook, one agent.

use std::collections::BTreeSet;
use std::time::Duration;

use ledger::views::Board;
use ledger::views::hooks::Waiting;
use ledger::views::trials::Trial;
use model::answer::{Answer, HookRow, SlungReport, SlungRow};
use model::bead::{Bead, Move, Status};
use model::command::{Origin, Sling};
use model::event::Event;
use model::hook::Hook;
use model::ids::{AgentName, BeadId, RigName};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::beads;
use crate::book::Book;
use crate::capacity;
use crate::convoys;
use crate::draft::Draft;
use crate::mols;
use crate::names;
use crate::standstill;

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
pub fn sling(draft: &mut Draft<'_>, book: &dyn Book, sling: &Sling) -> Result<Answer, Refusal> {
    if sling.beads.is_empty() {
        return Err(Refusal::usage("nothing to sling").hint("gastown sling BEAD… TARGET"));
    }
    let board = draft.board;
    let target = target(board, &sling.target)?;
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    for id in sling.beads.iter().filter(|id| seen.insert(*id)) {
        let bead = beads::find(board, id)?;
        let there = slingable(board, bead, &target, sling.force)?;
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
    if new.len() > 1 {
        let name = format!("{} beads to {target}", new.len());
        convoy = Some(convoys::create(draft, &name, &new)?.convoy.id);
    }
    Ok(Answer::Slung(SlungReport { beads: rows, convoy, dry_run: sling.dry_run }))
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
fn slingable(board: &Board, bead: &Bead, target: &Target, force: bool) -> Result<bool, Refusal> {
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
    let blockers = board.beads.blockers(bead);
    if !blockers.is_empty() && !force {
        let names: Vec<&str> = blockers.iter().map(BeadId::as_str).collect();
        return Err(Refusal::forbidden("bead_blocked", format!("{id} is blocked by {}", names.join(", ")))
            .hint("with --force it waits in the rig until they are closed"));
    }
    Ok(false)
}

/// Takes a bead back: out of the wait, or off its hook.
///
/// A worker that is at it is ended by its polecat, and what it has not saved is put in safety first.
pub fn unsling(draft: &mut Draft<'_>, id: &BeadId, force: bool) -> Result<Answer, Refusal> {
    let board = draft.board;
    beads::find(board, id)?;
    if let Some(hook) = board.hooks.on(id) {
        if !force {
            return Err(Refusal::forbidden(
                "at_work",
                format!("{} works at {id} ({})", hook.agent, hook.stage.as_str()),
            )
            .hint(format!(
                "take it away with `gastown unsling {id} --force`; unsaved work is put in safety"
            )));
        }
        if let Some(merge) = board.merges.of_bead(id).filter(|merge| merge.state.is_open()) {
            draft.push(Event::MqWithdrawn { merge: merge.id.clone(), why: format!("{id} was taken back") });
        }
        take_down(draft, hook, Status::Open, "unslung");
    } else if board.hooks.waiting(id).is_some() {
        draft.push(Event::BeadUnslung { bead: id.clone(), reason: "unslung".into() });
    } else {
        return Err(Refusal::failed(
            "not_slung",
            format!("{id} neither waits for a worker nor hangs on a hook"),
        ));
    }
    Ok(Answer::Touched(vec![id.clone()]))
}

/// Frees a hook and says what becomes of the bead.
pub fn take_down(draft: &mut Draft<'_>, hook: &Hook, to: Status, reason: &str) {
    draft.push(Event::HookCleared {
        agent: hook.agent.clone(),
        bead: hook.bead.clone(),
        reason: reason.to_owned(),
    });
    let from = draft.board.beads.get(&hook.bead).map_or(Status::Hooked, |bead| bead.status);
    if from.may_become(to, Move::Unhook) {
        draft.push(Event::BeadStatusChanged {
            bead: hook.bead.clone(),
            from,
            to,
            by: Move::Unhook,
            reason: Some(reason.to_owned()),
        });
    }
}

/// The next bead of `rig` that a worker can take, and who takes it; none when nothing can go.
///
/// A bead whose last session failed less than `rest` ago is left alone until then.
///
/// Beads go by urgency, then by age. At most `max_workers` polecats of the rig are at work
/// ([`capacity`](mod@crate::capacity)); those that wait for the queue to land their branch do not count. A
/// rig that is parked or stopped is given nothing, nor one whose workers all ask to log in, nor a town that stands
/// still. Workers are taken from `pool` in its
/// order; when all its names are held, numbered ones are added.
pub fn next_assignment(
    board: &Board,
    rig: &RigName,
    pool: &[AgentName],
    max_workers: usize,
    (now, rest): (Timestamp, Duration),
) -> Option<(Waiting, Address)> {
    let closed = board.rigs.get(rig).is_some_and(|rig| standstill::closed(rig).is_some());
    if closed || board.freezes.now().is_some() || capacity::taken(board, Some(rig)) >= max_workers {
        return None;
    }
    let settling = settling(board);
    let mut waiting: Vec<(&Waiting, &Bead)> = board
        .hooks
        .all_waiting()
        .filter(|waiting| waiting.rig == *rig && !settling.contains(&waiting.bead))
        .filter_map(|waiting| board.beads.get(&waiting.bead).map(|bead| (waiting, bead)))
        .filter(|(_, bead)| bead.status == Status::Open && board.beads.blockers(bead).is_empty())
        .filter(|(_, bead)| cooling(board, &bead.id, now, rest) == Cooling::Over)
        .collect();
    waiting.sort_by_key(|(waiting, bead)| (bead.priority, waiting.seq));
    waiting.into_iter().find_map(|(waiting, _)| {
        let worker = match &waiting.worker {
            Some(worker) => {
                let worker = board.agents.successor(worker);
                is_free(board, worker).then(|| worker.clone())?
            }
            None => free_worker(board, rig, pool, now),
        };
        Some((waiting.clone(), worker))
    })
}

/// How long a bead is left alone after what went wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cooling {
    /// It may be handed out.
    Over,
    /// Not before this time.
    Until(Timestamp),
    /// Until a person lets it go on.
    Spent,
}

/// Whether `bead` may be handed out at `now`, when it is left alone for `rest` after a failure.
pub fn cooling(board: &Board, bead: &BeadId, now: Timestamp, rest: Duration) -> Cooling {
    let Some(trial) = board.trials.of(bead) else { return Cooling::Over };
    if trial.is_spent() {
        return Cooling::Spent;
    }
    // While everything stood still nothing has rested.
    let rested = trial.failed_at.map(|failed_at| board.freezes.skipped(failed_at).plus(rest));
    match rested.max(trial.not_before).filter(|until| *until > now) {
        Some(until) => Cooling::Until(until),
        None => Cooling::Over,
    }
}

/// When the next of the beads that wait in `rig` has rested long enough, if one of them rests.
pub fn rested_next(board: &Board, rig: &RigName, now: Timestamp, rest: Duration) -> Option<Timestamp> {
    let waiting = board.hooks.all_waiting().filter(|waiting| waiting.rig == *rig);
    waiting
        .filter_map(|waiting| match cooling(board, &waiting.bead, now, rest) {
            Cooling::Until(until) => Some(until),
            Cooling::Over | Cooling::Spent => None,
        })
        .min()
}

/// Whether a polecat can take a bead: an empty hook, nothing of another assignment left over, not held by a
/// person.
pub(crate) fn is_free(board: &Board, worker: &Address) -> bool {
    board.hooks.of(worker).is_none()
        && !board.agents.is_lodging(worker)
        && board.agents.get(worker).is_none_or(|agent| {
            agent.sandbox.is_none() && agent.session.is_none() && !agent.held && !agent.given_up
        })
}

/// Beads that somebody has not let go of yet: a session for them that has no verdict, a worktree that is being
/// saved. Nobody else begins with them before that is over.
fn settling(board: &Board) -> BTreeSet<&BeadId> {
    board
        .agents
        .iter()
        .flat_map(|(_, agent)| {
            let session = agent.session.as_ref().and_then(|open| open.bead.as_ref());
            session.into_iter().chain(agent.sandbox.as_ref().map(|sandbox| &sandbox.bead))
        })
        .collect()
}

/// Who gets the next bead: of the free names of the pool the one that has failed least of late, the first of
/// those; when all are held, or rest after their failures, a new one.
fn free_worker(board: &Board, rig: &RigName, pool: &[AgentName], now: Timestamp) -> Address {
    let rests = |worker: &Address| {
        let until = board.agents.get(worker).and_then(|agent| agent.quarantined);
        until.is_some_and(|until| until > now)
    };
    let marks = |worker: &Address| board.agents.get(worker).map_or(0, |agent| agent.marks);
    let free = |worker: &Address| is_free(board, worker) && !rests(worker);
    // A name of the pool that somebody has given up for another is still theirs.
    let address = |name| board.agents.successor(&Address::Polecat(rig.clone(), name)).clone();
    let first = pool.iter().cloned().map(address).filter(free).min_by_key(marks);
    let numbered = (2..).flat_map(|n: u32| {
        pool.iter().filter_map(move |name| format!("{name}-{n}").parse::<AgentName>().ok())
    });
    let spare = (1..).filter_map(|n: u32| format!("worker-{n}").parse::<AgentName>().ok());
    first.unwrap_or_else(|| {
        let mut more = numbered.take(pool.len() * 1000).chain(spare).map(address);
        more.find(free).expect("names do not run out")
    })
}

/// Who takes over from `agent`; none for those who are no workers.
pub(crate) fn another_worker(
    board: &Board,
    agent: &Address,
    pool: &[AgentName],
    now: Timestamp,
) -> Option<Address> {
    let Address::Polecat(rig, _) = agent else { return None };
    // It holds the hook, so it is not free itself.
    Some(free_worker(board, rig, pool, now))
}

/// Hangs the bead of `waiting` on `worker`'s hook. Looks again at everything that
/// [`next_assignment`] looked at, because time has passed.
pub fn hang(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    waiting: &Waiting,
    worker: &Address,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    let id = &waiting.bead;
    let bead = beads::find(board, id)?;
    let closed = board.rigs.get(&waiting.rig).and_then(standstill::closed);
    if let Some(closed) = closed.or_else(|| standstill::frozen(board)) {
        return Err(Refusal::forbidden("rig_closed", closed));
    }
    if board.hooks.waiting(id) != Some(waiting) || !bead.status.may_become(Status::Hooked, Move::Hook) {
        return Err(Refusal::forbidden("bead_taken", format!("{id} does not wait any more")));
    }
    // Renamed meanwhile, it is to be found under its new name.
    if !is_free(board, worker) || board.agents.successor(worker) != worker {
        return Err(Refusal::forbidden("hook_taken", format!("{worker} is not free")));
    }
    let formula = waiting.sling.formula.clone().or_else(|| book.default_for(&waiting.rig));
    let mol = match formula {
        Some(formula) => Some(mols::pour(draft, book, &waiting.rig, bead, &formula, &waiting.sling.vars)?),
        None => None,
    };
    draft.push(Event::BeadStatusChanged {
        bead: id.clone(),
        from: bead.status,
        to: Status::Hooked,
        by: Move::Hook,
        reason: None,
    });
    draft.push(Event::HookSet {
        agent: worker.clone(),
        bead: id.clone(),
        mol,
        preset: waiting.sling.preset.clone(),
        args: waiting.sling.args.clone(),
    });
    Ok(Answer::Done)
}

/// What hangs on a hook, as data.
pub fn row(board: &Board, agent: &Address) -> Option<HookRow> {
    let hook = board.hooks.of(agent)?;
    let mol = mols::on_hook(board, agent);
    Some(HookRow {
        agent: agent.clone(),
        bead: hook.bead.clone(),
        title: board.beads.get(&hook.bead).map(|bead| bead.title.clone()).unwrap_or_default(),
        mol: hook.mol.clone(),
        step: mol.and_then(|mol| mol.current()).map(|step| step.id.clone()),
        stage: hook.stage.as_str().to_owned(),
        since: hook.since,
        attempt: hook.attempt,
    })
}

/// Notes that an agent has looked at its hook, once per session.
pub fn checked(draft: &mut Draft<'_>, origin: &Origin, agent: &Address) {
    let Origin::Session { agent: asker, session } = origin else { return };
    if let Some(hook) = draft.board.hooks.of(agent).filter(|hook| asker == agent && !hook.checked) {
        let bead = hook.bead.clone();
        draft.push(Event::HookChecked { agent: agent.clone(), bead, session: session.clone() });
    }
}

/// Clears up after a landing: the sandbox is gone, the hook is free, the identity stays.
pub fn released(draft: &mut Draft<'_>, agent: &Address, branch: &str, reason: &str) {
    let board = draft.board;
    if let Some(sandbox) = board.agents.get(agent).and_then(|agent| agent.sandbox.as_ref()) {
        draft.push(Event::SandboxRemoved {
            agent: agent.clone(),
            bead: sandbox.bead.clone(),
            branch: branch.to_owned(),
            left: None,
        });
    }
    if let Some(hook) = board.hooks.of(agent) {
        draft.push(Event::HookCleared {
            agent: agent.clone(),
            bead: hook.bead.clone(),
            reason: reason.to_owned(),
        });
    }
}
