//! Conditions: those of steps, which are decided when a formula is cooked, and those of loops and gates, which
//! can only be decided while it runs.
//!
//! ```text
//!   condition of a step:  {{var}}   !{{var}}   {{var}} == value   {{var}} != value
//!   until, gates:         review.status == 'complete'     step.output.approved == true
//!                         children(step).all(status == 'complete')      steps.complete >= 3
//!                         file.exists('go.mod')           env.CI == 'true'
//! ```

/// What a condition of a step may look like.
pub(crate) const OF_STEPS: &str = "a step's is {{var}}, !{{var}}, {{var}} == value or {{var}} != value";

/// What a condition of a loop or a gate may look like.
pub(crate) const AT_RUN: &str = "it is STEP.status == 'complete', STEP.output.NAME == VALUE, children(STEP).all(…), steps.complete >= N, \
     file.exists('PATH') or env.NAME == 'VALUE'";

/// Says of a step whether it belongs into what is cooked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfStep<'t> {
    pub(crate) var: &'t str,
    test: Test<'t>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test<'t> {
    Truthy,
    Falsy,
    Is(&'t str),
    IsNot(&'t str),
}

impl<'t> OfStep<'t> {
    /// Reads a condition; nothing if it is none.
    pub(crate) fn read(text: &'t str) -> Option<Self> {
        let text = text.trim();
        let (not, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, text),
        };
        let (var, rest) = rest.strip_prefix("{{")?.split_once("}}")?;
        let var = var.trim();
        if var.is_empty() || !var.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            return None;
        }
        let rest = rest.trim();
        let test = match (not, rest) {
            (true, "") => Test::Falsy,
            (false, "") => Test::Truthy,
            (false, _) => match (rest.strip_prefix("=="), rest.strip_prefix("!=")) {
                (Some(value), _) => Test::Is(unquoted(value.trim())),
                (_, Some(value)) => Test::IsNot(unquoted(value.trim())),
                _ => return None,
            },
            (true, _) => return None,
        };
        Some(Self { var, test })
    }

    /// Whether it holds, if the variable has this value.
    pub(crate) fn holds(&self, value: &str) -> bool {
        let falsy = ["", "false", "0", "no", "off"].iter().any(|word| word.eq_ignore_ascii_case(value));
        match self.test {
            Test::Truthy => !falsy,
            Test::Falsy => falsy,
            Test::Is(wanted) => value == wanted,
            Test::IsNot(wanted) => value != wanted,
        }
    }
}

fn unquoted(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

const OPERATORS: [&str; 6] = ["==", "!=", ">=", "<=", ">", "<"];

/// Whether `text` is a condition that can be decided while a formula runs.
pub(crate) fn is_at_run(text: &str) -> bool {
    let text = text.trim();
    if let Some(path) = text.strip_prefix("file.exists(").and_then(|rest| rest.strip_suffix(')')) {
        return path.len() > 2 && unquoted(path) != path;
    }
    for over in ["children(", "descendants(", "steps("] {
        if let Some(rest) = text.strip_prefix(over) {
            return is_aggregate(rest);
        }
    }
    comparison(text).is_some_and(|(field, _)| is_path(field))
}

/// Whether this is `step).all(inner)`, or `step).count(inner) >= n`.
fn is_aggregate(rest: &str) -> bool {
    let Some((step, rest)) = rest.split_once(").") else { return false };
    let Some((function, rest)) = rest.split_once('(') else { return false };
    let Some((inner, compared)) = rest.rsplit_once(')') else { return false };
    let inner_is_one = comparison(inner).is_some_and(|(field, _)| is_path(field));
    let compared = compared.trim();
    let compared_is_one = OPERATORS
        .iter()
        .find_map(|operator| compared.strip_prefix(operator))
        .is_some_and(|number| number.trim().parse::<u64>().is_ok());
    is_path(step)
        && inner_is_one
        && matches!(function, "all" | "any" | "count")
        && (compared_is_one || (compared.is_empty() && function != "count"))
}

/// The two sides of a comparison.
fn comparison(text: &str) -> Option<(&str, &str)> {
    let at = text.find(['=', '!', '<', '>'])?;
    let operator = OPERATORS.iter().find(|operator| text[at..].starts_with(**operator))?;
    let value = text[at + operator.len()..].trim();
    (!value.is_empty()).then(|| (text[..at].trim(), value))
}

/// Words with dots between them.
fn is_path(text: &str) -> bool {
    text.split('.')
        .all(|word| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_step_is_in_or_out_by_the_value_of_a_variable() {
        let check = |text: &str, value: &str, expected: bool| {
            let condition = OfStep::read(text).unwrap();
            assert_eq!((condition.var, condition.holds(value)), ("v", expected), "{text} with {value:?}");
        };
        for (value, truthy) in [
            ("yes", true),
            ("", false),
            ("FALSE", false),
            ("0", false),
            ("No", false),
            ("off", false),
            ("x", true),
        ] {
            check("{{v}}", value, truthy);
            check("! {{ v }}", value, !truthy);
        }
        check("{{v}} == staging", "staging", true);
        check("{{v}} == 'staging'", "staging", true);
        check("{{v}}!=\"a b\"", "a b", false);
        check("{{v}} != x", "", true);
        for text in ["", "v", "{{v}", "{{v}} = x", "{{v}} and {{w}}", "!{{v}} == x", "{{#if v}}", "{{}}"] {
            assert_eq!(OfStep::read(text), None, "{text}");
        }
    }

    #[test]
    fn conditions_at_run_have_a_few_forms() {
        for text in [
            "step.status == 'complete'",
            "review-code.output.errors.count <= 0",
            "output.approved == true",
            "children(step).all(status == 'complete')",
            "descendants(survey).count(status == 'failed') >= 2",
            "steps.complete >= 3",
            "file.exists('go.mod')",
            "env.CI != 'true'",
        ] {
            assert!(is_at_run(text), "{text}");
        }
        for text in
            ["", "done", "a b == c", "step.status = x", "children(x).some(a == b)", "file.exists(x)", "x =="]
        {
            assert!(!is_at_run(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_brings_them_down(text in "[a-z{}!=<>().' ]{0,40}|\\PC{0,20}") {
            let _ = (OfStep::read(&text), is_at_run(&text));
        }
    }
}
