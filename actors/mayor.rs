//! The Mayor: the person's interlocutor, and whom the town's escalations go to. Its letters wait to be
//! read; nothing starts its agent but a person or a judgement that is asked for.

use std::path::PathBuf;
use std::time::Duration;

use model::refusal::Refusal;
use model::role::Address;

use crate::office::{Duty, Office};
use crate::tools::Tools;

/// The name in the tree.
pub const NAME: &str = "mayor";

/// The Mayor's duty.
#[derive(Debug)]
pub struct Coordination;

/// The actor.
pub type Mayor = Office<Coordination>;

impl Duty for Coordination {
    const ADDRESS: Address = Address::Mayor;

    fn folder(tools: &Tools) -> PathBuf {
        tools.paths.mayor()
    }

    async fn look(_: &Tools) -> Result<Option<Duration>, Refusal> {
        Ok(None)
    }
}
