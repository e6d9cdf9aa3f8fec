//! The formulas that ship with the program.

/// The formula of a worker when nothing else is said.
pub const DEFAULT: &str = "mol-polecat-work";

/// Names and texts.
pub(crate) const SHIPPED: &[(&str, &str)] = &[
    (DEFAULT, include_str!("library/mol-polecat-work.formula.toml")),
    ("shell-checked", include_str!("library/shell-checked.formula.toml")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::{Catalog, Source};
    use crate::cook::{Cooked, Mode, Order, Subject};
    use crate::molecule::Molecule;
    use crate::vars::Vars;

    /// Cooked for a bead as the town does it, with a value for all that needs one.
    fn poured(name: &str) -> Cooked {
        let (formula, _) = Catalog::default().load(name).unwrap();
        let needed = formula.written.vars.iter().filter(|var| var.required && var.default.is_none());
        let given: Vars = needed.map(|var| (var.name.value.clone(), "1.2.3".to_owned())).collect();
        let ambient = ["bead", "issue", "rig", "base_branch", "feature"];
        let order = Order {
            given,
            ambient: ambient.map(|name| (name.to_owned(), format!("the-{name}"))).into(),
            subject: Some(Subject {
                title: "Title".to_owned(),
                description: "Text".to_owned(),
                ..Subject::default()
            }),
            mode: Mode::Pour,
        };
        Catalog::default().cook(name, &order).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_shipped_is_without_fault() {
        for (name, text) in SHIPPED {
            let (formula, source) = Catalog::default().load(name).unwrap();
            assert_eq!((formula.name(), source), (*name, Source::Shipped));
            assert!(formula.written.version.is_some() && formula.written.kind.is_some(), "{name}");
            assert!(formula.written.vars.iter().all(|var| !var.description.is_empty()), "{name}");
            let lint = Order { mode: Mode::Lint, ..Order::default() };
            let cooked = Catalog::default().cook(name, &lint).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(cooked.warnings, [], "{name}");
            assert!(text.lines().all(|line| line.len() <= 120), "{name} has lines that no terminal shows");
        }
    }

    #[test]
    fn what_is_shipped_can_be_poured_and_says_what_to_do() {
        for (name, _) in SHIPPED {
            let cooked = poured(name);
            let steps = cooked.poured().unwrap_or_else(|error| panic!("{error}"));
            assert!(!steps.is_empty());
            for step in steps {
                assert!(!step.description.trim().is_empty(), "{name}: {} says nothing", step.id);
                let text = format!("{} {}", step.title, step.description);
                assert!(
                    !text.contains("{{") && !text.contains("{target") && !text.contains("{step"),
                    "{name}: {text}"
                );
            }
            Molecule::pour(cooked.proto).unwrap();
        }
    }

    #[test]
    fn the_default_leaves_nothing_for_a_shell_to_run_and_needs_no_values() {
        let cooked = Catalog::default().cook(DEFAULT, &Order::default()).unwrap();
        assert!(cooked.proto.steps.iter().all(|step| !step.description.contains("```")));
        assert!(cooked.proto.steps.iter().all(|step| step.acceptance.is_some()));
    }

    #[test]
    fn the_checked_one_runs_the_given_command_after_the_work() {
        let catalog = Catalog::default();
        assert!(catalog.cook("shell-checked", &Order::default()).is_err());
        let given = BTreeMap::from([("check".to_owned(), "make test".to_owned())]);
        let cooked = catalog.cook("shell-checked", &Order { given, ..Order::default() }).unwrap();
        let check = cooked.proto.steps.iter().find(|step| step.id == "check").unwrap();
        assert!(check.description.contains("```sh\nmake test\n```"));
        assert_eq!(check.needs, ["implement"]);
    }
}
