//! What is to be run, and in which order.

use std::collections::BTreeSet;

use model::answer::{Prime, StepRow};

use crate::fences::{self, Fenced, Unclosed};

/// The name of the part that the bead's own description makes.
pub(crate) const BEAD: &str = "bead";

/// One part of the work: the bead's description, or a step of the molecule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// [`BEAD`], or the step's id.
    pub(crate) name: String,
    /// Whether it is a step, which is reported when its blocks have run.
    pub(crate) is_step: bool,
    /// Whether it is reported already.
    pub(crate) reported: bool,
    /// What is to be run.
    pub(crate) blocks: Vec<Fenced>,
}

/// Why nothing can be run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlan {
    #[error("this bead has no sh block, and the shell agent can do nothing else")]
    NoBlock,
    #[error("in {part}: {why}")]
    Unclosed { part: String, why: Unclosed },
}

/// Returns the parts of the work in order: the bead's own blocks, then the steps, each after those that it
/// needs.
pub(crate) fn plan(prime: &Prime) -> Result<Vec<Part>, NoPlan> {
    let mut parts = Vec::new();
    let mut push = |name: &str, text: &str, is_step, reported| {
        let blocks = fences::extract(text).map_err(|why| NoPlan::Unclosed { part: name.to_owned(), why })?;
        parts.push(Part { name: name.to_owned(), is_step, reported, blocks });
        Ok(())
    };
    if let Some(bead) = &prime.bead {
        push(BEAD, &bead.description, false, false)?;
    }
    for step in in_order(prime.mol.iter().flat_map(|mol| &mol.steps)) {
        push(&step.id, &step.description, true, step.state == "done")?;
    }
    if parts.iter().all(|part| part.blocks.is_empty()) {
        return Err(NoPlan::NoBlock);
    }
    Ok(parts)
}

/// Returns `steps` such that each comes after what it needs and otherwise in the given order. What needs
/// itself or something unknown comes last: the town says what is wrong with it when it is reported.
fn in_order<'a>(steps: impl Iterator<Item = &'a StepRow>) -> Vec<&'a StepRow> {
    let mut waiting: Vec<&StepRow> = steps.collect();
    let mut ordered: Vec<&StepRow> = Vec::new();
    let mut done = BTreeSet::new();
    while let Some(next) = waiting.iter().position(|step| step.needs.iter().all(|need| done.contains(need))) {
        let step = waiting.remove(next);
        done.insert(&step.id);
        ordered.push(step);
    }
    ordered.extend(waiting);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(steps: &[(&str, &[&str])], expected: &str) {
        let rows: Vec<StepRow> = steps
            .iter()
            .map(|(id, needs)| StepRow {
                id: (*id).to_owned(),
                title: String::new(),
                description: String::new(),
                needs: needs.iter().map(ToString::to_string).collect(),
                state: "pending".to_owned(),
                by: None,
                gates: Vec::new(),
                timeout_s: None,
            })
            .collect();
        let ids: Vec<&str> = in_order(rows.iter()).iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids.join(" "), expected);
    }

    #[test]
    fn steps_come_after_what_they_need() {
        check(&[], "");
        check(&[("a", &[]), ("b", &[])], "a b");
        check(&[("c", &["a", "b"]), ("b", &["a"]), ("a", &[]), ("d", &[])], "a b c d");
        check(&[("x", &["y"]), ("y", &["x"]), ("a", &[])], "a x y");
        check(&[("x", &["gone"]), ("a", &[])], "a x");
    }
}
