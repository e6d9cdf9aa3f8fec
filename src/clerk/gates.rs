//! Gates: what a step waits for besides steps, and when it opens.
//!
//! | kind | opens |
//! |---|---|
//! | timer | when its time has passed since the steps before it were done |
//! | human | when a person, or one of its approvers, says so: `gate resolve` |
//! | bead | when the bead is closed |
//! | mail | when a letter comes that belongs to the thread, comes from the address, or has the words in its subject |
//! | mol | when the molecule is done, or gone |
//! | conditional | when the step that it names is done; any other condition as `human` |
//! | gh:run, gh:pr | when whoever watches them says so: `gate resolve` |
//!
//! Which gates are shut follows from the ledger alone, so a restart forgets none, and an opening is recorded once.
//! A gate that is not a timer and has a time tells a person when that has passed without anything.

use std::time::Duration;

use ledger::views::Board;
use ledger::views::mols::{Mol, more};
use model::answer::Answer;
use model::bead::{IssueType, Status};
use model::command::Origin;
use model::event::{Event, PouredStep};
use model::ids::BeadId;
use model::mail::Letter;
use model::molecule::StepGate;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;
use model::work::GateRow;

use crate::beads;
use crate::draft::Draft;

/// Every gate that is shut at a step that everything else is done for.
fn waiting(board: &Board) -> impl Iterator<Item = (&Mol, &PouredStep, usize, &StepGate)> {
    board.mols.iter().filter(|mol| mol.completed_at.is_none()).flat_map(|mol| {
        let gated = mol.steps.iter().filter(|step| !more(step).gates.is_empty() && mol.is_reached(step));
        gated.flat_map(move |step| mol.shut(step).map(move |(place, gate)| (mol, step, place, gate)))
    })
}

/// When the time of a gate has passed.
fn until(mol: &Mol, step: &PouredStep, gate: &StepGate) -> Option<Timestamp> {
    gate.timeout_s.map(|seconds| mol.reached_at(step).plus(Duration::from_secs(seconds)))
}

/// Why a gate opens by now, if it does so by itself.
fn opens(board: &Board, mol: &Mol, step: &PouredStep, gate: &StepGate, now: Timestamp) -> Option<String> {
    match gate.kind.as_str() {
        "timer" => until(mol, step, gate).filter(|at| *at <= now).map(|at| format!("its time came at {at}")),
        "bead" => {
            let id: BeadId = gate.await_id.as_ref()?.parse().ok()?;
            let closed = board.beads.get(&id).is_some_and(|bead| bead.status == Status::Closed);
            closed.then(|| format!("{id} is closed"))
        }
        // Of what must hold, the end of another step can be seen; all else is judged by whoever opens it.
        "conditional" => {
            let (step, rest) = gate.await_id.as_deref()?.split_once(".status")?;
            let word = rest.trim().strip_prefix("==")?.trim().trim_matches(['\'', '"']);
            let over = matches!(word, "complete" | "completed" | "closed" | "done")
                && mol.done.contains(step.trim());
            over.then(|| format!("{} is done", step.trim()))
        }
        // A wisp that another waits for has no bead to be closed.
        "mol" => {
            let id = gate.await_id.as_ref()?.parse().ok()?;
            let over = board.mols.get(&id).is_none_or(|other| other.completed_at.is_some());
            over.then(|| format!("{id} is done"))
        }
        "mail" => {
            let since = mol.reached_at(step);
            let mut letters = board.mail.open().map(|post| post.letter.as_ref());
            let letter = letters.find(|letter| letter.sent_at >= since && is_awaited(gate, letter))?;
            Some(format!("letter {} of {} has come", letter.id, letter.from))
        }
        _ => None,
    }
}

fn is_awaited(gate: &StepGate, letter: &Letter) -> bool {
    let Some(wanted) = gate.await_id.as_deref().filter(|wanted| !wanted.is_empty()) else { return true };
    letter.thread.as_str() == wanted
        || letter.from.to_string().trim_end_matches('/') == wanted.trim_end_matches('/')
        || letter.kind.subject().to_lowercase().contains(&wanted.to_lowercase())
}

/// Whether something is to be recorded about gates by now, and when there will be next by itself.
pub fn due(board: &Board, now: Timestamp) -> (bool, Option<Duration>) {
    let mut next: Option<Duration> = None;
    let mut later = |at: Timestamp| {
        let wait = at.since(now).max(Duration::from_millis(1));
        next = Some(next.map_or(wait, |next| next.min(wait)));
    };
    let mut settle = false;
    for (mol, step, place, gate) in waiting(board) {
        settle |= opens(board, mol, step, gate, now).is_some();
        match until(mol, step, gate) {
            Some(at) if at > now => later(at),
            Some(_) if gate.kind != "timer" => settle |= !is_told(board, &source(mol, step, Some(place))),
            _ => {}
        }
    }
    for (mol, step, at) in deadlines(board) {
        if at > now {
            later(at);
        } else {
            settle |= !is_told(board, &source(mol, step, None));
        }
    }
    (settle, next)
}

