//! The Deacon: watches over the town as a whole, in code. It gives the verdicts on sessions that no
//! Witness watches: the Mayor's, its own, the Refineries', the Witnesses'.

use std::path::PathBuf;

use model::refusal::Refusal;
use model::role::Address;

use crate::judge;
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

    async fn look(tools: &Tools) -> Result<(), Refusal> {
        judge::all(tools, &Self::ADDRESS, watches).await
    }
}

/// Whether no Witness watches over `agent`.
fn watches(agent: &Address) -> bool {
    agent.rig().is_none() || matches!(agent, Address::Witness(_) | Address::Refinery(_))
}
