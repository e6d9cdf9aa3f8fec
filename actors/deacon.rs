//! The Deacon: watches over the town as a whole, in code. It gives the verdicts on sessions that no
//! Witness watches: the Mayor's, its own, the Refineries', the Witnesses'; it looks into what is said of them; it
//! tells whoever is next when a call for help has had no answer in time, and a person when work cannot be saved; it
//! tells the Mayor of beads that lose their workers again and again; it sends escalations on their ways; and it opens the gates that steps
//! wait at, when what they wait for has come.

use std::path::PathBuf;
use std::time::Duration;

use clerk::moving;
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;

use crate::office::{Duty, Office};
use crate::outbox;
use crate::tools::Tools;
use crate::{judge, letters, neighbours};

/// The name in the tree.
pub const NAME: &str = "deacon";

/// The Deacon's duty.
#[derive(Debug)]
pub struct Patrol;

/// The actor.
pub type Deacon = Office<Patrol>;

impl Duty for Patrol {
    const ADDRESS: Address = Address::Deacon;

    fn folder(tools: &Tools) -> PathBuf {
        tools.paths.deacon()
    }

    async fn look(tools: &Tools) -> Result<Option<Duration>, Refusal> {
        judge::all(tools, &Self::ADDRESS, watches).await?;
        let again =
            letters::handle_due(tools, &Self::ADDRESS, |letter| handle(tools.clone(), letter)).await?;
        neighbours::look(tools, &Self::ADDRESS);
        let calls = unanswered(tools).await?;
        let messages = outbox::look(tools).await?;
        let gates = gates(tools).await?;
        let again = again.then_some(Duration::ZERO);
        Ok(calls.into_iter().chain(messages).chain(gates).chain(again).min())
    }

    async fn leave(tools: &Tools) {
        tools.outbox.farewell().await;
    }
}

/// What the Witnesses tell: a bead that lost its worker, work that cannot be saved.
async fn handle(tools: Tools, letter: Letter) -> Result<(), Refusal> {
    let write = move |draft: &mut clerk::draft::Draft<'_>| {
        draft.handled(&letter.id)?;
        match &letter.kind {
            Kind::RecoveredBead { bead, worker, why } => moving::recovered(draft, bead, worker, why),
            Kind::RecoveryNeeded { bead, worker, why } => moving::recovery_needed(draft, bead, worker, why),
            // For those who read along.
            _ => {}
        }
        Ok(())
    };
    tools.write(&Address::Deacon, write).await
}

/// Tells whoever is next of calls for help that nobody has answered in time; returns when the next one is due.
async fn unanswered(tools: &Tools) -> Result<Option<Duration>, Refusal> {
    // No time passes; everybody is rung when it thaws.
    if tools.freeze.is_frozen() {
        return Ok(None);
    }
    let deadline = tools.town().escalation.rules.help_deadline;
    let look = || tools.look(|board| clerk::help::unanswered(board, tools.clock.now(), deadline));
    let seen = look();
    if seen.overdue.is_empty() && seen.climbing.is_empty() {
        return Ok(seen.next);
    }
    let escalate = move |draft: &mut clerk::draft::Draft<'_>| {
        clerk::help::escalate(draft, deadline);
        Ok(())
    };
    tools.write(&Address::Deacon, escalate).await?;
    Ok(look().next)
}

/// Opens the gates whose time has come; returns when the next one's does.
async fn gates(tools: &Tools) -> Result<Option<Duration>, Refusal> {
    if tools.freeze.is_frozen() {
        return Ok(None);
    }
    let look = || tools.look(|board| clerk::gates::due(board, tools.clock.now()));
    let (settle, next) = look();
    if !settle {
        return Ok(next);
    }
    let open = |draft: &mut clerk::draft::Draft<'_>| {
        clerk::gates::settle(draft);
        Ok(())
    };
    tools.write(&Address::Deacon, open).await?;
    Ok(look().1)
}

/// Whether no Witness watches over `agent`.
fn watches(agent: &Address) -> bool {
    agent.rig().is_none() || matches!(agent, Address::Witness(_) | Address::Refinery(_))
}
