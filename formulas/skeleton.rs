//! What a new formula begins with.

use crate::schema::written::Kind;

/// Returns the text of a formula called `name` that is in order as it stands, and shows what such a file has.
pub fn skeleton(name: &str, kind: Kind) -> String {
    let body = match kind {
        Kind::Workflow => WORKFLOW,
        Kind::Expansion => EXPANSION,
        Kind::Aspect => ASPECT,
        Kind::Convoy => CONVOY,
    };
    let about = match kind {
        Kind::Workflow => "What this workflow is for, in one line.",
        Kind::Expansion => "What a step becomes that this is put in the place of, in one line.",
        Kind::Aspect => "What this watches over, in one line.",
        Kind::Convoy => "What is looked at from several sides, in one line.",
    };
    format!(
        "formula = \"{name}\"\ndescription = \"{about}\"\nversion = 1\ntype = \"{}\"\n\n{}",
        kind.as_str(),
        body.trim_start()
    )
}

const WORKFLOW: &str = r#"
# Given with --var check='make lint'; in a text it is {{check}}.
[vars.check]
description = "the command that must succeed"
default = "make test"

[[steps]]
id = "understand"
title = "Understand what is asked"
description = """
What to do, for who does it.
"""
acceptance = "How to tell that it is done."

[[steps]]
id = "change"
title = "Make the change"
needs = ["understand"]
description = """
Make the change and run {{check}}.
"""
acceptance = "It is committed, and the command succeeds."

[[steps]]
id = "submit"
title = "Hand it in"
needs = ["change"]
description = "Run `gt done`."
acceptance = "The work is in the merge queue."
"#;

const EXPANSION: &str = r#"
# Another formula uses it for one of its steps:
#   [[compose.expand]]
#   target = "change"
#   with = "NAME-OF-THIS"

[[template]]
id = "{target}.draft"
title = "Draft: {target.title}"
description = """
{target.description}
"""

[[template]]
id = "{target}.check"
title = "Check: {target.title}"
needs = ["{target}.draft"]
description = "Look at the draft as somebody else would."
acceptance = "Nothing is left that you would send back."
"#;

const ASPECT: &str = r#"
# Another formula takes it in:
#   [compose]
#   aspects = ["NAME-OF-THIS"]

[[advice]]
target = "implement"

[[advice.before]]
id = "{step.id}-before"
title = "Before {step.title}"
description = "What to look at before."

[[advice.after]]
id = "{step.id}-after"
title = "After {step.title}"
description = "What to look at after."
"#;

const CONVOY: &str = r#"
[inputs.subject]
description = "what is looked at"
required = true

[prompts]
base = """
You look at {{subject}} from one side: {leg.focus}.

{leg.description}

Write what you find to {output.path}.
"""

[output]
directory = "findings"
leg_pattern = "{leg.id}.md"
synthesis = "all.md"

[[legs]]
id = "first"
title = "The first side"
focus = "what is wrong"
description = "What to look for."

[[legs]]
id = "second"
title = "The second side"
focus = "what is missing"
description = "What to look for."

[synthesis]
title = "Put together what was found"
description = "Read all findings, drop what is said twice, and order the rest by weight."
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::cook::{Mode, Order};

    #[test]
    fn what_a_new_formula_begins_with_is_in_order() {
        for kind in Kind::ALL {
            let text = skeleton("mine", kind);
            let given = [("subject".to_owned(), "all".to_owned())];
            for (mode, given) in [(Mode::Lint, Vec::new()), (Mode::Pour, given.to_vec())] {
                let given = given.into_iter().filter(|_| kind == Kind::Convoy).collect();
                let order = Order { mode, given, ..Order::default() };
                let cooked = Catalog::default().cook_text("mine.formula.toml", &text, &order);
                let cooked = cooked.unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(cooked.warnings, []);
                assert_eq!(cooked.proto.kind, kind.as_str());
                assert!(cooked.poured().is_ok());
            }
        }
    }
}
