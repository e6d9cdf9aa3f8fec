//! `ready`: what could be worked at now, and why the rest could not.

use clap::Args;
use model::command::{BeadFilter, Command};
use model::refusal::Refusal;
use model::work::Question;

use super::filter::{self, Filter};
use crate::args::{Intent, Reading};

/// List the beads that could be worked at now
#[derive(Debug, Args)]
pub(crate) struct Ready {
    /// Say why each bead is ready or not
    #[arg(long)]
    explain: bool,
    /// Also what is put off
    #[arg(long)]
    include_deferred: bool,
    /// Take the first of them: become its assignee
    #[arg(long)]
    claim: bool,
    /// Steps that have waited at a gate and can go on
    #[arg(long, hide = true)]
    gated: bool,
    /// priority, oldest, created, updated, id, title, type or assignee
    #[arg(long, short = 's', value_name = "BY", default_value = "priority", value_parser = filter::sort)]
    sort: model::work::Sort,
    #[command(flatten)]
    filter: Filter,
}

impl Ready {
    /// What these words want.
    pub(crate) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        if self.gated {
            return Ok(Command::GateCheck.into());
        }
        let filter =
            BeadFilter { sort: self.sort, deferred: self.include_deferred, ..self.filter.read(reading)? };
        Ok(match (self.explain, self.claim) {
            (true, _) => Command::BeadAsk(Question::Explain(filter)).into(),
            (false, true) => Command::BeadClaimNext(filter).into(),
            (false, false) => Command::BeadReady(filter).into(),
        })
    }
}
