//! Between formulas, molecules, wisps and digests: what each operator makes of what.
//!
//! | bond | formula | mol | wisp |
//! |---|---|---|---|
//! | formula | a formula of both | poured and attached | poured and attached |
//! | mol | poured and attached | linked | linked |
//! | wisp | poured and attached | linked | linked |
//!
//! `pour` makes a mol and `wisp` a wisp of a formula; `squash` leaves a digest of either; `burn` leaves nothing of a
//! wisp, and refuses a mol; `distill` makes a formula of either.

use std::collections::{BTreeMap, BTreeSet};

use ledger::views::Board;
use ledger::views::mols::{Mol, more};
use model::answer::Answer;
use model::bead::{Bead, DepType, IssueType, Priority, Status};
use model::command::{NewBead, Origin};
use model::event::{Event, PouredStep};
use model::ids::{BeadId, RigName};
use model::molecule::{Digest, Phase};
use model::refusal::Refusal;
use model::time::{Day, Timestamp};
use serde_json::json;

use crate::beads;
use crate::book::Book;
use crate::deps;
use crate::draft::Draft;
use crate::mols;

/// What a bond joins.
#[derive(Debug, Clone, Copy)]
enum Operand<'a> {
    Formula(&'a str),
    Running(&'a Mol),
}

/// How two are joined.
#[derive(Debug, Clone, Copy)]
pub struct Joint<'a> {
    /// Beside it instead of behind it.
    pub parallel: bool,
    /// Behind this step only.
    pub at: Option<&'a str>,
    /// As seen from this rig.
    pub rig: Option<&'a RigName>,
    /// Values for variables.
    pub vars: &'a BTreeMap<String, String>,
}

/// Makes a molecule of a formula, for `bead` or for one that is made for it.
pub fn pour(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    origin: &Origin,
    formula: &str,
    bead: Option<&BeadId>,
    joint: Joint<'_>,
    wisp: bool,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    let phase = if wisp { Phase::Vapor } else { Phase::Liquid };
    let bead = match bead {
        Some(id) => {
            let bead = beads::find(board, id)?;
            if bead.status == Status::Closed {
                return Err(Refusal::forbidden("bead_closed", format!("{id} is closed")));
            }
            if let Some(mol) = board.mols.open_of(id) {
                return Err(Refusal::forbidden(
                    "has_molecule",
                    format!("{id} is guided by {} already", mol.id),
                )
                .hint(format!("join them with `gastown mol bond {} {formula}`", mol.id)));
            }
            bead.clone()
        }
        // A wisp leaves no bead behind either.
        None if wisp => {
            let id = format!("hq-wisp-{}", board.mols.count() + 1).parse();
            nobody(
                draft,
                &id.map_err(|error: model::ids::BadName| Refusal::usage(error.to_string()))?,
                formula,
            )
        }
        None => {
            let fields = [("mol_type".to_owned(), json!(mols::ROOT))].into();
            let labels = vec![format!("formula:{formula}")];
            let new = NewBead {
                title: formula.to_owned(),
                rig: joint.rig.cloned(),
                fields,
                labels,
                ..NewBead::default()
            };
            match beads::create(draft, origin, &new)? {
                Answer::Bead(bead) => *bead,
                _ => return Err(Refusal::failed("no_bead", "no bead was made")),
            }
        }
    };
    let rig = joint.rig.or(bead.rig.as_ref());
    let mol = mols::pour(draft, book, rig, &bead, formula, joint.vars, Some(phase))?;
    let mut poured = draft.events().filter_map(|event| Mol::poured(event, draft.now, board.head));
    let made = poured.find(|made| made.id == mol);
    Ok(Answer::Mol(made.as_ref().map(mols::row)))
}

/// A bead that there is not, for the variables of a formula that is poured for none.
pub(crate) fn nobody(draft: &Draft<'_>, id: &BeadId, title: &str) -> Bead {
    Bead {
        id: id.clone(),
        title: title.to_owned(),
        description: String::new(),
        acceptance_criteria: String::new(),
        status: Status::Open,
        priority: Priority::default(),
        issue_type: IssueType::Task,
        assignee: None,
        rig: None,
        created_at: draft.now.into(),
        updated_at: draft.now.into(),
        created_by: draft.actor().to_string(),
        closed_at: None,
        close_reason: None,
        dependencies: Vec::new(),
        labels: Vec::new(),
        comments: Vec::new(),
        extra: BTreeMap::new(),
    }
}

fn operand<'a>(board: &'a Board, origin: &Origin, name: &'a str) -> Operand<'a> {
    mols::named(board, origin, Some(name)).map_or(Operand::Formula(name), Operand::Running)
}