/// Steps that can be done and have a time for it, and when that is over.
fn deadlines(board: &Board) -> impl Iterator<Item = (&Mol, &PouredStep, Timestamp)> {
    let hooked = |mol: &&Mol| mol.completed_at.is_none() && board.hooks.holder(&mol.bead).is_some();
    board.mols.iter().filter(hooked).flat_map(|mol| {
        let ready = mol.steps.iter().filter(|step| more(step).timeout_s.is_some() && mol.is_ready(step));
        ready.filter_map(move |step| {
            let seconds = more(step).timeout_s?;
            let gates = mol.opened.get(&step.id).into_iter().flatten().map(|(_, (_, at))| *at);
            let begun = gates.fold(mol.reached_at(step), Timestamp::max);
            Some((mol, step, begun.plus(Duration::from_secs(seconds))))
        })
    })
}

/// What an escalation about a gate or a step says that it comes from.
fn source(mol: &Mol, step: &PouredStep, gate: Option<usize>) -> String {
    match gate {
        Some(place) => format!("gate:{}/{}#{place}", mol.id, step.id),
        None => format!("timeout:{}/{}", mol.id, step.id),
    }
}

fn is_told(board: &Board, source: &str) -> bool {
    board.escalations.iter().any(|known| known.source.as_deref() == Some(source))
}

/// Opens every gate whose time or event has come, and tells a person of those that nothing comes for. Returns how
/// many have opened.
pub fn settle(draft: &mut Draft<'_>) -> usize {
    let (board, now) = (draft.board, draft.now);
    let mut opened = 0;
    for (mol, step, place, gate) in waiting(board) {
        if let Some(reason) = opens(board, mol, step, gate, now) {
            open(draft, mol, step, place, reason);
            opened += 1;
        } else if gate.kind != "timer" && until(mol, step, gate).is_some_and(|at| at <= now) {
            let subject = format!("{} waits for {} in vain", mol.bead, told(gate));
            let body = format!(
                "Step {} of {} waits for {} since {}.\n\nTo let it go on: gastown bead gate resolve {}/{}",
                step.id,
                mol.id,
                told(gate),
                mol.reached_at(step),
                mol.id,
                step.id
            );
            tell(draft, mol, (subject, body), source(mol, step, Some(place)));
        }
    }
    let late: Vec<_> = deadlines(board).filter(|(_, _, at)| *at <= now).collect();
    for (mol, step, at) in late {
        let subject = format!("step {} of {} takes longer than it may", step.id, mol.bead);
        let body = format!("It was to be done by {at}. `gastown peek` shows what its worker does.");
        tell(draft, mol, (subject, body), source(mol, step, None));
    }
    opened
}

fn tell(draft: &mut Draft<'_>, mol: &Mol, text: (String, String), source: String) {
    if !is_told(draft.board, &source) {
        let agent = draft.board.hooks.holder(&mol.bead).cloned();
        draft.raise(model::escalation::Severity::Medium, (Some(mol.bead.clone()), agent), text, Some(source));
    }
}

fn open(draft: &mut Draft<'_>, mol: &Mol, step: &PouredStep, place: usize, reason: String) {
    draft.push(Event::MolGateOpened { mol: mol.id.clone(), step: step.id.clone(), gate: place, reason });
    crate::mols::flow(draft, mol);
}

/// Opens the gates that wait for `bead`, which is being closed in this draft.
pub(crate) fn closed(draft: &mut Draft<'_>, bead: &BeadId) {
    let board = draft.board;
    for (mol, step, place, gate) in waiting(board) {
        if gate.kind == "bead" && gate.await_id.as_deref() == Some(bead.as_str()) {
            open(draft, mol, step, place, format!("{bead} is closed"));
        }
    }
}

/// Opens the gates that wait for a letter, which is being sent in this draft.
pub(crate) fn arrived(draft: &mut Draft<'_>, letter: &Letter) {
    let board = draft.board;
    for (mol, step, place, gate) in waiting(board) {
        let already = draft.events().any(|event| {
            matches!(event, Event::MolGateOpened { mol: m, step: s, gate: g, .. }
                if *m == mol.id && *s == step.id && *g == place)
        });
        if gate.kind == "mail" && !already && is_awaited(gate, letter) {
            open(draft, mol, step, place, format!("letter {} of {} has come", letter.id, letter.from));
        }
    }
}

