//! What an agent is told when it starts or asks: who it is, what hangs on its hook, what to do.

use clerk::{letters, mols};
use config::live::TownConfig;
use config::paths::TownPaths;
use ledger::views::Board;
use model::answer::Prime;
use model::hook::Stage;
use model::mail::Kind;
use model::refusal::Refusal;
use model::role::{Address, Role};

/// The brief's fixed words, by role.
const POLECAT: &str = include_str!("polecat/brief.md");
const SEAT: &str = include_str!("seat.md");

/// Letters whose text is part of the brief; the rest are counted.
const LETTERS: usize = 5;

/// The brief of `agent`.
///
/// # Errors
/// Today none; the type leaves room for agents that have no brief.
pub fn prime(
    board: &Board,
    config: &TownConfig,
    paths: &TownPaths,
    agent: &Address,
) -> Result<Prime, Refusal> {
    let hook = board.hooks.of(agent).cloned();
    let bead = hook.as_ref().and_then(|hook| board.beads.get(&hook.bead)).cloned();
    let sandbox = board.agents.get(agent).and_then(|agent| agent.sandbox.clone());
    let rig = agent.rig().and_then(|rig| config.rig(rig).ok());
    let folder = match agent {
        Address::Polecat(rig, name) => Some(paths.rig(rig).polecat(name)),
        Address::Crew(rig, name) => Some(paths.rig(rig).crew(name)),
        Address::Mayor => Some(paths.mayor()),
        Address::Deacon => Some(paths.deacon()),
        _ => None,
    };
    let handed_over = letters::handed_over(board, agent);
    let mut prime = Prime {
        agent: agent.clone(),
        role: agent.role(),
        rig: agent.rig().cloned(),
        sandbox: folder.map(|folder| folder.display().to_string()),
        branch: sandbox.as_ref().map(|sandbox| sandbox.branch.clone()),
        base: sandbox.as_ref().map(|sandbox| sandbox.base.clone()),
        target: rig.map(|rig| rig.default_branch.clone()),
        mol: mols::on_hook(board, agent).map(mols::row),
        mail: board
            .mail
            .unacked(agent)
            .filter(|post| *agent == Address::Overseer || !post.letter.kind.is_for_code())
            .filter(|post| {
                // Its own note is for the session after it.
                !matches!(post.letter.kind, Kind::Handoff { .. }) || handed_over.contains(&post.letter.id)
            })
            .map(letters::row)
            .collect(),
        hook,
        bead,
        text: String::new(),
    };
    prime.text = text(&prime);
    Ok(prime)
}

fn text(prime: &Prime) -> String {
    let mut out = format!("# You are {}\n\n", prime.agent);
    let words = if prime.role == Role::Polecat { POLECAT } else { SEAT };
    out.push_str(words.trim_end());
    out.push_str("\n\n");
    if let Some(sandbox) = &prime.sandbox {
        out.push_str(&format!("Your folder: {sandbox}\n"));
    }
    if let (Some(branch), Some(target)) = (&prime.branch, &prime.target) {
        out.push_str(&format!("Your branch: {branch} (it will land on {target})\n"));
    }
    // What the session before has left is the first thing that is seen.
    let (handed_over, mail): (Vec<_>, Vec<_>) =
        prime.mail.iter().partition(|row| matches!(row.data, Kind::Handoff { .. }));
    for note in handed_over {
        out.push_str(&format!("\n## From your last session\n\n{}\n", note.body.trim_end()));
    }
    // What waited while it was away comes before the work: it may change the work.
    if !mail.is_empty() {
        out.push_str(&format!("\n## Mail ({} unread)\n\n", mail.len()));
        for letter in mail.iter().take(LETTERS) {
            out.push_str(&format!("- {} from {}: {}\n", letter.id, letter.from, letter.subject));
        }
        out.push_str("\nRead with `gt mail read ID`, then `gt mail ack ID`.\n");
    }
    match (&prime.hook, &prime.bead) {
        (Some(hook), Some(bead)) => {
            out.push_str(&format!("\n## On your hook: {} {}\n\n", bead.id, bead.title));
            out.push_str(&format!("{}, {}\n", bead.priority, bead.issue_type));
            for (name, text) in [("", &bead.description), ("Done when:\n", &bead.acceptance_criteria)] {
                if !text.trim().is_empty() {
                    out.push_str(&format!("\n{name}{}\n", text.trim_end()));
                }
            }
            if let Some(args) = &hook.args {
                out.push_str(&format!("\nWords for you: {args}\n"));
            }
            if let Stage::Rework { rejection } = &hook.stage {
                out.push_str("\n## It came back\n\n");
                out.push_str(&model::mail::explain(rejection));
                out.push('\n');
            }
        }
        _ => out.push_str("\nNothing hangs on your hook.\n"),
    }
    if let Some(mol) = &prime.mol {
        out.push_str(&format!("\n## Steps ({})\n\n", mol.formula));
        for step in &mol.steps {
            let mark = if step.state == "done" { "x" } else { " " };
            out.push_str(&format!("- [{mark}] {}: {}\n", step.id, step.title));
        }
        if let Some(next) = mol.steps.iter().find(|step| step.state == "ready") {
            out.push_str(&format!("\nNow: {} — {}\n", next.id, next.title));
            if !next.description.trim().is_empty() {
                out.push_str(&format!("\n{}\n", next.description.trim_end()));
            }
            out.push_str(&format!("\nWhen it is done: gt mol step done {}\n", next.id));
        }
    }
    out
}
