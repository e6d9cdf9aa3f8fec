//! Molecules: poured for a bead, walked step by step.
//!
//! What a step's end brings about is decided in the same step: a step that consists of others is done when they
//! are, what follows from an output is poured, and a molecule of which all is done is done.

use std::collections::BTreeMap;

use ledger::views::Board;
use ledger::views::mols::{Mol, Mols, more};
use model::answer::{Answer, MolRow, StepRow};
use model::bead::{Bead, Status};
use model::command::Origin;
use model::event::{Event, PouredStep, Record};
use model::ids::{BeadId, MolId, RigName, Seq};
use model::molecule::{Phase, StepFanout};
use model::refusal::{Class, Refusal};
use model::role::Address;
use serde_json::Value;

use crate::book::Book;
use crate::draft::Draft;
use crate::{gates, phases};

/// What marks a bead that was made for a molecule, and is done when that is.
pub(crate) const ROOT: &str = "root";

/// Items that follow from one output at most.
const MOST_ITEMS: usize = 1_000;

/// Pours `formula` for `bead` and returns the molecule's name.
pub fn pour(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    rig: Option<&RigName>,
    bead: &Bead,
    formula: &str,
    vars: &BTreeMap<String, String>,
    phase: Option<Phase>,
) -> Result<MolId, Refusal> {
    let poured = book.steps(rig, formula, vars, bead)?;
    let mol = draft.mol_id();
    draft.push(Event::MolCreated {
        mol: mol.clone(),
        bead: bead.id.clone(),
        formula: formula.to_owned(),
        steps: poured.steps,
        phase: phase.or(poured.phase).unwrap_or_default(),
        squash: poured.squash,
    });
    Ok(mol)
}

/// The molecule that guides what hangs on `agent`'s hook.
pub fn on_hook<'a>(board: &'a Board, agent: &Address) -> Option<&'a Mol> {
    board.hooks.of(agent).and_then(|hook| hook.mol.as_ref()).and_then(|mol| board.mols.get(mol))
}

/// The molecule that `name` means: its own name, its bead's, or that of the agent on whose hook it hangs; with
/// nothing said, the asker's own.
///
/// # Errors
/// `no_molecule`, with near matches.
pub fn named<'a>(board: &'a Board, origin: &Origin, name: Option<&str>) -> Result<&'a Mol, Refusal> {
    let Some(name) = name else {
        let me = origin.actor();
        return on_hook(board, &me).ok_or_else(|| {
            Refusal::new(Class::NotFound, "no_molecule", format!("no molecule hangs on the hook of {me}"))
                .hint("name one: `gastown mol list` shows them")
        });
    };
    if let Some(mol) = name.parse::<MolId>().ok().and_then(|id| board.mols.get(&id)) {
        return Ok(mol);
    }
    if let Ok(bead) = name.parse::<BeadId>() {
        let newest = || board.mols.iter().filter(|mol| mol.bead == bead).max_by_key(|mol| mol.first);
        if let Some(mol) = board.mols.open_of(&bead).or_else(newest) {
            return Ok(mol);
        }
    }
    let agent = crate::names::address(board, name).ok();
    agent.and_then(|agent| on_hook(board, &agent)).ok_or_else(|| {
        let known = board.mols.iter().map(|mol| mol.id.as_str());
        Refusal { code: "no_molecule".into(), ..Refusal::no_such("molecule", name, known) }
    })
}

/// `mol` as it will be when what is in the draft has happened.
pub(crate) fn after(draft: &Draft<'_>, mol: &Mol) -> Option<Mol> {
    let mut mols = Mols::alone(mol.clone());
    for (number, event) in draft.events().enumerate() {
        let seq = Seq(draft.board.head.0 + number as u64 + 1);
        mols.apply(&Record { seq, at: draft.now, actor: draft.actor().clone(), event: event.clone() });
    }
    mols.get(&mol.id).cloned()
}

