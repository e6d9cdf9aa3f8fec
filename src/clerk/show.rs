//! Anything by its name: whatever a town records has one, and one command shows it.

use ledger::views::Board;
use model::answer::Answer;
use model::command::Command;
use model::ids::{BeadId, ConvoyId, EscalationId, MailId, MergeId, MolId};
use model::refusal::Refusal;

use crate::{answers, mols, names};

/// The question that `command` comes to: that of the thing's own kind where it has one, otherwise the same.
///
/// Asked for a bead that there is not, anything else of that name will do.
pub fn meant(board: &Board, command: &Command) -> Command {
    let name = match command {
        Command::Show { name } => name.trim(),
        Command::BeadShow(ids) => match ids.as_slice() {
            [id] if board.beads.get(id).is_none() => id.as_str(),
            _ => return command.clone(),
        },
        _ => return command.clone(),
    };
    if let Ok(bead) = name.parse::<BeadId>()
        && board.beads.get(&bead).is_some()
    {
        return Command::BeadShow(vec![bead]);
    }
    if let Ok(merge) = name.parse::<MergeId>()
        && board.merges.get(&merge).is_some()
    {
        return Command::MergeShow(merge);
    }
    if let Ok(convoy) = name.parse::<ConvoyId>()
        && board.convoys.get(&convoy).is_some()
    {
        return Command::ConvoyShow(convoy);
    }
    if let Ok(mail) = name.parse::<MailId>()
        && (board.mail.get(&mail).is_some() || board.mail.is_settled(&mail, board.head))
        && (mail.record().is_some() || name.starts_with("m-"))
    {
        return Command::MailRead(mail);
    }
    if let Ok(id) = name.parse::<EscalationId>()
        && board.escalations.get(&id).is_some()
    {
        return Command::EscalateShow { name: name.to_owned() };
    }
    match command {
        // What is nothing else is refused as what it was asked as.
        Command::BeadShow(_) if one(board, name).is_err() => command.clone(),
        _ => Command::Show { name: name.to_owned() },
    }
}

/// Shows what has no question of its own: a molecule, an agent.
///
/// # Errors
/// `no_such_record`, with near matches among everything that has a name.
pub fn one(board: &Board, name: &str) -> Result<Answer, Refusal> {
    if let Ok(id) = name.parse::<MolId>()
        && let Some(mol) = board.mols.get(&id)
    {
        return Ok(Answer::Mol(Some(mols::row(mol))));
    }
    if let Some(digest) = board.mols.digest(name) {
        return Ok(Answer::Digest(Box::new(digest.clone())));
    }
    if let Ok(address) = names::address(board, name)
        && let Some(row) = answers::agent_rows(board).into_iter().find(|row| row.address == address)
    {
        return Ok(Answer::Agents(vec![row]));
    }
    Err(unknown(board, name))
}

/// The refusal for a name that nothing has.
pub fn unknown(board: &Board, name: &str) -> Refusal {
    let mut known: Vec<String> = board.beads.iter().map(|bead| bead.id.to_string()).collect();
    known.extend(board.merges.iter().map(|merge| merge.id.to_string()));
    known.extend(board.convoys.iter().map(|convoy| convoy.id.to_string()));
    known.extend(board.escalations.iter().map(|known| known.id.to_string()));
    known.extend(board.mail.open().map(|post| post.letter.id.to_string()));
    known.extend(names::everybody(board).iter().map(ToString::to_string));
    let refusal = Refusal::no_such("record", name, known.iter().map(String::as_str));
    if refusal.hint.is_some() {
        return refusal;
    }
    refusal
        .hint("beads, letters, merge requests, molecules, convoys, escalations, agents and numbers of events")
}
