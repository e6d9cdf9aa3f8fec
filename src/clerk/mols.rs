//! Molecules: poured for a bead, walked step by step.

use std::collections::BTreeMap;

use ledger::views::Board;
use ledger::views::mols::Mol;
use model::answer::{Answer, MolRow, StepRow};
use model::bead::Bead;
use model::event::Event;
use model::ids::{MolId, RigName};
use model::refusal::Refusal;
use model::role::Address;

use crate::book::Book;
use crate::draft::Draft;

/// Pours `formula` for `bead` and returns the molecule's name.
pub fn pour(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    rig: &RigName,
    bead: &Bead,
    formula: &str,
    vars: &BTreeMap<String, String>,
) -> Result<MolId, Refusal> {
    let steps = book.steps(Some(rig), formula, vars, bead)?;
    let mol = draft.mol_id();
    draft.push(Event::MolCreated {
        mol: mol.clone(),
        bead: bead.id.clone(),
        formula: formula.to_owned(),
        steps,
    });
    Ok(mol)
}

/// The molecule that guides what hangs on `agent`'s hook.
pub fn on_hook<'a>(board: &'a Board, agent: &Address) -> Option<&'a Mol> {
    board.hooks.of(agent).and_then(|hook| hook.mol.as_ref()).and_then(|mol| board.mols.get(mol))
}

/// Records that `step` of the molecule on `agent`'s hook is done.
pub fn step_done(draft: &mut Draft<'_>, agent: &Address, step: &str) -> Result<Answer, Refusal> {
    let board = draft.board;
    let mol = on_hook(board, agent).ok_or_else(|| {
        Refusal::new(
            model::refusal::Class::NotFound,
            "no_molecule",
            format!("no molecule hangs on the hook of {agent}"),
        )
    })?;
    let Some(found) = mol.steps.iter().find(|known| known.id == step) else {
        return Err(Refusal::no_such("step", step, mol.steps.iter().map(|known| known.id.as_str())));
    };
    // Done stays done: saying it again changes nothing.
    if mol.done.contains(step) {
        return Ok(Answer::Mol(Some(row(mol))));
    }
    if !mol.is_ready(found) {
        let missing: Vec<&str> =
            found.needs.iter().filter(|need| !mol.done.contains(*need)).map(String::as_str).collect();
        return Err(Refusal::forbidden(
            "step_not_ready",
            format!("step {step} of {} needs {} first", mol.id, missing.join(", ")),
        )
        .hint(format!("say `gt mol step done {}` when that is done", missing[0])));
    }
    draft.push(Event::MolStepCompleted { mol: mol.id.clone(), step: step.to_owned() });
    let mut after = mol.clone();
    after.done.insert(step.to_owned());
    if after.done.len() == after.steps.len() {
        draft.push(Event::MolCompleted { mol: mol.id.clone() });
    }
    Ok(Answer::Mol(Some(row(&after))))
}

/// A molecule with the states of its steps.
pub fn row(mol: &Mol) -> MolRow {
    let state = |step| {
        if mol.is_ready(step) {
            "ready"
        } else if mol.done.contains(&step.id) {
            "done"
        } else {
            "pending"
        }
    };
    MolRow {
        id: mol.id.clone(),
        formula: mol.formula.clone(),
        bead: mol.bead.clone(),
        steps: mol
            .steps
            .iter()
            .map(|step| StepRow {
                id: step.id.clone(),
                title: step.title.clone(),
                description: step.description.clone(),
                needs: step.needs.clone(),
                state: state(step).to_owned(),
            })
            .collect(),
    }
}
