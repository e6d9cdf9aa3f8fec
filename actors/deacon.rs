//! The Deacon: watches over the town as a whole, in code. It gives the verdicts on sessions that no
//! Witness watches: the Mayor's, its own, the Refineries', the Witnesses'; it tells a person when a call for help
//! has had no answer in time, and when work cannot be saved; it tells the Mayor of beads that lose their workers again
//! and again.

use std::path::PathBuf;
use std::time::Duration;

use clerk::moving;
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;

use crate::judge;
use crate::letters;
use crate::office::{Duty, Office};
use crate::tools::Tools;

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
        let handle = |letter| handle(tools.clone(), letter);
        let more = letters::handle_due(tools, &Self::ADDRESS, handle).await?;
        let next = unanswered(tools).await?;
        Ok(if more { Some(Duration::ZERO) } else { next })
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

/// Tells a person of calls for help that nobody has answered in time; returns when the next one is due.
async fn unanswered(tools: &Tools) -> Result<Option<Duration>, Refusal> {
    let deadline = tools.town().escalation.help_deadline;
    let look = || tools.look(|board| clerk::help::unanswered(board, tools.clock.now(), deadline));
    let seen = look();
    if seen.overdue.is_empty() {
        return Ok(seen.next);
    }
    let escalate = move |draft: &mut clerk::draft::Draft<'_>| {
        clerk::help::escalate(draft, deadline);
        Ok(())
    };
    tools.write(&Address::Deacon, escalate).await?;
    Ok(look().next)
}

/// Whether no Witness watches over `agent`.
fn watches(agent: &Address) -> bool {
    agent.rig().is_none() || matches!(agent, Address::Witness(_) | Address::Refinery(_))
}