/// Records that a step is done, and what follows from it.
pub fn step_done(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    origin: &Origin,
    name: Option<&str>,
    step: &str,
    output: Option<&Value>,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    let mol = named(board, origin, name)?;
    let me = origin.actor();
    let Some(found) = mol.step(step) else {
        return Err(Refusal::no_such("step", step, mol.steps.iter().map(|known| known.id.as_str())));
    };
    // Done stays done: saying it again changes nothing.
    if mol.done.contains(step) {
        return Ok(Answer::Mol(Some(row(mol))));
    }
    if !mol.is_reached(found) {
        let missing: Vec<&str> =
            found.needs.iter().filter(|need| !mol.done.contains(*need)).map(String::as_str).collect();
        let Some(first) = missing.first() else {
            let of = more(found).waits_for.as_ref().map(|wait| wait.of.clone()).unwrap_or_default();
            return Err(Refusal::forbidden(
                "step_not_ready",
                format!("step {step} of {} waits for what follows from {of}", mol.id),
            ));
        };
        return Err(Refusal::forbidden(
            "step_not_ready",
            format!("step {step} of {} needs {} first", mol.id, missing.join(", ")),
        )
        .hint(format!("say `gt mol step done {first}` when that is done")));
    }
    if let Some((_, gate)) = mol.shut(found).next() {
        let what = gate.await_id.as_ref().map(|what| format!(" {what}")).unwrap_or_default();
        return Err(Refusal::forbidden(
            "step_gated",
            format!("step {step} of {} waits at a gate: {}{what}", mol.id, gate.kind),
        )
        .hint(format!(
            "`gastown bead gate list` shows it; a person opens it with `gastown bead gate resolve {}/{step}`",
            mol.id
        )));
    }
    holds(mol, step, &me)?;
    let fanout = more(found).on_complete.clone();
    draft.push(Event::MolStepCompleted {
        mol: mol.id.clone(),
        step: step.to_owned(),
        output: output.cloned(),
    });
    if let Some(fanout) = fanout {
        follow(draft, book, mol, found, &fanout, output)?;
    }
    flow(draft, mol);
    // A wisp that leaves its digest at once is shown as it was at its end.
    let last = after(draft, mol).map(|mol| row(&mol));
    Ok(Answer::Mol(Some(last.unwrap_or_else(|| {
        let mut ended = mol.clone();
        ended.done = ended.steps.iter().map(|step| step.id.clone()).collect();
        row(&ended)
    }))))
}

/// Looks whether nobody but `me` holds a step.
fn holds(mol: &Mol, step: &str, me: &Address) -> Result<(), Refusal> {
    match mol.leases.get(step) {
        Some((by, _)) if by != me && *me != Address::Overseer => {
            Err(Refusal::forbidden("step_leased", format!("{by} works at step {step} of {}", mol.id))
                .hint("take another: gt mol step start"))
        }
        _ => Ok(()),
    }
}

/// Gives a step to whoever asks, or takes it back. To have it already is no error.
pub fn lease(
    draft: &mut Draft<'_>,
    origin: &Origin,
    name: Option<&str>,
    step: Option<&str>,
    release: bool,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    let mol = named(board, origin, name)?;
    let me = origin.actor();
    let held = || mol.leases.iter().find(|(_, (by, _))| *by == me).map(|(step, _)| step.as_str());
    let wanted = match step {
        Some(step) => Some(step),
        None if release => held(),
        None => mol.current_for(&me).map(|step| step.id.as_str()),
    };
    let Some(wanted) = wanted else {
        let why = if mol.is_done() { "all of it is done" } else { "what is left waits or is being done" };
        return Err(Refusal::failed("no_step", format!("there is no step of {} to take: {why}", mol.id)));
    };
    let Some(found) = mol.step(wanted) else {
        return Err(Refusal::no_such("step", wanted, mol.steps.iter().map(|known| known.id.as_str())));
    };
    holds(mol, wanted, &me)?;
    let (id, step) = (mol.id.clone(), wanted.to_owned());
    match (mol.leases.contains_key(wanted), release) {
        (true, true) => {
            draft.push(Event::MolStepReleased { mol: id, step, reason: format!("given back by {me}") })
        }
        (true, false) => {}
        (false, true) => {
            return Err(Refusal::failed("step_free", format!("nobody works at step {wanted} of {}", mol.id)));
        }
        (false, false) if !mol.is_ready(found) => {
            let word = if mol.done.contains(wanted) { "is done" } else { "cannot be begun yet" };
            return Err(Refusal::forbidden("step_not_ready", format!("step {wanted} of {} {word}", mol.id)));
        }
        (false, false) => draft.push(Event::MolStepLeased { mol: id, step, by: me }),
    }
    Ok(Answer::Mol(after(draft, mol).as_ref().map(row)))
}