/// Whether two formulas are joined: then the answer is a formula, and nothing is recorded.
pub fn are_formulas(board: &Board, origin: &Origin, first: &str, second: &str) -> bool {
    let formula = |name| matches!(operand(board, origin, name), Operand::Formula(_));
    formula(first) && formula(second)
}

/// Joins a formula and a molecule, or two molecules.
pub fn bond(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    origin: &Origin,
    (first, second): (&str, &str),
    joint: Joint<'_>,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    match (operand(board, origin, first), operand(board, origin, second)) {
        (Operand::Running(mol), Operand::Formula(formula)) => attach(draft, book, mol, formula, joint),
        // What is attached to a molecule that is named second comes before it only in the sentence.
        (Operand::Formula(formula), Operand::Running(mol)) => attach(draft, book, mol, formula, joint),
        (Operand::Running(one), Operand::Running(other)) => link(draft, one, other, joint.parallel),
        (Operand::Formula(one), Operand::Formula(other)) => {
            compound(book, one, other, joint).map(Answer::FormulaDraft)
        }
    }
}

fn attach(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    mol: &Mol,
    formula: &str,
    joint: Joint<'_>,
) -> Result<Answer, Refusal> {
    if mol.completed_at.is_some() {
        return Err(Refusal::forbidden(
            "mol_done",
            format!("{} is done; nothing can be attached to it", mol.id),
        ));
    }
    let bead = draft.board.beads.get(&mol.bead).cloned();
    let bead = bead.unwrap_or_else(|| nobody(draft, &mol.bead, &mol.formula));
    let rig = joint.rig.or(bead.rig.as_ref());
    let poured = book.steps(rig, formula, joint.vars, &bead)?.steps;
    let after = match joint.at {
        Some(step) if mol.step(step).is_none() => {
            return Err(Refusal::no_such("step", step, mol.steps.iter().map(|step| step.id.as_str())));
        }
        Some(step) => vec![step.to_owned()],
        None if joint.parallel => Vec::new(),
        None => ends(&mol.steps),
    };
    let taken = |name: &str| mol.steps.iter().any(|step| step.id.starts_with(&format!("{name}.")));
    let mut name = formula.to_owned();
    let mut number = 2;
    while taken(&name) {
        name = format!("{formula}-{number}");
        number += 1;
    }
    let steps = prefixed(poured, &name, &after);
    draft.push(Event::MolGrown { mol: mol.id.clone(), from: formula.to_owned(), steps, needs: Vec::new() });
    Ok(Answer::Mol(mols::after(draft, mol).as_ref().map(mols::row)))
}

/// Links two molecules by their beads: the second waits for the first, or they only know of each other.
fn link(draft: &mut Draft<'_>, one: &Mol, other: &Mol, parallel: bool) -> Result<Answer, Refusal> {
    if one.bead == other.bead {
        return Err(Refusal::forbidden(
            "same_bead",
            format!("{} and {} guide the same bead", one.id, other.id),
        ));
    }
    let both = draft.board.beads.get(&one.bead).is_some() && draft.board.beads.get(&other.bead).is_some();
    if both {
        let kind = if parallel { DepType::RelatesTo } else { DepType::Blocks };
        deps::depend(draft, &other.bead, &one.bead, Some(kind))?;
    } else if parallel {
        return Err(Refusal::forbidden(
            "no_bead",
            format!("{} or {} has no bead of its own; there is nothing to link", one.id, other.id),
        ));
    } else {
        // A wisp has no bead to wait for; its last steps stand for it.
        let first: Vec<String> = ends(&one.steps);
        let steps = vec![PouredStep {
            id: format!("after-{}", one.id),
            title: format!("{} is done", one.id),
            description: String::new(),
            needs: Vec::new(),
            own_session: false,
            more: Some(Box::new(model::molecule::StepMore {
                container: true,
                gates: vec![model::molecule::StepGate {
                    kind: "mol".into(),
                    await_id: Some(one.id.to_string()),
                    ..Default::default()
                }],
                ..Default::default()
            })),
        }];
        let roots = other.steps.iter().filter(|step| step.needs.is_empty() && !other.done.contains(&step.id));
        let needs = roots.map(|step| (step.id.clone(), steps[0].id.clone())).collect();
        if first.iter().all(|step| one.done.contains(step)) {
            return Ok(Answer::Mol(Some(mols::row(other))));
        }
        draft.push(Event::MolGrown { mol: other.id.clone(), from: one.id.to_string(), steps, needs });
    }
    Ok(Answer::Mol(Some(mols::after(draft, other).as_ref().map_or_else(|| mols::row(other), mols::row))))
}

