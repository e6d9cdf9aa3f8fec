//! A proto as the ledger records it today: a line of steps, each with its text and what it needs.
//!
//! Nothing that a formula says is lost on the way. What the record has no place for is either in the text of a
//! step, or it is refused.

use model::event::PouredStep;

use crate::cook::Cooked;
use crate::problem::Invalid;

impl Cooked {
    /// Returns the steps as the ledger records them, or everything that today's engine cannot carry out.
    ///
    /// A step has a session of its own if the formula says so.
    pub fn poured(&self) -> Result<Vec<PouredStep>, Invalid> {
        Invalid::of(self.unable.clone())?;
        let steps = self.proto.steps.iter().map(|step| PouredStep {
            id: step.id.clone(),
            title: step.title.clone(),
            description: step.text(),
            needs: step.needs.clone(),
            own_session: self.proto.per_step,
        });
        Ok(steps.collect())
    }
}
