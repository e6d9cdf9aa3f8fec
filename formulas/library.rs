//! The formulas that ship with the program.

/// The formula of a worker when nothing else is said.
pub const DEFAULT: &str = "mol-polecat-work";

/// Names and texts.
pub(crate) const SHIPPED: &[(&str, &str)] = &[
    (DEFAULT, include_str!("library/mol-polecat-work.formula.toml")),
    ("code-review", include_str!("library/code-review.formula.toml")),
    ("design", include_str!("library/design.formula.toml")),
    ("mol-deacon-patrol", include_str!("library/mol-deacon-patrol.formula.toml")),
    ("mol-polecat-conflict-resolve", include_str!("library/mol-polecat-conflict-resolve.formula.toml")),
    ("mol-refinery-patrol", include_str!("library/mol-refinery-patrol.formula.toml")),
    ("mol-witness-patrol", include_str!("library/mol-witness-patrol.formula.toml")),
    ("release", include_str!("library/release.formula.toml")),
    ("rule-of-five", include_str!("library/rule-of-five.formula.toml")),
    ("security-audit", include_str!("library/security-audit.formula.toml")),
    ("shell-checked", include_str!("library/shell-checked.formula.toml")),
    ("shiny", include_str!("library/shiny.formula.toml")),
    ("tdd-cycle", include_str!("library/tdd-cycle.formula.toml")),
    ("towers-of-hanoi", include_str!("library/towers-of-hanoi.formula.toml")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::{Catalog, Source};
    use crate::cook::{Cooked, Mode, Order, Subject};
    use crate::molecule::Molecule;
    use crate::vars::Vars;

    const PATROLS: [&str; 3] = ["mol-witness-patrol", "mol-refinery-patrol", "mol-deacon-patrol"];

    fn poured(name: &str) -> Cooked {
        poured_with(name, &[])
    }

    /// Cooked for a bead as the town does it, with a value for all that needs one.
    fn poured_with(name: &str, pairs: &[(&str, &str)]) -> Cooked {
        let (formula, _) = Catalog::default().load(name).unwrap();
        let needed = formula.written.vars.iter().filter(|var| var.required && var.default.is_none());
        let mut given: Vars = needed.map(|var| (var.name.value.clone(), "1.2.3".to_owned())).collect();
        given.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
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
        for (name, _) in SHIPPED.iter().filter(|(name, _)| !PATROLS.contains(name)) {
            let cooked = poured(name);
            let steps = cooked.poured().unwrap_or_else(|error| panic!("{error}")).steps;
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
    fn patrols_say_themselves_what_they_wait_for_and_run_without_a_model() {
        for name in PATROLS {
            let cooked = poured(name);
            let made = cooked.poured().unwrap();
            assert_eq!(
                (made.phase, made.squash.is_some()),
                (Some(model::molecule::Phase::Vapor), true),
                "{name}"
            );
            for step in &cooked.proto.steps {
                assert!(step.description.contains("```sh\ngt "), "{name}: {} asks nothing", step.id);
            }
        }
    }

    #[test]
    fn ten_disks_make_a_thousand_and_twenty_three_moves_in_a_chain() {
        let cooked = poured_with("towers-of-hanoi", &[("disks", "10")]);
        let steps = &cooked.proto.steps;
        assert_eq!(steps.len(), 1_025);
        for (before, step) in steps.iter().zip(&steps[1..]) {
            assert_eq!(step.needs, std::slice::from_ref(&before.id));
        }
        assert_eq!(poured_with("towers-of-hanoi", &[("disks", "3")]).proto.steps.len(), 9);
    }

    #[test]
    fn those_that_are_made_for_others_fit_into_them() {
        let text = "formula='mine'\nextends='shiny'\n[compose]\naspects=['security-audit']\n\
                    [[compose.expand]]\ntarget='implement'\nwith='tdd-cycle'\n[[compose.expand]]\ntarget='design'\nwith='rule-of-five'";
        let lint = Order { mode: Mode::Lint, ..Order::default() };
        let cooked = Catalog::default().cook_text("mine.toml", text, &lint).unwrap();
        let ids: Vec<&str> = cooked.proto.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids.len(), 5 + 4 + 4 + 3, "{ids:?}");
        let at = |id: &str| ids.iter().position(|other| *other == id).unwrap();
        assert!(
            at("design.done") < at("implement-threats") && at("implement-threats") < at("implement.tests")
        );
        assert!(at("implement.tidy") < at("implement-audit") && at("implement-audit") < at("review"));
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