/// Pours what follows from the output of `step`: one copy of the formula for each item.
fn follow(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    mol: &Mol,
    step: &PouredStep,
    fanout: &StepFanout,
    output: Option<&Value>,
) -> Result<(), Refusal> {
    let wants = || {
        Refusal::usage(format!("step {} leaves a list at {}", step.id, fanout.for_each)).hint(format!(
            "gt mol step done {} --output '{{\"{}\": [...]}}'",
            step.id,
            fanout.for_each.trim_start_matches("output.")
        ))
    };
    let mut at = output.ok_or_else(wants)?;
    if !at.is_array() {
        for key in fanout.for_each.trim_start_matches("output.").split('.').filter(|key| *key != "output") {
            at = at.get(key).ok_or_else(wants)?;
        }
    }
    let items = at.as_array().ok_or_else(wants)?;
    if items.len() > MOST_ITEMS {
        return Err(Refusal::usage(format!("at most {MOST_ITEMS} items follow from one step")));
    }
    let bead = draft.board.beads.get(&mol.bead).cloned();
    let bead = bead.unwrap_or_else(|| phases::nobody(draft, &mol.bead, &mol.formula));
    let mut grown: Vec<PouredStep> = Vec::new();
    let mut before: Vec<String> = vec![step.id.clone()];
    for (index, item) in items.iter().enumerate() {
        let vars =
            fanout.vars.iter().map(|(key, text)| (key.clone(), with_item(text, item, index))).collect();
        let bond = with_item(&fanout.bond, item, index);
        let poured = book.steps(bead.rig.as_ref(), &bond, &vars, &bead)?.steps;
        let mut added = phases::prefixed(poured, &format!("{}.{}", step.id, index + 1), &before);
        for step_added in &mut added {
            step_added.more.get_or_insert_default().follows = Some(step.id.clone());
        }
        if fanout.sequential {
            before = phases::ends(&added);
        }
        grown.extend(added);
    }
    if !grown.is_empty() {
        draft.push(Event::MolGrown {
            mol: mol.id.clone(),
            from: fanout.bond.clone(),
            steps: grown,
            needs: Vec::new(),
        });
    }
    Ok(())
}

/// `text` with `{item}`, `{item.field}` and `{index}` put in.
fn with_item(text: &str, item: &Value, index: usize) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut done = text.replace("{index}", &index.to_string()).replace("{item}", &plain(item));
    if let Value::Object(fields) = item {
        for (key, value) in fields {
            done = done.replace(&format!("{{item.{key}}}"), &plain(value));
        }
    }
    done
}

/// Records what follows by itself: steps whose parts are all done, and the end.
pub(crate) fn flow(draft: &mut Draft<'_>, mol: &Mol) {
    loop {
        let Some(now) = after(draft, mol) else { return };
        let whole = now.steps.iter().find(|step| more(step).container && now.is_ready(step));
        let Some(whole) = whole else {
            if now.is_done() && now.completed_at.is_none() {
                finish(draft, &now);
            }
            return;
        };
        draft.push(Event::MolStepCompleted { mol: mol.id.clone(), step: whole.id.clone(), output: None });
    }
}

/// Records that all of `mol` is done. A bead that was made for it is closed, and what leaves a digest leaves it.
fn finish(draft: &mut Draft<'_>, mol: &Mol) {
    draft.push(Event::MolCompleted { mol: mol.id.clone() });
    let board = draft.board;
    let root = board.beads.get(&mol.bead).filter(|bead| bead.text("mol_type") == ROOT);
    if root.is_some_and(|bead| bead.status != Status::Closed) && board.hooks.holder(&mol.bead).is_none() {
        crate::beads::shut(draft, &mol.bead, "all steps are done");
    }
    if mol.phase == Phase::Vapor && mol.squash.as_deref() == Some("on_complete") {
        let ended = after(draft, mol).unwrap_or_else(|| mol.clone());
        phases::leave_digest(draft, &[&ended], None, true);
    }
}

/// All molecules, the newest last.
pub fn list(board: &Board, all: bool) -> Answer {
    let mut found: Vec<&Mol> = board.mols.iter().filter(|mol| all || mol.completed_at.is_none()).collect();
    found.sort_by_key(|mol| mol.first);
    Answer::Mols(found.into_iter().map(row).collect())
}

/// A molecule with the states of its steps.
pub fn row(mol: &Mol) -> MolRow {
    let state = |step: &PouredStep| {
        if mol.done.contains(&step.id) {
            "done"
        } else if mol.leases.contains_key(&step.id) {
            "leased"
        } else if mol.is_ready(step) {
            "ready"
        } else if mol.is_reached(step) {
            "gated"
        } else {
            "pending"
        }
    };
    MolRow {
        id: mol.id.clone(),
        formula: mol.formula.clone(),
        bead: mol.bead.clone(),
        phase: mol.phase.as_str().to_owned(),
        created_at: mol.created_at,
        completed_at: mol.completed_at,
        steps: mol
            .steps
            .iter()
            .map(|step| StepRow {
                id: step.id.clone(),
                title: step.title.clone(),
                description: step.description.clone(),
                needs: step.needs.clone(),
                state: state(step).to_owned(),
                by: mol.leases.get(&step.id).map(|(by, _)| by.clone()),
                gates: gates::of_step(mol, step),
                timeout_s: more(step).timeout_s,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