/// The formula that two make: the steps of both, those of the second behind those of the first.
pub fn compound(
    book: &dyn Book,
    one: &str,
    other: &str,
    joint: Joint<'_>,
) -> Result<model::formula::Draft, Refusal> {
    let steps = |name: &str| -> Result<Vec<PouredStep>, Refusal> {
        let page = book.show(joint.rig, name, Some(&BTreeMap::new()))?;
        let steps = page.get("steps").or_else(|| page.get("proto").and_then(|proto| proto.get("steps")));
        let text = |step: &serde_json::Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
        let one = |step: &serde_json::Value| PouredStep {
            id: text(step, "id"),
            title: text(step, "title"),
            description: text(step, "description"),
            needs: step["needs"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|n| n.as_str())
                .map(str::to_owned)
                .collect(),
            own_session: false,
            more: None,
        };
        Ok(steps.and_then(|steps| steps.as_array()).into_iter().flatten().map(one).collect())
    };
    let (first, second) = (prefixed(steps(one)?, one, &[]), steps(other)?);
    let after = if joint.parallel { Vec::new() } else { ends(&first) };
    let mut all = first;
    all.extend(prefixed(second, other, &after));
    let name = format!("{one}-{other}");
    let about = format!("{one}, then {other}.");
    let mut draft = book.draft(joint.rig, &name, "workflow")?;
    draft.text = formula_text(&name, &about, &all);
    Ok(draft)
}

/// The formula that makes a molecule with these steps.
pub fn distill(
    board: &Board,
    book: &dyn Book,
    origin: &Origin,
    mol: &str,
    name: &str,
    rig: Option<&RigName>,
) -> Result<Answer, Refusal> {
    let mol = mols::named(board, origin, Some(mol))?;
    let mut draft = book.draft(rig, name, "workflow")?;
    draft.text = formula_text(name, &format!("What {} ({}) has done.", mol.id, mol.formula), &mol.steps);
    Ok(Answer::FormulaDraft(draft))
}

/// A formula with these steps, as text.
fn formula_text(name: &str, about: &str, steps: &[PouredStep]) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut out = format!(
        "formula = {}\ndescription = {}\nversion = 1\ntype = \"workflow\"\n",
        quoted(name),
        quoted(about)
    );
    for step in steps {
        out.push_str(&format!("\n[[steps]]\nid = {}\ntitle = {}\n", quoted(&step.id), quoted(&step.title)));
        if !step.needs.is_empty() {
            let needs: Vec<String> = step.needs.iter().map(|need| quoted(need)).collect();
            out.push_str(&format!("needs = [{}]\n", needs.join(", ")));
        }
        if !step.description.is_empty() {
            out.push_str(&format!("description = {}\n", quoted(&step.description)));
        }
        let more = more(step);
        if let Some(seconds) = more.timeout_s {
            out.push_str(&format!("timeout = \"{seconds}s\"\n"));
        }
        if let Some(gate) = more.gates.first() {
            out.push_str(&format!("\n[steps.gate]\ntype = {}\n", quoted(&gate.kind)));
            if let Some(id) = &gate.await_id {
                out.push_str(&format!("id = {}\n", quoted(id)));
            }
            if let Some(seconds) = gate.timeout_s {
                out.push_str(&format!("timeout = \"{seconds}s\"\n"));
            }
        }
    }
    out
}

/// `steps` under names of their own, the first of them behind `after`.
pub(crate) fn prefixed(steps: Vec<PouredStep>, name: &str, after: &[String]) -> Vec<PouredStep> {
    let new = |id: &str| format!("{name}.{id}");
    let own: BTreeSet<String> = steps.iter().map(|step| step.id.clone()).collect();
    steps
        .into_iter()
        .map(|mut step| {
            step.id = new(&step.id);
            step.needs = if step.needs.is_empty() {
                after.to_vec()
            } else {
                step.needs
                    .iter()
                    .map(|need| if own.contains(need) { new(need) } else { need.clone() })
                    .collect()
            };
            if let Some(more) = &mut step.more {
                more.parent = more.parent.as_deref().map(new);
                if let Some(wait) = &mut more.waits_for {
                    wait.of = new(&wait.of);
                }
            }
            step
        })
        .collect()
}

/// The steps that no other needs.
pub(crate) fn ends(steps: &[PouredStep]) -> Vec<String> {
    let needed: BTreeSet<&String> = steps.iter().flat_map(|step| &step.needs).collect();
    steps.iter().map(|step| &step.id).filter(|id| !needed.contains(id)).cloned().collect()
}

