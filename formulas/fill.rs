//! Texts with values put in.
//!
//! `{{name}}` is a variable of the formula. `{name}` is a word of the place that the text stands in: the number
//! of a loop, a value of an expansion, `{target}` and `{step}` with what belongs to them. A text is looked at
//! once, from left to right, and what a value brings along is not looked at again.
//!
//! All else in braces stays as it is: `{{#each}}`, `{{else}}`, `{{.x}}` are words of templates that a model
//! reads, and `{` alone is code. A name is letters, digits, `_`, `-` and `.`; within two braces it may have
//! spaces around it.

use std::borrow::Cow;

use crate::schema::vars::RESERVED;

/// Returns `text` with all words replaced that have a value: `double` knows those in two braces, `single` those
/// in one.
pub(crate) fn fill<'v>(
    text: &str,
    mut double: impl FnMut(&str) -> Option<Cow<'v, str>>,
    mut single: impl FnMut(&str) -> Option<Cow<'v, str>>,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        if let Some(inner) = rest.strip_prefix("{{") {
            let end = inner.find(|c: char| !is_of_name(c) && c != ' ' && c != '\t').unwrap_or(inner.len());
            if let Some(after) = inner[end..].strip_prefix("}}") {
                let name = inner[..end].trim();
                match Some(name).filter(|name| !RESERVED.contains(name)).and_then(&mut double) {
                    Some(value) => out.push_str(&value),
                    // Whole, so that the inner pair of braces is not taken for a word of its own.
                    None => out.push_str(&rest[..rest.len() - after.len()]),
                }
                rest = after;
                continue;
            }
        } else {
            let inner = &rest[1..];
            let end = inner.find(|c: char| !is_of_name(c)).unwrap_or(inner.len());
            if let Some(after) = inner[end..].strip_prefix('}')
                && let Some(value) = single(&inner[..end])
            {
                out.push_str(&value);
                rest = after;
                continue;
            }
        }
        // Only one brace is passed: in `{{{name}}` the name begins with the second.
        out.push('{');
        rest = &rest[1..];
    }
    out.push_str(rest);
    out
}

/// Calls `found` with each name that stands in two braces.
pub(crate) fn names(text: &str, mut found: impl FnMut(&str)) {
    fill(
        text,
        |name| {
            found(name);
            None
        },
        |_| None,
    );
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(text: &str) -> String {
        let double = |name: &str| match name {
            "a" => Some(Cow::Borrowed("1")),
            "b" => Some(Cow::Borrowed("{{a}}{i}")),
            "else" => Some(Cow::Borrowed("never")),
            _ => None,
        };
        let single = |name: &str| match name {
            "i" => Some(Cow::Borrowed("7")),
            "target.title" => Some(Cow::Borrowed("T {{a}}")),
            _ => None,
        };
        fill(text, double, single)
    }

    #[test]
    fn words_with_a_value_are_replaced_and_all_else_stays() {
        let check = |text: &str, expected: &str| assert_eq!(filled(text), expected, "{text}");
        check("{{a}} {{ a }} {i} {{b}}", "1 1 7 {{a}}{i}");
        check("{target.title}", "T {{a}}");
        check("{{i}} {a} {{free}} {free}", "{{i}} {a} {{free}} {free}");
        check("{{#each a}}{{.x}}{{else}}{{/each}}", "{{#each a}}{{.x}}{{else}}{{/each}}");
        check("{{{a}}} {{a {{a}} {", "{1} {{a 1 {");
        check("fn f() { {i} } ${a} ${i}", "fn f() { 7 } ${a} $7");
        check("{ i } {{a", "{ i } {{a");
        check("{{é}}{é}", "{{é}}{é}");
    }

    proptest! {
        #[test]
        fn without_values_no_text_changes(text in "[{}a-z. é#/-]{0,40}") {
            prop_assert_eq!(fill(&text, |_| None, |_| None), text);
        }

        #[test]
        fn a_value_is_never_looked_at_again(before in "[{}a ]{0,10}", after in "[a }]{0,10}") {
            let text = format!("{before} {{{{v}}}}{after}");
            let once = fill(&text, |name| (name == "v").then_some(Cow::Borrowed("{{v}}{v}")), |_| Some(Cow::Borrowed("!")));
            prop_assert!(once.contains("{{v}}{v}"), "{}", once);
        }
    }
}