/// Opens a gate by hand: that of a step, or a bead of type gate.
///
/// # Errors
/// `no_such_gate`; `gate_open` when it has opened before; `not_an_approver`.
pub fn resolve(
    draft: &mut Draft<'_>,
    origin: &Origin,
    name: &str,
    reason: Option<&str>,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    let me = origin.actor();
    let reason = reason.map_or_else(|| format!("opened by {me}"), |why| format!("opened by {me}: {why}"));
    if let Ok(id) = name.parse::<BeadId>()
        && board.beads.get(&id).is_some_and(|bead| bead.issue_type.as_str() == "gate")
    {
        return beads::close(draft, &[id], Some(&reason), false);
    }
    let rows = rows(board, true);
    let no_such = || Refusal::no_such("gate", name, rows.iter().map(|row| row.id.as_str()));
    let (mol, step) = name.split_once('/').ok_or_else(no_such)?;
    let mol = mol.parse().ok().and_then(|id| board.mols.get(&id)).ok_or_else(no_such)?;
    let step = mol.step(step).filter(|step| !more(step).gates.is_empty()).ok_or_else(no_such)?;
    let shut: Vec<(usize, &StepGate)> = mol.shut(step).collect();
    if shut.is_empty() {
        return Err(Refusal::failed("gate_open", format!("{name} has opened before")));
    }
    for (place, gate) in shut {
        let may = |who: &String| {
            who.trim_end_matches('/') == me.to_string().trim_end_matches('/')
                || matches!(who.as_str(), "human" | "person") && me == Address::Overseer
        };
        if !gate.approvers.is_empty() && !gate.approvers.iter().any(may) && me != Address::Overseer {
            return Err(Refusal::forbidden(
                "not_an_approver",
                format!("{name} is opened by {}", gate.approvers.join(", ")),
            ));
        }
        if gate.kind == "human" && !origin.is_operator() && gate.approvers.is_empty() {
            return Err(Refusal::forbidden(
                "not_an_approver",
                format!("{name} waits for a person, and {me} is none"),
            )
            .hint("ask one: gt mail send overseer -s SUBJECT -m BODY"));
        }
        draft.push(Event::MolGateOpened {
            mol: mol.id.clone(),
            step: step.id.clone(),
            gate: place,
            reason: reason.clone(),
        });
    }
    crate::mols::flow(draft, mol);
    Ok(Answer::Done)
}

/// The gates that are shut when what is in the draft has happened.
pub(crate) fn left(draft: &Draft<'_>) -> Vec<GateRow> {
    let opened = |row: &GateRow| {
        draft.events().any(|event| {
            matches!(event, Event::MolGateOpened { mol, step, .. } if row.id == format!("{mol}/{step}"))
        })
    };
    rows(draft.board, false).into_iter().filter(|row| !opened(row)).collect()
}

/// What a gate waits for, in a few words.
fn told(gate: &StepGate) -> String {
    match (gate.kind.as_str(), &gate.await_id) {
        ("human", Some(what)) => format!("a person: {what}"),
        ("human", None) => "a person".to_owned(),
        (kind, Some(what)) => format!("{kind} {what}"),
        (kind, None) => kind.to_owned(),
    }
}

/// The gates of one step.
pub(crate) fn of_step(mol: &Mol, step: &PouredStep) -> Vec<GateRow> {
    let reached = mol.is_reached(step);
    let opened = mol.opened.get(&step.id);
    more(step)
        .gates
        .iter()
        .enumerate()
        .map(|(place, gate)| GateRow {
            id: format!("{}/{}", mol.id, step.id),
            kind: gate.kind.clone(),
            await_id: gate.await_id.clone(),
            waits: step.title.clone(),
            since: reached.then(|| mol.reached_at(step)),
            until: until(mol, step, gate).filter(|_| reached),
            open: opened.is_some_and(|opened| opened.contains_key(&place)),
            reason: opened.and_then(|opened| opened.get(&place)).map(|(why, _)| why.clone()),
        })
        .collect()
}

/// All gates of molecules that run, and beads of type gate.
pub(crate) fn rows(board: &Board, all: bool) -> Vec<GateRow> {
    let mols = board.mols.iter().filter(|mol| all || mol.completed_at.is_none());
    let steps = mols.flat_map(|mol| mol.steps.iter().flat_map(move |step| of_step(mol, step)));
    let mut rows: Vec<GateRow> = steps.collect();
    let gate = IssueType::of("gate").ok();
    rows.extend(board.beads.iter().filter(|bead| Some(bead.issue_type) == gate).map(|bead| GateRow {
        id: bead.id.to_string(),
        kind: bead.text("await_type").to_owned(),
        await_id: Some(bead.text("await_id").to_owned()).filter(|text| !text.is_empty()),
        waits: bead.title.clone(),
        since: Some(bead.created_at.at()),
        until: None,
        open: bead.status == Status::Closed,
        reason: bead.close_reason.clone(),
    }));
    rows.retain(|row| all || !row.open);
    rows
}
