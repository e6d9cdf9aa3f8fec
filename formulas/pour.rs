//! A proto as the ledger records it: steps with their texts, what they need, and what they wait for.
//!
//! Nothing that a formula says is lost on the way. What the record has no place for is either in the text of a
//! step, or it is refused.

use model::event::PouredStep;
use model::molecule::{Phase, Poured, StepFanout, StepGate, StepMore, StepWait};

use crate::cook::Cooked;
use crate::problem::Invalid;
use crate::proto::{Gate, Proto, ProtoStep, Repeat};

impl Cooked {
    /// Returns the steps as the ledger records them, or everything that today's engine cannot carry out.
    ///
    /// A step has a session of its own if the formula says so.
    pub fn poured(&self) -> Result<Poured, Invalid> {
        Invalid::of(self.unable.clone())?;
        let proto = &self.proto;
        let phase = match proto.phase.as_deref() {
            Some("vapor") => Some(Phase::Vapor),
            Some("liquid") => Some(Phase::Liquid),
            _ => proto.pour.then_some(Phase::Liquid),
        };
        Ok(Poured {
            steps: proto.steps.iter().map(|step| one(proto, step)).collect(),
            phase,
            squash: proto
                .squash
                .as_ref()
                .map(|squash| squash.trigger.clone().unwrap_or_else(|| "on_complete".into())),
        })
    }
}

fn one(proto: &Proto, step: &ProtoStep) -> PouredStep {
    let mut description = step.text();
    let mut tell = |text: String| {
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str(&text);
    };
    if step.interactive {
        tell("This is a conversation with a person: say what you want to know with `gt mail send overseer`, and \
              go on when you are answered."
            .to_owned());
    }
    for repeat in proto.repeats.iter().filter(|repeat| repeat.steps.last() == Some(&step.id)) {
        tell(round(repeat));
    }
    // A person's step and one for somebody else are nothing for whoever does the others: they are done when those
    // who do them say so.
    let person = step.kind.as_deref() == Some("human");
    let other = step.assignee.clone();
    let mut gates: Vec<StepGate> = step.gates.iter().map(gate).collect();
    if person || other.is_some() {
        let approvers = other.clone().into_iter().collect();
        let what = Some(step.title.clone()).filter(|_| person || other.is_some());
        gates.push(StepGate { kind: "human".into(), await_id: what, timeout_s: None, approvers });
    }
    let more = StepMore {
        gates,
        container: step.container || person || other.is_some(),
        parent: step.parent.clone(),
        parallel: step.parallel,
        timeout_s: step.timeout.as_deref().and_then(seconds),
        waits_for: step.waits_for.as_ref().map(|wait| StepWait { any: wait.any, of: wait.of.clone() }),
        on_complete: step.on_complete.as_ref().map(|fanout| StepFanout {
            for_each: fanout.for_each.clone(),
            bond: fanout.bond.clone(),
            vars: fanout.vars.clone(),
            sequential: fanout.sequential,
        }),
        follows: None,
    };
    PouredStep {
        id: step.id.clone(),
        title: step.title.clone(),
        description,
        needs: step.needs.clone(),
        own_session: proto.per_step,
        more: (more != StepMore::default()).then(|| Box::new(more)),
    }
}

fn gate(gate: &Gate) -> StepGate {
    StepGate {
        kind: gate.kind.clone(),
        await_id: gate.await_id.clone().or_else(|| gate.condition.clone()),
        timeout_s: gate.timeout.as_deref().and_then(seconds),
        approvers: gate.approvers.clone(),
    }
}

/// What whoever does the last step of a repeated part is told.
fn round(repeat: &Repeat) -> String {
    let steps = repeat.steps.join(", ");
    format!(
        "Before you say that this step is done, look whether this holds: {}. If it does not, do it again ({steps}), at \
         most {} times in all.",
        repeat.until, repeat.max
    )
}

/// The seconds of `90s`, `30m`, `1h30m`, `7d`, at least one.
fn seconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, each) = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        total += number * each;
    }
    (total > 0.0).then_some((total as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_seconds() {
        assert_eq!(seconds("1h30m"), Some(5_400));
        assert_eq!(seconds("200ms"), Some(1));
        assert_eq!(seconds("2d"), Some(172_800));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("{{wait}}"), None);
    }
}