/// Puts molecules away and leaves one digest of them.
pub fn squash(
    draft: &mut Draft<'_>,
    origin: &Origin,
    names: &[String],
    summary: Option<&str>,
) -> Result<Answer, Refusal> {
    let board = draft.board;
    let mut found: Vec<&Mol> = Vec::new();
    for name in names {
        let mol = mols::named(board, origin, Some(name))?;
        let held = mol.completed_at.is_none() && board.hooks.holder(&mol.bead).is_some();
        if held {
            return Err(Refusal::forbidden(
                "at_work",
                format!("somebody works at {} ({})", mol.id, mol.bead),
            )
            .hint("it can be squashed when all of it is done"));
        }
        if !found.iter().any(|other| other.id == mol.id) {
            found.push(mol);
        }
    }
    if found.is_empty() {
        return Err(Refusal::usage("nothing to squash").hint("gastown mol squash MOL…"));
    }
    let digest = leave_digest(draft, &found, summary, false);
    Ok(Answer::Digest(Box::new(digest)))
}

/// Records a digest of `mols`, which are gone with it. With `daily`, all of a formula and a day go into one.
pub(crate) fn leave_digest(
    draft: &mut Draft<'_>,
    mols: &[&Mol],
    summary: Option<&str>,
    daily: bool,
) -> Digest {
    let now = draft.now;
    let head = model::ids::Seq(draft.board.head.0 + draft.events().count() as u64 + 1);
    let mut formulas: Vec<String> = mols.iter().map(|mol| mol.formula.clone()).collect();
    formulas.sort();
    formulas.dedup();
    let id = match (daily, formulas.first()) {
        (true, Some(formula)) => format!("digest-{formula}-{}", Day::of(now)),
        _ => format!("digest-{}", head.0),
    };
    let ended = |mol: &Mol| mol.done_at.values().copied().max().or(mol.completed_at).unwrap_or(now);
    let lasted = |mol: &Mol| ended(mol).since(mol.created_at).as_secs();
    let digest = Digest {
        id,
        count: mols.len(),
        completed: mols.iter().filter(|mol| mol.is_done()).count(),
        steps: mols.iter().map(|mol| mol.steps.len()).sum(),
        steps_done: mols.iter().map(|mol| mol.done.len()).sum(),
        began: mols.iter().map(|mol| mol.created_at).min().unwrap_or(now),
        ended: mols.iter().map(|mol| ended(mol)).max().unwrap_or(now),
        seconds: mols.iter().map(|mol| lasted(mol)).sum(),
        first: mols.iter().map(|mol| mol.first).min().unwrap_or(head),
        last: head,
        summary: summary.unwrap_or_default().to_owned(),
        formulas,
    };
    draft.push(Event::MolSquashed {
        mols: mols.iter().map(|mol| mol.id.clone()).collect(),
        digest: digest.clone(),
    });
    let roots: Vec<BeadId> =
        mols.iter().filter(|mol| is_open_root(draft.board, &mol.bead)).map(|mol| mol.bead.clone()).collect();
    for root in roots {
        let closing =
            draft.events().any(|event| matches!(event, Event::BeadClosed { bead, .. } if *bead == root));
        if !closing {
            beads::shut(draft, &root, &format!("squashed into {}", digest.id));
        }
    }
    digest
}

fn is_open_root(board: &Board, bead: &BeadId) -> bool {
    let root = board.beads.get(bead).filter(|bead| bead.text("mol_type") == mols::ROOT);
    root.is_some_and(|bead| bead.status != Status::Closed) && board.hooks.holder(bead).is_none()
}

/// Throws wisps away.
pub fn burn(draft: &mut Draft<'_>, origin: &Origin, names: &[String]) -> Result<Answer, Refusal> {
    let mut burned = BTreeSet::new();
    for name in names {
        let mol = mols::named(draft.board, origin, Some(name))?;
        if mol.phase != Phase::Vapor {
            return Err(Refusal::forbidden(
                "not_a_wisp",
                format!("{} is a mol; only wisps can be burned", mol.id),
            )
            .hint(format!("leave a digest of it: gastown mol squash {}", mol.id)));
        }
        if let Some(holder) = draft.board.hooks.holder(&mol.bead) {
            return Err(Refusal::forbidden("at_work", format!("{holder} works at {}", mol.id)));
        }
        if burned.insert(mol.id.clone()) {
            draft.push(Event::MolBurned { mol: mol.id.clone() });
        }
    }
    Ok(Answer::Done)
}

/// Wisps that are done, or that nobody has touched since `before`, and that nobody works at: they may go.
pub fn stale_wisps(board: &Board, before: Timestamp) -> Vec<&Mol> {
    let last = |mol: &Mol| mol.done_at.values().copied().max().unwrap_or(mol.created_at);
    let wisps = board.mols.iter().filter(|mol| mol.phase == Phase::Vapor);
    wisps.filter(|mol| last(mol) < before && board.hooks.holder(&mol.bead).is_none()).collect()
}
